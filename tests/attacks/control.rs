//! Attacks on the host's controls: commands of those who may not give them, against whom they may not be given, from
//! elsewhere, malformed, or a moment too late.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::server::{Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::trail::Trail;

const QUIET: Duration = Duration::from_millis(300);

/// One who is in a room.
struct Seated {
    person: Person,
    socket: Socket,
    id: String,
}

async fn seat(server: &Server, host: &mut Socket, person: &Person, room: &Room) -> Seated {
    let (socket, view) = server.admit(host, person, room).await;
    Seated {
        person: person.clone(),
        socket,
        id: text(&view["room"], "you"),
    }
}

/// Every command of a moderator against a participant, and the name of the action behind it.
fn commands(target: &str) -> Vec<(Value, &'static str)> {
    let aimed = |kind: &str| json!({"type": kind, "participant": target});
    let allow = |source: &str, allowed: bool| json!({"type": "allow", "participant": target, "source": source, "allowed": allowed});
    let role = |role: &str| json!({"type": "set_role", "participant": target, "role": role});
    vec![
        (aimed("mute"), "mute"),
        (aimed("pause_video"), "pause_video"),
        (aimed("stop_share"), "stop_share"),
        (aimed("remove"), "remove"),
        (allow("microphone", true), "grant"),
        (allow("screen", true), "grant"),
        (allow("camera", false), "withdraw"),
        (role("host"), "set_role"),
        (role("presenter"), "set_role"),
        (role("attendee"), "set_role"),
    ]
}

/// Commands of a moderator upon the room, with the name of the action.
fn room_commands(knock: &str) -> Vec<(Value, &'static str)> {
    vec![
        (json!({"type": "lock", "locked": true}), "lock"),
        (json!({"type": "lock", "locked": false}), "unlock"),
        (json!({"type": "end"}), "end_session"),
        (json!({"type": "stats"}), "see_stats"),
        (
            json!({"type": "set_setting", "key": "waiting_room", "value": "nobody"}),
            "change_setting",
        ),
        (
            json!({"type": "set_setting", "key": "screen_share", "value": "everyone"}),
            "change_setting",
        ),
        (
            json!({"type": "admit", "knock": knock, "version": 1}),
            "admit",
        ),
        (json!({"type": "deny", "knock": knock}), "deny"),
    ]
}

#[tokio::test]
async fn h03_who_is_no_moderator_moderates_nobody() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, beta, gamma, delta) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "beta@example.org", "Beta").await,
        server.member(&owner, "gamma@example.org", "Gamma").await,
        server.member(&owner, "delta@example.org", "Delta").await,
    );
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let owner_id = text(&view["room"], "you");
    let visitor = server.guest(&room.id, "Visitor").await;
    let mut attendee = seat(&server, &mut host, &alpha, &room).await;
    let mut presenter = seat(&server, &mut host, &beta, &room).await;
    let mut guest = seat(&server, &mut host, &visitor, &room).await;
    let victim = seat(&server, &mut host, &gamma, &room).await;
    host.ok(json!({"type": "set_role", "participant": presenter.id, "role": "presenter"}))
        .await;
    let mut waiting = server.join(&delta, &room).await;
    waiting.next("waiting").await;
    let knock = text(&host.event("knocked").await["knock"], "knock");
    host.hush(QUIET).await;

    let mut asked = Vec::new();
    for attacker in [&mut attendee, &mut presenter, &mut guest] {
        let mut requests = room_commands(&knock);
        for target in [&victim.id, &owner_id, &attacker.id.clone()] {
            requests.extend(commands(target));
        }
        for (request, action) in &requests {
            let code = attacker.socket.refused(request.clone()).await;
            assert_eq!(code, "not_allowed", "{}: {request}", attacker.person.name);
            asked.push((attacker.person.id.clone(), *action));
        }
    }
    // Nobody's line changed, nobody went, nothing was locked; the one who waits waits.
    assert!(host.silent(QUIET).await, "something changed");
    host.ok(json!({"type": "admit", "knock": knock, "version": 1}))
        .await;
    waiting.next("admitted").await;

    let trail = Trail::of(server).await;
    for (person, action) in &asked {
        let wanted = asked
            .iter()
            .filter(|one| *one == &(person.clone(), *action))
            .count() as u64;
        assert_eq!(trail.denied(person, action), wanted, "{action}");
    }
    println!("figure h03.commands_refused {} commands", asked.len());
}

#[tokio::test]
async fn h03_a_host_touches_neither_owner_nor_hosts_nor_themselves() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, beta) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "beta@example.org", "Beta").await,
    );
    let room = server.room(&owner, "Board").await;
    let (mut owner_socket, view) = server.enter(&owner, &room).await;
    let owner_id = text(&view["room"], "you");
    let mut first = seat(&server, &mut owner_socket, &alpha, &room).await;
    let second = seat(&server, &mut owner_socket, &beta, &room).await;
    for host in [&first.id, &second.id] {
        owner_socket
            .ok(json!({"type": "set_role", "participant": host, "role": "host"}))
            .await;
    }
    owner_socket.hush(QUIET).await;
    for target in [owner_id.clone(), second.id.clone(), first.id.clone()] {
        for (request, _) in commands(&target) {
            assert_eq!(
                first.socket.refused(request.clone()).await,
                "not_allowed",
                "{request}"
            );
        }
    }
    for (key, value) in [
        ("max_participants", "thousand"),
        ("sessions_per_identity", "five"),
        ("audit_log", "off"),
    ] {
        let code = first
            .socket
            .refused(json!({"type": "set_setting", "key": key, "value": value}))
            .await;
        assert!(
            ["not_allowed", "invalid_value"].contains(&code.as_str()),
            "{key}: {code}"
        );
    }
    // A service's role is nobody's to give, not even the owner's; nor is the owner's.
    for role in [
        "owner",
        "captioner",
        "recorder",
        "relay",
        "ingress",
        "guest",
    ] {
        let code = owner_socket
            .refused(json!({"type": "set_role", "participant": second.id, "role": role}))
            .await;
        assert_eq!(code, "invalid_value", "{role}");
    }
    // The owner cannot be made to act upon themselves.
    for (request, _) in commands(&owner_id) {
        assert_eq!(
            owner_socket.refused(request.clone()).await,
            "not_allowed",
            "{request}"
        );
    }
    assert!(owner_socket.silent(QUIET).await, "something changed");
    let trail = Trail::of(server).await;
    assert_eq!(trail.denied(&alpha.id, "remove"), 3);
    assert_eq!(trail.denied(&alpha.id, "set_role"), 9);
}

#[tokio::test]
async fn h03_identifiers_of_another_room_are_not_found() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, delta) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "delta@example.org", "Delta").await,
    );
    let (here, there) = (
        server.room(&owner, "Here").await,
        server.room(&owner, "There").await,
    );
    let (mut host_here, _) = server.enter(&owner, &here).await;
    let (mut host_there, _) = server.enter(&owner, &there).await;
    let target = seat(&server, &mut host_there, &alpha, &there).await;
    let mut waiting = server.join(&delta, &there).await;
    waiting.next("waiting").await;
    let knock = text(&host_there.event("knocked").await["knock"], "knock");
    host_there.hush(QUIET).await;
    let nowhere = "a".repeat(26);
    for id in [&target.id, &nowhere] {
        for (request, _) in commands(id) {
            assert_eq!(
                host_here.refused(request.clone()).await,
                "not_found",
                "{request}"
            );
        }
    }
    for id in [&knock, &nowhere] {
        for request in [
            json!({"type": "admit", "knock": id, "version": 1}),
            json!({"type": "deny", "knock": id}),
        ] {
            assert_eq!(
                host_here.refused(request.clone()).await,
                "not_found",
                "{request}"
            );
        }
    }
    // Looking at someone elsewhere shows nothing, and says no more than for someone who is not.
    for id in [&target.id, &nowhere] {
        let look = json!({"type": "view", "looks": [{"participant": id, "source": "camera", "width": 1, "height": 1}]});
        let answer = host_here.ask(look).await;
        assert!(
            answer.get("error").is_some() || answer["ok"]["type"] == "done",
            "{answer}"
        );
    }
    assert!(
        host_there.silent(QUIET).await,
        "something changed in the other room"
    );
    host_there
        .ok(json!({"type": "admit", "knock": knock, "version": 1}))
        .await;
    waiting.next("admitted").await;
    let trail = Trail::of(server).await;
    assert_eq!(
        trail.denied(&owner.id, "remove"),
        2,
        "an id of another meeting leaves a denial"
    );
}

/// Text that is no message of this phase; each is its own connection's last.
fn malformed(id: &str) -> Vec<String> {
    let request = |request: &str| format!(r#"{{"id":7,"request":{request}}}"#);
    let mut all = vec![
        // Sender and other stamps in the payload.
        request(&format!(
            r#"{{"type":"raise_hand","raised":true,"from":"{id}"}}"#
        )),
        request(&format!(
            r#"{{"type":"raise_hand","raised":true,"participant":"{id}"}}"#
        )),
        request(&format!(
            r#"{{"type":"mute","participant":"{id}","role":"host"}}"#
        )),
        request(&format!(
            r#"{{"type":"mute","participant":"{id}","sender":"{id}"}}"#
        )),
        request(r#"{"type":"publish","source":"screen","on":true,"role":"owner"}"#),
        format!(r#"{{"id":7,"from":"{id}","request":{{"type":"raise_hand","raised":true}}}}"#),
        format!(r#"{{"id":7,"seq":1,"request":{{"type":"raise_hand","raised":true}}}}"#),
        // Doubled keys.
        request(r#"{"type":"raise_hand","raised":false,"raised":true}"#),
        request(r#"{"type":"raise_hand","type":"end","raised":true}"#),
        request(r#"{"type":"raise_hand","raised":true,"rais\u0065d":true}"#),
        r#"{"id":7,"id":8,"request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        r#"{"id":7,"request":{"type":"stats"},"request":{"type":"end"}}"#.to_owned(),
        // Wrong types.
        request(r#"{"type":"raise_hand","raised":"true"}"#),
        request(r#"{"type":"raise_hand","raised":1}"#),
        request(r#"{"type":"raise_hand","raised":[true]}"#),
        request(r#"{"type":"raise_hand","raised":null}"#),
        request(r#"{"type":"raise_hand"}"#),
        request(r#"{"type":["raise_hand"],"raised":true}"#),
        request(r#"{"type":"Raise_Hand","raised":true}"#),
        request(r#"{"type":"mute","participant":["a","b"]}"#),
        request(r#"{"type":"mute","participant":{"$ne":null}}"#),
        request(r#"{"type":"mute","participant":null}"#),
        // Everyone, nobody, something that only looks like an identifier.
        request(r#"{"type":"mute","participant":"all"}"#),
        request(r#"{"type":"mute","participant":"*"}"#),
        request(r#"{"type":"mute","participant":""}"#),
        request(&format!(
            r#"{{"type":"mute","participant":"{}"}}"#,
            id.to_uppercase()
        )),
        request(&format!(r#"{{"type":"mute","participant":" {id}"}}"#)),
        request(&format!(r#"{{"type":"mute","participant":"{id}a"}}"#)),
        request(&format!(
            r#"{{"type":"mute","participant":"{}"}}"#,
            "9".repeat(26)
        )),
        // Numbers that are none, too large, negative.
        r#"{"id":-1,"request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        r#"{"id":4294967296,"request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        r#"{"id":1.5,"request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        r#"{"id":1e3,"request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        r#"{"id":"7","request":{"type":"raise_hand","raised":true}}"#.to_owned(),
        // Not a message at all.
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "\u{feff}{\"id\":7,\"request\":{\"type\":\"raise_hand\",\"raised\":true}}".to_owned(),
        r#"{"id":7,"request":{"type":"raise_hand","raised":true}} {}"#.to_owned(),
        r#"{"id":7,"request":{"type":"raise_hand","raised":true,}}"#.to_owned(),
        r#"{"id":7,"request":{"type":"raise_hand","raised":true}"#.to_owned(),
        r#"{"id":7,"request":{"type":"__proto__"}}"#.to_owned(),
        request(r#"{"type":"set_setting","key":"waiting_room","value":["nobody"]}"#),
    ];
    all.push(request(&format!(
        r#"{{"type":"set_setting","key":"{}","value":"nobody"}}"#,
        "k".repeat(65)
    )));
    all.push(format!("{}1{}", "[".repeat(1000), "]".repeat(1000)));
    all
}

#[tokio::test]
async fn c05_only_messages_of_the_protocol_are_read_and_who_sends_is_never_in_them() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let alpha = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let host_id = text(&view["room"], "you");
    let (mut inside, view) = server.admit(&mut host, &alpha, &room).await;
    let mut secret = view["resume"].clone();
    host.event("participant_joined").await;
    let all = malformed(&host_id);
    for frame in &all {
        inside.raw(frame.clone()).await;
        assert_eq!(inside.closed().await, "bad_message", "{frame}");
        // The person is not to blame for good: the tab comes back, and nothing of theirs has changed.
        let (back, fresh) = come_back(&server, &alpha, &room, &secret).await;
        (inside, secret) = (back, fresh);
        for connected in [false, true] {
            let line = host.event("participant_changed").await["participant"].clone();
            assert_eq!(
                (&line["hand"], &line["connected"]),
                (&json!(false), &json!(connected)),
                "{frame}"
            );
            assert_eq!(line["role"], "attendee", "{frame}");
        }
    }
    inside
        .frame(Message::Binary(
            br#"{"id":7,"request":{"type":"raise_hand","raised":true}}"#
                .to_vec()
                .into(),
        ))
        .await
        .unwrap();
    assert_eq!(inside.closed().await, "bad_message");
    println!("figure c05.malformed_refused {} messages", all.len() + 1);
    // As the first message of a connection they are refused alike.
    for frame in &all {
        let mut socket = server.socket(&alpha).await;
        socket.raw(frame.clone()).await;
        assert_eq!(socket.closed().await, "bad_message", "{frame}");
    }
}

async fn come_back(
    server: &Server,
    person: &Person,
    room: &Room,
    secret: &Value,
) -> (Socket, Value) {
    let mut socket = server.socket(person).await;
    socket
        .send(json!({"type": "resume", "room": room.id, "secret": secret, "seen": 0}))
        .await;
    let answer = socket.read().await.unwrap();
    assert!(
        ["resumed", "admitted"].contains(&answer["type"].as_str().unwrap()),
        "{answer}"
    );
    (socket, answer["resume"].clone())
}

#[tokio::test]
async fn h04_after_a_lock_nobody_enters_not_even_who_was_on_the_way() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    host.ok(json!({"type": "set_setting", "key": "waiting_room", "value": "nobody"}))
        .await;
    let mut members = Vec::new();
    for number in 0..6 {
        members.push(
            server
                .member(&owner, &format!("m{number}@example.org"), "Member")
                .await,
        );
    }
    let (mut entered, mut stopped) = (0, 0);
    for round in 0..12 {
        // Several are on the way while the lock falls, one starts a moment after it is acknowledged.
        let (early, late) = members.split_at(5);
        let mut sockets = Vec::new();
        for member in early {
            sockets.push(server.socket(member).await);
        }
        let request = json!({"type": "join", "room": room.id, "password": room.password});
        // The lock comes sooner or later after them, so that it meets them at every stage of the way.
        for socket in &mut sockets {
            socket.send(request.clone()).await;
        }
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        host.send(json!({"type": "lock", "locked": true})).await;
        host.event("locked").await;
        let mut tail = server.socket(&late[0]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        tail.send(request.clone()).await;
        let first = tail.read().await.unwrap();
        assert_eq!(first["type"], "waiting", "entered a locked room: {first}");
        for socket in &mut sockets {
            match socket.read().await.unwrap() {
                answer if answer["type"] == "admitted" => entered += 1,
                answer if answer["type"] == "waiting" || answer["code"] == "cannot_join" => {
                    stopped += 1
                }
                answer => panic!("{answer}"),
            }
        }
        drop((sockets, tail));
        // Everything that was to be told has been told before this answer.
        host.ok(json!({"type": "stats"})).await;
        after_lock(&host);
        // Everyone is gone again: those who were in are removed, so that nobody comes back as their own ghost.
        host.send(json!({"type": "end"})).await;
        assert_eq!(host.closed().await, "ended");
        let (fresh, view) = server.enter(&owner, &room).await;
        assert_eq!(view["room"]["locked"], false, "a new session is not locked");
        host = fresh;
    }
    assert!(stopped > 0, "nobody was on the way");
    println!("figure h04.entered_before_the_lock {entered} people");
    println!("figure h04.stopped_by_the_lock {stopped} people");
}

/// In what a host was told, nobody joins while the room is locked.
fn after_lock(host: &Socket) {
    let mut locked = false;
    for frame in &host.frames {
        let frame: Value = serde_json::from_str(frame).unwrap();
        match frame["event"]["type"].as_str() {
            Some("locked") => locked = frame["event"]["locked"] == true,
            Some("participant_joined") => assert!(!locked, "someone joined a locked room: {frame}"),
            _ => {}
        }
    }
    assert!(locked, "the lock was not seen");
}

#[tokio::test]
async fn h04_a_withdrawn_right_is_gone_with_the_answer() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let alpha = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut inside = seat(&server, &mut host, &alpha, &room).await;
    let publish = |source: &str| json!({"type": "publish", "source": source, "on": true});
    let allow = |source: &str| json!({"type": "allow", "participant": inside.id, "source": source, "allowed": true});
    for round in 0..10 {
        for (source, cut) in [
            ("microphone", "mute"),
            ("camera", "pause_video"),
            ("screen", "stop_share"),
        ] {
            host.ok(allow(source)).await;
            inside.socket.ok(publish(source)).await;
            host.ok(json!({"type": cut, "participant": inside.id}))
                .await;
            if round % 2 == 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(
                inside.socket.refused(publish(source)).await,
                "not_allowed",
                "{source}"
            );
            if source == "screen" {
                assert_eq!(
                    inside.socket.refused(publish("screen_audio")).await,
                    "not_allowed"
                );
            }
        }
    }
    // A role that was taken back, likewise.
    for _ in 0..10 {
        host.ok(json!({"type": "set_role", "participant": inside.id, "role": "host"}))
            .await;
        inside
            .socket
            .ok(json!({"type": "lock", "locked": true}))
            .await;
        host.ok(json!({"type": "set_role", "participant": inside.id, "role": "attendee"}))
            .await;
        let unlock = json!({"type": "lock", "locked": false});
        assert_eq!(inside.socket.refused(unlock).await, "not_allowed");
    }
    // And a guest's door that was shut over HTTP.
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    server.set(&owner, &room, "sign_in", "required").await;
    let guest = server.guest(&room.id, "Visitor").await;
    assert_eq!(
        server.join(&guest, &room).await.closed().await,
        "cannot_join"
    );
    // The password that was replaced opens nothing any more.
    let path = format!("/api/rooms/{}/password", room.id);
    server
        .get(Method::POST, &path, Some(&owner.token), Some(json!({})))
        .await;
    let beta = server.member(&owner, "beta@example.org", "Beta").await;
    assert_eq!(
        server.join(&beta, &room).await.closed().await,
        "cannot_join"
    );
}

#[tokio::test]
async fn h07_a_removed_person_hears_and_says_nothing_more() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let alpha = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sessions_per_identity", "five")
        .await;
    let (mut host, _) = server.enter(&owner, &room).await;
    // Four tabs: three inside, one of them with its connection lost, and one that knocks.
    let mut one = seat(&server, &mut host, &alpha, &room).await;
    let mut two = seat(&server, &mut host, &alpha, &room).await;
    let three = seat(&server, &mut host, &alpha, &room).await;
    let mut four = server.join(&alpha, &room).await;
    four.next("waiting").await;
    host.event("knocked").await;
    three.socket.vanish();
    // Requests that are on the way when the removal comes do not get through after it.
    host.send(json!({"type": "remove", "participant": one.id}))
        .await;
    for _ in 0..20 {
        two.socket
            .send(json!({"type": "raise_hand", "raised": true}))
            .await;
    }
    for socket in [&mut one.socket, &mut two.socket, &mut four] {
        assert_eq!(socket.closed().await, "removed");
    }
    // In whichever order they are told.
    let mut left = Vec::new();
    for _ in 0..3 {
        let gone = host.event("participant_left").await;
        assert_eq!(gone["reason"], "removed");
        left.push(gone["participant"].clone());
    }
    for id in [&one.id, &two.id, &three.id] {
        assert!(left.iter().any(|gone| *gone == **id), "{id} is still here");
    }
    host.ok(json!({"type": "lock", "locked": true})).await;
    assert_eq!(
        server.join(&alpha, &room).await.closed().await,
        "cannot_join"
    );
    let trail = Trail::of(server).await;
    assert_eq!(trail.permitted(&owner.id, "remove"), 1);
    assert!(trail.denied(&alpha.id, "knock") >= 1);
}

#[tokio::test]
async fn h07_a_room_that_was_taken_down_is_gone_for_everyone() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, beta) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "beta@example.org", "Beta").await,
    );
    let room = server.room(&owner, "Board").await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let (mut inside, seat) = server.admit(&mut host, &alpha, &room).await;
    let mut waiting = server.join(&beta, &room).await;
    waiting.next("waiting").await;
    let path = format!("/api/rooms/{}", room.id);
    // Not by those who may not.
    let answer = server
        .call(Method::DELETE, &path, Some(&alpha.token), None)
        .await;
    assert_eq!(answer.status, 404);
    let answer = server
        .call(Method::DELETE, &path, Some(&owner.token), None)
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(host.closed().await, "ended");
    assert_eq!(inside.closed().await, "ended");
    let code = waiting.closed().await;
    assert!(["ended", "denied"].contains(&code.as_str()), "{code}");
    for (person, view) in [(&owner, &view), (&alpha, &seat)] {
        assert_eq!(
            server.join(person, &room).await.closed().await,
            "cannot_join"
        );
        let mut back = server.socket(person).await;
        let resume =
            json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": 0});
        back.send(resume).await;
        assert_eq!(back.closed().await, "cannot_resume");
    }
    for part in ["", "/password", "/settings"] {
        let answer = server
            .call(
                Method::GET,
                &format!("{path}{part}"),
                Some(&owner.token),
                None,
            )
            .await;
        assert_eq!(answer.status, 404, "{part}");
    }
}

#[tokio::test]
async fn h03_one_person_has_one_seat_also_by_way_of_a_lost_connection_and_a_knock() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let alpha = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (first, view) = server.admit(&mut host, &alpha, &room).await;
    host.event("participant_joined").await;
    first.vanish();
    assert_eq!(
        host.event("participant_changed").await["participant"]["connected"],
        false
    );
    // While the seat is empty the same person knocks, then takes the seat up again, then is let in.
    let mut second = server.join(&alpha, &room).await;
    second.next("waiting").await;
    let knock = host.event("knocked").await["knock"].clone();
    let (mut back, _) = come_back(&server, &alpha, &room, &view["resume"]).await;
    let admitted = host
        .ask(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    // Whichever of the two goes, only one stays.
    let mut alive = 0;
    for socket in [&mut back, &mut second] {
        socket
            .send(json!({"type": "raise_hand", "raised": true}))
            .await;
    }
    for socket in [&mut back, &mut second] {
        while let Ok(Some(message)) =
            tokio::time::timeout(Duration::from_secs(1), socket.read()).await
        {
            if message["type"] == "reply" && message.get("ok").is_some() {
                alive += 1;
                break;
            }
        }
    }
    assert_eq!(
        alive, 1,
        "one person in two seats; the admission was answered {admitted}"
    );
}
