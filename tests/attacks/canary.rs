//! Planted values: passwords, tokens, keys, addresses, names and words go through every interface of a real server that logs all
//! that it can, and are then looked for in its log, its metrics, its errors, the files of its database, and a dump of it. D05.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use reqwest::header::ORIGIN;
use serde_json::{Value, json};

use crate::common::needles::{Needles, walk};
use crate::common::server::{Answer, PASSWORD, Person, Room, Server};
use crate::common::text;
use crate::oauth::Browser;
use crate::provider::{Provider, SECRET};
use crate::whip::source_token;

const OWNER_NAME: &str = "The Owner";
const EMAIL: &str = "wilhelmina.planted@quasten.example";
const NAME: &str = "Wilhelmina Quastenflosser";
const GUEST: &str = "Zacharias Plantedname";
const RENAMED: &str = "Ottokar Umbenannt";
const TITLE: &str = "Zebra acquisition talks";
const LINE: &str = "the planted marzipan is in the teapot";
const LABEL: &str = "for the planted auditor";
const CAMERA: &str = "planted camera on the stage";
const TYPED: &str = "planted-volcano-typed-wrong";
const ELSEWHERE: &str = "planted-subject-7700991";
/// What a program calls itself, and the network that it comes from, of which the server keeps this much for its holder.
const DEVICE: &str = "planted-meeting-bot";
const ADDRESS: &str = "2001:db8:5ca1:ab1e::77";
const NETWORK: &str = "2001:db8:5ca1:*";
/// Whom a product brings, and where another program is told of things.
const BROUGHT: &str = "Balthasar Mitgebracht";
const EXTERNAL: &str = "planted-student-4711";
const HOOK: &str = "planted-hook-path";

/// Where the database of a story lies.
enum Place {
    Folder,
    Postgres { folder: PathBuf, name: String },
}

impl Place {
    /// A new database on the server that the tests run with (`ops/postgres.sh`), or the file in the data folder.
    fn new() -> Self {
        let Ok(folder) = std::env::var("CONCLAVE_TEST_POSTGRES") else {
            return Self::Folder;
        };
        let name = format!("canary{}", std::process::id());
        let place = Self::Postgres {
            folder: folder.into(),
            name,
        };
        place.run("createdb", &[]);
        place
    }

    fn address(&self) -> Option<String> {
        let Self::Postgres { folder, name } = self else {
            return None;
        };
        let (folder, port) = (folder.display(), port(folder));
        Some(format!(
            "postgresql:///{name}?host={folder}&port={port}&user=conclave"
        ))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let Self::Postgres { folder, name } = self else {
            return Vec::new();
        };
        let done = Command::new(program)
            .arg("-h")
            .arg(folder)
            .args(["-p", &port(folder), "-U", "conclave"])
            .args(arguments)
            .arg(name)
            .output()
            .unwrap();
        assert!(done.status.success(), "{program}");
        done.stdout
    }

    /// All that is in the database, as text.
    async fn dump(&self, data: &Path) -> Vec<u8> {
        if let Self::Postgres { .. } = self {
            return self.run("pg_dump", &["--inserts"]);
        }
        use sqlx::Row as _;
        let file = data.join("conclave.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let pool = sqlx::SqlitePool::connect_with(options.read_only(true))
            .await
            .unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
                .fetch_all(&pool)
                .await
                .unwrap();
        let mut dump = String::new();
        for table in tables {
            let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
                .bind(&table)
                .fetch_all(&pool)
                .await
                .unwrap();
            let quoted: Vec<String> = columns
                .iter()
                .map(|name| format!("quote({name})"))
                .collect();
            let sql = format!("SELECT {} FROM {table}", quoted.join(" || ',' || "));
            for row in sqlx::query(sqlx::AssertSqlSafe(sql))
                .fetch_all(&pool)
                .await
                .unwrap()
            {
                dump.push_str(&table);
                dump.push_str(&row.get::<String, _>(0));
                dump.push('\n');
            }
        }
        pool.close().await;
        dump.into_bytes()
    }

    /// Every file of the database and of the data folder, but for those that hold nothing but keys.
    fn files(&self, data: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(data, &mut found);
        if let Self::Postgres { folder, .. } = self {
            walk(&folder.join("data"), &mut found);
            found.push(folder.join("log"));
        }
        found.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !["conclave.key", "tls-key.pem"].contains(&name)
        });
        found
    }
}

fn port(folder: &Path) -> String {
    let port = std::fs::read_to_string(folder.join("port")).unwrap();
    port.trim().to_owned()
}

/// What the server answered to what it refuses.
#[derive(Default)]
struct Errors(Vec<u8>);

impl Errors {
    fn keep(&mut self, answer: &Answer, what: &str) {
        assert!(answer.status.is_client_error(), "{what}: {}", answer.status);
        self.0
            .extend_from_slice(format!("{:?}", answer.headers).as_bytes());
        self.0.extend_from_slice(&answer.bytes);
    }

    async fn http(&mut self, server: &Server, token: Option<&str>) {
        let requests = [
            (
                Method::POST,
                "/api/token",
                format!(r#"{{"email":"{EMAIL}","password":"{TYPED}"}}"#),
            ),
            (
                Method::POST,
                "/api/token",
                format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}","{NAME}":1}}"#),
            ),
            (
                Method::POST,
                "/api/token",
                format!(r#"{{"email":"{EMAIL}","email":"{NAME}"}}"#),
            ),
            (
                Method::POST,
                "/api/token",
                format!(r#"{{"email":"{EMAIL}","password": {LINE}"#),
            ),
            (
                Method::POST,
                "/api/guest",
                format!(r#"{{"room":"{LINE}","name":"{GUEST}"}}"#),
            ),
            (
                Method::POST,
                "/api/invitations/accept",
                format!(
                    r#"{{"token":"{TYPED}","email":"{EMAIL}","name":"{NAME}","password":"{PASSWORD}"}}"#
                ),
            ),
            (
                Method::POST,
                "/api/rooms",
                format!(r#"{{"title":["{TITLE}"]}}"#),
            ),
            (
                Method::PATCH,
                "/api/me",
                format!(r#"{{"name":"{RENAMED}{}"}}"#, "x".repeat(500)),
            ),
            (
                Method::GET,
                "/api/planted-volcano-typed-wrong",
                String::new(),
            ),
        ];
        for (method, path, body) in requests {
            let mut request = server.http.request(method, server.url(path));
            request = request
                .header("content-type", "application/json")
                .body(body);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = Answer::of(request.send().await.unwrap()).await;
            self.keep(&answer, path);
        }
    }

    /// What does not parse closes the connection.
    async fn socket(&mut self, server: &Server, person: &Person) {
        for request in [
            json!({"type": "chat", "text": LINE, "ref": "1"}),
            json!({"type": "join", "room": LINE, "password": TYPED}),
            json!({"type": "join", "room": "x", "password": TYPED, NAME: 1}),
            json!({"type": NAME, "text": LINE}),
        ] {
            let mut socket = server.socket(person).await;
            socket.send(request).await;
            let code = socket.closed().await;
            self.0.extend_from_slice(code.as_bytes());
            self.0.extend_from_slice(socket.frames.join(" ").as_bytes());
        }
    }
}

fn secret_of(answer: &Value) -> String {
    text(answer, "path").split('#').nth(1).unwrap().to_owned()
}

/// Whoever is in this story, and the secrets that they came by.
struct World {
    server: Server,
    owner: Person,
    member: Person,
    room: Room,
    secrets: Vec<String>,
}

async fn world(place: &Place, provider: &Provider, log: &Path) -> World {
    let providers = format!("[{}]", provider.settings("one", ""));
    let address = place.address();
    let mut variables = vec![
        ("CONCLAVE_LOG__FILTER", "trace"),
        ("STORY_LOG_FILE", log.to_str().unwrap()),
        ("CONCLAVE_PROVIDERS", providers.as_str()),
        ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.0/8\"]"),
    ];
    if let Some(address) = &address {
        variables.push(("CONCLAVE_DATABASE__ADDRESS", address));
    }
    let server = Server::start_set(&variables).await;
    let mut secrets = vec![
        server
            .owner_link
            .as_ref()
            .unwrap()
            .split('#')
            .nth(1)
            .unwrap()
            .to_owned(),
    ];
    let owner = server.owner().await;
    let body = json!({"kind": "member", "may_create_rooms": false, "name": NAME});
    let path = "/api/invitations";
    let made = server
        .call(Method::POST, path, Some(&owner.token), Some(body))
        .await;
    let made = match made.status.is_success() {
        true => made.body,
        false => {
            let body = json!({"kind": "member", "may_create_rooms": false});
            server
                .get(Method::POST, path, Some(&owner.token), Some(body))
                .await
        }
    };
    let invitation = secret_of(&made);
    let member = server.accept(&invitation, EMAIL, NAME).await;
    let room = server.room(&owner, TITLE).await;
    secrets.extend([
        invitation,
        owner.token.clone(),
        member.token.clone(),
        room.password.clone(),
    ]);
    World {
        server,
        owner,
        member,
        room,
        secrets,
    }
}

impl World {
    /// A meeting with chat, someone who comes by a link, a new name, and mistakes.
    async fn meet(&mut self, errors: &mut Errors) {
        let Self {
            server,
            owner,
            member,
            room,
            secrets,
        } = self;
        for (key, value) in [
            ("sign_in", "guests_may_knock"),
            ("room_chat", "everyone_writes"),
            ("chat_retention", "thirty_days"),
        ] {
            server.set(owner, room, key, value).await;
        }
        let path = format!("/api/rooms/{}/guest-links", room.id);
        let body = json!({"label": LABEL, "expires_in_hours": 1});
        let link = server
            .get(Method::POST, &path, Some(&owner.token), Some(body))
            .await;
        let link = secret_of(&link);
        let guest = json!({"room": room.id, "name": GUEST, "link": link});
        let guest = server.guest_with(guest).await;
        let (mut host, _) = server.enter(owner, room).await;
        let (mut inside, _) = server.admit(&mut host, member, room).await;
        let (mut guest_inside, _) = server.admit(&mut host, &guest, room).await;
        inside
            .ok(json!({"type": "chat", "text": LINE, "ref": "planted"}))
            .await;
        guest_inside.event("chat").await;
        inside
            .ok(json!({"type": "change_profile", "name": RENAMED}))
            .await;
        let pending = host.event("profile_pending").await;
        let decision = json!({"type": "decide_profile", "participant": pending["participant"], "version": pending["version"], "approve": true});
        host.ok(decision).await;
        errors.socket(server, member).await;
        let body = json!({"kind": "source", "label": CAMERA, "expires_in_hours": 8});
        let path = format!("/api/rooms/{}/stream-tokens", room.id);
        let made = server
            .get(Method::POST, &path, Some(&owner.token), Some(body))
            .await;
        let (_, source) = source_token(server, owner, room).await;
        secrets.extend([link, guest.token, source, text(&made["tokens"][0], "token")]);
        let (wrong, typed) = (
            Room {
                id: room.id.clone(),
                password: TYPED.to_owned(),
            },
            guest_inside,
        );
        let mut refused = server.join(member, &wrong).await;
        errors
            .0
            .extend_from_slice(refused.closed().await.as_bytes());
        typed.vanish();
    }

    /// Programs: a session seen from somewhere, an API key, a user who is brought along, and another program that is told.
    async fn programs(&mut self, errors: &mut Errors) {
        let Self {
            server,
            owner,
            room,
            secrets,
            ..
        } = self;
        let request = server.http.post(server.url("/api/token"));
        let request = request
            .header("user-agent", format!("{DEVICE}/7"))
            .header("x-forwarded-for", ADDRESS)
            .json(&json!({"email": EMAIL, "password": PASSWORD}));
        let signed_in = Answer::of(request.send().await.unwrap()).await;
        assert!(signed_in.status.is_success(), "{}", signed_in.body);
        let token = text(&signed_in.body, "token");
        let seen = server
            .get(Method::GET, "/api/sessions", Some(&token), None)
            .await;
        let seen = seen.to_string();
        assert!(seen.contains(DEVICE) && seen.contains(NETWORK), "{seen}");
        secrets.extend([token, text(&signed_in.body, "renewal")]);
        let admin = Some(owner.token.as_str());
        let body = json!({"name": LABEL, "scopes": ["join"], "expires_in_days": 1});
        let made = server
            .get(Method::POST, "/v1/api-keys", admin, Some(body))
            .await;
        let key = text(&made, "key");
        let jkt = server.key.thumbprint();
        let body = json!({"external_id": EXTERNAL, "name": BROUGHT, "jkt": jkt});
        let path = format!("/v1/rooms/{}/join-tokens", room.id);
        let brought = server
            .get(Method::POST, &path, Some(&key), Some(body))
            .await;
        let join = text(&brought, "token");
        let body = json!({"token": join});
        let joined = server
            .get(Method::POST, "/v1/join", None, Some(body.clone()))
            .await;
        secrets.extend([text(&joined, "session"), text(&joined, "renewal")]);
        let again = server.call(Method::POST, "/v1/join", None, Some(body));
        errors.keep(&again.await, "a join token once more");
        let url = format!("https://hooks.example.org/{HOOK}");
        let body = json!({"name": LABEL, "url": url, "events": ["room.created"]});
        let hook = server
            .get(Method::POST, "/v1/webhooks", admin, Some(body))
            .await;
        // What stands behind the mark is the key itself.
        let secret = text(&hook, "secret");
        let bare = secret.trim_start_matches("whsec_").to_owned();
        secrets.extend([key, join, bare]);
    }

    /// By a provider, in a browser.
    async fn come_by(&mut self, provider: &Provider, errors: &mut Errors) {
        let mut browser = Browser::of(&self.server, 2, EMAIL).await;
        let answer = browser.link(provider, "one", ELSEWHERE).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut elsewhere = Browser::new(&self.server, 3);
        let answer = elsewhere.sign_in(provider, "one", ELSEWHERE).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        for browser in [&browser, &elsewhere] {
            self.secrets.extend(browser.session.clone());
        }
        let mut wrong = Browser::new(&self.server, 4);
        wrong.leave("one").await;
        self.secrets.extend(wrong.away.clone());
        let body = json!({"state": TYPED, "code": TYPED});
        errors.keep(&wrong.come_back("one", body).await, "a foreign state");
        let request = self.server.http.post(self.server.url("/api/session"));
        let request = request
            .header(ORIGIN, self.server.origin())
            .header("dpop", TYPED)
            .json(&json!({"email": EMAIL, "password": TYPED}));
        let answer = Answer::of(request.send().await.unwrap()).await;
        errors.keep(&answer, "a wrong proof");
    }
}

/// The lines of a key file, and the body of a PEM file.
fn keys(data: &Path) -> Vec<String> {
    let ring = std::fs::read_to_string(data.join("conclave.key")).unwrap();
    let mut keys: Vec<String> = ring
        .lines()
        .skip(1)
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 2);
    let pem = std::fs::read_to_string(data.join("tls-key.pem")).unwrap();
    keys.push(pem.lines().nth(1).unwrap().to_owned());
    keys
}

#[tokio::test]
async fn d05_what_is_planted_is_in_no_log_metric_error_file_or_dump() {
    let (place, provider) = (Place::new(), Provider::start().await);
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let mut errors = Errors::default();
    let mut world = world(&place, &provider, &log).await;
    world.meet(&mut errors).await;
    world.programs(&mut errors).await;
    world.come_by(&provider, &mut errors).await;
    errors.http(&world.server, None).await;
    errors.http(&world.server, Some(&world.member.token)).await;
    let World {
        server,
        owner,
        room,
        secrets,
        ..
    } = world;
    let ended = server.room(&owner, &format!("{TITLE} again")).await;
    let path = format!("/api/rooms/{}", ended.id);
    server
        .get(Method::DELETE, &path, Some(&owner.token), None)
        .await;

    let mut needles: Vec<String> = [
        EMAIL,
        NAME,
        "Quastenflosser",
        GUEST,
        "Plantedname",
        RENAMED,
        TITLE,
        LINE,
        "marzipan",
        LABEL,
        CAMERA,
        TYPED,
        PASSWORD,
        SECRET,
        ELSEWHERE,
        DEVICE,
        ADDRESS,
        NETWORK,
        BROUGHT,
        EXTERNAL,
        HOOK,
        "$argon2id$",
    ]
    .map(str::to_owned)
    .to_vec();
    needles.extend(secrets);
    needles.extend([ended.password, room.password]);
    let data = server.data.clone();
    needles.extend(keys(data.path()));
    let needles = Needles::new(needles);
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", server.metrics));
    let metrics = metrics.await.unwrap().bytes().await.unwrap();
    assert!(metrics.len() > 1000);
    let mut all = needles.within("the metrics", &metrics);
    // What the owner is called stands in no error either; it is too common a word for the files.
    let owner = Needles::new(vec![OWNER_NAME.to_owned()]);
    for needles in [&needles, &owner] {
        all.extend(needles.within("an error", &errors.0));
    }
    let look = |all: &mut Vec<String>| {
        let mut bytes_read = 0;
        for path in place.files(data.path()) {
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            bytes_read += bytes.len();
            all.extend(needles.within(&path.display().to_string(), &bytes));
        }
        assert!(bytes_read > 100_000, "nothing was written");
    };
    look(&mut all);
    let dump = place.dump(data.path()).await;
    assert!(dump.len() > 10_000, "nothing was dumped");
    all.extend(needles.within("the dump", &dump));
    assert!(server.stop().await.success());
    look(&mut all);
    let said = std::fs::read(&log).unwrap();
    let lines = said.split(|byte| *byte == b'\n').count();
    assert!(
        lines > 20,
        "it did not log all that it could: {lines} lines"
    );
    all.extend(needles.within("the log", &said));
    all.sort();
    all.dedup();
    assert_eq!(all, Vec::<String>::new());

    // The search itself finds what is there.
    for text in [
        "a Planted-Volcano-typed-wrong b".to_owned(),
        data_encoding::HEXUPPER.encode(TYPED.as_bytes()),
        data_encoding::BASE64.encode(format!("12{TYPED}").as_bytes()),
    ] {
        assert_eq!(needles.within("here", text.as_bytes()).len(), 1, "{text}");
    }
    if let Place::Postgres { .. } = place {
        place.run("dropdb", &[]);
    }
}
