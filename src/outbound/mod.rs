//! The one door to addresses that others named: HTTPS only, within limits of size and time, no redirects, and to no internal
//! network unless the operator names the host. Nothing here knows what it is asked for.

pub(crate) mod address;
pub(crate) mod fetch;
pub(crate) mod trust;
