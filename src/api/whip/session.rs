//! One stream, from its first knock to its end: a client of the room like any other, whose few words HTTP requests put into its
//! mouth. It holds no transport before the room has admitted it, and ends with its token, its transport or its room.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_policy::source::{Source, StreamKind};
use data_encoding::BASE64URL_NOPAD;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::refusal::Refusal;
use super::sdp::{self, Credentials};
use crate::auth::principal::{Principal, Who};
use crate::auth::token::TokenId;
use crate::auth::vigil;
use crate::bounded::{Few, Text};
use crate::ids::{ParticipantId, RoomId};
use crate::media::event::Offer;
use crate::rooms::actor::{Means, ToRoom};
use crate::rooms::outbound::{Done, Outcome, ServerMessage};
use crate::rooms::outbox::{OUTBOX, Outgoing, outbox};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::registry::Registry;
use crate::rooms::request::{RoomRequest, SectionSource};
use crate::rooms::seat::{Connection, ConnectionId};
use crate::rooms::view::{Event, MediaState, ParticipantView, SourceState, SourceStates};
use crate::rooms::visitor::Visitor;

/// Who waits and does not ask again for so long has given up; they ask every 5 s.
const WAITS: Duration = Duration::from_secs(30);
/// How often it looks whether somebody still asks.
const LOOK: Duration = Duration::from_secs(5);
/// How long the room may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a door that has just opened takes until one is in.
const STEP_IN: Duration = Duration::from_millis(300);
/// How many sessions of a room are asked one after the other, when they end while they are being asked.
const DOORS: usize = 3;

/// What is asked of a stream.
#[derive(Debug)]
pub(super) enum Asked {
    /// Begin.
    Begin {
        /// The offer.
        offer: String,
        /// With which token.
        token: TokenId,
    },
    /// Take other candidates or credentials.
    Tend {
        /// Which stream.
        stream: String,
        /// About which state of it.
        condition: Option<String>,
        /// The fragment.
        fragment: Option<Credentials>,
    },
    /// End.
    End {
        /// Which stream.
        stream: String,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answered {
    /// The stream began.
    Begun {
        /// The answer to the offer.
        sdp: String,
        /// Its name.
        stream: String,
        /// Its state.
        tag: String,
        /// Where a relay is to be had, as links.
        links: Vec<String>,
    },
    /// ICE was restarted.
    Restarted {
        /// Our side of it.
        fragment: String,
        /// The new state.
        tag: String,
    },
    /// Done.
    Done,
}

/// One thing asked, and where its answer goes.
pub(super) type Ask = (Asked, oneshot::Sender<Result<Answered, Refusal>>);

/// What a stream begins with.
pub(super) struct Beginning {
    pub(super) rooms: Arc<Registry>,
    pub(super) room: RoomId,
    pub(super) kind: StreamKind,
    pub(super) principal: Principal,
    pub(super) address: IpAddr,
    pub(super) connection: ConnectionId,
}

/// A stream that has a transport.
struct Live {
    stream: String,
    tag: u32,
    offer: String,
    sources: Vec<(String, Source)>,
}

enum Phase {
    Waiting,
    Inside,
    Live(Live),
}

struct Stream {
    means: Arc<Means>,
    principal: Arc<Principal>,
    kind: StreamKind,
    connection: ConnectionId,
    room: mpsc::Sender<ToRoom>,
    outbox: Outgoing,
    phase: Phase,
    you: Option<ParticipantId>,
    /// What the room lets it send.
    own: Option<SourceStates>,
    /// For what it has asked the hosts.
    begged: BTreeSet<Source>,
    next: u32,
    over: Option<ErrorCode>,
    heard: Instant,
}

/// Serves one stream until it ends. The first thing asked makes it knock.
pub(super) async fn run(beginning: Beginning, mut asks: mpsc::Receiver<Ask>) {
    let Some(first) = asks.recv().await else {
        return;
    };
    let auth = beginning.rooms.means().auth.clone();
    let principal = Arc::new(beginning.principal.clone());
    let mut over = pin!(vigil::over(&auth, &principal));
    let mut stream = match join(&beginning).await {
        Ok(stream) => stream,
        Err(code) => {
            asks.close();
            let _gone = first.1.send(Err(code.into()));
            while let Some((_, reply)) = asks.recv().await {
                let _gone = reply.send(Err(code.into()));
            }
            return;
        }
    };
    let serving = async {
        stream.take(first).await;
        stream.serve(&mut asks).await;
    };
    tokio::select! {
        biased;
        () = &mut over => stream.over = Some(ErrorCode::SignedOut),
        () = serving => {}
    }
    let connection = stream.connection;
    let last = match stream.over {
        Some(ErrorCode::SignedOut) => ToRoom::SignedOut { connection },
        _ => ToRoom::Lost { connection },
    };
    let _ended = stream.room.send(last).await;
}

async fn join(beginning: &Beginning) -> Result<Stream, ErrorCode> {
    let means = beginning.rooms.means().clone();
    let principal = Arc::new(beginning.principal.clone());
    for _ in 0..DOORS {
        let room = beginning.rooms.open(principal.org, beginning.room).await?;
        let (sender, mut outbox) = outbox(OUTBOX);
        let join = ToRoom::Join {
            connection: Connection {
                id: beginning.connection,
                outbox: sender,
                session: principal.clone(),
            },
            visitor: Visitor::stream(&principal, beginning.kind, beginning.address, &means.store),
            password: None,
        };
        if room.send(join).await.is_ok()
            && let Some(answer) = outbox.recv().await
        {
            let heard = means.clock.instant();
            let mut stream = Stream {
                means,
                principal,
                kind: beginning.kind,
                connection: beginning.connection,
                room,
                outbox,
                phase: Phase::Waiting,
                you: None,
                own: None,
                begged: BTreeSet::new(),
                next: 0,
                over: None,
                heard,
            };
            stream.hear(answer);
            return match stream.over {
                Some(code) => Err(code),
                None => Ok(stream),
            };
        }
        if !room.is_closed() {
            break;
        }
        // The session ended in this very moment: the next one answers.
    }
    Err(ErrorCode::Unavailable)
}

impl Stream {
    async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.over.is_none() {
            let waits = !matches!(self.phase, Phase::Live(_));
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.take(ask).await,
                    None => return,
                },
                message = self.outbox.recv() => match message {
                    Some(message) => self.hear(message),
                    None => return,
                },
                _ = ticks.tick(), if waits => {
                    if self.now().saturating_duration_since(self.heard) >= WAITS {
                        return;
                    }
                }
            }
        }
    }

    async fn take(&mut self, (asked, reply): Ask) {
        self.heard = self.now();
        // What the room said before this was asked holds for it.
        while let Some(message) = self.outbox.try_recv() {
            self.hear(message);
        }
        if let Some(code) = self.over {
            let _gone = reply.send(Err(code.into()));
            return;
        }
        let answer = match asked {
            Asked::Begin { offer, token } => self.begin(offer, token).await,
            Asked::Tend {
                stream,
                condition,
                fragment,
            } => self.tend(&stream, condition.as_deref(), fragment).await,
            Asked::End { stream } => self.end(&stream).await,
        };
        // Whoever asked may have hung up.
        let _gone = reply.send(answer);
    }

    /// Begins to send or to receive, if the room lets it.
    async fn begin(&mut self, offer: String, token: TokenId) -> Result<Answered, Refusal> {
        if token != self.principal.token_id || matches!(self.phase, Phase::Live(_)) {
            return Err(Refusal::AlreadyHere);
        }
        if matches!(self.phase, Phase::Waiting) {
            self.knock_again().await;
        }
        match self.phase {
            Phase::Inside => {}
            _ => return Err(self.over.map_or(Refusal::Waiting, Refusal::from)),
        }
        let screen = matches!(self.principal.who, Who::Stream { screen: true, .. });
        let sources = match self.kind {
            StreamKind::Source => sdp::declared(&offer, screen),
            StreamKind::Viewer => Vec::new(),
        };
        self.means.media.read(&Offer {
            sdp: offer.clone(),
            sources: sources.clone(),
        })?;
        let may: Vec<Source> = sources
            .iter()
            .map(|(_, source)| *source)
            .filter(|source| self.state(*source) == Some(SourceState::Off))
            .collect();
        if self.kind == StreamKind::Source && may.is_empty() {
            return Err(self.beg(&sources).await);
        }
        let sdp = self.offer(&offer, &sources, false).await?;
        self.publish(&may).await?;
        let mut name = [0; 16];
        self.means.random.fill(&mut name);
        let stream = BASE64URL_NOPAD.encode(&name);
        let links = self.links().await;
        self.note_use();
        let live = Live {
            stream: stream.clone(),
            tag: 1,
            offer,
            sources,
        };
        let tag = live.tag();
        self.phase = Phase::Live(live);
        Ok(Answered::Begun {
            sdp,
            stream,
            tag,
            links,
        })
    }

    /// A token may come in by itself once there is a host; whoever else waits learns nothing by asking.
    async fn knock_again(&mut self) {
        let connection = self.connection;
        let knock = ToRoom::KnockAgain { connection };
        if matches!(self.principal.who, Who::Stream { .. }) && self.room.send(knock).await.is_ok() {
            let waits = |stream: &Self| matches!(stream.phase, Phase::Waiting);
            let _still_waits = timeout(STEP_IN, self.hear_while(waits)).await;
        }
    }

    /// Asks the hosts for what it may not send; says what is to be done meanwhile.
    async fn beg(&mut self, sources: &[(String, Source)]) -> Refusal {
        if sources.is_empty() {
            return Refusal::InvalidOffer;
        }
        for (_, source) in sources {
            let may_ask = self.state(*source) == Some(SourceState::NotAllowed);
            if may_ask && self.begged.insert(*source) {
                let _unheard = self.ask(RoomRequest::Ask { source: *source }).await;
            }
        }
        Refusal::Waiting
    }

    async fn offer(
        &mut self,
        offer: &str,
        sources: &[(String, Source)],
        restart: bool,
    ) -> Result<String, ErrorCode> {
        let section = |(mid, source): &(String, Source)| {
            Some(SectionSource {
                mid: Text::new(mid.clone())?,
                source: *source,
            })
        };
        let sources: Option<Vec<_>> = sources.iter().map(section).collect();
        let (Some(sdp), Some(sources)) = (Text::new(offer.to_owned()), sources.and_then(Few::new))
        else {
            return Err(ErrorCode::InvalidOffer);
        };
        let offer = RoomRequest::Offer {
            sdp,
            sources,
            restart,
        };
        match self.ask(offer).await? {
            Done::Answer { sdp } => Ok(sdp),
            _ => Err(ErrorCode::Internal),
        }
    }

    /// Turns on what it may send. What was forbidden meanwhile stays off.
    async fn publish(&mut self, sources: &[Source]) -> Result<(), ErrorCode> {
        for source in sources {
            let source = *source;
            match self.ask(RoomRequest::Publish { source, on: true }).await {
                Ok(_) | Err(ErrorCode::NotAllowed) => {}
                Err(code) => return Err(code),
            }
        }
        Ok(())
    }

    /// The relays of the operator, with credentials of this stream's own (RFC 9725, section 4.6).
    async fn links(&mut self) -> Vec<String> {
        let Ok(Done::IceServers { ice_servers }) = self.ask(RoomRequest::IceServers {}).await
        else {
            return Vec::new();
        };
        let mut links = Vec::new();
        for server in ice_servers {
            let (name, word) = (&server.username, &server.credential);
            links.extend(server.urls.iter().map(|url| {
                format!(
                    "<{url}>; rel=\"ice-server\"; username=\"{name}\"; credential=\"{word}\"; credential-type=\"password\""
                )
            }));
        }
        links
    }

    /// Candidates are passed over; other credentials restart ICE.
    async fn tend(
        &mut self,
        stream: &str,
        condition: Option<&str>,
        fragment: Option<Credentials>,
    ) -> Result<Answered, Refusal> {
        let Phase::Live(live) = &self.phase else {
            return Err(Refusal::NotFound);
        };
        if live.stream != stream {
            return Err(Refusal::NotFound);
        }
        let condition = condition.ok_or(Refusal::NoCondition)?;
        let any = condition.trim() == "*";
        let tag = live.tag();
        if !any && !condition.split(',').any(|one| one.trim() == tag) {
            return Err(Refusal::Stale);
        }
        let new = fragment.filter(|new| sdp::ufrag(&live.offer) != Some(new.ufrag.as_str()));
        let Some(new) = new else {
            return Ok(Answered::Done);
        };
        if !any {
            // Candidates of an ICE session that is not this one (RFC 9725, section 4.3.1).
            return Err(Refusal::Stale);
        }
        let offer = sdp::restarted(&live.offer, &new);
        let sources = live.sources.clone();
        let sdp = match self.offer(&offer, &sources, true).await {
            Ok(sdp) => sdp,
            // What could not be done now can be asked again; the stream goes on as it was.
            Err(code @ ErrorCode::Unavailable) => return Err(code.into()),
            Err(_) => return Err(Refusal::NotRestarted),
        };
        let Phase::Live(live) = &mut self.phase else {
            return Err(Refusal::NotFound);
        };
        live.offer = offer;
        live.tag = live.tag.wrapping_add(1);
        Ok(Answered::Restarted {
            fragment: sdp::answer_fragment(&sdp),
            tag: live.tag(),
        })
    }

    async fn end(&mut self, stream: &str) -> Result<Answered, Refusal> {
        match &self.phase {
            Phase::Live(live) if live.stream == stream => {}
            _ => return Err(Refusal::NotFound),
        }
        // The answer to this is that the room closes the connection, when everything is cut.
        match self.ask(RoomRequest::Leave {}).await {
            Err(ErrorCode::Left) | Ok(_) => {}
            Err(code) => return Err(code.into()),
        }
        self.over = Some(ErrorCode::Left);
        Ok(Answered::Done)
    }

    /// Asks something of the room, and waits for the answer.
    async fn ask(&mut self, request: RoomRequest) -> Result<Done, ErrorCode> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        let request = ToRoom::Request {
            connection: self.connection,
            id,
            request,
        };
        self.room
            .send(request)
            .await
            .map_err(|_| ErrorCode::Ended)?;
        let answer = async {
            loop {
                match self.outbox.recv().await {
                    Some(ServerMessage::Reply {
                        id: answered,
                        outcome,
                    }) if answered == id => {
                        return match outcome {
                            Outcome::Ok(done) => Ok(done),
                            Outcome::Error(failure) => Err(failure.code),
                        };
                    }
                    Some(message) => self.hear(message),
                    None => self.over = self.over.or(Some(ErrorCode::TooSlow)),
                }
                if let Some(code) = self.over {
                    return Err(code);
                }
            }
        };
        timeout(PATIENCE, answer)
            .await
            .unwrap_or(Err(ErrorCode::Unavailable))
    }

    async fn hear_while(&mut self, still: impl Fn(&Self) -> bool) {
        while still(self) && self.over.is_none() {
            match self.outbox.recv().await {
                Some(message) => self.hear(message),
                None => self.over = Some(ErrorCode::TooSlow),
            }
        }
    }

    /// What the room says. Most of it is for people.
    fn hear(&mut self, message: ServerMessage) {
        match message {
            // Also for one that was put back: its transport is gone, and it asks again.
            ServerMessage::Waiting {} => {
                self.phase = Phase::Waiting;
                self.heard = self.now();
            }
            ServerMessage::Admitted { room, .. } => {
                self.phase = Phase::Inside;
                self.heard = self.now();
                self.you = Some(room.you);
                room.participants.iter().for_each(|line| self.note(line));
            }
            ServerMessage::Event { event, .. } => match event {
                Event::ParticipantJoined { participant }
                | Event::ParticipantChanged { participant } => self.note(&participant),
                Event::Media {
                    state: MediaState::Closed,
                    ..
                } if matches!(self.phase, Phase::Live(_)) => self.over = Some(ErrorCode::Left),
                _ => {}
            },
            ServerMessage::Closed { code, .. } => self.over = Some(code),
            _ => {}
        }
    }

    fn note(&mut self, line: &ParticipantView) {
        if self.you == Some(line.participant) {
            self.own = Some(line.sources);
        }
    }

    fn state(&self, source: Source) -> Option<SourceState> {
        let own = self.own.as_ref()?;
        Some(match source {
            Source::Microphone => own.microphone,
            Source::Camera => own.camera,
            Source::Screen => own.screen,
            Source::ScreenAudio => own.screen_audio,
        })
    }

    /// Hosts see when a token was first used; nobody waits for that.
    fn note_use(&self) {
        if let Who::Stream { token, room, .. } = self.principal.who {
            let (org, now) = (self.principal.org, self.means.clock.now());
            drop(self.means.store.stream_token_used(org, room, token, now));
        }
    }

    fn now(&self) -> Instant {
        self.means.clock.instant()
    }
}

impl Live {
    fn tag(&self) -> String {
        format!("\"{}\"", self.tag)
    }
}
