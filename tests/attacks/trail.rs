//! Reads the audit trail as it lies on the disk, after the server has stopped: what was denied must stand there.

use std::path::Path;

use data_encoding::BASE32_NOPAD;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::process::Command;

use crate::common::server::Server;

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) action: String,
    pub(crate) decision: String,
    pub(crate) actor: Option<String>,
    pub(crate) count: u64,
}

/// The whole trail of a data folder.
pub(crate) struct Trail(pub(crate) Vec<Line>);

impl Trail {
    /// Stops the server and reads the trail that it leaves, whose chain must hold.
    pub(crate) async fn of(server: Server) -> Self {
        let data = server.data.clone();
        assert!(server.stop().await.success());
        let verified = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["audit", "verify", "--data"])
            .arg(data.path())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(verified.stdout).unwrap();
        assert!(verified.status.success(), "{said}");
        let lines = read(data.path()).await;
        assert!(said.starts_with(&format!("{} rows", lines.len())), "{said}");
        Self(lines)
    }

    /// How many times this action was denied to this identity.
    pub(crate) fn denied(&self, actor: &str, action: &str) -> u64 {
        self.sum(|line| {
            line.decision == "denied"
                && line.actor.as_deref() == Some(actor)
                && line.action == action
        })
    }

    /// How many times anything was denied to this identity.
    pub(crate) fn denials(&self, actor: &str) -> u64 {
        self.sum(|line| line.decision == "denied" && line.actor.as_deref() == Some(actor))
    }

    /// How many rows permit this action to this identity.
    pub(crate) fn permitted(&self, actor: &str, action: &str) -> u64 {
        self.sum(|line| {
            line.decision == "permitted"
                && line.actor.as_deref() == Some(actor)
                && line.action == action
        })
    }

    fn sum(&self, of: impl Fn(&Line) -> bool) -> u64 {
        self.0
            .iter()
            .filter(|line| of(line))
            .map(|line| line.count)
            .sum()
    }
}

async fn read(data: &Path) -> Vec<Line> {
    let options = SqliteConnectOptions::new()
        .filename(data.join("conclave.db"))
        .read_only(true);
    let mut database: SqliteConnection = options.connect().await.unwrap();
    let rows = sqlx::query("SELECT action, decision, actor, count FROM audit ORDER BY seq")
        .fetch_all(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    let id = |bytes: Vec<u8>| BASE32_NOPAD.encode(&bytes).to_lowercase();
    rows.iter()
        .map(|row| Line {
            action: row.get("action"),
            decision: row.get("decision"),
            actor: row.get::<Option<Vec<u8>>, _>("actor").map(id),
            count: u64::try_from(row.get::<i64, _>("count")).unwrap(),
        })
        .collect()
}
