//! The outbox: what happened, written together with what it tells of, and what became of telling it. A webhook is told the news of
//! one room one after the other; the first of each room that is due is all that is ever sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};
use crate::ids::{self, NewsId, OrgId, RoomId, WebhookId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::Ending;
use crate::store::error::StoreError;
use crate::store::news::{News, NewsKind};
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Row, query, query_scalar};
use crate::store::webhooks;
use crate::store::writer::{Change, Written};

pub(super) const BODY: Column = Column {
    table: "webhook_news",
    name: "body",
    scope: Scope::Organisation,
};
/// Stands for the room of news that are of none.
const NO_ROOM: [u8; 16] = [0; 16];
/// News that one webhook has still to be told. What comes on top is dead at once, and can be replayed.
const MOST_DUE: i64 = 10_000;
/// The same of one room, so that no room fills the place of all others.
const MOST_DUE_OF_ROOM: i64 = 2_500;
/// Deliveries of one webhook that are over and kept.
const MOST_KEPT: i64 = 20_000;
/// Rows that are wiped in one go: the writer has others to write.
const WIPED_AT_ONCE: i64 = 500;
/// How often it is looked what is over.
const KEEPING: Duration = Duration::from_secs(60);
/// Why a delivery is dead that was never tried.
pub(super) const OVERFLOW: &str = "overflow";

/// Who waits for news, as far as the memory knows.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// What anybody wants: the bits of all webhooks. It may hold more than is wanted, never less.
    wanted: AtomicI64,
    bell: Notify,
}

impl Listeners {
    pub(super) fn now_want(&self, bits: i64) {
        self.wanted.store(bits, Ordering::Release);
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }
}

/// The first of a room that a webhook is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whom.
    pub webhook: WebhookId,
    /// Of which room; all zero for none.
    pub room: [u8; 16],
    /// Which news.
    pub number: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried next.
    pub next: Timestamp,
}

/// All that is needed to tell it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where to.
    pub url: Secret<String>,
    /// What signs for it, the newest first.
    pub secrets: Vec<Secret<Vec<u8>>>,
    /// What the news are known again by.
    pub id: NewsId,
    /// What is sent.
    pub body: Secret<String>,
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    /// Of what.
    pub head: Head,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What the other side answered.
    pub status: Option<u16>,
    /// Why it was not told; none if it was.
    pub failure: Option<&'static str>,
    /// When to try again; none after a success, or never.
    pub again: Option<Timestamp>,
    /// The other side wants nothing any more.
    pub gone: bool,
    /// A webhook is given up that has only failed since before then.
    pub give_up: Timestamp,
}

impl Store {
    /// Whether anybody may want this kind of news. Cheap: where nobody does, nothing need be made of it.
    pub fn wants(&self, kind: NewsKind) -> bool {
        self.listeners().wanted.load(Ordering::Acquire) & kind.bit() != 0
    }

    /// News, if anybody may want them.
    pub(super) fn news(
        &self,
        kind: NewsKind,
        room: Option<RoomId>,
        at: Timestamp,
        data: &impl Serialize,
    ) -> Option<News> {
        if self.wants(kind) {
            News::new(kind, room, at, data)
        } else {
            None
        }
    }

    /// Queues a change together with the news of it: both are stored or neither. The news are for when the change came to this.
    pub(super) fn write_telling<C: Change>(
        &self,
        org: OrgId,
        change: C,
        news: Option<News>,
        came_to: fn(&C::Out) -> bool,
    ) -> Written<C::Out> {
        let rings = news.is_some();
        let written = self.write(Telling {
            change,
            came_to,
            org,
            news,
            keys: self.keys().clone(),
        });
        if rings {
            self.listeners().ring();
        }
        written
    }

    /// Puts news into the outbox, in this order, all or none.
    pub fn tell(&self, org: OrgId, news: Vec<News>) -> Written<()> {
        let told = self.write(Tell {
            org,
            news,
            keys: self.keys().clone(),
        });
        self.listeners().ring();
        told
    }

    /// Waits until there may be something new in the outbox, or webhooks are other ones. A ring is heard by one alone.
    pub async fn outbox_rung(&self) {
        self.listeners().bell.notified().await;
    }

    /// The webhooks that are told what happens, once everything is stored that was queued by now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outbox_active(&self, org: OrgId) -> Result<Vec<WebhookId>, StoreError> {
        self.settle().await?;
        let found = query(
            "SELECT webhook_id FROM webhooks WHERE org_id = $1 AND state = 'active' LIMIT 1000",
        )
        .bind(org.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        found
            .iter()
            .map(|found| row::id(found, "webhook_id"))
            .collect()
    }

    /// The first due of each room, soonest first, of one webhook.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outbox_heads(
        &self,
        org: OrgId,
        webhook: WebhookId,
        most: i64,
    ) -> Result<Vec<Head>, StoreError> {
        let found = query(
            "SELECT d.room_id, d.number, d.attempts, d.next_at FROM webhook_deliveries d JOIN \
             (SELECT MIN(number) AS first FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND state = 'due' \
             GROUP BY room_id) AS heads ON d.number = heads.first WHERE d.org_id = $1 AND d.webhook_id = $2 \
             ORDER BY d.next_at, d.number LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(webhook.as_bytes().as_slice())
        .bind(most)
        .fetch_all(self.reads())
        .await?;
        found.iter().map(|found| head(found, webhook)).collect()
    }

    /// What is to be sent; none if the webhook is to be told nothing now, or this no more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn outbox_letter(
        &self,
        org: OrgId,
        of: &Head,
        now: Timestamp,
    ) -> Result<Option<Letter>, StoreError> {
        let found = query(
            "SELECT w.url, w.secret, w.old_secret, w.old_until, n.news_id, n.body FROM webhook_deliveries d \
             JOIN webhooks w ON w.org_id = d.org_id AND w.webhook_id = d.webhook_id \
             JOIN webhook_news n ON n.org_id = d.org_id AND n.number = d.number \
             WHERE d.org_id = $1 AND d.webhook_id = $2 AND d.number = $3 AND d.state = 'due' AND w.state = 'active'",
        )
        .bind(org.as_bytes().as_slice())
        .bind(of.webhook.as_bytes().as_slice())
        .bind(of.number)
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let place = [org.as_bytes().as_slice(), &of.number.to_be_bytes()];
        let on = self.reads();
        let (url, secrets) =
            webhooks::address(on, &found, self.keys(), org, of.webhook, now).await?;
        Ok(Some(Letter {
            url,
            secrets,
            id: row::id(&found, "news_id")?,
            body: row::sealed_text(on, &found, self.keys(), BODY, &place).await?,
        }))
    }

    /// Keeps what came of an attempt, and gives what the webhook is to be told next of that room.
    pub fn outbox_came(&self, org: OrgId, came: Came) -> Written<Option<Head>> {
        self.write(Record { org, came })
    }

    /// Wipes deliveries that have been over for long enough, and those of the oldest that are too many, until the server stops.
    pub async fn keep_outbox(&self, clock: Arc<dyn Clock>, kept: Duration) {
        loop {
            // What fails is tried again with the next turn; the store has told the log why.
            let _wiped = self.wipe_outbox(clock.now(), kept).await;
            tokio::time::sleep(KEEPING).await;
        }
    }

    async fn wipe_outbox(&self, now: Timestamp, kept: Duration) -> Result<(), StoreError> {
        let millis = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let before = now.as_millis().saturating_sub(millis);
        let org = self.org();
        for webhook in self.webhooks(org).await? {
            let most = MOST_KEPT;
            let id = webhook.id;
            while self
                .write(WipeDeliveries {
                    org,
                    id,
                    before,
                    most,
                })
                .await?
            {}
        }
        while self.write(WipeNews { org }).await? {
            self.was_taken_away();
        }
        Ok(())
    }
}

fn head(found: &Row, webhook: WebhookId) -> Result<Head, StoreError> {
    let attempts: i64 = found.try_get("attempts")?;
    Ok(Head {
        webhook,
        room: row::bytes(found, "room_id")?,
        number: found.try_get("number")?,
        attempts: u32::try_from(attempts).map_err(|_| StoreError::Corrupt)?,
        next: row::time(found, "next_at")?,
    })
}

/// Puts news into the outbox for everyone who wants them, within the change that they tell of.
pub(super) async fn tell(
    on: &mut Connection<'_>,
    keys: &SealingKeys,
    org: OrgId,
    news: &News,
) -> Result<(), StoreError> {
    let wanted = query(
        "SELECT webhook_id FROM webhooks WHERE org_id = $1 AND state IN ('active', 'paused') AND (events & $2) <> 0 LIMIT 1000",
    )
    .bind(org.as_bytes().as_slice())
    .bind(news.kind.bit())
    .fetch_all(&mut *on)
    .await?;
    let wanted: Result<Vec<WebhookId>, _> = wanted
        .iter()
        .map(|found| row::id(found, "webhook_id"))
        .collect();
    tell_these(on, keys, org, news, &wanted?).await.map(|_| ())
}

/// The same for these webhooks, whatever they want.
pub(super) async fn tell_these(
    on: &mut Connection<'_>,
    keys: &SealingKeys,
    org: OrgId,
    news: &News,
    webhooks: &[WebhookId],
) -> Result<NewsId, StoreError> {
    let id: NewsId = ids::random(keys.random());
    if webhooks.is_empty() {
        return Ok(id);
    }
    let number: i64 = query_scalar(
        "INSERT INTO webhook_numbers (org_id, last) VALUES ($1, 1) \
         ON CONFLICT (org_id) DO UPDATE SET last = webhook_numbers.last + 1 RETURNING last",
    )
    .bind(org.as_bytes().as_slice())
    .fetch_one(&mut *on)
    .await?;
    let place = [org.as_bytes().as_slice(), &number.to_be_bytes()];
    let room = news.room.map_or(NO_ROOM, |room| *room.as_bytes());
    let body = news.body.expose().as_bytes();
    let body = keys.seal(&mut *on, BODY, &place, body).await?;
    query(
        "INSERT INTO webhook_news (org_id, number, news_id, kind, room_id, at, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(org.as_bytes().as_slice())
    .bind(number)
    .bind(id.as_bytes().as_slice())
    .bind(news.kind.as_str())
    .bind(room.as_slice())
    .bind(news.at.as_millis())
    .bind(body)
    .execute(&mut *on)
    .await?;
    for webhook in webhooks {
        let full = is_full(on, org, *webhook, &room).await?;
        query(
            "INSERT INTO webhook_deliveries (org_id, webhook_id, number, room_id, state, attempts, next_at, failure) \
             VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(webhook.as_bytes().as_slice())
        .bind(number)
        .bind(room.as_slice())
        .bind(if full { "dead" } else { "due" })
        .bind(news.at.as_millis())
        .bind(full.then_some(OVERFLOW))
        .execute(&mut *on)
        .await?;
    }
    Ok(id)
}

/// Whether a webhook has been left behind too far.
async fn is_full(
    on: &mut Connection<'_>,
    org: OrgId,
    webhook: WebhookId,
    room: &[u8; 16],
) -> Result<bool, StoreError> {
    let due: i64 = query_scalar(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND state = 'due' \
         LIMIT $3) AS due",
    )
    .bind(org.as_bytes().as_slice())
    .bind(webhook.as_bytes().as_slice())
    .bind(MOST_DUE)
    .fetch_one(&mut *on)
    .await?;
    if due < MOST_DUE_OF_ROOM {
        return Ok(false);
    }
    let of_room: i64 = query_scalar(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND state = 'due' \
         AND room_id = $3 LIMIT $4) AS due",
    )
    .bind(org.as_bytes().as_slice())
    .bind(webhook.as_bytes().as_slice())
    .bind(room.as_slice())
    .bind(MOST_DUE_OF_ROOM)
    .fetch_one(on)
    .await?;
    Ok(due >= MOST_DUE || of_room >= MOST_DUE_OF_ROOM)
}

/// A change, and the news of it.
struct Telling<C: Change> {
    change: C,
    came_to: fn(&C::Out) -> bool,
    org: OrgId,
    news: Option<News>,
    keys: Arc<SealingKeys>,
}

impl<C: Change> Change for Telling<C> {
    type Out = C::Out;

    async fn apply(self, on: &mut Connection<'_>) -> Result<C::Out, StoreError> {
        let out = self.change.apply(on).await?;
        if let Some(news) = self.news.filter(|_| (self.came_to)(&out)) {
            tell(on, &self.keys, self.org, &news).await?;
        }
        Ok(out)
    }

    fn ends(&self) -> Option<Ending> {
        self.change.ends()
    }
}

struct Tell {
    org: OrgId,
    news: Vec<News>,
    keys: Arc<SealingKeys>,
}

impl Change for Tell {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        for news in &self.news {
            tell(on, &self.keys, self.org, news).await?;
        }
        Ok(())
    }
}

struct Record {
    org: OrgId,
    came: Came,
}

impl Change for Record {
    type Out = Option<Head>;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Option<Head>, StoreError> {
        let Self { org, came } = self;
        let org = org.as_bytes().as_slice();
        let webhook = came.head.webhook;
        let state = match (came.failure, came.again) {
            (None, _) => "told",
            (Some(_), Some(_)) => "due",
            (Some(_), None) => "dead",
        };
        query(
            "UPDATE webhook_deliveries SET state = $4, attempts = attempts + 1, next_at = $5, last_at = $6, status = $7, \
             failure = $8, took = $9 WHERE org_id = $1 AND webhook_id = $2 AND number = $3 AND state = 'due'",
        )
        .bind(org)
        .bind(webhook.as_bytes().as_slice())
        .bind(came.head.number)
        .bind(state)
        .bind(came.again.unwrap_or(came.at).as_millis())
        .bind(came.at.as_millis())
        .bind(came.status.map(i64::from))
        .bind(came.failure)
        .bind(i64::try_from(came.took.as_millis()).unwrap_or(i64::MAX))
        .execute(&mut *on)
        .await?;
        webhooks::fared(on, org, &came).await?;
        let found = query(
            "SELECT d.room_id, d.number, d.attempts, d.next_at FROM webhook_deliveries d \
             JOIN webhooks w ON w.org_id = d.org_id AND w.webhook_id = d.webhook_id \
             WHERE d.org_id = $1 AND d.webhook_id = $2 AND d.state = 'due' AND d.room_id = $3 AND w.state = 'active' \
             ORDER BY d.number LIMIT 1",
        )
        .bind(org)
        .bind(webhook.as_bytes().as_slice())
        .bind(came.head.room.as_slice())
        .fetch_optional(on)
        .await?;
        found.map(|found| head(&found, webhook)).transpose()
    }
}

struct WipeDeliveries {
    org: OrgId,
    id: WebhookId,
    before: i64,
    most: i64,
}

impl Change for WipeDeliveries {
    type Out = bool;

    async fn apply(self, on: &mut Connection<'_>) -> Result<bool, StoreError> {
        let (org, id) = (
            self.org.as_bytes().as_slice(),
            self.id.as_bytes().as_slice(),
        );
        // What is over counts from the last attempt, or from when it died untried.
        let wiped = query(
            "DELETE FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND number IN (SELECT number FROM \
             webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND state <> 'due' AND (COALESCE(last_at, next_at) <= $3 \
             OR number <= (SELECT number FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2 AND state <> 'due' \
             ORDER BY number DESC LIMIT 1 OFFSET $4)) ORDER BY number LIMIT $5)",
        )
        .bind(org)
        .bind(id)
        .bind(self.before)
        .bind(self.most)
        .bind(WIPED_AT_ONCE)
        .execute(on)
        .await?;
        Ok(wiped.rows_affected() == WIPED_AT_ONCE.unsigned_abs())
    }
}

struct WipeNews {
    org: OrgId,
}

impl Change for WipeNews {
    type Out = bool;

    async fn apply(self, on: &mut Connection<'_>) -> Result<bool, StoreError> {
        let wiped = query(
            "DELETE FROM webhook_news WHERE org_id = $1 AND number IN (SELECT n.number FROM webhook_news n WHERE n.org_id = $1 \
             AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.org_id = n.org_id AND d.number = n.number) \
             ORDER BY n.number LIMIT $2)",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(WIPED_AT_ONCE)
        .execute(on)
        .await?;
        Ok(wiped.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests;
