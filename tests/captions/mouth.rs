//! Somebody who sends without a pause, and somebody who counts what comes of it: how a meeting goes on while workers die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use conclave_policy::source::Source;
use tokio::sync::{mpsc, oneshot};

use super::media_client::UdpClient;
use super::now;

/// A packet's time.
const PACKET: Duration = Duration::from_millis(20);
/// The clock of sound that a packet passes.
const STEP: u32 = 960;

/// Sends a packet every 20 ms: of what it is told to say, or of silence.
pub(super) struct Mouth {
    sentences: mpsc::UnboundedSender<(Vec<Vec<u8>>, oneshot::Sender<()>)>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Mouth {
    pub(super) fn open(mut media: UdpClient) -> Self {
        let (sentences, mut told) =
            mpsc::unbounded_channel::<(Vec<Vec<u8>>, oneshot::Sender<()>)>();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            let silence = silence();
            let (mut sent, start) = (0_u64, now());
            let mut sentence: Option<(std::vec::IntoIter<Vec<u8>>, oneshot::Sender<()>)> = None;
            while !ends.load(Ordering::Relaxed) {
                if sentence.is_none() {
                    let next = told.try_recv().ok();
                    sentence = next.map(|(packets, done)| (packets.into_iter(), done));
                }
                let packet = match sentence.as_mut().and_then(|(packets, _)| packets.next()) {
                    Some(packet) => packet,
                    None => {
                        if let Some((_, done)) = sentence.take() {
                            let _ = done.send(());
                        }
                        silence.clone()
                    }
                };
                let mut sending = media.client.next(Source::Microphone, packet, STEP);
                sending.level = Some(20);
                media.client.send(&sending);
                sent += 1;
                let until = start + PACKET * u32::try_from(sent).unwrap();
                media.pump(until.saturating_duration_since(now()));
                media.client.received.clear();
            }
            sent
        });
        Self {
            sentences,
            over,
            thread,
        }
    }

    /// Says this; the answer comes when it is said.
    pub(super) fn say(&self, packets: Vec<Vec<u8>>) -> oneshot::Receiver<()> {
        let (done, said) = oneshot::channel();
        self.sentences.send((packets, done)).unwrap();
        said
    }

    /// How many packets were sent.
    pub(super) fn close(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn silence() -> Vec<u8> {
    let mut encoder =
        opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.encode_vec(&[0; 320], 400).unwrap()
}

/// Takes all that comes, and looks at its times.
pub(super) struct Ear {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<u32>, Duration)>,
}

impl Ear {
    pub(super) fn open(mut media: UdpClient) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            let (mut times, mut pause) = (Vec::new(), Duration::ZERO);
            let mut last: Option<Instant> = None;
            while !ends.load(Ordering::Relaxed) {
                media.pump(Duration::from_millis(5));
                let came = std::mem::take(&mut media.client.received);
                if came.is_empty() {
                    continue;
                }
                times.extend(came.iter().map(|packet| packet.header.timestamp));
                let at = now();
                if let Some(last) = last.replace(at) {
                    pause = pause.max(at.duration_since(last));
                }
            }
            (times, pause)
        });
        Self { over, thread }
    }

    /// How many different packets came, how many between them did not, and the longest time without one.
    pub(super) fn close(self) -> (u64, u64, Duration) {
        self.over.store(true, Ordering::Relaxed);
        let (mut times, pause) = self.thread.join().unwrap();
        // Before the end of the clock of 32 bits, which is a day away.
        let first = times.first().copied().unwrap_or_default();
        times
            .iter_mut()
            .for_each(|time| *time = time.wrapping_sub(first));
        times.sort_unstable();
        times.dedup();
        let between = times
            .windows(2)
            .map(|two| u64::from((two[1] - two[0]) / STEP) - 1);
        (times.len() as u64, between.sum(), pause)
    }
}
