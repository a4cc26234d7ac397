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
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use common::server::{Person, Server};

/// One request that the receiver got.
#[derive(Clone, Debug)]
struct Got {
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
    answered: u16,
}

/// A receiver with a certificate of its own authority.
struct Receiver {
    port: u16,
    authority: std::path::PathBuf,
    got: Arc<Mutex<Vec<Got>>>,
    /// What is answered.
    answer: Arc<AtomicU16>,
}

impl Receiver {
    async fn start(folder: &std::path::Path) -> Self {
        let signed = rcgen::generate_simple_self_signed(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ])
        .unwrap();
        let authority = folder.join("receiver.pem");
        std::fs::write(&authority, signed.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(AtomicU16::new(204));
        let (all, say) = (got.clone(), answer.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, all, say) = (acceptor.clone(), all.clone(), say.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let Some(mut got) = read(&mut stream).await else {
                        return;
                    };
                    got.answered = say.load(Ordering::SeqCst);
                    let more = if got.answered == 302 {
                        "location: https://127.0.0.1:1/\r\n"
                    } else {
                        ""
                    };
                    let head = format!(
                        "HTTP/1.1 {} x\r\n{more}content-length: 0\r\n\r\n",
                        got.answered
                    );
                    all.lock().unwrap().push(got);
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            port,
            authority,
            got,
            answer,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn say(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Those that were taken, each once, in the order in which they first were.
    fn taken(&self) -> Vec<(String, Value)> {
        let mut seen = Vec::new();
        for got in self.all().into_iter().filter(|got| got.answered < 300) {
            let id = got.headers["webhook-id"].clone();
            if !seen.iter().any(|(known, _)| *known == id) {
                seen.push((id, serde_json::from_str(&got.body).unwrap()));
            }
        }
        seen
    }

    async fn until(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if enough(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {:#?}", self.all());
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Got> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&some[..count]);
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok()?;
        body.extend_from_slice(&some[..count]);
    }
    Some(Got {
        path,
        headers,
        body: String::from_utf8(body).ok()?,
        answered: 0,
    })
}

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
    fn variables(receiver: &Receiver) -> Vec<(&'static str, String)> {
        let authority = receiver.authority.display().to_string();
        vec![
            ("CONCLAVE_WEBHOOKS__AUTHORITIES", authority),
            ("CONCLAVE_WEBHOOKS__INTERNAL", "[\"localhost\"]".to_owned()),
            ("CONCLAVE_WEBHOOKS__FIRST_WAIT_MS", "50".to_owned()),
            ("CONCLAVE_WEBHOOKS__ATTEMPTS", "4".to_owned()),
        ]
    }

    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(folder.path()).await;
        let variables = Self::variables(&receiver);
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
    let variables = Story::variables(&receiver);
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
