//! Whose microphone a caption worker hears: by permits that are asked for again with every change. What may not be heard any more
//! is cut here before anyone is answered.

use conclave_policy::actions::{ActionKind, Listen};
use conclave_policy::facts::Assignment;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::Captions as Setting;

use super::captions::Captions;
use super::{RoomActor, Waited, durable};
use crate::captioner::Loss;
use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId};
use crate::rooms::captions::CaptionsTrouble;
use crate::rooms::listening::Ending;

/// How far it is with listening to someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tap {
    /// Permitted; the row is being written.
    Asked,
    /// A worker hears them.
    Open { track: u64 },
    /// It ended by itself, and is not tried again before.
    Rests { until: Timestamp },
}

/// A permit to listen whose row is durable, or is not.
pub(super) struct Heard {
    participant: ParticipantId,
    worker: usize,
    permit: Permit<Listen>,
    durable: bool,
}

impl Captions {
    pub(super) fn whose(&self, track: u64) -> Option<ParticipantId> {
        let mut taps = self.taps.iter();
        let found = taps.find(|(_, tap)| **tap == Tap::Open { track });
        found.map(|(participant, _)| *participant)
    }

    pub(super) fn is_running(&self) -> bool {
        self.taps
            .values()
            .any(|tap| matches!(tap, Tap::Open { .. }))
    }

    /// When someone is listened to again who rests.
    pub(super) fn rested(&self) -> Option<Timestamp> {
        let rests = self.taps.values().filter_map(|tap| match tap {
            Tap::Rests { until } => Some(*until),
            Tap::Asked | Tap::Open { .. } => None,
        });
        rests.min()
    }
}

impl RoomActor {
    pub(super) fn captions_on(&self) -> bool {
        !self.room.ended() && self.room.charter().settings.captions() == Setting::On
    }

    /// Whether policy lets a worker hear this participant now.
    fn may_listen(&self, participant: ParticipantId) -> bool {
        let rules = self.means.guard.snapshot();
        self.room.person(participant).is_some_and(|person| {
            let facts = self.room.facts_of_captioner(person, Assignment::Own);
            rules.allows(ActionKind::Listen, Role::Captioner, &facts)
        })
    }

    /// Cuts every tap that would not be permitted now: what it heard and has not been shown is dropped.
    pub(super) async fn stop_listening(&mut self) {
        let taps: Vec<_> = self
            .captions
            .taps
            .iter()
            .map(|(id, tap)| (*id, *tap))
            .collect();
        for (participant, tap) in taps {
            if self.may_listen(participant) {
                continue;
            }
            self.captions.taps.remove(&participant);
            if let Tap::Open { track } = tap {
                self.captions.desk.close(track);
                let room = self.room.charter().room;
                self.means.media.unlisten(room, participant).await;
            }
            self.cut_cues(participant);
        }
    }

    /// Asks for permits to listen to those who speak and are not listened to.
    pub(super) fn start_listening(&mut self) {
        let now = self.means.clock.now();
        let untapped = |id: &ParticipantId| match self.captions.taps.get(id) {
            None => true,
            Some(Tap::Rests { until }) => *until <= now,
            Some(Tap::Asked | Tap::Open { .. }) => false,
        };
        let speaking: Vec<_> = (self.room.people())
            .map(|person| (person.id, person.who.actor))
            .filter(|(id, _)| untapped(id))
            .filter(|(id, _)| self.may_listen(*id))
            .collect();
        let resting = self.captions.taps.iter();
        let left_out = resting
            .filter(|(_, tap)| matches!(tap, Tap::Rests { until } if *until > now))
            .filter_map(|(id, _)| self.room.person(*id))
            .any(|person| {
                self.captions
                    .listening
                    .left_out(person.who.actor, now)
                    .is_some()
            });
        let mut limit = left_out.then_some(CaptionsTrouble::LeftOut);
        for (participant, subject) in speaking {
            let listening = &self.captions.listening;
            if listening.left_out(subject, now).is_some() {
                limit = Some(CaptionsTrouble::LeftOut);
            }
            if let Some(until) = listening.again(subject, now) {
                self.captions.taps.insert(participant, Tap::Rests { until });
                continue;
            }
            // Without a worker there is nobody to listen; the captioner says when there is.
            let Some((worker, actor)) = self.captions.desk.assign() else {
                if self.captions.desk.is_full() {
                    limit = limit.or(Some(CaptionsTrouble::Full));
                }
                break;
            };
            self.ask_to_listen(participant, (worker, actor), subject);
        }
        if limit.is_some() && self.captions.limit.is_none() {
            self.captions.desk.count_limited();
        }
        self.captions.limit = limit;
    }

    fn ask_to_listen(
        &mut self,
        participant: ParticipantId,
        (worker, actor): (usize, ActorId),
        subject: ActorId,
    ) {
        let Some(person) = self.room.person(participant) else {
            return;
        };
        let charter = self.room.charter();
        let facts = self.room.facts_of_captioner(person, Assignment::Own);
        let (asked, audit) = self.means.guard.ask_about(
            charter.org,
            actor,
            Role::Captioner,
            charter.room,
            &facts,
            Listen { participant },
            subject,
        );
        let Ok(permit) = asked else { return };
        self.captions.taps.insert(participant, Tap::Asked);
        self.waits.push(Box::pin(async move {
            Waited::Listen(Box::new(Heard {
                participant,
                worker,
                permit,
                durable: durable(audit).await,
            }))
        }));
    }

    /// The row of a permit to listen is durable, or is not.
    pub(super) async fn on_heard(&mut self, heard: Heard) {
        let Heard {
            participant,
            worker,
            permit,
            durable,
        } = heard;
        // What happened meanwhile counts: who was muted is not listened to.
        if self.captions.taps.get(&participant) != Some(&Tap::Asked) {
            return;
        }
        self.captions.taps.remove(&participant);
        if !self.may_listen(participant) {
            return;
        }
        let told = self.told();
        let opening = match durable {
            true => self.captions.desk.open(worker, told),
            false => None,
        };
        let mut tap = None;
        if let Some(opening) = opening {
            let track = opening.track;
            match self.means.media.listen(permit, opening.ear).await {
                Ok(()) => tap = Some(Tap::Open { track }),
                Err(_) => self.captions.desk.close(track),
            }
        }
        match tap {
            Some(tap) => {
                self.captions.taps.insert(participant, tap);
            }
            None => self.rest(&[(participant, Ending::Sound)]),
        }
        self.follow_up().await;
    }

    /// Tracks ended without the room's doing.
    pub(super) fn on_lost_tracks(&mut self, lost: &[(u64, Loss)]) {
        let mut resting = Vec::new();
        for (track, how) in lost {
            let Some(participant) = self.captions.whose(*track) else {
                continue;
            };
            self.end_cue(*track);
            let how = match how {
                Loss::Sound => Ending::Sound,
                Loss::Worker => Ending::Worker,
                Loss::Crash => Ending::Crash,
            };
            resting.push((participant, how));
        }
        self.rest(&resting);
    }

    fn rest(&mut self, ended: &[(ParticipantId, Ending)]) {
        let now = self.means.clock.now();
        let actor = |id| Some(self.room.person(id)?.who.actor);
        let known: Vec<_> = ended
            .iter()
            .filter_map(|(id, how)| Some((*id, (actor(*id)?, *how))))
            .collect();
        let of: Vec<_> = known.iter().map(|(_, of)| *of).collect();
        let again = self.captions.listening.ended(&of, now);
        for ((participant, _), until) in known.into_iter().zip(again) {
            self.captions.taps.insert(participant, Tap::Rests { until });
        }
    }
}
