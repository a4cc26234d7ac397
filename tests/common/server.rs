//! A real server on a free port with a data folder of its own, ended with the story.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::header::{ORIGIN, SET_COOKIE};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::key::Key;
use super::socket::Socket;
use super::text;

/// The password of every account that the stories make.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) metrics: u16,
    pub(crate) owner_link: Option<String>,
    pub(crate) data: Arc<TempDir>,
    pub(crate) http: Client,
    /// The key of the pages of this story.
    pub(crate) key: Key,
    child: Child,
}

/// Someone with a session.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) token: String,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// A room and what its invitation says.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) password: String,
}

/// One answer of the HTTP interface.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

static PROVIDER: Once = Once::new();

impl Server {
    /// Starts a server with a fresh data folder.
    pub(crate) async fn start() -> Self {
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), &[]).await
    }

    /// Starts a server with settings laid over by variables.
    pub(crate) async fn start_set(variables: &[(&str, &str)]) -> Self {
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), variables).await
    }

    /// Starts a server on a data folder.
    pub(crate) async fn start_with(data: Arc<TempDir>, variables: &[(&str, &str)]) -> Self {
        PROVIDER.call_once(|| {
            rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .unwrap();
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["serve", "--data"])
            .arg(data.path())
            // On the command line it is where media listens too; a story that wants those apart says both.
            .args(
                variables
                    .iter()
                    .all(|(name, _)| *name != "CONCLAVE_LISTEN")
                    .then_some(["--listen", "127.0.0.1:0"])
                    .into_iter()
                    .flatten(),
            )
            .env("CONCLAVE_METRICS", "127.0.0.1:0")
            .env("CONCLAVE_LIMITS__ARRIVALS_PER_SECOND", "1000")
            .env("CONCLAVE_LIMITS__ARRIVALS_BURST", "10000")
            .env("CONCLAVE_LIMITS__REQUESTS_PER_SECOND", "1000")
            .env("CONCLAVE_LIMITS__REQUESTS_BURST", "10000")
            .env(
                "CONCLAVE_LOG__FILTER",
                std::env::var("STORY_LOG").unwrap_or("warn".into()),
            )
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(
                // A story that reads the log names a file for it.
                variables
                    .iter()
                    .find(|(name, _)| *name == "STORY_LOG_FILE")
                    .map_or_else(Stdio::inherit, |(_, path)| {
                        std::fs::File::create(path).unwrap().into()
                    }),
            )
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut metrics, mut port, mut owner_link) = (None, None, None);
        // The server says where it is first, then how the first owner gets in, if there is none yet.
        let first_start = !data.path().join("started").exists();
        std::fs::write(data.path().join("started"), "").unwrap();
        while port.is_none() || (first_start && owner_link.is_none()) {
            let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line())
                .await
                .expect("the server is up within a minute")
                .unwrap()
                .expect("the server does not end before it is up; what it said is above");
            if let Some(address) = line.strip_prefix("metrics: http://") {
                let address = address.strip_suffix("/metrics").unwrap();
                metrics = Some(address.rsplit(':').next().unwrap().parse().unwrap());
            }
            if let Some(origin) = line.strip_prefix("listening: ") {
                port = Some(origin.rsplit(':').next().unwrap().parse().unwrap());
            }
            if let Some(link) = line.strip_prefix("owner link: ") {
                owner_link = Some(link.to_owned());
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let http = Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(certificate(data.path()))
            .build()
            .unwrap();
        Self {
            port: port.unwrap(),
            metrics: metrics.unwrap(),
            owner_link,
            data,
            http,
            key: Key::new(),
            child,
        }
    }

    /// The address of a page or endpoint.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The origin of the server's own pages.
    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// A proof of the pages' key for one request, which the server would take now.
    pub(crate) async fn sign(&self, method: &str, path: &str) -> String {
        let nonce = match self.key.nonce() {
            Some(nonce) => nonce,
            None => self.fetch_nonce().await,
        };
        self.key.proof(method, &self.url(path), &nonce)
    }

    /// What there is to sign is told to whoever signs without it.
    async fn fetch_nonce(&self) -> String {
        let url = self.url("/api/session");
        let request = self.http.post(&url).header(ORIGIN, self.origin());
        let proof = self.key.proof("POST", &url, "");
        let answer = request.header("dpop", proof).send().await.unwrap();
        let nonce = answer.headers()["dpop-nonce"].to_str().unwrap();
        self.key.keep(nonce);
        nonce.to_owned()
    }

    /// The cookie of a page that somebody signs in on.
    pub(crate) async fn cookie(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self
            .call(Method::POST, "/api/session", None, Some(body))
            .await;
        assert!(answer.status.is_success(), "{}", answer.body);
        let mut cookies = answer.headers.get_all(SET_COOKIE).iter();
        let session = cookies.find_map(|value| {
            let text = value.to_str().unwrap();
            text.starts_with("__Host-conclave=").then_some(text)
        });
        session.unwrap().split(';').next().unwrap().to_owned()
    }

    /// A request of a program with a token, or of a page without a session.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method.clone(), self.url(path));
        request = match token {
            Some(token) => request.bearer_auth(token),
            None => request
                .header(ORIGIN, self.origin())
                .header("dpop", self.sign(method.as_str(), path).await),
        };
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// The same, which must succeed.
    pub(crate) async fn get(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Value {
        let answer = self.call(method.clone(), path, token, body).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        answer.body
    }

    /// Makes the first owner's account by the link that the server printed.
    pub(crate) async fn owner(&self) -> Person {
        let link = self
            .owner_link
            .clone()
            .expect("the server printed no owner link");
        self.accept(
            link.split('#').nth(1).unwrap(),
            "owner@example.org",
            "The Owner",
        )
        .await
    }

    /// Accepts an invitation.
    pub(crate) async fn accept(&self, invitation: &str, email: &str, name: &str) -> Person {
        let body = json!({"token": invitation, "email": email, "name": name, "password": PASSWORD});
        self.get(Method::POST, "/api/invitations/accept", None, Some(body))
            .await;
        self.sign_in(email).await
    }

    /// Signs in as a program.
    pub(crate) async fn sign_in(&self, email: &str) -> Person {
        let body = json!({"email": email, "password": PASSWORD});
        // Tokens are for programs, which have no origin; a page that asks for one is refused.
        let request = self.http.post(self.url("/api/token")).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(
            answer.status.is_success(),
            "sign-in: {} {}",
            answer.status,
            answer.body
        );
        let answer = answer.body;
        let me = answer.get("me").unwrap();
        Person {
            token: text(&answer, "token"),
            id: text(me, "id"),
            name: text(me, "name"),
        }
    }

    /// Invites someone and accepts for them.
    pub(crate) async fn member(&self, owner: &Person, email: &str, name: &str) -> Person {
        let body = json!({"kind": "member", "may_create_rooms": false});
        let answer = self
            .get(
                Method::POST,
                "/api/invitations",
                Some(&owner.token),
                Some(body),
            )
            .await;
        let path = text(&answer, "path");
        self.accept(path.split('#').nth(1).unwrap(), email, name)
            .await
    }

    /// A guest's session for one room.
    pub(crate) async fn guest(&self, room: &str, name: &str) -> Person {
        self.guest_with(json!({"room": room, "name": name})).await
    }

    /// The same with more than a name, such as a link that a host made.
    pub(crate) async fn guest_with(&self, body: Value) -> Person {
        // As a program, which reads its token.
        let request = self.http.post(self.url("/api/guest")).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(
            answer.status.is_success(),
            "guest: {} {}",
            answer.status,
            answer.body
        );
        let token = text(&answer.body, "token");
        let me = answer.body.get("me").unwrap();
        Person {
            token,
            id: text(me, "id"),
            name: text(me, "name"),
        }
    }

    /// Makes a room.
    pub(crate) async fn room(&self, owner: &Person, title: &str) -> Room {
        let answer = self
            .get(
                Method::POST,
                "/api/rooms",
                Some(&owner.token),
                Some(json!({"title": title})),
            )
            .await;
        Room {
            id: text(&answer, "id"),
            password: text(&answer, "password"),
        }
    }

    /// Changes a setting of a room over HTTP.
    pub(crate) async fn set(&self, owner: &Person, room: &Room, key: &str, value: &str) {
        let path = format!("/api/rooms/{}/settings", room.id);
        self.get(
            Method::PATCH,
            &path,
            Some(&owner.token),
            Some(json!({"key": key, "value": value})),
        )
        .await;
    }

    /// Opens a WebSocket.
    pub(crate) async fn socket(&self, person: &Person) -> Socket {
        Socket::open(self, Some(&person.token), None).await.unwrap()
    }

    /// Opens a WebSocket and asks to join.
    pub(crate) async fn join(&self, person: &Person, room: &Room) -> Socket {
        let mut socket = self.socket(person).await;
        socket
            .send(json!({"type": "join", "room": room.id, "password": room.password}))
            .await;
        socket
    }

    /// Joins, which must lead straight into the room.
    pub(crate) async fn enter(&self, person: &Person, room: &Room) -> (Socket, Value) {
        let mut socket = self.join(person, room).await;
        let admitted = socket.next("admitted").await;
        (socket, admitted)
    }

    /// Knocks and is admitted by a host.
    pub(crate) async fn admit(
        &self,
        host: &mut Socket,
        person: &Person,
        room: &Room,
    ) -> (Socket, Value) {
        let mut socket = self.join(person, room).await;
        socket.next("waiting").await;
        let knocked = host.event("knocked").await;
        let knock = knocked.get("knock").unwrap().clone();
        host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
            .await;
        let admitted = socket.next("admitted").await;
        (socket, admitted)
    }

    /// The value of a counter.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = reqwest::get(format!("http://127.0.0.1:{}/metrics", self.metrics))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text
            .lines()
            .find(|line| line.split([' ', '{']).next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next())
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Ends the server at once, as a power failure does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> std::process::ExitStatus {
        let pid = self.pid().to_string();
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap();
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .unwrap()
            .unwrap()
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self {
            status,
            body,
            headers,
            bytes,
        }
    }

    /// The stable code of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The server's own certificate, which the client trusts and nothing else.
pub(crate) fn certificate(data: &Path) -> Certificate {
    Certificate::from_pem(&std::fs::read(data.join("tls-certificate.pem")).unwrap()).unwrap()
}
