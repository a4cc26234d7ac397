//! What administrators do to accounts: what each may do, the end of its sessions, and its own. Whoever changes one has a permit for that account; whether it administers
//! is looked at once more with the change, so that a permit for members never touches an administrator.

use std::sync::Arc;

use conclave_policy::control::{ManageAdmin, ManageMember};
use conclave_policy::permit::Permit;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId};
use crate::store::accounts::{End, MemberData};
use crate::store::database::Store;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::row;
use crate::store::seal::SealingKeys;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

/// A permit to change or end one account.
#[derive(Debug)]
pub enum Managing {
    /// One that does not administer, and is not to.
    Member(Permit<ManageMember>),
    /// Any.
    Admin(Permit<ManageAdmin>),
}

/// Why an account was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftAlone {
    /// Nobody else administers the organisation by their account.
    LastAdmin,
    /// It administers, and the permit is for members.
    Administers,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRights {
    /// It administers the organisation.
    pub admin: bool,
    /// It may create rooms.
    pub may_create_rooms: bool,
}

impl Managing {
    const fn account(&self) -> AccountId {
        match self {
            Self::Member(permit) => permit.action().account,
            Self::Admin(permit) => permit.action().account,
        }
    }

    const fn administrators(&self) -> bool {
        matches!(self, Self::Admin(_))
    }
}

impl Store {
    /// Sets what an account may do. Whoever administers no more is signed out everywhere. `Missing` when there is none.
    pub fn change_member(
        &self,
        permit: &Managing,
        org: OrgId,
        rights: MemberRights,
    ) -> Written<Result<(), LeftAlone>> {
        self.write(SetRights {
            org,
            account: permit.account(),
            administrators: permit.administrators(),
            rights,
        })
    }

    /// Ends every session of an account, which may sign in again. `Missing` when there is none.
    pub fn sign_member_out(&self, permit: &Managing, org: OrgId) -> Written<Result<(), LeftAlone>> {
        self.write(SignOut {
            org,
            account: permit.account(),
            administrators: permit.administrators(),
        })
    }

    /// Ends an account and every session of it; what was sealed of it opens no more. `Missing` when there is none.
    pub fn end_member(
        &self,
        permit: &Managing,
        org: OrgId,
        now: Timestamp,
    ) -> Written<Result<(), LeftAlone>> {
        let account = permit.account();
        let data = MemberData {
            account_id: account,
        };
        let news = self.news(NewsKind::MemberEnded, None, now, &data);
        let change = EndMember {
            org,
            account,
            administrators: permit.administrators(),
            now,
            keys: self.keys().clone(),
        };
        let ended = self.write_telling(org, change, news, Result::is_ok);
        self.was_taken_away();
        ended
    }
}

struct SetRights {
    org: OrgId,
    account: AccountId,
    administrators: bool,
    rights: MemberRights,
}

impl Change for SetRights {
    type Out = Result<(), LeftAlone>;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let (org, account) = (self.org, self.account);
        let was = administers(&mut *on, org, account).await?;
        if !self.administrators && (was.at_all() || self.rights.admin) {
            return Ok(Err(LeftAlone::Administers));
        }
        let less = was.by_account && !self.rights.admin;
        if less && !others_administer(&mut *on, org, account).await? {
            return Ok(Err(LeftAlone::LastAdmin));
        }
        query(
            "UPDATE accounts SET is_admin = $1, may_create_rooms = $2, epoch = epoch + $3 \
             WHERE org_id = $4 AND account_id = $5",
        )
        .bind(i64::from(self.rights.admin))
        .bind(i64::from(self.rights.may_create_rooms))
        // Rooms know from the door who administers: whoever does no more comes in anew.
        .bind(i64::from(less))
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .execute(on)
        .await?;
        Ok(Ok(()))
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Doubtful(Ended::Account(self.account)))
    }
}

struct SignOut {
    org: OrgId,
    account: AccountId,
    administrators: bool,
}

impl Change for SignOut {
    type Out = Result<(), LeftAlone>;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let (org, account) = (self.org, self.account);
        let was = administers(&mut *on, org, account).await?;
        if !self.administrators && was.at_all() {
            return Ok(Err(LeftAlone::Administers));
        }
        query("UPDATE accounts SET epoch = epoch + 1 WHERE org_id = $1 AND account_id = $2")
            .bind(org.as_bytes().as_slice())
            .bind(account.as_bytes().as_slice())
            .execute(on)
            .await?;
        Ok(Ok(()))
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Doubtful(Ended::Account(self.account)))
    }
}

struct EndMember {
    org: OrgId,
    account: AccountId,
    administrators: bool,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for EndMember {
    type Out = Result<(), LeftAlone>;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let (org, account) = (self.org, self.account);
        let was = administers(&mut *on, org, account).await?;
        if !self.administrators && was.at_all() {
            return Ok(Err(LeftAlone::Administers));
        }
        if was.by_account && !others_administer(&mut *on, org, account).await? {
            return Ok(Err(LeftAlone::LastAdmin));
        }
        let end = End {
            org,
            id: account,
            now: self.now,
            keys: self.keys,
        };
        end.apply(on).await.map(Ok)
    }

    fn ends(&self) -> Option<Ending> {
        // It may have been left alone; whoever is here by it looks.
        Some(Ending::Doubtful(Ended::Account(self.account)))
    }
}

/// By what an account administers.
struct Administers {
    by_account: bool,
    by_provider: bool,
}

impl Administers {
    const fn at_all(&self) -> bool {
        self.by_account || self.by_provider
    }
}

async fn administers(
    on: &mut Connection<'_>,
    org: OrgId,
    account: AccountId,
) -> Result<Administers, StoreError> {
    let found = query(
        "SELECT is_admin, (SELECT count(*) FROM identities WHERE identities.org_id = accounts.org_id \
         AND identities.account_id = accounts.account_id AND identities.is_admin = 1) AS elsewhere FROM accounts \
         WHERE org_id = $1 AND account_id = $2 AND ended IS NULL",
    )
    .bind(org.as_bytes().as_slice())
    .bind(account.as_bytes().as_slice())
    .fetch_optional(on)
    .await?
    .ok_or(StoreError::Missing)?;
    Ok(Administers {
        by_account: row::flag(&found, "is_admin")?,
        by_provider: found.try_get::<i64, _>("elsewhere")? > 0,
    })
}

/// Whether anyone else administers by their account. What providers say of people can end any day, and does not count.
async fn others_administer(
    on: &mut Connection<'_>,
    org: OrgId,
    account: AccountId,
) -> Result<bool, StoreError> {
    let other = query(
        "SELECT 1 FROM accounts WHERE org_id = $1 AND account_id <> $2 AND is_admin = 1 AND ended IS NULL LIMIT 1",
    )
    .bind(org.as_bytes().as_slice())
    .bind(account.as_bytes().as_slice())
    .fetch_optional(on)
    .await?;
    Ok(other.is_some())
}
