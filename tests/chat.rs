//! Stories of the room chat over the real interfaces: who writes, who reads what, what is deleted, and what is left of it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use serde_json::{Value, json};

/// A server, its owner in a room, and the room.
async fn hosted() -> (Server, Person, Room, Socket, Value) {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (host, view) = server.enter(&owner, &room).await;
    (server, owner, room, host, view)
}

/// A message whose name follows from its text.
fn chat(text: &str) -> Value {
    let mut name = DefaultHasher::new();
    text.hash(&mut name);
    json!({"type": "chat", "text": text, "ref": format!("{:x}", name.finish())})
}

async fn say(socket: &mut Socket, text: &str) -> u64 {
    let sent = socket.ok(chat(text)).await;
    assert_eq!(sent["type"], "chat_sent");
    sent["number"].as_u64().unwrap()
}

/// The texts of a history or a search, the first first.
async fn read(socket: &mut Socket, request: Value) -> Vec<String> {
    let page = socket.ok(request).await;
    assert_eq!(page["type"], "chat_page");
    let messages = page["messages"].as_array().unwrap();
    let texts = messages.iter().rev();
    texts
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect()
}

async fn history(socket: &mut Socket) -> Vec<String> {
    read(socket, json!({"type": "chat_history", "limit": 100})).await
}

async fn search(socket: &mut Socket, words: &str) -> Vec<String> {
    read(socket, json!({"type": "chat_search", "words": words})).await
}

async fn leave(mut socket: Socket) {
    socket.send(json!({"type": "leave"})).await;
    assert_eq!(socket.closed().await, "left");
}

#[tokio::test]
async fn while_a_meeting_is_suspended_only_hosts_write_and_everyone_reads() {
    let (server, owner, room, mut host, _) = hosted().await;
    host.ok(json!({"type": "set_setting", "key": "room_chat", "value": "everyone_writes"}))
        .await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let (mut inside, view) = server.admit(&mut host, &member, &room).await;
    assert_eq!(view["room"]["may_chat"], true);
    say(&mut inside, "before").await;
    host.ok(json!({"type": "suspend"})).await;
    assert_eq!(inside.event("may_chat").await["may"], false);
    assert_eq!(inside.refused(chat("meanwhile")).await, "not_allowed");
    say(&mut host, "a moment, please").await;
    assert_eq!(history(&mut inside).await, ["before", "a moment, please"]);
    host.ok(json!({"type": "lift_suspension"})).await;
    assert_eq!(inside.event("may_chat").await["may"], true);
    say(&mut inside, "after").await;
}

#[tokio::test]
async fn hosts_write_all_admitted_read_and_a_setting_opens_it() {
    let (server, owner, room, mut host, view) = hosted().await;
    assert_eq!(view["room"]["may_chat"], true);
    let member = server.member(&owner, "member@example.org", "Member").await;
    let (mut guest, view) = server.admit(&mut host, &member, &room).await;
    assert_eq!(view["room"]["may_chat"], false);
    assert_eq!(guest.refused(chat("may I?")).await, "not_allowed");

    let number = say(
        &mut host,
        "Welcome. <b>Agenda</b>: https://example.org/a?b=1&c=2",
    )
    .await;
    for socket in [&mut host, &mut guest] {
        let message = socket.event("chat").await["message"].clone();
        assert_eq!(message["number"], number);
        assert_eq!(
            (&message["name"], &message["role"]),
            (&json!("The Owner"), &json!("owner"))
        );
        let text = "Welcome. <b>Agenda</b>: https://example.org/a?b=1&c=2";
        assert_eq!(
            (&message["text"], &message["deleted"]),
            (&json!(text), &json!(false))
        );
    }
    host.ok(json!({"type": "set_setting", "key": "room_chat", "value": "everyone_writes"}))
        .await;
    assert_eq!(guest.event("may_chat").await["may"], true);
    assert_eq!(
        guest.event("setting_changed").await["setting"]["built"],
        true
    );
    say(&mut guest, "Thank you").await;
    assert_eq!(host.event("chat").await["message"]["name"], "Member");
    host.ok(json!({"type": "set_setting", "key": "room_chat", "value": "hosts_write"}))
        .await;
    assert_eq!(guest.event("may_chat").await["may"], false);
    assert_eq!(guest.refused(chat("once more?")).await, "not_allowed");
}

#[tokio::test]
async fn a_late_joiner_reads_from_their_own_admission_until_a_host_widens_it() {
    let (server, owner, room, mut host, _) = hosted().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    say(&mut host, "one early").await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    say(&mut host, "two early").await;
    leave(guest).await;
    say(&mut host, "three away").await;
    let (again, _) = server.admit(&mut host, &member, &room).await;
    guest = again;
    say(&mut host, "four late").await;

    assert_eq!(history(&mut guest).await, ["two early", "four late"]);
    assert_eq!(search(&mut guest, "EARLY").await, ["two early"]);
    assert_eq!(history(&mut host).await.len(), 4);
    host.ok(json!({"type": "set_setting", "key": "chat_history", "value": "from_start"}))
        .await;
    assert_eq!(
        history(&mut guest).await,
        ["one early", "two early", "three away", "four late"]
    );
    assert_eq!(search(&mut guest, "e away").await, ["three away"]);
    host.ok(json!({"type": "set_setting", "key": "chat_history", "value": "from_admission"}))
        .await;
    assert_eq!(history(&mut guest).await, ["two early", "four late"]);

    let page = host.ok(json!({"type": "chat_history", "limit": 3})).await;
    assert_eq!(
        (&page["more"], page["messages"].as_array().unwrap().len()),
        (&json!(true), 3)
    );
    let rest = json!({"type": "chat_history", "limit": 3, "before": page["next"]});
    let rest = host.ok(rest).await;
    assert_eq!(
        (&rest["more"], &rest["messages"][0]["text"]),
        (&json!(false), &json!("one early"))
    );
    assert!(rest.get("next").is_none());
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_not_written_twice() {
    let (server, owner, room, mut host, view) = hosted().await;
    let request = json!({"type": "chat", "text": "once", "ref": "tab-1"});
    let first = host.ok(request.clone()).await;
    assert_eq!(host.ok(request.clone()).await, first);
    // All at once, and from a connection that was lost in between.
    let ids = [
        host.send(request.clone()).await,
        host.send(request.clone()).await,
    ];
    for id in ids {
        let reply = host.next("reply").await;
        assert_eq!((&reply["id"], &reply["ok"]), (&json!(id), &first));
    }
    host.vanish();
    let mut host = server.socket(&owner).await;
    host.send(json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": 0}))
        .await;
    host.next("admitted").await;
    assert_eq!(host.ok(request).await, first);
    assert_eq!(history(&mut host).await, ["once"]);
}

#[tokio::test]
async fn who_lost_the_connection_misses_nothing_and_not_what_was_deleted_meanwhile() {
    let (server, owner, room, mut host, _) = hosted().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    let (guest, view) = server.admit(&mut host, &member, &room).await;
    guest.vanish();
    loop {
        let changed = host.event("participant_changed").await;
        if changed["participant"]["connected"] == false {
            break;
        }
    }
    say(&mut host, "kept").await;
    let secret = say(&mut host, "regretted").await;
    host.ok(json!({"type": "delete_chat", "number": secret}))
        .await;
    let mut guest = server.socket(&member).await;
    let seen = view["seq"].clone();
    guest
        .send(json!({"type": "resume", "room": room.id, "secret": view["resume"], "seen": seen}))
        .await;
    guest.next("resumed").await;
    assert_eq!(guest.event("chat").await["message"]["text"], "kept");
    let gone = guest.event("chat").await["message"].clone();
    assert_eq!(
        (&gone["text"], &gone["deleted"]),
        (&json!(""), &json!(true))
    );
    assert_eq!(guest.event("chat_deleted").await["number"], secret);
    assert!(!guest.frames.concat().contains("regretted"));
    assert_eq!(history(&mut guest).await, ["kept", ""]);
}

#[tokio::test]
async fn hosts_delete_any_message_others_their_own_and_the_text_is_gone() {
    let (server, owner, room, mut host, _) = hosted().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    host.ok(json!({"type": "set_setting", "key": "room_chat", "value": "everyone_writes"}))
        .await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    let hosts = say(&mut host, "of the host").await;
    let own = say(&mut guest, "own, regretted").await;
    let other = say(&mut guest, "own, taken down").await;
    let delete = |number: u64| json!({"type": "delete_chat", "number": number});
    assert_eq!(guest.refused(delete(hosts)).await, "not_allowed");
    assert_eq!(guest.refused(delete(hosts + 10)).await, "not_found");
    guest.ok(delete(own)).await;
    host.ok(delete(other)).await;
    for socket in [&mut host, &mut guest] {
        let told = socket.event("chat_deleted").await;
        assert_eq!(
            (&told["number"], &told["by"]),
            (&json!(own), &json!("Member"))
        );
        let told = socket.event("chat_deleted").await;
        assert_eq!(
            (&told["number"], &told["by"]),
            (&json!(other), &json!("The Owner"))
        );
        assert_eq!(history(socket).await, ["of the host", "", ""]);
        assert!(search(socket, "own").await.is_empty());
    }
    // Deleting again changes nothing, and a message sent again stays deleted.
    host.ok(delete(other)).await;
    assert_eq!(say(&mut guest, "own, regretted").await, own);
    assert_eq!(history(&mut guest).await, ["of the host", "", ""]);
}

#[tokio::test]
async fn a_text_is_tidied_and_bounded() {
    let (_server, _owner, _room, mut host, _) = hosted().await;
    say(
        &mut host,
        "pay \u{202e}000 1\u{202c}\u{200b} now\u{0}\r\nsecond\u{7} line",
    )
    .await;
    assert_eq!(
        host.event("chat").await["message"]["text"],
        "pay 000 1 now\nsecond line"
    );
    say(&mut host, &"ж".repeat(2000)).await;
    for bad in ["ж".repeat(2001).as_str(), " \n ", "\u{202e}\u{2066}"] {
        assert_eq!(host.refused(chat(bad)).await, "invalid_value");
    }
    let nameless = json!({"type": "chat", "text": "x", "ref": ""});
    assert_eq!(host.refused(nameless).await, "invalid_value");
    for bad in ["", "  ", "a b c d e f g h i"] {
        assert_eq!(
            host.refused(json!({"type": "chat_search", "words": bad}))
                .await,
            "invalid_value"
        );
    }
}

#[tokio::test]
async fn who_writes_too_often_waits_and_the_others_do_not() {
    let (server, owner, room, mut host, _) = hosted().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    host.ok(json!({"type": "set_setting", "key": "room_chat", "value": "everyone_writes"}))
        .await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    let mut ids = Vec::new();
    for turn in 0..50 {
        ids.push(guest.send(chat(&format!("flood {turn}"))).await);
    }
    let (mut taken, mut refused) = (0, 0);
    for _ in ids {
        let reply = guest.next("reply").await;
        taken += usize::from(reply.get("ok").is_some());
        refused += usize::from(reply["error"]["code"] == "rate_limited");
    }
    assert_eq!(taken + refused, 50);
    assert!((5..=8).contains(&taken), "{taken}");
    // Coming back does not give the person a new allowance.
    leave(guest).await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    say(&mut host, "and the host goes on").await;
    let mut more = 0;
    for turn in 0..10 {
        more += usize::from(
            guest
                .ask(chat(&format!("again {turn}")))
                .await
                .get("ok")
                .is_some(),
        );
    }
    assert!(more <= 3, "{more}");
}

/// Whether this text stands in a file of the folder.
fn in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let file = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        file.windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

async fn rows(data: &Path, table: &str) -> i64 {
    let database = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(data.join("conclave.db"))
        .read_only(true);
    let database = sqlx::SqlitePool::connect_with(database).await.unwrap();
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
    let count = count.fetch_one(&database).await.unwrap();
    database.close().await;
    count
}

async fn wiped(data: &Path) {
    for _ in 0..200 {
        if rows(data, "chat_messages").await == 0 && rows(data, "chat_attendances").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rows(data, "chat_messages").await, 0);
}

#[tokio::test]
async fn the_chat_goes_with_its_session_and_its_text_is_never_in_a_file() {
    let (server, owner, room, mut host, _) = hosted().await;
    let text = "marmalade volcano quastenflosser";
    let first = say(&mut host, text).await;
    let data = server.data.clone();
    assert_eq!(rows(data.path(), "chat_messages").await, 1);
    assert!(!in_files(data.path(), text) && !in_files(data.path(), "The Owner"));
    host.send(json!({"type": "end"})).await;
    assert_eq!(host.closed().await, "ended");
    let (mut host, _) = server.enter(&owner, &room).await;
    assert!(history(&mut host).await.is_empty());
    host.ok(json!({"type": "set_setting", "key": "chat_history", "value": "from_start"}))
        .await;
    assert!(history(&mut host).await.is_empty());
    wiped(data.path()).await;
    assert_eq!(say(&mut host, "numbers go on").await, first + 1);

    // Also when the server is killed, and when it is stopped.
    server.kill().await;
    let server = Server::start_with(data.clone(), &[]).await;
    let (mut host, _) = server.enter(&owner, &room).await;
    assert!(history(&mut host).await.is_empty());
    wiped(data.path()).await;
    assert_eq!(say(&mut host, "and on").await, first + 2);
    assert!(server.stop().await.success());
    assert_eq!(rows(data.path(), "chat_messages").await, 0);
}

#[tokio::test]
async fn a_chat_that_is_kept_is_read_later_by_those_who_were_in_and_goes_when_it_is_no_longer_kept()
{
    let (server, owner, room, mut host, _) = hosted().await;
    server
        .set(&owner, &room, "chat_retention", "thirty_days")
        .await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    say(&mut host, "before").await;
    let (guest, _) = server.admit(&mut host, &member, &room).await;
    say(&mut host, "together").await;
    leave(guest).await;
    say(&mut host, "after").await;
    host.send(json!({"type": "end"})).await;
    host.closed().await;

    // Kept also over a stop of the server.
    let data = server.data.clone();
    server.stop().await;
    let server = Server::start_with(data.clone(), &[]).await;
    let other = server.member(&owner, "other@example.org", "Other").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut guest, _) = server.admit(&mut host, &member, &room).await;
    let (mut new, _) = server.admit(&mut host, &other, &room).await;
    say(&mut host, "today").await;
    assert_eq!(
        history(&mut host).await,
        ["before", "together", "after", "today"]
    );
    assert_eq!(history(&mut guest).await, ["together", "today"]);
    assert_eq!(history(&mut new).await, ["today"]);
    // From the start is from the start of this session.
    host.ok(json!({"type": "set_setting", "key": "chat_history", "value": "from_start"}))
        .await;
    assert_eq!(history(&mut guest).await, ["together", "today"]);
    assert_eq!(history(&mut new).await, ["today"]);

    server.set(&owner, &room, "chat_retention", "none").await;
    host.send(json!({"type": "end"})).await;
    host.closed().await;
    let server = {
        server.stop().await;
        Server::start_with(data.clone(), &[]).await
    };
    wiped(data.path()).await;
    let (mut host, _) = server.enter(&owner, &room).await;
    assert!(history(&mut host).await.is_empty());
}
