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

/// The rule that decided: its line in the server's rules, or, from 2¹⁶ on, in those of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

impl RuleId {
    /// Lines of the organisation's rules are counted from here; no rule text has so many.
    const ORGANISATION: u32 = 1 << 16;

    /// A line of the server's rules.
    pub const fn server(line: u16) -> Self {
        Self(line as u32)
    }

    /// A line of the organisation's rules.
    pub const fn organisation(line: u16) -> Self {
        Self(Self::ORGANISATION + line as u32)
    }

    /// Whether it stands in the organisation's rules.
    pub const fn is_organisation(self) -> bool {
        self.0 >= Self::ORGANISATION
    }

    /// Its line in the text that it stands in.
    pub const fn line(self) -> u16 {
        (self.0 % Self::ORGANISATION) as u16
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.is_organisation() {
            "the organisation's rule"
        } else {
            "rule"
        };
        write!(f, "{whose} {}", self.line())
    }
}

/// Proof that `actor`, as `role`, may do `action` in `room`. It cannot be copied: it is spent where the action happens,
/// and the target is taken from it.
///
/// There is one way to one, the engine's decision:
/// ```
/// use conclave_policy::actions::Lock;
/// use conclave_policy::engine::Snapshot;
/// use conclave_policy::facts::{Facts, SecondFactor, Standing};
/// use conclave_policy::ids::{AccountId, RoomId};
/// use conclave_policy::permit::{Permit, PolicyVersion, RuleId};
/// use conclave_policy::roles::Role;
///
/// fn lock(permit: Permit<Lock>) -> RoomId {
///     permit.room()
/// }
///
/// let (actor, room) = (AccountId::from_bytes([1; 16]).into(), RoomId::from_bytes([2; 16]));
/// let rules = Snapshot::built_in(PolicyVersion(1))?;
/// let facts = Facts::new().with(Standing::Admitted).with(SecondFactor::Proved);
/// let permit = rules.decide(actor, Role::Host, room, &facts, Lock).unwrap();
/// assert_eq!(lock(permit), room);
/// assert!(rules.decide(actor, Role::Attendee, room, &facts, Lock).is_err());
/// # Ok::<(), conclave_policy::engine::PolicyError>(())
/// ```
/// It cannot be written down:
/// ```compile_fail,E0451
/// # use conclave_policy::{actions::Lock, ids::{AccountId, RoomId}, permit::{Permit, PolicyVersion, RuleId}, roles::Role};
/// # let (actor, room) = (AccountId::from_bytes([1; 16]).into(), RoomId::from_bytes([2; 16]));
/// let permit = Permit { actor, role: Role::Host, room, action: Lock, version: PolicyVersion(1), rule: RuleId(1) };
/// ```
/// nor made by its constructor:
/// ```compile_fail,E0624
/// # use conclave_policy::{actions::Lock, ids::{AccountId, RoomId}, permit::{Permit, PolicyVersion, RuleId}, roles::Role};
/// # let (actor, room) = (AccountId::from_bytes([1; 16]).into(), RoomId::from_bytes([2; 16]));
/// let permit = Permit::new(actor, Role::Host, room, Lock, PolicyVersion(1), RuleId(1));
/// ```
/// nor used twice:
/// ```compile_fail,E0382
/// # use conclave_policy::{actions::Lock, permit::Permit};
/// fn twice(permit: Permit<Lock>) -> (Lock, Lock) {
///     (permit.into_action(), permit.into_action())
/// }
/// ```
/// nor copied:
/// ```compile_fail,E0277
/// # use conclave_policy::{actions::Lock, permit::Permit};
/// fn copied(permit: &Permit<Lock>) -> Permit<Lock> {
///     Permit::clone(permit)
/// }
/// ```
/// nor turned to another target:
/// ```compile_fail,E0594
/// # use conclave_policy::{actions::Mute, ids::ParticipantId, permit::Permit};
/// fn turned(permit: Permit<Mute>, other: ParticipantId) {
///     permit.action().participant = other;
/// }
/// ```
/// and nobody else names an action:
/// ```compile_fail,E0277
/// # use conclave_policy::actions::{Action, ActionKind};
/// struct Mine;
/// impl Action for Mine {
///     fn kind(&self) -> ActionKind {
///         ActionKind::SeeCount
///     }
/// }
/// ```
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
