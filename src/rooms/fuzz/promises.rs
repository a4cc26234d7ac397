//! What a room promises: its effects tell the whole story, and what they tell is never against the rules. Reads the
//! room and what was kept of its effects; changes nothing but that.

use std::collections::BTreeSet;

use conclave_policy::actions as act;
use conclave_policy::actions::ActionKind;
use conclave_policy::facts::Standing;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::settings::{LastHostLeaves, RemovedMayReturn};
use conclave_policy::source::Source;

use super::Life;
use crate::rooms::effect::Effect;
use crate::rooms::levels::Names;
use crate::rooms::person::Person;

impl Life {
    /// Does in the made-up world what the room wants done in the real one.
    pub(super) fn follow(&mut self) {
        let mut done = 0;
        while let Some(effect) = self.room.next_effect() {
            done += 1;
            assert!(done <= self.may_follow, "one step has no end of effects");
            match effect {
                Effect::Publish(permit) => {
                    let act::Publish {
                        participant,
                        source,
                    } = *permit.action();
                    assert!(
                        self.seats.contains(&participant),
                        "someone is heard who is not here"
                    );
                    self.flowing.insert((participant, source));
                }
                Effect::Cut {
                    participant,
                    source,
                } => {
                    assert!(
                        self.flowing.remove(&(participant, source)),
                        "a cut of what did not flow"
                    );
                }
                Effect::Admitted { knock, participant } => {
                    assert!(
                        self.waiting.remove(&knock),
                        "someone is admitted who does not wait"
                    );
                    self.seats.insert(participant);
                }
                Effect::TurnedAway { knock, code } => {
                    if self.apart == Some(knock) {
                        let since = self.now.since(super::START).as_millis();
                        self.told
                            .push((u64::try_from(since).unwrap_or(u64::MAX), code));
                        self.apart = None;
                    }
                    assert!(
                        self.waiting.remove(&knock),
                        "someone is turned away who does not wait"
                    );
                }
                Effect::Gone { participant, .. } => {
                    let flows = Source::ALL
                        .iter()
                        .any(|source| self.flowing.contains(&(participant, *source)));
                    assert!(!flows, "someone is gone before their sources are cut");
                    assert!(
                        self.seats.remove(&participant),
                        "someone is gone who was not here"
                    );
                }
                Effect::Tell { to, .. } => {
                    assert!(self.seats.contains(&to), "someone is told who is not here")
                }
                Effect::SentBack { participant, knock } => {
                    let flows = Source::ALL
                        .iter()
                        .any(|source| self.flowing.contains(&(participant, *source)));
                    assert!(!flows, "someone waits before their sources are cut");
                    assert!(
                        self.seats.remove(&participant),
                        "someone is sent back who was not here"
                    );
                    self.waiting.insert(knock);
                }
                Effect::TellWaiting { to, .. } => {
                    let wait = to.iter().all(|knock| self.waiting.contains(knock));
                    assert!(wait, "someone is told who does not wait");
                }
                Effect::ForgetBar { actor, .. } => {
                    self.removed.remove(&actor);
                }
                Effect::SaveRemoval { actor, .. } => {
                    self.removed.insert(actor);
                }
                Effect::SaveSettings { settings, kind } => self.save(&settings, kind.as_ref()),
                // The store takes it, unless another handover came before.
                Effect::SaveOwner(handover) => {
                    if self.room.charter().owner == handover.former {
                        self.room.owner_kept(handover, self.now);
                    }
                }
                Effect::AskAgain => self.ask_again(),
                Effect::Ended => self.over = true,
                Effect::TellAll { .. }
                | Effect::TellModerators { .. }
                | Effect::SaveBar { .. }
                | Effect::TakeRole { .. }
                | Effect::EndToken { .. }
                | Effect::SettingChanged { .. }
                | Effect::Changed => {}
            }
        }
    }

    /// Does what the store does with permitted settings.
    fn save(
        &mut self,
        settings: &[Permit<act::ChangeSetting>],
        kind: Option<&Permit<act::ChangeKind>>,
    ) {
        let actors = settings.iter().map(Permit::actor);
        let Some(by) = actors.chain(kind.map(Permit::actor)).next() else {
            return;
        };
        let changes: Vec<_> = settings
            .iter()
            .map(|permit| (permit.action().key, permit.action().value))
            .collect();
        if let Ok(chosen) = self.room.levels().chosen(&changes, by) {
            let chosen = match kind {
                Some(permit) => chosen.with_kind(permit.action().kind, Some(by)),
                None => chosen,
            };
            self.room.room_chosen(chosen, &Names::new(), self.now);
        }
    }

    fn ask_again(&mut self) {
        let fell: Vec<_> = self
            .room
            .people()
            .flat_map(|person| {
                person
                    .floor
                    .live()
                    .iter()
                    .map(move |source| (person, *source))
            })
            .filter(|(person, source)| !self.may_send(person, *source))
            .map(|(person, source)| (person.id, source))
            .collect();
        for (participant, source) in fell {
            self.room.fell(participant, source);
        }
    }

    /// Whether a standing permit would be given again, the connection aside.
    fn may_send(&self, person: &Person, source: Source) -> bool {
        let publish = act::Publish {
            participant: person.id,
            source,
        };
        let facts = self.room.facts_inside(person, &publish);
        facts.is_ok_and(|facts| {
            self.rules.allows(
                ActionKind::publish(source),
                person.role,
                &facts.with(Standing::Admitted),
            )
        })
    }

    /// What must hold whenever the room has come to rest.
    pub(super) fn check(&mut self) {
        self.effects_tell_all();
        self.nobody_sends_without_permit();
        self.everyone_is_where_the_room_puts_them();
        self.waiting_is_not_being_in();
        self.a_link_is_one_guest();
        self.nobody_comes_in_who_may_not();
        self.a_room_without_hosts_is_locked();
        self.a_room_has_one_owner();
        self.who_is_barred_is_out();
        self.onlookers.tell(&self.room, self.rules);
        self.onlookers.check(&self.room, self.rules);
        let settings = self.room.charter().settings;
        assert!(settings.check().is_ok(), "nothing guards the door");
        let next = self.room.deadline();
        assert!(next.is_none_or(|at| at > self.now), "a timer is overdue");
        assert!(self.over == self.room.ended(), "the end was not told");
        let anyone = self.room.people().next().is_some() || !self.room.lobby().is_empty();
        assert!(!self.over || !anyone, "someone outlived the session");
        self.seen.extend(self.room.people().map(|person| person.id));
    }

    fn effects_tell_all(&self) {
        let people = self.room.people().map(|person| &person.id);
        assert!(people.eq(&self.seats), "effects and people differ");
        let knocks = self.room.lobby().in_order().map(|knock| knock.id);
        assert!(
            knocks.collect::<BTreeSet<_>>() == self.waiting,
            "effects and lobby differ"
        );
        let live = |person: &Person| {
            person
                .floor
                .live()
                .iter()
                .map(|source| (person.id, *source))
                .collect::<Vec<_>>()
        };
        let live: BTreeSet<_> = self.room.people().flat_map(live).collect();
        assert!(live == self.flowing, "effects and live sources differ");
    }

    fn nobody_sends_without_permit(&self) {
        for person in self.room.people() {
            let stands = person
                .floor
                .live()
                .iter()
                .all(|source| self.may_send(person, *source));
            assert!(stands, "a source is on without a standing permit");
            assert!(
                person.who.signed_in() || matches!(person.role, Role::Guest | Role::Observer),
                "a guest has another role"
            );
        }
    }

    fn everyone_is_where_the_room_puts_them(&self) {
        for person in self.room.people() {
            let role = self
                .room
                .inside(&person.who, self.room.role_of(&person.who));
            assert!(person.role == role, "someone has a role that is not theirs");
        }
    }

    fn waiting_is_not_being_in(&self) {
        let mut waiting = BTreeSet::new();
        for knock in self.room.lobby().in_order() {
            assert!(
                self.room.person(knock.becomes).is_none(),
                "someone who waits is in"
            );
            assert!(waiting.insert(knock.who.actor), "someone waits twice");
        }
    }

    fn a_link_is_one_guest(&self) {
        for person in self.room.people() {
            let other = |other: &Person| other.who.shares_link(&person.who);
            assert!(
                !self.room.people().any(other),
                "two are in by one link that is for one of them"
            );
        }
    }

    fn nobody_comes_in_who_may_not(&self) {
        let settings = self.room.charter().settings;
        let may_return = settings.removed_may_return() == RemovedMayReturn::Yes;
        for new in self
            .room
            .people()
            .filter(|person| !self.seen.contains(&person.id))
        {
            let removed = self.removed.contains(&new.who.actor);
            assert!(may_return || !removed, "someone who was removed is back");
            let same = |person: &&Person| person.who.actor == new.who.actor && person.connected();
            let times = self.room.people().filter(same).count();
            assert!(
                times <= settings.sessions_per_identity().count(),
                "someone is here too often"
            );
        }
    }

    fn a_room_has_one_owner(&self) {
        let owner = self.room.charter().owner;
        for person in self.room.people() {
            let owns = person.who.account == Some(owner);
            assert!(
                owns == (person.role == Role::Owner),
                "the owner is not the owner, or someone else is"
            );
        }
    }

    fn who_is_barred_is_out(&self) {
        let bars = &self.room.charter().bars;
        for person in self.room.people() {
            let barred = bars.iter().any(|bar| bar.keeps_out(&person.who));
            assert!(
                !barred || self.seen.contains(&person.id) && person.role.is_moderator(),
                "someone who is barred is in"
            );
        }
    }

    fn a_room_without_hosts_is_locked(&self) {
        let led = self.room.people().any(|person| self.room.leads(person));
        let locks = self.room.charter().settings.last_host_leaves() == LastHostLeaves::Lock;
        if locks && self.led && !led && !self.over {
            assert!(self.room.locked(), "the room stays open without a host");
        }
    }
}
