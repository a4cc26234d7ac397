//! One shard of the SFU: commands, datagrams and time go in; datagrams and events come out. It does no input or output, reads
//! no clock and knows no roles: who may do what arrives as permits, and room and participant are read from them only.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_policy::actions::{Publish, Watch};
use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::source::Source;

use crate::media::across::Across;
use crate::media::counters::MediaCounters;
use crate::media::dtls::{Identity, Step};
use crate::media::event::{CloseReason, Cut, Gone, PeerEvent, PeerKey, Receive, SourceStats, View};
use crate::media::ice::Ufrag;
use crate::media::layers::Wanted;
use crate::media::loudness::Loudness;
use crate::media::outbox::{Outbox, Path};
use crate::media::peer::Peer;
use crate::media::peers::Peers;
use crate::media::quality::layers_of;
use crate::media::timer::Timers;
use crate::secret::RandomSource;

/// Views of one participant; a page has at most as many slots as an offer has lines.
const MOST_VIEWS: usize = 120;

/// Bounds of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Transports at the same time.
    pub peers: usize,
    /// DTLS handshakes at the same time: each costs memory and 0.1 ms, and takes some ten milliseconds.
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 4000,
            handshakes: 256,
        }
    }
}

/// A room as the shard knows it: who has a transport.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) members: HashMap<ParticipantId, PeerKey>,
    pub(crate) speaking: Vec<ParticipantId>,
}

/// One shard.
pub struct Sfu {
    pub(crate) identity: Arc<Identity>,
    pub(crate) limits: Limits,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) stream_candidates: Vec<SocketAddr>,
    pub(crate) random: Arc<dyn RandomSource>,
    pub(crate) peers: Peers,
    pub(crate) rooms: HashMap<RoomId, Room>,
    pub(crate) fragments: HashMap<Ufrag, PeerKey>,
    pub(crate) paths: HashMap<Path, PeerKey>,
    pub(crate) outbox: Outbox,
    pub(crate) events: VecDeque<(PeerKey, PeerEvent)>,
    /// Peers whose slots show something else than they were told.
    pub(crate) changed: Vec<PeerKey>,
    /// Peers to whom something leaves by the clock.
    pub(crate) pacing: Vec<PeerKey>,
    /// Peers of which packets have come.
    pub(crate) senders: Vec<PeerKey>,
    pub(crate) counters: MediaCounters,
    pub(crate) timers: Timers,
    /// Handshakes under way.
    pub(crate) handshakes: usize,
    /// Where answers are composed.
    pub(crate) scratch: Vec<u8>,
    /// Sources of which something waits to be sent on, in the order in which it came.
    pub(crate) pending: VecDeque<(PeerKey, Source)>,
    /// How many datagrams will come of that, about.
    pub(crate) work: usize,
    /// When the first peer came.
    pub(crate) origin: Option<Instant>,
    /// What it knows of the other shards.
    pub(crate) across: Across,
}

impl std::fmt::Debug for Sfu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sfu")
            .field("peers", &self.peers.len())
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

impl Sfu {
    /// An empty shard. `candidates` are the addresses that answers name.
    pub fn new(
        identity: Arc<Identity>,
        candidates: Vec<SocketAddr>,
        limits: Limits,
        random: Arc<dyn RandomSource>,
    ) -> Self {
        Self {
            identity,
            limits,
            candidates,
            stream_candidates: Vec::new(),
            random,
            peers: Peers::default(),
            rooms: HashMap::new(),
            fragments: HashMap::new(),
            paths: HashMap::new(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            changed: Vec::new(),
            pacing: Vec::new(),
            senders: Vec::new(),
            counters: MediaCounters::default(),
            timers: Timers::default(),
            handshakes: 0,
            scratch: Vec::new(),
            pending: VecDeque::new(),
            work: 0,
            origin: None,
            across: Across::default(),
        }
    }

    /// The participant may receive the room's media from now on.
    pub fn watch(&mut self, permit: Permit<Watch>, now: Instant) -> Result<(), Gone> {
        if !self.is_current(permit.version()) {
            return Err(Gone);
        }
        let key = self
            .find(permit.room(), permit.action().participant)
            .ok_or(Gone)?;
        self.peers.get_mut(key).ok_or(Gone)?.watch = Some(permit);
        self.enter(key, now);
        Ok(())
    }

    /// The participant receives nothing from now on.
    pub fn unwatch(&mut self, room: RoomId, participant: ParticipantId) {
        let Some(key) = self.find(room, participant) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(key) {
            peer.watch = None;
        }
        self.detach_all(key);
    }

    /// The participant may send the source of the permit from now on. Video begins with a key frame.
    pub fn publish(&mut self, permit: Permit<Publish>, now: Instant) -> Result<(), Gone> {
        if !self.is_current(permit.version()) {
            return Err(Gone);
        }
        let Publish {
            participant,
            source,
        } = *permit.action();
        let room = permit.room();
        let key = self.find(room, participant).ok_or(Gone)?;
        let peer = self.peers.get_mut(key).ok_or(Gone)?;
        let publication = peer.publication_mut(source);
        publication.permit = Some(Arc::new(permit));
        publication.wanted = Wanted::default();
        self.announce(key, source);
        self.offer_source(room, participant, source, now);
        Ok(())
    }

    /// Ends one source: its permit, its edges, and what was kept of it for repairs. Nothing of it is sent after this.
    pub fn cut(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        source: Source,
        now: Instant,
    ) -> Cut {
        let Some(key) = self.find(room, participant) else {
            return Cut::default();
        };
        self.withdraw(key, source, now)
    }

    /// Ends a participant's transport, both directions.
    pub fn disconnect(&mut self, room: RoomId, participant: ParticipantId, now: Instant) {
        if let Some(key) = self.find(room, participant) {
            self.remove(key, CloseReason::Removed, now);
        }
    }

    /// Ends every transport of a room.
    pub fn end(&mut self, room: RoomId, now: Instant) {
        let members = self
            .rooms
            .get(&room)
            .map(|room| room.members.values().copied().collect::<Vec<_>>());
        for key in members.unwrap_or_default() {
            self.remove(key, CloseReason::Removed, now);
        }
    }

    /// Ends every transport.
    pub fn end_all(&mut self, now: Instant) {
        for key in self.peers.keys() {
            self.remove(key, CloseReason::Removed, now);
        }
    }

    /// Ends a transport that nobody answers for any more.
    pub fn abandon(&mut self, key: PeerKey, now: Instant) {
        self.remove(key, CloseReason::Removed, now);
    }

    /// What the participant looks at, the most wanted first, and how much they want to receive at most.
    pub fn view(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        mut wants: Vec<View>,
        most: Receive,
        now: Instant,
    ) -> Result<(), Gone> {
        let key = self.find(room, participant).ok_or(Gone)?;
        wants.truncate(MOST_VIEWS);
        let peer = self.peers.get_mut(key).ok_or(Gone)?;
        (peer.views, peer.most) = (wants, most);
        self.assign_video(key, now);
        Ok(())
    }

    /// Packets of each source of a room that was ever heard of.
    pub fn stats(&self, room: RoomId) -> Vec<SourceStats> {
        let Some(room) = self.rooms.get(&room) else {
            return Vec::new();
        };
        let members = room.members.values().filter_map(|key| self.peers.get(*key));
        let lines = members.flat_map(|peer| {
            Source::ALL.into_iter().map(move |source| {
                let publication = peer.publication(source);
                SourceStats {
                    participant: peer.participant,
                    source,
                    received: publication.received,
                    forwarded: publication.forwarded,
                    dropped: publication.dropped,
                    layers: layers_of(peer, source),
                }
            })
        });
        lines
            .filter(|line| line.received > 0 || line.forwarded > 0)
            .collect()
    }

    /// Everything counted so far.
    pub const fn counters(&self) -> MediaCounters {
        self.counters
    }

    /// What is to be sent now. Whoever sends it clears it.
    pub const fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// How many datagrams of the outbox the system took, how many it did not, and by how many calls.
    pub const fn count_sent(&mut self, sent: u64, unsent: u64, calls: u64) {
        self.counters.datagrams_sent += sent;
        self.counters.datagrams_unsent += unsent;
        self.counters.send_calls += calls;
    }

    /// How long the thread was at work since it last waited.
    pub fn count_busy(&mut self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counters.busy_microseconds = self.counters.busy_microseconds.wrapping_add(time);
    }

    /// The next event, and of which transport.
    pub fn poll_event(&mut self) -> Option<(PeerKey, PeerEvent)> {
        self.events.pop_front()
    }

    /// When [`Sfu::advance`] is to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether a permit may still be used: a rule set that was replaced permits nothing any more.
    pub(crate) fn is_current(&self, version: PolicyVersion) -> bool {
        self.across.is_current(version)
    }

    /// The transport of a participant, if it is here.
    pub(crate) fn find(&self, room: RoomId, participant: ParticipantId) -> Option<PeerKey> {
        let key = self.rooms.get(&room)?.members.get(&participant).copied()?;
        self.peers.get(key)?.home.is_here().then_some(key)
    }

    pub(crate) fn count_peers(&mut self) {
        self.counters.peers = (self.peers.len() - self.across.mirrors()) as u64;
    }

    /// Takes a source's permit and everything that rests on it.
    pub(crate) fn withdraw(&mut self, key: PeerKey, source: Source, now: Instant) -> Cut {
        let Some(peer) = self.peers.get_mut(key) else {
            return Cut::default();
        };
        peer.forget(source);
        let publication = peer.publication_mut(source);
        publication.permit = None;
        publication.tap = None;
        publication.loudness = Loudness::default();
        publication.key_frames_wanted = Default::default();
        publication.awaited = false;
        let cut = Cut {
            forwarded: publication.forwarded,
        };
        self.withdraw_across(key, source);
        self.detach_source(key, source, now);
        cut
    }

    /// Takes a peer out, with its edges in both directions, its keys and its addresses.
    pub(crate) fn remove(
        &mut self,
        key: PeerKey,
        reason: CloseReason,
        now: Instant,
    ) -> Option<Box<Peer>> {
        if self.peers.get(key).is_some_and(|peer| !peer.home.is_here()) {
            self.drop_mirror(key, now);
            return None;
        }
        // Out of the room first, so that no slot is given to it again.
        if let Some((room, participant)) = self
            .peers
            .get(key)
            .map(|peer| (peer.room, peer.participant))
        {
            self.leave_room(room, participant, key);
            self.leave_across(key, room, now);
        }
        for source in Source::ALL {
            self.detach_source(key, source, now);
        }
        self.detach_all(key);
        self.say_goodbye(key);
        let mut peer = self.peers.remove(key)?;
        self.note_failure(&peer, reason, now);
        if peer.secured.take().is_none() {
            let stood = peer.handshake.count();
            self.handshakes = self.handshakes.saturating_sub(stood);
        }
        self.fragments.remove(&peer.agent.credentials.ufrag);
        for path in peer.agent.paths() {
            if self.paths.get(&path) == Some(&key) {
                self.paths.remove(&path);
                self.across.unroute(path);
            }
        }
        self.events.push_back((key, PeerEvent::Closed { reason }));
        self.count_peers();
        if self.peers.len() == 0 {
            self.tally_estimates();
            self.timers.stop();
        }
        Some(peer)
    }

    fn leave_room(&mut self, room: RoomId, participant: ParticipantId, key: PeerKey) {
        let Some(members) = self.rooms.get_mut(&room).map(|room| &mut room.members) else {
            return;
        };
        if members.get(&participant) == Some(&key) {
            members.remove(&participant);
        }
        if members.is_empty() {
            self.rooms.remove(&room);
        }
    }

    /// Tells the client by DTLS that it is over.
    fn say_goodbye(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let (Some(session), Some(path)) = (&mut peer.handshake.session, peer.agent.selected())
        else {
            return;
        };
        if peer.secured.is_none() {
            return;
        }
        session.close();
        // A goodbye is one record; the bound is for a session that never ends.
        for _ in 0..4 {
            let Step::Send(record) = session.poll() else {
                return;
            };
            self.outbox.write(path, |bytes, _| {
                bytes.extend_from_slice(record);
                true
            });
        }
    }
}
