//! A simulated network: a media plane and its clients, with loss, delay and reordering, on a clock that goes on only when told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use conclave::clock::{Clock, ManualClock};
use conclave::media::answer;
use conclave::media::dtls::Identity;
use conclave::media::event::{ConnectError, Cut, PeerEvent, PeerKey, Receive, View};
use conclave::media::offer;
use conclave::media::outbox::Path;
use conclave::media::sfu::Limits;
use conclave_policy::source::Source;

use crate::media_client::{Client, Script};
use crate::permits::{Permits, participant, room};
use crate::shards::Shards;

static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(Identity::generate().unwrap()));

/// How the network treats datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Network {
    /// Of a thousand, lost towards the server.
    pub(crate) lost_up: u32,
    /// Of a thousand, lost towards the clients.
    pub(crate) lost_down: u32,
    /// Each is late by up to so many milliseconds.
    pub(crate) jitter: u64,
}

/// One client in the world.
pub(crate) struct Member {
    pub(crate) who: u8,
    pub(crate) client: Client,
    pub(crate) at: SocketAddr,
    pub(crate) key: Option<(usize, PeerKey)>,
    pub(crate) events: Vec<PeerEvent>,
    /// Checks go on by themselves.
    pub(crate) keeps_consent: bool,
    last_check: Option<Instant>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    at: Instant,
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) sfu: Shards,
    pub(crate) members: Vec<Member>,
    pub(crate) network: Network,
    pub(crate) clock: ManualClock,
    pub(crate) permits: Permits,
    flying: BinaryHeap<Reverse<Flying>>,
    number: u64,
    random: u64,
    server: SocketAddr,
}

pub(crate) const ROOM: u8 = 1;

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::of(Shards::usual(), limits)
    }

    /// With so many shards, over which every room is spread.
    pub(crate) fn of(shards: u8, limits: Limits) -> Self {
        let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
        let clock = ManualClock::new();
        Self {
            sfu: Shards::new(&IDENTITY, server, limits, clock.instant(), shards),
            members: Vec::new(),
            network: Network::default(),
            clock,
            permits: Permits::new(),
            flying: BinaryHeap::new(),
            number: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            server,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.instant()
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below.max(1)
    }

    /// Makes a client and lets it connect; returns its place.
    pub(crate) fn join(&mut self, who: u8, script: Script) -> usize {
        let place = self.add(who, script);
        self.connect(place).unwrap();
        self.shake(place);
        assert!(
            self.members[place].client.is_connected(),
            "{who} did not connect"
        );
        place
    }

    /// Makes a client that has done nothing yet.
    pub(crate) fn add(&mut self, who: u8, script: Script) -> usize {
        let at = SocketAddr::from(([198, 51, 100, who], 40_000));
        let client = Client::new(script);
        self.members.push(Member {
            who,
            client,
            at,
            key: None,
            events: Vec::new(),
            keeps_consent: true,
            last_check: None,
        });
        self.members.len() - 1
    }

    /// Offers and takes the answer up.
    pub(crate) fn connect(&mut self, place: usize) -> Result<(), ConnectError> {
        self.connect_in(ROOM, place)
    }

    pub(crate) fn connect_in(&mut self, in_room: u8, place: usize) -> Result<(), ConnectError> {
        let now = self.now();
        let member = &mut self.members[place];
        let description = offer::read(&member.client.offer())?;
        let permit = self.permits.connect(in_room, member.who);
        let (key, local) = self.sfu.connect(permit, description.clone(), now)?;
        member.key = Some(key);
        member
            .client
            .answer(&answer::write(&description, &local).sdp);
        self.settle();
        Ok(())
    }

    /// Checks and shakes hands, within five seconds.
    pub(crate) fn shake(&mut self, place: usize) {
        self.members[place].client.check(true);
        for _ in 0..5000 {
            self.step();
            let now = self.now();
            let client = &mut self.members[place].client;
            if client.checked > 0 && !client.is_shaking() {
                client.shake(now);
            }
            if client.is_connected() || client.failed {
                break;
            }
        }
        // The last flight arrives.
        self.run(50);
    }

    pub(crate) fn watch(&mut self, place: usize) {
        let now = self.now();
        self.sfu
            .watch(self.permits.watch(ROOM, self.members[place].who), now)
            .unwrap();
        self.settle();
    }

    pub(crate) fn publish(&mut self, place: usize, source: Source) {
        let now = self.now();
        self.sfu
            .publish(
                self.permits.publish(ROOM, self.members[place].who, source),
                now,
            )
            .unwrap();
        self.settle();
    }

    pub(crate) fn cut(&mut self, place: usize, source: Source) -> Cut {
        let now = self.now();
        let cut = self.sfu.cut(
            room(ROOM),
            participant(self.members[place].who),
            source,
            now,
        );
        self.settle();
        cut
    }

    pub(crate) fn view(&mut self, place: usize, wants: &[(u8, Source)]) {
        let now = self.now();
        let wants = wants.iter().map(|(who, source)| View {
            participant: participant(*who),
            source: *source,
            width: 640,
            height: 360,
            spotlight: false,
        });
        self.sfu
            .view(
                room(ROOM),
                participant(self.members[place].who),
                wants.collect(),
                Receive::default(),
                now,
            )
            .unwrap();
        self.settle();
    }

    /// Lets the world go on for so many milliseconds.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.step();
        }
    }

    /// One millisecond.
    pub(crate) fn step(&mut self) {
        self.clock.advance(Duration::from_millis(1));
        let now = self.now();
        self.keep_consent(now);
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            member.client.advance(now);
            let (from, datagrams) = (member.at, member.client.take());
            for bytes in datagrams {
                self.fly(from, self.server, bytes);
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
        if self.sfu.next_timeout().is_some_and(|at| at <= now) {
            self.sfu.advance(now);
        }
        self.settle();
    }

    fn keep_consent(&mut self, now: Instant) {
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.keeps_consent && member.key.is_some())
        {
            // Until a check is answered they follow fast.
            let often = Duration::from_millis(if member.client.checked == 0 { 50 } else { 2500 });
            if member
                .last_check
                .is_none_or(|at| now.duration_since(at) >= often)
            {
                member.last_check = Some(now);
                member.client.check(true);
            }
        }
    }

    fn deliver(&mut self, mut datagram: Flying, now: Instant) {
        if datagram.to == self.server {
            self.inject(datagram.from, datagram.bytes);
        } else if let Some(member) = self
            .members
            .iter_mut()
            .find(|member| member.at == datagram.to)
        {
            member.client.receive(&mut datagram.bytes, now);
        }
    }

    /// Gives the server a datagram, now.
    pub(crate) fn inject(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.hand(from, bytes);
        self.settle();
    }

    /// Gives the server a datagram, which is not forwarded yet, as if more came with it.
    pub(crate) fn hand(&mut self, from: SocketAddr, mut bytes: Vec<u8>) {
        let now = self.now();
        let path = Path {
            socket: 0,
            remote: from,
        };
        self.sfu.receive(path, &mut bytes, now);
    }

    /// Sends what the server wants sent and tells what it wants told.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        for (to, run) in self.sfu.send(now) {
            for bytes in run {
                self.fly(self.server, to, bytes);
            }
        }
        while let Some((key, event)) = self.sfu.poll_event() {
            if let Some(member) = self
                .members
                .iter_mut()
                .find(|member| member.key == Some(key))
            {
                member.events.push(event);
            }
        }
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let lost = if to == self.server {
            self.network.lost_up
        } else {
            self.network.lost_down
        };
        if self.draw(1000) < u64::from(lost) {
            return;
        }
        let late = 1 + self.draw(self.network.jitter + 1);
        self.number += 1;
        let at = self.now() + Duration::from_millis(late);
        self.flying.push(Reverse(Flying {
            at,
            number: self.number,
            from,
            to,
            bytes,
        }));
    }

    /// Everything that is on its way arrives.
    pub(crate) fn calm(&mut self) {
        self.run(self.network.jitter + 5);
    }

    /// The last list of what a member's slots show, without the free ones.
    pub(crate) fn shown(&self, place: usize) -> Vec<(String, u8, Source)> {
        let slots = self.members[place]
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                PeerEvent::Slots(slots) => Some(slots.clone()),
                _ => None,
            });
        let slots = slots.unwrap_or_default();
        let used = slots
            .into_iter()
            .filter_map(|slot| Some((slot.mid, slot.participant?.as_bytes()[0], slot.source?)));
        used.collect()
    }

    /// Where a member sees this source.
    pub(crate) fn slot_of(&self, place: usize, who: u8, source: Source) -> Option<String> {
        self.shown(place)
            .into_iter()
            .find(|(_, owner, shown)| *owner == who && *shown == source)
            .map(|(mid, _, _)| mid)
    }

    /// How many media packets a member got (repairs included).
    pub(crate) fn got(&self, place: usize) -> usize {
        self.members[place].client.received.len()
    }
}
