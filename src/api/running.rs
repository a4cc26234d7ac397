//! What running rooms have to be told when something about them changes from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_policy::scopes::Scopes;
use futures_util::future::BoxFuture;

use crate::auth::token::TokenId;
use crate::ids::{ActorId, RoomId, StreamTokenId};
use crate::rooms::outbound::Done;
use crate::rooms::quality::QualityView;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;
use crate::rooms::view::{Profile, SessionView};
use crate::secret::Secret;
use crate::speech::Speech;
use crate::store::settings::{StoredLevels, StoredOrg};

/// What a program asks of a running room, with the scopes of its key.
pub struct Controlled {
    /// The program.
    pub actor: ActorId,
    /// What its key is called.
    pub name: String,
    /// What its key is for.
    pub scopes: Scopes,
    /// What it asks for, as a host does.
    pub request: RoomRequest,
}

/// The rooms that run now. Telling one that does not run does nothing.
pub trait RunningRooms: Send + Sync + 'static {
    /// The levels above a room are now these.
    fn settings_changed(&self, room: RoomId, stored: StoredLevels) -> BoxFuture<'_, ()>;

    /// The organisation now says this to every room.
    fn organisation_changed(&self, stored: Arc<StoredOrg>) -> BoxFuture<'_, ()>;

    /// This session has shown its second factor.
    fn factor_shown(&self, _session: TokenId) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// The stored password is now this one, in this revision.
    fn password_changed(
        &self,
        room: RoomId,
        revision: u64,
        password: Secret<String>,
    ) -> BoxFuture<'_, ()>;

    /// What the hosts chose about the speech of a room is now this.
    fn speech_changed(&self, _room: RoomId, _speech: Speech) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// What an account or guest comes with is now this.
    fn profile_changed(&self, actor: ActorId, profile: Profile) -> BoxFuture<'_, ()>;

    /// The token of a stream was taken back.
    fn stream_token_revoked(&self, _room: RoomId, _token: StreamTokenId) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// What came of a call of a program; none when no session of the room runs.
    fn control(
        &self,
        _room: RoomId,
        _call: Controlled,
    ) -> BoxFuture<'_, Option<Result<Done, ErrorCode>>> {
        Box::pin(async { None })
    }

    /// Who is in the session of a room, if one runs.
    fn session(&self, _room: RoomId) -> BoxFuture<'_, Option<SessionView>> {
        Box::pin(async { None })
    }

    /// The room was ended for good.
    fn ended(&self, room: RoomId) -> BoxFuture<'_, ()>;

    /// How the connections in the room do; none when no session of it runs.
    fn quality(&self, _room: RoomId) -> BoxFuture<'_, Option<Vec<QualityView>>> {
        Box::pin(async { None })
    }

    /// The names of those who are in the room or wait, by every id under which the audit trail may speak of them.
    fn names(&self, _room: RoomId) -> BoxFuture<'_, BTreeMap<[u8; 16], String>> {
        Box::pin(async { BTreeMap::new() })
    }
}
