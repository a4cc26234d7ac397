//! The story of the ways back into an account: by mail, through a real mail server, and by a link from the command line.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use common::server::{PASSWORD, Person, Server};
use common::text;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

const FRESH: &str = "another horse battery staple";

/// A mail server that says what it takes.
struct Sink {
    folder: TempDir,
    port: u16,
    said: Lines<BufReader<ChildStdout>>,
    _stdin: ChildStdin,
    _child: Child,
}

impl Sink {
    async fn start(tls: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/sink.py"))
            .args([tls, folder.path().to_str().unwrap()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = said.next_line().await.unwrap();
        let first: Value = serde_json::from_str(&first.unwrap()).unwrap();
        Self {
            folder,
            port: u16::try_from(first["port"].as_u64().unwrap()).unwrap(),
            said,
            _stdin: stdin,
            _child: child,
        }
    }

    async fn next(&mut self) -> Value {
        let line = timeout(Duration::from_secs(30), self.said.next_line()).await;
        let line = line.unwrap().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn nothing(&mut self) {
        let line = timeout(Duration::from_secs(4), self.said.next_line()).await;
        assert!(line.is_err(), "a mail came: {line:?}");
    }

    async fn server(&self, tls: &str, more: &[(&str, &str)]) -> Server {
        let address = format!("localhost:{}", self.port);
        let authority = self.folder.path().join("authority.pem");
        let mut settings = vec![
            ("CONCLAVE_MAIL__ADDRESS", address.as_str()),
            ("CONCLAVE_MAIL__TLS", tls),
            ("CONCLAVE_MAIL__FROM", "Conclave <meet@example.org>"),
        ];
        if tls != "none"
            && more
                .iter()
                .all(|(name, _)| *name != "CONCLAVE_MAIL__AUTHORITY")
        {
            settings.push(("CONCLAVE_MAIL__AUTHORITY", authority.to_str().unwrap()));
        }
        settings.extend_from_slice(more);
        Server::start_with(Arc::new(tempfile::tempdir().unwrap()), &settings).await
    }
}

/// The secret behind the `#` of the only link in a mail.
fn secret(mail: &Value, page: &str) -> String {
    let text = mail["text"].as_str().unwrap();
    let (_, rest) = text.split_once(&format!("/{page}#")).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn post(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let answer = server.call(Method::POST, path, None, Some(body)).await;
    (answer.status.as_u16(), answer.body)
}

async fn signs_in(server: &Server, password: &str) -> StatusCode {
    let body = json!({"email": "owner@example.org", "password": password});
    let answer = server
        .call(Method::POST, "/api/session", None, Some(body))
        .await;
    answer.status
}

async fn is_signed_in(server: &Server, person: &Person) -> bool {
    let me = server
        .call(Method::GET, "/api/me", Some(&person.token), None)
        .await;
    me.status == StatusCode::OK
}

#[tokio::test]
async fn an_address_is_proved_and_a_forgotten_password_changed_by_mail_under_starttls() {
    let mut sink = Sink::start("starttls", &["--user", "meet", "--password", "word"]).await;
    let user = [
        ("CONCLAVE_MAIL__USER", "meet"),
        ("CONCLAVE_MAIL__PASSWORD", "word"),
    ];
    let server = sink.server("starttls", &user).await;
    let owner = server.owner().await;
    let mail = sink.next().await;
    assert_eq!(
        (&mail["tls"], &mail["user"]),
        (&json!(true), &json!("meet"))
    );
    assert_eq!(mail["to"], json!(["owner@example.org"]));
    assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
    assert_eq!(mail["headers"]["subject"], "Confirm your address");

    // Before the address is proved nothing that opens the account goes there.
    let ask = json!({"email": "owner@example.org"});
    assert_eq!(post(&server, "/api/reset", ask.clone()).await.0, 202);
    sink.nothing().await;
    let token = secret(&mail, "verify");
    for wrong in ["", "x", &token[1..], &owner.token] {
        let (status, body) = post(&server, "/api/verify", json!({"token": wrong})).await;
        assert_eq!((status, &body["code"]), (403, &json!("link_refused")));
    }
    // A link of one kind is none of the other.
    let mixed = json!({"token": token, "password": FRESH});
    assert_eq!(post(&server, "/api/reset/finish", mixed).await.0, 403);
    assert_eq!(
        post(&server, "/api/verify", json!({"token": token}))
            .await
            .0,
        204
    );
    assert_eq!(
        post(&server, "/api/verify", json!({"token": token}))
            .await
            .0,
        403
    );

    // Known and unknown are answered alike; one gets a mail.
    let unknown = json!({"email": "nobody@example.org"});
    let answers = [
        post(&server, "/api/reset", unknown).await,
        post(&server, "/api/reset", json!({"email": "no address"})).await,
        post(&server, "/api/reset", ask.clone()).await,
    ];
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let mail = sink.next().await;
    assert_eq!(mail["headers"]["subject"], "Choose a new password");
    assert_eq!(mail["to"], json!(["owner@example.org"]));
    // No more of them than the budget of the address has.
    for _ in 0..6 {
        post(&server, "/api/reset", ask.clone()).await;
    }
    sink.nothing().await;

    let token = secret(&mail, "reset");
    let short = json!({"token": token, "password": "short"});
    assert_eq!(post(&server, "/api/reset/finish", short).await.0, 422);
    assert!(is_signed_in(&server, &owner).await);
    let reset = json!({"token": token, "password": FRESH});
    assert_eq!(
        post(&server, "/api/reset/finish", reset.clone()).await.0,
        204
    );
    assert_eq!(post(&server, "/api/reset/finish", reset).await.0, 403);
    assert!(!is_signed_in(&server, &owner).await);
    assert_eq!(signs_in(&server, PASSWORD).await, StatusCode::UNAUTHORIZED);
    assert_eq!(signs_in(&server, FRESH).await, StatusCode::OK);
    let told = sink.next().await;
    assert_eq!(told["headers"]["subject"], "Your password was changed");
    server.stop().await;
}

#[tokio::test]
async fn a_link_to_another_address_is_over_with_the_password_and_with_the_sessions() {
    let mut sink = Sink::start("starttls", &[]).await;
    let server = sink.server("starttls", &[]).await;
    let owner = server.owner().await;
    let proof = secret(&sink.next().await, "verify");
    let call = async |path: &str, token: &str, body: Value| {
        let answer = server.call(Method::POST, path, Some(token), Some(body));
        let answer = answer.await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    };
    let mut token = owner.token.clone();
    for (path, body) in [
        ("/api/account/password", json!({"password": FRESH})),
        ("/api/account/end-others", json!({})),
    ] {
        let other = json!({"email": "elsewhere@example.org"});
        call("/api/account/email", &token, other).await;
        let mail = sink.next().await;
        assert_eq!(mail["to"], json!(["elsewhere@example.org"]));
        let link = secret(&mail, "verify");
        token = text(&call(path, &token, body).await, "token");
        let (status, body) = post(&server, "/api/verify", json!({"token": link})).await;
        assert_eq!(
            (status, &body["code"]),
            (403, &json!("link_refused")),
            "{path}"
        );
    }
    // What proves the address that the account has stays good.
    assert_eq!(
        post(&server, "/api/verify", json!({"token": proof}))
            .await
            .0,
        204
    );
    server.stop().await;
}

#[tokio::test]
async fn a_mail_server_with_tls_from_the_first_byte_that_is_busy_at_first_gets_the_mail_later() {
    let mut sink = Sink::start("implicit", &["--later", "1"]).await;
    let server = sink.server("implicit", &[]).await;
    server.owner().await;
    assert_eq!(sink.next().await["later"], true);
    let mail = sink.next().await;
    assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn no_mail_goes_to_a_server_with_a_certificate_of_others_and_none_twice_that_is_refused() {
    let other = Sink::start("starttls", &[]).await;
    let mut sink = Sink::start("starttls", &[]).await;
    let authority = other.folder.path().join("authority.pem");
    let foreign = [("CONCLAVE_MAIL__AUTHORITY", authority.to_str().unwrap())];
    let server = sink.server("starttls", &foreign).await;
    server.owner().await;
    sink.nothing().await;
    server.stop().await;
    let mut sink = Sink::start("none", &["--refuse"]).await;
    let server = sink.server("none", &[]).await;
    server.owner().await;
    assert_eq!(sink.next().await["refused"], true);
    tokio::time::sleep(Duration::from_secs(3)).await;
    sink.nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn where_no_mail_is_sent_an_administrator_makes_the_links_while_the_server_runs() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let ask = json!({"email": "owner@example.org"});
    let (status, body) = post(&server, "/api/reset", ask).await;
    assert_eq!((status, &body["code"]), (409, &json!("mail_off")));
    let run = async |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .arg("accounts")
            .args(arguments)
            .arg("--data")
            .arg(server.data.path())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said.trim().to_owned())
    };
    let (found, said) = run(&["reset", "nobody@example.org"]).await;
    assert!(!found && said.contains("no account"), "{said}");
    let (made, link) = run(&["verify", "owner@example.org", "--to", "boss@example.org"]).await;
    assert!(made, "{link}");
    let token = link.split_once("/verify#").unwrap().1;
    let proved = post(&server, "/api/verify", json!({"token": token})).await;
    assert_eq!(proved.0, 204);
    let account = server
        .get(Method::GET, "/api/account", Some(&owner.token), None)
        .await;
    assert_eq!(
        account,
        json!({"email": "boss@example.org", "verified": true, "mail": false})
    );
    let (made, link) = run(&["reset", "boss@example.org", "--all"]).await;
    assert!(made, "{link}");
    let (_, older) = run(&["reset", "boss@example.org"]).await;
    let token = link.split_once("/reset#").unwrap().1;
    let reset = json!({"token": token, "password": FRESH});
    assert_eq!(post(&server, "/api/reset/finish", reset).await.0, 204);
    // With the password every link that was made before is over.
    let token = older.split_once("/reset#").unwrap().1;
    let late = json!({"token": token, "password": PASSWORD});
    assert_eq!(post(&server, "/api/reset/finish", late).await.0, 403);
    assert!(!is_signed_in(&server, &owner).await);
    server.stop().await;
}
