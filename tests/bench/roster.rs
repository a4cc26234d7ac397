//! `room.change`: what one accepted change costs a full room: it is applied, and everyone who may see it is told, by the same
//! functions as the task around a room.

use std::collections::BTreeMap;
use std::hint::black_box;

use conclave::clock::{Clock, SystemClock, Timestamp};
use conclave::ids::ParticipantId;
use conclave::rooms::projection::{Lines, Projection, Round};
use conclave::rooms::room::Room;
use conclave_policy::actions::RaiseHand;
use conclave_policy::engine::Snapshot;
use conclave_policy::permit::PolicyVersion;

use crate::measure::{figure, median, note, percentile};
use crate::reask::full;

const CHANGES: usize = 401;

struct Watched {
    room: Room,
    rules: Snapshot,
    lines: Lines,
    seen: BTreeMap<ParticipantId, Projection>,
}

impl Watched {
    fn by(people: u32) -> Self {
        let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let room = full(&rules, 1, people);
        let lines = Lines::of(&room, &rules);
        let mut seen = BTreeMap::new();
        let mut round = Round::new(&room, &rules, &lines);
        for person in room.people() {
            let mut projection = Projection::default();
            black_box(projection.whole(&mut round, person));
            seen.insert(person.id, projection);
        }
        Self {
            room,
            rules,
            lines,
            seen,
        }
    }

    /// Tells everyone what changed; gives how much was told.
    fn tell(&mut self) -> usize {
        self.lines.refresh(&self.room, &self.rules);
        let mut round = Round::new(&self.room, &self.rules, &self.lines);
        let gone = BTreeMap::new();
        let mut told = 0;
        for person in self.room.people() {
            let projection = self.seen.get_mut(&person.id).unwrap();
            let events = projection.changes(&mut round, person, &gone);
            told += black_box(events).len();
        }
        told
    }

    fn raise(&mut self, participant: ParticipantId, raised: bool) {
        let action = RaiseHand {
            participant,
            raised,
        };
        let person = self.room.person(participant).unwrap();
        let facts = self.room.facts_inside(person, &action).unwrap();
        let room = self.room.charter().room;
        let permit = self
            .rules
            .decide(person.who.actor, person.role, room, &facts, action);
        let now = Timestamp::from_millis(1_767_225_600_000);
        self.room.apply(permit.unwrap(), now).unwrap();
        while self.room.next_effect().is_some() {}
    }
}

pub(crate) fn run() {
    for people in [100, 300] {
        let mut watched = Watched::by(people);
        let everyone: Vec<_> = watched.room.people().map(|person| person.id).collect();
        assert_eq!(watched.tell(), 0, "nothing has changed yet");
        let (mut times, mut idle) = (Vec::new(), Vec::new());
        for change in 0..CHANGES {
            let begun = SystemClock.instant();
            watched.raise(everyone[change % everyone.len()], change < everyone.len());
            let told = watched.tell();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert!(told <= everyone.len());
            let begun = SystemClock.instant();
            assert_eq!(watched.tell(), 0);
            idle.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        note(&format!(
            "room.change.{people}: {people} people who see each other, {CHANGES} raised and lowered hands, p99 {:.3} ms; \
             to find that nothing changed takes {:.3} ms",
            percentile(&times, 0.99),
            median(&idle)
        ));
        figure(&format!("room.change.{people}"), median(&times), "ms", None);
    }
}
