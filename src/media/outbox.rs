//! Datagrams on their way out: one buffer and a list of places in it, so that the shell can send those to one address
//! together. Bounded; what does not fit is not sent.

use std::net::SocketAddr;
use std::ops::Range;

/// Datagrams held at most: those of one input (one packet to a thousand receivers) are sent before the next is read.
const MOST: usize = 4096;
/// Bytes held at most.
const MOST_BYTES: usize = 4096 * 1500;

/// One of our sockets, and an address as that socket sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Which of our sockets.
    pub socket: u16,
    /// The other end.
    pub remote: SocketAddr,
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// From where to where.
    pub path: Path,
    /// What.
    pub bytes: &'a [u8],
}

/// What is to be sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sends: Vec<(Path, Range<usize>)>,
}

impl Outbox {
    /// Writes one datagram. `write` appends it to the buffer and says whether it is to be sent; returns what it said, or
    /// `false` if there is no room.
    pub(crate) fn write(
        &mut self,
        path: Path,
        write: impl FnOnce(&mut Vec<u8>, usize) -> bool,
    ) -> bool {
        let start = self.bytes.len();
        if self.sends.len() >= MOST || start >= MOST_BYTES {
            return false;
        }
        if !write(&mut self.bytes, start) {
            self.bytes.truncate(start);
            return false;
        }
        self.sends.push((path, start..self.bytes.len()));
        true
    }

    /// Every datagram, in order.
    pub fn iter(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.sends.iter().filter_map(|(path, range)| {
            Some(Transmit {
                path: *path,
                bytes: self.bytes.get(range.clone())?,
            })
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Forgets them; they are sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Path {
        Path {
            socket: 0,
            remote: "127.0.0.1:9".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_not_to_be_sent_leaves_nothing_behind() {
        let mut outbox = Outbox::default();
        let write = |send: bool| {
            move |bytes: &mut Vec<u8>, _: usize| {
                bytes.extend_from_slice(b"abc");
                send
            }
        };
        assert!(outbox.write(path(), write(true)));
        assert!(!outbox.write(path(), write(false)));
        assert!(outbox.write(path(), write(true)));
        assert_eq!(
            outbox.iter().map(|t| t.bytes).collect::<Vec<_>>(),
            [b"abc", b"abc"]
        );
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut outbox = Outbox::default();
        let sent = (0..MOST * 2)
            .filter(|_| {
                outbox.write(path(), |bytes, _| {
                    bytes.push(0);
                    true
                })
            })
            .count();
        assert_eq!(sent, MOST);
    }
}
