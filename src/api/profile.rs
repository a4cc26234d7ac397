//! What people come with: their name and their picture. Nothing here reaches into a meeting: a running room hears of it as
//! a wish, and decides by its own rules.

use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::actions::Action;
use conclave_policy::facts::Facts;
use conclave_policy::own::{EditName, EditPicture};
use conclave_policy::permit::Permit;
use serde::{Deserialize, Serialize};

use crate::api::body::{self, Strict};
use crate::api::caller::{Changer, Viewer};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, role_outside};
use crate::api::router::{Api, Lasting};
use crate::api::sessions::Me;
use crate::auth::name::DisplayName;
use crate::auth::picture::{CONTENT_TYPE, Lane, MAX_BYTES, PictureError};
use crate::auth::principal::{Principal, Who};
use crate::bounded::{Text, given};
use crate::guard::NO_ROOM;
use crate::ids::PictureId;
use crate::rooms::view::Profile;
use crate::store::error::StoreError;
use crate::store::pictures::Owner;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edited {
    #[serde(default)]
    name: Option<Text<1024>>,
    #[serde(default, deserialize_with = "given")]
    picture: Option<Option<PictureId>>,
}

/// A picture that was taken in.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct PictureTaken {
    #[cfg_attr(test, ts(type = "string"))]
    picture: PictureId,
}

/// `PUT /api/picture`: a file of at most 2 MiB, drawn anew. It is shown to nobody yet.
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    file: Body,
) -> Result<Json<PictureTaken>, Problem> {
    api.profile_paced(&principal)?;
    let permit = ask(&api, &principal, EditPicture).await?;
    let owner = owner(&principal);
    let lane = if owner.guest {
        Lane::Guests
    } else {
        Lane::Accounts
    };
    // A place first: nobody makes the server hold many files.
    let place = api.painter.place(lane)?;
    let bytes = body::file(file, MAX_BYTES).await?;
    let portrait = place.read(bytes).await?;
    let EditPicture = permit.into_action();
    let now = api.state.clock.now();
    let kept = api
        .state
        .store
        .keep_picture(owner, portrait.as_bytes(), now);
    Ok(Json(PictureTaken {
        picture: kept.await?,
    }))
}

/// `GET /api/pictures/{id}`: for whoever has a session here and was told the name of the picture.
pub(super) async fn picture(
    State(api): State<Arc<Api>>,
    Viewer(principal): Viewer,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: PictureId = id.parse().map_err(|_| Problem::NotFound)?;
    let found = api.state.store.picture(principal.org, id).await?;
    let picture = found.ok_or(Problem::NotFound)?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))];
    let mut response = (kind, picture.expose().clone()).into_response();
    response.extensions_mut().insert(Lasting);
    Ok(response)
}

/// `PATCH /api/me`: what is left out stays as it is.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Strict(edited): Strict<Edited>,
) -> Result<Json<Me>, Problem> {
    let name = edited.name.map(|name| DisplayName::parse(name.as_str()));
    let name = name.transpose().map_err(Problem::InvalidName)?;
    if name.is_none() && edited.picture.is_none() {
        return Err(Problem::InvalidValue);
    }
    api.profile_paced(&principal)?;
    // Both are asked for before either is done.
    let named = match name {
        Some(name) => Some((ask(&api, &principal, EditName).await?, name)),
        None => None,
    };
    let pictured = match edited.picture {
        Some(picture) => Some((ask(&api, &principal, EditPicture).await?, picture)),
        None => None,
    };
    let store = &api.state.store;
    let mut principal = principal;
    if let Some((permit, picture)) = pictured {
        let EditPicture = permit.into_action();
        let shown = store.show_picture(owner(&principal), picture, api.state.clock.now());
        shown.await.map_err(|error| match error {
            // Somebody else's, or none: one answer.
            StoreError::Missing => Problem::InvalidValue,
            other => other.into(),
        })?;
    }
    if let Some((permit, new)) = named {
        let EditName = permit.into_action();
        let org = principal.org;
        // A guest's name is in their session, and policy has refused them.
        let Who::Account { id, name, .. } = &mut principal.who else {
            return Err(Problem::NotAllowed);
        };
        store.rename_account(org, *id, new.as_str()).await?;
        *name = new;
    }
    let me = Me::of(&api, &principal).await?;
    let profile = Profile {
        name: principal.name().as_str().to_owned(),
        picture: me.picture(),
    };
    api.state
        .rooms
        .profile_changed(principal.actor(), profile)
        .await;
    Ok(Json(me))
}

async fn ask<A: Action>(api: &Api, principal: &Principal, action: A) -> Result<Permit<A>, Problem> {
    let (org, actor) = (principal.org, principal.actor());
    let facts = Facts::new().with(principal.org_admin());
    let role = role_outside(principal, None);
    let (permit, audit) = api
        .state
        .guard
        .ask_about(org, actor, role, NO_ROOM, &facts, action, actor);
    durable(api, permit, audit, Problem::NotAllowed).await
}

fn owner(principal: &Principal) -> Owner {
    Owner {
        org: principal.org,
        actor: principal.actor(),
        guest: principal.account().is_none(),
    }
}

impl Api {
    fn profile_paced(&self, principal: &Principal) -> Result<(), Problem> {
        let mut pace = self
            .profile_pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pace.take(principal.actor(), self.state.clock.instant())
            .map_err(Problem::RateLimited)
    }
}

impl From<PictureError> for Problem {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::NotAPicture => Self::InvalidPicture,
            PictureError::TooLarge => Self::TooLarge,
            PictureError::Busy => Self::Busy,
        }
    }
}
