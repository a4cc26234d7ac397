//! An authenticator as passkeys have them, with every way to misbehave: another page, no look at its owner, a counter that goes
//! backwards. Written from WebAuthn, sections 6.1 and 6.5; its keys are on P-256.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::ORIGIN;

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

pub(super) struct Authenticator {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    id: [u8; 16],
    /// The page that it believes to be on.
    pub(super) origin: String,
    /// The domain that it believes to be of.
    pub(super) domain: String,
    /// Whether it looked at its owner.
    pub(super) verified: bool,
    pub(super) counter: u32,
    /// Whose it is, from the options that it was made with.
    pub(super) user: Value,
}

impl Authenticator {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the client's side, which has its own randomness"
    )]
    pub(super) fn new(id: u8) -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(kind, secret.as_ref(), &random).unwrap(),
            random,
            id: [id; 16],
            origin: ORIGIN.to_owned(),
            domain: "meet.example.org".to_owned(),
            verified: true,
            counter: 1,
            user: Value::Null,
        }
    }

    pub(super) fn id(&self) -> String {
        BASE64URL_NOPAD.encode(&self.id)
    }

    /// A passkey, as a browser brings it.
    pub(super) fn make(&mut self, options: &Value) -> Value {
        self.user = options["user"]["id"].clone();
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        // COSE: kty EC2, alg ES256, crv P-256, x, y (RFC 9053, section 7.1).
        let point = &self.pair.public_key().as_ref()[1..];
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[..32]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[32..]);
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        let told = self.told("webauthn.create", options);
        let response = json!({"attestationObject": text(&object), "clientDataJSON": text(&told)});
        self.credential(response)
    }

    /// A use of it.
    pub(super) fn make_use(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let data = self.data(0);
        let told = self.told("webauthn.get", options);
        let signed = [data.as_slice(), digest(&SHA256, &told).as_ref()].concat();
        let signature = self.pair.sign(&self.random, &signed).unwrap();
        let response = json!({"authenticatorData": text(&data), "clientDataJSON": text(&told),
            "signature": text(signature.as_ref()), "userHandle": self.user});
        self.credential(response)
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verified { VERIFIED } else { 0 };
        let mut data = digest(&SHA256, self.domain.as_bytes()).as_ref().to_vec();
        data.push(PRESENT | verified | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn told(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn credential(&self, response: Value) -> Value {
        json!({"id": self.id(), "rawId": self.id(), "type": "public-key", "extensions": {}, "response": response})
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
