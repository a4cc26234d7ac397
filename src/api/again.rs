//! Proving once more that one is the holder of the session, before something changes the ways into an account.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::Changer;
use crate::api::passkeys::CeremonyView;
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::sessions::owned;
use crate::auth::error::AuthError;
use crate::auth::passkeys::Asserted;
use crate::auth::principal::Principal;
use crate::auth::request::{self, ClientAddr};
use crate::bounded::Text;
use crate::secret::Secret;

/// The header in which the proof comes.
const HEADER: &str = "conclave-again";

/// The holder of an account's session, who was there within the last minutes.
pub(super) struct Present(pub(super) Principal);

impl FromRequestParts<Arc<Api>> for Present {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let Changer(principal) = Changer::from_request_parts(parts, api).await?;
        there(api, &principal, &parts.headers)?;
        Ok(Self(principal))
    }
}

/// Whether it is an account whose holder was there lately, by their sign-in or by what comes along.
pub(super) fn there(api: &Api, principal: &Principal, headers: &HeaderMap) -> Result<(), Problem> {
    if principal.account().is_none() {
        return Err(Problem::NotAllowed);
    }
    let shown = headers.get(HEADER).and_then(|shown| shown.to_str().ok());
    if api.state.auth.is_recent(principal, shown) {
        Ok(())
    } else {
        Err(Problem::ConfirmFirst)
    }
}

/// Where a request comes from.
pub(super) struct From(pub(super) std::net::IpAddr);

impl FromRequestParts<Arc<Api>> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Arc<Api>) -> Result<Self, Problem> {
        let address = parts.extensions.get::<ClientAddr>();
        address
            .map(|ClientAddr(address)| Self(*address))
            .ok_or(Problem::Unavailable)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    #[serde(default)]
    password: Option<Secret<Text<1024>>>,
    #[serde(default)]
    ceremony: Option<Secret<Text<4096>>>,
    #[serde(default)]
    credential: Option<Asserted>,
}

/// What goes along with the next requests, in the header `Conclave-Again`.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct AgainView {
    again: String,
}

/// `POST /api/again/passkey`: begins to prove it by a passkey.
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
) -> Result<Json<CeremonyView>, Problem> {
    let ceremony = api.state.auth.start_again(&principal).await;
    let ceremony = ceremony.map_err(|error| match error {
        AuthError::Refused => Problem::PasskeyRefused,
        other => other.into(),
    })?;
    Ok(Json(ceremony.into()))
}

/// `POST /api/again`: by the password, or by a passkey.
pub(super) async fn prove(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    From(address): From,
    headers: axum::http::HeaderMap,
    Strict(body): Strict<Proof>,
) -> Result<Json<AgainView>, Problem> {
    let auth = &api.state.auth;
    let (shown, refusal) = match (&body.password, &body.ceremony, &body.credential) {
        (Some(password), None, None) => {
            let (password, device) = (owned(password), request::device(&headers));
            let shown = auth
                .again_by_password(&principal, &password, device.as_ref(), address)
                .await;
            (shown, Problem::SignInRefused)
        }
        (None, Some(ceremony), Some(credential)) => {
            let ceremony = owned(ceremony);
            let shown = auth
                .again_by_passkey(&principal, &ceremony, credential)
                .await;
            (shown, Problem::PasskeyRefused)
        }
        _ => return Err(Problem::BadRequest),
    };
    let shown = shown.map_err(|error| {
        api.turned_away(address, "prove_again", error);
        match error {
            AuthError::Refused => refusal,
            other => other.into(),
        }
    })?;
    Ok(Json(AgainView {
        again: shown.expose().clone(),
    }))
}
