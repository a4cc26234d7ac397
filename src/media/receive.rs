//! What comes from the network, layer by layer: an address means nothing before a checked STUN request came from it, a DTLS
//! session yields keys only to the announced certificate, and a packet changes nothing before it authenticates.

use std::time::Instant;

use crate::media::demux::{Kind as Protocol, classify};
use crate::media::dtls::{Failure, Step};
use crate::media::event::{CloseReason, PeerEvent, PeerKey};
use crate::media::ice::Ufrag;
use crate::media::outbox::Path;
use crate::media::peer::Secured;
use crate::media::sfu::Sfu;
use crate::media::srtp::{Keys, OpenError};
use crate::media::stun;
use crate::media::timer::Timer;

/// Sessions that may fail before the peer is given up: noise on its address can cost some.
const MOST_FAILURES: u8 = 8;
/// Steps of a DTLS session after one input; a handshake makes a dozen.
const MOST_STEPS: usize = 64;

impl Sfu {
    /// Takes a datagram. It is decrypted in place.
    pub fn receive(&mut self, path: Path, datagram: &mut [u8], now: Instant) {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        let Some(protocol) = classify(datagram) else {
            self.counters.unknown_protocol += 1;
            return;
        };
        if protocol == Protocol::Stun {
            if let Some(shard) = self.across.named(datagram) {
                return self.pass_check(shard, path, datagram, now);
            }
            return self.receive_stun(path, datagram, now);
        }
        let Some(key) = self.paths.get(&path).copied() else {
            match self.across.owner(path) {
                Some(shard) => self.pass_on(shard, path, datagram),
                None => self.counters.unknown_source += 1,
            }
            return;
        };
        match protocol {
            Protocol::Dtls => self.receive_dtls(key, path, datagram, now),
            Protocol::Rtp => self.receive_rtp(key, datagram, now),
            Protocol::Rtcp => self.receive_rtcp(key, datagram, now),
            Protocol::Stun => {}
        }
    }

    fn receive_stun(&mut self, path: Path, datagram: &[u8], now: Instant) {
        if self.check(path, datagram, now).is_none() {
            self.counters.bad_stun += 1;
        }
    }

    /// Answers a connectivity check; `None` if it is not one of a peer of ours, whatever the reason.
    fn check(&mut self, path: Path, datagram: &[u8], now: Instant) -> Option<()> {
        let request = stun::Request::parse(datagram).ok()?;
        let (ours, theirs) = request.fragments()?;
        let key = *self
            .fragments
            .get(&Ufrag::try_from(ours.as_bytes()).ok()?)?;
        let peer = self.peers.get_mut(key)?;
        let checked = request.verify(peer.agent.credentials.key()).ok()?;
        // A client of a lite server is the controlling side (RFC 8445, section 6.1.1).
        if theirs != peer.agent.remote || checked.controlled {
            return None;
        }
        // Nothing can be sent there, and the system's refusal must not be taken for that of a network.
        if path.remote.port() == 0 {
            return None;
        }
        // Nobody gets more than they sent: what lacks half of a check is none.
        if stun::success_length(path.remote) > datagram.len() {
            return None;
        }
        self.claim(key, path, checked.use_candidate, now)?;
        let credentials = &self.peers.get(key)?.agent.credentials;
        stun::write_success(
            &mut self.scratch,
            &checked.transaction,
            path.remote,
            credentials.key(),
        );
        let answer = &self.scratch;
        self.outbox.write(path, |bytes, _| {
            bytes.extend_from_slice(answer);
            true
        });
        self.counters.stun_answered += 1;
        Some(())
    }

    /// Passes a check on to the shard that it names, unless the address belongs to somebody else.
    fn pass_check(&mut self, shard: u8, path: Path, datagram: &[u8], now: Instant) {
        let owner = self.paths.get(&path).and_then(|key| self.peers.get(*key));
        let held = owner.is_some_and(|owner| owner.agent.holds(path, now));
        if held || self.across.is_held(path, Some(shard), now) {
            self.counters.bad_stun += 1;
            return;
        }
        self.pass_on(shard, path, datagram);
    }

    fn pass_on(&mut self, shard: u8, path: Path, datagram: &[u8]) {
        if self.across.stray(shard, path, datagram) {
            self.counters.strays += 1;
        } else {
            self.counters.letters_dropped += 1;
        }
    }

    /// Gives an address to a peer that proved itself there, unless another one did so lately.
    fn claim(&mut self, key: PeerKey, path: Path, use_candidate: bool, now: Instant) -> Option<()> {
        if let Some(owner) = self.paths.get(&path).copied().filter(|owner| *owner != key)
            && let Some(owner) = self.peers.get_mut(owner)
        {
            if owner.agent.holds(path, now) {
                return None;
            }
            owner.agent.forget(path);
        }
        if self.across.is_held(path, None, now) {
            return None;
        }
        let change = self
            .peers
            .get_mut(key)?
            .agent
            .validated(path, use_candidate, now);
        if let Some(forgotten) = change.forgotten {
            self.paths.remove(&forgotten);
            self.across.unroute(forgotten);
        }
        self.paths.insert(path, key);
        self.across.route(path);
        Some(())
    }

    /// Lets a DTLS session do what it has to do.
    pub(crate) fn drive(&mut self, key: PeerKey, path: Option<Path>, now: Instant) {
        for _ in 0..MOST_STEPS {
            let Some(peer) = self.peers.get_mut(key) else {
                return;
            };
            let Some(session) = &mut peer.handshake.session else {
                return;
            };
            match session.poll() {
                Step::Send(record) => {
                    let Some(path) = path.or(peer.agent.selected()) else {
                        continue;
                    };
                    self.outbox.write(path, |bytes, _| {
                        bytes.extend_from_slice(record);
                        true
                    });
                }
                Step::Keys(keys) => self.secure(key, &keys, now),
                Step::Closed => {
                    self.remove(key, CloseReason::Left, now);
                    return;
                }
                Step::Failed(failure) => return self.fail(key, failure, now),
                Step::Wait(at) => {
                    let wake = peer.handshake.wake.map_or(at, |wake| wake.min(at));
                    peer.handshake.wake = Some(wake);
                    self.timers.hasten(Timer::Handshakes, at);
                    return;
                }
            }
        }
    }

    /// The peer is who signalling said: media may flow.
    fn secure(&mut self, key: PeerKey, keys: &Keys, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some((opener, mut sealer)) = keys.server_side() else {
            self.remove(key, CloseReason::Profile, now);
            return;
        };
        for slot in &mut peer.slots {
            slot.register(&mut sealer);
        }
        peer.secured = Some(Secured {
            profile: keys.profile(),
            opener,
            sealer,
        });
        self.handshakes = self.handshakes.saturating_sub(1);
        self.drop_rival(key);
        self.counters.count_profile(keys.profile());
        self.events.push_back((key, PeerEvent::Connected));
        self.want_waiting_key_frames(key, now);
    }

    fn fail(&mut self, key: PeerKey, failure: Failure, now: Instant) {
        self.counters.dtls_failed += 1;
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.secured.is_none() && peer.handshake.count() > 1 {
            // Two claim to be the client: that one of them fails says nothing about the other.
            peer.handshake.fail();
            peer.handshake.wake = Some(now);
            self.timers.hasten(Timer::Handshakes, now);
            self.handshakes = self.handshakes.saturating_sub(1);
            return;
        }
        let reason = match failure {
            Failure::Certificate => {
                self.counters.fingerprint_mismatches += 1;
                CloseReason::Fingerprint
            }
            Failure::Profile => CloseReason::Profile,
            Failure::Handshake
                if peer.secured.is_none() && peer.handshake.failures + 1 < MOST_FAILURES =>
            {
                // The next first flight of the client begins a new session.
                peer.handshake.fail();
                peer.handshake.wake = peer.handshake.session.as_ref().map(|_| now);
                self.timers.hasten(Timer::Handshakes, now);
                self.handshakes = self.handshakes.saturating_sub(1);
                return;
            }
            Failure::Handshake => CloseReason::Handshake,
        };
        self.remove(key, reason, now);
    }

    fn receive_rtp(&mut self, key: PeerKey, datagram: &mut [u8], now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(secured) = &mut peer.secured else {
            self.counters.srtp_malformed += 1;
            return;
        };
        match secured.opener.open_rtp(datagram) {
            Ok(opened) => self.take_packet(key, &opened, datagram, now),
            Err(error) => self.count_refused(error),
        }
    }

    fn receive_rtcp(&mut self, key: PeerKey, datagram: &mut [u8], now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(secured) = &mut peer.secured else {
            self.counters.srtp_malformed += 1;
            return;
        };
        match secured.opener.open_rtcp(datagram) {
            Ok(packet) => self.take_reports(key, packet, now),
            Err(error) => self.count_refused(error),
        }
    }

    const fn count_refused(&mut self, error: OpenError) {
        match error {
            OpenError::Malformed => self.counters.srtp_malformed += 1,
            OpenError::Forged => self.counters.srtp_forged += 1,
            OpenError::Replayed => self.counters.srtp_replayed += 1,
            OpenError::TooManyStreams => self.counters.dropped_unknown_stream += 1,
        }
    }
}
