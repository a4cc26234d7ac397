//! RTP headers and header extensions (RFC 3550, RFC 8285): read by bounds-checked views, written in one pass.
//! It never looks into payloads.

use std::ops::Range;

/// Bytes of the fixed header.
pub const FIXED_HEADER: usize = 12;
/// Profile of the one-byte extension form (RFC 8285, section 4.2).
const ONE_BYTE: u16 = 0xbede;
/// Profile of the two-byte extension form, without its application bits (RFC 8285, section 4.3).
const TWO_BYTE: u16 = 0x1000;

/// A parsed header; the ranges point into the packet that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last packet of a video frame, the first of a talkspurt.
    pub marker: bool,
    /// Which codec, as negotiated.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Media time in the codec's clock.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
    /// The payload ends with padding.
    pub padding: bool,
    /// Bytes up to the payload.
    pub length: usize,
    extension: Option<(u16, Range<usize>)>,
}

impl Header {
    /// Reads a header; `None` if the packet is not RTP version 2 or ends within its header.
    #[inline]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let &[first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] =
            packet.first_chunk::<FIXED_HEADER>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut length = FIXED_HEADER + usize::from(first & 0x0f) * 4;
        let mut extension = None;
        if first & 0x10 != 0 {
            let &[p0, p1, l0, l1] = packet.get(length..)?.first_chunk::<4>()?;
            let start = length + 4;
            length = start + usize::from(u16::from_be_bytes([l0, l1])) * 4;
            extension = Some((u16::from_be_bytes([p0, p1]), start..length));
        }
        (length <= packet.len()).then_some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            padding: first & 0x20 != 0,
            length,
            extension,
        })
    }

    /// The header extensions of the packet that this header was read from.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match &self.extension {
            Some((ONE_BYTE, range)) => Extensions {
                rest: packet.get(range.clone()).unwrap_or(&[]),
                wide: false,
            },
            Some((profile, range)) if profile & 0xfff0 == TWO_BYTE => Extensions {
                rest: packet.get(range.clone()).unwrap_or(&[]),
                wide: true,
            },
            _ => Extensions {
                rest: &[],
                wide: false,
            },
        }
    }
}

/// The payload of a decrypted packet without its padding; `None` if the padding is longer than the payload.
pub fn unpad<'a>(header: &Header, payload: &'a [u8]) -> Option<&'a [u8]> {
    if !header.padding {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    if padding == 0 {
        return None;
    }
    payload.get(..payload.len().checked_sub(padding)?)
}

/// Walks the header extensions: identifier and value.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    wide: bool,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            // Zero is padding between elements (RFC 8285, section 4.1.1).
            if first == 0 {
                self.rest = rest;
                continue;
            }
            let (id, length, rest) = if self.wide {
                let (&length, rest) = rest.split_first()?;
                (first, usize::from(length), rest)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, rest)
            };
            // Identifier 15 ends the one-byte form (RFC 8285, section 4.2).
            if !self.wide && id == 15 {
                self.rest = &[];
                return None;
            }
            let Some((value, rest)) = rest.split_at_checked(length) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            return Some((id, value));
        }
    }
}

/// What an outgoing header says.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// As in [`Header`].
    pub marker: bool,
    /// As in [`Header`].
    pub payload_type: u8,
    /// As in [`Header`].
    pub sequence: u16,
    /// As in [`Header`].
    pub timestamp: u32,
    /// As in [`Header`].
    pub ssrc: u32,
}

impl Outgoing {
    /// Appends the header and its extensions (one-byte form; identifiers 1–14, values of 1–16 bytes; others are left
    /// out) to `out`.
    pub fn write<'a>(
        &self,
        out: &mut Vec<u8>,
        extensions: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) {
        self.write_as(ONE_BYTE, out, extensions);
    }

    /// As `write`, for whoever takes the two-byte form: values of 1–255 bytes.
    pub fn write_long<'a>(
        &self,
        out: &mut Vec<u8>,
        extensions: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) {
        self.write_as(TWO_BYTE, out, extensions);
    }

    #[inline]
    fn write_as<'a>(
        &self,
        profile: u16,
        out: &mut Vec<u8>,
        extensions: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) {
        let start = out.len();
        let second = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        out.extend_from_slice(&[0x80, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]);
        let block = out.len();
        for (id, value) in extensions {
            let most = if profile == ONE_BYTE { 16 } else { u8::MAX };
            let length = u8::try_from(value.len()).ok();
            let Some(length) = length.filter(|length| (1..=most).contains(length)) else {
                continue;
            };
            if !(1..=14).contains(&id) {
                continue;
            }
            if out.len() == block {
                out.extend_from_slice(&profile.to_be_bytes());
                out.extend_from_slice(&[0, 0]);
            }
            if profile == ONE_BYTE {
                out.push(id << 4 | (length - 1));
            } else {
                out.extend_from_slice(&[id, length]);
            }
            out.extend_from_slice(value);
        }
        if out.len() == block {
            return;
        }
        while !(out.len() - block).is_multiple_of(4) {
            out.push(0);
        }
        let words = u16::try_from((out.len() - block) / 4 - 1).unwrap_or(0);
        if let Some(bytes) = out.get_mut(block + 2..block + 4) {
            bytes.copy_from_slice(&words.to_be_bytes());
        }
        if let Some(first) = out.get_mut(start) {
            *first |= 0x10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Outgoing = Outgoing {
        marker: true,
        payload_type: 111,
        sequence: 0x1234,
        timestamp: 0x89ab_cdef,
        ssrc: 0xcafe_babe,
    };

    #[test]
    fn what_is_written_is_read_back() {
        let mut packet = Vec::new();
        HEADER.write(
            &mut packet,
            [(1, &[0x85][..]), (4, b"mid"), (15, b"x"), (2, b"")],
        );
        packet.extend_from_slice(b"payload");
        let header = Header::parse(&packet).unwrap();
        assert!(header.marker && !header.padding);
        assert_eq!((header.payload_type, header.sequence), (111, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (0x89ab_cdef, 0xcafe_babe));
        assert_eq!(&packet[header.length..], b"payload");
        let extensions: Vec<_> = header.extensions(&packet).collect();
        assert_eq!(extensions, [(1, &[0x85][..]), (4, b"mid")]);
    }

    #[test]
    fn without_extensions_the_header_is_twelve_bytes() {
        let mut packet = Vec::new();
        HEADER.write(&mut packet, []);
        assert_eq!(packet.len(), 12);
        assert_eq!(Header::parse(&packet).unwrap().length, 12);
    }

    #[test]
    fn long_values_are_written_in_the_long_form_and_read_back() {
        let mut packet = Vec::new();
        HEADER.write_long(
            &mut packet,
            [(3, &[1, 2][..]), (12, &[7; 80]), (5, b""), (6, &[0; 256])],
        );
        packet.extend_from_slice(b"payload");
        let header = Header::parse(&packet).unwrap();
        let read: Vec<_> = header.extensions(&packet).collect();
        assert_eq!(read, [(3, &[1, 2][..]), (12, &[7; 80][..])]);
        assert_eq!(&packet[header.length..], b"payload");
    }

    #[test]
    fn two_byte_extensions_are_read() {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x00, 0, 2];
        packet.extend_from_slice(&[20, 2, 0xaa, 0xbb, 0, 3, 0, 0]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(
            header.extensions(&packet).collect::<Vec<_>>(),
            [(20, &[0xaa, 0xbb][..]), (3, &[][..])]
        );
    }

    #[test]
    fn a_header_that_ends_too_early_is_refused() {
        let mut packet = Vec::new();
        HEADER.write(&mut packet, [(1, &[0x85][..])]);
        for length in 0..packet.len() {
            assert!(Header::parse(&packet[..length]).is_none(), "{length}");
        }
        assert!(
            Header::parse(&[0x8f; 12]).is_none(),
            "fifteen contributing sources need 60 bytes more"
        );
        assert!(Header::parse(&[0x40; 12]).is_none(), "version 1");
    }

    #[test]
    fn padding_is_taken_off_and_never_more_than_there_is() {
        let header = Header::parse(&[0xa0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]).unwrap();
        assert_eq!(unpad(&header, b"ab\x00\x02"), Some(&b"ab"[..]));
        assert_eq!(unpad(&header, &[2, 2]), Some(&b""[..]));
        assert_eq!(unpad(&header, &[9, 9]), None);
        assert_eq!(unpad(&header, &[1, 0]), None);
        assert_eq!(unpad(&header, &[]), None);
    }
}
