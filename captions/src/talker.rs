//! One track from packets to cues: listening, finding phrases, asking for passes over them, agreeing on their words. What
//! recognises stands outside and answers when it can. Pure; holds the phrases that wait, bounded in number and length.

use std::collections::VecDeque;

use crate::agree::{Agreement, Word};
use crate::cue::Cues;
use crate::detect::{Found, Speech};
use crate::english::English;
use crate::guards::{self, Heard};
use crate::listen::{FRAME_MS, Frame, Listener, Packet};
use crate::pace::Pace;
use crate::sound::Sound;
use crate::tongue::{Ask, Tongue};
use crate::wire::{Codec, FromRecogniser, MAX_HINT, Track, line};

/// Finished phrases that wait for their pass: eight minutes of one who never stops, on a machine that is far too slow.
const MOST_WAITING: usize = 40;
/// Words of the speaker that help with the next ones.
const MOST_SAID: usize = 60;
/// How far from a word's time the sound is cut, at the quietest place there: recognisers' times are rough.
const NEAR_MS: i64 = 250;
/// Less than this is not worth a cut.
const LEAST_CUT_MS: i64 = 1000;
/// Sound of settled words that is kept: of the longest cue, and a little more.
const MOST_GONE_MS: i64 = 15_000;

/// What a recogniser's model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest sound that one pass may be given.
    pub window_ms: i64,
    /// From here on the sound is cut after settled words within a sentence.
    pub long_ms: i64,
    /// Whether it understands words in advance.
    pub prompts: bool,
    /// Whether it can say in English what was said in another language.
    pub english: bool,
}

/// Sound to recognise.
pub struct Pass {
    /// Whose.
    pub track: Track,
    /// Which of the speaker's phrases.
    pub(crate) phrase: u64,
    /// The sound.
    pub sound: Sound,
    /// The language.
    pub ask: Ask,
    /// Names and words that may come up; empty where the model knows no prompts.
    pub hints: String,
    /// The speaker's words before these; empty where the model knows no prompts.
    pub said: String,
    /// Whether the phrase is over.
    pub last: bool,
    /// The finished cue that is wanted in English: then this is its sound, and no phrase.
    pub english: Option<u64>,
}

/// A pass that a talker would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A phrase is over since this time (of the machine).
    Last(i64),
    /// So much sound came since the last pass.
    Partial(i64),
    /// A finished cue is wanted in English.
    English,
}

/// One who talks.
pub struct Talker {
    track: Track,
    limits: Limits,
    listener: Listener,
    pace: Pace,
    speech: Speech,
    tongue: Tongue,
    hints: String,
    said: VecDeque<Word>,
    cues: Cues,
    english: English,
    /// The finished ones first; the last may be open.
    phrases: VecDeque<Phrase>,
    next: u64,
    running: bool,
    lost: u64,
    frames: Vec<Frame>,
}

struct Phrase {
    id: u64,
    sound: Sound,
    /// The sound before it, of words that are settled; kept for as long as it may be wanted once more.
    gone: Sound,
    agreement: Agreement,
    /// When it ended, by the machine's clock.
    over: Option<i64>,
    /// The end of what the last pass was given.
    recognised_ms: Option<i64>,
}

impl Talker {
    /// Of `track`, in `codec`, speaking `language` if someone said so.
    #[must_use]
    pub fn new(
        track: Track,
        codec: Codec,
        language: Option<String>,
        hints: &[String],
        limits: Limits,
        now: i64,
    ) -> Self {
        Self {
            track,
            limits,
            listener: Listener::new(codec),
            pace: Pace::new(now),
            speech: Speech::default(),
            tongue: Tongue::new(language),
            hints: hinted(hints),
            said: VecDeque::new(),
            cues: Cues::new(track),
            english: English::new(track),
            phrases: VecDeque::new(),
            next: 0,
            running: false,
            lost: 0,
            frames: Vec::new(),
        }
    }

    /// Takes a packet.
    pub fn hear(&mut self, packet: Packet, now: i64) {
        let mut frames = std::mem::take(&mut self.frames);
        self.listener.hear(packet, &mut frames);
        self.listen(&mut frames, now);
    }

    /// No packets come: what is being said is over.
    pub fn pause(&mut self, now: i64) {
        let mut frames = std::mem::take(&mut self.frames);
        self.listener.pause(&mut frames);
        self.listen(&mut frames, now);
        if self.speech.stop() {
            self.close(now);
        }
    }

    /// Whether a phrase is open.
    #[must_use]
    pub fn speaking(&self) -> bool {
        self.phrases
            .back()
            .is_some_and(|phrase| phrase.over.is_none())
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.phrases.is_empty() && !self.running && self.english.is_empty()
    }

    /// Whether finished cues are wanted in English.
    pub fn want_english(&mut self, wanted: bool) {
        self.english.want(wanted && self.limits.english);
    }

    /// How much was given up since the last question: phrases that waited too long, frames beyond what anyone can say.
    pub fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What to recognise next, if anything. Phrases with nothing to recognise end here, so cues may come of it.
    pub fn due(&mut self, out: &mut Vec<FromRecogniser>) -> Option<Due> {
        if self.running {
            return None;
        }
        loop {
            let english = || (!self.english.is_empty()).then_some(Due::English);
            let Some(first) = self.phrases.front() else {
                return english();
            };
            let worth = guards::before(&first.sound).is_ok();
            match first.over {
                Some(since) if worth => return Some(Due::Last(since)),
                None if !self.english.is_empty() => return english(),
                None if worth => {
                    let from = first.recognised_ms.unwrap_or(first.sound.start_ms());
                    return Some(Due::Partial(first.sound.end_ms().saturating_sub(from)));
                }
                None => return None,
                Some(_) => {
                    let (before, sound) = (out.len(), self.wanted_sound());
                    self.give_up(out);
                    if let Some(sound) = sound {
                        self.english.take(before, &sound, out);
                    }
                }
            }
        }
    }

    /// Begins the pass that is due.
    pub fn start(&mut self) -> Option<Pass> {
        if self.running {
            return None;
        }
        let over = self
            .phrases
            .front()
            .is_some_and(|first| first.over.is_some());
        if !over && let Some(pass) = self.english.start() {
            self.running = true;
            return Some(pass);
        }
        let (hints, said) = self.prompts();
        let first = self.phrases.front_mut()?;
        self.running = true;
        first.recognised_ms = Some(first.sound.end_ms());
        Some(Pass {
            track: self.track,
            phrase: first.id,
            sound: first.sound.clone(),
            ask: self.tongue.ask(),
            hints,
            said,
            last: first.over.is_some(),
            english: None,
        })
    }

    /// Takes what a pass brought, or that it failed. Appends the cues that follow.
    pub fn take(&mut self, pass: &Pass, heard: Option<&Heard>, out: &mut Vec<FromRecogniser>) {
        self.running = false;
        if let Some(cue) = pass.english {
            let words = heard.and_then(|heard| guards::after(heard, &pass.sound).ok());
            out.push(self.english.said(cue, words.as_deref()));
            return;
        }
        let (before, sound) = (out.len(), self.wanted_sound());
        self.take_phrase(pass, heard, out);
        if let Some(sound) = sound {
            self.english.take(before, &sound, out);
        }
    }

    /// The sound of the first phrase, if its cues are wanted in English when they are finished.
    fn wanted_sound(&self) -> Option<Sound> {
        let first = self.phrases.front();
        first.filter(|_| self.english.wanted()).map(Phrase::whole)
    }

    fn take_phrase(&mut self, pass: &Pass, heard: Option<&Heard>, out: &mut Vec<FromRecogniser>) {
        let Some(first) = self.phrases.front().filter(|first| first.id == pass.phrase) else {
            return;
        };
        // Cut meanwhile: the words of its end belong to the phrase after it, which is asked for on its own.
        let cut = first.sound.end_ms() < pass.sound.end_ms();
        let words = heard.map(|heard| guards::after(heard, &pass.sound));
        if let Some(heard) = heard {
            let detected = heard.detected.as_ref();
            let sure = heard.words.iter().map(|word| word.sure).sum::<f32>();
            let sure = (!heard.words.is_empty()).then(|| sure / heard.words.len() as f32);
            self.tongue.heard(
                detected.map(|(language, sure)| (language.as_str(), *sure)),
                sure,
            );
        }
        let language = heard.map_or("", |heard| heard.language.as_str());
        match words {
            Some(Ok(words)) if pass.last => self.end(words, language, out),
            // Nobody said it: nor what an earlier pass guessed and could not settle.
            Some(Err(_)) if pass.last => self.end(Vec::new(), language, out),
            None if pass.last => self.give_up(out),
            Some(Ok(words)) if !cut => self.partial(words, language, out),
            _ => {}
        }
    }

    fn partial(&mut self, words: Vec<Word>, language: &str, out: &mut Vec<FromRecogniser>) {
        let Some(first) = self.phrases.front_mut() else {
            return;
        };
        let settled = first.agreement.hear(words);
        self.cues
            .update(&settled, first.agreement.open(), language, out);
        if first.over.is_none() {
            let any = first.sound.length_ms() > self.limits.long_ms;
            if let Some(place) = first.place_to_cut(any) {
                let gone = first.sound.split(place);
                let words = first.agreement.forget_before(gone.end_ms());
                if self.english.wanted() {
                    first.keep(gone);
                }
                self.remember(words);
            }
        }
    }

    /// The first phrase is done.
    fn end(&mut self, words: Vec<Word>, language: &str, out: &mut Vec<FromRecogniser>) {
        if let Some(mut first) = self.phrases.pop_front() {
            let settled = first.agreement.finish(words);
            self.cues.update(&settled, &[], language, out);
            self.cues.finish(out);
            self.remember(first.agreement.forget_before(i64::MAX));
        }
    }

    /// The first phrase gets no last pass: what the one before it said stands.
    fn give_up(&mut self, out: &mut Vec<FromRecogniser>) {
        if let Some(mut first) = self.phrases.pop_front() {
            let settled = first.agreement.give_up();
            let language = self.cues.language().to_owned();
            self.cues.update(&settled, &[], &language, out);
            self.cues.finish(out);
            self.remember(first.agreement.forget_before(i64::MAX));
        }
    }

    fn listen(&mut self, frames: &mut Vec<Frame>, now: i64) {
        for frame in frames.drain(..) {
            if !self.pace.admits(FRAME_MS, now) {
                // What follows is of another time than what went before.
                if self.speech.stop() {
                    self.close(now);
                }
                self.lost += 1;
                continue;
            }
            match self.speech.hear(frame) {
                Found::Nothing => {}
                Found::Began(frames) => {
                    let mut sound = Sound::default();
                    for (frame, voiced) in &frames {
                        sound.push(frame, *voiced);
                    }
                    self.open(sound);
                }
                Found::More(frame, voiced) => {
                    if let Some(open) = self.phrases.back_mut() {
                        open.sound.push(&frame, voiced);
                    }
                    self.keep_short(now);
                }
                Found::Ended(frame) => {
                    if let Some(open) = self.phrases.back_mut() {
                        open.sound.push(&frame, false);
                    }
                    self.close(now);
                }
            }
        }
        self.frames = std::mem::take(frames);
    }

    fn open(&mut self, sound: Sound) {
        let id = self.next;
        self.next += 1;
        self.phrases.push_back(Phrase {
            id,
            sound,
            gone: Sound::default(),
            agreement: Agreement::default(),
            over: None,
            recognised_ms: None,
        });
    }

    fn close(&mut self, now: i64) {
        if let Some(open) = self.phrases.back_mut() {
            open.over.get_or_insert(now);
        }
        while self.phrases.len() > MOST_WAITING {
            // Not the first, which may be in a pass.
            self.phrases.remove(1);
            self.lost += 1;
        }
    }

    /// One who never stops is cut where it is quietest, in the later half of the window.
    fn keep_short(&mut self, now: i64) {
        let Some(open) = self.phrases.back_mut() else {
            return;
        };
        let length = open.sound.length_ms();
        if length < self.limits.window_ms {
            return;
        }
        let place = open.sound.quietest(length / 2, length, 200);
        let mut tail = open.sound.split(place);
        std::mem::swap(&mut tail, &mut open.sound);
        self.close(now);
        self.open(tail);
    }

    fn prompts(&self) -> (String, String) {
        if !self.limits.prompts {
            return (String::new(), String::new());
        }
        let mut said = String::new();
        for word in &self.said {
            if !word.glued {
                said.push(' ');
            }
            said.push_str(&word.text);
        }
        (self.hints.clone(), said)
    }

    fn remember(&mut self, words: Vec<Word>) {
        if self.limits.prompts {
            self.said.extend(words);
            let over = self.said.len().saturating_sub(MOST_SAID);
            self.said.drain(..over);
        }
    }
}

/// Names and words as one line, each once.
fn hinted(hints: &[String]) -> String {
    let mut kept: Vec<String> = Vec::new();
    for hint in hints {
        let hint = line(hint, MAX_HINT).trim().to_owned();
        if !hint.is_empty() && !kept.contains(&hint) {
            kept.push(hint);
        }
    }
    if kept.is_empty() {
        return String::new();
    }
    format!(" {}.", kept.join(", "))
}

impl Phrase {
    /// Its sound, with what was taken off of late.
    fn whole(&self) -> Sound {
        let mut whole = self.gone.clone();
        whole.append(self.sound.clone());
        whole
    }

    fn keep(&mut self, gone: Sound) {
        self.gone.append(gone);
        let over = self.gone.length_ms().saturating_sub(MOST_GONE_MS);
        if over > 0 {
            let _older = self.gone.split(over);
        }
    }

    /// Where to cut settled words off, from the begin of the sound.
    fn place_to_cut(&self, any: bool) -> Option<i64> {
        let cut_ms = self.agreement.cut_at(any)?;
        let place = cut_ms.saturating_sub(self.sound.start_ms());
        if place < LEAST_CUT_MS {
            return None;
        }
        let place = self
            .sound
            .quietest((place - NEAR_MS).max(0), place + NEAR_MS, 96);
        (place < self.sound.length_ms()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        window_ms: 12_000,
        long_ms: 8_000,
        prompts: true,
        english: true,
    };

    fn talker(hints: &[&str], limits: Limits) -> Talker {
        let hints: Vec<String> = hints.iter().map(|hint| (*hint).to_owned()).collect();
        Talker::new(Track(1), Codec::Pcmu, None, &hints, limits, 0)
    }

    #[test]
    fn hints_are_one_line_each_once_and_stand_apart_from_what_was_said() {
        let hints = [
            "Aoife",
            " Łukasz\n",
            "Aoife",
            "\u{202e}",
            "WebRTC <|endoftext|>",
        ];
        let mut talker = talker(&hints, LIMITS);
        talker.said = ["so", "we", "go"]
            .map(|text| Word {
                text: text.into(),
                glued: false,
                t0_ms: 0,
                t1_ms: 0,
                sure: 1.0,
                ends: false,
            })
            .into();
        let (hints, said) = talker.prompts();
        assert_eq!(hints, " Aoife, Łukasz, WebRTC <|endoftext|>.");
        assert_eq!(said, " so we go");
    }

    #[test]
    fn a_model_that_knows_no_prompts_gets_none() {
        let prompts = false;
        let talker = talker(&["Aoife"], Limits { prompts, ..LIMITS });
        assert_eq!(talker.prompts(), (String::new(), String::new()));
    }
}
