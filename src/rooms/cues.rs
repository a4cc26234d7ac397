//! The captions of one room: what recognisers said, under numbers of the room, and what becomes of it in the languages that are
//! wanted. Sans-IO: what is said, what was translated and `now` go in; cues and texts to be translated come out. Of an original
//! nothing that was shown is ever taken back.

mod english;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_captions::files::shown;

use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::rooms::captions::CueView;

pub use english::RECOGNISER;

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
/// Captions that one speaker may begin in a row, and how long it takes until they may begin another: more than anyone speaks, also
/// when a worker that was behind says many at once.
const MOST_IN_A_ROW: u32 = 16;
const REFILL: Duration = Duration::from_millis(500);
/// Speakers that are remembered; a room has no more people.
const MOST_SPEAKERS: usize = 2_000;

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
    /// The languages of which the recogniser itself makes English.
    pub english: Vec<String>,
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
    /// The one unfinished caption of each track: its number there, and its number here.
    open: BTreeMap<u64, (u64, u64)>,
    live: BTreeMap<u64, Live>,
    jobs: BTreeMap<u64, (String, Vec<Part>)>,
    last_job: u64,
    speakers: BTreeMap<ParticipantId, Speaker>,
}

/// What is remembered of a speaker.
#[derive(Debug)]
struct Speaker {
    /// The last caption, by its track and its number there. Both only count up.
    last: Option<(u64, u64)>,
    /// Up to when they were captioned.
    until: i64,
    /// Captions that they may begin now, and since when that many.
    left: u32,
    since: Timestamp,
}

#[derive(Debug)]
struct Live {
    view: CueView,
    /// Of which track, and its number there.
    of: (u64, u64),
    translations: BTreeMap<String, Translation>,
    /// When it last began to have words that nothing was made of, or was finished.
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
        self.translates(source, target) || self.by_recogniser(source, target)
    }

    fn translates(&self, source: &str, target: &str) -> bool {
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
    /// Takes what was said. A track has one caption at a time: with the next one the last is as it will stay.
    pub fn take(&mut self, spoken: Spoken, targets: &Targets, now: Timestamp) -> Vec<Said> {
        let (track, cue) = spoken.of;
        let mut said = Vec::new();
        let number = match self.open.get(&track) {
            Some((open, number)) if *open == cue => *number,
            Some((open, _)) if *open > cue => return said,
            _ => {
                if !self.may_begin(&spoken, now) {
                    return said;
                }
                said.extend(self.end(track, targets));
                said.extend(self.begin(&spoken, targets, now));
                self.last
            }
        };
        let Some(live) = self.live.get_mut(&number) else {
            return said;
        };
        let (committed, tentative) = (clean(&spoken.committed), clean(&spoken.tentative));
        let view = &mut live.view;
        if !committed.starts_with(&view.committed) {
            return said;
        }
        if view.committed.len() == committed.len() && view.committed.is_empty() {
            live.since = now;
        }
        view.revision = view.revision.saturating_add(1);
        // With text that stays its language stays.
        if view.committed.is_empty() {
            view.language = spoken.language;
        }
        (view.committed, view.tentative) = (committed, tentative);
        view.t1 = Timestamp::from_millis(spoken.t1);
        view.is_final = spoken.finished;
        if !view.committed.is_empty()
            && let Some(speaker) = self.speakers.get_mut(&spoken.speaker)
        {
            speaker.until = spoken.t1;
        }
        if spoken.finished {
            self.open.remove(&track);
            live.since = now;
        }
        said.extend(live.untranslatable(targets));
        said.extend(live.originals(targets));
        self.sweep(targets);
        said
    }

    /// A track ended: what stands of its cue is what there will be.
    pub fn lost(&mut self, track: u64, targets: &Targets) -> Vec<Said> {
        let mut said = self.end(track, targets);
        said.extend(self.without_english(targets, |live| live.of.0 == track));
        self.sweep(targets);
        said
    }

    /// What can be translated is another thing now: of what cannot be any more the original is shown.
    pub fn retarget(&mut self, targets: &Targets) -> Vec<Said> {
        let live = self.live.values_mut();
        let said = live.flat_map(|live| {
            let mut said = live.untranslatable(targets);
            said.extend(live.unbegun(targets));
            said
        });
        let said = said.collect();
        self.sweep(targets);
        said
    }

    /// A speaker is gone for good.
    pub fn forget(&mut self, speaker: ParticipantId) {
        self.speakers.remove(&speaker);
    }

    /// A speaker is not listened to any more: what stands of their cues is all there will be, in every language. What was
    /// being translated is dropped when it comes.
    pub fn cut(&mut self, speaker: ParticipantId, targets: &Targets) -> Vec<Said> {
        let mut said = Vec::new();
        let theirs = |live: &Live| live.view.speaker == speaker;
        for live in self.live.values_mut().filter(|live| theirs(live)) {
            if !live.view.is_final {
                live.end();
                said.extend(live.originals(targets));
            }
            said.extend(live.end_translations(targets));
        }
        self.live.retain(|_, live| !theirs(live));
        self.open
            .retain(|_, (_, number)| self.live.contains_key(number));
        said
    }

    /// What is to be translated now: together what goes from one language into another.
    pub fn due(&mut self, targets: &Targets, now: Timestamp) -> Vec<Job> {
        let mut found: BTreeMap<(String, String), (Vec<Part>, Vec<String>)> = BTreeMap::new();
        for (number, live) in &mut self.live {
            for target in targets.others(&live.view.language.clone()) {
                if !targets.translates(&live.view.language, target) {
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
            let came = live.map(|live| live.translated(&target, *part, text, targets));
            said.extend(came.unwrap_or_default());
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

    /// Whether this may become a caption of its own.
    fn may_begin(&mut self, spoken: &Spoken, now: Timestamp) -> bool {
        while self.speakers.len() >= MOST_SPEAKERS && !self.speakers.contains_key(&spoken.speaker) {
            self.speakers.pop_first();
        }
        let speaker = self.speakers.entry(spoken.speaker).or_insert(Speaker {
            last: None,
            until: i64::MIN,
            left: MOST_IN_A_ROW,
            since: now,
        });
        // What another worker has captioned before it died is not captioned again.
        let again = match speaker.last {
            Some(last) if last.0 == spoken.of.0 => spoken.of.1 <= last.1,
            Some(last) => spoken.of.0 < last.0 || spoken.t1 <= speaker.until,
            None => false,
        };
        if again {
            return false;
        }
        let passed = now.since(speaker.since).as_millis() / REFILL.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if passed > 0 {
            speaker.left = speaker.left.saturating_add(passed).min(MOST_IN_A_ROW);
            speaker.since = now;
        }
        match speaker.left.checked_sub(1) {
            Some(left) => speaker.left = left,
            None => return false,
        }
        speaker.last = Some(spoken.of);
        true
    }

    fn begin(&mut self, spoken: &Spoken, targets: &Targets, now: Timestamp) -> Vec<Said> {
        self.last = self.last.saturating_add(1);
        let mut said = Vec::new();
        while self.live.len() >= MOST_LIVE {
            said.extend(self.drop_one(targets));
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
            of: spoken.of,
            translations: BTreeMap::new(),
            since: now,
        };
        self.live.insert(self.last, live);
        self.open.insert(spoken.of.0, (spoken.of.1, self.last));
        said
    }

    /// Ends the open caption of a track, as it stands.
    fn end(&mut self, track: u64, targets: &Targets) -> Vec<Said> {
        let ended = self.open.remove(&track);
        let live = ended.and_then(|(_, number)| self.live.get_mut(&number));
        live.map(|live| {
            live.end();
            live.originals(targets)
        })
        .unwrap_or_default()
    }

    /// Makes room: the oldest that only waits for its translation is shown as it was spoken, or else the oldest ends.
    fn drop_one(&mut self, targets: &Targets) -> Vec<Said> {
        let over = self.live.iter().find(|(_, live)| live.view.is_final);
        let number = over
            .map(|(number, _)| *number)
            .or_else(|| self.live.keys().next().copied());
        let Some((number, mut live)) = number.and_then(|number| self.live.remove_entry(&number))
        else {
            return Vec::new();
        };
        self.open.retain(|_, (_, open)| *open != number);
        let mut said = live.give_up(targets, |_, _| true);
        said.extend(live.unbegun(targets));
        if !live.view.is_final {
            live.end();
            said.extend(live.originals(targets));
        }
        said
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
        let numbers: BTreeSet<u64> = self.open.values().map(|(_, number)| *number).collect();
        self.live
            .retain(|number, live| numbers.contains(number) || !live.is_over(targets));
    }
}

impl Live {
    /// What stands is what there will be.
    fn end(&mut self) {
        self.view.revision = self.view.revision.saturating_add(1);
        self.view.tentative.clear();
        self.view.is_final = true;
    }

    /// Gives up the translations of which there will be no more, because nothing translates into them now.
    fn untranslatable(&mut self, targets: &Targets) -> Vec<Said> {
        self.give_up(targets, |language, target| !targets.has(language, target))
    }

    /// Gives up what is not translated to its end: what was shown of it is taken back, and the original is shown instead.
    fn give_up(&mut self, targets: &Targets, which: impl Fn(&str, &str) -> bool) -> Vec<Said> {
        let mut said = Vec::new();
        let language = self.view.language.clone();
        for target in targets
            .others(&language)
            .filter(|target| which(&language, target))
        {
            let of = self.translations.get(target);
            if of.is_some_and(|of| !of.over && !of.failed) {
                said.extend(self.fail(target, targets));
            }
        }
        said
    }

    /// The original, for those for whom it would have been translated, where nothing of that was begun.
    fn unbegun(&self, targets: &Targets) -> Vec<Said> {
        let others = targets.others(&self.view.language);
        others
            .filter(|target| !self.translations.contains_key(*target))
            .filter(|_| !self.view.committed.is_empty())
            .map(|target| (For::Fallback(target.clone()), self.view.clone()))
            .collect()
    }

    /// A text could not be translated: nobody reads half of it as if that were all.
    fn fail(&mut self, target: &str, targets: &Targets) -> Vec<Said> {
        let Some(of) = self.translations.get_mut(target) else {
            return Vec::new();
        };
        of.failed = true;
        let mut said = Vec::new();
        if of.revision > 0 {
            of.revision = of.revision.saturating_add(1);
            let taken_back = self.translation(target, targets, |view| {
                view.committed.clear();
                view.tentative.clear();
                view.is_final = true;
            });
            said.extend(taken_back);
        }
        said.push((For::Fallback(target.to_owned()), self.view.clone()));
        said
    }

    /// A translation as it is now.
    fn translation(
        &self,
        target: &str,
        targets: &Targets,
        change: impl FnOnce(&mut CueView),
    ) -> Option<Said> {
        let of = self.translations.get(target)?;
        let mut view = CueView {
            revision: of.revision,
            language: target.to_owned(),
            original: false,
            engine: Some(targets.engine_of(&self.view.language, target).to_owned()),
            committed: of.done.clone(),
            tentative: of.tail.1.clone(),
            is_final: of.over,
            ..self.view.clone()
        };
        change(&mut view);
        Some((For::Translation, view))
    }

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
    ) -> Vec<Said> {
        let Some(of) = self.translations.get_mut(target) else {
            return Vec::new();
        };
        of.waits = false;
        if of.failed || of.over {
            return Vec::new();
        }
        let Some(text) = text.map(clean).filter(|text| !text.trim().is_empty()) else {
            return self.fail(target, targets);
        };
        if part.stays {
            of.done = joined(&of.done, &text);
            (of.upto, of.tail) = (part.end, (0, String::new()));
        } else {
            of.tail = (part.end.saturating_sub(of.upto), text);
        }
        of.over = self.view.is_final && of.upto >= self.view.committed.len();
        of.revision = of.revision.saturating_add(1);
        self.translation(target, targets, |_| {})
            .into_iter()
            .collect()
    }

    /// What is shown of its translations is final as it is.
    fn end_translations(&mut self, targets: &Targets) -> Vec<Said> {
        let mut shown = Vec::new();
        for (target, of) in &mut self.translations {
            if of.revision > 0 && !of.over && !of.failed {
                of.revision = of.revision.saturating_add(1);
                of.done = joined(&of.done, &std::mem::take(&mut of.tail.1));
                of.over = true;
                shown.push(target.clone());
            }
        }
        let ended = |target: &String| self.translation(target, targets, |_| {});
        shown.iter().filter_map(ended).collect()
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

/// Two pieces of one text.
fn joined(done: &str, more: &str) -> String {
    if done.is_empty() || more.is_empty() {
        return format!("{done}{more}");
    }
    clean(&format!("{done} {more}"))
}

/// Text as it may be shown, by the rule of the files: nothing that hides, reorders or breaks lines, and not too much of it. What
/// begins alike is alike after it.
fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(MOST_TEXT));
    for c in text.chars().filter_map(shown) {
        if c == ' ' && kept.ends_with(' ') {
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
mod tests;
