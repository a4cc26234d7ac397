//! What an admitted participant may ask of the room, as it stands on the wire (`docs/protocol.md`). Whether it is
//! permitted is decided per request, not here.

use serde::Deserialize;

use crate::bounded::{Few, Text, given};
use crate::ids::{BarId, KnockId, ParticipantId, PictureId};
use crate::rooms::outbound::Phrase;
use crate::rooms::quality::QualityReport;
use conclave_policy::presets::Preset;
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
        /// The same connection looks for its way anew (an ICE restart): what is on stays on.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        restart: bool,
    },
    /// Fresh credentials for the relay, if there is one: before a transport is made anew.
    IceServers {},
    /// Say which pictures are shown, the most important first; what is not named is not sent. Audio needs no view.
    View {
        /// At most as many as there are video slots in the offer; the rest is left out.
        #[cfg_attr(test, ts(as = "Vec<Look>"))]
        looks: Few<Look, 120>,
        /// The most that the participant wants to receive; no bound of their own if left out.
        #[serde(default)]
        #[cfg_attr(test, ts(optional))]
        receive: Option<Receive>,
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
    /// Remove someone from the room, for this session unless the room's settings say otherwise.
    Remove {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// For good: by the account, or by a guest's link and browser.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        bar: bool,
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
    /// Mute everyone below the sender but these.
    MuteAll {
        /// Who may speak on.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "Array<string>", optional))]
        except: Few<ParticipantId, 64>,
    },
    /// Stop every screen share of those below the sender.
    StopAllShares {},
    /// Put someone before all others, or nobody.
    Spotlight {
        /// Whom.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string | null"))]
        participant: Option<ParticipantId>,
    },
    /// Put someone back into the waiting room.
    SendBack {
        /// Whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Let these waiting people in, each in the version that the host saw.
    AdmitMany {
        /// Who.
        #[cfg_attr(test, ts(as = "Vec<Seen>"))]
        knocks: Few<Seen, 200>,
    },
    /// Turn these waiting people away.
    DenyMany {
        /// Who.
        #[cfg_attr(test, ts(type = "Array<string>"))]
        knocks: Few<KnockId, 200>,
    },
    /// Turn away everyone who waits.
    DenyAll {},
    /// Say something to one who waits, or to all: a phrase or a text.
    MessageWaiting {
        /// To whom; to all without it.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        knock: Option<KnockId>,
        /// One of a fixed set.
        #[serde(default)]
        #[cfg_attr(test, ts(optional))]
        phrase: Option<Phrase>,
        /// A short text.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        text: Option<Text<800>>,
    },
    /// The next of those who wait.
    Lobby {
        /// After this one; the first without it.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        after: Option<KnockId>,
        /// How many at most, up to 200.
        limit: u16,
    },
    /// Stop every microphone, camera and share, lock the room, and wait.
    Suspend {},
    /// Let things go on; the room stays locked, and nothing starts by itself.
    LiftSuspension {},
    /// Give the room to someone else; the sender stays as a host.
    TransferOwnership {
        /// To whom.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// Who was thrown out for good.
    Bars {},
    /// Take back that someone was thrown out for good.
    Unbar {
        /// Which bar.
        #[cfg_attr(test, ts(type = "string"))]
        bar: BarId,
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
    /// What a change of a setting would mean for whom; without a setting, who can get in now. Changes nothing.
    PreviewSetting {
        /// The name of the setting.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<String>"))]
        key: Option<Text<64>>,
        /// The value it would have.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<String>"))]
        value: Option<Text<64>>,
    },
    /// Make the room what a preset says, as far as the organisation has not locked it.
    ApplyPreset {
        /// Which.
        preset: Preset,
    },
    /// Write in the room chat.
    Chat {
        /// At most 2000 characters.
        #[cfg_attr(test, ts(type = "string"))]
        text: Text<{ 12 * 1024 }>,
        /// The client's own name for the message: sent again with the same name it is the same message.
        #[cfg_attr(test, ts(type = "string"))]
        #[serde(rename = "ref")]
        reference: Text<64>,
        /// For this person alone; left out, for everyone.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "string", optional))]
        to: Option<ParticipantId>,
    },
    /// Read the chat back, the latest first.
    ChatHistory {
        /// Only messages below this number.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "number", optional))]
        before: Option<u64>,
        /// At most so many, and never more than 100.
        limit: u8,
    },
    /// Look for words in the chat, the latest first.
    ChatSearch {
        /// All of them are in each message that is found, whatever the case.
        #[cfg_attr(test, ts(type = "string"))]
        words: Text<100>,
        /// Only messages below this number.
        #[serde(default)]
        #[cfg_attr(test, ts(type = "number", optional))]
        before: Option<u64>,
    },
    /// Take the text of a chat message away for good.
    DeleteChat {
        /// Which.
        #[cfg_attr(test, ts(type = "number"))]
        number: u64,
    },
    /// Choose what captions to read.
    Captions {
        /// `original`, a language, or null for none.
        #[cfg_attr(test, ts(type = "string | null"))]
        language: Option<Text<16>>,
        /// The original too, beside a translation.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        original: bool,
    },
    /// Whether captions may be made of what the sender says.
    CaptionMe {
        /// Refused or not.
        allowed: bool,
    },
    /// End the session for everyone.
    End {},
    /// Media counters per participant and source, for moderators.
    Stats {},
    /// Tell the hosts how the own connection does: every five seconds, and at most every two.
    ReportQuality {
        /// What was measured since the last report.
        #[cfg_attr(test, ts(as = "QualityReport"))]
        report: Box<QualityReport>,
    },
    /// How everyone's connection does, for moderators.
    Quality {},
}

/// A waiting person in the version that the host saw.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Who knocks.
    #[cfg_attr(test, ts(type = "string"))]
    pub knock: KnockId,
    /// The version that was shown.
    pub version: u32,
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

/// The most that a participant wants to receive, to spare their line or their battery.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// No picture higher than this, in pixels, where the publisher also sends a smaller one.
    #[serde(default)]
    #[cfg_attr(test, ts(optional))]
    pub max_height: Option<u16>,
    /// All pictures together, in bits per second.
    #[serde(default)]
    #[cfg_attr(test, ts(optional))]
    pub max_bitrate: Option<u32>,
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
