//! The decision table as text for people: what each role may do and when, and what changes from one rule set to another.
//! Takes no decision; whoever reads it reviews one.

use std::fmt::Write as _;

use crate::actions::ActionKind;
use crate::engine::{Decision, Snapshot};
use crate::facts::Facts;
use crate::permit::RuleId;
use crate::roles::Role;

/// A set of cases: for each dimension of the action, the values that it may have, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cube(Vec<u16>);

/// One decision that is another under other rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is asked for.
    pub kind: ActionKind,
    /// By whom.
    pub roles: Vec<Role>,
    /// Whether it is allowed afterwards.
    pub allowed: bool,
    /// The rule that decided before.
    pub before: Option<RuleId>,
    /// The rule that decides afterwards.
    pub after: Option<RuleId>,
    /// In how many cases.
    pub cases: usize,
    /// In which: sets of cases that do not overlap.
    pub when: Vec<String>,
}

/// The whole table, or what it says of one role or one kind of action.
pub fn write(snapshot: &Snapshot, only: Option<ActionKind>, of: Option<Role>) -> String {
    let mut text = "\
What each role may do, and when. Made by the tests from rules.csv; what is not listed is denied.
Each line is a set of cases; facts that it does not name may have any value. The sets of a role do not overlap.
"
    .to_owned();
    for kind in chosen(only) {
        let cases: Vec<Facts> = Facts::every(kind.dimensions()).collect();
        let facts: Vec<&str> = kind
            .dimensions()
            .iter()
            .map(|dimension| dimension.as_str())
            .collect();
        line(
            &mut text,
            &format!("\n{kind}: by {}; {} cases", facts.join(", "), cases.len()),
        );
        let mut alike: Vec<(Vec<Role>, Vec<Cube>)> = Vec::new();
        for role in Role::ALL
            .into_iter()
            .filter(|role| of.is_none_or(|of| of == *role))
        {
            let allowed: Vec<Cube> = cases
                .iter()
                .filter(|facts| snapshot.allows(kind, role, facts))
                .map(|facts| Cube::of(kind, facts))
                .collect();
            match alike.iter_mut().find(|(_, other)| *other == allowed) {
                Some((roles, _)) => roles.push(role),
                None => alike.push((vec![role], allowed)),
            }
        }
        for (roles, allowed) in alike.into_iter().filter(|(_, allowed)| !allowed.is_empty()) {
            let names = list(&roles);
            line(&mut text, &format!("  {names} ({} allowed)", allowed.len()));
            for cube in merge(allowed) {
                line(&mut text, &format!("    {}", cube.write(kind)));
            }
        }
    }
    text
}

/// Every decision that the one rule set takes otherwise than the other, roles and cases that change alike together.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let mut found: Vec<(Change, Vec<Cube>)> = Vec::new();
    for kind in ActionKind::ALL {
        let mut of_kind: Vec<(Change, Vec<Cube>)> = Vec::new();
        for role in Role::ALL {
            for (change, cubes) in of_role(*kind, role, before, after) {
                let twin = of_kind.iter_mut().find(|(other, same)| {
                    (other.allowed, other.before, other.after)
                        == (change.allowed, change.before, change.after)
                        && *same == cubes
                });
                match twin {
                    Some((other, _)) => other.roles.push(role),
                    None => of_kind.push((change, cubes)),
                }
            }
        }
        found.append(&mut of_kind);
    }
    found
        .into_iter()
        .map(|(change, cubes)| Change {
            cases: cubes.len(),
            when: merge(cubes)
                .iter()
                .map(|cube| cube.write(change.kind))
                .collect(),
            ..change
        })
        .collect()
}

/// The names of roles, for people.
pub fn list(roles: &[Role]) -> String {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    names.join(", ")
}

fn of_role(
    kind: ActionKind,
    role: Role,
    before: &Snapshot,
    after: &Snapshot,
) -> Vec<(Change, Vec<Cube>)> {
    let mut found: Vec<(Change, Vec<Cube>)> = Vec::new();
    for facts in Facts::every(kind.dimensions()) {
        let (was, is): (Decision, Decision) = (
            before.explain(kind, role, &facts),
            after.explain(kind, role, &facts),
        );
        if was.allowed == is.allowed {
            continue;
        }
        let cube = Cube::of(kind, &facts);
        let same = |(change, _): &&mut (Change, Vec<Cube>)| {
            (change.allowed, change.before, change.after) == (is.allowed, was.rule, is.rule)
        };
        match found.iter_mut().find(same) {
            Some((_, cubes)) => cubes.push(cube),
            None => {
                let change = Change {
                    kind,
                    roles: vec![role],
                    allowed: is.allowed,
                    before: was.rule,
                    after: is.rule,
                    cases: 0,
                    when: Vec::new(),
                };
                found.push((change, vec![cube]));
            }
        }
    }
    found
}

fn chosen(only: Option<ActionKind>) -> impl Iterator<Item = ActionKind> {
    ActionKind::ALL
        .iter()
        .copied()
        .filter(move |kind| only.is_none_or(|only| only == *kind))
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(text, "{line}");
}

/// The same cases in fewer cubes: two that differ in one dimension only become one, until no two do.
fn merge(mut cubes: Vec<Cube>) -> Vec<Cube> {
    loop {
        let before = cubes.len();
        for dimension in (0..cubes.first().map_or(0, |cube| cube.0.len())).rev() {
            let mut merged: Vec<Cube> = Vec::new();
            for cube in cubes {
                match merged
                    .iter_mut()
                    .find(|other| other.differs_only_at(&cube, dimension))
                {
                    Some(twin) => twin.join(&cube),
                    None => merged.push(cube),
                }
            }
            cubes = merged;
        }
        if cubes.len() == before {
            return cubes;
        }
    }
}

impl Cube {
    /// The one case of these facts.
    fn of(kind: ActionKind, facts: &Facts) -> Self {
        let bits = kind.dimensions().iter().map(|dimension| {
            let value = facts.value(*dimension);
            (0_u32..)
                .zip(dimension.values())
                .filter(|(_, other)| value == Some(**other))
                .map(|(at, _)| 1 << at)
                .sum()
        });
        Self(bits.collect())
    }

    fn differs_only_at(&self, other: &Self, dimension: usize) -> bool {
        (0..)
            .zip(self.0.iter().zip(&other.0))
            .all(|(at, (a, b))| at == dimension || a == b)
    }

    /// Both; they differ in at most one dimension.
    fn join(&mut self, other: &Self) {
        for (own, theirs) in self.0.iter_mut().zip(&other.0) {
            *own |= theirs;
        }
    }

    fn write(&self, kind: ActionKind) -> String {
        let mut terms = Vec::new();
        for (dimension, bits) in kind.dimensions().iter().zip(&self.0) {
            let values: Vec<&str> = (0_u32..)
                .zip(dimension.values())
                .filter(|(at, _)| bits >> at & 1 == 1)
                .map(|(_, value)| *value)
                .collect();
            if values.len() != dimension.values().len() {
                terms.push(format!("{dimension}={}", values.join("|")));
            }
        }
        if terms.is_empty() {
            "always".to_owned()
        } else {
            terms.join(" & ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::PolicyVersion;

    #[test]
    fn merging_keeps_exactly_the_cases() {
        let kind = ActionKind::SetRole;
        let cases: Vec<Cube> = Facts::every(kind.dimensions())
            .map(|facts| Cube::of(kind, &facts))
            .collect();
        // Any irregular set will do.
        let chosen: Vec<Cube> = cases
            .iter()
            .enumerate()
            .filter(|(at, _)| at * at % 7 < 3)
            .map(|(_, cube)| cube.clone())
            .collect();
        let merged = merge(chosen.clone());
        assert!(merged.len() < chosen.len());
        for case in cases {
            let covering = merged
                .iter()
                .filter(|cube| cube.0.iter().zip(&case.0).all(|(a, b)| a & b != 0))
                .count();
            assert_eq!(covering, usize::from(chosen.contains(&case)));
        }
    }

    #[test]
    fn a_table_of_one_role_and_action_says_nothing_of_others() {
        let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let text = write(&rules, Some(ActionKind::Lock), Some(Role::Host));
        assert!(
            text.contains(
                "\nlock: by standing, second_factor; 10 cases\n  host (1 allowed)\n    standing=admitted & second_factor=proved\n"
            )
        );
        assert!(!text.contains("owner") && !text.contains("unlock"));
    }

    #[test]
    fn a_change_names_who_loses_what_when_and_by_which_rule() {
        let before = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let text = "p, moderator, lock, standing=admitted|outside, deny\n";
        let after = Snapshot::narrowed(text, PolicyVersion(2)).unwrap();
        let found = changes(&before, &after);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].allowed), (ActionKind::Lock, false));
        assert_eq!(found[0].roles, [Role::Owner, Role::Host]);
        assert_eq!(found[0].after, Some(RuleId::organisation(1)));
        assert!(found[0].before.is_some_and(|rule| !rule.is_organisation()));
        assert_eq!(
            (found[0].cases, found[0].when.as_slice()),
            (
                1,
                ["standing=admitted & second_factor=proved".to_owned()].as_slice()
            )
        );
        assert!(changes(&before, &before).is_empty());
        assert!(changes(&after, &before)[0].allowed);
    }
}
