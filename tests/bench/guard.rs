//! `policy.decide`: one question at the guard, as a request asks it (the rules in force, the decision, a refusal counted), with
//! 500 rules and 50 groups of the organisation beside the server's; against a look-up of the same request in a plain hash map.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use conclave::clock::{Clock, SystemClock};
use conclave::guard::Guard;
use conclave::ids::OrgId;
use conclave::secret::SystemRandom;
use conclave::store::database::Store;
use conclave::store::seal::SealingKeys;
use conclave_policy::actions::{
    Action, ActionKind, Admit, Enter, Knock, Lock, Mute, Publish, Remove, SeeParticipant, SetRole,
    Watch,
};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Dimension, Facts, NewRole};
use conclave_policy::ids::{AccountId, ActorId, KnockId, ParticipantId, RoomId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::source::Source;

use crate::measure::{figure, note, percentile};

const RULES: usize = 500;
const GROUPS: usize = 50;
const REQUESTS: usize = 4096;
const ROUNDS: usize = 60;

const ROOM: RoomId = RoomId::from_bytes([2; 16]);
const TARGET: ParticipantId = ParticipantId::from_bytes([3; 16]);

/// A request as a key: all that the decision rests on.
type Key = (ActionKind, Role, [u8; 32]);

/// Numbers that begin the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// 500 rules about 50 groups: each about one narrow case of one action, so that most of what is asked stays allowed.
pub(crate) fn organisation() -> String {
    let mut dice = Dice::new();
    let name = |group: usize| {
        let letter = |digit: usize| char::from(b'a' + u8::try_from(digit).unwrap());
        format!("unit_{}{}", letter(group / 26), letter(group % 26))
    };
    let mut text = String::new();
    for group in 0..GROUPS {
        for role in [group % Role::ALL.len(), (group * 7 + 3) % Role::ALL.len()] {
            let line = format!("g, {}, {}\n", Role::ALL[role], name(group));
            if !text.contains(&line) {
                text += &line;
            }
        }
    }
    let mut rules = 0;
    while rules < RULES {
        let kind = ActionKind::ALL[dice.below(ActionKind::ALL.len())];
        let terms: Vec<String> = kind
            .dimensions()
            .iter()
            .map(|dimension| {
                let values = dimension.values();
                format!("{dimension}={}", values[dice.below(values.len())])
            })
            .collect();
        let group = name(dice.below(GROUPS));
        let line = format!("p, {group}, {kind}, {}, deny\n", terms.join(" & "));
        // What someone inside does with their own is left to everyone: the swap that is measured cuts nobody.
        let own = line.contains("standing=admitted & target=own");
        if !own && !text.contains(&line) {
            text += &line;
            rules += 1;
        }
    }
    text
}

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

struct Desk {
    guard: Guard,
    org: OrgId,
    actor: ActorId,
}

impl Desk {
    /// Asks as a request does, and drops the permit.
    fn ask(&self, request: &Request) -> bool {
        match request.asked {
            Asked::Enter(action) => self.one(request, action),
            Asked::Knock(action) => self.one(request, action),
            Asked::Watch(action) => self.one(request, action),
            Asked::SeeParticipant(action) => self.one(request, action),
            Asked::Publish(action) => self.one(request, action),
            Asked::Admit(action) => self.one(request, action),
            Asked::Mute(action) => self.one(request, action),
            Asked::Remove(action) => self.one(request, action),
            Asked::SetRole(action) => self.one(request, action),
            Asked::Lock(action) => self.one(request, action),
        }
    }

    fn one<A: Action>(&self, request: &Request, action: A) -> bool {
        let (role, facts) = (request.role, &request.facts);
        let answer = self
            .guard
            .look(self.org, self.actor, role, ROOM, facts, action);
        black_box(&answer).is_ok()
    }
}

pub(crate) async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SealingKeys::load_or_create(folder.path(), Arc::new(SystemRandom)).unwrap();
    let store = Store::open(folder.path(), keys, SystemClock.now())
        .await
        .unwrap();
    let text = organisation();
    let begun = SystemClock.instant();
    let snapshot = Snapshot::narrowed(&text, PolicyVersion(1)).unwrap();
    note(&format!(
        "policy.decide: {RULES} rules and {GROUPS} groups of an organisation beside the server's; to load all of them takes {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    ));
    let desk = Desk {
        guard: Guard::with(snapshot, store.clone(), Arc::new(SystemClock)),
        org: store.org(),
        actor: AccountId::from_bytes([1; 16]).into(),
    };
    let requests = requests(&desk);
    let map: HashMap<Key, bool> = requests
        .iter()
        .map(|request| (key(request), desk.ask(request)))
        .collect();
    let keys: Vec<Key> = requests.iter().map(key).collect();
    let permitted = requests.iter().filter(|request| desk.ask(request)).count();

    let clock = times(&[(); REQUESTS], |()| true);
    let decisions = times(&requests, |request| desk.ask(request));
    let look_ups = times(&keys, |key| map[key]);
    let own = percentile(&clock, 0.5);
    note(&format!(
        "policy.decide: {REQUESTS} different requests, {:.0} % of them permitted, {} asked one by one; what reading the clock takes \
         ({own:.0} ns) is taken off; a look-up takes {:.0} ns (p50), {:.0} ns (p99)",
        100.0 * permitted as f64 / REQUESTS as f64,
        decisions.len(),
        percentile(&look_ups, 0.5) - own,
        percentile(&look_ups, 0.99) - own,
    ));
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let decision = (percentile(&decisions, share) - own).max(1.0);
        let look_up = (percentile(&look_ups, share) - own).max(1.0);
        let name = format!("policy.decide.{name}");
        figure(&name, decision, "ns", Some(decision / look_up));
    }
    store.close().await;
}

/// How long each of these takes, alone, in nanoseconds.
fn times<T>(all: &[T], mut one: impl FnMut(&T) -> bool) -> Vec<f64> {
    let mut out = Vec::with_capacity(all.len() * ROUNDS);
    for round in 0..=ROUNDS {
        for item in all {
            let begun: Instant = SystemClock.instant();
            black_box(one(black_box(item)));
            let took = begun.elapsed();
            // The first round fills the caches.
            if round > 0 {
                out.push(took.as_secs_f64() * 1e9);
            }
        }
    }
    out
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
    let mut facts = [0; 32];
    for (place, dimension) in facts.iter_mut().zip(Dimension::ALL) {
        let value = request.facts.value(*dimension);
        let known = value.and_then(|value| dimension.values().iter().position(|one| *one == value));
        *place = known.map_or(0, |known| u8::try_from(known + 1).unwrap());
    }
    (kind(&request.asked), request.role, facts)
}

/// Requests of every role, action and combination of facts; every second one is permitted, as in a meeting most are.
fn requests(desk: &Desk) -> Vec<Request> {
    let participant = TARGET;
    let knock = KnockId::from_bytes([4; 16]);
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
    all.extend(Source::ALL.map(|source| {
        Asked::Publish(Publish {
            participant,
            source,
        })
    }));
    let cases: Vec<(Asked, Vec<Facts>)> = all
        .into_iter()
        .map(|asked| (asked, Facts::every(kind(&asked).dimensions()).collect()))
        .collect();
    let mut dice = Dice::new();
    let mut requests = Vec::new();
    while requests.len() < REQUESTS {
        let (asked, facts) = &cases[dice.below(cases.len())];
        let request = Request {
            asked: *asked,
            role: Role::ALL[dice.below(Role::ALL.len())],
            facts: facts[dice.below(facts.len())],
        };
        if requests.len() % 2 == 0 || desk.ask(&request) {
            requests.push(request);
        }
    }
    requests
}
