//! `forward.1x50`: CPU time of the server per forwarded packet, for one camera of 2 Mbit/s and fifty people who see it; against a
//! bare sender in the same run, which seals the same packets for as many sockets and sends them, and does nothing else.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave::clock::{Clock, SystemClock};
use conclave::media::rtcp::{Compound, ReceptionReport};
use conclave::media::srtp::Profile;
use conclave_policy::source::Source;
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::socket::Socket;
use crate::common::text;
use crate::measure::{cpu_time, figure, median, note};
use crate::media_client::{Script, UdpClient};
use crate::peer::{SETTINGS, connect, guest, keep};

const VIEWERS: usize = 50;
const WINDOW: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;
/// Frames in a second, and packets in a second: 2 Mbit/s in packets of this size.
const FRAMES: u32 = 30;
const PACKETS: u32 = 227;
const BYTES: usize = 1100;
/// The first header, extensions and tag of a packet are about this long.
const AROUND: usize = 48;

pub(crate) async fn run() {
    let server = Server::start_set(SETTINGS).await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let who = text(&view["room"], "you");
    let speaker = connect(&mut host, Script::default()).await;
    host.ok(json!({"type": "publish", "source": "camera", "on": true}))
        .await;
    let look = json!({"type": "view", "looks": [{"participant": who, "source": "camera", "width": 1280, "height": 720}]});
    let mut viewers = Vec::new();
    for number in 0..VIEWERS {
        let guest = guest(&server, &room, number).await;
        let (mut socket, _) = server.admit(&mut host, &guest, &room).await;
        let script = Script {
            sends: Vec::new(),
            ..Script::default()
        };
        viewers.push(connect(&mut socket, script).await);
        socket.ok(look.clone()).await;
        keep(socket);
    }
    let profile = speaker.client.profile.unwrap();

    let stage = Arc::new(Stage::default());
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
    let (mut costs, mut bare) = (Vec::new(), Vec::new());
    let process = format!("/proc/{}", server.pid());
    for _ in 0..ROUNDS {
        costs.push(window(&mut host, &stage, &process).await);
        // The host's connection goes on being read.
        let alone = tokio::task::spawn_blocking(move || alone(profile));
        let alone = loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            host.ok(json!({"type": "stats"})).await;
            if alone.is_finished() {
                break alone.await.unwrap();
            }
        };
        bare.push(alone);
    }
    stage.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    let (cost, bare) = (median(&costs), median(&bare));
    note(&format!(
        "forward.1x50: {PACKETS} packets/s of {BYTES} bytes in {FRAMES} frames, {profile:?}, {ROUNDS} windows of {} s; \
         a bare sender of the same packets takes {bare:.2} µs each",
        WINDOW.as_secs()
    ));
    figure("forward.1x50", cost, "µs", Some(cost / bare));
    server.kill().await;
}

/// What the threads share.
#[derive(Default)]
struct Stage {
    speaking: AtomicBool,
    over: AtomicBool,
    arrived: AtomicU64,
}

/// One window: CPU time of the server per packet that it forwarded, in microseconds.
async fn window(host: &mut Socket, stage: &Stage, process: &str) -> f64 {
    stage.speaking.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (forwarded, arrived) = (forwarded(host).await, stage.arrived.load(Ordering::Relaxed));
    let begun = SystemClock.instant();
    let cpu = cpu_time(process);
    while begun.elapsed() < WINDOW {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let cpu = cpu_time(process) - cpu;
    let time = begun.elapsed();
    let sent = self::forwarded(host).await - forwarded;
    let arrived = stage.arrived.load(Ordering::Relaxed) - arrived;
    stage.speaking.store(false, Ordering::Relaxed);
    let due = time.as_secs_f64() * f64::from(PACKETS) * VIEWERS as f64;
    note(&format!(
        "forward.1x50: {sent} packets forwarded in {:.1} s ({:.1} % of what was due), {:.1} % of them arrived, {} ms of CPU",
        time.as_secs_f64(),
        100.0 * sent as f64 / due,
        100.0 * arrived as f64 / sent as f64,
        cpu.as_millis()
    ));
    assert!(sent as f64 > 0.9 * due, "too little was forwarded");
    cpu.as_secs_f64() * 1e6 / sent as f64
}

async fn forwarded(host: &mut Socket) -> u64 {
    let stats = host.ok(json!({"type": "stats"})).await;
    let lines = stats["sources"].as_array().unwrap();
    lines
        .iter()
        .filter_map(|line| line.get("forwarded").and_then(Value::as_u64))
        .sum()
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

/// The publisher.
fn speak(mut client: UdpClient, stage: &Stage) {
    let mut frames = Frames::new();
    let (mut picture, mut paused) = (0_u16, true);
    while !stage.over.load(Ordering::Relaxed) {
        let packets = frames.wait();
        if stage.speaking.load(Ordering::Relaxed) {
            picture += 1;
            let key = paused || picture.is_multiple_of(90);
            paused = false;
            for packet in 0..packets {
                let payload = payload(picture, packet == 0, key);
                let mut sending = client.client.next(Source::Camera, payload, 0);
                sending.timestamp = u32::from(picture) * 3000;
                sending.marker = packet + 1 == packets;
                client.client.send(&sending);
            }
        } else {
            paused = true;
        }
        client.pump(Duration::from_micros(1));
        client.client.reports.clear();
    }
}

/// A packet of a frame: the VP8 descriptor with a wide picture identifier, and the header of a frame in the first one.
fn payload(picture: u16, first: bool, key: bool) -> Vec<u8> {
    let [high, low] = (picture & 0x7fff).to_be_bytes();
    let start = if first { 0x90 } else { 0x80 };
    let mut payload = vec![start, 0x80, high | 0x80, low, u8::from(!(first && key))];
    payload.resize(BYTES - AROUND, 0x55);
    payload
}

/// All viewers: empties their sockets, checks their paths and reports what came, as browsers do.
fn watch(mut viewers: Vec<UdpClient>, stage: &Stage) {
    let mut buffer = [0; 2048];
    let mut reported = SystemClock.instant();
    while !stage.over.load(Ordering::Relaxed) {
        let report = reported.elapsed() > Duration::from_secs(1);
        if report {
            reported = SystemClock.instant();
        }
        let mut arrived = 0;
        for viewer in &mut viewers {
            while let Ok((_, _)) = viewer.socket.recv_from(&mut buffer) {
                let media = matches!(buffer[0], 128..=191) && !(192..=223).contains(&buffer[1]);
                arrived += u64::from(media);
            }
            if report {
                let line = ReceptionReport {
                    ssrc: *viewer.client.server().slots.keys().next().unwrap(),
                    ..ReceptionReport::default()
                };
                viewer.client.report(&Compound::receiver(1, vec![line]));
                viewer.client.check(true);
                viewer.flush();
            }
        }
        stage.arrived.fetch_add(arrived, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

/// The bare sender: the same packets at the same times, one key and one socket for each receiver. CPU time per packet in microseconds.
fn alone(profile: Profile) -> f64 {
    let (algorithm, length) = match profile {
        Profile::Aes128Gcm => (&AES_128_GCM, 16),
        _ => (&AES_256_GCM, 32),
    };
    let receivers: Vec<UdpSocket> = (0..VIEWERS)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    let keys: Vec<LessSafeKey> = (0..VIEWERS)
        .map(|viewer| {
            let bytes = vec![u8::try_from(viewer).unwrap(); length];
            LessSafeKey::new(UnboundKey::new(algorithm, &bytes).unwrap())
        })
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
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let plain = vec![0x55; BYTES - 16 - 12];
    let mut frames = Frames::new();
    let begun = SystemClock.instant();
    let cpu = cpu_time("/proc/thread-self");
    let (mut sent, mut sequence) = (0_u64, 0_u64);
    let mut packet = Vec::new();
    while begun.elapsed() < WINDOW {
        for _ in 0..frames.wait() {
            sequence += 1;
            for (key, address) in keys.iter().zip(&addresses) {
                let mut header = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                header[4..].copy_from_slice(&sequence.to_be_bytes());
                packet.clear();
                packet.extend_from_slice(&header);
                packet.extend_from_slice(&plain);
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&sequence.to_be_bytes());
                let nonce = Nonce::assume_unique_for_key(nonce);
                let body = &mut packet[header.len()..];
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(&header), body)
                    .unwrap();
                packet.extend_from_slice(tag.as_ref());
                sender.send_to(&packet, address).unwrap();
                sent += 1;
            }
        }
    }
    let cpu = cpu_time("/proc/thread-self") - cpu;
    over.store(true, Ordering::Relaxed);
    emptier.join().unwrap();
    cpu.as_secs_f64() * 1e6 / sent as f64
}

fn empty(receivers: &[UdpSocket], over: &AtomicBool) {
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
