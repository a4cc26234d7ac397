//! How many packets a source may bring: a bucket that fills with time. What is over is dropped, so that one sender cannot make
//! the server send a thousand times as much to a thousand receivers.

use std::time::{Duration, Instant};

use crate::media::offer::Kind;

/// Sound: browsers send 50 packets in a second, at most 100.
const AUDIO: Rate = Rate {
    per_second: 250,
    burst: 100,
};
/// Video: 2000 packets of 1200 bytes are 19 Mbit/s; a key frame of a shared screen has some hundred.
const VIDEO: Rate = Rate {
    per_second: 2000,
    burst: 500,
};

struct Rate {
    per_second: u64,
    burst: u64,
}

impl Rate {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Audio => AUDIO,
            Kind::Video | Kind::Other => VIDEO,
        }
    }
}

/// What one source has left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// When it would have been empty if it never overflowed.
    empty: Option<Instant>,
}

impl Bucket {
    /// Takes one packet; `false` if it is one too many.
    pub(crate) fn take(&mut self, kind: Kind, now: Instant) -> bool {
        let Rate { per_second, burst } = Rate::of(kind);
        let one = Duration::from_micros(1_000_000 / per_second);
        let depth = Duration::from_micros(1_000_000 * burst / per_second);
        let full = now.checked_sub(depth).unwrap_or(now);
        let next = self.empty.map_or(full, |empty| empty.max(full)) + one;
        if next > now {
            return false;
        }
        self.empty = Some(next);
        true
    }
}

/// How long one measurement takes, and how old it may be.
const MEASURED: Duration = Duration::from_millis(500);
const STALE: Duration = Duration::from_secs(2);

/// How much a source brings, in bits a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    since: Option<Instant>,
    bytes: u64,
    rate: u64,
}

impl Meter {
    /// So many bytes came.
    pub(crate) fn count(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes as u64;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= MEASURED {
            let micros = u64::try_from(elapsed.as_micros())
                .unwrap_or(u64::MAX)
                .max(1);
            self.rate = self.bytes.saturating_mul(8_000_000) / micros;
            (self.since, self.bytes) = (Some(now), 0);
        }
    }

    /// The last measurement.
    pub(crate) fn rate(&self, now: Instant) -> u64 {
        let fresh = |since| now.saturating_duration_since(since) < STALE;
        if self.since.is_some_and(fresh) {
            self.rate
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(10));
        let mut bucket = Bucket::default();
        let burst = (0..1000)
            .filter(|_| bucket.take(Kind::Audio, clock.instant()))
            .count();
        assert_eq!(burst, 100);
        let mut passed = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
            passed += (0..10)
                .filter(|_| bucket.take(Kind::Audio, clock.instant()))
                .count();
        }
        assert_eq!(passed, 250);
    }

    #[test]
    fn an_honest_sender_is_never_over() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(10));
        let mut bucket = Bucket::default();
        for _ in 0..10_000 {
            clock.advance(Duration::from_millis(10));
            assert!(bucket.take(Kind::Audio, clock.instant()));
        }
    }
}
