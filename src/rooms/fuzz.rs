//! Random lives of a room, and what must hold after every step. Bytes spell who comes, asks, loses the connection or
//! is revoked, and how the clock jumps; the rules are the real ones. Compiled with the library so that it never rots;
//! of no use to the server.

mod factors;
mod onlookers;
mod promises;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::slice::Iter;
use std::sync::LazyLock;
use std::time::Duration;

use conclave_policy::actions as act;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{NewRole, Password, Standing};
use conclave_policy::kind::RoomKind;
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;
use conclave_policy::settings::{SettingKey, Settings};
use conclave_policy::source::Source;

use self::onlookers::Onlookers;
use crate::clock::Timestamp;
use crate::ids::{
    AccountId, ActorId, BarId, GuestId, KnockId, LinkId, OrgId, ParticipantId, RoomId, SessionId,
};
use crate::rooms::lobby::Lobby;
use crate::rooms::outbound::{Phrase, WaitingWord};
use crate::rooms::person::{Applicant, GuestLink, Person};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Charter, Room, RoomAction};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const OTHER_ROOM: RoomId = RoomId::from_bytes([2; 16]);
const START: Timestamp = Timestamp::from_millis(1_000_000);

/// How many identities there are: the owner, an appointed host and presenter, two more accounts, three guests.
const IDENTITIES: u8 = 8;
const ACCOUNTS: u8 = 5;

/// Two guests who come by one link.
const BY_LINK: [u8; 2] = [5, 6];

/// The guest who waits and is left alone.
const WAITS: u8 = IDENTITIES - 1;

/// How many permits may wait for their row to be durable.
const HELD: usize = 4;

/// How far the clock jumps: to each side of everything that a room waits for.
const JUMPS: [u64; 8] = [1, 14, 31, 121, 601, 901, 7201, 30_000];

/// Settings that decide who gets in and who may send.
const KEYS: [SettingKey; 10] = [
    SettingKey::WaitingRoom,
    SettingKey::SignIn,
    SettingKey::Microphone,
    SettingKey::Camera,
    SettingKey::ScreenShare,
    SettingKey::RemovedMayReturn,
    SettingKey::SessionsPerIdentity,
    SettingKey::LastHostLeaves,
    SettingKey::LockAfterStart,
    SettingKey::Password,
];

/// The same rules in two versions, so that swapping them shows in the permits only.
static RULES: LazyLock<[Snapshot; 2]> = LazyLock::new(|| [rules(1), rules(2)]);

#[expect(
    clippy::expect_used,
    reason = "without the rules there is nothing to try"
)]
fn rules(version: u64) -> Snapshot {
    Snapshot::built_in(PolicyVersion(version)).expect("the built-in rules load")
}

/// Lives through what the bytes spell.
///
/// # Panics
/// When the room breaks one of its promises.
#[doc(hidden)]
pub fn fuzz_room_commands(bytes: &[u8]) {
    let _lived = live(bytes, |_| {});
}

/// Lives through what the bytes spell; gives how many steps there were. After each, `visit` gets the fingerprint of the
/// state that the room is in.
///
/// # Panics
/// When the room breaks one of its promises.
#[doc(hidden)]
pub fn live(bytes: &[u8], mut visit: impl FnMut(u64)) -> usize {
    let mut bytes = Bytes(bytes.iter());
    let mut life = Life::new(bytes.next().unwrap_or(0));
    let mut steps = 0;
    while life.step(&mut bytes).is_some() {
        life.follow();
        life.check();
        visit(life.fingerprint());
        steps += 1;
    }
    steps
}

/// Lives through what the bytes spell while a guest waits at the door whom nobody admits, denies or writes to: gives what
/// the guest is told, and how many milliseconds after the knock. It must be the same for all bytes.
///
/// # Panics
/// When the room breaks one of its promises.
#[doc(hidden)]
pub fn told_while_waiting(bytes: &[u8]) -> Vec<(u64, ErrorCode)> {
    let mut bytes = Bytes(bytes.iter());
    let mut life = Life::new(bytes.next().unwrap_or(0));
    life.may_follow = 16;
    life.lets_guests_knock();
    life.come(WAITS);
    life.follow();
    life.apart = life.waiting.first().copied();
    while life.apart.is_some() && life.step(&mut bytes).is_some() {
        life.follow();
        life.check();
    }
    // However the room goes on, time does too.
    life.may_follow = usize::MAX;
    life.pass(Duration::from_secs(3 * 3600));
    life.follow();
    life.told
}

struct Bytes<'a>(Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let byte = usize::from(self.next()?);
        byte.checked_rem(from.len())
            .and_then(|at| from.get(at))
            .cloned()
    }
}

/// A permit whose row is not durable yet.
type Held = Box<dyn FnOnce(&mut Life)>;

/// A room, and beside it what connections and packets look like from outside, kept from effects alone.
struct Life {
    room: Room,
    rules: &'static Snapshot,
    now: Timestamp,
    made: u8,
    sent_back: u8,
    held: VecDeque<Held>,
    seats: BTreeSet<ParticipantId>,
    waiting: BTreeSet<KnockId>,
    flowing: BTreeSet<(ParticipantId, Source)>,
    removed: BTreeSet<ActorId>,
    seen: BTreeSet<ParticipantId>,
    onlookers: Onlookers,
    may_follow: usize,
    led: bool,
    over: bool,
    /// A knock that everybody leaves alone.
    apart: Option<KnockId>,
    /// What whoever knocked so was told, milliseconds after.
    told: Vec<(u64, ErrorCode)>,
}

impl Life {
    /// The bits of `relaxed` say which of the settings start out relaxed.
    fn new(relaxed: u8) -> Self {
        let [rules, _] = &*RULES;
        let mut settings = Settings::strictest();
        for (bit, key) in KEYS.into_iter().take(8).enumerate() {
            if relaxed >> bit & 1 == 1
                && let Some(value) = key.values().last()
            {
                let _ = settings.set(key, value);
            }
        }
        let charter = Charter {
            org: OrgId::from_bytes([3; 16]),
            room: ROOM,
            session: SessionId::from_bytes([4; 16]),
            title: "Fuzz".to_owned(),
            owner: account(0),
            settings,
            appointed: BTreeMap::from([(account(1), Role::Host), (account(2), Role::Presenter)]),
            barred: BTreeSet::new(),
            bars: Vec::new(),
            leaders: BTreeMap::new(),
            two_hosts: false,
            asks_factor: false,
        };
        Self {
            room: Room::new(charter, rules.version(), START),
            rules,
            now: START,
            made: 0,
            sent_back: 0,
            held: VecDeque::new(),
            seats: BTreeSet::new(),
            waiting: BTreeSet::new(),
            flowing: BTreeSet::new(),
            removed: BTreeSet::new(),
            seen: BTreeSet::new(),
            onlookers: Onlookers::default(),
            may_follow: 0,
            led: false,
            over: false,
            apart: None,
            told: Vec::new(),
        }
    }

    /// One thing happens; nothing when the bytes are used up.
    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let people: Vec<Person> = self.room.people().cloned().collect();
        let apart = self.apart;
        let knocks = self.waiting.iter().copied();
        let knocks: Vec<KnockId> = knocks.filter(|knock| Some(*knock) != apart).collect();
        self.may_follow = 16 + 8 * (people.len() + knocks.len());
        self.led = people
            .iter()
            .any(|person| self.room.leads(person) && person.connected());
        let what = bytes.next()?;
        match what % 32 {
            0..=4 => self.come(bytes.next()?),
            5 | 6 => {
                if let Some(person) = bytes.pick(&people) {
                    self.come_back(&person);
                }
            }
            7 | 8 => {
                if let Some(person) = bytes.pick(&people)
                    && person.connected()
                {
                    self.room.lost(person.id, self.now);
                }
            }
            9 => {
                if let Some(knock) = bytes.pick(&knocks) {
                    self.room.stop_waiting(knock);
                    self.waiting.remove(&knock);
                }
            }
            10 | 11 => self.pass(Duration::from_secs(bytes.pick(&JUMPS)?)),
            12 => self.set_from_outside(bytes.pick(&KEYS)?, bytes.next()?),
            13 => {
                let [first, second] = &*RULES;
                let swapped = self.rules.version() == first.version();
                self.rules = if swapped { second } else { first };
                self.room.rules_changed(self.rules.version());
            }
            14 => {
                let who = bytes.next()? % IDENTITIES;
                if self.apart.is_none() || who != WAITS {
                    self.room.revoked(actor(who), self.now);
                }
            }
            15 => {
                if let Some(person) = bytes.pick(&people) {
                    self.room.media_lost(person.id);
                }
            }
            18 => self.factors(bytes.next()?, bytes.pick(&people)),
            16 | 17 => {
                if let Some(held) = self.held.pop_front() {
                    held(self);
                }
            }
            _ => {
                let (by, at) = (bytes.pick(&people), bytes.pick(&people));
                let (deed, detail) = (bytes.next()?, bytes.next()?);
                if let (Some(by), Some(at)) = (by, at) {
                    self.deed(&by, at.id, deed, detail, &knocks);
                }
            }
        }
        Some(())
    }

    /// Time passes, with a look at the room whenever it asked for one, as its task does.
    fn pass(&mut self, time: Duration) {
        let until = self.now.after(time);
        while let Some(at) = self.room.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.room.on_time(self.now);
            self.follow();
        }
        self.now = until;
        self.room.on_time(self.now);
    }

    /// Guests may come to the door from the beginning.
    fn lets_guests_knock(&mut self) {
        let mut settings = self.room.charter().settings;
        let last = SettingKey::SignIn.values().last();
        if last.is_some_and(|value| settings.set(SettingKey::SignIn, value).is_ok()) {
            self.room.settings_changed(settings, self.now);
            self.follow();
        }
    }

    /// The state of the room in one number: who is in with which role, rights and sources, who waits, what is locked.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for person in self.room.people() {
            person.who.actor.hash(&mut hasher);
            (person.role, person.connected(), person.hand).hash(&mut hasher);
            self.room.lacks_factor(person).hash(&mut hasher);
            for source in Source::ALL {
                let floor = &person.floor;
                (floor.right(source), floor.is_live(source)).hash(&mut hasher);
            }
        }
        for knock in self.room.lobby().in_order() {
            knock.who.actor.hash(&mut hasher);
        }
        let room = &self.room;
        (room.locked(), room.suspended(), room.ended()).hash(&mut hasher);
        (room.charter().settings, room.charter().owner).hash(&mut hasher);
        hasher.finish()
    }

    /// Someone stands before the door, and goes in or waits, as the door decides.
    fn come(&mut self, byte: u8) {
        let identity = byte % IDENTITIES;
        if self.apart.is_some() && identity == WAITS {
            return;
        }
        let known = if identity < ACCOUNTS {
            Applicant::account(account(identity))
        } else {
            Applicant::guest(GuestId::from_bytes([identity; 16]))
        };
        let link = BY_LINK.contains(&identity).then(|| GuestLink {
            id: LinkId::from_bytes([1; 16]),
            label: "fuzz".to_owned(),
        });
        let who = Applicant {
            name: format!("identity {identity}"),
            picture: None,
            org_admin: identity == 3,
            second_factor: byte.is_multiple_of(2),
            link,
            password: if byte < 200 {
                Password::Proved
            } else {
                Password::Missing
            },
            ..known
        };
        if self.room.ended() || self.room.is_here(&who) || self.made == u8::MAX {
            return;
        }
        self.made += 1;
        let (role, facts) = (self.room.role_of(&who), self.room.facts_outside(&who));
        let becomes = ParticipantId::from_bytes([self.made; 16]);
        if let Ok(permit) = self
            .rules
            .decide(who.actor, role, ROOM, &facts, act::Enter {})
        {
            assert!(
                self.room.enter(permit, who, becomes, self.now).is_ok(),
                "a permitted entry failed"
            );
            self.seats.insert(becomes);
        } else if let Ok(permit) = self
            .rules
            .decide(who.actor, role, ROOM, &facts, act::Knock {})
        {
            let id = KnockId::from_bytes([self.made; 16]);
            assert!(
                self.room.knock(permit, who, id, becomes, self.now).is_ok(),
                "a permitted knock failed"
            );
            self.waiting.insert(id);
        }
    }

    fn come_back(&mut self, person: &Person) {
        let action = act::Resume {
            participant: person.id,
        };
        let Ok(facts) = self.room.facts_inside(person, &action) else {
            return;
        };
        let facts = facts.with(Standing::Disconnected);
        if let Ok(permit) = self
            .rules
            .decide(person.who.actor, person.role, ROOM, &facts, action)
        {
            assert!(
                self.room.apply(permit, self.now).is_ok(),
                "a permitted return failed"
            );
        }
    }

    fn set_from_outside(&mut self, key: SettingKey, value: u8) {
        let mut settings = self.room.charter().settings;
        let values = key.values();
        let value = usize::from(value)
            .checked_rem(values.len())
            .and_then(|at| values.get(at));
        if value.is_some_and(|value| settings.set(key, value).is_ok()) {
            self.room.settings_changed(settings, self.now);
        }
    }

    /// Someone in the room asks for something, with whoever as its target.
    fn deed(&mut self, by: &Person, at: ParticipantId, deed: u8, detail: u8, knocks: &[KnockId]) {
        let [own, participant] = [by.id, at];
        let source = Source::ALL
            .into_iter()
            .nth(usize::from(detail % 4))
            .unwrap_or(Source::Camera);
        let role = NewRole::ALL
            .iter()
            .copied()
            .nth(usize::from(detail % 4))
            .unwrap_or(NewRole::Host);
        let knock = knocks
            .iter()
            .copied()
            .nth(usize::from(detail % 8))
            .unwrap_or(KnockId::from_bytes([0; 16]));
        let version = if detail < 240 { 1 } else { 2 };
        match deed % 41 {
            0..=4 => self.ask(
                by,
                act::Publish {
                    participant: own,
                    source,
                },
                detail,
            ),
            5 => self.ask(
                by,
                act::Publish {
                    participant,
                    source,
                },
                detail,
            ),
            6 => self.ask(
                by,
                act::Unpublish {
                    participant,
                    source,
                },
                detail,
            ),
            7 => self.ask(
                by,
                act::Ask {
                    participant: own,
                    source,
                },
                detail,
            ),
            8 => self.ask(
                by,
                act::RaiseHand {
                    participant,
                    raised: detail < 128,
                },
                detail,
            ),
            9 => self.ask(by, act::Leave { participant }, detail),
            10..=14 => self.ask(by, act::Admit { knock, version }, detail),
            15 => self.ask(by, act::Deny { knock }, detail),
            16 => self.ask(by, act::Mute { participant }, detail),
            17 => self.ask(by, act::PauseVideo { participant }, detail),
            18 => self.ask(by, act::StopShare { participant }, detail),
            19 | 20 => self.ask(
                by,
                act::Grant {
                    participant,
                    source,
                },
                detail,
            ),
            21 => self.ask(
                by,
                act::Withdraw {
                    participant,
                    source,
                },
                detail,
            ),
            22 => self.ask(by, act::Remove { participant }, detail),
            23 | 24 => self.ask(by, act::SetRole { participant, role }, detail),
            25 => self.ask(by, act::Lock {}, detail),
            26 => self.ask(by, act::Unlock {}, detail),
            27 | 28 => self.change(by, detail),
            29 => self.ask(by, act::Connect { participant }, detail),
            30 => self.ask(by, act::Watch { participant }, detail),
            31 => self.ask(by, act::Suspend, detail),
            32 => self.ask(by, act::LiftSuspension, detail),
            33 => self.ask(
                by,
                act::Spotlight {
                    participant: (detail < 200).then_some(participant),
                },
                detail,
            ),
            34 => self.ask(by, act::TransferOwnership { participant }, detail),
            35 => {
                let (id, becomes) = self.fresh();
                self.ask_with(by, act::SendBack { participant }, |room, permit, now| {
                    room.send_back(permit, id, becomes, now)
                });
            }
            36 => {
                let bar = BarId::from_bytes([detail; 16]);
                self.ask_with(by, act::Bar { participant }, |room, permit, now| {
                    room.bar(permit, bar, now)
                });
            }
            37 => {
                let known = self.room.charter().bars.first().map(|bar| bar.id);
                let bar = known.unwrap_or(BarId::from_bytes([detail; 16]));
                self.ask(by, act::Unbar { bar }, detail);
            }
            38 => {
                let to = (detail < 128).then_some(knock);
                let word = WaitingWord::Phrase(Phrase::OneMoment);
                let action = act::MessageWaiting { knock: to };
                self.ask_with(by, action, |room, permit, now| {
                    room.message_waiting(permit, word, now)
                });
            }
            39 => {
                let kind = if detail.is_multiple_of(2) {
                    RoomKind::Webinar
                } else {
                    RoomKind::Meeting
                };
                self.ask(by, act::ChangeKind { kind }, detail);
            }
            _ if detail < 16 && self.apart.is_none() => self.ask(by, act::EndSession {}, detail),
            _ => self.ask(by, act::SeeStats {}, detail),
        }
    }

    fn change(&mut self, by: &Person, detail: u8) {
        let keys = SettingKey::ALL;
        let Some(key) = keys.iter().copied().nth(usize::from(detail) % keys.len()) else {
            return;
        };
        let values = key.values();
        if let Some(value) = values.get(usize::from(detail) / keys.len() % values.len().max(1)) {
            self.ask(by, act::ChangeSetting { key, value }, detail);
        }
    }

    /// Has an action permitted and applies it: at once, or when its row would be durable.
    fn ask<A: RoomAction + Copy + 'static>(&mut self, by: &Person, action: A, detail: u8) {
        let Ok(facts) = self.room.facts_inside(by, &action) else {
            return;
        };
        let (actor, role) = (by.who.actor, by.role);
        let Ok(permit) = self.rules.decide(actor, role, ROOM, &facts, action) else {
            return;
        };
        self.refuses_strange_permits(|rules, room| {
            rules.decide(actor, role, room, &facts, action).ok()
        });
        if detail.is_multiple_of(3) || self.held.len() == HELD {
            let _ = self.room.apply(permit, self.now);
            return;
        }
        let by = by.id;
        self.held.push_back(Box::new(move |life| {
            let Some(person) = life.room.person(by) else {
                return;
            };
            let Ok(facts) = life.room.facts_inside(person, permit.action()) else {
                return;
            };
            let facts = permit.action().settle(facts);
            if life
                .rules
                .allows(permit.action().kind(), person.role, &facts)
            {
                let _ = life.room.apply(permit, life.now);
            }
        }));
    }

    /// Has an action permitted that needs more than its permit, and applies it at once.
    fn ask_with<A: RoomAction + Copy>(
        &mut self,
        by: &Person,
        action: A,
        act: impl FnOnce(&mut Room, Permit<A>, Timestamp) -> Result<(), ErrorCode>,
    ) {
        let Ok(facts) = self.room.facts_inside(by, &action) else {
            return;
        };
        let (actor, role) = (by.who.actor, by.role);
        self.refuses_strange_permits(|rules, room| {
            rules.decide(actor, role, room, &facts, action).ok()
        });
        if let Ok(permit) = self.rules.decide(actor, role, ROOM, &facts, action) {
            let _ = act(&mut self.room, permit, self.now);
        }
    }

    /// Identifiers that were not used before, as long as there are any.
    fn fresh(&mut self) -> (KnockId, ParticipantId) {
        self.made = self.made.saturating_add(1);
        let bytes = [
            self.made,
            self.sent_back,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
            7,
        ];
        self.sent_back = self.sent_back.wrapping_add(1);
        (KnockId::from_bytes(bytes), ParticipantId::from_bytes(bytes))
    }

    /// A permit of another room or of other rules does nothing.
    fn refuses_strange_permits<A: RoomAction>(
        &mut self,
        permit: impl Fn(&Snapshot, RoomId) -> Option<Permit<A>>,
    ) {
        let before = self.state();
        for rules in &*RULES {
            for room in [ROOM, OTHER_ROOM] {
                let strange = room != ROOM || rules.version() != self.rules.version();
                if strange && let Some(permit) = permit(rules, room) {
                    let refused = self.room.apply(permit, self.now);
                    assert_eq!(
                        refused,
                        Err(if self.over {
                            ErrorCode::Ended
                        } else {
                            ErrorCode::Stale
                        })
                    );
                }
            }
        }
        assert!(self.state() == before, "a refused permit changed the room");
    }

    fn state(&self) -> (Vec<Person>, Lobby, bool, Settings) {
        let room = &self.room;
        (
            room.people().cloned().collect(),
            room.lobby().clone(),
            room.locked(),
            room.charter().settings,
        )
    }
}

fn account(identity: u8) -> AccountId {
    AccountId::from_bytes([identity; 16])
}

fn actor(identity: u8) -> ActorId {
    if identity < ACCOUNTS {
        account(identity).into()
    } else {
        GuestId::from_bytes([identity; 16]).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_life_of_a_room_breaks_its_promises(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            fuzz_room_commands(&bytes);
        }
    }
}
