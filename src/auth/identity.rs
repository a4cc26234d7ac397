//! Identities elsewhere: the way to a provider and back, sign-in by what was proved there, and links between identities and
//! accounts. A link is made only by someone who proves both; an e-mail address proves neither.

use std::net::IpAddr;
use std::time::Duration;

use conclave_policy::own::{LinkIdentity, UnlinkIdentity};
use conclave_policy::permit::Permit;
use data_encoding::BASE64URL_NOPAD;

use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::oauth::claims::{Proven, Standing};
use crate::auth::oauth::provider::{Back, Failure, There};
use crate::auth::oauth::settings::{Accounts, ProviderSettings};
use crate::auth::password::{Lane, Password};
use crate::auth::principal::{Came, Principal, Who};
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn, hash_failed};
use crate::auth::token::{Claims, TokenId};
use crate::clock::Timestamp;
use crate::ids::{AccountId, IdentityId, OrgId};
use crate::secret::{self, Secret};
use crate::store::accounts::{FIRST_EPOCH, NewAccount};
use crate::store::contacts::NOBODYS;
use crate::store::error::StoreError;
use crate::store::identities::{NewIdentity, Rights};

/// How long someone may be away at a provider.
const AWAY: Duration = Duration::from_secs(10 * 60);
/// State, nonce and verifier: 256 bits each, 43 letters, as many as a verifier needs (RFC 7636, section 4.1).
const SECRET_BYTES: usize = 32;
/// Longest place to go on to.
const MAX_NEXT: usize = 128;

/// A wish to go to a provider.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// To which.
    pub provider: &'a str,
    /// The page of ours that asks; they come back to it.
    pub origin: &'a str,
    /// Where to go on afterwards: a path of ours.
    pub next: Option<&'a str>,
    /// Whose account is to be linked; none for a sign-in.
    pub link: Option<&'a Principal>,
    /// Where the request comes from.
    pub address: IpAddr,
}

/// Where to send a browser, and what it takes along.
#[derive(Debug)]
pub struct Sent {
    /// The provider's page.
    pub address: String,
    /// For a cookie.
    pub away: Secret<String>,
    /// How long it holds.
    pub lifetime: Duration,
}

/// Someone who says that they come back from a provider.
#[derive(Clone, Copy, Debug)]
pub struct Returning<'a> {
    /// From which.
    pub provider: &'a str,
    /// The page of ours that asks.
    pub origin: &'a str,
    /// What the provider sent back.
    pub state: &'a str,
    /// What it gave.
    pub code: &'a str,
    /// The issuer that it named.
    pub iss: Option<&'a str>,
    /// What the browser took along.
    pub away: Option<&'a Secret<String>>,
    /// The key that the browser holds; a session that begins is bound to it.
    pub key: Option<Thumbprint>,
    /// The session that the browser has.
    pub session: Option<&'a Principal>,
    /// Where the request comes from.
    pub address: IpAddr,
}

/// What came of it.
#[derive(Debug)]
pub enum Returned {
    /// A session begins.
    SignedIn {
        /// Which.
        signed_in: Box<SignedIn>,
        /// Where to go on.
        next: String,
    },
    /// Both sides are proved: a link may be made, if the policy permits.
    ToLink {
        /// Between what.
        pair: Pair,
        /// Where to go on.
        next: String,
    },
}

/// An account and an identity whose holder proved both just now. Made only here.
#[derive(Debug)]
pub struct Pair {
    id: IdentityId,
    account: AccountId,
    provider: String,
    index: [u8; 32],
    rights: Rights,
}

impl Pair {
    /// What the identity will be called.
    pub const fn identity(&self) -> IdentityId {
        self.id
    }
}

impl Auth {
    /// Begins the way to a provider.
    ///
    /// # Errors
    /// `Refused` when there is no such provider, it does not answer, or `next` is no place of ours; `TooMany`, `Unavailable`.
    pub async fn leave(&self, leaving: Leaving<'_>) -> Result<Sent, AuthError> {
        self.newcomer(leaving.address)?;
        let provider = self.provider(leaving.provider).await?;
        let provider = provider.ok_or(AuthError::Refused)?;
        let next = leaving.next.unwrap_or("/");
        if !is_ours(next) {
            return Err(AuthError::Refused);
        }
        let redirect = way_back(leaving.origin, leaving.provider);
        let (state, nonce, verifier) = (self.token(), self.token(), self.token());
        let there = There {
            redirect: &redirect,
            state: state.expose(),
            nonce: nonce.expose(),
            verifier: &verifier,
        };
        let address = provider
            .there(&there, self.clock.instant())
            .await
            .map_err(|failure| failed(leaving.provider, failure))?;
        let now = self.clock.now();
        let claims = Claims::Away {
            org: self.store.org(),
            provider: leaving.provider.to_owned(),
            state: state.expose().clone(),
            nonce: nonce.expose().clone(),
            verifier: verifier.expose().clone(),
            next: next.to_owned(),
            link: leaving
                .link
                .and_then(|principal| Some((principal.account()?, principal.token_id))),
            redirect,
            iat: now.as_secs(),
            exp: now.after(AWAY).as_secs(),
            jti: self.random_id(),
        };
        let ring = self.usable_ring().await?;
        let away = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        Ok(Sent {
            address: address.into(),
            away,
            lifetime: AWAY,
        })
    }

    /// Ends the way to a provider and back. Whatever is wrong, the answer is the same, and the way is over.
    ///
    /// # Errors
    /// `Refused`, `TooMany` or `Unavailable`.
    pub async fn come_back(&self, back: Returning<'_>) -> Result<Returned, AuthError> {
        self.newcomer(back.address)?;
        let now = self.clock.now();
        let away = back.away.ok_or(AuthError::Refused)?;
        let away = self.ring().open(away.expose(), now);
        let Ok(Claims::Away {
            org,
            provider,
            redirect,
            state,
            nonce,
            verifier,
            next,
            link,
            exp,
            jti,
            ..
        }) = away
        else {
            return Err(AuthError::Refused);
        };
        // Another browser's state, another provider's answer, another page: each is someone else's way (RFC 9700, 4.4 and 4.7).
        let mine = secret::equal(state.as_bytes(), back.state.as_bytes())
            && provider == back.provider
            && redirect == way_back(back.origin, back.provider);
        if !mine {
            return Err(AuthError::Refused);
        }
        let over = Timestamp::from_millis(exp.saturating_mul(1000));
        self.store.spend(org, *jti.as_bytes(), over, now).await?;
        let asked = self.provider(&provider).await?.ok_or(AuthError::Refused)?;
        let verifier = Secret::new(verifier);
        let question = Back {
            redirect: &redirect,
            code: back.code,
            iss: back.iss,
            nonce: &nonce,
            verifier: &verifier,
        };
        let proven = asked
            .back(&question, self.clock.instant(), now)
            .await
            .map_err(|failure| failed(&provider, failure))?;
        // Whoever set it up may have thought better of it while it was asked.
        self.still_stands(&asked).await?;
        let standing = proven.standing(asked.settings());
        if !standing.welcome {
            return Err(AuthError::Refused);
        }
        match link {
            Some(asked_by) => {
                let pair = self.pair(&provider, &proven, standing, asked_by, back.session)?;
                Ok(Returned::ToLink { pair, next })
            }
            None => {
                let signed_in = self
                    .sign_in_by(asked.settings(), &proven, standing, back.key)
                    .await?;
                Ok(Returned::SignedIn {
                    signed_in: Box::new(signed_in),
                    next,
                })
            }
        }
    }

    /// Links an identity to the account of whoever proved both.
    ///
    /// # Errors
    /// `Refused` when it belongs to an account already, `Busy` when the account has too many, `Unavailable`.
    pub async fn link(
        &self,
        permit: Permit<LinkIdentity>,
        org: OrgId,
        pair: Pair,
    ) -> Result<(), AuthError> {
        if permit.actor() != pair.account.into() || permit.into_action().identity != pair.id {
            return Err(AuthError::Refused);
        }
        self.provider(&pair.provider)
            .await?
            .ok_or(AuthError::Refused)?;
        let identity = NewIdentity {
            id: pair.id,
            account: pair.account,
            provider: &pair.provider,
            index: pair.index,
            rights: pair.rights,
            linked: self.clock.now(),
        };
        Ok(self.store.link_identity(org, identity).await?)
    }

    /// Takes an identity from an account, and ends every session that came by it.
    ///
    /// # Errors
    /// `Missing` when it is not the account's, `Conflict` when it is its only way in, or the database does not answer.
    pub async fn unlink(
        &self,
        permit: Permit<UnlinkIdentity>,
        org: OrgId,
        account: AccountId,
    ) -> Result<(), StoreError> {
        if permit.actor() != account.into() {
            return Err(StoreError::Missing);
        }
        let identity = permit.into_action().identity;
        self.store.unlink_identity(org, account, identity).await
    }

    /// Proves once more that the holder of a session is the holder of its account, by its password.
    ///
    /// # Errors
    /// `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn prove_again(
        &self,
        principal: &Principal,
        password: &Secret<String>,
        device: Option<&Secret<String>>,
        address: IpAddr,
    ) -> Result<(), AuthError> {
        let account = principal.account().ok_or(AuthError::Refused)?;
        let password = Password::parse(password.expose()).map_err(|_| AuthError::Refused)?;
        let found = self.store.password_of(principal.org, account).await?;
        let (index, stored) = found.ok_or(AuthError::Refused)?;
        let device = device.and_then(|device| self.known_device(&index, device));
        let lane = device.map_or(Lane::Common, |_| Lane::Known);
        let attempt = self
            .guesses
            .sign_in(index, device, address, self.clock.instant())
            .map_err(|retry_after| AuthError::TooMany { retry_after })?;
        match self.hasher.verify(password, Some(stored), lane).await {
            Ok(true) => {
                attempt.succeeded();
                Ok(())
            }
            Ok(false) => Err(AuthError::Refused),
            Err(error) => {
                attempt.succeeded();
                Err(hash_failed(error))
            }
        }
    }

    /// Whose session this is, if it is bound to a key that the one who shows it has just proved to hold.
    ///
    /// # Errors
    /// `Refused`, `Copied` or `Unavailable`.
    pub async fn bound_to(
        &self,
        token: &str,
        key: Option<Thumbprint>,
    ) -> Result<Principal, AuthError> {
        let shown = self.shown(token).await?;
        match (shown.key, key) {
            (Some(of), Some(held)) if of == held => Ok(shown.principal),
            (Some(_), _) => Err(self.copied(&shown.principal)),
            (None, _) => Err(AuthError::Refused),
        }
    }

    /// Whether the account of an open connection, and what it came by, still stand.
    pub(super) async fn account_holds(
        &self,
        principal: &Principal,
        account: AccountId,
        epoch: i64,
    ) -> Result<bool, StoreError> {
        let (org, token) = (principal.org, *principal.token_id.as_bytes());
        let found = self.store.session_account(org, account, token).await?;
        let found = found.map(|found| found.account);
        let Some(found) = found.filter(|found| found.epoch == epoch) else {
            return Ok(false);
        };
        let was_admin = matches!(principal.who, Who::Account { admin: true, .. });
        let came = (principal.came.by, principal.came.since);
        match self.given_by(org, came, account).await {
            // What someone loses in the organisation they lose in their meetings: they come back as what they are now.
            Ok(given) => Ok(!was_admin || found.is_admin || given.admin),
            Err(AuthError::Refused) => Ok(false),
            Err(_) => Err(StoreError::Unavailable),
        }
    }

    /// Both sides, if the one who comes back is the one who left, with the session that they left with.
    fn pair(
        &self,
        provider: &str,
        proven: &Proven,
        standing: Standing,
        (account, token): (AccountId, TokenId),
        session: Option<&Principal>,
    ) -> Result<Pair, AuthError> {
        let session = session.ok_or(AuthError::Refused)?;
        if session.account() != Some(account) || session.token_id != token {
            return Err(AuthError::Refused);
        }
        let org = self.store.org();
        Ok(Pair {
            id: self.random_id(),
            account,
            provider: provider.to_owned(),
            index: self
                .store
                .identity_index(org, &proven.issuer, &proven.subject),
            rights: rights(standing),
        })
    }

    async fn sign_in_by(
        &self,
        provider: &ProviderSettings,
        proven: &Proven,
        standing: Standing,
        key: Option<Thumbprint>,
    ) -> Result<SignedIn, AuthError> {
        let (org, now) = (self.store.org(), self.clock.now());
        let index = self
            .store
            .identity_index(org, &proven.issuer, &proven.subject);
        let (id, account, epoch) = match self.store.identity(org, &index).await? {
            Some(found) => (found.id, found.account, found.epoch),
            None if provider.accounts == Accounts::Made => {
                let (id, account) = self.make_account(provider, proven, index, standing).await?;
                (id, account, FIRST_EPOCH)
            }
            None => return Err(AuthError::Refused),
        };
        // What was given before counts no more from here on, in older sessions too.
        self.store
            .used_identity(org, id, &provider.id, rights(standing), now)
            .await?;
        let came = Came {
            by: Some(id),
            second_factor: standing.second_factor,
            ..Came::default()
        };
        let signed_in = self.new_session(account, epoch, None, key, came).await?;
        self.note("sign_in", account.into(), Some(*id.as_bytes()));
        Ok(signed_in)
    }

    /// A new account for someone who has none. It takes no e-mail address from the provider, so that it can meet no other
    /// account, and its password is known to nobody.
    async fn make_account(
        &self,
        provider: &ProviderSettings,
        proven: &Proven,
        index: [u8; 32],
        standing: Standing,
    ) -> Result<(IdentityId, AccountId), AuthError> {
        let (id, account): (IdentityId, AccountId) = (self.random_id(), self.random_id());
        let password = Password::parse(self.token().expose())?;
        let said = ["name", "preferred_username"];
        let name = said
            .iter()
            .filter_map(|claim| proven.text(claim))
            .find_map(|name| DisplayName::parse(name).ok());
        let name = name.map_or("Member".to_owned(), |name| name.as_str().to_owned());
        let new = NewAccount {
            id: account,
            email: Secret::new(format!("{account}{NOBODYS}")),
            name: Secret::new(name),
            password: self.hasher.hash(password).await.map_err(hash_failed)?,
            may_create_rooms: false,
            is_admin: false,
            created: self.clock.now(),
        };
        let identity = NewIdentity {
            id,
            account,
            provider: &provider.id,
            index,
            rights: rights(standing),
            linked: new.created,
        };
        let org = self.store.org();
        self.store.make_account_for(org, new, identity).await?;
        self.note("account_made", account.into(), Some(*account.as_bytes()));
        Ok((id, account))
    }

    fn token(&self) -> Secret<String> {
        let mut bytes = [0; SECRET_BYTES];
        self.random.fill(&mut bytes);
        Secret::new(BASE64URL_NOPAD.encode(&bytes))
    }
}

const fn rights(standing: Standing) -> Rights {
    Rights {
        admin: standing.admin,
        creator: standing.creator,
    }
}

/// The one address that a provider sends people back to: each provider has its own, so that no answer is taken for another's.
fn way_back(origin: &str, provider: &str) -> String {
    format!("{origin}/sign-in/{provider}")
}

/// Whether this is a path of ours and nothing else: no host, no scheme, nothing that a browser reads as either.
fn is_ours(next: &str) -> bool {
    next.len() <= MAX_NEXT
        && next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/api")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-'))
}

/// The operator learns what went wrong; whoever came, only that it did.
fn failed(provider: &str, failure: Failure) -> AuthError {
    match failure {
        Failure::Refused(why) => {
            tracing::info!(provider, why, "a sign-in by a provider was refused")
        }
        Failure::Provider(why) => tracing::warn!(provider, why, "a provider failed"),
    }
    AuthError::Refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t14_the_way_goes_on_to_a_page_of_ours_only() {
        for ours in ["/", "/r/abc", "/r/abc/settings", "/organisation"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "/@evil.example",
            "/r/../..//evil.example",
            "/%2f%2fevil.example",
            "/?next=//evil.example",
            "/#x",
            "/api/session",
            "r/abc",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
