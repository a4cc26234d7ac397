//! What a room says to one client, as it stands on the wire (`docs/protocol.md`).

use serde::Serialize;

use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::{Event, RoomView, SourceStatsView};

/// What the server says.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The request to join was taken; a host will decide. Its bytes never depend on the room.
    Waiting {},
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
    /// The last message before the socket closes.
    Closed {
        /// Stable code.
        code: ErrorCode,
        /// A plain sentence.
        text: String,
    },
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
    /// The answer to `stats`.
    Stats {
        /// A line per participant and source.
        sources: Vec<SourceStatsView>,
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
