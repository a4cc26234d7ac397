//! The dependency descriptor of an AV1 packet as it leaves in a slot: unchanged but for the number of its frame. Without it a receiver
//! cannot tell the sizes of one picture apart.

use crate::media::av1::renumber;
use crate::media::codec::Codecs;
use crate::media::descriptor::{Descriptor, Shift};
use crate::media::rtp::Outgoing;
use crate::media::stream::Packet;

/// What the long form of a header extension holds. A browser's structure for three sizes and three rates has some 80 bytes.
pub(crate) const LONGEST: usize = 255;

/// A descriptor, and how the receiver numbers the extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    id: u8,
    length: usize,
    bytes: [u8; LONGEST],
}

impl Leaving {
    /// That of a packet, if it has one and the receiver takes it.
    #[inline]
    pub(crate) fn of(packet: &Packet<'_>, receiver: &Codecs, shift: Shift) -> Option<Self> {
        let (Some(descriptor @ Descriptor::Av1(_)), false) =
            (packet.descriptor, packet.dependency.is_empty())
        else {
            return None;
        };
        let (id, frame) = (
            receiver.extensions.dependency?,
            descriptor.shifted(shift).0?,
        );
        let mut bytes = [0; LONGEST];
        bytes
            .get_mut(..packet.dependency.len())?
            .copy_from_slice(packet.dependency);
        renumber(&mut bytes, frame);
        Some(Self {
            id,
            length: packet.dependency.len(),
            bytes,
        })
    }

    fn value(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Writes a header with the descriptor beside other extensions.
#[inline]
pub(crate) fn write_header<'a>(
    header: &Outgoing,
    out: &mut Vec<u8>,
    dependency: Option<&'a Leaving>,
    others: impl Iterator<Item = (u8, &'a [u8])>,
) {
    match dependency {
        Some(own) => header.write_long(out, others.chain([(own.id, own.value())])),
        None => header.write(out, others),
    }
}
