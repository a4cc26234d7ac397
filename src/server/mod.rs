//! Puts the parts together: certificates, listeners, routes, metrics, and the order in which things start and stop.

mod captions;
pub mod certificate;
pub mod compose;
pub mod emergency;
pub mod factor;
pub mod heads;
pub mod listener;
pub mod models;
pub mod patience;
pub mod people;
pub mod policy;
pub mod programs;
pub mod proxy;
pub mod rules;
mod running;
pub mod storage;
mod watched;
pub mod web;
