//! Who was removed from which room: what keeps them out after a refresh, a new connection or a restart.

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, RoomId, SessionId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

/// Removals that one room remembers; the oldest give way. A removal only matters while its session runs.
const MAX_PER_ROOM: i64 = 1000;

/// Someone who was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// From which session.
    pub session: SessionId,
    /// Who.
    pub actor: ActorId,
    /// By whom.
    pub by: ActorId,
    /// When.
    pub at: Timestamp,
    /// Until when; without it, until it is forgiven.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Records a removal, in place of an earlier one of the same actor.
    pub fn record_removal(&self, org: OrgId, room: RoomId, removal: Removal) -> Written<()> {
        self.write(Record { org, room, removal })
    }

    /// Lets someone come back.
    pub fn forgive_removal(&self, org: OrgId, room: RoomId, actor: ActorId) -> Written<()> {
        self.write(Forgive { org, room, actor })
    }

    /// Removals from a room that stand at this time, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn removals(
        &self,
        org: OrgId,
        room: RoomId,
        now: Timestamp,
    ) -> Result<Vec<Removal>, StoreError> {
        let found = query(
            "SELECT session_id, actor_id, removed_by, removed, until FROM removals \
             WHERE org_id = $1 AND room_id = $2 AND (until IS NULL OR until > $3) ORDER BY removed DESC, actor_id",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(now.as_millis())
        .fetch_all(self.reads())
        .await?;
        found
            .iter()
            .map(|found| {
                Ok(Removal {
                    session: row::id(found, "session_id")?,
                    actor: row::id(found, "actor_id")?,
                    by: row::id(found, "removed_by")?,
                    at: row::time(found, "removed")?,
                    until: row::time_or_none(found, "until")?,
                })
            })
            .collect()
    }
}

struct Record {
    org: OrgId,
    room: RoomId,
    removal: Removal,
}

impl Change for Record {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self { org, room, removal } = self;
        let (org, room) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        let forgotten = "DELETE FROM removals WHERE org_id = $1 AND room_id = $2 AND (actor_id = $3 OR until <= $4)";
        query(forgotten)
            .bind(org)
            .bind(room)
            .bind(removal.actor.as_bytes().as_slice())
            .bind(removal.at.as_millis())
            .execute(&mut *on)
            .await?;
        query(
            "DELETE FROM removals WHERE org_id = $1 AND room_id = $2 AND actor_id IN (SELECT actor_id FROM removals \
             WHERE org_id = $1 AND room_id = $2 ORDER BY removed DESC, actor_id LIMIT $4 OFFSET $3)",
        )
        .bind(org)
        .bind(room)
        .bind(MAX_PER_ROOM - 1)
        .bind(MAX_PER_ROOM)
        .execute(&mut *on)
        .await?;
        query(
            "INSERT INTO removals (org_id, room_id, session_id, actor_id, removed_by, removed, until) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(org)
        .bind(room)
        .bind(removal.session.as_bytes().as_slice())
        .bind(removal.actor.as_bytes().as_slice())
        .bind(removal.by.as_bytes().as_slice())
        .bind(removal.at.as_millis())
        .bind(removal.until.map(Timestamp::as_millis))
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Forgive {
    org: OrgId,
    room: RoomId,
    actor: ActorId,
}

impl Change for Forgive {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("DELETE FROM removals WHERE org_id = $1 AND room_id = $2 AND actor_id = $3")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.room.as_bytes().as_slice())
            .bind(self.actor.as_bytes().as_slice())
            .execute(on)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::{open, store};
    use crate::store::rooms::tests::room_of;

    fn removal(actor: u8, at: i64, until: Option<i64>) -> Removal {
        Removal {
            session: SessionId::from_bytes([7; 16]),
            actor: ActorId::from_bytes([actor; 16]),
            by: ActorId::from_bytes([1; 16]),
            at: Timestamp::from_millis(at),
            until: until.map(Timestamp::from_millis),
        }
    }

    #[tokio::test]
    async fn h07_a_removal_outlives_a_restart_and_ends_with_its_time_or_when_forgiven() {
        let (folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let org = store.org();
        store
            .record_removal(org, room, removal(5, 10, Some(100)))
            .await
            .unwrap();
        store
            .record_removal(org, room, removal(6, 20, None))
            .await
            .unwrap();
        store.close().await;

        let store = open(folder.path()).await.unwrap();
        let stand = async |at| {
            let found = store
                .removals(org, room, Timestamp::from_millis(at))
                .await
                .unwrap();
            found
                .into_iter()
                .map(|removal| removal.actor.as_bytes()[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(stand(99).await, [6, 5]);
        assert_eq!(stand(100).await, [6]);
        store
            .forgive_removal(org, room, ActorId::from_bytes([6; 16]))
            .await
            .unwrap();
        assert!(stand(50).await == [5]);
    }

    #[tokio::test]
    async fn someone_removed_again_stands_once_with_the_later_time() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let org = store.org();
        store
            .record_removal(org, room, removal(5, 10, Some(100)))
            .await
            .unwrap();
        store
            .record_removal(org, room, removal(5, 20, Some(200)))
            .await
            .unwrap();
        let stand = store
            .removals(org, room, Timestamp::from_millis(150))
            .await
            .unwrap();
        assert_eq!(stand, [removal(5, 20, Some(200))]);
    }

    #[tokio::test]
    async fn a_room_remembers_a_bounded_number_and_forgets_the_oldest() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        for at in 0..MAX_PER_ROOM + 5 {
            let mut actor = [0; 16];
            actor[..8].copy_from_slice(&at.to_be_bytes());
            let removal = Removal {
                actor: ActorId::from_bytes(actor),
                ..removal(0, at, None)
            };
            let written = store.record_removal(store.org(), room, removal);
            if at % 100 == 0 || at >= MAX_PER_ROOM {
                written.await.unwrap();
            }
        }
        let stand = store
            .removals(store.org(), room, Timestamp::from_millis(0))
            .await
            .unwrap();
        assert_eq!(stand.len() as i64, MAX_PER_ROOM);
        assert_eq!(stand.last().unwrap().at, Timestamp::from_millis(5));
    }
}
