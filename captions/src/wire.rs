//! What the server and its caption workers say to each other over pipes. Either side opens with its version. Every length
//! is bounded by a constant of this file: what does not fit is an error when written and when read, never a large
//! allocation. Pure: bytes in, values out. `Debug` shows kinds and ids, never speech, names or keys.

mod bytes;
mod messages;
mod printed;

use std::fmt;
use std::io::{self, Read};

use crate::shown;

pub use messages::{
    Closing, Codec, Engine, FromRecogniser, FromTranslator, ToRecogniser, ToTranslator, Track,
};

/// The version of this page. A worker of another version ends with a line that says so.
pub const VERSION: u16 = 2;
/// How often the open words of a speaker are recognised anew when there is time, in milliseconds: what the server asks for.
pub const STEP_MS: u16 = 1000;
/// The most bytes of a frame after its length.
pub const MAX_FRAME: usize = 64 * 1024;
/// The most bytes of either text of a cue.
pub const MAX_CUE_TEXT: usize = 500;
/// The most bytes of one packet of audio: what an Ethernet frame carries.
pub const MAX_PAYLOAD: usize = 1500;
/// The most words and phrases that help a recogniser with one track, and the most bytes of one.
pub const MAX_HINTS: usize = 32;
/// See [`MAX_HINTS`].
pub const MAX_HINT: usize = 64;
/// The most bytes of a language tag (BCP 47 asks for 35).
pub const MAX_LANGUAGE: usize = 35;
/// The most languages that a model may know.
pub const MAX_LANGUAGES: usize = 256;
/// The most bytes of the path of a model, an address or a key.
pub const MAX_PATH: usize = 4096;
/// The most bytes of what a worker is called or why it ends.
pub const MAX_REASON: usize = 512;
/// The most texts of one request for translation.
pub const MAX_TEXTS: usize = 64;
/// The most bytes of a text to translate, or translated.
pub const MAX_TEXT: usize = 960;
/// The most pairs of languages of a translator: those that still fit into one frame.
pub const MAX_PAIRS: usize = 1024;

/// Why bytes are not a frame, or a value does not fit into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The frame is longer than [`MAX_FRAME`].
    #[error("a frame of {0} bytes is too long")]
    FrameTooLong(usize),
    /// The frame ends inside a field.
    #[error("a frame ends inside its {0}")]
    Truncated(&'static str),
    /// A field has more bytes or parts than it may have.
    #[error("the {0} of a frame is too long")]
    TooLong(&'static str),
    /// A text is not UTF-8.
    #[error("the {0} of a frame is not text")]
    NotText(&'static str),
    /// A text for a person holds what no one sees, or more than a line.
    #[error("the {0} of a frame is not a line of text")]
    NotLine(&'static str),
    /// A number stands for nothing.
    #[error("the {0} of a frame stands for nothing")]
    Unknown(&'static str),
    /// The frame goes on after its last field.
    #[error("a frame goes on after its end")]
    Trailing,
}

/// A message of one of the four directions.
pub trait Message: Sized + fmt::Debug {
    /// The bytes of the frame, its length first.
    ///
    /// # Errors
    /// A field is longer than it may be.
    fn encode(&self) -> Result<Vec<u8>, WireError>;

    /// The message in the bytes of a frame after its length.
    ///
    /// # Errors
    /// The bytes are no such frame.
    fn decode(frame: &[u8]) -> Result<Self, WireError>;
}

/// Puts frames together from whatever pieces a pipe yields. Holds at most one frame and what the last piece brought.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    read: usize,
}

impl Frames {
    /// Takes a piece.
    pub fn push(&mut self, piece: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole message, if there is one. Ask until there is none before the next piece. After an error the
    /// other side is not to be trusted with another byte.
    ///
    /// # Errors
    /// The next frame is too long or is not such a message.
    pub fn take<M: Message>(&mut self) -> Result<Option<M>, WireError> {
        let rest = self.buffer.get(self.read..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = frame_length(*head)?;
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let message = M::decode(frame)?;
        self.read += 4 + length;
        Ok(Some(message))
    }
}

/// Reads one message from a pipe, waiting for it; `None` where the pipe ends between two frames.
///
/// # Errors
/// The pipe fails or ends inside a frame, or what comes is not such a message (then `InvalidData` with a [`WireError`]).
pub fn read<M: Message>(pipe: &mut impl Read) -> io::Result<Option<M>> {
    let mut head = [0; 4];
    let mut have = 0;
    while have < head.len() {
        let rest = head.get_mut(have..).unwrap_or_default();
        match pipe.read(rest) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = frame_length(head).map_err(invalid)?;
    let mut frame = vec![0; length];
    pipe.read_exact(&mut frame)?;
    M::decode(&frame).map(Some).map_err(invalid)
}

/// A text as one line that a person may read in a log or on a page: no controls, nothing that is not seen, `most` bytes.
#[must_use]
pub fn line(raw: &str, most: usize) -> String {
    let seen = raw.chars().filter(|c| !shown::unseen(*c));
    let mut line: String = seen
        .map(|c| if shown::blank(c) { ' ' } else { c })
        .collect();
    line.truncate(line.floor_char_boundary(most));
    line
}

/// Whether a text is such a line.
fn is_line(text: &str) -> bool {
    text.chars()
        .all(|c| c == ' ' || !shown::blank(c) && !shown::unseen(c))
}

fn frame_length(head: [u8; 4]) -> Result<usize, WireError> {
    let length = u32::from_be_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(WireError::FrameTooLong(length));
    }
    Ok(length)
}

fn invalid(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads `data` as a frame of every direction and, where it is one, writes it again: the same bytes must come out.
/// Returns whether it was a frame of any. For the fuzzer.
#[must_use]
pub fn reads_and_writes(data: &[u8]) -> bool {
    again::<ToRecogniser>(data)
        | again::<FromRecogniser>(data)
        | again::<ToTranslator>(data)
        | again::<FromTranslator>(data)
}

fn again<M: Message>(data: &[u8]) -> bool {
    if data.len() > MAX_FRAME {
        return false;
    }
    let Ok(message) = M::decode(data) else {
        return false;
    };
    let written = message.encode();
    assert!(
        written.is_ok_and(|frame| frame.get(4..) == Some(data)),
        "a frame that was read is not written back as it was"
    );
    true
}

#[cfg(test)]
mod tests;
