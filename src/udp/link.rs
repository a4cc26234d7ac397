//! One ICE-TCP connection between its task and the shard: what waits to be written, bounded, and whether a peer proved itself
//! over it. What does not fit is not sent; nothing here waits.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::media::framing;
use crate::media::outbox::Path;

/// Bytes that may wait to be written: half a second at 1 Mbit/s. What is later than that is of no use to a call.
const MOST_WAITING: usize = 64 * 1024;
/// Room on top of that for small datagrams: sound, reports, handshakes and checks go on when pictures no longer fit.
const SPARE: usize = 32 * 1024;
/// What is small: a packet of sound has less than 300 bytes.
const SMALL: usize = 400;

const NEW: u8 = 0;
const PROVEN: u8 = 1;
const OVER: u8 = 2;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// The connection as an address.
    pub(crate) path: Path,
    state: AtomicU8,
    /// The shard whose peer's checks come over it.
    shard: AtomicU8,
    waiting: Mutex<Vec<u8>>,
    /// Something waits, or it is over.
    wake: Notify,
}

impl Link {
    pub(crate) fn new(place: u16, remote: SocketAddr) -> Self {
        Self {
            path: Path::stream(place, remote),
            state: AtomicU8::new(NEW),
            shard: AtomicU8::new(0),
            waiting: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Puts a datagram where the writer takes it from; `false` if it is not going to be sent.
    pub(crate) fn send(&self, datagram: &[u8]) -> bool {
        if self.is_over() {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if datagram.len() <= SMALL {
            MOST_WAITING + SPARE
        } else {
            MOST_WAITING
        };
        if waiting.len().saturating_add(datagram.len()) > most {
            return false;
        }
        let taken = framing::append(&mut waiting, datagram);
        drop(waiting);
        self.wake.notify_one();
        taken
    }

    /// Waits until there is something to write and swaps it into `out`, which is empty; `false` if it is over and all is written.
    pub(crate) async fn take(&self, out: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if !waiting.is_empty() {
                    std::mem::swap(&mut *waiting, out);
                    return true;
                }
            }
            if self.is_over() {
                return false;
            }
            self.wake.notified().await;
        }
    }

    /// What comes over it is for this shard from now on.
    pub(crate) fn name(&self, shard: u8) {
        self.shard.store(shard, Ordering::Release);
    }

    /// Which shard what comes over it is for.
    pub(crate) fn shard(&self) -> usize {
        usize::from(self.shard.load(Ordering::Acquire))
    }

    /// A peer proved itself over this connection.
    pub(crate) fn prove(&self) {
        let _over = self
            .state
            .compare_exchange(NEW, PROVEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Nothing more is taken; what waits is still written.
    pub(crate) fn end(&self) {
        self.state.store(OVER, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_new(&self) -> bool {
        self.state.load(Ordering::Acquire) == NEW
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.state.load(Ordering::Acquire) == PROVEN
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == OVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new(3, "192.0.2.1:9".parse().unwrap())
    }

    #[tokio::test]
    async fn pictures_give_way_before_sound_does_and_neither_grows_without_end() {
        let link = link();
        let pictures = (0..10_000).filter(|_| link.send(&[1; 1200])).count();
        assert_eq!(pictures, MOST_WAITING / 1202);
        let sounds = (0..10_000).filter(|_| link.send(&[2; 120])).count();
        assert!(sounds >= SPARE / 122, "{sounds}");
        let mut out = Vec::new();
        assert!(link.take(&mut out).await);
        assert!(out.len() <= MOST_WAITING + SPARE + 2 * (pictures + sounds));
        assert!(link.send(&[1; 1200]), "there is room again");
    }

    #[tokio::test]
    async fn what_waits_is_still_written_when_it_is_over() {
        let (link, mut out) = (link(), Vec::new());
        assert!(link.send(b"goodbye"));
        link.end();
        assert!(!link.send(b"more"));
        assert!(link.take(&mut out).await);
        assert_eq!(out, b"\0\x07goodbye");
        out.clear();
        assert!(!link.take(&mut out).await);
        link.prove();
        assert!(link.is_over(), "an end is an end");
    }
}
