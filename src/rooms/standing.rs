//! Standing permits: who sends, who receives and who waits goes on only as long as the rules would permit it again. Pure: it
//! says what would not be permitted any more; cutting is the room's, and the task's around it.

use conclave_policy::actions::{Action, ActionKind, Knock, Publish, Watch};
use conclave_policy::engine::{Decision, Denied, Snapshot};
use conclave_policy::facts::{Facts, Standing};
use conclave_policy::roles::Role;
use conclave_policy::source::{Source, StreamKind};

use crate::ids::{ActorId, KnockId, ParticipantId};
use crate::rooms::effect::Effect;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};

/// Standing permits that would not be given again, each with the refusal.
#[derive(Clone, Debug, Default)]
pub struct Fallen {
    /// Sources that may not be sent any more.
    pub sending: Vec<(ParticipantId, Source, Refused)>,
    /// Those who may not receive any more.
    pub receiving: Vec<(ParticipantId, Refused)>,
}

/// Whose permit fell, and why.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Who had it.
    pub actor: ActorId,
    /// The refusal.
    pub denied: Denied,
}

/// Asks every standing permit of those who are in the room again. A short loss of the connection ends none.
pub fn fallen(room: &Room, rules: &Snapshot) -> Fallen {
    let mut fallen = Fallen::default();
    for person in room.people() {
        let actor = person.who.actor;
        for source in person.floor.live() {
            let publish = Publish {
                participant: person.id,
                source: *source,
            };
            let facts = room.facts_inside(person, &publish);
            if let Some(denied) = refused(rules, &publish, person.role, facts) {
                let refused = Refused { actor, denied };
                fallen.sending.push((person.id, *source, refused));
            }
        }
        // What brings a stream in was never let receive.
        if person.who.way.stream() == Some(StreamKind::Source) {
            continue;
        }
        let watch = Watch {
            participant: person.id,
        };
        let facts = room.facts_inside(person, &watch);
        if let Some(denied) = refused(rules, &watch, person.role, facts) {
            fallen
                .receiving
                .push((person.id, Refused { actor, denied }));
        }
    }
    fallen
}

/// Asks again for those who wait: whoever would not be let to the door under these rules is turned away. Asked when rules are
/// swapped and never when something happens in the room, for those who wait must learn nothing of it.
pub fn fallen_at_the_door(room: &Room, rules: &Snapshot) -> Vec<(KnockId, Refused)> {
    let mut fallen = Vec::new();
    for knock in room.lobby().in_order() {
        let facts = room.facts_outside(&knock.who);
        let decision = rules.explain(ActionKind::Knock, knock.role, &facts);
        if !decision.allowed {
            let refused = Refused {
                actor: knock.who.actor,
                denied: denied(Knock.kind(), decision, rules),
            };
            fallen.push((knock.id, refused));
        }
    }
    fallen
}

impl Room {
    /// The permit to wait was asked for again and refused.
    pub fn knock_fell(&mut self, knock: KnockId) {
        self.stop_waiting(knock);
        self.effects.push_back(Effect::TurnedAway {
            knock,
            code: ErrorCode::Denied,
        });
    }
}

fn refused<A: RoomAction>(
    rules: &Snapshot,
    action: &A,
    role: Role,
    facts: Result<Facts, ErrorCode>,
) -> Option<Denied> {
    // Without facts everything is denied.
    let facts = facts.unwrap_or_default().with(Standing::Admitted);
    let decision = rules.explain(action.kind(), role, &action.settle(facts));
    (!decision.allowed).then(|| denied(action.kind(), decision, rules))
}

fn denied(kind: ActionKind, decision: Decision, rules: &Snapshot) -> Denied {
    Denied {
        kind,
        rule: decision.rule,
        version: rules.version(),
        // Nobody asked: the answer is told to nobody.
        lacks_factor: false,
    }
}
