//! Sealed columns: AES-256-GCM around whatever is personal, and keyed hashes to look it up by.
//!
//! A sealed value is bound to its table, column and row: moved to another place it does not open.
//! Nonces are random, so one key may seal up to 2³² values. The file can hold several keys, the last one seals; what they seal is
//! the keys of organisations, rooms and accounts (`datakeys.rs`), and those seal the rest.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::{RandomSource, Secret};
use crate::store::database::DATABASE_FILE;
use crate::store::datakeys::{Cache, Scope};
use crate::store::error::{OpenError, StoreError};
use crate::store::keyring::{Keyring, Master};

/// The file in the data folder that opens every sealed column.
pub const KEY_FILE: &str = "conclave.key";
/// Locked by whoever writes that file anew.
const KEY_LOCK: &str = "conclave.key.lock";
const KEY_ID_BYTES: usize = 4;
/// More than any number of rotations will fill.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// A sealed column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    /// Whose key seals it, and with whose end it does not open any more.
    pub(crate) scope: Scope,
}

/// What a keyed hash is for: equal values hash differently for different purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Finds an account by its e-mail address.
    Email,
    /// Proves that the audit chain has not been shortened.
    AuditHead,
    /// Stands for an address in the audit trail.
    Address,
    /// Recognises a device that has signed in before.
    Device,
    /// Names a picture.
    Picture,
    /// Recognises a chat message that is sent again.
    ChatReference,
    /// Finds an identity elsewhere by its issuer and subject.
    Identity,
    /// Finds a passkey by its credential.
    Passkey,
    /// Compares a recovery code.
    RecoveryCode,
    /// Stands for a user of another product.
    External,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Email => b"email",
            Self::AuditHead => b"audit head",
            Self::Address => b"address",
            Self::Device => b"device",
            Self::Picture => b"picture",
            Self::ChatReference => b"chat reference",
            Self::Identity => b"identity",
            Self::Passkey => b"passkey",
            Self::RecoveryCode => b"recovery code",
            Self::External => b"external",
        }
    }
}

/// The keys that seal and open personal columns.
pub struct SealingKeys {
    /// In the order of the file; the last one seals. A rotation adds one, and takes none away while the server runs: someone
    /// may be reading what was sealed before.
    keys: RwLock<Vec<(u32, Arc<LessSafeKey>)>>,
    index: hmac::Key,
    random: Arc<dyn RandomSource>,
    folder: PathBuf,
    master: Option<Master>,
    /// Keys of organisations, rooms and accounts.
    cache: Cache,
}

impl SealingKeys {
    /// Reads the key file of a data folder; at the very first start, before there is a database, makes one.
    ///
    /// # Errors
    /// When the file is missing beside a database, readable by others, or damaged.
    pub fn load_or_create(
        folder: &Path,
        random: Arc<dyn RandomSource>,
    ) -> Result<Arc<Self>, OpenError> {
        Self::load_or_create_under(folder, random, None)
    }

    /// The same where a master key, which is kept elsewhere, wraps those of the file. A file that was not wrapped is wrapped now.
    ///
    /// # Errors
    /// As above, and when the file is wrapped by another master key, or by one and none is given.
    pub fn load_or_create_under(
        folder: &Path,
        random: Arc<dyn RandomSource>,
        master: Option<Master>,
    ) -> Result<Arc<Self>, OpenError> {
        let path = folder.join(KEY_FILE);
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(OpenError::Folder)?;
        let text = match read(&path)? {
            Some(text) => text,
            None if folder.join(DATABASE_FILE).exists() => {
                return Err(OpenError::KeysMissing(shown(&path)));
            }
            None => {
                let text =
                    Keyring::generate(random.as_ref()).written(master.as_ref(), random.as_ref())?;
                write(folder, &path, &text).map_err(OpenError::Folder)?;
                text
            }
        };
        let ring = Keyring::read(&text, master.as_ref(), &path)?;
        if master.is_some() && !Keyring::is_wrapped(&text) {
            let text = ring.written(master.as_ref(), random.as_ref())?;
            replace(folder, &path, &text).map_err(OpenError::Folder)?;
        }
        let damaged = || OpenError::KeysDamaged(shown(&path));
        let keys = ring.sealing().ok_or_else(damaged)?;
        Ok(Arc::new(Self {
            keys: RwLock::new(keys),
            index: ring.index(),
            random,
            folder: folder.to_owned(),
            master,
            cache: Cache::default(),
        }))
    }

    /// Wraps the key file of a folder by another master key than it is wrapped by, or by one if it is not, also while a server runs
    /// with it: that goes on, and needs the new one at its next start.
    ///
    /// # Errors
    /// When the file is missing, damaged, or wrapped by another master key than `from`.
    pub fn rewrap(
        folder: &Path,
        random: &dyn RandomSource,
        from: Option<&Master>,
        to: &Master,
    ) -> Result<(), OpenError> {
        let path = folder.join(KEY_FILE);
        let _alone = alone_with_keys(folder)?;
        let text = read(&path)?.ok_or_else(|| OpenError::KeysMissing(shown(&path)))?;
        let ring = match Keyring::read(&text, from, &path) {
            // It was done before: whoever was interrupted asks again.
            Err(OpenError::MasterForeign(_)) if Keyring::read(&text, Some(to), &path).is_ok() => {
                return Ok(());
            }
            ring => ring?,
        };
        let text = ring.written(Some(to), random)?;
        replace(folder, &path, &text).map_err(OpenError::Folder)
    }

    /// Makes a new key, on disk before it seals anything, and gives its number. One that was made by a rotation which did not end
    /// is used again.
    pub(super) fn begin_rotation(&self) -> Result<u32, OpenError> {
        let path = self.folder.join(KEY_FILE);
        let _alone = alone_with_keys(&self.folder)?;
        let mut ring = self.ring(&path)?;
        if !ring.is_rotating() {
            ring.add(self.random())
                .ok_or_else(|| OpenError::KeysDamaged(shown(&path)))?;
            let text = ring.written(self.master.as_ref(), self.random())?;
            replace(&self.folder, &path, &text).map_err(OpenError::Folder)?;
        }
        let all = ring
            .sealing()
            .ok_or_else(|| OpenError::KeysDamaged(shown(&path)))?;
        let newest = all.last().map_or(0, |(number, _)| *number);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let added: Vec<_> = all
            .into_iter()
            .filter(|(number, _)| !keys.iter().any(|(known, _)| known == number))
            .collect();
        keys.extend(added);
        Ok(newest)
    }

    /// Forgets every key but this one, on disk; what runs keeps them until it ends.
    pub(super) fn end_rotation(&self, newest: u32) -> Result<(), OpenError> {
        let path = self.folder.join(KEY_FILE);
        let _alone = alone_with_keys(&self.folder)?;
        let mut ring = self.ring(&path)?;
        ring.keep(newest)
            .ok_or_else(|| OpenError::KeysDamaged(shown(&path)))?;
        let text = ring.written(self.master.as_ref(), self.random())?;
        replace(&self.folder, &path, &text).map_err(OpenError::Folder)
    }

    /// Whether the file holds the key of a rotation that did not end.
    pub(super) fn is_rotating(&self) -> bool {
        self.ring(&self.folder.join(KEY_FILE))
            .is_ok_and(|ring| ring.is_rotating())
    }

    fn ring(&self, path: &Path) -> Result<Keyring, OpenError> {
        let text = read(path)?.ok_or_else(|| OpenError::KeysMissing(shown(path)))?;
        Keyring::read(&text, self.master.as_ref(), path)
    }

    /// Whether a value was sealed with the key that seals now.
    pub(super) fn is_newest(&self, sealed: &[u8]) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let newest = keys.last().map(|(number, _)| number.to_be_bytes());
        newest.is_some_and(|newest| sealed.starts_with(&newest))
    }

    /// Seals `plain` for one place in the database with the key of the file.
    pub(super) fn seal_by_file(
        &self,
        column: Column,
        row: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let (key_id, key) = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let (number, key) = keys.last().ok_or(StoreError::Corrupt)?;
            (*number, key.clone())
        };
        seal_with(&key, key_id, self.random(), (column, row), plain)
    }

    /// Opens what was sealed for exactly this place with a key of the file.
    pub(super) fn open_by_file(
        &self,
        column: Column,
        row: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>, StoreError> {
        let key_id = sealed
            .first_chunk::<KEY_ID_BYTES>()
            .ok_or(StoreError::Corrupt)?;
        let key_id = u32::from_be_bytes(*key_id);
        let key = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let found = keys.iter().find(|(number, _)| *number == key_id);
            found
                .map(|(_, key)| key.clone())
                .ok_or(StoreError::Corrupt)?
        };
        open_with(&key, (column, row), sealed)
    }

    /// A keyed hash of `parts`, different for each purpose. Nobody without the key file can compute or test it.
    pub(crate) fn keyed_hash(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.index);
        context.update(&framed(purpose.label(), parts));
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        out
    }

    /// Keys of organisations, rooms and accounts that were read.
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The source of randomness that the nonces come from.
    pub(crate) fn random(&self) -> &dyn RandomSource {
        self.random.as_ref()
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "SealingKeys({} keys)", keys.len())
    }
}

/// Layout: key id (4 bytes), nonce (12), ciphertext and tag.
pub(super) fn seal_with(
    key: &LessSafeKey,
    key_id: u32,
    random: &dyn RandomSource,
    (column, row): (Column, &[&[u8]]),
    plain: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let mut body = plain.to_vec();
    let sealed = key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(place(column, row, key_id)),
        &mut body,
    );
    if sealed.is_err() {
        body.zeroize();
        return Err(StoreError::Corrupt);
    }
    let mut out = Vec::with_capacity(KEY_ID_BYTES + NONCE_LEN + body.len());
    out.extend_from_slice(&key_id.to_be_bytes());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&body);
    Ok(out)
}

pub(super) fn open_with(
    key: &LessSafeKey,
    (column, row): (Column, &[&[u8]]),
    sealed: &[u8],
) -> Result<Secret<Vec<u8>>, StoreError> {
    let (key_id, rest) = sealed
        .split_first_chunk::<KEY_ID_BYTES>()
        .ok_or(StoreError::Corrupt)?;
    let (nonce, body) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(StoreError::Corrupt)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plain = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(place(column, row, u32::from_be_bytes(*key_id))),
            &mut body,
        )
        .map_err(|_| StoreError::Corrupt)?;
    Ok(Secret::new(plain.to_vec()))
}

/// Table ‖ column ‖ row ‖ key id, each with its length, so that no two places read the same.
fn place(column: Column, row: &[&[u8]], key_id: u32) -> Vec<u8> {
    let mut out = framed(column.table.as_bytes(), &[column.name.as_bytes()]);
    out.extend_from_slice(&framed(&key_id.to_be_bytes(), row));
    out
}

fn framed(first: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for part in std::iter::once(&first).chain(parts) {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, OpenError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::Folder(error)),
    };
    let mode = file
        .metadata()
        .map_err(OpenError::Folder)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(OpenError::KeysExposed(shown(path)));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE)
        .read_to_string(&mut text)
        .map_err(|_| OpenError::KeysDamaged(shown(path)))?;
    Ok(Some(text))
}

pub(super) fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Held while the key file is read and written anew: a command may do so beside the server. The system lets go of it with the
/// process, however that ends.
fn alone_with_keys(folder: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(KEY_LOCK))
        .map_err(OpenError::Folder)?;
    file.lock().map_err(OpenError::Folder)?;
    Ok(file)
}

/// Puts a text in the place of the key file: whoever reads it finds the former or the new one, whole.
fn replace(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let beside = folder.join(format!("{KEY_FILE}.new"));
    // One that was left by a process that was killed.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(folder, &beside, text)?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;

    const NAME: Column = Column {
        table: "accounts",
        name: "name",
        scope: Scope::Account,
    };
    const EMAIL: Column = Column {
        table: "accounts",
        name: "email",
        scope: Scope::Account,
    };

    fn keys(folder: &Path) -> Result<Arc<SealingKeys>, OpenError> {
        SealingKeys::load_or_create(folder, Arc::new(SystemRandom))
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path()).unwrap();
        let sealed = keys
            .seal_by_file(NAME, &[b"org", b"row"], b"Guest")
            .unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"Guest"));
        assert_eq!(
            keys.open_by_file(NAME, &[b"org", b"row"], &sealed)
                .unwrap()
                .expose(),
            b"Guest"
        );
        assert!(
            keys.open_by_file(EMAIL, &[b"org", b"row"], &sealed)
                .is_err()
        );
        assert!(
            keys.open_by_file(NAME, &[b"org", b"other"], &sealed)
                .is_err()
        );
        assert!(keys.open_by_file(NAME, &[b"orgr", b"ow"], &sealed).is_err());
    }

    #[test]
    fn an_altered_or_shortened_value_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path()).unwrap();
        let sealed = keys.seal_by_file(NAME, &[b"row"], b"Guest").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(
                keys.open_by_file(NAME, &[b"row"], &altered).is_err(),
                "byte {at}"
            );
            assert!(
                keys.open_by_file(NAME, &[b"row"], &sealed[..at]).is_err(),
                "first {at} bytes"
            );
        }
    }

    #[test]
    fn equal_values_seal_differently_and_hash_equally() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path()).unwrap();
        assert_ne!(
            keys.seal_by_file(NAME, &[b"r"], b"x").unwrap(),
            keys.seal_by_file(NAME, &[b"r"], b"x").unwrap()
        );
        let hash = keys.keyed_hash(Purpose::Email, &[b"org", b"a@b"]);
        assert_eq!(hash, keys.keyed_hash(Purpose::Email, &[b"org", b"a@b"]));
        assert_ne!(hash, keys.keyed_hash(Purpose::Device, &[b"org", b"a@b"]));
        assert_ne!(hash, keys.keyed_hash(Purpose::Email, &[b"orga", b"@b"]));
    }

    #[test]
    fn the_key_file_is_the_owners_alone_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = keys(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let sealed = first.seal_by_file(NAME, &[b"row"], b"Guest").unwrap();
        assert_eq!(
            keys(folder.path())
                .unwrap()
                .open_by_file(NAME, &[b"row"], &sealed)
                .unwrap()
                .expose(),
            b"Guest"
        );

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            keys(folder.path()),
            Err(OpenError::KeysExposed(_))
        ));
    }

    #[test]
    fn no_new_keys_are_made_beside_an_old_database() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DATABASE_FILE), b"").unwrap();
        assert!(matches!(
            keys(folder.path()),
            Err(OpenError::KeysMissing(_))
        ));
        assert!(!folder.path().join(KEY_FILE).exists());
    }

    #[test]
    fn another_master_key_wraps_the_same_keys_also_in_the_middle_of_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, third] = [(); 3].map(|()| Master::generate(&SystemRandom));
        let master = |text: &Secret<String>| Master::parse(text).unwrap();
        let load = |text: &Secret<String>| {
            let random = Arc::new(SystemRandom);
            SealingKeys::load_or_create_under(folder.path(), random, Some(master(text)))
        };
        let rewrap = |from: Option<&Secret<String>>, to: &Secret<String>| {
            let from = from.map(master);
            SealingKeys::rewrap(folder.path(), &SystemRandom, from.as_ref(), &master(to))
        };
        let sealed = keys(folder.path())
            .unwrap()
            .seal_by_file(NAME, &[b"row"], b"Guest")
            .unwrap();
        // From none to one, while a server has it open.
        let running = keys(folder.path()).unwrap();
        rewrap(None, &first).unwrap();
        assert!(running.open_by_file(NAME, &[b"row"], &sealed).is_ok());
        assert!(matches!(
            running.begin_rotation(),
            Err(OpenError::MasterMissing(_))
        ));
        let running = load(&first).unwrap();
        assert_eq!(running.begin_rotation().unwrap(), 2);
        let newer = running.seal_by_file(NAME, &[b"row"], b"Guest").unwrap();
        rewrap(Some(&first), &second).unwrap();
        // What was begun is on disk, and is ended by whoever has the new master key.
        assert!(matches!(
            running.end_rotation(2),
            Err(OpenError::MasterForeign(_))
        ));
        assert!(matches!(load(&first), Err(OpenError::MasterForeign(_))));
        let after = load(&second).unwrap();
        for sealed in [&sealed, &newer] {
            assert!(after.open_by_file(NAME, &[b"row"], sealed).is_ok());
        }
        after.end_rotation(2).unwrap();
        // Asked again, it is done; asked with a wrong one, it is not.
        rewrap(Some(&first), &second).unwrap();
        assert!(matches!(
            rewrap(Some(&first), &third),
            Err(OpenError::MasterForeign(_))
        ));
        assert!(matches!(
            rewrap(None, &third),
            Err(OpenError::MasterMissing(_))
        ));
        assert!(
            load(&second)
                .unwrap()
                .open_by_file(NAME, &[b"row"], &newer)
                .is_ok()
        );
    }
}
