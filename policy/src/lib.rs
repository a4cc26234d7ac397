//! Who may do what. Pure: no socket, no table, no clock.
//!
//! Facts about a request go in, a [`permit::Permit`] or a refusal comes out. The rules are data (`rules.csv`);
//! [`engine`] alone asks the rule engine, once per load, and keeps its answers as an immutable table.

pub mod actions;
pub mod control;
pub mod engine;
pub mod explain;
pub mod facts;
pub mod ids;
pub mod kind;
pub mod levels;
pub mod own;
mod particular;
pub mod permit;
pub mod presets;
pub mod preview;
pub mod roles;
pub mod rules;
pub mod scopes;
pub mod settings;
pub mod source;
pub mod table;
