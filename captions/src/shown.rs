//! Which characters a reader sees: one rule for live captions and for files. Pure.

/// Separates words, or would break a line.
#[must_use]
pub fn blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Has no glyph of its own and no place in speech: direction overrides, embeddings, isolates and marks, zero-width
/// spaces, annotation marks, tags, variation selectors beyond the first sixteen, noncharacters. The joiners stay: Persian,
/// Hindi and families need them.
#[must_use]
pub fn unseen(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FFA0}'
        | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FDD0}'..='\u{FDEF}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}')
        || (u32::from(c) & 0xFFFE) == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_are_kept_and_what_turns_or_hides_text_is_not() {
        for c in ['\u{200C}', '\u{200D}', 'a', '界', '\u{FE0F}', '\u{0301}'] {
            assert!(!unseen(c) && !blank(c), "{}", c.escape_unicode());
        }
        for c in [
            '\u{200B}',
            '\u{200E}',
            '\u{200F}',
            '\u{202E}',
            '\u{2066}',
            '\u{2069}',
            '\u{061C}',
            '\u{FEFF}',
            '\u{E0041}',
            '\u{FFFE}',
            '\u{1FFFF}',
        ] {
            assert!(unseen(c), "{}", c.escape_unicode());
        }
        for c in ['\n', '\u{0}', '\u{85}', '\u{2028}', '\u{3000}'] {
            assert!(blank(c), "{}", c.escape_unicode());
        }
    }
}
