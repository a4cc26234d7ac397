//! The waiting room: who knocks, in order, and who was turned away. It knows nothing of the room, and the room tells
//! nothing to those in it.

use std::collections::BTreeMap;

use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{ActorId, KnockId, ParticipantId};
use crate::rooms::person::Applicant;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::KnockView;

/// How many may wait at a time: a flood of guests costs a bounded piece of memory.
pub const MAX_WAITING: usize = 10_000;

/// How many identities' denials are remembered in one session.
const MAX_DENIED: usize = 10_000;

/// One person who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// The public id, with which hosts speak of it. It is no credential.
    pub id: KnockId,
    /// Who waits.
    pub who: Applicant,
    /// The role they will have.
    pub role: Role,
    /// The id they will have when admitted.
    pub becomes: ParticipantId,
    /// Version of name and picture.
    pub version: u32,
    /// When they knocked.
    pub since: Timestamp,
    /// Whether the room was locked then.
    pub while_locked: bool,
}

/// Everyone who waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lobby {
    waiting: BTreeMap<KnockId, Knock>,
    denied: BTreeMap<ActorId, u32>,
}

impl Lobby {
    /// Takes in a knock.
    pub fn knock(&mut self, knock: Knock) -> Result<(), ErrorCode> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(ErrorCode::CannotJoin);
        }
        self.waiting.insert(knock.id, knock);
        Ok(())
    }

    /// Takes out a knock in the version that the host saw.
    pub fn take(&mut self, id: KnockId, version: u32) -> Result<Knock, ErrorCode> {
        match self.waiting.get(&id) {
            None => Err(ErrorCode::NotFound),
            Some(knock) if knock.version != version => Err(ErrorCode::Stale),
            Some(_) => self.waiting.remove(&id).ok_or(ErrorCode::NotFound),
        }
    }

    /// Takes out a knock that gave up.
    pub fn withdraw(&mut self, id: KnockId) -> Option<Knock> {
        self.waiting.remove(&id)
    }

    /// Takes out a knock that a host turned away, and remembers it.
    pub fn deny(&mut self, id: KnockId) -> Result<Knock, ErrorCode> {
        let knock = self.waiting.remove(&id).ok_or(ErrorCode::NotFound)?;
        if self.denied.len() < MAX_DENIED || self.denied.contains_key(&knock.who.actor) {
            let times = self.denied.entry(knock.who.actor).or_default();
            *times = times.saturating_add(1);
        }
        Ok(knock)
    }

    /// One who waits.
    pub fn get(&self, id: KnockId) -> Option<&Knock> {
        self.waiting.get(&id)
    }

    /// Whether this identity waits already.
    pub fn holds(&self, actor: ActorId) -> bool {
        self.waiting.values().any(|knock| knock.who.actor == actor)
    }

    /// Everyone who waits, the first to come first.
    pub fn in_order(&self) -> Vec<&Knock> {
        let mut all: Vec<_> = self.waiting.values().collect();
        all.sort_by_key(|knock| (knock.since, knock.id));
        all
    }

    /// Empties the lobby.
    pub fn clear(&mut self) -> Vec<Knock> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A knock as hosts see it.
    pub fn view(&self, knock: &Knock) -> KnockView {
        KnockView {
            knock: knock.id,
            version: knock.version,
            name: knock.who.name.clone(),
            picture: knock.who.picture,
            signed_in: knock.who.signed_in(),
            since: knock.since,
            while_locked: knock.while_locked,
            denied_before: self.denied.get(&knock.who.actor).copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_policy::facts::Password;

    use super::*;
    use crate::ids::GuestId;

    fn knock(number: u8) -> Knock {
        Knock {
            id: KnockId::from_bytes([number; 16]),
            who: Applicant {
                actor: GuestId::from_bytes([number; 16]).into(),
                account: None,
                name: format!("guest {number}"),
                picture: None,
                org_admin: false,
                password: Password::Proved,
            },
            role: Role::Guest,
            becomes: ParticipantId::from_bytes([number; 16]),
            version: 1,
            since: Timestamp::from_millis(i64::from(number)),
            while_locked: false,
        }
    }

    #[test]
    fn a_host_admits_the_version_that_was_shown() {
        let mut lobby = Lobby::default();
        lobby.knock(knock(1)).unwrap();
        assert_eq!(lobby.take(knock(1).id, 2), Err(ErrorCode::Stale));
        assert!(lobby.take(knock(1).id, 1).is_ok());
        assert_eq!(lobby.take(knock(1).id, 1), Err(ErrorCode::NotFound));
    }

    #[test]
    fn denials_are_counted_by_identity() {
        let mut lobby = Lobby::default();
        for _ in 0..2 {
            lobby.knock(knock(1)).unwrap();
            lobby.deny(knock(1).id).unwrap();
        }
        assert_eq!(lobby.view(&knock(1)).denied_before, 2);
        assert_eq!(lobby.view(&knock(2)).denied_before, 0);
    }

    #[test]
    fn who_came_first_stands_first() {
        let mut lobby = Lobby::default();
        for number in [3, 1, 2] {
            lobby.knock(knock(number)).unwrap();
        }
        let order: Vec<_> = lobby
            .in_order()
            .into_iter()
            .map(|k| k.since.as_millis())
            .collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn a_full_lobby_takes_nobody_in() {
        let mut lobby = Lobby::default();
        for number in 0..MAX_WAITING {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            lobby
                .knock(Knock {
                    id: KnockId::from_bytes(id),
                    ..knock(1)
                })
                .unwrap();
        }
        assert_eq!(lobby.knock(knock(255)), Err(ErrorCode::CannotJoin));
    }
}
