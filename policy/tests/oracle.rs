//! A second reader of `rules.csv`, as plain as can be and sharing nothing with the first: every entry of the decision table,
//! and the rule behind it, must be what this one says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

use std::collections::{BTreeMap, BTreeSet};

use conclave_policy::actions::ActionKind;
use conclave_policy::engine::{Decision, Snapshot};
use conclave_policy::facts::Facts;
use conclave_policy::permit::{PolicyVersion, RuleId};
use conclave_policy::roles::Role;

struct Rule {
    line: u16,
    who: String,
    act: String,
    when: BTreeMap<String, BTreeSet<String>>,
    allow: bool,
}

fn read(text: &str) -> (Vec<Rule>, BTreeSet<(String, String)>) {
    let mut rules = Vec::new();
    let mut groups: BTreeSet<_> = Role::ALL
        .iter()
        .map(|role| (role.to_string(), role.to_string()))
        .collect();
    for (line, content) in (1..).zip(text.lines()) {
        let mut words = content.split(',').map(|word| word.trim().to_owned());
        let mut next = || words.next().unwrap();
        match next().as_str() {
            "p" => {
                let (who, act, when, effect) = (next(), next(), next(), next());
                let when = when.split('&').map(|term| {
                    let (fact, values) = term.trim().split_once('=').unwrap();
                    (
                        fact.to_owned(),
                        values.split('|').map(str::to_owned).collect(),
                    )
                });
                rules.push(Rule {
                    line,
                    who,
                    act,
                    when: when.collect(),
                    allow: effect == "allow",
                });
            }
            "g" => {
                groups.insert((next(), next()));
            }
            other => assert!(other.is_empty() || other.starts_with('#')),
        }
    }
    (rules, groups)
}

/// What a plain reading of the server's rules says, and then of those of an organisation, whose groups come after.
fn expected(
    server: &[Rule],
    organisation: &[Rule],
    groups: &BTreeSet<(String, String)>,
    kind: ActionKind,
    role: Role,
    facts: &BTreeMap<&str, &str>,
) -> Decision {
    let matching = |rules: &'_ [Rule]| -> Vec<usize> {
        (0..rules.len())
            .filter(|at| {
                let rule = &rules[*at];
                rule.act == kind.as_str()
                    && groups.contains(&(role.to_string(), rule.who.clone()))
                    && rule
                        .when
                        .iter()
                        .all(|(fact, values)| values.contains(facts[fact.as_str()]))
            })
            .collect()
    };
    let own = matching(server);
    let decider = own
        .iter()
        .map(|at| &server[*at])
        .find(|rule| !rule.allow)
        .or(own.first().map(|at| &server[*at]));
    let Some(decider) = decider else {
        return Decision {
            allowed: false,
            rule: None,
        };
    };
    let veto = matching(organisation).first().map(|at| &organisation[*at]);
    match veto {
        Some(veto) if decider.allow => Decision {
            allowed: false,
            rule: Some(RuleId::organisation(veto.line)),
        },
        _ => Decision {
            allowed: decider.allow,
            rule: Some(RuleId::server(decider.line)),
        },
    }
}

/// Compares the whole table; gives how many decisions that were, and how many the organisation's rules took away.
fn compare(snapshot: &Snapshot, organisation: &str) -> (usize, usize) {
    let (rules, mut groups) = read(include_str!("../rules.csv"));
    let (narrowing, more) = read(organisation);
    groups.extend(more);
    let (mut asked, mut narrowed) = (0, 0);
    for kind in ActionKind::ALL {
        for facts in Facts::every(kind.dimensions()) {
            let by_name: BTreeMap<&str, &str> = kind
                .dimensions()
                .iter()
                .map(|d| (d.as_str(), facts.value(*d).unwrap()))
                .collect();
            for role in Role::ALL {
                let found = snapshot.explain(*kind, role, &facts);
                let expected = expected(&rules, &narrowing, &groups, *kind, role, &by_name);
                assert_eq!(found, expected, "{kind} by {role}: {by_name:?}");
                asked += 1;
                narrowed += usize::from(found.rule.is_some_and(RuleId::is_organisation));
            }
        }
    }
    (asked, narrowed)
}

#[test]
fn another_reading_of_the_rules_gives_the_same_table() {
    let snapshot = Snapshot::built_in(PolicyVersion(1)).unwrap();
    assert!(compare(&snapshot, "").0 > 10_000);
}

#[test]
fn h10_another_reading_of_any_rules_of_an_organisation_gives_the_same_table() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let subjects = [
        "owner",
        "host",
        "attendee",
        "guest",
        "moderator",
        "member",
        "person",
        "account",
        "visitors",
    ];
    let (mut files, mut decisions, mut narrowed) = (0, 0, 0);
    while files < 12 {
        let mut text =
            "# An organisation's own.\ng, guest, visitors\ng, observer, visitors\n".to_owned();
        for _ in 0..2 * ActionKind::ALL.len() {
            let kind = ActionKind::ALL[below(ActionKind::ALL.len())];
            let dimensions = kind.dimensions();
            let first = below(dimensions.len());
            let terms: Vec<String> = dimensions
                .iter()
                .enumerate()
                .filter_map(|(at, dimension)| {
                    if at != first && below(3) != 0 {
                        return None;
                    }
                    let values = dimension.values();
                    let start = below(values.len());
                    let chosen = values.iter().skip(start).take(1 + below(2));
                    let chosen: Vec<&str> = chosen.copied().collect();
                    Some(format!("{dimension}={}", chosen.join("|")))
                })
                .collect();
            let line = format!(
                "p, {}, {kind}, {}, deny",
                subjects[below(subjects.len())],
                terms.join(" & ")
            );
            if !text.contains(&line) {
                text = format!("{text}{line}\n");
            }
        }
        // Two rules may say the same in another order; such a file is refused, and another is made.
        let Ok(snapshot) = Snapshot::narrowed(&text, PolicyVersion(1)) else {
            continue;
        };
        let (asked, taken) = compare(&snapshot, &text);
        (files, decisions, narrowed) = (files + 1, decisions + asked, narrowed + taken);
    }
    println!(
        "figure policy.second_reading {files} files\nfigure policy.second_reading_decisions {decisions} decisions"
    );
    assert!(narrowed > 200, "{narrowed}");
}

#[test]
fn every_rule_decides_something() {
    let (rules, _) = read(include_str!("../rules.csv"));
    let snapshot = Snapshot::built_in(PolicyVersion(1)).unwrap();
    let mut decided = BTreeSet::new();
    for kind in ActionKind::ALL {
        for facts in Facts::every(kind.dimensions()) {
            decided.extend(
                Role::ALL
                    .iter()
                    .filter_map(|role| snapshot.explain(*kind, *role, &facts).rule),
            );
        }
    }
    let written: BTreeSet<RuleId> = rules.iter().map(|rule| RuleId::server(rule.line)).collect();
    assert_eq!(decided, written);
}
