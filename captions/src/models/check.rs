//! Reads the whole structure of a model file, as strictly as it was written: whisper.cpp believes the counts and lengths
//! that a file states, so only files whose every count is the one that must stand there reach it. The weights themselves
//! are numbers and can do no more than give wrong words.

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::shape::Numbers;

/// `ggml`, as a little-endian number.
const MAGIC: u32 = 0x6767_6d6c;
/// Bins of the spectrum that the mel filters are made for: those of windows of 400 samples.
const BINS: i32 = 201;
/// The longest token (published vocabularies have up to 128 bytes) and the longest name of a tensor.
const MAX_TOKEN: u32 = 512;
const MAX_NAME: i32 = 64;
/// How much is read at a time of what is only passed over.
const CHUNK: usize = 64 * 1024;

/// What a sound model file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the whole file.
    pub size: u64,
    /// Understands more than English.
    pub multilingual: bool,
    /// Layers of the encoder: 4 is called tiny, 6 base, 12 small, 24 medium, 32 large.
    pub layers: u32,
    /// How many tensors it holds.
    pub tensors: usize,
}

/// Why a file is not given to whisper.cpp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    /// It begins otherwise.
    #[error("this is not a model for whisper.cpp: it does not begin with `ggml`")]
    Magic,
    /// It ends too early.
    #[error("the file is cut short: it ends inside its {0}")]
    Cut(&'static str),
    /// A number at its head is not one of a Whisper model.
    #[error("the file is no Whisper model that can be used: its {what} is {number}")]
    Number {
        /// Which number.
        what: &'static str,
        /// What stands there.
        number: i32,
    },
    /// The mel filters are of another size or are not finite numbers.
    #[error("the file is damaged: its mel filters are wrong")]
    Filters,
    /// The vocabulary is too long, too short, has no word for a space or a token that is too long.
    #[error("the file is damaged: its vocabulary is wrong")]
    Vocabulary,
    /// A tensor that is unknown, there twice, or of another shape, kind or size than it must be.
    #[error("the file is damaged: its tensor {0} is wrong")]
    Tensor(usize),
    /// A tensor is not there.
    #[error("the file is damaged: it lacks `{0}`")]
    Missing(String),
    /// The disk failed.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

/// Reads a model to its end.
///
/// # Errors
/// The first fault.
pub fn check(file: impl Read) -> Result<Found, ModelFault> {
    let mut file = Bytes { file, read: 0 };
    if file.u32("head")? != MAGIC {
        return Err(ModelFault::Magic);
    }
    let mut raw = [0; 11];
    for number in &mut raw {
        *number = file.i32("head")?;
    }
    let numbers = Numbers::new(raw)?;
    filters(&mut file, &numbers)?;
    vocabulary(&mut file, &numbers)?;
    let tensors = tensors(&mut file, &numbers)?;
    Ok(Found {
        size: file.read,
        multilingual: numbers.vocabulary >= 51_865,
        layers: u32::try_from(numbers.audio_layers).unwrap_or(u32::MAX),
        tensors,
    })
}

fn filters(file: &mut Bytes<impl Read>, numbers: &Numbers) -> Result<(), ModelFault> {
    const PART: &str = "mel filters";
    let mels = u64::try_from(file.i32(PART)?);
    if mels != Ok(numbers.mels) || file.i32(PART)? != BINS {
        return Err(ModelFault::Filters);
    }
    for _ in 0..numbers.mels * u64::from(BINS.unsigned_abs()) {
        if !f32::from_bits(file.u32(PART)?).is_finite() {
            return Err(ModelFault::Filters);
        }
    }
    Ok(())
}

fn vocabulary(file: &mut Bytes<impl Read>, numbers: &Numbers) -> Result<(), ModelFault> {
    const PART: &str = "vocabulary";
    let count = u64::try_from(file.i32(PART)?).map_err(|_| ModelFault::Vocabulary)?;
    if count > numbers.vocabulary {
        return Err(ModelFault::Vocabulary);
    }
    // whisper.cpp looks the space up without asking whether it is there.
    let mut space = false;
    for _ in 0..count {
        let length = file.u32(PART)?;
        if length > MAX_TOKEN {
            return Err(ModelFault::Vocabulary);
        }
        let token = file.take(PART, length as usize)?;
        space |= token == b" ";
    }
    if space {
        Ok(())
    } else {
        Err(ModelFault::Vocabulary)
    }
}

fn tensors(file: &mut Bytes<impl Read>, numbers: &Numbers) -> Result<usize, ModelFault> {
    const PART: &str = "tensors";
    let expected = numbers.tensors();
    let mut seen = BTreeSet::new();
    while let Some(dimensions) = file.i32_or_end(PART)? {
        let wrong = ModelFault::Tensor(seen.len() + 1);
        let length = file.i32(PART)?;
        let code = file.i32(PART)?;
        if !(1..=3).contains(&dimensions) || !(1..=MAX_NAME).contains(&length) {
            return Err(wrong);
        }
        let mut extents = [1; 3];
        for extent in extents.iter_mut().take(dimensions.unsigned_abs() as usize) {
            *extent = u64::try_from(file.i32(PART)?).map_err(|_| wrong.clone())?;
        }
        let name = file.take(PART, length.unsigned_abs() as usize)?;
        let name = String::from_utf8(name).map_err(|_| wrong.clone())?;
        let tensor = expected.get(&name).ok_or(wrong.clone())?;
        let sound = tensor.extents == extents
            && tensor.dimensions == u64::from(dimensions.unsigned_abs())
            && tensor.kind.code == code
            && seen.insert(name);
        if !sound {
            return Err(wrong);
        }
        file.pass_over(PART, tensor.bytes())?;
    }
    match expected.into_keys().find(|name| !seen.contains(name)) {
        Some(missing) => Err(ModelFault::Missing(missing)),
        None => Ok(seen.len()),
    }
}

/// A reader that counts, and that says of which part the file ends inside.
struct Bytes<R> {
    file: R,
    read: u64,
}

impl<R: Read> Bytes<R> {
    fn exact(&mut self, part: &'static str, into: &mut [u8]) -> Result<(), ModelFault> {
        self.file
            .read_exact(into)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ModelFault::Cut(part),
                kind => ModelFault::Unreadable(kind),
            })?;
        self.read += into.len() as u64;
        Ok(())
    }

    fn u32(&mut self, part: &'static str) -> Result<u32, ModelFault> {
        let mut bytes = [0; 4];
        self.exact(part, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn i32(&mut self, part: &'static str) -> Result<i32, ModelFault> {
        self.u32(part).map(u32::cast_signed)
    }

    /// A number, or the proper end of the file.
    fn i32_or_end(&mut self, part: &'static str) -> Result<Option<i32>, ModelFault> {
        let mut first = [0; 1];
        loop {
            match self.file.read(&mut first) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ModelFault::Unreadable(error.kind())),
            }
        }
        self.read += 1;
        let mut rest = [0; 3];
        self.exact(part, &mut rest)?;
        let [a] = first;
        let [b, c, d] = rest;
        Ok(Some(i32::from_le_bytes([a, b, c, d])))
    }

    /// `length` bytes; the caller has bounded it.
    fn take(&mut self, part: &'static str, length: usize) -> Result<Vec<u8>, ModelFault> {
        let mut bytes = vec![0; length];
        self.exact(part, &mut bytes)?;
        Ok(bytes)
    }

    fn pass_over(&mut self, part: &'static str, bytes: u64) -> Result<(), ModelFault> {
        let mut left = bytes;
        let mut chunk = vec![0; CHUNK];
        while left > 0 {
            let now = left.min(CHUNK as u64) as usize;
            if let Some(into) = chunk.get_mut(..now) {
                self.exact(part, into)?;
            }
            left -= now as u64;
        }
        Ok(())
    }
}
