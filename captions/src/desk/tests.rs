//! The desk without a recogniser: opening, ending, cutting, and what happens to passes that come back late.

use super::*;
use crate::wire::Codec;

const LIMITS: Limits = Limits {
    window_ms: 9_000,
    long_ms: 6_000,
    prompts: true,
    english: true,
};

fn open(track: u64) -> ToRecogniser {
    ToRecogniser::Open {
        track: Track(track),
        codec: Codec::Pcmu,
        language: Some("en".into()),
        hints: vec![],
    }
}

fn close(track: u64, why: Closing) -> ToRecogniser {
    let track = Track(track);
    ToRecogniser::Close { track, why }
}

#[test]
fn every_close_is_answered_once_and_an_unknown_track_too() {
    let mut desk = Desk::new(LIMITS, None, 1000, 1);
    let mut out = Vec::new();
    desk.handle(open(1), 0, &mut out);
    desk.handle(open(2), 0, &mut out);
    desk.handle(close(1, Closing::Cut), 0, &mut out);
    desk.handle(close(2, Closing::Ended), 0, &mut out);
    assert!(desk.next(10, &mut out).is_none());
    desk.handle(close(9, Closing::Ended), 20, &mut out);
    let closed = |track| FromRecogniser::Closed {
        track: Track(track),
    };
    assert!(out == [closed(1), closed(2), closed(9)]);
}

#[test]
fn more_tracks_than_there_may_be_are_closed_at_once() {
    let mut desk = Desk::new(LIMITS, None, 1000, 1);
    let mut out = Vec::new();
    for track in 0..MOST_TALKERS as u64 + 1 {
        desk.handle(open(track), 0, &mut out);
    }
    let track = Track(MOST_TALKERS as u64);
    assert!(out == [FromRecogniser::Closed { track }]);
}

#[test]
fn a_ping_is_answered_with_its_number() {
    let mut out = Vec::new();
    Desk::new(LIMITS, None, 1000, 1).handle(ToRecogniser::Ping { nonce: 4 }, 0, &mut out);
    assert!(out == [FromRecogniser::Pong { nonce: 4 }]);
}

/// Packets of 20 ms in G.711 of a sentence, said again and again.
fn speech() -> Vec<Vec<u8>> {
    let bytes = include_bytes!("../../testdata/fixtures/00-en-us.wav");
    let (pairs, _) = bytes[44..].as_chunks::<2>();
    let samples = pairs
        .iter()
        .step_by(2)
        .map(|pair| i16::from_le_bytes(*pair));
    let coded: Vec<u8> = samples.map(coded).collect();
    coded.chunks_exact(160).map(<[u8]>::to_vec).collect()
}

/// µ-law, by looking for what decodes to the nearest.
fn coded(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() + 132).min(32_635);
    let exponent = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0xf;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | u8::try_from(exponent << 4).unwrap() | u8::try_from(mantissa).unwrap())
}

fn packet(track: u64, sequence: u64, speech: &[Vec<u8>]) -> ToRecogniser {
    let at = usize::try_from(sequence).unwrap();
    ToRecogniser::Audio {
        track: Track(track),
        sequence,
        timestamp: u32::try_from(sequence).unwrap() * 160,
        at_ms: i64::try_from(sequence).unwrap() * 20,
        payload: speech[at % speech.len()].clone(),
    }
}

/// For 40 s of the machine's time `loud` tracks send `times` as much sound as anyone can say and track 0 what it says.
/// Every pass takes 300 ms. Returns how long finished phrases of track 0 waited at most, the passes over the others, and
/// whether the server was told that captions are delayed.
fn among(loud: u64, times: u64) -> (i64, usize, bool) {
    let speech = speech();
    let mut desk = Desk::new(LIMITS, None, 1000, 1);
    let mut out = Vec::new();
    for track in 0..=loud {
        desk.handle(open(track), 0, &mut out);
    }
    let (mut running, mut worst, mut others) = (None::<(Pass, i64)>, 0, 0);
    for step in 0..2000_u64 {
        let now = i64::try_from(step).unwrap() * 20;
        desk.handle(packet(0, step, &speech), now, &mut out);
        for track in 1..=loud {
            for sequence in step * times..(step + 1) * times {
                desk.handle(packet(track, sequence, &speech), now, &mut out);
            }
        }
        if let Some((pass, _)) = running.take_if(|(_, until)| *until <= now) {
            desk.done(&pass, None, &mut out);
        }
        if running.is_none() {
            running = desk.next(now, &mut out).map(|pass| (pass, now + 300));
            match &running {
                Some((pass, _)) if pass.track == Track(0) && pass.last => {
                    worst = worst.max(now - pass.sound.end_ms());
                }
                Some((pass, _)) if pass.track != Track(0) => others += 1,
                _ => {}
            }
        }
    }
    let delayed =
        |told: &FromRecogniser| matches!(told, FromRecogniser::Load { delayed: true, .. });
    (worst, others, out.iter().any(delayed))
}

#[test]
fn one_who_sends_more_sound_than_anyone_can_say_takes_no_time_from_the_others() {
    let (alone, none, delayed) = among(0, 0);
    assert!(alone < 400 && none == 0 && !delayed, "{alone}");
    let (beside, others, delayed) = among(1, 20);
    assert!(beside < 1000, "{beside} ms");
    // Sound for some 44 s and what is let through in advance.
    assert!((5..60).contains(&others), "{others}");
    assert!(delayed, "sound was dropped and nobody told");
}

#[test]
fn of_too_many_speakers_each_has_their_turn() {
    let (beside, others, _) = among(8, 1);
    assert!(beside < 12_000, "{beside} ms");
    assert!(others > 50, "{others}");
}
