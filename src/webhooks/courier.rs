//! The task that sends: it reads what is due, has the plan say what comes next, sends it through the one door to the outside, and keeps
//! what came of it. It decides nothing about order.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as Metrics;
use rustls::RootCertStore;
use thiserror::Error;

use crate::clock::{Clock, Timestamp};
use crate::ids::OrgId;
use crate::outbound::address::written_inside;
use crate::outbound::fetch::{FetchError, Fetcher, Limits, Question, place};
use crate::outbound::trust;
use crate::secret::RandomSource;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::outbox::{Came, Head, Letter};
use crate::webhooks::plan::{self, AT_ONCE, MOST_ROOMS, Plan};
use crate::webhooks::settings::WebhookSettings;
use crate::webhooks::signature::signatures;

/// What one attempt may take. Of the answer only the head is read.
const LIMITS: Limits = Limits {
    answer: None,
    patience: Duration::from_secs(15),
    at_once: AT_ONCE,
};
/// The outbox is looked through this often though nobody rang.
const LOOK: Duration = Duration::from_secs(60);
/// How soon it is tried again to reach the database.
const AWAY: Duration = Duration::from_secs(1);
/// How often it is tried to keep what came of an attempt. What is lost then is told once more.
const KEEPING: usize = 5;
/// The longest address of a webhook.
const LONGEST_URL: usize = 500;

/// Why nothing can be sent as it is set.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// A file cannot be read, or has not in it what it should.
    #[error("`webhooks.authorities`: the file `{0}` cannot be used")]
    Authorities(String),
    /// TLS cannot be set up.
    #[error("`webhooks`: TLS cannot be used")]
    Tls,
}

/// Tells other programs what happens here.
pub struct Courier {
    store: Store,
    org: OrgId,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    settings: WebhookSettings,
    told: Counter,
    failed: Counter,
}

/// One attempt that ended: what it was, whether it was told (none: it was not tried), and what comes next of that room.
type Ended = (Head, Option<bool>, Option<Head>);

impl Courier {
    /// Makes it ready; sends nothing yet.
    ///
    /// # Errors
    /// When a file of authorities cannot be used.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
        settings: WebhookSettings,
    ) -> Result<Self, WebhookError> {
        let mut roots = RootCertStore::empty();
        // A system that trusts nobody reaches nobody: what is sent then fails and says so.
        let _system = trust::system().map(|path| trust::add(&mut roots, path));
        if let Some(path) = &settings.authorities
            && !trust::add(&mut roots, path)
        {
            return Err(WebhookError::Authorities(path.display().to_string()));
        }
        let internal = settings
            .internal
            .iter()
            .map(|host| host.to_ascii_lowercase());
        let fetcher = Fetcher::new(Arc::new(roots), internal.collect(), LIMITS);
        Ok(Self {
            org: store.org(),
            store,
            fetcher: fetcher.ok_or(WebhookError::Tls)?,
            clock,
            random,
            settings,
            told: Counter::default(),
            failed: Counter::default(),
        })
    }

    /// Shows what was told and what failed.
    pub fn register(&self, metrics: &mut Metrics) {
        metrics.register(
            "webhooks_told",
            "News that a webhook took",
            self.told.clone(),
        );
        metrics.register(
            "webhooks_failed",
            "Attempts to tell a webhook something that failed",
            self.failed.clone(),
        );
    }

    /// Sends until the server stops. What is under way then is told once more after the next start.
    pub async fn keep(&self) {
        let mut plan = Plan::default();
        let mut under_way: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut read = self.store.webhooks_changed(self.org).await.is_ok();
        loop {
            if read && self.read(&mut plan).await.is_err() {
                tokio::time::sleep(AWAY).await;
                continue;
            }
            let now = self.clock.now();
            while let Some(head) = plan.next(now) {
                under_way.push(Box::pin(self.attempt(head)));
            }
            let wait = plan
                .deadline()
                .map_or(LOOK, |at| at.since(self.clock.now()).min(LOOK));
            tokio::select! {
                Some((head, told, next)) = under_way.next() => {
                    plan.came(&head, told, next);
                    read = plan.is_hungry();
                }
                () = self.store.outbox_rung() => read = true,
                () = tokio::time::sleep(wait) => read = wait == LOOK,
            }
        }
    }

    async fn read(&self, plan: &mut Plan) -> Result<(), StoreError> {
        let active = self.store.outbox_active(self.org).await?;
        plan.only(&active);
        let most = i64::try_from(MOST_ROOMS).unwrap_or(i64::MAX);
        for webhook in active {
            let heads = self.store.outbox_heads(self.org, webhook, most).await?;
            plan.read(webhook, heads);
        }
        Ok(())
    }

    async fn attempt(&self, head: Head) -> Ended {
        let now = self.clock.now();
        match self.store.outbox_letter(self.org, &head, now).await {
            Ok(Some(letter)) => self.send(head, &letter, now).await,
            Ok(None) => (head, None, None),
            Err(_) => {
                let next = Some(now.after(AWAY)).map(|next| Head { next, ..head });
                (head, None, next)
            }
        }
    }

    async fn send(&self, head: Head, letter: &Letter, now: Timestamp) -> Ended {
        let answer = match question(letter, now) {
            Some(question) => self.fetcher.fetch(question).await,
            None => Err(FetchError::Address),
        };
        let at = self.clock.now();
        let mut asked = None;
        let (status, failure) = match &answer {
            Ok(answer) => {
                let status = answer.status();
                asked = answer.headers().get(header::RETRY_AFTER).and_then(seconds);
                (
                    Some(status.as_u16()),
                    (!status.is_success()).then_some("refused"),
                )
            }
            Err(error) => (None, Some(word(*error))),
        };
        let mut chance = [0];
        self.random.fill(&mut chance);
        let again = failure.and_then(|_| {
            plan::again(
                head.attempts.saturating_add(1),
                self.settings.attempts,
                self.settings.first_wait(),
                asked,
                at,
                u8::from_be_bytes(chance),
            )
        });
        let gone = status == Some(410);
        let give_up = self.settings.give_up().as_millis();
        let give_up = at
            .as_millis()
            .saturating_sub(i64::try_from(give_up).unwrap_or(i64::MAX));
        let told = failure.is_none();
        if told { &self.told } else { &self.failed }.inc();
        let came = Came {
            head,
            at,
            took: at.since(now),
            status,
            failure,
            again: again.filter(|_| !gone),
            gone,
            give_up: Timestamp::from_millis(give_up),
        };
        for _ in 0..KEEPING {
            match self.store.outbox_came(self.org, came).await {
                Ok(next) => return (head, Some(told), next),
                Err(_) => tokio::time::sleep(AWAY).await,
            }
        }
        (head, Some(told), None)
    }
}

fn question(letter: &Letter, now: Timestamp) -> Option<Question> {
    let id = format!("msg_{}", letter.id);
    let body = letter.body.expose();
    let mut question = Request::post(letter.url.expose())
        .body(body.clone().into_bytes())
        .ok()?;
    let headers = question.headers_mut();
    let signatures = signatures(&id, now, body, &letter.secrets);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert("webhook-id", HeaderValue::try_from(id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(now.as_secs()));
    headers.insert("webhook-signature", HeaderValue::try_from(signatures).ok()?);
    Some(question)
}

/// How long the other side wants to be left alone, where it says so in seconds.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// A failure as it is stored and shown.
const fn word(error: FetchError) -> &'static str {
    match error {
        FetchError::Address => "address",
        FetchError::Internal => "internal",
        FetchError::Busy => "busy",
        FetchError::TooSlow => "too_slow",
        FetchError::TooLarge => "too_large",
        FetchError::Unreachable => "unreachable",
        FetchError::Malformed => "malformed",
        FetchError::Redirect => "redirect",
    }
}

/// Why an address cannot be a webhook's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    /// It is not of the form `https://host/path`.
    Form,
    /// It is one of an internal network. (A name that leads there is found when something is sent.)
    Internal,
}

/// Whether something can be sent to this address; what it leads to is looked at each time.
///
/// # Errors
/// Why not.
pub fn check_address(url: &str, settings: &WebhookSettings) -> Result<(), BadAddress> {
    if url.len() > LONGEST_URL || url.contains('#') {
        return Err(BadAddress::Form);
    }
    let uri = url.parse().map_err(|_| BadAddress::Form)?;
    let (host, _) = place(&uri).map_err(|_| BadAddress::Form)?;
    let allowed = settings
        .internal
        .iter()
        .any(|inside| inside.eq_ignore_ascii_case(&host));
    let inside = written_inside(&host).ok_or(BadAddress::Form)?;
    if inside && !allowed {
        Err(BadAddress::Internal)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_the_outside_is_an_address() {
        let settings = WebhookSettings {
            internal: vec!["127.0.0.1".to_owned()],
            ..Default::default()
        };
        for right in ["https://hooks.example.org/x?y=1", "https://127.0.0.1:8443/"] {
            assert_eq!(check_address(right, &settings), Ok(()), "{right}");
        }
        for inside in [
            "https://127.0.0.2/",
            "https://[::1]/",
            "https://localhost:1/",
            "https://169.254.169.254/",
        ] {
            assert_eq!(
                check_address(inside, &settings),
                Err(BadAddress::Internal),
                "{inside}"
            );
        }
        let long = format!("https://example.org/{}", "x".repeat(500));
        for wrong in [
            "http://example.org/",
            "https://u:p@example.org/",
            "https://example.org/#a",
            "example",
            &long,
        ] {
            assert_eq!(
                check_address(wrong, &settings),
                Err(BadAddress::Form),
                "{wrong}"
            );
        }
    }
}
