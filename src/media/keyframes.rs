//! Asks publishers for key frames: for a receiver that says that it cannot go on, and for those who wait for something to begin
//! with. However many need one, a publisher is asked once in a while.

use std::time::{Duration, Instant};

use conclave_policy::source::Source;

use crate::media::event::PeerKey;
use crate::media::offer::Kind;
use crate::media::peer::{Edge, Peer};
use crate::media::rtcp::Compound;
use crate::media::sfu::Sfu;
use crate::media::simulcast::MOST_ENCODINGS;

/// A publisher is asked for a key frame at most this often.
const KEY_FRAMES: Duration = Duration::from_secs(1);

impl Sfu {
    /// A receiver says that it needs a key frame of what it gets in this stream.
    pub(crate) fn take_key_frame_wish(&mut self, viewer: PeerKey, media: u32, now: Instant) {
        let rests = |peer: &&Peer| peer.downlink.rests(now);
        let Some(peer) = self.peers.get(viewer).filter(|peer| !rests(peer)) else {
            return;
        };
        let feed = peer
            .slots
            .iter()
            .find(|slot| slot.ssrc == media)
            .and_then(|slot| slot.feed())
            .copied();
        if let Some(feed) = feed.filter(|feed| Kind::of(feed.source) == Kind::Video) {
            self.want_key_frame_for(viewer, feed.publisher, feed.source, now);
        }
    }

    /// A receiver cannot go on without a key frame of what it gets or is to get.
    pub(crate) fn want_key_frame_for(
        &mut self,
        viewer: PeerKey,
        publisher: PeerKey,
        source: Source,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(publisher) else {
            return;
        };
        let stacked = peer.is_stacked(source);
        let publication = peer.publication_mut(source);
        for edge in &publication.edges {
            if edge.viewer != viewer {
                continue;
            }
            let aim = edge.layer;
            let flowing = if stacked {
                aim.current.map(|_| 0)
            } else {
                aim.current
            };
            for encoding in [flowing, aim.encoding(stacked)].into_iter().flatten() {
                let wanted = publication.key_frames_wanted.get_mut(usize::from(encoding));
                if let Some(wanted) = wanted {
                    *wanted = true;
                }
            }
        }
        self.ask_for_key_frame(publisher, source, now);
    }

    /// Asks for key frames of the encodings of which one is needed, if the publisher may be asked: all at once, for it is asked
    /// once in a while only.
    pub(crate) fn ask_for_key_frame(&mut self, publisher: PeerKey, source: Source, now: Instant) {
        let Some(peer) = self.peers.get(publisher) else {
            return;
        };
        let publication = peer.publication(source);
        let lately = |at: Instant| now.saturating_duration_since(at) < KEY_FRAMES;
        if publication.permit.is_none() {
            return;
        }
        if publication.key_frame_asked.is_some_and(lately) {
            return self.look_soon(now);
        }
        let mut wanted = publication.key_frames_wanted;
        self.add_awaited(
            &publication.edges,
            peer.is_stacked(source),
            &mut wanted,
            now,
        );
        if wanted.iter().all(|wanted| !wanted) {
            return;
        }
        if self.ask_home(publisher, source, wanted, now) {
            return;
        }
        let Some(peer) = self.peers.get_mut(publisher) else {
            return;
        };
        let own = peer.own_ssrc;
        let mut report = Compound::default();
        let mut asked = false;
        for (encoding, _) in (0_u8..).zip(wanted).filter(|(_, wanted)| *wanted) {
            let Some(media) = peer.primary(source, encoding).map(|stream| stream.ssrc) else {
                continue;
            };
            report = report.key_frame(own, media);
            asked = true;
            let wanted = &mut peer.publication_mut(source).key_frames_wanted;
            if let Some(wanted) = wanted.get_mut(usize::from(encoding)) {
                *wanted = false;
            }
        }
        if asked {
            peer.publication_mut(source).key_frame_asked = Some(now);
            self.counters.key_frames_requested += 1;
            self.say(publisher, &report);
        }
    }

    /// Adds the encodings that receivers which could decode wait for.
    fn add_awaited(
        &self,
        edges: &[Edge],
        stacked: bool,
        wanted: &mut [bool; MOST_ENCODINGS],
        now: Instant,
    ) {
        for edge in edges {
            let slot = self
                .peers
                .get(edge.viewer)
                .filter(|viewer| viewer.secured.is_some() && !viewer.downlink.rests(now))
                .and_then(|viewer| viewer.slots.get(edge.slot));
            let waits = slot.is_some_and(|slot| slot.is_waiting() || edge.layer.waits());
            let encoding = edge.layer.encoding(stacked).filter(|_| waits);
            if let Some(wanted) =
                encoding.and_then(|encoding| wanted.get_mut(usize::from(encoding)))
            {
                *wanted = true;
            }
        }
    }

    /// A receiver has keys from now on: what its slots wait for must come again.
    pub(crate) fn want_waiting_key_frames(&mut self, viewer: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get(viewer) else {
            return;
        };
        let waiting: Vec<_> = peer
            .slots
            .iter()
            .filter(|slot| slot.kind == Kind::Video && slot.is_waiting())
            .filter_map(|slot| slot.feed().copied())
            .collect();
        for feed in waiting {
            self.ask_for_key_frame(feed.publisher, feed.source, now);
        }
    }
}
