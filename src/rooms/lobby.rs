//! The waiting room: who knocks, in order, and who was turned away. It knows nothing of the room, and the room tells
//! nothing to those in it.

use std::collections::{BTreeMap, BTreeSet};

use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{ActorId, DeviceId, KnockId, LinkId, NetworkId, ParticipantId};
use crate::rooms::identity::IdentityView;
use crate::rooms::person::Applicant;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::KnockView;

/// How many may wait at a time: a flood of guests costs a bounded piece of memory.
pub const MAX_WAITING: usize = 10_000;

/// How many lines a host is shown at once; the rest comes by pages, so that a flood does not bury the host.
pub const PAGE: usize = 200;

/// How many marks of each kind are remembered in one session: a flood of what is thrown away with a cookie leaves room for
/// what is not.
const MAX_REMEMBERED: usize = 10_000;

/// Denials after which a knock is held apart as suspected.
const SUSPECTED: u32 = 2;

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
    /// The host who has agreed already, where two must.
    pub agreed_by: Option<ActorId>,
}

/// What an identity is known again by, as far as that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Account(ActorId),
    Guest(ActorId),
    Device(DeviceId),
    Link(LinkId),
    Network(NetworkId),
}

/// The marks of one kind. With too many, those give way whom nobody denied, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memories {
    of: BTreeMap<Mark, Memory>,
    /// Those whom nobody denied, in the order in which they came.
    harmless: BTreeSet<(Timestamp, Mark)>,
}

impl Memories {
    fn see(&mut self, mark: Mark, now: Timestamp) {
        if self.of.contains_key(&mark) || !self.has_room() {
            return;
        }
        let memory = Memory {
            first_seen: now,
            denied: 0,
        };
        self.of.insert(mark, memory);
        self.harmless.insert((now, mark));
    }

    fn deny(&mut self, mark: Mark, now: Timestamp) {
        self.see(mark, now);
        if let Some(memory) = self.of.get_mut(&mark) {
            self.harmless.remove(&(memory.first_seen, mark));
            memory.denied = memory.denied.saturating_add(1);
        }
    }

    fn has_room(&mut self) -> bool {
        if self.of.len() < MAX_REMEMBERED {
            return true;
        }
        let oldest = self.harmless.pop_first();
        oldest.is_some_and(|(_, mark)| self.of.remove(&mark).is_some())
    }
}

/// What is remembered of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    first_seen: Timestamp,
    denied: u32,
}

/// Everyone who waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lobby {
    waiting: BTreeMap<KnockId, Knock>,
    order: BTreeSet<(Timestamp, KnockId)>,
    actors: BTreeSet<(ActorId, KnockId)>,
    suspected: BTreeSet<KnockId>,
    remembered: [Memories; 5],
}

impl Lobby {
    /// Takes in a knock.
    pub fn knock(&mut self, knock: Knock) -> Result<(), ErrorCode> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(ErrorCode::CannotJoin);
        }
        for mark in marks(&knock.who) {
            if let Some(memories) = self.remembered.get_mut(mark.kind()) {
                memories.see(mark, knock.since);
            }
        }
        if self.denials(&knock.who) >= SUSPECTED {
            self.suspected.insert(knock.id);
        }
        self.order.insert((knock.since, knock.id));
        self.actors.insert((knock.who.actor, knock.id));
        self.waiting.insert(knock.id, knock);
        Ok(())
    }

    /// Notes whether the session of someone who waits has shown a second factor.
    pub fn factor_known(&mut self, id: KnockId, shown: bool) {
        if let Some(knock) = self.waiting.get_mut(&id) {
            knock.who.second_factor = shown;
        }
    }

    /// Notes that one of two hosts agrees with the version that they saw. Gives whoever agreed before.
    pub fn agree(
        &mut self,
        id: KnockId,
        version: u32,
        by: ActorId,
    ) -> Result<Option<ActorId>, ErrorCode> {
        match self.waiting.get_mut(&id) {
            None => Err(ErrorCode::NotFound),
            Some(knock) if knock.version != version => Err(ErrorCode::Stale),
            Some(knock) => Ok(knock.agreed_by.replace(by)),
        }
    }

    /// Takes out a knock in the version that the host saw.
    pub fn take(&mut self, id: KnockId, version: u32) -> Result<Knock, ErrorCode> {
        match self.waiting.get(&id) {
            None => Err(ErrorCode::NotFound),
            Some(knock) if knock.version != version => Err(ErrorCode::Stale),
            Some(_) => self.withdraw(id).ok_or(ErrorCode::NotFound),
        }
    }

    /// Takes out a knock that gave up.
    pub fn withdraw(&mut self, id: KnockId) -> Option<Knock> {
        let knock = self.waiting.remove(&id)?;
        self.order.remove(&(knock.since, id));
        self.actors.remove(&(knock.who.actor, id));
        self.suspected.remove(&id);
        Some(knock)
    }

    /// Takes out a knock that a host turned away, and remembers it by every mark.
    pub fn deny(&mut self, id: KnockId) -> Result<Knock, ErrorCode> {
        let knock = self.withdraw(id).ok_or(ErrorCode::NotFound)?;
        for mark in marks(&knock.who) {
            if let Some(memories) = self.remembered.get_mut(mark.kind()) {
                memories.deny(mark, knock.since);
            }
        }
        Ok(knock)
    }

    /// One who waits.
    pub fn get(&self, id: KnockId) -> Option<&Knock> {
        self.waiting.get(&id)
    }

    /// Whether this identity waits already.
    pub fn holds(&self, actor: ActorId) -> bool {
        self.of(actor).next().is_some()
    }

    /// The knocks of this identity.
    pub fn of(&self, actor: ActorId) -> impl Iterator<Item = KnockId> {
        let first = (actor, KnockId::from_bytes([0; 16]));
        self.actors
            .range(first..)
            .take_while(move |(who, _)| *who == actor)
            .map(|(_, id)| *id)
    }

    /// Everyone who waits, the first to come first.
    pub fn in_order(&self) -> impl Iterator<Item = &Knock> {
        self.order.iter().filter_map(|(_, id)| self.waiting.get(id))
    }

    /// The next of those who wait after this one, or the first.
    pub fn page(&self, after: Option<KnockId>, most: usize) -> Result<Vec<&Knock>, ErrorCode> {
        let from = match after {
            None => std::ops::Bound::Unbounded,
            Some(id) => {
                let knock = self.waiting.get(&id).ok_or(ErrorCode::NotFound)?;
                std::ops::Bound::Excluded((knock.since, id))
            }
        };
        Ok(self
            .order
            .range((from, std::ops::Bound::Unbounded))
            .filter_map(|(_, id)| self.waiting.get(id))
            .take(most.min(PAGE))
            .collect())
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many of those are held apart as suspected.
    pub fn suspected(&self) -> usize {
        self.suspected.len()
    }

    /// Empties the lobby.
    pub fn clear(&mut self) -> Vec<Knock> {
        self.order.clear();
        self.actors.clear();
        self.suspected.clear();
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A knock as hosts see it; `similar_to` and `agreed_by` are names of people in the room.
    pub fn view(
        &self,
        knock: &Knock,
        similar_to: Option<String>,
        agreed_by: Option<String>,
    ) -> KnockView {
        let first_seen = self.memory(identity(&knock.who));
        KnockView {
            knock: knock.id,
            version: knock.version,
            name: knock.who.name.clone(),
            picture: knock.who.picture,
            signed_in: knock.who.signed_in(),
            identity: IdentityView::of(&knock.who),
            stream: knock.who.way.stream(),
            since: knock.since,
            first_seen: first_seen.map_or(knock.since, |memory| memory.first_seen),
            while_locked: knock.while_locked,
            denied_before: self.denials(&knock.who),
            suspected: self.suspected.contains(&knock.id),
            similar_to,
            agreed_by,
        }
    }

    /// Whether this very identity was turned away in this session.
    pub fn was_denied(&self, who: &Applicant) -> bool {
        self.memory(identity(who))
            .is_some_and(|memory| memory.denied > 0)
    }

    /// How often someone was denied in this session, by whatever mark they are known best.
    fn denials(&self, who: &Applicant) -> u32 {
        let known = |mark| self.memory(mark).map(|memory| memory.denied);
        marks(who).filter_map(known).max().unwrap_or(0)
    }

    fn memory(&self, mark: Mark) -> Option<&Memory> {
        self.remembered.get(mark.kind())?.of.get(&mark)
    }
}

impl Mark {
    /// Marks of one kind are remembered together.
    const fn kind(self) -> usize {
        match self {
            Self::Account(_) => 0,
            Self::Guest(_) => 1,
            Self::Device(_) => 2,
            Self::Link(_) => 3,
            Self::Network(_) => 4,
        }
    }
}

fn identity(who: &Applicant) -> Mark {
    match who.account {
        Some(_) => Mark::Account(who.actor),
        None => Mark::Guest(who.actor),
    }
}

/// An account is known by itself; a guest also by the browser, the link and the network, for a guest's own identity is
/// thrown away with a cookie.
fn marks(who: &Applicant) -> impl Iterator<Item = Mark> {
    let guest = who.account.is_none();
    [
        Some(identity(who)),
        who.device.filter(|_| guest).map(Mark::Device),
        who.link.as_ref().map(|link| Mark::Link(link.id)),
        // Whoever came by a link was named by a host, or by a product: the network says nothing more about them.
        who.network
            .filter(|_| guest && who.link.is_none() && who.brought.is_none())
            .map(Mark::Network),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GuestId;

    fn knock(number: u8) -> Knock {
        Knock {
            id: KnockId::from_bytes([number; 16]),
            who: Applicant {
                name: format!("guest {number}"),
                ..Applicant::guest(GuestId::from_bytes([number; 16]))
            },
            role: Role::Guest,
            becomes: ParticipantId::from_bytes([number; 16]),
            version: 1,
            since: Timestamp::from_millis(i64::from(number)),
            while_locked: false,
            agreed_by: None,
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
        assert_eq!(lobby.view(&knock(1), None, None).denied_before, 2);
        assert_eq!(lobby.view(&knock(2), None, None).denied_before, 0);
    }

    #[test]
    fn whoever_was_denied_twice_is_held_apart_whatever_name_they_come_with() {
        let device = Some(DeviceId::from_bytes([9; 16]));
        let mut lobby = Lobby::default();
        for number in 1..=3 {
            let mut knock = knock(number);
            knock.who.device = device;
            lobby.knock(knock).unwrap();
            assert_eq!(lobby.suspected(), usize::from(number == 3));
            if number < 3 {
                lobby.deny(self::knock(number).id).unwrap();
            }
        }
        let third = lobby.get(knock(3).id).unwrap();
        assert!(lobby.view(third, None, None).suspected);
        lobby.withdraw(knock(3).id).unwrap();
        assert_eq!(lobby.suspected(), 0);
    }

    #[test]
    fn w08_a_flood_of_new_identities_makes_no_denial_forgotten_and_none_go_unremembered() {
        let many = |number: u64| {
            let mut id = [7; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let who = Applicant {
                device: Some(DeviceId::from_bytes(id)),
                network: Some(NetworkId::from_bytes([3; 16])),
                ..Applicant::guest(GuestId::from_bytes(id))
            };
            Knock {
                id: KnockId::from_bytes(id),
                who,
                ..knock(1)
            }
        };
        let troll = |number: u8| Knock {
            who: Applicant::account(crate::ids::AccountId::from_bytes([9; 16])),
            ..knock(number)
        };
        let mut lobby = Lobby::default();
        lobby.knock(troll(1)).unwrap();
        lobby.deny(troll(1).id).unwrap();
        for number in 0..25_000 {
            lobby.knock(many(number)).unwrap();
            lobby.withdraw(many(number).id).unwrap();
        }
        lobby.knock(troll(2)).unwrap();
        lobby.deny(troll(2).id).unwrap();
        lobby.knock(troll(3)).unwrap();
        assert_eq!(lobby.suspected(), 1);
        for _ in 0..2 {
            lobby.knock(many(99_999)).unwrap();
            lobby.deny(many(99_999).id).unwrap();
        }
        lobby.knock(many(99_999)).unwrap();
        assert_eq!(lobby.suspected(), 2);
        let kept: usize = lobby.remembered.iter().map(|kind| kind.of.len()).sum();
        assert!(kept <= 5 * MAX_REMEMBERED);
    }

    #[test]
    fn pages_show_everyone_once() {
        let mut lobby = Lobby::default();
        for number in 1..=5 {
            lobby.knock(knock(number)).unwrap();
        }
        let ids = |page: Vec<&Knock>| page.into_iter().map(|k| k.id).collect::<Vec<_>>();
        let first = ids(lobby.page(None, 2).unwrap());
        let second = ids(lobby.page(first.last().copied(), 2).unwrap());
        let third = ids(lobby.page(second.last().copied(), 2).unwrap());
        assert_eq!(
            [first, second, third].concat(),
            (1..=5).map(|n| knock(n).id).collect::<Vec<_>>()
        );
        assert_eq!(lobby.page(Some(knock(9).id), 2), Err(ErrorCode::NotFound));
    }

    #[test]
    fn who_came_first_stands_first() {
        let mut lobby = Lobby::default();
        for number in [3, 1, 2] {
            lobby.knock(knock(number)).unwrap();
        }
        let order: Vec<_> = lobby.in_order().map(|k| k.since.as_millis()).collect();
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
