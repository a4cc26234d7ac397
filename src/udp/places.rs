//! Which shard a participant's transport is made on. A room stays on one shard until it is large, so that small meetings cost
//! no exchange between shards, and large ones use all of them.

use std::collections::HashMap;

use conclave_policy::ids::{ParticipantId, RoomId};

/// Members of a room on one shard before it spreads to the next: sending to so many takes some milliseconds of a frame.
pub(crate) const SPREAD: usize = 64;

/// Who is where. A participant keeps the place until it leaves.
#[derive(Debug)]
pub(crate) struct Places {
    rooms: HashMap<RoomId, HashMap<ParticipantId, u8>>,
    /// Participants of each shard.
    load: Vec<usize>,
    spread: usize,
}

impl Places {
    pub(crate) fn new(shards: u8, spread: usize) -> Self {
        Self {
            rooms: HashMap::new(),
            load: vec![0; usize::from(shards)],
            spread: spread.max(1),
        }
    }

    /// Where a participant is.
    pub(crate) fn find(&self, room: RoomId, participant: ParticipantId) -> Option<u8> {
        self.rooms.get(&room)?.get(&participant).copied()
    }

    /// Where a participant is from now on.
    pub(crate) fn enter(&mut self, room: RoomId, participant: ParticipantId) -> u8 {
        let members = self.rooms.entry(room).or_default();
        if let Some(shard) = members.get(&participant) {
            return *shard;
        }
        let mut here = vec![0; self.load.len()];
        for shard in members.values() {
            if let Some(count) = here.get_mut(usize::from(*shard)) {
                *count += 1;
            }
        }
        // First one where the room is and has room, then the least loaded; when all are full, where it is thinnest.
        let rank = |(count, load): (usize, usize)| {
            (
                count >= self.spread,
                count == 0,
                if count >= self.spread { count } else { load },
            )
        };
        let all = (0_u8..).zip(here.into_iter().zip(self.load.iter().copied()));
        let best = all.min_by_key(|(_, of)| rank(*of));
        let shard = best.map_or(0, |(shard, _)| shard);
        members.insert(participant, shard);
        if let Some(load) = self.load.get_mut(usize::from(shard)) {
            *load += 1;
        }
        shard
    }

    /// A participant has no place any more.
    pub(crate) fn leave(&mut self, room: RoomId, participant: ParticipantId) {
        let Some(members) = self.rooms.get_mut(&room) else {
            return;
        };
        if let Some(shard) = members.remove(&participant)
            && let Some(load) = self.load.get_mut(usize::from(shard))
        {
            *load = load.saturating_sub(1);
        }
        if members.is_empty() {
            self.rooms.remove(&room);
        }
    }

    /// A room is over.
    pub(crate) fn end(&mut self, room: RoomId) {
        let members = self.rooms.get(&room).map(|members| members.keys().copied());
        let members: Vec<ParticipantId> = members.into_iter().flatten().collect();
        for participant in members {
            self.leave(room, participant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: u8) -> RoomId {
        RoomId::from_bytes([number; 16])
    }

    fn who(number: u8) -> ParticipantId {
        ParticipantId::from_bytes([number; 16])
    }

    #[test]
    fn small_rooms_stay_together_and_large_ones_spread() {
        let mut places = Places::new(3, 4);
        let of = |places: &mut Places, number: u8, members: u8| -> Vec<u8> {
            (0..members)
                .map(|one| places.enter(room(number), who(one)))
                .collect()
        };
        for number in 0..3 {
            let shards = of(&mut places, number, 4);
            assert!(shards.iter().all(|shard| *shard == shards[0]), "{shards:?}");
        }
        assert_eq!(places.load, [4, 4, 4], "rooms go where there is room");
        let large = of(&mut places, 9, 30);
        for shard in 0..3 {
            assert_eq!(large.iter().filter(|one| **one == shard).count(), 10);
        }
        assert_eq!(places.enter(room(9), who(3)), large[3], "a place is kept");
        places.leave(room(9), who(3));
        assert_eq!(places.find(room(9), who(3)), None);
        for number in 0..10 {
            places.end(room(number));
        }
        assert!(places.rooms.is_empty() && places.load == [0, 0, 0]);
    }
}
