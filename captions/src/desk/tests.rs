//! The desk without a recogniser: opening, ending, cutting, and what happens to passes that come back late.

use super::*;
use crate::wire::Codec;

const LIMITS: Limits = Limits {
    window_ms: 9_000,
    long_ms: 6_000,
    prompts: true,
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
