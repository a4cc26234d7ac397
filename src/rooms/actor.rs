//! The task around one [`Room`]: it takes what clients ask, has it permitted and audited by the guard, applies it, and
//! does what follows, in order. It decides nothing itself. One task owns one room; nothing is shared or locked.
//!
//! Cuts act first and are answered when their audit row is durable; grants act only after it is.

mod captions;
mod chat;
mod door;
mod follow;
mod handover;
mod hosts;
mod media;
mod outside;
mod preset;
mod profile;
mod programs;
mod quality;
mod requests;
mod rules;
mod settings;
mod speech;
mod streams;
mod taps;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conclave_policy::source::Source;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::auth::limits::Rates;
use crate::auth::session::Auth;
use crate::auth::token::TokenId;
use crate::bounded::Text;
use crate::captioner::Captioner;
use crate::clock::{Clock, Timestamp};
use crate::guard::{Audit, Guard};
use crate::ids::{ActorId, KnockId, ParticipantId};
use crate::media::event::PeerEvent;
use crate::media::turn::Turn;
use crate::rooms::comeback::Run;
use crate::rooms::control::Bar;
use crate::rooms::outbound::Done;
use crate::rooms::projection::Lines;
use crate::rooms::quality::QualityView;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;
use crate::rooms::room::Room;
use crate::rooms::seat::{Connection, ConnectionId, Seat};
use crate::rooms::view::{LeaveReason, Profile, SessionView};
use crate::rooms::visitor::Visitor;
use crate::secret::{RandomSource, Secret};
use crate::speech::Speech;
use crate::store::database::Store;
use crate::udp::plane::MediaPlane;

pub use programs::Call;
pub use settings::SettingsNews;

/// How many messages may wait for a room; the gateway waits beyond that, so a flood slows down its senders.
pub const INBOX: usize = 1024;

/// How many of them are taken at once, before everyone is told what came of them.
const AT_ONCE: usize = 64;

/// Rows of requests for many that one room has under way at a time.
const ROWS_AT_ONCE: usize = 256;

/// What a room works with.
pub struct Means {
    /// The one door to policy.
    pub guard: Arc<Guard>,
    /// Media transports.
    pub media: MediaPlane,
    /// The operator's TURN server, if there is one.
    pub turn: Option<Turn>,
    /// The caption workers.
    pub captioner: Captioner,
    /// What must last.
    pub store: Store,
    /// Sign-in, and the common budget for guesses at room passwords.
    pub auth: Arc<Auth>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn RandomSource>,
    /// Which run of the server this is.
    pub run: Run,
}

/// What reaches a room.
pub enum ToRoom {
    /// A connection wants in.
    Join {
        /// The connection.
        connection: Connection,
        /// Who.
        visitor: Visitor,
        /// The password they gave.
        password: Option<Secret<Text<256>>>,
    },
    /// A connection wants to take up a lost one.
    Resume {
        /// The connection.
        connection: Connection,
        /// Who.
        actor: ActorId,
        /// The secret of the lost one.
        secret: Secret<String>,
        /// The last event that was seen.
        seen: u64,
    },
    /// An admitted participant asks for something.
    Request {
        /// On which connection.
        connection: ConnectionId,
        /// The client's number.
        id: u32,
        /// What.
        request: RoomRequest,
    },
    /// Someone who waits tried what only the admitted may.
    Misuse {
        /// On which connection.
        connection: ConnectionId,
    },
    /// A stream that waits asks again: what it waited for may have come.
    KnockAgain {
        /// On which connection.
        connection: ConnectionId,
    },
    /// The token of a stream was taken back.
    TokenRevoked {
        /// Which stream it was.
        actor: ActorId,
        /// Told when it is out.
        done: oneshot::Sender<()>,
    },
    /// A connection ended, or gave up waiting.
    Lost {
        /// Which.
        connection: ConnectionId,
    },
    /// Something happened to a media transport.
    Media {
        /// Whose.
        participant: ParticipantId,
        /// Which of theirs.
        transport: u64,
        /// What.
        event: PeerEvent,
    },
    /// Who is barred was changed from outside the session.
    BarsChanged(Vec<Bar>),
    /// What an account or guest comes with was changed.
    ProfileChanged {
        /// Whose.
        actor: ActorId,
        /// To what.
        profile: Profile,
    },
    /// Settings were changed from outside the session.
    SettingsChanged(SettingsNews),
    /// The password was changed.
    PasswordChanged {
        /// How often it was by then: news may come in any order.
        revision: u64,
        /// The new one.
        password: Secret<String>,
    },
    /// What the hosts chose about the speech of the room.
    SpeechChanged(Speech),
    /// The rules were swapped.
    RulesChanged,
    /// A program asks from outside for what hosts ask for.
    Program(programs::Call),
    /// Someone outside looks at who is in.
    Session(oneshot::Sender<SessionView>),
    /// Someone reads the audit trail and wants to know who is who.
    Names(oneshot::Sender<BTreeMap<[u8; 16], String>>),
    /// A session showed its second factor.
    FactorShown(TokenId),
    /// A host reads how the connections do.
    Quality(oneshot::Sender<Vec<QualityView>>),
    /// The session behind a connection ended: whatever that identity has here ends with it.
    SignedOut {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The same for someone whose connection is lost.
    SessionOver {
        /// Who.
        participant: ParticipantId,
    },
    /// The room was ended for good, or the server stops.
    End(ErrorCode),
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting(KnockId),
    Seated(ParticipantId),
}

/// Something that waits for a durable row.
enum Waited {
    /// A permitted grant: now it may act.
    Grant {
        by: Option<(ParticipantId, u32)>,
        durable: bool,
        act: Act,
    },
    /// A row that nobody waits for.
    Noted,
    /// What other programs are told was stored, or was not.
    Told { stored: bool },
    /// A change that acted already: now it may be answered.
    Answer {
        by: (ParticipantId, u32),
        outcome: Result<Done, ErrorCode>,
    },
    /// A change of settings.
    Settings(settings::Step),
    /// A room that changes hands.
    Handover(handover::Step),
    /// An offer of a media transport, permitted.
    Offer(Box<media::Offered>),
    /// A permit for a caption worker to listen.
    Listen(Box<taps::Heard>),
    /// The chat's: a message, a deletion or a page.
    Chat(chat::Came),
}

type Act = Box<dyn FnOnce(&mut RoomActor) -> Result<Done, ErrorCode> + Send>;
type Durable = BoxFuture<'static, bool>;

/// The task around one room.
pub struct RoomActor {
    room: Room,
    means: Arc<Means>,
    password: Secret<String>,
    password_revision: u64,
    inbox: mpsc::Receiver<ToRoom>,
    own: mpsc::WeakSender<ToRoom>,
    seats: BTreeMap<ParticipantId, Seat>,
    waiting: BTreeMap<KnockId, Connection>,
    places: BTreeMap<ConnectionId, Place>,
    gone: BTreeMap<ParticipantId, LeaveReason>,
    programs: BTreeMap<ParticipantId, programs::Caller>,
    waits: FuturesUnordered<BoxFuture<'static, Waited>>,
    saves: Vec<Durable>,
    acted: Option<(ParticipantId, u32, Durable, Done)>,
    asked: Option<settings::Asked>,
    /// Whose request for a handover is being followed.
    handing: Option<(ParticipantId, u32)>,
    /// Something changed that others may see and have not been told.
    dirty: bool,
    lines: Lines,
    /// The rules were swapped: what falls now is a row of its own in the trail.
    swapped: bool,
    /// Who does not receive, because the rules do not permit it.
    blind: BTreeSet<ParticipantId>,
    /// When the hosts may next be told how many wait: a flood of knocks is told in steps.
    lobby_at: Timestamp,
    lobby_dirty: bool,
    profile_pace: Rates<ActorId>,
    /// Pictures that are on, in the order in which they began; kept while someone watches who cannot choose.
    pictures: Vec<(ParticipantId, Source)>,
    /// What such a one is shown may be another thing now.
    unlooked: bool,
    /// How often someone may ask for many things at once.
    many_pace: Rates<ActorId>,
    /// Whose many rows are being written.
    turn: Arc<Semaphore>,
    chat: chat::Chat,
    captions: captions::Captions,
    /// Something of what was said is stored.
    kept: bool,
    outside: outside::Outside,
}

impl RoomActor {
    /// A task for a new session; `own` is a weak handle to its inbox, for media events, and `last_chat` the last number
    /// that the chat of the room has given.
    pub fn new(
        room: Room,
        means: Arc<Means>,
        password: Secret<String>,
        inbox: mpsc::Receiver<ToRoom>,
        own: mpsc::WeakSender<ToRoom>,
        last_chat: u64,
    ) -> Self {
        Self {
            chat: chat::Chat::new(room.charter().room, last_chat),
            captions: captions::Captions::new(means.captioner.desk()),
            kept: false,
            outside: outside::Outside::default(),
            room,
            means,
            password,
            password_revision: 0,
            inbox,
            own,
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            gone: BTreeMap::new(),
            programs: BTreeMap::new(),
            waits: FuturesUnordered::new(),
            saves: Vec::new(),
            acted: None,
            asked: None,
            handing: None,
            dirty: false,
            lines: Lines::default(),
            swapped: false,
            blind: BTreeSet::new(),
            lobby_at: Timestamp::from_millis(0),
            lobby_dirty: false,
            profile_pace: Rates::new(profile::PACE, profile::PACED),
            pictures: Vec::new(),
            unlooked: false,
            many_pace: Rates::new(hosts::PACE, hosts::PACED),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Runs until the session ends.
    pub async fn run(mut self) {
        self.refresh().await;
        while !self.room.ended() {
            let count = self.lobby_dirty.then_some(self.lobby_at);
            let until = [self.room.deadline(), count, self.captions.deadline()]
                .into_iter()
                .flatten()
                .min()
                .map(|at| at.since(self.means.clock.now()));
            let timer = async {
                match until {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.on_messages(message).await,
                    None => break,
                },
                Some(waited) = self.waits.next() => self.on_durable(waited).await,
                () = self.captions.desk.rung() => {
                    self.on_captioner();
                    self.follow_up().await;
                    self.project();
                }
                () = timer => {
                    let now = self.means.clock.now();
                    self.room.on_time(now);
                    self.on_captions_time();
                    self.follow_up().await;
                    self.project();
                }
            }
            if std::mem::take(&mut self.unlooked) {
                self.look_for_viewers().await;
            }
        }
        self.outside.stirred = true;
        self.tell_outside();
        // What was cut is answered when it is durable, also when the session is over.
        while let Some(waited) = self.waits.next().await {
            self.on_durable(waited).await;
        }
        self.end_chat().await;
        self.end_transcript().await;
    }

    /// Takes what has come in by now. What others see of all that is told once: a participant who asks much does not cost
    /// everyone else as often.
    async fn on_messages(&mut self, first: ToRoom) {
        self.on_message(first).await;
        for _ in 1..AT_ONCE {
            if self.room.ended() {
                break;
            }
            let Ok(message) = self.inbox.try_recv() else {
                break;
            };
            self.on_message(message).await;
        }
        self.project();
    }

    async fn on_message(&mut self, message: ToRoom) {
        match message {
            ToRoom::Join {
                connection,
                visitor,
                password,
            } => self.on_join(connection, visitor, password),
            ToRoom::Resume {
                connection,
                actor,
                secret,
                seen,
            } => self.on_resume(connection, actor, &secret, seen),
            ToRoom::Request {
                connection,
                id,
                request,
            } => {
                if let Some(Place::Seated(by)) = self.places.get(&connection).copied() {
                    self.on_request(by, id, request).await;
                }
            }
            ToRoom::Misuse { connection } => self.on_misuse(connection),
            ToRoom::KnockAgain { connection } => self.on_knock_again(connection),
            ToRoom::TokenRevoked { actor, done } => {
                self.room.revoked(actor, self.means.clock.now());
                self.follow_up().await;
                // Whoever asked may have hung up.
                let _unheard = done.send(());
            }
            ToRoom::Lost { connection } => self.on_lost(connection),
            ToRoom::Media {
                participant,
                transport,
                event,
            } => self.on_media(participant, transport, event),
            ToRoom::BarsChanged(bars) => self.room.bars_changed(bars),
            ToRoom::ProfileChanged { actor, profile } => self.on_profile_changed(actor, &profile),
            ToRoom::SettingsChanged(news) => self.on_news(news),
            ToRoom::PasswordChanged { revision, password } => {
                self.take_password(revision, password);
            }
            ToRoom::SpeechChanged(speech) => self.take_speech(speech),
            ToRoom::RulesChanged => self.on_rules_changed(),
            ToRoom::FactorShown(session) => self.on_factor_shown(session),
            ToRoom::Program(call) => self.on_program(call).await,
            ToRoom::Session(reply) => self.tell_session(reply),
            ToRoom::Names(reply) => self.on_names(reply),
            ToRoom::Quality(reply) => self.tell_quality(reply).await,
            ToRoom::SignedOut { connection } => self.on_signed_out(connection),
            ToRoom::SessionOver { participant } => self.on_session_over(participant),
            ToRoom::End(code) => self.room.end(code),
        }
        self.follow_up().await;
        let mut rows = std::mem::take(&mut self.saves);
        if let Some((by, id, row, done)) = self.acted.take() {
            rows.push(row);
            self.answer_when(by, id, rows, done);
        }
    }

    /// The latest of all passwords counts.
    fn take_password(&mut self, revision: u64, password: Secret<String>) {
        if revision >= self.password_revision {
            self.password_revision = revision;
            self.password = password;
        }
    }

    fn hold(&self, by: Option<(ParticipantId, u32)>, audit: Audit, act: Act) {
        self.waits.push(Box::pin(async move {
            Waited::Grant {
                by,
                durable: durable(audit).await,
                act,
            }
        }));
    }

    /// The same for several permits that act together.
    fn hold_all(&self, by: (ParticipantId, u32), audits: Vec<Audit>, act: Act) {
        let rows = self.in_turn(audits);
        self.waits.push(Box::pin(async move {
            Waited::Grant {
                by: Some(by),
                durable: rows.await,
                act,
            }
        }));
    }

    /// Many rows, a few at a time, and those of one request of this room after those of another: whatever is asked here takes
    /// no more than its part of the queue in which the rows of all rooms wait.
    fn in_turn(&self, mut audits: Vec<Audit>) -> Durable {
        let turn = self.turn.clone();
        Box::pin(async move {
            let mut stored = true;
            while !audits.is_empty() {
                let Ok(_turn) = turn.acquire().await else {
                    return false;
                };
                let rest = audits.split_off(audits.len().min(ROWS_AT_ONCE));
                let some = std::mem::replace(&mut audits, rest);
                stored &= all(some.into_iter().map(durable)).await;
            }
            stored
        })
    }

    /// Sees to it that a row is written, or kept for later, that nobody waits for.
    fn note(&self, audit: Audit) {
        self.waits.push(Box::pin(async move {
            let _kept_if_late = audit.await;
            Waited::Noted
        }));
    }

    async fn on_durable(&mut self, waited: Waited) {
        match waited {
            Waited::Settings(step) => self.on_step(step).await,
            Waited::Handover(step) => self.on_handover(step).await,
            Waited::Offer(offered) => self.on_offered(*offered).await,
            Waited::Listen(heard) => self.on_heard(*heard).await,
            Waited::Noted => {}
            Waited::Told { stored } => self.on_told(stored),
            Waited::Answer {
                by: (by, id),
                outcome,
            } => self.answer(by, id, outcome),
            Waited::Chat(came) => {
                self.on_chat_came(came);
                self.follow_up().await;
            }
            Waited::Grant {
                by: None,
                durable: false,
                act,
            } => drop(act),
            Waited::Grant {
                by: Some((by, id)),
                durable: false,
                ..
            } => {
                self.answer(by, id, Err(ErrorCode::Unavailable));
            }
            Waited::Grant {
                by,
                durable: true,
                act,
            } => {
                let outcome = act(self);
                // Everyone is told before whoever asked is answered.
                self.follow_up().await;
                self.project();
                let saves = std::mem::take(&mut self.saves);
                match (by, outcome) {
                    (Some((by, id)), Ok(done)) if saves.is_empty() => self.answer(by, id, Ok(done)),
                    (Some((by, id)), Ok(done)) => self.answer_when(by, id, saves, done),
                    (Some((by, id)), Err(code)) => self.answer(by, id, Err(code)),
                    (None, _) => {}
                }
            }
        }
        self.project();
    }

    fn answer(&mut self, by: ParticipantId, id: u32, outcome: Result<Done, ErrorCode>) {
        if let Some(caller) = self.programs.remove(&by) {
            return caller.tell(outcome);
        }
        if let Some(seat) = self.seats.get_mut(&by)
            && !seat.reply(id, outcome)
        {
            self.lose(by);
        }
    }

    /// Answers when all rows are durable; what has to be saved for this change joins them.
    fn answer_when(&mut self, by: ParticipantId, id: u32, rows: Vec<Durable>, done: Done) {
        self.waits.push(Box::pin(async move {
            let outcome = if all(rows.into_iter()).await {
                Ok(done)
            } else {
                Err(ErrorCode::Unavailable)
            };
            Waited::Answer {
                by: (by, id),
                outcome,
            }
        }));
    }
}

/// Whether every one of these rows became durable.
async fn all(rows: impl Iterator<Item = Durable>) -> bool {
    futures_util::future::join_all(rows)
        .await
        .into_iter()
        .all(|row| row)
}

fn durable(audit: Audit) -> Durable {
    Box::pin(async move { audit.await.is_ok() })
}
