//! Answers "why?" for people: actions and facts by the names that people use, the line behind a rule's number, and which
//! rules would have allowed something. Takes no decision.

use crate::actions::ActionKind;
use crate::engine::RULES;
use crate::facts::{Dimension, Facts};
use crate::permit::RuleId;
use crate::roles::Role;
use crate::rules::{Effect, Rules, describe, unsatisfied};

/// Where the server's rules stand in its repository.
pub const SERVER_FILE: &str = "policy/rules.csv";

/// What people call an action, beside its own name.
const ALIASES: &[(&str, &str)] = &[
    ("share_screen", "publish_screen"),
    ("screen_share", "publish_screen"),
    ("share_screen_audio", "publish_screen_audio"),
    ("speak", "publish_microphone"),
    ("unmute", "publish_microphone"),
    ("start_microphone", "publish_microphone"),
    ("start_camera", "publish_camera"),
    ("start_video", "publish_camera"),
    ("show_video", "publish_camera"),
    ("join", "enter"),
    ("wait", "knock"),
    ("kick", "remove"),
    ("pause_camera", "pause_video"),
    ("stop_video", "pause_video"),
    ("stop_screen", "stop_share"),
    ("promote", "set_role"),
    ("end", "end_session"),
    ("end_for_all", "end_session"),
    ("see_waiting", "see_lobby"),
    ("relax", "change_setting"),
];

/// What is not known of a request is taken to be this, unless every rule of the action speaks of something else.
const USUAL: &[(&str, &str)] = &[
    ("standing", "admitted"),
    ("target", "own"),
    ("target_role", "attendee"),
    ("new_role", "presenter"),
    ("mine", "no"),
    ("right", "default"),
    ("barred", "no"),
    ("password", "proved"),
    ("hosting", "present"),
    ("lock", "open"),
    ("space", "free"),
    ("org_admin", "no"),
    ("second_factor", "proved"),
    ("factor", "shown"),
    ("create_right", "no"),
    ("relax", "host"),
    ("subject", "quiet"),
];

/// The facts that speak of a situation rather than of a grant: for these the first value that a rule of the action names
/// is the more telling one.
const SITUATIONS: &[&str] = &["standing", "target"];

/// A rule that would allow, were these terms true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The rule.
    pub rule: RuleId,
    /// The terms of its condition that do not hold.
    pub missing: Vec<String>,
}

/// The action of this name, or of a name that people use for it.
pub fn action(name: &str) -> Option<ActionKind> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    ActionKind::named(alias.map_or(name, |(_, own)| own))
}

/// Names of actions that this may be a slip of.
pub fn similar(name: &str) -> Vec<&'static str> {
    let words: Vec<&str> = name.split('_').filter(|word| word.len() > 2).collect();
    let own = ActionKind::ALL.iter().map(|kind| kind.as_str());
    own.chain(ALIASES.iter().map(|(alias, _)| *alias))
        .filter(|known| words.iter().any(|word| known.contains(word)))
        .collect()
}

/// The same facts with one more by name; none if there is no such fact or value.
pub fn with(mut facts: Facts, fact: &str, value: &str) -> Option<Facts> {
    let dimension = *Dimension::ALL.iter().find(|known| known.as_str() == fact)?;
    let place = dimension
        .values()
        .iter()
        .position(|known| *known == value)?;
    facts.put(dimension, Some(u8::try_from(place).ok()?));
    Some(facts)
}

/// The same facts, with what is usual or else strictest for each that the action is decided by and that is missing; and the
/// names of those that were taken so.
pub fn assume(
    kind: ActionKind,
    role: Role,
    given: Facts,
) -> (Facts, Vec<(&'static str, &'static str)>) {
    let server = Rules::parse(RULES).unwrap_or_default();
    let mut facts = given;
    let mut assumed = Vec::new();
    for dimension in kind.dimensions() {
        if facts.value(*dimension).is_some() {
            continue;
        }
        let name = dimension.as_str();
        let usual = USUAL.iter().find(|(fact, _)| *fact == name);
        let usual = usual.map(|(_, value)| *value);
        let named = || {
            let mut conditions = server
                .rules
                .iter()
                .filter(|rule| rule.action == kind && rule.effect == Effect::Allow);
            conditions.find_map(|rule| named_first(&rule.when, *dimension))
        };
        let value = match usual {
            Some("no") if name == "mine" && owns(kind, role) => Some("yes"),
            Some(value) if SITUATIONS.contains(&name) => named().or(Some(value)),
            Some(value) => Some(value),
            // A setting: the strictest value comes first.
            None => dimension.values().first().copied(),
        };
        let Some(value) = value else { continue };
        if let Some(more) = with(facts, name, value) {
            facts = more;
            assumed.push((name, value));
        }
    }
    (facts, assumed)
}

/// The server's rules that come closest to allowing it to this role: those of which the fewest terms do not hold.
pub fn nearest(kind: ActionKind, role: Role, facts: &Facts) -> Vec<Near> {
    let server = Rules::parse(RULES).unwrap_or_default();
    let described = describe(kind, facts);
    let near: Vec<Near> = server
        .rules
        .iter()
        .filter(|rule| rule.action == kind && rule.effect == Effect::Allow)
        .filter(|rule| server.is_about(rule, role))
        .map(|rule| Near {
            rule: rule.id,
            missing: unsatisfied(&described, &rule.when)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
        .collect();
    let fewest = near.iter().map(|near| near.missing.len()).min();
    near.into_iter()
        .filter(|near| Some(near.missing.len()) == fewest)
        .collect()
}

/// The text of a rule, given the organisation's rules if there are any.
pub fn text(rule: RuleId, organisation: Option<&str>) -> Option<&str> {
    let text = if rule.is_organisation() {
        organisation?
    } else {
        RULES
    };
    let place = usize::from(rule.line()).checked_sub(1)?;
    text.lines().nth(place)
}

/// The server's rules as they were written.
pub const fn server_text() -> &'static str {
    RULES
}

/// The first value of the fact that the condition names.
fn named_first(when: &str, dimension: Dimension) -> Option<&'static str> {
    let term = when
        .split('&')
        .filter_map(|term| term.trim().split_once('='))
        .find(|(fact, _)| *fact == dimension.as_str())?;
    let first = term.1.split('|').next()?;
    dimension
        .values()
        .iter()
        .copied()
        .find(|value| *value == first)
}

/// Whether what is asked about is taken to be the role's own.
const fn owns(kind: ActionKind, role: Role) -> bool {
    matches!(kind, ActionKind::Resume) || matches!(role, Role::Owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Snapshot;
    use crate::permit::PolicyVersion;

    #[test]
    fn every_alias_names_an_action_and_none_hides_one() {
        for (alias, own) in ALIASES {
            assert!(ActionKind::named(own).is_some(), "{own}");
            assert_eq!(action(alias), ActionKind::named(own));
            assert!(ActionKind::named(alias).is_none(), "{alias}");
        }
        assert_eq!(action("explode"), None);
        assert!(similar("screen").contains(&"share_screen"));
    }

    #[test]
    fn every_usual_value_is_one_that_the_fact_has() {
        for (fact, value) in USUAL {
            assert!(with(Facts::new(), fact, value).is_some(), "{fact}={value}");
        }
        assert_eq!(with(Facts::new(), "weather", "fair"), None);
        assert_eq!(with(Facts::new(), "standing", "fair"), None);
    }

    #[test]
    fn nothing_is_left_missing_for_any_action() {
        for kind in ActionKind::ALL {
            for role in Role::ALL {
                let (facts, assumed) = assume(*kind, role, Facts::new());
                assert_eq!(assumed.len(), kind.dimensions().len());
                assert!(facts.place(kind.dimensions()).is_some());
            }
        }
    }

    #[test]
    fn a_guest_who_may_not_share_learns_what_is_missing() {
        let kind = action("share_screen").unwrap();
        let (facts, assumed) = assume(kind, Role::Guest, Facts::new());
        assert!(
            assumed.contains(&("standing", "admitted")) && assumed.contains(&("target", "own"))
        );
        assert!(assumed.contains(&("screen_share", "hosts_and_presenters")));
        let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
        assert!(!rules.allows(kind, Role::Guest, &facts));
        let near = nearest(kind, Role::Guest, &facts);
        let missing: Vec<&str> = near
            .iter()
            .flat_map(|near| near.missing.iter().map(String::as_str))
            .collect();
        assert_eq!(missing, ["right=granted", "screen_share=everyone"]);
        for near in near {
            let line = text(near.rule, None).unwrap();
            assert!(
                line.starts_with("p, guest,") && line.contains("publish_screen,"),
                "{line}"
            );
        }
        let (facts, _) = assume(ActionKind::Mute, Role::Host, Facts::new());
        assert!(rules.allows(ActionKind::Mute, Role::Host, &facts));
        let (facts, _) = assume(ActionKind::Knock, Role::Attendee, Facts::new());
        assert!(rules.allows(ActionKind::Knock, Role::Attendee, &facts));
    }
}
