//! The key of a story's browser: sessions in cookies are bound to it, and every request is signed with it (RFC 9449).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// What the server gave to sign is good for five minutes.
const FRESH: Duration = Duration::from_secs(200);

/// A key pair, and what it has to sign.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    signed: AtomicU64,
    nonce: Mutex<Option<(String, Instant)>>,
}

impl Key {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the client's side, which has its own randomness"
    )]
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(kind, secret.as_ref(), &random).unwrap(),
            random,
            signed: AtomicU64::new(0),
            nonce: Mutex::default(),
        }
    }

    /// What the server gave to sign, while it is fresh.
    pub(crate) fn nonce(&self) -> Option<String> {
        let nonce = self.nonce.lock().unwrap();
        let fresh = nonce.as_ref().filter(|(_, since)| since.elapsed() < FRESH);
        fresh.map(|(nonce, _)| nonce.clone())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the client's side, which has its own time"
    )]
    pub(crate) fn keep(&self, nonce: &str) {
        *self.nonce.lock().unwrap() = Some((nonce.to_owned(), Instant::now()));
    }

    /// A proof for one request.
    pub(crate) fn proof(&self, method: &str, url: &str, nonce: &str) -> String {
        let id = self.signed.fetch_add(1, Ordering::Relaxed).to_string();
        let address = url.split(['?', '#']).next().unwrap();
        self.sign(&json!({"htm": method, "htu": address, "jti": id, "iat": 0, "nonce": nonce}))
    }

    /// By what a product names this key (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        BASE64URL_NOPAD.encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }

    fn coordinates(&self) -> (String, String) {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y))
    }

    fn sign(&self, claims: &Value) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (x, y) = self.coordinates();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let signed = format!(
            "{}.{}",
            text(header.to_string().as_bytes()),
            text(claims.to_string().as_bytes())
        );
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", text(signature.as_ref()))
    }
}
