//! The actions of the chat as the room sees them: what they are about. What they do is kept beside the room, in the log of
//! its chat, which takes their permits.

use conclave_policy::actions::{ReadChat, ReadEarlierChat, WriteChat, WritePrivateChat};
use conclave_policy::permit::Permit;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};

impl RoomAction for WriteChat {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl RoomAction for WritePrivateChat {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Err(ErrorCode::NotAllowed)
    }
}

/// Reading changes nothing.
macro_rules! reading {
    ($($name:ident)*) => {$(
        impl RoomAction for $name {
            fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
                Ok(())
            }
        }
    )*};
}

reading! { ReadChat ReadEarlierChat }
