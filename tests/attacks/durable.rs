//! The trail while the database does not answer: nothing is acknowledged, nothing is granted, and no row of what was done is
//! lost. And what one host asks for many does not keep the rows of other rooms waiting.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::common::server::{Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::door::{BEHIND_PROXY, knock_from, stranger};
use crate::media;
use crate::media_client::{Script, UdpClient};
use crate::raw;
use crate::trail::Trail;

/// Longer than a request takes when the database answers.
const A_WHILE: Duration = Duration::from_millis(400);

/// Keeps everyone else from writing to the database until it is dropped or closed.
pub(crate) async fn hold_database(server: &Server) -> SqliteConnection {
    let path = server.data.path().join("conclave.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut database: SqliteConnection = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut database)
        .await
        .unwrap();
    database
}

/// Sends a request that must not be answered while the database is held; its number.
async fn unanswered(socket: &mut Socket, request: Value) -> u32 {
    let id = socket.send(request).await;
    socket.hush(A_WHILE).await;
    let answer = format!("\"id\":{id},");
    let said = |frame: &String| frame.contains("\"reply\"") && frame.contains(&answer);
    assert!(!socket.frames.iter().any(said), "{:?}", socket.frames);
    id
}

async fn answered(socket: &mut Socket, id: u32) -> Value {
    loop {
        let reply = socket.next("reply").await;
        if reply["id"] == id {
            return reply;
        }
    }
}

async fn meeting() -> (Server, Person, Room, Socket, Socket, String) {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (other, view) = server.admit(&mut host, &member, &room).await;
    let who = text(&view["room"], "you");
    (server, owner, room, host, other, who)
}

#[tokio::test]
async fn a01_nothing_is_answered_before_its_row_lasts_and_no_row_of_what_was_done_is_lost() {
    let (server, owner, room, mut host, mut other, who) = meeting().await;
    let guest = server.guest(&room.id, "Visitor").await;
    let offer = media::offer(&UdpClient::new(Script::default()));
    let held = hold_database(&server).await;
    let handover = json!({"type": "transfer_ownership", "participant": who});
    let handover = unanswered(&mut host, handover).await;
    let told = |socket: &Socket| {
        socket
            .frames
            .iter()
            .any(|frame| frame.contains("role_changed"))
    };
    assert!(!told(&other), "a grant acted before its row");
    let name = json!({"type": "change_profile", "name": "Another Member"});
    let name = unanswered(&mut other, name).await;
    let offer = unanswered(&mut other, offer).await;
    held.close().await.unwrap();
    assert!(answered(&mut host, handover).await.get("ok").is_some());
    assert!(answered(&mut other, name).await.get("ok").is_some());
    let offer = answered(&mut other, offer).await;
    assert_eq!(offer["ok"]["type"], "answer", "{offer}");
    other.ok(json!({"type": "lock", "locked": true})).await;

    // Longer than the server is ready to wait: the row of a knock is kept, and written when the database is back.
    let held = hold_database(&server).await;
    let mut waiting = server.join(&guest, &room).await;
    waiting.next("waiting").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    held.close().await.unwrap();
    host.ok(json!({"type": "lock", "locked": true})).await;
    let trail = Trail::of(server).await;
    assert_eq!(trail.permitted(&guest.id, "knock"), 1);
    assert_eq!(trail.permitted(&owner.id, "transfer_ownership"), 1);
}

#[tokio::test]
async fn m04_what_one_host_asks_for_many_keeps_no_row_of_another_room_waiting() {
    const GUESTS: usize = 200;
    const FRAMES: usize = 40;
    let server = Server::start_set(&[BEHIND_PROXY]).await;
    let owner = server.owner().await;
    let (room, other) = (
        server.room(&owner, "Board").await,
        server.room(&owner, "Other").await,
    );
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    // Where two must agree, one host may ask for the same again and again, and nobody comes in.
    let option = json!({"two_person_admission": true});
    let path = "/api/organisation/options";
    server
        .get(Method::PATCH, path, Some(&owner.token), Some(option))
        .await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut bystander, _) = server.enter(&owner, &other).await;
    let mut waiting = Vec::new();
    for number in 0..GUESTS {
        let (name, from) = (format!("Visitor {number}"), format!("10.0.{number}.1"));
        let guest = stranger(&server, &room, &name, &from).await.unwrap();
        let mut socket = knock_from(&server, &room, &guest, &from).await;
        socket.next("waiting").await;
        waiting.push(socket);
    }
    let page = host.ok(json!({"type": "lobby", "limit": 200})).await;
    let seen = |line: &Value| json!({"knock": line["knock"], "version": line["version"]});
    let knocks: Vec<Value> = page["knocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(seen)
        .collect();
    assert_eq!(knocks.len(), GUESTS);
    let flood = async {
        for _ in 0..FRAMES {
            host.send(json!({"type": "admit_many", "knocks": knocks}))
                .await;
        }
        // Whoever is too fast is told so at once, and before the others are answered.
        let mut slowed = 0;
        for _ in 0..FRAMES {
            let reply = host.next("reply").await;
            slowed += usize::from(reply["error"]["code"] == "rate_limited");
        }
        slowed
    };
    let calm = async {
        for turn in 0..20 {
            // Each is answered, so each row was taken.
            let request = json!({"type": "lock", "locked": turn % 2 == 0});
            bystander.ok(request).await;
        }
    };
    let (slowed, ()) = tokio::join!(flood, calm);
    assert!((FRAMES / 2..FRAMES).contains(&slowed), "{slowed}");
    let trail = Trail::of(server).await;
    let admitted = trail.permitted(&owner.id, "admit");
    assert!(
        admitted <= ((FRAMES - slowed) * GUESTS) as u64,
        "{admitted}"
    );
    // The rows of the other room come between those of the flood. Were all of the flood queued at once, no row could.
    let (mut between, mut most, mut begun) = (0_u64, 0, false);
    for line in &trail.0 {
        match line.action.as_str() {
            "admit" if begun => between += 1,
            "lock" | "unlock" => {
                most = most.max(between);
                (between, begun) = (0, true);
            }
            _ => {}
        }
    }
    assert!(4 * most <= 3 * admitted, "{most} of {admitted} rows");
    println!("figure m04.many.slowed {slowed} of {FRAMES} requests");
    println!("figure m04.many.rows_between {most} rows");
}

#[tokio::test]
async fn what_is_written_is_told_to_the_room_though_whoever_asked_for_it_hung_up() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut waiting = server.join(&member, &room).await;
    waiting.next("waiting").await;
    host.event("knocked").await;
    waiting.vanish();
    let path = format!("/api/rooms/{}/password", room.id);
    let held = hold_database(&server).await;
    let asked = (server
        .http
        .post(server.url(&path))
        .bearer_auth(&owner.token))
    .json(&json!({}))
    .timeout(A_WHILE);
    assert!(asked.send().await.unwrap_err().is_timeout());
    // Time for the server to notice it.
    tokio::time::sleep(A_WHILE).await;
    held.close().await.unwrap();
    let begun = raw::now();
    loop {
        let read = server
            .get(Method::GET, &path, Some(&owner.token), None)
            .await;
        if text(&read, "password") != room.password {
            break;
        }
        assert!(begun.elapsed() < raw::SOON, "the password was not changed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The room that runs knows the new one soon: with the old one nobody comes to its door.
    loop {
        let mut late = server.join(&member, &room).await;
        let Some(said) = late.read().await else {
            panic!("the door says nothing");
        };
        if said["type"] == "closed" {
            assert_eq!(said["code"], "cannot_join");
            break;
        }
        assert!(
            begun.elapsed() < raw::SOON,
            "the room still takes the old password"
        );
        late.vanish();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
