//! A shard's mail to and from the others, over bounded queues. What is fleeting is dropped when a queue is half full; what must
//! arrive waits here, in order, and while it waits the shard takes no commands and gives no answers.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::media::mail::Mail;

/// Letters that may wait for a shard. The upper half is for those that must arrive: a few for each change of rights.
const MOST: usize = 8192;

/// Letters and who wrote them.
type Letter = (u8, Mail);

/// The queues of one shard.
#[derive(Debug)]
pub(crate) struct Neighbours {
    number: u8,
    arrivals: Option<mpsc::Receiver<Letter>>,
    others: Vec<mpsc::Sender<Letter>>,
    next: Option<Letter>,
    backlog: VecDeque<Letter>,
}

impl Neighbours {
    /// So many, each with queues to all.
    pub(crate) fn all(count: u8) -> Vec<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(MOST)).unzip();
        let each = receivers.into_iter().zip(0..);
        each.map(|(receiver, number)| Self {
            number,
            arrivals: (count > 1).then_some(receiver),
            others: senders.clone(),
            next: None,
            backlog: VecDeque::new(),
        })
        .collect()
    }

    /// Whether there is a letter. The task is woken when there is.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.next.is_some() {
            return Poll::Ready(());
        }
        let Some(arrivals) = &mut self.arrivals else {
            return Poll::Pending;
        };
        match arrivals.poll_recv(context) {
            Poll::Ready(Some(letter)) => {
                self.next = Some(letter);
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }

    /// How many letters there are.
    pub(crate) fn waiting(&self) -> usize {
        let queued = self.arrivals.as_ref().map_or(0, mpsc::Receiver::len);
        queued + usize::from(self.next.is_some())
    }

    /// The next letter, if there is one.
    pub(crate) fn take(&mut self) -> Option<Letter> {
        self.next
            .take()
            .or_else(|| self.arrivals.as_mut()?.try_recv().ok())
    }

    /// Puts a letter into the queue of a shard; gives it back if it is fleeting and has no room.
    pub(crate) fn post(&mut self, to: u8, mail: Mail) -> Option<Mail> {
        let fleeting = mail.is_fleeting();
        if !fleeting && !self.backlog.is_empty() {
            self.backlog.push_back((to, mail));
            return None;
        }
        let other = self.others.get(usize::from(to))?;
        if fleeting && (!self.backlog.is_empty() || other.capacity() < MOST / 2) {
            return Some(mail);
        }
        match other.try_send((self.number, mail)) {
            Err(TrySendError::Full((_, mail))) if fleeting => Some(mail),
            Err(TrySendError::Full((_, mail))) => {
                self.backlog.push_back((to, mail));
                None
            }
            // A shard that has ended forwards nothing.
            Ok(()) | Err(TrySendError::Closed(_)) => None,
        }
    }

    /// Tries again what waits; says whether nothing does any more.
    pub(crate) fn retry(&mut self) -> bool {
        while let Some((to, mail)) = self.backlog.pop_front() {
            let other = self.others.get(usize::from(to));
            let sent = other.map(|other| other.try_send((self.number, mail)));
            if let Some(Err(TrySendError::Full((_, mail)))) = sent {
                self.backlog.push_front((to, mail));
                return false;
            }
        }
        true
    }

    /// Whether everything that must arrive is in the queues.
    pub(crate) fn is_clear(&self) -> bool {
        self.backlog.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::event::PeerKey;
    use conclave_policy::source::Source;

    const KEY: PeerKey = PeerKey {
        place: 1,
        generation: 1,
    };

    #[test]
    fn what_must_arrive_does_in_order_and_what_is_fleeting_gives_way() {
        let mut shards = Neighbours::all(2);
        let mut second = shards.pop().unwrap();
        let mut first = shards.pop().unwrap();
        let fleeting = || Mail::KeyFrame {
            key: KEY,
            source: Source::Camera,
            wanted: [true; 3],
        };
        let dropped = (0..MOST).filter_map(|_| first.post(1, fleeting())).count();
        assert!(dropped > 0 && second.waiting() <= MOST / 2 + 1);
        for place in 0..MOST as u32 {
            let generation = 0;
            let key = PeerKey { place, generation };
            assert!(first.post(1, Mail::Gone { key }).is_none());
        }
        assert!(!first.is_clear() && !first.retry());
        assert!(first.post(1, fleeting()).is_some());
        let mut gone = Vec::new();
        while let Some((from, mail)) = second.take() {
            assert_eq!(from, 0);
            if let Mail::Gone { key } = mail {
                gone.push(key.place);
            }
            first.retry();
        }
        assert!(first.is_clear());
        assert!(gone.into_iter().eq(0..MOST as u32));
    }
}
