//! What clients have to sign: values that the server made lately, and each proof once. Nothing is kept of a value that was
//! given out; of proofs that were used, a hash for as long as their value is good.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;

use crate::auth::proof::Proof;
use crate::secret::{self, RandomSource};

/// How long a value may be signed: a client asks for another one as seldom as this.
const LIFE: Duration = Duration::from_secs(300);
/// Used proofs that are remembered before all older values are taken back: then every client fetches a fresh one.
const REMEMBERED: usize = 131_072;
const TIME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = TIME_BYTES + TAG_BYTES;

/// A value to sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_BYTES]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

/// Why a proof does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It signs no value of ours, or one that is too old: sign this one.
    Stale(Nonce),
    /// It was shown before.
    Used,
}

/// Makes the values, and knows which proofs were used.
pub struct Nonces {
    key: hmac::Key,
    started: Instant,
    used: Mutex<Used>,
}

struct Used {
    /// Values from before this moment are good no more.
    since: Duration,
    /// When the newer half was begun.
    turned: Duration,
    newer: HashSet<[u8; TAG_BYTES]>,
    older: HashSet<[u8; TAG_BYTES]>,
}

impl Nonces {
    /// With a key of this run of the server: what was given out before is good no more.
    pub fn new(random: &dyn RandomSource, started: Instant) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            started,
            used: Mutex::new(Used {
                since: Duration::ZERO,
                turned: Duration::ZERO,
                newer: HashSet::new(),
                older: HashSet::new(),
            }),
        }
    }

    /// A value to sign from now on.
    pub fn make(&self, now: Instant) -> Nonce {
        let passed = now.saturating_duration_since(self.started);
        // Five hundred million years fit.
        self.of(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }

    /// Uses a proof up.
    ///
    /// # Errors
    /// When it signs nothing of ours, or was used before.
    pub fn spend(&self, proof: &Proof, now: Instant) -> Result<(), Unfit> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(self.started);
        let made = proof.nonce.as_deref().and_then(|nonce| self.read(nonce));
        let fresh =
            made.is_some_and(|made| made >= used.since && passed.saturating_sub(made) < LIFE);
        if !fresh {
            return Err(Unfit::Stale(self.make(now)));
        }
        let name = self.tag(&[b"proof", proof.key.as_bytes(), proof.id.as_bytes()]);
        if used.newer.contains(&name) || used.older.contains(&name) {
            return Err(Unfit::Used);
        }
        if passed.saturating_sub(used.turned) >= LIFE {
            used.older = std::mem::take(&mut used.newer);
            used.turned = passed;
        }
        if used.newer.len().saturating_add(used.older.len()) >= REMEMBERED {
            // The value of this proof is good no more either, one millisecond later.
            used.since = passed.saturating_add(Duration::from_millis(1));
            used.newer.clear();
            used.older.clear();
        }
        used.newer.insert(name);
        Ok(())
    }

    fn of(&self, millis: u64) -> Nonce {
        let time = millis.to_be_bytes();
        let tag = self.tag(&[b"nonce", &time]);
        let mut bytes = [0; NONCE_BYTES];
        let parts = time.iter().chain(&tag);
        bytes
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = *from);
        Nonce(bytes)
    }

    /// When a value was made, if we made it.
    fn read(&self, text: &str) -> Option<Duration> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (time, _) = bytes.split_first_chunk::<TIME_BYTES>()?;
        let millis = u64::from_be_bytes(*time);
        secret::equal(&bytes, &self.of(millis).0).then(|| Duration::from_millis(millis))
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        parts.iter().for_each(|part| context.update(part));
        let whole = context.sign();
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut()
            .zip(whole.as_ref())
            .for_each(|(to, from)| *to = *from);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::proof::tests::Signer;
    use crate::clock::{Clock, ManualClock};
    use crate::secret::SystemRandom;

    fn proof(signer: &Signer, id: &str, nonce: &str) -> Proof {
        Proof::parse(&signer.proof("GET", "x", id, nonce)).unwrap()
    }

    #[test]
    fn a_proof_counts_once_and_while_its_value_is_fresh() {
        let start = ManualClock::new().instant();
        let (nonces, signer) = (Nonces::new(&SystemRandom, start), Signer::new());
        let nonce = nonces.make(start + Duration::from_secs(7)).to_string();
        let at = |seconds| start + Duration::from_secs(seconds);
        let one = proof(&signer, "one", &nonce);
        assert_eq!(nonces.spend(&one, at(8)), Ok(()));
        assert_eq!(nonces.spend(&one, at(9)), Err(Unfit::Used));
        // The name is the key's own: another may use it too.
        assert_eq!(
            nonces.spend(&proof(&Signer::new(), "one", &nonce), at(9)),
            Ok(())
        );
        // Not once the two halves have turned either.
        let two = proof(&signer, "two", &nonces.make(at(305)).to_string());
        assert_eq!(nonces.spend(&two, at(306)), Ok(()));
        assert_eq!(nonces.spend(&one, at(306)), Err(Unfit::Used));
        let late = proof(&signer, "late", &nonce);
        assert!(matches!(nonces.spend(&late, at(307)), Err(Unfit::Stale(_))));
    }

    #[test]
    fn only_values_of_this_server_count() {
        let start = ManualClock::new().instant();
        let (nonces, signer) = (Nonces::new(&SystemRandom, start), Signer::new());
        let foreign = Nonces::new(&SystemRandom, start).make(start).to_string();
        let own = nonces.make(start).to_string();
        let without = signer.sign(
            &signer.header(),
            &serde_json::json!({"htm": "GET", "htu": "x", "jti": "1", "iat": 1}),
        );
        for nonce in [foreign.as_str(), "", "AAAA", &own[1..], &own[..20]] {
            let answer = nonces.spend(&proof(&signer, "1", nonce), start);
            let Err(Unfit::Stale(fresh)) = answer else {
                panic!("{nonce} counts")
            };
            // What is given in its place counts.
            let id = format!("after {nonce}");
            assert_eq!(
                nonces.spend(&proof(&signer, &id, &fresh.to_string()), start),
                Ok(())
            );
        }
        let none = Proof::parse(&without).unwrap();
        assert!(matches!(nonces.spend(&none, start), Err(Unfit::Stale(_))));
    }

    #[test]
    fn a_flood_of_proofs_takes_back_what_was_given_out_and_no_memory() {
        let start = ManualClock::new().instant();
        let (nonces, signer) = (Nonces::new(&SystemRandom, start), Signer::new());
        let nonce = nonces.make(start).to_string();
        let mut flood = proof(&signer, "flood", &nonce);
        for number in 0..=REMEMBERED {
            flood.id = number.to_string();
            assert_eq!(nonces.spend(&flood, start), Ok(()), "{number}");
        }
        let used = nonces.used.lock().unwrap();
        assert!(used.newer.len() + used.older.len() <= REMEMBERED);
        drop(used);
        // What was used before the flood's end cannot be used again, though nothing is remembered of it.
        flood.id = "3".to_owned();
        let soon = start + Duration::from_millis(1);
        assert!(matches!(nonces.spend(&flood, soon), Err(Unfit::Stale(_))));
        let fresh = nonces.make(soon).to_string();
        assert_eq!(nonces.spend(&proof(&signer, "later", &fresh), soon), Ok(()));
    }
}
