//! What is done to webhooks, each within the one change that writes it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{ActorId, NewsId, OrgId, WebhookId};
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::news::News;
use crate::store::outbox::tell_these;
use crate::store::seal::SealingKeys;
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::webhooks::{
    LABEL, MOST, NewWebhook, OLD_SIGNING, OVERLAP, Replay, SIGNING, URL, WebhookChange, bits,
};
use crate::store::writer::Change;

pub(super) struct Add {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
    pub(super) by: ActorId,
    pub(super) new: NewWebhook,
    pub(super) keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            id,
            by,
            new,
            keys,
        } = self;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let all: i64 = query_scalar("SELECT COUNT(*) FROM webhooks WHERE org_id = $1")
            .bind(org.as_bytes().as_slice())
            .fetch_one(&mut *on)
            .await?;
        if all >= MOST {
            return Err(StoreError::Full);
        }
        let url = new.url.expose().as_bytes();
        let url = keys.seal(&mut *on, URL, &place, url).await?;
        let label = new.label.expose().as_bytes();
        let label = keys.seal(&mut *on, LABEL, &place, label).await?;
        let secret = new.secret.expose();
        let secret = keys.seal(&mut *on, SIGNING, &place, secret).await?;
        query(
            "INSERT INTO webhooks (org_id, webhook_id, url, label, secret, events, state, revision, made_by, made) \
             VALUES ($1, $2, $3, $4, $5, $6, 'active', 1, $7, $8)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(url)
        .bind(label)
        .bind(secret)
        .bind(bits(&new.events))
        .bind(by.as_bytes().as_slice())
        .bind(new.made.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

pub(super) struct Alter {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
    pub(super) seen: i64,
    pub(super) change: WebhookChange,
    pub(super) keys: Arc<SealingKeys>,
}

impl Change for Alter {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            id,
            seen,
            change,
            keys,
        } = self;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let revision: Option<i64> =
            query_scalar("SELECT revision FROM webhooks WHERE org_id = $1 AND webhook_id = $2")
                .bind(org.as_bytes().as_slice())
                .bind(id.as_bytes().as_slice())
                .fetch_optional(&mut *on)
                .await?;
        if revision.ok_or(StoreError::Missing)? != seen {
            return Err(StoreError::Conflict);
        }
        let mut sealed = [(URL, &change.url), (LABEL, &change.label)].map(|(column, text)| {
            let text = text.as_ref().map(|text| text.expose().as_bytes());
            (column, text, None)
        });
        for (column, text, sealed) in &mut sealed {
            if let Some(text) = text {
                *sealed = Some(keys.seal(&mut *on, *column, &place, text).await?);
            }
        }
        let [(.., url), (.., label)] = sealed;
        let state = change
            .active
            .map(|active| if active { "active" } else { "paused" });
        query(
            "UPDATE webhooks SET url = COALESCE($3, url), label = COALESCE($4, label), events = COALESCE($5, events), \
             failing_since = CASE WHEN $6 = 'active' THEN NULL ELSE failing_since END, state = COALESCE($6, state), \
             revision = revision + 1 WHERE org_id = $1 AND webhook_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(url)
        .bind(label)
        .bind(change.events.as_deref().map(bits))
        .bind(state)
        .execute(on)
        .await?;
        Ok(())
    }
}

pub(super) struct Rotate {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
    pub(super) secret: Secret<Vec<u8>>,
    pub(super) now: Timestamp,
    pub(super) keys: Arc<SealingKeys>,
}

impl Change for Rotate {
    type Out = Timestamp;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Timestamp, StoreError> {
        let Self {
            org,
            id,
            secret,
            now,
            keys,
        } = self;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let until = now.after(OVERLAP);
        let found = query("SELECT secret FROM webhooks WHERE org_id = $1 AND webhook_id = $2")
            .bind(org.as_bytes().as_slice())
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&mut *on)
            .await?
            .ok_or(StoreError::Missing)?;
        let sealed = found.try_get("secret")?;
        let old = keys.open(&mut *on, SIGNING, &place, sealed).await?;
        let new = keys
            .seal(&mut *on, SIGNING, &place, secret.expose())
            .await?;
        let old = keys
            .seal(&mut *on, OLD_SIGNING, &place, old.expose())
            .await?;
        query(
            "UPDATE webhooks SET secret = $3, old_secret = $4, old_until = $5, revision = revision + 1 \
             WHERE org_id = $1 AND webhook_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(new)
        .bind(old)
        .bind(until.as_millis())
        .execute(on)
        .await?;
        Ok(until)
    }
}

pub(super) struct Delete {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
}

impl Change for Delete {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, id) = (
            self.org.as_bytes().as_slice(),
            self.id.as_bytes().as_slice(),
        );
        query("DELETE FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2")
            .bind(org)
            .bind(id)
            .execute(&mut *on)
            .await?;
        let deleted = query("DELETE FROM webhooks WHERE org_id = $1 AND webhook_id = $2")
            .bind(org)
            .bind(id)
            .execute(on)
            .await?;
        if deleted.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}

pub(super) struct Test {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
    pub(super) news: News,
    pub(super) keys: Arc<SealingKeys>,
}

impl Change for Test {
    type Out = NewsId;

    async fn apply(self, on: &mut Connection<'_>) -> Result<NewsId, StoreError> {
        query("SELECT 1 FROM webhooks WHERE org_id = $1 AND webhook_id = $2")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.id.as_bytes().as_slice())
            .fetch_optional(&mut *on)
            .await?
            .ok_or(StoreError::Missing)?;
        tell_these(on, &self.keys, self.org, &self.news, &[self.id]).await
    }
}

pub(super) struct Again {
    pub(super) org: OrgId,
    pub(super) id: WebhookId,
    pub(super) which: Replay,
    pub(super) now: Timestamp,
}

impl Change for Again {
    type Out = u64;

    async fn apply(self, on: &mut Connection<'_>) -> Result<u64, StoreError> {
        let (org, id) = (
            self.org.as_bytes().as_slice(),
            self.id.as_bytes().as_slice(),
        );
        let done = match self.which {
            Replay::Dead => {
                query(
                    "UPDATE webhook_deliveries SET state = 'due', attempts = 0, next_at = $3 \
                     WHERE org_id = $1 AND webhook_id = $2 AND state = 'dead'",
                )
                .bind(org)
                .bind(id)
                .bind(self.now.as_millis())
                .execute(on)
                .await?
            }
            Replay::One(news) => {
                query(
                    "UPDATE webhook_deliveries SET state = 'due', attempts = 0, next_at = $3 \
                     WHERE org_id = $1 AND webhook_id = $2 AND state <> 'due' AND number = \
                     (SELECT number FROM webhook_news WHERE org_id = $1 AND news_id = $4)",
                )
                .bind(org)
                .bind(id)
                .bind(self.now.as_millis())
                .bind(news.as_bytes().as_slice())
                .execute(on)
                .await?
            }
        };
        match (self.which, done.rows_affected()) {
            (Replay::One(_), 0) => Err(StoreError::Missing),
            (_, count) => Ok(count),
        }
    }
}
