//! Model files: which are known, and whether a file is one that whisper.cpp may be given. Pure: bytes from a reader in, a
//! verdict out; who opens, hashes and fetches files is the server's command line and the worker.

mod check;
mod known;
mod shape;

pub use check::{Found, ModelFault, check};
pub use known::{Cost, DEFAULT_ADDRESS, KNOWN, Known, Languages, known};

#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;
