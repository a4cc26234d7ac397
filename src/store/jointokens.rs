//! Join tokens are used once, and while the key stands that made them. Nothing else of them is kept: they carry what they say.

use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, OrgId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

impl Store {
    /// Uses up a token that this key made. `Conflict` when it was, `Missing` when the key does not stand any more.
    pub fn use_join_token(
        &self,
        org: OrgId,
        token: [u8; 16],
        by: ApiKeyId,
        expires: Timestamp,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Use {
            org,
            token,
            by,
            expires,
            now,
        })
    }
}

struct Use {
    org: OrgId,
    token: [u8; 16],
    by: ApiKeyId,
    expires: Timestamp,
    now: Timestamp,
}

impl Change for Use {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let org = self.org.as_bytes().as_slice();
        query(
            "SELECT 1 FROM api_keys JOIN accounts ON accounts.org_id = api_keys.org_id AND accounts.account_id = api_keys.made_by \
             WHERE api_keys.org_id = $1 AND api_keys.key_id = $2 AND api_keys.revoked IS NULL AND api_keys.expires > $3 \
             AND accounts.ended IS NULL AND accounts.is_admin = 1",
        )
        .bind(org)
        .bind(self.by.as_bytes().as_slice())
        .bind(self.now.as_millis())
        .fetch_optional(&mut *on)
        .await?
        .ok_or(StoreError::Missing)?;
        sessions::spend(on, self.org, self.token, (self.expires, self.now)).await
    }
}
