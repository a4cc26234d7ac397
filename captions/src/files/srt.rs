//! SubRip. It has no escapes, and players read tags, `{…}` codes and `\N` in it: what could be one becomes a character
//! that looks alike.

use std::fmt::Write as _;

use super::layout::Cue;
use super::stamp::stamp;

/// One whole file.
#[must_use]
pub fn srt(cues: &[Cue]) -> String {
    let mut text = String::new();
    for (n, cue) in cues.iter().enumerate() {
        let (start, end) = (stamp(cue.start_ms, ','), stamp(cue.end_ms, ','));
        let _ = writeln!(text, "{}\n{start} --> {end}", n + 1);
        if !cue.speaker.is_empty() {
            let _ = write!(text, "{}: ", inert(&cue.speaker));
        }
        for line in &cue.lines {
            let _ = writeln!(text, "{}", inert(line));
        }
        text.push('\n');
    }
    text
}

fn inert(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '{' => '(',
            '}' => ')',
            '\\' => '∖',
            other => other,
        })
        .collect()
}
