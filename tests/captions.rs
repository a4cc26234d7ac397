//! Stories of captions: a real server, real workers with a small model of their own, and speech that was made for them. Who reads
//! what under whose name, what nobody ever reads, and what becomes of it when a worker dies.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints its figures"
)]

#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[path = "captions/forged.rs"]
mod forged;
#[path = "captions/kept.rs"]
mod kept;
#[expect(dead_code, reason = "speaking needs less of it than the attacks")]
#[path = "common/media_client.rs"]
mod media_client;
#[path = "captions/mouth.rs"]
mod mouth;
#[path = "captions/nobody.rs"]
mod nobody;
#[expect(dead_code, reason = "the stories of webhooks use all of it")]
#[path = "common/receiver.rs"]
mod receiver;
#[path = "captions/told.rs"]
mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::server::{Person, Room, Server};
use common::socket::Socket;
use common::text;
use conclave::clock::{Clock, SystemClock};
use conclave_policy::source::Source;
use media_client::{Script, UdpClient};
use mouth::{Ear, Mouth};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);
/// How long a caption may take after its last word, on a machine that has other things to do.
const SAID: Duration = Duration::from_secs(20);
const NINE: (&str, &str) = ("00-en-us", "the meeting will start in nine minutes");
const UNMUTE: (&str, &str) = ("01-en-gb", "frank please unmute your microphone");
const THREE: (&str, &str) = ("08-en-us", "the meeting will start in three minutes");
const MONDAY: (&str, &str) = ("04-en-us-opus24", "the next meeting is on monday at five");

fn now() -> Instant {
    SystemClock.instant()
}

fn testdata(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captions/testdata");
    folder.join(name)
}

/// The worker that stands beside the server's program; `make rust` builds it.
fn worker() -> PathBuf {
    let worker = Path::new(env!("CARGO_BIN_EXE_conclave")).with_file_name("conclave-captioner");
    assert!(worker.is_file(), "{} is not built", worker.display());
    worker
}

/// A server with the model of the tests; what it says to its log goes there.
async fn with_model(log: Option<&Path>) -> Server {
    worker();
    let model = testdata("meeting-tiny-q5_0.bin");
    let mut variables = vec![
        ("CONCLAVE_CAPTIONS__MODEL", model.to_str().unwrap()),
        ("CONCLAVE_CAPTIONS__LANGUAGE", "en"),
        ("CONCLAVE_CAPTIONS__TRANSLATOR", "none"),
        // The model knows 145 words and is confused by names.
        ("CONCLAVE_CAPTIONS__HINTS", "false"),
        ("CONCLAVE_CAPTIONS__WITHOUT_SANDBOX", "true"),
    ];
    if let Some(log) = log {
        variables.push(("STORY_LOG_FILE", log.to_str().unwrap()));
        variables.push((
            "CONCLAVE_LOG__FILTER",
            "info,conclave=trace,conclave_captions=trace",
        ));
    }
    Server::start_set(&variables).await
}

/// A sentence as packets of Opus, with a pause after it.
fn speech((name, _): (&str, &str)) -> Vec<Vec<u8>> {
    let wav = std::fs::read(testdata(&format!("fixtures/{name}.wav"))).unwrap();
    assert_eq!(wav[24..28], 16_000_u32.to_le_bytes());
    let mut samples = vec![0_i16; 3200];
    samples.extend(
        wav[44..]
            .chunks_exact(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]])),
    );
    samples.extend([0; 24_000]);
    let mut encoder =
        opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let packets = samples.chunks_exact(320);
    packets
        .map(|frame| encoder.encode_vec(frame, 400).unwrap())
        .collect()
}

/// Does something with a media client, which blocks.
async fn with<T: Send + 'static>(
    mut media: UdpClient,
    act: impl FnOnce(&mut UdpClient) -> T + Send + 'static,
) -> (UdpClient, T) {
    let acted = tokio::task::spawn_blocking(move || {
        let came = act(&mut media);
        (media, came)
    });
    acted.await.unwrap()
}

async fn connect(socket: &mut Socket) -> UdpClient {
    let mut media = UdpClient::new(Script::default());
    let offer = media.client.offer();
    let sources: Vec<_> = offer
        .sources
        .iter()
        .map(|(mid, source)| json!({"mid": mid, "source": source.as_str()}))
        .collect();
    let offer = json!({"type": "offer", "sdp": offer.sdp, "sources": sources});
    let answer = socket.ok(offer).await;
    media.answer(&text(&answer, "sdp"));
    let (media, up) = with(media, |media| media.connect(SOON)).await;
    assert!(up, "no media");
    media
}

/// Says a sentence into the microphone, as fast as it is spoken.
async fn say(media: UdpClient, sentence: (&str, &str)) -> UdpClient {
    let packets = speech(sentence);
    let said = with(media, move |media| {
        let start = now();
        for (number, packet) in packets.into_iter().enumerate() {
            let mut sending = media.client.next(Source::Microphone, packet, 960);
            sending.level = Some(20);
            media.client.send(&sending);
            let until = start + Duration::from_millis(20) * u32::try_from(number + 1).unwrap();
            media.pump(until.saturating_duration_since(now()));
        }
    });
    said.await.0
}

async fn turn(socket: &mut Socket, key: &str, value: &str) {
    let request = json!({"type": "set_setting", "key": key, "value": value});
    socket.ok(request).await;
}

async fn publish(socket: &mut Socket) {
    let request = json!({"type": "publish", "source": "microphone", "on": true});
    socket.ok(request).await;
}

/// The next cue that is final.
async fn last_words(socket: &mut Socket) -> Value {
    loop {
        let cue = tokio::time::timeout(SAID, socket.next("cue")).await;
        let cue = cue.expect("no final cue came")["cue"].clone();
        if cue["final"] == true && cue["committed"] != "" {
            return cue;
        }
    }
}

/// Everything that is sent in this time; whether a cue with words is in it.
async fn reads(socket: &mut Socket, time: Duration) -> Vec<Value> {
    let mut cues = Vec::new();
    let until = now() + time;
    loop {
        let left = until.saturating_duration_since(now());
        match tokio::time::timeout(left, socket.text_frame()).await {
            Ok(Some(value)) if value["type"] == "cue" => cues.push(value["cue"].clone()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return cues,
        }
    }
}

/// A server with a model, a host who reads, and a member who speaks, with captions on.
struct Stage {
    server: Server,
    owner: Person,
    member: Person,
    room: Room,
    host: Socket,
    inside: Socket,
    id: String,
    media: Option<UdpClient>,
}

impl Stage {
    async fn set(server: Server) -> Self {
        let owner = server.owner().await;
        let member = server.member(&owner, "alpha@example.org", "Alpha").await;
        let room = server.room(&owner, "Board").await;
        let (mut host, view) = server.enter(&owner, &room).await;
        assert_eq!(view["room"]["captions"]["state"], "off");
        assert_eq!(view["room"]["caption_choice"]["language"], Value::Null);
        host.ok(json!({"type": "captions", "language": "original"}))
            .await;
        let (mut inside, view) = server.admit(&mut host, &member, &room).await;
        let id = text(&view["room"], "you");
        let media = Some(connect(&mut inside).await);
        publish(&mut inside).await;
        turn(&mut host, "captions", "on").await;
        Self {
            server,
            owner,
            member,
            room,
            host,
            inside,
            id,
            media,
        }
    }

    /// The same people in the next session of the room.
    async fn come_again(&mut self) {
        let (host, _) = self.server.enter(&self.owner, &self.room).await;
        self.host = host;
        self.host
            .ok(json!({"type": "captions", "language": "original"}))
            .await;
        let (inside, view) = self
            .server
            .admit(&mut self.host, &self.member, &self.room)
            .await;
        self.inside = inside;
        self.id = text(&view["room"], "you");
        self.media = Some(connect(&mut self.inside).await);
        publish(&mut self.inside).await;
        turn(&mut self.host, "captions", "on").await;
    }

    /// Waits until somebody is listened to.
    async fn listened_to(&mut self) {
        loop {
            if self.inside.event("captions").await["running"] == true {
                return;
            }
        }
    }

    async fn say(&mut self, sentence: (&str, &str)) {
        let media = self.media.take().unwrap();
        self.media = Some(say(media, sentence).await);
    }

    /// What the trail has of an action.
    async fn rows(&self, action: &str) -> Vec<Value> {
        let path = format!("/api/rooms/{}/audit?action={action}", self.room.id);
        let page = self
            .server
            .get(Method::GET, &path, Some(&self.owner.token), None)
            .await;
        page["rows"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_stand_under_the_right_name_and_what_may_not_be_heard_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut stage = Stage::set(with_model(Some(&log)).await).await;
    stage.listened_to().await;
    stage.say(NINE).await;
    let cue = last_words(&mut stage.host).await;
    assert_eq!(cue["committed"], NINE.1);
    assert_eq!(
        (&cue["speaker"], &cue["name"]),
        (&json!(stage.id), &json!("Alpha"))
    );
    assert_eq!(
        (&cue["original"], &cue["language"]),
        (&json!(true), &json!("en"))
    );
    let rows = stage.rows("listen").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["verdict"], "permitted");

    // A mute in the middle of a sentence: the client goes on, and nobody reads another word.
    let mute = json!({"type": "mute", "participant": stage.id});
    stage.host.ok(mute).await;
    for running in [true, false] {
        while stage.host.event("captions").await["running"] != running {}
    }
    reads(&mut stage.host, Duration::from_millis(200)).await;
    stage.say(UNMUTE).await;
    let read = reads(&mut stage.host, Duration::from_secs(3)).await;
    assert_eq!(read, Vec::<Value>::new(), "muted speech was captioned");

    // Being allowed again starts nothing; a refusal ends it at once, and everyone sees that.
    let allow =
        json!({"type": "allow", "participant": stage.id, "source": "microphone", "allowed": true});
    stage.host.ok(allow).await;
    publish(&mut stage.inside).await;
    stage.listened_to().await;
    let asked = now();
    stage
        .inside
        .ok(json!({"type": "caption_me", "allowed": false}))
        .await;
    let line = loop {
        let line = stage.host.event("participant_changed").await["participant"].clone();
        if line["uncaptioned"] == true {
            break line;
        }
    };
    assert_eq!(line["participant"], json!(stage.id));
    let took = now().duration_since(asked);
    println!(
        "figure captions.refusal {:.1} ms",
        took.as_secs_f64() * 1000.0
    );
    stage.say(THREE).await;
    let read = reads(&mut stage.host, Duration::from_secs(3)).await;
    assert_eq!(read, Vec::<Value>::new(), "refused speech was captioned");
    assert_eq!(stage.rows("refuse_captions").await.len(), 1);

    // Only they can take it back.
    stage
        .inside
        .ok(json!({"type": "caption_me", "allowed": true}))
        .await;
    stage.listened_to().await;
    stage.say(MONDAY).await;
    assert_eq!(last_words(&mut stage.host).await["committed"], MONDAY.1);
    assert_eq!(stage.rows("allow_captions").await.len(), 1);
    // What was said stands in no log.
    let said = std::fs::read_to_string(&log).unwrap().to_lowercase();
    for words in ["nine minutes", "unmute your", "on monday"] {
        assert!(!said.contains(words), "`{words}` stands in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_and_who_was_removed_reads_nothing_and_nobody_captions_another() {
    let mut stage = Stage::set(with_model(None).await).await;
    let other = stage
        .server
        .member(&stage.owner, "beta@example.org", "Beta")
        .await;
    let late = stage
        .server
        .member(&stage.owner, "gamma@example.org", "Gamma")
        .await;
    let (mut reader, view) = stage
        .server
        .admit(&mut stage.host, &other, &stage.room)
        .await;
    let reader_id = text(&view["room"], "you");
    reader
        .ok(json!({"type": "captions", "language": "en"}))
        .await;
    let mut waiting = stage.server.join(&late, &stage.room).await;
    waiting.next("waiting").await;
    stage.listened_to().await;
    stage.say(NINE).await;
    assert_eq!(last_words(&mut reader).await["committed"], NINE.1);
    assert!(waiting.silent(Duration::from_millis(100)).await);

    let remove = json!({"type": "remove", "participant": reader_id});
    stage.host.ok(remove).await;
    stage.say(THREE).await;
    assert_eq!(reader.closed().await, "removed");
    let cues = |frame: &&String| frame.contains("\"type\":\"cue\"");
    let after = reader
        .frames
        .iter()
        .filter(cues)
        .filter(|cue| cue.contains("three"));
    assert_eq!(after.count(), 0, "who was removed reads on");
    assert!(waiting.silent(Duration::from_millis(100)).await);
    assert!(
        !waiting
            .frames
            .iter()
            .any(|frame| frame.contains("\"cue\"") || frame.contains("captions"))
    );

    // X01: a participant has no way to make a caption, of their own words or of another's.
    let forged = json!({"type": "cue", "cue": 1, "speaker": stage.id, "committed": "forged"});
    stage.inside.send(forged).await;
    assert_eq!(stage.inside.closed().await, "bad_message");
    let read = reads(&mut stage.host, Duration::from_secs(1)).await;
    assert!(read.iter().all(|cue| !cue.to_string().contains("forged")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_captions_are_unavailable_and_nothing_else_suffers() {
    let server = Server::start().await;
    let mut stage = Stage::set(server).await;
    let told = stage.host.event("captions").await;
    assert_eq!(
        (&told["state"], &told["running"]),
        (&json!("unavailable"), &json!(false))
    );
    assert!(told["trouble"].is_string(), "{told}");
    let told = stage.inside.event("captions").await;
    assert_eq!(told["state"], "unavailable");
    assert_eq!(told.get("trouble"), None, "only hosts are told why");
    for language in ["", "english", "en_US", "../x"] {
        let choice = json!({"type": "captions", "language": language});
        assert_eq!(
            stage.inside.refused(choice).await,
            "invalid_value",
            "{language}"
        );
    }
    stage
        .inside
        .ok(json!({"type": "captions", "language": "es", "original": true}))
        .await;
    let denied = json!({"type": "set_setting", "key": "captions", "value": "off"});
    assert_eq!(stage.inside.refused(denied).await, "not_allowed");
    turn(&mut stage.host, "captions", "off").await;
    assert_eq!(stage.inside.event("captions").await["state"], "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_kept_only_where_a_host_wants_it_and_goes_with_the_session() {
    let mut stage = Stage::set(with_model(None).await).await;
    let list = format!("/api/rooms/{}/transcripts", stage.room.id);
    let token = stage.owner.token.clone();
    stage.listened_to().await;
    stage.say(THREE).await;
    last_words(&mut stage.host).await;
    let listed = stage
        .server
        .get(Method::GET, &list, Some(&token), None)
        .await;
    assert_eq!(listed["transcripts"], json!([]), "nothing is kept unasked");

    turn(&mut stage.host, "transcript", "on").await;
    loop {
        if stage.inside.event("captions").await["transcript"] == true {
            break;
        }
    }
    stage.say(NINE).await;
    last_words(&mut stage.host).await;
    let listed = stage
        .server
        .get(Method::GET, &list, Some(&token), None)
        .await;
    let transcript = listed["transcripts"][0].clone();
    assert_eq!(
        (&transcript["cues"], &transcript["ended"]),
        (&json!(1), &Value::Null)
    );
    let file = format!("{list}/{}/original", text(&transcript, "id"));
    for (ending, kind) in [
        ("vtt", "text/vtt"),
        ("srt", "application/x-subrip"),
        ("txt", "text/plain"),
        ("json", "application/json"),
    ] {
        let path = format!("{file}.{ending}");
        let answer = stage
            .server
            .call(Method::GET, &path, Some(&token), None)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{ending}");
        let said = String::from_utf8(answer.bytes).unwrap().replace('\n', " ");
        assert!(
            said.contains("Alpha") && said.contains("nine minutes"),
            "{said}"
        );
        assert!(!said.contains("three"), "what was said before is not in it");
        assert!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind)
        );
        assert!(
            answer.headers["content-disposition"]
                .to_str()
                .unwrap()
                .starts_with("attachment")
        );
    }
    assert_eq!(stage.rows("read_transcript").await.len(), 4);
    let other = stage
        .server
        .member(&stage.owner, "beta@example.org", "Beta")
        .await;
    for path in [list.clone(), format!("{file}.vtt")] {
        let answer = stage
            .server
            .call(Method::GET, &path, Some(&other.token), None)
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    // Sealed where it lies, and gone with the session.
    let folder = stage.server.data.path().to_owned();
    assert!(!lies_in(&folder, "nine minutes"), "not sealed");
    stage.host.send(json!({"type": "end"})).await;
    stage.host.closed().await;
    let until = now() + Duration::from_secs(10);
    loop {
        let listed = stage
            .server
            .get(Method::GET, &list, Some(&token), None)
            .await;
        if listed["transcripts"] == json!([]) {
            break;
        }
        assert!(now() < until, "the transcript outlives its session");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether these bytes are in a file of the folder.
fn lies_in(folder: &Path, words: &str) -> bool {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes
            .windows(words.len())
            .any(|window| window == words.as_bytes())
    })
}

/// The running workers of a server.
fn workers(server: &Server) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|pids| {
            pids.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<u32>>()
        })
        .filter(|pid| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains("recogniser")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_back_within_two_seconds_and_nothing_that_stood_is_lost_or_comes_twice()
 {
    let rounds: usize = std::env::var("CAPTION_KILLS").map_or(3, |count| count.parse().unwrap());
    let mut stage = Stage::set(with_model(None).await).await;
    // Somebody who only listens: the meeting itself.
    let ear = Ear::open(connect(&mut stage.host).await);
    stage.listened_to().await;
    let mouth = Mouth::open(stage.media.take().unwrap());
    let mut cues: BTreeMap<u64, Value> = BTreeMap::new();
    let mut worst = Duration::ZERO;
    let mut dice = 0x9e37_79b9_u64;
    for _ in 0..rounds {
        let speaking = mouth.say(speech(NINE));
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(300 + (dice >> 33) % 3000)).await;
        let pids = workers(&stage.server);
        assert_eq!(pids.len(), 1);
        let killed = now();
        let kill = std::process::Command::new("kill")
            .args(["-9", &pids[0].to_string()])
            .status();
        assert!(kill.unwrap().success());
        // Somebody is listened to again: by another process.
        loop {
            if stage.inside.event("captions").await["running"] == true {
                break;
            }
        }
        worst = worst.max(now().duration_since(killed));
        let after = workers(&stage.server);
        assert!(after.len() == 1 && after != pids);
        speaking.await.unwrap();
        // What is said now is captioned as ever.
        mouth.say(speech(THREE)).await.unwrap();
        let until = now() + SAID;
        loop {
            let cue = tokio::time::timeout(SAID, stage.host.next("cue"))
                .await
                .expect("no cue")["cue"]
                .clone();
            let number = cue["cue"].as_u64().unwrap();
            if let Some(before) = cues.get(&number) {
                let (old, new) = (text(before, "committed"), text(&cue, "committed"));
                assert!(new.starts_with(&old), "`{old}` was taken back for `{new}`");
                assert_ne!(
                    before["final"], true,
                    "something followed the last of a cue"
                );
            }
            let over = cue["final"] == true && cue["committed"] == THREE.1;
            cues.insert(number, cue);
            if over {
                break;
            }
            assert!(now() < until);
        }
    }
    let finals = cues.values().filter(|cue| cue["final"] == true);
    let threes = finals.filter(|cue| cue["committed"] == THREE.1).count();
    assert_eq!(threes, rounds, "each once");
    assert!(
        cues.values().all(|cue| cue["final"] == true),
        "a cue was left open"
    );
    println!(
        "figure captions.back_after_kill {:.3} s",
        worst.as_secs_f64()
    );
    assert!(worst <= Duration::from_secs(2), "{worst:?}");
    // The meeting did not notice: whoever listens got every packet of who spoke, all the time.
    let sent = mouth.close();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (came, lost, pause) = ear.close();
    println!("figure captions.kill_media_came {came} packets");
    println!("figure captions.kill_media_lost {lost} packets");
    println!(
        "figure captions.kill_media_pause {:.0} ms",
        pause.as_secs_f64() * 1000.0
    );
    assert!(
        came > 0 && lost == 0,
        "{came} of {sent} came, {lost} between them did not"
    );
    // Before its first packet there is nobody to forward from.
    assert!(sent - came < 100, "{came} of {sent}");
    stage
        .inside
        .ok(json!({"type": "raise_hand", "raised": true}))
        .await;
}
