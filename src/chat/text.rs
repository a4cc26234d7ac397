//! What a message may be made of: composed Unicode of a bounded length, without anything that hides, reorders or stacks
//! characters. A link is text like any other, and markup is never read.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroize;

/// How many characters a message has at most.
pub const MAX_CHARS: usize = 2000;
/// How many words a search has at most, and how many characters in all.
pub const MAX_WORDS: usize = 8;
/// Lines in a row that stay empty.
const MAX_EMPTY: usize = 1;
/// Marks upon one letter. Living scripts use up to three.
const MAX_MARKS: usize = 3;

/// What someone wrote, as everyone is shown it.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct ChatText(String);

impl ChatText {
    /// Reads a message. Hidden characters go, but for line breaks and for what joins letters or picks a look of the one
    /// before; `hidden` says which they are. Nothing when nothing is left, or too much.
    pub fn parse(text: &str, hidden: fn(char) -> bool) -> Option<Self> {
        let mut kept = String::with_capacity(text.len());
        let (mut before, mut marks) = (Before::Space, 0_usize);
        // Composed only once nothing stands between a letter and its mark any more.
        let shown = text
            .chars()
            .filter(|c| Before::of(*c, hidden) != Before::Hidden);
        for c in shown.nfc() {
            let now = Before::of(c, hidden);
            let keep = match now {
                Before::Hidden => false,
                Before::Joiner => matches!(before, Before::Visible | Before::Selector),
                Before::Selector => before == Before::Visible,
                Before::Visible if is_combining_mark(c) => {
                    marks = marks.saturating_add(1);
                    before != Before::Space && marks <= MAX_MARKS
                }
                Before::Visible | Before::Space => {
                    marks = 0;
                    true
                }
            };
            if keep {
                kept.push(if now == Before::Space && c != '\n' {
                    ' '
                } else {
                    c
                });
                before = now;
            }
        }
        let kept = trimmed(&kept);
        let length = kept.chars().take(MAX_CHARS.saturating_add(1)).count();
        (1..=MAX_CHARS).contains(&length).then_some(Self(kept))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for ChatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The words of a search, as [`matches`] wants them. Nothing when there are none or too many.
pub fn words(search: &str) -> Option<Vec<String>> {
    let words: Vec<String> = search
        .split_whitespace()
        .take(MAX_WORDS.saturating_add(1))
        .map(folded)
        .collect();
    (1..=MAX_WORDS).contains(&words.len()).then_some(words)
}

/// Whether every word occurs in the text, whatever the case.
pub fn matches(text: &str, words: &[String]) -> bool {
    let text = folded(text);
    words.iter().all(|word| text.contains(word.as_str()))
}

/// Composed again after the case is taken away: that may leave a letter and its mark apart.
fn folded(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// What stands before a character, and what a character is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Space,
    Visible,
    /// Joins what is left and right of it: scripts and pictures are written with it.
    Joiner,
    /// Picks a look of the character before.
    Selector,
    Hidden,
}

impl Before {
    fn of(c: char, hidden: fn(char) -> bool) -> Self {
        match c {
            '\n' | '\t' => Self::Space,
            '\u{200c}' | '\u{200d}' => Self::Joiner,
            '\u{fe0e}' | '\u{fe0f}' => Self::Selector,
            _ if hidden(c) => Self::Hidden,
            _ if c.is_whitespace() => Self::Space,
            _ => Self::Visible,
        }
    }
}

/// Without spaces at the ends of lines, empty lines at the ends of the text, and more than one of them in a row.
fn trimmed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0_usize;
    for line in text.trim().split('\n').map(str::trim_end) {
        if line.is_empty() {
            empty = empty.saturating_add(1);
            if empty > MAX_EMPTY {
                continue;
            }
        } else {
            empty = 0;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As names have it, in short.
    fn hidden(c: char) -> bool {
        c.is_control()
            || matches!(u32::from(c), 0xAD | 0x61C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
                | 0xFE00..=0xFE0F | 0xFEFF | 0xE0000..=0x10FFFF)
    }

    fn parse(text: &str) -> Option<String> {
        ChatText::parse(text, hidden).map(ChatText::into_string)
    }

    #[test]
    fn what_people_write_is_kept() {
        for text in [
            "Agenda: https://example.org/?a=<b>&c=\"d\"",
            "first line\n\nsecond line",
            "نمی\u{200c}خواهم",
            "family 👩\u{200d}❤\u{fe0f}\u{200d}👨 and a heart ❤\u{fe0f}",
            "नरेन्द्र, שָׁלוֹם, Łukasz",
            "👍",
        ] {
            let composed: String = text.nfc().collect();
            assert_eq!(parse(text), Some(composed));
        }
    }

    #[test]
    fn what_hides_or_reorders_goes_and_the_rest_stays() {
        assert_eq!(
            parse("pay\u{202e}0001\u{202c} now").as_deref(),
            Some("pay0001 now")
        );
        assert_eq!(
            parse("a\u{0}b\u{1b}[31mc\r\nd").as_deref(),
            Some("ab[31mc\nd")
        );
        assert_eq!(parse("a\u{200b}\u{2066}b\u{feff}").as_deref(), Some("ab"));
        assert_eq!(
            parse("\u{200d}a \u{200d}b\u{200d}\u{200d}c\u{fe0f}\u{fe0f}").as_deref(),
            Some("a b\u{200d}c\u{fe0f}")
        );
        assert_eq!(parse("a\tb\u{3000}c").as_deref(), Some("a b c"));
    }

    #[test]
    fn nothing_is_stacked_and_nothing_scrolls_the_others_away() {
        let stack = format!("x{}", "\u{335}".repeat(50));
        assert_eq!(parse(&stack).unwrap().chars().count(), 1 + MAX_MARKS);
        assert_eq!(parse("\u{335}a").as_deref(), Some("a"));
        assert_eq!(
            parse(&format!("a{}b", "\n".repeat(500))).as_deref(),
            Some("a\n\nb")
        );
    }

    #[test]
    fn a_message_has_at_least_one_character_and_at_most_2000() {
        for empty in ["", "  \n\t ", "\u{202e}\u{200b}", "\u{200d}"] {
            assert_eq!(parse(empty), None);
        }
        assert!(parse(&"ж".repeat(2000)).is_some());
        assert!(parse(&"ж".repeat(2001)).is_none());
        assert!(parse(&"x".repeat(1_000_000)).is_none());
    }

    #[test]
    fn a_search_finds_all_its_words_whatever_the_case() {
        let found = |text: &str, search: &str| matches(text, &words(search).unwrap());
        assert!(found("The Budget for ÉTÉ", "été budget"));
        assert!(found("e\u{301}te", "ÉTE"));
        assert!(!found("The Budget", "budget plan"));
        assert!(found("100%_sure", "%_"));
        assert!(!found("anything", "%"));
        assert_eq!(words("  "), None);
        assert_eq!(words(&"a ".repeat(9)), None);
    }

    proptest! {
        #[test]
        fn what_was_kept_is_kept_again_unchanged(text in "(\\PC|[\\n\\t\u{200d}\u{fe0f}\u{202e}\u{301}]){0,60}") {
            if let Some(kept) = parse(&text) {
                let again = parse(&kept);
                prop_assert_eq!(again.as_ref(), Some(&kept));
                let allowed = ['\n', '\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];
                let clean = kept.chars().all(|c| allowed.contains(&c) || !hidden(c));
                prop_assert!(clean);
            }
        }
    }
}
