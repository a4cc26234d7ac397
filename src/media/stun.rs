//! The STUN binding exchange of ICE (RFC 8489, RFC 8445): bounded, without allocation, integrity first. It may not act on
//! a message: a [`Request`] says what it claims, and only [`Request::verify`] makes it a [`Checked`] one.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

/// Bytes of a message's header.
const HEADER: usize = 20;
/// The value that marks STUN as such (RFC 8489, section 5).
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// The longest message read: a browser's check has about 100 bytes, a long username about 600.
const LONGEST: usize = 1280;
/// The longest username: two fragments of 256 characters (RFC 8445, section 5.3) and the colon.
const LONGEST_USERNAME: usize = 513;
/// Attributes read before giving up; browsers send 6 to 9.
const MOST_ATTRIBUTES: usize = 24;
/// Bytes of MESSAGE-INTEGRITY (HMAC-SHA1), without its header.
const INTEGRITY: usize = 20;
/// What the CRC is combined with (RFC 8489, section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;

const ATTRIBUTE_USERNAME: u16 = 0x0006;
const ATTRIBUTE_INTEGRITY: u16 = 0x0008;
const ATTRIBUTE_XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ATTRIBUTE_PRIORITY: u16 = 0x0024;
const ATTRIBUTE_USE_CANDIDATE: u16 = 0x0025;
const ATTRIBUTE_FINGERPRINT: u16 = 0x8028;
const ATTRIBUTE_CONTROLLED: u16 = 0x8029;
const ATTRIBUTE_CONTROLLING: u16 = 0x802a;
/// Attribute types below this must be understood or the message refused (RFC 8489, section 5).
const OPTIONAL_FROM: u16 = 0x8000;

/// Why a datagram is not a STUN message to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Its lengths do not fit, or it is longer than any that is needed.
    #[error("malformed message")]
    Malformed,
    /// It is well formed but no binding request (or no success, where one was waited for).
    #[error("unexpected message type")]
    Type,
    /// The checksum is absent or wrong.
    #[error("wrong fingerprint")]
    Fingerprint,
    /// The keyed digest is absent or wrong.
    #[error("wrong integrity")]
    Integrity,
    /// An attribute that must be understood is not.
    #[error("unknown attribute")]
    Unknown,
}

/// Identifies one exchange.
pub type TransactionId = [u8; 12];

/// A binding request whose checksum is right and whose sender is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    message: Message<'a>,
    username: &'a str,
}

/// A binding request made by someone who knows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Comes back in the answer.
    pub transaction: TransactionId,
    /// The client chose this pair (RFC 8445, section 8.1.1).
    pub use_candidate: bool,
    /// The client says that it is the controlled side, which a lite agent's partner cannot be.
    pub controlled: bool,
}

impl<'a> Request<'a> {
    /// Reads a binding request: lengths, checksum and username, nothing that would need the password.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let message = Message::parse(datagram)?;
        if message.kind != BINDING_REQUEST {
            return Err(StunError::Type);
        }
        if message.unknown {
            return Err(StunError::Unknown);
        }
        let username = message.username.ok_or(StunError::Malformed)?;
        Ok(Self { message, username })
    }

    /// The fragment of ours that the sender addresses, and the sender's own (RFC 8445, section 7.2.2).
    pub fn fragments(&self) -> Option<(&'a str, &'a str)> {
        self.username.split_once(':')
    }

    /// Checks the keyed digest with our password; only then is anything else of the message to be believed.
    pub fn verify(&self, password: &hmac::Key) -> Result<Checked, StunError> {
        self.message.verify(password)?;
        Ok(Checked {
            transaction: self.message.transaction,
            use_candidate: self.message.use_candidate,
            controlled: self.message.controlled,
        })
    }
}

/// The key of the short-term credential (RFC 8489, section 9.1.1).
pub fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// Bytes of a success response to this address.
pub fn success_length(mapped: SocketAddr) -> usize {
    let address = if mapped.ip().to_canonical().is_ipv4() {
        8
    } else {
        20
    };
    HEADER + (4 + address) + (4 + INTEGRITY) + 8
}

/// Writes a success response to `out`, which is cleared first: [`success_length`] bytes. The request of a client that follows RFC
/// 8445 is longer, for it carries a username, a priority and a role besides.
pub fn write_success(
    out: &mut Vec<u8>,
    transaction: &TransactionId,
    mapped: SocketAddr,
    password: &hmac::Key,
) {
    out.clear();
    write_header(out, BINDING_SUCCESS, transaction);
    write_mapped_address(out, transaction, mapped);
    write_integrity(out, password);
    write_fingerprint(out);
}

/// What a client says in a check; for tests and probes that play the client.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// The exchange.
    pub transaction: TransactionId,
    /// `server fragment:own fragment`.
    pub username: &'a str,
    /// Choose this pair.
    pub use_candidate: bool,
}

/// Writes a binding request, as a client does, to `out`, which is cleared first.
pub fn write_request(out: &mut Vec<u8>, check: &Check<'_>, password: &hmac::Key) {
    out.clear();
    write_header(out, BINDING_REQUEST, &check.transaction);
    write_attribute(out, ATTRIBUTE_USERNAME, check.username.as_bytes());
    write_attribute(out, ATTRIBUTE_CONTROLLING, &[7; 8]);
    if check.use_candidate {
        write_attribute(out, ATTRIBUTE_USE_CANDIDATE, &[]);
    }
    write_attribute(out, ATTRIBUTE_PRIORITY, &[0x6e, 0, 1, 0xff]);
    write_integrity(out, password);
    write_fingerprint(out);
}

/// A binding request with nothing but what is needed to be believed; for tests of what may be answered.
pub fn bare_request(check: &Check<'_>, password: &hmac::Key) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&mut out, BINDING_REQUEST, &check.transaction);
    write_attribute(&mut out, ATTRIBUTE_USERNAME, check.username.as_bytes());
    write_integrity(&mut out, password);
    write_fingerprint(&mut out);
    out
}

/// Reads the success response to a check, as a client does.
pub fn read_success(datagram: &[u8], password: &hmac::Key) -> Result<TransactionId, StunError> {
    let message = Message::parse(datagram)?;
    if message.kind != BINDING_SUCCESS {
        return Err(StunError::Type);
    }
    message.verify(password)?;
    Ok(message.transaction)
}

/// The parts of a well-formed message.
#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    kind: u16,
    transaction: TransactionId,
    username: Option<&'a str>,
    use_candidate: bool,
    controlled: bool,
    unknown: bool,
    /// The bytes before MESSAGE-INTEGRITY, and its value.
    integrity: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Message<'a> {
    fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        if datagram.len() > LONGEST || !datagram.len().is_multiple_of(4) {
            return Err(StunError::Malformed);
        }
        let (kind, length, transaction) = read_header(datagram).ok_or(StunError::Malformed)?;
        if length.checked_add(HEADER) != Some(datagram.len()) {
            return Err(StunError::Malformed);
        }
        check_fingerprint(datagram)?;
        let mut message = Self {
            kind,
            transaction,
            username: None,
            use_candidate: false,
            controlled: false,
            unknown: false,
            integrity: None,
        };
        let mut attributes = Attributes {
            datagram,
            at: HEADER,
        };
        for _ in 0..MOST_ATTRIBUTES {
            let Some(attribute) = attributes.next()? else {
                return Ok(message);
            };
            message.take(datagram, &attribute)?;
        }
        Err(StunError::Malformed)
    }

    /// Takes one attribute up. What follows the digest is not covered by it and is ignored (RFC 8489, section 14.5).
    fn take(&mut self, datagram: &'a [u8], attribute: &Attribute<'a>) -> Result<(), StunError> {
        if self.integrity.is_some() {
            return Ok(());
        }
        let Attribute { at, kind, value } = *attribute;
        match kind {
            ATTRIBUTE_USERNAME => {
                if self.username.is_some() || value.len() > LONGEST_USERNAME {
                    return Err(StunError::Malformed);
                }
                self.username = Some(std::str::from_utf8(value).map_err(|_| StunError::Malformed)?);
            }
            ATTRIBUTE_INTEGRITY => {
                let before = datagram.get(..at).ok_or(StunError::Malformed)?;
                if value.len() != INTEGRITY {
                    return Err(StunError::Integrity);
                }
                self.integrity = Some((before, value));
            }
            ATTRIBUTE_USE_CANDIDATE => self.use_candidate = true,
            ATTRIBUTE_CONTROLLED => self.controlled = true,
            ATTRIBUTE_PRIORITY | ATTRIBUTE_XOR_MAPPED_ADDRESS => {}
            kind => self.unknown |= kind < OPTIONAL_FROM,
        }
        Ok(())
    }

    /// Compares the keyed digest, in constant time, over the header (its length as if the digest were last) and the
    /// attributes before it.
    fn verify(&self, password: &hmac::Key) -> Result<(), StunError> {
        let (before, digest) = self.integrity.ok_or(StunError::Integrity)?;
        let (header, attributes) = before
            .split_at_checked(HEADER)
            .ok_or(StunError::Integrity)?;
        let header = header_with_length(header, attributes.len() + 4 + INTEGRITY)
            .ok_or(StunError::Integrity)?;
        let mut context = hmac::Context::with_key(password);
        context.update(&header);
        context.update(attributes);
        if crate::secret::equal(context.sign().as_ref(), digest) {
            Ok(())
        } else {
            Err(StunError::Integrity)
        }
    }
}

/// An attribute: where it begins, its type and its value.
struct Attribute<'a> {
    at: usize,
    kind: u16,
    value: &'a [u8],
}

/// Walks the attributes of a message.
struct Attributes<'a> {
    datagram: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    fn next(&mut self) -> Result<Option<Attribute<'a>>, StunError> {
        if self.at == self.datagram.len() {
            return Ok(None);
        }
        let at = self.at;
        let header = self
            .datagram
            .get(at..at + 4)
            .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let [t0, t1, l0, l1] = header.ok_or(StunError::Malformed)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = self
            .datagram
            .get(at + 4..at + 4 + length)
            .ok_or(StunError::Malformed)?;
        self.at = at + 4 + length.next_multiple_of(4);
        if self.at > self.datagram.len() {
            return Err(StunError::Malformed);
        }
        let kind = u16::from_be_bytes([t0, t1]);
        Ok(Some(Attribute { at, kind, value }))
    }
}

fn read_header(datagram: &[u8]) -> Option<(u16, usize, TransactionId)> {
    let kind = u16::from_be_bytes(datagram.get(0..2)?.try_into().ok()?);
    let length = u16::from_be_bytes(datagram.get(2..4)?.try_into().ok()?);
    let cookie = u32::from_be_bytes(datagram.get(4..8)?.try_into().ok()?);
    let transaction = datagram.get(8..HEADER)?.try_into().ok()?;
    (cookie == MAGIC_COOKIE).then_some((kind, usize::from(length), transaction))
}

/// FINGERPRINT must stand, stand last, and be right (RFC 8445 requires it; RFC 8489, section 14.7).
fn check_fingerprint(datagram: &[u8]) -> Result<(), StunError> {
    let (covered, attribute) = datagram
        .split_last_chunk::<8>()
        .ok_or(StunError::Malformed)?;
    let mut expected = [0; 8];
    let (head, value) = expected.split_at_mut(4);
    head.copy_from_slice(&[0x80, 0x28, 0, 4]);
    value.copy_from_slice(&(crc32(covered) ^ FINGERPRINT_XOR).to_be_bytes());
    if *attribute == expected {
        Ok(())
    } else {
        Err(StunError::Fingerprint)
    }
}

fn header_with_length(header: &[u8], length: usize) -> Option<[u8; HEADER]> {
    let mut header = <[u8; HEADER]>::try_from(header).ok()?;
    header
        .get_mut(2..4)?
        .copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
    Some(header)
}

fn write_header(out: &mut Vec<u8>, kind: u16, transaction: &TransactionId) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    out.extend_from_slice(transaction);
}

fn write_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    set_length(out, 0);
}

/// Sets the header's length to what is written, plus `more` bytes to come.
fn set_length(out: &mut [u8], more: usize) {
    let length = u16::try_from(out.len().saturating_sub(HEADER) + more).unwrap_or(0);
    if let Some(bytes) = out.get_mut(2..4) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
}

fn write_mapped_address(out: &mut Vec<u8>, transaction: &TransactionId, mapped: SocketAddr) {
    let port = mapped.port() ^ 0x2112;
    let mut mask = [0; 16];
    let (cookie, rest) = mask.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    rest.copy_from_slice(transaction);
    let mut value = [0; 20];
    let length = match mapped.ip().to_canonical() {
        IpAddr::V4(ip) => write_masked(&mut value, 1, port, &ip.octets(), &mask),
        IpAddr::V6(ip) => write_masked(&mut value, 2, port, &ip.octets(), &mask),
    };
    write_attribute(
        out,
        ATTRIBUTE_XOR_MAPPED_ADDRESS,
        value.get(..length).unwrap_or(&[]),
    );
}

fn write_masked(
    value: &mut [u8; 20],
    family: u8,
    port: u16,
    address: &[u8],
    mask: &[u8; 16],
) -> usize {
    let [p0, p1] = port.to_be_bytes();
    let head = [0, family, p0, p1];
    let masked = address.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
    for (to, byte) in value.iter_mut().zip(head.into_iter().chain(masked)) {
        *to = byte;
    }
    head.len() + address.len()
}

fn write_integrity(out: &mut Vec<u8>, password: &hmac::Key) {
    set_length(out, 4 + INTEGRITY);
    let digest = hmac::sign(password, out);
    write_attribute(out, ATTRIBUTE_INTEGRITY, digest.as_ref());
}

fn write_fingerprint(out: &mut Vec<u8>) {
    set_length(out, 8);
    let value = crc32(out) ^ FINGERPRINT_XOR;
    write_attribute(out, ATTRIBUTE_FINGERPRINT, &value.to_be_bytes());
}

/// CRC-32 as in ITU V.42, a table made at compile time.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let crc = bytes.iter().fold(u32::MAX, |crc, &byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).unwrap_or(&0) ^ (crc >> 8)
    });
    !crc
}

#[expect(
    clippy::indexing_slicing,
    reason = "INVARIANT: evaluated at compile time, the index is below 256"
)]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256_u32 {
        let mut crc = value;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[value as usize] = crc;
        value += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.1.
    const SAMPLE_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\
        \xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn request() -> Vec<u8> {
        let mut out = Vec::new();
        let check = Check {
            transaction: [3; 12],
            username: "ours:theirs",
            use_candidate: true,
        };
        write_request(&mut out, &check, &key(PASSWORD));
        out
    }

    #[test]
    fn the_sample_request_of_rfc_5769_verifies() {
        let request = Request::parse(SAMPLE_REQUEST).unwrap();
        assert_eq!(request.fragments(), Some(("evtj", "h6vY")));
        let checked = request.verify(&key(PASSWORD)).unwrap();
        assert!(checked.controlled && !checked.use_candidate);
        assert_eq!(checked.transaction, SAMPLE_REQUEST[8..20]);
    }

    #[test]
    fn the_sample_response_of_rfc_5769_verifies() {
        let response: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
            \x80\x22\x00\x0btest vector\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\
            \x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\x80\x28\x00\x04\xc0\x7d\x4c\x96";
        assert_eq!(
            read_success(response, &key(PASSWORD)).unwrap(),
            SAMPLE_REQUEST[8..20]
        );
    }

    #[test]
    fn our_response_carries_the_mapped_address_of_rfc_5769() {
        let transaction = SAMPLE_REQUEST[8..20].try_into().unwrap();
        let mut out = Vec::new();
        write_success(
            &mut out,
            &transaction,
            "192.0.2.1:32853".parse().unwrap(),
            &key(PASSWORD),
        );
        assert_eq!(
            out[20..32],
            *b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
        );
        assert_eq!(read_success(&out, &key(PASSWORD)).unwrap(), transaction);
        write_success(
            &mut out,
            &transaction,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
                .parse()
                .unwrap(),
            &key(PASSWORD),
        );
        assert_eq!(
            out[20..44],
            *b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
        );
    }

    #[test]
    fn a_request_with_another_password_is_refused() {
        let bytes = request();
        let request = Request::parse(&bytes).unwrap();
        assert_eq!(request.verify(&key("another")), Err(StunError::Integrity));
        assert!(request.verify(&key(PASSWORD)).unwrap().use_candidate);
    }

    #[test]
    fn a_request_without_integrity_is_refused() {
        let mut out = Vec::new();
        write_header(&mut out, BINDING_REQUEST, &[1; 12]);
        write_attribute(&mut out, ATTRIBUTE_USERNAME, b"a:b");
        write_attribute(&mut out, ATTRIBUTE_USE_CANDIDATE, &[]);
        write_fingerprint(&mut out);
        assert_eq!(
            Request::parse(&out).unwrap().verify(&key(PASSWORD)),
            Err(StunError::Integrity)
        );
    }

    #[test]
    fn what_follows_the_digest_is_ignored() {
        let mut out = Vec::new();
        write_header(&mut out, BINDING_REQUEST, &[1; 12]);
        write_attribute(&mut out, ATTRIBUTE_USERNAME, b"a:b");
        write_integrity(&mut out, &key(PASSWORD));
        write_attribute(&mut out, ATTRIBUTE_USE_CANDIDATE, &[]);
        write_attribute(&mut out, ATTRIBUTE_USERNAME, b"c:d");
        write_fingerprint(&mut out);
        let request = Request::parse(&out).unwrap();
        assert_eq!(request.fragments(), Some(("a", "b")));
        assert!(!request.verify(&key(PASSWORD)).unwrap().use_candidate);
    }

    #[test]
    fn no_single_changed_bit_is_accepted() {
        let good = request();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let accepted =
                Request::parse(&bytes).and_then(|request| request.verify(&key(PASSWORD)));
            assert!(accepted.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let good = request();
        for length in 0..good.len() {
            assert!(Request::parse(&good[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_answer_is_never_longer_than_its_request() {
        let mut out = Vec::new();
        write_success(
            &mut out,
            &[0; 12],
            "[2001:db8::1]:9".parse().unwrap(),
            &key(PASSWORD),
        );
        let mut shortest = Vec::new();
        let check = Check {
            transaction: [0; 12],
            username: "abcdefgh:1234",
            use_candidate: false,
        };
        write_request(&mut shortest, &check, &key(PASSWORD));
        assert_eq!(
            out.len(),
            success_length("[2001:db8::1]:9".parse().unwrap())
        );
        assert!(
            out.len() <= shortest.len(),
            "{} > {}",
            out.len(),
            shortest.len()
        );
    }

    #[test]
    fn the_codec_of_another_hand_agrees() {
        use rtc_stun::message::Message as Other;
        let mut other = Other::new();
        other.unmarshal_binary(&request()).unwrap();
        assert!(rtc_stun::fingerprint::FINGERPRINT.check(&other).is_ok());
        assert_eq!(other.transaction_id.0, [3; 12]);
    }
}
