//! What each permitted action does to a room, one short function an action. The target comes from the permit.

use conclave_policy::actions::{
    Admit, Ask, Deny, EndSession, Enter, Grant, Knock as KnockAction, Leave, Lock, Mute,
    PauseVideo, Publish, RaiseHand, Remove, Resume, SeeStats, StopShare, Unlock, Unpublish,
    Withdraw,
};
use conclave_policy::actions::{Connect, Watch};
use conclave_policy::facts::{Facts, Mine, Right};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::clock::Timestamp;
use crate::ids::{ActorId, KnockId, ParticipantId};
use crate::rooms::control::Marks;
use crate::rooms::effect::Effect;
use crate::rooms::floor::Floor;
use crate::rooms::lobby::Knock;
use crate::rooms::person::{Applicant, Presence};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::timer::{Timer, WAIT};
use crate::rooms::view::{DoneToYou, Event, LeaveReason};

impl Room {
    /// Lets an applicant in directly, as the participant named.
    pub fn enter(
        &mut self,
        permit: Permit<Enter>,
        who: Applicant,
        becomes: ParticipantId,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check_door(&permit, &who)?;
        let role = self.role_of(&who);
        let who = self.shown.again(who);
        self.seat(becomes, who, role, now);
        self.settle(now);
        Ok(())
    }

    /// Takes an applicant into the waiting room.
    pub fn knock(
        &mut self,
        permit: Permit<KnockAction>,
        who: Applicant,
        id: KnockId,
        becomes: ParticipantId,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check_door(&permit, &who)?;
        let role = self.role_of(&who);
        let knock = Knock {
            id,
            who,
            role,
            becomes,
            version: 1,
            since: now,
            while_locked: self.locked,
            agreed_by: None,
        };
        self.lobby.knock(knock)?;
        self.timers.set(Timer::Knock(id), now.after(WAIT));
        if let Some(view) = self.lobby.get(id).map(|knock| self.knock_view(knock)) {
            self.tell_of_knock(view);
        }
        self.look_around(now);
        Ok(())
    }

    /// Takes out a knock whose connection is gone or that gave up; it concerns nobody but the one who waits.
    pub fn stop_waiting(&mut self, knock: KnockId) {
        if self.lobby.withdraw(knock).is_some() {
            self.timers.stop(Timer::Knock(knock));
            self.effects.push_back(Effect::TellModerators {
                event: Event::KnockGone { knock },
            });
        }
    }

    /// Whether another host, who still is one and is here, agreed before to the same version. If not, this one now has.
    fn second_agrees(&mut self, id: KnockId, version: u32, by: ActorId) -> Result<bool, ErrorCode> {
        let before = self.lobby.agree(id, version, by)?;
        let stands = before.is_some_and(|other| {
            other != by
                && self
                    .people
                    .values()
                    .any(|person| person.who.actor == other && self.leads(person))
        });
        if !stands && let Some(view) = self.lobby.get(id).map(|knock| self.knock_view(knock)) {
            self.effects.push_back(Effect::TellModerators {
                event: Event::Knocked { knock: view },
            });
        }
        Ok(stands)
    }

    /// A right is the identity's: it is taken in every tab and device of theirs, and goes with them through the door.
    fn withdraw(&mut self, target: ParticipantId, source: Source) -> Result<(), ErrorCode> {
        for participant in self.set_right(target, source, Right::Withdrawn)? {
            for governed in Floor::governed(source) {
                self.turn_off(participant, *governed);
            }
        }
        Ok(())
    }

    /// Sets the right of an identity, wherever it is. Gives those places.
    fn set_right(
        &mut self,
        target: ParticipantId,
        source: Source,
        right: Right,
    ) -> Result<Vec<ParticipantId>, ErrorCode> {
        let person = self.people.get(&target).ok_or(ErrorCode::NotFound)?;
        let actor = person.who.actor;
        self.taken.set(actor, source, right == Right::Withdrawn);
        let same = self
            .people
            .values_mut()
            .filter(|person| person.who.actor == actor);
        Ok(same
            .map(|person| {
                person.floor.set_right(source, right);
                person.id
            })
            .collect())
    }

    /// Withdraws a right from someone, cuts what it governed, and tells them.
    fn cut_for<A: RoomAction>(
        &mut self,
        permit: &Permit<A>,
        source: Source,
        what: DoneToYou,
    ) -> Result<(), ErrorCode> {
        let target = permit.action().target().ok_or(ErrorCode::NotFound)?;
        self.withdraw(target, source)?;
        let by = self.name_of(permit.actor());
        self.tell(target, Event::DoneToYou { what, by });
        Ok(())
    }
}

macro_rules! targets_participant {
    () => {
        fn target(&self) -> Option<ParticipantId> {
            Some(self.participant)
        }
    };
}

macro_rules! targets_source {
    () => {
        targets_participant!();

        fn source(&self) -> Option<Source> {
            Some(self.source)
        }
    };
}

impl RoomAction for Mute {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.cut_for(&permit, Source::Microphone, DoneToYou::Muted)
    }
}

impl RoomAction for PauseVideo {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.cut_for(&permit, Source::Camera, DoneToYou::VideoPaused)
    }
}

impl RoomAction for StopShare {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.cut_for(&permit, Source::Screen, DoneToYou::ShareStopped)
    }
}

impl RoomAction for Withdraw {
    targets_source!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let source = permit.action().source.right();
        room.cut_for(&permit, source, DoneToYou::Disallowed { source })
    }
}

impl RoomAction for Grant {
    targets_source!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = room.name_of(permit.actor());
        let Grant {
            participant,
            source,
        } = permit.into_action();
        let source = source.right();
        room.set_right(participant, source, Right::Granted)?;
        room.tell(
            participant,
            Event::DoneToYou {
                what: DoneToYou::Allowed { source },
                by,
            },
        );
        Ok(())
    }
}

impl RoomAction for Publish {
    targets_source!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Publish {
            participant,
            source,
        } = *permit.action();
        let person = room
            .people
            .get_mut(&participant)
            .ok_or(ErrorCode::NotFound)?;
        person.floor.turn_on(source);
        room.effects.push_back(Effect::Publish(permit));
        Ok(())
    }
}

impl RoomAction for Unpublish {
    targets_source!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Unpublish {
            participant,
            source,
        } = permit.into_action();
        room.turn_off(participant, source);
        Ok(())
    }
}

impl RoomAction for Ask {
    targets_source!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Ask {
            participant,
            source,
        } = permit.into_action();
        room.effects.push_back(Effect::TellModerators {
            event: Event::Asked {
                participant,
                source: source.right(),
            },
        });
        Ok(())
    }
}

/// Raising and lowering are one action; the permit is asked for either.
impl RoomAction for RaiseHand {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let RaiseHand {
            participant,
            raised,
        } = permit.into_action();
        let person = room
            .people
            .get_mut(&participant)
            .ok_or(ErrorCode::NotFound)?;
        person.hand = raised;
        Ok(())
    }
}

impl RoomAction for Leave {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Leave { participant } = permit.into_action();
        room.let_go(participant, ErrorCode::Left, LeaveReason::Left);
        Ok(())
    }
}

impl RoomAction for Resume {
    targets_participant!();

    fn facts(&self, _room: &Room, facts: Facts) -> Result<Facts, ErrorCode> {
        // The actor finds the participant by the secret, so whoever asks holds it.
        Ok(facts.with(Mine::Yes))
    }

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Resume { participant } = permit.into_action();
        let person = room
            .people
            .get_mut(&participant)
            .ok_or(ErrorCode::CannotResume)?;
        person.presence = Presence::Connected;
        room.timers.stop(Timer::Resume(participant));
        room.timers.stop(Timer::HostGone(participant));
        Ok(())
    }
}

impl RoomAction for Admit {
    fn aim(&self, room: &Room) -> Result<(), ErrorCode> {
        match room.lobby.get(self.knock) {
            None => Err(ErrorCode::NotFound),
            Some(knock) if knock.version != self.version => Err(ErrorCode::Stale),
            Some(_) => Ok(()),
        }
    }

    fn subject(&self, room: &Room) -> Option<ActorId> {
        room.lobby.get(self.knock).map(|knock| knock.who.actor)
    }

    fn act(permit: Permit<Self>, room: &mut Room, now: Timestamp) -> Result<(), ErrorCode> {
        let by = permit.actor();
        let Admit { knock: id, version } = permit.into_action();
        if room.charter.two_hosts && !room.second_agrees(id, version, by)? {
            return Ok(());
        }
        let knock = room.lobby.take(id, version)?;
        room.timers.stop(Timer::Knock(id));
        room.effects.push_back(Effect::TellModerators {
            event: Event::KnockGone { knock: id },
        });
        if let Some(code) = room.kept_out(&knock.who) {
            room.effects
                .push_back(Effect::TurnedAway { knock: id, code });
            return Err(ErrorCode::Stale);
        }
        room.sent_back.remove(&knock.who.actor);
        // The role may have changed while they waited.
        let role = room.role_in(&knock.who);
        room.seat(knock.becomes, knock.who, role, now);
        room.effects.push_back(Effect::Admitted {
            knock: id,
            participant: knock.becomes,
        });
        Ok(())
    }
}

impl RoomAction for Deny {
    fn aim(&self, room: &Room) -> Result<(), ErrorCode> {
        let there = room.lobby.get(self.knock);
        there.map(|_| ()).ok_or(ErrorCode::NotFound)
    }

    fn subject(&self, room: &Room) -> Option<ActorId> {
        room.lobby.get(self.knock).map(|knock| knock.who.actor)
    }

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let knock = room.lobby.deny(permit.into_action().knock)?.id;
        room.timers.stop(Timer::Knock(knock));
        room.effects.push_back(Effect::TellModerators {
            event: Event::KnockGone { knock },
        });
        room.effects.push_back(Effect::TurnedAway {
            knock,
            code: ErrorCode::Denied,
        });
        Ok(())
    }
}

impl RoomAction for Remove {
    targets_participant!();

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = permit.actor();
        let Remove { participant } = permit.into_action();
        let person = room.people.get(&participant).ok_or(ErrorCode::NotFound)?;
        let (actor, marks) = (person.who.actor, Marks::of(&person.who));
        room.charter.barred.insert(actor);
        // Other tabs and devices of the same identity go too, and so does a knock of theirs.
        let same: Vec<_> = room
            .people
            .values()
            .filter(|p| p.who.is_of(actor) || marks.are_of(&p.who))
            .map(|p| p.id)
            .collect();
        for id in same {
            room.let_go(id, ErrorCode::Removed, LeaveReason::Removed);
        }
        let knocks: Vec<_> = room
            .lobby
            .in_order()
            .filter(|knock| knock.who.is_of(actor) || marks.are_of(&knock.who))
            .map(|knock| knock.id)
            .collect();
        room.mark_removed(marks);
        for knock in knocks {
            room.stop_waiting(knock);
            room.effects.push_back(Effect::TurnedAway {
                knock,
                code: ErrorCode::Removed,
            });
        }
        room.effects.push_back(Effect::SaveRemoval { actor, by });
        Ok(())
    }
}

impl RoomAction for Lock {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = room.name_of(permit.actor());
        room.lock(Some(by));
        Ok(())
    }
}

impl RoomAction for Unlock {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = room.name_of(permit.actor());
        if room.locked {
            room.locked = false;
            room.effects.push_back(Effect::TellAll {
                event: Event::Locked {
                    locked: false,
                    by: Some(by),
                },
            });
        }
        Ok(())
    }
}

impl RoomAction for EndSession {
    fn act(_permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.end(ErrorCode::Ended);
        Ok(())
    }
}

/// Standing permits change nothing in the room itself; they are what media and views rest on.
macro_rules! standing {
    ($($name:ident)*) => {$(
        impl RoomAction for $name {
            targets_participant!();

            fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
                Ok(())
            }
        }
    )*};
}

standing! { Connect Watch }

impl RoomAction for SeeStats {
    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}
