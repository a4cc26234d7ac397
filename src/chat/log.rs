//! The chat of one session, sans-IO: who may write how often, the number that a message gets, from which message on each
//! participant may read, and what is shown when a message has become durable. It keeps no text that has been shown.
//!
//! Numbers count up through all sessions of a room. Someone may read a range of them: from the first that was given after
//! they came in to the last before they left. A message is shown only when it is durable, in the order of the numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use conclave_policy::actions::{DeleteChat, WriteChat};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;

use crate::chat::pace::{Allowance, Pace, Paces};
use crate::chat::text::ChatText;
use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId, RoomId};

/// How often one person writes: a few lines at once, then one a second.
pub const WRITING: Allowance = Allowance {
    burst: 5,
    every: Duration::from_secs(1),
};
/// How often all people of a room together write: more than anybody reads.
pub const WRITING_ALL: Allowance = Allowance {
    burst: 40,
    every: Duration::from_millis(100),
};
/// How often one person reads back or searches.
pub const READING: Allowance = Allowance {
    burst: 20,
    every: Duration::from_millis(500),
};
/// How many messages may wait for the database. With more the room waits for it.
pub const MAX_PENDING: usize = 64;
/// How many requests may wait for one message: the first and its repetitions.
const MAX_WAITING: usize = 4;
/// How many messages are remembered by the client's own name for them; the store remembers the others.
const RECENT: usize = 256;
/// How many deletions are remembered for those who are reading back just now.
const DELETED: usize = 1024;
/// How many times in the room are kept for the store while it does not answer.
const MAX_UNSAVED: usize = 4096;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too often, by this person or by all.
    TooOften,
    /// Too much waits for the database.
    Busy,
    /// The permit is not this sender's in this room.
    Permit,
}

/// Who writes, as the room knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Their place in the session.
    pub participant: ParticipantId,
    /// Their lasting identity.
    pub actor: ActorId,
    /// The name that the server vouches for.
    pub name: String,
    /// Their role now.
    pub role: Role,
}

/// A message as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the chat of the room.
    pub number: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Who wrote it.
    pub sender: Sender,
    /// What.
    pub text: ChatText,
}

/// A time that someone was in, counted in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// In which place.
    pub participant: ParticipantId,
    /// Who.
    pub actor: ActorId,
    /// The first message of it.
    pub first: u64,
    /// The last, once it is over.
    pub last: Option<u64>,
}

/// A request that waits to hear of its message: whose, and its number on their connection.
pub type Waiting = (ParticipantId, u32);

/// What came of asking to write.
#[derive(Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing like it has been sent before.
    New,
    /// The same message waits for the database; this request is answered with it.
    Joined,
    /// The same message has been shown.
    Known {
        /// Its number.
        number: u64,
        /// When it was taken.
        at: Timestamp,
    },
}

/// What became of a message in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is durable.
    Stored,
    /// The same message was stored before, under this number.
    Known {
        /// That number.
        number: u64,
        /// When.
        at: Timestamp,
    },
    /// It was not stored.
    Lost,
}

/// A message whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    /// The message.
    pub message: Message,
    /// What became of it.
    pub fate: Fate,
    /// Who waits for an answer.
    pub waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Pending {
    message: Message,
    reference: String,
    waiting: Vec<Waiting>,
    fate: Option<Fate>,
    /// The changes of attendance that are stored with it.
    covers: u64,
}

#[derive(Debug)]
struct Recent {
    actor: ActorId,
    reference: String,
    number: u64,
    at: Timestamp,
}

/// What the store does not know yet of a time in the room.
#[derive(Clone, Copy, Debug)]
struct Unsaved {
    attendance: Attendance,
    changed: u64,
    /// Whether the store holds it as one that is not over.
    open: bool,
}

/// The chat of one session.
#[derive(Debug)]
pub struct Log {
    room: RoomId,
    /// The last number of the sessions before.
    base: u64,
    last: u64,
    /// Who is in.
    here: BTreeMap<ParticipantId, Attendance>,
    unsaved: BTreeMap<(ParticipantId, u64), Unsaved>,
    changes: u64,
    pending: VecDeque<Pending>,
    recent: VecDeque<Recent>,
    deleted: VecDeque<u64>,
    undone: VecDeque<u64>,
    reading: BTreeSet<ParticipantId>,
    each: Paces,
    all: Pace,
    readers: Paces,
}

impl Log {
    /// The chat of a new session of this room, in which `last` is the last number that was given.
    pub const fn new(room: RoomId, last: u64) -> Self {
        Self {
            room,
            base: last,
            last,
            here: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            changes: 0,
            pending: VecDeque::new(),
            recent: VecDeque::new(),
            deleted: VecDeque::new(),
            undone: VecDeque::new(),
            reading: BTreeSet::new(),
            each: Paces::new(WRITING),
            all: Pace::new(WRITING_ALL),
            readers: Paces::new(READING),
        }
    }

    /// Someone came in: they may read what comes from now on.
    pub fn came(&mut self, participant: ParticipantId, actor: ActorId) {
        let attendance = Attendance {
            participant,
            actor,
            first: self.last.saturating_add(1),
            last: None,
        };
        self.here.insert(participant, attendance);
        self.note(attendance, false);
    }

    /// Someone is out, in whatever way: they may read nothing that comes after.
    pub fn went(&mut self, participant: ParticipantId) {
        self.reading.remove(&participant);
        let Some(mut attendance) = self.here.remove(&participant) else {
            return;
        };
        if attendance.first > self.last {
            // There was nothing to read.
            self.unsaved.remove(&(participant, attendance.first));
            return;
        }
        attendance.last = Some(self.last);
        let open = !self.unsaved.contains_key(&(participant, attendance.first));
        self.note(attendance, open);
    }

    fn note(&mut self, attendance: Attendance, open: bool) {
        self.changes = self.changes.saturating_add(1);
        let unsaved = Unsaved {
            attendance,
            changed: self.changes,
            open,
        };
        self.unsaved
            .insert((attendance.participant, attendance.first), unsaved);
        if self.unsaved.len() > MAX_UNSAVED {
            // The database has been away for long. What is forgotten is a right to read back, never the end of one.
            let oldest = self
                .unsaved
                .iter()
                .filter(|(_, unsaved)| !unsaved.open)
                .min_by_key(|(_, unsaved)| unsaved.changed);
            if let Some(place) = oldest.map(|(place, _)| *place) {
                self.unsaved.remove(&place);
            }
        }
    }

    /// Whether this message was sent before. A repetition of one that waits is answered together with it.
    pub fn before(
        &mut self,
        actor: ActorId,
        reference: &str,
        request: Waiting,
    ) -> Result<Before, Refused> {
        let pending = self.pending.iter_mut().find(|pending| {
            pending.message.sender.actor == actor && pending.reference == reference
        });
        if let Some(pending) = pending {
            if pending.waiting.len() >= MAX_WAITING {
                return Err(Refused::TooOften);
            }
            pending.waiting.push(request);
            return Ok(Before::Joined);
        }
        let recent = self
            .recent
            .iter()
            .find(|recent| recent.actor == actor && recent.reference == reference);
        Ok(recent.map_or(Before::New, |recent| Before::Known {
            number: recent.number,
            at: recent.at,
        }))
    }

    /// Whether this person may write one more message now; it counts from here on.
    pub fn may_write(&mut self, actor: ActorId, now: Instant) -> Result<(), Refused> {
        if self.pending.len() >= MAX_PENDING {
            return Err(Refused::Busy);
        }
        // The person first: who writes too often uses up nothing of what is everyone's.
        if !self.each.take(actor, now) || !self.all.take(now) {
            return Err(Refused::TooOften);
        }
        Ok(())
    }

    /// Takes a message and numbers it. It is to be stored together with [`Log::attendances`].
    pub fn post(
        &mut self,
        permit: &Permit<WriteChat>,
        sender: Sender,
        text: ChatText,
        reference: String,
        request: Waiting,
        at: Timestamp,
    ) -> Result<&Message, Refused> {
        let mine =
            permit.actor() == sender.actor && permit.action().participant == sender.participant;
        if !mine || permit.room() != self.room || !self.here.contains_key(&sender.participant) {
            return Err(Refused::Permit);
        }
        let number = self.last.saturating_add(1);
        self.last = number;
        self.pending.push_back(Pending {
            message: Message {
                number,
                at,
                sender,
                text,
            },
            reference,
            waiting: vec![request],
            fate: None,
            covers: self.changes,
        });
        self.pending
            .back()
            .map(|pending| &pending.message)
            .ok_or(Refused::Busy)
    }

    /// What the store has to know before the last message can be read back: who was in when.
    pub fn attendances(&self) -> Vec<Attendance> {
        self.unsaved
            .values()
            .map(|unsaved| unsaved.attendance)
            .filter(|attendance| attendance.first <= self.last)
            .collect()
    }

    /// The store has answered for a message. Gives every message whose turn has come, in the order of the numbers.
    pub fn settle(&mut self, number: u64, fate: Fate) -> Vec<Settled> {
        let found = self
            .pending
            .iter_mut()
            .find(|pending| pending.message.number == number);
        if let Some(pending) = found {
            pending.fate = Some(fate);
            if fate == Fate::Stored {
                let covers = pending.covers;
                self.unsaved.retain(|_, unsaved| {
                    unsaved.changed > covers || unsaved.attendance.first > number
                });
            }
        }
        let mut settled = Vec::new();
        while let Some(fate) = self.pending.front().and_then(|first| first.fate)
            && let Some(pending) = self.pending.pop_front()
        {
            let (stored, at) = match fate {
                Fate::Stored => (Some(pending.message.number), pending.message.at),
                Fate::Known { number, at } => (Some(number), at),
                Fate::Lost => (None, pending.message.at),
            };
            if let Some(number) = stored {
                if self.recent.len() >= RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back(Recent {
                    actor: pending.message.sender.actor,
                    reference: pending.reference,
                    number,
                    at,
                });
            }
            settled.push(Settled {
                message: pending.message,
                fate,
                waiting: pending.waiting,
            });
        }
        settled
    }

    /// Whether this participant may be shown this message as it comes.
    pub fn shows(&self, participant: ParticipantId, number: u64) -> bool {
        self.here
            .get(&participant)
            .is_some_and(|attendance| attendance.first <= number)
    }

    /// The times in the room of an identity, as far as the store may not know them: all that are not over among them.
    pub fn times_of(&self, actor: ActorId) -> Vec<(u64, u64)> {
        let over = self.unsaved.values().map(|unsaved| &unsaved.attendance);
        self.here
            .values()
            .chain(over.filter(|attendance| attendance.last.is_some()))
            .filter(|attendance| attendance.actor == actor)
            .map(|attendance| (attendance.first, attendance.last.unwrap_or(u64::MAX)))
            .collect()
    }

    /// Whether this person may read back now; each reads one page at a time. To be ended with [`Log::has_read`].
    pub fn may_read(&mut self, participant: ParticipantId, actor: ActorId, now: Instant) -> bool {
        self.here.contains_key(&participant)
            && !self.reading.contains(&participant)
            && self.readers.take(actor, now)
            && self.reading.insert(participant)
    }

    /// A page was read, or could not be.
    pub fn has_read(&mut self, participant: ParticipantId) {
        self.reading.remove(&participant);
    }

    /// Deletes a message: nobody is shown its text any more, not even whoever is reading it just now. The number of it.
    pub fn delete(&mut self, permit: &Permit<DeleteChat>) -> Option<u64> {
        if permit.room() != self.room {
            return None;
        }
        let number = permit.action().number;
        self.forget(number);
        Some(number)
    }

    /// A message was stored and is not to be: nobody has been shown it, and nobody is.
    pub fn undo(&mut self, number: u64) {
        if self.undone.len() >= DELETED {
            self.undone.pop_front();
        }
        self.undone.push_back(number);
    }

    /// Whether the message is one of those.
    pub fn is_undone(&self, number: u64) -> bool {
        self.undone.contains(&number)
    }

    /// What is read back ends here: later messages may be stored, and it is not decided yet whether they are shown.
    pub fn undecided(&self) -> u64 {
        self.pending
            .front()
            .map_or(u64::MAX, |pending| pending.message.number)
    }

    fn forget(&mut self, number: u64) {
        if self.deleted.len() >= DELETED {
            self.deleted.pop_front();
        }
        self.deleted.push_back(number);
    }

    /// Whether the message was deleted a short while ago.
    pub fn is_deleted(&self, number: u64) -> bool {
        self.deleted.contains(&number)
    }

    /// The first number of this session.
    pub const fn first(&self) -> u64 {
        self.base.saturating_add(1)
    }

    /// The last number that was given.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Whether anything was written in this session.
    pub const fn used(&self) -> bool {
        self.last > self.base
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use conclave_policy::actions::Action;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, Mine, SecondFactor, Standing, Suspension};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::settings::RoomChat;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    const ROOM: RoomId = RoomId::from_bytes([8; 16]);

    fn participant(number: u8) -> ParticipantId {
        ParticipantId::from_bytes([number; 16])
    }

    fn actor(number: u8) -> ActorId {
        ActorId::from_bytes([number; 16])
    }

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

    fn permit<A: Action>(who: u8, room: RoomId, action: A) -> Permit<A> {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted)
            .with(RoomChat::HostsWrite)
            .with(Suspension::Running)
            .with(Mine::No);
        RULES
            .decide(actor(who), Role::Host, room, &facts, action)
            .unwrap()
    }

    struct Story {
        log: Log,
        clock: ManualClock,
        next: u32,
    }

    impl Story {
        fn after(last: u64) -> Self {
            Self {
                log: Log::new(ROOM, last),
                clock: ManualClock::new(),
                next: 0,
            }
        }

        /// As the room does it: the participant and the identity have the same number.
        fn post(&mut self, who: u8, reference: &str) -> Result<u64, Refused> {
            self.next += 1;
            let waiting = (participant(who), self.next);
            assert_eq!(
                self.log.before(actor(who), reference, waiting)?,
                Before::New
            );
            self.log.may_write(actor(who), self.clock.instant())?;
            let action = WriteChat {
                participant: participant(who),
            };
            let permit = permit(who, ROOM, action);
            let text = ChatText::parse("hello", char::is_control).unwrap();
            let now = self.clock.now();
            self.log
                .post(&permit, sender(who), text, reference.into(), waiting, now)
                .map(|message| message.number)
        }

        fn said(&mut self, who: u8) -> u64 {
            self.clock.advance(Duration::from_secs(1));
            let reference = format!("r{}", self.next);
            let number = self.post(who, &reference).unwrap();
            self.log.settle(number, Fate::Stored);
            number
        }
    }

    fn sender(who: u8) -> Sender {
        Sender {
            participant: participant(who),
            actor: actor(who),
            name: format!("person {who}"),
            role: Role::Host,
        }
    }

    fn numbers(settled: &[Settled]) -> Vec<u64> {
        settled
            .iter()
            .map(|settled| settled.message.number)
            .collect()
    }

    #[test]
    fn numbers_go_on_from_the_sessions_before() {
        let mut story = Story::after(41);
        story.log.came(participant(1), actor(1));
        assert_eq!(story.said(1), 42);
        assert_eq!(story.said(1), 43);
        assert_eq!((story.log.first(), story.log.last()), (42, 43));
    }

    #[test]
    fn c01_someone_reads_what_came_after_them_and_nothing_after_they_went() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        let before = story.said(1);
        story.log.came(participant(2), actor(2));
        let during = story.said(1);
        assert!(!story.log.shows(participant(2), before));
        assert!(story.log.shows(participant(2), during));
        story.log.went(participant(2));
        let after = story.said(1);
        assert!(!story.log.shows(participant(2), after));
        story.log.came(participant(3), actor(2));
        assert_eq!(story.log.times_of(actor(2)), [(after + 1, u64::MAX)]);
        assert!(story.log.times_of(actor(9)).is_empty());
    }

    #[test]
    fn c01_what_is_not_decided_yet_or_was_taken_back_is_not_read_back() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        assert_eq!(story.log.undecided(), u64::MAX);
        let (first, second) = (story.post(1, "a").unwrap(), story.post(1, "b").unwrap());
        // The later one is stored: it may lie in the database, and is read by nobody before it is its turn.
        story.log.settle(second, Fate::Stored);
        assert_eq!(story.log.undecided(), first);
        story.log.settle(first, Fate::Stored);
        assert_eq!(story.log.undecided(), u64::MAX);
        story.log.undo(second);
        assert!(story.log.is_undone(second) && !story.log.is_undone(first));
    }

    #[test]
    fn who_comes_while_a_message_waits_for_the_database_is_not_shown_it() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        let number = story.post(1, "a").unwrap();
        story.log.came(participant(2), actor(2));
        assert_eq!(numbers(&story.log.settle(number, Fate::Stored)), [number]);
        assert!(!story.log.shows(participant(2), number));
    }

    #[test]
    fn messages_are_shown_in_the_order_of_their_numbers_and_only_when_durable() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        let [a, b, c] = ["a", "b", "c"].map(|name| story.post(1, name).unwrap());
        assert!(story.log.settle(b, Fate::Stored).is_empty());
        assert!(story.log.settle(c, Fate::Lost).is_empty());
        let settled = story.log.settle(a, Fate::Stored);
        assert_eq!(numbers(&settled), [a, b, c]);
        assert_eq!(settled.last().unwrap().fate, Fate::Lost);
        assert!(story.log.settle(a, Fate::Stored).is_empty());
    }

    #[test]
    fn a_message_sent_again_is_the_same_message() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        let number = story.post(1, "a").unwrap();
        let again = |log: &mut Log, who: u8| log.before(actor(who), "a", (participant(who), 99));
        assert_eq!(again(&mut story.log, 1), Ok(Before::Joined));
        assert_eq!(again(&mut story.log, 2), Ok(Before::New));
        let settled = story.log.settle(number, Fate::Stored);
        assert_eq!(
            settled[0].waiting,
            [(participant(1), 1), (participant(1), 99)]
        );
        let at = story.clock.now();
        assert_eq!(again(&mut story.log, 1), Ok(Before::Known { number, at }));
        // What was lost may be tried again.
        let lost = story.post(1, "b").unwrap();
        story.log.settle(lost, Fate::Lost);
        assert!(story.post(1, "b").unwrap() > lost);
    }

    #[test]
    fn a_flood_of_repetitions_does_not_pile_up() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        story.post(1, "a").unwrap();
        let again = (0..100).filter(|id| {
            let waiting = (participant(1), *id);
            story.log.before(actor(1), "a", waiting).is_ok()
        });
        assert_eq!(again.count(), MAX_WAITING - 1);
    }

    #[test]
    fn one_person_and_all_together_are_held_to_a_pace() {
        let mut story = Story::after(0);
        for who in 1..=30 {
            story.log.came(participant(who), actor(who));
        }
        let mut taken = 0;
        for who in 1..=30 {
            for turn in 0..10 {
                taken += usize::from(story.post(who, &format!("r{turn}")).is_ok());
                while let Some(number) = story.log.pending.front().map(|p| p.message.number) {
                    story.log.settle(number, Fate::Stored);
                }
            }
            assert!(taken <= usize::from(who) * WRITING.burst as usize);
        }
        assert_eq!(taken, WRITING_ALL.burst as usize);
        assert_eq!(story.post(1, "x"), Err(Refused::TooOften));
        story.clock.advance(Duration::from_secs(1));
        assert!(story.post(1, "x").is_ok());
    }

    #[test]
    fn no_more_waits_for_the_database_than_there_is_room_for() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        for turn in 0..MAX_PENDING {
            story.clock.advance(Duration::from_secs(1));
            story.post(1, &turn.to_string()).unwrap();
        }
        story.clock.advance(Duration::from_secs(1));
        assert_eq!(story.post(1, "x"), Err(Refused::Busy));
    }

    #[test]
    fn a_permit_of_another_person_or_room_writes_and_deletes_nothing() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        story.log.came(participant(2), actor(2));
        let text = || ChatText::parse("hello", char::is_control).unwrap();
        let other = RoomId::from_bytes([9; 16]);
        for (who, named, room) in [(2, 1, ROOM), (1, 2, ROOM), (1, 1, other)] {
            let action = WriteChat {
                participant: participant(named),
            };
            let permit = permit(who, room, action);
            let now = story.clock.now();
            let posted = story.log.post(
                &permit,
                sender(1),
                text(),
                "a".into(),
                (participant(1), 1),
                now,
            );
            assert_eq!(posted.map(|message| message.number), Err(Refused::Permit));
        }
        let foreign = permit(1, other, DeleteChat { number: 1 });
        assert_eq!(story.log.delete(&foreign), None);
        assert!(!story.log.is_deleted(1));
        let own = permit(1, ROOM, DeleteChat { number: 1 });
        assert_eq!(story.log.delete(&own), Some(1));
        assert!(story.log.is_deleted(1));
    }

    #[test]
    fn one_person_reads_one_page_at_a_time_and_not_too_often() {
        let mut story = Story::after(0);
        let now = story.clock.instant();
        assert!(!story.log.may_read(participant(1), actor(1), now));
        story.log.came(participant(1), actor(1));
        assert!(story.log.may_read(participant(1), actor(1), now));
        assert!(!story.log.may_read(participant(1), actor(1), now));
        let mut read = 1;
        loop {
            story.log.has_read(participant(1));
            if !story.log.may_read(participant(1), actor(1), now) {
                break;
            }
            read += 1;
        }
        assert_eq!(read, READING.burst);
    }

    #[test]
    fn what_the_store_must_know_is_told_again_until_it_is_known() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        story.log.came(participant(2), actor(2));
        let lost = story.post(1, "a").unwrap();
        assert_eq!(story.log.attendances().len(), 2);
        story.log.settle(lost, Fate::Lost);
        assert_eq!(story.log.attendances().len(), 2);
        let stored = story.post(1, "b").unwrap();
        story.log.went(participant(2));
        story.log.settle(stored, Fate::Stored);
        let gone = Attendance {
            participant: participant(2),
            actor: actor(2),
            first: 1,
            last: Some(stored),
        };
        // The end came after the message was handed over, so the store knows the beginning only.
        assert_eq!(story.log.attendances(), [gone]);
        story.said(1);
        assert!(story.log.attendances().is_empty());
    }

    #[test]
    fn a_long_absence_of_the_database_forgets_no_end() {
        let mut story = Story::after(0);
        story.log.came(participant(1), actor(1));
        story.log.came(participant(2), actor(2));
        story.said(1);
        story.log.went(participant(2));
        for turn in 0..(MAX_UNSAVED as u64 + 100) {
            let mut id = [7; 16];
            id[..8].copy_from_slice(&turn.to_be_bytes());
            story.log.came(ParticipantId::from_bytes(id), actor(3));
            story.log.last += 1;
            story.log.went(ParticipantId::from_bytes(id));
        }
        let told = story.log.attendances();
        assert_eq!(told.len(), MAX_UNSAVED);
        assert!(
            told.iter()
                .any(|told| told.participant == participant(2) && told.last == Some(1))
        );
    }

    proptest! {
        /// Whatever happens in whatever order: what the store would answer for an identity, together with what the log
        /// adds to it, is exactly the messages that were sent while the identity was in.
        #[test]
        fn c01_what_may_be_read_back_is_what_was_sent_while_one_was_in(
            steps in proptest::collection::vec((0_u8..6, 1_u8..4), 0..80)
        ) {
            let mut story = Story::after(7);
            let mut stored: BTreeMap<(ParticipantId, u64), Attendance> = BTreeMap::new();
            let mut waiting: VecDeque<(u64, Vec<Attendance>)> = VecDeque::new();
            let mut seats: BTreeMap<u8, ParticipantId> = BTreeMap::new();
            let mut sent: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
            let (mut made, mut durable) = (100_u8, 0);
            story.log.came(participant(9), actor(9));
            for (what, who) in steps {
                story.clock.advance(Duration::from_secs(5));
                match what {
                    0 => {
                        if let std::collections::btree_map::Entry::Vacant(seat) = seats.entry(who) {
                            made += 1;
                            seat.insert(participant(made));
                            story.log.came(participant(made), actor(who));
                        }
                    }
                    1 => {
                        if let Some(seat) = seats.remove(&who) {
                            story.log.went(seat);
                        }
                    }
                    2 | 3 => {
                        let reference = format!("p{}", story.next);
                        if let Ok(number) = story.post(9, &reference) {
                            waiting.push_back((number, story.log.attendances()));
                            for here in seats.keys() {
                                sent.entry(*here).or_default().insert(number);
                            }
                        }
                    }
                    _ => {
                        // The database answers the oldest: it has it, or it has failed.
                        if let Some((number, attendances)) = waiting.pop_front() {
                            if what == 4 {
                                for attendance in attendances {
                                    stored.insert((attendance.participant, attendance.first), attendance);
                                }
                                durable = number;
                                story.log.settle(number, Fate::Stored);
                            } else {
                                story.log.settle(number, Fate::Lost);
                            }
                        }
                    }
                }
                for who in 1..4 {
                    let mut may: BTreeSet<u64> = BTreeSet::new();
                    let over = stored.values().filter(|known| known.actor == actor(who));
                    let over = over.filter_map(|known| Some((known.first, known.last?)));
                    for (first, last) in over.chain(story.log.times_of(actor(who))) {
                        may.extend(first..=last.min(story.log.last()));
                    }
                    prop_assert_eq!(&may, sent.entry(who).or_default());
                }
            }
            // After a kill now, the store closes what it holds open at the last number that it knows: no more than was sent.
            for known in stored.values().filter(|known| known.actor != actor(9)) {
                let who = known.actor.as_bytes()[0];
                let last = known.last.unwrap_or(durable);
                prop_assert!((known.first..=last).all(|number| sent[&who].contains(&number)));
            }
        }
    }
}
