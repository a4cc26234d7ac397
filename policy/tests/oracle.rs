//! A second reader of `rules.csv`, as plain as can be and sharing nothing with the first: every entry of the decision table,
//! and the rule behind it, must be what this one says.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

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

#[test]
fn another_reading_of_the_rules_gives_the_same_table() {
    let (rules, groups) = read(include_str!("../rules.csv"));
    let snapshot = Snapshot::built_in(PolicyVersion(1)).unwrap();
    let mut asked = 0;
    for kind in ActionKind::ALL {
        for facts in Facts::every(kind.dimensions()) {
            let facts_by_name: BTreeMap<&str, &str> = kind
                .dimensions()
                .iter()
                .map(|d| (d.as_str(), facts.value(*d).unwrap()))
                .collect();
            for role in Role::ALL {
                let matching: Vec<&Rule> = rules
                    .iter()
                    .filter(|rule| rule.act == kind.as_str())
                    .filter(|rule| groups.contains(&(role.to_string(), rule.who.clone())))
                    .filter(|rule| {
                        rule.when
                            .iter()
                            .all(|(fact, values)| values.contains(facts_by_name[fact.as_str()]))
                    })
                    .collect();
                let decider = matching
                    .iter()
                    .find(|rule| !rule.allow)
                    .or(matching.first());
                let expected = Decision {
                    allowed: decider.is_some_and(|rule| rule.allow),
                    rule: decider.map(|rule| RuleId(rule.line)),
                };
                assert_eq!(
                    snapshot.explain(*kind, role, &facts),
                    expected,
                    "{kind} by {role}: {facts_by_name:?}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 10_000);
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
    let written: BTreeSet<RuleId> = rules.iter().map(|rule| RuleId(rule.line)).collect();
    assert_eq!(decided, written);
}
