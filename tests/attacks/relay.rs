//! M03: Debian's coturn with the configuration in `ops/coturn`, in a network of its own, against clients who want it to relay
//! elsewhere, more, or longer than it should; and participants whose media comes by it.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_lc_rs::hmac;
use conclave::clock::{Clock, SystemClock};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::text;
use crate::media_client::{Client, Script};
use crate::turn_client::TurnClient;
use crate::ways::offer;

const SECRET: &str = "5e8c2a7f0b1d4e6f9a3c5e8c2a7f0b1d";
/// Where media is, as `allowed-peer-ip` says.
const MEDIA: &str = "203.0.113.7";
const RELAY: &str = "198.51.100.20";
const RELAY_V6: &str = "2001:db8::20";
/// Addresses that the machine has besides: an inner one, and that of a cloud's metadata.
const OTHERS: [&str; 6] = [
    "10.9.8.7",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "203.0.113.8",
    "fd00::1",
];
const FORBIDDEN: u16 = 403;

/// Runs the story below in a network namespace: it needs addresses that no machine has, and must reach none that are real.
#[test]
fn m03_the_relay_relays_to_the_media_of_the_server_and_to_nothing_else() {
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "relay::inside", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "runs in a network namespace of its own, started by the test above"]
async fn inside() {
    let folder = tempfile::tempdir().unwrap();
    prepare_network();
    let server = Server::start_set(&[
        ("CONCLAVE_LISTEN", "127.0.0.1:0"),
        ("CONCLAVE_MEDIA__LISTEN", "[\"203.0.113.7:0\"]"),
        ("CONCLAVE_MEDIA__SHARE_HTTPS", "false"),
        (
            "CONCLAVE_TURN__URLS",
            "[\"turn:198.51.100.20:3478\", \"turns:localhost:5349?transport=tcp\"]",
        ),
        ("CONCLAVE_TURN__SECRET", SECRET),
        ("CONCLAVE_TURN__SECONDS", "600"),
    ])
    .await;
    let relay = Relay::start(folder.path(), server.data.path());
    by_the_relay(&server).await;
    tokio::task::spawn_blocking(|| {
        elsewhere();
        more_and_longer();
    })
    .await
    .unwrap();
    drop(relay);
    filtered();
}

/// The packet filter beside it: first as it stands there, then for the one user that this network has, which is ours.
fn filtered() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/ops/coturn/turn.nft");
    let rules = std::fs::read_to_string(file).unwrap();
    let ours = rules.replace("\"turnserver\"", "0");
    assert_ne!(ours, rules);
    let nft = |rules: &str| {
        let loaded = Command::new("nft").args([rules]).status().unwrap();
        assert!(loaded.success(), "{rules}");
    };
    nft(&rules);
    nft("delete table inet conclave_relay");
    let media = UdpSocket::bind((MEDIA, 8443)).unwrap();
    let soon = Some(Duration::from_millis(200));
    media.set_read_timeout(soon).unwrap();
    let sends = |from: (&str, u16), to: (&str, u16)| {
        UdpSocket::bind(from).unwrap().send_to(b"?", to).is_ok()
    };
    let ways = [
        ((RELAY, 50_000), (MEDIA, 8443), true),
        ((RELAY, 50_000), (MEDIA, 8444), false),
        ((RELAY, 50_000), (OTHERS[0], 8443), false),
        ((RELAY, 50_000), (OTHERS[4], 8443), false),
        ((RELAY, 50_000), ("127.0.0.1", 53), false),
        ((RELAY, 40_000), (MEDIA, 8443), false),
        ((RELAY_V6, 50_000), (OTHERS[5], 8443), false),
        ((RELAY, 3478), (OTHERS[0], 40_000), true),
    ];
    for (from, to, _) in ways {
        assert!(
            sends(from, to),
            "without the filter {from:?} reaches {to:?}"
        );
    }
    nft(&ours);
    while media.recv(&mut [0; 8]).is_ok() {}
    for (from, to, passes) in ways {
        assert_eq!(sends(from, to), passes, "{from:?} to {to:?}");
    }
    assert!(media.recv(&mut [0; 8]).is_ok(), "media gets what is for it");
    // Nor by TCP.
    let inner = TcpListener::bind((OTHERS[0], 443)).unwrap();
    let reached =
        TcpStream::connect_timeout(&inner.local_addr().unwrap(), Duration::from_millis(300));
    assert!(reached.is_err());
}

fn prepare_network() {
    let run = |words: &[&str]| assert!(Command::new("ip").args(words).status().unwrap().success());
    run(&["link", "set", "lo", "up"]);
    for address in [MEDIA, RELAY, RELAY_V6].iter().chain(&OTHERS) {
        run(&["addr", "add", address, "dev", "lo"]);
    }
}

/// A running coturn.
struct Relay(Child);

impl Relay {
    /// With the operator's six values put in, and not a line of the rest changed.
    fn start(folder: &Path, certificates: &Path) -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/ops/coturn/turnserver.conf");
        let text = std::fs::read_to_string(file).unwrap();
        let (before, rest) = text.split_once("# --- yours ---\n").unwrap();
        let (_, after) = rest.split_once("# --- end of yours ---\n").unwrap();
        let yours = format!(
            "realm=turn.example.org\nstatic-auth-secret={SECRET}\nlistening-ip={RELAY}\nrelay-ip={RELAY}\n\
             listening-ip={RELAY_V6}\nrelay-ip={RELAY_V6}\nallowed-peer-ip={MEDIA}\ncert={}\npkey={}\n",
            certificates.join("tls-certificate.pem").display(),
            certificates.join("tls-key.pem").display(),
        );
        let conf = folder.join("turnserver.conf");
        std::fs::write(&conf, format!("{before}{yours}{after}")).unwrap();
        let child = Command::new("turnserver")
            .arg("-c")
            .arg(&conf)
            .arg("--pidfile")
            .arg(folder.join("pid"))
            // Its own user keeps an empty database elsewhere; a mapped one may not read that.
            .arg("--userdb")
            .arg(folder.join("turndb"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = SystemClock.instant();
        while std::net::TcpStream::connect((RELAY, 5349)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no relay");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(child)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn udp() -> SocketAddr {
    format!("{RELAY}:3478").parse().unwrap()
}

/// Name and credential of an answer that holds relays.
fn credentials(message: &Value) -> (String, String) {
    let server = &message["ice_servers"][0];
    assert_eq!(server["urls"].as_array().unwrap().len(), 2, "{message}");
    assert_eq!(server["expires_in"], 600);
    (text(server, "username"), text(server, "credential"))
}

/// The same, made by whoever has the secret: for these seconds, for this name.
fn made(seconds: i64, name: &str, secret: &str) -> (String, String) {
    let username = format!("{}:{name}", SystemClock.now().as_secs() + seconds);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let digest = hmac::sign(&key, username.as_bytes());
    (username, BASE64.encode(digest.as_ref()))
}

/// Two participants talk, one through UDP and one through TLS to the relay; who waits and who is removed gets no credentials.
async fn by_the_relay(server: &Server) {
    let owner = server.owner().await;
    let member = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, view) = server.enter(&owner, &room).await;
    let (username, credential) = credentials(&view);
    assert!(username.ends_with(&text(&view["room"], "you")));

    // Who waits is told nothing of relays, and asks in vain.
    let mut waiting = server.join(&member, &room).await;
    let told = waiting.next("waiting").await;
    assert_eq!(told, json!({"type": "waiting"}));
    host.event("knocked").await;
    waiting.send(json!({"type": "ice_servers"})).await;
    assert_eq!(waiting.closed().await, "bad_message");
    host.event("knock_gone").await;

    let (mut inside, view) = server.admit(&mut host, &member, &room).await;
    let fresh = inside.ok(json!({"type": "ice_servers"})).await;
    let (other, _) = credentials(&view);
    let (member_name, member_credential) = credentials(&fresh);
    let end = |name: &str| name.split_once(':').unwrap().1.to_owned();
    assert_eq!(end(&other), end(&member_name));
    assert_ne!(end(&username), end(&member_name));

    let mut speaker = Client::new(Script::default());
    let answer = host.ok(offer(&speaker)).await;
    speaker.answer(&text(&answer, "sdp"));
    let mut listener = Client::new(Script::default());
    let answer = inside.ok(offer(&listener)).await;
    listener.answer(&text(&answer, "sdp"));
    let media = speaker.server().candidates[0];
    assert_eq!(media.ip(), MEDIA.parse::<IpAddr>().unwrap());
    let certificate = server.data.path().join("tls-certificate.pem");
    let connected = tokio::task::spawn_blocking(move || {
        let mut by_udp = TurnClient::udp(udp(), &username, &credential);
        let by_tls = format!("{RELAY}:5349").parse().unwrap();
        let mut by_tls = TurnClient::tls(by_tls, &certificate, &member_name, &member_credential);
        for (turn, client) in [(&mut by_udp, &mut speaker), (&mut by_tls, &mut listener)] {
            turn.allocate(1).unwrap();
            turn.bind(media).unwrap();
            turn.pump(client, Duration::from_secs(5), Client::is_connected);
            assert!(client.is_connected(), "no media by the relay");
            turn.pump(client, Duration::from_millis(50), |_| false);
        }
        (by_udp, speaker, by_tls, listener)
    });
    let (mut by_udp, mut speaker, mut by_tls, mut listener) = connected.await.unwrap();
    host.ok(json!({"type": "publish", "source": "microphone", "on": true}))
        .await;
    let heard = tokio::task::spawn_blocking(move || {
        for _ in 0..20 {
            speaker.sound(conclave_policy::source::Source::Microphone, 20);
            by_udp.pump(&mut speaker, Duration::from_millis(10), |_| false);
            by_tls.pump(&mut listener, Duration::from_millis(10), |_| false);
        }
        by_tls.pump(&mut listener, Duration::from_secs(2), |client| {
            client.received.len() >= 20
        });
        (listener.received.len(), listener.unopened)
    });
    assert_eq!(heard.await.unwrap(), (20, 0));

    // Who is removed gets no more, on this connection or on another.
    let removed = text(&view["room"], "you");
    host.ok(json!({"type": "remove", "participant": removed}))
        .await;
    assert_eq!(inside.closed().await, "removed");
    let mut back = server.join(&member, &room).await;
    assert_eq!(back.closed().await, "cannot_join");
}

/// The relay's own networks, the server's other addresses, and the world.
fn elsewhere() {
    let (username, credential) = made(60, "elsewhere", SECRET);
    let mut turn = TurnClient::udp(udp(), &username, &credential);
    turn.allocate(1).unwrap();
    let v4 = [
        "127.0.0.1",
        "127.0.0.53",
        "127.255.255.254",
        "0.0.0.0",
        "0.0.0.1",
        "10.0.0.1",
        "10.9.8.7",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.3.4",
        "172.31.255.255",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        RELAY,
        // Beside the media address, and anyone else.
        "203.0.113.6",
        "203.0.113.8",
        "192.0.2.1",
        "8.8.8.8",
    ];
    for peer in v4 {
        refused(&mut turn, peer);
    }
    assert_eq!(
        turn.permit(format!("{MEDIA}:8443").parse().unwrap()),
        Ok(())
    );

    let (username, credential) = made(60, "sixth", SECRET);
    let mut turn = TurnClient::udp(
        format!("[{RELAY_V6}]:3478").parse().unwrap(),
        &username,
        &credential,
    );
    turn.allocate(2).unwrap();
    for peer in [
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:10.9.8.7",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        RELAY_V6,
        "2001:db8::7",
    ] {
        refused(&mut turn, peer);
    }
}

fn refused(turn: &mut TurnClient, peer: &str) {
    let peer = SocketAddr::new(peer.parse().unwrap(), 9);
    assert_eq!(turn.permit(peer), Err(FORBIDDEN), "a permission for {peer}");
    assert_eq!(turn.bind(peer), Err(FORBIDDEN), "a channel to {peer}");
}

/// The thirteenth allocation, TCP, a credential after its end, one of another secret, one with its end moved.
fn more_and_longer() {
    let (username, credential) = made(60, "crowd", SECRET);
    let mut held = Vec::new();
    for _ in 0..12 {
        let mut turn = TurnClient::udp(udp(), &username, &credential);
        assert_eq!(turn.allocate(1), Ok(()));
        held.push(turn);
    }
    // Neither with the same credentials nor with others of the same participant.
    let (later, other) = made(90, "crowd", SECRET);
    for (username, credential) in [(&username, &credential), (&later, &other)] {
        let mut thirteenth = TurnClient::udp(udp(), username, credential);
        assert_eq!(thirteenth.allocate(1), Err(486));
    }
    let (username, credential) = made(60, "tcp", SECRET);
    let mut turn = TurnClient::udp(udp(), &username, &credential);
    assert_eq!(turn.allocate_tcp(), Err(442));

    let (username, credential) = made(-1, "late", SECRET);
    let mut turn = TurnClient::udp(udp(), &username, &credential);
    assert_eq!(turn.allocate(1), Err(401), "a credential after its end");
    let moved = format!("{}:late", SystemClock.now().as_secs() + 600);
    let mut turn = TurnClient::udp(udp(), &moved, &credential);
    assert_eq!(turn.allocate(1), Err(401), "an end that was moved");
    let (username, credential) = made(60, "guess", "another secret");
    let mut turn = TurnClient::udp(udp(), &username, &credential);
    assert_eq!(turn.allocate(1), Err(401), "another secret");

    // A call that stands outlives the credential that began it.
    let (username, credential) = made(2, "standing", SECRET);
    let mut turn = TurnClient::udp(udp(), &username, &credential);
    assert_eq!(turn.allocate(1), Ok(()));
    std::thread::sleep(Duration::from_millis(3100));
    assert_eq!(turn.refresh(), Ok(()));
    let mut anew = TurnClient::udp(udp(), &username, &credential);
    assert_eq!(anew.allocate(1), Err(401));
}
