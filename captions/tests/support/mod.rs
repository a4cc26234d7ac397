//! What tests and measurements of speech share: sound files, packets, a desk with a recogniser in simulated time, models
//! with random weights.
#![expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail, and no test uses all of it"
)]

pub(crate) mod noise;
pub(crate) mod random;
pub(crate) mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conclave_captions::wire::{Codec, FromRecogniser, ToRecogniser, Track};

/// Samples of a packet of 20 ms.
pub(crate) const PACKET: usize = 320;

pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The model that knows how a meeting is spoken of.
pub(crate) fn meeting_model() -> PathBuf {
    testdata().join("meeting-tiny-q5_0.bin")
}

/// Every fixture with the words that are spoken in it.
pub(crate) fn fixtures() -> Vec<(Vec<i16>, String)> {
    let list = std::fs::read_to_string(testdata().join("fixtures/refs.tsv")).unwrap();
    let fixture = |line: &str| {
        let (name, words) = line.split_once('\t').unwrap();
        (
            wav(&testdata().join("fixtures").join(name)),
            words.to_owned(),
        )
    };
    list.lines().map(fixture).collect()
}

/// The samples of a WAV of 16 kHz, one channel, 16 bits.
pub(crate) fn wav(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    samples(&bytes)
}

pub(crate) fn samples(bytes: &[u8]) -> Vec<i16> {
    assert_eq!(&bytes[..4], b"RIFF");
    assert_eq!(
        u32::from_le_bytes(bytes[24..28].try_into().unwrap()),
        16_000
    );
    let data = bytes.windows(4).position(|four| four == b"data").unwrap() + 8;
    let (pairs, _) = bytes[data..].as_chunks::<2>();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Opus packets of 20 ms, as a browser sends them.
pub(crate) fn opus(sound: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder =
        opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(10).unwrap();
    let mut packets = Vec::new();
    for part in sound.chunks(PACKET) {
        let mut part = part.to_vec();
        part.resize(PACKET, 0);
        packets.push(encoder.encode_vec(&part, 1275).unwrap());
    }
    packets
}

/// A track's messages, each with the meeting's time at which it arrives: opening, packets from `from_ms` on, and closing.
pub(crate) fn track(id: u64, sound: &[i16], from_ms: i64) -> Vec<(i64, ToRecogniser)> {
    let track = Track(id);
    let mut messages = vec![(
        from_ms,
        ToRecogniser::Open {
            track,
            codec: Codec::Opus,
            language: None,
            hints: vec![],
        },
    )];
    let mut at_ms = from_ms;
    for (at, payload) in opus(sound).into_iter().enumerate() {
        let at = u32::try_from(at).unwrap();
        let message = ToRecogniser::Audio {
            track,
            sequence: 100 + u64::from(at),
            timestamp: at.wrapping_mul(960),
            at_ms,
            payload,
        };
        at_ms += 20;
        messages.push((at_ms, message));
    }
    messages
}

/// Silence of so many milliseconds.
pub(crate) fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 16]
}

/// What a viewer has read of each track in the end. Fails if anything settled was ever taken back.
#[derive(Default)]
pub(crate) struct Reader {
    cues: BTreeMap<(u64, u64), (u32, String, bool)>,
    /// Settled words with the track and the time at which each came.
    pub(crate) settled: Vec<(u64, String, i64)>,
    pub(crate) erased: usize,
}

impl Reader {
    pub(crate) fn read(&mut self, at_ms: i64, message: &FromRecogniser) {
        let FromRecogniser::Cue {
            track,
            cue,
            revision,
            committed,
            tentative,
            finished,
            ..
        } = message
        else {
            return;
        };
        let (newest, text, over) =
            self.cues
                .entry((track.0, *cue))
                .or_insert((0, String::new(), false));
        assert!(!*over && *revision >= *newest);
        assert!(!*finished || tentative.is_empty());
        if let Some(new) = committed.strip_prefix(text.as_str()) {
            for word in new.split_whitespace() {
                self.settled.push((track.0, word.to_owned(), at_ms));
            }
        } else {
            self.erased += 1;
        }
        (*newest, *text, *over) = (*revision, committed.clone(), *finished);
    }

    pub(crate) fn all(messages: &[(i64, FromRecogniser)]) -> Self {
        let mut reader = Self::default();
        for (at_ms, message) in messages {
            reader.read(*at_ms, message);
        }
        assert_eq!(reader.erased, 0, "settled words were taken back");
        reader
    }

    /// The words of one track.
    pub(crate) fn words(&self, track: u64) -> String {
        let words = self.settled.iter().filter(|(of, ..)| *of == track);
        words
            .map(|(_, word, _)| word.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How many cues have words in them.
    pub(crate) fn cues(&self) -> usize {
        self.cues
            .values()
            .filter(|(_, text, _)| !text.is_empty())
            .count()
    }
}

/// Words that are wrong, missing or too many.
pub(crate) fn wrong(reference: &str, said: &str) -> usize {
    let reference: Vec<_> = reference.split_whitespace().collect();
    let said: Vec<_> = said.split_whitespace().collect();
    let mut row: Vec<usize> = (0..=said.len()).collect();
    for (at, word) in reference.iter().enumerate() {
        let mut next = vec![at + 1];
        for (other, pair) in said.iter().zip(row.windows(2)) {
            let replaced = pair[0] + usize::from(other != word);
            next.push(replaced.min(pair[1] + 1).min(next[next.len() - 1] + 1));
        }
        row = next;
    }
    row[said.len()]
}

/// A sentence by espeak-ng at 16 kHz, or by flite in a voice of `flite:`.
pub(crate) fn speak(voice: &str, text: &str) -> Vec<i16> {
    let (program, arguments) = match voice.strip_prefix("flite:") {
        Some(voice) => (
            "flite",
            vec!["-voice", voice, "-t", text, "-o", "/dev/stdout"],
        ),
        None => (
            "espeak-ng",
            vec!["-v", voice, "-s", "160", "--stdout", text],
        ),
    };
    let said = std::process::Command::new(program).args(arguments).output();
    let Ok(said) = said else {
        panic!("{program} is missing: `make setup` installs it");
    };
    let bytes = said.stdout;
    let rate = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
    let (pairs, _) = bytes[44..].as_chunks::<2>();
    let sound: Vec<_> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    resample(&sound, rate)
}

/// To 16 kHz, by a windowed sinc.
fn resample(sound: &[i16], rate: u32) -> Vec<i16> {
    let step = f64::from(rate) / 16_000.0;
    let half = 16.0 * step.max(1.0);
    let length = (sound.len() as f64 / step) as usize;
    let sample = |at: usize| {
        let middle = at as f64 * step;
        let first = (middle - half).ceil().max(0.0) as usize;
        let last = ((middle + half) as usize).min(sound.len().saturating_sub(1));
        let mut sum = 0.0;
        for (place, heard) in sound.iter().enumerate().take(last + 1).skip(first) {
            let away = place as f64 - middle;
            let x = away / step.max(1.0) * std::f64::consts::PI;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            let window = 0.5 + 0.5 * (away / half * std::f64::consts::PI).cos();
            sum += f64::from(*heard) * sinc * window / step.max(1.0);
        }
        sum.clamp(-32768.0, 32767.0) as i16
    };
    (0..length).map(sample).collect()
}

/// The CPU time of this process in milliseconds: what a pass costs, however busy the machine is.
pub(crate) fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The memory of this process in bytes.
pub(crate) fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
