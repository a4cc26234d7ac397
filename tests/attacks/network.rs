//! Attacks from the web: other sites' pages, forms, links, and requests that are not what they seem.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::common::server::{Answer, Person, Server};
use crate::raw::Raw;

/// The session of the owner's page.
async fn cookie(server: &Server) -> String {
    server.cookie("owner@example.org").await
}

/// A request as some page or program makes it, signed with the key of the pages: what is refused is not refused for want of it.
async fn request(
    server: &Server,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let mut request = server
        .http
        .request(method.clone(), server.url(path))
        .header("dpop", server.sign(method.as_str(), path).await)
        .headers(headers);
    if let Some(body) = body {
        request = request.body(body.to_owned());
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn x07_no_other_site_opens_a_websocket_with_somebodys_cookie() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (own, cookie, bearer) = (
        server.origin(),
        cookie(&server).await,
        format!("Bearer {}", owner.token),
    );
    let foreign = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("http://localhost:{}", server.port),
        "https://localhost".to_owned(),
        format!("https://localhost:{}", server.port - 1),
        format!("{own}.evil.example"),
        format!("https://evil.example@localhost:{}", server.port),
        format!("https://localhost:{}/", server.port),
        format!("{own} https://evil.example"),
    ];
    let open = async |fields: &[(&str, &str)]| {
        let mut all = vec![("Sec-WebSocket-Protocol", "conclave.v1")];
        all.extend(fields);
        Raw::upgraded(&server, &all).await
    };
    assert_eq!(open(&[("Cookie", &cookie), ("Origin", &own)]).await, 101);
    assert_eq!(open(&[("Authorization", &bearer)]).await, 101);
    for origin in &foreign {
        assert_eq!(
            open(&[("Cookie", &cookie), ("Origin", origin)]).await,
            403,
            "{origin}"
        );
        assert_eq!(
            open(&[("Authorization", &bearer), ("Origin", origin)]).await,
            403,
            "{origin}"
        );
    }
    // No origin is no page of ours; two are not either; two sessions are none.
    assert_eq!(open(&[("Cookie", &cookie)]).await, 403);
    let both = open(&[
        ("Cookie", &cookie),
        ("Origin", &own),
        ("Origin", "https://evil.example"),
    ])
    .await;
    assert!([401, 403].contains(&both), "{both}");
    let both = open(&[
        ("Cookie", &cookie),
        ("Origin", "https://evil.example"),
        ("Origin", &own),
    ])
    .await;
    assert!([401, 403].contains(&both), "{both}");
    assert_eq!(
        open(&[
            ("Cookie", &cookie),
            ("Authorization", &bearer),
            ("Origin", &own)
        ])
        .await,
        401
    );
    assert_eq!(open(&[("Origin", &own)]).await, 401);
    // A session in the URL or as a subprotocol is none.
    for path in [
        format!("/ws?token={}", owner.token),
        format!("/ws?access_token={}", owner.token),
    ] {
        let mut raw = Raw::dial(&server).await;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {own}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        raw.send(head.as_bytes()).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    }
}

#[tokio::test]
async fn x07_a_websocket_of_another_protocol_is_none_of_ours() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let bearer = format!("Bearer {}", owner.token);
    for (protocol, wanted) in [
        (Some("conclave.v1"), "101"),
        (Some("chat, conclave.v1"), "101"),
        (Some("conclave.v2"), "400"),
        (Some("CONCLAVE.V1"), "400"),
        (None, "400"),
    ] {
        let mut fields = vec![("Authorization", bearer.as_str())];
        fields.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
        let head = Raw::dial(&server).await.upgrade(&fields).await;
        assert_eq!(head.split(' ').nth(1), Some(wanted), "{protocol:?}: {head}");
    }
}

#[tokio::test]
async fn t16_the_log_and_the_metrics_hold_no_secret_and_nobodys_data() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let filter = ("CONCLAVE_LOG__FILTER", "debug");
    let server = Server::start_set(&[filter, ("STORY_LOG_FILE", log.to_str().unwrap())]).await;
    let owner = server.owner().await;
    let member = server
        .member(&owner, "planted@example.org", "Planted Name")
        .await;
    let room = server.room(&owner, "Planted Title").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let guest = server.guest(&room.id, "Planted Guest").await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let (mut inside, admitted) = server.admit(&mut host, &member, &room).await;
    inside
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
    drop(server.admit(&mut host, &guest, &room).await);
    inside.raw("planted rubbish".to_owned()).await;
    assert_eq!(inside.closed().await, "bad_message");
    for (path, body) in [
        (
            "/api/token",
            json!({"email": "planted@example.org", "password": "planted wrong password"}),
        ),
        ("/api/rooms", json!({"planted": "planted"})),
    ] {
        server
            .call(Method::POST, path, Some(&owner.token), Some(body))
            .await;
    }
    let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", server.metrics))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let invitation = server.owner_link.clone().unwrap();
    assert!(server.stop().await.success());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.len() > 100, "the log is empty");
    let resume = admitted["resume"].as_str().unwrap();
    let own = view["room"]["you"].as_str().unwrap();
    let link = invitation.split('#').nth(1).unwrap();
    let secrets = [
        &room.password,
        &owner.token,
        &member.token,
        &guest.token,
        resume,
        link,
        crate::common::server::PASSWORD,
    ];
    let planted = ["planted", "Planted", "owner@example.org", "The Owner"];
    for hidden in secrets.into_iter().chain(planted) {
        for (which, text) in [("log", &said), ("metrics", &metrics)] {
            let line = text.lines().find(|line| line.contains(hidden));
            assert_eq!(line, None, "`{hidden}` in the {which}");
        }
    }
    for id in [&room.id, &owner.id, &member.id, &guest.id, own] {
        assert!(!metrics.contains(id), "`{id}` in the metrics");
    }
}

/// Every request that changes something, with a body that would be good.
fn changes(room: &str) -> Vec<(Method, String, Option<Value>)> {
    vec![
        (
            Method::POST,
            "/api/rooms".to_owned(),
            Some(json!({"title": "Forged"})),
        ),
        (
            Method::POST,
            "/api/invitations".to_owned(),
            Some(json!({"kind": "member", "may_create_rooms": true})),
        ),
        (
            Method::POST,
            format!("/api/rooms/{room}/password"),
            Some(json!({})),
        ),
        (
            Method::PATCH,
            format!("/api/rooms/{room}/settings"),
            Some(json!({"key": "waiting_room", "value": "nobody"})),
        ),
        (Method::DELETE, format!("/api/rooms/{room}"), None),
        (Method::DELETE, "/api/session".to_owned(), None),
    ]
}

/// What a page on the server shows of all that could have been changed.
async fn state(server: &Server, owner: &Person, room: &str) -> Value {
    let mut all = Vec::new();
    for path in [
        "/api/me",
        "/api/rooms",
        &format!("/api/rooms/{room}/password"),
        &format!("/api/rooms/{room}/settings"),
    ] {
        all.push(
            server
                .get(Method::GET, path, Some(&owner.token), None)
                .await,
        );
    }
    json!(all)
}

#[tokio::test]
async fn x07_no_other_site_changes_anything_with_somebodys_cookie() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (own, cookie) = (server.origin(), cookie(&server).await);
    let before = state(&server, &owner, &room.id).await;
    let json_type = ("content-type", "application/json");
    let pages: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("another site", vec![("origin", "https://evil.example")]),
        ("another port", vec![("origin", "https://localhost:1")]),
        ("a sandboxed frame", vec![("origin", "null")]),
        ("nowhere", vec![]),
        (
            "our origin, cross-site",
            vec![("origin", &own), ("sec-fetch-site", "cross-site")],
        ),
        (
            "our origin, same-site",
            vec![("origin", &own), ("sec-fetch-site", "same-site")],
        ),
        ("the address bar", vec![("sec-fetch-site", "none")]),
        ("only a referer", vec![("referer", &own)]),
        (
            "another site, forwarded",
            vec![
                ("origin", "https://evil.example"),
                ("x-forwarded-host", "localhost"),
            ],
        ),
    ];
    for (method, path, body) in changes(&room.id) {
        let body = body.map(|body| body.to_string());
        for (which, page) in &pages {
            let mut fields = vec![("cookie", cookie.as_str())];
            fields.extend(page);
            fields.extend(body.as_ref().map(|_| json_type));
            let answer = request(&server, method.clone(), &path, &fields, body.as_deref()).await;
            assert_eq!(
                answer.status, 403,
                "{method} {path} from {which}: {}",
                answer.body
            );
        }
        // A form of our own origin is not a form that we have.
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain",
            "text/plain; a=application/json",
        ] {
            if body.is_none() {
                continue;
            }
            for origin in [own.as_str(), "https://evil.example"] {
                let fields = [
                    ("cookie", cookie.as_str()),
                    ("origin", origin),
                    ("content-type", kind),
                ];
                let answer =
                    request(&server, method.clone(), &path, &fields, body.as_deref()).await;
                let wanted = if origin == own {
                    [415, 400]
                } else {
                    [403, 415]
                };
                assert!(
                    wanted.contains(&answer.status.as_u16()),
                    "{method} {path} {kind} {origin}: {}",
                    answer.status
                );
            }
        }
    }
    // Signing somebody in or making them a guest from elsewhere (login by another site's form) is refused too.
    for (path, body) in [
        (
            "/api/session",
            json!({"email": "owner@example.org", "password": crate::common::server::PASSWORD}),
        ),
        ("/api/guest", json!({"room": room.id, "name": "Visitor"})),
        (
            "/api/invitations/accept",
            json!({"token": "x", "email": "a@b.example", "name": "x", "password": "xxxxxxxxxxxxxxxx"}),
        ),
    ] {
        for fields in [
            vec![("origin", "https://evil.example"), json_type],
            vec![("origin", "null"), json_type],
            vec![
                ("origin", own.as_str()),
                ("sec-fetch-site", "cross-site"),
                json_type,
            ],
            vec![("cookie", cookie.as_str()), json_type],
        ] {
            let answer = request(
                &server,
                Method::POST,
                path,
                &fields,
                Some(&body.to_string()),
            )
            .await;
            assert_eq!(answer.status, 403, "{path} {fields:?}: {}", answer.body);
            assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        }
    }
    assert_eq!(state(&server, &owner, &room.id).await, before);
    // The same requests from our own page work, or the refusals above would prove nothing.
    for (method, path, body) in changes(&room.id) {
        let body = body.map(|body| body.to_string());
        let mut fields = vec![
            ("cookie", cookie.as_str()),
            ("origin", own.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        fields.extend(body.as_ref().map(|_| json_type));
        let answer = request(&server, method.clone(), &path, &fields, body.as_deref()).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
    }
}

#[tokio::test]
async fn x07_nothing_is_changed_by_getting_it() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let before = state(&server, &owner, &room.id).await;
    let (own, cookie, bearer) = (
        server.origin(),
        cookie(&server).await,
        format!("Bearer {}", owner.token),
    );
    let paths = [
        "/api/session".to_owned(),
        "/api/token".to_owned(),
        "/api/guest?room=a&name=b".to_owned(),
        "/api/invitations".to_owned(),
        "/api/invitations/accept?token=x".to_owned(),
        "/api/rooms?title=Forged".to_owned(),
        format!("/api/rooms/{}?_method=DELETE", room.id),
        format!("/api/rooms/{}/password?_method=POST", room.id),
        format!(
            "/api/rooms/{}/settings?key=waiting_room&value=nobody",
            room.id
        ),
    ];
    for path in &paths {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            for credential in [
                ("cookie", cookie.as_str()),
                ("authorization", bearer.as_str()),
            ] {
                let fields = [
                    credential,
                    ("origin", own.as_str()),
                    ("x-http-method-override", "DELETE"),
                    ("x-method-override", "POST"),
                    ("content-type", "application/json"),
                ];
                let answer = request(&server, method.clone(), path, &fields, None).await;
                assert!(
                    !answer.status.is_server_error(),
                    "{method} {path}: {}",
                    answer.status
                );
                assert!(
                    answer.headers.get("set-cookie").is_none(),
                    "{method} {path}"
                );
            }
        }
        // No page of another site may read anything either.
        let preflight = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", "DELETE"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        let answer = request(&server, Method::OPTIONS, path, &preflight, None).await;
        let granted = answer
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control-"));
        assert!(!granted, "{path}: {:?}", answer.headers);
    }
    assert_eq!(state(&server, &owner, &room.id).await, before);
}

#[tokio::test]
async fn c05_http_bodies_are_as_strict_as_messages() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let before = state(&server, &owner, &room.id).await;
    let settings = format!("/api/rooms/{}/settings", room.id);
    let bodies = [
        (
            Method::POST,
            "/api/rooms",
            r#"{"title":"x","owner":"someone"}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/rooms",
            r#"{"title":"x","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/rooms",
            r#"{"title":"x","title":"y"}"#.to_owned(),
        ),
        (Method::POST, "/api/rooms", r#"{"title":["x"]}"#.to_owned()),
        (Method::POST, "/api/rooms", r#"{"title":"x"} {}"#.to_owned()),
        (Method::POST, "/api/rooms", "{}".to_owned()),
        (
            Method::POST,
            "/api/rooms",
            format!(r#"{{"title":"{}"}}"#, "x".repeat(10_000)),
        ),
        (
            Method::POST,
            "/api/rooms",
            format!(r#"{{"title":"{}"}}"#, "x".repeat(20_000)),
        ),
        (Method::POST, "/api/rooms", "[".repeat(16_000)),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"waiting_room","value":"nobody","by":"someone"}"#.to_owned(),
        ),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"waiting_room","key":"start","value":"nobody"}"#.to_owned(),
        ),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"waiting_room","value":null}"#.to_owned(),
        ),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"waiting_room","value":"sometimes"}"#.to_owned(),
        ),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"audit_log","value":"off"}"#.to_owned(),
        ),
        (
            Method::PATCH,
            &settings,
            r#"{"key":"remote_unmute","value":"allowed"}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/invitations",
            r#"{"kind":"owner","may_create_rooms":true}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/invitations",
            r#"{"kind":"member","may_create_rooms":"true"}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/invitations",
            r#"{"kind":"member","may_create_rooms":true,"admin":true}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/guest",
            format!(r#"{{"room":"{}","name":"x","admin":true}}"#, room.id),
        ),
        (
            Method::POST,
            "/api/token",
            r#"{"email":"owner@example.org","email":"x","password":"x"}"#.to_owned(),
        ),
        (
            Method::POST,
            "/api/token",
            r#"{"email":{"$gt":""},"password":{"$gt":""}}"#.to_owned(),
        ),
    ];
    let bearer = format!("Bearer {}", owner.token);
    for (method, path, body) in &bodies {
        let fields = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = request(&server, method.clone(), path, &fields, Some(body)).await;
        assert!(
            answer.status.is_client_error(),
            "{method} {path} {body:.80}: {} {}",
            answer.status,
            answer.body
        );
        let (code, told) = (
            answer.code().to_owned(),
            answer.body["text"].as_str().unwrap_or_default(),
        );
        assert!(
            !code.is_empty() && !told.is_empty(),
            "{method} {path} {body:.80}: {:?}",
            String::from_utf8_lossy(&answer.bytes)
        );
        for inside in [
            "serde", "line 1", "column", "sql", "src/", "expected", "panicked",
        ] {
            assert!(!told.contains(inside), "{body:.80}: {told}");
        }
    }
    assert_eq!(state(&server, &owner, &room.id).await, before);
}

#[tokio::test]
async fn x07_two_requests_do_not_hide_in_one() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let bearer = format!("Authorization: Bearer {}\r\n", owner.token);
    let hidden = "GET /api/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let head = |more: &str| {
        format!(
            "POST /api/rooms HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/json\r\n{more}\r\n"
        )
    };
    for more in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
            5 + hidden.len()
        ),
        "Content-Length: 0\r\nContent-Length: 5\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "X: a\r\n folded\r\n".to_owned(),
        "X: a\rContent-Length: 5\r\n".to_owned(),
    ] {
        let mut raw = Raw::dial(&server).await;
        raw.send(format!("{}0\r\n\r\n{hidden}", head(&more)).as_bytes())
            .await;
        let answer = raw
            .read_out(Duration::from_secs(15))
            .await
            .unwrap_or_else(|| panic!("left open after {more:?}"));
        let answers = String::from_utf8_lossy(&answer);
        let heads = answers.matches("HTTP/1.1 ").count();
        assert!(heads <= 1, "{more:?} was two requests: {answers}");
        assert!(
            answers.is_empty() || answers.starts_with("HTTP/1.1 4"),
            "{more:?}: {answers}"
        );
    }
}

#[tokio::test]
async fn x07_pages_may_load_nothing_foreign_and_be_framed_by_nobody() {
    let server = Server::start().await;
    for path in [
        "/",
        "/r/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/invitation",
        "/nothing-here",
    ] {
        let answer = request(&server, Method::GET, path, &[], None).await;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let policy = header("content-security-policy");
        for wanted in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action",
        ] {
            assert!(
                policy.contains(wanted),
                "{path}: `{wanted}` not in `{policy}`"
            );
        }
        assert!(
            policy.contains("require-trusted-types-for 'script'"),
            "{path}: {policy}"
        );
        for loose in ["unsafe-inline", "unsafe-eval", "*", "http:", "data:"] {
            let scripts = policy
                .split(';')
                .find(|part| part.trim().starts_with("script-src"))
                .unwrap_or_default();
            assert!(!scripts.contains(loose), "{path}: {policy}");
        }
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
    // Only what belongs to the pages is served, however it is asked for.
    for path in [
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/....//....//Cargo.toml",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/..%5c..%5cCargo.toml",
        "/assets/%00",
        "//etc/passwd",
        "/../data/conclave.db",
    ] {
        let mut raw = Raw::dial(&server).await;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        raw.send(head.as_bytes()).await;
        let answer = raw
            .read_out(Duration::from_secs(5))
            .await
            .unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer:.300}");
    }
}
