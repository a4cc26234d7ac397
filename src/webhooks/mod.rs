//! Tells other programs what happens here, in the form of the Standard Webhooks specification: what to send next and when
//! (`plan.rs`, pure), how it is signed (`signature.rs`, pure), and the task that sends it (`courier.rs`).

pub mod courier;
mod plan;
pub mod settings;
pub mod signature;
