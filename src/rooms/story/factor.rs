//! Second factors that the organisation asks of who leads: what falls, who counts as a host, and what comes back.

use conclave_policy::actions::OrgOption;
use conclave_policy::levels::OrgChoices;

use super::*;
use crate::rooms::standing::fallen;

fn ask_for_factors(story: &mut Story) {
    let org = OrgChoices::default().with_option(OrgOption::RequireSecondFactor, true);
    story.room.org_chosen(org, &Names::new(), story.now);
}

fn send(story: &mut Story, who: ParticipantId, source: Source) {
    let publish = act::Publish {
        participant: who,
        source,
    };
    story.act(who, publish).unwrap();
    assert!(story.live(who, source));
}

#[test]
fn what_only_who_leads_may_send_falls_and_a_voice_goes_on() {
    let (mut story, owner, other) = Story::two();
    send(&mut story, owner, Source::Screen);
    send(&mut story, owner, Source::Microphone);
    send(&mut story, other, Source::Microphone);
    assert!(fallen(&story.room, &story.rules).sending.is_empty());
    ask_for_factors(&mut story);
    let asked_again = story.effects();
    let again = |effect: &Effect| matches!(effect, Effect::AskAgain);
    assert!(asked_again.iter().any(again));
    let fell: Vec<_> = fallen(&story.room, &story.rules)
        .sending
        .into_iter()
        .map(|(who, source, _)| (who, source))
        .collect();
    assert_eq!(fell, [(owner, Source::Screen)]);
    story.room.factor_known(owner, true, story.now);
    assert!(fallen(&story.room, &story.rules).sending.is_empty());
}

#[test]
fn who_lacks_it_is_no_host_who_is_present_and_the_room_locks_without_one() {
    let (mut story, owner, other) = Story::two();
    let make = act::SetRole {
        participant: other,
        role: NewRole::Host,
    };
    story.act(owner, make).unwrap();
    story.room.factor_known(other, true, story.now);
    ask_for_factors(&mut story);
    assert!(story.room.hosted && !story.room.locked());
    assert!(story.view(owner).lacks_factor && !story.view(other).lacks_factor);
    assert!(story.view(owner).knocks.is_none() && story.view(other).knocks.is_some());
    // Whoever comes back by another session has shown what that one has.
    story.room.factor_known(other, false, story.now);
    assert!(!story.room.hosted && story.room.locked());
    story.room.factor_known(owner, true, story.now);
    assert!(story.room.hosted);
    let unlock = story.act(owner, act::Unlock {});
    assert_eq!(unlock, Ok(()));
    assert_eq!(story.act(other, act::Lock {}), Err(ErrorCode::NotAllowed));
}

#[test]
fn who_waits_brings_what_their_session_has_shown_by_then() {
    let (mut story, owner, _) = Story::two();
    story.room.factor_known(owner, true, story.now);
    ask_for_factors(&mut story);
    let host = story.admitted(owner, Story::signed_in(5));
    let make = act::SetRole {
        participant: host,
        role: NewRole::Host,
    };
    story.act(owner, make).unwrap();
    story.send_back(owner, host).unwrap();
    let knock = story.room.lobby().in_order().next().unwrap();
    let (knock, becomes) = (knock.id, knock.becomes);
    story.room.factor_known_at_the_door(knock, true);
    let version = story.room.lobby().get(knock).unwrap().version;
    story.act(owner, act::Admit { knock, version }).unwrap();
    let person = story.room.person(becomes).unwrap();
    assert!(person.role == Role::Host && !story.room.lacks_factor(person));
}
