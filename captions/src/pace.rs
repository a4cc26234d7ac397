//! How much sound of one track is listened to: as much as anyone can say in the time, and some in advance for what the
//! network held back. Whoever sends more (timestamps are the sender's own) takes no time from the others. Pure.

/// Sound for so much of the machine's time, in tenths: clocks differ, and a queue must be able to empty.
const TENTHS: i64 = 11;
/// Sound in advance.
const BURST: i64 = 10 * 6000;
/// Once there was too much nothing is listened to until there is room for this: else words would be cut to pieces.
const AGAIN: i64 = 10 * 2000;

/// Follows one track. Levels are tenths of a millisecond.
pub(crate) struct Pace {
    level: i64,
    at_ms: i64,
    over: bool,
}

impl Pace {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            level: BURST,
            at_ms: now,
            over: false,
        }
    }

    /// Whether `sound_ms` more are listened to.
    pub(crate) fn admits(&mut self, sound_ms: i64, now: i64) -> bool {
        let passed = now.saturating_sub(self.at_ms).clamp(0, BURST);
        self.at_ms = self.at_ms.max(now);
        self.level = (self.level + passed * TENTHS).min(BURST);
        let cost = sound_ms.saturating_mul(10);
        self.over = self.level < cost || self.over && self.level < AGAIN;
        if !self.over {
            self.level -= cost;
        }
        !self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many milliseconds of sound are admitted within `during_ms`, in frames of 16 ms, `times` as fast as time goes.
    fn admitted(during_ms: i64, times: i64) -> i64 {
        let mut pace = Pace::new(0);
        let frames = (0..during_ms * times / 16).filter(|at| pace.admits(16, at * 16 / times));
        i64::try_from(frames.count()).unwrap() * 16
    }

    #[test]
    fn who_speaks_as_fast_as_time_goes_is_heard_for_ever() {
        assert_eq!(admitted(3_600_000, 1), 3_600_000);
    }

    #[test]
    fn what_the_network_held_back_is_heard_too() {
        let mut pace = Pace::new(0);
        for round in 1..10 {
            let late = (0..5000 / 16).all(|at| pace.admits(16, round * 5000 + at / 10));
            assert!(late, "{round}");
        }
    }

    #[test]
    fn more_than_that_is_not() {
        for times in [2, 10, 50] {
            let heard = admitted(100_000, times);
            assert!((110_000..=117_000).contains(&heard), "{heard}");
        }
    }

    #[test]
    fn what_is_heard_again_is_heard_for_a_while() {
        let mut pace = Pace::new(0);
        let heard: Vec<bool> = (0..20_000).map(|at| pace.admits(16, at)).collect();
        let changes = heard.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes < 30, "{changes}");
    }
}
