//! When all has been well on a way for a while, only a part of what leaves is numbered for reports: each report costs the receiver
//! a packet and both sides a wake-up, and says what the one before said. At the first sign of trouble everything is numbered again.

use std::time::{Duration, Instant};

/// All must have been well for so long.
const SETTLED: Duration = Duration::from_secs(3);
/// At ease, of so long a time a part is numbered: time enough for some pictures.
const PERIOD: Duration = Duration::from_millis(500);
const NUMBERED: Duration = Duration::from_millis(100);

/// Whether a way is at ease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ease {
    /// Periods begin so long after this. All receivers of a shard have it in common: what goes to them together is as long for
    /// each then, and their reports come together.
    origin: Instant,
    well_since: Option<Instant>,
    /// At ease; when the present period began.
    period: Option<Instant>,
    /// What was said last, and when: packets leave several at a time.
    said: (Instant, bool),
}

impl Ease {
    pub(crate) const fn new(origin: Instant) -> Self {
        Self {
            origin,
            well_since: None,
            period: None,
            said: (origin, true),
        }
    }

    /// A report says that all is well.
    pub(crate) fn note_well(&mut self, now: Instant) {
        let since = *self.well_since.get_or_insert(now);
        if self.period.is_none() && now.saturating_duration_since(since) >= SETTLED {
            let period = begun(self.origin, now);
            self.period = Some(period);
            self.said = (now, now.saturating_duration_since(period) < NUMBERED);
        }
    }

    /// Something is not well, or may not be soon.
    pub(crate) const fn end(&mut self) {
        (self.well_since, self.period) = (None, None);
    }

    pub(crate) const fn is_at_ease(&self) -> bool {
        self.period.is_some()
    }

    /// Whether what leaves now is numbered.
    #[inline]
    pub(crate) fn numbers(&mut self, now: Instant) -> bool {
        let Some(period) = &mut self.period else {
            return true;
        };
        if self.said.0 != now {
            if now.saturating_duration_since(*period) >= PERIOD {
                *period = begun(*period, now);
            }
            self.said = (now, now.saturating_duration_since(*period) < NUMBERED);
        }
        self.said.1
    }
}

/// When the present period began, if one began at `before`.
fn begun(before: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(before).as_nanos() % PERIOD.as_nanos();
    let passed = Duration::from_nanos(u64::try_from(passed).unwrap_or(0));
    now.checked_sub(passed).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    /// Packets of a hundred, one each 10 ms, that are numbered.
    fn numbered(ease: &mut Ease, clock: &ManualClock) -> usize {
        let packets = (0..100).filter(|_| {
            clock.advance(Duration::from_millis(10));
            ease.numbers(clock.instant())
        });
        packets.count()
    }

    #[test]
    fn a_fifth_is_numbered_after_three_good_seconds_and_all_after_trouble() {
        let clock = ManualClock::new();
        let mut ease = Ease::new(clock.instant());
        for _ in 0..3 {
            ease.note_well(clock.instant());
            assert_eq!(numbered(&mut ease, &clock), 100);
        }
        ease.end();
        for _ in 0..3 {
            ease.note_well(clock.instant());
            assert_eq!(numbered(&mut ease, &clock), 100, "trouble counts");
        }
        ease.note_well(clock.instant());
        assert!(ease.is_at_ease());
        assert!((18..=22).contains(&numbered(&mut ease, &clock)));
        ease.end();
        assert_eq!(numbered(&mut ease, &clock), 100);
    }
}
