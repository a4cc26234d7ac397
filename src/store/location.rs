//! Where the database is, and how connections to it are made: a file in the data folder, or a PostgreSQL server.
//!
//! To a server TLS is always spoken and its certificate checked, except over a socket of this machine; and whoever writes
//! holds the one lock of the database, so that two servers never do.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _};

use crate::secret::Secret;
use crate::store::error::OpenError;
use crate::store::sql::{Owned, Pool, query_scalar};

/// The database in the data folder.
pub const DATABASE_FILE: &str = "conclave.db";
const READERS: u32 = 4;
/// How long a read waits for a free connection, and a connection for another process or for the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// The name of the lock that the writer holds, as PostgreSQL wants it: the letters of "conclave".
const LOCK: i64 = i64::from_be_bytes(*b"conclave");
/// How often the lock is tried for, and the pause between.
const LOCK_TRIES: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// What an address may say. Anything else is refused: a misspelt word could be a password on its way into a log.
const WORDS: &[&str] = &["host", "port", "user", "password", "dbname"];
/// What every session of PostgreSQL is set to. A connection that is lost lets go of the lock within half a minute.
const SESSION: &[(&str, &str)] = &[
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("client_min_messages", "warning"),
];
/// The first version with everything that the statements use and that is still cared for by its makers.
const OLDEST: i64 = 14;

/// Where everything that lasts is kept.
#[derive(Clone)]
pub struct Location(Place);

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Server(Box<PgConnectOptions>),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Place::Folder(_) => "Location(SQLite)",
            Place::Server(_) => "Location(PostgreSQL)",
        })
    }
}

impl Location {
    /// The embedded database in a data folder.
    pub fn folder(folder: &Path) -> Self {
        Self(Place::Folder(folder.to_owned()))
    }

    /// A database of a PostgreSQL server: `postgresql://user:password@host:port/name`, or `postgresql:///name?host=/folder` for a
    /// socket. `authority` is a PEM file with the certificate authority that the server's certificate comes from.
    ///
    /// # Errors
    /// When the address does not read. The error says nothing of what is in it.
    pub fn postgres(address: &Secret<String>, authority: Option<&Path>) -> Result<Self, OpenError> {
        let text = address.expose();
        let rest = ["postgresql://", "postgres://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let words = rest.and_then(|rest| rest.split_once('?')).map(|(_, w)| w);
        let known = |word: &str| {
            word.split('=')
                .next()
                .is_some_and(|key| WORDS.contains(&key))
        };
        if rest.is_none() || words.is_some_and(|words| !words.split('&').all(known)) {
            return Err(OpenError::Address);
        }
        let options: PgConnectOptions = text.parse().map_err(|_| OpenError::Address)?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(OpenError::Address);
        }
        let local = options.get_socket().is_some() || options.get_host().starts_with('/');
        let options = if local {
            options.ssl_mode(PgSslMode::Disable)
        } else {
            options.ssl_mode(PgSslMode::VerifyFull)
        };
        let options = match authority {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        };
        let options = options
            .application_name("conclave")
            .options(SESSION.iter().copied())
            .disable_statement_logging();
        Ok(Self(Place::Server(Box::new(options))))
    }

    /// Opens the connection that writes. On a server it takes the lock that only one may hold.
    pub(super) async fn writer(&self) -> Result<Owned, OpenError> {
        self.try_writer(LOCK_TRIES).await
    }

    /// The same for someone who only looks: while a server writes there, a connection that cannot, and `false`.
    pub(super) async fn visitor(&self) -> Result<(Owned, bool), OpenError> {
        match (self.try_writer(1).await, &self.0) {
            (Err(OpenError::Taken), Place::Server(options)) => {
                let own = connect(&reading(options)).await?;
                Ok((own, false))
            }
            (own, _) => Ok((own?, true)),
        }
    }

    async fn try_writer(&self, tries: u32) -> Result<Owned, OpenError> {
        match &self.0 {
            Place::Folder(folder) => {
                prepare(folder).map_err(OpenError::Folder)?;
                let own = sqlite(folder).connect().await;
                own.map(Owned::Sqlite).map_err(OpenError::Database)
            }
            Place::Server(options) => {
                let mut own = connect(options).await?;
                trust(&mut own).await?;
                lock(&mut own, tries).await?;
                Ok(own)
            }
        }
    }

    /// The connections that only read. None is made yet.
    pub(super) fn readers(&self) -> Pool {
        match &self.0 {
            Place::Folder(folder) => Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .acquire_timeout(PATIENCE)
                    // A file does not hang up: to ask a connection whether it lives would be one more way to its thread and back.
                    .test_before_acquire(false)
                    .connect_lazy_with(sqlite(folder).pragma("query_only", "on")),
            ),
            Place::Server(options) => Pool::Postgres(
                PgPoolOptions::new()
                    .max_connections(READERS)
                    .acquire_timeout(PATIENCE)
                    .connect_lazy_with(reading(options)),
            ),
        }
    }

    /// A connection for the scrubbing of SQLite's log, which waits only so long for others; none where there is no such log.
    pub(super) async fn scrubber(
        &self,
        patience: Duration,
    ) -> Result<Option<SqliteConnection>, sqlx::Error> {
        match &self.0 {
            Place::Folder(folder) => sqlite(folder)
                .busy_timeout(patience)
                .connect()
                .await
                .map(Some),
            Place::Server(_) => Ok(None),
        }
    }

    /// How long one group of writes may take before its connection is given up. A file answers, or fails by itself.
    pub(super) fn group_patience(&self) -> Option<Duration> {
        match &self.0 {
            Place::Folder(_) => None,
            Place::Server(_) => Some(Duration::from_secs(30)),
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<Owned, OpenError> {
    tokio::time::timeout(PATIENCE, PgConnection::connect_with(options))
        .await
        .map_err(|_| OpenError::Silent)?
        .map(Owned::Postgres)
        .map_err(OpenError::Database)
}

fn reading(options: &PgConnectOptions) -> PgConnectOptions {
    options
        .clone()
        .options([("default_transaction_read_only", "on")])
}

fn sqlite(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(DATABASE_FILE))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // Nothing is written beside the database, not even while sorting.
        .pragma("temp_store", "memory")
        // What is taken away is overwritten, not only unlinked.
        .pragma("secure_delete", "on")
        .disable_statement_logging()
}

/// The folder and the file belong to the server's user alone; SQLite gives its side files the same mode.
fn prepare(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(DATABASE_FILE))?;
    Ok(())
}

/// Whether what this server calls committed is on its disk.
async fn trust(own: &mut Owned) -> Result<(), OpenError> {
    let setting = async |own: &mut Owned, sql: &'static str| -> Result<String, OpenError> {
        query_scalar(sql)
            .fetch_one(&mut own.on())
            .await
            .map_err(OpenError::Database)
    };
    let version = setting(own, "SELECT current_setting('server_version_num')").await?;
    if version.parse::<i64>().is_ok_and(|n| n / 10_000 < OLDEST) {
        return Err(OpenError::Unfit("it is older than version 14"));
    }
    if setting(own, "SELECT current_setting('server_encoding')").await? != "UTF8" {
        return Err(OpenError::Unfit("its encoding is not UTF8"));
    }
    for sql in [
        "SELECT current_setting('fsync')",
        "SELECT current_setting('full_page_writes')",
    ] {
        if setting(own, sql).await? != "on" {
            return Err(OpenError::Unfit(
                "`fsync` or `full_page_writes` is off, so what it acknowledges may be lost",
            ));
        }
    }
    // Stricter than `on` is left as it is.
    setting(
        own,
        "SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply' \
         THEN 'remote_apply' ELSE 'on' END, false)",
    )
    .await?;
    Ok(())
}

async fn lock(own: &mut Owned, tries: u32) -> Result<(), OpenError> {
    // A server that just stopped, or whose line was cut, lets go of the lock a moment later.
    for tried in 1..=tries {
        let locked: bool = query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut own.on())
            .await
            .map_err(OpenError::Database)?;
        if locked {
            return Ok(());
        }
        if tried < tries {
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }
    Err(OpenError::Taken)
}

#[cfg(test)]
impl Location {
    /// A connection of someone who reaches the database past the server: without the lock.
    pub(super) async fn outside(&self) -> Owned {
        match &self.0 {
            Place::Folder(folder) => Owned::Sqlite(sqlite(folder).connect().await.unwrap()),
            Place::Server(options) => Owned::Postgres(options.connect().await.unwrap()),
        }
    }

    /// A database of its own for each folder, on the server that the tests run with (`ops/postgres.sh`); without one, a file.
    pub(super) async fn for_test(folder: &Path) -> Self {
        use crate::store::sql::query;

        let Ok(server) = std::env::var("CONCLAVE_TEST_POSTGRES") else {
            return Self::folder(folder);
        };
        let port = std::fs::read_to_string(format!("{server}/port")).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let at = |name: &str| {
            let port = port.trim();
            let address = format!("postgresql:///{name}?host={server}&port={port}&user=conclave");
            Self::postgres(&Secret::new(address), None).unwrap()
        };
        // It may be there already: a test opens its folder again.
        let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        let _there = query(make)
            .execute(&mut at("postgres").outside().await.on())
            .await;
        at(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Location, OpenError> {
        Location::postgres(&Secret::new(text.to_owned()), None)
    }

    fn mode(location: &Location) -> String {
        match &location.0 {
            Place::Folder(_) => String::new(),
            Place::Server(options) => format!("{:?}", options.get_ssl_mode()),
        }
    }

    #[test]
    fn a_server_is_asked_for_its_certificate_and_a_socket_is_not() {
        for (text, expected) in [
            (
                "postgresql://conclave:x@db.example.org/conclave",
                "VerifyFull",
            ),
            ("postgres://conclave@127.0.0.1:5433/conclave", "VerifyFull"),
            ("postgresql:///conclave?host=/run/postgresql", "Disable"),
            ("postgresql://%2Frun%2Fpostgresql/conclave", "Disable"),
        ] {
            assert_eq!(mode(&address(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn an_address_that_weakens_or_does_not_read_is_refused_and_not_shown() {
        for text in [
            "",
            "sqlite://x",
            "mysql://conclave:hunter2@db.example.org/conclave",
            "postgresql://conclave:hunter2@db.example.org",
            "postgresql://conclave:hunter2@db.example.org:port/conclave",
            "postgresql://conclave:hunter2@db.example.org/conclave?sslmode=disable",
            "postgresql://conclave@db.example.org/conclave?pasword=hunter2",
            "postgresql://conclave:hunter2@db.example.org/c?options=-csynchronous_commit%3Doff",
        ] {
            let refused = address(text).unwrap_err();
            assert!(matches!(refused, OpenError::Address), "{text}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
        let shown = format!("{:?}", address("postgresql://c:hunter2@h/c").unwrap());
        assert_eq!(shown, "Location(PostgreSQL)");
    }

    /// The server of `ops/postgres.sh`, with a database for this test; none without it.
    async fn server(folder: &Path) -> Option<(Location, String)> {
        let location = Location::for_test(folder).await;
        let server = std::env::var("CONCLAVE_TEST_POSTGRES").ok()?;
        Some((location, server))
    }

    async fn number(location: &Location, sql: &'static str) -> String {
        query_scalar(sql)
            .fetch_one(&mut location.outside().await.on())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_second_server_on_the_same_database_does_not_start() {
        let folder = tempfile::tempdir().unwrap();
        let Some((location, _)) = server(folder.path()).await else {
            return;
        };
        let first = location.writer().await.unwrap();
        assert!(matches!(location.writer().await, Err(OpenError::Taken)));
        let (mut beside, may_write) = location.visitor().await.unwrap();
        let refused = crate::store::sql::query("CREATE TABLE other (id BIGINT)");
        assert!(!may_write && refused.execute(&mut beside.on()).await.is_err());
        first.close().await.unwrap();
        location.writer().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_with_another_certificate_or_password_is_not_spoken_to() {
        let folder = tempfile::tempdir().unwrap();
        let Some((_, server)) = server(folder.path()).await else {
            return;
        };
        let read = |name: &str| std::fs::read_to_string(format!("{server}/{name}")).unwrap();
        let (port, password) = (read("port"), read("password"));
        let (port, password) = (port.trim(), password.trim().replace(' ', "%20"));
        let authority = std::path::PathBuf::from(format!("{server}/ca.pem"));
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let to = |host: &str, password: &str, authority: Option<&Path>| {
            let address = format!("postgresql://conclave:{password}@{host}:{port}/{name}");
            Location::postgres(&Secret::new(address), authority).unwrap()
        };
        let trusted = to("localhost", &password, Some(&authority));
        let mut own = trusted.writer().await.unwrap();
        let sealed: bool = query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_one(&mut own.on())
            .await
            .unwrap();
        assert!(sealed);
        for wrong in [
            to("localhost", &password, None),
            to("127.0.0.1", &password, Some(&authority)),
            to("localhost", "hunter2", Some(&authority)),
        ] {
            let refused = wrong.writer().await.unwrap_err();
            assert!(matches!(refused, OpenError::Database(_)), "{refused}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn what_is_committed_is_on_disk_whatever_the_database_says() {
        let folder = tempfile::tempdir().unwrap();
        let Some((location, _)) = server(folder.path()).await else {
            return;
        };
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let loose = format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off");
        crate::store::sql::query(sqlx::AssertSqlSafe(loose))
            .execute(&mut location.outside().await.on())
            .await
            .unwrap();
        let said = "SELECT current_setting('synchronous_commit')";
        assert_eq!(number(&location, said).await, "off");
        let mut own = location.writer().await.unwrap();
        let stands: String = query_scalar(said).fetch_one(&mut own.on()).await.unwrap();
        assert_eq!(stands, "on");
    }

    #[tokio::test]
    async fn a_line_that_is_cut_loses_nothing_that_was_acknowledged_and_is_made_anew() {
        use crate::store::audit::tests::entry;
        let (folder, store) = crate::store::database::tests::store().await;
        let Some((location, _)) = server(folder.path()).await else {
            return;
        };
        let cut = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND pid <> pg_backend_pid()";
        let mut acknowledged = 0;
        for at in 1..=40 {
            let written = store.append_audit(entry(&store, at));
            if at % 8 == 0 {
                number(&location, cut).await;
            }
            acknowledged += i64::from(written.await.is_ok());
        }
        let report = store
            .verify_audit(store.org(), &crate::store::verify::Witnesses::default())
            .await
            .unwrap();
        assert_eq!(report.first_bad(), None);
        assert!(acknowledged >= 30, "{acknowledged}");
        assert!(i64::try_from(report.rows).unwrap() >= acknowledged);
    }
}
