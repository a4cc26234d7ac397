//! The organisation's rules on a running server: what a new file denies is cut at once, and a file with any fault changes
//! nothing but the alarm (H09, H10). Driven over the real interfaces; signals and files as an operator would.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "common/media_client.rs"]
#[expect(dead_code, reason = "other tests use more of this client")]
mod media_client;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use common::text;
use conclave_policy::source::Source;
use media_client::{Script, UdpClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const HARMLESS: &str =
    "# Nothing that anybody does here.\np, guest, ask, standing=admitted, deny\n";
const NO_SOUND: &str = "# Attendees are seen and not heard.\np, attendee, publish_microphone, standing=admitted, deny\n";

/// A server with a rules file of its own.
struct Stage {
    server: Server,
    folder: Arc<TempDir>,
    rules: PathBuf,
}

impl Stage {
    async fn set(text: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let rules = folder.path().join("organisation.csv");
        std::fs::write(&rules, text).unwrap();
        let variables = [("CONCLAVE_POLICY__RULES", rules.to_str().unwrap())];
        let server = Server::start_with(folder.clone(), &variables).await;
        Self {
            server,
            folder,
            rules,
        }
    }

    /// Puts another file in the place of the one before, as editors do, and sends the signal.
    fn replace(&self, text: &str) {
        let next = self.rules.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &self.rules).unwrap();
        self.hang_up();
    }

    fn hang_up(&self) {
        let pid = self.server.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    async fn version(&self) -> u64 {
        self.server.metric("conclave_policy_version").await
    }

    /// Waits until the metric has this value.
    async fn until(&self, name: &str, value: u64) {
        for _ in 0..200 {
            if self.server.metric(name).await == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} is not {value}");
    }

    async fn is_refused(&self, text: Option<&str>, rejected: u64) {
        let before = self.version().await;
        match text {
            Some(text) => self.replace(text),
            None => {
                std::fs::remove_file(&self.rules).unwrap();
                self.hang_up();
            }
        }
        self.until("conclave_policy_rules_rejected_total", rejected)
            .await;
        assert_eq!(self.server.metric("conclave_policy_rules_stale").await, 1);
        assert_eq!(self.version().await, before);
    }

    /// Stops the server and reads the trail that it leaves, which must verify.
    async fn trail(self) -> Vec<Value> {
        let folder = self.folder.clone();
        assert!(self.server.stop().await.success());
        let verified = conclave(&["audit", "verify"], folder.path());
        assert!(verified.status.success(), "{verified:?}");
        let exported = conclave(&["audit", "export"], folder.path());
        assert!(exported.status.success(), "{exported:?}");
        String::from_utf8(exported.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn conclave(words: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(words)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Someone who sends sound all the time, whether it is allowed or not.
struct Speaker {
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

async fn connect(socket: &mut Socket) -> UdpClient {
    let mut media = UdpClient::new(Script::default());
    let offer = media.client.offer();
    let sources: Vec<_> = offer
        .sources
        .iter()
        .map(|(mid, source)| json!({"mid": mid, "source": source.as_str()}))
        .collect();
    let answer = socket
        .ok(json!({"type": "offer", "sdp": offer.sdp, "sources": sources}))
        .await;
    media.answer(&text(&answer, "sdp"));
    tokio::task::spawn_blocking(move || {
        assert!(media.connect(Duration::from_secs(10)), "no media transport");
        media
    })
    .await
    .unwrap()
}

impl Speaker {
    fn start(mut media: UdpClient) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let task = tokio::task::spawn_blocking(move || {
            while !told.load(Ordering::Relaxed) {
                media.client.sound(Source::Microphone, 20);
                media.pump(Duration::from_millis(15));
                media.client.received.clear();
            }
        });
        Self { over, task }
    }

    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Keeps a transport alive and throws away what comes.
fn listen(mut media: UdpClient) -> Speaker {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let task = tokio::task::spawn_blocking(move || {
        while !told.load(Ordering::Relaxed) {
            media.pump(Duration::from_millis(15));
            media.client.received.clear();
        }
    });
    Speaker { over, task }
}

/// What the server counted of someone's microphone: forwarded and dropped.
async fn counted(host: &mut Socket, who: &str) -> (u64, u64) {
    let stats = host.ok(json!({"type": "stats"})).await;
    let line = stats["sources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["participant"] == who && line["source"] == "microphone")
        .cloned();
    line.map_or((0, 0), |line| {
        let number = |key: &str| line[key].as_u64().unwrap();
        (number("forwarded"), number("dropped"))
    })
}

/// Waits until more is forwarded than before.
async fn flows(host: &mut Socket, who: &str) {
    let before = counted(host, who).await.0;
    for _ in 0..200 {
        if counted(host, who).await.0 > before + 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing is forwarded");
}

/// Nothing is forwarded while packets go on arriving.
async fn is_cut(host: &mut Socket, who: &str) {
    let before = counted(host, who).await;
    let mut now = before;
    for _ in 0..200 {
        if now.1 > before.1 + 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        now = counted(host, who).await;
    }
    assert!(
        now.1 > before.1 + 10,
        "nothing arrived that could be dropped"
    );
    assert_eq!(now.0, before.0, "something was forwarded");
}

fn switch_on() -> Value {
    json!({"type": "publish", "source": "microphone", "on": true})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h09_a_new_file_cuts_at_once_and_a_bad_one_changes_nothing() {
    let stage = Stage::set(HARMLESS).await;
    let owner = stage.server.owner().await;
    let attendee = stage
        .server
        .member(&owner, "attendee@example.org", "Attendee")
        .await;
    let room = stage.server.room(&owner, "Board").await;
    let (mut host, _) = stage.server.enter(&owner, &room).await;
    let (mut ada_socket, view) = stage.server.admit(&mut host, &attendee, &room).await;
    let who = text(&view["room"], "you");
    let listener = listen(connect(&mut host).await);
    let speaker = Speaker::start(connect(&mut ada_socket).await);
    ada_socket.ok(switch_on()).await;
    flows(&mut host, &who).await;

    // What is whole and sound is in force at once, and the one who speaks is cut.
    stage.replace(NO_SOUND);
    stage.until("conclave_policy_version", 2).await;
    is_cut(&mut host, &who).await;
    assert_eq!(ada_socket.refused(switch_on()).await, "not_allowed");

    // What is not leaves everything as it was, denials included, and raises the alarm.
    let half = &NO_SOUND[..NO_SOUND.len() - 3];
    let widening = "p, attendee, publish_microphone, standing=admitted, allow\n";
    for (text, rejected) in (1..)
        .zip(["", "# nothing\n", half, widening, "p, boss\n"])
        .map(|(at, text)| (text, at))
    {
        stage.is_refused(Some(text), rejected).await;
        assert_eq!(ada_socket.refused(switch_on()).await, "not_allowed");
    }
    stage.is_refused(None, 6).await;
    is_cut(&mut host, &who).await;

    // Giving a right back starts nothing.
    stage.replace(HARMLESS);
    stage.until("conclave_policy_version", 3).await;
    assert_eq!(stage.server.metric("conclave_policy_rules_stale").await, 0);
    is_cut(&mut host, &who).await;
    ada_socket.ok(switch_on()).await;
    flows(&mut host, &who).await;
    speaker.stop().await;
    listener.stop().await;

    let trail = stage.trail().await;
    let named = |action: &str| {
        trail
            .iter()
            .filter(|row| row["action"] == action)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (named("rules_loaded").len(), named("rules_swapped").len()),
        (1, 2)
    );
    let cut: Vec<Value> = named("publish_microphone")
        .into_iter()
        .filter(|row| row["detail"] == "standing")
        .collect();
    assert_eq!(cut.len(), 1, "{cut:?}");
    assert_eq!(cut[0]["rule"], json!({"file": "organisation", "line": 2}));
    assert_eq!(
        (&cut[0]["verdict"], &cut[0]["policy_version"]),
        (&json!("denied"), &json!(2))
    );
    assert_eq!(
        (cut[0]["actor"].as_str(), cut[0]["room"].as_str()),
        (Some(attendee.id.as_str()), Some(room.id.as_str()))
    );
}

#[tokio::test]
async fn h09_a_file_that_is_still_being_written_is_not_taken() {
    let stage = Stage::set(HARMLESS).await;
    // Every state of the file in between is a sound rule set.
    let mut text = String::new();
    for action in [
        "lock",
        "unlock",
        "suspend",
        "end_session",
        "mute",
        "remove",
        "see_lobby",
        "see_count",
    ] {
        let target = if ["mute", "remove"].contains(&action) {
            " & target=below"
        } else {
            ""
        };
        text += &format!("p, host, {action}, standing=admitted{target}, deny\n");
        std::fs::write(&stage.rules, &text).unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(stage.version().await, 1, "half of a file was taken");
    }
    stage.until("conclave_policy_version", 2).await;
    assert_eq!(
        stage
            .server
            .metric("conclave_policy_rules_rejected_total")
            .await,
        0
    );
    stage.server.kill().await;
}

#[tokio::test]
async fn h09_a_server_does_not_start_with_rules_that_have_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("organisation.csv");
    for text in [
        "",
        "p, attendee, lock, standing=admitted, allow\n",
        "p, attendee, lock\n",
    ] {
        std::fs::write(&rules, text).unwrap();
        let started = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("CONCLAVE_POLICY__RULES", &rules)
            .env("CONCLAVE_METRICS", "127.0.0.1:0")
            .output()
            .unwrap();
        assert!(!started.status.success());
        assert!(
            said(&started).contains("policy.rules"),
            "{}",
            said(&started)
        );
    }
}

#[tokio::test]
async fn h10_a_denial_of_the_organisation_beats_the_owner_of_the_room() {
    let text = "p, moderator, lock, standing=admitted, deny\np, owner, remove, standing=admitted, deny\np, account, create_room, org_admin=yes, deny\n";
    let stage = Stage::set(text).await;
    let owner = stage.server.owner().await;
    let made = stage
        .server
        .call(
            reqwest::Method::POST,
            "/api/rooms",
            Some(&owner.token),
            Some(json!({"title": "Board"})),
        )
        .await;
    assert_eq!(made.status, 403, "{}", made.body);
    stage.replace(
        "p, moderator, lock, standing=admitted, deny\np, owner, remove, standing=admitted, deny\n",
    );
    stage.until("conclave_policy_version", 2).await;
    let attendee = stage
        .server
        .member(&owner, "attendee@example.org", "Attendee")
        .await;
    let room = stage.server.room(&owner, "Board").await;
    let (mut host, _) = stage.server.enter(&owner, &room).await;
    let (_ada, view) = stage.server.admit(&mut host, &attendee, &room).await;
    let who = text_of(&view);
    assert_eq!(
        host.refused(json!({"type": "lock", "locked": true})).await,
        "not_allowed"
    );
    assert_eq!(
        host.refused(json!({"type": "remove", "participant": who}))
            .await,
        "not_allowed"
    );
    host.ok(json!({"type": "mute", "participant": who})).await;
    stage.server.kill().await;
}

fn text_of(view: &Value) -> String {
    text(&view["room"], "you")
}

#[tokio::test]
async fn h09_whoever_waits_is_turned_away_when_the_rules_no_longer_let_them_knock() {
    let stage = Stage::set(HARMLESS).await;
    let owner = stage.server.owner().await;
    let room = stage.server.room(&owner, "Board").await;
    stage
        .server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, _) = stage.server.enter(&owner, &room).await;
    let mut guest = waiting(&stage.server, &room).await;
    host.event("knocked").await;
    stage.replace("p, guest, knock, standing=outside, deny\n");
    assert_eq!(guest.closed().await, "denied");
    host.event("knock_gone").await;
    let again = stage.server.guest(&room.id, "Gus").await;
    assert_eq!(
        stage.server.join(&again, &room).await.closed().await,
        "cannot_join"
    );
    stage.server.kill().await;
}

async fn waiting(server: &Server, room: &Room) -> Socket {
    let guest: Person = server.guest(&room.id, "Gus").await;
    let mut socket = server.join(&guest, room).await;
    socket.next("waiting").await;
    socket
}

#[tokio::test]
async fn the_operator_is_told_which_rule_decides_with_a_rooms_own_settings() {
    let stage = Stage::set(NO_SOUND).await;
    let owner = stage.server.owner().await;
    let room = stage.server.room(&owner, "Board").await;
    let explain = |extra: &[&str]| {
        let mut words = vec![
            "policy",
            "explain",
            "--role",
            "guest",
            "--action",
            "share_screen",
            "--room",
            &room.id,
        ];
        words.extend(extra);
        said(&conclave(&words, stage.folder.path()))
    };
    let told = explain(&[]);
    assert!(
        told.starts_with("guest, publish_screen: denied: no rule allows it"),
        "{told}"
    );
    assert!(
        told.contains("screen_share=hosts_and_presenters  (the room's setting)"),
        "{told}"
    );
    stage
        .server
        .set(&owner, &room, "screen_share", "everyone")
        .await;
    let told = explain(&[]);
    assert!(
        told.starts_with("guest, publish_screen: allowed by policy/rules.csv:"),
        "{told}"
    );
    let rules = stage.rules.to_str().unwrap();
    let words = [
        "policy", "explain", "--role", "attendee", "--action", "speak", "--rules", rules,
    ];
    let told = said(&conclave(&words, stage.folder.path()));
    assert!(
        told.contains(&format!(
            "denied by {rules}:2  p, attendee, publish_microphone"
        )),
        "{told}"
    );
    let told = said(
        &Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["policy", "diff", rules])
            .output()
            .unwrap(),
    );
    assert!(
        told.starts_with("- attendee, publish_microphone: denied in "),
        "{told}"
    );
    let told = said(
        &Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["policy", "check", rules])
            .output()
            .unwrap(),
    );
    assert!(told.ends_with("1 rules, in order\n"), "{told}");
    stage.server.kill().await;
}
