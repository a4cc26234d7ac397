//! The least that forwarding can cost: a copy of the payload and a seal, with the library that the server uses.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave::media::srtp::Profile;

/// One receiver's key.
pub(crate) struct Seal {
    key: LessSafeKey,
    sequence: u64,
}

impl Seal {
    pub(crate) fn new(profile: Profile, number: usize) -> Self {
        let (algorithm, length) = match profile {
            Profile::Aes128Gcm => (&AES_128_GCM, 16),
            _ => (&AES_256_GCM, 32),
        };
        let byte = u8::try_from(number % 256).unwrap();
        let key = UnboundKey::new(algorithm, &vec![byte; length]).unwrap();
        Self {
            key: LessSafeKey::new(key),
            sequence: 0,
        }
    }

    /// Appends a header, the payload and the tag to `out`.
    pub(crate) fn packet(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.sequence += 1;
        let mut header = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[4..].copy_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&header);
        let start = out.len();
        out.extend_from_slice(payload);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.sequence.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&header), &mut out[start..])
            .unwrap();
        out.extend_from_slice(tag.as_ref());
    }
}
