//! What a client declared that it sends: which source on which line, with which codec. Whatever a packet says of itself, it belongs
//! to a declared source or to none.

use conclave_policy::source::Source;

use crate::media::codec::{Codec, Codecs};
use crate::media::offer::{Description, Purpose};
use crate::media::rtp::Header;

/// The sending lines of one offer; each source stands once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sends(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    source: Source,
    mid: String,
    codecs: Codecs,
}

/// What a stream was declared to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) source: Source,
    /// Which encoding of the source.
    pub(crate) layer: u8,
    /// It carries retransmissions.
    pub(crate) repair: bool,
}

impl Sends {
    /// Those of this offer.
    pub(crate) fn of(description: &Description) -> Self {
        let lines = description
            .lines
            .iter()
            .filter_map(|line| match &line.purpose {
                Purpose::Send(source, codecs) => Some(Line {
                    source: *source,
                    mid: line.mid.clone(),
                    codecs: codecs.clone(),
                }),
                _ => None,
            });
        Self(lines.collect())
    }

    /// One source as another shard tells of it.
    pub(crate) fn learn(&mut self, source: Source, codecs: Option<Codecs>) {
        self.0.retain(|line| line.source != source);
        self.0.extend(codecs.map(|codecs| Line {
            source,
            mid: String::new(),
            codecs,
        }));
    }

    /// The codecs in which a source may come.
    pub(crate) fn codecs_of(&self, source: Source) -> Option<&Codecs> {
        let line = self.0.iter().find(|line| line.source == source)?;
        Some(&line.codecs)
    }

    /// The codecs of all.
    pub(crate) fn codecs(&self) -> impl Iterator<Item = (Source, &Codecs)> {
        self.0.iter().map(|line| (line.source, &line.codecs))
    }

    /// The header extension that numbers packets for reports of their arrival.
    pub(crate) fn arrival_extension(&self) -> Option<u8> {
        let line = self.0.iter().find(|line| line.codecs.reports_arrivals())?;
        line.codecs.extensions.transport_cc
    }

    /// The codec of a packet of a known stream, if it is one of those agreed.
    pub(crate) fn codec(&self, of: Declared, payload_type: u8) -> Option<Codec> {
        let codecs = self.codecs_of(of.source)?;
        let format = if of.repair {
            codecs.repaired(payload_type)
        } else {
            codecs.numbered(payload_type)
        };
        Some(format?.codec)
    }

    /// What a new stream was declared for: by the media identifier in the packet (RFC 9143, section 9.2) or by its announced
    /// SSRC, which must not contradict; and, where the line has several encodings, by the name of one in the packet (RFC 8852).
    pub(crate) fn declared(&self, header: &Header, datagram: &[u8]) -> Option<Declared> {
        let line = match (self.by_mid(header, datagram), self.by_ssrc(header.ssrc)) {
            (Mid::Known(by_mid), Some(by_ssrc)) if by_mid.source != by_ssrc.source => return None,
            (Mid::Known(by_mid), _) => by_mid,
            (Mid::Strange, _) => return None,
            (Mid::Absent, by_ssrc) => by_ssrc?,
        };
        let codecs = &line.codecs;
        let repair = codecs.numbered(header.payload_type).is_none();
        if repair {
            codecs.repaired(header.payload_type)?;
        }
        let layer = if codecs.rids.is_empty() {
            0
        } else {
            let id = if repair {
                codecs.extensions.repaired
            } else {
                codecs.extensions.rid
            };
            let (_, name) = header
                .extensions(datagram)
                .find(|(known, _)| id == Some(*known))?;
            let place = codecs.rids.iter().position(|rid| rid.as_bytes() == name)?;
            u8::try_from(place).ok()?
        };
        Some(Declared {
            source: line.source,
            layer,
            repair,
        })
    }

    fn by_mid(&self, header: &Header, datagram: &[u8]) -> Mid<'_> {
        let mut found = Mid::Absent;
        for line in &self.0 {
            let Some(id) = line.codecs.extensions.mid else {
                continue;
            };
            for (_, value) in header
                .extensions(datagram)
                .filter(|(known, _)| *known == id)
            {
                if value == line.mid.as_bytes() {
                    return Mid::Known(line);
                }
                found = Mid::Strange;
            }
        }
        found
    }

    fn by_ssrc(&self, ssrc: u32) -> Option<&Line> {
        self.0.iter().find(|line| {
            let mut streams = line.codecs.streams.iter();
            streams.any(|(primary, repair)| *primary == ssrc || *repair == Some(ssrc))
        })
    }
}

/// What the media identifier of a packet says.
enum Mid<'a> {
    Absent,
    /// It names no sending line.
    Strange,
    Known(&'a Line),
}
