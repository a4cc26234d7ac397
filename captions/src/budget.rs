//! Who is recognised next, and what is left out when there is too much: whoever had their turn the longest ago comes first,
//! however much one says; the newest sound of an open phrase stands for all its older ones, finished phrases are never
//! left out. Over budget there are finished cues only; when even those come
//! late the worker says so; and it comes back by itself. Pure: the time is handed in.

use crate::talker::Due;
use crate::wire::{FromRecogniser, Track};

/// The longest step between two passes over an open phrase.
const LONGEST_STEP_MS: i64 = 3000;
/// A finished phrase that waits so long means that there is no time for open ones.
const BEHIND_MS: i64 = 1500;
/// One that waits so long comes late.
const LATE_MS: i64 = 4000;
/// Nothing may wait for so long before things are as they were.
const CALM_MS: i64 = 3000;

/// What one track would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Whose it is.
    pub track: Track,
    /// Which pass.
    pub due: Due,
    /// The turn at which this track was chosen last, as [`Budget::turn`] counts; 0 if never.
    pub served: u64,
}

/// Decides for one worker process.
pub struct Budget {
    step_ms: i64,
    partials: bool,
    state: State,
    /// Since when no finished phrase has been waiting.
    calm_since: Option<i64>,
    waiting: u32,
    turn: u64,
    told: (u32, State),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Live,
    FinalsOnly,
    Delayed,
}

impl Budget {
    /// With the step between two passes over an open phrase when there is time; 0 for finished cues only.
    #[must_use]
    pub fn new(step_ms: u16) -> Self {
        Self {
            step_ms: i64::from(step_ms.clamp(300, 3000)),
            partials: step_ms > 0,
            state: State::Live,
            calm_since: None,
            waiting: 0,
            turn: 0,
            told: (0, State::Live),
        }
    }

    /// Chooses among what is due now: of those whose phrase is over the one that was chosen the longest ago; else of the open
    /// ones with a step's worth of new sound.
    pub fn choose(&mut self, due: &[Wish], workers: usize, now: i64) -> Option<Track> {
        let over = due.iter().filter_map(|wish| match wish.due {
            Due::Last(since) => Some((wish.served, since, wish.track)),
            Due::Partial(_) | Due::English => None,
        });
        let step = self.step(due.len(), workers);
        let open = due.iter().filter_map(|wish| match wish.due {
            // The most sound first among equals.
            Due::Partial(sound) if sound >= step => Some((wish.served, -sound, wish.track)),
            _ => None,
        });
        // What is wanted in English waits for no sound and comes before what is only tentative.
        let english = due
            .iter()
            .filter_map(|wish| (wish.due == Due::English).then_some((wish.served, wish.track)));
        let finals = over.clone().count();
        self.waiting = u32::try_from(open.clone().count() + finals).unwrap_or(u32::MAX);
        let oldest = over.clone().map(|(_, since, _)| since).min();
        self.judge(
            oldest.map_or(0, |since| now.saturating_sub(since)),
            finals,
            now,
        );
        let chosen = match over.min() {
            Some((.., track)) => Some(track),
            None if let Some((_, track)) = english.min() => Some(track),
            None if self.partials && self.state == State::Live => {
                open.min().map(|(.., track)| track)
            }
            None => None,
        };
        self.turn = self.turn.saturating_add(u64::from(chosen.is_some()));
        chosen
    }

    /// How many were chosen so far.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// A phrase or sound was given up.
    pub fn lost(&mut self) {
        self.state = State::Delayed;
        self.calm_since = None;
    }

    /// What to tell the server, if it is not what it was told last.
    pub fn tell(&mut self) -> Option<FromRecogniser> {
        // The number alone is told only when it grew or fell by half, or every cue would bring one.
        let (waiting, state) = self.told;
        let much = self.waiting > 8 && self.waiting > waiting.saturating_mul(2)
            || self.waiting < waiting / 2;
        if state == self.state && !much {
            return None;
        }
        self.told = (self.waiting, self.state);
        Some(FromRecogniser::Load {
            waiting: self.waiting,
            delayed: self.state == State::Delayed,
            finals_only: self.state >= State::FinalsOnly,
        })
    }

    /// With more talkers than workers each gets its turn less often.
    fn step(&self, talkers: usize, workers: usize) -> i64 {
        let share = talkers.div_ceil(workers.max(1)).max(1);
        let share = i64::try_from(share).unwrap_or(i64::MAX);
        self.step_ms.saturating_mul(share).min(LONGEST_STEP_MS)
    }

    fn judge(&mut self, age_ms: i64, finals: usize, now: i64) {
        if age_ms > LATE_MS {
            self.state = State::Delayed;
        } else if age_ms > BEHIND_MS {
            self.state = self.state.max(State::FinalsOnly);
        }
        if finals > 0 {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_sub(since) >= CALM_MS {
            self.state = State::Live;
        }
    }
}

/// Whether the captions of one track come late, which those who read it are told.
#[derive(Default)]
pub struct Lateness {
    late: bool,
    /// What was said last.
    told: bool,
    /// Since when nothing of it has waited.
    calm_since: Option<i64>,
}

impl Lateness {
    /// Something of it was given up: not before it is calm again are its captions in time.
    pub fn lost(&mut self) {
        self.calm_since = None;
        self.late = true;
    }

    /// Takes what is due, and whether nothing is or runs; says whether it is late, if that is news.
    pub fn judge(&mut self, due: Option<Due>, idle: bool, now: i64) -> Option<bool> {
        match due {
            Some(Due::Last(since)) => {
                self.calm_since = None;
                self.late |= now.saturating_sub(since) > LATE_MS;
            }
            Some(Due::Partial(_) | Due::English) => self.calm(now),
            None if idle => self.calm(now),
            // A pass runs: nothing is known that was not before.
            None => {}
        }
        let news = std::mem::replace(&mut self.told, self.late) != self.late;
        news.then_some(self.late)
    }

    fn calm(&mut self, now: i64) {
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_sub(since) >= CALM_MS {
            self.late = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flags(budget: &mut Budget) -> Option<(bool, bool)> {
        budget.tell().map(|load| match load {
            FromRecogniser::Load {
                delayed,
                finals_only,
                ..
            } => (finals_only, delayed),
            _ => unreachable!(),
        })
    }

    fn wish(track: u64, due: Due, served: u64) -> Wish {
        let track = Track(track);
        Wish { track, due, served }
    }

    #[test]
    fn one_track_is_late_without_the_others_and_until_it_was_calm() {
        let (mut slow, mut other) = (Lateness::default(), Lateness::default());
        let last = Some(Due::Last(0));
        assert_eq!(slow.judge(last, false, 4000), None);
        assert_eq!(slow.judge(last, false, 4001), Some(true));
        assert_eq!(other.judge(Some(Due::Partial(900)), false, 4001), None);
        assert_eq!(slow.judge(None, false, 20_000), None, "a pass runs");
        assert_eq!(slow.judge(None, true, 20_000), None);
        assert_eq!(slow.judge(None, true, 23_000), Some(false));
        other.lost();
        assert_eq!(other.judge(None, true, 23_000), Some(true));
        assert_eq!(other.judge(None, true, 26_000), Some(false));
    }

    #[test]
    fn what_is_wanted_in_english_waits_for_finished_phrases_alone() {
        let mut budget = Budget::new(1000);
        let due = [
            wish(1, Due::Partial(2900), 0),
            wish(2, Due::English, 3),
            wish(3, Due::Last(500), 9),
        ];
        assert_eq!(budget.choose(&due, 1, 1000), Some(Track(3)));
        assert_eq!(budget.choose(&due[..2], 1, 1000), Some(Track(2)));
    }

    #[test]
    fn a_finished_phrase_goes_before_open_ones_and_the_oldest_first() {
        let mut budget = Budget::new(1000);
        let due = [
            wish(1, Due::Partial(2900), 0),
            wish(2, Due::Last(500), 0),
            wish(3, Due::Last(400), 0),
        ];
        assert_eq!(budget.choose(&due, 1, 600), Some(Track(3)));
        assert_eq!(budget.choose(&due[..2], 1, 600), Some(Track(2)));
        assert_eq!(budget.choose(&due[..1], 1, 600), Some(Track(1)));
        assert_eq!(budget.turn(), 3);
        let few = [wish(1, Due::Partial(900), 3)];
        assert_eq!(budget.choose(&few, 1, 600), None);
        assert_eq!(budget.turn(), 3);
    }

    #[test]
    fn whoever_had_their_turn_comes_after_those_who_had_none() {
        let mut budget = Budget::new(1000);
        let due = [
            wish(1, Due::Last(0), 7),
            wish(2, Due::Last(500), 6),
            wish(3, Due::Partial(2000), 0),
        ];
        assert_eq!(budget.choose(&due, 1, 600), Some(Track(2)));
        let due = [
            wish(1, Due::Partial(2900), 8),
            wish(2, Due::Partial(2500), 7),
        ];
        assert_eq!(budget.choose(&due, 1, 600), Some(Track(2)));
    }

    #[test]
    fn many_talkers_lengthen_the_step() {
        let mut budget = Budget::new(1000);
        let due: Vec<_> = (0..2).map(|at| wish(at, Due::Partial(1500), 0)).collect();
        assert_eq!(budget.choose(&due, 1, 0), None);
        assert_eq!(budget.choose(&due, 2, 0), Some(Track(0)));
    }

    #[test]
    fn over_budget_there_are_finished_cues_then_a_word_of_it_and_then_it_comes_back() {
        let mut budget = Budget::new(1000);
        let open = wish(1, Due::Partial(2000), 0);
        budget.choose(&[open, wish(2, Due::Last(0), 0)], 2, 100);
        assert_eq!(flags(&mut budget), None);
        budget.choose(&[open, wish(2, Due::Last(0), 0)], 2, 1600);
        assert_eq!(flags(&mut budget), Some((true, false)));
        budget.choose(&[open, wish(2, Due::Last(0), 0)], 2, 4100);
        assert_eq!(flags(&mut budget), Some((true, true)));
        assert_eq!(flags(&mut budget), None);
        assert_eq!(budget.choose(&[open], 2, 4200), None);
        assert_eq!(budget.choose(&[open], 2, 7100), None);
        assert_eq!(budget.choose(&[open], 2, 7200), Some(Track(1)));
        assert_eq!(flags(&mut budget), Some((false, false)));
    }

    proptest! {
        #[test]
        fn a_finished_phrase_is_never_passed_over_and_all_have_their_turn(
            loads in prop::collection::vec((0..20_u64, 0..10_000_i64, any::<bool>()), 1..60)
        ) {
            let mut budget = Budget::new(1000);
            let mut due = Vec::new();
            for (now, (track, value, last)) in loads.into_iter().enumerate() {
                let now = 100 * i64::try_from(now).unwrap();
                let served = due.iter().find(|wish: &&Wish| wish.track == Track(track)).map_or(0, |wish| wish.served);
                due.retain(|wish| wish.track != Track(track));
                due.push(wish(track, if last { Due::Last(now - value) } else { Due::Partial(value) }, served));
                let chosen = budget.choose(&due, 1, now);
                let over = |wish: &&Wish| matches!(wish.due, Due::Last(_));
                if let Some(first) = due.iter().filter(over).map(|wish| wish.served).min() {
                    let chosen = due.iter().find(|wish| Some(wish.track) == chosen).unwrap();
                    prop_assert!(over(&chosen) && chosen.served == first);
                }
                for wish in &mut due {
                    if Some(wish.track) == chosen {
                        // It has more to say at once, and since long ago.
                        *wish = Wish { due: Due::Last(-1_000_000), served: budget.turn(), ..*wish };
                    }
                }
            }
        }
    }
}
