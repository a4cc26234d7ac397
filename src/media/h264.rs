//! H264 payloads in packetization mode 1 (RFC 6184): whether a packet begins a picture from which decoding can begin. Only the
//! types of its units are looked at.

use crate::media::av1::Dependency;

/// A slice of a picture from which decoding can begin.
const IDR: u8 = 5;
/// The parameters that a decoder needs before it.
const PARAMETERS: u8 = 7;
/// Several units in one packet.
const STAP_A: u8 = 24;
/// A part of a unit.
const FU_A: u8 = 28;
/// Units looked at in one packet.
const MOST_UNITS: usize = 16;

/// What there is to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins a unit.
    pub start: bool,
    /// The packet has the parameters of a sequence, with which decoding can begin.
    pub key_frame: bool,
    /// The packet has (a part of) a picture that needs no other.
    pub intra: bool,
    /// Layer in time.
    pub temporal: u8,
    /// From here on all rates can be received.
    pub switch: bool,
}

impl Descriptor {
    /// Reads a payload; `None` if it is empty, ends within its headers, or is of a form that mode 1 does not have.
    pub fn parse(payload: &[u8], dependency: Option<Dependency>) -> Option<Self> {
        let kind = payload.first()? & 0x1f;
        let (start, key_frame, intra) = match kind {
            1..=23 => (true, kind == PARAMETERS, kind == IDR),
            STAP_A => {
                let (mut key_frame, mut intra) = (false, false);
                let mut rest = payload.get(1..)?;
                let mut units = 0;
                while !rest.is_empty() && units < MOST_UNITS {
                    let (length, after) = rest.split_first_chunk::<2>()?;
                    let (unit, after) =
                        after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                    let kind = unit.first()? & 0x1f;
                    key_frame |= kind == PARAMETERS;
                    intra |= kind == IDR;
                    rest = after;
                    units += 1;
                }
                if units == 0 {
                    return None;
                }
                (true, key_frame, intra)
            }
            FU_A => {
                let header = payload.get(1)?;
                payload.get(2)?;
                let start = header & 0x80 != 0;
                let kind = header & 0x1f;
                (start, start && kind == PARAMETERS, kind == IDR)
            }
            _ => return None,
        };
        Some(Self {
            start: dependency.map_or(start, |dependency| dependency.start),
            key_frame,
            intra,
            temporal: dependency.map_or(0, |dependency| dependency.temporal),
            switch: dependency.is_some_and(|dependency| dependency.switch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(payload: &[u8]) -> Option<Descriptor> {
        Descriptor::parse(payload, None)
    }

    #[test]
    fn only_parameters_begin_a_sequence() {
        assert!(parse(&[0x67, 0x42]).unwrap().key_frame);
        let slice = parse(&[0x65, 0x88]).unwrap();
        assert!(!slice.key_frame && slice.intra);
        assert!(!parse(&[0x41, 0x9a]).unwrap().key_frame);
        // STAP-A of SPS and PPS.
        let both = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
        assert!(parse(&both).unwrap().key_frame);
        assert!(!parse(&[0x78, 0, 2, 0x68, 0xce]).unwrap().key_frame);
    }

    #[test]
    fn parts_begin_once() {
        assert!(parse(&[0x7c, 0x85, 0x88]).unwrap().start);
        assert!(!parse(&[0x7c, 0x05, 0x88]).unwrap().start);
        assert!(!parse(&[0x7c, 0x45, 0x88]).unwrap().key_frame);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for payload in [
            &[][..],
            &[0x78],
            &[0x78, 0],
            &[0x78, 0, 9, 0x67],
            &[0x78, 0, 0],
            &[0x7c],
            &[0x7c, 0x85],
            &[0x79, 0, 0, 1],
            &[0x60],
        ] {
            assert_eq!(parse(payload), None, "{payload:?}");
        }
    }

    #[test]
    fn packets_of_another_hand_are_read() {
        use rtc_rtp::codec::h264::H264Payloader;
        use rtc_rtp::packetizer::Payloader;
        let mut payloader = H264Payloader::default();
        let mut stream = vec![
            0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x3c,
        ];
        stream.extend_from_slice(&[0, 0, 0, 1, 0x65]);
        stream.resize(4000, 0x55);
        let packets = payloader.payload(1200, &stream.into()).unwrap();
        let read: Vec<_> = packets
            .iter()
            .map(|packet| parse(packet).unwrap())
            .collect();
        assert_eq!(
            read.iter().filter(|read| read.key_frame).count(),
            1,
            "{read:?}"
        );
        assert!(read[0].key_frame && read[1..].iter().all(|read| read.intra));
        assert_eq!(read[1..].iter().filter(|read| read.start).count(), 1);
        let later = payloader
            .payload(1200, &vec![0, 0, 0, 1, 0x41, 0x9a, 0x01].into())
            .unwrap();
        assert!(later.iter().all(|packet| !parse(packet).unwrap().intra));
    }
}
