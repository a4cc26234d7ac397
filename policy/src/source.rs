//! What a participant may send: the four sources, and whose right governs each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One source of one participant; a track carries exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Source {
    /// Their voice.
    Microphone,
    /// Their picture.
    Camera,
    /// A shared screen or window.
    Screen,
    /// The sound of what is shared.
    ScreenAudio,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 4] = [
        Self::Microphone,
        Self::Camera,
        Self::Screen,
        Self::ScreenAudio,
    ];

    /// The source whose right governs this one: the sound of a share goes with its picture.
    pub const fn right(self) -> Self {
        match self {
            Self::ScreenAudio => Self::Screen,
            own => own,
        }
    }

    /// Its name in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Screen => "screen",
            Self::ScreenAudio => "screen_audio",
        }
    }
}

/// Which way a stream goes that comes over HTTP (WHIP and WHEP), and not with the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum StreamKind {
    /// Into the room.
    Source,
    /// Out of it.
    Viewer,
}

impl StreamKind {
    /// Its name in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such source")]
pub struct UnknownSource;

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        Self::ALL
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or(UnknownSource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_one_name() {
        for source in Source::ALL {
            assert_eq!(source.as_str().parse(), Ok(source));
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
        assert_eq!("webcam".parse::<Source>(), Err(UnknownSource));
    }

    #[test]
    fn the_sound_of_a_share_is_governed_by_the_right_to_share() {
        assert_eq!(Source::ScreenAudio.right(), Source::Screen);
        for source in [Source::Microphone, Source::Camera, Source::Screen] {
            assert_eq!(source.right(), source);
        }
    }
}
