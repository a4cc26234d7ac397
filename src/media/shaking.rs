//! The DTLS side of a peer before it has keys: at most two handshakes at a time, so that a first flight which somebody else sent
//! in the client's name does not stand in the way of the client's own. The one that yields the keys is the client's.

use std::time::Instant;

use crate::media::dtls::{self, Session};
use crate::media::event::PeerKey;
use crate::media::outbox::Path;
use crate::media::sfu::Sfu;

/// What tells the handshake of one client from that of another: the random value of its first flight.
type Opening = [u8; 32];

/// First flights of one peer that may begin a handshake beside another: a client sends one, or a few when handshakes fail. Each
/// costs 0.1 ms.
const MOST_BEGUN: u16 = 64;

/// The DTLS side of a peer.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    /// The one that is worked on, and in the end the one that yielded the keys.
    pub(crate) session: Option<Box<dyn Session>>,
    opening: Option<Opening>,
    /// Another first flight came: which of the two is the client's shows by its keys.
    rival: Option<(Option<Opening>, Box<dyn Session>)>,
    /// First flights seen so far.
    begun: u16,
    /// When one of them wants to be advanced.
    pub(crate) wake: Option<Instant>,
    /// Sessions that failed before there were keys.
    pub(crate) failures: u8,
}

impl Handshake {
    /// Sessions that stand.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.session.is_some()) + usize::from(self.rival.is_some())
    }

    /// The session that is worked on failed; the other one, if there is one, takes its place.
    pub(crate) fn fail(&mut self) {
        (self.session, self.opening) = (None, None);
        self.failures = self.failures.saturating_add(1);
        self.turn();
    }

    /// Lets the other session have its turn in the place of the first.
    fn turn(&mut self) {
        let opening = self.opening.take();
        let first = self.session.take().map(|session| (opening, session));
        if let Some((opening, session)) = self.rival.take() {
            (self.session, self.opening) = (Some(session), opening);
        }
        self.rival = first;
    }
}

impl Sfu {
    pub(crate) fn receive_dtls(&mut self, key: PeerKey, path: Path, datagram: &[u8], now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let handshake = &mut peer.handshake;
        if peer.secured.is_some() {
            if let Some(session) = &mut handshake.session {
                session.receive(datagram, now);
            }
            return self.drive(key, Some(path), now);
        }
        match hello(datagram) {
            // A first flight belongs to one handshake; if it is of none, it begins one.
            Hello::Begins(theirs) => {
                let of_rival = |(opening, _): &(Option<Opening>, _)| *opening == Some(theirs);
                if handshake.rival.as_ref().is_some_and(of_rival) {
                    handshake.turn();
                }
                if handshake.session.is_some() && handshake.opening.is_none() {
                    // Its end came first.
                    handshake.opening = Some(theirs);
                }
                if handshake.opening == Some(theirs) || self.begin(key, Some(theirs), now) {
                    self.feed(key, path, datagram, now);
                }
            }
            // The rest of one is of the handshake that was begun last.
            Hello::GoesOn => {
                if handshake.session.is_some() || self.begin(key, None, now) {
                    self.feed(key, path, datagram, now);
                }
            }
            // Anything else is of either.
            Hello::No => {
                self.feed(key, path, datagram, now);
                self.take_turns(key, |sfu| sfu.feed(key, path, datagram, now));
            }
        }
    }

    /// A session for this first flight, in the place of none or beside the other; the older of two gives way.
    fn begin(&mut self, key: PeerKey, opening: Option<Opening>, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(key) else {
            return false;
        };
        let handshake = &mut peer.handshake;
        handshake.begun = handshake.begun.saturating_add(1);
        let beside = handshake.session.is_some();
        if beside && handshake.rival.take().is_some() {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
        if self.handshakes >= self.limits.handshakes || (beside && handshake.begun > MOST_BEGUN) {
            self.counters.dtls_refused += 1;
            return false;
        }
        if beside {
            handshake.turn();
        }
        self.handshakes += 1;
        self.counters.dtls_started += 1;
        let session = dtls::accept(&self.identity, peer.description.fingerprint, now);
        (handshake.session, handshake.opening) = (Some(session), opening);
        true
    }

    fn feed(&mut self, key: PeerKey, path: Path, datagram: &[u8], now: Instant) {
        let peer = self.peers.get_mut(key);
        if let Some(session) = peer.and_then(|peer| peer.handshake.session.as_mut()) {
            session.receive(datagram, now);
            self.drive(key, Some(path), now);
        }
    }

    /// Lets time pass for the session that is worked on.
    pub(crate) fn wake(&mut self, key: PeerKey, now: Instant) {
        let peer = self.peers.get_mut(key);
        if let Some(session) = peer.and_then(|peer| peer.handshake.session.as_mut()) {
            session.advance(now);
            self.drive(key, None, now);
        }
    }

    /// Does the same with the other session, while there are no keys.
    pub(crate) fn take_turns(&mut self, key: PeerKey, mut act: impl FnMut(&mut Self)) {
        let stands = |sfu: &Self| {
            let peer = sfu.peers.get(key);
            peer.is_some_and(|peer| peer.secured.is_none() && peer.handshake.rival.is_some())
        };
        if !stands(self) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.handshake.turn();
        }
        act(self);
        if stands(self)
            && let Some(peer) = self.peers.get_mut(key)
        {
            peer.handshake.turn();
        }
    }

    /// There are keys: the other session was somebody else's.
    pub(crate) fn drop_rival(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.handshake.rival.take().is_some()
        {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
    }
}

/// What a datagram is of a first flight.
#[derive(Debug, PartialEq, Eq)]
enum Hello {
    /// Its beginning, which names it.
    Begins(Opening),
    /// A later part.
    GoesOn,
    /// Nothing.
    No,
}

/// Looks for a record of epoch 0 with a part of a ClientHello (RFC 6347, sections 4.1 and 4.2.2).
fn hello(datagram: &[u8]) -> Hello {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    let Some((&[kind, _, _, e0, e1, ..], rest)) = datagram.split_first_chunk::<13>() else {
        return Hello::No;
    };
    let Some((&[message, _, _, _, _, _, o0, o1, o2, ..], body)) = rest.split_first_chunk::<12>()
    else {
        return Hello::No;
    };
    if kind != HANDSHAKE || [e0, e1] != [0, 0] || message != CLIENT_HELLO {
        return Hello::No;
    }
    let random = body.get(2..34).and_then(|random| random.try_into().ok());
    match random {
        Some(random) if [o0, o1, o2] == [0, 0, 0] => Hello::Begins(random),
        _ => Hello::GoesOn,
    }
}
