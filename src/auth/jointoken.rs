//! Join tokens: by one a user of another product comes to the door of one room, under the name that the product vouches for, in the page
//! whose key the product named. It is no session: it is good for one exchange, with that key, within a minute.

use std::net::IpAddr;
use std::time::Duration;

use conclave_policy::control::MakeJoinToken;
use conclave_policy::permit::Permit;

use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::principal::Who;
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn};
use crate::auth::token::Claims;
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, DeviceId, OrgId};
use crate::secret::Secret;

/// How long a token can be exchanged: it goes from the product's server to its page and on at once.
const LASTS: Duration = Duration::from_secs(60);
/// What the audit trail calls it when one is exchanged.
const JOINED: &str = "join_by_token";

/// Whom another product wants to bring.
#[derive(Debug)]
pub struct WantedJoin {
    /// Who it is there.
    pub external: Secret<String>,
    /// The name that the product vouches for.
    pub name: DisplayName,
    /// The key that asks.
    pub by: ApiKeyId,
    /// What the key is called.
    pub product: DisplayName,
    /// The key of the page.
    pub key: Thumbprint,
    /// Whether they only watch.
    pub observes: bool,
}

/// A product brought this guest.
#[derive(Clone, Debug)]
pub struct Brought {
    /// By this key.
    pub by: ApiKeyId,
    /// Which is called so.
    pub product: Secret<String>,
    /// They only watch, whatever the room would let them do.
    pub observes: bool,
}

/// How it stands in a token: key, what it is called, whether they only watch.
pub(crate) type BroughtClaim = (ApiKeyId, String, bool);

impl From<BroughtClaim> for Brought {
    fn from((by, product, observes): BroughtClaim) -> Self {
        Self {
            by,
            product: Secret::new(product),
            observes,
        }
    }
}

impl Auth {
    /// Makes a token for the room of the permit.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn create_join_token(
        &self,
        permit: &Permit<MakeJoinToken>,
        org: OrgId,
        wanted: WantedJoin,
    ) -> Result<(Secret<String>, Timestamp), AuthError> {
        let ring = self.usable_ring().await?;
        let (now, room) = (self.clock.now(), permit.room());
        let expires = Timestamp::from_millis(now.after(LASTS).as_secs().saturating_mul(1000));
        let claims = Claims::Join {
            org,
            by: wanted.by,
            product: wanted.product.as_str().to_owned(),
            room,
            sub: self.store.external_id(org, room, wanted.external.expose()),
            name: wanted.name.as_str().to_owned(),
            observes: wanted.observes,
            jkt: wanted.key,
            iat: now.as_secs(),
            exp: expires.as_secs(),
            jti: self.random_id(),
        };
        let token = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        Ok((token, expires))
    }

    /// A session of a guest, for the page that holds the key. Whoever has the token without the key does not even use it up.
    ///
    /// # Errors
    /// `Refused` for whatever is wrong with the token or the key, `TooMany`, `Unavailable`.
    pub async fn join(
        &self,
        token: &Secret<String>,
        key: Thumbprint,
        address: IpAddr,
    ) -> Result<SignedIn, AuthError> {
        let now = self.clock.now();
        let opened = self.ring().open(token.expose(), now);
        let Ok(Claims::Join {
            org,
            by,
            product,
            room,
            sub,
            name,
            observes,
            jkt,
            exp,
            jti,
            ..
        }) = opened
        else {
            // What is right is bounded by whoever made it; only what is wrong is slowed down.
            self.newcomer(address)?;
            return Err(AuthError::Refused);
        };
        if jkt != key {
            self.newcomer(address)?;
            return Err(AuthError::Refused);
        }
        let name = DisplayName::parse(&name).map_err(|_| AuthError::Refused)?;
        let expires = Timestamp::from_millis(exp.saturating_mul(1000));
        self.store
            .use_join_token(org, *jti.as_bytes(), by, expires, now)
            .await?;
        // The same person is the same browser: that is all that a product tells of it.
        let device = DeviceId::from_bytes(*sub.as_bytes());
        let who = Who::Guest {
            id: sub,
            room,
            name,
            device,
            link: None,
            brought: Some(Box::new((by, product, observes).into())),
        };
        let signed_in = self.guest_session(who, Some(key)).await?;
        self.note(JOINED, sub.into(), Some(*room.as_bytes()));
        Ok(signed_in)
    }

    /// Goes on with a session that came of a join token, for whoever holds its key.
    ///
    /// # Errors
    /// As for other sessions; `Refused` too for those.
    pub async fn renew_joined(
        &self,
        renewal: &Secret<String>,
        key: Thumbprint,
    ) -> Result<SignedIn, AuthError> {
        let opened = self.ring().open(renewal.expose(), self.clock.now());
        match opened {
            Ok(Claims::Renewal { of, .. })
                if matches!(
                    *of,
                    Claims::Guest {
                        brought: Some(_),
                        ..
                    }
                ) => {}
            _ => return Err(AuthError::Refused),
        }
        self.renew(renewal, Some(key)).await
    }
}

/// Whether a session came of a join token.
pub fn was_brought(who: &Who) -> bool {
    matches!(
        who,
        Who::Guest {
            brought: Some(_),
            ..
        }
    )
}
