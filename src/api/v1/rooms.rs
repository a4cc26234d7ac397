//! Rooms: listed, made, renamed and ended. The pattern of the other subjects.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::actions::EndRoom;
use conclave_policy::control::{ListRooms, RenameRoom};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::organisation::look;
use crate::api::problem::Problem;
use crate::api::rooms::{MAX_TITLE, ask, make, read};
use crate::api::router::Api;
use crate::api::v1::caller::{Asking, At, By, Given, IfMatch};
use crate::api::v1::page::{Wanted, cursor};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::name::tidy;
use crate::auth::principal::{Principal, Who};
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::{AccountId, RoomId};
use crate::secret::Secret;
use crate::store::rooms::Room;

/// A room.
#[derive(Serialize, ToSchema)]
#[schema(as = Room)]
pub(super) struct RoomView {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: RoomId,
    title: String,
    /// The account whose room it is.
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    owner: AccountId,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    created: Timestamp,
    /// The path of the page at which people come to the door.
    path: String,
}

/// Some rooms, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomPage {
    rooms: Vec<RoomView>,
    /// The `cursor` of the next page; null on the last.
    next: Option<String>,
}

/// A room to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoom {
    #[schema(value_type = String, min_length = 1, max_length = 120)]
    title: Text<2048>,
    /// The account whose room it is to be: one's own if left out, and with an API key that of whoever made the key.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    owner: Option<AccountId>,
}

/// A room that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomMade {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: RoomId,
    title: String,
    /// The path of the page at which people come to the door; the password is no part of it.
    path: String,
    /// The password that the room asks for.
    password: String,
}

/// What is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomChange {
    #[schema(value_type = String, min_length = 1, max_length = 120)]
    title: Text<2048>,
}

/// Rooms of the organisation; people see those that they own or host.
#[utoipa::path(get, path = "/v1/rooms", operation_id = "listRooms", tag = "rooms", params(Wanted),
    responses((status = 200, description = "Some rooms, the newest first.", body = RoomPage)))]
pub(super) async fn list_rooms(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<Wanted>,
) -> Result<Json<RoomPage>, Refused> {
    let (after, limit) = wanted.read()?;
    let of = match principal.account() {
        Some(account) => Some(account),
        None => {
            let _seen = look(&api, &principal, ListRooms)?;
            None
        }
    };
    let store = &api.state.store;
    let mut found = store
        .rooms_after(principal.org, of, after, limit.saturating_add(1))
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    let next = last.map(|room| cursor((room.created, *room.id.as_bytes())));
    let rooms = found.into_iter().map(|room| RoomView {
        id: room.id,
        title: room.title.expose().clone(),
        owner: room.owner,
        created: room.created,
        path: format!("/r/{}", room.id),
    });
    Ok(Json(RoomPage {
        rooms: rooms.collect(),
        next,
    }))
}

/// Makes a room at the strictest settings, with a generated password.
#[utoipa::path(post, path = "/v1/rooms", operation_id = "createRoom", tag = "rooms", request_body = NewRoom,
    responses((status = 201, description = "The room was made.", body = RoomMade, headers(("Location" = String)))))]
pub(super) async fn create_room(
    State(api): State<Arc<Api>>,
    By(principal): By,
    Given(body): Given<NewRoom>,
) -> Result<Response, Refused> {
    let owner = match (&principal.who, body.owner) {
        (Who::Account { id, .. }, None) => *id,
        (Who::Account { id, .. }, Some(owner)) if owner == *id => owner,
        (Who::Program { .. }, Some(owner)) => owner,
        (Who::Program { made_by, .. }, None) => *made_by,
        // Nobody makes rooms for others in person.
        _ => return Err(Problem::NotAllowed.into()),
    };
    let made = make(&api, &principal, body.title.as_str(), owner).await?;
    let made = RoomMade {
        id: made.id,
        title: made.title,
        path: made.path,
        password: made.password,
    };
    let location = format!("/v1/rooms/{}", made.id);
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    // Letters and digits are always a header's value.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// One room.
#[utoipa::path(get, path = "/v1/rooms/{room}", operation_id = "getRoom", tag = "rooms",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "The room.", body = RoomView, headers(("ETag" = String)))))]
pub(super) async fn get_room(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Tagged<RoomView>, Refused> {
    let (room, ..) = read(&api, &principal, &id).await?;
    Ok(Tagged(view(&room)))
}

/// Calls a room by another title.
#[utoipa::path(patch, path = "/v1/rooms/{room}", operation_id = "changeRoom", tag = "rooms", request_body = RoomChange,
    params(("room" = String, Path, description = "The room."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed.")),
    responses((status = 200, description = "The room as it is now.", body = RoomView, headers(("ETag" = String)))))]
pub(super) async fn change_room(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    Given(body): Given<RoomChange>,
) -> Result<Tagged<RoomView>, Refused> {
    let title = tidy(body.title.as_str(), MAX_TITLE).map_err(Problem::InvalidName)?;
    let _turn = api.v1.conditional.lock().await;
    same(&api, &principal, &id, named.as_deref()).await?;
    let permit = ask(&api, &principal, &id, RenameRoom).await?;
    let (store, room) = (&api.state.store, permit.room());
    let renamed = store.rename_room(permit, principal.org, Secret::new(title));
    renamed.await?;
    let room = store.room(principal.org, room).await?;
    Ok(Tagged(view(&room.ok_or(Problem::NotFound)?)))
}

/// Ends a room for good, and its meeting if there is one.
#[utoipa::path(delete, path = "/v1/rooms/{room}", operation_id = "endRoom", tag = "rooms",
    params(("room" = String, Path, description = "The room."), ("If-Match" = Option<String>, Header, description = "The state that is to be ended.")),
    responses((status = 204, description = "The room has ended.")))]
pub(super) async fn end_room(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
) -> Result<StatusCode, Refused> {
    let _turn = api.v1.conditional.lock().await;
    same(&api, &principal, &id, named.as_deref()).await?;
    let permit = ask(&api, &principal, &id, EndRoom).await?;
    let (org, room) = (principal.org, permit.room());
    let now = api.state.clock.now();
    api.state.store.end_room(org, room, now).await?;
    api.state.rooms.ended(room).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the room is as the request names it, if it names a state: then whoever asks must be allowed to see it.
async fn same(
    api: &Api,
    principal: &Principal,
    id: &str,
    named: Option<&str>,
) -> Result<(), Refused> {
    if named.is_some() {
        let (room, ..) = read(api, principal, id).await?;
        matches(named, &view(&room))?;
    }
    Ok(())
}

fn view(room: &Room) -> RoomView {
    RoomView {
        id: room.id,
        title: room.title.expose().clone(),
        owner: room.owner,
        created: room.created,
        path: format!("/r/{}", room.id),
    }
}
