//! Who takes part and who watches: what the kind of the room makes of those who come, and whom a host brings on stage or
//! back. Sans-IO like the room. A place is kept for the session only; roles that last are appointments.

use std::collections::BTreeMap;

use conclave_policy::actions::{ChangeKind, SetRole};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::source::StreamKind;

use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId};
use crate::rooms::effect::Effect;
use crate::rooms::person::Applicant;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::view::{DoneToYou, Event};

/// How many identities' places are remembered in one session; beyond that the kind of the room alone decides.
const MOST_PLACED: usize = 20_000;

/// Where hosts have placed people in this session.
#[derive(Clone, Debug, Default)]
pub struct Stage(BTreeMap<ActorId, Place>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    OnStage,
    Watching,
}

impl Stage {
    fn place(&mut self, actor: ActorId, place: Place) {
        if self.0.len() < MOST_PLACED || self.0.contains_key(&actor) {
            self.0.insert(actor, place);
        }
    }
}

impl Room {
    /// The role inside of someone who came to the door in this role.
    pub(in crate::rooms) fn inside(&self, who: &Applicant, at_the_door: Role) -> Role {
        if let Some(kind) = who.way.stream() {
            // What only watches is never more; what sends is placed with the person whose it is, or by its token.
            return match (kind, at_the_door) {
                (StreamKind::Viewer, _) => Role::Observer,
                (StreamKind::Source, role) => self.levels.kind().inside(role),
            };
        }
        if who.only_watches() {
            return Role::Observer;
        }
        match (self.stage.0.get(&who.actor), at_the_door) {
            (Some(Place::OnStage), role) => role,
            (Some(Place::Watching), Role::Attendee | Role::Guest) => Role::Observer,
            _ => self.levels.kind().inside(at_the_door),
        }
    }

    /// The kind of the room is another one: everyone whom no host has placed goes where it puts them.
    pub(in crate::rooms) fn kind_changed(&mut self, by: &str) {
        let kind = self.levels.kind();
        let by = by.to_owned();
        self.effects.push_back(Effect::TellAll {
            event: Event::KindChanged {
                kind,
                by: by.clone(),
            },
        });
        let moved: Vec<_> = self
            .people
            .values()
            .map(|person| (person, self.inside(&person.who, self.role_in(&person.who))))
            .filter(|(person, role)| person.role != *role)
            .map(|(person, role)| (person.id, role))
            .collect();
        for (participant, role) in moved {
            self.give_role(participant, role, &by);
        }
    }

    fn give_role(&mut self, participant: ParticipantId, role: Role, by: &str) {
        let Some(person) = self.people.get_mut(&participant) else {
            return;
        };
        let led = person.role.is_moderator();
        person.role = role;
        self.tell(
            participant,
            Event::DoneToYou {
                what: DoneToYou::RoleChanged { role },
                by: by.to_owned(),
            },
        );
        if led != role.is_moderator() {
            self.show_lobby(participant);
        }
        self.effects.push_back(Effect::AskAgain);
    }
}

impl RoomAction for SetRole {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let (by, taker) = (room.name_of(permit.actor()), permit.actor());
        let SetRole { participant, role } = permit.into_action();
        let person = room.people.get(&participant).ok_or(ErrorCode::NotFound)?;
        if person.who.way.stream().is_some() {
            // A stream is what its token or its knock made it.
            return Err(ErrorCode::NotAllowed);
        }
        if person.who.only_watches() {
            // Whoever brought them said so, and no host makes more of it.
            return Err(ErrorCode::NotAllowed);
        }
        let (actor, account) = (person.who.actor, person.who.account);
        // Without an account nobody is more than a guest, on stage or not.
        let role = match (account, Role::from(role)) {
            (None, Role::Attendee) => Role::Guest,
            (None, Role::Observer) => Role::Observer,
            (None, _) => return Err(ErrorCode::NotAllowed),
            (Some(_), role) => role,
        };
        if let Some(account) = account
            && room.charter.appointed.get(&account) == Some(&Role::Host)
            && role != Role::Host
        {
            // What was kept for the times to come ends too, and with it what a host may do from outside.
            room.effects
                .push_back(Effect::TakeRole { account, by: taker });
        }
        match (account, role) {
            (Some(account), Role::Observer) => {
                room.charter.appointed.remove(&account);
            }
            (Some(account), role) => {
                room.charter.appointed.insert(account, role);
            }
            (None, _) => {}
        }
        let place = match role {
            Role::Observer => Place::Watching,
            _ => Place::OnStage,
        };
        room.stage.place(actor, place);
        // A role is the identity's: every tab and device of theirs has it.
        let same: Vec<_> = room
            .people
            .values()
            .filter(|person| person.who.actor == actor && person.role != role)
            .map(|person| person.id)
            .collect();
        for participant in same {
            room.give_role(participant, role, &by);
        }
        Ok(())
    }
}

impl RoomAction for ChangeKind {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.change_settings(Vec::new(), Some(permit))
    }
}
