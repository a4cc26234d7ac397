//! The key file as text: `seal NUMBER KEY` lines in their order and one `index KEY` line, plain or wrapped by a master key that
//! is kept elsewhere. No database and no file here.

use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

use crate::secret::{RandomSource, Secret};
use crate::store::error::OpenError;

const PLAIN: &str = "conclave keys 1";
const WRAPPED: &str = "conclave keys 2";
const KEY_BYTES: usize = 32;
/// More than any number of rotations will leave.
const MAX_KEYS: usize = 256;

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The key that wraps those of the file.
pub struct Master(LessSafeKey);

impl Master {
    /// A master key of 32 bytes in base64url without padding, as `conclave keys make` prints one.
    pub fn parse(text: &Secret<String>) -> Option<Self> {
        let key = decode(text.expose().trim())?;
        Some(Self(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?,
        )))
    }

    /// A new one, as text.
    pub fn generate(random: &dyn RandomSource) -> Secret<String> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random.fill(key.as_mut());
        Secret::new(BASE64URL_NOPAD.encode(key.as_ref()))
    }

    /// Nonce, ciphertext and tag, bound to what the key is for.
    fn wrap(&self, name: &str, key: &Key, random: &dyn RandomSource) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut body = Zeroizing::new(key.to_vec());
        let aad = Aad::from(format!("{WRAPPED}\n{name}"));
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .ok()?;
        let all = [nonce.as_slice(), &body, tag.as_ref()].concat();
        Some(BASE64URL_NOPAD.encode(&all))
    }

    fn unwrap(&self, name: &str, wrapped: &str) -> Option<Key> {
        let all = BASE64URL_NOPAD.decode(wrapped.as_bytes()).ok()?;
        let (nonce, body) = all.split_first_chunk::<NONCE_LEN>()?;
        let mut body = Zeroizing::new(body.to_vec());
        let aad = Aad::from(format!("{WRAPPED}\n{name}"));
        let key = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body)
            .ok()?;
        <[u8; KEY_BYTES]>::try_from(&*key).ok().map(Zeroizing::new)
    }
}

/// The keys of a file.
pub(super) struct Keyring {
    sealing: Vec<(u32, Key)>,
    index: Key,
}

impl Keyring {
    pub(super) fn generate(random: &dyn RandomSource) -> Self {
        let fresh = || {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            random.fill(key.as_mut());
            key
        };
        Self {
            sealing: vec![(1, fresh())],
            index: fresh(),
        }
    }

    pub(super) fn is_wrapped(text: &str) -> bool {
        text.starts_with(WRAPPED)
    }

    /// Reads the text of a file; `path` is for the errors.
    pub(super) fn read(
        text: &str,
        master: Option<&Master>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        match (Self::is_wrapped(text), master) {
            (true, None) => Err(OpenError::MasterMissing(shown())),
            (true, Some(master)) => {
                Self::parse(text, WRAPPED, |name, key| master.unwrap(name, key))
                    .ok_or_else(|| OpenError::MasterForeign(shown()))
            }
            (false, _) => Self::parse(text, PLAIN, |_, key| decode(key))
                .ok_or_else(|| OpenError::KeysDamaged(shown())),
        }
    }

    fn parse(text: &str, header: &str, key: impl Fn(&str, &str) -> Option<Key>) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != header {
            return None;
        }
        let mut sealing: Vec<(u32, Key)> = Vec::new();
        let mut index = None;
        for line in lines {
            let (name, value) = line.rsplit_once(' ')?;
            match name.strip_prefix("seal ") {
                Some(number) if sealing.len() < MAX_KEYS => {
                    let number: u32 = number.parse().ok()?;
                    if sealing.iter().any(|(known, _)| *known == number) {
                        return None;
                    }
                    sealing.push((number, key(name, value)?));
                }
                None if name == "index" && index.is_none() => index = Some(key(name, value)?),
                _ => return None,
            }
        }
        if sealing.is_empty() {
            return None;
        }
        Some(Self {
            sealing,
            index: index?,
        })
    }

    /// The text of a file with these keys.
    pub(super) fn written(
        &self,
        master: Option<&Master>,
        random: &dyn RandomSource,
    ) -> Result<Zeroizing<String>, OpenError> {
        let header = if master.is_some() { WRAPPED } else { PLAIN };
        let mut text = Zeroizing::new(format!("{header}\n"));
        let sealing = self.sealing.iter();
        let named = sealing.map(|(number, key)| (format!("seal {number}"), key));
        for (name, key) in named.chain([("index".to_owned(), &self.index)]) {
            let value = match master {
                None => BASE64URL_NOPAD.encode(key.as_ref()),
                Some(master) => master
                    .wrap(&name, key, random)
                    .ok_or_else(|| OpenError::MasterForeign(name.clone()))?,
            };
            let value = Zeroizing::new(value);
            for part in [name.as_str(), " ", &value, "\n"] {
                text.push_str(part);
            }
        }
        Ok(text)
    }

    /// More than one key: the last one is that of a rotation.
    pub(super) fn is_rotating(&self) -> bool {
        self.sealing.len() > 1
    }

    /// A new key after the others.
    pub(super) fn add(&mut self, random: &dyn RandomSource) -> Option<()> {
        let last = self.sealing.iter().map(|(number, _)| *number).max()?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random.fill(key.as_mut());
        self.sealing.push((last.checked_add(1)?, key));
        Some(())
    }

    /// Only this key; `None` when it is not there.
    pub(super) fn keep(&mut self, number: u32) -> Option<()> {
        self.sealing.retain(|(known, _)| *known == number);
        (!self.sealing.is_empty()).then_some(())
    }

    pub(super) fn sealing(&self) -> Option<Vec<(u32, Arc<LessSafeKey>)>> {
        let sealing = self.sealing.iter();
        sealing
            .map(|(number, key)| {
                let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?;
                Some((*number, Arc::new(LessSafeKey::new(key))))
            })
            .collect()
    }

    pub(super) fn index(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.index.as_ref())
    }
}

fn decode(key: &str) -> Option<Key> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(key.as_bytes()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;

    fn plain(text: &str) -> Option<Keyring> {
        Keyring::read(text, None, Path::new("conclave.key")).ok()
    }

    fn master() -> Master {
        Master::parse(&Master::generate(&SystemRandom)).unwrap()
    }

    #[test]
    fn a_damaged_key_file_is_refused() {
        let ring = Keyring::generate(&SystemRandom);
        let good = ring.written(None, &SystemRandom).unwrap().to_string();
        assert!(plain(&good).is_some());
        let seal = good.lines().nth(1).unwrap();
        for bad in [
            String::new(),
            PLAIN.to_owned(),
            good.replace(PLAIN, WRAPPED),
            good.replace(PLAIN, "conclave keys 3"),
            good.trim_end().to_owned(),
            good.replace("index", "indices"),
            good.replace("seal 1", "seal x"),
            format!("{good}{seal}\n"),
            format!("{good}\n"),
            good.replace("seal 1 ", "seal 1 A"),
        ] {
            assert!(plain(&bad).is_none(), "{}", bad.len());
        }
    }

    #[test]
    fn a_wrapped_file_opens_with_its_master_key_only_and_each_key_in_its_place() {
        let (own, other) = (master(), master());
        let mut ring = Keyring::generate(&SystemRandom);
        ring.add(&SystemRandom).unwrap();
        let text = ring.written(Some(&own), &SystemRandom).unwrap();
        for (_, key) in &ring.sealing {
            assert!(!text.contains(&BASE64URL_NOPAD.encode(key.as_ref())));
        }
        let path = Path::new("conclave.key");
        let read = Keyring::read(&text, Some(&own), path).unwrap();
        assert!(read.sealing == ring.sealing && read.index == ring.index);
        assert!(matches!(
            Keyring::read(&text, Some(&other), path),
            Err(OpenError::MasterForeign(_))
        ));
        assert!(matches!(
            Keyring::read(&text, None, path),
            Err(OpenError::MasterMissing(_))
        ));
        let swapped = text
            .replace("seal 1 ", "seal 3 ")
            .replace("seal 2 ", "seal 1 ");
        assert!(Keyring::read(&swapped, Some(&own), path).is_err());
    }
}
