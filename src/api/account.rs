//! The own account: its address, its password, and the links that lead back into it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Json, Response};
use conclave_policy::own::{ChangeEmail, ChangeOwnPassword, EndOwnSessions};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::api::again::Present;
use crate::api::body::Strict;
use crate::api::caller::{Changer, Newcomer, Reader};
use crate::api::problem::Problem;
use crate::api::providers::ask;
use crate::api::router::Api;
use crate::api::sessions::{begin, owned};
use crate::auth::error::AuthError;
use crate::auth::request::{self, Caller};
use crate::auth::seen::Seen;
use crate::bounded::Text;
use crate::secret::Secret;

/// Wishes for mail that are looked into at a time; the rest are dropped.
static LOOKED_INTO: Semaphore = Semaphore::const_new(16);

/// How the caller's account is reached.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct AccountView {
    /// The address; null for an account that came by a provider and has none.
    email: Option<String>,
    /// Whether it was proved: only then a forgotten password can be changed by mail.
    verified: bool,
    /// Whether this server sends mail.
    mail: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    email: Text<254>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    password: Secret<Text<1024>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    token: Secret<Text<4096>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    token: Secret<Text<4096>>,
    password: Secret<Text<1024>>,
}

/// `GET /api/account`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<AccountView>, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    let contact = api.state.store.contact(principal.org, account).await?;
    let contact = contact.ok_or(Problem::NotFound)?;
    Ok(Json(AccountView {
        verified: contact.verified.is_some(),
        email: contact.reached().map(str::to_owned),
        mail: api.state.auth.sends_mail(),
    }))
}

/// `POST /api/account/verify`: sends a link that proves the address.
pub(super) async fn verify(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
) -> Result<StatusCode, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    if !api.state.auth.sends_mail() {
        return Err(Problem::MailOff);
    }
    let sent = api.state.auth.send_verify(account).await;
    sent.map_err(|error| match error {
        AuthError::Refused => Problem::NotAllowed,
        other => other.into(),
    })?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /api/account/email`: sends a link to another address; the account has it when the link is opened.
pub(super) async fn change_email(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
    Strict(body): Strict<Address>,
) -> Result<StatusCode, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    if !api.state.auth.sends_mail() {
        return Err(Problem::MailOff);
    }
    let permit = ask(&api, &principal, ChangeEmail).await?;
    let changed = api
        .state
        .auth
        .change_email(permit, account, body.email.as_str());
    changed.await?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /api/account/password`: every other session of the account is over, and this one is another.
pub(super) async fn change_password(
    State(api): State<Arc<Api>>,
    Present(principal): Present,
    seen: Seen,
    headers: HeaderMap,
    Strict(body): Strict<NewPassword>,
) -> Result<Response, Problem> {
    let carried = request::token(&headers).ok_or(Problem::SignedOut)?;
    let permit = ask(&api, &principal, ChangeOwnPassword).await?;
    let password = owned(&body.password);
    let changed = api
        .state
        .auth
        .change_password(permit, &principal, carried.text(), &password);
    let caller = if carried.is_bearer() {
        Caller::Program
    } else {
        Caller::Page
    };
    begin(&api, caller, changed.await?, &seen).await
}

/// `POST /api/account/end-others`: every other session of the account is over, and this one is another.
pub(super) async fn end_others(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    seen: Seen,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let carried = request::token(&headers).ok_or(Problem::SignedOut)?;
    let permit = ask(&api, &principal, EndOwnSessions).await?;
    let kept = api
        .state
        .auth
        .end_others(permit, &principal, carried.text());
    let caller = if carried.is_bearer() {
        Caller::Program
    } else {
        Caller::Page
    };
    begin(&api, caller, kept.await?, &seen).await
}

/// `POST /api/reset`: for somebody who forgot their password. The answer is the same whoever it is, and comes before anyone looks.
pub(super) async fn ask_reset(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Address>,
) -> Result<StatusCode, Problem> {
    let auth = api.state.auth.clone();
    if !auth.sends_mail() {
        return Err(Problem::MailOff);
    }
    auth.may_ask_for_mail(newcomer.address)?;
    if let Ok(place) = LOOKED_INTO.try_acquire() {
        tokio::spawn(async move {
            let sent = auth.send_reset(body.email.as_str()).await;
            if let Err(AuthError::Unavailable) = sent {
                tracing::warn!("reset.unavailable");
            }
            drop(place);
        });
    }
    Ok(StatusCode::ACCEPTED)
}

/// `POST /api/reset/finish`: with the link, and a new password. It begins no session.
pub(super) async fn finish_reset(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Reset>,
) -> Result<StatusCode, Problem> {
    let (token, password) = (owned(&body.token), owned(&body.password));
    let reset = api.state.auth.reset(&token, &password, newcomer.address);
    reset.await.map_err(|error| {
        api.turned_away(newcomer.address, "reset_password", error);
        refusal(error)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/verify`: with the link that proves an address.
pub(super) async fn finish_verify(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Link>,
) -> Result<StatusCode, Problem> {
    let token = owned(&body.token);
    let proved = api.state.auth.prove_email(&token, newcomer.address);
    proved.await.map_err(|error| {
        api.turned_away(newcomer.address, "verify_email", error);
        refusal(error)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Refused => Problem::LinkRefused,
        other => other.into(),
    }
}
