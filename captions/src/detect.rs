//! Where speech begins and ends: opens when three of five frames are speech, with 300 ms of what went before, and closes
//! after 500 ms without. Pure.

use std::collections::VecDeque;

use earshot::Detector;

use crate::listen::{FRAME_MS, Frame};

/// From here on a frame is speech.
const SPEECH: f32 = 0.5;
/// How many of the last frames decide on an opening, and how many of those have to be speech.
const LOOK: usize = 5;
const ENOUGH: usize = 3;
/// Frames that are kept from before an opening: 300 ms, for soft beginnings.
const BEFORE: usize = 19;
/// Frames without speech that end a phrase: 500 ms.
const QUIET: usize = (500 / FRAME_MS) as usize;

/// Finds the speech in one track.
pub struct Speech {
    detector: Box<Detector>,
    /// The last frames while nobody speaks, each with whether it is speech.
    recent: VecDeque<(Frame, bool)>,
    /// How many frames without speech came last, while someone speaks.
    quiet: Option<usize>,
}

/// What one more frame brought.
pub enum Found {
    /// Nobody speaks.
    Nothing,
    /// Someone began to; these frames belong to it.
    Began(Vec<(Frame, bool)>),
    /// Someone goes on; whether this frame is speech.
    More(Frame, bool),
    /// Someone has finished; this frame is the last of it.
    Ended(Frame),
}

impl Default for Speech {
    fn default() -> Self {
        Self {
            detector: Box::default(),
            recent: VecDeque::with_capacity(BEFORE + 1),
            quiet: None,
        }
    }
}

impl Speech {
    /// Takes a frame.
    pub fn hear(&mut self, frame: Frame) -> Found {
        let voiced = self.detector.predict_f32(&frame.samples) >= SPEECH;
        self.judge(frame, voiced)
    }

    /// Ends what is being said, if something is.
    pub fn stop(&mut self) -> bool {
        self.recent.clear();
        self.quiet.take().is_some()
    }

    fn judge(&mut self, frame: Frame, voiced: bool) -> Found {
        if let Some(quiet) = self.quiet.as_mut() {
            *quiet = if voiced { 0 } else { *quiet + 1 };
            if *quiet < QUIET {
                return Found::More(frame, voiced);
            }
            self.quiet = None;
            return Found::Ended(frame);
        }
        self.recent.push_back((frame, voiced));
        let last = self.recent.iter().rev().take(LOOK);
        if last.filter(|(_, voiced)| *voiced).count() >= ENOUGH {
            self.quiet = Some(0);
            return Found::Began(self.recent.drain(..).collect());
        }
        if self.recent.len() > BEFORE {
            self.recent.pop_front();
        }
        Found::Nothing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::listen::FRAME;

    fn frame(at: usize) -> Frame {
        Frame {
            at_ms: i64::try_from(at).unwrap() * FRAME_MS,
            samples: [0.0; FRAME],
        }
    }

    /// When it opened and closed, by frame, for frames of speech and not.
    fn events(voiced: &[bool]) -> Vec<(usize, &'static str, usize)> {
        let mut speech = Speech::default();
        let mut events = Vec::new();
        for (at, voiced) in voiced.iter().enumerate() {
            match speech.judge(frame(at), *voiced) {
                Found::Began(frames) => events.push((at, "began", frames.len())),
                Found::Ended(_) => events.push((at, "ended", 1)),
                Found::Nothing | Found::More(..) => {}
            }
        }
        events
    }

    #[test]
    fn three_frames_of_five_open_with_what_went_before_and_half_a_second_closes() {
        let mut voiced = vec![false; 100];
        for at in [50, 52, 54] {
            voiced[at] = true;
        }
        assert_eq!(events(&voiced), [(54, "began", 20), (54 + 31, "ended", 1)]);
        voiced[52] = false;
        assert_eq!(events(&voiced), []);
    }

    proptest! {
        #[test]
        fn openings_and_closings_alternate_and_no_frame_is_lost_between(
            voiced in prop::collection::vec(any::<bool>(), 0..400)
        ) {
            let mut speech = Speech::default();
            let mut open = false;
            let mut next = 0;
            for (at, voiced) in voiced.iter().enumerate() {
                let time = |frame: &Frame| usize::try_from(frame.at_ms / FRAME_MS).unwrap();
                match speech.judge(frame(at), *voiced) {
                    Found::Nothing => prop_assert!(!open),
                    Found::Began(frames) => {
                        prop_assert!(!open && frames.len() <= BEFORE + 1);
                        prop_assert!(frames.iter().all(|(frame, _)| time(frame) >= next));
                        prop_assert_eq!(time(&frames.last().unwrap().0), at);
                        open = true;
                    }
                    Found::More(frame, _) => prop_assert!(open && time(&frame) == at),
                    Found::Ended(frame) => {
                        prop_assert!(open && time(&frame) == at);
                        open = false;
                        next = at + 1;
                    }
                }
            }
        }
    }
}
