//! One incoming stream, after authentication: what came and what is missing, its sender's clock. Everything in it
//! is bounded.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_policy::source::Source;

use crate::media::av1::Structure;
use crate::media::codec::Codec;
use crate::media::descriptor::{Counters, Descriptor, Shift};
use crate::media::offer::Kind;
use crate::media::rtcp::{Heard, ReceptionReport};
use crate::media::sends::Declared;
use crate::media::skips::{Cut, Layers, Ranks, Skips};

/// Missing packets remembered; with more missing only a key frame helps.
const MOST_MISSING: usize = 256;
/// A missing packet may be merely late: so old is it when it is first asked for.
const ASK_AT: Duration = Duration::from_millis(10);
/// Later the question or the repair was lost: it is asked for again after a round trip and a little. The round trip before one was
/// measured, and between what it is believed.
const TRIP: Duration = Duration::from_millis(70);
const TRIPS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(300));
const MARGIN: Duration = Duration::from_millis(15);
/// How often it is asked for: at thirty per cent loss both ways one in two repairs comes through.
const MOST_ASKED: u8 = 8;
/// After this a repair would come too late to be shown.
const USEFUL: Duration = Duration::from_secs(1);
/// The same for sound, which players do not wait for as long.
const SOUND_USEFUL: Duration = Duration::from_millis(400);
/// A sender's clock is told on at most this often, and at once for what begins. Browsers report it every second or so, but clocks run
/// apart by a millisecond in ten seconds at most; RFC 3550, section 6.2, has five seconds as the usual time.
const CLOCKS: Duration = Duration::from_millis(2_400);
/// A stream that was silent for so long may be replaced by another of the same source.
const SILENT: Duration = Duration::from_secs(2);
/// One whose sender said that it is over may be replaced at once, if it lasted so long: with each everything begins anew.
const LASTS: Duration = Duration::from_secs(1);

/// A packet that is to be forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// Which encoding of the source, the smallest first; 0 where there is one.
    pub(crate) layer: u8,
    /// In what it is encoded.
    pub(crate) codec: Codec,
    /// The source has one encoding, whose sizes, if it has several, are layers of one stream.
    pub(crate) stacked: bool,
    /// Rollover counter and sequence number in the publisher's stream.
    pub(crate) index: u64,
    /// What of the stream came before and is not for everybody.
    pub(crate) skips: Skips,
    /// Media time.
    pub(crate) timestamp: u32,
    /// The last packet of a frame, the first of a talkspurt.
    pub(crate) marker: bool,
    /// How loud (RFC 6464).
    pub(crate) level: Option<u8>,
    /// What of the payload must be read.
    pub(crate) descriptor: Option<Descriptor>,
    /// The sender's clock, as it last told it for this stream.
    pub(crate) clock: Option<SenderClock>,
    /// The dependency descriptor of AV1, as it came; empty where there is none.
    pub(crate) dependency: &'a [u8],
    /// The payload, without padding.
    pub(crate) payload: &'a [u8],
}

impl Packet<'_> {
    /// Which of the sizes of its source.
    pub(crate) fn size(&self) -> u8 {
        if self.stacked {
            self.descriptor.as_ref().map_or(0, Descriptor::spatial)
        } else {
            self.layer
        }
    }

    /// Its layers within its stream.
    pub(crate) fn layers(&self) -> Layers {
        self.descriptor
            .as_ref()
            .map_or((0, 0, false), |descriptor| {
                let begins = descriptor.begins_frame() && descriptor.spatial() == 0;
                let picture = begins && descriptor.counts_pictures();
                (descriptor.spatial(), descriptor.temporal(), picture)
            })
    }

    /// The counters of its descriptor as they leave.
    pub(crate) fn shifted(&self, shift: Shift) -> Counters {
        let counters = |descriptor: &Descriptor| descriptor.shifted(shift);
        self.descriptor.as_ref().map_or((None, None), counters)
    }

    /// Its number among those of a cut.
    pub(crate) fn rank(&self, cut: Cut) -> u64 {
        self.skips.rank(self.index, cut)
    }
}

/// A sender's clock: wall time as NTP (32.32 bits) and the media time at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderClock {
    pub(crate) ntp: u64,
    pub(crate) rtp: u32,
}

impl SenderClock {
    /// Ticks from media time `before`, by the clock `other` of another stream of the same sender, to media time `now` by this
    /// one.
    pub(crate) fn ticks_since(self, now: u32, other: Self, before: u32, rate: u32) -> i64 {
        let apart = i128::from(self.ntp.wrapping_sub(other.ntp).cast_signed()) * i128::from(rate);
        let own = i64::from(now.wrapping_sub(self.rtp).cast_signed());
        let others = i64::from(before.wrapping_sub(other.rtp).cast_signed());
        i64::try_from(apart >> 32).unwrap_or(0) + own - others
    }
}

/// An incoming stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    pub(crate) source: Source,
    /// Which encoding of the source.
    pub(crate) layer: u8,
    /// It carries retransmissions of the encoding's other stream.
    pub(crate) repair: bool,
    /// What its sender last told of its clock.
    pub(crate) clock: Option<SenderClock>,
    /// The templates to which its dependency descriptors refer.
    pub(crate) structure: Option<Box<Structure>>,
    pub(crate) ranks: Ranks,
    reception: Reception,
    missing: VecDeque<Missing>,
    newest: Option<u64>,
    since: Instant,
    last: Instant,
    /// Its sender said that nothing more comes.
    parted: bool,
    /// When its clock was last told to the receivers.
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    since: Instant,
    asked: u8,
    last: Instant,
}

impl Stream {
    pub(crate) fn new(ssrc: u32, of: Declared, codec: Codec, now: Instant) -> Self {
        Self {
            ssrc,
            source: of.source,
            layer: of.layer,
            repair: of.repair,
            clock: None,
            structure: None,
            ranks: Ranks::default(),
            reception: Reception::new(codec.clock()),
            missing: VecDeque::new(),
            newest: None,
            since: now,
            last: now,
            parted: false,
            told: None,
        }
    }

    /// Whether another stream may take its place.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        let passed = |since: Instant| now.saturating_duration_since(since);
        passed(self.last) >= SILENT || self.parted && passed(self.since) >= LASTS
    }

    /// Its sender says that nothing more comes (RFC 3550, section 6.6). It may come back all the same: then nothing in its packets
    /// tells any more what it is of.
    pub(crate) const fn part(&mut self) {
        self.parted = true;
    }

    /// Counts an authenticated packet for the reports.
    pub(crate) fn count(&mut self, index: u64, timestamp: u32, now: Instant) {
        self.last = now;
        self.parted = false;
        self.reception.count(index, timestamp, now);
    }

    /// Takes a packet up unless it is there already, be it by a repair; says whether it was new.
    pub(crate) fn take(&mut self, index: u64, now: Instant) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(index);
            return true;
        };
        if index > newest {
            self.newest = Some(index);
            self.note_missing(newest + 1..index, now);
            return true;
        }
        let place = self
            .missing
            .iter()
            .position(|missing| missing.index == index);
        place.and_then(|place| self.missing.remove(place)).is_some()
    }

    fn note_missing(&mut self, gap: std::ops::Range<u64>, now: Instant) {
        let length = gap.end.saturating_sub(gap.start);
        if length > MOST_MISSING as u64 {
            self.missing.clear();
            return;
        }
        for index in gap {
            if self.missing.len() >= MOST_MISSING {
                self.missing.pop_front();
            }
            self.missing.push_back(Missing {
                index,
                since: now,
                asked: 0,
                last: now,
            });
        }
    }

    /// Whether anything is missing that may still come.
    pub(crate) fn misses(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The full index of a sequence number near the newest.
    pub(crate) fn index_of(&self, sequence: u16) -> Option<u64> {
        let newest = self.newest?;
        let [.., n0, n1] = newest.to_be_bytes();
        let ahead = sequence
            .wrapping_sub(u16::from_be_bytes([n0, n1]))
            .cast_signed();
        newest.checked_add_signed(i64::from(ahead))
    }

    /// Forgets what would come too late to be of use.
    pub(crate) fn give_up(&mut self, now: Instant) {
        let useful = match Kind::of(self.source) {
            Kind::Audio => SOUND_USEFUL,
            _ => USEFUL,
        };
        self.missing
            .retain(|missing| now.saturating_duration_since(missing.since) < useful);
    }

    /// Which packets to ask for now. However many receivers miss one, the publisher is asked as if one did.
    pub(crate) fn ask(&mut self, trip: Option<Duration>, now: Instant) -> Vec<u16> {
        let again = trip.unwrap_or(TRIP).clamp(TRIPS.0, TRIPS.1) + MARGIN;
        self.give_up(now);
        let is_due = |missing: &Missing| {
            let wait = if missing.asked == 0 { ASK_AT } else { again };
            missing.asked < MOST_ASKED && now.saturating_duration_since(missing.last) >= wait
        };
        let due = self.missing.iter_mut().filter(|missing| is_due(missing));
        due.map(|missing| {
            missing.asked += 1;
            missing.last = now;
            let [.., n0, n1] = missing.index.to_be_bytes();
            u16::from_be_bytes([n0, n1])
        })
        .collect()
    }

    /// Forgets open repairs, as a cut demands. What is sent until the source stands again is never asked for.
    pub(crate) fn flush(&mut self) {
        self.missing.clear();
        self.newest = None;
    }

    /// The sender reported its clock; says whether the receivers are to be told, which goes to many and therefore not often.
    pub(crate) fn sender_report(&mut self, ntp: u64, rtp: u32, now: Instant) -> bool {
        self.clock = Some(SenderClock { ntp, rtp });
        self.reception.sender_report = Some((ntp, now));
        let due = self
            .told
            .is_none_or(|at| now.saturating_duration_since(at) >= CLOCKS);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// What to report to the sender.
    pub(crate) fn report(&mut self, now: Instant) -> Option<ReceptionReport> {
        self.reception.report(self.ssrc, now)
    }
}

/// Reception as RFC 3550, section 6.4.1, reports it.
#[derive(Debug)]
struct Reception {
    clock: u32,
    first: Option<u64>,
    newest: u64,
    received: u64,
    reported: (u64, u64),
    /// Sixteenths of a tick.
    jitter: u64,
    transit: Option<(u32, Instant)>,
    sender_report: Option<(u64, Instant)>,
}

impl Reception {
    const fn new(clock: u32) -> Self {
        Self {
            clock,
            first: None,
            newest: 0,
            received: 0,
            reported: (0, 0),
            jitter: 0,
            transit: None,
            sender_report: None,
        }
    }

    fn count(&mut self, index: u64, timestamp: u32, now: Instant) {
        self.received += 1;
        self.first = Some(self.first.map_or(index, |first| first.min(index)));
        self.newest = self.newest.max(index);
        if let Some((before, at)) = self.transit.replace((timestamp, now)) {
            let elapsed =
                now.saturating_duration_since(at).as_micros() * u128::from(self.clock) / 1_000_000;
            let elapsed = i64::try_from(elapsed).unwrap_or(i64::MAX);
            let media = i64::from(timestamp.wrapping_sub(before).cast_signed());
            let difference = elapsed.saturating_sub(media).unsigned_abs();
            // A minute is no jitter but another timeline.
            if difference < u64::from(self.clock) * 60 {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
    }

    fn report(&mut self, ssrc: u32, now: Instant) -> Option<ReceptionReport> {
        let expected = self.newest - self.first? + 1;
        let lost = i64::try_from(expected).ok()? - i64::try_from(self.received).ok()?;
        let (expected_before, received_before) = self.reported;
        let expected_now = expected.saturating_sub(expected_before);
        let lost_now = expected_now.saturating_sub(self.received.saturating_sub(received_before));
        self.reported = (expected, self.received);
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0);
        let (last, delay) = match self.sender_report {
            Some((ntp, at)) => {
                let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
                (Heard::name(ntp), u32::try_from(delay).unwrap_or(u32::MAX))
            }
            None => (0, 0),
        };
        Some(ReceptionReport {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            total_lost: u32::try_from(lost.clamp(0, 0x7f_ffff)).unwrap_or(0),
            last_sequence_number: u32::try_from(self.newest & 0xffff_ffff).unwrap_or(0),
            jitter: u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX),
            last_sender_report: last,
            delay,
        })
    }
}
