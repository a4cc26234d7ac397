//! Apertium's stream format: what means something in it is escaped on the way in and plain again on the way out.

/// Ends a text for every program: an empty block and a line, which no rule translates, and the NUL at which they flush.
const END: &str = "[][\n]\0";

/// A text as it goes in.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + END.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' | '{' | '}' | '^' | '$' | '@' | '/' | '<' | '>' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped.push_str(END);
    escaped
}

/// What came out, before its NUL: without blocks and escapes, and with no more of either to anyone's eye.
pub(super) fn unescape(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut inside = false;
    let mut characters = raw.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                if let (Some(next), false) = (characters.next(), inside) {
                    plain.push(next);
                }
            }
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            _ if inside => {}
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_something_to_apertium_is_escaped() {
        assert_eq!(escape("a^b$ [x]\0\n"), "a\\^b\\$ \\[x\\]  [][\n]\0");
        assert_eq!(unescape("uno[][\n]"), "uno");
        assert_eq!(unescape("[<b>]dos\\/tres[\\]]"), "dos/tres");
    }

    proptest! {
        #[test]
        fn a_text_that_nothing_translates_comes_out_as_it_was(text in "\\PC{0,200}") {
            let escaped = escape(&text);
            prop_assert_eq!(escaped.matches('\0').count(), 1);
            let out = unescape(escaped.trim_end_matches('\0'));
            prop_assert_eq!(out, text.trim());
        }

        #[test]
        fn any_output_is_read(raw in any::<String>()) {
            prop_assert!(!unescape(&raw).contains(char::is_control));
        }
    }
}
