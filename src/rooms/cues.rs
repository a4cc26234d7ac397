//! The captions of one room: what recognisers said, under numbers of the room, and what becomes of it in the languages that are
//! wanted. Sans-IO: what is said, what was translated and `now` go in; cues and texts to be translated come out. Of an original
//! nothing that was shown is ever taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::auth::name::is_hidden;
use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::rooms::captions::CueView;

/// Cues that are not over yet, or are still being translated.
const MOST_LIVE: usize = 256;
/// Texts that are translated together.
const MOST_TEXTS: usize = 32;
/// Requests for translation that one room has under way.
const MOST_JOBS: usize = 8;
/// Without an end of a sentence something is translated after so many words, or after so long.
const WORDS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of a text that is shown.
const MOST_TEXT: usize = 500;

/// What a recogniser said.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Of which track, and its number there.
    pub of: (u64, u64),
    /// Who spoke, by the server's own table.
    pub speaker: ParticipantId,
    /// Their name now.
    pub name: String,
    /// The language.
    pub language: String,
    /// When.
    pub t0: i64,
    /// Up to when.
    pub t1: i64,
    /// What stays.
    pub committed: String,
    /// What may change.
    pub tentative: String,
    /// Nothing follows.
    pub finished: bool,
}

/// What is wanted, and what can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The languages that someone reads.
    pub wanted: BTreeSet<String>,
    /// From which language into which there is a translation.
    pub pairs: Vec<(String, String)>,
    /// What translates.
    pub engine: String,
}

/// For whom a cue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// Those who read the original, or its language.
    Readers,
    /// Those who chose this language, into which it is not translated.
    Fallback(String),
    /// Those who chose its language.
    Translation,
}

/// A cue, and for whom it is.
pub type Said = (For, CueView);

/// Texts to be translated together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Comes back.
    pub id: u64,
    /// Their language.
    pub source: String,
    /// The language wanted.
    pub target: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// The captions of one room.
#[derive(Debug, Default)]
pub struct Cues {
    last: u64,
    open: BTreeMap<(u64, u64), u64>,
    live: BTreeMap<u64, Live>,
    jobs: BTreeMap<u64, (String, Vec<Part>)>,
    last_job: u64,
    /// Up to when each speaker was captioned.
    until: BTreeMap<ParticipantId, i64>,
}

#[derive(Debug)]
struct Live {
    view: CueView,
    translations: BTreeMap<String, Translation>,
    /// When it last began to have words that nothing was made of.
    since: Timestamp,
}

/// What became of a cue in one language.
#[derive(Debug, Default)]
struct Translation {
    /// Of this much of the committed text.
    upto: usize,
    done: String,
    /// What came of the rest, and how long that was.
    tail: (usize, String),
    revision: u32,
    waits: bool,
    failed: bool,
    over: bool,
}

/// A piece of one cue in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    cue: u64,
    /// Up to here in the committed text.
    end: usize,
    /// What comes of it stays.
    stays: bool,
}

impl Targets {
    fn has(&self, source: &str, target: &str) -> bool {
        self.pairs
            .iter()
            .any(|(from, into)| same(from, source) && into == target)
    }

    /// Those of the wanted that are not the language itself.
    fn others<'a>(&'a self, language: &'a str) -> impl Iterator<Item = &'a String> {
        self.wanted
            .iter()
            .filter(move |target| !same(target, language))
    }
}

/// Whether two codes name one language, whatever the country.
pub fn same(one: &str, other: &str) -> bool {
    let language = |code: &str| code.split('-').next().map(str::to_ascii_lowercase);
    language(one) == language(other)
}

impl Cues {
    /// Takes what was said.
    pub fn take(&mut self, spoken: Spoken, targets: &Targets, now: Timestamp) -> Vec<Said> {
        let number = match self.open.get(&spoken.of) {
            Some(number) => *number,
            None => {
                // What another worker has captioned before it died is not captioned again.
                let until = self.until.get(&spoken.speaker);
                if until.is_some_and(|until| spoken.t1 <= *until) {
                    return Vec::new();
                }
                self.begin(&spoken, now)
            }
        };
        let Some(live) = self.live.get_mut(&number) else {
            return Vec::new();
        };
        let (committed, tentative) = (clean(&spoken.committed), clean(&spoken.tentative));
        let view = &mut live.view;
        if !committed.starts_with(&view.committed) {
            return Vec::new();
        }
        if view.committed.len() == committed.len() && view.committed.is_empty() {
            live.since = now;
        }
        view.revision = view.revision.saturating_add(1);
        (view.committed, view.tentative) = (committed, tentative);
        view.t1 = Timestamp::from_millis(spoken.t1);
        view.is_final = spoken.finished;
        // With text that stays its language stays.
        if view.committed.is_empty() {
            view.language = spoken.language;
        }
        if !view.committed.is_empty() {
            self.until.insert(spoken.speaker, spoken.t1);
        }
        if spoken.finished {
            self.open.remove(&spoken.of);
        }
        let said = live.originals(targets);
        self.sweep(targets);
        said
    }

    /// A track ended: what stands of its cue is what there will be.
    pub fn lost(&mut self, track: u64, targets: &Targets) -> Vec<Said> {
        let keys: Vec<_> = self
            .open
            .range((track, 0)..=(track, u64::MAX))
            .map(|(key, _)| *key)
            .collect();
        let mut said = Vec::new();
        for key in keys {
            let live = self
                .open
                .remove(&key)
                .and_then(|number| self.live.get_mut(&number));
            if let Some(live) = live {
                live.view.revision = live.view.revision.saturating_add(1);
                live.view.tentative.clear();
                live.view.is_final = true;
                said.extend(live.originals(targets));
            }
        }
        self.sweep(targets);
        said
    }

    /// A speaker is not listened to any more: what stands of their cues is all there will be, in every language. What was
    /// being translated is dropped when it comes.
    pub fn cut(&mut self, speaker: ParticipantId, targets: &Targets) -> Vec<Said> {
        let mut said = Vec::new();
        let theirs = |live: &Live| live.view.speaker == speaker;
        for live in self.live.values_mut().filter(|live| theirs(live)) {
            if !live.view.is_final {
                live.view.revision = live.view.revision.saturating_add(1);
                live.view.tentative.clear();
                live.view.is_final = true;
                said.extend(live.originals(targets));
            }
            said.extend(live.end_translations(targets));
        }
        self.live.retain(|_, live| !theirs(live));
        self.open.retain(|_, number| self.live.contains_key(number));
        said
    }

    /// What is to be translated now: together what goes from one language into another.
    pub fn due(&mut self, targets: &Targets, now: Timestamp) -> Vec<Job> {
        let mut found: BTreeMap<(String, String), (Vec<Part>, Vec<String>)> = BTreeMap::new();
        for (number, live) in &mut self.live {
            for target in targets.others(&live.view.language.clone()) {
                if !targets.has(&live.view.language, target) {
                    continue;
                }
                let Some((part, text)) = live.next(*number, target, now) else {
                    continue;
                };
                let pair = (live.view.language.clone(), target.clone());
                let (parts, texts) = found.entry(pair).or_default();
                if texts.len() < MOST_TEXTS {
                    live.translations.entry(target.clone()).or_default().waits = true;
                    live.since = now;
                    parts.push(part);
                    texts.push(text);
                }
            }
        }
        let mut jobs = Vec::new();
        for ((source, target), (parts, texts)) in found {
            if self.jobs.len() >= MOST_JOBS {
                self.let_wait(&target, &parts);
                continue;
            }
            self.last_job = self.last_job.saturating_add(1);
            self.jobs.insert(self.last_job, (target.clone(), parts));
            jobs.push(Job {
                id: self.last_job,
                source,
                target,
                texts,
            });
        }
        jobs
    }

    /// What came of a job; nothing for each text that could not be translated.
    pub fn translated(
        &mut self,
        job: u64,
        texts: &[Option<String>],
        targets: &Targets,
    ) -> Vec<Said> {
        let Some((target, parts)) = self.jobs.remove(&job) else {
            return Vec::new();
        };
        let mut said = Vec::new();
        let texts = texts.iter().map(Option::as_deref);
        for (part, text) in parts.iter().zip(texts.chain(std::iter::repeat(None))) {
            let live = self.live.get_mut(&part.cue);
            said.extend(live.and_then(|live| live.translated(&target, *part, text, targets)));
        }
        self.sweep(targets);
        said
    }

    /// Nothing of all this is wanted any more.
    pub fn clear(&mut self) {
        let (last, last_job) = (self.last, self.last_job);
        *self = Self {
            last,
            last_job,
            ..Self::default()
        };
    }

    /// Whether something may have to be translated without anything new being said.
    pub fn is_busy(&self) -> bool {
        !self.live.is_empty()
    }

    fn begin(&mut self, spoken: &Spoken, now: Timestamp) -> u64 {
        self.last = self.last.saturating_add(1);
        while self.live.len() >= MOST_LIVE {
            self.live.pop_first();
        }
        let view = CueView {
            cue: self.last,
            revision: 0,
            speaker: spoken.speaker,
            name: spoken.name.clone(),
            language: spoken.language.clone(),
            original: true,
            engine: None,
            t0: Timestamp::from_millis(spoken.t0),
            t1: Timestamp::from_millis(spoken.t1),
            committed: String::new(),
            tentative: String::new(),
            is_final: false,
        };
        let live = Live {
            view,
            translations: BTreeMap::new(),
            since: now,
        };
        self.live.insert(self.last, live);
        self.open.insert(spoken.of, self.last);
        self.last
    }

    fn let_wait(&mut self, target: &str, parts: &[Part]) {
        for part in parts {
            let live = self.live.get_mut(&part.cue);
            if let Some(of) = live.and_then(|live| live.translations.get_mut(target)) {
                of.waits = false;
            }
        }
    }

    /// Forgets cues of which nothing more will come.
    fn sweep(&mut self, targets: &Targets) {
        let numbers: BTreeSet<u64> = self.open.values().copied().collect();
        self.live
            .retain(|number, live| numbers.contains(number) || !live.is_over(targets));
    }
}

impl Live {
    /// The original as it is now, for all who get it.
    fn originals(&self, targets: &Targets) -> Vec<Said> {
        let language = &self.view.language;
        let untranslated = targets.others(language).filter(|target| {
            let failed = self.translations.get(*target).is_some_and(|of| of.failed);
            failed || !targets.has(language, target)
        });
        let fallback = untranslated.map(|target| For::Fallback(target.clone()));
        std::iter::once(For::Readers)
            .chain(fallback)
            .map(|to| (to, self.view.clone()))
            .collect()
    }

    /// What of it is to be translated next.
    fn next(&self, number: u64, target: &str, now: Timestamp) -> Option<(Part, String)> {
        let none = Translation::default();
        let of = self.translations.get(target).unwrap_or(&none);
        if of.waits || of.failed || of.over {
            return None;
        }
        let text = &self.view.committed;
        let rest = text.get(of.upto..)?;
        let part = |end, stays| {
            let piece = text.get(of.upto..end)?.trim().to_owned();
            let cue = number;
            (!piece.is_empty()).then_some((Part { cue, end, stays }, piece))
        };
        if self.view.is_final {
            return part(text.len(), true);
        }
        if let Some(end) = sentences(rest) {
            return part(of.upto.saturating_add(end), true);
        }
        let news = rest.get(of.tail.0..).unwrap_or(rest);
        let words = news.split_whitespace().count();
        let waited = now.since(self.since) >= PATIENCE;
        if words >= WORDS || (words > 0 && waited) {
            return part(text.len(), false);
        }
        None
    }

    fn translated(
        &mut self,
        target: &str,
        part: Part,
        text: Option<&str>,
        targets: &Targets,
    ) -> Option<Said> {
        let of = self.translations.get_mut(target)?;
        of.waits = false;
        let Some(text) = text.map(clean).filter(|text| !text.is_empty()) else {
            of.failed = true;
            return Some((For::Fallback(target.to_owned()), self.view.clone()));
        };
        if part.stays {
            if !of.done.is_empty() {
                of.done.push(' ');
            }
            of.done.push_str(&text);
            of.done = clean(&of.done);
            (of.upto, of.tail) = (part.end, (0, String::new()));
        } else {
            of.tail = (part.end.saturating_sub(of.upto), text);
        }
        of.over = self.view.is_final && of.upto >= self.view.committed.len();
        of.revision = of.revision.saturating_add(1);
        let view = CueView {
            revision: of.revision,
            language: target.to_owned(),
            original: false,
            engine: Some(targets.engine.clone()),
            committed: of.done.clone(),
            tentative: of.tail.1.clone(),
            is_final: of.over,
            ..self.view.clone()
        };
        Some((For::Translation, view))
    }

    /// What is shown of its translations is final as it is.
    fn end_translations(&self, targets: &Targets) -> Vec<Said> {
        let shown = |of: &Translation| of.revision > 0 && !of.over && !of.failed;
        self.translations
            .iter()
            .filter(|(_, of)| shown(of))
            .map(|(target, of)| {
                let view = CueView {
                    revision: of.revision.saturating_add(1),
                    language: target.clone(),
                    original: false,
                    engine: Some(targets.engine.clone()),
                    committed: of.done.clone(),
                    tentative: String::new(),
                    is_final: true,
                    ..self.view.clone()
                };
                (For::Translation, view)
            })
            .collect()
    }

    /// Whether nothing more will come of it.
    fn is_over(&self, targets: &Targets) -> bool {
        let text = !self.view.committed.is_empty();
        let language = &self.view.language;
        self.view.is_final
            && targets.others(language).all(|target| {
                let over = |of: &Translation| of.over || of.failed;
                !text
                    || !targets.has(language, target)
                    || self.translations.get(target).is_some_and(over)
            })
    }
}

/// Where the last whole sentence or clause ends.
fn sentences(text: &str) -> Option<usize> {
    let mut end = None;
    let mut before: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        if let Some((_, mark)) = before
            && matches!(mark, '.' | '!' | '?' | '…' | ';' | ':')
            && c.is_whitespace()
        {
            end = Some(at);
        }
        if matches!(c, '。' | '！' | '？') {
            end = Some(at.saturating_add(c.len_utf8()));
        }
        before = Some((at, c));
    }
    end
}

/// Text as it may be shown: nothing that hides, reorders or breaks lines, and not too much of it. What begins alike is alike
/// after it.
fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(MOST_TEXT));
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c.is_control() || is_hidden(c) {
            continue;
        }
        if kept.len().saturating_add(c.len_utf8()) > MOST_TEXT {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: ParticipantId = ParticipantId::from_bytes([1; 16]);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn spoken(cue: u64, t: (i64, i64), committed: &str, finished: bool) -> Spoken {
        Spoken {
            of: (7, cue),
            speaker: WHO,
            name: "guest".into(),
            language: "en".into(),
            t0: t.0,
            t1: t.1,
            committed: committed.into(),
            tentative: if finished { "" } else { "maybe" }.into(),
            finished,
        }
    }

    fn targets(wanted: &[&str]) -> Targets {
        Targets {
            wanted: wanted.iter().map(|&code| code.to_owned()).collect(),
            pairs: vec![("en".into(), "es".into())],
            engine: "apertium".into(),
        }
    }

    #[test]
    fn numbers_go_on_over_tracks_and_a_lost_track_ends_its_cue_with_what_stays() {
        let (mut cues, none) = (Cues::default(), targets(&[]));
        let said = cues.take(spoken(1, (0, 900), "we begin", false), &none, at(0));
        assert_eq!((said[0].1.cue, said[0].1.revision), (1, 1));
        let said = cues.lost(7, &none);
        let view = &said[0].1;
        assert!(view.is_final && view.tentative.is_empty());
        assert_eq!((view.committed.as_str(), view.revision), ("we begin", 2));
        assert!(cues.lost(7, &none).is_empty());
        // Another worker says it once more, and then goes on.
        let mut again = spoken(1, (0, 900), "we begin", false);
        again.of = (8, 1);
        assert!(cues.take(again, &none, at(0)).is_empty());
        let mut more = spoken(2, (1000, 1500), "now", true);
        more.of = (8, 2);
        assert_eq!(cues.take(more, &none, at(0))[0].1.cue, 2);
        assert!(!cues.is_busy());
    }

    #[test]
    fn what_was_committed_is_never_taken_back() {
        let (mut cues, none) = (Cues::default(), targets(&[]));
        cues.take(spoken(1, (0, 1), "we begin", false), &none, at(0));
        let other = spoken(1, (0, 1), "they begin", false);
        assert!(cues.take(other, &none, at(0)).is_empty());
        let after = spoken(1, (0, 1), "we begin now", true);
        assert_eq!(cues.take(after.clone(), &none, at(0)).len(), 1);
        assert!(cues.take(after, &none, at(0)).is_empty(), "nothing follows");
    }

    #[test]
    fn sentences_are_translated_as_they_end_and_stay() {
        let (mut cues, es) = (Cues::default(), targets(&["es"]));
        cues.take(spoken(1, (0, 1), "We begin. And", false), &es, at(0));
        let jobs = cues.due(&es, at(0));
        assert_eq!(jobs[0].texts, ["We begin."]);
        assert!(cues.due(&es, at(0)).is_empty(), "one at a time");
        let said = cues.translated(jobs[0].id, &[Some("Empezamos.".into())], &es);
        assert_eq!(said[0].0, For::Translation);
        assert_eq!(said[0].1.committed, "Empezamos.");
        assert!(!said[0].1.is_final && !said[0].1.original);
        // The open clause: only after a while, and it may change.
        assert!(cues.due(&es, at(100)).is_empty());
        let jobs = cues.due(&es, at(3_100));
        assert_eq!(jobs[0].texts, ["And"]);
        let said = cues.translated(jobs[0].id, &[Some("Y".into())], &es);
        assert_eq!(said[0].1.tentative, "Y");
        cues.take(spoken(1, (0, 2), "We begin. And go", true), &es, at(3_200));
        let jobs = cues.due(&es, at(3_200));
        assert_eq!(jobs[0].texts, ["And go"]);
        let said = cues.translated(jobs[0].id, &[Some("Y vamos".into())], &es);
        assert_eq!(said[0].1.committed, "Empezamos. Y vamos");
        assert!(said[0].1.is_final && said[0].1.tentative.is_empty());
        assert!(!cues.is_busy());
    }

    #[test]
    fn nothing_is_added_in_any_language_once_a_speaker_is_not_listened_to() {
        let (mut cues, targets) = (Cues::default(), targets(&["es"]));
        cues.take(
            spoken(1, (0, 900), "one. two. three", false),
            &targets,
            at(0),
        );
        let first = cues.due(&targets, at(0)).remove(0);
        let shown = cues.translated(first.id, &[Some("uno. dos.".into())], &targets);
        assert_eq!(shown.len(), 1);
        cues.take(
            spoken(1, (0, 1200), "one. two. three.", true),
            &targets,
            at(1),
        );
        let second = cues.due(&targets, at(1)).remove(0);
        cues.take(
            spoken(2, (1300, 1900), "four. five", false),
            &targets,
            at(2),
        );
        let speaker = shown[0].1.speaker;
        let said = cues.cut(speaker, &targets);
        let ended: Vec<_> = said
            .iter()
            .map(|(_, view)| {
                (
                    view.language.as_str(),
                    view.committed.as_str(),
                    view.is_final,
                )
            })
            .collect();
        assert_eq!(
            ended,
            [("es", "uno. dos.", true), ("en", "four. five", true)]
        );
        assert_eq!(cues.due(&targets, at(60_000)), []);
        assert_eq!(
            cues.translated(second.id, &[Some("tres.".into())], &targets),
            []
        );
        assert!(!cues.is_busy());
        assert!(cues.open.is_empty());
    }

    #[test]
    fn what_cannot_be_translated_is_shown_as_it_is() {
        let (mut cues, both) = (Cues::default(), targets(&["es", "fr"]));
        let said = cues.take(spoken(1, (0, 1), "We begin.", true), &both, at(0));
        let fallback = |language: &str| For::Fallback(language.into());
        let whom: Vec<_> = said.into_iter().map(|(to, _)| to).collect();
        assert_eq!(whom, [For::Readers, fallback("fr")]);
        let jobs = cues.due(&both, at(0));
        let said = cues.translated(jobs[0].id, &[None], &both);
        assert_eq!(said[0].0, fallback("es"));
        assert!(said[0].1.original);
        assert!(!cues.is_busy());
    }

    #[test]
    fn nothing_that_hides_or_reorders_is_shown() {
        let (mut cues, none) = (Cues::default(), targets(&[]));
        let text = "a\u{202e}b\u{7}\nc --> <b>";
        let said = cues.take(spoken(1, (0, 1), text, true), &none, at(0));
        assert_eq!(said[0].1.committed, "ab c --> <b>");
        assert!(clean(&"ü".repeat(1000)).len() <= MOST_TEXT);
    }

    #[test]
    fn memory_is_bounded_whatever_is_said() {
        let (mut cues, es) = (Cues::default(), targets(&["es"]));
        for number in 0..10_000 {
            let mut cue = spoken(number, (0, i64::try_from(number).unwrap() + 1), "a.", true);
            cue.of.0 = number;
            cues.take(cue, &es, at(0));
            cues.due(&es, at(0));
        }
        assert!(cues.live.len() <= MOST_LIVE && cues.jobs.len() <= MOST_JOBS);
    }
}
