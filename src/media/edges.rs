//! Which source goes into which slot of whom. An edge is made here, and only between a standing permit to publish and a standing
//! permit to watch in the same room; it falls with either.

use std::time::{Duration, Instant};

use conclave_policy::ids::{ParticipantId, RoomId};
use conclave_policy::source::Source;

use crate::media::aim::Aim;
use crate::media::codec::Codec;
use crate::media::event::{PeerEvent, PeerKey};
use crate::media::offer::Kind;
use crate::media::peer::{Edge, Peer};
use crate::media::sfu::Sfu;
use crate::media::slot::{Feed, OutSlot};

/// A sound slot is not taken from who speaks sooner than this, so that slots do not flicker.
const HOLD: Duration = Duration::from_secs(1);
/// How much louder a source without a slot must be, in decibels.
const MARGIN: u32 = 6;
/// Candidates for sound slots: more than any client has.
const MOST_HEARD: usize = 64;

/// A source that wants sound slots.
#[derive(Clone, Copy, Debug)]
struct Voice {
    publisher: PeerKey,
    participant: ParticipantId,
    source: Source,
    codec: Option<Codec>,
    score: u32,
    speaks: bool,
}

impl Sfu {
    /// A peer is new, or may watch from now on, and its own sources may be seen by others.
    pub(crate) fn enter(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let (room, participant) = (peer.room, peer.participant);
        let standing: Vec<Source> = Source::ALL
            .into_iter()
            .filter(|source| peer.publication(*source).permit.is_some())
            .collect();
        self.assign_video(key, now);
        for source in standing {
            self.offer_source(room, participant, source, now);
        }
        self.assign_audio(room, now);
    }

    /// A source stands from now on: whoever wants it gets it.
    pub(crate) fn offer_source(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        source: Source,
        now: Instant,
    ) {
        if Kind::of(source) == Kind::Audio {
            return self.assign_audio(room, now);
        }
        let Some(members) = self.rooms.get(&room).map(|room| &room.members) else {
            return;
        };
        let wanting: Vec<PeerKey> = members
            .values()
            .filter_map(|key| self.peers.get(*key))
            .filter(|peer| {
                peer.views
                    .iter()
                    .any(|view| view.participant == participant && view.source == source)
            })
            .map(|peer| peer.key)
            .collect();
        for viewer in wanting {
            self.assign_video(viewer, now);
        }
    }

    /// Fills the picture slots of one peer with what it wants to see, the most wanted first.
    pub(crate) fn assign_video(&mut self, viewer: PeerKey, now: Instant) {
        let Some(wanted) = self.wanted(viewer) else {
            return;
        };
        let Some(peer) = self.peers.get(viewer) else {
            return;
        };
        let shown = |feed: &Feed| wanted.contains(&(feed.publisher, feed.participant, feed.source));
        let mut free = Vec::new();
        let mut unwanted = Vec::new();
        for (place, slot) in peer
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.kind == Kind::Video)
        {
            match slot.feed() {
                Some(feed) if shown(feed) => {}
                Some(_) => {
                    unwanted.push(place);
                    free.push(place);
                }
                None => free.push(place),
            }
        }
        let has = |publisher: PeerKey, source: Source| {
            let feeds = peer.slots.iter().filter_map(|slot| slot.feed());
            feeds
                .into_iter()
                .any(|feed| feed.publisher == publisher && feed.source == source)
        };
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(publisher, _, source)| !has(*publisher, *source))
            .copied()
            .collect();
        for place in unwanted {
            self.detach(viewer, place);
        }
        for (place, (publisher, participant, source)) in free.into_iter().zip(missing) {
            self.attach(
                viewer,
                place,
                Feed {
                    publisher,
                    participant,
                    source,
                    since: now,
                },
            );
        }
        self.choose_layers(viewer, now);
        self.tell_undecodable(viewer);
    }

    /// What of a peer's wishes can be fulfilled: no more than it has slots.
    fn wanted(&self, viewer: PeerKey) -> Option<Vec<(PeerKey, ParticipantId, Source)>> {
        let peer = self.peers.get(viewer)?;
        let slots = peer
            .slots
            .iter()
            .filter(|slot| slot.kind == Kind::Video)
            .count();
        let members = &self.rooms.get(&peer.room)?.members;
        if peer.watch.is_none() {
            return Some(Vec::new());
        }
        let mut wanted = Vec::new();
        for view in peer
            .views
            .iter()
            .filter(|view| Kind::of(view.source) == Kind::Video)
        {
            let Some(publisher) = members.get(&view.participant).filter(|key| **key != viewer)
            else {
                continue;
            };
            let stands = self.peers.get(*publisher).is_some_and(|publisher| {
                publisher.publication(view.source).permit.is_some()
                    && peer.can_decode(publisher, view.source)
            });
            let want = (*publisher, view.participant, view.source);
            if stands && !wanted.contains(&want) && wanted.len() < slots {
                wanted.push(want);
            }
        }
        Some(wanted)
    }

    /// Fills the sound slots of a room's peers with the loudest sources. All are heard as long as there are slots for all.
    pub(crate) fn assign_audio(&mut self, room: RoomId, now: Instant) {
        let Some(members) = self.rooms.get(&room).map(|room| &room.members) else {
            return;
        };
        let peers: Vec<PeerKey> = members.values().copied().collect();
        let mut voices = Vec::new();
        for peer in peers.iter().filter_map(|key| self.peers.get(*key)) {
            for source in [Source::Microphone, Source::ScreenAudio] {
                let publication = peer.publication(source);
                if publication.permit.is_some() {
                    let (score, speaks) = (
                        publication.loudness.score(now),
                        publication.loudness.speaks(now),
                    );
                    voices.push(Voice {
                        publisher: peer.key,
                        participant: peer.participant,
                        source,
                        codec: peer.codec(source),
                        score,
                        speaks,
                    });
                }
            }
        }
        if voices.is_empty() {
            return;
        }
        voices.sort_by_key(|voice| (std::cmp::Reverse(voice.score), voice.participant));
        voices.truncate(MOST_HEARD);
        for viewer in peers {
            self.assign_voices(viewer, &voices, now);
        }
    }

    fn assign_voices(&mut self, viewer: PeerKey, voices: &[Voice], now: Instant) {
        let Some(peer) = self.peers.get(viewer).filter(|peer| peer.watch.is_some()) else {
            return;
        };
        let sound = || {
            peer.slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.kind == Kind::Audio)
        };
        // Nobody hears themselves, nor what their client cannot decode.
        let heard = |voice: &&Voice| {
            voice.publisher != viewer
                && voice
                    .codec
                    .is_none_or(|codec| sound().any(|(_, slot)| slot.receives(codec)))
        };
        let others = voices.iter().filter(heard).count();
        if sound().filter(|(_, slot)| slot.feed().is_some()).count() >= others {
            // All are carried, as in most rooms most of the time.
            return;
        }
        let carried = |voice: &Voice| {
            let mut feeds = sound().filter_map(|(_, slot)| slot.feed());
            feeds.any(|feed| feed.publisher == voice.publisher && feed.source == voice.source)
        };
        let mut free = sound()
            .filter(|(_, slot)| slot.feed().is_none())
            .map(|(place, _)| place);
        // Slots that may be taken, the quietest first; who speaks is not interrupted for a moment's noise.
        let voice_of = |feed: &Feed| {
            voices
                .iter()
                .find(|voice| voice.publisher == feed.publisher && voice.source == feed.source)
        };
        let mut held: Vec<(u32, usize)> = sound()
            .filter_map(|(place, slot)| slot.feed().map(|feed| (feed, voice_of(feed), place)))
            .filter(|(feed, voice, _)| {
                let speaks = voice.is_some_and(|voice| voice.speaks);
                !speaks || now.saturating_duration_since(feed.since) >= HOLD
            })
            .map(|(_, voice, place)| (voice.map_or(0, |voice| voice.score), place))
            .collect();
        held.sort_unstable();
        let mut held = held.into_iter().peekable();
        let mut changes = Vec::new();
        for voice in voices
            .iter()
            .filter(|voice| heard(voice) && !carried(voice))
        {
            let place = free.next().or_else(|| {
                let louder = |(score, _): &(u32, usize)| voice.score >= score + MARGIN;
                held.next_if(louder).map(|(_, place)| place)
            });
            let Some(place) = place else { break };
            changes.push((place, *voice));
        }
        for (
            place,
            Voice {
                publisher,
                participant,
                source,
                ..
            },
        ) in changes
        {
            self.detach(viewer, place);
            self.attach(
                viewer,
                place,
                Feed {
                    publisher,
                    participant,
                    source,
                    since: now,
                },
            );
        }
    }

    /// Tells a participant what of its wishes its client cannot decode, if that changed.
    fn tell_undecodable(&mut self, viewer: PeerKey) {
        let Some(peer) = self.peers.get(viewer) else {
            return;
        };
        let Some(members) = self.rooms.get(&peer.room).map(|room| &room.members) else {
            return;
        };
        let mut undecodable = Vec::new();
        let own = peer.views.iter().filter(|_| peer.watch.is_some());
        for view in own {
            let one = (view.participant, view.source);
            let publisher = members
                .get(&view.participant)
                .and_then(|key| self.peers.get(*key))
                .filter(|other| other.key != viewer);
            let stands = |publisher: &&Peer| publisher.publication(view.source).permit.is_some();
            if publisher
                .filter(stands)
                .is_some_and(|publisher| !peer.can_decode(publisher, view.source))
                && !undecodable.contains(&one)
            {
                undecodable.push(one);
            }
        }
        if undecodable == peer.undecodable {
            return;
        }
        if let Some(peer) = self.peers.get_mut(viewer) {
            peer.undecodable.clone_from(&undecodable);
        }
        self.events
            .push_back((viewer, PeerEvent::Undecodable(undecodable)));
    }

    /// Who speaks in a room, told to those who may hear it, when it changed.
    pub(crate) fn tell_speakers(&mut self, room: RoomId, now: Instant) {
        let Some(known) = self.rooms.get(&room) else {
            return;
        };
        let mut speaking: Vec<(u32, ParticipantId)> = known
            .members
            .values()
            .filter_map(|key| self.peers.get(*key))
            .filter(|peer| peer.publication(Source::Microphone).permit.is_some())
            .map(|peer| (peer, peer.publication(Source::Microphone).loudness))
            .filter(|(_, loudness)| loudness.speaks(now))
            .map(|(peer, loudness)| (loudness.score(now), peer.participant))
            .collect();
        speaking.sort_by_key(|(score, participant)| (std::cmp::Reverse(*score), *participant));
        let speaking: Vec<ParticipantId> = speaking
            .into_iter()
            .map(|(_, participant)| participant)
            .collect();
        let same = known.speaking.len() == speaking.len()
            && speaking.iter().all(|one| known.speaking.contains(one));
        if same {
            return;
        }
        let listeners: Vec<PeerKey> = known.members.values().copied().collect();
        for key in listeners {
            if self.peers.get(key).is_some_and(|peer| peer.watch.is_some()) {
                self.events
                    .push_back((key, PeerEvent::Speaking(speaking.clone())));
            }
        }
        if let Some(known) = self.rooms.get_mut(&room) {
            known.speaking = speaking;
        }
    }

    /// Makes an edge. The one place that does.
    fn attach(&mut self, viewer: PeerKey, place: usize, feed: Feed) {
        let Some(watching) = self.peers.get(viewer).filter(|peer| peer.watch.is_some()) else {
            return;
        };
        let room = watching.room;
        let Some(publisher) = self
            .peers
            .get_mut(feed.publisher)
            .filter(|peer| peer.room == room)
        else {
            return;
        };
        let publication = publisher.publication_mut(feed.source);
        if publication.permit.is_none() || feed.publisher == viewer {
            return;
        }
        publication.awaited = true;
        publication.edges.push(Edge {
            viewer,
            slot: place,
            layer: if Kind::of(feed.source) == Kind::Video {
                Aim::NOTHING
            } else {
                Aim::WHOLE
            },
            choice: None,
        });
        if let Some(slot) = self.change_slot(viewer, place) {
            slot.attach(feed);
        }
        if Kind::of(feed.source) == Kind::Video {
            self.look_soon(feed.since);
        }
    }

    /// Ends one edge.
    fn detach(&mut self, viewer: PeerKey, place: usize) {
        let fed = self
            .peers
            .get(viewer)
            .and_then(|peer| peer.slots.get(place))
            .is_some_and(|slot| slot.feed().is_some());
        if !fed {
            return;
        }
        let Some(feed) = self.change_slot(viewer, place).and_then(OutSlot::detach) else {
            return;
        };
        if let Some(publisher) = self.peers.get_mut(feed.publisher) {
            let publication = publisher.publication_mut(feed.source);
            publication.remove_edge(viewer, place);
        }
    }

    /// A slot that is about to change, of which its peer is to be told.
    fn change_slot(&mut self, viewer: PeerKey, place: usize) -> Option<&mut OutSlot> {
        let peer = self.peers.get_mut(viewer)?;
        if !std::mem::replace(&mut peer.slots_changed, true) {
            self.changed.push(viewer);
        }
        peer.slots.get_mut(place)
    }

    /// Ends every edge to a peer.
    pub(crate) fn detach_all(&mut self, viewer: PeerKey) {
        let slots = self.peers.get(viewer).map_or(0, |peer| peer.slots.len());
        for place in 0..slots {
            self.detach(viewer, place);
        }
    }

    /// Ends every edge from a source, and gives the slots to what else is wanted.
    pub(crate) fn detach_source(&mut self, publisher: PeerKey, source: Source, now: Instant) {
        let Some(peer) = self.peers.get_mut(publisher) else {
            return;
        };
        let edges = std::mem::take(&mut peer.publication_mut(source).edges);
        for edge in &edges {
            if let Some(slot) = self.change_slot(edge.viewer, edge.slot) {
                slot.detach();
            }
        }
        // The source is not found again: its permit or its peer is out already.
        if Kind::of(source) == Kind::Video {
            for edge in edges {
                self.assign_video(edge.viewer, now);
            }
        }
    }
}
