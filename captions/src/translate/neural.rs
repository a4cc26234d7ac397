//! Neural translation in this process, by `fxtranslate` with models of the operator's: in the folder one folder a pair
//! (`en-es`), in it `model.*.bin` and `vocab.*.spm`, or `srcvocab.*.spm` and `trgvocab.*.spm`, as Firefox has them. Every
//! pair is read before the first text; the code is Rust without C++ and runs in a closed process.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fxtranslate::engine::Engine;

use super::{Pair, TranslateError, Translator};
use crate::clock::Clock;

/// The most pairs that are held at once, and the largest file of one (published models have 15 to 60 MB).
const MAX_MODELS: usize = 32;
const MAX_FILE: u64 = 512 << 20;

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
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some((source, target)) = name.split_once('-') else {
                continue;
            };
            if !path.is_dir() || engines.len() >= MAX_MODELS {
                continue;
            }
            let engine = load(&path).map_err(|why| failed(format!("`{name}`: {why}")))?;
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
                let engine = engine.filter(|_| began.elapsed() < budget)?;
                // A model may be sound in form and still lead its reader astray: that costs this text, not the process.
                let said = catch_unwind(AssertUnwindSafe(|| engine.translate_long(text))).ok()?;
                let line: String = said
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect();
                Some(line.trim().to_owned()).filter(|line| !line.is_empty())
            })
            .collect()
    }
}

fn load(folder: &Path) -> Result<Engine, String> {
    let model = read(folder, "model.", ".bin")?;
    let (source, target) = match read(folder, "vocab.", ".spm") {
        Ok(both) => (both.clone(), both),
        Err(_) => (
            read(folder, "srcvocab.", ".spm")?,
            read(folder, "trgvocab.", ".spm")?,
        ),
    };
    catch_unwind(|| Engine::from_bytes(&model, &source, &target))
        .map_err(|_| "the model is damaged".to_owned())?
}

/// The one file whose name begins and ends so.
fn read(folder: &Path, begins: &str, ends: &str) -> Result<Vec<u8>, String> {
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
    let size = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if size > MAX_FILE {
        return Err(format!("`{begins}*{ends}` has {size} bytes"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
