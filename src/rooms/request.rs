//! What an admitted participant may ask of the room, as it stands on the wire (`docs/protocol.md`). Whether it is
//! permitted is decided per request, not here.

use serde::Deserialize;

use crate::bounded::{Few, Text, given};
use crate::ids::{KnockId, ParticipantId, PictureId};
use conclave_policy::roles::Role;
use conclave_policy::source::Source;

/// What an admitted participant may say. Whether it is permitted is decided per request.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RoomRequest {
    /// Leave the room; the resume secret ends.
    Leave {},
    /// Offer a media transport (or a new one in place of the old); the answer comes in the reply.
    Offer {
        /// The SDP offer, at most 256 KiB.
        #[cfg_attr(test, ts(type = "string"))]
        sdp: Text<{ 256 * 1024 }>,
        /// Which send section carries which source.
        #[cfg_attr(test, ts(as = "Vec<SectionSource>"))]
        sources: Few<SectionSource, 4>,
    },
    /// Say which pictures are shown, the most important first; what is not named is not sent. Audio needs no view.
    View {
        /// At most as many as there are video slots in the offer; the rest is left out.
        #[cfg_attr(test, ts(as = "Vec<Look>"))]
        looks: Few<Look, 120>,
    },
    /// Turn one of the participant's own sources on or off.
    Publish {
        /// Which.
        source: Source,
        /// On or off.
        on: bool,
    },
    /// Ask the hosts for a source.
    Ask {
        /// Which.
        source: Source,
    },
    /// Raise or lower the own hand.
    RaiseHand {
        /// Up or down.
        raised: bool,
    },
    /// Let a waiting person in, in the version that the host saw.
    Admit {
        /// Who knocks.
        #[cfg_attr(test, ts(type = "string"))]
        knock: KnockId,
        /// The version that was shown.
        version: u32,
    },
    /// Turn a waiting person away.
    Deny {
        /// Who knocks.
        #[cfg_attr(test, ts(type = "string"))]
        knock: KnockId,
    },
    /// Mute someone's microphone; the right is withdrawn until given back.
    Mute {
        /// Whose.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Pause someone's camera; the right is withdrawn until given back.
    PauseVideo {
        /// Whose.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Stop someone's screen share; the right is withdrawn until given back.
    StopShare {
        /// Whose.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Give (back) the right to a source, or withdraw it. Giving starts nothing.
    Allow {
        /// To whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// Which; `screen` includes the sound of the screen.
        source: Source,
        /// Give or withdraw.
        allowed: bool,
    },
    /// Remove someone from the room, for good unless the room's settings say otherwise.
    Remove {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Make someone host, presenter or attendee.
    SetRole {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// The new role.
        role: Role,
    },
    /// Show another name or picture; what is left out stays as it is, or as it was asked for last.
    ChangeProfile {
        /// The name.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        name: Option<Text<1024>>,
        /// One of the own pictures, or none. Never an address.
        #[serde(default, deserialize_with = "given")]
        #[cfg_attr(test, ts(type = "string | null", optional))]
        picture: Option<Option<PictureId>>,
    },
    /// Approve or refuse someone's other name or picture, in the version that the host saw.
    DecideProfile {
        /// Whose.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// The version that was shown.
        version: u32,
        /// Approve or refuse.
        approve: bool,
    },
    /// Lock or unlock the room.
    Lock {
        /// Locked or open.
        locked: bool,
    },
    /// Change a setting of the room.
    SetSetting {
        /// The name of the setting.
        #[cfg_attr(test, ts(type = "string"))]
        key: Text<64>,
        /// The new value.
        #[cfg_attr(test, ts(type = "string"))]
        value: Text<64>,
    },
    /// End the session for everyone.
    End {},
    /// Media counters per participant and source, for moderators.
    Stats {},
}

/// Which section of the offer carries which source.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct SectionSource {
    /// The `mid` of the section.
    #[cfg_attr(test, ts(type = "string"))]
    pub mid: Text<16>,
    /// The source that it is declared to carry; rules and names follow this declaration.
    pub source: Source,
}

/// One picture that the client shows.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// `camera` or `screen`.
    pub source: Source,
    /// Shown width in device pixels.
    pub width: u16,
    /// Shown height in device pixels.
    pub height: u16,
}
