//! Which pages of others may bring their users in: exact origins, none to begin with.

use conclave_policy::control::ChangeEmbedders;
use conclave_policy::permit::Permit;

use crate::ids::{ActorId, OrgId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

impl Store {
    /// The origins, in the order of their letters.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn embedding_origins(&self, org: OrgId) -> Result<Vec<String>, StoreError> {
        let found = query("SELECT origin FROM embedding_origins WHERE org_id = $1 ORDER BY origin")
            .bind(org.as_bytes().as_slice())
            .fetch_all(self.reads())
            .await?;
        let mut origins = Vec::with_capacity(found.len());
        for found in &found {
            origins.push(found.try_get::<&str, _>("origin")?.to_owned());
        }
        Ok(origins)
    }

    /// Whether pages of this origin may bring their users in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn may_embed(&self, org: OrgId, origin: &str) -> Result<bool, StoreError> {
        let found = query("SELECT 1 FROM embedding_origins WHERE org_id = $1 AND origin = $2")
            .bind(org.as_bytes().as_slice())
            .bind(origin)
            .fetch_optional(self.reads())
            .await?;
        Ok(found.is_some())
    }

    /// Says which may, instead of those before.
    pub fn set_embedding_origins(
        &self,
        permit: Permit<ChangeEmbedders>,
        org: OrgId,
        origins: Vec<String>,
    ) -> Written<()> {
        let by = permit.actor();
        self.write(Set { org, by, origins })
    }
}

struct Set {
    org: OrgId,
    by: ActorId,
    origins: Vec<String>,
}

impl Change for Set {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let org = self.org.as_bytes().as_slice();
        query("DELETE FROM embedding_origins WHERE org_id = $1")
            .bind(org)
            .execute(&mut *on)
            .await?;
        for origin in self.origins {
            query("INSERT INTO embedding_origins (org_id, origin, set_by) VALUES ($1, $2, $3)")
                .bind(org)
                .bind(origin)
                .bind(self.by.as_bytes().as_slice())
                .execute(&mut *on)
                .await?;
        }
        Ok(())
    }
}
