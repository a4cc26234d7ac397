//! How long one decision takes, and how long loading the rules: `cargo bench -p conclave-policy`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement for people"
)]

use std::hint::black_box;
use std::time::Instant;

use conclave_policy::actions::{ActionKind, Publish};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, Right, SecondFactor, Standing, Target};
use conclave_policy::ids::{AccountId, ParticipantId, RoomId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::settings::Settings;
use conclave_policy::source::Source;

const ROUNDS: u32 = 10_000_000;

fn main() {
    let start = Instant::now();
    let rules = Snapshot::built_in(PolicyVersion(1)).expect("the rules of this build are sound");
    println!("load    {:?}", start.elapsed());

    let settings = Settings::strictest();
    let facts = Facts::new()
        .with(SecondFactor::Proved)
        .with(Standing::Admitted)
        .with(Target::Own)
        .with(Right::Default)
        .with(settings.microphone());
    let (actor, room) = (
        AccountId::from_bytes([1; 16]).into(),
        RoomId::from_bytes([2; 16]),
    );
    let action = Publish {
        participant: ParticipantId::from_bytes([3; 16]),
        source: Source::Microphone,
    };

    let start = Instant::now();
    for _ in 0..ROUNDS {
        let permit = rules.decide(
            actor,
            black_box(Role::Attendee),
            room,
            black_box(&facts),
            black_box(action),
        );
        assert!(black_box(permit).is_ok());
    }
    println!("decide  {:?}", start.elapsed() / ROUNDS);

    let start = Instant::now();
    for _ in 0..ROUNDS {
        assert!(rules.allows(
            ActionKind::PublishMicrophone,
            black_box(Role::Attendee),
            black_box(&facts)
        ));
    }
    println!("allows  {:?}", start.elapsed() / ROUNDS);
}
