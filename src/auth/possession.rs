//! A session counts only together with the key that it was made for. A copied token, from a cookie or anywhere else, is
//! worth nothing: whoever shows it cannot sign. That somebody tried is kept for its owner.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::PoisonError;

use axum::http::HeaderMap;

use crate::auth::error::AuthError;
use crate::auth::jointoken::was_brought;
use crate::auth::nonces::{Nonce, Unfit};
use crate::auth::principal::Principal;
use crate::auth::proof::{Proof, Thumbprint};
use crate::auth::request::{Carried, Origins};
use crate::auth::session::Auth;
use crate::auth::token::TokenId;
use crate::clock::Timestamp;

/// The header of a proof (RFC 9449, section 4.1).
const HEADER: &str = "dpop";
/// What the audit trail calls it when a session comes without its key.
pub const SESSION_COPIED: &str = "session_copied";
/// Sessions of which copies are remembered; the one that was copied longest ago makes room.
const REMEMBERED: usize = 4096;

/// A request, as a proof has to name it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it came in.
    pub path: &'a str,
    /// The names of this server.
    pub origins: &'a Origins,
}

/// A session that somebody shows. Whose it is, is said once they have proved that it is theirs.
#[derive(Debug)]
pub struct Shown {
    pub(super) principal: Principal,
    pub(super) key: Option<Thumbprint>,
    /// How often it was renewed.
    pub(super) turn: u32,
}

impl Shown {
    /// Whether it came of a join token.
    pub fn was_brought(&self) -> bool {
        was_brought(&self.principal.who)
    }
}

/// Somebody showed a session without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How often.
    pub times: u32,
    /// When they did last.
    pub last: Timestamp,
}

/// What was tried with copies of sessions.
#[derive(Debug, Default)]
pub(super) struct Copies {
    copied: HashMap<TokenId, Copied>,
    /// Sessions that ended because two held them.
    reused: HashSet<TokenId>,
    /// Turns of sessions that were shown.
    turns: HashSet<(TokenId, u32)>,
}

/// Whether it is new. What is too much makes the whole memory begin anew: it only saves work and words.
fn remember<T: Eq + Hash>(memory: &mut HashSet<T>, what: T) -> bool {
    if memory.len() >= REMEMBERED && !memory.contains(&what) {
        memory.clear();
    }
    memory.insert(what)
}

impl Auth {
    /// Who makes a request over HTTP. A session in a cookie is always bound to a key; one in `Authorization` is, if it came
    /// with `DPoP`, and one that was never bound comes as `Bearer`.
    ///
    /// # Errors
    /// `Refused`; `Copied` when the session is good and its key is missing; `NeedsNonce`; `Unavailable`.
    pub async fn asks(
        &self,
        carried: &Carried,
        headers: &HeaderMap,
        asked: Asked<'_>,
    ) -> Result<Principal, AuthError> {
        let shown = self.shown(carried.text()).await?;
        match (carried, shown.key) {
            (Carried::Bearer(_), None) => {}
            (Carried::Cookie(_) | Carried::Bound(_), None) => return Err(AuthError::Refused),
            (_, Some(key)) => {
                let proof = header(headers).and_then(|text| Proof::parse(text).ok());
                let Some(proof) = proof.filter(|proof| proof.key == key) else {
                    return Err(self.copied(&shown.principal));
                };
                let named = match carried {
                    Carried::Cookie(_) => true,
                    Carried::Bound(token) => proof.names(token.expose()),
                    // RFC 9449, section 7.1: a bound token is never taken as a mere bearer's.
                    Carried::Bearer(_) => false,
                };
                if !named {
                    return Err(AuthError::Refused);
                }
                self.fits(&proof, asked)?;
            }
        }
        self.taken_into_use(&shown);
        Ok(shown.principal)
    }

    /// Whoever opens a WebSocket with a bound session signs this before anything else.
    pub fn challenge(&self, shown: &Shown) -> Option<Nonce> {
        shown
            .key
            .is_some()
            .then(|| self.nonces.make(self.clock.instant()))
    }

    /// The answer to a challenge; none is needed where none was made.
    ///
    /// # Errors
    /// `Refused`, or `Copied` when it is not signed with the session's key.
    pub fn answers(
        &self,
        shown: Shown,
        proof: Option<&str>,
        asked: Asked<'_>,
    ) -> Result<Principal, AuthError> {
        match (shown.key, proof) {
            (None, None) => {}
            (None, Some(_)) => return Err(AuthError::Refused),
            (Some(key), proof) => {
                let proof = proof.and_then(|text| Proof::parse(text).ok());
                let Some(proof) = proof.filter(|proof| proof.key == key) else {
                    return Err(self.copied(&shown.principal));
                };
                self.fits(&proof, asked)?;
            }
        }
        self.taken_into_use(&shown);
        Ok(shown.principal)
    }

    /// The key that a session is to be bound to, if the request that begins it brings one.
    ///
    /// # Errors
    /// `NeedsNonce`, or `Refused` when what it brings is no proof for this request.
    pub fn brings_key(
        &self,
        headers: &HeaderMap,
        asked: Asked<'_>,
    ) -> Result<Option<Thumbprint>, AuthError> {
        if !headers.contains_key(HEADER) {
            return Ok(None);
        }
        let proof = header(headers).and_then(|text| Proof::parse(text).ok());
        let proof = proof.ok_or(AuthError::Refused)?;
        self.fits(&proof, asked)?;
        Ok(Some(proof.key))
    }

    /// What others have tried with a copy of this session.
    pub fn copies(&self, principal: &Principal) -> Option<Copied> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.copied.get(&principal.token_id).copied()
    }

    /// Whether a proof speaks of this request, and for the first time.
    fn fits(&self, proof: &Proof, asked: Asked<'_>) -> Result<(), AuthError> {
        if proof.method != asked.method || !asked.origins.address(&proof.address, asked.path) {
            return Err(AuthError::Refused);
        }
        self.nonces
            .spend(proof, self.clock.instant())
            .map_err(|unfit| match unfit {
                Unfit::Stale(nonce) => AuthError::NeedsNonce(nonce),
                Unfit::Used => AuthError::Refused,
            })
    }

    pub(super) fn copied(&self, principal: &Principal) -> AuthError {
        self.was_copied(principal.token_id)
    }

    pub(super) fn was_copied(&self, session: TokenId) -> AuthError {
        let now = self.clock.now();
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.note(session, now);
        AuthError::Copied
    }

    /// Two hold this session: whoever shows it is told why it is over.
    pub(super) fn was_reused(&self, session: TokenId) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut copies.reused, session);
    }

    pub(super) fn is_reused(&self, session: TokenId) -> bool {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.reused.contains(&session)
    }

    /// Whether this turn of a session is shown for the first time, as far as is known.
    pub(super) fn first_of_turn(&self, session: TokenId, turn: u32) -> bool {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        remember(&mut copies.turns, (session, turn))
    }
}

impl Copies {
    fn note(&mut self, token: TokenId, now: Timestamp) {
        if self.copied.len() >= REMEMBERED && !self.copied.contains_key(&token) {
            let oldest = self.copied.iter().min_by_key(|(_, copied)| copied.last);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                self.copied.remove(&oldest);
            }
        }
        let copied = self.copied.entry(token).or_insert(Copied {
            times: 0,
            last: now,
        });
        copied.times = copied.times.saturating_add(1);
        copied.last = now;
    }
}

/// The one proof of a request; with two it has none.
fn header(headers: &HeaderMap) -> Option<&str> {
    let mut proofs = headers.get_all(HEADER).iter();
    match (proofs.next(), proofs.next()) {
        (Some(proof), None) => proof.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
impl Auth {
    /// Whose session it is, for tests of what comes after the proof.
    pub(crate) async fn principal(&self, token: &str) -> Result<Principal, AuthError> {
        Ok(self.shown(token).await?.principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_and_the_memory_of_them_is_bounded() {
        let mut copies = Copies::default();
        let id = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            TokenId::from(bytes)
        };
        copies.note(id(0), Timestamp::from_millis(0));
        copies.note(id(0), Timestamp::from_millis(5));
        let seen = Copied {
            times: 2,
            last: Timestamp::from_millis(5),
        };
        assert_eq!(copies.copied[&id(0)], seen);
        for number in 1..=REMEMBERED {
            copies.note(id(number), Timestamp::from_millis(9));
        }
        assert_eq!(copies.copied.len(), REMEMBERED);
        assert!(!copies.copied.contains_key(&id(0)));
    }
}
