//! Invitations to have an account. Only a hash of each secret is stored, and one is used at most once.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId};
use crate::secret::Secret;
use crate::store::accounts::{self, NewAccount};
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const NAME: Column = Column {
    table: "invitations",
    name: "name",
    scope: Scope::Organisation,
};
/// Invitations of one organisation that are still open. An administrator's script cannot fill the table.
const MAX_OPEN: i64 = 10_000;

/// What an invitation makes of whoever accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationKind {
    /// The first account: administrator, may create rooms.
    Owner,
    /// An ordinary account.
    Member,
}

impl InvitationKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }
}

/// An invitation to be kept.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// SHA-256 of its secret.
    pub token_hash: [u8; 32],
    /// What it makes.
    pub kind: InvitationKind,
    /// The name it is meant for.
    pub name: Option<Secret<String>>,
    /// Whether the account may create rooms.
    pub may_create_rooms: bool,
    /// Who invites; nobody for the first owner.
    pub invited_by: Option<ActorId>,
    /// When it is made.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
}

/// How an acceptance ended. Either way the invitation is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The account was made.
    Made {
        /// Whether it administers the organisation.
        is_admin: bool,
        /// Whether it may create rooms.
        may_create_rooms: bool,
    },
    /// The e-mail address is in use. An invitation answers that question once, so it cannot be used to list addresses.
    Spent,
}

impl Store {
    /// Keeps an invitation.
    pub fn invite(&self, org: OrgId, invitation: NewInvitation) -> Written<()> {
        self.write(Invite {
            org,
            invitation,
            keys: self.keys().clone(),
        })
    }

    /// Keeps the first owner's invitation in place of any earlier one. `Conflict` once there is an account.
    pub fn invite_owner(&self, org: OrgId, invitation: NewInvitation) -> Written<()> {
        self.write(InviteOwner(Invite {
            org,
            invitation,
            keys: self.keys().clone(),
        }))
    }

    /// Whether an invitation could be accepted now: asked before the costly work of an acceptance.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn invitation_stands(
        &self,
        org: OrgId,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM invitations WHERE org_id = $1 AND token_hash = $2 AND used_at IS NULL AND expires > $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(hash.as_slice())
        .bind(now.as_millis())
        .fetch_optional(self.reads())
        .await?;
        Ok(found.is_some())
    }

    /// Spends an invitation and makes the account, in one step. What the account may do comes from the invitation alone.
    /// `Missing` when there is no such invitation, or it is used, expired, or an owner's after the first account.
    pub fn accept_invitation(
        &self,
        org: OrgId,
        token_hash: [u8; 32],
        account: NewAccount,
    ) -> Written<Accepted> {
        let data = accounts::MemberData {
            account_id: account.id,
        };
        let news = self.news(NewsKind::MemberJoined, None, account.created, &data);
        let keys = self.keys().clone();
        let accept = Accept {
            org,
            token_hash,
            account,
            keys,
        };
        self.write_telling(org, accept, news, |out| {
            matches!(out, Accepted::Made { .. })
        })
    }
}

struct Invite {
    org: OrgId,
    invitation: NewInvitation,
    keys: Arc<SealingKeys>,
}

impl Change for Invite {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            invitation,
            keys,
        } = self;
        let org = org.as_bytes().as_slice();
        query("DELETE FROM invitations WHERE org_id = $1 AND expires <= $2")
            .bind(org)
            .bind(invitation.created.as_millis())
            .execute(&mut *on)
            .await?;
        let open: i64 = query_scalar("SELECT COUNT(*) FROM invitations WHERE org_id = $1")
            .bind(org)
            .fetch_one(&mut *on)
            .await?;
        if open >= MAX_OPEN {
            return Err(StoreError::Full);
        }
        let place = [org, invitation.token_hash.as_slice()];
        let name = match &invitation.name {
            Some(name) => {
                let name = name.expose().as_bytes();
                Some(keys.seal(&mut *on, NAME, &place, name).await?)
            }
            None => None,
        };
        query(
            "INSERT INTO invitations (org_id, token_hash, kind, name, may_create_rooms, invited_by, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(org)
        .bind(invitation.token_hash.as_slice())
        .bind(invitation.kind.as_str())
        .bind(name)
        .bind(i64::from(invitation.may_create_rooms))
        .bind(invitation.invited_by.as_ref().map(|by| by.as_bytes().as_slice()))
        .bind(invitation.created.as_millis())
        .bind(invitation.expires.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct InviteOwner(Invite);

impl Change for InviteOwner {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        if accounts::any(on, self.0.org).await? {
            return Err(StoreError::Conflict);
        }
        query("DELETE FROM invitations WHERE org_id = $1 AND kind = 'owner'")
            .bind(self.0.org.as_bytes().as_slice())
            .execute(&mut *on)
            .await?;
        self.0.apply(on).await
    }
}

struct Accept {
    org: OrgId,
    token_hash: [u8; 32],
    account: NewAccount,
    keys: Arc<SealingKeys>,
}

impl Change for Accept {
    type Out = Accepted;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Accepted, StoreError> {
        let Self {
            org,
            token_hash,
            mut account,
            keys,
        } = self;
        let spent = query(
            "UPDATE invitations SET used_at = $1 WHERE org_id = $2 AND token_hash = $3 AND used_at IS NULL \
             AND expires > $1 RETURNING kind, may_create_rooms",
        )
        .bind(account.created.as_millis())
        .bind(org.as_bytes().as_slice())
        .bind(token_hash.as_slice())
        .fetch_optional(&mut *on)
        .await?
        .ok_or(StoreError::Missing)?;
        let kind: &str = spent.try_get("kind")?;
        account.is_admin = kind == InvitationKind::Owner.as_str();
        account.may_create_rooms =
            account.is_admin || crate::store::row::flag(&spent, "may_create_rooms")?;
        if account.is_admin && accounts::any(on, org).await? {
            return Err(StoreError::Missing);
        }
        // In PostgreSQL nothing more can be done where a statement was refused, but to go back.
        let mut attempt = on.begin().await?;
        match accounts::insert(&mut attempt.on(), &keys, org, &account).await {
            Ok(()) => {
                attempt.commit().await?;
                Ok(Accepted::Made {
                    is_admin: account.is_admin,
                    may_create_rooms: account.may_create_rooms,
                })
            }
            Err(StoreError::Conflict) => {
                attempt.rollback().await?;
                Ok(Accepted::Spent)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::{make, new_account};
    use crate::store::database::tests::store;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn invitation(hash: u8, kind: InvitationKind) -> NewInvitation {
        NewInvitation {
            token_hash: [hash; 32],
            kind,
            name: Some(Secret::new("Member".to_owned())),
            may_create_rooms: false,
            invited_by: None,
            created: NOW,
            expires: Timestamp::from_millis(2000),
        }
    }

    fn account_at(id: u8, email: &str, at: i64) -> NewAccount {
        NewAccount {
            created: Timestamp::from_millis(at),
            ..new_account(id, email)
        }
    }

    #[tokio::test]
    async fn of_many_who_accept_the_same_invitation_one_succeeds() {
        let (_folder, store) = store().await;
        store
            .invite(store.org(), invitation(1, InvitationKind::Member))
            .await
            .unwrap();
        let attempts: Vec<_> = (1..=20)
            .map(|id| {
                let account = account_at(id, &format!("{id}@example.org"), 1500);
                store.accept_invitation(store.org(), [1; 32], account)
            })
            .collect();
        let mut made = 0;
        for attempt in attempts {
            match attempt.await {
                Ok(Accepted::Made {
                    is_admin: false,
                    may_create_rooms: false,
                }) => made += 1,
                other => assert_eq!(other, Err(StoreError::Missing)),
            }
        }
        assert_eq!(made, 1);
    }

    #[tokio::test]
    async fn what_the_account_asks_for_is_not_what_it_gets() {
        let (_folder, store) = store().await;
        store
            .invite(store.org(), invitation(1, InvitationKind::Member))
            .await
            .unwrap();
        let greedy = NewAccount {
            is_admin: true,
            may_create_rooms: true,
            ..account_at(1, "a@x", 1500)
        };
        store
            .accept_invitation(store.org(), [1; 32], greedy)
            .await
            .unwrap();
        let made = store
            .credentials(store.org(), "a@x")
            .await
            .unwrap()
            .unwrap()
            .account;
        assert!(!made.is_admin && !made.may_create_rooms);
    }

    #[tokio::test]
    async fn an_expired_or_foreign_invitation_is_missing() {
        let (_folder, store) = store().await;
        store
            .invite(store.org(), invitation(1, InvitationKind::Member))
            .await
            .unwrap();
        let late = store
            .accept_invitation(store.org(), [1; 32], account_at(1, "a@x", 2000))
            .await;
        assert_eq!(late, Err(StoreError::Missing));
        let foreign = OrgId::from_bytes([9; 16]);
        let elsewhere = store
            .accept_invitation(foreign, [1; 32], account_at(1, "a@x", 1500))
            .await;
        assert_eq!(elsewhere, Err(StoreError::Missing));
        assert!(
            store
                .invitation_stands(store.org(), &[1; 32], NOW)
                .await
                .unwrap()
        );
        assert!(
            !store
                .invitation_stands(store.org(), &[1; 32], Timestamp::from_millis(2000))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn an_address_in_use_spends_the_invitation() {
        let (_folder, store) = store().await;
        make(&store, 1, "member@example.org").await;
        store
            .invite(store.org(), invitation(1, InvitationKind::Member))
            .await
            .unwrap();
        let taken = store
            .accept_invitation(
                store.org(),
                [1; 32],
                account_at(2, "member@example.org", 1500),
            )
            .await;
        assert_eq!(taken, Ok(Accepted::Spent));
        let again = store
            .accept_invitation(
                store.org(),
                [1; 32],
                account_at(2, "free@example.org", 1500),
            )
            .await;
        assert_eq!(again, Err(StoreError::Missing));
    }

    #[tokio::test]
    async fn a_new_owner_link_ends_the_earlier_one_and_none_is_made_after_the_first_account() {
        let (_folder, store) = store().await;
        store
            .invite_owner(store.org(), invitation(1, InvitationKind::Owner))
            .await
            .unwrap();
        store
            .invite_owner(store.org(), invitation(2, InvitationKind::Owner))
            .await
            .unwrap();
        let old = store
            .accept_invitation(store.org(), [1; 32], account_at(1, "a@x", 1500))
            .await;
        assert_eq!(old, Err(StoreError::Missing));
        let owner = store
            .accept_invitation(store.org(), [2; 32], account_at(1, "a@x", 1500))
            .await;
        assert_eq!(
            owner,
            Ok(Accepted::Made {
                is_admin: true,
                may_create_rooms: true
            })
        );
        let late = store
            .invite_owner(store.org(), invitation(3, InvitationKind::Owner))
            .await;
        assert_eq!(late, Err(StoreError::Conflict));
    }

    #[tokio::test]
    async fn an_owner_link_is_worth_nothing_once_there_is_an_account() {
        let (_folder, store) = store().await;
        store
            .invite_owner(store.org(), invitation(1, InvitationKind::Owner))
            .await
            .unwrap();
        make(&store, 1, "first@example.org").await;
        let late = store
            .accept_invitation(store.org(), [1; 32], account_at(2, "a@x", 1500))
            .await;
        assert_eq!(late, Err(StoreError::Missing));
    }
}
