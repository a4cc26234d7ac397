//! Looking for values that were planted, in whatever spelling, in whatever a server wrote.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

/// A value in the spellings in which it could be written somewhere.
fn spellings(needle: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u8> = needle.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex = data_encoding::HEXLOWER.encode(needle.as_bytes());
    let listed: Vec<String> = needle.bytes().map(|byte| byte.to_string()).collect();
    let listed = listed.join(", ");
    // Wherever it begins within three bytes, this much of it reads the same.
    let base64 = (0..3).filter_map(|skip| {
        let rest = needle.as_bytes().get(skip..)?;
        let whole = rest.get(..rest.len() / 3 * 3)?;
        Some(data_encoding::BASE64.encode(whole).into_bytes())
    });
    let encoded = needle.replace(' ', "%20").replace('@', "%40");
    [
        needle.into(),
        wide,
        hex.into(),
        listed.into(),
        encoded.into(),
    ]
    .into_iter()
    .chain(base64)
    .collect()
}

/// The planted values, to be looked for all at once, whatever the case.
pub(crate) struct Needles {
    values: Vec<String>,
    /// Which value each of the patterns spells.
    spelt: Vec<usize>,
    search: AhoCorasick,
}

impl Needles {
    pub(crate) fn new(values: Vec<String>) -> Self {
        let all = values.iter().enumerate();
        let all =
            all.flat_map(|(at, value)| spellings(value).into_iter().map(move |one| (at, one)));
        let (spelt, patterns): (Vec<_>, Vec<_>) = all.unzip();
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(patterns);
        Self {
            values,
            spelt,
            search: search.unwrap(),
        }
    }

    /// Which of the values are in there.
    pub(crate) fn within(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let found = self.search.find_iter(bytes);
        let found: BTreeSet<usize> = found
            .map(|one| self.spelt[one.pattern().as_usize()])
            .collect();
        let found = found.into_iter().map(|at| &self.values[at]);
        found.map(|value| format!("`{value}` in {place}")).collect()
    }
}

/// Every file below a folder.
pub(crate) fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, found),
            // A running database takes files away now and then.
            false => found.push(path),
        }
    }
}
