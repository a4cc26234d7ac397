//! Rooms, their settings and the roles that accounts hold in them. Titles and passwords are sealed.

use std::sync::Arc;

use conclave_policy::actions::CreateRoom;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::{SettingKey, Settings};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::writer::{Change, Written};

const TITLE: Column = Column {
    table: "rooms",
    name: "title",
};
const PASSWORD: Column = Column {
    table: "rooms",
    name: "password",
};
/// Rooms that one account may own at a time.
const MAX_OWNED: i64 = 1000;
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

/// A room that has not ended.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its identifier.
    pub id: RoomId,
    /// Whose it is.
    pub owner: AccountId,
    /// What it is called.
    pub title: Secret<String>,
    /// The password that it asks for, unless its settings say that it asks for none.
    pub password: Secret<String>,
    /// Its settings.
    pub settings: Settings,
    /// When it was made.
    pub created: Timestamp,
}

/// A room in a list.
#[derive(Clone, Debug)]
pub struct RoomLine {
    /// Its identifier.
    pub id: RoomId,
    /// What it is called.
    pub title: Secret<String>,
    /// What the account asked about is in it.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
}

/// A room to be made, at the strictest settings.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// Its identifier.
    pub id: RoomId,
    /// What it is called.
    pub title: Secret<String>,
    /// Its first password.
    pub password: Secret<String>,
    /// When it is made.
    pub created: Timestamp,
}

impl Store {
    /// Makes a room; its owner is whoever the permit names. `Full` when the owner has too many.
    pub fn create_room(
        &self,
        permit: Permit<CreateRoom>,
        org: OrgId,
        room: NewRoom,
    ) -> Written<()> {
        let owner = AccountId::from_bytes(*permit.actor().as_bytes());
        self.write(Create {
            owner,
            org,
            room,
            keys: self.keys().clone(),
        })
    }

    /// A room that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn room(&self, org: OrgId, id: RoomId) -> Result<Option<Room>, StoreError> {
        let mut snapshot = self.reads().begin().await?;
        let found = sqlx::query(
            "SELECT owner_id, title, password, created FROM rooms \
             WHERE org_id = $1 AND room_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *snapshot)
        .await?;
        let settings = settings(&mut snapshot, org, id).await?;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        Ok(Some(Room {
            id,
            owner: row::id(&found, "owner_id")?,
            title: row::sealed_text(&found, self.keys(), TITLE, &place)?,
            password: row::sealed_text(&found, self.keys(), PASSWORD, &place)?,
            settings,
            created: row::time(&found, "created")?,
        }))
    }

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
        let found = sqlx::query(
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

    /// The rooms that an account owns or hosts, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rooms_of(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Vec<RoomLine>, StoreError> {
        let found = sqlx::query(
            "SELECT rooms.room_id, rooms.title, rooms.created, rooms.owner_id FROM rooms LEFT JOIN room_roles ON \
             room_roles.org_id = rooms.org_id AND room_roles.room_id = rooms.room_id AND room_roles.account_id = $2 \
             WHERE rooms.org_id = $1 AND rooms.ended IS NULL AND (rooms.owner_id = $2 OR room_roles.role = 'host') \
             ORDER BY rooms.created DESC, rooms.room_id LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(MAX_OWNED)
        .fetch_all(self.reads())
        .await?;
        found
            .iter()
            .map(|found| line(found, self.keys(), org, account))
            .collect()
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
        let found = sqlx::query(
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

    /// Replaces a room's password.
    pub fn change_room_password(
        &self,
        org: OrgId,
        room: RoomId,
        password: Secret<String>,
    ) -> Written<()> {
        self.write(ChangePassword {
            org,
            room,
            password,
            keys: self.keys().clone(),
        })
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

    /// Ends a room for good. `Missing` when there is none, or it has ended.
    pub fn end_room(&self, org: OrgId, room: RoomId, now: Timestamp) -> Written<()> {
        self.write(End { org, room, now })
    }
}

fn line(
    found: &SqliteRow,
    keys: &SealingKeys,
    org: OrgId,
    account: AccountId,
) -> Result<RoomLine, StoreError> {
    let id: RoomId = row::id(found, "room_id")?;
    let owner: AccountId = row::id(found, "owner_id")?;
    Ok(RoomLine {
        id,
        title: row::sealed_text(found, keys, TITLE, &[org.as_bytes(), id.as_bytes()])?,
        role: if owner == account {
            Role::Owner
        } else {
            Role::Host
        },
        created: row::time(found, "created")?,
    })
}

/// The stored differences on top of the strictest settings. A value that this version does not know is corruption:
/// going on without it could only loosen the room.
async fn settings(
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

async fn stands(on: &mut SqliteConnection, org: OrgId, room: RoomId) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM rooms WHERE org_id = $1 AND room_id = $2 AND ended IS NULL")
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_optional(on)
        .await?
        .map(|_| ())
        .ok_or(StoreError::Missing)
}

struct Create {
    owner: AccountId,
    org: OrgId,
    room: NewRoom,
    keys: Arc<SealingKeys>,
}

impl Change for Create {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self {
            owner,
            org,
            room,
            keys,
        } = self;
        let owned: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM rooms WHERE org_id = $1 AND owner_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .fetch_one(&mut *on)
        .await?;
        if owned >= MAX_OWNED {
            return Err(StoreError::Full);
        }
        let place = [org.as_bytes().as_slice(), room.id.as_bytes()];
        sqlx::query(
            "INSERT INTO rooms (org_id, room_id, owner_id, title, password, created) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.id.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .bind(keys.seal(TITLE, &place, room.title.expose().as_bytes())?)
        .bind(keys.seal(PASSWORD, &place, room.password.expose().as_bytes())?)
        .bind(room.created.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
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

struct ChangePassword {
    org: OrgId,
    room: RoomId,
    password: Secret<String>,
    keys: Arc<SealingKeys>,
}

impl Change for ChangePassword {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            password,
            keys,
        } = self;
        let place = [org.as_bytes().as_slice(), room.as_bytes()];
        let changed = sqlx::query(
            "UPDATE rooms SET password = $1 WHERE org_id = $2 AND room_id = $3 AND ended IS NULL",
        )
        .bind(keys.seal(PASSWORD, &place, password.expose().as_bytes())?)
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .execute(on)
        .await?;
        if changed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
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

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            account,
            role,
            by,
            now,
        } = self;
        stands(on, org, room).await?;
        sqlx::query(
            "DELETE FROM room_roles WHERE org_id = $1 AND room_id = $2 AND account_id = $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .execute(&mut *on)
        .await?;
        let Some(role) = role else { return Ok(()) };
        let given: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM room_roles WHERE org_id = $1 AND room_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_one(&mut *on)
        .await?;
        if given >= MAX_ROLES {
            return Err(StoreError::Full);
        }
        sqlx::query(
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

struct End {
    org: OrgId,
    room: RoomId,
    now: Timestamp,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut SqliteConnection) -> Result<(), StoreError> {
        let ended = sqlx::query(
            "UPDATE rooms SET ended = $1 WHERE org_id = $2 AND room_id = $3 AND ended IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .execute(on)
        .await?;
        if ended.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}
