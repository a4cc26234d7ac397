//! Signs the newest row of the audit trail each minute, and appends each signed head to a file outside the database if the
//! operator named one. Verification and export of the trail for the command line.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Metrics;

use crate::clock::Clock;
use crate::secret::RandomSource;
use crate::store::database::Store;
use crate::store::heads::{HeadKey, SignedHead};
use crate::store::trail::AuditFilter;
use crate::store::verify::{AuditReport, Witnesses};

/// How often a head is signed, if there is a new row.
const EVERY: Duration = Duration::from_secs(60);
/// Rows that are exported at a time.
const PAGE: u32 = 1000;

/// Signs heads and keeps them.
pub struct Heads {
    store: Store,
    clock: Arc<dyn Clock>,
    key: Arc<HeadKey>,
    file: Option<PathBuf>,
    failed: Counter,
    turned_back: Gauge,
}

impl Heads {
    /// Takes up the key of the data folder, which must be the one that signed the heads before.
    ///
    /// # Errors
    /// When the key cannot be used, is another, or the file cannot be read.
    pub async fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        random: &dyn RandomSource,
        data: &Path,
        file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let key = HeadKey::load_or_create(data, random).context("the audit key cannot be used")?;
        let last = store.last_signed_head(store.org()).await?;
        anyhow::ensure!(
            last.is_none_or(|last| last.holds(key.public())),
            "the audit key is not the one that signed the heads of this trail"
        );
        let heads = Self {
            store,
            clock,
            key: Arc::new(key),
            file,
            failed: Counter::default(),
            turned_back: Gauge::default(),
        };
        heads.compare_with_outside().await?;
        Ok(heads)
    }

    /// Shows what fails.
    pub fn register(&self, metrics: &mut Metrics) {
        metrics.register(
            "audit_heads_failed",
            "Heads of the audit trail that could not be signed or kept outside",
            self.failed.clone(),
        );
        metrics.register(
            "audit_turned_back",
            "1 if the trail was shorter at the start than a head kept outside says",
            self.turned_back.clone(),
        );
    }

    /// Signs until the server stops.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.sign().await;
        }
    }

    /// Signs the newest row and keeps the head.
    pub async fn sign(&self) {
        let (org, now) = (self.store.org(), self.clock.now());
        let signed = self.store.sign_audit_head(org, self.key.clone(), now).await;
        let kept = match signed {
            Ok(None) => return,
            Ok(Some(head)) => self.append(&head).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            self.failed.inc();
            tracing::error!(
                event = "audit_head_failed",
                "a head of the audit trail is not kept: {error}"
            );
        }
    }

    async fn append(&self, head: &SignedHead) -> io::Result<()> {
        let Some(file) = self.file.clone() else {
            return Ok(());
        };
        let line = format!("{}\n", head.line());
        tokio::task::spawn_blocking(move || {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(file)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        })
        .await
        .map_err(io::Error::other)?
    }

    /// A trail that is shorter than what was signed before was turned back: an alarm, for a restored backup is one too.
    async fn compare_with_outside(&self) -> anyhow::Result<()> {
        let org = self.store.org();
        let outside = read(self.file.as_deref())?;
        let newest = outside
            .iter()
            .filter(|head| head.org == org && head.holds(self.key.public()))
            .map(|head| head.seq)
            .max();
        let (rows, _) = self.store.audit_head(org).await?;
        if newest.is_some_and(|newest| newest > rows) {
            self.turned_back.set(1);
            tracing::error!(
                event = "audit_turned_back",
                rows,
                signed = newest,
                "the audit trail is shorter than a head that is kept outside says"
            );
        }
        Ok(())
    }
}

/// The heads of a file; none if none is named or there is no such file yet.
fn read(file: Option<&Path>) -> anyhow::Result<Vec<SignedHead>> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("`{}` cannot be read", file.display()));
        }
    };
    (1..)
        .zip(text.lines())
        .map(|(line, text)| {
            SignedHead::parse(text)
                .with_context(|| format!("`{}`, line {line} is no signed head", file.display()))
        })
        .collect()
}

/// Reads the whole audit trail of a data folder and holds it against every witness.
///
/// # Errors
/// When the database or a witness cannot be read.
pub async fn verify(
    store: &Store,
    data: &Path,
    file: Option<&Path>,
) -> anyhow::Result<AuditReport> {
    let key = HeadKey::load(data).context("the audit key cannot be used")?;
    let outside = read(file)?;
    anyhow::ensure!(
        key.is_some() || outside.is_empty(),
        "there are signed heads, but the key that checks them is gone"
    );
    let witnesses = Witnesses {
        key: key.map(|key| key.public()),
        outside,
    };
    Ok(store.verify_audit(store.org(), &witnesses).await?)
}

/// Writes the rows of the audit trail as lines of JSON, oldest first, a thousand at a time.
///
/// # Errors
/// When the database does not answer or nobody takes the lines.
pub async fn export(
    store: &Store,
    filter: &AuditFilter,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<u64> {
    let (mut after, mut rows) = (0, 0_u64);
    loop {
        let page = store.audit_after(store.org(), filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for row in &page {
            writeln!(out, "{}", row.line())?;
            rows = rows.saturating_add(1);
        }
    }
    out.flush()?;
    Ok(rows)
}
