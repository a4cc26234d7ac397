//! The meeting that runs in a room: who is in, who waits, and what hosts do. What is asked for goes to the room itself, on the way on which
//! a host's request goes, and is permitted and audited there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Json;
use conclave_policy::control::SeeSession;
use conclave_policy::roles::Role;
use conclave_policy::source::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::problem::Problem;
use crate::api::rooms::look_at;
use crate::api::router::Api;
use crate::api::running::Controlled;
use crate::api::v1::caller::{Asking, At, By, Given};
use crate::api::v1::problem::Refused;
use crate::auth::principal::{Principal, Who};
use crate::bounded::{Few, Text};
use crate::clock::Timestamp;
use crate::ids::{BarId, KnockId, ParticipantId, RoomId, SessionId};
use crate::rooms::outbound::{Done, Phrase};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::{RoomRequest, Seen};
use crate::rooms::view::{ParticipantView, PendingProfile};

/// How long a caller who was refused by the room's own pace waits.
const MOMENT: Duration = Duration::from_secs(1);
/// Lines of the waiting room in one answer.
const MOST_KNOCKS: u16 = 200;

/// Who is in a meeting.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    #[schema(value_type = String)]
    session: SessionId,
    locked: bool,
    suspended: bool,
    /// How many wait at the door.
    waiting: u32,
    participants: Vec<Participant>,
}

/// Someone who is in.
#[derive(Serialize, ToSchema)]
pub(super) struct Participant {
    #[schema(value_type = String)]
    participant: ParticipantId,
    name: String,
    /// Whether an account stands behind the name.
    signed_in: bool,
    #[schema(value_type = String)]
    role: Role,
    /// What is on.
    #[schema(value_type = Vec<String>)]
    sending: Vec<Source>,
    hand: bool,
    /// False while the connection is lost and may still come back.
    connected: bool,
    /// The other name or picture that they asked for, if they did.
    wished: Option<Wished>,
}

/// Another name or picture that waits for a decision.
#[derive(Serialize, ToSchema)]
pub(super) struct Wished {
    /// The version of the wish: whoever decides names the one that they saw.
    version: u32,
    /// The name that they would have.
    name: String,
    /// Whether they would have another picture.
    other_picture: bool,
}

/// Some of those who wait, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct Waiting {
    knocks: Vec<Knock>,
    /// How many wait in all.
    waiting: u32,
    /// How many of them are held apart.
    suspected: u32,
}

/// Someone who waits.
#[derive(Serialize, ToSchema)]
pub(super) struct Knock {
    #[schema(value_type = String)]
    knock: KnockId,
    /// The version of the name that is shown: whoever admits them names the one that they saw.
    version: u32,
    name: String,
    signed_in: bool,
    suspected: bool,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    since: Timestamp,
}

/// Those thrown out of the room for good.
#[derive(Serialize, ToSchema)]
pub(super) struct Bars {
    bars: Vec<Barred>,
}

/// Someone thrown out for good.
#[derive(Serialize, ToSchema)]
pub(super) struct Barred {
    #[schema(value_type = String)]
    bar: BarId,
    name: String,
}

/// Which of those who wait.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The last knock of the page before.
    #[param(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    after: Option<KnockId>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// A source that someone sends.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceName {
    Microphone,
    Camera,
    Screen,
}

/// A role that can be given.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleName {
    Presenter,
    Attendee,
    Observer,
}

/// A phrase for those who wait.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PhraseName {
    OneMoment,
    StartingSoon,
    PleaseIdentify,
    WrongMeeting,
}

/// A knock in the version that was seen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenKnock {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    knock: KnockId,
    version: u32,
}

/// What is to be done, as a host does it.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Control {
    Admit {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        knock: KnockId,
        version: u32,
    },
    Deny {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        knock: KnockId,
    },
    AdmitMany {
        #[schema(value_type = Vec<SeenKnock>, max_items = 200)]
        knocks: Few<SeenKnock, 200>,
    },
    DenyMany {
        #[schema(value_type = Vec<String>, max_items = 200)]
        knocks: Few<KnockId, 200>,
    },
    DenyAll {},
    Mute {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
    },
    PauseVideo {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
    },
    StopShare {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
    },
    MuteAll {
        /// Who may speak on.
        #[serde(default)]
        #[schema(value_type = Vec<String>, max_items = 64)]
        except: Few<ParticipantId, 64>,
    },
    StopAllShares {},
    /// Gives a right back, which starts nothing, or takes it.
    Allow {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
        source: SourceName,
        allowed: bool,
    },
    Remove {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
        /// For good.
        #[serde(default)]
        bar: bool,
    },
    Unbar {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        bar: BarId,
    },
    SendBack {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
    },
    SetRole {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
        role: RoleName,
    },
    Spotlight {
        /// Nobody, if left out.
        #[serde(default)]
        #[schema(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
        participant: Option<ParticipantId>,
    },
    /// A phrase or a text, for those who wait.
    MessageWaiting {
        /// Everyone who waits, if left out.
        #[serde(default)]
        #[schema(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
        knock: Option<KnockId>,
        #[serde(default)]
        phrase: Option<PhraseName>,
        #[serde(default)]
        #[schema(value_type = Option<String>, max_length = 200)]
        text: Option<Text<800>>,
    },
    /// Approves or refuses someone's other name or picture, in the version that was seen.
    DecideProfile {
        #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
        participant: ParticipantId,
        version: u32,
        approve: bool,
    },
    Lock {},
    Unlock {},
    Suspend {},
    LiftSuspension {},
    /// Ends the meeting for everyone; the room stays.
    End {},
}

/// What came of it: upon how many, where it concerned many.
#[derive(Serialize, ToSchema)]
pub(super) struct ControlDone {
    count: u32,
}

/// The meeting that runs in a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/session", operation_id = "getSession", tag = "session",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "Who is in.", body = Session)))]
pub(super) async fn get_session(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Json<Session>, Refused> {
    let permit = look_at(&api, &principal, &id, SeeSession).await?;
    let Some(view) = api.state.rooms.session(permit.room()).await else {
        return Err(none_runs(&api, &principal, permit.room()).await);
    };
    let mut wished: BTreeMap<_, _> = view.pending.into_iter().map(wish).collect();
    let participants = view.participants.into_iter().map(|line| {
        let wished = wished.remove(&line.participant);
        participant(line, wished)
    });
    let participants = participants.collect();
    Ok(Json(Session {
        session: view.session,
        locked: view.locked,
        suspended: view.suspended,
        waiting: view.waiting,
        participants,
    }))
}

/// Those who wait at the door.
#[utoipa::path(get, path = "/v1/rooms/{room}/session/waiting", operation_id = "listWaiting", tag = "session",
    params(("room" = String, Path, description = "The room."), Page),
    responses((status = 200, description = "Some of them, in order.", body = Waiting)))]
pub(super) async fn list_waiting(
    State(api): State<Arc<Api>>,
    Asking(principal, page): Asking<Page>,
    At(id): At<String>,
) -> Result<Json<Waiting>, Refused> {
    let limit = page.limit.unwrap_or(MOST_KNOCKS);
    if !(1..=MOST_KNOCKS).contains(&limit) {
        return Err(Problem::BadRequest.into());
    }
    let after = page.after;
    let request = RoomRequest::Lobby { after, limit };
    let Done::Lobby { knocks, count } = asked(&api, &principal, &id, request).await? else {
        return Err(Problem::Unavailable.into());
    };
    let knocks = knocks.into_iter().map(|knock| Knock {
        knock: knock.knock,
        version: knock.version,
        name: knock.name,
        signed_in: knock.signed_in,
        suspected: knock.suspected,
        since: knock.since,
    });
    Ok(Json(Waiting {
        knocks: knocks.collect(),
        waiting: count.waiting,
        suspected: count.suspected,
    }))
}

/// Those thrown out of the room for good.
#[utoipa::path(get, path = "/v1/rooms/{room}/session/bars", operation_id = "listBars", tag = "session",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "All of them.", body = Bars)))]
pub(super) async fn list_bars(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Json<Bars>, Refused> {
    let done = asked(&api, &principal, &id, RoomRequest::Bars {}).await?;
    let Done::Bars { bars } = done else {
        return Err(Problem::Unavailable.into());
    };
    let bars = bars.into_iter().map(|bar| Barred {
        bar: bar.bar,
        name: bar.name,
    });
    Ok(Json(Bars {
        bars: bars.collect(),
    }))
}

/// Does in the meeting what a host does. Answered when no packet leaves any more that the deed cuts off, and when it is in the trail.
#[utoipa::path(post, path = "/v1/rooms/{room}/session/controls", operation_id = "control", tag = "session", request_body = Control,
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "It was done.", body = ControlDone)))]
pub(super) async fn control(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    Given(body): Given<Control>,
) -> Result<Json<ControlDone>, Refused> {
    let done = asked(&api, &principal, &id, body.request()).await?;
    let count = match done {
        Done::Counted { count } => count,
        _ => 1,
    };
    Ok(Json(ControlDone { count }))
}

/// Asks the room itself. People do these things in the meeting, where they can be seen doing them.
async fn asked(
    api: &Api,
    principal: &Principal,
    id: &str,
    request: RoomRequest,
) -> Result<Done, Refused> {
    let Who::Program { scopes, name, .. } = &principal.who else {
        return Err(Problem::NotAllowed.into());
    };
    let room: RoomId = id.parse().map_err(|_| Problem::NotFound)?;
    let call = Controlled {
        actor: principal.actor(),
        name: name.as_str().to_owned(),
        scopes: *scopes,
        request,
    };
    match api.state.rooms.control(room, call).await {
        Some(outcome) => Ok(outcome.map_err(refused)?),
        None => {
            // Whether there is a room at all is told to those only who may look into it.
            let permit = look_at(api, principal, id, SeeSession).await?;
            Err(none_runs(api, principal, permit.room()).await)
        }
    }
}

async fn none_runs(api: &Api, principal: &Principal, room: RoomId) -> Refused {
    match api.state.store.room(principal.org, room).await {
        Ok(Some(_)) => Problem::NoSession.into(),
        Ok(None) => Problem::NotFound.into(),
        Err(error) => error.into(),
    }
}

fn refused(code: ErrorCode) -> Problem {
    match code {
        ErrorCode::NotAllowed => Problem::NotAllowed,
        ErrorCode::NotFound => Problem::NotFound,
        ErrorCode::Stale => Problem::Stale,
        ErrorCode::InvalidValue => Problem::InvalidValue,
        ErrorCode::RoomFull | ErrorCode::TooMany => Problem::TooMany,
        ErrorCode::RateLimited => Problem::RateLimited(MOMENT),
        _ => Problem::Unavailable,
    }
}

fn wish(pending: PendingProfile) -> (ParticipantId, Wished) {
    let wished = Wished {
        version: pending.version,
        other_picture: pending.new.picture != pending.old.picture,
        name: pending.new.name,
    };
    (pending.participant, wished)
}

fn participant(line: ParticipantView, wished: Option<Wished>) -> Participant {
    use crate::rooms::view::SourceState::On;
    let sources = [
        (Source::Microphone, line.sources.microphone),
        (Source::Camera, line.sources.camera),
        (Source::Screen, line.sources.screen),
        (Source::ScreenAudio, line.sources.screen_audio),
    ];
    let sending = sources.into_iter().filter(|(_, state)| *state == On);
    Participant {
        participant: line.participant,
        name: line.name,
        signed_in: line.signed_in,
        role: line.role,
        sending: sending.map(|(source, _)| source).collect(),
        hand: line.hand,
        connected: line.connected,
        wished,
    }
}

impl Control {
    /// The request of a host that this is.
    fn request(self) -> RoomRequest {
        match self {
            Self::Admit { knock, version } => RoomRequest::Admit { knock, version },
            Self::Deny { knock } => RoomRequest::Deny { knock },
            Self::AdmitMany { knocks } => {
                let seen = knocks.into_vec().into_iter().map(|seen| Seen {
                    knock: seen.knock,
                    version: seen.version,
                });
                let knocks = Few::new(seen.collect()).unwrap_or_default();
                RoomRequest::AdmitMany { knocks }
            }
            Self::DenyMany { knocks } => RoomRequest::DenyMany { knocks },
            Self::DenyAll {} => RoomRequest::DenyAll {},
            Self::Mute { participant } => RoomRequest::Mute { participant },
            Self::PauseVideo { participant } => RoomRequest::PauseVideo { participant },
            Self::StopShare { participant } => RoomRequest::StopShare { participant },
            Self::MuteAll { except } => RoomRequest::MuteAll { except },
            Self::StopAllShares {} => RoomRequest::StopAllShares {},
            Self::Allow {
                participant,
                source,
                allowed,
            } => RoomRequest::Allow {
                participant,
                source: source.into(),
                allowed,
            },
            Self::Remove { participant, bar } => RoomRequest::Remove { participant, bar },
            Self::Unbar { bar } => RoomRequest::Unbar { bar },
            Self::SendBack { participant } => RoomRequest::SendBack { participant },
            Self::SetRole { participant, role } => RoomRequest::SetRole {
                participant,
                role: role.into(),
            },
            Self::Spotlight { participant } => RoomRequest::Spotlight { participant },
            Self::MessageWaiting {
                knock,
                phrase,
                text,
            } => RoomRequest::MessageWaiting {
                knock,
                phrase: phrase.map(Phrase::from),
                text,
            },
            Self::DecideProfile {
                participant,
                version,
                approve,
            } => RoomRequest::DecideProfile {
                participant,
                version,
                approve,
            },
            Self::Lock {} => RoomRequest::Lock { locked: true },
            Self::Unlock {} => RoomRequest::Lock { locked: false },
            Self::Suspend {} => RoomRequest::Suspend {},
            Self::LiftSuspension {} => RoomRequest::LiftSuspension {},
            Self::End {} => RoomRequest::End {},
        }
    }
}

impl From<SourceName> for Source {
    fn from(name: SourceName) -> Self {
        match name {
            SourceName::Microphone => Self::Microphone,
            SourceName::Camera => Self::Camera,
            SourceName::Screen => Self::Screen,
        }
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Presenter => Self::Presenter,
            RoleName::Attendee => Self::Attendee,
            RoleName::Observer => Self::Observer,
        }
    }
}

impl From<PhraseName> for Phrase {
    fn from(name: PhraseName) -> Self {
        match name {
            PhraseName::OneMoment => Self::OneMoment,
            PhraseName::StartingSoon => Self::StartingSoon,
            PhraseName::PleaseIdentify => Self::PleaseIdentify,
            PhraseName::WrongMeeting => Self::WrongMeeting,
        }
    }
}
