//! No answer that a client got is taken back when the server is killed. The real server is written to over its real interfaces
//! by several clients at once and killed at a random moment; it starts again on the same folder, and everything that was
//! acknowledged must be there: accounts, invitations, rooms with their passwords, settings, chat messages, owners of rooms, audit rows.
//!
//! `STORY_KILLS` sets the number of rounds. `kill.rs` does the same to the store alone, faster and with more kinds of rows.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use conclave::secret::{RandomSource, SystemRandom};
use conclave_policy::ids::{AccountId, RoomId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use common::server::{PASSWORD, Person, Room, Server};
use common::socket::Socket;
use common::text;

const ROUNDS: &str = "STORY_KILLS";
/// Rounds on one folder, so that later ones start from one that was killed before.
const ROUNDS_PER_FOLDER: usize = 20;
/// Clients that make rooms and change their settings.
const ROOM_MAKERS: usize = 6;
/// Clients that invite; every second invitation is accepted.
const INVITERS: usize = 3;
/// Settings that are changed over HTTP, each once in a room.
const OVER_HTTP: &[(&str, &str)] = &[
    ("removed_may_return", "yes"),
    ("resume_window", "ten_minutes"),
    ("participant_count", "everyone"),
    ("lock_after_start", "never"),
];
/// Settings that are changed in a meeting.
const IN_MEETING: &[(&str, &str)] = &[
    ("sign_in", "guests_may_knock"),
    ("microphone", "everyone_speaks"),
    ("last_host_leaves", "stay_open"),
];
/// Messages that one person may send without a pause.
const CHAT_AT_ONCE: u32 = 5;
/// Budgets are for each network, and the clients name theirs.
const VARIABLES: &[(&str, &str)] = &[
    ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.1/32\"]"),
    ("CONCLAVE_LIMITS__MESSAGES_PER_SECOND", "10000"),
    ("CONCLAVE_LIMITS__MESSAGES_BURST", "100000"),
    ("CONCLAVE_LOG__FILTER", "error"),
];

/// Something that the server has acknowledged.
#[derive(Clone, Debug)]
enum Kept {
    Room {
        id: String,
        title: String,
        password: String,
    },
    Setting {
        room: String,
        key: &'static str,
        value: &'static str,
    },
    /// The room was locked, or unlocked, once more.
    Lock {
        room: String,
        locked: bool,
    },
    Invitation {
        token: String,
    },
    Account {
        email: String,
    },
    Chat {
        room: String,
        number: u64,
        text: String,
    },
    /// The room was handed over to one, who was about to hand it on to the next.
    Owner {
        room: String,
        owner: String,
        next: String,
    },
}

type Acknowledged = Arc<Mutex<Vec<Kept>>>;

/// A client that goes on until the server is gone.
#[derive(Clone)]
struct Writer {
    http: reqwest::Client,
    origin: String,
    person: Person,
    acknowledged: Acknowledged,
    /// Whether anything was refused.
    refused: Arc<AtomicBool>,
}

impl Writer {
    fn new(server: &Server, person: &Person) -> Self {
        Self {
            http: server.http.clone(),
            origin: server.origin(),
            person: person.clone(),
            acknowledged: Acknowledged::default(),
            refused: Arc::default(),
        }
    }

    /// Asks, as slowly as the server wants it, and gives the whole answer of a request that succeeded; nothing if it was refused
    /// or the server is gone.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Option<Value> {
        loop {
            let mut request = self
                .http
                .request(method.clone(), format!("{}{path}", self.origin))
                .header("x-forwarded-for", network());
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status();
            let body = answer.bytes().await.ok()?;
            if status == StatusCode::TOO_MANY_REQUESTS {
                tokio::time::sleep(Duration::from_millis(30)).await;
                continue;
            }
            if !status.is_success() {
                let body = String::from_utf8_lossy(&body);
                say(&format!("refused: {path}: {status} {body}"));
                self.refused.store(true, Ordering::Relaxed);
                return None;
            }
            return serde_json::from_slice(&body).ok();
        }
    }

    async fn as_person(&self, method: Method, path: &str, body: Value) -> Option<Value> {
        self.ask(method, path, Some(&self.person.token), Some(body))
            .await
    }

    /// What the person is shown, or nothing.
    async fn read(&self, path: &str) -> Value {
        let token = Some(self.person.token.as_str());
        let shown = self.ask(Method::GET, path, token, None).await;
        shown.unwrap_or_default()
    }

    fn note(&self, kept: Kept) {
        self.acknowledged().push(kept);
    }

    fn acknowledged(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.acknowledged.lock().unwrap()
    }

    async fn make_rooms(self) -> Option<()> {
        loop {
            let title = format!("Room {}", number());
            let made = self
                .as_person(Method::POST, "/api/rooms", json!({"title": title}))
                .await?;
            let (room, password) = (text(&made, "id"), text(&made, "password"));
            self.note(Kept::Room {
                id: room.clone(),
                title,
                password,
            });
            let path = format!("/api/rooms/{room}/settings");
            for (key, value) in OVER_HTTP {
                self.as_person(Method::PATCH, &path, json!({"key": key, "value": value}))
                    .await?;
                let room = room.clone();
                self.note(Kept::Setting { room, key, value });
            }
        }
    }

    async fn invite(self) -> Option<()> {
        let body = json!({"kind": "member", "may_create_rooms": false});
        for turn in 0.. {
            let made = self
                .as_person(Method::POST, "/api/invitations", body.clone())
                .await?;
            let token = invitation(&made);
            if turn % 2 == 0 {
                self.note(Kept::Invitation { token });
                continue;
            }
            let email = format!("member{}@example.org", number());
            self.accept(&token, &email).await?;
            self.note(Kept::Account { email });
        }
        None
    }

    async fn accept(&self, token: &str, email: &str) -> Option<Value> {
        let body =
            json!({"token": token, "email": email, "name": "A Member", "password": PASSWORD});
        self.ask(Method::POST, "/api/invitations/accept", None, Some(body))
            .await
    }

    async fn sign_in(&self, email: &str) -> Option<Value> {
        let body = json!({"email": email, "password": PASSWORD});
        self.ask(Method::POST, "/api/token", None, Some(body)).await
    }

    /// A host in a meeting: changes settings, then locks and unlocks.
    async fn host(self, mut socket: Socket, room: Room) -> Option<()> {
        for (key, value) in IN_MEETING {
            done(
                &mut socket,
                json!({"type": "set_setting", "key": key, "value": value}),
            )
            .await?;
            let room = room.id.clone();
            self.note(Kept::Setting { room, key, value });
        }
        for turn in 0.. {
            if turn < CHAT_AT_ONCE {
                let (room, text) = (room.id.clone(), format!("message {turn}"));
                let request = json!({"type": "chat", "text": text, "ref": turn.to_string()});
                let sent = done(&mut socket, request).await?;
                let number = sent["number"].as_u64().unwrap();
                self.note(Kept::Chat { room, number, text });
            }
            let locked = turn % 2 == 0;
            done(&mut socket, json!({"type": "lock", "locked": locked})).await?;
            let room = room.id.clone();
            self.note(Kept::Lock { room, locked });
        }
        None
    }
}

/// A room goes round: whoever has it hands it on.
async fn hand_on(
    writer: Writer,
    mut ring: Vec<(Person, Socket, String)>,
    room: Room,
) -> Option<()> {
    for turn in 0.. {
        let (next, after) = ((turn + 1) % ring.len(), (turn + 2) % ring.len());
        let participant = ring[next].2.clone();
        let request = json!({"type": "transfer_ownership", "participant": participant});
        let at = turn % ring.len();
        done(&mut ring[at].1, request).await?;
        let (room, owner, next) = (
            room.id.clone(),
            ring[next].0.id.clone(),
            ring[after].0.id.clone(),
        );
        writer.note(Kept::Owner { room, owner, next });
    }
    None
}

/// Sends a request and waits until it is acknowledged; nothing once the server is gone.
async fn done(socket: &mut Socket, request: Value) -> Option<Value> {
    let id = socket.send(request).await;
    loop {
        let message = socket.read().await?;
        if message["type"] == "reply" && message["id"] == id {
            assert!(message.get("ok").is_some(), "{message}");
            return Some(message["ok"].clone());
        }
    }
}

/// Those who write: the owner of the organisation, and members who make rooms.
#[derive(Clone)]
struct People {
    owner: Person,
    makers: Vec<Person>,
}

impl People {
    async fn at(server: &Server) -> Self {
        let owner = server.owner().await;
        let writer = Writer::new(server, &owner);
        let mut makers = Vec::new();
        for _ in 0..ROOM_MAKERS {
            let body = json!({"kind": "member", "may_create_rooms": true});
            let made = writer.as_person(Method::POST, "/api/invitations", body);
            let token = invitation(&made.await.unwrap());
            let email = format!("maker{}@example.org", number());
            writer.accept(&token, &email).await.unwrap();
            let maker = writer.sign_in(&email).await.unwrap();
            makers.push(Person {
                token: text(&maker, "token"),
                id: text(&maker["me"], "id"),
                name: text(&maker["me"], "name"),
            });
        }
        Self { owner, makers }
    }
}

fn invitation(made: &Value) -> String {
    text(made, "path").split('#').nth(1).unwrap().to_owned()
}

/// Writes from all sides for a while, and kills the server; what was acknowledged to whom until then.
async fn killed(server: Server, people: &People) -> Vec<(Person, Vec<Kept>)> {
    let owner = Writer::new(&server, &people.owner);
    let room = server.room(&people.owner, "Meeting").await;
    // The chat of a session that was killed goes with it, unless it is to be kept.
    server
        .set(&people.owner, &room, "chat_retention", "thirty_days")
        .await;
    let (socket, _) = server.enter(&people.owner, &room).await;
    let mut tasks = vec![tokio::spawn(owner.clone().host(socket, room))];
    let room = server.room(&people.owner, "Handed on").await;
    let (mut socket, view) = server.enter(&people.owner, &room).await;
    let mut ring = Vec::new();
    for maker in people.makers.iter().take(3) {
        let (socket, view) = server.admit(&mut socket, maker, &room).await;
        ring.push((maker.clone(), socket, text(&view["room"], "you")));
    }
    ring.insert(
        0,
        (people.owner.clone(), socket, text(&view["room"], "you")),
    );
    tasks.push(tokio::spawn(hand_on(owner.clone(), ring, room)));
    for _ in 0..INVITERS {
        tasks.push(tokio::spawn(owner.clone().invite()));
    }
    let mut writers = vec![owner];
    for maker in &people.makers {
        let writer = Writer::new(&server, maker);
        tasks.push(tokio::spawn(writer.clone().make_rooms()));
        writers.push(writer);
    }
    // The clock starts with the first acknowledgement.
    while writers
        .iter()
        .all(|writer| writer.acknowledged().is_empty())
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut random = [0; 2];
    SystemRandom.fill(&mut random);
    let wait = u64::from(u16::from_be_bytes(random)) * 6;
    tokio::time::sleep(Duration::from_micros(wait)).await;
    server.kill().await;
    for task in tasks {
        task.await.expect("something else than an end came");
    }
    assert!(
        !writers
            .iter()
            .any(|writer| writer.refused.load(Ordering::Relaxed)),
        "a request was refused"
    );
    let take = |writer: Writer| (writer.person.clone(), writer.acknowledged().split_off(0));
    writers.into_iter().map(take).collect()
}

/// How much of what was acknowledged is not there.
async fn lost(server: &Server, person: &Person, acknowledged: &[Kept]) -> usize {
    let reader = Writer::new(server, person);
    let database = SqliteConnectOptions::new()
        .filename(server.data.path().join("conclave.db"))
        .read_only(true);
    let database = SqlitePoolOptions::new()
        .connect_with(database)
        .await
        .unwrap();
    let mut lost = 0;
    let mut locks: HashMap<(&str, bool), i64> = HashMap::new();
    let mut handed: HashMap<&str, (i64, &str, &str)> = HashMap::new();
    for kept in acknowledged {
        let there = match kept {
            Kept::Room {
                id,
                title,
                password,
            } => room_is_there(&reader, id, title, password).await,
            Kept::Setting { room, key, value } => {
                let row = format!("{key}={value}");
                setting_is_there(&reader, room, key, value).await
                    && rows(&database, room, "change_setting", Some(&row)).await == 1
            }
            Kept::Lock { room, locked } => {
                *locks.entry((room, *locked)).or_default() += 1;
                true
            }
            Kept::Owner { room, owner, next } => {
                let known = handed.entry(room).or_insert((0, owner, next));
                *known = (known.0 + 1, owner, next);
                true
            }
            Kept::Invitation { token } => {
                let email = format!("late{}@example.org", number());
                reader.accept(token, &email).await.is_some()
            }
            Kept::Account { email } => reader.sign_in(email).await.is_some(),
            Kept::Chat { room, number, text } => {
                chat_is_there(server, person, room, *number, text).await
            }
        };
        if !there {
            say(&format!("lost: {kept:?}"));
            lost += 1;
        }
    }
    for ((room, locked), acknowledged) in locks {
        let action = if locked { "lock" } else { "unlock" };
        let there = rows(&database, room, action, None).await;
        lost += usize::try_from(acknowledged - there).unwrap_or(0);
    }
    for (room, (acknowledged, last, next)) in handed {
        let there = rows(&database, room, "transfer_ownership", None).await;
        lost += usize::try_from(acknowledged - there).unwrap_or(0);
        // The last one may have been kept and not been answered.
        let owner = owner_of(&database, room).await;
        if owner != last && owner != next {
            say(&format!("lost: {room} belongs to {owner}, not to {last}"));
            lost += 1;
        }
    }
    database.close().await;
    lost
}

/// To whom the database says that a room belongs.
async fn owner_of(database: &SqlitePool, room: &str) -> String {
    let room: RoomId = room.parse().unwrap();
    let owner: Vec<u8> = sqlx::query_scalar("SELECT owner_id FROM rooms WHERE room_id = ?")
        .bind(room.as_bytes().as_slice())
        .fetch_one(database)
        .await
        .unwrap();
    AccountId::from_bytes(owner.try_into().unwrap()).to_string()
}

async fn room_is_there(reader: &Writer, id: &str, title: &str, password: &str) -> bool {
    let path = format!("/api/rooms/{id}");
    let room = reader.read(&path).await;
    let kept = reader.read(&format!("{path}/password")).await;
    room["title"] == title && kept["password"] == password
}

async fn setting_is_there(reader: &Writer, room: &str, key: &str, value: &str) -> bool {
    let settings = reader.read(&format!("/api/rooms/{room}/settings")).await;
    let lines = settings["settings"].as_array().cloned().unwrap_or_default();
    lines
        .iter()
        .any(|line| line["key"] == key && line["value"] == value)
}

/// Whether someone who was in when it was sent reads it in the next session.
async fn chat_is_there(
    server: &Server,
    person: &Person,
    room: &str,
    number: u64,
    text: &str,
) -> bool {
    let mut socket = server.socket(person).await;
    socket.send(json!({"type": "join", "room": room})).await;
    socket.next("admitted").await;
    let page = socket
        .ok(json!({"type": "chat_history", "limit": 100}))
        .await;
    socket.send(json!({"type": "leave"})).await;
    socket.closed().await;
    let messages = page["messages"].as_array().unwrap();
    messages
        .iter()
        .any(|message| message["number"] == number && message["text"] == text)
}

/// Audit rows of a permitted action in a room.
async fn rows(database: &SqlitePool, room: &str, action: &str, detail: Option<&str>) -> i64 {
    let room: RoomId = room.parse().unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM audit WHERE room = ? AND action = ? AND decision = 'permitted' AND (? IS NULL OR detail = ?)",
    )
    .bind(room.as_bytes().as_slice())
    .bind(action)
    .bind(detail)
    .bind(detail)
    .fetch_one(database)
    .await
    .unwrap()
}

/// Whether every link of the audit trail holds, by the server's own command.
async fn trail_holds(data: &Path) -> bool {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["audit", "verify", "--data"])
        .arg(data)
        .stdout(std::process::Stdio::null())
        .status()
        .await
        .unwrap()
        .success()
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// An address in a network that no other request comes from.
fn network() -> String {
    let [_, a, b, c] = number().to_be_bytes();
    format!("{}.{b}.{c}.1", 10 + a)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_has_acknowledged_is_there_when_it_starts_again() {
    let rounds: usize = std::env::var(ROUNDS).map_or(3, |rounds| rounds.parse().unwrap());
    let (mut missing, mut acknowledged) = (0, 0);
    let mut running: Option<(Server, People)> = None;
    for round in 0..rounds {
        if round % ROUNDS_PER_FOLDER == 0 {
            let server = Server::start_set(VARIABLES).await;
            let people = People::at(&server).await;
            running = Some((server, people));
        }
        let (server, people) = running.take().unwrap();
        let data = Arc::clone(&server.data);
        let kept = killed(server, &people).await;
        assert!(
            trail_holds(data.path()).await,
            "the audit chain broke in round {round}"
        );
        // Everyone's session goes on: its key was acknowledged too.
        let server = Server::start_with(data, VARIABLES).await;
        for (person, kept) in kept {
            acknowledged += kept.len();
            missing += lost(&server, &person, &kept).await;
        }
        running = Some((server, people));
    }
    say(&format!("figure kill.server.rounds {rounds} kills"));
    say(&format!(
        "figure kill.server.acknowledged {acknowledged} answers"
    ));
    say(&format!("figure kill.server.lost {missing} answers"));
    assert_eq!(missing, 0);
    assert!(
        acknowledged > 4 * rounds,
        "too little was written to mean anything"
    );
}
