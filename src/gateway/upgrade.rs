//! `GET /ws`: origin, address and session are checked before a WebSocket exists. A browser can be made to send its
//! cookie from a foreign page, so a cookie counts only together with an allowed origin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::auth::limits::{Network, Rate, Rates};
use crate::auth::request::{ClientAddr, Held, Origins, token};
use crate::auth::session::Auth;
use crate::gateway::counters::Counters;
use crate::gateway::frame;
use crate::gateway::socket;
use crate::rooms::registry::Registry;

/// The subprotocol that a client must name.
pub const PROTOCOL: &str = "conclave.v1";

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
    let Some(token) = token(&headers) else {
        return refuse(&gateway, StatusCode::UNAUTHORIZED);
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, another) = (origins.next(), origins.next());
    if another.is_some() || !gateway.origins.admit(origin, token.is_bearer()) {
        return refuse(&gateway, StatusCode::FORBIDDEN);
    }
    let Ok(shown) = gateway.auth.shown(token.text()).await else {
        return refuse(&gateway, StatusCode::UNAUTHORIZED);
    };
    // A page's session is always bound to a key, which is asked for before anything else.
    if !token.is_bearer() && gateway.auth.challenge(&shown).is_none() {
        return refuse(&gateway, StatusCode::UNAUTHORIZED);
    }
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

fn refuse(gateway: &Gateway, status: StatusCode) -> Response {
    gateway.counters.upgrades_refused.inc();
    status.into_response()
}
