//! The timers of a room: one enum, one table (no clock in here).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::{KnockId, ParticipantId};

/// How long a host may be away before they count as gone.
pub const HOST_GONE: Duration = Duration::from_secs(30);
/// How long an empty session lasts.
pub const EMPTY: Duration = Duration::from_secs(15 * 60);
/// How long someone may wait before the knock lapses.
pub const WAIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Everything that a room waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The room locks by itself.
    LockAfterStart,
    /// The session has lasted as long as it may.
    SessionEnd,
    /// Nobody has been here for a while.
    Empty,
    /// A lost host counts as gone.
    HostGone(ParticipantId),
    /// A lost participant may no longer come back.
    Resume(ParticipantId),
    /// A knock lapses.
    Knock(KnockId),
}

/// When each timer that is set goes off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timers(BTreeMap<Timer, Timestamp>);

impl Timers {
    /// Sets a timer; one that was set is moved.
    pub fn set(&mut self, timer: Timer, at: Timestamp) {
        self.0.insert(timer, at);
    }

    /// Stops a timer.
    pub fn stop(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    /// Whether it is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.0.contains_key(&timer)
    }

    /// The earliest moment at which a timer goes off.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// Takes out one timer that has gone off.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let due = self
            .0
            .iter()
            .filter(|(_, at)| **at <= now)
            .min_by_key(|(timer, at)| (**at, **timer));
        let timer = due.map(|(timer, _)| *timer)?;
        self.0.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_go_off_in_their_order_and_once() {
        let mut timers = Timers::default();
        timers.set(Timer::SessionEnd, Timestamp::from_millis(20));
        timers.set(Timer::Empty, Timestamp::from_millis(10));
        assert_eq!(timers.next(), Some(Timestamp::from_millis(10)));
        assert_eq!(timers.take_due(Timestamp::from_millis(5)), None);
        assert_eq!(
            timers.take_due(Timestamp::from_millis(30)),
            Some(Timer::Empty)
        );
        assert_eq!(
            timers.take_due(Timestamp::from_millis(30)),
            Some(Timer::SessionEnd)
        );
        assert_eq!(timers.take_due(Timestamp::from_millis(30)), None);
    }
}
