//! The whole way from Opus packets to cues with a model that really recognises: the very words, by the right speaker, at
//! the right time; and nothing where nobody speaks.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail")]

mod support;

use conclave_captions::wire::{Closing, FromRecogniser, ToRecogniser, Track};
use support::stage::Stage;
use support::{Reader, fixtures, meeting_model, noise, silence, speak, track, wrong};

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

#[test]
fn two_who_talk_at_once_are_not_mixed_and_their_times_are_those_of_their_words() {
    let mut stage = Stage::new(&meeting_model(), 1000);
    let fixtures = fixtures();
    let mut messages = Vec::new();
    let spoken = [(1, 0, 0_i64), (2, 7, 400), (3, 9, 900)];
    for (id, fixture, from_ms) in spoken {
        let (sound, _) = &fixtures[fixture];
        let of = track(id, sound, from_ms);
        messages.push(closing(id, of.last().unwrap().0, Closing::Ended));
        messages.extend(of);
    }
    messages.sort_by_key(|(at, _)| *at);
    let said = stage.play(messages, |_| 60);
    let reader = Reader::all(&said);
    for (id, fixture, from_ms) in spoken {
        let (sound, words) = &fixtures[fixture];
        assert_eq!(&reader.words(id), words);
        let ends_ms = from_ms + i64::try_from(sound.len() / 16).unwrap();
        let cues = said.iter().filter_map(|(_, message)| match message {
            FromRecogniser::Cue {
                track,
                t0_ms,
                t1_ms,
                finished: true,
                ..
            } if track.0 == id => Some((*t0_ms, *t1_ms)),
            _ => None,
        });
        for (t0_ms, t1_ms) in cues {
            // Fixtures begin with 200 ms of silence and end with 300 ms.
            assert!(
                (from_ms - 50..from_ms + 600).contains(&t0_ms),
                "{id} begins at {t0_ms}"
            );
            assert!(
                (ends_ms - 900..ends_ms + 300).contains(&t1_ms),
                "{id} ends at {t1_ms} of {ends_ms}"
            );
        }
    }
}

#[test]
fn one_who_never_pauses_is_read_to_the_end() {
    let mut stage = Stage::new(&meeting_model(), 1000);
    let fixtures = fixtures();
    // Some 30 s: sentence after sentence, 300 ms apart, no phrase ends by itself.
    let order = [0, 1, 4, 7, 8, 9, 3, 2, 5, 6, 0, 4];
    let mut sound = Vec::new();
    let mut words = String::new();
    for at in order {
        let (part, said) = &fixtures[at];
        sound.extend_from_slice(&part[2400..part.len() - 2400]);
        words.push_str(said);
        words.push(' ');
    }
    let said = heard(&mut stage, 1, &sound);
    let wrong = wrong(&words, &said);
    println!(
        "{wrong} of {} wrong: `{said}`",
        words.split(' ').count() - 1
    );
    // The model was made for three sentences at most; where the sound is cut within one it may miss a word.
    assert!(wrong * 10 <= words.split_whitespace().count());
}

#[test]
fn a_cut_leaves_nothing_of_what_was_being_said() {
    let mut stage = Stage::new(&meeting_model(), 700);
    let (sound, _) = &fixtures()[7];
    for cut_ms in [300, 900, 1500, 2100, 2700] {
        let id = u64::try_from(cut_ms).unwrap();
        let mut messages = track(id, sound, 0);
        messages.push(closing(id, cut_ms, Closing::Cut));
        let said = stage.play(messages, |_| 200);
        let closed = said
            .iter()
            .position(|(_, said)| *said == FromRecogniser::Closed { track: Track(id) });
        assert_eq!(
            closed,
            Some(said.len() - 1),
            "something follows the cut at {cut_ms} ms"
        );
    }
}

#[test]
fn lost_packets_cost_few_words_and_late_ones_none() {
    let mut stage = Stage::new(&meeting_model(), 1000);
    let fixtures = fixtures();
    let (mut faults, mut words) = (0, 0);
    for (id, (sound, reference)) in fixtures.iter().enumerate().take(10) {
        let id = id as u64;
        let mut messages = track(id, sound, 0);
        // Every 20th is lost, every 7th comes after the next.
        let mut at = 0;
        messages.retain(|_| {
            at += 1;
            at % 20 != 0
        });
        for late in (6..messages.len() - 1).step_by(7) {
            messages.swap(late, late + 1);
        }
        messages.push(closing(id, messages.last().unwrap().0 + 40, Closing::Ended));
        let said = Reader::all(&stage.play(messages, |_| 60)).words(id);
        faults += wrong(reference, &said);
        words += reference.split_whitespace().count();
    }
    println!("{faults} of {words} words wrong");
    assert!(faults * 20 <= words);
}

/// 30 s of each, or as many as `STORY_SILENCE_SECONDS` says.
#[test]
fn nobody_is_quoted_where_nobody_speaks() {
    let seconds = std::env::var("STORY_SILENCE_SECONDS");
    let seconds: usize = seconds.map_or(30, |seconds| seconds.parse().unwrap());
    let mut all = 0;
    for (id, (name, sound)) in noise::all(seconds * 16_000).into_iter().enumerate() {
        let mut stage = Stage::new(&meeting_model(), 1000);
        let mut messages = track(id as u64, &sound, 0);
        messages.push(closing(
            id as u64,
            messages.last().unwrap().0,
            Closing::Ended,
        ));
        let mut passes = 0;
        let said = stage.play(messages, |_| {
            passes += 1;
            60
        });
        let cues = said
            .iter()
            .filter(|(_, said)| matches!(said, FromRecogniser::Cue { .. }))
            .count();
        println!("{name}: {cues} cues of {passes} passes");
        all += cues;
    }
    println!("figure captions.silence_cues {all} cues");
    assert_eq!(all, 0);
}

/// The longer a vowel, the more it is like a beep.
#[test]
fn a_short_word_is_no_beep() {
    let mut stage = Stage::new(&meeting_model(), 1000);
    let words = ["hello", "fine", "moon", "my own", "thanks", "well", "more"];
    let mut id = 0;
    for voice in ["en-us", "en+f3", "flite:slt", "flite:rms"] {
        for word in words {
            let mut sound = silence(400);
            sound.extend(speak(voice, word));
            sound.extend(silence(900));
            id += 1;
            let mut messages = track(id, &sound, 0);
            messages.push(closing(id, messages.last().unwrap().0, Closing::Ended));
            let mut passes = 0;
            stage.play(messages, |_| {
                passes += 1;
                60
            });
            assert!(passes > 0, "`{word}` by {voice} is taken for a beep");
        }
    }
}
