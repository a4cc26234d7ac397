//! Seals the keys of organisations, rooms and accounts anew under the newest key of the file, a page at a time between other
//! writes, so that the server goes on meanwhile. Whatever moment it ends at, each row opens: a page is one transaction, and the
//! old key goes only after the last page. Values that keys of the file seal themselves, as all did once, come under their own.

use std::sync::Arc;

use crate::store::database::Store;
use crate::store::datakeys::{self, Holder, Scope, WRAPPED};
use crate::store::error::{OpenError, StoreError};
use crate::store::moving::{self, MoveError, Table, Values};
use crate::store::pictures;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Value, query, query_scalar};
use crate::store::writer::Change;

/// Every sealed column. A value is bound to the columns of its table's primary key, in their order.
const SEALED: &[Column] = &[
    sealed("account_sessions", "device", Scope::Account),
    sealed("account_sessions", "place", Scope::Account),
    sealed("accounts", "email", Scope::Account),
    sealed("accounts", "name", Scope::Account),
    sealed("accounts", "password", Scope::Account),
    sealed("api_keys", "name", Scope::Organisation),
    sealed("bars", "name", Scope::Room),
    sealed("chat_messages", "name", Scope::Room),
    sealed("chat_messages", "text", Scope::Room),
    sealed("guest_links", "label", Scope::Room),
    sealed("idempotent_answers", "answer", Scope::Organisation),
    sealed("invitations", "name", Scope::Organisation),
    sealed("mails", "link", Scope::Organisation),
    sealed("mails", "recipient", Scope::Organisation),
    sealed("organisations", "name", Scope::Organisation),
    sealed("passkeys", "credential", Scope::Account),
    sealed("passkeys", "name", Scope::Account),
    sealed("pictures", "body", Scope::Account),
    sealed("providers", "secret", Scope::Organisation),
    sealed("providers", "words", Scope::Organisation),
    sealed("room_speech", "words", Scope::Room),
    sealed("rooms", "password", Scope::Room),
    sealed("rooms", "title", Scope::Room),
    sealed("session_keys", "secret", Scope::Organisation),
    sealed("stream_tokens", "label", Scope::Room),
    sealed("transcript_cues", "name", Scope::Room),
    sealed("transcript_cues", "text", Scope::Room),
    sealed("webhook_news", "body", Scope::Organisation),
    sealed("webhooks", "label", Scope::Organisation),
    sealed("webhooks", "old_secret", Scope::Organisation),
    sealed("webhooks", "secret", Scope::Organisation),
    sealed("webhooks", "url", Scope::Organisation),
];

const fn sealed(table: &'static str, name: &'static str, scope: Scope) -> Column {
    Column { table, name, scope }
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
    /// Makes a new key, seals every key of an owner anew with it, and forgets the old one. One that was interrupted is taken up again.
    ///
    /// # Errors
    /// When the key file cannot be written or the database does not answer; what was done stands.
    pub async fn rotate_keys(&self) -> Result<Rotated, OpenError> {
        self.rotate(Depth::File).await
    }

    /// The same, and new keys for all owners, under which every value is sealed anew: for when what they are may have been seen.
    ///
    /// # Errors
    /// As above.
    pub async fn rotate_all_keys(&self) -> Result<Rotated, OpenError> {
        self.rotate(Depth::Owners).await
    }

    async fn rotate(&self, depth: Depth) -> Result<Rotated, OpenError> {
        let key = self.keys().begin_rotation()?;
        let mut values = 0;
        let tables = moving::tables().await.map_err(unmoved)?;
        let (mut last, mut first) = (Vec::new(), Vec::new());
        for table in tables.into_iter().map(Arc::new) {
            match table.name() {
                // Its name says that all the others are done.
                "organisations" => last.push(table),
                _ => first.push(table),
            }
        }
        if self.has_former().await? {
            for table in first.iter().chain(&last) {
                values += self.reseal(table, What::Former).await?;
            }
        }
        let deep = depth == Depth::Owners || self.has_two_keys().await?;
        if deep {
            let keys = self.keys();
            while self.write(NextKeys(keys.clone())).await? > 0 {}
            // Twice: a change of the group that brought an owner's new key may have sealed with the former one.
            for _ in 0..2 {
                for table in first.iter().chain(&last) {
                    values += self.reseal(table, What::Owned).await?;
                }
            }
            while self.write(FormerKeys(keys.clone())).await? > 0 {}
        }
        // Twice: what was written with the old key while the first pass went by is found by the second.
        for _ in 0..2 {
            for table in first.iter().filter(|table| table.name() == WRAPPED.table) {
                values += self.reseal(table, What::Wrapped).await?;
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

    /// Whether a rotation is called for: one was begun and is not done, or values are sealed by the key of the file itself, as
    /// an earlier version did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wants_rotation(&self) -> Result<bool, StoreError> {
        Ok(self.is_rotating() || self.has_former().await?)
    }

    /// Whether all owners were to get new keys, and not everything is sealed by them yet.
    async fn has_two_keys(&self) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM data_keys GROUP BY org_id, kind, scope HAVING COUNT(*) > 1 LIMIT 1",
        )
        .fetch_optional(self.reads())
        .await?;
        Ok(found.is_some())
    }

    /// The names of organisations are the last that come under keys of their own.
    async fn has_former(&self) -> Result<bool, StoreError> {
        let names: Vec<Vec<u8>> = query_scalar("SELECT name FROM organisations LIMIT 1000")
            .fetch_all(self.reads())
            .await?;
        Ok(names.iter().any(|name| datakeys::is_former(name)))
    }

    async fn reseal(&self, table: &Arc<Table>, what: What) -> Result<u64, StoreError> {
        let all = match what {
            What::Former | What::Owned => SEALED,
            What::Wrapped => &[WRAPPED],
        };
        let columns: Vec<(usize, Column)> = all
            .iter()
            .filter(|column| column.table == table.name())
            .filter_map(|column| Some((table.place_of(column.name)?, *column)))
            .collect();
        if columns.is_empty() {
            return Ok(0);
        }
        let columns = Arc::new(columns);
        let mut after = None;
        let mut values = 0;
        loop {
            let (last, resealed) = self
                .write(Page {
                    table: table.clone(),
                    columns: columns.clone(),
                    what,
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

/// How much a rotation replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The key of the file.
    File,
    /// The keys of owners too.
    Owners,
}

/// Which values are sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Those that a key of the file sealed itself.
    Former,
    /// Those that a former key of their owner sealed.
    Owned,
    /// The keys of organisations, rooms and accounts.
    Wrapped,
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
    what: What,
    after: Option<Values>,
    keys: Arc<SealingKeys>,
}

impl Change for Page {
    /// The last row of a full page, and how many values were sealed anew.
    type Out = (Option<Values>, u64);

    async fn apply(mut self, on: &mut Connection<'_>) -> Result<Self::Out, StoreError> {
        let after = self.after.take();
        let mut rows = moving::page(on, &self.table, after).await?;
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
                let Some(new) = self.anew(on, *column, row, &bound, old).await? else {
                    continue;
                };
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

impl Page {
    /// A value sealed anew, or nothing where it may stay.
    async fn anew(
        &self,
        on: &mut Connection<'_>,
        column: Column,
        row: &[Value<'static>],
        bound: &[&[u8]],
        old: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if self.what == What::Wrapped {
            if self.keys.is_newest(old) {
                return Ok(None);
            }
            let plain = self.keys.open_by_file(column, bound, old)?;
            let new = self.keys.seal_by_file(column, bound, plain.expose())?;
            return Ok(Some(new));
        }
        let holder = match column.table {
            "pictures" => self.owner_of_picture(row)?,
            _ => Holder::of(column, bound)?,
        };
        let plain = if self.what == What::Former {
            if !datakeys::is_former(old) {
                return Ok(None);
            }
            self.keys.open_by_file(column, bound, old)?
        } else {
            if self.keys.is_newest_of(on, holder, old).await? {
                return Ok(None);
            }
            let opened = self.keys.open_of(&mut *on, holder, column, bound, old);
            opened.await?
        };
        let new = self.keys.seal_of(on, holder, column, bound, plain.expose());
        match new.await {
            Ok(new) => Ok(Some(new)),
            // The room or the account has ended, and this with it.
            Err(StoreError::Missing) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    fn owner_of_picture(&self, row: &[Value<'static>]) -> Result<Holder, StoreError> {
        let value = |name: &str| self.table.place_of(name).and_then(|place| row.get(place));
        let id = |name: &str| match value(name) {
            Some(Value::Bytes(Some(id))) => {
                <[u8; 16]>::try_from(id.as_ref()).map_err(|_| StoreError::Corrupt)
            }
            _ => Err(StoreError::Corrupt),
        };
        let guest = matches!(value("guest"), Some(Value::Number(Some(1))));
        Ok(pictures::holder(id("org_id")?, id("actor_id")?, guest))
    }
}

/// Gives some of the owners that have one key another, and says how many.
struct NextKeys(Arc<SealingKeys>);

impl Change for NextKeys {
    type Out = usize;

    async fn apply(self, on: &mut Connection<'_>) -> Result<usize, StoreError> {
        let holders = datakeys::with_so_many_keys(on, 1).await?;
        for holder in &holders {
            self.0.add_next(on, *holder).await?;
        }
        Ok(holders.len())
    }
}

/// Deletes the former keys of some of the owners that have two, and says how many.
struct FormerKeys(Arc<SealingKeys>);

impl Change for FormerKeys {
    type Out = usize;

    async fn apply(self, on: &mut Connection<'_>) -> Result<usize, StoreError> {
        let holders = datakeys::with_so_many_keys(on, 2).await?;
        for holder in &holders {
            self.0.forget_former(on, *holder).await?;
        }
        Ok(holders.len())
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

    /// How many keys of owners this key of the file wraps.
    async fn wrapped_by(store: &Store, key: u8) -> i64 {
        query_scalar("SELECT COUNT(*) FROM data_keys WHERE substr(wrapped, 1, 4) = $1")
            .bind([0, 0, 0, key].as_slice())
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    /// How many values are sealed by a key of the file and how many by their owner's.
    async fn sealed_by_file_and_owner(store: &Store) -> (usize, usize) {
        let mut all = (0, 0);
        for column in SEALED {
            let (table, name) = (column.table, column.name);
            let sql = format!("SELECT {name} FROM {table} WHERE {name} IS NOT NULL");
            let values: Vec<Vec<u8>> = query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_all(store.reads())
                .await
                .unwrap();
            let former = values
                .iter()
                .filter(|value| datakeys::is_former(value))
                .count();
            all = (all.0 + former, all.1 + values.len() - former);
        }
        all
    }

    #[test]
    fn every_sealed_column_is_named() {
        let mut seen = 0;
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store")).unwrap() {
            let path = file.unwrap().path();
            // Some define columns of their own kind, the last is this file.
            let other = ["seal.rs", "datakeys.rs", "reseal.rs"].map(|name| path.ends_with(name));
            if other.contains(&true) || path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split(": Column = Column {").skip(1) {
                let mut quoted = part.split('"').skip(1).step_by(2);
                let (table, name) = (quoted.next().unwrap(), quoted.next().unwrap());
                let scope = part.split("scope: Scope::").nth(1).unwrap();
                let scope = scope.split(',').next().unwrap();
                let named = SEALED
                    .iter()
                    .find(|one| (one.table, one.name) == (table, name));
                let named = named.unwrap_or_else(|| panic!("{table}.{name}"));
                assert_eq!(format!("{:?}", named.scope), scope, "{table}.{name}");
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
        let sealed = 1 + 119 * 3 + 2 + 30 * 2;
        assert_eq!(sealed_by_file_and_owner(&store).await, (0, sealed));
        // The organisation, a room, and everyone.
        assert_eq!(wrapped_by(&store, 1).await, 1 + 1 + 119);
        let rotated = store.rotate_keys().await.unwrap();
        let values = 121;
        assert_eq!(rotated, Rotated { key: 2, values });
        assert_eq!(
            (wrapped_by(&store, 1).await, wrapped_by(&store, 2).await),
            (0, 121)
        );
        assert!(!store.wants_rotation().await.unwrap());
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
        // Another one opens every key again.
        let again = store.rotate_keys().await.unwrap();
        assert_eq!(again, Rotated { key: 3, ..rotated });
    }

    #[tokio::test]
    async fn a_deep_rotation_seals_every_value_by_a_new_key_of_its_owner() {
        let (folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let (_, ended) = room_of(&store, 3, 4).await;
        for number in 5..=120 {
            make(&store, number, &format!("{number}@example.org")).await;
        }
        let (org, now) = (store.org(), crate::store::chat::tests::NOW);
        store.end_room(org, ended, now).await.unwrap();
        let numbers = async |store: &Store| -> Vec<i64> {
            query_scalar("SELECT DISTINCT number FROM data_keys ORDER BY number")
                .fetch_all(store.reads())
                .await
                .unwrap()
        };
        // Killed when some have another key, and a value is sealed by one.
        let some = store.write(NextKeys(store.keys().clone())).await.unwrap();
        assert_eq!(some, 100);
        store.rename_account(org, owner, "Again").await.unwrap();
        assert_eq!(numbers(&store).await, [1, 2]);
        store.close().await;
        let store = open(folder.path()).await.unwrap();
        let rotated = store.rotate_keys().await.unwrap();
        assert_eq!(numbers(&store).await, [2]);
        // The values of 118 accounts, a room and the organisation, but for the new name if that was sealed by a new key already; and
        // the keys that the former one of the file wrapped.
        let values = 118 * 3 + 2 + 1;
        let few = values + 100 - rotated.values;
        assert!(few <= 1, "{rotated:?}");
        let again = store.rotate_all_keys().await.unwrap();
        assert_eq!(again, Rotated { key: 3, values });
        assert_eq!(numbers(&store).await, [3]);
        store.close().await;
        let store = open(folder.path()).await.unwrap();
        let name = store.account_name(org, owner).await.unwrap().unwrap();
        assert_eq!(name.expose(), "Again");
        let room = store.room(org, room).await.unwrap().unwrap();
        assert_eq!(room.title.expose(), "Weekly");
        assert!(store.room_title(org, ended).await.unwrap().is_none());
        assert_eq!(wrapped_by(&store, 3).await, 120);
    }

    #[tokio::test]
    async fn a_rotation_that_was_interrupted_is_taken_up_again() {
        let (folder, store) = store().await;
        make(&store, 1, "a@example.org").await;
        assert_eq!(store.keys().begin_rotation().unwrap(), 2);
        make(&store, 2, "b@example.org").await;
        store.close().await;
        // Killed here: both keys are in the file, and keys that they wrap in the database.
        let store = open(folder.path()).await.unwrap();
        assert!(store.is_rotating() && store.wants_rotation().await.unwrap());
        assert_eq!(
            (wrapped_by(&store, 1).await, wrapped_by(&store, 2).await),
            (2, 1)
        );
        let rotated = store.rotate_keys().await.unwrap();
        assert_eq!(rotated, Rotated { key: 2, values: 2 });
    }

    /// Puts a database back to how an earlier version left it: every value is sealed by the key of the file.
    struct Age(Vec<Arc<Table>>, Arc<SealingKeys>);

    impl Change for Age {
        type Out = ();

        async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
            for table in &self.0 {
                let columns = SEALED.iter().filter(|column| column.table == table.name());
                let columns = columns.map(|column| (table.place_of(column.name).unwrap(), *column));
                let page = Page {
                    table: table.clone(),
                    columns: Arc::new(columns.collect()),
                    what: What::Former,
                    after: None,
                    keys: self.1.clone(),
                };
                for row in moving::page(on, table, None).await? {
                    let wide = table.name() == "transcript_cues";
                    let bound: Vec<Vec<u8>> =
                        table.key_of(&row).map(|v| bytes_of(v, wide)).collect();
                    let bound: Vec<&[u8]> = bound.iter().map(Vec::as_slice).collect();
                    for (place, column) in page.columns.iter() {
                        let Some(Value::Bytes(Some(old))) = row.get(*place) else {
                            continue;
                        };
                        let holder = match column.table {
                            "pictures" => page.owner_of_picture(&row)?,
                            _ => Holder::of(*column, &bound)?,
                        };
                        let plain = self
                            .1
                            .open_of(&mut *on, holder, *column, &bound, old)
                            .await?;
                        let new = self.1.seal_by_file(*column, &bound, plain.expose())?;
                        let sql = table.update(column.name);
                        let mut update = query(sqlx::AssertSqlSafe(sql)).bind(new);
                        for value in table.key_of(&row) {
                            update = update.bind(value.borrowed());
                        }
                        update.execute(&mut *on).await?;
                    }
                }
            }
            query("DELETE FROM data_keys").execute(on).await?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_an_earlier_version_sealed_comes_under_keys_of_its_owners() {
        let (folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let (ending, ended) = room_of(&store, 3, 4).await;
        let of = session(&store, room, 1);
        store.add_chat(message(of, 1, "hello")).await.unwrap();
        let org = store.org();
        let (me, now) = (owner.into(), crate::store::chat::tests::NOW);
        let of_me = pictures::Owner {
            org,
            actor: me,
            guest: false,
        };
        let shown = store.keep_picture(of_me, b"picture", now).await.unwrap();
        let tables = moving::tables().await.unwrap().into_iter().map(Arc::new);
        let age = Age(tables.collect(), store.keys().clone());
        store.write(age).await.unwrap();
        // There, a room and an account could end and still be read.
        for (table, key, id) in [
            ("rooms", "room_id", *ended.as_bytes()),
            ("accounts", "account_id", *ending.as_bytes()),
        ] {
            let sql = format!("UPDATE {table} SET ended = 5 WHERE {key} = $1");
            store.write(Run(sql, id)).await.unwrap();
        }
        store.close().await;

        let store = open(folder.path()).await.unwrap();
        let all = 1 + 2 * 3 + 2 * 2 + 2 + 1;
        assert_eq!(sealed_by_file_and_owner(&store).await, (all, 0));
        assert!(store.wants_rotation().await.unwrap());
        let read = async |store: &Store| {
            let name = store.account_name(org, owner).await.unwrap().unwrap();
            let room = store.room(org, room).await.unwrap().unwrap();
            let picture = store.picture(org, shown).await.unwrap().unwrap();
            assert_eq!(
                (name.expose().as_str(), room.title.expose().as_str()),
                ("Member", "Weekly")
            );
            assert_eq!(picture.expose(), b"picture");
        };
        read(&store).await;
        store.rotate_keys().await.unwrap();
        assert_eq!(sealed_by_file_and_owner(&store).await, (0, all));
        assert!(!store.wants_rotation().await.unwrap());
        read(&store).await;
        // The organisation, the room and the account that stand.
        assert_eq!(wrapped_by(&store, 2).await, 3);
        let titles: Vec<Vec<u8>> = query_scalar("SELECT title FROM rooms WHERE ended IS NOT NULL")
            .fetch_all(store.reads())
            .await
            .unwrap();
        assert_eq!(titles, [Vec::<u8>::new()]);
        assert!(store.account_name(org, ending).await.unwrap().is_none());
    }

    /// One statement about one id.
    struct Run(String, [u8; 16]);

    impl Change for Run {
        type Out = ();

        async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
            let sql = query(sqlx::AssertSqlSafe(self.0)).bind(self.1.as_slice());
            sql.execute(on).await?;
            Ok(())
        }
    }
}
