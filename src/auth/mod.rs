//! Who someone is: accounts, passwords, invitations, session tokens and the limits on guessing.
//!
//! What a person may do is not decided here.

pub mod email;
pub mod error;
pub mod fuzz;
pub mod guesses;
pub mod limits;
pub mod name;
pub mod password;
pub mod principal;
pub mod request;
pub mod session;
pub mod token;
