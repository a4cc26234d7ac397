//! Sign-in by providers: who there is, the way there and back, and the identities of an account. Pages only: a program has no
//! browser to send away.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::actions::Action;
use conclave_policy::facts::{Facts, SecondFactor};
use conclave_policy::own::{LinkIdentity, UnlinkIdentity};
use conclave_policy::permit::Permit;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Newcomer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, role_outside};
use crate::api::router::Api;
use crate::api::sessions::{begin, owned, set_cookie};
use crate::auth::error::AuthError;
use crate::auth::identity::{Leaving, Returned, Returning, Sent};
use crate::auth::principal::Principal;
use crate::auth::request::{self, Caller};
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::guard::NO_ROOM;
use crate::ids::IdentityId;
use crate::secret::Secret;
use crate::store::error::StoreError;

/// A provider as its button shows it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct ProviderView {
    /// What it is called in addresses.
    id: String,
    /// What it is called.
    name: String,
    /// Which protocol it speaks: `openid`, `google` or `facebook`.
    kind: &'static str,
}

/// The providers.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct ProviderList {
    providers: Vec<ProviderView>,
    /// The domain that passkeys are for; null where there are none.
    passkeys: Option<String>,
    /// Whether a forgotten password can be changed by mail.
    reset: bool,
}

/// Where the page goes next.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct ProviderAddress {
    address: String,
}

/// Someone is back.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct ProviderReturn {
    /// Where to go on: a path of ours.
    next: String,
    /// Whether an identity was linked, and not a session begun.
    linked: bool,
}

/// An identity elsewhere that stands for the caller's account.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct LinkedIdentity {
    #[cfg_attr(test, ts(type = "string"))]
    id: IdentityId,
    /// The provider, by its name in addresses.
    provider: String,
    /// Whether it is the only way into the account.
    only_way: bool,
    #[cfg_attr(test, ts(type = "number"))]
    linked: Timestamp,
    #[cfg_attr(test, ts(type = "number | null"))]
    used: Option<Timestamp>,
}

/// The identities of the caller's account.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct LinkedIdentities {
    identities: Vec<LinkedIdentity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    #[serde(default)]
    next: Option<Text<256>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaveToLink {
    password: Secret<Text<1024>>,
    #[serde(default)]
    next: Option<Text<256>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    state: Text<128>,
    code: Secret<Text<4096>>,
    #[serde(default)]
    iss: Option<Text<256>>,
}

/// `GET /api/providers`: for whoever looks at the sign-in page.
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<ProviderList>, Problem> {
    let providers = api.state.auth.providers().await?;
    let providers = providers.iter().map(|provider| ProviderView {
        id: provider.settings().id.clone(),
        name: provider.settings().name.clone(),
        kind: provider.settings().kind.as_str(),
    });
    Ok(Json(ProviderList {
        providers: providers.collect(),
        passkeys: api.state.auth.passkey_domain().map(str::to_owned),
        reset: api.state.auth.sends_mail(),
    }))
}

/// `POST /api/providers/{provider}/sign-in`: begins the way there.
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Strict(body): Strict<Leave>,
) -> Result<Response, Problem> {
    let origin = page(&newcomer, &headers)?;
    let leaving = Leaving {
        provider: &provider,
        origin,
        next: body.next.as_ref().map(Text::as_str),
        link: None,
        address: newcomer.address,
    };
    let sent = api.state.auth.leave(leaving).await;
    sent.map(away)
        .map_err(|error| refused(&api, &newcomer, error))
}

/// `POST /api/providers/{provider}/link`: begins the way there for someone signed in, who gives their password again.
pub(super) async fn link(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Strict(body): Strict<LeaveToLink>,
) -> Result<Response, Problem> {
    let origin = page(&newcomer, &headers)?;
    let (auth, password) = (&api.state.auth, owned(&body.password));
    // The proof of the key that this request brings is the proof of the session's key.
    let carried = request::token(&headers).ok_or(Problem::SignedOut)?;
    let principal = auth.bound_to(carried.text(), newcomer.key).await;
    let principal = principal.map_err(|error| {
        api.copied(newcomer.address, error);
        Problem::from(error)
    })?;
    auth.prove_again(
        &principal,
        &password,
        newcomer.device.as_ref(),
        newcomer.address,
    )
    .await
    .map_err(|error| {
        api.turned_away(newcomer.address, "link_identity", error);
        match error {
            AuthError::Refused => Problem::SignInRefused,
            other => other.into(),
        }
    })?;
    let leaving = Leaving {
        provider: &provider,
        origin,
        next: body.next.as_ref().map(Text::as_str),
        link: Some(&principal),
        address: newcomer.address,
    };
    let sent = auth.leave(leaving).await;
    sent.map(away)
        .map_err(|error| refused(&api, &newcomer, error))
}

/// `POST /api/providers/{provider}/return`: ends the way back. Whatever comes of it, the browser's half is used up.
pub(super) async fn come_back(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Strict(body): Strict<Back>,
) -> Response {
    let mut response = match finish(&api, &newcomer, &headers, &provider, &body).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    set_cookie(&mut response, &request::no_away_cookie());
    response
}

async fn finish(
    api: &Api,
    newcomer: &Newcomer,
    headers: &HeaderMap,
    provider: &str,
    body: &Back,
) -> Result<Response, Problem> {
    let origin = page(newcomer, headers)?;
    let auth = &api.state.auth;
    let session = match request::token(headers) {
        Some(carried) => {
            let bound = auth.bound_to(carried.text(), newcomer.key).await;
            bound
                .inspect_err(|error| api.copied(newcomer.address, *error))
                .ok()
        }
        None => None,
    };
    let away = request::away(headers);
    let returning = Returning {
        provider,
        origin,
        state: body.state.as_str(),
        code: body.code.expose().as_str(),
        iss: body.iss.as_ref().map(Text::as_str),
        away: away.as_ref(),
        key: newcomer.key,
        session: session.as_ref(),
        address: newcomer.address,
    };
    let returned = auth.come_back(returning).await;
    match returned.map_err(|error| refused(api, newcomer, error))? {
        Returned::SignedIn { signed_in, next } => {
            let begun = begin(api, Caller::Page, *signed_in, &newcomer.seen).await?;
            let view = ProviderReturn {
                next,
                linked: false,
            };
            let mut response = Json(view).into_response();
            for cookie in begun.headers().get_all(header::SET_COOKIE) {
                response
                    .headers_mut()
                    .append(header::SET_COOKIE, cookie.clone());
            }
            Ok(response)
        }
        Returned::ToLink { pair, next } => {
            let principal = session.ok_or(Problem::ProviderRefused)?;
            let action = LinkIdentity {
                identity: pair.identity(),
            };
            let permit = ask(api, &principal, action).await?;
            auth.link(permit, principal.org, pair)
                .await
                .map_err(|error| refused(api, newcomer, error))?;
            let view = ProviderReturn { next, linked: true };
            Ok(Json(view).into_response())
        }
    }
}

/// `GET /api/identities`.
pub(super) async fn identities(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<LinkedIdentities>, Problem> {
    let account = principal.account().ok_or(Problem::NotFound)?;
    let found = api.state.store.identities(principal.org, account).await?;
    let identities = found.into_iter().map(|found| LinkedIdentity {
        id: found.id,
        provider: found.provider,
        only_way: found.made_account,
        linked: found.linked,
        used: found.used,
    });
    Ok(Json(LinkedIdentities {
        identities: identities.collect(),
    }))
}

/// `DELETE /api/identities/{identity}`: sessions that came by it are over with it.
pub(super) async fn unlink(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(identity): Path<String>,
) -> Result<StatusCode, Problem> {
    let identity: IdentityId = identity.parse().map_err(|_| Problem::NotFound)?;
    let account = principal.account().ok_or(Problem::NotFound)?;
    let permit = ask(&api, &principal, UnlinkIdentity { identity }).await?;
    let unlinked = api.state.auth.unlink(permit, principal.org, account);
    match unlinked.await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::Conflict) => Err(Problem::NotAllowed),
        Err(error) => Err(error.into()),
    }
}

/// The origin of the page that asks; what is no page is turned away.
fn page<'a>(newcomer: &Newcomer, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::to_str);
    match (newcomer.caller, origin) {
        (Caller::Page, Some(Ok(origin))) => Ok(origin),
        _ => Err(Problem::WrongOrigin),
    }
}

fn away(sent: Sent) -> Response {
    let view = ProviderAddress {
        address: sent.address,
    };
    let mut response = Json(view).into_response();
    let cookie = request::away_cookie(&sent.away, sent.lifetime);
    set_cookie(&mut response, &cookie);
    response
}

/// One answer, whatever was wrong.
fn refused(api: &Api, newcomer: &Newcomer, error: AuthError) -> Problem {
    api.turned_away(newcomer.address, "sign_in_by_provider", error);
    match error {
        AuthError::TooMany { retry_after } => Problem::RateLimited(retry_after),
        AuthError::Unavailable => Problem::Unavailable,
        _ => Problem::ProviderRefused,
    }
}

/// How it stands with the second factor where one's own ways in are concerned: an account without a passkey makes its first one with
/// what it has, and from then on who has not shown one makes no other.
async fn own_factor(api: &Api, principal: &Principal) -> Result<SecondFactor, Problem> {
    let factor = principal.second_factor();
    match (factor, principal.account()) {
        (SecondFactor::Missing, Some(account)) => {
            let has = api.state.store.has_passkeys(principal.org, account).await?;
            Ok(if has { factor } else { SecondFactor::Proved })
        }
        _ => Ok(factor),
    }
}

pub(super) async fn ask<A: Action>(
    api: &Api,
    principal: &Principal,
    action: A,
) -> Result<Permit<A>, Problem> {
    let facts = Facts::new()
        .with(principal.org_admin())
        .with(own_factor(api, principal).await?);
    let role = role_outside(principal, None);
    let (org, actor) = (principal.org, principal.actor());
    let guard = &api.state.guard;
    let (permit, audit) = guard.ask(org, actor, role, NO_ROOM, &facts, action);
    durable(api, permit, audit, Problem::NotAllowed).await
}
