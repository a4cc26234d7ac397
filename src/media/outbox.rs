//! Datagrams on their way out: one buffer and a list of runs in it. A run is what goes to one address in a row and may leave by
//! one call: datagrams of one size, of which the last may be shorter. Bounded; what does not fit is not sent.

use std::net::SocketAddr;

/// Datagrams held at most. Forwarding stops far earlier; this is for answers and reports beside it.
const MOST: usize = 4096;
/// Bytes held at most.
const MOST_BYTES: usize = 4096 * 1500;
/// With so many bytes it is time to send: they are still in the processor's nearest cache then.
const FULL: usize = 32 * 1024;
/// With so many no more is put beside it in one go, by the clock: five milliseconds of a gigabit and a half.
const CROWDED: usize = 1024 * 1024;
/// Bytes of a run: a UDP payload, which is what the system cuts into datagrams.
const MOST_RUN: usize = 65_000;
/// The longest datagram that is sent together with others: what a packet of 1500 bytes takes, over IPv6 too.
const LONGEST_JOINED: usize = 1452;
/// Datagrams of a run, as the system takes them in one call.
const MOST_SEGMENTS: usize = 64;

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

/// Datagrams to be sent to one address, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// From where to where.
    pub path: Path,
    /// All of them.
    pub bytes: &'a [u8],
    /// Bytes of each; the last may have fewer.
    pub size: usize,
}

impl<'a> Run<'a> {
    /// Every datagram.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.size.max(1))
    }
}

/// What is to be sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    runs: Vec<Place>,
    count: usize,
}

#[derive(Debug)]
struct Place {
    path: Path,
    start: usize,
    end: usize,
    size: usize,
    /// How many more datagrams may follow.
    left: usize,
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
        if self.count >= MOST || start >= MOST_BYTES {
            return false;
        }
        if !write(&mut self.bytes, start) {
            self.bytes.truncate(start);
            return false;
        }
        let end = self.bytes.len();
        let length = end - start;
        self.count += 1;
        if let Some(run) = self.runs.last_mut()
            && run.left > 0
            && length <= run.size
            && end - run.start <= MOST_RUN
            && run.path == path
        {
            run.end = end;
            // Only the last one may be shorter.
            run.left = if length == run.size { run.left - 1 } else { 0 };
        } else {
            self.runs.push(Place {
                path,
                start,
                end,
                size: length,
                // One that no network may take whole is not sent together with others: the system could refuse them all.
                left: if length <= LONGEST_JOINED {
                    MOST_SEGMENTS - 1
                } else {
                    0
                },
            });
        }
        true
    }

    /// Every run, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().filter_map(|place| self.run(place))
    }

    /// Every run, in order, and together those that leave by one socket one after the other.
    pub(crate) fn by_socket(&self) -> impl Iterator<Item = (u16, impl Iterator<Item = Run<'_>>)> {
        let same = |one: &Place, next: &Place| one.path.socket == next.path.socket;
        self.runs.chunk_by(same).filter_map(|places| {
            let socket = places.first()?.path.socket;
            Some((socket, places.iter().filter_map(|place| self.run(place))))
        })
    }

    fn run(&self, place: &Place) -> Option<Run<'_>> {
        Some(Run {
            path: place.path,
            bytes: self.bytes.get(place.start..place.end)?,
            size: place.size,
        })
    }

    /// Every datagram, in order.
    pub fn iter(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.runs().flat_map(|run| {
            let path = run.path;
            run.datagrams().map(move |bytes| Transmit { path, bytes })
        })
    }

    /// How many datagrams there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it should be sent before more is written.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    /// Whether what leaves by the clock has to wait for the next time.
    pub(crate) const fn is_crowded(&self) -> bool {
        self.bytes.len() >= CROWDED
    }

    /// Forgets them; they are sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path {
            socket: 0,
            remote: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    fn put(outbox: &mut Outbox, port: u16, length: usize) -> bool {
        outbox.write(path(port), |bytes, start| {
            bytes.resize(start + length, 7);
            true
        })
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
        assert!(outbox.write(path(9), write(true)));
        assert!(!outbox.write(path(9), write(false)));
        assert!(outbox.write(path(9), write(true)));
        assert_eq!(
            outbox.iter().map(|t| t.bytes).collect::<Vec<_>>(),
            [b"abc", b"abc"]
        );
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut outbox = Outbox::default();
        let sent = (0..MOST * 2).filter(|_| put(&mut outbox, 9, 1)).count();
        assert_eq!((sent, outbox.len()), (MOST, MOST));
    }

    #[test]
    fn a_run_is_one_address_and_one_size_but_for_its_last() {
        let mut outbox = Outbox::default();
        let sent = [
            (1, 100),
            (1, 100),
            (1, 40),
            (1, 40),
            (2, 40),
            (1, 100),
            (1, 101),
        ];
        for (port, length) in sent {
            put(&mut outbox, port, length);
        }
        let runs: Vec<_> = outbox
            .runs()
            .map(|run| (run.path.remote.port(), run.bytes.len(), run.size))
            .collect();
        assert_eq!(
            runs,
            [
                (1, 240, 100),
                (1, 40, 40),
                (2, 40, 40),
                (1, 100, 100),
                (1, 101, 101)
            ]
        );
        let datagrams: Vec<_> = outbox
            .iter()
            .map(|sent| (sent.path.remote.port(), sent.bytes.len()))
            .collect();
        assert_eq!(datagrams, sent);
    }

    #[test]
    fn what_leaves_by_one_socket_stands_together_in_its_order() {
        let mut outbox = Outbox::default();
        for (socket, port) in [(0, 1), (0, 2), (3, 1), (3, 1), (0, 1)] {
            let path = Path {
                socket,
                ..path(port)
            };
            outbox.write(path, |bytes, _| {
                bytes.push(7);
                true
            });
        }
        let groups: Vec<(u16, Vec<u16>)> = outbox
            .by_socket()
            .map(|(socket, runs)| (socket, runs.map(|run| run.path.remote.port()).collect()))
            .collect();
        assert_eq!(groups, [(0, vec![1, 2]), (3, vec![1]), (0, vec![1])]);
    }

    #[test]
    fn a_run_is_no_longer_than_the_system_takes() {
        let mut outbox = Outbox::default();
        for _ in 0..200 {
            put(&mut outbox, 1, 1200);
            put(&mut outbox, 1, 1200);
        }
        for _ in 0..200 {
            put(&mut outbox, 2, 50);
        }
        assert!(
            outbox
                .runs()
                .all(|run| run.bytes.len() <= MOST_RUN && run.datagrams().len() <= MOST_SEGMENTS)
        );
        assert_eq!(outbox.iter().count(), 600);
    }

    #[test]
    fn what_no_network_may_take_whole_is_sent_alone() {
        let mut outbox = Outbox::default();
        let path = Path {
            socket: 0,
            remote: ([127, 0, 0, 1], 9).into(),
        };
        for size in [1600, 1600, 1452, 1452, 1200] {
            assert!(outbox.write(path, |bytes, start| {
                bytes.resize(start + size, 0);
                true
            }));
        }
        let sizes: Vec<_> = outbox.runs().map(|run| run.bytes.len()).collect();
        assert_eq!(sizes, [1600, 1600, 1452 * 2 + 1200]);
    }
}
