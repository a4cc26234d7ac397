//! Where the numbering of a slot stands: the stream that a receiver gets goes on without a gap, whatever it shows. It sends
//! nothing.

use std::time::Instant;

use conclave_policy::source::Source;

use crate::media::descriptor::Counters;
use crate::media::event::PeerKey;
use crate::media::slot::Feed;
use crate::media::stream::{Packet, SenderClock};

/// Clocks of one sender that disagree by more than this with the time that passed are not believed.
const BELIEVABLE: i64 = 5;

/// Where the slot's numbering stands.
#[derive(Debug)]
pub(crate) struct Continuity {
    pub(crate) next: u64,
    pub(crate) newest: Option<Newest>,
    /// Whose it is.
    pub(crate) of: Option<(PeerKey, Source)>,
    pub(crate) picture: u16,
    pub(crate) base_layer: u8,
}

/// The newest packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    /// Media time as it left.
    pub(crate) timestamp: u32,
    /// When.
    pub(crate) at: Instant,
    /// Its own media time and its sender's clock.
    pub(crate) own: u32,
    pub(crate) clock: Option<SenderClock>,
}

impl Continuity {
    /// A packet left, with the counters of its descriptor, if it has them.
    pub(crate) fn sent(&mut self, index: u64, newest: Newest, counters: Counters) {
        if index < self.next {
            return;
        }
        self.next = index + 1;
        self.newest = Some(newest);
        self.picture = counters.0.unwrap_or(self.picture);
        self.base_layer = counters.1.unwrap_or(self.base_layer);
    }

    /// What is added to the media time of what begins with this packet. Between streams of one sender their clocks say how
    /// much time lies between, else the time that passed.
    pub(crate) fn timestamp(&self, feed: &Feed, packet: &Packet<'_>, now: Instant) -> u32 {
        let Some(newest) = self.newest else { return 0 };
        let rate = packet.codec.clock();
        let passed = now.saturating_duration_since(newest.at).as_micros() * u128::from(rate);
        let passed = i64::try_from(passed / 1_000_000).unwrap_or(i64::MAX);
        let same = self.of == Some((feed.publisher, feed.source));
        let told = match (packet.clock, newest.clock) {
            (Some(own), Some(other)) if same => {
                Some(own.ticks_since(packet.timestamp, other, newest.own, rate))
            }
            _ => None,
        };
        let believable =
            |ticks: &i64| ticks.abs_diff(passed) <= u64::from(rate) * BELIEVABLE.unsigned_abs();
        let ticks = told.filter(believable).unwrap_or(passed).max(1);
        let [.., t0, t1, t2, t3] = ticks.to_be_bytes();
        newest
            .timestamp
            .wrapping_add(u32::from_be_bytes([t0, t1, t2, t3]))
            .wrapping_sub(packet.timestamp)
    }
}
