//! One live session of a room: who is in, who may do what here, what is on. Sans-IO: permitted actions and `now` go
//! in, effects come out. No async, socket, clock or randomness; no change without a permit, except that
//! things end by themselves (a lost connection, a timer).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use conclave_policy::actions::Action;
use conclave_policy::facts::{Barred, Facts};
use conclave_policy::levels::{Levels, OrgChoices, RoomChoices};
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;
use conclave_policy::settings::{LastHostLeaves, Settings, SignIn};
use conclave_policy::source::Source;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, KnockId, OrgId, ParticipantId, RoomId, SessionId};
use crate::rooms::callers::Callers;
use crate::rooms::consent::Refusals;
use crate::rooms::control::{Bar, Marks};
use crate::rooms::effect::Effect;
use crate::rooms::floor::Taken;
use crate::rooms::lobby::Lobby;
use crate::rooms::person::{Applicant, Person, Presence, Way};
use crate::rooms::profile::Shown;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::stage::Stage;
use crate::rooms::timer::{EMPTY, HOST_GONE, Timer, Timers};
use crate::rooms::view::{Event, LeaveReason};

/// What a session is made from.
#[derive(Clone, Debug)]
pub struct Charter {
    /// The organisation.
    pub org: OrgId,
    /// The room.
    pub room: RoomId,
    /// This run of it.
    pub session: SessionId,
    /// Its title.
    pub title: String,
    /// Whose room it is.
    pub owner: AccountId,
    /// The settings as they stand.
    pub settings: Settings,
    /// Accounts that host or present here whenever they come.
    pub appointed: BTreeMap<AccountId, Role>,
    /// Identities that were removed and may not come back.
    pub barred: BTreeSet<ActorId>,
    /// The names of the owner and of accounts that host here, whether or not they are in: nobody should pass for them.
    pub leaders: BTreeMap<AccountId, String>,
    /// Whether two hosts must agree before someone who waits comes in, as the organisation has it.
    pub two_hosts: bool,
    /// Whether who leads must have shown a second factor, as the organisation has it.
    pub asks_factor: bool,
    /// Those thrown out for good, whatever the settings say.
    pub bars: Vec<Bar>,
}

/// A permitted action upon a room. The target is read from the permit and from nowhere else.
pub trait RoomAction: Action + Sized {
    /// The participant that the action is about, if any.
    fn target(&self) -> Option<ParticipantId> {
        None
    }

    /// The source that the action is about, if any.
    fn source(&self) -> Option<Source> {
        None
    }

    /// The lasting identity that the action is about, for the audit trail.
    fn subject(&self, room: &Room) -> Option<ActorId> {
        room.person(self.target()?).map(|person| person.who.actor)
    }

    /// Facts that only this action needs.
    fn facts(&self, _room: &Room, facts: Facts) -> Result<Facts, ErrorCode> {
        Ok(facts)
    }

    /// Whether what it is aimed at is there as the one who asks saw it, where that is no participant.
    fn aim(&self, _room: &Room) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Changes the room.
    fn act(permit: Permit<Self>, room: &mut Room, now: Timestamp) -> Result<(), ErrorCode>;
}

/// One live session of a room.
#[derive(Debug)]
pub struct Room {
    pub(in crate::rooms) charter: Charter,
    pub(in crate::rooms) levels: Levels,
    pub(in crate::rooms) stage: Stage,
    pub(in crate::rooms) version: PolicyVersion,
    pub(in crate::rooms) locked: bool,
    pub(in crate::rooms) suspended: bool,
    pub(in crate::rooms) spotlight: Option<ParticipantId>,
    pub(in crate::rooms) people: BTreeMap<ParticipantId, Person>,
    pub(in crate::rooms) lobby: Lobby,
    pub(in crate::rooms) shown: Shown,
    pub(in crate::rooms) taken: Taken,
    pub(in crate::rooms) refusals: Refusals,
    /// Whom a host put back into the waiting room and no host has admitted since.
    pub(in crate::rooms) sent_back: BTreeSet<ActorId>,
    /// By what those who were removed in this session are known again.
    pub(in crate::rooms) removed: Vec<Marks>,
    pub(in crate::rooms) timers: Timers,
    pub(in crate::rooms) effects: VecDeque<Effect>,
    pub(in crate::rooms) started: Option<Timestamp>,
    pub(in crate::rooms) hosted: bool,
    /// What the programs that act here are called.
    pub(in crate::rooms) callers: Callers,
    ended: bool,
}

impl Room {
    /// A session that nobody has entered yet.
    pub fn new(charter: Charter, version: PolicyVersion, now: Timestamp) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Empty, now.after(EMPTY));
        let chosen = RoomChoices::of(&charter.settings, 0);
        Self {
            levels: Levels::new(OrgChoices::default(), chosen),
            stage: Stage::default(),
            charter,
            version,
            locked: false,
            suspended: false,
            spotlight: None,
            people: BTreeMap::new(),
            lobby: Lobby::default(),
            shown: Shown::default(),
            taken: Taken::default(),
            refusals: Refusals::default(),
            sent_back: BTreeSet::new(),
            removed: Vec::new(),
            timers,
            effects: VecDeque::new(),
            started: None,
            hosted: false,
            callers: Callers::default(),
            ended: false,
        }
    }

    /// Applies a permitted action. A permit of another room or of older rules is refused.
    pub fn apply<A: RoomAction>(
        &mut self,
        permit: Permit<A>,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        self.check(&permit)?;
        A::act(permit, self, now)?;
        self.settle(now);
        Ok(())
    }

    /// Refuses a permit of another room or of older rules.
    pub(in crate::rooms) fn check<A: Action>(&self, permit: &Permit<A>) -> Result<(), ErrorCode> {
        if self.ended {
            Err(ErrorCode::Ended)
        } else if permit.room() != self.charter.room || permit.version() != self.version {
            Err(ErrorCode::Stale)
        } else {
            Ok(())
        }
    }

    /// The next thing to do in the world.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Room::on_time`] wants to be called next.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Lets every timer that is due go off.
    pub fn on_time(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.take_due(now) {
            self.on_timer(timer);
        }
        self.settle(now);
    }

    /// The rules were swapped: older permits no longer count, standing ones are asked again.
    pub fn rules_changed(&mut self, version: PolicyVersion) {
        self.version = version;
        self.effects.push_back(Effect::AskAgain);
    }

    /// A participant's connection was lost.
    pub fn lost(&mut self, participant: ParticipantId, now: Timestamp) {
        let window = self.charter.settings.resume_window().duration();
        let Some(person) = self.people.get_mut(&participant) else {
            return;
        };
        person.presence = Presence::Lost { since: now };
        if person.role.is_moderator() {
            self.timers
                .set(Timer::HostGone(participant), now.after(HOST_GONE));
        }
        self.timers
            .set(Timer::Resume(participant), now.after(window));
        self.settle(now);
    }

    /// A participant's media transport ended: nothing of theirs is on any more.
    pub fn media_lost(&mut self, participant: ParticipantId) {
        for source in Source::ALL {
            self.turn_off(participant, source);
        }
    }

    /// Asks of a standing permit whose answer was no: the source is cut.
    pub fn fell(&mut self, participant: ParticipantId, source: Source) {
        self.turn_off(participant, source);
    }

    /// An identity lost its sessions: whatever it has here ends.
    pub fn revoked(&mut self, actor: ActorId, now: Timestamp) {
        let seats: Vec<_> = self
            .people
            .values()
            .filter(|p| p.who.is_of(actor))
            .map(|p| p.id)
            .collect();
        for participant in seats {
            self.let_go(participant, ErrorCode::SignedOut, LeaveReason::Left);
        }
        let knocks: Vec<_> = self
            .lobby
            .in_order()
            .filter(|knock| knock.who.is_of(actor))
            .map(|knock| knock.id)
            .collect();
        for knock in knocks {
            self.stop_waiting(knock);
            self.effects.push_back(Effect::TurnedAway {
                knock,
                code: ErrorCode::SignedOut,
            });
        }
        self.settle(now);
    }

    /// The session by which someone is here has shown a second factor, or has not.
    pub fn factor_known(&mut self, participant: ParticipantId, shown: bool, now: Timestamp) {
        let Some(person) = self.people.get_mut(&participant) else {
            return;
        };
        if std::mem::replace(&mut person.who.second_factor, shown) == shown {
            return;
        }
        if self.charter.asks_factor && person.role.is_moderator() {
            self.show_lobby(participant);
        }
        self.effects.push_back(Effect::AskAgain);
        self.settle(now);
    }

    /// The same of someone who waits.
    pub fn factor_known_at_the_door(&mut self, knock: KnockId, shown: bool) {
        self.lobby.factor_known(knock, shown);
    }

    /// Everyone who was in or waiting is sent away, and the session is over.
    pub fn end(&mut self, code: ErrorCode) {
        if self.ended {
            return;
        }
        self.ended = true;
        // Those who wait learn nothing of the room, and so not that its session ended.
        self.turn_away_all(match code {
            ErrorCode::Draining => code,
            _ => ErrorCode::Denied,
        });
        let everyone: Vec<_> = self.people.keys().copied().collect();
        for participant in everyone {
            self.let_go(participant, code, LeaveReason::Left);
        }
        self.timers = Timers::default();
        self.effects.push_back(Effect::Ended);
    }

    /// Whether the session is over.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Who is in.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// One participant.
    pub fn person(&self, participant: ParticipantId) -> Option<&Person> {
        self.people.get(&participant)
    }

    /// Those who wait.
    pub fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    /// What the session was made from, with settings as they are now.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Whether the room is locked.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// The role that an applicant has at the door. A host whom the owner put back comes to it like anyone.
    pub fn role_of(&self, who: &Applicant) -> Role {
        match self.role_in(who) {
            Role::Host if self.sent_back.contains(&who.actor) => Role::Attendee,
            role => role,
        }
    }

    /// The role that an applicant has in this room.
    pub(in crate::rooms) fn role_in(&self, who: &Applicant) -> Role {
        if let Some(role) = who.way.role() {
            return role;
        }
        match who.account {
            Some(account) if account == self.charter.owner => Role::Owner,
            Some(account) => self
                .charter
                .appointed
                .get(&account)
                .copied()
                .unwrap_or(Role::Attendee),
            None => Role::Guest,
        }
    }

    /// Whether this identity has as many live participants or knocks as it may, or someone else is here by the same link: a
    /// link is for one guest at a time.
    pub fn is_here(&self, who: &Applicant) -> bool {
        let others = |other: &Applicant| other.shares_link(who);
        self.lives_here(who)
            || self.lobby.holds(who.actor)
            || who.link.is_some() && self.lobby.in_order().any(|knock| others(&knock.who))
    }

    /// The same of those who are in.
    fn lives_here(&self, who: &Applicant) -> bool {
        let live = || self.people.values().filter(|person| person.connected());
        let own = live().filter(|person| person.who.actor == who.actor);
        own.count() >= self.charter.settings.sessions_per_identity().count()
            || live().any(|person| person.who.shares_link(who))
    }

    /// Why someone who waited may not come in after all: much can happen to them between knock and admission.
    pub(in crate::rooms) fn kept_out(&self, who: &Applicant) -> Option<ErrorCode> {
        if self.barred(who) == Barred::Yes {
            Some(ErrorCode::Removed)
        } else if !who.signed_in()
            && who.way.token().is_none()
            && self.charter.settings.sign_in() == SignIn::Required
        {
            // Guests may have been shut out since they knocked.
            Some(ErrorCode::Denied)
        } else if self.lives_here(who) {
            Some(ErrorCode::AlreadyHere)
        } else {
            None
        }
    }

    /// Puts someone into the room. Lost seats of the same identity or link end, so that nobody is here as their own ghost.
    pub(in crate::rooms) fn seat(
        &mut self,
        id: ParticipantId,
        who: Applicant,
        role: Role,
        now: Timestamp,
    ) {
        let ghosts: Vec<_> = self
            .people
            .values()
            .filter(|person| !person.connected())
            .filter(|person| person.who.actor == who.actor || person.who.shares_link(&who))
            .map(|person| person.id)
            .collect();
        for ghost in ghosts {
            self.let_go(ghost, ErrorCode::Replaced, LeaveReason::TimedOut);
        }
        self.shown.keep(&who, role);
        let role = self.inside(&who, role);
        let floor = self.taken.floor(who.actor);
        let uncaptioned = self.refusals.holds(who.actor);
        let person = Person {
            floor,
            uncaptioned,
            ..Person::new(id, who, role)
        };
        self.people.insert(id, person);
        if self.started.is_none() {
            self.started = Some(now);
            self.time_lock(now);
            self.time_end(now);
        }
    }

    /// Takes someone out of the room: every source is cut before anything is said.
    pub(in crate::rooms) fn let_go(
        &mut self,
        participant: ParticipantId,
        code: ErrorCode,
        reason: LeaveReason,
    ) {
        for source in Source::ALL {
            self.turn_off(participant, source);
        }
        if let Some(person) = self.people.remove(&participant) {
            self.shown.keep(&person.who, person.role);
            if let (Some(token), LeaveReason::Removed) = (person.who.way.token(), reason) {
                self.effects.push_back(Effect::EndToken { token });
            }
            self.forget(participant);
            self.effects.push_back(Effect::Gone {
                participant,
                code,
                reason,
            });
        }
    }

    /// Stops waiting for anything of a participant, who is no longer before all others either.
    pub(in crate::rooms) fn forget(&mut self, participant: ParticipantId) {
        self.timers.stop(Timer::HostGone(participant));
        self.timers.stop(Timer::Resume(participant));
        if self.spotlight == Some(participant) {
            self.spotlight = None;
        }
    }

    /// Turns a source off, if it was on.
    pub(in crate::rooms) fn turn_off(&mut self, participant: ParticipantId, source: Source) {
        if let Some(person) = self.people.get_mut(&participant)
            && person.floor.turn_off(source)
        {
            self.effects.push_back(Effect::Cut {
                participant,
                source,
            });
        }
    }

    pub(in crate::rooms) fn turn_away_all(&mut self, code: ErrorCode) {
        for knock in self.lobby.clear() {
            self.timers.stop(Timer::Knock(knock.id));
            self.effects.push_back(Effect::TurnedAway {
                knock: knock.id,
                code,
            });
        }
    }

    /// Refuses a permit for the door that is not this applicant's, of another room or of older rules.
    pub(in crate::rooms) fn check_door<A: Action>(
        &self,
        permit: &Permit<A>,
        who: &Applicant,
    ) -> Result<(), ErrorCode> {
        if self.ended {
            return Err(ErrorCode::Ended);
        }
        let mine = permit.actor() == who.actor && permit.room() == self.charter.room;
        if mine && permit.version() == self.version {
            Ok(())
        } else {
            Err(ErrorCode::Stale)
        }
    }

    /// Whether a host has stopped everything for the moment.
    pub fn suspended(&self) -> bool {
        self.suspended
    }

    /// Who stands before all others.
    pub fn spotlight(&self) -> Option<ParticipantId> {
        self.spotlight
    }

    /// The name behind an identity that is in the room.
    pub(in crate::rooms) fn name_of(&self, actor: ActorId) -> String {
        self.people
            .values()
            .find(|person| person.who.actor == actor)
            .map(|person| person.who.name.as_str())
            .or_else(|| self.callers.name(actor))
            .unwrap_or_default()
            .to_owned()
    }

    pub(in crate::rooms) fn tell(&mut self, to: ParticipantId, event: Event) {
        self.effects.push_back(Effect::Tell { to, event });
    }

    pub(in crate::rooms) fn lock(&mut self, by: Option<String>) {
        if !self.locked {
            self.locked = true;
            self.effects.push_back(Effect::TellAll {
                event: Event::Locked { locked: true, by },
            });
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::LockAfterStart => self.lock(None),
            // Someone who waits must not learn that nobody came: the timer starts anew.
            Timer::Empty if !self.lobby.is_empty() => {}
            Timer::SessionEnd | Timer::Empty => self.end(ErrorCode::Ended),
            Timer::HostGone(_) => {}
            Timer::Resume(participant) => {
                self.let_go(participant, ErrorCode::CannotResume, LeaveReason::TimedOut)
            }
            Timer::Knock(knock) => {
                if self.lobby.withdraw(knock).is_some() {
                    self.effects.push_back(Effect::TellModerators {
                        event: Event::KnockGone { knock },
                    });
                    self.effects.push_back(Effect::TurnedAway {
                        knock,
                        code: ErrorCode::Denied,
                    });
                }
            }
        }
    }

    /// What follows from any change: whether a host is here, whether anybody is.
    pub(in crate::rooms) fn settle(&mut self, now: Timestamp) {
        if !self.ended {
            self.effects.push_back(Effect::Changed);
            self.look_around(now);
        }
    }

    /// The same when nothing changed that anyone in the room may see.
    pub(in crate::rooms) fn look_around(&mut self, now: Timestamp) {
        if self.ended {
            return;
        }
        let hosted = self.people.values().any(|person| {
            self.leads(person)
                && match person.presence {
                    Presence::Connected => true,
                    Presence::Lost { since } => now.since(since) < HOST_GONE,
                }
        });
        if self.hosted
            && !hosted
            && self.charter.settings.last_host_leaves() == LastHostLeaves::Lock
        {
            self.lock(None);
        }
        if self.hosted != hosted {
            self.hosted = hosted;
            self.effects.push_back(Effect::AskAgain);
        }
        // A stream is nobody: without people a session ends, whatever still comes in or goes out.
        let people = self.people.values().any(|p| p.who.way == Way::Page);
        if people {
            self.timers.stop(Timer::Empty);
        } else if !self.timers.is_set(Timer::Empty) {
            self.timers.set(Timer::Empty, now.after(EMPTY));
        }
    }
}
