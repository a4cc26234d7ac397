//! G.722 at 64 kbit/s (ITU-T G.722): two ADPCM bands and the filter that joins them. Every byte is two samples; there is
//! nothing in it to parse, so nothing to refuse.

use super::{Decoder, Undecodable, fade};

const LOW_LOG: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const LOW_STEP: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const HIGH_LOG: [i32; 3] = [0, -214, 798];
const HIGH_STEP: [usize; 4] = [2, 1, 2, 1];
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const QUANT_2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QUANT_4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const QUANT_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

pub(super) struct G722 {
    low: Band,
    high: Band,
    /// What the joining filter remembers.
    joined: [i32; 24],
    last: Vec<f32>,
}

/// One band's predictor.
struct Band {
    predicted: i32,
    zeros: i32,
    log: i32,
    step: i32,
    /// Past differences and their coefficients, newest first.
    differences: [i32; 6],
    zero_by: [i32; 6],
    /// Past reconstructed and partial signals, newest first, and the two poles.
    rebuilt: [i32; 2],
    partial: [i32; 2],
    pole_by: [i32; 2],
}

impl G722 {
    pub(super) fn new() -> Self {
        Self {
            low: Band::new(32),
            high: Band::new(8),
            joined: [0; 24],
            last: Vec::new(),
        }
    }

    fn byte(&mut self, byte: u8) -> [f32; 2] {
        let code = usize::from(byte);
        let low = self.low.decode(
            at(&QUANT_6, code & 0x3f),
            at(&QUANT_4, (code & 0x3f) >> 2),
            at(&LOW_LOG, at(&LOW_STEP, (code & 0x3f) >> 2)),
            (18432, 8),
        );
        let high_code = code >> 6;
        let quant = at(&QUANT_2, high_code);
        let log = at(&HIGH_LOG, at(&HIGH_STEP, high_code));
        let high = self.high.decode(quant, quant, log, (22528, 10));
        self.joined.rotate_left(2);
        self.joined[22] = low + high;
        self.joined[23] = low - high;
        let (pairs, _) = self.joined.as_chunks::<2>();
        let even: i32 = pairs.iter().zip(MIRROR).map(|([a, _], by)| a * by).sum();
        let odd = pairs.iter().zip(MIRROR.into_iter().rev());
        let odd: i32 = odd.map(|([_, b], by)| b * by).sum();
        [odd, even].map(|sum| saturate(sum >> 11) as f32 / 32768.0)
    }
}

impl Decoder for G722 {
    fn decode(&mut self, payload: &[u8], sound: &mut Vec<f32>) -> Result<(), Undecodable> {
        if payload.is_empty() {
            return Err(Undecodable);
        }
        let before = sound.len();
        for byte in payload {
            sound.extend_from_slice(&self.byte(*byte));
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

impl Band {
    fn new(step: i32) -> Self {
        Self {
            predicted: 0,
            zeros: 0,
            log: 0,
            step,
            differences: [0; 6],
            zero_by: [0; 6],
            rebuilt: [0; 2],
            partial: [0; 2],
            pole_by: [0; 2],
        }
    }

    /// `fine` rebuilds the signal, `coarse` drives the predictor (section 4.2 of the recommendation).
    fn decode(&mut self, fine: i32, coarse: i32, log: i32, (most, shift): (i32, i32)) -> i32 {
        let out = (self.predicted + ((self.step * fine) >> 15)).clamp(-16384, 16383);
        let difference = (self.step * coarse) >> 15;
        self.log = (((self.log * 127) >> 7) + log).clamp(0, most);
        let power = at(&POWERS, ((self.log >> 6) & 31) as usize);
        let shift = shift - (self.log >> 11);
        let scaled = if shift < 0 {
            power << -shift
        } else {
            power >> shift
        };
        self.step = scaled << 2;
        self.predict(difference);
        out
    }

    fn predict(&mut self, difference: i32) {
        let rebuilt = saturate(self.predicted + difference);
        let partial = saturate(self.zeros + difference);
        let [before, earlier] = self.partial;
        let same = |a: i32, b: i32| (a < 0) == (b < 0);

        let [first, second] = self.pole_by;
        let quadruple = saturate(first << 2);
        let turned = if same(partial, before) {
            (-quadruple).min(32767)
        } else {
            quadruple
        };
        let sign = if same(partial, earlier) { 128 } else { -128 };
        let second = ((turned >> 7) + sign + ((second * 32512) >> 15)).clamp(-12288, 12288);
        let sign = if same(partial, before) { 192 } else { -192 };
        let most = saturate(15360 - second);
        let first = saturate(sign + ((first * 32640) >> 15)).clamp(-most, most);

        let step = if difference == 0 { 0 } else { 128 };
        for (past, by) in self.differences.iter().zip(&mut self.zero_by) {
            let sign = if same(*past, difference) { step } else { -step };
            *by = saturate(sign + ((*by * 32640) >> 15));
        }

        let [last, _] = self.rebuilt;
        self.pole_by = [first, second];
        self.rebuilt = [rebuilt, last];
        self.partial = [partial, before];
        self.differences.rotate_right(1);
        self.differences[0] = difference;

        let poles = ((first * saturate(rebuilt + rebuilt)) >> 15)
            + ((second * saturate(last + last)) >> 15);
        let zeros = self.differences.iter().zip(&self.zero_by);
        self.zeros = saturate(zeros.map(|(d, by)| (by * saturate(d + d)) >> 15).sum());
        self.predicted = saturate(saturate(poles) + self.zeros);
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

fn at<T: Copy + Default, const N: usize>(table: &[T; N], index: usize) -> T {
    table.get(index).copied().unwrap_or_default()
}
