//! SRTP and SRTCP with AEAD AES-GCM (RFC 3711, RFC 7714). Three properties hold whatever the caller does: nothing is kept for
//! a packet that did not authenticate; a packet is accepted once; and no (key, stream, index) is sealed twice.

use std::fmt;
use std::ops::Range;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::media::rtp::Header;
use crate::media::window::Window;

/// Bytes that sealing adds: the authentication tag.
pub const TAG: usize = 16;
/// Bytes of a salt.
const SALT: usize = 12;
/// Bytes of an RTCP packet that stay in the clear: its header and the sender's SSRC.
const RTCP_HEADER: usize = 8;
/// Bytes of the trailer of SRTCP: the encryption flag and the index.
const RTCP_TRAILER: usize = 4;
/// The flag "encrypted" in that trailer.
const ENCRYPTED: u32 = 1 << 31;
/// Streams of one peer, inbound: each of the four sources with its repairs, and room for those that changed their SSRC.
const MOST_INBOUND: usize = 32;
/// Senders of RTCP in one peer: as many streams, and one that only receives for each of 120 slots.
const MOST_CONTROL: usize = MOST_INBOUND + 120;
/// Streams of one peer, outbound: 120 slots with their repairs.
const MOST_OUTBOUND: usize = 240;
/// Indices are 48 bits for RTP (RFC 3711, section 3.3.1) and 31 bits for RTCP; keys must be changed before they end.
const LAST_INDEX: u64 = (1 << 48) - 1;
const LAST_CONTROL_INDEX: u32 = (1 << 31) - 1;

/// What was negotiated by DTLS (RFC 5764).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AEAD_AES_128_GCM.
    Aes128Gcm,
    /// AEAD_AES_256_GCM.
    Aes256Gcm,
}

impl Profile {
    /// As the registry of profiles has it (RFC 7714, section 14.2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Bytes of a master key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }
}

/// Why a packet is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is too short or not RTP at all.
    #[error("malformed packet")]
    Malformed,
    /// The tag does not fit: forged, damaged, or sealed with other keys.
    #[error("authentication failed")]
    Forged,
    /// It came before, or is too old to tell.
    #[error("replayed packet")]
    Replayed,
    /// The peer is genuine, but has used up its number of streams.
    #[error("too many streams")]
    TooManyStreams,
}

/// Why a packet cannot be sealed. Each is a fault of ours; the packet is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The index was sealed before under this key, is too old to tell, or is beyond the last.
    #[error("index not free")]
    Index,
    /// The packet is not one of the stream.
    #[error("not a packet of this stream")]
    Stream,
    /// The cipher refused.
    #[error("cipher failed")]
    Cipher,
}

/// The keys of both directions, from the DTLS exporter: client key, server key, client salt, server salt
/// (RFC 5764, section 4.2). Cleared from memory when dropped.
pub struct Keys {
    profile: Profile,
    client: Zeroizing<Vec<u8>>,
    server: Zeroizing<Vec<u8>>,
    client_salt: [u8; SALT],
    server_salt: [u8; SALT],
}

impl Keys {
    /// Splits the exporter's output; `None` if it has another length than the profile needs.
    pub fn split(profile: Profile, material: &[u8]) -> Option<Self> {
        let length = profile.key_length();
        let (client, rest) = material.split_at_checked(length)?;
        let (server, salts) = rest.split_at_checked(length)?;
        let (client_salt, server_salt) = salts.split_at_checked(SALT)?;
        Some(Self {
            profile,
            client: Zeroizing::new(client.to_vec()),
            server: Zeroizing::new(server.to_vec()),
            client_salt: client_salt.try_into().ok()?,
            server_salt: server_salt.try_into().ok()?,
        })
    }

    /// Which profile they are for.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The contexts of the server: opens what the client sealed, seals with the server's keys.
    pub fn server_side(&self) -> Option<(Opener, Sealer)> {
        Some((
            Opener::new(self.profile, &self.client, &self.client_salt)?,
            Sealer::new(self.profile, &self.server, &self.server_salt)?,
        ))
    }

    /// The contexts of the client.
    pub fn client_side(&self) -> Option<(Opener, Sealer)> {
        Some((
            Opener::new(self.profile, &self.server, &self.server_salt)?,
            Sealer::new(self.profile, &self.client, &self.client_salt)?,
        ))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?}, [redacted])", self.profile)
    }
}

/// Opens what one peer sealed.
#[derive(Debug)]
pub struct Opener {
    rtp: Session,
    rtcp: Session,
    streams: Vec<Track>,
    senders: Vec<Track>,
}

/// An opened RTP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The authenticated header.
    pub header: Header,
    /// Rollover counter and sequence number.
    pub index: u64,
    /// Where the decrypted payload stands in the packet.
    pub payload: Range<usize>,
}

impl Opener {
    fn new(profile: Profile, key: &[u8], salt: &[u8; SALT]) -> Option<Self> {
        Some(Self {
            rtp: Session::derive(profile, key, salt, &RTP_LABELS)?,
            rtcp: Session::derive(profile, key, salt, &RTCP_LABELS)?,
            streams: Vec::new(),
            senders: Vec::new(),
        })
    }

    /// Opens an SRTP packet in place.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let header = Header::parse(packet).ok_or(OpenError::Malformed)?;
        let known = self.streams.iter().find(|track| track.ssrc == header.ssrc);
        let index = match known {
            Some(track) => estimate(track.window.newest, header.sequence),
            None => u64::from(header.sequence),
        };
        if index > LAST_INDEX {
            return Err(OpenError::Replayed);
        }
        let (clear, sealed) = packet
            .split_at_mut_checked(header.length)
            .ok_or(OpenError::Malformed)?;
        let nonce = self.rtp.nonce(header.ssrc, index);
        let opened = self
            .rtp
            .key
            .open_in_place(nonce, Aad::from(&*clear), sealed)
            .map_err(|_| OpenError::Forged)?;
        let payload = header.length..header.length + opened.len();
        accept(&mut self.streams, MOST_INBOUND, header.ssrc, index)?;
        Ok(Opened {
            header,
            index,
            payload,
        })
    }

    /// Opens an SRTCP packet in place; what is returned is the RTCP packet.
    pub fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let end = packet
            .len()
            .checked_sub(RTCP_TRAILER)
            .ok_or(OpenError::Malformed)?;
        let (packet, trailer) = packet
            .split_at_mut_checked(end)
            .ok_or(OpenError::Malformed)?;
        let trailer =
            <[u8; RTCP_TRAILER]>::try_from(&*trailer).map_err(|_| OpenError::Malformed)?;
        let word = u32::from_be_bytes(trailer);
        let index = u64::from(word & !ENCRYPTED);
        let (header, sealed) = packet
            .split_at_mut_checked(RTCP_HEADER)
            .ok_or(OpenError::Malformed)?;
        let header = <[u8; RTCP_HEADER]>::try_from(&*header).map_err(|_| OpenError::Malformed)?;
        let [first, _, _, _, i0, i1, i2, i3] = header;
        // The unencrypted form is authenticated otherwise (RFC 7714, section 9.3); no browser sends it.
        if word & ENCRYPTED == 0 || first >> 6 != 2 {
            return Err(OpenError::Malformed);
        }
        let ssrc = u32::from_be_bytes([i0, i1, i2, i3]);
        let nonce = self.rtcp.nonce(ssrc, index);
        let aad = control_aad(&header, word);
        let length = self
            .rtcp
            .key
            .open_in_place(nonce, Aad::from(aad), sealed)
            .map_err(|_| OpenError::Forged)?
            .len();
        accept(&mut self.senders, MOST_CONTROL, ssrc, index)?;
        packet
            .get(..RTCP_HEADER + length)
            .ok_or(OpenError::Malformed)
    }
}

/// Records an authenticated index: the only place where a stream begins to be remembered.
fn accept(tracks: &mut Vec<Track>, most: usize, ssrc: u32, index: u64) -> Result<(), OpenError> {
    if let Some(track) = tracks.iter_mut().find(|track| track.ssrc == ssrc) {
        return if track.window.take(index) {
            Ok(())
        } else {
            Err(OpenError::Replayed)
        };
    }
    if tracks.len() >= most {
        return Err(OpenError::TooManyStreams);
    }
    tracks.push(Track {
        ssrc,
        window: Window::starting_at(index),
    });
    Ok(())
}

/// Seals what is sent to one peer.
#[derive(Debug)]
pub struct Sealer {
    rtp: Session,
    rtcp: Session,
    streams: Vec<Option<Track>>,
    control_index: u32,
}

/// A stream registered with a [`Sealer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHandle(usize);

impl Sealer {
    fn new(profile: Profile, key: &[u8], salt: &[u8; SALT]) -> Option<Self> {
        Some(Self {
            rtp: Session::derive(profile, key, salt, &RTP_LABELS)?,
            rtcp: Session::derive(profile, key, salt, &RTCP_LABELS)?,
            streams: Vec::new(),
            control_index: 0,
        })
    }

    /// Registers a stream; each SSRC once, since its indices are counted here.
    pub fn stream(&mut self, ssrc: u32) -> Option<StreamHandle> {
        let taken = self
            .streams
            .iter()
            .flatten()
            .any(|track| track.ssrc == ssrc);
        if taken || self.streams.len() >= MOST_OUTBOUND {
            return None;
        }
        self.streams.push(Some(Track {
            ssrc,
            window: Window::starting_at(0),
        }));
        Some(StreamHandle(self.streams.len() - 1))
    }

    /// Whether no stream is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The newest index of a stream.
    pub(crate) fn newest(&self, stream: StreamHandle) -> Option<u64> {
        let track = self.streams.get(stream.0)?.as_ref()?;
        Some(track.window.newest)
    }

    /// Seals the packet that stands in `buffer` from `start` on, in place, and appends the tag. `index` is its rollover counter
    /// and sequence number; packets may leave out of order, but each index leaves once.
    pub fn seal_rtp(
        &mut self,
        stream: StreamHandle,
        index: u64,
        buffer: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), SealError> {
        let packet = buffer.get(start..).ok_or(SealError::Stream)?;
        let header = Header::parse(packet).ok_or(SealError::Stream)?;
        let track = self
            .streams
            .get_mut(stream.0)
            .and_then(Option::as_mut)
            .ok_or(SealError::Stream)?;
        let [.., s0, s1] = index.to_be_bytes();
        if header.ssrc != track.ssrc || header.sequence != u16::from_be_bytes([s0, s1]) {
            return Err(SealError::Stream);
        }
        // Index 0 counts as taken from the start, which costs one number and saves a flag.
        if index > LAST_INDEX || !track.window.take(index) {
            return Err(SealError::Index);
        }
        let end = buffer.len();
        buffer.extend_from_slice(&[0; TAG]);
        let (packet, tag) = buffer
            .get_mut(start..)
            .and_then(|packet| packet.split_at_mut_checked(end - start))
            .ok_or(SealError::Stream)?;
        let (clear, payload) = packet
            .split_at_mut_checked(header.length)
            .ok_or(SealError::Stream)?;
        let nonce = self.rtp.nonce(header.ssrc, index);
        self.rtp
            .key
            .seal_in_place_scatter(nonce, Aad::from(&*clear), payload, &[], tag)
            .map_err(|_| SealError::Cipher)
    }

    /// Seals the RTCP packet that stands in `buffer` from `start` on, in place, and appends tag and trailer.
    pub fn seal_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let packet = buffer.get_mut(start..).ok_or(SealError::Stream)?;
        let (header, payload) = packet
            .split_at_mut_checked(RTCP_HEADER)
            .ok_or(SealError::Stream)?;
        let header = <[u8; RTCP_HEADER]>::try_from(&*header).map_err(|_| SealError::Stream)?;
        let [_, _, _, _, i0, i1, i2, i3] = header;
        if self.control_index >= LAST_CONTROL_INDEX {
            return Err(SealError::Index);
        }
        // One counter for all senders: no (SSRC, index) can come twice.
        self.control_index += 1;
        let word = self.control_index | ENCRYPTED;
        let nonce = self.rtcp.nonce(
            u32::from_be_bytes([i0, i1, i2, i3]),
            u64::from(self.control_index),
        );
        let tag = self
            .rtcp
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(control_aad(&header, word)), payload)
            .map_err(|_| SealError::Cipher)?;
        buffer.extend_from_slice(tag.as_ref());
        buffer.extend_from_slice(&word.to_be_bytes());
        Ok(())
    }
}

/// One stream and the indices of it that were used.
#[derive(Debug)]
struct Track {
    ssrc: u32,
    window: Window,
}

/// The index of a packet from its sequence number and the newest index (RFC 3711, appendix A).
fn estimate(newest: u64, sequence: u16) -> u64 {
    let [.., n0, n1] = newest.to_be_bytes();
    let ahead = sequence.wrapping_sub(u16::from_be_bytes([n0, n1]));
    if ahead < 0x8000 {
        newest + u64::from(ahead)
    } else {
        let behind = u64::from(ahead.wrapping_neg());
        // Before the first packet of all there is nothing: then it can only be ahead.
        newest
            .checked_sub(behind)
            .unwrap_or(newest + u64::from(ahead))
    }
}

/// Labels of the session key and salt (RFC 3711, section 4.3.1).
const RTP_LABELS: (u8, u8) = (0, 2);
const RTCP_LABELS: (u8, u8) = (3, 5);

/// A session key with its salt.
struct Session {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Session {
    fn derive(
        profile: Profile,
        master: &[u8],
        salt: &[u8; SALT],
        labels: &(u8, u8),
    ) -> Option<Self> {
        let mut key = Zeroizing::new(vec![0; profile.key_length()]);
        derive(master, salt, labels.0, &mut key)?;
        let mut session_salt = [0; SALT];
        derive(master, salt, labels.1, &mut session_salt)?;
        Self::new(profile, &key, session_salt)
    }

    fn new(profile: Profile, key: &[u8], salt: [u8; SALT]) -> Option<Self> {
        let algorithm = match profile {
            Profile::Aes128Gcm => &AES_128_GCM,
            Profile::Aes256Gcm => &AES_256_GCM,
        };
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?),
            salt,
        })
    }

    /// RFC 7714, sections 8.1 and 9.1: two zero bytes, SSRC, 48 bits of index (for RTCP its upper 17 are zero), combined
    /// with the salt.
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        let mut nonce = [0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
        for (byte, salt) in nonce.iter_mut().zip(&self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session([redacted])")
    }
}

fn control_aad(header: &[u8; RTCP_HEADER], word: u32) -> [u8; RTCP_HEADER + RTCP_TRAILER] {
    let mut aad = [0; RTCP_HEADER + RTCP_TRAILER];
    for (to, byte) in aad
        .iter_mut()
        .zip(header.iter().copied().chain(word.to_be_bytes()))
    {
        *to = byte;
    }
    aad
}

/// The key derivation of RFC 3711, section 4.3.3, with a derivation rate of zero; the salt is padded to 112 bits
/// (RFC 7714, section 11).
fn derive(master: &[u8], salt: &[u8; SALT], label: u8, out: &mut [u8]) -> Option<()> {
    let mut iv = [0; 16];
    for (to, byte) in iv.iter_mut().zip(salt) {
        *to = *byte;
    }
    if let Some(byte) = iv.get_mut(7) {
        *byte ^= label;
    }
    let algorithm = if master.len() == 32 {
        &cipher::AES_256
    } else {
        &cipher::AES_128
    };
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, master).ok()?).ok()?;
    out.fill(0);
    key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv)))
        .ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::Outgoing;
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.replace([' ', '\n'], "").as_bytes())
            .unwrap()
    }

    const SALT_7714: &[u8; 12] = b"Quid pro quo";
    const PLAIN_RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const SEALED_RTP_128: &str = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf\
        8833899d7f27beb16a9152cf765ee4390cce";
    const SEALED_RTP_256: &str = "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799\
        b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
    const PLAIN_RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    const SEALED_RTCP_128: &str = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded\
        0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4";
    const SEALED_RTCP_256: &str = "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047\
        6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4";

    /// Contexts with the session keys of RFC 7714, sections 16 and 17, which are not derived there.
    fn vectors(profile: Profile) -> (Opener, Sealer) {
        let key: Vec<u8> = (0..32).take(profile.key_length()).collect();
        let session = || Session::new(profile, &key, *SALT_7714).unwrap();
        (
            Opener {
                rtp: session(),
                rtcp: session(),
                streams: Vec::new(),
                senders: Vec::new(),
            },
            Sealer {
                rtp: session(),
                rtcp: session(),
                streams: Vec::new(),
                control_index: 0x5d3,
            },
        )
    }

    fn pair() -> (Opener, Sealer) {
        let material: Vec<u8> = (0..56).collect();
        let keys = Keys::split(Profile::Aes128Gcm, &material).unwrap();
        let (opener, _) = keys.server_side().unwrap();
        let (_, sealer) = keys.client_side().unwrap();
        (opener, sealer)
    }

    fn packet(ssrc: u32, index: u64) -> Vec<u8> {
        let mut packet = Vec::new();
        let sequence = (index & 0xffff) as u16;
        Outgoing {
            marker: false,
            payload_type: 96,
            sequence,
            timestamp: 9,
            ssrc,
        }
        .write(&mut packet, []);
        packet.extend_from_slice(b"frame");
        packet
    }

    fn sealed(sealer: &mut Sealer, stream: StreamHandle, ssrc: u32, index: u64) -> Vec<u8> {
        let mut packet = packet(ssrc, index);
        sealer.seal_rtp(stream, index, &mut packet, 0).unwrap();
        packet
    }

    #[test]
    fn the_rtp_vectors_of_rfc_7714_hold() {
        for (profile, expected) in [
            (Profile::Aes128Gcm, SEALED_RTP_128),
            (Profile::Aes256Gcm, SEALED_RTP_256),
        ] {
            let (mut opener, mut sealer) = vectors(profile);
            let stream = sealer.stream(0x5501_a0b2).unwrap();
            let mut packet = hex(PLAIN_RTP);
            sealer.seal_rtp(stream, 0xf17b, &mut packet, 0).unwrap();
            assert_eq!(packet, hex(expected), "{profile:?}");
            let opened = opener.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[opened.payload], hex(PLAIN_RTP)[12..]);
        }
    }

    #[test]
    fn the_rtcp_vectors_of_rfc_7714_hold() {
        for (profile, expected) in [
            (Profile::Aes128Gcm, SEALED_RTCP_128),
            (Profile::Aes256Gcm, SEALED_RTCP_256),
        ] {
            let (mut opener, mut sealer) = vectors(profile);
            let mut packet = hex(PLAIN_RTCP);
            sealer.seal_rtcp(&mut packet, 0).unwrap();
            assert_eq!(packet, hex(expected), "{profile:?}");
            assert_eq!(opener.open_rtcp(&mut packet).unwrap(), hex(PLAIN_RTCP));
        }
    }

    /// RFC 3711, appendix B.3, and RFC 6188, section 7.2. Their salts have 14 bytes; ours are padded to that, so the last two
    /// bytes are set by hand.
    #[test]
    fn the_key_derivation_vectors_hold() {
        fn derived(master: &str, salt: &str, label: u8, length: usize) -> Vec<u8> {
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(&hex(salt));
            iv[7] ^= label;
            let mut out = vec![0; length];
            // The same derivation as `derive`, for a salt of 14 bytes.
            let master = hex(master);
            let algorithm = if master.len() == 32 {
                &cipher::AES_256
            } else {
                &cipher::AES_128
            };
            let key =
                EncryptingKey::ctr(UnboundCipherKey::new(algorithm, &master).unwrap()).unwrap();
            key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(FixedLength::from(iv)))
                .unwrap();
            out
        }
        let (master, salt) = (
            "e1f97a0d3e018be0d64fa32c06de4139",
            "0ec675ad498afeebb6960b3aabe6",
        );
        assert_eq!(
            derived(master, salt, 0, 16),
            hex("c61e7a93744f39ee10734afe3ff7a087")
        );
        assert_eq!(
            derived(master, salt, 2, 14),
            hex("30cbbc08863d8c85d49db34a9ae1")
        );
        let (master, salt) = (
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
        );
        assert_eq!(
            derived(master, salt, 0, 32),
            hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        let short: [u8; 12] = hex(salt)[..12].try_into().unwrap();
        let mut ours = [0; 32];
        derive(&hex(master), &short, 0, &mut ours).unwrap();
        assert_eq!(
            ours.to_vec(),
            derived(master, "3b04803de51ee7c96423ab5b0000", 0, 32)
        );
    }

    #[test]
    fn a_packet_is_accepted_once() {
        let (mut opener, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        let good = sealed(&mut sealer, stream, 7, 100);
        assert!(opener.open_rtp(&mut good.clone()).is_ok());
        assert_eq!(opener.open_rtp(&mut good.clone()), Err(OpenError::Replayed));
        let mut report = hex(PLAIN_RTCP);
        sealer.seal_rtcp(&mut report, 0).unwrap();
        assert!(opener.open_rtcp(&mut report.clone()).is_ok());
        assert_eq!(opener.open_rtcp(&mut report), Err(OpenError::Replayed));
    }

    #[test]
    fn a_late_packet_is_accepted_within_the_window_only() {
        let (mut opener, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        let mut early = sealed(&mut sealer, stream, 7, 10);
        let mut late = sealed(&mut sealer, stream, 7, 11);
        let mut newest = sealed(&mut sealer, stream, 7, 11 + 1023);
        let mut beyond = sealed(&mut sealer, stream, 7, 12 + 1023);
        opener.open_rtp(&mut newest).unwrap();
        assert!(opener.open_rtp(&mut late).is_ok());
        opener.open_rtp(&mut beyond).unwrap();
        assert_eq!(opener.open_rtp(&mut early), Err(OpenError::Replayed));
    }

    #[test]
    fn nothing_is_kept_for_what_does_not_authenticate() {
        let (mut opener, _) = pair();
        for ssrc in 0..1000 {
            let mut forged = packet(ssrc, 5);
            forged.extend_from_slice(&[0; TAG]);
            assert_eq!(opener.open_rtp(&mut forged), Err(OpenError::Forged));
            let mut report = hex(SEALED_RTCP_128);
            assert_eq!(opener.open_rtcp(&mut report), Err(OpenError::Forged));
        }
        assert!(opener.streams.is_empty() && opener.senders.is_empty());
    }

    #[test]
    fn a_forged_packet_does_not_move_the_window() {
        let (mut opener, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        opener
            .open_rtp(&mut sealed(&mut sealer, stream, 7, 100))
            .unwrap();
        let mut forged = sealed(&mut sealer, stream, 7, 30_000);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(opener.open_rtp(&mut forged), Err(OpenError::Forged));
        let next = sealed(&mut sealer, stream, 7, 30_001);
        drop(next);
        assert_eq!(opener.streams[0].window.newest, 100);
    }

    #[test]
    fn a_peer_has_a_bounded_number_of_streams() {
        let (mut opener, mut sealer) = pair();
        for ssrc in 1..=40 {
            let stream = sealer.stream(ssrc).unwrap();
            let result = opener.open_rtp(&mut sealed(&mut sealer, stream, ssrc, 1));
            assert_eq!(result.is_ok(), ssrc <= 32, "{ssrc}");
        }
        assert_eq!(opener.streams.len(), MOST_INBOUND);
    }

    #[test]
    fn the_rollover_counter_follows_the_sequence() {
        let (mut opener, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        for index in [
            65_530, 65_535, 65_536, 65_534, 65_540, 98_000, 130_000, 131_080, 131_071,
        ] {
            let opened = opener
                .open_rtp(&mut sealed(&mut sealer, stream, 7, index))
                .unwrap();
            assert_eq!(opened.index, index);
        }
    }

    #[test]
    fn no_index_is_sealed_twice() {
        let (_, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        for index in [5, 9, 7] {
            sealed(&mut sealer, stream, 7, index);
        }
        for index in [5, 7, 9, 0] {
            assert_eq!(
                sealer.seal_rtp(stream, index, &mut packet(7, index), 0),
                Err(SealError::Index),
                "{index}"
            );
        }
        sealed(&mut sealer, stream, 7, 5000);
        assert_eq!(
            sealer.seal_rtp(stream, 8, &mut packet(7, 8), 0),
            Err(SealError::Index),
            "too old to tell"
        );
        assert_eq!(sealer.stream(7), None, "a second count of the same stream");
        let other = sealer.stream(8).unwrap();
        assert_eq!(
            sealer.seal_rtp(other, 9, &mut packet(7, 9), 0),
            Err(SealError::Stream)
        );
    }

    #[test]
    fn packets_cut_short_are_refused() {
        let (mut opener, mut sealer) = pair();
        let stream = sealer.stream(7).unwrap();
        let good = sealed(&mut sealer, stream, 7, 100);
        for length in 0..good.len() {
            assert!(opener.open_rtp(&mut good[..length].to_vec()).is_err());
            assert!(opener.open_rtcp(&mut good[..length].to_vec()).is_err());
        }
    }
}
