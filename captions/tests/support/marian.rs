//! Translation models with random weights in Marian's binary form, quantised as Firefox's are, with their vocabulary:
//! everything about them is real but the words.

use std::fs;
use std::path::Path;

pub(crate) const WIDTH: usize = 32;
const INNER: usize = 64;
const ENCODERS: usize = 2;
const DECODERS: usize = 2;
/// `</s>`, `<unk>`, letters and signs with and without a space before them.
const PIECES: &str = "abcdefghijklmnopqrstuvwxyz.,!?é你好";

/// One tensor: its name, kind, sizes and data.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) sizes: Vec<i32>,
    pub(crate) data: Vec<u8>,
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }
}

pub(crate) fn pieces() -> Vec<String> {
    let mut pieces = vec!["</s>".to_owned(), "<unk>".to_owned(), "\u{2581}".to_owned()];
    for letter in PIECES.chars() {
        pieces.push(letter.to_string());
        pieces.push(format!("\u{2581}{letter}"));
    }
    pieces
}

/// A vocabulary of SentencePiece, as its protobuf has it.
pub(crate) fn vocabulary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, piece) in pieces().iter().enumerate() {
        let mut message = vec![0x0A, u8::try_from(piece.len()).unwrap()];
        message.extend(piece.as_bytes());
        message.push(0x15);
        message.extend((-1.0 - at as f32 / 10.0).to_le_bytes());
        message.extend([0x18, [3, 2, 1][at.min(2)]]);
        bytes.extend([0x0A, u8::try_from(message.len()).unwrap()]);
        bytes.extend(message);
    }
    bytes
}

pub(crate) fn description() -> String {
    format!(
        "bert-train-type-embeddings: true\ndec-depth: {DECODERS}\ndim-emb: {WIDTH}\ndim-vocabs:\n  - {0}\n  - {0}\nenc-depth: {ENCODERS}\ntransformer-dim-ffn: {INNER}\ntransformer-heads: 4\nversion: v1\n",
        pieces().len()
    )
}

/// Every tensor of a model.
pub(crate) fn items(seed: u64) -> Vec<Item> {
    let mut chance = Chance(seed | 1);
    let mut items = Vec::new();
    let floats = |name: String, values: Vec<f32>| {
        let sizes = vec![1, i32::try_from(values.len()).unwrap()];
        let data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Item {
            name,
            kind: 0x404,
            sizes,
            data,
        }
    };
    let mut weight = |items: &mut Vec<Item>, name: String, rows: usize, columns: usize| {
        let mut data: Vec<u8> = (0..rows * columns).map(|_| chance.byte()).collect();
        data.extend(200.0_f32.to_le_bytes());
        data.resize(data.len().next_multiple_of(64), 0);
        let sizes = vec![
            i32::try_from(rows).unwrap(),
            i32::try_from(columns).unwrap(),
        ];
        items.push(Item {
            name,
            kind: 0x4101,
            sizes,
            data,
        });
    };
    let embedding = pieces().len();
    weight(&mut items, "Wemb".into(), embedding, WIDTH);
    items.push(floats("none_QuantMultA".into(), vec![20.0]));
    // It says letters only and never finds an end by itself: the longest that a model can say.
    let mut ends = vec![0.0; embedding];
    ends[..3].fill(-1e9);
    items.push(floats("decoder_ff_logit_out_b".into(), ends));
    let mut block =
        |items: &mut Vec<Item>, base: &str, weights: &[(&str, &str, usize, usize)], norm: &str| {
            for (name, bias, rows, columns) in weights {
                let name = format!("{base}_{name}");
                weight(items, name.clone(), *rows, *columns);
                items.push(floats(format!("{name}_QuantMultA"), vec![20.0]));
                if !bias.is_empty() {
                    items.push(floats(format!("{base}_{bias}"), vec![0.1; *columns]));
                }
            }
            items.push(floats(format!("{base}_{norm}_ln_scale"), vec![1.0; WIDTH]));
            items.push(floats(format!("{base}_{norm}_ln_bias"), vec![0.0; WIDTH]));
        };
    let attention = [
        ("Wq", "bq", WIDTH, WIDTH),
        ("Wk", "bk", WIDTH, WIDTH),
        ("Wv", "bv", WIDTH, WIDTH),
        ("Wo", "bo", WIDTH, WIDTH),
    ];
    let inner = [("W1", "b1", WIDTH, INNER), ("W2", "b2", INNER, WIDTH)];
    let recurrent = [("W", "", WIDTH, WIDTH), ("Wf", "bf", WIDTH, WIDTH)];
    for layer in 1..=ENCODERS {
        block(
            &mut items,
            &format!("encoder_l{layer}_self"),
            &attention,
            "Wo",
        );
        block(&mut items, &format!("encoder_l{layer}_ffn"), &inner, "ffn");
    }
    for layer in 1..=DECODERS {
        block(
            &mut items,
            &format!("decoder_l{layer}_rnn"),
            &recurrent,
            "ffn",
        );
        block(
            &mut items,
            &format!("decoder_l{layer}_context"),
            &attention,
            "Wo",
        );
        block(&mut items, &format!("decoder_l{layer}_ffn"), &inner, "ffn");
    }
    let text = description().into_bytes();
    items.push(Item {
        name: "special:model.yml".into(),
        kind: 0x101,
        sizes: vec![i32::try_from(text.len()).unwrap()],
        data: text,
    });
    items
}

pub(crate) fn file(items: &[Item]) -> Vec<u8> {
    let mut bytes = 1_u64.to_le_bytes().to_vec();
    let number = |bytes: &mut Vec<u8>, value: usize| bytes.extend((value as u64).to_le_bytes());
    number(&mut bytes, items.len());
    for item in items {
        number(&mut bytes, item.name.len() + 1);
        bytes.extend(item.kind.to_le_bytes());
        number(&mut bytes, item.sizes.len());
        number(&mut bytes, item.data.len());
    }
    for item in items {
        bytes.extend(item.name.as_bytes());
        bytes.push(0);
    }
    for item in items {
        bytes.extend(item.sizes.iter().flat_map(|size| size.to_le_bytes()));
    }
    let gap = (bytes.len() + 8).next_multiple_of(256) - (bytes.len() + 8);
    number(&mut bytes, gap);
    bytes.resize(bytes.len() + gap, 0);
    for item in items {
        bytes.extend(&item.data);
    }
    bytes
}

/// A pair in a folder of models, as an operator puts it there.
pub(crate) fn put(models: &Path, pair: &str, model: &[u8], vocabulary: &[u8]) {
    let folder = models.join(pair);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("model.random.intgemm.alphas.bin"), model).unwrap();
    fs::write(folder.join("vocab.random.spm"), vocabulary).unwrap();
}
