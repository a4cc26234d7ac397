//! What an SFU must read of a picture packet, whatever its codec: where frames begin and end, which can be begun with, which layer
//! they are of, and the counters that must stay continuous. Nothing else of a payload is looked at.

use crate::media::av1;
use crate::media::codec::Codec;
use crate::media::h264;
use crate::media::vp8;
use crate::media::vp9;

/// Layers of one kind that are told apart: three sizes, three rates.
pub const MOST_LAYERS: usize = 3;

/// A parsed descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// RFC 7741.
    Vp8(vp8::Descriptor),
    /// RFC 9628.
    Vp9(vp9::Descriptor),
    /// The aggregation header, and the dependency descriptor where there is one.
    Av1(av1::Descriptor),
    /// RFC 6184.
    H264(h264::Descriptor),
}

/// What is added to counters so that they go on across a change of stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Added to the picture identifier or the frame number, modulo its width.
    pub picture: u16,
    /// Added to TL0PICIDX, modulo 256.
    pub base_layer: u8,
}

/// The picture identifier or frame number, and TL0PICIDX, as far as a packet has them.
pub type Counters = (Option<u16>, Option<u8>);

/// The size of a picture, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

/// The sizes of the layers of a stream, the smallest first; zero where there is none.
pub type Sizes = [Size; MOST_LAYERS];

impl Descriptor {
    /// Reads the descriptor of a payload of this codec; `None` if it ends too early, has none, or is sound. `dependency` is what
    /// the packet's dependency descriptor says, if it has one.
    pub fn parse(
        codec: Codec,
        payload: &[u8],
        dependency: Option<av1::Dependency>,
    ) -> Option<Self> {
        match codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).map(Self::Vp8),
            Codec::Vp9(_) => vp9::Descriptor::parse(payload).map(Self::Vp9),
            Codec::Av1(_) => av1::Descriptor::parse(payload, dependency).map(Self::Av1),
            Codec::H264(_) => h264::Descriptor::parse(payload, dependency).map(Self::H264),
            Codec::Opus | Codec::Red | Codec::G722 | Codec::Pcmu | Codec::Pcma => None,
        }
    }

    /// The packet begins a frame from which decoding can begin.
    pub const fn key_frame(&self) -> bool {
        match self {
            Self::Vp8(own) => own.key_frame,
            Self::Vp9(own) => own.key_frame,
            Self::Av1(own) => own.key_frame,
            Self::H264(own) => own.key_frame,
        }
    }

    /// Which of the rates: 0 is needed by all others.
    pub const fn temporal(&self) -> u8 {
        match self {
            Self::Vp8(own) => own.temporal,
            Self::Vp9(own) => own.temporal,
            Self::Av1(own) => own.temporal,
            Self::H264(own) => own.temporal,
        }
    }

    /// Which of the sizes within one stream: 0 is needed by all others.
    pub const fn spatial(&self) -> u8 {
        match self {
            Self::Vp9(own) => own.spatial,
            Self::Av1(own) => own.spatial,
            Self::Vp8(_) | Self::H264(_) => 0,
        }
    }

    /// The packet begins a frame (of one layer).
    pub const fn begins_frame(&self) -> bool {
        match self {
            Self::Vp8(own) => own.start,
            Self::Vp9(own) => own.start,
            Self::Av1(own) => own.start,
            Self::H264(own) => own.start,
        }
    }

    /// The packet ends a frame (of one layer), as far as the descriptor says it; the marker says it of whole pictures.
    pub const fn ends_frame(&self) -> bool {
        match self {
            Self::Vp9(own) => own.end,
            Self::Av1(own) => own.end,
            Self::Vp8(_) | Self::H264(_) => false,
        }
    }

    /// The rate that a receiver of `current` may have from this packet on, if it wants `wanted`: what comes after must need nothing
    /// that it did not get.
    pub const fn raised_rate(&self, current: u8, wanted: u8) -> u8 {
        let own = self.temporal();
        if wanted <= current || own > wanted || !self.begins_frame() {
            return current;
        }
        match self {
            // The frame needs only the lowest (RFC 7741, section 4.2): nothing is said of those above it.
            Self::Vp8(vp8) if vp8.sync && own > current => own,
            // From here on what is above needs nothing before (RFC 9628, section 4.2).
            Self::Vp9(vp9) if vp9.switch && own <= current => wanted,
            Self::Av1(av1) if av1.switch => wanted,
            Self::H264(h264) if h264.switch => wanted,
            _ if self.key_frame() => wanted,
            _ => current,
        }
    }

    /// Whether a receiver of the smaller sizes may receive this one from this packet on: it needs none of its own before it.
    pub const fn raises_size(&self) -> bool {
        match self {
            Self::Vp9(own) => own.start && own.independent,
            Self::Av1(own) => own.start && own.independent,
            Self::Vp8(_) | Self::H264(_) => self.key_frame(),
        }
    }

    /// Whether numbers of pictures that a receiver does not get must be closed up: those of VP8 are counted by decoders, those
    /// of others are named by what depends on them.
    pub const fn counts_pictures(&self) -> bool {
        matches!(self, Self::Vp8(_))
    }

    /// The sizes of the layers, if the payload tells them.
    pub fn sizes(&self, payload: &[u8]) -> Option<Sizes> {
        match self {
            Self::Vp8(own) => own.size(payload).map(|size| {
                let mut sizes = Sizes::default();
                if let Some(first) = sizes.first_mut() {
                    *first = size;
                }
                sizes
            }),
            Self::Vp9(own) => own.sizes(payload),
            Self::Av1(_) | Self::H264(_) => None,
        }
    }

    /// The shift after which this packet's counters follow on those last sent.
    pub fn shift_after(&self, picture: u16, base_layer: u8) -> Shift {
        let (own_picture, own_base) = self.counters();
        Shift {
            picture: own_picture.map_or(0, |own| picture.wrapping_add(1).wrapping_sub(own)),
            base_layer: own_base.map_or(0, |own| base_layer.wrapping_add(1).wrapping_sub(own)),
        }
    }

    /// The counters as they came: picture identifier and TL0PICIDX.
    pub fn counters(&self) -> Counters {
        match self {
            Self::Vp8(own) => (
                own.picture.map(|picture| picture.value),
                own.base_layer.map(|(_, value)| value),
            ),
            Self::Vp9(own) => (
                own.picture.map(|picture| picture.value),
                own.base_layer.map(|(_, value)| value),
            ),
            Self::Av1(own) => (own.frame, None),
            Self::H264(_) => (None, None),
        }
    }

    /// Both counters as they leave.
    pub fn shifted(&self, shift: Shift) -> Counters {
        let (picture, base_layer) = self.counters();
        let mask = match self {
            Self::Vp8(own) => own.picture.map_or(0, |picture| picture.mask()),
            Self::Vp9(own) => own.picture.map_or(0, |picture| picture.mask()),
            Self::Av1(_) | Self::H264(_) => 0xffff,
        };
        (
            picture.map(|own| own.wrapping_add(shift.picture) & mask),
            base_layer.map(|own| own.wrapping_add(shift.base_layer)),
        )
    }

    /// Writes the counters as they leave into a copy of the payload.
    pub fn write(&self, payload: &mut [u8], (picture, base_layer): Counters) {
        let (picture_place, base_place) = match self {
            Self::Vp8(own) => (own.picture, own.base_layer),
            Self::Vp9(own) => (own.picture, own.base_layer),
            // Those of AV1 stand in a header extension.
            Self::Av1(_) | Self::H264(_) => (None, None),
        };
        if let (Some(place), Some(value)) = (picture_place, picture) {
            place.write(payload, value);
        }
        if let (Some((offset, _)), Some(value)) = (base_place, base_layer) {
            set(payload, offset, value);
        }
    }
}

/// A picture identifier, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    offset: u8,
    /// 15 bits rather than 7.
    pub wide: bool,
    /// Its value.
    pub value: u16,
}

impl Picture {
    /// Reads the one that stands there; its first bit says how wide it is.
    pub(crate) fn read(payload: &[u8], offset: usize) -> Option<Self> {
        let high = *payload.get(offset)?;
        let wide = high & 0x80 != 0;
        let value = if wide {
            u16::from_be_bytes([high & 0x7f, *payload.get(offset + 1)?])
        } else {
            u16::from(high)
        };
        let offset = u8::try_from(offset).ok()?;
        Some(Self {
            offset,
            wide,
            value,
        })
    }

    /// Bytes that it takes.
    pub(crate) const fn length(self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    const fn mask(self) -> u16 {
        if self.wide { 0x7fff } else { 0x7f }
    }

    fn write(self, payload: &mut [u8], value: u16) {
        let [high, low] = value.to_be_bytes();
        if self.wide {
            set(payload, self.offset, high | 0x80);
            set(payload, self.offset + 1, low);
        } else {
            set(payload, self.offset, low);
        }
    }
}

fn set(payload: &mut [u8], at: u8, value: u8) {
    if let Some(byte) = payload.get_mut(usize::from(at)) {
        *byte = value;
    }
}
