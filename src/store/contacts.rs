//! The address of an account: whether it was proved, and its change; and a new password, which ends every session.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId};
use crate::secret::Secret;
use crate::store::accounts::{EMAIL, PASSWORD};
use crate::store::database::Store;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::SealingKeys;
use crate::store::sql::{Connection, Row, query};
use crate::store::writer::{Change, Written};

/// RFC 2606: nobody has an address there. Accounts that came by a provider have one.
pub const NOBODYS: &str = "@identity.invalid";

/// How an account is reached.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Whose.
    pub account: AccountId,
    /// The epoch of the account.
    pub epoch: i64,
    /// The address.
    pub email: Secret<String>,
    /// Stands for it.
    pub index: [u8; 32],
    /// When it was proved.
    pub verified: Option<Timestamp>,
}

impl Contact {
    /// Whether the address stands in the place of one that nobody has: the account came by a provider.
    pub fn reached(&self) -> Option<&str> {
        let email = self.email.expose().as_str();
        (!email.ends_with(NOBODYS)).then_some(email)
    }
}

impl Store {
    /// How an account that has not ended is reached.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contact(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Option<Contact>, StoreError> {
        let found = query(
            "SELECT account_id, epoch, email, email_index, email_verified FROM accounts \
             WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        match found {
            Some(found) => self.read_contact(org, &found).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account of an address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contact_of(&self, org: OrgId, email: &str) -> Result<Option<Contact>, StoreError> {
        let found = query(
            "SELECT account_id, epoch, email, email_index, email_verified FROM accounts \
             WHERE org_id = $1 AND email_index = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(self.email_index(org, email).as_slice())
        .fetch_optional(self.reads())
        .await?;
        match found {
            Some(found) => self.read_contact(org, &found).await.map(Some),
            None => Ok(None),
        }
    }

    /// Gives an account an address that was proved. `Conflict` when another account has it.
    pub fn set_email(
        &self,
        org: OrgId,
        account: AccountId,
        email: &str,
        now: Timestamp,
    ) -> Written<()> {
        self.write(SetEmail {
            org,
            account,
            index: self.email_index(org, email),
            email: Secret::new(email.to_owned()),
            now,
            keys: self.keys().clone(),
        })
    }

    /// Gives an account another password and ends every session of it; gives its new epoch.
    pub fn set_password(
        &self,
        org: OrgId,
        account: AccountId,
        password: &Secret<String>,
    ) -> Written<i64> {
        self.write(SetPassword {
            org,
            account,
            password: Some(password.clone()),
            keys: self.keys().clone(),
        })
    }

    /// Ends every session of an account; gives its new epoch.
    pub fn next_epoch(&self, org: OrgId, account: AccountId) -> Written<i64> {
        self.write(SetPassword {
            org,
            account,
            password: None,
            keys: self.keys().clone(),
        })
    }

    async fn read_contact(&self, org: OrgId, found: &Row) -> Result<Contact, StoreError> {
        let account: AccountId = row::id(found, "account_id")?;
        let place = [org.as_bytes().as_slice(), account.as_bytes()];
        Ok(Contact {
            account,
            epoch: found.try_get("epoch")?,
            email: row::sealed_text(self.reads(), found, self.keys(), EMAIL, &place).await?,
            index: row::bytes(found, "email_index")?,
            verified: row::time_or_none(found, "email_verified")?,
        })
    }
}

struct SetEmail {
    org: OrgId,
    account: AccountId,
    index: [u8; 32],
    email: Secret<String>,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for SetEmail {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let place = [self.org.as_bytes().as_slice(), self.account.as_bytes()];
        let email = self.email.expose().as_bytes();
        let email = self.keys.seal(&mut *on, EMAIL, &place, email).await?;
        let set = query(
            "UPDATE accounts SET email = $1, email_index = $2, email_verified = $3 \
             WHERE org_id = $4 AND account_id = $5 AND ended IS NULL",
        )
        .bind(email)
        .bind(self.index.as_slice())
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .execute(on)
        .await?;
        if set.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}

struct SetPassword {
    org: OrgId,
    account: AccountId,
    /// None to keep the old one.
    password: Option<Secret<String>>,
    keys: Arc<SealingKeys>,
}

impl Change for SetPassword {
    type Out = i64;

    async fn apply(self, on: &mut Connection<'_>) -> Result<i64, StoreError> {
        let place = [self.org.as_bytes().as_slice(), self.account.as_bytes()];
        let password = match &self.password {
            None => None,
            Some(password) => {
                let password = password.expose().as_bytes();
                Some(self.keys.seal(&mut *on, PASSWORD, &place, password).await?)
            }
        };
        let set = query(
            "UPDATE accounts SET password = COALESCE($1, password), epoch = epoch + 1 \
             WHERE org_id = $2 AND account_id = $3 AND ended IS NULL RETURNING epoch",
        )
        .bind(password)
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .fetch_optional(on)
        .await?
        .ok_or(StoreError::Missing)?;
        Ok(set.try_get("epoch")?)
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Account(self.account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;

    #[tokio::test]
    async fn an_address_is_proved_changed_and_belongs_to_one_account() {
        let (_folder, store) = store().await;
        let org = store.org();
        let mine = make(&store, 1, "member@example.org").await;
        make(&store, 2, "other@example.org").await;
        let now = Timestamp::from_millis(7);
        let found = store.contact_of(org, "member@example.org").await.unwrap();
        assert_eq!(found.unwrap().verified, None);
        assert_eq!(
            store.set_email(org, mine, "other@example.org", now).await,
            Err(StoreError::Conflict)
        );
        store
            .set_email(org, mine, "new@example.org", now)
            .await
            .unwrap();
        let found = store.contact_of(org, "new@example.org").await.unwrap();
        let found = found.unwrap();
        assert_eq!((found.account, found.verified), (mine, Some(now)));
        assert_eq!(found.email.expose(), "new@example.org");
        let none = store.contact_of(org, "member@example.org").await.unwrap();
        assert!(none.is_none());
    }

    #[tokio::test]
    async fn a_new_password_begins_a_new_epoch() {
        let (_folder, store) = store().await;
        let org = store.org();
        let mine = make(&store, 1, "member@example.org").await;
        let hash = Secret::new("$argon2id$another".to_owned());
        assert_eq!(store.set_password(org, mine, &hash).await, Ok(2));
        assert_eq!(store.next_epoch(org, mine).await, Ok(3));
        let found = store.credentials(org, "member@example.org").await.unwrap();
        let found = found.unwrap();
        assert_eq!(found.password.expose(), "$argon2id$another");
        assert_eq!(found.account.epoch, 3);
    }
}
