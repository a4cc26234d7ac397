//! Stories of what hosts do: suspension, spotlight, the way back to the waiting room, bars, the ownership, two hosts at the
//! door.

use conclave_policy::permit::Permit;

use super::*;
use crate::ids::{BarId, DeviceId, LinkId};
use crate::rooms::outbound::{Phrase, WaitingWord};
use crate::rooms::person::{Brought, GuestLink};

impl Story {
    fn permit<A: RoomAction>(&self, by: ParticipantId, action: A) -> Result<Permit<A>, ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let facts = self.room.facts_inside(person, &action)?;
        let room = self.room.charter().room;
        self.rules
            .decide(person.who.actor, person.role, room, &facts, action)
            .map_err(|_| ErrorCode::NotAllowed)
    }

    pub(super) fn send_back(
        &mut self,
        by: ParticipantId,
        participant: ParticipantId,
    ) -> Result<KnockId, ErrorCode> {
        let permit = self.permit(by, act::SendBack { participant })?;
        let (knock, becomes) = (
            KnockId::from_bytes(self.fresh()),
            ParticipantId::from_bytes(self.fresh()),
        );
        self.room.send_back(permit, knock, becomes, self.now)?;
        Ok(knock)
    }

    fn bar(&mut self, by: ParticipantId, participant: ParticipantId) -> Result<BarId, ErrorCode> {
        let permit = self.permit(by, act::Bar { participant })?;
        let bar = BarId::from_bytes(self.fresh());
        self.room.bar(permit, bar, self.now)?;
        Ok(bar)
    }

    fn publish(&mut self, who: ParticipantId, source: Source) -> Result<(), ErrorCode> {
        let action = act::Publish {
            participant: who,
            source,
        };
        self.act(who, action)
    }
}

#[test]
fn a_suspension_stops_everyone_and_starts_nobody() {
    let (mut story, owner, other) = Story::two();
    story.publish(owner, Source::Camera).unwrap();
    story.publish(other, Source::Microphone).unwrap();
    story.effects();
    story.act(owner, act::Suspend).unwrap();
    assert!(story.room.locked() && story.room.suspended());
    assert!(!story.live(owner, Source::Camera));
    assert!(!story.live(other, Source::Microphone));
    let first = story.effects().into_iter().next();
    assert!(matches!(first, Some(Effect::Cut { .. })), "{first:?}");
    // The owner leads on; the others wait.
    assert_eq!(
        story.publish(other, Source::Microphone),
        Err(ErrorCode::NotAllowed)
    );
    story.publish(owner, Source::Microphone).unwrap();
    story.act(owner, act::LiftSuspension).unwrap();
    assert!(story.room.locked() && !story.room.suspended());
    assert!(!story.live(other, Source::Microphone));
    story.publish(other, Source::Microphone).unwrap();
}

#[test]
fn whoever_is_sent_back_has_nothing_left_and_may_be_admitted_again() {
    let (mut story, owner, other) = Story::two();
    story.publish(other, Source::Microphone).unwrap();
    story
        .act(
            owner,
            act::Spotlight {
                participant: Some(other),
            },
        )
        .unwrap();
    story.effects();
    let knock = story.send_back(owner, other).unwrap();
    assert!(story.room.person(other).is_none());
    assert_eq!(story.room.spotlight(), None);
    let effects = story.effects();
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    assert!(
        place(|e| matches!(e, Effect::Cut { .. }))
            < place(|e| matches!(e, Effect::SentBack { .. }))
    );
    let becomes = story.room.lobby().get(knock).unwrap().becomes;
    story.act(owner, act::Admit { knock, version: 1 }).unwrap();
    assert!(!story.live(becomes, Source::Microphone));
}

#[test]
fn someone_who_is_away_is_sent_back_to_the_street() {
    let (mut story, owner, other) = Story::two();
    story.room.lost(other, story.now);
    story.send_back(owner, other).unwrap();
    assert!(story.room.person(other).is_none() && story.room.lobby().is_empty());
}

#[test]
fn nobody_sends_a_host_back_or_bars_one_but_the_owner() {
    let (mut story, owner, host) = Story::two();
    let role = NewRole::Host;
    let make = act::SetRole {
        participant: host,
        role,
    };
    story.act(owner, make).unwrap();
    let second = story.admitted(owner, Story::signed_in(3));
    let make = act::SetRole {
        participant: second,
        role,
    };
    story.act(owner, make).unwrap();
    assert_eq!(story.send_back(host, second), Err(ErrorCode::NotAllowed));
    assert_eq!(story.bar(host, owner), Err(ErrorCode::NotAllowed));
    story.bar(owner, second).unwrap();
}

#[test]
fn a_bar_holds_by_link_and_browser_whatever_the_guest_calls_themself() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let device = Some(DeviceId::from_bytes([8; 16]));
    let link = Some(GuestLink {
        id: LinkId::from_bytes([6; 16]),
        label: "the auditor".into(),
    });
    let marked = |number, device, link| Applicant {
        device,
        link,
        ..Story::guest(number)
    };
    let first = story.admitted(owner, marked(2, device, link.clone()));
    let bar = story.bar(owner, first).unwrap();
    let mut settings = story.room.charter().settings;
    settings.set(SettingKey::RemovedMayReturn, "yes").unwrap();
    story.room.settings_changed(settings, story.now);
    // A new session, even where whoever was removed may come back.
    for kept_out in [marked(3, device, None), marked(4, None, link)] {
        assert_eq!(story.knock(kept_out), Err(ErrorCode::CannotJoin));
    }
    assert!(story.knock(marked(5, None, None)).is_ok());
    story.act(owner, act::Unbar { bar }).unwrap();
    assert!(story.knock(marked(6, device, None)).is_ok());
}

#[test]
fn whom_a_product_brings_to_watch_only_watches_and_is_barred_as_themself() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let brought = |number, observes| Applicant {
        brought: Some(Box::new(Brought {
            product: "Course Desk".into(),
            observes,
        })),
        ..Story::guest(number)
    };
    let watches = story.admitted(owner, brought(2, true));
    let takes_part = story.admitted(owner, brought(3, false));
    let role = |story: &Story, id| story.room.person(id).unwrap().role;
    assert_eq!(role(&story, watches), Role::Observer);
    assert_eq!(role(&story, takes_part), Role::Guest);
    // No host makes more of it, and no kind of room.
    for role in [NewRole::Attendee, NewRole::Presenter, NewRole::Host] {
        let make = |participant| act::SetRole { participant, role };
        assert_eq!(story.act(owner, make(watches)), Err(ErrorCode::NotAllowed));
    }
    assert_eq!(role(&story, watches), Role::Observer);
    let speak = act::Publish {
        participant: watches,
        source: Source::Microphone,
    };
    assert!(story.act(watches, speak).is_err());
    // They are known by who they are there, with whatever session they come.
    let bar = story.bar(owner, takes_part).unwrap();
    assert_eq!(story.knock(brought(3, true)), Err(ErrorCode::CannotJoin));
    assert!(story.knock(brought(4, false)).is_ok());
    story.act(owner, act::Unbar { bar }).unwrap();
    assert!(story.knock(brought(3, false)).is_ok());
}

#[test]
fn a_room_is_handed_over_and_its_former_owner_hosts_it() {
    let (mut story, owner, other) = Story::two();
    let hand_over = act::TransferOwnership { participant: other };
    assert_eq!(
        story.act(other, act::TransferOwnership { participant: other }),
        Err(ErrorCode::NotAllowed)
    );
    story.act(owner, hand_over).unwrap();
    let role = |id| story.room.person(id).unwrap().role;
    assert_eq!((role(owner), role(other)), (Role::Host, Role::Owner));
    assert_eq!(story.room.charter().owner, account(2));
    let demote = act::SetRole {
        participant: other,
        role: NewRole::Attendee,
    };
    assert_eq!(story.act(owner, demote), Err(ErrorCode::NotAllowed));
    assert!(
        story
            .effects()
            .iter()
            .any(|e| matches!(e, Effect::SaveOwner(_)))
    );
}

#[test]
fn a_room_that_was_handed_over_is_the_former_owners_until_that_is_kept() {
    let (mut story, owner, other) = Story::two();
    let person = story.room.person(owner).unwrap();
    let hand_over = act::TransferOwnership { participant: other };
    let facts = story.room.facts_inside(person, &hand_over).unwrap();
    let (actor, room) = (person.who.actor, story.room.charter().room);
    let permit = story
        .rules
        .decide(actor, Role::Owner, room, &facts, hand_over);
    story.room.apply(permit.unwrap(), story.now).unwrap();
    let role = |story: &Story, id| story.room.person(id).unwrap().role;
    assert_eq!(
        (role(&story, owner), role(&story, other)),
        (Role::Owner, Role::Attendee)
    );
    let kept = story.effects().into_iter().find_map(|effect| match effect {
        Effect::SaveOwner(handover) => Some(handover),
        _ => None,
    });
    // Whoever has it by then may have gone: it is theirs all the same.
    story.act(other, act::Leave { participant: other }).unwrap();
    story.room.owner_kept(kept.unwrap(), story.now);
    assert_eq!(role(&story, owner), Role::Host);
    let again = story.enter(Story::signed_in(2)).unwrap();
    assert_eq!(role(&story, again), Role::Owner);
}

#[test]
fn a_guest_is_never_made_the_owner() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let guest = story.admitted(owner, Story::guest(2));
    assert_eq!(
        story.act(owner, act::TransferOwnership { participant: guest }),
        Err(ErrorCode::NotAllowed)
    );
}

#[test]
fn where_two_must_agree_one_host_alone_lets_nobody_in() {
    let (mut story, owner, host) = Story::two();
    let make = act::SetRole {
        participant: host,
        role: NewRole::Host,
    };
    story.act(owner, make).unwrap();
    story.room.charter.two_hosts = true;
    let knock = story.knock(Story::signed_in(5)).unwrap();
    let admit = act::Admit { knock, version: 1 };
    story.act(owner, admit).unwrap();
    story.act(owner, admit).unwrap();
    assert!(story.room.lobby().get(knock).is_some());
    // Whoever has agreed and is no longer a host does not count.
    let unmake = act::SetRole {
        participant: host,
        role: NewRole::Attendee,
    };
    story.act(host, admit).unwrap();
    assert!(story.room.lobby().get(knock).is_none());
    let knock = story.knock(Story::signed_in(6)).unwrap();
    let admit = act::Admit { knock, version: 1 };
    story.act(host, admit).unwrap();
    story.act(owner, unmake).unwrap();
    story.act(owner, admit).unwrap();
    assert!(story.room.lobby().get(knock).is_some());
}

#[test]
fn a_host_is_warned_of_a_name_that_passes_for_the_owners() {
    let (mut story, ..) = Story::two();
    story
        .room
        .charter
        .leaders
        .insert(account(7), "Room Owner".to_owned());
    let named = |number, name: &str| Applicant {
        name: name.to_owned(),
        ..Story::signed_in(number)
    };
    let impostor = story.knock(named(5, "Rооm Owner")).unwrap();
    let herself = story.knock(named(7, "Room Owner")).unwrap();
    let similar = |id: KnockId| {
        let knock = story.room.lobby().get(id).unwrap();
        story.room.knock_view(knock).similar_to
    };
    assert_eq!(similar(impostor).as_deref(), Some("Room Owner"));
    assert_eq!(similar(herself), None);
}

#[test]
fn where_two_must_agree_one_host_does_not_open_the_door_by_relaxing_it() {
    let mut story = Story::with(SettingKey::WaitingRoom, "nobody");
    story.enter(Story::signed_in(OWNER)).unwrap();
    story.enter(Story::signed_in(2)).unwrap();
    story.room.charter.two_hosts = true;
    assert_eq!(story.enter(Story::signed_in(3)), Err(ErrorCode::CannotJoin));
    story.knock(Story::signed_in(3)).unwrap();
}

#[test]
fn a_word_reaches_those_who_wait_and_nobody_else_may_send_it() {
    let (mut story, owner, other) = Story::two();
    let knock = story.knock(Story::signed_in(5)).unwrap();
    story.effects();
    let word = WaitingWord::Phrase(Phrase::OneMoment);
    assert!(
        story
            .permit(other, act::MessageWaiting { knock: None })
            .is_err()
    );
    let permit = story
        .permit(owner, act::MessageWaiting { knock: None })
        .unwrap();
    story
        .room
        .message_waiting(permit, word.clone(), story.now)
        .unwrap();
    let effects = story.effects();
    let told = effects.iter().find_map(|e| match e {
        Effect::TellWaiting { to, word } => Some((to.clone(), word.clone())),
        _ => None,
    });
    assert_eq!(told, Some((vec![knock], word)));
}

#[test]
fn a_host_whom_the_owner_bars_is_out_at_once_like_anyone() {
    let (mut story, owner, other) = Story::two();
    let role = NewRole::Host;
    let participant = other;
    story
        .act(owner, act::SetRole { participant, role })
        .unwrap();
    story.bar(owner, other).unwrap();
    assert!(story.room.person(other).is_none());
    assert_eq!(story.enter(Story::signed_in(2)), Err(ErrorCode::CannotJoin));
}

#[test]
fn h01_a_right_that_was_taken_stays_taken_through_the_door_and_in_other_tabs() {
    let mut story = Story::with(SettingKey::WaitingRoom, "guests_only");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let first = story.enter(Story::signed_in(2)).unwrap();
    let tab = story.enter(Story::signed_in(2)).unwrap();
    story.publish(tab, Source::Microphone).unwrap();
    story.act(owner, act::Mute { participant: first }).unwrap();
    assert!(!story.live(tab, Source::Microphone));
    let refused = Err(ErrorCode::NotAllowed);
    assert_eq!(story.publish(tab, Source::Microphone), refused);
    for participant in [first, tab] {
        story.act(participant, act::Leave { participant }).unwrap();
    }
    let again = story.enter(Story::signed_in(2)).unwrap();
    assert_eq!(story.publish(again, Source::Microphone), refused);
    assert_eq!(story.publish(again, Source::Camera), Ok(()));
    let give = act::Grant {
        participant: again,
        source: Source::Microphone,
    };
    story.act(owner, give).unwrap();
    story.publish(again, Source::Microphone).unwrap();
}

#[test]
fn whoever_was_sent_back_comes_in_by_no_other_way_than_an_admission() {
    let mut story = Story::with(SettingKey::WaitingRoom, "guests_only");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let first = story.enter(Story::signed_in(2)).unwrap();
    let tab = story.enter(Story::signed_in(2)).unwrap();
    let knock = story.send_back(owner, first).unwrap();
    assert!(story.room.person(tab).is_none());
    // They hang up and come anew.
    story.room.stop_waiting(knock);
    let refused = Err(ErrorCode::CannotJoin);
    assert_eq!(story.enter(Story::signed_in(2)), refused);
    let again = story.admitted(owner, Story::signed_in(2));
    story.act(again, act::Leave { participant: again }).unwrap();
    assert!(story.enter(Story::signed_in(2)).is_ok());
}

#[test]
fn a_host_whom_the_owner_sent_back_waits_and_hosts_again_when_admitted() {
    let (mut story, owner, host) = Story::two();
    let make = act::SetRole {
        participant: host,
        role: NewRole::Host,
    };
    story.act(owner, make).unwrap();
    let knock = story.send_back(owner, host).unwrap();
    story.room.stop_waiting(knock);
    let refused = Err(ErrorCode::CannotJoin);
    assert_eq!(story.enter(Story::signed_in(2)), refused);
    let again = story.admitted(owner, Story::signed_in(2));
    assert_eq!(story.room.person(again).unwrap().role, Role::Host);
}

#[test]
fn h07_a_guest_who_was_removed_is_known_again_by_the_browser() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let device = Some(DeviceId::from_bytes([8; 16]));
    let marked = |number, device| Applicant {
        device,
        ..Story::guest(number)
    };
    let first = story.admitted(owner, marked(2, device));
    let tab = story.admitted(owner, marked(3, device));
    let waits = story.knock(marked(4, device)).unwrap();
    story
        .act(owner, act::Remove { participant: first })
        .unwrap();
    assert!(story.room.person(tab).is_none() && story.room.lobby().get(waits).is_none());
    let refused = Err(ErrorCode::CannotJoin);
    assert_eq!(story.knock(marked(5, device)), refused);
    assert!(story.knock(marked(6, None)).is_ok());
}

#[test]
fn no_guest_is_admitted_where_guests_were_shut_out_meanwhile() {
    let mut story = Story::with(SettingKey::SignIn, "guests_may_knock");
    let owner = story.enter(Story::signed_in(OWNER)).unwrap();
    let knock = story.knock(Story::guest(2)).unwrap();
    story
        .room
        .settings_changed(Settings::strictest(), story.now);
    let admit = act::Admit { knock, version: 1 };
    assert_eq!(story.act(owner, admit), Err(ErrorCode::Stale));
    assert_eq!(story.room.people().count(), 1);
}

#[test]
fn a_host_who_is_unmade_loses_what_was_kept_for_the_times_to_come() {
    let (mut story, owner, other) = Story::two();
    story
        .act(owner, act::TransferOwnership { participant: other })
        .unwrap();
    story.effects();
    let unmake = act::SetRole {
        participant: owner,
        role: NewRole::Attendee,
    };
    story.act(other, unmake).unwrap();
    let of_owner = |effect: &Effect| matches!(effect, Effect::TakeRole { account: of, .. } if *of == account(OWNER));
    assert!(story.effects().iter().any(of_owner));
}

#[test]
fn giving_a_right_back_starts_nothing() {
    let (mut story, owner, other) = Story::two();
    story
        .act(
            other,
            act::Publish {
                participant: other,
                source: Source::Camera,
            },
        )
        .unwrap();
    story
        .act(owner, act::PauseVideo { participant: other })
        .unwrap();
    story.effects();
    story
        .act(
            owner,
            act::Grant {
                participant: other,
                source: Source::Camera,
            },
        )
        .unwrap();
    assert!(
        !story
            .effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Publish(_)))
    );
    assert!(!story.live(other, Source::Camera));
    story
        .act(
            other,
            act::Publish {
                participant: other,
                source: Source::Camera,
            },
        )
        .unwrap();
    assert!(story.live(other, Source::Camera));
}
