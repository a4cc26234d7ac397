//! Links for single guests of a room: made, listed and taken back by its owner and hosts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use conclave_policy::actions::ManageGuestLinks;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{ask, look_at};
use crate::api::router::Api;
use crate::auth::name::tidy;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::LinkId;

/// The longest label, in characters.
const LABEL: usize = 80;
/// The longest life of a link: 30 days.
const LONGEST: u32 = 30 * 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// Whom it is for.
    pub(super) label: Text<1024>,
    /// How long it can be used.
    pub(super) expires_in_hours: u32,
}

/// A link that was just made: the secret stands behind `#` and is not shown again.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct GuestLinkMade {
    #[cfg_attr(test, ts(type = "string"))]
    pub(super) id: LinkId,
    pub(super) path: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) expires: Timestamp,
}

/// A link as hosts see it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct GuestLinkView {
    #[cfg_attr(test, ts(type = "string"))]
    pub(super) id: LinkId,
    pub(super) label: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) made: Timestamp,
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) expires: Timestamp,
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) used: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) revoked: Option<Timestamp>,
}

/// The links of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct GuestLinkList {
    pub(super) links: Vec<GuestLinkView>,
}

/// `POST /api/rooms/{id}/guest-links`.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<NewLink>,
) -> Result<(StatusCode, Json<GuestLinkMade>), Problem> {
    let label = tidy(body.label.as_str(), LABEL).map_err(Problem::InvalidName)?;
    if !(1..=LONGEST).contains(&body.expires_in_hours) {
        return Err(Problem::InvalidValue);
    }
    let lasts = Duration::from_secs(u64::from(body.expires_in_hours) * 3600);
    let permit = ask(&api, &principal, &id, ManageGuestLinks).await?;
    let room = permit.room();
    let made = api
        .state
        .auth
        .create_guest_link(permit, principal.org, label, lasts)
        .await?;
    let made = GuestLinkMade {
        id: made.id,
        path: format!("/g/{room}#{}", made.secret.expose()),
        expires: made.expires,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /api/rooms/{id}/guest-links`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<GuestLinkList>, Problem> {
    let permit = look_at(&api, &principal, &id, ManageGuestLinks).await?;
    let links = api
        .state
        .store
        .guest_links(principal.org, permit.room())
        .await?;
    let links = links
        .into_iter()
        .map(|link| GuestLinkView {
            id: link.id,
            label: link.label.expose().clone(),
            made: link.made,
            expires: link.expires,
            used: link.used,
            revoked: link.revoked,
        })
        .collect();
    Ok(Json(GuestLinkList { links }))
}

/// `DELETE /api/rooms/{id}/guest-links/{link}`: whoever came by it is out as soon as their session is looked at.
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path((id, link)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let link: LinkId = link.parse().map_err(|_| Problem::NotFound)?;
    let permit = ask(&api, &principal, &id, ManageGuestLinks).await?;
    api.state
        .store
        .revoke_guest_link(principal.org, permit.room(), link, api.state.clock.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
