//! X01 and X02: a caption worker is nobody. One that was taken over, and no sandbox around it, has nothing that opens a door, gets
//! the sound of whoever may be captioned and of nobody else, and speaks of nothing but that.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use conclave_captions::wire::{Frames, FromRecogniser, Message, ToRecogniser, Track, VERSION};
use conclave_policy::source::Source;
use reqwest::Method;
use serde_json::{Value, json};

use super::common::server::Server;
use super::common::socket::Socket;
use super::media_client::UdpClient;
use super::{SOON, Stage, connect, now, publish, reads, testdata, turn, with};

/// What stands in every packet of a source.
const ALPHA: u8 = 0xa1;
const BETA: u8 = 0xb2;
const CAMERA: u8 = 0xc3;
const ELSEWHERE: u8 = 0xd4;
/// A track that is nobody's, or another's.
const FORGED: u64 = 4_000_000;

async fn with_spy(folder: &Path) -> Server {
    let own = std::env::current_exe().unwrap();
    let worker = folder.join("worker");
    let at = folder.display();
    let script = format!(
        "#!/bin/sh\n(env; echo \"$@\") > '{at}/given'\nls -l /proc/$$/fd > '{at}/open'\nexec 3>&1 >/dev/null\n\
         SPY='{at}/heard' exec '{}' --exact nobody::a_spy --nocapture\n",
        own.display()
    );
    std::fs::write(&worker, script).unwrap();
    std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
    let model = testdata("meeting-tiny-q5_0.bin");
    Server::start_set(&[
        ("CONCLAVE_CAPTIONS__WORKER", worker.to_str().unwrap()),
        ("CONCLAVE_CAPTIONS__MODEL", model.to_str().unwrap()),
        ("CONCLAVE_CAPTIONS__TRANSLATOR", "none"),
        // Each has somebody of its own, and speaks of who is the other's.
        ("CONCLAVE_CAPTIONS__WORKERS", "2"),
    ])
    .await
}

/// No test, but the worker: it writes down all that it hears, and speaks of tracks that are not its own.
#[test]
fn a_spy() {
    let Ok(path) = std::env::var("SPY") else {
        return;
    };
    let options = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    let mut notes = options.unwrap();
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/fd/3")
        .unwrap();
    let (mut frames, mut piece) = (Frames::default(), vec![0; 4096]);
    let mut said = 0_u64;
    loop {
        while let Some(message) = frames.take::<ToRecogniser>().unwrap() {
            let answers = match message {
                ToRecogniser::Hello { .. } => vec![FromRecogniser::Ready {
                    version: VERSION,
                    model: "spy".into(),
                    languages: vec!["en".into()],
                    multilingual: false,
                }],
                ToRecogniser::Ping { nonce } => vec![FromRecogniser::Pong { nonce }],
                ToRecogniser::Open { track, hints, .. } => {
                    note(&mut notes, &format!("open {} {}", track.0, hints.join("|")));
                    Vec::new()
                }
                ToRecogniser::Audio {
                    track,
                    at_ms,
                    payload,
                    ..
                } => {
                    note(&mut notes, &format!("audio {} {:02x}", track.0, payload[0]));
                    said += 1;
                    speak(track, at_ms, said)
                }
                _ => Vec::new(),
            };
            for answer in answers {
                out.write_all(&answer.encode().unwrap()).unwrap();
            }
        }
        let count = std::io::stdin().read(&mut piece).unwrap();
        if count == 0 {
            return;
        }
        frames.push(&piece[..count]);
    }
}

/// A line in one write: the spies of a meeting share a file, and a line in pieces would be torn by another's.
fn note(notes: &mut std::fs::File, line: &str) {
    notes.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Captions of every track but its own, and in English of that.
fn speak(own: Track, at_ms: i64, said: u64) -> Vec<FromRecogniser> {
    let mut forged = vec![FromRecogniser::English {
        track: own,
        cue: said,
        text: Some("forged".into()),
    }];
    let others = (0..8).chain([FORGED, u64::MAX]).map(Track);
    for track in others.filter(|track| *track != own) {
        forged.push(FromRecogniser::Cue {
            track,
            cue: said,
            revision: 1,
            language: "en".into(),
            t0_ms: at_ms,
            t1_ms: at_ms,
            committed: "forged".into(),
            tentative: String::new(),
            finished: true,
        });
    }
    forged
}

/// What the spy heard, by what stands in the packets.
fn heard(folder: &Path) -> BTreeMap<String, usize> {
    let notes = std::fs::read_to_string(folder.join("heard")).unwrap_or_default();
    let mut heard = BTreeMap::new();
    for line in notes.lines().filter(|line| line.starts_with("audio")) {
        let what = line.rsplit(' ').next().unwrap().to_owned();
        *heard.entry(what).or_default() += 1;
    }
    heard
}

/// Half a second of sound and picture.
async fn send(media: UdpClient, sound: u8) -> UdpClient {
    let sent = with(media, move |media| {
        for number in 0..25_u32 {
            let packet = media.client.next(Source::Microphone, vec![sound; 40], 960);
            media.client.send(&packet);
            let picture = media.client.next(Source::Camera, vec![CAMERA; 200], 3000);
            media.client.send(&picture);
            media.pump(Duration::from_millis(if number % 2 == 0 { 21 } else { 19 }));
        }
    });
    sent.await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn x02_a_caption_worker_holds_no_token_and_hears_only_who_may_be_captioned() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(with_spy(folder.path()).await).await;
    stage.listened_to().await;
    let camera = json!({"type": "publish", "source": "camera", "on": true});
    stage.inside.ok(camera).await;
    // Someone who has refused, and a room that has no captions.
    let person = stage
        .server
        .member(&stage.owner, "beta@example.org", "Beta")
        .await;
    let (mut beta, _) = stage
        .server
        .admit(&mut stage.host, &person, &stage.room)
        .await;
    beta.ok(json!({"type": "caption_me", "allowed": false}))
        .await;
    let beta_media = connect(&mut beta).await;
    publish(&mut beta).await;
    let other = stage.server.room(&stage.owner, "Other").await;
    let (mut elsewhere, _) = stage.server.enter(&stage.owner, &other).await;
    let elsewhere_media = connect(&mut elsewhere).await;
    publish(&mut elsewhere).await;

    let alpha_media = stage.media.take().unwrap();
    let (alpha_media, _beta_media, _elsewhere_media) = tokio::join!(
        send(alpha_media, ALPHA),
        send(beta_media, BETA),
        send(elsewhere_media, ELSEWHERE)
    );
    let until = now() + SOON;
    while heard(folder.path()).is_empty() {
        assert!(now() < until, "nothing was heard at all");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = heard(folder.path());
    assert_eq!(all.keys().collect::<Vec<_>>(), [&format!("{ALPHA:02x}")]);

    // From a refusal on: not one more packet.
    stage
        .inside
        .ok(json!({"type": "caption_me", "allowed": false}))
        .await;
    let before = heard(folder.path());
    send(alpha_media, ALPHA).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(heard(folder.path()), before, "a refused speaker was heard");

    // What it was given opens nothing.
    let given = std::fs::read_to_string(folder.path().join("given")).unwrap();
    let names = ["PATH=", "LANG=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
    let mut words = vec!["1".to_owned(), String::new()];
    for line in given.lines() {
        let known = names.iter().any(|name| line.starts_with(name));
        assert!(known || line.starts_with("recogniser"), "{line}");
        words.extend(line.split(['=', ' ', ':']).map(str::to_owned));
    }
    let open = std::fs::read_to_string(folder.path().join("open")).unwrap();
    for line in open.lines().filter(|line| line.contains("->")) {
        assert!(
            ["pipe:", "/worker", "/open", "/dev/null"]
                .iter()
                .any(|own| line.contains(own)),
            "{line}"
        );
    }
    let notes = std::fs::read_to_string(folder.path().join("heard")).unwrap();
    words.extend(notes.lines().take(3).map(str::to_owned));
    for word in &words {
        assert!(Socket::open(&stage.server, Some(word), None).await.is_err());
        for path in [
            "/api/me".to_owned(),
            format!("/api/rooms/{}", stage.room.id),
        ] {
            let answer = stage
                .server
                .call(Method::GET, &path, Some(word), None)
                .await;
            assert_eq!(answer.status, 401, "{path} {word}");
        }
        for way in ["whep", "whip"] {
            let path = format!("/{way}/{}", stage.room.id);
            let answer = stage
                .server
                .call(Method::POST, &path, Some(word), None)
                .await;
            assert!(answer.status.is_client_error(), "{path} {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x01_a_worker_makes_no_caption_of_a_track_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(with_spy(folder.path()).await).await;
    turn(&mut stage.host, "transcript", "on").await;
    stage.listened_to().await;
    let person = stage
        .server
        .member(&stage.owner, "beta@example.org", "Beta")
        .await;
    let (mut beta, _) = stage
        .server
        .admit(&mut stage.host, &person, &stage.room)
        .await;
    let beta_media = connect(&mut beta).await;
    publish(&mut beta).await;
    let media = stage.media.take().unwrap();
    let (_media, _beta_media) = tokio::join!(send(media, ALPHA), send(beta_media, BETA));
    let read = reads(&mut stage.host, Duration::from_millis(500)).await;
    assert_eq!(read, Vec::<Value>::new());
    let heard = heard(folder.path());
    let (alpha, beta) = (format!("{ALPHA:02x}"), format!("{BETA:02x}"));
    assert_eq!(heard.keys().collect::<Vec<_>>(), [&alpha, &beta]);
    let path = format!("/api/rooms/{}/transcripts", stage.room.id);
    let token = Some(stage.owner.token.as_str());
    let kept = stage.server.get(Method::GET, &path, token, None).await;
    assert_eq!(kept["transcripts"], json!([]), "{kept}");
}
