//! One participant's transport and everything that hangs on it: ICE, DTLS, keys, streams, slots, and the standing permits.
//! When it goes, all of that goes.

use std::time::Instant;

use conclave_policy::actions::{Connect, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::media::answer::Local;
use crate::media::arrivals::Arrivals;
use crate::media::downlink::Downlink;
use crate::media::dtls::Session;
use crate::media::estimate::loss::LossBound;
use crate::media::event::{PeerKey, Receive, Slot, View};
use crate::media::history::{History, Pending};
use crate::media::ice::Agent;
use crate::media::loudness::Loudness;
use crate::media::offer::{Description, Kind};
use crate::media::rate::{Bucket, Meter};
use crate::media::rtcp::ReceptionReport;
use crate::media::rtp::{Header, unpad};
use crate::media::sends::Sends;
use crate::media::slot::OutSlot;
use crate::media::srtp::{Opened, Opener, Profile, Sealer};
use crate::media::stream::{Packet, Stream};
use crate::media::vp8::Descriptor;

/// What a publisher that cannot use arrival times may send, in bits a second: at most what the best layer needs.
const UPLINK: (f64, f64) = (150_000.0, 3_000_000.0);
/// Packets between two of our reception reports, about.
const REPORTED: u32 = 50;

/// One receiver of a source, and the slot in which it gets it. It stands only while both permits do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) viewer: PeerKey,
    pub(crate) slot: usize,
}

/// What stands behind one source of one participant.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    /// Without it no packet of the source is forwarded.
    pub(crate) permit: Option<Permit<Publish>>,
    /// Who receives it.
    pub(crate) edges: Vec<Edge>,
    /// The last packets of all its layers.
    pub(crate) history: History,
    /// Which of them are still to be sent on.
    pub(crate) pending: Pending,
    pub(crate) loudness: Loudness,
    pub(crate) bucket: Bucket,
    pub(crate) meter: Meter,
    /// A receiver waits for a key frame.
    pub(crate) key_frame_wanted: bool,
    pub(crate) key_frame_asked: Option<Instant>,
    pub(crate) received: u64,
    pub(crate) forwarded: u64,
    pub(crate) dropped: u64,
}

/// The DTLS side of a peer.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) session: Option<Box<dyn Session>>,
    /// When the session wants to be advanced.
    pub(crate) wake: Option<Instant>,
    /// Sessions that failed before there were keys.
    pub(crate) failures: u8,
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
    /// Behind the transport itself.
    pub(crate) permit: Permit<Connect>,
    pub(crate) description: Description,
    /// What of the description the client sends.
    pub(crate) sends: Sends,
    pub(crate) local: Local,
    pub(crate) agent: Agent,
    pub(crate) handshake: Handshake,
    pub(crate) secured: Option<Secured>,
    pub(crate) streams: Vec<Stream>,
    /// A source that just began in a new stream.
    pub(crate) begun: Option<Source>,
    pub(crate) arrivals: Arrivals,
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
    /// The way from the participant, if they cannot use arrival times: what losses allow.
    pub(crate) uplink: LossBound,
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
        Self {
            key,
            room: permit.room(),
            participant: permit.action().participant,
            permit,
            sends: Sends::of(&description),
            description,
            local,
            agent,
            handshake: Handshake::default(),
            secured: None,
            streams: Vec::new(),
            begun: None,
            arrivals: Arrivals::new(now),
            own_ssrc,
            watch: None,
            publications: Default::default(),
            views: Vec::new(),
            most: Receive::default(),
            slots,
            slots_changed: false,
            uplink: LossBound::new(UPLINK),
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

    /// The stream of a source (not that of its repairs).
    pub(crate) fn primary(&mut self, source: Source) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.source == source && !stream.repair)
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

    /// Judges an authenticated packet: which source it belongs to by declaration, whether that source is permitted, and
    /// whether it is new. What comes back is to be forwarded.
    pub(crate) fn admit<'a>(
        &mut self,
        opened: &Opened,
        datagram: &'a [u8],
        now: Instant,
    ) -> (Option<Source>, Result<Packet<'a>, Refused>) {
        let Some(place) = self.stream_of(&opened.header, datagram, now) else {
            return (None, Err(Refused::UnknownStream));
        };
        let Some((source, repair)) = self.streams.get_mut(place).map(|stream| {
            stream.count(opened.index, opened.header.timestamp, now);
            (stream.source, stream.repair)
        }) else {
            return (None, Err(Refused::UnknownStream));
        };
        let publication = self.publication_mut(source);
        publication.received += 1;
        if publication.permit.is_none() {
            publication.dropped += 1;
            return (Some(source), Err(Refused::NotPermitted));
        }
        if !publication.bucket.take(Kind::of(source), now) {
            return (Some(source), Err(Refused::OverRate));
        }
        publication.meter.count(datagram.len(), now);
        let packet = self.unwrap(source, repair, opened, datagram, now);
        if let Ok(packet) = &packet {
            let history = &mut self.publication_mut(source).history;
            history.keep(Kind::of(source), packet);
        }
        (Some(source), packet)
    }

    /// The packet as its first sending had it.
    fn unwrap<'a>(
        &mut self,
        source: Source,
        repair: bool,
        opened: &Opened,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Packet<'a>, Refused> {
        let level = self.level(source, &opened.header, datagram);
        let payload = datagram
            .get(opened.payload.clone())
            .ok_or(Refused::Malformed)?;
        let payload = unpad(&opened.header, payload).ok_or(Refused::Malformed)?;
        let stream = self.primary(source).ok_or(Refused::UnknownStream)?;
        let (index, payload) = if repair {
            // RFC 4588, section 4: the first number stands before the payload. Without one it is padding.
            let (number, payload) = payload.split_first_chunk::<2>().ok_or(Refused::Duplicate)?;
            (
                stream
                    .index_of(u16::from_be_bytes(*number))
                    .ok_or(Refused::Duplicate)?,
                payload,
            )
        } else {
            (opened.index, payload)
        };
        if !stream.take(index, now) {
            return Err(Refused::Duplicate);
        }
        let video = matches!(source, Source::Camera | Source::Screen);
        let descriptor = if video {
            Descriptor::parse(payload)
        } else {
            None
        };
        // Only padding may have no descriptor; it is forwarded so that the numbers stay without gaps.
        if video && descriptor.is_none() && !payload.is_empty() {
            return Err(Refused::Malformed);
        }
        Ok(Packet {
            layer: 0,
            index,
            timestamp: opened.header.timestamp,
            marker: opened.header.marker,
            level,
            descriptor,
            payload,
        })
    }

    fn level(&self, source: Source, header: &Header, datagram: &[u8]) -> Option<u8> {
        let id = self.sends.codec(source)?.extensions.level?;
        let (_, value) = header
            .extensions(datagram)
            .find(|(known, _)| *known == id)?;
        value.first().copied()
    }

    /// The place of a packet's stream. A stream belongs to a source by what signalling declared, never by what it carries: by
    /// its announced SSRC or by the media identifier in the packet (RFC 9143, section 9.2), which must not contradict.
    fn stream_of(&mut self, header: &Header, datagram: &[u8], now: Instant) -> Option<usize> {
        if let Some(place) = self
            .streams
            .iter()
            .position(|stream| stream.ssrc == header.ssrc)
        {
            let stream = self.streams.get(place)?;
            let codec = self.sends.codec(stream.source)?;
            let expected = if stream.repair {
                codec.repair_type
            } else {
                Some(codec.payload_type)
            };
            return (expected == Some(header.payload_type)).then_some(place);
        }
        let (source, repair) = self.sends.declared(header, datagram)?;
        let rival = self
            .streams
            .iter()
            .position(|stream| stream.source == source && stream.repair == repair);
        if let Some(rival) = rival {
            // One stream for each source: a second one beside it is no part of the source.
            if !self.streams.get(rival)?.is_silent(now) {
                return None;
            }
            self.streams.remove(rival);
        }
        self.streams
            .push(Stream::new(header.ssrc, source, repair, now));
        if !repair {
            // The numbers of another stream mean other packets.
            let publication = self.publication_mut(source);
            publication.history.clear();
            publication.pending.clear();
            self.begun = Some(source);
        }
        Some(self.streams.len() - 1)
    }

    /// Notes when a packet arrived, for the sender's congestion control.
    pub(crate) fn note_arrival(&mut self, header: &Header, datagram: &[u8], now: Instant) {
        let Some(id) = self.sends.arrival_extension() else {
            return;
        };
        let number = header.extensions(datagram).find(|(known, _)| *known == id);
        if let Some(number) = number.and_then(|(_, value)| <[u8; 2]>::try_from(value).ok()) {
            self.arrivals.record(u16::from_be_bytes(number), now);
        }
    }
}
