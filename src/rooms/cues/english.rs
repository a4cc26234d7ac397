//! English that the recogniser itself makes of what it hears in another language: of whole cues, once they are finished. It counts
//! where nothing else translates that language into English, and is waited for only so long.

use std::time::Duration;

use super::{Cues, Live, Said, Targets, clean, same};
use crate::clock::Timestamp;

/// What it is called.
pub const RECOGNISER: &str = "whisper";
/// So long after its end a cue is waited for in English.
const PATIENCE: Duration = Duration::from_secs(10);

impl Targets {
    pub(super) fn by_recogniser(&self, source: &str, target: &str) -> bool {
        same(target, "en")
            && !same(source, "en")
            && !self.translates(source, target)
            && self.english.iter().any(|known| same(known, source))
    }

    pub(super) fn engine_of(&self, source: &str, target: &str) -> &str {
        match self.translates(source, target) {
            true => &self.engine,
            false => RECOGNISER,
        }
    }

    /// Whether somebody waits for the recogniser's English of what is said in this language; if it is not known yet, of any.
    pub fn wants_english(&self, source: Option<&str>) -> bool {
        let into = |target: &String| match source {
            Some(source) => self.by_recogniser(source, target),
            None => same(target, "en") && !self.english.is_empty(),
        };
        self.wanted.iter().any(into)
    }
}

impl Cues {
    /// Takes what a finished cue is in English. It comes once; what comes after that, or of a cue that is not finished, is nothing.
    pub fn in_english(
        &mut self,
        of: (u64, u64),
        text: Option<&str>,
        targets: &Targets,
    ) -> Vec<Said> {
        let live = self.live.values_mut().find(|live| live.of == of);
        let said = live
            .filter(|live| live.view.is_final)
            .map(|live| live.in_english(text, targets))
            .unwrap_or_default();
        self.sweep(targets);
        said
    }

    /// Whoever has waited for English long enough reads what was spoken.
    pub fn late(&mut self, targets: &Targets, now: Timestamp) -> Vec<Said> {
        let said = self.without_english(targets, |live| now.since(live.since) >= PATIENCE);
        self.sweep(targets);
        said
    }

    /// There will be no English of these.
    pub(super) fn without_english(
        &mut self,
        targets: &Targets,
        which: impl Fn(&Live) -> bool,
    ) -> Vec<Said> {
        let finished = self.live.values_mut().filter(|live| live.view.is_final);
        finished
            .filter(|live| which(live))
            .flat_map(|live| live.in_english(None, targets))
            .collect()
    }
}

impl Live {
    fn in_english(&mut self, text: Option<&str>, targets: &Targets) -> Vec<Said> {
        let text = text.map(clean).filter(|text| !text.trim().is_empty());
        let language = self.view.language.clone();
        let wanted: Vec<&String> = targets
            .others(&language)
            .filter(|target| targets.by_recogniser(&language, target))
            .collect();
        let mut said = Vec::new();
        if self.view.committed.is_empty() {
            return said;
        }
        for target in wanted {
            let of = self.translations.entry(target.clone()).or_default();
            if of.over || of.failed {
                continue;
            }
            match &text {
                Some(text) => {
                    (of.done, of.tail) = (text.clone(), (0, String::new()));
                    of.upto = self.view.committed.len();
                    of.over = true;
                    of.revision = of.revision.saturating_add(1);
                    said.extend(self.translation(target, targets, |_| {}));
                }
                None => said.extend(self.fail(target, targets)),
            }
        }
        said
    }
}
