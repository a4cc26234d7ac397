//! When packets of one peer arrived, for its congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//! It records and reports; what the sender makes of it is the sender's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    SymbolTypeTcc, TransportLayerCc,
};

/// Packets in one report: 50 ms of 50 Mbit/s.
const MOST: usize = 256;
/// With so many a report is due.
const MANY: usize = MOST / 2;
/// Packet numbers that one report spans at most.
const SPAN: i64 = 512;
/// Numbers further apart than this are another beginning, not a gap.
const JUMP: i64 = 0x4000;
/// A report takes some 70 bytes on the way and should be no more than a twentieth of what came: it waits for so many bytes, as
/// libwebrtc's do; and so long, its usual time of 100 ms, of which a report may come a little before.
const WORTH: usize = 1400;
const USUAL: Duration = Duration::from_millis(85);
/// With so many bytes it is due at once: a megabit per second and more is reported twice as often.
const MUCH: usize = 6_250;
/// So long after something was missing all is well again, and half as many reports tell as much.
const EASE: Duration = Duration::from_secs(3);
const AT_EASE: Duration = Duration::from_millis(185);
/// Yet it comes so often, as long as anything does.
const LONGEST: Duration = Duration::from_millis(250);
/// The unit of a report's base time.
const BASE: Duration = Duration::from_millis(64);
/// The unit of the differences, in microseconds.
const TICK: i64 = 250;

/// Arrivals since the last report.
#[derive(Debug)]
pub(crate) struct Arrivals {
    begun: Instant,
    newest: i64,
    started: bool,
    /// Number (unwrapped) and time since `begun`, ordered by number.
    pending: VecDeque<(i64, Duration)>,
    /// Bytes since the last report, and when that was made.
    bytes: usize,
    reported: Option<Instant>,
    /// The number after the last one reported.
    next: i64,
    /// When a number was missing the last time, or it all began.
    missed: Instant,
    reports: u8,
}

impl Arrivals {
    /// Nothing has arrived yet.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            begun: now,
            newest: 0,
            started: false,
            pending: VecDeque::new(),
            bytes: 0,
            reported: None,
            next: 0,
            missed: now,
            reports: 0,
        }
    }

    /// A packet of this size with this transport-wide number arrived.
    pub(crate) fn record(&mut self, number: u16, size: usize, now: Instant) {
        self.bytes = self.bytes.saturating_add(size);
        let expected = self.newest + 1;
        let number = self.unwrap(number);
        if number != expected {
            self.missed = now;
        }
        if number < self.next || self.pending.len() >= MOST {
            return;
        }
        let at = now.saturating_duration_since(self.begun);
        let place = self.pending.partition_point(|(known, _)| *known < number);
        if self
            .pending
            .get(place)
            .is_none_or(|(known, _)| *known != number)
        {
            self.pending.insert(place, (number, at));
        }
    }

    /// Whether so many have arrived that they should be reported before there is no room for more.
    pub(crate) fn are_many(&self) -> bool {
        self.pending.len() >= MANY
    }

    /// Whether it is time for a report. Whoever sends little is told less often, and who loses nothing.
    pub(crate) fn are_due(&self, now: Instant) -> bool {
        let passed = |at| now.saturating_duration_since(at);
        let at_ease = passed(self.missed) >= EASE;
        let (wait, much) = if at_ease {
            (AT_EASE, 2 * MUCH)
        } else {
            (USUAL, MUCH)
        };
        let wait = if self.bytes >= WORTH { wait } else { LONGEST };
        self.bytes >= much || self.are_many() || self.reported.is_none_or(|at| passed(at) >= wait)
    }

    fn unwrap(&mut self, number: u16) -> i64 {
        if !self.started {
            self.started = true;
            self.newest = i64::from(number);
            self.next = self.newest;
            return self.newest;
        }
        let [.., n0, n1] = self.newest.to_be_bytes();
        let ahead = i64::from(
            number
                .wrapping_sub(u16::from_be_bytes([n0, n1]))
                .cast_signed(),
        );
        let unwrapped = self.newest + ahead;
        if ahead.abs() > JUMP {
            self.pending.clear();
            self.next = unwrapped;
        }
        self.newest = self.newest.max(unwrapped);
        unwrapped
    }

    /// The report of what arrived since the last one; `None` if nothing did.
    pub(crate) fn report(
        &mut self,
        sender: u32,
        media: u32,
        now: Instant,
    ) -> Option<TransportLayerCc> {
        (self.bytes, self.reported) = (0, Some(now));
        let &(first, first_at) = self.pending.front()?;
        // Numbers that are missing before the first are reported too, unless they are too many.
        let base = self.next.max(first - SPAN / 2);
        let base_time = first_at.as_micros() / BASE.as_micros();
        let mut last = i64::try_from(base_time * BASE.as_micros()).unwrap_or(0);
        let mut symbols = Vec::new();
        let mut deltas = Vec::new();
        let mut number = base;
        while let Some(&(known, at)) = self.pending.front() {
            if known - base >= SPAN {
                break;
            }
            while number < known {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                number += 1;
            }
            let at = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
            let ticks = (at - last) / TICK;
            let kind = match ticks {
                0..=255 => SymbolTypeTcc::PacketReceivedSmallDelta,
                -32_768..=32_767 => SymbolTypeTcc::PacketReceivedLargeDelta,
                // Eight seconds apart: it opens the next report.
                _ => break,
            };
            last += ticks * TICK;
            symbols.push(kind);
            deltas.push(RecvDelta {
                type_tcc_packet: kind,
                delta: ticks * TICK,
            });
            number += 1;
            self.pending.pop_front();
        }
        if deltas.is_empty() {
            self.pending.pop_front();
            return None;
        }
        self.next = number;
        let [.., b0, b1] = base.to_be_bytes();
        let count = u16::try_from(symbols.len()).ok()?;
        let report = TransportLayerCc {
            sender_ssrc: sender,
            media_ssrc: media,
            base_sequence_number: u16::from_be_bytes([b0, b1]),
            packet_status_count: count,
            reference_time: u32::try_from(base_time & 0xff_ffff).unwrap_or(0),
            fb_pkt_count: self.reports,
            packet_chunks: chunks(&symbols),
            recv_deltas: deltas,
        };
        self.reports = self.reports.wrapping_add(1);
        Some(report)
    }
}

/// Seven statuses of two bits in each chunk.
fn chunks(symbols: &[SymbolTypeTcc]) -> Vec<PacketStatusChunk> {
    symbols
        .chunks(7)
        .map(|part| {
            let mut symbol_list = part.to_vec();
            symbol_list.resize(7, SymbolTypeTcc::PacketNotReceived);
            PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: SymbolSizeTypeTcc::TwoBit,
                symbol_list,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    fn statuses(report: &TransportLayerCc) -> Vec<u16> {
        let all = report.packet_chunks.iter().flat_map(|chunk| match chunk {
            PacketStatusChunk::StatusVectorChunk(chunk) => chunk.symbol_list.clone(),
            PacketStatusChunk::RunLengthChunk(_) => panic!(),
        });
        all.take(usize::from(report.packet_status_count))
            .map(|symbol| symbol as u16)
            .collect()
    }

    #[test]
    fn gaps_and_times_are_reported() {
        let clock = ManualClock::new();
        let mut arrivals = Arrivals::new(clock.instant());
        clock.advance(Duration::from_millis(70));
        for number in [65_534, 65_535, 1] {
            arrivals.record(number, 1200, clock.instant());
            clock.advance(Duration::from_millis(100));
        }
        let report = arrivals.report(1, 2, clock.instant()).unwrap();
        assert_eq!(
            (report.base_sequence_number, report.reference_time),
            (65_534, 1)
        );
        assert_eq!(statuses(&report), [1, 2, 0, 2]);
        assert_eq!(
            report
                .recv_deltas
                .iter()
                .map(|d| d.delta)
                .collect::<Vec<_>>(),
            [6_000, 100_000, 100_000]
        );
        assert!(arrivals.report(1, 2, clock.instant()).is_none());
        arrivals.record(3, 1200, clock.instant());
        let report = arrivals.report(1, 2, clock.instant()).unwrap();
        assert_eq!(
            (
                report.base_sequence_number,
                statuses(&report).len(),
                report.fb_pkt_count
            ),
            (2, 2, 1)
        );
    }

    #[test]
    fn what_comes_twice_or_after_its_report_is_not_reported() {
        let clock = ManualClock::new();
        let mut arrivals = Arrivals::new(clock.instant());
        for number in [10, 11, 11, 12] {
            arrivals.record(number, 1200, clock.instant());
        }
        assert_eq!(
            arrivals
                .report(1, 2, clock.instant())
                .unwrap()
                .packet_status_count,
            3
        );
        arrivals.record(11, 1200, clock.instant());
        assert!(arrivals.report(1, 2, clock.instant()).is_none());
    }

    #[test]
    fn any_numbers_give_reports_that_fit() {
        let clock = ManualClock::new();
        let mut arrivals = Arrivals::new(clock.instant());
        let mut state = 7_u32;
        for round in 0..2000_u64 {
            for _ in 0..20 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                arrivals.record((state >> (state % 17)) as u16, 1200, clock.instant());
                clock.advance(Duration::from_micros(
                    u64::from(state % 3000) * (round % 400),
                ));
            }
            if let Some(report) = arrivals.report(1, 2, clock.instant()) {
                assert!(
                    i64::from(report.packet_status_count) <= SPAN
                        && report.recv_deltas.len() <= MOST
                );
                let mut out = Vec::new();
                assert!(
                    crate::media::rtcp::Compound::default()
                        .with(report)
                        .write(&mut out)
                );
            }
            assert!(arrivals.pending.len() <= MOST);
        }
    }

    #[test]
    fn reports_are_a_small_share_of_what_comes_and_not_too_seldom() {
        // Of the last one in a hundred is lost.
        for (size, every, lost, reports) in [
            (100, 20, 0, 40..=41),
            (1100, 18, 0, 60..=70),
            (1100, 6, 0, 125..=135),
            (1100, 18, 100, 95..=105),
            (1100, 6, 100, 195..=205),
        ] {
            let clock = ManualClock::new();
            let mut arrivals = Arrivals::new(clock.instant());
            let (mut made, mut number) = (0, 0);
            for tick in 0..10_000 {
                clock.advance(Duration::from_millis(1));
                if tick % every == 0 {
                    if lost == 0 || number % lost != 0 {
                        arrivals.record(number, size, clock.instant());
                    }
                    number += 1;
                }
                if tick % 50 == 0 && arrivals.are_due(clock.instant()) {
                    let report = arrivals.report(1, 2, clock.instant());
                    made += u32::from(report.is_some());
                }
            }
            assert!(
                reports.contains(&made),
                "{size} bytes every {every} ms: {made} in ten seconds"
            );
        }
    }
}
