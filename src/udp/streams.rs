//! The shard's side of ICE-TCP: what came over connections, in order, and where to put what goes out. It decides nothing; a
//! connection over which no peer is known any more is ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::media::counters::MediaCounters;
use crate::media::outbox::{Path, Run};
use crate::media::sfu::Sfu;
use crate::udp::link::Link;
use crate::udp::port::Sent;
use crate::udp::tcp::StreamCounts;

/// How often connections of peers that are gone are looked for.
const SWEEP: Duration = Duration::from_millis(500);

/// What a connection's task tells the shard. It waits while the shard has too much to do, and with it the sender.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A datagram came.
    Datagram(Arc<Link>, Vec<u8>),
    /// The connection is gone.
    Gone(Arc<Link>),
}

/// The connections of a shard.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    arrivals: Option<mpsc::Receiver<Arrival>>,
    next: Option<Arrival>,
    links: HashMap<Path, Arc<Link>>,
    counts: Arc<StreamCounts>,
    swept: Option<Instant>,
}

impl Streams {
    /// What these tasks report.
    pub(crate) fn new(arrivals: mpsc::Receiver<Arrival>, counts: Arc<StreamCounts>) -> Self {
        let mut streams = Self::default();
        (streams.arrivals, streams.counts) = (Some(arrivals), counts);
        streams
    }

    /// Whether something came. The task is woken when it does.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.next.is_some() {
            return Poll::Ready(());
        }
        let Some(arrivals) = &mut self.arrivals else {
            return Poll::Pending;
        };
        match arrivals.poll_recv(context) {
            Poll::Ready(Some(arrival)) => {
                self.next = Some(arrival);
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.arrivals = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// What came next, if anything did.
    pub(crate) fn take(&mut self) -> Option<Arrival> {
        self.next
            .take()
            .or_else(|| self.arrivals.as_mut()?.try_recv().ok())
    }

    /// Gives what came to the core. Whether the connection is a peer's is settled before anything is sent over it: the peer may
    /// go on as soon as it is answered.
    pub(crate) fn give(&mut self, arrival: Arrival, sfu: &mut Sfu, now: Instant) {
        match arrival {
            Arrival::Datagram(link, mut datagram) => {
                if link.is_over() {
                    return;
                }
                let path = link.path;
                sfu.receive(path, &mut datagram, now);
                if link.is_new() && sfu.knows(path) {
                    link.prove();
                    self.links.insert(path, link);
                }
            }
            Arrival::Gone(link) => {
                sfu.lose(link.path);
                self.links.remove(&link.path);
            }
        }
    }

    /// Puts the datagrams of a run on their connection.
    pub(crate) fn send(&self, run: &Run<'_>) -> Sent {
        let link = self.links.get(&run.path);
        let mut sent = Sent::default();
        for datagram in run.datagrams() {
            if link.is_some_and(|link| link.send(datagram)) {
                sent.taken += 1;
            } else {
                sent.refused += 1;
            }
        }
        sent
    }

    /// Ends the connections of peers that are gone or have others by now.
    pub(crate) fn sweep(&mut self, sfu: &Sfu, now: Instant) {
        let swept = |at| now.saturating_duration_since(at) < SWEEP;
        if self.swept.is_some_and(swept) {
            return;
        }
        self.swept = Some(now);
        self.links.retain(|path, link| {
            let known = sfu.knows(*path);
            if !known {
                link.end();
            }
            known
        });
    }

    /// Adds what happened to connections to the counters of the shard.
    pub(crate) fn count(&self, counters: &mut MediaCounters) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        counters.streams = self.links.len() as u64;
        counters.streams_accepted = read(&self.counts.accepted);
        counters.streams_refused = read(&self.counts.refused);
        counters.streams_unproven = read(&self.counts.unproven);
        counters.streams_cut = read(&self.counts.cut);
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for link in self.links.values() {
            link.end();
        }
    }
}
