//! What is true of a room and of those who are in it or come to it, as facts for policy. It decides and changes nothing.

use conclave_policy::actions::ActionKind;
use conclave_policy::facts::{
    Assignment, Barred, Consent, Facts, Hosting, Lock as LockFact, Mine, OrgAdmin, Password,
    SecondFactor, Space, Standing, Subject, Suspension, Target, TargetRole, Voice,
};
use conclave_policy::roles::Role;
use conclave_policy::scopes::Scopes;
use conclave_policy::settings::{RemovedMayReturn, Start, WaitingRoom};
use conclave_policy::source::Source;

use crate::rooms::person::{Applicant, Person};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};

impl Room {
    /// What is true of an applicant who stands before the door.
    pub fn facts_outside(&self, who: &Applicant) -> Facts {
        let facts = self
            .facts_of_room()
            .with(Standing::Outside)
            .with(who.password)
            .with(self.barred(who));
        // Where two hosts must agree, one alone does not open the door by relaxing it. And whoever was put back waits,
        // whatever the door lets others do, until a host has admitted them.
        if self.charter.two_hosts || self.sent_back.contains(&who.actor) {
            return facts.with(WaitingRoom::Everyone);
        }
        match who.way.waiting_room() {
            Some(waiting_room) => facts.with(waiting_room),
            None => facts,
        }
    }

    /// What is true of a participant, whatever they want to do.
    pub fn facts_of(&self, by: &Person) -> Facts {
        self.facts_in(self.facts_of_room(), by)
    }

    /// The same, given what is true of the room: for many participants it is gathered once.
    pub(in crate::rooms) fn facts_in(&self, room: Facts, by: &Person) -> Facts {
        room.with(if by.connected() {
            Standing::Admitted
        } else {
            Standing::Disconnected
        })
        .with(Password::Proved)
        .with(self.barred(&by.who))
        .with(self.factor_of(&by.who))
        .with(if by.who.org_admin {
            OrgAdmin::Yes
        } else {
            OrgAdmin::No
        })
        .with(if by.role == Role::Owner {
            Mine::Yes
        } else {
            Mine::No
        })
    }

    /// The same, as if the connection were there: standing permits and views outlive a short loss of it.
    pub fn facts_present(&self, by: &Person) -> Facts {
        self.facts_of(by).with(Standing::Admitted)
    }

    /// The same of everyone who is in.
    pub(in crate::rooms) fn facts_of_all(&self) -> impl Iterator<Item = (&Person, Facts)> {
        let room = self.facts_of_room();
        self.people
            .values()
            .map(move |person| (person, self.facts_in(room, person).with(Standing::Admitted)))
    }

    /// The same, with the target and source of what they want to do.
    pub fn facts_inside<A: RoomAction>(&self, by: &Person, action: &A) -> Result<Facts, ErrorCode> {
        let mut facts = self.facts_of(by);
        if let Some(target) = action.target() {
            let target = self.people.get(&target).ok_or(ErrorCode::NotFound)?;
            facts = self.facts_about(facts, by, target);
            if let Some(source) = action.source() {
                facts = facts.with(target.floor.right(source));
            }
        }
        action.facts(self, facts)
    }

    /// What is true of a program that acts from outside by an API key: of the rank of a host, and there only as far as its
    /// scopes go. It is no person, and has no second factor to show.
    pub fn facts_of_program<A: RoomAction>(
        &self,
        scopes: Scopes,
        action: &A,
    ) -> Result<Facts, ErrorCode> {
        let mut facts = self.facts_of_scopes(scopes, action.kind());
        if let Some(target) = action.target() {
            let target = self.people.get(&target).ok_or(ErrorCode::NotFound)?;
            facts = facts
                .with(Target::between(Role::Host, target.role))
                .with(TargetRole(target.role))
                .with(self.subject(target));
            if let Some(source) = action.source() {
                facts = facts.with(target.floor.right(source));
            }
        }
        action.facts(self, facts)
    }

    /// The same without a target. Where two hosts must agree about who comes in, a program is none of them.
    pub fn facts_of_scopes(&self, scopes: Scopes, kind: ActionKind) -> Facts {
        let agreed = !(self.charter.two_hosts && kind == ActionKind::Admit);
        self.facts_of_room()
            .with(if agreed && scopes.cover(kind) {
                Standing::Scoped
            } else {
                Standing::Outside
            })
            .with(OrgAdmin::No)
            .with(Mine::No)
            .with(SecondFactor::Proved)
    }

    /// How it stands with the second factor of who leads here.
    pub(in crate::rooms) const fn factor_of(&self, who: &Applicant) -> SecondFactor {
        SecondFactor::of(self.charter.asks_factor, who.second_factor)
    }

    /// Whether they would lead here, had they shown the second factor that is asked for.
    pub fn lacks_factor(&self, person: &Person) -> bool {
        person.role.is_moderator() && self.factor_of(&person.who) == SecondFactor::Missing
    }

    /// Whether they lead here: whoever lacks the second factor is in, and leads nobody.
    pub(in crate::rooms) fn leads(&self, person: &Person) -> bool {
        person.role.is_moderator() && !self.lacks_factor(person)
    }

    /// What is true of a participant, with what the other one is to them.
    pub fn facts_about(&self, of: Facts, by: &Person, target: &Person) -> Facts {
        of.with(relation(by, target))
            .with(TargetRole(target.role))
            .with(self.subject(target))
    }

    fn facts_of_room(&self) -> Facts {
        let settings = &self.charter.settings;
        Facts::new()
            .with(if self.locked {
                LockFact::Locked
            } else {
                LockFact::Open
            })
            .with(if self.suspended {
                Suspension::Suspended
            } else {
                Suspension::Running
            })
            .with(if self.hosted || settings.start() == Start::Anytime {
                Hosting::Present
            } else {
                Hosting::Absent
            })
            .with(if self.people.len() < settings.max_participants().count() {
                Space::Free
            } else {
                Space::Full
            })
            .with(settings.sign_in())
            .with(settings.waiting_room())
            .with(settings.microphone())
            .with(settings.camera())
            .with(settings.screen_share())
            .with(settings.guest_roster())
            .with(settings.profile_change())
            .with(settings.participant_count())
            .with(settings.room_chat())
            .with(settings.private_chat())
            .with(settings.chat_history())
            .with(settings.captions())
            .with(settings.transcript())
    }

    /// What a roster line is about: guests see moderators and those who send something.
    pub fn subject(&self, person: &Person) -> Subject {
        if person.role.is_moderator() {
            Subject::Moderator
        } else if person.floor.live().is_empty() {
            Subject::Quiet
        } else {
            Subject::Speaking
        }
    }

    pub(in crate::rooms) fn barred(&self, who: &Applicant) -> Barred {
        let may_return = self.charter.settings.removed_may_return() == RemovedMayReturn::Yes;
        let removed = who.identities().any(|id| self.charter.barred.contains(&id));
        let removed = (removed || self.was_removed(who)) && !may_return;
        // A stream asks every few seconds by itself: once turned away, it stays away.
        let denied = who.way.stream().is_some() && self.lobby.was_denied(who);
        let barred = self.charter.bars.iter().any(|bar| bar.keeps_out(who));
        if removed || denied || barred {
            Barred::Yes
        } else {
            Barred::No
        }
    }

    /// What is true of a caption worker that is given, or not, what this participant says.
    pub fn facts_of_captioner(&self, of: &Person, assignment: Assignment) -> Facts {
        self.facts_of_room()
            .with(Standing::Admitted)
            .with(if of.uncaptioned {
                Consent::Refused
            } else {
                Consent::Given
            })
            .with(if of.floor.is_live(Source::Microphone) {
                Voice::On
            } else {
                Voice::Off
            })
            .with(assignment)
    }
}

fn relation(by: &Person, target: &Person) -> Target {
    if by.id == target.id {
        return Target::Own;
    }
    Target::between(by.role, target.role)
}
