//! `mute.last_packet`: from just before a host's `mute` is written to the last packet of that source at someone who was being
//! sent it: an upper bound of "frame parsed to last send". The one who is muted goes on sending all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conclave::clock::{Clock, SystemClock};
use conclave_policy::source::Source;
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::socket::Socket;
use crate::common::text;
use crate::measure::{figure, milliseconds, note, percentile};
use crate::media_client::{Script, UdpClient};
use crate::peer::{SETTINGS, connect, keep};

const CUTS: usize = 300;
/// A packet of the camera each.
const STEP: Duration = Duration::from_millis(1);
/// A packet of the microphone after so many steps, and in each step around a cut: more sound than that is not accepted from
/// one source for long.
const SOUND: u32 = 6;
/// What [`UdpClient`]'s sound carries. Whoever else speaks in the room sends other sizes, so that their packets are told apart:
/// a slot that the cut has freed goes to the next speaker at once.
pub(crate) const SOUND_BYTES: usize = 40;
/// How long before a cut every step has a packet.
const DENSE: Duration = Duration::from_millis(8);
/// Whatever was on its way when the cut was answered has arrived by then.
const IN_FLIGHT: Duration = Duration::from_millis(40);

/// Packets of one source at the viewer.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    count: u64,
    last: Option<Instant>,
}

/// What the threads of sender and viewer share with the story.
#[derive(Default)]
struct Stage {
    over: AtomicBool,
    /// A packet of sound in every step.
    dense: AtomicBool,
    board: Mutex<[Seen; 2]>,
}

impl Stage {
    fn seen(&self, place: usize) -> Seen {
        self.board.lock().unwrap()[place]
    }
}

/// How one source is cut and counted.
struct Case {
    name: &'static str,
    request: &'static str,
    source: Source,
    place: usize,
}

/// What one cut showed.
struct Cut {
    last_packet: Duration,
    acknowledged: Duration,
    /// Arrivals after the acknowledgement, in flight until then.
    late: u64,
    /// Sent by the server after the acknowledgement.
    forwarded: u64,
    /// Refused by the server after the acknowledgement.
    dropped: u64,
}

/// Whom it takes: a host who cuts, one who sends all the time, and one who is sent it.
pub(crate) struct Cast {
    pub(crate) host: Socket,
    pub(crate) speaker: Socket,
    /// The speaker's participant.
    pub(crate) who: String,
    pub(crate) sending: UdpClient,
    pub(crate) receiving: UdpClient,
}

impl Cast {
    /// Connects both, and lets the viewer look at the speaker.
    pub(crate) async fn new(
        host: Socket,
        mut speaker: Socket,
        who: String,
        viewer: &mut Socket,
    ) -> Self {
        let sending = connect(&mut speaker, Script::default()).await;
        let receiving = connect(viewer, Script::default()).await;
        viewer
            .ok(json!({"type": "view", "looks": [{"participant": who, "source": "camera", "width": 640, "height": 360}]}))
            .await;
        Self {
            host,
            speaker,
            who,
            sending,
            receiving,
        }
    }
}

pub(crate) async fn run() {
    let server = Server::start_set(SETTINGS).await;
    let owner = server.owner().await;
    let (speaker, viewer) = (
        server
            .member(&owner, "attendee@example.org", "Attendee")
            .await,
        server.member(&owner, "other@example.org", "Other").await,
    );
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (speaker, view) = server.admit(&mut host, &speaker, &room).await;
    let who = text(&view["room"], "you");
    let (mut viewer, _) = server.admit(&mut host, &viewer, &room).await;
    let cast = Cast::new(host, speaker, who, &mut viewer).await;
    let _kept = keep(viewer);
    perform(cast, &["mute", "pause"]).await;
    server.kill().await;
}

/// Cuts again and again, and prints what it came to.
pub(crate) async fn perform(cast: Cast, names: &[&str]) {
    let Cast {
        mut host,
        mut speaker,
        who,
        sending,
        receiving,
    } = cast;
    let stage = Arc::new(Stage::default());
    let threads = [
        thread::spawn({
            let stage = Arc::clone(&stage);
            move || send(sending, &stage)
        }),
        thread::spawn({
            let stage = Arc::clone(&stage);
            move || receive(receiving, &stage)
        }),
    ];
    let cases = [
        Case {
            name: "mute",
            request: "mute",
            source: Source::Microphone,
            place: 0,
        },
        Case {
            name: "pause",
            request: "pause_video",
            source: Source::Camera,
            place: 1,
        },
    ];
    for case in cases.iter().filter(|case| names.contains(&case.name)) {
        measure(case, &who, &mut host, &mut speaker, &stage).await;
    }
    stage.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
}

async fn measure(case: &Case, who: &str, host: &mut Socket, speaker: &mut Socket, stage: &Stage) {
    let mut cuts = Vec::new();
    let mut round_trips = Vec::new();
    for _ in 0..CUTS {
        speaker
            .ok(json!({"type": "publish", "source": case.source, "on": true}))
            .await;
        flows(stage, case.place).await;
        let begun = SystemClock.instant();
        host.ok(json!({"type": "stats"})).await;
        round_trips.push(milliseconds(begun.elapsed()));
        cuts.push(cut(case, who, host, stage).await);
        host.ok(
            json!({"type": "allow", "participant": who, "source": case.source, "allowed": true}),
        )
        .await;
    }
    let times = |pick: fn(&Cut) -> Duration| -> Vec<f64> {
        cuts.iter().map(|cut| milliseconds(pick(cut))).collect()
    };
    let sum = |pick: fn(&Cut) -> u64| cuts.iter().map(pick).sum::<u64>() as f64;
    let last = times(|cut| cut.last_packet);
    let acknowledged = times(|cut| cut.acknowledged);
    let name = |rest: &str| format!("{}.{rest}", case.name);
    let slowest = percentile(&round_trips, 0.99);
    note(&format!(
        "{}: {CUTS} cuts of a source with a packet each millisecond; 0 means that the last one had come before the request was \
         written; a request that changes nothing takes {:.2} ms (p50), {slowest:.2} ms (p99), the ratio's base",
        case.name,
        percentile(&round_trips, 0.5)
    ));
    let p99 = percentile(&last, 0.99);
    figure(&name("last_packet.p50"), percentile(&last, 0.5), "ms", None);
    figure(&name("last_packet.p99"), p99, "ms", Some(p99 / slowest));
    for (share, at) in [("p50", 0.5), ("p99", 0.99)] {
        let acknowledged = percentile(&acknowledged, at);
        figure(
            &name(&format!("acknowledged.{share}")),
            acknowledged,
            "ms",
            None,
        );
    }
    figure(
        &name("arrived_after_ack"),
        sum(|cut| cut.late),
        "packets",
        None,
    );
    figure(
        &name("forwarded_after_ack"),
        sum(|cut| cut.forwarded),
        "packets",
        None,
    );
    figure(
        &name("dropped_after_ack"),
        sum(|cut| cut.dropped),
        "packets",
        None,
    );
    assert!(
        cuts.iter().all(|cut| cut.forwarded == 0),
        "something was forwarded after the acknowledgement"
    );
}

async fn cut(case: &Case, who: &str, host: &mut Socket, stage: &Stage) -> Cut {
    stage.dense.store(true, Ordering::Relaxed);
    tokio::time::sleep(DENSE).await;
    let begun = SystemClock.instant();
    host.ok(json!({"type": case.request, "participant": who}))
        .await;
    let acknowledged = begun.elapsed();
    stage.dense.store(false, Ordering::Relaxed);
    let arrived = stage.seen(case.place).count;
    let at_answer = counters(host, who, case.source).await;
    tokio::time::sleep(IN_FLIGHT).await;
    let seen = stage.seen(case.place);
    let mut afterwards = counters(host, who, case.source).await;
    // Only what is refused afterwards proves that something came.
    while afterwards.1 == at_answer.1 {
        tokio::time::sleep(STEP).await;
        afterwards = counters(host, who, case.source).await;
    }
    Cut {
        last_packet: seen.last.unwrap().saturating_duration_since(begun),
        acknowledged,
        late: seen.count - arrived,
        forwarded: afterwards.0 - at_answer.0,
        dropped: afterwards.1 - at_answer.1,
    }
}

/// Forwarded and dropped packets of a source, as the server counts them.
async fn counters(host: &mut Socket, who: &str, source: Source) -> (u64, u64) {
    let stats = host.ok(json!({"type": "stats"})).await;
    let lines = stats["sources"].as_array().unwrap();
    let ours = |line: &&Value| line["participant"] == who && line["source"] == json!(source);
    let line = lines.iter().find(ours).unwrap();
    let number = |key: &str| line[key].as_u64().unwrap();
    (number("forwarded"), number("dropped"))
}

/// Waits until the viewer gets the source.
async fn flows(stage: &Stage, place: usize) {
    let before = stage.seen(place).count;
    for _ in 0..5000 {
        if stage.seen(place).count >= before + 10 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the source does not come back");
}

/// Sends camera and microphone without a pause, whatever is allowed.
fn send(mut client: UdpClient, stage: &Stage) {
    let begun = SystemClock.instant();
    let mut step = 0;
    while !stage.over.load(Ordering::Relaxed) {
        let due = begun.elapsed().as_millis();
        // Who was kept from running for long does not make up for all of it.
        step = step.max(u32::try_from(due).unwrap().saturating_sub(20));
        while u128::from(step) < due {
            step += 1;
            client.client.frame(Source::Camera, step.is_multiple_of(10));
            if step.is_multiple_of(SOUND) || stage.dense.load(Ordering::Relaxed) {
                client.client.sound(Source::Microphone, 20);
            }
        }
        client.pump(Duration::from_micros(1));
        client.client.received.clear();
        client.client.reports.clear();
        thread::sleep(STEP / 2);
    }
}

/// Notes when what came.
fn receive(mut client: UdpClient, stage: &Stage) {
    let slots: Vec<(u32, usize)> = client
        .client
        .server()
        .slots
        .iter()
        .map(|(ssrc, mid)| {
            let sends = client.client.script.sends.len();
            let audio = sends..sends + client.client.script.audio_slots;
            (*ssrc, usize::from(!audio.contains(&mid.parse().unwrap())))
        })
        .collect();
    client.socket.set_nonblocking(false).unwrap();
    client
        .socket
        .set_read_timeout(Some(Duration::from_millis(4)))
        .unwrap();
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
        let Some(Ok(opened)) = media.then(|| opener.open_rtp(&mut buffer[..length])) else {
            continue;
        };
        let slot = slots.iter().find(|(ssrc, _)| *ssrc == opened.header.ssrc);
        let theirs = |place: usize| place == 1 || opened.payload.len() == SOUND_BYTES;
        if let Some((_, place)) = slot.filter(|(_, place)| theirs(*place)) {
            let seen = &mut stage.board.lock().unwrap()[*place];
            seen.count += 1;
            seen.last = Some(now);
        }
    }
}
