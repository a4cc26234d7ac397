//! Why a WHIP or WHEP request is not carried out, as problem details (RFC 9457). Whoever may not come in learns one answer, whatever
//! the reason.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::problem::give;
use crate::auth::error::AuthError;
use crate::auth::nonces::Nonce;
use crate::media::offer::OfferError;
use crate::rooms::refusal::ErrorCode;

/// After how many seconds whoever waits asks again.
const AGAIN: u64 = 5;

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The bearer is missing, over or not one.
    SignedOut,
    /// The proof beside it has to sign this value.
    NeedsNonce(Nonce),
    /// The request comes from a foreign page.
    WrongOrigin,
    /// No such room, or not open to this one: one answer.
    Refused,
    /// There is no such stream, or it is another's: one answer.
    NotFound,
    /// The path has no such method.
    BadMethod,
    /// The offer cannot be read.
    InvalidOffer,
    /// The offer has no codec that the server speaks.
    NoCodec,
    /// The token has a stream already.
    AlreadyHere,
    /// The state that the request is about is not the current one.
    Stale,
    /// The body is too large.
    TooLarge,
    /// The body is not declared as what this endpoint takes.
    NotSdp,
    /// ICE cannot be restarted like this; the stream goes on.
    NotRestarted,
    /// The request must say about which state it is.
    NoCondition,
    /// Too many requests.
    RateLimited(Duration),
    /// A host has to let it in, or to allow it to send.
    Waiting,
    /// The room is full.
    Full,
    /// Something cannot be done at the moment.
    Unavailable,
}

/// Problem details, with the stable code of the other interfaces.
#[derive(Serialize)]
struct Details {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
}

impl Refusal {
    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::NeedsNonce(_) => "use_dpop_nonce",
            Self::WrongOrigin => "wrong_origin",
            Self::Refused => "cannot_join",
            Self::NotFound => "not_found",
            Self::BadMethod => "bad_method",
            Self::InvalidOffer => "invalid_offer",
            Self::NoCodec => "no_codec",
            Self::AlreadyHere => "already_here",
            Self::Stale => "stale",
            Self::TooLarge => "too_large",
            Self::NotSdp => "not_sdp",
            Self::NotRestarted => "not_restarted",
            Self::NoCondition => "no_condition",
            Self::RateLimited(_) => "rate_limited",
            Self::Waiting => "waiting",
            Self::Full => "room_full",
            Self::Unavailable => "unavailable",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::SignedOut => "The token is missing or not valid here.",
            Self::NeedsNonce(_) => "The request has to be signed once more.",
            Self::WrongOrigin => "This page may not do that here.",
            Self::Refused => "There is no such room, or it is not open to this token.",
            Self::NotFound => "There is no such stream of this token.",
            Self::BadMethod => "That cannot be done here.",
            Self::InvalidOffer => "The offer cannot be answered.",
            Self::NoCodec => "The offer has no codec that this server speaks.",
            Self::AlreadyHere => "This token has a stream already.",
            Self::Stale => "The ICE session has changed.",
            Self::TooLarge => "That request is too large.",
            Self::NotSdp => "The body must be declared as session description.",
            Self::NotRestarted => "ICE cannot be restarted like this.",
            Self::NoCondition => "The request needs If-Match.",
            Self::RateLimited(_) => "That was too often.",
            Self::Waiting => "A host has to let this stream in. Ask again.",
            Self::Full => "The room is full. Ask again.",
            Self::Unavailable => "That cannot be done right now. Ask again.",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidOffer => StatusCode::BAD_REQUEST,
            Self::SignedOut | Self::NeedsNonce(_) => StatusCode::UNAUTHORIZED,
            Self::WrongOrigin | Self::Refused => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoCodec => StatusCode::NOT_ACCEPTABLE,
            Self::AlreadyHere => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotSdp => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotRestarted => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoCondition => StatusCode::PRECONDITION_REQUIRED,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Waiting | Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether its time must say nothing about the room.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Refused | Self::SignedOut)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let details = Details {
            r#type: "about:blank",
            title: self.title(),
            status: self.status().as_u16(),
            code: self.code(),
        };
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        let again = match self {
            // Rounded up: whoever waits that long is let through.
            Self::RateLimited(wait) => Some(wait.as_secs().saturating_add(1)),
            Self::Waiting | Self::Full | Self::Unavailable => Some(AGAIN),
            _ => None,
        };
        if let Some(seconds) = again {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::NeedsNonce(nonce) = self {
            give(&mut response, nonce);
            return response;
        }
        let headers = response.headers_mut();
        if self == Self::SignedOut {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::TooMany { retry_after } => Self::RateLimited(retry_after),
            AuthError::Busy | AuthError::Unavailable => Self::Unavailable,
            AuthError::NeedsNonce(nonce) => Self::NeedsNonce(nonce),
            _ => Self::SignedOut,
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AlreadyHere => Self::AlreadyHere,
            ErrorCode::RoomFull => Self::Full,
            ErrorCode::InvalidOffer => Self::InvalidOffer,
            ErrorCode::Unavailable | ErrorCode::Draining | ErrorCode::Internal => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}

impl From<OfferError> for Refusal {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::TooLong => Self::TooLarge,
            OfferError::Codec => Self::NoCodec,
            _ => Self::InvalidOffer,
        }
    }
}
