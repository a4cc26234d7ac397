//! A shard and its clients in memory. Whatever the shard does is measured by itself: CPU time of this thread, and allocations.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use conclave::clock::{Clock, ManualClock};
use conclave::media::answer;
use conclave::media::dtls::Identity;
use conclave::media::event::{Receive, View};
use conclave::media::offer;
use conclave::media::outbox::Path;
use conclave::media::sfu::{Limits, Sfu};
use conclave::secret::SystemRandom;
use conclave_policy::actions::{Connect, Publish, Watch};
use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;
use rustix::time::{ClockId, clock_gettime};

use crate::media_client::{Client, Script};
use crate::permits::{Permits, room};

static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::generate().unwrap()));

/// CPU time of this thread.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

/// Keeps the calling thread on one processor, if there are several.
pub(crate) fn pin(processor: usize) {
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    pin_thread(own.file_name().unwrap().to_str().unwrap(), processor);
}

/// The same for any thread, by its number.
pub(crate) fn pin_thread(number: &str, processor: usize) {
    if std::thread::available_parallelism().map_or(1, usize::from) > 1 {
        let done = std::process::Command::new("taskset")
            .args(["-p", "-c", &processor.to_string(), number])
            .output();
        assert!(done.is_ok_and(|done| done.status.success()));
    }
}

/// What the shard's own work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) allocations: u64,
    /// What is still held of what was allocated.
    pub(crate) bytes: i64,
}

pub(crate) struct Stage {
    pub(crate) sfu: Sfu,
    pub(crate) clock: ManualClock,
    pub(crate) permits: Permits,
    pub(crate) cost: Cost,
    pub(crate) sent: u64,
}

/// A client and where it is.
pub(crate) struct Member {
    pub(crate) who: u32,
    pub(crate) client: Client,
    pub(crate) path: Path,
}

pub(crate) fn participant(who: u32) -> ParticipantId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&who.to_be_bytes());
    ParticipantId::from_bytes(bytes)
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            sfu: Sfu::new(
                Arc::clone(&IDENTITY),
                vec!["192.0.2.1:3478".parse().unwrap()],
                Limits::default(),
                Arc::new(SystemRandom),
            ),
            clock: ManualClock::new(),
            permits: Permits::new(),
            cost: Cost::default(),
            sent: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.instant()
    }

    /// Lets the shard do something, and counts it.
    pub(crate) fn shard<T>(&mut self, work: impl FnOnce(&mut Sfu, Instant) -> T) -> T {
        let now = self.now();
        let mut answer = None;
        let begun = thread_time();
        let info = measure(|| answer = Some(work(&mut self.sfu, now)));
        self.cost.cpu += thread_time() - begun;
        self.cost.allocations += info.count_total;
        self.cost.bytes += info.bytes_current;
        answer.unwrap()
    }

    /// Makes a client and lets it connect and watch; only what the shard does is counted.
    pub(crate) fn join(&mut self, who: u32, script: Script) -> Member {
        let mut client = Client::new(script);
        let [_, a, b, c] = who.to_be_bytes();
        let path = Path {
            socket: 0,
            remote: SocketAddr::from(([10, a, b, c], 40_000)),
        };
        let offer = client.offer();
        let permit = self.permits.ask(
            1,
            1,
            Connect {
                participant: participant(who),
            },
        );
        let answer = self.shard(|sfu, now| {
            let description = Box::new(offer::read(&offer).unwrap());
            let copy = description.clone();
            let (_, local) = sfu.connect(permit, *description, now).unwrap();
            answer::write(&copy, &local)
        });
        client.answer(&answer.sdp);
        let permit = self.permits.ask(
            1,
            1,
            Watch {
                participant: participant(who),
            },
        );
        self.shard(|sfu, now| sfu.watch(permit, now)).unwrap();
        client.check(true);
        let mut member = Member { who, client, path };
        for _ in 0..5000 {
            self.clock.advance(Duration::from_millis(1));
            let now = self.now();
            if member.client.checked > 0 && !member.client.is_shaking() {
                member.client.shake(now);
            }
            member.client.advance(now);
            self.exchange(&mut member);
            if member.client.is_connected() {
                break;
            }
        }
        self.exchange(&mut member);
        assert!(member.client.is_connected());
        member
    }

    /// What one client sends goes to the shard, what the shard sends to it comes back.
    pub(crate) fn exchange(&mut self, member: &mut Member) {
        for mut datagram in member.client.take() {
            self.shard(|sfu, now| sfu.receive(member.path, &mut datagram, now));
        }
        self.shard(|sfu, now| {
            sfu.settle();
            sfu.flush(now);
        });
        let now = self.now();
        let mine: Vec<Vec<u8>> = (self.sfu.outbox().iter())
            .filter(|sent| sent.path == member.path)
            .map(|sent| sent.bytes.to_vec())
            .collect();
        self.sfu.outbox().clear();
        for mut bytes in mine {
            member.client.receive(&mut bytes, now);
        }
        self.shard(|sfu, _| while sfu.poll_event().is_some() {});
    }

    pub(crate) fn publish(&mut self, member: &Member, source: Source) {
        let permit = self.permits.ask(
            1,
            1,
            Publish {
                participant: participant(member.who),
                source,
            },
        );
        self.shard(|sfu, now| sfu.publish(permit, now)).unwrap();
    }

    /// Lets a member see these.
    pub(crate) fn view(&mut self, member: &Member, of: Range<u32>) {
        let wants = of.map(|of| View {
            participant: participant(of),
            source: Source::Camera,
            width: 1280,
            height: 720,
            spotlight: false,
        });
        let wants = wants.collect();
        let who = participant(member.who);
        self.shard(|sfu, now| sfu.view(room(1), who, wants, Receive::default(), now))
            .unwrap();
    }

    /// A frame came: its packets together, and all that follows from them.
    pub(crate) fn forward(&mut self, path: Path, frame: &mut [Vec<u8>]) {
        let mut sent = 0;
        self.shard(|sfu, now| {
            for datagram in frame {
                sfu.receive(path, datagram, now);
                while sfu.is_due() && sfu.flush(now) {
                    sent += sfu.outbox().len() as u64;
                    sfu.outbox().clear();
                }
            }
            while sfu.flush(now) {
                sent += sfu.outbox().len() as u64;
                sfu.outbox().clear();
            }
            sent += sfu.outbox().len() as u64;
            sfu.outbox().clear();
        });
        self.sent += sent;
    }
}

/// The sealed packets of a camera's frame.
pub(crate) fn frame(
    client: &mut Client,
    picture: u16,
    packets: usize,
    size: usize,
) -> Vec<Vec<u8>> {
    let mut frame = Vec::new();
    for packet in 0..packets {
        let payload = payload(picture, packet == 0, size);
        let mut sending = client.next(Source::Camera, payload, 0);
        sending.timestamp = u32::from(picture).wrapping_mul(3000);
        sending.marker = packet + 1 == packets;
        frame.push(client.seal(&sending));
    }
    frame
}

/// A packet of a frame: the VP8 descriptor with a wide picture identifier, and the header of a frame in the first one; each
/// hundredth is a key frame.
pub(crate) fn payload(picture: u16, first: bool, size: usize) -> Vec<u8> {
    let [high, low] = (picture & 0x7fff).to_be_bytes();
    let key = picture.is_multiple_of(100);
    let start = if first { 0x90 } else { 0x80 };
    let mut payload = vec![start, 0x80, high | 0x80, low, u8::from(!(first && key))];
    payload.resize(size, 0x55);
    payload
}
