//! What a client may say before it is in a room. Three phases have three types: joining and waiting stand here, the
//! requests of an admitted participant in `rooms/request.rs`; a waiting connection cannot even parse those.

use serde::Deserialize;

use crate::bounded::Text;
use crate::ids::RoomId;
use crate::secret::Secret;

/// A request in one phase, with the number that its answer will carry.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct Request<R> {
    /// Chosen by the client.
    pub id: u32,
    /// What is asked.
    pub request: R,
}

/// The first frame of a connection.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct FirstFrame {
    /// Chosen by the client.
    pub id: u32,
    /// The answer to the server's challenge, where there was one: a proof of possession (RFC 9449).
    #[serde(default)]
    #[cfg_attr(test, ts(type = "string", optional))]
    pub proof: Option<Text<2048>>,
    /// What is asked.
    pub request: FirstRequest,
}

/// The only message of a new connection.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FirstRequest {
    /// Go into a room, or knock at it.
    Join {
        /// The room of the invitation.
        #[cfg_attr(test, ts(type = "string"))]
        room: RoomId,
        /// The room's password, when the participant was given one.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        password: Option<Secret<Text<256>>>,
    },
    /// Come back after a lost connection.
    Resume {
        /// The room.
        #[cfg_attr(test, ts(type = "string"))]
        room: RoomId,
        /// The secret that the admission gave to this tab.
        #[cfg_attr(test, ts(type = "string"))]
        secret: Secret<Text<64>>,
        /// The number of the last event that was received.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "number"))]
        seen: u64,
    },
}

/// What a waiting connection may say.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum WaitingRequest {
    /// Stop waiting.
    Leave {},
}
