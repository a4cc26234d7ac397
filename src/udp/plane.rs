//! The media plane as the rest of the server sees it: a handle that can be cloned, and the threads behind it. Every function
//! that lets media flow takes a permit; none of them knows a role.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use conclave_policy::actions::{Connect, Listen, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;
use futures_util::future::select_all;
use tokio::sync::{mpsc, oneshot};

use crate::media::allowed::Allowed;
use crate::media::answer;
use crate::media::counters::MediaCounters;
use crate::media::dtls::Identity;
use crate::media::event::{
    Answer, ConnectError, Cut, Gone, Offer, PeerEvent, Receive, SourceStats, View,
};
use crate::media::mail::MOST_SHARDS;
use crate::media::offer::{self, Description, OfferError};
use crate::media::quality::PeerQuality;
use crate::media::sfu::{Limits, Sfu};
use crate::media::tap::Ear;
use crate::secret::RandomSource;
use crate::udp::command::Command;
use crate::udp::neighbours::Neighbours;
use crate::udp::places::{Places, SPREAD};
use crate::udp::shard::Shard;
use crate::udp::socket;
use crate::udp::streams::Streams;
use crate::udp::tcp::{self, StreamDoor};

/// Commands that may wait for a shard; each takes microseconds, and who sends more waits.
const COMMANDS: usize = 1024;
/// Shards at most, where none are asked for: the rest of the machine is for everything else.
const MOST_CORES: usize = 4;

/// How the media plane is set up.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Addresses to bind. An unspecified address stands for each of the machine's own; port 0 for one that is free.
    pub bind: Vec<SocketAddr>,
    /// Addresses that answers name; if empty, those that were bound. Port 0 means the bound one.
    pub announce: Vec<SocketAddr>,
    /// Connections of ICE-TCP, for networks that let no UDP out.
    pub streams: StreamSettings,
    /// Bounds of each shard.
    pub limits: Limits,
    /// Threads that share the packets; none means as many as there are processors, four at most.
    pub shards: u8,
    /// Members of one room on one shard before the room spreads to the next; none means some dozens.
    pub spread: usize,
    /// Send what goes to one receiver by one call, where the system can (UDP segmentation offload).
    pub segmentation: bool,
    /// The codecs that are carried.
    pub codecs: Allowed,
}

/// How clients without UDP come in. With neither, there are no connections.
#[derive(Clone, Debug, Default)]
pub struct StreamSettings {
    /// Addresses to bind for connections alone.
    pub listen: Vec<SocketAddr>,
    /// Where HTTPS listens, if it hands over connections that begin with a frame.
    pub shared: Option<SocketAddr>,
}

/// Why the media plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Nothing to bind.
    #[error("no address to bind")]
    NoAddress,
    /// An address could not be bound.
    #[error("cannot bind `{0}`")]
    Bind(SocketAddr, #[source] std::io::Error),
    /// An address could not be bound for connections.
    #[error("cannot bind `{0}` for TCP")]
    BindTcp(SocketAddr, #[source] std::io::Error),
    /// The machine's addresses could not be found.
    #[error("cannot list network interfaces")]
    Interfaces(#[source] std::io::Error),
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Certificate,
    /// No thread could be started.
    #[error("cannot start the media thread")]
    Thread(#[source] std::io::Error),
}

/// A handle to the media plane.
#[derive(Clone, Debug)]
pub struct MediaPlane {
    shards: Arc<[Handle]>,
    places: Arc<Mutex<Places>>,
    addresses: Arc<[SocketAddr]>,
    door: Option<StreamDoor>,
    codecs: Arc<Allowed>,
}

/// What a shard is asked by.
#[derive(Clone, Debug)]
struct Handle {
    commands: mpsc::Sender<Command>,
    counters: Arc<Mutex<MediaCounters>>,
}

/// The threads behind the media plane. When it is dropped they go on until every handle is gone.
#[derive(Debug)]
pub struct MediaThread {
    shards: Vec<(mpsc::WeakSender<Command>, JoinHandle<()>)>,
    streams: Option<JoinHandle<()>>,
}

impl MediaThread {
    /// Ends every transport with a goodbye, and the threads; waits for them. Blocks: not to be called from an async task.
    pub fn stop(self) {
        for (commands, _) in &self.shards {
            if let Some(commands) = commands.upgrade() {
                let _ = commands.blocking_send(Command::Stop);
            }
        }
        for (_, thread) in self.shards {
            let _ = thread.join();
        }
        if let Some(streams) = self.streams {
            let _ = streams.join();
        }
    }
}

impl MediaPlane {
    /// Binds the sockets and starts the threads.
    pub fn start(
        settings: MediaSettings,
        random: Arc<dyn RandomSource>,
    ) -> Result<(Self, MediaThread), MediaError> {
        let count = match settings.shards {
            0 => {
                std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_CORES))
            }
            wanted => usize::from(wanted.min(MOST_SHARDS)),
        };
        let count = u8::try_from(count).unwrap_or(1);
        let sockets = socket::bind(&settings.bind, !settings.announce.is_empty(), count)?;
        let first = sockets.first().map_or(&[][..], Vec::as_slice);
        let candidates = socket::candidates(first, &settings.announce);
        let identity = Arc::new(Identity::generate().ok_or(MediaError::Certificate)?);
        let wanted = &settings.streams;
        let started = if wanted.listen.is_empty() && wanted.shared.is_none() {
            None
        } else {
            Some(tcp::start(&wanted.listen, count)?)
        };
        let (mut door, mut streams, mut stream_thread) = (None, Vec::new(), None);
        let mut stream_candidates = Vec::new();
        if let Some(started) = started {
            let bound: Vec<_> = wanted.shared.into_iter().chain(started.bound).collect();
            stream_candidates = socket::stream_candidates(&bound, &settings.announce)?;
            door = wanted.shared.map(|_| started.door);
            // What is counted for all is told by the first.
            let mut counts = Some(started.counts);
            let each = started.arrivals.into_iter();
            streams = each
                .map(|arrivals| Streams::new(arrivals, counts.take().unwrap_or_default()))
                .collect();
            stream_thread = Some(started.thread);
        }
        let version = Arc::new(AtomicU64::new(0));
        let mut streams = streams.into_iter();
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for (number, (sockets, neighbours)) in
            (0..).zip(sockets.into_iter().zip(Neighbours::all(count)))
        {
            let (identity, random) = (Arc::clone(&identity), Arc::clone(&random));
            let mut sfu = Sfu::new(identity, candidates.clone(), settings.limits, random);
            sfu.name_streams(stream_candidates.clone());
            let (sender, receiver) = mpsc::channel(COMMANDS);
            let counters = Arc::new(Mutex::new(MediaCounters::default()));
            let shard = Shard {
                sfu: sfu.among(number, count, Arc::clone(&version)),
                commands: receiver,
                counters: Arc::clone(&counters),
                segmentation: settings.segmentation,
                streams: streams.next().unwrap_or_default(),
                neighbours,
            };
            threads.push((sender.downgrade(), run(number, shard, sockets)?));
            handles.push(Handle {
                commands: sender,
                counters,
            });
        }
        let spread = match settings.spread {
            0 => SPREAD,
            wanted => wanted,
        };
        Ok((
            Self {
                shards: handles.into(),
                places: Arc::new(Mutex::new(Places::new(count, spread))),
                addresses: candidates.into(),
                door,
                codecs: Arc::new(settings.codecs),
            },
            MediaThread {
                shards: threads,
                streams: stream_thread,
            },
        ))
    }

    /// The addresses that answers name.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the listener of HTTPS hands over connections that begin with a frame; `None` if it is to take none for media.
    pub fn stream_door(&self) -> Option<StreamDoor> {
        self.door.clone()
    }

    /// Whether every thread of packets still runs; for health checks.
    pub fn is_running(&self) -> bool {
        self.shards.iter().all(|shard| !shard.commands.is_closed())
    }

    /// Comes back when a thread of packets has ended.
    pub async fn ended(&self) {
        let threads = self.shards.iter();
        let ends = threads.map(|shard| Box::pin(shard.commands.closed()));
        let _first = select_all(ends).await;
    }

    /// Makes a transport for the participant of the permit. What happens to it is told to `events`; when that is dropped
    /// the transport ends. A second offer replaces the first, or restarts its ICE if it is of the same connection.
    pub async fn connect(
        &self,
        permit: Permit<Connect>,
        offer: Offer,
        events: mpsc::Sender<PeerEvent>,
    ) -> Result<Answer, ConnectError> {
        // Read here and not on the thread of packets: a long offer takes milliseconds.
        let description = Box::new(self.read(&offer)?);
        let copy = description.clone();
        let (room, participant) = (permit.room(), permit.action().participant);
        let (shard, known) = {
            let mut places = self.places();
            let known = places.find(room, participant).is_some();
            (places.enter(room, participant), known)
        };
        let connected = self
            .ask(shard, |reply| Command::Connect {
                permit,
                description,
                events,
                reply,
            })
            .await
            .unwrap_or(Err(ConnectError::Gone));
        if connected.is_err() && !known {
            self.places().leave(room, participant);
        }
        Ok(answer::write(&copy, &connected?))
    }

    /// What an offer says, as far as the server carries it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, offer: &Offer) -> Result<Description, OfferError> {
        let mut description = offer::read(offer)?;
        self.codecs.narrow(&mut description)?;
        Ok(description)
    }

    /// New ICE credentials for the transport that the participant of the permit has; an offer of any other connection is refused.
    pub async fn restart(
        &self,
        permit: Permit<Connect>,
        offer: Offer,
    ) -> Result<Answer, ConnectError> {
        let description = Box::new(self.read(&offer)?);
        let copy = description.clone();
        let shard = self.of(permit.room(), permit.action().participant);
        let local = self
            .ask(shard, |reply| Command::Restart {
                permit,
                description,
                reply,
            })
            .await
            .unwrap_or(Err(ConnectError::Gone))?;
        Ok(answer::write(&copy, &local))
    }

    /// Lets the participant of the permit receive the room's media.
    pub async fn watch(&self, permit: Permit<Watch>) -> Result<(), Gone> {
        let shard = self.of(permit.room(), permit.action().participant);
        self.ask(shard, |reply| Command::Watch { permit, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Lets the participant of the permit send one source to those who watch.
    pub async fn publish(&self, permit: Permit<Publish>) -> Result<(), Gone> {
        let shard = self.of(permit.room(), permit.action().participant);
        self.ask(shard, |reply| Command::Publish { permit, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Lets the ear hear the microphone of the permit until that is cut.
    pub async fn listen(&self, permit: Permit<Listen>, ear: Box<dyn Ear>) -> Result<(), Gone> {
        let shard = self.of(permit.room(), permit.action().participant);
        self.ask(shard, |reply| Command::Listen { permit, ear, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Nobody listens to the participant when this returns.
    pub async fn unlisten(&self, room: RoomId, participant: ParticipantId) {
        let shard = self.of(room, participant);
        self.ask(shard, |reply| Command::Unlisten {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
    }

    /// Ends one source. When this returns its last packet has been sent.
    pub async fn cut(&self, room: RoomId, participant: ParticipantId, source: Source) -> Cut {
        let shard = self.of(room, participant);
        let mut cut: Cut = self
            .ask(shard, |reply| Command::Cut {
                room,
                participant,
                source,
                reply,
            })
            .await
            .unwrap_or_default();
        if self.settle_but(Some(shard)).await {
            let lines = self.stats(room).await;
            let mut lines = lines.iter();
            let line = lines.find(|line| line.participant == participant && line.source == source);
            cut.forwarded = line.map_or(cut.forwarded, |line| line.forwarded);
        }
        cut
    }

    /// Ends what the participant receives, as completely.
    pub async fn unwatch(&self, room: RoomId, participant: ParticipantId) {
        let shard = self.of(room, participant);
        self.ask(shard, |reply| Command::Unwatch {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
    }

    /// Ends the participant's transport, both directions; its keys are forgotten.
    pub async fn disconnect(&self, room: RoomId, participant: ParticipantId) {
        let shard = self.of(room, participant);
        self.ask(shard, |reply| Command::Disconnect {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
        self.settle_but(Some(shard)).await;
        self.places().leave(room, participant);
    }

    /// Ends every transport of a room.
    pub async fn end(&self, room: RoomId) {
        self.ask_all(|reply| Command::End { room, reply }).await;
        self.settle_but(None).await;
        self.places().end(room);
    }

    /// What the participant wants to see, the most wanted first, and how much at most; it replaces what was wanted before.
    pub async fn view(
        &self,
        room: RoomId,
        participant: ParticipantId,
        wants: Vec<View>,
        most: Receive,
    ) -> Result<(), Gone> {
        let shard = self.of(room, participant);
        self.ask(shard, |reply| Command::View {
            room,
            participant,
            wants,
            most,
            reply,
        })
        .await
        .unwrap_or(Err(Gone))
    }

    /// Packets of each source of a room.
    pub async fn stats(&self, room: RoomId) -> Vec<SourceStats> {
        let lines = self.ask_all(|reply| Command::Stats { room, reply }).await;
        SourceStats::sum(lines.into_iter().flatten())
    }

    /// How each transport of a room does.
    pub async fn quality(&self, room: RoomId) -> Vec<PeerQuality> {
        let all = self.ask_all(|reply| Command::Quality { room, reply }).await;
        let mut all: Vec<PeerQuality> = all.into_iter().flatten().collect();
        if self.shards.len() > 1 {
            // What other shards sent of a source, too.
            let lines = self.stats(room).await;
            for peer in &mut all {
                for source in &mut peer.sources {
                    let same = |line: &&SourceStats| {
                        (line.participant, line.source) == (peer.participant, source.source)
                    };
                    let line = lines.iter().find(same);
                    source.forwarded = line.map_or(source.forwarded, |line| line.forwarded);
                }
            }
        }
        all
    }

    /// Everything counted so far, over all rooms and shards.
    pub fn counters(&self) -> MediaCounters {
        let all = self.shard_counters();
        all.fold(MediaCounters::default(), MediaCounters::plus)
    }

    /// What each shard counted.
    pub fn shard_counters(&self) -> impl Iterator<Item = MediaCounters> {
        let read =
            |shard: &Handle| *(shard.counters.lock()).unwrap_or_else(PoisonError::into_inner);
        self.shards.iter().map(read)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shard of a participant; any, if it has none, for it has no transport on any.
    fn of(&self, room: RoomId, participant: ParticipantId) -> u8 {
        self.places().find(room, participant).unwrap_or(0)
    }

    /// Lets every shard but this take in what that one told, and send what it had begun; says whether there are others.
    async fn settle_but(&self, shard: Option<u8>) -> bool {
        let others = (0..)
            .take(self.shards.len())
            .filter(|other| Some(*other) != shard);
        let asked: Vec<u8> = others.collect();
        if self.shards.len() < 2 {
            return false;
        }
        self.ask_these(&asked, |reply| Command::Settle { reply })
            .await;
        true
    }

    async fn ask_all<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let all: Vec<u8> = (0..).take(self.shards.len()).collect();
        self.ask_these(&all, command).await
    }

    /// Asks several shards at the same time.
    async fn ask_these<T>(
        &self,
        shards: &[u8],
        command: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Vec<T> {
        let mut waiting = Vec::new();
        for shard in shards
            .iter()
            .filter_map(|shard| self.shards.get(usize::from(*shard)))
        {
            let (reply, answer) = oneshot::channel();
            if shard.commands.send(command(reply)).await.is_ok() {
                waiting.push(answer);
            }
        }
        let mut answers = Vec::new();
        for answer in waiting {
            answers.extend(answer.await.ok());
        }
        answers
    }

    async fn ask<T>(
        &self,
        shard: u8,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let shard = self.shards.get(usize::from(shard))?;
        shard.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Starts the thread of a shard.
fn run(number: u8, shard: Shard, sockets: Vec<UdpSocket>) -> Result<JoinHandle<()>, MediaError> {
    std::thread::Builder::new()
        .name(format!("media-{number}"))
        .spawn(move || {
            if let Err(error) = shard.run(sockets) {
                tracing::error!(%error, "media thread ended");
            }
        })
        .map_err(MediaError::Thread)
}
