//! Roles that accounts hold in a room whenever they come to it.

use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, OrgId, RoomId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::rooms::stands;
use crate::store::row;
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

/// Accounts with a role in one room.
const MAX_ROLES: i64 = 1000;

/// A role that an account can be given in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenRole {
    /// Moderates beside the owner.
    Host,
    /// Shares a screen without asking.
    Presenter,
}

impl GivenRole {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Presenter => "presenter",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        match text {
            "host" => Ok(Self::Host),
            "presenter" => Ok(Self::Presenter),
            _ => Err(StoreError::Corrupt),
        }
    }
}

impl From<GivenRole> for Role {
    fn from(role: GivenRole) -> Self {
        match role {
            GivenRole::Host => Self::Host,
            GivenRole::Presenter => Self::Presenter,
        }
    }
}

impl Store {
    /// What an account is in a room: owner, or what it was given. `None` for everyone else and for a room that does
    /// not exist, after the same work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn role_in(
        &self,
        org: OrgId,
        room: RoomId,
        account: AccountId,
    ) -> Result<Option<Role>, StoreError> {
        let found = query(
            "SELECT rooms.owner_id, room_roles.role FROM rooms LEFT JOIN room_roles ON \
             room_roles.org_id = rooms.org_id AND room_roles.room_id = rooms.room_id AND room_roles.account_id = $3 \
             WHERE rooms.org_id = $1 AND rooms.room_id = $2 AND rooms.ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        if row::id::<AccountId>(&found, "owner_id")? == account {
            return Ok(Some(Role::Owner));
        }
        let given: Option<&str> = found.try_get("role")?;
        given
            .map(|role| GivenRole::read(role).map(Role::from))
            .transpose()
    }

    /// Every role that was given in a room.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn roles(
        &self,
        org: OrgId,
        room: RoomId,
    ) -> Result<Vec<(AccountId, GivenRole)>, StoreError> {
        let found = query(
            "SELECT account_id, role FROM room_roles WHERE org_id = $1 AND room_id = $2 LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(MAX_ROLES)
        .fetch_all(self.reads())
        .await?;
        found
            .iter()
            .map(|found| {
                Ok((
                    row::id(found, "account_id")?,
                    GivenRole::read(found.try_get("role")?)?,
                ))
            })
            .collect()
    }

    /// Gives an account a role in a room, or takes it with `None`.
    pub fn set_role(
        &self,
        org: OrgId,
        room: RoomId,
        account: AccountId,
        role: Option<GivenRole>,
        by: ActorId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(SetRole {
            org,
            room,
            account,
            role,
            by,
            now,
        })
    }
}

struct SetRole {
    org: OrgId,
    room: RoomId,
    account: AccountId,
    role: Option<GivenRole>,
    by: ActorId,
    now: Timestamp,
}

impl Change for SetRole {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            account,
            role,
            by,
            now,
        } = self;
        stands(on, org, room).await?;
        query("DELETE FROM room_roles WHERE org_id = $1 AND room_id = $2 AND account_id = $3")
            .bind(org.as_bytes().as_slice())
            .bind(room.as_bytes().as_slice())
            .bind(account.as_bytes().as_slice())
            .execute(&mut *on)
            .await?;
        let Some(role) = role else { return Ok(()) };
        let given: i64 =
            query_scalar("SELECT COUNT(*) FROM room_roles WHERE org_id = $1 AND room_id = $2")
                .bind(org.as_bytes().as_slice())
                .bind(room.as_bytes().as_slice())
                .fetch_one(&mut *on)
                .await?;
        if given >= MAX_ROLES {
            return Err(StoreError::Full);
        }
        query(
            "INSERT INTO room_roles (org_id, room_id, account_id, role, given_by, given) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(role.as_str())
        .bind(by.as_bytes().as_slice())
        .bind(now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[tokio::test]
    async fn a_role_is_given_replaced_and_taken_in_one_room_only() {
        let (_folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let (_, other) = room_of(&store, 3, 4).await;
        let member = make(&store, 5, "attendee@example.org").await;
        let org = store.org();
        let give = |role| store.set_role(org, room, member, role, owner.into(), NOW);
        let is = async |room| store.role_in(org, room, member).await.unwrap();
        assert_eq!(is(room).await, None);
        give(Some(GivenRole::Presenter)).await.unwrap();
        give(Some(GivenRole::Host)).await.unwrap();
        assert_eq!((is(room).await, is(other).await), (Some(Role::Host), None));
        assert_eq!(
            store.roles(org, room).await.unwrap(),
            [(member, GivenRole::Host)]
        );
        assert_eq!(store.rooms_of(org, member).await.unwrap().len(), 1);
        give(None).await.unwrap();
        assert_eq!(is(room).await, None);
        assert_eq!(store.role_in(org, room, owner).await, Ok(Some(Role::Owner)));
    }

    #[tokio::test]
    async fn a_role_needs_a_room_that_stands_and_an_account_that_exists() {
        let (_folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let nobody = AccountId::from_bytes([9; 16]);
        let org = store.org();
        let host = Some(GivenRole::Host);
        let given = store
            .set_role(org, room, nobody, host, owner.into(), NOW)
            .await;
        assert_eq!(given, Err(StoreError::Missing));
        store.end_room(org, room, NOW).await.unwrap();
        let given = store
            .set_role(org, room, owner, host, owner.into(), NOW)
            .await;
        assert_eq!(given, Err(StoreError::Missing));
    }

    #[tokio::test]
    async fn the_owner_stays_the_owner_whatever_role_is_given() {
        let (_folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let presenter = Some(GivenRole::Presenter);
        store
            .set_role(store.org(), room, owner, presenter, owner.into(), NOW)
            .await
            .unwrap();
        assert_eq!(
            store.role_in(store.org(), room, owner).await,
            Ok(Some(Role::Owner))
        );
    }
}
