//! The way into the control API: who comes, at what pace, and what every answer carries. A key comes as a bearer and from no page; a session
//! comes as it does everywhere, and from our own pages where it changes something.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::again::{UnderWay, once};
use crate::api::v1::problem::Refused;
use crate::auth::apikey::MARK;
use crate::auth::error::AuthError;
use crate::auth::limits::{Network, Rate, Rates};
use crate::auth::principal::{Principal, Who};
use crate::auth::request::{self, Carried, ClientAddr};
use crate::guard::NO_ROOM;
use crate::ids::ActorId;

/// Wrong keys of one network: nobody tries many by mistake.
const WRONG: Rate = Rate::new(20, Duration::from_secs(3));
/// Callers, and networks, whose pace is remembered.
const REMEMBERED: usize = 16_384;
/// What there is, and what is left (draft-ietf-httpapi-ratelimit-headers).
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What the control API keeps for itself.
pub(in crate::api) struct Kept {
    pace: Mutex<Rates<ActorId>>,
    wrong: Mutex<Rates<Network>>,
    pub(super) under_way: UnderWay,
    /// Held from the look at a state until its change, where a request names the state.
    pub(super) conditional: tokio::sync::Mutex<()>,
}

impl Kept {
    /// Each caller at this pace.
    pub(in crate::api) fn new(pace: Rate) -> Self {
        Self {
            pace: Mutex::new(Rates::new(pace, REMEMBERED)),
            wrong: Mutex::new(Rates::new(WRONG, REMEMBERED)),
            under_way: UnderWay::default(),
            conditional: tokio::sync::Mutex::default(),
        }
    }

    /// Takes one for this caller: how long to wait if there is none, the pace, and what is left.
    fn take(&self, actor: ActorId, now: Instant) -> (Result<(), Duration>, Rate, u32) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = pace.take(actor, now);
        (taken, pace.rate(), pace.left(&actor, now))
    }
}

/// Lets whoever may call pass on.
pub(super) async fn gate(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let principal = match whose(&api, &parts).await {
        Ok(principal) => principal,
        Err(refused) => return refused.into_response(),
    };
    let (taken, rate, left) = api.v1.take(principal.actor(), api.state.clock.instant());
    let mut response = match taken {
        Err(wait) => Refused(Problem::RateLimited(wait)).into_response(),
        Ok(()) => {
            let changes = parts.method == Method::POST;
            parts.extensions.insert(principal.clone());
            let request = Request::from_parts(parts, body);
            if changes {
                let answered = once(&api, &principal, request, next).await;
                answered.unwrap_or_else(IntoResponse::into_response)
            } else {
                next.run(request).await
            }
        }
    };
    tell(&mut response, rate, left);
    response
}

async fn whose(api: &Api, parts: &Parts) -> Result<Principal, Refused> {
    let carried = request::token(&parts.headers);
    if let Some(Carried::Bearer(bearer)) = &carried
        && bearer.expose().starts_with(MARK)
    {
        // No page ever has a key; and with a cookie beside it nothing is read at all.
        if parts.headers.contains_key(header::ORIGIN) {
            return Err(Problem::WrongOrigin.into());
        }
        return program(api, parts, bearer.expose()).await;
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let carried = if reads {
        carried.ok_or(Problem::SignedOut)?
    } else {
        api.carried_by_us(parts, carried)?
    };
    let principal = api.whose(&carried, parts).await?;
    match principal.who {
        Who::Account { .. } => Ok(principal),
        _ => Err(Problem::NotAllowed.into()),
    }
}

async fn program(api: &Api, parts: &Parts, key: &str) -> Result<Principal, Refused> {
    let ClientAddr(address) = *parts
        .extensions
        .get::<ClientAddr>()
        .ok_or(Problem::Unavailable)?;
    let found = api.state.auth.program(key).await;
    if matches!(found, Err(AuthError::Refused)) {
        let org = api.state.store.org();
        api.state
            .guard
            .turned_away(org, address, "api_key", NO_ROOM);
        // Only what is wrong is slowed down: others on the network go on.
        let mut wrong = api.v1.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong
            .take(Network::of(address), api.state.clock.instant())
            .map_err(Problem::RateLimited)?;
    }
    Ok(found?)
}

fn tell(response: &mut Response, rate: Rate, left: u32) {
    let window = rate.every.saturating_mul(rate.burst).as_secs().max(1);
    let policy = format!("\"caller\";q={};w={window}", rate.burst);
    let missing = rate.burst.saturating_sub(left);
    let full = rate.every.saturating_mul(missing).as_secs();
    let left = format!("\"caller\";r={left};t={full}");
    for (name, value) in [(POLICY, policy), (LEFT, left)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}
