//! The control API against its own description, by schemathesis: thousands of requests that the description allows and that it does not, to a real
//! server with a meeting in a room. No fault of the server, and nothing that is not described.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail"
)]

use std::path::PathBuf;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "common/scopes.rs"]
mod scopes;

use common::server::Server;
use common::text;
use scopes::SCOPES;

/// Requests of a short run; `STORY_SCHEMATHESIS` asks for more.
const CASES: u64 = 400;
/// What is looked at in every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth";

/// Where `make setup` put it.
fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    let program = cache.join("conclave/tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{program:?} is missing: run `make setup`");
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_api_is_as_it_is_described() {
    let wanted = std::env::var("STORY_SCHEMATHESIS").map_or(CASES, |many| many.parse().unwrap());
    // A caller may be as fast as the operator says.
    let server = Server::start_set(&[
        ("CONCLAVE_LIMITS__CONTROL_PER_SECOND", "1000000"),
        ("CONCLAVE_LIMITS__CONTROL_BURST", "1000000"),
        ("CONCLAVE_LIMITS__REQUESTS_PER_SECOND", "1000000"),
        ("CONCLAVE_LIMITS__REQUESTS_BURST", "1000000"),
        ("CONCLAVE_LIMITS__ARRIVALS_PER_SECOND", "1000000"),
        ("CONCLAVE_LIMITS__ARRIVALS_BURST", "1000000"),
    ])
    .await;
    let owner = server.owner().await;
    let token = Some(owner.token.as_str());
    let description = server
        .get(Method::GET, "/v1/openapi.json", None, None)
        .await;
    let scopes = description["components"]["schemas"]["NewApiKey"]["properties"]["scopes"]["items"]
        ["enum"]
        .clone();
    let scopes = if scopes.is_array() {
        scopes
    } else {
        json!(SCOPES)
    };
    let key = json!({"name": "Tester", "scopes": scopes, "expires_in_days": 1});
    let key = server
        .get(Method::POST, "/v1/api-keys", token, Some(key))
        .await;
    let key = text(&key, "key");
    let member = server.member(&owner, "member@example.org", "Member").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (seated, _) = server.admit(&mut host, &member, &room).await;
    // Whoever is in a meeting reads what it says.
    for mut socket in [host, seated] {
        tokio::spawn(async move { while socket.text_frame().await.is_some() {} });
    }

    // Once with whatever identifiers, once in the room where the meeting is.
    let operations = operations(&description);
    let whatever = run(&server, &key, None, wanted / 2, operations).await;
    let inside = run(
        &server,
        &key,
        Some(&room.id),
        wanted - wanted / 2,
        operations,
    )
    .await;
    let cases = whatever + inside;
    println!("figure api.schemathesis.cases {cases} count");
    assert!(cases >= wanted, "{cases} of {wanted}");
}

/// How many there are.
fn operations(description: &Value) -> u64 {
    let paths = description["paths"].as_object().unwrap();
    paths
        .values()
        .map(|item| item.as_object().unwrap().len() as u64)
        .sum()
}

/// Runs it, with one room or any; how many requests it made.
async fn run(server: &Server, key: &str, room: Option<&str>, wanted: u64, operations: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = String::new();
    if let Some(room) = room {
        settings.push_str(&format!("[parameters]\n\"path.room\" = \"{room}\"\n"));
    }
    let file = folder.path().join("schemathesis.toml");
    std::fs::write(&file, settings).unwrap();
    let each = wanted.div_ceil(operations).max(1);
    let mut command = Command::new(program());
    command
        .arg("--config-file")
        .arg(&file)
        .args(["run", &server.url("/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        .arg("--tls-verify")
        .arg(server.data.path().join("tls-certificate.pem"))
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &each.to_string(), "--continue-on-failure"])
        .args([
            "--generation-database",
            "none",
            "--no-color",
            "--warnings",
            "off",
        ])
        .args([
            "--suppress-health-check",
            "all",
            "--request-timeout",
            "60",
            "--request-retries",
            "3",
        ]);
    if room.is_some() {
        // The room stays.
        command.args(["--exclude-operation-id", "endRoom"]);
    }
    let output = command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    generated(&said).unwrap_or_else(|| panic!("no number of cases in {said}"))
}

/// `Test cases:` and below it `  412 generated, 412 passed`.
fn generated(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" generated"))?;
    line.split_whitespace()
        .next()?
        .replace(',', "")
        .parse()
        .ok()
}
