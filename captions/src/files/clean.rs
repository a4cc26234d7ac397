//! What of a text, a name or an id may go into a file. Controls and line breaks become spaces; characters that turn the
//! direction of what stands beside them, that no one sees or that stand for nothing are dropped.

use crate::shown::{blank, unseen};

/// The most characters of a speaker's name in a file.
const MAX_NAME: usize = 64;
/// The most characters of one caption: the wire allows 500 bytes, a translation may be longer.
const MAX_TEXT: usize = 1_000;
/// The most characters of an id.
const MAX_ID: usize = 64;

/// A text on one line, with single spaces.
pub(super) fn text(raw: &str) -> String {
    squeeze(raw, MAX_TEXT)
}

/// A name on one line. Empty if nothing of it can be seen.
pub(super) fn name(raw: &str) -> String {
    squeeze(raw, MAX_NAME)
}

/// An id of plain characters, never one that begins another kind of block in WebVTT.
pub(super) fn id(raw: &str) -> String {
    let kept: String = raw
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(MAX_ID)
        .collect();
    let block = ["NOTE", "STYLE", "REGION", "WEBVTT"]
        .iter()
        .any(|word| kept.starts_with(word));
    // `--` could grow an arrow only with `>`, which is not kept.
    if block || kept.is_empty() {
        format!("c-{kept}")
    } else {
        kept
    }
}

/// What stands for a character where people's words are shown: itself, a space, or nothing.
pub fn shown(c: char) -> Option<char> {
    if blank(c) {
        Some(' ')
    } else {
        (!unseen(c)).then_some(c)
    }
}

fn squeeze(raw: &str, most: usize) -> String {
    let mut clean = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in raw.chars() {
        if blank(c) {
            gap = true;
            continue;
        }
        if unseen(c) {
            continue;
        }
        let needs = 1 + usize::from(gap && !clean.is_empty());
        if length + needs > most {
            break;
        }
        if needs == 2 {
            clean.push(' ');
        }
        clean.push(c);
        length += needs;
        gap = false;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::{id, name, text};

    #[test]
    fn what_no_one_can_see_is_not_kept() {
        assert_eq!(
            text("a\u{202E}b\u{2066}c\u{200B}d\u{E0041}e\u{FEFF}"),
            "abcde"
        );
        assert_eq!(text("\u{0}\n\r\u{85}\u{2028}"), "");
        assert_eq!(text("  one\r\n\r\n two\t\u{7}three  "), "one two three");
        assert_eq!(text("می\u{200C}خواهم"), "می\u{200C}خواهم");
    }

    #[test]
    fn a_name_has_64_characters_at_most_and_no_space_at_its_ends() {
        assert_eq!(name(&"é".repeat(500)).chars().count(), 64);
        assert_eq!(name(&format!("{} b", "a".repeat(63))), "a".repeat(63));
        assert_eq!(name("\u{202E}"), "");
    }

    #[test]
    fn an_id_begins_no_other_block() {
        assert_eq!(id("p-3.12"), "p-3.12");
        assert_eq!(id("NOTE --> x\n\ny"), "c-NOTE--xy");
        assert_eq!(id("STYLE"), "c-STYLE");
        assert_eq!(id("☃"), "c-");
    }
}
