//! What hosts chose of a room's speech, told to workers that say what they were told: this very test in the place of both. Their
//! words reach the recogniser, their languages bound what is translated, and the recogniser's own English is read where nothing
//! else makes any.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use conclave_captions::wire::{
    Frames, FromRecogniser, FromTranslator, Message, ToRecogniser, ToTranslator, Track, VERSION,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::common::server::{Answer, Server};
use super::{NINE, SAID, Stage, lies_in, now, reads, speech, testdata, with};

/// Packets between two captions of a worker that says what it was told.
const EACH: u64 = 30;

async fn with_told(folder: &Path) -> Server {
    let own = std::env::current_exe().unwrap();
    let worker = folder.join("worker");
    let script = format!(
        "#!/bin/sh\nexec 3>&1 >/dev/null\nTOLD=$1 exec '{}' --exact told::a_worker_that_says_what_it_was_told --nocapture\n",
        own.display()
    );
    std::fs::write(&worker, script).unwrap();
    std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
    let model = testdata("meeting-tiny-q5_0.bin");
    Server::start_set(&[
        ("CONCLAVE_CAPTIONS__WORKER", worker.to_str().unwrap()),
        ("CONCLAVE_CAPTIONS__MODEL", model.to_str().unwrap()),
        ("CONCLAVE_CAPTIONS__TRANSLATOR", "apertium"),
        ("CONCLAVE_CAPTIONS__LANGUAGE", "it"),
        ("CONCLAVE_CAPTIONS__HINTS", "true"),
    ])
    .await
}

/// No test, but both workers: it does nothing unless it is started as one.
#[test]
fn a_worker_that_says_what_it_was_told() {
    let Ok(kind) = std::env::var("TOLD") else {
        return;
    };
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/fd/3")
        .unwrap();
    let (mut frames, mut piece) = (Frames::default(), vec![0; 4096]);
    let mut tracks = HashMap::new();
    loop {
        if kind == "translator" {
            while let Some(message) = frames.take::<ToTranslator>().unwrap() {
                if let Some(answer) = translate(message) {
                    out.write_all(&answer.encode().unwrap()).unwrap();
                }
            }
        } else {
            while let Some(message) = frames.take::<ToRecogniser>().unwrap() {
                for answer in recognise(message, &mut tracks) {
                    out.write_all(&answer.encode().unwrap()).unwrap();
                }
            }
        }
        let count = std::io::stdin().read(&mut piece).unwrap();
        if count == 0 {
            return;
        }
        frames.push(&piece[..count]);
    }
}

fn translate(message: ToTranslator) -> Option<FromTranslator> {
    let pair = |into: &str| ("it".to_owned(), into.to_owned());
    Some(match message {
        ToTranslator::Hello { .. } => FromTranslator::Ready {
            version: VERSION,
            engine: "forged".into(),
            pairs: vec![pair("es"), pair("ca"), pair("de")],
        },
        ToTranslator::Translate {
            id, target, texts, ..
        } => FromTranslator::Translated {
            id,
            texts: texts
                .into_iter()
                .map(|text| Some(format!("{target}: {text}")))
                .collect(),
        },
        ToTranslator::Ping { nonce } => FromTranslator::Pong { nonce },
    })
}

/// What it was told of a track, whether it is wanted in English, and the packets that came.
type Heard = (String, Vec<String>, bool, u64);

fn recognise(message: ToRecogniser, tracks: &mut HashMap<Track, Heard>) -> Vec<FromRecogniser> {
    match message {
        ToRecogniser::Hello { .. } => vec![FromRecogniser::Ready {
            version: VERSION,
            model: "forged".into(),
            languages: vec!["en".into(), "fr".into(), "it".into()],
            multilingual: true,
        }],
        ToRecogniser::Ping { nonce } => vec![FromRecogniser::Pong { nonce }],
        ToRecogniser::Open {
            track,
            language,
            hints,
            ..
        } => {
            let language = language.unwrap_or_else(|| "none".into());
            tracks.insert(track, (language, hints, false, 0));
            Vec::new()
        }
        ToRecogniser::English { track, wanted } => {
            if let Some(heard) = tracks.get_mut(&track) {
                heard.2 = wanted;
            }
            Vec::new()
        }
        ToRecogniser::Close { track, .. } => {
            tracks.remove(&track);
            vec![FromRecogniser::Closed { track }]
        }
        ToRecogniser::Audio { track, at_ms, .. } => {
            let Some((language, hints, english, count)) = tracks.get_mut(&track) else {
                return Vec::new();
            };
            *count += 1;
            if *count % EACH != 0 {
                return Vec::new();
            }
            let cue = *count / EACH;
            let mut said = vec![FromRecogniser::Cue {
                track,
                cue,
                revision: 1,
                language: language.clone(),
                t0_ms: at_ms,
                t1_ms: at_ms + 10,
                committed: format!("{language} with {}.", hints.join(", ")),
                tentative: String::new(),
                finished: true,
            }];
            if *english {
                said.push(FromRecogniser::English {
                    track,
                    cue,
                    text: Some(format!("English of {language}.")),
                });
            }
            said
        }
    }
}

/// A second of sound.
async fn murmur(stage: &mut Stage) {
    let media = stage.media.take().unwrap();
    let (media, ()) = with(media, |media| {
        let start = now();
        for (number, packet) in speech(NINE).into_iter().take(70).enumerate() {
            let sending =
                media
                    .client
                    .next(conclave_policy::source::Source::Microphone, packet, 960);
            media.client.send(&sending);
            let until = start + Duration::from_millis(20) * u32::try_from(number + 1).unwrap();
            media.pump(until.saturating_duration_since(now()));
        }
    })
    .await;
    stage.media = Some(media);
}

/// What a host reads while somebody murmurs.
async fn read_while_murmured(stage: &mut Stage) -> Vec<Value> {
    murmur(stage).await;
    reads(&mut stage.host, Duration::from_millis(700)).await
}

/// Somebody murmurs until the host reads this.
async fn until_read(stage: &mut Stage, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = now() + SAID;
    loop {
        let read = read_while_murmured(stage).await;
        if let Some(cue) = read.iter().find(|cue| wanted(cue)) {
            return cue.clone();
        }
        assert!(now() < until, "{read:?}");
    }
}

impl Stage {
    async fn choose(&self, body: Value) -> Answer {
        let path = format!("/api/rooms/{}/speech", self.room.id);
        let token = Some(self.owner.token.as_str());
        self.server
            .call(Method::PUT, &path, token, Some(body))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_language_of_a_room_reach_the_recogniser_also_in_the_middle_of_a_meeting() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(with_told(folder.path()).await).await;
    stage.listened_to().await;
    // Without a choice: the operator's language, and the names.
    let cue = until_read(&mut stage, |_| true).await;
    let said = cue["committed"].as_str().unwrap().to_owned();
    assert!(
        said.starts_with("it with ") && said.contains("Alpha"),
        "{said}"
    );

    let path = format!("/api/rooms/{}/speech", stage.room.id);
    let token = stage.owner.token.clone();
    let call = async |method: Method, token: &str, body: Option<Value>| {
        let server = &stage.server;
        server.call(method, &path, Some(token), body).await
    };
    let first = call(Method::GET, &token, None).await;
    let nothing = json!({"languages": null, "spoken": null, "words": [], "revision": 0});
    assert_eq!(first.body, nothing);
    let wanted =
        json!({"languages": null, "spoken": "fr", "words": ["Heron", "Łukasz"], "revision": 0});
    let member = stage
        .server
        .member(&stage.owner, "beta@example.org", "Beta")
        .await;
    for (method, body) in [(Method::GET, None), (Method::PUT, Some(wanted.clone()))] {
        let answer = call(method, &member.token, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let many: Vec<String> = (0..33).map(|number| format!("w{number}")).collect();
    let codes: Vec<String> = (0..17_u8)
        .map(|at| format!("a{}", char::from(b'a' + at)))
        .collect();
    for (key, value) in [
        ("words", json!(many)),
        ("words", json!(["a\u{202e}b"])),
        ("words", json!(["x".repeat(65)])),
        ("spoken", json!("french")),
        ("languages", json!(["../es"])),
        ("languages", json!(codes)),
    ] {
        let mut body = wanted.clone();
        body[key] = value;
        let answer = call(Method::PUT, &token, Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "invalid_value"),
            "{key}"
        );
    }
    let mut late = wanted.clone();
    late["revision"] = json!(3);
    let answer = call(Method::PUT, &token, Some(late)).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "stale"));
    let answer = call(Method::PUT, &token, Some(wanted)).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["revision"]),
        (200, &json!(1))
    );

    // Whoever is listened to is listened to anew, in the middle of what they say.
    let cue = until_read(&mut stage, |cue| cue["language"] == "fr").await;
    let said = cue["committed"].as_str().unwrap().to_owned();
    assert!(
        said.starts_with("fr with Heron, Łukasz, ") && said.contains("Alpha"),
        "{said}"
    );
    assert_eq!(cue["name"], "Alpha");
    let permitted = |row: &&Value| row["verdict"] == "permitted";
    let rows = stage.rows("change_speech").await;
    // What was stale was permitted too; refusals of others are counted by the minute.
    assert_eq!(rows.iter().filter(permitted).count(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| !row.to_string().contains("Heron")));
    assert!(!lies_in(stage.server.data.path(), "Heron"), "not sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_translated_into_the_languages_that_its_hosts_allow_and_into_english_by_the_recogniser()
 {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(with_told(folder.path()).await).await;
    let choose = |language: &str| json!({"type": "captions", "language": language});
    let told = async |stage: &mut Stage, wanted: &[&str]| loop {
        let told = stage.host.event("captions").await;
        if told["languages"] == json!(wanted) {
            return told;
        }
    };
    let all = told(&mut stage, &["ca", "de", "en", "es"]).await;
    assert_eq!(all["engine"], "forged, whisper");
    stage.listened_to().await;
    stage.host.ok(choose("es")).await;
    let cue = until_read(&mut stage, |cue| cue["language"] == "es").await;
    assert_eq!(
        (&cue["engine"], &cue["original"]),
        (&json!("forged"), &json!(false))
    );

    // Not any more, from one moment to the next: what was spoken is read instead.
    let body = json!({"languages": ["ca"], "spoken": null, "words": [], "revision": 0});
    assert_eq!(stage.choose(body).await.status, StatusCode::OK);
    told(&mut stage, &["ca"]).await;
    stage.host.hush(Duration::from_millis(100)).await;
    let read = read_while_murmured(&mut stage).await;
    assert!(!read.is_empty());
    let original = |cue: &Value| cue["original"] == true && cue["language"] == "it";
    assert!(read.iter().all(original), "{read:?}");
    // Who asks for such a language reads the same and takes nobody's place; nor does the recogniser say it in English.
    for code in ["es", "de", "pt", "fr", "nl", "en"] {
        stage.host.ok(choose(code)).await;
    }
    let read = read_while_murmured(&mut stage).await;
    assert!(!read.is_empty() && read.iter().all(original), "{read:?}");
    stage.host.ok(choose("ca")).await;
    until_read(&mut stage, |cue| cue["language"] == "ca").await;

    // English is nobody's but the recogniser's here.
    let body = json!({"languages": ["ca", "en"], "spoken": null, "words": [], "revision": 1});
    assert_eq!(stage.choose(body).await.status, StatusCode::OK);
    told(&mut stage, &["ca", "en"]).await;
    stage.host.ok(choose("en")).await;
    let cue = until_read(&mut stage, |cue| cue["language"] == "en").await;
    assert_eq!(cue["committed"], "English of it.");
    assert_eq!(
        (&cue["engine"], &cue["original"]),
        (&json!("whisper"), &json!(false))
    );
    assert_eq!(
        (&cue["final"], &cue["name"]),
        (&json!(true), &json!("Alpha"))
    );
}
