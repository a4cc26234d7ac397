//! Which language a speaker speaks: fixed by someone, or detected once and kept; looked at again when the words come out
//! doubtful; changed only when two windows in a row say so (a guard against made-up text). Pure.

/// Below this the words are doubtful and the language with them.
const DOUBTFUL: f32 = 0.5;
/// A detection that is less sure than this says nothing.
const SURE: f32 = 0.5;

/// The language of one speaker.
pub struct Tongue {
    fixed: bool,
    now: Option<String>,
    /// Another language that the last window seemed to be in.
    other: Option<String>,
    look: bool,
}

/// What a pass is to do about the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Take this one.
    Known(String),
    /// Detect it; take this one for the words if there is one.
    Detect(Option<String>),
}

impl Tongue {
    /// With a language that someone named, or none yet.
    #[must_use]
    pub fn new(fixed: Option<String>) -> Self {
        Self {
            fixed: fixed.is_some(),
            look: fixed.is_none(),
            now: fixed,
            other: None,
        }
    }

    /// What to ask of the next pass.
    #[must_use]
    pub fn ask(&self) -> Ask {
        match &self.now {
            Some(now) if self.fixed || !self.look => Ask::Known(now.clone()),
            now => Ask::Detect(now.clone()),
        }
    }

    /// What a pass brought: what it detected, if asked, and how sure its words are (none where there were no words).
    pub fn heard(&mut self, detected: Option<(&str, f32)>, words: Option<f32>) {
        if self.fixed {
            return;
        }
        if let Some((language, sure)) = detected {
            let differs = self.now.as_deref().is_none_or(|now| now != language);
            if self.now.is_none() {
                // Keep looking until one is sure: the first guess is only what these words were written in.
                self.look = sure < SURE;
                if !self.look {
                    self.now = Some(language.to_owned());
                }
            } else if !differs || sure < SURE {
                self.other = None;
                self.look = false;
            } else if self.other.as_deref() == Some(language) {
                self.now = self.other.take();
                self.look = false;
            } else {
                self.other = Some(language.to_owned());
            }
        }
        if words.is_some_and(|sure| sure < DOUBTFUL) {
            self.look = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_someone_named_stays() {
        let mut tongue = Tongue::new(Some("ca".into()));
        tongue.heard(Some(("es", 1.0)), Some(0.1));
        assert_eq!(tongue.ask(), Ask::Known("ca".into()));
    }

    #[test]
    fn it_is_detected_once_and_kept() {
        let mut tongue = Tongue::new(None);
        assert_eq!(tongue.ask(), Ask::Detect(None));
        tongue.heard(Some(("de", 0.3)), Some(0.9));
        assert_eq!(tongue.ask(), Ask::Detect(None));
        tongue.heard(Some(("en", 0.9)), Some(0.9));
        assert_eq!(tongue.ask(), Ask::Known("en".into()));
    }

    #[test]
    fn a_change_needs_two_windows_in_a_row() {
        let mut tongue = Tongue::new(None);
        tongue.heard(Some(("en", 0.9)), Some(0.9));
        tongue.heard(None, Some(0.3));
        assert_eq!(tongue.ask(), Ask::Detect(Some("en".into())));
        tongue.heard(Some(("fr", 0.9)), Some(0.3));
        assert_eq!(tongue.ask(), Ask::Detect(Some("en".into())));
        tongue.heard(Some(("en", 0.9)), Some(0.9));
        assert_eq!(tongue.ask(), Ask::Known("en".into()));
        tongue.heard(None, Some(0.2));
        tongue.heard(Some(("fr", 0.9)), Some(0.2));
        tongue.heard(Some(("fr", 0.8)), Some(0.2));
        tongue.heard(None, Some(0.9));
        assert_eq!(tongue.now.as_deref(), Some("fr"));
    }
}
