//! What hosts ask for that concerns many at once, or that needs more than its permit: each person it is about has a
//! permit and a row of their own, and the answer comes when all of them are durable.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_policy::actions as act;
use conclave_policy::actions::ActionKind;
use conclave_policy::facts::Target;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;

use super::{Act, Done, RoomActor, Waited};
use crate::auth::limits::Rate;
use crate::auth::name::tidy;
use crate::bounded::Text;
use crate::guard::Audit;
use crate::ids::{self, BarId, KnockId, ParticipantId};
use crate::rooms::outbound::{Phrase, WaitingWord};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::{RoomRequest, Seen};
use crate::rooms::room::RoomAction;
use crate::rooms::view::BarView;

/// The longest text for those who wait, in characters.
const WORD: usize = 200;
/// How often one identity may ask for many things at once: each makes as many rows as there are people, or knocks.
pub(super) const PACE: Rate = Rate::new(10, Duration::from_millis(500));
/// Identities whose pace is remembered.
pub(super) const PACED: usize = 1024;
/// How many knocks are denied before the room looks after everyone else again.
const DENIED_AT_ONCE: usize = 256;

impl RoomActor {
    /// What concerns many at once, at a pace that people have.
    pub(super) fn on_many(&mut self, by: ParticipantId, id: u32, request: RoomRequest) {
        let Some(asker) = self.asker(by) else {
            return;
        };
        // Before the guard: a flood is no row in the trail either.
        let now = self.means.clock.instant();
        if self.many_pace.take(asker.actor, now).is_err() {
            return self.answer(by, id, Err(ErrorCode::RateLimited));
        }
        match request {
            RoomRequest::MuteAll { except } => self.on_mute_all(by, id, &except.into_vec()),
            RoomRequest::StopAllShares {} => self.on_stop_all_shares(by, id),
            RoomRequest::AdmitMany { knocks } => self.on_admit_many(by, id, knocks.into_vec()),
            RoomRequest::DenyMany { knocks } => self.on_deny_many(by, id, &knocks.into_vec()),
            RoomRequest::DenyAll {} => self.on_deny_all(by, id),
            _ => self.answer(by, id, Err(ErrorCode::Internal)),
        }
    }

    fn on_mute_all(&mut self, by: ParticipantId, id: u32, except: &[ParticipantId]) {
        let targets = self.below(by, ActionKind::Mute);
        let mute = |participant| act::Mute { participant };
        let targets = targets.into_iter().filter(|id| !except.contains(id));
        self.cut_each(
            by,
            id,
            act::Mute { participant: by },
            targets.map(mute).collect(),
        );
    }

    fn on_stop_all_shares(&mut self, by: ParticipantId, id: u32) {
        let sharing = self
            .below(by, ActionKind::StopShare)
            .into_iter()
            .filter(|id| {
                self.room.person(*id).is_some_and(|person| {
                    use conclave_policy::source::Source::{Screen, ScreenAudio};
                    person.floor.is_live(Screen) || person.floor.is_live(ScreenAudio)
                })
            });
        let stop = |participant| act::StopShare { participant };
        self.cut_each(
            by,
            id,
            act::StopShare { participant: by },
            sharing.map(stop).collect(),
        );
    }

    fn on_deny_many(&mut self, by: ParticipantId, id: u32, knocks: &[KnockId]) {
        let denials = knocks.iter().map(|knock| act::Deny { knock: *knock });
        let nobody = act::Deny {
            knock: KnockId::from_bytes([0; 16]),
        };
        self.cut_each(by, id, nobody, denials.collect());
    }

    fn on_deny_all(&mut self, by: ParticipantId, id: u32) {
        let everyone: Vec<_> = self.room.lobby().in_order().map(|knock| knock.id).collect();
        if everyone.len() > DENIED_AT_ONCE {
            self.deny_some(by, id, everyone, 0);
        } else {
            self.on_deny_many(by, id, &everyone);
        }
    }

    /// Denies the first of many, and the others when those rows are durable: the room looks after everyone else in between.
    fn deny_some(&mut self, by: ParticipantId, id: u32, mut first: Vec<KnockId>, before: u32) {
        let rest = first.split_off(first.len().min(DENIED_AT_ONCE));
        let mut rows = Vec::with_capacity(first.len());
        for knock in first {
            let now = self.means.clock.now();
            match self.ask_in_turn(by, act::Deny { knock }) {
                Ok((permit, audit)) => {
                    if self.room.apply(permit, now).is_ok() {
                        rows.push(audit);
                    }
                }
                // Some went by themselves meanwhile.
                Err(ErrorCode::NotFound) if self.asker(by).is_some() => {}
                Err(code) => {
                    rows.into_iter().for_each(|audit| self.note(audit));
                    return self.answer(by, id, Err(code));
                }
            }
        }
        let count = before.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let rows = self.in_turn(rows);
        if rest.is_empty() {
            return self.answer_when(by, id, vec![rows], Done::Counted { count });
        }
        self.waits.push(Box::pin(async move {
            let stored = rows.await;
            let act: Act = Box::new(move |actor: &mut Self| {
                if stored {
                    actor.deny_some(by, id, rest, count);
                } else {
                    actor.answer(by, id, Err(ErrorCode::Unavailable));
                }
                Ok(Done::Done {})
            });
            Waited::Grant {
                by: None,
                durable: true,
                act,
            }
        }));
    }

    fn on_admit_many(&mut self, by: ParticipantId, id: u32, knocks: Vec<Seen>) {
        let mut permits = Vec::new();
        let mut audits: Vec<Audit> = Vec::new();
        let mut refusal = None;
        let knocks: BTreeSet<_> = knocks
            .into_iter()
            .map(|seen| (seen.knock, seen.version))
            .collect();
        for (knock, version) in knocks {
            match self.ask_in_turn(by, act::Admit { knock, version }) {
                Ok((permit, audit)) => {
                    permits.push(permit);
                    audits.push(audit);
                }
                Err(code) => refusal = Some(code),
            }
        }
        if let (true, Some(code)) = (permits.is_empty(), refusal) {
            return self.answer(by, id, Err(code));
        }
        let act: Act = Box::new(move |actor: &mut Self| {
            let mut count = 0;
            for permit in permits {
                // As much may have changed before each of them as before one.
                if actor.stands(by, permit.action()).is_ok() {
                    let now = actor.means.clock.now();
                    count += u32::from(actor.room.apply(permit, now).is_ok());
                }
            }
            Ok(Done::Counted { count })
        });
        self.hold_all((by, id), audits, act);
    }

    pub(super) fn on_message_waiting(
        &mut self,
        by: ParticipantId,
        id: u32,
        knock: Option<KnockId>,
        phrase: Option<Phrase>,
        text: Option<&Text<800>>,
    ) {
        let word = match (phrase, text) {
            (Some(phrase), None) => Some(WaitingWord::Phrase(phrase)),
            (None, Some(text)) => tidy(text.as_str(), WORD).ok().map(WaitingWord::Text),
            _ => None,
        };
        let Some(word) = word else {
            return self.answer(by, id, Err(ErrorCode::InvalidValue));
        };
        let asked = self.ask(by, act::MessageWaiting { knock });
        self.cut_with(by, id, asked, |room, permit, now| {
            room.message_waiting(permit, word, now)
        });
    }

    pub(super) fn on_send_back(&mut self, by: ParticipantId, id: u32, participant: ParticipantId) {
        let random = self.means.random.as_ref();
        let (knock, becomes) = (ids::random(random), ids::random(random));
        let asked = self.ask(by, act::SendBack { participant });
        self.cut_with(by, id, asked, |room, permit, now| {
            room.send_back(permit, knock, becomes, now)
        });
    }

    pub(super) fn on_bar(&mut self, by: ParticipantId, id: u32, participant: ParticipantId) {
        let bar: BarId = ids::random(self.means.random.as_ref());
        let asked = self.ask(by, act::Bar { participant });
        self.cut_with(by, id, asked, |room, permit, now| {
            room.bar(permit, bar, now)
        });
    }

    pub(super) fn on_lobby(
        &mut self,
        by: ParticipantId,
        id: u32,
        after: Option<KnockId>,
        limit: u16,
    ) {
        let outcome = self.look(by, act::SeeLobby).and_then(|_| {
            let knocks = self.room.knock_page(after, usize::from(limit))?;
            let count = self.room.lobby_count();
            Ok(Done::Lobby { knocks, count })
        });
        self.answer(by, id, outcome);
    }

    pub(super) fn on_bars(&mut self, by: ParticipantId, id: u32) {
        let outcome = self.look(by, act::SeeBars).map(|_| Done::Bars {
            bars: self.room.charter().bars.iter().map(BarView::of).collect(),
        });
        self.answer(by, id, outcome);
    }

    /// Whether someone may look at something; no row when they may.
    pub(super) fn look<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
    ) -> Result<Permit<A>, ErrorCode> {
        let asker = self.asker(by).ok_or(ErrorCode::NotFound)?;
        let facts = self.facts_for(by, &action)?;
        let charter = self.room.charter();
        let (org, room) = (charter.org, charter.room);
        let (actor, role) = (asker.actor, asker.role);
        let looked = self
            .means
            .guard
            .look(org, actor, role, room, &facts, action);
        looked.map_err(|denied| ErrorCode::of(&denied))
    }

    /// Everyone upon whom this one may do this.
    fn below(&self, by: ParticipantId, kind: ActionKind) -> Vec<ParticipantId> {
        let rules = self.means.guard.snapshot();
        let Some(asker) = self.asker(by) else {
            return Vec::new();
        };
        // A program has the rank of a host.
        let rank = match asker.role {
            Role::Program => Role::Host,
            role => role,
        };
        let may = |target| {
            let facts = self.facts_upon(by, kind, target);
            facts.is_some_and(|facts| rules.allows(kind, asker.role, &facts))
        };
        self.room
            .people()
            .filter(|other| other.id != by && may(Target::between(rank, other.role)))
            .map(|other| other.id)
            .collect()
    }

    /// Cuts for each, acting at once; answered with how many when every row is durable. Upon nobody it is asked all the
    /// same, so that whoever may not do it at all is refused and counted.
    fn cut_each<A: RoomAction + Copy>(
        &mut self,
        by: ParticipantId,
        id: u32,
        upon_nobody: A,
        actions: Vec<A>,
    ) {
        if actions.is_empty()
            && let Err(code) = self.may_upon_someone(by, upon_nobody)
        {
            return self.answer(by, id, Err(code));
        }
        let mut rows = Vec::new();
        let (mut count, mut refusal) = (0, None);
        for action in actions {
            let now = self.means.clock.now();
            match self.ask_in_turn(by, action) {
                Ok((permit, audit)) => {
                    rows.push(audit);
                    match self.room.apply(permit, now) {
                        Ok(()) => count += 1,
                        Err(code) => refusal = Some(code),
                    }
                }
                Err(code) => refusal = Some(code),
            }
        }
        let rows = self.in_turn(rows);
        match refusal {
            Some(code) if count == 0 => {
                self.waits.push(Box::pin(async move {
                    let _kept_if_late = rows.await;
                    Waited::Noted
                }));
                self.answer(by, id, Err(code));
            }
            _ => self.acted = Some((by, id, rows, Done::Counted { count })),
        }
    }

    /// Whether this one may do such a thing upon someone of lower rank; a refusal is counted.
    fn may_upon_someone<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
    ) -> Result<(), ErrorCode> {
        let (Some(asker), Some(facts)) = (
            self.asker(by),
            self.facts_upon(by, action.kind(), Target::Below),
        ) else {
            return Err(ErrorCode::NotAllowed);
        };
        let charter = self.room.charter();
        let (actor, role) = (asker.actor, asker.role);
        self.means
            .guard
            .look(charter.org, actor, role, charter.room, &facts, action)
            .map(|_| ())
            .map_err(|denied| ErrorCode::of(&denied))
    }

    /// Whether a permit that was given before would be given now.
    pub(super) fn stands<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: &A,
    ) -> Result<(), ErrorCode> {
        let asker = self.asker(by).ok_or(ErrorCode::NotFound)?;
        let facts = action.settle(self.facts_for(by, action)?);
        let rules = self.means.guard.snapshot();
        if rules.allows(action.kind(), asker.role, &facts) {
            Ok(())
        } else {
            Err(ErrorCode::NotAllowed)
        }
    }
}
