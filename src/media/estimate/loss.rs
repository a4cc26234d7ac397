//! The rate that losses allow (draft-ietf-rmcat-gcc-02, section 6), of losses that follow the rate. A way may also lose packets
//! whatever is sent: when less was sent and as much was lost, that much counts as the way's own.

use std::time::{Duration, Instant};

/// Below this much loss the rate may grow; above the other it falls.
const CALM: f64 = 0.02;
const HEAVY: f64 = 0.10;
/// Growth with each finding.
const UP: f64 = 1.05;
/// How long a finding takes at least, and how many packets.
const EVERY: Duration = Duration::from_millis(300);
const PACKETS: u32 = 20;
/// A finding below the way's own loss counts this much.
const BETTER: f64 = 0.2;
/// No way is thought to lose more than this by itself.
const MOST_OWN: f64 = 0.5;

/// The controller.
#[derive(Debug)]
pub(crate) struct LossBound {
    rate: f64,
    bounds: (f64, f64),
    lost: u32,
    packets: u32,
    since: Option<Instant>,
    /// What may be sent, all bounds together.
    allowed: f64,
    /// What the way loses by itself.
    own: f64,
    /// Rate and loss at the beginning of the present fall.
    fall: Option<(f64, f64)>,
    /// The last finding.
    found: f64,
}

impl LossBound {
    pub(crate) const fn new(bounds: (f64, f64)) -> Self {
        Self {
            rate: bounds.1,
            bounds,
            lost: 0,
            packets: 0,
            since: None,
            allowed: 0.0,
            own: 0.0,
            fall: None,
            found: 0.0,
        }
    }

    pub(crate) const fn rate(&self) -> f64 {
        self.rate
    }

    /// The share of packets that the way loses by itself.
    pub(crate) const fn own(&self) -> f64 {
        self.own
    }

    /// The share of packets lost, as last found.
    pub(crate) const fn found(&self) -> f64 {
        self.found
    }

    /// What may be sent, all bounds together.
    pub(crate) const fn allow(&mut self, allowed: f64) {
        self.allowed = allowed;
    }

    /// Something better is known: the bound is not below it.
    pub(crate) const fn lift(&mut self, rate: f64) {
        self.rate = self.rate.max(rate);
    }

    /// A report: of so many packets, so many are lost. `sending` is the rate, in bits a second, at which they were sent or may
    /// be; `queued` says that packets wait on the way, so that losses are no wonder. Says whether the bound was lowered.
    pub(crate) fn report(
        &mut self,
        packets: u32,
        lost: u32,
        sending: f64,
        queued: bool,
        now: Instant,
    ) -> bool {
        if queued {
            (self.own, self.fall) = (0.0, None);
        }
        self.packets = self.packets.saturating_add(packets);
        self.lost = self.lost.saturating_add(lost).min(self.packets);
        let since = *self.since.get_or_insert(now);
        if self.packets < PACKETS || now.saturating_duration_since(since) < EVERY {
            return false;
        }
        let found = f64::from(self.lost) / f64::from(self.packets);
        // What chance alone explains.
        let chance = (found * (1.0 - found) / f64::from(self.packets)).sqrt();
        (self.packets, self.lost, self.since) = (0, 0, Some(now));
        self.found = found;
        self.judge(found, chance, sending, queued)
    }

    fn judge(&mut self, found: f64, chance: f64, sending: f64, queued: bool) -> bool {
        // A way that got better is believed, one that got worse is tried first.
        if found + chance < self.own {
            self.own += (found - self.own) * BETTER;
        }
        let chance = if self.own > 0.0 { chance } else { 0.0 };
        if sending < self.allowed * 0.5 && !queued {
            // So little cannot be too much: what is lost of it, the way loses by itself.
            self.own += ((found - self.own) * 0.5).max(0.0);
            self.own = self.own.min(MOST_OWN);
            self.rate = (self.rate * UP).min(self.bounds.1);
            return false;
        }
        let excess = (found - self.own - chance).max(0.0);
        if excess <= CALM {
            self.fall = None;
            self.rate = (self.rate * UP).min(self.bounds.1);
            return false;
        }
        if excess <= HEAVY {
            return false;
        }
        let from = self.rate.min(self.allowed.max(sending));
        if queued {
            self.rate = (from * (1.0 - 0.5 * excess)).max(self.bounds.0);
            return true;
        }
        let (began, lost) = *self.fall.get_or_insert((from, found));
        if from <= began * 0.75 {
            // A quarter less was sent. Had it been too much, as much would still arrive and less be lost.
            let had_been_much = (1.0 - (1.0 - lost) * began / from).max(0.0);
            if found > f64::midpoint(lost, had_been_much) {
                self.own = found.min(MOST_OWN);
                self.fall = None;
                return false;
            }
            self.fall = Some((from, found));
        }
        self.rate = (from * (1.0 - 0.5 * excess)).max(self.bounds.0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    const BOUNDS: (f64, f64) = (30_000.0, 50e6);

    /// A source of `wants` bits a second that obeys the bound, over a way that loses `own` and what is over `capacity`.
    fn run(bound: &mut LossBound, wants: f64, own: f64, capacity: f64, findings: u32) -> Vec<f64> {
        let clock = ManualClock::new();
        let mut rates = Vec::new();
        for _ in 0..findings {
            clock.advance(Duration::from_millis(310));
            let sending = wants.min(bound.rate());
            let over = (1.0 - capacity / sending).max(0.0);
            let lost = own + (1.0 - own) * over;
            bound.report(200, (lost * 200.0) as u32, sending, false, clock.instant());
            rates.push(sending);
        }
        rates
    }

    #[test]
    fn a_way_that_drops_what_is_too_much_is_not_overrun() {
        let mut bound = LossBound::new(BOUNDS);
        let rates = run(&mut bound, 3e6, 0.0, 1e6, 60);
        let after: Vec<f64> = rates.into_iter().skip(15).collect();
        let mean = after.iter().sum::<f64>() / after.len() as f64;
        assert!((0.8e6..1.25e6).contains(&mean), "{mean}");
    }

    #[test]
    fn a_way_that_always_loses_does_not_end_the_picture() {
        for own in [0.1, 0.2, 0.3] {
            let mut bound = LossBound::new(BOUNDS);
            let rates = run(&mut bound, 1e6, own, 50e6, 100);
            let least = rates.iter().copied().fold(f64::MAX, f64::min);
            assert!(least > 0.5e6, "{own}: {least}");
            assert!(*rates.last().unwrap() > 0.95e6, "{own}: {rates:?}");
        }
    }

    #[test]
    fn a_way_that_always_loses_and_is_narrow_is_not_overrun() {
        let mut bound = LossBound::new(BOUNDS);
        let rates = run(&mut bound, 3e6, 0.1, 1e6, 100);
        let mean = rates.iter().skip(30).sum::<f64>() / 70.0;
        assert!((0.6e6..1.5e6).contains(&mean), "{mean}");
    }

    #[test]
    fn a_little_loss_changes_nothing() {
        let mut bound = LossBound::new(BOUNDS);
        let rates = run(&mut bound, 2e6, 0.03, 50e6, 100);
        assert!(rates.iter().all(|rate| *rate >= 2e6));
    }
}
