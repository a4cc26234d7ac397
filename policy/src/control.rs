//! What is done through the control API, by programs and administrators. Whether it is allowed stands in `rules.csv`, never here.

use crate::actions::{Action, ActionKind, sealed};
use crate::ids::{AccountId, ProviderId};

/// What is done to a place outside that is told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookDeed {
    /// It is told from now on.
    Create,
    /// It is told other things, elsewhere, or nothing for a while.
    Change,
    /// What it is told is signed with another secret.
    Rotate,
    /// It is told nothing any more.
    Delete,
    /// It is told that this is a test.
    Test,
    /// It is told again.
    Replay,
}

impl WebhookDeed {
    /// Its name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
            Self::Test => "test",
            Self::Replay => "replay",
        }
    }
}

/// What is done to a provider of the organisation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderDeed {
    /// People may come by it from now on.
    Create,
    /// Others may, or nobody for a while, or what it says gives something else.
    Change,
    /// Nobody comes by it any more.
    Remove,
    /// It is asked what it says of itself.
    Check,
}

impl ProviderDeed {
    /// Its name in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Check => "check",
        }
    }
}

/// Deciding with which providers people sign in, and what follows from what those say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManageProviders {
    /// Which; none where one is only asked.
    pub provider: Option<ProviderId>,
    /// What is done.
    pub deed: ProviderDeed,
}

impl sealed::Sealed for ManageProviders {}

impl Action for ManageProviders {
    fn kind(&self) -> ActionKind {
        ActionKind::ManageProviders
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        self.provider.map(|provider| *provider.as_bytes())
    }

    fn audit_words(&self) -> Option<String> {
        Some(self.deed.as_str().to_owned())
    }
}

/// What is done to an account by someone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountDeed {
    /// It may do other things than before.
    Change,
    /// Every session of it ends.
    SignOut,
    /// It ends.
    End,
}

impl AccountDeed {
    /// Its name in the audit trail; a change of rights is what is meant where nothing is said.
    const fn words(self) -> Option<&'static str> {
        match self {
            Self::Change => None,
            Self::SignOut => Some("sign_out"),
            Self::End => Some("end"),
        }
    }
}

macro_rules! whole {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl sealed::Sealed for $name {}

        impl Action for $name {
            fn kind(&self) -> ActionKind {
                ActionKind::$name
            }
        }
    )*};
}

macro_rules! of_an_account {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            /// Whose.
            pub account: AccountId,
            /// What is done to it.
            pub deed: AccountDeed,
        }

        impl sealed::Sealed for $name {}

        impl Action for $name {
            fn kind(&self) -> ActionKind {
                ActionKind::$name
            }

            fn audit_target(&self) -> Option<[u8; 16]> {
                Some(*self.account.as_bytes())
            }

            fn audit_words(&self) -> Option<String> {
                self.deed.words().map(str::to_owned)
            }
        }
    )*};
}

whole! {
    /// Seeing who has an account.
    ReadMembers;
    /// Making, listing and revoking API keys.
    ManageApiKeys;
    /// Listing every room of the organisation.
    ListRooms;
    /// Saying which pages of others may bring their users into rooms.
    ChangeEmbedders;
    /// Calling a room by another title.
    RenameRoom;
    /// Seeing from outside who is in the session of a room.
    SeeSession;
    /// Making a token by which a user of another product may come to the door of a room.
    MakeJoinToken;
}

of_an_account! {
    /// Changing what an account may do, ending its sessions, or ending it.
    ManageMember;
    /// The same with an account that administers the organisation, or is to.
    ManageAdmin;
}
