//! The rule text: how it is written, and everything that must be right about it before it is used. The server's rules and
//! an organisation's are one language; an organisation's may only deny. Knows the language; takes no decision.

use crate::actions::ActionKind;
use crate::facts::{Dimension, Facts};
use crate::permit::RuleId;
use crate::roles::Role;

/// More than a person can review, and few enough that every line number fits a [`RuleId`].
const MOST_BYTES: usize = u16::MAX as usize;
/// Counted over rules and groups.
const MOST_ROWS: usize = 1000;
/// Faults that are named at once: more than anyone mends in one go.
const MOST_FAULTS: usize = 100;

/// What is wrong with a rule text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is longer than any rule set should be.
    #[error("the rules are longer than {MOST_BYTES} bytes or {MOST_ROWS} rows")]
    TooLong,
    /// It has no rule at all.
    #[error("there is no rule")]
    Empty,
    /// Its last line does not end: it may be half of what was written.
    #[error("the last line does not end with a line feed: the text may be cut short")]
    CutShort,
    /// One line is wrong.
    #[error("line {line}: {fault}")]
    Line {
        /// Counted from one.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a line of the rule text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The rules are plain printable text: what is reviewed is what is read.
    #[error("a character that is not printable ASCII")]
    Character,
    /// A line that can not be split into fields.
    #[error("not comma-separated text")]
    Unreadable,
    /// A row begins with neither `p` nor `g`.
    #[error("a row is `p` for a rule or `g` for a group")]
    Kind,
    /// A row has too few or too many fields.
    #[error("a row of this kind has {expected} fields, not {found}")]
    Width {
        /// How many it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A role that does not exist.
    #[error("no such role `{0}`")]
    Role(String),
    /// A subject that is neither a role nor a group with members.
    #[error("no such role or group `{0}`")]
    Subject(String),
    /// A group that is named like a role, or not in small letters.
    #[error("`{0}` cannot name a group")]
    Group(String),
    /// An action that does not exist.
    #[error("no such action `{0}`")]
    Action(String),
    /// An organisation tries to allow something.
    #[error("an organisation's rules only deny: what may be done stands in the server's rules")]
    Allow,
    /// An organisation fills a group of the server's rules.
    #[error("`{0}` is a group of the server's rules: choose another name")]
    Taken(String),
    /// Neither `allow` nor `deny`.
    #[error("an effect is `allow` or `deny`, not `{0}`")]
    Effect(String),
    /// A term that is not `fact=value`.
    #[error("a term is fact=value or fact=value|value, not `{0}`")]
    Term(String),
    /// A fact that the action is not decided by.
    #[error("`{action}` is not decided by `{fact}`")]
    Fact {
        /// The action.
        action: ActionKind,
        /// What the term names.
        fact: String,
    },
    /// A value that the fact does not have.
    #[error("`{fact}` has no value `{value}`")]
    Value {
        /// The fact.
        fact: Dimension,
        /// What the term names.
        value: String,
    },
    /// A fact or value that is named twice in one condition.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// A row that says again, or contradicts, what an earlier one says.
    #[error("the same as line {0}")]
    Same(u64),
}

/// Whether a rule allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

impl Effect {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One rule: whoever holds the role or group, for one kind of action, under the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) subject: String,
    pub(crate) action: ActionKind,
    /// In one canonical form: facts in the order of their declaration, and so are the values.
    pub(crate) when: String,
    pub(crate) effect: Effect,
}

impl Rule {
    /// Whether its condition names this fact.
    pub(crate) fn looks_at(&self, dimension: Dimension) -> bool {
        let mut terms = self.when.split(AND).filter_map(|term| term.split_once('='));
        terms.any(|(fact, _)| fact == dimension.as_str())
    }
}

/// One role as a member of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    line: u64,
    pub(crate) role: Role,
    pub(crate) group: String,
}

/// A whole rule text that was read without fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) members: Vec<Member>,
    pub(crate) rules: Vec<Rule>,
}

/// Whose rules a text holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Author<'a> {
    /// Those that come with the server: what they do not allow is denied.
    Server,
    /// Those of an organisation, who may name the groups of these rules of the server, and only denies.
    Organisation(&'a Rules),
}

impl Rules {
    /// Reads a rule text of the server. One fault refuses all of it.
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        first(Self::read(text, Author::Server))
    }

    /// Reads a rule text of an organisation. One fault refuses all of it.
    pub(crate) fn parse_organisation(text: &str, server: &Self) -> Result<Self, RuleError> {
        first(Self::read(text, Author::Organisation(server)))
    }

    /// Reads a rule text, and names every fault of it.
    pub(crate) fn read(text: &str, author: Author<'_>) -> Result<Self, Vec<RuleError>> {
        if text.len() > MOST_BYTES {
            return Err(vec![RuleError::TooLong]);
        }
        let mut read = Self::default();
        let mut faults = Vec::new();
        for (line, content) in (1..).zip(text.split('\n')) {
            if let Err(fault) = read.take_line(line, content, author) {
                faults.push(RuleError::Line { line, fault });
            }
            if read.members.len() + read.rules.len() > MOST_ROWS || faults.len() >= MOST_FAULTS {
                faults.push(RuleError::TooLong);
                return Err(faults);
            }
        }
        if matches!(author, Author::Organisation(_)) && !text.ends_with('\n') && !text.is_empty() {
            faults.push(RuleError::CutShort);
        }
        // A row that was refused may be the one that another needs.
        if faults.is_empty() {
            read.check_subjects(author, &mut faults);
        }
        if faults.is_empty() && read.rules.is_empty() {
            faults.push(RuleError::Empty);
        }
        if faults.is_empty() {
            Ok(read)
        } else {
            Err(faults)
        }
    }

    fn take_line(&mut self, line: u64, content: &str, author: Author<'_>) -> Result<(), Fault> {
        if content.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(Fault::Character);
        }
        if content.trim().is_empty() || content.starts_with('#') {
            return Ok(());
        }
        self.take(line, &fields(content)?, author)
    }

    fn take(
        &mut self,
        line: u64,
        record: &csv::StringRecord,
        author: Author<'_>,
    ) -> Result<(), Fault> {
        let fields: Vec<&str> = record.iter().collect();
        match fields.as_slice() {
            ["p", subject, action, when, effect] => {
                let rule = rule(line, author, subject, action, when, effect)?;
                self.take_rule(rule)
            }
            ["g", role, group] => self.take_member(line, role, group, author),
            ["p", ..] => Err(Fault::Width {
                expected: 5,
                found: fields.len(),
            }),
            ["g", ..] => Err(Fault::Width {
                expected: 3,
                found: fields.len(),
            }),
            _ => Err(Fault::Kind),
        }
    }

    fn take_rule(&mut self, rule: Rule) -> Result<(), Fault> {
        let twin = |other: &&Rule| {
            other.subject == rule.subject && other.action == rule.action && other.when == rule.when
        };
        if let Some(twin) = self.rules.iter().find(twin) {
            return Err(Fault::Same(twin.id.line().into()));
        }
        self.rules.push(rule);
        Ok(())
    }

    fn take_member(
        &mut self,
        line: u64,
        role: &str,
        group: &str,
        author: Author<'_>,
    ) -> Result<(), Fault> {
        let role: Role = role.parse().map_err(|_| Fault::Role(role.to_owned()))?;
        let word = !group.is_empty()
            && group
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !word || group.parse::<Role>().is_ok() {
            return Err(Fault::Group(group.to_owned()));
        }
        if let Author::Organisation(server) = author
            && server.has_group(group)
        {
            return Err(Fault::Taken(group.to_owned()));
        }
        if let Some(twin) = self
            .members
            .iter()
            .find(|member| member.role == role && member.group == group)
        {
            return Err(Fault::Same(twin.line));
        }
        self.members.push(Member {
            line,
            role,
            group: group.to_owned(),
        });
        Ok(())
    }

    /// Groups may be filled anywhere in the text, so subjects are looked up once all of it was read.
    fn check_subjects(&self, author: Author<'_>, faults: &mut Vec<RuleError>) {
        for rule in &self.rules {
            let subject = &rule.subject;
            let theirs = match author {
                Author::Server => false,
                Author::Organisation(server) => server.has_group(subject),
            };
            if subject.parse::<Role>().is_err() && !theirs && !self.has_group(subject) {
                faults.push(RuleError::Line {
                    line: rule.id.line().into(),
                    fault: Fault::Subject(subject.clone()),
                });
            }
        }
    }

    fn has_group(&self, group: &str) -> bool {
        self.members.iter().any(|member| member.group == group)
    }

    /// Whether the rule is about this role, by its own name or that of a group.
    pub(crate) fn is_about(&self, rule: &Rule, role: Role) -> bool {
        let member = |member: &Member| member.role == role && member.group == rule.subject;
        rule.subject == role.as_str() || self.members.iter().any(member)
    }
}

/// The first of the faults stands for all of them.
fn first(read: Result<Rules, Vec<RuleError>>) -> Result<Rules, RuleError> {
    read.map_err(|faults| faults.into_iter().next().unwrap_or(RuleError::Empty))
}

fn rule(
    line: u64,
    author: Author<'_>,
    subject: &str,
    action: &str,
    when: &str,
    effect: &str,
) -> Result<Rule, Fault> {
    let action = ActionKind::named(action).ok_or_else(|| Fault::Action(action.to_owned()))?;
    let when = condition(action, when)?;
    let line = u16::try_from(line).map_err(|_| Fault::Unreadable)?;
    let (id, effect) = match (author, effect) {
        (Author::Server, "allow") => (RuleId::server(line), Effect::Allow),
        (Author::Server, "deny") => (RuleId::server(line), Effect::Deny),
        (Author::Organisation(_), "deny") => (RuleId::organisation(line), Effect::Deny),
        (Author::Organisation(_), "allow") => return Err(Fault::Allow),
        (_, other) => return Err(Fault::Effect(other.to_owned())),
    };
    Ok(Rule {
        id,
        subject: subject.to_owned(),
        action,
        when,
        effect,
    })
}

/// The fields of one line. Lines are read one by one, so that a field never runs on into the next line and each rule has
/// its own number. There is no quoting: a quote is part of a word, and no word has one.
fn fields(line: &str) -> Result<csv::StringRecord, Fault> {
    let mut record = csv::StringRecord::new();
    let read = csv::ReaderBuilder::new()
        .has_headers(false)
        .quoting(false)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes())
        .read_record(&mut record);
    if matches!(read, Ok(true)) {
        Ok(record)
    } else {
        Err(Fault::Unreadable)
    }
}

/// The condition in its canonical form, every term of it known.
fn condition(action: ActionKind, text: &str) -> Result<String, Fault> {
    let mut named: Vec<(Dimension, Vec<&str>)> = Vec::new();
    for term in text.split('&').map(str::trim) {
        let (fact, values) = term
            .split_once('=')
            .ok_or_else(|| Fault::Term(term.to_owned()))?;
        let dimension = action
            .dimensions()
            .iter()
            .copied()
            .find(|dimension| dimension.as_str() == fact)
            .ok_or_else(|| Fault::Fact {
                action,
                fact: fact.to_owned(),
            })?;
        if named.iter().any(|(earlier, _)| *earlier == dimension) {
            return Err(Fault::Twice(fact.to_owned()));
        }
        let mut chosen: Vec<&str> = Vec::new();
        for value in values.split('|') {
            if !dimension.values().contains(&value) {
                return Err(Fault::Value {
                    fact: dimension,
                    value: value.to_owned(),
                });
            }
            if chosen.contains(&value) {
                return Err(Fault::Twice(value.to_owned()));
            }
            chosen.push(value);
        }
        named.push((dimension, chosen));
    }
    let mut terms = Vec::new();
    for dimension in action.dimensions() {
        for (_, chosen) in named.iter().filter(|(other, _)| other == dimension) {
            let values: Vec<&str> = dimension
                .values()
                .iter()
                .copied()
                .filter(|value| chosen.contains(value))
                .collect();
            terms.push(format!("{dimension}={}", values.join("|")));
        }
    }
    Ok(terms.join(AND))
}

const AND: &str = " & ";

/// The facts that decide the action, as the rule engine is shown them. A missing fact is left out, so no term about it holds.
pub(crate) fn describe(action: ActionKind, facts: &Facts) -> String {
    let terms: Vec<String> = action
        .dimensions()
        .iter()
        .filter_map(|dimension| {
            facts
                .value(*dimension)
                .map(|value| format!("{dimension}={value}"))
        })
        .collect();
    terms.join(AND)
}

/// Whether these facts, as [`describe`] writes them, satisfy the condition: every term of it must hold.
pub(crate) fn satisfies(facts: &str, when: &str) -> bool {
    when.split(AND).all(|term| term_holds(facts, term))
}

/// The terms of the condition that do not hold of these facts.
pub(crate) fn unsatisfied<'a>(facts: &str, when: &'a str) -> Vec<&'a str> {
    when.split(AND)
        .filter(|term| !term_holds(facts, term))
        .collect()
}

fn term_holds(facts: &str, term: &str) -> bool {
    let Some((wanted, values)) = term.split_once('=') else {
        return false;
    };
    facts
        .split(AND)
        .filter_map(|fact| fact.split_once('='))
        .any(|(fact, value)| fact == wanted && values.split('|').any(|choice| choice == value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUILT_IN: &str = include_str!("../rules.csv");
    const GOOD: &str = "p, owner, lock, standing=admitted, allow";

    fn fault(row: &str) -> Fault {
        match Rules::parse(&format!("# first\n{GOOD}\n\n{row}\n")) {
            Err(RuleError::Line { line: 4, fault }) => fault,
            other => panic!("{row}: {other:?}"),
        }
    }

    fn when(action: &str, when: &str) -> String {
        Rules::parse(&format!("p, owner, {action}, {when}, allow"))
            .unwrap()
            .rules[0]
            .when
            .clone()
    }

    #[test]
    fn a_rule_is_named_by_its_line() {
        let lines: Vec<&str> = BUILT_IN.lines().collect();
        for rule in Rules::parse(BUILT_IN).unwrap().rules {
            let line = lines[usize::from(rule.id.line()) - 1];
            let names = [&rule.subject, rule.action.as_str(), rule.effect.as_str()];
            assert!(
                line.starts_with("p, ") && names.iter().all(|name| line.contains(name)),
                "{line}"
            );
        }
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        assert_eq!(
            fault("p, owner, lock, standing=admitted"),
            Fault::Width {
                expected: 5,
                found: 4
            }
        );
        assert_eq!(
            fault("p, owner, lock, standing=admitted, allow, x"),
            Fault::Width {
                expected: 5,
                found: 6
            }
        );
        assert_eq!(
            fault("p"),
            Fault::Width {
                expected: 5,
                found: 1
            }
        );
        assert_eq!(
            fault("g, owner, moderator, room"),
            Fault::Width {
                expected: 3,
                found: 4
            }
        );
        assert_eq!(
            fault("p2, owner, lock, standing=admitted, allow"),
            Fault::Kind
        );
        assert_eq!(fault(" # late comment"), Fault::Kind);
        assert_eq!(fault(","), Fault::Kind);
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert_eq!(
            fault("p, boss, lock, standing=admitted, allow"),
            Fault::Subject("boss".into())
        );
        assert_eq!(
            fault("p, , lock, standing=admitted, allow"),
            Fault::Subject(String::new())
        );
        assert_eq!(
            fault("p, Owner, lock, standing=admitted, allow"),
            Fault::Subject("Owner".into())
        );
        assert_eq!(
            fault("p, owner, explode, standing=admitted, allow"),
            Fault::Action("explode".into())
        );
        assert_eq!(
            fault("p, owner, lock, standing=admitted, maybe"),
            Fault::Effect("maybe".into())
        );
        assert_eq!(fault("g, boss, moderator"), Fault::Role("boss".into()));
        assert_eq!(fault("g, owner, host"), Fault::Group("host".into()));
        assert_eq!(fault("g, owner, *"), Fault::Group("*".into()));
        assert_eq!(fault("g, owner,"), Fault::Group(String::new()));
    }

    #[test]
    fn a_condition_that_is_not_understood_is_refused() {
        let fault = |when: &str| fault(&format!("p, host, lock, {when}, allow"));
        let unknown = |fact: &str| Fault::Fact {
            action: ActionKind::Lock,
            fact: fact.into(),
        };
        let no_value = |value: &str| Fault::Value {
            fact: Dimension::Standing,
            value: value.into(),
        };
        assert_eq!(fault(""), Fault::Term(String::new()));
        assert_eq!(fault("*"), Fault::Term("*".into()));
        assert_eq!(fault("standing=admitted &"), Fault::Term(String::new()));
        assert_eq!(
            fault("standing=admitted && mine=yes"),
            Fault::Term(String::new())
        );
        assert_eq!(fault("target=own"), unknown("target"));
        assert_eq!(fault("weather=fair"), unknown("weather"));
        assert_eq!(fault("standing =admitted"), unknown("standing "));
        assert_eq!(fault("standing=inside"), no_value("inside"));
        assert_eq!(fault("standing="), no_value(""));
        assert_eq!(fault("standing=admitted|"), no_value(""));
        assert_eq!(fault("standing==admitted"), no_value("=admitted"));
        assert_eq!(
            fault("standing=admitted|admitted"),
            Fault::Twice("admitted".into())
        );
        assert_eq!(
            fault("standing=admitted & standing=waiting"),
            Fault::Twice("standing".into())
        );
    }

    #[test]
    fn a_row_that_repeats_or_contradicts_an_earlier_one_is_refused() {
        assert_eq!(fault(GOOD), Fault::Same(2));
        assert_eq!(
            fault("p,owner,lock,   standing=admitted,deny"),
            Fault::Same(2)
        );
        let text = "g, owner, a\ng, owner, a\np, a, lock, standing=admitted, allow";
        assert_eq!(
            Rules::parse(text),
            Err(RuleError::Line {
                line: 2,
                fault: Fault::Same(1)
            })
        );
    }

    #[test]
    fn only_printable_text_is_read() {
        for text in [
            "p, owner,\tlock",
            "\u{feff}p",
            "p, owner, lock\r\n",
            "p, \u{202e}",
            "\0",
        ] {
            let text = format!("{GOOD}\n{text}");
            assert_eq!(
                Rules::parse(&text),
                Err(RuleError::Line {
                    line: 2,
                    fault: Fault::Character
                })
            );
        }
    }

    #[test]
    fn a_text_without_a_rule_or_of_great_length_is_refused() {
        for text in [
            "",
            "\n\n",
            "# p, owner, lock, standing=admitted, allow",
            "g, owner, moderator",
        ] {
            assert_eq!(Rules::parse(text), Err(RuleError::Empty));
        }
        assert_eq!(
            Rules::parse(&"#".repeat(MOST_BYTES + 1)),
            Err(RuleError::TooLong)
        );
        let many: String = (0..=MOST_ROWS)
            .map(|at| format!("g, owner, {}\n", "x".repeat(1 + at % 40)))
            .collect();
        assert!(Rules::parse(&many).is_err());
    }

    fn organisation(text: &str) -> Result<Rules, RuleError> {
        Rules::parse_organisation(text, &Rules::parse(BUILT_IN).unwrap())
    }

    #[test]
    fn an_organisation_only_denies() {
        let text = "# ours\ng, guest, visitors\np, visitors, ask, standing=admitted, deny\np, moderator, lock, standing=admitted, deny\n";
        let rules = organisation(text).unwrap().rules;
        assert_eq!(rules[0].id, RuleId::organisation(3));
        assert_eq!(rules[0].id.to_string(), "the organisation's rule 3");
        assert!(rules.iter().all(|rule| rule.effect == Effect::Deny));
        for allows in ["allow", "Allow", "deny|allow", ""] {
            let text = format!("p, guest, ask, standing=admitted, {allows}\n");
            assert!(organisation(&text).is_err(), "{allows}");
        }
        assert_eq!(
            organisation("\np, guest, ask, standing=admitted, allow\n"),
            Err(RuleError::Line {
                line: 2,
                fault: Fault::Allow
            })
        );
    }

    #[test]
    fn an_organisation_cannot_fill_the_groups_of_the_server() {
        assert_eq!(
            organisation("g, guest, moderator\np, moderator, lock, standing=admitted, deny\n"),
            Err(RuleError::Line {
                line: 1,
                fault: Fault::Taken("moderator".into())
            })
        );
    }

    #[test]
    fn an_organisations_text_without_its_last_line_feed_is_refused() {
        let text = "p, guest, ask, standing=admitted, deny\n";
        assert!(organisation(text).is_ok());
        assert_eq!(organisation(text.trim_end()), Err(RuleError::CutShort));
        for end in 0..text.len() {
            assert!(organisation(&text[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let text = "p, guest, ask, standing=admitted, allow\np, boss\n\tp\nx\n";
        let server = Rules::parse(BUILT_IN).unwrap();
        let faults = Rules::read(text, Author::Organisation(&server)).unwrap_err();
        let lines: Vec<u64> = faults
            .iter()
            .map(|fault| match fault {
                RuleError::Line { line, .. } => *line,
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        let many = "x\n".repeat(10 * MOST_FAULTS);
        assert!(Rules::read(&many, Author::Server).unwrap_err().len() <= MOST_FAULTS + 1);
    }

    #[test]
    fn every_rule_of_the_longest_text_has_a_number() {
        let text = format!("{}{GOOD}", "\n".repeat(MOST_BYTES - GOOD.len()));
        let rules = Rules::parse(&text).unwrap().rules;
        assert_eq!(usize::from(rules[0].id.line()), MOST_BYTES - GOOD.len() + 1);
    }

    #[test]
    fn a_condition_has_one_form() {
        assert_eq!(
            when("mute", "target=own & standing=admitted"),
            "standing=admitted & target=own"
        );
        assert_eq!(when("mute", "target=above|own"), "target=own|above");
        assert_eq!(
            when("mute", "target=own&standing=admitted"),
            "standing=admitted & target=own"
        );
    }

    #[test]
    fn a_condition_holds_only_if_every_term_does() {
        let facts = "standing=admitted & target=own";
        assert!(satisfies(facts, "standing=admitted & target=own"));
        assert!(satisfies(facts, "target=below|own"));
        for when in [
            "standing=admitted & target=below",
            "right=granted",
            "standing=admitted & right=granted",
            "standing=admit",
            "standing=",
            "standing",
            "",
            "=",
        ] {
            assert!(!satisfies(facts, when), "{when}");
        }
        assert!(!satisfies("", "standing=admitted"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = Rules::parse(&text);
        }

        #[test]
        fn no_damage_to_the_rules_makes_the_reader_panic(at in 0..BUILT_IN.len(), cut in 0usize..40, put in "[ -~\n]{0,12}") {
            let end = (at + cut).min(BUILT_IN.len());
            let damaged = format!("{}{put}{}", &BUILT_IN[..at], &BUILT_IN[end..]);
            let _ = Rules::parse(&damaged);
        }

        #[test]
        fn what_is_read_is_what_is_written(text in "(p|g|q), ?(owner|host|x), ?(lock|mute|x), ?(standing|target|mine)=(own|admitted|yes)[ &|a-z]{0,9}, ?(allow|deny|no)") {
            if let Ok(rules) = Rules::parse(&text) {
                let squeeze = |text: &str| text.replace(' ', "");
                let rule = &rules.rules[0];
                let again = format!("p,{},{},{},{}", rule.subject, rule.action, rule.when, rule.effect.as_str());
                prop_assert_eq!(squeeze(&text).len(), squeeze(&again).len());
                prop_assert_eq!(Rules::parse(&again), Ok(rules));
            }
        }
    }
}
