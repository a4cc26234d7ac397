//! Models with random weights in whisper.cpp's format: everything about them is real but the words. Written to the target
//! folder when first asked for.

use std::path::{Path, PathBuf};

use super::meeting_model;

/// The shape of a model, stored as q8_0.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) state: i32,
    pub(crate) heads: i32,
    pub(crate) layers: i32,
}

/// 8 MB, for tests of everything around the words.
pub(crate) const SMALLEST: Shape = Shape {
    name: "smallest",
    state: 64,
    heads: 2,
    layers: 1,
};
pub(crate) const TINY: Shape = Shape {
    name: "tiny",
    state: 384,
    heads: 6,
    layers: 4,
};
pub(crate) const BASE: Shape = Shape {
    name: "base",
    state: 512,
    heads: 8,
    layers: 6,
};

const VOCABULARY: i32 = 51_865;
const AUDIO: i32 = 1500;
const TEXT: i32 = 448;

/// The path of a model of this shape.
pub(crate) fn model(shape: Shape) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("random-{}.bin", shape.name));
    if !path.exists() {
        let unfinished = folder.join(format!("random-{}.{}", shape.name, std::process::id()));
        std::fs::write(&unfinished, bytes(shape)).unwrap();
        std::fs::rename(&unfinished, &path).unwrap();
    }
    path
}

pub(crate) fn bytes(shape: Shape) -> Vec<u8> {
    let Shape {
        state,
        heads,
        layers,
        ..
    } = shape;
    let mut file = File {
        bytes: b"lmgg".to_vec(),
        seed: 0x9e37_79b9_7f4a_7c15,
    };
    for number in [
        VOCABULARY, AUDIO, state, heads, layers, TEXT, state, heads, layers, 80, 2007,
    ] {
        file.number(number);
    }
    // The mel filters are the same for all of them.
    let donor = std::fs::read(meeting_model()).unwrap();
    file.bytes
        .extend_from_slice(&donor[48..48 + 8 + 80 * 201 * 4]);
    let words: Vec<_> = (0..50_257_u32).map(word).collect();
    file.number(i32::try_from(words.len()).unwrap());
    for word in words {
        file.number(i32::try_from(word.len()).unwrap());
        file.bytes.extend_from_slice(word.as_bytes());
    }
    file.plain("encoder.positional_embedding", &[AUDIO, state]);
    file.halves("encoder.conv1.weight", &[state, 80, 3]);
    file.plain("encoder.conv1.bias", &[state, 1]);
    file.halves("encoder.conv2.weight", &[state, state, 3]);
    file.plain("encoder.conv2.bias", &[state, 1]);
    for layer in 0..layers {
        file.block(&format!("encoder.blocks.{layer}"), state, &["attn"]);
    }
    file.norm("encoder.ln_post", state);
    file.plain("decoder.positional_embedding", &[TEXT, state]);
    file.blocks("decoder.token_embedding.weight", &[VOCABULARY, state]);
    for layer in 0..layers {
        file.block(
            &format!("decoder.blocks.{layer}"),
            state,
            &["attn", "cross_attn"],
        );
    }
    file.norm("decoder.ln", state);
    file.bytes
}

/// Words of some length, each with a space before it as real ones have, and a space among them.
fn word(id: u32) -> String {
    if id == 220 {
        return " ".into();
    }
    let letters = "etaoinshrdlu".as_bytes();
    let mut word = String::from(" ");
    let mut rest = id;
    loop {
        word.push(char::from(letters[(rest % 12) as usize]));
        rest /= 12;
        if rest == 0 {
            return word;
        }
    }
}

struct File {
    bytes: Vec<u8>,
    seed: u64,
}

impl File {
    fn number(&mut self, number: i32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn head(&mut self, name: &str, shape: &[i32], kind: i32) -> usize {
        self.number(i32::try_from(shape.len()).unwrap());
        self.number(i32::try_from(name.len()).unwrap());
        self.number(kind);
        for extent in shape.iter().rev() {
            self.number(*extent);
        }
        self.bytes.extend_from_slice(name.as_bytes());
        usize::try_from(shape.iter().product::<i32>()).unwrap()
    }

    fn plain(&mut self, name: &str, shape: &[i32]) {
        for _ in 0..self.head(name, shape, 0) {
            let value = (self.random() % 2001) as f32 / 1000.0 - 1.0;
            self.bytes.extend_from_slice(&(value * 0.1).to_le_bytes());
        }
    }

    /// A layer's norm keeps the size of what goes through it.
    fn norm(&mut self, name: &str, state: i32) {
        for _ in 0..self.head(&format!("{name}.weight"), &[state], 0) {
            self.bytes.extend_from_slice(&1.0_f32.to_le_bytes());
        }
        self.plain(&format!("{name}.bias"), &[state]);
    }

    fn halves(&mut self, name: &str, shape: &[i32]) {
        for _ in 0..self.head(name, shape, 1) {
            // A half between 1/128 and 1/64, of either sign.
            let bits = 0x2000 | (self.random() & 0x83ff) as u16;
            self.bytes.extend_from_slice(&bits.to_le_bytes());
        }
    }

    /// q8_0: a half for the scale, then 32 signed bytes.
    fn blocks(&mut self, name: &str, shape: &[i32]) {
        for _ in 0..self.head(name, shape, 8) / 32 {
            self.bytes.extend_from_slice(&0x1000_u16.to_le_bytes());
            for _ in 0..4 {
                let bytes = self.random().to_le_bytes();
                self.bytes.extend_from_slice(&bytes);
            }
        }
    }

    fn block(&mut self, name: &str, state: i32, attentions: &[&str]) {
        for attention in attentions {
            for part in ["query", "key", "value", "out"] {
                self.blocks(
                    &format!("{name}.{attention}.{part}.weight"),
                    &[state, state],
                );
                if part != "key" {
                    self.plain(&format!("{name}.{attention}.{part}.bias"), &[state]);
                }
            }
            self.norm(&format!("{name}.{attention}_ln"), state);
        }
        self.blocks(&format!("{name}.mlp.0.weight"), &[4 * state, state]);
        self.plain(&format!("{name}.mlp.0.bias"), &[4 * state]);
        self.blocks(&format!("{name}.mlp.2.weight"), &[state, 4 * state]);
        self.plain(&format!("{name}.mlp.2.bias"), &[state]);
        self.norm(&format!("{name}.mlp_ln"), state);
    }
}
