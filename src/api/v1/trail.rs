//! The audit trail and guest links, with the same deeds as the app's own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{Asking, At, By, Given};
use crate::api::v1::problem::Refused;
use crate::api::{audit, guestlinks};
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::LinkId;

/// A link for one guest.
#[derive(Serialize, ToSchema)]
pub(super) struct GuestLink {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: LinkId,
    label: String,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    made: Timestamp,
    #[schema(value_type = i64)]
    expires: Timestamp,
    #[schema(value_type = Option<i64>)]
    used: Option<Timestamp>,
    #[schema(value_type = Option<i64>)]
    revoked: Option<Timestamp>,
}

/// The links of a room, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct GuestLinks {
    links: Vec<GuestLink>,
}

/// A link to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGuestLink {
    /// Whom it is for.
    #[schema(value_type = String, min_length = 1, max_length = 80)]
    label: Text<1024>,
    #[schema(minimum = 1, maximum = 720)]
    expires_in_hours: u32,
}

/// A link that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct GuestLinkMade {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: LinkId,
    /// The secret behind `#` is not shown again.
    path: String,
    #[schema(value_type = i64)]
    expires: Timestamp,
}

/// What was decided in a room, the newest first.
#[utoipa::path(get, path = "/v1/rooms/{room}/audit", operation_id = "readRoomAudit", tag = "audit",
    params(("room" = String, Path, description = "The room."), audit::Wanted),
    responses((status = 200, description = "Some rows.", body = audit::AuditPage)))]
pub(super) async fn read_room_audit(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<audit::Wanted>,
    At(id): At<String>,
) -> Result<Json<audit::AuditPage>, Refused> {
    fits(&wanted)?;
    Ok(Json(audit::room_page(&api, &principal, &id, wanted).await?))
}

/// What was decided anywhere in the organisation, the newest first.
#[utoipa::path(get, path = "/v1/audit", operation_id = "readAudit", tag = "audit", params(audit::Wanted),
    responses((status = 200, description = "Some rows.", body = audit::AuditPage)))]
pub(super) async fn read_audit(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<audit::Wanted>,
) -> Result<Json<audit::AuditPage>, Refused> {
    fits(&wanted)?;
    Ok(Json(
        audit::organisation_page(&api, &principal, wanted).await?,
    ))
}

fn fits(wanted: &audit::Wanted) -> Result<(), Refused> {
    let fits = wanted.fits();
    fits.then_some(()).ok_or(Refused(Problem::BadRequest))
}

/// The guest links of a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/guest-links", operation_id = "listGuestLinks", tag = "guest-links",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "Every link.", body = GuestLinks)))]
pub(super) async fn list_guest_links(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Json<GuestLinks>, Refused> {
    let (room, org, store) = (id.clone(), principal.org, api.state.store.clone());
    let Json(found) = guestlinks::list(State(api), Reader(principal), Path(id)).await?;
    if found.links.is_empty() {
        let room = room.parse().map_err(|_| Problem::NotFound)?;
        store.room(org, room).await?.ok_or(Problem::NotFound)?;
    }
    let links = found.links.into_iter().map(|link| GuestLink {
        id: link.id,
        label: link.label,
        made: link.made,
        expires: link.expires,
        used: link.used,
        revoked: link.revoked,
    });
    Ok(Json(GuestLinks {
        links: links.collect(),
    }))
}

/// Makes a link for one guest.
#[utoipa::path(post, path = "/v1/rooms/{room}/guest-links", operation_id = "createGuestLink", tag = "guest-links",
    request_body = NewGuestLink, params(("room" = String, Path, description = "The room.")),
    responses((status = 201, description = "The link.", body = GuestLinkMade)))]
pub(super) async fn create_guest_link(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    Given(body): Given<NewGuestLink>,
) -> Result<(StatusCode, Json<GuestLinkMade>), Refused> {
    let body = Strict(guestlinks::NewLink {
        label: body.label,
        expires_in_hours: body.expires_in_hours,
    });
    let (status, Json(made)) =
        guestlinks::create(State(api), Changer(principal), Path(id), body).await?;
    let made = GuestLinkMade {
        id: made.id,
        path: made.path,
        expires: made.expires,
    };
    Ok((status, Json(made)))
}

/// Takes a link back; whoever came by it is out.
#[utoipa::path(delete, path = "/v1/rooms/{room}/guest-links/{link}", operation_id = "revokeGuestLink", tag = "guest-links",
    params(("room" = String, Path, description = "The room."), ("link" = String, Path, description = "The link.")),
    responses((status = 204, description = "It was taken back.")))]
pub(super) async fn revoke_guest_link(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(path): At<(String, String)>,
) -> Result<StatusCode, Refused> {
    Ok(guestlinks::revoke(State(api), Changer(principal), Path(path)).await?)
}
