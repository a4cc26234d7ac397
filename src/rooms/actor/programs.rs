//! What programs ask for from outside, by an API key: the requests of hosts, on the same ways, asked of the same guard, as far as the scopes
//! of the key go. A program is nobody in the room: it has no seat, and what it is told is the answer alone.

use conclave_policy::facts::{Facts, Target};
use conclave_policy::roles::Role;
use conclave_policy::scopes::Scopes;
use tokio::sync::oneshot;

use super::RoomActor;
use crate::ids::{self, ActorId, ParticipantId};
use crate::rooms::callers::MOST;
use crate::rooms::outbound::Done;
use crate::rooms::projection;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;
use crate::rooms::room::RoomAction;
use crate::rooms::view::SessionView;

type Reply = oneshot::Sender<Result<Done, ErrorCode>>;

/// A call from outside.
pub struct Call {
    /// Whose.
    pub actor: ActorId,
    /// What the key is called.
    pub name: String,
    /// What the key is for.
    pub scopes: Scopes,
    /// What is asked for.
    pub request: RoomRequest,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Who waits for an answer.
pub(super) struct Caller {
    actor: ActorId,
    scopes: Scopes,
    reply: Reply,
}

/// Who asks for something, from inside or outside, and what is true of them.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) actor: ActorId,
    pub(super) role: Role,
}

impl Caller {
    pub(super) fn tell(self, outcome: Result<Done, ErrorCode>) {
        // Whoever asked may have hung up.
        let _unheard = self.reply.send(outcome);
    }
}

impl RoomActor {
    /// For as long as the call lasts it goes by an identifier of its own, which is nobody's in the room.
    pub(super) async fn on_program(&mut self, call: Call) {
        let Call {
            actor,
            name,
            scopes,
            request,
            reply,
        } = call;
        self.programs.retain(|_, caller| !caller.reply.is_closed());
        let caller = Caller {
            actor,
            scopes,
            reply,
        };
        if self.programs.len() >= MOST {
            return caller.tell(Err(ErrorCode::RateLimited));
        }
        self.room.callers.note(actor, name);
        let by: ParticipantId = ids::random(self.means.random.as_ref());
        self.programs.insert(by, caller);
        self.on_request(by, 0, request).await;
    }

    /// Who is in, for whoever the API has let look.
    pub(super) fn tell_session(&self, reply: oneshot::Sender<SessionView>) {
        let rules = self.means.guard.snapshot();
        let _unheard = reply.send(projection::session(&self.room, &rules));
    }

    /// Who asks for something, if they are here or call.
    pub(super) fn asker(&self, by: ParticipantId) -> Option<Asker> {
        if let Some(program) = self.programs.get(&by) {
            return Some(Asker {
                actor: program.actor,
                role: Role::Program,
            });
        }
        let person = self.room.person(by)?;
        Some(Asker {
            actor: person.who.actor,
            role: person.role,
        })
    }

    /// What is true of whoever asks for this.
    pub(super) fn facts_for<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: &A,
    ) -> Result<Facts, ErrorCode> {
        if let Some(program) = self.programs.get(&by) {
            return self.room.facts_of_program(program.scopes, action);
        }
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        self.room.facts_inside(person, action)
    }

    /// The same upon anyone of whom they are this.
    pub(super) fn facts_upon(
        &self,
        by: ParticipantId,
        kind: conclave_policy::actions::ActionKind,
        target: Target,
    ) -> Option<Facts> {
        let facts = match self.programs.get(&by) {
            Some(program) => self.room.facts_of_scopes(program.scopes, kind),
            None => self.room.facts_of(self.room.person(by)?),
        };
        Some(facts.with(target))
    }
}
