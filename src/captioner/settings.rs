//! How the caption workers are set up.

use std::path::PathBuf;

use crate::secret::Secret;

/// How the caption workers are set up.
#[derive(Clone, Debug, Default)]
pub struct CaptionerSettings {
    /// The program of both workers; without one there are no captions.
    pub worker: Option<PathBuf>,
    /// The model of the recognisers; without one there are no captions.
    pub model: Option<PathBuf>,
    /// The language that is spoken; detected if left out.
    pub language: Option<String>,
    /// Recognisers that run at the same time.
    pub workers: usize,
    /// What translates.
    pub translation: Translation,
    /// Whether the recogniser is told the names of who is in.
    pub hints: bool,
    /// The operator takes it upon themself that the workers run without a sandbox where the system has none.
    pub without_sandbox: bool,
}

/// What translates.
#[derive(Clone, Debug, Default)]
pub enum Translation {
    /// Nothing: everyone reads the original.
    #[default]
    None,
    /// The programs of Apertium, as this machine has them.
    Apertium,
    /// Models in a folder.
    Neural {
        /// Where they are.
        models: PathBuf,
    },
    /// A server that speaks LibreTranslate's protocol.
    Http {
        /// Where it is.
        address: String,
        /// What it asks for.
        key: Secret<String>,
        /// Whether it may be inside a network of the operator's own.
        internal: bool,
    },
}

impl CaptionerSettings {
    /// What the workers' command line says of this.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = Vec::new();
        if self.without_sandbox {
            flags.push("--without-sandbox");
        }
        // Of no meaning to a recogniser.
        if matches!(self.translation, Translation::Http { internal: true, .. }) {
            flags.push("--allow-internal");
        }
        flags
    }
}
