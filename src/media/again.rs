//! How often, and how soon after the last time, a receiver may be sent the packets of a slot again.

use std::time::{Duration, Instant};

/// Repairs of a slot in a second; a receiver that needs more needs a key frame.
const REPAIRS: u32 = 256;
/// Times in a second that something is looked for which a receiver says is lost; most of it is asked for more than once.
const LOOKS: u32 = 1024;
/// Repairs remembered, so that none is repeated too soon.
const REMEMBERED: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

/// What was sent again lately.
#[derive(Debug, Default)]
pub(crate) struct Again {
    window: Option<Instant>,
    left: u32,
    looks: u32,
    recent: Vec<(u64, Instant)>,
    oldest: usize,
}

impl Again {
    /// Whether something may be looked for now; if so it counts.
    pub(crate) fn may_look(&mut self, now: Instant) -> bool {
        self.turn(now);
        let may = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        may
    }

    /// Another second has its own budgets.
    fn turn(&mut self, now: Instant) {
        let lasts = |begun: Instant| now.saturating_duration_since(begun) < SECOND;
        if !self.window.is_some_and(lasts) {
            self.window = Some(now);
            (self.left, self.looks) = (REPAIRS, LOOKS);
        }
    }

    /// Whether this packet may be sent again now, `again` after the last time at the soonest; if so it counts as done.
    pub(crate) fn is_due(&mut self, index: u64, again: Duration, now: Instant) -> bool {
        self.turn(now);
        let passed = |since: Instant| now.saturating_duration_since(since);
        let lately = |(known, at): &(u64, Instant)| *known == index && passed(*at) < again;
        if self.left == 0 || self.recent.iter().any(lately) {
            return false;
        }
        self.left -= 1;
        match self.recent.get_mut(self.oldest) {
            Some(place) => *place = (index, now),
            None => self.recent.push((index, now)),
        }
        self.oldest = (self.oldest + 1) % REMEMBERED;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    const AGAIN: Duration = Duration::from_millis(40);

    #[test]
    fn a_packet_is_not_repeated_within_the_way_there_and_back() {
        let (clock, mut again) = (ManualClock::new(), Again::default());
        assert!(again.is_due(7, AGAIN, clock.instant()));
        clock.advance(AGAIN / 2);
        assert!(!again.is_due(7, AGAIN, clock.instant()));
        assert!(again.is_due(8, AGAIN, clock.instant()), "another");
        clock.advance(AGAIN / 2);
        assert!(again.is_due(7, AGAIN, clock.instant()));
    }

    #[test]
    fn of_a_second_there_is_a_most_and_what_is_remembered_does_not_grow() {
        let (clock, mut again) = (ManualClock::new(), Again::default());
        let due = |again: &mut Again, now| {
            (0..1000)
                .filter(|index| again.is_due(*index, AGAIN, now))
                .count()
        };
        assert_eq!(due(&mut again, clock.instant()), REPAIRS as usize);
        clock.advance(SECOND / 2);
        assert_eq!(due(&mut again, clock.instant()), 0);
        clock.advance(SECOND / 2);
        assert_eq!(due(&mut again, clock.instant()), REPAIRS as usize);
        assert_eq!(again.recent.len(), REMEMBERED);
        let looks = |again: &mut Again, now| (0..5000).filter(|_| again.may_look(now)).count();
        assert_eq!(looks(&mut again, clock.instant()), LOOKS as usize);
        assert_eq!(looks(&mut again, clock.instant()), 0);
        clock.advance(SECOND);
        assert_eq!(looks(&mut again, clock.instant()), LOOKS as usize);
    }
}
