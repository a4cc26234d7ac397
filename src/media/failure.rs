//! Transports that never came up: when one is given up, why, and what is told of it. It names rooms and participants by their
//! identifiers, in log lines only; counters have no labels.

use std::time::{Duration, Instant};

use crate::media::event::CloseReason;
use crate::media::peer::Peer;
use crate::media::sfu::Sfu;

/// How long a transport may take from its answer to its keys. A handshake that loses a quarter of its datagrams takes ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

impl Peer {
    /// Why the transport is to be ended now, if it is: silent for too long, or still without keys.
    pub(crate) fn overdue(&self, now: Instant) -> Option<CloseReason> {
        if self.secured.is_some() {
            return self.agent.is_expired(now).then_some(CloseReason::Timeout);
        }
        if !self.agent.is_expired(now) && self.agent.age(now) < PATIENCE {
            return None;
        }
        Some(if self.agent.checks() == 0 {
            CloseReason::NoPath
        } else if self.handshake.session.is_none() && self.handshake.failures == 0 {
            CloseReason::NoHandshake
        } else {
            CloseReason::Handshake
        })
    }
}

impl Sfu {
    /// Counts and logs the end of a transport that never came up. That somebody was removed, or began anew, is no failure.
    pub(crate) fn note_failure(&mut self, peer: &Peer, reason: CloseReason, now: Instant) {
        if peer.secured.is_some() {
            return;
        }
        self.counters.count_failed_join(reason);
        if matches!(reason, CloseReason::Replaced | CloseReason::Removed) {
            return;
        }
        let age = peer.agent.age(now).as_millis();
        tracing::warn!(
            room = %peer.room,
            participant = %peer.participant,
            reason = reason.name(),
            checks = peer.agent.checks(),
            ways = peer.agent.ways(),
            handshakes_failed = peer.handshake.failures,
            after_ms = u64::try_from(age).unwrap_or(u64::MAX),
            "media.join_failed"
        );
    }
}
