//! The stories of settings at three levels over the real interfaces: locks that hold, relaxations that everyone is told of,
//! and changes from two sides that meet.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use std::collections::BTreeMap;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use common::text;
use reqwest::Method;
use serde_json::{Value, json};

/// A meeting of the owner, who administers the organisation, and a member whom the owner made a host.
struct Meeting {
    server: Server,
    admin: Person,
    member: Person,
    room: Room,
    owner: Socket,
    host: Socket,
}

impl Meeting {
    async fn start() -> Self {
        let server = Server::start().await;
        let admin = server.owner().await;
        let member = server.member(&admin, "member@example.org", "Member").await;
        let room = server.room(&admin, "Board").await;
        let (mut owner, _) = server.enter(&admin, &room).await;
        let (mut host, view) = server.admit(&mut owner, &member, &room).await;
        let me = text(&view["room"], "you");
        owner
            .ok(json!({"type": "set_role", "participant": me, "role": "host"}))
            .await;
        // A host may change more than an attendee, and is told so.
        host.event("settings").await;
        Self {
            server,
            admin,
            member,
            room,
            owner,
            host,
        }
    }

    /// The organisation chooses over HTTP.
    async fn choose(&self, key: &str, value: &str, locked: bool) -> Value {
        let path = "/api/organisation/settings";
        let body = json!({"key": key, "value": value, "locked": locked});
        self.server
            .get(Method::PATCH, path, Some(&self.admin.token), Some(body))
            .await
    }

    /// The settings of the room as stored.
    async fn stored(&self) -> BTreeMap<String, String> {
        let path = format!("/api/rooms/{}/settings", self.room.id);
        let settings = self
            .server
            .get(Method::GET, &path, Some(&self.admin.token), None)
            .await;
        values(&settings["settings"])
    }
}

fn values(settings: &Value) -> BTreeMap<String, String> {
    settings
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (text(line, "key"), text(line, "value")))
        .collect()
}

/// The next change of a setting that someone is told of.
async fn told(socket: &mut Socket) -> (String, String, String, String) {
    let event = socket.event("setting_changed").await;
    let setting = &event["setting"];
    (
        text(setting, "key"),
        text(setting, "value"),
        text(setting, "level"),
        text(&event, "by"),
    )
}

fn said(key: &str, value: &str, level: &str, by: &str) -> (String, String, String, String) {
    let [key, value, level, by] = [key, value, level, by].map(str::to_owned);
    (key, value, level, by)
}

#[tokio::test]
async fn a_lock_of_the_organisation_beats_every_host_and_gives_way_when_it_is_lifted() {
    let mut meeting = Meeting::start().await;
    let relax = json!({"type": "set_setting", "key": "camera", "value": "everyone_may"});
    meeting.host.ok(relax.clone()).await;
    let strict = "attendees_may_guests_ask";
    for socket in [&mut meeting.owner, &mut meeting.host] {
        let relaxed = said("camera", "everyone_may", "room", "Member");
        assert_eq!(told(socket).await, relaxed);
    }

    let locked = meeting.choose("camera", strict, true).await;
    assert_eq!(locked["locked"], true);
    for socket in [&mut meeting.owner, &mut meeting.host] {
        let event = socket.event("setting_changed").await;
        assert_eq!(
            (
                &event["by"],
                &event["setting"]["value"],
                &event["setting"]["locked"]
            ),
            (&json!("The Owner"), &json!(strict), &json!(true))
        );
        assert_eq!(event["setting"]["may_change"], false);
        // Also who administers the organisation does not go around its lock in one room.
        assert_eq!(socket.refused(relax.clone()).await, "not_allowed");
    }
    assert_eq!(meeting.stored().await["camera"], strict);
    let path = format!("/api/rooms/{}/settings", meeting.room.id);
    let body = json!({"key": "camera", "value": "everyone_may"});
    let over_http = meeting
        .server
        .call(Method::PATCH, &path, Some(&meeting.admin.token), Some(body))
        .await;
    assert_eq!(over_http.code(), "not_found");

    meeting.choose("camera", strict, false).await;
    let back = said("camera", "everyone_may", "room", "The Owner");
    assert_eq!(told(&mut meeting.host).await, back);
    meeting.host.ok(relax).await;
}

#[tokio::test]
async fn what_the_organisation_relaxes_reaches_running_rooms_and_the_door_at_once() {
    let mut meeting = Meeting::start().await;
    let guest = meeting.server.guest(&meeting.room.id, "Visitor").await;
    let refused = meeting
        .server
        .join(&guest, &meeting.room)
        .await
        .closed()
        .await;
    assert_eq!(refused, "cannot_join");
    meeting.choose("sign_in", "guests_may_knock", false).await;
    for socket in [&mut meeting.owner, &mut meeting.host] {
        let relaxed = said("sign_in", "guests_may_knock", "organisation", "The Owner");
        assert_eq!(told(socket).await, relaxed);
    }
    meeting
        .server
        .admit(&mut meeting.owner, &guest, &meeting.room)
        .await;
    // A room that starts later follows too.
    let later = meeting.server.room(&meeting.admin, "Later").await;
    let (_later, view) = meeting.server.enter(&meeting.admin, &later).await;
    assert_eq!(
        values(&view["room"]["settings"])["sign_in"],
        "guests_may_knock"
    );
    // Together with what a room chose, nothing may be left at its door.
    for (key, value) in [("waiting_room", "nobody"), ("password", "none")] {
        let change = json!({"type": "set_setting", "key": key, "value": value});
        let answer = meeting.host.ask(change).await;
        assert_eq!(
            answer.get("ok").is_some(),
            key == "waiting_room",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_tightening_by_the_organisation_cuts_what_it_no_longer_permits() {
    let mut meeting = Meeting::start().await;
    meeting.choose("sign_in", "guests_may_knock", false).await;
    meeting.choose("camera", "everyone_may", false).await;
    let guest = meeting.server.guest(&meeting.room.id, "Visitor").await;
    let (mut visitor, _) = meeting
        .server
        .admit(&mut meeting.owner, &guest, &meeting.room)
        .await;
    meeting
        .choose("camera", "attendees_may_guests_ask", true)
        .await;
    let tightened = said(
        "camera",
        "attendees_may_guests_ask",
        "organisation",
        "The Owner",
    );
    assert_eq!(told(&mut visitor).await, tightened);
    let publish = json!({"type": "publish", "source": "camera", "on": true});
    assert_eq!(visitor.refused(publish).await, "not_allowed");
}

#[tokio::test]
async fn a_change_over_http_names_whoever_made_it() {
    let mut meeting = Meeting::start().await;
    meeting.owner.send(json!({"type": "leave"})).await;
    assert_eq!(meeting.owner.closed().await, "left");
    meeting
        .server
        .set(
            &meeting.admin,
            &meeting.room,
            "participant_count",
            "everyone",
        )
        .await;
    let by_the_owner = said("participant_count", "everyone", "room", "The Owner");
    assert_eq!(told(&mut meeting.host).await, by_the_owner);
}

/// The last value that someone was told of each setting, from the events that have come so far.
async fn heard(socket: &mut Socket, until: &BTreeMap<String, String>, keys: &[&str]) -> bool {
    // An answer comes after every event that was told before it.
    socket.ask(json!({"type": "stats"})).await;
    let mut last = BTreeMap::new();
    for frame in &socket.frames {
        let value: Value = serde_json::from_str(frame).unwrap();
        if value["event"]["type"] == "setting_changed" {
            let setting = &value["event"]["setting"];
            last.insert(text(setting, "key"), text(setting, "value"));
        }
    }
    keys.iter().all(|key| last.get(*key) == until.get(*key))
}

#[tokio::test]
async fn changes_over_http_and_in_the_meeting_at_the_same_moment_converge() {
    let mut meeting = Meeting::start().await;
    let choices = [
        ("camera", ["everyone_may", "attendees_may_guests_ask"]),
        ("guest_roster", ["everyone", "hosts_and_speakers"]),
        ("sign_in", ["guests_may_knock", "required"]),
    ];
    let keys = choices.map(|(key, _)| key);
    for round in 0..6 {
        let (http, token) = (meeting.server.http.clone(), meeting.admin.token.clone());
        let of_room = format!("/api/rooms/{}/settings", meeting.room.id);
        let (of_room, of_all) = (
            meeting.server.url(&of_room),
            meeting.server.url("/api/organisation/settings"),
        );
        let patches = choices.iter().enumerate().flat_map(|(at, (key, values))| {
            let value = values[(round + at) % 2];
            let own = json!({"key": key, "value": value});
            let all = json!({"key": key, "value": value, "locked": false});
            [(of_room.clone(), own), (of_all.clone(), all)]
        });
        let patches: Vec<_> = patches
            .map(|(url, body)| {
                let request = http.patch(url).bearer_auth(&token).json(&body);
                tokio::spawn(async move { request.send().await.unwrap().status() })
            })
            .collect();
        for (at, (key, values)) in choices.iter().enumerate() {
            let change =
                json!({"type": "set_setting", "key": key, "value": values[(round + at + 1) % 2]});
            meeting.host.send(change.clone()).await;
            meeting.owner.send(change).await;
        }
        for patch in patches {
            assert!(patch.await.unwrap().is_success());
        }
    }
    for _ in 0..100 {
        let stored = meeting.stored().await;
        let host = heard(&mut meeting.host, &stored, &keys).await;
        let owner = heard(&mut meeting.owner, &stored, &keys).await;
        if host && owner {
            // Whoever comes in now sees the same.
            meeting.host.send(json!({"type": "leave"})).await;
            meeting.host.closed().await;
            let (_host, view) = meeting.server.enter(&meeting.member, &meeting.room).await;
            assert_eq!(values(&view["room"]["settings"]), stored);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the room and the store stay apart");
}
