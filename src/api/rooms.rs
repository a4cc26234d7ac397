//! Rooms, as their owners and hosts set them up. A room that does not exist and one that is not the caller's are the same
//! answer after the same work.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use conclave_policy::actions::{
    Action, ActionKind, ChangePassword, CreateRoom, EndRoom, ReadPassword, ReadRoom,
};
use conclave_policy::engine::Denied;
use conclave_policy::facts::{CreateRight, Facts, Mine, OrgAdmin, SecondFactor, Standing};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::Password;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::auth::name::tidy;
use crate::auth::principal::{Principal, Who};
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::guard::{Audit, NO_ROOM};
use crate::ids::{self, AccountId, RoomId};
use crate::secret::{Secret, readable_password};
use crate::store::error::StoreError;
use crate::store::rooms::{NewRoom, Room};

pub(super) const MAX_TITLE: usize = 120;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Titled {
    title: Text<2048>,
}

/// A room in the caller's list.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct RoomEntry {
    #[cfg_attr(test, ts(type = "string"))]
    id: RoomId,
    title: String,
    #[cfg_attr(test, ts(type = "number"))]
    created: Timestamp,
    #[cfg_attr(test, ts(type = "\"owner\" | \"host\""))]
    role: Role,
}

/// The caller's rooms.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RoomList {
    rooms: Vec<RoomEntry>,
}

/// A room that was just made. The password is not part of the link.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RoomMade {
    #[cfg_attr(test, ts(type = "string"))]
    pub(super) id: RoomId,
    pub(super) title: String,
    pub(super) path: String,
    pub(super) password: String,
}

/// A room as its owner and hosts see it from outside.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RoomShown {
    #[cfg_attr(test, ts(type = "string"))]
    id: RoomId,
    title: String,
    #[cfg_attr(test, ts(type = "number"))]
    created: Timestamp,
}

/// The password that a room asks for; none if it asks for none.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RoomPassword {
    pub(super) password: Option<String>,
    /// How often it was changed: whoever changes it says which one they saw.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) revision: u64,
}

/// A wish for a new password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    /// The revision that the caller saw; without it, the one that holds when the request comes.
    #[serde(default)]
    pub(super) revision: Option<u64>,
}

/// `GET /api/rooms`: the caller's own, and those they host.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<RoomList>, Problem> {
    let Some(account) = principal.account() else {
        return Err(Problem::NotAllowed);
    };
    let found = api.state.store.rooms_of(principal.org, account).await?;
    let rooms = found
        .into_iter()
        .map(|room| RoomEntry {
            id: room.id,
            title: room.title.expose().clone(),
            created: room.created,
            role: room.role,
        })
        .collect();
    Ok(Json(RoomList { rooms }))
}

/// `POST /api/rooms`: a room at the strictest settings, with a generated password.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Strict(body): Strict<Titled>,
) -> Result<(StatusCode, Json<RoomMade>), Problem> {
    let owner = principal.account().ok_or(Problem::NotAllowed)?;
    let made = make(&api, &principal, body.title.as_str(), owner).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Makes a room of this owner: of oneself, or of whom a program says.
pub(super) async fn make(
    api: &Api,
    principal: &Principal,
    title: &str,
    owner: AccountId,
) -> Result<RoomMade, Problem> {
    let title = tidy(title, MAX_TITLE).map_err(Problem::InvalidName)?;
    let right = match principal.who {
        Who::Account {
            may_create_rooms: true,
            ..
        } => CreateRight::Yes,
        _ => CreateRight::No,
    };
    let organisation = api.state.store.org_choices(principal.org).await?;
    let facts = Facts::new()
        .with(organisation.choices.settings().room_creation())
        .with(right)
        .with(principal.org_admin());
    let facts = principal.scoped(facts, ActionKind::CreateRoom);
    let role = role_outside(principal, None);
    let (permit, audit) = api.state.guard.ask(
        principal.org,
        principal.actor(),
        role,
        NO_ROOM,
        &facts,
        CreateRoom,
    );
    let permit = durable(api, permit, audit, Problem::NotAllowed).await?;
    let random = api.state.random.as_ref();
    let id: RoomId = ids::random(random);
    let password = readable_password(random);
    let room = NewRoom {
        id,
        owner,
        title: Secret::new(title.clone()),
        password: password.clone(),
        created: api.state.clock.now(),
    };
    api.state
        .store
        .create_room(permit, principal.org, room)
        .await?;
    Ok(RoomMade {
        id,
        title,
        path: format!("/r/{id}"),
        password: password.expose().clone(),
    })
}

/// `GET /api/rooms/{id}`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<RoomShown>, Problem> {
    let (room, ..) = read(&api, &principal, &id).await?;
    Ok(Json(RoomShown {
        id: room.id,
        title: room.title.expose().clone(),
        created: room.created,
    }))
}

/// `GET /api/rooms/{id}/password`.
pub(super) async fn password(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<RoomPassword>, Problem> {
    let permit = ask(&api, &principal, &id, ReadPassword).await?;
    let room = api
        .state
        .store
        .room(principal.org, permit.room())
        .await?
        .ok_or(Problem::NotFound)?;
    let asked_for = room.settings.password() == Password::Required;
    Ok(Json(RoomPassword {
        password: asked_for.then(|| room.password.expose().clone()),
        revision: room.password_revision,
    }))
}

/// `POST /api/rooms/{id}/password`: a newly generated one.
pub(super) async fn new_password(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<Renewal>,
) -> Result<Json<RoomPassword>, Problem> {
    let before = match id.parse() {
        Ok(room) => api.state.store.room(principal.org, room).await?,
        Err(_) => None,
    };
    let before = before.map(|room| room.password_revision);
    let permit = ask(&api, &principal, &id, ChangePassword).await?;
    let room = permit.room();
    let password = readable_password(api.state.random.as_ref());
    let seen = body.revision.or(before).ok_or(Problem::NotFound)?;
    let changed = api
        .state
        .store
        .change_room_password(principal.org, room, seen, password.clone());
    let revision = changed.await.map_err(|error| match error {
        StoreError::Conflict => Problem::Stale,
        error => error.into(),
    })?;
    api.state
        .rooms
        .password_changed(room, revision, password.clone())
        .await;
    Ok(Json(RoomPassword {
        password: Some(password.expose().clone()),
        revision,
    }))
}

/// `DELETE /api/rooms/{id}`: ends the room for good, and its meeting if there is one.
pub(super) async fn end(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let permit = ask(&api, &principal, &id, EndRoom).await?;
    api.state
        .store
        .end_room(principal.org, permit.room(), api.state.clock.now())
        .await?;
    api.state.rooms.ended(permit.room()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// A room that the caller may look at, and how they stand to it.
pub(super) async fn read(
    api: &Api,
    principal: &Principal,
    id: &str,
) -> Result<(Room, Role, Facts), Problem> {
    let (id, role, facts) = standing(api, principal, id).await?;
    let facts = principal.scoped(facts, ActionKind::ReadRoom);
    let looked = api
        .state
        .guard
        .look(principal.org, principal.actor(), role, id, &facts, ReadRoom);
    let permit = looked.map_err(|denied| refused(&denied, principal.refusal()))?;
    let room = api
        .state
        .store
        .room(principal.org, permit.room())
        .await?
        .ok_or(Problem::NotFound)?;
    Ok((room, role, facts))
}

/// Asks for a permit at a room, from outside of it.
pub(super) async fn ask<A: Action>(
    api: &Api,
    principal: &Principal,
    id: &str,
    action: A,
) -> Result<Permit<A>, Problem> {
    let (id, role, facts) = standing(api, principal, id).await?;
    let facts = principal.scoped(facts, action.kind());
    let (permit, audit) =
        api.state
            .guard
            .ask(principal.org, principal.actor(), role, id, &facts, action);
    durable(api, permit, audit, principal.refusal()).await
}

/// Whether the caller may look at something of a room, from outside of it; no row when they may.
pub(super) async fn look_at<A: Action>(
    api: &Api,
    principal: &Principal,
    id: &str,
    action: A,
) -> Result<Permit<A>, Problem> {
    let (id, role, facts) = standing(api, principal, id).await?;
    let facts = principal.scoped(facts, action.kind());
    let (org, actor) = (principal.org, principal.actor());
    let looked = api.state.guard.look(org, actor, role, id, &facts, action);
    looked.map_err(|denied| refused(&denied, principal.refusal()))
}

/// What the caller is to a room that may not exist. For a room that does not, and for one that has nothing to do with
/// the caller, the answer and the work are the same.
pub(super) async fn standing(
    api: &Api,
    principal: &Principal,
    id: &str,
) -> Result<(RoomId, Role, Facts), Problem> {
    let id: RoomId = id.parse().map_err(|_| Problem::NotFound)?;
    let given = match principal.account() {
        Some(account) => api.state.store.role_in(principal.org, id, account).await?,
        None => None,
    };
    let role = role_outside(principal, given);
    let mine = if role == Role::Owner {
        Mine::Yes
    } else {
        Mine::No
    };
    Ok((
        id,
        role,
        Facts::new()
            .with(Standing::Outside)
            .with(mine)
            .with(principal.org_admin())
            .with(principal.second_factor()),
    ))
}

/// The role of someone who is not in the room.
pub(super) fn role_outside(principal: &Principal, given: Option<Role>) -> Role {
    match principal.who {
        Who::Account { .. } => given.unwrap_or(Role::Attendee),
        Who::Guest { .. } | Who::Stream { .. } => Role::Guest,
        Who::Program { .. } => Role::Program,
    }
}

/// What whoever asked is told of a refusal: whether nothing was missing but their own second factor.
pub(super) const fn refused(denied: &Denied, otherwise: Problem) -> Problem {
    if denied.lacks_factor {
        Problem::SecondFactorRequired
    } else {
        otherwise
    }
}

/// A permit that may be acted upon: its row is durable, and the rules are still the ones that gave it.
pub(super) async fn durable<A: Action>(
    api: &Api,
    permit: Result<Permit<A>, Denied>,
    audit: Audit,
    refusal: Problem,
) -> Result<Permit<A>, Problem> {
    let permit = permit.map_err(|denied| refused(&denied, refusal))?;
    audit.await?;
    if api.state.guard.snapshot().version() == permit.version() {
        Ok(permit)
    } else {
        Err(refusal)
    }
}

impl Principal {
    /// Whether they administer the organisation, as a fact.
    pub(super) fn org_admin(&self) -> OrgAdmin {
        match self.who {
            Who::Account { admin: true, .. } => OrgAdmin::Yes,
            _ => OrgAdmin::No,
        }
    }

    /// What is true of a program that asks for this, by the scopes of its key, and which is no person who could show a second
    /// factor; of people nothing more than before but how it stands with theirs.
    pub(super) fn scoped(&self, facts: Facts, kind: ActionKind) -> Facts {
        match self.who {
            Who::Program { scopes, .. } if scopes.cover(kind) => facts
                .with(SecondFactor::Proved)
                .with(Standing::Scoped)
                .with(OrgAdmin::Yes)
                .with(CreateRight::Yes),
            Who::Program { .. } => facts
                .with(SecondFactor::Proved)
                .with(Standing::Outside)
                .with(OrgAdmin::No)
                .with(CreateRight::No),
            _ => facts.with(self.second_factor()),
        }
    }

    /// What someone is told who may not do something at a room: people, that there is none; a program may know what it lacks,
    /// since that does not depend on the room.
    pub(super) fn refusal(&self) -> Problem {
        match self.who {
            Who::Program { .. } => Problem::NotAllowed,
            _ => Problem::NotFound,
        }
    }
}
