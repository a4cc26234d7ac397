//! An organisation that asks for second factors, on a real server with people in the meeting: who leads without one comes in, is told
//! what is missing and leads nothing, until they show it where they are.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "common/passkey.rs"]
mod passkey;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use common::text;
use passkey::{Passkey, ask_for_factors};

const QUIET: Duration = Duration::from_millis(300);
const LACKS: &str = "second_factor_required";

/// A server whose owner is signed in twice: once with a second factor shown, and once with the password alone.
struct Story {
    server: Server,
    shown: Person,
    bare: Person,
    passkey: Passkey,
}

impl Story {
    async fn begin() -> Self {
        let server = Server::start().await;
        let shown = server.owner().await;
        let bare = server.sign_in("owner@example.org").await;
        let mut passkey = Passkey::of(&server, &shown, 1).await;
        let me = passkey.show(&server, &shown).await;
        assert_eq!(me.body["second_factor"], "shown", "{}", me.body);
        Self {
            server,
            shown,
            bare,
            passkey,
        }
    }

    async fn ask_for_factors(&self, on: bool) {
        let set = ask_for_factors(&self.server, &self.shown, on).await;
        assert_eq!(set.body["require_second_factor"], on, "{}", set.body);
    }

    async fn me(&self, person: &Person) -> Value {
        let token = Some(person.token.as_str());
        self.server.get(Method::GET, "/api/me", token, None).await["second_factor"].clone()
    }

    /// Two hosts in a room: the owner with the factor, and a member without.
    async fn hosts(&self, room: &Room) -> (Socket, Person, Socket) {
        let second = self
            .server
            .member(&self.shown, "second@example.org", "Second")
            .await;
        let (mut owner, _) = self.server.enter(&self.shown, room).await;
        let (mut socket, view) = self.server.admit(&mut owner, &second, room).await;
        let id = text(&view["room"], "you");
        let make = json!({"type": "set_role", "participant": id, "role": "host"});
        owner.ok(make).await;
        socket.event("done_to_you").await;
        (owner, second, socket)
    }

    /// Someone who waits, and their knock as a host sees it.
    async fn knock(&self, host: &mut Socket, room: &Room, name: &str) -> (Socket, Value) {
        let email = format!("{name}@example.org");
        let member = self.server.member(&self.shown, &email, name).await;
        let mut waits = self.server.join(&member, room).await;
        waits.next("waiting").await;
        (waits, host.event("knocked").await["knock"].clone())
    }
}

fn admit(knock: &Value) -> Value {
    json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]})
}

fn lock(locked: bool) -> Value {
    json!({"type": "lock", "locked": locked})
}

#[tokio::test]
async fn nobody_is_asked_at_first_and_only_who_showed_one_asks_others() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let token = Some(owner.token.as_str());
    let shown = server
        .get(Method::GET, "/api/organisation/settings", token, None)
        .await;
    assert_eq!(shown["require_second_factor"], false);
    let refused = ask_for_factors(&server, &owner, true).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, LACKS));
    // Another option is not hindered by it, and leaves this one as it is.
    let (path, both) = (
        "/api/organisation/options",
        json!({"two_person_admission": true}),
    );
    let set = server.get(Method::PATCH, path, token, Some(both)).await;
    assert_eq!(
        set,
        json!({"two_person_admission": true, "require_second_factor": false})
    );
    let nothing = server
        .call(Method::PATCH, path, token, Some(json!({})))
        .await;
    assert_eq!(nothing.code(), "bad_request");
    let mut passkey = Passkey::of(&server, &owner, 1).await;
    assert_eq!(
        passkey.show(&server, &owner).await.body["second_factor"],
        "shown"
    );
    let set = ask_for_factors(&server, &owner, true).await;
    assert_eq!(set.body["require_second_factor"], true);
    assert_eq!(set.body["two_person_admission"], true);
    let shown = server
        .get(Method::GET, "/v1/organisation", token, None)
        .await;
    assert_eq!(shown["require_second_factor"], true);
    let path = "/api/organisation/audit?action=change_factor_option";
    let rows = server.get(Method::GET, path, token, None).await;
    assert_eq!(rows["rows"][0]["detail"], "require_second_factor=on");
}

#[tokio::test]
async fn turned_on_during_a_meeting_it_cuts_what_a_host_without_led_until_they_show_it() {
    let story = Story::begin().await;
    let room = story.server.room(&story.shown, "Board").await;
    let (mut owner, second, mut host) = story.hosts(&room).await;
    let share = json!({"type": "publish", "source": "screen", "on": true});
    host.ok(share.clone()).await;
    let (mut waits, knock) = story.knock(&mut host, &room, "waiting").await;
    assert_eq!(story.me(&second).await, "not_asked");
    owner.hush(QUIET).await;
    host.hush(QUIET).await;

    story.ask_for_factors(true).await;
    assert_eq!(host.event("second_factor").await["missing"], true);
    assert!(host.event("lobby").await.get("knocks").is_none());
    // Everyone sees that the host may not share any more, and nothing of why.
    let line = owner.event("participant_changed").await["participant"].clone();
    assert_eq!(line["sources"]["screen"], "not_allowed");
    assert_eq!(line["sources"]["microphone"], "off");
    assert_eq!(line["role"], "host");
    for request in [lock(true), admit(&knock), share.clone()] {
        assert_eq!(host.refused(request.clone()).await, LACKS, "{request}");
    }
    assert_eq!(story.me(&second).await, "missing");
    // Whoever has shown theirs is not touched.
    owner.ok(lock(true)).await;
    owner.ok(lock(false)).await;

    let mut passkey = Passkey::of(&story.server, &second, 2).await;
    assert_eq!(host.refused(lock(true)).await, LACKS, "one more to have");
    let me = passkey.show(&story.server, &second).await;
    assert_eq!(me.body["second_factor"], "shown");
    assert_eq!(host.event("second_factor").await["missing"], false);
    let lobby = host.event("lobby").await;
    assert_eq!(lobby["knocks"][0]["knock"], knock["knock"]);
    host.ok(lock(true)).await;
    host.ok(admit(&knock)).await;
    waits.next("admitted").await;
    host.ok(share).await;
    assert_eq!(story.me(&second).await, "shown");

    // Turned off again nobody lacks anything.
    owner.send(json!({"type": "leave"})).await;
    assert_eq!(owner.closed().await, "left");
    let (mut bare, view) = story.server.enter(&story.bare, &room).await;
    assert_eq!(view["room"]["lacks_factor"], true);
    assert_eq!(bare.refused(lock(false)).await, LACKS);
    story.ask_for_factors(false).await;
    assert_eq!(bare.event("second_factor").await["missing"], false);
    bare.ok(lock(false)).await;
}

#[tokio::test]
async fn a_host_without_is_no_host_for_a_room_that_waits_for_one() {
    let mut story = Story::begin().await;
    let room = story.server.room(&story.shown, "Board").await;
    story
        .server
        .set(&story.shown, &room, "waiting_room", "guests_only")
        .await;
    story.ask_for_factors(true).await;
    let (mut bare, view) = story.server.enter(&story.bare, &room).await;
    assert_eq!(view["room"]["lacks_factor"], true);
    assert!(view["room"].get("knocks").is_none() && view["room"].get("lobby").is_none());
    let member = story
        .server
        .member(&story.shown, "member@example.org", "Member")
        .await;
    let mut waits = story.server.join(&member, &room).await;
    waits.next("waiting").await;
    let many = json!({"type": "lobby", "limit": 10});
    assert_eq!(bare.refused(many.clone()).await, LACKS);

    let me = story.passkey.show(&story.server, &story.bare).await;
    assert_eq!(me.body["second_factor"], "shown");
    assert_eq!(bare.event("second_factor").await["missing"], false);
    assert_eq!(bare.ok(many).await["waiting"], 1);
    let other = story
        .server
        .member(&story.shown, "other@example.org", "Other")
        .await;
    story.server.enter(&other, &room).await;
}

#[tokio::test]
async fn a_host_without_is_no_second_person_where_two_must_agree() {
    let story = Story::begin().await;
    let room = story.server.room(&story.shown, "Board").await;
    let (mut owner, second, mut host) = story.hosts(&room).await;
    let token = Some(story.shown.token.as_str());
    let body = json!({"two_person_admission": true});
    let path = "/api/organisation/options";
    story
        .server
        .get(Method::PATCH, path, token, Some(body))
        .await;
    let (mut waits, knock) = story.knock(&mut owner, &room, "early").await;
    // Agreed while nobody asked for more: it counts no longer.
    host.ok(admit(&knock)).await;
    story.ask_for_factors(true).await;
    owner.ok(admit(&knock)).await;
    let many = json!({"type": "lobby", "limit": 10});
    let still = owner.ok(many).await;
    assert_eq!(still["knocks"][0]["agreed_by"], "The Owner");
    assert_eq!(host.refused(admit(&knock)).await, LACKS);
    let mut passkey = Passkey::of(&story.server, &second, 2).await;
    passkey.show(&story.server, &second).await;
    host.event("second_factor").await;
    host.ok(admit(&knock)).await;
    waits.next("admitted").await;
}

#[tokio::test]
async fn programs_and_those_whom_they_bring_are_asked_for_none() {
    let story = Story::begin().await;
    let (server, token) = (&story.server, Some(story.shown.token.as_str()));
    let scopes = json!([
        "organisation:read",
        "organisation:write",
        "sessions:control"
    ]);
    let body = json!({"name": "Booking", "scopes": scopes, "expires_in_days": 1});
    let made = server
        .call(Method::POST, "/v1/api-keys", token, Some(body))
        .await;
    assert!(made.status.is_success(), "{}", made.body);
    let key = text(&made.body, "key");
    story.ask_for_factors(true).await;
    let room = server.room(&story.shown, "Board").await;
    let _in = server.enter(&story.shown, &room).await;
    let path = format!("/v1/rooms/{}/session/controls", room.id);
    let body = json!({"type": "lock"});
    server
        .get(Method::POST, &path, Some(&key), Some(body))
        .await;
    // What it may not do is not for want of a factor.
    let body = json!({"require_second_factor": false});
    let path = "/v1/organisation/options";
    let refused = server
        .call(Method::PATCH, path, Some(&key), Some(body))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "not_allowed")
    );
}

#[tokio::test]
async fn the_operator_stops_asking_where_every_factor_is_lost() {
    let story = Story::begin().await;
    story.ask_for_factors(true).await;
    let Story { server, bare, .. } = story;
    let data = server.data.clone();
    let off = |admin: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["accounts", "factor-off", "--admin", admin, "--data"])
            .arg(data.path())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    let (done, said) = off("owner@example.org");
    assert!(!done && said.contains("a server runs"), "{said}");
    assert!(server.stop().await.success());
    let (done, said) = off("nobody@example.org");
    assert!(!done && said.contains("no account"), "{said}");
    let (done, said) = off("owner@example.org");
    assert!(done, "{said}");
    let server = Server::start_with(data, &[]).await;
    let token = Some(bare.token.as_str());
    let shown = server
        .get(Method::GET, "/api/organisation/settings", token, None)
        .await;
    assert_eq!(shown["require_second_factor"], false);
    let path = "/api/organisation/audit?action=change_factor_option";
    let rows = server.get(Method::GET, path, token, None).await;
    assert_eq!(rows["rows"][0]["detail"], "require_second_factor=off");
}
