//! Passkeys and recovery codes: those of one's account, and sign-in with them. Pages only: a program has no authenticator.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::own::{AddPasskey, MakeRecoveryCodes, RemovePasskey, RenamePasskey};
use serde::{Deserialize, Serialize};

use crate::api::again::Present;
use crate::api::body::Strict;
use crate::api::caller::{Changer, Newcomer, Reader};
use crate::api::problem::Problem;
use crate::api::providers::ask;
use crate::api::router::Api;
use crate::api::sessions::{begin, owned};
use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::passkeys::{Asserted, Attested, Ceremony};
use crate::auth::proof::Thumbprint;
use crate::auth::recovery::{HalfWay, Shown};
use crate::auth::request::Caller;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::PasskeyId;
use crate::secret::Secret;
use crate::store::error::StoreError;

/// What a browser asks its authenticator.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "Ceremony"))]
pub(super) struct CeremonyView {
    /// Comes back with the answer.
    ceremony: String,
    /// The options in the standard's JSON form (WebAuthn, section 5.1.8).
    #[cfg_attr(test, ts(type = "Record<string, unknown>"))]
    options: serde_json::Value,
}

impl From<Ceremony> for CeremonyView {
    fn from(ceremony: Ceremony) -> Self {
        Self {
            ceremony: ceremony.token.expose().clone(),
            options: ceremony.options,
        }
    }
}

/// The password was right, and more is asked for.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct SecondFactorView {
    second_factor: SecondFactorAsked,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct SecondFactorAsked {
    /// Comes back with the answer.
    ceremony: String,
    /// What to ask a passkey; null where only a code helps.
    #[cfg_attr(test, ts(type = "Record<string, unknown> | null"))]
    options: Option<serde_json::Value>,
    /// Whether there are recovery codes left.
    codes: bool,
}

/// A passkey as its owner sees it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct PasskeyView {
    #[cfg_attr(test, ts(type = "string"))]
    id: PasskeyId,
    name: String,
    #[cfg_attr(test, ts(type = "number"))]
    made: Timestamp,
    #[cfg_attr(test, ts(type = "number | null"))]
    used: Option<Timestamp>,
    /// When something else came with what only it can know; it opens nothing since.
    #[cfg_attr(test, ts(type = "number | null"))]
    copied: Option<Timestamp>,
}

/// Passkeys of the caller's account, and how it stands with recovery codes.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct PasskeyList {
    passkeys: Vec<PasskeyView>,
    /// Recovery codes that were not used yet.
    #[cfg_attr(test, ts(type = "number"))]
    codes_left: i64,
    /// When they were made.
    #[cfg_attr(test, ts(type = "number | null"))]
    codes_made: Option<Timestamp>,
    /// When one was used last.
    #[cfg_attr(test, ts(type = "number | null"))]
    code_used: Option<Timestamp>,
}

/// Codes that are shown this once.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RecoveryCodes {
    codes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {
    ceremony: Secret<Text<4096>>,
    credential: Attested,
    name: Text<1024>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: Text<1024>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Used {
    pub(super) ceremony: Secret<Text<4096>>,
    pub(super) credential: Asserted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Factor {
    ceremony: Secret<Text<4096>>,
    #[serde(default)]
    credential: Option<Asserted>,
    #[serde(default)]
    code: Option<Secret<Text<128>>>,
}

/// `GET /api/passkeys`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<PasskeyList>, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    let store = &api.state.store;
    let found = store.passkeys(principal.org, account).await?;
    let recovery = store.recovery(principal.org, account).await?;
    let passkeys = found.into_iter().map(|passkey| PasskeyView {
        id: passkey.id,
        name: passkey.name.expose().clone(),
        made: passkey.made,
        used: passkey.used,
        copied: passkey.regressed,
    });
    Ok(Json(PasskeyList {
        passkeys: passkeys.collect(),
        codes_left: recovery.left,
        codes_made: recovery.made,
        code_used: recovery.used,
    }))
}

/// `POST /api/passkeys/start`: begins to make one.
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
) -> Result<Json<CeremonyView>, Problem> {
    let ceremony = api.state.auth.start_passkey(&principal).await;
    Ok(Json(ceremony.map_err(refusal)?.into()))
}

/// `POST /api/passkeys`: ends it.
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
    Strict(body): Strict<NewPasskey>,
) -> Result<(StatusCode, Json<PasskeyView>), Problem> {
    let auth = &api.state.auth;
    let (ceremony, name) = (owned(&body.ceremony), body.name.as_str());
    let registered = auth
        .registered(&principal, &ceremony, &body.credential, name)
        .await
        .map_err(refusal)?;
    let passkey = registered.passkey();
    let permit = ask(&api, &principal, AddPasskey { passkey }).await?;
    let added = auth.add_passkey(permit, principal.org, registered).await;
    added.map_err(|error| match error {
        AuthError::Busy => Problem::TooMany,
        other => refusal(other),
    })?;
    let view = PasskeyView {
        id: passkey,
        name: name.to_owned(),
        made: api.state.clock.now(),
        used: None,
        copied: None,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// `PATCH /api/passkeys/{passkey}`.
pub(super) async fn rename(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(passkey): Path<String>,
    Strict(body): Strict<Named>,
) -> Result<StatusCode, Problem> {
    let passkey: PasskeyId = passkey.parse().map_err(|_| Problem::NotFound)?;
    let name = DisplayName::parse(body.name.as_str()).map_err(Problem::InvalidName)?;
    let account = principal.account().ok_or(Problem::NotFound)?;
    let permit = ask(&api, &principal, RenamePasskey { passkey }).await?;
    let renamed = api
        .state
        .auth
        .rename_passkey(permit, principal.org, account, &name);
    renamed.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/passkeys/{passkey}`: the sessions that it opened are over, but for the one that asks.
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
    Path(passkey): Path<String>,
) -> Result<StatusCode, Problem> {
    let passkey: PasskeyId = passkey.parse().map_err(|_| Problem::NotFound)?;
    let permit = ask(&api, &principal, RemovePasskey { passkey }).await?;
    let removed = api.state.auth.remove_passkey(permit, &principal);
    match removed.await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::Missing) => Err(Problem::NotFound),
        Err(error) => Err(error.into()),
    }
}

/// `POST /api/recovery-codes`: makes them anew; the earlier ones are over.
pub(super) async fn make_codes(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
) -> Result<(StatusCode, Json<RecoveryCodes>), Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    let permit = ask(&api, &principal, MakeRecoveryCodes).await?;
    let made = api
        .state
        .auth
        .make_recovery_codes(permit, principal.org, account);
    let codes = made.await?;
    let codes = codes.iter().map(|code| code.expose().clone()).collect();
    Ok((StatusCode::CREATED, Json(RecoveryCodes { codes })))
}

/// `POST /api/session/passkey/start`: begins a sign-in.
pub(super) async fn start_sign_in(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Json<CeremonyView>, Problem> {
    only_pages(&newcomer)?;
    let ceremony = api
        .state
        .auth
        .start_passkey_sign_in(newcomer.address, newcomer.key)
        .await;
    Ok(Json(ceremony.map_err(refusal)?.into()))
}

/// `POST /api/session/passkey`: ends it.
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Used>,
) -> Result<Response, Problem> {
    only_pages(&newcomer)?;
    let ceremony = owned(&body.ceremony);
    let from: (IpAddr, Option<Thumbprint>) = (newcomer.address, newcomer.key);
    let signed_in = api
        .state
        .auth
        .sign_in_by_passkey(&ceremony, &body.credential, from)
        .await
        .map_err(|error| {
            api.turned_away(newcomer.address, "sign_in_by_passkey", error);
            refusal(error)
        })?;
    begin(&api, Caller::Page, signed_in, &newcomer.seen).await
}

/// `POST /api/session/factor`: ends a sign-in that a password began.
pub(super) async fn second_factor(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Factor>,
) -> Result<Response, Problem> {
    let ceremony = owned(&body.ceremony);
    let code = body.code.as_ref().map(owned);
    let (shown, refused) = match (&body.credential, &code) {
        (Some(asserted), None) => (Shown::Passkey(asserted), Problem::PasskeyRefused),
        (None, Some(code)) => (Shown::Code(code), Problem::CodeRefused),
        _ => return Err(Problem::BadRequest),
    };
    let signed_in = api
        .state
        .auth
        .show_second_factor(
            &ceremony,
            shown,
            (newcomer.address, newcomer.key),
            newcomer.device.as_ref(),
        )
        .await
        .map_err(|error| {
            api.turned_away(newcomer.address, "second_factor", error);
            match error {
                AuthError::Refused => refused,
                other => other.into(),
            }
        })?;
    begin(&api, newcomer.caller, signed_in, &newcomer.seen).await
}

/// Asks for the second factor after a password that was right.
pub(super) async fn ask_second_factor(
    api: &Api,
    half: HalfWay,
    key: Option<Thumbprint>,
) -> Result<Response, Problem> {
    let asked = api.state.auth.ask_second_factor(half, key).await?;
    let view = SecondFactorView {
        second_factor: SecondFactorAsked {
            ceremony: asked.ceremony.expose().clone(),
            options: asked.options,
            codes: asked.codes,
        },
    };
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

fn only_pages(newcomer: &Newcomer) -> Result<(), Problem> {
    if newcomer.caller == Caller::Page {
        Ok(())
    } else {
        Err(Problem::WrongOrigin)
    }
}

/// One answer, whatever was wrong with a passkey.
pub(super) fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused => Problem::PasskeyRefused,
        other => other.into(),
    }
}
