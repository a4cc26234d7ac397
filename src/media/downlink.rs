//! The way to one receiver: numbers what is sent on it, keeps what reports say of it, and makes probes. It decides how much may be
//! sent; what is sent, the slots decide.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::media::estimate::ease::Ease;
use crate::media::estimate::estimator::Estimator;
use crate::media::estimate::feedback::Feedback;
use crate::media::estimate::ledger::{Ledger, Purpose};
use crate::media::estimate::probe::{LASTS, LEAST_PACKETS, Probe};
use crate::media::pacer::{Pacer, Waiting};

/// A packet of padding with header, number and tag: the most that fits into one byte of length.
pub(crate) const PADDING: u8 = 255;
const PADDED: usize = PADDING as usize + 36;
/// A probe is sent in so many parts, this far apart.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// Packets of padding at one tick: 5 ms of 20 Mbit/s and a little.
const MOST_PADDING: u32 = 48;

/// The same packet is not repaired again sooner, before a round trip was measured.
const REPAIR_AGAIN: Duration = Duration::from_millis(40);

/// The way to one receiver.
#[derive(Debug)]
pub(crate) struct Downlink {
    ledger: Ledger,
    estimator: Estimator,
    ease: Ease,
    probing: Option<Probing>,
    pub(crate) pacer: Pacer,
    /// What there is to send, in bits a second: what the receiver would be sent if everything went through.
    wanted: u64,
}

/// A probe under way.
#[derive(Clone, Copy, Debug)]
struct Probing {
    probe: Probe,
    began: Instant,
    sent: u32,
}

impl Downlink {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ledger: Ledger::new(now),
            estimator: Estimator::default(),
            ease: Ease::new(now),
            probing: None,
            pacer: Pacer::default(),
            wanted: 0,
        }
    }

    /// What goes to several receivers is numbered at the same times for all that begin here.
    pub(crate) const fn align(&mut self, origin: Instant) {
        self.ease = Ease::new(origin);
    }

    /// Reads what a packet that leaves will need, so that it comes into the processor's cache; of what was sent before only if it
    /// is asked to.
    pub(crate) fn read_ahead(&self, sent: bool) {
        black_box((self.estimator.is_informed(), self.pacer.is_empty()));
        black_box(self.ledger.ends(sent));
    }

    /// Bits a second that the receiver can take.
    pub(crate) fn estimate(&self) -> u64 {
        self.estimator.estimate()
    }

    /// What is known of the way.
    pub(crate) const fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// A packet of media of this size leaves now; its extension with its number, if the receiver knows that one and it is to be
    /// reported.
    #[inline]
    pub(crate) fn leave(
        &mut self,
        size: usize,
        extension: Option<u8>,
        now: Instant,
    ) -> Option<(u8, [u8; 2])> {
        if self.estimator.is_informed() {
            self.pacer.spend(size, self.estimator.estimate(), now);
        }
        let id = extension.filter(|_| self.ease.numbers(now))?;
        // What leaves beside a probe is part of it: it takes its share of the way.
        let purpose = self.probing.map_or(Purpose::Media, |probing| {
            Purpose::Probe(probing.probe.number)
        });
        let number = self.ledger.number(size, purpose, now);
        Some((id, number.to_be_bytes()))
    }

    /// There is so much to send, in bits a second, on average; with key frames and repairs it is more.
    pub(crate) fn want(&mut self, rate: u64) {
        let arrives = 1000 - u64::from(self.estimator.loss().min(500));
        self.wanted = rate.saturating_mul(1250) / arrives;
        if self.wanted > self.estimate() {
            self.end_ease();
        }
    }

    /// Something was lost or is not well: everything that leaves is numbered for reports, until all has been well for a while.
    pub(crate) fn end_ease(&mut self) {
        self.ease.end();
        self.estimator.sample(false);
    }

    /// Whether sound is numbered too, for reports of its arrival. It is not for who gets sound alone: it leaves at once in any case,
    /// so nothing hangs on such reports, and each costs both sides a wake-up.
    pub(crate) const fn numbers_sound(&self) -> bool {
        self.wanted > 0
    }

    /// Whether a picture may leave now, before others that wait. Nothing is held back of which nothing is known.
    #[inline]
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        !self.estimator.is_informed() || self.pacer.admits(self.estimator.estimate(), now)
    }

    /// Whether pictures were too much lately.
    pub(crate) fn rests(&self, now: Instant) -> bool {
        self.pacer.rests(self.estimator.estimate(), now)
    }

    /// Whether a repair of this size may leave now.
    pub(crate) fn repairs(&mut self, size: usize, now: Instant) -> bool {
        !self.estimator.is_informed() || self.pacer.repairs(size, self.estimator.estimate(), now)
    }

    /// What waited and may leave now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Waiting> {
        self.pacer.pop(self.estimator.estimate(), now)
    }

    /// After what time the same packet may be repaired again: the first repair cannot have arrived before.
    pub(crate) fn repair_again(&self) -> Duration {
        let trip = self.estimator.round_trip().unwrap_or(REPAIR_AGAIN);
        trip.clamp(Duration::from_millis(20), Duration::from_millis(400))
    }

    /// A report of arrivals.
    pub(crate) fn arrivals(&mut self, feedback: &Feedback<'_>, now: Instant) {
        self.estimator.feedback(feedback, &mut self.ledger, now);
        if self.estimator.is_well() && self.probing.is_none() && self.estimate() >= self.wanted {
            self.ease.note_well(now);
            self.estimator.sample(self.ease.is_at_ease());
        } else {
            self.end_ease();
        }
    }

    /// What the receiver thinks it can take.
    pub(crate) fn bandwidth(&mut self, bits: u64) {
        self.estimator.bandwidth(bits);
    }

    /// A reception report, of packets that were sent since the last one, and the time to the receiver and back if it tells that.
    pub(crate) fn reception(
        &mut self,
        fraction_lost: u8,
        packets: u32,
        trip: Option<Duration>,
        now: Instant,
    ) {
        if fraction_lost > 0 {
            self.end_ease();
        }
        self.estimator.reception(fraction_lost, packets, trip, now);
    }

    /// What time brings.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.estimator.advance(&self.ledger, now);
    }

    /// Begins a probe if it is time for one; says whether.
    pub(crate) fn begin_probe(&mut self, now: Instant) -> bool {
        if self.probing.is_some() {
            return false;
        }
        self.probing = self.estimator.probe(self.wanted, now).map(|probe| Probing {
            probe,
            began: now,
            sent: 0,
        });
        self.probing.is_some()
    }

    /// How many packets of padding to send now.
    pub(crate) fn padding_due(&self, now: Instant) -> u32 {
        let Some(probing) = self.probing else {
            return 0;
        };
        let until = now.saturating_duration_since(probing.began) + TICK;
        let bytes = probing.probe.rate * until.min(LASTS + TICK).as_secs_f64() / 8.0;
        let due = (bytes / PADDED as f64).ceil() as u32;
        let due = if until > LASTS {
            due.max(LEAST_PACKETS)
        } else {
            due
        };
        due.saturating_sub(probing.sent).min(MOST_PADDING)
    }

    /// The number of a packet of padding that leaves now.
    pub(crate) fn number_padding(&mut self, now: Instant) -> Option<u16> {
        let probing = self.probing.as_mut()?;
        probing.sent += 1;
        let purpose = Purpose::Probe(probing.probe.number);
        Some(self.ledger.number(PADDED, purpose, now))
    }

    /// Ends a probe that has lasted; says whether it goes on.
    pub(crate) fn end_probe(&mut self, now: Instant) -> bool {
        self.probing = self
            .probing
            .filter(|probing| now.saturating_duration_since(probing.began) < LASTS);
        self.probing.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::media::arrivals::Arrivals;
    use crate::media::rtcp::{Compound, Report, reports};

    struct Way {
        clock: ManualClock,
        downlink: Downlink,
        arrivals: Arrivals,
        /// How much later one of ten packets arrives, and whether it does.
        late: Duration,
        loses: bool,
    }

    impl Way {
        fn new() -> Self {
            let clock = ManualClock::new();
            let mut downlink = Downlink::new(clock.instant());
            downlink.want(100_000);
            Self {
                downlink,
                arrivals: Arrivals::new(clock.instant()),
                clock,
                late: Duration::ZERO,
                loses: false,
            }
        }

        /// Sends a packet every 10 ms for a second, of which the receiver reports every 50 ms; how many were numbered.
        fn second(&mut self) -> usize {
            let mut numbered = 0;
            for packet in 0..100 {
                self.clock.advance(Duration::from_millis(10));
                let now = self.clock.instant();
                if let Some((_, number)) = self.downlink.leave(500, Some(3), now) {
                    numbered += 1;
                    let one = packet % 10 == 5;
                    if !(self.loses && one) {
                        let number = u16::from_be_bytes(number);
                        let late = if one { self.late } else { Duration::ZERO };
                        self.arrivals.record(number, 500, now + late);
                    }
                }
                if packet % 5 == 4 {
                    self.report(now);
                }
            }
            numbered
        }

        fn report(&mut self, now: Instant) {
            let Some(report) = self.arrivals.report(1, 2, now) else {
                return;
            };
            let mut out = Vec::new();
            assert!(Compound::default().with(report).write(&mut out));
            let Some(Report::Arrivals(feedback)) = reports(&out).next() else {
                panic!("not read")
            };
            self.downlink.arrivals(&feedback, now);
        }

        fn at_ease() -> Self {
            let mut way = Self::new();
            for _ in 0..3 {
                assert_eq!(way.second(), 100);
            }
            way.second();
            assert!((18..=22).contains(&way.second()));
            way
        }
    }

    #[test]
    fn at_ease_a_fifth_is_numbered_and_after_any_trouble_all() {
        let troubles: [fn(&mut Way); 4] = [
            |way| way.downlink.want(40_000_000),
            |way| way.downlink.end_ease(),
            |way| {
                let now = way.clock.instant();
                way.downlink.reception(10, 50, None, now);
            },
            |way| {
                way.loses = true;
                way.second();
                way.loses = false;
            },
        ];
        for trouble in troubles {
            let mut way = Way::at_ease();
            let before = way.downlink.estimate();
            trouble(&mut way);
            assert_eq!(way.second(), 100);
            assert!(way.downlink.estimate() * 10 > before * 6, "{before}");
        }
        let mut way = Way::at_ease();
        way.late = Duration::from_millis(40);
        way.second();
        assert_eq!(way.second(), 100, "held up");
    }

    #[test]
    fn who_wants_more_than_the_way_is_known_to_take_is_never_at_ease() {
        let mut way = Way::new();
        way.downlink.want(20_000_000);
        for _ in 0..10 {
            assert_eq!(way.second(), 100);
        }
    }
}
