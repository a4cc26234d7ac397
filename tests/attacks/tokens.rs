//! Attacks on sessions, resume secrets and passwords: forged, used twice, used elsewhere, guessed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use reqwest::Method;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::key::Key;
use crate::common::server::{Answer, PASSWORD, Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::raw::{self, Raw};
use crate::trail::Trail;

/// Believes the addresses that the test names, as behind a load balancer.
const BEHIND_PROXY: &[(&str, &str)] = &[("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.0/8\"]")];

/// An address in a network of its own.
fn address(number: usize) -> String {
    let [.., a, b] = u32::try_from(number).unwrap().to_be_bytes();
    format!("10.{a}.{b}.7")
}

async fn me(server: &Server, token: &str) -> Answer {
    server.call(Method::GET, "/api/me", Some(token), None).await
}

/// The status of the answer to an upgrade with this token.
async fn upgrade(server: &Server, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let fields = [
        ("Authorization", bearer.as_str()),
        ("Sec-WebSocket-Protocol", "conclave.v1"),
    ];
    Raw::upgraded(server, &fields).await
}

async fn resume(server: &Server, person: &Person, room: &Room, secret: &Value) -> Socket {
    let mut socket = server.socket(person).await;
    let request = json!({"type": "resume", "room": room.id, "secret": secret, "seen": 0});
    socket.send(request).await;
    socket
}

/// The fresh secret of a tab that was taken back, with what it missed or with the whole room.
async fn taken_up(socket: &mut Socket) -> Value {
    let answer = socket.read().await.unwrap();
    let good = ["resumed", "admitted"].contains(&answer["type"].as_str().unwrap());
    assert!(good, "{answer}");
    answer["resume"].clone()
}

#[tokio::test]
async fn t01_whoever_was_removed_stays_out_by_every_way() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    server
        .set(&owner, &room, "sessions_per_identity", "two")
        .await;
    let guest = server.guest(&room.id, "Visitor").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    for person in [&member, &guest] {
        let (mut first, view) = server.admit(&mut host, person, &room).await;
        // A second tab, and a third that knocks.
        let (mut second, other) = server.admit(&mut host, person, &room).await;
        host.ok(json!({"type": "remove", "participant": view["room"]["you"]}))
            .await;
        assert_eq!(first.closed().await, "removed");
        assert_eq!(second.closed().await, "removed");
        for secret in [&view["resume"], &other["resume"]] {
            assert_eq!(
                resume(&server, person, &room, secret).await.closed().await,
                "cannot_resume"
            );
        }
        assert_eq!(
            server.join(person, &room).await.closed().await,
            "cannot_join"
        );
    }
    // Neither the lock, nor open doors, nor a new sign-in, nor a restart lets them in.
    host.ok(json!({"type": "set_setting", "key": "waiting_room", "value": "nobody"}))
        .await;
    let again = server.sign_in("alpha@example.org").await;
    assert_ne!(again.token, member.token);
    for person in [&member, &again, &guest] {
        assert_eq!(
            server.join(person, &room).await.closed().await,
            "cannot_join"
        );
    }
    let data = server.data.clone();
    server.kill().await;
    let server = Server::start_with(data, &[]).await;
    let (_host, _) = server.enter(&owner, &room).await;
    for person in [&member, &again, &guest] {
        assert_eq!(
            server.join(person, &room).await.closed().await,
            "cannot_join"
        );
    }
    let trail = Trail::of(server).await;
    // In the one minute or two, by account and session; those before the kill may have been counted only in memory.
    assert!(trail.denied(&member.id, "knock") >= 2 && trail.denied(&guest.id, "knock") >= 1);
}

#[tokio::test]
async fn t01_a_place_of_a_server_that_was_killed_is_nobodys_and_that_is_told_alike_of_any_room() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (_inside, view) = server.admit(&mut host, &member, &room).await;
    let data = server.data.clone();
    server.kill().await;
    let server = Server::start_with(data, &[]).await;
    let mut nowhere = room.clone();
    let first = if nowhere.id.starts_with('a') {
        "b"
    } else {
        "a"
    };
    nowhere.id.replace_range(..1, first);
    for (person, room) in [(&member, &room), (&owner, &room), (&member, &nowhere)] {
        let mut answer = resume(&server, person, room, &view["resume"]).await;
        assert_eq!(answer.closed().await, "restarted");
    }
    // They knock as at first.
    let mut again = server.join(&member, &room).await;
    assert_eq!(again.read().await.unwrap()["type"], "waiting");
}

#[tokio::test]
async fn t01_a_session_is_over_the_moment_it_is_signed_out() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let other = server.sign_in("alpha@example.org").await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let guest = server.guest(&room.id, "Visitor").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    for person in [&member, &guest] {
        let (mut inside, view) = server.admit(&mut host, person, &room).await;
        let out = server
            .call(Method::DELETE, "/api/session", Some(&person.token), None)
            .await;
        assert_eq!(out.status, 204);
        let signed_out = raw::now();
        // At once for whatever is new; the open socket follows.
        assert_eq!(me(&server, &person.token).await.status, 401);
        assert_eq!(upgrade(&server, &person.token).await, 401);
        assert_eq!(inside.closed().await, "signed_out");
        let took = signed_out.elapsed();
        assert!(
            took < Duration::from_secs(6),
            "the socket lived on for {took:?}"
        );
        println!("figure t01.socket_after_sign_out {} ms", took.as_millis());
        assert_eq!(upgrade(&server, &person.token).await, 401);
        drop(view);
    }
    // The same person's other session is another one.
    assert_eq!(me(&server, &other.token).await.status, 200);
}

fn b64(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// Tokens that a forger makes of a real one; a listener at `port` must never hear of it.
fn forged(good: &str, port: u16) -> Vec<String> {
    let parts: Vec<&str> = good.split('.').collect();
    assert_eq!(parts.len(), 5, "not a compact JWE");
    let header: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[0].as_bytes()).unwrap()).unwrap();
    let kid = text(&header, "kid");
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part;
        parts.join(".")
    };
    let claims = json!({"kind": "session", "sub": "a".repeat(26), "iat": 0, "exp": 9_999_999_999_u64, "epoch": 0});
    let claims = b64(&claims.to_string());
    let url = format!("http://127.0.0.1:{port}/keys");
    let mut bad = Vec::new();
    for header in [
        json!({"alg": "none", "enc": "A256GCM", "kid": kid}),
        json!({"alg": "dir", "enc": "A128GCM", "kid": kid}),
        json!({"alg": "dir", "enc": "A256CBC-HS512", "kid": kid}),
        json!({"alg": "A256GCMKW", "enc": "A256GCM", "kid": kid}),
        json!({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": kid}),
        json!({"alg": "ECDH-ES", "enc": "A256GCM", "kid": kid, "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}),
        json!({"alg": "dir", "enc": "A256GCM"}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": "../../etc/passwd"}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": "' OR 1=1 --"}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "jku": url}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "x5u": url}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "crit": ["exp"]}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "cty": "JWT"}),
        json!({"alg": "dir", "enc": "A256GCM", "kid": kid, "zip": "DEF"}),
        json!({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "kid": kid, "p2c": 2_147_483_648_u64, "p2s": "AAAA"}),
    ] {
        bad.push(with(0, &b64(&header.to_string())));
    }
    // Encrypted with keys that an attacker may try: of zeros, of the key's public name.
    for key in [[0_u8; 32], [b'x'; 32]] {
        bad.push(seal(parts[0], &key, &claims));
    }
    // Signed instead of encrypted; nothing at all; one token in another.
    let jws = |alg: &str, signature: &str| {
        format!(
            "{}.{claims}.{signature}",
            b64(&json!({"alg": alg, "kid": kid}).to_string())
        )
    };
    bad.extend([
        jws("none", ""),
        jws("None", ""),
        jws("HS256", "AAAA"),
        jws("HS256", &kid),
    ]);
    bad.push(format!("{}....", parts[0]));
    bad.push(with(3, &b64(good)));
    bad.push(format!("{}.{good}", parts[0]));
    // Parts taken away, added, emptied, spelled differently.
    bad.extend((0..5).map(|at| with(at, "")).filter(|token| token != good));
    bad.extend([
        parts[..4].join("."),
        format!("{good}."),
        format!("{good}.{good}"),
        with(1, "AAAA"),
    ]);
    bad.extend([
        good.to_uppercase(),
        good.to_lowercase(),
        good.replace('.', ". "),
        format!("{good}="),
    ]);
    bad.push(with(4, &parts[4][..11]));
    // One letter anywhere.
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bad.push(String::from_utf8(bytes).unwrap());
    }
    bad
}

/// A compact JWE with a key of the forger's.
fn seal(header: &str, key: &[u8; 32], claims: &str) -> String {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut body = claims.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut body)
        .unwrap();
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    format!(
        "{header}..{}.{}.{}",
        encode(&[0; 12]),
        encode(&body),
        encode(tag.as_ref())
    )
}

#[tokio::test]
async fn t03_forged_tokens_are_refused_alike_and_fetch_nothing() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(me(&server, &owner.token).await.status, 200);
    let nobody = me(&server, "x").await;
    let forged = forged(&owner.token, port);
    for token in &forged {
        let answer = me(&server, token).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.bytes),
            (401, &nobody.bytes),
            "{token}"
        );
        let page = server.http.get(server.url("/api/me"));
        let page = page
            .header(COOKIE, format!("__Host-conclave={token}"))
            .send()
            .await
            .unwrap();
        assert_eq!(page.status(), 401, "{token}");
        assert_eq!(upgrade(&server, token).await, 401, "{token}");
    }
    println!("figure t03.forged_tokens_refused {} tokens", forged.len());
    let fetched = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(fetched.is_err(), "a token made the server fetch something");
    assert_eq!(me(&server, &owner.token).await.status, 200);
}

/// Memory of a process, in KiB.
pub(crate) fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// The status line of the answer to one request with this token, and how long it took to come.
async fn bare(server: &Server, token: &str) -> (String, Duration) {
    let mut raw = Raw::dial(server).await;
    let request =
        format!("GET /api/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let start = raw::now();
    // The server may hang up before all is written.
    raw.send(request.as_bytes()).await;
    let head = raw.head().await;
    (
        head.lines().next().unwrap_or_default().to_owned(),
        start.elapsed(),
    )
}

#[tokio::test]
async fn t04_a_token_cannot_make_the_server_work() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let parts: Vec<&str> = owner.token.split('.').collect();
    let header: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[0].as_bytes()).unwrap()).unwrap();
    let kid = text(&header, "kid");
    // A bomb of zeros as DEFLATE stores them most tightly cannot matter: the header that asks for it is not ours.
    let bomb = BASE64URL_NOPAD.encode(&[0x4b, 0x04, 0x00].repeat(900));
    let zip = b64(&json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": kid}).to_string());
    let p2c = b64(&json!({"alg": "PBES2-HS256+A128KW", "p2c": 2_147_483_648_u64, "p2s": "AAAAAAAAAAAAAAAA", "enc": "A256GCM", "kid": kid}).to_string());
    let recipients = format!("{{\"recipients\":[{}{{}}]}}", "{},".repeat(10_000));
    let small = [
        ("zip", format!("{zip}..{}.{bomb}.{}", parts[2], parts[4])),
        (
            "p2c",
            format!("{p2c}.AAAA.{}.{}.{}", parts[2], parts[3], parts[4]),
        ),
        ("dots", ".".repeat(8000)),
        ("long", format!("{}{}", owner.token, "A".repeat(20_000))),
    ];
    let large = [
        ("megabyte", "A".repeat(1 << 20)),
        (
            "megabyte_header",
            format!("{}.{}", "e".repeat(1 << 20), parts[1..].join(".")),
        ),
        ("recipients", b64(&recipients.repeat(4))),
    ];
    let pid = server.pid();
    let mut usual = Vec::new();
    for _ in 0..20 {
        usual.push(bare(&server, "x").await.1);
    }
    usual.sort_unstable();
    let before = rss(pid);
    for (name, token) in &small {
        let mut times = Vec::new();
        for _ in 0..20 {
            let (status, time) = bare(&server, token).await;
            assert_eq!(status, "HTTP/1.1 401 Unauthorized", "{name}");
            times.push(time);
        }
        times.sort_unstable();
        println!("figure t04.{name}.p50 {} us", times[10].as_micros());
    }
    println!("figure t04.rubbish.p50 {} us", usual[10].as_micros());
    for (name, token) in &large {
        for _ in 0..5 {
            let (status, _) = bare(&server, token).await;
            // Cut off before the whole of it was read, so that the answer may be lost on the way.
            let cut_off = status.is_empty() || status.starts_with("HTTP/1.1 431 ");
            assert!(cut_off, "{name}: {status}");
        }
    }
    let grown = rss(pid).saturating_sub(before);
    println!("figure t04.rss_growth {grown} KiB");
    assert!(grown < 16 * 1024, "the server grew by {grown} KiB");
    assert_eq!(me(&server, &owner.token).await.status, 200);
}

#[tokio::test]
async fn t05_a_session_is_good_for_its_room_and_its_rights_only() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let (here, there) = (
        server.room(&owner, "Here").await,
        server.room(&owner, "There").await,
    );
    for room in [&here, &there] {
        server
            .set(&owner, room, "sign_in", "guests_may_knock")
            .await;
        server.set(&owner, room, "password", "none").await;
    }
    let guest = server.guest(&here.id, "Visitor").await;
    let (mut host, _) = server.enter(&owner, &here).await;
    let other = server.sign_in("owner@example.org").await;
    let (mut host_there, _) = server.enter(&other, &there).await;

    // A guest of one room: not in the other, not with what the first gave.
    assert_eq!(
        server.join(&guest, &there).await.closed().await,
        "cannot_join"
    );
    let (inside, view) = server.admit(&mut host, &guest, &here).await;
    let (inside_member, view_member) = server.admit(&mut host, &member, &here).await;
    for (person, view) in [(&guest, &view), (&member, &view_member)] {
        assert_eq!(
            resume(&server, person, &there, &view["resume"])
                .await
                .closed()
                .await,
            "cannot_resume"
        );
    }
    assert!(host_there.silent(Duration::from_millis(200)).await);
    drop((inside, inside_member));

    // A guest is nobody to the account interface, and the answers say nothing of the room.
    let room = format!("/api/rooms/{}", here.id);
    let refusals = [
        (Method::GET, "/api/rooms".to_owned(), None),
        (
            Method::POST,
            "/api/rooms".to_owned(),
            Some(json!({"title": "Mine"})),
        ),
        (
            Method::POST,
            "/api/invitations".to_owned(),
            Some(json!({"kind": "member", "may_create_rooms": true})),
        ),
        (Method::GET, room.clone(), None),
        (Method::GET, format!("{room}/password"), None),
        (Method::POST, format!("{room}/password"), Some(json!({}))),
        (Method::GET, format!("{room}/settings"), None),
        (
            Method::PATCH,
            format!("{room}/settings"),
            Some(json!({"key": "password", "value": "none"})),
        ),
        (Method::DELETE, room.clone(), None),
    ];
    for (method, path, body) in refusals {
        let answer = server
            .call(method.clone(), &path, Some(&guest.token), body)
            .await;
        assert!(
            answer.status.is_client_error(),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        assert!(
            [401, 403, 404].contains(&answer.status.as_u16()),
            "{method} {path}: {}",
            answer.status
        );
    }
    // A member without the rights makes neither rooms nor members.
    for (path, body) in [
        ("/api/rooms", json!({"title": "Mine"})),
        (
            "/api/invitations",
            json!({"kind": "member", "may_create_rooms": true}),
        ),
    ] {
        let answer = server
            .call(Method::POST, path, Some(&member.token), Some(body))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, "not_allowed"),
            "{path}"
        );
    }
    // A session is no invitation, and an invitation is no session and is used once.
    let body = json!({"kind": "member", "may_create_rooms": false});
    let link = server
        .get(
            Method::POST,
            "/api/invitations",
            Some(&owner.token),
            Some(body),
        )
        .await;
    let invitation = text(&link, "path").split('#').nth(1).unwrap().to_owned();
    assert_eq!(me(&server, &invitation).await.status, 401);
    assert_eq!(upgrade(&server, &invitation).await, 401);
    let accept = |token: &str, email: &str| json!({"token": token, "email": email, "name": "Gamma", "password": PASSWORD});
    for (token, email, good) in [
        (member.token.as_str(), "gamma@example.org", false),
        (invitation.as_str(), "gamma@example.org", true),
        (invitation.as_str(), "another@example.org", false),
    ] {
        let answer = server
            .call(
                Method::POST,
                "/api/invitations/accept",
                None,
                Some(accept(token, email)),
            )
            .await;
        assert_eq!(
            answer.status.is_success(),
            good,
            "{} {}",
            answer.status,
            answer.body
        );
    }
    // The first owner's link is used up too.
    let first = server
        .owner_link
        .clone()
        .unwrap()
        .split('#')
        .nth(1)
        .unwrap()
        .to_owned();
    let answer = server
        .call(
            Method::POST,
            "/api/invitations/accept",
            None,
            Some(accept(&first, "another@example.org")),
        )
        .await;
    assert!(answer.status.is_client_error());

    let trail = Trail::of(server).await;
    assert_eq!(trail.denied(&member.id, "create_room"), 1);
    assert_eq!(trail.denied(&member.id, "invite_account"), 1);
    assert!(
        trail.permitted(&owner.id, "create_room") >= 2,
        "the trail would not tell"
    );
}

#[tokio::test]
async fn t05_a_resume_secret_is_good_for_its_holder_only_and_once() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (alpha, gamma) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "gamma@example.org", "Gamma").await,
    );
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (inside, view) = server.admit(&mut host, &alpha, &room).await;
    let (_other, other) = server.admit(&mut host, &gamma, &room).await;
    let secret = &view["resume"];
    // Gamma with Alpha's secret, while Alpha is here and while she is not; Gamma with half of it.
    assert_eq!(
        resume(&server, &gamma, &room, secret).await.closed().await,
        "cannot_resume"
    );
    inside.vanish();
    assert_eq!(
        resume(&server, &gamma, &room, secret).await.closed().await,
        "cannot_resume"
    );
    assert_eq!(
        resume(&server, &owner, &room, secret).await.closed().await,
        "cannot_resume"
    );
    assert_eq!(
        resume(&server, &alpha, &room, &other["resume"])
            .await
            .closed()
            .await,
        "cannot_resume"
    );
    for wrong in [
        "",
        "A",
        &secret.as_str().unwrap()[..42],
        &format!("{}A", secret.as_str().unwrap()),
    ] {
        assert_eq!(
            resume(&server, &alpha, &room, &json!(wrong))
                .await
                .closed()
                .await,
            "cannot_resume"
        );
    }
    // Alpha herself, once.
    let mut back = resume(&server, &alpha, &room, secret).await;
    let fresh = taken_up(&mut back).await;
    assert_eq!(
        resume(&server, &alpha, &room, secret).await.closed().await,
        "cannot_resume"
    );
    // She left: the fresh one is over too.
    back.send(json!({"type": "leave"})).await;
    assert_eq!(back.closed().await, "left");
    assert_eq!(
        resume(&server, &alpha, &room, &fresh).await.closed().await,
        "cannot_resume"
    );
}

/// Whether the bits of many equally long byte strings are as even as coin throws, and no two of the strings alike.
fn even(name: &str, all: &[Vec<u8>]) {
    let count = all.len() as f64;
    let distinct: HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{name} repeats");
    let bits = all[0].len() * 8;
    let bit = |bytes: &Vec<u8>, at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
    let deviation = |ones: usize| (ones as f64 - count / 2.0).abs() / (count.sqrt() / 2.0);
    let worst = (0..bits).map(|at| deviation(all.iter().filter(|bytes| bit(bytes, at)).count()));
    let worst = worst.fold(0.0, f64::max);
    // Whether one foretells the next: half of the bits change.
    let pairs: Vec<_> = all.windows(2).collect();
    let changed: usize = pairs
        .iter()
        .map(|pair| {
            (0..bits)
                .filter(|at| bit(&pair[0], *at) != bit(&pair[1], *at))
                .count()
        })
        .sum();
    let total = (pairs.len() * bits) as f64;
    let drift = (changed as f64 - total / 2.0).abs() / (total.sqrt() / 2.0);
    let rising = pairs.iter().filter(|pair| pair[1] > pair[0]).count() as f64;
    println!("figure t07.{name}.count {} values", all.len());
    println!("figure t07.{name}.worst_bit {worst:.2} sigma");
    println!("figure t07.{name}.change {drift:.2} sigma");
    assert!(worst < 6.0 && drift < 6.0, "{name} is biased");
    let up = (rising - pairs.len() as f64 / 2.0).abs() / ((pairs.len() as f64).sqrt() / 2.0);
    assert!(up < 6.0, "{name} counts: {rising} of {} rise", pairs.len());
}

fn id(text: &str) -> Vec<u8> {
    BASE32_NOPAD.decode(text.to_uppercase().as_bytes()).unwrap()
}

#[tokio::test]
async fn t07_what_the_server_draws_shows_no_bias_and_no_sequence() {
    let server = Arc::new(Server::start_set(BEHIND_PROXY).await);
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    // Guest sessions: the identifier of each, and the nonce of each token.
    let started = raw::now();
    let mut tasks = Vec::new();
    for worker in 0..4 {
        let (server, room) = (server.clone(), room.id.clone());
        tasks.push(tokio::spawn(async move {
            let mut drawn = Vec::new();
            for number in 0..1000 {
                let request = server.http.post(server.url("/api/guest"));
                let request = request.header("x-forwarded-for", address(worker * 1000 + number));
                let body = json!({"room": room, "name": "Visitor"});
                let answer = Answer::of(request.json(&body).send().await.unwrap()).await;
                assert!(
                    answer.status.is_success(),
                    "{} {}",
                    answer.status,
                    answer.body
                );
                let token = text(&answer.body, "token");
                let nonce = BASE64URL_NOPAD
                    .decode(token.split('.').nth(2).unwrap().as_bytes())
                    .unwrap();
                drawn.push((id(&text(&answer.body["me"], "id")), nonce));
            }
            drawn
        }));
    }
    let mut drawn = Vec::new();
    for task in tasks {
        drawn.extend(task.await.unwrap());
    }
    println!(
        "figure t07.guest_sessions_per_second {:.0} 1/s",
        drawn.len() as f64 / started.elapsed().as_secs_f64()
    );
    let (ids, nonces): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
    even("guest_ids", &ids);
    even("token_nonces", &nonces);

    // Rooms, their passwords, knocks, resume secrets.
    let (mut rooms, mut passwords) = (Vec::new(), HashSet::new());
    for _ in 0..50 {
        let room = server.room(&owner, "Board").await;
        rooms.push(id(&room.id));
        assert!(passwords.insert(room.password), "a password twice");
    }
    even("room_ids", &rooms);
    let (mut socket, view) = server.enter(&owner, &room).await;
    let mut secret = view["resume"].clone();
    let mut secrets = Vec::new();
    for _ in 0..60 {
        drop(socket);
        socket = resume(&server, &owner, &room, &secret).await;
        secret = taken_up(&mut socket).await;
        secrets.push(
            BASE64URL_NOPAD
                .decode(secret.as_str().unwrap().as_bytes())
                .unwrap(),
        );
    }
    even("resume_secrets", &secrets);
    assert_eq!(secrets[0].len(), 32);
}

/// Knocks with a password from an address; whether the server lets them wait.
async fn waits(server: &Server, person: &Person, room: &Room, password: &str, from: &str) -> bool {
    let headers = [("x-forwarded-for", from)];
    let mut socket = Socket::open(server, Some(&person.token), Some(&headers))
        .await
        .unwrap();
    socket
        .send(json!({"type": "join", "room": room.id, "password": password}))
        .await;
    match socket.read().await.expect("closed without a word") {
        answer if answer["type"] == "waiting" => true,
        answer => {
            assert_eq!(answer["code"], "cannot_join", "{answer}");
            false
        }
    }
}

#[tokio::test]
async fn t10_many_networks_share_one_budget_for_a_rooms_password_and_the_host_gets_in() {
    let server = Server::start_set(BEHIND_PROXY).await;
    let owner = server.owner().await;
    let (alpha, gamma) = (
        server.member(&owner, "alpha@example.org", "Alpha").await,
        server.member(&owner, "gamma@example.org", "Gamma").await,
    );
    let (room, other) = (
        server.room(&owner, "Board").await,
        server.room(&owner, "Other").await,
    );
    for room in [&room, &other] {
        server
            .set(&owner, room, "sign_in", "guests_may_knock")
            .await;
    }
    let guest = server.guest(&room.id, "Visitor").await;
    let guess = async |range: std::ops::Range<usize>| {
        let tries = range.map(|number| {
            let (server, guest, room, from) = (&server, &guest, &room, address(number));
            async move { waits(server, guest, room, &format!("guess{number}"), &from).await }
        });
        let waiting = futures_util::future::join_all(tries).await;
        assert!(waiting.iter().all(|waiting| !waiting), "a guess was right");
    };
    guess(0..30).await;
    assert!(
        waits(&server, &guest, &room, &room.password, &address(900)).await,
        "the budget is too small for honest mistakes"
    );
    guess(30..130).await;
    // From a network that never guessed: the budget is the room's, not the address's.
    assert!(
        !waits(&server, &guest, &room, &room.password, &address(901)).await,
        "130 networks guessed on"
    );
    println!("figure t10.guesses_before_the_room_is_shut_to_strangers 130 guesses at most");
    // Another room is another budget, and signed-in people have their own.
    let elsewhere = server.guest(&other.id, "Visitor").await;
    assert!(waits(&server, &elsewhere, &other, &other.password, &address(902)).await);
    assert!(waits(&server, &alpha, &room, &room.password, &address(903)).await);
    // A signed-in person's budget is theirs from everywhere.
    for number in 0..20 {
        assert!(!waits(&server, &gamma, &room, "guess", &address(1000 + number)).await);
    }
    assert!(
        !waits(&server, &gamma, &room, &room.password, &address(1100)).await,
        "20 guesses and on"
    );
    // The host needs no password, and no flood of guesses keeps them out.
    let (_host, _) = server.enter(&owner, &room).await;
}

#[tokio::test]
async fn t10_guessing_sign_ins_from_many_networks_runs_dry_and_a_known_device_gets_in() {
    let server = Server::start_set(BEHIND_PROXY).await;
    let owner = server.owner().await;
    let sign_in =
        async |path: &str, email: &str, password: &str, from: &str, cookie: Option<&str>| {
            let mut request = server
                .http
                .post(server.url(path))
                .header("x-forwarded-for", from);
            if path == "/api/session" {
                request = request
                    .header(ORIGIN, server.origin())
                    .header("dpop", server.sign("POST", path).await);
            }
            if let Some(cookie) = cookie {
                request = request.header(COOKIE, cookie);
            }
            let body = json!({"email": email, "password": password});
            Answer::of(request.json(&body).send().await.unwrap()).await
        };
    // The owner's browser has signed in once.
    let first = sign_in(
        "/api/session",
        "owner@example.org",
        PASSWORD,
        "192.0.2.1",
        None,
    )
    .await;
    assert_eq!(first.status, 200, "{}", first.body);
    let mut device = first
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().unwrap());
    let device = device
        .find(|cookie| cookie.starts_with("__Host-conclave-device="))
        .unwrap();
    let device = device.split(';').next().unwrap().to_owned();
    // One guess is earned back each minute: uses up what has been.
    let exhaust = async |from: usize| {
        let email = if from < 500 {
            "owner@example.org"
        } else {
            "nobody@example.org"
        };
        for number in from..from + 5 {
            let from = address(number);
            let guess = sign_in("/api/token", email, "not the password", &from, None);
            if guess.await.status == 429 {
                return;
            }
        }
        panic!("the budget comes back too fast");
    };
    // Half over each of the two ways in, to an account that exists and to one that does not.
    for (email, offset) in [("owner@example.org", 0), ("nobody@example.org", 500)] {
        let (mut wrong, mut shut) = (0, 0);
        for number in 0..80 {
            let path = if number % 2 == 0 {
                "/api/session"
            } else {
                "/api/token"
            };
            let answer = sign_in(
                path,
                email,
                "not the password",
                &address(offset + number),
                None,
            )
            .await;
            match answer.status.as_u16() {
                401 => wrong += 1,
                429 => shut += 1,
                other => panic!("{other} {}", answer.body),
            }
        }
        assert!(
            wrong <= 40 && shut >= 40,
            "{email}: {wrong} guesses were looked at"
        );
        println!(
            "figure t10.sign_in_guesses_looked_at.{} {wrong} guesses",
            email.split('@').next().unwrap()
        );
        exhaust(offset + 100).await;
        // The right password from a new network is not looked at either, and says nothing.
        let right = sign_in("/api/token", email, PASSWORD, &address(offset + 99), None).await;
        assert_eq!(right.status, 429);
    }
    let known = sign_in(
        "/api/session",
        "owner@example.org",
        PASSWORD,
        &address(2000),
        Some(&device),
    )
    .await;
    assert_eq!(
        known.status, 200,
        "the flood locked the owner out: {}",
        known.body
    );
    exhaust(200).await;
    let nobody = sign_in(
        "/api/session",
        "owner@example.org",
        "not the password",
        &address(2001),
        Some("__Host-conclave-device=AAAA"),
    )
    .await;
    assert_eq!(nobody.status, 429, "any cookie passes for a device");
    // A session that is open goes on.
    assert_eq!(me(&server, &owner.token).await.status, 200);
}

#[tokio::test]
async fn t01_a_copied_cookie_opens_no_websocket_to_speak_on() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let cookie = server.cookie("owner@example.org").await;
    let open = async |cookie: &str| {
        let fields = [("cookie", cookie), ("origin", &server.origin())];
        Socket::open(&server, None, Some(&fields)).await
    };
    let thief = Key::new();
    let challenged = async || {
        let mut socket = open(&cookie).await.unwrap();
        let challenge = socket.read().await.unwrap();
        assert_eq!(challenge["type"], "challenge");
        (socket, text(&challenge, "nonce"))
    };
    let address = server.url("/ws");
    let request = json!({"type": "join", "room": room.id});
    // Nothing, another key, another request, an older value: one answer.
    let (_, older) = challenged().await;
    let own = |method: &str, to: &str, nonce: &str| server.key.proof(method, to, nonce);
    let used = own("GET", &address, &older);
    let wrong = [
        None,
        Some(String::new()),
        Some(thief.proof("GET", &address, &older)),
        Some(own("POST", &address, &older)),
        Some(own("GET", &server.url("/api/me"), &older)),
        Some(own("GET", &address, "")),
    ];
    for proof in wrong {
        let (mut socket, _) = challenged().await;
        let frame = match &proof {
            Some(proof) => json!({"id": 1, "proof": proof, "request": request}),
            None => json!({"id": 1, "request": request}),
        };
        socket.raw(frame.to_string()).await;
        let said = socket.read().await.unwrap();
        assert_eq!(
            (&said["type"], &said["code"]),
            (&json!("closed"), &json!("signed_out")),
            "{proof:?}"
        );
    }
    // The same with the key, once.
    for (wanted, which) in [("admitted", "the first"), ("closed", "the second")] {
        let (mut socket, _) = challenged().await;
        let frame = json!({"id": 1, "proof": used, "request": request});
        socket.raw(frame.to_string()).await;
        assert_eq!(socket.read().await.unwrap()["type"], wanted, "{which}");
    }
    // A program's token is no cookie.
    let bare = format!("__Host-conclave={}", owner.token);
    assert!(open(&bare).await.is_err());
}
