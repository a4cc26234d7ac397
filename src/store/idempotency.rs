//! Answers that are given again when the same request comes again. An answer may hold what is shown once, so it is sealed, and it is
//! kept for a day.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

const ANSWER: Column = Column {
    table: "idempotent_answers",
    name: "answer",
    scope: Scope::Organisation,
};
/// How long an answer is kept.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Answers of one caller that are kept; then the oldest go.
const MOST: i64 = 1000;

/// An answer that was given.
#[derive(Clone, Debug)]
pub struct Given {
    /// What was asked: a hash.
    pub request: [u8; 32],
    /// The status.
    pub status: u16,
    /// The body.
    pub answer: Secret<String>,
}

impl Store {
    /// What was answered under this name, if it is still kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn answer_given(
        &self,
        org: OrgId,
        actor: ActorId,
        name: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Given>, StoreError> {
        let found = query(
            "SELECT request, status, answer FROM idempotent_answers WHERE org_id = $1 AND actor = $2 AND name = $3 AND at > $4",
        )
        .bind(org.as_bytes().as_slice())
        .bind(actor.as_bytes().as_slice())
        .bind(name.as_slice())
        .bind(now.as_millis().saturating_sub(KEPT_MILLIS))
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), actor.as_bytes(), &name];
        let status: i64 = found.try_get("status")?;
        Ok(Some(Given {
            request: row::bytes(&found, "request")?,
            status: u16::try_from(status).map_err(|_| StoreError::Corrupt)?,
            answer: row::sealed_text(self.reads(), &found, self.keys(), ANSWER, &place).await?,
        }))
    }

    /// Keeps an answer under a name of the caller's.
    pub fn keep_answer(
        &self,
        org: OrgId,
        actor: ActorId,
        name: [u8; 32],
        given: Given,
        now: Timestamp,
    ) -> Written<()> {
        let keys = self.keys().clone();
        self.write(Keep {
            org,
            actor,
            name,
            given,
            now,
            keys,
        })
    }
}

struct Keep {
    org: OrgId,
    actor: ActorId,
    name: [u8; 32],
    given: Given,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for Keep {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, actor) = (
            self.org.as_bytes().as_slice(),
            self.actor.as_bytes().as_slice(),
        );
        query("DELETE FROM idempotent_answers WHERE org_id = $1 AND (at <= $2 OR actor = $3 AND name = $4)")
            .bind(org)
            .bind(self.now.as_millis().saturating_sub(KEPT_MILLIS))
            .bind(actor)
            .bind(self.name.as_slice())
            .execute(&mut *on)
            .await?;
        query(
            "DELETE FROM idempotent_answers WHERE org_id = $1 AND actor = $2 AND name NOT IN \
             (SELECT name FROM idempotent_answers WHERE org_id = $1 AND actor = $2 ORDER BY at DESC, name LIMIT $3)",
        )
        .bind(org)
        .bind(actor)
        .bind(MOST - 1)
        .execute(&mut *on)
        .await?;
        let place = [org, actor, &self.name];
        let answer = self.given.answer.expose().as_bytes();
        let answer = self.keys.seal(&mut *on, ANSWER, &place, answer).await?;
        query(
            "INSERT INTO idempotent_answers (org_id, actor, name, request, status, answer, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(org)
        .bind(actor)
        .bind(self.name.as_slice())
        .bind(self.given.request.as_slice())
        .bind(i64::from(self.given.status))
        .bind(answer)
        .bind(self.now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}
