//! Whether a file is a translation model before its reader sees it. The reader allocates what a header says and looks up
//! what it assumes to be there; so counts, sizes and the numbers of the description are bounded here, and every tensor has
//! the bytes that its shape needs.

/// Tensors of a model; published ones have some 300.
const MOST_ITEMS: u64 = 4096;
/// The longest name of a tensor, and of a list of its sizes.
const LONGEST_NAME: u64 = 256;
const MOST_SIZES: u64 = 4;
/// The largest size in one direction, and in all.
const LARGEST: i32 = 1 << 20;
const MOST_VALUES: u64 = 1 << 30;
/// The longest description.
const LONGEST_TEXT: u64 = 64 * 1024;
/// Where the description stands.
const DESCRIPTION: &str = "special:model.yml";

/// What a description may say, with the largest value that is believed.
const NUMBERS: &[(&str, usize)] = &[
    ("dim-emb", 4096),
    ("transformer-heads", 64),
    ("enc-depth", 64),
    ("dec-depth", 64),
    ("transformer-dim-ffn", 32_768),
    ("dim-vocabs", 1 << 20),
];

struct Item {
    name_length: u64,
    kind: u64,
    sizes: u64,
    length: u64,
}

/// Reads a file to its end.
///
/// # Errors
/// It is none; says where.
pub(super) fn check(file: &[u8]) -> Result<(), &'static str> {
    let mut rest = Rest(file);
    if rest.number()? != 1 {
        return Err("it is no model in Marian's binary form");
    }
    let count = rest.number()?;
    if count == 0 || count > MOST_ITEMS {
        return Err("it counts too many tensors, or none");
    }
    let mut items = Vec::new();
    for _ in 0..count {
        let item = Item {
            name_length: rest.number()?,
            kind: rest.number()?,
            sizes: rest.number()?,
            length: rest.number()?,
        };
        if item.name_length > LONGEST_NAME || item.sizes == 0 || item.sizes > MOST_SIZES {
            return Err("a tensor has too long a name or too many directions");
        }
        items.push(item);
    }
    let mut names = Vec::new();
    for item in &items {
        let name = rest.take(item.name_length)?;
        let end = name.iter().position(|byte| *byte == 0);
        names.push(name.get(..end.unwrap_or(name.len())).unwrap_or_default());
    }
    for item in &items {
        let mut values = 1_u64;
        for _ in 0..item.sizes {
            let size = rest.size()?;
            if !(1..=LARGEST).contains(&size) {
                return Err("a tensor has an impossible size");
            }
            values = values.saturating_mul(u64::from(size.unsigned_abs()));
        }
        if values > MOST_VALUES || item.length < bytes_of(item.kind, values)? {
            return Err("a tensor has less data than its sizes need");
        }
    }
    let gap = rest.number()?;
    rest.take(gap)?;
    let mut described = false;
    for (item, name) in items.iter().zip(&names) {
        let data = rest.take(item.length)?;
        if *name == DESCRIPTION.as_bytes() {
            described = true;
            if item.length > LONGEST_TEXT {
                return Err("its description is too long");
            }
            description(&String::from_utf8_lossy(data))?;
        }
    }
    if described {
        Ok(())
    } else {
        Err("it does not describe itself")
    }
}

/// How many bytes so many values of a kind need.
fn bytes_of(kind: u64, values: u64) -> Result<u64, &'static str> {
    match kind {
        // Bytes, of which some are text.
        0x101 | 0x201 => Ok(values),
        // Bytes, then what they are multiplied by.
        0x4101 => Ok(values.saturating_add(4)),
        0x404 => Ok(values.saturating_mul(4)),
        _ => Err("a tensor is of an unknown kind"),
    }
}

fn description(text: &str) -> Result<(), &'static str> {
    let mut heads = 1;
    let mut width = 0;
    for line in text.lines() {
        for (key, most) in NUMBERS {
            let value = line.trim().strip_prefix(key).map(str::trim);
            let value = value.and_then(|value| value.strip_prefix(':'));
            let Some(Ok(number)) = value.map(|value| value.trim().parse::<usize>()) else {
                continue;
            };
            if number == 0 || number > *most {
                return Err("its description states impossible sizes");
            }
            match *key {
                "dim-emb" => width = number,
                "transformer-heads" => heads = number,
                _ => {}
            }
        }
    }
    if width < 4 || width % 2 != 0 || width % heads != 0 {
        return Err("its description states sizes that do not fit together");
    }
    Ok(())
}

/// What is left of a file.
struct Rest<'a>(&'a [u8]);

const SHORT: &str = "it ends too early";

impl<'a> Rest<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(length).map_err(|_| SHORT)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_le_bytes)
    }

    fn size(&mut self) -> Result<i32, &'static str> {
        self.array().map(i32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn junk_is_an_error_and_never_a_panic(mut junk in prop::collection::vec(any::<u8>(), 0..300), begins in any::<bool>()) {
            if begins {
                junk.splice(0..0, 1_u64.to_le_bytes());
            }
            prop_assert!(check(&junk).is_err());
        }
    }

    #[test]
    fn a_description_is_held_to_what_models_are() {
        let sound = "dim-emb: 64\ntransformer-heads: 8\nenc-depth: 2\ndim-vocabs:\n  - 32000\n";
        assert!(description(sound).is_ok());
        for (part, other) in [
            ("dim-emb: 64", "dim-emb: 99999999999"),
            ("dim-emb: 64", "dim-emb: 62"),
            ("heads: 8", "heads: 0"),
            ("enc-depth: 2", "enc-depth: 1000000"),
            ("dim-emb: 64\n", ""),
        ] {
            assert!(description(&sound.replace(part, other)).is_err(), "{other}");
        }
    }
}
