//! Tests of the room as a whole, told as short stories. Permits are asked of the built-in rules, as the guard does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_policy::actions as act;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{NewRole, Password};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::settings::{SettingKey, Settings};
use conclave_policy::source::Source;

use crate::clock::Timestamp;
use crate::ids::{AccountId, ActorId, GuestId, KnockId, OrgId, ParticipantId, RoomId, SessionId};
use crate::rooms::effect::Effect;
use crate::rooms::levels::Names;
use crate::rooms::person::Applicant;
use crate::rooms::projection::{Lines, Projection, Round};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Charter, Room, RoomAction};
use crate::rooms::view::{DoneToYou, Event, LeaveReason, RoomView, SourceState};

mod control;
mod factor;
mod levels;

struct Story {
    room: Room,
    rules: Snapshot,
    now: Timestamp,
    next: u8,
}

const OWNER: u8 = 1;

fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

impl Story {
    fn new() -> Self {
        let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let charter = Charter {
            org: OrgId::from_bytes([9; 16]),
            room: RoomId::from_bytes([8; 16]),
            session: SessionId::from_bytes([7; 16]),
            title: "Board".into(),
            owner: account(OWNER),
            settings: Settings::strictest(),
            appointed: BTreeMap::new(),
            barred: BTreeSet::new(),
            bars: Vec::new(),
            leaders: BTreeMap::new(),
            two_hosts: false,
            asks_factor: false,
        };
        let now = Timestamp::from_millis(1_000_000);
        Self {
            room: Room::new(charter, PolicyVersion(1), now),
            rules,
            now,
            next: 100,
        }
    }

    fn with(key: SettingKey, value: &str) -> Self {
        let mut story = Self::new();
        let mut settings = Settings::strictest();
        settings.set(key, value).unwrap();
        story.room.settings_changed(settings, story.now);
        story.effects();
        story
    }

    fn fresh(&mut self) -> [u8; 16] {
        self.next += 1;
        [self.next; 16]
    }

    fn signed_in(number: u8) -> Applicant {
        Applicant {
            name: format!("account {number}"),
            password: Password::Proved,
            ..Applicant::account(account(number))
        }
    }

    fn guest(number: u8) -> Applicant {
        Applicant {
            name: format!("guest {number}"),
            password: Password::Proved,
            ..Applicant::guest(GuestId::from_bytes([number; 16]))
        }
    }

    fn enter(&mut self, who: Applicant) -> Result<ParticipantId, ErrorCode> {
        let (role, facts) = (self.room.role_of(&who), self.room.facts_outside(&who));
        let room = self.room.charter().room;
        let permit = self
            .rules
            .decide(who.actor, role, room, &facts, act::Enter {})
            .map_err(|_| ErrorCode::CannotJoin)?;
        let id = ParticipantId::from_bytes(self.fresh());
        self.room.enter(permit, who, id, self.now)?;
        Ok(id)
    }

    fn knock(&mut self, who: Applicant) -> Result<KnockId, ErrorCode> {
        let (role, facts) = (self.room.role_of(&who), self.room.facts_outside(&who));
        let room = self.room.charter().room;
        let permit = self
            .rules
            .decide(who.actor, role, room, &facts, act::Knock {})
            .map_err(|_| ErrorCode::CannotJoin)?;
        let (id, becomes) = (
            KnockId::from_bytes(self.fresh()),
            ParticipantId::from_bytes(self.fresh()),
        );
        self.room.knock(permit, who, id, becomes, self.now)?;
        Ok(id)
    }

    fn act<A: RoomAction>(&mut self, by: ParticipantId, action: A) -> Result<(), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let facts = self.room.facts_inside(person, &action)?;
        let room = self.room.charter().room;
        let permit = self
            .rules
            .decide(person.who.actor, person.role, room, &facts, action)
            .map_err(|_| ErrorCode::NotAllowed)?;
        self.room.apply(permit, self.now)?;
        self.save();
        Ok(())
    }

    /// Does at once what the store does with permitted settings and with a handover.
    fn save(&mut self) {
        let mut effects = self.effects();
        let handed = effects.iter().find_map(|effect| match effect {
            Effect::SaveOwner(handover) => Some(*handover),
            _ => None,
        });
        let saved = effects.extract_if(.., |effect| matches!(effect, Effect::SaveSettings { .. }));
        let saved: Vec<_> = saved.collect();
        self.room.effects.extend(effects);
        if let Some(handover) = handed {
            self.room.owner_kept(handover, self.now);
        }
        for effect in saved {
            let Effect::SaveSettings { settings, kind } = effect else {
                continue;
            };
            let mut actors = settings.iter().map(|permit| permit.actor());
            let by = actors
                .next()
                .or(kind.as_ref().map(|kind| kind.actor()))
                .unwrap();
            let changes: Vec<_> = settings
                .iter()
                .map(|permit| (permit.action().key, permit.action().value))
                .collect();
            let mut chosen = self.room.levels().chosen(&changes, by).unwrap();
            if let Some(kind) = kind {
                chosen = chosen.with_kind(kind.action().kind, Some(by));
            }
            self.room.room_chosen(chosen, &Names::new(), self.now);
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.room.on_time(self.now);
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.room.next_effect()).collect()
    }

    /// The owner is in, and an attendee whom the owner admitted.
    fn two() -> (Self, ParticipantId, ParticipantId) {
        let mut story = Self::new();
        let owner = story.enter(Self::signed_in(OWNER)).unwrap();
        let other = story.admitted(owner, Self::signed_in(2));
        story.effects();
        (story, owner, other)
    }

    fn admitted(&mut self, by: ParticipantId, who: Applicant) -> ParticipantId {
        let knock = self.knock(who).unwrap();
        let becomes = self.room.lobby().get(knock).unwrap().becomes;
        self.act(by, act::Admit { knock, version: 1 }).unwrap();
        becomes
    }

    fn live(&self, id: ParticipantId, source: Source) -> bool {
        self.room.person(id).unwrap().floor.is_live(source)
    }

    /// The whole room, as someone who comes in now is shown it.
    fn view(&self, viewer: ParticipantId) -> RoomView {
        let lines = Lines::of(&self.room, &self.rules);
        let mut round = Round::new(&self.room, &self.rules, &lines);
        Projection::default().whole(&mut round, self.room.person(viewer).unwrap())
    }

    fn sees(&self, viewer: ParticipantId) -> Vec<ParticipantId> {
        self.view(viewer)
            .participants
            .into_iter()
            .map(|line| line.participant)
            .collect()
    }
}

#[test]
fn the_owner_goes_in_and_everyone_else_waits() {
    let mut story = Story::new();
    assert_eq!(story.enter(Story::signed_in(2)), Err(ErrorCode::CannotJoin));
    story.enter(Story::signed_in(OWNER)).unwrap();
    assert_eq!(story.enter(Story::signed_in(2)), Err(ErrorCode::CannotJoin));
    story.knock(Story::signed_in(2)).unwrap();
    assert_eq!(story.room.people().count(), 1);
}

#[test]
fn a_wrong_password_and_a_guest_are_refused_alike() {
    let mut story = Story::new();
    let wrong = Applicant {
        password: Password::Missing,
        ..Story::signed_in(2)
    };
    assert_eq!(story.knock(wrong), Err(ErrorCode::CannotJoin));
    assert_eq!(story.knock(Story::guest(3)), Err(ErrorCode::CannotJoin));
    assert!(
        Story::with(SettingKey::SignIn, "guests_may_knock")
            .knock(Story::guest(3))
            .is_ok()
    );
}

#[test]
fn a_mute_cuts_before_anything_is_said_and_withdraws_the_right() {
    let (mut story, owner, other) = Story::two();
    story
        .act(
            other,
            act::Publish {
                participant: other,
                source: Source::Microphone,
            },
        )
        .unwrap();
    story.effects();
    story.act(owner, act::Mute { participant: other }).unwrap();
    let effects = story.effects();
    let cut = effects
        .iter()
        .position(|e| {
            matches!(
                e,
                Effect::Cut {
                    source: Source::Microphone,
                    ..
                }
            )
        })
        .unwrap();
    let told = effects.iter().position(|e| {
        matches!(
            e,
            Effect::Tell {
                event: Event::DoneToYou {
                    what: DoneToYou::Muted,
                    ..
                },
                ..
            }
        )
    });
    assert!(cut < told.unwrap());
    let again = story.act(
        other,
        act::Publish {
            participant: other,
            source: Source::Microphone,
        },
    );
    assert_eq!(again, Err(ErrorCode::NotAllowed));
}

#[test]
fn stopping_a_share_stops_its_sound_too() {
    let (mut story, owner, other) = Story::two();
    story
        .act(
            owner,
            act::Grant {
                participant: other,
                source: Source::Screen,
            },
        )
        .unwrap();
    for source in [Source::Screen, Source::ScreenAudio] {
        story
            .act(
                other,
                act::Publish {
                    participant: other,
                    source,
                },
            )
            .unwrap();
    }
    story
        .act(owner, act::StopShare { participant: other })
        .unwrap();
    assert!(!story.live(other, Source::Screen) && !story.live(other, Source::ScreenAudio));
}

#[test]
fn nobody_moderates_upwards_or_sideways() {
    let (mut story, owner, other) = Story::two();
    assert_eq!(
        story.act(other, act::Mute { participant: owner }),
        Err(ErrorCode::NotAllowed)
    );
    story
        .act(
            owner,
            act::SetRole {
                participant: other,
                role: NewRole::Host,
            },
        )
        .unwrap();
    let third = story.admitted(owner, Story::signed_in(3));
    story
        .act(
            owner,
            act::SetRole {
                participant: third,
                role: NewRole::Host,
            },
        )
        .unwrap();
    for target in [owner, third] {
        assert_eq!(
            story.act(
                other,
                act::Mute {
                    participant: target
                }
            ),
            Err(ErrorCode::NotAllowed)
        );
        assert_eq!(
            story.act(
                other,
                act::Remove {
                    participant: target
                }
            ),
            Err(ErrorCode::NotAllowed)
        );
        let demote = act::SetRole {
            participant: target,
            role: NewRole::Attendee,
        };
        assert_eq!(story.act(other, demote), Err(ErrorCode::NotAllowed));
    }
}

#[test]
fn the_removed_lose_everything_and_do_not_come_back() {
    let (mut story, owner, other) = Story::two();
    story
        .act(
            other,
            act::Publish {
                participant: other,
                source: Source::Microphone,
            },
        )
        .unwrap();
    story.effects();
    story
        .act(owner, act::Remove { participant: other })
        .unwrap();
    let effects = story.effects();
    assert!(effects.iter().any(|e| matches!(e, Effect::Cut { .. })));
    assert!(effects.iter().any(|e| matches!(
        e,
        Effect::Gone {
            reason: LeaveReason::Removed,
            ..
        }
    )));
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::SaveRemoval { .. }))
    );
    assert_eq!(story.knock(Story::signed_in(2)), Err(ErrorCode::CannotJoin));
    assert_eq!(
        story.act(other, act::Resume { participant: other }),
        Err(ErrorCode::NotFound)
    );
}

#[test]
fn a_knock_at_a_locked_room_still_waits_and_hosts_see_when_it_came() {
    let (mut story, owner, _) = Story::two();
    story.act(owner, act::Lock {}).unwrap();
    let knock = story.knock(Story::signed_in(5)).unwrap();
    assert!(story.room.lobby().get(knock).unwrap().while_locked);
}

#[test]
fn the_room_locks_itself_ten_minutes_after_it_started() {
    let (mut story, ..) = Story::two();
    story.wait(599);
    assert!(!story.room.locked());
    story.wait(1);
    assert!(story.room.locked());
}

#[test]
fn the_room_locks_when_the_last_host_is_gone_and_nobody_is_promoted() {
    let (mut story, owner, other) = Story::two();
    story.room.lost(owner, story.now);
    story.wait(29);
    assert!(!story.room.locked());
    story.wait(1);
    assert!(story.room.locked());
    assert_eq!(story.room.person(other).unwrap().role, Role::Attendee);
    story
        .act(owner, act::Resume { participant: owner })
        .unwrap();
    assert!(story.room.locked());
}

#[test]
fn a_lost_connection_may_come_back_for_two_minutes_also_when_locked() {
    let (mut story, owner, other) = Story::two();
    story.act(owner, act::Lock {}).unwrap();
    story.room.lost(other, story.now);
    story.wait(119);
    let person = story.room.person(other).unwrap();
    let facts = story
        .room
        .facts_inside(person, &act::Resume { participant: other })
        .unwrap();
    let facts = facts.with(conclave_policy::facts::Mine::Yes);
    let room = story.room.charter().room;
    let permit = story
        .rules
        .decide(
            person.who.actor,
            person.role,
            room,
            &facts,
            act::Resume { participant: other },
        )
        .unwrap();
    story.room.apply(permit, story.now).unwrap();
    story.room.lost(other, story.now);
    story.wait(120);
    assert!(story.room.person(other).is_none());
}

#[test]
fn an_admission_names_the_version_that_was_seen_and_needs_space() {
    let (mut story, owner, _) = Story::two();
    let knock = story.knock(Story::signed_in(5)).unwrap();
    assert_eq!(
        story.act(owner, act::Admit { knock, version: 7 }),
        Err(ErrorCode::Stale)
    );
    for number in 10..108 {
        let mut id = [number; 16];
        id[0] = 255;
        let id = ParticipantId::from_bytes(id);
        story
            .room
            .seat(id, Story::signed_in(number), Role::Attendee, story.now);
    }
    assert_eq!(story.room.people().count(), 100);
    assert_eq!(
        story.act(owner, act::Admit { knock, version: 1 }),
        Err(ErrorCode::NotAllowed)
    );
}

#[test]
fn a_permit_of_older_rules_or_of_another_room_is_refused() {
    let (mut story, owner, other) = Story::two();
    let facts = {
        let person = story.room.person(owner).unwrap();
        story
            .room
            .facts_inside(person, &act::Mute { participant: other })
            .unwrap()
    };
    let (actor, room) = (account(OWNER).into(), story.room.charter().room);
    let mute = act::Mute { participant: other };
    let old = story
        .rules
        .decide(actor, Role::Owner, room, &facts, mute)
        .unwrap();
    let foreign = story
        .rules
        .decide(
            actor,
            Role::Owner,
            RoomId::from_bytes([1; 16]),
            &facts,
            mute,
        )
        .unwrap();
    assert_eq!(story.room.apply(foreign, story.now), Err(ErrorCode::Stale));
    story.room.rules_changed(PolicyVersion(2));
    assert_eq!(story.room.apply(old, story.now), Err(ErrorCode::Stale));
}

#[test]
fn guests_see_hosts_and_whoever_sends_something() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let other = story.admitted(owner, Story::signed_in(2));
    let guest = story.admitted(owner, Story::guest(3));
    let quiet = story.admitted(owner, Story::guest(4));
    assert_eq!(story.sees(guest), sorted([owner, guest]));
    story
        .act(
            other,
            act::Publish {
                participant: other,
                source: Source::Microphone,
            },
        )
        .unwrap();
    assert_eq!(story.sees(guest), sorted([owner, other, guest]));
    assert_eq!(story.sees(other), sorted([owner, other, guest, quiet]));
}

fn sorted<const N: usize>(mut ids: [ParticipantId; N]) -> [ParticipantId; N] {
    ids.sort_unstable();
    ids
}

#[test]
fn only_hosts_are_told_how_many_there_are_and_who_waits() {
    let (mut story, owner, other) = Story::two();
    story.knock(Story::signed_in(5)).unwrap();
    let whole = |id| story.view(id);
    assert_eq!(
        (whole(owner).count, whole(owner).knocks.map(|k| k.len())),
        (Some(2), Some(1))
    );
    assert_eq!((whole(other).count, whole(other).knocks), (None, None));
}

#[test]
fn a_view_says_what_each_source_may_do() {
    let (mut story, owner, other) = Story::two();
    story.act(owner, act::Mute { participant: other }).unwrap();
    let own = story
        .view(other)
        .participants
        .into_iter()
        .find(|line| line.participant == other)
        .unwrap()
        .sources;
    assert_eq!(own.microphone, SourceState::Withdrawn);
    assert_eq!(own.camera, SourceState::Off);
    assert_eq!(own.screen, SourceState::NotAllowed);
}

#[test]
fn the_last_check_at_the_door_cannot_be_relaxed_away() {
    let (mut story, owner, _) = Story::two();
    let mut relax = |key: SettingKey, value: &str| {
        let value = key.parse_value(value).unwrap();
        story.act(owner, act::ChangeSetting { key, value })
    };
    relax(SettingKey::WaitingRoom, "nobody").unwrap();
    relax(SettingKey::Password, "none").unwrap();
    assert_eq!(
        relax(SettingKey::SignIn, "guests_may_knock"),
        Err(ErrorCode::InvalidValue)
    );
    assert_eq!(
        relax(SettingKey::MaxParticipants, "thousand"),
        Err(ErrorCode::NotAllowed)
    );
}

#[test]
fn an_empty_session_ends_after_a_quarter_of_an_hour() {
    let (mut story, owner, other) = Story::two();
    story.act(owner, act::Leave { participant: owner }).unwrap();
    story.act(other, act::Leave { participant: other }).unwrap();
    story.wait(899);
    assert!(!story.room.ended());
    story.wait(1);
    assert!(story.room.ended());
}

#[test]
fn whoever_waits_does_not_learn_that_nobody_came() {
    let mut story = Story::new();
    story.knock(Story::signed_in(5)).unwrap();
    story.wait(7199);
    assert!(
        !story
            .effects()
            .iter()
            .any(|e| matches!(e, Effect::TurnedAway { .. }))
    );
    // The knock lapses when it does in a busy room, and the session follows.
    story.wait(1);
    assert!(
        story
            .effects()
            .iter()
            .any(|e| matches!(e, Effect::TurnedAway { .. }))
    );
    assert!(!story.room.ended());
    story.wait(900);
    assert!(story.room.ended());
}

#[test]
fn ending_sends_everyone_away() {
    let (mut story, owner, _) = Story::two();
    story.knock(Story::signed_in(5)).unwrap();
    story.effects();
    story.act(owner, act::EndSession {}).unwrap();
    let effects = story.effects();
    assert_eq!(
        effects
            .iter()
            .filter(|e| matches!(e, Effect::Gone { .. }))
            .count(),
        2
    );
    assert_eq!(
        effects
            .iter()
            .filter(|e| matches!(e, Effect::TurnedAway { .. }))
            .count(),
        1
    );
    assert!(matches!(effects.last(), Some(Effect::Ended)));
    assert_eq!(story.enter(Story::signed_in(OWNER)), Err(ErrorCode::Ended));
}
