//! Sign-in with what people have elsewhere: OpenID providers by discovery, Google among them, and Facebook.
//!
//! It answers which identity (issuer and subject) was proved, and what its provider says of it. Whose account that is, and
//! what it may do, is decided elsewhere.

mod address;
pub(crate) mod claims;
mod facebook;
mod fetch;
mod openid;
pub mod provider;
pub mod settings;
