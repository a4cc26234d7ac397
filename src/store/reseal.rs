//! Seals every row anew under the newest key, a page at a time between other writes, so that the server goes on meanwhile.
//! Whatever moment it ends at, each row opens: a page is one transaction, and the old key goes only after the last page.

use std::sync::Arc;

use crate::store::database::Store;
use crate::store::error::{OpenError, StoreError};
use crate::store::moving::{self, MoveError, Table, Values};
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Value, query};
use crate::store::writer::Change;

/// Every sealed column. A value is bound to the columns of its table's primary key, in their order.
const SEALED: &[Column] = &[
    sealed("accounts", "email"),
    sealed("accounts", "name"),
    sealed("accounts", "password"),
    sealed("bars", "name"),
    sealed("chat_messages", "name"),
    sealed("chat_messages", "text"),
    sealed("guest_links", "label"),
    sealed("invitations", "name"),
    sealed("organisations", "name"),
    sealed("pictures", "body"),
    sealed("rooms", "password"),
    sealed("rooms", "title"),
    sealed("session_keys", "secret"),
    sealed("stream_tokens", "label"),
    sealed("transcript_cues", "name"),
    sealed("transcript_cues", "text"),
];

const fn sealed(table: &'static str, name: &'static str) -> Column {
    Column { table, name }
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The number of the key that seals from now on.
    pub key: u32,
    /// How many values were sealed anew.
    pub values: u64,
}

impl Store {
    /// Makes a new key, seals every value anew with it, and forgets the old one. One that was interrupted is taken up again.
    ///
    /// # Errors
    /// When the key file cannot be written or the database does not answer; what was done stands.
    pub async fn rotate_keys(&self) -> Result<Rotated, OpenError> {
        let key = self.keys().begin_rotation()?;
        let mut values = 0;
        // Twice: what was written with the old key while the first pass went by is found by the second.
        for _ in 0..2 {
            for table in moving::tables().await.map_err(unmoved)? {
                values += self.reseal(table).await?;
            }
        }
        self.keys().end_rotation(key)?;
        self.was_taken_away();
        Ok(Rotated { key, values })
    }

    /// Whether a rotation was begun and is not done.
    pub fn is_rotating(&self) -> bool {
        self.keys().is_rotating()
    }

    async fn reseal(&self, table: Table) -> Result<u64, StoreError> {
        let columns: Vec<(usize, Column)> = SEALED
            .iter()
            .filter(|column| column.table == table.name())
            .filter_map(|column| Some((table.place_of(column.name)?, *column)))
            .collect();
        if columns.is_empty() {
            return Ok(0);
        }
        let (table, columns) = (Arc::new(table), Arc::new(columns));
        let mut after = None;
        let mut values = 0;
        loop {
            let (last, resealed) = self
                .write(Page {
                    table: table.clone(),
                    columns: columns.clone(),
                    after,
                    keys: self.keys().clone(),
                })
                .await?;
            values += resealed;
            if last.is_none() {
                return Ok(values);
            }
            after = last;
        }
    }
}

fn unmoved(error: MoveError) -> OpenError {
    match error {
        MoveError::Open(error) => error,
        MoveError::Failed(error) => OpenError::Database(error),
        _ => OpenError::Prepare(StoreError::Corrupt),
    }
}

/// One page of one table.
struct Page {
    table: Arc<Table>,
    columns: Arc<Vec<(usize, Column)>>,
    after: Option<Values>,
    keys: Arc<SealingKeys>,
}

impl Change for Page {
    /// The last row of a full page, and how many values were sealed anew.
    type Out = (Option<Values>, u64);

    async fn apply(self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let mut rows = moving::page(on, &self.table, self.after).await?;
        let mut values = 0;
        for row in &rows {
            // Numbers of cues are bound as 16 bytes, those of chat messages as 8.
            let wide = self.table.name() == "transcript_cues";
            let key = self.table.key_of(row);
            let bound: Vec<Vec<u8>> = key.map(|value| bytes_of(value, wide)).collect();
            let bound: Vec<&[u8]> = bound.iter().map(Vec::as_slice).collect();
            for (place, column) in self.columns.iter() {
                let Some(Value::Bytes(Some(old))) = row.get(*place) else {
                    continue;
                };
                if self.keys.is_newest(old) {
                    continue;
                }
                let plain = self.keys.open(*column, &bound, old)?;
                let new = self.keys.seal(*column, &bound, plain.expose())?;
                let sql = self.table.update(column.name);
                let mut update = query(sqlx::AssertSqlSafe(sql)).bind(new);
                for value in self.table.key_of(row) {
                    update = update.bind(value.borrowed());
                }
                update.execute(&mut *on).await?;
                values += 1;
            }
        }
        let full = rows.len() >= moving::PAGE;
        Ok((rows.pop().filter(|_| full), values))
    }
}

fn bytes_of(value: &Value<'_>, wide: bool) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.as_deref().unwrap_or_default().to_vec(),
        Value::Number(number) if wide => i128::from(number.unwrap_or_default())
            .to_be_bytes()
            .to_vec(),
        Value::Number(number) => number.unwrap_or_default().to_be_bytes().to_vec(),
        Value::Text(text) => text.as_deref().unwrap_or_default().as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RoomId;
    use crate::store::accounts::tests::make;
    use crate::store::chat::tests::{message, session};
    use crate::store::database::tests::{open, store};
    use crate::store::rooms::tests::room_of;
    use crate::store::seal::KEY_FILE;
    use crate::store::sql::query_scalar;

    async fn by_key(store: &Store, key: u8) -> i64 {
        let mut all = 0;
        for column in SEALED {
            let (table, name) = (column.table, column.name);
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE substr({name}, 1, 4) = $1");
            let count: i64 = query_scalar(sqlx::AssertSqlSafe(sql))
                .bind([0, 0, 0, key].as_slice())
                .fetch_one(store.reads())
                .await
                .unwrap();
            all += count;
        }
        all
    }

    #[test]
    fn every_sealed_column_is_named() {
        let mut seen = 0;
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store")).unwrap() {
            let path = file.unwrap().path();
            // The one defines columns, the other is this file.
            let other = path.ends_with("seal.rs") || path.ends_with("reseal.rs");
            if other || path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split(": Column = Column {").skip(1) {
                let mut quoted = part.split('"').skip(1).step_by(2);
                let (table, name) = (quoted.next().unwrap(), quoted.next().unwrap());
                assert!(
                    SEALED
                        .iter()
                        .any(|one| (one.table, one.name) == (table, name)),
                    "{table}.{name}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, SEALED.len());
    }

    #[tokio::test]
    async fn after_a_rotation_everything_opens_with_the_new_key_alone() {
        let (folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        for number in 3..=120 {
            make(&store, number, &format!("{number}@example.org")).await;
        }
        let of = session(&store, room, 1);
        for number in 1..=30 {
            store.add_chat(message(of, number, "hello")).await.unwrap();
        }
        let values = by_key(&store, 1).await;
        assert_eq!(values, 1 + 119 * 3 + 2 + 30 * 2);
        let rotated = store.rotate_keys().await.unwrap();
        assert_eq!(
            rotated,
            Rotated {
                key: 2,
                values: u64::try_from(values).unwrap()
            }
        );
        assert_eq!(
            (by_key(&store, 1).await, by_key(&store, 2).await),
            (0, values)
        );
        assert!(!store.is_rotating());
        store.close().await;

        let text = std::fs::read_to_string(folder.path().join(KEY_FILE)).unwrap();
        assert!(text.contains("seal 2 ") && !text.contains("seal 1 "));
        let store = open(folder.path()).await.unwrap();
        let found = store
            .account_name(store.org(), owner)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.expose(), "Member");
        assert!(store.room(store.org(), room).await.unwrap().is_some());
        assert!(
            store
                .room(store.org(), RoomId::from_bytes([9; 16]))
                .await
                .unwrap()
                .is_none()
        );
        // Another one opens every value again.
        let again = store.rotate_keys().await.unwrap();
        assert_eq!(again, Rotated { key: 3, ..rotated });
    }

    #[tokio::test]
    async fn a_rotation_that_was_interrupted_is_taken_up_again() {
        let (folder, store) = store().await;
        make(&store, 1, "a@example.org").await;
        assert_eq!(store.keys().begin_rotation().unwrap(), 2);
        make(&store, 2, "b@example.org").await;
        store.close().await;
        // Killed here: both keys are in the file, and rows of both in the database.
        let store = open(folder.path()).await.unwrap();
        assert!(store.is_rotating());
        assert_eq!((by_key(&store, 1).await, by_key(&store, 2).await), (4, 3));
        let rotated = store.rotate_keys().await.unwrap();
        assert_eq!(rotated, Rotated { key: 2, values: 4 });
    }
}
