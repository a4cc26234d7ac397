//! A room in a simulated network, by the millisecond.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use conclave::clock::{Clock, ManualClock};
use conclave::media::answer;
use conclave::media::dtls::Identity;
use conclave::media::event::{PeerEvent, PeerKey, Receive, View};
use conclave::media::offer;
use conclave::media::outbox::Path;
use conclave::media::sfu::{Limits, Sfu};
use conclave::secret::RandomSource;
use conclave_policy::source::Source;

use crate::ends::{Against, Camera, Microphone, Receiver, micros};
use crate::link::Link;
use crate::media_client::{Client, Script};
use crate::permits::{Permits, participant, room};

static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::generate().unwrap()));
const ROOM: u8 = 1;

/// The same numbers in every run.
#[derive(Debug)]
struct Seeded(AtomicU64);

impl RandomSource for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let step = |state: u64| {
                Some(
                    state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1),
                )
            };
            let state = self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
            *byte = (state.unwrap() >> 33) as u8;
        }
    }
}

/// Whether the full counts are wanted.
pub(crate) fn full() -> bool {
    std::env::var("STORY_NETWORK").is_ok_and(|value| value == "full")
}

/// Prints a figure.
#[expect(clippy::print_stdout, reason = "figures are read from there")]
pub(crate) fn figure(name: &str, value: f64, unit: &str) {
    println!("figure {name} {value:.2} {unit}");
}

/// One participant.
pub(crate) struct Member {
    pub(crate) who: u8,
    pub(crate) client: Client,
    at: SocketAddr,
    key: Option<PeerKey>,
    pub(crate) up: Link,
    pub(crate) down: Link,
    pub(crate) camera: Option<Camera>,
    /// The encodings of a camera that sends several, the smallest first.
    pub(crate) encodings: Vec<Camera>,
    pub(crate) microphone: Option<Microphone>,
    pub(crate) receiver: Receiver,
    pub(crate) events: Vec<PeerEvent>,
    checked: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    at: u64,
    number: u64,
    place: usize,
    to_server: bool,
    bytes: Vec<u8>,
}

pub(crate) struct Net {
    pub(crate) sfu: Sfu,
    pub(crate) members: Vec<Member>,
    clock: ManualClock,
    begun: Instant,
    permits: Permits,
    flying: BinaryHeap<Reverse<Flying>>,
    number: u64,
}

impl Net {
    pub(crate) fn new() -> Self {
        let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
        let clock = ManualClock::new();
        let random = Arc::new(Seeded(AtomicU64::new(1)));
        Self {
            sfu: Sfu::new(
                Arc::clone(&IDENTITY),
                vec![server],
                Limits::default(),
                random,
            ),
            members: Vec::new(),
            begun: clock.instant(),
            clock,
            permits: Permits::new(),
            flying: BinaryHeap::new(),
            number: 0,
        }
    }

    /// Microseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        micros(self.begun, self.clock.instant())
    }

    /// A participant who joins over these ways, with permits to watch and to publish what the script says.
    pub(crate) fn join(&mut self, who: u8, script: Script, up: Link, down: Link) -> usize {
        let sends = script.sends.clone();
        self.members.push(Member {
            who,
            client: Client::new(script),
            at: SocketAddr::from(([198, 51, 100, who], 40_000)),
            key: None,
            up,
            down,
            camera: None,
            encodings: Vec::new(),
            microphone: None,
            receiver: Receiver::new(),
            events: Vec::new(),
            checked: 0,
        });
        let place = self.members.len() - 1;
        let now = self.clock.instant();
        let member = &mut self.members[place];
        let description = offer::read(&member.client.offer()).unwrap();
        let permit = self.permits.connect(ROOM, who);
        let (key, local) = self.sfu.connect(permit, description.clone(), now).unwrap();
        member.key = Some(key);
        member
            .client
            .answer(&answer::write(&description, &local).sdp);
        for _ in 0..8000 {
            self.step();
            let now = self.clock.instant();
            let client = &mut self.members[place].client;
            if client.checked > 0 && !client.is_shaking() {
                client.shake(now);
            }
            if client.is_connected() {
                break;
            }
        }
        assert!(
            self.members[place].client.is_connected(),
            "{who} did not connect"
        );
        self.run(300);
        let now = self.clock.instant();
        self.sfu.watch(self.permits.watch(ROOM, who), now).unwrap();
        for source in sends {
            let permit = self.permits.publish(ROOM, who, source);
            self.sfu.publish(permit, now).unwrap();
        }
        place
    }

    pub(crate) fn film(&mut self, place: usize, rate: u64) {
        self.members[place].camera = Some(Camera::new(Source::Camera, rate));
    }

    /// A camera that sends several encodings, the smallest first, as far as they are wanted.
    pub(crate) fn film_in(&mut self, place: usize, rates: &[u64]) {
        let encodings = rates.iter().enumerate();
        self.members[place].encodings = encodings
            .map(|(encoding, rate)| Camera::encoding(Source::Camera, encoding, *rate))
            .collect();
    }

    pub(crate) fn talk(&mut self, place: usize) {
        let fec = Against {
            fec: true,
            red: false,
        };
        self.speak(place, fec);
    }

    /// Speaks with this against losses.
    pub(crate) fn speak(&mut self, place: usize, against: Against) {
        self.members[place].microphone = Some(Microphone::new(against));
    }

    pub(crate) fn view(&mut self, place: usize, whom: &[u8], width: u16, height: u16) {
        let now = self.clock.instant();
        let wants = whom.iter().map(|who| View {
            participant: participant(*who),
            source: Source::Camera,
            width,
            height,
            spotlight: false,
        });
        let who = participant(self.members[place].who);
        self.sfu
            .view(room(ROOM), who, wants.collect(), Receive::default(), now)
            .unwrap();
    }

    /// What the server thinks that a participant can take.
    pub(crate) fn estimate(&self, place: usize) -> u64 {
        let who = participant(self.members[place].who);
        self.sfu.estimate(room(ROOM), who).unwrap()
    }

    /// The camera adapts from now on; it would send so much at most.
    pub(crate) fn obey(&mut self, place: usize, most: u64) {
        let now = self.clock.instant();
        self.members[place].camera.as_mut().unwrap().obey(most, now);
    }

    /// Ends a source at once.
    pub(crate) fn cut(&mut self, place: usize, source: Source) {
        let who = participant(self.members[place].who);
        self.sfu.cut(room(ROOM), who, source, self.clock.instant());
    }

    pub(crate) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.step();
        }
    }

    /// Runs until it holds, and says after how many milliseconds; `None` if it does not in time.
    pub(crate) fn until(
        &mut self,
        within: u64,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Option<u64> {
        (0..within).find(|_| {
            self.step();
            holds(self)
        })
    }

    fn step(&mut self) {
        self.clock.advance(Duration::from_millis(1));
        let (instant, now) = (self.clock.instant(), self.now());
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            let often = if member.client.checked == 0 {
                50_000
            } else {
                2_500_000
            };
            if member.key.is_some() && now >= member.checked + often {
                member.checked = now;
                member.client.check(true);
            }
            if !member.client.is_connected() || member.client.checked < 2 {
                member.client.advance(instant);
            }
            if member.client.is_connected() {
                let client = &mut member.client;
                if let Some(camera) = &mut member.camera {
                    camera.run(client, now);
                }
                for camera in &mut member.encodings {
                    camera.run(client, now);
                }
                if let Some(microphone) = &mut member.microphone {
                    microphone.run(client, now);
                }
                member.receiver.run(client, now);
            }
            for bytes in member.client.take() {
                let member = &mut self.members[place];
                let media = (128..192).contains(&bytes[0]) && !(192..224).contains(&bytes[1]);
                if let Some(camera) = member.camera.as_mut().filter(|_| media) {
                    camera.sent(bytes.len(), instant);
                }
                if let Some(at) = self.members[place].up.pass(bytes.len(), now) {
                    self.fly(place, true, at, bytes);
                }
            }
        }
        while self
            .flying
            .peek()
            .is_some_and(|Reverse(next)| next.at <= now)
        {
            let Some(Reverse(datagram)) = self.flying.pop() else {
                break;
            };
            self.deliver(datagram, now);
        }
        if self.sfu.next_timeout().is_some_and(|at| at <= instant) {
            self.sfu.advance(instant);
        }
        self.settle(now);
    }

    fn deliver(&mut self, mut datagram: Flying, now: u64) {
        let instant = self.clock.instant();
        let member = &mut self.members[datagram.place];
        if datagram.to_server {
            let path = Path {
                socket: 0,
                remote: member.at,
            };
            self.sfu.receive(path, &mut datagram.bytes, instant);
            return;
        }
        let client = &mut member.client;
        client.receive(&mut datagram.bytes, instant);
        for packet in std::mem::take(&mut client.received) {
            member.receiver.take(client, &packet, now);
        }
        for report in std::mem::take(&mut client.reports) {
            for camera in member.camera.iter_mut().chain(&mut member.encodings) {
                camera.take(client, &report, instant);
            }
            if let Some(microphone) = &mut member.microphone {
                microphone.take(client, &report);
            }
        }
    }

    fn settle(&mut self, now: u64) {
        let instant = self.clock.instant();
        self.sfu.settle();
        loop {
            let more = self.sfu.flush(instant);
            let sends: Vec<_> = (self.sfu.outbox().iter())
                .map(|sent| (sent.path.remote, sent.bytes.to_vec()))
                .collect();
            self.sfu.outbox().clear();
            for (to, bytes) in sends {
                let Some(place) = self.members.iter().position(|member| member.at == to) else {
                    continue;
                };
                if let Some(at) = self.members[place].down.pass(bytes.len(), now) {
                    self.fly(place, false, at, bytes);
                }
            }
            if !more {
                break;
            }
        }
        while let Some((key, event)) = self.sfu.poll_event() {
            let mut members = self.members.iter_mut();
            if let Some(member) = members.find(|member| member.key == Some(key)) {
                if let PeerEvent::Layers { source, wanted } = &event
                    && *source == Source::Camera
                {
                    for (camera, wanted) in member.encodings.iter_mut().zip(wanted) {
                        camera.switch(wanted.active);
                    }
                }
                member.events.push(event);
            }
        }
    }

    fn fly(&mut self, place: usize, to_server: bool, at: u64, bytes: Vec<u8>) {
        self.number += 1;
        self.flying.push(Reverse(Flying {
            at,
            number: self.number,
            place,
            to_server,
            bytes,
        }));
    }
}

/// A speaker with a camera of this rate, and a viewer who sees and hears it over this way.
pub(crate) fn pair(rate: u64, down: Link) -> (Net, usize, usize) {
    let mut net = Net::new();
    let speaker = net.join(1, Script::default(), Link::new(1), Link::new(2));
    let script = Script {
        sends: Vec::new(),
        ..Script::default()
    };
    let viewer = net.join(2, script, Link::new(3), down);
    net.film(speaker, rate);
    net.talk(speaker);
    net.view(viewer, &[1], 1280, 720);
    (net, speaker, viewer)
}
