//! Attacks by and upon programs that hold an API key: addresses of webhooks that lead inside, and rules and rows that fail while programs ask.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::server::{Person, Server};
use crate::common::text;
use crate::durable::hold_database;

async fn key(server: &Server, owner: &Person, scopes: &[&str]) -> String {
    let body = json!({"name": "Program", "scopes": scopes, "expires_in_days": 1});
    let token = Some(owner.token.as_str());
    let made = server
        .get(Method::POST, "/v1/api-keys", token, Some(body))
        .await;
    text(&made, "key")
}

#[tokio::test]
async fn p06_no_webhook_leads_inside_and_a_test_tells_nothing_of_ports() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let key = key(&server, &owner, &["webhooks:write"]).await;
    let token = Some(key.as_str());
    let wanted =
        |url: &str| Some(json!({"name": "Inside", "url": url, "events": ["room.created"]}));
    let outside = server
        .get(
            Method::POST,
            "/v1/webhooks",
            token,
            wanted("https://example.org/hook"),
        )
        .await;
    let one = format!("/v1/webhooks/{}", text(&outside, "id"));
    for url in [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user@127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::]/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://localhost/",
        "https://localhost./",
    ] {
        for (method, path, body) in [
            (Method::POST, "/v1/webhooks", wanted(url)),
            (Method::PATCH, one.as_str(), Some(json!({ "url": url }))),
        ] {
            let refused = server.call(method, path, token, body).await;
            let code = refused.code();
            assert_eq!(refused.status, 422, "{url}: {}", refused.body);
            assert!(
                code == "internal_address" || code == "invalid_address",
                "{url}: {code}"
            );
        }
    }
    // A name that leads to this machine: whether something listens there is told by neither the answer nor the list, and nobody is called.
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = open.local_addr().unwrap().port();
    let called = Arc::new(AtomicUsize::new(0));
    let counts = called.clone();
    tokio::spawn(async move {
        while open.accept().await.is_ok() {
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    let name = Command::new("hostname").output().unwrap();
    let name = String::from_utf8(name.stdout).unwrap().trim().to_owned();
    let mut told = Vec::new();
    for port in [port, 1] {
        let url = format!("https://{name}:{port}/");
        let made = server
            .call(Method::POST, "/v1/webhooks", token, wanted(&url))
            .await;
        if made.status != 201 {
            told.push((made.status.as_u16(), made.code().to_owned()));
            continue;
        }
        let path = format!("/v1/webhooks/{}", text(&made.body, "id"));
        let tried = server
            .call(Method::POST, &format!("{path}/test"), token, None)
            .await;
        let path = format!("{path}/deliveries");
        let mut last = Value::Null;
        for _ in 0..600 {
            let page = server.get(Method::GET, &path, token, None).await;
            last = page["deliveries"][0].clone();
            if last["attempts"].as_u64().is_some_and(|count| count > 0) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let said = ["type", "state", "attempts", "status", "failure"].map(|key| last[key].clone());
        told.push((tried.status.as_u16(), json!(said).to_string()));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(called.load(Ordering::SeqCst), 0);
}

const NO_ROOMS: &str =
    "# Programs make no rooms.\np, program, create_room, create_right=yes, deny\n";

#[tokio::test]
async fn h09_a_program_never_gets_by_rules_that_fail_or_rows_that_are_not_kept() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let rules = folder.path().join("organisation.csv");
    std::fs::write(&rules, NO_ROOMS).unwrap();
    let variables = [
        ("CONCLAVE_POLICY__RULES", rules.to_str().unwrap()),
        ("CONCLAVE_LIMITS__CONTROL_PER_SECOND", "1000"),
        ("CONCLAVE_LIMITS__CONTROL_BURST", "100000"),
    ];
    let server = Arc::new(Server::start_with(folder.clone(), &variables).await);
    let owner = server.owner().await;
    let key = key(&server, &owner, &["rooms:write"]).await;
    let title = || Some(json!({"title": "Forbidden"}));
    let over = Arc::new(AtomicBool::new(false));
    let asking = {
        let (server, key, over) = (server.clone(), key.clone(), over.clone());
        tokio::spawn(async move {
            let mut asked = 0;
            while !over.load(Ordering::SeqCst) {
                let path = "/v1/rooms";
                let answer = server.call(Method::POST, path, Some(&key), title()).await;
                assert_eq!(answer.code(), "not_allowed", "{}", answer.body);
                asked += 1;
            }
            asked
        })
    };
    let hang_up = || {
        let pid = server.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    // Empty, half written, not text, gone, and right again: at no moment is anything decided without the rule.
    let faults: [&[u8]; 4] = [
        b"",
        b"p, program, create_ro",
        b"\xff\xfe\x00",
        b"p, nobody, nothing, , deny\n",
    ];
    for (at, text) in faults.iter().enumerate() {
        std::fs::write(&rules, text).unwrap();
        hang_up();
        let rejected = u64::try_from(at).unwrap() + 1;
        until(&server, "conclave_policy_rules_rejected_total", rejected).await;
    }
    std::fs::remove_file(&rules).unwrap();
    hang_up();
    until(&server, "conclave_policy_rules_rejected_total", 5).await;
    let more = format!("{NO_ROOMS}p, program, end_room, standing=scoped, deny\n");
    std::fs::write(&rules, more).unwrap();
    hang_up();
    until(&server, "conclave_policy_rules_stale", 0).await;
    over.store(true, Ordering::SeqCst);
    assert!(asking.await.unwrap() > 5);

    // Allowed again, and nothing is done whose row is not kept.
    std::fs::write(
        &rules,
        "# Nothing that programs do.\np, guest, ask, standing=admitted, deny\n",
    )
    .unwrap();
    let version = server.metric("conclave_policy_version").await;
    hang_up();
    until(&server, "conclave_policy_version", version + 1).await;
    let made = server
        .call(Method::POST, "/v1/rooms", Some(&key), title())
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let held = hold_database(&server).await;
    let refused = server
        .call(Method::POST, "/v1/rooms", Some(&key), title())
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "unavailable")
    );
    drop(held);
    let rooms = server.get(Method::GET, "/v1/rooms", Some(&key), None).await;
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1), "{rooms}");
}

async fn until(server: &Server, metric: &str, value: u64) {
    for _ in 0..600 {
        if server.metric(metric).await == value {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{metric} is not {value}");
}
