//! Puts the parts together: certificates, listeners, routes, metrics, and the order in which things start and stop.

pub mod certificate;
pub mod compose;
pub mod listener;
pub mod patience;
pub mod proxy;
mod running;
pub mod web;
