//! What the stories share: a real server as a child process on a free port, accounts and rooms made over its real
//! interfaces, and a WebSocket client that speaks the protocol. It uses nothing of the server's own code.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

pub(crate) mod key;
pub(crate) mod needles;
pub(crate) mod server;
pub(crate) mod socket;

use serde_json::Value;

/// The text under a key.
pub(crate) fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no `{key}` in {value}"))
        .to_owned()
}
