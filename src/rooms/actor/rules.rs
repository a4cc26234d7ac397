//! When the rules are swapped: every standing permit of the room is asked again, what fell is cut, and each cut is a row in
//! the audit trail. Also tells those who read the trail who is who.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{RoomActor, Waited};
use crate::ids::ParticipantId;
use crate::rooms::standing::{self, Refused};

/// Rows that one room has under way at a time, so that a swap that cuts thousands of permits does not fill the queue.
const ROWS_AT_ONCE: usize = 64;

impl RoomActor {
    /// Older permits no longer count, and standing ones are asked again.
    pub(super) fn on_rules_changed(&mut self) {
        let rules = self.means.guard.snapshot();
        self.swapped = true;
        self.room.rules_changed(rules.version());
        let fell = standing::fallen_at_the_door(&self.room, &rules);
        for (knock, _) in &fell {
            self.room.knock_fell(*knock);
        }
        self.note_fallen(fell.into_iter().map(|(_, refused)| refused).collect());
    }

    /// Asks every standing permit again, and cuts what fell.
    pub(super) async fn ask_again(&mut self) {
        let rules = self.means.guard.snapshot();
        let swapped = std::mem::take(&mut self.swapped);
        let fell = standing::fallen(&self.room, &rules);
        let mut refused = Vec::new();
        for (participant, source, why) in fell.sending {
            self.room.fell(participant, source);
            refused.push(why);
        }
        let mut blind = BTreeSet::new();
        for (participant, why) in fell.receiving {
            blind.insert(participant);
            self.unwatch(participant).await;
            if !self.blind.contains(&participant) {
                refused.push(why);
            }
        }
        self.blind = blind;
        if swapped {
            self.note_fallen(refused);
        }
    }

    async fn unwatch(&mut self, participant: ParticipantId) {
        let room = self.room.charter().room;
        self.means.media.unwatch(room, participant).await;
    }

    /// Writes a row for each. Nobody waits for them: the cut has acted, and what the database does not take is kept for later.
    fn note_fallen(&self, fallen: Vec<Refused>) {
        if fallen.is_empty() {
            return;
        }
        let (org, room) = (self.room.charter().org, self.room.charter().room);
        let guard = self.means.guard.clone();
        self.waits.push(Box::pin(async move {
            for some in fallen.chunks(ROWS_AT_ONCE) {
                let rows = some
                    .iter()
                    .map(|fallen| guard.fell(org, fallen.actor, room, &fallen.denied));
                let _kept_if_late = join_all(rows.collect::<Vec<_>>()).await;
            }
            Waited::Noted
        }));
    }

    /// The names of those who are in or wait, by every id under which the audit trail may speak of them.
    pub(super) fn on_names(&self, reply: oneshot::Sender<BTreeMap<[u8; 16], String>>) {
        let mut names = BTreeMap::new();
        for person in self.room.people() {
            names.insert(*person.id.as_bytes(), person.who.name.clone());
            names.insert(*person.who.actor.as_bytes(), person.who.name.clone());
        }
        for knock in self.room.lobby().in_order() {
            names.insert(*knock.id.as_bytes(), knock.who.name.clone());
            names.insert(*knock.who.actor.as_bytes(), knock.who.name.clone());
        }
        // Whoever asked may have gone.
        let _unheard = reply.send(names);
    }
}
