//! Webhooks: places outside that are told what happens, and what came of telling them. Where they are, what they are called and
//! what signs for them is sealed.

mod changes;

use std::time::Duration;

use conclave_policy::actions::ManageWebhooks;
use conclave_policy::permit::Permit;

use crate::clock::Timestamp;
use crate::ids::{NewsId, OrgId, RoomId, WebhookId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::news::{News, NewsKind};
use crate::store::outbox::Came;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Builder, Connection, Pool, Row, query};
use crate::store::webhooks::changes::{Add, Again, Alter, Delete, Rotate, Test};
use crate::store::writer::Written;

const URL: Column = Column {
    table: "webhooks",
    name: "url",
    scope: Scope::Organisation,
};
const LABEL: Column = Column {
    table: "webhooks",
    name: "label",
    scope: Scope::Organisation,
};
const SIGNING: Column = Column {
    table: "webhooks",
    name: "secret",
    scope: Scope::Organisation,
};
const OLD_SIGNING: Column = Column {
    table: "webhooks",
    name: "old_secret",
    scope: Scope::Organisation,
};
/// Webhooks of one organisation.
const MOST: i64 = 50;
/// How long the secret before the last one signs too.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Why a delivery is dead whose webhook was given up.
const GIVEN_UP: &str = "given_up";

/// Whether a webhook is told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// It is.
    Active,
    /// Not now: what happens is kept for it.
    Paused,
    /// It has only failed for too long. What happens is not kept for it.
    Failing,
    /// The other side said that it wants nothing any more. What happens is not kept for it.
    Gone,
}

impl WebhookState {
    /// Its name in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Active, Self::Paused, Self::Failing, Self::Gone];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(StoreError::Corrupt)
    }
}

/// A webhook to be kept; which one says the permit.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where it is.
    pub url: Secret<String>,
    /// What it is called.
    pub label: Secret<String>,
    /// What it wants.
    pub events: Vec<NewsKind>,
    /// What signs for it.
    pub secret: Secret<Vec<u8>>,
    /// When.
    pub made: Timestamp,
}

/// What is to be another about a webhook.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where it is.
    pub url: Option<Secret<String>>,
    /// What it is called.
    pub label: Option<Secret<String>>,
    /// What it wants.
    pub events: Option<Vec<NewsKind>>,
    /// Whether it is told anything: active or paused.
    pub active: Option<bool>,
}

/// A webhook as it stands.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Which.
    pub id: WebhookId,
    /// Where it is.
    pub url: Secret<String>,
    /// What it is called.
    pub label: Secret<String>,
    /// What it wants.
    pub events: Vec<NewsKind>,
    /// Whether it is told.
    pub state: WebhookState,
    /// Since when it has only failed.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before the last one signs too.
    pub old_secret_until: Option<Timestamp>,
    /// How often it was changed: whoever changes it says which one they saw.
    pub revision: u64,
    /// When it was made.
    pub made: Timestamp,
    /// What it has still to be told.
    pub due: u64,
    /// What it could not be told.
    pub dead: u64,
}

/// What became of telling a webhook something.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number, which grows with time.
    pub number: i64,
    /// What the news are known again by.
    pub news: NewsId,
    /// What kind they are.
    pub kind: String,
    /// Of which room.
    pub room: Option<RoomId>,
    /// When it happened.
    pub at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next, if it is.
    pub next: Option<Timestamp>,
    /// When it was tried last.
    pub last: Option<Timestamp>,
    /// What the other side answered then.
    pub status: Option<u16>,
    /// Why it was not told then.
    pub failure: Option<String>,
    /// How long that took.
    pub took: Option<Duration>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be told.
    Due,
    /// Told.
    Told,
    /// Given up.
    Dead,
}

impl DeliveryState {
    /// Its name in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Told => "told",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Due, Self::Told, Self::Dead];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// Which deliveries are told again.
#[derive(Clone, Copy, Debug)]
pub enum Replay {
    /// This one, if it is over.
    One(NewsId),
    /// All that are dead.
    Dead,
}

impl Store {
    /// The webhooks of an organisation, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn webhooks(&self, org: OrgId) -> Result<Vec<Webhook>, StoreError> {
        let found = query(
            "SELECT w.*, (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id AND \
             d.state = 'due') AS due, (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.org_id = w.org_id AND \
             d.webhook_id = w.webhook_id AND d.state = 'dead') AS dead FROM webhooks w WHERE w.org_id = $1 \
             ORDER BY w.made, w.webhook_id LIMIT 1000",
        )
        .bind(org.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        let mut all = Vec::with_capacity(found.len());
        for found in &found {
            all.push(read(self.reads(), found, self.keys(), org).await?);
        }
        Ok(all)
    }

    /// One of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn webhook(&self, org: OrgId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let all = self.webhooks(org).await?;
        Ok(all.into_iter().find(|webhook| webhook.id == id))
    }

    /// Keeps a new webhook. `Full` when there are too many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
        new: NewWebhook,
    ) -> Result<(), StoreError> {
        let (id, by) = (permit.action().webhook, permit.actor());
        let keys = self.keys().clone();
        self.write(Add {
            org,
            id,
            by,
            new,
            keys,
        })
        .await?;
        self.webhooks_changed(org).await
    }

    /// Changes a webhook that was seen at this revision. `Conflict` when it is another by now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn change_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
        seen: u64,
        change: WebhookChange,
    ) -> Result<(), StoreError> {
        let id = permit.action().webhook;
        let keys = self.keys().clone();
        let seen = i64::try_from(seen).map_err(|_| StoreError::Conflict)?;
        self.write(Alter {
            org,
            id,
            seen,
            change,
            keys,
        })
        .await?;
        self.webhooks_changed(org).await
    }

    /// Lets another secret sign for a webhook; the one before signs too for a day. Gives until when.
    pub fn rotate_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
        secret: Secret<Vec<u8>>,
        now: Timestamp,
    ) -> Written<Timestamp> {
        let id = permit.action().webhook;
        let keys = self.keys().clone();
        self.write(Rotate {
            org,
            id,
            secret,
            now,
            keys,
        })
    }

    /// Forgets a webhook, and what it was told.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
    ) -> Result<(), StoreError> {
        let id = permit.action().webhook;
        self.write(Delete { org, id }).await?;
        self.was_taken_away();
        self.webhooks_changed(org).await
    }

    /// Tells one webhook something that nobody else is told.
    ///
    /// # Errors
    /// When the database does not answer, or there is no such webhook.
    pub async fn test_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
        news: News,
    ) -> Result<NewsId, StoreError> {
        let id = permit.action().webhook;
        let keys = self.keys().clone();
        let told = self.write(Test {
            org,
            id,
            news,
            keys,
        });
        self.listeners().ring();
        told.await
    }

    /// Tells a webhook again what is over; gives how much that is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replay_webhook(
        &self,
        permit: Permit<ManageWebhooks>,
        org: OrgId,
        which: Replay,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let id = permit.action().webhook;
        let replayed = self.write(Again {
            org,
            id,
            which,
            now,
        });
        self.listeners().ring();
        replayed.await
    }

    /// What became of telling a webhook something, newest first, before this number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deliveries(
        &self,
        org: OrgId,
        id: WebhookId,
        state: Option<DeliveryState>,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut select = Builder::new(
            "SELECT d.number, d.state, d.attempts, d.next_at, d.last_at, d.status, d.failure, d.took, d.room_id, n.news_id, n.kind, \
             n.at FROM webhook_deliveries d JOIN webhook_news n ON n.org_id = d.org_id AND n.number = d.number WHERE ",
        );
        select.push("d.org_id = ", org.as_bytes().as_slice());
        select.push(" AND d.webhook_id = ", id.as_bytes().as_slice());
        if let Some(state) = state {
            select.push(" AND d.state = ", state.as_str());
        }
        if let Some(before) = before {
            select.push(" AND d.number < ", before);
        }
        select.push(" ORDER BY d.number DESC LIMIT ", i64::from(most));
        let found = select.build().fetch_all(self.reads()).await?;
        found.iter().map(delivery).collect()
    }

    /// What anybody wants is read anew, and whoever sends looks again. Also once at the start.
    pub(crate) async fn webhooks_changed(&self, org: OrgId) -> Result<(), StoreError> {
        // Nothing is left out in between: it is only the bits that are read late.
        self.listeners().now_want(i64::MAX);
        let found = query("SELECT events FROM webhooks WHERE org_id = $1 AND state IN ('active', 'paused') LIMIT 1000")
            .bind(org.as_bytes().as_slice())
            .fetch_all(self.reads())
            .await?;
        let mut bits = 0;
        for found in &found {
            bits |= found.try_get::<i64, _>("events")?;
        }
        self.listeners().now_want(bits);
        self.listeners().ring();
        Ok(())
    }
}

fn bits(events: &[NewsKind]) -> i64 {
    events.iter().fold(0, |bits, kind| bits | kind.bit())
}

async fn read(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
) -> Result<Webhook, StoreError> {
    let id: WebhookId = row::id(found, "webhook_id")?;
    let place = [org.as_bytes().as_slice(), id.as_bytes()];
    let bits: i64 = found.try_get("events")?;
    let unsigned = |column: &str| -> Result<u64, StoreError> {
        u64::try_from(found.try_get::<i64, _>(column)?).map_err(|_| StoreError::Corrupt)
    };
    Ok(Webhook {
        id,
        url: row::sealed_text(on, found, keys, URL, &place).await?,
        label: row::sealed_text(on, found, keys, LABEL, &place).await?,
        events: NewsKind::wantable()
            .filter(|kind| bits & kind.bit() != 0)
            .collect(),
        state: WebhookState::parse(found.try_get("state")?)?,
        failing_since: row::time_or_none(found, "failing_since")?,
        old_secret_until: row::time_or_none(found, "old_until")?,
        revision: unsigned("revision")?,
        made: row::time(found, "made")?,
        due: unsigned("due")?,
        dead: unsigned("dead")?,
    })
}

/// Where a webhook is, and what signs for it now.
pub(super) async fn address(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
    id: WebhookId,
    now: Timestamp,
) -> Result<(Secret<String>, Vec<Secret<Vec<u8>>>), StoreError> {
    let place = [org.as_bytes().as_slice(), id.as_bytes()];
    let mut secrets = vec![
        keys.open(on, SIGNING, &place, found.try_get("secret")?)
            .await?,
    ];
    let old: Option<Vec<u8>> = found.try_get("old_secret")?;
    let until = row::time_or_none(found, "old_until")?;
    if let (Some(old), Some(until)) = (old, until)
        && now < until
    {
        secrets.push(keys.open(on, OLD_SIGNING, &place, &old).await?);
    }
    let url = row::sealed_text(on, found, keys, URL, &place).await?;
    Ok((url, secrets))
}

fn delivery(found: &Row) -> Result<Delivery, StoreError> {
    let state = DeliveryState::parse(found.try_get("state")?).ok_or(StoreError::Corrupt)?;
    let room: [u8; 16] = row::bytes(found, "room_id")?;
    let status: Option<i64> = found.try_get("status")?;
    let took: Option<i64> = found.try_get("took")?;
    let next = row::time(found, "next_at")?;
    Ok(Delivery {
        number: found.try_get("number")?,
        news: row::id(found, "news_id")?,
        kind: found.try_get("kind")?,
        room: (room != [0; 16]).then(|| RoomId::from(room)),
        at: row::time(found, "at")?,
        state,
        attempts: u64::try_from(found.try_get::<i64, _>("attempts")?)
            .map_err(|_| StoreError::Corrupt)?,
        next: (state == DeliveryState::Due).then_some(next),
        last: row::time_or_none(found, "last_at")?,
        status: status
            .map(u16::try_from)
            .transpose()
            .map_err(|_| StoreError::Corrupt)?,
        failure: found.try_get("failure")?,
        took: took.map(|took| Duration::from_millis(took.unsigned_abs())),
    })
}

/// Keeps how a webhook fared: after a success it fails no more; one that is gone, or has failed for too long, is given up, and what
/// it was to be told with it.
pub(super) async fn fared(
    on: &mut Connection<'_>,
    org: &[u8],
    came: &Came,
) -> Result<(), StoreError> {
    let webhook = came.head.webhook;
    if came.failure.is_none() {
        query("UPDATE webhooks SET failing_since = NULL WHERE org_id = $1 AND webhook_id = $2 AND failing_since IS NOT NULL")
            .bind(org)
            .bind(webhook.as_bytes().as_slice())
            .execute(on)
            .await?;
        return Ok(());
    }
    query("UPDATE webhooks SET failing_since = COALESCE(failing_since, $3) WHERE org_id = $1 AND webhook_id = $2")
        .bind(org)
        .bind(webhook.as_bytes().as_slice())
        .bind(came.at.as_millis())
        .execute(&mut *on)
        .await?;
    let given_up = query(
        "UPDATE webhooks SET state = CASE WHEN $3 = 1 THEN 'gone' ELSE 'failing' END, revision = revision + 1 \
         WHERE org_id = $1 AND webhook_id = $2 AND state = 'active' AND ($3 = 1 OR failing_since <= $4)",
    )
    .bind(org)
    .bind(webhook.as_bytes().as_slice())
    .bind(i64::from(came.gone))
    .bind(came.give_up.as_millis())
    .execute(&mut *on)
    .await?;
    if given_up.rows_affected() > 0 {
        query(
            "UPDATE webhook_deliveries SET state = 'dead', failure = $3 WHERE org_id = $1 AND webhook_id = $2 AND state = 'due'",
        )
        .bind(org)
        .bind(webhook.as_bytes().as_slice())
        .bind(GIVEN_UP)
        .execute(on)
        .await?;
    }
    Ok(())
}
