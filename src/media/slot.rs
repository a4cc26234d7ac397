//! A receive slot of one peer: a fixed stream on which the media of changing sources leaves with one continuous numbering.
//! It forwards what it is fed and judges nothing; a feed is given and taken by the edges.

use std::hint::black_box;
use std::time::Instant;

use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;

use crate::media::again::Again;
use crate::media::codec::{Codec, Codecs};
use crate::media::continuity::{Continuity, Newest};
use crate::media::dependency::{Leaving, write_header};
use crate::media::descriptor::{Counters, Shift};
use crate::media::downlink::{Downlink, PADDING};
use crate::media::event::PeerKey;
use crate::media::offer::Kind;
use crate::media::outbox::{Outbox, Path};
use crate::media::red;
use crate::media::rtp::Outgoing;
use crate::media::skips::Cut;
use crate::media::srtp::{Sealer, StreamHandle};
use crate::media::stream::{Packet, SenderClock};

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
    /// What the receiver can decode, and how it numbers that.
    codecs: Codecs,
    level: Option<u8>,
    /// The extension that numbers packets across the transport.
    number: Option<u8>,
    handle: Option<StreamHandle>,
    repair: Option<Repair>,
    state: State,
    /// Mappings of the same stream before the present one, the last last: for what comes late or is asked for again.
    past: Vec<Mapping>,
    continuity: Continuity,
    /// The receiver is to be told of the feed's clock.
    clock_due: bool,
    packets: u32,
    octets: u32,
    /// Where its edge stood among those of its source when it was last looked for.
    pub(crate) edge: usize,
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
    /// Which encoding of the source.
    layer: u8,
    /// Up to which layers of its stream.
    cut: Cut,
    /// Nothing of the stream before this belongs to the mapping.
    first: u64,
    /// Nothing of the slot before this does.
    first_out: u64,
    /// Added to the number among those of the cut.
    index: i64,
    timestamp: u32,
    shift: Shift,
    form: Form,
}

/// How the receiver gets a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    codec: Codec,
    payload_type: u8,
    repair_type: Option<u8>,
    wrapping: Wrapping,
}

/// What is done to the payload as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapping {
    None,
    /// The blocks get the receiver's number of their codec.
    Renamed(u8),
    /// Only the newest block is sent.
    Unwrapped,
}

/// Numbers that may be left free at a time for what is missing; beyond that something else begins.
const MOST_AHEAD: u64 = 1000;
/// Mappings of one stream that are remembered.
const MOST_PAST: usize = 4;
#[derive(Debug)]
struct Repair {
    ssrc: u32,
    handle: Option<StreamHandle>,
    next: u64,
    again: Again,
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
        codecs: &Codecs,
        streams: (u32, Option<u32>),
        start: u64,
    ) -> Self {
        let repair = streams.1.map(|ssrc| Repair {
            ssrc,
            handle: None,
            next: start,
            again: Again::default(),
        });
        Self {
            mid: mid.to_owned(),
            kind,
            ssrc: streams.0,
            codecs: codecs.clone(),
            level: codecs.extensions.level.filter(|_| kind == Kind::Audio),
            number: codecs
                .extensions
                .transport_cc
                .filter(|_| codecs.reports_arrivals()),
            handle: None,
            repair,
            state: State::Free,
            past: Vec::new(),
            continuity: Continuity {
                next: start,
                newest: None,
                of: None,
                picture: 0,
                base_layer: 0,
            },
            clock_due: false,
            packets: 0,
            octets: 0,
            edge: 0,
        }
    }

    /// Whether the receiver can take apart the sizes of one picture that come in one stream.
    pub(crate) fn tells_sizes(&self, codec: Option<Codec>) -> bool {
        self.codecs.extensions.dependency.is_some() || !matches!(codec, Some(Codec::Av1(_)))
    }

    /// Whether the receiver can decode this codec.
    pub(crate) fn receives(&self, codec: Codec) -> bool {
        self.codecs.receives(codec)
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

    /// Reads what a packet that leaves will need, so that it comes into the processor's cache.
    pub(crate) fn read_ahead(&self, sealer: &Sealer) {
        black_box(self.handle.and_then(|handle| sealer.newest(handle)));
        black_box((self.kind, self.packets, self.continuity.next));
        black_box(match &self.state {
            State::Live(_, mapping) => Some(mapping.index),
            State::Free | State::Waiting(_) => None,
        });
    }

    /// Sends a packet of the feed, of which the receiver gets the layers of the cut.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one receiver, borrowed apart for the length of a packet"
    )]
    pub(crate) fn send(
        &mut self,
        packet: &Packet<'_>,
        cut: Cut,
        sealer: &mut Sealer,
        downlink: &mut Downlink,
        path: Path,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Outcome {
        let stays = matches!(&self.state, State::Live(_, mapping) if mapping.stays(packet, cut));
        let changed = if stays {
            None
        } else {
            match self.change(packet, cut, now) {
                Some(changed) => Some(changed),
                None => return Outcome::NotUsable,
            }
        };
        let begins = matches!(changed, Some((_, _, true)));
        let mapping = match (&changed, &self.state) {
            (Some((_, mapping, _)), _) | (None, State::Live(_, mapping)) => mapping,
            _ => return Outcome::NotUsable,
        };
        let Some(handle) = self.handle else {
            return Outcome::Unsent;
        };
        // What comes late is sent as its time was mapped.
        let own = if packet.index >= mapping.first {
            Some(mapping)
        } else {
            let mut past = self.past.iter().rev();
            past.find(|past| packet.index >= past.first)
        };
        let Some((own, index)) = own.and_then(|own| Some((own, own.leaves_as(packet)?))) else {
            return Outcome::NotUsable;
        };
        if index > self.continuity.next.saturating_add(MOST_AHEAD) {
            // A receiver could not follow (RFC 3711, section 3.3.1), and would hear nothing more of this slot.
            self.begin_again();
            return self.send(packet, cut, sealer, downlink, path, outbox, now);
        }
        let header = Outgoing {
            marker: packet.marker
                || begins && self.kind == Kind::Audio
                || packet.stacked && own.ends_picture(packet),
            payload_type: own.form.payload_type,
            sequence: low(index),
            timestamp: packet.timestamp.wrapping_add(own.timestamp),
            ssrc: self.ssrc,
        };
        let level = self.level.zip(packet.level.as_ref());
        let size = packet.payload.len() + AROUND;
        let numbered = self.kind == Kind::Video || downlink.numbers_sound();
        let number = downlink.leave(size, self.number.filter(|_| numbered), now);
        let shift = own.shift_of(packet);
        let dependency = Leaving::of(packet, &self.codecs, shift);
        let counters = packet.shifted(shift);
        let sent = outbox.write(path, |bytes, start| {
            let level = level.map(|(id, level)| (id, std::slice::from_ref(level)));
            let others = level.into_iter().chain(extension(&number));
            write_header(&header, bytes, dependency.as_ref(), others);
            own.append(bytes, packet, counters)
                && sealer.seal_rtp(handle, index, bytes, start).is_ok()
        });
        if !sent {
            return Outcome::Unsent;
        }
        let newest = Newest {
            timestamp: header.timestamp,
            at: now,
            own: packet.timestamp,
            clock: packet.clock,
        };
        if let Some((feed, mapping, _)) = changed {
            self.state = State::Live(feed, mapping);
            self.continuity.of = Some((feed.publisher, feed.source));
            self.clock_due |= begins;
        }
        self.continuity.sent(index, newest, counters);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self
            .octets
            .wrapping_add(u32::try_from(packet.payload.len()).unwrap_or(0));
        Outcome::Sent
    }

    /// With what the slot goes on from a packet that changes something, and whether something else begins with it; `None` if the
    /// receiver can do nothing with it.
    fn change(
        &mut self,
        packet: &Packet<'_>,
        cut: Cut,
        now: Instant,
    ) -> Option<(Feed, Mapping, bool)> {
        match &self.state {
            State::Free => None,
            State::Live(feed, mapping) if mapping.goes_on(packet, self.kind) => {
                let (feed, mapping) = (*feed, *mapping);
                Some((feed, self.follow(mapping, packet, cut)?, false))
            }
            State::Live(feed, _) | State::Waiting(feed) => {
                let feed = *feed;
                let Some(mapping) = self.begin(&feed, packet, cut, now) else {
                    self.state = State::Waiting(feed);
                    return None;
                };
                self.past.clear();
                Some((feed, mapping, true))
            }
        }
    }

    /// The mapping with which a stream goes on: another one if the receiver gets other layers of it from this packet on.
    fn follow(&mut self, mapping: Mapping, packet: &Packet<'_>, cut: Cut) -> Option<Mapping> {
        let mut next = mapping;
        if mapping.form.codec != packet.codec {
            next.form = self.form(packet.codec)?;
        }
        if mapping.cut == cut || packet.index < mapping.first {
            return Some(next);
        }
        // Numbers of what is missing before this packet stay free for it.
        let due = mapping.leaves_as(packet).unwrap_or(self.continuity.next);
        next.first_out = due.max(self.continuity.next);
        next.first = packet.index;
        next.cut = cut;
        next.index = difference(next.first_out, packet.rank(cut))?;
        let pictures = (
            packet.skips.pictures(mapping.cut),
            packet.skips.pictures(cut),
        );
        next.shift.picture = mapping
            .shift
            .picture
            .wrapping_sub(pictures.0)
            .wrapping_add(pictures.1);
        if self.past.len() >= MOST_PAST {
            self.past.remove(0);
        }
        self.past.push(mapping);
        Some(next)
    }

    /// The mapping that makes this packet the next of the slot; `None` if nothing can begin with it.
    fn begin(&self, feed: &Feed, packet: &Packet<'_>, cut: Cut, now: Instant) -> Option<Mapping> {
        let shift = match (self.kind, packet.descriptor) {
            (Kind::Video, Some(descriptor)) if descriptor.key_frame() => {
                let mut shift =
                    descriptor.shift_after(self.continuity.picture, self.continuity.base_layer);
                if descriptor.counts_pictures() {
                    shift.picture = shift.picture.wrapping_add(packet.skips.pictures(cut));
                }
                shift
            }
            (Kind::Video, _) => return None,
            _ => Shift::default(),
        };
        Some(Mapping {
            layer: packet.layer,
            cut,
            first: packet.index,
            first_out: self.continuity.next,
            index: difference(self.continuity.next, packet.rank(cut))?,
            timestamp: self.continuity.timestamp(feed, packet, now),
            shift,
            form: self.form(packet.codec)?,
        })
    }

    fn form(&self, codec: Codec) -> Option<Form> {
        let inner = || self.codecs.decoding(Codec::Opus);
        let (format, wrapping) = match (codec, self.codecs.decoding(codec)) {
            (Codec::Red, Some(format)) => (format, Wrapping::Renamed(inner()?.payload_type)),
            (Codec::Red, None) => (inner()?, Wrapping::Unwrapped),
            (_, format) => (format?, Wrapping::None),
        };
        Some(Form {
            codec,
            payload_type: format.payload_type,
            repair_type: format.repair_type,
            wrapping,
        })
    }

    /// The clock of an encoding of the feed, as the slot's receiver must see it: media time, packets, octets. `None` if that is not
    /// what the slot carries.
    pub(crate) fn report(&self, layer: u8, rtp: u32) -> Option<(u32, u32, u32)> {
        match &self.state {
            State::Live(_, mapping) if mapping.layer == layer => Some((
                rtp.wrapping_add(mapping.timestamp),
                self.packets,
                self.octets,
            )),
            _ => None,
        }
    }

    /// Whether something has just begun whose clock is to be told.
    pub(crate) const fn is_clock_due(&self) -> bool {
        self.clock_due
    }

    /// The clock of what has just begun, in the slot's media time: told at once, so that lips are in step from the start.
    pub(crate) fn take_due_clock(&mut self) -> Option<SenderClock> {
        if !std::mem::take(&mut self.clock_due) {
            return None;
        }
        let (State::Live(_, mapping), Some(newest)) = (&self.state, self.continuity.newest) else {
            return None;
        };
        newest.clock.map(|clock| SenderClock {
            ntp: clock.ntp,
            rtp: clock.rtp.wrapping_add(mapping.timestamp),
        })
    }

    /// Packets and octets sent, as sender reports count them.
    pub(crate) const fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Which packet of the feed left with this sequence number, if it may be sent again: its encoding, the cut through its
    /// stream, and its number among those of the cut.
    pub(crate) fn origin(&self, sequence: u16) -> Option<(u8, Cut, u64)> {
        let (State::Live(_, mapping), Some(_)) = (&self.state, &self.repair) else {
            return None;
        };
        let newest = self.continuity.next.checked_sub(1)?;
        let behind = low(newest).wrapping_sub(sequence);
        let index = newest.checked_sub(u64::from(behind))?;
        let mut mappings = std::iter::once(mapping).chain(self.past.iter().rev());
        let own = mappings.find(|own| index >= own.first_out)?;
        let rank = index.checked_add_signed(own.index.checked_neg()?)?;
        Some((own.layer, own.cut, rank))
    }

    /// Whether it may be looked once more for what its receiver says is lost.
    pub(crate) fn may_be_asked(&mut self, now: Instant) -> bool {
        let repair = self.repair.as_mut();
        repair.is_some_and(|repair| repair.again.may_look(now))
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
        let mut mappings = std::iter::once(mapping).chain(self.past.iter().rev());
        let Some(own) = mappings.find(|own| own.layer == packet.layer && packet.index >= own.first)
        else {
            return false;
        };
        let (Some(handle), Some(original), Some(payload_type)) =
            (repair.handle, own.leaves_as(packet), own.form.repair_type)
        else {
            return false;
        };
        let size = packet.payload.len() + AROUND;
        let due = repair
            .again
            .is_due(packet.index, downlink.repair_again(), now);
        if !due || !downlink.repairs(size, now) {
            return false;
        }
        let header = Outgoing {
            marker: packet.marker || packet.stacked && own.ends_picture(packet),
            payload_type,
            sequence: low(repair.next),
            timestamp: packet.timestamp.wrapping_add(own.timestamp),
            ssrc: repair.ssrc,
        };
        let index = repair.next;
        repair.next += 1;
        let number = downlink.leave(size, self.number, now);
        let shift = own.shift_of(packet);
        let dependency = Leaving::of(packet, &self.codecs, shift);
        let counters = packet.shifted(shift);
        outbox.write(path, |bytes, start| {
            write_header(&header, bytes, dependency.as_ref(), extension(&number));
            bytes.extend_from_slice(&low(original).to_be_bytes());
            own.append(bytes, packet, counters)
                && sealer.seal_rtp(handle, index, bytes, start).is_ok()
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
        let format = match &self.state {
            State::Live(_, mapping) => mapping.form.repair_type,
            _ => None,
        };
        let formats = &self.codecs.formats;
        let Some(payload_type) =
            format.or_else(|| formats.iter().find_map(|format| format.repair_type))
        else {
            return false;
        };
        let (Some(handle), Some(number)) = (repair.handle, downlink.number_padding(now)) else {
            return false;
        };
        let header = Outgoing {
            marker: false,
            payload_type,
            sequence: low(repair.next),
            timestamp: self.continuity.newest.map_or(0, |newest| newest.timestamp),
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

impl Mapping {
    /// Whether a packet is of the stream that is mapped, as far as its receiver can decode it.
    fn goes_on(&self, packet: &Packet<'_>, kind: Kind) -> bool {
        self.layer == packet.layer
            && (self.form.codec == packet.codec
                || kind == Kind::Audio && self.form.codec.clock() == packet.codec.clock())
    }

    /// Whether nothing changes with a packet, as with nearly all.
    #[inline]
    fn stays(&self, packet: &Packet<'_>, cut: Cut) -> bool {
        self.layer == packet.layer
            && self.form.codec == packet.codec
            && (self.cut == cut || packet.index < self.first)
    }

    /// The number under which a packet leaves.
    #[inline]
    fn leaves_as(&self, packet: &Packet<'_>) -> Option<u64> {
        packet.rank(self.cut).checked_add_signed(self.index)
    }

    /// Whether nothing of the packet's picture follows for this receiver.
    fn ends_picture(&self, packet: &Packet<'_>) -> bool {
        packet.descriptor.as_ref().is_some_and(|descriptor| {
            descriptor.ends_frame() && descriptor.spatial() >= self.cut.size
        })
    }

    #[inline]
    fn shift_of(&self, packet: &Packet<'_>) -> Shift {
        let left_out = match &packet.descriptor {
            Some(descriptor) if descriptor.counts_pictures() => packet.skips.pictures(self.cut),
            _ => 0,
        };
        Shift {
            picture: self.shift.picture.wrapping_sub(left_out),
            ..self.shift
        }
    }

    /// Appends the payload as the receiver gets it; `false` if it cannot be taken apart.
    #[inline]
    fn append(&self, bytes: &mut Vec<u8>, packet: &Packet<'_>, counters: Counters) -> bool {
        let start = bytes.len();
        let payload = if self.form.wrapping == Wrapping::Unwrapped {
            match red::primary(packet.payload) {
                Some(newest) => newest,
                None => return false,
            }
        } else {
            packet.payload
        };
        bytes.extend_from_slice(payload);
        let Some(payload) = bytes.get_mut(start..) else {
            return false;
        };
        if let Some(descriptor) = &packet.descriptor {
            descriptor.write(payload, counters);
        }
        if let Wrapping::Renamed(inner) = self.form.wrapping {
            red::rename(payload, inner);
        }
        true
    }
}

/// The extension with a packet's number across the transport.
fn extension(number: &Option<(u8, [u8; 2])>) -> impl Iterator<Item = (u8, &[u8])> {
    number.iter().map(|(id, bytes)| (*id, &bytes[..]))
}

/// What must be added to `from` to give `to`.
fn difference(to: u64, from: u64) -> Option<i64> {
    i64::try_from(to)
        .ok()?
        .checked_sub(i64::try_from(from).ok()?)
}

/// The sequence number of an index.
const fn low(index: u64) -> u16 {
    let [.., high, low] = index.to_be_bytes();
    u16::from_be_bytes([high, low])
}
