//! What becomes of an authentic packet before it is forwarded: which source and encoding it is of by declaration, whether that
//! source is permitted and within its rate, and whether it is new. It sends nothing.

use std::time::{Duration, Instant};

use conclave_policy::source::Source;

use crate::media::av1::{self, Dependency};
use crate::media::codec::Codec;
use crate::media::dependency::LONGEST;
use crate::media::descriptor::Descriptor;
use crate::media::offer::Kind;
use crate::media::peer::{Peer, Publication, Refused};
use crate::media::rtp::{Header, unpad};
use crate::media::sends::Declared;
use crate::media::srtp::Opened;
use crate::media::stream::{Packet, Stream};

/// How often a source may change its codec: everyone's places follow it.
const CODECS: Duration = Duration::from_secs(1);

impl Publication {
    /// Whether the source comes in another codec from this packet on: not with each packet, and not before something begins that a
    /// receiver can begin with.
    fn may_change(&mut self, packet: &Packet<'_>, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < CODECS;
        if self.recoded.is_some_and(lately) {
            return false;
        }
        let begins = packet.codec.kind() == Kind::Audio
            || (packet.descriptor).is_some_and(|descriptor| descriptor.key_frame());
        if !begins {
            let wanted = self.key_frames_wanted.get_mut(usize::from(packet.layer));
            wanted.into_iter().for_each(|wanted| *wanted = true);
            return false;
        }
        self.recoded = Some(now);
        true
    }
}

/// Whether whoever receives the one can be sent the other in the same place: a sender changes between sound with and without
/// what came before as it goes.
fn is_alike(one: Codec, other: Codec) -> bool {
    let sound = |codec| matches!(codec, Codec::Opus | Codec::Red);
    one == other || sound(one) && sound(other)
}

impl Peer {
    /// Judges an authenticated packet. What comes back is kept, and to be forwarded. Every encoding and every repair of a source
    /// stands and falls with its one permit and fills its one bucket.
    pub(crate) fn admit<'a>(
        &mut self,
        opened: &Opened,
        datagram: &'a [u8],
        now: Instant,
    ) -> (Option<Source>, Result<Packet<'a>, Refused>) {
        let Some((place, codec)) = self.stream_of(&opened.header, datagram, now) else {
            return (None, Err(Refused::UnknownStream));
        };
        let Some(of) = self.streams.get_mut(place).map(|stream| {
            stream.count(opened.index, opened.header.timestamp, now);
            Declared {
                source: stream.source,
                layer: stream.layer,
                repair: stream.repair,
            }
        }) else {
            return (None, Err(Refused::UnknownStream));
        };
        let source = of.source;
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
        let packet = self.unwrap(of, codec, opened, datagram, now);
        if let Ok(packet) = &packet {
            let expected = self.codec(source);
            let publication = self.publication_mut(source);
            let recoded = match publication.codec {
                None => expected != Some(packet.codec),
                Some(known) if known == packet.codec => false,
                Some(known) => {
                    let changes = publication.may_change(packet, now);
                    if !changes && !is_alike(known, packet.codec) {
                        return (Some(source), Err(Refused::OverRate));
                    }
                    changes
                }
            };
            publication.history.keep(Kind::of(source), packet, now);
            if recoded || publication.codec.is_none() {
                publication.codec = Some(packet.codec);
            }
            if let Some(gauge) = publication.gauges.get_mut(usize::from(packet.layer)) {
                let (size, rate, _) = packet.layers();
                gauge.count((size, rate), packet.payload.len(), now);
                if let Some(descriptor) = packet.descriptor.filter(Descriptor::key_frame)
                    && let Some(sizes) = descriptor.sizes(packet.payload)
                {
                    gauge.learn(sizes);
                }
            }
            if recoded {
                self.recoded = Some(source);
            }
        }
        (Some(source), packet)
    }

    /// The packet as its first sending had it.
    fn unwrap<'a>(
        &mut self,
        of: Declared,
        codec: Codec,
        opened: &Opened,
        datagram: &'a [u8],
        now: Instant,
    ) -> Result<Packet<'a>, Refused> {
        let level = self.level(of.source, &opened.header, datagram);
        let payload = datagram
            .get(opened.payload.clone())
            .ok_or(Refused::Malformed)?;
        let payload = unpad(&opened.header, payload).ok_or(Refused::Malformed)?;
        let stream = self
            .primary(of.source, of.layer)
            .ok_or(Refused::UnknownStream)?;
        let (index, payload) = if of.repair {
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
        let is_new = stream.take(index, now);
        let misses = stream.misses();
        self.gap |= misses;
        if !is_new {
            return Err(Refused::Duplicate);
        }
        let dependency = self.dependency(of, &opened.header, datagram);
        let descriptor = Descriptor::parse(codec, payload, dependency.map(|(read, _)| read));
        // Only padding may have no descriptor; it is forwarded so that the numbers stay without gaps.
        if codec.kind() == Kind::Video && descriptor.is_none() && !payload.is_empty() {
            return Err(Refused::Malformed);
        }
        let mut packet = Packet {
            layer: of.layer,
            codec,
            stacked: self.is_stacked(of.source),
            index,
            skips: Default::default(),
            timestamp: opened.header.timestamp,
            marker: opened.header.marker,
            level,
            descriptor,
            clock: None,
            dependency: match (codec, dependency) {
                (Codec::Av1(_), Some((_, bytes))) if bytes.len() <= LONGEST => bytes,
                _ => &[],
            },
            payload,
        };
        self.place(&mut packet, of).ok_or(Refused::Duplicate)?;
        Ok(packet)
    }

    /// Gives a packet its place among those of fewer layers, and its sender's clock; `None` if it comes so late that nobody knows
    /// its place.
    fn place(&mut self, packet: &mut Packet<'_>, of: Declared) -> Option<()> {
        let stream = self.primary(of.source, of.layer)?;
        packet.clock = stream.clock;
        if packet.codec.kind() == Kind::Audio {
            return Some(());
        }
        let mut ranks = stream.ranks;
        let history = &self.publication(of.source).history;
        let before = |index| history.before(of.layer, index);
        packet.skips = ranks.note(packet.index, packet.layers(), before)?;
        self.primary(of.source, of.layer)?.ranks = ranks;
        Some(())
    }

    /// What the dependency descriptor of a packet says, if it has one that refers to a structure that came, and its bytes.
    fn dependency<'a>(
        &mut self,
        of: Declared,
        header: &Header,
        datagram: &'a [u8],
    ) -> Option<(Dependency, &'a [u8])> {
        let id = self.sends.codecs_of(of.source)?.extensions.dependency?;
        let (_, value) = header
            .extensions(datagram)
            .find(|(known, _)| *known == id)?;
        let stream = self.primary(of.source, of.layer)?;
        let read = av1::read(value, &mut stream.structure)?;
        if read.key_frame
            && let Some(sizes) = stream.structure.as_ref().and_then(|own| own.sizes)
        {
            let layer = usize::from(of.layer);
            if let Some(gauge) = self.publication_mut(of.source).gauges.get_mut(layer) {
                gauge.learn(sizes);
            }
        }
        Some((read, value))
    }

    fn level(&self, source: Source, header: &Header, datagram: &[u8]) -> Option<u8> {
        let id = self.sends.codecs_of(source)?.extensions.level?;
        let (_, value) = header
            .extensions(datagram)
            .find(|(known, _)| *known == id)?;
        value.first().copied()
    }

    /// The place of a packet's stream, and its codec. A stream belongs to a source by what signalling declared, never by what it
    /// carries; which one, its first authentic packet tells once for all.
    fn stream_of(
        &mut self,
        header: &Header,
        datagram: &[u8],
        now: Instant,
    ) -> Option<(usize, Codec)> {
        let known = |stream: &Stream| stream.ssrc == header.ssrc;
        if let Some(place) = self.streams.iter().position(known) {
            let stream = self.streams.get(place)?;
            let of = Declared {
                source: stream.source,
                layer: stream.layer,
                repair: stream.repair,
            };
            return Some((place, self.sends.codec(of, header.payload_type)?));
        }
        let of = self.sends.declared(header, datagram)?;
        let codec = self.sends.codec(of, header.payload_type)?;
        let rival = self.streams.iter().position(|stream| {
            stream.source == of.source && stream.layer == of.layer && stream.repair == of.repair
        });
        if let Some(rival) = rival {
            // One stream for each encoding: a second one beside it is no part of the source.
            if !self.streams.get(rival)?.is_silent(now) {
                return None;
            }
            self.streams.remove(rival);
        }
        self.streams.push(Stream::new(header.ssrc, of, codec, now));
        if !of.repair {
            // The numbers of another stream mean other packets.
            let publication = self.publication_mut(of.source);
            publication.history.clear_layer(of.layer);
            publication.pending.drop_layer(of.layer);
            self.begun = Some((of.source, of.layer));
        }
        Some((self.streams.len() - 1, codec))
    }
}
