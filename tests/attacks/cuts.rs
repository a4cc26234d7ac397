//! Cuts at the first hop with all that a source may consist of: three encodings, retransmissions on both legs, sound with repetitions;
//! from a page and by WHIP, to a page and by WHEP. After the acknowledgement no packet of it comes by any way.

use std::time::Duration;

use conclave::media::rtcp::Compound;
use conclave_policy::source::Source;
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::socket::Socket;
use crate::common::text;
use crate::media::{SOON, connect, counter, metric, with};
use crate::media_client::{Client, OPUS, RED, RTX, Received, Script, Sending, UdpClient, vp8};
use crate::whip::{joined, source_token, up, viewer_token};

const SOURCES: [(Source, &str); 3] = [
    (Source::Microphone, "microphone"),
    (Source::Camera, "camera"),
    (Source::Screen, "screen"),
];
/// Of every so many packets one is kept back and comes as a repair only.
const KEPT_BACK: usize = 7;
/// Packets asked for again at a time.
const ASKED: usize = 60;

/// What the last byte of every packet of a source is, in whatever it comes; the lowest two bits say in which encoding.
fn mark(source: Source, encoding: usize) -> u8 {
    0x80 | (source as u8) << 2 | u8::try_from(encoding).unwrap()
}

/// A client that watches, with all that a client can ask for.
fn watcher() -> Script {
    Script {
        sends: Vec::new(),
        audio_slots: 2,
        video_slots: 3,
        sounds: &["red", "opus"],
        repairs_sound: true,
        ..Script::default()
    }
}

/// A client that sends these, with all that a source can consist of.
fn sender(sends: &[Source]) -> Script {
    Script {
        sends: sends.to_vec(),
        audio_slots: 0,
        video_slots: 0,
        encodings: true,
        ..watcher()
    }
}

/// Who sends.
struct Sender {
    media: UdpClient,
    participant: String,
    sends: Vec<Source>,
    sent: Vec<Sending>,
    round: usize,
}

impl Sender {
    /// One round of every source: pictures in all encodings, sound with what came before, repairs of what was sent and of what was
    /// not.
    fn round(&mut self) {
        self.round += 1;
        let client = &mut self.media.client;
        let number = u16::try_from(self.round).unwrap();
        let mut fresh = Vec::new();
        for source in self.sends.clone() {
            if !Client::is_video(source) {
                let opus = [&[0xfc; 30][..], &[mark(source, 0)]].concat();
                let length = u8::try_from(opus.len()).unwrap();
                let head = [0x80 | OPUS, 0x0f, 0, length, OPUS];
                let mut sending = client.next(source, [&head[..], &opus, &opus].concat(), 960);
                sending.payload_type = RED;
                fresh.push(sending);
                continue;
            }
            for encoding in 0..3 {
                let mut payload = vp8(number, number as u8, self.round % 10 == 1, 200);
                *payload.last_mut().unwrap() = mark(source, encoding);
                let mut sending = client.next_of(source, encoding, payload);
                sending.timestamp = 3000 * u32::from(number);
                fresh.push(sending);
            }
        }
        for sending in fresh {
            if self.round > 1 && (self.sent.len() + self.round).is_multiple_of(KEPT_BACK) {
                let repair = client.repair_of(&sending);
                client.send(&repair);
            } else {
                client.send(&sending);
            }
            self.sent.push(sending);
        }
        // And what came long ago, once more.
        let old = self.sent[self.round % self.sent.len()].clone();
        let again = client.repair_of(&old);
        client.send(&again);
        self.sent.drain(..self.sent.len().saturating_sub(200));
        self.media.pump(Duration::from_millis(5));
    }
}

/// Asks once more for all that came of late, and for key frames.
fn ask(client: &mut Client) {
    let repairs = client.server().repairs.clone();
    let slots: Vec<u32> = client.server().slots.keys().copied().collect();
    for ssrc in slots.into_iter().filter(|ssrc| !repairs.contains_key(ssrc)) {
        let own = client.received.iter().rev();
        let own = own.filter(|packet| packet.header.ssrc == ssrc);
        let lost: Vec<u16> = own.take(ASKED).map(|packet| packet.index as u16).collect();
        if !lost.is_empty() {
            client.report(&Compound::default().nack(1, ssrc, &lost));
            client.report(&Compound::default().key_frame(1, ssrc));
        }
    }
}

/// What came of a source in these packets, and how many of those are repairs.
fn of(received: &[Received], source: Source) -> (usize, usize) {
    let own = received.iter().filter(|packet| {
        let last = packet.payload.last().copied().unwrap_or(0);
        !packet.header.padding && last & !3 == mark(source, 0)
    });
    let repair =
        |packet: &&Received| [RTX, OPUS + 1, RED + 1].contains(&packet.header.payload_type);
    (own.clone().count(), own.filter(repair).count())
}

/// A host who watches in a page, a wall that watches by WHEP, and who sends.
struct Hall {
    server: Server,
    host: Socket,
    page: UdpClient,
    wall: UdpClient,
    sender: Sender,
}

impl Hall {
    /// All three sources, from a page.
    async fn with_page() -> (Self, Socket) {
        let server = Server::start().await;
        let owner = server.owner().await;
        let member = server.member(&owner, "alpha@example.org", "Alpha").await;
        let room = server.room(&owner, "Board").await;
        let (mut host, _) = server.enter(&owner, &room).await;
        let (page, connected) = connect(&mut host, watcher(), SOON).await;
        assert!(connected);
        let (_, token) = viewer_token(&server, &owner, &room).await;
        let wall = UdpClient::new(watcher());
        let (wall, _) = up(&server, &format!("/whep/{}", room.id), &token, wall).await;
        let (mut inside, view) = server.admit(&mut host, &member, &room).await;
        let participant = text(&view["room"], "you");
        let role = json!({"type": "set_role", "participant": participant, "role": "presenter"});
        host.ok(role).await;
        let sends: Vec<Source> = SOURCES.map(|(source, _)| source).into();
        let (media, connected) = connect(&mut inside, sender(&sends), SOON).await;
        assert!(connected);
        for (_, name) in SOURCES {
            let publish = json!({"type": "publish", "source": name, "on": true});
            inside.ok(publish).await;
        }
        let sender = Sender {
            media,
            participant,
            sends,
            sent: Vec::new(),
            round: 0,
        };
        let hall = Self {
            server,
            host,
            page,
            wall,
            sender,
        };
        (hall, inside)
    }

    /// Sound and a picture, by WHIP.
    async fn with_whip() -> Self {
        let server = Server::start().await;
        let owner = server.owner().await;
        let room = server.room(&owner, "Board").await;
        let (mut host, _) = server.enter(&owner, &room).await;
        let (page, connected) = connect(&mut host, watcher(), SOON).await;
        assert!(connected);
        let (_, token) = viewer_token(&server, &owner, &room).await;
        let wall = UdpClient::new(watcher());
        let (wall, _) = up(&server, &format!("/whep/{}", room.id), &token, wall).await;
        let (_, token) = source_token(&server, &owner, &room).await;
        let sends = vec![Source::Microphone, Source::Camera];
        let (media, _) = up(&server, "/whip", &token, UdpClient::new(sender(&sends))).await;
        let participant = text(&joined(&mut host, "Stage camera").await, "participant");
        let sender = Sender {
            media,
            participant,
            sends,
            sent: Vec::new(),
            round: 0,
        };
        Self {
            server,
            host,
            page,
            wall,
            sender,
        }
    }

    /// The host looks at all pictures in this size.
    async fn look(&mut self, height: u16) {
        let looks: Vec<Value> = ["camera", "screen"]
            .map(|source| {
                let width = u32::from(height) * 16 / 9;
                json!({"participant": self.sender.participant, "source": source, "width": width, "height": height})
            })
            .into();
        self.host.ok(json!({"type": "view", "looks": looks})).await;
    }

    /// Everybody does what they can, while the host shows the pictures small, large and not at all; what the page and the wall
    /// got.
    async fn act(self) -> (Self, [Vec<Received>; 2]) {
        let Self {
            server,
            host,
            page,
            wall,
            sender,
        } = self;
        // What was sent on before the answer is not what this is about.
        let still = |watcher: UdpClient| {
            with(watcher, |watcher| {
                watcher.pump(Duration::from_millis(100));
                watcher.client.received.len()
            })
        };
        let ((page, from), (wall, from_wall)) = tokio::join!(still(page), still(wall));
        let mut hall = Self {
            server,
            host,
            page,
            wall,
            sender,
        };
        for height in [90, 1080, 0, 360] {
            hall.look(height).await;
            let Self {
                page, wall, sender, ..
            } = hall;
            let watch = |watcher: UdpClient| {
                with(watcher, |watcher| {
                    for _ in 0..6 {
                        ask(&mut watcher.client);
                        watcher.pump(Duration::from_millis(30));
                    }
                })
            };
            let send = tokio::task::spawn_blocking(move || {
                let mut sender = sender;
                for _ in 0..22 {
                    sender.round();
                }
                sender
            });
            let (sent, (page, ()), (wall, ())) = tokio::join!(send, watch(page), watch(wall));
            hall = Self {
                page,
                wall,
                sender: sent.unwrap(),
                ..hall
            };
        }
        let got = [
            hall.page.client.received[from..].to_vec(),
            hall.wall.client.received[from_wall..].to_vec(),
        ];
        (hall, got)
    }

    /// Acts, and finds that exactly these sources flow.
    async fn flows(self, expected: &[Source], after: &str) -> Self {
        let (hall, got) = self.act().await;
        for (who, received) in ["page", "wall"].into_iter().zip(got) {
            for source in &hall.sender.sends {
                let (came, repairs) = of(&received, *source);
                if expected.contains(source) {
                    assert!(
                        came >= 20 && repairs >= 1,
                        "{who}, {source:?}: {came}, {repairs}"
                    );
                } else {
                    assert_eq!(
                        (came, repairs),
                        (0, 0),
                        "{source:?} came to the {who} after {after}"
                    );
                }
            }
        }
        hall
    }

    /// The host does this, and from its answer on these sources alone flow.
    async fn cut(mut self, how: Value, left: &[Source], counted: Option<&str>) -> Self {
        let participant = self.sender.participant.clone();
        let after = how["type"].as_str().unwrap().to_owned();
        let mut request = how;
        request["participant"] = json!(participant);
        self.host.ok(request).await;
        let source = counted.unwrap_or("camera");
        let before = (
            counter(&mut self.host, &participant, source, "forwarded").await,
            counter(&mut self.host, &participant, source, "dropped").await,
        );
        let unknown = metric(&self.server, "unknown_source").await;
        let mut hall = self.flows(left, &after).await;
        if counted.is_some() {
            let forwarded = counter(&mut hall.host, &participant, source, "forwarded").await;
            let dropped = counter(&mut hall.host, &participant, source, "dropped").await;
            assert_eq!(forwarded, before.0, "{after}");
            assert!(dropped - before.1 >= 80, "{after}: {dropped}");
        } else {
            assert!(metric(&hall.server, "unknown_source").await > unknown + 80);
        }
        hall
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_h06_nothing_of_a_cut_source_comes_by_another_layer_a_repair_or_a_repetition() {
    let (hall, _inside) = Hall::with_page().await;
    let [microphone, camera, screen] = SOURCES.map(|(source, _)| source);
    let hall = hall.flows(&[microphone, camera, screen], "nothing").await;
    let mute = json!({"type": "mute"});
    let hall = hall.cut(mute, &[camera, screen], Some("microphone")).await;
    let role = json!({"type": "set_role", "role": "attendee"});
    let hall = hall.cut(role, &[camera], Some("screen")).await;
    let pause = json!({"type": "pause_video"});
    hall.cut(pause, &[], Some("camera")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h06_h07_nothing_of_a_stopped_share_or_a_removed_person_comes_by_any_way() {
    let (hall, _inside) = Hall::with_page().await;
    let [microphone, camera, screen] = SOURCES.map(|(source, _)| source);
    let hall = hall.flows(&[microphone, camera, screen], "nothing").await;
    let stop = json!({"type": "stop_share"});
    let hall = hall.cut(stop, &[microphone, camera], Some("screen")).await;
    hall.cut(json!({"type": "remove"}), &[], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_nothing_of_a_muted_paused_and_removed_stream_comes_by_any_way() {
    let hall = Hall::with_whip().await;
    let hall = hall
        .flows(&[Source::Microphone, Source::Camera], "nothing")
        .await;
    let mute = json!({"type": "mute"});
    let hall = hall.cut(mute, &[Source::Camera], Some("microphone")).await;
    let hall = hall
        .cut(json!({"type": "pause_video"}), &[], Some("camera"))
        .await;
    hall.cut(json!({"type": "remove"}), &[], None).await;
}

#[tokio::test]
async fn h07_what_was_not_yet_written_to_a_removed_person_is_never_written() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let alpha = server.member(&owner, "alpha@example.org", "Alpha").await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut victim = Socket::open_narrow(&server, &alpha.token).await;
    victim
        .send(json!({"type": "join", "room": room.id, "password": room.password}))
        .await;
    victim.next("waiting").await;
    let knock = host.event("knocked").await["knock"].clone();
    let admit = json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]});
    host.ok(admit).await;
    let id = text(&victim.next("admitted").await["room"], "you");
    // Somebody who asks for much and reads nothing: what follows waits in the server.
    for number in 0..4 {
        let long = format!("{number} {}", "\u{4f60}".repeat(1_900));
        host.ok(json!({"type": "chat", "text": long, "ref": format!("r{number}")}))
            .await;
    }
    for _ in 0..18 {
        victim
            .send(json!({"type": "chat_history", "limit": 100}))
            .await;
        // One page at a time.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let chat = json!({"type": "chat", "text": "the last word", "ref": "last"});
    host.ok(chat).await;
    host.ok(json!({"type": "remove", "participant": id})).await;
    while let Ok(Some(_)) = tokio::time::timeout(SOON, victim.text_frame()).await {}
    let told = victim
        .frames
        .iter()
        .filter(|frame| frame.contains("the last word"));
    assert_eq!(told.count(), 0, "written after the removal");
    let answers = victim
        .frames
        .iter()
        .filter(|frame| frame.contains("chat_page"));
    let answers = answers.count();
    // Else all had left the server before the removal. None may come: when a socket is cut, what its client has not read yet may
    // be lost on the client's side.
    assert!(answers < 18, "nothing was waiting to be written");
}
