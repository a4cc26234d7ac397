//! The permit: proof that the rules allowed one action to one actor. Only [`crate::engine`] can make one.

use std::fmt;

use crate::actions::Action;
use crate::ids::{ActorId, RoomId};
use crate::roles::Role;

/// Counts the rule sets of a running server; a permit of an older one is worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyVersion(pub u64);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The rule that decided: its line in the rule text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u16);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.0)
    }
}

/// Proof that `actor`, as `role`, may do `action` in `room`. It cannot be copied: it is spent where the action happens,
/// and the target is taken from it.
#[must_use]
#[derive(Debug)]
pub struct Permit<A: Action> {
    actor: ActorId,
    role: Role,
    room: RoomId,
    action: A,
    version: PolicyVersion,
    rule: RuleId,
}

impl<A: Action> Permit<A> {
    pub(crate) const fn new(
        actor: ActorId,
        role: Role,
        room: RoomId,
        action: A,
        version: PolicyVersion,
        rule: RuleId,
    ) -> Self {
        Self {
            actor,
            role,
            room,
            action,
            version,
            rule,
        }
    }

    /// Who may.
    pub const fn actor(&self) -> ActorId {
        self.actor
    }

    /// The role that they had when it was decided.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// In which room.
    pub const fn room(&self) -> RoomId {
        self.room
    }

    /// What they may do, and to whom.
    pub const fn action(&self) -> &A {
        &self.action
    }

    /// By which rule set it was decided. Whoever acts on a permit refuses an older one than the current.
    pub const fn version(&self) -> PolicyVersion {
        self.version
    }

    /// By which rule.
    pub const fn rule(&self) -> RuleId {
        self.rule
    }

    /// Spends the permit.
    pub fn into_action(self) -> A {
        self.action
    }
}
