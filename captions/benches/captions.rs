//! What captions cost and how late they are. Cost: CPU time of everything from Opus packets to cues with random weights
//! of real shapes, beside the bare passes of whisper.cpp over the same windows. Latency: the words of the meeting model in
//! simulated time, each pass as long as its own CPU time and that of a random tiny model over the same sound.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use conclave_captions::recognise::abort::Abort;
use conclave_captions::recognise::whisper::{Model, Whisper};
use support::random::{BASE, Shape, TINY};
use support::stage::Stage;
use support::{Reader, cpu_ms, fixtures, meeting_model, random, track};

/// Tokens of a pass over some eight seconds of speech.
const TOKENS: i32 = 25;
/// Part of a core that passes may take.
const USE: f64 = 0.8;

fn main() {
    for shape in [TINY, BASE] {
        for (name, step_ms) in [("partial_1s", 1000), ("partial_2s", 2000), ("finals", 0)] {
            cost(shape, name, step_ms);
        }
    }
    latency();
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
    // Once before, so that neither pays for what is made once.
    stage.whisper.bare(&[0.01; 32_000], true).unwrap();
    let mut windows = Vec::new();
    let begun = cpu_ms();
    stage.play(messages, |pass| {
        windows.push((pass.sound.samples().to_vec(), pass.last));
        0
    });
    let whole = cpu_ms() - begun;
    let begun = cpu_ms();
    for (sound, last) in &windows {
        stage.whisper.bare(sound, *last).unwrap();
    }
    let bare = cpu_ms() - begun;
    let each = whole / seconds;
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
    for round in 0..3 {
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
    let mut stage = Stage::new(&meeting_model(), 700);
    stage.timed = true;
    let said = stage.play(track(1, &sound, 0), |pass| {
        let begun = cpu_ms();
        tiny.bare(pass.sound.samples(), pass.last).unwrap();
        (cpu_ms() - begun) as i64
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
    println!("{} of {} words came", late.len(), words.len());
    assert!(late.len() * 10 > words.len() * 9);
    println!("figure captions.latency.p50 {:.2} s", late[late.len() / 2]);
    println!(
        "figure captions.latency.p95 {:.2} s",
        late[late.len() * 95 / 100]
    );
}
