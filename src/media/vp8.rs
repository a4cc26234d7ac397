//! The VP8 payload descriptor (RFC 7741, section 4.2): what an SFU must read of it (frame starts, key frames) and the two
//! counters that it must keep continuous. Nothing else of the payload is looked at.

use crate::media::descriptor::{Picture, Size};

/// The bytes after the first three of a key frame (RFC 6386, section 9.1).
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// A parsed descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins a frame.
    pub start: bool,
    /// The packet begins a key frame.
    pub key_frame: bool,
    /// Layer in time.
    pub temporal: u8,
    /// The frame needs nothing of its own layer in time.
    pub sync: bool,
    /// The picture identifier.
    pub picture: Option<Picture>,
    /// Where TL0PICIDX stands, and its value.
    pub base_layer: Option<(u8, u8)>,
    /// Where the frame begins.
    frame: u8,
}

impl Descriptor {
    /// Reads the descriptor of a payload; `None` if it ends too early or nothing follows it.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let (mut picture, mut base_layer) = (None, None);
        let (mut temporal, mut sync) = (0, false);
        if first & 0x80 != 0 {
            let flags = *payload.get(at)?;
            at += 1;
            if flags & 0x80 != 0 {
                let read = Picture::read(payload, at)?;
                at += read.length();
                picture = Some(read);
            }
            if flags & 0x40 != 0 {
                base_layer = Some((u8::try_from(at).ok()?, *payload.get(at)?));
                at += 1;
            }
            if flags & 0x30 != 0 {
                let layer = *payload.get(at)?;
                if flags & 0x20 != 0 {
                    (temporal, sync) = (layer >> 6, layer & 0x20 != 0);
                }
                at += 1;
            }
        }
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        // The first bit of the frame header is 0 in a key frame (RFC 6386, section 9.1).
        let key_frame = start && payload.get(at)? & 1 == 0;
        (at < payload.len()).then_some(Self {
            start,
            key_frame,
            temporal,
            sync,
            picture,
            base_layer,
            frame: u8::try_from(at).ok()?,
        })
    }

    /// The size that a key frame tells in the clear part of its header; nothing depends on it but the choice of sizes.
    pub fn size(&self, payload: &[u8]) -> Option<Size> {
        let header = payload.get(usize::from(self.frame) + 3..)?;
        let &[s0, s1, s2, w0, w1, h0, h1] = header.first_chunk::<7>()?;
        (self.key_frame && [s0, s1, s2] == START_CODE).then_some(Size {
            width: u16::from_le_bytes([w0, w1]) & 0x3fff,
            height: u16::from_le_bytes([h0, h1]) & 0x3fff,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::descriptor::{Descriptor as Any, Shift};

    #[test]
    fn a_full_descriptor_is_read_and_shifted() {
        let mut payload = [0x90, 0xe0, 0xff, 0xfe, 0x07, 0x40, 0x10, 0x02];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.start && descriptor.key_frame);
        assert_eq!(descriptor.picture.unwrap().value, 0x7ffe);
        assert_eq!(descriptor.base_layer, Some((4, 7)));
        let descriptor = Any::Vp8(descriptor);
        let shift = descriptor.shift_after(0x7fff, 0xff);
        assert_eq!(descriptor.shifted(shift), (Some(0), Some(0)));
        descriptor.write(&mut payload, descriptor.shifted(shift));
        assert_eq!(payload, [0x90, 0xe0, 0x80, 0x00, 0x00, 0x40, 0x10, 0x02]);
    }

    #[test]
    fn a_narrow_picture_identifier_stays_narrow() {
        let mut payload = [0x90, 0x80, 0x7f, 0x11];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(!descriptor.key_frame);
        let any = Any::Vp8(descriptor);
        let counters = any.shifted(Shift {
            picture: 1,
            base_layer: 0,
        });
        any.write(&mut payload, counters);
        assert_eq!(payload, [0x90, 0x80, 0x00, 0x11]);
    }

    #[test]
    fn a_short_descriptor_has_no_counters() {
        let descriptor = Descriptor::parse(&[0x10, 0x00]).unwrap();
        assert!(
            descriptor.key_frame && descriptor.picture.is_none() && descriptor.base_layer.is_none()
        );
        assert!(!Descriptor::parse(&[0x00, 0x00]).unwrap().start);
    }

    #[test]
    fn every_truncation_is_refused() {
        let payload = [0x90, 0xf0, 0xff, 0xfe, 0x07, 0x40];
        for length in 0..=payload.len() {
            assert!(Descriptor::parse(&payload[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn a_parser_of_another_hand_agrees() {
        use rtc_rtp::codec::vp8::Vp8Packet;
        use rtc_rtp::packetizer::Depacketizer;
        let payload = [0x90, 0xe0, 0x92, 0x34, 0x07, 0x40, 0x10, 0x02];
        let mut other = Vp8Packet::default();
        other.depacketize(&payload.to_vec().into()).unwrap();
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!(other.picture_id, descriptor.picture.unwrap().value);
        assert_eq!(other.tl0_pic_idx, descriptor.base_layer.unwrap().1);
    }

    #[test]
    fn layers_in_time_are_read() {
        // X, then I L T; picture 5, TL0PICIDX 1, TID 2 with and without Y.
        let read = |layer: u8| Descriptor::parse(&[0x90, 0xe0, 5, 1, layer, 1, 0]).unwrap();
        assert_eq!((read(0x80).temporal, read(0x80).sync), (2, false));
        assert_eq!((read(0xa0).temporal, read(0xa0).sync), (2, true));
        assert!(!read(0).sync);
    }

    #[test]
    fn a_key_frame_tells_its_size() {
        let payload = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41];
        let size = Descriptor::parse(&payload).unwrap().size(&payload).unwrap();
        assert_eq!((size.width, size.height), (640, 360));
        assert!(
            Descriptor::parse(&payload[..9])
                .unwrap()
                .size(&payload[..9])
                .is_none()
        );
    }
}
