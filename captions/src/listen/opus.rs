//! Opus, decoded straight to 16 kHz mono by `rusty-opus`. A packet that makes the decoder panic counts as one that it
//! cannot read, and the decoder begins anew: what strangers send ends no worker.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusty_opus::OpusDecoder;

use super::{Decoder, LONGEST_PACKET, RATE, Undecodable};

/// The smallest step of Opus: 2.5 ms.
const STEP: usize = RATE / 400;

pub(super) struct Opus {
    /// None where not even a new one can be made; then everything is silence.
    decoder: Option<OpusDecoder>,
    buffer: Vec<f32>,
}

impl Opus {
    pub(super) fn new() -> Self {
        Self {
            decoder: fresh(),
            buffer: vec![0.0; LONGEST_PACKET],
        }
    }

    /// Runs the decoder over `buffer`; on a panic it is made anew.
    fn run(
        &mut self,
        decode: impl FnOnce(&mut OpusDecoder, &mut [f32]) -> Result<usize, rusty_opus::Error>,
    ) -> Option<&[f32]> {
        let Self { decoder, buffer } = self;
        let Some(inner) = decoder.as_mut() else {
            *decoder = fresh();
            return None;
        };
        match catch_unwind(AssertUnwindSafe(|| decode(inner, buffer))) {
            Ok(Ok(samples)) => buffer.get(..samples),
            Ok(Err(_)) => None,
            Err(_) => {
                *decoder = fresh();
                None
            }
        }
    }

    /// A gap in steps that the decoder knows, at most 120 ms at once.
    fn bridge(&mut self, samples: usize, sound: &mut Vec<f32>, next: Option<&[u8]>) {
        let wanted = sound.len() + samples;
        let steps = (samples / STEP * STEP).min(LONGEST_PACKET);
        if steps > 0 {
            let made = self.run(|decoder, buffer| match next {
                Some(next) => decoder.decode_fec(next, steps, buffer),
                None => decoder.decode(&[], steps, buffer),
            });
            sound.extend_from_slice(made.unwrap_or_default());
        }
        sound.resize(wanted, 0.0);
    }
}

impl Decoder for Opus {
    fn decode(&mut self, payload: &[u8], sound: &mut Vec<f32>) -> Result<(), Undecodable> {
        if payload.is_empty() {
            return Err(Undecodable);
        }
        let made = self
            .run(|decoder, buffer| decoder.decode(payload, LONGEST_PACKET, buffer))
            .ok_or(Undecodable)?;
        sound.extend_from_slice(made);
        Ok(())
    }

    fn recover(&mut self, next: &[u8], samples: usize, sound: &mut Vec<f32>) {
        self.bridge(samples, sound, Some(next));
    }

    fn conceal(&mut self, samples: usize, sound: &mut Vec<f32>) {
        self.bridge(samples, sound, None);
    }
}

fn fresh() -> Option<OpusDecoder> {
    i32::try_from(RATE)
        .ok()
        .and_then(|rate| OpusDecoder::new(rate, 1).ok())
}
