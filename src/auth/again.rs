//! Proof, within a session, that its holder is there: what changes the ways into an account needs a sign-in of the last minutes,
//! or the password or a passkey once more. Whoever finds an open browser could otherwise keep a way in.

use std::net::IpAddr;
use std::time::Duration;

use crate::auth::error::AuthError;
use crate::auth::passkeys::{Asserted, Bound, Ceremony, Purpose};
use crate::auth::principal::Principal;
use crate::auth::session::Auth;
use crate::auth::token::Claims;
use crate::secret::Secret;

/// How long a sign-in or a proof is recent.
const RECENT: Duration = Duration::from_secs(10 * 60);

impl Auth {
    /// Whether the holder of this session was there lately: it began lately, or what they show was made lately for this session.
    pub fn is_recent(&self, principal: &Principal, shown: Option<&str>) -> bool {
        let (ring, now) = (self.ring(), self.clock.now());
        if now.since(principal.came.since) < RECENT {
            return true;
        }
        let opened = shown.map(|shown| ring.open(shown, now));
        let Some(Ok(Claims::Again { sub, session, .. })) = opened else {
            return false;
        };
        principal.account() == Some(sub) && principal.token_id == session
    }

    /// Proves it by the password.
    ///
    /// # Errors
    /// `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn again_by_password(
        &self,
        principal: &Principal,
        password: &Secret<String>,
        device: Option<&Secret<String>>,
        address: IpAddr,
    ) -> Result<Secret<String>, AuthError> {
        self.prove_again(principal, password, device, address)
            .await?;
        self.recent(principal).await
    }

    /// Begins to prove it by a passkey.
    ///
    /// # Errors
    /// `Refused` where there are none, or `Unavailable`.
    pub async fn start_again(&self, principal: &Principal) -> Result<Ceremony, AuthError> {
        self.ask_in_session(principal, Purpose::Again).await
    }

    /// Proves it by a passkey.
    ///
    /// # Errors
    /// `Refused` or `Unavailable`.
    pub async fn again_by_passkey(
        &self,
        principal: &Principal,
        ceremony: &Secret<String>,
        asserted: &Asserted,
    ) -> Result<Secret<String>, AuthError> {
        self.shown_in_session(principal, Purpose::Again, ceremony, asserted)
            .await?;
        self.recent(principal).await
    }

    /// Begins to show the second factor that this session began without.
    ///
    /// # Errors
    /// `Refused` where there are no passkeys, or `Unavailable`.
    pub async fn start_step_up(&self, principal: &Principal) -> Result<Ceremony, AuthError> {
        self.ask_in_session(principal, Purpose::StepUp).await
    }

    /// Shows it: from now on this session, and no other, counts as having shown one.
    ///
    /// # Errors
    /// `Refused` or `Unavailable`.
    pub async fn step_up(
        &self,
        principal: &Principal,
        ceremony: &Secret<String>,
        asserted: &Asserted,
    ) -> Result<(), AuthError> {
        let passkey = self
            .shown_in_session(principal, Purpose::StepUp, ceremony, asserted)
            .await?;
        let (token, now) = (*principal.token_id.as_bytes(), self.clock.now());
        self.store
            .show_factor(principal.org, token, principal.expires, now)
            .await?;
        self.note("second_factor_shown", principal.actor(), Some(passkey));
        Ok(())
    }

    /// Asks for one of the passkeys of the account, for this session alone.
    async fn ask_in_session(
        &self,
        principal: &Principal,
        purpose: Purpose,
    ) -> Result<Ceremony, AuthError> {
        let account = principal.account().ok_or(AuthError::Refused)?;
        let these = self.store.passkeys(principal.org, account).await?;
        if these.is_empty() {
            return Err(AuthError::Refused);
        }
        let bound = Bound {
            session: Some(principal.token_id),
            ..Bound::default()
        };
        self.ask_for_passkey(purpose, bound, Some(&these)).await
    }

    /// Which of them was shown, in a ceremony that this session began for this.
    async fn shown_in_session(
        &self,
        principal: &Principal,
        purpose: Purpose,
        ceremony: &Secret<String>,
        asserted: &Asserted,
    ) -> Result<[u8; 16], AuthError> {
        let (bound, state) = self.end(ceremony, purpose).await?;
        if bound.session != Some(principal.token_id) {
            return Err(AuthError::Refused);
        }
        let account = principal.account().ok_or(AuthError::Refused)?;
        let passkey = self.proven(&state, asserted, Some(account)).await?;
        Ok(*passkey.id.as_bytes())
    }

    async fn recent(&self, principal: &Principal) -> Result<Secret<String>, AuthError> {
        let now = self.clock.now();
        let claims = Claims::Again {
            org: principal.org,
            sub: principal.account().ok_or(AuthError::Refused)?,
            session: principal.token_id,
            iat: now.as_secs(),
            exp: now.after(RECENT).as_secs(),
            jti: self.random_id(),
        };
        let ring = self.usable_ring().await?;
        ring.make(&claims, now).map_err(|_| AuthError::Unavailable)
    }
}
