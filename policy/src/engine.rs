//! Asks the rule engine for every decision once, when rules are loaded, and answers from that table.
//! The only file that names the rule engine. Whatever is unknown, missing or broken is denied.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::rhai::{Dynamic, ImmutableString};
use casbin::{
    CoreApi, DefaultEffector, DefaultModel, EffectKind, Effector, EffectorStream, Enforcer,
    MgmtApi, NullAdapter,
};
use futures_executor::block_on;

use crate::actions::{Action, ActionKind};
use crate::facts::Facts;
use crate::ids::{ActorId, RoomId};
use crate::permit::{Permit, PolicyVersion, RuleId};
use crate::roles::Role;
use crate::rules::{RuleError, Rules, describe, satisfies};

const MODEL: &str = include_str!("../model.conf");
const RULES: &str = include_str!("../rules.csv");

/// The one model that is accepted, without its comments and blank lines. Above all the effect must be this one: deny beats
/// allow, and no rule is a refusal.
const SHAPE: [&str; 10] = [
    "[request_definition]",
    "r = sub, act, facts",
    "[policy_definition]",
    "p = sub, act, when, eft",
    "[role_definition]",
    "g = _, _",
    "[policy_effect]",
    "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "[matchers]",
    "m = g(r.sub, p.sub) && r.act == p.act && satisfies(r.facts, p.when)",
];

/// Why a rule set is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The model is not the known one.
    #[error("the model is not the known one: line {line} is unexpected")]
    Model {
        /// Counted from one; the line after the last if something is missing.
        line: usize,
    },
    /// The rules have a fault.
    #[error("the rules are refused: {0}")]
    Rules(#[from] RuleError),
    /// The rule engine failed.
    #[error("the rule engine failed")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The rule engine took other rules than it was given, or gave an answer that its own matches do not bear out.
    #[error("the rule engine contradicts itself about `{0}`")]
    Contradiction(ActionKind),
}

impl From<casbin::Error> for PolicyError {
    fn from(error: casbin::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` is denied")]
pub struct Denied {
    /// What was asked.
    pub kind: ActionKind,
    /// The rule that denied it; none if no rule allowed it.
    pub rule: Option<RuleId>,
    /// The rule set that was asked.
    pub version: PolicyVersion,
}

/// An answer of the table, with the rule behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rule that allowed or denied it, the first of them if several did; none if no rule matched.
    pub rule: Option<RuleId>,
}

impl Decision {
    const DENIED: Self = Self {
        allowed: false,
        rule: None,
    };
}

/// All decisions of one rule set, immutable. A change of rules is another snapshot.
pub struct Snapshot {
    version: PolicyVersion,
    /// For each kind of action: roles outermost, then [`Facts::every`] of its dimensions.
    tables: Vec<Box<[Decision]>>,
}

impl Snapshot {
    /// Reads and checks the rules and asks the rule engine for every decision. Any fault refuses the whole set.
    ///
    /// Takes some hundred milliseconds of CPU; the answer is meant to be kept.
    pub fn load(model: &str, rules: &str, version: PolicyVersion) -> Result<Self, PolicyError> {
        check_model(model)?;
        let rules = Rules::parse(rules)?;
        let model = block_on(DefaultModel::from_str(model))?;
        let tables = ActionKind::ALL
            .iter()
            .map(|kind| Judge::new(&model, &rules, *kind)?.table())
            .collect::<Result<_, _>>()?;
        Ok(Self { version, tables })
    }

    /// The rules that come with this build.
    pub fn built_in(version: PolicyVersion) -> Result<Self, PolicyError> {
        Self::load(MODEL, RULES, version)
    }

    /// Which rule set this is.
    pub const fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Permits the action or refuses it. Allocates nothing.
    pub fn decide<A: Action>(
        &self,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
    ) -> Result<Permit<A>, Denied> {
        let kind = action.kind();
        match self.explain(kind, role, &action.settle(*facts)) {
            Decision {
                allowed: true,
                rule: Some(rule),
            } => Ok(Permit::new(actor, role, room, action, self.version, rule)),
            Decision { rule, .. } => Err(Denied {
                kind,
                rule,
                version: self.version,
            }),
        }
    }

    /// Whether it would be permitted. Proves nothing: an effect needs the permit.
    pub fn allows(&self, kind: ActionKind, role: Role, facts: &Facts) -> bool {
        self.explain(kind, role, facts).allowed
    }

    /// The decision and the rule behind it.
    pub fn explain(&self, kind: ActionKind, role: Role, facts: &Facts) -> Decision {
        let dimensions = kind.dimensions();
        let answer = || {
            let place =
                role as usize * Facts::combinations(dimensions) + facts.place(dimensions)?;
            self.tables.get(kind as usize)?.get(place).copied()
        };
        answer().unwrap_or(Decision::DENIED)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn check_model(text: &str) -> Result<(), PolicyError> {
    let mut shape = SHAPE.into_iter();
    let mut end = 1;
    for (line, content) in (1..).zip(text.lines()) {
        end = line + 1;
        let content = content.trim();
        if !content.is_empty() && !content.starts_with('#') && shape.next() != Some(content) {
            return Err(PolicyError::Model { line });
        }
    }
    if shape.next().is_some() {
        Err(PolicyError::Model { line: end })
    } else {
        Ok(())
    }
}

/// The rule engine with the rules about one kind of action, and nothing else to search through.
struct Judge {
    kind: ActionKind,
    enforcer: Enforcer,
    /// Which rule stands at which place in the engine.
    rules: Vec<RuleId>,
    seen: Arc<Mutex<Seen>>,
}

impl Judge {
    fn new(model: &DefaultModel, rules: &Rules, kind: ActionKind) -> Result<Self, PolicyError> {
        let mut enforcer = block_on(Enforcer::new(model.clone(), NullAdapter))?;
        enforcer.add_function(
            "satisfies",
            OperatorFunction::Arg2(|facts: Dynamic, when: Dynamic| {
                satisfies(&dynamic_to_str(&facts), &dynamic_to_str(&when)).into()
            }),
        );
        let seen = Arc::new(Mutex::new(Seen::default()));
        enforcer.set_effector(Box::new(Witness {
            seen: Arc::clone(&seen),
        }));

        let members: Vec<Vec<String>> = rules
            .members
            .iter()
            .map(|member| vec![member.role.to_string(), member.group.clone()])
            .collect();
        let rows: Vec<Vec<String>> = rules
            .about(kind)
            .map(|rule| {
                vec![
                    rule.subject.clone(),
                    kind.to_string(),
                    rule.when.clone(),
                    rule.effect.as_str().to_owned(),
                ]
            })
            .collect();
        if !members.is_empty() {
            block_on(enforcer.add_grouping_policies(members))?;
        }
        if !rows.is_empty() {
            block_on(enforcer.add_policies(rows.clone()))?;
        }
        // The places of the rules in the engine name them; were one missing, every answer would be ascribed wrongly.
        if enforcer.get_policy() != rows {
            return Err(PolicyError::Contradiction(kind));
        }
        Ok(Self {
            kind,
            enforcer,
            rules: rules.about(kind).map(|rule| rule.id).collect(),
            seen,
        })
    }

    /// The answer to every question about this kind of action.
    fn table(&self) -> Result<Box<[Decision]>, PolicyError> {
        let cases: Vec<ImmutableString> = Facts::every(self.kind.dimensions())
            .map(|facts| describe(self.kind, &facts).into())
            .collect();
        let act: ImmutableString = self.kind.as_str().into();
        let mut table = Vec::with_capacity(Role::ALL.len() * cases.len());
        for role in Role::ALL {
            let role: ImmutableString = role.as_str().into();
            for facts in &cases {
                table.push(self.ask(role.clone(), act.clone(), facts.clone())?);
            }
        }
        Ok(table.into())
    }

    fn ask(
        &self,
        role: ImmutableString,
        act: ImmutableString,
        facts: ImmutableString,
    ) -> Result<Decision, PolicyError> {
        let allowed = self.enforcer.enforce(vec![role, act, facts])?;
        let seen = *locked(&self.seen);
        if allowed != (seen.allow.is_some() && seen.deny.is_none()) {
            return Err(PolicyError::Contradiction(self.kind));
        }
        let rule = match seen.deny.or(seen.allow) {
            Some(place) => Some(
                *self
                    .rules
                    .get(place)
                    .ok_or(PolicyError::Contradiction(self.kind))?,
            ),
            None => None,
        };
        Ok(Decision { allowed, rule })
    }
}

/// At which places the first allowing and the first denying rule matched in the last question.
#[derive(Clone, Copy, Default)]
struct Seen {
    allow: Option<usize>,
    deny: Option<usize>,
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes which rules matched, and leaves the verdict to the engine's own effector.
struct Witness {
    seen: Arc<Mutex<Seen>>,
}

impl Effector for Witness {
    fn new_stream(&self, expr: &str, cap: usize) -> Box<dyn EffectorStream> {
        *locked(&self.seen) = Seen::default();
        let verdict = DefaultEffector.new_stream(expr, cap);
        Box::new(Notes {
            verdict,
            place: 0,
            seen: Arc::clone(&self.seen),
        })
    }
}

struct Notes {
    verdict: Box<dyn EffectorStream>,
    place: usize,
    seen: Arc<Mutex<Seen>>,
}

impl EffectorStream for Notes {
    fn next(&self) -> bool {
        self.verdict.next()
    }

    fn push_effect(&mut self, effect: EffectKind) -> bool {
        let mut seen = locked(&self.seen);
        match effect {
            EffectKind::Allow => seen.allow = seen.allow.or(Some(self.place)),
            EffectKind::Deny => seen.deny = seen.deny.or(Some(self.place)),
            EffectKind::Indeterminate => {}
        }
        self.place += 1;
        self.verdict.push_effect(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure() {
        let start = std::time::Instant::now();
        let snapshot = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let took = start.elapsed();
        let entries: usize = snapshot.tables.iter().map(|table| table.len()).sum();
        panic!("{took:?} for {entries}");
    }
}
