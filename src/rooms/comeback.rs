//! The secrets with which clients come straight back to their places. Each names the run of the server that gave it: whoever comes
//! back to a server that was started anew is told just that, before any room is looked for, and joins as at first. With several servers for
//! one room a run would have to be that of all of them.

use data_encoding::BASE64URL_NOPAD;

use crate::secret::RandomSource;

/// Bytes that name a run, of those of a secret. The others are nobody's guess.
const NAME: usize = 8;
const REST: usize = 24;

/// A run of the server, from its start to its end: all places end with it.
#[derive(Clone, Copy, Debug)]
pub struct Run([u8; NAME]);

impl Run {
    /// A run that begins now.
    pub fn begin(random: &dyn RandomSource) -> Self {
        let mut name = [0; NAME];
        random.fill(&mut name);
        Self(name)
    }

    /// A new secret of this run.
    pub fn secret(&self, random: &dyn RandomSource) -> String {
        let mut rest = [0; REST];
        random.fill(&mut rest);
        BASE64URL_NOPAD.encode(&[self.0.as_slice(), rest.as_slice()].concat())
    }

    /// Whether this looks like a secret of another run. What looks like none at all is for the room to refuse.
    pub fn is_over(&self, secret: &str) -> bool {
        let bytes = BASE64URL_NOPAD.decode(secret.as_bytes());
        bytes.is_ok_and(|bytes| bytes.len() == NAME + REST && !bytes.starts_with(&self.0))
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
