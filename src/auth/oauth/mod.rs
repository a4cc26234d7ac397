//! Sign-in with what people have elsewhere: OpenID providers by discovery, Google among them, and Facebook.
//!
//! It answers which identity (issuer and subject) was proved, and what its provider says of it. Whose account that is, and
//! what it may do, is decided elsewhere.

mod asking;
pub(crate) mod claims;
pub mod discovered;
mod facebook;
mod openid;
pub mod own;
pub mod provider;
pub mod settings;
