//! Stories of settings in a live session, of webinars, and of who is brought on stage.

use conclave_policy::actions::OrgOption;
use conclave_policy::facts::NewRole;
use conclave_policy::kind::RoomKind;
use conclave_policy::levels::{OrgChoice, OrgChoices};

use super::*;

const ADMIN: ActorId = ActorId::from_bytes([77; 16]);

impl Story {
    fn webinar() -> (Self, ParticipantId) {
        let mut story = Self::with(SettingKey::SignIn, "guests_may_knock");
        let owner = story.enter(Self::signed_in(OWNER)).unwrap();
        let kind = RoomKind::Webinar;
        story.act(owner, act::ChangeKind { kind }).unwrap();
        story.effects();
        (story, owner)
    }

    fn role(&self, id: ParticipantId) -> Role {
        self.room.person(id).unwrap().role
    }

    fn place(
        &mut self,
        by: ParticipantId,
        whom: ParticipantId,
        role: NewRole,
    ) -> Result<(), ErrorCode> {
        let participant = whom;
        self.act(by, act::SetRole { participant, role })
    }

    fn speak(&mut self, participant: ParticipantId) -> Result<(), ErrorCode> {
        let source = Source::Microphone;
        self.act(
            participant,
            act::Publish {
                participant,
                source,
            },
        )
    }

    /// Cuts what fell, as the task around the room does.
    fn ask_again(&mut self) {
        let fell: Vec<_> = self
            .room
            .people()
            .flat_map(|person| {
                person
                    .floor
                    .live()
                    .iter()
                    .map(|source| (person.id, *source))
            })
            .filter(|(participant, source)| {
                let (participant, source) = (*participant, *source);
                let person = self.room.person(participant).unwrap();
                let publish = act::Publish {
                    participant,
                    source,
                };
                let facts = self.room.facts_inside(person, &publish).unwrap();
                let kind = act::ActionKind::publish(source);
                !self.rules.allows(kind, person.role, &facts)
            })
            .collect();
        for (participant, source) in fell {
            self.room.fell(participant, source);
        }
    }
}

fn told(effects: &[Effect]) -> Vec<(SettingKey, &str)> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::SettingChanged { key, by } => Some((*key, by.as_str())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_setting_holds_and_is_told_once_it_is_stored_and_not_before() {
    let (mut story, owner, _) = Story::two();
    let (key, value) = (SettingKey::Camera, "everyone_may");
    let change = act::ChangeSetting { key, value };
    let person = story.room.person(owner).unwrap();
    let facts = story.room.facts_inside(person, &change).unwrap();
    let room = story.room.charter().room;
    let permit = story
        .rules
        .decide(person.who.actor, Role::Owner, room, &facts, change)
        .unwrap();
    story.room.apply(permit, story.now).unwrap();
    assert_eq!(story.room.charter().settings, Settings::strictest());
    let effects = story.effects();
    assert!(told(&effects).is_empty());
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::SaveSettings { .. }))
    );

    let by = account(OWNER).into();
    let stored = story.room.levels().chosen(&[(key, value)], by).unwrap();
    story
        .room
        .room_chosen(stored.clone(), &Names::new(), story.now);
    assert_eq!(told(&story.effects()), [(key, "account 1")]);
    assert_eq!(story.room.charter().settings.value(key), value);
    // The same once more, from the other side, changes and tells nothing.
    story.room.room_chosen(stored, &Names::new(), story.now);
    assert!(story.effects().is_empty());
}

#[test]
fn who_is_not_in_the_room_is_named_as_they_were_kept() {
    let (mut story, ..) = Story::two();
    let names = Names::from([(ADMIN, crate::secret::Secret::new("Member".to_owned()))]);
    let choice = OrgChoice {
        value: "anytime",
        locked: true,
        by: ADMIN,
    };
    let org = OrgChoices::default()
        .with(SettingKey::Start, choice)
        .unwrap();
    let org = org.with_option(OrgOption::TwoPersonAdmission, true);
    story.room.org_chosen(org, &names, story.now);
    assert_eq!(told(&story.effects()), [(SettingKey::Start, "Member")]);
    assert!(story.room.charter().two_hosts);
}

#[test]
fn a_lock_refuses_hosts_and_owners_alike() {
    let (mut story, owner, _) = Story::two();
    let choice = OrgChoice {
        value: "required",
        locked: true,
        by: ADMIN,
    };
    let org = OrgChoices::default()
        .with(SettingKey::SignIn, choice)
        .unwrap();
    story.room.org_chosen(org, &Names::new(), story.now);
    let (key, value) = (SettingKey::SignIn, "guests_may_knock");
    let change = act::ChangeSetting { key, value };
    assert_eq!(story.act(owner, change), Err(ErrorCode::NotAllowed));
    let person = story.room.person(owner).unwrap();
    let facts = story.room.facts_present(person);
    let may = story.room.changeable(&story.rules, person.role, facts);
    assert!(!may.contains(&key) && may.contains(&SettingKey::Camera));
}

#[test]
fn in_a_webinar_who_comes_in_watches_until_a_host_brings_them_on_stage() {
    let (mut story, owner) = Story::webinar();
    let member = story.admitted(owner, Story::signed_in(2));
    let guest = story.admitted(owner, Story::guest(3));
    for who in [member, guest] {
        assert_eq!(story.role(who), Role::Observer);
        assert_eq!(story.speak(who), Err(ErrorCode::NotAllowed));
        let raised = act::RaiseHand {
            participant: who,
            raised: true,
        };
        story.act(who, raised).unwrap();
        // An audience is not shown to itself.
        assert_eq!(story.sees(who), sorted([owner, who]));
    }
    story.place(owner, member, NewRole::Attendee).unwrap();
    story.speak(member).unwrap();
    story.place(owner, member, NewRole::Observer).unwrap();
    story.ask_again();
    assert!(!story.live(member, Source::Microphone));
    assert_eq!(story.speak(member), Err(ErrorCode::NotAllowed));
    story.place(owner, member, NewRole::Presenter).unwrap();
    assert!(!story.live(member, Source::Microphone));
    story.speak(member).unwrap();
}

#[test]
fn a_guest_on_stage_is_a_guest_and_no_more() {
    let (mut story, owner) = Story::webinar();
    let guest = story.admitted(owner, Story::guest(3));
    for role in [NewRole::Presenter, NewRole::Host] {
        assert_eq!(story.place(owner, guest, role), Err(ErrorCode::NotAllowed));
    }
    story.place(owner, guest, NewRole::Attendee).unwrap();
    assert_eq!(story.role(guest), Role::Guest);
    assert_eq!(story.speak(guest), Err(ErrorCode::NotAllowed));
    let source = Source::Microphone;
    let participant = guest;
    story
        .act(
            owner,
            act::Grant {
                participant,
                source,
            },
        )
        .unwrap();
    story.speak(guest).unwrap();
    // What a guest is given does not go further than the stage.
    assert_eq!(
        story.place(owner, guest, NewRole::Attendee),
        Err(ErrorCode::NotAllowed)
    );
    story.place(owner, guest, NewRole::Observer).unwrap();
    story.ask_again();
    assert!(!story.live(guest, Source::Microphone));
}

#[test]
fn a_meeting_that_becomes_a_webinar_falls_silent_but_for_those_on_stage() {
    let mut story = Story::new();
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let [member, presenter] = [2, 3].map(|number| story.admitted(owner, Story::signed_in(number)));
    story.place(owner, presenter, NewRole::Presenter).unwrap();
    for who in [member, presenter] {
        story.speak(who).unwrap();
    }
    story.effects();
    for (kind, roles) in [
        (RoomKind::Webinar, [Role::Observer, Role::Presenter]),
        (RoomKind::Meeting, [Role::Attendee, Role::Presenter]),
    ] {
        story.act(owner, act::ChangeKind { kind }).unwrap();
        let effects = story.effects();
        assert!(effects.iter().any(|effect| matches!(
            effect,
            Effect::TellAll { event: Event::KindChanged { by, .. } } if by == "account 1"
        )));
        story.ask_again();
        assert_eq!([member, presenter].map(|who| story.role(who)), roles);
        // Giving a right back starts nothing.
        assert!(!story.live(member, Source::Microphone));
        assert!(story.live(presenter, Source::Microphone));
    }
}

#[test]
fn who_was_brought_on_stage_is_there_again_after_the_connection_was_lost_for_good() {
    let (mut story, owner) = Story::webinar();
    let member = story.admitted(owner, Story::signed_in(2));
    story.place(owner, member, NewRole::Attendee).unwrap();
    story
        .act(
            member,
            act::Leave {
                participant: member,
            },
        )
        .unwrap();
    let again = story.admitted(owner, Story::signed_in(2));
    assert_eq!(story.role(again), Role::Attendee);
}

#[test]
fn nobody_but_hosts_places_people_or_changes_what_the_room_is_for() {
    let (mut story, owner) = Story::webinar();
    let [one, two] = [2, 3].map(|number| story.admitted(owner, Story::signed_in(number)));
    story.place(owner, one, NewRole::Attendee).unwrap();
    for by in [one, two] {
        assert_eq!(
            story.place(by, two, NewRole::Attendee),
            Err(ErrorCode::NotAllowed)
        );
        let kind = RoomKind::Meeting;
        let change = story.act(by, act::ChangeKind { kind });
        assert_eq!(change, Err(ErrorCode::NotAllowed));
    }
}

#[test]
fn when_a_room_locks_itself_follows_the_setting_from_the_same_start() {
    let set = |story: &mut Story, owner, value| {
        let key = SettingKey::LockAfterStart;
        story.act(owner, act::ChangeSetting { key, value }).unwrap();
    };
    let (mut story, owner, _) = Story::two();
    story.wait(300);
    set(&mut story, owner, "never");
    story.wait(600);
    assert!(!story.room.locked());
    set(&mut story, owner, "thirty_minutes");
    story.wait(899);
    assert!(!story.room.locked());
    story.wait(1);
    assert!(story.room.locked());
    story.act(owner, act::Unlock {}).unwrap();
    // The time that the stricter value gives has passed.
    set(&mut story, owner, "ten_minutes");
    assert!(story.room.locked());
}

#[test]
fn a_session_that_has_lasted_too_long_ends_when_the_setting_says_so() {
    let mut story = Story::with(SettingKey::SessionLength, "twenty_four_hours");
    story.enter(Story::signed_in(OWNER)).unwrap();
    story.wait(9 * 60 * 60);
    assert!(!story.room.ended());
    story
        .room
        .settings_changed(Settings::strictest(), story.now);
    assert!(story.room.ended());
}
