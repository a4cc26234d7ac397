//! One finished caption as it goes into a file: who, when, what. The constructor cleans every text once, so that the
//! writers need only escape.

use super::clean::{id, name, text};

/// The most captions of one file: eight hours of one a second.
pub const MAX_ENTRIES: usize = 28_800;

/// The latest start of a caption: what two digits of hours can say, with room for the longest hold.
pub(super) const LATEST_MS: u64 = 99 * 3_600_000;

/// A finished caption. Its texts hold no control, direction or other invisible character and no line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) id: String,
    pub(super) speaker: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) text: String,
}

impl Entry {
    /// A caption, or none if nothing of `said` can be read. `key` is stable for the caption (such as `speaker-n`): of it
    /// stay ASCII letters, digits, `-`, `_` and `.`. Times are milliseconds from the beginning of the file.
    #[must_use]
    pub fn new(key: &str, speaker: &str, start_ms: u64, end_ms: u64, said: &str) -> Option<Self> {
        let text = text(said);
        if text.is_empty() {
            return None;
        }
        let start_ms = start_ms.min(LATEST_MS);
        Some(Self {
            id: id(key),
            speaker: name(speaker),
            start_ms,
            end_ms: end_ms.clamp(start_ms, LATEST_MS),
            text,
        })
    }
}

/// Captions in the order of their starts, those of the same moment in the order given; no more than a file may hold.
pub(super) fn in_order(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().take(MAX_ENTRIES).collect();
    sorted.sort_by_key(|entry| entry.start_ms);
    sorted
}
