//! The VP8 payload descriptor (RFC 7741, section 4.2): what an SFU must read of it (frame starts, key frames) and the two
//! counters that it must keep continuous. Nothing else of the payload is looked at.

/// A parsed descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins a frame.
    pub start: bool,
    /// The packet begins a key frame.
    pub key_frame: bool,
    /// Where the picture identifier stands, and its value.
    pub picture: Option<Picture>,
    /// Where TL0PICIDX stands, and its value.
    pub base_layer: Option<(usize, u8)>,
}

/// The picture identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    offset: usize,
    /// 15 bits rather than 7.
    pub wide: bool,
    /// Its value.
    pub value: u16,
}

/// What is added to both counters so that they go on across a change of source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Added to the picture identifier, modulo its width.
    pub picture: u16,
    /// Added to TL0PICIDX, modulo 256.
    pub base_layer: u8,
}

impl Descriptor {
    /// Reads the descriptor of a payload; `None` if it ends too early or nothing follows it.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let mut picture = None;
        let mut base_layer = None;
        if first & 0x80 != 0 {
            let flags = *payload.get(at)?;
            at += 1;
            if flags & 0x80 != 0 {
                let high = *payload.get(at)?;
                let wide = high & 0x80 != 0;
                let value = if wide {
                    u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?])
                } else {
                    u16::from(high)
                };
                picture = Some(Picture {
                    offset: at,
                    wide,
                    value,
                });
                at += if wide { 2 } else { 1 };
            }
            if flags & 0x40 != 0 {
                base_layer = Some((at, *payload.get(at)?));
                at += 1;
            }
            if flags & 0x30 != 0 {
                at += 1;
            }
        }
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        // The first bit of the frame header is 0 in a key frame (RFC 6386, section 9.1).
        let key_frame = start && payload.get(at)? & 1 == 0;
        (at < payload.len()).then_some(Self {
            start,
            key_frame,
            picture,
            base_layer,
        })
    }

    /// The shift after which this packet's counters follow on `picture` and `base_layer`, the last ones sent.
    pub fn shift_after(&self, picture: u16, base_layer: u8) -> Shift {
        Shift {
            picture: self
                .picture
                .map_or(0, |own| picture.wrapping_add(1).wrapping_sub(own.value)),
            base_layer: self
                .base_layer
                .map_or(0, |(_, own)| base_layer.wrapping_add(1).wrapping_sub(own)),
        }
    }

    /// Both counters as they leave.
    pub fn shifted(&self, shift: Shift) -> (Option<u16>, Option<u8>) {
        let picture = self.picture.map(|own| {
            own.value.wrapping_add(shift.picture) & if own.wide { 0x7fff } else { 0x7f }
        });
        (
            picture,
            self.base_layer
                .map(|(_, own)| own.wrapping_add(shift.base_layer)),
        )
    }

    /// Writes the shifted counters into a copy of the payload.
    pub fn write(&self, payload: &mut [u8], shift: Shift) {
        let (picture, base_layer) = self.shifted(shift);
        if let (Some(place), Some(value)) = (self.picture, picture) {
            let [high, low] = value.to_be_bytes();
            if !place.wide {
                set(payload, place.offset, low);
            } else {
                set(payload, place.offset, high | 0x80);
                set(payload, place.offset + 1, low);
            }
        }
        if let (Some((offset, _)), Some(value)) = (self.base_layer, base_layer) {
            set(payload, offset, value);
        }
    }
}

fn set(payload: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = payload.get_mut(at) {
        *byte = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_descriptor_is_read_and_shifted() {
        let mut payload = [0x90, 0xe0, 0xff, 0xfe, 0x07, 0x40, 0x10, 0x02];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.start && descriptor.key_frame);
        assert_eq!(descriptor.picture.unwrap().value, 0x7ffe);
        assert_eq!(descriptor.base_layer, Some((4, 7)));
        let shift = descriptor.shift_after(0x7fff, 0xff);
        assert_eq!(descriptor.shifted(shift), (Some(0), Some(0)));
        descriptor.write(&mut payload, shift);
        assert_eq!(payload, [0x90, 0xe0, 0x80, 0x00, 0x00, 0x40, 0x10, 0x02]);
    }

    #[test]
    fn a_narrow_picture_identifier_stays_narrow() {
        let mut payload = [0x90, 0x80, 0x7f, 0x11];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(!descriptor.key_frame);
        descriptor.write(
            &mut payload,
            Shift {
                picture: 1,
                base_layer: 0,
            },
        );
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
}
