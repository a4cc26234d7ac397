//! The WebSocket gateway: HTTPS to WebSocket, one task per client, strict messages in, a bounded outbox out. It knows
//! rooms only as something to send to; what is permitted is decided behind them.

pub mod counters;
pub mod frame;
pub mod message;
pub mod socket;
pub mod upgrade;
