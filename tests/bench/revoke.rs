//! `revoke.last_packet`: from just before the end of a session is asked for to the last packet of its media, at someone who was
//! being sent it, or at the one whose session it was. All the time the other side goes on as if nothing had happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conclave::clock::{Clock, SystemClock};
use conclave_policy::source::Source;
use reqwest::Method;
use serde_json::json;

use crate::common::server::{Person, Room, Server};
use crate::common::text;
use crate::measure::{figure, milliseconds, note, percentile};
use crate::media_client::{Script, UdpClient};
use crate::peer::{SETTINGS, connect, keep};

const ENDS: usize = 60;
/// A packet of the camera each.
const STEP: Duration = Duration::from_millis(1);
/// How long it is looked for packets afterwards.
const AFTER: Duration = Duration::from_millis(400);

#[derive(Default)]
struct Stage {
    over: AtomicBool,
    seen: Mutex<(u64, Option<Instant>)>,
}

/// How a session ends.
#[derive(Clone, Copy)]
enum End {
    /// Who sends signs out.
    Sender,
    /// Who receives signs out.
    Receiver,
    /// The emergency switch.
    Everyone,
}

pub(crate) async fn run() {
    let server = Server::start_set(SETTINGS).await;
    server.owner().await;
    let owner = server.sign_in("owner@example.org").await;
    for email in ["a@example.org", "b@example.org"] {
        server.member(&owner, email, "Attendee").await;
    }
    let room = server.room(&owner, "Board").await;
    let (mut times, mut emergencies) = (Vec::new(), Vec::new());
    for number in 0..ENDS {
        let end = match number % 6 {
            0 => End::Everyone,
            number if number % 2 == 0 => End::Sender,
            _ => End::Receiver,
        };
        let took = once(&server, &room, end).await;
        times.push(took);
        if matches!(end, End::Everyone) {
            emergencies.push(took);
        }
    }
    note(&format!(
        "{ENDS} ends of a session with a packet each millisecond, by sign-out of who sends or receives, and by the emergency switch \
         ({:.1} ms at most); the slowest took {:.1} ms",
        percentile(&emergencies, 1.0),
        percentile(&times, 1.0)
    ));
    for (share, at) in [("p50", 0.5), ("p99", 0.99)] {
        let name = format!("revoke.last_packet.{share}");
        figure(&name, percentile(&times, at), "ms", None);
    }
    server.kill().await;
}

async fn once(server: &Server, room: &Room, end: End) -> f64 {
    let owner = server.sign_in("owner@example.org").await;
    let sender = server.sign_in("a@example.org").await;
    let receiver = server.sign_in("b@example.org").await;
    let (mut host, _) = server.enter(&owner, room).await;
    let (mut speaking, view) = server.admit(&mut host, &sender, room).await;
    let who = text(&view["room"], "you");
    let (mut looking, _) = server.admit(&mut host, &receiver, room).await;
    let sends = connect(&mut speaking, Script::default()).await;
    let receives = connect(&mut looking, Script::default()).await;
    looking
        .ok(json!({"type": "view", "looks": [{"participant": who, "source": "camera", "width": 640, "height": 360}]}))
        .await;
    speaking
        .ok(json!({"type": "publish", "source": "camera", "on": true}))
        .await;
    let stage = Arc::new(Stage::default());
    let threads = [
        begin(&stage, move |stage| send(sends, stage)),
        begin(&stage, move |stage| receive(receives, stage)),
    ];
    let kept = [keep(speaking), keep(looking), keep(host)];
    flows(&stage).await;
    let begun = SystemClock.instant();
    ask(server, end, [&sender, &receiver, &owner]).await;
    tokio::time::sleep(AFTER).await;
    let (_, last) = *stage.seen.lock().unwrap();
    let took = milliseconds(last.unwrap().saturating_duration_since(begun));
    stage.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    // Whoever was not sent away goes now, so that the next round finds its places free.
    for person in [&sender, &receiver, &owner] {
        server
            .call(Method::DELETE, "/api/session", Some(&person.token), None)
            .await;
    }
    for socket in kept {
        socket.await.unwrap();
    }
    took
}

async fn ask(server: &Server, end: End, [sender, receiver, owner]: [&Person; 3]) {
    let (path, by) = match end {
        End::Sender => ("/api/session", sender),
        End::Receiver => ("/api/session", receiver),
        End::Everyone => ("/api/organisation/sessions", owner),
    };
    server
        .get(Method::DELETE, path, Some(&by.token), None)
        .await;
}

fn begin(stage: &Arc<Stage>, act: impl FnOnce(&Stage) + Send + 'static) -> JoinHandle<()> {
    let stage = Arc::clone(stage);
    thread::spawn(move || act(&stage))
}

async fn flows(stage: &Stage) {
    for _ in 0..5000 {
        if stage.seen.lock().unwrap().0 >= 20 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("no media");
}

fn send(mut client: UdpClient, stage: &Stage) {
    let mut step: u32 = 0;
    while !stage.over.load(Ordering::Relaxed) {
        step += 1;
        client.client.frame(Source::Camera, step.is_multiple_of(10));
        client.pump(Duration::from_micros(1));
        client.client.received.clear();
        client.client.reports.clear();
        thread::sleep(STEP);
    }
}

fn receive(mut client: UdpClient, stage: &Stage) {
    client.socket.set_nonblocking(false).unwrap();
    let wait = Some(Duration::from_millis(4));
    client.socket.set_read_timeout(wait).unwrap();
    let mut buffer = [0; 2048];
    let mut checked = SystemClock.instant();
    while !stage.over.load(Ordering::Relaxed) {
        if checked.elapsed() > Duration::from_millis(500) {
            checked = SystemClock.instant();
            client.client.check(true);
            client.flush();
        }
        let Ok((length, _)) = client.socket.recv_from(&mut buffer) else {
            continue;
        };
        let now = SystemClock.instant();
        let media = matches!(buffer[0], 128..=191) && !(192..=223).contains(&buffer[1]);
        let opener = client.client.opener.as_mut().unwrap();
        if media && opener.open_rtp(&mut buffer[..length]).is_ok() {
            let mut seen = stage.seen.lock().unwrap();
            seen.0 += 1;
            seen.1 = Some(now);
        }
    }
}
