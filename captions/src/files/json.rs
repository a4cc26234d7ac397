//! JSON: the captions as they were said, not laid out. `<`, `>` and `&` stand as escapes, so that the text stays inert
//! even where someone pastes it into a page.

use serde::Serialize;

use super::entry::{Entry, in_order};

#[derive(Serialize)]
struct File<'a> {
    version: u8,
    language: &'a str,
    cues: Vec<Said<'a>>,
}

/// Times are milliseconds from the beginning of the file.
#[derive(Serialize)]
struct Said<'a> {
    id: &'a str,
    speaker: &'a str,
    start: u64,
    end: u64,
    text: &'a str,
}

/// One whole file. `language` is a BCP 47 tag: of it stay ASCII letters, digits and `-`.
#[must_use]
pub fn json(language: &str, entries: &[Entry]) -> String {
    let language: String = language
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(35)
        .collect();
    let cues = in_order(entries)
        .into_iter()
        .map(|entry| Said {
            id: &entry.id,
            speaker: &entry.speaker,
            start: entry.start_ms,
            end: entry.end_ms,
            text: &entry.text,
        })
        .collect();
    let file = File {
        version: 1,
        language: &language,
        cues,
    };
    // Strings and numbers only: this cannot fail.
    let text = serde_json::to_string(&file).unwrap_or_default();
    // Outside strings JSON has none of the three.
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}
