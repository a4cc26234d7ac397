//! The three levels of a setting: server default, organisation, room; and what holds when they come together.
//! Pure: the levels are stored elsewhere, and whether someone may change one is a question to the rules.
//!
//! The server's default is the strictest value. An organisation may choose another one for all of its rooms, and may lock
//! it: then no room has a word in it. A room keeps what was chosen for it, also the strictest, so that a later relaxation
//! by the organisation does not reach it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::actions::OrgOption;
use crate::facts::Held;
use crate::ids::ActorId;
use crate::kind::RoomKind;
use crate::preview::Setup;
use crate::settings::{INHERIT, Relax, SettingError, SettingKey, Settings};

/// The settings of which one always stands at its strictest; see [`Settings::check`].
const DOORS: [SettingKey; 3] = [
    SettingKey::SignIn,
    SettingKey::Password,
    SettingKey::WaitingRoom,
];

/// Where the value that holds comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Level {
    /// Nobody chose: the strictest.
    Default,
    /// The organisation chose it for all rooms.
    Organisation,
    /// It was chosen for this room.
    Room,
}

impl Level {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Organisation => "organisation",
            Self::Room => "room",
        }
    }
}

/// Why a change at one level is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// The organisation has locked it.
    #[error("the organisation has locked it")]
    Locked,
    /// Nobody changes it.
    #[error("nobody may change it")]
    Fixed,
    /// The value does not exist, or nothing would stand.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// What an organisation chose for one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgChoice {
    /// The value for all rooms.
    pub value: &'static str,
    /// Whether rooms have no word in it.
    pub locked: bool,
    /// Who chose.
    pub by: ActorId,
}

/// Everything that an organisation chose. What it says always stands by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrgChoices {
    choices: BTreeMap<SettingKey, OrgChoice>,
    options: BTreeSet<OrgOption>,
    revision: u64,
}

/// What was chosen for one setting of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomChoice {
    /// The value, or [`INHERIT`].
    pub value: &'static str,
    /// Who chose, if that was kept.
    pub by: Option<ActorId>,
}

/// Everything that was chosen for one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomChoices {
    choices: BTreeMap<SettingKey, RoomChoice>,
    kind: RoomKind,
    kind_by: Option<ActorId>,
    revision: u64,
}

/// The levels above one room, and what they amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    org: OrgChoices,
    room: RoomChoices,
    settings: Settings,
    fell: bool,
}

impl OrgChoices {
    /// As stored. `revision` counts the changes. Refused when the values are not known or do not stand together.
    pub fn new<'a>(
        choices: impl IntoIterator<Item = (&'a str, &'a str, bool, ActorId)>,
        options: impl IntoIterator<Item = OrgOption>,
        revision: u64,
    ) -> Result<Self, SettingError> {
        let mut read = Self {
            choices: BTreeMap::new(),
            options: options.into_iter().collect(),
            revision,
        };
        for (key, value, locked, by) in choices {
            let key: SettingKey = key.parse()?;
            let value = key.parse_value(value)?;
            read.choices.insert(key, OrgChoice { value, locked, by });
        }
        read.settings().check()?;
        Ok(read)
    }

    /// The same with one setting chosen anew. Refused when nothing would guard the doors of a room that follows it.
    pub fn with(&self, key: SettingKey, choice: OrgChoice) -> Result<Self, LevelError> {
        if key.who_may_relax() == Relax::Fixed {
            return Err(LevelError::Fixed);
        }
        key.parse_value(choice.value)?;
        let mut changed = self.clone();
        changed.choices.insert(key, choice);
        changed.settings().check()?;
        changed.revision = self.revision.saturating_add(1);
        Ok(changed)
    }

    /// The same with an option set.
    #[must_use]
    pub fn with_option(&self, option: OrgOption, on: bool) -> Self {
        let mut after = self.clone();
        if on {
            after.options.insert(option);
        } else {
            after.options.remove(&option);
        }
        after.revision = self.revision.saturating_add(1);
        after
    }

    /// Whether two hosts must agree to an admission.
    pub fn two_hosts(&self) -> bool {
        self.options.contains(&OrgOption::TwoPersonAdmission)
    }

    /// Whether who leads a room or administers the organisation must have shown a second factor.
    pub fn asks_factor(&self) -> bool {
        self.options.contains(&OrgOption::RequireSecondFactor)
    }

    /// How many changes there were; of two, the one with more is the newer.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What it says about one setting, if anything.
    pub fn get(&self, key: SettingKey) -> Option<&OrgChoice> {
        self.choices.get(&key)
    }

    /// Everything it says.
    pub fn iter(&self) -> impl Iterator<Item = (SettingKey, &OrgChoice)> {
        self.choices.iter().map(|(key, choice)| (*key, choice))
    }

    /// What holds in a room for which nothing was chosen.
    pub fn settings(&self) -> Settings {
        settings_of(|key| self.get(key).map(|choice| choice.value))
    }
}

impl RoomChoices {
    /// As stored. Refused when a key or value is not known: going on without it could only loosen the room.
    pub fn new<'a>(
        choices: impl IntoIterator<Item = (&'a str, &'a str, Option<ActorId>)>,
        revision: u64,
    ) -> Result<Self, SettingError> {
        let mut read = Self {
            choices: BTreeMap::new(),
            kind: RoomKind::default(),
            kind_by: None,
            revision,
        };
        for (key, value, by) in choices {
            let key: SettingKey = key.parse()?;
            let value = key.parse_choice(value)?;
            if read.choices.insert(key, RoomChoice { value, by }).is_some() {
                return Err(SettingError::Duplicate);
            }
        }
        Ok(read)
    }

    /// All that differs from the strictest, as if chosen for a room.
    pub fn of(settings: &Settings, revision: u64) -> Self {
        let chosen = |(key, value)| (key, RoomChoice { value, by: None });
        Self {
            choices: settings.pairs().map(chosen).collect(),
            kind: RoomKind::default(),
            kind_by: None,
            revision,
        }
    }

    /// The same with this kind of room, and whoever chose it.
    #[must_use]
    pub fn with_kind(self, kind: RoomKind, kind_by: Option<ActorId>) -> Self {
        Self {
            kind,
            kind_by,
            ..self
        }
    }

    /// Who chose what the room is for, if anyone did.
    pub const fn kind_by(&self) -> Option<ActorId> {
        self.kind_by
    }

    /// What the room is for.
    pub const fn kind(&self) -> RoomKind {
        self.kind
    }

    /// How many changes there were; of two, the one with more is the newer.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What was chosen for one setting, if anything.
    pub fn get(&self, key: SettingKey) -> Option<&RoomChoice> {
        self.choices.get(&key)
    }

    /// Everything that was chosen.
    pub fn iter(&self) -> impl Iterator<Item = (SettingKey, &RoomChoice)> {
        self.choices.iter().map(|(key, choice)| (*key, choice))
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self::new(OrgChoices::default(), RoomChoices::default())
    }
}

impl Levels {
    /// Lays the levels over each other. Where they leave nothing to guard the door, every door setting that the organisation
    /// has not locked is at its strictest, until one of the levels changes.
    pub fn new(org: OrgChoices, room: RoomChoices) -> Self {
        let laid = settings_of(|key| laid(&org, &room, key).map(|(value, _)| value));
        let fell = laid.check().is_err();
        let settings = if fell {
            settings_of(|key| {
                if DOORS.contains(&key) && !locked(&org, key) {
                    None
                } else {
                    self::laid(&org, &room, key).map(|(value, _)| value)
                }
            })
        } else {
            laid
        };
        Self {
            org,
            room,
            settings,
            fell,
        }
    }

    /// What holds.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// What the room is for.
    pub const fn kind(&self) -> RoomKind {
        self.room.kind
    }

    /// What holds, and what the room is for.
    pub const fn setup(&self) -> Setup {
        Setup {
            settings: self.settings,
            kind: self.room.kind,
        }
    }

    /// What the organisation says.
    pub const fn org(&self) -> &OrgChoices {
        &self.org
    }

    /// What was chosen for the room.
    pub const fn room(&self) -> &RoomChoices {
        &self.room
    }

    /// Where the value that holds comes from.
    pub fn level(&self, key: SettingKey) -> Level {
        if self.has_fallen(key) {
            return Level::Default;
        }
        laid(&self.org, &self.room, key).map_or(Level::Default, |(_, level)| level)
    }

    /// Whether the organisation has locked it, as a fact.
    pub fn held(&self, key: SettingKey) -> Held {
        if locked(&self.org, key) {
            Held::Locked
        } else {
            Held::Free
        }
    }

    /// Whether it is at its strictest because the levels would leave nothing to guard the door.
    pub fn has_fallen(&self, key: SettingKey) -> bool {
        self.fell && DOORS.contains(&key) && !locked(&self.org, key)
    }

    /// What the room would keep after these changes, taken together. Only the outcome has to stand, not each step on the way.
    /// What had fallen stays at its strictest unless it is changed too: nobody relaxes by accident what they do not name.
    pub fn chosen(
        &self,
        changes: &[(SettingKey, &'static str)],
        by: ActorId,
    ) -> Result<RoomChoices, LevelError> {
        let mut room = self.room.clone();
        for key in DOORS.into_iter().filter(|key| self.has_fallen(*key)) {
            let strictest = Settings::strictest().value(key);
            room.choices.insert(
                key,
                RoomChoice {
                    value: strictest,
                    by: Some(by),
                },
            );
        }
        let mut seen = Vec::new();
        for (key, value) in changes {
            if key.who_may_relax() == Relax::Fixed {
                return Err(LevelError::Fixed);
            }
            if locked(&self.org, *key) {
                return Err(LevelError::Locked);
            }
            if seen.contains(key) {
                return Err(SettingError::Duplicate.into());
            }
            seen.push(*key);
            let value = key.parse_choice(value)?;
            room.choices.insert(
                *key,
                RoomChoice {
                    value,
                    by: Some(by),
                },
            );
        }
        room.revision = self.room.revision.saturating_add(1);
        let after = Self::new(self.org.clone(), room);
        if after.fell {
            return Err(SettingError::NothingStands.into());
        }
        Ok(after.room)
    }

    /// What would hold after this change.
    pub fn setup_with(&self, key: SettingKey, value: &'static str) -> Result<Setup, LevelError> {
        // Who asks makes no difference to what would hold.
        let room = self.chosen(&[(key, value)], ActorId::from_bytes([0; 16]))?;
        Ok(Self::new(self.org.clone(), room).setup())
    }

    /// Puts newer choices of the room in place. Older ones, and the same, change nothing.
    pub fn take_room(&mut self, room: RoomChoices) -> bool {
        let newer = room.revision > self.room.revision;
        if newer {
            *self = Self::new(std::mem::take(&mut self.org), room);
        }
        newer
    }

    /// Puts newer choices of the organisation in place. Older ones, and the same, change nothing.
    pub fn take_org(&mut self, org: OrgChoices) -> bool {
        let newer = org.revision > self.org.revision;
        if newer {
            *self = Self::new(org, std::mem::take(&mut self.room));
        }
        newer
    }

    /// Every setting of which the value, its level or its lock is another one than before.
    pub fn changed_since(&self, before: &Self) -> Vec<SettingKey> {
        let looks = |levels: &Self, key| {
            (
                levels.settings.value(key),
                levels.level(key),
                levels.held(key),
            )
        };
        let differs = |key: &SettingKey| looks(self, *key) != looks(before, *key);
        SettingKey::ALL.iter().copied().filter(differs).collect()
    }
}

fn locked(org: &OrgChoices, key: SettingKey) -> bool {
    org.get(key).is_some_and(|choice| choice.locked)
}

/// The value of the highest level that has one and may have it.
fn laid(org: &OrgChoices, room: &RoomChoices, key: SettingKey) -> Option<(&'static str, Level)> {
    let chosen = org.get(key);
    let of_org = chosen.map(|choice| (choice.value, Level::Organisation));
    if chosen.is_some_and(|choice| choice.locked) {
        return of_org;
    }
    let of_room = room
        .get(key)
        .filter(|choice| choice.value != INHERIT)
        .map(|choice| (choice.value, Level::Room));
    of_room.or(of_org)
}

/// The strictest settings with these values laid over them, whether they stand together or not.
fn settings_of(value: impl Fn(SettingKey) -> Option<&'static str>) -> Settings {
    let mut settings = Settings::strictest();
    for key in SettingKey::ALL {
        if let Some(value) = value(*key) {
            // A value was parsed before it came here; one that were not known would leave the strictest.
            let _unknown = settings.put(*key, value);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const ADMIN: ActorId = ActorId::from_bytes([1; 16]);
    const HOST: ActorId = ActorId::from_bytes([2; 16]);

    /// A key, mostly of a door, and one of its values.
    fn pair() -> impl Strategy<Value = (SettingKey, &'static str)> {
        let key = prop_oneof![
            3 => select(DOORS.to_vec()),
            1 => select(SettingKey::ALL.to_vec()),
        ];
        (key, any::<Index>()).prop_map(|(key, at)| (key, *at.get(key.values())))
    }

    /// What an organisation can come to by changes that were not refused.
    fn any_org() -> impl Strategy<Value = OrgChoices> {
        proptest::collection::vec((pair(), any::<bool>()), 0..8).prop_map(|changes| {
            let mut org = OrgChoices::default();
            for ((key, value), locked) in changes {
                let by = ADMIN;
                let choice = OrgChoice { value, locked, by };
                org = org.with(key, choice).unwrap_or(org);
            }
            org
        })
    }

    /// Whatever may be stored of a room, also what no change would have been allowed to leave.
    fn any_room() -> impl Strategy<Value = RoomChoices> {
        let choice = (pair(), 0..5_u8).prop_map(|((key, value), following)| {
            let value = if following == 0 { INHERIT } else { value };
            (key, value)
        });
        proptest::collection::vec(choice, 0..8).prop_map(|choices| RoomChoices {
            kind: RoomKind::Meeting,
            kind_by: None,
            revision: choices.len() as u64,
            choices: choices
                .into_iter()
                .map(|(key, value)| {
                    (
                        key,
                        RoomChoice {
                            value,
                            by: Some(HOST),
                        },
                    )
                })
                .collect(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn one_of_sign_in_password_and_waiting_room_stands_at_every_level_and_in_every_composition(
            org in any_org(), room in any_room(),
        ) {
            prop_assert_eq!(org.settings().check(), Ok(()));
            prop_assert_eq!(Levels::new(org, room).settings().check(), Ok(()));
        }

        #[test]
        fn a_lock_holds_whatever_a_room_has_stored(org in any_org(), room in any_room()) {
            let levels = Levels::new(org.clone(), room);
            for (key, choice) in org.iter().filter(|(_, choice)| choice.locked) {
                prop_assert_eq!(levels.settings().value(key), choice.value);
                prop_assert_eq!(levels.level(key), Level::Organisation);
                prop_assert_eq!(levels.held(key), Held::Locked);
                let change = levels.chosen(&[(key, key.values()[0])], HOST);
                prop_assert_eq!(change, Err(LevelError::Locked));
            }
        }

        #[test]
        fn every_value_comes_from_the_level_that_is_named(org in any_org(), room in any_room()) {
            let levels = Levels::new(org.clone(), room.clone());
            for key in SettingKey::ALL {
                let expected = match levels.level(*key) {
                    Level::Default => key.values()[0],
                    Level::Organisation => org.get(*key).unwrap().value,
                    Level::Room => room.get(*key).unwrap().value,
                };
                prop_assert_eq!(levels.settings().value(*key), expected);
            }
        }

        #[test]
        fn a_change_does_what_it_says_and_nothing_else_or_nothing_at_all(
            org in any_org(), room in any_room(), changes in proptest::collection::vec(pair(), 1..4),
        ) {
            let mut levels = Levels::new(org, room);
            let before = levels.clone();
            if let Ok(room) = levels.chosen(&changes, HOST) {
                prop_assert!(levels.take_room(room));
                for (key, value) in levels.settings().iter() {
                    let named = changes.iter().find(|(changed, _)| *changed == key);
                    let expected = named.map_or(before.settings().value(key), |(_, value)| *value);
                    prop_assert_eq!(value, expected, "{}", key);
                }
                for (key, _) in &changes {
                    prop_assert_eq!(levels.level(*key), Level::Room);
                }
            } else {
                prop_assert_eq!(levels, before);
            }
        }

        #[test]
        fn whatever_order_the_news_come_in_the_newest_holds(
            orgs in proptest::collection::vec((pair(), any::<bool>()), 0..5),
            rooms in proptest::collection::vec(pair(), 0..5),
            order in proptest::collection::vec(any::<Index>(), 0..20),
        ) {
            let mut history = vec![Levels::default()];
            for ((key, value), locked) in orgs {
                let now = history.last().unwrap().clone();
                if let Ok(org) = now.org().with(key, OrgChoice { value, locked, by: ADMIN }) {
                    history.push(Levels::new(org, now.room().clone()));
                }
            }
            for change in rooms {
                let now = history.last().unwrap().clone();
                if let Ok(room) = now.chosen(&[change], HOST) {
                    history.push(Levels::new(now.org().clone(), room));
                }
            }
            let mut levels = Levels::default();
            for at in order {
                let news = at.get(&history);
                levels.take_room(news.room().clone());
                levels.take_org(news.org().clone());
                prop_assert_eq!(levels.settings().check(), Ok(()));
            }
            let last = history.last().unwrap();
            levels.take_org(last.org().clone());
            levels.take_room(last.room().clone());
            prop_assert_eq!(&levels, last);
            for old in &history {
                prop_assert!(!levels.take_org(old.org().clone()));
                prop_assert!(!levels.take_room(old.room().clone()));
            }
        }
    }

    fn org(choices: &[(SettingKey, &'static str, bool)]) -> OrgChoices {
        let mut org = OrgChoices::default();
        for (key, value, locked) in choices {
            let choice = OrgChoice {
                value,
                locked: *locked,
                by: ADMIN,
            };
            org = org.with(*key, choice).unwrap();
        }
        org
    }

    #[test]
    fn the_room_goes_before_the_organisation_and_the_organisation_before_the_default() {
        let mut levels = Levels::new(
            org(&[(SettingKey::Start, "anytime", false)]),
            RoomChoices::default(),
        );
        let start = |levels: &Levels| {
            (
                levels.settings().value(SettingKey::Start),
                levels.level(SettingKey::Start),
            )
        };
        assert_eq!(start(&levels), ("anytime", Level::Organisation));
        // Also a room that wants it stricter than the organisation.
        let room = levels.chosen(&[(SettingKey::Start, "host_present")], HOST);
        levels.take_room(room.unwrap());
        assert_eq!(start(&levels), ("host_present", Level::Room));
        assert_eq!(start(&Levels::default()), ("host_present", Level::Default));
    }

    #[test]
    fn a_room_that_drops_its_own_choice_follows_the_organisation_again() {
        let key = SettingKey::Start;
        let follow = |levels: &Levels| levels.chosen(&[(key, INHERIT)], HOST).unwrap();
        let mut levels = Levels::default();
        let own = levels.chosen(&[(key, "anytime")], HOST).unwrap();
        levels.take_room(own);
        assert_eq!(levels.settings().value(key), "anytime");
        levels.take_room(follow(&levels));
        assert_eq!(
            (levels.settings().value(key), levels.level(key)),
            ("host_present", Level::Default)
        );
        // Also when the organisation speaks later.
        levels.take_org(org(&[(key, "anytime", false)]));
        assert_eq!(
            (levels.settings().value(key), levels.level(key)),
            ("anytime", Level::Organisation)
        );
        // No value is called so, and what an organisation says is a value.
        for key in SettingKey::ALL {
            assert!(!key.values().contains(&INHERIT));
        }
        let choice = OrgChoice {
            value: INHERIT,
            locked: false,
            by: ADMIN,
        };
        assert!(OrgChoices::default().with(key, choice).is_err());
        // Following may leave nothing at the door, and is refused then like any other choice.
        let open = org(&[
            (SettingKey::SignIn, "guests_may_knock", false),
            (SettingKey::Password, "none", false),
        ]);
        let closed = [
            ("sign_in", "required", None),
            ("waiting_room", "nobody", None),
        ];
        let levels = Levels::new(open, RoomChoices::new(closed, 1).unwrap());
        assert_eq!(
            levels.chosen(&[(SettingKey::SignIn, INHERIT)], HOST),
            Err(SettingError::NothingStands.into())
        );
    }

    #[test]
    fn an_organisation_cannot_leave_its_rooms_without_any_check_at_the_door() {
        let open = org(&[
            (SettingKey::SignIn, "guests_may_knock", false),
            (SettingKey::Password, "none", true),
        ]);
        let choice = OrgChoice {
            value: "nobody",
            locked: false,
            by: ADMIN,
        };
        assert_eq!(
            open.with(SettingKey::WaitingRoom, choice),
            Err(SettingError::NothingStands.into())
        );
        let fixed = OrgChoice {
            value: "on",
            ..choice
        };
        assert_eq!(
            open.with(SettingKey::AuditLog, fixed),
            Err(LevelError::Fixed)
        );
    }

    #[test]
    fn a_room_that_no_longer_goes_with_its_organisation_closes_its_doors() {
        let mut levels = Levels::default();
        for change in [
            (SettingKey::SignIn, "guests_may_knock"),
            (SettingKey::WaitingRoom, "nobody"),
        ] {
            levels.take_room(levels.chosen(&[change], HOST).unwrap());
        }
        levels.take_org(org(&[(SettingKey::Password, "none", true)]));
        let door = |levels: &Levels| DOORS.map(|key| levels.settings().value(key));
        assert_eq!(door(&levels), ["required", "none", "everyone"]);
        assert!(levels.has_fallen(SettingKey::SignIn) && !levels.has_fallen(SettingKey::Password));
        // Who now relaxes one of them does not relax the other.
        let one = levels.chosen(&[(SettingKey::WaitingRoom, "nobody")], HOST);
        levels.take_room(one.unwrap());
        assert_eq!(door(&levels), ["required", "none", "nobody"]);
    }

    #[test]
    fn a_lock_that_is_lifted_gives_the_room_its_own_choice_back() {
        let mut levels = Levels::default();
        let camera = [(SettingKey::Camera, "everyone_may")];
        levels.take_room(levels.chosen(&camera, HOST).unwrap());
        let held = org(&[(SettingKey::Camera, "attendees_may_guests_ask", true)]);
        levels.take_org(held.clone());
        assert_eq!(levels.settings(), Settings::strictest());
        let free = OrgChoice {
            value: "attendees_may_guests_ask",
            locked: false,
            by: ADMIN,
        };
        levels.take_org(held.with(SettingKey::Camera, free).unwrap());
        assert_eq!(levels.settings().value(SettingKey::Camera), "everyone_may");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let levels = Levels::default();
        let refused = [
            (
                vec![(SettingKey::Start, "whenever")],
                SettingError::UnknownValue.into(),
            ),
            (vec![(SettingKey::AuditLog, "on")], LevelError::Fixed),
            (
                vec![
                    (SettingKey::Start, "anytime"),
                    (SettingKey::Start, "host_present"),
                ],
                SettingError::Duplicate.into(),
            ),
        ];
        for (changes, error) in refused {
            assert_eq!(levels.chosen(&changes, HOST), Err(error));
        }
        assert!(OrgChoices::new([("colour", "red", false, ADMIN)], [], 1).is_err());
        assert!(OrgChoices::new([("start", "whenever", false, ADMIN)], [], 1).is_err());
        let open = [
            ("sign_in", "guests_may_knock", false, ADMIN),
            ("password", "none", false, ADMIN),
            ("waiting_room", "nobody", false, ADMIN),
        ];
        assert_eq!(
            OrgChoices::new(open, [], 1),
            Err(SettingError::NothingStands)
        );
        assert!(RoomChoices::new([("start", "whenever", None)], 1).is_err());
        let twice = [("start", "anytime", None), ("start", "host_present", None)];
        assert_eq!(RoomChoices::new(twice, 1), Err(SettingError::Duplicate));
    }

    #[test]
    fn a_difference_is_told_for_each_setting_that_looks_different() {
        let before = Levels::default();
        let mut after = before.clone();
        assert_eq!(after.changed_since(&before), []);
        after.take_org(org(&[
            (SettingKey::Start, "anytime", false),
            (SettingKey::Camera, "attendees_may_guests_ask", true),
        ]));
        assert_eq!(
            after.changed_since(&before),
            [SettingKey::Start, SettingKey::Camera]
        );
    }
}
