//! Permits for tests, got as the server gets them: by asking the rules that come with this build.

use conclave_policy::actions::{Action, Connect, Publish, Watch};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, Right, SecondFactor, Standing, Suspension, Target};
use conclave_policy::ids::{AccountId, ActorId, ParticipantId, RoomId};
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;
use conclave_policy::settings::{Camera, Microphone, ScreenShare};
use conclave_policy::source::Source;

/// Asks for permits of a host who was admitted.
pub(crate) struct Permits {
    rules: Snapshot,
}

/// The room with this number.
pub(crate) fn room(number: u8) -> RoomId {
    RoomId::from_bytes([number; 16])
}

/// The participant with this number.
pub(crate) fn participant(number: u8) -> ParticipantId {
    ParticipantId::from_bytes([number; 16])
}

impl Permits {
    pub(crate) fn new() -> Self {
        Self::of_version(1)
    }

    /// Permits of the rule set with this number.
    pub(crate) fn of_version(version: u64) -> Self {
        Self {
            rules: Snapshot::built_in(PolicyVersion(version)).unwrap(),
        }
    }

    pub(crate) fn ask<A: Action>(&self, in_room: u8, who: u8, action: A) -> Permit<A> {
        let actor: ActorId = AccountId::from_bytes([who; 16]).into();
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted)
            .with(Target::Own)
            .with(Right::Default)
            .with(Suspension::Running)
            .with(Microphone::AttendeesSpeakGuestsAsk)
            .with(Camera::AttendeesMayGuestsAsk)
            .with(ScreenShare::HostsAndPresenters);
        self.rules
            .decide(actor, Role::Host, room(in_room), &facts, action)
            .unwrap()
    }

    pub(crate) fn connect(&self, in_room: u8, who: u8) -> Permit<Connect> {
        self.ask(
            in_room,
            who,
            Connect {
                participant: participant(who),
            },
        )
    }

    pub(crate) fn watch(&self, in_room: u8, who: u8) -> Permit<Watch> {
        self.ask(
            in_room,
            who,
            Watch {
                participant: participant(who),
            },
        )
    }

    pub(crate) fn publish(&self, in_room: u8, who: u8, source: Source) -> Permit<Publish> {
        self.ask(
            in_room,
            who,
            Publish {
                participant: participant(who),
                source,
            },
        )
    }
}
