//! One participant's transport and everything that hangs on it: ICE, DTLS, keys, streams, slots, and the standing permits.
//! When it goes, all of that goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_policy::actions::{Connect, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::media::aim::Aim;
use crate::media::answer::Local;
use crate::media::arrivals::Arrivals;
use crate::media::codec::Codec;
use crate::media::downlink::Downlink;
use crate::media::estimate::loss::LossBound;
use crate::media::event::{PeerKey, Receive, Slot, View};
use crate::media::gauge::Gauge;
use crate::media::history::{History, Pending};
use crate::media::ice::{Agent, Credentials};
use crate::media::layers::Wanted;
use crate::media::loudness::Loudness;
use crate::media::mail::{Shards, Standing};
use crate::media::offer::{Description, Kind};
use crate::media::rate::{Bucket, Meter};
use crate::media::rtcp::ReceptionReport;
use crate::media::rtp::Header;
use crate::media::select::Choice;
use crate::media::sends::Sends;
use crate::media::shaking::Handshake;
use crate::media::simulcast::MOST_ENCODINGS;
use crate::media::slot::OutSlot;
use crate::media::srtp::{Opener, Profile, Sealer};
use crate::media::stream::Stream;
use crate::media::tap::Tap;
use crate::media::told::Told;

/// What a publisher that cannot use arrival times may send, in bits a second: at most what the best layer needs.
const UPLINK: (f64, f64) = (150_000.0, 3_000_000.0);
/// Packets between two of our reception reports, about.
const REPORTED: u32 = 50;
/// How often all receivers of a source are looked at when nothing was noticed.
const LOOK: Duration = Duration::from_secs(1);

/// One receiver of a source, and the slot in which it gets it. It stands only while both permits do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) viewer: PeerKey,
    pub(crate) slot: usize,
    /// Which of the source's layers go there.
    pub(crate) layer: Aim,
    /// What was chosen last, and why.
    pub(crate) choice: Option<Choice>,
}

/// Where a peer has its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// In this shard.
    Here,
    /// In another one; here it is a mirror, which only publishes.
    There {
        shard: u8,
        /// Its key there.
        key: PeerKey,
    },
}

impl Home {
    pub(crate) const fn is_here(self) -> bool {
        matches!(self, Self::Here)
    }
}

/// What stands behind one source of one participant.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    /// Without it no packet of the source is forwarded.
    pub(crate) permit: Option<Arc<Permit<Publish>>>,
    /// Other shards that the packets of each encoding go to, because somebody there wants them; of sound all that have members of
    /// the room. In a mirror: its home, if that was told that the encoding is wanted here.
    pub(crate) bound: [Shards; MOST_ENCODINGS],
    /// Who receives it.
    pub(crate) edges: Vec<Edge>,
    /// Who listens to it, to make captions.
    pub(crate) tap: Option<Box<Tap>>,
    /// The last packets of all its layers.
    pub(crate) history: History,
    /// Which of them are still to be sent on.
    pub(crate) pending: Pending,
    pub(crate) loudness: Loudness,
    pub(crate) bucket: Bucket,
    pub(crate) meter: Meter,
    /// In what the source came last.
    pub(crate) codec: Option<Codec>,
    /// Since when.
    pub(crate) recoded: Option<Instant>,
    /// What comes of each encoding.
    pub(crate) gauges: [Gauge; MOST_ENCODINGS],
    /// A receiver waits for a key frame of these encodings.
    pub(crate) key_frames_wanted: [bool; MOST_ENCODINGS],
    pub(crate) key_frame_asked: Option<Instant>,
    /// Of those who were served last, or are new, somebody waits for a key frame.
    pub(crate) awaited: bool,
    /// When it was last looked whether anybody does.
    looked: Option<Instant>,
    /// Which encodings anybody wants.
    pub(crate) wanted: Wanted,
    pub(crate) received: u64,
    pub(crate) forwarded: u64,
    pub(crate) dropped: u64,
}

impl Publication {
    /// The other shards that packets of an encoding go to.
    pub(crate) fn bound_for(&self, encoding: u8) -> Shards {
        let bound = self.bound.get(usize::from(encoding));
        bound.copied().unwrap_or_default()
    }

    /// Whether it is time to look at all receivers for one that waits for a key frame: at once when something was noticed, and
    /// now and then in any case.
    pub(crate) fn is_to_be_looked_at(&mut self, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < LOOK;
        let due = self.is_noticed() || !self.looked.is_some_and(lately);
        if due {
            self.looked = Some(now);
        }
        due
    }

    /// Whether it was noticed that a receiver waits for a key frame.
    pub(crate) fn is_noticed(&self) -> bool {
        self.awaited || self.key_frames_wanted.contains(&true)
    }

    /// Where the edge to this slot stands. `guess` is where it stood before, and nearly always still does: in a large room to look
    /// through all for each would be most of the work.
    pub(crate) fn edge_at(&self, viewer: PeerKey, slot: usize, guess: usize) -> Option<usize> {
        let own = |edge: &Edge| (edge.viewer, edge.slot) == (viewer, slot);
        match self.edges.get(guess) {
            Some(edge) if own(edge) => Some(guess),
            _ => self.edges.iter().position(own),
        }
    }

    /// Takes a receiver out, who may be in the midst of those that are served.
    pub(crate) fn remove_edge(&mut self, viewer: PeerKey, slot: usize) {
        let own = |edge: &Edge| (edge.viewer, edge.slot) == (viewer, slot);
        while let Some(place) = self.edges.iter().position(own) {
            self.edges.remove(place);
            if place < self.pending.done {
                self.pending.done -= 1;
            }
        }
    }
}

/// Keys and what they protect.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) profile: Profile,
    pub(crate) opener: Opener,
    pub(crate) sealer: Sealer,
}

/// A transport.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    pub(crate) room: RoomId,
    pub(crate) participant: ParticipantId,
    pub(crate) home: Home,
    /// Behind the transport itself, where that is.
    pub(crate) permit: Option<Permit<Connect>>,
    pub(crate) description: Description,
    /// What of the description the client sends.
    pub(crate) sends: Sends,
    pub(crate) local: Local,
    pub(crate) agent: Agent,
    pub(crate) handshake: Handshake,
    pub(crate) secured: Option<Secured>,
    pub(crate) streams: Vec<Stream>,
    /// A packet came, and others before it are missing.
    pub(crate) gap: bool,
    /// A source that just came in another codec than before.
    pub(crate) recoded: Option<Source>,
    /// An encoding of a source that just began in a new stream.
    pub(crate) begun: Option<(Source, u8)>,
    pub(crate) arrivals: Arrivals,
    /// It stands among the senders of the shard.
    pub(crate) sends_packets: bool,
    /// The stream named in reports that we send.
    pub(crate) own_ssrc: u32,
    /// Without it nothing is forwarded to the participant.
    pub(crate) watch: Option<Permit<Watch>>,
    publications: [Publication; Source::ALL.len()],
    pub(crate) views: Vec<View>,
    /// What the participant wants to receive at most.
    pub(crate) most: Receive,
    pub(crate) slots: Vec<OutSlot>,
    pub(crate) slots_changed: bool,
    /// The clocks that left for it.
    pub(crate) told: Told,
    /// The way from the participant, if they cannot use arrival times: what losses allow.
    pub(crate) uplink: LossBound,
    /// What the participant was told that its client cannot decode.
    pub(crate) undecodable: Vec<(ParticipantId, Source)>,
    /// The way to the participant: how much goes through.
    pub(crate) downlink: Downlink,
}

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    UnknownStream,
    NotPermitted,
    OverRate,
    Malformed,
    /// It came before, by the other way.
    Duplicate,
}

impl Peer {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a peer, made by the one place that makes peers"
    )]
    pub(crate) fn new(
        key: PeerKey,
        permit: Permit<Connect>,
        description: Description,
        local: Local,
        agent: Agent,
        slots: Vec<OutSlot>,
        own_ssrc: u32,
        now: Instant,
    ) -> Self {
        let (room, participant) = (permit.room(), permit.action().participant);
        Self {
            permit: Some(permit),
            slots,
            own_ssrc,
            ..Self::bare(key, room, participant, description, local, agent, now)
        }
    }

    /// A publisher whose transport is in another shard.
    pub(crate) fn mirror(
        key: PeerKey,
        room: RoomId,
        participant: ParticipantId,
        home: Home,
        now: Instant,
    ) -> Self {
        let agent = Agent::new(Credentials::none(), String::new(), now);
        let (description, local) = (Description::none(), Local::none());
        Self {
            home,
            ..Self::bare(key, room, participant, description, local, agent, now)
        }
    }

    fn bare(
        key: PeerKey,
        room: RoomId,
        participant: ParticipantId,
        description: Description,
        local: Local,
        agent: Agent,
        now: Instant,
    ) -> Self {
        Self {
            key,
            room,
            participant,
            home: Home::Here,
            permit: None,
            sends: Sends::of(&description),
            description,
            local,
            agent,
            handshake: Handshake::default(),
            secured: None,
            streams: Vec::new(),
            recoded: None,
            begun: None,
            gap: false,
            arrivals: Arrivals::new(now),
            sends_packets: false,
            own_ssrc: 0,
            watch: None,
            publications: Default::default(),
            views: Vec::new(),
            most: Receive::default(),
            slots: Vec::new(),
            slots_changed: false,
            told: Told::default(),
            uplink: LossBound::new(UPLINK),
            undecodable: Vec::new(),
            downlink: Downlink::new(now),
        }
    }

    pub(crate) const fn publication(&self, source: Source) -> &Publication {
        let [microphone, camera, screen, screen_audio] = &self.publications;
        match source {
            Source::Microphone => microphone,
            Source::Camera => camera,
            Source::Screen => screen,
            Source::ScreenAudio => screen_audio,
        }
    }

    pub(crate) const fn publication_mut(&mut self, source: Source) -> &mut Publication {
        let [microphone, camera, screen, screen_audio] = &mut self.publications;
        match source {
            Source::Microphone => microphone,
            Source::Camera => camera,
            Source::Screen => screen,
            Source::ScreenAudio => screen_audio,
        }
    }

    /// A source as other shards are told of it, if it stands.
    pub(crate) fn standing(&self, source: Source) -> Option<Standing> {
        let publication = self.publication(source);
        Some(Standing {
            permit: Arc::clone(publication.permit.as_ref()?),
            codecs: self.sends.codecs_of(source).cloned().map(Box::new),
            codec: publication.codec,
        })
    }

    /// Takes over what stood behind an older transport of the same participant.
    pub(crate) fn inherit(&mut self, older: &mut Self) {
        self.watch = older.watch.take();
        self.views = std::mem::take(&mut older.views);
        self.most = older.most;
        for source in Source::ALL {
            let before = older.publication_mut(source);
            let (permit, counts) = (
                before.permit.take(),
                (before.received, before.forwarded, before.dropped),
            );
            let publication = self.publication_mut(source);
            publication.permit = permit;
            publication.tap = before.tap.take();
            (
                publication.received,
                publication.forwarded,
                publication.dropped,
            ) = counts;
        }
    }

    /// What is about to be reported to the participant as lost, for what they may send.
    pub(crate) fn note_losses(&mut self, reports: &[ReceptionReport], now: Instant) {
        let arriving: u64 = (self.publications.iter())
            .map(|publication| publication.meter.rate(now))
            .sum();
        let worst = reports.iter().map(|report| report.fraction_lost).max();
        let worst = u32::from(worst.unwrap_or(0));
        let sending = arriving as f64 * 256.0 / f64::from(256 - worst);
        self.uplink.allow(sending);
        let lost = REPORTED * worst / 256;
        self.uplink.report(REPORTED, lost, sending, false, now);
    }

    /// Bits a second that the participant can be sent; for the choice of layers.
    pub(crate) fn estimate(&self) -> u64 {
        self.downlink.estimate()
    }

    /// What every slot shows.
    pub(crate) fn shown(&self) -> Vec<Slot> {
        let shown = self.slots.iter().map(|slot| Slot {
            mid: slot.mid.clone(),
            participant: slot.feed().map(|feed| feed.participant),
            source: slot.feed().map(|feed| feed.source),
        });
        shown.collect()
    }

    /// The stream of one encoding of a source (not that of its repairs).
    pub(crate) fn primary(&mut self, source: Source, layer: u8) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.source == source && stream.layer == layer && !stream.repair)
    }

    /// Whether the sizes of a source, if it has several, are layers of one stream.
    pub(crate) fn is_stacked(&self, source: Source) -> bool {
        self.sends
            .codecs_of(source)
            .is_none_or(|codecs| codecs.encodings() == 1)
    }

    /// In what a source comes, or will come if its client does as agreed.
    pub(crate) fn codec(&self, source: Source) -> Option<Codec> {
        let came = self.publication(source).codec;
        came.or_else(|| self.sends.codecs_of(source)?.first())
    }

    /// Whether a picture slot can carry a source of another.
    pub(crate) fn can_decode(&self, publisher: &Self, source: Source) -> bool {
        let slots = || {
            self.slots
                .iter()
                .filter(|slot| slot.kind == Kind::of(source))
        };
        publisher.codec(source).is_none_or(|codec| {
            slots().next().is_none() || slots().any(|slot| slot.receives(codec))
        })
    }

    /// Forgets what is kept of a source, be it for repairs or not sent yet.
    pub(crate) fn forget(&mut self, source: Source) {
        let publication = self.publication_mut(source);
        publication.history.clear();
        publication.pending.clear();
        self.streams
            .iter_mut()
            .filter(|stream| stream.source == source)
            .for_each(Stream::flush);
    }

    /// Notes when a packet arrived, for the sender's congestion control.
    pub(crate) fn note_arrival(&mut self, header: &Header, datagram: &[u8], now: Instant) {
        let Some(id) = self.sends.arrival_extension() else {
            return;
        };
        let number = header.extensions(datagram).find(|(known, _)| *known == id);
        if let Some(number) = number.and_then(|(_, value)| <[u8; 2]>::try_from(value).ok()) {
            (self.arrivals).record(u16::from_be_bytes(number), datagram.len(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_while_others_are_served_costs_nobody_their_turn() {
        let viewer = |place| PeerKey {
            place,
            generation: 0,
        };
        let mut publication = Publication::default();
        publication.edges.extend((0..6).map(|place| Edge {
            viewer: viewer(place),
            slot: 1,
            layer: Aim::WHOLE,
            choice: None,
        }));
        publication.pending.done = 3;
        publication.remove_edge(viewer(1), 1);
        publication.remove_edge(viewer(4), 1);
        publication.remove_edge(viewer(5), 2);
        let left = publication.edges.iter().skip(publication.pending.done);
        let left: Vec<u32> = left.map(|edge| edge.viewer.place).collect();
        assert_eq!(left, [3, 5]);
    }
}
