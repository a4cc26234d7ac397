//! Who someone is: accounts, passwords, invitations, session tokens and the limits on guessing.
//!
//! What a person may do is not decided here.

mod again;
pub mod apikey;
mod beginning;
mod compact;
mod device;
pub mod email;
pub mod embedding;
pub mod error;
pub mod fuzz;
pub mod guesses;
mod guestlink;
pub mod identity;
mod invitation;
pub mod jointoken;
pub mod limits;
pub mod name;
pub mod nonces;
pub mod oauth;
pub mod offered;
pub mod passkeys;
pub mod password;
pub mod picture;
pub mod possession;
pub mod principal;
pub mod proof;
pub mod recovery;
mod renewal;
pub mod request;
pub mod reset;
mod rotation;
pub mod seen;
pub mod session;
pub mod streamtoken;
#[cfg(test)]
mod timing;
pub mod token;
pub mod vigil;
