//! Stream tokens: who shows one is a stream that a host named, in one room, and nothing else. It is no session: it opens neither
//! the WebSocket nor the control plane.

use std::time::Duration;

use conclave_policy::actions::ManageStreamTokens;
use conclave_policy::permit::Permit;
use conclave_policy::source::StreamKind;

use crate::auth::error::AuthError;
use crate::auth::invitation::{secret_hash, sha256};
use crate::auth::name::DisplayName;
use crate::auth::principal::{Principal, Who};
use crate::auth::session::Auth;
use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, StreamTokenId};
use crate::secret::Secret;
use crate::store::streamtokens::NewStreamToken;

/// What a host wants tokens for.
#[derive(Debug)]
pub struct Wanted {
    /// Which way the streams go.
    pub kind: StreamKind,
    /// Whether their pictures are screens' and not cameras'.
    pub screen: bool,
    /// What they are called, one token each.
    pub labels: Vec<DisplayName>,
    /// How long a stream may begin with them.
    pub lasts: Duration,
}

/// A token that was just made.
#[derive(Debug)]
pub struct MadeToken {
    /// Which.
    pub id: StreamTokenId,
    /// What the stream is called.
    pub label: String,
    /// The token itself, shown once.
    pub secret: Secret<String>,
    /// Until when.
    pub expires: Timestamp,
}

impl Auth {
    /// Makes tokens for streams of the room of the permit, all or none.
    ///
    /// # Errors
    /// `Busy` when the room has too many, `Refused` when there is no such room, `Unavailable`.
    pub async fn create_stream_tokens(
        &self,
        permit: Permit<ManageStreamTokens>,
        org: OrgId,
        wanted: Wanted,
    ) -> Result<Vec<MadeToken>, AuthError> {
        let made = self.clock.now();
        let expires = made.after(wanted.lasts);
        let (mut kept, mut shown) = (Vec::new(), Vec::new());
        for label in wanted.labels {
            let (secret, secret_hash) = self.new_secret();
            let id = self.random_id();
            let label = label.as_str().to_owned();
            kept.push(NewStreamToken {
                id,
                secret_hash,
                kind: wanted.kind,
                screen: wanted.screen,
                label: Secret::new(label.clone()),
                by: permit.actor(),
                made,
                expires,
            });
            shown.push(MadeToken {
                id,
                label,
                secret,
                expires,
            });
        }
        self.store
            .add_stream_tokens(org, permit.room(), kept)
            .await?;
        Ok(shown)
    }

    /// The stream that a bearer stands for, if it is a stream token that was not taken back. One that is over still tends what
    /// it began before (`begins` is false), and begins nothing.
    ///
    /// # Errors
    /// `Refused` for everything else, or `Unavailable` when that cannot be looked up.
    pub async fn stream(&self, bearer: &str, begins: bool) -> Result<Principal, AuthError> {
        let hash = secret_hash(&Secret::new(bearer.to_owned())).ok_or(AuthError::Refused)?;
        let org = self.store.org();
        let found = self.store.stream_token(org, hash).await?;
        let found = found.ok_or(AuthError::Refused)?;
        if begins && found.expires <= self.clock.now() {
            return Err(AuthError::Refused);
        }
        let name = DisplayName::parse(found.label.expose()).map_err(|_| AuthError::Unavailable)?;
        Ok(Principal {
            org,
            who: Who::Stream {
                token: found.id,
                room: found.room,
                name,
                kind: found.kind,
                screen: found.screen,
            },
            token_id: (*found.id.as_bytes()).into(),
            expires: found.expires,
            came: Default::default(),
        })
    }
}

/// The identity of a stream that someone sends or watches with their own session: apart from their own presence in the room, and
/// always the same, so that they have one of each kind and it is known again.
pub fn stream_of(actor: ActorId, kind: StreamKind) -> ActorId {
    let mut bytes = kind.as_str().as_bytes().to_vec();
    bytes.extend_from_slice(actor.as_bytes());
    let mut id = [0; 16];
    id.iter_mut()
        .zip(sha256(&bytes))
        .for_each(|(to, from)| *to = from);
    ActorId::from_bytes(id)
}
