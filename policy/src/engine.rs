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
use crate::facts::{Dimension, Factor, Facts, SecondFactor};
use crate::ids::{ActorId, RoomId};
use crate::permit::{Permit, PolicyVersion, RuleId};
use crate::roles::Role;
use crate::rules::{Author, Member, Rule, RuleError, Rules, describe, satisfies};

const MODEL: &str = include_str!("../model.conf");
/// The rules that come with this build.
pub(crate) const RULES: &str = include_str!("../rules.csv");

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
    #[error("the rule engine contradicts itself")]
    Contradiction,
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
    /// Whether nothing was missing but the second factor of who asked.
    pub lacks_factor: bool,
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
        Self::of(model, &Rules::parse(rules)?, &Rules::default(), version)
    }

    /// The rules that come with this build.
    pub fn built_in(version: PolicyVersion) -> Result<Self, PolicyError> {
        Self::load(MODEL, RULES, version)
    }

    /// The rules that come with this build, narrowed by those of an organisation: allowed is what the former allow and the
    /// latter do not deny. Any fault refuses the whole set.
    pub fn narrowed(organisation: &str, version: PolicyVersion) -> Result<Self, PolicyError> {
        check_model(MODEL)?;
        let server = Rules::parse(RULES)?;
        let organisation = Rules::parse_organisation(organisation, &server)?;
        Self::of(MODEL, &server, &organisation, version)
    }

    /// Every fault of an organisation's rule text; none if [`Snapshot::narrowed`] would take it.
    pub fn faults(organisation: &str) -> Vec<RuleError> {
        match Rules::parse(RULES) {
            Err(fault) => vec![fault],
            Ok(server) => Rules::read(organisation, Author::Organisation(&server))
                .err()
                .unwrap_or_default(),
        }
    }

    fn of(
        model: &str,
        server: &Rules,
        organisation: &Rules,
        version: PolicyVersion,
    ) -> Result<Self, PolicyError> {
        let model = block_on(DefaultModel::from_str(model))?;
        let tables = ActionKind::ALL
            .iter()
            .map(|kind| table_of(*kind, &model, server, organisation))
            .collect::<Result<_, _>>()?;
        Ok(Self { version, tables })
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
        let facts = action.settle(*facts);
        match self.explain(kind, role, &facts) {
            Decision {
                allowed: true,
                rule: Some(rule),
            } => Ok(Permit::new(actor, role, room, action, self.version, rule)),
            Decision { rule, .. } => Err(Denied {
                kind,
                rule,
                version: self.version,
                lacks_factor: self.lacks_factor(kind, role, &facts),
            }),
        }
    }

    /// Whether nothing is missing but the second factor: with it, it would be permitted. Who asks may be told so, and nobody else.
    pub fn lacks_factor(&self, kind: ActionKind, role: Role, facts: &Facts) -> bool {
        let missing = |dimension, value| facts.value(dimension) == Some(value);
        let lacks =
            missing(Dimension::SecondFactor, "missing") || missing(Dimension::Factor, "none");
        let shown = facts.with(SecondFactor::Proved).with(Factor::Shown);
        lacks && !self.allows(kind, role, facts) && self.allows(kind, role, &shown)
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

/// Every decision about one kind of action: what the server's rules say, narrowed by what the organisation's deny. The two
/// are asked apart, so that nothing in the one can change what the other says.
fn table_of(
    kind: ActionKind,
    model: &DefaultModel,
    server: &Rules,
    organisation: &Rules,
) -> Result<Box<[Decision]>, PolicyError> {
    let mut table = Judge::about(kind, model, &server.members, server)?.table(kind)?;
    if organisation.rules.iter().all(|rule| rule.action != kind) {
        return Ok(table);
    }
    // An organisation's rules may name the server's groups as well as its own.
    let members: Vec<Member> = server
        .members
        .iter()
        .chain(&organisation.members)
        .cloned()
        .collect();
    let vetoes = Judge::about(kind, model, &members, organisation)?.table(kind)?;
    if vetoes.len() != table.len() {
        return Err(PolicyError::Contradiction);
    }
    for (decision, veto) in table.iter_mut().zip(vetoes) {
        if veto.allowed {
            return Err(PolicyError::Contradiction);
        }
        if decision.allowed && veto.rule.is_some() {
            *decision = veto;
        }
    }
    Ok(table)
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

/// The rule engine, loaded with some of the rules.
struct Judge {
    enforcer: Enforcer,
    /// Which rule stands at which place in the engine.
    rules: Vec<RuleId>,
    /// Which facts the rules about each role look at, in the order of [`Role::ALL`].
    looks_at: Vec<Vec<Dimension>>,
    seen: Arc<Mutex<Seen>>,
}

impl Judge {
    /// Holds only the rules about this kind of action, so that each question is matched against few.
    fn about(
        kind: ActionKind,
        model: &DefaultModel,
        members: &[Member],
        rules: &Rules,
    ) -> Result<Self, PolicyError> {
        Self::new(
            model,
            members,
            rules.rules.iter().filter(|rule| rule.action == kind),
        )
    }

    fn new<'a>(
        model: &DefaultModel,
        members: &[Member],
        rules: impl Iterator<Item = &'a Rule> + Clone,
    ) -> Result<Self, PolicyError> {
        let mut enforcer = block_on(Enforcer::new(model.clone(), NullAdapter))?;
        let satisfied: fn(Dynamic, Dynamic) -> Dynamic =
            |facts, when| satisfies(&dynamic_to_str(&facts), &dynamic_to_str(&when)).into();
        enforcer.add_function("satisfies", OperatorFunction::Arg2(satisfied));
        let seen = Arc::new(Mutex::new(Seen::default()));
        enforcer.set_effector(Box::new(Witness {
            seen: Arc::clone(&seen),
        }));

        let groups: Vec<_> = members
            .iter()
            .map(|member| vec![member.role.to_string(), member.group.clone()])
            .collect();
        if !groups.is_empty() {
            block_on(enforcer.add_grouping_policies(groups.clone()))?;
        }
        let rows: Vec<_> = rules.clone().map(row).collect();
        if !rows.is_empty() {
            block_on(enforcer.add_policies(rows.clone()))?;
        }
        // A rule is known by its place in the engine: were one missing or moved, every answer would be ascribed wrongly.
        if enforcer.get_policy() != rows || enforcer.get_grouping_policy() != groups {
            return Err(PolicyError::Contradiction);
        }
        Ok(Self {
            enforcer,
            looks_at: Role::ALL
                .map(|role| looked_at(role, members, rules.clone()))
                .into(),
            rules: rules.map(|rule| rule.id).collect(),
            seen,
        })
    }

    /// The answer to every question about this kind of action. Questions that differ only in facts which no rule about the role
    /// looks at have one answer, and are asked once: most of the table is of roles that few rules are about.
    fn table(&self, kind: ActionKind) -> Result<Box<[Decision]>, PolicyError> {
        let cases: Vec<(Facts, ImmutableString)> = Facts::every(kind.dimensions())
            .map(|facts| (facts, describe(kind, &facts).into()))
            .collect();
        let act: ImmutableString = kind.as_str().into();
        let mut table = Vec::with_capacity(Role::ALL.len() * cases.len());
        for (role, looks_at) in Role::ALL.iter().zip(&self.looks_at) {
            let role: ImmutableString = role.as_str().into();
            let mut answers = vec![None; Facts::combinations(looks_at)];
            for (facts, described) in &cases {
                let answer = facts.place(looks_at).and_then(|at| answers.get_mut(at));
                let answer = answer.ok_or(PolicyError::Contradiction)?;
                let decision = match *answer {
                    Some(known) => known,
                    None => self.ask([role.clone(), act.clone(), described.clone()])?,
                };
                *answer = Some(decision);
                table.push(decision);
            }
        }
        Ok(table.into())
    }

    fn ask(&self, request: [ImmutableString; 3]) -> Result<Decision, PolicyError> {
        let allowed = self.enforcer.enforce(Vec::from(request))?;
        let seen = *locked(&self.seen);
        if allowed != (seen.allow.is_some() && seen.deny.is_none()) {
            return Err(PolicyError::Contradiction);
        }
        let rule = match seen.deny.or(seen.allow) {
            Some(place) => Some(*self.rules.get(place).ok_or(PolicyError::Contradiction)?),
            None => None,
        };
        Ok(Decision { allowed, rule })
    }
}

/// The facts that some of these rules looks at when this role asks.
fn looked_at<'a>(
    role: Role,
    members: &[Member],
    rules: impl Iterator<Item = &'a Rule>,
) -> Vec<Dimension> {
    let is_in = |group: &str| {
        let of = |member: &Member| member.role == role && member.group == group;
        group == role.as_str() || members.iter().any(of)
    };
    let about: Vec<&Rule> = rules.filter(|rule| is_in(&rule.subject)).collect();
    let looks = |dimension: &Dimension| about.iter().any(|rule| rule.looks_at(*dimension));
    Dimension::ALL.iter().copied().filter(looks).collect()
}

fn row(rule: &Rule) -> Vec<String> {
    vec![
        rule.subject.clone(),
        rule.action.to_string(),
        rule.when.clone(),
        rule.effect.as_str().to_owned(),
    ]
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
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::actions::{ChangeSetting, Lock, SetRole};
    use crate::facts::{Held, Mine, NewRole, OrgAdmin, Relax, Standing, Target, TargetRole};
    use crate::ids::{AccountId, ParticipantId};
    use crate::rules::{Effect, Fault};
    use crate::settings::SettingKey;

    static BUILT_IN: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(7)).unwrap());

    fn model() -> DefaultModel {
        block_on(DefaultModel::from_str(MODEL)).unwrap()
    }

    fn with_rules(rules: &str) -> Snapshot {
        Snapshot::load(MODEL, rules, PolicyVersion(1)).unwrap()
    }

    fn decide<A: Action>(role: Role, facts: Facts, action: A) -> Result<Permit<A>, Denied> {
        BUILT_IN.decide(
            AccountId::from_bytes([1; 16]).into(),
            role,
            RoomId::from_bytes([2; 16]),
            &facts,
            action,
        )
    }

    /// Facts of which any may be missing.
    fn any_facts() -> impl Strategy<Value = Facts> {
        let one = |dimension: &Dimension| {
            let values = u8::try_from(dimension.values().len()).unwrap();
            prop_oneof![1 => Just(None), 12 => (0..values).prop_map(Some)]
        };
        Dimension::ALL
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .prop_map(|values| {
                let mut facts = Facts::new();
                for (dimension, value) in Dimension::ALL.iter().zip(values) {
                    facts.put(*dimension, value);
                }
                facts
            })
    }

    #[test]
    fn the_table_stays_small_and_few_questions_make_it() {
        let entries: usize = BUILT_IN.tables.iter().map(|table| table.len()).sum();
        assert!(entries < 80_000, "{entries}");
        let rules = Rules::parse(RULES).unwrap();
        let asked = |kind: &ActionKind| -> usize {
            let judge = Judge::about(*kind, &model(), &rules.members, &rules).unwrap();
            let of_roles = judge.looks_at.iter();
            of_roles.map(|looks_at| Facts::combinations(looks_at)).sum()
        };
        let questions: usize = ActionKind::ALL.iter().map(asked).sum();
        assert!(questions < 20_000, "{questions}");
    }

    #[test]
    fn the_engine_with_all_rules_at_once_gives_the_answers_of_the_table() {
        let rules = Rules::parse(RULES).unwrap();
        let judge = Judge::new(&model(), &rules.members, rules.rules.iter()).unwrap();
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1500));
        let requests = (select(ActionKind::ALL), select(&Role::ALL[..]), any_facts());
        let outcome = runner.run(&requests, |(kind, role, facts)| {
            let asked = [
                role.as_str().into(),
                kind.as_str().into(),
                describe(kind, &facts).into(),
            ];
            let live = judge.ask(asked).unwrap();
            if facts.place(kind.dimensions()).is_some() {
                prop_assert_eq!(BUILT_IN.explain(kind, role, &facts), live);
            } else {
                prop_assert_eq!(BUILT_IN.explain(kind, role, &facts), Decision::DENIED);
            }
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn any_missing_fact_denies() {
        for kind in ActionKind::ALL {
            for facts in Facts::every(kind.dimensions()) {
                for dimension in kind.dimensions() {
                    let mut partial = facts;
                    partial.put(*dimension, None);
                    for role in Role::ALL {
                        assert_eq!(BUILT_IN.explain(*kind, role, &partial), Decision::DENIED);
                    }
                }
            }
        }
    }

    #[test]
    fn a_value_that_no_fact_has_denies() {
        let mut facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted);
        assert!(BUILT_IN.allows(ActionKind::Lock, Role::Host, &facts));
        facts.put(Dimension::Standing, Some(4));
        assert!(!BUILT_IN.allows(ActionKind::Lock, Role::Host, &facts));
        // One past the last value of a dimension would be the first of the next, were it not refused.
        let mut facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Waiting)
            .with(Target::Own);
        facts.put(Dimension::Target, Some(4));
        assert!(!BUILT_IN.allows(ActionKind::Watch, Role::Host, &facts));
    }

    #[test]
    fn facts_that_the_action_does_not_ask_for_change_nothing() {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted);
        assert!(BUILT_IN.allows(
            ActionKind::Lock,
            Role::Owner,
            &facts.with(Target::Above).with(Mine::No)
        ));
    }

    #[test]
    fn a_permit_says_what_was_decided_and_by_which_rule() {
        let permit = decide(
            Role::Host,
            Facts::new()
                .with(SecondFactor::Proved)
                .with(Standing::Admitted),
            Lock,
        )
        .unwrap();
        let line = RULES
            .lines()
            .nth(usize::from(permit.rule().line()) - 1)
            .unwrap();
        assert_eq!(line, "p, moderator, lock, standing=admitted, allow");
        assert_eq!(permit.role(), Role::Host);
        assert_eq!(permit.room(), RoomId::from_bytes([2; 16]));
        assert_eq!(permit.actor(), AccountId::from_bytes([1; 16]).into());
        assert_eq!(permit.version(), PolicyVersion(7));
        assert_eq!(permit.into_action(), Lock);
    }

    #[test]
    fn a_refusal_names_the_rule_that_denied() {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Outside);
        let denied = decide(Role::Host, facts, Lock).unwrap_err();
        assert_eq!(
            denied,
            Denied {
                kind: ActionKind::Lock,
                rule: None,
                version: PolicyVersion(7),
                lacks_factor: false,
            }
        );

        let snapshot = with_rules(
            "p, host, lock, standing=admitted, allow\np, host, lock, standing=admitted|waiting, deny",
        );
        let decision = snapshot.explain(
            ActionKind::Lock,
            Role::Host,
            &facts.with(Standing::Admitted),
        );
        assert_eq!(
            decision,
            Decision {
                allowed: false,
                rule: Some(RuleId(2))
            }
        );
    }

    #[test]
    fn the_role_to_be_given_is_taken_from_the_action() {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted)
            .with(Target::Below)
            .with(TargetRole(Role::Attendee))
            .with(NewRole::Attendee);
        let set_role = |role| SetRole {
            participant: ParticipantId::from_bytes([3; 16]),
            role,
        };
        assert!(decide(Role::Host, facts, set_role(NewRole::Presenter)).is_ok());
        assert!(decide(Role::Host, facts, set_role(NewRole::Host)).is_err());
    }

    #[test]
    fn who_may_relax_a_setting_is_taken_from_the_action() {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted)
            .with(Mine::No)
            .with(OrgAdmin::No)
            .with(Held::Free)
            .with(Relax::Host);
        let change = |key: SettingKey| ChangeSetting {
            key,
            value: key.values()[0],
        };
        assert!(decide(Role::Host, facts, change(SettingKey::Start)).is_ok());
        assert!(decide(Role::Host, facts, change(SettingKey::MaxParticipants)).is_err());
        assert!(
            decide(
                Role::Owner,
                facts.with(OrgAdmin::Yes),
                change(SettingKey::MaxParticipants)
            )
            .is_ok()
        );
        assert!(
            decide(
                Role::Owner,
                facts.with(OrgAdmin::Yes),
                change(SettingKey::AuditLog)
            )
            .is_err()
        );
    }

    #[test]
    fn an_action_without_rules_is_denied_to_all() {
        let snapshot = with_rules("p, owner, lock, standing=admitted, allow");
        for kind in ActionKind::ALL
            .iter()
            .filter(|kind| **kind != ActionKind::Lock)
        {
            for facts in Facts::every(kind.dimensions()) {
                for role in Role::ALL {
                    assert_eq!(snapshot.explain(*kind, role, &facts), Decision::DENIED);
                }
            }
        }
    }

    #[test]
    fn rules_with_a_fault_are_refused_as_a_whole() {
        for rules in [
            "",
            "# nothing\n",
            "g, owner, moderator",
            "p, owner, lock, standing=admitted, allow\np, owner",
        ] {
            let refused = Snapshot::load(MODEL, rules, PolicyVersion(1));
            assert!(matches!(refused, Err(PolicyError::Rules(_))), "{rules}");
        }
    }

    #[test]
    fn any_other_model_is_refused() {
        let refused = |model: &str| match Snapshot::load(model, RULES, PolicyVersion(1)) {
            Err(PolicyError::Model { line }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(""), 1);
        let lines: Vec<&str> = MODEL.lines().collect();
        for (number, line) in (1..)
            .zip(&lines)
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            assert!(refused(&MODEL.replacen(line, "", 1)) >= number);
            assert_eq!(
                refused(&MODEL.replacen(line, &format!("{line} x"), 1)),
                number
            );
        }
        assert_eq!(refused(&format!("{MODEL}m2 = true\n")), lines.len() + 1);
        assert_eq!(
            refused(&MODEL.replace(" && !some(where (p.eft == deny))", "")),
            14
        );
        assert_eq!(refused(&MODEL.replace("r.act == p.act &&", "")), 17);
    }

    #[test]
    fn an_engine_that_fails_refuses_the_rules() {
        let unknown_function = MODEL.replace("satisfies(", "approves(");
        let model = block_on(DefaultModel::from_str(&unknown_function)).unwrap();
        let rules = Rules::parse(RULES).unwrap();
        let judge = Judge::about(ActionKind::Lock, &model, &rules.members, &rules).unwrap();
        assert!(matches!(
            judge.table(ActionKind::Lock),
            Err(PolicyError::Engine(_))
        ));
    }

    #[test]
    fn an_engine_that_lets_an_allow_beat_a_deny_is_found_out() {
        let wrong_effect = MODEL.replace(" && !some(where (p.eft == deny))", "");
        let model = block_on(DefaultModel::from_str(&wrong_effect)).unwrap();
        let text = "p, host, lock, standing=admitted, deny\np, host, lock, standing=admitted|waiting, allow";
        let rules = Rules::parse(text).unwrap();
        let judge = Judge::about(ActionKind::Lock, &model, &rules.members, &rules).unwrap();
        assert!(matches!(
            judge.table(ActionKind::Lock),
            Err(PolicyError::Contradiction)
        ));
    }

    /// A rule before it is written down: who, under which values of each dimension of the action, to what effect.
    #[derive(Clone, Debug)]
    struct Draft {
        who: &'static str,
        when: Vec<Vec<&'static str>>,
        effect: Effect,
    }

    impl Draft {
        fn text(&self, kind: ActionKind) -> String {
            let terms = kind.dimensions().iter().zip(&self.when);
            let terms: Vec<_> = terms
                .map(|(fact, values)| format!("{fact}={}", values.join("|")))
                .collect();
            format!(
                "p, {}, {kind}, {}, {}\n",
                self.who,
                terms.join(" & "),
                self.effect.as_str()
            )
        }

        fn matches(&self, kind: ActionKind, role: Role, facts: &Facts) -> bool {
            let member = match self.who {
                "all" => true,
                "some" => matches!(role, Role::Owner | Role::Guest),
                "ours" => matches!(role, Role::Host | Role::Relay),
                who => who == role.as_str(),
            };
            let mut terms = kind.dimensions().iter().zip(&self.when);
            member && terms.all(|(fact, values)| values.contains(&facts.value(*fact).unwrap()))
        }
    }

    fn any_rules() -> impl Strategy<Value = (ActionKind, Vec<Draft>)> {
        let kinds = vec![
            ActionKind::Lock,
            ActionKind::Mute,
            ActionKind::ReadPassword,
            ActionKind::CreateRoom,
        ];
        select(kinds).prop_flat_map(|kind| {
            let values = |fact: &Dimension| subsequence(fact.values(), 1..=fact.values().len());
            let when: Vec<_> = kind.dimensions().iter().map(values).collect();
            let who = select(vec!["owner", "host", "guest", "relay", "some", "all"]);
            let effect = select(vec![Effect::Allow, Effect::Allow, Effect::Deny]);
            let draft =
                (who, when, effect).prop_map(|(who, when, effect)| Draft { who, when, effect });
            (Just(kind), prop::collection::vec(draft, 1..12))
        })
    }

    /// What the rules say, as plainly as it can be said: allowed if something allows and nothing denies, whoever wrote it.
    fn naive(server: &[&Draft], organisation: &[&Draft]) -> bool {
        server.iter().any(|draft| draft.effect == Effect::Allow)
            && !server.iter().any(|draft| draft.effect == Effect::Deny)
            && organisation.is_empty()
    }

    /// Rules of the server and of an organisation about the same action.
    fn any_layers() -> impl Strategy<Value = (ActionKind, Vec<Draft>, Vec<Draft>)> {
        any_rules().prop_flat_map(|(kind, server)| {
            let values = |fact: &Dimension| subsequence(fact.values(), 1..=fact.values().len());
            let when: Vec<_> = kind.dimensions().iter().map(values).collect();
            let who = select(vec!["owner", "host", "guest", "some", "all", "ours"]);
            let draft = (who, when).prop_map(|(who, when)| Draft {
                who,
                when,
                effect: Effect::Deny,
            });
            (Just(kind), Just(server), prop::collection::vec(draft, 0..9))
        })
    }

    /// How many random rule sets are tried: `PROPTEST_CASES`, or enough for every day.
    fn cases(usual: u32) -> u32 {
        let wanted = std::env::var("PROPTEST_CASES").ok();
        wanted
            .and_then(|wanted| wanted.parse().ok())
            .unwrap_or(usual)
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "says how many cases ran")]
    fn h10_a_deny_beats_every_allow_in_both_layers_and_no_rule_is_a_refusal() {
        let asked = std::cell::Cell::new((0_u64, 0_u64));
        let config = ProptestConfig {
            max_global_rejects: 1_000_000,
            ..ProptestConfig::with_cases(cases(600))
        };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let outcome = runner.run(&any_layers(), |(kind, server, organisation)| {
            let text = |drafts: &[Draft]| -> String {
                drafts.iter().map(|draft| draft.text(kind)).collect()
            };
            let all: String = Role::ALL
                .iter()
                .map(|role| format!("g, {role}, all\n"))
                .collect();
            let groups = format!("{all}g, owner, some\ng, guest, some\n");
            let rules = Rules::parse(&format!("{groups}{}", text(&server)));
            // Two drafts that differ in nothing but the effect are refused, as they should be.
            prop_assume!(!matches!(
                rules,
                Err(RuleError::Line {
                    fault: Fault::Same(_),
                    ..
                })
            ));
            let rules = rules.unwrap();
            let narrowing = format!("g, host, ours\ng, relay, ours\n{}", text(&organisation));
            let narrowing = match Rules::parse_organisation(&narrowing, &rules) {
                Ok(narrowing) => narrowing,
                Err(RuleError::Empty) => Rules::default(),
                Err(RuleError::Line {
                    fault: Fault::Same(_),
                    ..
                }) => return Err(TestCaseError::reject("twins")),
                Err(other) => panic!("{other}"),
            };
            let wide = table_of(kind, &model(), &rules, &Rules::default()).unwrap();
            let table = table_of(kind, &model(), &rules, &narrowing).unwrap();
            let cases = Role::ALL
                .into_iter()
                .flat_map(|role| Facts::every(kind.dimensions()).map(move |facts| (role, facts)));
            for (((role, facts), decision), wide) in cases.zip(&table).zip(&wide) {
                let matching = |drafts: &'_ [Draft]| -> Vec<usize> {
                    (0..drafts.len())
                        .filter(|at| drafts[*at].matches(kind, role, &facts))
                        .collect()
                };
                let (ours, theirs) = (matching(&server), matching(&organisation));
                let server: Vec<&Draft> = ours.iter().map(|at| &server[*at]).collect();
                let organisation: Vec<&Draft> =
                    theirs.iter().map(|at| &organisation[*at]).collect();
                let expected = naive(&server, &organisation);
                prop_assert_eq!(decision.allowed, expected);
                // Nothing that an organisation writes widens anything.
                prop_assert!(wide.allowed || !decision.allowed);
                prop_assert_eq!(decision.rule.is_some(), !server.is_empty());
                let vetoed = wide.allowed && !decision.allowed;
                prop_assert_eq!(decision.rule.is_some_and(RuleId::is_organisation), vetoed);
                let (sets, decisions) = asked.get();
                asked.set((sets, decisions + 1));
            }
            let (sets, decisions) = asked.get();
            asked.set((sets + 1, decisions));
            Ok(())
        });
        outcome.unwrap();
        let (sets, decisions) = asked.get();
        println!(
            "figure policy.oracle_rule_sets {sets} sets\nfigure policy.oracle_decisions {decisions} decisions"
        );
        assert!(sets >= u64::from(cases(600)) && decisions > 10_000);
    }

    #[test]
    fn h10_an_organisation_narrows_and_its_rule_is_named() {
        let snapshot = Snapshot::narrowed(
            "# Nobody but owners shares a screen here.\np, host, publish_screen, standing=admitted, deny\np, member, publish_screen, standing=admitted, deny\n",
            PolicyVersion(3),
        )
        .unwrap();
        let mine = Facts::new()
            .with(Standing::Admitted)
            .with(Target::Own)
            .with(crate::facts::Right::Granted)
            .with(crate::settings::ScreenShare::Everyone);
        let mine = crate::explain::assume(ActionKind::PublishScreen, Role::Host, mine).0;
        let ask = |role| snapshot.explain(ActionKind::PublishScreen, role, &mine);
        assert_eq!(
            (ask(Role::Host).allowed, ask(Role::Host).rule),
            (false, Some(RuleId::organisation(2)))
        );
        assert_eq!(ask(Role::Attendee).rule, Some(RuleId::organisation(3)));
        assert!(ask(Role::Owner).allowed && ask(Role::Guest).allowed);
        // What the server's rules refuse anyway is refused by them, and by no rule of the organisation.
        let outside = mine.with(Standing::Outside);
        assert_eq!(
            snapshot.explain(ActionKind::PublishScreen, Role::Host, &outside),
            Decision::DENIED
        );
        for kind in ActionKind::ALL {
            for facts in Facts::every(kind.dimensions()) {
                for role in Role::ALL {
                    let (narrow, wide) = (
                        snapshot.explain(*kind, role, &facts),
                        BUILT_IN.explain(*kind, role, &facts),
                    );
                    assert!(wide.allowed || narrow == wide);
                }
            }
        }
    }

    #[test]
    fn h09_an_empty_or_half_written_text_of_an_organisation_is_refused_as_a_whole() {
        let whole = "g, guest, ours\np, ours, ask, standing=admitted, deny\np, host, lock, standing=admitted, deny\n";
        assert!(Snapshot::faults(whole).is_empty());
        for end in 0..whole.len() {
            let half = &whole[..end];
            // A cut between two lines leaves a whole text; the watcher waits for one that stays as it is.
            let line_ends = half.ends_with('\n') && half.contains("p, ours");
            assert_eq!(Snapshot::faults(half).is_empty(), line_ends, "{half:?}");
        }
        for empty in ["", "\n", "# nothing\n", "g, guest, ours\n"] {
            assert!(matches!(
                Snapshot::narrowed(empty, PolicyVersion(2)),
                Err(PolicyError::Rules(_))
            ));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn no_text_makes_the_loader_panic(model in ".{0,200}", rules in ".{0,200}") {
            prop_assert!(Snapshot::load(&model, &rules, PolicyVersion(1)).is_err());
            prop_assert!(Snapshot::load(MODEL, &rules, PolicyVersion(1)).is_err());
            prop_assert!(Snapshot::narrowed(&rules, PolicyVersion(1)).is_err());
        }
    }
}
