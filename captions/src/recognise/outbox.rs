//! What waits to be written to the server, bounded. What a cut takes back leaves it before it is written.

use std::collections::VecDeque;

use crate::wire::{FromRecogniser, Message as _, Track, WireError};

/// Frames that wait. A server that leaves so many unread has stopped.
const MOST: usize = 8192;

/// Frames in order.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<(Option<Track>, Vec<u8>)>,
    full: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, message: &FromRecogniser) -> Result<(), WireError> {
        let track = match message {
            FromRecogniser::Cue { track, .. } | FromRecogniser::English { track, .. } => {
                Some(*track)
            }
            _ => None,
        };
        if self.frames.len() >= MOST {
            self.full = true;
            return Ok(());
        }
        self.frames.push_back((track, message.encode()?));
        Ok(())
    }

    /// Nothing of `track` is to be written any more.
    pub(super) fn forget(&mut self, track: Track) {
        self.frames.retain(|(of, _)| *of != Some(track));
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front().map(|(_, frame)| frame)
    }

    /// Whether something did not go in.
    pub(super) fn full(&self) -> bool {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(track: u64) -> FromRecogniser {
        FromRecogniser::Cue {
            track: Track(track),
            cue: 0,
            revision: 0,
            language: "en".into(),
            t0_ms: 0,
            t1_ms: 0,
            committed: "said".into(),
            tentative: String::new(),
            finished: true,
        }
    }

    #[test]
    fn what_is_forgotten_is_not_written_and_the_rest_is() {
        let mut outbox = Outbox::default();
        outbox.push(&cue(1)).unwrap();
        outbox.push(&cue(2)).unwrap();
        outbox.push(&cue(1)).unwrap();
        outbox.forget(Track(1));
        assert_eq!(outbox.pop(), Some(cue(2).encode().unwrap()));
        assert_eq!(outbox.pop(), None);
    }

    #[test]
    fn nothing_in_english_is_left_of_what_is_forgotten() {
        let mut outbox = Outbox::default();
        let english = FromRecogniser::English {
            track: Track(1),
            cue: 0,
            text: Some("said".into()),
        };
        outbox.push(&english).unwrap();
        outbox.forget(Track(1));
        assert_eq!(outbox.pop(), None);
    }

    #[test]
    fn it_fills_up_and_says_so() {
        let mut outbox = Outbox::default();
        for _ in 0..MOST {
            outbox.push(&cue(1)).unwrap();
        }
        assert!(!outbox.full());
        outbox.push(&cue(1)).unwrap();
        assert!(outbox.full());
    }
}
