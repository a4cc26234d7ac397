//! Attacks on those who keep the door: floods and returns of people who were turned away, hosts who drop out, and hosts
//! who turn against each other.

use std::time::Duration;

use futures_util::FutureExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::server::{Answer, Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::raw;
use crate::trail::Trail;

/// Addresses are those that a trusted proxy names.
pub(crate) const BEHIND_PROXY: (&str, &str) = ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.1/32\"]");

/// The sizes of the flood at the door, and the variable that sets another.
const FLOOD: usize = 600;
const FLOOD_SIZE: &str = "STORY_LOBBY_FLOOD";

async fn hosted(variables: &[(&str, &str)]) -> (Server, Person, Room, Socket, Value) {
    let server = Server::start_set(variables).await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (host, view) = server.enter(&owner, &room).await;
    (server, owner, room, host, view)
}

/// Someone without any cookie, from an address; nothing when the server does not take them now.
pub(crate) async fn stranger(
    server: &Server,
    room: &Room,
    name: &str,
    from: &str,
) -> Option<Person> {
    let request = server
        .http
        .post(server.url("/api/guest"))
        .header("x-forwarded-for", from)
        .json(&json!({"room": room.id, "name": name}));
    let answer = Answer::of(request.send().await.unwrap()).await;
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        assert!(answer.headers.contains_key("retry-after"));
        return None;
    }
    assert!(answer.status.is_success(), "{}", answer.body);
    Some(Person {
        token: text(&answer.body, "token"),
        id: text(&answer.body["me"], "id"),
        name: name.to_owned(),
    })
}

pub(crate) async fn knock_from(
    server: &Server,
    room: &Room,
    person: &Person,
    from: &str,
) -> Socket {
    let headers = [("x-forwarded-for", from)];
    let mut socket = Socket::open(server, Some(&person.token), Some(&headers))
        .await
        .unwrap();
    socket
        .send(json!({"type": "join", "room": room.id, "password": room.password}))
        .await;
    socket
}

async fn lobby(host: &mut Socket) -> Value {
    host.ok(json!({"type": "lobby", "limit": 200})).await
}

#[tokio::test]
async fn w06_a_host_who_drops_out_comes_back_to_the_same_door() {
    let (server, owner, room, mut host, view) = hosted(&[]).await;
    host.ok(json!({"type": "set_setting", "key": "guest_roster", "value": "everyone"}))
        .await;
    let mut guests = Vec::new();
    for name in ["Alpha", "Beta", "Gamma"] {
        guests.push(server.guest(&room.id, name).await);
    }
    // Gamma was turned away once already.
    let mut turned_away = server.join(&guests[2], &room).await;
    let knock = text(&host.event("knocked").await["knock"], "knock");
    host.ok(json!({"type": "deny", "knock": knock})).await;
    assert_eq!(turned_away.closed().await, "denied");
    let mut waiting = Vec::new();
    for guest in &guests {
        let mut socket = server.join(guest, &room).await;
        socket.next("waiting").await;
        waiting.push(socket);
    }
    let before = lobby(&mut host).await;
    assert_eq!(before["waiting"], 3);
    assert_eq!(before["knocks"][2]["denied_before"], 1);
    let settings = |view: &Value| view["room"]["settings"].clone();

    // Lost, and back in the same tab.
    host.vanish();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut host = server.socket(&owner).await;
    host.send(json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": 0}))
        .await;
    let back = host.next("admitted").await;
    assert_eq!(back["room"]["knocks"], before["knocks"]);
    assert_eq!(lobby(&mut host).await, before);
    let kept = settings(&back);
    let roster = kept
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["key"] == "guest_roster");
    assert_eq!(roster.unwrap()["value"], "everyone");

    // Gone for good, so that the room locks and nobody is host; the owner gets in again all the same.
    host.send(json!({"type": "leave"})).await;
    assert_eq!(host.closed().await, "left");
    let member = server.member(&owner, "member@example.org", "Member").await;
    let mut late = server.join(&member, &room).await;
    late.next("waiting").await;
    let (mut host, again) = server.enter(&owner, &room).await;
    assert_eq!(again["room"]["locked"], true);
    assert_eq!(settings(&again), kept);
    let now = lobby(&mut host).await;
    let knocks = now["knocks"].as_array().unwrap();
    assert_eq!(knocks[..3], before["knocks"].as_array().unwrap()[..]);
    assert_eq!(
        (knocks.len(), &knocks[3]["while_locked"]),
        (4, &json!(true))
    );
    // Who waited heard nothing of all this, and is still there to be let in.
    for socket in &mut waiting {
        assert!(socket.silent(Duration::from_millis(50)).await);
    }
    let first = &knocks[0];
    host.ok(json!({"type": "admit", "knock": first["knock"], "version": first["version"]}))
        .await;
    waiting[0].next("admitted").await;
}

#[tokio::test]
async fn w08_whoever_is_turned_away_and_comes_again_is_slowed_down_and_held_apart() {
    let (server, _owner, room, mut host, _) = hosted(&[BEHIND_PROXY]).await;
    let (mut throttled, mut suspected, mut knocks) = (0, 0, 0);
    // A hundred times, each with another name, no cookie, and another address of the same network.
    for attempt in 0..100 {
        let from = format!("198.51.100.{}", attempt + 1);
        let name = format!("Visitor {attempt}");
        let Some(guest) = stranger(&server, &room, &name, &from).await else {
            throttled += 1;
            continue;
        };
        let mut socket = knock_from(&server, &room, &guest, &from).await;
        socket.next("waiting").await;
        let line = lobby(&mut host).await["knocks"][0].clone();
        assert_eq!(line["name"], name);
        assert_eq!(line["denied_before"], knocks.min(100), "{line}");
        assert_eq!(line["suspected"], knocks >= 2, "{line}");
        suspected += u32::from(line["suspected"] == true);
        host.ok(json!({"type": "deny", "knock": line["knock"]}))
            .await;
        assert_eq!(socket.closed().await, "denied");
        knocks += 1;
    }
    assert!(throttled >= 50, "{throttled}");
    assert_eq!(suspected, knocks - 2);
    // Somebody from elsewhere is not taken for them, and the one host's view says so.
    let other = "203.0.113.9";
    let guest = stranger(&server, &room, "Somebody Else", other)
        .await
        .unwrap();
    let mut socket = knock_from(&server, &room, &guest, other).await;
    socket.next("waiting").await;
    let page = lobby(&mut host).await;
    assert_eq!(
        (&page["waiting"], &page["suspected"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(page["knocks"][0]["suspected"], false);
    println!("figure w08.throttled {throttled} of 100 attempts");
    println!("figure w08.suspected {suspected} knocks");
}

#[tokio::test]
async fn w08_an_account_that_was_turned_away_twice_is_held_apart_by_whatever_name_and_address() {
    let (server, owner, room, mut host, _) = hosted(&[BEHIND_PROXY]).await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    for attempt in 0..5 {
        let session = server.sign_in("member@example.org").await;
        assert_eq!(session.id, member.id);
        let from = format!("203.0.{attempt}.1");
        let mut socket = knock_from(&server, &room, &session, &from).await;
        socket.next("waiting").await;
        let line = lobby(&mut host).await["knocks"][0].clone();
        assert_eq!(
            (&line["suspected"], &line["denied_before"]),
            (&json!(attempt >= 2), &json!(attempt))
        );
        host.ok(json!({"type": "deny_all"})).await;
        assert_eq!(socket.closed().await, "denied");
    }
}

/// Resident memory of a process, in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn w13_a_flood_at_the_door_leaves_the_host_a_usable_view_and_the_server_its_memory() {
    let size = std::env::var(FLOOD_SIZE).map_or(FLOOD, |size| size.parse().unwrap());
    let (server, _owner, room, mut host, _) = hosted(&[
        BEHIND_PROXY,
        ("CONCLAVE_LIMITS__CONNECTIONS", "20000"),
        ("CONCLAVE_LIMITS__CONNECTIONS_PER_ADDRESS", "20000"),
    ])
    .await;
    let before = memory(server.pid());
    let mut waiting = Vec::new();
    for number in 0..size {
        // From everywhere, so that no limit of a network helps.
        let from = format!(
            "{}.{}.{}.1",
            10 + number / 65_536,
            number / 256 % 256,
            number % 256
        );
        let name = format!("Visitor {number}");
        let guest = stranger(&server, &room, &name, &from).await.unwrap();
        let mut socket = knock_from(&server, &room, &guest, &from).await;
        socket.next("waiting").await;
        // Pings are answered while somebody listens, and by nobody else.
        waiting.push(tokio::spawn(async move {
            while socket.silent(Duration::from_secs(5)).await {}
            socket.frames.pop()
        }));
        if number % 100 == 0 {
            lobby(&mut host).await;
        }
    }
    let each = (memory(server.pid()) - before) / size as u64;
    assert!(each < 160, "{each} KiB for each who waits");
    // The host was told of so many, and then only how many there are.
    host.next("anything else").now_or_never();
    let told = host
        .frames
        .iter()
        .filter(|frame| frame.contains(r#""type":"knocked""#))
        .count();
    assert!(told <= 200, "{told}");
    // All of them are there, page by page, each once, and every page at once.
    let (mut seen, mut after, mut slowest) = (Vec::new(), Value::Null, Duration::ZERO);
    loop {
        let mut request = json!({"type": "lobby", "limit": 200});
        if !after.is_null() {
            request["after"] = after.clone();
        }
        let asked = raw::now();
        let page = host.ok(request).await;
        slowest = slowest.max(asked.elapsed());
        assert_eq!(page["waiting"], size);
        let knocks = page["knocks"].as_array().unwrap();
        let Some(last) = knocks.last() else { break };
        assert!(knocks.len() <= 200);
        after = last["knock"].clone();
        seen.extend(knocks.iter().map(|line| text(line, "name")));
    }
    let expected: Vec<String> = (0..size)
        .map(|number| format!("Visitor {number}"))
        .collect();
    assert_eq!(seen, expected);
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    // More than a page is refused or cut, never given.
    let page = host.ask(json!({"type": "lobby", "limit": 60_000})).await;
    assert!(
        page["ok"]["knocks"]
            .as_array()
            .is_none_or(|knocks| knocks.len() <= 200)
    );
    let done = host.ok(json!({"type": "deny_all"})).await;
    assert_eq!(done["count"], size);
    for last in waiting {
        let last = last.await.unwrap().unwrap();
        assert!(last.contains(r#""code":"denied""#), "{last}");
    }
    assert_eq!(lobby(&mut host).await["waiting"], 0);
    println!("figure w13.waiting {size} guests");
    println!("figure w13.memory_each {each} KiB");
    println!("figure w13.slowest_page {} ms", slowest.as_millis());
}

#[tokio::test]
async fn h12_no_host_rises_above_the_owner_and_nobody_is_promoted_by_leaving() {
    let (server, owner, room, mut host, view) = hosted(&[]).await;
    let owner_id = text(&view["room"], "you");
    let (second, third) = (
        server.member(&owner, "second@example.org", "Second").await,
        server.member(&owner, "third@example.org", "Third").await,
    );
    let attendee = server.member(&owner, "fourth@example.org", "Fourth").await;
    let (mut second_socket, view) = server.admit(&mut host, &second, &room).await;
    let second_id = text(&view["room"], "you");
    let (mut third_socket, view) = server.admit(&mut host, &third, &room).await;
    let third_id = text(&view["room"], "you");
    let (mut fourth_socket, view) = server.admit(&mut host, &attendee, &room).await;
    let fourth_id = text(&view["room"], "you");
    for id in [&second_id, &third_id] {
        host.ok(json!({"type": "set_role", "participant": id, "role": "host"}))
            .await;
    }
    // A host against the owner, the other host, and for themselves or somebody else.
    let mut refused = 0;
    for target in [&owner_id, &third_id, &second_id] {
        for request in [
            json!({"type": "set_role", "participant": target, "role": "attendee"}),
            json!({"type": "set_role", "participant": target, "role": "presenter"}),
            json!({"type": "set_role", "participant": target, "role": "host"}),
            json!({"type": "remove", "participant": target}),
            json!({"type": "remove", "participant": target, "bar": true}),
            json!({"type": "send_back", "participant": target}),
            json!({"type": "mute", "participant": target}),
            json!({"type": "transfer_ownership", "participant": target}),
        ] {
            assert_eq!(
                second_socket.refused(request.clone()).await,
                "not_allowed",
                "{request}"
            );
            refused += 1;
        }
    }
    for (role, target) in [("host", &fourth_id), ("host", &third_id)] {
        let promote = json!({"type": "set_role", "participant": target, "role": role});
        assert_eq!(second_socket.refused(promote).await, "not_allowed");
        refused += 1;
    }
    for role in ["owner", "guest", "captioner"] {
        let promote = json!({"type": "set_role", "participant": fourth_id, "role": role});
        let code = second_socket.refused(promote).await;
        assert!(
            ["invalid_value", "not_allowed"].contains(&code.as_str()),
            "{role}: {code}"
        );
    }
    // Both at once, each against the other and the owner: nobody falls.
    for _ in 0..10 {
        let one = json!({"type": "remove", "participant": third_id});
        let other = json!({"type": "remove", "participant": second_id});
        let (one, other) = tokio::join!(second_socket.refused(one), third_socket.refused(other));
        assert_eq!(
            (one.as_str(), other.as_str()),
            ("not_allowed", "not_allowed")
        );
    }
    // The owner goes, then the hosts: with the last of them the room locks, and the one who is left is what they were.
    host.send(json!({"type": "leave"})).await;
    assert_eq!(host.closed().await, "left");
    second_socket.send(json!({"type": "leave"})).await;
    assert_eq!(second_socket.closed().await, "left");
    let told = |socket: &Socket, what: &str| {
        socket
            .frames
            .iter()
            .filter(|frame| frame.contains(what))
            .count()
    };
    fourth_socket
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
    assert_eq!(
        told(&fourth_socket, r#""type":"locked""#),
        0,
        "a host is still there"
    );
    third_socket.send(json!({"type": "leave"})).await;
    assert_eq!(third_socket.closed().await, "left");
    let locked = fourth_socket.event("locked").await;
    assert_eq!((&locked["locked"], locked.get("by")), (&json!(true), None));
    for request in [
        json!({"type": "lock", "locked": false}),
        json!({"type": "end"}),
        json!({"type": "lobby", "limit": 10}),
        json!({"type": "set_role", "participant": fourth_id, "role": "host"}),
        json!({"type": "transfer_ownership", "participant": fourth_id}),
        json!({"type": "set_setting", "key": "last_host_leaves", "value": "stay_open"}),
    ] {
        assert_eq!(
            fourth_socket.refused(request.clone()).await,
            "not_allowed",
            "{request}"
        );
    }
    assert_eq!(told(&fourth_socket, r#""act":"role_changed""#), 0);
    // Whoever comes now waits; a host who comes back is a host, and finds it locked.
    let guest = server.guest(&room.id, "Visitor").await;
    let mut waiting = server.join(&guest, &room).await;
    waiting.next("waiting").await;
    let (_third, view) = server.enter(&third, &room).await;
    assert_eq!(view["room"]["locked"], true);
    let lines = view["room"]["participants"].as_array().unwrap().clone();
    let line = |id: &Value| {
        lines
            .iter()
            .find(|line| &line["participant"] == id)
            .unwrap()
    };
    assert_eq!(line(&json!(fourth_id))["role"], "attendee");
    assert_eq!(line(&view["room"]["you"])["role"], "host");
    let trail = Trail::of(server).await;
    assert!(
        trail.denials(&second.id) >= refused,
        "{}",
        trail.denials(&second.id)
    );
    println!("figure h12.refused {refused} commands");
}
