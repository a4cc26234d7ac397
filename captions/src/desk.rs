//! What a recogniser process knows: the talkers, what to do for them next, and what to answer. Messages and the time go
//! in, messages and passes come out; the threads around it are in `recognise::process`. Pure.

use std::collections::BTreeMap;

use crate::budget::{Budget, Lateness, Wish};
use crate::guards::Heard;
use crate::listen::Packet;
use crate::talker::{Limits, Pass, Talker};
use crate::wire::{Closing, FromRecogniser, ToRecogniser, Track};

/// Tracks at once. A room hears a few; this is for many rooms.
const MOST_TALKERS: usize = 512;
/// Without a packet for so long a speaker has stopped: muted, or gone quiet with a codec that then sends nothing.
const PAUSE_MS: i64 = 600;

/// The state of one process.
pub struct Desk {
    limits: Limits,
    /// The language of every track that names none.
    language: Option<String>,
    workers: usize,
    budget: Budget,
    talkers: BTreeMap<Track, Seat>,
}

struct Seat {
    talker: Talker,
    heard_at: i64,
    /// The turn at which it was chosen last.
    served: u64,
    ended: bool,
    lateness: Lateness,
}

impl Desk {
    /// For a model of these limits and so many passes at once.
    #[must_use]
    pub fn new(limits: Limits, language: Option<String>, step_ms: u16, workers: usize) -> Self {
        Self {
            limits,
            language,
            workers,
            budget: Budget::new(step_ms),
            talkers: BTreeMap::new(),
        }
    }

    /// Takes a message. Appends answers. After a cut nothing of the track is left here, and what a running pass brings
    /// of it is dropped.
    pub fn handle(&mut self, message: ToRecogniser, now: i64, out: &mut Vec<FromRecogniser>) {
        match message {
            ToRecogniser::Hello { .. } => {}
            ToRecogniser::Open {
                track,
                codec,
                language,
                hints,
            } => {
                if self.talkers.len() < MOST_TALKERS {
                    let language = language.or_else(|| self.language.clone());
                    let talker = Talker::new(track, codec, language, &hints, self.limits, now);
                    let seat = Seat {
                        talker,
                        heard_at: now,
                        served: 0,
                        ended: false,
                        lateness: Lateness::default(),
                    };
                    self.talkers.entry(track).or_insert(seat);
                } else {
                    out.push(FromRecogniser::Closed { track });
                }
            }
            ToRecogniser::Audio {
                track,
                sequence,
                timestamp,
                at_ms,
                payload,
            } => {
                if let Some(seat) = self.talkers.get_mut(&track).filter(|seat| !seat.ended) {
                    seat.heard_at = now;
                    let packet = Packet {
                        sequence,
                        timestamp,
                        at_ms,
                        payload,
                    };
                    seat.talker.hear(packet, now);
                    if seat.talker.lost() > 0 {
                        self.budget.lost();
                        seat.lateness.lost();
                    }
                }
            }
            ToRecogniser::Close { track, why } => {
                if why == Closing::Cut {
                    self.talkers.remove(&track);
                }
                match self.talkers.get_mut(&track) {
                    Some(seat) => {
                        seat.talker.pause(now);
                        seat.ended = true;
                    }
                    None => out.push(FromRecogniser::Closed { track }),
                }
            }
            ToRecogniser::English { track, wanted } => {
                if let Some(seat) = self.talkers.get_mut(&track) {
                    seat.talker.want_english(wanted);
                }
            }
            ToRecogniser::Ping { nonce } => out.push(FromRecogniser::Pong { nonce }),
        }
    }

    /// The next pass, if one is due. Ends what has nothing to recognise, and pauses who has stopped.
    pub fn next(&mut self, now: i64, out: &mut Vec<FromRecogniser>) -> Option<Pass> {
        let mut due = Vec::new();
        for (track, seat) in &mut self.talkers {
            if seat.talker.speaking() && now.saturating_sub(seat.heard_at) > PAUSE_MS {
                seat.talker.pause(now);
            }
            let what = seat.talker.due(out);
            if let Some(late) = seat.lateness.judge(what, seat.talker.idle(), now) {
                out.push(FromRecogniser::Late {
                    track: *track,
                    late,
                });
            }
            if let Some(what) = what {
                due.push(Wish {
                    track: *track,
                    due: what,
                    served: seat.served,
                });
            }
        }
        self.close_ended(out);
        let chosen = self.budget.choose(&due, self.workers, now);
        out.extend(self.budget.tell());
        let seat = self.talkers.get_mut(&chosen?)?;
        seat.served = self.budget.turn();
        seat.talker.start()
    }

    /// Takes what a pass brought, or none if it failed.
    pub fn done(&mut self, pass: &Pass, heard: Option<&Heard>, out: &mut Vec<FromRecogniser>) {
        if let Some(seat) = self.talkers.get_mut(&pass.track) {
            seat.talker.take(pass, heard, out);
        }
        self.close_ended(out);
    }

    fn close_ended(&mut self, out: &mut Vec<FromRecogniser>) {
        self.talkers.retain(|track, seat| {
            let stays = !(seat.ended && seat.talker.idle());
            if !stays {
                out.push(FromRecogniser::Closed { track: *track });
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests;
