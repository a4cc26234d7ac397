//! Why someone is not let through. To the peer one refusal looks like another: nothing tells whether an account, an
//! invitation or a room exists.

use std::time::Duration;

use thiserror::Error;

use crate::auth::email::EmailError;
use crate::auth::name::NameError;
use crate::auth::nonces::Nonce;
use crate::auth::password::PasswordError;
use crate::auth::recovery::HalfWay;
use crate::store::error::StoreError;

/// Why a sign-in, a session or an invitation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Wrong, unknown, expired, revoked, of the wrong kind: one answer for all.
    #[error("not valid")]
    Refused,
    /// The session is good, and whoever shows it does not hold its key. To them it is `Refused`.
    #[error("not valid")]
    Copied,
    /// The session was renewed by two who hold its key, and ended for that.
    #[error("two hold this session")]
    Reused,
    /// The proof has to sign this value, which is fresh.
    #[error("sign a fresh value")]
    NeedsNonce(Nonce),
    /// The password is right, and the account asks for a second factor.
    #[error("a second factor is needed")]
    SecondFactor(HalfWay),
    /// Too many attempts; the same for right and wrong ones.
    #[error("too many attempts")]
    TooMany {
        /// When another attempt will be looked at.
        retry_after: Duration,
    },
    /// Too many people are signing in at this moment.
    #[error("busy")]
    Busy,
    /// The name breaks the rules for names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// That is not an e-mail address.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The new password breaks the rule for passwords.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database is away; nothing was changed.
    #[error("not available")]
    Unavailable,
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing | StoreError::Conflict => Self::Refused,
            StoreError::Full => Self::Busy,
            StoreError::Unavailable | StoreError::Settings | StoreError::Corrupt => {
                Self::Unavailable
            }
        }
    }
}
