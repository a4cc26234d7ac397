//! Every action that needs a permit: its name, the facts it is decided by, and what it is aimed at.
//! Whether it is allowed stands in `rules.csv`, never here.

use std::fmt;

pub use crate::control::WebhookDeed;
use crate::facts::{Dimension, Facts, NewRole};
use crate::ids::{BarId, KnockId, ParticipantId, SessionId, WebhookId};
use crate::kind::RoomKind;
use crate::settings::SettingKey;
use crate::source::Source;

/// Something that needs a permit. Sealed: the actions are these and no others.
pub trait Action: sealed::Sealed {
    /// Which row of the decision table it is. (Publishing is one row per source.)
    fn kind(&self) -> ActionKind;

    /// Sets the facts that follow from the action itself, so that a permit never rests on a caller's word for them.
    fn settle(&self, facts: Facts) -> Facts {
        facts
    }

    /// The identifier of whom or what it is aimed at, for the audit trail.
    fn audit_target(&self) -> Option<[u8; 16]> {
        None
    }

    /// What exactly it does, for the audit trail: words out of fixed sets, never what someone wrote.
    fn audit_words(&self) -> Option<String> {
        None
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $key:literal by [$($dimension:ident),*];)*) => {
        /// The kind of an action: what the rules name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ActionKind {
            $($(#[$doc])* $name,)*
        }

        impl ActionKind {
            /// Every kind, in the order of the rule text.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the rule text and in the audit log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// The facts it is decided by. Any of them missing denies; all others are ignored.
            pub const fn dimensions(self) -> &'static [Dimension] {
                match self { $(Self::$name => &[$(Dimension::$dimension),*],)* }
            }
        }
    };
}

kinds! {
    /// Going in directly, without a wait at the door.
    Enter "enter" by [Standing, WaitingRoom, Password, Hosting, Lock, Space, Barred];
    /// Waiting at the door.
    Knock "knock" by [Standing, SignIn, Password, Barred];
    /// Coming back after a lost connection.
    Resume "resume" by [Standing, Mine, Barred];
    /// Having a media transport.
    Connect "connect" by [Standing, Target];
    /// Receiving the room's media and events.
    Watch "watch" by [Standing, Target];
    /// Seeing a line of the roster.
    SeeParticipant "see_participant" by [Standing, Target, Subject, GuestRoster];
    /// Seeing who waits at the door.
    SeeLobby "see_lobby" by [Standing, SecondFactor];
    /// Seeing how many take part.
    SeeCount "see_count" by [Standing, ParticipantCount, SecondFactor];
    /// Being heard.
    PublishMicrophone "publish_microphone" by [Standing, Target, Right, MicrophoneRule, Suspension, SecondFactor];
    /// Being seen.
    PublishCamera "publish_camera" by [Standing, Target, Right, CameraRule, Suspension, SecondFactor];
    /// Sharing a screen.
    PublishScreen "publish_screen" by [Standing, Target, Right, ScreenRule, Suspension, SecondFactor];
    /// Sharing the sound of a screen.
    PublishScreenAudio "publish_screen_audio" by [Standing, Target, Right, ScreenRule, Suspension, SecondFactor];
    /// Turning one's own source off.
    Unpublish "unpublish" by [Standing, Target];
    /// Asking for the right to publish.
    Ask "ask" by [Standing, Target];
    /// Raising or lowering one's hand.
    RaiseHand "raise_hand" by [Standing, Target];
    /// Going out.
    Leave "leave" by [Standing, Target];
    /// Showing another name or picture to the room from now on.
    ChangeProfile "change_profile" by [Standing, Target, ProfileChange, SecondFactor];
    /// Asking the hosts for another name or picture.
    ProposeProfile "propose_profile" by [Standing, Target];
    /// Approving or refusing someone's other name or picture.
    DecideProfile "decide_profile" by [Standing, Target, SecondFactor];
    /// Changing the name that one's account comes with.
    EditName "edit_name" by [OrgAdmin];
    /// Changing the picture that one comes with.
    EditPicture "edit_picture" by [OrgAdmin];
    /// Writing in the room chat.
    WriteChat "write_chat" by [Standing, RoomChat, Suspension, SecondFactor];
    /// Writing in the chat to one person alone.
    WritePrivateChat "write_private_chat" by [Standing, PrivateChat];
    /// Reading what was written in the room chat while one was in.
    ReadChat "read_chat" by [Standing];
    /// Reading what was written in this session before one came in.
    ReadEarlierChat "read_earlier_chat" by [Standing, ChatHistory];
    /// Deleting a message of the chat.
    DeleteChat "delete_chat" by [Standing, Mine, SecondFactor];
    /// Hearing what someone says, to make captions of it.
    Listen "listen" by [Standing, CaptionsRule, Consent, Voice];
    /// Making a caption of what someone says.
    PublishCue "publish_cue" by [Standing, CaptionsRule, Consent, Voice, Assignment];
    /// Choosing which captions one wants to read.
    ChooseCaptions "choose_captions" by [Standing, Target];
    /// Reading captions.
    ReadCaptions "read_captions" by [Standing, CaptionsRule];
    /// Refusing that captions are made of what one says.
    RefuseCaptions "refuse_captions" by [Standing, Target];
    /// Taking that refusal back.
    AllowCaptions "allow_captions" by [Standing, Target];
    /// Keeping what was said.
    KeepTranscript "keep_transcript" by [Standing, CaptionsRule, TranscriptRule, Consent];
    /// Reading what was kept of what was said.
    ReadTranscript "read_transcript" by [Standing, SecondFactor];
    /// Deleting what was kept of what was said.
    DeleteTranscript "delete_transcript" by [Standing, SecondFactor];
    /// Choosing a room's languages, and the words that its recogniser is told.
    ChangeSpeech "change_speech" by [Standing, SecondFactor];
    /// Letting someone in who waits at the door.
    Admit "admit" by [Standing, Space, SecondFactor];
    /// Sending away someone who waits at the door.
    Deny "deny" by [Standing, SecondFactor];
    /// Cutting a microphone.
    Mute "mute" by [Standing, Target, SecondFactor];
    /// Cutting a camera.
    PauseVideo "pause_video" by [Standing, Target, SecondFactor];
    /// Cutting a shared screen and its sound.
    StopShare "stop_share" by [Standing, Target, SecondFactor];
    /// Giving a right to publish.
    Grant "grant" by [Standing, Target, SecondFactor];
    /// Taking a right to publish.
    Withdraw "withdraw" by [Standing, Target, SecondFactor];
    /// Throwing someone out.
    Remove "remove" by [Standing, Target, SecondFactor];
    /// Throwing someone out for good, by every mark of theirs.
    Bar "bar" by [Standing, Target, SecondFactor];
    /// Seeing who was thrown out for good.
    SeeBars "see_bars" by [Standing, SecondFactor];
    /// Taking back that someone was thrown out for good.
    Unbar "unbar" by [Standing, SecondFactor];
    /// Putting someone back into the waiting room.
    SendBack "send_back" by [Standing, Target, SecondFactor];
    /// Putting one participant before all others.
    Spotlight "spotlight" by [Standing, SecondFactor];
    /// Writing to those who wait.
    MessageWaiting "message_waiting" by [Standing, SecondFactor];
    /// Stopping everything at once.
    Suspend "suspend" by [Standing, SecondFactor];
    /// Letting things go on after a suspension.
    LiftSuspension "lift_suspension" by [Standing, SecondFactor];
    /// Giving the room to someone else.
    TransferOwnership "transfer_ownership" by [Standing, Target, TargetRole, SecondFactor];
    /// Making, listing and revoking links for guests.
    ManageGuestLinks "manage_guest_links" by [Standing, SecondFactor];
    /// Making, listing and revoking tokens for streams that come and go over HTTP.
    ManageStreamTokens "manage_stream_tokens" by [Standing, SecondFactor];
    /// Giving someone another role.
    SetRole "set_role" by [Standing, Target, TargetRole, NewRole, SecondFactor];
    /// Locking the room.
    Lock "lock" by [Standing, SecondFactor];
    /// Unlocking the room.
    Unlock "unlock" by [Standing, SecondFactor];
    /// Changing a setting of the room.
    ChangeSetting "change_setting" by [Standing, Mine, Relax, OrgAdmin, Held, SecondFactor];
    /// Changing what the room is for.
    ChangeKind "change_kind" by [Standing, Mine, SecondFactor];
    /// Reading what the organisation has chosen for its rooms.
    ReadOrganisation "read_organisation" by [OrgAdmin, SecondFactor];
    /// Choosing or locking a setting for all rooms of the organisation.
    ChangeOrgSetting "change_org_setting" by [Relax, OrgAdmin, SecondFactor];
    /// Setting an option of the organisation.
    ChangeOption "change_option" by [OrgAdmin, SecondFactor];
    /// Saying whether second factors are asked for.
    ChangeFactorOption "change_factor_option" by [OrgAdmin, Factor];
    /// Reading the room's password.
    ReadPassword "read_password" by [Standing, Mine, SecondFactor];
    /// Replacing the room's password.
    ChangePassword "change_password" by [Standing, Mine, SecondFactor];
    /// Ending the session for everyone.
    EndSession "end_session" by [Standing, SecondFactor];
    /// Seeing the packet counts of each participant.
    SeeStats "see_stats" by [Standing, SecondFactor];
    /// Reading what a room is set up as.
    ReadRoom "read_room" by [Standing, SecondFactor];
    /// Ending a room for good.
    EndRoom "end_room" by [Standing, Mine, SecondFactor];
    /// Making a new room.
    CreateRoom "create_room" by [RoomCreation, CreateRight, OrgAdmin, SecondFactor];
    /// Inviting someone to have an account.
    InviteAccount "invite_account" by [OrgAdmin, SecondFactor];
    /// Letting an identity elsewhere stand for one's account.
    LinkIdentity "link_identity" by [OrgAdmin, SecondFactor];
    /// Taking that back.
    UnlinkIdentity "unlink_identity" by [OrgAdmin];
    /// Letting a passkey open one's account.
    AddPasskey "add_passkey" by [OrgAdmin, SecondFactor];
    /// Giving it another name.
    RenamePasskey "rename_passkey" by [OrgAdmin];
    /// Taking it back.
    RemovePasskey "remove_passkey" by [OrgAdmin, SecondFactor];
    /// Making recovery codes of one's account anew.
    MakeRecoveryCodes "make_recovery_codes" by [OrgAdmin, SecondFactor];
    /// Changing the password of one's account.
    ChangeOwnPassword "change_own_password" by [OrgAdmin];
    /// Changing the e-mail address of one's account.
    ChangeEmail "change_email" by [OrgAdmin];
    /// Ending sessions of one's account.
    EndOwnSessions "end_own_sessions" by [OrgAdmin];
    /// Ending every session of the organisation at once.
    EndSessions "end_sessions" by [OrgAdmin, SignInAge, SecondFactor];
    /// Reading which places outside are told what happens, and what came of it.
    ReadWebhooks "read_webhooks" by [OrgAdmin, SecondFactor];
    /// Deciding which places outside are told what happens.
    ManageWebhooks "manage_webhooks" by [OrgAdmin, SecondFactor];
    /// Seeing who has an account.
    ReadMembers "read_members" by [OrgAdmin, SecondFactor];
    /// Changing what an account may do, or ending it.
    ManageMember "manage_member" by [OrgAdmin, SecondFactor];
    /// The same with an account that administers the organisation, or is to.
    ManageAdmin "manage_admin" by [OrgAdmin, SecondFactor];
    /// Making, listing and revoking API keys.
    ManageApiKeys "manage_api_keys" by [OrgAdmin, SecondFactor];
    /// Deciding with which providers people sign in, and what follows from what those say.
    ManageProviders "manage_providers" by [OrgAdmin, SecondFactor];
    /// Listing every room of the organisation.
    ListRooms "list_rooms" by [OrgAdmin];
    /// Saying which pages of others may bring their users into rooms.
    ChangeEmbedders "change_embedders" by [OrgAdmin, SecondFactor];
    /// Calling a room by another title.
    RenameRoom "rename_room" by [Standing, Mine, SecondFactor];
    /// Seeing from outside who is in the session of a room.
    SeeSession "see_session" by [Standing];
    /// Making a token by which a user of another product may come to the door of a room.
    MakeJoinToken "make_join_token" by [Standing];
    /// Reading what was decided in a room.
    ReadAudit "read_audit" by [Standing, SecondFactor];
    /// Reading what was decided anywhere in the organisation.
    ReadOrganisationAudit "read_organisation_audit" by [OrgAdmin, SecondFactor];
}

impl ActionKind {
    /// The kind of publishing this source.
    pub const fn publish(source: Source) -> Self {
        match source {
            Source::Microphone => Self::PublishMicrophone,
            Source::Camera => Self::PublishCamera,
            Source::Screen => Self::PublishScreen,
            Source::ScreenAudio => Self::PublishScreenAudio,
        }
    }
}

impl ActionKind {
    /// The kind of that name in the rule text.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl sealed::Sealed for $name {}
    )*};
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl sealed::Sealed for $name {}
    )*};
}

/// The actions of one kind, by what the audit trail says of them.
macro_rules! of_one_kind {
    (plain: $($plain:ident)*; aimed: $($aimed:ident)*; aimed at a source: $($sourced:ident)*; at the door: $($door:ident)*) => {
        $(impl Action for $plain {
            fn kind(&self) -> ActionKind {
                ActionKind::$plain
            }
        })*
        $(impl Action for $aimed {
            fn kind(&self) -> ActionKind {
                ActionKind::$aimed
            }

            fn audit_target(&self) -> Option<[u8; 16]> {
                Some(*self.participant.as_bytes())
            }
        })*
        $(impl Action for $sourced {
            fn kind(&self) -> ActionKind {
                ActionKind::$sourced
            }

            fn audit_target(&self) -> Option<[u8; 16]> {
                Some(*self.participant.as_bytes())
            }

            fn audit_words(&self) -> Option<String> {
                Some(self.source.as_str().to_owned())
            }
        })*
        $(impl Action for $door {
            fn kind(&self) -> ActionKind {
                ActionKind::$door
            }

            fn audit_target(&self) -> Option<[u8; 16]> {
                Some(*self.knock.as_bytes())
            }
        })*
    };
}

units! {
    /// Going in directly, without a wait at the door.
    Enter;
    /// Waiting at the door.
    Knock;
    /// Seeing who waits at the door.
    SeeLobby;
    /// Seeing how many take part.
    SeeCount;
    /// Locking the room.
    Lock;
    /// Unlocking the room.
    Unlock;
    /// Reading the room's password.
    ReadPassword;
    /// Replacing the room's password.
    ChangePassword;
    /// Choosing a room's languages, and the words that its recogniser is told.
    ChangeSpeech;
    /// Ending the session for everyone.
    EndSession;
    /// Ending every session of the organisation at once.
    EndSessions;
    /// Seeing the packet counts of each participant.
    SeeStats;
    /// Reading what was written in the room chat while one was in.
    ReadChat;
    /// Reading what was written in this session before one came in.
    ReadEarlierChat;
    /// Reading what a room is set up as.
    ReadRoom;
    /// Seeing who was thrown out for good.
    SeeBars;
    /// Stopping everything at once.
    Suspend;
    /// Letting things go on after a suspension.
    LiftSuspension;
    /// Making, listing and revoking links for guests.
    ManageGuestLinks;
    /// Making, listing and revoking tokens for streams that come and go over HTTP.
    ManageStreamTokens;
    /// Ending a room for good.
    EndRoom;
    /// Reading what the organisation has chosen for its rooms.
    ReadOrganisation;
    /// Reading which places outside are told what happens, and what came of it.
    ReadWebhooks;
    /// Making a new room.
    CreateRoom;
    /// Inviting someone to have an account.
    InviteAccount;
    /// Reading what was decided in a room.
    ReadAudit;
    /// Reading captions.
    ReadCaptions;
    /// Reading what was decided anywhere in the organisation.
    ReadOrganisationAudit;
}

actions! {
    /// Coming back after a lost connection.
    Resume {
        /// Whose connection it was.
        participant: ParticipantId
    }
    /// Having a media transport.
    Connect {
        /// Whose transport.
        participant: ParticipantId
    }
    /// Receiving the room's media and events.
    Watch {
        /// Who receives.
        participant: ParticipantId
    }
    /// Seeing a line of the roster.
    SeeParticipant {
        /// Whose line.
        participant: ParticipantId
    }
    /// Sending one source into the room.
    Publish {
        /// Who sends.
        participant: ParticipantId,
        /// What.
        source: Source
    }
    /// Turning one's own source off.
    Unpublish {
        /// Who sends.
        participant: ParticipantId,
        /// What.
        source: Source
    }
    /// Asking for the right to publish.
    Ask {
        /// Who asks.
        participant: ParticipantId,
        /// For what.
        source: Source
    }
    /// Raising or lowering one's hand.
    RaiseHand {
        /// Whose hand.
        participant: ParticipantId,
        /// Up or down.
        raised: bool
    }
    /// Writing in the room chat.
    WriteChat {
        /// Who writes.
        participant: ParticipantId
    }
    /// Writing in the chat to one person alone.
    WritePrivateChat {
        /// To whom.
        participant: ParticipantId
    }
    /// Deleting a message of the chat.
    DeleteChat {
        /// Its number in the room.
        number: u64
    }
    /// Hearing someone's microphone, and nothing else of theirs, to make captions.
    Listen {
        /// Whose.
        participant: ParticipantId
    }
    /// Making a caption of what someone says.
    PublishCue {
        /// Who says it.
        participant: ParticipantId
    }
    /// Choosing which captions one wants to read.
    ChooseCaptions {
        /// Who reads.
        participant: ParticipantId
    }
    /// Refusing that captions are made of what one says.
    RefuseCaptions {
        /// Who refuses.
        participant: ParticipantId
    }
    /// Taking that refusal back.
    AllowCaptions {
        /// Who refused.
        participant: ParticipantId
    }
    /// Keeping what someone says.
    KeepTranscript {
        /// Who says it.
        participant: ParticipantId
    }
    /// Reading what was kept of a session, or of which sessions there is something.
    ReadTranscript {
        /// Of which.
        session: Option<SessionId>
    }
    /// Deleting what was kept of a session.
    DeleteTranscript {
        /// Of which.
        session: SessionId
    }
    /// Going out.
    Leave {
        /// Who goes.
        participant: ParticipantId
    }
    /// Showing another name or picture to the room from now on.
    ChangeProfile {
        /// Whose.
        participant: ParticipantId
    }
    /// Asking the hosts for another name or picture.
    ProposeProfile {
        /// Whose.
        participant: ParticipantId
    }
    /// Approving or refusing someone's other name or picture.
    DecideProfile {
        /// Whose.
        participant: ParticipantId,
        /// The version of the request that the host saw.
        version: u32,
        /// Approve or refuse.
        approve: bool
    }
    /// Letting someone in who waits at the door.
    Admit {
        /// Their wait.
        knock: KnockId,
        /// The version of their name and picture that the host saw.
        version: u32
    }
    /// Sending away someone who waits at the door.
    Deny {
        /// Their wait.
        knock: KnockId
    }
    /// Cutting a microphone.
    Mute {
        /// Whose.
        participant: ParticipantId
    }
    /// Cutting a camera.
    PauseVideo {
        /// Whose.
        participant: ParticipantId
    }
    /// Cutting a shared screen and its sound.
    StopShare {
        /// Whose.
        participant: ParticipantId
    }
    /// Giving a right to publish.
    Grant {
        /// To whom.
        participant: ParticipantId,
        /// For what.
        source: Source
    }
    /// Taking a right to publish.
    Withdraw {
        /// From whom.
        participant: ParticipantId,
        /// For what.
        source: Source
    }
    /// Throwing someone out.
    Remove {
        /// Whom.
        participant: ParticipantId
    }
    /// Throwing someone out for good, by every mark of theirs.
    Bar {
        /// Whom.
        participant: ParticipantId
    }
    /// Taking back that someone was thrown out for good.
    Unbar {
        /// Which bar.
        bar: BarId
    }
    /// Putting someone back into the waiting room.
    SendBack {
        /// Whom.
        participant: ParticipantId
    }
    /// Putting one participant before all others, or nobody.
    Spotlight {
        /// Whom.
        participant: Option<ParticipantId>
    }
    /// Writing to those who wait: to one, or to all.
    MessageWaiting {
        /// To whom; to all if to nobody in particular.
        knock: Option<KnockId>
    }
    /// Giving the room to someone else.
    TransferOwnership {
        /// To whom.
        participant: ParticipantId
    }
    /// Giving someone another role.
    SetRole {
        /// To whom.
        participant: ParticipantId,
        /// Which; only these can be given.
        role: NewRole
    }
    /// Changing a setting of the room.
    ChangeSetting {
        /// Which.
        key: SettingKey,
        /// To what; see [`SettingKey::parse_value`].
        value: &'static str
    }
    /// Changing what the room is for.
    ChangeKind {
        /// To what.
        kind: RoomKind
    }
    /// Choosing or locking a setting for all rooms of the organisation.
    ChangeOrgSetting {
        /// Which.
        key: SettingKey,
        /// To what; see [`SettingKey::parse_value`].
        value: &'static str,
        /// Whether rooms have no word in it.
        locked: bool
    }
    /// Deciding about a place outside that is told what happens.
    ManageWebhooks {
        /// Which.
        webhook: WebhookId,
        /// What is done to it.
        deed: WebhookDeed
    }
    /// Setting an option of the organisation.
    ChangeOption {
        /// Which.
        option: OrgOption,
        /// On or off.
        on: bool
    }
}

/// An option of an organisation: what it asks of its rooms beside their settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrgOption {
    /// Two hosts must agree before someone comes in.
    TwoPersonAdmission,
    /// Who leads a room or administers the organisation must have shown a second factor.
    RequireSecondFactor,
}

impl OrgOption {
    /// Every option.
    pub const ALL: &'static [Self] = &[Self::TwoPersonAdmission, Self::RequireSecondFactor];

    /// Its name in storage, on the wire and in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoPersonAdmission => "two_person_admission",
            Self::RequireSecondFactor => "require_second_factor",
        }
    }

    /// The option of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|option| option.as_str() == name)
    }
}

of_one_kind! {
    plain: Enter Knock SeeLobby SeeCount Lock Unlock ReadPassword ChangePassword EndSession SeeStats ReadRoom EndRoom CreateRoom
        InviteAccount SeeBars Suspend LiftSuspension ManageGuestLinks ManageStreamTokens ReadOrganisation ReadChat ReadEarlierChat ReadAudit
        ReadOrganisationAudit ReadCaptions ChangeSpeech EndSessions ReadWebhooks;
    aimed: WriteChat WritePrivateChat Resume Connect Watch SeeParticipant RaiseHand Leave Mute PauseVideo StopShare Remove Bar
        SendBack TransferOwnership ChangeProfile ProposeProfile Listen PublishCue ChooseCaptions RefuseCaptions AllowCaptions
        KeepTranscript;
    aimed at a source: Unpublish Ask Grant Withdraw;
    at the door: Admit Deny
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_name_and_place() {
        for (place, kind) in ActionKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
            assert_eq!(ActionKind::named(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn the_audit_trail_says_what_was_done_to_whom() {
        let participant = ParticipantId::from_bytes([7; 16]);
        let mute = Mute { participant };
        assert_eq!(
            (mute.audit_target(), mute.audit_words()),
            (Some([7; 16]), None)
        );
        let grant = Grant {
            participant,
            source: Source::ScreenAudio,
        };
        assert_eq!(grant.audit_words().as_deref(), Some("screen_audio"));
        let change = ChangeSetting {
            key: SettingKey::WaitingRoom,
            value: "nobody",
        };
        assert_eq!(change.audit_words().as_deref(), Some("waiting_room=nobody"));
        let role = SetRole {
            participant,
            role: NewRole::Host,
        };
        assert_eq!(role.audit_words().as_deref(), Some("host"));
    }

    #[test]
    fn publishing_is_decided_by_what_is_published() {
        let kinds = Source::ALL.map(|source| {
            Publish {
                participant: ParticipantId::from_bytes([0; 16]),
                source,
            }
            .kind()
        });
        assert_eq!(
            kinds.map(ActionKind::as_str),
            [
                "publish_microphone",
                "publish_camera",
                "publish_screen",
                "publish_screen_audio"
            ]
        );
    }
}
