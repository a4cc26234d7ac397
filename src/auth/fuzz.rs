//! Bodies of the fuzz targets of this part. Compiled with the library, so that they never rot; of no use to the server.

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::auth::picture::{self, Portrait};
use crate::auth::proof::Thumbprint;
use crate::auth::token::{Claims, KEY_BYTES, KeyRing, TokenId};
use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId};
use crate::secret::Secret;
use crate::store::sessions::SessionKey;

const ORG: OrgId = OrgId::from_bytes([1; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

/// Whatever the bytes are, no token but the one that was made here opens: neither the bytes themselves, nor a good token
/// that they alter (pairs of position and value), nor a good token that they are spliced into.
///
/// # Panics
/// When a token opens that must not.
#[doc(hidden)]
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn fuzz_token(data: &[u8]) {
    let key = SessionKey {
        id: [1; 16],
        secret: Secret::new(vec![7; KEY_BYTES]),
        created: Timestamp::from_millis(0),
        makes_until: Timestamp::from_millis(2_000_000),
        opens_until: Timestamp::from_millis(3_000_000),
    };
    let claims = Claims::Session {
        org: ORG,
        sub: AccountId::from_bytes([2; 16]),
        epoch: 1,
        jkt: None,
        iat: 1000,
        exp: 2000,
        end: 2000,
        turn: 0,
        jti: TokenId::from([3; 16]),
        by: None,
        factor: false,
    };
    let Ok(ring) = KeyRing::new(ORG, std::slice::from_ref(&key)) else {
        panic!("no key ring")
    };
    let Ok(good) = ring.make(&claims, NOW) else {
        panic!("no token")
    };
    let good = good.expose();
    if ring.open(good, NOW) != Ok(claims) {
        panic!("a good token does not open");
    }

    let raw = String::from_utf8_lossy(data);
    let mut altered = good.clone().into_bytes();
    for pair in data.chunks_exact(2) {
        if let [at, value] = *pair
            && let Some(place) = altered.get_mut(usize::from(at) % good.len())
        {
            *place = value;
        }
    }
    let altered = String::from_utf8_lossy(&altered);
    let mut spliced: Vec<&str> = good.split('.').collect();
    if let Some(part) = spliced.get_mut(data.len() % 5) {
        *part = &raw;
    }
    let spliced = spliced.join(".");
    for token in [raw.as_ref(), altered.as_ref(), spliced.as_str()] {
        if token != good && ring.open(token, NOW).is_ok() {
            panic!("a foreign token opens");
        }
    }
}

/// A token to be checked again and again, for the figures.
#[doc(hidden)]
pub struct TokenBench {
    ring: KeyRing,
    token: Secret<String>,
    key: LessSafeKey,
    header: String,
    sealed: Vec<u8>,
    work: Vec<u8>,
}

#[doc(hidden)]
impl TokenBench {
    /// One key, one token of a signed-in person with a key of their own, and the same bytes outside of any token.
    ///
    /// # Panics
    /// When they cannot be made.
    #[expect(
        clippy::new_without_default,
        clippy::expect_used,
        reason = "for a bench"
    )]
    pub fn new() -> Self {
        let secret = vec![7; KEY_BYTES];
        let stored = SessionKey {
            id: [1; 16],
            secret: Secret::new(secret.clone()),
            created: Timestamp::from_millis(0),
            makes_until: Timestamp::from_millis(2_000_000),
            opens_until: Timestamp::from_millis(3_000_000),
        };
        let claims = Claims::Session {
            org: ORG,
            sub: AccountId::from_bytes([2; 16]),
            epoch: 1,
            jkt: Some(Thumbprint::from_bytes([9; 32])),
            iat: 1000,
            exp: 2000,
            end: 2000,
            turn: 3,
            jti: TokenId::from([3; 16]),
            by: None,
            factor: true,
        };
        let ring = KeyRing::new(ORG, &[stored]).expect("a ring");
        let token = ring.make(&claims, NOW).expect("a token");
        let parts: Vec<&str> = token.expose().split('.').collect();
        let part = |place: usize| parts.get(place).copied().unwrap_or_default();
        let bytes = |place| BASE64URL_NOPAD.decode(part(place).as_bytes());
        let mut sealed = bytes(2).expect("a nonce");
        sealed.extend(bytes(3).expect("a text"));
        sealed.extend(bytes(4).expect("a tag"));
        let key = UnboundKey::new(&AES_256_GCM, &secret).expect("a key");
        Self {
            ring,
            header: part(0).to_owned(),
            key: LessSafeKey::new(key),
            work: vec![0; sealed.len()],
            sealed,
            token,
        }
    }

    /// The letters of the token.
    pub fn letters(&self) -> usize {
        self.token.expose().len()
    }

    /// The bytes that are sealed in it.
    pub fn bytes(&self) -> usize {
        self.sealed.len()
    }

    /// Checks the token as every request does, but for the store.
    pub fn check(&self) -> bool {
        self.ring.open(self.token.expose(), NOW).is_ok()
    }

    /// Only opens what is sealed in it.
    pub fn open_bare(&mut self) -> bool {
        self.work.copy_from_slice(&self.sealed);
        let Some((nonce, text)) = self.work.split_first_chunk_mut::<12>() else {
            return false;
        };
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(self.header.as_bytes());
        self.key.open_in_place(nonce, aad, text).is_ok()
    }
}

/// Whatever the bytes are, what is kept of them is a small picture of ours, without a word that was in them, and can be read
/// again.
///
/// # Panics
/// When something else would be kept.
#[doc(hidden)]
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn fuzz_picture(data: &[u8]) {
    let Ok(portrait) = Portrait::read(data) else {
        return;
    };
    let kept = portrait.as_bytes();
    if !picture::is_ours(kept) {
        panic!("what is kept is not a picture of ours");
    }
    if Portrait::read(kept).is_err() {
        panic!("what was kept is not taken again");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEEDS: &[&[u8]] = &[
        include_bytes!("../../fuzz/seeds/picture/gif"),
        include_bytes!("../../fuzz/seeds/picture/gif_animated"),
        include_bytes!("../../fuzz/seeds/picture/jpeg"),
        include_bytes!("../../fuzz/seeds/picture/jpeg_turned"),
        include_bytes!("../../fuzz/seeds/picture/png"),
        include_bytes!("../../fuzz/seeds/picture/png_palette"),
        include_bytes!("../../fuzz/seeds/picture/progressive"),
        include_bytes!("../../fuzz/seeds/picture/webp_animated"),
        include_bytes!("../../fuzz/seeds/picture/webp_lossless"),
        include_bytes!("../../fuzz/seeds/picture/webp_lossy"),
    ];

    #[test]
    fn the_seeds_are_pictures() {
        for seed in SEEDS {
            assert!(Portrait::read(seed).is_ok());
        }
    }

    proptest! {
        #[test]
        fn altered_pictures_are_kept_as_ours_or_not_at_all(
            seed in 0..SEEDS.len(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = SEEDS[seed].to_vec();
            for (place, value) in changes {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            fuzz_picture(&bytes);
        }
    }
}
