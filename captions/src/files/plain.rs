//! Plain text: one caption to a line, with its time and its speaker.

use std::fmt::Write as _;

use super::entry::{Entry, in_order};

/// One whole file.
#[must_use]
pub fn txt(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in in_order(entries) {
        let seconds = entry.start_ms / 1000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let _ = write!(text, "[{hours:02}:{minutes:02}:{:02}] ", seconds % 60);
        if !entry.speaker.is_empty() {
            let _ = write!(text, "{}: ", entry.speaker);
        }
        let _ = writeln!(text, "{}", entry.text);
    }
    text
}
