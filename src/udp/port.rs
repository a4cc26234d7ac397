//! One bound socket: reads several datagrams with one call and sends a run of them with one, where the system can; where it
//! cannot, one by one. It looks into none of them.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::UdpSocket;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::net::{SendFlags, sendto};

use crate::media::outbox::Run;

/// The largest datagram taken. Larger ones are cut short and then fail to authenticate.
const LARGEST: usize = 2048;
/// Room for what the system may hand over as one: datagrams of one sender, joined.
const JOINED: usize = 65_536;
/// Messages asked for at once when there is no flood.
const FEW: usize = 4;
/// `EIO` and `EINVAL`: what Linux says when a device cannot segment.
const CANNOT: [i32; 2] = [5, 22];

/// A socket. Who waits for it is told of arrivals only: that there is room again after a datagram left would wake it once more for
/// everything that is sent.
#[derive(Debug)]
pub(crate) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    /// Something came since it was last read empty.
    ready: bool,
    /// There was more than was asked for: to make room for many costs more than to read one, and mostly it is one.
    flooded: bool,
    /// Datagrams in one call at most; one when the system or the device cannot do more.
    segments: usize,
}

/// Where datagrams are read to, by one port at a time.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_SIZE * JOINED],
            metas: [RecvMeta::default(); BATCH_SIZE],
        }
    }

    /// What the first `count` messages hold: who sent it, and each datagram of it.
    pub(crate) fn messages(
        &mut self,
        count: usize,
    ) -> impl Iterator<Item = (std::net::SocketAddr, impl Iterator<Item = &mut [u8]>)> {
        let messages = self.bytes.chunks_exact_mut(JOINED).zip(&self.metas);
        messages.take(count).map(|(bytes, meta)| {
            let bytes = bytes.get_mut(..meta.len).unwrap_or_default();
            let datagrams = bytes.chunks_mut(meta.stride.max(1));
            let whole = datagrams.map(|datagram| {
                let length = datagram.len().min(LARGEST);
                datagram.get_mut(..length).unwrap_or_default()
            });
            (meta.addr, whole)
        })
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Datagrams that the system took.
    pub(crate) taken: u64,
    /// Datagrams that it did not take.
    pub(crate) refused: u64,
    /// Calls that it took them by.
    pub(crate) calls: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.calls += other.calls;
    }
}

impl Port {
    /// Puts a bound socket to use. Without `segmentation` it sends datagrams one by one from the start.
    pub(crate) fn new(socket: UdpSocket, segmentation: bool) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let segments = if segmentation {
            state.max_gso_segments()
        } else {
            1
        };
        Ok(Self {
            socket,
            state,
            ready: true,
            flooded: false,
            segments,
        })
    }

    pub(crate) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Something came.
    pub(crate) const fn note_arrival(&mut self) {
        self.ready = true;
    }

    /// Whether there may be something to read.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Reads what there is, [`BATCH_SIZE`] messages at most; how many there were.
    pub(crate) fn receive(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        let (read, wanted) = if self.flooded {
            (self.read::<BATCH_SIZE>(inbox), BATCH_SIZE)
        } else {
            (self.read::<FEW>(inbox), FEW)
        };
        self.ready = match &read {
            // With less than was asked for the socket is empty, and the next arrival is told anew: no call is needed to hear that.
            Ok(count) => *count == wanted,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        self.flooded = self.ready;
        read
    }

    fn read<const MOST: usize>(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let Inbox { bytes, metas } = inbox;
        let mut places = bytes.chunks_exact_mut(JOINED);
        let mut slices: [IoSliceMut<'_>; MOST] =
            std::array::from_fn(|_| IoSliceMut::new(places.next().unwrap_or_default()));
        let socket = UdpSockRef::from(&self.socket);
        self.state.recv(socket, &mut slices, metas)
    }

    /// Sends a run: by one call, or several where the system takes less in one. What it has no room for now is not kept, for
    /// media is of no use later.
    pub(crate) fn send(&mut self, run: &Run<'_>) -> Sent {
        let mut sent = Sent::default();
        let mut rest = run.bytes;
        while !rest.is_empty() {
            let length = run.size.saturating_mul(self.segments).min(rest.len());
            let (part, after) = rest.split_at(length);
            rest = after;
            let count = part.len().div_ceil(run.size.max(1));
            match self.send_part(run, part, count) {
                Ok(()) => {
                    sent.taken += count as u64;
                    sent.calls += 1;
                }
                Err(error) if count > 1 && cannot(&error) => {
                    tracing::warn!(%error, "this network cannot send several datagrams with one call");
                    self.segments = 1;
                    // Once more, one by one, with the rest.
                    rest = run
                        .bytes
                        .get(run.bytes.len() - after.len() - length..)
                        .unwrap_or_default();
                }
                Err(_) => sent.refused += count as u64,
            }
        }
        sent
    }

    fn send_part(&self, run: &Run<'_>, part: &[u8], count: usize) -> io::Result<()> {
        loop {
            let done = if count == 1 {
                // Not by the C library, whose points of cancellation cost something for each datagram.
                sendto(&self.socket, part, SendFlags::empty(), &run.path.remote)
                    .map(|_| ())
                    .map_err(io::Error::from)
            } else {
                let transmit = Transmit {
                    destination: run.path.remote,
                    ecn: None,
                    contents: part,
                    segment_size: Some(run.size),
                    src_ip: None,
                };
                self.state
                    .try_send(UdpSockRef::from(&self.socket), &transmit)
            };
            match done {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

fn cannot(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| CANNOT.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::outbox::Path;
    use std::time::Duration;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        socket
    }

    /// Datagrams of this size, each beginning with its number; the last is shorter.
    fn numbered(count: usize, size: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count)
            .flat_map(|number| {
                let mut one = vec![0x55; size];
                one[..2].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
                one
            })
            .collect();
        bytes.truncate(count * size - 1);
        bytes
    }

    fn sent_to(port: &mut Port, to: &UdpSocket, bytes: &[u8], size: usize) -> Sent {
        port.send(&Run {
            path: Path {
                socket: 0,
                remote: to.local_addr().unwrap(),
            },
            bytes,
            size,
        })
    }

    fn arrived(to: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        let mut all = Vec::new();
        while all.len() < count {
            let Ok(length) = to.recv(&mut buffer) else {
                break;
            };
            all.push(buffer[..length].to_vec());
        }
        all
    }

    #[test]
    fn a_run_arrives_as_it_is_with_and_without_segmentation() {
        for (segmentation, calls) in [(true, 1), (false, 10)] {
            let mut port = Port::new(socket(), segmentation).unwrap();
            let to = socket();
            let bytes = numbered(10, 1200);
            let sent = sent_to(&mut port, &to, &bytes, 1200);
            let expected: Vec<_> = bytes.chunks(1200).map(<[u8]>::to_vec).collect();
            assert!(arrived(&to, 10) == expected);
            assert_eq!((sent.taken, sent.refused, sent.calls), (10, 0, calls));
        }
    }

    /// The system refuses more segments than it knows with the same error as a device that knows none.
    #[test]
    fn what_cannot_be_segmented_is_sent_one_by_one_and_so_is_what_follows() {
        let mut port = Port::new(socket(), true).unwrap();
        port.segments = 1000;
        let to = socket();
        let bytes = numbered(200, 50);
        let sent = sent_to(&mut port, &to, &bytes, 50);
        assert_eq!((sent.taken, sent.refused, sent.calls), (200, 0, 200));
        let expected: Vec<_> = bytes.chunks(50).map(<[u8]>::to_vec).collect();
        assert!(arrived(&to, 200) == expected, "each once and in order");
        let sent = sent_to(&mut port, &to, &numbered(10, 50), 50);
        assert_eq!((sent.taken, sent.calls), (10, 10));
    }

    #[test]
    fn what_comes_together_is_read_together_and_cut_where_it_was_joined() {
        let mut port = Port::new(socket(), true).unwrap();
        let at = port.socket.local_addr().unwrap();
        let mut from = Port::new(socket(), true).unwrap();
        let bytes = numbered(20, 1200);
        from.send(&Run {
            path: Path {
                socket: 0,
                remote: at,
            },
            bytes: &bytes,
            size: 1200,
        });
        let alone = socket();
        alone.send_to(&[7; 3000], at).unwrap();
        let mut inbox = Inbox::new();
        let mut got: Vec<(_, Vec<u8>)> = Vec::new();
        let mut calls = 0;
        while got.len() < 21 {
            let Ok(count) = port.receive(&mut inbox) else {
                continue;
            };
            calls += 1;
            for (sender, datagrams) in inbox.messages(count) {
                got.extend(datagrams.map(|datagram| (sender, datagram.to_vec())));
            }
        }
        let sender = from.socket.local_addr().unwrap();
        let expected: Vec<_> = bytes
            .chunks(1200)
            .map(|one| (sender, one.to_vec()))
            .collect();
        assert!(got[..20] == expected);
        let last = (alone.local_addr().unwrap(), vec![7; LARGEST]);
        assert_eq!(got[20], last, "what is too long is cut short");
        assert!(calls <= 3, "{calls} calls");
        assert!(!port.is_ready(), "it was read empty");
    }
}
