//! The peers of a shard, in places that are used again; a key of a peer that is gone finds nothing.

use crate::media::event::PeerKey;
use crate::media::peer::Peer;

/// Every peer of a shard.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    peer: Option<Box<Peer>>,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// A key for a new peer, which [`Peers::insert`] puts there.
    pub(crate) fn reserve(&mut self) -> Option<PeerKey> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.places.push(Place {
                    generation: 0,
                    peer: None,
                });
                u32::try_from(self.places.len() - 1).ok()?
            }
        };
        let generation = self.place(place)?.generation;
        Some(PeerKey { place, generation })
    }

    pub(crate) fn insert(&mut self, peer: Peer) {
        let key = peer.key;
        if let Some(place) = self
            .place_mut(key.place)
            .filter(|place| place.generation == key.generation)
        {
            place.peer = Some(Box::new(peer));
        }
    }

    /// Takes a peer out; its key is never used again.
    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<Box<Peer>> {
        let place = self
            .place_mut(key.place)
            .filter(|place| place.generation == key.generation)?;
        let peer = place.peer.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.place);
        Some(peer)
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.place(key.place)
            .filter(|place| place.generation == key.generation)?
            .peer
            .as_deref()
    }

    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.place_mut(key.place)
            .filter(|place| place.generation == key.generation)?
            .peer
            .as_deref_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.places.iter().filter_map(|place| place.peer.as_deref())
    }

    /// The keys of all, so that each can be worked on while others are looked at.
    pub(crate) fn keys(&self) -> Vec<PeerKey> {
        self.iter().map(|peer| peer.key).collect()
    }

    fn place(&self, place: u32) -> Option<&Place> {
        self.places.get(usize::try_from(place).ok()?)
    }

    fn place_mut(&mut self, place: u32) -> Option<&mut Place> {
        self.places.get_mut(usize::try_from(place).ok()?)
    }
}
