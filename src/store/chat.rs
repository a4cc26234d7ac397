//! The chat of rooms: sealed messages under numbers that are never given again, and who was in when. What is read back is
//! asked for by ranges of numbers; nothing here decides who may read.

use std::sync::Arc;
use std::time::Duration;

use conclave_policy::roles::Role;
use sqlx::{Row, SqliteConnection};

use crate::clock::{Clock, Timestamp};
use crate::ids::{ActorId, OrgId, ParticipantId, RoomId, SessionId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, Purpose, SealingKeys};
use crate::store::writer::{Change, Written};

pub(super) const TEXT: Column = Column {
    table: "chat_messages",
    name: "text",
};
pub(super) const NAME: Column = Column {
    table: "chat_messages",
    name: "name",
};
/// Messages that are wiped in one go: the writer has others to write.
const WIPED_AT_ONCE: i64 = 500;
/// How often it is looked what is over.
const KEEPING: Duration = Duration::from_secs(5);
/// In which turns of that the settings of rooms with kept chats are asked: once a minute.
const KEPT_ARE_ASKED: u64 = 12;
/// How many such rooms are asked in a turn.
const MAX_KEPT_ROOMS: i64 = 1000;

/// Which session of which room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatSession {
    /// The organisation.
    pub org: OrgId,
    /// The room.
    pub room: RoomId,
    /// The session.
    pub session: SessionId,
}

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct NewChat {
    /// Where it belongs.
    pub of: ChatSession,
    /// Its number in the room; higher than every one before.
    pub number: u64,
    /// In which place its sender was.
    pub participant: ParticipantId,
    /// Who its sender is.
    pub actor: ActorId,
    /// What its sender was.
    pub role: Role,
    /// How its sender was called.
    pub name: Secret<String>,
    /// When it was taken.
    pub at: Timestamp,
    /// The client's own name for it.
    pub reference: Secret<String>,
    /// What was written.
    pub text: Secret<String>,
    /// How long the chat of this session is kept after it, as the settings are now.
    pub keep: Option<Duration>,
    /// Who was in when, as far as that is news.
    pub attendances: Vec<ChatAttendance>,
}

/// A time that someone was in, counted in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatAttendance {
    /// In which place.
    pub participant: ParticipantId,
    /// Who.
    pub actor: ActorId,
    /// The first message of it.
    pub first: u64,
    /// The last, once it is over.
    pub last: Option<u64>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is stored.
    New,
    /// The same message stands there already.
    Known {
        /// Under this number.
        number: u64,
        /// Since then.
        at: Timestamp,
    },
}

impl Store {
    /// Stores a message, unless its sender has stored it before. `Conflict` when the number is not a new one.
    pub fn add_chat(&self, message: NewChat) -> Written<Stored> {
        let keys = self.keys().clone();
        self.write(Add { message, keys })
    }

    /// Takes the text of a message away for good; it goes on standing under its number. `Missing` when there is none.
    pub fn delete_chat(&self, org: OrgId, room: RoomId, number: u64, by: ActorId) -> Written<()> {
        self.was_taken_away();
        self.write(Delete {
            org,
            room,
            number,
            by,
        })
    }

    /// Takes a message away as if it had never been sent; its number is not given again.
    pub fn undo_chat(&self, org: OrgId, room: RoomId, number: u64) -> Written<()> {
        self.was_taken_away();
        self.write(Undo { org, room, number })
    }

    /// The session is over: its chat is wiped from now on, or kept for a while.
    pub fn end_chat(
        &self,
        of: ChatSession,
        now: Timestamp,
        keep: Option<Duration>,
        attendances: Vec<ChatAttendance>,
    ) -> Written<()> {
        self.write(End {
            of,
            now,
            keep,
            attendances,
        })
    }

    /// Wipes the chats whose time is over, a few messages at a time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wipe_chats(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.write(Wipe { now }).await? {
            self.was_taken_away();
        }
        Ok(())
    }

    /// Ends the chats of sessions that were running when the server was killed. To be called before any session runs.
    pub fn end_lost_chats(&self) -> Written<()> {
        self.write(EndLost)
    }

    /// Lets the kept chats of a room end now.
    pub fn forget_chats(&self, org: OrgId, room: RoomId, now: Timestamp) -> Written<()> {
        self.write(Forget { org, room, now })
    }

    /// Wipes what is over, for ever: chats of ended sessions, kept ones when their time is up or their room keeps none any
    /// more, and what is left of either in the database's own log.
    pub async fn keep_chats(&self, clock: Arc<dyn Clock>) {
        for turn in 0_u64.. {
            // What fails is tried again with the next turn; the store has told the log why.
            if turn % KEPT_ARE_ASKED == 0 {
                let _asked = self.ask_kept_chats(clock.now()).await;
            }
            let _wiped = self.wipe_chats(clock.now()).await;
            let _scrubbed = self.scrub_log().await;
            tokio::time::sleep(KEEPING).await;
        }
    }

    /// Ends kept chats of rooms that are gone, or whose settings keep none any more.
    async fn ask_kept_chats(&self, now: Timestamp) -> Result<(), StoreError> {
        let found = sqlx::query(
            "SELECT DISTINCT org_id, room_id FROM chat_sessions WHERE until > $1 LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(MAX_KEPT_ROOMS)
        .fetch_all(self.reads())
        .await?;
        for found in &found {
            let (org, room): (OrgId, RoomId) =
                (row::id(found, "org_id")?, row::id(found, "room_id")?);
            let stands = self.room(org, room).await?;
            let keep = stands.and_then(|room| room.settings.chat_retention().duration());
            if keep.is_none() {
                self.forget_chats(org, room, now).await?;
            }
        }
        Ok(())
    }

    /// The last number that was given in a room; 0 before the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_chat_number(&self, org: OrgId, room: RoomId) -> Result<u64, StoreError> {
        let last: Option<i64> =
            sqlx::query_scalar("SELECT last FROM chat_numbers WHERE org_id = $1 AND room_id = $2")
                .bind(org.as_bytes().as_slice())
                .bind(room.as_bytes().as_slice())
                .fetch_optional(self.reads())
                .await?;
        last.map_or(Ok(0), unsigned)
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt)
}

fn millis(time: Option<Duration>) -> i64 {
    time.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}

struct Add {
    message: NewChat,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = Stored;

    async fn apply(self, on: &mut SqliteConnection) -> Result<Stored, StoreError> {
        let Self { message, keys } = self;
        let ChatSession { org, room, session } = message.of;
        let (org_id, room_id) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        // Clients choose the name, so it may say anything: it is kept as a keyed hash, like what else is looked up.
        let reference = keys.keyed_hash(
            Purpose::ChatReference,
            &[org_id, room_id, message.reference.expose().as_bytes()],
        );
        if let Some(known) = known(on, &message, &reference).await? {
            return Ok(known);
        }
        begin(on, &message).await?;
        attend(on, message.of, &message.attendances).await?;
        let number = message.number.to_be_bytes();
        let row = [org_id, room_id, number.as_slice()];
        sqlx::query(
            "INSERT INTO chat_messages (org_id, room_id, number, session_id, participant_id, actor_id, role, sent, \
             reference, name, text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(org_id)
        .bind(room_id)
        .bind(signed(message.number))
        .bind(session.as_bytes().as_slice())
        .bind(message.participant.as_bytes().as_slice())
        .bind(message.actor.as_bytes().as_slice())
        .bind(message.role.as_str())
        .bind(message.at.as_millis())
        .bind(reference.as_slice())
        .bind(keys.seal(NAME, &row, message.name.expose().as_bytes())?)
        .bind(keys.seal(TEXT, &row, message.text.expose().as_bytes())?)
        .execute(on)
        .await?;
        Ok(Stored::New)
    }
}

/// The same message, if it was stored before.
async fn known(
    on: &mut SqliteConnection,
    message: &NewChat,
    reference: &[u8; 32],
) -> Result<Option<Stored>, StoreError> {
    let found = sqlx::query(
        "SELECT number, sent FROM chat_messages \
         WHERE org_id = $1 AND room_id = $2 AND session_id = $3 AND actor_id = $4 AND reference = $5",
    )
    .bind(message.of.org.as_bytes().as_slice())
    .bind(message.of.room.as_bytes().as_slice())
    .bind(message.of.session.as_bytes().as_slice())
    .bind(message.actor.as_bytes().as_slice())
    .bind(reference.as_slice())
    .fetch_optional(on)
    .await?;
    found
        .map(|found| {
            Ok(Stored::Known {
                number: unsigned(found.try_get("number")?)?,
                at: row::time(&found, "sent")?,
            })
        })
        .transpose()
}

/// Takes the number, and says of the session how long it is kept.
async fn begin(on: &mut SqliteConnection, message: &NewChat) -> Result<(), StoreError> {
    let ChatSession { org, room, session } = message.of;
    let taken = sqlx::query(
        "INSERT INTO chat_numbers (org_id, room_id, last) VALUES ($1, $2, $3) \
         ON CONFLICT (org_id, room_id) DO UPDATE SET last = excluded.last WHERE chat_numbers.last < excluded.last",
    )
    .bind(org.as_bytes().as_slice())
    .bind(room.as_bytes().as_slice())
    .bind(signed(message.number))
    .execute(&mut *on)
    .await?;
    if taken.rows_affected() == 0 {
        return Err(StoreError::Conflict);
    }
    sqlx::query(
        "INSERT INTO chat_sessions (org_id, room_id, session_id, latest, keep) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (org_id, room_id, session_id) DO UPDATE SET latest = excluded.latest, keep = excluded.keep",
    )
    .bind(org.as_bytes().as_slice())
    .bind(room.as_bytes().as_slice())
    .bind(session.as_bytes().as_slice())
    .bind(message.at.as_millis())
    .bind(millis(message.keep))
    .execute(on)
    .await?;
    Ok(())
}

async fn attend(
    on: &mut SqliteConnection,
    of: ChatSession,
    attendances: &[ChatAttendance],
) -> Result<(), StoreError> {
    for attendance in attendances {
        sqlx::query(
            "INSERT INTO chat_attendances (org_id, room_id, participant_id, first, last, session_id, actor_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (org_id, room_id, participant_id, first) DO UPDATE SET last = excluded.last",
        )
        .bind(of.org.as_bytes().as_slice())
        .bind(of.room.as_bytes().as_slice())
        .bind(attendance.participant.as_bytes().as_slice())
        .bind(signed(attendance.first))
        .bind(attendance.last.map(signed))
        .bind(of.session.as_bytes().as_slice())
        .bind(attendance.actor.as_bytes().as_slice())
        .execute(&mut *on)
        .await?;
    }
    Ok(())
}

struct Delete {
    org: OrgId,
    room: RoomId,
    number: u64,
    by: ActorId,
}

impl Change for Delete {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let deleted = sqlx::query(
            "UPDATE chat_messages SET text = NULL, deleted_by = COALESCE(deleted_by, $4) \
             WHERE org_id = $1 AND room_id = $2 AND number = $3",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .bind(signed(self.number))
        .bind(self.by.as_bytes().as_slice())
        .execute(on)
        .await?;
        match deleted.rows_affected() {
            0 => Err(StoreError::Missing),
            _ => Ok(()),
        }
    }
}

struct Undo {
    org: OrgId,
    room: RoomId,
    number: u64,
}

impl Change for Undo {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM chat_messages WHERE org_id = $1 AND room_id = $2 AND number = $3")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.room.as_bytes().as_slice())
            .bind(signed(self.number))
            .execute(on)
            .await?;
        Ok(())
    }
}

struct End {
    of: ChatSession,
    now: Timestamp,
    keep: Option<Duration>,
    attendances: Vec<ChatAttendance>,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let ChatSession { org, room, session } = self.of;
        let until = self.keep.map_or(self.now, |keep| self.now.after(keep));
        let ended = sqlx::query(
            "UPDATE chat_sessions SET until = $4, keep = $5 WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(session.as_bytes().as_slice())
        .bind(until.as_millis())
        .bind(millis(self.keep))
        .execute(&mut *on)
        .await?;
        // Nothing was stored, so there is nothing to end.
        if ended.rows_affected() == 0 {
            return Ok(());
        }
        if self.keep.is_some() {
            attend(on, self.of, &self.attendances).await?;
        }
        close_attendances(on, self.of).await
    }
}

/// Whoever was still in was in until the last message of all.
async fn close_attendances(on: &mut SqliteConnection, of: ChatSession) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE chat_attendances SET last = (SELECT last FROM chat_numbers WHERE org_id = $1 AND room_id = $2) \
         WHERE org_id = $1 AND room_id = $2 AND session_id = $3 AND last IS NULL",
    )
    .bind(of.org.as_bytes().as_slice())
    .bind(of.room.as_bytes().as_slice())
    .bind(of.session.as_bytes().as_slice())
    .execute(on)
    .await?;
    Ok(())
}

struct EndLost;

impl Change for EndLost {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE chat_attendances SET last = (SELECT n.last FROM chat_numbers n \
             WHERE n.org_id = chat_attendances.org_id AND n.room_id = chat_attendances.room_id) \
             WHERE last IS NULL",
        )
        .execute(&mut *on)
        .await?;
        sqlx::query("UPDATE chat_sessions SET until = latest + keep WHERE until IS NULL")
            .execute(on)
            .await?;
        Ok(())
    }
}

struct Forget {
    org: OrgId,
    room: RoomId,
    now: Timestamp,
}

impl Change for Forget {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE chat_sessions SET until = $3 WHERE org_id = $1 AND room_id = $2 AND until > $3",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .bind(self.now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Wipe {
    now: Timestamp,
}

impl Change for Wipe {
    type Out = bool;

    async fn apply(self, on: &mut SqliteConnection) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "SELECT org_id, room_id, session_id FROM chat_sessions WHERE until <= $1 ORDER BY until LIMIT 1",
        )
        .bind(self.now.as_millis())
        .fetch_optional(&mut *on)
        .await?;
        let Some(found) = found else {
            return Ok(false);
        };
        let of = ChatSession {
            org: row::id(&found, "org_id")?,
            room: row::id(&found, "room_id")?,
            session: row::id(&found, "session_id")?,
        };
        // First the right to read, which must not outlast its time, then what could be read.
        let (attendances, messages, session) = (
            "DELETE FROM chat_attendances WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
            "DELETE FROM chat_messages WHERE org_id = $1 AND room_id = $2 AND number IN (SELECT number FROM chat_messages \
             WHERE org_id = $1 AND room_id = $2 AND session_id = $3 LIMIT $4)",
            "DELETE FROM chat_sessions WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
        );
        run(on, attendances, of).await?;
        let wiped = sqlx::query(messages)
            .bind(of.org.as_bytes().as_slice())
            .bind(of.room.as_bytes().as_slice())
            .bind(of.session.as_bytes().as_slice())
            .bind(WIPED_AT_ONCE)
            .execute(&mut *on)
            .await?;
        if i64::try_from(wiped.rows_affected()).is_ok_and(|wiped| wiped < WIPED_AT_ONCE) {
            run(on, session, of).await?;
        }
        Ok(true)
    }
}

async fn run(
    on: &mut SqliteConnection,
    statement: &'static str,
    of: ChatSession,
) -> Result<(), StoreError> {
    sqlx::query(statement)
        .bind(of.org.as_bytes().as_slice())
        .bind(of.room.as_bytes().as_slice())
        .bind(of.session.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::store::database::tests::{open, store};
    use crate::store::rooms::tests::room_of;
    use crate::store::settings::tests::permits;
    use conclave_policy::settings::SettingKey;

    pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    pub(crate) fn session(store: &Store, room: RoomId, number: u8) -> ChatSession {
        ChatSession {
            org: store.org(),
            room,
            session: SessionId::from_bytes([number; 16]),
        }
    }

    pub(crate) fn attendance(who: u8, first: u64, last: Option<u64>) -> ChatAttendance {
        ChatAttendance {
            participant: ParticipantId::from_bytes([who; 16]),
            actor: ActorId::from_bytes([who; 16]),
            first,
            last,
        }
    }

    pub(crate) fn message(of: ChatSession, number: u64, text: &str) -> NewChat {
        NewChat {
            of,
            number,
            participant: ParticipantId::from_bytes([1; 16]),
            actor: ActorId::from_bytes([1; 16]),
            role: Role::Host,
            name: Secret::new("Grace".to_owned()),
            at: NOW,
            reference: Secret::new(format!("r{number}")),
            text: Secret::new(text.to_owned()),
            keep: None,
            attendances: Vec::new(),
        }
    }

    async fn count(store: &Store, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    async fn sealed(store: &Store, number: i64) -> Vec<u8> {
        sqlx::query_scalar("SELECT text FROM chat_messages WHERE number = $1")
            .bind(number)
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    /// Whether these bytes stand anywhere in the files of the folder.
    fn in_files(folder: &std::path::Path, bytes: &[u8]) -> bool {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let file = std::fs::read(entry.unwrap().path()).unwrap();
            file.windows(bytes.len()).any(|window| window == bytes)
        })
    }

    #[tokio::test]
    async fn numbers_are_never_given_again_not_even_after_all_is_wiped() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let of = session(&store, room, 1);
        assert_eq!(store.last_chat_number(store.org(), room).await, Ok(0));
        for number in [1, 2, 5] {
            let stored = store.add_chat(message(of, number, "hello")).await;
            assert_eq!(stored, Ok(Stored::New));
        }
        let again = NewChat {
            reference: Secret::new("other".into()),
            ..message(of, 4, "hello")
        };
        assert_eq!(store.add_chat(again).await, Err(StoreError::Conflict));
        store.end_chat(of, NOW, None, vec![]).await.unwrap();
        store.wipe_chats(NOW).await.unwrap();
        assert_eq!(count(&store, "chat_messages").await, 0);
        assert_eq!(count(&store, "chat_sessions").await, 0);
        assert_eq!(store.last_chat_number(store.org(), room).await, Ok(5));
    }

    #[tokio::test]
    async fn a_message_that_is_sent_again_keeps_its_number() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let of = session(&store, room, 1);
        store.add_chat(message(of, 1, "hello")).await.unwrap();
        let again = NewChat {
            reference: Secret::new("r1".into()),
            ..message(of, 2, "hello")
        };
        let known = Stored::Known { number: 1, at: NOW };
        assert_eq!(store.add_chat(again.clone()).await, Ok(known));
        assert_eq!(count(&store, "chat_messages").await, 1);
        // The same name for it by someone else, or in another session, is another message.
        let other = NewChat {
            actor: ActorId::from_bytes([2; 16]),
            ..again.clone()
        };
        assert_eq!(store.add_chat(other).await, Ok(Stored::New));
        let later = NewChat {
            of: session(&store, room, 2),
            number: 3,
            ..again
        };
        assert_eq!(store.add_chat(later).await, Ok(Stored::New));
    }

    #[tokio::test]
    async fn what_is_deleted_or_wiped_is_in_no_file_any_more() {
        let (folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let of = session(&store, room, 1);
        // Long enough to need pages of its own, and short enough to share one.
        for (number, text) in [
            (1, "x".repeat(8000)),
            (2, "short".into()),
            (3, "kept".into()),
        ] {
            store.add_chat(message(of, number, &text)).await.unwrap();
        }
        let (long, short, kept) = (
            sealed(&store, 1).await,
            sealed(&store, 2).await,
            sealed(&store, 3).await,
        );
        // Written to the database itself, not only to its log.
        store.was_taken_away();
        assert_eq!(store.scrub_log().await, Ok(true));
        let (tail, middle) = (&long[long.len() - 64..], &long[4000..4064]);
        assert!(in_files(folder.path(), tail) && in_files(folder.path(), &short));
        let by = ActorId::from_bytes([1; 16]);
        for number in [1, 2] {
            store
                .delete_chat(store.org(), room, number, by)
                .await
                .unwrap();
        }
        assert_eq!(store.scrub_log().await, Ok(true));
        for gone in [tail, middle, &long[16..80], &short] {
            assert!(!in_files(folder.path(), gone));
        }
        assert!(in_files(folder.path(), &kept));
        assert_eq!(count(&store, "chat_messages").await, 3);

        store.end_chat(of, NOW, None, vec![]).await.unwrap();
        store.wipe_chats(NOW).await.unwrap();
        assert_eq!(store.scrub_log().await, Ok(true));
        assert!(!in_files(folder.path(), &kept));
        let missing = store.delete_chat(store.org(), room, 3, by).await;
        assert_eq!(missing, Err(StoreError::Missing));
    }

    #[tokio::test]
    async fn a_long_chat_is_wiped_in_pieces_and_entirely() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let (of, kept) = (session(&store, room, 1), session(&store, room, 2));
        let total = 2 * WIPED_AT_ONCE as u64 + 1;
        let mut last = None;
        for number in 1..=total {
            last = Some(store.add_chat(message(of, number, "hello")));
            if number % 1000 == 0 {
                last.take().unwrap().await.unwrap();
            }
        }
        last.unwrap().await.unwrap();
        store
            .add_chat(message(kept, total + 1, "kept"))
            .await
            .unwrap();
        store.end_chat(of, NOW, None, vec![]).await.unwrap();
        store.wipe_chats(NOW).await.unwrap();
        assert_eq!(count(&store, "chat_messages").await, 1);
    }

    #[tokio::test]
    async fn what_a_killed_server_left_behind_is_wiped_or_kept_as_its_room_wanted() {
        let (folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let (gone, kept) = (session(&store, room, 1), session(&store, room, 2));
        store.add_chat(message(gone, 1, "gone")).await.unwrap();
        let month = NewChat {
            keep: Some(MONTH),
            attendances: vec![attendance(5, 2, None)],
            ..message(kept, 2, "kept")
        };
        store.add_chat(month).await.unwrap();
        store.close().await;

        let store = open(folder.path()).await.unwrap();
        store.end_lost_chats().await.unwrap();
        store.wipe_chats(NOW.after(MONTH / 2)).await.unwrap();
        assert_eq!(count(&store, "chat_messages").await, 1);
        let last: Option<i64> = sqlx::query_scalar("SELECT last FROM chat_attendances")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(last, Some(2));
        store.wipe_chats(NOW.after(MONTH)).await.unwrap();
        for table in ["chat_messages", "chat_attendances", "chat_sessions"] {
            assert_eq!(count(&store, table).await, 0, "{table}");
        }
    }

    #[tokio::test]
    async fn kept_chats_go_when_their_room_keeps_none_any_more_and_when_it_is_gone() {
        let (_folder, store) = store().await;
        let clock = Arc::new(ManualClock::new());
        let (first, lasting) = room_of(&store, 1, 2).await;
        let (second, ended) = room_of(&store, 3, 4).await;
        let keep = |owner, room, value| {
            let permits = permits(owner, room, &[(SettingKey::ChatRetention, value)]);
            store.change_settings(store.org(), permits, None)
        };
        for (owner, room) in [(first, lasting), (second, ended)] {
            keep(owner, room, "thirty_days").await.unwrap();
            let of = session(&store, room, 1);
            store.add_chat(message(of, 1, "kept")).await.unwrap();
            store
                .end_chat(of, clock.now(), Some(MONTH), vec![])
                .await
                .unwrap();
        }
        let look = async || {
            store.ask_kept_chats(clock.now()).await.unwrap();
            store.wipe_chats(clock.now()).await.unwrap();
            count(&store, "chat_messages").await
        };
        assert_eq!(look().await, 2);
        store
            .end_room(store.org(), ended, clock.now())
            .await
            .unwrap();
        assert_eq!(look().await, 1);
        keep(first, lasting, "none").await.unwrap();
        assert_eq!(look().await, 0);
    }
}
