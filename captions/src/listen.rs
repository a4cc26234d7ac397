//! From packets to frames of 16 kHz mono sound with the meeting's time: brings a few packets back in order, fills what is
//! lost (the next packet's copy, then concealment, then silence), and takes the time from what the server stamped. Pure.

#[doc(hidden)]
pub mod fuzz;
mod g711;
mod g722;
mod opus;

use std::collections::BTreeMap;

use crate::wire::Codec;

/// Samples a second, of everything after the decoder.
pub const RATE: usize = 16_000;
/// Samples of a frame: 16 ms, what the speech detector asks for.
pub const FRAME: usize = 256;
/// Milliseconds of a frame.
pub const FRAME_MS: i64 = 16;

/// Packets that wait for one before them. With one more it counts as lost.
const REORDER: usize = 4;
/// The longest pause that is filled with silence: enough to end what was being said. Beyond it the sound begins anew.
const LONGEST_PAUSE: usize = RATE;
/// How much a decoder makes up before it is silence.
const LONGEST_CONCEALED: usize = RATE / 10;
/// A packet that is this far from where the one before it ends gives the time anew; less is jitter.
const JUMP_US: i64 = 60_000;
/// A packet of at most this many samples: 120 ms, the longest of Opus.
const LONGEST_PACKET: usize = RATE * 120 / 1000;

/// What a codec has to do. One value decodes one track.
pub trait Decoder: Send {
    /// Appends what a packet holds.
    ///
    /// # Errors
    /// The packet is not of this codec. Nothing is appended.
    fn decode(&mut self, payload: &[u8], sound: &mut Vec<f32>) -> Result<(), Undecodable>;

    /// Appends `samples` for the lost packet just before `next`, from the copy of it in there if there is one.
    fn recover(&mut self, next: &[u8], samples: usize, sound: &mut Vec<f32>);

    /// Appends `samples` that sound like what went before.
    fn conceal(&mut self, samples: usize, sound: &mut Vec<f32>);
}

/// A packet that its codec cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet that its codec cannot read")]
pub struct Undecodable;

/// One packet of a track.
#[derive(Clone)]
pub struct Packet {
    /// Extended, never wraps.
    pub sequence: u64,
    /// In the clock of the codec, wraps.
    pub timestamp: u32,
    /// The meeting's time of the first sample.
    pub at_ms: i64,
    /// As the codec made it.
    pub payload: Vec<u8>,
}

/// 16 ms of sound.
#[derive(Clone)]
pub struct Frame {
    /// The meeting's time of the first sample; never before that of an earlier frame.
    pub at_ms: i64,
    /// Within ±1.
    pub samples: [f32; FRAME],
}

/// The decoder of one codec, in a state of its own.
#[must_use]
pub fn decoder(codec: Codec) -> Box<dyn Decoder> {
    match codec {
        Codec::Opus => Box::new(opus::Opus::new()),
        Codec::G722 => Box::new(g722::G722::new()),
        Codec::Pcmu => Box::new(g711::G711::new(g711::ulaw)),
        Codec::Pcma => Box::new(g711::G711::new(g711::alaw)),
    }
}

/// Listens to one track.
pub struct Listener {
    decoder: Box<dyn Decoder>,
    clock: Clock,
    waiting: BTreeMap<u64, Packet>,
    /// The sequence number and the timestamp that come next, once there was a packet.
    next: Option<(u64, u32)>,
    /// How many samples the last packet held.
    usual: usize,
    /// Sound that does not fill a frame yet, and the time of its end in microseconds.
    rest: Vec<f32>,
    end_us: i64,
    latest_ms: i64,
}

/// How many samples of 16 kHz a step of the codec's clock is: `up` over `down`.
#[derive(Clone, Copy)]
struct Clock {
    up: u32,
    down: u32,
}

impl Listener {
    /// For a track in `codec`.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            decoder: decoder(codec),
            clock: match codec {
                Codec::Opus => Clock { up: 1, down: 3 },
                // RFC 3551 counts G.722 at 8 kHz though it samples at 16.
                Codec::G722 | Codec::Pcmu | Codec::Pcma => Clock { up: 2, down: 1 },
            },
            waiting: BTreeMap::new(),
            next: None,
            usual: RATE / 50,
            rest: Vec::new(),
            end_us: 0,
            latest_ms: i64::MIN,
        }
    }

    /// Takes a packet; appends the frames that are whole now.
    pub fn hear(&mut self, packet: Packet, frames: &mut Vec<Frame>) {
        if self.next.is_some_and(|(next, _)| packet.sequence < next) {
            return;
        }
        self.waiting.entry(packet.sequence).or_insert(packet);
        while let Some(first) = self.waiting.first_entry() {
            let in_order = self.next.is_none_or(|(next, _)| *first.key() == next);
            if !in_order && self.waiting.len() <= REORDER {
                break;
            }
            let Some((_, packet)) = self.waiting.pop_first() else {
                break;
            };
            self.play(&packet, frames);
        }
    }

    /// Nothing comes for now: plays what waits, then fills the last frame with silence.
    pub fn pause(&mut self, frames: &mut Vec<Frame>) {
        while let Some((_, packet)) = self.waiting.pop_first() {
            self.play(&packet, frames);
        }
        if !self.rest.is_empty() {
            let missing = FRAME.saturating_sub(self.rest.len());
            self.silence(missing);
            self.cut(frames);
        }
    }

    fn play(&mut self, packet: &Packet, frames: &mut Vec<Frame>) {
        let begun = self.next.is_some();
        if let Some((sequence, timestamp)) = self.next {
            self.fill(packet, sequence, timestamp);
        }
        let starts_us = packet.at_ms.saturating_mul(1000);
        let off = starts_us.saturating_sub(self.end_us);
        if !begun || off.saturating_abs() > JUMP_US {
            self.end_us = starts_us;
        } else {
            // The sender's clock and ours drift: follow slowly.
            self.end_us = self.end_us.saturating_add(off / 16);
        }
        let before = self.rest.len();
        if self
            .decoder
            .decode(&packet.payload, &mut self.rest)
            .is_err()
        {
            self.rest.truncate(before);
            let usual = self.usual;
            self.decoder.conceal(usual, &mut self.rest);
        }
        self.rest.truncate(before + LONGEST_PACKET);
        let samples = self.rest.len() - before;
        self.usual = samples.max(1);
        self.end_us = self.end_us.saturating_add(microseconds(samples));
        let passed = self.clock.ticks(samples);
        self.next = Some((
            packet.sequence.saturating_add(1),
            packet.timestamp.wrapping_add(passed),
        ));
        self.cut(frames);
    }

    /// Fills the time between what was played and `packet`.
    fn fill(&mut self, packet: &Packet, sequence: u64, timestamp: u32) {
        let gap = packet.timestamp.wrapping_sub(timestamp);
        // More than half of the clock ahead is behind.
        if gap == 0 || gap > u32::MAX / 2 {
            return;
        }
        let missing = self.clock.samples(gap);
        if missing > LONGEST_PAUSE {
            self.silence(LONGEST_PAUSE);
            return;
        }
        let before = self.rest.len();
        if packet.sequence > sequence {
            let copied = self.usual.min(missing);
            let concealed = (missing - copied).min(LONGEST_CONCEALED);
            self.decoder.conceal(concealed, &mut self.rest);
            self.rest.resize(before + missing - copied, 0.0);
            self.decoder
                .recover(&packet.payload, copied, &mut self.rest);
        }
        self.rest.resize(before + missing, 0.0);
        self.end_us = self.end_us.saturating_add(microseconds(missing));
    }

    fn silence(&mut self, samples: usize) {
        self.rest.resize(self.rest.len() + samples, 0.0);
        self.end_us = self.end_us.saturating_add(microseconds(samples));
    }

    /// Takes whole frames off the sound.
    fn cut(&mut self, frames: &mut Vec<Frame>) {
        let mut from_us = self.end_us.saturating_sub(microseconds(self.rest.len()));
        let mut chunks = self.rest.chunks_exact(FRAME);
        for chunk in &mut chunks {
            let mut samples = [0.0; FRAME];
            for (to, from) in samples.iter_mut().zip(chunk) {
                // A decoder of strangers' data: what is not a number is silence.
                *to = if from.is_finite() {
                    from.clamp(-1.0, 1.0)
                } else {
                    0.0
                };
            }
            self.latest_ms = self.latest_ms.max(from_us / 1000);
            frames.push(Frame {
                at_ms: self.latest_ms,
                samples,
            });
            from_us = from_us.saturating_add(FRAME_MS * 1000);
        }
        let left = chunks.remainder().len();
        self.rest.drain(..self.rest.len() - left);
    }
}

impl Clock {
    fn samples(self, ticks: u32) -> usize {
        (u64::from(ticks) * u64::from(self.up) / u64::from(self.down)) as usize
    }

    fn ticks(self, samples: usize) -> u32 {
        (samples as u64 * u64::from(self.down) / u64::from(self.up)) as u32
    }
}

fn microseconds(samples: usize) -> i64 {
    // 62.5 µs a sample.
    i64::try_from(samples)
        .unwrap_or(i64::MAX)
        .saturating_mul(125)
        / 2
}

/// What a decoder without its own concealment makes up: the last sound again, fading.
fn fade(last: &[f32], samples: usize, sound: &mut Vec<f32>) {
    let length = LONGEST_CONCEALED as f32;
    let again = last.iter().copied().cycle().take(samples).enumerate();
    let before = sound.len();
    sound.extend(again.map(|(at, sample)| sample * 0.7 * (1.0 - at as f32 / length).max(0.0)));
    sound.resize(before + samples, 0.0);
}

#[cfg(test)]
mod tests;
