//! The rate that delays allow: up by a share while the way is unknown, by steps near its known capacity, down to less than what
//! arrives when a queue grows (draft-ietf-rmcat-gcc-02, section 5.5).

use std::time::{Duration, Instant};

use crate::media::estimate::trend::Usage;

/// Of what arrives, this much is sent once a queue grew.
const DOWN: f64 = 0.85;
/// Growth in a second while the capacity is unknown.
const UP: f64 = 1.08;
/// Growth is bound to what arrives: more was never tried.
const TRIED: f64 = 1.5;
/// A packet, in bits, for steps near the capacity.
const PACKET: f64 = 9_600.0;
/// The least step in a second.
const STEP: f64 = 4_000.0;
/// The known capacity follows each finding by this much.
const FOLLOW: f64 = 0.05;

/// The controller.
#[derive(Debug)]
pub(crate) struct Aimd {
    rate: f64,
    bounds: (f64, f64),
    growing: bool,
    /// Where a queue began to grow, as mean and relative variance.
    capacity: Option<(f64, f64)>,
    changed: Option<Instant>,
    lowered: Option<Instant>,
}

impl Aimd {
    pub(crate) const fn new(rate: f64, bounds: (f64, f64)) -> Self {
        Self {
            rate,
            bounds,
            growing: true,
            capacity: None,
            changed: None,
            lowered: None,
        }
    }

    pub(crate) const fn rate(&self) -> f64 {
        self.rate
    }

    /// A finding beside the delays: a probe, or silence. What was known of the capacity may no longer hold.
    pub(crate) fn set(&mut self, rate: f64, now: Instant) {
        if rate > self.rate {
            self.capacity = None;
        }
        self.rate = rate.clamp(self.bounds.0, self.bounds.1);
        self.changed = Some(now);
    }

    /// When the rate was last lowered.
    pub(crate) const fn lowered(&self) -> Option<Instant> {
        self.lowered
    }

    /// Takes what the detector found and what arrives, in bits a second; says whether the rate was lowered.
    pub(crate) fn update(
        &mut self,
        usage: Usage,
        arriving: Option<f64>,
        round_trip: Duration,
        now: Instant,
    ) -> bool {
        match usage {
            Usage::Over => {
                self.growing = false;
                self.lower(arriving, round_trip, now)
            }
            Usage::Under => {
                // The queue drains: more now would keep it.
                self.growing = false;
                self.changed = Some(now);
                false
            }
            Usage::Normal => {
                if self.growing {
                    self.raise(arriving, round_trip, now);
                }
                self.growing = true;
                self.changed = Some(now);
                false
            }
        }
    }

    fn lower(&mut self, arriving: Option<f64>, round_trip: Duration, now: Instant) -> bool {
        let wait = round_trip.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let lately = self
            .lowered
            .is_some_and(|at| now.saturating_duration_since(at) < wait);
        let arriving = arriving.unwrap_or(self.rate);
        if lately && arriving >= self.rate / 2.0 {
            return false;
        }
        let target = (arriving * DOWN).clamp(self.bounds.0, self.bounds.1);
        self.learn(arriving);
        (self.lowered, self.changed) = (Some(now), Some(now));
        if target < self.rate {
            self.rate = target;
            return true;
        }
        false
    }

    /// A queue began to grow while this much arrived.
    fn learn(&mut self, arriving: f64) {
        self.capacity = match self.capacity {
            Some((mean, variance))
                if (arriving - mean).abs() <= 3.0 * deviation(mean, variance) =>
            {
                let mean_now = mean + FOLLOW * (arriving - mean);
                let error = (arriving - mean_now) * (arriving - mean_now) / mean_now.max(1.0);
                let variance = (1.0 - FOLLOW) * variance + FOLLOW * error;
                Some((mean_now, variance.clamp(400.0, 2_500.0)))
            }
            // Far from what was known: another way, or another part of it.
            _ => Some((arriving, 400.0)),
        };
    }

    fn raise(&mut self, arriving: Option<f64>, round_trip: Duration, now: Instant) {
        let elapsed = self.changed.map_or(Duration::ZERO, |at| {
            now.saturating_duration_since(at)
                .min(Duration::from_secs(1))
        });
        if let (Some((mean, variance)), Some(arriving)) = (self.capacity, arriving)
            && arriving > mean + 3.0 * deviation(mean, variance)
        {
            self.capacity = None;
        }
        let seconds = elapsed.as_secs_f64();
        let raised = match self.capacity {
            Some(_) => {
                let response = (round_trip + Duration::from_millis(100)).as_secs_f64();
                self.rate + (PACKET / response).max(STEP) * seconds
            }
            None => self.rate * UP.powf(seconds) + 1_000.0 * seconds,
        };
        let tried = arriving.map_or(f64::MAX, |arriving| arriving * TRIED + 10_000.0);
        let raised = raised.min(tried.max(self.rate));
        self.rate = raised.clamp(self.bounds.0, self.bounds.1);
    }
}

fn deviation(mean: f64, variance: f64) -> f64 {
    (mean * variance).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    const BOUNDS: (f64, f64) = (30_000.0, 50e6);
    const TRIP: Duration = Duration::from_millis(50);

    #[test]
    fn it_grows_by_eight_percent_a_second_but_not_past_what_was_tried() {
        let clock = ManualClock::new();
        let mut aimd = Aimd::new(1e6, BOUNDS);
        for _ in 0..200 {
            clock.advance(Duration::from_millis(50));
            aimd.update(Usage::Normal, Some(10e6), TRIP, clock.instant());
        }
        assert!((2.1e6..2.3e6).contains(&aimd.rate()), "{}", aimd.rate());
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(50));
            aimd.update(Usage::Normal, Some(1.6e6), TRIP, clock.instant());
        }
        assert!((2.35e6..2.45e6).contains(&aimd.rate()), "{}", aimd.rate());
    }

    #[test]
    fn it_falls_below_what_arrives_and_then_grows_by_steps() {
        let clock = ManualClock::new();
        let mut aimd = Aimd::new(3e6, BOUNDS);
        assert!(aimd.update(Usage::Over, Some(1e6), TRIP, clock.instant()));
        assert!((aimd.rate() - 0.85e6).abs() < 1.0);
        assert!(
            !aimd.update(Usage::Over, Some(1e6), TRIP, clock.instant()),
            "once a round trip"
        );
        aimd.update(Usage::Normal, Some(0.85e6), TRIP, clock.instant());
        for _ in 0..20 {
            clock.advance(Duration::from_millis(50));
            aimd.update(Usage::Normal, Some(0.85e6), TRIP, clock.instant());
        }
        assert!((0.90e6..0.93e6).contains(&aimd.rate()), "{}", aimd.rate());
    }
}
