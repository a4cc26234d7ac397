//! What the operator says about telling other programs.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Settings of webhooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Hosts that may have an internal address. All others must be on the public internet.
    pub internal: Vec<String>,
    /// PEM file with authorities of the operator's own, trusted beside those of the system.
    pub authorities: Option<PathBuf>,
    /// How often something is tried before it is dead.
    pub attempts: u32,
    /// How long after the first failure it is tried again; the wait triples from then on, up to eight hours.
    pub first_wait_ms: u32,
    /// After how long of nothing but failures a webhook is told nothing any more.
    pub give_up_hours: u32,
    /// How long it is kept what became of telling.
    pub kept_days: u32,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            internal: Vec::new(),
            authorities: None,
            attempts: 12,
            first_wait_ms: 5_000,
            give_up_hours: 72,
            kept_days: 14,
        }
    }
}

impl WebhookSettings {
    /// What cannot be, by the name of its key.
    pub fn wrong(&self) -> impl Iterator<Item = String> {
        let wrong = [
            (
                self.attempts == 0 || self.attempts > 100,
                "attempts",
                "1 to 100",
            ),
            (self.first_wait_ms == 0, "first_wait_ms", "at least 1"),
            (self.give_up_hours == 0, "give_up_hours", "at least 1"),
            (
                self.kept_days == 0 || self.kept_days > 365,
                "kept_days",
                "1 to 365",
            ),
        ];
        wrong
            .into_iter()
            .filter(|(is_wrong, ..)| *is_wrong)
            .map(|(_, key, range)| format!("`webhooks.{key}` must be {range}"))
    }

    /// How long it is kept what became of telling.
    pub fn kept(&self) -> Duration {
        Duration::from_secs(u64::from(self.kept_days) * 24 * 60 * 60)
    }

    pub(super) fn give_up(&self) -> Duration {
        Duration::from_secs(u64::from(self.give_up_hours) * 60 * 60)
    }

    pub(super) fn first_wait(&self) -> Duration {
        Duration::from_millis(self.first_wait_ms.into())
    }
}
