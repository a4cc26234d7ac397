//! What programs do from outside with an API key, on a real server with people in the meeting: every control of a host, members, the organisation,
//! settings, guest links and the trail. By the same guard and into the same trail as what people do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use reqwest::Method;
use serde_json::{Value, json};

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "common/scopes.rs"]
mod scopes;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use common::text;
use scopes::SCOPES;

struct Story {
    server: Server,
    owner: Person,
    key: String,
}

impl Story {
    async fn begin() -> Self {
        let server = Server::start().await;
        let owner = server.owner().await;
        let key = make(&server, &owner, &SCOPES).await;
        Self { server, owner, key }
    }

    /// A request with the key: status, code and body.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.server.call(method, path, Some(&self.key), body).await;
        (answer.status.as_u16(), answer.body)
    }

    /// The same, which must be done.
    async fn done(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    /// The same, which must be refused.
    async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, answer) = self.call(method, path, body).await;
        (status, text(&answer, "code"))
    }

    async fn session(&self, room: &Room) -> Value {
        let path = format!("/v1/rooms/{}/session", room.id);
        self.done(Method::GET, &path, None).await
    }

    /// How many it was done upon.
    async fn control(&self, room: &Room, deed: Value) -> u64 {
        let path = format!("/v1/rooms/{}/session/controls", room.id);
        let done = self.done(Method::POST, &path, Some(deed)).await;
        done["count"].as_u64().unwrap()
    }

    async fn control_refused(&self, room: &Room, deed: Value) -> (u16, String) {
        let path = format!("/v1/rooms/{}/session/controls", room.id);
        self.refused(Method::POST, &path, Some(deed)).await
    }

    /// Those who wait, once as many do.
    async fn waiting(&self, room: &Room, count: usize) -> Vec<Value> {
        let path = format!("/v1/rooms/{}/session/waiting", room.id);
        let seen = self.done(Method::GET, &path, None).await;
        assert_eq!(seen["waiting"], count, "{seen}");
        seen["knocks"].as_array().unwrap().clone()
    }
}

/// A key for these things.
async fn make(server: &Server, owner: &Person, scopes: &[&str]) -> String {
    let body = json!({"name": "Booking", "scopes": scopes, "expires_in_days": 1});
    let token = Some(owner.token.as_str());
    let made = server
        .get(Method::POST, "/v1/api-keys", token, Some(body))
        .await;
    text(&made, "key")
}

/// Someone's line.
fn line<'a>(session: &'a Value, who: &str) -> &'a Value {
    let lines = session["participants"].as_array().unwrap();
    let mine = |line: &&Value| line["participant"] == who;
    lines
        .iter()
        .find(mine)
        .unwrap_or_else(|| panic!("{session}"))
}

async fn knock(story: &Story, person: &Person, room: &Room) -> Socket {
    let mut socket = story.server.join(person, room).await;
    socket.next("waiting").await;
    socket
}

#[tokio::test]
async fn a_program_does_what_a_host_does_and_no_more() {
    let story = Story::begin().await;
    let server = &story.server;
    let (member, other) = (
        server
            .member(&story.owner, "member@example.org", "Member")
            .await,
        server
            .member(&story.owner, "other@example.org", "Other")
            .await,
    );
    let room = server.room(&story.owner, "Board").await;
    let path = format!("/v1/rooms/{}/session", room.id);

    // No meeting, no room: told apart by those alone who may look.
    assert_eq!(
        story.refused(Method::GET, &path, None).await,
        (409, "no_session".to_owned())
    );
    assert_eq!(
        story.control_refused(&room, json!({"type": "lock"})).await,
        (409, "no_session".to_owned())
    );
    let nowhere = format!("/v1/rooms/{}/session", "a".repeat(26));
    assert_eq!(
        story.refused(Method::GET, &nowhere, None).await,
        (404, "not_found".to_owned())
    );

    let (mut host, view) = server.enter(&story.owner, &room).await;
    let owner_id = text(&view["room"], "you");
    let mut member_socket = knock(&story, &member, &room).await;
    let seen = story.waiting(&room, 1).await.remove(0);
    assert_eq!(seen["name"], "Member");
    // Whoever decides names the version that they saw.
    let stale = json!({"type": "admit", "knock": seen["knock"], "version": 7});
    assert_eq!(
        story.control_refused(&room, stale).await,
        (409, "stale".to_owned())
    );
    let admit = json!({"type": "admit", "knock": seen["knock"], "version": seen["version"]});
    assert_eq!(story.control(&room, admit).await, 1);
    let view = member_socket.next("admitted").await;
    let member_id = text(&view["room"], "you");

    // Rights, roles, spotlight, names.
    let mute = json!({"type": "mute", "participant": member_id});
    assert_eq!(story.control(&room, mute).await, 1);
    let publish = json!({"type": "publish", "source": "microphone", "on": true});
    assert_eq!(member_socket.refused(publish).await, "not_allowed");
    let allow =
        json!({"type": "allow", "participant": member_id, "source": "microphone", "allowed": true});
    story.control(&room, allow).await;
    story
        .control(
            &room,
            json!({"type": "set_role", "participant": member_id, "role": "presenter"}),
        )
        .await;
    assert_eq!(
        line(&story.session(&room).await, &member_id)["role"],
        "presenter"
    );
    story
        .control(
            &room,
            json!({"type": "spotlight", "participant": member_id}),
        )
        .await;
    story.control(&room, json!({"type": "spotlight"})).await;
    member_socket
        .ok(json!({"type": "change_profile", "name": "Member of the board"}))
        .await;
    let wished = line(&story.session(&room).await, &member_id)["wished"].clone();
    assert_eq!(wished["name"], "Member of the board");
    let decide = json!({"type": "decide_profile", "participant": member_id, "version": wished["version"], "approve": true});
    story.control(&room, decide).await;
    let session = story.session(&room).await;
    assert_eq!(line(&session, &member_id)["name"], "Member of the board");
    assert_eq!(line(&session, &member_id)["wished"], Value::Null);

    // Nothing upon a host or the owner, no host made, nothing handed over, nobody who is not here.
    for deed in [
        json!({"type": "mute", "participant": owner_id}),
        json!({"type": "remove", "participant": owner_id}),
        json!({"type": "send_back", "participant": owner_id}),
    ] {
        assert_eq!(
            story.control_refused(&room, deed).await,
            (403, "not_allowed".to_owned())
        );
    }
    let nobody = json!({"type": "mute", "participant": "a".repeat(26)});
    assert_eq!(
        story.control_refused(&room, nobody).await,
        (404, "not_found".to_owned())
    );
    for malformed in [
        json!({"type": "set_role", "participant": member_id, "role": "host"}),
        json!({"type": "transfer_ownership", "participant": member_id}),
        json!({"type": "mute"}),
        json!({"type": "lock", "participant": member_id}),
        json!({"type": "mute", "participant": "nonsense"}),
    ] {
        assert_eq!(
            story.control_refused(&room, malformed).await,
            (400, "bad_request".to_owned())
        );
    }

    // Locking, suspending, many at once.
    story.control(&room, json!({"type": "lock"})).await;
    assert_eq!(story.session(&room).await["locked"], true);
    story.control(&room, json!({"type": "unlock"})).await;
    story.control(&room, json!({"type": "suspend"})).await;
    assert_eq!(story.session(&room).await["suspended"], true);
    story
        .control(&room, json!({"type": "lift_suspension"}))
        .await;
    story.control(&room, json!({"type": "unlock"})).await;
    assert_eq!(story.control(&room, json!({"type": "mute_all"})).await, 1);
    story
        .control(&room, json!({"type": "stop_all_shares"}))
        .await;
    let mut waits = knock(&story, &other, &room).await;
    story
        .control(
            &room,
            json!({"type": "message_waiting", "phrase": "one_moment"}),
        )
        .await;
    assert_eq!(waits.next("message").await["phrase"], "one_moment");
    let wordless = json!({"type": "message_waiting"});
    assert_eq!(
        story.control_refused(&room, wordless).await,
        (422, "invalid_value".to_owned())
    );
    assert_eq!(story.control(&room, json!({"type": "deny_all"})).await, 1);
    assert_eq!(waits.closed().await, "denied");

    // Back to the door, and out for good until that is taken back.
    story
        .control(
            &room,
            json!({"type": "send_back", "participant": member_id}),
        )
        .await;
    let seen = story.waiting(&room, 1).await;
    let knocks: Vec<_> = seen
        .iter()
        .map(|seen| json!({"knock": seen["knock"], "version": seen["version"]}))
        .collect();
    assert_eq!(
        story
            .control(&room, json!({"type": "admit_many", "knocks": knocks}))
            .await,
        1
    );
    let view = member_socket.next("admitted").await;
    let member_id = text(&view["room"], "you");
    story
        .control(
            &room,
            json!({"type": "remove", "participant": member_id, "bar": true}),
        )
        .await;
    assert_eq!(member_socket.closed().await, "removed");
    let path = format!("/v1/rooms/{}/session/bars", room.id);
    let bars = story.done(Method::GET, &path, None).await;
    assert_eq!(bars["bars"].as_array().map(Vec::len), Some(1), "{bars}");
    story
        .control(
            &room,
            json!({"type": "unbar", "bar": bars["bars"][0]["bar"]}),
        )
        .await;

    // A key that may look only looks; one for something else does not even that.
    let (reads, rooms) = (
        make(server, &story.owner, &["sessions:read"]).await,
        make(server, &story.owner, &["rooms:write"]).await,
    );
    let path = format!("/v1/rooms/{}/session", room.id);
    let controls = format!("{path}/controls");
    let lock = || Some(json!({"type": "lock"}));
    assert_eq!(
        server
            .call(Method::GET, &path, Some(&reads), None)
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .call(Method::POST, &controls, Some(&reads), lock())
            .await
            .code(),
        "not_allowed"
    );
    assert_eq!(
        server
            .call(Method::GET, &path, Some(&rooms), None)
            .await
            .code(),
        "not_allowed"
    );
    assert_eq!(
        server
            .call(Method::POST, &controls, Some(&rooms), lock())
            .await
            .code(),
        "not_allowed"
    );
    // The owner does these things in the meeting, where they are seen.
    assert_eq!(
        server
            .call(Method::POST, &controls, Some(&story.owner.token), lock())
            .await
            .code(),
        "not_allowed"
    );
    assert_eq!(story.session(&room).await["locked"], false);

    // All of it is in the trail of the room, under the name of the key.
    let rows = format!("/v1/rooms/{}/audit?verdict=permitted&limit=200", room.id);
    let trail = story.done(Method::GET, &rows, None).await;
    for action in [
        "admit",
        "mute",
        "grant",
        "set_role",
        "spotlight",
        "decide_profile",
        "lock",
        "unlock",
        "suspend",
        "send_back",
        "bar",
        "unbar",
        "deny",
        "message_waiting",
    ] {
        let by_the_key =
            |row: &&Value| row["action"] == action && row["actor"]["name"] == "Booking";
        assert!(
            trail["rows"]
                .as_array()
                .unwrap()
                .iter()
                .find(by_the_key)
                .is_some(),
            "{action}: {trail}"
        );
    }
    story.control(&room, json!({"type": "end"})).await;
    assert_eq!(host.closed().await, "ended");
    assert_eq!(
        story.control_refused(&room, json!({"type": "end"})).await,
        (409, "no_session".to_owned())
    );
}

#[tokio::test]
async fn where_two_hosts_must_agree_a_program_lets_nobody_in() {
    let story = Story::begin().await;
    let server = &story.server;
    let member = server
        .member(&story.owner, "member@example.org", "Member")
        .await;
    let room = server.room(&story.owner, "Board").await;
    let option = json!({"two_person_admission": true});
    let now = story
        .done(Method::PATCH, "/v1/organisation/options", Some(option))
        .await;
    assert_eq!(now["two_person_admission"], true);
    let (_host, _) = server.enter(&story.owner, &room).await;
    let _waits = knock(&story, &member, &room).await;
    let seen = story.waiting(&room, 1).await.remove(0);
    let admit = json!({"type": "admit", "knock": seen["knock"], "version": seen["version"]});
    assert_eq!(
        story.control_refused(&room, admit).await,
        (403, "not_allowed".to_owned())
    );
}

#[tokio::test]
async fn members_are_listed_invited_changed_and_ended_and_administrators_only_by_people() {
    let story = Story::begin().await;
    let server = &story.server;
    let body = json!({"may_create_rooms": false, "name": "Newcomer"});
    let made = story
        .done(Method::POST, "/v1/invitations", Some(body))
        .await;
    let secret = text(&made, "path");
    let secret = secret.split('#').nth(1).unwrap();
    let member = server.accept(secret, "member@example.org", "Member").await;
    let mut seen = Vec::new();
    let mut path = "/v1/members?limit=1".to_owned();
    loop {
        let page = story.done(Method::GET, &path, None).await;
        seen.extend(
            page["members"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| text(line, "name")),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/members?limit=1&cursor={next}");
    }
    assert_eq!(seen, ["Member", "The Owner"]);

    let (one, owner) = (
        format!("/v1/members/{}", member.id),
        format!("/v1/members/{}", story.owner.id),
    );
    let creates = Some(json!({"may_create_rooms": true}));
    let changed = story.done(Method::PATCH, &one, creates).await;
    assert_eq!(
        (&changed["may_create_rooms"], &changed["admin"]),
        (&json!(true), &json!(false))
    );
    server.room(&member, "Own").await;

    // No key makes an administrator or touches one.
    for (method, path, body) in [
        (Method::PATCH, &one, Some(json!({"admin": true}))),
        (
            Method::PATCH,
            &owner,
            Some(json!({"may_create_rooms": false})),
        ),
        (Method::DELETE, &owner, None),
    ] {
        assert_eq!(
            story.refused(method, path, body).await,
            (403, "not_allowed".to_owned())
        );
    }
    // The last one stays one, whoever asks; then there are two.
    let token = Some(story.owner.token.as_str());
    let last = Some(json!({"admin": false}));
    assert_eq!(
        server.call(Method::PATCH, &owner, token, last).await.code(),
        "last_admin"
    );
    assert_eq!(
        server
            .call(Method::DELETE, &owner, token, None)
            .await
            .code(),
        "last_admin"
    );
    let (mut socket, _) = {
        let room = server.room(&story.owner, "Board").await;
        server.enter(&story.owner, &room).await
    };
    let admin = Some(json!({"admin": true}));
    server.get(Method::PATCH, &one, token, admin).await;
    assert_eq!(
        story.refused(Method::DELETE, &one, None).await,
        (403, "not_allowed".to_owned())
    );
    // Whoever administers no more is signed out everywhere, and the keys that they made are over.
    let less = Some(json!({"admin": false}));
    let member = server.sign_in("member@example.org").await;
    server
        .get(Method::PATCH, &owner, Some(&member.token), less)
        .await;
    assert_eq!(socket.closed().await, "signed_out");
    assert_eq!(
        story.refused(Method::GET, "/v1/members", None).await,
        (401, "signed_out".to_owned())
    );
    let gone = server
        .call(Method::DELETE, &owner, Some(&member.token), None)
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        server
            .call(Method::GET, &owner, Some(&member.token), None)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn settings_links_and_the_trail_are_those_of_the_app() {
    let story = Story::begin().await;
    let room = story
        .done(Method::POST, "/v1/rooms", Some(json!({"title": "Viewing"})))
        .await;
    let room = format!("/v1/rooms/{}", text(&room, "id"));
    let settings = format!("{room}/settings");
    let choice = |value: &str| Some(json!({"key": "sign_in", "value": value}));
    let set = story
        .done(Method::PATCH, &settings, choice("guests_may_knock"))
        .await;
    assert_eq!(
        (&set["value"], &set["level"]),
        (&json!("guests_may_knock"), &json!("room"))
    );
    for (body, code) in [
        (
            json!({"key": "sign_in", "value": "never"}),
            (422, "invalid_value"),
        ),
        (
            json!({"key": "nothing", "value": "never"}),
            (422, "invalid_value"),
        ),
        (
            json!({"key": "max_participants", "value": "thousand"}),
            (403, "not_allowed"),
        ),
    ] {
        let refused = story.refused(Method::PATCH, &settings, Some(body)).await;
        assert_eq!(refused, (code.0, code.1.to_owned()));
    }
    // What the organisation locks no room and no key chooses.
    let locked = json!({"key": "sign_in", "value": "required", "locked": true});
    story
        .done(Method::PATCH, "/v1/organisation/settings", Some(locked))
        .await;
    let seen = story.done(Method::GET, &settings, None).await;
    let sign_in = seen["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["key"] == "sign_in")
        .unwrap()
        .clone();
    assert_eq!(
        (&sign_in["value"], &sign_in["locked"]),
        (&json!("required"), &json!(true))
    );
    assert_eq!(
        story
            .refused(Method::PATCH, &settings, choice("guests_may_knock"))
            .await
            .0,
        403
    );
    let all = story.done(Method::GET, "/v1/organisation", None).await;
    assert_eq!(all["two_person_admission"], false);

    // A password is renewed once for each time that it was seen.
    let password = format!("{room}/password");
    let before = story.done(Method::GET, &password, None).await;
    let renew = || Some(json!({"revision": before["revision"]}));
    let after = story.done(Method::POST, &password, renew()).await;
    assert_ne!(before["password"], after["password"]);
    assert_eq!(
        story.refused(Method::POST, &password, renew()).await,
        (409, "stale".to_owned())
    );

    // Links for guests.
    let links = format!("{room}/guest-links");
    let link = json!({"label": "Tenant", "expires_in_hours": 2});
    let made = story.done(Method::POST, &links, Some(link)).await;
    let one = format!("{links}/{}", text(&made, "id"));
    assert!(text(&made, "path").starts_with("/g/"));
    let listed = story.done(Method::GET, &links, None).await;
    assert_eq!(
        (&listed["links"][0]["label"], &listed["links"][0]["revoked"]),
        (&json!("Tenant"), &Value::Null)
    );
    story.done(Method::DELETE, &one, None).await;
    assert_ne!(
        story.done(Method::GET, &links, None).await["links"][0]["revoked"],
        Value::Null
    );
    let nowhere = format!("/v1/rooms/{}", "a".repeat(26));
    for path in ["settings", "password", "guest-links", "session"] {
        let refused = story
            .refused(Method::GET, &format!("{nowhere}/{path}"), None)
            .await;
        assert_eq!(refused, (404, "not_found".to_owned()), "{path}");
    }

    // The trail, in pages, each row once, as the filters say.
    let (mut rows, mut path) = (Vec::new(), "/v1/audit?limit=2&verdict=permitted".to_owned());
    loop {
        let page = story.done(Method::GET, &path, None).await;
        let some = page["rows"].as_array().unwrap();
        assert!(some.len() <= 2);
        rows.extend(some.clone());
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        path = format!("/v1/audit?limit=2&verdict=permitted&before={next}");
    }
    let mut numbers: Vec<_> = rows
        .iter()
        .map(|row| row["seq"].as_u64().unwrap())
        .collect();
    let all = numbers.len();
    numbers.dedup();
    assert!(
        all >= 8 && numbers.len() == all && numbers.is_sorted_by(|one, two| one > two),
        "{rows:?}"
    );
    assert!(rows.iter().all(|row| row["verdict"] == "permitted"));
    let only = story
        .done(Method::GET, "/v1/audit?action=create_room", None)
        .await;
    assert_eq!(only["rows"].as_array().map(Vec::len), Some(1), "{only}");
    for query in [
        "verdict=perhaps",
        "limit=0",
        "limit=201",
        "before=-1",
        "actor=nobody",
        "limit=1&limit=1",
        "sort=up",
    ] {
        let refused = story
            .refused(Method::GET, &format!("/v1/audit?{query}"), None)
            .await;
        assert_eq!(refused, (400, "bad_request".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn keys_are_made_listed_and_taken_back_on_the_command_line() {
    let server = Server::start().await;
    let owner = server.owner().await;
    server.member(&owner, "member@example.org", "Member").await;
    let data = server.data.clone();
    let run = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_conclave"))
            .arg("api-keys")
            .args(words)
            .arg("--data")
            .arg(data.path())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said.trim().to_owned())
    };
    let owners = ["--admin", "owner@example.org"];
    let wanted = ["--name", "Booking", "--scope", "rooms:read", "--days", "2"];
    let make = |admin: &[&str]| run(&[&["create"], admin, &wanted[..]].concat());
    let (made, said) = make(&owners);
    assert!(!made && said.contains("a server runs"), "{said}");
    assert_eq!(run(&["list"]), (true, "there are no keys".to_owned()));
    assert!(server.stop().await.success());

    let (made, said) = make(&["--admin", "member@example.org"]);
    assert!(!made && said.contains("administers"), "{said}");
    let (made, said) = run(&[
        "create",
        "--admin",
        "owner@example.org",
        "--name",
        "X",
        "--scope",
        "all",
    ]);
    assert!(!made && said.contains("no scope"), "{said}");
    let (made, key) = make(&owners);
    assert!(made && key.starts_with("ck_"), "{key}");
    let server = Server::start_with(data.clone(), &[]).await;
    let asked = server
        .call(Method::GET, "/v1/rooms", Some(&key), None)
        .await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let (_, listed) = run(&["list"]);
    assert!(
        listed.contains("(rooms:read) Booking") && !listed.contains(&key),
        "{listed}"
    );
    assert!(server.stop().await.success());
    let id = listed.split(' ').next().unwrap();
    let revoke = || run(&[&["revoke"], &owners[..], &[id]].concat());
    let (gone, said) = revoke();
    assert!(gone, "{said}");
    let (again, said) = revoke();
    assert!(!again && said.contains("no key"), "{said}");
    let server = Server::start_with(data.clone(), &[]).await;
    let asked = server
        .call(Method::GET, "/v1/rooms", Some(&key), None)
        .await;
    assert_eq!(asked.code(), "signed_out");
}
