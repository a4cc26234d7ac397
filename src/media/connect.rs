//! How a transport comes to be: from a permit and a checked offer to credentials, streams and slots, anew or as a restart of the
//! one before. It lets nothing flow; the edges do.

use std::time::Instant;

use conclave_policy::actions::Connect;
use conclave_policy::permit::Permit;
use conclave_policy::source::Source;

use crate::media::answer::Local;
use crate::media::event::{CloseReason, ConnectError, PeerEvent, PeerKey};
use crate::media::ice::{Agent, Credentials, Ufrag};
use crate::media::offer::{Description, Line, OfferError, Purpose};
use crate::media::peer::Peer;
use crate::media::sends::Sends;
use crate::media::sfu::Sfu;
use crate::media::slot::OutSlot;

/// Tries to draw a number that is not taken; the second would already be a wonder.
const DRAWS: usize = 16;

impl Sfu {
    /// Makes a transport for the participant of the permit, in place of the one that it may have. An offer of the same peer
    /// connection (an ICE restart) keeps keys, streams and slots; any other begins anew and keeps only the standing permits.
    pub fn connect(
        &mut self,
        permit: Permit<Connect>,
        description: Description,
        now: Instant,
    ) -> Result<(PeerKey, Local), ConnectError> {
        if !self.is_current(permit.version()) {
            return Err(ConnectError::Stale);
        }
        let (room, participant) = (permit.room(), permit.action().participant);
        let older = self.find(room, participant);
        if let Some(older) = older
            && self.is_same(older, &description)
        {
            return self.restart(older, permit, description, now);
        }
        let most = if older.is_some() {
            self.limits.peers.saturating_add(1)
        } else {
            self.limits.peers
        };
        if self.peers.len() - self.across.mirrors() >= most {
            return Err(ConnectError::Full);
        }
        let credentials = self.credentials().ok_or(ConnectError::Full)?;
        let mut older = older.and_then(|older| self.remove(older, CloseReason::Replaced, now));
        let key = self.peers.reserve().ok_or(ConnectError::Full)?;
        let streams = self.draw_streams(&description);
        let local = self.local(&credentials, &description, streams);
        let slots = self.slots(&description, &local);
        let own_ssrc = self.draw_ssrc(&[]);
        self.fragments.insert(credentials.ufrag, key);
        let agent = Agent::new(credentials, description.ufrag.clone(), now);
        let mut peer = Peer::new(
            key,
            permit,
            description,
            local.clone(),
            agent,
            slots,
            own_ssrc,
            now,
        );
        if let Some(older) = &mut older {
            peer.inherit(older);
        }
        peer.downlink.align(*self.origin.get_or_insert(now));
        self.peers.insert(peer);
        self.drop_mirror_of(room, participant, now);
        self.rooms
            .entry(room)
            .or_default()
            .members
            .insert(participant, key);
        self.count_peers();
        self.timers.start(now);
        self.announce_room(room);
        self.enter(key, now);
        for source in Source::ALL {
            self.announce(key, source);
        }
        Ok((key, local))
    }

    /// New ICE credentials for the connection that the participant of the permit has, and for no other.
    pub fn reconnect(
        &mut self,
        permit: Permit<Connect>,
        description: Description,
        now: Instant,
    ) -> Result<(PeerKey, Local), ConnectError> {
        if !self.is_current(permit.version()) {
            return Err(ConnectError::Stale);
        }
        let found = self.find(permit.room(), permit.action().participant);
        let key = found.ok_or(ConnectError::Gone)?;
        if !self.is_same(key, &description) {
            return Err(OfferError::Changed.into());
        }
        self.restart(key, permit, description, now)
    }

    fn is_same(&self, key: PeerKey, description: &Description) -> bool {
        self.peers.get(key).is_some_and(|peer| {
            peer.description.session == description.session
                && peer.description.fingerprint == description.fingerprint
        })
    }

    /// New ICE credentials for the same connection.
    fn restart(
        &mut self,
        key: PeerKey,
        permit: Permit<Connect>,
        description: Description,
        now: Instant,
    ) -> Result<(PeerKey, Local), ConnectError> {
        let credentials = self.credentials().ok_or(ConnectError::Full)?;
        let peer = self.peers.get_mut(key).ok_or(ConnectError::Gone)?;
        let same = |(old, new): (&_, &_)| is_continued(old, new);
        let lines = (&peer.description.lines, &description.lines);
        if lines.0.len() != lines.1.len() || !lines.0.iter().zip(lines.1).all(same) {
            return Err(OfferError::Changed.into());
        }
        peer.permit = Some(permit);
        if peer.description.ufrag != description.ufrag {
            self.fragments.remove(&peer.agent.credentials.ufrag);
            self.fragments.insert(credentials.ufrag, key);
            peer.local.ufrag = text(&credentials.ufrag);
            peer.local.password = credentials.password.clone();
            peer.agent
                .restart(credentials, description.ufrag.clone(), now);
        }
        peer.sends = Sends::of(&description);
        peer.description = description;
        // Whoever asked anew is told anew.
        let local = peer.local.clone();
        if peer.secured.is_some() {
            self.events.push_back((key, PeerEvent::Connected));
            self.events.push_back((key, PeerEvent::Slots(peer.shown())));
        }
        for source in Source::ALL {
            self.announce(key, source);
        }
        Ok((key, local))
    }

    fn credentials(&self) -> Option<Credentials> {
        let draws = (0..DRAWS).map(|_| {
            let mut drawn = Credentials::generate(&*self.random);
            self.across.sign(&mut drawn.ufrag);
            drawn
        });
        draws
            .into_iter()
            .find(|drawn| !self.fragments.contains_key(&drawn.ufrag))
    }

    fn local(
        &self,
        credentials: &Credentials,
        description: &Description,
        slots: Vec<Option<(u32, Option<u32>)>>,
    ) -> Local {
        let mut session = [0; 8];
        self.random.fill(&mut session);
        Local {
            // RFC 3264 and JSEP: a positive number of at most 62 bits.
            session: u64::from_be_bytes(session) >> 2 | u64::from(description.lines.is_empty()),
            ufrag: text(&credentials.ufrag),
            password: credentials.password.clone(),
            fingerprint: *self.identity.fingerprint(),
            candidates: self.candidates.clone(),
            stream_candidates: self.stream_candidates.clone(),
            slots,
        }
    }

    /// Streams for every slot, unlike each other and those of the client.
    fn draw_streams(&self, description: &Description) -> Vec<Option<(u32, Option<u32>)>> {
        let codecs = description
            .lines
            .iter()
            .filter_map(|line| match &line.purpose {
                Purpose::Send(_, codec) => Some(codec),
                _ => None,
            });
        let theirs = codecs.flat_map(|codec| {
            codec
                .streams
                .iter()
                .flat_map(|(one, two)| [Some(*one), *two])
        });
        let mut taken: Vec<u32> = theirs.flatten().collect();
        let mut draw = || {
            let drawn = self.draw_ssrc(&taken);
            taken.push(drawn);
            drawn
        };
        let slots = description.lines.iter().map(|line| match &line.purpose {
            Purpose::Slot(codecs) => Some((draw(), codecs.repairs().then(&mut draw))),
            _ => None,
        });
        slots.collect()
    }

    fn draw_ssrc(&self, taken: &[u32]) -> u32 {
        let draws = (0..DRAWS).map(|_| {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes);
            u32::from_be_bytes(bytes)
        });
        draws
            .into_iter()
            .find(|drawn| *drawn != 0 && !taken.contains(drawn))
            .unwrap_or(1)
    }

    fn slots(&self, description: &Description, local: &Local) -> Vec<OutSlot> {
        let lines = description.lines.iter().zip(&local.slots);
        lines
            .filter_map(|(line, streams)| match (&line.purpose, streams) {
                (Purpose::Slot(codec), Some(streams)) => {
                    let mut start = [0; 2];
                    self.random.fill(&mut start);
                    // The lower half, so that the first packets lost cannot hide a rollover (RFC 3711, section 3.3.1).
                    let start = u64::from(u16::from_be_bytes(start) >> 1).max(1);
                    Some(OutSlot::new(&line.mid, line.kind, codec, *streams, start))
                }
                _ => None,
            })
            .collect()
    }
}

/// Whether a line of a later offer goes on with one of an earlier: the same purpose, which only an unused line may change.
fn is_continued(old: &Line, new: &Line) -> bool {
    let same = match (&old.purpose, &new.purpose) {
        (Purpose::Send(old, _), Purpose::Send(new, _)) => old == new,
        (Purpose::Slot(_), Purpose::Slot(_)) | (Purpose::Refused, Purpose::Refused) => true,
        (Purpose::Idle(_), Purpose::Idle(_) | Purpose::Send(..))
        | (Purpose::Send(..), Purpose::Idle(_)) => true,
        _ => false,
    };
    same && old.mid == new.mid && old.kind == new.kind
}

fn text(ufrag: &Ufrag) -> String {
    ufrag.iter().map(|byte| char::from(*byte)).collect()
}
