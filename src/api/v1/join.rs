//! Bringing users of another product in: tokens that the product's server asks for, and their exchange in its page. The page's key is named
//! when the token is made, and proved when it is exchanged: whoever reads the token on its way has nothing. The exchange is the only thing
//! here that a page of others may read.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::control::MakeJoinToken;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::rooms::ask;
use crate::api::router::Api;
use crate::api::sessions::owned;
use crate::api::v1::caller::{At, By, Given};
use crate::api::v1::problem::Refused;
use crate::auth::error::AuthError;
use crate::auth::jointoken::WantedJoin;
use crate::auth::name::DisplayName;
use crate::auth::possession::Asked;
use crate::auth::principal::Who;
use crate::auth::proof::Thumbprint;
use crate::auth::request::ClientAddr;
use crate::auth::session::SignedIn;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::RoomId;
use crate::secret::Secret;

/// Where a token is exchanged, and where what came of it is renewed.
pub(super) const PATHS: [&str; 2] = ["/v1/join", "/v1/join/renew"];
/// What a page of others may send and read there.
const MAY_SEND: &str = "content-type, dpop";
const MAY_READ: &str = "dpop-nonce, retry-after";
/// Seconds for which a browser remembers that. Short: an origin can be taken back.
const REMEMBERED: &str = "60";

/// A user of another product, to be brought to the door of a room.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewJoinToken {
    /// Who it is in the other product: the same each time they come, and nobody else. Only a keyed hash of it is kept.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    external_id: Secret<Text<512>>,
    /// The name that the product vouches for.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    name: Text<1024>,
    /// The most that they may be in the room. Nobody without an account is more than a guest.
    #[serde(default)]
    role: Ceiling,
    /// The thumbprint (RFC 7638) of the key of the page, as its SDK gives it.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{43}$")]
    jkt: Thumbprint,
}

/// The most that someone may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ceiling {
    /// They take part as guests do, as far as the room lets them.
    #[default]
    Guest,
    /// They only watch, whatever a host says.
    Observer,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct JoinTokenMade {
    /// Good for one exchange, in the page whose key was named.
    token: String,
    /// Until when: a minute from now.
    #[schema(value_type = i64)]
    expires: Timestamp,
}

/// A token to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    token: Secret<Text<4096>>,
}

/// A session to be renewed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Going {
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    renewal: Secret<Text<4096>>,
}

/// A session of one room, bound to the key of the page.
#[derive(Serialize, ToSchema)]
pub(super) struct Joined {
    /// What the WebSocket is opened with.
    session: String,
    /// What renews it, once.
    renewal: String,
    /// When the session has to be renewed.
    #[schema(value_type = i64)]
    renews: Timestamp,
    /// When it is over.
    #[schema(value_type = i64)]
    expires: Timestamp,
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    room: RoomId,
    /// The name that others see.
    name: String,
}

/// Makes a token by which one user of the caller's product comes to the door of a room, and no further: waiting room, password, lock and
/// whether guests may come stand as the room has them. For API keys alone.
#[utoipa::path(post, path = "/v1/rooms/{room}/join-tokens", operation_id = "createJoinToken", tag = "join", request_body = NewJoinToken,
    params(("room" = String, Path, description = "The room.")),
    responses((status = 201, description = "The token was made.", body = JoinTokenMade)))]
pub(super) async fn create_join_token(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    Given(body): Given<NewJoinToken>,
) -> Result<(StatusCode, Json<JoinTokenMade>), Refused> {
    let name = DisplayName::parse(body.name.as_str()).map_err(Problem::InvalidName)?;
    let external = owned(&body.external_id);
    let length = external.expose().chars().count();
    if !(1..=128).contains(&length) {
        return Err(Problem::InvalidValue.into());
    }
    let permit = ask(&api, &principal, &id, MakeJoinToken).await?;
    let found = api.state.store.room(principal.org, permit.room()).await?;
    found.ok_or(Problem::NotFound)?;
    let Who::Program {
        key, name: product, ..
    } = principal.who
    else {
        return Err(Problem::NotAllowed.into());
    };
    let wanted = WantedJoin {
        external,
        name,
        by: key,
        product,
        key: body.jkt,
        observes: body.role == Ceiling::Observer,
    };
    let auth = &api.state.auth;
    let (token, expires) = auth
        .create_join_token(&permit, principal.org, wanted)
        .await?;
    let made = JoinTokenMade {
        token: token.expose().clone(),
        expires,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Exchanges a token in the page for which it was made. The header `DPoP` (RFC 9449) carries the proof of the page's key.
#[utoipa::path(post, path = "/v1/join", operation_id = "join", tag = "join", request_body = Exchange, security(()),
    responses((status = 200, description = "A session of the room.", body = Joined)))]
pub(super) async fn join(State(api): State<Arc<Api>>, request: Request) -> Response {
    match embedder(&api, request.headers()).await {
        Ok(origin) => answer(origin, exchanged(&api, request).await),
        Err(refused) => refused.into_response(),
    }
}

async fn exchanged(api: &Arc<Api>, request: Request) -> Result<SignedIn, Refused> {
    let (key, address, Exchange { token }) = proved(api, request).await?;
    let joined = api.state.auth.join(&owned(&token), key, address).await;
    if let Err(error) = &joined {
        api.turned_away(address, "join_token", *error);
    }
    joined.map_err(refused)
}

/// Goes on with a session that came of a token, in the same page.
#[utoipa::path(post, path = "/v1/join/renew", operation_id = "renewJoin", tag = "join", request_body = Going, security(()),
    responses((status = 200, description = "The session, for another while.", body = Joined)))]
pub(super) async fn renew(State(api): State<Arc<Api>>, request: Request) -> Response {
    match embedder(&api, request.headers()).await {
        Ok(origin) => answer(origin, renewed(&api, request).await),
        Err(refused) => refused.into_response(),
    }
}

async fn renewed(api: &Arc<Api>, request: Request) -> Result<SignedIn, Refused> {
    let (key, address, Going { renewal }) = proved(api, request).await?;
    let renewed = api.state.auth.renew_joined(&owned(&renewal), key).await;
    renewed.map_err(|error| {
        api.copied(address, error);
        refused(error)
    })
}

/// Whether a page of others may ask here at all, as its browser wants to know first.
pub(super) async fn may_exchange(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if !headers.contains_key(header::ORIGIN) {
        return Refused(Problem::BadMethod).into_response();
    }
    let origin = match embedder(&api, &headers).await {
        Ok(origin) => origin,
        Err(refused) => return refused.into_response(),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    open(&mut response, origin);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, MAY_SEND),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// One answer for whatever is wrong with what is shown.
fn refused(error: AuthError) -> Refused {
    match error {
        AuthError::Refused | AuthError::Copied | AuthError::Reused => Problem::JoinRefused.into(),
        other => other.into(),
    }
}

fn answer(origin: HeaderValue, outcome: Result<SignedIn, Refused>) -> Response {
    let mut response = match outcome.and_then(view) {
        Ok(joined) => Json(joined).into_response(),
        Err(refused) => refused.into_response(),
    };
    open(&mut response, origin);
    response
}

fn view(signed_in: SignedIn) -> Result<Joined, Refused> {
    let Who::Guest { room, ref name, .. } = signed_in.principal.who else {
        return Err(Problem::Unavailable.into());
    };
    Ok(Joined {
        session: signed_in.token.expose().clone(),
        renewal: signed_in.renewal.expose().clone(),
        renews: signed_in.renews,
        expires: signed_in.principal.expires,
        room,
        name: name.as_str().to_owned(),
    })
}

/// The key that the page proves to hold, where it asks from, and what it shows.
async fn proved<T: DeserializeOwned>(
    api: &Arc<Api>,
    request: Request,
) -> Result<(Thumbprint, std::net::IpAddr, T), Refused> {
    let address = request.extensions().get::<ClientAddr>();
    let ClientAddr(address) = *address.ok_or(Problem::Unavailable)?;
    let asked = Asked {
        method: request.method().as_str(),
        path: request.uri().path(),
        origins: &api.state.origins,
    };
    let key = api.state.auth.brings_key(request.headers(), asked);
    let key = key.map_err(refused)?.ok_or(Problem::ProofRequired)?;
    let Given(body) = Given::from_request(request, api).await?;
    Ok((key, address, body))
}

/// The origin of the page that asks, if its users may come: one of the organisation's, or our own page.
async fn embedder(api: &Api, headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return Err(Problem::WrongOrigin.into());
    };
    if api.state.origins.admit(Some(origin), false) {
        return Ok(origin.clone());
    }
    let text = origin.to_str().map_err(|_| Problem::WrongOrigin)?;
    let store = &api.state.store;
    if store.may_embed(store.org(), text).await? {
        Ok(origin.clone())
    } else {
        Err(Problem::WrongOrigin.into())
    }
}

/// Lets the page of this origin, and no other, read the answer. No cookie ever counts here.
fn open(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(MAY_READ),
    );
}
