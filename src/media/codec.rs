//! The codecs that the SFU carries, and how a client numbers them in a media line. What else the line offers is passed over.

use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;

use crate::media::extension::{Extensions, read_extensions};
use crate::media::offer::Kind;
use crate::media::simulcast::read_rids;

/// A codec, with what of its parameters decides whether a receiver can decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// Opus with repetitions of what came before (RFC 2198).
    Red,
    /// G.722.
    G722,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
    /// RFC 7741.
    Vp8,
    /// RFC 9628, with its profile.
    Vp9(u8),
    /// RFC 6184 in packetization mode 1, with its profile.
    H264(Profile),
    /// AV1, with its profile.
    Av1(u8),
}

/// The profiles of H264 that browsers use, without their levels (RFC 6184, section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What everybody can decode.
    ConstrainedBaseline,
    /// With arbitrary slice order, which few can.
    Baseline,
    /// Main.
    Main,
    /// High, progressive and without B frames.
    ConstrainedHigh,
    /// High.
    High,
}

impl Profile {
    /// The profile that the first two bytes of a `profile-level-id` mean (RFC 6184, table 5).
    const fn of(idc: u8, constraints: u8) -> Option<Self> {
        match (idc, constraints) {
            (0x42, set) if set & 0x4f == 0x40 => Some(Self::ConstrainedBaseline),
            (0x4d, set) if set & 0x8f == 0x80 => Some(Self::ConstrainedBaseline),
            (0x58, set) if set & 0xcf == 0xc0 => Some(Self::ConstrainedBaseline),
            (0x42, set) if set & 0x4f == 0 => Some(Self::Baseline),
            (0x58, set) if set & 0xcf == 0x80 => Some(Self::Baseline),
            (0x4d, set) if set & 0xaf == 0 => Some(Self::Main),
            (0x64, 0) => Some(Self::High),
            (0x64, 0x0c) => Some(Self::ConstrainedHigh),
            _ => None,
        }
    }

    /// Whether a decoder of this profile can decode the other.
    const fn decodes(self, other: Self) -> bool {
        match other {
            Self::ConstrainedBaseline => true,
            Self::Baseline => matches!(self, Self::Baseline),
            Self::Main => matches!(self, Self::Main | Self::High),
            Self::ConstrainedHigh => matches!(self, Self::ConstrainedHigh | Self::High),
            Self::High => matches!(self, Self::High),
        }
    }
}

impl Codec {
    /// Ticks of the media clock in a second. That of G.722 is 8000 (RFC 3551, section 4.5.2).
    pub const fn clock(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
            Self::Vp8 | Self::Vp9(_) | Self::H264(_) | Self::Av1(_) => 90_000,
        }
    }

    /// Sound or pictures.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Opus | Self::Red | Self::G722 | Self::Pcmu | Self::Pcma => Kind::Audio,
            Self::Vp8 | Self::Vp9(_) | Self::H264(_) | Self::Av1(_) => Kind::Video,
        }
    }

    /// The name, as it stands in `a=rtpmap` and in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Vp8 => "VP8",
            Self::Vp9(_) => "VP9",
            Self::H264(_) => "H264",
            Self::Av1(_) => "AV1",
        }
    }

    /// Whether a decoder of this can decode the other.
    pub const fn decodes(self, other: Self) -> bool {
        match (self, other) {
            (Self::H264(own), Self::H264(other)) => own.decodes(other),
            (Self::Vp9(own), Self::Vp9(other)) | (Self::Av1(own), Self::Av1(other)) => own == other,
            (Self::Opus, Self::Opus)
            | (Self::Red, Self::Red)
            | (Self::G722, Self::G722)
            | (Self::Pcmu, Self::Pcmu)
            | (Self::Pcma, Self::Pcma)
            | (Self::Vp8, Self::Vp8) => true,
            _ => false,
        }
    }
}

/// A codec as a client numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Which.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// That of its retransmissions (RFC 4588).
    pub repair_type: Option<u8>,
    /// Its parameters as the answer repeats them: composed here, never the client's text.
    pub parameters: Option<String>,
    /// Lost packets may be asked for.
    pub nack: bool,
    /// Key frames may be asked for.
    pub pli: bool,
    /// Arrival times may be reported.
    pub transport_cc: bool,
    /// A bandwidth may be reported.
    pub remb: bool,
}

/// What a media line says of its codecs, in the client's order, and of its streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codecs {
    /// Never empty.
    pub formats: Vec<Format>,
    /// The client's identifiers of header extensions.
    pub extensions: Extensions,
    /// Streams that the client announces, each with that of its retransmissions.
    pub streams: Vec<(u32, Option<u32>)>,
    /// The encodings that the client sends, the smallest first; empty if there is one without a name.
    pub rids: Vec<String>,
}

impl Codecs {
    /// The format with this payload type.
    pub fn numbered(&self, payload_type: u8) -> Option<&Format> {
        self.formats
            .iter()
            .find(|format| format.payload_type == payload_type)
    }

    /// The format whose retransmissions have this payload type.
    pub fn repaired(&self, payload_type: u8) -> Option<&Format> {
        self.formats
            .iter()
            .find(|format| format.repair_type == Some(payload_type))
    }

    /// The format in which the client can decode this codec: its own before another that will do.
    pub fn decoding(&self, codec: Codec) -> Option<&Format> {
        let exact = self.formats.iter().find(|format| format.codec == codec);
        exact.or_else(|| {
            self.formats
                .iter()
                .find(|format| format.codec.decodes(codec))
        })
    }

    /// Whether the client can receive this codec: sound in RED can be taken out of it.
    pub fn receives(&self, codec: Codec) -> bool {
        self.decoding(codec).is_some()
            || codec == Codec::Red && self.decoding(Codec::Opus).is_some()
    }

    /// The codec that the client sends if it does as agreed.
    pub fn first(&self) -> Option<Codec> {
        self.formats.first().map(|format| format.codec)
    }

    /// Whether any format has retransmissions.
    pub fn repairs(&self) -> bool {
        self.formats
            .iter()
            .any(|format| format.repair_type.is_some())
    }

    /// Whether lost packets may be asked for.
    pub fn nack(&self) -> bool {
        self.formats.iter().any(|format| format.nack)
    }

    /// Whether a bandwidth may be reported.
    pub fn remb(&self) -> bool {
        self.formats.iter().any(|format| format.remb)
    }

    /// Whether the client can use reports of arrival times, and marks its packets for them.
    pub fn reports_arrivals(&self) -> bool {
        self.formats.iter().any(|format| format.transport_cc)
            && self.extensions.transport_cc.is_some()
    }

    /// Encodings of the line: at least one.
    pub const fn encodings(&self) -> usize {
        if self.rids.is_empty() {
            1
        } else {
            self.rids.len()
        }
    }
}

/// Payload types looked at in one line; browsers offer some thirty.
const MOST_TYPES: usize = 64;
/// Formats kept of one line: each codec in every profile above.
const MOST_FORMATS: usize = 12;

/// What a media line says of its codecs; `None` if it offers none that the SFU carries.
pub(crate) fn read_codecs(media: &MediaDescription, kind: Kind) -> Option<Codecs> {
    let lines = Lines(&media.attributes);
    let mut formats: Vec<Format> = Vec::new();
    let types = media.media_name.formats.iter().take(MOST_TYPES);
    for number in types.filter_map(|number| payload_type(number)) {
        let Some(format) = lines
            .format(number)
            .filter(|format| format.codec.kind() == kind)
        else {
            continue;
        };
        let known = |other: &Format| other.codec == format.codec || other.payload_type == number;
        if formats.len() < MOST_FORMATS && !formats.iter().any(known) {
            formats.push(format);
        }
    }
    // Of several profiles of H264 the one that everybody decodes comes first, in the place of the first.
    let places: Vec<usize> = (0..formats.len())
        .filter(|place| matches!(formats.get(*place), Some(format) if matches!(format.codec, Codec::H264(_))))
        .collect();
    let base = places.iter().copied().find(|place| {
        formats
            .get(*place)
            .is_some_and(|format| format.codec == Codec::H264(Profile::ConstrainedBaseline))
    });
    if let (Some(first), Some(base)) = (places.first(), base) {
        formats.swap(*first, base);
    }
    // RED carries the line's own Opus or nothing that we know.
    let opus = formats
        .iter()
        .find(|format| format.codec == Codec::Opus)
        .map(|format| format.payload_type);
    formats.retain(|format| {
        format.codec != Codec::Red || opus.is_some_and(|opus| lines.carries(format, opus))
    });
    if formats.is_empty() {
        return None;
    }
    Some(Codecs {
        formats,
        extensions: read_extensions(&media.attributes),
        streams: read_streams(&media.attributes),
        rids: if kind == Kind::Video {
            read_rids(&media.attributes)
        } else {
            Vec::new()
        },
    })
}

/// The attributes of a line that say something of a payload type.
struct Lines<'a>(&'a [Attribute]);

impl<'a> Lines<'a> {
    fn format(&self, number: u8) -> Option<Format> {
        let name = match self.about("rtpmap", number).next() {
            Some(name) => name,
            // Static types need no name (RFC 3551, section 6).
            None => match number {
                0 => "PCMU/8000",
                8 => "PCMA/8000",
                9 => "G722/8000",
                _ => return None,
            },
        };
        let (codec, parameters) = self.codec(name, number)?;
        let feedback = |wanted: &str| {
            values(self.0, "rtcp-fb")
                .filter_map(|value| value.split_once(' '))
                .any(|(of, value)| {
                    value.trim() == wanted && (of == "*" || of.parse() == Ok(number))
                })
        };
        Some(Format {
            codec,
            payload_type: number,
            repair_type: self.repair_type(number),
            parameters,
            nack: feedback("nack"),
            pli: feedback("nack pli"),
            transport_cc: feedback("transport-cc"),
            remb: feedback("goog-remb"),
        })
    }

    /// The codec behind a name and its parameters, and what of these the answer repeats.
    fn codec(&self, name: &str, number: u8) -> Option<(Codec, Option<String>)> {
        let (name, rest) = name.split_once('/')?;
        let clock = rest.split('/').next()?;
        let parameter = |key: &str| self.parameter(number, key);
        let small = |key: &str| parameter(key).map_or(Some(0), |value| value.parse::<u8>().ok());
        let (codec, parameters) = match name.to_ascii_lowercase().as_str() {
            "opus" => {
                let mut parameters = "minptime=10;useinbandfec=1".to_owned();
                for flag in ["usedtx", "stereo"] {
                    if parameter(flag) == Some("1") {
                        parameters = format!("{parameters};{flag}=1");
                    }
                }
                (Codec::Opus, Some(parameters))
            }
            "red" => {
                let inner: u8 = self
                    .about("fmtp", number)
                    .next()?
                    .split('/')
                    .next()?
                    .parse()
                    .ok()?;
                (Codec::Red, Some(format!("{inner}/{inner}")))
            }
            "g722" => (Codec::G722, None),
            "pcmu" => (Codec::Pcmu, None),
            "pcma" => (Codec::Pcma, None),
            "vp8" => (Codec::Vp8, None),
            "vp9" => {
                let profile = small("profile-id").filter(|profile| *profile < 4)?;
                (Codec::Vp9(profile), Some(format!("profile-id={profile}")))
            }
            "av1" => {
                let profile = small("profile").filter(|profile| *profile < 3)?;
                let level = parameter("level-idx").map_or(Some(5), |value| value.parse().ok());
                let (level, tier) = (level.filter(|level: &u8| *level < 32)?, small("tier")?);
                let parameters = format!("level-idx={level};profile={profile};tier={}", tier & 1);
                (Codec::Av1(profile), Some(parameters))
            }
            "h264" => {
                if parameter("packetization-mode") != Some("1") {
                    return None;
                }
                let id = parameter("profile-level-id").map_or(Some(0x42_00_0a), |id| {
                    u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 6)
                })?;
                let [_, idc, constraints, _] = id.to_be_bytes();
                let parameters = format!(
                    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id:06x}"
                );
                (
                    Codec::H264(Profile::of(idc, constraints)?),
                    Some(parameters),
                )
            }
            _ => return None,
        };
        // The clock in the name of G.722 is that of RTP, not of the sound.
        (clock.parse() == Ok(codec.clock())).then_some((codec, parameters))
    }

    /// The values of an attribute that begin with this payload type, without it.
    fn about(&self, key: &'a str, number: u8) -> impl Iterator<Item = &'a str> {
        values(self.0, key)
            .filter_map(numbered)
            .filter(move |(of, _)| *of == number)
            .map(|(_, rest)| rest)
    }

    fn parameter(&self, number: u8, wanted: &str) -> Option<&'a str> {
        let mut parts = self.about("fmtp", number).flat_map(|line| line.split(';'));
        parts.find_map(|part| {
            let (key, value) = part.trim().split_once('=')?;
            key.eq_ignore_ascii_case(wanted).then_some(value.trim())
        })
    }

    fn repair_type(&self, number: u8) -> Option<u8> {
        let mut maps = values(self.0, "rtpmap").filter_map(numbered);
        maps.find(|(of, name)| {
            let repairs = name.to_ascii_lowercase().starts_with("rtx/");
            repairs
                && self
                    .parameter(*of, "apt")
                    .is_some_and(|apt| apt.parse() == Ok(number))
        })
        .map(|(of, _)| of)
    }

    /// Whether a RED format has this payload type in each of its places.
    fn carries(&self, red: &Format, opus: u8) -> bool {
        let mut lines = self.about("fmtp", red.payload_type);
        lines.next().is_some_and(|inner| {
            let mut types = inner.split('/').take(MOST_TYPES);
            types.all(|inner| inner.trim().parse() == Ok(opus))
        })
    }
}

/// `number rest`, where the number is a payload type that RTP may use beside RTCP.
fn numbered(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.split_once(' ')?;
    Some((payload_type(number)?, rest.trim()))
}

/// A payload type (RFC 5761, section 4).
fn payload_type(number: &str) -> Option<u8> {
    let number = number.parse().ok()?;
    (number < 128 && !(64..96).contains(&number)).then_some(number)
}

/// Streams that a line announces at most: three encodings of each, for a browser that changes them once.
const MOST_STREAMS: usize = 6;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::simulcast::MOST_ENCODINGS;

    fn read(kind: Kind, formats: &str, attributes: &str) -> Option<Codecs> {
        let mut media = MediaDescription::default();
        media.media_name.formats = formats.split(' ').map(str::to_owned).collect();
        for line in attributes.lines() {
            let (key, value) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
            media
                .attributes
                .push(Attribute::new(key.to_owned(), Some(value.to_owned())));
        }
        read_codecs(&media, kind)
    }

    const VIDEO: &str = "rtpmap:96 VP8/90000\nrtcp-fb:96 nack\nrtpmap:97 rtx/90000\nfmtp:97 apt=96
        rtpmap:103 H264/90000\nfmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f
        rtpmap:107 H264/90000\nfmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
        rtpmap:108 H264/90000\nfmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
        rtpmap:109 rtx/90000\nfmtp:109 apt=108\nrtpmap:98 VP9/90000\nfmtp:98 profile-id=0\nrtpmap:100 VP9/90000\nfmtp:100 profile-id=2
        rtpmap:45 AV1/90000\nfmtp:45 level-idx=5;profile=0;tier=0\nrtpmap:116 ulpfec/90000";

    #[test]
    fn what_a_browser_offers_is_read_in_its_order() {
        let codecs = read(Kind::Video, "96 97 103 107 108 109 98 100 45 116", VIDEO).unwrap();
        let read: Vec<_> = codecs
            .formats
            .iter()
            .map(|format| (format.payload_type, format.codec, format.repair_type))
            .collect();
        assert_eq!(
            read,
            [
                (96, Codec::Vp8, Some(97)),
                // What everybody decodes stands before the other profile.
                (108, Codec::H264(Profile::ConstrainedBaseline), Some(109)),
                (103, Codec::H264(Profile::High), None),
                (98, Codec::Vp9(0), None),
                (100, Codec::Vp9(2), None),
                (45, Codec::Av1(0), None),
            ]
        );
        assert_eq!(codecs.first(), Some(Codec::Vp8));
        assert!(codecs.receives(Codec::H264(Profile::Main)) && !codecs.receives(Codec::Vp9(1)));
    }

    #[test]
    fn sound_has_its_codecs_and_red_only_around_opus() {
        let audio = "rtpmap:111 opus/48000/2\nfmtp:111 minptime=10;useinbandfec=1;usedtx=1
            rtpmap:63 red/48000/2\nfmtp:63 111/111\nrtpmap:9 G722/8000\nrtpmap:13 CN/8000\nrtpmap:110 telephone-event/48000";
        let codecs = read(Kind::Audio, "111 63 9 0 8 13 110", audio).unwrap();
        let read: Vec<_> = codecs.formats.iter().map(|format| format.codec).collect();
        let all = [
            Codec::Opus,
            Codec::Red,
            Codec::G722,
            Codec::Pcmu,
            Codec::Pcma,
        ];
        assert_eq!(read, all);
        let parameters = codecs.formats[0].parameters.as_deref();
        assert_eq!(parameters, Some("minptime=10;useinbandfec=1;usedtx=1"));
        let other = audio.replace("111/111", "111/9");
        let codecs = self::read(Kind::Audio, "111 63 9", &other).unwrap();
        assert!(codecs.decoding(Codec::Red).is_none() && codecs.receives(Codec::Red));
        let codecs = self::read(Kind::Audio, "8", "rtpmap:8 PCMA/8000").unwrap();
        assert!(!codecs.receives(Codec::Red));
    }

    #[test]
    fn profiles_are_those_of_the_table() {
        let of = |id: u32| {
            let [_, idc, constraints, _] = id.to_be_bytes();
            Profile::of(idc, constraints)
        };
        for (id, profile) in [
            (0x42_e0_1f, Some(Profile::ConstrainedBaseline)),
            (0x42_c0_1f, Some(Profile::ConstrainedBaseline)),
            (0x42_00_1f, Some(Profile::Baseline)),
            (0x4d_00_1f, Some(Profile::Main)),
            (0x4d_80_1f, Some(Profile::ConstrainedBaseline)),
            (0x64_00_1f, Some(Profile::High)),
            (0x64_0c_1f, Some(Profile::ConstrainedHigh)),
            (0xf4_00_1f, None),
        ] {
            assert_eq!(of(id), profile, "{id:06x}");
        }
        assert!(!Profile::ConstrainedBaseline.decodes(Profile::Baseline));
        assert!(Profile::High.decodes(Profile::Main) && !Profile::Main.decodes(Profile::High));
    }

    #[test]
    fn encodings_are_those_that_are_sent() {
        let lines = "rtpmap:96 VP8/90000\nrid:q send\nrid:h send\nrid:f send\nrid:x recv\nsimulcast:send q;~h,g;f";
        let codecs = read(Kind::Video, "96", lines).unwrap();
        assert_eq!(codecs.rids, ["q", "h", "f"]);
        assert!(codecs.encodings() <= MOST_ENCODINGS);
        let codecs = read(Kind::Video, "96", "rtpmap:96 VP8/90000").unwrap();
        assert_eq!(codecs.encodings(), 1);
    }
}
