//! What the API answers when it does not do what was asked: a stable code, a plain sentence, nothing about the inside.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::auth::error::AuthError;
use crate::auth::name::NameError;
use crate::auth::nonces::Nonce;
use crate::auth::oauth::settings::Fault;
use crate::store::error::StoreError;

/// Where a client finds what to sign.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The body is not what this endpoint takes.
    BadRequest,
    /// The body is too large.
    TooLarge,
    /// The body is not declared as JSON.
    NotJson,
    /// The session is missing, ended or not valid here.
    SignedOut,
    /// Two held the session, and it was ended for that.
    SessionReused,
    /// The proof beside the session has to sign this value, which is fresh.
    NeedsNonce(Nonce),
    /// A page begins a session without a key of its own.
    ProofRequired,
    /// Wrong e-mail or password, or no such account: one answer.
    SignInRefused,
    /// The passkey opens nothing here, whatever is wrong with it: one answer.
    PasskeyRefused,
    /// The link was used, is too old or not whole: one answer.
    LinkRefused,
    /// This server sends no mail.
    MailOff,
    /// The recovery code is not one of the account's, or was used: one answer.
    CodeRefused,
    /// The holder of the session has to prove once more that they are there.
    ConfirmFirst,
    /// What came of a sign-in by a provider proves nothing here: one answer.
    ProviderRefused,
    /// The invitation is unknown, used or over, or cannot be used like this: one answer.
    InvitationRefused,
    /// The join token is unknown, used, over or another's: one answer.
    JoinRefused,
    /// The request comes from a foreign page.
    WrongOrigin,
    /// Policy does not permit it.
    NotAllowed,
    /// Policy would permit it, had this session shown a second factor.
    SecondFactorRequired,
    /// Whoever asks has to sign in anew first.
    SignInAgain,
    /// There is no such thing, or it is not open to the caller: one answer.
    NotFound,
    /// The path has no such method.
    BadMethod,
    /// The file is no picture that could be read.
    InvalidPicture,
    /// Too many attempts or requests.
    RateLimited(Duration),
    /// Too much at this moment.
    Busy,
    /// Storage is away; nothing was changed.
    Unavailable,
    /// The name or title breaks a rule.
    InvalidName(NameError),
    /// That is not an e-mail address.
    InvalidEmail,
    /// The new password is too short or too long.
    InvalidPassword,
    /// There is no such setting or value.
    InvalidValue,
    /// The room would be left without any protection.
    Unprotected,
    /// There are too many already.
    TooMany,
    /// Somebody else changed it since the caller saw it.
    Stale,
    /// It is not in the state that the request names (`If-Match`).
    Changed,
    /// That is no address of the form `https://host/path`.
    InvalidAddress,
    /// That is no origin that can be allowed.
    InvalidOrigin,
    /// The address leads to an internal network.
    InternalAddress,
    /// What is said of a provider cannot be.
    InvalidProvider(Fault),
    /// The idempotency key belongs to another request.
    KeyReused,
    /// The same request is being carried out.
    InProgress,
    /// No session of the room runs.
    NoSession,
    /// Nobody else administers the organisation.
    LastAdmin,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "Problem"))]
struct ProblemView {
    code: &'static str,
    text: &'static str,
}

impl Problem {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::SignedOut => "signed_out",
            Self::SessionReused => "session_reused",
            Self::NeedsNonce(_) => "use_dpop_nonce",
            Self::ProofRequired => "proof_required",
            Self::SignInRefused => "sign_in_refused",
            Self::PasskeyRefused => "passkey_refused",
            Self::CodeRefused => "code_refused",
            Self::LinkRefused => "link_refused",
            Self::MailOff => "mail_off",
            Self::ConfirmFirst => "confirm_first",
            Self::ProviderRefused => "provider_refused",
            Self::InvitationRefused => "invitation_refused",
            Self::JoinRefused => "join_refused",
            Self::WrongOrigin => "wrong_origin",
            Self::NotAllowed => "not_allowed",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SignInAgain => "sign_in_again",
            Self::NotFound => "not_found",
            Self::BadMethod => "bad_method",
            Self::RateLimited(_) => "rate_limited",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::InvalidName(_) => "invalid_name",
            Self::InvalidEmail => "invalid_email",
            Self::InvalidPicture => "invalid_picture",
            Self::InvalidPassword => "invalid_password",
            Self::InvalidValue => "invalid_value",
            Self::Unprotected => "unprotected",
            Self::TooMany => "too_many",
            Self::Stale => "stale",
            Self::Changed => "changed",
            Self::InvalidAddress => "invalid_address",
            Self::InvalidOrigin => "invalid_origin",
            Self::InternalAddress => "internal_address",
            Self::InvalidProvider(Fault::Internal) => "internal_address",
            Self::InvalidProvider(_) => "invalid_provider",
            Self::KeyReused => "key_reused",
            Self::InProgress => "in_progress",
            Self::NoSession => "no_session",
            Self::LastAdmin => "last_admin",
        }
    }

    /// One plain sentence for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadRequest => "The server did not understand that request.",
            Self::TooLarge => "That request is too large.",
            Self::NotJson => "The request must be JSON.",
            Self::SignedOut => "Sign in to go on.",
            Self::SessionReused => {
                "Your session was in use in two places and has been ended. Sign in again; if that was not you, change your password."
            }
            Self::NeedsNonce(_) => "The request has to be signed once more.",
            Self::ProofRequired => "This page is out of date. Load it again.",
            Self::SignInRefused => "The e-mail address or the password is not right.",
            Self::PasskeyRefused => "That passkey opens nothing here. Sign in another way.",
            Self::CodeRefused => "That recovery code is not right, or it was used already.",
            Self::ConfirmFirst => "Prove once more that it is you.",
            Self::LinkRefused => "This link was used, is too old or not whole. Ask for a new one.",
            Self::MailOff => "This server sends no mail. An administrator can help.",
            Self::ProviderRefused => {
                "That did not work. Sign in another way, and link what you have elsewhere in your account."
            }
            Self::InvitationRefused => "This invitation cannot be used. Ask for a new one.",
            Self::JoinRefused => "You cannot come in like this. Open the meeting anew.",
            Self::WrongOrigin => "This page may not do that here.",
            Self::NotAllowed => "You are not allowed to do that.",
            Self::SecondFactorRequired => "Show your second factor first, such as a passkey.",
            Self::SignInAgain => "Sign out and sign in again, then do that within ten minutes.",
            Self::NotFound => "There is nothing here for you.",
            Self::BadMethod => "That cannot be done here.",
            Self::RateLimited(_) => "That was too often. Wait a moment and try again.",
            Self::Busy => "Too many people are doing that right now. Try again in a moment.",
            Self::Unavailable => "The server cannot do that right now. Nothing was changed.",
            Self::InvalidName(NameError::Empty) => {
                "A name or title needs at least one letter or digit."
            }
            Self::InvalidName(NameError::TooLong) => "That name or title is too long.",
            Self::InvalidName(NameError::Hidden) => {
                "That name or title has characters that cannot be seen."
            }
            Self::InvalidName(NameError::Marks) => {
                "That name or title has too many accents on one letter."
            }
            Self::InvalidEmail => "That is not an e-mail address.",
            Self::InvalidPicture => "That is no PNG, JPEG, WebP or GIF picture that can be read.",
            Self::InvalidPassword => "A password has 12 to 256 characters.",
            Self::InvalidValue => "There is no such setting or value.",
            Self::Unprotected => "At least one of sign-in, password and waiting room must stay on.",
            Self::TooMany => "There are too many of these already.",
            Self::Stale | Self::Changed => {
                "Somebody else changed that in the meantime. Look again."
            }
            Self::InvalidAddress => "The address must be of the form https://host/path.",
            Self::InvalidOrigin => {
                "An origin is https://host or https://host:port, in lower case and without anything more."
            }
            Self::InternalAddress => {
                "That address is on an internal network. Only the operator of this server can allow it."
            }
            Self::InvalidProvider(fault) => fault.sentence(),
            Self::KeyReused => "That idempotency key was used for another request.",
            Self::InProgress => "That is being done already.",
            Self::NoSession => "There is no meeting in that room right now.",
            Self::LastAdmin => "The last administrator cannot go. Make somebody else one first.",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ProofRequired => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::SignedOut
            | Self::SessionReused
            | Self::NeedsNonce(_)
            | Self::SignInRefused
            | Self::PasskeyRefused
            | Self::CodeRefused => StatusCode::UNAUTHORIZED,
            Self::ProviderRefused
            | Self::InvitationRefused
            | Self::ConfirmFirst
            | Self::LinkRefused
            | Self::JoinRefused
            | Self::WrongOrigin
            | Self::NotAllowed
            | Self::SecondFactorRequired
            | Self::SignInAgain => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidName(_)
            | Self::InvalidEmail
            | Self::InvalidPicture
            | Self::InvalidPassword
            | Self::InvalidValue
            | Self::InvalidAddress
            | Self::InvalidOrigin
            | Self::InternalAddress
            | Self::InvalidProvider(_)
            | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::Unprotected
            | Self::TooMany
            | Self::Stale
            | Self::InProgress
            | Self::NoSession
            | Self::LastAdmin
            | Self::MailOff => StatusCode::CONFLICT,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let view = ProblemView {
            code: self.code(),
            text: self.text(),
        };
        let mut response = (self.status(), Json(view)).into_response();
        self.mark(&mut response);
        response
    }
}

impl Problem {
    /// The headers that belong to it, whatever its body looks like.
    pub(super) fn mark(self, response: &mut Response) {
        if let Self::RateLimited(wait) = self {
            // Rounded up: whoever waits that long is let through.
            let seconds = wait.as_secs().saturating_add(1);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::NeedsNonce(nonce) = self {
            give(response, nonce);
        }
    }
}

/// Hands out what the next proof has to sign (RFC 9449, section 8).
pub(super) fn give(response: &mut Response, nonce: Nonce) {
    let challenge = HeaderValue::from_static("DPoP error=\"use_dpop_nonce\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    // Base64url is always a header's value.
    if let Ok(nonce) = HeaderValue::try_from(nonce.to_string()) {
        response.headers_mut().insert(NONCE, nonce);
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            // Asked for where it is answered; anywhere else a password alone opens nothing.
            AuthError::Refused | AuthError::Copied | AuthError::SecondFactor(_) => Self::SignedOut,
            AuthError::Reused => Self::SessionReused,
            AuthError::NeedsNonce(nonce) => Self::NeedsNonce(nonce),
            AuthError::TooMany { retry_after } => Self::RateLimited(retry_after),
            AuthError::Busy => Self::Busy,
            AuthError::Name(name) => Self::InvalidName(name),
            AuthError::Email(_) => Self::InvalidEmail,
            AuthError::Password(_) => Self::InvalidPassword,
            AuthError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing | StoreError::Conflict => Self::NotFound,
            StoreError::Full => Self::TooMany,
            StoreError::Settings => Self::Unprotected,
            StoreError::Unavailable | StoreError::Corrupt => Self::Unavailable,
        }
    }
}
