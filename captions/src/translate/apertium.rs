//! Apertium, as installed on this machine: its programs run one after another, each reading what the one before wrote, and
//! stay between texts. One chain for each pair of languages, started when it is first asked for.

mod chain;
mod escape;
mod mode;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{PATIENCE, Pair, TranslateError, Translator};
use crate::sandbox::{self, Reach};
use chain::Chain;
use mode::{Mode, modes};

/// How many chains run at once. One is up to 15 processes and 400 MB (measured for French and Catalan).
const MAX_CHAINS: usize = 4;
/// How long a chain may take for its first text: it reads its dictionaries then.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// Where Debian puts what the pairs consist of.
const DATA: &str = "/usr/share/apertium";
const PROGRAMS: &str = "/usr/bin";

/// The installed pairs and the chains that run.
pub struct Apertium {
    /// This program, which becomes those of the chains.
    launcher: PathBuf,
    modes: BTreeMap<Pair, Mode>,
    /// The one used last stands last.
    chains: Vec<(Pair, Chain)>,
}

impl Apertium {
    /// What is installed.
    ///
    /// # Errors
    /// Nothing is.
    pub fn installed() -> Result<Self, TranslateError> {
        let modes = modes(Path::new(DATA), Path::new(PROGRAMS));
        if modes.is_empty() {
            return Err(TranslateError::NoApertium);
        }
        Ok(Self {
            launcher: std::env::current_exe().map_err(|_| TranslateError::NoApertium)?,
            modes,
            chains: Vec::new(),
        })
    }

    /// What it has to run and to read.
    #[must_use]
    pub fn reach(&self) -> Reach {
        let mut run: Vec<PathBuf> = self.modes.values().flat_map(Mode::programs).collect();
        run.push(self.launcher.clone());
        run.sort();
        run.dedup();
        let mut read = sandbox::libraries(&run);
        read.extend(self.modes.values().flat_map(Mode::files));
        read.sort();
        read.dedup();
        Reach::Programs { run, read }
    }

    /// How many chains run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.chains.len()
    }

    /// The chain of a pair, moved to the end, started if it does not run.
    fn chain(&mut self, pair: &Pair) -> Option<&mut Chain> {
        if let Some(at) = self.chains.iter().position(|(known, _)| known == pair) {
            let chain = self.chains.remove(at);
            self.chains.push(chain);
        } else {
            let mode = self.modes.get(pair)?;
            if self.chains.len() >= MAX_CHAINS {
                // Dropping it ends its programs.
                self.chains.remove(0);
            }
            let chain = Chain::start(mode, &self.launcher).ok()?;
            self.chains.push((pair.clone(), chain));
        }
        self.chains.last_mut().map(|(_, chain)| chain)
    }
}

impl Translator for Apertium {
    fn name(&self) -> &'static str {
        "Apertium"
    }

    fn pairs(&self) -> Vec<Pair> {
        self.modes.keys().cloned().collect()
    }

    fn translate(
        &mut self,
        batch: &[&str],
        source: &str,
        target: &str,
        budget: Duration,
    ) -> Vec<Option<String>> {
        let pair = (source.to_owned(), target.to_owned());
        let mut left = budget;
        let mut answers = Vec::new();
        for text in batch {
            if left.is_zero() {
                // Nothing is wrong with the chain: it is not asked.
                answers.push(None);
                continue;
            }
            let answer = self.chain(&pair).and_then(|chain| {
                let patience = if chain.is_warm() {
                    PATIENCE
                } else {
                    FIRST_PATIENCE
                };
                let (answer, took) = chain.translate(text, patience.min(left));
                left = left.saturating_sub(took);
                answer
            });
            if answer.is_none() {
                // Late, dead or out of step: the next text gets a new one.
                self.chains.retain(|(known, _)| *known != pair);
            }
            answers.push(answer);
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_time_left_no_chain_is_started_and_none_ended() {
        let mut apertium = Apertium::installed().unwrap();
        let texts = ["radio"; 5];
        let none = vec![None; 5];
        assert_eq!(apertium.translate(&texts, "en", "es", Duration::ZERO), none);
        assert_eq!(apertium.running(), 0);
        let mode = apertium.modes.values().next().unwrap();
        // The test program is no launcher; this one takes what it is told as words to print.
        let chain = Chain::start(mode, Path::new("/bin/echo")).unwrap();
        let pair = apertium.pairs().remove(0);
        apertium.chains.push((pair.clone(), chain));
        assert_eq!(
            apertium.translate(&texts, &pair.0, &pair.1, Duration::ZERO),
            none
        );
        assert_eq!(apertium.running(), 1);
    }
}
