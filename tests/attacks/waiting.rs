//! Attacks on and from the waiting room: who waits gets nothing, can do nothing, and learns nothing.

use std::time::Duration;

use futures_util::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::server::{Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::raw::{self, Raw, Trace};
use crate::trail::Trail;

/// How long a waiting guest is listened to: more than two pings.
const LISTEN: Duration = Duration::from_secs(12);

/// A server, its owner in a room that lets guests knock, and the room.
async fn hosted() -> (Server, Person, Room, Socket) {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (host, _) = server.enter(&owner, &room).await;
    (server, owner, room, host)
}

fn join(room: &Room) -> Value {
    json!({"type": "join", "room": room.id, "password": room.password})
}

/// Everything that an admitted participant or a newcomer can ask for, aimed at real targets.
fn every_request(room: &Room, host: &str, knock: &str) -> Vec<Value> {
    let aimed = |kind: &str| json!({"type": kind, "participant": host});
    vec![
        json!({"type": "offer", "sdp": "v=0\r\n", "sources": [{"mid": "0", "source": "microphone"}]}),
        json!({"type": "view", "looks": [{"participant": host, "source": "camera", "width": 640, "height": 360}]}),
        json!({"type": "ice_servers"}),
        json!({"type": "view", "looks": []}),
        json!({"type": "publish", "source": "microphone", "on": true}),
        json!({"type": "publish", "source": "screen", "on": false}),
        json!({"type": "ask", "source": "microphone"}),
        json!({"type": "raise_hand", "raised": true}),
        json!({"type": "admit", "knock": knock, "version": 1}),
        json!({"type": "deny", "knock": knock}),
        aimed("mute"),
        aimed("pause_video"),
        aimed("stop_share"),
        aimed("remove"),
        json!({"type": "allow", "participant": host, "source": "microphone", "allowed": true}),
        json!({"type": "allow", "participant": host, "source": "microphone", "allowed": false}),
        json!({"type": "set_role", "participant": host, "role": "attendee"}),
        json!({"type": "lock", "locked": true}),
        json!({"type": "lock", "locked": false}),
        json!({"type": "set_setting", "key": "waiting_room", "value": "nobody"}),
        json!({"type": "end"}),
        json!({"type": "stats"}),
        json!({"type": "chat", "text": "hello", "ref": "1"}),
        json!({"type": "chat", "text": "hello", "ref": "1", "to": host}),
        json!({"type": "chat_history", "limit": 100}),
        json!({"type": "chat_search", "words": "hello"}),
        json!({"type": "delete_chat", "number": 1}),
        json!({"type": "join", "room": room.id, "password": room.password}),
        json!({"type": "resume", "room": room.id, "secret": "x", "seen": 0}),
    ]
}

/// Sends every request from a waiting connection of `person`, each of which must end that connection and change nothing.
/// Gives the number of requests.
async fn ask_while_waiting(
    server: &Server,
    host: &mut Socket,
    person: &Person,
    room: &Room,
    host_id: &str,
) -> u64 {
    let mut count = 0;
    for place in 0.. {
        let mut raw = Raw::first(server, &person.token, join(room), &[]).await;
        let knock = text(&host.event("knocked").await["knock"], "knock");
        let Some(request) = every_request(room, host_id, &knock).into_iter().nth(place) else {
            break;
        };
        raw.send(&raw::text(
            &json!({"id": 2, "request": request}).to_string(),
        ))
        .await;
        let trace = raw.capture(Duration::from_secs(5)).await;
        assert_eq!(
            trace.closed(),
            ("bad_message".to_owned(), 4000),
            "{request}"
        );
        assert_eq!(trace.texts().len(), 2, "{request}: {:?}", trace.texts());
        let gone = host.event("knock_gone").await;
        assert_eq!(gone["knock"], knock, "{request}");
        count += 1;
    }
    // The last connection asked for nothing and has been dropped.
    host.event("knock_gone").await;
    count
}

#[tokio::test]
async fn w01_w02_w03_a_waiting_person_can_ask_for_nothing() {
    let (server, owner, room, mut host) = hosted().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let guest = server.guest(&room.id, "Visitor").await;
    let host_id = text(
        &view(&server, &mut host, &owner, &room).await["room"],
        "you",
    );
    let asked = ask_while_waiting(&server, &mut host, &guest, &room, &host_id).await;
    assert_eq!(
        asked,
        ask_while_waiting(&server, &mut host, &member, &room, &host_id).await
    );
    // How many wait is told in steps; nothing else changed.
    let pause = Duration::from_millis(300);
    while let Ok(said) = tokio::time::timeout(pause, host.text_frame()).await {
        let said = said.expect("the host was sent away");
        assert_eq!(said["event"]["type"], "lobby_count", "{said}");
    }
    let view = view(&server, &mut host, &owner, &room).await;
    assert_eq!(view["room"]["participants"].as_array().unwrap().len(), 1);
    assert_eq!(view["room"]["knocks"], json!([]));

    let trail = Trail::of(server).await;
    for person in [&guest, &member] {
        assert_eq!(
            trail.denials(&person.id),
            asked,
            "a denial for each request"
        );
    }
    println!(
        "figure w01.requests_refused_while_waiting {} requests",
        asked * 2
    );
}

/// What the room looks like now: the host comes back with a number so old that the whole room is shown anew.
async fn view(server: &Server, host: &mut Socket, owner: &Person, room: &Room) -> Value {
    host.send(json!({"type": "leave"})).await;
    assert_eq!(host.closed().await, "left");
    let (fresh, view) = server.enter(owner, room).await;
    *host = fresh;
    view
}

#[tokio::test]
async fn w02_http_tells_a_waiting_person_nothing_about_the_room() {
    let (server, owner, room, mut host) = hosted().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let guest = server.guest(&room.id, "Visitor").await;
    let nowhere = "a".repeat(26);
    for person in [&guest, &member] {
        let mut waiting = server.join(person, &room).await;
        waiting.next("waiting").await;
        host.event("knocked").await;
        for (method, path) in [
            (Method::GET, ""),
            (Method::GET, "/password"),
            (Method::GET, "/settings"),
            (Method::POST, "/password"),
            (Method::PATCH, "/settings"),
            (Method::DELETE, ""),
            (Method::GET, "/participants"),
            (Method::GET, "/knocks"),
        ] {
            let body = match (&method, path) {
                (&Method::POST, _) => Some(json!({})),
                (&Method::PATCH, _) => Some(json!({"key": "waiting_room", "value": "nobody"})),
                _ => None,
            };
            let ask = |id: &str| {
                let path = format!("/api/rooms/{id}{path}");
                let (server, method, body) = (&server, method.clone(), body.clone());
                async move { server.call(method, &path, Some(&person.token), body).await }
            };
            let (here, there) = (ask(&room.id).await, ask(&nowhere).await);
            assert!(
                here.status.is_client_error(),
                "{method} {path}: {}",
                here.status
            );
            assert_eq!(
                (here.status, &here.bytes),
                (there.status, &there.bytes),
                "{method} {path}"
            );
            assert_eq!(
                here.headers.get("content-type"),
                there.headers.get("content-type")
            );
        }
        let list = server
            .call(Method::GET, "/api/rooms", Some(&person.token), None)
            .await;
        let text = String::from_utf8_lossy(&list.bytes);
        assert!(
            !text.contains(&room.id) && !text.contains("Board"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn w04_public_ids_are_no_credentials() {
    let (server, owner, room, mut host) = hosted().await;
    let (alpha, gamma) = (
        server.guest(&room.id, "Alpha").await,
        server.guest(&room.id, "Gamma").await,
    );
    let mut waiting = server.join(&alpha, &room).await;
    waiting.next("waiting").await;
    let knock = host.event("knocked").await["knock"].clone();
    let host_id = text(
        &view(&server, &mut host, &owner, &room).await["room"],
        "you",
    );

    let nobody = server.call(Method::GET, "/api/me", Some("x"), None).await;
    assert_eq!(nobody.status, 401);
    for public in [
        text(&knock, "knock"),
        host_id,
        alpha.id.clone(),
        owner.id.clone(),
        room.id.clone(),
    ] {
        let answer = server
            .call(Method::GET, "/api/me", Some(&public), None)
            .await;
        assert_eq!(
            (answer.status, &answer.bytes),
            (nobody.status, &nobody.bytes)
        );
        assert!(
            refused(&server, Some(&public), &[])
                .await
                .starts_with("HTTP/1.1 401 "),
            "{public}"
        );
        let cookie = format!("__Host-conclave={public}");
        let origin = server.origin();
        let head = refused(&server, None, &[("Cookie", &cookie), ("Origin", &origin)]).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{public}: {head}");
        // With a session of one's own it is not the other's resume secret either.
        let request = json!({"type": "resume", "room": room.id, "secret": public, "seen": 0});
        let mut thief = server.socket(&gamma).await;
        thief.send(request).await;
        assert_eq!(thief.closed().await, "cannot_resume");
    }
    // The one whose id it was still waits, and is let in.
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    waiting.next("admitted").await;
}

/// The head of the answer to an upgrade.
async fn refused(server: &Server, token: Option<&str>, more: &[(&str, &str)]) -> String {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut fields: Vec<(&str, &str)> = vec![("Sec-WebSocket-Protocol", "conclave.v1")];
    fields.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    fields.extend(more);
    Raw::dial(server).await.upgrade(&fields).await
}

#[tokio::test]
async fn w07_an_admission_holds_no_secret_and_nobody_elses_data() {
    let (server, owner, room, mut host) = hosted().await;
    let (alpha, gamma, delta) = (
        server.guest(&room.id, "Alpha Admitted").await,
        server.guest(&room.id, "Gamma Elsewhere").await,
        server.guest(&room.id, "Delta Zeroth").await,
    );
    // Someone was here and is quiet, someone waits, someone was turned away: none of the three is Alpha's business.
    let (_quiet, quiet) = server.admit(&mut host, &delta, &room).await;
    let mut waiting = server.join(&gamma, &room).await;
    waiting.next("waiting").await;
    let knock = text(&host.event("knocked").await["knock"], "knock");
    let (mut inside, admitted) = server.admit(&mut host, &alpha, &room).await;
    inside
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
    host.ok(json!({"type": "lock", "locked": true})).await;
    host.ok(json!({"type": "deny", "knock": knock})).await;
    inside.event("locked").await;
    inside.silent(Duration::from_millis(300)).await;

    let said = inside.frames.join("\n");
    let secrets = [
        room.password.as_str(),
        &owner.token,
        &alpha.token,
        &gamma.token,
        &quiet["resume"].to_string(),
    ];
    let others = [
        &knock,
        &gamma.id,
        &gamma.name,
        &delta.id,
        &delta.name,
        quiet["room"]["you"].as_str().unwrap(),
        &owner.id,
    ];
    for hidden in secrets.into_iter().chain(others) {
        assert!(!said.contains(hidden), "`{hidden}` in {said}");
    }
    assert!(!said.contains("owner@example.org"));
    for key in ["knocks", "count", "password"] {
        assert!(admitted["room"].get(key).is_none(), "{key}");
    }
    let names = keys(&admitted["room"]);
    assert_eq!(
        names,
        [
            "caption_choice",
            "captions",
            "kind",
            "locked",
            "may_chat",
            "participants",
            "pending_profiles",
            "room",
            "settings",
            "spotlight",
            "suspended",
            "title",
            "you"
        ]
    );
    assert_eq!(keys(&admitted), ["resume", "room", "seq", "type"]);
    for line in admitted["room"]["participants"].as_array().unwrap() {
        let known = [
            "connected",
            "hand",
            "name",
            "participant",
            "picture",
            "role",
            "signed_in",
            "sources",
        ];
        assert_eq!(keys(line), known);
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// One waiting person, listened to for a while.
async fn listen(server: &Server, person: &Person, room: &Room) -> (Trace, u64) {
    let mut raw = Raw::socket(server, &person.token).await;
    let before = raw.sealed();
    raw.send(&raw::text(
        &json!({"id": 1, "request": join(room)}).to_string(),
    ))
    .await;
    let trace = raw.capture(LISTEN).await;
    (trace, raw.sealed() - before)
}

/// All that can happen in a room, again and again.
async fn bustle(
    server: &Server,
    owner: &Person,
    room: &Room,
    host: &mut Socket,
    members: &[Person],
) -> u64 {
    let end = raw::now() + LISTEN;
    let mut done = 0;
    while raw::now() < end {
        for member in members {
            let (mut inside, view) = server.admit(host, member, room).await;
            let me = view["room"]["you"].clone();
            inside
                .ok(json!({"type": "raise_hand", "raised": true}))
                .await;
            inside
                .ok(json!({"type": "publish", "source": "microphone", "on": true}))
                .await;
            inside.ok(json!({"type": "ask", "source": "screen"})).await;
            let reference = format!("{me}");
            let number = host
                .ok(json!({"type": "chat", "text": "hello", "ref": reference}))
                .await["number"]
                .clone();
            host.ok(json!({"type": "delete_chat", "number": number}))
                .await;
            for kind in ["mute", "pause_video", "stop_share"] {
                host.ok(json!({"type": kind, "participant": me})).await;
            }
            host.ok(json!({"type": "allow", "participant": me, "source": "microphone", "allowed": true})).await;
            for role in ["presenter", "host", "attendee"] {
                host.ok(json!({"type": "set_role", "participant": me, "role": role}))
                    .await;
            }
            for locked in [true, false] {
                host.ok(json!({"type": "lock", "locked": locked})).await;
            }
            for (key, value, back) in [
                ("waiting_room", "guests_only", "everyone"),
                ("guest_roster", "everyone", "hosts_and_speakers"),
                ("participant_count", "everyone", "hosts_only"),
                (
                    "microphone",
                    "everyone_speaks",
                    "attendees_speak_guests_ask",
                ),
                ("sign_in", "required", "guests_may_knock"),
            ] {
                for value in [value, back] {
                    host.ok(json!({"type": "set_setting", "key": key, "value": value}))
                        .await;
                }
            }
            let path = format!("/api/rooms/{}/settings", room.id);
            for value in ["thirty_minutes", "ten_minutes"] {
                let body = json!({"key": "lock_after_start", "value": value});
                server
                    .get(Method::PATCH, &path, Some(&owner.token), Some(body))
                    .await;
            }
            // Others knock: one is turned away, one gives up.
            drop(inside);
            host.ok(json!({"type": "remove", "participant": me})).await;
            host.ok(json!({"type": "set_setting", "key": "removed_may_return", "value": "yes"}))
                .await;
            let mut again = server.join(member, room).await;
            again.next("waiting").await;
            let knock = host.event("knocked").await["knock"]["knock"].clone();
            host.ok(json!({"type": "deny", "knock": knock})).await;
            drop(server.join(member, room).await);
            host.event("knocked").await;
            host.event("knock_gone").await;
            done += 1;
            if raw::now() >= end {
                break;
            }
            // A moderator's pace, not a flood: the gateway would cut that off.
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }
    done
}

#[tokio::test]
async fn w02_a_waiting_persons_bytes_do_not_depend_on_the_room() {
    // The busy room is busier than one person's pace allows.
    let server = Server::start_set(&[
        ("CONCLAVE_LIMITS__MESSAGES_PER_SECOND", "1000"),
        ("CONCLAVE_LIMITS__MESSAGES_BURST", "10000"),
    ])
    .await;
    let owner = server.owner().await;
    let members = [
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "beta@example.org", "Beta").await,
    ];
    let witness = server.member(&owner, "gamma@example.org", "Gamma").await;
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let room = server.room(&owner, "Board").await;
        server
            .set(&owner, &room, "sign_in", "guests_may_knock")
            .await;
        rooms.push(room);
    }
    let [empty, hosted, busy] = &rooms[..] else {
        unreachable!()
    };
    let (_still, _) = server.enter(&owner, hosted).await;
    let (mut host, _) = server.enter(&owner, busy).await;

    let mut guests = Vec::new();
    for room in &rooms {
        guests.push(server.guest(&room.id, "Visitor").await);
    }
    // All at the same moment, so that whatever the machine does, it does to all.
    let (in_empty, in_hosted, in_busy, member_in_empty, member_in_busy, done) = tokio::join!(
        listen(&server, &guests[0], empty),
        listen(&server, &guests[1], hosted),
        listen(&server, &guests[2], busy),
        listen(&server, &witness, empty),
        listen(&server, &witness, busy),
        async {
            // The two who listen knock first.
            host.event("knocked").await;
            host.event("knocked").await;
            bustle(&server, &owner, busy, &mut host, &members).await
        },
    );
    assert!(done >= 3, "the busy room was not busy: {done}");
    let quiet = &in_empty;
    assert_eq!(quiet.0.texts(), [r#"{"type":"waiting"}"#]);
    assert!(
        quiet
            .0
            .frames
            .iter()
            .filter(|(_, frame)| frame.is_ping())
            .count()
            >= 2
    );
    for (which, heard) in [
        ("with a host", &in_hosted),
        ("busy", &in_busy),
        ("empty, signed in", &member_in_empty),
        ("busy, signed in", &member_in_busy),
    ] {
        assert!(!heard.0.ended, "{which}");
        assert_eq!(heard.0.bytes, quiet.0.bytes, "{which}");
        assert_eq!(heard.1, quiet.1, "sealed bytes: {which}");
        let late = heard.0.frames.iter().zip(&quiet.0.frames);
        let late = late
            .map(|((here, _), (there, _))| here.abs_diff(*there))
            .max()
            .unwrap();
        println!(
            "figure w02.waiting_frame_time_difference.{} {} ms",
            which.replace([' ', ','], "_"),
            late.as_millis()
        );
    }
    println!("figure w02.waiting_bytes {} bytes", quiet.0.bytes.len());
    println!("figure w02.waiting_bytes_sealed {} bytes", quiet.1);
    println!("figure w02.rounds_in_the_busy_room {done} rounds");
}

/// The answers to one way of being refused, and when they came.
struct Refusals {
    which: &'static str,
    bytes: Vec<Vec<u8>>,
    times: Vec<Duration>,
}

async fn refusals(
    which: &'static str,
    server: &Server,
    person: &Person,
    request: Value,
    more: &[u8],
) -> Refusals {
    let mut all = Refusals {
        which,
        bytes: Vec::new(),
        times: Vec::new(),
    };
    for _ in 0..5 {
        let mut raw = Raw::first(server, &person.token, request.clone(), more).await;
        let trace = raw.capture(Duration::from_secs(5)).await;
        assert!(trace.ended, "{which}");
        all.times.push(trace.told());
        all.bytes.push(trace.bytes);
    }
    all.times.sort_unstable();
    all
}

#[tokio::test]
async fn t09_a_refusal_is_the_same_whether_or_not_there_is_such_a_room() {
    let (server, owner, room, mut host) = hosted().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let barred = server.member(&owner, "beta@example.org", "Beta").await;
    let closed = server.room(&owner, "Closed").await;
    let never_open = server.room(&owner, "Never opened").await;
    let (guest, stranger) = (
        server.guest(&closed.id, "Visitor").await,
        server.guest(&room.id, "Gamma").await,
    );
    let (inside, view) = server.admit(&mut host, &barred, &room).await;
    host.ok(json!({"type": "remove", "participant": view["room"]["you"]}))
        .await;
    drop(inside);

    let nowhere = "a".repeat(26);
    let ask = |room: &str, password: Option<&str>| match password {
        Some(password) => json!({"type": "join", "room": room, "password": password}),
        None => json!({"type": "join", "room": room}),
    };
    let resume = |room: &str| json!({"type": "resume", "room": room, "secret": "x", "seen": 0});
    // What follows the request in the same packet must not be answered in one case and left in the other.
    let mut more = raw::ping(b"are you there");
    more.extend(raw::text("rubbish"));
    let joins = async {
        let cases = [
            ("no such room", &member, ask(&nowhere, Some("x")), &[][..]),
            (
                "no such room, more sent",
                &member,
                ask(&nowhere, Some("x")),
                &more,
            ),
            (
                "no such room, no password",
                &member,
                ask(&nowhere, None),
                &[],
            ),
            ("wrong password", &member, ask(&room.id, Some("x")), &[]),
            ("no password", &member, ask(&room.id, None), &[]),
            (
                "no password, more sent",
                &member,
                ask(&room.id, None),
                &more,
            ),
            ("not running", &member, ask(&never_open.id, None), &[]),
            (
                "guests not allowed",
                &guest,
                ask(&closed.id, Some(&closed.password)),
                &[],
            ),
            (
                "guest elsewhere",
                &stranger,
                ask(&closed.id, Some(&closed.password)),
                &[],
            ),
            (
                "guest elsewhere, more sent",
                &stranger,
                ask(&closed.id, Some(&closed.password)),
                &more,
            ),
            ("removed", &barred, ask(&room.id, Some(&room.password)), &[]),
        ];
        let all = cases.map(|(which, person, request, more)| {
            refusals(which, &server, person, request, more).boxed_local()
        });
        futures_util::future::join_all(all).await
    };
    let resumes = async {
        let cases = [
            ("resume, no such room", &member, resume(&nowhere), &[][..]),
            (
                "resume, no such room, more sent",
                &member,
                resume(&nowhere),
                &more,
            ),
            ("resume, wrong secret", &member, resume(&room.id), &[]),
            (
                "resume, wrong secret, more sent",
                &member,
                resume(&room.id),
                &more,
            ),
            ("resume, not running", &member, resume(&never_open.id), &[]),
            ("resume, removed", &barred, resume(&room.id), &[]),
            (
                "resume, guest elsewhere",
                &stranger,
                resume(&closed.id),
                &[],
            ),
        ];
        let all = cases.map(|(which, person, request, more)| {
            refusals(which, &server, person, request, more).boxed_local()
        });
        futures_util::future::join_all(all).await
    };
    let (joins, resumes) = tokio::join!(joins, resumes);
    for group in [joins, resumes] {
        let [first, ..] = &group[..] else {
            unreachable!()
        };
        for refusals in &group {
            for bytes in &refusals.bytes {
                assert_eq!(
                    bytes,
                    &first.bytes[0],
                    "{}: {}",
                    refusals.which,
                    String::from_utf8_lossy(bytes)
                );
            }
            let (least, middle) = (refusals.times[0], refusals.times[refusals.times.len() / 2]);
            let name = refusals.which.replace(", ", ".").replace(' ', "_");
            println!("figure t09.refusal.{name} {} ms", middle.as_millis());
            assert!(
                least >= Duration::from_millis(295),
                "{}: told after {least:?}",
                refusals.which
            );
        }
    }
}

#[tokio::test]
async fn t09_http_answers_alike_for_a_room_of_others_and_for_none() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let nowhere = "e".repeat(26);
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::GET, "/password", None),
        (Method::POST, "/password", Some(json!({}))),
        (Method::GET, "/settings", None),
        (
            Method::PATCH,
            "/settings",
            Some(json!({"key": "waiting_room", "value": "nobody"})),
        ),
        (Method::DELETE, "", None),
    ] {
        let mut answers = Vec::new();
        for id in [&room.id, &nowhere] {
            let path = format!("/api/rooms/{id}{path}");
            let answer = server
                .call(method.clone(), &path, Some(&member.token), body.clone())
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (404, "not_found"),
                "{method} {path}"
            );
            let mut headers: Vec<_> = answer
                .headers
                .iter()
                .filter(|(name, _)| *name != "date")
                .collect();
            headers.sort_by_key(|(name, _)| name.as_str());
            answers.push((format!("{headers:?}"), answer.bytes));
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
    }
    // A guest session says nothing about the room either.
    let answers = [&room.id, &nowhere].map(|id| json!({"room": id, "name": "Visitor"}));
    let mut shapes = Vec::new();
    for body in answers {
        let answer = server
            .call(Method::POST, "/api/guest", None, Some(body))
            .await;
        assert!(answer.status.is_success());
        shapes.push((
            answer.status,
            answer.bytes.len(),
            keys(&answer.body["me"]).join(" "),
        ));
    }
    assert_eq!(shapes[0], shapes[1]);
}
