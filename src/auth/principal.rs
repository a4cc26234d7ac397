//! Whoever makes a request, as the server knows them. Made from a session token that was checked, never from a payload.

use crate::auth::guestlink::CameBy;
use crate::auth::jointoken::Brought;
use crate::auth::name::DisplayName;
use crate::auth::token::TokenId;
use crate::clock::Timestamp;
use crate::ids::{
    AccountId, ActorId, ApiKeyId, DeviceId, GuestId, IdentityId, OrgId, RoomId, StreamTokenId,
};
use conclave_policy::facts::SecondFactor;
use conclave_policy::scopes::Scopes;
use conclave_policy::source::StreamKind;

/// An identity that was proved just now.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The organisation that the session belongs to.
    pub org: OrgId,
    /// Who.
    pub who: Who,
    /// Which session it is, so that it alone can be ended.
    pub token_id: TokenId,
    /// When the session ends by itself.
    pub expires: Timestamp,
    /// By what they came.
    pub came: Came,
}

/// By what someone came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// The identity elsewhere by which they came; none for a password, a guest or a stream.
    pub by: Option<IdentityId>,
    /// Whether a second factor was shown, when it began or later.
    pub second_factor: bool,
    /// Whether the organisation asks for one, of those who lead a room or administer it. Never of a guest, a stream or a program.
    pub factor_asked: bool,
    /// When they proved who they are.
    pub since: Timestamp,
    /// How often everyone had been sent away when this was proved; once more, and it is over.
    pub round: u64,
}

/// An account, a guest of one room, or a stream of one room.
#[derive(Clone, Debug)]
pub enum Who {
    /// Signed in.
    Account {
        /// The account.
        id: AccountId,
        /// Its name.
        name: DisplayName,
        /// Whether it administers the organisation.
        admin: bool,
        /// Whether it may create rooms.
        may_create_rooms: bool,
        /// The account's epoch when this was proved; a later one ends the session.
        epoch: i64,
    },
    /// Without an account: the name is their own word, or that of a product which brought them.
    Guest {
        /// The guest.
        id: GuestId,
        /// The only room this session is good for.
        room: RoomId,
        /// The name they gave.
        name: DisplayName,
        /// The browser they came with.
        device: DeviceId,
        /// The link they came by.
        link: Option<CameBy>,
        /// The product that brought them, which vouches for the name.
        brought: Option<Box<Brought>>,
    },
    /// A stream that a host named; it has no session, and nothing but its token.
    Stream {
        /// The token.
        token: StreamTokenId,
        /// The only room that it is good for.
        room: RoomId,
        /// What the host calls it.
        name: DisplayName,
        /// Which way it goes.
        kind: StreamKind,
        /// Whether its picture is a screen's and not a camera's.
        screen: bool,
    },
    /// A program with an API key: it calls the control API, and comes into no room.
    Program {
        /// The key.
        key: ApiKeyId,
        /// What the key is called.
        name: DisplayName,
        /// What it is for.
        scopes: Scopes,
        /// The administrator who made it.
        made_by: AccountId,
    },
}

impl Principal {
    /// The identity that permits and audit rows carry.
    pub fn actor(&self) -> ActorId {
        match self.who {
            Who::Account { id, .. } => id.into(),
            Who::Guest { id, .. } => id.into(),
            Who::Stream { token, .. } => token.into(),
            Who::Program { key, .. } => key.into(),
        }
    }

    /// The account, unless this is a guest.
    pub fn account(&self) -> Option<AccountId> {
        match self.who {
            Who::Account { id, .. } => Some(id),
            Who::Guest { .. } | Who::Stream { .. } | Who::Program { .. } => None,
        }
    }

    /// The name to show.
    pub fn name(&self) -> &DisplayName {
        match &self.who {
            Who::Account { name, .. }
            | Who::Guest { name, .. }
            | Who::Stream { name, .. }
            | Who::Program { name, .. } => name,
        }
    }

    /// How it stands with the second factor of whoever leads.
    pub const fn second_factor(&self) -> SecondFactor {
        SecondFactor::of(self.came.factor_asked, self.came.second_factor)
    }

    /// Whether this session may be used at the door of a room: a guest's is good for one room only.
    pub fn is_good_for(&self, room: RoomId) -> bool {
        match self.who {
            Who::Account { .. } => true,
            Who::Guest { room: only, .. } | Who::Stream { room: only, .. } => only == room,
            Who::Program { .. } => false,
        }
    }
}
