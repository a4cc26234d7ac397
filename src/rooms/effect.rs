//! What the room wants done in the world. The room only says it; the actor does it, in order.

use conclave_policy::actions::{ChangeKind, ChangeSetting, Publish};
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;
use conclave_policy::source::Source;

use crate::ids::{AccountId, ActorId, BarId, KnockId, ParticipantId, StreamTokenId};
use crate::rooms::control::{Bar, Handover};
use crate::rooms::outbound::WaitingWord;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::{Event, LeaveReason};

/// One thing to do. The order in which they come out is the order in which they must take effect.
#[derive(Debug)]
pub enum Effect {
    /// Tell one participant.
    Tell {
        /// Whom.
        to: ParticipantId,
        /// What.
        event: Event,
    },
    /// Tell every participant.
    TellAll {
        /// What.
        event: Event,
    },
    /// Tell owner and hosts.
    TellModerators {
        /// What.
        event: Event,
    },
    /// Let packets of a source flow; the permit says whose and which.
    Publish(Permit<Publish>),
    /// Let no further packet of a source leave.
    Cut {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        source: Source,
    },
    /// Someone who waited is in now; the waiting connection becomes theirs.
    Admitted {
        /// Which knock.
        knock: KnockId,
        /// Who they are now.
        participant: ParticipantId,
    },
    /// Someone who waited will not come in.
    TurnedAway {
        /// Which knock.
        knock: KnockId,
        /// What they are told.
        code: ErrorCode,
    },
    /// Someone was put back into the waiting room: media and resume secret end, the connection waits.
    SentBack {
        /// Who.
        participant: ParticipantId,
        /// What they are now.
        knock: KnockId,
    },
    /// Say a host's word to those who wait.
    TellWaiting {
        /// To whom.
        to: Vec<KnockId>,
        /// What.
        word: WaitingWord,
    },
    /// Keep that someone was thrown out for good.
    SaveBar {
        /// Who, and by what they are known again.
        bar: Bar,
    },
    /// Forget that someone was thrown out for good, or removed.
    ForgetBar {
        /// Which bar.
        bar: BarId,
        /// Whose.
        actor: ActorId,
    },
    /// Forget that an account hosts or presents here whenever it comes.
    TakeRole {
        /// Whose.
        account: AccountId,
        /// Who took it.
        by: ActorId,
    },
    /// Keep whose room it is; what is kept then comes back.
    SaveOwner(Handover),
    /// Someone is out: media, connection and resume secret end.
    Gone {
        /// Who.
        participant: ParticipantId,
        /// What they are told on the connection, if it is there.
        code: ErrorCode,
        /// What the others are told.
        reason: LeaveReason,
    },
    /// Keep what these permits allow, all or none; what is kept then comes back.
    SaveSettings {
        /// Settings of the room.
        settings: Vec<Permit<ChangeSetting>>,
        /// What the room is for.
        kind: Option<Permit<ChangeKind>>,
    },
    /// Tell every participant that a setting is another one, to each with what they may do about it.
    SettingChanged {
        /// Which.
        key: SettingKey,
        /// The name of whoever changed it.
        by: String,
    },
    /// Keep that this identity was removed.
    SaveRemoval {
        /// Whose.
        actor: ActorId,
        /// By whom.
        by: ActorId,
    },
    /// Take back the token of a stream that was removed.
    EndToken {
        /// Which.
        token: StreamTokenId,
    },
    /// Something that others may see changed.
    Changed,
    /// Standing permits must be asked again: a role or a rule changed.
    AskAgain,
    /// The session is over.
    Ended,
}
