//! AV1 (RTP Payload Format For AV1): the aggregation header in front of a payload, and the dependency descriptor in a header
//! extension, which says of what layer a frame is and what it needs. The payload itself is not looked at.

use crate::media::descriptor::{MOST_LAYERS, Size, Sizes};

/// Templates of a structure: their identifiers have six bits.
const MOST_TEMPLATES: usize = 64;
/// Frames that a frame needs; AV1 has eight places for them.
const MOST_NEEDED: usize = 16;
/// A decode target may be begun with this frame.
const SWITCH: u64 = 2;

/// What there is to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet begins a frame.
    pub start: bool,
    /// The packet ends a frame; not known without a dependency descriptor.
    pub end: bool,
    /// The packet begins a coded video sequence.
    pub key_frame: bool,
    /// The frame needs no earlier picture.
    pub independent: bool,
    /// From here on all rates can be received.
    pub switch: bool,
    /// Layer in time.
    pub temporal: u8,
    /// Layer in size.
    pub spatial: u8,
    /// The number of the frame, if the packet has one.
    pub frame: Option<u16>,
}

impl Descriptor {
    /// Reads the aggregation header (section 4.4); `None` if nothing follows it.
    pub fn parse(payload: &[u8], dependency: Option<Dependency>) -> Option<Self> {
        let &[first, _] = payload.first_chunk::<2>()?;
        let (continues, begins) = (first & 0x80 != 0, first & 0x08 != 0);
        // Section 4.4: what begins a sequence does not continue a unit.
        if continues && begins {
            return None;
        }
        Some(match dependency {
            Some(own) => Self {
                start: own.start,
                end: own.end,
                key_frame: own.key_frame || begins && own.start && own.spatial == 0,
                independent: own.independent || begins,
                switch: own.switch,
                temporal: own.temporal,
                spatial: own.spatial,
                frame: Some(own.frame),
            },
            None => Self {
                start: !continues,
                end: false,
                key_frame: begins,
                independent: begins,
                switch: !continues,
                temporal: 0,
                spatial: 0,
                frame: None,
            },
        })
    }
}

/// What a dependency descriptor says of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The packet begins a frame.
    pub start: bool,
    /// The packet ends a frame.
    pub end: bool,
    /// The frame begins a sequence: it needs no other and brings the structure.
    pub key_frame: bool,
    /// The frame needs none of earlier pictures.
    pub independent: bool,
    /// The largest target of its size may be begun with it.
    pub switch: bool,
    /// Layer in time.
    pub temporal: u8,
    /// Layer in size.
    pub spatial: u8,
    /// Counts frames.
    pub frame: u16,
}

/// The templates to which the descriptors of a stream refer. A key frame brings them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    offset: u8,
    /// The size that each decode target has.
    targets: Vec<u8>,
    chains: u8,
    templates: Vec<Template>,
    /// The sizes of the layers, if they were told.
    pub sizes: Option<Sizes>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// Two bits for each decode target, the first lowest.
    targets: u64,
    independent: bool,
    needs_none: bool,
}

/// Reads a descriptor (appendix A.8). A structure that it brings takes the place of the one known; without one nothing can be read.
pub fn read(extension: &[u8], known: &mut Option<Box<Structure>>) -> Option<Dependency> {
    let mut bits = Bits {
        bytes: extension,
        at: 0,
    };
    let (start, end) = (bits.flag()?, bits.flag()?);
    let template = bits.take(6)?;
    let frame = u16::try_from(bits.take(16)?).ok()?;
    let mut flags = [false; 5];
    if extension.len() > 3 {
        for flag in &mut flags {
            *flag = bits.flag()?;
        }
    }
    let [brings, active, own_targets, own_needs, own_chains] = flags;
    if brings {
        *known = Some(Box::new(Structure::read(&mut bits)?));
    }
    let structure = known.as_deref()?;
    if active {
        bits.skip(structure.targets.len())?;
    }
    let place = (template + 64 - u32::from(structure.offset)) % 64;
    let mut frame_is = *structure.templates.get(usize::try_from(place).ok()?)?;
    if own_targets {
        frame_is.targets = bits.targets(structure.targets.len())?;
    }
    if own_needs {
        (frame_is.independent, frame_is.needs_none) = (true, true);
        for _ in 0..=MOST_NEEDED {
            let length = bits.take(2)?;
            if length == 0 {
                break;
            }
            let back = bits.take(4 * length)? + 1;
            frame_is.needs_none = false;
            frame_is.independent &= back <= u32::from(frame_is.spatial);
        }
    }
    if own_chains {
        bits.skip(8 * usize::from(structure.chains))?;
    }
    Some(Dependency {
        start,
        end,
        key_frame: brings && start && frame_is.needs_none && frame_is.spatial == 0,
        independent: frame_is.independent,
        switch: structure.switches(&frame_is),
        temporal: frame_is.temporal,
        spatial: frame_is.spatial,
        frame,
    })
}

impl Structure {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let offset = u8::try_from(bits.take(6)?).ok()?;
        let targets = usize::try_from(bits.take(5)? + 1).ok()?;
        let mut templates = Self::layers(bits)?;
        for template in &mut templates {
            template.targets = bits.targets(targets)?;
        }
        for template in &mut templates {
            (template.independent, template.needs_none) = (true, true);
            let mut left = MOST_NEEDED;
            while bits.flag()? {
                let back = bits.take(4)? + 1;
                template.needs_none = false;
                template.independent &= back <= u32::from(template.spatial);
                left = left.checked_sub(1)?;
            }
        }
        let chains = bits.below(u32::try_from(targets).ok()? + 1)?;
        if chains > 0 {
            for _ in 0..targets {
                bits.below(chains)?;
            }
            bits.skip(templates.len() * usize::try_from(chains).ok()? * 4)?;
        }
        let sizes = if bits.flag()? {
            Some(Self::sizes(bits, &templates)?)
        } else {
            None
        };
        // A target has the size of the largest layer in it.
        let size = |target: usize| {
            let has = templates
                .iter()
                .filter(|template| indication(template.targets, target) != 0);
            has.map(|template| template.spatial).max().unwrap_or(0)
        };
        Some(Self {
            offset,
            targets: (0..targets).map(size).collect(),
            chains: u8::try_from(chains).ok()?,
            templates,
            sizes,
        })
    }

    /// Whether the largest target of the frame's own size may be begun with the frame.
    fn switches(&self, frame: &Template) -> bool {
        let own = self.targets.iter().rposition(|size| *size == frame.spatial);
        own.is_some_and(|target| indication(frame.targets, target) == SWITCH)
    }

    fn layers(bits: &mut Bits<'_>) -> Option<Vec<Template>> {
        let mut templates = Vec::new();
        let (mut spatial, mut temporal) = (0_u8, 0_u8);
        loop {
            if templates.len() >= MOST_TEMPLATES {
                return None;
            }
            templates.push(Template {
                spatial,
                temporal,
                ..Template::default()
            });
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Some(templates),
            }
        }
    }

    fn sizes(bits: &mut Bits<'_>, templates: &[Template]) -> Option<Sizes> {
        let layers = templates.last()?.spatial;
        let mut sizes = Sizes::default();
        for layer in 0..=usize::from(layers) {
            let width = u16::try_from(bits.take(16)?).ok()?.saturating_add(1);
            let height = u16::try_from(bits.take(16)?).ok()?.saturating_add(1);
            if let Some(size) = sizes.get_mut(layer.min(MOST_LAYERS - 1)) {
                *size = Size { width, height };
            }
        }
        Some(sizes)
    }
}

/// What a frame is to a decode target.
const fn indication(targets: u64, target: usize) -> u64 {
    targets >> (2 * target) & 3
}

/// Writes another frame number into a descriptor.
pub fn renumber(extension: &mut [u8], frame: u16) {
    if let Some(place) = extension.get_mut(1..3) {
        place.copy_from_slice(&frame.to_be_bytes());
    }
}

/// Reads bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Two bits for each of so many decode targets, of which there are 32 at most: their number is written in five bits.
    fn targets(&mut self, count: usize) -> Option<u64> {
        let mut targets = 0;
        for target in 0..count.min(32) {
            targets |= u64::from(self.take(2)?) << (2 * target);
        }
        Some(targets)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// A number below `most`, in the form `ns(n)` of the AV1 specification (section 4.10.7).
    fn below(&mut self, most: u32) -> Option<u32> {
        let width = u32::BITS - most.leading_zeros();
        let short = (1_u32 << width) - most;
        let value = self.take(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes bits for tests.
    #[derive(Default)]
    pub(crate) struct Writer(pub(crate) Vec<bool>);

    impl Writer {
        pub(crate) fn put(&mut self, count: u32, value: u32) -> &mut Self {
            for bit in (0..count).rev() {
                self.0.push(value >> bit & 1 == 1);
            }
            self
        }

        pub(crate) fn bytes(&self) -> Vec<u8> {
            self.0
                .chunks(8)
                .map(|bits| {
                    (0..8).fold(0, |byte, place| {
                        byte << 1 | u8::from(bits.get(place).copied().unwrap_or(false))
                    })
                })
                .collect()
        }
    }

    /// A descriptor that brings a structure of two sizes and two rates: templates (0,0) key, (0,0), (0,1), (1,0) key, (1,0), (1,1).
    pub(crate) fn key_frame(frame: u32) -> Vec<u8> {
        let mut bits = Writer::default();
        bits.put(1, 1).put(1, 0).put(6, 10).put(16, frame);
        bits.put(5, 0b10000);
        // Offset 10, four targets.
        bits.put(6, 10).put(5, 3);
        for next in [0, 1, 2, 0, 1, 3] {
            bits.put(2, next);
        }
        // What each template is for each target: 0 not there, 1 discardable, 2 switch, 3 required.
        for targets in [
            [2, 2, 2, 2],
            [2, 2, 2, 2],
            [0, 2, 0, 2],
            [0, 0, 2, 2],
            [0, 0, 2, 2],
            [0, 0, 0, 1],
        ] {
            for target in targets {
                bits.put(2, target);
            }
        }
        // What each needs.
        for needs in [&[][..], &[4], &[2], &[1], &[1, 4], &[1, 2]] {
            for back in needs {
                bits.put(1, 1).put(4, back - 1);
            }
            bits.put(1, 0);
        }
        // Two chains out of ns(5): 2 is written in two bits; each target names one in ns(2), each template two of four bits.
        bits.put(2, 2);
        for chain in [0, 0, 1, 1] {
            bits.put(1, chain);
        }
        for _ in 0..6 {
            bits.put(8, 0x11);
        }
        bits.put(1, 1);
        for (width, height) in [(320, 180), (640, 360)] {
            bits.put(16, width - 1).put(16, height - 1);
        }
        bits.bytes()
    }

    #[test]
    fn a_key_frame_brings_the_structure_and_others_refer_to_it() {
        let mut known = None;
        assert_eq!(read(&[0xc0, 0, 1], &mut known), None, "without a structure");
        let bytes = key_frame(500);
        let first = read(&bytes, &mut known).unwrap();
        assert!(first.start && !first.end && first.key_frame && first.independent);
        assert_eq!((first.spatial, first.temporal, first.frame), (0, 0, 500));
        let sizes = known.as_ref().unwrap().sizes.unwrap();
        assert_eq!((sizes[0].height, sizes[1].width), (180, 640));
        for (template, spatial, temporal, independent, switch) in [
            (11, 0, 0, false, true),
            (12, 0, 1, false, true),
            (13, 1, 0, true, true),
            (14, 1, 0, false, true),
            (15, 1, 1, false, false),
        ] {
            let read = read(&[0x80 | template, 2, 1], &mut known).unwrap();
            assert_eq!((read.spatial, read.temporal), (spatial, temporal));
            assert_eq!(
                (read.independent, read.switch),
                (independent, switch),
                "{template}"
            );
            assert!(!read.key_frame && read.frame == 513);
        }
        assert_eq!(
            read(&[0x80 | 16, 0, 1], &mut known),
            None,
            "no such template"
        );
    }

    #[test]
    fn what_a_frame_says_of_itself_counts_more_than_its_template() {
        let mut known = None;
        read(&key_frame(1), &mut known).unwrap();
        let mut bits = Writer::default();
        bits.put(2, 3).put(6, 15).put(16, 7).put(5, 0b01111);
        bits.put(4, 0b1111);
        for target in [0, 0, 0, 2] {
            bits.put(2, target);
        }
        bits.put(2, 1).put(4, 0).put(2, 0).put(16, 0);
        let read = read(&bits.bytes(), &mut known).unwrap();
        assert!(read.switch && read.independent && read.start && read.end);
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = key_frame(500);
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], &mut None), None, "{length}");
        }
    }

    #[test]
    fn another_number_changes_nothing_else() {
        let mut bytes = key_frame(500);
        renumber(&mut bytes, 501);
        assert_eq!(bytes, key_frame(501));
    }

    #[test]
    fn the_aggregation_header_tells_sequences_and_parts() {
        let parse = |payload: &[u8]| Descriptor::parse(payload, None);
        let first = parse(&[0x18, 0x0a]).unwrap();
        assert!(first.key_frame && first.start && !first.end);
        let part = parse(&[0x90, 0x0a]).unwrap();
        assert!(!part.start && !part.key_frame);
        assert_eq!(parse(&[0x98, 0x0a]), None, "both at once");
        assert_eq!(parse(&[0x18]), None);
    }

    #[test]
    fn packets_of_another_hand_are_read() {
        use rtc_rtp::codec::av1::Av1Payloader;
        use rtc_rtp::packetizer::Payloader;
        // A sequence header and a frame, each with its size.
        let mut unit = vec![0x0a, 3, 1, 2, 3, 0x32, 0xb8, 0x17];
        unit.resize(unit.len() + 3000, 0x55);
        let packets = Av1Payloader::default().payload(1200, &unit.into()).unwrap();
        assert!(packets.len() > 2);
        for (place, packet) in packets.iter().enumerate() {
            let read = Descriptor::parse(packet, None).unwrap();
            assert_eq!(read.key_frame, place == 0);
        }
    }
}
