//! What follows from the eleven numbers at the head of a model: which tensors there must be, of which shape and kind.

use std::collections::BTreeMap;

use super::check::ModelFault;

/// The numbers at the head of a model, within what Whisper models are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) vocabulary: u64,
    pub(super) audio_context: u64,
    pub(super) state: u64,
    pub(super) audio_layers: u64,
    pub(super) text_context: u64,
    pub(super) text_layers: u64,
    pub(super) mels: u64,
    pub(super) kind: Kind,
}

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The number that stands for it before a tensor.
    pub(super) code: i32,
    /// How many values one block holds, and its bytes.
    values: u64,
    bytes: u64,
}

const F32: Kind = Kind {
    code: 0,
    values: 1,
    bytes: 4,
};
const F16: Kind = Kind {
    code: 1,
    values: 1,
    bytes: 2,
};

/// By the file's number for it: the kinds that whisper.cpp quantises to and that run on every machine.
const KINDS: &[(i32, Kind)] = &[
    (0, F32),
    (1, F16),
    (
        2,
        Kind {
            code: 2,
            values: 32,
            bytes: 18,
        },
    ),
    (
        3,
        Kind {
            code: 3,
            values: 32,
            bytes: 20,
        },
    ),
    (
        7,
        Kind {
            code: 8,
            values: 32,
            bytes: 34,
        },
    ),
    (
        8,
        Kind {
            code: 6,
            values: 32,
            bytes: 22,
        },
    ),
    (
        9,
        Kind {
            code: 7,
            values: 32,
            bytes: 24,
        },
    ),
    (
        10,
        Kind {
            code: 10,
            values: 256,
            bytes: 84,
        },
    ),
    (
        11,
        Kind {
            code: 11,
            values: 256,
            bytes: 110,
        },
    ),
    (
        12,
        Kind {
            code: 12,
            values: 256,
            bytes: 144,
        },
    ),
    (
        13,
        Kind {
            code: 13,
            values: 256,
            bytes: 176,
        },
    ),
    (
        14,
        Kind {
            code: 14,
            values: 256,
            bytes: 210,
        },
    ),
];

/// Quantised files carry the version of the quantisation times this; whisper.cpp 1.8 knows version 2.
const QUANTISATION: i32 = 1000;
const QUANTISATION_VERSION: i32 = 2;

impl Numbers {
    pub(super) fn new(raw: [i32; 11]) -> Result<Self, ModelFault> {
        let [
            vocabulary,
            audio_context,
            audio_state,
            audio_heads,
            audio_layers,
            text_context,
            text_state,
            text_heads,
            text_layers,
            mels,
            kind,
        ] = raw;
        let within = |what, number: i32, least: i32, most: i32| {
            if (least..=most).contains(&number) {
                Ok(u64::from(number.unsigned_abs()))
            } else {
                Err(ModelFault::Number { what, number })
            }
        };
        // 51 864 is English alone, 51 865 many languages, 51 866 Cantonese too. whisper.cpp counts languages by it.
        let vocabulary = within("vocabulary", vocabulary, 50_364, 51_866)?;
        let state = within("audio state", audio_state, 32, 1_280)?;
        let numbers = Self {
            vocabulary,
            audio_context: within("audio context", audio_context, 64, 1_500)?,
            state,
            audio_layers: within("audio layers", audio_layers, 1, 32)?,
            text_context: within("text context", text_context, 64, 448)?,
            text_layers: within("text layers", text_layers, 1, 32)?,
            mels: within("mel bands", mels, 80, 128)?,
            kind: stored(kind)?,
        };
        within("text state", text_state, audio_state, audio_state)?;
        for (what, heads) in [("audio heads", audio_heads), ("text heads", text_heads)] {
            let count = within(what, heads, 1, 20)?;
            if state % count != 0 {
                return Err(ModelFault::Number {
                    what,
                    number: heads,
                });
            }
        }
        if state % numbers.kind.values != 0 {
            return Err(ModelFault::Number {
                what: "audio state",
                number: audio_state,
            });
        }
        if mels != 80 && mels != 128 {
            return Err(ModelFault::Number {
                what: "mel bands",
                number: mels,
            });
        }
        Ok(numbers)
    }

    /// Every tensor by name.
    pub(super) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let state = self.state;
        // Convolutions are kept in halves where the rest is smaller than that.
        let convolution = if self.kind == F32 { F32 } else { F16 };
        let mut all = Tensors(BTreeMap::new());
        all.add(
            "encoder.positional_embedding",
            [state, self.audio_context, 1],
            2,
            F32,
        );
        all.add(
            "encoder.conv1.weight",
            [3, self.mels, state],
            3,
            convolution,
        );
        all.add("encoder.conv1.bias", [1, state, 1], 2, F32);
        all.add("encoder.conv2.weight", [3, state, state], 3, convolution);
        all.add("encoder.conv2.bias", [1, state, 1], 2, F32);
        all.norm("encoder.ln_post", state);
        for layer in 0..self.audio_layers {
            let block = format!("encoder.blocks.{layer}");
            all.attention(&block, "attn", state, self.kind);
            all.network(&block, state, self.kind);
        }
        all.add(
            "decoder.positional_embedding",
            [state, self.text_context, 1],
            2,
            F32,
        );
        all.add(
            "decoder.token_embedding.weight",
            [state, self.vocabulary, 1],
            2,
            self.kind,
        );
        all.norm("decoder.ln", state);
        for layer in 0..self.text_layers {
            let block = format!("decoder.blocks.{layer}");
            all.attention(&block, "attn", state, self.kind);
            all.attention(&block, "cross_attn", state, self.kind);
            all.network(&block, state, self.kind);
        }
        all.0
    }
}

fn stored(number: i32) -> Result<Kind, ModelFault> {
    let fault = ModelFault::Number {
        what: "kind of numbers",
        number,
    };
    let (version, code) = (number / QUANTISATION, number % QUANTISATION);
    let (_, kind) = KINDS
        .iter()
        .find(|(known, _)| *known == code)
        .ok_or(fault.clone())?;
    let sound = version == QUANTISATION_VERSION || version == 0 && kind.values == 1;
    if sound { Ok(*kind) } else { Err(fault) }
}

/// What a tensor must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its extents, the innermost first; those that it does not have are 1.
    pub(super) extents: [u64; 3],
    pub(super) dimensions: u64,
    pub(super) kind: Kind,
}

impl Tensor {
    /// Its data.
    pub(super) fn bytes(&self) -> u64 {
        // At most 51 866 × 1 280 values: far below any overflow.
        self.extents.iter().product::<u64>() / self.kind.values * self.kind.bytes
    }
}

struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    fn add(&mut self, name: &str, extents: [u64; 3], dimensions: u64, kind: Kind) {
        self.0.insert(
            name.to_owned(),
            Tensor {
                extents,
                dimensions,
                kind,
            },
        );
    }

    fn norm(&mut self, name: &str, state: u64) {
        self.add(&format!("{name}.weight"), [state, 1, 1], 1, F32);
        self.add(&format!("{name}.bias"), [state, 1, 1], 1, F32);
    }

    fn attention(&mut self, block: &str, which: &str, state: u64, kind: Kind) {
        self.norm(&format!("{block}.{which}_ln"), state);
        for part in ["query", "key", "value", "out"] {
            self.add(
                &format!("{block}.{which}.{part}.weight"),
                [state, state, 1],
                2,
                kind,
            );
            if part != "key" {
                self.add(
                    &format!("{block}.{which}.{part}.bias"),
                    [state, 1, 1],
                    1,
                    F32,
                );
            }
        }
    }

    fn network(&mut self, block: &str, state: u64, kind: Kind) {
        self.norm(&format!("{block}.mlp_ln"), state);
        self.add(
            &format!("{block}.mlp.0.weight"),
            [state, 4 * state, 1],
            2,
            kind,
        );
        self.add(&format!("{block}.mlp.0.bias"), [4 * state, 1, 1], 1, F32);
        self.add(
            &format!("{block}.mlp.2.weight"),
            [4 * state, state, 1],
            2,
            kind,
        );
        self.add(&format!("{block}.mlp.2.bias"), [state, 1, 1], 1, F32);
    }
}
