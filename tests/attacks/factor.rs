//! Attacks on an organisation that asks for second factors: by whoever has a session of the owner that showed none, as somebody has
//! who guessed the password or found an open browser.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::server::{Person, Room, Server};
use crate::common::text;
use crate::passkey::{Passkey, ask_for_factors, begin, finish};
use crate::trail::Trail;

const QUIET: Duration = Duration::from_millis(300);
const LACKS: &str = "second_factor_required";

/// The owner with a factor shown, and a session of theirs without.
async fn asked_for(server: &Server) -> (Person, Person, Passkey) {
    let owner = server.owner().await;
    let stolen = server.sign_in("owner@example.org").await;
    let mut passkey = Passkey::of(server, &owner, 1).await;
    let me = passkey.show(server, &owner).await;
    assert_eq!(me.body["second_factor"], "shown", "{}", me.body);
    let set = ask_for_factors(server, &owner, true).await;
    assert_eq!(set.body["require_second_factor"], true, "{}", set.body);
    (owner, stolen, passkey)
}

/// Everything that only who leads a meeting may ask for.
fn controls(target: &str, knock: &str) -> Vec<Value> {
    let aimed = |kind: &str| json!({"type": kind, "participant": target});
    let mut all: Vec<Value> = [
        "mute",
        "pause_video",
        "stop_share",
        "remove",
        "send_back",
        "transfer_ownership",
        "spotlight",
    ]
    .map(aimed)
    .into();
    for source in ["microphone", "camera", "screen"] {
        for allowed in [true, false] {
            all.push(json!({"type": "allow", "participant": target, "source": source, "allowed": allowed}));
        }
    }
    for role in ["host", "presenter", "attendee", "observer"] {
        all.push(json!({"type": "set_role", "participant": target, "role": role}));
    }
    all.extend([
        json!({"type": "remove", "participant": target, "bar": true}),
        json!({"type": "admit", "knock": knock, "version": 1}),
        json!({"type": "deny", "knock": knock}),
        json!({"type": "admit_many", "knocks": [{"knock": knock, "version": 1}]}),
        json!({"type": "deny_many", "knocks": [knock]}),
        json!({"type": "deny_all"}),
        json!({"type": "message_waiting", "text": "Come in"}),
        json!({"type": "lobby", "limit": 10}),
        json!({"type": "mute_all"}),
        json!({"type": "stop_all_shares"}),
        json!({"type": "suspend"}),
        json!({"type": "lift_suspension"}),
        json!({"type": "lock", "locked": true}),
        json!({"type": "lock", "locked": false}),
        json!({"type": "bars"}),
        json!({"type": "set_setting", "key": "waiting_room", "value": "nobody"}),
        json!({"type": "apply_preset", "preset": "webinar"}),
        json!({"type": "chat", "text": "Trust me", "ref": "1"}),
        json!({"type": "publish", "source": "screen", "on": true}),
        json!({"type": "stats"}),
        json!({"type": "quality"}),
        json!({"type": "end"}),
    ]);
    all
}

/// Everything that changes a room, or shows what only who leads it may see, from outside of the meeting.
fn changes(room: &Room) -> Vec<(Method, String, Option<Value>)> {
    let at = |path: &str| format!("/api/rooms/{}{path}", room.id);
    let link = json!({"label": "the auditor", "expires_in_hours": 1});
    vec![
        (Method::GET, at(""), None),
        (Method::GET, at("/settings"), None),
        (
            Method::PATCH,
            at("/settings"),
            Some(json!({"key": "waiting_room", "value": "nobody"})),
        ),
        (
            Method::POST,
            at("/preset"),
            Some(json!({"preset": "webinar"})),
        ),
        (Method::GET, at("/password"), None),
        (Method::POST, at("/password"), Some(json!({}))),
        (Method::GET, at("/guest-links"), None),
        (Method::POST, at("/guest-links"), Some(link)),
        (Method::GET, at("/audit"), None),
        (Method::GET, at("/transcripts"), None),
        (Method::DELETE, at(""), None),
    ]
}

/// Everything of the organisation.
fn organisation() -> Vec<(Method, &'static str, Option<Value>)> {
    let setting = json!({"key": "waiting_room", "value": "nobody", "locked": false});
    let key = json!({"name": "Mine", "scopes": ["rooms:write"], "expires_in_days": 1});
    let invitation = json!({"kind": "member", "may_create_rooms": true});
    let off = json!({"require_second_factor": false});
    let both = json!({"two_person_admission": false, "require_second_factor": false});
    vec![
        (Method::GET, "/api/organisation/settings", None),
        (Method::PATCH, "/api/organisation/settings", Some(setting)),
        (
            Method::PATCH,
            "/api/organisation/options",
            Some(off.clone()),
        ),
        (Method::PATCH, "/api/organisation/options", Some(both)),
        (Method::PATCH, "/v1/organisation/options", Some(off)),
        (Method::GET, "/v1/organisation", None),
        (Method::GET, "/api/organisation/audit", None),
        (Method::DELETE, "/api/organisation/sessions", None),
        (Method::POST, "/api/invitations", Some(invitation)),
        (Method::GET, "/v1/members", None),
        (Method::GET, "/v1/api-keys", None),
        (Method::POST, "/v1/api-keys", Some(key)),
        (Method::GET, "/v1/webhooks", None),
        (Method::GET, "/v1/embedding/origins", None),
        (Method::GET, "/v1/providers", None),
    ]
}

#[tokio::test]
async fn f01_an_owner_with_only_a_password_leads_and_changes_nothing() {
    let server = Server::start().await;
    let (owner, stolen, _) = asked_for(&server).await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let late = server.member(&owner, "late@example.org", "Late").await;
    let (mut target, view) = server.admit(&mut host, &member, &room).await;
    let target_id = text(&view["room"], "you");
    let mut waits = server.join(&late, &room).await;
    waits.next("waiting").await;
    let knock = text(&host.event("knocked").await["knock"], "knock");
    host.send(json!({"type": "leave"})).await;
    assert_eq!(host.closed().await, "left");
    let (mut attacker, view) = server.enter(&stolen, &room).await;
    assert_eq!(view["room"]["lacks_factor"], true);
    attacker.hush(QUIET).await;
    target.hush(QUIET).await;

    let all = controls(&target_id, &knock);
    for request in &all {
        assert_eq!(attacker.refused(request.clone()).await, LACKS, "{request}");
    }
    let token = Some(stolen.token.as_str());
    let outside = changes(&room);
    for (method, path, body) in &outside {
        let answer = server.call(method.clone(), path, token, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, LACKS),
            "{method} {path}: {}",
            answer.body
        );
    }
    for (method, path, body) in organisation() {
        let answer = server.call(method.clone(), path, token, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, LACKS),
            "{method} {path}: {}",
            answer.body
        );
    }
    // Nobody saw a thing, nothing is otherwise, and the one who waits waits.
    assert!(target.silent(QUIET).await, "something changed");
    assert!(waits.silent(QUIET).await, "who waits learnt something");
    attacker.send(json!({"type": "leave"})).await;
    assert_eq!(attacker.closed().await, "left");
    let (_again, view) = server.enter(&owner, &room).await;
    assert_eq!(view["room"]["knocks"][0]["knock"], knock);
    let trail = Trail::of(server).await;
    assert!(trail.denied(&stolen.id, "lock") >= 1 && trail.denied(&stolen.id, "admit") >= 1);
    assert!(trail.denied(&stolen.id, "change_factor_option") >= 2);
    println!(
        "figure f01.refused {} requests",
        all.len() + outside.len() + organisation().len()
    );
}

#[tokio::test]
async fn f02_a_factor_is_shown_by_its_own_account_in_its_own_session_once() {
    let server = Server::start().await;
    let (owner, stolen, mut passkey) = asked_for(&server).await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let mut other = Passkey::of(&server, &member, 2).await;
    let refused = |answer: &crate::common::server::Answer| {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "passkey_refused")
        );
    };
    // A passkey of somebody else.
    let ceremony = begin(&server, &stolen).await.body;
    refused(&finish(&server, &stolen, other.answer(&ceremony)).await);
    // A ceremony of another session: that of the owner, brought by the thief.
    let ceremony = begin(&server, &owner).await.body;
    let theirs = passkey.answer(&ceremony);
    refused(&finish(&server, &stolen, theirs.clone()).await);
    // It is over with that, for the owner as well.
    refused(&finish(&server, &owner, theirs).await);
    // A ceremony for something else: proving once more that one is there.
    let token = Some(owner.token.as_str());
    let ceremony = server
        .get(Method::POST, "/api/again/passkey", token, None)
        .await;
    refused(&finish(&server, &owner, passkey.answer(&ceremony)).await);
    // And what was begun here proves nothing there.
    let ceremony = begin(&server, &owner).await.body;
    let body = passkey.answer(&ceremony);
    let again = server
        .call(Method::POST, "/api/again", token, Some(body))
        .await;
    refused(&again);
    // One that is signed rightly, and not twice.
    let ceremony = begin(&server, &owner).await.body;
    let body = passkey.answer(&ceremony);
    let shown = finish(&server, &owner, body.clone()).await;
    assert_eq!(shown.body["second_factor"], "shown");
    refused(&finish(&server, &owner, body).await);
    // None of it helped the thief.
    let token = Some(stolen.token.as_str());
    let me = server.get(Method::GET, "/api/me", token, None).await;
    assert_eq!(me["second_factor"], "missing");
    assert_eq!(ask_for_factors(&server, &stolen, false).await.code(), LACKS);
}

#[tokio::test]
async fn f04_who_showed_no_factor_makes_none_for_an_account_that_has_one() {
    let server = Server::start().await;
    let (owner, stolen, _) = asked_for(&server).await;
    let token = Some(stolen.token.as_str());
    // The session is of this minute: nothing more is asked to prove that its holder is there.
    let mine = Passkey::try_of(&server, &stolen, 3).await;
    assert_eq!(mine.err().as_deref(), Some(LACKS));
    let path = "/api/recovery-codes";
    let codes = server.call(Method::POST, path, token, None).await;
    assert_eq!(codes.code(), LACKS, "{}", codes.body);
    let token = Some(owner.token.as_str());
    let list = server.get(Method::GET, "/api/passkeys", token, None).await;
    assert_eq!(list["passkeys"].as_array().unwrap().len(), 1);
    let theirs = text(&list["passkeys"][0], "id");
    let path = format!("/api/passkeys/{theirs}");
    let token = Some(stolen.token.as_str());
    let gone = server.call(Method::DELETE, &path, token, None).await;
    assert_eq!(gone.code(), LACKS, "{}", gone.body);
    // Whoever has shown one does all of it.
    Passkey::of(&server, &owner, 4).await;
}

#[tokio::test]
async fn f03_who_leads_nothing_is_not_told_of_a_factor() {
    let server = Server::start().await;
    let (owner, _, _) = asked_for(&server).await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let guest = server.guest(&room.id, "Visitor").await;
    for person in [&member, &guest] {
        let (mut socket, view) = server.admit(&mut host, person, &room).await;
        assert!(view["room"].get("lacks_factor").is_none());
        let code = socket
            .refused(json!({"type": "lock", "locked": true}))
            .await;
        assert_eq!(code, "not_allowed");
    }
    let token = Some(member.token.as_str());
    for (method, path, body) in changes(&room) {
        let answer = server.call(method, &path, token, body).await;
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    for (method, path, body) in organisation() {
        let answer = server.call(method, path, token, body).await;
        assert_ne!(answer.code(), LACKS, "{path}");
        assert!(!answer.status.is_success(), "{path}");
    }
}
