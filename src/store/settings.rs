//! Settings of rooms: only what differs from the strictest is stored, and only settings that stand together.

use conclave_policy::settings::{SettingKey, Settings};
use sqlx::{Row, SqliteConnection};

use crate::ids::{OrgId, RoomId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::rooms::stands;
use crate::store::writer::{Change, Written};

impl Store {
    /// Changes settings, all or none, and gives what stands afterwards. `Settings` when they would not stand together,
    /// `Missing` when the room has ended.
    pub fn change_settings(
        &self,
        org: OrgId,
        room: RoomId,
        changes: Vec<(SettingKey, &'static str)>,
    ) -> Written<Settings> {
        self.write(ChangeSettings { org, room, changes })
    }
}

/// The stored differences on top of the strictest settings. A value that this version does not know is corruption:
/// going on without it could only loosen the room.
pub(super) async fn settings(
    on: &mut SqliteConnection,
    org: OrgId,
    room: RoomId,
) -> Result<Settings, StoreError> {
    let rows =
        sqlx::query("SELECT setting, value FROM room_settings WHERE org_id = $1 AND room_id = $2")
            .bind(org.as_bytes().as_slice())
            .bind(room.as_bytes().as_slice())
            .fetch_all(on)
            .await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for row in &rows {
        pairs.push((
            row.try_get::<&str, _>("setting")?,
            row.try_get::<&str, _>("value")?,
        ));
    }
    Settings::from_pairs(pairs).map_err(|_| StoreError::Corrupt)
}

struct ChangeSettings {
    org: OrgId,
    room: RoomId,
    changes: Vec<(SettingKey, &'static str)>,
}

impl Change for ChangeSettings {
    type Out = Settings;

    async fn apply(self, on: &mut SqliteConnection) -> Result<Settings, StoreError> {
        let Self { org, room, changes } = self;
        stands(on, org, room).await?;
        let before = settings(on, org, room).await?;
        let after = changed(&before, &changes)?;
        let strictest = Settings::strictest();
        for (key, value) in after
            .iter()
            .filter(|(key, value)| before.value(*key) != *value)
        {
            sqlx::query(
                "DELETE FROM room_settings WHERE org_id = $1 AND room_id = $2 AND setting = $3",
            )
            .bind(org.as_bytes().as_slice())
            .bind(room.as_bytes().as_slice())
            .bind(key.as_str())
            .execute(&mut *on)
            .await?;
            if value == strictest.value(key) {
                continue;
            }
            sqlx::query("INSERT INTO room_settings (org_id, room_id, setting, value) VALUES ($1, $2, $3, $4)")
                .bind(org.as_bytes().as_slice())
                .bind(room.as_bytes().as_slice())
                .bind(key.as_str())
                .bind(value)
                .execute(&mut *on)
                .await?;
        }
        Ok(after)
    }
}

/// The settings after all changes together; only the outcome has to stand, not each step on the way.
fn changed(
    before: &Settings,
    changes: &[(SettingKey, &'static str)],
) -> Result<Settings, StoreError> {
    let kept = before
        .iter()
        .filter(|(key, _)| !changes.iter().any(|(changed, _)| changed == key));
    let pairs = kept
        .chain(changes.iter().copied())
        .map(|(key, value)| (key.as_str(), value));
    Settings::from_pairs(pairs).map_err(|_| StoreError::Settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    async fn rows(store: &Store) -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM room_settings")
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn only_differences_from_the_strictest_are_stored() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let change = |changes| store.change_settings(store.org(), room, changes);
        change(vec![
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "required"),
        ])
        .await
        .unwrap();
        assert_eq!(rows(&store).await, 1);
        let settings = change(vec![(SettingKey::WaitingRoom, "everyone")])
            .await
            .unwrap();
        assert_eq!((rows(&store).await, settings), (0, Settings::strictest()));
    }

    #[tokio::test]
    async fn changes_are_made_together_or_not_at_all() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let change = |changes| store.change_settings(store.org(), room, changes);
        let none_left = vec![
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "guests_may_knock"),
            (SettingKey::Password, "none"),
        ];
        assert_eq!(change(none_left).await, Err(StoreError::Settings));
        assert_eq!(
            change(vec![(SettingKey::Password, "sometimes")]).await,
            Err(StoreError::Settings)
        );
        let twice = vec![
            (SettingKey::Password, "none"),
            (SettingKey::Password, "required"),
        ];
        assert_eq!(change(twice).await, Err(StoreError::Settings));
        assert_eq!(rows(&store).await, 0);
    }

    #[tokio::test]
    async fn many_who_relax_at_the_same_time_cannot_together_leave_the_room_open() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let writes: Vec<_> = [
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "guests_may_knock"),
            (SettingKey::Password, "none"),
        ]
        .into_iter()
        .map(|change| store.change_settings(store.org(), room, vec![change]))
        .collect();
        let mut refused = 0;
        for write in writes {
            refused += u32::from(write.await == Err(StoreError::Settings));
        }
        assert_eq!(refused, 1);
        store
            .room(store.org(), room)
            .await
            .unwrap()
            .unwrap()
            .settings
            .check()
            .unwrap();
    }

    #[tokio::test]
    async fn a_value_that_this_version_does_not_know_does_not_loosen_the_room() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        struct Plant(OrgId, RoomId);
        impl Change for Plant {
            type Out = ();
            async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
                sqlx::query(
                    "INSERT INTO room_settings VALUES ($1, $2, 'waiting_room', 'sometimes')",
                )
                .bind(self.0.as_bytes().as_slice())
                .bind(self.1.as_bytes().as_slice())
                .execute(on)
                .await?;
                Ok(())
            }
        }
        store
            .write_for_test(Plant(store.org(), room))
            .await
            .unwrap();
        assert_eq!(
            store.room(store.org(), room).await.unwrap_err(),
            StoreError::Corrupt
        );
    }
}
