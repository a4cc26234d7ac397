//! The story of a moderated meeting over the real interfaces, without media: who waits, who comes in, who may do what.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use common::server::Server;
use common::text;
use reqwest::Method;
use serde_json::{Value, json};

/// The participant of this name in a view of the room.
fn line<'a>(admitted: &'a Value, name: &str) -> &'a Value {
    let lines = admitted["room"]["participants"].as_array().unwrap();
    lines
        .iter()
        .find(|line| line["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {admitted}"))
}

#[tokio::test]
async fn a_member_waits_is_admitted_and_both_see_each_other() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;

    let (mut host, view) = server.enter(&owner, &room).await;
    assert_eq!(view["room"]["title"], "Board");
    assert_eq!(view["room"]["count"], 1);
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    assert_eq!(line(&view, "The Owner")["role"], "owner");
    assert_eq!(line(&view, "Member")["role"], "attendee");
    assert!(view["room"].get("count").is_none() && view["room"].get("knocks").is_none());
    let joined = host.event("participant_joined").await;
    assert_eq!(joined["participant"]["name"], "Member");
    assert_eq!(joined["participant"]["signed_in"], true);

    guest
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
    let changed = host.event("participant_changed").await;
    assert_eq!(changed["participant"]["hand"], true);
    guest.send(json!({"type": "leave"})).await;
    assert_eq!(guest.closed().await, "left");
    assert_eq!(host.event("participant_left").await["reason"], "left");
}

#[tokio::test]
async fn the_host_mutes_and_gives_the_right_back_and_nothing_starts_by_itself() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    let me = text(&view["room"], "you");

    assert_eq!(
        guest
            .refused(json!({"type": "publish", "source": "screen", "on": true}))
            .await,
        "not_allowed"
    );
    host.ok(json!({"type": "mute", "participant": me})).await;
    let told = guest.event("done_to_you").await;
    assert_eq!(
        (told["what"]["act"].as_str(), told["by"].as_str()),
        (Some("muted"), Some("The Owner"))
    );
    assert_eq!(
        guest
            .refused(json!({"type": "publish", "source": "microphone", "on": true}))
            .await,
        "not_allowed"
    );
    guest
        .ok(json!({"type": "ask", "source": "microphone"}))
        .await;
    assert_eq!(host.event("asked").await["participant"], me);
    host.ok(json!({"type": "allow", "participant": me, "source": "microphone", "allowed": true}))
        .await;
    assert_eq!(guest.event("done_to_you").await["what"]["act"], "allowed");
}

#[tokio::test]
async fn a_removed_person_is_out_everywhere_and_for_good() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    host.ok(json!({"type": "remove", "participant": view["room"]["you"]}))
        .await;
    assert_eq!(guest.closed().await, "removed");

    let mut again = server.socket(&member).await;
    again
        .send(json!({"type": "resume", "room": room.id, "secret": view["resume"]}))
        .await;
    assert_eq!(again.closed().await, "cannot_resume");
    assert_eq!(
        server.join(&member, &room).await.closed().await,
        "cannot_join"
    );
}

#[tokio::test]
async fn a_lost_connection_comes_back_into_a_locked_room_and_misses_nothing() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (guest, view) = server.admit(&mut host, &member, &room).await;
    guest.vanish();
    host.event("participant_joined").await;
    assert_eq!(
        host.event("participant_changed").await["participant"]["connected"],
        false
    );
    host.ok(json!({"type": "lock", "locked": true})).await;

    let mut back = server.socket(&member).await;
    back.send(
        json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": view["seq"]}),
    )
    .await;
    let resumed = back.next("resumed").await;
    assert_ne!(resumed["resume"], view["resume"]);
    assert_eq!(back.event("locked").await["locked"], true);
    // The used secret is worthless now.
    let mut thief = server.socket(&member).await;
    thief
        .send(json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": 0}))
        .await;
    assert_eq!(thief.closed().await, "cannot_resume");
}

#[tokio::test]
async fn a_second_tab_is_refused_and_the_first_is_undisturbed() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut first, _) = server.enter(&owner, &room).await;
    assert_eq!(
        server.join(&owner, &room).await.closed().await,
        "already_here"
    );
    first.ok(json!({"type": "lock", "locked": true})).await;
}

#[tokio::test]
async fn guests_knock_only_when_a_host_has_relaxed_it_and_everyone_is_told() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let guest = server.guest(&room.id, "Visitor").await;
    assert_eq!(
        server.join(&guest, &room).await.closed().await,
        "cannot_join"
    );
    let (mut host, _) = server.enter(&owner, &room).await;
    host.ok(json!({"type": "set_setting", "key": "sign_in", "value": "guests_may_knock"}))
        .await;
    let told = host.event("setting_changed").await;
    assert_eq!(
        (told["setting"]["value"].as_str(), told["by"].as_str()),
        (Some("guests_may_knock"), Some("The Owner"))
    );
    let (mut inside, view) = server.admit(&mut host, &guest, &room).await;
    assert_eq!(line(&view, "Visitor")["signed_in"], false);
    assert_eq!(
        inside
            .refused(json!({"type": "publish", "source": "microphone", "on": true}))
            .await,
        "not_allowed"
    );
}

#[tokio::test]
async fn settings_roles_and_locks_outlive_nothing_they_should_not() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    let me = view["room"]["you"].clone();
    host.ok(json!({"type": "set_role", "participant": me, "role": "host"}))
        .await;
    assert!(guest.event("lobby").await["knocks"].is_array());
    guest
        .ok(json!({"type": "set_setting", "key": "lock_after_start", "value": "never"}))
        .await;
    assert_eq!(
        guest
            .refused(json!({"type": "set_setting", "key": "lock_after_start", "value": "soon"}))
            .await,
        "invalid_value"
    );
    assert_eq!(
        guest
            .refused(json!({"type": "set_setting", "key": "max_participants", "value": "thousand"}))
            .await,
        "not_allowed"
    );
    host.ok(json!({"type": "set_role", "participant": me, "role": "attendee"}))
        .await;
    assert_eq!(
        guest.refused(json!({"type": "lock", "locked": true})).await,
        "not_allowed"
    );
    host.send(json!({"type": "end"})).await;
    assert_eq!(host.closed().await, "ended");
    assert_eq!(guest.closed().await, "ended");
    let settings = server
        .get(
            Method::GET,
            &format!("/api/rooms/{}/settings", room.id),
            Some(&owner.token),
            None,
        )
        .await;
    let kept = settings["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["key"] == "lock_after_start")
        .unwrap();
    assert_eq!(kept["value"], "never");
}

#[tokio::test]
async fn a_stopping_server_tells_everyone_and_ends_in_order() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let stopped = tokio::spawn(server.stop());
    assert_eq!(host.closed().await, "draining");
    assert!(stopped.await.unwrap().success());
}

#[tokio::test]
async fn a_denied_person_is_told_so_and_may_knock_again() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    for denied_before in 0..2 {
        let mut outside = server.join(&member, &room).await;
        outside.next("waiting").await;
        let knock = host.event("knocked").await["knock"].clone();
        assert_eq!(knock["denied_before"], denied_before);
        host.ok(json!({"type": "deny", "knock": knock["knock"]}))
            .await;
        assert_eq!(outside.closed().await, "denied");
        host.event("knock_gone").await;
    }
}

#[tokio::test]
async fn signing_out_ends_what_the_person_has_in_a_room() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    host.event("participant_joined").await;
    server
        .get(Method::DELETE, "/api/session", Some(&member.token), None)
        .await;
    assert_eq!(guest.closed().await, "signed_out");
    // No place is kept to come back to.
    assert_eq!(host.event("participant_left").await["reason"], "left");
}

#[tokio::test]
async fn who_waits_when_the_server_stops_is_told_the_same_as_everyone() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let mut outside = server.join(&member, &room).await;
    outside.next("waiting").await;
    let stopped = tokio::spawn(server.stop());
    assert_eq!(outside.closed().await, "draining");
    assert!(stopped.await.unwrap().success());
}

#[tokio::test]
async fn hosts_read_what_clients_report_of_their_connections_and_nobody_else_does() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let path = format!("/api/rooms/{}/quality", room.id);
    let asleep = server
        .get(Method::GET, &path, Some(&owner.token), None)
        .await;
    assert_eq!(asleep, json!({"running": false, "participants": []}));

    let (mut host, view) = server.enter(&owner, &room).await;
    let hosts = text(&view["room"], "you");
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    let me = text(&view["room"], "you");
    let line = |participant: &str| json!({"participant": participant, "source": "camera", "kbps": 480, "lost_permille": 20});
    let report = json!({"type": "report_quality", "report": {
        "transport": {"protocol": "udp", "candidate": "host", "round_trip_ms": 12},
        "sent": [{"source": "microphone", "kbps": 32, "codec": "opus"}],
        // The second is of nobody here.
        "received": [line(&hosts), line("aaaaaaaaaaaaaaaaaaaaaaaaaa")],
    }});
    guest.ok(report.clone()).await;
    assert_eq!(guest.refused(report.clone()).await, "rate_limited");
    assert_eq!(
        guest.refused(json!({"type": "quality"})).await,
        "not_allowed"
    );

    let inside = host.ok(json!({"type": "quality"})).await;
    let lines = inside["participants"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    let of = |who: &str| {
        let line = lines.iter().find(|line| line["participant"] == who);
        line.unwrap().clone()
    };
    let mine = of(&me);
    assert_eq!(mine["name"], "Member");
    assert_eq!(mine["client"]["transport"]["round_trip_ms"], 12);
    assert_eq!(mine["client"]["received"].as_array().unwrap().len(), 1);
    assert_eq!(mine["client"]["received"][0]["participant"], hosts.as_str());
    // Without a transport the server has nothing to say, and without a report the client has not.
    assert!(mine["server"].is_null() && of(&hosts)["client"].is_null());

    let outside = server
        .get(Method::GET, &path, Some(&owner.token), None)
        .await;
    assert_eq!(outside["running"], true);
    assert_eq!(&outside["participants"], &inside["participants"]);
    let refused = server
        .call(Method::GET, &path, Some(&member.token), None)
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (404, "not_found")
    );

    let mut worse = report;
    worse["report"]["sent"][0]["codec"] = json!("<b>");
    guest.send(worse).await;
    assert_eq!(guest.closed().await, "bad_message");
}
