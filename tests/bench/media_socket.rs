//! `forward.socket.1x100`: the media plane on loopback, one camera and a hundred who see it; CPU time of its thread per forwarded
//! packet. Against a bare sender that seals the same datagrams for as many sockets and sends them as the server
//! does, several receivers' parts of a frame with one call, and does nothing else. One processor is theirs, the other one that of all clients.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conclave::clock::{Clock, SystemClock};
use conclave::media::event::{Receive, View};
use conclave::media::sfu::Limits;
use conclave::media::srtp::Profile;
use conclave::secret::SystemRandom;
use conclave::udp::plane::{MediaPlane, MediaSettings, StreamSettings};
use conclave_policy::actions::{Connect, Publish, Watch};
use conclave_policy::source::Source;
use tokio::sync::mpsc;

use crate::measure::{figure, median, note};
use crate::media_batch::Batch;
use crate::media_client::{Script, UdpClient};
use crate::media_floor::Seal;
use crate::media_stage::{participant, payload, pin, pin_thread, thread_time};
use crate::permits::{Permits, room};

const VIEWERS: u32 = 100;
const WINDOW: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;
const FRAMES: u32 = 30;
/// 2 Mbit/s.
const PACKETS: u32 = 208;
const BYTES: usize = 1200;
const AROUND: usize = 12 + 16;

pub(crate) fn run() {
    let settings = MediaSettings {
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        announce: Vec::new(),
        streams: StreamSettings::default(),
        limits: Limits::default(),
        codecs: Default::default(),
        segmentation: true,
        shards: 1,
        spread: 0,
    };
    let (plane, media) = MediaPlane::start(settings, Arc::new(SystemRandom)).unwrap();
    pin(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let permits = Permits::new();
    let mut events = Vec::new();
    let mut join = |who: u32, script: Script| {
        let mut client = UdpClient::new(script);
        let (sender, receiver) = mpsc::channel(64);
        events.push(receiver);
        let permit = permits.ask(
            1,
            1,
            Connect {
                participant: participant(who),
            },
        );
        let answer = runtime
            .block_on(plane.connect(permit, client.client.offer(), sender))
            .unwrap();
        client.answer(&answer.sdp);
        assert!(client.connect(Duration::from_secs(5)));
        let permit = permits.ask(
            1,
            1,
            Watch {
                participant: participant(who),
            },
        );
        runtime.block_on(plane.watch(permit)).unwrap();
        client.socket.set_nonblocking(true).unwrap();
        client
    };
    let speaker = join(0, Script::default());
    let profile = speaker.client.profile.unwrap();
    let permit = permits.ask(
        1,
        1,
        Publish {
            participant: participant(0),
            source: Source::Camera,
        },
    );
    runtime.block_on(plane.publish(permit)).unwrap();
    let mut viewers = Vec::new();
    for who in 1..=VIEWERS {
        viewers.push(join(
            who,
            Script {
                sends: Vec::new(),
                ..Script::default()
            },
        ));
        let view = View {
            participant: participant(0),
            source: Source::Camera,
            width: 1280,
            height: 720,
            spotlight: false,
        };
        runtime
            .block_on(plane.view(room(1), participant(who), vec![view], Receive::default()))
            .unwrap();
    }
    for thread in media_threads() {
        pin_thread(thread.file_name().unwrap().to_str().unwrap(), 0);
    }
    let stage = Arc::new(Flags::default());
    let threads = [
        thread::spawn({
            let stage = Arc::clone(&stage);
            move || speak(speaker, &stage)
        }),
        thread::spawn({
            let stage = Arc::clone(&stage);
            move || watch(viewers, &stage)
        }),
    ];
    let (mut costs, mut floors, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        stage.speaking.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(500));
        let (before, cpu) = (plane.counters(), media_time());
        let arrived = stage.arrived.load(Ordering::Relaxed);
        thread::sleep(WINDOW);
        let (after, cpu) = (plane.counters(), media_time() - cpu);
        let arrived = stage.arrived.load(Ordering::Relaxed) - arrived;
        stage.speaking.store(false, Ordering::Relaxed);
        let sent = (after.forwarded_video - before.forwarded_video) as f64;
        let due = WINDOW.as_secs_f64() * f64::from(PACKETS * VIEWERS);
        assert!(sent > 0.9 * due, "{sent} of {due} packets were forwarded");
        let calls = (after.send_calls - before.send_calls) as f64;
        note(&format!(
            "forward.socket.1x100: {sent} packets forwarded, {:.1} % of them arrived, {:.2} in each call",
            100.0 * arrived as f64 / sent,
            sent / calls
        ));
        sizes.push(sent / calls);
        costs.push(cpu.as_secs_f64() * 1e6 / sent);
        floors.push(alone(profile));
    }
    stage.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    media.stop();
    let (cost, floor) = (median(&costs), median(&floors));
    note(&format!(
        "forward.socket.1x100: {PACKETS} packets/s of {BYTES} bytes in {FRAMES} frames, {profile:?}, windows of {} s; a bare sender \
         of the same, one call for each receiver and frame, takes {floor:.2} µs each",
        WINDOW.as_secs()
    ));
    figure("forward.socket.batch", median(&sizes), "packets", None);
    figure("forward.socket.1x100", cost, "µs", Some(cost / floor));
}

/// CPU time of the threads that the media plane runs on.
fn media_time() -> Duration {
    let times = media_threads().filter_map(|thread| {
        // Nanoseconds on a processor, first of three fields.
        let times = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// Where the system tells of those threads.
fn media_threads() -> impl Iterator<Item = PathBuf> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads.filter_map(|thread| {
        let path = thread.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        // Not those of the bench, which has much the same name.
        let number = name.trim().strip_prefix("media-")?;
        number.parse::<u8>().ok()?;
        Some(path)
    })
}

/// What the threads share.
#[derive(Default)]
struct Flags {
    speaking: AtomicBool,
    over: AtomicBool,
    arrived: AtomicU64,
}

/// The times of frames, and how many packets each has.
struct Frames {
    begun: Instant,
    next: u32,
}

impl Frames {
    fn new() -> Self {
        Self {
            begun: SystemClock.instant(),
            next: 0,
        }
    }

    /// Waits for the next frame; how many packets it has.
    fn wait(&mut self) -> u32 {
        let due = self.begun + Duration::from_secs(1) * self.next / FRAMES;
        thread::sleep(due.saturating_duration_since(SystemClock.instant()));
        let packets = |frame: u32| frame * PACKETS / FRAMES;
        self.next += 1;
        packets(self.next) - packets(self.next - 1)
    }
}

/// The publisher: the packets of a frame leave one after the other, as an encoder's do.
fn speak(mut client: UdpClient, stage: &Flags) {
    pin(1);
    let mut frames = Frames::new();
    let mut picture = 0_u16;
    while !stage.over.load(Ordering::Relaxed) {
        let packets = frames.wait();
        if stage.speaking.load(Ordering::Relaxed) {
            for packet in 0..packets {
                let payload = payload(picture, packet == 0, BYTES - AROUND);
                let mut sending = client.client.next(Source::Camera, payload, 0);
                sending.timestamp = u32::from(picture) * 3000;
                sending.marker = packet + 1 == packets;
                client.client.send(&sending);
            }
            picture += 1;
        } else {
            picture = 0;
        }
        client.pump(Duration::from_micros(1));
        client.client.reports.clear();
    }
}

/// All viewers: empties their sockets and keeps their consent.
fn watch(mut viewers: Vec<UdpClient>, stage: &Flags) {
    pin(1);
    let mut buffer = [0; 2048];
    let mut checked = SystemClock.instant();
    while !stage.over.load(Ordering::Relaxed) {
        let check = checked.elapsed() > Duration::from_secs(3);
        if check {
            checked = SystemClock.instant();
        }
        let mut arrived = 0;
        for viewer in &mut viewers {
            while viewer.socket.recv_from(&mut buffer).is_ok() {
                let media = matches!(buffer[0], 128..=191) && !(192..=223).contains(&buffer[1]);
                arrived += u64::from(media);
            }
            if check {
                viewer.client.check(true);
                viewer.flush();
            }
        }
        stage.arrived.fetch_add(arrived, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

/// The bare sender: the same packets at the same times. CPU time per packet in microseconds.
fn alone(profile: Profile) -> f64 {
    let receivers: Vec<UdpSocket> = (0..VIEWERS)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses: Vec<_> = receivers
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let emptier = thread::spawn({
        let over = Arc::clone(&over);
        move || empty(&receivers, &over)
    });
    let mut keys: Vec<Seal> = (0..VIEWERS as usize)
        .map(|number| Seal::new(profile, number))
        .collect();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut batch = Batch::new(&sender, BYTES);
    let payload = vec![0x55; BYTES - AROUND];
    let mut frames = Frames::new();
    let begun = SystemClock.instant();
    let cpu = thread_time();
    let mut sent = 0_u64;
    while begun.elapsed() < WINDOW {
        let packets = frames.wait();
        for (key, address) in keys.iter_mut().zip(&addresses) {
            batch.add(*address, |out| {
                for _ in 0..packets {
                    key.packet(&payload, out);
                }
            });
            sent += u64::from(packets);
        }
        batch.send();
    }
    let cpu = thread_time() - cpu;
    over.store(true, Ordering::Relaxed);
    emptier.join().unwrap();
    cpu.as_secs_f64() * 1e6 / sent as f64
}

fn empty(receivers: &[UdpSocket], over: &AtomicBool) {
    pin(1);
    let mut buffer = [0; 2048];
    for receiver in receivers {
        receiver.set_nonblocking(true).unwrap();
    }
    while !over.load(Ordering::Relaxed) {
        for receiver in receivers {
            while receiver.recv_from(&mut buffer).is_ok() {}
        }
        thread::sleep(Duration::from_millis(5));
    }
}
