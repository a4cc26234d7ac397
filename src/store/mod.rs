//! All SQL of the server. SQLite is the embedded default; statements keep to what PostgreSQL understands too.
//!
//! What is personal is sealed before it reaches a statement, and a write is acknowledged only after its commit.

pub mod accounts;
pub mod audit;
pub mod bars;
mod blind;
pub mod chat;
pub mod database;
pub mod error;
pub mod guestlinks;
pub mod heads;
pub mod identities;
pub mod invitations;
pub mod keyring;
pub mod location;
mod migrate;
pub mod moving;
pub mod owners;
pub mod pictures;
pub mod recall;
pub mod removals;
pub mod reseal;
pub mod retention;
pub mod roles;
pub mod rooms;
mod row;
pub mod seal;
pub mod sessions;
pub mod settings;
mod sql;
pub mod streamtokens;
pub mod trail;
pub mod transcripts;
pub mod verify;
pub mod writer;
