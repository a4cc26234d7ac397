//! Whoever loses a session loses it everywhere at once: sockets, those who wait, streams and what was lost and might come back.
//! How long it takes until the last packet is measured in `tests/bench/revoke.rs`.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::server::{Person, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::whip;

/// The promise is 250 ms on a machine that does nothing else; tests share theirs. To look by itself takes a server 5 s.
const SOON: Duration = Duration::from_secs(2);

#[expect(
    clippy::disallowed_methods,
    reason = "this is the client's side, which has its own time"
)]
fn now() -> Instant {
    Instant::now()
}

/// A socket is told that its session is over, and soon.
async fn over(socket: &mut Socket, since: Instant) {
    assert_eq!(socket.closed().await, "signed_out");
    let took = since.elapsed();
    assert!(took < SOON, "{took:?}");
}

async fn refused(server: &Server, person: &Person) {
    let answer = server
        .call(Method::GET, "/api/me", Some(&person.token), None)
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_out_ends_the_socket_and_what_might_come_back() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "a@example.org", "Attendee").await;
    let other = server.member(&owner, "b@example.org", "Other").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut socket, _) = server.admit(&mut host, &member, &room).await;
    let (lost, _) = server.admit(&mut host, &other, &room).await;
    lost.vanish();
    host.event("participant_changed").await;
    for person in [&member, &other] {
        let since = now();
        server
            .get(Method::DELETE, "/api/session", Some(&person.token), None)
            .await;
        if person.id == member.id {
            over(&mut socket, since).await;
        }
        // Also who is only away for a moment is gone for the others.
        host.event("participant_left").await;
        assert!(since.elapsed() < SOON);
        refused(&server, person).await;
    }
    server.kill().await;
}

#[tokio::test]
async fn signing_out_elsewhere_ends_that_session_alone() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "a@example.org", "Attendee").await;
    let elsewhere = server.sign_in("a@example.org").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut socket, _) = server.admit(&mut host, &elsewhere, &room).await;
    let listed = async |person: &Person| {
        let token = Some(person.token.as_str());
        let list = server.get(Method::GET, "/api/sessions", token, None).await;
        list["sessions"].as_array().unwrap().clone()
    };
    let own = listed(&elsewhere).await;
    let id = own.iter().find(|one| one["this"] == true).unwrap();
    let path = format!("/api/sessions/{}", text(id, "id"));
    // Whose session it is, and not who asks, says whether it ends.
    let answer = server.call(Method::DELETE, &path, Some(&owner.token), None);
    assert_eq!(answer.await.status, StatusCode::NOT_FOUND);
    let since = now();
    server
        .get(Method::DELETE, &path, Some(&member.token), None)
        .await;
    over(&mut socket, since).await;
    host.event("participant_left").await;
    refused(&server, &elsewhere).await;
    let me = Some(member.token.as_str());
    server.get(Method::GET, "/api/me", me, None).await;
    assert!(
        listed(&member)
            .await
            .iter()
            .all(|one| one["id"] != id["id"])
    );
    server.kill().await;
}

#[tokio::test]
async fn a_link_or_a_token_that_is_taken_back_ends_who_came_by_it() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let links = format!("/api/rooms/{}/guest-links", room.id);
    let body = json!({"label": "Visitor", "expires_in_hours": 8});
    let link = server
        .get(Method::POST, &links, Some(&owner.token), Some(body))
        .await;
    let path = text(&link, "path");
    let secret = path.rsplit(['#', '/', '=']).next().unwrap();
    let guest = json!({"room": room.id, "name": "Visitor", "link": secret});
    let guest = server.guest_with(guest).await;
    let (mut socket, _) = server.admit(&mut host, &guest, &room).await;
    let since = now();
    let one = format!("{links}/{}", text(&link, "id"));
    server
        .get(Method::DELETE, &one, Some(&owner.token), None)
        .await;
    over(&mut socket, since).await;
    host.event("participant_left").await;

    let (id, secret) = whip::source_token(&server, &owner, &room).await;
    let path = format!("/whip/{}", room.id);
    let (media, _) = whip::up(&server, &path, &secret, whip::encoder()).await;
    host.event("participant_joined").await;
    let since = now();
    let one = format!("/api/rooms/{}/stream-tokens/{id}", room.id);
    server
        .get(Method::DELETE, &one, Some(&owner.token), None)
        .await;
    host.event("participant_left").await;
    assert!(since.elapsed() < SOON);
    drop(media);
    server.kill().await;
}

#[tokio::test]
async fn the_emergency_switch_ends_every_session_and_only_an_administrator_has_it() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "a@example.org", "Attendee").await;
    let waits = server.member(&owner, "b@example.org", "Other").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut socket, _) = server.admit(&mut host, &member, &room).await;
    let mut waiting = server.join(&waits, &room).await;
    waiting.next("waiting").await;
    let switch = "/api/organisation/sessions";
    let answer = server
        .call(Method::DELETE, switch, Some(&member.token), None)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let since = now();
    server
        .get(Method::DELETE, switch, Some(&owner.token), None)
        .await;
    for socket in [&mut host, &mut socket, &mut waiting] {
        over(socket, since).await;
    }
    for person in [&owner, &member, &waits] {
        refused(&server, person).await;
    }
    // The operator has it too, on the command line beside the running server.
    let owner = server.sign_in("owner@example.org").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let since = now();
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["sessions", "end-all", "--data"])
        .arg(server.data.path())
        .status();
    assert!(ended.await.unwrap().success());
    over(&mut host, since).await;
    refused(&server, &owner).await;
    let owner = server.sign_in("owner@example.org").await;
    let path = "/api/organisation/audit";
    let audit = server
        .get(Method::GET, path, Some(&owner.token), None)
        .await;
    let audit = audit.to_string();
    for action in ["end_sessions", "sessions_ended"] {
        assert!(audit.contains(action), "{audit}");
    }
    server.kill().await;
}
