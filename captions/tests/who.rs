//! A second recogniser judges: pocketsphinx, with a closed grammar, hears in the sound of each cue's speaker and time the
//! very sentence that the cue says. It knows nothing of whisper.cpp, of our decoder or of the desk.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use conclave_captions::wire::{Closing, FromRecogniser, ToRecogniser, Track};
use support::stage::Stage;
use support::{fixtures, meeting_model, track};

/// What pocketsphinx hears, of these sentences or nothing.
fn judge(sound: &[i16], sentences: &[String], name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let grammar = folder.join(format!("{name}.jsgf"));
    let mut rules = String::from("#JSGF V1.0;\ngrammar meeting;\npublic <said> =");
    for (at, sentence) in sentences.iter().enumerate() {
        let bar = if at == 0 { "" } else { " |" };
        // Its dictionary lacks one of the words.
        let sentence = sentence.replace("unmute", "un mute");
        write!(rules, "{bar} {sentence}").unwrap();
    }
    rules.push_str(";\n");
    std::fs::write(&grammar, rules).unwrap();
    let file = folder.join(format!("{name}.wav"));
    let bytes: Vec<u8> = sound
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let length = u32::try_from(bytes.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend_from_slice(&(length + 36).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    wav.extend_from_slice(&length.to_le_bytes());
    wav.extend_from_slice(&bytes);
    std::fs::write(&file, wav).unwrap();
    let heard = Command::new("pocketsphinx_continuous")
        .arg("-infile")
        .arg(&file)
        .arg("-jsgf")
        .arg(&grammar)
        // With few sentences it can afford to give none of them up early.
        .args(["-beam", "1e-80", "-wbeam", "1e-60", "-pbeam", "1e-80"])
        .args(["-logfn", "/dev/null"])
        .output()
        .unwrap();
    let heard = String::from_utf8(heard.stdout).unwrap();
    let heard: Vec<_> = heard.split_whitespace().collect();
    heard.join(" ").replace("un mute", "unmute")
}

#[test]
fn each_cue_is_what_its_speaker_said_at_its_time() {
    let fixtures: Vec<_> = fixtures().into_iter().take(10).collect();
    let sentences: Vec<_> = fixtures.iter().map(|(_, words)| words.clone()).collect();
    // Two speakers, five sentences each, over each other: the second begins while the first still speaks.
    let speaker = |which: usize| {
        let mut sound = vec![0; which * 16_000];
        for (part, _) in fixtures.iter().skip(which).step_by(2) {
            sound.extend_from_slice(part);
            sound.extend(std::iter::repeat_n(0, 12_000));
        }
        sound
    };
    let sounds = [speaker(0), speaker(1)];
    let mut messages = Vec::new();
    for (id, sound) in sounds.iter().enumerate() {
        let of = track(id as u64, sound, 0);
        let close = ToRecogniser::Close {
            track: Track(id as u64),
            why: Closing::Ended,
        };
        messages.push((of.last().unwrap().0, close));
        messages.extend(of);
    }
    let said = Stage::new(&meeting_model(), 1000).play(messages, |_| 60);
    let mut judged = 0;
    for (_, message) in said {
        let FromRecogniser::Cue {
            track,
            cue,
            t0_ms,
            t1_ms,
            committed,
            finished: true,
            ..
        } = message
        else {
            continue;
        };
        let sound = &sounds[usize::try_from(track.0).unwrap()];
        let place = |ms: i64| usize::try_from(ms.max(0) * 16).unwrap().min(sound.len());
        let part = &sound[place(t0_ms - 350)..place(t1_ms + 350)];
        let heard = judge(part, &sentences, &format!("who-{}-{cue}", track.0));
        assert_eq!(
            heard, committed,
            "track {} at {t0_ms} to {t1_ms} ms",
            track.0
        );
        let own = sentences
            .iter()
            .position(|sentence| *sentence == heard)
            .unwrap();
        assert_eq!(own as u64 % 2, track.0);
        judged += 1;
    }
    assert_eq!(judged, 10);
}
