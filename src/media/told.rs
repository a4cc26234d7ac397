//! Which sender reports left for a receiver and when, so that what it says of them tells how long the way is.

use std::time::{Duration, Instant};

use crate::media::rtcp::{Blocks, Heard};

/// Reports that are remembered: the last two of as many streams as are commonly received.
const REMEMBERED: usize = 32;
/// Of one stream no clock is told sooner after the last only because something else began in it.
const APART: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
struct Report {
    ssrc: u32,
    name: u32,
    at: Instant,
}

/// The last reports, in a ring.
#[derive(Debug, Default)]
pub(crate) struct Told {
    reports: Vec<Report>,
    oldest: usize,
}

impl Told {
    /// A report of a stream's clock leaves.
    pub(crate) fn note(&mut self, ssrc: u32, ntp: u64, now: Instant) {
        let report = Report {
            ssrc,
            name: Heard::name(ntp),
            at: now,
        };
        match self.reports.get_mut(self.oldest) {
            Some(place) => *place = report,
            None => self.reports.push(report),
        }
        self.oldest = (self.oldest + 1) % REMEMBERED;
    }

    /// Whether a report of this stream left a moment ago.
    pub(crate) fn lately(&self, ssrc: u32, now: Instant) -> bool {
        let mut reports = self.reports.iter();
        reports.any(|told| told.ssrc == ssrc && now.saturating_duration_since(told.at) < APART)
    }

    /// How long the way there and back is, by what was heard.
    pub(crate) fn trip(&self, heard: Blocks<'_>, now: Instant) -> Option<Duration> {
        heard.iter().find_map(|heard| {
            let same = |told: &&Report| (told.ssrc, told.name) == (heard.media, heard.report);
            // Told twice, the later one was heard last.
            let at = self.reports.iter().filter(same).map(|told| told.at).max()?;
            heard.trip(now.saturating_duration_since(at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::media::rtcp::{Compound, ReceptionReport, Report as Read, reports};

    /// Milliseconds, by blocks of streams and the names of what was heard of them, half a second ago.
    fn trip(told: &Told, blocks: &[(u32, u32)], now: Instant) -> Option<u128> {
        let block = |&(ssrc, last_sender_report): &(u32, u32)| ReceptionReport {
            ssrc,
            last_sender_report,
            delay: 65_536 / 2,
            ..ReceptionReport::default()
        };
        let mut bytes = Vec::new();
        let blocks = blocks.iter().map(block).collect();
        assert!(Compound::receiver(1, blocks).write(&mut bytes));
        let Some(Read::Reception { heard, .. }) = reports(&bytes).next() else {
            panic!("{bytes:?}")
        };
        told.trip(heard, now).map(|trip| trip.as_millis())
    }

    #[test]
    fn a_late_report_is_known_and_so_is_one_behind_others_that_are_not() {
        let (clock, mut told) = (ManualClock::new(), Told::default());
        told.note(5, 1 << 16, clock.instant());
        clock.advance(Duration::from_millis(600));
        told.note(5, 2 << 16, clock.instant());
        let now = clock.instant();
        assert_eq!(trip(&told, &[(5, 1)], now), Some(100), "of the one before");
        assert_eq!(trip(&told, &[(5, 2)], now), None, "it has just left");
        assert_eq!(trip(&told, &[(5, 0), (9, 1), (5, 1)], now), Some(100));
        assert_eq!(trip(&told, &[(9, 1), (5, 3)], now), None);
    }

    #[test]
    fn what_is_remembered_does_not_grow_and_the_oldest_goes_first() {
        let (clock, mut told) = (ManualClock::new(), Told::default());
        for ntp in 1..=REMEMBERED as u64 + 1 {
            told.note(5, ntp << 16, clock.instant());
        }
        clock.advance(Duration::from_millis(550));
        assert_eq!(told.reports.len(), REMEMBERED);
        assert_eq!(trip(&told, &[(5, 1)], clock.instant()), None);
        assert_eq!(trip(&told, &[(5, 2)], clock.instant()), Some(50));
        assert!(told.lately(5, clock.instant() - APART * 2) && !told.lately(6, clock.instant()));
        assert!(!told.lately(5, clock.instant()));
    }
}
