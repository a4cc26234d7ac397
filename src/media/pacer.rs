//! Spreads what goes to one receiver over time: sound and repairs leave at once and count, pictures leave while there is budget
//! and else wait as references into their source's history. Nothing is sealed before it leaves. Bounded in number and in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_policy::source::Source;

use crate::media::event::PeerKey;
use crate::media::history::Place;
use crate::media::skips::Cut;

/// Packets that wait at most: what waits must still be kept by its source.
const MOST: usize = 384;
/// A picture that waited so long is of no use, and neither is what follows it.
const LONGEST: Duration = Duration::from_millis(1200);
/// What may leave at once, as time of the rate: a usual frame in one call.
const BURST: Duration = Duration::from_millis(40);
/// At least so many bytes: two packets.
const LEAST_BURST: f64 = 2_500.0;
/// More debt than this is forgiven: sound alone must not block pictures for longer.
const MOST_DEBT: Duration = Duration::from_millis(500);
/// The share of the rate that repairs may take, and for how long it may be saved.
const REPAIRS: f64 = 0.5;
const REPAIRS_SAVED: Duration = Duration::from_millis(500);
/// After a source's pictures were dropped the next try waits, twice as long after each.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(6);

/// A packet that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// For which slot.
    pub(crate) slot: usize,
    /// Whose, and of which source; where it is kept.
    pub(crate) publisher: PeerKey,
    pub(crate) source: Source,
    pub(crate) place: Place,
    /// Up to which layers of its stream the receiver got it then.
    pub(crate) cut: Cut,
    /// Since when.
    pub(crate) since: Instant,
}

/// A time without pictures.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    lasts: Duration,
    /// The rate at which they were too much.
    rate: u64,
}

/// The pacer of one receiver.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    queue: VecDeque<Waiting>,
    /// Bytes that left before their time.
    debt: f64,
    /// Bytes that repairs may take.
    repairs: f64,
    at: Option<Instant>,
    rests: Option<Rest>,
    /// Packets that waited, and those that did so in vain.
    pub(crate) paced: u64,
    pub(crate) dropped: u64,
}

impl Pacer {
    /// Something of this size leaves; `rate` is in bits a second.
    #[inline]
    pub(crate) fn spend(&mut self, size: usize, rate: u64, now: Instant) {
        self.pass(rate, now);
        let most = bytes(rate, MOST_DEBT);
        self.debt = (self.debt + size as f64).min(most.max(LEAST_BURST));
    }

    /// Whether a picture may leave now, before others that wait.
    #[inline]
    pub(crate) fn admits(&mut self, rate: u64, now: Instant) -> bool {
        self.queue.is_empty() && self.has_budget(rate, now)
    }

    /// Whether a repair of this size may leave now; if so it counts.
    pub(crate) fn repairs(&mut self, size: usize, rate: u64, now: Instant) -> bool {
        self.pass(rate, now);
        let fits = self.repairs >= size as f64;
        if fits {
            self.repairs -= size as f64;
        }
        fits
    }

    /// Lets a packet wait; `false` if it must not: too much does, or for too long.
    pub(crate) fn push(&mut self, waiting: Waiting) -> bool {
        let late = |front: &Waiting| waiting.since.saturating_duration_since(front.since) > LONGEST;
        if self.queue.len() >= MOST || self.queue.front().is_some_and(late) {
            return false;
        }
        self.paced += 1;
        self.queue.push_back(waiting);
        true
    }

    /// The next packet that may leave now.
    pub(crate) fn pop(&mut self, rate: u64, now: Instant) -> Option<Waiting> {
        if self.queue.is_empty() || !self.has_budget(rate, now) {
            return None;
        }
        self.queue.pop_front()
    }

    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether something waits for this slot.
    pub(crate) fn holds(&self, slot: usize) -> bool {
        self.queue.iter().any(|waiting| waiting.slot == slot)
    }

    /// Drops what waits for a slot, which rests for a while: nothing can follow what was dropped but a key frame, and that is
    /// large.
    pub(crate) fn drop_slot(&mut self, slot: usize, rate: u64, now: Instant) {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting.slot != slot);
        self.dropped += (before - self.queue.len()) as u64 + 1;
        let again = |rest: &Rest| now.saturating_duration_since(rest.until) < LONGEST_REST;
        let lasts = match self.rests.filter(again) {
            Some(rest) => (rest.lasts * 2).min(LONGEST_REST),
            None => REST,
        };
        self.rests = now
            .checked_add(lasts)
            .map(|until| Rest { until, lasts, rate });
    }

    /// Whether it makes no sense to ask for a key frame now: not until the rest is over, or more goes through.
    pub(crate) fn rests(&self, rate: u64, now: Instant) -> bool {
        self.rests
            .is_some_and(|rest| now < rest.until && rate < rest.rate / 4 * 5)
    }

    #[inline]
    fn has_budget(&mut self, rate: u64, now: Instant) -> bool {
        self.pass(rate, now);
        self.debt < bytes(rate, BURST).max(LEAST_BURST)
    }

    #[inline]
    fn pass(&mut self, rate: u64, now: Instant) {
        if self.at == Some(now) {
            return;
        }
        let elapsed = self.at.map_or(REPAIRS_SAVED, |at| {
            now.saturating_duration_since(at).min(REPAIRS_SAVED)
        });
        if elapsed.is_zero() {
            return;
        }
        self.at = Some(now);
        let allowed = bytes(rate, elapsed);
        self.debt = (self.debt - allowed).max(0.0);
        let most = bytes(rate, REPAIRS_SAVED) * REPAIRS + LEAST_BURST;
        self.repairs = (self.repairs + allowed * REPAIRS).min(most);
    }
}

/// Inlined, for most times are constant and this is done for every packet of every receiver.
#[inline]
fn bytes(rate: u64, time: Duration) -> f64 {
    rate as f64 * (time.as_secs_f64() / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    fn waiting(slot: usize, index: u64, since: Instant) -> Waiting {
        Waiting {
            slot,
            publisher: PeerKey {
                place: 0,
                generation: 0,
            },
            source: Source::Camera,
            place: Place { layer: 0, index },
            cut: Cut::NONE,
            since,
        }
    }

    #[test]
    fn a_frame_leaves_at_once_and_a_burst_is_spread() {
        let clock = ManualClock::new();
        let mut pacer = Pacer::default();
        let (mut at_once, mut index) = (0, 0);
        for _ in 0..60 {
            index += 1;
            if pacer.admits(2_000_000, clock.instant()) {
                pacer.spend(1200, 2_000_000, clock.instant());
                at_once += 1;
            } else {
                assert!(pacer.push(waiting(0, index, clock.instant())));
            }
        }
        assert_eq!(at_once, 9, "10 kB are 40 ms");
        let mut times = 0;
        while !pacer.is_empty() {
            clock.advance(Duration::from_millis(5));
            times += 1;
            while pacer.pop(2_000_000, clock.instant()).is_some() {
                pacer.spend(1200, 2_000_000, clock.instant());
            }
        }
        assert!((45..55).contains(&times), "61 kB are 245 ms: {times}");
    }

    #[test]
    fn it_holds_no_more_than_its_bounds() {
        let clock = ManualClock::new();
        let mut pacer = Pacer::default();
        let held = (0..1000)
            .filter(|index| pacer.push(waiting(1, *index, clock.instant())))
            .count();
        assert_eq!(held, MOST);
        pacer.drop_slot(1, 1_000_000, clock.instant());
        assert!(pacer.is_empty() && pacer.rests(1_000_000, clock.instant()));
        assert!(pacer.push(waiting(1, 1, clock.instant())));
        clock.advance(LONGEST + Duration::from_millis(1));
        assert!(!pacer.push(waiting(1, 2, clock.instant())), "too late");
        assert!(!pacer.rests(1_000_000, clock.instant()));
        pacer.drop_slot(1, 1_000_000, clock.instant());
        clock.advance(REST + Duration::from_millis(1));
        assert!(pacer.rests(1_000_000, clock.instant()), "twice as long");
        assert!(
            !pacer.rests(1_300_000, clock.instant()),
            "more goes through"
        );
    }

    #[test]
    fn repairs_have_their_share() {
        let clock = ManualClock::new();
        let mut pacer = Pacer::default();
        let mut repaired = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(10));
            while pacer.repairs(1000, 1_000_000, clock.instant()) {
                repaired += 1;
            }
        }
        assert!(
            (610..680).contains(&repaired),
            "10 s of 500 kbit/s: {repaired}"
        );
    }
}
