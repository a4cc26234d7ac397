//! What an API key can be for, as the control API names it.

/// Every scope of an API key.
pub(crate) const SCOPES: [&str; 13] = [
    "organisation:read",
    "organisation:write",
    "members:read",
    "members:write",
    "rooms:read",
    "rooms:write",
    "guest-links",
    "sessions:read",
    "sessions:control",
    "join",
    "audit:read",
    "webhooks:read",
    "webhooks:write",
];
