//! What the shards of one media plane tell each other. They share nothing: a packet that several of them forward is copied once
//! into a batch that none can change, and whatever else one knows of another's peers it was told.

use std::ops::Range;
use std::sync::Arc;

use conclave_policy::actions::Publish;
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::media::codec::{Codec, Codecs};
use crate::media::event::PeerKey;
use crate::media::gauge::Gauge;
use crate::media::ice::LETTERS;
use crate::media::outbox::Path;
use crate::media::simulcast::MOST_ENCODINGS;
use crate::media::stream::Packet;

/// Shards at most: a set of them is one word, and a user fragment names one by one letter.
pub const MOST_SHARDS: u8 = 64;
/// Packets of one batch, datagrams of one box of strays: with so many they are passed on. What a batch brings must find room
/// among what waits.
const MOST: usize = 32;
/// Batches of one shard at a time, most of which wait to be used again. With so many on their way the others are so late that what
/// comes more is of no use to them.
const MOST_BATCHES: usize = 256;

/// Some of the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shards(u64);

impl Shards {
    pub(crate) const fn set(&mut self, shard: u8, member: bool) {
        let bit = 1_u64 << (shard % MOST_SHARDS);
        if member {
            self.0 |= bit;
        } else {
            self.0 &= !bit;
        }
    }

    pub(crate) const fn has(self, shard: u8) -> bool {
        self.0 & 1_u64 << (shard % MOST_SHARDS) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..MOST_SHARDS).filter(move |shard| self.has(*shard))
    }
}

/// A source that stands, as its shard knows it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(crate) permit: Arc<Permit<Publish>>,
    /// In what it may come, by declaration.
    pub(crate) codecs: Option<Box<Codecs>>,
    /// In what it came last.
    pub(crate) codec: Option<Codec>,
}

/// What comes of each encoding of a source, as measured by the shard that it comes to.
#[derive(Clone, Debug)]
pub struct Gauges(pub(crate) Box<[Gauge; MOST_ENCODINGS]>);

/// One thing that a shard tells another. `key` is always that of the publisher in its own shard.
#[derive(Debug)]
pub enum Mail {
    /// The sender has members of this room from now on, or none any more.
    Present {
        /// Which room.
        room: RoomId,
        /// Whether it has any.
        any: bool,
    },
    /// A source of a peer of the sender stands, by this permit, or it fell.
    Stands {
        /// Where.
        room: RoomId,
        /// Whose.
        participant: ParticipantId,
        /// Their transport.
        key: PeerKey,
        /// Which.
        source: Source,
        /// What it stands on, and how it comes.
        standing: Option<Standing>,
    },
    /// A peer of the sender is gone.
    Gone {
        /// Which one.
        key: PeerKey,
    },
    /// Packets of sources that stand.
    Packets(Arc<Batch>),
    /// An encoding of a source goes on in another stream, whose numbers have nothing to do with those before.
    Begins {
        /// Whose.
        key: PeerKey,
        /// Which.
        source: Source,
        /// Which encoding of it.
        layer: u8,
    },
    /// How much comes of each encoding of a source, and in which sizes.
    Gauged {
        /// Whose.
        key: PeerKey,
        /// Which.
        source: Source,
        /// Its encodings.
        gauges: Gauges,
    },
    /// A publisher's clock.
    Clock {
        /// Whose.
        key: PeerKey,
        /// Of which source.
        source: Source,
        /// Of which encoding.
        layer: u8,
        /// Wall time.
        ntp: u64,
        /// Media time at that moment.
        rtp: u32,
    },
    /// Which encodings of a source anybody at the sender wants.
    Wanted {
        /// Whose, in the shard that is told.
        key: PeerKey,
        /// Which.
        source: Source,
        /// Each of its encodings.
        wanted: [bool; MOST_ENCODINGS],
    },
    /// Somebody at the sender needs a key frame.
    KeyFrame {
        /// Whose, in the shard that is told.
        key: PeerKey,
        /// Of which source.
        source: Source,
        /// Of which of its encodings.
        wanted: [bool; MOST_ENCODINGS],
    },
    /// Datagrams that came to the sender's sockets and belong to peers of the shard that is told.
    Strays(Strays),
    /// The room for strays, to be used again.
    Spent(Strays),
    /// What comes to the sockets of the shard that is told, from this address, belongs to a peer of the sender, or no longer.
    Route {
        /// The address.
        path: Path,
        /// Whether it does.
        mine: bool,
    },
}

impl Mail {
    /// Whether nothing is wrong for long if it does not arrive: it is said again, or of no use later.
    pub const fn is_fleeting(&self) -> bool {
        matches!(
            self,
            Self::Packets(_)
                | Self::Gauged { .. }
                | Self::Clock { .. }
                | Self::KeyFrame { .. }
                | Self::Strays(_)
        )
    }
}

/// A packet in a batch.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) to: Shards,
    pub(crate) key: PeerKey,
    pub(crate) source: Source,
    packet: Packet<'static>,
    dependency: Range<usize>,
    payload: Range<usize>,
}

/// Packets for other shards, in the order in which they came.
#[derive(Debug, Default)]
pub struct Batch {
    packets: Vec<Carried>,
    bytes: Vec<u8>,
}

impl Batch {
    /// What of it is for this shard.
    pub(crate) fn of(&self, shard: u8) -> impl Iterator<Item = (&Carried, Packet<'_>)> {
        let mine = self.packets.iter().filter(move |one| one.to.has(shard));
        mine.filter_map(|one| {
            let payload = self.bytes.get(one.payload.clone())?;
            let packet = Packet {
                dependency: self.bytes.get(one.dependency.clone())?,
                payload,
                ..one.packet
            };
            Some((one, packet))
        })
    }
}

/// The batch that is being filled, and those that may be used again.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    batch: Option<Arc<Batch>>,
    used: Vec<Arc<Batch>>,
}

impl Outgoing {
    /// Puts a packet in for these shards; `false` if too much is on its way to them already.
    pub(crate) fn put(
        &mut self,
        to: Shards,
        key: PeerKey,
        source: Source,
        packet: &Packet<'_>,
    ) -> bool {
        if self.batch.is_none() {
            self.batch = self.free();
        }
        // Nobody else has it before it is taken.
        let Some(batch) = self.batch.as_mut().and_then(Arc::get_mut) else {
            return false;
        };
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(packet.dependency);
        let middle = batch.bytes.len();
        batch.bytes.extend_from_slice(packet.payload);
        batch.packets.push(Carried {
            to,
            key,
            source,
            packet: Packet {
                dependency: &[],
                payload: &[],
                ..*packet
            },
            dependency: start..middle,
            payload: middle..batch.bytes.len(),
        });
        true
    }

    /// Nothing of this source that was not passed on yet is ever passed on.
    pub(crate) fn forget(&mut self, key: PeerKey, source: Source) {
        if let Some(batch) = self.batch.as_mut().and_then(Arc::get_mut) {
            let of_it = |one: &Carried| one.key == key && one.source == source;
            batch.packets.retain(|one| !of_it(one));
        }
    }

    /// Whether it should be passed on before more is put in.
    pub(crate) fn is_full(&self) -> bool {
        let full = |batch: &Arc<Batch>| batch.packets.len() >= MOST;
        self.batch.as_ref().is_some_and(full)
    }

    /// What was put in, and for whom.
    pub(crate) fn take(&mut self) -> Option<(Shards, Arc<Batch>)> {
        let batch = self.batch.take()?;
        let all = batch.packets.iter();
        let to = all.fold(Shards::default(), |to, one| to.plus(one.to));
        self.used.push(Arc::clone(&batch));
        Some((to, batch))
    }

    /// A batch that nobody reads any more, emptied, or a new one if there are not too many.
    fn free(&mut self) -> Option<Arc<Batch>> {
        let place = self.used.iter_mut().position(|batch| {
            let alone = Arc::get_mut(batch);
            alone.is_some_and(|batch| {
                batch.packets.clear();
                batch.bytes.clear();
                true
            })
        });
        match place {
            Some(place) => Some(self.used.swap_remove(place)),
            None => (self.used.len() < MOST_BATCHES).then(Arc::default),
        }
    }
}

/// Datagrams on their way from the shard whose socket they came to.
#[derive(Debug, Default)]
pub struct Strays {
    bytes: Vec<u8>,
    places: Vec<(Path, Range<usize>)>,
}

impl Strays {
    /// Takes a datagram.
    pub(crate) fn put(&mut self, path: Path, datagram: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.places.push((path, start..self.bytes.len()));
    }

    /// Whether it is to be passed on before more is put in.
    pub(crate) fn is_full(&self) -> bool {
        self.places.len() >= MOST
    }

    /// The datagram with this number.
    pub(crate) fn get(&mut self, number: usize) -> Option<(Path, &mut [u8])> {
        let (path, range) = self.places.get(number)?.clone();
        Some((path, self.bytes.get_mut(range)?))
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

/// Which shard a user fragment of ours names: its first letter does.
pub(crate) fn named_by(ufrag: &[u8]) -> Option<u8> {
    let first = ufrag.first()?;
    let place = LETTERS.iter().position(|letter| letter == first)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::skips::Skips;

    const KEY: PeerKey = PeerKey {
        place: 1,
        generation: 2,
    };

    fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
        Packet {
            layer: 0,
            codec: Codec::Vp8,
            stacked: true,
            index,
            skips: Skips::default(),
            timestamp: 3,
            marker: true,
            level: None,
            descriptor: None,
            clock: None,
            dependency: &[],
            payload,
        }
    }

    #[test]
    fn a_batch_shows_each_shard_its_own_and_nothing_of_what_was_cut() {
        let (mut one, mut both) = (Shards::default(), Shards::default());
        one.set(1, true);
        both.set(1, true);
        both.set(63, true);
        let mut outgoing = Outgoing::default();
        outgoing.put(one, KEY, Source::Camera, &packet(7, b"picture"));
        outgoing.put(both, KEY, Source::Microphone, &packet(8, b"sound"));
        outgoing.put(both, KEY, Source::Screen, &packet(9, b"screen"));
        outgoing.forget(KEY, Source::Screen);
        let (to, batch) = outgoing.take().unwrap();
        assert_eq!(to, both);
        let seen = |shard| -> Vec<(u64, Vec<u8>)> {
            let all = batch.of(shard);
            all.map(|(_, packet)| (packet.index, packet.payload.to_vec()))
                .collect()
        };
        assert_eq!(seen(1), [(7, b"picture".to_vec()), (8, b"sound".to_vec())]);
        assert_eq!(seen(63), [(8, b"sound".to_vec())]);
        assert!(seen(0).is_empty() && outgoing.take().is_none());
    }

    #[test]
    fn a_batch_is_used_again_only_when_nobody_reads_it() {
        let mut outgoing = Outgoing::default();
        let mut all = Shards::default();
        all.set(1, true);
        outgoing.put(all, KEY, Source::Camera, &packet(1, b"first"));
        let (_, first) = outgoing.take().unwrap();
        outgoing.put(all, KEY, Source::Camera, &packet(2, b"second"));
        let (_, second) = outgoing.take().unwrap();
        assert_eq!(first.of(1).next().unwrap().1.payload, b"first");
        assert_eq!(second.of(1).next().unwrap().1.payload, b"second");
        drop((first, second));
        for round in 0..100 {
            outgoing.put(all, KEY, Source::Camera, &packet(round, b"again"));
            assert_eq!(outgoing.take().unwrap().1.of(1).count(), 1);
        }
        assert!(outgoing.used.len() <= 2);
        let mut kept = Vec::new();
        for round in 0..MOST_BATCHES as u64 * 2 {
            if outgoing.put(all, KEY, Source::Camera, &packet(round, b"late")) {
                kept.extend(outgoing.take());
            }
        }
        assert_eq!(kept.len(), MOST_BATCHES);
        drop(kept);
        assert!(outgoing.put(all, KEY, Source::Camera, &packet(1, b"in time")));
    }
}
