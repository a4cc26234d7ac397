//! The outbox and the webhooks as both databases keep them.

use std::sync::LazyLock;

use conclave_policy::actions::{ManageWebhooks, WebhookDeed};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, OrgAdmin, SecondFactor};
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;

use super::*;
use crate::ids::{ActorId, RoomId};
use crate::store::database::tests::{open, store};
use crate::store::rooms::tests::room_of;
use crate::store::webhooks::{
    DeliveryState, NewWebhook, Replay, Webhook, WebhookChange, WebhookState,
};

static RULES: LazyLock<Snapshot> = LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());
const URL: &str = "https://hooks.example.org/canary-path";

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const fn id(number: u8) -> WebhookId {
    WebhookId::from_bytes([number; 16])
}

fn permit(webhook: WebhookId, deed: WebhookDeed) -> Permit<ManageWebhooks> {
    let facts = Facts::new().with(SecondFactor::Proved).with(OrgAdmin::Yes);
    let (actor, room) = (ActorId::from_bytes([9; 16]), RoomId::from_bytes([0; 16]));
    let action = ManageWebhooks { webhook, deed };
    RULES
        .decide(actor, Role::Attendee, room, &facts, action)
        .unwrap()
}

async fn add(store: &Store, number: u8, events: &[NewsKind]) {
    let new = NewWebhook {
        url: Secret::new(URL.to_owned()),
        label: Secret::new("canary label".to_owned()),
        events: events.to_vec(),
        secret: Secret::new(vec![number; 32]),
        made: at(number.into()),
    };
    let permit = permit(id(number), WebhookDeed::Create);
    store.add_webhook(permit, store.org(), new).await.unwrap();
}

fn news(kind: NewsKind, room: Option<RoomId>, when: i64) -> News {
    let data = serde_json::json!({ "name": "canary name", "when": when });
    News::new(kind, room, at(when), &data).unwrap()
}

async fn tell(store: &Store, kind: NewsKind, room: Option<RoomId>, when: i64) {
    let told = store.tell(store.org(), vec![news(kind, room, when)]);
    told.await.unwrap();
}

async fn heads(store: &Store, webhook: u8) -> Vec<i64> {
    let found = store.outbox_heads(store.org(), id(webhook), 100).await;
    found.unwrap().iter().map(|head| head.number).collect()
}

fn came(head: Head, when: i64, failure: Option<&'static str>, again: Option<i64>) -> Came {
    Came {
        head,
        at: at(when),
        took: Duration::from_millis(7),
        status: failure.map_or(Some(204), |_| Some(500)),
        failure,
        again: again.map(at),
        gone: false,
        give_up: at(i64::MIN),
    }
}

async fn first(store: &Store, webhook: u8) -> Head {
    store
        .outbox_heads(store.org(), id(webhook), 1)
        .await
        .unwrap()[0]
}

async fn shown(store: &Store, webhook: u8) -> Webhook {
    let found = store.webhook(store.org(), id(webhook)).await;
    found.unwrap().unwrap()
}

async fn states(store: &Store, webhook: u8) -> Vec<(i64, DeliveryState)> {
    let found = store.deliveries(store.org(), id(webhook), None, None, 100);
    let found = found.await.unwrap();
    found
        .iter()
        .map(|delivery| (delivery.number, delivery.state))
        .collect()
}

#[tokio::test]
async fn each_webhook_is_told_what_it_wants_one_news_of_a_room_after_the_other() {
    let (_folder, store) = store().await;
    let (one, two) = (RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
    assert!(!store.wants(NewsKind::RoomStarted));
    add(&store, 1, &[NewsKind::RoomStarted, NewsKind::RoomEnded]).await;
    add(&store, 2, &[NewsKind::RoomEnded]).await;
    assert!(store.wants(NewsKind::RoomStarted) && !store.wants(NewsKind::RoomCreated));
    tell(&store, NewsKind::RoomStarted, Some(one), 1).await;
    tell(&store, NewsKind::RoomStarted, Some(two), 2).await;
    tell(&store, NewsKind::RoomEnded, Some(one), 3).await;
    tell(&store, NewsKind::RoomCreated, Some(one), 4).await;
    assert_eq!(
        (heads(&store, 1).await, heads(&store, 2).await),
        (vec![1, 2], vec![3])
    );

    let head = first(&store, 1).await;
    let letter = store
        .outbox_letter(store.org(), &head, at(5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter.url.expose(), URL);
    assert!(letter.body.expose().contains("\"type\":\"room.started\""));
    // It fails: it stays the first of its room, until it is dead; then comes the next.
    let next = store.outbox_came(store.org(), came(head, 5, Some("refused"), Some(50)));
    let next = next.await.unwrap().unwrap();
    assert_eq!((next.number, next.attempts, next.next), (1, 1, at(50)));
    let next = store.outbox_came(store.org(), came(next, 50, Some("refused"), None));
    assert_eq!(next.await.unwrap().unwrap().number, 3);
    let told = came(first(&store, 2).await, 60, None, None);
    assert_eq!(store.outbox_came(store.org(), told).await.unwrap(), None);
    assert_eq!(states(&store, 2).await, [(3, DeliveryState::Told)]);
    let webhook = shown(&store, 1).await;
    assert_eq!(
        (webhook.due, webhook.dead, webhook.failing_since),
        (2, 1, Some(at(5)))
    );

    // What is dead is told again, before what came after it.
    let replay = |which| {
        let permit = permit(id(1), WebhookDeed::Replay);
        store.replay_webhook(permit, store.org(), which, at(70))
    };
    assert_eq!(replay(Replay::Dead).await, Ok(1));
    assert_eq!(heads(&store, 1).await, [2, 1]);
    let all = store.deliveries(store.org(), id(2), Some(DeliveryState::Told), None, 9);
    let told = all.await.unwrap()[0].news;
    assert_eq!(replay(Replay::One(told)).await, Err(StoreError::Missing));
    let permit = permit(id(2), WebhookDeed::Replay);
    let again = store.replay_webhook(permit, store.org(), Replay::One(told), at(70));
    assert_eq!((again.await, heads(&store, 2).await), (Ok(1), vec![3]));
}

#[tokio::test]
async fn the_news_of_a_row_are_stored_with_it_or_not_at_all() {
    let (folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomCreated, NewsKind::RoomClosed]).await;
    let (_, room) = room_of(&store, 1, 2).await;
    store.end_room(store.org(), room, at(9)).await.unwrap();
    let again = store.end_room(store.org(), room, at(9)).await;
    assert_eq!(again, Err(StoreError::Missing));
    assert_eq!(states(&store, 1).await.len(), 2);
    // After a restart it is known again who wants what.
    store.close().await;
    let store = open(folder.path()).await.unwrap();
    store.webhooks_changed(store.org()).await.unwrap();
    assert!(store.wants(NewsKind::RoomClosed) && !store.wants(NewsKind::RoomStarted));
    assert_eq!(heads(&store, 1).await, [1]);
}

#[tokio::test]
async fn a_paused_webhook_keeps_what_it_is_to_be_told_and_one_that_is_gone_does_not() {
    let (_folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomStarted]).await;
    let org = store.org();
    let change = |active, seen| {
        let change = WebhookChange {
            active: Some(active),
            ..Default::default()
        };
        let permit = permit(id(1), WebhookDeed::Change);
        store.change_webhook(permit, org, seen, change)
    };
    change(false, 1).await.unwrap();
    assert_eq!(change(true, 1).await, Err(StoreError::Conflict));
    tell(&store, NewsKind::RoomStarted, None, 1).await;
    assert_eq!(store.outbox_active(org).await.unwrap(), []);
    let head = first(&store, 1).await;
    assert!(
        store
            .outbox_letter(org, &head, at(2))
            .await
            .unwrap()
            .is_none()
    );
    change(true, 2).await.unwrap();
    assert_eq!(store.outbox_active(org).await.unwrap(), [id(1)]);
    assert!(
        store
            .outbox_letter(org, &head, at(2))
            .await
            .unwrap()
            .is_some()
    );

    tell(&store, NewsKind::RoomStarted, None, 2).await;
    let gone = Came {
        gone: true,
        ..came(head, 3, Some("refused"), None)
    };
    assert_eq!(store.outbox_came(org, gone).await.unwrap(), None);
    tell(&store, NewsKind::RoomStarted, None, 4).await;
    let webhook = shown(&store, 1).await;
    assert_eq!(
        (webhook.state, webhook.due, webhook.dead),
        (WebhookState::Gone, 0, 2)
    );
    change(true, webhook.revision).await.unwrap();
    tell(&store, NewsKind::RoomStarted, None, 5).await;
    // Nothing but failures for too long.
    let failed = Came {
        give_up: at(100),
        ..came(first(&store, 1).await, 100, Some("too_slow"), Some(200))
    };
    store.outbox_came(org, failed).await.unwrap();
    assert_eq!(shown(&store, 1).await.state, WebhookState::Failing);
}

#[tokio::test]
async fn two_secrets_sign_after_a_rotation_until_the_old_one_is_over() {
    let (_folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomStarted]).await;
    tell(&store, NewsKind::RoomStarted, None, 1).await;
    let org = store.org();
    let permit = permit(id(1), WebhookDeed::Rotate);
    let until = store.rotate_webhook(permit, org, Secret::new(vec![8; 32]), at(5));
    let until = until.await.unwrap();
    let head = first(&store, 1).await;
    let secrets = async |now| {
        let letter = store.outbox_letter(org, &head, now).await.unwrap().unwrap();
        let secrets = letter.secrets.iter();
        secrets.map(|secret| secret.expose()[0]).collect::<Vec<_>>()
    };
    assert_eq!(secrets(at(6)).await, [8, 1]);
    assert_eq!(secrets(until).await, [8]);
}

#[tokio::test]
async fn what_is_over_is_wiped_and_what_a_webhook_was_told_goes_with_it() {
    let (_folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomStarted]).await;
    for when in 1..=4 {
        let room = RoomId::from_bytes([when as u8; 16]);
        tell(&store, NewsKind::RoomStarted, Some(room), when).await;
    }
    let org = store.org();
    for _ in 0..3 {
        let head = first(&store, 1).await;
        let told = came(head, head.number * 1000, None, None);
        store.outbox_came(org, told).await.unwrap();
    }
    let day = Duration::from_millis(1000);
    store.wipe_outbox(at(3000), day).await.unwrap();
    let left: Vec<_> = states(&store, 1)
        .await
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(left, [4, 3]);
    let permit = permit(id(1), WebhookDeed::Delete);
    store.delete_webhook(permit, org).await.unwrap();
    store.wipe_outbox(at(3000), day).await.unwrap();
    let rows: i64 = query_scalar("SELECT COUNT(*) FROM webhook_news")
        .fetch_one(store.reads())
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_room_that_floods_fills_no_more_than_its_part_and_the_rest_is_dead() {
    let (_folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomStarted]).await;
    let (flood, other) = (RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
    let many = (0..MOST_DUE_OF_ROOM + 3)
        .map(|when| news(NewsKind::RoomStarted, Some(flood), when))
        .collect();
    store.tell(store.org(), many).await.unwrap();
    tell(&store, NewsKind::RoomStarted, Some(other), 1).await;
    let webhook = shown(&store, 1).await;
    assert_eq!(
        (webhook.due, webhook.dead),
        (MOST_DUE_OF_ROOM as u64 + 1, 3)
    );
}

#[tokio::test]
async fn nothing_of_it_is_stored_in_clear() {
    let (folder, store) = store().await;
    add(&store, 1, &[NewsKind::RoomStarted]).await;
    tell(&store, NewsKind::RoomStarted, None, 1).await;
    store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for canary in ["canary", "hooks.example"] {
            let canary = canary.as_bytes();
            assert!(!bytes.windows(canary.len()).any(|window| window == canary));
        }
    }
}
