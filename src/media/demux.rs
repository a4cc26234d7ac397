//! Tells the protocols that share the port apart by their first bytes (RFC 7983, RFC 5761). It trusts nothing else of
//! a datagram and keeps nothing.

/// What a datagram claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A STUN message (RFC 8489), first byte 0–3.
    Stun,
    /// A DTLS record (RFC 6347), first byte 20–63.
    Dtls,
    /// An SRTP packet (RFC 3711), first byte 128–191.
    Rtp,
    /// An SRTCP packet: as RTP, with a second byte of 192–223 (RFC 5761, section 4).
    Rtcp,
}

/// The shortest datagram that any of the protocols could be.
const SHORTEST: usize = 12;

/// What the datagram claims to be; `None` for what none of the protocols sends.
pub(crate) fn classify(datagram: &[u8]) -> Option<Kind> {
    if datagram.len() < SHORTEST {
        return None;
    }
    let (first, second) = (*datagram.first()?, *datagram.get(1)?);
    match (first, second) {
        (0..=3, _) => Some(Kind::Stun),
        (20..=63, _) => Some(Kind::Dtls),
        (128..=191, 192..=223) => Some(Kind::Rtcp),
        (128..=191, _) => Some(Kind::Rtp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(first: u8, second: u8) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[0] = first;
        bytes[1] = second;
        bytes
    }

    #[test]
    fn every_first_byte_belongs_to_one_protocol_or_to_none() {
        for first in 0..=255 {
            let expected = match first {
                0..=3 => Some(Kind::Stun),
                20..=63 => Some(Kind::Dtls),
                128..=191 => Some(Kind::Rtp),
                _ => None,
            };
            assert_eq!(classify(&datagram(first, 96)), expected, "{first}");
        }
    }

    #[test]
    fn rtcp_is_told_by_its_packet_type() {
        for (second, kind) in [
            (191, Kind::Rtp),
            (192, Kind::Rtcp),
            (200, Kind::Rtcp),
            (223, Kind::Rtcp),
            (224, Kind::Rtp),
        ] {
            assert_eq!(classify(&datagram(0x80, second)), Some(kind), "{second}");
        }
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        assert_eq!(classify(&[0x80; 11]), None);
        assert_eq!(classify(&[]), None);
    }
}
