//! Captions as a participant sees them: whether there are any, what may be chosen, and one caption. Plain values.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;

/// Languages into which a room is translated at a time. Each costs a translation of everything that is said.
pub const MOST_LANGUAGES: usize = 4;

/// Whether there are captions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum CaptionsState {
    /// The hosts have not turned them on.
    #[default]
    Off,
    /// What is said by those who may be captioned is shown to those who want to read it.
    On,
    /// They are turned on, and the server cannot make any now.
    Unavailable,
    /// They come later than they should: the machine is busy.
    Delayed,
    /// Somebody who speaks, and has not refused, is not captioned.
    Limited,
}

/// Why there can be none, or not of everyone; for those who may turn captions on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum CaptionsTrouble {
    /// The operator has set no model up.
    NoModel,
    /// The worker is not installed.
    NoWorker,
    /// The worker does not start, or does not stay up: the log of the server says why.
    Failed,
    /// More microphones are on than the workers can listen to.
    Full,
    /// Workers perished in what somebody said, again and again: nobody listens to them for a while.
    LeftOut,
}

/// The captions of a room, as one participant sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CaptionsView {
    /// Whether there are any.
    pub state: CaptionsState,
    /// Whether somebody's speech is listened to now.
    pub running: bool,
    /// The languages that may be chosen beside the original, by their code (ISO 639-1 where it has one).
    pub languages: Vec<String>,
    /// What translates; none if nothing does.
    pub engine: Option<String>,
    /// Whether what is said goes to machines that are not the operator's own, to be translated.
    pub outside: bool,
    /// Whether what is said is kept.
    pub transcript: bool,
    /// Why they are unavailable; only for those who may turn them on, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub trouble: Option<CaptionsTrouble>,
}

/// What a participant wants to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CaptionChoice {
    /// `original`, a language, or nothing.
    pub language: Option<String>,
    /// The original too, beside a translation.
    pub original: bool,
}

/// One caption as it is now; a later revision takes the place of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct CueView {
    /// Its number in the session; a translation has the number of its original.
    #[cfg_attr(test, ts(type = "number"))]
    pub cue: u64,
    /// Counts up for each number and language.
    pub revision: u32,
    /// Who speaks.
    #[cfg_attr(test, ts(type = "string"))]
    pub speaker: ParticipantId,
    /// The name that everyone saw when it was spoken.
    pub name: String,
    /// The language of the text.
    pub language: String,
    /// Whether these are the words that were spoken, and no translation.
    pub original: bool,
    /// What translated it; absent for the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub engine: Option<String>,
    /// When it was begun to be spoken, milliseconds since the epoch.
    #[cfg_attr(test, ts(type = "number"))]
    pub t0: Timestamp,
    /// Up to when.
    #[cfg_attr(test, ts(type = "number"))]
    pub t1: Timestamp,
    /// Text that stays: the next revision only adds to it. Of a translation it may change until it is final.
    pub committed: String,
    /// Text after it that may still change.
    pub tentative: String,
    /// Nothing more follows.
    #[serde(rename = "final")]
    pub is_final: bool,
}
