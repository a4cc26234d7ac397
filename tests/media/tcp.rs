//! ICE-TCP over real connections: clients that have nothing else, and those who only use connections up.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use conclave::media::counters::MediaCounters;
use conclave::media::event::{PeerEvent, View};
use conclave::media::framing::append;
use conclave::udp::plane::StreamSettings;
use conclave_policy::source::Source::{Camera, Microphone};
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc;

use crate::media_client::{Client, Script, UdpClient};
use crate::permits::{participant, room};
use crate::plane::Stage;
use crate::tcp_client::{TcpClient, passive};

fn stage() -> Stage {
    Stage::with(
        "127.0.0.1:0",
        StreamSettings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            shared: None,
        },
    )
}

struct Joined {
    client: TcpClient,
    server: SocketAddr,
    events: mpsc::Receiver<PeerEvent>,
}

fn join(stage: &Stage, who: u8) -> Joined {
    let mut client = Client::new(Script::default());
    let (sender, events) = mpsc::channel(64);
    let answer = stage
        .plane
        .connect(stage.permits.connect(1, who), client.offer(), sender);
    let answer = stage.runtime.block_on(answer).unwrap();
    let server = passive(&answer.sdp)[0];
    client.answer(&answer.sdp);
    let mut client = TcpClient::new(client, TcpStream::connect(server).unwrap());
    assert!(client.connect());
    stage
        .runtime
        .block_on(stage.plane.watch(stage.permits.watch(1, who)))
        .unwrap();
    Joined {
        client,
        server,
        events,
    }
}

fn publish(stage: &Stage, who: u8) {
    for source in [Microphone, Camera] {
        stage
            .runtime
            .block_on(stage.plane.publish(stage.permits.publish(1, who, source)))
            .unwrap();
    }
}

fn look(stage: &Stage, who: u8, at: u8) {
    let view = View {
        participant: participant(at),
        source: Camera,
        width: 640,
        height: 360,
        spotlight: false,
    };
    stage
        .runtime
        .block_on(
            stage
                .plane
                .view(room(1), participant(who), vec![view], Default::default()),
        )
        .unwrap();
}

/// The counters, as soon as they are so; they are published a moment after what they count.
fn counted(stage: &Stage, so: impl Fn(&MediaCounters) -> bool) -> MediaCounters {
    let begun = SystemClock.instant();
    while !so(&stage.plane.counters()) && begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(10));
    }
    stage.plane.counters()
}

fn pause() -> Duration {
    Duration::from_millis(5)
}

/// Whether the other end closes within the time, and what it wrote before.
fn closes(stream: &mut TcpStream, within: Duration) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(within)).unwrap();
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Ok(_) => Some(got),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(got),
        Err(_) => None,
    }
}

#[test]
fn media_flows_between_connections_of_two_shards() {
    let streams = StreamSettings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        shared: None,
    };
    let stage = Stage::set(2, "127.0.0.1:0", streams);
    let (mut speaker, mut viewer) = (join(&stage, 1), join(&stage, 2));
    publish(&stage, 1);
    look(&stage, 2, 1);
    // The publisher's shard hears of the look a moment later.
    viewer.client.pump(Duration::from_millis(100));
    for _ in 0..20 {
        speaker.client.client.sound(Microphone, 20);
        speaker.client.client.frame(Camera, true);
        speaker.client.pump(pause());
        viewer.client.pump(pause());
    }
    viewer
        .client
        .pump_until(|client| client.received.len() >= 40);
    assert_eq!(viewer.client.client.received.len(), 40);
    let counters = counted(&stage, |counters| counters.streams == 2);
    assert_eq!((counters.streams, counters.streams_accepted), (2, 2));
    assert!(counters.carried >= 40, "{}", counters.carried);
    assert_eq!(counters.strays, 0, "each comes to the shard that it names");
    stage.thread.stop();
}

#[test]
fn media_flows_both_ways_without_a_datagram() {
    let stage = stage();
    let (mut speaker, mut viewer) = (join(&stage, 1), join(&stage, 2));
    publish(&stage, 1);
    look(&stage, 2, 1);
    for round in 0..20 {
        speaker.client.client.sound(Microphone, 20);
        speaker.client.client.frame(Camera, round == 0);
        speaker.client.pump(pause());
        viewer.client.pump(pause());
    }
    viewer
        .client
        .pump_until(|client| client.received.len() >= 40);
    assert_eq!(viewer.client.client.received.len(), 40);
    assert_eq!(viewer.client.client.unopened, 0);
    assert_eq!(viewer.events.try_recv(), Ok(PeerEvent::Connected));
    let counters = counted(&stage, |counters| counters.streams == 2);
    assert_eq!((counters.streams, counters.streams_accepted), (2, 2));
    stage.thread.stop();
    speaker.client.pump(Duration::from_millis(100));
    assert!(speaker.client.client.closed, "a stop says goodbye");
    assert!(speaker.client.gone, "and closes");
}

#[test]
fn a_client_goes_on_over_another_connection_without_a_new_handshake() {
    let stage = stage();
    let (mut speaker, mut viewer) = (join(&stage, 1), join(&stage, 2));
    publish(&stage, 1);
    let mut talk = |viewer: &mut TcpClient, all: usize| {
        for _ in 0..5 {
            speaker.client.client.sound(Microphone, 20);
            speaker.client.pump(pause());
        }
        viewer.pump_until(|client| client.received.len() >= all);
        viewer.client.received.len()
    };
    assert_eq!(talk(&mut viewer.client, 5), 5);
    let again = TcpStream::connect(viewer.server).unwrap();
    viewer.client = viewer.client.moved(again);
    viewer.client.pump_until(|client| client.checked == 2);
    assert_eq!(viewer.client.client.checked, 2);
    assert_eq!(talk(&mut viewer.client, 10), 10);
    assert_eq!(stage.plane.counters().dtls_started, 2);
    assert!(!viewer.client.gone);
    stage.thread.stop();
}

#[test]
fn the_connection_of_who_is_removed_is_closed_and_its_number_means_nothing() {
    let stage = stage();
    let (mut speaker, mut viewer) = (join(&stage, 1), join(&stage, 2));
    publish(&stage, 1);
    stage
        .runtime
        .block_on(stage.plane.disconnect(room(1), participant(2)));
    viewer.client.pump(Duration::from_millis(1500));
    assert!(viewer.client.client.closed && viewer.client.gone);
    // The next connection may get the same number; it gets nothing else.
    let mut stranger = TcpStream::connect(viewer.server).unwrap();
    for _ in 0..10 {
        speaker.client.client.sound(Microphone, 20);
        speaker.client.pump(pause());
    }
    stranger
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(stranger.read(&mut [0; 64]).is_err(), "nothing to read");
    assert_eq!(stage.plane.counters().streams, 1);
    stage.thread.stop();
}

#[test]
fn what_begins_with_anything_but_a_check_is_closed_at_once() {
    let stage = stage();
    let server = join(&stage, 1).server;
    let mut check = Vec::new();
    let stun = conclave::media::stun::Check {
        transaction: [1; 12],
        username: "abcdefgh:clnt",
        use_candidate: true,
    };
    conclave::media::stun::write_request(&mut check, &stun, &conclave::media::stun::key("wrong"));
    let mut damaged = check.clone();
    damaged[30] ^= 1;
    let mut dtls = vec![22, 0xfe, 0xfd];
    dtls.resize(200, 0);
    let mut long = vec![0x05, 0x01];
    long.resize(1400, 0);
    for (first, raw) in [
        (damaged, false),
        (dtls, false),
        (vec![0x80; 60], false),
        (long, true),
    ] {
        let mut stream = TcpStream::connect(server).unwrap();
        let mut framed = Vec::new();
        append(&mut framed, &first);
        stream
            .write_all(if raw { &first } else { &framed })
            .unwrap();
        let got = closes(&mut stream, Duration::from_secs(2));
        assert_eq!(got, Some(Vec::new()), "{:?}", &first[..4]);
    }
    let counters = counted(&stage, |counters| counters.streams_unproven >= 4);
    assert_eq!((counters.streams_unproven, counters.dtls_started), (4, 1));
    stage.thread.stop();
}

/// Nothing, a byte at a time, and checks with a wrong password: all have the same few seconds.
#[test]
fn a_connection_over_which_nothing_is_proved_ends_in_time() {
    let stage = stage();
    let server = join(&stage, 1).server;
    let begun = SystemClock.instant();
    let mut silent = TcpStream::connect(server).unwrap();
    let slow = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(server).unwrap();
        while stream.write_all(&[0]).is_ok() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    });
    let guessing = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(server).unwrap();
        let check = conclave::media::stun::Check {
            transaction: [1; 12],
            username: "abcdefgh:clnt",
            use_candidate: true,
        };
        let (mut request, mut framed) = (Vec::new(), Vec::new());
        conclave::media::stun::write_request(
            &mut request,
            &check,
            &conclave::media::stun::key("wrong"),
        );
        append(&mut framed, &request);
        while stream.write_all(&framed).is_ok() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(500));
        }
        begun.elapsed()
    });
    assert_eq!(
        closes(&mut silent, Duration::from_secs(12)),
        Some(Vec::new())
    );
    for took in [
        begun.elapsed(),
        slow.join().unwrap(),
        guessing.join().unwrap(),
    ] {
        assert!((7..12).contains(&took.as_secs()), "{took:?}");
    }
    let counters = counted(&stage, |counters| counters.streams_unproven >= 3);
    assert_eq!(counters.streams_unproven, 3);
    stage.thread.stop();
}

/// A viewer that takes nothing holds up nobody, costs a bounded buffer, and is cut.
#[test]
fn who_reads_nothing_is_cut_and_holds_up_nobody() {
    let stage = stage();
    let (mut speaker, mut other) = (join(&stage, 1), join(&stage, 3));
    let mut client = Client::new(Script::default());
    let (sender, _events) = mpsc::channel(64);
    let answer = stage
        .plane
        .connect(stage.permits.connect(1, 2), client.offer(), sender);
    let answer = stage.runtime.block_on(answer).unwrap();
    client.answer(&answer.sdp);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&passive(&answer.sdp)[0].into()).unwrap();
    let mut deaf = TcpClient::new(client, socket.into());
    assert!(deaf.connect());
    stage
        .runtime
        .block_on(stage.plane.watch(stage.permits.watch(1, 2)))
        .unwrap();
    publish(&stage, 1);
    look(&stage, 2, 1);
    look(&stage, 3, 1);
    let begun = SystemClock.instant();
    let mut frames = 0;
    while stage.plane.counters().streams_cut == 0 {
        assert!(begun.elapsed() < Duration::from_secs(25));
        for _ in 0..10 {
            speaker.client.client.frame(Camera, frames == 0);
            frames += 1;
        }
        speaker.client.pump(pause());
        other.client.pump(pause());
    }
    assert!(begun.elapsed() > Duration::from_secs(9));
    other.client.pump(Duration::from_millis(200));
    assert_eq!(other.client.client.received.len(), frames);
    let counters = stage.plane.counters();
    assert!(counters.datagrams_unsent > 100, "{counters:?}");
    stage.thread.stop();
}

/// Over IPv6, by datagrams and by a connection; and a client that changes its port in the middle of the call.
#[test]
fn media_flows_over_ipv6_and_goes_on_from_another_port() {
    let stage = Stage::with(
        "[::1]:0",
        StreamSettings {
            listen: vec!["[::1]:0".parse().unwrap()],
            shared: None,
        },
    );
    let mut speaker = UdpClient::new(Script::default());
    let sixth = || {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        socket
    };
    speaker.socket = sixth();
    let (sender, _events) = mpsc::channel(64);
    let answer = stage
        .plane
        .connect(stage.permits.connect(1, 1), speaker.client.offer(), sender);
    let answer = stage.runtime.block_on(answer).unwrap();
    speaker.answer(&answer.sdp);
    assert!(speaker.server.unwrap().is_ipv6());
    assert!(speaker.connect(Duration::from_secs(5)));
    let mut viewer = join(&stage, 2);
    assert!(viewer.server.is_ipv6());
    publish(&stage, 1);
    let mut talk = |speaker: &mut UdpClient| {
        for _ in 0..5 {
            speaker.client.sound(Microphone, 20);
            speaker.pump(pause());
        }
        viewer.client.pump(Duration::from_millis(50));
        viewer.client.client.received.len()
    };
    assert_eq!(talk(&mut speaker), 5);
    speaker.socket = sixth();
    assert_eq!(talk(&mut speaker), 5, "the new port has not proved itself");
    speaker.pump(Duration::from_millis(600));
    let before = talk(&mut speaker);
    assert!(before >= 10, "{before}");
    assert_eq!(stage.plane.counters().dtls_started, 2, "no new handshake");
    stage.thread.stop();
}
