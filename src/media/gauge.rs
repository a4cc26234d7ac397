//! How much comes of one encoding, by its layers, and how large its pictures are: what the choice of layers goes by.

use std::time::{Duration, Instant};

use crate::media::descriptor::{MOST_LAYERS, Size, Sizes};

/// Over how long is measured.
const WINDOW: Duration = Duration::from_millis(1000);
/// Bytes around a payload: header, extensions, tag, UDP and IP.
const AROUND: u64 = 60;

/// Bits per second of each size and rate.
pub(crate) type Rates = [[u64; MOST_LAYERS]; MOST_LAYERS];

/// What comes of one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauge {
    begun: Option<Instant>,
    bytes: Rates,
    rates: Rates,
    /// Of each layer in size, as far as they are known.
    pub(crate) sizes: Sizes,
    last: [Option<Instant>; MOST_LAYERS],
    /// The highest layer in time of late.
    fastest: u8,
}

impl Gauge {
    /// A packet came.
    pub(crate) fn count(&mut self, (size, rate): (u8, u8), bytes: usize, now: Instant) {
        self.turn(now);
        let (size, rate) = (
            usize::from(size).min(MOST_LAYERS - 1),
            usize::from(rate).min(MOST_LAYERS - 1),
        );
        if let Some(place) = self.bytes.get_mut(size).and_then(|own| own.get_mut(rate)) {
            *place += bytes as u64 + AROUND;
        }
        if let Some(last) = self.last.get_mut(size) {
            *last = Some(now);
        }
    }

    /// Ends a window that is over.
    fn turn(&mut self, now: Instant) {
        let Some(begun) = self.begun else {
            self.begun = Some(now);
            return;
        };
        let elapsed = now.saturating_duration_since(begun);
        if elapsed < WINDOW {
            return;
        }
        let micros = u64::try_from(elapsed.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let stale = elapsed >= WINDOW * 3;
        self.fastest = 0;
        for (sizes, bytes) in self.rates.iter_mut().zip(&mut self.bytes) {
            for (rate, (known, bytes)) in (0..).zip(sizes.iter_mut().zip(bytes)) {
                let fresh = bytes.saturating_mul(8_000_000) / micros;
                // Up at once, for what is too much must be known; down slowly.
                *known = if fresh >= *known || stale {
                    fresh
                } else {
                    *known - (*known - fresh) / 4
                };
                if *bytes > 0 {
                    self.fastest = self.fastest.max(rate);
                }
                *bytes = 0;
            }
        }
        self.begun = Some(now);
    }

    /// Bits per second of a size with all that it needs, up to a rate; 0 if nothing was measured yet.
    pub(crate) fn bits(&self, size: u8, rate: u8) -> u64 {
        let sizes = self.rates.iter().take(usize::from(size) + 1);
        sizes
            .flat_map(|rates| rates.iter().take(usize::from(rate) + 1))
            .sum()
    }

    /// Whether packets of this layer in size come.
    pub(crate) fn flows(&self, size: u8, now: Instant, within: Duration) -> bool {
        let last = self.last.get(usize::from(size)).copied().flatten();
        last.is_some_and(|at| now.saturating_duration_since(at) < within)
    }

    /// The highest layer in time that comes.
    pub(crate) const fn fastest(&self) -> u8 {
        self.fastest
    }

    /// A picture told sizes.
    pub(crate) fn learn(&mut self, sizes: Sizes) {
        if sizes.iter().any(|size| *size != Size::default()) {
            self.sizes = sizes;
        }
    }

    /// Brings the figures up to date, when nothing came lately.
    pub(crate) fn refresh(&mut self, now: Instant) {
        self.turn(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn bits_are_measured_by_layers_and_fade_when_nothing_comes() {
        let clock = ManualClock::new();
        let mut gauge = Gauge::default();
        for packet in 0..400_u64 {
            let rate = (packet % 2) as u8;
            gauge.count((0, rate), 1190, clock.instant());
            clock.advance(Duration::from_millis(10));
        }
        let (slow, all) = (gauge.bits(0, 0), gauge.bits(0, 2));
        assert!((480_000..=520_000).contains(&slow), "{slow}");
        assert!((980_000..=1_020_000).contains(&all), "{all}");
        assert_eq!(gauge.fastest(), 1);
        assert!(gauge.flows(0, clock.instant(), Duration::from_millis(500)));
        clock.advance(Duration::from_secs(5));
        gauge.refresh(clock.instant());
        gauge.refresh(clock.instant() + Duration::from_secs(5));
        assert_eq!(gauge.bits(0, 2), 0);
        assert!(!gauge.flows(0, clock.instant(), Duration::from_millis(500)));
    }
}
