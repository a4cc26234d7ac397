//! How numbers close up over packets that a receiver of fewer layers does not get. What is left out is counted once for each cut
//! through the layers of a stream, not for each receiver.

use crate::media::descriptor::MOST_LAYERS;

/// Cuts of one stream.
const CUTS: usize = MOST_LAYERS * MOST_LAYERS;

/// Up to which layers a receiver gets a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Sizes within the stream.
    pub(crate) size: u8,
    /// Rates.
    pub(crate) rate: u8,
}

impl Cut {
    /// All of it.
    pub(crate) const NONE: Self = Self {
        size: MOST_LAYERS as u8 - 1,
        rate: MOST_LAYERS as u8 - 1,
    };

    const fn place(self) -> usize {
        let last = MOST_LAYERS - 1;
        let (size, rate) = (self.size as usize, self.rate as usize);
        let size = if size < last { size } else { last };
        let rate = if rate < last { rate } else { last };
        size * MOST_LAYERS + rate
    }

    /// The highest cut has every layer, however many there are.
    pub(crate) const fn has(self, size: u8, rate: u8) -> bool {
        let last = MOST_LAYERS as u8 - 1;
        (size <= self.size || self.size >= last) && (rate <= self.rate || self.rate >= last)
    }
}

/// What was left out before a packet, for each cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips {
    packets: [u32; CUTS],
    /// Pictures, for each rate.
    pictures: [u16; MOST_LAYERS],
}

impl Skips {
    /// The number of a packet among those of a cut.
    pub(crate) fn rank(&self, index: u64, cut: Cut) -> u64 {
        let skipped = self.packets.get(cut.place()).copied().unwrap_or(0);
        index.saturating_sub(u64::from(skipped))
    }

    /// Pictures left out before this one.
    pub(crate) fn pictures(&self, cut: Cut) -> u16 {
        let rate = usize::from(cut.rate).min(MOST_LAYERS - 1);
        self.pictures.get(rate).copied().unwrap_or(0)
    }

    /// Those before the packet that follows one of these layers.
    fn after(mut self, size: u8, rate: u8, picture: bool) -> Self {
        for (place, skipped) in self.packets.iter_mut().enumerate() {
            let cut = Cut {
                size: (place / MOST_LAYERS) as u8,
                rate: (place % MOST_LAYERS) as u8,
            };
            if !cut.has(size, rate) {
                *skipped = skipped.wrapping_add(1);
            }
        }
        if picture {
            for (own, pictures) in (0..).zip(&mut self.pictures) {
                if !(Cut { size, rate: own }).has(size, rate) {
                    *pictures = pictures.wrapping_add(1);
                }
            }
        }
        self
    }
}

/// Layers of a packet: size, rate, and whether it begins a picture.
pub(crate) type Layers = (u8, u8, bool);

/// The count of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ranks {
    next: Skips,
    newest: Option<u64>,
}

impl Ranks {
    /// Counts a packet; `before` finds what is known of an earlier one: its skips and its layers. One that comes late has the
    /// place that was left for it; `None` if nobody knows which that is.
    pub(crate) fn note(
        &mut self,
        index: u64,
        (size, rate, picture): Layers,
        before: impl Fn(u64) -> Option<(Skips, Layers)>,
    ) -> Option<Skips> {
        if self.newest.is_none_or(|newest| index > newest) {
            self.newest = Some(index);
            let skips = self.next;
            if (size, rate) != (0, 0) {
                self.next = skips.after(size, rate, picture);
            }
            return Some(skips);
        }
        if self.next == Skips::default() {
            return Some(self.next);
        }
        let known = (1..=NEAR).find_map(|back| before(index.checked_sub(back)?));
        known.map(|(skips, (size, rate, picture))| skips.after(size, rate, picture))
    }
}

/// How far back one is looked for that came before a late packet.
const NEAR: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_cut_are_without_gaps() {
        // Three rates: 0 2 1 2, two packets a picture.
        let mut ranks = Ranks::default();
        let mut next: [Option<u64>; MOST_LAYERS] = [None; MOST_LAYERS];
        for index in 100..400_u64 {
            let rate = [0, 2, 1, 2][(index / 2 % 4) as usize];
            let skips = ranks
                .note(index, (0, rate, index % 2 == 0), |_| None)
                .unwrap();
            for (cut, next) in (0..).zip(&mut next) {
                let rank = skips.rank(index, Cut { size: 2, rate: cut });
                if rate <= cut {
                    assert_eq!(rank, next.unwrap_or(rank), "{index} {cut}");
                    *next = Some(rank + 1);
                }
            }
        }
        let skips = ranks.note(400, (0, 0, true), |_| None).unwrap();
        let pictures = |rate| skips.pictures(Cut { size: 0, rate });
        assert_eq!([pictures(0), pictures(1), pictures(2)], [113, 75, 0]);
    }

    #[test]
    fn what_comes_late_has_the_place_left_for_it() {
        let mut ranks = Ranks::default();
        let slow = Cut { size: 2, rate: 0 };
        let first = ranks.note(10, (0, 1, true), |_| None).unwrap();
        // 11 is missing.
        let third = ranks.note(12, (0, 0, true), |_| None).unwrap();
        assert_eq!((first.rank(10, slow), third.rank(12, slow)), (10, 11));
        let late = ranks.note(11, (0, 0, true), |index| {
            (index == 10).then_some((first, (0, 1, true)))
        });
        let late = late.unwrap();
        assert_eq!(late.rank(11, slow), 10);
        assert_eq!(late.rank(11, Cut::NONE), 11);
        // Of one that comes later than anything that is known nobody knows the place.
        assert_eq!(ranks.note(9, (0, 0, true), |_| None), None);
    }

    #[test]
    fn sizes_in_one_stream_are_cut_too() {
        let mut ranks = Ranks::default();
        let small = Cut { size: 0, rate: 2 };
        for index in 0..30 {
            let size = (index % 3) as u8;
            let skips = ranks.note(index, (size, 0, size == 0), |_| None).unwrap();
            if size == 0 {
                assert_eq!(skips.rank(index, small), index / 3);
                assert_eq!(skips.pictures(small), 0);
            }
        }
    }
}
