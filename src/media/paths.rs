//! Paths that are connections (ICE-TCP): they come to be and end by themselves, and their number is used again. Such a path is
//! an address like any other to the rest of the core: worth nothing before a checked request came over it.

use std::net::SocketAddr;

use crate::media::outbox::Path;
use crate::media::sfu::Sfu;

/// Numbers of sockets from here on are connections.
const FIRST_STREAM: u16 = 0x8000;
/// Connections that there are numbers for.
pub(crate) const MOST_STREAMS: u16 = u16::MAX - FIRST_STREAM;

impl Path {
    /// The path over a connection.
    pub(crate) const fn stream(place: u16, remote: SocketAddr) -> Self {
        Self {
            socket: FIRST_STREAM | place,
            remote,
        }
    }

    /// The number of the connection, if the path is one.
    pub(crate) const fn stream_place(self) -> Option<u16> {
        if self.socket >= FIRST_STREAM {
            Some(self.socket & !FIRST_STREAM)
        } else {
            None
        }
    }
}

impl Sfu {
    /// Answers name these addresses too, for connections.
    pub fn name_streams(&mut self, candidates: Vec<SocketAddr>) {
        self.stream_candidates = candidates;
    }

    /// Whether a peer proved itself at this path, and still holds it.
    pub fn knows(&self, path: Path) -> bool {
        self.paths.contains_key(&path)
    }

    /// The path is gone: nothing is sent there any more, and nothing that comes from there later is of the peer that had it.
    pub fn lose(&mut self, path: Path) {
        if let Some(key) = self.paths.remove(&path)
            && let Some(peer) = self.peers.get_mut(key)
        {
            peer.agent.forget(path);
            self.across.unroute(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_sockets_are_told_apart() {
        let remote = "127.0.0.1:9".parse().unwrap();
        for place in [0, 1, MOST_STREAMS] {
            assert_eq!(Path::stream(place, remote).stream_place(), Some(place));
        }
        let socket = Path { socket: 31, remote };
        assert_eq!(socket.stream_place(), None);
    }
}
