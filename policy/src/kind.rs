//! What a room is for: a meeting, in which who comes takes part, or a webinar, in which they watch. Not a setting: no kind is
//! a relaxation of the other, for in neither may anyone do more than the settings say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::roles::Role;

/// What a room is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum RoomKind {
    /// Who comes in takes part.
    #[default]
    Meeting,
    /// Who comes in watches, until a host brings them on stage.
    Webinar,
}

/// The text names no kind of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of room")]
pub struct UnknownKind;

impl RoomKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Meeting, Self::Webinar];

    /// Its name in storage, on the wire and in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Meeting => "meeting",
            Self::Webinar => "webinar",
        }
    }

    /// The role inside of someone who comes to the door in this role and whom no host has placed.
    pub const fn inside(self, at_the_door: Role) -> Role {
        match (self, at_the_door) {
            (Self::Webinar, Role::Attendee | Role::Guest) => Role::Observer,
            (_, role) => role,
        }
    }
}

impl fmt::Display for RoomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RoomKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_under_its_own_name() {
        for kind in RoomKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!("party".parse::<RoomKind>(), Err(UnknownKind));
    }

    #[test]
    fn no_kind_gives_anyone_more_than_they_came_with() {
        for kind in RoomKind::ALL {
            for role in Role::ALL {
                assert!(
                    kind.inside(role).rank() <= role.rank(),
                    "{role} in a {kind}"
                );
            }
        }
    }
}
