//! What is said by one participant, on its way to whoever makes captions of it. A tap hangs on a microphone like an edge: it
//! stands while the permit to publish and the permit to listen both do, and goes with either, at once. It costs a microphone
//! without one a single look.

use std::time::{Duration, Instant};

use conclave_policy::actions::Listen;
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::media::codec::Codec;
use crate::media::event::Gone;
use crate::media::red;
use crate::media::sfu::Sfu;
use crate::media::stream::{Packet, SenderClock};

/// A packet that came later than this after the earliest of its stream tells of another beginning, not of the network.
const NEW_LINE: i64 = 1_000_000;
/// By how much the earliest arrival is forgotten with each packet, in microseconds: clocks drift apart by less.
const FORGET: i64 = 4;

/// One packet of speech.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// In what it is encoded; never [`Codec::Red`], of which this is the newest block.
    pub codec: Codec,
    /// The sequence number, extended.
    pub sequence: u64,
    /// Media time.
    pub timestamp: u32,
    /// When its first sample was spoken, as far as can be told: by the sender's clock, and on the line of its earliest arrivals.
    pub at: Instant,
    /// What was encoded.
    pub payload: &'a [u8],
}

/// Whoever listens. It is called on the thread of packets and must neither wait nor take long; when it is dropped it must have
/// no more to say of what it heard.
pub trait Ear: Send + std::fmt::Debug {
    /// Takes a packet; `false` if it wants no more of them.
    fn hear(&mut self, sound: &Sound<'_>) -> bool;
}

/// A tap.
#[derive(Debug)]
pub(crate) struct Tap {
    /// Without it there is none.
    _permit: Permit<Listen>,
    ear: Box<dyn Ear>,
    line: Line,
}

impl Tap {
    /// Gives a packet to the ear; `false` if that wants no more.
    pub(crate) fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> bool {
        let (codec, payload) = match packet.codec {
            Codec::Red => match red::primary(packet.payload) {
                Some(newest) => (Codec::Opus, newest),
                None => return true,
            },
            codec => (codec, packet.payload),
        };
        if payload.is_empty() {
            return true;
        }
        let at = self
            .line
            .place(packet.timestamp, packet.clock, codec.clock(), now);
        self.ear.hear(&Sound {
            codec,
            sequence: packet.index,
            timestamp: packet.timestamp,
            at,
            payload,
        })
    }
}

/// Where on one common time the packets of a stream stand: its own clock, held to the moments at which it arrived soonest.
#[derive(Debug, Default)]
struct Line {
    clock: Option<SenderClock>,
    /// The first arrival, from which all others are counted.
    origin: Option<Instant>,
    /// Media time and microseconds of the last packet, for streams whose sender tells nothing of its clock.
    last: Option<(u32, i64)>,
    /// The shortest way so far: arrival less sending, in microseconds.
    least: Option<i64>,
}

impl Line {
    fn place(
        &mut self,
        timestamp: u32,
        clock: Option<SenderClock>,
        rate: u32,
        now: Instant,
    ) -> Instant {
        if clock.is_some() != self.clock.is_some() {
            self.least = None;
        }
        self.clock = clock;
        let origin = *self.origin.get_or_insert(now);
        let arrived = micros(now.saturating_duration_since(origin));
        let sent = match clock {
            Some(clock) => {
                let ticks = i64::from(timestamp.wrapping_sub(clock.rtp).cast_signed());
                ntp_micros(clock.ntp).saturating_add(of_ticks(ticks, rate))
            }
            None => match self.last {
                Some((before, at)) => {
                    let ticks = i64::from(timestamp.wrapping_sub(before).cast_signed());
                    at.saturating_add(of_ticks(ticks, rate))
                }
                None => 0,
            },
        };
        self.last = Some((timestamp, sent));
        let way = arrived.saturating_sub(sent);
        let least = match self.least {
            Some(least) if way.saturating_sub(least).abs() < NEW_LINE => {
                way.min(least.saturating_add(FORGET))
            }
            _ => way,
        };
        self.least = Some(least);
        let late = u64::try_from(way.saturating_sub(least)).unwrap_or(0);
        now.checked_sub(Duration::from_micros(late)).unwrap_or(now)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn of_ticks(ticks: i64, rate: u32) -> i64 {
    ticks
        .saturating_mul(1_000_000)
        .checked_div(i64::from(rate))
        .unwrap_or(0)
}

/// NTP's 32.32 bits as microseconds.
fn ntp_micros(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
    i64::try_from(seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)).unwrap_or(0)
}

impl Sfu {
    /// Lets the ear hear the microphone of the permit, from the next packet on, until either of the permits falls. An earlier
    /// one of the same microphone goes.
    pub fn listen(&mut self, permit: Permit<Listen>, ear: Box<dyn Ear>) -> Result<(), Gone> {
        if !self.is_current(permit.version()) {
            return Err(Gone);
        }
        let Listen { participant } = *permit.action();
        let key = self.find(permit.room(), participant).ok_or(Gone)?;
        let peer = self.peers.get_mut(key).ok_or(Gone)?;
        let publication = peer.publication_mut(Source::Microphone);
        if publication.permit.is_none() {
            return Err(Gone);
        }
        publication.tap = Some(Box::new(Tap {
            _permit: permit,
            ear,
            line: Line::default(),
        }));
        Ok(())
    }

    /// Nobody listens to the participant from now on.
    pub fn unlisten(&mut self, room: RoomId, participant: ParticipantId) {
        let peer = self
            .find(room, participant)
            .and_then(|key| self.peers.get_mut(key));
        if let Some(peer) = peer {
            peer.publication_mut(Source::Microphone).tap = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    const RATE: u32 = 48_000;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn what_comes_late_stands_where_it_was_spoken() {
        let (mut line, start) = (Line::default(), ManualClock::new().instant());
        // Every 20 ms a packet, of which the third is 35 ms late.
        for (number, late) in [(0_u32, 0_u64), (1, 0), (2, 35), (3, 15), (4, 0)] {
            let sent = u64::from(number) * 20;
            let at = line.place(number * 960, None, RATE, after(start, sent + late));
            let off = at.saturating_duration_since(after(start, sent));
            assert!(off < Duration::from_millis(1), "{number}: {off:?}");
        }
    }

    #[test]
    fn the_senders_clock_carries_over_a_jump_of_media_time() {
        let (mut line, start) = (Line::default(), ManualClock::new().instant());
        let second = 1_u64 << 32;
        let first = SenderClock {
            ntp: 100 * second,
            rtp: 0,
        };
        let at = line.place(0, Some(first), RATE, start);
        assert_eq!(at, start);
        // Another source stands behind the same line, with other numbers: the clock says when it was.
        let other = SenderClock {
            ntp: 101 * second,
            rtp: 77_000_000,
        };
        let now = after(start, 1_050);
        let at = line.place(77_000_000, Some(other), RATE, now);
        let off = at.saturating_duration_since(after(start, 1_000));
        assert!(off < Duration::from_millis(1), "{off:?}");
    }

    #[test]
    fn a_line_that_makes_no_sense_begins_anew() {
        let (mut line, start) = (Line::default(), ManualClock::new().instant());
        line.place(0, None, RATE, start);
        let now = after(start, 60_000);
        assert_eq!(line.place(960, None, RATE, now), now);
    }
}
