//! The chat of rooms: sealed messages under numbers that are never given again, and who was in when. What is read back is
//! asked for by ranges of numbers; nothing here decides who may read.

use std::sync::Arc;
use std::time::Duration;

use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, ParticipantId, RoomId, SessionId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, Purpose, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

pub(super) const TEXT: Column = Column {
    table: "chat_messages",
    name: "text",
    scope: Scope::Room,
};
pub(super) const NAME: Column = Column {
    table: "chat_messages",
    name: "name",
    scope: Scope::Room,
};

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

    /// The last number that was given in a room; 0 before the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_chat_number(&self, org: OrgId, room: RoomId) -> Result<u64, StoreError> {
        let last: Option<i64> =
            query_scalar("SELECT last FROM chat_numbers WHERE org_id = $1 AND room_id = $2")
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

pub(super) fn millis(time: Option<Duration>) -> i64 {
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<Stored, StoreError> {
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
        query(
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
        .bind(keys.seal(&mut *on, NAME, &row, message.name.expose().as_bytes()).await?)
        .bind(keys.seal(&mut *on, TEXT, &row, message.text.expose().as_bytes()).await?)
        .execute(on)
        .await?;
        Ok(Stored::New)
    }
}

/// The same message, if it was stored before.
async fn known(
    on: &mut Connection<'_>,
    message: &NewChat,
    reference: &[u8; 32],
) -> Result<Option<Stored>, StoreError> {
    let found = query(
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
async fn begin(on: &mut Connection<'_>, message: &NewChat) -> Result<(), StoreError> {
    let ChatSession { org, room, session } = message.of;
    let taken = query(
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
    query(
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

pub(super) async fn attend(
    on: &mut Connection<'_>,
    of: ChatSession,
    attendances: &[ChatAttendance],
) -> Result<(), StoreError> {
    for attendance in attendances {
        query(
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let deleted = query(
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("DELETE FROM chat_messages WHERE org_id = $1 AND room_id = $2 AND number = $3")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.room.as_bytes().as_slice())
            .bind(signed(self.number))
            .execute(on)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::database::tests::{on_postgres, store};
    use crate::store::rooms::tests::room_of;

    pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000_000);

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
            name: Secret::new("Member".to_owned()),
            at: NOW,
            reference: Secret::new(format!("r{number}")),
            text: Secret::new(text.to_owned()),
            keep: None,
            attendances: Vec::new(),
        }
    }

    pub(crate) async fn count(store: &Store, table: &str) -> i64 {
        query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    async fn sealed(store: &Store, number: i64) -> Vec<u8> {
        query_scalar("SELECT text FROM chat_messages WHERE number = $1")
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
        if on_postgres() {
            return; // Decision 0070: what is sealed stays in its files until they are written anew.
        }
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
}
