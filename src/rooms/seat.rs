//! The room's end of one client: numbered events, the last of them kept for a client that comes back, the resume
//! secret (its digest only), and the bounded outbox. A client that does not read is let go, never waited for.

use std::collections::VecDeque;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use tokio::task::AbortHandle;

use crate::auth::principal::Principal;
use crate::clock::Timestamp;
use crate::media::event::View;
use crate::rooms::comeback::Run;
use crate::rooms::outbound::{Done, Failure, Outcome, ServerMessage};
use crate::rooms::outbox::Outbox;
use crate::rooms::projection::Projection;
use crate::rooms::quality::QualityReport;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::Event;
use crate::secret::{self, RandomSource, Secret};

/// The number of the view with which a seat begins. Not 0: with that a tab says that it holds no view.
const FIRST: u64 = 1;

/// How many events are kept for a client that lost its connection; with more missed it gets the whole room anew.
const HELD: usize = 256;

/// Names one connection of the gateway, for the life of the process.
pub type ConnectionId = u64;

/// A client's connection, handed down by the gateway.
#[derive(Debug)]
pub struct Connection {
    /// Which.
    pub id: ConnectionId,
    /// Where messages go. Dropping it closes the connection.
    pub outbox: Outbox,
    /// The session that it was opened with.
    pub session: Arc<Principal>,
}

impl Connection {
    /// Sends without waiting; false if the client is too slow or gone.
    pub fn send(&self, message: ServerMessage) -> bool {
        self.outbox.send(message)
    }

    /// Says why, and ends the connection once it was told what is on its way.
    pub fn close(self, code: ErrorCode) {
        self.outbox.part(code);
    }

    /// Ends the connection at once: of what is on its way it is told nothing but why.
    pub fn cut(self, code: ErrorCode) {
        self.outbox.cut(code);
    }
}

/// A task of the seat, which ends with it.
#[derive(Debug)]
pub struct Vigil(AbortHandle);

impl Vigil {
    /// Ends this task when dropped.
    pub const fn new(task: AbortHandle) -> Self {
        Self(task)
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One participant's place in the room.
#[derive(Debug)]
pub struct Seat {
    /// The connection, while there is one.
    pub connection: Option<Connection>,
    /// One that was let go because it took nothing more, until the room knows.
    let_go: Option<ConnectionId>,
    /// The session of the last connection.
    pub session: Arc<Principal>,
    /// Looks after that session while there is no connection that does.
    pub vigil: Option<Vigil>,
    /// What the participant has been shown.
    pub projection: Projection,
    /// Counts the media transports that the participant has had; events of older ones are ignored.
    pub transport: u64,
    /// What the client reported last about its connection, and when.
    pub report: Option<(Timestamp, QualityReport)>,
    /// What a viewer without words is shown, as the room last chose it.
    pub looks: Vec<View>,
    seq: u64,
    held: VecDeque<(u64, Event)>,
    resume: [u8; 32],
}

impl Seat {
    /// A place for a new connection, and its resume secret.
    pub fn new(connection: Connection, run: &Run, random: &dyn RandomSource) -> (Self, String) {
        let mut seat = Self {
            session: connection.session.clone(),
            vigil: None,
            connection: Some(connection),
            let_go: None,
            projection: Projection::default(),
            transport: 0,
            report: None,
            looks: Vec::new(),
            seq: FIRST,
            held: VecDeque::new(),
            resume: [0; 32],
        };
        let secret = seat.new_secret(run, random);
        (seat, secret)
    }

    /// Which connection there was until now: it is lost.
    pub fn lose(&mut self) -> Option<ConnectionId> {
        let there = self.connection.take().map(|connection| connection.id);
        let let_go = self.let_go.take();
        there.or(let_go)
    }

    /// Puts a new connection in place of the last; gives the one that it replaces, if it was still there.
    pub fn take_up(&mut self, connection: Connection) -> Option<Connection> {
        self.vigil = None;
        self.session = connection.session.clone();
        self.connection.replace(connection)
    }

    /// Replaces the resume secret.
    pub fn new_secret(&mut self, run: &Run, random: &dyn RandomSource) -> String {
        let text = run.secret(random);
        self.resume = fingerprint(text.as_bytes());
        text
    }

    /// Whether this is the current resume secret.
    pub fn holds(&self, secret: &Secret<String>) -> bool {
        secret::equal(&self.resume, &fingerprint(secret.expose().as_bytes()))
    }

    /// The number of the last event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Numbers an event, keeps it, and sends it. False if the client has just been cut off as too slow.
    pub fn tell(&mut self, event: Event) -> bool {
        self.seq = self.seq.saturating_add(1);
        if self.held.len() == HELD {
            self.held.pop_front();
        }
        self.held.push_back((self.seq, event.clone()));
        self.send(ServerMessage::Event {
            seq: self.seq,
            event,
        })
    }

    /// Takes the text out of a chat message that is kept for a client that comes back.
    pub fn scrub(&mut self, number: u64) {
        for (_, event) in &mut self.held {
            if let Event::Chat { message } = event
                && message.number == number
            {
                message.text.clear();
                message.deleted = true;
            }
        }
    }

    /// Answers a request. False if the client has just been cut off as too slow.
    pub fn reply(&mut self, id: u32, outcome: Result<Done, ErrorCode>) -> bool {
        let outcome = match outcome {
            Ok(done) => Outcome::Ok(done),
            Err(code) => Outcome::Error(Failure {
                code,
                text: code.text().to_owned(),
            }),
        };
        self.send(ServerMessage::Reply { id, outcome })
    }

    /// The events after `seen`, or nothing if they are no longer all held.
    pub fn missed(&self, seen: u64) -> Option<Vec<ServerMessage>> {
        let next = seen.checked_add(1)?;
        if seen > self.seq || self.held.front().is_some_and(|(first, _)| *first > next) {
            return None;
        }
        let missed = self.held.iter().filter(|(seq, _)| *seq > seen);
        Some(
            missed
                .map(|(seq, event)| ServerMessage::Event {
                    seq: *seq,
                    event: event.clone(),
                })
                .collect(),
        )
    }

    /// Sends a message. False if the client has just been cut off as too slow.
    pub fn send(&mut self, message: ServerMessage) -> bool {
        match &self.connection {
            None => true,
            Some(connection) if connection.send(message) => true,
            Some(_) => {
                self.let_go = self.connection.take().map(|connection| connection.id);
                false
            }
        }
    }
}

fn fingerprint(secret: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest(&SHA256, secret).as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::name::DisplayName;
    use crate::auth::principal::Who;
    use crate::clock::Timestamp;
    use crate::ids::{GuestId, OrgId, RoomId};
    use crate::rooms::outbox::{Outgoing, outbox};
    use crate::secret::SystemRandom;

    fn session() -> Principal {
        Principal {
            org: OrgId::from_bytes([1; 16]),
            who: Who::Guest {
                id: GuestId::from_bytes([2; 16]),
                room: RoomId::from_bytes([3; 16]),
                name: DisplayName::parse("guest").unwrap(),
                device: [5; 16].into(),
                link: None,
                brought: None,
            },
            token_id: [4; 16].into(),
            expires: Timestamp::from_millis(1),
            came: Default::default(),
        }
    }

    fn seat(most: usize) -> (Seat, String, Outgoing) {
        let (sender, receiver) = outbox(most);
        let (seat, secret) = Seat::new(
            Connection {
                id: 1,
                outbox: sender,
                session: Arc::new(session()),
            },
            &Run::begin(&SystemRandom),
            &SystemRandom,
        );
        (seat, secret, receiver)
    }

    #[test]
    fn only_the_latest_secret_resumes() {
        let (mut seat, first, _receiver) = seat(8);
        assert!(seat.holds(&Secret::new(first.clone())));
        let second = seat.new_secret(&Run::begin(&SystemRandom), &SystemRandom);
        assert!(!seat.holds(&Secret::new(first)));
        assert!(seat.holds(&Secret::new(second)));
    }

    #[test]
    fn missed_events_come_back_in_order_while_they_are_held() {
        let (mut seat, _, _receiver) = seat(1000);
        for count in 0..300 {
            seat.tell(Event::Count { count });
        }
        assert!(seat.missed(10).is_none());
        let last = seat.seq();
        assert!(seat.missed(last + 1).is_none());
        assert_eq!(seat.missed(last).unwrap().len(), 0);
        assert_eq!(seat.missed(last - 10).unwrap().len(), 10);
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let (mut seat, _, _receiver) = seat(2);
        assert!(seat.tell(Event::Count { count: 1 }));
        assert!(seat.tell(Event::Count { count: 2 }));
        let id = seat.connection.as_ref().map(|connection| connection.id);
        assert!(!seat.tell(Event::Count { count: 3 }));
        assert!(seat.connection.is_none());
        // The room hears which one it was, once.
        assert!(id.is_some());
        assert_eq!((seat.lose(), seat.lose()), (id, None));
    }
}
