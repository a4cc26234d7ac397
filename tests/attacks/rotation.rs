//! The keys of session tokens rotate by themselves while many use their sessions: nobody is refused whose session is not over, and a
//! token of a key that is gone is nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::server::{Answer, PASSWORD, Person, Server};
use crate::common::socket::Socket;
use crate::common::text;

/// A key makes tokens for two seconds and opens them for as long as a session lasts, a minute.
const SETTINGS: &[(&str, &str)] = &[
    ("CONCLAVE_SESSIONS__SECONDS", "60"),
    ("CONCLAVE_SESSIONS__UNUSED_SECONDS", "60"),
    ("CONCLAVE_SESSIONS__KEY_SECONDS", "2"),
];
const MEMBERS: usize = 6;
/// Sessions of each of them.
const SESSIONS: usize = 2;
/// Long enough for several keys.
const LASTS: Duration = Duration::from_secs(13);
const STEP: Duration = Duration::from_millis(400);
/// After so many steps a session is renewed.
const RENEWED: usize = 4;
const KEYS: usize = 4;

/// The first part of a token says by which key it was made.
fn key_of(token: &str) -> String {
    token.split('.').next().unwrap().to_owned()
}

/// What a session showed at any time.
struct Used {
    tokens: Vec<String>,
}

/// Uses a session in every way that there is until it is over: over HTTP with the newest token and with the first, which is good
/// for just as long, by its renewal, by new sockets and by one that stays open.
async fn user(
    server: Arc<Server>,
    email: String,
    over: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
) -> Used {
    let body = json!({"email": email, "password": PASSWORD});
    let request = server.http.post(server.url("/api/token")).json(&body);
    let begun = Answer::of(request.send().await.unwrap()).await;
    assert!(begun.status.is_success(), "{}", begun.body);
    let (first, mut renewal) = (text(&begun.body, "token"), text(&begun.body, "renewal"));
    let mut tokens = vec![first.clone()];
    let mut held = Socket::open(&server, Some(&first), None).await.unwrap();
    let mut step = 0;
    while !over.load(Ordering::Relaxed) {
        let newest = tokens.last().unwrap().clone();
        for token in [&newest, &first] {
            let answer = server.call(Method::GET, "/api/me", Some(token), None).await;
            assert_eq!(
                answer.status,
                StatusCode::OK,
                "step {step}: {}",
                answer.body
            );
        }
        calls.fetch_add(2, Ordering::Relaxed);
        if step % RENEWED == RENEWED - 1 {
            let body = json!({"renewal": renewal});
            let request = server.http.post(server.url("/api/token/renew")).json(&body);
            let renewed = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(
                renewed.status,
                StatusCode::OK,
                "step {step}: {}",
                renewed.body
            );
            tokens.push(text(&renewed.body, "token"));
            renewal = text(&renewed.body, "renewal");
            // One more socket, opened with whatever key the newest token is of.
            held = Socket::open(&server, tokens.last().map(String::as_str), None)
                .await
                .unwrap();
        }
        step += 1;
        tokio::time::sleep(STEP).await;
    }
    // A socket without a first message lives for ten seconds; this one is younger.
    held.send(json!({"type": "join", "room": "a".repeat(26), "password": ""}))
        .await;
    assert_eq!(held.closed().await, "cannot_join");
    Used { tokens }
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_keys_rotate_under_load_and_no_session_is_refused_that_is_not_over() {
    let server = Arc::new(Server::start_set(SETTINGS).await);
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    for member in 0..MEMBERS {
        let email = format!("member{member}@example.org");
        server.member(&owner, &email, "Member").await;
    }
    // A meeting runs all the while.
    let owner = server.sign_in("owner@example.org").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let users: Vec<_> = (0..MEMBERS * SESSIONS)
        .map(|number| {
            let email = format!("member{}@example.org", number % MEMBERS);
            tokio::spawn(user(server.clone(), email, over.clone(), calls.clone()))
        })
        .collect();
    let steps = LASTS.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        host.ok(json!({"type": "stats"})).await;
        host.frames.clear();
        tokio::time::sleep(STEP).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut used = Vec::new();
    for user in users {
        used.push(user.await.unwrap());
    }
    let made: Vec<&String> = used.iter().flat_map(|used| &used.tokens).collect();
    let keys: BTreeSet<String> = made.iter().map(|token| key_of(token)).collect();
    println!(
        "{} tokens of {} keys, shown {} times",
        made.len(),
        keys.len(),
        calls.load(Ordering::Relaxed)
    );
    assert!(keys.len() >= KEYS, "only {} keys", keys.len());

    // The name of another key does not make it that key's.
    let (old, new) = (&used[0].tokens[0], used[0].tokens.last().unwrap());
    assert_ne!(key_of(old), key_of(new));
    let renamed = format!("{}{}", key_of(new), &old[key_of(old).len()..]);
    refused(&server, &renamed).await;
    // A key that is gone opens nothing, however long its tokens had to live; the socket that came by one hears it too.
    let person = Person {
        token: new.clone(),
        ..owner.clone()
    };
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["sessions", "end-all", "--data"])
        .arg(server.data.path())
        .status();
    assert!(ended.await.unwrap().success());
    assert_eq!(host.closed().await, "signed_out");
    for token in made {
        refused(&server, token).await;
    }
    assert!(
        Socket::open(&server, Some(&person.token), None)
            .await
            .is_err()
    );
    // And those who sign in again do so with a key that was never seen.
    let again = server.sign_in("owner@example.org").await;
    assert!(!keys.contains(&key_of(&again.token)));
}

async fn refused(server: &Server, token: &str) {
    let answer = server.call(Method::GET, "/api/me", Some(token), None).await;
    let told: (StatusCode, &Value) = (answer.status, &answer.body["code"]);
    assert_eq!(told, (StatusCode::UNAUTHORIZED, &json!("signed_out")));
}
