//! `policy.reask_100k`: rooms in which 100,000 permits stand, when the rules are swapped: each room takes up the new version and
//! asks every one of them again, by the same function as the task around a room, and cuts what fell.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use conclave::clock::{Clock, SystemClock, Timestamp};
use conclave::ids::{AccountId, OrgId, ParticipantId, RoomId, SessionId};
use conclave::rooms::person::Applicant;
use conclave::rooms::room::{Charter, Room};
use conclave::rooms::standing;
use conclave_policy::actions::{Enter, Publish};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::Password;
use conclave_policy::permit::PolicyVersion;
use conclave_policy::settings::{SettingKey, Settings};
use conclave_policy::source::Source;

use crate::guard::organisation;
use crate::measure::{figure, median, note, percentile};

const ROOMS: u32 = 100;
/// Of each room; each of them sends sound, and receives: two permits.
const PEOPLE: u32 = 500;
const PERMITS: u32 = 2 * ROOMS * PEOPLE;
const SWAPS: u64 = 21;

fn id(kind: u8, room: u32, person: u32) -> [u8; 16] {
    let mut id = [kind; 16];
    id[..4].copy_from_slice(&room.to_be_bytes());
    id[4..8].copy_from_slice(&person.to_be_bytes());
    id
}

/// A room in which so many people sit and send sound.
pub(crate) fn full(rules: &Snapshot, number: u32, people: u32) -> Room {
    let mut settings = Settings::strictest();
    for (key, value) in [
        (SettingKey::WaitingRoom, "nobody"),
        (SettingKey::MaxParticipants, "thousand"),
    ] {
        settings.set(key, value).unwrap();
    }
    let now = Timestamp::from_millis(1_767_225_600_000);
    let room = RoomId::from_bytes(id(1, number, 0));
    let charter = Charter {
        org: OrgId::from_bytes([9; 16]),
        room,
        session: SessionId::from_bytes(id(2, number, 0)),
        title: "Board".into(),
        owner: AccountId::from_bytes(id(3, number, 0)),
        settings,
        appointed: BTreeMap::new(),
        barred: BTreeSet::new(),
        bars: Vec::new(),
        leaders: BTreeMap::new(),
        two_hosts: false,
        asks_factor: false,
    };
    let mut live = Room::new(charter, rules.version(), now);
    for person in 0..people {
        let account = AccountId::from_bytes(id(3, number, person));
        let who = Applicant {
            actor: account.into(),
            account: Some(account),
            name: format!("Person {person}"),
            picture: None,
            org_admin: false,
            second_factor: false,
            password: Password::Proved,
            organisation: None,
            link: None,
            brought: None,
            device: None,
            network: None,
            way: conclave::rooms::person::Way::Page,
        };
        let (role, facts) = (live.role_of(&who), live.facts_outside(&who));
        let participant = ParticipantId::from_bytes(id(4, number, person));
        let enter = rules.decide(who.actor, role, room, &facts, Enter).unwrap();
        live.enter(enter, who, participant, now).unwrap();
        let publish = Publish {
            participant,
            source: Source::Microphone,
        };
        let person = live.person(participant).unwrap();
        let (actor, role) = (person.who.actor, person.role);
        let facts = live.facts_inside(person, &publish).unwrap();
        let publish = rules.decide(actor, role, room, &facts, publish).unwrap();
        live.apply(publish, now).unwrap();
    }
    while live.next_effect().is_some() {}
    live
}

pub(crate) fn run() {
    let first = Snapshot::built_in(PolicyVersion(1)).unwrap();
    let mut rooms: Vec<Room> = (0..ROOMS)
        .map(|number| full(&first, number, PEOPLE))
        .collect();
    let (mut times, text) = (Vec::new(), organisation());
    for swap in 0..SWAPS {
        let rules = Snapshot::narrowed(&text, PolicyVersion(2 + swap)).unwrap();
        let mut fell = 0;
        let begun = SystemClock.instant();
        for room in &mut rooms {
            room.rules_changed(rules.version());
            let fallen = standing::fallen(room, &rules);
            fell += fallen.sending.len() + fallen.receiving.len();
            black_box(&fallen);
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(fell, 0, "these rules cut nobody");
    }
    // And once with rules that cut everyone but the owners.
    let text = "p, attendee, publish_microphone, standing=admitted, deny\n";
    let rules = Snapshot::narrowed(text, PolicyVersion(2 + SWAPS)).unwrap();
    let mut fell = 0;
    let begun = SystemClock.instant();
    for room in &mut rooms {
        room.rules_changed(rules.version());
        let fallen = standing::fallen(room, &rules);
        for (participant, source, _) in fallen.sending {
            room.fell(participant, source);
            fell += 1;
        }
    }
    let cut = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(fell, ROOMS * (PEOPLE - 1));
    note(&format!(
        "policy.reask_100k: {ROOMS} rooms of {PEOPLE}, {PERMITS} permits, on one thread, {SWAPS} swaps, the slowest {:.1} ms; \
         a swap that cuts {fell} of them takes {cut:.1} ms",
        percentile(&times, 1.0)
    ));
    figure("policy.reask_100k", median(&times), "ms", None);
}
