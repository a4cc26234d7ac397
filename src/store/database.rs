//! Opens the database and holds the two ways into it: one writer with group commit, and a few connections that only read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Connection as _;

use crate::clock::Timestamp;
use crate::ids::{self, OrgId};
use crate::secret::Secret;
use crate::store::audit;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Life};
use crate::store::error::{OpenError, StoreError};
use crate::store::location::Location;
use crate::store::migrate::{is_current, migrate};
use crate::store::outbox::Listeners;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Owned, Pool, query};
use crate::store::writer::{Change, Writer, Written};

pub use crate::store::location::DATABASE_FILE;

/// The name of the first organisation, until it is given another.
const FIRST_NAME: &str = "Conclave";
/// How long the scrubbing of the log waits for readers; writers wait with it.
const SCRUB_PATIENCE: Duration = Duration::from_millis(20);
const ORGANISATION_NAME: Column = Column {
    table: "organisations",
    name: "name",
    scope: Scope::Organisation,
};

/// Everything that lasts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    reads: Pool,
    keys: Arc<SealingKeys>,
    org: OrgId,
    organisation: Secret<String>,
    location: Location,
    /// Whether the log may hold rows that were taken away for good.
    stale: AtomicBool,
    listeners: Listeners,
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
        Self::open_at(Location::folder(folder), keys, now).await
    }

    /// The same for a database anywhere.
    ///
    /// # Errors
    /// As above, and when another server has it open.
    pub async fn open_at(
        location: Location,
        keys: Arc<SealingKeys>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let connection = location.writer().await?;
        Self::start(location, connection, true, keys, now).await
    }

    /// The same for a command that only looks, also while a server has it open.
    ///
    /// # Errors
    /// As above.
    pub async fn look_at(
        location: Location,
        keys: Arc<SealingKeys>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let (connection, alone) = location.visitor().await?;
        Self::start(location, connection, alone, keys, now).await
    }

    async fn start(
        location: Location,
        mut connection: Owned,
        may_migrate: bool,
        keys: Arc<SealingKeys>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        if may_migrate {
            migrate(&mut connection)
                .await
                .map_err(|error| OpenError::Migration(Box::new(error)))?;
        } else if !is_current(&mut connection).await? {
            return Err(OpenError::Unfit(
                "the server that has it open is of another version than this program",
            ));
        }
        let (org, organisation) = organisation(&mut connection.on(), &keys, now).await?;
        let reads = location.readers();
        let writer = Writer::start(connection, location.clone(), keys.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                reads,
                keys,
                org,
                organisation,
                location,
                stale: AtomicBool::new(false),
                listeners: Listeners::default(),
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

    /// Hears of the end of any of these from now on.
    pub fn life(&self, by: Vec<Ended>) -> Life {
        self.inner.writer.endings().listen(by)
    }

    /// Whether the database answers now.
    pub async fn ready(&self) -> bool {
        query("SELECT 1").execute(self.reads()).await.is_ok()
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

    /// Waits until everything is stored that was queued before.
    pub(super) fn settle(&self) -> Written<()> {
        self.write(Nothing)
    }

    async fn empty_log(&self) -> Result<bool, StoreError> {
        // Everything that was queued before is in the log after this.
        self.settle().await?;
        let Some(mut connection) = self.inner.location.scrubber(SCRUB_PATIENCE).await? else {
            return Ok(true);
        };
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
    pub(super) fn reads(&self) -> &Pool {
        &self.inner.reads
    }

    /// Who waits for news.
    pub(super) fn listeners(&self) -> &Listeners {
        &self.inner.listeners
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

    async fn apply(self, _on: &mut Connection<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Finds or makes the organisation. Opening its name proves that the keys fit.
async fn organisation(
    on: &mut Connection<'_>,
    keys: &SealingKeys,
    now: Timestamp,
) -> Result<(OrgId, Secret<String>), OpenError> {
    let found = query("SELECT org_id, name FROM organisations ORDER BY created, org_id LIMIT 1")
        .fetch_optional(&mut *on)
        .await
        .map_err(OpenError::Database)?;
    if let Some(found) = found {
        let org: OrgId = row::id(&found, "org_id")?;
        let name = row::sealed_text(&mut *on, &found, keys, ORGANISATION_NAME, &[org.as_bytes()])
            .await
            .map_err(|_| OpenError::KeysForeign)?;
        return Ok((org, name));
    }
    let org: OrgId = ids::random(keys.random());
    let mut transaction = on.begin().await.map_err(OpenError::Database)?;
    let place = [org.as_bytes().as_slice()];
    let plain = FIRST_NAME.as_bytes();
    let name = keys
        .seal(&mut transaction.on(), ORGANISATION_NAME, &place, plain)
        .await?;
    query("INSERT INTO organisations (org_id, name, created) VALUES ($1, $2, $3)")
        .bind(org.as_bytes().as_slice())
        .bind(name)
        .bind(now.as_millis())
        .execute(&mut transaction.on())
        .await
        .map_err(OpenError::Database)?;
    audit::begin(&mut transaction.on(), org, keys).await?;
    transaction.commit().await.map_err(OpenError::Database)?;
    keys.cache().settle();
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
    use crate::store::sql::query_scalar;

    /// A store in a folder of its own, which lives as long as the first part of the pair.
    pub(crate) async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await.unwrap();
        (folder, store)
    }

    pub(crate) async fn open(folder: &Path) -> Result<Store, OpenError> {
        let keys = SealingKeys::load_or_create(folder, Arc::new(SystemRandom))?;
        let location = Location::for_test(folder).await;
        Store::open_at(location, keys, ManualClock::new().now()).await
    }

    /// Whether the tests run with PostgreSQL.
    pub(crate) fn on_postgres() -> bool {
        std::env::var_os("CONCLAVE_TEST_POSTGRES").is_some()
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
        if !on_postgres() {
            let mode: String = query_scalar("PRAGMA journal_mode")
                .fetch_one(store.reads())
                .await
                .unwrap();
            let synchronous: i64 = query_scalar("PRAGMA synchronous")
                .fetch_one(store.reads())
                .await
                .unwrap();
            assert_eq!((mode.as_str(), synchronous), ("wal", 2));
        }
        let refused = query("DELETE FROM organisations")
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
        assert!(seen >= if on_postgres() { 1 } else { 3 });
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
