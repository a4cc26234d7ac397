//! The door of a room: joining, waiting, coming back, going away. Whoever is refused learns one code and nothing else.

use std::sync::Arc;

use conclave_policy::actions::{ActionKind, Connect, Enter, Knock, Resume};
use conclave_policy::facts::{Facts, Password, Standing};
use conclave_policy::settings::Password as PasswordRule;
use tokio::sync::mpsc;

use super::{Act, Means, Place, RoomActor, ToRoom};
use crate::auth::principal::Principal;
use crate::auth::token::TokenId;
use crate::auth::vigil;
use crate::bounded::Text;
use crate::ids::{self, ActorId, KnockId, ParticipantId};
use crate::rooms::outbound::{Done, ServerMessage};
use crate::rooms::person::{Applicant, Way};
use crate::rooms::projection::Round;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::seat::{Connection, ConnectionId, Seat, Vigil};
use crate::rooms::visitor::Visitor;
use crate::secret::{self, Secret};

/// Looks after a session whose connection is lost, because media goes on for a while without it.
fn watch_over(
    means: &Arc<Means>,
    own: mpsc::WeakSender<ToRoom>,
    participant: ParticipantId,
    session: &Arc<Principal>,
) -> Vigil {
    let over = vigil::over(&means.auth, session);
    let task = tokio::spawn(async move {
        over.await;
        if let Some(room) = own.upgrade() {
            // A session of the room that has ended needs no telling.
            let _ended = room.send(ToRoom::SessionOver { participant }).await;
        }
    });
    Vigil::new(task.abort_handle())
}

impl RoomActor {
    pub(super) fn on_join(
        &mut self,
        connection: Connection,
        visitor: Visitor,
        password: Option<Secret<Text<256>>>,
    ) {
        let who = Applicant {
            password: self.check_password(&visitor, password.as_ref()),
            actor: visitor.actor,
            account: visitor.account,
            name: visitor.name,
            picture: visitor.picture,
            org_admin: visitor.org_admin,
            second_factor: visitor.second_factor,
            organisation: visitor.organisation,
            link: visitor.link,
            brought: visitor.brought,
            device: visitor.device,
            network: visitor.network,
            way: visitor.way,
        };
        let role = self.room.role_of(&who);
        let facts = self.room.facts_outside(&who);
        let rules = self.means.guard.snapshot();
        let directly = rules.allows(ActionKind::Enter, role, &facts);
        if self.room.is_here(&who) && (directly || rules.allows(ActionKind::Knock, role, &facts)) {
            return connection.close(ErrorCode::AlreadyHere);
        }
        if directly {
            self.on_enter(connection, who, &facts)
        } else {
            self.on_knock(connection, who, &facts)
        }
    }

    fn check_password(&self, visitor: &Visitor, given: Option<&Secret<Text<256>>>) -> Password {
        // A stream is not asked: it has a host's token, or it waits and lets nobody guess.
        if self.room.charter().settings.password() == PasswordRule::None
            || visitor.way.stream().is_some()
        {
            return Password::Proved;
        }
        let Some(given) = given else {
            return Password::Missing;
        };
        let right = || {
            secret::equal(
                given.expose().as_str().as_bytes(),
                self.password.expose().as_bytes(),
            )
        };
        // Without a budget left the password is not looked at; owner and hosts need none and get in all the same.
        match self
            .means
            .auth
            .guess_room_password(self.room.charter().room, visitor.guesser, right)
        {
            Ok(true) => Password::Proved,
            Ok(false) | Err(_) => Password::Missing,
        }
    }

    pub(super) fn on_enter(&mut self, connection: Connection, who: Applicant, facts: &Facts) {
        let role = self.room.role_of(&who);
        let charter = self.room.charter();
        let (permit, audit) =
            self.means
                .guard
                .ask(charter.org, who.actor, role, charter.room, facts, Enter {});
        let Ok(permit) = permit else {
            return connection.close(ErrorCode::CannotJoin);
        };
        let becomes: ParticipantId = ids::random(self.means.random.as_ref());
        let came_with = who.profile();
        let act: Act = Box::new(move |actor: &mut Self| {
            if actor.room.is_here(&who) {
                connection.close(ErrorCode::AlreadyHere);
                return Ok(Done::Done {});
            }
            let now = actor.means.clock.now();
            // The role may have been taken back while the row was written.
            let role = actor.room.role_of(&who);
            let facts = actor.room.facts_outside(&who);
            let stands = actor
                .means
                .guard
                .snapshot()
                .allows(ActionKind::Enter, role, &facts);
            if stands && actor.room.enter(permit, who, becomes, now).is_ok() {
                actor.sit_down(becomes, connection);
                actor.on_entered(becomes, came_with);
            } else {
                connection.close(ErrorCode::CannotJoin);
            }
            Ok(Done::Done {})
        });
        self.hold(None, audit, act);
    }

    pub(super) fn on_knock(&mut self, connection: Connection, who: Applicant, facts: &Facts) {
        let role = self.room.role_of(&who);
        let charter = self.room.charter();
        let (permit, audit) =
            self.means
                .guard
                .ask(charter.org, who.actor, role, charter.room, facts, Knock {});
        let Ok(permit) = permit else {
            return connection.close(ErrorCode::CannotJoin);
        };
        self.note(audit);
        let random = self.means.random.as_ref();
        let (id, becomes): (KnockId, ParticipantId) = (ids::random(random), ids::random(random));
        let now = self.means.clock.now();
        if self.room.knock(permit, who, id, becomes, now).is_err() {
            return connection.close(ErrorCode::CannotJoin);
        }
        if connection.send(ServerMessage::Waiting {}) {
            self.places.insert(connection.id, Place::Waiting(id));
            self.waiting.insert(id, connection);
        } else {
            self.room.stop_waiting(id);
        }
    }

    pub(super) fn on_misuse(&mut self, connection: ConnectionId) {
        let Some(Place::Waiting(knock)) = self.places.get(&connection).copied() else {
            return;
        };
        let Some(knock) = self.room.lobby().get(knock) else {
            return;
        };
        let facts = Facts::new().with(Standing::Waiting);
        let charter = self.room.charter();
        let action = Connect {
            participant: knock.becomes,
        };
        // Denied by every rule set; what counts is the audit row.
        let _denied = self.means.guard.ask(
            charter.org,
            knock.who.actor,
            knock.role,
            charter.room,
            &facts,
            action,
        );
    }

    pub(super) fn on_resume(
        &mut self,
        connection: Connection,
        actor: ActorId,
        secret: &Secret<String>,
        seen: u64,
    ) {
        let found = self
            .seats
            .iter()
            .find(|(_, seat)| seat.holds(secret))
            .map(|(id, _)| *id);
        let person = found
            .and_then(|id| self.room.person(id))
            .filter(|person| person.who.actor == actor);
        let Some(person) = person else {
            return connection.close(ErrorCode::CannotResume);
        };
        let (participant, action) = (
            person.id,
            Resume {
                participant: person.id,
            },
        );
        let Ok(facts) = self.room.facts_inside(person, &action) else {
            return connection.close(ErrorCode::CannotResume);
        };
        // The old connection may not have been noticed as lost yet; holding the secret, it is the same tab.
        let facts = facts.with(Standing::Disconnected);
        let charter = self.room.charter();
        let (permit, audit) = self.means.guard.ask(
            charter.org,
            actor,
            person.role,
            charter.room,
            &facts,
            action,
        );
        let Ok(permit) = permit else {
            return connection.close(ErrorCode::CannotResume);
        };
        let act: Act = Box::new(move |actor: &mut Self| {
            let now = actor.means.clock.now();
            match actor.room.apply(permit, now) {
                Ok(()) => actor.take_up(participant, connection, seen),
                Err(_) => connection.close(ErrorCode::CannotResume),
            }
            Ok(Done::Done {})
        });
        self.hold(None, audit, act);
    }

    fn take_up(&mut self, participant: ParticipantId, connection: Connection, seen: u64) {
        let Some(seat) = self.seats.get_mut(&participant) else {
            return connection.close(ErrorCode::CannotResume);
        };
        self.places
            .insert(connection.id, Place::Seated(participant));
        // The session may be another than before, and may have shown less.
        let shown = connection.session.came.second_factor;
        if let Some(old) = seat.take_up(connection) {
            self.places.remove(&old.id);
            old.cut(ErrorCode::Replaced);
        }
        let resume = seat.new_secret(&self.means.run, self.means.random.as_ref());
        let now = self.means.clock.now();
        self.room.factor_known(participant, shown, now);
        // A tab that has seen nothing holds no view that events could be applied to.
        let missed = if seen == 0 { None } else { seat.missed(seen) };
        match missed {
            Some(missed) => {
                let resumed = std::iter::once(ServerMessage::Resumed { resume });
                if !resumed.chain(missed).all(|message| seat.send(message)) {
                    self.lose(participant);
                }
            }
            None => self.greet(participant, resume),
        }
    }

    pub(super) fn sit_down(&mut self, participant: ParticipantId, connection: Connection) {
        self.places
            .insert(connection.id, Place::Seated(participant));
        let (seat, resume) = Seat::new(connection, &self.means.run, self.means.random.as_ref());
        self.seats.insert(participant, seat);
        // A stream reads nothing, now or later.
        if let Some(person) = self.room.person(participant)
            && person.who.way == Way::Page
        {
            self.chat.log.came(participant, person.who.actor);
        }
        self.greet(participant, resume);
    }

    /// Shows the whole room to someone who is in.
    fn greet(&mut self, participant: ParticipantId, resume: String) {
        let ice_servers = self.relays(participant).unwrap_or_default();
        let (Some(seat), Some(person)) = (
            self.seats.get_mut(&participant),
            self.room.person(participant),
        ) else {
            return;
        };
        let rules = self.means.guard.snapshot();
        self.lines.refresh(&self.room, &rules);
        let mut round = Round::new(&self.room, &rules, &self.lines);
        let mut view = seat.projection.whole(&mut round, person);
        view.captions = self.captions.view(person);
        view.caption_choice = self.captions.choice(participant);
        let seq = seat.seq();
        // Whoever hung up meanwhile is not here.
        if !seat.send(ServerMessage::Admitted {
            room: Box::new(view),
            resume,
            seq,
            ice_servers,
        }) {
            self.lose(participant);
        }
    }

    /// A session showed its second factor: whoever is here by it leads from now on, and needs not come anew.
    pub(super) fn on_factor_shown(&mut self, session: TokenId) {
        let now = self.means.clock.now();
        let seated = self.seats.iter();
        let seated = seated.filter(|(_, seat)| seat.session.token_id == session);
        let seated: Vec<_> = seated.map(|(id, _)| *id).collect();
        for participant in seated {
            self.room.factor_known(participant, true, now);
        }
        for (knock, connection) in &self.waiting {
            if connection.session.token_id == session {
                self.room.factor_known_at_the_door(*knock, true);
            }
        }
    }

    pub(super) fn on_lost(&mut self, connection: ConnectionId) {
        match self.places.remove(&connection) {
            None => {}
            Some(Place::Waiting(knock)) => {
                self.waiting.remove(&knock);
                self.room.stop_waiting(knock);
            }
            Some(Place::Seated(participant)) => self.lose(participant),
        }
    }

    /// A session that ended takes everything of its identity here with it; nothing may be resumed.
    pub(super) fn on_signed_out(&mut self, connection: ConnectionId) {
        let who = match self.places.get(&connection) {
            Some(Place::Seated(participant)) => {
                self.room.person(*participant).map(|person| &person.who)
            }
            Some(Place::Waiting(knock)) => self.room.lobby().get(*knock).map(|knock| &knock.who),
            None => None,
        };
        if let Some(actor) = who.map(|who| who.actor) {
            self.room.revoked(actor, self.means.clock.now());
        }
    }

    /// The session of someone whose connection is lost ended: they may still be heard, and must not be.
    pub(super) fn on_session_over(&mut self, participant: ParticipantId) {
        let gone = self.seats.get(&participant);
        let gone = gone.is_some_and(|seat| seat.connection.is_none());
        if let Some(person) = self.room.person(participant).filter(|_| gone) {
            let actor = person.who.actor;
            self.room.revoked(actor, self.means.clock.now());
        }
    }

    pub(super) fn lose(&mut self, participant: ParticipantId) {
        if let Some(seat) = self.seats.get_mut(&participant) {
            if let Some(old) = seat.lose() {
                self.places.remove(&old);
            }
            let person = self.room.person(participant);
            if person.is_some_and(|person| person.who.way != Way::Page) {
                // A stream does not come back: it begins anew.
                let now = self.means.clock.now();
                return self.room.stream_over(participant, now);
            }
            let session = seat.session.clone();
            let vigil = watch_over(&self.means, self.own.clone(), participant, &session);
            seat.vigil = Some(vigil);
            let now = self.means.clock.now();
            self.room.lost(participant, now);
        }
    }
}
