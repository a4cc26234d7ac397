//! How much one receiver can take, from all that is known: delays and losses in its reports of arrivals, probes, or else the
//! bandwidth and the losses that it reports itself.

use std::time::{Duration, Instant};

use crate::media::estimate::aimd::Aimd;
use crate::media::estimate::feedback::{Feedback, REFERENCE};
use crate::media::estimate::ledger::{Ledger, Purpose, Sent};
use crate::media::estimate::loss::LossBound;
use crate::media::estimate::probe::{Probe, Prober};
use crate::media::estimate::received::Received;
use crate::media::estimate::trend::{Standing, Trend, Usage};

/// Where an estimate begins, in bits a second: a small picture and sound.
pub const START: u64 = 600_000;
/// Sound in any case; and more than any receiver is sent.
const BOUNDS: (f64, f64) = (40_000.0, 50e6);
/// The round trip before one was measured.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// Longer is no round trip but a report of something old.
const LONGEST_TRIP: Duration = Duration::from_secs(3);
/// For so long after a report of arrivals reception reports tell nothing of the way there and back.
const FRESH: Duration = Duration::from_secs(3);
/// With so much sent and nothing reported, the way is full or gone.
const SILENCE: Duration = Duration::from_millis(1200);
/// What it does to the rate, once for each such time.
const SILENT: f64 = 0.6;

/// Packets that wait less than this, in milliseconds, are no queue: the pacer itself lets so much leave at once, and a key frame with
/// which a larger layer begins fills it.
const BURST: f64 = 45.0;
/// That holds for whoever sends less than this share of the estimate.
const WITHIN: f64 = 0.9;
/// With packets waiting so long, in milliseconds, losses are the way's fullness and not its nature.
const QUEUED: f64 = 100.0;

/// A packet that waited so long, in microseconds, is a sign that a queue may grow.
const HELD_UP: i64 = 25_000;

/// Below this share of the estimate the sending is not bound by it.
const SPARE: f64 = 0.5;

/// The estimate for one receiver.
#[derive(Debug)]
pub struct Estimator {
    delay: Aimd,
    trend: Trend,
    standing: Standing,
    loss: LossBound,
    /// What was sent of what is reported, and what of it arrived.
    sending: Received,
    received: Received,
    prober: Prober,
    /// The receiver's clock without its wraps, in 64 ms.
    reference: Option<i64>,
    round_trip: Option<Duration>,
    reported: Option<Instant>,
    silent_at: Option<Instant>,
    /// What the receiver says it can take.
    bandwidth: Option<f64>,
    /// Only a part of what is sent is reported, so that it says nothing about how much there is.
    sampled: bool,
    /// The last report told of a loss, or of a packet that was held up.
    troubled: bool,
    source: Source,
    /// Packets that were reported lost.
    pub lost: u64,
}

/// What the estimate rests on; the better one, once there, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Nothing,
    Losses,
    Bandwidth,
    Arrivals,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            delay: Aimd::new(START as f64, BOUNDS),
            trend: Trend::new(),
            standing: Standing::default(),
            loss: LossBound::new(BOUNDS),
            sending: Received::default(),
            received: Received::default(),
            prober: Prober::new(),
            reference: None,
            round_trip: None,
            reported: None,
            silent_at: None,
            bandwidth: None,
            sampled: false,
            troubled: false,
            source: Source::Nothing,
            lost: 0,
        }
    }
}

impl Estimator {
    /// Bits a second that the receiver can take.
    #[inline]
    pub fn estimate(&self) -> u64 {
        let rate = match self.source {
            Source::Nothing => START as f64,
            Source::Losses => self.loss.rate().min(OPEN),
            Source::Bandwidth => self.loss.rate().min(self.bandwidth.unwrap_or(OPEN)),
            Source::Arrivals => self.delay.rate().min(self.loss.rate()),
        };
        rate.clamp(BOUNDS.0, BOUNDS.1) as u64
    }

    /// Whether the receiver reported anything by which it can be estimated. What is sent is not held back before.
    #[inline]
    pub fn is_informed(&self) -> bool {
        match self.source {
            Source::Nothing => false,
            // That nothing is lost says nothing of how much more would be.
            Source::Losses => self.loss.rate() < OPEN,
            Source::Bandwidth | Source::Arrivals => true,
        }
    }

    /// The time to the receiver and back, once measured.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The share of packets lost lately, of a thousand.
    pub fn loss(&self) -> u16 {
        (self.loss.found() * 1000.0) as u16
    }

    /// A report of arrivals came.
    pub fn feedback(&mut self, feedback: &Feedback<'_>, ledger: &mut Ledger, now: Instant) {
        let reference = self.unwrap(feedback.reference) * REFERENCE;
        let time = ledger.time(now);
        let (mut packets, mut lost, mut newest, mut waits) = (0_u32, 0_u32, None, 0);
        for status in feedback.statuses() {
            let Some(arrived) = status.arrived else {
                if let Some(sent) = ledger.lost(status.number, time) {
                    self.count_sent(&sent);
                    if let Purpose::Probe(number) = sent.purpose {
                        self.prober.lost(number, sent.size);
                    }
                    packets += 1;
                    lost += 1;
                }
                continue;
            };
            let Some(sent) = ledger.arrived(status.number, time) else {
                continue;
            };
            if !sent.thought_lost {
                packets += 1;
                self.count_sent(&sent);
            }
            newest = newest.max(Some(sent.at));
            let arrived = reference + arrived;
            if !self.sampled {
                self.received.count(arrived, sent.size);
            }
            self.trend.packet(sent.at, arrived);
            waits = waits.max(self.standing.packet(sent.at, arrived));
            if let Purpose::Probe(number) = sent.purpose {
                self.prober.arrived(number, sent.size, sent.at, arrived);
            }
        }
        ledger.trim();
        self.troubled = lost > 0 || waits > HELD_UP;
        let Some(newest) = newest else {
            self.count_lost(packets, lost, now);
            return;
        };
        self.source = Source::Arrivals;
        (self.reported, self.silent_at) = (Some(now), None);
        let trip = u64::try_from(time - newest).unwrap_or(0);
        self.measured(Duration::from_micros(trip), 8);
        self.count_lost(packets, lost, now);
        if !self.sampled {
            self.judge(now);
        }
    }

    /// Whether the last report told of nothing that is not as it should be.
    pub(crate) fn is_well(&self) -> bool {
        self.source == Source::Arrivals && !self.troubled && self.trend.usage() == Usage::Normal
    }

    /// From now on only a part of what is sent is reported, or all of it again. How much is sent and arrives is not known then, or
    /// not yet; the estimate stays.
    pub(crate) fn sample(&mut self, sampled: bool) {
        if std::mem::replace(&mut self.sampled, sampled) != sampled {
            (self.sending, self.received) = (Received::default(), Received::default());
        }
    }

    /// What the receiver thinks it can take (REMB).
    pub fn bandwidth(&mut self, bits: u64) {
        self.source = self.source.max(Source::Bandwidth);
        self.bandwidth = Some(bits as f64);
    }

    /// What the receiver's reception report says: of 256 packets so many are lost, and so long is the way there and back. Reports of
    /// arrivals say both better and oftener, while there are any.
    pub fn reception(
        &mut self,
        fraction_lost: u8,
        packets: u32,
        trip: Option<Duration>,
        now: Instant,
    ) {
        let fresh = |at| now.saturating_duration_since(at) < FRESH;
        if let Some(trip) = trip
            && !self.reported.is_some_and(fresh)
        {
            self.measured(trip, 2);
        }
        if self.source == Source::Arrivals {
            return;
        }
        self.source = self.source.max(Source::Losses);
        let lost = packets * u32::from(fraction_lost) / 256;
        self.count_lost(packets, lost, now);
    }

    /// The time to the receiver and back was measured, and counts for one part of so many.
    fn measured(&mut self, trip: Duration, parts: u32) {
        if trip > LONGEST_TRIP {
            return;
        }
        self.round_trip = Some(match self.round_trip {
            None => trip,
            Some(before) => (before * (parts - 1) + trip) / parts,
        });
    }

    /// What time brings: reports that stay away.
    pub fn advance(&mut self, ledger: &Ledger, now: Instant) {
        let Some(reported) = self.reported else {
            return;
        };
        let quiet = now.saturating_duration_since(self.silent_at.unwrap_or(reported));
        if quiet < SILENCE || ledger.oldest_open(now).is_none_or(|age| age < SILENCE) {
            return;
        }
        self.silent_at = Some(now);
        self.delay.set(self.delay.rate() * SILENT, now);
    }

    /// A probe that is to be sent now; `wanted` is what there is to send, in bits a second.
    pub(crate) fn probe(&mut self, wanted: u64, now: Instant) -> Option<Probe> {
        if self.source != Source::Arrivals || self.silent_at.is_some() {
            return None;
        }
        let rate = self.estimate() as f64;
        let calm = self.trend.usage() == Usage::Normal;
        if !calm {
            return None;
        }
        self.prober
            .begin(rate, wanted as f64, self.delay.lowered(), now)
    }

    /// What arrives, in bits a second, as far as it says what would: while much less is sent than the estimate and arrives,
    /// it says nothing about the rest.
    fn arriving(&self) -> Option<f64> {
        let sending = self.sending.rate()?;
        // What the way loses by itself took its room.
        let arriving = self.received.rate()? / (1.0 - self.loss.own());
        let spare = sending < self.delay.rate() * SPARE && arriving > sending * 0.8;
        let falls = self.trend.usage() == Usage::Over;
        Some(if spare && falls {
            self.delay.rate()
        } else {
            arriving
        })
    }

    /// Whether what waits on the way is no more than a burst of somebody who sends less than they may.
    fn is_burst(&self) -> bool {
        let sending = self.sending.rate().unwrap_or(f64::MAX);
        self.standing.milliseconds() < BURST && sending < self.delay.rate() * WITHIN
    }

    fn count_sent(&mut self, sent: &Sent) {
        if !self.sampled {
            self.sending.count(sent.at, sent.size);
        }
    }

    fn judge(&mut self, now: Instant) {
        let trip = self.round_trip.unwrap_or(ROUND_TRIP);
        let before = self.delay.rate();
        let usage = match self.trend.usage() {
            Usage::Over if self.is_burst() => Usage::Normal,
            usage => usage,
        };
        let lowered = self.delay.update(usage, self.arriving(), trip, now);
        if lowered && self.delay.rate() < before * 0.66 {
            self.prober.hasten(now);
        }
        let known = self.estimate() as f64;
        let shown = self.prober.finish(known, now);
        if let Some(shown) = shown.map(|shown| shown / (1.0 - self.loss.own()))
            && shown > known
            && self.trend.usage() != Usage::Over
        {
            self.delay.set(self.delay.rate().max(shown), now);
            self.loss.lift(shown);
        }
    }

    fn count_lost(&mut self, packets: u32, lost: u32, now: Instant) {
        self.lost += u64::from(lost);
        let sending = match self.source {
            Source::Arrivals => self.sending.rate().unwrap_or(f64::MAX),
            _ => self.estimate() as f64,
        };
        self.loss.allow(self.estimate() as f64);
        let queued = self.standing.milliseconds() > QUEUED;
        self.loss.report(
            packets,
            lost,
            sending.min(self.estimate() as f64),
            queued,
            now,
        );
    }

    /// Full reference time of 24 bits that wrap, near the last one. A receiver's clock that leaps, or that ran for longer than a
    /// receiver lives, begins anew: what came before says nothing of what comes.
    fn unwrap(&mut self, reference: u32) -> i64 {
        const WRAP: i64 = 1 << 24;
        let reference = i64::from(reference);
        let near = self.reference.and_then(|last| {
            let ahead = (reference - last).rem_euclid(WRAP);
            let ahead = if ahead >= WRAP / 2 {
                ahead - WRAP
            } else {
                ahead
            };
            let full = last + ahead;
            (ahead.abs() <= LEAP && full.abs() < LONGEST_CLOCK).then_some(full)
        });
        if near.is_none() && self.reference.is_some() {
            (self.trend, self.standing) = (Trend::new(), Standing::default());
            // Not the prober: who leaps with each report would be tried anew with each.
            self.received = Received::default();
        }
        let full = near.unwrap_or(reference);
        self.reference = Some(full);
        full
    }
}

/// Steps of [`REFERENCE`] by which two reports of arrivals may lie apart: ten minutes.
const LEAP: i64 = 600_000_000 / REFERENCE;
/// Steps after which a receiver's clock is counted anew: 2000 years, so that no sum of times overflows.
const LONGEST_CLOCK: i64 = 1 << 40;
/// What is sent to a receiver that reports nothing but losses, or says that it can take anything.
const OPEN: f64 = 8e6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::media::arrivals::Arrivals;
    use crate::media::estimate::probe::{LASTS, LEAST_PACKETS};
    use crate::media::rtcp::{Compound, Report, reports};
    use std::collections::VecDeque;

    /// One sender, one way, one receiver, by the millisecond.
    struct Way {
        clock: ManualClock,
        ledger: Ledger,
        estimator: Estimator,
        arrivals: Arrivals,
        /// What there is to send, and what the way takes, in bits a second.
        wants: f64,
        capacity: f64,
        /// Of a thousand.
        loses: u64,
        jitter: u64,
        owed: f64,
        /// When the bottleneck is free, in microseconds.
        free: f64,
        queue: f64,
        flying: VecDeque<(u64, u16)>,
        reports: VecDeque<(u64, Vec<u8>)>,
        probe: Option<(Probe, u64, u32)>,
        random: u64,
        now: u64,
        /// The estimate at the end of each 100 ms.
        trace: Vec<u64>,
        delays: Vec<f64>,
        probes: u32,
        detects: bool,
    }

    impl Way {
        fn new(wants: f64, capacity: f64) -> Self {
            let clock = ManualClock::new();
            Self {
                ledger: Ledger::new(clock.instant()),
                estimator: Estimator::default(),
                arrivals: Arrivals::new(clock.instant()),
                clock,
                wants,
                capacity,
                loses: 0,
                jitter: 0,
                owed: 0.0,
                free: 0.0,
                queue: 0.4,
                flying: VecDeque::new(),
                reports: VecDeque::new(),
                probe: None,
                random: 1,
                now: 0,
                trace: Vec::new(),
                delays: Vec::new(),
                probes: 0,
                detects: true,
            }
        }

        fn draw(&mut self, below: u64) -> u64 {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.random >> 33) % below.max(1)
        }

        fn send(&mut self, size: usize, purpose: Purpose) {
            let number = self.ledger.number(size, purpose, self.clock.instant());
            let now = self.now as f64 * 1000.0;
            let lost = self.draw(1000) < self.loses;
            let waits = (self.free - now).max(0.0);
            if lost || waits > self.queue * 1e6 {
                return;
            }
            self.free = self.free.max(now) + size as f64 * 8e6 / self.capacity;
            self.delays.push((self.free - now) / 1000.0);
            let late = self.draw(self.jitter + 1) * 1000;
            let at = self.free as u64 + 20_000 + late;
            let place = self.flying.partition_point(|(known, _)| *known <= at);
            self.flying.insert(place, (at, number));
        }

        fn run(&mut self, milliseconds: u64) {
            for _ in 0..milliseconds {
                self.step();
            }
        }

        fn step(&mut self) {
            self.now += 1;
            self.clock.advance(Duration::from_millis(1));
            let now = self.clock.instant();
            let rate = self.wants.min(self.estimator.estimate() as f64);
            // Frames of a thirtieth of a second.
            if self.now.is_multiple_of(33) {
                self.owed += rate * 0.033 / 8.0;
            }
            let mut burst = 0;
            while self.owed > 0.0 && burst < 5 {
                self.owed -= 1100.0;
                burst += 1;
                let probe = self.probe.map(|(probe, _, _)| Purpose::Probe(probe.number));
                self.send(1100, probe.unwrap_or(Purpose::Media));
            }
            self.probe(now);
            while self
                .flying
                .front()
                .is_some_and(|(at, _)| *at <= self.now * 1000)
            {
                let (_, number) = self.flying.pop_front().unwrap();
                self.arrivals.record(number, 1100, now);
            }
            if self.now.is_multiple_of(60)
                && let Some(report) = self.arrivals.report(1, 2, now)
            {
                let mut out = Vec::new();
                assert!(Compound::default().with(report).write(&mut out));
                self.reports.push_back((self.now + 20, out));
            }
            while self.reports.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, bytes) = self.reports.pop_front().unwrap();
                for report in reports(&bytes) {
                    if let Report::Arrivals(feedback) = report {
                        self.estimator.feedback(&feedback, &mut self.ledger, now);
                        if !self.detects {
                            self.estimator.trend = Trend::new();
                        }
                    }
                }
            }
            self.estimator.advance(&self.ledger, now);
            if self.now.is_multiple_of(100) {
                self.trace.push(self.estimator.estimate());
            }
        }

        fn probe(&mut self, now: Instant) {
            if self.probe.is_none()
                && let Some(probe) = self.estimator.probe(self.wants as u64, now)
            {
                self.probe = Some((probe, self.now, 0));
                self.probes += 1;
            }
            let Some((probe, began, mut sent)) = self.probe else {
                return;
            };
            if (self.now - began).is_multiple_of(5) {
                let due = probe.rate * ((self.now - began + 5) as f64 / 1000.0) / 8.0;
                while f64::from(sent) * 290.0 < due
                    || (self.now - began >= 15 && sent < LEAST_PACKETS)
                {
                    self.send(290, Purpose::Probe(probe.number));
                    sent += 1;
                }
                self.probe = (u128::from(self.now - began) < LASTS.as_millis())
                    .then_some((probe, began, sent));
            }
        }

        fn mean(&self, last: usize) -> f64 {
            let part = &self.trace[self.trace.len() - last..];
            part.iter().sum::<u64>() as f64 / part.len() as f64
        }
    }

    #[test]
    fn no_clock_of_a_receiver_overflows_and_one_that_leaps_begins_anew() {
        let mut estimator = Estimator::default();
        assert_eq!(estimator.unwrap(7), 7);
        assert_eq!(estimator.unwrap(9), 9);
        // Back a little, and over the end of 24 bits.
        assert_eq!(estimator.unwrap(8), 8);
        assert_eq!(estimator.unwrap((1 << 24) - 2), -2);
        for step in 0..100_u32 {
            let leaps = (1 << 23) - 1;
            let full = estimator.unwrap((step * leaps) & 0xff_ffff);
            assert!((0..1 << 24).contains(&full), "{full}");
        }
        estimator.reference = Some(LONGEST_CLOCK - 1);
        let next = u32::try_from(LONGEST_CLOCK & 0xff_ffff).unwrap();
        assert_eq!(estimator.unwrap(next), i64::from(next));
        assert!(LONGEST_CLOCK.checked_mul(2 * REFERENCE).is_some());
    }

    #[test]
    fn it_finds_an_ample_way_within_two_seconds() {
        let mut way = Way::new(4e6, 20e6);
        way.run(2000);
        assert!(way.estimator.estimate() >= 4_000_000, "{:?}", way.trace);
    }

    #[test]
    fn it_finds_a_narrow_way_and_keeps_its_queue_short() {
        for capacity in [0.15e6, 0.3e6, 1e6, 2.5e6] {
            let mut way = Way::new(5e6, capacity);
            way.run(10_000);
            way.delays.clear();
            way.run(30_000);
            let (mean, delay) = (
                way.mean(300),
                way.delays.iter().sum::<f64>() / way.delays.len() as f64,
            );
            assert!(
                (0.6 * capacity..1.1 * capacity).contains(&mean),
                "{capacity}: {mean} {:?}",
                way.trace
            );
            // A packet alone takes 59 ms of the narrowest.
            let most = 100.0 + 3.5 * 1100.0 * 8e3 / capacity;
            assert!(delay < most, "{capacity}: {delay} ms");
        }
    }

    #[test]
    fn it_leaves_a_way_that_became_narrow_within_two_seconds() {
        for (from, to) in [(3e6, 0.5e6), (5e6, 1.5e6), (1e6, 0.3e6)] {
            let mut way = Way::new(6e6, from);
            way.run(20_000);
            way.capacity = to;
            way.trace.clear();
            way.run(4000);
            let found = way.trace.iter().position(|rate| *rate as f64 <= to);
            assert!(
                found.is_some_and(|found| found < 20),
                "{from} to {to}: {:?}",
                way.trace
            );
        }
    }

    #[test]
    fn without_the_detector_it_would_stay() {
        let mut way = Way::new(6e6, 3e6);
        way.run(20_000);
        way.detects = false;
        way.loses = 0;
        way.queue = 1e9;
        way.capacity = 0.5e6;
        way.trace.clear();
        way.run(1500);
        assert!(
            way.trace.iter().all(|rate| *rate as f64 > 0.5e6),
            "{:?}",
            way.trace
        );
    }

    #[test]
    fn it_finds_four_fifths_of_a_way_that_became_wide_within_eight_seconds() {
        for (from, to) in [(0.5e6, 2e6), (0.3e6, 1e6), (1e6, 5e6), (0.15e6, 3e6)] {
            let mut way = Way::new(6e6, from);
            way.run(20_000);
            way.capacity = to;
            way.trace.clear();
            way.run(10_000);
            let found = way.trace.iter().position(|rate| *rate as f64 >= to * 0.8);
            assert!(
                found.is_some_and(|found| found < 80),
                "{from} to {to}: {:?}",
                way.trace
            );
        }
    }

    #[test]
    fn loss_without_a_queue_does_not_end_the_picture() {
        for loses in [50, 100, 200, 300] {
            let mut way = Way::new(1e6, 20e6);
            way.loses = loses;
            way.run(40_000);
            assert!(way.mean(200) > 0.5e6, "{loses}: {:?}", way.trace);
        }
    }

    #[test]
    fn jitter_is_no_queue() {
        let mut way = Way::new(2e6, 20e6);
        way.jitter = 15;
        way.run(30_000);
        assert!(way.mean(200) > 1.5e6, "{:?}", way.trace);
    }

    #[test]
    fn what_nobody_wants_is_not_tried() {
        let mut way = Way::new(0.3e6, 20e6);
        way.run(20_000);
        assert_eq!(way.probes, 0);
    }

    #[test]
    fn silence_lowers_it() {
        let mut way = Way::new(3e6, 10e6);
        way.run(10_000);
        way.loses = 1000;
        way.trace.clear();
        way.run(6000);
        assert!(
            way.trace.last().unwrap() * 4 < way.trace[0],
            "{:?}",
            way.trace
        );
        way.loses = 0;
        way.trace.clear();
        way.run(8000);
        assert!(*way.trace.last().unwrap() >= 2_400_000, "{:?}", way.trace);
    }

    #[test]
    fn reception_tells_the_way_there_and_back_while_no_arrivals_do() {
        let mut way = Way::new(500_000.0, 1_000_000.0);
        way.run(2000);
        let arrivals = way.estimator.round_trip().unwrap();
        let trip = Some(Duration::from_millis(800));
        way.estimator.reception(0, 100, trip, way.clock.instant());
        assert_eq!(way.estimator.round_trip(), Some(arrivals));
        // Nothing is numbered any more: only sound is left.
        way.clock.advance(FRESH * 2);
        for _ in 0..4 {
            way.estimator.reception(0, 100, trip, way.clock.instant());
        }
        let told = way.estimator.round_trip().unwrap();
        assert!(told > Duration::from_millis(700), "{told:?}");
        way.estimator
            .reception(0, 100, Some(LONGEST_TRIP * 2), way.clock.instant());
        assert_eq!(way.estimator.round_trip(), Some(told));
    }

    #[test]
    fn a_bandwidth_counts_until_arrivals_are_reported() {
        let clock = ManualClock::new();
        let mut estimator = Estimator::default();
        assert!(!estimator.is_informed());
        estimator.reception(0, 100, None, clock.instant());
        assert!(!estimator.is_informed(), "no loss is no bound");
        estimator.bandwidth(1_234_000);
        assert!(estimator.is_informed());
        assert_eq!(estimator.estimate(), 1_234_000);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            estimator.reception(90, 100, None, clock.instant());
        }
        assert!(estimator.estimate() < 1_100_000, "losses bound it");
    }
}
