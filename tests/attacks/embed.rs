//! Attacks on the way by which other products bring their users: tokens taken by others, used twice and after a kill, sessions of one room
//! and one key, and pages of origins that nobody allowed.

use std::sync::Arc;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::ORIGIN;
use serde_json::{Value, json};

use crate::common::key::Key;
use crate::common::server::{Answer, Person, Room, Server};
use crate::common::socket::Socket;
use crate::raw::Raw;

const PRODUCT: &str = "https://app.example.com";

/// A server with an open room, and the key of a product.
struct Desk {
    server: Server,
    owner: Person,
    room: Room,
    key: String,
}

impl Desk {
    async fn open() -> Self {
        let server = Server::start().await;
        let owner = server.owner().await;
        let room = server.room(&owner, "Board").await;
        for (setting, value) in [("sign_in", "guests_may_knock"), ("password", "none")] {
            server.set(&owner, &room, setting, value).await;
        }
        let token = Some(owner.token.as_str());
        let origins = json!({"origins": [PRODUCT]});
        let set = server.call(Method::PUT, "/v1/embedding/origins", token, Some(origins));
        assert_eq!(set.await.status, 200);
        let body = json!({"name": "Course Desk", "scopes": ["join"], "expires_in_days": 1});
        let made = server
            .call(Method::POST, "/v1/api-keys", token, Some(body))
            .await;
        let key = made.body["key"].as_str().unwrap().to_owned();
        Self {
            server,
            owner,
            room,
            key,
        }
    }

    async fn token(&self, page: &Key, external: &str) -> String {
        let body = json!({"external_id": external, "name": "Student", "jkt": page.thumbprint()});
        let path = format!("/v1/rooms/{}/join-tokens", self.room.id);
        let made = self
            .server
            .call(Method::POST, &path, Some(&self.key), Some(body))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["token"].as_str().unwrap().to_owned()
    }
}

/// Exchanges a token as a page of this origin would.
async fn exchange(server: &Server, page: &Key, origin: &str, token: &str) -> Answer {
    let mut nonce = page.nonce().unwrap_or_default();
    loop {
        let url = server.url("/v1/join");
        let proof = page.proof("POST", &format!("{}/v1/join", server.origin()), &nonce);
        let request = server
            .http
            .post(url)
            .header(ORIGIN, origin)
            .header("dpop", proof)
            .json(&json!({"token": token}));
        let answer = Answer::of(request.send().await.unwrap()).await;
        let fresh = answer.headers.get("dpop-nonce");
        let Some(fresh) = fresh.filter(|_| answer.code() == "use_dpop_nonce") else {
            return answer;
        };
        nonce = fresh.to_str().unwrap().to_owned();
        page.keep(&nonce);
    }
}

/// The status of the answer to an upgrade from this origin with this session in a subprotocol.
async fn upgrade(server: &Server, origin: Option<&str>, protocols: &str) -> u16 {
    let mut fields = vec![("Sec-WebSocket-Protocol", protocols)];
    fields.extend(origin.map(|origin| ("Origin", origin)));
    Raw::upgraded(server, &fields).await
}

/// Knocks as the page does that has this session, with this key.
async fn knock(server: &Server, page: &Key, session: &str, room: &str) -> Socket {
    let protocols = format!("conclave.v1, conclave.session.{session}");
    let headers = [
        ("sec-websocket-protocol", protocols.as_str()),
        ("origin", PRODUCT),
    ];
    let mut socket = Socket::open(server, None, Some(&headers)).await.unwrap();
    let challenge = socket.text_frame().await.unwrap();
    assert_eq!(challenge["type"], "challenge");
    let nonce = challenge["nonce"].as_str().unwrap();
    let proof = page.proof("GET", &format!("{}/ws", server.origin()), nonce);
    let first = json!({"id": 1, "proof": proof, "request": {"type": "join", "room": room}});
    socket.raw(first.to_string()).await;
    socket
}

fn session(joined: &Answer) -> String {
    assert_eq!(joined.status, 200, "{}", joined.body);
    joined.body["session"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn t05_a_token_is_used_once_in_a_race_and_across_a_kill() {
    let desk = Desk::open().await;
    let (server, page) = (&desk.server, Key::new());
    // What is to be signed is there before the race.
    exchange(server, &page, PRODUCT, "none").await;
    for round in 0..5 {
        let token = desk.token(&page, &format!("user-{round}")).await;
        let all = (0..16).map(|_| exchange(server, &page, PRODUCT, &token));
        let all = join_all(all).await;
        let won = all.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1);
        let lost = all.iter().filter(|answer| answer.code() == "join_refused");
        assert_eq!(lost.count(), 15);
    }
    let used = desk.token(&page, "user-a").await;
    let kept = desk.token(&page, "user-b").await;
    session(&exchange(server, &page, PRODUCT, &used).await);
    let data = Arc::clone(&desk.server.data);
    desk.server.kill().await;
    let server = Server::start_with(data, &[]).await;
    let again = exchange(&server, &page, PRODUCT, &used).await;
    assert_eq!(again.code(), "join_refused");
    session(&exchange(&server, &page, PRODUCT, &kept).await);
}

#[tokio::test]
async fn t01_what_a_token_gave_is_worth_nothing_without_its_key_or_in_another_room() {
    let desk = Desk::open().await;
    let (server, page) = (&desk.server, Key::new());
    let (mut host, _) = server.enter(&desk.owner, &desk.room).await;
    let thief = Key::new();
    let token = desk.token(&page, "user-42").await;
    let stolen = exchange(server, &thief, PRODUCT, &token).await;
    assert_eq!(
        (stolen.status.as_u16(), stolen.code()),
        (403, "join_refused")
    );
    let own = session(&exchange(server, &page, PRODUCT, &token).await);
    let copied = knock(server, &thief, &own, &desk.room.id)
        .await
        .closed()
        .await;
    assert_eq!(copied, "signed_out");
    let other = server.room(&desk.owner, "Other").await;
    let elsewhere = knock(server, &page, &own, &other.id).await.closed().await;
    assert_eq!(elsewhere, "cannot_join");
    // As a bearer, a cookie or a stream it is nothing either.
    let bearer = server.call(Method::GET, "/api/me", Some(&own), None).await;
    assert_eq!(bearer.status, 401);
    let cookie = format!("__Host-conclave={own}");
    let headers = [("cookie", cookie.as_str()), ("origin", PRODUCT)];
    assert!(Socket::open(server, None, Some(&headers)).await.is_err());
    // The page of the product goes on, and is let in.
    let mut student = knock(server, &page, &own, &desk.room.id).await;
    student.next("waiting").await;
    let event = host.event("knocked").await;
    let knocked = &event["knock"];
    assert_eq!(
        knocked["identity"],
        json!({"kind": "product", "label": "Course Desk"})
    );
    let admit = json!({"type": "admit", "knock": knocked["knock"], "version": knocked["version"]});
    host.ok(admit).await;
    let view = student.next("admitted").await;
    // Whoever was removed stays out with another token and another key, and others come as before.
    host.ok(json!({"type": "remove", "participant": view["room"]["you"]}))
        .await;
    assert_eq!(student.closed().await, "removed");
    let fresh = Key::new();
    for (external, outcome) in [("user-42", "closed"), ("user-43", "waiting")] {
        let token = desk.token(&fresh, external).await;
        let session = session(&exchange(server, &fresh, PRODUCT, &token).await);
        let mut socket = knock(server, &fresh, &session, &desk.room.id).await;
        let answer = socket.text_frame().await.unwrap();
        assert_eq!(answer["type"], outcome, "{external}: {answer}");
    }
}

#[tokio::test]
async fn x07_a_foreign_page_opens_no_socket_with_or_without_a_session() {
    let desk = Desk::open().await;
    let (server, page) = (&desk.server, Key::new());
    let token = desk.token(&page, "user-42").await;
    let own = session(&exchange(server, &page, PRODUCT, &token).await);
    let with = format!("conclave.v1, conclave.session.{own}");
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "null",
        "http://app.example.com",
    ] {
        assert_eq!(upgrade(server, Some(origin), &with).await, 403, "{origin}");
    }
    assert_eq!(upgrade(server, None, &with).await, 403);
    assert_eq!(upgrade(server, Some(PRODUCT), &with).await, 101);
    // An allowed page has nothing but what a token gave: not the session of an account, no token, not two, no other subprotocol.
    let twice = format!("{with}, conclave.session.{own}");
    let account = format!("conclave.v1, conclave.session.{}", desk.owner.token);
    let raw = format!("conclave.v1, conclave.session.{token}");
    for protocols in [
        twice.as_str(),
        &account,
        &raw,
        "conclave.v1, conclave.session.",
        "conclave.v1",
    ] {
        let status = upgrade(server, Some(PRODUCT), protocols).await;
        assert!(status == 401 || status == 403, "{status}: {protocols}");
    }
    let alone = format!("conclave.session.{own}");
    assert_eq!(upgrade(server, Some(PRODUCT), &alone).await, 400);
    // Taken back, the origin is foreign at once.
    let none = Some(json!({"origins": []}));
    let owner = Some(desk.owner.token.as_str());
    server
        .call(Method::PUT, "/v1/embedding/origins", owner, none)
        .await;
    assert_eq!(upgrade(server, Some(PRODUCT), &with).await, 403);
    let token = desk.token(&page, "user-42").await;
    let foreign = exchange(server, &page, PRODUCT, &token).await;
    assert_eq!(foreign.code(), "wrong_origin");
    assert_eq!(foreign.headers.get("access-control-allow-origin"), None);
    assert_ne!(foreign.body, Value::Null);
}
