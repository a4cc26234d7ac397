//! What can go wrong with stored things. No variant carries stored text: errors are logged and rows are personal.

use thiserror::Error;

/// Why the store did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The database failed, or the queue to it is full. Nothing was acknowledged.
    #[error("the database is not available")]
    Unavailable,
    /// Something else already stands in that place.
    #[error("it exists already")]
    Conflict,
    /// There is no such row, or it has ended.
    #[error("there is no such row")]
    Missing,
    /// The bound on such rows is reached.
    #[error("there are too many of them")]
    Full,
    /// The settings would leave the room without any protection, or one of them is unknown.
    #[error("the settings do not stand together")]
    Settings,
    /// What was stored does not open or does not parse: another key file, or altered bytes.
    #[error("a stored value does not open")]
    Corrupt,
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder or the database file cannot be made or read.
    #[error("cannot use the data folder: {0}")]
    Folder(#[source] std::io::Error),
    /// There is a database, but the keys that open it are gone.
    #[error("the key file `{0}` is missing; without it the database cannot be read")]
    KeysMissing(String),
    /// Others than the owner may read the key file.
    #[error("the key file `{0}` must be readable by its owner only (mode 0600)")]
    KeysExposed(String),
    /// The key file is not one.
    #[error("the key file `{0}` is damaged")]
    KeysDamaged(String),
    /// The key file is wrapped, and nothing to open it with is given.
    #[error("the key file `{0}` is wrapped by a master key; name it under `keys`")]
    MasterMissing(String),
    /// The key file is wrapped by another master key, or damaged.
    #[error("the key file `{0}` does not open with this master key")]
    MasterForeign(String),
    /// The key file belongs to another database.
    #[error("the key file does not belong to this database")]
    KeysForeign,
    /// The address of the database does not read. It may hold a password, so it is not shown.
    #[error(
        "the address of the database is not of the form postgresql://user:password@host:port/name, or \
         postgresql:///name?host=/folder for a socket"
    )]
    Address,
    /// The database did not answer in time.
    #[error("the database does not answer")]
    Silent,
    /// The database cannot keep what it is asked to keep.
    #[error("the database cannot be used: {0}")]
    Unfit(&'static str),
    /// Another server writes to it.
    #[error("another server has this database open; only one may")]
    Taken,
    /// The database refused.
    #[error("cannot open the database: {0}")]
    Database(#[source] sqlx::Error),
    /// The database comes from a later version, or a migration was altered.
    #[error("cannot bring the database up to date: {0}")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// What was stored first could not be read or written.
    #[error("cannot prepare the database: {0}")]
    Prepare(#[from] StoreError),
}

/// Sorts a failure by blame and logs what is ours. The text of a database error names tables, never values.
pub(crate) fn failed(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(e) if e.is_unique_violation() => StoreError::Conflict,
        sqlx::Error::Database(e) if e.is_foreign_key_violation() => StoreError::Missing,
        sqlx::Error::Database(e) if e.is_check_violation() => {
            tracing::error!(%error, "a row does not fit its table");
            StoreError::Corrupt
        }
        sqlx::Error::RowNotFound => StoreError::Missing,
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_) => {
            tracing::error!(%error, "a stored row does not decode");
            StoreError::Corrupt
        }
        _ => {
            tracing::error!(%error, "the database failed");
            StoreError::Unavailable
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        failed(&error)
    }
}
