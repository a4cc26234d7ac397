//! Stories of what hosts do to a whole room and at its door, over real sockets.

#![expect(clippy::indexing_slicing, reason = "a test may fail")]

#[expect(dead_code, reason = "stories share a harness and use what they need")]
mod common;

use common::server::{Answer, Person, Room, Server};
use common::socket::Socket;
use common::text;
use reqwest::Method;
use serde_json::{Value, json};

/// Lets guests come to the door.
async fn guests(host: &mut Socket) {
    let request = json!({"type": "set_setting", "key": "sign_in", "value": "guests_may_knock"});
    host.ok(request).await;
}

/// A guest who waits, and the line that the host sees.
async fn knock(server: &Server, host: &mut Socket, room: &Room, name: &str) -> (Socket, Value) {
    let guest = server.guest(&room.id, name).await;
    let mut waiting = server.join(&guest, room).await;
    waiting.next("waiting").await;
    let line = host.event("knocked").await["knock"].clone();
    assert_eq!(line["name"], name);
    (waiting, line)
}

#[tokio::test]
async fn everyone_is_muted_but_those_named_and_the_number_is_told() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut people = Vec::new();
    for number in 0..3 {
        let email = format!("member{number}@example.org");
        let member = server.member(&owner, &email, "Member").await;
        people.push(server.admit(&mut host, &member, &room).await);
    }
    let spared = text(&people[0].1["room"], "you");
    let done = host
        .ok(json!({"type": "mute_all", "except": [spared]}))
        .await;
    assert_eq!(
        (done["type"].as_str(), &done["count"]),
        (Some("counted"), &json!(2))
    );
    for (at, (socket, view)) in people.iter_mut().enumerate() {
        let own = text(&view["room"], "you");
        let publish = json!({"type": "publish", "source": "microphone", "on": true});
        match at {
            0 => assert!(socket.ask(publish).await.get("ok").is_some(), "{own}"),
            _ => assert_eq!(socket.refused(publish).await, "not_allowed"),
        }
        assert_eq!(
            socket.refused(json!({"type": "mute_all"})).await,
            "not_allowed"
        );
    }
    host.ok(json!({"type": "suspend"})).await;
    let told = people[0].0.event("suspended").await;
    assert_eq!(told["suspended"], true);
    let publish = json!({"type": "publish", "source": "microphone", "on": true});
    assert_eq!(people[0].0.refused(publish.clone()).await, "not_allowed");
    host.ok(json!({"type": "lift_suspension"})).await;
    people[0].0.ok(publish).await;
}

#[tokio::test]
async fn w09_everyone_who_waits_is_denied_at_once_and_counted() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    guests(&mut host).await;
    // Three classes of people: signed in, a guest by a link, and a guest of whom nothing is known.
    let mut signed_in = server.join(&member, &room).await;
    signed_in.next("waiting").await;
    let line = host.event("knocked").await["knock"].clone();
    assert_eq!(
        line["identity"],
        json!({"kind": "account", "organisation": "Conclave"})
    );
    let path = format!("/api/rooms/{}/guest-links", room.id);
    let body = json!({"label": "the auditor", "expires_in_hours": 1});
    let made = server
        .get(Method::POST, &path, Some(&owner.token), Some(body))
        .await;
    let link = text(&made, "path");
    let by_link = server
        .guest_with(
            json!({"room": room.id, "name": "Auditor", "link": link.split('#').nth(1).unwrap()}),
        )
        .await;
    let mut by_link = server.join(&by_link, &room).await;
    by_link.next("waiting").await;
    let line = host.event("knocked").await["knock"].clone();
    assert_eq!(
        line["identity"],
        json!({"kind": "guest_link", "label": "the auditor"})
    );
    let (mut unknown, line) = knock(&server, &mut host, &room, "Visitor").await;
    assert_eq!(line["identity"], json!({"kind": "unverified"}));

    let done = host.ok(json!({"type": "deny_all"})).await;
    assert_eq!(done["count"], 3);
    for waiting in [&mut signed_in, &mut by_link, &mut unknown] {
        assert_eq!(waiting.closed().await, "denied");
    }
    assert_eq!(
        host.ok(json!({"type": "lobby", "limit": 10})).await["waiting"],
        0
    );
}

#[tokio::test]
async fn many_are_let_in_each_in_the_version_that_was_seen() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    guests(&mut host).await;
    let (mut first, one) = knock(&server, &mut host, &room, "First").await;
    let (mut second, two) = knock(&server, &mut host, &room, "Second").await;
    let (_third, three) = knock(&server, &mut host, &room, "Third").await;
    let page = host.ok(json!({"type": "lobby", "limit": 2})).await;
    let ids: Vec<_> = page["knocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["knock"].clone())
        .collect();
    assert_eq!(ids, [one["knock"].clone(), two["knock"].clone()]);
    let rest = host
        .ok(json!({"type": "lobby", "limit": 2, "after": two["knock"]}))
        .await;
    assert_eq!(rest["knocks"][0]["knock"], three["knock"]);
    let seen = |line: &Value, version: u32| json!({"knock": line["knock"], "version": version});
    let done = host
        .ok(json!({"type": "admit_many", "knocks": [seen(&one, 1), seen(&two, 1), seen(&three, 9)]}))
        .await;
    assert_eq!(done["count"], 2);
    first.next("admitted").await;
    second.next("admitted").await;
    assert_eq!(
        host.ok(json!({"type": "lobby", "limit": 9})).await["waiting"],
        1
    );
}

#[tokio::test]
async fn w12_whoever_is_sent_back_waits_and_gets_nothing_but_words_of_the_host() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut back, view) = server.admit(&mut host, &member, &room).await;
    let who = text(&view["room"], "you");
    host.ok(json!({"type": "send_back", "participant": who}))
        .await;
    back.next("waiting").await;
    // What was said before the news came is let pass, and comes to nothing.
    back.send(json!({"type": "raise_hand", "raised": true}))
        .await;
    host.ok(json!({"type": "lock", "locked": true})).await;
    host.ok(json!({"type": "lock", "locked": false})).await;
    let line = host.event("knocked").await["knock"].clone();
    let word = json!({"type": "message_waiting", "phrase": "one_moment"});
    host.ok(word).await;
    assert_eq!(
        back.next("message").await,
        json!({"type": "message", "phrase": "one_moment"})
    );
    let hidden = json!({"type": "message_waiting", "text": "Ten\u{202e} minutes"});
    assert_eq!(host.refused(hidden).await, "invalid_value");
    host.ok(json!({"type": "message_waiting", "text": "Ten  minutes"}))
        .await;
    assert_eq!(back.next("message").await["text"], "Ten minutes");
    let both = json!({"type": "message_waiting", "text": "x", "phrase": "one_moment"});
    assert_eq!(host.refused(both).await, "invalid_value");
    // The way back over the old admission is closed.
    let mut thief = server.socket(&member).await;
    thief
        .send(json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": 1}))
        .await;
    assert_eq!(thief.closed().await, "cannot_resume");
    let kept = back.frames.split_off(
        back.frames
            .iter()
            .rposition(|frame| frame.contains("\"waiting\""))
            .unwrap(),
    );
    assert!(
        kept.iter().all(|frame| !frame.contains("event")),
        "{kept:?}"
    );
    let latest = host.ok(json!({"type": "lobby", "limit": 9})).await["knocks"][0].clone();
    assert!(latest["since"].as_i64() >= line["since"].as_i64());
    host.ok(json!({"type": "admit", "knock": latest["knock"], "version": 1}))
        .await;
    back.next("admitted").await;
}

#[tokio::test]
async fn a_room_is_handed_over_for_good() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut next, view) = server.admit(&mut host, &member, &room).await;
    let who = text(&view["room"], "you");
    host.ok(json!({"type": "transfer_ownership", "participant": who}))
        .await;
    let told = next.event("done_to_you").await;
    assert_eq!(
        told["what"],
        json!({"act": "role_changed", "role": "owner"})
    );
    let path = format!("/api/rooms/{}/password", room.id);
    let read = |token: String| {
        let server = &server;
        let path = path.clone();
        async move {
            server
                .call(Method::GET, &path, Some(&token), None)
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(read(member.token.clone()).await, 200);
    assert_eq!(read(owner.token.clone()).await, 404);
    // Nobody demotes the owner, not even who was.
    let you = text(&view["room"], "you");
    let demote = json!({"type": "set_role", "participant": you, "role": "attendee"});
    assert_eq!(host.refused(demote).await, "not_allowed");
}

#[tokio::test]
async fn who_is_barred_stays_out_by_link_and_browser_until_it_is_taken_back() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    guests(&mut host).await;
    let path = format!("/api/rooms/{}/guest-links", room.id);
    let body = json!({"label": "the auditor", "expires_in_hours": 1});
    let made = server
        .get(Method::POST, &path, Some(&owner.token), Some(body))
        .await;
    let link = text(&made, "path");
    let secret = link.split('#').nth(1).unwrap();
    let guest = server
        .guest_with(json!({"room": room.id, "name": "Auditor", "link": secret}))
        .await;
    // The first device has it; another gets nothing for it.
    let stolen = json!({"room": room.id, "name": "Thief", "link": secret});
    let answer = server
        .call(Method::POST, "/api/guest", None, Some(stolen))
        .await;
    assert_eq!(
        (answer.status.as_u16(), text(&answer.body, "code").as_str()),
        (403, "invitation_refused")
    );
    let mut waiting = server.join(&guest, &room).await;
    waiting.next("waiting").await;
    let line = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": line["knock"], "version": 1}))
        .await;
    let inside = waiting.next("admitted").await;
    let who = text(&inside["room"], "you");
    host.ok(json!({"type": "remove", "participant": who, "bar": true}))
        .await;
    assert_eq!(waiting.closed().await, "removed");
    host.ok(json!({"type": "set_setting", "key": "removed_may_return", "value": "yes"}))
        .await;
    assert_eq!(
        server.join(&guest, &room).await.closed().await,
        "cannot_join"
    );
    let bars = host.ok(json!({"type": "bars"})).await["bars"].clone();
    assert_eq!(
        bars[0]["known_by"],
        json!(["guest", "guest_link", "device"])
    );
    host.ok(json!({"type": "unbar", "bar": bars[0]["bar"]}))
        .await;
    let mut again = server.join(&guest, &room).await;
    again.next("waiting").await;
    // A link that is taken back takes its guest along.
    let id = text(&made, "id");
    let revoke = format!("{path}/{id}");
    let answer = server
        .call(Method::DELETE, &revoke, Some(&owner.token), None)
        .await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(again.closed().await, "signed_out");
}

#[tokio::test]
async fn a_link_is_for_one_guest_at_a_time_and_free_again_when_they_are_gone() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    guests(&mut host).await;
    let path = format!("/api/rooms/{}/guest-links", room.id);
    let body = json!({"label": "the auditor", "expires_in_hours": 1});
    let made = server
        .get(Method::POST, &path, Some(&owner.token), Some(body))
        .await;
    let link = text(&made, "path");
    let secret = link.split('#').nth(1).unwrap().to_owned();
    // Programs show the mark of their browser themselves, so that both come from one.
    let mut device = Value::Null;
    let mut people = Vec::new();
    for name in ["Auditor", "Another Auditor"] {
        let mut body = json!({"room": room.id, "name": name, "link": secret});
        if !device.is_null() {
            body["device"] = device.clone();
        }
        let request = server.http.post(server.url("/api/guest")).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        if device.is_null() {
            device = answer.body["device"].clone();
        }
        people.push(Person {
            token: text(&answer.body, "token"),
            id: text(&answer.body["me"], "id"),
            name: name.to_owned(),
        });
    }
    assert_ne!(people[0].id, people[1].id);
    let mut first = server.join(&people[0], &room).await;
    first.next("waiting").await;
    let second = || server.join(&people[1], &room);
    assert_eq!(second().await.closed().await, "already_here");
    let line = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": line["knock"], "version": 1}))
        .await;
    first.next("admitted").await;
    assert_eq!(second().await.closed().await, "already_here");
    first.send(json!({"type": "leave"})).await;
    assert_eq!(first.closed().await, "left");
    second().await.next("waiting").await;
}

#[tokio::test]
async fn m04_requests_about_nobody_fill_no_queue_that_others_wait_in() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let other = server.room(&owner, "Other").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut bystander, _) = server.enter(&owner, &other).await;
    let nobody = |number: usize| format!("{}a", BASE32[number % 32].to_string().repeat(25));
    let nobody: Vec<_> = (0..200).map(nobody).collect();
    for _ in 0..90 {
        host.send(json!({"type": "deny_many", "knocks": nobody}))
            .await;
    }
    for locked in [true, false, true, false, true] {
        bystander
            .ok(json!({"type": "lock", "locked": locked}))
            .await;
    }
}

const BASE32: [char; 32] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's',
    't', 'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
];
