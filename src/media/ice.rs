//! The lite side of ICE (RFC 8445, section 2.5) for one peer: its credentials, the addresses that proved to know them, and the
//! one in use. It never sends a check of its own.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use crate::media::outbox::Path;
use crate::media::stun;
use crate::secret::{RandomSource, Secret};

/// Our user fragments are of one length, so that the table of them has keys of one size: 48 bits.
pub(crate) const UFRAG: usize = 8;
/// Letters of our password: 192 bits.
const PASSWORD: usize = 32;
/// Addresses of one peer: a client with several networks tries some pairs of each; the oldest gives way.
const MOST_PATHS: usize = 8;
/// Without a checked request for so long the peer has withdrawn its consent (RFC 7675, section 5.1, says 30 s at most). Browsers
/// check every 2.5 to 5 seconds.
pub(crate) const CONSENT: Duration = Duration::from_secs(20);
/// How long an address belongs to the peer that last proved itself there, when another claims it.
pub(crate) const HELD: Duration = Duration::from_secs(10);

pub(crate) const LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Our user fragment for one peer.
pub(crate) type Ufrag = [u8; UFRAG];

/// Our credentials for one peer.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// User fragment.
    pub(crate) ufrag: Ufrag,
    /// Password, for the answer.
    pub(crate) password: Secret<String>,
    key: hmac::Key,
}

impl Credentials {
    /// Makes new ones.
    pub(crate) fn generate(random: &dyn RandomSource) -> Self {
        let mut ufrag = Ufrag::default();
        random.fill(&mut ufrag);
        let mut password = [0; PASSWORD];
        random.fill(&mut password);
        let letter = |byte: u8| LETTERS.get(usize::from(byte & 63)).copied().unwrap_or(b'A');
        let password: String = password
            .iter()
            .map(|byte| char::from(letter(*byte)))
            .collect();
        Self {
            ufrag: ufrag.map(letter),
            key: stun::key(&password),
            password: Secret::new(password),
        }
    }

    /// Of a peer that no check is ever for: its fragment is in no table.
    pub(crate) fn none() -> Self {
        Self {
            ufrag: Ufrag::default(),
            key: stun::key(""),
            password: Secret::new(String::new()),
        }
    }

    /// The key that checks are made with.
    pub(crate) const fn key(&self) -> &hmac::Key {
        &self.key
    }
}

/// An address that proved to know our password.
#[derive(Debug)]
struct Validated {
    path: Path,
    last: Instant,
}

/// The ICE state of one peer.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Ours.
    pub(crate) credentials: Credentials,
    /// The client's user fragment.
    pub(crate) remote: String,
    paths: Vec<Validated>,
    selected: Option<Path>,
    last_check: Instant,
    began: Instant,
    checks: u32,
    /// Whether a check came as a datagram, and whether one came over a connection.
    came: (bool, bool),
}

/// What a checked request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The address is new to this peer.
    pub(crate) added: bool,
    /// An address that had to give way.
    pub(crate) forgotten: Option<Path>,
}

impl Agent {
    /// A peer that has not been heard of yet.
    pub(crate) const fn new(credentials: Credentials, remote: String, now: Instant) -> Self {
        Self {
            credentials,
            remote,
            paths: Vec::new(),
            selected: None,
            last_check: now,
            began: now,
            checks: 0,
            came: (false, false),
        }
    }

    /// The same peer with new credentials (RFC 8445, section 9): its addresses stay until new ones prove themselves.
    pub(crate) fn restart(&mut self, credentials: Credentials, remote: String, now: Instant) {
        self.credentials = credentials;
        self.remote = remote;
        self.last_check = now;
    }

    /// A request from this address was checked.
    pub(crate) fn validated(&mut self, path: Path, use_candidate: bool, now: Instant) -> Change {
        self.last_check = now;
        self.checks = self.checks.saturating_add(1);
        match path.stream_place() {
            None => self.came.0 = true,
            Some(_) => self.came.1 = true,
        }
        let mut change = Change {
            added: false,
            forgotten: None,
        };
        match self.paths.iter_mut().find(|known| known.path == path) {
            Some(known) => known.last = now,
            None => {
                change = Change {
                    added: true,
                    forgotten: self.make_room(),
                };
                self.paths.push(Validated { path, last: now });
            }
        }
        // Before a nomination the first address will do: browsers begin DTLS then. One that says nothing more has taken back its
        // consent (RFC 7675, section 5.1), whatever comes from others.
        if use_candidate || !self.selected.is_some_and(|own| self.consents(own, now)) {
            self.selected = Some(path);
        }
        change
    }

    fn consents(&self, path: Path, now: Instant) -> bool {
        let known = self.paths.iter().find(|known| known.path == path);
        known.is_some_and(|known| now.saturating_duration_since(known.last) < CONSENT)
    }

    fn make_room(&mut self) -> Option<Path> {
        if self.paths.len() < MOST_PATHS {
            return None;
        }
        let selected = self.selected;
        let unused = self
            .paths
            .iter()
            .enumerate()
            .filter(|(_, known)| Some(known.path) != selected);
        let (place, _) = unused.min_by_key(|(_, known)| known.last)?;
        Some(self.paths.swap_remove(place).path)
    }

    /// Where to send.
    pub(crate) const fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Every address that proved itself.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> {
        self.paths.iter().map(|known| known.path)
    }

    /// Whether the peer proved itself at this address within [`HELD`].
    pub(crate) fn holds(&self, path: Path, now: Instant) -> bool {
        let known = self.paths.iter().find(|known| known.path == path);
        known.is_some_and(|known| now.saturating_duration_since(known.last) < HELD)
    }

    /// Gives an address up to another peer.
    pub(crate) fn forget(&mut self, path: Path) {
        self.paths.retain(|known| known.path != path);
        if self.selected == Some(path) {
            self.selected = self.paths.first().map(|known| known.path);
        }
    }

    /// How long ago the answer was given.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// How many checked requests came.
    pub(crate) const fn checks(&self) -> u32 {
        self.checks
    }

    /// By which ways they came, for log lines.
    pub(crate) const fn ways(&self) -> &'static str {
        match self.came {
            (false, false) => "none",
            (true, false) => "udp",
            (false, true) => "tcp",
            (true, true) => "udp and tcp",
        }
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_check) >= CONSENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn where_nobody_checks_any_more_nothing_is_sent() {
        let clock = ManualClock::new();
        let path = |port| Path {
            socket: 0,
            remote: ([127, 0, 0, 1], port).into(),
        };
        let (first, second) = (path(1), path(2));
        let mut agent = Agent::new(Credentials::none(), String::new(), clock.instant());
        agent.validated(first, false, clock.instant());
        agent.validated(second, true, clock.instant());
        for _ in 0..9 {
            clock.advance(Duration::from_secs(2));
            agent.validated(first, false, clock.instant());
            assert_eq!(agent.selected(), Some(second), "it may come back");
        }
        clock.advance(Duration::from_secs(2));
        agent.validated(first, false, clock.instant());
        assert_eq!(agent.selected(), Some(first));
        assert!(!agent.is_expired(clock.instant()));
    }
}
