//! Passkeys of accounts. One is found by the keyed hash of its credential's name and belongs to one account; what can be read of
//! it is sealed.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId, PasskeyId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::ownsessions;
use crate::store::row;
use crate::store::seal::{Column, Purpose, SealingKeys};
use crate::store::sql::{Connection, Pool, Row, query, query_scalar};
use crate::store::writer::{Change, Written};

const NAME: Column = Column {
    table: "passkeys",
    name: "name",
    scope: Scope::Account,
};
const CREDENTIAL: Column = Column {
    table: "passkeys",
    name: "credential",
    scope: Scope::Account,
};
/// Passkeys of one account.
const MOST: i64 = 10;

/// A passkey to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewPasskey<'a> {
    /// What it is called here.
    pub id: PasskeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What stands for its credential: [`Store::passkey_index`].
    pub index: [u8; 32],
    /// What its owner calls it.
    pub name: &'a str,
    /// Public key and counter.
    pub credential: &'a [u8],
    /// When it is made.
    pub made: Timestamp,
}

/// A passkey of an account that stands.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// Which.
    pub id: PasskeyId,
    /// Whose.
    pub account: AccountId,
    /// The epoch of that account.
    pub epoch: i64,
    /// What its owner calls it.
    pub name: Secret<String>,
    /// Public key and counter.
    pub credential: Secret<Vec<u8>>,
    /// How often it was used.
    pub uses: i64,
    /// When it was made.
    pub made: Timestamp,
    /// When it was used last.
    pub used: Option<Timestamp>,
    /// When its counter went backwards; it opens nothing since.
    pub regressed: Option<Timestamp>,
}

impl Store {
    /// Stands for a credential.
    pub fn passkey_index(&self, org: OrgId, credential: &[u8]) -> [u8; 32] {
        self.keys()
            .keyed_hash(Purpose::Passkey, &[org.as_bytes(), credential])
    }

    /// The passkey of this index, if its account has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn passkey(
        &self,
        org: OrgId,
        index: &[u8; 32],
    ) -> Result<Option<Passkey>, StoreError> {
        let found = query(
            "SELECT passkeys.passkey_id, passkeys.account_id, passkeys.name, passkeys.credential, passkeys.uses, passkeys.made, \
             passkeys.used, passkeys.regressed, accounts.epoch FROM passkeys \
             JOIN accounts ON accounts.org_id = passkeys.org_id AND accounts.account_id = passkeys.account_id \
             WHERE passkeys.org_id = $1 AND passkeys.credential_index = $2 AND accounts.ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(index.as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        match read(self.reads(), &found, self.keys(), org).await {
            Ok(passkey) => Ok(Some(passkey)),
            // Its account has ended.
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The passkeys of an account, the first made first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn passkeys(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Vec<Passkey>, StoreError> {
        let found = query(
            "SELECT passkeys.passkey_id, passkeys.account_id, passkeys.name, passkeys.credential, passkeys.uses, passkeys.made, \
             passkeys.used, passkeys.regressed, accounts.epoch FROM passkeys \
             JOIN accounts ON accounts.org_id = passkeys.org_id AND accounts.account_id = passkeys.account_id \
             WHERE passkeys.org_id = $1 AND passkeys.account_id = $2 AND accounts.ended IS NULL \
             ORDER BY passkeys.made, passkeys.passkey_id LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(MOST)
        .fetch_all(self.reads())
        .await?;
        let mut passkeys = Vec::with_capacity(found.len());
        for found in &found {
            passkeys.push(read(self.reads(), found, self.keys(), org).await?);
        }
        Ok(passkeys)
    }

    /// Whether an account has a passkey, so that its password alone does not open it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_passkeys(&self, org: OrgId, account: AccountId) -> Result<bool, StoreError> {
        let found = query("SELECT 1 FROM passkeys WHERE org_id = $1 AND account_id = $2 LIMIT 1")
            .bind(org.as_bytes().as_slice())
            .bind(account.as_bytes().as_slice())
            .fetch_optional(self.reads())
            .await?;
        Ok(found.is_some())
    }

    /// Keeps a passkey of an account that stands. `Conflict` when the credential belongs to one already, be it the same; `Full`
    /// when the account has too many.
    pub fn add_passkey(&self, org: OrgId, passkey: NewPasskey<'_>) -> Written<()> {
        self.write(Add {
            org,
            id: passkey.id,
            account: passkey.account,
            index: passkey.index,
            made: passkey.made,
            name: Secret::new(passkey.name.to_owned()),
            credential: Secret::new(passkey.credential.to_vec()),
            keys: self.keys().clone(),
        })
    }

    /// Keeps what a use of a passkey changed. `Missing` when somebody else used it since it was read, or it was taken back.
    pub fn used_passkey(
        &self,
        org: OrgId,
        passkey: &Passkey,
        credential: Secret<Vec<u8>>,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Use {
            org,
            account: passkey.account,
            id: passkey.id,
            uses: passkey.uses,
            credential,
            now,
            keys: self.keys().clone(),
        })
    }

    /// Lets a passkey open nothing any more, because its counter went backwards.
    pub fn regressed_passkey(&self, org: OrgId, id: PasskeyId, now: Timestamp) -> Written<()> {
        self.write(Regress { org, id, now })
    }

    /// Gives a passkey another name. `Missing` when it is not the account's.
    pub fn rename_passkey(
        &self,
        org: OrgId,
        account: AccountId,
        id: PasskeyId,
        name: &str,
    ) -> Written<()> {
        self.write(Rename {
            org,
            account,
            id,
            name: Secret::new(name.to_owned()),
            keys: self.keys().clone(),
        })
    }

    /// Takes a passkey back, and ends the sessions that it opened but for the one of whoever does so. `Missing` when it is not the
    /// account's.
    pub fn remove_passkey(
        &self,
        (org, account): (OrgId, AccountId),
        id: PasskeyId,
        (session, now): ([u8; 16], Timestamp),
    ) -> Written<()> {
        self.write(Remove {
            org,
            account,
            id,
            session,
            now,
        })
    }

    /// Takes back all passkeys and recovery codes of an account, whose holder has lost them.
    pub fn remove_factors(&self, org: OrgId, account: AccountId) -> Written<()> {
        self.write(RemoveFactors { org, account })
    }
}

/// Forgets the passkeys of an account that ends.
pub(super) async fn forget(
    on: &mut Connection<'_>,
    org: OrgId,
    account: AccountId,
) -> Result<(), StoreError> {
    for table in [
        "DELETE FROM passkeys WHERE org_id = $1 AND account_id = $2",
        "DELETE FROM recovery_codes WHERE org_id = $1 AND account_id = $2",
    ] {
        query(table)
            .bind(org.as_bytes().as_slice())
            .bind(account.as_bytes().as_slice())
            .execute(&mut *on)
            .await?;
    }
    Ok(())
}

async fn read(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
) -> Result<Passkey, StoreError> {
    let (account, id): (AccountId, PasskeyId) =
        (row::id(found, "account_id")?, row::id(found, "passkey_id")?);
    let place = place(&org, &account, &id);
    let credential: &[u8] = found.try_get("credential")?;
    Ok(Passkey {
        id,
        account,
        epoch: found.try_get("epoch")?,
        name: row::sealed_text(on, found, keys, NAME, &place).await?,
        credential: keys.open(on, CREDENTIAL, &place, credential).await?,
        uses: found.try_get("uses")?,
        made: row::time(found, "made")?,
        used: row::time_or_none(found, "used")?,
        regressed: row::time_or_none(found, "regressed")?,
    })
}

fn place<'a>(org: &'a OrgId, account: &'a AccountId, id: &'a PasskeyId) -> [&'a [u8]; 3] {
    [org.as_bytes(), account.as_bytes(), id.as_bytes()]
}

struct Add {
    org: OrgId,
    id: PasskeyId,
    account: AccountId,
    index: [u8; 32],
    made: Timestamp,
    name: Secret<String>,
    credential: Secret<Vec<u8>>,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, account) = (self.org.as_bytes().as_slice(), self.account);
        query("SELECT 1 FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL")
            .bind(org)
            .bind(account.as_bytes().as_slice())
            .fetch_optional(&mut *on)
            .await?
            .ok_or(StoreError::Missing)?;
        let kept: i64 =
            query_scalar("SELECT COUNT(*) FROM passkeys WHERE org_id = $1 AND account_id = $2")
                .bind(org)
                .bind(account.as_bytes().as_slice())
                .fetch_one(&mut *on)
                .await?;
        if kept >= MOST {
            return Err(StoreError::Full);
        }
        let place = place(&self.org, &account, &self.id);
        let name = self.name.expose().as_bytes();
        let name = self.keys.seal(&mut *on, NAME, &place, name).await?;
        let credential = self.credential.expose();
        let credential = self
            .keys
            .seal(&mut *on, CREDENTIAL, &place, credential)
            .await?;
        query(
            "INSERT INTO passkeys (org_id, passkey_id, account_id, credential_index, name, credential, uses, made) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
        )
        .bind(org)
        .bind(self.id.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(self.index.as_slice())
        .bind(name)
        .bind(credential)
        .bind(self.made.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Use {
    org: OrgId,
    account: AccountId,
    id: PasskeyId,
    uses: i64,
    credential: Secret<Vec<u8>>,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for Use {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let place = place(&self.org, &self.account, &self.id);
        let credential = self.credential.expose();
        let credential = self
            .keys
            .seal(&mut *on, CREDENTIAL, &place, credential)
            .await?;
        let used = query(
            "UPDATE passkeys SET credential = $1, used = $2, uses = uses + 1 \
             WHERE org_id = $3 AND passkey_id = $4 AND uses = $5 AND regressed IS NULL",
        )
        .bind(credential)
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .bind(self.uses)
        .execute(on)
        .await?;
        one(used.rows_affected())
    }
}

struct Regress {
    org: OrgId,
    id: PasskeyId,
    now: Timestamp,
}

impl Change for Regress {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let regressed = query(
            "UPDATE passkeys SET regressed = $1 WHERE org_id = $2 AND passkey_id = $3 AND regressed IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .execute(on)
        .await?;
        one(regressed.rows_affected())
    }
}

struct Rename {
    org: OrgId,
    account: AccountId,
    id: PasskeyId,
    name: Secret<String>,
    keys: Arc<SealingKeys>,
}

impl Change for Rename {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let place = place(&self.org, &self.account, &self.id);
        let name = self.name.expose().as_bytes();
        let name = self.keys.seal(&mut *on, NAME, &place, name).await?;
        let renamed = query(
            "UPDATE passkeys SET name = $1 WHERE org_id = $2 AND account_id = $3 AND passkey_id = $4",
        )
        .bind(name)
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .execute(on)
        .await?;
        one(renamed.rows_affected())
    }
}

struct Remove {
    org: OrgId,
    account: AccountId,
    id: PasskeyId,
    session: [u8; 16],
    now: Timestamp,
}

impl Change for Remove {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let removed =
            query("DELETE FROM passkeys WHERE org_id = $1 AND account_id = $2 AND passkey_id = $3")
                .bind(self.org.as_bytes().as_slice())
                .bind(self.account.as_bytes().as_slice())
                .bind(self.id.as_bytes().as_slice())
                .execute(&mut *on)
                .await?;
        one(removed.rows_affected())?;
        let whose = (self.org, self.account);
        ownsessions::end_by_passkey(on, whose, self.id, (self.session, self.now)).await
    }

    fn ends(&self) -> Option<Ending> {
        // Which of them are over is in the rows: whatever is open of the account looks again.
        Some(Ending::Doubtful(Ended::Account(self.account)))
    }
}

struct RemoveFactors {
    org: OrgId,
    account: AccountId,
}

impl Change for RemoveFactors {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        forget(on, self.org, self.account).await
    }
}

fn one(rows: u64) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn secret(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    fn passkey(store: &Store, id: u8, account: AccountId, credential: u8) -> NewPasskey<'static> {
        NewPasskey {
            id: PasskeyId::from_bytes([id; 16]),
            account,
            index: store.passkey_index(store.org(), &[credential; 20]),
            name: "The blue one",
            credential: b"public key",
            made: NOW,
        }
    }

    #[tokio::test]
    async fn a_passkey_belongs_to_one_account_until_it_is_taken_back() {
        let (_folder, store) = store().await;
        let org = store.org();
        let first = make(&store, 1, "member@example.org").await;
        let second = make(&store, 2, "other@example.org").await;
        let mine = passkey(&store, 7, first, 1);
        store.add_passkey(org, mine).await.unwrap();
        for account in [first, second] {
            let again = passkey(&store, 8, account, 1);
            assert_eq!(
                store.add_passkey(org, again).await,
                Err(StoreError::Conflict)
            );
        }
        let found = store.passkey(org, &mine.index).await.unwrap().unwrap();
        assert_eq!((found.id, found.account, found.epoch), (mine.id, first, 1));
        assert_eq!(found.name.expose(), "The blue one");
        assert_eq!(found.credential.expose(), b"public key");
        assert!(store.has_passkeys(org, first).await.unwrap());
        assert!(!store.has_passkeys(org, second).await.unwrap());
        for other in [
            store.rename_passkey(org, second, mine.id, "Mine").await,
            store
                .remove_passkey((org, second), mine.id, ([9; 16], NOW))
                .await,
        ] {
            assert_eq!(other, Err(StoreError::Missing));
        }
        store
            .rename_passkey(org, first, mine.id, "The red one")
            .await
            .unwrap();
        let list = store.passkeys(org, first).await.unwrap();
        assert_eq!(list[0].name.expose(), "The red one");
        store
            .remove_passkey((org, first), mine.id, ([9; 16], NOW))
            .await
            .unwrap();
        assert!(store.passkey(org, &mine.index).await.unwrap().is_none());
        assert!(!store.has_passkeys(org, first).await.unwrap());
    }

    #[tokio::test]
    async fn of_two_uses_at_the_same_moment_one_counts_and_a_regressed_one_counts_never() {
        let (_folder, store) = store().await;
        let org = store.org();
        let account = make(&store, 1, "member@example.org").await;
        let mine = passkey(&store, 7, account, 1);
        store.add_passkey(org, mine).await.unwrap();
        let read = store.passkey(org, &mine.index).await.unwrap().unwrap();
        let later = Timestamp::from_millis(2000);
        store
            .used_passkey(org, &read, secret("counted"), later)
            .await
            .unwrap();
        assert_eq!(
            store.used_passkey(org, &read, secret("again"), later).await,
            Err(StoreError::Missing)
        );
        let read = store.passkey(org, &mine.index).await.unwrap().unwrap();
        assert_eq!(read.credential.expose(), b"counted");
        assert_eq!((read.uses, read.used), (1, Some(later)));
        store.regressed_passkey(org, mine.id, later).await.unwrap();
        assert_eq!(
            store.used_passkey(org, &read, secret("again"), later).await,
            Err(StoreError::Missing)
        );
    }

    #[tokio::test]
    async fn an_account_has_so_many_passkeys_and_they_end_with_it() {
        let (_folder, store) = store().await;
        let org = store.org();
        let account = make(&store, 1, "member@example.org").await;
        for id in 0..10 {
            store
                .add_passkey(org, passkey(&store, id, account, id))
                .await
                .unwrap();
        }
        let one_more = passkey(&store, 11, account, 11);
        assert_eq!(
            store.add_passkey(org, one_more).await,
            Err(StoreError::Full)
        );
        store.end_account(org, account, NOW).await.unwrap();
        assert!(!store.has_passkeys(org, account).await.unwrap());
        assert_eq!(
            store.add_passkey(org, one_more).await,
            Err(StoreError::Missing)
        );
    }
}
