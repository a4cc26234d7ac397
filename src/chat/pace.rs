//! How often someone may write or read: a burst at once, then one more each step. Bounded, and the caller brings the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::ActorId;

/// How many identities are remembered at a time; with more of them busy at once the rest share one allowance.
const MOST: usize = 4096;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Allowed at once after a quiet time.
    pub burst: u32,
    /// How long until one more is allowed.
    pub every: Duration,
}

/// One allowance in use. It remembers a single instant: when all that was taken will have been earned back.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    allowance: Allowance,
    clear: Option<Instant>,
}

/// An allowance for each of many identities.
#[derive(Clone, Debug)]
pub struct Paces {
    allowance: Allowance,
    each: BTreeMap<ActorId, Pace>,
    rest: Pace,
}

impl Pace {
    /// Nothing taken yet.
    pub const fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            clear: None,
        }
    }

    /// Whether one is left now.
    pub fn has(&self, now: Instant) -> bool {
        self.after(now) <= self.allowance.every.saturating_mul(self.allowance.burst)
    }

    /// Takes one; false if none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let has = self.has(now);
        if has {
            self.clear = now.checked_add(self.after(now));
        }
        has
    }

    /// Whether forgetting it changes nothing.
    fn is_full(&self, now: Instant) -> bool {
        self.clear.is_none_or(|clear| clear <= now)
    }

    fn after(&self, now: Instant) -> Duration {
        let ahead = self
            .clear
            .map_or(Duration::ZERO, |clear| clear.saturating_duration_since(now));
        ahead.saturating_add(self.allowance.every)
    }
}

impl Paces {
    /// Nobody has taken anything yet.
    pub const fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            each: BTreeMap::new(),
            rest: Pace::new(allowance),
        }
    }

    /// Takes one for this identity; false if none is left.
    pub fn take(&mut self, who: ActorId, now: Instant) -> bool {
        if !self.each.contains_key(&who) && self.each.len() >= MOST {
            self.each.retain(|_, pace| !pace.is_full(now));
            if self.each.len() >= MOST {
                return self.rest.take(now);
            }
        }
        let allowance = self.allowance;
        self.each
            .entry(who)
            .or_insert(Pace::new(allowance))
            .take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const SOME: Allowance = Allowance {
        burst: 3,
        every: Duration::from_secs(2),
    };

    fn who(number: u32) -> ActorId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        ActorId::from_bytes(bytes)
    }

    #[test]
    fn a_burst_then_one_each_step() {
        let start = SystemClock.instant();
        let mut pace = Pace::new(SOME);
        let taken = (0..10).filter(|_| pace.take(start)).count();
        assert_eq!(taken, 3);
        assert!(!pace.take(start + Duration::from_millis(1999)));
        assert!(pace.take(start + Duration::from_secs(2)));
        assert!(!pace.take(start + Duration::from_secs(2)));
        let rested = start + Duration::from_secs(100);
        assert_eq!((0..10).filter(|_| pace.take(rested)).count(), 3);
    }

    #[test]
    fn one_identity_does_not_use_up_what_is_anothers() {
        let now = SystemClock.instant();
        let mut paces = Paces::new(SOME);
        while paces.take(who(1), now) {}
        assert!(paces.take(who(2), now));
    }

    #[test]
    fn a_flood_of_identities_makes_the_limit_stricter_and_the_map_no_bigger() {
        let now = SystemClock.instant();
        let mut paces = Paces::new(SOME);
        let taken = (0..20_000)
            .filter(|number| paces.take(who(*number), now))
            .count();
        assert_eq!((paces.each.len(), taken), (MOST, MOST + 3));
        assert!(paces.take(who(30_000), now + Duration::from_secs(10)));
        assert_eq!(paces.each.len(), 1);
    }
}
