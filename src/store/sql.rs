//! One set of statements for both databases: a connection, a pool, a query and a row that are SQLite's or PostgreSQL's.
//!
//! Statements number their parameters (`$1`), which both understand; what they do not share stays out of them. Values are
//! bytes, whole numbers and text, nothing else, so that a column reads the same in both.

use std::borrow::Cow;
use std::marker::PhantomData;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, ColumnIndex, Connection as _, Decode, Error, Postgres, Row as _,
    SqlSafeStr, SqlStr, Sqlite, Type,
};

/// What a snapshot of PostgreSQL begins with: without it each statement would see another moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The use of a connection, within a transaction or not.
#[derive(Debug)]
pub(crate) enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// Begins a savepoint, or a transaction where there is none. Dropped without an end, it is undone.
    pub(super) async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        Ok(match self {
            Self::Sqlite(on) => Transaction::Sqlite(on.begin().await?),
            Self::Postgres(on) => Transaction::Postgres(on.begin().await?),
        })
    }
}

/// A connection that belongs to whoever holds it.
#[derive(Debug)]
pub(super) enum Owned {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Owned {
    pub(super) fn on(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(own) => Connection::Sqlite(own),
            Self::Postgres(own) => Connection::Postgres(own),
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_writing(&mut self) -> Result<Transaction<'_>, Error> {
        Ok(match self {
            // The lock is taken at once: taken at the first write, it could be refused in the middle.
            Self::Sqlite(own) => Transaction::Sqlite(own.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(own) => Transaction::Postgres(own.begin().await?),
        })
    }

    pub(super) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(own) => own.close().await,
            Self::Postgres(own) => own.close().await,
        }
    }
}

/// A transaction or a savepoint.
#[derive(Debug)]
pub(super) enum Transaction<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    Postgres(sqlx::Transaction<'c, Postgres>),
}

impl Transaction<'_> {
    pub(super) fn on(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(within) => Connection::Sqlite(within),
            Self::Postgres(within) => Connection::Postgres(within),
        }
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(within) => within.commit().await,
            Self::Postgres(within) => within.commit().await,
        }
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(within) => within.rollback().await,
            Self::Postgres(within) => within.rollback().await,
        }
    }
}

/// Connections that only read.
#[derive(Debug)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    /// One of the connections.
    pub(super) async fn acquire(&self) -> Result<Pooled, Error> {
        Ok(match self {
            Self::Sqlite(pool) => Pooled::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Pooled::Postgres(pool.acquire().await?),
        })
    }

    /// A transaction whose statements all see the same moment.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static>, Error> {
        Ok(match self {
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin_with(SNAPSHOT).await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A connection that goes back to its pool.
#[derive(Debug)]
pub(super) enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Pooled {
    pub(super) fn on(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(own) => Connection::Sqlite(own),
            Self::Postgres(own) => Connection::Postgres(own),
        }
    }
}

/// Where a query runs.
#[derive(Debug)]
pub(crate) enum Target<'c> {
    Sqlite(&'c mut SqliteConnection),
    SqlitePool(&'c SqlitePool),
    Postgres(&'c mut PgConnection),
    PostgresPool(&'c PgPool),
}

impl<'c> From<&'c mut Connection<'_>> for Target<'c> {
    fn from(on: &'c mut Connection<'_>) -> Self {
        match on {
            Connection::Sqlite(on) => Self::Sqlite(on),
            Connection::Postgres(on) => Self::Postgres(on),
        }
    }
}

impl<'c> From<&'c Pool> for Target<'c> {
    fn from(pool: &'c Pool) -> Self {
        match pool {
            Pool::Sqlite(pool) => Self::SqlitePool(pool),
            Pool::Postgres(pool) => Self::PostgresPool(pool),
        }
    }
}

/// A value for a parameter. It has its type also where it is absent, for PostgreSQL wants to know.
#[derive(Debug)]
pub(crate) enum Value<'q> {
    Bytes(Option<Cow<'q, [u8]>>),
    Number(Option<i64>),
    Text(Option<Cow<'q, str>>),
}

impl Value<'_> {
    /// The same value, without a copy.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Bytes(bytes) => Value::Bytes(bytes.as_deref().map(Cow::Borrowed)),
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.as_deref().map(Cow::Borrowed)),
        }
    }
}

macro_rules! values {
    ($($from:ty => $kind:ident $(, $how:path)?;)*) => {$(
        impl<'q> From<$from> for Value<'q> {
            fn from(value: $from) -> Self {
                Self::$kind(Some($($how)?(value)))
            }
        }
        impl<'q> From<Option<$from>> for Value<'q> {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value$(.map($how))?)
            }
        }
    )*};
}

values! {
    &'q [u8] => Bytes, Cow::Borrowed;
    Vec<u8> => Bytes, Cow::Owned;
    &'q str => Text, Cow::Borrowed;
    String => Text, Cow::Owned;
    i64 => Number;
}

/// A statement and its values.
#[derive(Debug)]
pub(crate) struct Query<'q> {
    sql: SqlStr,
    values: Vec<Value<'q>>,
}

/// A statement that gives rows, or changes them.
pub(crate) fn query<'q>(sql: impl SqlSafeStr) -> Query<'q> {
    Query {
        sql: sql.into_sql_str(),
        values: Vec::new(),
    }
}

/// How many rows a statement changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done(u64);

impl Done {
    pub(crate) fn rows_affected(self) -> u64 {
        self.0
    }
}

/// Hands a query to whichever database it is for.
macro_rules! run {
    ($query:ident, $on:ident, $method:ident, $sqlite:expr, $postgres:expr) => {
        match $on.into() {
            Target::Sqlite(on) => {
                let values = $query.values()?;
                sqlx::query_with::<Sqlite, SqliteArguments>($query.sql, values)
                    .$method(on)
                    .await
                    .map($sqlite)
            }
            Target::SqlitePool(on) => {
                let values = $query.values()?;
                sqlx::query_with::<Sqlite, SqliteArguments>($query.sql, values)
                    .$method(on)
                    .await
                    .map($sqlite)
            }
            Target::Postgres(on) => {
                let values = $query.values()?;
                sqlx::query_with::<Postgres, PgArguments>($query.sql, values)
                    .$method(on)
                    .await
                    .map($postgres)
            }
            Target::PostgresPool(on) => {
                let values = $query.values()?;
                sqlx::query_with::<Postgres, PgArguments>($query.sql, values)
                    .$method(on)
                    .await
                    .map($postgres)
            }
        }
    };
}

impl<'q> Query<'q> {
    /// The value of the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it for what it changes.
    pub(crate) async fn execute(self, on: impl Into<Target<'_>>) -> Result<Done, Error> {
        run!(
            self,
            on,
            execute,
            |done| Done(done.rows_affected()),
            |done| Done(done.rows_affected())
        )
    }

    /// The one row, or `RowNotFound`.
    pub(crate) async fn fetch_one(self, on: impl Into<Target<'_>>) -> Result<Row, Error> {
        run!(self, on, fetch_one, Row::Sqlite, Row::Postgres)
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_optional(
        self,
        on: impl Into<Target<'_>>,
    ) -> Result<Option<Row>, Error> {
        run!(
            self,
            on,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            |row| row.map(Row::Postgres)
        )
    }

    /// All rows. The statement says how many at most.
    pub(crate) async fn fetch_all(self, on: impl Into<Target<'_>>) -> Result<Vec<Row>, Error> {
        run!(
            self,
            on,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            |rows| rows.into_iter().map(Row::Postgres).collect()
        )
    }

    fn values<A: Arguments>(&self) -> Result<A, Error>
    where
        for<'v> Option<&'v [u8]>: sqlx::Encode<'v, A::Database> + Type<A::Database>,
        for<'v> Option<&'v str>: sqlx::Encode<'v, A::Database> + Type<A::Database>,
        for<'v> Option<i64>: sqlx::Encode<'v, A::Database> + Type<A::Database>,
    {
        let mut all = A::default();
        for value in &self.values {
            match value {
                Value::Bytes(bytes) => all.add(bytes.as_deref()),
                Value::Number(number) => all.add(*number),
                Value::Text(text) => all.add(text.as_deref()),
            }
            .map_err(Error::Encode)?;
        }
        Ok(all)
    }
}

/// A statement whose rows have one column.
#[derive(Debug)]
pub(crate) struct Scalar<'q, T> {
    query: Query<'q>,
    column: PhantomData<fn() -> T>,
}

/// A statement that gives one value a row.
pub(crate) fn query_scalar<'q, T>(sql: impl SqlSafeStr) -> Scalar<'q, T> {
    Scalar {
        query: query(sql),
        column: PhantomData,
    }
}

impl<'q, T: for<'r> Field<'r>> Scalar<'q, T> {
    /// The value of the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// The value in the one row, or `RowNotFound`.
    pub(crate) async fn fetch_one(self, on: impl Into<Target<'_>>) -> Result<T, Error> {
        self.query.fetch_one(on).await?.try_get(0)
    }

    /// The value in the first row, if there is one.
    pub(crate) async fn fetch_optional(
        self,
        on: impl Into<Target<'_>>,
    ) -> Result<Option<T>, Error> {
        let row = self.query.fetch_optional(on).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    /// The values in all rows.
    pub(crate) async fn fetch_all(self, on: impl Into<Target<'_>>) -> Result<Vec<T>, Error> {
        let rows = self.query.fetch_all(on).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}

/// A statement that is put together. Its text is all from the source; what is not goes into parameters.
#[derive(Debug)]
pub(super) struct Builder<'q> {
    sql: String,
    values: Vec<Value<'q>>,
}

impl<'q> Builder<'q> {
    pub(super) fn new(sql: &'static str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    /// Text, and the parameter that comes after it.
    pub(super) fn push(&mut self, sql: &'static str, value: impl Into<Value<'q>>) {
        self.values.push(value.into());
        self.sql.push_str(sql);
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
    }

    pub(super) fn build(self) -> Query<'q> {
        Query {
            sql: AssertSqlSafe(self.sql).into_sql_str(),
            values: self.values,
        }
    }
}

/// What a column can be read as, in either database.
pub(crate) trait Field<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Field<'r> for T where
    T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

/// A row that was found.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, by name or place.
    pub(crate) fn try_get<'r, T, I>(&'r self, column: I) -> Result<T, Error>
    where
        T: Field<'r>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
