//! What a multilingual model can say in English: finished cues of one speaker in another language wait here with their sound until
//! there is time for them. Each is answered once, if only with nothing. Pure; holds a bounded number of them.

use std::collections::VecDeque;

use crate::agree::Word;
use crate::cue;
use crate::sound::Sound;
use crate::talker::Pass;
use crate::tongue::Ask;
use crate::wire::{FromRecogniser, Track};

/// Cues that wait. Whoever speaks faster than they are translated is read as it was spoken.
const MOST: usize = 8;
/// Around the words: recognisers' times are rough.
const BEFORE_MS: i64 = 250;
const AFTER_MS: i64 = 350;
/// Without the sound of its begin a cue is not said again.
const MISSING_MS: i64 = 500;

/// The cues of one speaker that are wanted in English.
pub(crate) struct English {
    track: Track,
    wanted: bool,
    waiting: VecDeque<(u64, String, Sound)>,
}

impl English {
    pub(crate) const fn new(track: Track) -> Self {
        Self {
            track,
            wanted: false,
            waiting: VecDeque::new(),
        }
    }

    /// Whether it is wanted; what waits is forgotten when it is not any more.
    pub(crate) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.waiting.clear();
        }
    }

    pub(crate) const fn wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Looks through what came of a pass, from that place on, for cues that are finished now; `sound` is that of their phrase.
    pub(crate) fn take(&mut self, from: usize, sound: &Sound, out: &mut Vec<FromRecogniser>) {
        let mut answers = Vec::new();
        for message in out.iter().skip(from) {
            let FromRecogniser::Cue {
                cue,
                language,
                t0_ms,
                t1_ms,
                committed,
                finished: true,
                ..
            } = message
            else {
                continue;
            };
            if committed.is_empty() || is_english(language) {
                continue;
            }
            let begin = t0_ms.saturating_sub(BEFORE_MS);
            if sound.start_ms() > t0_ms.saturating_add(MISSING_MS) {
                answers.push(self.said(*cue, None));
                continue;
            }
            let sound = sound.between(begin, t1_ms.saturating_add(AFTER_MS));
            self.waiting.push_back((*cue, language.clone(), sound));
        }
        while self.waiting.len() > MOST {
            if let Some((cue, ..)) = self.waiting.pop_front() {
                answers.push(self.said(cue, None));
            }
        }
        out.extend(answers);
    }

    /// The pass over the cue that has waited the longest.
    pub(crate) fn start(&mut self) -> Option<Pass> {
        let (cue, language, sound) = self.waiting.pop_front()?;
        Some(Pass {
            track: self.track,
            phrase: u64::MAX,
            sound,
            ask: Ask::Known(language),
            hints: String::new(),
            said: String::new(),
            last: true,
            english: Some(cue),
        })
    }

    /// The answer to a cue.
    pub(crate) fn said(&self, cue: u64, words: Option<&[Word]>) -> FromRecogniser {
        let text = words.map(cue::text).filter(|text| !text.is_empty());
        FromRecogniser::English {
            track: self.track,
            cue,
            text,
        }
    }
}

fn is_english(language: &str) -> bool {
    language.split('-').next() == Some("en")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{FRAME, Frame};

    fn sound(from_ms: i64, frames: i64) -> Sound {
        let mut sound = Sound::default();
        for at in 0..frames {
            let at_ms = from_ms + at * 16;
            let samples = [0.1; FRAME];
            sound.push(&Frame { at_ms, samples }, true);
        }
        sound
    }

    fn finished(cue: u64, language: &str, t0_ms: i64) -> FromRecogniser {
        FromRecogniser::Cue {
            track: Track(1),
            cue,
            revision: 1,
            language: language.into(),
            t0_ms,
            t1_ms: t0_ms + 1000,
            committed: "dit".into(),
            tentative: String::new(),
            finished: true,
        }
    }

    #[test]
    fn each_finished_cue_that_is_not_in_english_is_said_once_more_from_its_own_sound() {
        let mut english = English::new(Track(1));
        english.want(true);
        let mut out = vec![
            finished(0, "fr", 0),
            finished(1, "fr", 2000),
            finished(2, "en", 4000),
        ];
        english.take(1, &sound(0, 400), &mut out);
        assert_eq!(out.len(), 3);
        let pass = english.start().unwrap();
        assert_eq!((pass.english, pass.ask), (Some(1), Ask::Known("fr".into())));
        assert!((1700..=1750).contains(&pass.sound.start_ms()));
        assert!((3300..=3360).contains(&pass.sound.end_ms()));
        assert!(english.start().is_none() && english.is_empty());
    }

    #[test]
    fn what_cannot_be_said_is_answered_all_the_same() {
        let mut english = English::new(Track(1));
        english.want(true);
        let mut out: Vec<_> = (0..12).map(|cue| finished(cue, "fr", 5000)).collect();
        out.push(finished(12, "fr", 0));
        english.take(0, &sound(4000, 400), &mut out);
        let answered = out.iter().skip(13).map(|answer| match answer {
            FromRecogniser::English { cue, text, .. } => (*cue, text.is_some()),
            other => unreachable!("{other:?}"),
        });
        let answered: Vec<_> = answered.collect();
        // The sound of one is gone; and only so many wait.
        assert_eq!(
            answered,
            [(12, false), (0, false), (1, false), (2, false), (3, false)]
        );
        english.want(false);
        assert!(english.is_empty());
    }
}
