//! The domain: one live session of a room, who is in it and what they may do. `room.rs` is the pure core, `actor.rs`
//! the task around it, `registry.rs` finds or starts it. Nothing here knows a socket or a table.

pub mod actor;
mod callers;
pub mod captions;
pub mod comeback;
mod consent;
pub mod control;
pub mod cues;
pub mod deeds;
pub mod effect;
mod facts;
pub mod floor;
pub mod fuzz;
pub mod identity;
pub mod levels;
pub mod listening;
pub mod lobby;
pub mod outbound;
pub mod outbox;
pub mod person;
pub mod profile;
pub mod projection;
pub mod quality;
pub mod refusal;
pub mod registry;
pub mod request;
pub mod room;
pub mod seat;
pub mod stage;
pub mod standing;
mod streams;
pub mod talk;
pub mod timer;
pub mod view;
pub mod visitor;
mod waiting;

#[cfg(test)]
mod story;
