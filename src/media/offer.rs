//! Reads a browser's offer (RFC 8829): bounded first, then by the syntax of `rtc-sdp`, then what the SFU needs of it, strictly.
//! What it returns holds no text that the client chose except tokens: media identifiers, names of encodings, and its ICE fragment.

use std::collections::HashSet;
use std::io::Cursor;

use conclave_policy::source::Source;
use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;

use crate::media::codec::{Codecs, has, read_codecs, value, values};
use crate::media::dtls::Fingerprint;
use crate::media::event::Offer;

/// The longest offer. A browser's with 64 slots and every codec has 324 KB; with one codec preferred 83 KB.
pub const LONGEST_SDP: usize = 256 * 1024;
/// The longest line; a browser's are below 400 bytes.
const LONGEST_LINE: usize = 2048;
/// Media lines at most: browsers leave lines from the 129th on out of the one transport.
pub const MOST_LINES: usize = 120;
/// The longest media identifier; browsers count 0, 1, 2….
const LONGEST_MID: usize = 16;
/// A user fragment has 4 to 256 characters (RFC 8839, section 5.4).
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;

/// Why an offer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The text, or a line of it, is too long.
    #[error("the offer is too long")]
    TooLong,
    /// It is no session description.
    #[error("the offer cannot be read")]
    Syntax,
    /// It has no media line, or too many.
    #[error("the offer has no media line or too many")]
    Lines,
    /// A media line has no identifier, a strange one, or one that another has too.
    #[error("a media line lacks its own identifier")]
    Mid,
    /// Not all lines share one transport.
    #[error("the media lines are not bundled")]
    Bundle,
    /// A line would use a second port for RTCP.
    #[error("a media line does not multiplex RTCP")]
    RtcpMux,
    /// There is no user fragment.
    #[error("the offer has no ICE user fragment")]
    Ice,
    /// There is no SHA-256 fingerprint, or more than one.
    #[error("the offer needs exactly one SHA-256 fingerprint")]
    Fingerprint,
    /// The client does not want to begin the DTLS handshake.
    #[error("the client must be the active side")]
    Setup,
    /// A line that could send has no declared source, or a declared source has no such line.
    #[error("sending lines and declared sources differ")]
    Sources,
    /// A source and the kind of its line do not go together.
    #[error("a source is declared for a line of another kind")]
    Kind,
    /// A line offers no codec that the SFU carries.
    #[error("a media line offers no supported codec")]
    Codec,
    /// A restart must keep lines, sources and certificate as they are.
    #[error("the offer does not continue the one before")]
    Changed,
}

/// What an offer says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The number that a browser keeps for the life of one peer connection.
    pub session: u64,
    /// The client's user fragment.
    pub ufrag: String,
    /// The digest of the client's certificate.
    pub fingerprint: Fingerprint,
    /// The client may mix both forms of header extensions in a stream (RFC 8285, section 6).
    pub mixes_extensions: bool,
    /// The media lines, in order.
    pub lines: Vec<Line>,
}

impl Description {
    /// Of a peer that never offered.
    pub(crate) const fn none() -> Self {
        Self {
            session: 0,
            ufrag: String::new(),
            fingerprint: [0; 32],
            mixes_extensions: false,
            lines: Vec::new(),
        }
    }
}

/// One media line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Media identifier.
    pub mid: String,
    /// Audio, video, or what the SFU does not speak.
    pub kind: Kind,
    /// What the line is for.
    pub purpose: Purpose,
}

impl Line {
    /// Whether packets of the client may come on it, now or after a change of direction.
    pub const fn sends(&self) -> bool {
        matches!(self.purpose, Purpose::Send(..) | Purpose::Idle(_))
    }
}

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Something else, refused.
    Other,
}

impl Kind {
    /// The kind of a source.
    pub const fn of(source: Source) -> Self {
        match source {
            Source::Microphone | Source::ScreenAudio => Self::Audio,
            Source::Camera | Source::Screen => Self::Video,
        }
    }
}

/// What a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The client sends one source on it.
    Send(Source, Codecs),
    /// The client receives on it whatever the server puts there.
    Slot(Codecs),
    /// Nothing flows; it is kept so that the lines keep their order.
    Idle(Codecs),
    /// It is refused.
    Refused,
}

/// Reads and checks an offer.
pub fn read(offer: &Offer) -> Result<Description, OfferError> {
    if offer.sdp.len() > LONGEST_SDP || offer.sdp.lines().any(|line| line.len() > LONGEST_LINE) {
        return Err(OfferError::TooLong);
    }
    if offer
        .sdp
        .lines()
        .filter(|line| line.starts_with("m="))
        .count()
        > MOST_LINES
    {
        return Err(OfferError::Lines);
    }
    let session = SessionDescription::unmarshal(&mut Cursor::new(offer.sdp.as_bytes()))
        .map_err(|_| OfferError::Syntax)?;
    if session.media_descriptions.is_empty() {
        return Err(OfferError::Lines);
    }
    let mut lines = read_lines(&session, &offer.sources)?;
    let mixes_extensions = has(&session.attributes, "extmap-allow-mixed");
    for line in &mut lines {
        // In what is sent to the client it stands only in the long form.
        if let Purpose::Slot(codecs) = &mut line.purpose
            && !mixes_extensions
        {
            codecs.extensions.dependency = None;
        }
    }
    check_bundle(&session, &lines)?;
    check_setup(&session)?;
    Ok(Description {
        session: session.origin.session_id,
        ufrag: read_ufrag(&session)?,
        fingerprint: read_fingerprint(&session)?,
        mixes_extensions,
        lines,
    })
}

fn read_lines(
    session: &SessionDescription,
    sources: &[(String, Source)],
) -> Result<Vec<Line>, OfferError> {
    let mut mids = HashSet::new();
    let mut declared: HashSet<Source> = HashSet::new();
    let mut named = HashSet::new();
    if !sources
        .iter()
        .all(|(mid, source)| declared.insert(*source) && named.insert(mid.as_str()))
    {
        return Err(OfferError::Sources);
    }
    let mut lines = Vec::new();
    for media in &session.media_descriptions {
        let mid = value(&media.attributes, "mid")
            .filter(|mid| is_token(mid))
            .ok_or(OfferError::Mid)?;
        if !mids.insert(mid) {
            return Err(OfferError::Mid);
        }
        let source = sources
            .iter()
            .find(|(name, _)| name == mid)
            .map(|(_, source)| *source);
        lines.push(read_line(mid, media, source)?);
    }
    if named.iter().all(|mid| mids.contains(mid)) {
        Ok(lines)
    } else {
        Err(OfferError::Sources)
    }
}

fn read_line(
    mid: &str,
    media: &MediaDescription,
    source: Option<Source>,
) -> Result<Line, OfferError> {
    let kind = match media.media_name.media.as_str() {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        _ => Kind::Other,
    };
    if source.is_some_and(|source| Kind::of(source) != kind) {
        return Err(OfferError::Kind);
    }
    let purpose = if kind == Kind::Other || is_refused(media) {
        if source.is_some() {
            return Err(OfferError::Sources);
        }
        Purpose::Refused
    } else {
        if !has(&media.attributes, "rtcp-mux") {
            return Err(OfferError::RtcpMux);
        }
        let codec = read_codecs(media, kind).ok_or(OfferError::Codec)?;
        match (direction(&media.attributes), source) {
            (Direction::SendOnly | Direction::SendReceive, Some(source)) => {
                Purpose::Send(source, codec)
            }
            // What could send and says not what would never be allowed to: better refused than silent.
            (Direction::SendOnly | Direction::SendReceive, None) => {
                return Err(OfferError::Sources);
            }
            (Direction::ReceiveOnly, None) => Purpose::Slot(codec),
            (Direction::ReceiveOnly, Some(_)) => return Err(OfferError::Sources),
            (Direction::Inactive, _) => Purpose::Idle(codec),
        }
    };
    Ok(Line {
        mid: mid.to_owned(),
        kind,
        purpose,
    })
}

/// Port 0 refuses a line, unless it only says that the port is that of the bundle (RFC 9143, section 6).
fn is_refused(media: &MediaDescription) -> bool {
    media.media_name.port.value == 0 && !has(&media.attributes, "bundle-only")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    SendOnly,
    SendReceive,
    ReceiveOnly,
    Inactive,
}

fn direction(attributes: &[Attribute]) -> Direction {
    if has(attributes, "inactive") {
        Direction::Inactive
    } else if has(attributes, "sendonly") {
        Direction::SendOnly
    } else if has(attributes, "recvonly") {
        Direction::ReceiveOnly
    } else {
        Direction::SendReceive
    }
}

/// Every line that is not refused stands in the one bundle.
fn check_bundle(session: &SessionDescription, lines: &[Line]) -> Result<(), OfferError> {
    let group =
        values(&session.attributes, "group").find_map(|value| value.strip_prefix("BUNDLE "));
    let bundled: HashSet<&str> = group.ok_or(OfferError::Bundle)?.split(' ').collect();
    let needed = lines.iter().filter(|line| line.purpose != Purpose::Refused);
    let complete = needed
        .clone()
        .all(|line| bundled.contains(line.mid.as_str()));
    if complete && needed.count() > 0 {
        Ok(())
    } else {
        Err(OfferError::Bundle)
    }
}

fn check_setup(session: &SessionDescription) -> Result<(), OfferError> {
    let mut setups = everywhere(session, "setup").peekable();
    if setups.peek().is_some() && setups.all(|setup| matches!(setup, "actpass" | "active")) {
        Ok(())
    } else {
        Err(OfferError::Setup)
    }
}

fn read_ufrag(session: &SessionDescription) -> Result<String, OfferError> {
    let ufrag = everywhere(session, "ice-ufrag")
        .next()
        .ok_or(OfferError::Ice)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if UFRAG.contains(&ufrag.len()) && ufrag.bytes().all(allowed) {
        Ok(ufrag.to_owned())
    } else {
        Err(OfferError::Ice)
    }
}

fn read_fingerprint(session: &SessionDescription) -> Result<Fingerprint, OfferError> {
    let mut found = None;
    for value in everywhere(session, "fingerprint") {
        let Some((algorithm, digest)) = value.split_once(' ') else {
            return Err(OfferError::Fingerprint);
        };
        if !algorithm.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let digest = read_digest(digest.trim()).ok_or(OfferError::Fingerprint)?;
        if *found.get_or_insert(digest) != digest {
            return Err(OfferError::Fingerprint);
        }
    }
    found.ok_or(OfferError::Fingerprint)
}

fn read_digest(text: &str) -> Option<Fingerprint> {
    let mut digest = [0; 32];
    let mut parts = text.split(':');
    for byte in &mut digest {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(digest)
}

fn is_token(mid: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST_MID).contains(&mid.len()) && mid.bytes().all(allowed)
}

/// The values of an attribute at session level and in every media line.
fn everywhere<'a>(session: &'a SessionDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    let media = session
        .media_descriptions
        .iter()
        .flat_map(move |media| values(&media.attributes, key));
    values(&session.attributes, key).chain(media)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::fuzz::OFFER;

    fn offer(sdp: &str) -> Offer {
        Offer {
            sdp: sdp.to_owned(),
            sources: vec![("0".to_owned(), Source::Microphone)],
        }
    }

    fn without(line: &str) -> String {
        OFFER.replace(&format!("{line}\r\n"), "")
    }

    #[test]
    fn an_offer_says_what_is_needed() {
        let read = read(&offer(OFFER)).unwrap();
        assert_eq!(
            (
                read.session,
                read.ufrag.as_str(),
                read.fingerprint[..2].to_vec()
            ),
            (1, "clnt", vec![0x36, 0xb9])
        );
        let [microphone, sound, picture] = &read.lines[..] else {
            panic!()
        };
        let Purpose::Send(Source::Microphone, codecs) = &microphone.purpose else {
            panic!()
        };
        assert_eq!(
            (
                codecs.formats[0].payload_type,
                codecs.extensions.level,
                codecs.extensions.mid
            ),
            (111, Some(1), Some(4))
        );
        assert_eq!(codecs.streams, [(4_057_683_629, None)]);
        assert!(matches!(sound.purpose, Purpose::Slot(_)));
        let Purpose::Slot(codecs) = &picture.purpose else {
            panic!()
        };
        let codec = &codecs.formats[0];
        assert_eq!(
            (codec.payload_type, codec.repair_type, codec.nack, codec.pli),
            (96, Some(97), true, true)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, error) in [
            ("a=group:BUNDLE 0 1 2", OfferError::Bundle),
            ("a=mid:0", OfferError::Mid),
            ("a=rtcp-mux", OfferError::RtcpMux),
            ("a=ice-ufrag:clnt", OfferError::Ice),
            ("a=setup:actpass", OfferError::Setup),
            ("a=rtpmap:111 opus/48000/2", OfferError::Codec),
            ("a=rtpmap:96 VP8/90000", OfferError::Codec),
            // Without a direction a line could send.
            ("a=recvonly", OfferError::Sources),
        ] {
            assert_eq!(read(&offer(&without(line))), Err(error), "{line}");
        }
        let fingerprint = OFFER
            .lines()
            .find(|line| line.starts_with("a=fingerprint"))
            .unwrap();
        assert_eq!(
            read(&offer(&without(fingerprint))),
            Err(OfferError::Fingerprint)
        );
    }

    #[test]
    fn the_client_begins_the_handshake() {
        for (setup, accepted) in [
            ("active", true),
            ("actpass", true),
            ("passive", false),
            ("holdconn", false),
        ] {
            let sdp = OFFER.replace("setup:actpass", &format!("setup:{setup}"));
            assert_eq!(read(&offer(&sdp)).is_ok(), accepted, "{setup}");
        }
    }

    #[test]
    fn a_slot_takes_layers_apart_only_where_long_extensions_are_taken() {
        let told = OFFER.replace("a=mid:2", "a=mid:2\r\na=extmap:12 {}");
        let told = told.replace("{}", crate::media::extension::uri::DEPENDENCY);
        let both = told.replace("a=group", "a=extmap-allow-mixed\r\na=group");
        for (sdp, id) in [(told, None), (both, Some(12))] {
            let read = read(&offer(&sdp)).unwrap();
            let Purpose::Slot(codecs) = &read.lines[2].purpose else {
                panic!()
            };
            let found = (codecs.extensions.dependency, read.mixes_extensions);
            assert_eq!(found, (id, id.is_some()));
        }
    }

    #[test]
    fn two_certificates_are_one_too_many() {
        let other = OFFER.replace(
            "a=mid:2",
            &format!("a=mid:2\r\na=fingerprint:sha-256 {}", ["AB"; 32].join(":")),
        );
        assert_eq!(read(&offer(&other)), Err(OfferError::Fingerprint));
        let weak = OFFER.replace("sha-256 36", "sha-1 36");
        assert_eq!(read(&offer(&weak)), Err(OfferError::Fingerprint));
    }

    #[test]
    fn every_line_that_could_send_has_its_own_source() {
        let declare = |sources: &[(&str, Source)]| {
            let sources = sources
                .iter()
                .map(|(mid, source)| ((*mid).to_owned(), *source))
                .collect();
            read(&Offer {
                sdp: OFFER.to_owned(),
                sources,
            })
            .map(|_| ())
        };
        assert_eq!(declare(&[]), Err(OfferError::Sources));
        assert_eq!(declare(&[("0", Source::Camera)]), Err(OfferError::Kind));
        assert_eq!(
            declare(&[("0", Source::Microphone), ("1", Source::ScreenAudio)]),
            Err(OfferError::Sources)
        );
        assert_eq!(
            declare(&[("0", Source::Microphone), ("0", Source::ScreenAudio)]),
            Err(OfferError::Sources)
        );
        assert_eq!(
            declare(&[("0", Source::Microphone), ("7", Source::Camera)]),
            Err(OfferError::Sources)
        );
        assert_eq!(declare(&[("0", Source::ScreenAudio)]), Ok(()));
    }

    #[test]
    fn too_much_is_refused_before_it_is_read() {
        let long = format!("{OFFER}a={}\r\n", "x".repeat(LONGEST_LINE));
        assert_eq!(read(&offer(&long)), Err(OfferError::TooLong));
        let large = format!("{OFFER}{}", "a=x\r\n".repeat(LONGEST_SDP / 5));
        assert_eq!(read(&offer(&large)), Err(OfferError::TooLong));
        let slot = &OFFER[OFFER.rfind("m=video").unwrap()..];
        let many = format!("{OFFER}{}", slot.repeat(MOST_LINES));
        assert_eq!(read(&offer(&many)), Err(OfferError::Lines));
    }

    #[test]
    fn a_data_channel_is_refused_and_the_rest_goes_on() {
        let channel = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000\r\n";
        let read = read(&offer(&(OFFER.to_owned() + channel))).unwrap();
        assert_eq!(read.lines[3].purpose, Purpose::Refused);
    }

    #[test]
    fn a_line_on_the_port_of_the_bundle_is_not_refused() {
        let sdp = OFFER.replace("m=video 9", "m=video 0");
        assert_eq!(
            read(&offer(&sdp)).unwrap().lines[2].purpose,
            Purpose::Refused
        );
        let sdp = sdp.replace("a=mid:2", "a=mid:2\r\na=bundle-only");
        assert!(matches!(
            read(&offer(&sdp)).unwrap().lines[2].purpose,
            Purpose::Slot(_)
        ));
    }

    #[test]
    fn an_extension_may_carry_a_direction() {
        let sdp = OFFER.replace("extmap:1 ", "extmap:1/sendonly ");
        let read = read(&offer(&sdp)).unwrap();
        let Purpose::Send(_, codec) = &read.lines[0].purpose else {
            panic!()
        };
        assert_eq!(codec.extensions.level, Some(1));
    }
}
