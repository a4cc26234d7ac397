//! How the caption workers are set up, out of the settings file.

use std::path::PathBuf;

use crate::captioner::settings::{CaptionerSettings, Translation};
use crate::config::{Captions, Translator};
use crate::secret::Secret;

/// The program of the workers.
const WORKER: &str = "conclave-captioner";

/// What the captioner needs.
pub(super) fn settings(captions: &Captions) -> CaptionerSettings {
    let translation = match captions.translator {
        Translator::None => Translation::None,
        Translator::Apertium => Translation::Apertium,
        Translator::Neural => match &captions.translator_models {
            Some(models) => Translation::Neural {
                models: models.clone(),
            },
            None => missing("translator_models"),
        },
        Translator::Http => match &captions.translator_address {
            Some(address) => Translation::Http {
                address: address.clone(),
                key: match &captions.translator_key {
                    Some(key) => key.clone(),
                    None => Secret::new(String::new()),
                },
                internal: captions.translator_internal,
            },
            None => missing("translator_address"),
        },
    };
    CaptionerSettings {
        worker: captions.worker.clone().or_else(beside),
        model: captions.model.clone(),
        language: (captions.language != "auto").then(|| captions.language.clone()),
        workers: captions.workers,
        translation,
        hints: captions.hints,
        without_sandbox: captions.without_sandbox,
    }
}

fn missing(key: &str) -> Translation {
    tracing::warn!("`captions.{key}` is not set: captions are not translated");
    Translation::None
}

/// The worker that was installed together with this program, if it was.
fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.join(WORKER))
}
