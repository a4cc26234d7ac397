//! Who lets captions be made of what they say, and who wants to read them. A refusal is the identity's: it holds in every tab
//! of theirs and goes with them through the door, for as long as the session lasts.

use std::collections::BTreeSet;

use conclave_policy::actions::{AllowCaptions, ChooseCaptions, ReadCaptions, RefuseCaptions};
use conclave_policy::permit::Permit;

use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};

/// How many identities' refusals are remembered after they went out: more than come to any meeting.
const MOST_REFUSALS: usize = 20_000;

/// Who has refused in this session.
#[derive(Clone, Debug, Default)]
pub(in crate::rooms) struct Refusals(BTreeSet<ActorId>);

impl Refusals {
    /// Whether this identity has.
    pub(in crate::rooms) fn holds(&self, actor: ActorId) -> bool {
        self.0.contains(&actor)
    }

    fn set(&mut self, actor: ActorId, refused: bool) {
        if !refused {
            self.0.remove(&actor);
        } else if self.0.len() < MOST_REFUSALS {
            self.0.insert(actor);
        }
    }
}

impl Room {
    fn set_uncaptioned(&mut self, of: ParticipantId, refused: bool) -> Result<(), ErrorCode> {
        let person = self.people.get(&of).ok_or(ErrorCode::NotFound)?;
        let actor = person.who.actor;
        self.refusals.set(actor, refused);
        for person in self.people.values_mut() {
            if person.who.actor == actor {
                person.uncaptioned = refused;
            }
        }
        Ok(())
    }
}

macro_rules! own {
    () => {
        fn target(&self) -> Option<ParticipantId> {
            Some(self.participant)
        }
    };
}

impl RoomAction for RefuseCaptions {
    own!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.set_uncaptioned(permit.action().participant, true)
    }
}

impl RoomAction for AllowCaptions {
    own!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.set_uncaptioned(permit.action().participant, false)
    }
}

impl RoomAction for ChooseCaptions {
    own!();

    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl RoomAction for ReadCaptions {
    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}
