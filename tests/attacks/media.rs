//! Attacks with packets: a client that goes on sending, on other streams, under other labels, after it was cut off,
//! or without ever having been let in.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conclave_policy::source::Source;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::server::{Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::media_client::{Client, OPUS, Script, Sending, UdpClient, VP8};
use crate::raw;

pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Does something with a media client, which blocks.
pub(crate) async fn with<T: Send + 'static>(
    mut media: UdpClient,
    act: impl FnOnce(&mut UdpClient) -> T + Send + 'static,
) -> (UdpClient, T) {
    let acted = tokio::task::spawn_blocking(move || {
        let came = act(&mut media);
        (media, came)
    });
    acted.await.unwrap()
}

/// The request that offers this client.
pub(crate) fn offer(media: &UdpClient) -> Value {
    let offer = media.client.offer();
    let sources: Vec<_> = offer
        .sources
        .iter()
        .map(|(mid, source)| json!({"mid": mid, "source": source.as_str()}))
        .collect();
    json!({"type": "offer", "sdp": offer.sdp, "sources": sources})
}

/// Offers, and says whether there are keys in the end.
pub(crate) async fn connect(
    socket: &mut Socket,
    script: Script,
    within: Duration,
) -> (UdpClient, bool) {
    let mut media = UdpClient::new(script);
    let answer = socket.ok(offer(&media)).await;
    media.answer(&text(&answer, "sdp"));
    with(media, move |media| media.connect(within)).await
}

/// Lets both send and receive for a while: what `speaker` does with each round, `viewer` hears.
async fn exchange(
    speaker: UdpClient,
    viewer: UdpClient,
    rounds: usize,
    mut each: impl FnMut(&mut Client, usize) + Send + 'static,
) -> (UdpClient, UdpClient, usize) {
    // What was sent on before is not what this is about.
    let (viewer, before) = with(viewer, |viewer| {
        viewer.pump(Duration::from_millis(100));
        viewer.client.received.len()
    })
    .await;
    let (said, over) = (Arc::new(AtomicBool::new(false)), Duration::from_millis(150));
    let done = said.clone();
    let speaking = with(speaker, move |speaker| {
        for round in 0..rounds {
            each(&mut speaker.client, round);
            speaker.pump(Duration::from_millis(5));
        }
        done.store(true, Ordering::Relaxed);
    });
    let listening = with(viewer, move |viewer| {
        while !said.load(Ordering::Relaxed) {
            viewer.pump(Duration::from_millis(10));
        }
        viewer.pump(over);
    });
    let ((speaker, ()), (viewer, ())) = tokio::join!(speaking, listening);
    let heard = viewer.client.received.len() - before;
    (speaker, viewer, heard)
}

/// A counter of one participant's source, as the host sees it.
pub(crate) async fn counter(host: &mut Socket, participant: &str, source: &str, name: &str) -> u64 {
    let stats = host.ok(json!({"type": "stats"})).await;
    let lines = stats["sources"].as_array().unwrap().clone();
    let line = lines
        .iter()
        .find(|line| line["participant"] == participant && line["source"] == source);
    line.map_or(0, |line| line[name].as_u64().unwrap())
}

/// A server, a host in a room with a media transport, and a member in it likewise.
struct Stage {
    server: Server,
    owner: Person,
    room: Room,
    host: Socket,
    viewer: UdpClient,
    member: Person,
    inside: Socket,
    id: String,
    speaker: UdpClient,
}

impl Stage {
    async fn set() -> Self {
        let server = Server::start().await;
        let owner = server.owner().await;
        let member = server.member(&owner, "alpha@example.org", "Alpha").await;
        let room = server.room(&owner, "Board").await;
        let (mut host, _) = server.enter(&owner, &room).await;
        let (viewer, up) = connect(&mut host, Script::default(), SOON).await;
        assert!(up, "the host has no media");
        let (mut inside, view) = server.admit(&mut host, &member, &room).await;
        let (speaker, up) = connect(&mut inside, Script::default(), SOON).await;
        assert!(up, "the member has no media");
        let id = text(&view["room"], "you");
        Self {
            server,
            owner,
            room,
            host,
            viewer,
            member,
            inside,
            id,
            speaker,
        }
    }

    async fn publish(&mut self, source: &str) {
        self.inside
            .ok(json!({"type": "publish", "source": source, "on": true}))
            .await;
    }

    async fn counter(&mut self, source: &str, name: &str) -> u64 {
        counter(&mut self.host, &self.id, source, name).await
    }

    /// Speaks for some rounds; how many packets the host heard.
    async fn speak(
        self,
        rounds: usize,
        each: impl FnMut(&mut Client, usize) + Send + 'static,
    ) -> (Self, usize) {
        let Self {
            speaker, viewer, ..
        } = self;
        let (speaker, viewer, heard) = exchange(speaker, viewer, rounds, each).await;
        (
            Self {
                speaker,
                viewer,
                ..self
            },
            heard,
        )
    }

    async fn metric(&self, name: &str) -> u64 {
        metric(&self.server, name).await
    }

    /// How many packets of sound the host has heard so far.
    fn sounds(&self) -> usize {
        let all = self.viewer.client.received.iter();
        all.filter(|packet| packet.header.payload_type == OPUS)
            .count()
    }
}

/// A counter of the media plane.
pub(crate) async fn metric(server: &Server, name: &str) -> u64 {
    let end = if name == "peers" { "" } else { "_total" };
    server.metric(&format!("conclave_media_{name}{end}")).await
}

/// A packet on any stream under any label.
fn odd(ssrc: u32, payload_type: u8, round: usize, mid: Option<&str>) -> Sending {
    Sending {
        ssrc,
        payload_type,
        index: round as u64,
        timestamp: 960 * round as u32,
        marker: false,
        mid: mid.map(str::to_owned),
        level: Some(10),
        rid: None,
        payload: vec![0xfc; 60],
    }
}

#[tokio::test]
async fn h01_whoever_is_muted_is_dropped_at_the_first_hop_whatever_they_send() {
    let mut stage = Stage::set().await;
    stage.publish("microphone").await;
    let (mut stage, heard) = stage
        .speak(40, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert!(heard >= 35, "only {heard} of 40 packets were heard");

    let mute = json!({"type": "mute", "participant": stage.id});
    stage.host.ok(mute).await;
    let before = stage.counter("microphone", "dropped").await;
    let forwarded = stage.counter("microphone", "forwarded").await;
    let (mut stage, heard) = stage
        .speak(60, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert_eq!(heard, 0, "a muted microphone was heard");
    let dropped = stage.counter("microphone", "dropped").await - before;
    assert!(
        dropped >= 50,
        "only {dropped} of 60 packets were counted as dropped"
    );
    assert_eq!(stage.counter("microphone", "forwarded").await, forwarded);
    println!("figure h01.packets_after_mute {heard} packets");
    println!("figure h01.packets_dropped_after_mute {dropped} packets");

    // Permitted to show the camera, and nothing else: every other way for sound to get through.
    stage.publish("camera").await;
    let camera = Client::ssrc(Source::Camera);
    let view = json!({"type": "view", "looks": [{"participant": stage.id, "source": "camera", "width": 640, "height": 360}]});
    stage.host.ok(view).await;
    let (stage, seen) = stage
        .speak(20, |client, round| {
            drop(client.frame(Source::Camera, round == 0))
        })
        .await;
    assert!(seen >= 15, "the camera is not seen: {seen}");
    // No number is used twice on a stream.
    let mut number = 1_000;
    type Way = (&'static str, fn(usize) -> Sending);
    let ways: [Way; 9] = [
        ("a second stream in the microphone's line", |round| {
            odd(777, OPUS, round, Some("0"))
        }),
        ("a stream in no line", |round| odd(778, OPUS, round, None)),
        ("the microphone's stream as the camera's line", |round| {
            odd(Client::ssrc(Source::Microphone), OPUS, round, Some("1"))
        }),
        ("the microphone's stream without a line", |round| {
            odd(Client::ssrc(Source::Microphone), OPUS, round, None)
        }),
        ("sound as the sound of a screen", |round| {
            odd(Client::ssrc(Source::ScreenAudio), OPUS, round, Some("3"))
        }),
        ("a second stream as the sound of a screen", |round| {
            odd(779, OPUS, round, Some("3"))
        }),
        ("sound in the camera's line", |round| {
            odd(780, OPUS, round, Some("1"))
        }),
        ("sound on the camera's stream", |round| {
            odd(Client::ssrc(Source::Camera), OPUS, round, Some("1"))
        }),
        ("a picture of a screen", |round| {
            odd(Client::ssrc(Source::Screen), VP8, round, Some("2"))
        }),
    ];
    assert_ne!(camera, 777);
    let mut stage = stage;
    let drops = async |stage: &Stage| {
        stage.metric("dropped_not_permitted").await + stage.metric("dropped_unknown_stream").await
    };
    for (which, way) in ways {
        number += 100;
        let before = drops(&stage).await;
        let heard;
        (stage, heard) = stage
            .speak(15, move |client, round| client.send(&way(number + round)))
            .await;
        assert_eq!(heard, 0, "{which} was forwarded");
        let counted = drops(&stage).await - before;
        assert!(
            counted >= 10,
            "{which}: only {counted} of 15 were counted as dropped"
        );
    }
    // Asking for it, by whatever source carries sound or a screen, is refused; a new offer changes nothing.
    for source in ["microphone", "screen_audio", "screen"] {
        let publish = json!({"type": "publish", "source": source, "on": true});
        assert_eq!(
            stage.inside.refused(publish).await,
            "not_allowed",
            "{source}"
        );
    }
    let mut again = offer(&stage.speaker);
    // The line of the microphone declared as another source, an audio line as a camera, one source twice.
    for (place, source) in [
        (0, "screen_audio"),
        (0, "camera"),
        (3, "microphone"),
        (1, "screen"),
    ] {
        again["sources"][place]["source"] = json!(source);
        assert_eq!(
            stage.inside.refused(again.clone()).await,
            "invalid_offer",
            "line {place} as {source}"
        );
        again = offer(&stage.speaker);
    }
    // Offered anew with the microphone's line declared as the screen's sound and the other way round.
    let mut swapped = again.clone();
    swapped["sources"][0]["source"] = json!("screen_audio");
    swapped["sources"][3]["source"] = json!("microphone");
    for request in [swapped, again] {
        let mut speaker = UdpClient::new(Script::default());
        let mut request = request;
        request["sdp"] = offer(&speaker)["sdp"].clone();
        let answer = stage.inside.ok(request).await;
        speaker.answer(&text(&answer, "sdp"));
        let (speaker, up) = with(speaker, |speaker| speaker.connect(SOON)).await;
        assert!(up);
        stage = Stage { speaker, ..stage };
        stage.publish("camera").await;
        let (sounds, all);
        let before = stage.sounds();
        (stage, all) = stage
            .speak(30, |client, round| {
                client.frame(Source::Camera, round % 10 == 0);
                client.sound(Source::Microphone, 20);
                client.sound(Source::ScreenAudio, 20);
            })
            .await;
        sounds = stage.sounds() - before;
        assert!(all >= 20, "the new transport carries nothing: {all}");
        assert_eq!(sounds, 0, "a new offer undid the mute");
    }
}

#[tokio::test]
async fn h07_media_of_a_removed_person_ends_in_both_directions() {
    let mut stage = Stage::set().await;
    stage.publish("microphone").await;
    stage
        .host
        .ok(json!({"type": "publish", "source": "microphone", "on": true}))
        .await;
    let (mut stage, heard) = stage
        .speak(20, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert!(heard >= 15, "{heard}");
    let peers = stage.metric("peers").await;
    stage
        .host
        .ok(json!({"type": "remove", "participant": stage.id}))
        .await;
    assert_eq!(stage.inside.closed().await, "removed");
    assert_eq!(stage.metric("peers").await, peers - 1);
    // The removed one goes on sending and checking; the host goes on speaking.
    let strange = stage.metric("unknown_source").await;
    let (stage, heard) = stage
        .speak(40, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert_eq!(heard, 0, "a removed person was heard");
    assert!(
        stage.metric("unknown_source").await >= strange + 30,
        "the packets went somewhere"
    );
    let Stage {
        speaker, viewer, ..
    } = stage;
    let (_host, removed, heard) = exchange(viewer, speaker, 40, |client, _| {
        drop(client.sound(Source::Microphone, 20))
    })
    .await;
    assert_eq!(heard, 0, "a removed person hears");
    assert_eq!(
        removed.client.unopened, 0,
        "a removed person is still sent to"
    );
}

#[tokio::test]
async fn w12_whoever_is_sent_back_to_the_door_neither_hears_nor_is_heard() {
    let mut stage = Stage::set().await;
    stage.publish("microphone").await;
    for request in [
        json!({"type": "publish", "source": "microphone", "on": true}),
        json!({"type": "set_setting", "key": "room_chat", "value": "everyone_writes"}),
    ] {
        stage.host.ok(request).await;
    }
    let (mut stage, heard) = stage
        .speak(20, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert!(heard >= 15, "{heard}");
    let peers = stage.metric("peers").await;
    // They go on sending while it happens, and write until they are told.
    for line in 0..3 {
        stage
            .inside
            .send(json!({"type": "chat", "text": format!("line {line}"), "ref": line.to_string()}))
            .await;
    }
    stage
        .host
        .ok(json!({"type": "send_back", "participant": stage.id}))
        .await;
    assert_eq!(stage.metric("peers").await, peers - 1);
    let knock = stage.host.event("knocked").await["knock"].clone();
    stage.inside.next("waiting").await;
    let (known, strange) = (
        stage.inside.frames.len(),
        stage.metric("unknown_source").await,
    );
    let (mut stage, heard) = stage
        .speak(40, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert_eq!(heard, 0, "someone in the waiting room was heard");
    assert!(stage.metric("unknown_source").await >= strange + 30);
    for (kind, text) in [("chat", "not for them"), ("lock", "")] {
        let request = match kind {
            "chat" => json!({"type": "chat", "text": text, "ref": "h"}),
            _ => json!({"type": "lock", "locked": true}),
        };
        stage.host.ok(request).await;
    }
    let Stage {
        speaker,
        viewer,
        mut inside,
        mut host,
        ..
    } = stage;
    let (_, speaker, heard) = exchange(viewer, speaker, 40, |client, _| {
        drop(client.sound(Source::Microphone, 20))
    })
    .await;
    assert_eq!(
        (heard, speaker.client.unopened),
        (0, 0),
        "someone in the waiting room hears"
    );
    // Not a byte of all that, and back inside nothing of theirs is on.
    assert!(inside.silent(Duration::from_millis(100)).await || inside.frames.len() == known);
    assert_eq!(inside.frames.len(), known, "{:?}", inside.frames.last());
    host.ok(json!({"type": "admit", "knock": knock["knock"], "version": knock["version"]}))
        .await;
    let view = inside.next("admitted").await;
    let lines = view["room"]["participants"].as_array().unwrap();
    let own = lines
        .iter()
        .find(|line| line["participant"] == view["room"]["you"]);
    assert_eq!(own.unwrap()["sources"]["microphone"], "off");
}

/// How long after the request, and after its answer, the viewer still got anything, while the speaker goes on sending
/// pictures; and how many came.
async fn lag(stage: Stage, source: Source, request: Value) -> (Stage, [Duration; 2], usize) {
    let Stage {
        mut host,
        speaker,
        viewer,
        ..
    } = stage;
    let (said, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (over, stop) = (said.clone(), done.clone());
    let speaking = with(speaker, move |speaker| {
        let mut round = 0;
        while !over.load(Ordering::Relaxed) {
            drop(speaker.client.frame(source, round % 50 == 0));
            speaker.pump(Duration::from_millis(2));
            round += 1;
        }
    });
    let listening = with(viewer, move |viewer| {
        let mut came = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let before = viewer.client.received.len();
            viewer.pump(Duration::from_millis(1));
            if viewer.client.received.len() > before {
                came.push(raw::now());
            }
        }
        came
    });
    let asking = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let asked = raw::now();
        host.ok(request).await;
        let answered = raw::now();
        tokio::time::sleep(Duration::from_millis(400)).await;
        said.store(true, Ordering::Relaxed);
        done.store(true, Ordering::Relaxed);
        [asked, answered]
    };
    let ((speaker, ()), (viewer, came), moments) = tokio::join!(speaking, listening, asking);
    let last = came.last().copied();
    let lasted = moments
        .map(|from| last.map_or(Duration::ZERO, |last| last.saturating_duration_since(from)));
    let stage = Stage {
        host,
        speaker,
        viewer,
        ..stage
    };
    (stage, lasted, came.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h06_a_screen_is_gone_with_its_right_and_stays_so_under_any_label() {
    let mut stage = Stage::set().await;
    let id = stage.id.clone();
    let looks: Vec<_> = ["camera", "screen"]
        .map(|source| json!({"participant": id, "source": source, "width": 640, "height": 360}))
        .into();
    stage.host.ok(json!({"type": "view", "looks": looks})).await;
    let presenter = json!({"type": "set_role", "participant": id, "role": "presenter"});
    let attendee = json!({"type": "set_role", "participant": id, "role": "attendee"});
    let everyone =
        |value: &str| json!({"type": "set_setting", "key": "screen_share", "value": value});
    let allow = |allowed: bool| json!({"type": "allow", "participant": id, "source": "screen", "allowed": allowed});
    // By every way that a right to share can end, each after it was given in the matching way.
    let ways = [
        (
            vec![everyone("attendees")],
            everyone("hosts_and_presenters"),
        ),
        (vec![presenter.clone()], attendee),
        (
            vec![presenter.clone()],
            json!({"type": "stop_share", "participant": id}),
        ),
        (vec![allow(true)], allow(false)),
        (vec![allow(true)], json!({"type": "stop_all_shares"})),
        (
            vec![allow(true), presenter.clone()],
            json!({"type": "suspend"}),
        ),
    ];
    let mut slowest = Duration::ZERO;
    for (given, taken) in ways {
        for request in given {
            stage.host.ok(request).await;
        }
        stage.publish("screen").await;
        let (lasted, seen);
        (stage, lasted, seen) = lag(stage, Source::Screen, taken.clone()).await;
        assert!(seen >= 10, "the screen was not seen before {taken}: {seen}");
        // Taking a right from someone acts at once. A role or a setting is changed when its row is durable: then, at once.
        let lasted = match taken["type"].as_str() {
            Some("set_role" | "set_setting") => lasted[1],
            _ => lasted[0],
        };
        assert!(lasted < Duration::from_millis(50), "{taken}: {lasted:?}");
        slowest = slowest.max(lasted);
        let heard;
        (stage, heard) = stage
            .speak(40, |client, round| {
                drop(client.frame(Source::Screen, round % 10 == 0))
            })
            .await;
        assert_eq!(heard, 0, "the screen is seen after {taken}");
        if taken["type"] == "suspend" {
            stage.host.ok(json!({"type": "lift_suspension"})).await;
            stage
                .host
                .ok(json!({"type": "stop_share", "participant": id}))
                .await;
        }
        let publish = json!({"type": "publish", "source": "screen", "on": true});
        assert_eq!(
            stage.inside.refused(publish).await,
            "not_allowed",
            "after {taken}"
        );
    }
    println!("figure h06.slowest_stop {} ms", slowest.as_millis());

    // Their line of the screen, declared as a camera: a camera it is, for the rules and for the host, who sees it as that.
    let mut relabelled = UdpClient::new(Script::default());
    let mut request = offer(&relabelled);
    let sources = request["sources"].as_array_mut().unwrap();
    for line in sources.iter_mut() {
        let now = match line["source"].as_str().unwrap() {
            "screen" => "camera",
            "camera" => "screen",
            other => other,
        };
        line["source"] = json!(now);
    }
    let answer = stage.inside.ok(request).await;
    relabelled.answer(&text(&answer, "sdp"));
    let (speaker, up) = with(relabelled, |media| media.connect(SOON)).await;
    assert!(up);
    stage = Stage { speaker, ..stage };
    let publish = json!({"type": "publish", "source": "screen", "on": true});
    assert_eq!(stage.inside.refused(publish).await, "not_allowed");
    // Before it is published as a camera nothing of it is seen, under whichever of the two labels.
    let heard;
    (stage, heard) = stage
        .speak(30, |client, round| {
            drop(client.frame(Source::Screen, round % 10 == 0));
            drop(client.frame(Source::Camera, round % 10 == 0));
        })
        .await;
    assert_eq!(heard, 0, "a picture nobody turned on is seen");
    stage.publish("camera").await;
    let sees = loop {
        let changed = stage.host.event("participant_changed").await["participant"].clone();
        if changed["participant"] == id.as_str() && changed["sources"]["camera"] == "on" {
            break changed;
        }
    };
    assert_eq!(sees["sources"]["screen"], "withdrawn");
    let heard;
    (stage, heard) = stage
        .speak(30, |client, round| {
            drop(client.frame(Source::Screen, round % 10 == 0))
        })
        .await;
    assert!(heard >= 10, "what is declared as a camera is one: {heard}");
    let before = stage.counter("screen", "forwarded").await;
    let lasted;
    (stage, lasted, _) = lag(
        stage,
        Source::Screen,
        json!({"type": "pause_video", "participant": id}),
    )
    .await;
    assert!(lasted[0] < Duration::from_millis(50), "{lasted:?}");
    assert_eq!(stage.counter("screen", "forwarded").await, before);
}

#[tokio::test]
async fn t01_media_of_a_session_ends_with_its_sign_out() {
    let mut stage = Stage::set().await;
    stage.publish("microphone").await;
    stage
        .host
        .ok(json!({"type": "publish", "source": "microphone", "on": true}))
        .await;
    let (mut stage, heard) = stage
        .speak(20, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert!(heard >= 15, "{heard}");
    let out = stage
        .server
        .call(
            Method::DELETE,
            "/api/session",
            Some(&stage.member.token),
            None,
        )
        .await;
    assert_eq!(out.status, 204);
    assert_eq!(stage.inside.closed().await, "signed_out");
    let (stage, heard) = stage
        .speak(40, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert_eq!(heard, 0, "someone signed out is still heard");
    let Stage {
        speaker, viewer, ..
    } = stage;
    let (_host, _gone, heard) = exchange(viewer, speaker, 40, |client, _| {
        drop(client.sound(Source::Microphone, 20))
    })
    .await;
    assert_eq!(heard, 0, "someone signed out still hears");
}

#[tokio::test]
async fn t01_media_ends_with_a_sign_out_also_when_the_connection_was_lost() {
    let mut stage = Stage::set().await;
    stage.publish("microphone").await;
    let (stage, heard) = stage
        .speak(20, |client, _| drop(client.sound(Source::Microphone, 20)))
        .await;
    assert!(heard >= 15, "{heard}");
    let Stage { inside, .. } = stage;
    inside.vanish();
    let out = stage
        .server
        .call(
            Method::DELETE,
            "/api/session",
            Some(&stage.member.token),
            None,
        )
        .await;
    assert_eq!(out.status, 204);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let Stage {
        speaker, viewer, ..
    } = stage;
    let (_, _, heard) = exchange(speaker, viewer, 40, |client, _| {
        drop(client.sound(Source::Microphone, 20))
    })
    .await;
    assert_eq!(heard, 0, "someone signed out is still heard");
}

#[tokio::test]
async fn h01_pause_and_stopped_share_drop_packets_too() {
    let mut stage = Stage::set().await;
    let id = stage.id.clone();
    stage
        .host
        .ok(json!({"type": "set_role", "participant": id, "role": "presenter"}))
        .await;
    let looks: Vec<_> = ["camera", "screen"]
        .map(|source| json!({"participant": id, "source": source, "width": 640, "height": 360}))
        .into();
    stage.host.ok(json!({"type": "view", "looks": looks})).await;
    for (source, name, cut) in [
        (Source::Camera, "camera", "pause_video"),
        (Source::Screen, "screen", "stop_share"),
    ] {
        stage.publish(name).await;
        let heard;
        (stage, heard) = stage
            .speak(30, move |client, round| {
                drop(client.frame(source, round == 0))
            })
            .await;
        assert!(heard >= 20, "{name} is not seen: {heard}");
        stage.host.ok(json!({"type": cut, "participant": id})).await;
        let before = stage.counter(name, "dropped").await;
        let after;
        (stage, after) = stage
            .speak(60, move |client, round| {
                drop(client.frame(source, round % 10 == 0))
            })
            .await;
        assert_eq!(after, 0, "{name} is seen after {cut}");
        let dropped = stage.counter(name, "dropped").await - before;
        assert!(dropped >= 50, "{name}: {dropped}");
        println!("figure h01.packets_dropped_after_{cut} {dropped} packets");
    }
    // Given back, nothing flows until the person turns it on again.
    for (source, name) in [(Source::Camera, "camera"), (Source::Screen, "screen")] {
        stage
            .host
            .ok(json!({"type": "allow", "participant": id, "source": name, "allowed": true}))
            .await;
        let heard;
        (stage, heard) = stage
            .speak(30, move |client, round| {
                drop(client.frame(source, round % 10 == 0))
            })
            .await;
        assert_eq!(heard, 0, "{name} came back by itself");
    }
}

/// Offers with a faulty identity, and what comes of it: no keys, no media, though everything else is in order.
async fn without_identity(script: Script, counts: &str) {
    let mut stage = Stage::set().await;
    let gamma = stage
        .server
        .member(&stage.owner, "gamma@example.org", "Gamma")
        .await;
    let (mut inside, _) = stage
        .server
        .admit(&mut stage.host, &gamma, &stage.room)
        .await;
    stage.publish("microphone").await;
    inside
        .ok(json!({"type": "publish", "source": "microphone", "on": true}))
        .await;
    let before = stage.metric(counts).await;
    let (thief, up) = connect(&mut inside, script, Duration::from_secs(3)).await;
    assert!(!up, "the handshake succeeded");
    assert!(stage.metric(counts).await > before, "{counts} did not rise");
    let heard_before = stage.metric("forwarded_audio").await;
    let Stage {
        speaker,
        viewer,
        server,
        ..
    } = stage;
    let speaking = exchange(speaker, thief, 30, |client, _| {
        drop(client.sound(Source::Microphone, 20))
    });
    let listening = with(viewer, |viewer| viewer.pump(Duration::from_millis(1500)));
    let ((_, thief, heard), (viewer, ())) = tokio::join!(speaking, listening);
    assert_eq!(
        (heard, thief.client.unopened, thief.client.reports.len()),
        (0, 0, 0),
        "media without an identity"
    );
    // The one with an identity was sent all of it, or the silence would prove nothing.
    assert!(viewer.client.received.len() >= 25);
    let forwarded = metric(&server, "forwarded_audio").await - heard_before;
    assert!(forwarded <= 30, "{forwarded} packets for one listener");
}

#[tokio::test]
async fn another_certificate_than_offered_gets_no_media() {
    without_identity(
        Script {
            wrong_fingerprint: true,
            ..Script::default()
        },
        "fingerprint_mismatches",
    )
    .await;
}

#[tokio::test]
async fn no_certificate_gets_no_media() {
    without_identity(
        Script {
            no_certificate: true,
            ..Script::default()
        },
        "dtls_failed",
    )
    .await;
}

/// An offer that the server must not answer.
fn spoiled(sdp: &str) -> Vec<(&'static str, String)> {
    let fingerprint = sdp
        .lines()
        .find(|line| line.starts_with("a=fingerprint:"))
        .unwrap();
    vec![
        (
            "no fingerprint",
            sdp.replace(&format!("{fingerprint}\r\n"), ""),
        ),
        ("a weak fingerprint", sdp.replace("sha-256", "sha-1")),
        (
            "a short fingerprint",
            sdp.replace(fingerprint, &fingerprint[..fingerprint.len() - 3]),
        ),
        (
            "a server's part",
            sdp.replace("setup:actpass", "setup:passive"),
        ),
        ("rubbish", "rubbish".to_owned()),
        ("nothing", String::new()),
        ("a version", "v=0\r\n".to_owned()),
    ]
}

#[tokio::test]
async fn w01_offers_without_an_identity_are_not_answered() {
    let mut stage = Stage::set().await;
    assert_eq!(stage.inside.event("media").await["state"], "connected");
    let media = UdpClient::new(Script::default());
    let good = offer(&media);
    let peers = stage.metric("peers").await;
    for (which, sdp) in spoiled(good["sdp"].as_str().unwrap()) {
        let mut request = good.clone();
        request["sdp"] = json!(sdp);
        assert_eq!(
            stage.inside.refused(request).await,
            "invalid_offer",
            "{which}"
        );
    }
    assert!(
        stage.metric("peers").await <= peers,
        "a refused offer left a transport"
    );
    // The transport that there is lives on, and is still heard of.
    let mut same = offer(&stage.speaker);
    same["restart"] = json!(true);
    stage.inside.ok(same).await;
    assert_eq!(stage.inside.event("media").await["state"], "connected");
    // A data channel is not taken up: refused, or answered with a closed line.
    let mut request = good.clone();
    let channel = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:99\r\na=sctp-port:5000\r\n";
    let sdp = good["sdp"].as_str().unwrap();
    request["sdp"] = json!(format!("{sdp}{channel}").replace("BUNDLE 0", "BUNDLE 99 0"));
    let reply = stage.inside.ask(request).await;
    let answer = reply["ok"]["sdp"].as_str().unwrap_or("m=application 0");
    assert!(
        answer.contains("m=application 0") && !answer.contains("sctp-port"),
        "{reply}"
    );
    // Declarations that do not fit the lines.
    for sources in [
        json!([{"mid": "nowhere", "source": "microphone"}]),
        json!([{"mid": "0", "source": "camera"}]),
        json!([{"mid": "0", "source": "microphone"}, {"mid": "0", "source": "screen_audio"}]),
        json!([{"mid": "0", "source": "microphone"}, {"mid": "3", "source": "microphone"}]),
    ] {
        let mut request = good.clone();
        request["sources"] = sources.clone();
        assert_eq!(
            stage.inside.refused(request).await,
            "invalid_offer",
            "{sources}"
        );
    }
}

#[tokio::test]
async fn w01_no_packet_of_somebody_without_a_transport_makes_state() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let guest = server.guest(&room.id, "Visitor").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let (viewer, up) = connect(&mut host, Script::default(), SOON).await;
    assert!(up);
    let mut waiting = server.join(&guest, &room).await;
    waiting.next("waiting").await;
    let knock = text(&host.event("knocked").await["knock"], "knock");
    let state = async || {
        let mut values = Vec::new();
        for name in ["peers", "dtls_started", "stun_answered"] {
            values.push(metric(&server, name).await);
        }
        values
    };
    let before = state().await;
    // Checks under every name that a waiting guest knows or may guess, hellos, media, noise: from one address and many.
    let to = format!("127.0.0.1:{}", server.port);
    let names = [
        guest.id.as_str(),
        &knock,
        &room.id,
        &owner.id,
        "clnt",
        "",
        &viewer.client.server().ufrag.clone(),
    ];
    let mut packets: Vec<Vec<u8>> = names
        .iter()
        .map(|name| check(&format!("{name}:clnt")))
        .collect();
    packets.push(check(&"x".repeat(500)));
    packets.push([&[22, 254, 253][..], &[0; 8], &[0, 120, 1], &[0; 119]].concat());
    packets.push([&[22, 254, 255][..], &[0; 8], &[0, 0]].concat());
    packets.push([&[0x80, 111][..], &[0; 60]].concat());
    packets.push([&[0x80, 200][..], &[0; 60]].concat());
    packets.push(vec![0xff; 1400]);
    packets.push(vec![0]);
    let mut answers = 0;
    for _ in 0..20 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for packet in &packets {
            socket.send_to(packet, &to).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        socket.set_nonblocking(true).unwrap();
        answers += usize::from(socket.recv(&mut [0; 2048]).is_ok());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(answers, 0, "strangers were answered");
    assert_eq!(state().await, before, "strangers made state");
    println!("figure w01.strange_packets {} packets", 20 * packets.len());
}

/// A connectivity check under a name, with an integrity that only the right password could make.
fn check(name: &str) -> Vec<u8> {
    let mut body = vec![0, 6];
    body.extend((name.len() as u16).to_be_bytes());
    body.extend(name.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend([0, 8, 0, 20]);
    body.extend([7; 20]);
    let mut packet = vec![0, 1];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([0x21, 0x12, 0xa4, 0x42]);
    packet.extend([9; 12]);
    packet.extend(body);
    packet
}
