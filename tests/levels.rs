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
async fn a_room_drops_its_own_choice_and_follows_the_organisation_again() {
    let mut meeting = Meeting::start().await;
    let set = |value: &str| json!({"type": "set_setting", "key": "camera", "value": value});
    meeting.host.ok(set("everyone_may")).await;
    told(&mut meeting.owner).await;
    meeting.host.ok(set("inherit")).await;
    let strict = "attendees_may_guests_ask";
    let follows = said("camera", strict, "default", "Member");
    assert_eq!(told(&mut meeting.owner).await, follows);
    // From now on it does as the organisation says.
    meeting.choose("camera", "everyone_may", false).await;
    let told = told(&mut meeting.owner).await;
    assert_eq!(
        told,
        said("camera", "everyone_may", "organisation", "The Owner")
    );
    assert_eq!(meeting.stored().await["camera"], "everyone_may");
    let path = format!("/api/rooms/{}/audit?action=change_setting", meeting.room.id);
    let page = meeting
        .server
        .get(Method::GET, &path, Some(&meeting.admin.token), None)
        .await;
    assert_eq!(page["rows"][0]["detail"], "camera=inherit");
    // An organisation has nobody to follow.
    let body = json!({"key": "camera", "value": "inherit", "locked": false});
    let path = "/api/organisation/settings";
    let answer = meeting
        .server
        .call(Method::PATCH, path, Some(&meeting.admin.token), Some(body))
        .await;
    assert_eq!(answer.code(), "invalid_value");
    // And everyone is told when two hosts must agree.
    let option = json!({"two_person_admission": true});
    let path = "/api/organisation/options";
    meeting
        .server
        .get(
            Method::PATCH,
            path,
            Some(&meeting.admin.token),
            Some(option),
        )
        .await;
    for socket in [&mut meeting.owner, &mut meeting.host] {
        assert_eq!(socket.event("two_person_admission").await["on"], true);
    }
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

fn lines(preview: &Value) -> Vec<String> {
    let line = |line: &Value| {
        let words = ["who", "what", "now", "then"].map(|key| text(line, key));
        words.join(" ")
    };
    preview["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[tokio::test]
async fn a_host_sees_what_a_change_means_for_whom_before_it_is_made() {
    let mut meeting = Meeting::start().await;
    let preview =
        |key: &str, value: &str| json!({"type": "preview_setting", "key": key, "value": value});
    let speaks = meeting
        .host
        .ok(preview("microphone", "everyone_speaks"))
        .await;
    assert_eq!(lines(&speaks), ["guest be_heard asks yes"]);
    let knocks = meeting
        .host
        .ok(preview("sign_in", "guests_may_knock"))
        .await;
    assert!(lines(&knocks).contains(&"guest enter refused waits".to_owned()));
    let now = json!({"type": "preview_setting"});
    let entry = lines(&meeting.host.ok(now.clone()).await);
    assert!(entry.contains(&"attendee enter waits waits".to_owned()));
    let refused = meeting
        .host
        .refused(preview("microphone", "sometimes"))
        .await;
    assert_eq!(refused, "invalid_value");
    // The room as it is now counts: what is locked lets nobody in directly.
    for (key, value) in [("waiting_room", "nobody"), ("start", "anytime")] {
        let change = json!({"type": "set_setting", "key": key, "value": value});
        meeting.host.ok(change).await;
    }
    let attendee = |lines: Vec<String>| {
        let found = lines
            .into_iter()
            .find(|line| line.starts_with("attendee enter "));
        found.unwrap()
    };
    let entry = lines(&meeting.host.ok(now.clone()).await);
    assert_eq!(attendee(entry), "attendee enter directly directly");
    meeting
        .host
        .ok(json!({"type": "lock", "locked": true}))
        .await;
    let entry = lines(&meeting.host.ok(now.clone()).await);
    assert_eq!(attendee(entry), "attendee enter waits waits");

    // Over HTTP the same, for the owner and hosts only; nothing was changed by looking.
    let of_room = format!("/api/rooms/{}", meeting.room.id);
    let (server, token) = (&meeting.server, Some(meeting.admin.token.as_str()));
    let path = format!("{of_room}/settings/preview?key=microphone&value=everyone_speaks");
    let over_http = server.get(Method::GET, &path, token, None).await;
    assert_eq!(over_http, json!({"lines": speaks["lines"]}));
    let entry = server
        .get(Method::GET, &format!("{of_room}/entry"), token, None)
        .await;
    assert_eq!(attendee(lines(&entry)), "attendee enter directly directly");
    let path = format!("{of_room}/settings/preview?key=microphone");
    let incomplete = server.call(Method::GET, &path, token, None).await;
    assert_eq!(incomplete.code(), "bad_request");
    let stranger = server
        .member(&meeting.admin, "visitor@example.org", "Visitor")
        .await;
    for rest in [
        "/entry",
        "/settings/preview?key=microphone&value=everyone_speaks",
    ] {
        let path = format!("{of_room}{rest}");
        let refused = server
            .call(Method::GET, &path, Some(&stranger.token), None)
            .await;
        assert_eq!(refused.code(), "not_found");
    }
    assert_eq!(
        meeting.stored().await["microphone"],
        "attendees_speak_guests_ask"
    );
    let mut outside = meeting
        .server
        .admit(&mut meeting.owner, &stranger, &meeting.room)
        .await
        .0;
    assert_eq!(outside.refused(now).await, "not_allowed");
}

#[tokio::test]
async fn a_webinar_is_watched_until_a_host_brings_someone_on_stage() {
    let mut meeting = Meeting::start().await;
    meeting.choose("sign_in", "required", true).await;
    let applied = meeting
        .host
        .ok(json!({"type": "apply_preset", "preset": "webinar"}))
        .await;
    let keys = |list: &Value| values(list).into_keys().collect::<Vec<_>>();
    assert_eq!(
        keys(&applied["changed"]),
        ["lock_after_start", "waiting_room"]
    );
    assert_eq!(keys(&applied["kept"]), ["sign_in"]);
    assert_eq!(meeting.stored().await["sign_in"], "required");
    let told = meeting.owner.event("kind_changed").await;
    assert_eq!(
        (&told["kind"], &told["by"]),
        (&json!("webinar"), &json!("Member"))
    );

    let viewer = meeting
        .server
        .member(&meeting.admin, "viewer@example.org", "Viewer")
        .await;
    let (mut watching, view) = meeting.server.enter(&viewer, &meeting.room).await;
    assert_eq!(view["room"]["kind"], "webinar");
    let me = text(&view["room"], "you");
    let speak = json!({"type": "publish", "source": "microphone", "on": true});
    assert_eq!(watching.refused(speak.clone()).await, "not_allowed");
    watching
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
    let stage = |role: &str| json!({"type": "set_role", "participant": me, "role": role});
    assert_eq!(watching.refused(stage("presenter")).await, "not_allowed");
    meeting.host.ok(stage("presenter")).await;
    let told = watching.event("done_to_you").await;
    assert_eq!(
        told["what"],
        json!({"act": "role_changed", "role": "presenter"})
    );
    watching.ok(speak.clone()).await;
    meeting.host.ok(stage("observer")).await;
    assert_eq!(watching.refused(speak).await, "not_allowed");
}

#[tokio::test]
async fn a_preset_over_http_is_many_audited_changes_or_none() {
    let mut meeting = Meeting::start().await;
    let path = format!("/api/rooms/{}/preset", meeting.room.id);
    let (admin, member) = (meeting.admin.token.clone(), meeting.member.token.clone());
    let apply = async |meeting: &Meeting, token: &str, preset: &str| {
        let body = Some(json!({"preset": preset}));
        meeting
            .server
            .call(Method::POST, &path, Some(token), body)
            .await
    };
    // A host who is one for this session only has no say from outside of it.
    assert_eq!(
        apply(&meeting, &member, "team_meeting").await.code(),
        "not_found"
    );
    assert_eq!(apply(&meeting, &admin, "party").await.code(), "bad_request");
    let applied = apply(&meeting, &admin, "team_meeting").await.body;
    assert_eq!(applied["kind"], "meeting");
    let changed = values(&applied["changed"]);
    assert_eq!(changed["waiting_room"], "guests_only");
    let mut heard = BTreeMap::new();
    while heard.len() < changed.len() {
        let (key, value, level, by) = told(&mut meeting.host).await;
        assert_eq!((level.as_str(), by.as_str()), ("room", "The Owner"));
        heard.insert(key, value);
    }
    assert_eq!(heard, changed);
    assert_eq!(
        apply(&meeting, &admin, "locked_down").await.body["kept"],
        json!([])
    );
    let strictest = meeting.stored().await;
    assert_eq!(strictest["waiting_room"], "everyone");

    // With the password locked away a webinar would be left without any check: nothing of it is done.
    meeting.choose("password", "none", true).await;
    assert_eq!(
        apply(&meeting, &admin, "webinar").await.code(),
        "unprotected"
    );
    let after = meeting.stored().await;
    assert_eq!(after["waiting_room"], "everyone");
    assert_eq!(after["lock_after_start"], "ten_minutes");
}
