//! The secrets with which clients come straight back to their places. By each the server knows whether it gave it in this run:
//! whoever comes back to a server that was started anew is told just that, before any room is looked for, and joins as at first. With
//! several servers for one room a run would have to be that of all of them.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;

use crate::secret::{self, RandomSource};

/// Bytes of a secret that are drawn.
const DRAWN: usize = 24;
/// Bytes of a secret that only the run which gave it can make of those.
const MARK: usize = 8;

/// A run of the server, from its start to its end: all places end with it.
#[derive(Clone, Debug)]
pub struct Run(hmac::Key);

impl Run {
    /// A run that begins now.
    pub fn begin(random: &dyn RandomSource) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// A new secret of this run.
    pub fn secret(&self, random: &dyn RandomSource) -> String {
        let mut drawn = [0; DRAWN];
        random.fill(&mut drawn);
        BASE64URL_NOPAD.encode(&[drawn.as_slice(), &self.mark(&drawn)].concat())
    }

    /// Whether this has the form of a secret and is none of this run. What has not is for the room to refuse.
    pub fn is_over(&self, secret: &str) -> bool {
        let Ok(bytes) = BASE64URL_NOPAD.decode(secret.as_bytes()) else {
            return false;
        };
        match bytes.split_at_checked(DRAWN) {
            Some((drawn, mark)) if mark.len() == MARK => !secret::equal(mark, &self.mark(drawn)),
            _ => false,
        }
    }

    /// HMAC-SHA-256 (RFC 2104), cut short.
    fn mark(&self, drawn: &[u8]) -> [u8; MARK] {
        let mut mark = [0; MARK];
        for (to, from) in mark.iter_mut().zip(hmac::sign(&self.0, drawn).as_ref()) {
            *to = *from;
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;

    #[test]
    fn a_secret_is_known_by_its_run_alone() {
        let (before, now) = (Run::begin(&SystemRandom), Run::begin(&SystemRandom));
        let (old, new) = (before.secret(&SystemRandom), now.secret(&SystemRandom));
        assert!(now.is_over(&old) && !now.is_over(&new));
        assert_ne!(new, now.secret(&SystemRandom));
        // What a server of another make gave is of no run of this one either.
        assert!(now.is_over(&BASE64URL_NOPAD.encode(&[7; 32])));
    }

    #[test]
    fn what_is_no_secret_is_of_no_run() {
        let (before, now) = (Run::begin(&SystemRandom), Run::begin(&SystemRandom));
        let old = before.secret(&SystemRandom);
        for wrong in [
            "",
            "A",
            "?",
            &old[..42],
            &format!("{old}A"),
            &format!("{old}AA"),
        ] {
            assert!(!now.is_over(wrong), "{wrong:?}");
        }
    }
}
