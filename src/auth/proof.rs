//! Proofs of possession (RFC 9449, DPoP): whoever shows a session also signs what they ask for, with a key that cannot be
//! copied out of their browser. One algorithm, one curve, and nothing in a proof that is not listed here.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::digest;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longer than any proof of a client of ours.
const LONGEST: usize = 2048;
/// One coordinate on P-256, and half of a signature (RFC 7518, sections 3.4 and 6.2.1).
const COORDINATE: usize = 32;
const SIGNATURE: usize = 64;
/// What the client calls its proof: unique, and short.
const LONGEST_ID: usize = 64;

/// Stands for a public key (RFC 7638, SHA-256).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| serde::de::Error::custom("not a thumbprint"))
    }
}

/// It is no proof, or not of the key that it names. It never says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a proof of possession")]
pub struct InvalidProof;

/// A proof whose signature is right. What it speaks of is still to be compared.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The key that signed it.
    pub key: Thumbprint,
    /// The method of the request.
    pub method: String,
    /// The address of the request, without query and fragment.
    pub address: String,
    /// What the client calls the proof.
    pub id: String,
    /// What the server gave it to sign.
    pub nonce: Option<String>,
    /// The hash of the token that is shown beside it, base64url.
    pub token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
}

/// A public key; one with a private part has a field too many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    htm: String,
    htu: String,
    jti: String,
    /// The client's clock, which nobody trusts: the nonce says when.
    #[serde(rename = "iat")]
    _iat: i64,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    ath: Option<String>,
}

impl Proof {
    /// Reads a proof and checks its signature.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidProof> {
        if text.len() > LONGEST {
            return Err(InvalidProof);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(InvalidProof)?;
        let (header, claims) = signed.split_once('.').ok_or(InvalidProof)?;
        let header: Header = read(header)?;
        let claims: Claims = read(claims)?;
        if header.typ != "dpop+jwt" || header.alg != "ES256" {
            return Err(InvalidProof);
        }
        let (point, key) = header.jwk.point()?;
        let signature = decoded(signature).filter(|bytes| bytes.len() == SIGNATURE);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &signature.ok_or(InvalidProof)?)
            .map_err(|_| InvalidProof)?;
        if claims.jti.is_empty() || claims.jti.len() > LONGEST_ID {
            return Err(InvalidProof);
        }
        Ok(Self {
            key,
            method: claims.htm,
            address: claims.htu,
            id: claims.jti,
            nonce: claims.nonce,
            token: claims.ath,
        })
    }

    /// Whether it was made for this token (`ath`, RFC 9449, section 4.2).
    pub fn names(&self, token: &str) -> bool {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        self.token.as_deref() == Some(BASE64URL_NOPAD.encode(hash.as_ref()).as_str())
    }
}

impl Jwk {
    /// The uncompressed point (SEC 1, section 2.3.3), and the thumbprint (RFC 7638, section 3.2).
    fn point(&self) -> Result<(Vec<u8>, Thumbprint), InvalidProof> {
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(InvalidProof);
        }
        let coordinate = |text: &str| {
            decoded(text)
                .filter(|bytes| bytes.len() == COORDINATE)
                .ok_or(InvalidProof)
        };
        let point = [vec![4], coordinate(&self.x)?, coordinate(&self.y)?].concat();
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            self.x, self.y
        );
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        let key = hash.as_ref().try_into().map_err(|_| InvalidProof)?;
        Ok((point, Thumbprint(key)))
    }
}

fn read<T: for<'a> Deserialize<'a>>(part: &str) -> Result<T, InvalidProof> {
    let bytes = decoded(part).ok_or(InvalidProof)?;
    serde_json::from_slice(&bytes).map_err(|_| InvalidProof)
}

/// Canonical base64url only, so that one key has one thumbprint.
fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// Reads arbitrary bytes as a proof; for fuzzing.
#[doc(hidden)]
pub fn fuzz_proof(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let read = Proof::parse(text);
        assert!(
            text.len() <= LONGEST || read.is_err(),
            "a long proof was taken"
        );
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    /// A client's key.
    pub(crate) struct Signer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Signer {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the client's side, which has its own randomness"
        )]
        pub(crate) fn new() -> Self {
            let random = SystemRandom::new();
            let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let secret = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(kind, secret.as_ref(), &random).unwrap();
            Self { pair, random }
        }

        fn jwk(&self) -> Value {
            let point = self.pair.public_key().as_ref();
            let (x, y) = point[1..].split_at(COORDINATE);
            let text = |bytes| BASE64URL_NOPAD.encode(bytes);
            json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
        }

        pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
            let text = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", text(header), text(claims));
            let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }

        pub(crate) fn header(&self) -> Value {
            json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
        }

        /// What a product names this key by.
        pub(crate) fn thumbprint(&self) -> Value {
            let proof = Proof::parse(&self.proof("GET", "x", "x", "")).unwrap();
            json!(proof.key)
        }

        /// A proof as our clients make it.
        pub(crate) fn proof(&self, method: &str, address: &str, id: &str, nonce: &str) -> String {
            self.sign(
                &self.header(),
                &json!({"htm": method, "htu": address, "jti": id, "iat": 0, "nonce": nonce}),
            )
        }
    }

    fn claims() -> Value {
        json!({"htm": "GET", "htu": "https://localhost/api/me", "jti": "1", "iat": 7})
    }

    fn changed(value: &Value, at: &str, to: Value) -> Value {
        let mut value = value.clone();
        *value.pointer_mut(at).unwrap() = to;
        value
    }

    #[test]
    fn a_proof_says_what_was_signed_and_by_which_key() {
        let signer = Signer::new();
        let text = signer.proof("POST", "https://localhost/api/rooms", "one", "n");
        let proof = Proof::parse(&text).unwrap();
        assert_eq!(
            (proof.method.as_str(), proof.address.as_str()),
            ("POST", "https://localhost/api/rooms")
        );
        assert_eq!(
            (proof.id.as_str(), proof.nonce.as_deref()),
            ("one", Some("n"))
        );
        let again = Proof::parse(&signer.proof("GET", "x", "two", "n")).unwrap();
        assert_eq!(proof.key, again.key);
        let other = Proof::parse(&Signer::new().proof("GET", "x", "two", "n")).unwrap();
        assert_ne!(proof.key, other.key);
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // The key of RFC 9449, section 4.1; its thumbprint stands in section 6.1.
        let jwk = Jwk {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".to_owned(),
            y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".to_owned(),
        };
        let (_, key) = jwk.point().unwrap();
        assert_eq!(
            format!("{key:?}"),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn the_proof_of_rfc_9449_is_read() {
        // Section 4.1, figure 2.
        let text = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
            VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
            nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
            QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
            oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
            WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg\
            4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let proof = Proof::parse(text).unwrap();
        assert_eq!(proof.address, "https://server.example.com/token");
        assert_eq!(proof.id, "-BwC3ESc6acc2lTc");
    }

    #[test]
    fn what_is_not_quite_a_proof_is_none() {
        let signer = Signer::new();
        let (header, claims) = (signer.header(), claims());
        assert!(Proof::parse(&signer.sign(&header, &claims)).is_ok());
        let other = Signer::new();
        for header in [
            changed(&header, "/typ", json!("jwt")),
            changed(&header, "/alg", json!("none")),
            changed(&header, "/alg", json!("HS256")),
            changed(&header, "/alg", json!("ES384")),
            changed(&header, "/jwk/kty", json!("oct")),
            changed(&header, "/jwk/crv", json!("P-384")),
            changed(&header, "/jwk/x", json!("AA")),
            changed(&header, "/jwk", other.jwk()),
            json!({"typ": "dpop+jwt", "alg": "ES256"}),
            json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": signer.jwk(), "jku": "https://localhost"}),
            json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": {
                "kty": "EC", "crv": "P-256", "x": signer.jwk()["x"], "y": signer.jwk()["y"], "d": "AA"}}),
        ] {
            assert!(
                Proof::parse(&signer.sign(&header, &claims)).is_err(),
                "{header}"
            );
        }
        for claims in [
            changed(&claims, "/jti", json!("")),
            changed(&claims, "/jti", json!("a".repeat(LONGEST_ID + 1))),
            changed(&claims, "/htm", json!(1)),
            json!({"htm": "GET", "htu": "x", "jti": "1"}),
            json!({"htm": "GET", "htu": "x", "jti": "1", "iat": 1, "extra": 1}),
            json!({"htm": "GET", "htu": "x".repeat(LONGEST), "jti": "1", "iat": 1}),
        ] {
            assert!(
                Proof::parse(&signer.sign(&header, &claims)).is_err(),
                "{claims}"
            );
        }
        let good = signer.sign(&header, &claims);
        let padded = format!("{good}=");
        for text in [
            "",
            ".",
            "..",
            "a.b.c",
            good.trim_end_matches(|_| true),
            &padded,
            &good[1..],
        ] {
            assert!(Proof::parse(text).is_err(), "{text}");
        }
        let (signed, _) = good.rsplit_once('.').unwrap();
        assert!(Proof::parse(signed).is_err());
        assert!(Proof::parse(&format!("{signed}.{}", "A".repeat(86))).is_err());
    }

    #[test]
    fn a_proof_is_for_one_token() {
        let signer = Signer::new();
        let hash = digest::digest(&digest::SHA256, b"token");
        let claims = json!({"htm": "GET", "htu": "x", "jti": "1", "iat": 1,
            "ath": BASE64URL_NOPAD.encode(hash.as_ref())});
        let proof = Proof::parse(&signer.sign(&signer.header(), &claims)).unwrap();
        assert!(proof.names("token") && !proof.names("another"));
        let without = Proof::parse(&signer.proof("GET", "x", "1", "n")).unwrap();
        assert!(!without.names("token"));
    }
}
