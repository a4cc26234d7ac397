//! `policy.decide`: one decision of the built-in rules, against a look-up of the same request in a plain hash map.

use std::collections::HashMap;
use std::hint::black_box;

use conclave::clock::{Clock, SystemClock};
use conclave_policy::actions::{Action, ActionKind};
use conclave_policy::actions::{
    Admit, Enter, Knock, Lock, Mute, Publish, Remove, SeeParticipant, SetRole, Watch,
};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Dimension, Facts, NewRole};
use conclave_policy::ids::{AccountId, ActorId, KnockId, ParticipantId, RoomId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::source::Source;

use crate::measure::{figure, median, note};

const REQUESTS: usize = 4096;
const ROUNDS: usize = 200;
const BATCHES: usize = 21;

const ROOM: RoomId = RoomId::from_bytes([2; 16]);
const TARGET: ParticipantId = ParticipantId::from_bytes([3; 16]);

/// What is asked for; every kind of decision that a running room takes often.
#[derive(Clone, Copy)]
enum Asked {
    Enter(Enter),
    Knock(Knock),
    Watch(Watch),
    SeeParticipant(SeeParticipant),
    Publish(Publish),
    Admit(Admit),
    Mute(Mute),
    Remove(Remove),
    SetRole(SetRole),
    Lock(Lock),
}

#[derive(Clone, Copy)]
struct Request {
    asked: Asked,
    role: Role,
    facts: Facts,
}

/// A request as a key: all that the decision rests on.
type Key = (ActionKind, Role, [u8; 32]);

pub(crate) fn run() {
    let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
    let actor = AccountId::from_bytes([1; 16]).into();
    let requests = requests(&rules, actor);
    let keys: Vec<Key> = requests.iter().map(key).collect();
    let map: HashMap<Key, bool> = requests
        .iter()
        .zip(&keys)
        .map(|(request, key)| (*key, allowed(&rules, actor, request)))
        .collect();

    let per_one = 1e9 / (REQUESTS * ROUNDS) as f64;
    let (mut decisions, mut look_ups) = (Vec::new(), Vec::new());
    let mut permitted = (0, 0);
    for _ in 0..BATCHES {
        let begun = SystemClock.instant();
        for _ in 0..ROUNDS {
            for request in black_box(&requests) {
                permitted.0 += usize::from(allowed(&rules, actor, request));
            }
        }
        decisions.push(begun.elapsed().as_secs_f64() * per_one);
        let begun = SystemClock.instant();
        for _ in 0..ROUNDS {
            for key in black_box(&keys) {
                permitted.1 += usize::from(map[key]);
            }
        }
        look_ups.push(begun.elapsed().as_secs_f64() * per_one);
    }
    assert_eq!(permitted.0, permitted.1);
    let share = permitted.0 as f64 / (REQUESTS * ROUNDS * BATCHES) as f64;
    note(&format!(
        "policy.decide: {REQUESTS} different requests, {:.0} % of them permitted; a look-up takes {:.1} ns",
        100.0 * share,
        median(&look_ups)
    ));
    let (decision, look_up) = (median(&decisions), median(&look_ups));
    figure("policy.decide", decision, "ns", Some(decision / look_up));
}

/// Takes the decision as the guard does, and drops the permit.
fn allowed(rules: &Snapshot, actor: ActorId, request: &Request) -> bool {
    fn one<A: Action>(rules: &Snapshot, actor: ActorId, request: &Request, action: A) -> bool {
        let permit = rules.decide(actor, request.role, ROOM, &request.facts, action);
        black_box(&permit).is_ok()
    }
    match request.asked {
        Asked::Enter(action) => one(rules, actor, request, action),
        Asked::Knock(action) => one(rules, actor, request, action),
        Asked::Watch(action) => one(rules, actor, request, action),
        Asked::SeeParticipant(action) => one(rules, actor, request, action),
        Asked::Publish(action) => one(rules, actor, request, action),
        Asked::Admit(action) => one(rules, actor, request, action),
        Asked::Mute(action) => one(rules, actor, request, action),
        Asked::Remove(action) => one(rules, actor, request, action),
        Asked::SetRole(action) => one(rules, actor, request, action),
        Asked::Lock(action) => one(rules, actor, request, action),
    }
}

fn kind(asked: &Asked) -> ActionKind {
    match asked {
        Asked::Enter(action) => action.kind(),
        Asked::Knock(action) => action.kind(),
        Asked::Watch(action) => action.kind(),
        Asked::SeeParticipant(action) => action.kind(),
        Asked::Publish(action) => action.kind(),
        Asked::Admit(action) => action.kind(),
        Asked::Mute(action) => action.kind(),
        Asked::Remove(action) => action.kind(),
        Asked::SetRole(action) => action.kind(),
        Asked::Lock(action) => action.kind(),
    }
}

fn key(request: &Request) -> Key {
    let kind = kind(&request.asked);
    let mut facts = [0; 32];
    for (place, dimension) in facts.iter_mut().zip(Dimension::ALL) {
        let value = request.facts.value(*dimension);
        let known = value.and_then(|value| dimension.values().iter().position(|one| *one == value));
        *place = known.map_or(0, |known| u8::try_from(known + 1).unwrap());
    }
    (kind, request.role, facts)
}

/// Requests of every role, action and combination of facts, mixed by a generator that begins the same every time. Every second
/// one is permitted: of all that can be asked few are, of what is asked in a meeting most.
fn requests(rules: &Snapshot, actor: ActorId) -> Vec<Request> {
    let participant = TARGET;
    let knock = KnockId::from_bytes([4; 16]);
    let sources = Source::ALL.iter().map(|source| {
        Asked::Publish(Publish {
            participant,
            source: *source,
        })
    });
    let mut all = vec![
        Asked::Enter(Enter),
        Asked::Knock(Knock),
        Asked::Watch(Watch { participant }),
        Asked::SeeParticipant(SeeParticipant { participant }),
        Asked::Admit(Admit { knock, version: 1 }),
        Asked::Mute(Mute { participant }),
        Asked::Remove(Remove { participant }),
        Asked::SetRole(SetRole {
            participant,
            role: NewRole::Presenter,
        }),
        Asked::Lock(Lock),
    ];
    all.extend(sources);
    let cases: Vec<(Asked, Vec<Facts>)> = all
        .into_iter()
        .map(|asked| (asked, Facts::every(kind(&asked).dimensions()).collect()))
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let mut any = || {
        let (asked, facts) = &cases[below(cases.len())];
        Request {
            asked: *asked,
            role: Role::ALL[below(Role::ALL.len())],
            facts: facts[below(facts.len())],
        }
    };
    let mut requests = Vec::new();
    while requests.len() < REQUESTS {
        let request = any();
        if requests.len() % 2 == 0 || allowed(rules, actor, &request) {
            requests.push(request);
        }
    }
    requests
}
