//! Writes the answer to an offer (RFC 8829): one ICE-lite transport, receive-only for sources, send-only with a fixed stream
//! for each slot. It decides nothing; it says what was decided.

use std::fmt::Write as _;
use std::net::SocketAddr;

use rtc_sdp::description::common::{Address, Attribute, ConnectionInformation};
use rtc_sdp::description::media::{MediaDescription, MediaName, RangedPort};
use rtc_sdp::description::session::SessionDescription;

use crate::media::codec::{Codec, Codecs, Format};
use crate::media::dtls::Fingerprint;
use crate::media::event::Answer;
use crate::media::extension::uri;
use crate::media::offer::{Description, Kind, Line, Purpose};
use crate::secret::Secret;

/// What the answer says of our side.
#[derive(Clone, Debug)]
pub struct Local {
    /// A number for the session description.
    pub session: u64,
    /// Our user fragment.
    pub ufrag: String,
    /// Our password.
    pub password: Secret<String>,
    /// The digest of our certificate.
    pub fingerprint: Fingerprint,
    /// Where we can be reached.
    pub candidates: Vec<SocketAddr>,
    /// Where we can be reached by TCP.
    pub stream_candidates: Vec<SocketAddr>,
    /// For each media line, the streams of its slot: the stream and that of its retransmissions.
    pub slots: Vec<Option<(u32, Option<u32>)>>,
}

impl Local {
    /// Of a peer that is never answered.
    pub(crate) const fn none() -> Self {
        Self {
            session: 0,
            ufrag: String::new(),
            password: Secret::new(String::new()),
            fingerprint: [0; 32],
            candidates: Vec::new(),
            stream_candidates: Vec::new(),
            slots: Vec::new(),
        }
    }
}

/// The name of the clock behind all slots of one answer.
pub const CNAME: &str = "conclave";

/// Writes the answer.
pub fn write(description: &Description, local: &Local) -> Answer {
    let mut session = SessionDescription::new_jsep_session_description(false);
    session.origin.session_id = local.session;
    session.origin.session_version = 1;
    let bundled = description
        .lines
        .iter()
        .filter(|line| line.purpose != Purpose::Refused);
    let group = bundled.clone().fold("BUNDLE".to_owned(), |group, line| {
        format!("{group} {}", line.mid)
    });
    session.attributes = vec![
        pair("group", group),
        flag("ice-lite"),
        pair(
            "fingerprint",
            format!("sha-256 {}", colons(&local.fingerprint)),
        ),
        // At session level, so that a restart changes them for every line at once.
        pair("ice-ufrag", local.ufrag.clone()),
        pair("ice-pwd", local.password.expose().clone()),
        pair("setup", "passive".to_owned()),
        pair("msid-semantic", "WMS *".to_owned()),
    ];
    if description.mixes_extensions {
        // What says of which layer a frame is, for three sizes, is longer than the short form takes: without the other it is left out.
        session.attributes.push(flag("extmap-allow-mixed"));
    }
    let first = bundled.map(|line| line.mid.as_str()).next();
    for (index, line) in description.lines.iter().enumerate() {
        let streams = local.slots.get(index).copied().flatten();
        let mut media = answer_line(line, streams);
        if first == Some(line.mid.as_str()) {
            transport(&mut media, local);
        }
        session.media_descriptions.push(media);
    }
    Answer {
        sdp: session.marshal(),
    }
}

/// The addresses stand in the first line of the bundle (RFC 9143, section 7.3.3).
fn transport(media: &mut MediaDescription, local: &Local) {
    for (index, address) in local.candidates.iter().enumerate() {
        // A host candidate of RTP (RFC 8445, section 5.1.2.1); the earlier in the list, the better.
        let preference = 65_535_usize.saturating_sub(index);
        let priority = (126 << 24) + (preference << 8) + 255;
        let (ip, port) = (address.ip(), address.port());
        media.attributes.push(pair(
            "candidate",
            format!("{index} 1 udp {priority} {ip} {port} typ host"),
        ));
    }
    for (index, address) in local.stream_candidates.iter().enumerate() {
        // RFC 6544, section 4.2: after every datagram path; the passive side of a host candidate has direction preference 4.
        let preference = (4 << 13) + 8191_usize.saturating_sub(index);
        let priority = (90 << 24) + (preference << 8) + 255;
        let (index, ip, port) = (local.candidates.len() + index, address.ip(), address.port());
        media.attributes.push(pair(
            "candidate",
            format!("{index} 1 tcp {priority} {ip} {port} typ host tcptype passive"),
        ));
    }
    media.attributes.push(flag("end-of-candidates"));
}

fn answer_line(line: &Line, streams: Option<(u32, Option<u32>)>) -> MediaDescription {
    let (codecs, direction) = match &line.purpose {
        Purpose::Send(_, codecs) => (Some(codecs), "recvonly"),
        Purpose::Slot(codecs) => (Some(codecs), "sendonly"),
        Purpose::Idle(codecs) => (Some(codecs), "inactive"),
        Purpose::Refused => (None, "inactive"),
    };
    let mut media = MediaDescription {
        media_name: name(line.kind, codecs),
        connection_information: Some(ConnectionInformation {
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            address: Some(Address {
                address: "0.0.0.0".to_owned(),
                ttl: None,
                range: None,
            }),
        }),
        ..MediaDescription::default()
    };
    media.attributes.push(pair("mid", line.mid.clone()));
    media.attributes.push(flag(direction));
    let Some(codecs) = codecs else { return media };
    media.attributes.push(flag("rtcp-mux"));
    media.attributes.push(flag("rtcp-rsize"));
    for format in &codecs.formats {
        describe_format(&mut media.attributes, codecs, format);
    }
    describe_extensions(&mut media.attributes, line, codecs);
    if line.sends() {
        describe_encodings(&mut media.attributes, codecs);
    }
    if let (Purpose::Slot(_), Some((ssrc, repair))) = (&line.purpose, streams) {
        media.attributes.push(pair(
            "msid",
            format!("slot-{mid} slot-{mid}", mid = line.mid),
        ));
        if let Some(repair) = repair {
            media
                .attributes
                .push(pair("ssrc-group", format!("FID {ssrc} {repair}")));
        }
        for ssrc in [Some(ssrc), repair].into_iter().flatten() {
            media
                .attributes
                .push(pair("ssrc", format!("{ssrc} cname:{CNAME}")));
        }
    }
    media
}

fn name(kind: Kind, codecs: Option<&Codecs>) -> MediaName {
    let media = match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
        Kind::Other => "application",
    };
    let tokens = |text: &str| text.split('/').map(str::to_owned).collect();
    match codecs {
        Some(codecs) => MediaName {
            media: media.to_owned(),
            // The discard port: candidates say the real one (RFC 8839, section 4.3.1).
            port: RangedPort {
                value: 9,
                range: None,
            },
            protos: tokens("UDP/TLS/RTP/SAVPF"),
            formats: (codecs.formats.iter())
                .flat_map(|format| [Some(format.payload_type), format.repair_type])
                .flatten()
                .map(|number| number.to_string())
                .collect(),
        },
        None => MediaName {
            media: media.to_owned(),
            port: RangedPort {
                value: 0,
                range: None,
            },
            protos: tokens(if kind == Kind::Other {
                "UDP/DTLS/SCTP"
            } else {
                "UDP/TLS/RTP/SAVPF"
            }),
            formats: vec![
                if kind == Kind::Other {
                    "webrtc-datachannel"
                } else {
                    "0"
                }
                .to_owned(),
            ],
        },
    }
}

fn describe_format(attributes: &mut Vec<Attribute>, codecs: &Codecs, format: &Format) {
    let number = format.payload_type;
    let (name, clock) = (format.codec.name(), format.codec.clock());
    let channels = match format.codec {
        Codec::Opus | Codec::Red => "/2",
        _ => "",
    };
    attributes.push(pair("rtpmap", format!("{number} {name}/{clock}{channels}")));
    if let Some(parameters) = &format.parameters {
        attributes.push(pair("fmtp", format!("{number} {parameters}")));
    }
    // Whoever receives reports arrivals if both can, else a bandwidth: we of what is sent to us, the client in a slot.
    let arrivals = format.transport_cc && codecs.reports_arrivals();
    let feedback = [
        (format.nack, "nack"),
        (format.pli, "nack pli"),
        (arrivals, "transport-cc"),
        (format.remb && !arrivals, "goog-remb"),
    ];
    for (_, name) in feedback.into_iter().filter(|(offered, _)| *offered) {
        attributes.push(pair("rtcp-fb", format!("{number} {name}")));
    }
    if let Some(repair) = format.repair_type {
        attributes.push(pair("rtpmap", format!("{repair} rtx/{clock}")));
        attributes.push(pair("fmtp", format!("{repair} apt={number}")));
    }
}

/// The encodings that are received: all that are sent (RFC 8853).
fn describe_encodings(attributes: &mut Vec<Attribute>, codecs: &Codecs) {
    if codecs.rids.is_empty() {
        return;
    }
    for rid in &codecs.rids {
        attributes.push(pair("rid", format!("{rid} recv")));
    }
    let list = codecs.rids.join(";");
    attributes.push(pair("simulcast", format!("recv {list}")));
}

/// A line says which extensions packets on it may carry; in a slot those are the ones that we write.
fn describe_extensions(attributes: &mut Vec<Attribute>, line: &Line, codecs: &Codecs) {
    let known = &codecs.extensions;
    let sends = |id: Option<u8>| id.filter(|_| line.sends());
    let encoded = |id: Option<u8>| id.filter(|_| line.sends() && !codecs.rids.is_empty());
    let pictures = |id: Option<u8>| id.filter(|_| line.kind == Kind::Video);
    let known = [
        (sends(known.mid), uri::MID),
        (encoded(known.rid), uri::RID),
        (encoded(known.repaired), uri::REPAIRED),
        (known.level.filter(|_| line.kind == Kind::Audio), uri::LEVEL),
        (
            known.transport_cc.filter(|_| codecs.reports_arrivals()),
            uri::TRANSPORT_CC,
        ),
        (pictures(known.dependency), uri::DEPENDENCY),
    ];
    for (id, uri) in known {
        if let Some(id) = id {
            attributes.push(pair("extmap", format!("{id} {uri}")));
        }
    }
}

fn colons(digest: &Fingerprint) -> String {
    let mut text = String::with_capacity(95);
    for byte in digest {
        if !text.is_empty() {
            text.push(':');
        }
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn pair(key: &str, value: String) -> Attribute {
    Attribute::new(key.to_owned(), Some(value))
}

fn flag(key: &str) -> Attribute {
    Attribute::new(key.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::event::Offer;
    use crate::media::fuzz::OFFER;
    use crate::media::offer;
    use conclave_policy::source::Source;

    fn answer() -> String {
        let channel =
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\n";
        let sources = vec![("0".to_owned(), Source::Microphone)];
        let description = offer::read(&Offer {
            sdp: OFFER.to_owned() + channel,
            sources,
        })
        .unwrap();
        let local = Local {
            session: 9,
            ufrag: "ours".to_owned(),
            password: Secret::new("secret".to_owned()),
            fingerprint: [0xab; 32],
            candidates: vec![
                "192.0.2.1:5".parse().unwrap(),
                "[2001:db8::1]:5".parse().unwrap(),
            ],
            stream_candidates: vec!["192.0.2.1:443".parse().unwrap()],
            slots: vec![None, Some((7, None)), Some((8, Some(9))), None],
        };
        write(&description, &local).sdp
    }

    #[test]
    fn each_line_is_answered_in_its_place() {
        let answer = answer();
        let lines: Vec<&str> = answer.split("m=").collect();
        assert_eq!(lines.len(), 5);
        assert!(
            lines[0].contains("a=group:BUNDLE 0 1 2\r\n") && lines[0].contains("a=ice-lite\r\n")
        );
        assert!(lines[1].starts_with("audio 9 ") && lines[1].contains("a=recvonly\r\n"));
        assert!(
            lines[2].contains("a=sendonly\r\n") && lines[2].contains("a=ssrc:7 cname:conclave\r\n")
        );
        assert!(
            lines[3].contains("a=ssrc-group:FID 8 9\r\n")
                && lines[3].contains("a=fmtp:97 apt=96\r\n")
        );
        assert!(lines[4].starts_with("application 0 "));
    }

    #[test]
    fn the_transport_is_lite_passive_and_named_once() {
        let answer = answer();
        for (text, times) in [
            ("a=ice-ufrag:ours\r\n", 1),
            ("a=ice-pwd:secret\r\n", 1),
            ("a=setup:passive\r\n", 1),
            ("a=end-of-candidates\r\n", 1),
            ("a=candidate:0 1 udp 2130706431 192.0.2.1 5 typ host\r\n", 1),
            (
                "a=candidate:1 1 udp 2130706175 2001:db8::1 5 typ host\r\n",
                1,
            ),
            (
                "a=candidate:2 1 tcp 1520435199 192.0.2.1 443 typ host tcptype passive\r\n",
                1,
            ),
            ("a=fingerprint:sha-256 AB:AB:", 1),
        ] {
            assert_eq!(answer.matches(text).count(), times, "{text}");
        }
    }
}
