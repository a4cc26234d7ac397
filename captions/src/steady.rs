//! Tells what holds its pitch from what speaks. Speech detectors take beeps, chords and melodies for voices; but a voice
//! glides, and the fine structure of its spectrum is never the same a tenth of a second later. Pure.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use crate::listen::{FRAME, Frame};

/// Frames of one spectrum: 64 ms, fine enough for single overtones.
const LONG: usize = 4;
/// Frames from one spectrum to the next: 96 ms.
const APART: usize = 6;
const SIZE: usize = LONG * FRAME;
/// From 94 to 2500 Hz: where voices and most instruments have their overtones.
const FIRST_BIN: usize = 6;
const BINS: usize = 154;

/// How much a moment is like the one 96 ms before.
#[derive(Clone, Copy)]
pub(crate) struct Likeness {
    /// In dB, to no particular level.
    pub(crate) loudness: f32,
    /// 1 is the same spectrum, whatever its loudness.
    pub(crate) alike: f32,
}

/// Follows a sound.
#[derive(Clone, Default)]
pub(crate) struct Steadiness {
    recent: Vec<f32>,
    count: usize,
    before: Option<Vec<f32>>,
}

impl Steadiness {
    /// Takes a frame; at every sixth compares.
    pub(crate) fn hear(&mut self, frame: &Frame) -> Option<Likeness> {
        self.count += 1;
        if self.count > APART - LONG {
            self.recent.extend_from_slice(&frame.samples);
        }
        if self.count < APART {
            return None;
        }
        self.count = 0;
        let spectrum = spectrum(&self.recent);
        self.recent.clear();
        let power = |spectrum: &[f32]| spectrum.iter().map(|s| s * s).sum::<f32>();
        let now = power(&spectrum);
        let before = self.before.replace(spectrum.clone())?;
        let product: f32 = before.iter().zip(&spectrum).map(|(a, b)| a * b).sum();
        Some(Likeness {
            loudness: 10.0 * now.max(1e-12).log10(),
            alike: product / (power(&before) * now).sqrt().max(1e-12),
        })
    }
}

fn spectrum(sound: &[f32]) -> Vec<f32> {
    let windowed = sound.iter().zip(CIRCLE.iter()).map(|(sample, (cos, _))| {
        // The Hann window comes from the same circle.
        (sample * (0.5 - 0.5 * cos), 0.0)
    });
    let windowed: Vec<_> = windowed.collect();
    let bins = transform(&windowed);
    let bins = bins.iter().skip(FIRST_BIN).take(BINS);
    bins.map(|(re, im)| re.hypot(*im)).collect()
}

/// Cosine and sine of every step of the circle.
static CIRCLE: LazyLock<Vec<(f32, f32)>> = LazyLock::new(|| {
    (0..SIZE)
        .map(|at| (TAU * at as f32 / SIZE as f32).sin_cos())
        .map(|(sin, cos)| (cos, sin))
        .collect()
});

/// The discrete Fourier transform of a power of two of values, by halves.
fn transform(values: &[(f32, f32)]) -> Vec<(f32, f32)> {
    if values.len() < 2 {
        return values.to_vec();
    }
    let even: Vec<_> = values.iter().step_by(2).copied().collect();
    let odd: Vec<_> = values.iter().skip(1).step_by(2).copied().collect();
    let (even, odd) = (transform(&even), transform(&odd));
    let turns = CIRCLE.iter().step_by(SIZE / values.len());
    let turned = odd.iter().zip(turns);
    let turned: Vec<_> = turned
        .map(|((re, im), (cos, sin))| (re * cos + im * sin, im * cos - re * sin))
        .collect();
    let sums = even.iter().zip(&turned);
    let first = sums.clone().map(|((a, b), (c, d))| (a + c, b + d));
    let second = sums.map(|((a, b), (c, d))| (a - c, b - d));
    first.chain(second).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(sound: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut steadiness = Steadiness::default();
        let frames = (0..60).filter_map(|at| {
            let mut samples = [0.0; FRAME];
            for (place, sample) in samples.iter_mut().enumerate() {
                *sample = sound((at * FRAME + place) as f32 / 16_000.0);
            }
            let at_ms = 0;
            steadiness.hear(&Frame { at_ms, samples })
        });
        frames.map(|likeness| likeness.alike).collect()
    }

    #[test]
    fn the_transform_is_that_of_the_definition() {
        let values: Vec<_> = (0..SIZE)
            .map(|at| ((at * at % 37) as f32 - 18.0, 0.0))
            .collect();
        let fast = transform(&values);
        for bin in [0, 1, 7, 100, 511] {
            let slow = values
                .iter()
                .enumerate()
                .fold((0.0, 0.0), |(re, im), (at, (value, _))| {
                    let (cos, sin) = CIRCLE[at * bin % SIZE];
                    (re + value * cos, im - value * sin)
                });
            let (re, im) = fast[bin];
            assert!(
                (re - slow.0).abs() < 0.5 && (im - slow.1).abs() < 0.5,
                "{bin}"
            );
        }
    }

    #[test]
    fn a_tone_is_like_itself_and_a_glide_is_not() {
        let tone = alike(|time| (TAU * 440.0 * time).sin());
        assert!(
            tone.len() == 9 && tone.iter().all(|alike| *alike > 0.99),
            "{tone:?}"
        );
        let glide = alike(|time| {
            let phase = TAU * (120.0 * time + 30.0 * time * time);
            (1..8).map(|tone| (phase * tone as f32).sin()).sum()
        });
        assert!(glide.iter().all(|alike| *alike < 0.9), "{glide:?}");
    }
}
