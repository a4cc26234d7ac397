//! What one participant may send, and does: a right per source, and whether the source is on. Pure state; whether a
//! right suffices is decided by policy.

use std::collections::{BTreeMap, BTreeSet};

use conclave_policy::facts::Right;
use conclave_policy::source::Source;

use crate::ids::ActorId;

/// How many identities' taken rights are remembered in one session: more than come to any meeting.
const MOST_TAKEN: usize = 20_000;

/// Rights and live sources of one participant. Everyone starts with nothing on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    microphone: Right,
    camera: Right,
    screen: Right,
    live: Vec<Source>,
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

impl Floor {
    /// All rights as the role has them, all sources off.
    pub fn new() -> Self {
        Self {
            microphone: Right::Default,
            camera: Right::Default,
            screen: Right::Default,
            live: Vec::new(),
        }
    }

    /// The right that governs `source`; the sound of a screen goes with the screen.
    pub fn right(&self, source: Source) -> Right {
        match source {
            Source::Microphone => self.microphone,
            Source::Camera => self.camera,
            Source::Screen | Source::ScreenAudio => self.screen,
        }
    }

    /// Sets the right that governs `source`.
    pub fn set_right(&mut self, source: Source, right: Right) {
        match source {
            Source::Microphone => self.microphone = right,
            Source::Camera => self.camera = right,
            Source::Screen | Source::ScreenAudio => self.screen = right,
        }
    }

    /// Whether the source is on.
    pub fn is_live(&self, source: Source) -> bool {
        self.live.contains(&source)
    }

    /// Every source that is on.
    pub fn live(&self) -> &[Source] {
        &self.live
    }

    /// Marks the source on; false if it was on already.
    pub fn turn_on(&mut self, source: Source) -> bool {
        let new = !self.is_live(source);
        if new {
            self.live.push(source);
        }
        new
    }

    /// Marks the source off; false if it was off already.
    pub fn turn_off(&mut self, source: Source) -> bool {
        let before = self.live.len();
        self.live.retain(|live| *live != source);
        self.live.len() != before
    }

    /// The sources that a right over `source` governs: a screen and its sound go together.
    pub fn governed(source: Source) -> &'static [Source] {
        match source {
            Source::Microphone => &[Source::Microphone],
            Source::Camera => &[Source::Camera],
            Source::Screen | Source::ScreenAudio => &[Source::Screen, Source::ScreenAudio],
        }
    }
}

/// Rights that were taken from identities in this session and not given back. Who goes out and comes in again has them no more
/// than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken(BTreeMap<ActorId, BTreeSet<Source>>);

impl Taken {
    /// Remembers that a right was taken, or given back.
    pub fn set(&mut self, actor: ActorId, source: Source, taken: bool) {
        let source = source.right();
        if taken {
            if self.0.len() < MOST_TAKEN || self.0.contains_key(&actor) {
                self.0.entry(actor).or_default().insert(source);
            }
        } else if let Some(sources) = self.0.get_mut(&actor) {
            sources.remove(&source);
            if sources.is_empty() {
                self.0.remove(&actor);
            }
        }
    }

    /// The rights with which this identity comes in.
    pub fn floor(&self, actor: ActorId) -> Floor {
        let mut floor = Floor::new();
        for source in self.0.get(&actor).into_iter().flatten() {
            floor.set_right(*source, Right::Withdrawn);
        }
        floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_enters_with_all_sources_off() {
        assert!(
            Source::ALL
                .iter()
                .all(|source| !Floor::new().is_live(*source))
        );
    }

    #[test]
    fn the_sound_of_a_screen_follows_the_right_over_the_screen() {
        let mut floor = Floor::new();
        floor.set_right(Source::Screen, Right::Withdrawn);
        assert_eq!(floor.right(Source::ScreenAudio), Right::Withdrawn);
        assert_eq!(floor.right(Source::Microphone), Right::Default);
    }

    #[test]
    fn a_source_is_turned_on_once_and_off_once() {
        let mut floor = Floor::new();
        assert!(floor.turn_on(Source::Camera));
        assert!(!floor.turn_on(Source::Camera));
        assert!(floor.turn_off(Source::Camera));
        assert!(!floor.turn_off(Source::Camera));
    }
}
