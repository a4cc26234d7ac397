//! Makes cues of settled and open words: ids count up, the settled text of a cue only grows, both texts have their bound,
//! and one cue at a time is unfinished. Pure.

use crate::agree::Word;
use crate::wire::{FromRecogniser, MAX_CUE_TEXT, Track};

/// From so many columns on a cue ends with the next word: about four lines of 37. Signs of East Asia take two.
const LONG: usize = 140;
/// A cue takes no more words after so long.
const LONGEST_MS: i64 = 12_000;

/// The cues of one track.
pub struct Cues {
    track: Track,
    next: u64,
    language: String,
    open: Option<Cue>,
}

/// The one unfinished cue.
struct Cue {
    id: u64,
    revision: u32,
    language: String,
    t0_ms: i64,
    t1_ms: i64,
    committed: String,
    tentative: String,
    /// Whether it was sent as it is.
    sent: bool,
}

impl Cues {
    /// Of `track`; ids begin at 0.
    #[must_use]
    pub fn new(track: Track) -> Self {
        Self {
            track,
            next: 0,
            language: String::new(),
            open: None,
        }
    }

    /// Adds settled words, replaces the open ones. Appends what is to be sent.
    pub fn update(
        &mut self,
        settled: &[Word],
        open: &[Word],
        language: &str,
        out: &mut Vec<FromRecogniser>,
    ) {
        for word in settled {
            self.settle(word, language, out);
        }
        let Some(first) = open.first() else {
            self.clear();
            self.send(out);
            return;
        };
        if self
            .open
            .as_ref()
            .is_some_and(|cue| cue.language != language)
        {
            self.finish(out);
        }
        let mut tentative = String::new();
        let mut t1_ms = first.t1_ms;
        for word in open {
            if !append(&mut tentative, word) {
                break;
            }
            t1_ms = t1_ms.max(word.t1_ms);
        }
        let cue = self.cue(first, language);
        if cue.tentative != tentative {
            cue.tentative = tentative;
            cue.t1_ms = cue.t1_ms.max(t1_ms);
            cue.sent = false;
        }
        self.send(out);
    }

    /// The language of the last cue; empty before the first.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Nothing follows what was said: ends the unfinished cue. One without a settled word takes its guess back.
    pub fn finish(&mut self, out: &mut Vec<FromRecogniser>) {
        self.clear();
        if let Some(cue) = self.open.take() {
            out.push(self.message(&cue, true));
        }
    }

    fn settle(&mut self, word: &Word, language: &str, out: &mut Vec<FromRecogniser>) {
        let fits = |cue: &Cue| {
            cue.language == language
                && (cue.committed.is_empty()
                    || cue.committed.len() + 1 + word.text.len() <= MAX_CUE_TEXT
                        && columns(&cue.committed) < LONG
                        && word.t1_ms.saturating_sub(cue.t0_ms) <= LONGEST_MS)
        };
        if !self.open.as_ref().is_none_or(fits) {
            self.finish(out);
        }
        let cue = self.cue(word, language);
        append(&mut cue.committed, word);
        cue.tentative.clear();
        cue.t1_ms = cue.t0_ms.max(word.t1_ms);
        cue.sent = false;
        if word.ends {
            self.finish(out);
        }
    }

    fn cue(&mut self, first: &Word, language: &str) -> &mut Cue {
        let next = &mut self.next;
        language.clone_into(&mut self.language);
        self.open.get_or_insert_with(|| {
            let id = *next;
            *next += 1;
            Cue {
                id,
                revision: 0,
                language: language.to_owned(),
                t0_ms: first.t0_ms,
                t1_ms: first.t1_ms.max(first.t0_ms),
                committed: String::new(),
                tentative: String::new(),
                sent: false,
            }
        })
    }

    fn clear(&mut self) {
        if let Some(cue) = self.open.as_mut()
            && !cue.tentative.is_empty()
        {
            cue.tentative.clear();
            cue.sent = false;
        }
    }

    fn send(&mut self, out: &mut Vec<FromRecogniser>) {
        if let Some(mut cue) = self.open.take() {
            if !cue.sent {
                out.push(self.message(&cue, false));
                cue.sent = true;
                cue.revision = cue.revision.saturating_add(1);
            }
            self.open = Some(cue);
        }
    }

    fn message(&self, cue: &Cue, finished: bool) -> FromRecogniser {
        FromRecogniser::Cue {
            track: self.track,
            cue: cue.id,
            revision: cue.revision,
            language: cue.language.clone(),
            t0_ms: cue.t0_ms,
            t1_ms: cue.t1_ms,
            committed: cue.committed.clone(),
            tentative: cue.tentative.clone(),
            finished,
        }
    }
}

fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFF}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Words as one text, as far as the bound allows.
pub(crate) fn text(words: &[Word]) -> String {
    let mut text = String::new();
    for word in words {
        if !append(&mut text, word) {
            break;
        }
    }
    text
}

/// Appends a word with the space before it, as far as the bound allows. Whether it went in.
fn append(text: &mut String, word: &Word) -> bool {
    let space = usize::from(!text.is_empty() && !word.glued);
    if !text.is_empty() && text.len() + space + word.text.len() > MAX_CUE_TEXT {
        return false;
    }
    if space > 0 {
        text.push(' ');
    }
    let end = word.text.floor_char_boundary(MAX_CUE_TEXT);
    text.push_str(word.text.get(..end).unwrap_or_default());
    true
}

#[cfg(test)]
mod tests;
