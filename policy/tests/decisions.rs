//! The whole decision table as text under review, `tests/decisions.txt`: what each role may do, and when.
//! `UPDATE_SNAPSHOT=1 cargo test -p conclave-policy` writes it anew; the difference is read before it is committed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::fmt::Write as _;
use std::path::Path;

use conclave_policy::actions::ActionKind;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::Facts;
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;

/// For each dimension of the action, the values that it may have, one bit each. A set of cases.
type Cube = Vec<u16>;

fn full(kind: ActionKind) -> Cube {
    kind.dimensions()
        .iter()
        .map(|dimension| (1 << dimension.values().len()) - 1)
        .collect()
}

/// The one case of these facts.
fn cube(kind: ActionKind, facts: &Facts) -> Cube {
    let bit = |dimension: &conclave_policy::facts::Dimension| {
        let value = facts.value(*dimension).unwrap();
        1 << dimension
            .values()
            .iter()
            .position(|other| *other == value)
            .unwrap()
    };
    kind.dimensions().iter().map(bit).collect()
}

/// The same cases in fewer cubes: two that differ in one dimension only become one, until no two do.
fn merge(mut cubes: Vec<Cube>) -> Vec<Cube> {
    loop {
        let before = cubes.len();
        for dimension in (0..cubes.first().map_or(0, Vec::len)).rev() {
            let mut merged: Vec<Cube> = Vec::new();
            for cube in cubes {
                let twin = merged.iter_mut().find(|other| {
                    other
                        .iter()
                        .zip(&cube)
                        .enumerate()
                        .all(|(at, (a, b))| at == dimension || a == b)
                });
                match twin {
                    Some(twin) => twin[dimension] |= cube[dimension],
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

fn write_cube(kind: ActionKind, cube: &Cube) -> String {
    let mut terms = Vec::new();
    for ((dimension, bits), full) in kind.dimensions().iter().zip(cube).zip(full(kind)) {
        if *bits != full {
            let values: Vec<&str> = (0..)
                .zip(dimension.values())
                .filter(|(at, _)| bits >> at & 1 == 1)
                .map(|(_, value)| *value)
                .collect();
            terms.push(format!("{dimension}={}", values.join("|")));
        }
    }
    if terms.is_empty() {
        "always".to_owned()
    } else {
        terms.join(" & ")
    }
}

fn write_table(snapshot: &Snapshot) -> String {
    let mut text = "\
What each role may do, and when. Made by the tests from rules.csv; what is not listed is denied.
Each line is a set of cases; facts that it does not name may have any value. The sets of a role do not overlap.
"
    .to_owned();
    for kind in ActionKind::ALL {
        let cases: Vec<Facts> = Facts::every(kind.dimensions()).collect();
        let facts: Vec<&str> = kind
            .dimensions()
            .iter()
            .map(|dimension| dimension.as_str())
            .collect();
        writeln!(
            text,
            "\n{kind}: by {}; {} cases",
            facts.join(", "),
            cases.len()
        )
        .unwrap();
        let mut alike: Vec<(Vec<Role>, Vec<Cube>)> = Vec::new();
        for role in Role::ALL {
            let allowed = cases
                .iter()
                .filter(|facts| snapshot.allows(*kind, role, facts));
            let allowed: Vec<Cube> = allowed.map(|facts| cube(*kind, facts)).collect();
            match alike.iter_mut().find(|(_, other)| *other == allowed) {
                Some((roles, _)) => roles.push(role),
                None => alike.push((vec![role], allowed)),
            }
        }
        for (roles, allowed) in alike.into_iter().filter(|(_, allowed)| !allowed.is_empty()) {
            let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            writeln!(text, "  {} ({} allowed)", names.join(", "), allowed.len()).unwrap();
            for cube in merge(allowed) {
                writeln!(text, "    {}", write_cube(*kind, &cube)).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_decision_table_is_the_reviewed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions.txt");
    let table = write_table(&Snapshot::built_in(PolicyVersion(1)).unwrap());
    assert!(table.lines().count() < 3000);
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (now, then)) in (1..).zip(table.lines().zip(reviewed.lines())) {
        assert_eq!(
            now, then,
            "decisions.txt differs from line {line} on; if that is meant, UPDATE_SNAPSHOT=1 and review it"
        );
    }
    assert_eq!(
        table.len(),
        reviewed.len(),
        "decisions.txt is shorter or longer than the table"
    );
}

#[test]
fn merging_keeps_exactly_the_cases() {
    let kind = ActionKind::SetRole;
    let cases: Vec<Cube> = Facts::every(kind.dimensions())
        .map(|facts| cube(kind, &facts))
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
            .filter(|cube| cube.iter().zip(&case).all(|(a, b)| a & b != 0))
            .count();
        assert_eq!(covering, usize::from(chosen.contains(&case)));
    }
}
