//! Session tokens: compact JWE, `dir` with A256GCM, made and opened with our own keys only.
//!
//! Before any cryptography a token is compared by its bytes: five parts, at most 4 KiB, a protected header that is one of
//! ours to the letter, and canonical base64url of the right lengths. So no header of a peer's choosing is ever parsed.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use josekit::jwe::alg::direct::{DirectJweAlgorithm, DirectJweEncrypter};
use josekit::jwe::{self, JweHeader};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::auth::compact;
use crate::auth::jointoken::BroughtClaim;
use crate::auth::passkeys::Purpose;
use crate::auth::proof::Thumbprint;
use crate::auth::reset::LinkKind;
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId, DeviceId, GuestId, IdentityId, LinkId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::sessions::SessionKey;

/// Longer than any token that is made here.
const MAX_TOKEN: usize = 4096;
/// 96 bits, RFC 7518, section 5.3.
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// A256GCM.
pub(crate) const KEY_BYTES: usize = 32;

/// The identity of one session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 16]);

impl TokenId {
    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for TokenId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| serde::de::Error::custom("not a token id"))
    }
}

/// What a token says. Only the server reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Claims {
    /// Someone signed in to an account.
    Session {
        org: OrgId,
        sub: AccountId,
        /// The account's epoch at the time; a later one ends the session.
        epoch: i64,
        /// The key that whoever shows it has to hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jkt: Option<Thumbprint>,
        /// When they signed in.
        iat: i64,
        exp: i64,
        /// Until when the session can be renewed.
        end: i64,
        /// How often it was.
        turn: u32,
        jti: TokenId,
        /// The identity elsewhere by which they came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<IdentityId>,
        /// Whether a second factor was shown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        factor: bool,
    },
    /// Someone is on the way to a provider and back. It stands for nobody.
    Away {
        org: OrgId,
        /// Which provider.
        provider: String,
        /// The page that they come back to.
        redirect: String,
        /// What the provider is to send back.
        state: String,
        /// What is to stand in the ID token.
        nonce: String,
        /// What only this server and this browser know.
        verifier: String,
        /// Where to go afterwards.
        next: String,
        /// The account to link to, and the session that asked for it; none for a sign-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<(AccountId, TokenId)>,
        iat: i64,
        exp: i64,
        jti: TokenId,
    },
    /// A passkey is being made or used. It stands for nobody.
    Ceremony {
        org: OrgId,
        purpose: Purpose,
        /// Whose passkey it has to be, and the epoch of that account when it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<(AccountId, i64)>,
        /// The session that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<TokenId>,
        /// The key of the browser that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jkt: Option<Thumbprint>,
        /// What is to be proved.
        state: String,
        iat: i64,
        exp: i64,
        jti: TokenId,
    },
    /// A link that somebody was sent. It stands for nobody.
    Link {
        org: OrgId,
        sub: AccountId,
        /// The account's epoch at the time; with a new password the link is over.
        epoch: i64,
        /// Stands for the address that the account had at the time; with another one the link is over.
        reached: String,
        purpose: LinkKind,
        /// The address that it proves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        iat: i64,
        exp: i64,
        jti: TokenId,
    },
    /// The holder of a session proved lately that it is theirs. It stands for nobody without that session.
    Again {
        org: OrgId,
        sub: AccountId,
        session: TokenId,
        iat: i64,
        exp: i64,
        jti: TokenId,
    },
    /// A guest of one room.
    Guest {
        org: OrgId,
        sub: GuestId,
        room: RoomId,
        name: String,
        /// The browser.
        device: DeviceId,
        /// The link that they came by, and whom it was made for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<(LinkId, String)>,
        /// The product that brought them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brought: Option<BroughtClaim>,
        /// The key that whoever shows it has to hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jkt: Option<Thumbprint>,
        /// When they came.
        iat: i64,
        exp: i64,
        /// Until when the session can be renewed.
        end: i64,
        /// How often it was.
        turn: u32,
        jti: TokenId,
    },
    /// A product brings one of its users to the door of a room. It stands for nobody until it is exchanged.
    Join {
        org: OrgId,
        /// The key that made it.
        by: ApiKeyId,
        /// What the key is called.
        product: String,
        room: RoomId,
        /// Who it is in that room.
        sub: GuestId,
        name: String,
        /// They only watch.
        observes: bool,
        /// The key of the page that may exchange it.
        jkt: Thumbprint,
        iat: i64,
        exp: i64,
        jti: TokenId,
    },
    /// What renews a session, once. It stands for nobody.
    Renewal {
        org: OrgId,
        /// What the next token says; its turn is that of this one.
        of: Box<Claims>,
        iat: i64,
        exp: i64,
    },
}

impl Claims {
    const fn org(&self) -> OrgId {
        match self {
            Self::Session { org, .. }
            | Self::Away { org, .. }
            | Self::Ceremony { org, .. }
            | Self::Again { org, .. }
            | Self::Link { org, .. }
            | Self::Join { org, .. }
            | Self::Renewal { org, .. }
            | Self::Guest { org, .. } => *org,
        }
    }

    const fn times(&self) -> (i64, i64) {
        match self {
            Self::Session { iat, exp, .. }
            | Self::Away { iat, exp, .. }
            | Self::Ceremony { iat, exp, .. }
            | Self::Again { iat, exp, .. }
            | Self::Link { iat, exp, .. }
            | Self::Join { iat, exp, .. }
            | Self::Renewal { iat, exp, .. }
            | Self::Guest { iat, exp, .. } => (*iat, *exp),
        }
    }
}

/// The token is not one of ours, or its time is over. It never says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token is not valid")]
pub(crate) struct InvalidToken;

/// The keys of one organisation's tokens, newest first.
pub(crate) struct KeyRing {
    org: OrgId,
    keys: Vec<Key>,
}

struct Key {
    /// The first part of every token of this key, to the letter.
    header: String,
    jwe: JweHeader,
    encrypter: DirectJweEncrypter,
    opener: LessSafeKey,
    makes_until: Timestamp,
    opens_until: Timestamp,
}

impl KeyRing {
    /// From stored keys, newest first.
    pub(crate) fn new(org: OrgId, keys: &[SessionKey]) -> Result<Self, InvalidToken> {
        Ok(Self {
            org,
            keys: keys.iter().map(Key::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a token can be made now, or a new key is due.
    pub(crate) fn can_make(&self, now: Timestamp) -> bool {
        self.keys.first().is_some_and(|key| now < key.makes_until)
    }

    /// Makes a token with the newest key.
    pub(crate) fn make(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Secret<String>, InvalidToken> {
        let key = self
            .keys
            .first()
            .filter(|key| now < key.makes_until)
            .ok_or(InvalidToken)?;
        let payload = match compact::written(claims) {
            Some(payload) => payload,
            None => serde_json::to_vec(claims).map_err(|_| InvalidToken)?,
        };
        let payload = Zeroizing::new(payload);
        let token = key.seal(&payload)?;
        if token.len() > MAX_TOKEN {
            Err(InvalidToken)
        } else {
            Ok(Secret::new(token))
        }
    }

    /// Opens a token that was made here for this organisation and whose time is not over.
    pub(crate) fn open(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let Parts {
            header,
            iv,
            body,
            tag,
        } = guard(token)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.header == header)
            .ok_or(InvalidToken)?;
        if now >= key.opens_until {
            return Err(InvalidToken);
        }
        let mut sealed = Zeroizing::new(Vec::new());
        let payload = key.open(header, iv, (body, tag), &mut sealed)?;
        let claims = match compact::read(payload) {
            Some(claims) => claims,
            None => match serde_json::from_slice(payload).map_err(|_| InvalidToken)? {
                // A session has one spelling.
                Claims::Session { .. } => return Err(InvalidToken),
                claims => claims,
            },
        };
        let (made, expires) = claims.times();
        // No leeway: both times come from this server's clock.
        if claims.org() != self.org || made > expires || now.as_secs() >= expires {
            return Err(InvalidToken);
        }
        Ok(claims)
    }
}

impl Key {
    fn new(stored: &SessionKey) -> Result<Self, InvalidToken> {
        let secret = stored.secret.expose();
        if secret.len() != KEY_BYTES {
            return Err(InvalidToken);
        }
        let mut jwe = JweHeader::new();
        jwe.set_content_encryption("A256GCM");
        jwe.set_key_id(BASE64URL_NOPAD.encode(&stored.id));
        let mut key = Self {
            header: String::new(),
            jwe,
            encrypter: DirectJweAlgorithm::Dir
                .encrypter_from_bytes(secret)
                .map_err(|_| InvalidToken)?,
            opener: UnboundKey::new(&AES_256_GCM, secret)
                .map(LessSafeKey::new)
                .map_err(|_| InvalidToken)?,
            makes_until: stored.makes_until,
            opens_until: stored.opens_until,
        };
        // The header is the same in every token of a key: read it off a first one.
        let sample = key.seal(b"{}")?;
        key.header = sample.split('.').next().ok_or(InvalidToken)?.to_owned();
        Ok(key)
    }

    /// RFC 7516, section 5.2, for the one header that there is: the tag is over the header's letters and what is sealed.
    fn open<'a>(
        &self,
        header: &str,
        iv: &str,
        (body, tag): (&str, &str),
        sealed: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], InvalidToken> {
        let mut nonce = [0; IV_BYTES];
        decode(iv, &mut nonce)?;
        let length = BASE64URL_NOPAD
            .decode_len(body.len())
            .map_err(|_| InvalidToken)?;
        sealed.resize(length.saturating_add(TAG_BYTES), 0);
        let (text, end) = sealed.split_at_mut_checked(length).ok_or(InvalidToken)?;
        decode(body, text)?;
        decode(tag, end)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self
            .opener
            .open_in_place(nonce, Aad::from(header.as_bytes()), sealed);
        opened.map(|opened| &*opened).map_err(|_| InvalidToken)
    }

    fn seal(&self, payload: &[u8]) -> Result<String, InvalidToken> {
        jwe::serialize_compact(payload, &self.jwe, &self.encrypter).map_err(|_| InvalidToken)
    }
}

/// The parts of a token that has the shape of one; the second is empty.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    header: &'a str,
    iv: &'a str,
    body: &'a str,
    tag: &'a str,
}

/// The shape of a token, byte for byte. Its first part still has to be one of ours, and the others are read when it is: as
/// canonical base64url, with no padding, no stray bits and no other letters.
fn guard(token: &str) -> Result<Parts<'_>, InvalidToken> {
    if token.len() > MAX_TOKEN {
        return Err(InvalidToken);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(""), Some(iv), Some(body), Some(tag), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(InvalidToken);
    };
    let length = |bytes: usize| BASE64URL_NOPAD.encode_len(bytes);
    if iv.len() == length(IV_BYTES) && !body.is_empty() && tag.len() == length(TAG_BYTES) {
        Ok(Parts {
            header,
            iv,
            body,
            tag,
        })
    } else {
        Err(InvalidToken)
    }
}

/// Reads exactly as many bytes as there is place for.
fn decode(text: &str, into: &mut [u8]) -> Result<(), InvalidToken> {
    if BASE64URL_NOPAD.decode_len(text.len()) != Ok(into.len()) {
        return Err(InvalidToken);
    }
    BASE64URL_NOPAD
        .decode_mut(text.as_bytes(), into)
        .map(|_| ())
        .map_err(|_| InvalidToken)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ids;
    use crate::secret::{RandomSource, SystemRandom};
    use std::collections::HashSet;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const ORG: OrgId = OrgId::from_bytes([1; 16]);

    fn stored(id: u8, secret: u8) -> SessionKey {
        SessionKey {
            id: [id; 16],
            secret: Secret::new(vec![secret; KEY_BYTES]),
            created: Timestamp::from_millis(0),
            makes_until: Timestamp::from_millis(2_000_000),
            opens_until: Timestamp::from_millis(3_000_000),
        }
    }

    fn ring(keys: &[SessionKey]) -> KeyRing {
        KeyRing::new(ORG, keys).unwrap()
    }

    fn claims() -> Claims {
        Claims::Session {
            org: ORG,
            sub: AccountId::from_bytes([2; 16]),
            epoch: 1,
            jkt: None,
            iat: 1000,
            exp: 2000,
            end: 2000,
            turn: 0,
            jti: TokenId([3; 16]),
            by: None,
            factor: false,
        }
    }

    fn b64(text: &str) -> String {
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    fn header(ring: &KeyRing) -> serde_json::Map<String, serde_json::Value> {
        let bytes = BASE64URL_NOPAD
            .decode(ring.keys[0].header.as_bytes())
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_token_opens_to_what_it_was_made_of() {
        let ring = ring(&[stored(1, 7)]);
        let token = ring.make(&claims(), NOW).unwrap();
        assert_eq!(ring.open(token.expose(), NOW), Ok(claims()));
        let header = header(&ring);
        assert_eq!(header.len(), 3);
        assert_eq!(
            (&header["alg"], &header["enc"]),
            (&"dir".into(), &"A256GCM".into())
        );
    }

    #[test]
    fn a_token_ends_with_its_time_and_with_its_key() {
        let ring = ring(&[stored(1, 7)]);
        let token = ring.make(&claims(), NOW).unwrap();
        assert!(
            ring.open(token.expose(), Timestamp::from_millis(1_999_999))
                .is_ok()
        );
        assert!(
            ring.open(token.expose(), Timestamp::from_millis(2_000_000))
                .is_err()
        );
        let long = Claims::Session {
            org: ORG,
            sub: AccountId::from_bytes([2; 16]),
            epoch: 1,
            jkt: None,
            iat: 1000,
            exp: 9000,
            end: 9000,
            turn: 0,
            jti: TokenId([3; 16]),
            by: None,
            factor: false,
        };
        let token = ring.make(&long, NOW).unwrap();
        assert!(
            ring.open(token.expose(), Timestamp::from_millis(2_999_999))
                .is_ok()
        );
        assert!(
            ring.open(token.expose(), Timestamp::from_millis(3_000_000))
                .is_err()
        );
        assert!(
            ring.make(&claims(), Timestamp::from_millis(2_000_000))
                .is_err()
        );
    }

    #[test]
    fn keys_overlap_in_a_rotation() {
        let old = ring(&[stored(1, 7)]);
        let token = old.make(&claims(), NOW).unwrap();
        let both = ring(&[stored(2, 8), stored(1, 7)]);
        assert_eq!(both.open(token.expose(), NOW), Ok(claims()));
        let newer = both.make(&claims(), NOW).unwrap();
        assert!(old.open(newer.expose(), NOW).is_err());
        assert!(ring(&[stored(2, 8)]).open(token.expose(), NOW).is_err());
    }

    #[test]
    fn t03_another_algorithm_key_or_header_is_refused() {
        let ring = ring(&[stored(1, 7), stored(2, 8)]);
        let good = ring.make(&claims(), NOW).unwrap().expose().clone();
        let parts: Vec<&str> = good.split('.').collect();
        let with = |at: usize, part: &str| {
            let mut parts = parts.clone();
            parts[at] = part;
            parts.join(".")
        };
        let kid = BASE64URL_NOPAD.encode(&[1; 16]);
        let mut bad = vec![
            // Another header, to the same key.
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"none","enc":"A256GCM","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"dir","enc":"A256CBC-HS512","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"dir","enc":"A256GCM","zip":"DEF","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"PBES2-HS256+A128KW","p2c":2147483648,"enc":"A256GCM","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"dir","enc":"A256GCM","jku":"http://127.0.0.1:1/","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"dir","enc":"A256GCM","x5u":"http://127.0.0.1:1/","kid":"{kid}"}}"#
                )),
            ),
            with(
                0,
                &b64(&format!(
                    r#"{{"alg":"dir","enc":"A256GCM","crit":["exp"],"kid":"{kid}"}}"#
                )),
            ),
            with(0, &b64(r#"{"alg":"dir","enc":"A256GCM"}"#)),
            with(0, &b64("{}")),
            with(0, ""),
            // The same header, spelled differently.
            with(
                0,
                &b64(&format!(
                    r#"{{ "alg":"dir","enc":"A256GCM","kid":"{kid}"}}"#
                )),
            ),
            with(0, &format!("{}=", parts[0])),
            // The other key's header: `kid` is under the tag.
            with(0, &ring.keys[1].header.clone()),
            // An encrypted key where there must be none.
            with(1, "AAAA"),
            // IV and tag of other lengths.
            with(2, ""),
            with(2, &parts[2][..15]),
            with(2, &format!("{}AAAA", parts[2])),
            with(3, ""),
            with(4, ""),
            with(4, &parts[4][..16]),
            with(4, &parts[4][..6]),
            // JWS: alg none, HS256, and a JWE inside a JWE.
            format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64("{}")),
            format!("{}.{}.{}", b64(r#"{"alg":"HS256"}"#), b64("{}"), b64("x")),
            ring.keys[0].seal(good.as_bytes()).unwrap(),
            // Too few and too many parts; JSON serialisation; white space.
            parts[..4].join("."),
            format!("{good}."),
            format!("{good}.{good}"),
            r#"{"protected":"","recipients":[]}"#.to_owned(),
            format!(" {good}"),
            format!("{good}\n"),
            String::new(),
            ".".repeat(4),
        ];
        // One bit anywhere.
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            bad.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        for token in bad {
            assert_eq!(ring.open(&token, NOW), Err(InvalidToken), "{token}");
        }
    }

    #[test]
    fn t03_stray_bits_do_not_give_a_token_a_second_spelling() {
        let ring = ring(&[stored(1, 7)]);
        let good = ring.make(&claims(), NOW).unwrap().expose().clone();
        // A tag of 16 bytes has 22 letters, the last of which carries two bits only.
        let (head, last) = good.split_at(good.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let accepted = alphabet
            .chars()
            .filter(|c| ring.open(&format!("{head}{c}"), NOW).is_ok())
            .collect::<String>();
        assert_eq!(accepted, last);
    }

    #[test]
    fn t04_oversized_tokens_are_refused_before_any_work() {
        let ring = ring(&[stored(1, 7)]);
        let good = ring.make(&claims(), NOW).unwrap().expose().clone();
        let (_, rest) = good.split_once('.').unwrap();
        let megabyte = b64(&format!(
            r#"{{"alg":"dir","enc":"A256GCM","kid":"{}"}}"#,
            "x".repeat(1 << 20)
        ));
        let recipients = format!(r#"{{"recipients":[{}{{}}]}}"#, "{},".repeat(10_000));
        let dots = ".".repeat(1 << 20);
        for token in [
            format!("{megabyte}.{rest}"),
            recipients,
            dots,
            format!("{good}{}", "A".repeat(MAX_TOKEN)),
        ] {
            assert_eq!(guard(&token), Err(InvalidToken));
            assert_eq!(ring.open(&token, NOW), Err(InvalidToken));
        }
    }

    #[test]
    fn t05_a_token_of_another_organisation_is_refused() {
        let key = stored(1, 7);
        let token = ring(std::slice::from_ref(&key))
            .make(&claims(), NOW)
            .unwrap();
        let elsewhere = KeyRing::new(OrgId::from_bytes([9; 16]), &[key]).unwrap();
        assert_eq!(elsewhere.open(token.expose(), NOW), Err(InvalidToken));
    }

    #[test]
    fn t05_claims_of_the_wrong_kind_or_with_extras_are_refused() {
        let ring = ring(&[stored(1, 7)]);
        let id = AccountId::from_bytes([2; 16]);
        let jti = TokenId([3; 16]);
        for payload in [
            format!(
                r#"{{"kind":"guest","org":"{ORG}","sub":"{id}","epoch":1,"iat":1000,"exp":2000,"jti":"{jti}"}}"#
            ),
            format!(
                r#"{{"kind":"session","org":"{ORG}","sub":"{id}","epoch":1,"iat":1000,"exp":2000,"jti":"{jti}","admin":true}}"#
            ),
            format!(
                r#"{{"kind":"refresh","org":"{ORG}","sub":"{id}","epoch":1,"iat":1000,"exp":2000,"jti":"{jti}"}}"#
            ),
            format!(
                r#"{{"org":"{ORG}","sub":"{id}","epoch":1,"iat":1000,"exp":2000,"jti":"{jti}"}}"#
            ),
            format!(
                r#"{{"kind":"session","org":"{ORG}","sub":"{id}","epoch":1,"iat":2001,"exp":2000,"jti":"{jti}"}}"#
            ),
        ] {
            let token = ring.keys[0].seal(payload.as_bytes()).unwrap();
            assert_eq!(ring.open(&token, NOW), Err(InvalidToken), "{payload}");
        }
    }

    #[test]
    fn t07_a_hundred_thousand_identities_show_no_bias_and_no_sequence() {
        let count = 100_000;
        let mut ones = [0_u32; 128];
        let mut seen = HashSet::new();
        let mut rising = 0_u32;
        let mut last = 0_u128;
        for _ in 0..count {
            let id: TokenId = ids::random(&SystemRandom);
            let bits = u128::from_be_bytes(*id.as_bytes());
            for (at, ones) in ones.iter_mut().enumerate() {
                *ones += (bits >> at & 1) as u32;
            }
            rising += u32::from(bits > last);
            last = bits;
            assert!(seen.insert(bits));
        }
        // Six standard deviations around one half.
        let expected = count / 2;
        let margin = 6 * 158;
        for (at, ones) in ones.into_iter().enumerate() {
            assert!(ones.abs_diff(expected) < margin, "bit {at}: {ones}");
        }
        assert!(
            rising.abs_diff(expected) < margin,
            "{rising} of {count} rise"
        );
    }

    #[test]
    fn t07_a_hundred_thousand_tokens_never_share_a_nonce() {
        let ring = ring(&[stored(1, 7)]);
        let mut ones = [0_u32; 8 * IV_BYTES];
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let token = ring.make(&claims(), NOW).unwrap();
            let nonce = token.expose().split('.').nth(2).unwrap();
            let nonce = BASE64URL_NOPAD.decode(nonce.as_bytes()).unwrap();
            for (at, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(nonce[at / 8] >> (at % 8) & 1);
            }
            assert!(seen.insert(nonce));
        }
        for (at, ones) in ones.into_iter().enumerate() {
            assert!(ones.abs_diff(50_000) < 6 * 158, "bit {at}: {ones}");
        }
    }

    #[test]
    fn t07_two_tokens_of_the_same_claims_share_nothing_but_the_header() {
        let ring = ring(&[stored(1, 7)]);
        let one = ring.make(&claims(), NOW).unwrap().expose().clone();
        let two = ring.make(&claims(), NOW).unwrap().expose().clone();
        let different = one
            .split('.')
            .zip(two.split('.'))
            .map(|(a, b)| a != b)
            .collect::<Vec<_>>();
        assert_eq!(different, [false, false, true, true, true]);
    }

    #[test]
    fn random_bytes_are_never_a_token() {
        for _ in 0..2000 {
            let mut bytes = [0; 200];
            SystemRandom.fill(&mut bytes);
            crate::auth::fuzz::fuzz_token(&bytes);
        }
    }
}
