//! What other programs may be told of: the kinds of news, and one piece of it as it will be sent. No statements here.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::RoomId;
use crate::secret::Secret;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $key:literal;)*) => {
        /// A kind of news. Its place is its bit in what a webhook wants, so new ones come at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum NewsKind {
            $($(#[$doc])* $name,)*
        }

        impl NewsKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

kinds! {
    /// A room was made.
    RoomCreated "room.created";
    /// A session of a room began.
    RoomStarted "room.started";
    /// A session of a room is over.
    RoomEnded "room.ended";
    /// A room was ended for good.
    RoomClosed "room.closed";
    /// Settings of a room are other ones.
    RoomSettingsChanged "room.settings_changed";
    /// Someone waits at the door.
    ParticipantWaiting "participant.waiting";
    /// Someone does not wait any more, and was not admitted.
    ParticipantTurnedAway "participant.turned_away";
    /// Someone who waited was admitted.
    ParticipantAdmitted "participant.admitted";
    /// Someone is in.
    ParticipantJoined "participant.joined";
    /// Someone went, by themselves or because the session ended or the connection was lost.
    ParticipantLeft "participant.left";
    /// A host threw someone out, or put them back into the waiting room.
    ParticipantRemoved "participant.removed";
    /// Someone has another role.
    ParticipantRoleChanged "participant.role_changed";
    /// What was said in a session is kept after it.
    TranscriptKept "transcript.kept";
    /// The organisation chose or locked something for its rooms.
    OrganisationSettingsChanged "organisation.settings_changed";
    /// Someone has an account now.
    MemberJoined "member.joined";
    /// An account was ended.
    MemberEnded "member.ended";
    /// An administrator tries whether a webhook works. Sent to that one only, whatever it wants.
    Test "webhook.test";
}

impl NewsKind {
    /// Those that a webhook can want.
    pub fn wantable() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|kind| *kind != Self::Test)
    }

    /// Its bit in what a webhook wants.
    pub const fn bit(self) -> i64 {
        1 << (self as i64)
    }
}

impl fmt::Display for NewsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such kind of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of news")]
pub struct NoSuchNews;

impl FromStr for NewsKind {
    type Err = NoSuchNews;

    fn from_str(text: &str) -> Result<Self, NoSuchNews> {
        let found = Self::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or(NoSuchNews)
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct News {
    pub(super) kind: NewsKind,
    pub(super) room: Option<RoomId>,
    pub(super) at: Timestamp,
    pub(super) body: Secret<String>,
}

#[derive(Serialize)]
struct Body<'a, D> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: &'a D,
}

impl News {
    /// Something that happened in a room, or to the whole organisation. `data` holds identifiers, names and words out of fixed
    /// sets, never a secret; each of them is bounded where it was made.
    pub fn new(
        kind: NewsKind,
        room: Option<RoomId>,
        at: Timestamp,
        data: &impl Serialize,
    ) -> Option<Self> {
        let body = Body {
            kind: kind.as_str(),
            timestamp: at.iso(),
            data,
        };
        // What cannot be written as JSON is a map with other keys than text, of which there is none.
        let body = serde_json::to_string(&body).ok()?;
        Some(Self {
            kind,
            room,
            at,
            body: Secret::new(body),
        })
    }

    /// Which kind it is.
    pub const fn kind(&self) -> NewsKind {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_bit_and_reads_back() {
        let mut seen = 0;
        for kind in NewsKind::ALL {
            assert_eq!(seen & kind.bit(), 0);
            seen |= kind.bit();
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
    }

    #[test]
    fn news_are_type_time_and_data() {
        let at = Timestamp::from_millis(1);
        let data = serde_json::json!({ "room_id": "a" });
        let news = News::new(NewsKind::RoomStarted, None, at, &data).unwrap();
        assert_eq!(
            news.body.expose(),
            r#"{"type":"room.started","timestamp":"1970-01-01T00:00:00.001Z","data":{"room_id":"a"}}"#
        );
    }
}
