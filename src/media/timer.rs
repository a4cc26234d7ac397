//! The clockwork of a shard: every timer it has, in one table.

use std::time::{Duration, Instant};

/// How soon publishers are looked at again while something of theirs is missing or waited for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The share of its period by which a frequent timer may be early.
const EARLY: u32 = 5;

/// What is done again and again while there are peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Ask publishers for what is missing, and for key frames: soon after something was noticed, and now and then in any case.
    Repairs,
    /// Tell senders when their packets arrived.
    Arrivals,
    /// Let the loudest into the sound slots and say who speaks.
    Speakers,
    /// Reception reports; end peers that have gone silent.
    Reports,
    /// Something is to leave by the clock.
    Pacing,
    /// A DTLS handshake wants to retransmit or to give up.
    Handshakes,
}

impl Timer {
    pub(crate) const ALL: [Self; 6] = [
        Self::Repairs,
        Self::Arrivals,
        Self::Speakers,
        Self::Reports,
        Self::Pacing,
        Self::Handshakes,
    ];

    /// How often; `None` if it is set for each occasion.
    pub(crate) const fn period(self) -> Option<Duration> {
        match self {
            Self::Arrivals => Some(Duration::from_millis(50)),
            Self::Repairs | Self::Speakers => Some(Duration::from_millis(200)),
            Self::Reports => Some(Duration::from_millis(800)),
            Self::Pacing | Self::Handshakes => None,
        }
    }

    /// How much earlier it may come when the thread is awake anyway. What comes seldom is not worth it.
    fn ahead(self) -> Option<Duration> {
        match self {
            Self::Repairs => Some(LOOK_AGAIN / EARLY),
            Self::Arrivals | Self::Speakers => self.period().map(|period| period / EARLY),
            Self::Reports | Self::Pacing | Self::Handshakes => None,
        }
    }
}

/// When each timer is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: [Option<Instant>; Timer::ALL.len()],
}

impl Timers {
    /// Starts the periodic timers, unless they run.
    pub(crate) fn start(&mut self, now: Instant) {
        for timer in Timer::ALL {
            if let (Some(period), Some(due @ None)) =
                (timer.period(), self.due.get_mut(timer as usize))
            {
                *due = now.checked_add(period);
            }
        }
    }

    /// Stops all timers.
    pub(crate) fn stop(&mut self) {
        self.due = Default::default();
    }

    /// Sets a timer, unless it is due earlier.
    pub(crate) fn hasten(&mut self, timer: Timer, at: Instant) {
        if let Some(due) = self.due.get_mut(timer as usize) {
            *due = Some(due.map_or(at, |due| due.min(at)));
        }
    }

    /// A timer that is due; it starts anew. `early` takes also what will be due soon and comes often: whoever is awake need not be
    /// woken for it. What is early does not come more often for it.
    pub(crate) fn take(&mut self, now: Instant, early: bool) -> Option<Timer> {
        let is_due = |timer: &Timer| {
            let ahead = timer.ahead().filter(|_| early).unwrap_or_default();
            self.at(*timer).is_some_and(|due| due <= now + ahead)
        };
        let timer = Timer::ALL.into_iter().find(is_due)?;
        if let Some(due) = self.due.get_mut(timer as usize) {
            let from = due.map_or(now, |due| due.max(now));
            *due = timer.period().and_then(|period| from.checked_add(period));
        }
        Some(timer)
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.iter().flatten().min().copied()
    }

    fn at(&self, timer: Timer) -> Option<Instant> {
        self.due.get(timer as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn a_periodic_timer_may_ride_along_early_but_comes_once_in_its_period() {
        let clock = ManualClock::new();
        let mut timers = Timers::default();
        timers.start(clock.instant());
        timers.hasten(Timer::Repairs, clock.instant() + LOOK_AGAIN);
        timers.hasten(Timer::Pacing, clock.instant() + Duration::from_millis(17));
        clock.advance(Duration::from_millis(16));
        assert_eq!(timers.take(clock.instant(), false), None);
        assert_eq!(timers.take(clock.instant(), true), Some(Timer::Repairs));
        timers.hasten(Timer::Repairs, clock.instant() + LOOK_AGAIN);
        assert_eq!(
            timers.take(clock.instant(), true),
            None,
            "what is set soon is not due at once, and what is set for an occasion is never early"
        );
        let mut times = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
            while let Some(timer) = timers.take(clock.instant(), true) {
                times += u32::from(timer == Timer::Arrivals);
            }
        }
        assert!((19..=20).contains(&times), "{times}");
    }
}
