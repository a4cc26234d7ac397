//! One codec for each kind, Opus and VP8, as a client numbers it in a media line. What else the line offers is passed over.

use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;

use crate::media::offer::Kind;

/// A codec as this client numbers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    /// Payload type of Opus or VP8.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588).
    pub repair_type: Option<u8>,
    /// Lost packets may be asked for.
    pub nack: bool,
    /// Key frames may be asked for.
    pub pli: bool,
    /// Arrival times may be reported.
    pub transport_cc: bool,
    /// A bandwidth may be reported.
    pub remb: bool,
    /// The client's identifiers of header extensions.
    pub extensions: Extensions,
    /// Streams that the client announces, each with that of its retransmissions.
    pub streams: Vec<(u32, Option<u32>)>,
}

impl Codec {
    /// Whether the client can use reports of arrival times, and marks its packets for them.
    pub const fn reports_arrivals(&self) -> bool {
        self.transport_cc && self.extensions.transport_cc.is_some()
    }
}

/// Identifiers of header extensions, each chosen by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Which line a packet belongs to (RFC 9143).
    pub mid: Option<u8>,
    /// How loud the packet is (RFC 6464).
    pub level: Option<u8>,
    /// A sequence number across the transport.
    pub transport_cc: Option<u8>,
}

/// Names of header extensions.
pub mod uri {
    /// RFC 9143.
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    /// RFC 6464.
    pub const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    pub const TRANSPORT_CC: &str =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
}

/// What a media line says of its codec; `None` if it does not offer it.
pub(crate) fn read_codec(media: &MediaDescription, kind: Kind) -> Option<Codec> {
    let wanted = match kind {
        Kind::Audio => "opus/48000",
        Kind::Video => "vp8/90000",
        Kind::Other => return None,
    };
    let maps = || values(&media.attributes, "rtpmap").filter_map(numbered);
    let named = |name: &str, wanted: &str| {
        name.get(..wanted.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    };
    let (payload_type, _) = maps().find(|(_, name)| named(name, wanted))?;
    let own = format!("apt={payload_type}");
    let repairs = |number: u8| {
        values(&media.attributes, "fmtp")
            .filter_map(numbered)
            .any(|(of, value)| of == number && value.split(';').any(|part| part.trim() == own))
    };
    let repair_type = maps()
        .find(|(number, name)| named(name, "rtx/90000") && repairs(*number))
        .map(|(number, _)| number);
    let feedback = |wanted: &str| {
        values(&media.attributes, "rtcp-fb")
            .filter_map(|value| value.split_once(' '))
            .any(|(number, value)| {
                value.trim() == wanted && (number == "*" || number.parse() == Ok(payload_type))
            })
    };
    Some(Codec {
        payload_type,
        repair_type,
        nack: feedback("nack"),
        pli: feedback("nack pli"),
        transport_cc: feedback("transport-cc"),
        remb: feedback("goog-remb"),
        extensions: read_extensions(&media.attributes),
        streams: read_streams(&media.attributes),
    })
}

/// `number rest`, where the number is a payload type that RTP may use beside RTCP (RFC 5761, section 4).
fn numbered(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.split_once(' ')?;
    let number = number.parse().ok()?;
    (number < 128 && !(64..96).contains(&number)).then_some((number, rest.trim()))
}

fn read_extensions(attributes: &[Attribute]) -> Extensions {
    let mut extensions = Extensions::default();
    for (id, name) in values(attributes, "extmap").filter_map(|value| value.split_once(' ')) {
        // A direction may follow the number: `9/sendonly`.
        let id = id
            .split('/')
            .next()
            .and_then(|id| id.parse().ok())
            .filter(|id| (1..=14).contains(id));
        let place = match name.split(' ').next() {
            Some(uri::MID) => &mut extensions.mid,
            Some(uri::LEVEL) => &mut extensions.level,
            Some(uri::TRANSPORT_CC) => &mut extensions.transport_cc,
            _ => continue,
        };
        *place = id;
    }
    extensions
}

/// Streams that a line announces at most: two of each, for a browser that changes them once.
const MOST_STREAMS: usize = 4;

fn read_streams(attributes: &[Attribute]) -> Vec<(u32, Option<u32>)> {
    let mut streams: Vec<(u32, Option<u32>)> = Vec::new();
    for group in values(attributes, "ssrc-group").filter_map(|value| value.strip_prefix("FID ")) {
        let mut members = group.split(' ').map_while(|ssrc| ssrc.parse().ok());
        if let Some(primary) = members.next() {
            streams.push((primary, members.next()));
        }
    }
    for ssrc in values(attributes, "ssrc").filter_map(|value| value.split(' ').next()?.parse().ok())
    {
        if !streams
            .iter()
            .any(|(primary, repair)| *primary == ssrc || *repair == Some(ssrc))
            && streams.len() < MOST_STREAMS
        {
            streams.push((ssrc, None));
        }
    }
    streams.truncate(MOST_STREAMS);
    streams
}

/// Whether the attribute stands there.
pub(crate) fn has(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}

/// The first value of an attribute.
pub(crate) fn value<'a>(attributes: &'a [Attribute], key: &'a str) -> Option<&'a str> {
    values(attributes, key).next()
}

/// All values of an attribute.
pub(crate) fn values<'a>(
    attributes: &'a [Attribute],
    key: &'a str,
) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.key == key)
        .filter_map(|attribute| attribute.value.as_deref())
}
