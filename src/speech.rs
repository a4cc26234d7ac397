//! What a room's hosts say about its speech: into which languages it is translated, which one is spoken, and words that a
//! recogniser would not guess. Bounded values; whoever has one needs no further check.

use std::collections::BTreeSet;

use conclave_captions::wire::{MAX_HINT, MAX_HINTS, line};

/// Languages that hosts may allow. Into how many it is translated at a time is another bound.
pub const MOST_ALLOWED: usize = 16;
/// Words and phrases, and bytes of one: what a recogniser takes for one track.
pub const MOST_WORDS: usize = MAX_HINTS;
/// Bytes of the code of a language.
const MOST_CODE: usize = 16;

/// The code of a language, as BCP 47 spells it: `en`, `pt-BR`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(String);

impl Language {
    /// The code, if it can be one.
    pub fn new(code: &str) -> Option<Self> {
        is_language(code).then(|| Self(code.to_owned()))
    }

    /// The code itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What hosts chose for a room; nothing is chosen to begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// The only languages that it is translated into; nothing chosen: whatever there is.
    pub allowed: Option<BTreeSet<Language>>,
    /// The language that is spoken; nothing chosen: what the operator says, or what is heard.
    pub spoken: Option<Language>,
    /// Words and names that come up, each a line, none twice.
    pub words: Words,
    /// How often it was changed.
    pub revision: u64,
}

impl Speech {
    /// Whether the room may be translated into this language, whatever the country.
    pub fn allows(&self, language: &str) -> bool {
        let same = |one: &Language| primary(one.as_str()).eq_ignore_ascii_case(primary(language));
        self.allowed.as_ref().is_none_or(|all| all.iter().any(same))
    }
}

/// Words that hosts wrote; never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// These words, if they are few, short and can be seen. What stands twice stands once.
    pub fn new(words: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut kept: Vec<String> = Vec::new();
        for word in words {
            let word = word.trim();
            if word.is_empty() || word.len() > MAX_HINT || line(word, MAX_HINT) != word {
                return None;
            }
            if !kept.iter().any(|other| other == word) {
                kept.push(word.to_owned());
            }
            if kept.len() > MOST_WORDS {
                return None;
            }
        }
        Some(Self(kept))
    }

    /// In the order in which they were written.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} words]", self.0.len())
    }
}

/// Whether it can be the code of a language.
pub fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    text.len() <= MOST_CODE
        && (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The language of a code, without its country or script.
pub fn primary(code: &str) -> &str {
    code.split('-').next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_named_by_its_code() {
        for code in ["en", "es", "cat", "pt-BR", "zh-Hant-TW"] {
            assert!(is_language(code), "{code}");
        }
        for code in [
            "",
            "e",
            "EN",
            "english",
            "en-",
            "en_US",
            "en-<b>",
            "../es",
            "en-aaaaaaa-bbbbbbb",
        ] {
            assert!(!is_language(code), "{code}");
        }
    }

    #[test]
    fn words_are_few_short_and_can_be_seen() {
        let words = |all: &[&str]| Words::new(all.iter().map(|word| (*word).to_owned()));
        let kept = words(&[" Łukasz ", "WebRTC", "Łukasz"]).unwrap();
        assert_eq!(kept.as_slice(), ["Łukasz", "WebRTC"]);
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "\u{7}", &"ä".repeat(33)] {
            assert_eq!(words(&[bad]), None, "{bad:?}");
        }
        let many = |count: usize| Words::new((0..count).map(|number| format!("w{number}")));
        assert!(many(32).is_some() && many(33).is_none());
        assert!(!format!("{kept:?}").contains("WebRTC"));
    }

    #[test]
    fn without_a_choice_every_language_is_allowed() {
        let mut speech = Speech::default();
        assert!(speech.allows("es"));
        speech.allowed = Some([Language::new("es").unwrap()].into());
        assert!(speech.allows("es") && speech.allows("es-MX") && !speech.allows("fr"));
        speech.allowed = Some(BTreeSet::new());
        assert!(!speech.allows("es"));
    }
}
