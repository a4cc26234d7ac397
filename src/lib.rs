//! Conclave: a moderated meeting server in which nobody is heard, seen or let in without a permit.
//!
//! The parts and the direction of their imports are in `docs/architecture.md`.

pub mod api;
pub mod auth;
pub mod bounded;
pub mod captioner;
pub mod chat;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod guard;
pub mod ids;
pub mod likeness;
pub mod mail;
pub mod media;
mod outbound;
pub mod rooms;
pub mod secret;
pub mod server;
pub mod speech;
pub mod store;
pub mod telemetry;
pub mod udp;
pub mod webhooks;
