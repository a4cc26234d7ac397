//! How a session of an account begins: with a token and what renews it, of now or in the place of another.

use crate::auth::error::AuthError;
use crate::auth::possession::Shown;
use crate::auth::principal::Came;
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn, whole};
use crate::auth::token::Claims;
use crate::clock::Timestamp;
use crate::ids::AccountId;

impl Auth {
    /// A session of someone who proved who they are just now.
    pub(super) async fn new_session(
        &self,
        account: AccountId,
        epoch: i64,
        index: Option<&[u8; 32]>,
        key: Option<Thumbprint>,
        came: Came,
    ) -> Result<SignedIn, AuthError> {
        let since = self.clock.now();
        let end = since.after(self.settings.session);
        self.session_of((account, epoch), index, key, Came { since, ..came }, end)
            .await
    }

    /// A session of someone who came when they did, and which is over then.
    pub(super) async fn session_of(
        &self,
        (account, epoch): (AccountId, i64),
        index: Option<&[u8; 32]>,
        key: Option<Thumbprint>,
        came: Came,
        end: Timestamp,
    ) -> Result<SignedIn, AuthError> {
        let ring = self.usable_ring().await?;
        let (org, now) = (self.store.org(), self.clock.now());
        let renews = now.after(self.settings.token).min(end);
        let claims = Claims::Session {
            org,
            sub: account,
            epoch,
            jkt: key,
            iat: came.since.as_secs(),
            exp: renews.as_secs(),
            end: end.as_secs(),
            turn: 0,
            jti: self.random_id(),
            by: came.by,
            factor: came.second_factor,
        };
        let token = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        // Read back, so that what is handed out is exactly what will be accepted.
        let Shown { principal, .. } = self.shown(token.expose()).await?;
        Ok(SignedIn {
            renewal: self.renewal(&ring, claims, now)?,
            renews: whole(renews),
            token,
            principal,
            device: index.map(|index| self.new_device(index)),
            passkey: None,
            instead_of: None,
        })
    }
}
