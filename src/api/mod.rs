//! The HTTP control plane: sessions, invitations and rooms. One file per group of endpoints.
//!
//! Nothing here decides: who someone is comes from `auth`, what they may do from the guard.

mod account;
mod again;
mod audit;
mod body;
mod caller;
mod guestlinks;
mod invitations;
mod organisation;
mod ownsessions;
mod passkeys;
pub mod problem;
mod profile;
mod providers;
mod quality;
mod rooms;
pub mod router;
pub mod running;
mod sessions;
mod settings;
mod speech;
mod stepup;
mod streamtokens;
mod transcripts;
mod v1;
pub mod whip;

#[cfg(test)]
mod tests;

pub use router::{ApiState, router};
