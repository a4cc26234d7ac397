//! Rooms and accounts of a whole organisation, a page at a time: the newest first, each page after the last line of the one before.

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::accounts::{EMAIL, NAME};
use crate::store::contacts::NOBODYS;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::rooms::TITLE;
use crate::store::row;
use crate::store::sql::{Row, query};

/// After which line a page begins: when it was made, and its identifier.
pub type After = (Timestamp, [u8; 16]);

/// A room of the organisation.
#[derive(Clone, Debug)]
pub struct RoomEntry {
    /// Which.
    pub id: RoomId,
    /// What it is called.
    pub title: Secret<String>,
    /// Whose it is.
    pub owner: AccountId,
    /// When it was made.
    pub created: Timestamp,
}

/// An account of the organisation.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which.
    pub id: AccountId,
    /// Its name.
    pub name: Secret<String>,
    /// Whether it administers the organisation.
    pub is_admin: bool,
    /// Whether it does so when it comes by a provider whose claims say so.
    pub admin_by_provider: bool,
    /// Whether it may create rooms.
    pub may_create_rooms: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its address. None where a provider made it, which gives it none: then it has no password either.
    pub email: Option<Secret<String>>,
    /// How many passkeys open it.
    pub passkeys: u32,
}

impl Store {
    /// Rooms that have not ended: all of them, or those that an account owns or hosts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rooms_after(
        &self,
        org: OrgId,
        of: Option<AccountId>,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<RoomEntry>, StoreError> {
        let (at, id) = after.unwrap_or((Timestamp::from_millis(i64::MAX), [255; 16]));
        let anyone = of.is_none();
        let of = of.unwrap_or(AccountId::from_bytes([0; 16]));
        let found = query(
            "SELECT rooms.room_id, rooms.title, rooms.owner_id, rooms.created FROM rooms LEFT JOIN room_roles ON \
             room_roles.org_id = rooms.org_id AND room_roles.room_id = rooms.room_id AND room_roles.account_id = $2 \
             WHERE rooms.org_id = $1 AND rooms.ended IS NULL AND ($3 = 1 OR rooms.owner_id = $2 OR room_roles.role = 'host') \
             AND (rooms.created < $4 OR rooms.created = $4 AND rooms.room_id < $5) \
             ORDER BY rooms.created DESC, rooms.room_id DESC LIMIT $6",
        )
        .bind(org.as_bytes().as_slice())
        .bind(of.as_bytes().as_slice())
        .bind(i64::from(anyone))
        .bind(at.as_millis())
        .bind(id.as_slice())
        .bind(i64::from(limit))
        .fetch_all(self.reads())
        .await?;
        let mut rooms = Vec::with_capacity(found.len());
        for found in &found {
            let id: RoomId = row::id(found, "room_id")?;
            let place = [org.as_bytes().as_slice(), id.as_bytes()];
            rooms.push(RoomEntry {
                id,
                title: row::sealed_text(self.reads(), found, self.keys(), TITLE, &place).await?,
                owner: row::id(found, "owner_id")?,
                created: row::time(found, "created")?,
            });
        }
        Ok(rooms)
    }

    /// Accounts that have not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members_after(
        &self,
        org: OrgId,
        after: Option<After>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let (at, id) = after.unwrap_or((Timestamp::from_millis(i64::MAX), [255; 16]));
        let found = query(
            "SELECT account_id, name, email, is_admin, may_create_rooms, created, (SELECT count(*) FROM identities WHERE \
             identities.org_id = accounts.org_id AND identities.account_id = accounts.account_id AND identities.is_admin = 1) \
             AS elsewhere, (SELECT count(*) FROM passkeys WHERE passkeys.org_id = accounts.org_id AND \
             passkeys.account_id = accounts.account_id AND passkeys.regressed IS NULL) AS passkeys FROM accounts WHERE org_id = $1 AND ended IS NULL \
             AND (created < $2 OR created = $2 AND account_id < $3) ORDER BY created DESC, account_id DESC LIMIT $4",
        )
        .bind(org.as_bytes().as_slice())
        .bind(at.as_millis())
        .bind(id.as_slice())
        .bind(i64::from(limit))
        .fetch_all(self.reads())
        .await?;
        let mut members = Vec::with_capacity(found.len());
        for found in &found {
            members.push(self.member_in(org, found).await?);
        }
        Ok(members)
    }

    /// One account that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn member(&self, org: OrgId, id: AccountId) -> Result<Option<Member>, StoreError> {
        let found = query(
            "SELECT account_id, name, email, is_admin, may_create_rooms, created, (SELECT count(*) FROM identities WHERE \
             identities.org_id = accounts.org_id AND identities.account_id = accounts.account_id AND identities.is_admin = 1) \
             AS elsewhere, (SELECT count(*) FROM passkeys WHERE passkeys.org_id = accounts.org_id AND \
             passkeys.account_id = accounts.account_id AND passkeys.regressed IS NULL) AS passkeys FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        match found {
            Some(found) => self.member_in(org, &found).await.map(Some),
            None => Ok(None),
        }
    }

    /// When someone signed in to an account last, as the audit trail has it; none where nobody did since they made it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_sign_in(
        &self,
        org: OrgId,
        id: AccountId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = query(
            "SELECT at FROM audit WHERE org_id = $1 AND actor = $2 AND action = 'sign_in' AND decision = 'noted' \
             ORDER BY seq DESC LIMIT 1",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        found.map(|found| row::time(&found, "at")).transpose()
    }

    async fn member_in(&self, org: OrgId, found: &Row) -> Result<Member, StoreError> {
        let id: AccountId = row::id(found, "account_id")?;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let email = row::sealed_text(self.reads(), found, self.keys(), EMAIL, &place).await?;
        Ok(Member {
            id,
            name: row::sealed_text(self.reads(), found, self.keys(), NAME, &place).await?,
            is_admin: row::flag(found, "is_admin")?,
            admin_by_provider: found.try_get::<i64, _>("elsewhere")? > 0,
            may_create_rooms: row::flag(found, "may_create_rooms")?,
            created: row::time(found, "created")?,
            email: (!email.expose().ends_with(NOBODYS)).then_some(email),
            passkeys: u32::try_from(found.try_get::<i64, _>("passkeys")?)
                .map_err(|_| StoreError::Corrupt)?,
        })
    }
}
