//! What hosts do to a whole room, and what takes someone out of it or hands it over: suspension, spotlight, the way back
//! to the waiting room, bars, the ownership. One short function an action; the target comes from the permit.

use conclave_policy::actions::{
    Bar as BarAction, LiftSuspension, MessageWaiting, SeeBars, SeeLobby, SendBack, Spotlight,
    Suspend, TransferOwnership, Unbar,
};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::source::Source;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, BarId, DeviceId, KnockId, LinkId, ParticipantId};
use crate::rooms::effect::Effect;
use crate::rooms::lobby::Knock;
use crate::rooms::outbound::WaitingWord;
use crate::rooms::person::Applicant;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::timer::{Timer, WAIT};
use crate::rooms::view::{DoneToYou, Event, LeaveReason};

/// How many bars a room holds.
const MAX_BARS: usize = 1000;
/// How many identities that were put back are remembered in one session.
const MOST_SENT_BACK: usize = 20_000;
/// How many of those who were removed are known again in one session.
const MOST_REMOVED: usize = 1000;

/// By what a guest who was removed is known again when they come with another session: a guest's own identity is thrown away
/// with a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    link: Option<LinkId>,
    device: Option<DeviceId>,
}

impl Marks {
    /// The marks of a guest; an account is known by itself.
    pub(in crate::rooms) fn of(who: &Applicant) -> Self {
        Self {
            link: who.link.as_ref().map(|link| link.id),
            device: who.device.filter(|_| who.account.is_none()),
        }
    }

    pub(in crate::rooms) fn are_of(&self, who: &Applicant) -> bool {
        let link = who.link.as_ref().map(|link| link.id);
        self.link.is_some() && self.link == link
            || who.account.is_none() && self.device.is_some() && self.device == who.device
    }
}

/// Someone thrown out for good, by everything that they are known again by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which bar.
    pub id: BarId,
    /// The name they had.
    pub name: String,
    /// The account or guest.
    pub actor: ActorId,
    /// The account, if one was signed in.
    pub account: Option<AccountId>,
    /// The link that a guest came by.
    pub link: Option<LinkId>,
    /// The browser that a guest came with.
    pub device: Option<DeviceId>,
    /// Who did it.
    pub by: ActorId,
    /// When.
    pub at: Timestamp,
}

impl Bar {
    /// Whether it keeps this one out. A browser bars guests only: an account is known by itself.
    pub fn keeps_out(&self, who: &Applicant) -> bool {
        let marks = Marks {
            link: self.link,
            device: self.device,
        };
        who.is_of(self.actor) || marks.are_of(who)
    }
}

/// A room changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Whose it is now.
    pub owner: AccountId,
    /// Whose it was.
    pub former: AccountId,
    /// Who gave it.
    pub by: ActorId,
}

impl Room {
    /// Puts someone back into the waiting room, as a new knock: nothing that they had in the room goes on.
    pub fn send_back(
        &mut self,
        permit: Permit<SendBack>,
        id: KnockId,
        becomes: ParticipantId,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check(&permit)?;
        let SendBack { participant } = permit.into_action();
        let person = self.people.get(&participant).ok_or(ErrorCode::NotFound)?;
        let actor = person.who.actor;
        if self.sent_back.len() < MOST_SENT_BACK {
            self.sent_back.insert(actor);
        }
        // Other tabs and devices of the same identity go.
        let others: Vec<_> = self
            .people
            .values()
            .filter(|other| other.who.is_of(actor) && other.id != participant)
            .map(|other| other.id)
            .collect();
        for other in others {
            self.let_go(other, ErrorCode::Denied, LeaveReason::SentBack);
        }
        let person = self.people.get(&participant).ok_or(ErrorCode::NotFound)?;
        if !person.connected() || self.lobby.holds(person.who.actor) {
            // Nobody is there who could wait, or they wait already: they may knock when they come.
            self.let_go(participant, ErrorCode::CannotResume, LeaveReason::SentBack);
            self.settle(now);
            return Ok(());
        }
        for source in Source::ALL {
            self.turn_off(participant, source);
        }
        self.forget(participant);
        let person = self
            .people
            .remove(&participant)
            .ok_or(ErrorCode::NotFound)?;
        let knock = Knock {
            id,
            role: self.role_of(&person.who),
            who: person.who,
            becomes,
            version: 1,
            since: now,
            while_locked: self.locked,
            agreed_by: None,
        };
        let view = self.knock_view(&knock);
        self.effects.push_back(Effect::SentBack {
            participant,
            knock: id,
        });
        if self.lobby.knock(knock).is_err() {
            self.effects.push_back(Effect::TurnedAway {
                knock: id,
                code: ErrorCode::CannotJoin,
            });
        } else {
            self.timers.set(Timer::Knock(id), now.after(WAIT));
            self.tell_of_knock(view);
        }
        self.settle(now);
        Ok(())
    }

    /// Says something to those who wait. It is the only thing of the room that reaches them.
    pub fn message_waiting(
        &mut self,
        permit: Permit<MessageWaiting>,
        word: WaitingWord,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check(&permit)?;
        let MessageWaiting { knock } = permit.into_action();
        let to = match knock {
            Some(knock) => vec![self.lobby.get(knock).ok_or(ErrorCode::NotFound)?.id],
            None => self.lobby.in_order().map(|knock| knock.id).collect(),
        };
        self.effects.push_back(Effect::TellWaiting { to, word });
        self.settle(now);
        Ok(())
    }

    /// Throws someone out for good, and keeps by what they are known again.
    pub fn bar(
        &mut self,
        permit: Permit<BarAction>,
        id: BarId,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check(&permit)?;
        let by = permit.actor();
        let BarAction { participant } = permit.into_action();
        let who = &self
            .people
            .get(&participant)
            .ok_or(ErrorCode::NotFound)?
            .who;
        let bar = Bar {
            id,
            name: who.name.clone(),
            actor: who.actor,
            account: who.account,
            link: who.link.as_ref().map(|link| link.id),
            device: who.device,
            by,
            at: now,
        };
        // Everyone whom the bar keeps out goes now: other tabs, other sessions from the same browser, and their knocks.
        let people: Vec<_> = self
            .people
            .values()
            .filter(|person| bar.keeps_out(&person.who))
            // Whoever leads here goes only when it is they who are barred: a host whom the owner bars.
            .filter(|person| person.who.actor == bar.actor || !person.role.is_moderator())
            .map(|person| person.id)
            .collect();
        let knocks: Vec<_> = self
            .lobby
            .in_order()
            .filter(|knock| bar.keeps_out(&knock.who))
            .map(|knock| knock.id)
            .collect();
        for person in people {
            self.let_go(person, ErrorCode::Removed, LeaveReason::Removed);
        }
        for knock in knocks {
            self.stop_waiting(knock);
            self.effects.push_back(Effect::TurnedAway {
                knock,
                code: ErrorCode::Removed,
            });
        }
        if let Some(account) = bar.account
            && self.charter.appointed.remove(&account).is_some()
        {
            self.effects.push_back(Effect::TakeRole { account, by });
        }
        self.effects.push_back(Effect::SaveBar { bar: bar.clone() });
        // As many as the store keeps; the oldest give way.
        if self.charter.bars.len() >= MAX_BARS {
            self.charter.bars.remove(0);
        }
        self.charter.bars.push(bar);
        self.settle(now);
        Ok(())
    }

    /// Whether someone was removed in this session who had this link or browser.
    pub(in crate::rooms) fn was_removed(&self, who: &Applicant) -> bool {
        self.removed.iter().any(|marks| marks.are_of(who))
    }

    /// Knows someone again who is being removed.
    pub(in crate::rooms) fn mark_removed(&mut self, marks: Marks) {
        if (marks.link.is_some() || marks.device.is_some()) && self.removed.len() < MOST_REMOVED {
            self.removed.push(marks);
        }
    }

    /// It is kept that the room changed hands. Whoever has it now has it, in the room or not.
    pub fn owner_kept(&mut self, handover: Handover, now: Timestamp) {
        let Handover { owner, former, by } = handover;
        let by = self.name_of(by);
        self.charter.owner = owner;
        self.charter.appointed.remove(&owner);
        self.charter.appointed.insert(former, Role::Host);
        let mut changed = Vec::new();
        for person in self.people.values_mut() {
            let role = match person.who.account {
                Some(account) if account == owner => Role::Owner,
                Some(account) if account == former => Role::Host,
                _ => continue,
            };
            let led = person.role.is_moderator();
            person.role = role;
            changed.push((person.id, role, led));
        }
        for (id, role, led) in changed {
            let what = DoneToYou::RoleChanged { role };
            let by = by.clone();
            self.tell(id, Event::DoneToYou { what, by });
            if !led {
                self.show_lobby(id);
            }
        }
        self.effects.push_back(Effect::AskAgain);
        self.settle(now);
    }

    /// The bars of the room were changed from outside the session.
    pub fn bars_changed(&mut self, bars: Vec<Bar>) {
        self.charter.bars = bars;
    }
}

/// These need more than their permit: see the functions above.
macro_rules! with_more {
    ($($name:ident)*) => {$(
        impl RoomAction for $name {
            fn target(&self) -> Option<ParticipantId> {
                Some(self.participant)
            }

            fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
                Err(ErrorCode::Internal)
            }
        }
    )*};
}

with_more! { SendBack BarAction }

impl RoomAction for MessageWaiting {
    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Err(ErrorCode::Internal)
    }
}

impl RoomAction for SeeLobby {
    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl RoomAction for SeeBars {
    fn act(_permit: Permit<Self>, _room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        Ok(())
    }
}

impl RoomAction for Unbar {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Unbar { bar: id } = permit.into_action();
        let place = room.charter.bars.iter().position(|bar| bar.id == id);
        let bar = room.charter.bars.remove(place.ok_or(ErrorCode::NotFound)?);
        room.charter.barred.remove(&bar.actor);
        room.effects.push_back(Effect::ForgetBar {
            bar: id,
            actor: bar.actor,
        });
        Ok(())
    }
}

impl RoomAction for Suspend {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = room.name_of(permit.actor());
        room.suspended = true;
        // Everyone's, the hosts' own too: what anyone turns on again is their own later act.
        let everyone: Vec<_> = room.people.keys().copied().collect();
        for participant in everyone {
            for source in Source::ALL {
                room.turn_off(participant, source);
            }
        }
        room.lock(Some(by.clone()));
        room.effects.push_back(Effect::TellAll {
            event: Event::Suspended {
                suspended: true,
                by,
            },
        });
        room.effects.push_back(Effect::AskAgain);
        Ok(())
    }
}

impl RoomAction for LiftSuspension {
    /// The room stays locked: opening it is another decision.
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let by = room.name_of(permit.actor());
        if room.suspended {
            room.suspended = false;
            room.effects.push_back(Effect::TellAll {
                event: Event::Suspended {
                    suspended: false,
                    by,
                },
            });
        }
        Ok(())
    }
}

impl RoomAction for Spotlight {
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let Spotlight { participant } = permit.into_action();
        if participant.is_some_and(|id| !room.people.contains_key(&id)) {
            return Err(ErrorCode::NotFound);
        }
        room.spotlight = participant;
        Ok(())
    }
}

impl RoomAction for TransferOwnership {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    /// Only asks for it to be kept: see [`Room::owner_kept`].
    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let TransferOwnership { participant } = *permit.action();
        let target = room.people.get(&participant).ok_or(ErrorCode::NotFound)?;
        let handover = Handover {
            owner: target.who.account.ok_or(ErrorCode::NotAllowed)?,
            former: room.charter.owner,
            by: permit.actor(),
        };
        room.effects.push_back(Effect::SaveOwner(handover));
        Ok(())
    }
}
