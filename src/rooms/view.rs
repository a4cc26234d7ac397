//! What a participant may see of a room, as values: the lines of the roster, the room itself, and the events
//! that change them. Projection decides who gets which; nothing here is a secret of the server.

use conclave_policy::facts::Held;
use conclave_policy::kind::RoomKind;
use conclave_policy::levels::{Level, Levels};
use conclave_policy::roles::Role;
use conclave_policy::settings::{Relax, SettingKey};
use conclave_policy::source::{Source, StreamKind};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::{BarId, KnockId, ParticipantId, PictureId, RoomId, SessionId};
use crate::likeness::NameWarning;
use crate::media::quality::LayerQuality;
use crate::rooms::captions::{CaptionChoice, CaptionsView};
use crate::rooms::control::Bar;
use crate::rooms::identity::IdentityView;

/// What a right over one source is set to for one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// The participant may turn it on, and has not.
    Off,
    /// It is on: packets are forwarded.
    On,
    /// The participant may not turn it on, but may ask a host.
    NotAllowed,
    /// A host withdrew it; the participant may ask.
    Withdrawn,
}

/// The four sources of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SourceStates {
    /// The microphone.
    pub microphone: SourceState,
    /// The camera.
    pub camera: SourceState,
    /// The shared screen.
    pub screen: SourceState,
    /// The sound of the shared screen.
    pub screen_audio: SourceState,
}

/// One line of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ParticipantView {
    /// Who it is, for the life of the session.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// The name that the server vouches for.
    pub name: String,
    /// The picture, to be had under `/api/pictures/`.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub picture: Option<PictureId>,
    /// Whether a signed-in account stands behind the name; false is "guest, unverified".
    pub signed_in: bool,
    /// The role in this room.
    pub role: Role,
    /// What each source does now.
    pub sources: SourceStates,
    /// A raised hand.
    pub hand: bool,
    /// False while the connection is lost and may still come back.
    pub connected: bool,
    /// A stream that comes or goes over HTTP, and no page; absent for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub stream: Option<StreamKind>,
    /// They want no captions of what they say; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub uncaptioned: bool,
}

/// Who is in a session, as programs see it from outside.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// Whether the room is locked.
    pub locked: bool,
    /// Whether a host has stopped everything for the moment.
    pub suspended: bool,
    /// How many wait at the door.
    pub waiting: u32,
    /// Everyone who is in.
    pub participants: Vec<ParticipantView>,
    /// Who asked for another name or picture.
    pub pending: Vec<PendingProfile>,
}

/// Someone who waits, as hosts see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct KnockView {
    /// The id to admit or deny.
    #[cfg_attr(test, ts(type = "string"))]
    pub knock: KnockId,
    /// The version of the name that is shown; an admission names the version that the host saw.
    pub version: u32,
    /// The shown name.
    pub name: String,
    /// The shown picture.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub picture: Option<PictureId>,
    /// Whether a signed-in account stands behind the name.
    pub signed_in: bool,
    /// Who vouches for it.
    pub identity: IdentityView,
    /// When this identity first knocked in this session, milliseconds since the epoch.
    #[cfg_attr(test, ts(type = "number"))]
    pub first_seen: Timestamp,
    /// Denied so often before that it is held apart.
    pub suspected: bool,
    /// The name of the owner or a host that this one may be taken for.
    pub similar_to: Option<String>,
    /// The host who has agreed to let them in, where two must.
    pub agreed_by: Option<String>,
    /// When the knock came, milliseconds since the epoch.
    #[cfg_attr(test, ts(type = "number"))]
    pub since: Timestamp,
    /// Whether it came while the room was locked.
    pub while_locked: bool,
    /// How often this identity was denied in this session.
    pub denied_before: u32,
    /// A stream that wants to come or go over HTTP, and no page; absent for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub stream: Option<StreamKind>,
}

/// What someone shows to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Profile {
    /// The name.
    pub name: String,
    /// The picture.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub picture: Option<PictureId>,
}

/// Another name or picture that someone asked for, as those see it who may decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PendingProfile {
    /// Who asked.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// The version of the request; a decision names the version that the host saw.
    pub version: u32,
    /// What everyone sees until it is approved.
    pub old: Profile,
    /// What they would see.
    pub new: Profile,
    /// What to look at twice.
    pub warnings: Vec<NameWarning>,
}

/// Someone thrown out for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct BarView {
    /// The id to take it back by.
    #[cfg_attr(test, ts(type = "string"))]
    pub bar: BarId,
    /// The name they had.
    pub name: String,
    /// By what they are known again.
    pub known_by: Vec<KnownBy>,
    /// When, milliseconds since the epoch.
    #[cfg_attr(test, ts(type = "number"))]
    pub at: Timestamp,
}

/// By what someone is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// The account.
    Account,
    /// The session of a guest.
    Guest,
    /// The link that a guest came by.
    GuestLink,
    /// The browser that a guest came with.
    Device,
}

impl BarView {
    /// A bar as hosts see it.
    pub fn of(bar: &Bar) -> Self {
        let known_by = [
            Some(if bar.account.is_some() {
                KnownBy::Account
            } else {
                KnownBy::Guest
            }),
            bar.link.map(|_| KnownBy::GuestLink),
            bar.device.map(|_| KnownBy::Device),
        ];
        Self {
            bar: bar.id,
            name: bar.name.clone(),
            known_by: known_by.into_iter().flatten().collect(),
            at: bar.at,
        }
    }
}

/// How many wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct LobbyCount {
    /// All of them.
    pub waiting: u32,
    /// Those of them who are held apart as suspected.
    pub suspected: u32,
}

/// One setting as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SettingView {
    /// The name of the setting.
    pub key: String,
    /// The value that holds.
    pub value: String,
    /// All values, strictest first.
    pub values: Vec<String>,
    /// Who may relax it: `host`, `admin` or `fixed`.
    pub relax: String,
    /// False while the feature behind it is not built: kept, without effect.
    pub built: bool,
    /// Where the value comes from.
    pub level: Level,
    /// Whether the organisation has locked it, so that no room has a word in it.
    pub locked: bool,
    /// Whether the receiver may change it now.
    pub may_change: bool,
}

impl SettingView {
    /// One setting as the levels have it.
    pub fn of(levels: &Levels, key: SettingKey, may_change: bool) -> Self {
        Self {
            key: key.as_str().to_owned(),
            value: levels.settings().value(key).to_owned(),
            values: key
                .values()
                .iter()
                .map(|value| (*value).to_owned())
                .collect(),
            relax: match key.who_may_relax() {
                Relax::Host => "host",
                Relax::Admin => "admin",
                Relax::Fixed => "fixed",
            }
            .to_owned(),
            built: key.is_built(),
            level: levels.level(key),
            locked: levels.held(key) == Held::Locked,
            may_change,
        }
    }
}

/// The room as one admitted participant sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct RoomView {
    /// The room.
    #[cfg_attr(test, ts(type = "string"))]
    pub room: RoomId,
    /// Its title.
    pub title: String,
    /// Whether it is locked.
    pub locked: bool,
    /// The receiving participant.
    #[cfg_attr(test, ts(type = "string"))]
    pub you: ParticipantId,
    /// Everyone whom the receiver may see, the receiver included.
    pub participants: Vec<ParticipantView>,
    /// Whether a host has stopped everything for the moment.
    pub suspended: bool,
    /// Who stands before all others.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub spotlight: Option<ParticipantId>,
    /// How many wait; hosts only, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub lobby: Option<LobbyCount>,
    /// The first of those who wait; hosts only, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub knocks: Option<Vec<KnockView>>,
    /// How many are in the room; only for those who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub count: Option<u32>,
    /// What the room is for.
    pub kind: RoomKind,
    /// The settings as they stand.
    pub settings: Vec<SettingView>,
    /// Other names and pictures that the receiver may decide on.
    pub pending_profiles: Vec<PendingProfile>,
    /// Whether the receiver may write in the chat.
    pub may_chat: bool,
    /// The receiver would lead here, and lacks the second factor that the organisation asks for; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub lacks_factor: bool,
    /// The captions.
    pub captions: CaptionsView,
    /// What of them the receiver has chosen.
    pub caption_choice: CaptionChoice,
}

/// One message of the chat. Name and role are the server's word, as they were when it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ChatView {
    /// Its number in the room; later messages have higher ones.
    #[cfg_attr(test, ts(type = "number"))]
    pub number: u64,
    /// When it was sent, milliseconds since the epoch.
    #[cfg_attr(test, ts(type = "number"))]
    pub at: Timestamp,
    /// Who sent it.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// The sender's name.
    pub name: String,
    /// The sender's role.
    pub role: Role,
    /// What was written: text, never markup. Empty when it was deleted.
    pub text: String,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// Why a participant is no longer in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// They left.
    Left,
    /// A host removed them.
    Removed,
    /// The connection was lost and did not come back in time.
    TimedOut,
    /// A host put them back into the waiting room.
    SentBack,
}

/// One thing that changed in the room, for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Someone came in, or became visible to the receiver.
    ParticipantJoined {
        /// The new line of the roster.
        participant: ParticipantView,
    },
    /// Anything about a participant changed: role, sources, hand, connection.
    ParticipantChanged {
        /// The whole line as it is now.
        participant: ParticipantView,
    },
    /// Someone is gone, or no longer visible to the receiver.
    ParticipantLeft {
        /// Who.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// A moderator did something to the receiver, to be said in plain words.
    DoneToYou {
        /// What was done.
        what: DoneToYou,
        /// The moderator's name.
        by: String,
    },
    /// A participant asks for a source (hosts only).
    Asked {
        /// Who asks.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
        /// For what.
        source: Source,
    },
    /// Someone knocks, or a waiting line changed (hosts only).
    Knocked {
        /// The line.
        knock: KnockView,
    },
    /// A knock is no longer waiting (hosts only).
    KnockGone {
        /// Which.
        #[cfg_attr(test, ts(type = "string"))]
        knock: KnockId,
    },
    /// The lobby as it is now, for the receiver became a moderator or much of it changed at once; absent when the receiver
    /// stopped being one.
    Lobby {
        /// Who waits.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        knocks: Option<Vec<KnockView>>,
    },
    /// Someone asks for another name or picture, in place of any earlier request of theirs; only for those who may decide.
    ProfilePending(PendingProfile),
    /// A request for another name or picture was decided or has gone.
    ProfileGone {
        /// Whose.
        #[cfg_attr(test, ts(type = "string"))]
        participant: ParticipantId,
    },
    /// The room was locked or unlocked.
    Locked {
        /// Whether it is locked now.
        locked: bool,
        /// Who did it; absent when the room did so by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        by: Option<String>,
    },
    /// A host stopped everything for the moment, or lets it go on. Nothing starts by itself.
    Suspended {
        /// Whether everything waits now.
        suspended: bool,
        /// Who did it.
        by: String,
    },
    /// The organisation wants two hosts to agree before anyone who waits comes in, or no longer does.
    TwoPersonAdmission {
        /// Whether two must agree now.
        on: bool,
    },
    /// The receiver would lead here, and lacks the second factor that the organisation asks for; or lacks it no longer.
    SecondFactor {
        /// Whether it is missing now.
        missing: bool,
    },
    /// Someone stands before all others now, or nobody does.
    Spotlight {
        /// Who.
        #[cfg_attr(test, ts(type = "string | null"))]
        participant: Option<ParticipantId>,
    },
    /// How many wait (hosts only).
    LobbyCount {
        /// The numbers.
        #[serde(flatten)]
        #[cfg_attr(test, ts(flatten))]
        count: LobbyCount,
    },
    /// A setting changed.
    SettingChanged {
        /// The setting as it stands now.
        setting: SettingView,
        /// Who changed it.
        by: String,
    },
    /// The room is for something else now; those whose role is another one are told so too.
    KindChanged {
        /// What it is for.
        kind: RoomKind,
        /// Who changed it.
        by: String,
    },
    /// What the receiver may change is different now: every setting as it stands.
    Settings {
        /// All of them.
        settings: Vec<SettingView>,
    },
    /// Someone wrote in the chat.
    Chat {
        /// The message.
        message: ChatView,
    },
    /// A message of the chat was deleted; whatever shows it forgets its text.
    ChatDeleted {
        /// Which.
        #[cfg_attr(test, ts(type = "number"))]
        number: u64,
        /// Who did it.
        by: String,
    },
    /// Whether the receiver may write in the chat changed.
    MayChat {
        /// Whether they may now.
        may: bool,
    },
    /// Whether there are captions, what may be chosen, or whether somebody is listened to is different now.
    Captions(CaptionsView),
    /// How many are in the room, for those who may see it.
    Count {
        /// The number.
        count: u32,
    },
    /// Which participant and source each receive slot of the receiver carries now.
    Slots {
        /// Every slot that carries something; slots left out are empty.
        slots: Vec<SlotView>,
    },
    /// What the receiver asked to see and its client cannot decode: all of it, each time it changes.
    Undecodable {
        /// These stay without a slot.
        sources: Vec<SourceView>,
    },
    /// Which encodings of one of the receiver's own sources anybody wants now: the others need not be sent.
    Layers {
        /// Which source.
        source: Source,
        /// Every encoding of the offer, the smallest first.
        encodings: Vec<EncodingView>,
    },
    /// Who speaks now, the loudest first.
    Speaking {
        /// Participants that the receiver may see.
        #[cfg_attr(test, ts(type = "Array<string>"))]
        participants: Vec<ParticipantId>,
    },
    /// The receiver's media transport changed.
    Media {
        /// The new state.
        state: MediaState,
        /// Why it is closed, if that is a fault.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        trouble: Option<MediaTrouble>,
    },
}

/// Why a transport ended or never came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MediaTrouble {
    /// It was up, and nothing valid came any more.
    Silent,
    /// Nothing of the client ever arrived: its network lets neither UDP nor TCP through to the server's addresses.
    NoPath,
    /// The client arrived and began no handshake.
    NoHandshake,
    /// The handshake failed or came to no end.
    HandshakeFailed,
    /// The client's certificate is not the one of its offer.
    WrongCertificate,
    /// The client offers no protection that the server accepts.
    NoCommonProtection,
}

/// What a moderator did to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum DoneToYou {
    /// The microphone was muted, and may be turned on again only after a host allows it.
    Muted,
    /// The camera was paused likewise.
    VideoPaused,
    /// The screen share was stopped likewise.
    ShareStopped,
    /// A right was given (back); nothing starts by itself.
    Allowed {
        /// For this source.
        source: Source,
    },
    /// A right was withdrawn.
    Disallowed {
        /// For this source.
        source: Source,
    },
    /// The other name or picture was approved, and everyone sees it.
    ProfileApproved,
    /// The other name or picture was refused; the old one stays.
    ProfileRefused,
    /// The role changed.
    RoleChanged {
        /// The new role.
        role: Role,
    },
}

/// One receive slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SlotView {
    /// The `mid` of the receive section in the offer.
    pub mid: String,
    /// Whose source it carries.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Which source.
    pub source: Source,
}

/// One source of one participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SourceView {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Which source.
    pub source: Source,
}

/// One encoding of a source that is sent in several sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct EncodingView {
    /// Its name in the offer (`a=rid`); none if the source has one encoding only.
    pub rid: Option<String>,
    /// Whether anybody wants it.
    pub active: bool,
}

/// State of a media transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MediaState {
    /// Keys are agreed and packets can flow.
    Connected,
    /// The transport ended; the client may offer again.
    Closed,
}

/// Media counters of one source, for moderators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SourceStatsView {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Which source.
    pub source: Source,
    /// Packets that arrived and authenticated.
    #[cfg_attr(test, ts(type = "number"))]
    pub received: u64,
    /// Packets sent on to viewers, each viewer counted.
    #[cfg_attr(test, ts(type = "number"))]
    pub forwarded: u64,
    /// Packets dropped at the first hop because no permit stood.
    #[cfg_attr(test, ts(type = "number"))]
    pub dropped: u64,
    /// Its sizes, the smallest first, be they encodings or layers of one stream; none if there is only one.
    pub layers: Vec<LayerQuality>,
}
