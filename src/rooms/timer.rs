//! The timers of a room: one enum, one table (no clock in here).

use std::collections::{BTreeMap, BTreeSet};
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

/// When each timer that is set goes off, and in which order: as many may be set as people wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    at: BTreeMap<Timer, Timestamp>,
    order: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Sets a timer; one that was set is moved.
    pub fn set(&mut self, timer: Timer, at: Timestamp) {
        if let Some(before) = self.at.insert(timer, at) {
            self.order.remove(&(before, timer));
        }
        self.order.insert((at, timer));
    }

    /// Stops a timer.
    pub fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// Whether it is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// The earliest moment at which a timer goes off.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out one timer that has gone off.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (_, timer) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.stop(timer);
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
    #[test]
    fn a_timer_that_is_moved_or_stopped_goes_off_once_or_never() {
        let mut timers = Timers::default();
        timers.set(Timer::SessionEnd, Timestamp::from_millis(10));
        timers.set(Timer::SessionEnd, Timestamp::from_millis(30));
        timers.set(Timer::Empty, Timestamp::from_millis(20));
        timers.stop(Timer::Empty);
        assert!(!timers.is_set(Timer::Empty));
        assert_eq!(timers.next(), Some(Timestamp::from_millis(30)));
        assert_eq!(timers.take_due(Timestamp::from_millis(29)), None);
        let due = timers.take_due(Timestamp::from_millis(30));
        assert_eq!(due, Some(Timer::SessionEnd));
        assert_eq!(timers, Timers::default());
    }

    #[test]
    fn w13_ten_thousand_timers_are_set_and_stopped_without_looking_at_all_of_them() {
        let knock = |number: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            Timer::Knock(KnockId::from_bytes(id))
        };
        let mut timers = Timers::default();
        for number in 0..10_000 {
            timers.set(knock(number), Timestamp::from_millis(i64::from(number)));
            assert_eq!(timers.next(), Some(Timestamp::from_millis(0)));
        }
        for number in 0..10_000 {
            let due = timers.take_due(Timestamp::from_millis(i64::from(number)));
            assert_eq!(due, Some(knock(number)));
        }
    }
}
