//! Who was thrown out of which room for good, and by what they are known again.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, BarId, DeviceId, LinkId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Pool, Row, query};
use crate::store::writer::{Change, Written};

const NAME: Column = Column {
    table: "bars",
    name: "name",
    scope: Scope::Room,
};
/// Bars that one room keeps; with so many the oldest give way.
const MAX_PER_ROOM: i64 = 1000;

/// Someone thrown out for good.
#[derive(Clone, Debug)]
pub struct KeptBar {
    /// Which bar.
    pub id: BarId,
    /// The name they had.
    pub name: Secret<String>,
    /// The account or guest.
    pub actor: ActorId,
    /// The account, if one was signed in.
    pub account: Option<AccountId>,
    /// The link that a guest came by.
    pub link: Option<LinkId>,
    /// The browser that a guest came with.
    pub device: Option<DeviceId>,
    /// Who did it.
    pub by: ActorId,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Keeps a bar.
    pub fn record_bar(&self, org: OrgId, room: RoomId, bar: KeptBar) -> Written<()> {
        let keys = self.keys().clone();
        self.write(Record {
            org,
            room,
            bar,
            keys,
        })
    }

    /// Forgets a bar.
    pub fn forget_bar(&self, org: OrgId, room: RoomId, bar: BarId) -> Written<()> {
        self.write(Forget { org, room, bar })
    }

    /// The bars of a room, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bars(&self, org: OrgId, room: RoomId) -> Result<Vec<KeptBar>, StoreError> {
        let found = query(
            "SELECT bar_id, name, actor_id, account_id, link_id, device_id, barred_by, barred FROM bars \
             WHERE org_id = $1 AND room_id = $2 ORDER BY barred DESC, bar_id",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        let mut bars = Vec::with_capacity(found.len());
        for found in &found {
            bars.push(read(self.reads(), found, self.keys(), org, room).await?);
        }
        Ok(bars)
    }
}

async fn read(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
    room: RoomId,
) -> Result<KeptBar, StoreError> {
    let id: BarId = row::id(found, "bar_id")?;
    let place = [org.as_bytes().as_slice(), room.as_bytes(), id.as_bytes()];
    Ok(KeptBar {
        id,
        name: row::sealed_text(on, found, keys, NAME, &place).await?,
        actor: row::id(found, "actor_id")?,
        account: row::id_or_none(found, "account_id")?,
        link: row::id_or_none(found, "link_id")?,
        device: row::id_or_none(found, "device_id")?,
        by: row::id(found, "barred_by")?,
        at: row::time(found, "barred")?,
    })
}

struct Record {
    org: OrgId,
    room: RoomId,
    bar: KeptBar,
    keys: Arc<SealingKeys>,
}

impl Change for Record {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            bar,
            keys,
        } = self;
        let (org, room) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        query(
            "DELETE FROM bars WHERE org_id = $1 AND room_id = $2 AND bar_id IN (SELECT bar_id FROM bars \
             WHERE org_id = $1 AND room_id = $2 ORDER BY barred DESC, bar_id LIMIT $4 OFFSET $3)",
        )
        .bind(org)
        .bind(room)
        .bind(MAX_PER_ROOM - 1)
        .bind(MAX_PER_ROOM)
        .execute(&mut *on)
        .await?;
        let place = [org, room, bar.id.as_bytes()];
        let some = |id: Option<[u8; 16]>| id.map(|id| id.to_vec());
        query(
            "INSERT INTO bars (org_id, room_id, bar_id, name, actor_id, account_id, link_id, device_id, barred_by, barred) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(org)
        .bind(room)
        .bind(bar.id.as_bytes().as_slice())
        .bind(keys.seal(&mut *on, NAME, &place, bar.name.expose().as_bytes()).await?)
        .bind(bar.actor.as_bytes().as_slice())
        .bind(some(bar.account.map(|id| *id.as_bytes())))
        .bind(some(bar.link.map(|id| *id.as_bytes())))
        .bind(some(bar.device.map(|id| *id.as_bytes())))
        .bind(bar.by.as_bytes().as_slice())
        .bind(bar.at.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Forget {
    org: OrgId,
    room: RoomId,
    bar: BarId,
}

impl Change for Forget {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("DELETE FROM bars WHERE org_id = $1 AND room_id = $2 AND bar_id = $3")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.room.as_bytes().as_slice())
            .bind(self.bar.as_bytes().as_slice())
            .execute(on)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    fn bar(number: u8) -> KeptBar {
        KeptBar {
            id: BarId::from_bytes([number; 16]),
            name: Secret::new(format!("guest {number}")),
            actor: ActorId::from_bytes([number; 16]),
            account: None,
            link: Some(LinkId::from_bytes([number; 16])),
            device: None,
            by: ActorId::from_bytes([9; 16]),
            at: Timestamp::from_millis(i64::from(number)),
        }
    }

    #[tokio::test]
    async fn a_bar_is_kept_until_it_is_taken_back() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        for number in [1, 2] {
            store
                .record_bar(store.org(), room, bar(number))
                .await
                .unwrap();
        }
        let found = store.bars(store.org(), room).await.unwrap();
        let names: Vec<_> = found.iter().map(|bar| bar.name.expose().as_str()).collect();
        assert_eq!(names, ["guest 2", "guest 1"]);
        assert_eq!(found[1].link, bar(1).link);
        assert_eq!(found[1].device, None);
        store
            .forget_bar(store.org(), room, bar(2).id)
            .await
            .unwrap();
        assert_eq!(store.bars(store.org(), room).await.unwrap().len(), 1);
    }
}
