//! Webhooks: where events are told, and how that went. The secret that signs is shown once, when it is made.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::actions::{ManageWebhooks, ReadWebhooks, WebhookDeed};
use conclave_policy::permit::Permit;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{Asking, At, By, Given, Here, IfMatch, here};
use crate::api::v1::page::{PAGE, number_cursor, read_number};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::name::tidy;
use crate::auth::principal::Principal;
use crate::bounded::{Few, Text};
use crate::clock::Timestamp;
use crate::ids::{self, NewsId, RoomId, WebhookId};
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::news::{News, NewsKind};
use crate::store::webhooks::{
    Delivery, DeliveryState, NewWebhook, Replay, Webhook, WebhookChange as Change,
};
use crate::webhooks::courier::{BadAddress, check_address};
use crate::webhooks::signature;

const MAX_NAME: usize = 80;

/// A place that is told what happens.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: WebhookId,
    /// What it is called.
    name: String,
    url: String,
    /// What it is told.
    #[schema(value_type = Vec<String>)]
    events: Vec<&'static str>,
    /// `active`; `paused`: what happens is kept for it; `failing`: given up after nothing but failures; `gone`: it answered 410.
    #[schema(value_type = String, pattern = "^(active|paused|failing|gone)$")]
    state: &'static str,
    /// Since when every attempt has failed.
    #[schema(value_type = Option<i64>)]
    failing_since: Option<Timestamp>,
    /// Until when the secret before the last one signs too.
    #[schema(value_type = Option<i64>)]
    old_secret_until: Option<Timestamp>,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    made: Timestamp,
}

/// A webhook in the list, with what it has still to be told.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookLine)]
pub(super) struct WebhookLine {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Deliveries that are to come.
    due: u64,
    /// Deliveries that were given up.
    dead: u64,
}

/// The webhooks of the organisation, and what there is to be told.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookList {
    webhooks: Vec<WebhookLine>,
    /// Every type of event.
    #[schema(value_type = Vec<String>)]
    events: Vec<&'static str>,
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhookBody {
    /// What it is called.
    #[schema(value_type = String, min_length = 1, max_length = 80)]
    name: Text<1024>,
    /// `https://host/path`, not on an internal network.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    url: Text<500>,
    /// What it is told.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 32)]
    events: Few<Text<64>, 32>,
}

/// What is to be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookChange {
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80)]
    name: Option<Text<1024>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    url: Option<Text<500>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 32)]
    events: Option<Few<Text<64>, 32>>,
    /// False: it is told nothing for now, and everything afterwards. True: also one that was given up is told again.
    #[serde(default)]
    active: Option<bool>,
}

/// A webhook that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookMade {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: WebhookId,
    /// What the receiver checks signatures with (Standard Webhooks). It is not shown again.
    #[schema(pattern = "^whsec_")]
    secret: String,
}

/// Another secret.
#[derive(Serialize, ToSchema)]
pub(super) struct SecretRotated {
    /// What the receiver checks signatures with from now on. It is not shown again.
    #[schema(pattern = "^whsec_")]
    secret: String,
    /// Until when the secret before it signs too: milliseconds since the epoch.
    #[schema(value_type = i64)]
    old_secret_until: Timestamp,
}

/// What became of telling a webhook one event.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    /// As in the header `webhook-id`.
    id: String,
    /// The type of the event.
    r#type: String,
    #[schema(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    room: Option<RoomId>,
    /// When it happened.
    #[schema(value_type = i64)]
    at: Timestamp,
    /// `due`, `told`, or `dead`.
    #[schema(value_type = String, pattern = "^(due|told|dead)$")]
    state: &'static str,
    attempts: u64,
    /// When it is tried next; it may be later where an earlier event of the room comes first.
    #[schema(value_type = Option<i64>)]
    next: Option<Timestamp>,
    /// When it was tried last.
    #[schema(value_type = Option<i64>)]
    last: Option<Timestamp>,
    /// What the receiver answered then.
    status: Option<u16>,
    /// Why it was not told then: a word such as `refused`, `too_slow`, `unreachable`, `internal`, `redirect`, `overflow`.
    failure: Option<String>,
    /// How long that took, in milliseconds.
    took: Option<u64>,
}

/// Some deliveries, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryPage {
    deliveries: Vec<DeliveryView>,
    /// The `cursor` of the next page; null on the last.
    next: Option<String>,
}

/// Which deliveries are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedDeliveries {
    /// Only those that are `due`, `told` or `dead`.
    #[param(value_type = Option<String>, pattern = "^(due|told|dead)$")]
    state: Option<Text<8>>,
    /// `next` of the page before.
    #[param(value_type = Option<String>, max_length = 64)]
    cursor: Option<Text<64>>,
    /// Lines of the page.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What is told again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    /// The delivery, if it is over; left out: everything that is dead.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^msg_[a-z2-7]{26}$")]
    id: Option<Text<64>>,
}

/// How much is told again.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    deliveries: u64,
}

/// A test event that is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct TestSent {
    /// As in the header `webhook-id`.
    id: String,
}

/// Where events are told.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, description = "Every webhook, the oldest first.", body = WebhookList)))]
pub(super) async fn list_webhooks(
    State(api): State<Arc<Api>>,
    By(principal): By,
) -> Result<Json<WebhookList>, Refused> {
    let _permit = look(&api, &principal, ReadWebhooks)?;
    let found = api.state.store.webhooks(principal.org).await?;
    let webhooks = found.iter().map(|webhook| WebhookLine {
        webhook: view(webhook),
        due: webhook.due,
        dead: webhook.dead,
    });
    Ok(Json(WebhookList {
        webhooks: webhooks.collect(),
        events: NewsKind::wantable().map(NewsKind::as_str).collect(),
    }))
}

/// Lets a place be told what happens. Its secret is shown once.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "createWebhook", tag = "webhooks", request_body = NewWebhookBody,
    params(("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a person asks and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 201, description = "The webhook was made.", body = WebhookMade, headers(("Location" = String)))))]
pub(super) async fn create_webhook(
    State(api): State<Arc<Api>>,
    Here(principal): Here,
    Given(body): Given<NewWebhookBody>,
) -> Result<Response, Refused> {
    let name = tidy(body.name.as_str(), MAX_NAME).map_err(Problem::InvalidName)?;
    let url = address(&api, &body.url)?;
    let events = events(&body.events)?;
    let id: WebhookId = ids::random(api.state.random.as_ref());
    let permit = manage(&api, &principal, id, WebhookDeed::Create).await?;
    let secret = signature::fresh(api.state.random.as_ref());
    let new = NewWebhook {
        url,
        label: Secret::new(name),
        events,
        secret: secret.clone(),
        made: api.state.clock.now(),
    };
    let store = &api.state.store;
    store.add_webhook(permit, principal.org, new).await?;
    let made = WebhookMade {
        id,
        secret: signature::shown(&secret).expose().clone(),
    };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    // Letters and digits are always a header's value.
    if let Ok(location) = HeaderValue::try_from(format!("/v1/webhooks/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}", operation_id = "getWebhook", tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook.")),
    responses((status = 200, description = "The webhook.", body = WebhookView, headers(("ETag" = String)))))]
pub(super) async fn get_webhook(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Tagged<WebhookView>, Refused> {
    let _permit = look(&api, &principal, ReadWebhooks)?;
    let webhook = find(&api, &principal, &id).await?;
    Ok(Tagged(view(&webhook)))
}

/// Changes what a webhook is told, where it is, or whether it is told anything.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook}", operation_id = "changeWebhook", tag = "webhooks", request_body = WebhookChange,
    params(("webhook" = String, Path, description = "The webhook."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a person changes the address and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "The webhook as it is now.", body = WebhookView, headers(("ETag" = String)))))]
pub(super) async fn change_webhook(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    headers: HeaderMap,
    Given(body): Given<WebhookChange>,
) -> Result<Tagged<WebhookView>, Refused> {
    if body.url.is_some() {
        here(&api, &principal, &headers)?;
    }
    let name = body.name.as_ref().map(|name| tidy(name.as_str(), MAX_NAME));
    let change = Change {
        url: body
            .url
            .as_ref()
            .map(|url| address(&api, url))
            .transpose()?,
        label: name
            .transpose()
            .map_err(Problem::InvalidName)?
            .map(Secret::new),
        events: body.events.as_ref().map(events).transpose()?,
        active: body.active,
    };
    let webhook: WebhookId = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, webhook, WebhookDeed::Change).await?;
    let before = find(&api, &principal, &id).await?;
    matches(named.as_deref(), &view(&before))?;
    let (store, org) = (&api.state.store, principal.org);
    let changed = store.change_webhook(permit, org, before.revision, change);
    changed.await.map_err(|error| match error {
        StoreError::Conflict => Problem::Stale,
        error => error.into(),
    })?;
    let after = find(&api, &principal, &id).await?;
    Ok(Tagged(view(&after)))
}

/// Forgets a webhook, and what it was told.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook}", operation_id = "deleteWebhook", tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook.")),
    responses((status = 204, description = "It is told nothing any more.")))]
pub(super) async fn delete_webhook(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<StatusCode, Refused> {
    let webhook = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, webhook, WebhookDeed::Delete).await?;
    api.state
        .store
        .delete_webhook(permit, principal.org)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes another secret; the one before it signs too for a day, so that the receiver can change in peace.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/secret", operation_id = "rotateWebhookSecret", tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a person asks and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "The new secret.", body = SecretRotated)))]
pub(super) async fn rotate_secret(
    State(api): State<Arc<Api>>,
    Here(principal): Here,
    At(id): At<String>,
) -> Result<Json<SecretRotated>, Refused> {
    let webhook = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, webhook, WebhookDeed::Rotate).await?;
    let secret = signature::fresh(api.state.random.as_ref());
    let now = api.state.clock.now();
    let rotated = api
        .state
        .store
        .rotate_webhook(permit, principal.org, secret.clone(), now);
    Ok(Json(SecretRotated {
        old_secret_until: rotated.await?,
        secret: signature::shown(&secret).expose().clone(),
    }))
}

/// Tells a webhook that this is a test (`webhook.test`), whatever it wants.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/test", operation_id = "testWebhook", tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook.")),
    responses((status = 202, description = "The test event is on its way.", body = TestSent)))]
pub(super) async fn test_webhook(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<(StatusCode, Json<TestSent>), Refused> {
    let webhook: WebhookId = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, webhook, WebhookDeed::Test).await?;
    let data = serde_json::json!({ "webhook_id": webhook, "asked_by": principal.actor() });
    let now = api.state.clock.now();
    let news = News::new(NewsKind::Test, None, now, &data).ok_or(Problem::Unavailable)?;
    let sent = api.state.store.test_webhook(permit, principal.org, news);
    let id = message(sent.await?);
    Ok((StatusCode::ACCEPTED, Json(TestSent { id })))
}

/// What became of telling a webhook.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/deliveries", operation_id = "listDeliveries", tag = "webhooks",
    params(("webhook" = String, Path, description = "The webhook."), WantedDeliveries),
    responses((status = 200, description = "Some deliveries, the newest first.", body = DeliveryPage)))]
pub(super) async fn list_deliveries(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<WantedDeliveries>,
    At(id): At<String>,
) -> Result<Json<DeliveryPage>, Refused> {
    let _permit = look(&api, &principal, ReadWebhooks)?;
    let state = wanted
        .state
        .as_ref()
        .map(|state| DeliveryState::parse(state.as_str()).ok_or(Refused(Problem::BadRequest)));
    let state = state.transpose()?;
    let before = wanted
        .cursor
        .as_ref()
        .map(|cursor| read_number(cursor.as_str()));
    let before = before.transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=200).contains(&limit) {
        return Err(Problem::BadRequest.into());
    }
    let webhook = find(&api, &principal, &id).await?.id;
    let (store, org) = (&api.state.store, principal.org);
    let found = store.deliveries(org, webhook, state, before, limit.saturating_add(1));
    let mut found = found.await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    Ok(Json(DeliveryPage {
        next: last.map(|delivery| number_cursor(delivery.number)),
        deliveries: found.into_iter().map(delivery).collect(),
    }))
}

/// Tells a webhook again what it could not be told, or what it was told.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/replay", operation_id = "replayDeliveries", tag = "webhooks", request_body = ReplayBody,
    params(("webhook" = String, Path, description = "The webhook.")),
    responses((status = 200, description = "It is on its way.", body = Replayed)))]
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    Given(body): Given<ReplayBody>,
) -> Result<Json<Replayed>, Refused> {
    let webhook = id.parse().map_err(|_| Problem::NotFound)?;
    let which = match &body.id {
        None => Replay::Dead,
        Some(id) => {
            let id = id.as_str().strip_prefix("msg_").unwrap_or_default();
            Replay::One(id.parse().map_err(|_| Problem::NotFound)?)
        }
    };
    let permit = manage(&api, &principal, webhook, WebhookDeed::Replay).await?;
    // Whoever has just been told of a webhook that is not there is told the same again.
    find(&api, &principal, &id).await?;
    let now = api.state.clock.now();
    let (store, org) = (&api.state.store, principal.org);
    let deliveries = store.replay_webhook(permit, org, which, now).await?;
    Ok(Json(Replayed { deliveries }))
}

async fn manage(
    api: &Api,
    principal: &Principal,
    webhook: WebhookId,
    deed: WebhookDeed,
) -> Result<Permit<ManageWebhooks>, Refused> {
    Ok(ask(api, principal, ManageWebhooks { webhook, deed }).await?)
}

async fn find(api: &Api, principal: &Principal, id: &str) -> Result<Webhook, Refused> {
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let found = api.state.store.webhook(principal.org, id).await?;
    Ok(found.ok_or(Problem::NotFound)?)
}

fn address(api: &Api, url: &Text<500>) -> Result<Secret<String>, Refused> {
    match check_address(url.as_str(), &api.state.webhooks) {
        Ok(()) => Ok(Secret::new(url.as_str().to_owned())),
        Err(BadAddress::Form) => Err(Problem::InvalidAddress.into()),
        Err(BadAddress::Internal) => Err(Problem::InternalAddress.into()),
    }
}

fn events(names: &Few<Text<64>, 32>) -> Result<Vec<NewsKind>, Refused> {
    let kinds: Result<Vec<NewsKind>, _> = names.iter().map(|name| name.as_str().parse()).collect();
    let kinds = kinds.map_err(|_| Problem::InvalidValue)?;
    if kinds.is_empty() || kinds.contains(&NewsKind::Test) {
        return Err(Problem::InvalidValue.into());
    }
    Ok(kinds)
}

fn view(webhook: &Webhook) -> WebhookView {
    WebhookView {
        id: webhook.id,
        name: webhook.label.expose().clone(),
        url: webhook.url.expose().clone(),
        events: webhook.events.iter().map(|kind| kind.as_str()).collect(),
        state: webhook.state.as_str(),
        failing_since: webhook.failing_since,
        old_secret_until: webhook.old_secret_until,
        made: webhook.made,
    }
}

fn delivery(delivery: Delivery) -> DeliveryView {
    let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    DeliveryView {
        id: message(delivery.news),
        r#type: delivery.kind,
        room: delivery.room,
        at: delivery.at,
        state: delivery.state.as_str(),
        attempts: delivery.attempts,
        next: delivery.next,
        last: delivery.last,
        status: delivery.status,
        failure: delivery.failure,
        took: delivery.took.map(millis),
    }
}

fn message(id: NewsId) -> String {
    format!("msg_{id}")
}
