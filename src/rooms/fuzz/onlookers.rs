//! Everyone in the room keeps what they were shown as a client does, from the first view and the events after it: it must
//! be what the rules let them see, asked anew for each line and made anew, whatever was kept between two steps.

use std::collections::BTreeMap;

use conclave_policy::actions::ActionKind;
use conclave_policy::engine::Snapshot;

use crate::ids::ParticipantId;
use crate::rooms::projection::{Lines, Projection, Round};
use crate::rooms::room::Room;
use crate::rooms::view::{Event, ParticipantView};

/// All who look, and the lines that are made once for them.
#[derive(Default)]
pub(super) struct Onlookers {
    lines: Lines,
    of: BTreeMap<ParticipantId, Client>,
}

/// What one of them has been shown.
#[derive(Default)]
struct Client {
    projection: Projection,
    lines: BTreeMap<ParticipantId, ParticipantView>,
    spotlight: Option<ParticipantId>,
    count: Option<u32>,
    may_chat: bool,
}

impl Onlookers {
    /// Tells everyone what changed, as the task around the room does.
    pub(super) fn tell(&mut self, room: &Room, rules: &Snapshot) {
        self.of.retain(|id, _| room.person(*id).is_some());
        self.lines.refresh(room, rules);
        let mut round = Round::new(room, rules, &self.lines);
        let gone = BTreeMap::new();
        for person in room.people() {
            if let Some(client) = self.of.get_mut(&person.id) {
                for event in client.projection.changes(&mut round, person, &gone) {
                    client.take(event);
                }
                continue;
            }
            let client = self.of.entry(person.id).or_default();
            let view = client.projection.whole(&mut round, person);
            let lines = view.participants.into_iter();
            client.lines = lines.map(|line| (line.participant, line)).collect();
            client.spotlight = view.spotlight;
            client.count = view.count;
            client.may_chat = view.may_chat;
        }
    }

    /// Compares with what the rules say, line by line.
    pub(super) fn check(&self, room: &Room, rules: &Snapshot) {
        let lines = Lines::of(room, rules);
        for viewer in room.people() {
            let Some(client) = self.of.get(&viewer.id) else {
                continue;
            };
            let own = room.facts_present(viewer);
            let seen: Vec<&ParticipantView> = room
                .people()
                .filter(|person| {
                    let facts = room.facts_about(own, viewer, person);
                    rules.allows(ActionKind::SeeParticipant, viewer.role, &facts)
                })
                .filter_map(|person| lines.get(person.id).map(|line| &**line))
                .collect();
            assert!(
                client.lines.values().eq(seen),
                "someone sees other lines than the rules show"
            );
            let shows = |id: &ParticipantId| client.projection.shows(*id);
            assert!(
                client.lines.keys().all(shows),
                "someone sees a line that counts as not shown"
            );
            let spotlight = room.spotlight().filter(shows);
            assert!(client.spotlight == spotlight, "the spotlight is elsewhere");
            let may = |kind| rules.allows(kind, viewer.role, &own);
            assert!(
                client.may_chat == may(ActionKind::WriteChat),
                "someone does not know whether they may write"
            );
            let count = u32::try_from(room.people().count()).ok();
            assert!(
                !may(ActionKind::SeeCount) || client.count == count,
                "someone counts wrongly"
            );
        }
    }
}

impl Client {
    fn take(&mut self, event: Event) {
        match event {
            Event::ParticipantJoined { participant } => {
                let new = self.lines.insert(participant.participant, participant);
                assert!(new.is_none(), "someone joins twice");
            }
            Event::ParticipantChanged { participant } => {
                let old = self.lines.insert(participant.participant, participant);
                assert!(old.is_some(), "a line changes that was not shown");
            }
            Event::ParticipantLeft { participant, .. } => {
                let old = self.lines.remove(&participant);
                assert!(old.is_some(), "a line goes that was not shown");
            }
            Event::Spotlight { participant } => self.spotlight = participant,
            Event::Count { count } => self.count = Some(count),
            Event::MayChat { may } => self.may_chat = may,
            _ => {}
        }
    }
}
