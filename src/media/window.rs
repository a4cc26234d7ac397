//! Which packet numbers were used: the memory behind "accepted once" and "sealed once". It only ever says yes once to a number.

/// How far behind the newest a packet may be. A second of 8 Mbit/s video is about 900 packets.
const WINDOW: u64 = 1024;

/// Which of the newest indices were taken; what is older counts as taken.
#[derive(Debug)]
pub(crate) struct Window {
    /// The newest index taken.
    pub(crate) newest: u64,
    taken: [u64; (WINDOW / 64) as usize],
}

impl Window {
    /// Knows one index, which is taken.
    pub(crate) fn starting_at(index: u64) -> Self {
        let mut window = Self {
            newest: index,
            taken: [0; (WINDOW / 64) as usize],
        };
        window.mark(index);
        window
    }

    /// Takes an index if it is free.
    #[inline]
    pub(crate) fn take(&mut self, index: u64) -> bool {
        if index > self.newest {
            // Places between come into the window as free.
            if index - self.newest >= WINDOW {
                self.taken = [0; (WINDOW / 64) as usize];
            } else {
                for skipped in self.newest + 1..index {
                    self.clear(skipped);
                }
            }
            self.newest = index;
        } else if self.newest - index >= WINDOW || self.is_marked(index) {
            return false;
        }
        self.mark(index);
        true
    }

    fn place(index: u64) -> (usize, u64) {
        let place = index % WINDOW;
        (usize::try_from(place / 64).unwrap_or(0), 1 << (place % 64))
    }

    fn is_marked(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        self.taken.get(word).is_none_or(|word| word & bit != 0)
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        if let Some(word) = self.taken.get_mut(word) {
            *word |= bit;
        }
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        if let Some(word) = self.taken.get_mut(word) {
            *word &= !bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_any_order_takes_each_index_once() {
        let mut window = Window::starting_at(0);
        let mut taken = std::collections::HashSet::from([0]);
        let mut state = 1_u64;
        for _ in 0..50_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let index = (window.newest + (state >> 60)).saturating_sub(state >> 40 & 0x7ff);
            if window.take(index) {
                assert!(taken.insert(index), "{index} twice");
            } else {
                assert!(
                    taken.contains(&index) || window.newest - index >= WINDOW,
                    "{index} refused"
                );
            }
        }
    }
}
