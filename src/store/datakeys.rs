//! The keys of each organisation, room and account: what is sealed of it is sealed under them, and with them it ends.
//!
//! They lie in the database, wrapped by the key of the file. A key that was made is in nobody's memory before it is committed,
//! and one that was shredded is in nobody's after.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{self, Column, SealingKeys};
use crate::store::sql::{Connection, Target, query};
use crate::store::writer::Change;

/// Owners whose keys are held in memory: those of some busy hours. The others are read again when they are wanted.
const MOST_HELD: usize = 4096;
/// Keys of one owner; it has two of them while everything is sealed anew, or one.
const MOST_OF_ONE: i64 = 16;
/// Owners that get another key in one transaction.
const AT_ONCE: i64 = 100;
const KEY_BYTES: usize = 32;
/// Set in the number of the key in a sealed value where that is not a key of the file.
const OWN: u32 = 1 << 31;

pub(super) const WRAPPED: Column = Column {
    table: "data_keys",
    name: "wrapped",
    scope: Scope::Organisation,
};

/// Whose key seals a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// The organisation's: its id is the first part of the row.
    Organisation,
    /// The room's, whose id is the second part. It ends with the room.
    Room,
    /// The account's, whose id is the second part. It ends with the account.
    Account,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Room => "room",
            Self::Account => "account",
        }
    }
}

/// An organisation, a room or an account, as the one whose keys are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    kind: Scope,
    org: [u8; 16],
    id: [u8; 16],
}

impl Holder {
    pub(crate) const fn organisation(org: [u8; 16]) -> Self {
        Self {
            kind: Scope::Organisation,
            org,
            id: org,
        }
    }

    pub(crate) const fn room(org: [u8; 16], id: [u8; 16]) -> Self {
        let kind = Scope::Room;
        Self { kind, org, id }
    }

    pub(crate) const fn account(org: [u8; 16], id: [u8; 16]) -> Self {
        let kind = Scope::Account;
        Self { kind, org, id }
    }

    /// Whoever a row of a sealed column belongs to.
    pub(super) fn of(column: Column, row: &[&[u8]]) -> Result<Self, StoreError> {
        let part = |place: usize| -> Result<[u8; 16], StoreError> {
            let part = row.get(place).ok_or(StoreError::Corrupt)?;
            (*part).try_into().map_err(|_| StoreError::Corrupt)
        };
        let org = part(0)?;
        Ok(match column.scope {
            Scope::Organisation => Self::organisation(org),
            Scope::Room => Self::room(org, part(1)?),
            Scope::Account => Self::account(org, part(1)?),
        })
    }
}

/// The keys of one owner, by their numbers; the last one seals.
struct Held(Vec<(u32, Zeroizing<[u8; KEY_BYTES]>)>);

impl Held {
    fn cipher(&self, number: u32) -> Option<LessSafeKey> {
        let (_, key) = self.0.iter().find(|(known, _)| *known == number)?;
        // It is made for each use: what ring keeps of a key is not wiped, so it may not last.
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }

    fn newest(&self) -> Option<u32> {
        self.0.last().map(|(number, _)| *number)
    }
}

/// Keys that were read not long ago. They are wiped from memory when they leave.
#[derive(Default)]
pub(super) struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    held: HashMap<Holder, (Arc<Held>, u64)>,
    /// Owners that got a key in the group of writes that is not yet committed: what is read of them may never have been.
    fresh: HashSet<Holder>,
    /// Owners whose keys are deleted, or are others, in that group.
    changed: Vec<Holder>,
    /// Counts the groups that changed keys: what was read before such a group ended is not kept.
    moment: u64,
    uses: u64,
}

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of an owner, or the moment from which they are to be read.
    fn get(&self, holder: Holder) -> Result<Arc<Held>, u64> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.uses += 1;
        let Some((held, used)) = inner.held.get_mut(&holder) else {
            return Err(inner.moment);
        };
        *used = inner.uses;
        Ok(held.clone())
    }

    fn keep(&self, holder: Holder, held: &Arc<Held>, read: u64) {
        let mut inner = self.inner();
        if inner.moment != read || inner.fresh.contains(&holder) || held.0.is_empty() {
            return;
        }
        if inner.held.len() >= MOST_HELD {
            let oldest = inner.held.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(holder, _)| *holder) {
                inner.held.remove(&oldest);
            }
        }
        let used = inner.uses;
        inner.held.insert(holder, (held.clone(), used));
    }

    /// The group of writes ended, committed or not.
    pub(super) fn settle(&self) {
        let mut inner = self.inner();
        inner.fresh.clear();
        let changed = std::mem::take(&mut inner.changed);
        if changed.is_empty() {
            return;
        }
        for holder in changed {
            inner.held.remove(&holder);
        }
        inner.moment += 1;
    }
}

impl SealingKeys {
    /// Seals `plain` for one place in the database, under the key of whoever the column's scope says. To be called within the
    /// change that writes it: the first value of an owner brings a key with it. `Missing` when the owner has ended.
    pub(crate) async fn seal(
        &self,
        on: &mut Connection<'_>,
        column: Column,
        row: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let holder = Holder::of(column, row)?;
        self.seal_of(on, holder, column, row, plain).await
    }

    /// The same where the row does not name the owner.
    pub(crate) async fn seal_of(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
        column: Column,
        row: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let mut held = self.held(Target::from(&mut *on), holder).await?;
        if held.newest().is_none() {
            held = self.make(on, holder).await?;
        }
        let number = held.newest().ok_or(StoreError::Corrupt)?;
        let key = held.cipher(number).ok_or(StoreError::Corrupt)?;
        seal::seal_with(&key, number | OWN, self.random(), (column, row), plain)
    }

    /// Opens what was sealed for exactly this place. `Missing` when its owner has ended.
    pub(crate) async fn open(
        &self,
        on: impl Into<Target<'_>>,
        column: Column,
        row: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>, StoreError> {
        let holder = Holder::of(column, row)?;
        self.open_of(on, holder, column, row, sealed).await
    }

    /// The same where the row does not name the owner.
    pub(crate) async fn open_of(
        &self,
        on: impl Into<Target<'_>>,
        holder: Holder,
        column: Column,
        row: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>, StoreError> {
        let on = on.into();
        // What could be read of an owner that ended before there were such keys was taken away.
        if sealed.is_empty() {
            return Err(StoreError::Missing);
        }
        let Some(number) = own_number(sealed)? else {
            return self.open_by_file(column, row, sealed);
        };
        let held = self.held(on, holder).await?;
        if held.newest().is_none() {
            return Err(StoreError::Missing);
        }
        let key = held.cipher(number).ok_or(StoreError::Corrupt)?;
        seal::open_with(&key, (column, row), sealed)
    }

    /// Opens sealed text.
    pub(crate) async fn open_text(
        &self,
        on: impl Into<Target<'_>>,
        column: Column,
        row: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Secret<String>, StoreError> {
        let plain = self.open(on, column, row, sealed).await?;
        let text = str::from_utf8(plain.expose()).map_err(|_| StoreError::Corrupt)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// Deletes the keys of a room or an account that ends, within the change that ends it. The log is to be scrubbed after.
    pub(super) async fn shred(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
    ) -> Result<(), StoreError> {
        self.cache().inner().changed.push(holder);
        query("DELETE FROM data_keys WHERE org_id = $1 AND kind = $2 AND scope = $3")
            .bind(holder.org.as_slice())
            .bind(holder.kind.as_str())
            .bind(holder.id.as_slice())
            .execute(on)
            .await?;
        Ok(())
    }

    async fn held(&self, on: Target<'_>, holder: Holder) -> Result<Arc<Held>, StoreError> {
        let read = match self.cache().get(holder) {
            Ok(held) => return Ok(held),
            Err(moment) => moment,
        };
        let found = query(
            "SELECT number, wrapped FROM data_keys WHERE org_id = $1 AND kind = $2 AND scope = $3 ORDER BY number LIMIT $4",
        )
        .bind(holder.org.as_slice())
        .bind(holder.kind.as_str())
        .bind(holder.id.as_slice())
        .bind(MOST_OF_ONE)
        .fetch_all(on)
        .await?;
        let mut keys = Vec::with_capacity(found.len());
        for found in &found {
            let number: i64 = found.try_get("number")?;
            let wrapped: &[u8] = found.try_get("wrapped")?;
            let key =
                self.open_by_file(WRAPPED, &place(&holder, &number.to_be_bytes()), wrapped)?;
            let key = key.expose().as_slice().try_into();
            let number = u32::try_from(number).map_err(|_| StoreError::Corrupt)?;
            keys.push((
                number,
                Zeroizing::new(key.map_err(|_| StoreError::Corrupt)?),
            ));
        }
        let held = Arc::new(Held(keys));
        self.cache().keep(holder, &held, read);
        Ok(held)
    }

    /// Makes the first key of an owner that has not ended.
    async fn make(&self, on: &mut Connection<'_>, holder: Holder) -> Result<Arc<Held>, StoreError> {
        let ended = match holder.kind {
            Scope::Organisation => None,
            Scope::Room => {
                Some("SELECT 1 FROM rooms WHERE org_id = $1 AND room_id = $2 AND ended IS NOT NULL")
            }
            Scope::Account => Some(
                "SELECT 1 FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NOT NULL",
            ),
        };
        if let Some(ended) = ended {
            let ended = query(ended)
                .bind(holder.org.as_slice())
                .bind(holder.id.as_slice())
                .fetch_optional(&mut *on)
                .await?;
            if ended.is_some() {
                return Err(StoreError::Missing);
            }
        }
        let first = self.add(on, holder, 1).await?;
        Ok(Arc::new(Held(vec![first])))
    }

    async fn add(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
        number: u32,
    ) -> Result<(u32, Zeroizing<[u8; KEY_BYTES]>), StoreError> {
        self.cache().inner().fresh.insert(holder);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.random().fill(key.as_mut());
        let bytes = i64::from(number).to_be_bytes();
        let wrapped = self.seal_by_file(WRAPPED, &place(&holder, &bytes), key.as_ref())?;
        query(
            "INSERT INTO data_keys (org_id, kind, scope, number, wrapped) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(holder.org.as_slice())
        .bind(holder.kind.as_str())
        .bind(holder.id.as_slice())
        .bind(i64::from(number))
        .bind(wrapped)
        .execute(on)
        .await?;
        Ok((number, key))
    }

    /// Gives an owner another key beside the one that it has.
    pub(super) async fn add_next(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
    ) -> Result<(), StoreError> {
        let held = self.held(Target::from(&mut *on), holder).await?;
        let last = held.newest().ok_or(StoreError::Corrupt)?;
        // What is in memory is read again when this is committed.
        self.cache().inner().changed.push(holder);
        self.add(on, holder, last + 1).await.map(|_| ())
    }

    /// Deletes all keys of an owner but the newest.
    pub(super) async fn forget_former(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
    ) -> Result<(), StoreError> {
        let held = self.held(Target::from(&mut *on), holder).await?;
        let last = held.newest().ok_or(StoreError::Corrupt)?;
        self.cache().inner().changed.push(holder);
        query(
            "DELETE FROM data_keys WHERE org_id = $1 AND kind = $2 AND scope = $3 AND number < $4",
        )
        .bind(holder.org.as_slice())
        .bind(holder.kind.as_str())
        .bind(holder.id.as_slice())
        .bind(i64::from(last))
        .execute(on)
        .await?;
        Ok(())
    }

    /// Whether a value was sealed by the newest key of its owner, or by none that there is.
    pub(super) async fn is_newest_of(
        &self,
        on: &mut Connection<'_>,
        holder: Holder,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        if sealed.is_empty() {
            return Ok(true);
        }
        let held = self.held(Target::from(&mut *on), holder).await?;
        Ok(held.newest().is_none() || own_number(sealed)? == held.newest())
    }
}

/// Some of the owners that have so many keys.
pub(super) async fn with_so_many_keys(
    on: &mut Connection<'_>,
    keys: i64,
) -> Result<Vec<Holder>, StoreError> {
    let found = query(
        "SELECT org_id, kind, scope FROM data_keys GROUP BY org_id, kind, scope HAVING COUNT(*) = $1 LIMIT $2",
    )
    .bind(keys)
    .bind(AT_ONCE)
    .fetch_all(on)
    .await?;
    let holders = found.iter().map(|found| {
        let kind = match found.try_get::<&str, _>("kind")? {
            "organisation" => Scope::Organisation,
            "room" => Scope::Room,
            "account" => Scope::Account,
            _ => return Err(StoreError::Corrupt),
        };
        Ok(Holder {
            kind,
            org: row::bytes(found, "org_id")?,
            id: row::bytes(found, "scope")?,
        })
    });
    holders.collect()
}

impl Store {
    /// Seals a value for a row and opens it again, so many times, with a key that is in memory: for measurements.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn seal_often(&self, plain: Vec<u8>, times: u32) -> Result<(), StoreError> {
        let (org, keys) = (*self.org().as_bytes(), self.keys().clone());
        self.write(SealOften {
            org,
            plain,
            times,
            keys,
        })
        .await
    }
}

struct SealOften {
    org: [u8; 16],
    plain: Vec<u8>,
    times: u32,
    keys: Arc<SealingKeys>,
}

impl Change for SealOften {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let row = [self.org.as_slice()];
        for _ in 0..self.times {
            let sealed = self.keys.seal(&mut *on, WRAPPED, &row, &self.plain);
            let sealed = sealed.await?;
            let opened = self.keys.open(&mut *on, WRAPPED, &row, &sealed).await?;
            if *opened.expose() != self.plain {
                return Err(StoreError::Corrupt);
            }
        }
        Ok(())
    }
}

/// Whether a value is still sealed by a key of the file, as all were once.
pub(super) fn is_former(sealed: &[u8]) -> bool {
    !sealed.is_empty() && matches!(own_number(sealed), Ok(None))
}

/// The number of the owner's key that sealed a value, or nothing for one of the file.
fn own_number(sealed: &[u8]) -> Result<Option<u32>, StoreError> {
    let number = sealed.first_chunk::<4>().ok_or(StoreError::Corrupt)?;
    let number = u32::from_be_bytes(*number);
    Ok((number & OWN != 0).then_some(number & !OWN))
}

/// What a wrapped key is bound to: the primary key of its row.
fn place<'a>(holder: &'a Holder, number: &'a [u8; 8]) -> [&'a [u8]; 4] {
    [
        &holder.org,
        holder.kind.as_str().as_bytes(),
        &holder.id,
        number,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::ids::{AccountId, RoomId};
    use crate::store::accounts::Make;
    use crate::store::accounts::tests::make;
    use crate::store::accounts::tests::new_account;
    use crate::store::chat::tests::{message, session};
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;
    use crate::store::sql::query_scalar;

    const TITLE: Column = Column {
        table: "rooms",
        name: "title",
        scope: Scope::Room,
    };

    async fn keys_in(store: &Store) -> i64 {
        query_scalar("SELECT COUNT(*) FROM data_keys")
            .fetch_one(store.reads())
            .await
            .unwrap()
    }

    async fn title_opens(store: &Store, room: RoomId) -> Result<(), StoreError> {
        let sealed: Vec<u8> = query_scalar("SELECT title FROM rooms WHERE room_id = $1")
            .bind(room.as_bytes().as_slice())
            .fetch_one(store.reads())
            .await?;
        let org = store.org();
        let place = [org.as_bytes().as_slice(), room.as_bytes()];
        let opened = store.keys().open(store.reads(), TITLE, &place, &sealed);
        opened.await.map(|_| ())
    }

    #[tokio::test]
    async fn what_is_sealed_of_a_room_opens_no_more_when_it_has_ended() {
        let (_folder, store) = store().await;
        let (owner, ended) = room_of(&store, 1, 2).await;
        let (_, stands) = room_of(&store, 3, 4).await;
        assert_eq!(keys_in(&store).await, 5);
        assert_eq!(title_opens(&store, ended).await, Ok(()));
        let now = ManualClock::new().now();
        store.end_room(store.org(), ended, now).await.unwrap();
        // Its key is in no row and in no memory.
        assert_eq!(keys_in(&store).await, 4);
        assert_eq!(title_opens(&store, ended).await, Err(StoreError::Missing));
        assert_eq!(title_opens(&store, stands).await, Ok(()));
        // What comes late brings no new key.
        let late = store.add_chat(message(session(&store, ended, 1), 1, "late"));
        assert_eq!(late.await, Err(StoreError::Missing));
        store.end_account(store.org(), owner, now).await.unwrap();
        assert_eq!(keys_in(&store).await, 3);
        let name = store.account_name(store.org(), owner).await.unwrap();
        assert!(name.is_none());
        let renamed = store.rename_account(store.org(), owner, "Again");
        assert_eq!(renamed.await, Err(StoreError::Missing));
        assert_eq!(keys_in(&store).await, 3);
    }

    #[tokio::test]
    async fn a_key_that_was_never_committed_seals_nothing_later() {
        let (_folder, store) = store().await;
        make(&store, 1, "a@x").await;
        // The address is taken, so the account is refused, and with it its key.
        let refused = new_account(2, "a@x");
        let again = new_account(2, "b@x");
        let writes = [refused, again]
            .map(|account| store.write_for_test(Make(store.org(), account, store.keys().clone())));
        let mut answers = Vec::new();
        for write in writes {
            answers.push(write.await);
        }
        assert_eq!(answers, [Err(StoreError::Conflict), Ok(())]);
        store.keys().cache().inner().held.clear();
        let id = AccountId::from_bytes([2; 16]);
        let name = store.account_name(store.org(), id).await.unwrap();
        assert_eq!(name.unwrap().expose(), "Member");
    }

    /// Shreds, and lets the whole group fail.
    struct Undone(Arc<SealingKeys>, Holder);

    impl Change for Undone {
        type Out = ();

        async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
            self.0.shred(on, self.1).await?;
            Err(StoreError::Unavailable)
        }
    }

    #[tokio::test]
    async fn a_room_whose_end_was_not_committed_goes_on() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let holder = Holder::room(*store.org().as_bytes(), *room.as_bytes());
        let undone = store.write_for_test(Undone(store.keys().clone(), holder));
        assert_eq!(undone.await, Err(StoreError::Unavailable));
        assert_eq!(title_opens(&store, room).await, Ok(()));
    }

    #[test]
    fn memory_holds_the_keys_of_some_owners_those_used_last() {
        let cache = Cache::default();
        let holder = |number: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            Holder::room([1; 16], id)
        };
        let held = || Arc::new(Held(vec![(1, Zeroizing::new([7; KEY_BYTES]))]));
        let most = u32::try_from(MOST_HELD).unwrap();
        for number in 0..most {
            cache.keep(holder(number), &held(), 0);
        }
        for number in (0..most).filter(|number| *number != 5) {
            assert!(cache.get(holder(number)).is_ok());
        }
        cache.keep(holder(most), &held(), 0);
        assert_eq!(cache.inner().held.len(), MOST_HELD);
        assert!(cache.get(holder(5)).is_err() && cache.get(holder(most)).is_ok());
    }

    #[test]
    fn what_was_read_before_a_room_ended_is_not_kept_after() {
        let cache = Cache::default();
        let (room, other) = (
            Holder::room([1; 16], [2; 16]),
            Holder::room([1; 16], [3; 16]),
        );
        let held = Arc::new(Held(vec![(1, Zeroizing::new([7; KEY_BYTES]))]));
        let before = cache.get(room).err().unwrap();
        cache.inner().changed.push(room);
        cache.settle();
        cache.keep(room, &held, before);
        assert!(cache.get(room).is_err());
        // Nor what was read in a group that may yet fail.
        let now = cache.get(other).err().unwrap();
        cache.inner().fresh.insert(other);
        cache.keep(other, &held, now);
        assert!(cache.get(other).is_err());
    }
}
