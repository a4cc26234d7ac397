//! The HTTP control plane. So far it holds only what its endpoints will work with.

use std::sync::Arc;

use axum::Router;

use crate::auth::request::Origins;
use crate::auth::session::Auth;
use crate::guard::Guard;
use crate::rooms::registry::Registry;
use crate::store::database::Store;

/// What the endpoints work with.
pub struct ApiState {
    /// Sign-in and sessions.
    pub auth: Arc<Auth>,
    /// What lasts.
    pub store: Store,
    /// The one door to policy.
    pub guard: Arc<Guard>,
    /// Running rooms.
    pub rooms: Arc<Registry>,
    /// Where pages may come from.
    pub origins: Origins,
}

/// The routes of the control plane.
pub fn router(_state: ApiState) -> Router {
    Router::new()
}
