//! Names that people show. Whatever hides, reorders or stacks characters is refused, so that a name is what it looks like.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::GeneralSecurityProfile;
use unicode_security::general_security_profile::IdentifierType;
use zeroize::Zeroize;

const MAX_CHARS: usize = 64;
/// A letter with its marks, before it is composed.
const MAX_CHAR_BYTES: usize = 16;
/// Marks upon one letter. Living scripts use up to three.
const MAX_MARKS: usize = 3;

/// A name of 1 to 64 characters, in Unicode's composed form.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct DisplayName(String);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("a name has at least one letter or digit")]
    Empty,
    /// It is too long.
    #[error("that is too long")]
    TooLong,
    /// It has characters that cannot be seen, or that change how others are shown.
    #[error("a name has no invisible or reordering characters")]
    Hidden,
    /// It stacks too many marks.
    #[error("a name has no stacks of accents")]
    Marks,
}

impl DisplayName {
    /// Reads a name. Spaces at the ends go, spaces in a row become one.
    ///
    /// # Errors
    /// When it breaks a rule.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        tidy(text, MAX_CHARS).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A single line that people show each other, with the rules of a name and a length of its own.
pub(crate) fn tidy(text: &str, max_chars: usize) -> Result<String, NameError> {
    // Read before anything is normalised, so that the work is bounded. No character of a name takes more.
    if text.len() > max_chars.saturating_mul(MAX_CHAR_BYTES) {
        return Err(NameError::TooLong);
    }
    let composed: String = text.nfc().collect();
    let line = composed.split_whitespace().collect::<Vec<_>>().join(" ");
    // Newlines and tabs are white space, but nobody types them into a name by mistake.
    if composed.chars().any(is_hidden) {
        return Err(NameError::Hidden);
    }
    if line.chars().count() > max_chars {
        return Err(NameError::TooLong);
    }
    if !line.chars().any(char::is_alphanumeric) {
        return Err(NameError::Empty);
    }
    let mut marks = 0_usize;
    for (at, c) in line.chars().enumerate() {
        marks = if is_combining_mark(c) {
            marks.saturating_add(1)
        } else {
            0
        };
        if marks > MAX_MARKS || (at == 0 && marks > 0) {
            return Err(NameError::Marks);
        }
    }
    Ok(line)
}

/// Characters that take no place, fill a place invisibly, steer direction, or have no agreed look.
pub(crate) fn is_hidden(c: char) -> bool {
    let no_look = matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    // An empty Braille cell, and what stands for something that could not be shown, are symbols in those tables.
    no_look
        || c.identifier_type() == Some(IdentifierType::Default_Ignorable)
        || matches!(c, '\u{2800}' | '\u{fffc}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, NameError> {
        DisplayName::parse(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_of_many_scripts_are_kept() {
        for name in [
            "First Member",
            "Łukasz",
            "山田太郎",
            "محمد",
            "नरेन्द्र",
            "שָׁלוֹם",
            "O'Neill-Smith 3rd",
            "Ana 🎉",
        ] {
            assert_eq!(
                parse(name).as_deref(),
                Ok(name.nfc().collect::<String>().as_str())
            );
        }
    }

    #[test]
    fn a_name_is_composed_and_its_spaces_are_tidied() {
        assert_eq!(parse("  e\u{301}va   b ").as_deref(), Ok("\u{e9}va b"));
        assert_eq!(parse("a\u{3000}b").as_deref(), Ok("a b"));
    }

    #[test]
    fn reordering_and_invisible_characters_are_refused() {
        for c in [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{ad}',
            '\u{0}',
            '\n',
            '\u{1b}',
            '\u{2028}',
            '\u{3164}',
            '\u{e0041}',
            '\u{fe0f}',
            '\u{e000}',
            '\u{2800}',
            '\u{fffd}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{ffa0}',
            '\u{17b4}',
            '\u{180e}',
            '\u{206f}',
            '\u{fdd0}',
            '\u{e01ef}',
            '\u{1d173}',
            '\u{378}',
        ] {
            assert_eq!(
                parse(&format!("Ali{c}ce")),
                Err(NameError::Hidden),
                "{:x}",
                u32::from(c)
            );
        }
    }

    #[test]
    fn stacks_of_marks_are_refused() {
        assert_eq!(
            parse(&format!("x{}", "\u{335}".repeat(4))),
            Err(NameError::Marks)
        );
        assert_eq!(parse("\u{335}x"), Err(NameError::Marks));
    }

    #[test]
    fn a_name_needs_a_letter_or_digit_and_an_end() {
        for empty in ["", "   ", "🎉🎉", "---", "👩"] {
            assert_eq!(parse(empty), Err(NameError::Empty), "{empty}");
        }
        assert!(parse(&"x".repeat(64)).is_ok());
        assert_eq!(parse(&"x".repeat(65)), Err(NameError::TooLong));
        assert_eq!(parse(&"x".repeat(10_000_000)), Err(NameError::TooLong));
    }

    proptest! {
        #[test]
        fn what_was_accepted_is_accepted_again_unchanged(text in "\\PC{0,80}") {
            if let Ok(name) = DisplayName::parse(&text) {
                prop_assert_eq!(DisplayName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().chars().count() <= MAX_CHARS);
            }
        }
    }
}
