//! Devices that have signed in before: their mark lets a sign-in draw from a budget that strangers cannot empty. It proves
//! nothing else, and holds nothing about the account.

use data_encoding::BASE64URL_NOPAD;

use crate::auth::session::Auth;
use crate::secret::{self, Secret};

const MARK_BYTES: usize = 16;
const PROOF_BYTES: usize = 32;
/// Longer than any mark that is made here.
const MAX_TEXT: usize = 128;

impl Auth {
    pub(super) fn new_device(&self, index: &[u8; 32]) -> Secret<String> {
        let mut mark = [0; MARK_BYTES];
        self.random.fill(&mut mark);
        let proof = self.store.device_proof(self.store.org(), index, &mark);
        Secret::new(BASE64URL_NOPAD.encode(&[mark.as_slice(), &proof].concat()))
    }

    /// The mark of a device that this account has signed in from, if that is what it is.
    pub(super) fn known_device(
        &self,
        index: &[u8; 32],
        device: &Secret<String>,
    ) -> Option<[u8; MARK_BYTES]> {
        if device.expose().len() > MAX_TEXT {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(device.expose().as_bytes()).ok()?;
        let (mark, proof) = bytes.split_first_chunk::<MARK_BYTES>()?;
        let expected = self.store.device_proof(self.store.org(), index, mark);
        (proof.len() == PROOF_BYTES && secret::equal(proof, &expected)).then_some(*mark)
    }
}
