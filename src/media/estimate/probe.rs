//! When to try whether more goes through, how much, and what the try showed. A probe is some milliseconds of padding at a higher
//! rate; it is made only when there is something to send at that rate.

use std::time::{Duration, Instant};

/// How long a probe lasts, and how many packets it has at least.
pub(crate) const LASTS: Duration = Duration::from_millis(15);
pub(crate) const LEAST_PACKETS: u32 = 6;
/// Nothing is tried beyond this, in bits a second.
const MOST: f64 = 20e6;
/// The first tries, in multiples of the rate.
const FIRST: [f64; 2] = [3.0, 6.0];
/// A later one.
const NEXT: f64 = 2.0;
/// A try that shows this much of its rate is followed by a higher one.
const SUCCESS: f64 = 0.7;
/// Tries that showed nothing make the next wait longer, up to the other.
const EVERY: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(5);
/// After a fall the queue drains first.
const AFTER_FALL: Duration = Duration::from_millis(1500);
/// What no report spoke of after this will show nothing.
const LATEST: Duration = Duration::from_secs(1);
/// Less arriving than this share of what was sent: the way is full, and a little less than what arrives is what it takes.
const FULL: f64 = 0.9;
const BELOW_FULL: f64 = 0.95;

/// A probe to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probe {
    /// Its number, never 0.
    pub(crate) number: u8,
    /// At which rate, in bits a second.
    pub(crate) rate: f64,
}

/// Makes probes and reads them.
#[derive(Debug)]
pub(crate) struct Prober {
    number: u8,
    /// Tries to make at once.
    planned: [Option<f64>; 2],
    running: Option<Running>,
    next: Option<Instant>,
    wait: Duration,
    begun: bool,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    probe: Probe,
    began: Instant,
    /// Bytes and packets that were reported, be it as lost.
    reported: (i64, u32),
    /// Of those that arrived, both sides.
    sent: Side,
    arrived: Side,
}

/// One side of a probe: the first and last packet, in microseconds, and the bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    packets: u32,
    bytes: i64,
    first: i64,
    last: i64,
    first_size: i64,
    /// Bytes of the packets at the last moment.
    last_size: i64,
}

impl Prober {
    pub(crate) const fn new() -> Self {
        Self {
            number: 0,
            planned: [None; 2],
            running: None,
            next: None,
            wait: EVERY,
            begun: false,
        }
    }

    /// A probe that is to begin now, if any. `rate` is what is known to go through, `wanted` what there is to send, `fell` when
    /// the rate was last lowered.
    pub(crate) fn begin(
        &mut self,
        rate: f64,
        wanted: f64,
        fell: Option<Instant>,
        now: Instant,
    ) -> Option<Probe> {
        if let Some(running) = self.running {
            if now.saturating_duration_since(running.began) < LATEST {
                return None;
            }
            self.failed(now);
        }
        // Up to a fifth more than there is to send: it varies.
        let most = (wanted * 1.2).min(MOST);
        if rate >= wanted {
            self.planned = [None; 2];
            return None;
        }
        if !self.begun {
            self.begun = true;
            self.planned = FIRST.map(|times| Some(rate * times));
        }
        let fell = fell.is_some_and(|at| now.saturating_duration_since(at) < AFTER_FALL);
        if fell {
            self.planned = [None; 2];
            return None;
        }
        let [first, second] = self.planned;
        let target = match first {
            Some(target) => {
                self.planned = [second, None];
                target
            }
            None if self.next.is_none_or(|at| at <= now) => rate * NEXT,
            None => return None,
        };
        let target = target.min(most);
        if target <= rate * 1.05 {
            return None;
        }
        self.number = self.number.checked_add(1).unwrap_or(1);
        let probe = Probe {
            number: self.number,
            rate: target,
        };
        self.next = now.checked_add(self.wait);
        self.running = Some(Running {
            probe,
            began: now,
            reported: (0, 0),
            sent: Side::default(),
            arrived: Side::default(),
        });
        Some(probe)
    }

    /// A packet of a probe arrived: times in microseconds of the two clocks.
    pub(crate) fn arrived(&mut self, number: u8, size: u16, sent: i64, arrived: i64) {
        if let Some(running) = &mut self.running
            && running.probe.number == number
        {
            running.reported.0 += i64::from(size);
            running.reported.1 += 1;
            running.sent.count(sent, size);
            running.arrived.count(arrived, size);
        }
    }

    /// A packet of a probe did not arrive.
    pub(crate) fn lost(&mut self, number: u8, size: u16) {
        if let Some(running) = &mut self.running
            && running.probe.number == number
        {
            running.reported.0 += i64::from(size);
            running.reported.1 += 1;
        }
    }

    /// What the probe shows, once enough of it was reported: a rate that goes through. `rate` is what was known before.
    pub(crate) fn finish(&mut self, rate: f64, now: Instant) -> Option<f64> {
        let running = self.running?;
        let (bytes, packets) = running.reported;
        let enough = packets + 1 >= LEAST_PACKETS
            && bytes as f64 * 8.0 >= running.probe.rate * LASTS.as_secs_f64() * 0.8;
        if !enough {
            return None;
        }
        let Some(shown) = running.shown() else {
            self.failed(now);
            return None;
        };
        self.running = None;
        if shown >= running.probe.rate * SUCCESS {
            self.wait = EVERY;
            if self.planned == [None; 2] {
                self.planned = [Some(shown * NEXT), None];
            }
        } else {
            self.planned = [None; 2];
            self.wait = if shown > rate * 1.1 {
                EVERY
            } else {
                (self.wait * 3 / 2).min(SELDOM)
            };
            self.next = now.checked_add(self.wait);
        }
        Some(shown)
    }

    /// The way may have changed.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.wait = EVERY;
        let soon = now.checked_add(EVERY);
        self.next = match (self.next, soon) {
            (Some(next), Some(soon)) => Some(next.min(soon)),
            (next, soon) => next.or(soon),
        };
    }

    fn failed(&mut self, now: Instant) {
        self.running = None;
        self.planned = [None; 2];
        self.wait = (self.wait * 3 / 2).min(SELDOM);
        self.next = now.checked_add(self.wait);
    }
}

impl Side {
    fn count(&mut self, at: i64, size: u16) {
        let size = i64::from(size);
        if self.packets == 0 {
            (self.first, self.last, self.first_size) = (at, at, size);
        }
        if at < self.first {
            (self.first, self.first_size) = (at, size);
        }
        if at > self.last {
            (self.last, self.last_size) = (at, 0);
        }
        if at == self.last {
            self.last_size += size;
        }
        self.packets += 1;
        self.bytes += size;
    }

    /// Bits a second of these bytes between first and last.
    fn rate(&self, bytes: i64) -> Option<f64> {
        let span = self.last - self.first;
        (1_000..1_000_000)
            .contains(&span)
            .then(|| bytes as f64 * 8.0 * 1e6 / span as f64)
    }
}

impl Running {
    fn shown(&self) -> Option<f64> {
        let sent = self.sent.rate(self.sent.bytes - self.sent.last_size)?;
        // All at once is as fast as can be told.
        let arrived = self
            .arrived
            .rate(self.arrived.bytes - self.arrived.first_size)
            .unwrap_or(sent);
        if arrived > sent * 2.0 {
            // They were held up on the way and let go: it tells nothing.
            return None;
        }
        let shown = if arrived < sent * FULL {
            arrived * BELOW_FULL
        } else {
            sent.min(arrived)
        };
        Some(shown.min(self.probe.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    /// Sends a probe over a link of this capacity, in bursts every 5 ms, and says what it showed.
    fn over(prober: &mut Prober, probe: Probe, capacity: f64, clock: &ManualClock) -> Option<f64> {
        let burst = probe.rate * 0.005 / 8.0;
        let (mut sent, mut owed, mut free) = (0_i64, 0.0, 0_i64);
        for _ in 0..4 {
            owed += burst;
            while owed > 0.0 {
                owed -= 290.0;
                free = free.max(sent) + (290.0 * 8e6 / capacity) as i64;
                prober.arrived(probe.number, 290, sent, free);
            }
            sent += 5_000;
        }
        clock.advance(Duration::from_millis(100));
        prober.finish(0.5e6, clock.instant())
    }

    #[test]
    fn a_probe_finds_its_rate_or_the_capacity() {
        for (rate, capacity, low, high) in [
            (1e6, 50e6, 0.95e6, 1.0e6),
            (4e6, 50e6, 3.8e6, 4.0e6),
            (4e6, 1.5e6, 1.3e6, 1.5e6),
            (2e6, 0.6e6, 0.5e6, 0.6e6),
        ] {
            let clock = ManualClock::new();
            let mut prober = Prober::new();
            prober.begun = true;
            let probe = prober
                .begin(rate / 2.0, 20e6, None, clock.instant())
                .unwrap();
            assert!((probe.rate - rate).abs() < 1.0);
            let shown = over(&mut prober, probe, capacity, &clock).unwrap();
            assert!(
                (low..=high).contains(&shown),
                "{rate} over {capacity}: {shown}"
            );
        }
    }

    #[test]
    fn a_success_is_followed_at_once_and_a_failure_after_a_while() {
        let clock = ManualClock::new();
        let mut prober = Prober::new();
        let first = prober.begin(0.3e6, 5e6, None, clock.instant()).unwrap();
        assert!((first.rate - 0.9e6).abs() < 1.0);
        assert!(
            prober.begin(0.3e6, 5e6, None, clock.instant()).is_none(),
            "one at a time"
        );
        over(&mut prober, first, 50e6, &clock).unwrap();
        let second = prober.begin(0.9e6, 5e6, None, clock.instant()).unwrap();
        assert!((second.rate - 1.8e6).abs() < 1.0);
        let shown = over(&mut prober, second, 1e6, &clock).unwrap();
        assert!(prober.begin(shown, 5e6, None, clock.instant()).is_none());
        clock.advance(Duration::from_secs(4));
        assert!(prober.begin(shown, 5e6, None, clock.instant()).is_some());
    }

    #[test]
    fn nothing_is_tried_that_nobody_wants() {
        let clock = ManualClock::new();
        let mut prober = Prober::new();
        assert!(prober.begin(1e6, 0.0, None, clock.instant()).is_none());
        assert!(prober.begin(1e6, 0.9e6, None, clock.instant()).is_none());
        let probe = prober.begin(1e6, 1.5e6, None, clock.instant()).unwrap();
        assert!(probe.rate <= 1.8e6 + 1.0);
        clock.advance(Duration::from_secs(10));
        let fell = Some(clock.instant());
        assert!(
            prober.begin(1e6, 9e6, fell, clock.instant()).is_none(),
            "the queue drains first"
        );
    }
}
