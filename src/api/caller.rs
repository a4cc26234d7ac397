//! Who makes a request, taken before its body is read: origin first, then the session, then the pace.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::auth::error::AuthError;
use crate::auth::limits::Network;
use crate::auth::possession::{Asked, SESSION_COPIED};
use crate::auth::principal::Principal;
use crate::auth::proof::Thumbprint;
use crate::auth::request::{self, Caller, Carried, ClientAddr};
use crate::auth::seen::Seen;
use crate::guard::NO_ROOM;
use crate::secret::Secret;

/// Someone who only reads.
pub(super) struct Reader(pub(super) Principal);

/// Someone who looks at pictures, of which a page shows many at once.
pub(super) struct Viewer(pub(super) Principal);

/// Someone who changes something: from one of our pages, or a program.
pub(super) struct Changer(pub(super) Principal);

/// Someone without a session yet: from one of our pages, or a program.
pub(super) struct Newcomer {
    pub(super) caller: Caller,
    pub(super) address: IpAddr,
    /// The key of the client, which a session is bound to; a page always brings one.
    pub(super) key: Option<Thumbprint>,
    /// What an earlier sign-in left in this browser.
    pub(super) device: Option<Secret<String>>,
    /// What an earlier visit as a guest left in this browser.
    pub(super) guest_device: Option<Secret<String>>,
    /// What its holder will see of a session that begins.
    pub(super) seen: Seen,
}

impl FromRequestParts<Arc<Api>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let carried = request::token(&parts.headers).ok_or(Problem::SignedOut)?;
        let principal = api.whose(&carried, parts).await?;
        api.paced(&principal)?;
        Ok(Self(principal))
    }
}

impl FromRequestParts<Arc<Api>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let carried = request::token(&parts.headers).ok_or(Problem::SignedOut)?;
        let principal = api.whose(&carried, parts).await?;
        let mut pace = api
            .picture_pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pace.take(principal.actor(), api.state.clock.instant())
            .map_err(Problem::RateLimited)?;
        drop(pace);
        Ok(Self(principal))
    }
}

impl FromRequestParts<Arc<Api>> for Changer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let carried = api.carried_by_us(parts, request::token(&parts.headers))?;
        let principal = api.whose(&carried, parts).await?;
        api.paced(&principal)?;
        Ok(Self(principal))
    }
}

impl FromRequestParts<Arc<Api>> for Newcomer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let checked = api.state.origins.check_newcomer(&parts.headers);
        let caller = checked.map_err(|_| Problem::WrongOrigin)?;
        // Without an address no budget holds: whoever accepts connections always gives one.
        let ClientAddr(address) = *parts
            .extensions
            .get::<ClientAddr>()
            .ok_or(Problem::Unavailable)?;
        let key = api
            .state
            .auth
            .brings_key(&parts.headers, api.asked(parts))?;
        // What a page cannot sign for could be copied out of it.
        if caller == Caller::Page && key.is_none() {
            return Err(Problem::ProofRequired);
        }
        Ok(Self {
            caller,
            address,
            key,
            device: request::device(&parts.headers),
            guest_device: request::guest_device(&parts.headers),
            seen: Seen::from_request_parts(parts, api).await?,
        })
    }
}

impl Api {
    /// A session on a request that changes something: from one of our pages, or from a program.
    pub(super) fn carried_by_us(
        &self,
        parts: &Parts,
        carried: Option<Carried>,
    ) -> Result<Carried, Problem> {
        let from_us = self.state.origins.check(&parts.headers, carried.as_ref());
        match (from_us, carried) {
            (Ok(_), Some(carried)) => Ok(carried),
            (Ok(_), None) => Err(Problem::SignedOut),
            // A program without a session: tell it so, rather than speak of origins.
            (Err(_), None) if !parts.headers.contains_key(header::ORIGIN) => {
                Err(Problem::SignedOut)
            }
            (Err(_), _) => Err(Problem::WrongOrigin),
        }
    }

    /// Whose session it is, if whoever shows it holds its key.
    pub(super) async fn whose(
        &self,
        carried: &Carried,
        parts: &Parts,
    ) -> Result<Principal, Problem> {
        if let Some(ClientAddr(address)) = parts.extensions.get() {
            self.paced_by_token(carried, *address)?;
        }
        let asked = self
            .state
            .auth
            .asks(carried, &parts.headers, self.asked(parts));
        asked.await.map_err(|error| {
            if let Some(ClientAddr(address)) = parts.extensions.get() {
                self.copied(*address, error);
            }
            error.into()
        })
    }

    /// A session that came without its key, for the trail.
    pub(super) fn copied(&self, address: IpAddr, error: AuthError) {
        if error == AuthError::Copied {
            let org = self.state.store.org();
            self.state
                .guard
                .turned_away(org, address, SESSION_COPIED, NO_ROOM);
        }
    }

    fn asked<'a>(&'a self, parts: &'a Parts) -> Asked<'a> {
        Asked {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            origins: &self.state.origins,
        }
    }

    /// The pace of one token from one network: verifying a signature costs more than this. Whoever has a copy of the token
    /// elsewhere does not use up what its owner may.
    fn paced_by_token(&self, carried: &Carried, address: IpAddr) -> Result<(), Problem> {
        let key = self.hasher.hash_one((carried.text(), Network::of(address)));
        let mut pace = self
            .shown_pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pace.take(key, self.state.clock.instant())
            .map_err(Problem::RateLimited)
    }

    /// The pace of one identity, whatever its address.
    fn paced(&self, principal: &Principal) -> Result<(), Problem> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.take(principal.actor(), self.state.clock.instant())
            .map_err(Problem::RateLimited)
    }

    /// A sign-in or an invitation that was refused, for the trail.
    pub(super) fn turned_away(&self, address: IpAddr, action: &'static str, error: AuthError) {
        if matches!(error, AuthError::Refused | AuthError::TooMany { .. }) {
            let org = self.state.store.org();
            self.state.guard.turned_away(org, address, action, NO_ROOM);
        }
    }
}
