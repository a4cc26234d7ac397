//! What time brings: repairs asked for, reports written, speakers found, handshakes driven, the silent ended.

use std::time::Instant;

use conclave_policy::ids::RoomId;
use conclave_policy::source::Source;

use crate::media::event::{PeerEvent, PeerKey};
use crate::media::offer::Kind;
use crate::media::rtcp::Compound;
use crate::media::sfu::Sfu;
use crate::media::stream::Stream;
use crate::media::timer::{LOOK_AGAIN, Timer};

impl Sfu {
    /// Does what is due.
    pub fn advance(&mut self, now: Instant) {
        self.do_due(now, false);
    }

    /// Does what is due, and what will be soon: for who is awake already. Says whether there was anything.
    pub fn advance_early(&mut self, now: Instant) -> bool {
        self.do_due(now, true)
    }

    fn do_due(&mut self, now: Instant, early: bool) -> bool {
        let mut any = false;
        while let Some(timer) = self.timers.take(now, early) {
            any = true;
            match timer {
                Timer::Repairs => self.ask_publishers(now),
                Timer::Arrivals => self.report_arrivals(now),
                Timer::Speakers => self.find_speakers(now),
                Timer::Reports => self.report_reception(now),
                Timer::Pacing => self.pace(now),
                Timer::Handshakes => self.drive_handshakes(now),
            }
        }
        any
    }

    /// Tells each participant what its slots show, if that changed. To be called when an input is done.
    pub fn settle(&mut self) {
        for key in self.changed.drain(..) {
            if let Some(peer) = self.peers.get_mut(key)
                && std::mem::take(&mut peer.slots_changed)
            {
                self.events.push_back((key, PeerEvent::Slots(peer.shown())));
            }
        }
    }

    /// Something is missing, or is waited for: publishers are looked at soon.
    pub(crate) fn look_soon(&mut self, now: Instant) {
        self.timers.hasten(Timer::Repairs, now + LOOK_AGAIN);
    }

    fn ask_publishers(&mut self, now: Instant) {
        let mut open = false;
        for key in self.senders() {
            let Some(peer) = self.peers.get(key) else {
                continue;
            };
            let misses = peer.streams.iter().any(Stream::misses);
            open |= misses;
            for source in Source::ALL {
                if misses {
                    self.ask_for_losses(key, source, now);
                }
                let Some(peer) = self.peers.get_mut(key) else {
                    continue;
                };
                let publication = peer.publication_mut(source);
                if Kind::of(source) == Kind::Video && publication.is_to_be_looked_at(now) {
                    open |= publication.is_noticed();
                    self.ask_for_key_frame(key, source, now);
                }
            }
        }
        if open {
            self.look_soon(now);
        }
    }

    /// The peers of which packets have come.
    fn senders(&mut self) -> Vec<PeerKey> {
        self.senders.retain(|key| self.peers.get(*key).is_some());
        self.senders.clone()
    }

    fn ask_for_losses(&mut self, key: PeerKey, source: Source, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let repairable = peer.publication(source).permit.is_some()
            && peer
                .sends
                .codecs_of(source)
                .is_some_and(|codecs| codecs.nack());
        let own = peer.own_ssrc;
        let trip = peer.downlink.estimator().round_trip();
        let streams = peer.streams.iter_mut();
        let streams = streams.filter(|stream| stream.source == source && !stream.repair);
        if !repairable {
            return streams.for_each(|stream| stream.give_up(now));
        }
        let mut report = Compound::default();
        let mut asked = 0;
        for stream in streams {
            let lost = stream.ask(trip, now);
            if !lost.is_empty() {
                asked += lost.len() as u64;
                report = report.nack(own, stream.ssrc, &lost);
            }
        }
        if asked > 0 {
            self.counters.nacks_sent += asked;
            self.say(key, &report);
        }
    }

    fn report_arrivals(&mut self, now: Instant) {
        for key in self.senders() {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            if !peer.arrivals.are_due(now) {
                continue;
            }
            let Some(media) = peer.streams.last().map(|stream| stream.ssrc) else {
                continue;
            };
            if let Some(report) = peer.arrivals.report(peer.own_ssrc, media, now) {
                self.say(key, &Compound::default().with(report));
            }
        }
    }

    fn find_speakers(&mut self, now: Instant) {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.assign_audio(room, now);
            self.tell_speakers(room, now);
        }
        self.choose_all_layers(now);
        self.notice_silence(now);
    }

    fn report_reception(&mut self, now: Instant) {
        self.tally_estimates();
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            if !peer.home.is_here() {
                continue;
            }
            if let Some(reason) = peer.overdue(now) {
                self.remove(key, reason, now);
                continue;
            }
            let own = peer.own_ssrc;
            let reports: Vec<_> = peer
                .streams
                .iter_mut()
                .filter_map(|stream| stream.report(now))
                .collect();
            if reports.is_empty() {
                continue;
            }
            peer.note_losses(&reports, now);
            let mut compound = Compound::receiver(own, reports);
            let video = |source: Source| Kind::of(source) == Kind::Video;
            let media: Vec<u32> = (peer.streams.iter())
                .filter(|stream| video(stream.source))
                .map(|stream| stream.ssrc)
                .collect();
            let limits = peer
                .sends
                .codecs()
                .any(|(source, codec)| video(source) && codec.remb() && !codec.reports_arrivals());
            if limits && !media.is_empty() {
                let bits = peer.uplink.rate() as u32;
                compound = compound.bandwidth(own, bits, media);
            }
            self.say(key, &compound);
        }
    }

    fn drive_handshakes(&mut self, now: Instant) {
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            let Some(wake) = peer.handshake.wake else {
                continue;
            };
            if wake > now {
                self.timers.hasten(Timer::Handshakes, wake);
                continue;
            }
            peer.handshake.wake = None;
            self.wake(key, now);
            self.take_turns(key, |sfu| sfu.wake(key, now));
        }
    }
}
