//! What a room has to say to one client, on its way to the client's socket: bounded, and cut off with the client. What was not
//! written when somebody was removed, or sent back to wait, is never written.

use tokio::sync::{mpsc, watch};

use crate::rooms::outbound::ServerMessage;
use crate::rooms::refusal::ErrorCode;

/// How many messages may wait for a client's socket; a client further behind than that is cut off.
pub const OUTBOX: usize = 512;

/// The room's end. Dropping it is a cut too.
#[derive(Debug)]
pub struct Outbox {
    queue: mpsc::Sender<ServerMessage>,
    state: watch::Sender<State>,
}

/// The socket's end.
#[derive(Debug)]
pub struct Outgoing {
    queue: mpsc::Receiver<ServerMessage>,
    state: watch::Receiver<State>,
    /// How often it was sent back to wait, of those of which the client was told.
    back: u32,
    /// It was told why it ended.
    over: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    end: Option<End>,
    back: u32,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// Nothing more, and why.
    Cut(ErrorCode),
    /// What is on its way is still told.
    Parted,
}

/// An outbox for so many messages.
pub fn outbox(most: usize) -> (Outbox, Outgoing) {
    let (queue, taken) = mpsc::channel(most);
    let (state, seen) = watch::channel(State::default());
    let outgoing = Outgoing {
        queue: taken,
        state: seen,
        back: 0,
        over: false,
    };
    (Outbox { queue, state }, outgoing)
}

impl Outbox {
    /// Sends without waiting; false if the client is too slow or gone.
    pub fn send(&self, message: ServerMessage) -> bool {
        self.queue.try_send(message).is_ok()
    }

    /// How many more messages it has room for.
    pub fn room(&self) -> usize {
        self.queue.capacity()
    }

    /// Lets the client wait: of what was on its way it is told nothing. False if it is too slow or gone.
    pub fn send_back(&self) -> bool {
        self.state
            .send_modify(|state| state.back = state.back.saturating_add(1));
        self.send(ServerMessage::Waiting {})
    }

    /// Ends it at once, and says why.
    pub fn cut(self, code: ErrorCode) {
        self.send(closed(code));
        self.state
            .send_modify(|state| state.end = Some(End::Cut(code)));
    }

    /// Ends it with why, after what is on its way.
    pub fn part(self, code: ErrorCode) {
        self.send(closed(code));
        self.state
            .send_modify(|state| state.end = Some(End::Parted));
    }
}

impl Outgoing {
    /// The next message; nothing when the room has let go of the client.
    pub async fn recv(&mut self) -> Option<ServerMessage> {
        loop {
            let (state, open) = self.look();
            match state.end {
                Some(End::Cut(code)) => {
                    return (!std::mem::replace(&mut self.over, true)).then(|| closed(code));
                }
                None if !open => return None,
                Some(End::Parted) | None => {}
            }
            tokio::select! {
                biased;
                _ = self.state.changed(), if open => {}
                message = self.queue.recv() => match message {
                    Some(ServerMessage::Waiting {}) if self.back < state.back => {
                        self.back = self.back.saturating_add(1);
                        return Some(ServerMessage::Waiting {});
                    }
                    Some(_) if self.back < state.back => {}
                    message => return message,
                },
            }
        }
    }

    /// What is there already, without waiting.
    pub fn try_recv(&mut self) -> Option<ServerMessage> {
        futures_util::FutureExt::now_or_never(self.recv()).flatten()
    }

    /// Waits until nothing more may be told.
    pub async fn cut(&mut self) {
        loop {
            let (state, open) = self.look();
            match state.end {
                Some(End::Cut(_)) => return,
                None if !open => return,
                Some(End::Parted) => return std::future::pending().await,
                None => {}
            }
            let _changed = self.state.changed().await;
        }
    }

    fn look(&mut self) -> (State, bool) {
        // First whether the room's end is there: what it said last was said before it went.
        let open = self.state.has_changed().is_ok();
        (*self.state.borrow_and_update(), open)
    }
}

fn closed(code: ErrorCode) -> ServerMessage {
    ServerMessage::Closed {
        code,
        text: code.text().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::view::Event;

    fn news(seq: u64) -> ServerMessage {
        let event = Event::Count { count: 1 };
        ServerMessage::Event { seq, event }
    }

    #[tokio::test]
    async fn what_was_on_its_way_is_not_told_after_a_cut() {
        let (outbox, mut outgoing) = outbox(8);
        assert!(outbox.send(news(1)) && outbox.send(news(2)));
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Event { seq: 1, .. })
        ));
        outbox.cut(ErrorCode::Removed);
        let Some(ServerMessage::Closed { code, .. }) = outgoing.recv().await else {
            panic!("something was told after the cut");
        };
        assert_eq!(code, ErrorCode::Removed);
        assert!(outgoing.recv().await.is_none());
        outgoing.cut().await;
    }

    #[tokio::test]
    async fn nor_after_the_room_let_go_of_a_client_that_is_too_slow() {
        let (outbox, mut outgoing) = outbox(1);
        assert!(outbox.send(news(1)) && !outbox.send(news(2)));
        drop(outbox);
        assert!(outgoing.recv().await.is_none());
    }

    #[tokio::test]
    async fn whoever_leaves_is_told_what_was_on_its_way() {
        let (outbox, mut outgoing) = outbox(8);
        assert!(outbox.send(news(1)));
        outbox.part(ErrorCode::Left);
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Event { .. })
        ));
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Closed { .. })
        ));
        assert!(outgoing.recv().await.is_none());
    }

    #[tokio::test]
    async fn whoever_waits_again_is_told_nothing_from_before() {
        let (outbox, mut outgoing) = outbox(8);
        assert!(outbox.send(news(1)) && outbox.send_back());
        assert!(outbox.send(news(2)) && outbox.send_back() && outbox.send(news(3)));
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Waiting {})
        ));
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Waiting {})
        ));
        assert!(matches!(
            outgoing.recv().await,
            Some(ServerMessage::Event { seq: 3, .. })
        ));
    }

    #[tokio::test]
    async fn a_cut_is_noticed_while_nothing_is_taken() {
        let (outbox, mut outgoing) = outbox(8);
        let waits = tokio::spawn(async move { outgoing.cut().await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        outbox.cut(ErrorCode::Removed);
        waits.await.unwrap();
    }
}
