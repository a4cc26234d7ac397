//! What the rest of the server asks of a shard, each with the place for its answer.

use conclave_policy::actions::{Connect, Listen, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;
use tokio::sync::{mpsc, oneshot};

use crate::media::answer::Local;
use crate::media::event::{ConnectError, Cut, Gone, PeerEvent, Receive, SourceStats, View};
use crate::media::offer::Description;
use crate::media::quality::PeerQuality;
use crate::media::tap::Ear;

/// One command. The answer is given when everything that it changed has been sent.
#[derive(Debug)]
pub(crate) enum Command {
    Connect {
        permit: Permit<Connect>,
        description: Box<Description>,
        events: mpsc::Sender<PeerEvent>,
        reply: oneshot::Sender<Result<Local, ConnectError>>,
    },
    Restart {
        permit: Permit<Connect>,
        description: Box<Description>,
        reply: oneshot::Sender<Result<Local, ConnectError>>,
    },
    Watch {
        permit: Permit<Watch>,
        reply: oneshot::Sender<Result<(), Gone>>,
    },
    Publish {
        permit: Permit<Publish>,
        reply: oneshot::Sender<Result<(), Gone>>,
    },
    Listen {
        permit: Permit<Listen>,
        ear: Box<dyn Ear>,
        reply: oneshot::Sender<Result<(), Gone>>,
    },
    Unlisten {
        room: RoomId,
        participant: ParticipantId,
        reply: oneshot::Sender<()>,
    },
    Cut {
        room: RoomId,
        participant: ParticipantId,
        source: Source,
        reply: oneshot::Sender<Cut>,
    },
    Unwatch {
        room: RoomId,
        participant: ParticipantId,
        reply: oneshot::Sender<()>,
    },
    Disconnect {
        room: RoomId,
        participant: ParticipantId,
        reply: oneshot::Sender<()>,
    },
    End {
        room: RoomId,
        reply: oneshot::Sender<()>,
    },
    View {
        room: RoomId,
        participant: ParticipantId,
        wants: Vec<View>,
        most: Receive,
        reply: oneshot::Sender<Result<(), Gone>>,
    },
    Quality {
        room: RoomId,
        reply: oneshot::Sender<Vec<PeerQuality>>,
    },
    Stats {
        room: RoomId,
        reply: oneshot::Sender<Vec<SourceStats>>,
    },
    /// Take in what other shards have told until now, and send what follows from it.
    Settle { reply: oneshot::Sender<()> },
    /// End every transport, and the thread.
    Stop,
}
