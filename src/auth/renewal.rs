//! Sessions are renewed: what is shown with each request is good for a quarter of an hour, and what renews it, once. Both are
//! bound to the same key. One that is not renewed for long enough is over with its renewal. That something is renewed twice means that two hold the session, which ends it (decision 80).

use crate::auth::error::AuthError;
use crate::auth::possession::Shown;
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn};
use crate::auth::token::{Claims, KeyRing, TokenId};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::turns::Turned;

/// What the audit trail calls it.
const SESSION_REUSED: &str = "session_reused";

/// What there is of a session in its tokens, whoever it is.
struct Renewed {
    id: TokenId,
    key: Option<Thumbprint>,
    turn: u32,
    end: i64,
}

impl Auth {
    /// Renews a session for whoever holds its key.
    ///
    /// # Errors
    /// `Refused`; `Copied` without its key; `Reused` when two hold it, and it is over; `Unavailable`.
    pub async fn renew(
        &self,
        renewal: &Secret<String>,
        key: Option<Thumbprint>,
    ) -> Result<SignedIn, AuthError> {
        let (org, now) = (self.store.org(), self.clock.now());
        let opened = self.ring().open(renewal.expose(), now);
        let Ok(Claims::Renewal { of, .. }) = opened else {
            return Err(AuthError::Refused);
        };
        let mut claims = *of;
        let renewed = renewed(&mut claims).ok_or(AuthError::Refused)?;
        if renewed.key != key {
            return Err(self.was_copied(renewed.id));
        }
        if self.is_reused(renewed.id) {
            return Err(AuthError::Reused);
        }
        let (token, ends) = (*renewed.id.as_bytes(), from_secs(renewed.end));
        let turned = self
            .store
            .turn_session(org, token, renewed.turn, ends, now)
            .await?;
        let Turned::To(turn) = turned else {
            // First it is known to whoever asks, then it is over.
            self.was_reused(renewed.id);
            self.store.revoke_session(org, token, ends, now).await?;
            if let Claims::Session { sub, .. } = claims {
                self.note(SESSION_REUSED, sub.into(), None);
            }
            return Err(AuthError::Reused);
        };
        let exp = now.after(self.settings.token).as_secs().min(renewed.end);
        if let Claims::Session {
            exp: until,
            turn: at,
            ..
        }
        | Claims::Guest {
            exp: until,
            turn: at,
            ..
        } = &mut claims
        {
            (*until, *at) = (exp, turn);
        }
        let ring = self.usable_ring().await?;
        let token = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        let Shown { principal, .. } = self.shown(token.expose()).await?;
        Ok(SignedIn {
            renewal: self.renewal(&ring, claims, now)?,
            token,
            renews: from_secs(exp),
            principal,
            device: None,
            passkey: None,
            instead_of: None,
        })
    }

    /// What renews the session of these claims.
    pub(super) fn renewal(
        &self,
        ring: &KeyRing,
        mut claims: Claims,
        now: Timestamp,
    ) -> Result<Secret<String>, AuthError> {
        let Renewed { end, .. } = renewed(&mut claims).ok_or(AuthError::Unavailable)?;
        let unused = now.after(self.settings.unused).as_secs();
        let renewal = Claims::Renewal {
            org: self.store.org(),
            of: Box::new(claims),
            iat: now.as_secs(),
            exp: end.min(unused),
        };
        ring.make(&renewal, now).map_err(|_| AuthError::Unavailable)
    }

    /// A session that was renewed is in use from here on: nobody waits for the row.
    pub(super) fn taken_into_use(&self, shown: &Shown) {
        let id = shown.principal.token_id;
        if shown.turn > 0 && self.first_of_turn(id, shown.turn) {
            let org = shown.principal.org;
            drop(self.store.turn_seen(org, *id.as_bytes(), shown.turn));
        }
    }
}

fn renewed(claims: &mut Claims) -> Option<Renewed> {
    match claims {
        Claims::Session {
            jti,
            jkt,
            turn,
            end,
            ..
        }
        | Claims::Guest {
            jti,
            jkt,
            turn,
            end,
            ..
        } => Some(Renewed {
            id: *jti,
            key: *jkt,
            turn: *turn,
            end: *end,
        }),
        Claims::Away { .. }
        | Claims::Join { .. }
        | Claims::Renewal { .. }
        | Claims::Ceremony { .. }
        | Claims::Again { .. }
        | Claims::Link { .. } => None,
    }
}

fn from_secs(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}
