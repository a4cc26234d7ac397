//! The files that finished captions become: WebVTT, SubRip, plain text, JSON, and WebVTT in segments for streams. What
//! people said or are called is data in all of them: no tag, arrow, control or direction character of it has an effect.
//! Pure: captions in, text out; no file, clock or socket.

mod clean;
mod entry;
mod json;
mod layout;
mod plain;
mod srt;
mod stamp;
mod strict;
mod vtt;

pub use clean::shown;
pub use entry::{Entry, MAX_ENTRIES};
pub use json::json;
pub use layout::{Cue, lay_out};
pub use plain::txt;
pub use srt::srt;
pub use strict::{ReadCue, VttFault, read_vtt};
pub use vtt::{Period, TimestampMap, segment, vtt};

#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;
