//! Signed heads of the audit trail: every minute the number and hash of the newest row, signed with a key of its own. Kept in
//! the database and, if the operator wants, in a file outside of it, so that a trail that was shortened or turned back shows.

use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::ids::OrgId;
use crate::secret::RandomSource;
use crate::store::audit::{HASH, head};
use crate::store::database::Store;
use crate::store::error::{OpenError, StoreError};
use crate::store::row;
use crate::store::seal::{self, SealingKeys};
use crate::store::sql::{Connection, Row, query};
use crate::store::writer::{Change, Written};

/// The file in the data folder with which heads are signed.
pub const KEY_FILE: &str = "audit.key";
const HEADER: &str = "conclave audit key 1";
const SEED: usize = 32;
const SIGNATURE: usize = 64;
/// What a signature is about, so that it is worth nothing anywhere else.
const CONTEXT: &[u8] = b"conclave audit head 1";

/// The key that signs heads.
pub struct HeadKey(Ed25519KeyPair);

/// What others check signatures with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The newest row of a trail at some time, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Whose trail.
    pub org: OrgId,
    /// The number of the row.
    pub seq: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// The hash of the row.
    #[serde(with = "hex")]
    pub hash: [u8; HASH],
    /// Ed25519 over all of it.
    #[serde(with = "hex")]
    pub signature: [u8; SIGNATURE],
}

impl HeadKey {
    /// Reads the key file of a data folder, or makes one.
    ///
    /// # Errors
    /// When the file is readable by others, or damaged.
    pub fn load_or_create(folder: &Path, random: &dyn RandomSource) -> Result<Self, OpenError> {
        if let Some(key) = Self::load(folder)? {
            return Ok(key);
        }
        let mut seed = Zeroizing::new([0; SEED]);
        random.fill(seed.as_mut());
        let encoded = Zeroizing::new(BASE64URL_NOPAD.encode(seed.as_ref()));
        let text = Zeroizing::new(format!("{HEADER}\nseed {}\n", encoded.as_str()));
        let path = folder.join(KEY_FILE);
        seal::write(folder, &path, &text).map_err(OpenError::Folder)?;
        Self::parse(&text).ok_or_else(|| OpenError::KeysDamaged(seal::shown(&path)))
    }

    /// Reads the key file of a data folder, if there is one.
    ///
    /// # Errors
    /// When the file is readable by others, or damaged.
    pub fn load(folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = folder.join(KEY_FILE);
        let damaged = || OpenError::KeysDamaged(seal::shown(&path));
        seal::read(&path)?
            .map(|text| Self::parse(&text).ok_or_else(damaged))
            .transpose()
    }

    fn parse(text: &str) -> Option<Self> {
        let seed = text
            .strip_prefix(HEADER)?
            .strip_prefix("\nseed ")?
            .strip_suffix('\n')?;
        let seed = Zeroizing::new(BASE64URL_NOPAD.decode(seed.as_bytes()).ok()?);
        Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(Self)
    }

    /// What others check signatures with.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(key)
    }

    fn sign(&self, org: OrgId, seq: u64, at: Timestamp, hash: [u8; HASH]) -> SignedHead {
        let mut signature = [0; SIGNATURE];
        let signed = self.0.sign(&message(org, seq, at, &hash));
        for (to, from) in signature.iter_mut().zip(signed.as_ref()) {
            *to = *from;
        }
        SignedHead {
            org,
            seq,
            at,
            hash,
            signature,
        }
    }
}

impl std::fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeadKey([redacted])")
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| StoreError::Corrupt)?;
        bytes.try_into().map(Self).map_err(|_| StoreError::Corrupt)
    }
}

impl SignedHead {
    /// Whether the key signed exactly this.
    pub fn holds(&self, key: PublicKey) -> bool {
        let message = message(self.org, self.seq, self.at, &self.hash);
        UnparsedPublicKey::new(&ED25519, key.0)
            .verify(&message, &self.signature)
            .is_ok()
    }

    /// The head as one line of a file.
    pub fn line(&self) -> String {
        // Of identifiers, numbers and letters alone: there is nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The head of a line.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    pub(super) fn read(found: &Row) -> Result<Self, StoreError> {
        let seq: i64 = found.try_get("seq")?;
        Ok(Self {
            org: row::id(found, "org_id")?,
            seq: u64::try_from(seq).map_err(|_| StoreError::Corrupt)?,
            at: row::time(found, "at")?,
            hash: row::bytes(found, "hash")?,
            signature: row::bytes(found, "signature")?,
        })
    }
}

fn message(org: OrgId, seq: u64, at: Timestamp, hash: &[u8; HASH]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(CONTEXT);
    out.extend_from_slice(org.as_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&at.as_millis().to_be_bytes());
    out.extend_from_slice(hash);
    out
}

impl Store {
    /// Signs the newest row of an organisation's trail; nothing if it is signed already or there is none.
    pub fn sign_audit_head(
        &self,
        org: OrgId,
        key: Arc<HeadKey>,
        now: Timestamp,
    ) -> Written<Option<SignedHead>> {
        self.write(Sign {
            org,
            key,
            keys: self.keys().clone(),
            now,
        })
    }

    /// The newest head that was signed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_signed_head(&self, org: OrgId) -> Result<Option<SignedHead>, StoreError> {
        let mut connection = self.reads().acquire().await?;
        last(&mut connection.on(), org).await
    }
}

struct Sign {
    org: OrgId,
    key: Arc<HeadKey>,
    keys: Arc<SealingKeys>,
    now: Timestamp,
}

impl Change for Sign {
    type Out = Option<SignedHead>;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Option<SignedHead>, StoreError> {
        let newest = head(on, self.org, &self.keys).await?;
        let seq = u64::try_from(newest.seq).map_err(|_| StoreError::Corrupt)?;
        let signed = last(on, self.org).await?.map_or(0, |last| last.seq);
        if seq <= signed {
            return Ok(None);
        }
        let signed = self.key.sign(self.org, seq, self.now, newest.hash);
        query(
            "INSERT INTO audit_signed_heads (org_id, seq, at, hash, signature) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(newest.seq)
        .bind(signed.at.as_millis())
        .bind(signed.hash.as_slice())
        .bind(signed.signature.as_slice())
        .execute(on)
        .await?;
        Ok(Some(signed))
    }
}

async fn last(on: &mut Connection<'_>, org: OrgId) -> Result<Option<SignedHead>, StoreError> {
    let found = query(
        "SELECT org_id, seq, at, hash, signature FROM audit_signed_heads WHERE org_id = $1 ORDER BY seq DESC LIMIT 1",
    )
    .bind(org.as_bytes().as_slice())
    .fetch_optional(on)
    .await?;
    found.map(|found| SignedHead::read(&found)).transpose()
}

/// Bytes as hexadecimal text.
mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::HEXLOWER;

    pub(super) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| D::Error::custom("not hexadecimal"))?;
        bytes
            .try_into()
            .map_err(|_| D::Error::custom("of another length"))
    }
}

/// An identifier of the trail as text: 26 letters and digits, as everywhere.
pub(super) fn id_text(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// A hash as text.
pub(super) fn hash_text(bytes: &[u8; HASH]) -> String {
    HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;
    use crate::store::audit::tests::{filled, tamper};

    fn key() -> Arc<HeadKey> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(HeadKey::load_or_create(folder.path(), &SystemRandom).unwrap())
    }

    #[tokio::test]
    async fn a_head_is_signed_once_and_only_when_there_is_something_new() {
        let (_folder, store) = filled(3).await;
        let (key, org) = (key(), store.org());
        let sign = |at| store.sign_audit_head(org, key.clone(), Timestamp::from_millis(at));
        let signed = sign(7).await.unwrap().unwrap();
        assert_eq!((signed.seq, signed.at.as_millis()), (3, 7));
        assert_eq!(store.audit_head(org).await.unwrap(), (3, signed.hash));
        assert!(signed.holds(key.public()));
        assert_eq!(sign(8).await, Ok(None));
        assert_eq!(store.last_signed_head(org).await, Ok(Some(signed)));
    }

    #[test]
    fn a_signature_is_about_everything_in_the_head() {
        let key = key();
        let signed = key.sign(
            OrgId::from_bytes([1; 16]),
            9,
            Timestamp::from_millis(5),
            [3; HASH],
        );
        assert_eq!(SignedHead::parse(&signed.line()), Some(signed.clone()));
        let others = [
            SignedHead {
                seq: 8,
                ..signed.clone()
            },
            SignedHead {
                org: OrgId::from_bytes([2; 16]),
                ..signed.clone()
            },
            SignedHead {
                at: Timestamp::from_millis(6),
                ..signed.clone()
            },
            SignedHead {
                hash: [4; HASH],
                ..signed.clone()
            },
        ];
        assert!(others.iter().all(|other| !other.holds(key.public())));
        assert!(!signed.holds(self::key().public()));
        for line in [
            "",
            "{}",
            &signed.line()[1..],
            &signed.line().replace("seq", "sec"),
        ] {
            assert_eq!(SignedHead::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_key_stays_the_same_and_is_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = HeadKey::load_or_create(folder.path(), &SystemRandom).unwrap();
        let again = HeadKey::load_or_create(folder.path(), &SystemRandom).unwrap();
        assert_eq!(first.public(), again.public());
        assert_eq!(first.public().to_string().parse(), Ok(first.public()));
        let path = folder.path().join(KEY_FILE);
        let set = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        set(0o640);
        assert!(matches!(
            HeadKey::load(folder.path()),
            Err(OpenError::KeysExposed(_))
        ));
        set(0o600);
        std::fs::write(&path, "conclave audit key 1\nseed short\n").unwrap();
        assert!(matches!(
            HeadKey::load(folder.path()),
            Err(OpenError::KeysDamaged(_))
        ));
    }

    #[tokio::test]
    async fn a_replaced_head_is_not_signed() {
        let (folder, store) = filled(3).await;
        tamper(folder.path(), "UPDATE audit_heads SET seq = 2").await;
        let signed = store.sign_audit_head(store.org(), key(), Timestamp::from_millis(1));
        assert_eq!(signed.await, Err(StoreError::Corrupt));
    }
}
