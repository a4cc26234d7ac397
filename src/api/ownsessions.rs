//! The sessions of the own account: where it is signed in, and signing out there.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Json;
use conclave_policy::own::EndOwnSessions;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::providers::ask;
use crate::api::router::Api;
use crate::auth::request::ClientAddr;
use crate::auth::seen::Seen;
use crate::auth::token::TokenId;
use crate::clock::Timestamp;
use crate::store::error::StoreError;

/// A session as its holder sees it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "OwnSession"))]
pub(super) struct OwnSessionView {
    #[cfg_attr(test, ts(type = "string"))]
    id: TokenId,
    /// On what, as far as the client says so itself: `Firefox on Linux`, or what a program calls itself.
    device: String,
    /// From where it was used last; null where the server does not keep that.
    place: Option<String>,
    /// When its holder signed in.
    #[cfg_attr(test, ts(type = "number"))]
    began: Timestamp,
    /// When it was renewed last, which a page in use does every quarter of an hour.
    #[cfg_attr(test, ts(type = "number"))]
    used: Timestamp,
    /// Whether it is the one that asks.
    this: bool,
}

/// Where the caller is signed in.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct OwnSessions {
    /// The one used last first.
    sessions: Vec<OwnSessionView>,
}

/// What can be seen of whoever makes a request that begins or renews a session.
impl FromRequestParts<Arc<Api>> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Arc<Api>) -> Result<Self, Problem> {
        let ClientAddr(address) = *parts
            .extensions
            .get::<ClientAddr>()
            .ok_or(Problem::Unavailable)?;
        let said = parts.headers.get(header::USER_AGENT);
        Ok(Self::new(said.and_then(|said| said.to_str().ok()), address))
    }
}

/// `GET /api/sessions`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<OwnSessions>, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    let found = api.state.auth.own_sessions(&principal, account).await?;
    let sessions = found.into_iter().map(|found| {
        let id = TokenId::from(found.token);
        let place = found.place.expose();
        OwnSessionView {
            id,
            device: found.device.expose().clone(),
            place: (!place.is_empty()).then(|| place.clone()),
            began: found.began,
            used: found.used,
            this: id == principal.token_id,
        }
    });
    Ok(Json(OwnSessions {
        sessions: sessions.collect(),
    }))
}

/// `DELETE /api/sessions/{session}`: whatever is open by it is over at once.
pub(super) async fn end(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(session): Path<String>,
) -> Result<StatusCode, Problem> {
    let bytes = BASE64URL_NOPAD.decode(session.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let session = TokenId::from(bytes.ok_or(Problem::NotFound)?);
    principal.account().ok_or(Problem::NotFound)?;
    let permit = ask(&api, &principal, EndOwnSessions).await?;
    let ended = api.state.auth.end_own_session(permit, &principal, session);
    match ended.await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::Missing) => Err(Problem::NotFound),
        Err(error) => Err(error.into()),
    }
}
