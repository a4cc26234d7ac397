//! Remembers translations, so that what is shown again is not translated again. Bounded; what was not asked for in the
//! last thousand new texts is forgotten.

use std::collections::HashMap;
use std::time::Duration;

use super::{MAX_CHARACTERS, Pair, Translator};

/// Half of what is remembered: with texts of at most 500 bytes about half a megabyte.
const GENERATION: usize = 1024;

type Key = (String, String, String);

/// A translator with a memory.
pub struct Cached<T> {
    engine: T,
    young: HashMap<Key, String>,
    old: HashMap<Key, String>,
}

impl<T> Cached<T> {
    /// Puts a memory before an engine.
    pub fn new(engine: T) -> Self {
        Self {
            engine,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn recall(&mut self, key: &Key) -> Option<String> {
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let known = self.old.remove(key)?;
        self.remember(key.clone(), known.clone());
        Some(known)
    }

    fn remember(&mut self, key: Key, translation: String) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, translation);
    }
}

impl<T: Translator> Translator for Cached<T> {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn pairs(&self) -> Vec<Pair> {
        self.engine.pairs()
    }

    fn translate(
        &mut self,
        batch: &[&str],
        source: &str,
        target: &str,
        budget: Duration,
    ) -> Vec<Option<String>> {
        let key = |text: &str| (source.to_owned(), target.to_owned(), text.to_owned());
        let mut answers: Vec<Option<String>> =
            batch.iter().map(|text| self.recall(&key(text))).collect();
        // What is empty needs no engine, and what is too long gets none.
        let mut asked = Vec::new();
        for (n, text) in batch.iter().enumerate() {
            if text.trim().is_empty() {
                if let Some(answer) = answers.get_mut(n) {
                    *answer = Some(String::new());
                }
            } else if answers.get(n) == Some(&None) && text.chars().count() <= MAX_CHARACTERS {
                asked.push((n, *text));
            }
        }
        if asked.is_empty() {
            return answers;
        }
        let texts: Vec<&str> = asked.iter().map(|(_, text)| *text).collect();
        let fresh = self.engine.translate(&texts, source, target, budget);
        for ((n, text), translation) in asked.into_iter().zip(fresh) {
            if let Some(translation) = &translation {
                self.remember(key(text), translation.clone());
            }
            if let Some(answer) = answers.get_mut(n) {
                *answer = translation;
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns texts round and counts them; knows no `?`.
    struct Backwards(usize);

    impl Translator for Backwards {
        fn name(&self) -> &'static str {
            "backwards"
        }

        fn pairs(&self) -> Vec<Pair> {
            Vec::new()
        }

        fn translate(
            &mut self,
            batch: &[&str],
            _: &str,
            _: &str,
            _: Duration,
        ) -> Vec<Option<String>> {
            self.0 += batch.len();
            batch
                .iter()
                .map(|text| (!text.contains('?')).then(|| text.chars().rev().collect()))
                .collect()
        }
    }

    fn ask(cached: &mut Cached<Backwards>, batch: &[&str], target: &str) -> Vec<Option<String>> {
        cached.translate(batch, "en", target, Duration::from_secs(1))
    }

    #[test]
    fn what_was_translated_is_not_translated_again() {
        let mut cached = Cached::new(Backwards(0));
        let both = [Some("cba".into()), Some("fed".into())];
        assert_eq!(ask(&mut cached, &["abc", "def"], "es"), both);
        assert_eq!(ask(&mut cached, &["abc", "def"], "es"), both);
        assert_eq!(cached.engine.0, 2);
        ask(&mut cached, &["abc"], "ca");
        assert_eq!(cached.engine.0, 3, "another language is another text");
    }

    #[test]
    fn what_failed_is_asked_again_and_what_is_too_long_never() {
        let mut cached = Cached::new(Backwards(0));
        assert_eq!(
            ask(&mut cached, &["a?", "ok"], "es"),
            [None, Some("ko".into())]
        );
        assert_eq!(ask(&mut cached, &["a?"], "es"), [None]);
        assert_eq!(cached.engine.0, 3);
        assert_eq!(
            ask(&mut cached, &[&"é".repeat(501), " "], "es"),
            [None, Some(String::new())]
        );
        assert_eq!(cached.engine.0, 3);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let mut cached = Cached::new(Backwards(0));
        for n in 0..10 * GENERATION {
            ask(&mut cached, &["again", &n.to_string()], "es");
            assert!(cached.young.len() + cached.old.len() <= 2 * GENERATION);
        }
        assert_eq!(cached.engine.0, 10 * GENERATION + 1);
    }
}
