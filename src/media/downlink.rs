//! The way to one receiver: numbers what is sent on it, keeps what reports say of it, and makes probes. It decides how much may be
//! sent; what is sent, the slots decide.

use std::hint::black_box;
use std::time::{Duration, Instant};

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
            probing: None,
            pacer: Pacer::default(),
            wanted: 0,
        }
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

    /// A packet of media of this size leaves now; its extension with its number, if the receiver knows that one.
    pub(crate) fn leave(
        &mut self,
        size: usize,
        extension: Option<u8>,
        now: Instant,
    ) -> Option<(u8, [u8; 2])> {
        if self.estimator.is_informed() {
            self.pacer.spend(size, self.estimator.estimate(), now);
        }
        let id = extension?;
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
    }

    /// Whether sound is numbered too, for reports of its arrival. It is not for who gets sound alone: it leaves at once in any case,
    /// so nothing hangs on such reports, and each costs both sides a wake-up.
    pub(crate) const fn numbers_sound(&self) -> bool {
        self.wanted > 0
    }

    /// Whether a picture may leave now, before others that wait. Nothing is held back of which nothing is known.
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
    }

    /// What the receiver thinks it can take.
    pub(crate) fn bandwidth(&mut self, bits: u64) {
        self.estimator.bandwidth(bits);
    }

    /// A reception report, of packets that were sent since the last one.
    pub(crate) fn reception(&mut self, fraction_lost: u8, packets: u32, now: Instant) {
        self.estimator.reception(fraction_lost, packets, now);
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
