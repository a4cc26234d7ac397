//! WHIP (RFC 9725) and WHEP: outside streams come into a room and go out of it by HTTP and WebRTC alone. A host's token is its
//! admission; every other POST knocks and is told to ask again.
//!
//! Nothing here decides who may come in: it asks the room, as the WebSocket does.

mod refusal;
mod sdp;
mod session;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{patch, post};
use conclave_policy::source::StreamKind;
use tokio::sync::{mpsc, oneshot};

use self::refusal::Refusal;
use self::session::{Answered, Ask, Asked, Beginning};
use crate::api::body;
use crate::api::problem::Problem;
use crate::api::router::guarded;
use crate::auth::error::AuthError;
use crate::auth::limits::{Network, Rate, Rates};
use crate::auth::possession::{self, SESSION_COPIED};
use crate::auth::principal::{Principal, Who};
use crate::auth::request::{self, ClientAddr, Origins};
use crate::auth::session::Auth;
use crate::clock::Clock;
use crate::guard::NO_ROOM;
use crate::ids::{ActorId, RoomId};
use crate::media::offer::LONGEST_SDP;
use crate::rooms::registry::Registry;
use crate::rooms::visitor::Visitor;

/// Requests of one token: it asks again every 5 s, and tells of a few candidates at once.
const PACE: Rate = Rate::new(20, Duration::from_millis(500));
/// Tokens whose pace is remembered.
const PACED: usize = 16_384;
/// Streams that wait or run at a time.
const MOST: usize = 10_000;
/// Requests that wait for one stream.
const QUEUE: usize = 8;
/// A refusal is told this long after the request, so that its time says nothing.
const REFUSAL: Duration = Duration::from_millis(300);
/// Connections of streams are named apart from those of WebSockets.
const NAMES: u64 = 1 << 63;
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What the endpoints work with.
pub struct Streams {
    auth: Arc<Auth>,
    rooms: Arc<Registry>,
    origins: Origins,
    clock: Arc<dyn Clock>,
    arrivals: Mutex<Rates<Network>>,
    pace: Mutex<Rates<u64>>,
    hasher: RandomState,
    running: Mutex<HashMap<Key, mpsc::Sender<Ask>>>,
    next: AtomicU64,
}

/// One stream: that of an identity in a room.
type Key = (RoomId, ActorId);

impl Streams {
    /// `arrivals` is how often one address may begin.
    pub fn new(rooms: Arc<Registry>, origins: Origins, arrivals: Rate) -> Self {
        let means = rooms.means();
        Self {
            auth: means.auth.clone(),
            clock: means.clock.clone(),
            origins,
            arrivals: Mutex::new(Rates::new(arrivals, PACED)),
            pace: Mutex::new(Rates::new(PACE, PACED)),
            hasher: RandomState::new(),
            running: Mutex::default(),
            next: AtomicU64::new(0),
            rooms,
        }
    }

    /// Whether this address may do something more now.
    fn paced(&self, address: IpAddr) -> Result<(), Refusal> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals
            .take(Network::of(address), self.clock.instant())
            .map_err(Refusal::RateLimited)
    }

    /// Whose token a request carries. Only `Authorization` counts: no browser sends one of its own accord.
    async fn principal(&self, sender: &Sender, begins: bool) -> Result<Principal, Refusal> {
        let carried = request::authorization(&sender.headers).ok_or(Refusal::SignedOut)?;
        let bearer = carried.text();
        {
            // Whoever has a copy of the token elsewhere does not use up what its owner may.
            let key = self.hasher.hash_one((bearer, Network::of(sender.address)));
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(key, self.clock.instant())
                .map_err(Refusal::RateLimited)?;
        }
        // A session is five parts with dots between them, and a stream token has none.
        let principal = if bearer.contains('.') {
            let asked = possession::Asked {
                method: sender.method.as_str(),
                path: sender.uri.path(),
                origins: &self.origins,
            };
            self.auth.asks(&carried, &sender.headers, asked).await
        } else {
            self.auth.stream(bearer, begins).await
        };
        principal.map_err(|error| {
            if error == AuthError::Copied {
                let means = self.rooms.means();
                let org = means.store.org();
                means
                    .guard
                    .turned_away(org, sender.address, SESSION_COPIED, NO_ROOM);
            }
            error.into()
        })
    }

    /// The running stream of a key.
    fn find(&self, key: Key) -> Option<mpsc::Sender<Ask>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .get(&key)
            .filter(|stream| !stream.is_closed())
            .cloned()
    }

    /// The running stream of a key, begun if need be: one, however many ask at once.
    fn open(
        self: &Arc<Self>,
        key: Key,
        beginning: impl FnOnce() -> Beginning,
    ) -> Result<mpsc::Sender<Ask>, Refusal> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = running.get(&key).filter(|stream| !stream.is_closed()) {
            return Ok(found.clone());
        }
        if running.len() >= MOST && !running.contains_key(&key) {
            return Err(Refusal::Unavailable);
        }
        let (asks, asked) = mpsc::channel(QUEUE);
        running.insert(key, asks.clone());
        let (streams, beginning) = (self.clone(), beginning());
        tokio::spawn(async move {
            session::run(beginning, asked).await;
            streams.forget(key);
        });
        Ok(asks)
    }

    /// Takes out a stream that has ended; not the one that began in its place.
    fn forget(&self, key: Key) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&key).is_some_and(mpsc::Sender::is_closed) {
            running.remove(&key);
        }
    }
}

/// The routes `/whip` and `/whep`. Every request needs the extension [`ClientAddr`].
pub fn router(streams: Arc<Streams>) -> Router {
    let whip = routes("/whip", StreamKind::Source, streams.clone());
    whip.merge(routes("/whep", StreamKind::Viewer, streams))
}

/// Whoever makes a request, and what it says of itself.
struct Sender {
    address: IpAddr,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let address = parts.extensions.get::<ClientAddr>();
        let ClientAddr(address) = *address.ok_or(Refusal::Unavailable)?;
        Ok(Self {
            address,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// One of the two protocols.
struct Endpoint {
    path: &'static str,
    kind: StreamKind,
    streams: Arc<Streams>,
}

fn routes(path: &'static str, kind: StreamKind, streams: Arc<Streams>) -> Router {
    let endpoint = Arc::new(Endpoint {
        path,
        kind,
        streams,
    });
    Router::new()
        .route(path, post(begin_by_token).options(preflight))
        .route(&format!("{path}/{{room}}"), post(begin).options(preflight))
        .route(
            &format!("{path}/{{room}}/{{stream}}"),
            patch(tend).delete(end).options(preflight_stream),
        )
        .method_not_allowed_fallback(async || Refusal::BadMethod)
        .layer(middleware::from_fn_with_state(endpoint.clone(), cross))
        .layer(middleware::map_response(guarded))
        .with_state(endpoint)
}

/// Lets pages of allowed origins read answers, and no others ask anything (the Fetch standard, CORS protocol).
async fn cross(State(endpoint): State<Arc<Endpoint>>, request: Request, next: Next) -> Response {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => None,
        (Some(one), None) if endpoint.streams.origins.admit(Some(one), false) => Some(one.clone()),
        _ => return Refusal::WrongOrigin.into_response(),
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed =
            HeaderValue::from_static("Location, ETag, Link, Retry-After, Accept-Patch, DPoP-Nonce");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

async fn preflight() -> Response {
    options("POST, OPTIONS", Some(SDP))
}

async fn preflight_stream() -> Response {
    options("PATCH, DELETE, OPTIONS", None)
}

fn options(methods: &'static str, accepts: Option<&'static str>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let allowed = HeaderValue::from_static("Authorization, DPoP, Content-Type, If-Match");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    let methods = HeaderValue::from_static(methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
    headers.insert(header::ALLOW, methods);
    match accepts {
        Some(accepts) => headers.insert("accept-post", HeaderValue::from_static(accepts)),
        None => headers.insert("accept-patch", HeaderValue::from_static(FRAGMENT)),
    };
    response
}

/// `POST /whip`, `POST /whep`: the token says which room.
async fn begin_by_token(
    State(endpoint): State<Arc<Endpoint>>,
    sender: Sender,
    body: Body,
) -> Response {
    endpoint.begin(None, &sender, body).await
}

/// `POST /whip/{room}`, `POST /whep/{room}`.
async fn begin(
    State(endpoint): State<Arc<Endpoint>>,
    Path(room): Path<String>,
    sender: Sender,
    body: Body,
) -> Response {
    endpoint.begin(Some(&room), &sender, body).await
}

/// `PATCH` of a stream: candidates, or an ICE restart.
async fn tend(
    State(endpoint): State<Arc<Endpoint>>,
    Path((room, stream)): Path<(String, String)>,
    sender: Sender,
    body: Body,
) -> Response {
    let asked = endpoint.streams.clock.instant();
    let tended = endpoint.tend(&room, stream, &sender, body).await;
    endpoint
        .answer(asked, tended, |answered| match answered {
            Answered::Restarted { fragment, tag } => {
                let kind = [(header::CONTENT_TYPE, FRAGMENT.to_owned())];
                (StatusCode::OK, kind, [(header::ETAG, tag)], fragment).into_response()
            }
            _ => StatusCode::NO_CONTENT.into_response(),
        })
        .await
}

/// `DELETE` of a stream.
async fn end(
    State(endpoint): State<Arc<Endpoint>>,
    Path((room, stream)): Path<(String, String)>,
    sender: Sender,
) -> Response {
    let asked = endpoint.streams.clock.instant();
    let ended = endpoint.end(&room, stream, &sender).await;
    endpoint
        .answer(asked, ended, |_| StatusCode::OK.into_response())
        .await
}

impl Endpoint {
    async fn begin(&self, room: Option<&str>, sender: &Sender, body: Body) -> Response {
        let asked = self.streams.clock.instant();
        let begun = self.try_begin(room, sender, body).await;
        let (room, begun) = match begun {
            Ok((room, answered)) => (Some(room), Ok(answered)),
            Err(refusal) => (None, Err(refusal)),
        };
        self.answer(asked, begun, |answered| match (answered, room) {
            (
                Answered::Begun {
                    sdp,
                    stream,
                    tag,
                    links,
                },
                Some(room),
            ) => {
                let place = format!("{}/{room}/{stream}", self.path);
                let about = [
                    (header::CONTENT_TYPE, SDP.to_owned()),
                    (header::LOCATION, place),
                    (header::ETAG, tag),
                ];
                let patch = [("accept-patch", FRAGMENT)];
                let mut response = (StatusCode::CREATED, about, patch, sdp).into_response();
                for link in links {
                    // An address that no header can carry is none that a client could use.
                    if let Ok(link) = HeaderValue::try_from(link) {
                        response.headers_mut().append(header::LINK, link);
                    }
                }
                response
            }
            _ => Refusal::Unavailable.into_response(),
        })
        .await
    }

    async fn try_begin(
        &self,
        room: Option<&str>,
        sender: &Sender,
        body: Body,
    ) -> Result<(RoomId, Answered), Refusal> {
        let address = sender.address;
        self.streams.paced(address)?;
        let principal = self.streams.principal(sender, true).await?;
        declared_as(&sender.headers, SDP)?;
        let offer = text(body, LONGEST_SDP).await?;
        let room = self.room_of(&principal, room)?;
        let store = &self.streams.rooms.means().store;
        let visitor = Visitor::stream(&principal, self.kind, address, store);
        // The stream may end in this very moment: then the next one answers.
        for _ in 0..2 {
            let stream = self.streams.open((room, visitor.actor), || Beginning {
                rooms: self.streams.rooms.clone(),
                room,
                kind: self.kind,
                principal: principal.clone(),
                address,
                connection: NAMES | self.streams.next.fetch_add(1, Ordering::Relaxed),
            })?;
            let asked = Asked::Begin {
                offer: offer.clone(),
                token: principal.token_id,
            };
            if let Some(answered) = ask(&stream, asked).await {
                return answered.map(|answered| (room, answered));
            }
        }
        Err(Refusal::Unavailable)
    }

    /// The room that a principal may be at the door of: that of the path, or that of its token, and no other.
    fn room_of(&self, principal: &Principal, named: Option<&str>) -> Result<RoomId, Refusal> {
        let named = named.map(|room| room.parse().map_err(|_| Refusal::Refused));
        let room = match (named.transpose()?, &principal.who) {
            (Some(room), _) => room,
            (None, Who::Stream { room, .. }) => *room,
            (None, _) => return Err(Refusal::Refused),
        };
        let other = matches!(principal.who, Who::Stream { kind, .. } if kind != self.kind);
        if principal.is_good_for(room) && !other {
            Ok(room)
        } else {
            Err(Refusal::Refused)
        }
    }

    /// The running stream of whoever asks, if it is one of this room.
    async fn own(&self, room: &str, sender: &Sender) -> Result<mpsc::Sender<Ask>, Refusal> {
        let address = sender.address;
        self.streams.paced(address)?;
        let principal = self.streams.principal(sender, false).await?;
        let room: RoomId = room.parse().map_err(|_| Refusal::NotFound)?;
        let store = &self.streams.rooms.means().store;
        let visitor = Visitor::stream(&principal, self.kind, address, store);
        self.streams
            .find((room, visitor.actor))
            .ok_or(Refusal::NotFound)
    }

    async fn tend(
        &self,
        room: &str,
        stream: String,
        sender: &Sender,
        body: Body,
    ) -> Result<Answered, Refusal> {
        let own = self.own(room, sender).await?;
        declared_as(&sender.headers, FRAGMENT)?;
        let mut conditions = sender.headers.get_all(header::IF_MATCH).iter();
        let condition = match (conditions.next(), conditions.next()) {
            (Some(one), None) => Some(one.to_str().map_err(|_| Refusal::Stale)?.to_owned()),
            (None, _) => None,
            _ => return Err(Refusal::Stale),
        };
        let text = text(body, sdp::LONGEST_FRAGMENT).await?;
        let asked = Asked::Tend {
            stream,
            condition,
            fragment: sdp::fragment(&text).ok_or(Refusal::InvalidOffer)?,
        };
        ask(&own, asked).await.unwrap_or(Err(Refusal::NotFound))
    }

    async fn end(&self, room: &str, stream: String, sender: &Sender) -> Result<Answered, Refusal> {
        let own = self.own(room, sender).await?;
        let asked = Asked::End { stream };
        ask(&own, asked).await.unwrap_or(Err(Refusal::NotFound))
    }

    /// The answer to a request. What would tell whether there is such a room takes as long as any other refusal.
    async fn answer(
        &self,
        asked: std::time::Instant,
        outcome: Result<Answered, Refusal>,
        good: impl FnOnce(Answered) -> Response,
    ) -> Response {
        let refusal = match outcome {
            Ok(answered) => return good(answered),
            Err(refusal) => refusal,
        };
        if refusal != Refusal::Waiting {
            tracing::info!(path = self.path, reason = refusal.code(), "stream.refused");
        }
        if refusal.is_slow() {
            let now = self.streams.clock.instant();
            let passed = now.saturating_duration_since(asked);
            tokio::time::sleep(REFUSAL.saturating_sub(passed)).await;
        }
        refusal.into_response()
    }
}

/// Nothing if the stream ended before it answered.
async fn ask(stream: &mpsc::Sender<Ask>, asked: Asked) -> Option<Result<Answered, Refusal>> {
    let (reply, answer) = oneshot::channel();
    stream.send((asked, reply)).await.ok()?;
    answer.await.ok()
}

/// The body as text of at most so many bytes.
async fn text(body: Body, most: usize) -> Result<String, Refusal> {
    let bytes = body::file(body, most)
        .await
        .map_err(|problem| match problem {
            Problem::TooLarge => Refusal::TooLarge,
            _ => Refusal::InvalidOffer,
        })?;
    String::from_utf8(bytes).map_err(|_| Refusal::InvalidOffer)
}

fn declared_as(headers: &HeaderMap, wanted: &str) -> Result<(), Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return Err(Refusal::NotSdp);
    };
    let essence = only.to_str().ok().and_then(|text| text.split(';').next());
    match essence {
        Some(essence) if essence.trim().eq_ignore_ascii_case(wanted) => Ok(()),
        _ => Err(Refusal::NotSdp),
    }
}
