//! Whose room it is, when it changes hands.

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, OrgId, RoomId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

impl Store {
    /// Gives a room to another account; the former owner stays as a host. `Missing` when it is not the former's (any more).
    pub fn transfer_room(
        &self,
        org: OrgId,
        room: RoomId,
        owner: AccountId,
        former: AccountId,
        by: ActorId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Transfer {
            org,
            room,
            owner,
            former,
            by,
            now,
        })
    }
}

struct Transfer {
    org: OrgId,
    room: RoomId,
    owner: AccountId,
    former: AccountId,
    by: ActorId,
    now: Timestamp,
}

impl Change for Transfer {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, room) = (
            self.org.as_bytes().as_slice(),
            self.room.as_bytes().as_slice(),
        );
        let (owner, former) = (
            self.owner.as_bytes().as_slice(),
            self.former.as_bytes().as_slice(),
        );
        let changed = query(
            "UPDATE rooms SET owner_id = $1 WHERE org_id = $2 AND room_id = $3 AND owner_id = $4 AND ended IS NULL",
        )
        .bind(owner)
        .bind(org)
        .bind(room)
        .bind(former)
        .execute(&mut *on)
        .await?;
        if changed.rows_affected() != 1 {
            return Err(StoreError::Missing);
        }
        query(
            "DELETE FROM room_roles WHERE org_id = $1 AND room_id = $2 AND account_id IN ($3, $4)",
        )
        .bind(org)
        .bind(room)
        .bind(owner)
        .bind(former)
        .execute(&mut *on)
        .await?;
        query(
            "INSERT INTO room_roles (org_id, room_id, account_id, role, given_by, given) \
             VALUES ($1, $2, $3, 'host', $4, $5)",
        )
        .bind(org)
        .bind(room)
        .bind(former)
        .bind(self.by.as_bytes().as_slice())
        .bind(self.now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use conclave_policy::roles::Role;

    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    #[tokio::test]
    async fn a_room_changes_hands_once_and_its_former_owner_hosts_it() {
        let (_folder, store) = store().await;
        let (former, room) = room_of(&store, 1, 2).await;
        let owner = make(&store, 5, "member@example.org").await;
        let now = Timestamp::from_millis(1);
        let transfer = || store.transfer_room(store.org(), room, owner, former, former.into(), now);
        transfer().await.unwrap();
        let role = |account| store.role_in(store.org(), room, account);
        assert_eq!(role(owner).await, Ok(Some(Role::Owner)));
        assert_eq!(role(former).await, Ok(Some(Role::Host)));
        assert_eq!(transfer().await, Err(StoreError::Missing));
    }
}
