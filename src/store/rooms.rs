//! Rooms, which outlive their meetings. Titles and passwords are sealed.

use std::sync::Arc;

use conclave_policy::actions::CreateRoom;
use conclave_policy::control::RenameRoom;
use conclave_policy::levels::Levels;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::Settings;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::chat::{signed, unsigned};
use crate::store::database::Store;
use crate::store::datakeys::{Holder, Scope};
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::settings::levels;
use crate::store::speech::forget;
use crate::store::sql::{Connection, Pool, Row, query, query_scalar};
use crate::store::writer::{Change, Written};

pub(super) const TITLE: Column = Column {
    table: "rooms",
    name: "title",
    scope: Scope::Room,
};
const PASSWORD: Column = Column {
    table: "rooms",
    name: "password",
    scope: Scope::Room,
};
/// Rooms that one account may own at a time.
const MAX_OWNED: i64 = 1000;

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
    /// How often the password was changed.
    pub password_revision: u64,
    /// Its settings, as they stand.
    pub settings: Settings,
    /// The levels that they come from.
    pub levels: Levels,
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
    /// Whose it is.
    pub owner: AccountId,
    /// What it is called.
    pub title: Secret<String>,
    /// Its first password.
    pub password: Secret<String>,
    /// When it is made.
    pub created: Timestamp,
}

impl Store {
    /// Makes a room. `Full` when the owner has too many, `Missing` when there is no such owner.
    pub fn create_room(
        &self,
        _permit: Permit<CreateRoom>,
        org: OrgId,
        room: NewRoom,
    ) -> Written<()> {
        let data = RoomData {
            room_id: room.id,
            title: Some(room.title.expose()),
            owner_id: Some(room.owner),
        };
        let news = self.news(NewsKind::RoomCreated, Some(room.id), room.created, &data);
        let keys = self.keys().clone();
        let create = Create { org, room, keys };
        self.write_telling(org, create, news, |()| true)
    }

    /// A room that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn room(&self, org: OrgId, id: RoomId) -> Result<Option<Room>, StoreError> {
        let mut snapshot = self.reads().snapshot().await?;
        let found = query(
            "SELECT owner_id, title, password, password_revision, created FROM rooms \
             WHERE org_id = $1 AND room_id = $2 AND ended IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut snapshot.on())
        .await?;
        let levels = levels(&mut snapshot.on(), org, id, self.keys())
            .await?
            .levels;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let keys = self.keys();
        Ok(Some(Room {
            id,
            owner: row::id(&found, "owner_id")?,
            title: row::sealed_text(&mut snapshot.on(), &found, keys, TITLE, &place).await?,
            password: row::sealed_text(&mut snapshot.on(), &found, keys, PASSWORD, &place).await?,
            password_revision: unsigned(found.try_get("password_revision")?)?,
            settings: levels.settings(),
            levels,
            created: row::time(&found, "created")?,
        }))
    }

    /// The title of a room, for those who read what happened there. One that has ended has none any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn room_title(
        &self,
        org: OrgId,
        room: RoomId,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let found =
            query("SELECT title FROM rooms WHERE org_id = $1 AND room_id = $2 AND ended IS NULL")
                .bind(org.as_bytes().as_slice())
                .bind(room.as_bytes().as_slice())
                .fetch_optional(self.reads())
                .await?;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), room.as_bytes()];
        match row::sealed_text(self.reads(), &found, self.keys(), TITLE, &place).await {
            Ok(title) => Ok(Some(title)),
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
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
        let found = query(
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
        let mut lines = Vec::with_capacity(found.len());
        for found in &found {
            lines.push(line(self.reads(), found, self.keys(), org, account).await?);
        }
        Ok(lines)
    }

    /// Calls the room of the permit by another title. `Missing` when there is none, or it has ended.
    pub fn rename_room(
        &self,
        permit: Permit<RenameRoom>,
        org: OrgId,
        title: Secret<String>,
    ) -> Written<()> {
        let room = permit.room();
        let keys = self.keys().clone();
        self.write(Rename {
            org,
            room,
            title,
            keys,
        })
    }

    /// Replaces a room's password of this revision; gives the new one. `Conflict` when it was replaced meanwhile.
    pub fn change_room_password(
        &self,
        org: OrgId,
        room: RoomId,
        seen: u64,
        password: Secret<String>,
    ) -> Written<u64> {
        self.write(ChangePassword {
            org,
            room,
            seen,
            password,
            keys: self.keys().clone(),
        })
    }

    /// Ends a room for good; what was sealed of it opens no more. `Missing` when there is none, or it has ended.
    pub fn end_room(&self, org: OrgId, room: RoomId, now: Timestamp) -> Written<()> {
        let data = RoomData {
            room_id: room,
            title: None,
            owner_id: None,
        };
        let news = self.news(NewsKind::RoomClosed, Some(room), now, &data);
        let keys = self.keys().clone();
        let end = End {
            org,
            room,
            now,
            keys,
        };
        let ended = self.write_telling(org, end, news, |()| true);
        self.was_taken_away();
        ended
    }
}

async fn line(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
    account: AccountId,
) -> Result<RoomLine, StoreError> {
    let id: RoomId = row::id(found, "room_id")?;
    let owner: AccountId = row::id(found, "owner_id")?;
    let place = [org.as_bytes().as_slice(), id.as_bytes()];
    Ok(RoomLine {
        id,
        title: row::sealed_text(on, found, keys, TITLE, &place).await?,
        role: if owner == account {
            Role::Owner
        } else {
            Role::Host
        },
        created: row::time(found, "created")?,
    })
}

pub(super) async fn stands(
    on: &mut Connection<'_>,
    org: OrgId,
    room: RoomId,
) -> Result<(), StoreError> {
    query("SELECT 1 FROM rooms WHERE org_id = $1 AND room_id = $2 AND ended IS NULL")
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_optional(on)
        .await?
        .map(|_| ())
        .ok_or(StoreError::Missing)
}

/// A room, as other programs are told of it.
#[derive(Serialize)]
struct RoomData<'a> {
    room_id: RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_id: Option<AccountId>,
}

struct Create {
    org: OrgId,
    room: NewRoom,
    keys: Arc<SealingKeys>,
}

impl Change for Create {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self { org, room, keys } = self;
        let owner = room.owner;
        // Of an account that has ended the row is still there.
        query("SELECT 1 FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL")
            .bind(org.as_bytes().as_slice())
            .bind(owner.as_bytes().as_slice())
            .fetch_optional(&mut *on)
            .await?
            .ok_or(StoreError::Missing)?;
        let owned: i64 = query_scalar(
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
        query(
            "INSERT INTO rooms (org_id, room_id, owner_id, title, password, created) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.id.as_bytes().as_slice())
        .bind(owner.as_bytes().as_slice())
        .bind(keys.seal(&mut *on, TITLE, &place, room.title.expose().as_bytes()).await?)
        .bind(keys.seal(&mut *on, PASSWORD, &place, room.password.expose().as_bytes()).await?)
        .bind(room.created.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Rename {
    org: OrgId,
    room: RoomId,
    title: Secret<String>,
    keys: Arc<SealingKeys>,
}

impl Change for Rename {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let place = [self.org.as_bytes().as_slice(), self.room.as_bytes()];
        let title = self.title.expose().as_bytes();
        let renamed = query(
            "UPDATE rooms SET title = $1 WHERE org_id = $2 AND room_id = $3 AND ended IS NULL",
        )
        .bind(self.keys.seal(&mut *on, TITLE, &place, title).await?)
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .execute(on)
        .await?;
        if renamed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}

struct ChangePassword {
    org: OrgId,
    room: RoomId,
    seen: u64,
    password: Secret<String>,
    keys: Arc<SealingKeys>,
}

impl Change for ChangePassword {
    type Out = u64;

    async fn apply(self, on: &mut Connection<'_>) -> Result<u64, StoreError> {
        let (org, room) = (
            self.org.as_bytes().as_slice(),
            self.room.as_bytes().as_slice(),
        );
        let found = query(
            "SELECT password_revision FROM rooms WHERE org_id = $1 AND room_id = $2 AND ended IS NULL",
        )
        .bind(org)
        .bind(room)
        .fetch_optional(&mut *on)
        .await?
        .ok_or(StoreError::Missing)?;
        if unsigned(found.try_get("password_revision")?)? != self.seen {
            return Err(StoreError::Conflict);
        }
        let next = self.seen.saturating_add(1);
        query(
            "UPDATE rooms SET password = $1, password_revision = $2 WHERE org_id = $3 AND room_id = $4",
        )
        .bind(self.keys.seal(&mut *on, PASSWORD, &[org, room], self.password.expose().as_bytes()).await?)
        .bind(signed(next))
        .bind(org)
        .bind(room)
        .execute(on)
        .await?;
        Ok(next)
    }
}

struct End {
    org: OrgId,
    room: RoomId,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let ended = query(
            "UPDATE rooms SET ended = $1 WHERE org_id = $2 AND room_id = $3 AND ended IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .execute(&mut *on)
        .await?;
        if ended.rows_affected() != 1 {
            return Err(StoreError::Missing);
        }
        forget(&mut *on, self.org, self.room).await?;
        let holder = Holder::room(*self.org.as_bytes(), *self.room.as_bytes());
        self.keys.shred(on, holder).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{CreateRight, Facts, OrgAdmin, SecondFactor};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::settings::RoomCreation;
    use std::sync::LazyLock;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

    fn permit(owner: AccountId) -> Permit<CreateRoom> {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(RoomCreation::WithRight)
            .with(CreateRight::Yes)
            .with(OrgAdmin::No);
        let nowhere = RoomId::from_bytes([0; 16]);
        RULES
            .decide(owner.into(), Role::Attendee, nowhere, &facts, CreateRoom)
            .unwrap()
    }

    fn new_room(owner: AccountId, id: u8, created: i64) -> NewRoom {
        NewRoom {
            id: RoomId::from_bytes([id; 16]),
            owner,
            title: Secret::new("Weekly".to_owned()),
            password: Secret::new("bakozi-dulame".to_owned()),
            created: Timestamp::from_millis(created),
        }
    }

    /// A room of a new account: the first byte of both identifiers is this.
    pub(crate) async fn room_of(store: &Store, owner: u8, room: u8) -> (AccountId, RoomId) {
        let account = make(store, owner, &format!("{owner}@example.org")).await;
        store
            .create_room(permit(account), store.org(), new_room(account, room, 1))
            .await
            .unwrap();
        (account, RoomId::from_bytes([room; 16]))
    }

    #[tokio::test]
    async fn a_new_room_belongs_to_the_holder_of_the_permit_and_is_strict() {
        let (_folder, store) = store().await;
        let (owner, id) = room_of(&store, 1, 2).await;
        let room = store.room(store.org(), id).await.unwrap().unwrap();
        assert_eq!((room.owner, room.settings), (owner, Settings::strictest()));
        assert_eq!(
            (
                room.title.expose().as_str(),
                room.password.expose().as_str()
            ),
            ("Weekly", "bakozi-dulame")
        );
        assert!(
            store
                .room(OrgId::from_bytes([9; 16]), id)
                .await
                .unwrap()
                .is_none()
        );
        let again = store
            .create_room(permit(owner), store.org(), new_room(owner, 2, 1))
            .await;
        assert_eq!(again, Err(StoreError::Conflict));
    }

    #[tokio::test]
    async fn a_room_needs_an_owner_that_exists() {
        let (_folder, store) = store().await;
        let nobody = AccountId::from_bytes([7; 16]);
        let made = store
            .create_room(permit(nobody), store.org(), new_room(nobody, 2, 1))
            .await;
        assert_eq!(made, Err(StoreError::Missing));
    }

    #[tokio::test]
    async fn an_account_cannot_own_endless_rooms() {
        let (_folder, store) = store().await;
        let owner = make(&store, 1, "member@example.org").await;
        let mut full = 0;
        let writes: Vec<_> = (0..MAX_OWNED + 3)
            .map(|at| {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&at.to_be_bytes());
                let room = NewRoom {
                    id: RoomId::from_bytes(id),
                    ..new_room(owner, 0, at)
                };
                store.create_room(permit(owner), store.org(), room)
            })
            .collect();
        for write in writes {
            full += u32::from(write.await == Err(StoreError::Full));
        }
        assert_eq!(full, 3);
        let listed = store.rooms_of(store.org(), owner).await.unwrap();
        assert_eq!(listed.len() as i64, MAX_OWNED);
        assert!(listed.is_sorted_by(|a, b| a.created >= b.created));
    }

    #[tokio::test]
    async fn an_ended_room_is_gone_for_everyone() {
        let (_folder, store) = store().await;
        let (owner, id) = room_of(&store, 1, 2).await;
        store.end_room(store.org(), id, NOW).await.unwrap();
        assert!(store.room(store.org(), id).await.unwrap().is_none());
        assert!(store.rooms_of(store.org(), owner).await.unwrap().is_empty());
        assert_eq!(store.role_in(store.org(), id, owner).await, Ok(None));
        let password = Secret::new("another".to_owned());
        let changed = store
            .change_room_password(store.org(), id, 0, password)
            .await;
        assert_eq!(changed, Err(StoreError::Missing));
        assert_eq!(
            store.end_room(store.org(), id, NOW).await,
            Err(StoreError::Missing)
        );
    }

    #[tokio::test]
    async fn a_password_is_replaced() {
        let (_folder, store) = store().await;
        let (_, id) = room_of(&store, 1, 2).await;
        let change = |seen, password: &str| {
            let password = Secret::new(password.to_owned());
            store.change_room_password(store.org(), id, seen, password)
        };
        // Two at once, who have seen the same.
        let (first, second) = (change(0, "another"), change(0, "a third"));
        assert_eq!(first.await, Ok(1));
        assert_eq!(second.await, Err(StoreError::Conflict));
        let room = store.room(store.org(), id).await.unwrap().unwrap();
        assert_eq!(room.password.expose(), "another");
        assert_eq!(room.password_revision, 1);
    }
}
