//! Who stands before the room: the applicant with proved identity, and the participant that they become. Names and
//! roles come from here and never from a message.

use conclave_policy::facts::Password;
use conclave_policy::roles::Role;
use conclave_policy::source::StreamKind;

use crate::clock::Timestamp;
use crate::ids::{
    AccountId, ActorId, DeviceId, GuestId, LinkId, NetworkId, ParticipantId, PictureId,
    StreamTokenId,
};
use crate::rooms::floor::Floor;
use crate::rooms::profile::Requested;

/// Someone who wants in, as sign-in and the password check have proved them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The account or guest behind them.
    pub actor: ActorId,
    /// The account, when one is signed in.
    pub account: Option<AccountId>,
    /// The name that the server vouches for.
    pub name: String,
    /// The picture that goes with it.
    pub picture: Option<PictureId>,
    /// Whether they administer the organisation.
    pub org_admin: bool,
    /// Whether a second factor was shown in the session that they are here by.
    pub second_factor: bool,
    /// Whether they proved to know the password (or the room needs none).
    pub password: Password,
    /// The organisation that vouches for the account, by name.
    pub organisation: Option<String>,
    /// The link that a guest came by.
    pub link: Option<GuestLink>,
    /// The product that brought them.
    pub brought: Option<Box<Brought>>,
    /// The browser that a guest came with.
    pub device: Option<DeviceId>,
    /// The network that they came from.
    pub network: Option<NetworkId>,
    /// How they come.
    pub way: Way,
}

/// How someone comes to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// With the page or a program like it, over the WebSocket.
    #[default]
    Page,
    /// As a stream over HTTP (WHIP or WHEP), which has neither ears nor a voice for anything but media.
    Stream {
        /// In or out.
        kind: StreamKind,
        /// By what.
        by: StreamBy,
    },
}

/// By what a stream comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamBy {
    /// A token that a host made for it.
    Token(StreamTokenId),
    /// The session of someone, whose stream it is.
    Identity {
        /// Whose; the stream has an identity of its own.
        actor: ActorId,
        /// Whether that is an account.
        signed_in: bool,
    },
}

impl Way {
    /// Which way the stream goes, if it is one.
    pub const fn stream(self) -> Option<StreamKind> {
        match self {
            Self::Page => None,
            Self::Stream { kind, .. } => Some(kind),
        }
    }

    /// The token that a host made for it.
    pub const fn token(self) -> Option<StreamTokenId> {
        match self {
            Self::Stream {
                by: StreamBy::Token(token),
                ..
            } => Some(token),
            _ => None,
        }
    }
}

/// A link that a host made for one guest, under a name of the host's choosing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestLink {
    /// Which.
    pub id: LinkId,
    /// Whom the host made it for.
    pub label: String,
}

/// Another product brought this guest, and vouches for the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// What its key is called.
    pub product: String,
    /// They only watch, whatever the room would let them do.
    pub observes: bool,
}

impl Applicant {
    /// Someone who signed in, of whom nothing else is known yet.
    pub fn account(account: AccountId) -> Self {
        Self {
            account: Some(account),
            ..Self::nobody(account.into())
        }
    }

    /// A guest of whom nothing else is known yet.
    pub fn guest(guest: GuestId) -> Self {
        Self::nobody(guest.into())
    }

    const fn nobody(actor: ActorId) -> Self {
        Self {
            actor,
            account: None,
            name: String::new(),
            picture: None,
            org_admin: false,
            second_factor: false,
            password: Password::Missing,
            organisation: None,
            link: None,
            brought: None,
            device: None,
            network: None,
            way: Way::Page,
        }
    }

    /// Whether a signed-in account stands behind the name.
    pub fn signed_in(&self) -> bool {
        let behind = matches!(
            self.way,
            Way::Stream {
                by: StreamBy::Identity {
                    signed_in: true,
                    ..
                },
                ..
            }
        );
        self.account.is_some() || behind
    }

    /// Whether whoever brought them said that they only watch.
    pub fn only_watches(&self) -> bool {
        self.brought.as_ref().is_some_and(|by| by.observes)
    }

    /// The identity, and the one whose stream it is.
    pub fn identities(&self) -> impl Iterator<Item = ActorId> + use<> {
        let behind = match self.way {
            Way::Stream {
                by: StreamBy::Identity { actor, .. },
                ..
            } => Some(actor),
            _ => None,
        };
        [Some(self.actor), behind].into_iter().flatten()
    }

    /// Whether this is that identity, or a stream of it.
    pub fn is_of(&self, actor: ActorId) -> bool {
        self.identities().any(|own| own == actor)
    }

    /// Whether this is someone else who came by the same link.
    pub fn shares_link(&self, other: &Self) -> bool {
        let link = |who: &Self| who.link.as_ref().map(|link| link.id);
        self.actor != other.actor && self.link.is_some() && link(self) == link(other)
    }
}

/// Whether the participant's connection is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The WebSocket is open.
    Connected,
    /// It was lost at this time, and may come back for a while.
    Lost {
        /// When.
        since: Timestamp,
    },
}

/// Someone who is in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who, for the life of the session.
    pub id: ParticipantId,
    /// The identity with which they came.
    pub who: Applicant,
    /// The role in this room.
    pub role: Role,
    /// Rights and live sources.
    pub floor: Floor,
    /// A raised hand.
    pub hand: bool,
    /// The state of the connection.
    pub presence: Presence,
    /// Another name or picture that they asked for.
    pub requested: Requested,
    /// They want no captions of what they say.
    pub uncaptioned: bool,
}

impl Person {
    /// Someone who has just come in: nothing on, hand down.
    pub fn new(id: ParticipantId, who: Applicant, role: Role) -> Self {
        Self {
            id,
            who,
            role,
            floor: Floor::new(),
            hand: false,
            presence: Presence::Connected,
            requested: Requested::default(),
            uncaptioned: false,
        }
    }

    /// Whether the connection is there.
    pub fn connected(&self) -> bool {
        self.presence == Presence::Connected
    }
}
