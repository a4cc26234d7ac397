//! The organisation's rules file: read at the start, and again on SIGHUP and when it changes. What decides is swapped as a
//! whole, once it is found sound; a file with any fault changes nothing but the alarm.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conclave_policy::engine::{PolicyError, Snapshot};
use conclave_policy::explain;
use conclave_policy::permit::PolicyVersion;
use data_encoding::HEXLOWER;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Metrics;
use ring::digest::{SHA256, digest};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::guard::Guard;
use crate::rooms::registry::Registry;
use crate::store::database::Store;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// One byte more than a rule text may have, so that a longer one is seen to be longer.
const MOST_BYTES: u64 = 64 * 1024 + 1;
/// So much of a digest names a rule set in the trail.
const NAMED_BY: usize = 8;

/// Why a rules file is refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is not text.
    #[error("`{0}` is not text")]
    NotText(PathBuf),
    /// It is not sound.
    #[error("`{0}`: {1}")]
    Refused(PathBuf, #[source] PolicyError),
    /// The server's own rules are not sound.
    #[error(transparent)]
    Server(#[from] PolicyError),
}

/// The text of a rules file.
///
/// # Errors
/// When it cannot be read or is not text.
pub fn read(path: &Path) -> Result<String, RulesError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| RulesError::Unreadable(path.to_owned(), error))?;
    String::from_utf8(bytes).map_err(|_| RulesError::NotText(path.to_owned()))
}

/// A rule set, and which it is.
pub struct Loaded {
    /// The decisions.
    pub snapshot: Snapshot,
    /// What the trail says of it: digests of the texts.
    pub which: String,
    text: Option<String>,
}

/// The server's rules, narrowed by those of the file if one is named.
///
/// # Errors
/// When a text has a fault; the server must then not start.
pub fn load(path: Option<&Path>, version: PolicyVersion) -> Result<Loaded, RulesError> {
    let Some(path) = path else {
        return Ok(Loaded {
            snapshot: Snapshot::built_in(version)?,
            which: which(None),
            text: None,
        });
    };
    of_text(path, read(path)?, version)
}

fn of_text(path: &Path, text: String, version: PolicyVersion) -> Result<Loaded, RulesError> {
    let snapshot = Snapshot::narrowed(&text, version)
        .map_err(|error| RulesError::Refused(path.to_owned(), error))?;
    Ok(Loaded {
        snapshot,
        which: which(Some(&text)),
        text: Some(text),
    })
}

/// Which rules these are, by digests of their texts: nothing that someone wrote stands in the trail.
fn which(organisation: Option<&str>) -> String {
    let name = |text: &str| {
        let digest = digest(&SHA256, text.as_bytes());
        let start: Vec<u8> = digest.as_ref().iter().copied().take(NAMED_BY).collect();
        HEXLOWER.encode(&start)
    };
    let organisation = organisation.map_or("none".to_owned(), name);
    format!(
        "server={} organisation={organisation}",
        name(explain::server_text())
    )
}

/// What the operator's page shows of the rules.
#[derive(Clone, Debug, Default)]
pub struct RulesMetrics {
    version: Gauge,
    rejected: Counter,
    stale: Gauge,
}

impl RulesMetrics {
    /// Shows them.
    pub fn register(&self, metrics: &mut Metrics) {
        metrics.register(
            "policy_version",
            "The rule set in force, counted from the start",
            self.version.clone(),
        );
        metrics.register(
            "policy_rules_rejected",
            "Rules files that were refused, the rules before staying in force",
            self.rejected.clone(),
        );
        metrics.register(
            "policy_rules_stale",
            "1 while the rules file is not what is in force",
            self.stale.clone(),
        );
    }
}

/// What a look at the file found: its text, or why there is none.
type Look = Result<String, String>;

/// Watches the rules file.
pub struct Watcher {
    path: Option<PathBuf>,
    guard: Arc<Guard>,
    rooms: Arc<Registry>,
    store: Store,
    metrics: RulesMetrics,
    /// The text in force.
    in_force: Option<String>,
    /// What was found last and is not in force: it must be found twice, for it may be half written.
    pending: Option<Look>,
    /// What was refused last, so that the alarm is not raised for it again.
    refused: Option<Look>,
}

impl Watcher {
    /// Watches the file from which the rules in force were loaded.
    pub fn new(
        path: Option<PathBuf>,
        loaded_text: Option<String>,
        guard: Arc<Guard>,
        rooms: Arc<Registry>,
        store: Store,
        metrics: RulesMetrics,
    ) -> Self {
        metrics.version.set(shown(guard.snapshot().version()));
        Self {
            path,
            guard,
            rooms,
            store,
            metrics,
            in_force: loaded_text,
            pending: None,
            refused: None,
        }
    }

    /// Watches until the server stops.
    pub async fn watch(mut self, mut stopping: watch::Receiver<bool>) {
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => {
                tracing::error!(%error, "SIGHUP cannot be listened for");
                return;
            }
        };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                hangup = hangups.recv() => {
                    if hangup.is_none() {
                        return;
                    }
                    self.on_hangup().await;
                }
                _ = looks.tick(), if self.path.is_some() => self.on_look().await,
            }
        }
    }

    /// The operator says that the file is as it should be.
    async fn on_hangup(&mut self) {
        let Some(path) = self.path.clone() else {
            tracing::info!("SIGHUP: no rules file is set (`policy.rules`), nothing to read");
            return;
        };
        self.refused = None;
        let found = look(&path).await;
        if found.as_ref().ok() == self.in_force.as_ref() {
            self.settled();
            tracing::info!("SIGHUP: the rules file is what is in force already");
            return;
        }
        self.take(&path, found).await;
    }

    async fn on_look(&mut self) {
        let Some(path) = self.path.clone() else {
            return;
        };
        let found = look(&path).await;
        if found.as_ref().ok() == self.in_force.as_ref() {
            self.settled();
        } else if self.refused.as_ref() == Some(&found) {
            self.pending = None;
        } else if self.pending.as_ref() == Some(&found) {
            self.take(&path, found).await;
        } else {
            self.pending = Some(found);
        }
    }

    fn settled(&mut self) {
        self.pending = None;
        self.refused = None;
        self.metrics.stale.set(0);
    }

    /// Puts what was found in force, if it is sound.
    async fn take(&mut self, path: &Path, found: Look) {
        self.pending = None;
        let version = PolicyVersion(self.guard.snapshot().version().0.saturating_add(1));
        let loaded = match found.clone() {
            Err(why) => Err(why),
            Ok(text) => {
                let path = path.to_owned();
                // Some hundred milliseconds of CPU: meetings go on meanwhile, under the rules in force.
                let loading = tokio::task::spawn_blocking(move || of_text(&path, text, version));
                match loading.await {
                    Ok(loaded) => loaded.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        match loaded {
            Ok(loaded) => self.swap(loaded).await,
            Err(why) => {
                self.refused = Some(found);
                self.metrics.rejected.inc();
                self.metrics.stale.set(1);
                tracing::error!(
                    event = "policy_rules_rejected",
                    version = self.guard.snapshot().version().0,
                    "the rules file is refused, the rules before stay in force: {why}"
                );
            }
        }
    }

    async fn swap(&mut self, loaded: Loaded) {
        let version = loaded.snapshot.version();
        let Some(audit) = self
            .guard
            .swap(self.store.org(), loaded.snapshot, loaded.which)
        else {
            tracing::error!(
                event = "policy_rules_rejected",
                "newer rules are in force already"
            );
            return;
        };
        self.rooms.rules_changed().await;
        self.in_force = loaded.text;
        self.metrics.version.set(shown(version));
        self.settled();
        tracing::info!(
            event = "policy_rules_swapped",
            version = version.0,
            "new rules are in force"
        );
        // What the database does not take now, the guard keeps for later.
        let _kept_if_late = audit.await;
    }
}

impl Loaded {
    /// The organisation's text, if there is one.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a reason to stop too.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

async fn look(path: &Path) -> Look {
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || read(&path)).await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn shown(version: PolicyVersion) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_named_by_what_they_say_and_nothing_of_it_is_told() {
        let (folder, text) = (
            tempfile::tempdir().unwrap(),
            "p, guest, ask, standing=admitted, deny\n",
        );
        let path = folder.path().join("rules.csv");
        std::fs::write(&path, text).unwrap();
        let loaded = load(Some(&path), PolicyVersion(1)).unwrap();
        let alone = load(None, PolicyVersion(1)).unwrap();
        assert_eq!(loaded.text(), Some(text));
        assert_ne!(loaded.which, alone.which);
        assert!(alone.which.ends_with("organisation=none"));
        assert!(loaded.which.bytes().all(|byte| byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || b" =".contains(&byte)));
    }

    #[test]
    fn h09_a_file_that_is_missing_not_text_or_endless_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.csv");
        assert!(matches!(
            load(Some(&path), PolicyVersion(1)),
            Err(RulesError::Unreadable(..))
        ));
        assert!(load(Some(folder.path()), PolicyVersion(1)).is_err());
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(
            load(Some(&path), PolicyVersion(1)),
            Err(RulesError::NotText(_))
        ));
        assert!(matches!(
            load(Some(Path::new("/dev/zero")), PolicyVersion(1)),
            Err(RulesError::Refused(..))
        ));
    }
}
