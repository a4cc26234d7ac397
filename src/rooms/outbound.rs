//! What a room says to one client, as it stands on the wire (`docs/protocol.md`).

use std::fmt;

use conclave_policy::preview::Line;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::media::turn::Relay;
use crate::rooms::captions::CueView;
use crate::rooms::quality::QualityView;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::{
    BarView, ChatView, Event, KnockView, LobbyCount, RoomView, SettingView, SourceStatsView,
};

/// What the server says.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The first message to whoever came with a session that is bound to a key: they sign this in their first frame.
    Challenge {
        /// What to sign.
        nonce: String,
    },
    /// Somebody showed a copy of this session, without its key, and was refused.
    SessionCopied {
        /// How often, since the server started.
        times: u32,
        /// When they did last.
        #[cfg_attr(test, ts(type = "number"))]
        last: Timestamp,
    },
    /// The request to join was taken; a host will decide. Its bytes never depend on the room.
    Waiting {},
    /// A host says something to those who wait.
    Message(WaitingWord),
    /// The participant is in. Also the answer to a resume whose missed events are no longer held.
    Admitted {
        /// The room as the participant may see it.
        room: Box<RoomView>,
        /// For this tab alone: proves on a new connection that it is the same participant.
        #[cfg_attr(test, ts(type = "string"))]
        resume: String,
        /// The number of the last event that the view contains.
        #[cfg_attr(test, ts(type = "number"))]
        seq: u64,
        /// Relays for the media transport; left out where there are none, or where the participant may have no transport.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<IceServer>>"))]
        ice_servers: Vec<IceServer>,
    },
    /// The connection is taken up again; the missed events follow.
    Resumed {
        /// A fresh secret in place of the used one.
        resume: String,
    },
    /// The answer to one request.
    Reply {
        /// The number of the request.
        id: u32,
        /// What came of it.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// Something changed.
    Event {
        /// Counts up by one for this participant; a gap means that something was lost.
        #[cfg_attr(test, ts(type = "number"))]
        seq: u64,
        /// What changed.
        event: Event,
    },
    /// A caption in a language that the receiver chose, or a later revision of one. Not an event: it has no number and is not
    /// kept, so that what is said never pushes out what happened.
    Cue {
        /// The caption.
        cue: CueView,
    },
    /// The last message before the socket closes.
    Closed {
        /// Stable code.
        code: ErrorCode,
        /// A plain sentence.
        text: String,
    },
}

/// What a host says to those who wait: one of a fixed set, which each client shows in its own language, or a short text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum WaitingWord {
    /// One of a fixed set.
    Phrase(Phrase),
    /// A short text.
    Text(String),
}

/// What hosts most often have to say to those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Phrase {
    /// It will be a moment.
    OneMoment,
    /// The meeting starts soon.
    StartingSoon,
    /// Say who you are: come back under your full name.
    PleaseIdentify,
    /// This is another meeting than yours.
    WrongMeeting,
}

/// A relay with the participant's own credentials, in the shape that browsers take (`RTCIceServer`).
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct IceServer {
    /// `turn:` and `turns:` addresses.
    pub urls: Vec<String>,
    /// With its end in it.
    pub username: String,
    /// For that name alone.
    pub credential: String,
    /// Seconds from now on after which no relay can be had with it; ask for another before a new transport.
    pub expires_in: u32,
}

impl From<Relay> for IceServer {
    fn from(relay: Relay) -> Self {
        Self {
            urls: relay.urls,
            username: relay.username,
            credential: relay.credential.expose().clone(),
            expires_in: u32::try_from(relay.lifetime.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done, and durable where it had to be.
    Ok(Done),
    /// Not done.
    Error(Failure),
}

/// The content of a successful answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Done {
    /// Nothing more to say.
    Done {},
    /// Done to this many.
    Counted {
        /// How many.
        count: u32,
    },
    /// The answer to `lobby`.
    Lobby {
        /// The next of those who wait, in order.
        knocks: Vec<KnockView>,
        /// How many wait in all.
        #[serde(flatten)]
        #[cfg_attr(test, ts(flatten))]
        count: LobbyCount,
    },
    /// The answer to `bars`.
    Bars {
        /// Those thrown out for good.
        bars: Vec<BarView>,
    },
    /// The answer to `ice_servers`.
    IceServers {
        /// Fresh credentials; empty where there is no relay.
        ice_servers: Vec<IceServer>,
    },
    /// The answer to an offer.
    Answer {
        /// The SDP answer.
        sdp: String,
    },
    /// The other name or picture is held until a host decides.
    Held {
        /// The version of the request.
        version: u32,
    },
    /// The answer to `preview_setting`.
    Preview {
        /// Who may do what now, and would then.
        lines: Vec<Line>,
    },
    /// The answer to `apply_preset`.
    Preset {
        /// What was changed.
        changed: Vec<SettingView>,
        /// What the preset has otherwise and the organisation has locked.
        kept: Vec<SettingView>,
    },
    /// The answer to `chat`: everyone who may read it has the message, and it lasts.
    ChatSent {
        /// Its number in the room.
        #[cfg_attr(test, ts(type = "number"))]
        number: u64,
        /// When it was taken.
        #[cfg_attr(test, ts(type = "number"))]
        at: Timestamp,
    },
    /// The answer to `chat_history` and `chat_search`.
    ChatPage {
        /// The latest first.
        messages: Vec<ChatView>,
        /// Whether there may be more below `next`.
        more: bool,
        /// Where to go on: the `before` of the next request.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(type = "number", optional))]
        next: Option<u64>,
    },
    /// The answer to `stats`.
    Stats {
        /// A line per participant and source.
        sources: Vec<SourceStatsView>,
    },
    /// The answer to `quality`.
    Quality {
        /// A line per participant.
        participants: Vec<QualityView>,
    },
}

/// Why a request was not done.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Failure {
    /// Stable code.
    pub code: ErrorCode,
    /// A plain sentence.
    pub text: String,
}
