//! How loud one source is, from the levels that its packets carry (RFC 6464): smoothed, with a hold, so that slots and the list
//! of speakers do not flicker.

use std::time::{Duration, Instant};

/// Louder than this is speech: -50 dBov, where 127 is 0 dBov.
const SPEECH: u32 = 77;
/// A pause within a sentence.
const HOLD: Duration = Duration::from_millis(800);
/// A source from which nothing comes is silent after this.
const STALE: Duration = Duration::from_millis(500);
/// The score of a source whose packets say nothing about their level: between silence and speech.
const UNKNOWN: u32 = 40;

/// The loudness of a source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loudness {
    /// Sixteenths of a decibel above -127 dBov.
    smooth: u32,
    heard: Option<Instant>,
    spoke: Option<Instant>,
}

impl Loudness {
    /// A packet came; says whether with it somebody begins to speak.
    pub(crate) fn hear(&mut self, level: Option<u8>, now: Instant) -> bool {
        let before = self.speaks(now);
        // What was heard before a break says nothing about now.
        if self.score(now) == 0 {
            self.smooth = 0;
        }
        self.heard = Some(now);
        let loud = level.map_or(UNKNOWN, |level| 127 - u32::from(level & 0x7f)) << 4;
        // Up within a few packets, down within half a second.
        self.smooth = if loud > self.smooth {
            self.smooth + (loud - self.smooth).div_ceil(4)
        } else {
            self.smooth - (self.smooth - loud).div_ceil(16)
        };
        if self.smooth >= SPEECH << 4 {
            self.spoke = Some(now);
        }
        !before && self.speaks(now)
    }

    /// How loud now, in decibels above -127 dBov.
    pub(crate) fn score(&self, now: Instant) -> u32 {
        let fresh = self
            .heard
            .is_some_and(|at| now.saturating_duration_since(at) < STALE);
        if fresh { self.smooth >> 4 } else { 0 }
    }

    /// Whether the source speaks, pauses included.
    pub(crate) fn speaks(&self, now: Instant) -> bool {
        self.spoke
            .is_some_and(|at| now.saturating_duration_since(at) < HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn speech_is_heard_soon_and_held_over_a_pause() {
        let clock = ManualClock::new();
        let mut loudness = Loudness::default();
        let begun: Vec<bool> = (0..10)
            .map(|_| {
                clock.advance(Duration::from_millis(20));
                loudness.hear(Some(25), clock.instant())
            })
            .collect();
        assert_eq!(begun.iter().filter(|begun| **begun).count(), 1);
        assert!(loudness.speaks(clock.instant()));
        for _ in 0..30 {
            loudness.hear(Some(127), clock.instant());
            clock.advance(Duration::from_millis(20));
        }
        assert!(loudness.speaks(clock.instant()));
        clock.advance(Duration::from_millis(900));
        assert!(!loudness.speaks(clock.instant()));
        assert_eq!(loudness.score(clock.instant()), 0);
    }

    #[test]
    fn silence_never_speaks() {
        let clock = ManualClock::new();
        let mut loudness = Loudness::default();
        for _ in 0..1000 {
            loudness.hear(Some(70), clock.instant());
            clock.advance(Duration::from_millis(20));
        }
        assert!(!loudness.speaks(clock.instant()));
        loudness.hear(None, clock.instant());
        assert!(!loudness.speaks(clock.instant()));
    }
}
