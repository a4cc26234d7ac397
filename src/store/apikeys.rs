//! Keys by which programs call the control API: hashed, for some things, over at a time, taken back at will.

use std::sync::Arc;

use conclave_policy::control::ManageApiKeys;
use conclave_policy::permit::Permit;
use conclave_policy::scopes::Scopes;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId, OrgId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Row, Target, query, query_scalar};
use crate::store::writer::{Change, Written};

const NAME: Column = Column {
    table: "api_keys",
    name: "name",
    scope: Scope::Organisation,
};
/// Keys that an organisation may have at a time.
const MOST: i64 = 200;
/// The last use is noted at most this often, so that a busy key is not a busy disk.
const NOTED_EVERY_MILLIS: i64 = 60_000;

/// A key to be kept.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// SHA-256 of the whole key.
    pub secret_hash: [u8; 32],
    /// Its first letters.
    pub prefix: String,
    /// What it is called.
    pub name: Secret<String>,
    /// What it is for.
    pub scopes: Scopes,
    /// The administrator who makes it.
    pub made_by: AccountId,
    /// When.
    pub made: Timestamp,
    /// Until when it is taken.
    pub expires: Timestamp,
}

/// A key as it stands.
#[derive(Clone, Debug)]
pub struct ApiKeyRow {
    /// Which.
    pub id: ApiKeyId,
    /// Its first letters.
    pub prefix: String,
    /// What it is called.
    pub name: Secret<String>,
    /// What it is for.
    pub scopes: Scopes,
    /// The administrator who made it.
    pub made_by: AccountId,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it is taken.
    pub expires: Timestamp,
    /// About when it was taken last.
    pub used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Store {
    /// Keeps a new key. `Full` when there are too many, `Missing` when whoever makes it is no administrator by their account.
    pub fn add_api_key(
        &self,
        _permit: &Permit<ManageApiKeys>,
        org: OrgId,
        key: NewApiKey,
    ) -> Written<()> {
        let keys = self.keys().clone();
        self.write(Add { org, key, keys })
    }

    /// The key with this hash, if it was not taken back and whoever made it still administers. Whether it is over is for the
    /// caller to see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_key(
        &self,
        org: OrgId,
        secret_hash: [u8; 32],
    ) -> Result<Option<ApiKeyRow>, StoreError> {
        let found = query(
            "SELECT api_keys.key_id, api_keys.prefix, api_keys.name, api_keys.scopes, api_keys.made_by, api_keys.made, \
             api_keys.expires, api_keys.used, api_keys.revoked FROM api_keys JOIN accounts ON accounts.org_id = api_keys.org_id \
             AND accounts.account_id = api_keys.made_by WHERE api_keys.org_id = $1 AND api_keys.secret_hash = $2 \
             AND api_keys.revoked IS NULL AND accounts.ended IS NULL AND accounts.is_admin = 1",
        )
        .bind(org.as_bytes().as_slice())
        .bind(secret_hash.as_slice())
        .fetch_optional(self.reads())
        .await?;
        match found {
            Some(found) => read(self.reads(), &found, self.keys(), org).await.map(Some),
            None => Ok(None),
        }
    }

    /// Notes that a key was taken, unless that was noted a moment ago.
    pub fn api_key_used(&self, org: OrgId, key: ApiKeyId, now: Timestamp) -> Written<()> {
        self.write(Used { org, key, now })
    }

    /// Takes a key back. `Missing` when there is none that stands.
    pub fn revoke_api_key(
        &self,
        _permit: &Permit<ManageApiKeys>,
        org: OrgId,
        key: ApiKeyId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Revoke { org, key, now })
    }

    /// Every key that was not taken back, newest first: at most as many as there may be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_keys(&self, org: OrgId) -> Result<Vec<ApiKeyRow>, StoreError> {
        let found = query(
            "SELECT key_id, prefix, name, scopes, made_by, made, expires, used, revoked FROM api_keys \
             WHERE org_id = $1 AND revoked IS NULL ORDER BY made DESC, key_id LIMIT $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(MOST)
        .fetch_all(self.reads())
        .await?;
        let mut keys = Vec::with_capacity(found.len());
        for found in &found {
            keys.push(read(self.reads(), found, self.keys(), org).await?);
        }
        Ok(keys)
    }
}

async fn read(
    on: impl Into<Target<'_>>,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
) -> Result<ApiKeyRow, StoreError> {
    let id: ApiKeyId = row::id(found, "key_id")?;
    let scopes: &str = found.try_get("scopes")?;
    Ok(ApiKeyRow {
        id,
        prefix: found.try_get::<&str, _>("prefix")?.to_owned(),
        name: row::sealed_text(on, found, keys, NAME, &[org.as_bytes(), id.as_bytes()]).await?,
        scopes: Scopes::parse(scopes).map_err(|_| StoreError::Corrupt)?,
        made_by: row::id(found, "made_by")?,
        made: row::time(found, "made")?,
        expires: row::time(found, "expires")?,
        used: row::time_or_none(found, "used")?,
        revoked: row::time_or_none(found, "revoked")?,
    })
}

struct Add {
    org: OrgId,
    key: NewApiKey,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self { org, key, keys } = self;
        let (org, id) = (org.as_bytes().as_slice(), key.id.as_bytes().as_slice());
        let maker = key.made_by.as_bytes().as_slice();
        query(
            "SELECT 1 FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL AND is_admin = 1",
        )
        .bind(org)
        .bind(maker)
        .fetch_optional(&mut *on)
        .await?
        .ok_or(StoreError::Missing)?;
        // What is over makes room; what was done with it is in the audit trail.
        query("DELETE FROM api_keys WHERE org_id = $1 AND (revoked IS NOT NULL OR expires <= $2)")
            .bind(org)
            .bind(key.made.as_millis())
            .execute(&mut *on)
            .await?;
        let kept: i64 = query_scalar("SELECT COUNT(*) FROM api_keys WHERE org_id = $1")
            .bind(org)
            .fetch_one(&mut *on)
            .await?;
        if kept >= MOST {
            return Err(StoreError::Full);
        }
        let name = key.name.expose().as_bytes();
        let name = keys.seal(&mut *on, NAME, &[org, id], name).await?;
        query(
            "INSERT INTO api_keys (org_id, key_id, secret_hash, prefix, name, scopes, made_by, made, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(org)
        .bind(id)
        .bind(key.secret_hash.as_slice())
        .bind(key.prefix)
        .bind(name)
        .bind(key.scopes.to_string())
        .bind(maker)
        .bind(key.made.as_millis())
        .bind(key.expires.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Used {
    org: OrgId,
    key: ApiKeyId,
    now: Timestamp,
}

impl Change for Used {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
            "UPDATE api_keys SET used = $1 WHERE org_id = $2 AND key_id = $3 AND (used IS NULL OR used <= $4)",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.key.as_bytes().as_slice())
        .bind(self.now.as_millis().saturating_sub(NOTED_EVERY_MILLIS))
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Revoke {
    org: OrgId,
    key: ApiKeyId,
    now: Timestamp,
}

impl Change for Revoke {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let revoked = query(
            "UPDATE api_keys SET revoked = $1 WHERE org_id = $2 AND key_id = $3 AND revoked IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.key.as_bytes().as_slice())
        .execute(on)
        .await?;
        if revoked.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}
