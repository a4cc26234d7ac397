//! Which layer of each picture a receiver gets: by the size it shows, by what its line carries, and by what is most important. A
//! pure choice, made again and again from the same figures without going back and forth.

use crate::media::descriptor::{MOST_LAYERS, Size};

/// A layer that is enlarged by more than this, in percent, is too small.
const ENLARGED: u64 = 125;
/// The same for the layer that was chosen before, which is kept a little longer.
const ENLARGED_BEFORE: u64 = 140;
/// The same for a smaller one than was chosen before, which must fit better.
const ENLARGED_SMALLER: u64 = 110;
/// What a larger layer needs of what is left, in percent of its bits, before it is begun.
const HEADROOM: u64 = 120;
/// What everything together needs of the budget then, so that figures that tremble do not end it again.
const HEADROOM_IN_ALL: u64 = 115;

/// One size of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) size: Size,
    /// Bits per second up to each rate, with all layers that it needs.
    pub(crate) bits: [u64; MOST_LAYERS],
    /// Its highest rate.
    pub(crate) fastest: u8,
    /// Packets of it come.
    pub(crate) flows: bool,
}

/// How important a picture is; the first is the most important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Screen,
    Spotlight,
    Speaker,
    Other,
}

/// One picture that a receiver shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// How large it is shown; nothing of it is sent if it has no size.
    pub(crate) shown: Size,
    pub(crate) priority: Priority,
    /// The sizes of the source, the smallest first.
    pub(crate) layers: [Layer; MOST_LAYERS],
    /// How many there are.
    pub(crate) count: u8,
    /// What was chosen last.
    pub(crate) before: Option<Choice>,
}

/// What a receiver gets of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The size that it should get; the publisher is to send it.
    pub(crate) goal: u8,
    /// The size that it gets as long as the goal does not come.
    pub(crate) size: u8,
    pub(crate) rate: u8,
    /// It would be larger if the line could carry it.
    pub(crate) short: bool,
}

/// What a receiver gets at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// All pictures together, in bits per second.
    pub(crate) bits: u64,
    pub(crate) height: Option<u16>,
}

/// Chooses for each picture, in the order of the wants; `None` is nothing of it.
pub(crate) fn choose(wants: &[Want], most: Most) -> Vec<Option<Choice>> {
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by_key(|place| wants.get(*place).map(|want| (want.priority, *place)));
    let mut chosen: Vec<Option<Choice>> = vec![None; wants.len()];
    let mut left = most.bits;
    // Something of everything comes before more of anything.
    for place in &order {
        if let (Some(want), Some(chosen)) = (wants.get(*place), chosen.get_mut(*place)) {
            // The most important is never without: its smallest is all that can be done.
            let first = order.first() == Some(place);
            *chosen = want.least((left, most.bits), first);
            left = left.saturating_sub(want.cost(*chosen));
        }
    }
    for place in &order {
        if let (Some(want), Some(chosen)) = (wants.get(*place), chosen.get_mut(*place))
            && let Some(least) = *chosen
        {
            let own = left.saturating_add(want.cost(*chosen));
            *chosen = Some(want.raise(least, (own, most.bits), most.height));
            left = own.saturating_sub(want.cost(*chosen));
        }
    }
    for (want, chosen) in wants.iter().zip(&mut chosen) {
        if let Some(choice) = chosen {
            choice.size = want.coming(choice.goal);
        }
    }
    chosen
}

impl Want {
    fn layer(&self, size: u8) -> Layer {
        self.layers
            .get(usize::from(size))
            .copied()
            .unwrap_or_default()
    }

    /// Bits per second of a size and rate. What has not come yet is guessed by its size.
    fn bits(&self, size: u8, rate: u8) -> u64 {
        let layer = self.layer(size);
        let measured = layer.bits.get(usize::from(rate)).copied().unwrap_or(0);
        if measured > 0 {
            return measured;
        }
        match layer.size.height {
            0..=200 => 150_000,
            201..=400 => 500_000,
            401..=760 => 1_500_000,
            _ => 2_500_000,
        }
    }

    pub(crate) fn cost(&self, choice: Option<Choice>) -> u64 {
        choice.map_or(0, |choice| self.bits(choice.goal, choice.rate))
    }

    /// Whether a size and rate can be paid; what was not there before needs headroom.
    fn affords(&self, size: u8, rate: u8, (left, all): (u64, u64)) -> bool {
        let bits = self.bits(size, rate);
        let held = self
            .before
            .is_some_and(|before| (before.goal, before.rate) >= (size, rate));
        let within = |bits: u64, percent: u64, budget: u64| {
            u128::from(bits) * u128::from(percent) <= u128::from(budget) * 100
        };
        if held {
            return bits <= left;
        }
        let together = all.saturating_sub(left).saturating_add(bits);
        within(bits, HEADROOM, left) && within(together, HEADROOM_IN_ALL, all)
    }

    /// The smallest size, at the highest rate that can be paid; `left` is of the budget and the whole of it.
    fn least(&self, left: (u64, u64), always: bool) -> Option<Choice> {
        if self.count == 0 || self.shown.width == 0 || self.shown.height == 0 {
            return None;
        }
        let rate = (0..=self.layer(0).fastest)
            .rev()
            .find(|rate| self.affords(0, *rate, left))
            .or(always.then_some(0))?;
        Some(Choice {
            goal: 0,
            size: 0,
            rate,
            short: rate < self.layer(0).fastest,
        })
    }

    /// The size that fits best and can be paid.
    fn raise(&self, least: Choice, left: (u64, u64), height: Option<u16>) -> Choice {
        let fitting = self.fitting(height);
        for size in (1..=fitting).rev() {
            let layer = self.layer(size);
            // A screen is rather slow than blurred.
            let slowest = match self.priority {
                Priority::Screen => 0,
                _ => layer.fastest,
            };
            let mut rates = (slowest..=layer.fastest).rev();
            if let Some(rate) = rates.find(|rate| self.affords(size, *rate, left)) {
                return Choice {
                    goal: size,
                    size,
                    rate,
                    short: size < fitting || rate < layer.fastest,
                };
            }
        }
        Choice {
            short: least.short || fitting > 0,
            ..least
        }
    }

    /// The smallest size that need not be enlarged much, or the largest allowed. The smallest is always allowed.
    fn fitting(&self, height: Option<u16>) -> u8 {
        let allowed = (1..self.count)
            .filter(|size| height.is_none_or(|most| self.layer(*size).size.height <= most))
            .max()
            .unwrap_or(0);
        let fits = |size: &u8| {
            let limit = match self.before {
                Some(before) if before.goal == *size => ENLARGED_BEFORE,
                Some(before) if before.goal > *size => ENLARGED_SMALLER,
                _ => ENLARGED,
            };
            self.enlarged(self.layer(*size).size) <= limit
        };
        (0..=allowed).find(fits).unwrap_or(allowed)
    }

    /// By how much a size is enlarged to be shown whole, in percent.
    fn enlarged(&self, size: Size) -> u64 {
        let percent = |shown: u16, own: u16| u64::from(shown) * 100 / u64::from(own.max(1));
        percent(self.shown.width, size.width).min(percent(self.shown.height, size.height))
    }

    /// The size nearest to the goal that comes: a smaller one before a larger one.
    fn coming(&self, goal: u8) -> u8 {
        let flows = |size: &u8| self.layer(*size).flows;
        let smaller = (0..=goal).rev().find(flows);
        smaller
            .or_else(|| (goal..self.count).find(flows))
            .unwrap_or(goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_END: Most = Most {
        bits: u64::MAX,
        height: None,
    };

    fn size(height: u16) -> Size {
        Size {
            width: height / 9 * 16,
            height,
        }
    }

    fn want(shown: u16, priority: Priority) -> Want {
        let layer = |height, bits| Layer {
            size: size(height),
            bits: [bits / 2, bits * 3 / 4, bits],
            fastest: 2,
            flows: true,
        };
        Want {
            shown: size(shown),
            priority,
            layers: [
                layer(180, 150_000),
                layer(360, 500_000),
                layer(720, 1_500_000),
            ],
            count: 3,
            before: None,
        }
    }

    fn goals(chosen: &[Option<Choice>]) -> Vec<Option<(u8, u8)>> {
        let all = chosen.iter();
        all.map(|choice| choice.map(|choice| (choice.goal, choice.rate)))
            .collect()
    }

    #[test]
    fn the_size_that_is_shown_decides() {
        for (shown, goal) in [
            (90, 0),
            (180, 0),
            (216, 0),
            (270, 1),
            (360, 1),
            (540, 2),
            (1080, 2),
        ] {
            let chosen = choose(&[want(shown, Priority::Other)], NO_END);
            assert_eq!(goals(&chosen), [Some((goal, 2))], "{shown}");
        }
        let hidden = Want {
            shown: Size::default(),
            ..want(1, Priority::Screen)
        };
        assert_eq!(choose(&[hidden], NO_END), [None]);
    }

    #[test]
    fn a_receiver_bounds_the_height_but_always_gets_the_smallest() {
        for (height, goal) in [(1080, 2), (719, 1), (360, 1), (200, 0), (90, 0)] {
            let most = Most {
                height: Some(height),
                ..NO_END
            };
            let chosen = choose(&[want(1080, Priority::Other)], most);
            assert_eq!(goals(&chosen), [Some((goal, 2))], "{height}");
        }
    }

    #[test]
    fn everything_comes_before_more_of_anything_and_the_important_before_the_rest() {
        let wants = [
            want(720, Priority::Other),
            want(720, Priority::Speaker),
            want(720, Priority::Screen),
        ];
        let with = |bits| {
            let most = Most { bits, height: None };
            goals(&choose(&wants, most))
        };
        assert_eq!(with(100_000), [None, None, Some((0, 0))]);
        // All three at the lowest, then the screen first.
        assert_eq!(with(600_000), [Some((0, 2)), Some((0, 2)), Some((0, 2))]);
        assert_eq!(
            with(1_300_000),
            [Some((0, 2)), Some((0, 2)), Some((2, 0))],
            "a screen is rather slow than blurred"
        );
        assert_eq!(with(2_800_000), [Some((0, 2)), Some((1, 2)), Some((2, 2))]);
        assert_eq!(with(6_000_000), [Some((2, 2)), Some((2, 2)), Some((2, 2))]);
    }

    #[test]
    fn until_the_goal_comes_the_nearest_is_shown() {
        let mut own = want(720, Priority::Other);
        own.layers[2].flows = false;
        let chosen = choose(&[own], NO_END)[0].unwrap();
        assert_eq!((chosen.goal, chosen.size), (2, 1));
        own.layers[1].flows = false;
        own.layers[0].flows = false;
        own.layers[2].flows = true;
        own.shown = size(180);
        let chosen = choose(&[own], NO_END)[0].unwrap();
        assert_eq!((chosen.goal, chosen.size), (0, 2));
    }

    fn any_want() -> impl Strategy<Value = Want> {
        let bits = (50_000_u64..400_000, 1_u64..6, 1_u64..6);
        (0_u16..1200, 0_u8..4, bits, 1_u8..=3, any::<[bool; 3]>()).prop_map(
            |(shown, priority, (first, second, third), count, flows)| {
                let priority = [
                    Priority::Screen,
                    Priority::Spotlight,
                    Priority::Speaker,
                    Priority::Other,
                ][usize::from(priority)];
                let mut own = want(shown, priority);
                let bits = [first, first * second, first * second * third];
                for (place, bits) in bits.into_iter().enumerate() {
                    own.layers[place].bits = [bits / 2, bits * 3 / 4, bits];
                    own.layers[place].flows = flows[place];
                }
                own.count = count;
                own
            },
        )
    }

    fn again(wants: &mut [Want], chosen: &[Option<Choice>]) {
        for (want, chosen) in wants.iter_mut().zip(chosen) {
            want.before = *chosen;
        }
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_the_choice_stands(
            mut wants in proptest::collection::vec(any_want(), 0..12),
            bits in 0_u64..20_000_000,
            height in proptest::option::of(90_u16..1200),
        ) {
            let most = Most { bits, height };
            let mut last = choose(&wants, most);
            for round in 0..4 {
                let spent: u64 = wants.iter().zip(&last).map(|(want, own)| want.cost(*own)).sum();
                // But for the smallest of the most important.
                let first = wants.iter().zip(&last).filter_map(|(want, own)| Some((want, (*own)?)));
                let first = first.min_by_key(|(want, _)| want.priority);
                let least = first.map_or(0, |(want, _)| want.bits(0, 0));
                prop_assert!(spent <= bits.max(least), "{spent} of {bits}");
                for (want, own) in wants.iter().zip(&last) {
                    if let Some(own) = own {
                        prop_assert!(own.goal < want.count && own.size < want.count);
                        prop_assert!(want.shown.height > 0);
                        let high = want.layer(own.goal).size.height;
                        prop_assert!(own.goal == 0 || height.is_none_or(|most| high <= most));
                    }
                }
                again(&mut wants, &last);
                let next = choose(&wants, most);
                if round > 1 {
                    prop_assert_eq!(&next, &last);
                }
                last = next;
            }
        }

        #[test]
        fn figures_that_tremble_change_nothing_twice(
            shown in 200_u16..800,
            bits in 300_000_u64..4_000_000,
            noise in proptest::collection::vec(95_u64..=105, 60),
        ) {
            let mut own = [want(shown, Priority::Other), want(shown, Priority::Speaker)];
            let measured = own[0].layers;
            let mut last = choose(&own, Most { bits, height: None });
            let mut changes = 0;
            for percent in noise {
                again(&mut own, &last);
                for want in &mut own {
                    for (layer, before) in want.layers.iter_mut().zip(measured) {
                        layer.bits = before.bits.map(|bits| bits * percent / 100);
                    }
                }
                let next = choose(&own, Most { bits, height: None });
                changes += usize::from(goals(&next) != goals(&last));
                last = next;
            }
            // Each picture goes down at most once through each of its steps, and never up again.
            prop_assert!(changes <= 4, "{changes} changes");
        }

        #[test]
        fn more_for_the_line_is_never_less_for_the_most_important(
            wants in proptest::collection::vec(any_want(), 1..8),
            bits in 0_u64..5_000_000,
            more in 0_u64..5_000_000,
        ) {
            let first = wants.iter().enumerate().min_by_key(|(place, want)| (want.priority, *place));
            let place = first.unwrap().0;
            let of = |bits| choose(&wants, Most { bits, height: None })[place]
                .map(|own| (own.goal, own.rate));
            // The others get something before it gets more: what they take is not more than all of their smallest.
            let others: u64 = wants.iter().map(|want| want.bits(0, 2) * 2).sum();
            prop_assert!(of(bits + more + others) >= of(bits));
        }
    }
}
