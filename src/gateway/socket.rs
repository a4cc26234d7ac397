//! One client's WebSocket, from the first frame to the close. It reads only what the phase of the connection allows,
//! and writes only what the room hands it; a waiting guest's socket carries the same bytes whatever the room does.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::auth::error::AuthError;
use crate::auth::limits::Bucket;
use crate::auth::possession::{Asked, Copied, SESSION_COPIED, Shown};
use crate::auth::principal::Principal;
use crate::auth::request::Held;
use crate::auth::vigil;
use crate::bounded::Text;
use crate::gateway::frame;
use crate::gateway::message::{FirstFrame, FirstRequest, WaitingRequest};
use crate::gateway::upgrade::{Gateway, PATH, PATIENCE};
use crate::guard::NO_ROOM;
use crate::ids::PictureId;
use crate::rooms::actor::ToRoom;
use crate::rooms::outbound::ServerMessage;
use crate::rooms::outbox::{OUTBOX, Outgoing, outbox};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::seat::{Connection, ConnectionId};
use crate::rooms::visitor::Visitor;
use crate::secret::Secret;
use crate::store::database::Store;

/// How long a new connection may take to say what it wants.
const FIRST_FRAME: Duration = Duration::from_secs(10);
/// How often the server pings.
const PING: Duration = Duration::from_secs(5);
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// A refusal to join is told this long after the request, so that its time says nothing.
const REFUSAL: Duration = Duration::from_millis(300);

/// How long it may take until a client has heard that it waits again.
const NEWS: Duration = Duration::from_secs(5);

/// How many sessions of a room are asked one after the other, when they end while they are being asked.
const DOORS: usize = 3;

/// The room, its first answer, and where the others will come.
type Knocked = (mpsc::Sender<ToRoom>, ServerMessage, Outgoing);

/// What a connection may say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Inside,
}

struct Client {
    socket: WebSocket,
    gateway: Arc<Gateway>,
    id: ConnectionId,
    pace: Bucket,
    heard: Instant,
    /// When a host put this client back into the waiting room.
    sent_back: Option<Instant>,
    /// Something is being written.
    writing: bool,
    /// The socket holds a part of what may not be told any more: nothing more is written.
    stuck: bool,
}

/// Serves one connection until it closes.
///
/// `held` is the connection's place among all; it is given back at the end.
pub async fn serve(
    socket: WebSocket,
    gateway: Arc<Gateway>,
    shown: Shown,
    address: IpAddr,
    held: Held,
) {
    let open = gateway.counters.connections.clone();
    open.inc();
    let now = gateway.rooms.means().clock.instant();
    let pace = Bucket::new(gateway.pace);
    let id = gateway.name();
    let mut client = Client {
        socket,
        gateway,
        id,
        pace,
        heard: now,
        sent_back: None,
        writing: false,
        stuck: false,
    };
    if let Err(code) = client.run(shown, address).await {
        client.close(code).await;
    }
    open.dec();
    drop(held);
}

impl Client {
    async fn run(&mut self, shown: Shown, address: IpAddr) -> Result<(), ErrorCode> {
        if let Some(nonce) = self.gateway.auth.challenge(&shown) {
            let nonce = nonce.to_string();
            self.write(&ServerMessage::Challenge { nonce }).await?;
        }
        let first = timeout(FIRST_FRAME, self.read_first())
            .await
            .map_err(|_| ErrorCode::BadMessage)??;
        let principal = Arc::new(self.prove(shown, &first, address)?);
        let mut over = pin!(vigil::over(&self.gateway.auth, &principal));
        let first = first.request;
        let asked = self.now();
        let means = self.gateway.rooms.means().clone();
        // Without an answer they come without one.
        let shown = means.store.shown_picture(principal.org, principal.actor());
        let picture = shown.await.unwrap_or_default();
        let knocked = self.knock(&first, &principal, address, picture).await;
        let (room, answer, mut outbox) = match knocked {
            Ok((_, ServerMessage::Closed { code, .. }, _)) | Err(code) => {
                // Until here nothing was read and nothing said: what else came, or when, would tell someone who is
                // refused whether there is such a room.
                pause(&self.gateway, asked).await;
                return Err(code);
            }
            Ok(knocked) => knocked,
        };
        let talk = async {
            self.write(&answer).await?;
            self.converse(&principal, &room, &answer, &mut outbox).await
        };
        // Whatever the client reads or does not read, the room hears at once that its session is over.
        let outcome = tokio::select! {
            biased;
            () = &mut over => Err(ErrorCode::SignedOut),
            outcome = talk => outcome,
        };
        self.stuck |= self.writing;
        let connection = self.id;
        let last = match outcome {
            Err(ErrorCode::SignedOut) => ToRoom::SignedOut { connection },
            _ => ToRoom::Lost { connection },
        };
        let _ended = room.send(last).await;
        outcome
    }

    /// Whose session it is, if whoever shows it holds its key.
    fn prove(
        &self,
        shown: Shown,
        first: &FirstFrame,
        address: IpAddr,
    ) -> Result<Principal, ErrorCode> {
        let asked = Asked {
            method: "GET",
            path: PATH,
            origins: &self.gateway.origins,
        };
        let proof = first.proof.as_ref().map(Text::as_str);
        let proved = self.gateway.auth.answers(shown, proof, asked);
        proved.map_err(|error| {
            if error == AuthError::Copied {
                let means = self.gateway.rooms.means();
                let org = means.store.org();
                means
                    .guard
                    .turned_away(org, address, SESSION_COPIED, NO_ROOM);
            }
            ErrorCode::SignedOut
        })
    }

    /// Takes the first request to its room, and gives the room's answer.
    async fn knock(
        &mut self,
        first: &FirstRequest,
        principal: &Arc<Principal>,
        address: IpAddr,
        picture: Option<PictureId>,
    ) -> Result<Knocked, ErrorCode> {
        let (FirstRequest::Join { room: id, .. } | FirstRequest::Resume { room: id, .. }) = first;
        if let FirstRequest::Resume { secret, .. } = first
            && self
                .gateway
                .rooms
                .means()
                .run
                .is_over(secret.expose().as_str())
        {
            return Err(ErrorCode::Restarted);
        }
        for _ in 0..DOORS {
            let opened = match principal.is_good_for(*id) {
                true => self.gateway.rooms.open(principal.org, *id).await,
                false => Err(ErrorCode::CannotJoin),
            };
            let room = opened.map_err(|code| match (code, first) {
                // A room that is not there answers as one that is not open.
                (ErrorCode::CannotJoin, FirstRequest::Resume { .. }) => ErrorCode::CannotResume,
                (code, _) => code,
            })?;
            let (sender, mut outbox) = outbox(OUTBOX);
            let connection = Connection {
                id: self.id,
                outbox: sender,
                session: principal.clone(),
            };
            let store = &self.gateway.rooms.means().store;
            let sent = room.send(to_room(
                first, connection, principal, address, picture, store,
            ));
            if sent.await.is_ok()
                && let Some(answer) = outbox.recv().await
            {
                return Ok((room, answer, outbox));
            }
            if !room.is_closed() {
                break;
            }
            // The session ended in this very moment: the next one answers.
        }
        Err(ErrorCode::Unavailable)
    }

    async fn read_first(&mut self) -> Result<FirstFrame, ErrorCode> {
        loop {
            match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => {
                    return frame::first(text.as_str());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    if self.pace.take(self.now()).is_err() {
                        return Err(ErrorCode::RateLimited);
                    }
                }
                Some(Ok(Message::Binary(_))) => return Err(ErrorCode::BadMessage),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(ErrorCode::Left),
            }
        }
    }

    async fn converse(
        &mut self,
        principal: &Principal,
        room: &mpsc::Sender<ToRoom>,
        answer: &ServerMessage,
        outbox: &mut Outgoing,
    ) -> Result<(), ErrorCode> {
        let mut phase = phase_after(answer).unwrap_or(Phase::Waiting);
        let mut ticks = interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = self.gateway.stopping.clone();
        // What was tried before this connection is told by `GET /api/me`.
        let mut told = self.gateway.auth.copies(principal);
        loop {
            tokio::select! {
                message = outbox.recv() => {
                    // The room drops the outbox of a client that does not keep up.
                    let Some(message) = message else { return Err(ErrorCode::TooSlow) };
                    if let ServerMessage::Closed { code, .. } = message {
                        return Err(code);
                    }
                    let next = phase_after(&message).unwrap_or(phase);
                    if (phase, next) == (Phase::Inside, Phase::Waiting) {
                        self.sent_back = Some(self.now());
                    }
                    phase = next;
                    let cut = tokio::select! {
                        biased;
                        written = self.write(&message) => {
                            written?;
                            false
                        }
                        () = outbox.cut() => true,
                    };
                    // Whoever does not read has a part of it; the next round says why there is no more.
                    self.stuck |= cut;
                }
                frame = self.socket.recv() => match frame {
                    Some(Ok(message)) => self.on_frame(message, phase, room).await?,
                    Some(Err(_)) | None => return Ok(()),
                },
                _ = ticks.tick() => {
                    if self.now().saturating_duration_since(self.heard) >= SILENCE {
                        return Ok(());
                    }
                    let copies = self.gateway.auth.copies(principal);
                    if phase == Phase::Inside && copies != told && let Some(copied) = copies {
                        let Copied { times, last } = copied;
                        self.write(&ServerMessage::SessionCopied { times, last }).await?;
                        told = copies;
                    }
                    self.send(Message::Ping(Vec::new().into())).await?;
                }
                () = stopped(&mut stopping), if phase == Phase::Waiting => return Err(ErrorCode::Draining),
            }
        }
    }

    async fn on_frame(
        &mut self,
        message: Message,
        phase: Phase,
        room: &mpsc::Sender<ToRoom>,
    ) -> Result<(), ErrorCode> {
        self.heard = self.now();
        if self.pace.take(self.heard).is_err() {
            self.gateway.counters.rate_limited.inc();
            return Err(ErrorCode::RateLimited);
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(ErrorCode::BadMessage),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(ErrorCode::Left),
        };
        let sent = match phase {
            Phase::Waiting => match frame::waiting(text.as_str()) {
                Ok(request) => match request.request {
                    WaitingRequest::Leave {} => return Err(ErrorCode::Left),
                },
                Err(_) if self.had_not_heard_yet(text.as_str()) => return Ok(()),
                Err(code) => {
                    let _ended = room
                        .send(ToRoom::Misuse {
                            connection: self.id,
                        })
                        .await;
                    return Err(code);
                }
            },
            Phase::Inside => {
                let request = frame::inside(text.as_str())?;
                room.send(ToRoom::Request {
                    connection: self.id,
                    id: request.id,
                    request: request.request,
                })
                .await
            }
        };
        sent.map_err(|_| ErrorCode::Ended)
    }

    /// Whether this was said in the room before the client can have known that it waits again. It comes to nothing.
    fn had_not_heard_yet(&self, text: &str) -> bool {
        let lately = |at: Instant| self.heard.saturating_duration_since(at) < NEWS;
        self.sent_back.is_some_and(lately) && frame::inside(text).is_ok()
    }

    async fn write(&mut self, message: &ServerMessage) -> Result<(), ErrorCode> {
        let text = serde_json::to_string(message).map_err(|_| ErrorCode::Internal)?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ErrorCode> {
        self.writing = true;
        let sent = timeout(PATIENCE, self.socket.send(message)).await;
        self.writing = false;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ErrorCode::Left),
            Err(_) => Err(ErrorCode::TooSlow),
        }
    }

    async fn close(&mut self, code: ErrorCode) {
        self.gateway.counters.closed(code);
        if self.stuck {
            return;
        }
        let message = ServerMessage::Closed {
            code,
            text: code.text().to_owned(),
        };
        if self.write(&message).await.is_ok() {
            let frame = CloseFrame {
                code: code.close_code(),
                reason: "".into(),
            };
            let _gone = self.send(Message::Close(Some(frame))).await;
        }
    }

    fn now(&self) -> Instant {
        self.gateway.rooms.means().clock.instant()
    }
}

/// The phase that a message begins.
const fn phase_after(message: &ServerMessage) -> Option<Phase> {
    match message {
        ServerMessage::Admitted { .. } | ServerMessage::Resumed { .. } => Some(Phase::Inside),
        ServerMessage::Waiting {} => Some(Phase::Waiting),
        _ => None,
    }
}

/// Waits until a refusal may be told.
async fn pause(gateway: &Gateway, asked: Instant) {
    let passed = gateway
        .rooms
        .means()
        .clock
        .instant()
        .saturating_duration_since(asked);
    tokio::time::sleep(REFUSAL.saturating_sub(passed)).await;
}

/// Waits until the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

fn to_room(
    first: &FirstRequest,
    connection: Connection,
    principal: &Principal,
    address: IpAddr,
    picture: Option<PictureId>,
    store: &Store,
) -> ToRoom {
    match first {
        FirstRequest::Join { password, .. } => ToRoom::Join {
            connection,
            visitor: Visitor::of(principal, address, picture, store),
            password: password.clone(),
        },
        FirstRequest::Resume { secret, seen, .. } => ToRoom::Resume {
            connection,
            actor: principal.actor(),
            secret: Secret::new(secret.expose().as_str().to_owned()),
            seen: *seen,
        },
    }
}
