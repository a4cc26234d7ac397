//! What a client declared that it sends: which source on which line, with which codec. Whatever a packet says of itself, it belongs
//! to a declared source or to none.

use conclave_policy::source::Source;

use crate::media::codec::Codec;
use crate::media::offer::{Description, Purpose};
use crate::media::rtp::Header;

/// The sending lines of one offer; each source stands once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sends(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    source: Source,
    mid: String,
    codec: Codec,
}

impl Sends {
    /// Those of this offer.
    pub(crate) fn of(description: &Description) -> Self {
        let lines = description
            .lines
            .iter()
            .filter_map(|line| match &line.purpose {
                Purpose::Send(source, codec) => Some(Line {
                    source: *source,
                    mid: line.mid.clone(),
                    codec: codec.clone(),
                }),
                _ => None,
            });
        Self(lines.collect())
    }

    /// The codec of a source.
    pub(crate) fn codec(&self, source: Source) -> Option<&Codec> {
        let line = self.0.iter().find(|line| line.source == source)?;
        Some(&line.codec)
    }

    /// The codecs of all.
    pub(crate) fn codecs(&self) -> impl Iterator<Item = (Source, &Codec)> {
        self.0.iter().map(|line| (line.source, &line.codec))
    }

    /// The header extension that numbers packets for reports of their arrival.
    pub(crate) fn arrival_extension(&self) -> Option<u8> {
        let line = self.0.iter().find(|line| line.codec.reports_arrivals())?;
        line.codec.extensions.transport_cc
    }

    /// The source that a new stream was declared for, and whether it carries repairs: by the media identifier in the packet
    /// (RFC 9143, section 9.2) or by its announced SSRC, which must not contradict.
    pub(crate) fn declared(&self, header: &Header, datagram: &[u8]) -> Option<(Source, bool)> {
        let line = match (self.by_mid(header, datagram), self.by_ssrc(header.ssrc)) {
            (Mid::Known(by_mid), Some(by_ssrc)) if by_mid.source != by_ssrc.source => return None,
            (Mid::Known(by_mid), _) => by_mid,
            (Mid::Strange, _) => return None,
            (Mid::Absent, by_ssrc) => by_ssrc?,
        };
        if header.payload_type == line.codec.payload_type {
            Some((line.source, false))
        } else if line.codec.repair_type == Some(header.payload_type) {
            Some((line.source, true))
        } else {
            None
        }
    }

    fn by_mid(&self, header: &Header, datagram: &[u8]) -> Mid<'_> {
        let mut found = Mid::Absent;
        for line in &self.0 {
            let Some(id) = line.codec.extensions.mid else {
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
            let mut streams = line.codec.streams.iter();
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
