//! How each transport of a room does, as this end of it sees: plain values for the people who host the room. What a part has
//! not measured is absent, never zero. It names participants and is therefore no part of the metrics.

use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::source::Source;
use serde::Serialize;

use crate::media::aim::FASTEST;
use crate::media::codec::Codec;
use crate::media::descriptor::{MOST_LAYERS, Size};
use crate::media::gauge::Gauge;
use crate::media::peer::{Edge, Peer};
use crate::media::sfu::Sfu;
use crate::media::slot::Feed;

/// Where the estimates are counted apart: below the first there is a voice and a small picture, above the last everything.
const STEPS: [u64; 3] = [300_000, 1_000_000, 3_000_000];

/// One participant's transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct PeerQuality {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// What protects its media; none while there are no keys.
    pub profile: Option<&'static str>,
    /// By which way its packets come.
    pub way: Option<Way>,
    /// What it can receive, as estimated, in bits per second.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub estimate: Option<u64>,
    /// From here to there and back, in milliseconds.
    pub round_trip_ms: Option<u32>,
    /// What comes from it.
    pub sources: Vec<SourceQuality>,
    /// What goes to it: the slots that carry something.
    pub slots: Vec<SlotQuality>,
}

/// By which way the packets of a transport come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A TCP connection (RFC 6544).
    Tcp,
}

/// What comes from a participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SourceQuality {
    /// Which source.
    pub source: Source,
    /// As negotiated, such as `VP8`.
    pub codec: Option<&'static str>,
    /// Packets that came and were authentic.
    #[cfg_attr(test, ts(type = "number"))]
    pub packets: u64,
    /// Bytes of their payloads.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub bytes: Option<u64>,
    /// Packets that never came.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub lost: Option<u64>,
    /// Packets that came by a repair.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub repaired: Option<u64>,
    /// Packets sent on, once for each receiver.
    #[cfg_attr(test, ts(type = "number"))]
    pub forwarded: u64,
    /// Packets that went nowhere, by reason.
    pub drops: Vec<Dropped>,
    /// Its sizes, the smallest first, be they encodings or layers of one stream; none if there is only one.
    pub layers: Vec<LayerQuality>,
}

/// Packets that went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct Dropped {
    /// Why.
    pub reason: DropReason,
    /// How many.
    #[cfg_attr(test, ts(type = "number"))]
    pub packets: u64,
}

/// Why a packet went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// No permit stood.
    NotPermitted,
    /// It came faster than any honest sender's.
    OverRate,
    /// Nobody receives it.
    NoReceiver,
}

/// One size of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct LayerQuality {
    /// 0 is the smallest.
    pub layer: u8,
    /// What came of it lately, without the smaller ones that it may need, in bits per second.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub bitrate: Option<u64>,
    /// Whether anybody wants it, as far as its publisher is told.
    pub wanted: Option<bool>,
}

/// A receive slot that carries something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct SlotQuality {
    /// Whose media.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Which of their sources.
    pub source: Source,
    /// Which encoding is sent now.
    pub layer: Option<u8>,
    /// Which encoding is to be sent as soon as it can be begun with.
    pub target: Option<u8>,
    /// Packets sent.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub packets: Option<u64>,
    /// Bytes of their payloads.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub bytes: Option<u64>,
    /// Packets that the receiver reports as lost.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub lost: Option<u64>,
    /// Packets sent again.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub repaired: Option<u64>,
}

impl Sfu {
    /// How the transports of a room do; nobody's without one.
    pub fn quality(&self, room: RoomId) -> Vec<PeerQuality> {
        let members = self.rooms.get(&room).map(|room| room.members.values());
        let peers = members.into_iter().flatten();
        peers
            .filter_map(|key| self.peers.get(*key))
            .filter(|peer| peer.home.is_here())
            .map(|peer| self.quality_of(peer))
            .collect()
    }

    /// How many transports are estimated to take how much, for the metrics: no line of it says whose.
    pub(crate) fn tally_estimates(&mut self) {
        let mut steps = [0_u64; 4];
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get(key) else {
                continue;
            };
            if !peer.downlink.estimator().is_informed() {
                continue;
            }
            let estimate = peer.estimate();
            let place = STEPS.iter().filter(|step| estimate >= **step).count();
            if let Some(step) = steps.get_mut(place) {
                *step += 1;
            }
        }
        let counters = &mut self.counters;
        [
            counters.estimate_to_300k_peers,
            counters.estimate_to_1m_peers,
            counters.estimate_to_3m_peers,
            counters.estimate_over_3m_peers,
        ] = steps;
    }

    /// What one receiver gets of one source.
    fn edge_of(&self, viewer: &Peer, feed: &Feed) -> Option<&Edge> {
        let publisher = self.peers.get(feed.publisher)?;
        let mut edges = publisher.publication(feed.source).edges.iter();
        edges.find(|edge| edge.viewer == viewer.key)
    }

    fn quality_of(&self, peer: &Peer) -> PeerQuality {
        let way = peer.downlink.estimator();
        let trip = way.round_trip().map(|trip| trip.as_millis());
        let sources = Source::ALL
            .into_iter()
            .map(|source| source_of(peer, source));
        let slots = peer.slots.iter().filter_map(|slot| {
            let feed = slot.feed()?;
            let edge = self.edge_of(peer, feed);
            let (packets, bytes) = slot.sent();
            Some(SlotQuality {
                participant: feed.participant,
                source: feed.source,
                layer: edge.and_then(|edge| edge.layer.current),
                target: edge.and_then(|edge| edge.choice).map(|choice| choice.goal),
                packets: Some(u64::from(packets)),
                bytes: Some(u64::from(bytes)),
                lost: None,
                repaired: None,
            })
        });
        PeerQuality {
            participant: peer.participant,
            profile: peer.secured.as_ref().map(|keys| keys.profile.name()),
            way: peer.agent.selected().map(|path| match path.stream_place() {
                None => Way::Udp,
                Some(_) => Way::Tcp,
            }),
            estimate: way.is_informed().then(|| peer.estimate()),
            round_trip_ms: trip.and_then(|trip| u32::try_from(trip).ok()),
            sources: sources.filter(|source| source.packets > 0).collect(),
            slots: slots.collect(),
        }
    }
}

fn source_of(peer: &Peer, source: Source) -> SourceQuality {
    let publication = peer.publication(source);
    SourceQuality {
        source,
        codec: publication.codec.map(Codec::name),
        packets: publication.received,
        bytes: None,
        lost: None,
        repaired: None,
        forwarded: publication.forwarded,
        drops: vec![Dropped {
            reason: DropReason::NotPermitted,
            packets: publication.dropped,
        }],
        layers: layers_of(peer, source),
    }
}

/// The sizes of a source, if it has several: its encodings, or the layers of its stream.
pub(crate) fn layers_of(peer: &Peer, source: Source) -> Vec<LayerQuality> {
    let publication = peer.publication(source);
    if peer.is_stacked(source) {
        return publication.gauges.first().map_or_else(Vec::new, stacked);
    }
    let encodings = (0_u8..).zip(&publication.gauges);
    let known = peer
        .sends
        .codecs_of(source)
        .map_or(0, |codecs| codecs.encodings());
    let layers = encodings.take(known).map(|(layer, gauge)| LayerQuality {
        layer,
        bitrate: Some(gauge.bits(0, FASTEST)),
        wanted: publication.wanted.is_told(layer),
    });
    layers.collect()
}

/// The layers in size of one stream. Whether anybody wants one of them the publisher is not told.
fn stacked(gauge: &Gauge) -> Vec<LayerQuality> {
    let up_to = |layers: usize| match layers.checked_sub(1).map(u8::try_from) {
        Some(Ok(size)) => gauge.bits(size, FASTEST),
        _ => 0,
    };
    let own = |size: usize| up_to(size + 1).saturating_sub(up_to(size));
    let told = |size: usize| {
        let size = gauge.sizes.get(size).copied().unwrap_or_default();
        size != Size::default()
    };
    let count = (1..MOST_LAYERS)
        .rev()
        .find(|size| told(*size) || own(*size) > 0);
    let layers = (0..).zip(0..count.map_or(0, |highest| highest + 1));
    layers
        .map(|(layer, size)| LayerQuality {
            layer,
            bitrate: Some(own(size)),
            wanted: None,
        })
        .collect()
}
