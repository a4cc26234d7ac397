//! `conclave policy`: checks an organisation's rules, prints what everyone may do, explains one decision, and lists what a
//! change of rules changes. Reads only, and answers for the operator what the running server would decide.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use conclave_policy::actions::ActionKind;
use conclave_policy::engine::{Decision, Snapshot};
use conclave_policy::explain::{self, SERVER_FILE};
use conclave_policy::facts::Facts;
use conclave_policy::permit::{PolicyVersion, RuleId};
use conclave_policy::roles::Role;
use conclave_policy::settings::Settings;
use conclave_policy::table;

use crate::ids::RoomId;
use crate::server::rules;
use crate::store::database::Store;

/// How the server's own rules are called where a file is asked for.
const BUILT_IN: &str = "built-in";
/// Any version will do where nothing is permitted.
const VERSION: PolicyVersion = PolicyVersion(1);

/// A rule set under examination.
pub struct Examined {
    snapshot: Snapshot,
    file: Option<PathBuf>,
    text: Option<String>,
}

/// One decision that the operator wants explained.
pub struct Question {
    /// The role, by name.
    pub role: String,
    /// The action, by its name or one that people use.
    pub action: String,
    /// The room whose stored settings count; without one the strictest do.
    pub room: Option<String>,
    /// Facts, as `name=value`, that are not as usual.
    pub facts: Vec<String>,
}

impl Examined {
    /// The server's rules, narrowed by those of a file if one is named.
    ///
    /// # Errors
    /// When the file cannot be read or has a fault.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let file = file.filter(|file| *file != Path::new(BUILT_IN));
        let loaded = rules::load(file, VERSION)?;
        let text = loaded.text().map(str::to_owned);
        Ok(Self {
            snapshot: loaded.snapshot,
            file: file.map(Path::to_owned),
            text,
        })
    }

    /// The file, line and text of a rule.
    fn place(&self, rule: RuleId) -> String {
        let file = match &self.file {
            Some(file) if rule.is_organisation() => file.display().to_string(),
            _ => SERVER_FILE.to_owned(),
        };
        let text = explain::text(rule, self.text.as_deref()).unwrap_or_default();
        format!("{file}:{}  {text}", rule.line())
    }

    /// Why an action is allowed or denied, by which rule, and which facts were taken for granted.
    ///
    /// # Errors
    /// When the question names something that does not exist.
    pub async fn explain(
        &self,
        question: &Question,
        store: Option<&Store>,
    ) -> anyhow::Result<String> {
        let role = role(&question.role)?;
        let kind = action(&question.action)?;
        let (settings, settings_of) = settings(question.room.as_deref(), store).await?;
        let mut facts = of_settings(&settings);
        let mut given = Vec::new();
        for fact in &question.facts {
            let (name, value) = fact
                .split_once('=')
                .with_context(|| format!("a fact is name=value, not `{fact}`"))?;
            facts = explain::with(facts, name, value)
                .with_context(|| format!("there is no fact `{name}` with a value `{value}`"))?;
            given.push(name);
        }
        let (facts, assumed) = explain::assume(kind, role, facts);
        let decision = self.snapshot.explain(kind, role, &facts);
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "{line}");
        };
        line(format!("{role}, {kind}: {}", self.verdict(decision)));
        line("facts:".to_owned());
        for dimension in kind.dimensions() {
            let (name, value) = (dimension.as_str(), facts.value(*dimension).unwrap_or("-"));
            let from = if given.contains(&name) {
                "given"
            } else if assumed.iter().any(|(fact, _)| *fact == name) {
                "assumed"
            } else {
                settings_of.as_str()
            };
            line(format!("  {name}={value}  ({from})"));
        }
        if decision.rule.is_none() {
            line("what would allow it:".to_owned());
            let near = explain::nearest(kind, role, &facts);
            if near.is_empty() {
                line("  nothing: no rule is about this role and action".to_owned());
            }
            for near in near {
                line(format!("  {}", self.place(near.rule)));
                line(format!("    if {}", near.missing.join(" and ")));
            }
        }
        Ok(text.trim_end().to_owned())
    }

    fn verdict(&self, decision: Decision) -> String {
        match (decision.allowed, decision.rule) {
            (true, Some(rule)) => format!("allowed by {}", self.place(rule)),
            (_, Some(rule)) => format!("denied by {}", self.place(rule)),
            (_, None) => "denied: no rule allows it".to_owned(),
        }
    }

    /// What everyone may do, or one role, or what one action needs.
    ///
    /// # Errors
    /// When there is no such role or action.
    pub fn table(&self, of: Option<&str>, only: Option<&str>) -> anyhow::Result<String> {
        let (of, only) = (of.map(role).transpose()?, only.map(action).transpose()?);
        let text = table::write(&self.snapshot, only, of);
        // The heading is for the reviewed snapshot.
        let body = text.split_once("\n\n").map_or("", |(_, body)| body);
        Ok(body.trim_end().to_owned())
    }

    /// Every decision that is another under the other rules.
    pub fn changes(&self, after: &Self) -> String {
        let changes = table::changes(&self.snapshot, &after.snapshot);
        let mut text = String::new();
        for change in &changes {
            let (sign, word) = if change.allowed {
                ('+', "allowed")
            } else {
                ('-', "denied")
            };
            let place = |rules: &Self, rule: Option<RuleId>| {
                rule.map_or("no rule".to_owned(), |rule| rules.place(rule))
            };
            // Writing to a string cannot fail.
            let _infallible = write!(
                text,
                "{sign} {}, {}: {word} in {} cases\n    before: {}\n    after:  {}\n",
                table::list(&change.roles),
                change.kind,
                change.cases,
                place(self, change.before),
                place(after, change.after),
            );
            for when in &change.when {
                let _infallible = writeln!(text, "    when {when}");
            }
        }
        let _infallible = write!(
            text,
            "{} decisions change",
            changes
                .iter()
                .map(|change| change.cases.saturating_mul(change.roles.len()))
                .sum::<usize>()
        );
        text
    }
}

/// Checks an organisation's rules file and names every fault; then says what it changes.
///
/// # Errors
/// When the file cannot be read or has a fault.
pub fn check(file: &Path) -> anyhow::Result<String> {
    let text = rules::read(file)?;
    let faults = Snapshot::faults(&text);
    if !faults.is_empty() {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("{}: {fault}", file.display()))
            .collect();
        bail!("{} faults\n{}", lines.len(), lines.join("\n"));
    }
    let (before, after) = (Examined::load(None)?, Examined::load(Some(file))?);
    let changes = table::changes(&before.snapshot, &after.snapshot);
    let rows = text.lines().filter(|line| line.starts_with("p,")).count();
    let mut said = format!("{}: {rows} rules, in order", file.display());
    for (line, content) in (1_u16..).zip(text.lines()) {
        let rule = Some(RuleId::organisation(line));
        if content.starts_with("p,") && changes.iter().all(|change| change.after != rule) {
            // Writing to a string cannot fail.
            let _infallible = write!(
                said,
                "\nline {line} takes nothing away that another rule leaves: {content}"
            );
        }
    }
    Ok(said)
}

fn role(name: &str) -> anyhow::Result<Role> {
    name.parse().map_err(|_| {
        anyhow::anyhow!(
            "there is no role `{name}`; the roles are {}",
            table::list(&Role::ALL)
        )
    })
}

fn action(name: &str) -> anyhow::Result<ActionKind> {
    explain::action(name).with_context(|| {
        let mut known = explain::similar(name);
        if known.is_empty() {
            known = ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
        }
        format!(
            "there is no action `{name}`; did you mean one of {}",
            known.join(", ")
        )
    })
}

/// The settings that count, and where they come from.
async fn settings(room: Option<&str>, store: Option<&Store>) -> anyhow::Result<(Settings, String)> {
    let (Some(room), Some(store)) = (room, store) else {
        return Ok((Settings::strictest(), "strictest".to_owned()));
    };
    // A link to the room names it as well.
    let id = room.rsplit('/').next().unwrap_or(room);
    let id: RoomId = id
        .parse()
        .map_err(|_| anyhow::anyhow!("`{room}` is not the identifier of a room"))?;
    let found = store
        .room(store.org(), id)
        .await?
        .with_context(|| format!("there is no room `{room}`"))?;
    Ok((found.settings, "the room's setting".to_owned()))
}

fn of_settings(settings: &Settings) -> Facts {
    Facts::new()
        .with(settings.sign_in())
        .with(settings.waiting_room())
        .with(settings.microphone())
        .with(settings.camera())
        .with(settings.screen_share())
        .with(settings.guest_roster())
        .with(settings.participant_count())
        .with(settings.room_chat())
        .with(settings.private_chat())
        .with(settings.chat_history())
        .with(settings.captions())
        .with(settings.transcript())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;

    fn question(role: &str, action: &str) -> Question {
        Question {
            role: role.into(),
            action: action.into(),
            room: None,
            facts: Vec::new(),
        }
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours.csv");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn a_guest_who_may_not_share_is_told_what_would_allow_it() {
        let rules = Examined::load(None).unwrap();
        let said = rules
            .explain(&question("guest", "share_screen"), None)
            .await
            .unwrap();
        assert!(
            said.starts_with("guest, publish_screen: denied: no rule allows it"),
            "{said}"
        );
        assert!(
            said.contains("screen_share=hosts_and_presenters  (strictest)"),
            "{said}"
        );
        assert!(
            said.contains("policy/rules.csv:") && said.contains("if right=granted"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn the_rule_that_decided_is_named_with_its_file_and_line() {
        let (_folder, path) = file("# Ours.\np, host, publish_screen, standing=admitted, deny\n");
        let rules = Examined::load(Some(&path)).unwrap();
        let said = rules
            .explain(&question("host", "share_screen"), None)
            .await
            .unwrap();
        let place = format!(
            "denied by {}:2  p, host, publish_screen, standing=admitted, deny",
            path.display()
        );
        assert!(said.contains(&place), "{said}");
        let said = rules
            .explain(&question("owner", "share_screen"), None)
            .await
            .unwrap();
        assert!(said.contains("allowed by policy/rules.csv:"), "{said}");
        let mut other = question("guest", "speak");
        other.facts = vec!["right=granted".into()];
        let said = rules.explain(&other, None).await.unwrap();
        assert!(
            said.contains("allowed by") && said.contains("right=granted  (given)"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn what_does_not_exist_is_named() {
        let (rules, (_folder, store)) = (Examined::load(None).unwrap(), store().await);
        for (role, action, fact, room) in [
            ("boss", "lock", "", ""),
            ("host", "explode", "", ""),
            ("host", "lock", "weather=fair", ""),
            ("host", "lock", "standing", ""),
            ("host", "lock", "", "nowhere"),
            ("host", "lock", "", "aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            let mut asked = question(role, action);
            asked.facts = Some(fact.to_owned())
                .filter(|fact| !fact.is_empty())
                .into_iter()
                .collect();
            asked.room = Some(room.to_owned()).filter(|room| !room.is_empty());
            assert!(
                rules.explain(&asked, Some(&store)).await.is_err(),
                "{role} {action} {fact} {room}"
            );
        }
    }

    #[test]
    fn a_check_names_every_fault_and_rules_that_do_nothing() {
        let (_folder, path) = file(
            "p, guest, ask, standing=admitted, allow\np, boss, lock, standing=admitted, deny\nnonsense\n",
        );
        let said = check(&path).unwrap_err().to_string();
        assert!(
            said.starts_with("2 faults") && said.contains("line 1: ") && said.contains("line 3: "),
            "{said}"
        );
        let (_folder, path) = file(
            "p, guest, lock, standing=admitted, deny\np, guest, ask, standing=admitted, deny\n",
        );
        let said = check(&path).unwrap();
        assert!(
            said.contains("2 rules") && said.contains("line 1 takes nothing away"),
            "{said}"
        );
        assert!(!said.contains("line 2"), "{said}");
    }

    #[test]
    fn a_difference_lists_who_loses_what_and_back() {
        let (_folder, path) = file("p, moderator, lock, standing=admitted, deny\n");
        let (before, after) = (
            Examined::load(Some(Path::new(BUILT_IN))).unwrap(),
            Examined::load(Some(&path)).unwrap(),
        );
        let said = before.changes(&after);
        assert!(
            said.starts_with("- owner, host, lock: denied in 1 cases"),
            "{said}"
        );
        assert!(said.ends_with("2 decisions change"), "{said}");
        assert!(
            after
                .changes(&before)
                .starts_with("+ owner, host, lock: allowed")
        );
        assert_eq!(before.changes(&before), "0 decisions change");
    }

    #[test]
    fn the_table_can_be_of_one_role_or_action() {
        let rules = Examined::load(None).unwrap();
        let said = rules.table(Some("guest"), Some("knock")).unwrap();
        assert!(
            said.starts_with("knock: by ") && said.contains("guest"),
            "{said}"
        );
        assert!(rules.table(None, None).unwrap().lines().count() > 100);
        assert!(rules.table(Some("boss"), None).is_err());
    }
}
