//! Runs the media core: sockets, one thread per shard, commands and events. It decides nothing about media and nothing about
//! rights; it moves bytes and keeps order: a command before the next datagram, an answer after the last send.

pub(crate) mod command;
pub(crate) mod link;
pub(crate) mod neighbours;
pub(crate) mod outlet;
pub(crate) mod places;
pub mod plane;
pub(crate) mod port;
pub(crate) mod shard;
pub(crate) mod socket;
pub(crate) mod streams;
pub mod tcp;
pub(crate) mod waiter;
