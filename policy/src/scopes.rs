//! What an API key is for. A scope covers some actions and no others; whether a program may do them stands in `rules.csv`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::actions::ActionKind;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident($text:literal): $($kind:ident)*;)*) => {
        /// One thing that a key may be for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub enum Scope {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name on the wire and in storage.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The actions that it covers.
            pub const fn kinds(self) -> &'static [ActionKind] {
                match self { $(Self::$name => &[$(ActionKind::$kind,)*],)* }
            }
        }
    };
}

scopes! {
    /// What the organisation has chosen for its rooms.
    OrganisationRead("organisation:read"): ReadOrganisation;
    /// Choosing it, and which pages may bring their users in.
    OrganisationWrite("organisation:write"): ReadOrganisation ChangeOrgSetting ChangeOption ChangeEmbedders;
    /// Who has an account.
    MembersRead("members:read"): ReadMembers;
    /// Inviting people, changing what they may do, ending their accounts; never those of administrators.
    MembersWrite("members:write"): ReadMembers ManageMember InviteAccount;
    /// Rooms and how they are set up, without their passwords.
    RoomsRead("rooms:read"): ListRooms ReadRoom;
    /// Making rooms, setting them up, ending them.
    RoomsWrite("rooms:write"): ListRooms ReadRoom CreateRoom RenameRoom ChangeSetting ReadPassword ChangePassword EndRoom;
    /// Links for guests.
    GuestLinks("guest-links"): ManageGuestLinks;
    /// Who is in a meeting, and who waits.
    SessionsRead("sessions:read"): SeeSession SeeLobby SeeBars SeeStats;
    /// What hosts do in a meeting.
    SessionsControl("sessions:control"): SeeSession SeeLobby SeeBars SeeStats Admit Deny Mute PauseVideo StopShare Grant Withdraw
        Remove Bar Unbar SendBack Spotlight MessageWaiting DecideProfile Suspend LiftSuspension SetRole Lock Unlock EndSession;
    /// Bringing users of another product to the door of a room.
    Join("join"): MakeJoinToken;
    /// What was decided.
    AuditRead("audit:read"): ReadAudit ReadOrganisationAudit;
    /// Where events are told, and how that went.
    WebhooksRead("webhooks:read"): ReadWebhooks;
    /// Choosing where events are told.
    WebhooksWrite("webhooks:write"): ReadWebhooks ManageWebhooks;
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let mut all = Self::ALL.iter().copied();
        all.find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one key is for: a set, without an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Whether one of them covers this.
    pub fn cover(self, kind: ActionKind) -> bool {
        self.iter().any(|scope| scope.kinds().contains(&kind))
    }

    /// Each of them once.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let has = move |scope: &Scope| self.0 & 1 << (*scope as u32) != 0;
        Scope::ALL.iter().copied().filter(has)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As they are stored: names with spaces between them.
    ///
    /// # Errors
    /// When one of the names is none.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let bits = scopes.into_iter().map(|scope| 1 << (scope as u32));
        Self(bits.fold(0, |all, one| all | one))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_back_as_they_are_written() {
        let all: Scopes = Scope::ALL.iter().copied().collect();
        assert_eq!(Scopes::parse(&all.to_string()), Ok(all));
        assert_eq!(Scopes::parse("rooms:read nonsense"), Err(UnknownScope));
        assert!(Scopes::parse("").is_ok_and(Scopes::is_empty));
    }

    #[test]
    fn a_scope_covers_what_it_is_for_and_no_scope_makes_keys_or_administrators() {
        let reads = Scopes::from_iter([Scope::RoomsRead]);
        assert!(reads.cover(ActionKind::ReadRoom));
        assert!(!reads.cover(ActionKind::ReadPassword) && !reads.cover(ActionKind::EndRoom));
        let all: Scopes = Scope::ALL.iter().copied().collect();
        for kind in [
            ActionKind::ManageApiKeys,
            ActionKind::ManageProviders,
            ActionKind::ManageAdmin,
            ActionKind::Enter,
            ActionKind::Connect,
            ActionKind::PublishMicrophone,
            ActionKind::ReadChat,
            ActionKind::TransferOwnership,
        ] {
            assert!(!all.cover(kind), "{kind}");
        }
    }
}
