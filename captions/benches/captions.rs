//! What captions cost, how late they are, and what translating takes: `cargo bench … --bench captions [cost] [latency] [translate]`.
//! Cost: CPU time of everything from Opus packets to cues with random weights of real shapes, beside the bare passes of
//! whisper.cpp over the same windows. Latency: the words of the meeting model in simulated time, each pass as long as its own
//! CPU time and that of a random tiny model over the same sound. Translation: the worker with the Apertium that is installed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may fail, and measures time"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use conclave_captions::recognise::abort::Abort;
use conclave_captions::recognise::whisper::{Model, Whisper};
use conclave_captions::wire::{
    self, Engine, FromTranslator, Message as _, STEP_MS, ToTranslator, VERSION,
};
use support::random::{BASE, Shape, TINY};
use support::stage::Stage;
use support::{Reader, cpu_ms, fixtures, meeting_model, random, track};

/// Tokens of a pass over some eight seconds of speech.
const TOKENS: i32 = 25;
/// Part of a core that passes may take.
const USE: f64 = 0.8;
/// How often every sentence is spoken for the latency.
const ROUNDS: usize = 3;
/// Sentences to translate.
const SENTENCES: usize = 200;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("cost") {
        for shape in [TINY, BASE] {
            for (name, step_ms) in [("partial_1s", 1000), ("partial_2s", 2000), ("finals", 0)] {
                cost(shape, name, step_ms);
            }
        }
    }
    if wants("latency") {
        latency();
    }
    if wants("translate") {
        translate();
    }
}

/// Speech as in a meeting: phrases of some eight seconds. Returns it with its length in seconds.
fn speech() -> (Vec<i16>, f64) {
    let fixtures = fixtures();
    let mut sound = Vec::new();
    for at in [0, 1, 4, 7, 8, 9, 3, 0, 5] {
        let (part, _) = &fixtures[at];
        sound.extend_from_slice(&part[1600..part.len() - 3200]);
        // After every third a pause that ends the phrase.
        let pause = if at == 4 || at == 9 || at == 5 {
            12_000
        } else {
            3_200
        };
        sound.extend(std::iter::repeat_n(0_i16, pause));
    }
    let seconds = sound.len() as f64 / 16_000.0;
    (sound, seconds)
}

fn whisper(shape: Shape) -> Whisper {
    let model = Model::load(&random::model(shape)).unwrap();
    let whisper = model.recogniser(Abort::default()).unwrap();
    whisper.with_most_tokens(TOKENS)
}

fn cost(shape: Shape, name: &str, step_ms: u16) {
    let (sound, seconds) = speech();
    let messages = track(1, &sound, 0);
    let mut stage = Stage::new(&random::model(shape), step_ms);
    stage.whisper = whisper(shape);
    let mut alone = whisper(shape);
    // Once before, so that neither pays for what is made once.
    stage.whisper.bare(&[0.01; 32_000], true).unwrap();
    alone.bare(&[0.01; 32_000], true).unwrap();
    let (mut bare, mut passes) = (0.0, 0);
    let begun = cpu_ms();
    // Each bare pass right after the one that it is compared with: what else the machine does slows both.
    stage.play(messages, |pass| {
        let begun = cpu_ms();
        alone.bare(pass.sound.samples(), pass.last).unwrap();
        bare += cpu_ms() - begun;
        passes += 1;
        0
    });
    let whole = cpu_ms() - begun - bare;
    let each = whole / seconds;
    println!("# {passes} passes over {seconds:.1} s of speech");
    println!(
        "figure captions.{name}.{} {each:.1} ms ratio={:.3}",
        shape.name,
        whole / bare
    );
    println!(
        "figure captions.talkers.{name}.{} {:.1} talkers",
        shape.name,
        USE * 1000.0 / each
    );
}

fn latency() {
    let fixtures = fixtures();
    let mut tiny = whisper(TINY);
    let mut sound = Vec::new();
    // Every word with the time at which it ends: within a sentence in proportion to the letters.
    let mut words: Vec<(String, f64)> = Vec::new();
    for round in 0..ROUNDS {
        for (at, (part, said)) in fixtures.iter().enumerate().take(10) {
            let loud = |sample: &&i16| sample.unsigned_abs() > 300;
            let first = part.iter().position(|s| loud(&s)).unwrap();
            let last = part.iter().rposition(|s| loud(&s)).unwrap();
            let letters = said.len() as f64;
            let mut passed = 0.0;
            for word in said.split(' ') {
                passed += word.len() as f64;
                let within = (last - first) as f64 * passed / letters;
                let ends = (sound.len() + first) as f64 + within;
                words.push((word.to_owned(), ends / 16.0));
                passed += 1.0;
            }
            sound.extend_from_slice(part);
            // Now a breath, now a pause.
            sound.extend(std::iter::repeat_n(
                0,
                if (at + round) % 3 == 0 { 11_200 } else { 1_600 },
            ));
        }
    }
    let mut stage = Stage::new(&meeting_model(), STEP_MS);
    stage.timed = true;
    let (mut cost, mut passes) = (0.0, 0.0);
    let said = stage.play(track(1, &sound, 0), |pass| {
        let begun = cpu_ms();
        tiny.bare(pass.sound.samples(), pass.last).unwrap();
        let took = cpu_ms() - begun;
        (cost, passes) = (cost + took, passes + 1.0);
        took as i64
    });
    let reader = Reader::all(&said);
    let mut late = Vec::new();
    let mut next = 0;
    for (_, word, at_ms) in &reader.settled {
        // A word that was misheard has no end to count from.
        let near = words[next..]
            .iter()
            .take(4)
            .position(|(spoken, _)| spoken == word);
        if let Some(near) = near {
            late.push((*at_ms as f64 - words[next + near].1) / 1000.0);
            next += near + 1;
        }
    }
    late.sort_by(f64::total_cmp);
    println!(
        "# {} of {} words came; a step of {STEP_MS} ms, {:.0} ms of the random model a pass",
        late.len(),
        words.len(),
        cost / passes
    );
    assert!(late.len() * 10 > words.len() * 9);
    println!("figure captions.latency.p50 {:.2} s", share(&late, 50));
    println!("figure captions.latency.p95 {:.2} s", share(&late, 95));
}

/// The value below which so many of a hundred lie.
fn share(sorted: &[f64], of_hundred: usize) -> f64 {
    sorted[(sorted.len() * of_hundred / 100).min(sorted.len() - 1)]
}

/// Sentences one after another through a worker whose chain runs already, none of them twice.
fn translate() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conclave-captioner"))
        .arg("translator")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut ask = |message: &ToTranslator| -> FromTranslator {
        input.write_all(&message.encode().unwrap()).unwrap();
        wire::read(&mut output).unwrap().unwrap()
    };
    let hello = ToTranslator::Hello {
        version: VERSION,
        engine: Engine::Apertium,
    };
    match ask(&hello) {
        FromTranslator::Ready { .. } => {}
        other => panic!("not ready: {other:?}: is Apertium installed? `make setup` does it"),
    }
    let mut took = Vec::new();
    for id in 0..=SENTENCES {
        let text = sentence(id);
        let begun = Instant::now();
        let answer = ask(&ToTranslator::Translate {
            id: id as u64,
            source: "en".into(),
            target: "es".into(),
            texts: vec![text.clone()],
        });
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        match answer {
            FromTranslator::Translated { texts, .. } => {
                let said = texts[0].as_ref().unwrap();
                assert_ne!(said, &text, "not translated");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    // The first one starts the chain.
    let first = took.remove(0);
    let mean = took.iter().sum::<f64>() / took.len() as f64;
    took.sort_by(f64::total_cmp);
    println!(
        "# {SENTENCES} sentences after a first one of {first:.0} ms: mean {mean:.2} ms, p95 {:.2} ms",
        share(&took, 95)
    );
    println!(
        "figure captions.translate.eng_spa {:.2} ms",
        share(&took, 50)
    );
}

/// A sentence as it is said in a meeting, another for every number.
fn sentence(number: usize) -> String {
    let who = [
        "the security team",
        "our customer",
        "the new office",
        "everyone",
    ][number % 4];
    let what = [
        "will present the budget",
        "has not sent the report",
        "wants to talk about the delay",
        "can hear the other people",
        "has seen the last version of the plan",
    ][number / 4 % 5];
    let when = [
        "on monday",
        "before june",
        "in the morning",
        "after lunch",
        "next week",
        "at five",
        "today",
        "this year",
        "again",
        "soon",
        "now",
    ][number / 20 % 11];
    format!("{who} {what} {when}")
}
