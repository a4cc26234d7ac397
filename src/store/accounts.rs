//! Accounts. E-mail, name and password hash are sealed; an account is found by the keyed hash of its e-mail.

use std::sync::Arc;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, OrgId};
use crate::secret::{self, Secret};
use crate::store::database::Store;
use crate::store::datakeys::{Holder, Scope};
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::seal::{Column, Purpose, SealingKeys};
use crate::store::sql::{Connection, Row, Target, query};
use crate::store::writer::{Change, Written};
use crate::store::{identities, ownsessions, passkeys, pictures, row};

pub(super) const EMAIL: Column = Column {
    table: "accounts",
    name: "email",
    scope: Scope::Account,
};
pub(super) const NAME: Column = Column {
    table: "accounts",
    name: "name",
    scope: Scope::Account,
};
pub(super) const PASSWORD: Column = Column {
    table: "accounts",
    name: "password",
    scope: Scope::Account,
};

/// The epoch of a new account.
pub(crate) const FIRST_EPOCH: i64 = 1;

/// An account as the server works with it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// The name that others see.
    pub name: Secret<String>,
    /// Whether it may create rooms.
    pub may_create_rooms: bool,
    /// Whether it administers the organisation.
    pub is_admin: bool,
    /// Sessions of an earlier epoch are over.
    pub epoch: i64,
}

/// An account together with what proves a sign-in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who it is.
    pub account: Account,
    /// The password hash as a PHC string.
    pub password: Secret<String>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its identifier.
    pub id: AccountId,
    /// The normalised e-mail address.
    pub email: Secret<String>,
    /// The name that others see.
    pub name: Secret<String>,
    /// The password hash as a PHC string.
    pub password: Secret<String>,
    /// Whether it may create rooms.
    pub may_create_rooms: bool,
    /// Whether it administers the organisation.
    pub is_admin: bool,
    /// When it is made.
    pub created: Timestamp,
}

impl Store {
    /// Finds who signs in with this e-mail address. Ended accounts are not found.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn credentials(
        &self,
        org: OrgId,
        email: &str,
    ) -> Result<Option<Credentials>, StoreError> {
        // Whoever has no account costs as much as whoever has one: the account next to it, or the first of all, is read and opened
        // in its place, so that the time of a sign-in tells nothing.
        let index = self.email_index(org, email);
        let found = query(
            "SELECT * FROM (SELECT 0 AS place, email_index, account_id, name, password, may_create_rooms, is_admin, epoch FROM accounts \
             WHERE org_id = $1 AND email_index >= $2 AND ended IS NULL ORDER BY email_index LIMIT 1) AS near \
             UNION ALL SELECT * FROM (SELECT 1 AS place, email_index, account_id, name, password, may_create_rooms, is_admin, epoch \
             FROM accounts WHERE org_id = $1 AND ended IS NULL ORDER BY email_index LIMIT 1) AS first ORDER BY place",
        )
        .bind(org.as_bytes().as_slice())
        .bind(index.as_slice())
        .fetch_all(self.reads())
        .await?;
        let Some(found) = found.first() else {
            return Ok(None);
        };
        let theirs = secret::equal(&row::bytes::<32>(found, "email_index")?, &index);
        let opened = self.opened(org, found).await;
        if theirs { opened.map(Some) } else { Ok(None) }
    }

    async fn opened(&self, org: OrgId, found: &Row) -> Result<Credentials, StoreError> {
        let account = read(self.reads(), found, self.keys(), org).await?;
        let place = [org.as_bytes().as_slice(), account.id.as_bytes()];
        let password = row::sealed_text(self.reads(), found, self.keys(), PASSWORD, &place).await?;
        Ok(Credentials { account, password })
    }

    /// An account that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account(&self, org: OrgId, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found = query(
            "SELECT account_id, name, may_create_rooms, is_admin, epoch FROM accounts \
             WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        read(self.reads(), &found, self.keys(), org).await.map(Some)
    }

    /// The name of an account, for those who read what it did. One that has ended has none any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_name(
        &self,
        org: OrgId,
        id: AccountId,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let found = query(
            "SELECT name FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        name_in(self.reads(), &found, self.keys(), org, id.into()).await
    }

    /// Whether the organisation has ever had an account. Only before that may an owner's link be given out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_accounts(&self, org: OrgId) -> Result<bool, StoreError> {
        let found = query("SELECT 1 FROM accounts WHERE org_id = $1 LIMIT 1")
            .bind(org.as_bytes().as_slice())
            .fetch_optional(self.reads())
            .await?;
        Ok(found.is_some())
    }

    /// Ends an account and every session of it; what was sealed of it opens no more. `Missing` when there is none, or it has ended.
    pub fn end_account(&self, org: OrgId, id: AccountId, now: Timestamp) -> Written<()> {
        let data = MemberData { account_id: id };
        let news = self.news(NewsKind::MemberEnded, None, now, &data);
        let keys = self.keys().clone();
        let ended = self.write_telling(org, End { org, id, now, keys }, news, |()| true);
        self.was_taken_away();
        ended
    }

    /// Gives an account another name. `Missing` when there is none, or it has ended.
    pub fn rename_account(&self, org: OrgId, id: AccountId, name: &str) -> Written<()> {
        self.write(Rename {
            org,
            id,
            name: Secret::new(name.to_owned()),
            keys: self.keys().clone(),
        })
    }

    /// Ends every session of an account; it may sign in again.
    pub fn end_sessions_of(&self, org: OrgId, id: AccountId) -> Written<()> {
        self.write(NextEpoch { org, id })
    }
}

/// Makes an account; an e-mail address that is in use is a `Conflict`.
pub(super) async fn insert(
    on: &mut Connection<'_>,
    keys: &SealingKeys,
    org: OrgId,
    account: &NewAccount,
) -> Result<(), StoreError> {
    let place = [org.as_bytes().as_slice(), account.id.as_bytes()];
    query(
        "INSERT INTO accounts (org_id, account_id, email_index, email, name, password, may_create_rooms, is_admin, \
         epoch, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)",
    )
    .bind(org.as_bytes().as_slice())
    .bind(account.id.as_bytes().as_slice())
    .bind(email_index(keys, org, account.email.expose()).as_slice())
    .bind(keys.seal(&mut *on, EMAIL, &place, account.email.expose().as_bytes()).await?)
    .bind(keys.seal(&mut *on, NAME, &place, account.name.expose().as_bytes()).await?)
    .bind(keys.seal(&mut *on, PASSWORD, &place, account.password.expose().as_bytes()).await?)
    .bind(i64::from(account.may_create_rooms))
    .bind(i64::from(account.is_admin))
    .bind(account.created.as_millis())
    .execute(on)
    .await?;
    Ok(())
}

/// Whether a row for this organisation exists, seen from inside a write.
pub(super) async fn any(on: &mut Connection<'_>, org: OrgId) -> Result<bool, StoreError> {
    let found = query("SELECT 1 FROM accounts WHERE org_id = $1 LIMIT 1")
        .bind(org.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn read(
    on: impl Into<Target<'_>>,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
) -> Result<Account, StoreError> {
    let id: AccountId = row::id(found, "account_id")?;
    Ok(Account {
        id,
        name: row::sealed_text(on, found, keys, NAME, &[org.as_bytes(), id.as_bytes()]).await?,
        may_create_rooms: row::flag(found, "may_create_rooms")?,
        is_admin: row::flag(found, "is_admin")?,
        epoch: found.try_get("epoch")?,
    })
}

/// The name of the account that a joined row speaks of, from its column `name`; none if there is no such account any more.
pub(super) async fn name_in(
    on: impl Into<Target<'_>>,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
    id: ActorId,
) -> Result<Option<Secret<String>>, StoreError> {
    if found.try_get::<Option<&[u8]>, _>(NAME.name)?.is_none() {
        return Ok(None);
    }
    match row::sealed_text(on, found, keys, NAME, &[org.as_bytes(), id.as_bytes()]).await {
        Ok(name) => Ok(Some(name)),
        Err(StoreError::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}

fn email_index(keys: &SealingKeys, org: OrgId, email: &str) -> [u8; 32] {
    keys.keyed_hash(Purpose::Email, &[org.as_bytes(), email.as_bytes()])
}

/// An account, as other programs are told of it.
#[derive(Serialize)]
pub(super) struct MemberData {
    pub(super) account_id: AccountId,
}

pub(super) struct End {
    pub(super) org: OrgId,
    pub(super) id: AccountId,
    pub(super) now: Timestamp,
    pub(super) keys: Arc<SealingKeys>,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let ended = query(
            "UPDATE accounts SET ended = $1, epoch = epoch + 1, email_index = $4 WHERE org_id = $2 AND account_id = $3 AND ended IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        // Whose address it was can be guessed at no more.
        .bind([0; 32].as_slice())
        .execute(&mut *on)
        .await?;
        if ended.rows_affected() != 1 {
            return Err(StoreError::Missing);
        }
        identities::forget(&mut *on, self.org, self.id).await?;
        passkeys::forget(&mut *on, self.org, self.id).await?;
        ownsessions::forget(&mut *on, self.org, self.id).await?;
        pictures::forget(&mut *on, self.org, self.id.into()).await?;
        let holder = Holder::account(*self.org.as_bytes(), *self.id.as_bytes());
        self.keys.shred(on, holder).await
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Account(self.id)))
    }
}

struct Rename {
    org: OrgId,
    id: AccountId,
    name: Secret<String>,
    keys: Arc<SealingKeys>,
}

impl Change for Rename {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let place = [self.org.as_bytes().as_slice(), self.id.as_bytes()];
        let name = self.name.expose().as_bytes();
        let renamed = query(
            "UPDATE accounts SET name = $1 WHERE org_id = $2 AND account_id = $3 AND ended IS NULL",
        )
        .bind(self.keys.seal(&mut *on, NAME, &place, name).await?)
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .execute(on)
        .await?;
        if renamed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}

struct NextEpoch {
    org: OrgId,
    id: AccountId,
}

impl Change for NextEpoch {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let raised =
            query("UPDATE accounts SET epoch = epoch + 1 WHERE org_id = $1 AND account_id = $2")
                .bind(self.org.as_bytes().as_slice())
                .bind(self.id.as_bytes().as_slice())
                .execute(on)
                .await?;
        if raised.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Account(self.id)))
    }
}

/// A change that makes one account, for tests of other parts.
#[cfg(test)]
pub(crate) struct Make(
    pub(crate) OrgId,
    pub(crate) NewAccount,
    pub(crate) Arc<SealingKeys>,
);

#[cfg(test)]
impl Change for Make {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        insert(on, &self.2, self.0, &self.1).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::database::tests::store;

    pub(crate) fn new_account(id: u8, email: &str) -> NewAccount {
        NewAccount {
            id: AccountId::from_bytes([id; 16]),
            email: Secret::new(email.to_owned()),
            name: Secret::new("Member".to_owned()),
            password: Secret::new("$argon2id$hash".to_owned()),
            may_create_rooms: true,
            is_admin: false,
            created: Timestamp::from_millis(1),
        }
    }

    pub(crate) async fn make(store: &Store, id: u8, email: &str) -> AccountId {
        let account = new_account(id, email);
        store
            .write(Make(store.org(), account, store.keys().clone()))
            .await
            .unwrap();
        AccountId::from_bytes([id; 16])
    }

    #[tokio::test]
    async fn an_account_is_found_by_its_address_in_its_organisation_only() {
        let (_folder, store) = store().await;
        let id = make(&store, 1, "member@example.org").await;
        let found = store
            .credentials(store.org(), "member@example.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((found.account.id, found.account.epoch), (id, 1));
        assert_eq!(found.account.name.expose(), "Member");
        assert_eq!(found.password.expose(), "$argon2id$hash");
        assert!(
            store
                .credentials(store.org(), "other@example.org")
                .await
                .unwrap()
                .is_none()
        );
        let elsewhere = OrgId::from_bytes([9; 16]);
        assert!(
            store
                .credentials(elsewhere, "member@example.org")
                .await
                .unwrap()
                .is_none()
        );
        assert!(store.account(elsewhere, id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_address_belongs_to_one_account_and_is_free_again_after_its_end() {
        let (_folder, store) = store().await;
        let first = make(&store, 1, "member@example.org").await;
        let second = new_account(2, "member@example.org");
        let refused = store
            .write(Make(store.org(), second, store.keys().clone()))
            .await;
        assert_eq!(refused, Err(StoreError::Conflict));
        store
            .end_account(store.org(), first, Timestamp::from_millis(2))
            .await
            .unwrap();
        assert!(store.account(store.org(), first).await.unwrap().is_none());
        assert_eq!(
            store
                .end_account(store.org(), first, Timestamp::from_millis(3))
                .await,
            Err(StoreError::Missing)
        );
        make(&store, 2, "member@example.org").await;
    }

    #[tokio::test]
    async fn a_refused_write_leaves_its_neighbours_in_the_group() {
        let (_folder, store) = store().await;
        let writes: Vec<_> = [(1, "a@x"), (2, "b@x"), (3, "a@x"), (4, "c@x")]
            .into_iter()
            .map(|(id, email)| {
                store.write(Make(
                    store.org(),
                    new_account(id, email),
                    store.keys().clone(),
                ))
            })
            .collect();
        let mut answers = Vec::new();
        for write in writes {
            answers.push(write.await);
        }
        assert_eq!(answers, [Ok(()), Ok(()), Err(StoreError::Conflict), Ok(())]);
        assert!(
            store
                .credentials(store.org(), "c@x")
                .await
                .unwrap()
                .is_some()
        );
    }
}
