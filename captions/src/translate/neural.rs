//! Neural translation in this process, by `fxtranslate` with models of the operator's: in the folder one folder a pair
//! (`en-es`), in it `model.*.bin` and `vocab.*.spm`, or `srcvocab.*.spm` and `trgvocab.*.spm`, as Firefox has them. Every
//! pair is read before the first text; the code is Rust without C++ and runs in a closed process.

mod shape;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fxtranslate::engine::Engine;
use fxtranslate::segment::{BasicSegmenter, Segmenter as _};

use super::{Pair, TranslateError, Translator};
use crate::clock::Clock;

/// The most pairs that are held at once, and the most bytes of their files together (published models have 15 to 60 MB):
/// in memory they need up to five times as much, and the process may use 3 GB.
const MAX_MODELS: usize = 32;
const MAX_FILES: u64 = 512 << 20;
/// The most characters that are translated at once: a model reads 127 pieces of words at a time, and the time is looked at
/// in between.
const MAX_AT_ONCE: usize = 160;
/// What every model is asked before it is taken: damage shows in the first sentence.
const TRIAL: &str = "One, two. 3";
/// Languages written without spaces between sentences.
const UNSPACED: &[&str] = &["zh", "ja", "th", "lo", "my", "km", "bo", "yue"];

/// The pairs that were found.
pub struct Neural {
    engines: BTreeMap<Pair, Engine>,
}

impl Neural {
    /// Reads every pair of a folder.
    ///
    /// # Errors
    /// There is none, or one cannot be used: a pair that is silently not there is found out in a meeting.
    pub fn load(folder: &Path) -> Result<Self, TranslateError> {
        let failed = |why: String| TranslateError::Models(why);
        let entries = std::fs::read_dir(folder)
            .map_err(|error| failed(format!("`{}`: {error}", folder.display())))?;
        let mut engines = BTreeMap::new();
        let mut left = MAX_FILES;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some((source, target)) = name.split_once('-') else {
                continue;
            };
            if !path.is_dir() {
                continue;
            }
            if engines.len() >= MAX_MODELS {
                return Err(failed(format!("there are more than {MAX_MODELS} pairs")));
            }
            let engine =
                load(&path, &mut left).map_err(|why| failed(format!("`{name}`: {why}")))?;
            engines.insert((source.to_owned(), target.to_owned()), engine);
        }
        if engines.is_empty() {
            return Err(failed(format!("`{}` holds no pair", folder.display())));
        }
        Ok(Self { engines })
    }
}

impl Translator for Neural {
    fn name(&self) -> &'static str {
        "Firefox Translations"
    }

    fn pairs(&self) -> Vec<Pair> {
        self.engines.keys().cloned().collect()
    }

    fn translate(
        &mut self,
        batch: &[&str],
        source: &str,
        target: &str,
        budget: Duration,
    ) -> Vec<Option<String>> {
        let engine = self.engines.get(&(source.to_owned(), target.to_owned()));
        let began = Clock::start();
        batch
            .iter()
            .map(|text| {
                let mut said = String::new();
                for part in parts(text) {
                    let engine = engine.filter(|_| began.elapsed() < budget)?;
                    let part = translated(engine, part)?;
                    if !said.is_empty() && !UNSPACED.contains(&target) {
                        said.push(' ');
                    }
                    said.push_str(part.trim());
                }
                Some(said).filter(|said| !said.is_empty())
            })
            .collect()
    }
}

/// Sentences, also of languages that set no spaces after them; long ones in parts.
fn parts(text: &str) -> Vec<&str> {
    let spans = BasicSegmenter.sentences(text);
    let mut parts = Vec::new();
    for span in spans {
        let mut rest = text.get(span.start..span.end).unwrap_or_default();
        while let Some((end, _)) = rest.char_indices().nth(MAX_AT_ONCE) {
            let (head, _) = rest.split_at(end);
            // Between two words, if there are two.
            let end = head.rfind(char::is_whitespace).filter(|at| *at > 0);
            let (head, tail) = rest.split_at(end.unwrap_or(head.len()));
            parts.push(head);
            rest = tail.trim_start();
        }
        if !rest.trim().is_empty() {
            parts.push(rest);
        }
    }
    parts
}

/// A model may be sound in form and still lead its reader astray: that costs this text, not the process.
fn translated(engine: &Engine, text: &str) -> Option<String> {
    let said = catch_unwind(AssertUnwindSafe(|| engine.translate_long(text))).ok()?;
    let plain = said
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Some(plain)
}

fn load(folder: &Path, left: &mut u64) -> Result<Engine, String> {
    let model = read(folder, "model.", ".bin", left)?;
    shape::check(&model)?;
    let (source, target) = match read(folder, "vocab.", ".spm", left) {
        Ok(both) => (both.clone(), both),
        Err(_) => (
            read(folder, "srcvocab.", ".spm", left)?,
            read(folder, "trgvocab.", ".spm", left)?,
        ),
    };
    let damaged = || "the model is damaged".to_owned();
    let engine = catch_unwind(|| Engine::from_bytes(&model, &source, &target));
    let engine = engine.map_err(|_| damaged())??;
    let said = translated(&engine, TRIAL).filter(|said| !said.trim().is_empty());
    said.ok_or_else(damaged)?;
    Ok(engine)
}

/// The one file whose name begins and ends so.
fn read(folder: &Path, begins: &str, ends: &str, left: &mut u64) -> Result<Vec<u8>, String> {
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(begins) && name.ends_with(ends))
    };
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(fits)
        .collect();
    found.sort();
    let missing = || format!("there is no `{begins}*{ends}`");
    let path = found.first().ok_or_else(missing)?;
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(left.saturating_add(1)).read_to_end(&mut bytes);
    let size = read.map_err(|error| error.to_string())? as u64;
    *left = left
        .checked_sub(size)
        .ok_or_else(|| format!("the models have more than {MAX_FILES} bytes together"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_every_script_are_parts_and_long_ones_are_cut() {
        assert_eq!(
            parts("你好世界。天气很好！好吗？"),
            ["你好世界。", "天气很好！", "好吗？"]
        );
        assert_eq!(parts("One. Two 3.5 is? "), ["One.", "Two 3.5 is?"]);
        assert_eq!(parts(" "), Vec::<&str>::new());
        let words = "word ".repeat(100);
        let cut = parts(&words);
        assert!(
            cut.len() == 4
                && cut
                    .iter()
                    .all(|part| part.starts_with("word") && part.len() <= 160)
        );
        assert_eq!(
            cut.iter()
                .map(|part| part.split_whitespace().count())
                .sum::<usize>(),
            100
        );
        let signs = "界".repeat(500);
        assert_eq!(parts(&signs).concat(), signs);
        assert!(
            parts(&signs)
                .iter()
                .all(|part| part.chars().count() <= MAX_AT_ONCE)
        );
        let odd = format!("{}\u{3000}{}", "a".repeat(200), "b".repeat(200));
        assert!(
            parts(&odd)
                .iter()
                .all(|part| part.chars().count() <= MAX_AT_ONCE)
        );
    }
}
