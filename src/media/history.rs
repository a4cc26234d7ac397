//! The last packets of one source: what is forwarded next is read from here, and what is repaired later. Each payload is kept
//! once, however many receive it, in places that are used again.

use std::time::{Duration, Instant};

use crate::media::codec::Codec;
use crate::media::descriptor::Descriptor;
use crate::media::offer::Kind;
use crate::media::skips::{Cut, Layers, Skips};
use crate::media::stream::{Packet, SenderClock};

/// Video packets kept: about a second at 4 Mbit/s.
const VIDEO: usize = 512;
/// Of what comes slowly fewer are kept, at least this long: so long may a packet wait for a receiver, or be asked for again. Memory
/// that is used again soon is in the processor's caches, and a large meeting of small pictures needs a fraction of it.
const KEPT: Duration = Duration::from_secs(2);
/// Sound packets kept: about a second. Later a repair is of no use.
const AUDIO: usize = 64;
/// So many places get their memory together, when the first of them is used: the heap grows in few large steps.
const BLOCK: usize = 64;
/// What a place of a picture holds at least: what browsers send fits.
const PICTURE: usize = 1216;
/// Places are lengthened by multiples of this.
const GRAIN: usize = 64;
/// Packets of one source that wait to be forwarded at most: what waits must still be kept when its turn comes.
pub(crate) const MOST_PENDING: usize = 64;
/// With so many it is time to forward them: what another shard passes on comes as many at a time.
pub(crate) const MANY_PENDING: usize = MOST_PENDING / 2;
/// How long a part of a picture may wait for the rest, which usually comes within the time that a few calls take. Nobody sees it.
pub(crate) const HOLD: Duration = Duration::from_micros(80);
/// How soon it is looked whether the rest is there: mostly it is the first time.
pub(crate) const HOLD_LOOK: Duration = Duration::from_micros(40);

/// The last packets of a source, each layer by itself.
#[derive(Debug, Default)]
pub(crate) struct History {
    rings: Vec<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    places: Vec<Kept>,
    /// Their payloads.
    blocks: Vec<Block>,
    newest: u64,
}

/// Which packet of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) layer: u8,
    pub(crate) index: u64,
}

#[derive(Debug, Default)]
struct Kept {
    index: Option<u64>,
    /// When it came.
    at: Option<Instant>,
    codec: Option<Codec>,
    stacked: bool,
    skips: Skips,
    timestamp: u32,
    marker: bool,
    level: Option<u8>,
    descriptor: Option<Descriptor>,
    clock: Option<SenderClock>,
    dependency: Vec<u8>,
    /// Of the payload, which stands in a block.
    length: usize,
}

/// The payloads of so many places in a row, each of which has as much room as the longest needed: in a stream that has run for a
/// moment nothing is allocated any more.
#[derive(Debug, Default)]
struct Block {
    room: usize,
    bytes: Vec<u8>,
}

impl Block {
    fn store(&mut self, place: usize, payload: &[u8], least: usize) {
        if payload.len() > self.room || self.bytes.is_empty() {
            self.widen(payload.len().max(least).next_multiple_of(GRAIN));
        }
        let start = place * self.room;
        if let Some(room) = self.bytes.get_mut(start..start + payload.len()) {
            room.copy_from_slice(payload);
        }
    }

    fn get(&self, place: usize, length: usize) -> Option<&[u8]> {
        let start = place * self.room;
        self.bytes.get(start..start + length)
    }

    /// Lays the places out anew with more room.
    fn widen(&mut self, room: usize) {
        let mut wider = vec![0; BLOCK * room];
        let before = self.bytes.chunks(self.room.max(1));
        for (old, new) in before.zip(wider.chunks_mut(room.max(1))) {
            if let Some(new) = new.get_mut(..old.len()) {
                new.copy_from_slice(old);
            }
        }
        (self.room, self.bytes) = (room, wider);
    }
}

impl Ring {
    fn keep(&mut self, kind: Kind, packet: &Packet<'_>, now: Instant) {
        let (most, least) = match kind {
            Kind::Audio => (AUDIO, 1),
            _ => (VIDEO, PICTURE),
        };
        while self.places.len() < most && self.is_short(packet.index, now) {
            self.lengthen();
        }
        self.newest = self.newest.max(packet.index);
        let Some(place) = at(packet.index, self.places.len()) else {
            return;
        };
        if let (Some(kept), Some(block)) = (
            self.places.get_mut(place),
            self.blocks.get_mut(place / BLOCK),
        ) {
            block.store(place % BLOCK, packet.payload, least);
            kept.length = packet.payload.len();
            kept.index = Some(packet.index);
            kept.at = Some(now);
            kept.codec = Some(packet.codec);
            kept.stacked = packet.stacked;
            kept.skips = packet.skips;
            kept.clock = packet.clock;
            kept.timestamp = packet.timestamp;
            kept.marker = packet.marker;
            kept.level = packet.level;
            kept.descriptor = packet.descriptor;
            kept.dependency.clear();
            kept.dependency.extend_from_slice(packet.dependency);
        }
    }

    /// Whether the packet would push out one that may still be needed.
    fn is_short(&self, index: u64, now: Instant) -> bool {
        let Some(kept) = at(index, self.places.len()).and_then(|place| self.places.get(place))
        else {
            return true;
        };
        kept.index.is_some_and(|other| other != index)
            && (kept.at).is_some_and(|at| now.saturating_duration_since(at) < KEPT)
    }

    /// Makes twice as many places; what is kept stays.
    fn lengthen(&mut self) {
        let length = (2 * self.places.len()).max(BLOCK);
        let (places, blocks) = (
            std::mem::take(&mut self.places),
            std::mem::take(&mut self.blocks),
        );
        self.places.resize_with(length, Kept::default);
        self.blocks.resize_with(length / BLOCK, Block::default);
        for (before, old) in places.into_iter().enumerate() {
            let Some(place) = old.index.and_then(|index| at(index, length)) else {
                continue;
            };
            let block = blocks.get(before / BLOCK);
            let payload = block.and_then(|block| block.get(before % BLOCK, old.length));
            if let (Some(kept), Some(own), Some(block), Some(payload)) = (
                self.places.get_mut(place),
                self.blocks.get_mut(place / BLOCK),
                block,
                payload,
            ) {
                own.store(place % BLOCK, payload, block.room);
                *kept = old;
            }
        }
    }
}

impl History {
    /// Keeps a copy; the packet a ring's length before gives way.
    pub(crate) fn keep(&mut self, kind: Kind, packet: &Packet<'_>, now: Instant) {
        let layer = usize::from(packet.layer);
        if self.rings.len() <= layer {
            self.rings.resize_with(layer + 1, Ring::default);
        }
        if let Some(ring) = self.rings.get_mut(layer) {
            ring.keep(kind, packet, now);
        }
    }

    /// The packet at this place, if it is still there.
    pub(crate) fn get(&self, place: Place) -> Option<Packet<'_>> {
        let ring = self.rings.get(usize::from(place.layer))?;
        let stands = at(place.index, ring.places.len())?;
        let kept = (ring.places.get(stands)).filter(|kept| kept.index == Some(place.index))?;
        let block = ring.blocks.get(stands / BLOCK)?;
        Some(Packet {
            layer: place.layer,
            codec: kept.codec?,
            stacked: kept.stacked,
            index: place.index,
            skips: kept.skips,
            timestamp: kept.timestamp,
            marker: kept.marker,
            level: kept.level,
            descriptor: kept.descriptor,
            clock: kept.clock,
            dependency: &kept.dependency,
            payload: block.get(stands % BLOCK, kept.length)?,
        })
    }

    /// The packet with this number among those of a cut through its stream. Numbers close up downwards, so that it stands at its
    /// own number or above.
    pub(crate) fn find(&self, layer: u8, cut: Cut, rank: u64) -> Option<Packet<'_>> {
        let newest = self.rings.get(usize::from(layer))?.newest;
        let last = self.get(Place {
            layer,
            index: newest,
        })?;
        // No more stand before it than were left out in all.
        let skipped = newest - last.rank(cut);
        let oldest = newest.saturating_sub(VIDEO as u64);
        (rank.max(oldest)..=newest.min(rank.saturating_add(skipped)))
            .rev()
            .filter_map(|index| self.get(Place { layer, index }))
            .find(|packet| {
                let own = packet.descriptor.map_or((0, 0), |descriptor| {
                    (descriptor.spatial(), descriptor.temporal())
                });
                packet.rank(cut) == rank && cut.has(own.0, own.1)
            })
    }

    /// What is known of a packet that came before a late one.
    pub(crate) fn before(&self, layer: u8, index: u64) -> Option<(Skips, Layers)> {
        let packet = self.get(Place { layer, index })?;
        Some((packet.skips, packet.layers()))
    }

    /// Forgets one encoding, which goes on under other numbers.
    pub(crate) fn clear_layer(&mut self, layer: u8) {
        if let Some(ring) = self.rings.get_mut(usize::from(layer)) {
            *ring = Ring::default();
        }
    }

    /// Forgets everything, as a cut demands.
    pub(crate) fn clear(&mut self) {
        self.rings = Vec::new();
    }
}

/// Where in a ring of this length a packet stands. All lengths are powers of two: this is done for every packet of every
/// receiver.
fn at(index: u64, length: usize) -> Option<usize> {
    const { assert!(VIDEO.is_power_of_two() && AUDIO.is_power_of_two()) };
    const { assert!(BLOCK.is_power_of_two() && AUDIO == BLOCK && MOST_PENDING <= BLOCK) };
    let last = u64::try_from(length.checked_sub(1)?).ok()?;
    usize::try_from(index & last).ok()
}

/// What of a source came and waits to be sent on.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    places: Vec<Place>,
    /// How many edges have had their turn in this round; the rest has its turn when there is room again.
    pub(crate) done: usize,
    /// How many of the first places this round is about. What comes while it goes on is for the next one, so that nobody misses it.
    round: usize,
    /// A picture is there to its end.
    whole: bool,
    /// When the first of them came.
    pub(crate) since: Option<Instant>,
}

impl Pending {
    /// A packet came and is kept; `ends` if it is the last of its picture. Says whether it is the first that waits.
    pub(crate) fn push(&mut self, place: Place, ends: bool, now: Instant) -> bool {
        let first = self.places.is_empty();
        self.whole |= ends;
        if first {
            self.since = Some(now);
        }
        // One too many would push out the first before it is sent.
        if self.places.len() < MOST_PENDING {
            self.places.push(place);
        }
        first
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether the rest of a picture may come at any moment, and is worth waiting for: it leaves with the same call then.
    pub(crate) fn is_partial(&self, now: Instant) -> bool {
        let lately = |since| now.saturating_duration_since(since) < HOLD;
        self.done == 0
            && !self.whole
            && self.places.len() < MANY_PENDING
            && self.since.is_some_and(lately)
    }

    /// What each receiver gets in this round, which begins if none goes on.
    pub(crate) fn round(&mut self) -> &[Place] {
        if self.done == 0 {
            self.round = self.places.len();
        }
        self.places.get(..self.round).unwrap_or_default()
    }

    /// Everybody has had their turn. Says whether nothing came meanwhile.
    pub(crate) fn end_round(&mut self) -> bool {
        self.places.drain(..self.round.min(self.places.len()));
        (self.done, self.round) = (0, 0);
        if self.places.is_empty() {
            (self.since, self.whole) = (None, false);
        }
        self.places.is_empty()
    }

    /// Of this encoding nothing waits any more.
    pub(crate) fn drop_layer(&mut self, layer: u8) {
        let begun = self.places.get(..self.round).unwrap_or_default();
        self.round = begun.iter().filter(|place| place.layer != layer).count();
        self.places.retain(|place| place.layer != layer);
    }

    /// Nothing waits any more; what there was is sent or forbidden.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        (self.done, self.round) = (0, 0);
        (self.since, self.whole) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    fn packet(layer: u8, index: u64, payload: &[u8]) -> Packet<'_> {
        Packet {
            layer,
            codec: Codec::Vp8,
            stacked: false,
            index,
            skips: Skips::default(),
            timestamp: 1,
            marker: false,
            level: Some(7),
            descriptor: None,
            clock: None,
            dependency: &[],
            payload,
        }
    }

    #[test]
    fn the_last_packets_of_each_layer_are_kept_and_no_more() {
        let now = ManualClock::new().instant();
        let mut history = History::default();
        for index in 0..1000 {
            history.keep(Kind::Video, &packet(0, index, b"low"), now);
            history.keep(Kind::Video, &packet(2, index + 7, b"high"), now);
        }
        let kept = |layer| {
            let all = (0..2000).filter_map(|index| history.get(Place { layer, index }));
            all.count()
        };
        assert_eq!((kept(0), kept(1), kept(2)), (VIDEO, 0, VIDEO));
        let place = Place {
            layer: 2,
            index: 1006,
        };
        assert_eq!(history.get(place).unwrap().payload, b"high");
        history.clear();
        assert!(history.get(place).is_none());
    }

    #[test]
    fn of_what_comes_slowly_two_seconds_are_kept_and_little_more() {
        let clock = ManualClock::new();
        let mut history = History::default();
        let mut came = Vec::new();
        // Milliseconds between packets, how many come, and how many places that takes.
        for (apart, count, places) in [(50, 200, 64), (20, 400, 128), (1, 600, VIDEO)] {
            for _ in 0..count {
                clock.advance(Duration::from_millis(apart));
                let (index, now) = (came.len() as u64, clock.instant());
                let payload = index.to_be_bytes();
                history.keep(Kind::Video, &packet(0, index, &payload), now);
                came.push((index, now));
                let lately = |at| now.saturating_duration_since(at) < KEPT;
                let last = came.iter().rev().take(VIDEO);
                for (index, _) in last.filter(|(_, at)| lately(*at)) {
                    let place = Place {
                        layer: 0,
                        index: *index,
                    };
                    let kept = history.get(place).unwrap();
                    assert_eq!(kept.payload, index.to_be_bytes());
                }
            }
            assert_eq!(history.rings[0].places.len(), places);
        }
    }

    #[test]
    fn payloads_of_all_lengths_stand_side_by_side() {
        let now = ManualClock::new().instant();
        let lengths = [0, 1, PICTURE - 1, PICTURE, PICTURE + 1, 1460];
        let mut history = History::default();
        for kind in [Kind::Audio, Kind::Video, Kind::Video] {
            let bytes: Vec<u8> = (0_u8..=255).cycle().take(3000).collect();
            let own = |index: u64| {
                let length = lengths[usize::try_from(index * 7 / 5).unwrap() % lengths.len()];
                &bytes[usize::try_from(index % 251).unwrap()..][..length]
            };
            let kept = if kind == Kind::Audio { AUDIO } else { VIDEO } as u64;
            // Each place gets other lengths as time goes on, and what is kept stands when others need more room.
            for newest in 0..3 * kept + 5 {
                history.keep(kind, &packet(1, newest, own(newest)), now);
                for index in newest.saturating_sub(kept - 1)..=newest {
                    let packet = history.get(Place { layer: 1, index }).unwrap();
                    assert!(packet.payload == own(index), "{index}");
                }
            }
            history.clear_layer(1);
        }
    }

    #[test]
    fn what_comes_while_some_are_served_is_for_the_next_round() {
        let clock = ManualClock::new();
        let now = clock.instant();
        let mut pending = Pending::default();
        let place = |layer, index| Place { layer, index };
        for index in 0..3 {
            pending.push(place(0, index), false, now);
        }
        assert_eq!(pending.round().len(), 3);
        pending.done = 1;
        pending.push(place(0, 3), false, now);
        pending.push(place(1, 0), false, now);
        assert_eq!(
            pending.round().len(),
            3,
            "those who had their turn missed it"
        );
        pending.drop_layer(0);
        assert_eq!(pending.round(), []);
        pending.push(place(1, 1), false, now);
        assert!(!pending.end_round());
        assert_eq!(pending.round(), [place(1, 0), place(1, 1)]);
        assert!(pending.end_round() && pending.since.is_none());
    }

    #[test]
    fn a_part_of_a_picture_waits_for_the_rest_but_not_for_long() {
        let clock = ManualClock::new();
        let now = || clock.instant();
        let mut pending = Pending::default();
        let place = |index| Place { layer: 0, index };
        assert!(!pending.is_partial(now()));
        pending.push(place(0), false, now());
        assert!(pending.is_partial(now()));
        pending.push(place(1), true, now());
        assert!(!pending.is_partial(now()), "it is whole");
        pending.round();
        pending.done = 1;
        assert!(pending.end_round());
        pending.push(place(2), false, now());
        clock.advance(HOLD / 2);
        pending.push(place(3), false, now());
        assert!(pending.is_partial(now()));
        clock.advance(HOLD / 2);
        assert!(!pending.is_partial(now()), "it has waited");
        pending.clear();
        pending.push(place(4), false, now());
        pending.round();
        pending.done = 1;
        assert!(!pending.is_partial(now()), "somebody has it");
    }

    #[test]
    fn what_waits_is_kept_until_its_turn() {
        const { assert!(MOST_PENDING <= AUDIO && MOST_PENDING <= VIDEO) };
        let clock = ManualClock::new();
        let now = clock.instant();
        let (mut history, mut pending) = (History::default(), Pending::default());
        for index in 0..1000 {
            history.keep(Kind::Audio, &packet(0, index, b"sound"), now);
            let first = pending.push(Place { layer: 0, index }, false, now);
            assert_eq!(first, index == 0);
            if index < MOST_PENDING as u64 {
                assert!(pending.places().iter().all(|at| history.get(*at).is_some()));
            }
        }
        assert_eq!(pending.places().len(), MOST_PENDING);
    }
}
