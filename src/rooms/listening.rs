//! When someone is listened to again after that ended by itself. A client that ends it again and again is let wait ever longer,
//! and one in whose sound workers perish is left out for a while. Pure: the time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::ActorId;

/// How soon a microphone is listened to again after that ended by itself, and how late at most.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Whoever was listened to for so long begins anew.
const FORGIVEN: Duration = Duration::from_secs(60);
/// So many workers may perish in one person's sound within this time.
const MOST_CRASHES: u32 = 3;
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// For so long nobody listens to them then.
const LEFT_OUT: Duration = Duration::from_secs(30 * 60);
/// After a crash those who spoke are listened to one after the other, so that it shows in whose sound it was.
const APART: Duration = Duration::from_secs(2);
/// Identities that are remembered; a room has no more people.
const MOST: usize = 2_000;

/// How listening to someone ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the sound, or because the sound is of another kind now.
    Sound,
    /// With the worker, through nobody's fault here.
    Worker,
    /// With the worker, which perished while it had this sound.
    Crash,
}

/// What is remembered of those who were listened to.
#[derive(Debug, Default)]
pub struct Listening {
    known: BTreeMap<ActorId, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Endings of their sound, lately.
    endings: u32,
    crashes: u32,
    last: Timestamp,
    left_out: Option<Timestamp>,
    /// Not before this; also for whoever was muted meanwhile.
    again: Timestamp,
}

impl Listening {
    /// Listening to these ended; when each may be listened to again.
    pub fn ended(&mut self, of: &[(ActorId, Ending)], now: Timestamp) -> Vec<Timestamp> {
        let mut suspects = 0_u32;
        of.iter()
            .map(|(who, how)| {
                let mut wait = self.wait(*who, *how, now);
                if *how == Ending::Crash {
                    wait = wait.saturating_add(APART.saturating_mul(suspects));
                    suspects = suspects.saturating_add(1);
                }
                let again = now.after(wait);
                if let Some(known) = self.known.get_mut(who) {
                    known.again = known.again.max(again);
                }
                again
            })
            .collect()
    }

    fn wait(&mut self, who: ActorId, how: Ending, now: Timestamp) -> Duration {
        if how == Ending::Worker {
            return REST.0;
        }
        while self.known.len() >= MOST && !self.known.contains_key(&who) {
            self.known.pop_first();
        }
        let known = self.known.entry(who).or_insert(Known {
            endings: 0,
            crashes: 0,
            last: now,
            left_out: None,
            again: now,
        });
        // Time in which they were not listened to does not count.
        let passed = now.since(known.again.max(known.last));
        if passed >= FORGIVEN {
            known.endings = 0;
        }
        if passed >= REMEMBERED {
            known.crashes = 0;
        }
        known.last = now;
        match how {
            Ending::Crash => {
                known.crashes = known.crashes.saturating_add(1);
                if known.crashes >= MOST_CRASHES {
                    known.crashes = 0;
                    known.left_out = Some(now.after(LEFT_OUT));
                    return LEFT_OUT;
                }
                REST.0
            }
            Ending::Sound | Ending::Worker => {
                let factor = 2_u32.saturating_pow(known.endings.min(16));
                known.endings = known.endings.saturating_add(1);
                REST.0.saturating_mul(factor).min(REST.1)
            }
        }
    }

    /// When this one may be listened to again, if that is not now.
    pub fn again(&self, who: ActorId, now: Timestamp) -> Option<Timestamp> {
        let again = self.known.get(&who)?.again;
        (again > now).then_some(again)
    }

    /// Until when nobody listens to this one, whoever they come back as.
    pub fn left_out(&self, who: ActorId, now: Timestamp) -> Option<Timestamp> {
        let until = self.known.get(&who)?.left_out?;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: ActorId = ActorId::from_bytes([1; 16]);
    const OTHER: ActorId = ActorId::from_bytes([2; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn whoever_ends_it_again_and_again_is_listened_to_ever_later() {
        let (mut listening, mut now, mut times) = (Listening::default(), at(0), 0);
        // An hour of a client that switches codecs as soon as it is listened to.
        while now < at(3600) {
            now = listening.ended(&[(WHO, Ending::Sound)], now)[0];
            times += 1;
        }
        assert!(times < 80, "{times} times");
        assert_eq!(listening.left_out(WHO, now), None);
        let anew = now.after(FORGIVEN);
        assert_eq!(
            listening.ended(&[(WHO, Ending::Sound)], anew),
            [anew.after(REST.0)]
        );
    }

    #[test]
    fn in_whose_sound_workers_perish_is_left_out_and_nobody_else() {
        let mut listening = Listening::default();
        let both = [(WHO, Ending::Crash), (OTHER, Ending::Crash)];
        let first = listening.ended(&both, at(0));
        assert!(first[1].since(first[0]) >= APART, "one after the other");
        for second in [10, 20] {
            assert_eq!(listening.left_out(WHO, at(second)), None);
            listening.ended(&[(WHO, Ending::Crash)], at(second));
        }
        let until = listening.left_out(WHO, at(21)).unwrap();
        assert_eq!(until, at(20).after(LEFT_OUT));
        assert_eq!(listening.left_out(OTHER, at(21)), None);
        assert_eq!(listening.again(WHO, at(21)), Some(until));
        assert_eq!(listening.left_out(WHO, until), None);
    }

    #[test]
    fn who_was_not_at_fault_is_listened_to_at_once() {
        let mut listening = Listening::default();
        for second in 0..50 {
            let again = listening.ended(&[(WHO, Ending::Worker)], at(second));
            assert_eq!(again, [at(second).after(REST.0)]);
        }
        for minute in 0..50 {
            listening.ended(&[(WHO, Ending::Crash)], at(minute * 601));
        }
        assert_eq!(listening.left_out(WHO, at(50 * 601)), None, "long apart");
    }

    #[test]
    fn not_everybody_is_remembered() {
        let mut listening = Listening::default();
        for number in 0..5_000_u128 {
            let who = ActorId::from_bytes(number.to_be_bytes());
            listening.ended(&[(who, Ending::Sound)], at(0));
        }
        assert!(listening.known.len() <= MOST);
    }
}
