//! `conclave captions models | fetch | add`: the models that can be had, that are there, and how they get there. Only the
//! operator asks for it; the server itself fetches nothing.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use conclave_captions::fetch::{FetchError, Folder, Source, Wanted};
use conclave_captions::models::{Cost, DEFAULT_ADDRESS, Found, KNOWN, Languages};

use crate::config::Config;

/// Characters of the bar.
const BAR: u64 = 30;

/// Where models are and come from, by the settings.
pub struct Models {
    folder: PathBuf,
    address: String,
    in_use: Option<PathBuf>,
}

impl Models {
    /// Reads the settings.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let captions = &config.captions;
        Self {
            folder: captions
                .models_folder
                .clone()
                .unwrap_or_else(|| config.data.join("models")),
            address: captions
                .models_address
                .clone()
                .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
            in_use: captions.model.clone(),
        }
    }

    /// The table of known models and what is there.
    #[must_use]
    pub fn list(&self) -> String {
        let there = Folder::there(&self.folder).models();
        let mut text = String::from(
            "name                 size     languages              CPU each second of speech  here\n",
        );
        for known in KNOWN {
            let languages = match known.languages {
                Languages::Many => "99, detected",
                Languages::ManyAndCantonese => "99 and Cantonese",
            };
            let cost = match known.cost {
                Cost::Measured {
                    each_second,
                    each_two,
                    sentences,
                } => {
                    format!("{each_second} / {each_two} / {sentences} ms")
                }
                Cost::Unmeasured => "not measured".to_owned(),
            };
            let here = there.iter().any(|(file, _)| file == known.file);
            let _ = writeln!(
                text,
                "{:<20} {:<8} {languages:<22} {cost:<26} {}",
                known.name,
                megabytes(known.size),
                if here { "yes" } else { "-" },
            );
        }
        text.push_str(
            "CPU: of one core, for words every second / every two seconds / whole sentences; measured on a shared AMD EPYC core.\n",
        );
        for (file, size) in there
            .iter()
            .filter(|(file, _)| KNOWN.iter().all(|known| known.file != *file))
        {
            let _ = writeln!(text, "also here: `{file}`, {}", megabytes(*size));
        }
        let _ = write!(text, "folder: `{}`; ", self.folder.display());
        match &self.in_use {
            Some(model) => {
                let _ = write!(text, "in use: `{}`", model.display());
            }
            None => text.push_str(
                "in use: none, so captions are unavailable (`captions.model` in the settings)",
            ),
        }
        text
    }

    /// Fetches a model by name; returns what to tell.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn fetch(&self, name: &str, sha256: Option<&str>) -> Result<String, FetchError> {
        let source = Source::new(&self.address)?;
        let wanted = match (sha256, Wanted::known(name)) {
            (Some(sha256), _) => Wanted::given(name, sha256)?,
            (None, Some(known)) => known,
            (None, None) => source.look_up(name)?,
        };
        let folder = Folder::open(&self.folder)?;
        let mut bar = Bar {
            shown: None,
            terminal: std::io::stderr().is_terminal(),
        };
        let fetched = source.fetch(&wanted, &folder, &mut |done, whole| bar.show(done, whole));
        bar.end();
        let (path, found) = fetched?;
        Ok(told(&path, &found))
    }

    /// Adds a file; returns what to tell.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn add(&self, file: &Path, sha256: Option<&str>) -> Result<String, FetchError> {
        let (path, found) = Folder::open(&self.folder)?.add(file, sha256)?;
        Ok(told(&path, &found))
    }
}

fn told(path: &Path, found: &Found) -> String {
    format!(
        "`{}` is a sound model of {} ({}). To use it:\n[captions]\nmodel = {:?}",
        path.display(),
        megabytes(found.size),
        if found.multilingual {
            "many languages"
        } else {
            "English"
        },
        path.display().to_string(),
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// A bar on a terminal; a line for each tenth elsewhere.
struct Bar {
    shown: Option<u64>,
    terminal: bool,
}

impl Bar {
    fn show(&mut self, done: u64, whole: Option<u64>) {
        // Without a known size: a step for each 10 MB.
        let step = match whole {
            Some(whole) if whole > 0 => done.saturating_mul(100) / whole,
            _ => done / 10_000_000,
        };
        let step = if self.terminal || whole.is_none() {
            step
        } else {
            step / 10
        };
        if self.shown.replace(step) == Some(step) {
            return;
        }
        let amount = match whole {
            Some(whole) => format!("{} of {}", megabytes(done), megabytes(whole)),
            None => megabytes(done),
        };
        let mut out = std::io::stderr();
        let _ = if self.terminal {
            let full = whole.map_or(0, |whole| {
                (done.saturating_mul(BAR) / whole.max(1)).min(BAR)
            });
            let bar: String = (0..BAR).map(|n| if n < full { '#' } else { '.' }).collect();
            write!(out, "\r[{bar}] {amount}\x1b[K")
        } else {
            writeln!(out, "{amount}")
        };
    }

    fn end(&self) {
        if self.terminal && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
