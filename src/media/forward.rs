//! The way of an authentic packet: from its publisher along the standing edges into the slots, and the reports that go with it.
//! Without an edge there is no way.

use std::hint::black_box;
use std::time::Instant;

use arrayvec::ArrayVec;
use conclave_policy::source::Source;

use crate::media::answer::CNAME;
use crate::media::downlink::Downlink;
use crate::media::event::PeerKey;
use crate::media::history::{MANY_PENDING, MOST_PENDING, Place};
use crate::media::mail::{Mail, Shards};
use crate::media::offer::Kind;
use crate::media::pacer::Waiting;
use crate::media::peer::{Edge, Publication, Refused};
use crate::media::rtcp::{Compound, Report, reports};
use crate::media::sfu::Sfu;
use crate::media::skips::Cut;
use crate::media::slot::{OutSlot, Outcome};
use crate::media::srtp::Opened;
use crate::media::stream::Packet;
use crate::media::timer::{LOOK_AGAIN, Timer};

/// Sequence numbers looked at in one datagram of reports; an honest receiver asks for a few.
const MOST_LOST: usize = 128;
/// Packets that a reception report without arrivals is taken to speak of.
const REPORTED: u32 = 50;
/// Parts looked at in one datagram of reports.
const MOST_REPORTS: usize = 32;
/// Datagrams that may wait to be composed, about: a frame for two thousand receivers, which is some milliseconds of work. Each
/// receiver has its turn once then. Commands take effect in between.
const MOST_WORK: usize = 16_384;
/// For fewer receivers it costs less to send a part of a picture than to wait for the rest.
const MANY_RECEIVERS: usize = 8;
/// What fewer receivers need soon comes into the processor's cache by itself.
const MANY_AHEAD: usize = 8;

impl Sfu {
    /// An authenticated packet came. It is judged, kept, and waits for [`Sfu::flush`].
    pub(crate) fn take_packet(
        &mut self,
        key: PeerKey,
        opened: &Opened,
        datagram: &[u8],
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.note_arrival(&opened.header, datagram, now);
        if !std::mem::replace(&mut peer.sends_packets, true) {
            self.senders.push(key);
        }
        if peer.arrivals.are_many() {
            self.timers.hasten(Timer::Arrivals, now);
        }
        let (source, packet) = peer.admit(opened, datagram, now);
        let (begun, recoded) = (peer.begun.take(), peer.recoded.take());
        if std::mem::take(&mut peer.gap) {
            self.timers.hasten(Timer::Repairs, now + LOOK_AGAIN);
        }
        let (room, participant) = (peer.room, peer.participant);
        let bound = match (source, &packet) {
            (Some(source), Ok(packet)) => peer.publication(source).bound_for(packet.layer),
            _ => Shards::default(),
        };
        if let Some((source, layer)) = begun {
            self.begin_again(key, source, layer);
        }
        if let Some(source) = recoded {
            self.post_packets();
            self.announce(key, source);
            self.offer_source(room, participant, source, now);
        }
        let (Some(source), Ok(packet)) = (source, &packet) else {
            if let Err(refused) = packet {
                self.count_dropped(refused);
            }
            return;
        };
        if !bound.is_empty() {
            if self.across.outgoing.put(bound, key, source, packet) {
                self.counters.carried += u64::from(bound.len());
            } else {
                self.counters.letters_dropped += 1;
            }
        }
        self.take_admitted(key, source, packet, now);
    }

    /// A packet came of a publisher whose transport is in another shard, which judged it.
    pub(crate) fn take_mirrored(
        &mut self,
        mirror: PeerKey,
        source: Source,
        packet: &Packet<'_>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(mirror) else {
            return;
        };
        let publication = peer.publication_mut(source);
        if publication.permit.is_none() {
            self.counters.dropped_not_permitted += 1;
            return;
        }
        publication.history.keep(Kind::of(source), packet, now);
        if !std::mem::replace(&mut peer.sends_packets, true) {
            self.senders.push(mirror);
        }
        self.take_admitted(mirror, source, packet, now);
    }

    /// A packet may go to whoever receives its source.
    fn take_admitted(&mut self, key: PeerKey, source: Source, packet: &Packet<'_>, now: Instant) {
        if Kind::of(source) == Kind::Audio {
            self.hear(key, source, packet.level, now);
        }
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let publication = peer.publication_mut(source);
        if publication
            .tap
            .as_mut()
            .is_some_and(|tap| !tap.hear(packet, now))
        {
            publication.tap = None;
        }
        if packet
            .descriptor
            .is_some_and(|descriptor| descriptor.key_frame())
            && let Some(wanted) = publication
                .key_frames_wanted
                .get_mut(usize::from(packet.layer))
        {
            *wanted = false;
        }
        if publication.edges.is_empty() {
            self.counters.dropped_no_edge += 1;
            return;
        }
        let place = Place {
            layer: packet.layer,
            index: packet.index,
        };
        if publication.pending.push(place, packet.marker, now) {
            self.pending.push_back((key, source));
        }
        self.work += publication.edges.len();
        if publication.pending.places().len() >= MANY_PENDING {
            self.work += MOST_WORK;
        }
    }

    /// Whether enough waits that [`Sfu::flush`] should be called before the next datagram is taken.
    pub fn is_due(&self) -> bool {
        self.work >= MOST_WORK || self.across.outgoing.is_full()
    }

    /// What waits is about to be sent on; [`Sfu::is_due`] speaks of what comes from now on.
    pub fn begin_flush(&mut self) {
        self.work = 0;
    }

    /// Sends on what waits: source by source, to each receiver all that is for it, so that it leaves together. Says whether
    /// there is more, for which the outbox has no room; then it is to be emptied and this called again, and what is forbidden
    /// meanwhile is not sent. A part of a picture for many is kept back for a moment, see [`Sfu::is_holding`].
    pub fn flush(&mut self, now: Instant) -> bool {
        self.post_packets();
        for _ in 0..self.pending.len() {
            let Some((key, source)) = self.pending.pop_front() else {
                break;
            };
            if self.is_held(key, source, now) {
                self.pending.push_back((key, source));
                continue;
            }
            if !self.forward(key, source, now) {
                // Others do not wait until a source with many receivers is done.
                self.pending.push_back((key, source));
                return true;
            }
        }
        self.work = 0;
        false
    }

    /// Whether something was kept back when all else was sent on: [`Sfu::flush`] is to be called again in a moment.
    pub fn is_holding(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the rest of a picture is worth waiting for. Sound never waits.
    fn is_held(&self, key: PeerKey, source: Source, now: Instant) -> bool {
        Kind::of(source) == Kind::Video
            && self.peers.get(key).is_some_and(|peer| {
                let publication = peer.publication(source);
                publication.edges.len() >= MANY_RECEIVERS && publication.pending.is_partial(now)
            })
    }

    /// An encoding of a source goes on in another stream, whose numbers have nothing to do with those before.
    pub(crate) fn begin_again(&mut self, key: PeerKey, source: Source, layer: u8) {
        self.begin_across(key, source, layer);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let stacked = peer.is_stacked(source);
        let edges = &mut peer.publication_mut(source).edges;
        let mut followed = Vec::new();
        for edge in edges {
            if stacked || edge.layer.current == Some(layer) {
                edge.layer.current = None;
                followed.push((edge.viewer, edge.slot));
            }
        }
        for (viewer, place) in followed {
            let viewer = self.peers.get_mut(viewer);
            if let Some(slot) = viewer.and_then(|viewer| viewer.slots.get_mut(place)) {
                slot.begin_again();
            }
        }
    }

    /// Sound came; who begins to speak gets a slot at once.
    fn hear(&mut self, key: PeerKey, source: Source, level: Option<u8>, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let room = peer.room;
        if peer.publication_mut(source).loudness.hear(level, now) {
            self.assign_audio(room, now);
        }
    }

    const fn count_dropped(&mut self, refused: Refused) {
        match refused {
            Refused::UnknownStream => self.counters.dropped_unknown_stream += 1,
            Refused::NotPermitted => self.counters.dropped_not_permitted += 1,
            Refused::OverRate => self.counters.dropped_over_rate += 1,
            Refused::Malformed => self.counters.srtp_malformed += 1,
            Refused::Duplicate => self.counters.repairs_not_needed += 1,
        }
    }

    /// Sends what waits of one source along its edges; `false` if there is more: the outbox is full before all are served, or
    /// something came while they were.
    fn forward(&mut self, key: PeerKey, source: Source, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(key) else {
            return true;
        };
        let publication = peer.publication_mut(source);
        if publication.permit.is_none() {
            publication.pending.clear();
        }
        if publication.pending.places().is_empty() {
            return true;
        }
        // Taken out while the receivers are worked on, who stand beside the publisher in one table.
        let Publication {
            edges,
            history,
            pending,
            awaited,
            ..
        } = publication;
        let was_awaited = *awaited;
        let mut edges = std::mem::take(edges);
        let history = std::mem::take(history);
        let mut pending = std::mem::take(pending);
        let mut sent = 0;
        let mut done = pending.done;
        let mut awaited = done > 0 && was_awaited;
        // Looked up once, not for each receiver.
        let places = pending.round().iter().take(MOST_PENDING);
        let many = edges.len() >= MANY_AHEAD;
        let mut packets = Packets::new();
        packets.extend(places.filter_map(|place| history.get(*place)));
        while let Some((edge, next)) = edges
            .get_mut(done..)
            .and_then(|left| left.split_first_mut())
        {
            if self.outbox.is_full() {
                break;
            }
            if many {
                self.read_ahead(next);
            }
            let served = self.serve(edge, (key, source), &packets, now);
            sent += served.sent;
            awaited |= served.waits;
            done += 1;
        }
        drop(packets);
        pending.done = done;
        let all = done >= edges.len() && pending.end_round();
        if let Some(peer) = self.peers.get_mut(key) {
            let publication = peer.publication_mut(source);
            publication.edges = edges;
            publication.history = history;
            publication.pending = pending;
            publication.forwarded += sent;
            publication.awaited = awaited;
        }
        if awaited {
            self.look_soon(now);
        }
        match Kind::of(source) {
            Kind::Audio => self.counters.forwarded_audio += sent,
            _ => self.counters.forwarded_video += sent,
        }
        all
    }

    /// Reads a little of what the next receivers will need, while another is worked on: in a large room it is not in the
    /// processor's cache by itself. One step ahead what pointers lead to, two steps ahead the pointers, so that nothing is waited for
    /// here.
    fn read_ahead(&self, next: &[Edge]) {
        if let Some(peer) = next.get(1).and_then(|edge| self.peers.get(edge.viewer)) {
            black_box((peer.agent.selected().is_some(), peer.slots.len()));
            black_box(peer.secured.as_ref().map(|own| own.sealer.is_empty()));
            peer.downlink.read_ahead(false);
        }
        if let Some(edge) = next.first()
            && let Some(peer) = self.peers.get(edge.viewer)
            && let (Some(slot), Some(own)) = (peer.slots.get(edge.slot), &peer.secured)
        {
            slot.read_ahead(&own.sealer);
            peer.downlink.read_ahead(true);
        }
    }

    /// Sends packets along one edge.
    fn serve(
        &mut self,
        edge: &mut Edge,
        of: (PeerKey, Source),
        packets: &[Packet<'_>],
        now: Instant,
    ) -> Served {
        let Some(viewer) = self.peers.get_mut(edge.viewer) else {
            return Served::default();
        };
        let (Some(path), Some(secured)) = (viewer.agent.selected(), &mut viewer.secured) else {
            return Served::default();
        };
        let Some(slot) = viewer.slots.get_mut(edge.slot) else {
            return Served::default();
        };
        let mut sent = 0;
        let mut paced = false;
        for packet in packets {
            if !edge.layer.admits(packet) {
                continue;
            }
            let cut = edge.layer.cut(packet.stacked);
            if slot.kind == Kind::Video && !viewer.downlink.admits(now) {
                paced |= queue(
                    &mut viewer.downlink,
                    (edge.slot, slot),
                    of,
                    (packet, cut),
                    now,
                );
                continue;
            }
            match slot.send(
                packet,
                cut,
                &mut secured.sealer,
                &mut viewer.downlink,
                path,
                &mut self.outbox,
                now,
            ) {
                Outcome::Sent => sent += 1,
                Outcome::NotUsable => self.counters.dropped_not_usable += 1,
                Outcome::Unsent => self.counters.datagrams_unsent += 1,
            }
        }
        let waits = slot.kind == Kind::Video
            && edge.layer.target.is_some()
            && (slot.is_waiting() || edge.layer.waits());
        let (ssrc, (packets, octets)) = (slot.ssrc, slot.sent());
        // A source that begins again with each packet is told of as seldom as any.
        let clock = if slot.is_clock_due() && !viewer.told.lately(ssrc, now) {
            slot.take_due_clock()
        } else {
            None
        };
        if let Some(clock) = &clock {
            viewer.told.note(ssrc, clock.ntp, now);
        }
        if paced {
            self.start_pacing(edge.viewer, now);
        }
        if let Some(clock) = clock {
            let report = Compound::sender(ssrc, CNAME, clock.ntp, clock.rtp, packets, octets);
            self.say(edge.viewer, &report);
        }
        Served { sent, waits }
    }

    /// Authenticated reports came.
    pub(crate) fn take_reports(&mut self, key: PeerKey, packet: &[u8], now: Instant) {
        let mut left = MOST_LOST;
        for report in reports(packet).take(MOST_REPORTS) {
            match report {
                Report::Sender { ssrc, ntp, rtp } => self.take_clock(key, ssrc, ntp, rtp, now),
                Report::KeyFrame { media } => self.take_key_frame_wish(key, media, now),
                Report::Nack { media, lost } => {
                    if let Some(peer) = self.peers.get_mut(key) {
                        peer.downlink.end_ease();
                    }
                    for sequence in lost.iter().take(left) {
                        left -= 1;
                        self.repair(key, media, sequence, now);
                    }
                }
                Report::Arrivals(feedback) => self.take_arrivals(key, &feedback, now),
                Report::Reception {
                    fraction_lost,
                    heard,
                } => {
                    if let Some(peer) = self.peers.get_mut(key) {
                        let trip = peer.told.trip(heard, now);
                        peer.downlink.reception(fraction_lost, REPORTED, trip, now);
                    }
                }
                Report::Bandwidth(bits) => {
                    if let Some(peer) = self.peers.get_mut(key) {
                        peer.downlink.bandwidth(bits);
                    }
                }
                Report::Goodbye { ssrc } => {
                    if let Some(peer) = self.peers.get_mut(key) {
                        let mut streams = peer.streams.iter_mut();
                        if let Some(stream) = streams.find(|stream| stream.ssrc == ssrc) {
                            stream.part();
                        }
                    }
                }
            }
        }
    }

    /// A publisher's clock goes to those who receive the source, in the media time of their slots: so lips stay in step.
    fn take_clock(&mut self, key: PeerKey, ssrc: u32, ntp: u64, rtp: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(stream) = peer
            .streams
            .iter_mut()
            .find(|stream| stream.ssrc == ssrc && !stream.repair)
        else {
            return;
        };
        if !stream.sender_report(ntp, rtp, now) {
            return;
        }
        let (source, layer) = (stream.source, stream.layer);
        let publication = peer.publication_mut(source);
        if publication.permit.is_none() {
            return;
        }
        let bound = publication.bound_for(layer);
        let mail = || Mail::Clock {
            key,
            source,
            layer,
            ntp,
            rtp,
        };
        self.across.post_all(bound, mail);
        self.tell_clock((key, source, layer), (ntp, rtp), now);
    }

    /// A publisher's clock goes to those who receive the source here.
    pub(crate) fn tell_clock(
        &mut self,
        (key, source, layer): (PeerKey, Source, u8),
        (ntp, rtp): (u64, u32),
        now: Instant,
    ) {
        let publication = self.peers.get(key).map(|peer| peer.publication(source));
        let edges = publication.map(|publication| publication.edges.clone());
        for edge in edges.unwrap_or_default() {
            let Some(viewer) = self.peers.get_mut(edge.viewer) else {
                continue;
            };
            let Some(slot) = viewer.slots.get(edge.slot) else {
                continue;
            };
            if let Some((rtp, packets, octets)) = slot.report(layer, rtp) {
                let ssrc = slot.ssrc;
                viewer.told.note(ssrc, ntp, now);
                self.say(
                    edge.viewer,
                    &Compound::sender(ssrc, CNAME, ntp, rtp, packets, octets),
                );
            }
        }
    }

    /// Sends a lost packet again to the one receiver that lost it, from what is kept of the source.
    fn repair(&mut self, viewer: PeerKey, media: u32, sequence: u16, now: Instant) -> Option<()> {
        let peer = self.peers.get_mut(viewer)?;
        let place = peer.slots.iter().position(|slot| slot.ssrc == media)?;
        let slot = peer.slots.get_mut(place)?;
        if !slot.may_be_asked(now) {
            return None;
        }
        let (feed, (layer, cut, rank)) = (*slot.feed()?, slot.origin(sequence)?);
        let publication = self.peers.get_mut(feed.publisher)?;
        let publication = publication.publication_mut(feed.source);
        publication.permit.as_ref()?;
        let history = std::mem::take(&mut publication.history);
        if let Some(packet) = history.find(layer, cut, rank)
            && let Some(peer) = self.peers.get_mut(viewer)
            && let (Some(path), Some(secured)) = (peer.agent.selected(), &mut peer.secured)
            && let Some(slot) = peer.slots.get_mut(place)
            && slot.resend(
                &packet,
                &mut secured.sealer,
                &mut peer.downlink,
                path,
                &mut self.outbox,
                now,
            )
        {
            self.counters.repaired += 1;
        }
        let publisher = self.peers.get_mut(feed.publisher)?;
        publisher.publication_mut(feed.source).history = history;
        Some(())
    }

    /// Sends reports to a peer.
    pub(crate) fn say(&mut self, key: PeerKey, compound: &Compound) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let (Some(path), Some(secured)) = (peer.agent.selected(), &mut peer.secured) else {
            return;
        };
        self.outbox.write(path, |bytes, start| {
            compound.write(bytes) && secured.sealer.seal_rtcp(bytes, start).is_ok()
        });
    }
}

/// What waits of one source.
type Packets<'a> = ArrayVec<Packet<'a>, MOST_PENDING>;

/// What came of serving one receiver.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    /// Packets that left.
    sent: u64,
    /// It waits for a key frame.
    waits: bool,
}

/// Lets a packet wait for its time, if it is of use then; says whether it does.
fn queue(
    downlink: &mut Downlink,
    (place, slot): (usize, &mut OutSlot),
    (publisher, source): (PeerKey, Source),
    (packet, cut): (&Packet<'_>, Cut),
    now: Instant,
) -> bool {
    let begins = packet
        .descriptor
        .is_some_and(|descriptor| descriptor.key_frame())
        && !downlink.rests(now);
    if slot.is_waiting() && !begins && !downlink.pacer.holds(place) {
        return false;
    }
    let waiting = Waiting {
        slot: place,
        publisher,
        source,
        place: Place {
            layer: packet.layer,
            index: packet.index,
        },
        cut,
        since: now,
    };
    let waits = downlink.pacer.push(waiting);
    if !waits {
        let rate = downlink.estimate();
        downlink.pacer.drop_slot(place, rate, now);
        slot.begin_again();
    }
    waits
}
