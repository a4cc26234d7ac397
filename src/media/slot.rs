//! A receive slot of one peer: a fixed stream on which the media of changing sources leaves with one continuous numbering.
//! It forwards what it is fed and judges nothing; a feed is given and taken by the edges.

use std::time::{Duration, Instant};

use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;

use crate::media::codec::Codec;
use crate::media::downlink::{Downlink, PADDING};
use crate::media::event::PeerKey;
use crate::media::offer::Kind;
use crate::media::outbox::{Outbox, Path};
use crate::media::rtp::Outgoing;
use crate::media::srtp::{Sealer, StreamHandle};
use crate::media::stream::Packet;
use crate::media::vp8::Shift;

/// Repairs of a slot in a second; a receiver that needs more needs a key frame.
const REPAIRS: u32 = 256;
/// Repairs remembered for that.
const REMEMBERED: usize = 64;

/// Bytes of a datagram around the payload: header, extensions, tag.
pub(crate) const AROUND: usize = 36;

/// What a slot carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) publisher: PeerKey,
    pub(crate) participant: ParticipantId,
    pub(crate) source: Source,
    /// Since when.
    pub(crate) since: Instant,
}

/// A receive slot.
#[derive(Debug)]
pub(crate) struct OutSlot {
    /// Which media line.
    pub(crate) mid: String,
    pub(crate) kind: Kind,
    pub(crate) ssrc: u32,
    payload_type: u8,
    level: Option<u8>,
    /// The extension that numbers packets across the transport.
    number: Option<u8>,
    handle: Option<StreamHandle>,
    repair: Option<Repair>,
    state: State,
    continuity: Continuity,
    packets: u32,
    octets: u32,
}

#[derive(Debug)]
enum State {
    Free,
    /// Fed, but what comes cannot be used yet: video begins with a key frame.
    Waiting(Feed),
    Live(Feed, Mapping),
}

/// How the numbers of the feed become those of the slot.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// Nothing before this belongs to the slot.
    first: u64,
    index: i64,
    timestamp: u32,
    shift: Shift,
}

/// Where the slot's numbering stands.
#[derive(Debug)]
struct Continuity {
    next: u64,
    /// Media time and wall time of the newest packet.
    newest: Option<(u32, Instant)>,
    picture: u16,
    base_layer: u8,
}

#[derive(Debug)]
struct Repair {
    ssrc: u32,
    payload_type: u8,
    handle: Option<StreamHandle>,
    next: u64,
    window: Option<Instant>,
    left: u32,
    recent: Vec<(u64, Instant)>,
    oldest: usize,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    /// The receiver could do nothing with it.
    NotUsable,
    /// There was no key yet, or no room.
    Unsent,
}

impl OutSlot {
    /// A free slot; `start` is where its numbering begins.
    pub(crate) fn new(
        mid: &str,
        kind: Kind,
        codec: &Codec,
        streams: (u32, Option<u32>),
        start: u64,
    ) -> Self {
        let repair = match (codec.repair_type, streams.1) {
            (Some(payload_type), Some(ssrc)) => Some(Repair {
                ssrc,
                payload_type,
                handle: None,
                next: start,
                window: None,
                left: 0,
                recent: Vec::new(),
                oldest: 0,
            }),
            _ => None,
        };
        Self {
            mid: mid.to_owned(),
            kind,
            ssrc: streams.0,
            payload_type: codec.payload_type,
            level: codec.extensions.level.filter(|_| kind == Kind::Audio),
            number: codec
                .extensions
                .transport_cc
                .filter(|_| codec.reports_arrivals()),
            handle: None,
            repair,
            state: State::Free,
            continuity: Continuity {
                next: start,
                newest: None,
                picture: 0,
                base_layer: 0,
            },
            packets: 0,
            octets: 0,
        }
    }

    /// Keys are there: registers the slot's streams.
    pub(crate) fn register(&mut self, sealer: &mut Sealer) {
        self.handle = sealer.stream(self.ssrc);
        if let Some(repair) = &mut self.repair {
            repair.handle = sealer.stream(repair.ssrc);
        }
    }

    pub(crate) const fn feed(&self) -> Option<&Feed> {
        match &self.state {
            State::Free => None,
            State::Waiting(feed) | State::Live(feed, _) => Some(feed),
        }
    }

    /// Fed, and waiting for something to begin with.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    pub(crate) const fn attach(&mut self, feed: Feed) {
        self.state = State::Waiting(feed);
    }

    pub(crate) const fn detach(&mut self) -> Option<Feed> {
        match std::mem::replace(&mut self.state, State::Free) {
            State::Free => None,
            State::Waiting(feed) | State::Live(feed, _) => Some(feed),
        }
    }

    /// The feed goes on under other numbers.
    pub(crate) const fn begin_again(&mut self) {
        if let State::Live(feed, _) = self.state {
            self.state = State::Waiting(feed);
        }
    }

    /// Sends a packet of the feed.
    pub(crate) fn send(
        &mut self,
        packet: &Packet<'_>,
        sealer: &mut Sealer,
        downlink: &mut Downlink,
        path: Path,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Outcome {
        let (feed, mapping, begins) = match &self.state {
            State::Free => return Outcome::NotUsable,
            State::Waiting(feed) => match self.begin(packet, now) {
                Some(mapping) => (*feed, mapping, true),
                None => return Outcome::NotUsable,
            },
            State::Live(feed, mapping) => (*feed, *mapping, false),
        };
        if packet.index < mapping.first {
            return Outcome::NotUsable;
        }
        let (Some(handle), Some(index)) =
            (self.handle, packet.index.checked_add_signed(mapping.index))
        else {
            return Outcome::Unsent;
        };
        let header = Outgoing {
            marker: packet.marker || begins && self.kind == Kind::Audio,
            payload_type: self.payload_type,
            sequence: low(index),
            timestamp: packet.timestamp.wrapping_add(mapping.timestamp),
            ssrc: self.ssrc,
        };
        let level = self.level.zip(packet.level.as_ref());
        let size = packet.payload.len() + AROUND;
        let number = downlink.leave(size, self.number, now);
        let sent = outbox.write(path, |bytes, start| {
            let level = level.map(|(id, level)| (id, std::slice::from_ref(level)));
            header.write(bytes, level.into_iter().chain(extension(&number)));
            append(bytes, packet, mapping.shift);
            sealer.seal_rtp(handle, index, bytes, start).is_ok()
        });
        if !sent {
            return Outcome::Unsent;
        }
        self.state = State::Live(feed, mapping);
        self.continuity
            .sent(index, header.timestamp, packet, mapping.shift, now);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self
            .octets
            .wrapping_add(u32::try_from(packet.payload.len()).unwrap_or(0));
        Outcome::Sent
    }

    /// The mapping that makes this packet the next of the slot; `None` if nothing can begin with it.
    fn begin(&self, packet: &Packet<'_>, now: Instant) -> Option<Mapping> {
        let shift = match (self.kind, packet.descriptor) {
            (Kind::Video, Some(descriptor)) if descriptor.key_frame => {
                descriptor.shift_after(self.continuity.picture, self.continuity.base_layer)
            }
            (Kind::Video, _) => return None,
            _ => Shift::default(),
        };
        let timestamp = match self.continuity.newest {
            None => 0,
            Some((timestamp, at)) => {
                let elapsed = now.saturating_duration_since(at).as_micros()
                    * u128::from(self.kind.clock())
                    / 1_000_000;
                let [.., e0, e1, e2, e3] = elapsed.max(1).to_be_bytes();
                timestamp
                    .wrapping_add(u32::from_be_bytes([e0, e1, e2, e3]))
                    .wrapping_sub(packet.timestamp)
            }
        };
        let index = i64::try_from(self.continuity.next)
            .ok()?
            .checked_sub(i64::try_from(packet.index).ok()?)?;
        Some(Mapping {
            first: packet.index,
            index,
            timestamp,
            shift,
        })
    }

    /// The clock of the feed, as the slot's receiver must see it: media time, packets, octets. `None` before the first packet.
    pub(crate) const fn report(&self, rtp: u32) -> Option<(u32, u32, u32)> {
        match &self.state {
            State::Live(_, mapping) => Some((
                rtp.wrapping_add(mapping.timestamp),
                self.packets,
                self.octets,
            )),
            _ => None,
        }
    }

    /// Which packet of the feed left with this sequence number, if it may be sent again.
    pub(crate) fn origin(&self, sequence: u16) -> Option<u64> {
        let (State::Live(_, mapping), Some(_)) = (&self.state, &self.repair) else {
            return None;
        };
        let newest = self.continuity.next.checked_sub(1)?;
        let behind = low(newest).wrapping_sub(sequence);
        let index = newest
            .checked_sub(u64::from(behind))?
            .checked_add_signed(mapping.index.checked_neg()?)?;
        (index >= mapping.first).then_some(index)
    }

    /// Sends a packet of the feed again, in the stream for repairs (RFC 4588): never under its first number.
    pub(crate) fn resend(
        &mut self,
        packet: &Packet<'_>,
        sealer: &mut Sealer,
        downlink: &mut Downlink,
        path: Path,
        outbox: &mut Outbox,
        now: Instant,
    ) -> bool {
        let (State::Live(_, mapping), Some(repair)) = (&self.state, &mut self.repair) else {
            return false;
        };
        let (Some(handle), Some(original)) = (
            repair.handle,
            packet.index.checked_add_signed(mapping.index),
        ) else {
            return false;
        };
        let size = packet.payload.len() + AROUND;
        let due = repair.is_due(packet.index, downlink.repair_again(), now);
        if !due || !downlink.repairs(size, now) {
            return false;
        }
        let header = Outgoing {
            marker: packet.marker,
            payload_type: repair.payload_type,
            sequence: low(repair.next),
            timestamp: packet.timestamp.wrapping_add(mapping.timestamp),
            ssrc: repair.ssrc,
        };
        let (index, shift) = (repair.next, mapping.shift);
        repair.next += 1;
        let number = downlink.leave(size, self.number, now);
        outbox.write(path, |bytes, start| {
            header.write(bytes, extension(&number));
            bytes.extend_from_slice(&low(original).to_be_bytes());
            append(bytes, packet, shift);
            sealer.seal_rtp(handle, index, bytes, start).is_ok()
        })
    }
}

impl OutSlot {
    /// Whether padding can be sent: numbered, and in the stream for repairs, where it leaves no gap.
    pub(crate) fn takes_padding(&self) -> bool {
        let handle = self.repair.as_ref().and_then(|repair| repair.handle);
        self.number.is_some() && handle.is_some()
    }

    /// Sends one packet of padding; it says nothing and belongs to no source.
    pub(crate) fn pad(
        &mut self,
        sealer: &mut Sealer,
        downlink: &mut Downlink,
        path: Path,
        outbox: &mut Outbox,
        now: Instant,
    ) -> bool {
        let (Some(id), Some(repair)) = (self.number, &mut self.repair) else {
            return false;
        };
        let (Some(handle), Some(number)) = (repair.handle, downlink.number_padding(now)) else {
            return false;
        };
        let header = Outgoing {
            marker: false,
            payload_type: repair.payload_type,
            sequence: low(repair.next),
            timestamp: self.continuity.newest.map_or(0, |(timestamp, _)| timestamp),
            ssrc: repair.ssrc,
        };
        let index = repair.next;
        repair.next += 1;
        outbox.write(path, |bytes, start| {
            header.write(bytes, extension(&Some((id, number.to_be_bytes()))));
            if let Some(first) = bytes.get_mut(start) {
                // RFC 3550, section 5.1: the last byte says how many to leave out.
                *first |= 0x20;
            }
            bytes.resize(bytes.len() + usize::from(PADDING) - 1, 0);
            bytes.push(PADDING);
            sealer.seal_rtp(handle, index, bytes, start).is_ok()
        })
    }
}

impl Continuity {
    fn sent(
        &mut self,
        index: u64,
        timestamp: u32,
        packet: &Packet<'_>,
        shift: Shift,
        now: Instant,
    ) {
        if index < self.next {
            return;
        }
        self.next = index + 1;
        self.newest = Some((timestamp, now));
        if let Some(descriptor) = packet.descriptor {
            let (picture, base_layer) = descriptor.shifted(shift);
            self.picture = picture.unwrap_or(self.picture);
            self.base_layer = base_layer.unwrap_or(self.base_layer);
        }
    }
}

impl Repair {
    /// Whether this packet may be repaired now; if so it counts as done.
    fn is_due(&mut self, index: u64, again: Duration, now: Instant) -> bool {
        let second = std::time::Duration::from_secs(1);
        if self
            .window
            .is_none_or(|begun| now.saturating_duration_since(begun) >= second)
        {
            self.window = Some(now);
            self.left = REPAIRS;
        }
        let lately = |at: &Instant| now.saturating_duration_since(*at) < again;
        if self.left == 0
            || self
                .recent
                .iter()
                .any(|(known, at)| *known == index && lately(at))
        {
            return false;
        }
        self.left -= 1;
        match self.recent.get_mut(self.oldest) {
            Some(place) => *place = (index, now),
            None => self.recent.push((index, now)),
        }
        self.oldest = (self.oldest + 1) % REMEMBERED;
        true
    }
}

/// The extension with a packet's number across the transport.
fn extension(number: &Option<(u8, [u8; 2])>) -> impl Iterator<Item = (u8, &[u8])> {
    number.iter().map(|(id, bytes)| (*id, &bytes[..]))
}

/// Appends the payload with its counters shifted.
fn append(bytes: &mut Vec<u8>, packet: &Packet<'_>, shift: Shift) {
    let start = bytes.len();
    bytes.extend_from_slice(packet.payload);
    if let (Some(descriptor), Some(payload)) = (packet.descriptor, bytes.get_mut(start..)) {
        descriptor.write(payload, shift);
    }
}

/// The sequence number of an index.
const fn low(index: u64) -> u16 {
    let [.., high, low] = index.to_be_bytes();
    u16::from_be_bytes([high, low])
}
