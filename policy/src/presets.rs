//! Presets: a kind of room together with a value for every setting that a host may change. What only administrators change, a
//! preset leaves alone. Applying one is many changes, each of which needs its own permit.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::facts::Held;
use crate::kind::RoomKind;
use crate::levels::Levels;
use crate::settings::{Relax, SettingKey, Settings};

/// A preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Preset {
    /// Everything at its strictest: what every room begins with.
    LockedDown,
    /// People of one organisation who know each other; guests still wait.
    TeamMeeting,
    /// Presenters speak, everyone else watches.
    Webinar,
}

/// The text names no preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such preset")]
pub struct UnknownPreset;

/// What a preset would do to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// What is to be changed, together or not at all.
    pub changes: Vec<(SettingKey, &'static str)>,
    /// The kind of room, if it is another one.
    pub kind: Option<RoomKind>,
    /// What the preset has otherwise and a lock keeps.
    pub kept: Vec<SettingKey>,
}

const TEAM_MEETING: &[(SettingKey, &str)] = &[
    (SettingKey::WaitingRoom, "guests_only"),
    (SettingKey::SignIn, "guests_may_knock"),
    (SettingKey::Password, "none"),
    (SettingKey::Start, "anytime"),
    (SettingKey::LastHostLeaves, "stay_open"),
    (SettingKey::LockAfterStart, "never"),
    (SettingKey::ScreenShare, "attendees"),
    (SettingKey::GuestRoster, "everyone"),
    (SettingKey::RoomChat, "everyone_writes"),
    (SettingKey::ParticipantCount, "everyone"),
];

/// Whoever has an account and the password comes in by themselves, because in a webinar they only watch.
const WEBINAR: &[(SettingKey, &str)] = &[
    (SettingKey::WaitingRoom, "nobody"),
    (SettingKey::SignIn, "guests_may_knock"),
    (SettingKey::LockAfterStart, "never"),
];

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::LockedDown, Self::TeamMeeting, Self::Webinar];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LockedDown => "locked_down",
            Self::TeamMeeting => "team_meeting",
            Self::Webinar => "webinar",
        }
    }

    /// What it makes of a room.
    pub const fn kind(self) -> RoomKind {
        match self {
            Self::LockedDown | Self::TeamMeeting => RoomKind::Meeting,
            Self::Webinar => RoomKind::Webinar,
        }
    }

    /// Its value for a setting that a host may change: the strictest, unless it names another.
    pub fn value(self, key: SettingKey) -> &'static str {
        let named = match self {
            Self::LockedDown => &[],
            Self::TeamMeeting => TEAM_MEETING,
            Self::Webinar => WEBINAR,
        };
        let found = named.iter().find(|(named, _)| *named == key);
        found.map_or(Settings::strictest().value(key), |(_, value)| value)
    }

    /// What it would change in a room with these levels.
    pub fn applied_to(self, levels: &Levels) -> Application {
        let settings = levels.settings();
        let mut application = Application {
            changes: Vec::new(),
            kind: (levels.kind() != self.kind()).then_some(self.kind()),
            kept: Vec::new(),
        };
        let hosts = SettingKey::ALL
            .iter()
            .filter(|key| key.who_may_relax() == Relax::Host);
        for key in hosts {
            let value = self.value(*key);
            if settings.value(*key) == value {
                continue;
            }
            match levels.held(*key) {
                Held::Free => application.changes.push((*key, value)),
                Held::Locked => application.kept.push(*key),
            }
        }
        application
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.as_str() == text)
            .ok_or(UnknownPreset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ActorId;
    use crate::levels::{OrgChoice, OrgChoices, RoomChoices};

    const BY: ActorId = ActorId::from_bytes([1; 16]);

    fn apply(preset: Preset, levels: &Levels) -> Levels {
        let application = preset.applied_to(levels);
        let chosen = levels.chosen(&application.changes, BY).unwrap();
        let kind = application.kind.unwrap_or(levels.kind());
        Levels::new(levels.org().clone(), chosen.with_kind(kind, Some(BY)))
    }

    #[test]
    fn every_value_of_every_preset_exists_and_is_a_hosts_to_choose() {
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(preset));
            for key in SettingKey::ALL {
                let value = preset.value(*key);
                assert_eq!(key.parse_value(value), Ok(value));
                let strictest = value == Settings::strictest().value(*key);
                assert!(strictest || key.who_may_relax() == Relax::Host, "{key}");
            }
        }
        assert_eq!("party".parse::<Preset>(), Err(UnknownPreset));
    }

    #[test]
    fn a_preset_leads_to_the_same_room_from_wherever_it_starts() {
        for first in Preset::ALL {
            for second in Preset::ALL {
                let there = apply(second, &apply(first, &Levels::default()));
                let directly = apply(second, &Levels::default());
                assert_eq!(there.settings(), directly.settings());
                assert_eq!(
                    (there.kind(), directly.kind()),
                    (second.kind(), second.kind())
                );
                let again = second.applied_to(&there);
                assert!(again.changes.is_empty() && again.kind.is_none());
            }
        }
        let locked_down = apply(
            Preset::LockedDown,
            &apply(Preset::Webinar, &Levels::default()),
        );
        assert_eq!(locked_down.settings(), Settings::strictest());
    }

    #[test]
    fn a_preset_changes_what_is_free_and_names_what_a_lock_keeps() {
        let choice = OrgChoice {
            value: "required",
            locked: true,
            by: BY,
        };
        let org = OrgChoices::default()
            .with(SettingKey::SignIn, choice)
            .unwrap();
        let levels = Levels::new(org, RoomChoices::default());
        let application = Preset::TeamMeeting.applied_to(&levels);
        assert_eq!(application.kept, [SettingKey::SignIn]);
        assert_eq!(application.changes.len(), TEAM_MEETING.len() - 1);
        let after = apply(Preset::TeamMeeting, &levels).settings();
        assert_eq!(after.value(SettingKey::SignIn), "required");
        assert_eq!(after.value(SettingKey::Password), "none");
    }

    #[test]
    fn a_preset_that_a_lock_would_leave_without_any_check_is_refused_as_a_whole() {
        let choice = OrgChoice {
            value: "none",
            locked: true,
            by: BY,
        };
        let org = OrgChoices::default()
            .with(SettingKey::Password, choice)
            .unwrap();
        let levels = Levels::new(org, RoomChoices::default());
        let application = Preset::Webinar.applied_to(&levels);
        assert!(levels.chosen(&application.changes, BY).is_err());
    }
}
