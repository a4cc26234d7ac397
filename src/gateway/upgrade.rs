//! `GET /ws`: origin, address and session are checked before a WebSocket exists. A browser can be made to send its
//! cookie from a foreign page, so a cookie counts only together with an allowed origin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::auth::limits::{Network, Rate, Rates};
use crate::auth::possession::Shown;
use crate::auth::request::{ClientAddr, Held, Origins, token};
use crate::auth::session::Auth;
use crate::gateway::counters::Counters;
use crate::gateway::frame;
use crate::gateway::socket;
use crate::rooms::registry::Registry;
use crate::secret::Secret;

/// The subprotocol that a client must name.
pub const PROTOCOL: &str = "conclave.v1";

/// How the second subprotocol of a page of another product begins; its session follows.
const SESSION: &str = "conclave.session.";

/// Where clients connect.
pub(super) const PATH: &str = "/ws";

/// What the gateway works with.
pub struct Gateway {
    /// Sign-in and sessions.
    pub auth: Arc<Auth>,
    /// Running rooms.
    pub rooms: Arc<Registry>,
    /// Where pages may come from.
    pub origins: Origins,
    /// New connections by address.
    pub arrivals: Mutex<Rates<Network>>,
    /// Messages of one connection.
    pub pace: Rate,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// Names connections.
    pub next: AtomicU64,
}

impl Gateway {
    /// A name for a new connection.
    pub fn name(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// The routes of the gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route(PATH, get(upgrade)).with_state(gateway)
}

/// How long a client may take to read one message.
pub const PATIENCE: Duration = Duration::from_secs(5);

async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    Extension(ClientAddr(address)): Extension<ClientAddr>,
    Extension(held): Extension<Held>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let now = gateway.rooms.means().clock.instant();
    let paced = gateway
        .arrivals
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take(Network::of(address), now);
    if paced.is_err() {
        return refuse(&gateway, StatusCode::TOO_MANY_REQUESTS);
    }
    let shown = match shown(&gateway, &headers).await {
        Ok(shown) => shown,
        Err(status) => return refuse(&gateway, status),
    };
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return refuse(&gateway, StatusCode::BAD_REQUEST);
    }
    // Without these bounds an idle connection holds 128 KiB of buffers; with them a few.
    upgrade
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(frame::LARGEST.saturating_mul(2))
        .max_message_size(frame::LARGEST)
        .max_frame_size(frame::LARGEST)
        .on_upgrade(move |stream| socket::serve(stream, gateway, shown, address, held))
}

/// Whose session comes with the request, if it may come from where it does.
async fn shown(gateway: &Gateway, headers: &HeaderMap) -> Result<Shown, StatusCode> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, another) = (origins.next(), origins.next());
    if another.is_some() {
        return Err(StatusCode::FORBIDDEN);
    }
    if let Some(session) = embedded(headers)? {
        let from = origin.ok_or(StatusCode::FORBIDDEN)?;
        if !gateway.origins.admit(origin, false) && !may_embed(gateway, from).await? {
            return Err(StatusCode::FORBIDDEN);
        }
        let shown = gateway.auth.shown(session.expose()).await;
        // Nothing else than what came of a join token comes this way, and never without its key.
        return shown
            .ok()
            .filter(|shown| shown.was_brought() && gateway.auth.challenge(shown).is_some())
            .ok_or(StatusCode::UNAUTHORIZED);
    }
    let token = token(headers).ok_or(StatusCode::UNAUTHORIZED)?;
    if !gateway.origins.admit(origin, token.is_bearer()) {
        return Err(StatusCode::FORBIDDEN);
    }
    let shown = gateway.auth.shown(token.text()).await;
    let shown = shown.map_err(|_| StatusCode::UNAUTHORIZED)?;
    // A page's session is always bound to a key, which is asked for before anything else.
    if !token.is_bearer() && gateway.auth.challenge(&shown).is_none() {
        return Err(StatusCode::UNAUTHORIZED);
    }
    Ok(shown)
}

/// Whether pages of this origin may bring their users in.
async fn may_embed(gateway: &Gateway, origin: &HeaderValue) -> Result<bool, StatusCode> {
    let origin = origin.to_str().map_err(|_| StatusCode::FORBIDDEN)?;
    let store = &gateway.rooms.means().store;
    let found = store.may_embed(store.org(), origin).await;
    found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// The session of a page of another product, in a second subprotocol: such a page has no cookie of ours, and can send nothing else along
/// with an upgrade (RFC 6455, section 4.1).
fn embedded(headers: &HeaderMap) -> Result<Option<Secret<String>>, StatusCode> {
    let named = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let named = named.filter_map(|line| line.to_str().ok());
    let mut sessions = named
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim_matches(' ').strip_prefix(SESSION));
    match (sessions.next(), sessions.next()) {
        (None, _) => Ok(None),
        (Some(session), None) => Ok(Some(Secret::new(session.to_owned()))),
        (Some(_), Some(_)) => Err(StatusCode::UNAUTHORIZED),
    }
}

fn refuse(gateway: &Gateway, status: StatusCode) -> Response {
    gateway.counters.upgrades_refused.inc();
    status.into_response()
}
