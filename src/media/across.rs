//! One shard among several: what it tells the others of its own peers, and how it forwards what theirs publish. A publisher of
//! another shard stands in this one as a mirror: without a transport, with the same permits, and only while those stand. The
//! edges from it are edges like any other.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::source::Source;

use crate::media::event::PeerKey;
use crate::media::ice::{HELD, LETTERS, Ufrag};
use crate::media::mail::{Gauges, MOST_SHARDS, Mail, Outgoing, Shards, Standing, Strays, named_by};
use crate::media::offer::Kind;
use crate::media::outbox::Path;
use crate::media::peer::{Home, Peer};
use crate::media::sfu::Sfu;
use crate::media::simulcast::MOST_ENCODINGS;
use crate::media::stun;

/// Addresses of other shards' peers whose datagrams come to our sockets: a few for each peer.
const MOST_ROUTES: usize = 65_536;
/// Boxes for strays. With all of them on their way the other shards do not keep up, and what comes more is dropped: strangers
/// can send strays too.
const MOST_BOXES: usize = 64;

/// What a shard knows of the others.
#[derive(Debug, Default)]
pub(crate) struct Across {
    number: u8,
    /// How many there are; none but this one if it is zero.
    all: u8,
    mail: VecDeque<(u8, Mail)>,
    pub(crate) outgoing: Outgoing,
    /// Publishers of other shards, by their keys there.
    mirrors: HashMap<(u8, PeerKey), PeerKey>,
    /// Which of the others have members of a room.
    present: HashMap<RoomId, Shards>,
    /// Whose an address is that datagrams come to our sockets from, and when that was last said.
    routes: HashMap<Path, (u8, Instant)>,
    /// To whose sockets the datagrams of our peers come, where not to ours.
    arrivals: HashMap<Path, u8>,
    strays: HashMap<u8, Strays>,
    spare: Vec<Strays>,
    /// How many boxes were ever made.
    boxes: usize,
    /// From which shard's sockets the datagram comes that is being looked at.
    arriving: Option<u8>,
    /// The newest rule set that a permit was given by, in any shard; older permits are worthless.
    version: Arc<AtomicU64>,
}

impl Across {
    fn others(&self) -> impl Iterator<Item = u8> + use<> {
        let number = self.number;
        (0..self.all).filter(move |shard| *shard != number)
    }

    fn present(&self, room: RoomId) -> Shards {
        self.present.get(&room).copied().unwrap_or_default()
    }

    fn post(&mut self, to: u8, mail: Mail) {
        self.mail.push_back((to, mail));
    }

    pub(crate) fn post_all(&mut self, to: Shards, mail: impl Fn() -> Mail) {
        for shard in to.iter() {
            self.post(shard, mail());
        }
    }

    /// How many mirrors there are.
    pub(crate) fn mirrors(&self) -> usize {
        self.mirrors.len()
    }

    /// Remembers a rule set; says whether no newer one is known.
    pub(crate) fn is_current(&self, version: PolicyVersion) -> bool {
        version.0 >= self.version.fetch_max(version.0, Ordering::AcqRel)
    }

    /// Makes a user fragment name this shard.
    pub(crate) fn sign(&self, ufrag: &mut Ufrag) {
        if self.all > 1
            && let (Some(first), Some(letter)) =
                (ufrag.first_mut(), LETTERS.get(usize::from(self.number)))
        {
            *first = *letter;
        }
    }

    /// The shard, if it is another, that a check is for.
    pub(crate) fn named(&self, datagram: &[u8]) -> Option<u8> {
        if self.all < 2 || self.arriving.is_some() {
            return None;
        }
        let request = stun::Request::parse(datagram).ok()?;
        let (ours, _) = request.fragments()?;
        named_by(ours.as_bytes()).filter(|shard| *shard != self.number && *shard < self.all)
    }

    /// The shard, if it is another, whose peer is at this address.
    pub(crate) fn owner(&self, path: Path) -> Option<u8> {
        if self.arriving.is_some() {
            return None;
        }
        self.routes.get(&path).map(|(shard, _)| *shard)
    }

    /// Whether a peer of another shard than this proved itself at this address lately.
    pub(crate) fn is_held(&self, path: Path, but: Option<u8>, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < HELD;
        let known = self.routes.get(&path);
        known.is_some_and(|(shard, at)| Some(*shard) != but && lately(*at))
    }

    /// Passes a datagram on to the shard that it belongs to; `false` if there is no room for it.
    pub(crate) fn stray(&mut self, to: u8, path: Path, datagram: &[u8]) -> bool {
        let (spare, boxes) = (&mut self.spare, &mut self.boxes);
        let strays = match self.strays.entry(to) {
            Entry::Occupied(filled) => filled.into_mut(),
            Entry::Vacant(place) => {
                let empty = spare.pop().or_else(|| {
                    let more = *boxes < MOST_BOXES;
                    *boxes += usize::from(more);
                    more.then(Strays::default)
                });
                let Some(empty) = empty else {
                    return false;
                };
                place.insert(empty)
            }
        };
        strays.put(path, datagram);
        if strays.is_full()
            && let Some(full) = self.strays.remove(&to)
        {
            self.post(to, Mail::Strays(full));
        }
        true
    }

    /// A peer proved itself at this address; the shard whose socket it is seen at passes on what comes from there.
    pub(crate) fn route(&mut self, path: Path) {
        if let Some(from) = self.arriving {
            self.arrivals.insert(path, from);
            self.post(from, Mail::Route { path, mine: true });
        } else if !self.arrivals.is_empty() {
            self.unroute(path);
        }
    }

    /// A peer of ours is no longer at this address.
    pub(crate) fn unroute(&mut self, path: Path) {
        if let Some(from) = self.arrivals.remove(&path) {
            self.post(from, Mail::Route { path, mine: false });
        }
    }

    fn learn_route(&mut self, from: u8, path: Path, mine: bool, now: Instant) {
        let known = self.routes.get(&path).copied();
        if mine
            && !self.is_held(path, Some(from), now)
            && (known.is_some() || self.routes.len() < MOST_ROUTES)
        {
            self.routes.insert(path, (from, now));
        } else if !mine && known.is_some_and(|(shard, _)| shard == from) {
            self.routes.remove(&path);
        }
    }
}

impl Sfu {
    /// This shard is number `number` of `all`, which share the count of rule sets. Said before it has peers.
    #[must_use]
    pub fn among(mut self, number: u8, all: u8, version: Arc<AtomicU64>) -> Self {
        self.across = Across {
            number,
            all: all.min(MOST_SHARDS),
            version,
            ..Across::default()
        };
        self
    }

    /// What is to be told to another shard next, and to which. To be asked after every input, until there is nothing.
    pub fn poll_mail(&mut self) -> Option<(u8, Mail)> {
        self.post_packets();
        if let Some(to) = self.across.strays.keys().next().copied()
            && let Some(strays) = self.across.strays.remove(&to)
        {
            self.across.post(to, Mail::Strays(strays));
        }
        self.across.mail.pop_front()
    }

    /// Another shard tells something. Afterwards, and before the next, [`Sfu::is_due`] is to be asked as after a datagram.
    pub fn deliver(&mut self, from: u8, mail: Mail, now: Instant) {
        match mail {
            Mail::Present { room, any } => self.see_room(from, room, any),
            Mail::Stands {
                room,
                participant,
                key,
                source,
                standing: Some(standing),
            } => self.raise(from, (room, participant, key), source, standing, now),
            Mail::Stands { key, source, .. } => {
                if let Some(mirror) = self.mirror(from, key) {
                    self.withdraw(mirror, source, now);
                    if let Some(peer) = self.peers.get_mut(mirror) {
                        // Its home has forgotten who watched, too.
                        peer.publication_mut(source).bound = Default::default();
                    }
                }
            }
            Mail::Gone { key } => {
                if let Some(mirror) = self.mirror(from, key) {
                    self.drop_mirror(mirror, now);
                }
            }
            Mail::Packets(batch) => {
                for (carried, packet) in batch.of(self.across.number) {
                    if let Some(mirror) = self.mirror(from, carried.key) {
                        self.take_mirrored(mirror, carried.source, &packet, now);
                    }
                }
            }
            Mail::Begins { key, source, layer } => {
                if let Some(mirror) = self.mirror(from, key) {
                    if let Some(peer) = self.peers.get_mut(mirror) {
                        let publication = peer.publication_mut(source);
                        publication.history.clear_layer(layer);
                        publication.pending.drop_layer(layer);
                    }
                    self.begin_again(mirror, source, layer);
                }
            }
            Mail::Gauged {
                key,
                source,
                gauges,
            } => {
                let mirror = self.mirror(from, key);
                if let Some(peer) = mirror.and_then(|mirror| self.peers.get_mut(mirror)) {
                    peer.publication_mut(source).gauges = *gauges.0;
                }
            }
            Mail::Clock {
                key,
                source,
                layer,
                ntp,
                rtp,
            } => {
                if let Some(mirror) = self.mirror(from, key) {
                    self.tell_clock((mirror, source, layer), (ntp, rtp), now);
                }
            }
            Mail::Wanted {
                key,
                source,
                wanted,
            } => self.learn_wanted(from, key, source, wanted, now),
            Mail::KeyFrame {
                key,
                source,
                wanted,
            } => {
                if let Some(peer) = self.peers.get_mut(key) {
                    let known = &mut peer.publication_mut(source).key_frames_wanted;
                    for (known, wanted) in known.iter_mut().zip(wanted) {
                        *known |= wanted;
                    }
                    self.ask_for_key_frame(key, source, now);
                }
            }
            Mail::Strays(strays) => self.take_strays(from, strays, now),
            Mail::Spent(strays) => self.across.spare.push(strays),
            Mail::Route { path, mine } => {
                let owner = self.paths.get(&path).and_then(|key| self.peers.get(*key));
                if owner.is_none_or(|owner| !owner.agent.holds(path, now)) {
                    if mine {
                        // Whoever was here has been silent for longer than an address is held.
                        self.lose(path);
                    }
                    self.across.learn_route(from, path, mine, now);
                }
            }
        }
    }

    /// A letter had no room in a queue and is not going to be posted.
    pub fn take_back(&mut self, mail: Mail) {
        self.counters.letters_dropped += 1;
        if let Mail::Strays(mut strays) = mail {
            strays.clear();
            self.across.spare.push(strays);
        }
    }

    fn mirror(&self, from: u8, key: PeerKey) -> Option<PeerKey> {
        self.across.mirrors.get(&(from, key)).copied()
    }

    /// An encoding of a source of a peer of ours goes on in another stream.
    pub(crate) fn begin_across(&mut self, key: PeerKey, source: Source, layer: u8) {
        let Some(peer) = self.peers.get(key).filter(|peer| peer.home.is_here()) else {
            return;
        };
        // Also those that do not want it now: what they kept of it earlier is of other numbers.
        let present = self.across.present(peer.room);
        if !present.is_empty() {
            self.post_packets();
            let mail = || Mail::Begins { key, source, layer };
            self.across.post_all(present, mail);
        }
    }

    /// Which encodings of a source of ours anybody in another shard wants.
    fn learn_wanted(
        &mut self,
        from: u8,
        key: PeerKey,
        source: Source,
        wanted: [bool; MOST_ENCODINGS],
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.home.is_here()) else {
            return;
        };
        let publication = peer.publication_mut(source);
        // What stands from now on is asked for anew.
        if publication.permit.is_none() || Kind::of(source) == Kind::Audio {
            return;
        }
        for (bound, wanted) in publication.bound.iter_mut().zip(wanted) {
            bound.set(from, wanted);
        }
        let gauges = Gauges(Box::new(publication.gauges));
        let mail = Mail::Gauged {
            key,
            source,
            gauges,
        };
        self.across.post(from, mail);
        self.tell_wanted(key, source, now);
    }

    /// Tells the other shards of a room how much comes of a source of ours, as what they choose layers by.
    pub(crate) fn tell_gauges(&mut self, key: PeerKey, source: Source) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let publication = peer.publication(source);
        let bound = publication.bound.iter();
        let bound = bound.fold(Shards::default(), |all, one| all.plus(*one));
        let mail = || Mail::Gauged {
            key,
            source,
            gauges: Gauges(Box::new(publication.gauges)),
        };
        self.across.post_all(bound, mail);
    }

    /// Passes on the packets that wait for other shards.
    pub(crate) fn post_packets(&mut self) {
        if let Some((to, batch)) = self.across.outgoing.take() {
            let mail = || Mail::Packets(Arc::clone(&batch));
            self.across.post_all(to, mail);
        }
    }

    /// A peer of ours came into a room.
    pub(crate) fn announce_room(&mut self, room: RoomId) {
        if self.across.all < 2 || self.locals(room) != 1 {
            return;
        }
        for shard in self.across.others() {
            self.across.post(shard, Mail::Present { room, any: true });
        }
    }

    /// A peer of ours left a room; with the last one the mirrors there go too.
    pub(crate) fn leave_across(&mut self, key: PeerKey, room: RoomId, now: Instant) {
        for source in Source::ALL {
            self.across.outgoing.forget(key, source);
        }
        let present = self.across.present(room);
        self.across.post_all(present, || Mail::Gone { key });
        if self.across.all < 2 || self.locals(room) != 0 {
            return;
        }
        for shard in self.across.others() {
            self.across.post(shard, Mail::Present { room, any: false });
        }
        let members = self.rooms.get(&room).map(|room| &room.members);
        let left: Vec<PeerKey> = members.into_iter().flatten().map(|(_, key)| *key).collect();
        for mirror in left {
            self.drop_mirror(mirror, now);
        }
    }

    /// How many of a room's members have their transport here.
    fn locals(&self, room: RoomId) -> usize {
        let members = self.rooms.get(&room).map(|room| room.members.values());
        let peers = members.into_iter().flatten();
        peers
            .filter_map(|key| self.peers.get(*key))
            .filter(|peer| peer.home.is_here())
            .count()
    }

    /// A source of a peer of ours stands: the others in the room are told.
    pub(crate) fn announce(&mut self, key: PeerKey, source: Source) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let (room, participant) = (peer.room, peer.participant);
        let present = self.across.present(room);
        if present.is_empty() {
            return;
        }
        let Some(standing) = peer.standing(source) else {
            return;
        };
        if Kind::of(source) == Kind::Audio {
            // Who is heard is decided where it is heard.
            peer.publication_mut(source).bound = [present, Shards::default(), Shards::default()];
        }
        self.across.post_all(present, || Mail::Stands {
            room,
            participant,
            key,
            source,
            standing: Some(standing.clone()),
        });
    }

    /// A source of a peer of ours fell: nothing of it goes to the others any more, and they are told.
    pub(crate) fn withdraw_across(&mut self, key: PeerKey, source: Source) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.home.is_here()) else {
            return;
        };
        let (room, participant) = (peer.room, peer.participant);
        peer.publication_mut(source).bound = Default::default();
        self.across.outgoing.forget(key, source);
        let present = self.across.present(room);
        self.across.post_all(present, || Mail::Stands {
            room,
            participant,
            key,
            source,
            standing: None,
        });
    }

    /// Another shard has members of a room, or none any more.
    fn see_room(&mut self, from: u8, room: RoomId, any: bool) {
        let present = self.across.present.entry(room).or_default();
        present.set(from, any);
        if present.is_empty() {
            self.across.present.remove(&room);
        }
        let members = self.rooms.get(&room).map(|room| room.members.values());
        let members: Vec<PeerKey> = members.into_iter().flatten().copied().collect();
        for key in members {
            let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.home.is_here()) else {
                continue;
            };
            let participant = peer.participant;
            for source in Source::ALL {
                let standing = peer.standing(source).filter(|_| any);
                let sound = Kind::of(source) == Kind::Audio && standing.is_some();
                for (encoding, bound) in (0..).zip(&mut peer.publication_mut(source).bound) {
                    bound.set(from, sound && encoding == 0);
                }
                if standing.is_some() {
                    let mail = Mail::Stands {
                        room,
                        participant,
                        key,
                        source,
                        standing,
                    };
                    self.across.post(from, mail);
                }
            }
        }
    }

    /// A source of another shard's peer stands: whoever wants it here gets it.
    fn raise(
        &mut self,
        from: u8,
        (room, participant, key): (RoomId, ParticipantId, PeerKey),
        source: Source,
        standing: Standing,
        now: Instant,
    ) {
        let permit = &standing.permit;
        if permit.room() != room
            || permit.action().participant != participant
            || self.locals(room) == 0
        {
            return;
        }
        let known = self
            .rooms
            .get(&room)
            .and_then(|room| room.members.get(&participant));
        if let Some(known) = known.copied() {
            match self.peers.get(known).map(|peer| peer.home) {
                // Whoever has a transport here has none elsewhere: what stood there is about to fall.
                Some(Home::Here) => return,
                Some(Home::There { shard, key: there }) if (shard, there) != (from, key) => {
                    self.drop_mirror(known, now);
                }
                _ => {}
            }
        }
        let mirror = match self.mirror(from, key) {
            Some(mirror) => mirror,
            None => {
                let Some(mirror) = self.peers.reserve() else {
                    return;
                };
                let home = Home::There { shard: from, key };
                self.peers
                    .insert(Peer::mirror(mirror, room, participant, home, now));
                self.across.mirrors.insert((from, key), mirror);
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.members.insert(participant, mirror);
                }
                mirror
            }
        };
        if let Some(peer) = self.peers.get_mut(mirror) {
            let codecs = standing.codecs.map(|codecs| *codecs);
            peer.sends.learn(source, codecs);
            let publication = peer.publication_mut(source);
            publication.permit = Some(standing.permit);
            publication.codec = standing.codec;
            // Said anew, whatever was said before it stood.
            publication.bound = Default::default();
        }
        self.offer_source(room, participant, source, now);
        self.tell_wanted(mirror, source, now);
    }

    /// A participant has its transport here from now on: what stood here for it as a mirror does no longer.
    pub(crate) fn drop_mirror_of(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        now: Instant,
    ) {
        let members = self.rooms.get(&room).map(|room| &room.members);
        if let Some(known) = members.and_then(|members| members.get(&participant).copied()) {
            self.drop_mirror(known, now);
        }
    }

    /// Takes a mirror out, with its edges.
    pub(crate) fn drop_mirror(&mut self, mirror: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get(mirror) else {
            return;
        };
        let (room, participant) = (peer.room, peer.participant);
        let Home::There { shard, key } = peer.home else {
            return;
        };
        self.across.mirrors.remove(&(shard, key));
        // Out of the room first, so that no slot is given to it again.
        if let Some(members) = self.rooms.get_mut(&room).map(|room| &mut room.members)
            && members.get(&participant) == Some(&mirror)
        {
            members.remove(&participant);
        }
        for source in Source::ALL {
            self.detach_source(mirror, source, now);
        }
        self.peers.remove(mirror);
        if self
            .rooms
            .get(&room)
            .is_some_and(|room| room.members.is_empty())
        {
            self.rooms.remove(&room);
        }
    }

    /// Tells the home of a mirror which encodings of its pictures anybody here wants, if that changed; `false` if it is no mirror.
    pub(crate) fn tell_home(
        &mut self,
        mirror: PeerKey,
        source: Source,
        wanted: [bool; MOST_ENCODINGS],
    ) -> bool {
        let Some(peer) = self.peers.get_mut(mirror) else {
            return false;
        };
        let Home::There { shard, key } = peer.home else {
            return false;
        };
        let publication = peer.publication_mut(source);
        if wanted == [false; MOST_ENCODINGS] {
            // Nobody has anything of it to ask for again.
            publication.history.clear();
            publication.pending.clear();
        }
        let bound = &mut publication.bound;
        if (bound.iter().zip(wanted)).any(|(bound, wanted)| bound.has(shard) != wanted) {
            for (bound, wanted) in bound.iter_mut().zip(wanted) {
                bound.set(shard, wanted);
            }
            let mail = Mail::Wanted {
                key,
                source,
                wanted,
            };
            self.across.post(shard, mail);
        }
        true
    }

    fn take_strays(&mut self, from: u8, mut strays: Strays, now: Instant) {
        self.across.arriving = Some(from);
        let mut number = 0;
        while let Some((path, datagram)) = strays.get(number) {
            self.receive(path, datagram, now);
            number += 1;
        }
        self.across.arriving = None;
        strays.clear();
        self.across.post(from, Mail::Spent(strays));
    }

    /// Asks the home of a mirror for key frames; `false` if it is no mirror.
    pub(crate) fn ask_home(
        &mut self,
        mirror: PeerKey,
        source: Source,
        wanted: [bool; MOST_ENCODINGS],
        now: Instant,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(mirror) else {
            return false;
        };
        let Home::There { shard, key } = peer.home else {
            return false;
        };
        let publication = peer.publication_mut(source);
        publication.key_frames_wanted = Default::default();
        publication.key_frame_asked = Some(now);
        let mail = Mail::KeyFrame {
            key,
            source,
            wanted,
        };
        self.across.post(shard, mail);
        true
    }
}
