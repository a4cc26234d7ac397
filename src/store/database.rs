//! Opens the database and holds the two ways into it: one writer with group commit, and a few connections that only read.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::clock::Timestamp;
use crate::ids::{self, OrgId};
use crate::secret::Secret;
use crate::store::audit;
use crate::store::error::{OpenError, StoreError};
use crate::store::migrate::migrator;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::writer::{Change, Writer, Written};

/// The database in the data folder.
pub const DATABASE_FILE: &str = "conclave.db";
const READERS: u32 = 4;
/// How long a read waits for a free connection, and a connection for another process.
const PATIENCE: Duration = Duration::from_secs(5);
/// The name of the first organisation, until it is given another.
const FIRST_NAME: &str = "Conclave";
/// How long the scrubbing of the log waits for readers; writers wait with it.
const SCRUB_PATIENCE: Duration = Duration::from_millis(20);
const ORGANISATION_NAME: Column = Column {
    table: "organisations",
    name: "name",
};

/// Everything that lasts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    reads: SqlitePool,
    keys: Arc<SealingKeys>,
    org: OrgId,
    organisation: Secret<String>,
    options: SqliteConnectOptions,
    /// Whether the log may hold rows that were taken away for good.
    stale: AtomicBool,
}

impl Store {
    /// Opens the database of a data folder, brings it up to date, and makes the first organisation at the first start.
    ///
    /// # Errors
    /// When the folder cannot be used, the keys are not this database's, or a migration fails.
    pub async fn open(
        folder: &Path,
        keys: Arc<SealingKeys>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let path = folder.join(DATABASE_FILE);
        prepare(folder, &path).map_err(OpenError::Folder)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            // Nothing is written beside the database, not even while sorting.
            .pragma("temp_store", "memory")
            // What is taken away is overwritten, not only unlinked.
            .pragma("secure_delete", "on")
            .disable_statement_logging();
        let mut connection: SqliteConnection =
            options.connect().await.map_err(OpenError::Database)?;
        migrator()
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| OpenError::Migration(Box::new(error)))?;
        let (org, organisation) = organisation(&mut connection, &keys, now).await?;
        let reads = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone().pragma("query_only", "on"))
            .await
            .map_err(OpenError::Database)?;
        let writer = Writer::start(connection, options.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                reads,
                keys,
                org,
                organisation,
                options,
                stale: AtomicBool::new(false),
            }),
        })
    }

    /// The organisation of everyone, until there are several.
    pub fn org(&self) -> OrgId {
        self.inner.org
    }

    /// Its name, as it stands beside those who sign in with it.
    pub fn organisation_name(&self) -> &str {
        self.inner.organisation.expose()
    }

    /// Whether the database answers now.
    pub async fn ready(&self) -> bool {
        sqlx::query("SELECT 1").execute(self.reads()).await.is_ok()
    }

    /// Something is taken away for good: the log is scrubbed of it when [`Store::scrub_log`] is called next.
    pub(super) fn was_taken_away(&self) {
        self.inner.stale.store(true, Ordering::Release);
    }

    /// Empties the log into the database if something was taken away, for the log holds it as it was before. True when
    /// nothing of the kind is left in it; false when others are at work there just now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn scrub_log(&self) -> Result<bool, StoreError> {
        if !self.inner.stale.swap(false, Ordering::AcqRel) {
            return Ok(true);
        }
        let scrubbed = self.empty_log().await;
        if !matches!(scrubbed, Ok(true)) {
            self.was_taken_away();
        }
        scrubbed
    }

    async fn empty_log(&self) -> Result<bool, StoreError> {
        // Everything that was queued before is in the log after this.
        self.write(Nothing).await?;
        let options = self.inner.options.clone().busy_timeout(SCRUB_PATIENCE);
        let mut connection: SqliteConnection = options.connect().await?;
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(busy == 0)
    }

    /// Writes what is queued and closes; later writes fail.
    pub async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.reads.close().await;
    }

    /// Connections that only read.
    pub(super) fn reads(&self) -> &SqlitePool {
        &self.inner.reads
    }

    /// The keys of sealed columns.
    pub(crate) fn keys(&self) -> &Arc<SealingKeys> {
        &self.inner.keys
    }

    /// Queues a change; the answer comes after its commit.
    pub(super) fn write<C: Change>(&self, change: C) -> Written<C::Out> {
        self.inner.writer.write(change)
    }
}

/// A write of nothing: it is done when everything before it is.
struct Nothing;

impl Change for Nothing {
    type Out = ();

    async fn apply(self, _on: &mut SqliteConnection) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The folder and the file belong to the server's user alone; SQLite gives its side files the same mode.
fn prepare(folder: &Path, path: &Path) -> std::io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

/// Finds or makes the organisation. Opening its name proves that the keys fit.
async fn organisation(
    on: &mut SqliteConnection,
    keys: &SealingKeys,
    now: Timestamp,
) -> Result<(OrgId, Secret<String>), OpenError> {
    let found =
        sqlx::query("SELECT org_id, name FROM organisations ORDER BY created, org_id LIMIT 1")
            .fetch_optional(&mut *on)
            .await
            .map_err(OpenError::Database)?;
    if let Some(found) = found {
        let org: OrgId = row::id(&found, "org_id")?;
        let name = row::sealed_text(&found, keys, ORGANISATION_NAME, &[org.as_bytes()])
            .map_err(|_| OpenError::KeysForeign)?;
        return Ok((org, name));
    }
    let org: OrgId = ids::random(keys.random());
    let name = keys.seal(ORGANISATION_NAME, &[org.as_bytes()], FIRST_NAME.as_bytes())?;
    let mut transaction = on.begin().await.map_err(OpenError::Database)?;
    sqlx::query("INSERT INTO organisations (org_id, name, created) VALUES ($1, $2, $3)")
        .bind(org.as_bytes().as_slice())
        .bind(name)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await
        .map_err(OpenError::Database)?;
    audit::begin(&mut transaction, org, keys).await?;
    transaction.commit().await.map_err(OpenError::Database)?;
    Ok((org, Secret::new(FIRST_NAME.to_owned())))
}

#[cfg(test)]
impl Store {
    /// Lets tests of other parts put rows in place.
    pub(crate) fn write_for_test<C: Change>(&self, change: C) -> Written<C::Out> {
        self.write(change)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::secret::SystemRandom;

    /// A store in a folder of its own, which lives as long as the first part of the pair.
    pub(crate) async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await.unwrap();
        (folder, store)
    }

    pub(crate) async fn open(folder: &Path) -> Result<Store, OpenError> {
        let keys = SealingKeys::load_or_create(folder, Arc::new(SystemRandom))?;
        Store::open(folder, keys, ManualClock::new().now()).await
    }

    #[tokio::test]
    async fn the_organisation_stays_the_same_after_a_restart() {
        let (folder, store) = store().await;
        let org = store.org();
        store.close().await;
        assert_eq!(open(folder.path()).await.unwrap().org(), org);
    }

    #[tokio::test]
    async fn a_foreign_key_file_is_refused() {
        let (folder, store) = store().await;
        store.close().await;
        let (other, _) = self::store().await;
        let file = crate::store::seal::KEY_FILE;
        std::fs::copy(other.path().join(file), folder.path().join(file)).unwrap();
        assert!(matches!(
            open(folder.path()).await,
            Err(OpenError::KeysForeign)
        ));
    }

    #[tokio::test]
    async fn commits_are_synchronous_and_readers_cannot_write() {
        let (_folder, store) = store().await;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(store.reads())
            .await
            .unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2));
        let refused = sqlx::query("DELETE FROM organisations")
            .execute(store.reads())
            .await;
        assert!(refused.is_err());
    }

    #[tokio::test]
    async fn others_cannot_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, store) = store().await;
        store
            .append_audit(crate::store::audit::tests::entry(&store, 1))
            .await
            .unwrap();
        let mut seen = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
            seen += 1;
        }
        assert!(seen >= 3);
    }

    #[tokio::test]
    async fn a_closed_store_acknowledges_nothing() {
        let (_folder, store) = store().await;
        store.close().await;
        let answer = store
            .append_audit(crate::store::audit::tests::entry(&store, 1))
            .await;
        assert_eq!(answer, Err(StoreError::Unavailable));
    }
}
