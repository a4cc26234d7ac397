//! How messages print themselves, for tests and logs: kinds and ids, never speech, names or keys.

use std::fmt;

use super::messages::{Engine, FromRecogniser, FromTranslator, ToRecogniser, ToTranslator};

impl fmt::Debug for ToRecogniser {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { version, .. } => write!(to, "Hello(version {version})"),
            Self::Open { track, codec, .. } => write!(to, "Open({track:?}, {codec:?})"),
            Self::Audio {
                track, sequence, ..
            } => write!(to, "Audio({track:?}, {sequence})"),
            Self::Close { track, why } => write!(to, "Close({track:?}, {why:?})"),
            Self::Ping { nonce } => write!(to, "Ping({nonce})"),
            Self::English { track, wanted } => write!(to, "English({track:?}, wanted {wanted})"),
        }
    }
}

impl fmt::Debug for FromRecogniser {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { version, .. } => write!(to, "Ready(version {version})"),
            Self::Failed { reason } => write!(to, "Failed({reason})"),
            Self::Cue {
                track,
                cue,
                revision,
                finished,
                ..
            } => write!(
                to,
                "Cue({track:?}, {cue}, revision {revision}, finished {finished})"
            ),
            Self::Closed { track } => write!(to, "Closed({track:?})"),
            Self::Load {
                waiting,
                delayed,
                finals_only,
            } => write!(
                to,
                "Load(waiting {waiting}, delayed {delayed}, finals only {finals_only})"
            ),
            Self::Pong { nonce } => write!(to, "Pong({nonce})"),
            Self::English { track, cue, .. } => write!(to, "English({track:?}, {cue})"),
            Self::Late { track, late } => write!(to, "Late({track:?}, {late})"),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Apertium => "Apertium",
            Self::Neural { .. } => "Neural",
            Self::Http { .. } => "Http",
        })
    }
}

impl fmt::Debug for ToTranslator {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { version, engine } => write!(to, "Hello(version {version}, {engine:?})"),
            Self::Translate {
                id,
                source,
                target,
                texts,
            } => write!(
                to,
                "Translate({id}, {source} to {target}, {} texts)",
                texts.len()
            ),
            Self::Ping { nonce } => write!(to, "Ping({nonce})"),
        }
    }
}

impl fmt::Debug for FromTranslator {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { version, pairs, .. } => {
                write!(to, "Ready(version {version}, {} pairs)", pairs.len())
            }
            Self::Failed { reason } => write!(to, "Failed({reason})"),
            Self::Translated { id, texts } => write!(to, "Translated({id}, {} texts)", texts.len()),
            Self::Pong { nonce } => write!(to, "Pong({nonce})"),
        }
    }
}
