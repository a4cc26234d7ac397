//! The room chat as values: what a text may be, how often someone may write, which numbers messages get, and from which
//! on someone may read them. No socket, table, clock or randomness; what lasts is the store's, who may write is policy's.

pub mod log;
pub mod pace;
pub mod text;
