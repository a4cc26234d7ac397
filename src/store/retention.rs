//! How a chat ends: with its session, or when it has been kept for long enough. What is over can be read by nobody from that
//! moment on, and is wiped soon after, also from the database's own log.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::ids::{OrgId, RoomId};
use crate::store::chat::{ChatAttendance, ChatSession, attend, millis, signed};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

/// Messages that are wiped in one go: the writer has others to write.
const WIPED_AT_ONCE: i64 = 500;
/// How often it is looked what is over.
const KEEPING: Duration = Duration::from_secs(5);
/// In which turns of that the settings of rooms with kept chats are asked: once a minute.
const KEPT_ARE_ASKED: u64 = 12;
/// How many such rooms are read at a time.
const KEPT_ROOMS_AT_ONCE: i64 = 1000;

impl Store {
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
        let over = "SELECT 1 FROM chat_sessions WHERE until <= $1 LIMIT 1";
        while self.is_any(over, now).await? && self.write(Wipe { now }).await? {
            self.was_taken_away();
        }
        Ok(())
    }

    /// Whether there is a row of the time that is asked for. What has nothing to write so does not take a turn of the writer.
    pub(super) async fn is_any(
        &self,
        asked: &'static str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = query(asked)
            .bind(now.as_millis())
            .fetch_optional(self.reads())
            .await?;
        Ok(found.is_some())
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

    /// Ends kept chats of rooms that are gone, or whose settings keep none any more: of all of them, some at a time.
    async fn ask_kept_chats(&self, now: Timestamp) -> Result<(), StoreError> {
        self.ask_kept_chats_by(now, KEPT_ROOMS_AT_ONCE).await
    }

    async fn ask_kept_chats_by(&self, now: Timestamp, at_once: i64) -> Result<(), StoreError> {
        let mut after = (vec![], vec![]);
        loop {
            let found = query(
                "SELECT DISTINCT org_id, room_id FROM chat_sessions WHERE until > $1 AND (org_id, room_id) > ($2, $3) \
                 ORDER BY org_id, room_id LIMIT $4",
            )
            .bind(now.as_millis())
            .bind(after.0.as_slice())
            .bind(after.1.as_slice())
            .bind(at_once)
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
                after = (org.as_bytes().to_vec(), room.as_bytes().to_vec());
            }
            if i64::try_from(found.len()).unwrap_or(i64::MAX) < at_once {
                return Ok(());
            }
        }
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let ChatSession { org, room, session } = self.of;
        let until = self.keep.map_or(self.now, |keep| self.now.after(keep));
        let ended = query(
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
            // A number may have been given that no message was stored under: nobody's time may reach into the next session.
            let given = self.attendances.iter().filter_map(|time| time.last).max();
            if let Some(given) = given {
                query("UPDATE chat_numbers SET last = $3 WHERE org_id = $1 AND room_id = $2 AND last < $3")
                    .bind(org.as_bytes().as_slice())
                    .bind(room.as_bytes().as_slice())
                    .bind(signed(given))
                    .execute(&mut *on)
                    .await?;
            }
            attend(on, self.of, &self.attendances).await?;
        }
        close_attendances(on, self.of).await
    }
}

/// Whoever was still in was in until the last message of all.
async fn close_attendances(on: &mut Connection<'_>, of: ChatSession) -> Result<(), StoreError> {
    query(
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
            "UPDATE chat_attendances SET last = (SELECT n.last FROM chat_numbers n \
             WHERE n.org_id = chat_attendances.org_id AND n.room_id = chat_attendances.room_id) \
             WHERE last IS NULL",
        )
        .execute(&mut *on)
        .await?;
        query("UPDATE chat_sessions SET until = latest + keep WHERE until IS NULL")
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
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

    async fn apply(self, on: &mut Connection<'_>) -> Result<bool, StoreError> {
        let found = query(
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
        let wiped = query(messages)
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
    on: &mut Connection<'_>,
    statement: &'static str,
    of: ChatSession,
) -> Result<(), StoreError> {
    query(statement)
        .bind(of.org.as_bytes().as_slice())
        .bind(of.room.as_bytes().as_slice())
        .bind(of.session.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use conclave_policy::settings::SettingKey;

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::chat::NewChat;
    use crate::store::chat::tests::{NOW, attendance, count, message, session};
    use crate::store::database::tests::{open, store};
    use crate::store::rooms::tests::room_of;
    use crate::store::settings::tests::permits;
    use crate::store::sql::query_scalar;

    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    #[tokio::test]
    async fn c01_a_number_without_a_message_opens_nothing_of_the_next_session() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let of = session(&store, room, 1);
        store.add_chat(message(of, 1, "hello")).await.unwrap();
        // Three more numbers were given, and no message was stored under them.
        let was_in = vec![attendance(5, 1, Some(4))];
        store.end_chat(of, NOW, Some(MONTH), was_in).await.unwrap();
        assert_eq!(store.last_chat_number(store.org(), room).await, Ok(4));
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
        let last: Option<i64> = query_scalar("SELECT last FROM chat_attendances")
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
            store.change_settings(store.org(), permits, None, Timestamp::from_millis(1))
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

    #[tokio::test]
    async fn every_room_that_keeps_a_chat_is_asked_however_many_there_are() {
        let (_folder, store) = store().await;
        let clock = ManualClock::new();
        for number in 0..7 {
            let (_, room) = room_of(&store, 2 * number + 1, 2 * number + 2).await;
            let of = session(&store, room, 1);
            store.add_chat(message(of, 1, "kept")).await.unwrap();
            let ended = store.end_chat(of, clock.now(), Some(MONTH), vec![]);
            ended.await.unwrap();
        }
        // None of these rooms keeps a chat; the settings say so to whoever asks.
        store.ask_kept_chats_by(clock.now(), 2).await.unwrap();
        store.wipe_chats(clock.now()).await.unwrap();
        assert_eq!(count(&store, "chat_messages").await, 0);
    }
}
