//! How someone's connection does: what their own client measured and sent in, in bounds, beside what the media plane sees. Told to
//! the hosts of the room and to nobody else.

use conclave_policy::source::Source;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::bounded::Few;
use crate::clock::Timestamp;
use crate::ids::ParticipantId;
use crate::media::quality::PeerQuality;
use crate::rooms::room::Room;

/// Encodings of four sources, with some to spare.
const SENT: usize = 12;
/// As many as there are receive slots in a page, with some to spare.
const RECEIVED: usize = 40;

/// What a client measured since its last report. Numbers that it cannot tell are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct QualityReport {
    /// The way to the server.
    pub transport: TransportReport,
    /// What is sent: a line for each encoding.
    #[cfg_attr(test, ts(as = "Vec<SentReport>"))]
    pub sent: Few<SentReport, SENT>,
    /// What is received: a line for each source that a slot carries.
    #[cfg_attr(test, ts(as = "Vec<ReceivedReport>"))]
    pub received: Few<ReceivedReport, RECEIVED>,
}

/// The way between a client and the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct TransportReport {
    /// What carries the packets; through a relay, what carries them to the relay.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The client's own end.
    #[serde(default)]
    pub candidate: Option<CandidateKind>,
    /// There and back, in milliseconds.
    #[serde(default)]
    pub round_trip_ms: Option<u32>,
    /// What can be sent, as estimated, in kbit/s.
    #[serde(default)]
    pub estimate_kbps: Option<u32>,
}

/// What carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// Kinds of an ICE candidate (RFC 8445).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum CandidateKind {
    /// An address of the machine.
    Host,
    /// An address that others see, told by a server.
    Srflx,
    /// An address that others see, found on the way.
    Prflx,
    /// Through a relay.
    Relay,
}

/// How media is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of codecs")]
pub enum CodecName {
    Vp8,
    Vp9,
    H264,
    Av1,
    Opus,
    Red,
    G722,
    Pcmu,
    Pcma,
    Other,
}

/// What keeps an encoding smaller than it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Limited {
    /// Nothing.
    None,
    /// The machine.
    Cpu,
    /// The network.
    Bandwidth,
    /// Something else.
    Other,
}

/// One encoding that a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct SentReport {
    /// Of which source.
    pub source: Source,
    /// Which encoding, 0 the smallest; left out if there is one.
    #[serde(default)]
    pub layer: Option<u8>,
    /// How it is encoded.
    #[serde(default)]
    pub codec: Option<CodecName>,
    /// Bit rate.
    #[serde(default)]
    pub kbps: Option<u32>,
    /// Width of the frames.
    #[serde(default)]
    pub width: Option<u16>,
    /// Height of the frames.
    #[serde(default)]
    pub height: Option<u16>,
    /// Frames in a second.
    #[serde(default)]
    pub fps: Option<u16>,
    /// Packets that the server reports as lost, in thousandths.
    #[serde(default, deserialize_with = "permille")]
    pub lost_permille: Option<u16>,
    /// What keeps it small.
    #[serde(default)]
    pub limited: Option<Limited>,
}

/// One source that a client receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(deny_unknown_fields)]
pub struct ReceivedReport {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// Which of theirs.
    pub source: Source,
    /// How it is encoded.
    #[serde(default)]
    pub codec: Option<CodecName>,
    /// Bit rate.
    #[serde(default)]
    pub kbps: Option<u32>,
    /// Width of the frames.
    #[serde(default)]
    pub width: Option<u16>,
    /// Height of the frames.
    #[serde(default)]
    pub height: Option<u16>,
    /// Frames in a second.
    #[serde(default)]
    pub fps: Option<u16>,
    /// Packets lost, in thousandths.
    #[serde(default, deserialize_with = "permille")]
    pub lost_permille: Option<u16>,
    /// How unevenly packets come, in milliseconds.
    #[serde(default)]
    pub jitter_ms: Option<u32>,
    /// How often the picture stood still.
    #[serde(default)]
    pub freezes: Option<u16>,
    /// How long it stood still, in milliseconds.
    #[serde(default)]
    pub frozen_ms: Option<u32>,
    /// Sound that had to be made up, in thousandths.
    #[serde(default, deserialize_with = "permille")]
    pub concealed_permille: Option<u16>,
}

/// The connection of one participant, as hosts see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct QualityView {
    /// Whose.
    #[cfg_attr(test, ts(type = "string"))]
    pub participant: ParticipantId,
    /// The name that everyone sees.
    pub name: String,
    /// What their client measured last, unless that was long ago.
    pub client: Option<QualityReport>,
    /// When that was.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub at: Option<Timestamp>,
    /// What the server sees; nothing while they have no transport.
    pub server: Option<PeerQuality>,
}

impl QualityReport {
    /// Without what is about sources that the reporter does not receive: ids are not taken from a client's word.
    #[must_use]
    pub fn about(mut self, known: impl Fn(ParticipantId) -> bool) -> Self {
        self.received.retain(|line| known(line.participant));
        self
    }
}

/// A line for each participant, in the order of the room.
pub fn lines(
    room: &Room,
    mut server: Vec<PeerQuality>,
    client: impl Fn(ParticipantId) -> Option<(Timestamp, QualityReport)>,
) -> Vec<QualityView> {
    let people = room.people();
    people
        .map(|person| {
            let found = server.iter().position(|peer| peer.participant == person.id);
            let (at, report) = client(person.id).unzip();
            QualityView {
                participant: person.id,
                name: person.who.name.clone(),
                client: report,
                at,
                server: found.map(|place| server.swap_remove(place)),
            }
        })
        .collect()
}

fn permille<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match Option::<u16>::deserialize(deserializer)? {
        Some(value) if value > 1000 => Err(D::Error::custom("more than all of it")),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn received(more: &str) -> String {
        format!("{{\"participant\":\"{ME}\",\"source\":\"camera\"{more}}}")
    }

    fn report(received: &[String]) -> Result<QualityReport, serde_json::Error> {
        serde_json::from_str(&format!(
            "{{\"transport\":{{}},\"sent\":[],\"received\":[{}]}}",
            received.join(",")
        ))
    }

    #[test]
    fn a_report_in_bounds_is_taken_and_one_beyond_them_is_not() {
        assert!(report(&[received(",\"lost_permille\":1000,\"fps\":30")]).is_ok());
        assert!(report(&[received(",\"lost_permille\":1001")]).is_err());
        assert!(report(&[received(",\"fps\":-1")]).is_err());
        assert!(report(&[received(",\"width\":70000")]).is_err());
        assert!(report(&[received(",\"remark\":\"x\"")]).is_err());
        assert!(report(&[received(",\"codec\":\"<b>\"")]).is_err());
        assert!(report(&vec![received(""); RECEIVED]).is_ok());
        assert!(report(&vec![received(""); RECEIVED + 1]).is_err());
    }

    #[test]
    fn lines_about_people_whom_the_reporter_does_not_see_are_left_out() {
        let read = report(&[received("")]).unwrap();
        assert_eq!(read.clone().about(|_| true).received.len(), 1);
        assert_eq!(read.about(|_| false).received.len(), 0);
    }
}
