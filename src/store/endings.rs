//! What a committed change ended, told at once to whatever is open with it: connections, streams, seats without a connection.
//! It holds no history, and one place for each that listens; whoever begins to listen looks at the store once by themselves.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::ids::{AccountId, IdentityId, LinkId, StreamTokenId};

/// What is over, and with it everything that is open by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// One session.
    Session([u8; 16]),
    /// Every session of an account.
    Account(AccountId),
    /// Every session that came by an identity elsewhere.
    Identity(IdentityId),
    /// Every session that came by a guest link.
    Link(LinkId),
    /// Every stream of a token.
    Stream(StreamTokenId),
    /// Everything of everyone.
    Everyone,
}

/// What a change did to those who are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is over.
    Over(Ended),
    /// It may be: rights were lost, and whoever has them looks again.
    Doubtful(Ended),
}

/// What someone who listens has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is over.
    Over,
    /// Look again.
    Look,
}

/// Everything that listens.
#[derive(Debug, Default)]
pub(super) struct Endings {
    next: AtomicU64,
    listening: Mutex<Listening>,
}

#[derive(Debug, Default)]
struct Listening {
    words: HashMap<u64, watch::Sender<Heard>>,
    by: HashMap<Ended, Vec<u64>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    over: bool,
    looks: u64,
}

/// Something open, which hears when it is over. It stops listening when dropped.
pub struct Life {
    endings: Arc<Endings>,
    number: u64,
    by: Vec<Ended>,
    heard: watch::Receiver<Heard>,
}

impl Life {
    /// The next word. Cancelling it loses nothing.
    pub async fn word(&mut self) -> Word {
        // The sender lives as long as this does.
        if self.heard.changed().await.is_err() || self.heard.borrow().over {
            Word::Over
        } else {
            Word::Look
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("by", &self.by).finish()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut listening = self.endings.lock();
        listening.words.remove(&self.number);
        for by in &self.by {
            if let Some(numbers) = listening.by.get_mut(by) {
                numbers.retain(|number| *number != self.number);
                if numbers.is_empty() {
                    listening.by.remove(by);
                }
            }
        }
    }
}

impl Endings {
    /// Listens for the end of any of these.
    pub(super) fn listen(self: &Arc<Self>, by: Vec<Ended>) -> Life {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (word, heard) = watch::channel(Heard::default());
        let mut listening = self.lock();
        listening.words.insert(number, word);
        for by in &by {
            listening.by.entry(*by).or_default().push(number);
        }
        drop(listening);
        Life {
            endings: self.clone(),
            number,
            by,
            heard,
        }
    }

    /// Tells everyone whom it concerns.
    pub(super) fn tell(&self, verdict: Ending) {
        let (what, over) = match verdict {
            Ending::Over(what) => (what, true),
            Ending::Doubtful(what) => (what, false),
        };
        let listening = self.lock();
        let tell = |word: &watch::Sender<Heard>| {
            word.send_modify(|heard| {
                heard.over |= over;
                heard.looks = heard.looks.wrapping_add(1);
            });
        };
        if what == Ended::Everyone {
            return listening.words.values().for_each(tell);
        }
        let numbers = listening.by.get(&what).into_iter().flatten();
        numbers
            .filter_map(|number| listening.words.get(number))
            .for_each(tell);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Listening> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const SESSION: Ended = Ended::Session([1; 16]);
    const ACCOUNT: Ended = Ended::Account(AccountId::from_bytes([2; 16]));

    #[test]
    fn whoever_listens_hears_of_their_own_end_and_of_no_other() {
        let endings = Arc::new(Endings::default());
        let mut one = endings.listen(vec![SESSION, ACCOUNT]);
        let mut other = endings.listen(vec![Ended::Session([9; 16]), ACCOUNT]);
        assert_eq!(one.word().now_or_never(), None);
        endings.tell(Ending::Over(SESSION));
        assert_eq!(one.word().now_or_never(), Some(Word::Over));
        assert_eq!(other.word().now_or_never(), None);
        endings.tell(Ending::Doubtful(ACCOUNT));
        assert_eq!(other.word().now_or_never(), Some(Word::Look));
        endings.tell(Ending::Over(ACCOUNT));
        endings.tell(Ending::Doubtful(ACCOUNT));
        assert_eq!(other.word().now_or_never(), Some(Word::Over));
    }

    #[test]
    fn what_is_closed_listens_no_more_and_leaves_nothing_behind() {
        let endings = Arc::new(Endings::default());
        let lives: Vec<_> = (0..100)
            .map(|number| endings.listen(vec![Ended::Session([number; 16]), ACCOUNT]))
            .collect();
        drop(lives);
        let listening = endings.lock();
        assert!(listening.words.is_empty() && listening.by.is_empty());
    }

    #[test]
    fn the_end_of_everyone_is_everyones() {
        let endings = Arc::new(Endings::default());
        let mut lives = [endings.listen(vec![SESSION]), endings.listen(Vec::new())];
        endings.tell(Ending::Over(Ended::Everyone));
        for life in &mut lives {
            assert_eq!(life.word().now_or_never(), Some(Word::Over));
        }
    }
}
