//! What leaves by the clock and not because something came: probes of the ways to receivers. Nothing here belongs to a source.

use std::time::Instant;

use conclave_policy::ids::{ParticipantId, RoomId};

use crate::media::downlink::TICK;
use crate::media::estimate::feedback::Feedback;
use crate::media::event::PeerKey;
use crate::media::offer::Kind;
use crate::media::sfu::Sfu;
use crate::media::slot::OutSlot;
use crate::media::timer::Timer;

impl Sfu {
    /// Bits a second that a participant can be sent, as far as is known; `None` without a transport.
    pub fn estimate(&self, room: RoomId, participant: ParticipantId) -> Option<u64> {
        let key = self.find(room, participant)?;
        Some(self.peers.get(key)?.estimate())
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
            if !self.pacing.contains(&key) {
                self.pacing.push(key);
            }
            self.pace(now);
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
        let peer = self.peers.get_mut(key)?;
        let (path, secured) = (peer.agent.selected()?, peer.secured.as_mut()?);
        let slot = peer.slots.iter_mut().find(|slot| slot.takes_padding())?;
        for _ in 0..peer.downlink.padding_due(now) {
            let downlink = &mut peer.downlink;
            slot.pad(&mut secured.sealer, downlink, path, &mut self.outbox, now);
        }
        Some(peer.downlink.end_probe(now))
    }

    /// What every receiver would be sent if everything went through, and which of them reports nothing any more.
    pub(crate) fn measure_wishes(&mut self, now: Instant) {
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get(key).filter(|peer| peer.watch.is_some()) else {
                continue;
            };
            let feeds = peer.slots.iter().filter(|slot| slot.kind == Kind::Video);
            let wanted = feeds
                .filter_map(OutSlot::feed)
                .filter_map(|feed| Some((self.peers.get(feed.publisher)?, feed.source)))
                .map(|(publisher, source)| publisher.publication(source).meter.rate(now))
                .sum();
            if let Some(peer) = self.peers.get_mut(key) {
                peer.downlink.wanted = wanted;
                peer.downlink.advance(now);
            }
        }
    }
}
