//! A desk with one recogniser, in simulated time: packets arrive when they would, and a pass ends as much later as it is
//! said to cost.

use conclave_captions::desk::Desk;
use conclave_captions::guards::Heard;
use conclave_captions::recognise::Recogniser as _;
use conclave_captions::recognise::abort::Abort;
use conclave_captions::recognise::whisper::{Model, Whisper};
use conclave_captions::talker::Pass;
use conclave_captions::wire::{FromRecogniser, ToRecogniser};

use super::cpu_ms;

/// How finely time passes.
const STEP_MS: i64 = 20;

pub(crate) struct Stage {
    pub(crate) desk: Desk,
    pub(crate) whisper: Whisper,
    pub(crate) now: i64,
    /// Whether a pass ends as much later as it takes of CPU time.
    pub(crate) timed: bool,
    running: Option<(i64, Pass, Option<Heard>)>,
}

impl Stage {
    pub(crate) fn new(model: &std::path::Path, step_ms: u16) -> Self {
        let model = Model::load(model).unwrap();
        let language = Some("en".to_owned());
        Self {
            desk: Desk::new(model.limits(), language, step_ms, 1),
            whisper: model.recogniser(Abort::default()).unwrap(),
            now: 0,
            timed: false,
            running: None,
        }
    }

    /// Plays messages at their times, then waits until nothing is left to do. `cost` says how many milliseconds a pass
    /// takes; it may do work of its own.
    pub(crate) fn play(
        &mut self,
        mut messages: Vec<(i64, ToRecogniser)>,
        mut cost: impl FnMut(&Pass) -> i64,
    ) -> Vec<(i64, FromRecogniser)> {
        messages.sort_by_key(|(at, _)| *at);
        let begin = self.now;
        let last = messages.last().map_or(begin, |(at, _)| begin + at);
        let mut messages = messages.into_iter().peekable();
        let mut said = Vec::new();
        while self.now < last + 1500 || self.running.is_some() {
            let mut out = Vec::new();
            while let Some((_, message)) = messages.next_if(|(at, _)| begin + at <= self.now) {
                self.desk.handle(message, self.now, &mut out);
            }
            self.work(&mut cost, &mut out);
            said.extend(out.into_iter().map(|message| (self.now - begin, message)));
            self.now += STEP_MS;
        }
        said
    }

    fn work(&mut self, cost: &mut impl FnMut(&Pass) -> i64, out: &mut Vec<FromRecogniser>) {
        loop {
            if let Some((until, pass, heard)) = self.running.take() {
                if until > self.now {
                    self.running = Some((until, pass, heard));
                    return;
                }
                self.desk.done(&pass, heard.as_ref(), out);
            }
            let Some(pass) = self.desk.next(self.now, out) else {
                return;
            };
            let begun = cpu_ms();
            let heard = self.whisper.recognise(&pass).ok();
            let own = if self.timed { cpu_ms() - begun } else { 0.0 };
            let until = self.now + cost(&pass) + own as i64;
            self.running = Some((until, pass, heard));
        }
    }
}
