//! Names and pictures in a room: what each person shows, what they asked to show instead, and what each identity has shown
//! before. Pure. What is shown changes only by an admission, by a decision of someone else, or by a rule that says at once.

use std::collections::{BTreeMap, BTreeSet};

use conclave_policy::actions::{ChangeProfile, DecideProfile, ProposeProfile};
use conclave_policy::facts::{Facts, Target};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{ActorId, ParticipantId};
use crate::likeness::{self, NameWarning};
use crate::rooms::person::{Applicant, Person};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::view::{DoneToYou, Event, PendingProfile, Profile};

/// How many identities' profiles are remembered in one session: more than come to any meeting.
const MAX_SHOWN: usize = 10_000;

/// Another name or picture that someone asked for. There is one request at most, and each has a number of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    version: u32,
    pending: Option<Pending>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    new: Profile,
    warnings: Vec<NameWarning>,
}

impl Requested {
    /// Takes out the request in the version that the host saw.
    fn take(&mut self, version: u32) -> Result<Profile, ErrorCode> {
        match self.pending.take() {
            None => Err(ErrorCode::NotFound),
            Some(pending) if self.version == version => Ok(pending.new),
            newer => {
                self.pending = newer;
                Err(ErrorCode::Stale)
            }
        }
    }

    /// Puts a request in place of any earlier one.
    fn put(&mut self, pending: Pending) -> u32 {
        self.version = self.version.saturating_add(1);
        self.pending = Some(pending);
        self.version
    }
}

impl Applicant {
    /// What they show.
    pub fn profile(&self) -> Profile {
        Profile {
            name: self.name.clone(),
            picture: self.picture,
        }
    }

    fn show(&mut self, profile: Profile) {
        self.name = profile.name;
        self.picture = profile.picture;
    }
}

impl Person {
    /// What they would show if everything they asked for were approved.
    pub fn wished_profile(&self) -> Profile {
        match &self.requested.pending {
            Some(pending) => pending.new.clone(),
            None => self.who.profile(),
        }
    }

    /// What they asked for, for those who may decide.
    pub fn pending_profile(&self) -> Option<PendingProfile> {
        self.requested
            .pending
            .as_ref()
            .map(|pending| PendingProfile {
                participant: self.id,
                version: self.requested.version,
                old: self.who.profile(),
                new: pending.new.clone(),
                warnings: pending.warnings.clone(),
            })
    }
}

/// What each account has shown in this session. Who goes out and comes in again shows the same, so that no name changes by
/// way of the door. Guests are not remembered: they always wait there, and are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<ActorId, Seen>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    profile: Profile,
    moderated: bool,
}

impl Shown {
    /// Remembers what someone shows.
    pub fn keep(&mut self, who: &Applicant, role: Role) {
        let room = self.0.len() < MAX_SHOWN || self.0.contains_key(&who.actor);
        if who.signed_in() && room {
            self.0.insert(
                who.actor,
                Seen {
                    profile: who.profile(),
                    moderated: role.is_moderator(),
                },
            );
        }
    }

    /// The same applicant, showing what they showed before.
    pub fn again(&self, mut who: Applicant) -> Applicant {
        if let Some(seen) = self.0.get(&who.actor) {
            who.show(seen.profile.clone());
        }
        who
    }

    fn hosts(&self, but: ActorId) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(actor, seen)| seen.moderated && **actor != but)
            .map(|(_, seen)| seen.profile.name.as_str())
    }
}

impl Room {
    /// What is true of a participant who is about to change something of their own.
    pub fn facts_own(&self, by: &Person) -> Facts {
        self.facts_of(by).with(Target::Own)
    }

    /// Shows another name or picture from now on.
    pub fn change_profile(
        &mut self,
        permit: Permit<ChangeProfile>,
        new: Profile,
        now: Timestamp,
    ) -> Result<(), ErrorCode> {
        let participant = permit.action().participant;
        let person = self.own(&permit, participant)?;
        person.requested.pending = None;
        self.show(participant, new);
        self.settle(now);
        Ok(())
    }

    /// Holds another name or picture until someone else decides, and gives the number of the request. Asking for what is
    /// shown already takes back what was asked for before.
    pub fn propose_profile(
        &mut self,
        permit: Permit<ProposeProfile>,
        new: Profile,
        normalised: bool,
        now: Timestamp,
    ) -> Result<Option<u32>, ErrorCode> {
        let participant = permit.action().participant;
        let warnings = self.profile_warnings(permit.actor(), &new, normalised);
        let person = self.own(&permit, participant)?;
        let version = if person.who.profile() == new {
            person.requested.pending = None;
            None
        } else {
            Some(person.requested.put(Pending { new, warnings }))
        };
        self.settle(now);
        Ok(version)
    }

    /// The participant that a permit for one's own profile is about. It is asked of the permit's holder only.
    fn own<A: RoomTarget>(
        &mut self,
        permit: &Permit<A>,
        participant: ParticipantId,
    ) -> Result<&mut Person, ErrorCode> {
        if self.ended() {
            return Err(ErrorCode::Ended);
        }
        if permit.room() != self.charter.room || permit.version() != self.version {
            return Err(ErrorCode::Stale);
        }
        self.people
            .get_mut(&participant)
            .filter(|person| person.who.actor == permit.actor())
            .ok_or(ErrorCode::NotFound)
    }

    /// An identity shows the same in each of its places.
    fn show(&mut self, participant: ParticipantId, new: Profile) {
        let Some(actor) = self.people.get(&participant).map(|person| person.who.actor) else {
            return;
        };
        for person in self.people.values_mut() {
            if person.who.actor == actor {
                person.who.show(new.clone());
                self.shown.keep(&person.who, person.role);
            }
        }
    }

    fn profile_warnings(
        &self,
        actor: ActorId,
        new: &Profile,
        normalised: bool,
    ) -> Vec<NameWarning> {
        let leaders = self
            .leaders()
            .filter(|(account, _)| ActorId::from(*account) != actor)
            .map(|(_, name)| name);
        let hosts: BTreeSet<&str> = leaders.chain(self.shown.hosts(actor)).collect();
        let mut warnings = likeness::warnings(&new.name, hosts);
        if normalised {
            warnings.push(NameWarning::Normalised {});
        }
        warnings
    }
}

/// The two actions about one's own profile.
trait RoomTarget: conclave_policy::actions::Action {}
impl RoomTarget for ChangeProfile {}
impl RoomTarget for ProposeProfile {}

impl RoomAction for DecideProfile {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        let decider = permit.actor();
        let by = room.name_of(decider);
        let DecideProfile {
            participant,
            version,
            approve,
        } = permit.into_action();
        let person = room
            .people
            .get_mut(&participant)
            .ok_or(ErrorCode::NotFound)?;
        // Another tab of the same person is not somebody else.
        if person.who.actor == decider {
            return Err(ErrorCode::NotAllowed);
        }
        let new = person.requested.take(version)?;
        let what = if approve {
            room.show(participant, new);
            DoneToYou::ProfileApproved
        } else {
            DoneToYou::ProfileRefused
        };
        room.tell(participant, Event::DoneToYou { what, by });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use conclave_policy::actions::{Action, Enter, Knock};
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::Password;
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::settings::Settings;

    use super::*;
    use crate::ids::{AccountId, KnockId, OrgId, PictureId, RoomId, SessionId};
    use crate::rooms::effect::Effect;
    use crate::rooms::projection::{Lines, Projection, Round};
    use crate::rooms::room::Charter;

    const ROOM: RoomId = RoomId::from_bytes([8; 16]);
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const OWNER: u8 = 1;
    const HOST: u8 = 2;

    /// A room with its owner, in which members come and go without a wait.
    struct Meeting {
        room: Room,
        rules: Snapshot,
        made: u8,
    }

    impl Meeting {
        fn new() -> Self {
            Self::with(&[("waiting_room", "guests_only")])
        }

        fn with(settings: &[(&str, &str)]) -> Self {
            let host = AccountId::from_bytes([HOST; 16]);
            let charter = Charter {
                org: OrgId::from_bytes([9; 16]),
                room: ROOM,
                session: SessionId::from_bytes([7; 16]),
                title: "Board".into(),
                owner: AccountId::from_bytes([OWNER; 16]),
                settings: Settings::from_pairs(settings.iter().copied()).unwrap(),
                appointed: [(host, Role::Host)].into(),
                barred: [].into(),
                bars: Vec::new(),
                leaders: [(host, "Host One".to_owned())].into(),
                two_hosts: false,
                asks_factor: false,
            };
            Self {
                room: Room::new(charter, PolicyVersion(1), NOW),
                rules: Snapshot::built_in(PolicyVersion(1)).unwrap(),
                made: 100,
            }
        }

        fn applicant(number: u8, name: &str) -> Applicant {
            Applicant {
                name: name.to_owned(),
                password: Password::Proved,
                ..Applicant::account(AccountId::from_bytes([number; 16]))
            }
        }

        fn enter(&mut self, number: u8, name: &str) -> ParticipantId {
            let who = Self::applicant(number, name);
            let (role, facts) = (self.room.role_of(&who), self.room.facts_outside(&who));
            let permit = self.rules.decide(who.actor, role, ROOM, &facts, Enter {});
            self.made += 1;
            let id = ParticipantId::from_bytes([self.made; 16]);
            self.room.enter(permit.unwrap(), who, id, NOW).unwrap();
            id
        }

        fn permit<A: Action>(&self, by: ParticipantId, action: A) -> Option<Permit<A>> {
            let person = self.room.person(by).unwrap();
            let facts = self.room.facts_own(person);
            self.rules
                .decide(person.who.actor, person.role, ROOM, &facts, action)
                .ok()
        }

        fn propose(&mut self, by: ParticipantId, name: &str) -> Result<Option<u32>, ErrorCode> {
            let permit = self.permit(by, ProposeProfile { participant: by }).unwrap();
            let new = Profile {
                name: name.to_owned(),
                picture: None,
            };
            self.room.propose_profile(permit, new, false, NOW)
        }

        fn decide(
            &mut self,
            by: ParticipantId,
            participant: ParticipantId,
            version: u32,
            approve: bool,
        ) -> Result<(), ErrorCode> {
            let action = DecideProfile {
                participant,
                version,
                approve,
            };
            let person = self.room.person(by).unwrap();
            let facts = self.room.facts_inside(person, &action)?;
            let permit = self
                .rules
                .decide(person.who.actor, person.role, ROOM, &facts, action)
                .map_err(|_| ErrorCode::NotAllowed)?;
            self.room.apply(permit, NOW)
        }

        fn name(&self, of: ParticipantId) -> &str {
            &self.room.person(of).unwrap().who.name
        }

        fn pending(&self, viewer: ParticipantId) -> Vec<PendingProfile> {
            let viewer = self.room.person(viewer).unwrap();
            let lines = Lines::of(&self.room, &self.rules);
            let mut round = Round::new(&self.room, &self.rules, &lines);
            Projection::default()
                .whole(&mut round, viewer)
                .pending_profiles
        }
    }

    #[test]
    fn p02_the_old_name_shows_until_somebody_else_approves() {
        let mut meeting = Meeting::new();
        let (owner, member) = (
            meeting.enter(OWNER, "The Owner"),
            meeting.enter(3, "Member"),
        );
        assert_eq!(meeting.propose(member, "Attendee"), Ok(Some(1)));
        assert_eq!(meeting.name(member), "Member");
        assert_eq!(meeting.pending(owner)[0].new.name, "Attendee");
        assert_eq!(meeting.pending(owner)[0].old.name, "Member");
        assert_eq!(meeting.pending(member), []);
        assert_eq!(
            meeting.decide(member, member, 1, true),
            Err(ErrorCode::NotAllowed)
        );
        meeting.decide(owner, member, 1, true).unwrap();
        assert_eq!(meeting.name(member), "Attendee");
        assert_eq!(meeting.pending(owner), []);
        assert_eq!(
            meeting.decide(owner, member, 1, true),
            Err(ErrorCode::NotFound)
        );
    }

    #[test]
    fn p02_a_newer_request_takes_the_place_of_the_older_and_needs_a_decision_of_its_own() {
        let mut meeting = Meeting::new();
        let (owner, member) = (
            meeting.enter(OWNER, "The Owner"),
            meeting.enter(3, "Member"),
        );
        meeting.propose(member, "Harmless").unwrap();
        assert_eq!(meeting.propose(member, "The 0wner"), Ok(Some(2)));
        let pending = meeting.pending(owner);
        assert_eq!((pending.len(), pending[0].version), (1, 2));
        assert_eq!(
            meeting.decide(owner, member, 1, true),
            Err(ErrorCode::Stale)
        );
        assert_eq!(meeting.name(member), "Member");
        meeting.decide(owner, member, 2, false).unwrap();
        assert_eq!(meeting.name(member), "Member");
        assert_eq!(meeting.pending(owner), []);
        // The numbers go on, so that a decision about an old request meets no new one.
        assert_eq!(meeting.propose(member, "Attendee"), Ok(Some(3)));
        // Asking for what is shown takes the request back.
        assert_eq!(meeting.propose(member, "Member"), Ok(None));
        assert_eq!(meeting.pending(owner), []);
    }

    #[test]
    fn a_host_needs_another_moderator_and_the_owner_nobody() {
        let mut meeting = Meeting::new();
        let owner = meeting.enter(OWNER, "The Owner");
        let host = meeting.enter(HOST, "Host");
        assert!(
            meeting
                .permit(host, ChangeProfile { participant: host })
                .is_none()
        );
        meeting.propose(host, "Hostess").unwrap();
        assert_eq!(
            meeting.decide(host, host, 1, true),
            Err(ErrorCode::NotAllowed)
        );
        meeting.decide(owner, host, 1, true).unwrap();
        assert_eq!(meeting.name(host), "Hostess");
        let permit = meeting.permit(owner, ChangeProfile { participant: owner });
        let new = Profile {
            name: "Chair".into(),
            picture: Some(PictureId::from_bytes([5; 16])),
        };
        meeting
            .room
            .change_profile(permit.unwrap(), new.clone(), NOW)
            .unwrap();
        assert_eq!(meeting.room.person(owner).unwrap().who.profile(), new);
    }

    #[test]
    fn a_second_tab_of_the_same_person_decides_nothing() {
        let mut meeting = Meeting::with(&[
            ("waiting_room", "guests_only"),
            ("sessions_per_identity", "two"),
        ]);
        let (one, two) = (meeting.enter(HOST, "Host"), meeting.enter(HOST, "Host"));
        meeting.propose(one, "Owner").unwrap();
        assert_eq!(
            meeting.decide(two, one, 1, true),
            Err(ErrorCode::NotAllowed)
        );
        assert_eq!(meeting.pending(two), []);
        assert_eq!(meeting.name(one), "Host");
    }

    #[test]
    fn p01_a_permit_is_good_for_its_holder_only() {
        let mut meeting =
            Meeting::with(&[("waiting_room", "guests_only"), ("profile_change", "free")]);
        meeting.enter(OWNER, "The Owner");
        let (attendee, member) = (meeting.enter(3, "Attendee"), meeting.enter(4, "Member"));
        let permit = meeting.permit(
            attendee,
            ChangeProfile {
                participant: member,
            },
        );
        let new = Profile {
            name: "Intruder".into(),
            picture: None,
        };
        assert_eq!(
            meeting.room.change_profile(permit.unwrap(), new, NOW),
            Err(ErrorCode::NotFound)
        );
        assert_eq!(meeting.name(member), "Member");
    }

    #[test]
    fn p01_who_goes_out_and_comes_in_under_another_name_shows_the_old_one() {
        let mut meeting = Meeting::new();
        meeting.enter(OWNER, "The Owner");
        let member = meeting.enter(3, "Member");
        meeting
            .room
            .revoked(AccountId::from_bytes([3; 16]).into(), NOW);
        assert!(meeting.room.person(member).is_none());
        let again = meeting.enter(3, "The Owner");
        assert_eq!(meeting.name(again), "Member");
    }

    #[test]
    fn who_waits_is_admitted_under_the_name_that_the_host_saw() {
        let mut meeting = Meeting::with(&[]);
        let owner = meeting.enter(OWNER, "The Owner");
        for name in ["Member", "Attendee"] {
            let who = Meeting::applicant(3, name);
            let (role, facts) = (meeting.room.role_of(&who), meeting.room.facts_outside(&who));
            let permit = meeting
                .rules
                .decide(who.actor, role, ROOM, &facts, Knock {});
            meeting.made += 1;
            let (knock, becomes) = (
                KnockId::from_bytes([meeting.made; 16]),
                ParticipantId::from_bytes([meeting.made; 16]),
            );
            meeting
                .room
                .knock(permit.unwrap(), who, knock, becomes, NOW)
                .unwrap();
            let admit = conclave_policy::actions::Admit { knock, version: 1 };
            let host = meeting.room.person(owner).unwrap();
            let facts = meeting.room.facts_inside(host, &admit).unwrap();
            let permit = meeting
                .rules
                .decide(host.who.actor, host.role, ROOM, &facts, admit);
            meeting.room.apply(permit.unwrap(), NOW).unwrap();
            assert_eq!(meeting.name(becomes), name);
            meeting
                .room
                .revoked(AccountId::from_bytes([3; 16]).into(), NOW);
        }
    }

    #[test]
    fn p03_a_likeness_to_a_host_is_said_also_while_the_host_is_away() {
        let mut meeting = Meeting::new();
        let owner = meeting.enter(OWNER, "The Owner");
        let member = meeting.enter(3, "Member");
        meeting.propose(member, "H\u{43e}st One").unwrap();
        let resembles = |name: &str| NameWarning::ResemblesHost { name: name.into() };
        assert_eq!(
            meeting.pending(owner)[0].warnings,
            [resembles("Host One"), NameWarning::MixedScripts {}]
        );
        // Nor is the name forgotten under which a host was in and left.
        meeting.enter(HOST, "Hostess");
        meeting
            .room
            .revoked(AccountId::from_bytes([HOST; 16]).into(), NOW);
        meeting.propose(member, "H0stess").unwrap();
        assert_eq!(meeting.pending(owner)[0].warnings, [resembles("Hostess")]);
        meeting.propose(member, "H\u{43e}st One").unwrap();
        assert_eq!(
            meeting.pending(owner)[0].warnings,
            [resembles("Host One"), NameWarning::MixedScripts {}]
        );
        // One's own name is no likeness.
        meeting.propose(member, "MEMBER").unwrap();
        assert_eq!(meeting.pending(owner)[0].warnings, []);
    }

    #[test]
    fn a_decision_is_told_to_the_one_it_is_about_and_the_rest_see_the_line() {
        let mut meeting = Meeting::new();
        let (owner, member) = (
            meeting.enter(OWNER, "The Owner"),
            meeting.enter(3, "Member"),
        );
        let attendee = meeting.enter(4, "Attendee");
        let mut seen = Projection::default();
        let mut lines = Lines::of(&meeting.room, &meeting.rules);
        let viewer = meeting.room.person(attendee).unwrap();
        seen.whole(
            &mut Round::new(&meeting.room, &meeting.rules, &lines),
            viewer,
        );
        meeting.propose(member, "Member Two").unwrap();
        let mut changes = |seen: &mut Projection, meeting: &Meeting| {
            lines.refresh(&meeting.room, &meeting.rules);
            let mut round = Round::new(&meeting.room, &meeting.rules, &lines);
            let viewer = meeting.room.person(attendee).unwrap();
            seen.changes(&mut round, viewer, &BTreeMap::new())
        };
        assert_eq!(changes(&mut seen, &meeting), []);
        meeting.decide(owner, member, 1, true).unwrap();
        let told = std::iter::from_fn(|| meeting.room.next_effect()).any(|effect| {
            matches!(effect, Effect::Tell { to, event: Event::DoneToYou { what: DoneToYou::ProfileApproved, .. } } if to == member)
        });
        assert!(told);
        let events = changes(&mut seen, &meeting);
        assert!(matches!(
            events.as_slice(),
            [Event::ParticipantChanged { participant }] if participant.name == "Member Two"
        ));
    }
}
