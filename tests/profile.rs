//! The story of names and pictures: what people come with, what they ask to show instead, and who decides. Over the real
//! interfaces, without media.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use std::io::Cursor;

use common::server::{Answer, Person, Server};
use common::text;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A picture of one colour.
fn picture(colour: [u8; 3]) -> Vec<u8> {
    let picture = DynamicImage::from(RgbImage::from_pixel(300, 200, Rgb(colour)));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn upload(server: &Server, person: &Person, bytes: Vec<u8>) -> String {
    let request = server
        .http
        .put(server.url("/api/picture"))
        .bearer_auth(&person.token)
        .body(bytes);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    text(&answer.body, "picture")
}

async fn edit(server: &Server, person: &Person, change: Value) -> Value {
    server
        .get(Method::PATCH, "/api/me", Some(&person.token), Some(change))
        .await
}

/// The line of the one who received this view, or of another participant.
fn line<'a>(view: &'a Value, participant: &str) -> &'a Value {
    let lines = view["room"]["participants"].as_array().unwrap();
    lines
        .iter()
        .find(|line| line["participant"] == participant)
        .unwrap_or_else(|| panic!("no {participant} in {view}"))
}

#[tokio::test]
async fn a_new_name_and_picture_show_when_a_host_has_approved_them() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    let me = text(&view["room"], "you");
    assert_eq!(line(&view, &me)["picture"], Value::Null);
    host.event("participant_joined").await;

    let mine = upload(&server, &member, picture([200, 0, 0])).await;
    let held = guest
        .ok(json!({"type": "change_profile", "name": " The  0wner ", "picture": mine}))
        .await;
    assert_eq!(held, json!({"type": "held", "version": 1}));
    let pending = host.event("profile_pending").await;
    assert_eq!(pending["old"], json!({"name": "Member", "picture": null}));
    assert_eq!(
        pending["new"],
        json!({"name": "The 0wner", "picture": mine})
    );
    assert_eq!(
        pending["warnings"],
        json!([{"kind": "resembles_host", "name": "The Owner"}, {"kind": "normalised"}])
    );
    // A part of it is asked for anew; the other stays asked for. The first version can no longer be approved.
    guest
        .ok(json!({"type": "change_profile", "name": "Minister"}))
        .await;
    let decide = |version: u32| json!({"type": "decide_profile", "participant": me, "version": version, "approve": true});
    assert_eq!(host.refused(decide(1)).await, "stale");
    let pending = host.event("profile_pending").await;
    assert_eq!(pending["new"], json!({"name": "Minister", "picture": mine}));
    host.ok(decide(2)).await;
    let told = guest.event("done_to_you").await;
    assert_eq!(
        (told["what"]["act"].as_str(), told["by"].as_str()),
        (Some("profile_approved"), Some("The Owner"))
    );
    host.event("profile_gone").await;
    for socket in [&mut host, &mut guest] {
        let line = socket.event("participant_changed").await["participant"].clone();
        assert_eq!(
            (line["name"].as_str(), line["picture"].as_str()),
            (Some("Minister"), Some(mine.as_str()))
        );
    }
    // It was approved for this meeting; the account goes by its own name.
    let account = server
        .get(Method::GET, "/api/me", Some(&member.token), None)
        .await;
    assert_eq!(account["name"], "Member");
}

#[tokio::test]
async fn a_refused_name_is_gone_and_the_old_one_stays() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    let me = text(&view["room"], "you");
    guest
        .ok(json!({"type": "change_profile", "name": "Minister"}))
        .await;
    host.event("profile_pending").await;
    // Who is no moderator decides nothing, least of all about themselves.
    let decide =
        json!({"type": "decide_profile", "participant": me, "version": 1, "approve": true});
    assert_eq!(guest.refused(decide.clone()).await, "not_allowed");
    host.ok(json!({"type": "decide_profile", "participant": me, "version": 1, "approve": false}))
        .await;
    let told = guest.event("done_to_you").await;
    assert_eq!(told["what"]["act"], "profile_refused");
    assert_eq!(host.refused(decide).await, "not_found");
    let third = server.member(&owner, "third@example.org", "Third").await;
    let (_, view) = server.admit(&mut host, &third, &room).await;
    assert_eq!(line(&view, &me)["name"], "Member");
}

#[tokio::test]
async fn a_host_asks_another_moderator_and_the_owner_nobody() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut chair, view) = server.enter(&owner, &room).await;
    let owner_id = text(&view["room"], "you");
    let (mut host, view) = server.admit(&mut chair, &member, &room).await;
    let host_id = text(&view["room"], "you");
    chair
        .ok(json!({"type": "set_role", "participant": host_id, "role": "host"}))
        .await;
    let done = chair
        .ok(json!({"type": "change_profile", "name": "Chair"}))
        .await;
    assert_eq!(done, json!({"type": "done"}));
    let seen = loop {
        let line = host.event("participant_changed").await["participant"].clone();
        if line["participant"] == owner_id.as_str() {
            break line;
        }
    };
    assert_eq!(seen["name"], "Chair");
    host.ok(json!({"type": "change_profile", "name": "Vice"}))
        .await;
    let decide =
        json!({"type": "decide_profile", "participant": host_id, "version": 1, "approve": true});
    assert_eq!(host.refused(decide.clone()).await, "not_allowed");
    chair.ok(decide).await;
}

#[tokio::test]
async fn where_changes_are_free_they_show_at_once() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    host.event("participant_joined").await;
    let setting = host
        .ok(json!({"type": "set_setting", "key": "profile_change", "value": "free"}))
        .await;
    assert_eq!(setting["type"], "done");
    assert_eq!(
        guest.event("setting_changed").await["setting"]["built"],
        true
    );
    let done = guest
        .ok(json!({"type": "change_profile", "name": "Minister"}))
        .await;
    assert_eq!(done, json!({"type": "done"}));
    let changed = host.event("participant_changed").await;
    assert_eq!(changed["participant"]["name"], "Minister");
}

#[tokio::test]
async fn who_becomes_a_host_sees_what_is_to_be_decided() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, beta) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "beta@example.org", "Beta").await,
    );
    let room = server.room(&owner, "Board").await;
    let (mut chair, view) = server.enter(&owner, &room).await;
    assert_eq!(view["room"]["pending_profiles"], json!([]));
    let (mut first, _) = server.admit(&mut chair, &alpha, &room).await;
    let (mut second, view) = server.admit(&mut chair, &beta, &room).await;
    first
        .ok(json!({"type": "change_profile", "name": "Alfa"}))
        .await;
    chair
        .ok(json!({"type": "set_role", "participant": view["room"]["you"], "role": "host"}))
        .await;
    assert_eq!(second.event("profile_pending").await["new"]["name"], "Alfa");
    first.send(json!({"type": "leave"})).await;
    second.event("profile_gone").await;
}

#[tokio::test]
async fn a_picture_is_seen_at_the_door_and_in_the_room() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let visitor = server.guest(&room.id, "Visitor").await;
    let theirs = upload(&server, &visitor, picture([0, 0, 200])).await;
    let me = edit(&server, &visitor, json!({"picture": theirs})).await;
    assert_eq!(me["picture"], theirs.as_str());
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut outside = server.join(&visitor, &room).await;
    let knock = host.event("knocked").await["knock"].clone();
    assert_eq!(knock["picture"], theirs.as_str());
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    outside.next("admitted").await;
    let joined = host.event("participant_joined").await;
    assert_eq!(joined["participant"]["picture"], theirs.as_str());

    let path = format!("/api/pictures/{theirs}");
    let seen = server
        .call(Method::GET, &path, Some(&owner.token), None)
        .await;
    assert_eq!(seen.status, StatusCode::OK);
    let drawn = image::load_from_memory_with_format(&seen.bytes, ImageFormat::Jpeg).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (256, 256));
}
