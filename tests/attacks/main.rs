//! Attacks over the real interfaces, by a hostile client: HTTPS, WebSocket and UDP of a real server, nothing of its code.
//! Each test is named by the code of the attack that it makes.
//!
//! Not made here, because what they attack is not built: reactions, captions, polls and streams (W02, W03).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[path = "../common/mod.rs"]
mod common;

mod canary;
mod chat;
mod control;
mod cuts;
mod door;
mod durable;
mod embed;
mod factor;
mod media;
#[path = "../common/media_client.rs"]
#[expect(dead_code, reason = "other tests use more of this client")]
mod media_client;
mod network;
mod oauth;
mod ownproviders;
#[path = "../common/passkey.rs"]
mod passkey;
mod profile;
mod program;
mod provider;
mod raw;
mod relay;
mod revocation;
mod rotation;
#[path = "../common/tcp_client.rs"]
#[expect(dead_code, reason = "other tests use more of this client")]
mod tcp_client;
mod tokens;
mod trail;
mod turn_client;
mod waiting;
mod ways;
mod whip;
