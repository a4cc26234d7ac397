//! A media plane of one shard or several, as the stories see it: one core. Between them mail is delivered at once, and each
//! datagram comes to the socket of any of them, as the system would have it.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use conclave::media::answer::Local;
use conclave::media::counters::MediaCounters;
use conclave::media::dtls::Identity;
use conclave::media::event::{
    ConnectError, Cut, Gone, PeerEvent, PeerKey, Receive, SourceStats, View,
};
use conclave::media::mail::Mail;
use conclave::media::offer::Description;
use conclave::media::outbox::Path;
use conclave::media::quality::PeerQuality;
use conclave::media::sfu::{Limits, Sfu};
use conclave::media::tap::Ear;
use conclave::secret::SystemRandom;
use conclave_policy::actions::{Connect, Listen, Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::Permit;

/// The variable that says how many shards the stories run with.
pub(crate) const SHARDS: &str = "CONCLAVE_TEST_SHARDS";

#[derive(Debug)]
pub(crate) struct Shards {
    all: Vec<Sfu>,
    now: Instant,
    /// Letters on their way, each pair's in order.
    mail: VecDeque<(u8, u8, Mail)>,
    /// Letters stay on their way until [`Shards::carry`].
    pub(crate) slow: bool,
    /// What was sealed under which number of which stream.
    sealed: HashMap<(u32, u16), u64>,
    /// Datagrams of media that left, padding not counted.
    pub(crate) media: usize,
}

/// As much of a datagram of media as no padding has.
const LONG: usize = 320;

impl Shards {
    pub(crate) fn new(
        identity: &Arc<Identity>,
        server: SocketAddr,
        limits: Limits,
        now: Instant,
        count: u8,
    ) -> Self {
        let version = Arc::new(AtomicU64::new(0));
        let all = (0..count).map(|number| {
            let random = Arc::new(SystemRandom);
            let sfu = Sfu::new(Arc::clone(identity), vec![server], limits, random);
            sfu.among(number, count, Arc::clone(&version))
        });
        Self {
            all: all.collect(),
            now,
            mail: VecDeque::new(),
            slow: false,
            sealed: HashMap::new(),
            media: 0,
        }
    }

    /// As many as the stories are to run with.
    pub(crate) fn usual() -> u8 {
        std::env::var(SHARDS).map_or(1, |count| count.parse().unwrap())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The shard of a participant.
    fn of(&mut self, who: ParticipantId) -> &mut Sfu {
        let count = self.all.len();
        &mut self.all[usize::from(who.as_bytes()[0]) % count]
    }

    /// Does something and lets the shards tell each other what follows.
    fn then<T>(&mut self, now: Instant, answer: T) -> T {
        self.now = now;
        self.collect();
        while !self.slow && !self.mail.is_empty() {
            self.carry(usize::MAX);
        }
        answer
    }

    fn collect(&mut self) {
        for (from, sfu) in (0..).zip(&mut self.all) {
            while let Some((to, one)) = sfu.poll_mail() {
                self.mail.push_back((from, to, one));
            }
        }
    }

    /// Brings at most so many letters of those that are on their way.
    pub(crate) fn carry(&mut self, most: usize) {
        let count = self.mail.len().min(most);
        let brought: Vec<_> = self.mail.drain(..count).collect();
        for (from, to, one) in brought {
            self.all[usize::from(to)].deliver(from, one, self.now);
        }
        self.collect();
    }

    pub(crate) fn connect(
        &mut self,
        permit: Permit<Connect>,
        description: Description,
        now: Instant,
    ) -> Result<((usize, PeerKey), Local), ConnectError> {
        let who = permit.action().participant;
        let place = usize::from(who.as_bytes()[0]) % self.all.len();
        let answer = self.of(who).connect(permit, description, now);
        self.then(now, answer.map(|(key, local)| ((place, key), local)))
    }

    pub(crate) fn reconnect(
        &mut self,
        permit: Permit<Connect>,
        description: Description,
        now: Instant,
    ) -> Result<Local, ConnectError> {
        let who = permit.action().participant;
        let answer = self.of(who).reconnect(permit, description, now);
        self.then(now, answer.map(|(_, local)| local))
    }

    pub(crate) fn watch(&mut self, permit: Permit<Watch>, now: Instant) -> Result<(), Gone> {
        let answer = self.of(permit.action().participant).watch(permit, now);
        self.then(now, answer)
    }

    pub(crate) fn publish(&mut self, permit: Permit<Publish>, now: Instant) -> Result<(), Gone> {
        let answer = self.of(permit.action().participant).publish(permit, now);
        self.then(now, answer)
    }

    pub(crate) fn listen(&mut self, permit: Permit<Listen>, ear: Box<dyn Ear>) -> Result<(), Gone> {
        let answer = self.of(permit.action().participant).listen(permit, ear);
        self.then(self.now, answer)
    }

    pub(crate) fn unlisten(&mut self, room: RoomId, who: ParticipantId) {
        self.of(who).unlisten(room, who);
    }

    pub(crate) fn unwatch(&mut self, room: RoomId, who: ParticipantId) {
        self.of(who).unwatch(room, who);
        self.then(self.now, ());
    }

    pub(crate) fn cut(
        &mut self,
        room: RoomId,
        who: ParticipantId,
        source: conclave_policy::source::Source,
        now: Instant,
    ) -> Cut {
        let mut cut = self.of(who).cut(room, who, source, now);
        self.then(now, ());
        // As the plane does: the others take in what they were told until now, no more, and only then it is answered.
        self.carry(usize::MAX);
        // What the others sent is told as the plane tells it.
        if self.all.len() > 1 {
            let lines = self.stats(room);
            let line = |line: &&SourceStats| line.participant == who && line.source == source;
            cut.forwarded = lines.iter().find(line).map_or(0, |line| line.forwarded);
        }
        cut
    }

    pub(crate) fn disconnect(&mut self, room: RoomId, who: ParticipantId, now: Instant) {
        self.of(who).disconnect(room, who, now);
        self.then(now, ());
    }

    pub(crate) fn end(&mut self, room: RoomId, now: Instant) {
        for sfu in &mut self.all {
            sfu.end(room, now);
        }
        self.then(now, ());
    }

    pub(crate) fn view(
        &mut self,
        room: RoomId,
        who: ParticipantId,
        wants: Vec<View>,
        most: Receive,
        now: Instant,
    ) -> Result<(), Gone> {
        let answer = self.of(who).view(room, who, wants, most, now);
        self.then(now, answer)
    }

    pub(crate) fn stats(&self, room: RoomId) -> Vec<SourceStats> {
        SourceStats::sum(self.all.iter().flat_map(|sfu| sfu.stats(room)))
    }

    pub(crate) fn quality(&self, room: RoomId) -> Vec<PeerQuality> {
        self.all.iter().flat_map(|sfu| sfu.quality(room)).collect()
    }

    pub(crate) fn counters(&self) -> MediaCounters {
        let all = self.all.iter().map(Sfu::counters);
        all.fold(MediaCounters::default(), MediaCounters::plus)
    }

    /// A datagram comes to the socket of some shard, always the same for one address.
    pub(crate) fn receive(&mut self, path: Path, datagram: &mut [u8], now: Instant) {
        let count = self.all.len();
        let place = (usize::from(path.remote.port()) / 7 + count - 1) % count;
        self.all[place].receive(path, datagram, now);
        self.then(now, ());
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.all.iter().any(Sfu::is_holding)
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.all.iter().filter_map(Sfu::next_timeout).min()
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        for sfu in &mut self.all {
            sfu.advance(now);
        }
        self.then(now, ());
    }

    /// Runs of datagrams that are to be sent now: all that wait.
    pub(crate) fn send(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<Vec<u8>>)> {
        self.then(now, ());
        let mut runs = Vec::new();
        for sfu in &mut self.all {
            sfu.settle();
            loop {
                let more = sfu.flush(now);
                for run in sfu.outbox().runs() {
                    for datagram in run.datagrams() {
                        let Some(number) = numbered(datagram) else {
                            continue;
                        };
                        self.media += usize::from(datagram.len() > LONG);
                        let mut hasher = DefaultHasher::new();
                        datagram.hash(&mut hasher);
                        let sealed = hasher.finish();
                        let before = self.sealed.insert(number, sealed);
                        let same = before.is_none_or(|before| before == sealed);
                        assert!(same, "{number:?} was sealed twice");
                    }
                    let datagrams = run.datagrams().map(<[u8]>::to_vec).collect();
                    runs.push((run.path.remote, datagrams));
                }
                sfu.outbox().clear();
                if !more {
                    break;
                }
            }
        }
        self.then(now, ());
        runs
    }

    pub(crate) fn poll_event(&mut self) -> Option<((usize, PeerKey), PeerEvent)> {
        let all = self.all.iter_mut().enumerate();
        all.filter_map(|(place, sfu)| {
            let (key, event) = sfu.poll_event()?;
            Some(((place, key), event))
        })
        .next()
    }
}

/// Stream and number of a packet of media; reports have none, handshakes and checks neither.
fn numbered(datagram: &[u8]) -> Option<(u32, u16)> {
    if !(128..192).contains(&datagram[0]) || (192..=223).contains(&datagram[1]) {
        return None;
    }
    let number = u16::from_be_bytes(*datagram[2..].first_chunk()?);
    let stream = u32::from_be_bytes(*datagram[8..].first_chunk()?);
    Some((stream, number))
}

/// Stories for which it matters where publisher and viewer are, by the beginnings of their names.
const ACROSS: &[&str] = &[
    "attacks::the_address_of_a_living_peer",
    "attacks::who_is_disconnected",
    "forwarding::a_cut_ends_everything",
    "forwarding::a_publishers_clock",
    "forwarding::a_source_that_goes_on",
    "forwarding::after_a_cut_nothing_old",
    "forwarding::over_a_bad_network",
    "forwarding::the_loudest_have",
    "forwarding::what_waits_of_a_source",
    "forwarding::who_begins_to_speak",
    "layers::a_cut_ends_every_encoding",
    "layers::a_narrow_line",
    "layers::a_publisher_is_told",
    "layers::a_publishers_clock",
    "layers::a_screen_is_shown",
    "layers::a_switch_is_continuous",
    "layers::an_encoding_that_stops",
    "layers::three_sizes",
    "layers::what_is_lost_of",
    "layers::who_cannot_decode",
    "transport::a_client_that_moves",
    "transport::a_new_connection_replaces",
    "transport::an_ice_restart",
    "transport::ending_a_room",
];

/// The same stories where every room spans three shards.
#[test]
fn rooms_that_span_shards_are_as_those_that_do_not() {
    if std::env::var_os(SHARDS).is_some() {
        return;
    }
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(ACROSS)
        .env(SHARDS, "3")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success(), "{told}");
    let passed = told.matches("... ok").count();
    assert!(passed >= ACROSS.len(), "{passed} stories only");
}
