//! Header extensions that the SFU reads or writes: their names, and the identifiers that a client chose for them.

use rtc_sdp::description::common::Attribute;

use crate::media::codec::values;

/// Identifiers of header extensions, each chosen by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Which line a packet belongs to (RFC 9143).
    pub mid: Option<u8>,
    /// Which encoding of the line (RFC 8852).
    pub rid: Option<u8>,
    /// Of which encoding it carries retransmissions (RFC 8852).
    pub repaired: Option<u8>,
    /// How loud the packet is (RFC 6464).
    pub level: Option<u8>,
    /// A sequence number across the transport.
    pub transport_cc: Option<u8>,
    /// Which frames a frame needs, and of which layer it is.
    pub dependency: Option<u8>,
}

/// Names of header extensions.
pub mod uri {
    /// RFC 9143.
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    /// RFC 8852.
    pub const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    /// RFC 8852.
    pub const REPAIRED: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
    /// RFC 6464.
    pub const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    pub const TRANSPORT_CC: &str =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    /// RTP Payload Format For AV1, appendix A.
    pub const DEPENDENCY: &str =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
}

/// The identifiers in a media line.
pub(crate) fn read_extensions(attributes: &[Attribute]) -> Extensions {
    let mut extensions = Extensions::default();
    for (id, name) in values(attributes, "extmap").filter_map(|value| value.split_once(' ')) {
        // A direction may follow the number: `9/sendonly`. The answer names none, which is both.
        let id = id
            .split('/')
            .next()
            .and_then(|id| id.parse().ok())
            .filter(|id| (1..=14).contains(id));
        let place = match name.split(' ').next() {
            Some(uri::MID) => &mut extensions.mid,
            Some(uri::RID) => &mut extensions.rid,
            Some(uri::REPAIRED) => &mut extensions.repaired,
            Some(uri::LEVEL) => &mut extensions.level,
            Some(uri::TRANSPORT_CC) => &mut extensions.transport_cc,
            Some(uri::DEPENDENCY) => &mut extensions.dependency,
            _ => continue,
        };
        *place = id;
    }
    extensions
}
