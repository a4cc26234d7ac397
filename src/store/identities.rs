//! Identities elsewhere that stand for accounts here. One is found by the keyed hash of issuer and subject, never by an e-mail
//! address, and belongs to one account at most.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{AccountId, IdentityId, OrgId};
use crate::secret::Secret;
use crate::store::accounts::{self, NewAccount, PASSWORD};
use crate::store::database::Store;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::row;
use crate::store::seal::{Purpose, SealingKeys};
use crate::store::sessions;
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

/// Identities of one account.
const MOST: i64 = 8;

/// An identity to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewIdentity<'a> {
    /// What it is called here.
    pub id: IdentityId,
    /// Whose it is.
    pub account: AccountId,
    /// Which provider proved it, by its name in the settings.
    pub provider: &'a str,
    /// What stands for issuer and subject: [`Store::identity_index`].
    pub index: [u8; 32],
    /// What its provider says of rights.
    pub rights: Rights,
    /// When it is linked.
    pub linked: Timestamp,
}

/// What the claims of an identity gave at its last sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether it administers the organisation.
    pub admin: bool,
    /// Whether it may create rooms.
    pub creator: bool,
}

/// An identity that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub id: IdentityId,
    /// Whose.
    pub account: AccountId,
    /// The epoch of that account.
    pub epoch: i64,
}

/// An identity as the holder of its account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Which.
    pub id: IdentityId,
    /// Its provider.
    pub provider: String,
    /// Whether it made the account, which has no other way in.
    pub made_account: bool,
    /// When it was linked.
    pub linked: Timestamp,
    /// When someone came by it last.
    pub used: Option<Timestamp>,
}

impl Store {
    /// Stands for an identity elsewhere.
    pub fn identity_index(&self, org: OrgId, issuer: &str, subject: &str) -> [u8; 32] {
        let parts = [
            org.as_bytes().as_slice(),
            issuer.as_bytes(),
            subject.as_bytes(),
        ];
        self.keys().keyed_hash(Purpose::Identity, &parts)
    }

    /// The identity of this index, if its account has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn identity(
        &self,
        org: OrgId,
        index: &[u8; 32],
    ) -> Result<Option<Found>, StoreError> {
        let found = query(
            "SELECT identities.identity_id, identities.account_id, accounts.epoch FROM identities \
             JOIN accounts ON accounts.org_id = identities.org_id AND accounts.account_id = identities.account_id \
             WHERE identities.org_id = $1 AND identities.identity_index = $2 AND accounts.ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(index.as_slice())
        .fetch_optional(self.reads())
        .await?;
        found
            .map(|found| {
                Ok(Found {
                    id: row::id(&found, "identity_id")?,
                    account: row::id(&found, "account_id")?,
                    epoch: found.try_get("epoch")?,
                })
            })
            .transpose()
    }

    /// The provider of an identity and what it gave, if it still belongs to this account: asked on every use of a session
    /// that came by it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn identity_rights(
        &self,
        org: OrgId,
        id: IdentityId,
        account: AccountId,
    ) -> Result<Option<(String, Rights)>, StoreError> {
        let found = query(
            "SELECT provider, is_admin, may_create_rooms FROM identities \
             WHERE org_id = $1 AND identity_id = $2 AND account_id = $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        found
            .map(|found| {
                let rights = Rights {
                    admin: row::flag(&found, "is_admin")?,
                    creator: row::flag(&found, "may_create_rooms")?,
                };
                Ok((found.try_get("provider")?, rights))
            })
            .transpose()
    }

    /// The identities of an account, the first linked first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn identities(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Vec<Linked>, StoreError> {
        let found = query(
            "SELECT identity_id, provider, made_account, linked, used FROM identities \
             WHERE org_id = $1 AND account_id = $2 ORDER BY linked, identity_id LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(MOST)
        .fetch_all(self.reads())
        .await?;
        found
            .iter()
            .map(|found| {
                Ok(Linked {
                    id: row::id(found, "identity_id")?,
                    provider: found.try_get("provider")?,
                    made_account: row::flag(found, "made_account")?,
                    linked: row::time(found, "linked")?,
                    used: row::time_or_none(found, "used")?,
                })
            })
            .collect()
    }

    /// What proves once more that an account is its holder's: the index of its address, for the budget of guesses, and its
    /// password hash.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn password_of(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Option<([u8; 32], Secret<String>)>, StoreError> {
        let found = query(
            "SELECT email_index, password FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), account.as_bytes()];
        let password =
            row::sealed_text(self.reads(), &found, self.keys(), PASSWORD, &place).await?;
        Ok(Some((row::bytes(&found, "email_index")?, password)))
    }

    /// Links an identity to an account that stands. `Conflict` when it belongs to one already, be it the same; `Full` when the
    /// account has too many.
    pub fn link_identity(&self, org: OrgId, identity: NewIdentity<'_>) -> Written<()> {
        self.write(Link(Entry::of(org, identity, false)))
    }

    /// Makes an account together with the identity that is its only way in. `Conflict` when the identity belongs to one.
    pub fn make_account_for(
        &self,
        org: OrgId,
        account: NewAccount,
        identity: NewIdentity<'_>,
    ) -> Written<()> {
        let data = accounts::MemberData {
            account_id: account.id,
        };
        let news = self.news(NewsKind::MemberJoined, None, account.created, &data);
        let make = Make {
            entry: Entry::of(org, identity, true),
            account,
            keys: self.keys().clone(),
        };
        self.write_telling(org, make, news, |()| true)
    }

    /// Keeps by which provider someone came with an identity, what that gave, and when it was. `Missing` when it was taken back
    /// meanwhile.
    pub fn used_identity(
        &self,
        org: OrgId,
        id: IdentityId,
        provider: &str,
        rights: Rights,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Used {
            org,
            id,
            provider: provider.to_owned(),
            rights,
            now,
        })
    }

    /// Takes an identity from its account, and with it every session that came by it. `Missing` when it is not the account's;
    /// `Conflict` when the account has no other way in.
    pub fn unlink_identity(&self, org: OrgId, account: AccountId, id: IdentityId) -> Written<()> {
        self.write(Unlink { org, account, id })
    }

    /// Uses up what may be used once. `Conflict` when it was.
    pub fn spend(
        &self,
        org: OrgId,
        token: [u8; 16],
        expires: Timestamp,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Spend {
            org,
            token,
            expires,
            now,
        })
    }
}

/// Forgets the identities of an account that ends: they may be linked anew.
pub(super) async fn forget(
    on: &mut Connection<'_>,
    org: OrgId,
    account: AccountId,
) -> Result<(), StoreError> {
    query("DELETE FROM identities WHERE org_id = $1 AND account_id = $2")
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

/// A row to be written.
struct Entry {
    org: OrgId,
    id: IdentityId,
    account: AccountId,
    provider: String,
    index: [u8; 32],
    rights: Rights,
    made_account: bool,
    linked: Timestamp,
}

impl Entry {
    fn of(org: OrgId, identity: NewIdentity<'_>, made_account: bool) -> Self {
        Self {
            org,
            id: identity.id,
            account: identity.account,
            provider: identity.provider.to_owned(),
            index: identity.index,
            rights: identity.rights,
            made_account,
            linked: identity.linked,
        }
    }

    async fn insert(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
            "INSERT INTO identities (org_id, identity_id, account_id, identity_index, provider, may_create_rooms, \
             is_admin, made_account, linked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.index.as_slice())
        .bind(self.provider)
        .bind(i64::from(self.rights.creator))
        .bind(i64::from(self.rights.admin))
        .bind(i64::from(self.made_account))
        .bind(self.linked.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Link(Entry);

impl Change for Link {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, account) = (self.0.org, self.0.account);
        query("SELECT 1 FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL")
            .bind(org.as_bytes().as_slice())
            .bind(account.as_bytes().as_slice())
            .fetch_optional(&mut *on)
            .await?
            .ok_or(StoreError::Missing)?;
        let linked: i64 =
            query_scalar("SELECT COUNT(*) FROM identities WHERE org_id = $1 AND account_id = $2")
                .bind(org.as_bytes().as_slice())
                .bind(account.as_bytes().as_slice())
                .fetch_one(&mut *on)
                .await?;
        if linked >= MOST {
            return Err(StoreError::Full);
        }
        self.0.insert(on).await
    }
}

struct Make {
    entry: Entry,
    account: NewAccount,
    keys: Arc<SealingKeys>,
}

impl Change for Make {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        // The first account is the owner's, whose link the server prints; no provider takes its place.
        if !accounts::any(on, self.entry.org).await? {
            return Err(StoreError::Missing);
        }
        accounts::insert(on, &self.keys, self.entry.org, &self.account).await?;
        self.entry.insert(on).await
    }
}

struct Used {
    org: OrgId,
    id: IdentityId,
    provider: String,
    rights: Rights,
    now: Timestamp,
}

impl Change for Used {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let used = query(
            "UPDATE identities SET is_admin = $1, may_create_rooms = $2, used = $3, provider = $6 \
             WHERE org_id = $4 AND identity_id = $5",
        )
        .bind(i64::from(self.rights.admin))
        .bind(i64::from(self.rights.creator))
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .bind(self.provider)
        .execute(on)
        .await?;
        if used.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }

    fn ends(&self) -> Option<Ending> {
        // What was given may be less now.
        Some(Ending::Doubtful(Ended::Identity(self.id)))
    }
}

struct Unlink {
    org: OrgId,
    account: AccountId,
    id: IdentityId,
}

impl Change for Unlink {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let gone = query(
            "DELETE FROM identities WHERE org_id = $1 AND account_id = $2 AND identity_id = $3 RETURNING made_account",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.id.as_bytes().as_slice())
        .fetch_optional(on)
        .await?
        .ok_or(StoreError::Missing)?;
        // A refusal undoes the change.
        if row::flag(&gone, "made_account")? {
            return Err(StoreError::Conflict);
        }
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Identity(self.id)))
    }
}

struct Spend {
    org: OrgId,
    token: [u8; 16],
    expires: Timestamp,
    now: Timestamp,
}

impl Change for Spend {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        sessions::spend(on, self.org, self.token, (self.expires, self.now)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::{make, new_account};
    use crate::store::database::tests::store;

    const NOW: Timestamp = Timestamp::from_millis(1000);
    const NONE: Rights = Rights {
        admin: false,
        creator: false,
    };

    fn identity(store: &Store, id: u8, account: AccountId, subject: &str) -> NewIdentity<'static> {
        NewIdentity {
            id: IdentityId::from_bytes([id; 16]),
            account,
            provider: "company",
            index: store.identity_index(store.org(), "https://id.example.org", subject),
            rights: NONE,
            linked: NOW,
        }
    }

    #[tokio::test]
    async fn an_identity_belongs_to_one_account_until_it_is_unlinked() {
        let (_folder, store) = store().await;
        let org = store.org();
        let first = make(&store, 1, "member@example.org").await;
        let second = make(&store, 2, "other@example.org").await;
        let mine = identity(&store, 7, first, "1");
        store.link_identity(org, mine).await.unwrap();
        let again = identity(&store, 8, second, "1");
        assert_eq!(
            store.link_identity(org, again).await,
            Err(StoreError::Conflict)
        );
        let found = store.identity(org, &mine.index).await.unwrap().unwrap();
        assert_eq!((found.id, found.account), (mine.id, first));
        assert!(
            store
                .identity_rights(org, mine.id, second)
                .await
                .unwrap()
                .is_none()
        );
        // Nobody takes it from another's account.
        assert_eq!(
            store.unlink_identity(org, second, mine.id).await,
            Err(StoreError::Missing)
        );
        store.unlink_identity(org, first, mine.id).await.unwrap();
        assert!(store.identity(org, &mine.index).await.unwrap().is_none());
        store.link_identity(org, again).await.unwrap();
    }

    #[tokio::test]
    async fn issuer_and_subject_are_told_apart_to_the_letter() {
        let (_folder, store) = store().await;
        let index = |issuer, subject| store.identity_index(store.org(), issuer, subject);
        assert_ne!(index("https://a", "b1"), index("https://ab", "1"));
        assert_ne!(index("https://a", "1"), index("https://A", "1"));
        assert_ne!(index("https://a", "1"), index("https://a/", "1"));
    }

    #[tokio::test]
    async fn the_only_way_into_an_account_is_not_unlinked_and_ends_with_it() {
        let (_folder, store) = store().await;
        let org = store.org();
        let account = new_account(1, "x@identity.invalid");
        let only = identity(&store, 7, account.id, "1");
        // Not before the owner has an account.
        let early = store.make_account_for(org, account.clone(), only).await;
        assert_eq!(early, Err(StoreError::Missing));
        make(&store, 9, "owner@example.org").await;
        store
            .make_account_for(org, account.clone(), only)
            .await
            .unwrap();
        assert_eq!(
            store.unlink_identity(org, account.id, only.id).await,
            Err(StoreError::Conflict)
        );
        assert!(store.identity(org, &only.index).await.unwrap().is_some());
        let rights = Rights {
            admin: true,
            creator: true,
        };
        store
            .used_identity(org, only.id, "company", rights, NOW)
            .await
            .unwrap();
        let found = store
            .identity_rights(org, only.id, account.id)
            .await
            .unwrap();
        assert_eq!(found, Some(("company".to_owned(), rights)));
        store.end_account(org, account.id, NOW).await.unwrap();
        assert!(store.identity(org, &only.index).await.unwrap().is_none());
        assert!(store.identities(org, account.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_account_has_few_identities() {
        let (_folder, store) = store().await;
        let account = make(&store, 1, "member@example.org").await;
        for id in 0..9 {
            let linked = store
                .link_identity(store.org(), identity(&store, id, account, &id.to_string()))
                .await;
            assert_eq!(linked.is_ok(), id < 8);
        }
    }

    #[tokio::test]
    async fn what_may_be_used_once_is_used_once() {
        let (_folder, store) = store().await;
        let spend = || store.spend(store.org(), [5; 16], Timestamp::from_millis(5000), NOW);
        assert_eq!(spend().await, Ok(()));
        assert_eq!(spend().await, Err(StoreError::Conflict));
    }
}
