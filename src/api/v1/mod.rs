//! The control API, `/v1`: for other programs, which come with an API key, and for the app's own admin pages, which come with a session.
//! One subject a file. It asks the same guard for the same permits as the rest of the API, and writes the same audit.

mod again;
mod apikeys;
mod caller;
mod embedding;
mod gate;
mod join;
mod members;
mod page;
mod problem;
mod providers;
mod rooms;
mod router;
mod session;
mod settings;
mod tag;
mod trail;
mod webhooks;

pub(super) use gate::Kept;
pub(super) use router::routes;
