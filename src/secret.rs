//! Secrets: values that never show themselves, the one source of randomness, and passwords made here.

use std::fmt;

use ring::rand::SecureRandom;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A value that prints `[redacted]` and is wiped when dropped. It is read only by [`Secret::expose`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a secret value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place to look at in a review.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de, T: Zeroize + serde::Deserialize<'de>> serde::Deserialize<'de> for Secret<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Equal, in time that does not depend on where the two differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}

/// Where random bytes come from.
pub trait RandomSource: Send + Sync + 'static {
    /// Fills the whole buffer with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    #[expect(
        clippy::panic,
        clippy::disallowed_methods,
        reason = "INVARIANT: a server without randomness must stop: every identifier, key and password would be guessable"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if ring::rand::SystemRandom::new().fill(bytes).is_err() {
            panic!("the operating system gives no random bytes");
        }
    }
}

const CONSONANTS: [char; 16] = [
    'b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z',
];
const VOWELS: [char; 4] = ['a', 'e', 'i', 'o'];
const SYLLABLES: usize = 12;

/// A room password of 72 bits that is easy to read aloud: four groups of three syllables, `bakozi-dulame-…`.
///
/// Each syllable is one of 64 (16 consonants, 4 vowels), six bits of one random byte; no letter pair sounds alike in it.
pub fn readable_password(source: &dyn RandomSource) -> Secret<String> {
    let mut bytes = [0; SYLLABLES];
    source.fill(&mut bytes);
    let mut text = String::with_capacity(SYLLABLES * 2 + 3);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 && index % 3 == 0 {
            text.push('-');
        }
        text.extend(CONSONANTS.get(usize::from(byte >> 2 & 15)));
        text.extend(VOWELS.get(usize::from(byte & 3)));
    }
    bytes.zeroize();
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret}"), "[redacted] [redacted]");
    }

    #[test]
    fn a_generated_password_is_four_groups_of_six_letters() {
        let password = readable_password(&SystemRandom);
        let groups: Vec<_> = password.expose().split('-').collect();
        assert_eq!(
            groups.iter().map(|g| g.len()).collect::<Vec<_>>(),
            [6, 6, 6, 6]
        );
        assert_ne!(password.expose(), readable_password(&SystemRandom).expose());
    }
}
