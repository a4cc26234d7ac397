//! How much arrived at the receiver lately, by its own clock.

/// One part of the window, in microseconds.
const PART: i64 = 25_000;
/// Parts: half a second, in which video of few frames a second still has several.
const PARTS: usize = 20;

/// Bytes by time of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    parts: [(i64, u64); PARTS],
    first: Option<i64>,
    newest: i64,
}

impl Received {
    /// So many bytes arrived at this time, in microseconds.
    pub(crate) fn count(&mut self, at: i64, bytes: u16) {
        let part = at.div_euclid(PART);
        let place = usize::try_from(part.rem_euclid(PARTS as i64)).unwrap_or(0);
        let Some((known, sum)) = self.parts.get_mut(place) else {
            return;
        };
        if *known > part {
            return;
        }
        if *known < part {
            (*known, *sum) = (part, 0);
        }
        *sum += u64::from(bytes);
        self.first = Some(self.first.map_or(part, |first| first.min(part)));
        self.newest = self.newest.max(part);
    }

    /// Bits a second; `None` before there is enough to tell.
    pub(crate) fn rate(&self) -> Option<f64> {
        let span = (self.newest - self.first? + 1).min(PARTS as i64);
        if span < 6 {
            return None;
        }
        let oldest = self.newest - span;
        let bytes: u64 = self
            .parts
            .iter()
            .filter(|(part, _)| *part > oldest)
            .map(|(_, bytes)| bytes)
            .sum();
        Some(bytes as f64 * 8.0 * 1e6 / (span * PART) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_rate_of_the_last_half_second() {
        let mut received = Received::default();
        assert!(received.rate().is_none());
        for packet in 0..1000 {
            received.count(packet * 10_000, 1250);
        }
        let rate = received.rate().unwrap();
        assert!((0.95e6..1.05e6).contains(&rate), "{rate}");
        for packet in 0..100 {
            received.count(10_000_000 + packet * 10_000, 125);
        }
        let rate = received.rate().unwrap();
        assert!((0.95e5..1.05e5).contains(&rate), "{rate}");
        received.count(5_000_000, 60_000);
        assert!(
            (received.rate().unwrap() - rate).abs() < 1.0,
            "too old to count"
        );
    }
}
