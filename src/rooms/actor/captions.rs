//! A room and its captions: what comes of what caption workers hear (`taps.rs`), in which languages, and who reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_policy::actions::{ActionKind, ChooseCaptions, KeepTranscript, PublishCue};
use conclave_policy::facts::Assignment;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::{CaptionEngine, Captions as Setting, Transcript};

use super::RoomActor;
use super::taps::Tap;
use crate::bounded::Text;
use crate::captioner::{Batch, CueIn, Desk, EnglishIn, Trouble};
use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId};
use crate::rooms::captions::{
    CaptionChoice, CaptionsState, CaptionsTrouble, CaptionsView, CueView, MOST_LANGUAGES,
};
use crate::rooms::cues::{Cues, For, RECOGNISER, Said, Spoken, Targets, same};
use crate::rooms::listening::Listening;
use crate::rooms::outbound::{Done, ServerMessage};
use crate::rooms::outbox::OUTBOX;
use crate::rooms::person::Person;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::Event;
use crate::speech::{Speech, is_language};

/// What stands for the words as they were spoken.
const ORIGINAL: &str = "original";
/// Cues that wait for one client that is slow or away; the oldest go first.
const MOST_WAITING: usize = 32;
/// Room in the outbox of a client that captions leave to what happens.
const LEFT: usize = OUTBOX / 2;
/// How soon it is looked again whether something waits.
const TICK: Duration = Duration::from_millis(150);
/// Languages that are told of.
const MOST_TOLD: usize = 64;
/// A cue is of speech that is at most so old, in milliseconds: workers are never so late.
const OLDEST: i64 = 10 * 60 * 1000;
/// Or so far ahead: clocks of speakers differ.
const AHEAD: i64 = 10 * 1000;
/// And it lasts so long at most: phrases are cut before.
const LONGEST: i64 = 60 * 1000;

/// The captions of one room.
pub(super) struct Captions {
    pub(super) desk: Desk,
    cues: Cues,
    pub(super) taps: BTreeMap<ParticipantId, Tap>,
    pub(super) listening: Listening,
    /// Why somebody who speaks is not captioned.
    pub(super) limit: Option<CaptionsTrouble>,
    /// What of open cues may be kept though their speaker has gone meanwhile.
    keeps: BTreeMap<ParticipantId, Permit<KeepTranscript>>,
    readers: BTreeMap<ParticipantId, Reader>,
    /// The language of what each said last.
    spoken: BTreeMap<ParticipantId, String>,
    targets: Targets,
    /// What the hosts chose.
    pub(super) speech: Speech,
    /// Who is listened to is to be listened to anew.
    pub(super) anew: bool,
    told: CaptionsView,
    tick: Option<Timestamp>,
}

/// What someone reads.
#[derive(Debug)]
struct Reader {
    choice: CaptionChoice,
    /// Whether the room is translated for them; else they read what is spoken.
    translated: bool,
    /// Nothing is shown to them that was said before.
    since: Timestamp,
    /// What waits for them: the latest of each cue and language.
    waiting: BTreeMap<(u64, String), CueView>,
}

impl Captions {
    pub(super) fn new(desk: Desk) -> Self {
        Self {
            desk,
            cues: Cues::default(),
            taps: BTreeMap::new(),
            listening: Listening::default(),
            limit: None,
            keeps: BTreeMap::new(),
            readers: BTreeMap::new(),
            spoken: BTreeMap::new(),
            targets: Targets::default(),
            speech: Speech::default(),
            anew: false,
            told: CaptionsView::default(),
            tick: None,
        }
    }

    /// When something is to be looked at without anything having happened.
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        self.tick
    }

    /// What someone has chosen.
    pub(super) fn choice(&self, of: ParticipantId) -> CaptionChoice {
        let reader = self.readers.get(&of);
        reader
            .map(|reader| reader.choice.clone())
            .unwrap_or_default()
    }

    /// Someone is out: they read nothing any more.
    pub(super) fn went(&mut self, participant: ParticipantId) {
        self.readers.remove(&participant);
        self.spoken.remove(&participant);
        self.cues.forget(participant);
        self.count_languages();
    }

    /// What the captions are to a participant.
    pub(super) fn view(&self, person: &Person) -> CaptionsView {
        CaptionsView {
            trouble: self.told.trouble.filter(|_| person.role.is_moderator()),
            ..self.told.clone()
        }
    }

    /// Into which languages it is translated: those that someone reads, as far as the hosts allow them, and not too many. Those
    /// that are translated already come first.
    pub(super) fn count_languages(&mut self) {
        let chosen = self.readers.values();
        let chosen = chosen.filter_map(|reader| reader.choice.language.as_ref());
        let chosen: BTreeSet<&String> = chosen
            .filter(|code| *code != ORIGINAL && self.speech.allows(code))
            .collect();
        let before = &self.targets.wanted;
        let (old, new): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|code| before.contains(*code));
        let wanted = old.into_iter().chain(new).take(MOST_LANGUAGES);
        let wanted: BTreeSet<String> = wanted.cloned().collect();
        for reader in self.readers.values_mut() {
            let language = reader.choice.language.as_ref();
            reader.translated = language.is_some_and(|language| wanted.contains(language));
        }
        self.targets.wanted = wanted;
    }

    /// What waits for someone in a language that is not allowed any more goes, unless it takes something back.
    pub(super) fn drop_disallowed(&mut self) {
        let Self {
            readers, speech, ..
        } = self;
        for reader in readers.values_mut() {
            let stays = |view: &CueView| {
                view.original || view.committed.is_empty() || speech.allows(&view.language)
            };
            reader.waiting.retain(|_, view| stays(view));
        }
    }
}

impl RoomActor {
    /// Chooses what someone reads.
    pub(super) fn on_choose_captions(
        &mut self,
        by: ParticipantId,
        id: u32,
        language: Option<Text<16>>,
        original: bool,
    ) {
        let outcome = self.choose_captions(by, language, original);
        self.answer(by, id, outcome.map(|()| Done::Done {}));
    }

    fn choose_captions(
        &mut self,
        by: ParticipantId,
        language: Option<Text<16>>,
        original: bool,
    ) -> Result<(), ErrorCode> {
        let _may = self.look(by, ChooseCaptions { participant: by })?;
        let Some(language) = language.map(Text::into_string) else {
            self.captions.readers.remove(&by);
            self.captions.count_languages();
            return Ok(());
        };
        if language != ORIGINAL && !is_language(&language) {
            return Err(ErrorCode::InvalidValue);
        }
        let others = self.captions.readers.iter().filter(|(who, _)| **who != by);
        // In a language that the hosts do not allow one reads what is spoken, and takes nobody's place.
        let speech = &self.captions.speech;
        let languages: BTreeSet<&str> = others
            .filter_map(|(_, reader)| reader.choice.language.as_deref())
            .chain([language.as_str()])
            .filter(|code| *code != ORIGINAL && speech.allows(code))
            .collect();
        if languages.len() > MOST_LANGUAGES && languages.contains(language.as_str()) {
            return Err(ErrorCode::TooMany);
        }
        let before = self.captions.readers.get(&by).map(|reader| reader.since);
        let reader = Reader {
            choice: CaptionChoice {
                language: Some(language),
                original,
            },
            translated: false,
            since: before.unwrap_or_else(|| self.means.clock.now()),
            waiting: BTreeMap::new(),
        };
        self.captions.readers.insert(by, reader);
        self.captions.count_languages();
        Ok(())
    }

    /// Sees to it that those are listened to who may be, and nobody else, and that everyone knows.
    pub(super) async fn tend_captions(&mut self) {
        let on = self.captions_on();
        if !on && self.captions.taps.is_empty() && self.captions.told.state == CaptionsState::Off {
            return;
        }
        self.captions.desk.want(on);
        self.stop_listening().await;
        self.listen_anew().await;
        self.retarget();
        if on {
            self.start_listening();
        } else {
            self.captions.cues.clear();
            self.captions.keeps.clear();
            self.captions.limit = None;
            for reader in self.captions.readers.values_mut() {
                reader.waiting.clear();
            }
        }
        self.ask_for_english();
        self.tell_captions();
        self.time_captions();
    }

    /// Takes what the workers have to say.
    pub(super) fn on_captioner(&mut self) {
        let health = self.captions.desk.health();
        self.captions.targets.engine = health.engine.unwrap_or_default();
        self.retarget();
        let news = self.captions.desk.collect();
        for cue in news.cues {
            self.on_cue(cue);
        }
        for came in news.english {
            self.on_english(came);
        }
        for came in news.translated {
            let Captions { cues, targets, .. } = &mut self.captions;
            let said = cues.translated(came.id, &came.texts, targets);
            self.say(said);
        }
        self.on_lost_tracks(&news.lost);
        self.translate();
        self.hand_out();
    }

    /// What can be translated may be another thing now. Nothing is sent to machines of others unless the room lets that be.
    pub(super) fn retarget(&mut self) {
        let mut pairs = match self.may_translate() {
            true => self.captions.desk.health().pairs,
            false => Vec::new(),
        };
        pairs.retain(|(_, into)| self.captions.speech.allows(into));
        let mut english = self.captions.desk.health().english;
        english.retain(|_| self.captions.speech.allows("en"));
        let Captions { cues, targets, .. } = &mut self.captions;
        if targets.pairs != pairs || targets.english != english {
            (targets.pairs, targets.english) = (pairs, english);
            let said = cues.retarget(targets);
            self.say(said);
        }
    }

    /// Whether the recogniser is to make English, of each track by the language that was heard there last.
    fn ask_for_english(&self) {
        let Captions {
            targets,
            desk,
            taps,
            spoken,
            ..
        } = &self.captions;
        for (participant, tap) in taps {
            if let Tap::Open { track } = tap {
                let language = spoken.get(participant).map(String::as_str);
                desk.want_english(*track, targets.wants_english(language));
            }
        }
    }

    /// Whether policy lets this worker make captions of someone now.
    fn may_publish(&self, by: ActorId, own: bool, participant: ParticipantId) -> bool {
        let Some(person) = self.room.person(participant) else {
            return false;
        };
        let assignment = if own {
            Assignment::Own
        } else {
            Assignment::Other
        };
        let facts = self.room.facts_of_captioner(person, assignment);
        let charter = self.room.charter();
        let asked = self.means.guard.look(
            charter.org,
            by,
            Role::Captioner,
            charter.room,
            &facts,
            PublishCue { participant },
        );
        asked.is_ok()
    }

    /// A worker says a finished caption in English: it counts as the caption itself does.
    fn on_english(&mut self, english: EnglishIn) {
        let Some(participant) = self.captions.whose(english.track) else {
            return;
        };
        if self.may_publish(english.by, true, participant) {
            let Captions { cues, targets, .. } = &mut self.captions;
            let of = (english.track, english.cue);
            let said = cues.in_english(of, english.text.as_deref(), targets);
            self.say(said);
        }
    }

    fn may_translate(&self) -> bool {
        let engine = self.room.charter().settings.caption_engine();
        engine == CaptionEngine::Remote || !self.captions.desk.is_outside()
    }

    /// A worker made a caption: it counts if the worker may make it, of a track that is its own and still heard.
    fn on_cue(&mut self, cue: CueIn) {
        let Some(participant) = self.captions.whose(cue.track) else {
            return;
        };
        let Some(person) = self.room.person(participant) else {
            return;
        };
        let now = self.means.clock.now();
        if !self.may_publish(cue.by, cue.own, participant) || !is_recent(cue.t0, cue.t1, now) {
            return;
        }
        let spoken = Spoken {
            of: (cue.track, cue.cue),
            speaker: participant,
            name: person.who.name.clone(),
            language: cue.language,
            t0: cue.t0,
            t1: cue.t1,
            committed: cue.committed,
            tentative: cue.tentative,
            finished: cue.finished,
        };
        let finished = spoken.finished;
        let language = spoken.language.clone();
        self.captions.spoken.insert(participant, language);
        let Captions { cues, targets, .. } = &mut self.captions;
        let said = cues.take(spoken, targets, now);
        self.say(said);
        // Of an open cue it is asked now: its speaker may have gone when it ends.
        match self.ask_to_keep(participant).filter(|_| !finished) {
            Some(permit) => self.captions.keeps.insert(participant, permit),
            None => self.captions.keeps.remove(&participant),
        };
    }

    /// Nothing more of a speaker is shown: not in another language, nor to a client that is behind.
    pub(super) fn cut_cues(&mut self, speaker: ParticipantId) {
        let Captions {
            cues,
            targets,
            readers,
            ..
        } = &mut self.captions;
        let mut behind = Vec::new();
        for (id, reader) in readers.iter_mut() {
            reader.waiting.retain(|key, view| {
                let stays = view.speaker != speaker;
                if !stays {
                    behind.push((*id, key.clone()));
                }
                stays
            });
        }
        let said = cues.cut(speaker, targets);
        self.say(said);
        self.captions.keeps.remove(&speaker);
        for (id, key) in behind {
            if let Some(reader) = self.captions.readers.get_mut(&id) {
                reader.waiting.remove(&key);
            }
        }
        self.hand_out();
    }

    pub(super) fn end_cue(&mut self, track: u64) {
        let Captions { cues, targets, .. } = &mut self.captions;
        let said = cues.lost(track, targets);
        self.say(said);
        self.translate();
        self.hand_out();
    }

    fn translate(&mut self) {
        let now = self.means.clock.now();
        let Captions {
            cues,
            targets,
            desk,
            ..
        } = &mut self.captions;
        let mut said = cues.late(targets, now);
        for job in cues.due(targets, now) {
            let (id, count) = (job.id, job.texts.len());
            let batch = Batch {
                id,
                source: job.source,
                target: job.target,
                texts: job.texts,
            };
            if !desk.translate(batch) {
                said.extend(cues.translated(id, &vec![None; count], targets));
            }
        }
        self.say(said);
    }

    /// Keeps what is to be kept, and lays out what is to be read.
    fn say(&mut self, said: Vec<Said>) {
        for (whom, view) in said {
            if view.is_final && !matches!(whom, For::Fallback(_)) {
                self.keep_cue(&view);
            }
            for reader in self.captions.readers.values_mut() {
                if reader.reads(&whom, &view) {
                    let key = (view.cue, view.language.clone());
                    reader.waiting.insert(key, view.clone());
                    while reader.waiting.len() > MOST_WAITING {
                        reader.waiting.pop_first();
                    }
                }
            }
        }
    }

    /// Gives everyone what waits for them, unless their client is behind: captions never take the room of what happens.
    fn hand_out(&mut self) {
        let rules = self.means.guard.snapshot();
        let mut slow = Vec::new();
        for (id, reader) in &mut self.captions.readers {
            if reader.waiting.is_empty() {
                continue;
            }
            let Some((seat, person)) = self.seats.get_mut(id).zip(self.room.person(*id)) else {
                continue;
            };
            let facts = self.room.facts_present(person);
            if !rules.allows(ActionKind::ReadCaptions, person.role, &facts) {
                reader.waiting.clear();
                continue;
            }
            let free = |seat: &crate::rooms::seat::Seat| {
                let outbox = seat
                    .connection
                    .as_ref()
                    .map(|connection| &connection.outbox);
                outbox.is_some_and(|outbox| outbox.room() > LEFT)
            };
            while free(seat) {
                let Some((_, cue)) = reader.waiting.pop_first() else {
                    break;
                };
                if !seat.send(ServerMessage::Cue { cue }) {
                    slow.push(*id);
                    break;
                }
            }
        }
        slow.into_iter().for_each(|id| self.lose(id));
    }

    /// Keeps a final cue, if the room keeps what is said.
    fn keep_cue(&mut self, view: &CueView) {
        if view.committed.is_empty() || !self.keeps_transcript() {
            return;
        }
        let permit = match self.room.person(view.speaker) {
            Some(_) => self.ask_to_keep(view.speaker),
            // Of who has gone meanwhile what was said while they were in is kept, by the permit of then.
            None => {
                let now = self.means.guard.snapshot().version();
                let permit = self.captions.keeps.remove(&view.speaker);
                permit.filter(|permit| permit.version() == now)
            }
        };
        let Some(permit) = permit else { return };
        self.store_cue(&permit, view);
        if self.room.person(view.speaker).is_none() {
            self.captions.keeps.insert(view.speaker, permit);
        }
    }

    fn keeps_transcript(&self) -> bool {
        let settings = &self.room.charter().settings;
        settings.transcript() == Transcript::On && settings.captions() == Setting::On
    }

    fn ask_to_keep(&self, participant: ParticipantId) -> Option<Permit<KeepTranscript>> {
        if !self.keeps_transcript() {
            return None;
        }
        let person = self.room.person(participant)?;
        let facts = self.room.facts_of_captioner(person, Assignment::Own);
        let charter = self.room.charter();
        let asked = self.means.guard.look(
            charter.org,
            ActorId::from_bytes(*charter.session.as_bytes()),
            Role::Captioner,
            charter.room,
            &facts,
            KeepTranscript { participant },
        );
        asked.ok()
    }

    /// Tells everyone how it is with captions, if that is news.
    fn tell_captions(&mut self) {
        let health = self.captions.desk.health();
        let settings = &self.room.charter().settings;
        let on = self.captions_on();
        let trouble = health.trouble.map(|trouble| match trouble {
            Trouble::NoModel => CaptionsTrouble::NoModel,
            Trouble::NoWorker => CaptionsTrouble::NoWorker,
            Trouble::Failed => CaptionsTrouble::Failed,
        });
        let trouble = trouble.or(self.captions.limit);
        let state = match (on, health.trouble) {
            (false, _) => CaptionsState::Off,
            (true, Some(_)) => CaptionsState::Unavailable,
            (true, None) if self.captions.limit.is_some() => CaptionsState::Limited,
            (true, None) if self.captions.desk.is_delayed() => CaptionsState::Delayed,
            (true, None) => CaptionsState::On,
        };
        let outside = on && self.captions.desk.is_outside() && self.may_translate();
        let own = (!health.english.is_empty()).then(|| "en".to_owned());
        let languages: BTreeSet<String> = health
            .pairs
            .into_iter()
            .filter(|_| self.may_translate())
            .map(|(_, into)| into)
            .chain(own.clone())
            .filter(|into| self.captions.speech.allows(into))
            .take(MOST_TOLD)
            .collect();
        let view = CaptionsView {
            state,
            running: self.captions.is_running(),
            languages: match on {
                true => languages.into_iter().collect(),
                false => Vec::new(),
            },
            engine: match (health.engine.filter(|_| self.may_translate()), own) {
                _ if !on => None,
                (Some(engine), Some(_)) => Some(format!("{engine}, {RECOGNISER}")),
                (engine, own) => engine.or(own.map(|_| RECOGNISER.to_owned())),
            },
            outside,
            transcript: on && settings.transcript() == Transcript::On,
            trouble: trouble.filter(|_| on),
        };
        if view == self.captions.told {
            return;
        }
        self.captions.told = view;
        let told: Vec<_> = self
            .room
            .people()
            .map(|person| (person.id, self.captions.view(person)))
            .collect();
        for (to, view) in told {
            self.tell(to, Event::Captions(view));
        }
    }

    /// Goes through what waits.
    pub(super) fn on_captions_time(&mut self) {
        let now = self.means.clock.now();
        if self.captions.tick.is_some_and(|at| at <= now) {
            self.captions.tick = None;
            self.translate();
            self.hand_out();
        }
    }

    fn time_captions(&mut self) {
        let captions = &self.captions;
        let translating = captions.cues.is_busy() && !captions.targets.wanted.is_empty();
        let waiting = captions
            .readers
            .values()
            .any(|reader| !reader.waiting.is_empty());
        let next = self.means.clock.now().after(TICK);
        let soon = (translating || waiting).then_some(next);
        // Whoever has rested may still have to wait for a worker.
        let rested = captions.rested().map(|at| at.max(next));
        let at = [soon, rested].into_iter().flatten().min();
        // What is due already stays so.
        self.captions.tick = match (self.captions.tick, at) {
            (Some(before), Some(at)) => Some(before.min(at)),
            (_, at) => at,
        };
    }
}

impl Reader {
    /// Whether they read this.
    fn reads(&self, whom: &For, view: &CueView) -> bool {
        let Some(language) = &self.choice.language else {
            return false;
        };
        view.t0 >= self.since
            && match whom {
                For::Readers => {
                    self.choice.original || !self.translated || same(language, &view.language)
                }
                For::Fallback(wanted) => language == wanted,
                For::Translation => *language == view.language,
            }
    }
}

/// Whether a cue can have been spoken between these times: not long ago, not yet to come, and not without end. The worker's
/// word is not enough, for what comes after it in time is measured by it.
fn is_recent(t0: i64, t1: i64, now: Timestamp) -> bool {
    let now = now.as_millis();
    let within = |at: i64| (now.saturating_sub(OLDEST)..=now.saturating_add(AHEAD)).contains(&at);
    within(t0) && within(t1) && (0..=LONGEST).contains(&t1.saturating_sub(t0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_is_of_now() {
        let now = 1_800_000_000_000;
        let is = |t0, t1| is_recent(t0, t1, Timestamp::from_millis(now));
        assert!(is(now - 5_000, now - 1_000));
        assert!(is(now, now));
        for (t0, t1) in [
            (now, i64::MAX),
            (i64::MIN, now),
            (i64::MIN, i64::MAX),
            (now + 60_000, now + 61_000),
            (now + 5_000, now + 40_000),
            (now - 3_600_000, now - 3_599_000),
            (now - 1_000, now - 2_000),
            (now - 300_000, now),
        ] {
            assert!(!is(t0, t1), "{t0} {t1}");
        }
    }
}
