//! Streams over HTTP (WHIP and WHEP), well-behaved and not: a host's token lets one in, everything else waits, and no token does what
//! another is for.

use std::time::Duration;

use conclave_policy::source::Source;
use reqwest::Method;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, COOKIE, ETAG,
    IF_MATCH, LOCATION, ORIGIN, RETRY_AFTER,
};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::common::server::{Answer, Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::durable::hold_database;
use crate::media_client::{Script, UdpClient};
use crate::raw;

const SOON: Duration = Duration::from_secs(5);
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A server and a host in a room.
async fn hosted() -> (Server, Person, Room, Socket) {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (host, _) = server.enter(&owner, &room).await;
    (server, owner, room, host)
}

/// One request about a stream.
async fn stream(
    server: &Server,
    method: Method,
    path: &str,
    token: Option<&str>,
    more: &[(reqwest::header::HeaderName, &str)],
    body: &str,
) -> Answer {
    let mut request = server.http.request(method, server.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    for (name, value) in more {
        request = request.header(name, *value);
    }
    Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
}

async fn begin(server: &Server, path: &str, token: &str, offer: &str) -> Answer {
    let kind = [(CONTENT_TYPE, SDP)];
    stream(server, Method::POST, path, Some(token), &kind, offer).await
}

fn header(answer: &Answer, name: reqwest::header::HeaderName) -> String {
    let value = answer.headers.get(&name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.to_str().unwrap().to_owned()
}

/// An encoder: it sends sound and a picture, and receives nothing.
pub(crate) fn encoder() -> UdpClient {
    UdpClient::new(Script {
        sends: vec![Source::Microphone, Source::Camera],
        audio_slots: 0,
        video_slots: 0,
        ..Script::default()
    })
}

/// A player: it receives sound and two pictures.
fn player() -> UdpClient {
    UdpClient::new(Script {
        sends: Vec::new(),
        audio_slots: 1,
        video_slots: 2,
        ..Script::default()
    })
}

async fn with<T: Send + 'static>(
    mut media: UdpClient,
    act: impl FnOnce(&mut UdpClient) -> T + Send + 'static,
) -> (UdpClient, T) {
    let acted = tokio::task::spawn_blocking(move || {
        let came = act(&mut media);
        (media, came)
    });
    acted.await.unwrap()
}

/// Begins a stream, which must be let in, and gets its transport up.
pub(crate) async fn up(
    server: &Server,
    path: &str,
    token: &str,
    media: UdpClient,
) -> (UdpClient, Answer) {
    let answer = begin(server, path, token, &media.client.offer().sdp).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let sdp = String::from_utf8(answer.bytes.clone()).unwrap();
    let (media, up) = with(media, move |media| {
        media.answer(&sdp);
        media.connect(SOON)
    })
    .await;
    assert!(up, "no transport");
    (media, answer)
}

/// Makes one token.
async fn token(server: &Server, owner: &Person, room: &Room, body: Value) -> (String, String) {
    let path = format!("/api/rooms/{}/stream-tokens", room.id);
    let made = server
        .get(Method::POST, &path, Some(&owner.token), Some(body))
        .await;
    let one = &made["tokens"][0];
    (text(one, "id"), text(one, "token"))
}

pub(crate) async fn source_token(server: &Server, owner: &Person, room: &Room) -> (String, String) {
    let body = json!({"kind": "source", "label": "Stage camera", "expires_in_hours": 8});
    token(server, owner, room, body).await
}

pub(crate) async fn viewer_token(server: &Server, owner: &Person, room: &Room) -> (String, String) {
    let body = json!({"kind": "viewer", "label": "Foyer", "expires_in_hours": 8});
    token(server, owner, room, body).await
}

/// Lets an encoder send for a while; how many packets came to the player.
async fn play(
    encoder: UdpClient,
    player: UdpClient,
    rounds: usize,
) -> (UdpClient, UdpClient, usize) {
    let (player, before) = with(player, |player| {
        player.pump(Duration::from_millis(100));
        player.client.received.len()
    })
    .await;
    let sending = with(encoder, move |encoder| {
        for _ in 0..rounds {
            encoder.client.sound(Source::Microphone, 30);
            encoder.client.frame(Source::Camera, true);
            encoder.pump(Duration::from_millis(5));
        }
    });
    let wait = Duration::from_millis(200 + 6 * rounds as u64);
    let hearing = with(player, move |player| player.pump(wait));
    let ((encoder, ()), (player, ())) = tokio::join!(sending, hearing);
    let heard = player.client.received.len() - before;
    (encoder, player, heard)
}

async fn peers(server: &Server) -> u64 {
    server.metric("conclave_media_peers").await
}

/// The line of the roster with this name.
pub(crate) async fn joined(host: &mut Socket, name: &str) -> Value {
    loop {
        let line = host.event("participant_joined").await["participant"].clone();
        if line["name"] == name {
            return line;
        }
    }
}

#[tokio::test]
async fn a_named_source_flows_to_a_named_viewer_and_hosts_rule_over_both() {
    let (server, owner, room, mut host) = hosted().await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let (_, viewer) = viewer_token(&server, &owner, &room).await;

    let (camera, begun) = up(&server, "/whip", &source, encoder()).await;
    assert_eq!(header(&begun, CONTENT_TYPE), SDP);
    let place = header(&begun, LOCATION);
    assert!(place.starts_with(&format!("/whip/{}/", room.id)), "{place}");
    let line = joined(&mut host, "Stage camera").await;
    assert_eq!(
        (&line["role"], &line["stream"]),
        (&json!("ingress"), &json!("source"))
    );
    let stage = text(&line, "participant");
    let path = format!("/whep/{}", room.id);
    let (screen, seen) = up(&server, &path, &viewer, player()).await;
    let line = joined(&mut host, "Foyer").await;
    assert_eq!(
        (&line["role"], &line["stream"]),
        (&json!("observer"), &json!("viewer"))
    );
    let foyer = text(&line, "participant");

    let (camera, screen, heard) = play(camera, screen, 40).await;
    assert!(heard > 60, "{heard}");
    // The first picture stands in the first video section.
    assert!(!screen.client.on_slot("1").is_empty() && screen.client.on_slot("2").is_empty());

    // A host mutes it and pauses its picture: nothing comes any more, and giving the rights back starts nothing.
    host.ok(json!({"type": "mute", "participant": stage})).await;
    host.ok(json!({"type": "pause_video", "participant": stage}))
        .await;
    for source in ["microphone", "camera"] {
        let allow =
            json!({"type": "allow", "participant": stage, "source": source, "allowed": true});
        host.ok(allow).await;
    }
    let (camera, screen, heard) = play(camera, screen, 20).await;
    assert_eq!(heard, 0);
    // Beginning anew does.
    let ended = stream(&server, Method::DELETE, &place, Some(&source), &[], "").await;
    assert_eq!(ended.status, 200, "{ended:?}");
    host.event("participant_left").await;
    drop(camera);
    let (camera, begun) = up(&server, "/whip", &source, encoder()).await;
    let stage = text(&joined(&mut host, "Stage camera").await, "participant");
    let (_camera, _screen, heard) = play(camera, screen, 40).await;
    assert!(heard > 60, "{heard}");

    // Removed, both are out, and their tokens are worth nothing.
    for participant in [&stage, &foyer] {
        host.ok(json!({"type": "remove", "participant": participant}))
            .await;
    }
    assert_eq!(peers(&server).await, 0);
    let place = header(&begun, LOCATION);
    for (path, token) in [("/whip", &source), ("/whep", &viewer)] {
        let again = begin(&server, path, token, &encoder().client.offer().sdp).await;
        assert_eq!((again.status.as_u16(), again.code()), (401, "signed_out"));
    }
    let gone = stream(&server, Method::DELETE, &place, Some(&source), &[], "").await;
    assert_eq!(gone.status, 401);
    let gone = header(&seen, LOCATION);
    let gone = stream(&server, Method::DELETE, &gone, Some(&viewer), &[], "").await;
    assert_eq!(gone.status, 401);
}

#[tokio::test]
async fn w11_a_stream_without_a_hosts_token_waits_without_a_transport() {
    let (server, owner, room, mut host) = hosted().await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    // Even where nobody else waits.
    server.set(&owner, &room, "waiting_room", "nobody").await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let path = format!("/whip/{}", room.id);
    let offer = encoder().client.offer().sdp;

    // The owner's own session knocks as well.
    for person in [&member, &owner] {
        let first = begin(&server, &path, &person.token, &offer).await;
        assert_eq!((first.status.as_u16(), first.code()), (503, "waiting"));
        assert_eq!(header(&first, RETRY_AFTER), "5");
        let knock = host.event("knocked").await["knock"].clone();
        assert_eq!(
            (&knock["name"], &knock["stream"]),
            (&json!(person.name), &json!("source"))
        );
        // The same token is the same knock, and there is nothing to reach yet.
        for _ in 0..3 {
            let again = begin(&server, &path, &person.token, &offer).await;
            assert_eq!(again.bytes, first.bytes);
        }
        let lobby = host.ok(json!({"type": "lobby", "limit": 10})).await;
        assert_eq!(lobby["waiting"], 1, "{lobby}");
        assert_eq!(peers(&server).await, 0);

        host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
            .await;
        assert_eq!(peers(&server).await, 0, "an admission makes no transport");
        let line = joined(&mut host, &person.name).await;
        // Whoever is behind it leads nothing through it.
        assert_eq!(
            (&line["role"], &line["stream"]),
            (&json!("attendee"), &json!("source"))
        );
        let (_media, begun) = up(&server, &path, &person.token, encoder()).await;
        assert_eq!(peers(&server).await, 1);
        let second = begin(&server, &path, &person.token, &offer).await;
        assert_eq!(
            (second.status.as_u16(), second.code()),
            (409, "already_here")
        );
        let place = header(&begun, LOCATION);
        let ended = stream(
            &server,
            Method::DELETE,
            &place,
            Some(&person.token),
            &[],
            "",
        )
        .await;
        assert_eq!(ended.status, 200);
        assert_eq!(peers(&server).await, 0);
    }
}

#[tokio::test]
async fn w11_a_guests_stream_asks_first_and_once_denied_stays_out() {
    let (server, owner, room, mut host) = hosted().await;
    let guest = server.guest(&room.id, "Visitor").await;
    let path = format!("/whip/{}", room.id);
    let offer = encoder().client.offer().sdp;

    // Guests may not knock: the answer is that of a room which is not there.
    let here = begin(&server, &path, &guest.token, &offer).await;
    let nowhere = begin(
        &server,
        &format!("/whip/{}", "a".repeat(26)),
        &guest.token,
        &offer,
    )
    .await;
    assert_eq!((here.status.as_u16(), here.code()), (403, "cannot_join"));
    assert_eq!(here.bytes, nowhere.bytes);

    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let waits = begin(&server, &path, &guest.token, &offer).await;
    assert_eq!(waits.code(), "waiting");
    let knock = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    let line = joined(&mut host, "Visitor").await;
    assert_eq!(line["role"], "guest");
    // In, and still without the right to send: the hosts are asked, and there is no transport.
    let asks = begin(&server, &path, &guest.token, &offer).await;
    assert_eq!((asks.status.as_u16(), asks.code()), (503, "waiting"));
    assert_eq!(
        host.event("asked").await["participant"],
        line["participant"]
    );
    assert_eq!(peers(&server).await, 0);
    let allow = json!({"type": "allow", "participant": line["participant"], "source": "microphone", "allowed": true});
    host.ok(allow).await;
    let (media, _) = up(&server, &path, &guest.token, encoder()).await;
    let (viewer, token) = viewer_token(&server, &owner, &room).await;
    let (screen, _) = up(&server, "/whep", &token, player()).await;
    // Only what was allowed flows.
    let (_media, screen, heard) = play(media, screen, 40).await;
    assert!(heard > 20, "{heard}");
    assert!(screen.client.on_slot("1").is_empty());
    drop(viewer);

    let other = server.guest(&room.id, "Other").await;
    assert_eq!(
        begin(&server, &path, &other.token, &offer).await.code(),
        "waiting"
    );
    let knock = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "deny", "knock": knock["knock"]}))
        .await;
    for _ in 0..2 {
        let denied = begin(&server, &path, &other.token, &offer).await;
        assert_eq!((denied.status, &denied.bytes), (here.status, &here.bytes));
    }
    let lobby = host.ok(json!({"type": "lobby", "limit": 10})).await;
    assert_eq!(lobby["waiting"], 0);
}

#[tokio::test]
async fn t09_a_refusal_takes_as_long_for_any_room() {
    let (server, owner, room, _host) = hosted().await;
    let other = server.room(&owner, "Other").await;
    let (_, token) = source_token(&server, &owner, &room).await;
    let guest = server.guest(&room.id, "Visitor").await;
    let offer = encoder().client.offer().sdp;
    let nowhere = "a".repeat(26);
    let mut bodies = Vec::new();
    for (room, token) in [
        (&other.id, &token),
        (&nowhere, &token),
        (&other.id, &guest.token),
        (&nowhere, &guest.token),
        (&room.id, &guest.token),
    ] {
        let asked = raw::now();
        let answer = begin(&server, &format!("/whip/{room}"), token, &offer).await;
        let took = asked.elapsed();
        assert!(
            took >= Duration::from_millis(300) && took < Duration::from_millis(900),
            "{took:?}"
        );
        assert_eq!(answer.status, 403);
        bodies.push(answer.bytes);
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn t05_a_stream_token_does_nothing_but_its_stream() {
    let (server, owner, room, _host) = hosted().await;
    let other = server.room(&owner, "Other").await;
    let (id, source) = source_token(&server, &owner, &room).await;
    let (_, second) = source_token(&server, &owner, &room).await;
    let (_, viewer) = viewer_token(&server, &owner, &room).await;
    let offer = encoder().client.offer().sdp;

    // No session: neither the WebSocket nor the control plane.
    assert!(Socket::open(&server, Some(&source), None).await.is_err());
    for path in [
        "/api/me",
        "/api/rooms",
        &format!("/api/rooms/{}/stream-tokens", room.id),
    ] {
        let answer = server.call(Method::GET, path, Some(&source), None).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    // Of another room, for the other way, and by its public name.
    for (path, token, status) in [
        (format!("/whip/{}", other.id), &source, 403),
        (format!("/whep/{}", room.id), &source, 403),
        (format!("/whip/{}", room.id), &viewer, 403),
        (format!("/whip/{}", room.id), &id, 401),
    ] {
        let answer = begin(&server, &path, token, &offer).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    // The stream of another token is not there.
    let (media, begun) = up(&server, "/whip", &source, encoder()).await;
    let place = header(&begun, LOCATION);
    let tend = [(CONTENT_TYPE, FRAGMENT), (IF_MATCH, "*")];
    for token in [&second, &viewer, &owner.token] {
        let ended = stream(&server, Method::DELETE, &place, Some(token), &[], "").await;
        assert_eq!((ended.status.as_u16(), ended.code()), (404, "not_found"));
        let tended = stream(&server, Method::PATCH, &place, Some(token), &tend, "").await;
        assert_eq!(tended.status, 404);
    }
    let nobody = stream(&server, Method::DELETE, &place, None, &[], "").await;
    assert_eq!(nobody.status, 401);
    // A cookie is no bearer.
    let cookie = format!("__Host-conclave={}", owner.token);
    let more = [
        (reqwest::header::COOKIE, cookie.as_str()),
        (CONTENT_TYPE, SDP),
    ];
    let path = format!("/whip/{}", room.id);
    let by_cookie = stream(&server, Method::POST, &path, None, &more, &offer).await;
    assert_eq!(by_cookie.status, 401);
    assert_eq!(peers(&server).await, 1);
    drop(media);
}

#[tokio::test]
async fn t01_a_token_that_was_taken_back_is_over_at_once() {
    let (server, owner, room, mut host) = hosted().await;
    let (id, source) = source_token(&server, &owner, &room).await;
    let (_media, begun) = up(&server, "/whip", &source, encoder()).await;
    joined(&mut host, "Stage camera").await;
    let path = format!("/api/rooms/{}/stream-tokens/{id}", room.id);
    server
        .get(Method::DELETE, &path, Some(&owner.token), None)
        .await;
    assert_eq!(
        peers(&server).await,
        0,
        "the stream is out when the answer comes"
    );
    host.event("participant_left").await;
    let again = begin(&server, "/whip", &source, &encoder().client.offer().sdp).await;
    assert_eq!(again.status, 401);
    let place = header(&begun, LOCATION);
    let gone = stream(&server, Method::DELETE, &place, Some(&source), &[], "").await;
    assert_eq!(gone.status, 401);
    let list = format!("/api/rooms/{}/stream-tokens", room.id);
    let list = server
        .get(Method::GET, &list, Some(&owner.token), None)
        .await;
    assert!(
        list["tokens"][0]["used"].is_i64() && list["tokens"][0]["revoked"].is_i64(),
        "{list}"
    );

    // Whoever signs out takes their streams along.
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let path = format!("/whip/{}", room.id);
    begin(&server, &path, &member.token, &encoder().client.offer().sdp).await;
    let knock = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    let (_media, _) = up(&server, &path, &member.token, encoder()).await;
    server
        .get(Method::DELETE, "/api/session", Some(&member.token), None)
        .await;
    host.event("participant_left").await;
    assert_eq!(peers(&server).await, 0);
}

#[tokio::test]
async fn h07_who_is_removed_is_gone_with_their_stream_and_not_the_other_way_round() {
    let (server, owner, room, mut host) = hosted().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let (mut inside, view) = server.admit(&mut host, &member, &room).await;
    let path = format!("/whip/{}", room.id);
    let offer = encoder().client.offer().sdp;
    // The owner's stream is not the owner: a host's cut of it leaves them alone.
    begin(&server, &path, &owner.token, &offer).await;
    let knock = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    let line = joined(&mut host, "The Owner").await;
    host.ok(json!({"type": "remove", "participant": line["participant"], "bar": true}))
        .await;
    host.ok(json!({"type": "raise_hand", "raised": true})).await;
    assert_eq!(
        begin(&server, &path, &owner.token, &offer).await.code(),
        "cannot_join"
    );
    // Nor is it made a host, or handed the room.
    begin(&server, &path, &member.token, &offer).await;
    let knock = host.event("knocked").await["knock"].clone();
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    let line = joined(&mut host, "Alpha").await;
    assert_eq!(line["stream"], "source");
    for request in [
        json!({"type": "set_role", "participant": line["participant"], "role": "host"}),
        json!({"type": "transfer_ownership", "participant": line["participant"]}),
    ] {
        assert_eq!(host.refused(request).await, "not_allowed");
    }
    let (_media, _) = up(&server, &path, &member.token, encoder()).await;
    assert_eq!(peers(&server).await, 1);
    host.ok(json!({"type": "remove", "participant": view["room"]["you"]}))
        .await;
    assert_eq!(inside.closed().await, "removed");
    assert_eq!(peers(&server).await, 0);
    assert_eq!(
        begin(&server, &path, &member.token, &offer).await.code(),
        "cannot_join"
    );
}

#[tokio::test]
async fn a_token_comes_in_only_where_a_host_is_and_a_viewer_not_into_a_locked_room() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let (_, viewer) = viewer_token(&server, &owner, &room).await;
    let offer = encoder().client.offer().sdp;
    let early = begin(&server, "/whip", &source, &offer).await;
    assert_eq!((early.status.as_u16(), early.code()), (503, "waiting"));
    let (mut host, _) = server.enter(&owner, &room).await;
    // Now there is a host, and nobody has to do anything.
    let (_media, _) = up(&server, "/whip", &source, encoder()).await;
    host.ok(json!({"type": "lock", "locked": true})).await;
    let locked = begin(&server, "/whep", &viewer, &player().client.offer().sdp).await;
    assert_eq!(locked.code(), "waiting");
    let knock = host.event("knocked").await["knock"].clone();
    let stands = json!({"kind": "stream_token", "label": "Foyer"});
    assert_eq!(
        (&knock["identity"], &knock["stream"]),
        (&stands, &json!("viewer"))
    );
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    up(&server, "/whep", &viewer, player()).await;
    // Another source may come into the locked room.
    let (_, second) = source_token(&server, &owner, &room).await;
    up(&server, "/whip", &second, encoder()).await;
    // Put back, it waits like anyone.
    let stage = joined(&mut host, "Stage camera").await;
    host.ok(json!({"type": "send_back", "participant": stage["participant"]}))
        .await;
    let back = begin(&server, "/whip", &source, &offer).await;
    assert_eq!(back.code(), "waiting");
    assert_eq!(peers(&server).await, 2);
}

#[tokio::test]
async fn two_posts_at_once_make_one_stream() {
    let (server, owner, room, _host) = hosted().await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let offer = encoder().client.offer().sdp;
    let both = (0..8).map(|_| begin(&server, "/whip", &source, &offer));
    let mut codes: Vec<u16> = futures_util::future::join_all(both)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(peers(&server).await, 1);
}

#[tokio::test]
async fn a_stream_is_tended_as_rfc_9725_says() {
    let (server, owner, room, mut host) = hosted().await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let (_, viewer) = viewer_token(&server, &owner, &room).await;
    let (media, begun) = up(&server, "/whip", &source, encoder()).await;
    let (screen, _) = up(&server, "/whep", &viewer, player()).await;
    host.hush(Duration::from_millis(100)).await;
    let told = host.frames.len();
    let (place, tag) = (header(&begun, LOCATION), header(&begun, ETAG));
    let tend = async |kind: &str, condition: Option<&str>, body: &str| {
        let mut more = vec![(CONTENT_TYPE, kind)];
        more.extend(condition.map(|condition| (IF_MATCH, condition)));
        let tended = stream(&server, Method::PATCH, &place, Some(&source), &more, body).await;
        (tended.status.as_u16(), tended)
    };
    let candidate = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    assert_eq!(tend(FRAGMENT, Some(&tag), candidate).await.0, 204);
    assert_eq!(tend(FRAGMENT, None, candidate).await.0, 428);
    assert_eq!(tend(FRAGMENT, Some("\"9\""), candidate).await.0, 412);
    assert_eq!(tend(SDP, Some(&tag), candidate).await.0, 415);
    assert_eq!(tend(FRAGMENT, Some(&tag), "hello").await.0, 400);
    assert_eq!(
        tend(FRAGMENT, Some(&tag), &"a=x\r\n".repeat(5000)).await.0,
        413
    );
    let restart = format!(
        "a=ice-ufrag:anew\r\na=ice-pwd:{}\r\n{candidate}",
        "n".repeat(24)
    );
    assert_eq!(tend(FRAGMENT, Some(&tag), &restart).await.0, 412);
    // What cannot be written down now is not done, and can be asked again.
    let held = hold_database(&server).await;
    let (status, refused) = tend(FRAGMENT, Some("*"), &restart).await;
    assert_eq!(status, 503, "{refused:?}");
    held.close().await.unwrap();
    let (status, restarted) = tend(FRAGMENT, Some("*"), &restart).await;
    assert_eq!(status, 200, "{restarted:?}");
    // Whoever watches sees nothing of it: every source stayed on.
    host.hush(Duration::from_millis(100)).await;
    let news = &host.frames[told..];
    assert!(
        !news
            .iter()
            .any(|frame| frame.contains("participant_changed")),
        "{news:?}"
    );
    let fragment = String::from_utf8(restarted.bytes.clone()).unwrap();
    let sdp = String::from_utf8(begun.bytes.clone()).unwrap();
    let line = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert_ne!(line(&fragment, "a=ice-ufrag:"), line(&sdp, "a=ice-ufrag:"));
    assert!(
        fragment.contains("a=candidate:") && fragment.contains("a=ice-pwd:"),
        "{fragment}"
    );
    assert_ne!(header(&restarted, ETAG), tag);
    assert_eq!(tend(FRAGMENT, Some(&tag), candidate).await.0, 412);
    // The stream goes on, with what was on, over the same keys.
    let (media, ()) = with(media, move |media| {
        media.client.ufrag = "anew".to_owned();
        media.answer(
            &sdp.replace(
                &line(&sdp, "a=ice-ufrag:"),
                &line(&fragment, "a=ice-ufrag:"),
            )
            .replace(&line(&sdp, "a=ice-pwd:"), &line(&fragment, "a=ice-pwd:")),
        );
        media.pump(Duration::from_millis(200));
    })
    .await;
    let (_media, _screen, heard) = play(media, screen, 30).await;
    assert!(heard > 40, "{heard}");
}

#[tokio::test]
async fn what_is_no_offer_for_a_stream_is_refused_by_its_kind() {
    let (server, owner, room, _host) = hosted().await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let offer = encoder().client.offer().sdp;
    let post = async |more: &[(reqwest::header::HeaderName, &str)], body: &str| {
        let answer = stream(&server, Method::POST, "/whip", Some(&source), more, body).await;
        assert_eq!(
            header(&answer, CONTENT_TYPE),
            "application/problem+json",
            "{answer:?}"
        );
        assert_eq!(answer.body["status"], answer.status.as_u16());
        (answer.status.as_u16(), answer.code().to_owned())
    };
    let kind = [(CONTENT_TYPE, SDP)];
    for (more, body, status, code) in [
        (&[][..], offer.as_str(), 415, "not_sdp"),
        (
            &[(CONTENT_TYPE, "application/json")],
            &offer,
            415,
            "not_sdp",
        ),
        (&kind, "hello", 400, "invalid_offer"),
        (&kind, &"a".repeat(300 * 1024), 413, "too_large"),
        (
            &kind,
            &offer.replace("VP8/90000", "XYZ/90000"),
            406,
            "no_codec",
        ),
        (
            &kind,
            &offer.replace("a=sendonly", "a=recvonly"),
            400,
            "invalid_offer",
        ),
        (&kind, &player().client.offer().sdp, 400, "invalid_offer"),
        (
            &[(CONTENT_TYPE, SDP), (ORIGIN, "https://evil.example")],
            &offer,
            403,
            "wrong_origin",
        ),
    ] {
        let answered = post(more, body).await;
        assert_eq!(
            answered,
            (status, code.to_owned()),
            "{}",
            &body[..body.len().min(40)]
        );
    }
    assert_eq!(peers(&server).await, 0);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = stream(&server, method.clone(), "/whip", Some(&source), &kind, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (405, "bad_method"),
            "{method}"
        );
    }
    // A browser that also sends a cookie carries what stands in `Authorization`, and nothing else.
    let cookie = [
        (CONTENT_TYPE, SDP),
        (COOKIE, "__Host-conclave=of-someone-signed-in"),
    ];
    assert_eq!(
        post(&cookie, "hello").await,
        (400, "invalid_offer".to_owned())
    );
    // Pages of ours may ask, from elsewhere none.
    for (origin, status) in [
        (server.origin(), 204),
        ("https://evil.example".to_owned(), 403),
    ] {
        let more = [(ORIGIN, origin.as_str())];
        let answer = stream(&server, Method::OPTIONS, "/whip", None, &more, "").await;
        assert_eq!(answer.status, status);
        let allowed = answer.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(allowed.is_some(), status == 204);
        // A session of a page is bound to its key.
        let proof = answer.headers.get(ACCESS_CONTROL_ALLOW_HEADERS);
        let proof = proof.is_some_and(|names| names.to_str().unwrap().contains("DPoP"));
        assert_eq!(proof, status == 204);
    }
}

/// Every stream token of the server is over, as if its hours had passed.
async fn let_tokens_end(server: &Server) {
    let file = server
        .data
        .path()
        .join(conclave::store::database::DATABASE_FILE);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let ended = sqlx::query("UPDATE stream_tokens SET expires = 1");
    let ended = ended.execute(&mut database).await.unwrap();
    assert_eq!(ended.rows_affected(), 2);
}

#[tokio::test]
async fn t05_a_token_begins_nothing_after_its_end_and_still_ends_what_it_began() {
    let (server, owner, room, _host) = hosted().await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let (_, viewer) = viewer_token(&server, &owner, &room).await;
    let (camera, begun) = up(&server, "/whip", &source, encoder()).await;
    let (screen, watched) = up(&server, "/whep", &viewer, player()).await;
    let_tokens_end(&server).await;
    // What runs goes on.
    let (camera, screen, heard) = play(camera, screen, 40).await;
    assert!(heard > 60, "{heard}");
    for (path, token, begun) in [("/whip", &source, begun), ("/whep", &viewer, watched)] {
        let offer = if path == "/whip" { encoder() } else { player() };
        let offer = offer.client.offer().sdp;
        let again = begin(&server, path, token, &offer).await;
        assert_eq!(
            (again.status.as_u16(), again.code()),
            (401, "signed_out"),
            "{path}"
        );
        let place = header(&begun, LOCATION);
        let ended = stream(&server, Method::DELETE, &place, Some(token), &[], "").await;
        assert_eq!(ended.status, 200, "{ended:?}");
        let again = begin(&server, path, token, &offer).await;
        assert_eq!(
            (again.status.as_u16(), again.code()),
            (401, "signed_out"),
            "{path}"
        );
    }
    drop((camera, screen));
    assert_eq!(peers(&server).await, 0);
}

#[tokio::test]
async fn a_stream_in_a_codec_that_the_operator_left_out_is_refused_by_name() {
    let server = Server::start_set(&[("CONCLAVE_MEDIA__VIDEO_CODECS", "[\"vp8\"]")]).await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (_host, _) = server.enter(&owner, &room).await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let offer = OBS.replace("FINGERPRINT", &["AB"; 32].join(":"));
    let begun = begin(&server, "/whip", &source, &offer).await;
    assert_eq!((begun.status.as_u16(), begun.code()), (406, "no_codec"));
    assert_eq!(peers(&server).await, 0);
    up(&server, "/whip", &source, encoder()).await;
}

/// What OBS Studio offers: one sound, one picture, `sendonly`, bundled, streams announced, no candidate to come.
const OBS: &str = "v=0\r\no=rtc 3767197920 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=group:LS 0 1\r\na=msid-semantic:WMS *\r\n\
    a=setup:actpass\r\na=ice-ufrag:m4jM\r\na=ice-pwd:JRj7pFMxTMTWLQSYpLmFQg\r\na=ice-options:ice2\r\na=fingerprint:sha-256 FINGERPRINT\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=ssrc:1337 cname:b3c4\r\na=ssrc:1337 msid:b3c4 b3c4-audio\r\na=msid:b3c4 b3c4-audio\r\n\
    a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\na=ssrc:1338 cname:b3c4\r\na=ssrc:1338 msid:b3c4 b3c4-video\r\na=msid:b3c4 b3c4-video\r\n\
    a=rtcp-mux\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
    a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc-group:FID 1338 1339\r\n";

#[tokio::test]
async fn an_offer_in_the_shape_of_obs_is_answered_with_relays_of_its_own() {
    let server = Server::start_set(&[
        (
            "CONCLAVE_TURN__URLS",
            "[\"turns:turn.example.org:5349?transport=tcp\"]",
        ),
        (
            "CONCLAVE_TURN__SECRET",
            "a secret that nobody may see, long enough for anyone",
        ),
    ])
    .await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (_, source) = source_token(&server, &owner, &room).await;
    let offer = OBS.replace("FINGERPRINT", &["AB"; 32].join(":"));
    let begun = begin(&server, "/whip", &source, &offer).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    let sdp = String::from_utf8(begun.bytes.clone()).unwrap();
    assert_eq!(sdp.matches("a=recvonly").count(), 2, "{sdp}");
    assert!(
        sdp.contains("a=rtpmap:96 H264/90000") && sdp.contains("profile-level-id=42e01f"),
        "{sdp}"
    );
    assert!(
        sdp.contains("a=ice-lite")
            && sdp.contains("a=candidate:")
            && sdp.contains("a=setup:passive")
    );
    let line = joined(&mut host, "Stage camera").await;
    let link = header(&begun, reqwest::header::LINK);
    let start = "<turns:turn.example.org:5349?transport=tcp>; rel=\"ice-server\"; username=\"";
    assert!(
        link.starts_with(start) && link.contains(&text(&line, "participant")),
        "{link}"
    );
    assert!(
        link.contains("credential-type=\"password\"") && !link.contains("nobody"),
        "{link}"
    );
    // Both of what the token declares are on, and nothing else.
    let mut sources = line["sources"].clone();
    while sources["camera"] != "on" {
        sources = host.event("participant_changed").await["participant"]["sources"].clone();
    }
    assert_eq!(
        (&sources["microphone"], &sources["screen"]),
        (&json!("on"), &json!("off"))
    );
}
