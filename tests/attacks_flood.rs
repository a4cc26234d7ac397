//! Floods of signalling (M04): too many, too large, too slow, too deep, from the outside and from within a room. The server
//! must stay small, and those who behave must hardly notice. Figures are printed; only generous bounds are asserted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[path = "common/mod.rs"]
#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "attacks/raw.rs"]
#[expect(dead_code, reason = "other attacks use more of this client")]
mod raw;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::server::{Person, Room, Server};
use common::socket::Socket;
use raw::Raw;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(4);
/// How much the server may grow by under any flood, in KiB; a bound on sanity, not a measure.
const MOST_GROWTH: u64 = 96 * 1024;
/// How slow the slowest answer to a well-behaved participant may become.
const SLOWEST: Duration = Duration::from_secs(2);

/// A server with its usual limits on messages, and people who talk in a room while others flood.
struct Scene {
    server: Arc<Server>,
    owner: Person,
    room: Room,
    host: Socket,
    member: Socket,
    attacker: Person,
}

impl Scene {
    async fn set() -> Self {
        Self::set_with(&[]).await
    }

    async fn set_with(variables: &[(&str, &str)]) -> Self {
        let server = Server::start_set(variables).await;
        let owner = server.owner().await;
        let member = server.member(&owner, "alpha@example.org", "Alpha").await;
        let attacker = server.member(&owner, "gamma@example.org", "Gamma").await;
        let room = server.room(&owner, "Board").await;
        let (mut host, _) = server.enter(&owner, &room).await;
        let (member, _) = server.admit(&mut host, &member, &room).await;
        Self {
            server: Arc::new(server),
            owner,
            room,
            host,
            member,
            attacker,
        }
    }

    /// The attacker inside, and the secret with which to come back.
    async fn admit(&mut self) -> Value {
        let (socket, view) = self
            .server
            .admit(&mut self.host, &self.attacker, &self.room)
            .await;
        drop(socket);
        view["resume"].clone()
    }

    /// Runs a flood, and measures what the others notice of it.
    async fn under<T>(&mut self, name: &str, flood: impl Future<Output = T>) -> T {
        let pid = self.server.pid();
        let before = rss(pid);
        let watch = watch(pid);
        let (flooded, mut times) =
            tokio::join!(flood, talk(&mut self.host, &mut self.member, FLOOD));
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        let grown = watch.peak().await.saturating_sub(before);
        println!("figure m04.{name}.p50 {} us", at(50).as_micros());
        println!("figure m04.{name}.p99 {} us", at(99).as_micros());
        println!("figure m04.{name}.rss_growth {grown} KiB");
        assert!(
            grown < MOST_GROWTH,
            "{name}: the server grew by {grown} KiB"
        );
        assert!(at(99) < SLOWEST, "{name}: others waited {:?}", at(99));
        flooded
    }
}

/// Requests at a permitted pace from two participants; how long each answer took.
async fn talk(host: &mut Socket, member: &mut Socket, during: Duration) -> Vec<Duration> {
    let (start, mut times, mut raised) = (raw::now(), Vec::new(), false);
    while start.elapsed() < during {
        raised = !raised;
        for socket in [&mut *host, &mut *member] {
            let asked = raw::now();
            socket
                .ok(json!({"type": "raise_hand", "raised": raised}))
                .await;
            times.push(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(55)).await;
    }
    times
}

/// Memory of a process, in KiB.
fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Keeps an eye on a process's memory.
struct Watch {
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

fn watch(pid: u32) -> Watch {
    let (peak, over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (seen, stop) = (peak.clone(), over.clone());
    let task = tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            seen.fetch_max(rss(pid), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Watch { peak, over, task }
}

impl Watch {
    async fn peak(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.peak.load(Ordering::Relaxed)
    }
}

/// Runs something again and again, several times at once, for the length of the flood; how often in all.
async fn again<F: Future<Output = u64> + Send + 'static>(
    at_once: usize,
    one: impl Fn(usize) -> F,
) -> u64 {
    let end = raw::now() + FLOOD;
    let mut count = 0;
    while raw::now() < end {
        let batch: Vec<_> = (0..at_once)
            .map(|number| tokio::spawn(one(number)))
            .collect();
        for task in batch {
            count += task.await.unwrap();
        }
    }
    count
}

/// Writes this until the server hangs up or it is all written; how many bytes went out.
async fn pour(raw: &mut Raw, chunk: &[u8], total: usize) -> usize {
    let mut sent = 0;
    while sent < total && raw.send(chunk).await {
        sent += chunk.len();
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_floods_of_messages_reach_nobody() {
    let mut scene = Scene::set().await;
    scene.under("nothing", async {}).await;

    // Ten thousand a second from within the room, coming back after each cut.
    let mut secret = scene.admit().await;
    let (server, room, attacker) = (
        scene.server.clone(),
        scene.room.clone(),
        scene.attacker.clone(),
    );
    let flood = async move {
        let (mut sent, mut cuts, end) = (0, 0, raw::now() + FLOOD);
        let burst =
            raw::text(r#"{"id":1,"request":{"type":"raise_hand","raised":true}}"#).repeat(1000);
        while raw::now() < end {
            let request = json!({"type": "resume", "room": room.id, "secret": secret, "seen": 0});
            let mut raw = Raw::first(&server, &attacker.token, request, &[]).await;
            // The seat is taken up when its row is durable, which takes a moment on a busy disk.
            let mut said = Value::Null;
            for _ in 0..50 {
                let heard = raw.capture(Duration::from_millis(60)).await;
                if let Some(text) = heard.texts().first() {
                    said = serde_json::from_str(text).unwrap();
                    break;
                }
            }
            secret = said["resume"].clone();
            assert!(secret.is_string(), "{said}");
            sent += pour(&mut raw, &burst, burst.len() * 10).await / burst.len() * 1000;
            cuts += u64::from(raw.read_out(Duration::from_secs(5)).await.is_some());
        }
        (sent, cuts)
    };
    let (sent, cuts) = scene.under("messages_inside", flood).await;
    println!("figure m04.messages_inside.sent {sent} messages");
    println!("figure m04.messages_inside.cuts {cuts} connections");
    assert!(cuts > 0, "nobody was cut off");

    // Requests to join, one a connection, and messages of no phase at all.
    for (name, frame) in [
        (
            "joins",
            format!(
                r#"{{"id":1,"request":{{"type":"join","room":"{}","password":"x"}}}}"#,
                "a".repeat(26)
            ),
        ),
        ("rubbish", "x".repeat(4000)),
    ] {
        let (server, token) = (scene.server.clone(), scene.attacker.token.clone());
        let frame = raw::text(&frame).repeat(50);
        let flood = again(16, move |_| {
            let (server, token, frame) = (server.clone(), token.clone(), frame.clone());
            async move {
                let mut raw = Raw::socket(&server, &token).await;
                raw.send(&frame).await;
                u64::from(raw.read_out(Duration::from_secs(5)).await.is_some())
            }
        });
        let closed = scene.under(name, flood).await;
        println!("figure m04.{name}.connections {closed} connections");
        assert!(closed > 0);
    }

    // Pings, which are cheap to send and must not be cheap to flood with.
    let (server, token) = (scene.server.clone(), scene.attacker.token.clone());
    let pings = raw::ping(&[7; 125]).repeat(500);
    let flood = again(4, move |_| {
        let (server, token, pings) = (server.clone(), token.clone(), pings.clone());
        async move {
            let mut raw = Raw::socket(&server, &token).await;
            pour(&mut raw, &pings, pings.len() * 20).await;
            u64::from(raw.read_out(Duration::from_secs(5)).await.is_some())
        }
    });
    let closed = scene.under("pings", flood).await;
    assert!(closed > 0, "nobody was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_large_frames_and_heads_are_cut_off_and_not_kept() {
    const HUNDRED_MEGABYTES: u64 = 100 << 20;
    let mut scene = Scene::set().await;
    let chunk = vec![b' '; 64 * 1024];

    // One frame of 100 MB, announced; one that never ends, in pieces; one of more bytes than there are.
    let starts = [
        raw::begin(0x81, HUNDRED_MEGABYTES),
        raw::begin(0x81, u64::MAX >> 1),
        raw::begin(0x82, HUNDRED_MEGABYTES),
        raw::begin(0x01, chunk.len() as u64),
    ];
    let pieces = Arc::new(AtomicU64::new(0));
    let (server, token, most) = (
        scene.server.clone(),
        scene.attacker.token.clone(),
        pieces.clone(),
    );
    let flood = again(4, move |number| {
        let (server, token, chunk, most) =
            (server.clone(), token.clone(), chunk.clone(), most.clone());
        let start = starts[number].clone();
        async move {
            let mut raw = Raw::socket(&server, &token).await;
            raw.send(&start).await;
            let total = usize::try_from(HUNDRED_MEGABYTES).unwrap();
            let sent = if number == 3 {
                raw.send(&chunk).await;
                let piece = raw::encode(0x00, &chunk);
                pour(&mut raw, &piece, total).await
            } else {
                pour(&mut raw, &chunk, total).await
            };
            most.fetch_max(sent as u64, Ordering::Relaxed);
            assert!(sent < total, "100 MB were taken");
            1
        }
    });
    let closed = scene.under("hundred_megabytes", flood).await;
    println!("figure m04.hundred_megabytes.connections {closed} connections");
    println!(
        "figure m04.hundred_megabytes.most_sent {} KiB",
        pieces.load(Ordering::Relaxed) / 1024
    );

    // A head of 1 MB, in one field, in ten thousand fields, in the first line.
    let heads = [
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
            "x".repeat(1 << 20)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            "a: b\r\n".repeat(10_000)
        ),
        format!(
            "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "x".repeat(1 << 20)
        ),
        format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {}!\r\n\r\n",
            "a".repeat(30_000)
        ),
    ];
    let server = scene.server.clone();
    let flood = again(8, move |number| {
        let (server, head) = (server.clone(), heads[number % 4].clone());
        async move {
            let mut raw = Raw::dial(&server).await;
            raw.send(head.as_bytes()).await;
            let answer = raw.head().await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
                "{answer}"
            );
            1
        }
    });
    let closed = scene.under("megabyte_heads", flood).await;
    println!("figure m04.megabyte_heads.connections {closed} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_deep_wide_and_packed_messages_cost_little() {
    let mut scene = Scene::set().await;
    let secret = Arc::new(tokio::sync::Mutex::new(scene.admit().await));
    let request = |inner: String| format!(r#"{{"id":1,"request":{inner}}}"#);
    let most = 299 * 1024;
    let frames = [
        "[".repeat(most),
        r#"{"a":"#.repeat(most / 5),
        format!("[{}1]", "1,".repeat(most / 2 - 10)),
        format!("[{}1]", "1,".repeat(1_000_000)),
        request(format!(
            r#"{{"type":"view","looks":[{}1]}}"#,
            "1,".repeat(100_000)
        )),
        request(format!(
            r#"{{"type":"view","looks":[{}{{}}]}}"#,
            "{},".repeat(80_000)
        )),
        request(format!(
            r#"{{"type":"mute","participant":"{}"}}"#,
            "a".repeat(200_000)
        )),
        request(format!(r#"{{"type":"{}"}}"#, "\\u0061".repeat(40_000))),
        format!("{}1", " ".repeat(most)),
        format!(r#"{{"id":{}}}"#, "9".repeat(200_000)),
        request(format!(
            r#"{{"type":"offer","sdp":"{}","sources":[]}}"#,
            "a=x\\r\\n".repeat(30_000)
        )),
        request(format!(
            r#"{{"type":"offer","sdp":"v=0\\r\\n{}","sources":[]}}"#,
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\\r\\n".repeat(5000)
        )),
    ];
    let (server, room, attacker) = (
        scene.server.clone(),
        scene.room.clone(),
        scene.attacker.clone(),
    );
    let flood = async {
        // Each as the first message of a connection, and from within the room.
        let (mut slowest, mut answered) = (Duration::ZERO, 0);
        for frame in &frames {
            let bytes = raw::text(frame);
            let mut outside = Raw::socket(&server, &attacker.token).await;
            outside.send(&bytes).await;
            assert!(
                outside.read_out(Duration::from_secs(5)).await.is_some(),
                "{frame:.40}: left open"
            );
            let mut secret = secret.lock().await;
            let resume = json!({"type": "resume", "room": room.id, "secret": *secret, "seen": 0});
            let mut inside = Raw::first(&server, &attacker.token, resume, &[]).await;
            let first = inside.capture(Duration::from_millis(60)).await;
            let said: Value =
                serde_json::from_str(first.texts().first().expect("not taken back")).unwrap();
            *secret = said["resume"].clone();
            let asked = raw::now();
            inside.send(&bytes).await;
            let trace = inside.capture(Duration::from_secs(1)).await;
            let refused =
                trace.ended || trace.texts().iter().any(|text| text.contains("\"error\""));
            assert!(refused, "{frame:.60}: {:?}", trace.texts());
            if trace.ended {
                slowest = slowest.max(asked.elapsed());
            } else {
                answered += 1;
            }
        }
        (slowest, answered)
    };
    let (slowest, answered) = scene.under("deep_and_wide", flood).await;
    println!(
        "figure m04.deep_and_wide.slowest {} us",
        slowest.as_micros()
    );
    assert!(
        answered <= 2,
        "more than the offers were answered: {answered}"
    );

    // Packed frames were never agreed on: the offer of the extension is not taken up, and such a frame ends the connection.
    let bearer = format!("Bearer {}", scene.attacker.token);
    let (server, fields) = (
        scene.server.clone(),
        [
            ("Authorization", bearer.as_str()),
            ("Sec-WebSocket-Protocol", "conclave.v1"),
            (
                "Sec-WebSocket-Extensions",
                "permessage-deflate; client_max_window_bits; server_max_window_bits=8",
            ),
        ],
    );
    let mut raw = Raw::dial(&server).await;
    let head = raw.upgrade(&fields).await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && !head.contains("sec-websocket-extensions"),
        "{head}"
    );
    // "Hello" packed, RFC 7692, section 7.2.3.1; and 4 KiB of zeros packed, a thousandfold in the end.
    raw.send(&raw::encode(
        0xc1,
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    ))
    .await;
    assert!(
        raw.read_out(Duration::from_secs(5)).await.is_some(),
        "a packed frame was taken"
    );
    let bomb = raw::encode(0xc1, &[0x4b, 0x04, 0x00].repeat(90_000));
    let (server, token) = (scene.server.clone(), scene.attacker.token.clone());
    let flood = again(4, move |_| {
        let (server, token, bomb) = (server.clone(), token.clone(), bomb.clone());
        async move {
            let mut raw = Raw::socket(&server, &token).await;
            raw.send(&bomb).await;
            assert!(
                raw.read_out(Duration::from_secs(5)).await.is_some(),
                "a packed frame was taken"
            );
            1
        }
    });
    scene.under("packed", flood).await;
    // Other breaches of framing end the connection as well.
    for (which, bytes) in [
        ("unmasked", vec![0x81, 0x02, b'{', b'}']),
        ("reserved bits", raw::encode(0xb1, b"{}")),
        ("reserved opcode", raw::encode(0x83, b"{}")),
        ("a piece of nothing", raw::encode(0x80, b"{}")),
        ("a ping in pieces", raw::encode(0x09, b"x")),
        ("a long ping", raw::encode(0x89, &[0; 126])),
        ("no text", raw::encode(0x81, &[0xff, 0xfe])),
    ] {
        let mut raw = Raw::socket(&scene.server, &scene.attacker.token).await;
        raw.send(&bytes).await;
        assert!(
            raw.read_out(Duration::from_secs(5)).await.is_some(),
            "{which}: left open"
        );
    }
    let _ = &scene.owner;
}

/// How many kinds of trickle there are.
const KINDS: usize = 7;

/// Opens something and lets it trickle, from an address of its own network; how long the server stood it.
async fn trickle(
    server: Arc<Server>,
    which: usize,
    number: usize,
    token: String,
) -> Option<Duration> {
    let from = Ipv4Addr::new(127, 1 + which as u8, number as u8, 1);
    let start = raw::now();
    let patience = Duration::from_secs(30);
    if which == 0 {
        // Not a byte of TLS.
        let mut tcp = raw::tcp(&server, from).await;
        let mut byte = [0];
        let read = tokio::io::AsyncReadExt::read(&mut tcp, &mut byte);
        return tokio::time::timeout(patience, read)
            .await
            .ok()
            .map(|_| start.elapsed());
    }
    let mut raw = Raw::dial_from(&server, from).await;
    let begun = match which {
        // TLS, and not a byte of a request.
        1 => Vec::new(),
        // A request whose head goes on.
        2 => b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec(),
        // A body that was promised.
        3 => format!("POST /api/rooms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{{").into_bytes(),
        // A body that nobody wants.
        4 => b"GET /api/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n".to_vec(),
        6 => b"GET /api/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500),
        // The first frame of a WebSocket.
        _ => {
            let bearer = format!("Bearer {token}");
            let head = raw.upgrade(&[("Authorization", &bearer), ("Sec-WebSocket-Protocol", "conclave.v1")]).await;
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            raw::begin(0x81, 4000)
        }
    };
    raw.send(&begun).await;
    if which == 6 {
        // Question after question, and not an answer taken: until the server stops reading too, and then until it hangs up.
        while start.elapsed() < patience {
            match tokio::time::timeout(Duration::from_secs(1), raw.stream.write_all(&begun)).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => return Some(start.elapsed()),
            }
        }
        return None;
    }
    while start.elapsed() < patience {
        // One byte a second.
        let trace = raw.read_out(Duration::from_secs(1)).await;
        if trace.is_some() || (which > 1 && !raw.send(b" ").await) {
            return Some(start.elapsed());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_trickles_and_half_open_connections_are_ended() {
    let mut scene = Scene::set().await;
    let names: [&str; KINDS] = [
        "no_tls",
        "no_request",
        "slow_head",
        "slow_body",
        "unwanted_body",
        "slow_frame",
        "unread",
    ];
    let mut tasks = Vec::new();
    for number in 0..40 * KINDS {
        let (server, which, token) = (
            scene.server.clone(),
            number % KINDS,
            scene.attacker.token.clone(),
        );
        // Each of the last kind asks thousands of questions before it stands still.
        if which == 6 && number > 5 * KINDS {
            continue;
        }
        tasks.push((
            which,
            tokio::spawn(trickle(server, which, number / KINDS, token)),
        ));
    }
    scene.under("trickles", async {}).await;
    let mut longest = [Duration::ZERO; KINDS];
    let mut left_open = [0; KINDS];
    for (which, task) in tasks {
        // Keeps the two who talk from falling silent meanwhile.
        let stood = talking(&mut scene, task).await;
        match stood {
            Some(time) => longest[which] = longest[which].max(time),
            None => left_open[which] += 1,
        }
    }
    for (which, name) in names.into_iter().enumerate() {
        println!(
            "figure m04.trickles.{name}.stood_for {} ms",
            longest[which].as_millis()
        );
    }
    assert_eq!(left_open, [0; KINDS], "left open after 30 s, of {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_a_participant_who_reads_nothing_is_let_go_and_holds_nobody_up() {
    let mut scene = Scene::set().await;
    let secret = scene.admit().await;
    let request = json!({"type": "resume", "room": scene.room.id, "secret": secret, "seen": 0});
    let start = raw::now();
    let deaf = Raw::first(&scene.server, &scene.attacker.token, request, &[]).await;
    // It hears of every hand that is raised, and takes nothing of it.
    let mut gone = None;
    while gone.is_none() && start.elapsed() < Duration::from_secs(30) {
        let mut times = talk(&mut scene.host, &mut scene.member, Duration::from_secs(1)).await;
        times.sort_unstable();
        assert!(times[times.len() - 1] < SLOWEST, "others waited {times:?}");
        let lost = |frame: &&String| frame.contains("\"connected\":false");
        // It was lost once before, when it was let in.
        gone = (scene.host.frames.iter().filter(lost).count() > 1).then(|| start.elapsed());
    }
    let gone = gone.expect("it is still there after 30 s");
    println!(
        "figure m04.deaf_participant.stood_for {} ms",
        gone.as_millis()
    );
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_a_flood_of_sign_ins_is_queued_and_bounded() {
    let mut scene = Scene::set_with(&[("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.0/8\"]")]).await;
    let known = scene.server.http.post(scene.server.url("/api/session"));
    let body = json!({"email": "owner@example.org", "password": common::server::PASSWORD});
    let known = known
        .header("origin", scene.server.origin())
        .header("dpop", scene.server.sign("POST", "/api/session").await)
        .json(&body)
        .send()
        .await
        .unwrap();
    let cookies = known.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let device = cookies
        .find(|cookie| cookie.starts_with("__Host-conclave-device="))
        .unwrap()
        .to_owned();

    let (server, asked) = (scene.server.clone(), Arc::new(AtomicU64::new(0)));
    let busy = Arc::new(AtomicU64::new(0));
    let turned_away = busy.clone();
    let flood = again(128, move |_| {
        let (server, number, busy) = (
            server.clone(),
            asked.fetch_add(1, Ordering::Relaxed),
            busy.clone(),
        );
        async move {
            let [.., a, b] = number.to_be_bytes();
            let body = json!({"email": format!("nobody{number}@example.org"), "password": "not the password"});
            let request = server.http.post(server.url("/api/token")).json(&body);
            let answer = request
                .header("x-forwarded-for", format!("10.{a}.{b}.1"))
                .send()
                .await
                .unwrap();
            assert!(
                [401, 429, 503].contains(&answer.status().as_u16()),
                "{}",
                answer.status()
            );
            busy.fetch_add(u64::from(answer.status() == 503), Ordering::Relaxed);
            1
        }
    });
    // Someone whose device is known signs in meanwhile.
    let server = scene.server.clone();
    let sign_in = async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = raw::now();
        let request = server
            .http
            .post(server.url("/api/session"))
            .header("origin", server.origin())
            .header("dpop", server.sign("POST", "/api/session").await);
        let answer = request
            .header("cookie", device)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "the flood kept a known device out");
        asked.elapsed()
    };
    let (count, time) = scene
        .under("sign_ins", async { tokio::join!(flood, sign_in) })
        .await;
    println!("figure m04.sign_ins.answered {count} requests");
    println!(
        "figure m04.sign_ins.busy {} requests",
        turned_away.load(Ordering::Relaxed)
    );
    println!("figure m04.sign_ins.known_device {} ms", time.as_millis());
}

async fn talking<T>(scene: &mut Scene, task: JoinHandle<T>) -> T {
    tokio::pin!(task);
    loop {
        tokio::select! {
            done = &mut task => return done.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(2)) => {
                for socket in [&mut scene.host, &mut scene.member] {
                    socket.ok(json!({"type": "raise_hand", "raised": false})).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m04_one_address_cannot_take_all_connections() {
    let server =
        Arc::new(Server::start_set(&[("CONCLAVE_LIMITS__CONNECTIONS_PER_ADDRESS", "20")]).await);
    let owner = server.owner().await;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(raw::tcp(&server, Ipv4Addr::new(127, 9, 9, 9)).await);
    }
    // The same address gets no further, nor does its neighbour; another does.
    let from = |ip: Ipv4Addr| {
        let server = server.clone();
        async move {
            let dial = async move { Raw::dial_from(&server, ip).await };
            tokio::spawn(dial).await.is_ok()
        }
    };
    assert!(
        !from(Ipv4Addr::new(127, 9, 9, 9)).await,
        "a hundred connections of one address"
    );
    assert!(!from(Ipv4Addr::new(127, 9, 9, 10)).await, "its neighbour's");
    assert!(from(Ipv4Addr::new(127, 9, 10, 9)).await);
    assert_eq!(
        server
            .call(reqwest::Method::GET, "/api/me", Some(&owner.token), None)
            .await
            .status,
        200
    );
    // What it took it gives back.
    drop(held);
    let deadline = raw::now() + Duration::from_secs(12);
    while !from(Ipv4Addr::new(127, 9, 9, 9)).await {
        assert!(raw::now() < deadline, "its places are gone for good");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
