//! The rules once more, written by hand as code and from the design rather than from `rules.csv`: every entry of the
//! decision table must agree with it. Then properties that must hold of any rules this server ever ships.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::LazyLock;

use conclave_policy::actions::ActionKind;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Dimension, Facts, OrgAdmin, SecondFactor, Standing};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;

static RULES: LazyLock<Snapshot> = LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

/// Facts by the words of the design.
struct Case(Facts);

impl Case {
    fn is(&self, dimension: Dimension, value: &str) -> bool {
        assert!(
            dimension.values().contains(&value),
            "{dimension} has no {value}"
        );
        self.0.value(dimension) == Some(value)
    }

    fn standing(&self, value: &str) -> bool {
        self.is(Dimension::Standing, value)
    }

    fn own(&self) -> bool {
        self.is(Dimension::Target, "own")
    }

    fn below(&self) -> bool {
        self.is(Dimension::Target, "below")
    }

    fn mine(&self) -> bool {
        self.is(Dimension::Mine, "yes")
    }

    fn barred(&self) -> bool {
        self.is(Dimension::Barred, "yes")
    }

    fn admin(&self) -> bool {
        self.is(Dimension::OrgAdmin, "yes")
    }

    fn proved(&self) -> bool {
        self.is(Dimension::Password, "proved")
    }

    fn free(&self) -> bool {
        self.is(Dimension::Space, "free")
    }
}

/// May send, given whether the settings let attendees and guests send without asking.
fn may_publish(role: Role, case: &Case, attendees: bool, guests: bool) -> bool {
    let default = match role {
        Role::Owner => return case.standing("admitted") && case.own(),
        Role::Host | Role::Presenter => true,
        Role::Attendee => attendees,
        Role::Guest => guests,
        _ => return false,
    };
    let right = match case.0.value(Dimension::Right) {
        Some("withdrawn") => false,
        Some("granted") => true,
        _ => default,
    };
    let goes_on = role == Role::Host || case.is(Dimension::Suspension, "running");
    case.standing("admitted") && case.own() && right && goes_on
}

/// What brings an outside stream in: it comes by a host's token, sends its own, and goes.
fn ingress(kind: ActionKind, case: &Case) -> bool {
    let own = case.standing("admitted") && case.own();
    match kind {
        ActionKind::Enter => {
            case.standing("outside")
                && case.is(Dimension::WaitingRoom, "nobody")
                && case.is(Dimension::Hosting, "present")
                && case.free()
                && !case.barred()
        }
        ActionKind::Knock => case.standing("outside") && !case.barred(),
        ActionKind::Connect | ActionKind::SeeParticipant => own,
        ActionKind::PublishMicrophone
        | ActionKind::PublishCamera
        | ActionKind::PublishScreen
        | ActionKind::PublishScreenAudio => {
            own && !case.is(Dimension::Right, "withdrawn")
                && case.is(Dimension::Suspension, "running")
        }
        ActionKind::Unpublish | ActionKind::Leave => {
            (case.standing("admitted") || case.standing("disconnected")) && case.own()
        }
        _ => false,
    }
}

/// What makes captions: it hears who is on and has not refused, and says what those said whom it was given.
fn captioner(kind: ActionKind, case: &Case) -> bool {
    let may = || {
        case.standing("admitted")
            && case.is(Dimension::CaptionsRule, "on")
            && case.is(Dimension::Consent, "given")
    };
    match kind {
        ActionKind::Listen => may() && case.is(Dimension::Voice, "on"),
        ActionKind::PublishCue => {
            may() && case.is(Dimension::Voice, "on") && case.is(Dimension::Assignment, "own")
        }
        ActionKind::KeepTranscript => may() && case.is(Dimension::TranscriptRule, "on"),
        _ => false,
    }
}

/// What acts by an API key: from outside, as far as a scope covers it, on those below a host; it is never in a room itself.
fn program(kind: ActionKind, case: &Case) -> bool {
    let scoped = case.standing("scoped");
    let below = scoped && case.is(Dimension::Target, "below");
    let any = |dimension, values: &[&str]| values.iter().any(|value| case.is(dimension, value));
    match kind {
        ActionKind::Admit => scoped && case.free(),
        ActionKind::Mute
        | ActionKind::PauseVideo
        | ActionKind::StopShare
        | ActionKind::Grant
        | ActionKind::Withdraw
        | ActionKind::Remove
        | ActionKind::Bar
        | ActionKind::SendBack
        | ActionKind::DecideProfile => below,
        ActionKind::SetRole => {
            let stage = ["presenter", "attendee", "observer"];
            let moved = any(Dimension::TargetRole, &stage) && any(Dimension::NewRole, &stage);
            let off =
                case.is(Dimension::TargetRole, "guest") && case.is(Dimension::NewRole, "observer");
            below && (moved || off)
        }
        ActionKind::Deny
        | ActionKind::SeeLobby
        | ActionKind::SeeBars
        | ActionKind::Unbar
        | ActionKind::Spotlight
        | ActionKind::Suspend
        | ActionKind::LiftSuspension
        | ActionKind::MessageWaiting
        | ActionKind::ManageGuestLinks
        | ActionKind::Lock
        | ActionKind::Unlock
        | ActionKind::EndSession
        | ActionKind::SeeStats
        | ActionKind::ReadRoom
        | ActionKind::ReadAudit
        | ActionKind::ReadPassword
        | ActionKind::ChangePassword
        | ActionKind::EndRoom
        | ActionKind::RenameRoom
        | ActionKind::SeeSession
        | ActionKind::MakeJoinToken => scoped,
        ActionKind::ChangeSetting => {
            scoped && case.is(Dimension::Relax, "host") && case.is(Dimension::Held, "free")
        }
        ActionKind::CreateRoom => case.is(Dimension::CreateRight, "yes"),
        ActionKind::ChangeOrgSetting => case.admin() && any(Dimension::Relax, &["host", "admin"]),
        ActionKind::InviteAccount
        | ActionKind::ReadOrganisation
        | ActionKind::ChangeOption
        | ActionKind::ReadOrganisationAudit
        | ActionKind::ReadMembers
        | ActionKind::ManageMember
        | ActionKind::ListRooms
        | ActionKind::ReadWebhooks
        | ActionKind::ManageWebhooks
        | ActionKind::ChangeEmbedders => case.admin(),
        _ => false,
    }
}

/// What the design says of who lacks the second factor that is asked for: who leads a room or administers the organisation may
/// then do what everyone else may, and nothing more.
fn expected(kind: ActionKind, role: Role, facts: Facts) -> bool {
    let case = Case(facts);
    let lacks = kind.dimensions().contains(&Dimension::SecondFactor)
        && case.is(Dimension::SecondFactor, "missing");
    let designed = designed(kind, role, facts);
    if !lacks || !designed {
        return designed;
    }
    let leads = matches!(role, Role::Owner | Role::Host);
    let goes_on = |case: &Case| case.is(Dimension::Suspension, "running");
    match kind {
        ActionKind::SeeCount => !leads || case.is(Dimension::ParticipantCount, "everyone"),
        ActionKind::PublishMicrophone | ActionKind::PublishCamera => !leads || goes_on(&case),
        ActionKind::PublishScreen | ActionKind::PublishScreenAudio => {
            let open = !case.is(Dimension::ScreenRule, "hosts_and_presenters");
            !leads || (open && goes_on(&case))
        }
        ActionKind::ChangeProfile => case.is(Dimension::ProfileChange, "free"),
        ActionKind::WriteChat => {
            !leads || (case.is(Dimension::RoomChat, "everyone_writes") && goes_on(&case))
        }
        ActionKind::DeleteChat => !leads || case.mine(),
        ActionKind::CreateRoom => {
            role == Role::Program
                || case.is(Dimension::RoomCreation, "any_account")
                || case.is(Dimension::CreateRight, "yes")
        }
        // A program is no person.
        _ => role == Role::Program,
    }
}

fn designed(kind: ActionKind, role: Role, facts: Facts) -> bool {
    use Role::{Attendee, Guest, Host, Observer, Owner, Presenter};

    let case = Case(facts);
    let service = matches!(
        role,
        Role::Captioner | Role::Recorder | Role::Ingress | Role::Relay
    );
    if role == Role::Ingress {
        return ingress(kind, &case);
    }
    if role == Role::Captioner {
        return captioner(kind, &case);
    }
    if role == Role::Program {
        return program(kind, &case);
    }
    if service {
        return false;
    }
    let moderator = matches!(role, Owner | Host);
    let moderates = || moderator && case.standing("admitted");
    let owner_outside = || role == Owner && case.standing("outside") && case.mine();
    match kind {
        ActionKind::Enter => {
            let direct = match role {
                Owner => true,
                Host => case.free(),
                Presenter | Attendee => {
                    !case.is(Dimension::WaitingRoom, "everyone")
                        && case.proved()
                        && case.is(Dimension::Hosting, "present")
                        && case.is(Dimension::Lock, "open")
                        && case.free()
                }
                Observer => {
                    case.is(Dimension::WaitingRoom, "nobody")
                        && case.is(Dimension::Hosting, "present")
                        && case.is(Dimension::Lock, "open")
                        && case.free()
                }
                _ => false,
            };
            direct && case.standing("outside") && !case.barred()
        }
        ActionKind::Knock => {
            let may = match role {
                Presenter | Attendee => case.proved(),
                Guest => case.proved() && case.is(Dimension::SignIn, "guests_may_knock"),
                // With a stream token.
                Observer => true,
                _ => false,
            };
            may && case.standing("outside") && !case.barred()
        }
        ActionKind::Resume => case.standing("disconnected") && case.mine() && !case.barred(),
        ActionKind::Connect | ActionKind::Watch => case.standing("admitted") && case.own(),
        ActionKind::SeeParticipant => {
            let shown = !matches!(role, Guest | Observer)
                || case.own()
                || !case.is(Dimension::Subject, "quiet")
                || case.is(Dimension::GuestRoster, "everyone");
            shown && case.standing("admitted")
        }
        ActionKind::SeeCount => {
            case.standing("admitted")
                && (moderator || case.is(Dimension::ParticipantCount, "everyone"))
        }
        ActionKind::PublishMicrophone => {
            let everyone = case.is(Dimension::MicrophoneRule, "everyone_speaks");
            may_publish(role, &case, true, everyone)
        }
        ActionKind::PublishCamera => {
            let everyone = case.is(Dimension::CameraRule, "everyone_may");
            may_publish(role, &case, true, everyone)
        }
        ActionKind::PublishScreen | ActionKind::PublishScreenAudio => {
            let everyone = case.is(Dimension::ScreenRule, "everyone");
            let attendees = everyone || case.is(Dimension::ScreenRule, "attendees");
            may_publish(role, &case, attendees, everyone)
        }
        ActionKind::Ask => {
            matches!(role, Presenter | Attendee | Guest) && case.standing("admitted") && case.own()
        }
        ActionKind::RaiseHand => case.standing("admitted") && case.own(),
        ActionKind::ChangeProfile => {
            let free = case.is(Dimension::ProfileChange, "free");
            case.standing("admitted") && case.own() && (role == Owner || free)
        }
        ActionKind::ProposeProfile => case.standing("admitted") && case.own(),
        ActionKind::DecideProfile => {
            let peer = case.is(Dimension::Target, "same");
            moderates() && (case.below() || peer)
        }
        ActionKind::EditName
        | ActionKind::LinkIdentity
        | ActionKind::UnlinkIdentity
        | ActionKind::AddPasskey
        | ActionKind::RenamePasskey
        | ActionKind::RemovePasskey
        | ActionKind::MakeRecoveryCodes
        | ActionKind::ChangeOwnPassword
        | ActionKind::ChangeEmail
        | ActionKind::EndOwnSessions => role != Guest,
        ActionKind::EditPicture => true,
        ActionKind::Leave | ActionKind::Unpublish => {
            (case.standing("admitted") || case.standing("disconnected")) && case.own()
        }
        ActionKind::WriteChat => {
            let everyone = case.is(Dimension::RoomChat, "everyone_writes");
            let goes_on = case.is(Dimension::Suspension, "running");
            moderates() || (everyone && role != Observer && case.standing("admitted") && goes_on)
        }
        ActionKind::WritePrivateChat => false,
        ActionKind::ReadChat => case.standing("admitted"),
        ActionKind::ReadEarlierChat => {
            case.standing("admitted") && case.is(Dimension::ChatHistory, "from_start")
        }
        ActionKind::Listen | ActionKind::PublishCue | ActionKind::KeepTranscript => false,
        ActionKind::ChooseCaptions | ActionKind::RefuseCaptions | ActionKind::AllowCaptions => {
            case.standing("admitted") && case.own()
        }
        ActionKind::ReadCaptions => {
            case.standing("admitted") && case.is(Dimension::CaptionsRule, "on")
        }
        ActionKind::DeleteChat => {
            moderates() || (case.mine() && role != Observer && case.standing("admitted"))
        }
        ActionKind::Admit => moderates() && case.free(),
        ActionKind::Mute
        | ActionKind::PauseVideo
        | ActionKind::StopShare
        | ActionKind::Grant
        | ActionKind::Withdraw
        | ActionKind::Remove
        | ActionKind::Bar
        | ActionKind::SendBack => moderates() && case.below(),
        ActionKind::TransferOwnership => {
            let target = case.0.value(Dimension::TargetRole);
            let account = matches!(target, Some("host" | "presenter" | "attendee" | "observer"));
            role == Owner && account && case.standing("admitted") && case.below()
        }
        ActionKind::ManageGuestLinks | ActionKind::ManageStreamTokens => {
            moderates() || (matches!(role, Owner | Host) && case.standing("outside"))
        }
        ActionKind::SetRole => {
            let target = case.0.value(Dimension::TargetRole);
            let lower = matches!(target, Some("presenter" | "attendee" | "observer"));
            let off_stage = target == Some("guest") && case.is(Dimension::NewRole, "observer");
            let may = match role {
                Owner => lower || target == Some("host") || off_stage,
                Host => lower && !case.is(Dimension::NewRole, "host") || off_stage,
                _ => false,
            };
            may && case.standing("admitted") && case.below()
        }
        ActionKind::ChangeSetting => {
            let may = match case.0.value(Dimension::Relax) {
                Some("host") => moderates() || owner_outside(),
                Some("admin") => role == Owner && case.admin() && (moderates() || owner_outside()),
                _ => false,
            };
            may && case.is(Dimension::Held, "free")
        }
        ActionKind::ChangeOrgSetting => {
            role != Guest && case.admin() && !case.is(Dimension::Relax, "fixed")
        }
        ActionKind::EndSessions => {
            role != Guest && case.admin() && case.is(Dimension::SignInAge, "fresh")
        }
        ActionKind::ChangeFactorOption => {
            role != Guest && case.admin() && case.is(Dimension::Factor, "shown")
        }
        ActionKind::ChangeOption
        | ActionKind::ReadOrganisation
        | ActionKind::ReadWebhooks
        | ActionKind::ManageWebhooks => role != Guest && case.admin(),
        ActionKind::ReadPassword | ActionKind::ChangePassword | ActionKind::ChangeKind => {
            moderates() || owner_outside()
        }
        ActionKind::ReadRoom
        | ActionKind::ReadAudit
        | ActionKind::SeeStats
        | ActionKind::ReadTranscript
        | ActionKind::DeleteTranscript
        | ActionKind::ChangeSpeech => {
            moderates() || (matches!(role, Owner | Host) && case.standing("outside"))
        }
        ActionKind::EndRoom | ActionKind::RenameRoom => owner_outside(),
        ActionKind::ListRooms | ActionKind::SeeSession | ActionKind::MakeJoinToken => false,
        ActionKind::Deny
        | ActionKind::SeeBars
        | ActionKind::Unbar
        | ActionKind::Spotlight
        | ActionKind::MessageWaiting
        | ActionKind::Suspend
        | ActionKind::LiftSuspension
        | ActionKind::SeeLobby
        | ActionKind::Lock
        | ActionKind::Unlock
        | ActionKind::EndSession => moderates(),
        ActionKind::CreateRoom => {
            role != Guest
                && (case.is(Dimension::RoomCreation, "any_account")
                    || case.is(Dimension::CreateRight, "yes")
                    || case.admin())
        }
        ActionKind::InviteAccount
        | ActionKind::ReadOrganisationAudit
        | ActionKind::ReadMembers
        | ActionKind::ManageMember
        | ActionKind::ManageAdmin
        | ActionKind::ManageApiKeys
        | ActionKind::ManageProviders
        | ActionKind::ChangeEmbedders => role != Guest && case.admin(),
    }
}

/// Every question that can be asked, with its answer.
fn table() -> impl Iterator<Item = (ActionKind, Role, Facts, bool)> {
    ActionKind::ALL.iter().flat_map(|kind| {
        Role::ALL.into_iter().flat_map(move |role| {
            Facts::every(kind.dimensions())
                .map(move |facts| (*kind, role, facts, RULES.allows(*kind, role, &facts)))
        })
    })
}

/// What is allowed when the fact has this value.
fn allowed_when(
    dimension: Dimension,
    value: &str,
) -> impl Iterator<Item = (ActionKind, Role, Facts)> {
    table().filter_map(move |(kind, role, facts, allowed)| {
        (allowed && facts.value(dimension) == Some(value)).then_some((kind, role, facts))
    })
}

#[test]
fn every_decision_is_the_designed_one() {
    for (kind, role, facts, allowed) in table() {
        let words: Vec<_> = kind
            .dimensions()
            .iter()
            .map(|d| (d.as_str(), facts.value(*d)))
            .collect();
        assert_eq!(
            allowed,
            expected(kind, role, facts),
            "{kind} by {role} when {words:?}"
        );
    }
}

#[test]
fn who_waits_can_do_nothing() {
    assert_eq!(allowed_when(Dimension::Standing, "waiting").next(), None);
}

#[test]
fn who_is_outside_can_only_come_to_the_door_or_tend_their_own_room() {
    for (kind, role, facts) in allowed_when(Dimension::Standing, "outside") {
        let door = matches!(kind, ActionKind::Enter | ActionKind::Knock);
        let own_room = matches!(
            kind,
            ActionKind::ReadRoom
                | ActionKind::EndRoom
                | ActionKind::RenameRoom
                | ActionKind::ReadPassword
                | ActionKind::ChangePassword
                | ActionKind::ChangeSetting
                | ActionKind::ChangeKind
        ) && role == Role::Owner
            && facts.value(Dimension::Mine) == Some("yes");
        let hosted = matches!(
            kind,
            ActionKind::ReadRoom
                | ActionKind::ManageGuestLinks
                | ActionKind::ManageStreamTokens
                | ActionKind::ReadAudit
                | ActionKind::SeeStats
                | ActionKind::ReadTranscript
                | ActionKind::DeleteTranscript
                | ActionKind::ChangeSpeech
        );
        let hosted_room = hosted && role.is_moderator();
        assert!(door || own_room || hosted_room, "{kind} by {role}");
    }
}

#[test]
fn who_lost_the_connection_can_only_come_back_leave_or_stop_sending() {
    for (kind, role, _) in allowed_when(Dimension::Standing, "disconnected") {
        assert!(
            matches!(
                kind,
                ActionKind::Resume | ActionKind::Leave | ActionKind::Unpublish
            ),
            "{kind} by {role}"
        );
    }
}

#[test]
fn every_action_within_a_room_asks_how_the_actor_stands_to_it() {
    for kind in ActionKind::ALL {
        let organisation = matches!(
            kind,
            ActionKind::CreateRoom
                | ActionKind::InviteAccount
                | ActionKind::EditName
                | ActionKind::LinkIdentity
                | ActionKind::UnlinkIdentity
                | ActionKind::AddPasskey
                | ActionKind::RenamePasskey
                | ActionKind::RemovePasskey
                | ActionKind::MakeRecoveryCodes
                | ActionKind::ChangeOwnPassword
                | ActionKind::ChangeEmail
                | ActionKind::EndOwnSessions
                | ActionKind::EditPicture
                | ActionKind::ReadOrganisation
                | ActionKind::ReadWebhooks
                | ActionKind::ManageWebhooks
                | ActionKind::ChangeOrgSetting
                | ActionKind::ChangeOption
                | ActionKind::ChangeFactorOption
                | ActionKind::ReadOrganisationAudit
                | ActionKind::EndSessions
                | ActionKind::ReadMembers
                | ActionKind::ManageMember
                | ActionKind::ManageAdmin
                | ActionKind::ManageApiKeys
                | ActionKind::ManageProviders
                | ActionKind::ListRooms
                | ActionKind::ChangeEmbedders
        );
        assert_ne!(
            kind.dimensions().contains(&Dimension::Standing),
            organisation,
            "{kind}"
        );
    }
}

#[test]
fn who_is_barred_cannot_come_in_by_any_way() {
    assert_eq!(allowed_when(Dimension::Barred, "yes").next(), None);
    for kind in [ActionKind::Enter, ActionKind::Knock, ActionKind::Resume] {
        assert!(kind.dimensions().contains(&Dimension::Barred), "{kind}");
    }
}

#[test]
fn nobody_acts_on_someone_of_the_same_or_a_higher_rank() {
    let above =
        allowed_when(Dimension::Target, "same").chain(allowed_when(Dimension::Target, "above"));
    for (kind, role, _) in above {
        // A host's other name needs somebody else's consent, and the owner may be away.
        let peer = kind == ActionKind::DecideProfile && role.is_moderator();
        assert!(
            kind == ActionKind::SeeParticipant || peer,
            "{kind} by {role}"
        );
    }
}

#[test]
fn only_moderators_and_programs_act_on_others() {
    for (kind, role, _) in allowed_when(Dimension::Target, "below") {
        assert!(
            role.is_moderator() || role == Role::Program || kind == ActionKind::SeeParticipant,
            "{kind} by {role}"
        );
    }
}

#[test]
fn nobody_moderates_themself() {
    for (kind, role, _) in allowed_when(Dimension::Target, "own") {
        let moderation = matches!(
            kind,
            ActionKind::Grant
                | ActionKind::Withdraw
                | ActionKind::SetRole
                | ActionKind::TransferOwnership
                | ActionKind::DecideProfile
                | ActionKind::Remove
                | ActionKind::Bar
                | ActionKind::SendBack
                | ActionKind::Mute
                | ActionKind::PauseVideo
                | ActionKind::StopShare
        );
        assert!(!moderation, "{kind} by {role}");
    }
}

#[test]
fn a_right_that_was_taken_stops_everyone_but_the_owner() {
    for (kind, role, _) in allowed_when(Dimension::Right, "withdrawn") {
        assert_eq!(role, Role::Owner, "{kind}");
    }
}

#[test]
fn who_leads_without_the_second_factor_may_do_nothing_that_others_may_not() {
    let mut left = 0;
    for (kind, role, facts) in allowed_when(Dimension::SecondFactor, "missing") {
        if !role.is_moderator() {
            // Of who administers the organisation it is the same: nothing but what those may who do not.
            let other = facts.value(Dimension::OrgAdmin).map(|_| OrgAdmin::No);
            let other = other.map_or(facts, |other| facts.with(other));
            let same = role == Role::Program || RULES.allows(kind, role, &other);
            assert!(same, "{kind} by {role}");
            continue;
        }
        left += 1;
        // Nobody can take a right from an owner: that fact is never true of one.
        let withdrawn = facts.value(Dimension::Right) == Some("withdrawn");
        assert!(
            withdrawn || RULES.allows(kind, Role::Attendee, &facts),
            "{kind} by {role}"
        );
        assert_eq!(
            facts.value(Dimension::Target).unwrap_or("own"),
            "own",
            "{kind}"
        );
        assert_ne!(facts.value(Dimension::Standing), Some("outside"), "{kind}");
    }
    assert!(left > 40);
}

#[test]
fn lacking_the_second_factor_never_allows_more() {
    for (kind, role, facts) in allowed_when(Dimension::SecondFactor, "missing") {
        assert!(
            RULES.allows(kind, role, &facts.with(SecondFactor::Proved)),
            "{kind} by {role}"
        );
    }
}

#[test]
fn whether_second_factors_are_asked_for_is_said_by_who_showed_one() {
    let found: Vec<_> = table()
        .filter(|(kind, .., allowed)| *allowed && *kind == ActionKind::ChangeFactorOption)
        .collect();
    assert!(!found.is_empty());
    for (_, role, facts, _) in found {
        assert_eq!(facts.value(Dimension::Factor), Some("shown"), "{role}");
        assert_ne!(role, Role::Program);
    }
}

#[test]
fn who_lacks_nothing_but_the_second_factor_is_told_so_and_nobody_else() {
    let facts = Facts::new()
        .with(Standing::Admitted)
        .with(SecondFactor::Missing);
    let lacks = |role, facts: &Facts| RULES.lacks_factor(ActionKind::Lock, role, facts);
    assert!(lacks(Role::Owner, &facts) && lacks(Role::Host, &facts));
    assert!(!lacks(Role::Attendee, &facts) && !lacks(Role::Guest, &facts));
    assert!(!lacks(Role::Owner, &facts.with(SecondFactor::Proved)));
    assert!(!lacks(Role::Owner, &facts.with(Standing::Outside)));
    // A fact that nobody gave is no second factor that somebody could show.
    assert!(!lacks(Role::Owner, &Facts::new().with(Standing::Admitted)));
}

#[test]
fn the_owner_may_do_whatever_a_host_may() {
    for (kind, _, facts, _) in
        table().filter(|(_, role, _, allowed)| *role == Role::Host && *allowed)
    {
        assert!(RULES.allows(kind, Role::Owner, &facts), "{kind}");
    }
}

#[test]
fn a_guest_never_goes_in_without_waiting() {
    assert!(!table().any(|(kind, role, _, allowed)| allowed
        && kind == ActionKind::Enter
        && role == Role::Guest));
}

#[test]
fn observers_and_services_but_an_ingress_send_nothing() {
    for (kind, role, _, _) in table().filter(|(.., allowed)| *allowed) {
        let sends = kind.dimensions().contains(&Dimension::Right);
        let silent = role.rank() == 0 && role != Role::Ingress;
        assert!(!(sends && silent), "{kind} by {role}");
    }
}

#[test]
fn services_may_do_nothing_but_what_they_are_for() {
    let idle = |role| matches!(role, Role::Recorder | Role::Relay);
    assert!(!table().any(|(_, role, _, allowed)| allowed && idle(role)));
    let captions = |kind| {
        matches!(
            kind,
            ActionKind::Listen | ActionKind::PublishCue | ActionKind::KeepTranscript
        )
    };
    for (kind, role, _, allowed) in table() {
        assert!(
            !allowed || (role == Role::Captioner) == captions(kind),
            "{kind} by {role}"
        );
    }
}

#[test]
fn x01_x02_a_captioner_hears_and_captions_only_who_lets_it() {
    for value in [
        (Dimension::Consent, "refused"),
        (Dimension::Voice, "off"),
        (Dimension::CaptionsRule, "off"),
        (Dimension::Assignment, "other"),
    ] {
        let mut found = allowed_when(value.0, value.1)
            .filter(|(kind, ..)| matches!(kind, ActionKind::Listen | ActionKind::PublishCue));
        assert_eq!(found.next(), None, "{value:?}");
    }
}

#[test]
fn what_is_fixed_stays_and_what_is_the_administrators_needs_one() {
    assert_eq!(allowed_when(Dimension::Relax, "fixed").next(), None);
    for (kind, role, facts) in allowed_when(Dimension::Relax, "admin") {
        assert_eq!(facts.value(Dimension::OrgAdmin), Some("yes"));
        assert!(role == Role::Owner || kind == ActionKind::ChangeOrgSetting);
    }
}

#[test]
fn what_the_organisation_has_locked_nobody_changes_in_a_room() {
    assert_eq!(allowed_when(Dimension::Held, "locked").next(), None);
}

#[test]
fn nobody_becomes_a_host_but_by_the_owner() {
    for (_, role, _) in allowed_when(Dimension::NewRole, "host") {
        assert_eq!(role, Role::Owner);
    }
}

/// Strictness is ordered: a setting moved towards its default never allows more.
#[test]
fn a_stricter_setting_never_allows_more() {
    let settings = [
        Dimension::SignIn,
        Dimension::WaitingRoom,
        Dimension::MicrophoneRule,
        Dimension::CameraRule,
        Dimension::ScreenRule,
        Dimension::GuestRoster,
        Dimension::ParticipantCount,
        Dimension::RoomCreation,
    ];
    for kind in ActionKind::ALL {
        for (at, dimension) in kind
            .dimensions()
            .iter()
            .enumerate()
            .filter(|(_, d)| settings.contains(d))
        {
            let values = dimension.values().len();
            let step: usize = kind.dimensions()[at + 1..]
                .iter()
                .map(|d| d.values().len())
                .product();
            let cases: Vec<Facts> = Facts::every(kind.dimensions()).collect();
            for (place, facts) in cases
                .iter()
                .enumerate()
                .filter(|(place, _)| !(place / step).is_multiple_of(values))
            {
                let stricter = &cases[place - step];
                for role in Role::ALL {
                    let more =
                        RULES.allows(*kind, role, stricter) && !RULES.allows(*kind, role, facts);
                    assert!(!more, "{kind} by {role}: {dimension}");
                }
            }
        }
    }
}
