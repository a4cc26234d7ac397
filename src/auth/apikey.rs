//! API keys: who shows one is a program of the organisation, with the scopes of its key and no person behind it. It is no session: it
//! opens neither the WebSocket nor the routes of the app.

use std::time::Duration;

use conclave_policy::control::ManageApiKeys;
use conclave_policy::permit::Permit;
use conclave_policy::scopes::Scopes;

use crate::auth::error::AuthError;
use crate::auth::invitation::{secret_hash, sha256};
use crate::auth::name::DisplayName;
use crate::auth::principal::{Came, Principal, Who};
use crate::auth::session::Auth;
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId, OrgId};
use crate::secret::Secret;
use crate::store::apikeys::NewApiKey;

/// How every key begins, so that people and scanners know one when they see it.
pub const MARK: &str = "ck_";
/// Letters of a key by which people know it again.
const SHOWN: usize = 7;

/// What an administrator wants a key for.
#[derive(Debug)]
pub struct WantedKey {
    /// What it is called.
    pub name: DisplayName,
    /// What it is for.
    pub scopes: Scopes,
    /// How long it is taken.
    pub lasts: Duration,
}

/// A key that was just made.
#[derive(Debug)]
pub struct MadeKey {
    /// Which.
    pub id: ApiKeyId,
    /// Its first letters.
    pub prefix: String,
    /// The key itself, shown once.
    pub secret: Secret<String>,
    /// When it was made.
    pub made: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

impl Auth {
    /// Makes a key.
    ///
    /// # Errors
    /// `Busy` when there are too many, `Refused` when whoever makes it is no administrator by their account, `Unavailable`.
    pub async fn create_api_key(
        &self,
        permit: &Permit<ManageApiKeys>,
        org: OrgId,
        made_by: AccountId,
        wanted: WantedKey,
    ) -> Result<MadeKey, AuthError> {
        let (text, _) = self.new_secret();
        let secret = Secret::new(format!("{MARK}{}", text.expose()));
        let prefix: String = secret.expose().chars().take(SHOWN).collect();
        let made = self.clock.now();
        let expires = made.after(wanted.lasts);
        let id = self.random_id();
        let key = NewApiKey {
            id,
            secret_hash: sha256(secret.expose().as_bytes()),
            prefix: prefix.clone(),
            name: Secret::new(wanted.name.as_str().to_owned()),
            scopes: wanted.scopes,
            made_by,
            made,
            expires,
        };
        self.store.add_api_key(permit, org, key).await?;
        Ok(MadeKey {
            id,
            prefix,
            secret,
            made,
            expires,
        })
    }

    /// The program that a bearer stands for, if it is a key that was not taken back and is not over.
    ///
    /// # Errors
    /// `Refused` for everything else, or `Unavailable` when that cannot be looked up.
    pub async fn program(&self, bearer: &str) -> Result<Principal, AuthError> {
        let text = bearer.strip_prefix(MARK).ok_or(AuthError::Refused)?;
        // Only what could be one of ours is looked up.
        secret_hash(&Secret::new(text.to_owned())).ok_or(AuthError::Refused)?;
        let (org, now) = (self.store.org(), self.clock.now());
        let found = self.store.api_key(org, sha256(bearer.as_bytes())).await?;
        let found = found.ok_or(AuthError::Refused)?;
        if found.expires <= now {
            return Err(AuthError::Refused);
        }
        let name = DisplayName::parse(found.name.expose()).map_err(|_| AuthError::Unavailable)?;
        // Nobody waits for this, and nothing rests on it.
        drop(self.store.api_key_used(org, found.id, now));
        Ok(Principal {
            org,
            who: Who::Program {
                key: found.id,
                name,
                scopes: found.scopes,
                made_by: found.made_by,
            },
            token_id: (*found.id.as_bytes()).into(),
            expires: found.expires,
            came: Came::default(),
        })
    }
}
