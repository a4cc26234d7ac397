//! What proves to the other side that we wrote: HMAC-SHA256 over identifier, time and body, once for each secret that holds now
//! (Standard Webhooks 1.0.0). Pure.

use std::fmt::Write as _;

use data_encoding::BASE64;
use ring::hmac;

use crate::clock::Timestamp;
use crate::secret::{RandomSource, Secret};

/// What a secret begins with where people see it.
const PREFIX: &str = "whsec_";
/// Bytes of a secret; the specification wants 24 to 64.
const BYTES: usize = 32;

/// A new secret.
pub fn fresh(random: &dyn RandomSource) -> Secret<Vec<u8>> {
    let mut bytes = vec![0; BYTES];
    random.fill(&mut bytes);
    Secret::new(bytes)
}

/// A secret as it is given to the other side.
pub fn shown(secret: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(format!("{PREFIX}{}", BASE64.encode(secret.expose())))
}

/// The value of `webhook-signature`: a signature by each secret, with a space between.
pub(super) fn signatures(
    id: &str,
    at: Timestamp,
    body: &str,
    secrets: &[Secret<Vec<u8>>],
) -> String {
    let mut all = String::new();
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{}.", at.as_secs()).as_bytes());
        context.update(body.as_bytes());
        let between = if all.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(
            all,
            "{between}v1,{}",
            BASE64.encode(context.sign().as_ref())
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_example_of_the_specification() {
        let secret = Secret::new(BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let (id, at) = (
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_millis(1_614_265_330_000),
        );
        let body = r#"{"test": 2432232314}"#;
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(id, at, body, std::slice::from_ref(&secret)), one);
        let other = Secret::new(vec![7; 32]);
        let two = signatures(id, at, body, &[other, secret]);
        assert!(
            two.ends_with(&format!(" {one}")) && two.starts_with("v1,"),
            "{two}"
        );
    }

    #[test]
    fn a_secret_is_shown_with_its_prefix() {
        let secret = fresh(&crate::secret::SystemRandom);
        let shown = shown(&secret);
        let bytes = shown.expose().strip_prefix("whsec_").unwrap();
        assert_eq!(&BASE64.decode(bytes.as_bytes()).unwrap(), secret.expose());
    }
}
