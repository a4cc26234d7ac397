//! What leaves by the clock and not because something came: pictures that waited for their time, and probes of the ways to
//! receivers. What was forbidden while it waited is not sent.

use std::time::Instant;

use conclave_policy::ids::{ParticipantId, RoomId};

use crate::media::downlink::TICK;
use crate::media::estimate::feedback::Feedback;
use crate::media::event::PeerKey;
use crate::media::pacer::Waiting;
use crate::media::sfu::Sfu;
use crate::media::slot::{Feed, OutSlot, Outcome};
use crate::media::timer::Timer;

impl Sfu {
    /// Bits a second that a participant can be sent, as far as is known; `None` without a transport.
    pub fn estimate(&self, room: RoomId, participant: ParticipantId) -> Option<u64> {
        let key = self.find(room, participant)?;
        Some(self.peers.get(key)?.estimate())
    }

    /// Packets that wait for their time, for all receivers.
    pub fn waiting(&self) -> usize {
        let peers = self.pacing.iter().filter_map(|key| self.peers.get(*key));
        peers.map(|peer| peer.downlink.pacer.len()).sum()
    }

    /// A receiver reported when packets arrived.
    pub(crate) fn take_arrivals(&mut self, key: PeerKey, feedback: &Feedback<'_>, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let before = peer.downlink.estimator().lost;
        peer.downlink.arrivals(feedback, now);
        self.counters.packets_reported_lost +=
            peer.downlink.estimator().lost.saturating_sub(before);
        let padded = peer.slots.iter().any(OutSlot::takes_padding);
        if padded && peer.downlink.begin_probe(now) {
            self.counters.probes += 1;
            self.start_pacing(key, now);
            self.pace(now);
        }
    }

    /// Something is to leave to this receiver by the clock.
    pub(crate) fn start_pacing(&mut self, key: PeerKey, now: Instant) {
        if !self.pacing.contains(&key) {
            self.pacing.push(key);
        }
        if let Some(at) = now.checked_add(TICK) {
            self.timers.hasten(Timer::Pacing, at);
        }
    }

    /// Sends what is due by the clock.
    pub(crate) fn pace(&mut self, now: Instant) {
        let mut pacing = std::mem::take(&mut self.pacing);
        pacing.retain(|key| self.pace_one(*key, now).unwrap_or(false));
        self.pacing = pacing;
        if !self.pacing.is_empty()
            && let Some(at) = now.checked_add(TICK)
        {
            self.timers.hasten(Timer::Pacing, at);
        }
    }

    /// Sends what is due to one receiver; says whether there will be more.
    fn pace_one(&mut self, key: PeerKey, now: Instant) -> Option<bool> {
        while !self.outbox.is_crowded()
            && let Some(waiting) = self.peers.get_mut(key)?.downlink.next(now)
        {
            self.release(key, waiting, now);
        }
        let peer = self.peers.get_mut(key)?;
        let pacer = &mut peer.downlink.pacer;
        self.counters.paced += std::mem::take(&mut pacer.paced);
        self.counters.paced_dropped += std::mem::take(&mut pacer.dropped);
        let waits = !pacer.is_empty();
        let (path, secured) = (peer.agent.selected()?, peer.secured.as_mut()?);
        if let Some(slot) = peer.slots.iter_mut().find(|slot| slot.takes_padding()) {
            for _ in 0..peer.downlink.padding_due(now) {
                let downlink = &mut peer.downlink;
                slot.pad(&mut secured.sealer, downlink, path, &mut self.outbox, now);
            }
        }
        Some(peer.downlink.end_probe(now) || waits)
    }

    /// Sends a packet that waited, if its source still stands and is still in the slot. A cut took it out of the history.
    fn release(&mut self, key: PeerKey, waiting: Waiting, now: Instant) -> Option<()> {
        let Waiting {
            slot: place,
            publisher,
            source,
            ..
        } = waiting;
        let publication = self.peers.get_mut(publisher)?.publication_mut(source);
        publication.permit.as_ref()?;
        let history = std::mem::take(&mut publication.history);
        let outcome = history.get(waiting.place).and_then(|packet| {
            let peer = self.peers.get_mut(key)?;
            let (path, secured) = (peer.agent.selected()?, peer.secured.as_mut()?);
            let slot = peer.slots.get_mut(place)?;
            let fed = |feed: &&Feed| feed.publisher == publisher && feed.source == source;
            slot.feed().filter(fed)?;
            let (sealer, downlink) = (&mut secured.sealer, &mut peer.downlink);
            Some(slot.send(
                &packet,
                waiting.cut,
                sealer,
                downlink,
                path,
                &mut self.outbox,
                now,
            ))
        });
        let publication = self.peers.get_mut(publisher)?.publication_mut(source);
        publication.history = history;
        match outcome? {
            Outcome::Sent => {
                publication.forwarded += 1;
                self.counters.forwarded_video += 1;
            }
            Outcome::NotUsable => self.counters.dropped_not_usable += 1,
            Outcome::Unsent => self.counters.datagrams_unsent += 1,
        }
        Some(())
    }

    /// Finds which receivers report nothing any more.
    pub(crate) fn notice_silence(&mut self, now: Instant) {
        for key in self.peers.keys() {
            let peer = self.peers.get_mut(key);
            if let Some(peer) = peer.filter(|peer| peer.watch.is_some()) {
                peer.downlink.advance(now);
            }
        }
    }
}
