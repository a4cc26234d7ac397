//! `relay.*`: the least that forwarding can cost on this machine, in the scenarios of the comparison with another server. A bare
//! thread waits for each picture or packet of sound, seals it for each receiver and sends several receivers' parts by one call, to
//! addresses that share one socket as those of the load generator do. No server, no ICE, no reports, and nothing is decrypted. As in
//! that comparison one processor is the relay's, the other one that of sender and receiver.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use conclave::media::srtp::Profile;

use crate::measure::{figure, median, note};
use crate::media_batch::Batch;
use crate::media_floor::Seal;
use crate::media_stage::{pin, thread_time};

const WINDOW: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
const AROUND: usize = 12 + 16;
/// For so long the receiver works on each packet, as the load generator does: so it is seldom asleep when the next one comes.
const WORK: Duration = Duration::from_micros(8);

struct Scenario {
    name: &'static str,
    publishers: u32,
    receivers: u8,
    /// Pictures, or packets of sound, and packets of each publisher in a second.
    frames: u32,
    packets: u32,
    size: usize,
}

static SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "1x50",
        publishers: 1,
        receivers: 50,
        frames: 30,
        packets: 227,
        size: 1100,
    },
    Scenario {
        name: "1x100",
        publishers: 1,
        receivers: 100,
        frames: 30,
        packets: 227,
        size: 1100,
    },
    Scenario {
        name: "10x10a",
        publishers: 10,
        receivers: 10,
        frames: 50,
        packets: 50,
        size: 100,
    },
    Scenario {
        name: "10x10v",
        publishers: 10,
        receivers: 10,
        frames: 30,
        packets: 57,
        size: 1100,
    },
];

pub(crate) fn run() {
    for scenario in &SCENARIOS {
        let costs: Vec<f64> = (0..ROUNDS).map(|_| once(scenario)).collect();
        figure(
            &format!("relay.{}", scenario.name),
            median(&costs),
            "µs",
            None,
        );
    }
    note("relay.*: CPU time of a bare thread for each packet that it sends, with AES-128-GCM");
}

/// CPU time for each packet sent, in microseconds.
fn once(scenario: &'static Scenario) -> f64 {
    let inlet = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = inlet.local_addr().unwrap();
    let receiver = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let addresses: Vec<SocketAddr> = (1..=scenario.receivers)
        .map(|last| SocketAddr::from(([127, 1, 0, last], port)))
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let emptier = thread::spawn({
        let over = Arc::clone(&over);
        move || empty(&receiver, &over)
    });
    let size = scenario.size - AROUND;
    let relay = thread::spawn(move || relay(&inlet, &addresses, size));
    let sent = thread::spawn(move || speak(scenario, at)).join().unwrap();
    let (cpu, relayed) = relay.join().unwrap();
    over.store(true, Ordering::Relaxed);
    emptier.join().unwrap();
    assert_eq!(relayed, sent * u64::from(scenario.receivers));
    cpu.as_secs_f64() * 1e6 / relayed as f64
}

/// Sends to the relay: a byte that says what follows, and stuffing. Publishers are out of step with each other.
fn speak(scenario: &Scenario, to: SocketAddr) -> u64 {
    pin(1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let begun = SystemClock.instant();
    let all = scenario.publishers * scenario.frames;
    let mut datagram = vec![0x55; scenario.size];
    let mut sent = 0;
    for event in 0.. {
        let due = Duration::from_secs(1) * event / all;
        if due >= WINDOW {
            break;
        }
        thread::sleep((begun + due).saturating_duration_since(SystemClock.instant()));
        let frame = event / scenario.publishers;
        let until = |frame: u32| frame * scenario.packets / scenario.frames;
        let packets = until(frame + 1) - until(frame);
        for packet in 1..=packets {
            datagram[0] = if packet == packets { ENDS } else { GOES_ON };
            socket.send_to(&datagram, to).unwrap();
            sent += 1;
        }
    }
    socket.send_to(&[STOP], to).unwrap();
    sent
}

const GOES_ON: u8 = 0;
const ENDS: u8 = 1;
const STOP: u8 = 2;

/// The bare relay: its CPU time, and how many packets it sent.
fn relay(inlet: &UdpSocket, addresses: &[SocketAddr], size: usize) -> (Duration, u64) {
    pin(0);
    let mut batch = Batch::new(inlet, size + AROUND);
    let mut keys: Vec<Seal> = (0..addresses.len())
        .map(|number| Seal::new(Profile::Aes128Gcm, number))
        .collect();
    let mut buffer = [0; 2048];
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut sent = 0;
    let begun = thread_time();
    loop {
        let (length, _) = inlet.recv_from(&mut buffer).unwrap();
        if buffer[0] == STOP {
            return (thread_time() - begun, sent);
        }
        payloads.push(buffer[..size.min(length)].to_vec());
        if buffer[0] == GOES_ON {
            continue;
        }
        for (key, address) in keys.iter_mut().zip(addresses) {
            batch.add(*address, |out| {
                for payload in &payloads {
                    key.packet(payload, out);
                }
            });
            sent += payloads.len() as u64;
        }
        batch.send();
        payloads.clear();
    }
}

/// Reads what comes, one datagram after the other, and works on each.
fn empty(receiver: &UdpSocket, over: &AtomicBool) {
    pin(1);
    receiver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        if receiver.recv_from(&mut buffer).is_ok() {
            let until = SystemClock.instant() + WORK;
            while SystemClock.instant() < until {
                std::hint::spin_loop();
            }
        }
    }
}
