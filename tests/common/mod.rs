//! What the stories share: a real server as a child process on a free port, accounts and rooms made over its real
//! interfaces, and a WebSocket client that speaks the protocol. It uses nothing of the server's own code.
#![expect(dead_code, reason = "each story uses its own part of this")]

pub mod server;
pub mod socket;

use serde_json::Value;

/// The text under a key.
pub fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no `{key}` in {value}"))
        .to_owned()
}
