//! RTCP (RFC 3550, RFC 4585): reads what peers report, in bounded steps and without allocation, and writes what an SFU says.
//! What it does not know it passes over.

use std::time::Duration;

use crate::media::estimate::feedback::Feedback;
use rtc_rtcp::packet::{Packet as Written, marshal};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

pub use rtc_rtcp::reception_report::ReceptionReport;

const SENDER_REPORT: u8 = 200;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const RECEIVER_REPORT: u8 = 201;
const NACK: u8 = 1;
const ARRIVALS: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;
/// Bytes of a block about reception.
const BLOCK: usize = 24;
/// By how much two clocks may differ over a few seconds: what comes back sooner than it can was not heard as it says.
const APART: Duration = Duration::from_millis(5);

/// One thing that a peer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// A sender's clock: wall time as NTP (32.32 bits) and media time at the same moment.
    Sender {
        /// Which stream.
        ssrc: u32,
        /// NTP time.
        ntp: u64,
        /// Media time.
        rtp: u32,
    },
    /// Packets are missing.
    Nack {
        /// Of which stream.
        media: u32,
        /// Which ones.
        lost: Lost<'a>,
    },
    /// A key frame is needed (PLI, or FIR which asks for the same).
    KeyFrame {
        /// Of which stream.
        media: u32,
    },
    /// When packets arrived.
    Arrivals(Feedback<'a>),
    /// How a stream that we send is received.
    Reception {
        /// Lost since the last report, of 256. Of several streams that of the first: all speak of the same way.
        fraction_lost: u8,
        /// Of all streams reported on, which of our reports came last.
        heard: Blocks<'a>,
    },
    /// What the receiver thinks it can receive, in bits per second (REMB).
    Bandwidth(u64),
    /// A stream ends.
    Goodbye {
        /// Which one; only the first of several is reported.
        ssrc: u32,
    },
}

/// Blocks about reception, one for each stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; BLOCK]]);

impl<'a> Blocks<'a> {
    /// The sender reports that came, at most 31.
    pub fn iter(self) -> impl Iterator<Item = Heard> + 'a {
        let word = |block: &[u8; BLOCK], at: usize| {
            let bytes = block.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let heard = self.0.iter().filter_map(move |block| {
            Some(Heard {
                media: word(block, 0)?,
                report: word(block, 16)?,
                delay: word(block, 20)?,
            })
        });
        // RFC 3550, section 6.4.1: 0 if none came yet.
        heard.filter(|heard| heard.report != 0)
    }
}

/// A sender report that a receiver has heard (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of which stream.
    pub media: u32,
    /// The middle of its NTP time.
    pub report: u32,
    /// How long before this was said, in 1/65536 s.
    pub delay: u32,
}

impl Heard {
    /// How the other side names a report of this NTP time.
    pub const fn name(ntp: u64) -> u32 {
        (ntp >> 16) as u32
    }

    /// How long a report took to get there and this to come back, if it left so long ago.
    pub fn trip(self, ago: Duration) -> Option<Duration> {
        let delay = Duration::from_secs(1) * self.delay / 65_536;
        let trip = (ago + APART).checked_sub(delay)?;
        Some(trip.saturating_sub(APART))
    }
}

/// The sequence numbers of a NACK, at most 17 for each of its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<'a>(&'a [u8]);

impl<'a> Lost<'a> {
    /// Every sequence number asked for.
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.0
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|&[s0, s1, m0, m1]| {
                let first = u16::from_be_bytes([s0, s1]);
                let mask = u16::from_be_bytes([m0, m1]);
                let following = (0..16_u16).filter(move |bit| mask >> bit & 1 == 1);
                std::iter::once(first).chain(following.map(move |bit| first.wrapping_add(bit + 1)))
            })
    }
}

/// Reads a compound packet; ends at the first part that does not fit.
pub fn reports(packet: &[u8]) -> impl Iterator<Item = Report<'_>> {
    Parts { rest: packet }.flat_map(|part| part.report().into_iter().chain(part.reception()))
}

struct Parts<'a> {
    rest: &'a [u8],
}

struct Part<'a> {
    count: u8,
    kind: u8,
    body: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let &[first, kind, l0, l1] = self.rest.first_chunk::<4>()?;
        let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let (part, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let body = part.get(4..)?;
        (first >> 6 == 2).then_some(Part {
            count: first & 0x1f,
            kind,
            body,
        })
    }
}

impl<'a> Part<'a> {
    fn report(&self) -> Option<Report<'a>> {
        match (self.kind, self.count) {
            (SENDER_REPORT, _) => Some(Report::Sender {
                ssrc: self.word(0)?,
                ntp: u64::from(self.word(1)?) << 32 | u64::from(self.word(2)?),
                rtp: self.word(3)?,
            }),
            (GOODBYE, 1..) => Some(Report::Goodbye {
                ssrc: self.word(0)?,
            }),
            (TRANSPORT_FEEDBACK, NACK) => Some(Report::Nack {
                media: self.word(1)?,
                lost: Lost(self.body.get(8..)?),
            }),
            (TRANSPORT_FEEDBACK, ARRIVALS) => Some(Report::Arrivals(Feedback::parse(self.body)?)),
            (PAYLOAD_FEEDBACK, PLI) => Some(Report::KeyFrame {
                media: self.word(1)?,
            }),
            // RFC 5104, section 4.3.1.1: the stream stands in the entry, not in the header.
            (PAYLOAD_FEEDBACK, FIR) => Some(Report::KeyFrame {
                media: self.word(2)?,
            }),
            (PAYLOAD_FEEDBACK, APPLICATION) => self.bandwidth(),
            _ => None,
        }
    }

    fn reception(&self) -> Option<Report<'a>> {
        let start = match (self.kind, self.count) {
            (RECEIVER_REPORT, 1..) => 4,
            (SENDER_REPORT, 1..) => 24,
            _ => return None,
        };
        let (blocks, _) = self.body.get(start..)?.as_chunks();
        let heard = Blocks(blocks.get(..usize::from(self.count)).unwrap_or(blocks));
        let &[_, _, _, _, fraction_lost, ..] = heard.0.first()?;
        Some(Report::Reception {
            fraction_lost,
            heard,
        })
    }

    fn word(&self, index: usize) -> Option<u32> {
        let bytes = self.body.get(index * 4..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// draft-alvestrand-rmcat-remb-03, section 2.2: six bits of exponent, 18 of mantissa.
    fn bandwidth(&self) -> Option<Report<'a>> {
        if self.body.get(8..12)? != b"REMB" {
            return None;
        }
        let word = self.word(3)?;
        let (exponent, mantissa) = (word >> 18 & 0x3f, u64::from(word & 0x3_ffff));
        // More than 46 shifts would leave 64 bits.
        Some(Report::Bandwidth(mantissa << exponent.min(46)))
    }
}

/// Collects what is to be said to one peer in one packet.
#[derive(Debug, Default)]
pub struct Compound {
    parts: Vec<Box<dyn Written>>,
}

impl Compound {
    /// Starts with a report of what was received; `ssrc` is the speaker's own.
    pub fn receiver(ssrc: u32, reports: Vec<ReceptionReport>) -> Self {
        Self {
            parts: vec![Box::new(ReceiverReport {
                ssrc,
                reports,
                ..ReceiverReport::default()
            })],
        }
    }

    /// Starts with a report of what was sent on a stream, with the name of its clock.
    pub fn sender(ssrc: u32, name: &str, ntp: u64, rtp: u32, packets: u32, octets: u32) -> Self {
        let report = SenderReport {
            ssrc,
            ntp_time: ntp,
            rtp_time: rtp,
            packet_count: packets,
            octet_count: octets,
            ..SenderReport::default()
        };
        let item = SourceDescriptionItem {
            sdes_type: SdesType::SdesCname,
            text: name.as_bytes().to_vec().into(),
        };
        let chunk = SourceDescriptionChunk {
            source: ssrc,
            items: vec![item],
        };
        Self {
            parts: vec![
                Box::new(report),
                Box::new(SourceDescription {
                    chunks: vec![chunk],
                }),
            ],
        }
    }

    /// Asks for packets again.
    pub fn nack(mut self, sender: u32, media: u32, lost: &[u16]) -> Self {
        self.parts.push(Box::new(TransportLayerNack {
            sender_ssrc: sender,
            media_ssrc: media,
            nacks: nack_pairs_from_sequence_numbers(lost),
        }));
        self
    }

    /// Asks for a key frame.
    pub fn key_frame(mut self, sender: u32, media: u32) -> Self {
        self.parts.push(Box::new(PictureLossIndication {
            sender_ssrc: sender,
            media_ssrc: media,
        }));
        self
    }

    /// Says how much may be sent.
    pub fn bandwidth(mut self, sender: u32, bits_per_second: u32, ssrcs: Vec<u32>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the wire form has 18 bits of mantissa anyway"
        )]
        let bitrate = bits_per_second as f32;
        self.parts.push(Box::new(ReceiverEstimatedMaximumBitrate {
            sender_ssrc: sender,
            bitrate,
            ssrcs,
        }));
        self
    }

    /// Adds a part that was made elsewhere.
    pub fn with(mut self, part: impl Written + 'static) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Appends the packet to `out`; `false` (and nothing appended) if it cannot be written.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        match marshal(&self.parts) {
            Ok(bytes) => {
                out.extend_from_slice(&bytes);
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(compound: &Compound) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(compound.write(&mut out));
        out
    }

    #[test]
    fn what_is_written_is_read_back() {
        let out = written(
            &Compound::sender(5, "name", 0x0102_0304_0506_0708, 90, 1, 2)
                .nack(1, 6, &[10, 11, 27, 40])
                .key_frame(1, 7),
        );
        let read: Vec<_> = reports(&out).collect();
        assert_eq!(
            read[0],
            Report::Sender {
                ssrc: 5,
                ntp: 0x0102_0304_0506_0708,
                rtp: 90
            }
        );
        let Report::Nack { media: 6, lost } = read[1] else {
            panic!("{read:?}")
        };
        assert_eq!(lost.iter().collect::<Vec<_>>(), [10, 11, 27, 40]);
        assert_eq!(read[2], Report::KeyFrame { media: 7 });
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn what_was_heard_of_senders_tells_the_way_there_and_back() {
        let block = |ssrc: u32, last_sender_report: u32| ReceptionReport {
            ssrc,
            fraction_lost: ssrc as u8,
            last_sender_report,
            delay: 65_536 / 2,
            ..ReceptionReport::default()
        };
        let blocks = vec![
            block(5, 0),
            block(6, Heard::name(0x0102_0304_0506_0708)),
            block(7, 9),
        ];
        let out = written(&Compound::receiver(1, blocks));
        let heard = Heard {
            media: 6,
            report: 0x0304_0506,
            delay: 32_768,
        };
        let Some(Report::Reception {
            fraction_lost: 5,
            heard: blocks,
        }) = reports(&out).next()
        else {
            panic!("{out:?}")
        };
        assert_eq!(
            blocks.iter().map(|heard| heard.media).collect::<Vec<_>>(),
            [6, 7]
        );
        assert_eq!(blocks.iter().next(), Some(heard));
        let trip = |ago| heard.trip(Duration::from_millis(ago));
        assert_eq!(trip(540), Some(Duration::from_millis(40)));
        assert_eq!(trip(499), Some(Duration::ZERO), "by clocks that differ");
        assert_eq!(trip(490), None, "it was there before it left");
        // One that claims more blocks than it has.
        let mut short = written(&Compound::receiver(1, vec![block(5, 0)]));
        short[0] |= 0x1f;
        let Some(Report::Reception { heard, .. }) = reports(&short).next() else {
            panic!("{short:?}")
        };
        assert_eq!(heard.iter().count(), 0);
        for length in 0..out.len() {
            let _read = reports(&out[..length]).count();
        }
    }

    #[test]
    fn a_bandwidth_is_read_back() {
        let out = written(&Compound::receiver(1, Vec::new()).bandwidth(1, 1_500_000, vec![2]));
        let Some(Report::Bandwidth(bits)) = reports(&out).next() else {
            panic!()
        };
        assert!((1_499_000..=1_500_000).contains(&bits), "{bits}");
    }

    #[test]
    fn an_absurd_bandwidth_does_not_overflow() {
        let packet = [
            0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0xff, 0xff, 0xff,
        ];
        assert!(matches!(
            reports(&packet).next(),
            Some(Report::Bandwidth(_))
        ));
    }

    #[test]
    fn a_full_intra_request_counts_as_a_key_frame_request() {
        let packet = [
            0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0,
        ];
        assert_eq!(
            reports(&packet).collect::<Vec<_>>(),
            [Report::KeyFrame { media: 9 }]
        );
    }

    #[test]
    fn a_part_that_does_not_fit_ends_the_reading() {
        let mut out = written(&Compound::default().key_frame(1, 7));
        out.extend_from_slice(&[0x81, 206, 0, 9, 0, 0, 0, 1]);
        assert_eq!(reports(&out).count(), 1);
        for length in 0..12 {
            assert_eq!(reports(&out[..length]).count(), 0, "{length}");
        }
    }
}
