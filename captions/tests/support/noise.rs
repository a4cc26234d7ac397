//! Sound in which nobody speaks: silence, noise, hum, tones and what sounds like music, made here.

use std::f64::consts::TAU;

/// Each kind with its name, of so many samples at 16 kHz.
pub(crate) fn all(samples: usize) -> Vec<(&'static str, Vec<i16>)> {
    vec![
        ("silence", vec![0; samples]),
        ("white noise", white(samples, 900.0)),
        ("brown noise", brown(samples)),
        ("hum", hum(samples)),
        ("tones", tones(samples)),
        ("signals", signals(samples)),
        ("music", music(samples)),
    ]
}

/// A number from −1 to 1, always the same row of them.
fn random(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

fn white(samples: usize, level: f64) -> Vec<i16> {
    let mut seed = 1;
    (0..samples)
        .map(|_| (random(&mut seed) * level) as i16)
        .collect()
}

fn brown(samples: usize) -> Vec<i16> {
    let mut seed = 2;
    let mut level = 0.0;
    let step = |_| {
        level = level * 0.995 + random(&mut seed) * 200.0;
        level as i16
    };
    (0..samples).map(step).collect()
}

/// A fan and the mains.
fn hum(samples: usize) -> Vec<i16> {
    let mut seed = 3;
    let sample = |at: usize| {
        let time = at as f64 / 16_000.0;
        let mains: f64 = [
            (50.0, 1500.0),
            (100.0, 900.0),
            (150.0, 500.0),
            (300.0, 200.0),
        ]
        .into_iter()
        .map(|(pitch, level)| (TAU * pitch * time).sin() * level)
        .sum();
        (mains + random(&mut seed) * 100.0) as i16
    };
    (0..samples).map(sample).collect()
}

/// Beeps of a machine: now one, now two tones, with pauses.
fn tones(samples: usize) -> Vec<i16> {
    let pitches = [440.0, 941.0, 1336.0, 697.0, 2000.0, 1000.0];
    let sample = |at: usize| {
        let time = at as f64 / 16_000.0;
        let beat = (time / 0.7) as usize;
        let on = time % 0.7 < 0.4;
        let one = (TAU * pitches[beat % 6] * time).sin();
        let two = (TAU * pitches[(beat / 2 + 3) % 6] * time).sin();
        if on { ((one + two) * 4000.0) as i16 } else { 0 }
    };
    (0..samples).map(sample).collect()
}

/// Single beeps of all lengths, pitches and fades with a pause after each: every one is a phrase of its own.
fn signals(samples: usize) -> Vec<i16> {
    let pitches = [440.0, 300.0, 523.3, 880.0, 350.0, 659.3, 1336.0];
    let sample = |at: usize| {
        let time = at as f64 / 16_000.0;
        let (count, since) = ((time / 1.9) as usize, time % 1.9);
        let length = 0.25 + 0.05 * (count % 12) as f64;
        let fade = (-since * (count % 3) as f64).exp();
        let pitch = pitches[count % 7];
        let one = (TAU * pitch * time).sin();
        let two = (TAU * pitch * 1.25 * time).sin() * (count % 2) as f64;
        let edge = (since / 0.01).min((length - since) / 0.01).clamp(0.0, 1.0);
        ((one + two) * 5000.0 * fade * edge) as i16
    };
    (0..samples).map(sample).collect()
}

/// Chords that change twice a second, with overtones, a beat, and a melody above.
fn music(samples: usize) -> Vec<i16> {
    let mut seed = 5;
    let chords = [
        [261.6, 329.6, 392.0],
        [220.0, 261.6, 329.6],
        [174.6, 220.0, 261.6],
        [196.0, 246.9, 293.7],
    ];
    let melody = [523.3, 587.3, 659.3, 784.0, 659.3, 587.3, 523.3, 440.0];
    let sample = |at: usize| {
        let time = at as f64 / 16_000.0;
        let bar = (time / 1.0) as usize;
        let note = (time / 0.25) as usize;
        let fade = (-(time % 1.0) * 2.0).exp();
        let chord: f64 = chords[bar % 4]
            .iter()
            .flat_map(|pitch| {
                (1..=4)
                    .map(move |tone| (TAU * pitch * f64::from(tone) * time).sin() / f64::from(tone))
            })
            .sum();
        let pitch = melody[(note * 3 + bar) % 8];
        let lead = (TAU * pitch * time).sin() * (-(time % 0.25) * 6.0).exp();
        let beat = random(&mut seed) * (-(time % 0.5) * 40.0).exp();
        (chord * fade * 1500.0 + lead * 3000.0 + beat * 4000.0) as i16
    };
    (0..samples).map(sample).collect()
}
