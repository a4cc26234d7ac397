//! Signing in and out, guests, and who one is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Newcomer, Reader};
use crate::api::passkeys;
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::auth::error::AuthError;
use crate::auth::possession::Copied;
use crate::auth::principal::{Came, Principal, Who};
use crate::auth::request::{self, Caller};
use crate::auth::seen::Seen;
use crate::auth::session::{Attempted, GuestMarks, SignedIn};
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::guard::NO_ROOM;
use crate::ids::{AccountId, GuestId, PictureId, RoomId};
use crate::secret::Secret;

/// Who the caller is.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Me {
    /// Signed in.
    Account {
        /// The account.
        #[cfg_attr(test, ts(type = "string"))]
        id: AccountId,
        /// Its name.
        name: String,
        /// Its picture.
        #[cfg_attr(test, ts(type = "string | null"))]
        picture: Option<PictureId>,
        /// Whether it administers the organisation.
        admin: bool,
        /// Whether it may create rooms.
        may_create_rooms: bool,
        /// How this session stands with the second factor.
        second_factor: FactorView,
        /// What others tried with a copy of this session, and were refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        copied: Option<CopiedView>,
    },
    /// A guest of one room.
    Guest {
        /// The guest.
        #[cfg_attr(test, ts(type = "string"))]
        id: GuestId,
        /// The name they gave.
        name: String,
        /// The picture that they show.
        #[cfg_attr(test, ts(type = "string | null"))]
        picture: Option<PictureId>,
        /// The room.
        #[cfg_attr(test, ts(type = "string"))]
        room: RoomId,
        /// What others tried with a copy of this session, and were refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        copied: Option<CopiedView>,
    },
}

/// How a session stands with the second factor that whoever leads may be asked for.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "SecondFactor"))]
#[serde(rename_all = "snake_case")]
pub(super) enum FactorView {
    /// It was shown.
    Shown,
    /// It was not, and the organisation asks for it.
    Missing,
    /// It was not, and nobody asks.
    NotAsked,
}

impl FactorView {
    const fn of(came: Came) -> Self {
        match came {
            Came {
                second_factor: true,
                ..
            } => Self::Shown,
            Came {
                factor_asked: true, ..
            } => Self::Missing,
            Came { .. } => Self::NotAsked,
        }
    }
}

/// Somebody showed a copy of the session, without its key.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct CopiedView {
    /// How often, since the server started.
    times: u32,
    /// When they did last.
    #[cfg_attr(test, ts(type = "number"))]
    last: Timestamp,
}

impl Me {
    /// Says who it is, with the picture that they come with.
    pub(super) async fn of(api: &Api, principal: &Principal) -> Result<Self, Problem> {
        let store = &api.state.store;
        let picture = store
            .shown_picture(principal.org, principal.actor())
            .await?;
        let copied = api.state.auth.copies(principal);
        let copied = copied.map(|Copied { times, last }| CopiedView { times, last });
        Ok(Self::with(principal, picture, copied))
    }

    /// The picture that they come with.
    pub(super) const fn picture(&self) -> Option<PictureId> {
        match self {
            Self::Account { picture, .. } | Self::Guest { picture, .. } => *picture,
        }
    }

    fn with(principal: &Principal, picture: Option<PictureId>, copied: Option<CopiedView>) -> Self {
        let name = principal.name().as_str().to_owned();
        match principal.who {
            Who::Account {
                id,
                admin,
                may_create_rooms,
                ..
            } => Self::Account {
                id,
                name,
                picture,
                admin,
                may_create_rooms,
                second_factor: FactorView::of(principal.came),
                copied,
            },
            Who::Guest { id, room, .. } => Self::Guest {
                id,
                name,
                picture,
                room,
                copied,
            },
            // A stream token and an API key are no sessions; nobody asks who they are.
            Who::Stream { .. } | Who::Program { .. } => Self::Guest {
                id: (*principal.actor().as_bytes()).into(),
                name,
                picture,
                room: NO_ROOM,
                copied,
            },
        }
    }
}

/// A session that begins. A page gets its token in a cookie, a program reads it here.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct SessionView {
    me: Me,
    /// When the session is over.
    #[cfg_attr(test, ts(type = "number"))]
    expires: Timestamp,
    /// When its token is, unless it is renewed.
    #[cfg_attr(test, ts(type = "number"))]
    renews: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    token: Option<String>,
    /// What renews it, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    renewal: Option<String>,
    /// To be sent along with the next sign-in, so that strangers' wrong guesses do not stand in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    device: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    email: Text<254>,
    password: Secret<Text<1024>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInProgram {
    email: Text<254>,
    password: Secret<Text<1024>>,
    #[serde(default)]
    device: Option<Secret<Text<128>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuestName {
    room: RoomId,
    name: Text<1024>,
    /// The secret of a link that a host made for this guest.
    #[serde(default)]
    link: Option<Secret<Text<128>>>,
    /// For programs: what an earlier visit left, as pages keep it in a cookie.
    #[serde(default)]
    device: Option<Secret<Text<128>>>,
}

/// `POST /api/session`: a page signs in.
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<SignIn>,
) -> Result<Response, Problem> {
    if newcomer.caller == Caller::Program {
        return Err(Problem::WrongOrigin);
    }
    attempt(
        &api,
        &newcomer,
        &body.email,
        &body.password,
        newcomer.device.as_ref(),
    )
    .await
}

/// `POST /api/token`: a program signs in.
pub(super) async fn token(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<SignInProgram>,
) -> Result<Response, Problem> {
    if newcomer.caller == Caller::Page {
        return Err(Problem::WrongOrigin);
    }
    let device = body.device.as_ref().map(owned);
    attempt(
        &api,
        &newcomer,
        &body.email,
        &body.password,
        device.as_ref(),
    )
    .await
}

/// `DELETE /api/session`: ends the session that the request carries.
pub(super) async fn sign_out(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.state.auth.sign_out(&principal).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if request::token(&headers).is_some_and(|carried| !carried.is_bearer()) {
        set_cookie(&mut response, &request::no_session_cookie());
        set_cookie(&mut response, &request::no_renewal_cookie());
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    renewal: Secret<Text<4096>>,
}

/// `POST /api/session/renew`: a page goes on with its session.
pub(super) async fn renew(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let renewal = request::renewal(&headers).ok_or(Problem::SignedOut)?;
    renewed(&api, newcomer, &renewal).await
}

/// `POST /api/token/renew`: a program does.
pub(super) async fn renew_token(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Renewal>,
) -> Result<Response, Problem> {
    if newcomer.caller == Caller::Page {
        return Err(Problem::WrongOrigin);
    }
    renewed(&api, newcomer, &owned(&body.renewal)).await
}

async fn renewed(
    api: &Api,
    newcomer: Newcomer,
    renewal: &Secret<String>,
) -> Result<Response, Problem> {
    let renewed = api.state.auth.renew(renewal, newcomer.key).await;
    let renewed = renewed.map_err(|error| {
        api.copied(newcomer.address, error);
        Problem::from(error)
    })?;
    begin(api, newcomer.caller, renewed, &newcomer.seen).await
}

/// `GET /api/me`.
pub(super) async fn me(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<Me>, Problem> {
    Ok(Json(Me::of(&api, &principal).await?))
}

/// `POST /api/guest`: a session for one room, whether or not there is such a room.
pub(super) async fn guest(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<GuestName>,
) -> Result<Response, Problem> {
    let link = body.link.as_ref().map(owned);
    let device = match newcomer.caller {
        Caller::Page => newcomer.guest_device.clone(),
        Caller::Program => body.device.as_ref().map(owned),
    };
    let marks = GuestMarks {
        device: device.as_ref(),
        link: link.as_ref(),
        key: newcomer.key,
    };
    let signed_in = api
        .state
        .auth
        .guest(body.room, body.name.as_str(), newcomer.address, marks)
        .await
        .map_err(|error| {
            api.turned_away(newcomer.address, "guest_link", error);
            match error {
                AuthError::Refused => Problem::InvitationRefused,
                other => other.into(),
            }
        })?;
    begin(&api, newcomer.caller, signed_in, &newcomer.seen).await
}

async fn attempt(
    api: &Api,
    newcomer: &Newcomer,
    email: &Text<254>,
    password: &Secret<Text<1024>>,
    device: Option<&Secret<String>>,
) -> Result<Response, Problem> {
    let password = owned(password);
    let attempted = Attempted {
        email: email.as_str(),
        password: &password,
        device,
        address: newcomer.address,
        key: newcomer.key,
    };
    match api.state.auth.sign_in(attempted).await {
        Ok(signed_in) => begin(api, newcomer.caller, signed_in, &newcomer.seen).await,
        Err(AuthError::SecondFactor(half)) => {
            passkeys::ask_second_factor(api, half, newcomer.key).await
        }
        Err(error) => {
            api.turned_away(newcomer.address, "sign_in", error);
            Err(match error {
                AuthError::Refused => Problem::SignInRefused,
                other => other.into(),
            })
        }
    }
}

/// Keeps what is seen of a session and hands it over: to a page in a cookie that no script can read, to a program in the body.
pub(super) async fn begin(
    api: &Api,
    caller: Caller,
    signed_in: SignedIn,
    seen: &Seen,
) -> Result<Response, Problem> {
    api.state.auth.see(&signed_in, seen).await?;
    let SignedIn {
        token,
        renewal,
        renews,
        principal,
        device,
        ..
    } = signed_in;
    let me = Me::of(api, &principal).await?;
    let view = |[token, renewal, device]: [Option<String>; 3]| SessionView {
        me,
        expires: principal.expires,
        renews,
        token,
        renewal,
        device,
    };
    match caller {
        Caller::Program => {
            let shown = |secret: &Secret<String>| secret.expose().clone();
            let own = [
                Some(shown(&token)),
                Some(shown(&renewal)),
                device.as_ref().map(shown),
            ];
            Ok(Json(view(own)).into_response())
        }
        Caller::Page => {
            let mut response = Json(view([None, None, None])).into_response();
            let now = api.state.clock.now();
            let lifetime = renews.since(now);
            set_cookie(&mut response, &request::session_cookie(&token, lifetime));
            let lifetime = principal.expires.since(now);
            let cookie = request::renewal_cookie(&renewal, lifetime);
            set_cookie(&mut response, &cookie);
            if let Some(device) = device {
                let cookie = match principal.who {
                    Who::Account { .. } => request::device_cookie(&device),
                    Who::Guest { .. } | Who::Stream { .. } | Who::Program { .. } => {
                        request::guest_device_cookie(&device)
                    }
                };
                set_cookie(&mut response, &cookie);
            }
            Ok(response)
        }
    }
}

pub(super) fn owned<const N: usize>(text: &Secret<Text<N>>) -> Secret<String> {
    Secret::new(text.expose().as_str().to_owned())
}

pub(super) fn set_cookie(response: &mut Response, cookie: &Secret<String>) {
    // Ours are made of base64url and fixed words; a value that is none sets no cookie.
    if let Ok(mut value) = HeaderValue::from_str(cookie.expose()) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
