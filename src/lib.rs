//! Conclave: a moderated meeting server in which nobody is heard, seen or let in without a permit.
//!
//! The parts and the direction of their imports are in `docs/architecture.md`.

pub mod api;
pub mod auth;
pub mod bounded;
pub mod clock;
pub mod guard;
pub mod ids;
pub mod rooms;
pub mod secret;
pub mod store;
