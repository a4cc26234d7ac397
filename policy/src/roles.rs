//! The roles that someone may have in a room. What a role may do stands in `rules.csv`, never here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A role in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Role {
    /// Whose room it is.
    Owner,
    /// Moderates beside the owner.
    Host,
    /// Takes part, and shares a screen without asking.
    Presenter,
    /// Takes part, signed in.
    Attendee,
    /// Takes part without an account.
    Guest,
    /// Watches only.
    Observer,
    /// Writes the captions of the tracks it was assigned.
    Captioner,
    /// Records with everyone's consent.
    Recorder,
    /// Brings an outside stream in.
    Ingress,
    /// Carries tracks to another media node.
    Relay,
    /// Acts from outside by an API key, as far as the key's scopes go.
    Program,
}

impl Role {
    /// Every role, in the order of the rule text.
    pub const ALL: [Self; 11] = [
        Self::Owner,
        Self::Host,
        Self::Presenter,
        Self::Attendee,
        Self::Guest,
        Self::Observer,
        Self::Captioner,
        Self::Recorder,
        Self::Ingress,
        Self::Relay,
        Self::Program,
    ];

    /// Higher stands above lower; the rules compare an actor with a target by it. Observers and services share the lowest.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Owner => 5,
            Self::Host => 4,
            Self::Presenter => 3,
            Self::Attendee => 2,
            Self::Guest => 1,
            Self::Observer
            | Self::Captioner
            | Self::Recorder
            | Self::Ingress
            | Self::Relay
            | Self::Program => 0,
        }
    }

    /// The owner and the hosts.
    pub const fn is_moderator(self) -> bool {
        matches!(self, Self::Owner | Self::Host)
    }

    /// Its name in the rule text, in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Host => "host",
            Self::Presenter => "presenter",
            Self::Attendee => "attendee",
            Self::Guest => "guest",
            Self::Observer => "observer",
            Self::Captioner => "captioner",
            Self::Recorder => "recorder",
            Self::Ingress => "ingress",
            Self::Relay => "relay",
            Self::Program => "program",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such role")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_one_name_and_one_place() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, place);
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!("Owner".parse::<Role>(), Err(UnknownRole));
    }

    #[test]
    fn moderators_stand_above_all_others() {
        for role in Role::ALL {
            assert_eq!(
                role.is_moderator(),
                role.rank() >= Role::Host.rank(),
                "{role}"
            );
            assert!(
                role == Role::Owner || role.rank() < Role::Owner.rank(),
                "{role}"
            );
        }
    }
}
