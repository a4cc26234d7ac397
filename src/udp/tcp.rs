//! ICE-TCP (RFC 6544): accepts connections, reads framed datagrams (RFC 4571) for the shard and writes those that it wants sent.
//! A connection is worth nothing before a checked request came over it: it has seconds, a few small frames and one small buffer.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::media::framing::Frames;
use crate::media::mail::named_by;
use crate::media::paths::MOST_STREAMS;
use crate::media::stun;
use crate::udp::link::Link;
use crate::udp::plane::MediaError;
use crate::udp::streams::Arrival;

/// Connections in all: one for each transport that a shard may have.
const MOST: usize = 4096;
/// Connections of one address: a firm whose network lets no UDP out shows one address for all.
const MOST_OF_ONE: usize = 512;
/// Connections over which nothing has been proved yet; the oldest gives way.
const MOST_NEW: usize = 512;
/// The same of one address, so that one cannot push out those of all others.
const MOST_NEW_OF_ONE: usize = 64;
/// How long a connection may take to its first checked request. Browsers send it at once.
const FIRST_CHECK: Duration = Duration::from_secs(8);
/// The longest frame before that: what [`stun`] reads at most.
const FIRST_FRAME: usize = 1280;
/// Frames before that: a client checks every 50 ms at most until it is answered.
const FIRST_FRAMES: usize = 64;
/// The longest frame of a peer, as the longest datagram.
const LARGEST: usize = 2048;
/// Such frames in the buffer of a peer.
const SEVERAL: usize = 4;
/// How long a peer may take nothing of what is written to it.
const UNREAD: Duration = Duration::from_secs(10);
/// Unsent bytes in the system's buffer: what waits should wait where it can still be left out.
const UNSENT: u32 = 16 * 1024;
/// Arrivals that may wait for the shard.
const ARRIVALS: usize = 1024;
/// Connections accepted elsewhere that may wait.
const ADMISSIONS: usize = 64;
/// How long goodbyes may take when the shard has stopped.
const GOODBYE: Duration = Duration::from_millis(500);

/// What happened to connections.
#[derive(Debug, Default)]
pub(crate) struct StreamCounts {
    /// Accepted.
    pub(crate) accepted: AtomicU64,
    /// Not accepted: too many, in all or of one address.
    pub(crate) refused: AtomicU64,
    /// Ended because nothing was proved in time, or something else was sent.
    pub(crate) unproven: AtomicU64,
    /// Ended because the peer took nothing for too long, or sent what is no frame.
    pub(crate) cut: AtomicU64,
}

/// Takes connections that were accepted elsewhere: those on the port of HTTPS that begin with a frame.
#[derive(Clone, Debug)]
pub struct StreamDoor {
    admissions: mpsc::Sender<(std::net::TcpStream, SocketAddr)>,
}

impl StreamDoor {
    /// Hands a connection over, with the address of its client. If there are too many it is closed.
    pub fn admit(&self, stream: TcpStream, client: SocketAddr) {
        if let Ok(stream) = stream.into_std() {
            let _closed = self.admissions.try_send((stream, client));
        }
    }
}

/// What the rest of the plane gets of the thread of connections.
pub(crate) struct Started {
    pub(crate) door: StreamDoor,
    /// For each shard.
    pub(crate) arrivals: Vec<mpsc::Receiver<Arrival>>,
    pub(crate) counts: Arc<StreamCounts>,
    pub(crate) bound: Vec<SocketAddr>,
    pub(crate) thread: JoinHandle<()>,
}

/// Binds the listeners and starts the thread of connections.
pub(crate) fn start(addresses: &[SocketAddr], shards: u8) -> Result<Started, MediaError> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in addresses {
        let failed = |error| MediaError::BindTcp(*address, error);
        let listener = bind(*address).map_err(failed)?;
        bound.push(listener.local_addr().map_err(failed)?);
        listeners.push(listener);
    }
    let (admissions, admitted) = mpsc::channel(ADMISSIONS);
    let (senders, arrivals) = (0..shards).map(|_| mpsc::channel(ARRIVALS)).unzip();
    let counts = Arc::new(StreamCounts::default());
    let house = Arc::new(House {
        places: Mutex::default(),
        arrivals: senders,
        counts: Arc::clone(&counts),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MediaError::Thread)?;
    let thread = std::thread::Builder::new()
        .name("media-tcp".to_owned())
        .spawn(move || runtime.block_on(run(listeners, admitted, house)))
        .map_err(MediaError::Thread)?;
    Ok(Started {
        door: StreamDoor { admissions },
        arrivals,
        counts,
        bound,
        thread,
    })
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Accepts until the shard is gone, then lets goodbyes out.
async fn run(
    listeners: Vec<std::net::TcpListener>,
    mut admitted: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    house: Arc<House>,
) {
    let (sender, mut accepted) = mpsc::channel(ADMISSIONS);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, sender.clone()));
    }
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = tokio::select! {
            Some(pair) = accepted.recv() => pair,
            Some((stream, client)) = admitted.recv() => match TcpStream::from_std(stream) {
                Ok(stream) => (stream, client),
                Err(_) => continue,
            },
            Some(_) = connections.join_next() => continue,
            () = house.closed() => break,
        };
        match house.enter(client) {
            Some(link) => drop(connections.spawn(connection(stream, link, Arc::clone(&house)))),
            None => drop(house.counts.refused.fetch_add(1, Ordering::Relaxed)),
        }
    }
    accepting.shutdown().await;
    let _late = timeout(GOODBYE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn accept(listener: std::net::TcpListener, to: mpsc::Sender<(TcpStream, SocketAddr)>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                if to.send(accepted).await.is_err() {
                    return;
                }
            }
            // Out of descriptors or memory: give the machine a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Who is here.
#[derive(Debug)]
struct House {
    places: Mutex<Places>,
    /// One for each shard.
    arrivals: Vec<mpsc::Sender<Arrival>>,
    counts: Arc<StreamCounts>,
}

#[derive(Debug, Default)]
struct Places {
    open: HashMap<IpAddr, usize>,
    all: usize,
    free: Vec<u16>,
    used: u16,
    /// Those over which nothing has been proved, the oldest first.
    new: VecDeque<Arc<Link>>,
}

impl House {
    /// Waits until every shard has ended.
    async fn closed(&self) {
        for shard in &self.arrivals {
            shard.closed().await;
        }
    }

    /// The shard that a check is for.
    fn named(&self, check: &stun::Request<'_>) -> u8 {
        let ours = check.fragments().map_or("", |(ours, _)| ours);
        let named = named_by(ours.as_bytes()).unwrap_or(0);
        if usize::from(named) < self.arrivals.len() {
            named
        } else {
            0
        }
    }

    /// Tells the shard of a connection; `false` if it has ended.
    async fn tell(&self, arrival: Arrival) -> bool {
        let (Arrival::Datagram(link, _) | Arrival::Gone(link)) = &arrival;
        match self.arrivals.get(link.shard()) {
            Some(shard) => shard.send(arrival).await.is_ok(),
            None => false,
        }
    }

    fn enter(&self, client: SocketAddr) -> Option<Arc<Link>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let link = places.enter(client)?;
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        Some(link)
    }

    fn leave(&self, link: &Link) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.leave(link);
    }
}

impl Places {
    fn enter(&mut self, client: SocketAddr) -> Option<Arc<Link>> {
        let network = network(client.ip());
        let of_one = self.open.get(&network).copied().unwrap_or_default();
        if self.all >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        self.new.retain(|link| link.is_new());
        let own = |link: &&Arc<Link>| self::network(link.path.remote.ip()) == network;
        if self.new.iter().filter(own).count() >= MOST_NEW_OF_ONE {
            if let Some(oldest) = self.new.iter().find(own) {
                oldest.end();
            }
        } else if self.new.len() >= MOST_NEW
            && let Some(oldest) = self.new.pop_front()
        {
            oldest.end();
        }
        let place = self.free.pop().or_else(|| {
            let place = self.used;
            (place < MOST_STREAMS).then(|| {
                self.used += 1;
                place
            })
        })?;
        let link = Arc::new(Link::new(place, client));
        self.new.push_back(Arc::clone(&link));
        *self.open.entry(network).or_default() += 1;
        self.all += 1;
        Some(link)
    }

    fn leave(&mut self, link: &Link) {
        let network = network(link.path.remote.ip());
        if let Some(count) = self.open.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.open.remove(&network);
            }
        }
        self.all = self.all.saturating_sub(1);
        self.new.retain(|other| other.path != link.path);
        self.free.extend(link.path.stream_place());
    }
}

/// What counts as one address: of IPv6 the 64 bits that one client may choose from.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// One connection, from its first byte to its end.
async fn connection(stream: TcpStream, link: Arc<Link>, house: Arc<House>) {
    let socket = SockRef::from(&stream);
    let _unset = socket.set_tcp_nodelay(true);
    let _unset = socket.set_tcp_notsent_lowat(UNSENT);
    let (reader, writer) = stream.into_split();
    let counts = &house.counts;
    let ended = tokio::select! {
        ended = read(reader, &link, &house) => ended,
        ended = write(writer, &link) => ended,
    };
    match ended {
        End::Unproven => drop(counts.unproven.fetch_add(1, Ordering::Relaxed)),
        End::Cut => drop(counts.cut.fetch_add(1, Ordering::Relaxed)),
        End::Closed => {}
    }
    link.end();
    // The number is free for another only when the shard knows that this one is gone.
    let _stopped = house.tell(Arrival::Gone(Arc::clone(&link))).await;
    house.leave(&link);
}

enum End {
    Closed,
    Unproven,
    Cut,
}

/// Reads frames for the shard.
async fn read(mut reader: OwnedReadHalf, link: &Arc<Link>, house: &House) -> End {
    let deadline = Instant::now() + FIRST_CHECK;
    let mut frames = Frames::new(FIRST_FRAME);
    let (mut proven, mut first) = (false, 0);
    loop {
        let count = if proven {
            reader.read(frames.space()).await
        } else {
            let proof = async {
                // Whether a request was right is seen by the shard, a moment after it was read.
                match timeout_at(deadline, reader.read(frames.space())).await {
                    Ok(count) => count,
                    Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
                }
            };
            proof.await
        };
        if !proven && link.is_proven() {
            proven = true;
            frames.grow(LARGEST, SEVERAL);
        }
        match count {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut && proven => continue,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return End::Unproven,
            Ok(0) | Err(_) => return End::Closed,
            Ok(count) => frames.filled(count),
        }
        loop {
            let datagram = match frames.take() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                Err(_) if proven => return End::Cut,
                Err(_) => return End::Unproven,
            };
            if !proven {
                first += 1;
                let Ok(check) = stun::Request::parse(datagram) else {
                    return End::Unproven;
                };
                if first > FIRST_FRAMES {
                    return End::Unproven;
                }
                if first == 1 {
                    link.name(house.named(&check));
                }
            }
            let arrival = Arrival::Datagram(Arc::clone(link), datagram.to_vec());
            if !house.tell(arrival).await {
                // The shard has stopped: the writer sends what waits.
                return pending().await;
            }
        }
    }
}

/// Writes what the shard wants sent, until it is over.
async fn write(mut writer: OwnedWriteHalf, link: &Link) -> End {
    let mut out = Vec::new();
    while link.take(&mut out).await {
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            match timeout(UNREAD, writer.write(rest)).await {
                Ok(Ok(count)) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                Ok(_) => return End::Closed,
                Err(_) => return End::Cut,
            }
        }
        out.clear();
    }
    let _closed = timeout(GOODBYE, writer.shutdown()).await;
    End::Closed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: u32) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from_bits(0x0a00_0000 + address), 9))
    }

    #[test]
    fn the_oldest_of_an_address_gives_way_to_its_own_newest() {
        let mut places = Places::default();
        let other = places.enter(client(2)).unwrap();
        let first = places.enter(client(1)).unwrap();
        let held: Vec<_> = (1..MOST_NEW_OF_ONE)
            .map(|_| places.enter(client(1)).unwrap())
            .collect();
        assert!(first.is_new());
        let _newest = places.enter(client(1)).unwrap();
        assert!(first.is_over() && other.is_new() && held.iter().all(|link| link.is_new()));
    }

    #[test]
    fn strangers_do_not_push_out_who_has_proved_itself() {
        let mut places = Places::default();
        let peer = places.enter(client(1)).unwrap();
        peer.prove();
        let strangers: Vec<_> = (2..1000)
            .map(|address| places.enter(client(address)).unwrap())
            .collect();
        assert!(peer.is_proven());
        assert_eq!(
            strangers.iter().filter(|link| link.is_new()).count(),
            MOST_NEW
        );
        assert!(
            strangers.last().unwrap().is_new(),
            "the newest has its time"
        );
    }

    #[test]
    fn an_address_gets_its_places_back_and_no_number_is_given_twice() {
        let mut places = Places::default();
        let held: Vec<_> = (0..MOST_OF_ONE)
            .map(|_| {
                let link = places.enter(client(1)).unwrap();
                link.prove();
                link
            })
            .collect();
        assert!(places.enter(client(1)).is_none());
        let mut numbers: Vec<_> = held.iter().map(|link| link.path.socket).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), MOST_OF_ONE);
        places.leave(&held[7]);
        let next = places.enter(client(1)).unwrap();
        assert_eq!(next.path.socket, held[7].path.socket);
        for link in held
            .iter()
            .chain([&next])
            .filter(|link| !Arc::ptr_eq(link, &held[7]))
        {
            places.leave(link);
        }
        assert_eq!((places.all, places.open.len(), places.new.len()), (0, 0, 0));
    }

    #[test]
    fn one_client_of_ipv6_is_one_address() {
        let one = network("2001:db8::1".parse().unwrap());
        assert_eq!(one, network("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(one, network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            network("192.0.2.1".parse().unwrap())
        );
    }
}
