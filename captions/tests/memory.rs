//! Memory over a long time of speech, in a process of its own: nothing else in it allocates.
#![expect(clippy::print_stdout, reason = "a test prints its figures")]

mod support;

use conclave_captions::wire::{Closing, ToRecogniser, Track};
use support::stage::Stage;
use support::{Reader, fixtures, meeting_model, resident, track};

/// Growth that is no leak: pieces of memory that lie otherwise than at the quarter.
const MOST_GROWTH: u64 = 4 << 20;

/// Two minutes of speech, or as many as `STORY_SPEECH_MINUTES` says, of speakers who come and go every half a minute: what
/// is held after a quarter of the time is enough for the rest.
#[test]
fn memory_is_flat_however_long_people_speak() {
    let minutes = std::env::var("STORY_SPEECH_MINUTES");
    let minutes: i64 = minutes.map_or(2, |minutes| minutes.parse().unwrap());
    let mut stage = Stage::new(&meeting_model(), 1000);
    let mut sound = Vec::new();
    let (mut words, mut said) = (0, 0);
    for (part, reference) in fixtures().iter().take(10) {
        sound.extend_from_slice(part);
        sound.extend([0; 8_000]);
        words += reference.split(' ').count();
    }
    let (mut id, mut early, mut spoken) = (0, None, 0);
    while stage.now < minutes * 60_000 {
        let mut messages = track(id, &sound, 0);
        let at = messages.last().unwrap().0;
        let (track, why) = (Track(id), Closing::Ended);
        messages.push((at, ToRecogniser::Close { track, why }));
        let cues = stage.play(messages, |_| 60);
        said += Reader::all(&cues).words(id).split(' ').count();
        spoken += words;
        id += 1;
        if early.is_none() && stage.now > minutes * 15_000 {
            early = Some(resident());
        }
    }
    let (early, late) = (early.unwrap(), resident());
    println!("# {id} speakers, {said} of {spoken} words in {minutes} min");
    println!("figure captions.memory.quarter {} KiB", early / 1024);
    println!("figure captions.memory.end {} KiB", late / 1024);
    println!(
        "figure captions.memory_growth {} KiB",
        late.saturating_sub(early) / 1024
    );
    assert!(said * 10 >= spoken * 9, "it stopped listening");
    assert!(late < early + MOST_GROWTH);
}
