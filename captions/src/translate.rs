//! Translation of captions: a trait, a cache before it, its engines, and the process that runs one of them behind a wall.
//! Texts are data on the whole way: no shell, no format, no instruction is read out of them.

mod address;
pub mod apertium;
mod cache;
mod http;
#[cfg(feature = "neural")]
mod neural;
mod serve;

use std::time::Duration;

pub use address::{AddressError, Resolved};
pub use cache::Cached;
pub use http::LibreTranslate;
#[cfg(feature = "neural")]
pub use neural::Neural;
pub use serve::{Options, serve};

/// The most characters of a text that is translated; a caption has fewer.
pub const MAX_CHARACTERS: usize = 500;
/// The longest that one text may take.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A source and a target language, as BCP 47 has them: `en`, `pt`.
pub type Pair = (String, String);

/// Something that translates. What fails is `None`; the viewer then sees the original.
pub trait Translator {
    /// What viewers are told translated this.
    fn name(&self) -> &'static str;

    /// From which language into which.
    fn pairs(&self) -> Vec<Pair>;

    /// Translates the texts, one answer for each, within about `budget`.
    fn translate(
        &mut self,
        batch: &[&str],
        source: &str,
        target: &str,
        budget: Duration,
    ) -> Vec<Option<String>>;
}

/// Why an engine cannot begin. The line goes to the log and holds no key and no text.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// Apertium is not installed, or no pair of it.
    #[error(
        "no Apertium pair is installed (`apt-get install apertium apertium-eng-spa` and the like)"
    )]
    NoApertium,
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server of the address does not say which languages it has.
    #[error("the translation server does not list its languages: {0}")]
    Http(String),
    /// This program was built without the engine.
    #[error("this build has no neural translation: it needs the feature `neural`")]
    NotBuilt,
    /// The models cannot be used.
    #[error("the translation models cannot be used: {0}")]
    Models(String),
}
