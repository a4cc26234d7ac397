//! Moves everything from one database to another: all of it in one transaction, read back and compared before it counts.
//!
//! What there is to move is read from the migrations themselves, so that a new table cannot be forgotten.

use ring::digest::{Context, SHA256};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use thiserror::Error;

use crate::store::error::OpenError;
use crate::store::location::Location;
use crate::store::migrate::migrate;
use crate::store::sql::{Connection, Owned, Row, Value, query, query_scalar};

/// Rows that are held at once; one with a picture is the largest.
pub(super) const PAGE: usize = 100;
/// More tables, columns or keys than any version will have.
const MOST: usize = 1000;

/// What was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Tables with at least one row.
    pub tables: usize,
    /// Rows in all.
    pub rows: u64,
}

/// Why nothing was moved. The database that it should come from is as it was.
#[derive(Debug, Error)]
pub enum MoveError {
    /// One of the two cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// There is something in the database already.
    #[error("the database to move to is not empty")]
    NotEmpty,
    /// There is nothing in the database.
    #[error("there is nothing to move")]
    Nothing,
    /// What was read back is not what was written.
    #[error("the table `{0}` reads differently after the move")]
    Different(String),
    /// One of the two failed on the way.
    #[error("a database failed: {0}")]
    Failed(#[from] sqlx::Error),
}

/// How a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bytes,
    Number,
    Text,
}

#[derive(Debug)]
pub(super) struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    /// Places of the columns of the primary key.
    key: Vec<usize>,
}

/// Copies every row from one database to the other, which has to be empty, and gives the former up to be set aside.
///
/// # Errors
/// When either cannot be opened or fails, or the other is not empty. Nothing is changed then.
pub async fn copy(from: &Location, to: &Location) -> Result<Moved, MoveError> {
    let mut source = open(from).await?;
    let mut target = open(to).await?;
    let tables = tables().await?;
    // Whoever writes to the source in this time hears that it is not available.
    let mut reading = source.begin_writing().await?;
    let mut writing = target.begin_writing().await?;
    for table in &tables {
        if !page(&mut writing.on(), table, None).await?.is_empty() {
            return Err(MoveError::NotEmpty);
        }
    }
    let mut moved = Moved { tables: 0, rows: 0 };
    for table in &tables {
        let mut before = Context::new(&SHA256);
        let mut rows = 0;
        let mut last = None;
        loop {
            let found = page(&mut reading.on(), table, last.take()).await?;
            for row in &found {
                digest(&mut before, row);
                write(&mut writing.on(), table, row).await?;
                rows += 1;
            }
            if found.len() < PAGE {
                break;
            }
            last = found.into_iter().next_back();
        }
        let after = read_back(&mut writing.on(), table).await?;
        if after.finish().as_ref() != before.finish().as_ref() {
            return Err(MoveError::Different(table.name.clone()));
        }
        moved.rows += rows;
        moved.tables += usize::from(rows > 0);
    }
    if moved.rows == 0 {
        return Err(MoveError::Nothing);
    }
    writing.commit().await?;
    drop(reading);
    source.close().await?;
    target.close().await?;
    Ok(moved)
}

async fn open(location: &Location) -> Result<Owned, MoveError> {
    let mut own = location.writer().await?;
    migrate(&mut own)
        .await
        .map_err(|error| OpenError::Migration(Box::new(error)))?;
    Ok(own)
}

impl Table {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where a column stands in a row.
    pub(super) fn place_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }

    /// The values of the primary key.
    pub(super) fn key_of<'a>(
        &'a self,
        row: &'a [Value<'static>],
    ) -> impl Iterator<Item = &'a Value<'static>> {
        self.key.iter().filter_map(|place| row.get(*place))
    }

    /// The statement that gives one column of one row another value: that, and then the key.
    pub(super) fn update(&self, column: &str) -> String {
        let key = self.key.iter().filter_map(|place| self.columns.get(*place));
        let key: Vec<String> = key
            .zip(2..)
            .map(|((name, _), number)| format!("{name} = ${number}"))
            .collect();
        format!(
            "UPDATE {} SET {column} = $1 WHERE {}",
            self.name,
            key.join(" AND ")
        )
    }
}

async fn read_back(on: &mut Connection<'_>, table: &Table) -> Result<Context, MoveError> {
    let mut all = Context::new(&SHA256);
    let mut last = None;
    loop {
        let found = page(on, table, last.take()).await?;
        for row in &found {
            digest(&mut all, row);
        }
        if found.len() < PAGE {
            return Ok(all);
        }
        last = found.into_iter().next_back();
    }
}

pub(super) type Values = Vec<Value<'static>>;

/// The rows after one, in the order of their key, which is the same in both databases.
pub(super) async fn page(
    on: &mut Connection<'_>,
    table: &Table,
    after: Option<Values>,
) -> Result<Vec<Values>, sqlx::Error> {
    let key: Vec<&str> = table
        .key
        .iter()
        .filter_map(|place| table.columns.get(*place))
        .map(|(name, _)| name.as_str())
        .collect();
    let key = key.join(", ");
    let beyond = if after.is_some() {
        format!("WHERE ({key}) > ({})", parameters(table.key.len()))
    } else {
        String::new()
    };
    let (name, columns) = (&table.name, names(table));
    let mut select = query(AssertSqlSafe(format!(
        "SELECT {columns} FROM {name} {beyond} ORDER BY {key} LIMIT {PAGE}"
    )));
    if let Some(row) = after {
        for (_, value) in row
            .into_iter()
            .enumerate()
            .filter(|(place, _)| table.key.contains(place))
        {
            select = select.bind(value);
        }
    }
    let found = select.fetch_all(on).await?;
    found.iter().map(|row| values(table, row)).collect()
}

async fn write(
    on: &mut Connection<'_>,
    table: &Table,
    row: &[Value<'static>],
) -> Result<(), sqlx::Error> {
    let (name, columns) = (&table.name, names(table));
    let mut insert = query(AssertSqlSafe(format!(
        "INSERT INTO {name} ({columns}) VALUES ({})",
        parameters(table.columns.len())
    )));
    for value in row {
        insert = insert.bind(value.borrowed());
    }
    insert.execute(on).await?;
    Ok(())
}

fn names(table: &Table) -> String {
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(", ")
}

fn parameters(count: usize) -> String {
    let all: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    all.join(", ")
}

fn values(table: &Table, row: &Row) -> Result<Values, sqlx::Error> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(place, (_, kind))| {
            Ok(match kind {
                Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(place)?.into(),
                Kind::Number => row.try_get::<Option<i64>, _>(place)?.into(),
                Kind::Text => row.try_get::<Option<String>, _>(place)?.into(),
            })
        })
        .collect()
}

/// Every value with its kind, presence and length.
fn digest(all: &mut Context, row: &[Value<'_>]) {
    for value in row {
        let number;
        let (kind, bytes) = match value {
            Value::Bytes(bytes) => (0, bytes.as_deref()),
            Value::Text(text) => (1, text.as_deref().map(str::as_bytes)),
            Value::Number(value) => {
                number = value.map(i64::to_be_bytes);
                (2, number.as_ref().map(<[u8; 8]>::as_slice))
            }
        };
        all.update(&[kind, u8::from(bytes.is_some())]);
        let bytes = bytes.unwrap_or_default();
        all.update(&(bytes.len() as u64).to_be_bytes());
        all.update(bytes);
    }
}

/// All tables, each after those that it points to.
pub(super) async fn tables() -> Result<Vec<Table>, MoveError> {
    let mut own = Owned::Sqlite(SqliteConnection::connect("sqlite::memory:").await?);
    migrate(&mut own)
        .await
        .map_err(|error| OpenError::Migration(Box::new(error)))?;
    let on = &mut own.on();
    let names: Vec<String> = query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations' \
         ORDER BY name LIMIT 1000",
    )
    .fetch_all(&mut *on)
    .await?;
    let mut waiting = Vec::new();
    for name in names {
        let points: Vec<String> =
            query_scalar("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1) LIMIT 1000")
                .bind(name.as_str())
                .fetch_all(&mut *on)
                .await?;
        waiting.push((table(on, name).await?, points));
    }
    own.close().await?;
    let mut sorted: Vec<Table> = Vec::with_capacity(waiting.len());
    // A round places at least one table, or they point in a circle and are left as they come.
    for _ in 0..MOST {
        let (ready, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, points)| {
            points
                .iter()
                .all(|point| sorted.iter().any(|table| table.name == *point))
        });
        waiting = others;
        sorted.extend(ready.into_iter().map(|(table, _)| table));
        if waiting.is_empty() {
            break;
        }
    }
    sorted.extend(waiting.into_iter().map(|(table, _)| table));
    Ok(sorted)
}

async fn table(on: &mut Connection<'_>, name: String) -> Result<Table, sqlx::Error> {
    let found = query("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid LIMIT 1000")
        .bind(name.as_str())
        .fetch_all(on)
        .await?;
    let mut columns = Vec::with_capacity(found.len());
    let mut key = Vec::new();
    for (place, row) in found.iter().enumerate() {
        let kind = match row.try_get::<&str, _>("type")? {
            "BLOB" => Kind::Bytes,
            "TEXT" => Kind::Text,
            _ => Kind::Number,
        };
        columns.push((row.try_get("name")?, kind));
        if row.try_get::<i64, _>("pk")? > 0 {
            key.push(place);
        }
    }
    Ok(Table { name, columns, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::store::accounts::tests::make;
    use crate::store::audit::tests::entry;
    use crate::store::database::Store;
    use crate::store::database::tests::open as open_store;
    use crate::store::seal::SealingKeys;
    use crate::store::verify::Witnesses;

    #[tokio::test]
    async fn every_table_has_a_key_and_comes_after_those_that_it_points_to() {
        let tables = tables().await.unwrap();
        let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        assert!(tables.len() > 20);
        assert!(tables.iter().all(|table| !table.key.is_empty()));
        for (one, other) in [
            ("organisations", "accounts"),
            ("accounts", "rooms"),
            ("rooms", "room_roles"),
            ("chat_sessions", "chat_messages"),
            ("transcripts", "transcript_cues"),
        ] {
            assert!(place(one) < place(other), "{one} {other}");
        }
    }

    #[tokio::test]
    async fn a_store_that_was_moved_there_and_back_is_the_same() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let random = std::sync::Arc::new(crate::secret::SystemRandom);
        let keys = SealingKeys::load_or_create(first.path(), random).unwrap();
        // The one a file, the other whatever the tests run with.
        let file = Location::folder(first.path());
        let other = Location::for_test(second.path()).await;
        let now = ManualClock::new().now();
        let open = async |location: &Location| {
            Store::open_at(location.clone(), keys.clone(), now)
                .await
                .unwrap()
        };
        let store = open(&file).await;
        let account = make(&store, 1, "member@example.org").await;
        for at in 1..=250 {
            store.append_audit(entry(&store, at)).await.unwrap();
        }
        let org = store.org();
        store.close().await;

        let moved = copy(&file, &other).await.unwrap();
        assert!(moved.rows > 250 && moved.tables >= 4, "{moved:?}");
        assert!(matches!(
            copy(&file, &other).await,
            Err(MoveError::NotEmpty)
        ));
        let store = open(&other).await;
        assert_eq!(store.org(), org);
        let found = store.credentials(org, "member@example.org").await.unwrap();
        assert_eq!(found.unwrap().account.id, account);
        let report = store
            .verify_audit(org, &Witnesses::default())
            .await
            .unwrap();
        assert_eq!((report.rows, report.first_bad()), (250, None));
        store.append_audit(entry(&store, 251)).await.unwrap();
        store.close().await;

        let third = tempfile::tempdir().unwrap();
        let back = Location::folder(third.path());
        let rows = moved.rows + 1;
        assert_eq!(copy(&other, &back).await.unwrap().rows, rows);
        let store = open(&back).await;
        let report = store
            .verify_audit(org, &Witnesses::default())
            .await
            .unwrap();
        assert_eq!((report.rows, report.first_bad()), (251, None));
    }

    #[tokio::test]
    async fn a_store_is_not_moved_onto_another() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&first, &second] {
            open_store(folder.path()).await.unwrap().close().await;
        }
        let from = Location::for_test(first.path()).await;
        let to = Location::for_test(second.path()).await;
        assert!(matches!(copy(&from, &to).await, Err(MoveError::NotEmpty)));
        let empty = tempfile::tempdir().unwrap();
        let empty = Location::for_test(empty.path()).await;
        let other = tempfile::tempdir().unwrap();
        let other = Location::for_test(other.path()).await;
        assert!(matches!(
            copy(&empty, &other).await,
            Err(MoveError::Nothing)
        ));
    }
}
