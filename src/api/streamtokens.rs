//! Tokens for streams that come into a room or go out of it over HTTP (WHIP and WHEP): made, listed and taken back by its owner
//! and hosts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use conclave_policy::actions::ManageStreamTokens;
use conclave_policy::source::{Source, StreamKind};
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{ask, look_at};
use crate::api::router::Api;
use crate::auth::name::DisplayName;
use crate::auth::streamtoken::Wanted;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::StreamTokenId;

/// The longest time in which a stream may begin with a token: 30 days.
const LONGEST: u32 = 30 * 24;
/// Tokens made by one request.
const MOST_AT_ONCE: u16 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokens {
    /// Which way the stream goes.
    kind: StreamKind,
    /// What it is called in the room.
    label: Text<1024>,
    /// For how long it may begin.
    expires_in_hours: u32,
    /// What its picture is: a camera (if left out) or a screen.
    #[serde(default)]
    picture: Option<Source>,
    /// How many tokens, with numbered names; one if left out.
    #[serde(default)]
    count: Option<u16>,
}

/// A token that was just made; it is not shown again.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct StreamTokenMade {
    #[cfg_attr(test, ts(type = "string"))]
    id: StreamTokenId,
    label: String,
    token: String,
    #[cfg_attr(test, ts(type = "number"))]
    expires: Timestamp,
}

/// The tokens that were just made, and where they are used.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct StreamTokensMade {
    path: String,
    tokens: Vec<StreamTokenMade>,
}

/// A token as hosts see it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct StreamTokenView {
    #[cfg_attr(test, ts(type = "string"))]
    id: StreamTokenId,
    kind: StreamKind,
    label: String,
    picture: Source,
    #[cfg_attr(test, ts(type = "number"))]
    made: Timestamp,
    #[cfg_attr(test, ts(type = "number"))]
    expires: Timestamp,
    #[cfg_attr(test, ts(type = "number | null"))]
    used: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "number | null"))]
    revoked: Option<Timestamp>,
}

/// The tokens of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct StreamTokenList {
    tokens: Vec<StreamTokenView>,
}

/// `POST /api/rooms/{id}/stream-tokens`.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<NewTokens>,
) -> Result<(StatusCode, Json<StreamTokensMade>), Problem> {
    let wanted = wanted(&body)?;
    let permit = ask(&api, &principal, &id, ManageStreamTokens).await?;
    let path = match body.kind {
        StreamKind::Source => format!("/whip/{}", permit.room()),
        StreamKind::Viewer => format!("/whep/{}", permit.room()),
    };
    let made = api
        .state
        .auth
        .create_stream_tokens(permit, principal.org, wanted)
        .await?;
    let tokens = made.into_iter().map(|made| StreamTokenMade {
        id: made.id,
        label: made.label,
        token: made.secret.expose().clone(),
        expires: made.expires,
    });
    let made = StreamTokensMade {
        path,
        tokens: tokens.collect(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /api/rooms/{id}/stream-tokens`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<StreamTokenList>, Problem> {
    let permit = look_at(&api, &principal, &id, ManageStreamTokens).await?;
    let tokens = api
        .state
        .store
        .stream_tokens(principal.org, permit.room())
        .await?;
    let tokens = tokens.into_iter().map(|token| StreamTokenView {
        id: token.id,
        kind: token.kind,
        label: token.label.expose().clone(),
        picture: if token.screen {
            Source::Screen
        } else {
            Source::Camera
        },
        made: token.made,
        expires: token.expires,
        used: token.used,
        revoked: token.revoked,
    });
    Ok(Json(StreamTokenList {
        tokens: tokens.collect(),
    }))
}

/// `DELETE /api/rooms/{id}/stream-tokens/{token}`: the stream that came by it is out when this is answered.
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path((id, token)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let token: StreamTokenId = token.parse().map_err(|_| Problem::NotFound)?;
    let permit = ask(&api, &principal, &id, ManageStreamTokens).await?;
    let room = permit.room();
    api.state
        .store
        .revoke_stream_token(principal.org, room, token, api.state.clock.now())
        .await?;
    api.state.rooms.stream_token_revoked(room, token).await;
    Ok(StatusCode::NO_CONTENT)
}

fn wanted(body: &NewTokens) -> Result<Wanted, Problem> {
    if !(1..=LONGEST).contains(&body.expires_in_hours) {
        return Err(Problem::InvalidValue);
    }
    let screen = match body.picture {
        None | Some(Source::Camera) => false,
        Some(Source::Screen) if body.kind == StreamKind::Source => true,
        Some(_) => return Err(Problem::InvalidValue),
    };
    let name = |text: &str| DisplayName::parse(text).map_err(Problem::InvalidName);
    let label = name(body.label.as_str())?;
    let labels = match body.count {
        None => vec![label],
        Some(count @ 1..=MOST_AT_ONCE) => (1..=count)
            .map(|number| name(&format!("{} {number}", label.as_str())))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Problem::InvalidValue),
    };
    Ok(Wanted {
        kind: body.kind,
        screen,
        labels,
        lasts: Duration::from_secs(u64::from(body.expires_in_hours) * 3600),
    })
}
