//! The VP9 payload descriptor (RFC 9628, section 4.2): frame starts and ends, layers, and the two counters that must stay
//! continuous. Nothing else of the payload is looked at.

use crate::media::descriptor::{MOST_LAYERS, Picture, Size, Sizes};

/// A parsed descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins the frame of a layer.
    pub start: bool,
    /// The packet ends the frame of a layer.
    pub end: bool,
    /// The packet begins a picture from which decoding can begin.
    pub key_frame: bool,
    /// The frame needs no earlier picture; it may need the layers below in this one.
    pub independent: bool,
    /// Layer in time.
    pub temporal: u8,
    /// Layer in size.
    pub spatial: u8,
    /// From here on this and what is above in time needs nothing before it of its own layer.
    pub switch: bool,
    /// The picture identifier.
    pub picture: Option<Picture>,
    /// Where TL0PICIDX stands, and its value.
    pub base_layer: Option<(u8, u8)>,
    /// Where the scalability structure stands.
    structure: Option<u8>,
}

/// Pictures that a frame may name as needed (RFC 9628, section 4.2).
const MOST_REFERENCES: usize = 3;

impl Descriptor {
    /// Reads the descriptor of a payload; `None` if it ends too early or nothing follows it.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let has = |bit: u8| first & bit != 0;
        let (identified, predicted, layered, flexible) =
            (has(0x80), has(0x40), has(0x20), has(0x10));
        let mut at = 1;
        let mut picture = None;
        if identified {
            let read = Picture::read(payload, at)?;
            at += read.length();
            picture = Some(read);
        }
        let (mut temporal, mut spatial, mut switch, mut base_layer) = (0, 0, false, None);
        if layered {
            let layer = *payload.get(at)?;
            at += 1;
            (temporal, switch, spatial) = (layer >> 5, layer & 0x10 != 0, layer >> 1 & 0x07);
            if !flexible {
                base_layer = Some((u8::try_from(at).ok()?, *payload.get(at)?));
                at += 1;
            }
        }
        if flexible && predicted {
            let mut left = MOST_REFERENCES;
            loop {
                let reference = *payload.get(at)?;
                at += 1;
                left -= 1;
                if reference & 1 == 0 {
                    break;
                }
                if left == 0 {
                    return None;
                }
            }
        }
        let structure = if has(0x02) {
            let place = u8::try_from(at).ok()?;
            at = Structure::read(payload, at)?.end;
            Some(place)
        } else {
            None
        };
        let start = has(0x08);
        (at < payload.len()).then_some(Self {
            start,
            end: has(0x04),
            key_frame: start && !predicted && spatial == 0,
            independent: !predicted,
            temporal,
            spatial,
            switch,
            picture,
            base_layer,
            structure,
        })
    }

    /// The sizes of the layers, if this packet tells them.
    pub fn sizes(&self, payload: &[u8]) -> Option<Sizes> {
        let structure = Structure::read(payload, usize::from(self.structure?))?;
        structure.sized.then_some(structure.sizes)
    }
}

/// The scalability structure (RFC 9628, section 4.2.1).
struct Structure {
    sized: bool,
    sizes: Sizes,
    end: usize,
}

impl Structure {
    fn read(payload: &[u8], start: usize) -> Option<Self> {
        let first = *payload.get(start)?;
        let mut at = start + 1;
        let layers = usize::from(first >> 5) + 1;
        let sized = first & 0x10 != 0;
        let mut sizes = Sizes::default();
        if sized {
            for layer in 0..layers {
                let &[w0, w1, h0, h1] = payload.get(at..)?.first_chunk::<4>()?;
                at += 4;
                if let Some(size) = sizes.get_mut(layer.min(MOST_LAYERS - 1)) {
                    *size = Size {
                        width: u16::from_be_bytes([w0, w1]),
                        height: u16::from_be_bytes([h0, h1]),
                    };
                }
            }
        }
        if first & 0x08 != 0 {
            let pictures = *payload.get(at)?;
            at += 1;
            for _ in 0..pictures {
                let references = *payload.get(at)? >> 2 & 0x03;
                at += 1 + usize::from(references);
            }
        }
        (at <= payload.len()).then_some(Self {
            sized,
            sizes,
            end: at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::descriptor::{Descriptor as Any, Shift};

    #[test]
    fn a_full_descriptor_is_read_and_shifted() {
        // I L B E V; picture 0x7ffe, TID 0 U SID 0, TL0PICIDX 7; two layers with sizes and a group of two pictures.
        let mut payload = vec![0xae, 0xff, 0xfe, 0x10, 0x07];
        payload.extend_from_slice(&[0x38, 0x01, 0x40, 0, 0xb4, 0x02, 0x80, 0x01, 0x68]);
        payload.extend_from_slice(&[2, 0x04, 1, 0x34, 2, 0xaa]);
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.start && descriptor.end && descriptor.key_frame && descriptor.switch);
        assert_eq!((descriptor.temporal, descriptor.spatial), (0, 0));
        assert_eq!(descriptor.picture.unwrap().value, 0x7ffe);
        assert_eq!(descriptor.base_layer, Some((4, 7)));
        let sizes = descriptor.sizes(&payload).unwrap();
        assert_eq!((sizes[0].width, sizes[1].height), (320, 360));
        let any = Any::Vp9(descriptor);
        let shift = any.shift_after(0x7fff, 0xff);
        assert_eq!(any.shifted(shift), (Some(0), Some(0)));
        any.write(&mut payload, any.shifted(shift));
        assert_eq!(payload[..5], [0xae, 0x80, 0x00, 0x10, 0x00]);
        for length in 0..payload.len() {
            assert!(Descriptor::parse(&payload[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn layers_and_references_of_the_flexible_form_are_read() {
        // I P L F B; narrow picture 5, TID 2 SID 1 D, two references.
        let payload = [0xf8, 0x05, 0x43, 0x03, 0x04, 0xaa];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!((descriptor.temporal, descriptor.spatial), (2, 1));
        assert!(!descriptor.key_frame && !descriptor.independent && !descriptor.switch);
        assert!(descriptor.base_layer.is_none() && !descriptor.picture.unwrap().wide);
        let many = [0xf8, 0x05, 0x43, 0x03, 0x03, 0x03, 0x02, 0xaa];
        assert!(Descriptor::parse(&many).is_none(), "four references");
        let mut copy = payload;
        let shift = Shift {
            picture: 0x7f,
            base_layer: 9,
        };
        let any = Any::Vp9(descriptor);
        any.write(&mut copy, any.shifted(shift));
        assert_eq!(copy, [0xf8, 0x04, 0x43, 0x03, 0x04, 0xaa]);
    }

    #[test]
    fn a_parser_of_another_hand_agrees_on_packets_of_another_hand() {
        use rtc_rtp::codec::vp9::{Vp9Packet, Vp9Payloader};
        use rtc_rtp::packetizer::{Depacketizer, Payloader};
        let mut payloader = Vp9Payloader::default();
        payloader.initial_picture_id_fn = Some(std::sync::Arc::new(|| 0x1234));
        // A key frame's uncompressed header: marker, profile 0, shown, and the sync code.
        let mut frame = vec![0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xf0, 0x16, 0x70];
        frame.resize(3000, 0x11);
        let packets = payloader.payload(1200, &frame.into()).unwrap();
        assert!(packets.len() > 1);
        for (place, packet) in packets.iter().enumerate() {
            let mut other = Vp9Packet::default();
            other.depacketize(packet).unwrap();
            let own = Descriptor::parse(packet).unwrap();
            assert_eq!(
                own.picture.map(|p| p.value),
                other.i.then_some(other.picture_id)
            );
            assert_eq!((own.start, own.end), (other.b, other.e));
            assert_eq!(own.independent, !other.p);
            assert_eq!((own.spatial, own.temporal), (other.sid, other.tid));
            assert_eq!(own.key_frame, place == 0);
        }
    }
}
