//! The chat of a room: takes messages, shows them once they are durable, reads back and deletes. Who may is asked of policy,
//! each time and again when it comes to be shown; which messages someone may read follows from when they were in.

use std::sync::Arc;
use std::time::Duration;

use conclave_policy::actions::{ActionKind, DeleteChat, ReadChat, WriteChat, WritePrivateChat};
use conclave_policy::facts::{Facts, Mine};
use conclave_policy::permit::Permit;
use tokio::sync::Semaphore;

use super::{RoomActor, Waited, durable};
use crate::auth::name::is_hidden;
use crate::chat::log::{Attendance, Before, Fate, Log, Message, Refused, Sender, Settled};
use crate::chat::text::{self, ChatText};
use crate::ids::{ActorId, ParticipantId, RoomId};
use crate::rooms::outbound::Done;
use crate::rooms::person::Person;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::{ChatView, Event};
use crate::secret::Secret;
use crate::store::chat::{ChatAttendance, ChatSession, NewChat, Stored};
use crate::store::error::StoreError;
use crate::store::recall::{ChatLine, ChatPage, Recall, Words};

/// Messages on one page of a history, and of a search.
const MAX_PAGE: usize = 100;
const MAX_FOUND: usize = 30;
/// How many pages of one room are read at a time; the others wait, each person for one.
const READERS: usize = 2;
/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the end of a chat is tried to be stored; the next start of the server ends what is left.
const ENDINGS: u32 = 3;

/// The chat of the session, and its way to the store.
pub(super) struct Chat {
    pub(super) log: Log,
    readers: Arc<Semaphore>,
}

/// What comes back from the store.
pub(super) enum Came {
    /// A message was stored, or not.
    Message { number: u64, fate: Fate },
    /// Who wrote what is to be deleted; nothing if the one who asks may not read it, or nobody did.
    Author {
        by: ParticipantId,
        id: u32,
        number: u64,
        author: Result<Option<ActorId>, StoreError>,
    },
    /// A page that someone asked for; `earlier` if it goes back to before they came in.
    Page {
        by: ParticipantId,
        id: u32,
        earlier: bool,
        page: Result<ChatPage, StoreError>,
    },
}

impl Chat {
    pub(super) fn new(room: RoomId, last: u64) -> Self {
        Self {
            log: Log::new(room, last),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

impl RoomActor {
    pub(super) fn on_chat(&mut self, by: ParticipantId, id: u32, text: &str, reference: String) {
        match self.take_message(by, id, text, reference) {
            Ok(Before::Known { number, at }) => {
                self.answer(by, id, Ok(Done::ChatSent { number, at }));
            }
            // Answered when the message is durable.
            Ok(Before::New | Before::Joined) => {}
            Err(code) => self.answer(by, id, Err(code)),
        }
    }

    /// A message for one person alone.
    pub(super) fn on_private_chat(&mut self, by: ParticipantId, id: u32, to: ParticipantId) {
        // No rule permits it. Were there one, there would still be no such chat, and the row says what was decided.
        let code = match self.ask(by, WritePrivateChat { participant: to }) {
            Err(code) => code,
            Ok((_, audit)) => {
                self.note(audit);
                ErrorCode::NotAllowed
            }
        };
        self.answer(by, id, Err(code));
    }

    pub(super) fn on_chat_history(
        &mut self,
        by: ParticipantId,
        id: u32,
        before: Option<u64>,
        limit: u8,
    ) {
        let limit = usize::from(limit).clamp(1, MAX_PAGE);
        self.read_back(by, id, before, limit, None);
    }

    pub(super) fn on_chat_search(
        &mut self,
        by: ParticipantId,
        id: u32,
        search: &str,
        before: Option<u64>,
    ) {
        let Some(words) = text::words(search) else {
            return self.answer(by, id, Err(ErrorCode::InvalidValue));
        };
        let words = Words {
            words,
            matches: text::matches,
        };
        self.read_back(by, id, before, MAX_FOUND, Some(words));
    }

    pub(super) fn on_delete_chat(&mut self, by: ParticipantId, id: u32, number: u64) {
        let (permit, mut what, _) = match self.start_reading(by) {
            Ok(reading) => reading,
            Err(code) => return self.answer(by, id, Err(code)),
        };
        what.before = number.saturating_add(1).min(self.chat.log.undecided());
        let store = self.means.store.clone();
        let org = self.room.charter().org;
        self.fetch(
            async move { store.chat_author(&permit, org, what).await },
            move |author| Came::Author {
                by,
                id,
                number,
                author,
            },
        );
    }

    /// What the store answered.
    pub(super) fn on_chat_came(&mut self, came: Came) {
        match came {
            Came::Message { number, fate } => {
                for settled in self.chat.log.settle(number, fate) {
                    self.show(settled);
                }
            }
            Came::Author {
                by,
                id,
                number,
                author,
            } => {
                self.chat.log.has_read(by);
                if let Err(code) = self.delete(by, id, number, author) {
                    self.answer(by, id, Err(code));
                }
            }
            Came::Page {
                by,
                id,
                earlier,
                page,
            } => {
                self.chat.log.has_read(by);
                let page = self.page(by, earlier, page);
                self.answer(by, id, page);
            }
        }
    }

    /// The session is over: what was written goes with it, or is kept for as long as the settings say.
    pub(super) async fn end_chat(&mut self) {
        if !self.chat.log.used() {
            return;
        }
        let everyone: Vec<_> = self.room.people().map(|person| person.id).collect();
        everyone.into_iter().for_each(|id| self.chat.log.went(id));
        let keep = self.room.charter().settings.chat_retention().duration();
        for _ in 0..ENDINGS {
            let attendances = attendances(&self.chat.log);
            let now = self.means.clock.now();
            let ended = self
                .means
                .store
                .end_chat(self.chat_session(), now, keep, attendances);
            if ended.await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tracing::error!("the chat of a session is wiped only when the server starts again");
    }
}

impl RoomActor {
    fn take_message(
        &mut self,
        by: ParticipantId,
        id: u32,
        text: &str,
        reference: String,
    ) -> Result<Before, ErrorCode> {
        let action = WriteChat { participant: by };
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let facts = self.room.facts_of(person);
        let rules = self.means.guard.snapshot();
        if !rules.allows(ActionKind::WriteChat, person.role, &facts) {
            // Asked all the same, so that the refusal is counted.
            return Err(self.ask(by, action).err().unwrap_or(ErrorCode::NotAllowed));
        }
        let sender = Sender {
            participant: by,
            actor: person.who.actor,
            name: person.who.name.clone(),
            role: person.role,
        };
        let text = ChatText::parse(text, is_hidden).ok_or(ErrorCode::InvalidValue)?;
        if reference.is_empty() {
            return Err(ErrorCode::InvalidValue);
        }
        let log = &mut self.chat.log;
        let before = log
            .before(sender.actor, &reference, (by, id))
            .map_err(code)?;
        if before != Before::New {
            return Ok(before);
        }
        let instant = self.means.clock.instant();
        self.chat
            .log
            .may_write(sender.actor, instant)
            .map_err(code)?;
        let (permit, audit) = self.ask(by, action)?;
        let now = self.means.clock.now();
        let message = self
            .chat
            .log
            .post(&permit, sender, text, reference.clone(), (by, id), now)
            .map_err(code)?
            .clone();
        let audit = durable(audit);
        let number = message.number;
        let stored = self.means.store.add_chat(self.row(message, reference));
        self.waits.push(Box::pin(async move {
            let audited = audit.await;
            let fate = match stored.await {
                Ok(Stored::New) if audited => Fate::Stored,
                Ok(Stored::Known { number, at }) => Fate::Known { number, at },
                Ok(Stored::New) | Err(_) => Fate::Lost,
            };
            Waited::Chat(Came::Message { number, fate })
        }));
        Ok(Before::New)
    }

    fn row(&self, message: Message, reference: String) -> NewChat {
        NewChat {
            of: self.chat_session(),
            number: message.number,
            participant: message.sender.participant,
            actor: message.sender.actor,
            role: message.sender.role,
            name: Secret::new(message.sender.name),
            at: message.at,
            reference: Secret::new(reference),
            text: Secret::new(message.text.into_string()),
            keep: self.room.charter().settings.chat_retention().duration(),
            attendances: attendances(&self.chat.log),
        }
    }

    /// Answers for a message, and shows it to everyone who may read it.
    fn show(&mut self, settled: Settled) {
        let Settled {
            message,
            fate,
            waiting,
        } = settled;
        let outcome = match fate {
            Fate::Known { number, at } => Ok(Done::ChatSent { number, at }),
            Fate::Lost => Err(ErrorCode::Unavailable),
            // Whoever was removed, or may not write any more, says nothing after it.
            Fate::Stored if !self.still_writes(message.sender.participant) => {
                Err(ErrorCode::NotAllowed)
            }
            Fate::Stored => Ok(Done::ChatSent {
                number: message.number,
                at: message.at,
            }),
        };
        let shown = fate == Fate::Stored && outcome.is_ok();
        if !shown && !matches!(fate, Fate::Known { .. }) {
            // What was not acknowledged must not come up later.
            self.undo(message.number);
        }
        for (by, id) in waiting {
            let outcome = match &outcome {
                Ok(Done::ChatSent { number, at }) => Ok(Done::ChatSent {
                    number: *number,
                    at: *at,
                }),
                Ok(_) => Err(ErrorCode::Internal),
                Err(code) => Err(*code),
            };
            self.answer(by, id, outcome);
        }
        if shown {
            let number = message.number;
            let event = Event::Chat {
                message: fresh(message),
            };
            self.tell_readers(&event, |log, reader| log.shows(reader, number));
        }
    }

    /// Takes a message back that was stored and not shown. Nobody waits for this; until it is done the log remembers.
    fn undo(&mut self, number: u64) {
        self.chat.log.undo(number);
        let (store, org, room) = (
            self.means.store.clone(),
            self.room.charter().org,
            self.room.charter().room,
        );
        self.waits.push(Box::pin(async move {
            for _ in 0..ENDINGS {
                if store.undo_chat(org, room, number).await.is_ok() {
                    return Waited::Noted;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tracing::error!("a chat message that was not acknowledged could not be taken back");
            Waited::Noted
        }));
    }

    fn still_writes(&self, participant: ParticipantId) -> bool {
        let rules = self.means.guard.snapshot();
        self.room.person(participant).is_some_and(|person| {
            let facts = self.room.facts_present(person);
            rules.allows(ActionKind::WriteChat, person.role, &facts)
        })
    }

    /// Tells those who may read the chat and of whom this holds.
    fn tell_readers(&mut self, event: &Event, who: impl Fn(&Log, ParticipantId) -> bool) {
        let readers: Vec<_> = self
            .room
            .people()
            .filter(|person| self.may_read(person) && who(&self.chat.log, person.id))
            .map(|person| person.id)
            .collect();
        for reader in readers {
            self.tell(reader, event.clone());
        }
    }

    fn may_read(&self, person: &Person) -> bool {
        let facts = self.room.facts_present(person);
        let rules = self.means.guard.snapshot();
        rules.allows(ActionKind::ReadChat, person.role, &facts)
    }

    fn reads_earlier(&self, person: &Person) -> bool {
        let facts = self.room.facts_present(person);
        let rules = self.means.guard.snapshot();
        rules.allows(ActionKind::ReadEarlierChat, person.role, &facts)
    }

    fn read_back(
        &mut self,
        by: ParticipantId,
        id: u32,
        before: Option<u64>,
        limit: usize,
        wanted: Option<Words>,
    ) {
        let (permit, mut what, earlier) = match self.start_reading(by) {
            Ok(reading) => reading,
            Err(code) => return self.answer(by, id, Err(code)),
        };
        what.before = before.unwrap_or(u64::MAX).min(self.chat.log.undecided());
        what.limit = limit;
        what.wanted = wanted;
        let store = self.means.store.clone();
        let org = self.room.charter().org;
        self.fetch(
            async move { store.recall(&permit, org, what).await },
            move |page| Came::Page {
                by,
                id,
                earlier,
                page,
            },
        );
    }

    /// What a participant may read back now, and whether that goes back to before they came in.
    fn start_reading(
        &mut self,
        by: ParticipantId,
    ) -> Result<(Permit<ReadChat>, Recall, bool), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let charter = self.room.charter();
        let actor = person.who.actor;
        let facts = self.room.facts_of(person);
        let permit = self
            .means
            .guard
            .look(
                charter.org,
                actor,
                person.role,
                charter.room,
                &facts,
                ReadChat,
            )
            .map_err(|_| ErrorCode::NotAllowed)?;
        let earlier = self.reads_earlier(person);
        let instant = self.means.clock.instant();
        if !self.chat.log.may_read(by, actor, instant) {
            return Err(ErrorCode::RateLimited);
        }
        let mut times = self.chat.log.times_of(actor);
        if earlier {
            times.push((self.chat.log.first(), u64::MAX));
        }
        let what = Recall {
            times,
            before: u64::MAX,
            limit: 1,
            wanted: None,
            now: self.means.clock.now(),
        };
        Ok((permit, what, earlier))
    }

    /// Reads in a task of its own: opening many messages takes longer than a cut may wait.
    fn fetch<T: Send + 'static>(
        &self,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        came: impl FnOnce(Result<T, StoreError>) -> Came + Send + 'static,
    ) {
        let readers = self.chat.readers.clone();
        let reading = tokio::spawn(async move {
            let Ok(_turn) = readers.acquire_owned().await else {
                return Err(StoreError::Unavailable);
            };
            tokio::time::timeout(PATIENCE, read)
                .await
                .unwrap_or(Err(StoreError::Unavailable))
        });
        self.waits.push(Box::pin(async move {
            let read = reading.await.unwrap_or(Err(StoreError::Unavailable));
            Waited::Chat(came(read))
        }));
    }

    /// A page as it may be shown now: much may have happened while it was read.
    fn page(
        &self,
        by: ParticipantId,
        earlier: bool,
        page: Result<ChatPage, StoreError>,
    ) -> Result<Done, ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        if !self.may_read(person) {
            return Err(ErrorCode::NotAllowed);
        }
        if earlier && !self.reads_earlier(person) {
            return Err(ErrorCode::Stale);
        }
        let page = page.map_err(|_| ErrorCode::Unavailable)?;
        let log = &self.chat.log;
        let lines = page.lines.into_iter();
        let messages = lines
            .filter(|line| !log.is_undone(line.number))
            .map(|line| {
                let deleted = log.is_deleted(line.number);
                view(line, deleted)
            });
        Ok(Done::ChatPage {
            messages: messages.collect(),
            more: page.next.is_some(),
            next: page.next,
        })
    }

    fn delete(
        &mut self,
        by: ParticipantId,
        id: u32,
        number: u64,
        author: Result<Option<ActorId>, StoreError>,
    ) -> Result<(), ErrorCode> {
        let author = author.map_err(|_| ErrorCode::Unavailable)?;
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let (actor, role, name) = (person.who.actor, person.role, person.who.name.clone());
        let charter = self.room.charter();
        let (org, room) = (charter.org, charter.room);
        let guard = &self.means.guard;
        let action = DeleteChat { number };
        let Some(author) = author else {
            // Without facts every action is denied: what counts is the audit row.
            let _denied = guard.ask(org, actor, role, room, &Facts::new(), action);
            return Err(ErrorCode::NotFound);
        };
        let mine = if author == actor { Mine::Yes } else { Mine::No };
        let facts = self.room.facts_of(person).with(mine);
        let (permit, audit) = guard.ask_about(org, actor, role, room, &facts, action, author);
        let permit = permit.map_err(|denied| ErrorCode::of(&denied))?;
        let number = self.chat.log.delete(&permit).ok_or(ErrorCode::Stale)?;
        for seat in self.seats.values_mut() {
            seat.scrub(number);
        }
        self.tell_readers(&Event::ChatDeleted { number, by: name }, |_, _| true);
        let deleted = self.means.store.delete_chat(org, room, number, actor);
        let deleted = Box::pin(async move { deleted.await.is_ok() });
        self.answer_when(by, id, vec![durable(audit), deleted], Done::Done {});
        Ok(())
    }

    fn chat_session(&self) -> ChatSession {
        let charter = self.room.charter();
        ChatSession {
            org: charter.org,
            room: charter.room,
            session: charter.session,
        }
    }
}

fn attendances(log: &Log) -> Vec<ChatAttendance> {
    log.attendances()
        .into_iter()
        .map(|attendance: Attendance| ChatAttendance {
            participant: attendance.participant,
            actor: attendance.actor,
            first: attendance.first,
            last: attendance.last,
        })
        .collect()
}

fn fresh(message: Message) -> ChatView {
    ChatView {
        number: message.number,
        at: message.at,
        participant: message.sender.participant,
        name: message.sender.name,
        role: message.sender.role,
        text: message.text.into_string(),
        deleted: false,
    }
}

fn view(line: ChatLine, deleted: bool) -> ChatView {
    let text = line.text.filter(|_| !deleted);
    ChatView {
        number: line.number,
        at: line.at,
        participant: line.participant,
        name: line.name.expose().clone(),
        role: line.role,
        deleted: text.is_none(),
        text: text.map(|text| text.expose().clone()).unwrap_or_default(),
    }
}

const fn code(refused: Refused) -> ErrorCode {
    match refused {
        Refused::TooOften => ErrorCode::RateLimited,
        Refused::Busy => ErrorCode::Unavailable,
        Refused::Permit => ErrorCode::NotAllowed,
    }
}
