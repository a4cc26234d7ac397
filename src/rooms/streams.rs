//! What a room makes of streams that come and go over HTTP: as what they stand at the door, and how they end. Sans-IO like the room.

use conclave_policy::roles::Role;
use conclave_policy::settings::WaitingRoom;
use conclave_policy::source::StreamKind;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::rooms::person::{StreamBy, Way};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::Room;
use crate::rooms::view::LeaveReason;

impl Way {
    /// The role of a stream at the door. Whoever is behind one leads nothing through it.
    pub(in crate::rooms) const fn role(self) -> Option<Role> {
        let Self::Stream { kind, by } = self else {
            return None;
        };
        Some(match (by, kind) {
            (StreamBy::Token(_), StreamKind::Source) => Role::Ingress,
            (StreamBy::Token(_), StreamKind::Viewer) => Role::Observer,
            (
                StreamBy::Identity {
                    signed_in: true, ..
                },
                _,
            ) => Role::Attendee,
            (StreamBy::Identity { .. }, _) => Role::Guest,
        })
    }

    /// What the waiting room is to a stream: with a token a host has let it in already, and any other waits, whatever the door
    /// lets people do.
    pub(in crate::rooms) const fn waiting_room(self) -> Option<WaitingRoom> {
        match self {
            Self::Page => None,
            Self::Stream {
                by: StreamBy::Token(_),
                ..
            } => Some(WaitingRoom::Nobody),
            Self::Stream { .. } => Some(WaitingRoom::Everyone),
        }
    }
}

impl Room {
    /// A stream ended, or nobody tends it any more.
    pub fn stream_over(&mut self, participant: ParticipantId, now: Timestamp) {
        self.let_go(participant, ErrorCode::Left, LeaveReason::Left);
        self.settle(now);
    }
}
