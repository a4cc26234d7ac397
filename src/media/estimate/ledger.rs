//! What was sent to one receiver and not yet reported: number, time, size and purpose, so that a report of arrivals can be
//! compared with it. Bounded in number and in age.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets remembered: a second at 19 Mbit/s.
const MOST: usize = 2048;
/// What is not reported after this is forgotten.
const OLDEST: u32 = 2_000_000;

/// Why a packet was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Media, at first or again.
    Media,
    /// To find out whether more goes through; the number of the probe.
    Probe(u8),
}

/// A packet that a report spoke of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it was sent, in microseconds after the ledger began.
    pub at: i64,
    /// Bytes of the datagram.
    pub size: u16,
    /// Why.
    pub purpose: Purpose,
    /// A report before this one had said that it was lost.
    pub thought_lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The lower half of the microseconds; what is remembered is younger than their wrap.
    at: u32,
    size: u16,
    /// 0 is media, else the number of the probe.
    probe: u8,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Lost,
    Arrived,
}

/// What was sent.
#[derive(Debug)]
pub struct Ledger {
    begun: Instant,
    /// The number of the oldest entry; the lower half goes into packets.
    first: u64,
    entries: VecDeque<Entry>,
    /// When something was numbered last, by both clocks: packets leave several at a time.
    at: (Instant, i64),
}

impl Ledger {
    /// Nothing was sent yet.
    pub const fn new(now: Instant) -> Self {
        Self {
            begun: now,
            first: 1,
            entries: VecDeque::new(),
            at: (now, 0),
        }
    }

    /// Microseconds since the beginning.
    pub fn time(&self, now: Instant) -> i64 {
        i64::try_from(now.saturating_duration_since(self.begun).as_micros()).unwrap_or(i64::MAX)
    }

    /// How many packets are remembered, and when the first and the last of them left, if that is wanted.
    pub(crate) fn ends(&self, times: bool) -> (usize, Option<u32>, Option<u32>) {
        let time = |entry: Option<&Entry>| entry.filter(|_| times).map(|entry| entry.at);
        (
            self.entries.len(),
            time(self.entries.front()),
            time(self.entries.back()),
        )
    }

    /// The number of a packet that leaves now.
    pub fn number(&mut self, size: usize, purpose: Purpose, now: Instant) -> u16 {
        if self.at.0 != now {
            self.at = (now, self.time(now));
        }
        let at = lower(self.at.1);
        // No more than two go for each that comes: the cost is the same for every packet.
        for _ in 0..2 {
            let old = self
                .entries
                .front()
                .is_some_and(|entry| at.wrapping_sub(entry.at) > OLDEST);
            if old || self.entries.len() >= MOST {
                self.entries.pop_front();
                self.first += 1;
            }
        }
        let [.., n0, n1] = (self.first + self.entries.len() as u64).to_be_bytes();
        self.entries.push_back(Entry {
            at,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            probe: match purpose {
                Purpose::Media => 0,
                Purpose::Probe(number) => number,
            },
            fate: Fate::Open,
        });
        u16::from_be_bytes([n0, n1])
    }

    /// The packet with this number arrived, says a report that came at this time; `None` if that is known, or no such packet is
    /// remembered.
    pub fn arrived(&mut self, number: u16, time: i64) -> Option<Sent> {
        self.settle(number, Fate::Arrived, time)
    }

    /// A report says that the packet did not arrive; `None` as for [`Ledger::arrived`].
    pub fn lost(&mut self, number: u16, time: i64) -> Option<Sent> {
        self.settle(number, Fate::Lost, time)
    }

    /// Forgets what was sent before the oldest that nothing was said of.
    pub fn trim(&mut self) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.fate == Fate::Arrived)
        {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// When the oldest packet was sent that no report spoke of.
    pub fn oldest_open(&self, now: Instant) -> Option<Duration> {
        let at = lower(self.time(now));
        let open = self.entries.iter().find(|entry| entry.fate == Fate::Open)?;
        Some(Duration::from_micros(u64::from(at.wrapping_sub(open.at))))
    }

    fn settle(&mut self, number: u16, fate: Fate, time: i64) -> Option<Sent> {
        let newest = (self.first + self.entries.len() as u64).checked_sub(1)?;
        let [.., n0, n1] = newest.to_be_bytes();
        let behind = u16::from_be_bytes([n0, n1]).wrapping_sub(number);
        let place = newest
            .checked_sub(u64::from(behind))?
            .checked_sub(self.first)?;
        let entry = self.entries.get_mut(usize::try_from(place).ok()?)?;
        if entry.fate == Fate::Arrived || entry.fate == fate {
            return None;
        }
        let thought_lost = entry.fate == Fate::Lost;
        entry.fate = fate;
        let age = lower(time).wrapping_sub(entry.at);
        Some(Sent {
            at: time - i64::from(age),
            size: entry.size,
            purpose: match entry.probe {
                0 => Purpose::Media,
                number => Purpose::Probe(number),
            },
            thought_lost,
        })
    }
}

/// The lower half of a time.
const fn lower(time: i64) -> u32 {
    let [.., a0, a1, a2, a3] = time.to_be_bytes();
    u32::from_be_bytes([a0, a1, a2, a3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn a_packet_is_found_once_by_its_number_across_the_wrap() {
        let clock = ManualClock::new();
        let mut ledger = Ledger::new(clock.instant());
        for sent in 0..70_000_u64 {
            clock.advance(Duration::from_micros(700));
            let number = ledger.number(1000, Purpose::Media, clock.instant());
            if sent % 3 == 0 {
                let time = ledger.time(clock.instant());
                let known = ledger.arrived(number, time).unwrap();
                assert_eq!(known.at, time);
                assert_eq!((known.size, known.thought_lost), (1000, false));
                assert!(ledger.arrived(number, time).is_none());
            }
            ledger.trim();
            assert!(ledger.entries.len() <= MOST);
        }
    }

    #[test]
    fn what_was_thought_lost_may_still_arrive() {
        let clock = ManualClock::new();
        let mut ledger = Ledger::new(clock.instant());
        let number = ledger.number(10, Purpose::Probe(3), clock.instant());
        clock.advance(Duration::from_millis(80));
        let time = ledger.time(clock.instant());
        assert!(ledger.lost(number, time).is_some());
        assert!(ledger.lost(number, time).is_none());
        let sent = ledger.arrived(number, time).unwrap();
        assert!(sent.thought_lost && sent.purpose == Purpose::Probe(3) && sent.at == 0);
        assert!(ledger.lost(number, time).is_none());
        assert!(ledger.arrived(number.wrapping_add(1), time).is_none());
        assert!(ledger.arrived(number.wrapping_sub(1), time).is_none());
    }

    #[test]
    fn without_reports_it_forgets_by_age() {
        let clock = ManualClock::new();
        let mut ledger = Ledger::new(clock.instant());
        for _ in 0..5000 {
            clock.advance(Duration::from_millis(20));
            ledger.number(100, Purpose::Media, clock.instant());
        }
        assert!(ledger.entries.len() <= 102, "{}", ledger.entries.len());
        assert!(ledger.oldest_open(clock.instant()).unwrap() >= Duration::from_millis(1900));
    }
}
