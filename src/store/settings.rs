//! Settings of organisations and rooms: only what was chosen is stored, by whom, and only what stands together.
//! What the levels amount to is said by the policy crate; nothing here weighs one against another.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_policy::actions::{
    ChangeKind, ChangeOption, ChangeOrgSetting, ChangeSetting, OrgOption,
};
use conclave_policy::kind::RoomKind;
use conclave_policy::levels::{LevelError, Levels, OrgChoice, OrgChoices, RoomChoices};
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::accounts::name_in;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::news::NewsKind;
use crate::store::rooms::stands;
use crate::store::row;
use crate::store::seal::SealingKeys;
use crate::store::sql::{Connection, Row, query};
use crate::store::writer::{Change, Written};

/// The names of those who chose, for those who are told of it.
pub type Authors = BTreeMap<ActorId, Secret<String>>;

/// The levels above one room as stored.
#[derive(Clone, Debug, Default)]
pub struct StoredLevels {
    /// What was chosen.
    pub levels: Levels,
    /// By whom.
    pub authors: Authors,
}

/// What an organisation chose, as stored.
#[derive(Clone, Debug, Default)]
pub struct StoredOrg {
    /// What was chosen.
    pub choices: OrgChoices,
    /// By whom.
    pub authors: Authors,
}

impl Store {
    /// The levels above a room. For a room that does not exist, what the organisation says, after the same work.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn levels(&self, org: OrgId, room: RoomId) -> Result<StoredLevels, StoreError> {
        let mut snapshot = self.reads().snapshot().await?;
        levels(&mut snapshot.on(), org, room, self.keys()).await
    }

    /// What an organisation says.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn org_choices(&self, org: OrgId) -> Result<StoredOrg, StoreError> {
        let mut snapshot = self.reads().snapshot().await?;
        organisation(&mut snapshot.on(), org, self.keys()).await
    }

    /// Changes settings of the room that the permits name, all or none, and gives what stands afterwards. `Settings` when they
    /// would not stand together, `Conflict` when the organisation has locked one of them, `Missing` when the room has ended
    /// or the permits are not all for one room.
    pub fn change_settings(
        &self,
        org: OrgId,
        settings: Vec<Permit<ChangeSetting>>,
        kind: Option<Permit<ChangeKind>>,
        at: Timestamp,
    ) -> Written<StoredLevels> {
        let mut said = settings
            .iter()
            .map(|permit| (permit.room(), permit.actor()))
            .chain(kind.iter().map(|permit| (permit.room(), permit.actor())));
        let Some((room, by)) = said.next() else {
            return Written::refused(StoreError::Missing);
        };
        if said.any(|other| other != (room, by)) {
            return Written::refused(StoreError::Missing);
        }
        let changes = settings.into_iter().map(|permit| {
            let ChangeSetting { key, value } = permit.into_action();
            (key, value)
        });
        let changes: Vec<_> = changes.collect();
        let kind = kind.map(|permit| permit.into_action().kind);
        let data = SettingsData {
            room_id: Some(room),
            changed_by: by,
            settings: changes.iter().copied().map(name_and_value).collect(),
            kind: kind.map(RoomKind::as_str),
        };
        let news = self.news(NewsKind::RoomSettingsChanged, Some(room), at, &data);
        let keys = self.keys().clone();
        let change = ChangeSettings {
            org,
            room,
            by,
            changes,
            kind,
            keys,
        };
        self.write_telling(org, change, news, |_| true)
    }

    /// Chooses or locks a setting for all rooms of an organisation. `Settings` when nothing would guard the doors of a room
    /// that follows it.
    pub fn change_org_setting(
        &self,
        org: OrgId,
        permit: Permit<ChangeOrgSetting>,
        at: Timestamp,
    ) -> Written<StoredOrg> {
        let by = permit.actor();
        let ChangeOrgSetting { key, value, locked } = permit.into_action();
        let change = OrgChange::Setting { key, value, locked };
        self.change_org(org, by, at, change, (key.as_str(), value))
    }

    /// Sets an option of an organisation.
    pub fn change_option(
        &self,
        org: OrgId,
        permit: Permit<ChangeOption>,
        at: Timestamp,
    ) -> Written<StoredOrg> {
        let by = permit.actor();
        let ChangeOption { option, on } = permit.into_action();
        let value = if on { "on" } else { "off" };
        let change = OrgChange::Option { option, on };
        self.change_org(org, by, at, change, (option.as_str(), value))
    }

    fn change_org(
        &self,
        org: OrgId,
        by: ActorId,
        at: Timestamp,
        change: OrgChange,
        said: (&'static str, &'static str),
    ) -> Written<StoredOrg> {
        let data = SettingsData {
            room_id: None,
            changed_by: by,
            settings: BTreeMap::from([said]),
            kind: None,
        };
        let news = self.news(NewsKind::OrganisationSettingsChanged, None, at, &data);
        let keys = self.keys().clone();
        let change = ChangeOrg {
            org,
            by,
            change,
            keys,
        };
        self.write_telling(org, change, news, |_| true)
    }
}

/// What was chosen, as other programs are told of it.
#[derive(Serialize)]
struct SettingsData {
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    changed_by: ActorId,
    settings: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

fn name_and_value((key, value): (SettingKey, &'static str)) -> (&'static str, &'static str) {
    (key.as_str(), value)
}

/// The levels above a room. A value that this version does not know is corruption: going on without it could only loosen
/// the room.
pub(super) async fn levels(
    on: &mut Connection<'_>,
    org: OrgId,
    room: RoomId,
    keys: &SealingKeys,
) -> Result<StoredLevels, StoreError> {
    let StoredOrg {
        choices,
        mut authors,
    } = organisation(on, org, keys).await?;
    let rows = query(
        "SELECT chosen.setting, chosen.value, chosen.set_by, chosen.revision, accounts.name FROM room_settings AS chosen \
         LEFT JOIN accounts ON accounts.org_id = chosen.org_id AND accounts.account_id = chosen.set_by \
         WHERE chosen.org_id = $1 AND chosen.room_id = $2",
    )
    .bind(org.as_bytes().as_slice())
    .bind(room.as_bytes().as_slice())
    .fetch_all(&mut *on)
    .await?;
    let mut chosen = Vec::with_capacity(rows.len());
    let mut revision = 0;
    for found in &rows {
        revision = revision.max(number(found)?);
        let by = author(&mut *on, found, org, keys, &mut authors).await?;
        chosen.push((found.try_get("setting")?, found.try_get("value")?, by));
    }
    let kind = query(
        "SELECT chosen.kind, chosen.set_by, chosen.revision, accounts.name FROM room_kinds AS chosen \
         LEFT JOIN accounts ON accounts.org_id = chosen.org_id AND accounts.account_id = chosen.set_by \
         WHERE chosen.org_id = $1 AND chosen.room_id = $2",
    )
    .bind(org.as_bytes().as_slice())
    .bind(room.as_bytes().as_slice())
    .fetch_optional(&mut *on)
    .await?;
    let kind = match &kind {
        Some(found) => {
            revision = revision.max(number(found)?);
            let kind: &str = found.try_get("kind")?;
            let kind: RoomKind = kind.parse().map_err(|_| StoreError::Corrupt)?;
            (kind, author(on, found, org, keys, &mut authors).await?)
        }
        None => (RoomKind::default(), None),
    };
    let room = RoomChoices::new(chosen, revision)
        .map_err(|_| StoreError::Corrupt)?
        .with_kind(kind.0, kind.1);
    Ok(StoredLevels {
        levels: Levels::new(choices, room),
        authors,
    })
}

async fn organisation(
    on: &mut Connection<'_>,
    org: OrgId,
    keys: &SealingKeys,
) -> Result<StoredOrg, StoreError> {
    let rows = query(
        "SELECT chosen.setting, chosen.value, chosen.locked, chosen.set_by, chosen.revision, accounts.name \
         FROM organisation_settings AS chosen \
         LEFT JOIN accounts ON accounts.org_id = chosen.org_id AND accounts.account_id = chosen.set_by \
         WHERE chosen.org_id = $1",
    )
    .bind(org.as_bytes().as_slice())
    .fetch_all(&mut *on)
    .await?;
    let mut authors = Authors::new();
    let mut chosen = Vec::with_capacity(rows.len());
    let mut revision = 0;
    for found in &rows {
        revision = revision.max(number(found)?);
        let by = author(&mut *on, found, org, keys, &mut authors)
            .await?
            .ok_or(StoreError::Corrupt)?;
        let locked = row::flag(found, "locked")?;
        chosen.push((
            found.try_get("setting")?,
            found.try_get("value")?,
            locked,
            by,
        ));
    }
    let options =
        query("SELECT option, is_on, revision FROM organisation_options WHERE org_id = $1")
            .bind(org.as_bytes().as_slice())
            .fetch_all(on)
            .await?;
    let mut on = Vec::with_capacity(options.len());
    for found in &options {
        revision = revision.max(number(found)?);
        let option = OrgOption::named(found.try_get("option")?).ok_or(StoreError::Corrupt)?;
        if row::flag(found, "is_on")? {
            on.push(option);
        }
    }
    let choices = OrgChoices::new(chosen, on, revision).map_err(|_| StoreError::Corrupt)?;
    Ok(StoredOrg { choices, authors })
}

fn number(found: &Row) -> Result<u64, StoreError> {
    u64::try_from(found.try_get::<i64, _>("revision")?).map_err(|_| StoreError::Corrupt)
}

fn revision(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Full)
}

/// Who chose, with their name if the account still has one.
async fn author(
    on: &mut Connection<'_>,
    found: &Row,
    org: OrgId,
    keys: &SealingKeys,
    authors: &mut Authors,
) -> Result<Option<ActorId>, StoreError> {
    if found.try_get::<Option<&[u8]>, _>("set_by")?.is_none() {
        return Ok(None);
    }
    let by: ActorId = row::id(found, "set_by")?;
    if let Some(name) = name_in(on, found, keys, org, by).await? {
        authors.insert(by, name);
    }
    Ok(Some(by))
}

struct ChangeSettings {
    org: OrgId,
    room: RoomId,
    by: ActorId,
    changes: Vec<(SettingKey, &'static str)>,
    kind: Option<RoomKind>,
    keys: Arc<SealingKeys>,
}

impl Change for ChangeSettings {
    type Out = StoredLevels;

    async fn apply(self, on: &mut Connection<'_>) -> Result<StoredLevels, StoreError> {
        let Self {
            org,
            room,
            by,
            changes,
            kind,
            keys,
        } = self;
        stands(on, org, room).await?;
        let before = levels(on, org, room, &keys).await?.levels;
        let after = before.chosen(&changes, by).map_err(refused)?;
        let new = after.iter().filter(|(key, choice)| {
            changes.iter().any(|(changed, _)| changed == key)
                || before.room().get(*key) != Some(*choice)
        });
        for (key, choice) in new {
            query(
                "INSERT INTO room_settings (org_id, room_id, setting, value, set_by, revision) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (org_id, room_id, setting) DO UPDATE SET value = excluded.value, set_by = excluded.set_by, \
                 revision = excluded.revision",
            )
            .bind(org.as_bytes().as_slice())
            .bind(room.as_bytes().as_slice())
            .bind(key.as_str())
            .bind(choice.value)
            .bind(choice.by.as_ref().map(|by| by.as_bytes().as_slice()))
            .bind(revision(after.revision())?)
            .execute(&mut *on)
            .await?;
        }
        if let Some(kind) = kind {
            query(
                "INSERT INTO room_kinds (org_id, room_id, kind, set_by, revision) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (org_id, room_id) DO UPDATE SET kind = excluded.kind, set_by = excluded.set_by, \
                 revision = excluded.revision",
            )
            .bind(org.as_bytes().as_slice())
            .bind(room.as_bytes().as_slice())
            .bind(kind.as_str())
            .bind(by.as_bytes().as_slice())
            .bind(revision(after.revision())?)
            .execute(&mut *on)
            .await?;
        }
        levels(on, org, room, &keys).await
    }
}

enum OrgChange {
    Setting {
        key: SettingKey,
        value: &'static str,
        locked: bool,
    },
    Option {
        option: OrgOption,
        on: bool,
    },
}

struct ChangeOrg {
    org: OrgId,
    by: ActorId,
    change: OrgChange,
    keys: Arc<SealingKeys>,
}

impl Change for ChangeOrg {
    type Out = StoredOrg;

    async fn apply(self, on: &mut Connection<'_>) -> Result<StoredOrg, StoreError> {
        let Self {
            org,
            by,
            change,
            keys,
        } = self;
        let before = organisation(on, org, &keys).await?.choices;
        match change {
            OrgChange::Setting { key, value, locked } => {
                let choice = OrgChoice { value, locked, by };
                let after = before.with(key, choice).map_err(refused)?;
                query(
                    "INSERT INTO organisation_settings (org_id, setting, value, locked, set_by, revision) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, setting) DO UPDATE SET value = excluded.value, \
                     locked = excluded.locked, set_by = excluded.set_by, revision = excluded.revision",
                )
                .bind(org.as_bytes().as_slice())
                .bind(key.as_str())
                .bind(value)
                .bind(i64::from(locked))
                .bind(by.as_bytes().as_slice())
                .bind(revision(after.revision())?)
                .execute(&mut *on)
                .await?;
            }
            OrgChange::Option { option, on: is_on } => {
                let after = before.with_option(option, is_on);
                query(
                    "INSERT INTO organisation_options (org_id, option, is_on, set_by, revision) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (org_id, option) DO UPDATE SET is_on = excluded.is_on, set_by = excluded.set_by, \
                     revision = excluded.revision",
                )
                .bind(org.as_bytes().as_slice())
                .bind(option.as_str())
                .bind(i64::from(is_on))
                .bind(by.as_bytes().as_slice())
                .bind(revision(after.revision())?)
                .execute(&mut *on)
                .await?;
            }
        }
        organisation(on, org, &keys).await
    }
}

fn refused(error: LevelError) -> StoreError {
    match error {
        LevelError::Locked | LevelError::Fixed => StoreError::Conflict,
        LevelError::Setting(_) => StoreError::Settings,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, Held, Mine, OrgAdmin, SecondFactor, Standing};
    use conclave_policy::levels::Level;
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::roles::Role;
    use conclave_policy::settings::{INHERIT, Settings};

    use super::*;
    use crate::ids::AccountId;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

    /// As the owner, who administers the organisation.
    fn facts() -> Facts {
        Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Outside)
            .with(Mine::Yes)
            .with(OrgAdmin::Yes)
            .with(Held::Free)
    }

    /// Permits to change settings of a room.
    pub(crate) fn permits(
        owner: AccountId,
        room: RoomId,
        changes: &[(SettingKey, &'static str)],
    ) -> Vec<Permit<ChangeSetting>> {
        let permit = |(key, value): &(SettingKey, &'static str)| {
            let change = ChangeSetting { key: *key, value };
            RULES
                .decide(owner.into(), Role::Owner, room, &facts(), change)
                .unwrap()
        };
        changes.iter().map(permit).collect()
    }

    fn org_permit(
        admin: AccountId,
        key: SettingKey,
        value: &'static str,
        locked: bool,
    ) -> Permit<ChangeOrgSetting> {
        let nowhere = RoomId::from_bytes([0; 16]);
        let change = ChangeOrgSetting { key, value, locked };
        RULES
            .decide(admin.into(), Role::Attendee, nowhere, &facts(), change)
            .unwrap()
    }

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        owner: AccountId,
        room: RoomId,
    }

    async fn world() -> World {
        let (folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        World {
            _folder: folder,
            store,
            owner,
            room,
        }
    }

    impl World {
        fn change(&self, changes: &[(SettingKey, &'static str)]) -> Written<StoredLevels> {
            let permits = permits(self.owner, self.room, changes);
            self.store
                .change_settings(self.store.org(), permits, None, Timestamp::from_millis(1))
        }

        fn choose(&self, key: SettingKey, value: &'static str, locked: bool) -> Written<StoredOrg> {
            let permit = org_permit(self.owner, key, value, locked);
            self.store
                .change_org_setting(self.store.org(), permit, Timestamp::from_millis(1))
        }

        async fn stands(&self) -> Levels {
            let stored = self.store.levels(self.store.org(), self.room).await;
            stored.unwrap().levels
        }
    }

    #[tokio::test]
    async fn what_was_chosen_is_kept_with_whoever_chose_also_the_strictest() {
        let world = world().await;
        let changes = [
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "required"),
        ];
        let stored = world.change(&changes).await.unwrap();
        assert_eq!(stored.levels, world.stands().await);
        assert_eq!(stored.levels.room().revision(), 1);
        for (key, value) in changes {
            let choice = stored.levels.room().get(key).unwrap();
            assert_eq!((choice.value, choice.by), (value, Some(world.owner.into())));
        }
        assert_eq!(stored.authors.len(), 1);
        assert!(!stored.authors[&world.owner.into()].expose().is_empty());
        let stored = world.change(&[(SettingKey::WaitingRoom, "everyone")]).await;
        let levels = stored.unwrap().levels;
        assert_eq!(
            (levels.settings(), levels.room().revision()),
            (Settings::strictest(), 2)
        );
    }

    #[tokio::test]
    async fn a_room_that_follows_again_keeps_who_said_so_and_has_no_word_of_its_own() {
        let world = world().await;
        let key = SettingKey::Start;
        world.change(&[(key, "anytime")]).await.unwrap();
        let stored = world.change(&[(key, INHERIT)]).await.unwrap();
        assert_eq!(stored.levels, world.stands().await);
        assert_eq!(stored.levels.settings(), Settings::strictest());
        let choice = stored.levels.room().get(key).unwrap();
        assert_eq!(
            (choice.value, choice.by),
            (INHERIT, Some(world.owner.into()))
        );
        world.choose(key, "anytime", false).await.unwrap();
        assert_eq!(world.stands().await.settings().value(key), "anytime");
    }

    #[tokio::test]
    async fn changes_are_made_together_or_not_at_all() {
        let world = world().await;
        let none_left = [
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "guests_may_knock"),
            (SettingKey::Password, "none"),
        ];
        let change = world.change(&none_left).await;
        assert_eq!(change.unwrap_err(), StoreError::Settings);
        let twice = [
            (SettingKey::Password, "none"),
            (SettingKey::Password, "required"),
        ];
        assert_eq!(
            world.change(&twice).await.unwrap_err(),
            StoreError::Settings
        );
        assert_eq!(world.change(&[]).await.unwrap_err(), StoreError::Missing);
        let mut two_rooms = permits(world.owner, world.room, &[(SettingKey::Start, "anytime")]);
        let (_, other) = room_of(&world.store, 3, 4).await;
        two_rooms.extend(permits(
            world.owner,
            other,
            &[(SettingKey::Start, "anytime")],
        ));
        let change = world.store.change_settings(
            world.store.org(),
            two_rooms,
            None,
            Timestamp::from_millis(1),
        );
        assert_eq!(change.await.unwrap_err(), StoreError::Missing);
        assert_eq!(world.stands().await, Levels::default());
    }

    #[tokio::test]
    async fn many_who_relax_at_the_same_time_cannot_together_leave_the_room_open() {
        let world = world().await;
        let writes: Vec<_> = [
            (SettingKey::WaitingRoom, "nobody"),
            (SettingKey::SignIn, "guests_may_knock"),
            (SettingKey::Password, "none"),
        ]
        .into_iter()
        .map(|change| world.change(&[change]))
        .collect();
        let mut refused = 0;
        for write in writes {
            refused += u32::from(
                write
                    .await
                    .is_err_and(|error| error == StoreError::Settings),
            );
        }
        assert_eq!(refused, 1);
        world.stands().await.settings().check().unwrap();
    }

    #[tokio::test]
    async fn an_organisation_chooses_for_all_rooms_and_its_lock_refuses_a_permit_from_before() {
        let world = world().await;
        let before = permits(
            world.owner,
            world.room,
            &[(SettingKey::Camera, "everyone_may")],
        );
        let chosen = world
            .choose(SettingKey::Start, "anytime", false)
            .await
            .unwrap();
        assert_eq!((chosen.choices.revision(), chosen.authors.len()), (1, 1));
        let strict = "attendees_may_guests_ask";
        world
            .choose(SettingKey::Camera, strict, true)
            .await
            .unwrap();
        let change = world
            .store
            .change_settings(world.store.org(), before, None, Timestamp::from_millis(1))
            .await;
        assert_eq!(change.unwrap_err(), StoreError::Conflict);
        let levels = world.stands().await;
        assert_eq!(levels.settings().value(SettingKey::Start), "anytime");
        assert_eq!(levels.level(SettingKey::Start), Level::Organisation);
        assert_eq!(levels.held(SettingKey::Camera), Held::Locked);
    }

    #[tokio::test]
    async fn an_organisation_cannot_leave_its_rooms_without_any_check_at_the_door() {
        let world = world().await;
        world
            .choose(SettingKey::SignIn, "guests_may_knock", false)
            .await
            .unwrap();
        world
            .choose(SettingKey::Password, "none", true)
            .await
            .unwrap();
        let last = world.choose(SettingKey::WaitingRoom, "nobody", false).await;
        assert_eq!(last.unwrap_err(), StoreError::Settings);
    }

    #[tokio::test]
    async fn an_option_counts_as_a_change_of_the_organisation() {
        let world = world().await;
        let nowhere = RoomId::from_bytes([0; 16]);
        for (at, on) in (1..).zip([true, false, true]) {
            let option = OrgOption::TwoPersonAdmission;
            let change = ChangeOption { option, on };
            let by = world.owner.into();
            let permit = RULES.decide(by, Role::Attendee, nowhere, &facts(), change);
            let stored = world.store.change_option(
                world.store.org(),
                permit.unwrap(),
                Timestamp::from_millis(1),
            );
            let choices = stored.await.unwrap().choices;
            assert_eq!((choices.two_hosts(), choices.revision()), (on, at));
        }
    }

    #[tokio::test]
    async fn a_value_that_this_version_does_not_know_does_not_loosen_the_room() {
        let world = world().await;
        struct Plant(OrgId, RoomId);
        impl Change for Plant {
            type Out = ();
            async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
                query(
                    "INSERT INTO room_settings (org_id, room_id, setting, value) \
                     VALUES ($1, $2, 'waiting_room', 'sometimes')",
                )
                .bind(self.0.as_bytes().as_slice())
                .bind(self.1.as_bytes().as_slice())
                .execute(on)
                .await?;
                Ok(())
            }
        }
        let (store, room) = (&world.store, world.room);
        store
            .write_for_test(Plant(store.org(), room))
            .await
            .unwrap();
        let read = store.room(store.org(), room).await;
        assert_eq!(read.unwrap_err(), StoreError::Corrupt);
    }
}
