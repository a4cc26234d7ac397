//! Who someone is: accounts, passwords, invitations, session tokens and the limits on guessing.
//!
//! What a person may do is not decided here.

mod device;
pub mod email;
pub mod error;
pub mod fuzz;
pub mod guesses;
mod guestlink;
pub mod identity;
mod invitation;
pub mod limits;
pub mod name;
pub mod nonces;
pub mod oauth;
pub mod password;
pub mod picture;
pub mod possession;
pub mod principal;
pub mod proof;
pub mod request;
mod rotation;
pub mod session;
pub mod streamtoken;
pub mod token;
