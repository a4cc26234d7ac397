//! The audit trail against someone who can write the database (A01), and for those who may read it. Ten thousand rows with one
//! edited, dropped, swapped or truncated: each is found and named. A database that was turned back is found from outside.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use common::server::{Person, Server};
use common::text;
use conclave::clock::{Clock, SystemClock, Timestamp};
use conclave::ids::RoomId;
use conclave::secret::SystemRandom;
use conclave::store::audit::{AuditEntry, Verdict};
use conclave::store::database::{DATABASE_FILE, Store};
use conclave::store::heads::HeadKey;
use conclave::store::seal::SealingKeys;
use conclave::store::verify::Witnesses;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

const ROWS: u32 = 10_000;
/// Every so many rows a head is signed, as it is each minute.
const SIGNED: u32 = 500;

async fn open(folder: &Path) -> Store {
    let keys = SealingKeys::load_or_create(folder, Arc::new(SystemRandom)).unwrap();
    Store::open(folder, keys, SystemClock.now()).await.unwrap()
}

fn entry(store: &Store, number: u32) -> AuditEntry {
    let id = |salt: u8| {
        let mut id = [salt; 16];
        id[..4].copy_from_slice(&(number % 97).to_be_bytes());
        id
    };
    let denied = number.is_multiple_of(5);
    AuditEntry {
        org: store.org(),
        at: Timestamp::from_millis(1_767_225_600_000 + i64::from(number)),
        action: ["mute", "admit", "publish_camera", "lock", "change_setting"][number as usize % 5],
        verdict: if denied {
            Verdict::Denied
        } else {
            Verdict::Permitted
        },
        rule: (!denied).then_some(number % 200),
        policy_version: 1,
        actor: Some(id(1)),
        subject: number.is_multiple_of(2).then(|| id(2)),
        room: Some(RoomId::from_bytes(id(3))),
        detail: number
            .is_multiple_of(7)
            .then(|| "waiting_room=nobody".to_owned()),
        count: 1,
    }
}

/// A trail of ten thousand rows, and the heads that were signed over it.
async fn trail(folder: &Path) -> Vec<String> {
    let store = open(folder).await;
    let key = Arc::new(HeadKey::load_or_create(folder, &SystemRandom).unwrap());
    let mut heads = Vec::new();
    for block in 0..ROWS / SIGNED {
        let rows: Vec<_> = (1..=SIGNED)
            .map(|row| store.append_audit(entry(&store, block * SIGNED + row)))
            .collect();
        for row in rows {
            row.await.unwrap();
        }
        let signed = store.sign_audit_head(store.org(), key.clone(), SystemClock.now());
        heads.push(signed.await.unwrap().unwrap().line());
    }
    store.close().await;
    heads
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// Does what someone who can write the file would do; the guards of the schema are taken down first.
async fn tamper(folder: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE));
    let mut database: SqliteConnection = options.connect().await.unwrap();
    let guards: String = [
        "audit_rows_are_never_changed",
        "audit_rows_are_never_deleted",
        "audit_signed_heads_are_never_deleted",
    ]
    .iter()
    .map(|name| format!("DROP TRIGGER {name}; "))
    .collect();
    sqlx::raw_sql(AssertSqlSafe(format!("{guards} {sql}")))
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
}

fn conclave(words: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(words)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_one_row_of_ten_thousand_is_found_and_named_whatever_was_done_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let heads = trail(folder.path()).await;

    let store = open(folder.path()).await;
    let key = HeadKey::load(folder.path()).unwrap().unwrap();
    let witnesses = Witnesses {
        key: Some(key.public()),
        outside: Vec::new(),
    };
    let begun = SystemClock.instant();
    let report = store.verify_audit(store.org(), &witnesses).await.unwrap();
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(
        (report.rows, report.heads),
        (u64::from(ROWS), u64::from(ROWS / SIGNED))
    );
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    println!("figure audit.verify_10k {took:.0} ms");
    store.close().await;

    let swap = |one: u32, other: u32| {
        format!(
            "UPDATE audit SET seq = 0 WHERE seq = {one}; UPDATE audit SET seq = {one} WHERE seq = {other}; UPDATE audit SET seq = {other} WHERE seq = 0"
        )
    };
    let cases = [
        ("UPDATE audit SET actor = subject WHERE seq = 4322".to_owned(), "row 4322 was edited"),
        ("DELETE FROM audit WHERE seq = 7777".to_owned(), "row 7777 was dropped"),
        ("DELETE FROM audit WHERE seq = 7777; UPDATE audit SET seq = -seq WHERE seq > 7777; UPDATE audit SET seq = -seq - 1 WHERE seq < 0".to_owned(), "row 7777 was dropped"),
        (swap(1234, 8888), "rows 1234 and 8888 were swapped"),
        (swap(5000, 5001), "rows 5000 and 5001 were swapped"),
        ("DELETE FROM audit WHERE seq > 9000".to_owned(), "the trail was truncated after row 9000: rows 9001 to 10000 are gone"),
        ("DELETE FROM audit WHERE seq = 10000".to_owned(), "the trail was truncated after row 9999: rows 10000 to 10000 are gone"),
    ];
    for (sql, named) in cases {
        let copy = copy(folder.path());
        tamper(copy.path(), &sql).await;
        let verified = conclave(&["audit", "verify"], copy.path());
        let found: Vec<String> = said(&verified).lines().skip(1).map(str::to_owned).collect();
        assert!(!verified.status.success());
        assert_eq!(found, [named], "{sql}");
        println!("# audit: {named}");
    }

    // Shortened with everything that the database itself could tell of it: what was kept outside tells.
    let copy = copy(folder.path());
    let kept = copy.path().join("heads.jsonl");
    std::fs::write(&kept, format!("{}\n", heads.join("\n"))).unwrap();
    let words = ["audit", "verify", "--heads", kept.to_str().unwrap()];
    let verified = said(&conclave(&words, copy.path()));
    assert_eq!(
        verified,
        "10000 rows, every link of the chain holds; 20 signed heads bear it out\n"
    );
    tamper(
        copy.path(),
        "DELETE FROM audit WHERE seq > 9000; DELETE FROM audit_signed_heads WHERE seq > 9000; \
        UPDATE audit_heads SET seq = 9000, hash = (SELECT hash FROM audit WHERE seq = 9000)",
    )
    .await;
    let verified = said(&conclave(&words, copy.path()));
    assert!(
        verified.contains("the trail was truncated after row 9000: rows 9001 to 10000 are gone"),
        "{verified}"
    );
}

#[tokio::test]
async fn a01_a_data_folder_that_was_turned_back_is_found_by_the_heads_kept_outside() {
    let (data, outside) = (
        Arc::new(tempfile::tempdir().unwrap()),
        tempfile::tempdir().unwrap(),
    );
    let heads = outside.path().join("heads.jsonl");
    let variables = [("CONCLAVE_AUDIT__HEADS", heads.to_str().unwrap())];
    let server = Server::start_with(data.clone(), &variables).await;
    let owner = server.owner().await;
    assert!(server.stop().await.success());
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(lines(&heads), 1);
    let older = copy(data.path());

    let server = Server::start_with(data.clone(), &variables).await;
    server.room(&owner, "Board").await;
    assert!(server.stop().await.success());
    assert_eq!(lines(&heads), 2);
    let words = ["audit", "verify", "--heads", heads.to_str().unwrap()];
    let verified = conclave(&words, data.path());
    assert!(verified.status.success(), "{}", said(&verified));
    let key = said(&conclave(&["audit", "key"], data.path()));
    assert_eq!(key.trim().len(), 43);

    for entry in std::fs::read_dir(older.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), data.path().join(entry.file_name())).unwrap();
    }
    let verified = conclave(&["audit", "verify"], data.path());
    assert!(
        verified.status.success(),
        "an older copy is whole in itself"
    );
    let verified = conclave(&words, data.path());
    assert!(!verified.status.success());
    assert!(
        said(&verified).contains("the trail was truncated after row"),
        "{}",
        said(&verified)
    );
    let server = Server::start_with(data.clone(), &variables).await;
    assert_eq!(server.metric("conclave_audit_turned_back").await, 1);
    server.kill().await;
}

/// The rows of one answer.
async fn rows(server: &Server, person: &Person, path: &str) -> Value {
    server
        .get(Method::GET, path, Some(&person.token), None)
        .await
}

async fn refused(server: &Server, person: &Person, path: &str) -> (u16, String) {
    let answer = server
        .call(Method::GET, path, Some(&person.token), None)
        .await;
    (answer.status.as_u16(), answer.code().to_owned())
}

#[tokio::test]
async fn a_trail_is_read_by_those_who_may_with_names_while_they_are_known() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let attendee = server
        .member(&owner, "attendee@example.org", "Attendee")
        .await;
    let (room, other) = (
        server.room(&owner, "Board").await,
        server.room(&owner, "Other").await,
    );
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    server.set(&owner, &other, "camera", "everyone_may").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let guest = server.guest(&room.id, "Gus").await;
    let (_guest_socket, view) = server.admit(&mut host, &guest, &room).await;
    host.ok(json!({"type": "mute", "participant": text(&view["room"], "you")}))
        .await;

    let path = format!("/api/rooms/{}/audit", room.id);
    let page = rows(&server, &owner, &path).await;
    let first = &page["rows"][0];
    assert_eq!(
        (first["action"].as_str(), first["verdict"].as_str()),
        (Some("mute"), Some("permitted"))
    );
    assert_eq!(first["rule"]["file"], "server");
    assert_eq!(first["actor"], json!({"id": owner.id, "name": "The Owner"}));
    assert_eq!(first["subject"], json!({"id": guest.id, "name": "Gus"}));
    assert_eq!(first["room"], json!({"id": room.id, "title": "Board"}));
    let all = page["rows"].as_array().unwrap();
    assert!(
        all.iter().all(|row| row["room"]["id"] == room.id),
        "another room's rows"
    );
    assert!(
        all.iter()
            .any(|row| row["detail"] == "sign_in=guests_may_knock")
    );
    assert_eq!(page["next"], Value::Null);

    // Filters, and pages one row at a time.
    let muted = rows(
        &server,
        &owner,
        &format!("{path}?action=mute&actor={}", owner.id),
    )
    .await;
    assert_eq!(muted["rows"].as_array().unwrap().len(), 1);
    assert!(
        rows(&server, &owner, &format!("{path}?verdict=noted")).await["rows"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let (mut seen, mut next) = (0, String::new());
    loop {
        let page = rows(&server, &owner, &format!("{path}?limit=1{next}")).await;
        seen += page["rows"].as_array().unwrap().len();
        let Some(before) = page["next"].as_u64() else {
            break;
        };
        next = format!("&before={before}");
    }
    assert_eq!(seen, all.len());

    // Of the whole organisation, for its administrators alone.
    let page = rows(&server, &owner, "/api/organisation/audit?limit=200").await;
    let actions: Vec<&str> = page["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert!(
        actions.contains(&"rules_loaded") && actions.contains(&"create_room"),
        "{actions:?}"
    );
    let one = rows(
        &server,
        &owner,
        &format!("/api/organisation/audit?room={}", other.id),
    )
    .await;
    assert!(
        one["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["room"]["title"] == "Other")
    );

    // And of a time: with its beginning, without its end.
    let times: Vec<i64> = page["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["at"].as_i64().unwrap())
        .collect();
    let (last, first) = (times[0], times[times.len() - 1]);
    assert!(first < last);
    let between = async |from: i64, to: i64| {
        let path = format!("/api/organisation/audit?limit=200&from={from}&to={to}");
        let page = rows(&server, &owner, &path).await;
        page["rows"].as_array().unwrap().len()
    };
    let earlier = times.iter().filter(|at| **at < last).count();
    assert_eq!(between(first, last).await, earlier);
    assert_eq!(between(last, last + 1).await, times.len() - earlier);
    assert_eq!(between(last + 1, i64::MAX).await, 0);

    assert_eq!(
        refused(&server, &attendee, &path).await,
        (404, "not_found".into())
    );
    assert_eq!(
        refused(&server, &guest, &path).await,
        (404, "not_found".into())
    );
    let nowhere = format!("/api/rooms/{}/audit", "a".repeat(26));
    assert_eq!(
        refused(&server, &owner, &nowhere).await,
        (404, "not_found".into())
    );
    assert_eq!(
        refused(&server, &attendee, "/api/organisation/audit").await,
        (403, "not_allowed".into())
    );
    assert_eq!(
        refused(&server, &guest, "/api/organisation/audit").await,
        (403, "not_allowed".into())
    );
    for wrong in [
        "limit=many",
        "before=-1",
        "actor=me",
        "verdict=maybe",
        "weather=fair",
        "action=a&action=b",
        &format!("room={}", other.id),
    ] {
        assert_eq!(
            refused(&server, &owner, &format!("{path}?{wrong}")).await,
            (400, "bad_request".into()),
            "{wrong}"
        );
    }
    server.kill().await;
}

#[tokio::test]
async fn an_export_is_lines_of_ids_that_anyone_can_read() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Quarterly Figures").await;
    server.room(&owner, "Other").await;
    let data = server.data.clone();
    assert!(server.stop().await.success());
    let export = |extra: &[&str]| -> Vec<Value> {
        let mut words = vec!["audit", "export"];
        words.extend(extra);
        let exported = conclave(&words, data.path());
        assert!(exported.status.success());
        let text = said(&exported);
        assert!(
            !text.contains("Figures") && !text.contains("Owner") && !text.contains('@'),
            "{text}"
        );
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = export(&[]);
    assert!(all.len() >= 4);
    assert!((1..).zip(&all).all(|(seq, row)| row["seq"] == seq));
    assert!(
        all.windows(2)
            .all(|pair| pair[0]["hash"] == pair[1]["prev_hash"])
    );
    assert!(export(&["--to", "2020-01-01"]).is_empty());
    assert_eq!(export(&["--from", "2020-01-01T00:00:00Z"]).len(), all.len());
    let of_room = export(&["--room", &room.id]);
    assert!(of_room.iter().all(|row| row["room"] == room.id.as_str()) && of_room.len() < all.len());
    assert!(
        !conclave(&["audit", "export", "--from", "yesterday"], data.path())
            .status
            .success()
    );
}
