//! Which layers one receiver gets of a source, and which it is to get. It stands in the source's list of receivers, so that a packet
//! of a layer that a receiver does not get is not taken to that receiver at all.

use crate::media::descriptor::MOST_LAYERS;
use crate::media::skips::Cut;
use crate::media::stream::Packet;

/// The highest layer in time.
pub(crate) const FASTEST: u8 = MOST_LAYERS as u8 - 1;

/// What a receiver gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    /// The size that flows: one of the encodings, or the highest of the sizes within one stream.
    pub(crate) current: Option<u8>,
    /// The size that is to flow. It begins with the next packet with which it can.
    pub(crate) target: Option<u8>,
    /// The rate that flows.
    pub(crate) rate: u8,
    /// The rate that is to flow.
    pub(crate) wanted_rate: u8,
    /// The line carries no more: until a smaller size begins, the lowest rate of the larger one must do.
    pub(crate) hurried: bool,
}

impl Aim {
    /// Everything of a source that has no layers.
    pub(crate) const WHOLE: Self = Self {
        current: None,
        target: Some(0),
        rate: FASTEST,
        wanted_rate: FASTEST,
        hurried: false,
    };

    /// Nothing, until something is chosen.
    pub(crate) const NOTHING: Self = Self {
        target: None,
        ..Self::WHOLE
    };

    /// Aims at another size and rate; nothing at all ends at once.
    pub(crate) const fn change(&mut self, target: Option<u8>, rate: u8, hurried: bool) {
        self.target = target;
        self.wanted_rate = rate;
        self.hurried = hurried;
        if target.is_none() {
            self.current = None;
        }
    }

    /// Up to which layers of its stream a packet's receiver gets it.
    pub(crate) fn cut(&self, stacked: bool) -> Cut {
        Cut {
            size: self.current.filter(|_| stacked).unwrap_or(Cut::NONE.size),
            rate: self.rate,
        }
    }

    /// The encoding that must begin with a key frame.
    pub(crate) fn encoding(&self, stacked: bool) -> Option<u8> {
        if stacked {
            self.target.map(|_| 0)
        } else {
            self.target
        }
    }

    /// Whether something must come before what is aimed at can flow.
    pub(crate) fn waits(&self) -> bool {
        self.target.is_some() && self.current != self.target
    }

    /// Whether the receiver gets this packet; the aim is reached with a packet with which it can be.
    #[inline]
    pub(crate) fn admits(&mut self, packet: &Packet<'_>) -> bool {
        let Some(target) = self.target else {
            return false;
        };
        let Some(descriptor) = &packet.descriptor else {
            // Padding, or sound.
            return packet.stacked || self.current == Some(packet.layer);
        };
        if descriptor.key_frame() && (packet.stacked || packet.layer == target) {
            self.current = Some(target);
            self.rate = self.wanted_rate;
        }
        let Some(mut current) = self.current else {
            return false;
        };
        if packet.stacked && descriptor.begins_frame() {
            if descriptor.spatial() == 0 && target < current {
                current = target;
            } else if current < target
                && descriptor.spatial() == current + 1
                && descriptor.raises_size()
            {
                current += 1;
            }
            self.current = Some(current);
        }
        let own = packet.size();
        if own > current || own < current && !packet.stacked {
            return false;
        }
        if descriptor.begins_frame() && descriptor.spatial() == 0 {
            let wanted = if self.hurried && target < current {
                0
            } else {
                self.wanted_rate
            };
            self.rate = if wanted < self.rate {
                wanted
            } else {
                descriptor.raised_rate(self.rate, wanted)
            };
        }
        descriptor.temporal() <= self.rate
    }
}
