//! The codes with which a room or the gateway refuses or closes: stable names, one plain sentence each, nothing about the inside.

use conclave_policy::engine::Denied;
use serde::Serialize;

/// Why something was refused, or why the socket closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not a message of this phase.
    BadMessage,
    /// The frame is larger than allowed.
    TooLarge,
    /// Too many messages or attempts.
    RateLimited,
    /// The session is missing, ended or not valid here.
    SignedOut,
    /// No such room, or not open to this person: one answer for both.
    CannotJoin,
    /// The same person is in the room already, in another tab or device.
    AlreadyHere,
    /// The resume secret does not hold any more.
    CannotResume,
    /// The server was started anew since it gave the resume secret.
    Restarted,
    /// A host turned the knock away.
    Denied,
    /// A host removed the participant.
    Removed,
    /// The session of the room ended.
    Ended,
    /// The participant left.
    Left,
    /// The same participant came back on a newer connection.
    Replaced,
    /// The server is about to stop.
    Draining,
    /// The client read too slowly.
    TooSlow,
    /// Policy does not permit it.
    NotAllowed,
    /// Policy would permit it, had this session shown a second factor.
    SecondFactorRequired,
    /// What the request names is not in this room (any more).
    NotFound,
    /// The host saw an older version of what it decides on.
    Stale,
    /// The room is full.
    RoomFull,
    /// The offer cannot be answered.
    InvalidOffer,
    /// A value is not one of those allowed.
    InvalidValue,
    /// There are as many of these as there may be.
    TooMany,
    /// Storage is away; nothing was changed.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// One plain sentence for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadMessage => "The server did not understand that message.",
            Self::TooLarge => "That message is too large.",
            Self::RateLimited => "That was too often. Wait a moment and try again.",
            Self::SignedOut => "Sign in again to go on.",
            Self::CannotJoin => {
                "This link or password does not work, or the room is not open to you."
            }
            Self::AlreadyHere => {
                "You are in this room already, in another tab or on another device."
            }
            Self::CannotResume => "You were away too long to come straight back. Join again.",
            Self::Restarted => "The server was started anew. Join again.",
            Self::Denied => "A host did not let you in.",
            Self::Removed => "A host removed you from the room.",
            Self::Ended => "The meeting has ended.",
            Self::Left => "You left the meeting.",
            Self::Replaced => "You came back from another connection.",
            Self::Draining => "The server is restarting. You will be reconnected.",
            Self::TooSlow => "Your connection could not keep up.",
            Self::NotAllowed => "You are not allowed to do that.",
            Self::SecondFactorRequired => "Show your second factor first, such as a passkey.",
            Self::NotFound => "That person or thing is no longer here.",
            Self::Stale => "That has changed since you saw it. Look again.",
            Self::RoomFull => "The room is full.",
            Self::InvalidOffer => "The media connection could not be set up.",
            Self::InvalidValue => "That value is not allowed.",
            Self::TooMany => "There are as many of those as there may be.",
            Self::Unavailable => "The server cannot save that right now. Nothing was changed.",
            Self::Internal => "Something went wrong on the server.",
        }
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::SignedOut => "signed_out",
            Self::CannotJoin => "cannot_join",
            Self::AlreadyHere => "already_here",
            Self::CannotResume => "cannot_resume",
            Self::Restarted => "restarted",
            Self::Denied => "denied",
            Self::Removed => "removed",
            Self::Ended => "ended",
            Self::Left => "left",
            Self::Replaced => "replaced",
            Self::Draining => "draining",
            Self::TooSlow => "too_slow",
            Self::NotAllowed => "not_allowed",
            Self::SecondFactorRequired => "second_factor_required",
            Self::NotFound => "not_found",
            Self::Stale => "stale",
            Self::RoomFull => "room_full",
            Self::InvalidOffer => "invalid_offer",
            Self::InvalidValue => "invalid_value",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// What whoever asked is told of a refusal: whether nothing was missing but their own second factor, and nothing else.
    pub const fn of(denied: &Denied) -> Self {
        if denied.lacks_factor {
            Self::SecondFactorRequired
        } else {
            Self::NotAllowed
        }
    }

    /// The WebSocket close code (RFC 6455, section 7.4.2: 4000–4999 are private use).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::BadMessage => 4000,
            Self::TooLarge => 4001,
            Self::RateLimited => 4002,
            Self::SignedOut => 4003,
            Self::CannotJoin => 4004,
            Self::AlreadyHere => 4005,
            Self::CannotResume => 4006,
            Self::Denied => 4007,
            Self::Removed => 4008,
            Self::Ended => 4009,
            Self::Left => 4010,
            Self::Replaced => 4011,
            Self::Draining => 4012,
            Self::TooSlow => 4013,
            Self::Restarted => 4014,
            Self::NotAllowed
            | Self::SecondFactorRequired
            | Self::NotFound
            | Self::Stale
            | Self::RoomFull
            | Self::InvalidOffer
            | Self::InvalidValue
            | Self::TooMany
            | Self::Unavailable
            | Self::Internal => 4099,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn the_name_is_the_one_on_the_wire() {
        for code in [
            ErrorCode::CannotJoin,
            ErrorCode::AlreadyHere,
            ErrorCode::Internal,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn no_sentence_speaks_of_the_inside() {
        for code in [
            ErrorCode::CannotJoin,
            ErrorCode::Internal,
            ErrorCode::Unavailable,
        ] {
            for word in ["sql", "error", "panic", "casbin"] {
                assert!(!code.text().to_lowercase().contains(word));
            }
        }
    }
}
