//! Webhooks of the real server to a real receiver over TLS: signed as the specification says (checked by an implementation of the test's own), in
//! order for each room under failures, after a kill, never to an internal address, and dead letters that are told again.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "common/receiver.rs"]
mod receiver;

use common::server::{Person, Server};
use common::text;
use receiver::{Got, Receiver};

/// Whether one of the signatures is by this secret, as the specification has it.
fn signed_by(got: &Got, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key.unwrap());
    let said = format!(
        "{}.{}.{}",
        got.headers["webhook-id"], got.headers["webhook-timestamp"], got.body
    );
    got.headers["webhook-signature"].split(' ').any(|one| {
        let (version, signature) = one.split_once(',').unwrap();
        let signature = BASE64.decode(signature.as_bytes()).unwrap();
        version == "v1" && hmac::verify(&key, said.as_bytes(), &signature).is_ok()
    })
}

struct Story {
    folder: TempDir,
    receiver: Receiver,
    server: Server,
    owner: Person,
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(folder.path()).await;
        let variables = receiver.variables();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let server = Server::start_set(&variables).await;
        let owner = server.owner().await;
        Self {
            folder,
            receiver,
            server,
            owner,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let token = Some(self.owner.token.as_str());
        let answer = self.server.call(method, path, token, body).await;
        (answer.status, answer.body)
    }

    /// Makes a webhook; gives its path and its secret.
    async fn webhook(&self, url: &str, events: &[&str]) -> (String, String) {
        let body = json!({"name": "Receiver", "url": url, "events": events});
        let (status, made) = self.call(Method::POST, "/v1/webhooks", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
        (path, made["secret"].as_str().unwrap().to_owned())
    }

    async fn deliveries(&self, webhook: &str, query: &str) -> Vec<Value> {
        let path = format!("{webhook}/deliveries{query}");
        let (status, page) = self.call(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["deliveries"].as_array().unwrap().clone()
    }

    /// Waits until all that a webhook was to be told is over.
    async fn settled(&self, webhook: &str) {
        for _ in 0..600 {
            if self.deliveries(webhook, "?state=due").await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:#?}", self.deliveries(webhook, "").await);
    }

    async fn room(&self, title: &str) -> String {
        let body = json!({ "title": title });
        let (status, made) = self.call(Method::POST, "/api/rooms", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    async fn set(&self, room: &str, key: &str, value: &str) {
        let (path, body) = (
            format!("/api/rooms/{room}/settings"),
            json!({"key": key, "value": value}),
        );
        let (status, answer) = self.call(Method::PATCH, &path, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
}

const ALL_OF_ROOMS: &[&str] = &["room.created", "room.settings_changed", "room.closed"];

#[tokio::test]
async fn what_is_told_is_signed_as_the_specification_says_also_while_a_secret_changes() {
    let story = Story::begin().await;
    let (webhook, secret) = story
        .webhook(&story.receiver.url("/x?y=1"), ALL_OF_ROOMS)
        .await;
    let room = story.room("Board").await;
    story
        .receiver
        .until("the first", |receiver| receiver.taken().len() == 1)
        .await;
    let got = story.receiver.all().remove(0);
    assert_eq!(
        (got.path.as_str(), signed_by(&got, &secret)),
        ("/x?y=1", true)
    );
    assert!(!signed_by(
        &got,
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    ));
    let body: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(body["type"], "room.created");
    assert_eq!(body["data"]["room_id"], room.as_str());
    assert_eq!(body["data"]["title"], "Board");

    let (status, rotated) = story
        .call(Method::POST, &format!("{webhook}/secret"), None)
        .await;
    assert_eq!(status, StatusCode::OK, "{rotated}");
    let fresh = rotated["secret"].as_str().unwrap();
    story.set(&room, "removed_may_return", "yes").await;
    story
        .receiver
        .until("the second", |receiver| receiver.taken().len() == 2)
        .await;
    let got = story.receiver.all().remove(1);
    assert!(signed_by(&got, &secret) && signed_by(&got, fresh) && fresh != secret);

    // The secret is in no list.
    let (_, list) = story.call(Method::GET, "/v1/webhooks", None).await;
    assert!(!list.to_string().contains("whsec_"), "{list}");
    // A test is told whatever the webhook wants.
    let (status, test) = story
        .call(Method::POST, &format!("{webhook}/test"), None)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{test}");
    story
        .receiver
        .until("the test", |receiver| receiver.taken().len() == 3)
        .await;
    assert_eq!(story.receiver.taken()[2].0, test["id"].as_str().unwrap());
    drop(story.folder);
}

#[tokio::test]
async fn the_news_of_a_room_keep_their_order_while_the_receiver_fails_and_after_a_kill() {
    let story = Story::begin().await;
    let (webhook, _) = story.webhook(&story.receiver.url("/"), ALL_OF_ROOMS).await;
    story.receiver.say(503);
    let mut wanted = BTreeMap::new();
    for title in ["One", "Two", "Three"] {
        let room = story.room(title).await;
        for value in ["yes", "no"] {
            story.set(&room, "removed_may_return", value).await;
        }
        let (status, _) = story
            .call(Method::DELETE, &format!("/api/rooms/{room}"), None)
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        wanted.insert(
            room,
            vec![
                "room.created",
                "room.settings_changed",
                "room.settings_changed",
                "room.closed",
            ],
        );
    }
    // Killed at once: what was acknowledged is told by the next one.
    let Story {
        folder,
        receiver,
        server,
        ..
    } = story;
    let data = server.data.clone();
    server.kill().await;
    receiver.say(204);
    let variables = receiver.variables();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let server = Server::start_with(data, &variables).await;
    let owner = server.sign_in("owner@example.org").await;
    let story = Story {
        folder,
        receiver,
        server,
        owner,
    };
    story
        .receiver
        .until("everything", |receiver| receiver.taken().len() == 12)
        .await;
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, body) in story.receiver.taken() {
        let room = body["data"]["room_id"].as_str().unwrap().to_owned();
        told.entry(room)
            .or_default()
            .push(body["type"].as_str().unwrap().to_owned());
    }
    for (room, types) in wanted {
        assert_eq!(told[&room], types);
    }
    story.settled(&webhook).await;
}

#[tokio::test]
async fn what_could_not_be_told_is_dead_and_is_told_again_when_asked() {
    let story = Story::begin().await;
    let (webhook, _) = story.webhook(&story.receiver.url("/"), ALL_OF_ROOMS).await;
    story.receiver.say(302);
    let room = story.room("Board").await;
    story.settled(&webhook).await;
    let dead = story.deliveries(&webhook, "?state=dead").await;
    assert_eq!(
        (dead.len(), &dead[0]["attempts"], &dead[0]["failure"]),
        (1, &json!(4), &json!("redirect"))
    );
    assert_eq!(story.receiver.all().len(), 4);
    // The next of the room goes on.
    story.receiver.say(500);
    story.set(&room, "removed_may_return", "yes").await;
    story.settled(&webhook).await;
    let dead = story.deliveries(&webhook, "?state=dead").await;
    assert_eq!((dead.len(), &dead[0]["status"]), (2, &json!(500)));
    story.receiver.say(200);
    let (status, replayed) = story
        .call(Method::POST, &format!("{webhook}/replay"), Some(json!({})))
        .await;
    assert_eq!(
        (status, &replayed["deliveries"]),
        (StatusCode::OK, &json!(2))
    );
    story
        .receiver
        .until("both", |receiver| receiver.taken().len() == 2)
        .await;
    let ids: Vec<_> = story
        .receiver
        .taken()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        ids,
        [
            dead[1]["id"].as_str().unwrap(),
            dead[0]["id"].as_str().unwrap()
        ]
    );
    // One alone, although it was told.
    story.settled(&webhook).await;
    let one = json!({"id": ids[0]});
    let (status, _) = story
        .call(Method::POST, &format!("{webhook}/replay"), Some(one))
        .await;
    assert_eq!(status, StatusCode::OK);
    story
        .receiver
        .until("one more", |receiver| {
            receiver
                .all()
                .iter()
                .filter(|got| got.answered == 200)
                .count()
                == 3
        })
        .await;

    // Who wants nothing more is told nothing more.
    story.receiver.say(410);
    story.set(&room, "removed_may_return", "no").await;
    story.settled(&webhook).await;
    let (_, shown) = story.call(Method::GET, &webhook, None).await;
    assert_eq!(shown["state"], "gone");
    let before = story.receiver.all().len();
    story.set(&room, "removed_may_return", "yes").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(story.receiver.all().len(), before);
}

#[tokio::test]
async fn nothing_is_sent_to_an_internal_address_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path()).await;
    let authority = receiver.authority.display().to_string();
    let server = Server::start_set(&[
        ("CONCLAVE_WEBHOOKS__AUTHORITIES", authority.as_str()),
        ("CONCLAVE_WEBHOOKS__FIRST_WAIT_MS", "10"),
        ("CONCLAVE_WEBHOOKS__ATTEMPTS", "2"),
    ])
    .await;
    let owner = server.owner().await;
    let story = Story {
        folder,
        receiver,
        server,
        owner,
    };
    let port = story.receiver.port;
    for inside in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        format!("https://2130706433:{port}/"),
        format!("https://0X7F.1:{port}/"),
        "http://example.org/".to_owned(),
        "https://user@example.org/".to_owned(),
    ] {
        let body = json!({"name": "Inside", "url": inside, "events": ["room.created"]});
        let (status, refused) = story.call(Method::POST, "/v1/webhooks", Some(body)).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{inside}: {refused}"
        );
    }
    // Names of this machine that lead inside: what the name is says nothing, where it leads is looked at each time.
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    for host in [name.trim(), "ip6-localhost"] {
        if host.is_empty() {
            continue;
        }
        let inside = (host, 443)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.all(|found| found.ip().is_loopback()));
        let url = format!("https://{host}:{port}/");
        let (webhook, _) = story.webhook(&url, &["room.created"]).await;
        story.room("Board").await;
        story.settled(&webhook).await;
        let dead = story.deliveries(&webhook, "?state=dead").await;
        let why = dead[0]["failure"].as_str().unwrap();
        if inside {
            assert_eq!(why, "internal", "{host}");
        } else {
            assert!(["internal", "unreachable"].contains(&why), "{host}: {why}");
        }
    }
    assert_eq!(story.receiver.all().len(), 0);
}

#[tokio::test]
async fn only_an_administrator_makes_a_webhook_and_every_change_is_in_the_trail() {
    let story = Story::begin().await;
    let member = story
        .server
        .member(&story.owner, "member@example.org", "A Member")
        .await;
    let body = json!({"name": "Mine", "url": story.receiver.url("/"), "events": ["room.created"]});
    for method in [Method::GET, Method::POST] {
        let body = (method == Method::POST).then(|| body.clone());
        let refused = story
            .server
            .call(method, "/v1/webhooks", Some(&member.token), body)
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    }
    let (webhook, _) = story
        .webhook(&story.receiver.url("/"), &["room.created"])
        .await;
    let (status, _) = story
        .call(Method::PATCH, &webhook, Some(json!({"active": false})))
        .await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = story.call(Method::DELETE, &webhook, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, trail) = story
        .call(
            Method::GET,
            "/api/organisation/audit?action=manage_webhooks",
            None,
        )
        .await;
    let details: Vec<_> = trail["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["detail"].clone())
        .collect();
    assert_eq!(
        details[..3],
        [json!("delete"), json!("change"), json!("create")],
        "{trail}"
    );
}

const ALL_OF_PEOPLE: &[&str] = &[
    "room.started",
    "room.ended",
    "participant.waiting",
    "participant.turned_away",
    "participant.admitted",
    "participant.joined",
    "participant.left",
    "participant.removed",
    "participant.role_changed",
];

#[tokio::test]
async fn a_meeting_is_told_in_the_order_in_which_it_happened() {
    let story = Story::begin().await;
    let (webhook, _) = story.webhook(&story.receiver.url("/"), ALL_OF_PEOPLE).await;
    let server = &story.server;
    let mut people = Vec::new();
    for name in ["Alpha", "Beta", "Gamma"] {
        let email = format!("{}@example.org", name.to_lowercase());
        people.push(server.member(&story.owner, &email, name).await);
    }
    let room = server.room(&story.owner, "Board").await;
    let (mut host, view) = server.enter(&story.owner, &room).await;
    let host_id = text(&view["room"], "you");
    let mut wanted = vec![
        ("room.started", None),
        ("participant.joined", Some("owner")),
    ];

    let (mut alpha, view) = server.admit(&mut host, &people[0], &room).await;
    let alpha_id = text(&view["room"], "you");
    wanted.extend([
        ("participant.waiting", Some("attendee")),
        ("participant.admitted", Some("attendee")),
        ("participant.joined", Some("attendee")),
    ]);
    let promote = json!({"type": "set_role", "participant": alpha_id, "role": "presenter"});
    host.ok(promote).await;
    wanted.push(("participant.role_changed", Some("presenter")));

    let mut beta = server.join(&people[1], &room).await;
    beta.next("waiting").await;
    let knock = host.event("knocked").await["knock"]["knock"].clone();
    host.ok(json!({"type": "deny", "knock": knock})).await;
    beta.closed().await;
    wanted.extend([
        ("participant.waiting", Some("attendee")),
        ("participant.turned_away", Some("attendee")),
    ]);

    let (mut gamma, _) = server.admit(&mut host, &people[2], &room).await;
    wanted.extend([
        ("participant.waiting", Some("attendee")),
        ("participant.admitted", Some("attendee")),
        ("participant.joined", Some("attendee")),
    ]);
    gamma.send(json!({"type": "leave"})).await;
    assert_eq!(gamma.closed().await, "left");
    while host.event("participant_left").await["participant"] == alpha_id.as_str() {}
    wanted.push(("participant.left", Some("attendee")));

    host.ok(json!({"type": "remove", "participant": alpha_id}))
        .await;
    assert_eq!(alpha.closed().await, "removed");
    wanted.push(("participant.removed", Some("presenter")));
    host.send(json!({"type": "end"})).await;
    host.closed().await;
    wanted.extend([("participant.left", Some("owner")), ("room.ended", None)]);

    story
        .receiver
        .until("the whole meeting", |receiver| {
            receiver.taken().len() >= wanted.len()
        })
        .await;
    story.settled(&webhook).await;
    let told: Vec<Value> = story
        .receiver
        .taken()
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    let short: Vec<_> = told
        .iter()
        .map(|body| {
            let role = body["data"]["participant"]["role"].as_str();
            (body["type"].as_str().unwrap(), role)
        })
        .collect();
    assert_eq!(short, wanted);
    let session = &told[0]["data"]["session_id"];
    for body in &told {
        assert_eq!(body["data"]["room_id"], room.id.as_str());
        assert_eq!(&body["data"]["session_id"], session);
    }
    let of = |id: &str| {
        told.iter()
            .filter(|body| body["data"]["participant"]["id"] == id)
            .count()
    };
    // Alpha waits, is admitted, joins, is promoted and removed, always under the same identifier.
    assert_eq!((of(&host_id), of(&alpha_id)), (2, 5));
    let reasons: Vec<_> = told
        .iter()
        .filter_map(|body| body["data"]["reason"].as_str())
        .collect();
    assert_eq!(reasons, ["left", "removed", "ended"]);
}
