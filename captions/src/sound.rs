//! The sound of one phrase: samples, which frames of it hold speech, and where it may be cut. Pure; bounded by the longest
//! window of a recogniser plus what arrives while one pass runs.

use crate::listen::{FRAME, FRAME_MS, Frame, RATE};
use crate::steady::{Likeness, Steadiness};

/// What is so much fainter than the loudest moment says nothing about steadiness.
const FAINT_DB: f32 = 30.0;
/// Moments that are this much alike hold their pitch: those of tones 0.98 and more, of a long vowel now and then.
const ALIKE: f32 = 0.95;
/// One alone says nothing.
const LEAST_MOMENTS: usize = 2;
/// Below so many moments, under a second, a word may be one vowel.
const FEW_MOMENTS: usize = 8;
/// More than this part of the louder moments is no voice. Measured on 600 short utterances by espeak-ng and flite: at most
/// 0.4 of few moments and 0.25 of more; on tones and music: at least 0.5 of few and 0.33 of more.
const STEADY_FEW: f32 = 0.45;
const STEADY: f32 = 0.3;
/// No two moments of a voice are so much alike (measured: at most 0.994), any two of a beep are; its begin and its end may be
/// most of a short one.
const EQUAL: f32 = 0.997;

/// Sound that belongs together, with the meeting's time of its begin.
#[derive(Clone, Default)]
pub struct Sound {
    start_ms: i64,
    samples: Vec<f32>,
    voiced: Vec<bool>,
    steadiness: Steadiness,
    /// By the number of the frame at which it was compared.
    moments: Vec<(usize, Likeness)>,
}

impl Sound {
    /// Appends a frame.
    pub fn push(&mut self, frame: &Frame, voiced: bool) {
        if self.samples.is_empty() {
            self.start_ms = frame.at_ms;
        }
        self.samples.extend_from_slice(&frame.samples);
        self.voiced.push(voiced);
        let likeness = self.steadiness.hear(frame);
        self.moments
            .extend(likeness.map(|likeness| (self.voiced.len(), likeness)));
    }

    /// Whether it holds its pitch: hardly any of the louder moments of speech do, most of tones and music.
    #[must_use]
    pub fn steady(&self) -> bool {
        let loudness = |(_, likeness): &(usize, Likeness)| likeness.loudness;
        let loudest = self.moments.iter().map(loudness).fold(f32::MIN, f32::max);
        let loud = self
            .moments
            .iter()
            .filter(|moment| loudness(moment) > loudest - FAINT_DB);
        let above = |bound: f32| {
            let above = loud.clone().filter(|(_, moment)| moment.alike > bound);
            above.count()
        };
        let count = loud.clone().count();
        let share = above(ALIKE) as f32 / count.max(1) as f32;
        if count < FEW_MOMENTS {
            above(EQUAL) > 0 || count >= LEAST_MOMENTS && share > STEADY_FEW
        } else {
            share > STEADY
        }
    }

    /// The samples.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The meeting's time of the first sample.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// The meeting's time after the last sample.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.start_ms.saturating_add(self.length_ms())
    }

    /// How long it is.
    #[must_use]
    pub fn length_ms(&self) -> i64 {
        milliseconds(self.samples.len())
    }

    /// How much of it is speech.
    #[must_use]
    pub fn voiced_ms(&self) -> i64 {
        let frames = self.voiced.iter().filter(|voiced| **voiced).count();
        i64::try_from(frames)
            .unwrap_or(i64::MAX)
            .saturating_mul(FRAME_MS)
    }

    /// The meeting's time after the last frame of speech.
    #[must_use]
    pub fn voice_ends_ms(&self) -> i64 {
        let frames = self.voiced.iter().rposition(|voiced| *voiced);
        let frames = frames.map_or(0, |last| last + 1);
        self.start_ms.saturating_add(milliseconds(frames * FRAME))
    }

    /// How loud its speech is, in dB below full scale (RMS over the frames of speech).
    #[must_use]
    pub fn loudness(&self) -> f32 {
        let frames = self.samples.chunks(FRAME).zip(&self.voiced);
        let voiced = frames.filter(|(_, voiced)| **voiced);
        let (sum, count) = voiced.fold((0.0, 0_u32), |(sum, count), (frame, _)| {
            (sum + power(frame), count + 1)
        });
        10.0 * (sum / f64::from(count.max(1))).max(1e-12).log10() as f32
    }

    /// The middle of the quietest `width_ms` between two times, both from the begin of the sound; for a cut.
    #[must_use]
    pub fn quietest(&self, from_ms: i64, to_ms: i64, width_ms: i64) -> i64 {
        let frames = |ms: i64| usize::try_from(ms / FRAME_MS).unwrap_or(0);
        let width = frames(width_ms).max(1);
        let powers: Vec<f64> = self.samples.chunks(FRAME).map(power).collect();
        let from = frames(from_ms);
        let to = frames(to_ms).max(from + width);
        let places = powers.get(from..to.min(powers.len())).unwrap_or_default();
        let sums = places
            .windows(width)
            .map(|window| window.iter().sum::<f64>());
        let quietest = sums
            .enumerate()
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(0, |(at, _)| at);
        milliseconds((from + quietest + width / 2) * FRAME)
    }

    /// Appends what follows it without a gap.
    pub fn append(&mut self, mut more: Self) {
        if self.samples.is_empty() {
            self.start_ms = more.start_ms;
        }
        let frames = self.voiced.len();
        self.samples.append(&mut more.samples);
        self.voiced.append(&mut more.voiced);
        let moments = more.moments.into_iter();
        self.moments
            .extend(moments.map(|(at, likeness)| (at + frames, likeness)));
    }

    /// What of it lies between two times of the meeting, in whole frames.
    #[must_use]
    pub fn between(&self, from_ms: i64, to_ms: i64) -> Self {
        let mut part = self.clone();
        let before = from_ms.saturating_sub(self.start_ms).max(0);
        let _early = part.split(before);
        part.split(to_ms.saturating_sub(part.start_ms).max(0))
    }

    /// Takes off what stands before `at_ms`, from the begin of the sound, in whole frames.
    #[must_use]
    pub fn split(&mut self, at_ms: i64) -> Self {
        let frames = usize::try_from(at_ms / FRAME_MS)
            .unwrap_or(0)
            .min(self.voiced.len());
        let samples = (frames * FRAME).min(self.samples.len());
        let early = self.moments.iter().take_while(|(at, _)| *at <= frames);
        let early = early.count();
        let head = Self {
            start_ms: self.start_ms,
            samples: self.samples.drain(..samples).collect(),
            voiced: self.voiced.drain(..frames).collect(),
            steadiness: Steadiness::default(),
            moments: self.moments.drain(..early).collect(),
        };
        for (at, _) in &mut self.moments {
            *at -= frames;
        }
        self.start_ms = head.end_ms();
        head
    }
}

fn power(frame: &[f32]) -> f64 {
    let sum: f64 = frame.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    sum / frame.len().max(1) as f64
}

fn milliseconds(samples: usize) -> i64 {
    i64::try_from(samples * 1000 / RATE).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(levels: &[f32]) -> Sound {
        let mut sound = Sound::default();
        for (at, level) in levels.iter().enumerate() {
            let at_ms = 1000 + 16 * i64::try_from(at).unwrap();
            let samples = [*level; FRAME];
            sound.push(&Frame { at_ms, samples }, *level > 0.05);
        }
        sound
    }

    #[test]
    fn what_is_split_off_and_what_stays_are_all_of_it() {
        let mut tail = sound(&[0.1, 0.2, 0.0, 0.3]);
        let head = tail.split(35);
        assert_eq!(
            (head.start_ms(), head.end_ms(), head.voiced_ms()),
            (1000, 1032, 32)
        );
        assert_eq!(
            (tail.start_ms(), tail.end_ms(), tail.voiced_ms()),
            (1032, 1064, 16)
        );
        let rest = tail.split(i64::MAX);
        assert_eq!(rest.length_ms(), 32);
        assert_eq!(tail.length_ms(), 0);
    }

    #[test]
    fn the_quietest_place_is_found_within_bounds() {
        let mut levels = vec![0.5; 100];
        levels[10..20].fill(0.0);
        levels[60..72].fill(0.001);
        let sound = sound(&levels);
        assert_eq!(sound.quietest(0, 1600, 160), 15 * 16);
        let at = sound.quietest(600, 1500, 160);
        assert!((60 * 16..72 * 16).contains(&at), "{at}");
        assert!(sound.quietest(5000, 6000, 200) >= 0);
    }

    #[test]
    fn loudness_is_that_of_the_speech() {
        let sound = sound(&[0.1, 0.0, 0.0, 0.1]);
        assert!(
            (sound.loudness() + 20.0).abs() < 0.1,
            "{}",
            sound.loudness()
        );
        assert_eq!(sound.voice_ends_ms(), 1064);
        assert!(Sound::default().loudness() < -100.0);
    }
}
