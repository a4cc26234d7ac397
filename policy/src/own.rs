//! What someone does with what is their own: name and picture, ways into the account, its sessions. Whether it is allowed
//! stands in `rules.csv`, never here.

use crate::actions::{Action, ActionKind, sealed};
use crate::ids::{IdentityId, PasskeyId};

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

macro_rules! of_one {
    ($($(#[$doc:meta])* $name:ident of $field:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            /// Which.
            pub $field: $type,
        }

        impl sealed::Sealed for $name {}

        impl Action for $name {
            fn kind(&self) -> ActionKind {
                ActionKind::$name
            }

            fn audit_target(&self) -> Option<[u8; 16]> {
                Some(*self.$field.as_bytes())
            }
        }
    )*};
}

whole! {
    /// Changing the name that one's account comes with.
    EditName;
    /// Changing the picture that one comes with.
    EditPicture;
    /// Making recovery codes of one's account anew.
    MakeRecoveryCodes;
    /// Changing the password of one's account.
    ChangeOwnPassword;
    /// Changing the e-mail address of one's account.
    ChangeEmail;
    /// Ending sessions of one's account.
    EndOwnSessions;
}

of_one! {
    /// Letting an identity elsewhere stand for one's account.
    LinkIdentity of identity: IdentityId;
    /// Taking that back.
    UnlinkIdentity of identity: IdentityId;
    /// Letting a passkey open one's account.
    AddPasskey of passkey: PasskeyId;
    /// Giving it another name.
    RenamePasskey of passkey: PasskeyId;
    /// Taking it back.
    RemovePasskey of passkey: PasskeyId;
}
