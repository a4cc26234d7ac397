//! G.711, both laws, by their formula (ITU-T G.711), brought from 8 to 16 kHz.

use super::{Decoder, Undecodable, fade};

/// The half-band filter between two samples: a windowed sinc, one side of it. The sums over all eight are 1.
const BETWEEN: [f32; 4] = [0.613_6, -0.150_8, 0.044_8, -0.007_6];
/// How many samples of 8 kHz the filter looks back.
const TAPS: usize = 2 * BETWEEN.len();

pub(super) struct G711 {
    law: fn(u8) -> i16,
    /// The last samples at 8 kHz, oldest first.
    history: [f32; TAPS],
    last: Vec<f32>,
}

impl G711 {
    pub(super) fn new(law: fn(u8) -> i16) -> Self {
        Self {
            law,
            history: [0.0; TAPS],
            last: Vec::new(),
        }
    }
}

impl Decoder for G711 {
    fn decode(&mut self, payload: &[u8], sound: &mut Vec<f32>) -> Result<(), Undecodable> {
        if payload.is_empty() {
            return Err(Undecodable);
        }
        let before = sound.len();
        for byte in payload {
            self.history.rotate_left(1);
            self.history[TAPS - 1] = f32::from((self.law)(*byte)) / 32768.0;
            let [.., middle, _, _, _, _] = self.history;
            sound.push(middle);
            let (early, late) = self.history.split_at(TAPS / 2);
            let pairs = early.iter().rev().zip(late).zip(BETWEEN);
            sound.push(pairs.map(|((a, b), by)| (a + b) * by).sum());
        }
        self.last = sound.get(before..).unwrap_or_default().to_vec();
        self.last.truncate(super::LONGEST_PACKET);
        Ok(())
    }

    fn recover(&mut self, _next: &[u8], samples: usize, sound: &mut Vec<f32>) {
        self.conceal(samples, sound);
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<f32>) {
        fade(&self.last, samples, sound);
        self.last.clear();
    }
}

/// µ-law to linear.
pub(super) fn ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let step = (i16::from(byte & 0x0f) << 3) + 0x84;
    let size = (step << ((byte & 0x70) >> 4)) - 0x84;
    if byte & 0x80 == 0 { size } else { -size }
}

/// A-law to linear.
pub(super) fn alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let step = i16::from(byte & 0x0f) << 4;
    let size = match (byte & 0x70) >> 4 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if byte & 0x80 == 0 { -size } else { size }
}
