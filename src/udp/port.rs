//! One bound socket: reads several datagrams with one call and sends several runs of them with one, where the system can; where
//! it cannot, one by one. It looks into none of them.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::UdpSocket;

use arrayvec::ArrayVec;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg, sendto};
use socket2::SockRef;

use crate::media::outbox::Run;

/// The largest datagram taken. Larger ones are cut short and then fail to authenticate.
const LARGEST: usize = 2048;
/// Room for what the system may hand over as one: datagrams of one sender, joined.
const JOINED: usize = 65_536;
/// Messages asked for at once when there is no flood.
const FEW: usize = 4;
/// Messages sent at once at most: each goes to another receiver, or is another run.
const MANY: usize = 16;
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
    /// Datagrams in one message at most; one when the system or the device cannot do more.
    segments: usize,
    /// Into datagrams of so many bytes the system cuts a message now; 0 if it cuts none.
    cut: usize,
    /// Addresses as the system wants them, while messages are sent.
    addresses: Vec<SocketAddrAny>,
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
        spare(&socket);
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
            cut: 0,
            addresses: Vec::with_capacity(MANY),
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

    /// Sends runs, as many by one call as the system takes. What it has no room for now is not kept, for media is of no use later.
    pub(crate) fn send<'a>(&mut self, runs: impl Iterator<Item = Run<'a>>) -> Sent {
        let mut sent = Sent::default();
        let mut batch = ArrayVec::<Run<'a>, MANY>::new();
        for run in runs {
            let mut rest = run.bytes;
            while !rest.is_empty() {
                let length = run.size.saturating_mul(self.segments).min(rest.len());
                let (bytes, after) = rest.split_at(length);
                rest = after;
                let message = Run { bytes, ..run };
                if batch.is_full() || !self.cuts(&message) {
                    sent += self.send_batch(&batch);
                    batch.clear();
                }
                if !self.cuts(&message) {
                    self.set_cut(if count(&message) > 1 { message.size } else { 0 });
                }
                batch.push(message);
            }
        }
        sent += self.send_batch(&batch);
        sent
    }

    /// Whether the system would cut this message as it should be.
    fn cuts(&self, message: &Run<'_>) -> bool {
        if count(message) > 1 {
            self.cut == message.size
        } else {
            self.cut == 0 || message.bytes.len() <= self.cut
        }
    }

    /// Lets the system cut messages into datagrams of so many bytes, or none.
    fn set_cut(&mut self, size: usize) {
        let told = i32::try_from(size).unwrap_or_default();
        match setsockopt(&self.socket, sockopt::UdpGsoSegment, &told) {
            Ok(()) => self.cut = size,
            // Then it takes one by one.
            Err(_) => (self.cut, self.segments) = (0, 1),
        }
    }

    /// Sends messages which the system cuts alike.
    fn send_batch(&mut self, mut messages: &[Run<'_>]) -> Sent {
        let mut sent = Sent::default();
        while let Some((first, others)) = messages.split_first() {
            let tried = if !self.cuts(first) {
                // Cutting was given up meanwhile.
                sent += self.send_each(first);
                messages = others;
                continue;
            } else if others.is_empty() {
                self.send_one(first.bytes, first).map(|()| 1)
            } else {
                self.send_many(messages)
            };
            match tried {
                Ok(done) if done > 0 => {
                    sent.calls += 1;
                    let (done, left) = messages.split_at(done.min(messages.len()));
                    sent.taken += done
                        .iter()
                        .map(|message| count(message) as u64)
                        .sum::<u64>();
                    messages = left;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // On a way that cannot be cut for, as through a tunnel, the system refuses one datagram too while the socket cuts.
                Err(error) if count(first) == 1 && self.cut > 0 && cannot(&error) => {
                    self.set_cut(0);
                }
                Err(error) if count(first) > 1 && cannot(&error) => {
                    tracing::warn!(%error, "this network cannot send several datagrams with one call");
                    self.segments = 1;
                    self.set_cut(0);
                }
                _ => {
                    sent.refused += count(first) as u64;
                    messages = others;
                }
            }
        }
        sent
    }

    /// Sends datagrams of a run one by one.
    fn send_each(&self, run: &Run<'_>) -> Sent {
        let mut sent = Sent::default();
        for datagram in run.datagrams() {
            match self.send_one(datagram, run) {
                Ok(()) => {
                    sent.calls += 1;
                    sent.taken += 1;
                }
                Err(_) => sent.refused += 1,
            }
        }
        sent
    }

    fn send_one(&self, bytes: &[u8], to: &Run<'_>) -> io::Result<()> {
        // Not by the C library, whose points of cancellation cost something for each datagram.
        sendto(&self.socket, bytes, SendFlags::empty(), &to.path.remote)?;
        Ok(())
    }

    /// Sends several messages by one call; how many the system took before one that it did not.
    fn send_many(&mut self, messages: &[Run<'_>]) -> io::Result<usize> {
        let addresses = messages.iter().map(|message| message.path.remote.into());
        self.addresses.clear();
        self.addresses.extend(addresses);
        let mut slices = ArrayVec::<_, MANY>::new();
        let mut controls = ArrayVec::<_, MANY>::new();
        for message in messages.iter().take(MANY) {
            slices.push([IoSlice::new(message.bytes)]);
            controls.push(SendAncillaryBuffer::default());
        }
        let mut headers = ArrayVec::<_, MANY>::new();
        for ((address, slice), control) in self.addresses.iter().zip(&slices).zip(&mut controls) {
            headers.push(MMsgHdr::new_with_addr(address, slice, control));
        }
        Ok(sendmmsg(&self.socket, &mut headers, SendFlags::empty())?)
    }
}

/// Lets the system tell nothing beside what came and from whom: times, marks and addresses of our own are not looked at, and each
/// costs something for every message. Where it cannot, it tells more than is needed.
fn spare(socket: &UdpSocket) {
    let v4 = [
        setsockopt(socket, sockopt::ReceiveTimestampns, &false),
        setsockopt(socket, sockopt::IpRecvTos, &false),
        setsockopt(socket, sockopt::Ipv4PacketInfo, &false),
    ];
    let v6 = [
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false).map_err(io::Error::from),
        SockRef::from(socket).set_recv_tclass_v6(false),
    ];
    tracing::trace!(?v4, ?v6, "told less of what comes");
}

/// Datagrams of a message.
const fn count(message: &Run<'_>) -> usize {
    if message.bytes.len() <= message.size {
        1
    } else {
        message.bytes.len().div_ceil(message.size)
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
    use std::net::SocketAddr;
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

    fn run<'a>(to: &UdpSocket, bytes: &'a [u8], size: usize) -> Run<'a> {
        Run {
            path: Path {
                socket: 0,
                remote: to.local_addr().unwrap(),
            },
            bytes,
            size,
        }
    }

    fn sent_to(port: &mut Port, to: &UdpSocket, bytes: &[u8], size: usize) -> Sent {
        port.send([run(to, bytes, size)].into_iter())
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
        for segmentation in [true, false] {
            let mut port = Port::new(socket(), segmentation).unwrap();
            let to = socket();
            let bytes = numbered(10, 1200);
            let sent = sent_to(&mut port, &to, &bytes, 1200);
            let expected: Vec<_> = bytes.chunks(1200).map(<[u8]>::to_vec).collect();
            assert!(arrived(&to, 10) == expected);
            assert_eq!((sent.taken, sent.refused, sent.calls), (10, 0, 1));
        }
    }

    /// Runs of one and of several datagrams, of several sizes, to more receivers than go into one call.
    fn mixed(receivers: &[UdpSocket]) -> Vec<(usize, Vec<u8>, usize)> {
        let runs = receivers.iter().enumerate().flat_map(|(receiver, _)| {
            [(1, 90), (3, 1200), (1, 1300), (2, 700), (4, 1200)]
                .map(|(count, size)| (receiver, numbered(count, size), size))
        });
        runs.collect()
    }

    #[test]
    fn runs_of_many_receivers_leave_by_few_calls_each_in_its_order() {
        for segmentation in [true, false] {
            let mut port = Port::new(socket(), segmentation).unwrap();
            let receivers: Vec<_> = (0..40).map(|_| socket()).collect();
            // First all of one size, as a picture goes to all.
            let bytes = numbered(5, 1200);
            let runs = receivers.iter().map(|to| run(to, &bytes, 1200));
            let sent = port.send(runs);
            let calls = if segmentation {
                3
            } else {
                200_usize.div_ceil(MANY) as u64
            };
            assert_eq!((sent.taken, sent.refused, sent.calls), (200, 0, calls));
            // Then of every size.
            let runs = mixed(&receivers);
            let sent = port.send(
                runs.iter()
                    .map(|(to, bytes, size)| run(&receivers[*to], bytes, *size)),
            );
            assert_eq!((sent.taken, sent.refused), (40 * 11, 0));
            for (number, receiver) in receivers.iter().enumerate() {
                let own = runs.iter().filter(|(to, ..)| *to == number);
                let expected: Vec<_> = bytes
                    .chunks(1200)
                    .chain(own.flat_map(|(_, bytes, size)| bytes.chunks(*size)))
                    .map(<[u8]>::to_vec)
                    .collect();
                assert!(arrived(receiver, 16) == expected, "receiver {number}");
            }
        }
    }

    /// The system refuses port 0 with the error of a way that cannot be cut for.
    #[test]
    fn one_datagram_that_is_refused_is_tried_uncut_and_others_are_cut_as_before() {
        let mut port = Port::new(socket(), true).unwrap();
        let to = socket();
        let (many, one) = (numbered(3, 1200), numbered(1, 100));
        let nowhere = Run {
            path: Path {
                socket: 0,
                remote: SocketAddr::from(([127, 0, 0, 1], 0)),
            },
            ..run(&to, &one, 100)
        };
        for _ in 0..2 {
            let runs = [run(&to, &many, 1200), nowhere, run(&to, &one, 100)];
            let sent = port.send(runs.into_iter());
            assert_eq!((sent.taken, sent.refused, port.cut), (4, 1, 0), "uncut");
            assert!(port.segments > 1);
            assert_eq!(arrived(&to, 4).len(), 4);
        }
        assert_eq!(sent_to(&mut port, &to, &many, 1200).calls, 1);
    }

    #[test]
    fn what_the_system_refuses_takes_nothing_with_it() {
        let mut port = Port::new(socket(), true).unwrap();
        let receivers: Vec<_> = (0..6).map(|_| socket()).collect();
        let bytes = numbered(2, 1200);
        // Without leave the system sends to no broadcast address.
        let nowhere = Run {
            path: Path {
                socket: 0,
                remote: SocketAddr::from(([255, 255, 255, 255], 9)),
            },
            ..run(&receivers[0], &bytes, 1200)
        };
        let mut runs: Vec<_> = receivers.iter().map(|to| run(to, &bytes, 1200)).collect();
        runs.insert(0, nowhere);
        runs.insert(4, nowhere);
        runs.push(nowhere);
        let sent = port.send(runs.into_iter());
        assert_eq!((sent.taken, sent.refused, port.segments > 1), (12, 6, true));
        for receiver in &receivers {
            assert_eq!(arrived(receiver, 2).len(), 2);
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
        assert_eq!((sent.taken, sent.calls), (10, 1));
    }

    #[test]
    fn what_comes_together_is_read_together_and_cut_where_it_was_joined() {
        let mut port = Port::new(socket(), true).unwrap();
        let at = port.socket.local_addr().unwrap();
        let mut from = Port::new(socket(), true).unwrap();
        let bytes = numbered(20, 1200);
        from.send([run(&port.socket, &bytes, 1200)].into_iter());
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
