//! Reads a report of arrival times (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1), in bounded steps and without
//! allocation. It ends at the first part that does not fit.

/// Packets that one report may speak of: more than are remembered as sent. A run of lost ones costs its sender two bytes.
pub const MOST_STATUSES: u16 = 2048;
/// The unit of the reference time, in microseconds.
pub const REFERENCE: i64 = 64_000;
/// The unit of the differences, in microseconds.
const TICK: i64 = 250;

/// A report, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    base: u16,
    count: u16,
    /// When the receiver's clock stood at this many times 64 ms; 24 bits that wrap.
    pub reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What became of a packet, by its number across the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which packet.
    pub number: u16,
    /// When it arrived, in microseconds after the reference time; `None` if it did not.
    pub arrived: Option<i64>,
}

impl<'a> Feedback<'a> {
    /// The report in the body of a feedback packet (after its header of four bytes).
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let &[b0, b1, c0, c1, r0, r1, r2, _] = body.get(8..)?.first_chunk::<8>()?;
        let rest = body.get(16..)?;
        let count = u16::from_be_bytes([c0, c1]);
        if count == 0 || count > MOST_STATUSES {
            return None;
        }
        let mut covered = 0;
        let mut chunks = 0;
        while covered < u32::from(count) {
            let chunk = rest.get(chunks..)?.first_chunk::<2>()?;
            covered += u32::from(Chunk::parse(*chunk).left);
            chunks += 2;
        }
        let (chunks, deltas) = rest.split_at_checked(chunks)?;
        Some(Self {
            base: u16::from_be_bytes([b0, b1]),
            count,
            reference: u32::from_be_bytes([0, r0, r1, r2]),
            chunks,
            deltas,
        })
    }

    /// Every packet it speaks of, by ascending number.
    pub const fn statuses(self) -> Statuses<'a> {
        Statuses {
            number: self.base,
            left: self.count,
            chunks: self.chunks,
            chunk: None,
            deltas: self.deltas,
            time: 0,
        }
    }
}

/// Two bytes about several packets, of which the next stands before the others.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bits: u16,
    /// Where the next symbol stands, how wide it is, and how far the one after it: none for a run.
    place: u16,
    mask: u16,
    step: u16,
    /// Packets of it that were not read.
    left: u16,
}

impl Chunk {
    const fn parse(bytes: [u8; 2]) -> Self {
        let bits = u16::from_be_bytes(bytes);
        let (place, mask, step, left) = match bits >> 14 {
            // A run of none is none, and then the report does not end: it is read as one.
            0 | 1 if bits & 0x1fff == 0 => (13, 3, 0, 1),
            0 | 1 => (13, 3, 0, bits & 0x1fff),
            2 => (13, 1, 1, 14),
            _ => (12, 3, 2, 7),
        };
        Self {
            bits,
            place,
            mask,
            step,
            left,
        }
    }

    /// The next symbol: 0 lost, 1 one byte, 2 two bytes, 3 nothing that is defined.
    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let symbol = self.bits >> self.place & self.mask;
        self.bits <<= self.step;
        Some(symbol)
    }
}

/// Walks a report.
#[derive(Clone, Debug)]
pub struct Statuses<'a> {
    number: u16,
    left: u16,
    chunks: &'a [u8],
    chunk: Option<Chunk>,
    deltas: &'a [u8],
    time: i64,
}

impl Statuses<'_> {
    fn symbol(&mut self) -> Option<u16> {
        if let Some(symbol) = self.chunk.as_mut().and_then(Chunk::next) {
            return Some(symbol);
        }
        let (bytes, rest) = self.chunks.split_first_chunk::<2>()?;
        self.chunks = rest;
        let mut chunk = Chunk::parse(*bytes);
        let symbol = chunk.next();
        self.chunk = Some(chunk);
        symbol
    }

    fn delta(&mut self, symbol: u16) -> Option<i64> {
        let (ticks, rest) = match symbol {
            1 => {
                let (byte, rest) = self.deltas.split_first()?;
                (i64::from(*byte), rest)
            }
            2 => {
                let (bytes, rest) = self.deltas.split_first_chunk::<2>()?;
                (i64::from(i16::from_be_bytes(*bytes)), rest)
            }
            _ => return None,
        };
        self.deltas = rest;
        self.time += ticks * TICK;
        Some(self.time)
    }
}

impl Iterator for Statuses<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        self.left = self.left.checked_sub(1)?;
        let symbol = self.symbol()?;
        let arrived = match symbol {
            0 => None,
            _ => match self.delta(symbol) {
                Some(at) => Some(at),
                None => {
                    self.left = 0;
                    return None;
                }
            },
        };
        let number = self.number;
        self.number = number.wrapping_add(1);
        Some(Status { number, arrived })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::media::arrivals::Arrivals;
    use crate::media::rtcp::{Compound, Report, reports};
    use std::time::Duration;

    fn body(chunks: &[u16], deltas: &[u8], count: u16) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend_from_slice(&0xfffe_u16.to_be_bytes());
        body.extend_from_slice(&count.to_be_bytes());
        body.extend_from_slice(&[0, 0, 5, 1]);
        for chunk in chunks {
            body.extend_from_slice(&chunk.to_be_bytes());
        }
        body.extend_from_slice(deltas);
        body
    }

    fn read(body: &[u8]) -> Vec<(u16, Option<i64>)> {
        let feedback = Feedback::parse(body).unwrap();
        feedback
            .statuses()
            .map(|status| (status.number, status.arrived))
            .collect()
    }

    #[test]
    fn runs_and_vectors_are_read_across_the_wrap() {
        // A run of two small differences, then a vector of one bit for each: lost, received.
        let bytes = body(&[0x2002, 0x9000], &[4, 8, 12], 4);
        assert_eq!(
            read(&bytes),
            [
                (0xfffe, Some(1000)),
                (0xffff, Some(3000)),
                (0, None),
                (1, Some(6000))
            ]
        );
        // Two bits for each: large and negative, lost, small.
        let bytes = body(&[0xe100], &[0xff, 0xfc, 1], 3);
        assert_eq!(
            read(&bytes),
            [(0xfffe, Some(-1000)), (0xffff, None), (0, Some(-750))]
        );
        assert_eq!(Feedback::parse(&bytes).unwrap().reference, 5);
    }

    #[test]
    fn what_does_not_fit_ends_the_reading() {
        assert_eq!(read(&body(&[0x2002], &[4], 2)).len(), 1);
        assert!(Feedback::parse(&body(&[], &[], 1)).is_none());
        assert!(Feedback::parse(&body(&[0x1fff], &[], 0)).is_none());
        assert!(
            Feedback::parse(&body(&[0x1fff], &[], 3000)).is_none(),
            "more than are remembered"
        );
        assert_eq!(read(&body(&[0x6002], &[1, 2, 3, 4], 2)).len(), 0);
    }

    #[test]
    fn our_own_reports_are_read_back() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(3));
        let mut arrivals = Arrivals::new(clock.instant());
        let mut expected = Vec::new();
        for number in 65_500..66_000_u32 {
            if number % 7 == 3 {
                continue;
            }
            let number = (number & 0xffff) as u16;
            arrivals.record(number, 1200, clock.instant());
            expected.push(number);
            clock.advance(Duration::from_micros(u64::from(number % 5) * 9_000));
        }
        let mut got = Vec::new();
        while let Some(report) = arrivals.report(1, 2, clock.instant()) {
            let mut out = Vec::new();
            assert!(Compound::default().with(report).write(&mut out));
            let Some(Report::Arrivals(feedback)) = reports(&out).next() else {
                panic!("not read")
            };
            got.extend(
                feedback
                    .statuses()
                    .filter(|status| status.arrived.is_some())
                    .map(|status| status.number),
            );
        }
        // What the reporter itself holds at most.
        assert_eq!(got, expected[..got.len()]);
        assert!(got.len() >= 256);
    }
}
