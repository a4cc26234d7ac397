//! The media plane as the rest of the server sees it: a handle that can be cloned, and the threads behind it. Every function
//! that lets media flow takes a permit; none of them knows a role.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use conclave_policy::actions::{Connect, Listen, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;
use tokio::sync::{mpsc, oneshot};

use crate::media::answer;
use crate::media::counters::MediaCounters;
use crate::media::dtls::Identity;
use crate::media::event::{
    Answer, ConnectError, Cut, Gone, Offer, PeerEvent, Receive, SourceStats, View,
};
use crate::media::offer;
use crate::media::quality::PeerQuality;
use crate::media::sfu::{Limits, Sfu};
use crate::media::tap::Ear;
use crate::secret::RandomSource;
use crate::udp::command::Command;
use crate::udp::shard::Shard;
use crate::udp::socket;
use crate::udp::streams::Streams;
use crate::udp::tcp::{self, StreamDoor};

/// Commands that may wait for a shard; each takes microseconds, and who sends more waits.
const COMMANDS: usize = 1024;

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
    /// Send what goes to one receiver by one call, where the system can (UDP segmentation offload).
    pub segmentation: bool,
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
    commands: mpsc::Sender<Command>,
    counters: Arc<Mutex<MediaCounters>>,
    addresses: Arc<[SocketAddr]>,
    door: Option<StreamDoor>,
}

/// The thread behind the media plane. When it is dropped the thread goes on until every handle is gone.
#[derive(Debug)]
pub struct MediaThread {
    commands: mpsc::WeakSender<Command>,
    thread: JoinHandle<()>,
    streams: Option<JoinHandle<()>>,
}

impl MediaThread {
    /// Ends every transport with a goodbye, and the thread; waits for it. Blocks: not to be called from an async task.
    pub fn stop(self) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.blocking_send(Command::Stop);
        }
        let _ = self.thread.join();
        if let Some(streams) = self.streams {
            let _ = streams.join();
        }
    }
}

impl MediaPlane {
    /// Binds the sockets and starts the thread.
    pub fn start(
        settings: MediaSettings,
        random: Arc<dyn RandomSource>,
    ) -> Result<(Self, MediaThread), MediaError> {
        let sockets = socket::bind(&settings.bind, !settings.announce.is_empty())?;
        let candidates = socket::candidates(&sockets, &settings.announce);
        let identity = Arc::new(Identity::generate().ok_or(MediaError::Certificate)?);
        let mut sfu = Sfu::new(identity, candidates.clone(), settings.limits, random);
        let wanted = &settings.streams;
        let started = if wanted.listen.is_empty() && wanted.shared.is_none() {
            None
        } else {
            Some(tcp::start(&wanted.listen)?)
        };
        let (mut door, mut streams, mut stream_thread) = (None, Streams::default(), None);
        if let Some(started) = started {
            let bound: Vec<_> = wanted.shared.into_iter().chain(started.bound).collect();
            sfu.name_streams(socket::stream_candidates(&bound, &settings.announce)?);
            door = wanted.shared.map(|_| started.door);
            streams = Streams::new(started.arrivals, started.counts);
            stream_thread = Some(started.thread);
        }
        let (sender, receiver) = mpsc::channel(COMMANDS);
        let counters = Arc::new(Mutex::new(MediaCounters::default()));
        let shard = Shard {
            sfu,
            commands: receiver,
            counters: Arc::clone(&counters),
            segmentation: settings.segmentation,
            streams,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Look at the sockets after every pass of the loop.
            .event_interval(1)
            .build()
            .map_err(MediaError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(shard.run(sockets)) {
                    tracing::error!(%error, "media thread ended");
                }
            })
            .map_err(MediaError::Thread)?;
        let thread = MediaThread {
            commands: sender.downgrade(),
            thread,
            streams: stream_thread,
        };
        Ok((
            Self {
                commands: sender,
                counters,
                addresses: candidates.into(),
                door,
            },
            thread,
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

    /// Whether the thread of packets still runs; for health checks.
    pub fn is_running(&self) -> bool {
        !self.commands.is_closed()
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
        let description = Box::new(offer::read(&offer)?);
        let copy = description.clone();
        let local = self
            .ask(|reply| Command::Connect {
                permit,
                description,
                events,
                reply,
            })
            .await
            .unwrap_or(Err(ConnectError::Gone))?;
        Ok(answer::write(&copy, &local))
    }

    /// New ICE credentials for the transport that the participant of the permit has; an offer of any other connection is refused.
    pub async fn restart(
        &self,
        permit: Permit<Connect>,
        offer: Offer,
    ) -> Result<Answer, ConnectError> {
        let description = Box::new(offer::read(&offer)?);
        let copy = description.clone();
        let local = self
            .ask(|reply| Command::Restart {
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
        self.ask(|reply| Command::Watch { permit, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Lets the participant of the permit send one source to those who watch.
    pub async fn publish(&self, permit: Permit<Publish>) -> Result<(), Gone> {
        self.ask(|reply| Command::Publish { permit, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Lets the ear hear the microphone of the permit until that is cut.
    pub async fn listen(&self, permit: Permit<Listen>, ear: Box<dyn Ear>) -> Result<(), Gone> {
        self.ask(|reply| Command::Listen { permit, ear, reply })
            .await
            .unwrap_or(Err(Gone))
    }

    /// Nobody listens to the participant when this returns.
    pub async fn unlisten(&self, room: RoomId, participant: ParticipantId) {
        self.ask(|reply| Command::Unlisten {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
    }

    /// Ends one source. When this returns its last packet has been sent.
    pub async fn cut(&self, room: RoomId, participant: ParticipantId, source: Source) -> Cut {
        self.ask(|reply| Command::Cut {
            room,
            participant,
            source,
            reply,
        })
        .await
        .unwrap_or_default()
    }

    /// Ends what the participant receives, as completely.
    pub async fn unwatch(&self, room: RoomId, participant: ParticipantId) {
        self.ask(|reply| Command::Unwatch {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
    }

    /// Ends the participant's transport, both directions; its keys are forgotten.
    pub async fn disconnect(&self, room: RoomId, participant: ParticipantId) {
        self.ask(|reply| Command::Disconnect {
            room,
            participant,
            reply,
        })
        .await
        .unwrap_or(());
    }

    /// Ends every transport of a room.
    pub async fn end(&self, room: RoomId) {
        self.ask(|reply| Command::End { room, reply })
            .await
            .unwrap_or(());
    }

    /// What the participant wants to see, the most wanted first, and how much at most; it replaces what was wanted before.
    pub async fn view(
        &self,
        room: RoomId,
        participant: ParticipantId,
        wants: Vec<View>,
        most: Receive,
    ) -> Result<(), Gone> {
        self.ask(|reply| Command::View {
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
        self.ask(|reply| Command::Stats { room, reply })
            .await
            .unwrap_or_default()
    }

    /// How each transport of a room does.
    pub async fn quality(&self, room: RoomId) -> Vec<PeerQuality> {
        self.ask(|reply| Command::Quality { room, reply })
            .await
            .unwrap_or_default()
    }

    /// Everything counted so far, over all rooms.
    pub fn counters(&self) -> MediaCounters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}
