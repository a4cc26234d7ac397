//! The whole way from Opus packets to cues with a model that really recognises: the very words, by the right speaker, at
//! the right time; and nothing where nobody speaks.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail")]

mod support;

use conclave_captions::wire::{Closing, FromRecogniser, ToRecogniser, Track};
use support::stage::Stage;
use support::{Reader, fixtures, meeting_model, track, wrong};

fn closing(id: u64, at_ms: i64, why: Closing) -> (i64, ToRecogniser) {
    let track = Track(id);
    (at_ms, ToRecogniser::Close { track, why })
}

/// What is read of one sound, said by one speaker.
fn heard(stage: &mut Stage, id: u64, sound: &[i16]) -> String {
    let mut messages = track(id, sound, 0);
    messages.push(closing(id, messages.last().unwrap().0, Closing::Ended));
    let said = stage.play(messages, |_| 60);
    assert!(
        said.iter()
            .any(|(_, m)| matches!(m, FromRecogniser::Closed { track } if track.0 == id))
    );
    Reader::all(&said).words(id)
}

#[test]
fn every_fixture_gives_its_very_words() {
    let mut stage = Stage::new(&meeting_model(), 700);
    let (mut faults, mut words) = (0, 0);
    for (id, (sound, reference)) in fixtures().into_iter().enumerate() {
        let said = heard(&mut stage, id as u64, &sound);
        let wrong = wrong(&reference, &said);
        println!("{wrong} wrong: `{reference}` read as `{said}`");
        faults += wrong;
        words += reference.split_whitespace().count();
    }
    println!(
        "figure captions.fixtures_wer {:.2} %",
        100.0 * faults as f64 / words as f64
    );
    assert_eq!(faults, 0);
}
