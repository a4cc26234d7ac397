//! Links by which one named guest may come to the door of a room: used by the first device that shows the secret, over at
//! a time, taken back at will. Only the hash of the secret is kept.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ActorId, DeviceId, LinkId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::rooms;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Row, Target, query};
use crate::store::writer::{Change, Written};

const LABEL: Column = Column {
    table: "guest_links",
    name: "label",
    scope: Scope::Room,
};
/// Links of a room that can be used.
const MAX_LIVE: i64 = 1000;
/// Links of a room that are kept in all.
const MAX_KEPT: i64 = 5000;
/// How long a used link is kept after it is over: longer than the session of whoever came by it, which rests on it.
const KEPT_MILLIS: i64 = 2 * 24 * 3600 * 1000;

/// A link to be kept.
#[derive(Clone, Debug)]
pub struct NewGuestLink {
    /// Which.
    pub id: LinkId,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// Whom it is for, in the words of the host.
    pub label: Secret<String>,
    /// Who made it.
    pub by: ActorId,
    /// When.
    pub made: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// A link as it stands.
#[derive(Clone, Debug)]
pub struct GuestLinkRow {
    /// Which.
    pub id: LinkId,
    /// Whom it is for, in the words of the host.
    pub label: Secret<String>,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// When it was first used.
    pub used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Store {
    /// Keeps a new link. `Full` when the room has too many, `Missing` when there is no such room.
    pub fn add_guest_link(&self, org: OrgId, room: RoomId, link: NewGuestLink) -> Written<()> {
        let keys = self.keys().clone();
        self.write(Add {
            org,
            room,
            link,
            keys,
        })
    }

    /// Uses the link with this secret from this device: the first device that does so is the only one that ever can.
    /// `Missing` for everything else: unknown, of another room, over, taken back, used elsewhere.
    pub fn use_guest_link(
        &self,
        org: OrgId,
        room: RoomId,
        secret_hash: [u8; 32],
        device: DeviceId,
        now: Timestamp,
    ) -> Written<(LinkId, Secret<String>)> {
        let keys = self.keys().clone();
        self.write(Use {
            org,
            room,
            secret_hash,
            device,
            now,
            keys,
        })
    }

    /// Takes a link back. `Missing` when there is none that stands.
    pub fn revoke_guest_link(
        &self,
        org: OrgId,
        room: RoomId,
        link: LinkId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Revoke {
            org,
            room,
            link,
            now,
        })
    }

    /// Whether whoever came by this link may still be here: it was not taken back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn guest_link_stands(
        &self,
        org: OrgId,
        room: RoomId,
        link: LinkId,
    ) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM guest_links WHERE org_id = $1 AND room_id = $2 AND link_id = $3 AND revoked IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(link.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        Ok(found.is_some())
    }

    /// The links of a room, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn guest_links(
        &self,
        org: OrgId,
        room: RoomId,
    ) -> Result<Vec<GuestLinkRow>, StoreError> {
        let found = query(
            "SELECT link_id, label, made, expires, used, revoked FROM guest_links \
             WHERE org_id = $1 AND room_id = $2 ORDER BY made DESC, link_id",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        let mut links = Vec::with_capacity(found.len());
        for found in &found {
            let id: LinkId = row::id(found, "link_id")?;
            links.push(GuestLinkRow {
                id,
                label: label(self.reads(), found, self.keys(), (org, room, id)).await?,
                made: row::time(found, "made")?,
                expires: row::time(found, "expires")?,
                used: row::time_or_none(found, "used")?,
                revoked: row::time_or_none(found, "revoked")?,
            });
        }
        Ok(links)
    }
}

async fn label(
    on: impl Into<Target<'_>>,
    found: &Row,
    keys: &SealingKeys,
    (org, room, id): (OrgId, RoomId, LinkId),
) -> Result<Secret<String>, StoreError> {
    let place = [org.as_bytes().as_slice(), room.as_bytes(), id.as_bytes()];
    row::sealed_text(on, found, keys, LABEL, &place).await
}

struct Add {
    org: OrgId,
    room: RoomId,
    link: NewGuestLink,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            link,
            keys,
        } = self;
        rooms::stands(on, org, room).await?;
        let (org, room) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        // What can no longer be used makes room; whoever came by it is in the audit trail.
        query(
            "DELETE FROM guest_links WHERE org_id = $1 AND room_id = $2 AND (expires <= $4 OR revoked <= $4 \
             OR used IS NULL AND (expires <= $3 OR revoked IS NOT NULL))",
        )
        .bind(org)
        .bind(room)
        .bind(link.made.as_millis())
        .bind(link.made.as_millis().saturating_sub(KEPT_MILLIS))
        .execute(&mut *on)
        .await?;
        let counted = query(
            "SELECT COUNT(*) AS kept, COUNT(CASE WHEN expires > $3 AND revoked IS NULL THEN 1 END) AS live FROM guest_links \
             WHERE org_id = $1 AND room_id = $2",
        )
        .bind(org)
        .bind(room)
        .bind(link.made.as_millis())
        .fetch_one(&mut *on)
        .await?;
        let (kept, live): (i64, i64) = (counted.try_get("kept")?, counted.try_get("live")?);
        if live >= MAX_LIVE || kept >= MAX_KEPT {
            return Err(StoreError::Full);
        }
        let place = [org, room, link.id.as_bytes()];
        query(
            "INSERT INTO guest_links (org_id, room_id, link_id, secret_hash, label, made_by, made, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(org)
        .bind(room)
        .bind(link.id.as_bytes().as_slice())
        .bind(link.secret_hash.as_slice())
        .bind(keys.seal(&mut *on, LABEL, &place, link.label.expose().as_bytes()).await?)
        .bind(link.by.as_bytes().as_slice())
        .bind(link.made.as_millis())
        .bind(link.expires.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Use {
    org: OrgId,
    room: RoomId,
    secret_hash: [u8; 32],
    device: DeviceId,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for Use {
    type Out = (LinkId, Secret<String>);

    async fn apply(self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let (org, room) = (
            self.org.as_bytes().as_slice(),
            self.room.as_bytes().as_slice(),
        );
        let found = query(
            "SELECT link_id, label, device_id FROM guest_links WHERE org_id = $1 AND room_id = $2 AND secret_hash = $3 \
             AND revoked IS NULL AND expires > $4",
        )
        .bind(org)
        .bind(room)
        .bind(self.secret_hash.as_slice())
        .bind(self.now.as_millis())
        .fetch_optional(&mut *on)
        .await?
        .ok_or(StoreError::Missing)?;
        let id: LinkId = row::id(&found, "link_id")?;
        let device: Option<Vec<u8>> = found.try_get("device_id")?;
        match device {
            Some(device) if device == self.device.as_bytes() => {}
            Some(_) => return Err(StoreError::Missing),
            None => {
                query(
                    "UPDATE guest_links SET device_id = $1, used = $2 WHERE org_id = $3 AND room_id = $4 AND link_id = $5",
                )
                .bind(self.device.as_bytes().as_slice())
                .bind(self.now.as_millis())
                .bind(org)
                .bind(room)
                .bind(id.as_bytes().as_slice())
                .execute(&mut *on)
                .await?;
            }
        }
        let of = (self.org, self.room, id);
        Ok((id, label(on, &found, &self.keys, of).await?))
    }
}

struct Revoke {
    org: OrgId,
    room: RoomId,
    link: LinkId,
    now: Timestamp,
}

impl Change for Revoke {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let changed = query(
            "UPDATE guest_links SET revoked = $1 WHERE org_id = $2 AND room_id = $3 AND link_id = $4 AND revoked IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .bind(self.link.as_bytes().as_slice())
        .execute(on)
        .await?;
        if changed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Link(self.link)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    const HASH: [u8; 32] = [7; 32];

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn device(number: u8) -> DeviceId {
        DeviceId::from_bytes([number; 16])
    }

    async fn world() -> (tempfile::TempDir, Store, RoomId) {
        let (folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let link = NewGuestLink {
            id: LinkId::from_bytes([3; 16]),
            secret_hash: HASH,
            label: Secret::new("the auditor".to_owned()),
            by: ActorId::from_bytes([9; 16]),
            made: at(0),
            expires: at(1000),
        };
        store.add_guest_link(store.org(), room, link).await.unwrap();
        (folder, store, room)
    }

    #[tokio::test]
    async fn a_link_belongs_to_the_first_device_that_uses_it() {
        let (_folder, store, room) = world().await;
        let try_it = |device, now| store.use_guest_link(store.org(), room, HASH, device, at(now));
        let (_, label) = try_it(device(1), 10).await.unwrap();
        assert_eq!(label.expose(), "the auditor");
        assert!(try_it(device(1), 20).await.is_ok());
        assert_eq!(try_it(device(2), 30).await.err(), Some(StoreError::Missing));
    }

    #[tokio::test]
    async fn a_link_that_is_over_or_taken_back_is_none() {
        let (_folder, store, room) = world().await;
        let try_it = |now| store.use_guest_link(store.org(), room, HASH, device(1), at(now));
        assert_eq!(try_it(1000).await.err(), Some(StoreError::Missing));
        let (id, _) = try_it(999).await.unwrap();
        assert_eq!(
            store.guest_link_stands(store.org(), room, id).await,
            Ok(true)
        );
        store
            .revoke_guest_link(store.org(), room, id, at(999))
            .await
            .unwrap();
        assert_eq!(
            store.guest_link_stands(store.org(), room, id).await,
            Ok(false)
        );
        assert_eq!(try_it(999).await.err(), Some(StoreError::Missing));
        let other = RoomId::from_bytes([77; 16]);
        let elsewhere = store.use_guest_link(store.org(), other, HASH, device(1), at(1));
        assert_eq!(elsewhere.await.err(), Some(StoreError::Missing));
    }

    #[tokio::test]
    async fn links_that_are_over_fill_no_room_and_used_ones_are_kept_as_long_as_their_guests_may_stay()
     {
        let (_folder, store, room) = world().await;
        let add = |number: i64, made: i64, expires: i64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let mut secret_hash = [0; 32];
            secret_hash[..8].copy_from_slice(&number.to_be_bytes());
            let link = NewGuestLink {
                id: LinkId::from_bytes(id),
                secret_hash,
                label: Secret::new("someone".to_owned()),
                by: ActorId::from_bytes([9; 16]),
                made: at(made),
                expires: at(expires),
            };
            store.add_guest_link(store.org(), room, link)
        };
        let (first, _) = store
            .use_guest_link(store.org(), room, HASH, device(1), at(1))
            .await
            .unwrap();
        let mut last = None;
        for number in 1..MAX_LIVE {
            last = Some(add(number, 0, 1000));
        }
        last.unwrap().await.unwrap();
        assert_eq!(add(9_999, 999, 2000).await, Err(StoreError::Full));
        // They are over; the one that was used stays until its guest must be gone.
        assert_eq!(add(10_000, 1000, 2000).await, Ok(()));
        let kept = async || store.guest_links(store.org(), room).await.unwrap();
        assert_eq!(kept().await.len(), 2);
        let stands = store.guest_link_stands(store.org(), room, first);
        assert_eq!(stands.await, Ok(true));
        let later = 1000 + KEPT_MILLIS;
        add(10_001, later, later + 1).await.unwrap();
        assert_eq!(kept().await.len(), 1);
    }
}
