//! What settings mean for people, asked of the decision table before anything is changed: who gets in, who is heard and
//! seen, who sees and reads what. Pure, and proves nothing: an effect needs its permit.

use serde::Serialize;

use crate::actions::ActionKind;
use crate::engine::Snapshot;
use crate::facts::{
    Barred, Facts, Hosting, Lock, Mine, OrgAdmin, Password, Right, SecondFactor, Space, Standing,
    Subject, Suspension, Target,
};
use crate::kind::RoomKind;
use crate::roles::Role;
use crate::settings::{
    LockAfterStart, Password as PasswordRule, RemovedMayReturn, Settings, Start,
};

/// Whom the lines speak of: roles as people come to the door.
const WHO: [Role; 5] = [
    Role::Owner,
    Role::Host,
    Role::Presenter,
    Role::Attendee,
    Role::Guest,
];

/// What a room is set up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Its settings.
    pub settings: Settings,
    /// What it is for.
    pub kind: RoomKind,
}

/// How a room is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Whether it is locked.
    pub lock: Lock,
    /// Whether a host is there.
    pub hosted: bool,
    /// Whether there is room for one more.
    pub space: Space,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident $text:literal,)+ })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $text)] $value,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }
    )*};
}

codes! {
    /// What someone may want.
    What {
        /// Coming in as the room is now, with the password.
        Enter "enter",
        /// The same without the password.
        EnterWithoutPassword "enter_without_password",
        /// Coming in while no host is there.
        EnterBeforeHost "enter_before_host",
        /// Coming in long after the start.
        EnterLate "enter_late",
        /// Coming back after having been removed.
        Return "return_after_removal",
        /// Being heard.
        BeHeard "be_heard",
        /// Being seen.
        BeSeen "be_seen",
        /// Sharing a screen.
        Share "share",
        /// Seeing who takes part.
        SeeRoster "see_roster",
        /// Seeing how many take part.
        SeeCount "see_count",
        /// Writing in the chat.
        WriteChat "write_chat",
        /// Reading what is written in the chat.
        ReadChat "read_chat",
        /// Reading what was written before they came in.
        ReadEarlierChat "read_earlier_chat",
    }
    /// What comes of it.
    Answer {
        /// They get in at once.
        Directly "directly",
        /// They wait until a host admits them.
        Waits "waits",
        /// They are turned away.
        Refused "refused",
        /// They may.
        Yes "yes",
        /// They may once a host has allowed it.
        Asks "asks",
        /// They may not.
        No "no",
        /// They see everyone.
        Everyone "everyone",
        /// They see the hosts and whoever sends something.
        HostsAndSpeakers "hosts_and_speakers",
    }
}

/// One line: who, what, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Line {
    /// Who, by the role in which they come to the door.
    pub who: Role,
    /// What they want.
    pub what: What,
    /// What comes of it now.
    pub now: Answer,
    /// What would come of it then.
    pub then: Answer,
}

impl What {
    /// Whether it is about the door.
    pub const fn is_entry(self) -> bool {
        matches!(
            self,
            Self::Enter
                | Self::EnterWithoutPassword
                | Self::EnterBeforeHost
                | Self::EnterLate
                | Self::Return
        )
    }
}

impl Moment {
    /// A room that has just started, with a host in it and nobody else.
    pub const fn ordinary() -> Self {
        Self {
            lock: Lock::Open,
            hosted: true,
            space: Space::Free,
        }
    }
}

/// What a change would make different for whom; nothing for those for whom it makes no difference.
pub fn preview(rules: &Snapshot, moment: Moment, now: Setup, then: Setup) -> Vec<Line> {
    lines(rules, moment, now, then)
        .filter(|line| line.now != line.then)
        .collect()
}

/// Who can get in now, and how.
pub fn entry(rules: &Snapshot, moment: Moment, now: Setup) -> Vec<Line> {
    lines(rules, moment, now, now)
        .filter(|line| line.what.is_entry())
        .collect()
}

fn lines(rules: &Snapshot, moment: Moment, now: Setup, then: Setup) -> impl Iterator<Item = Line> {
    WHO.into_iter().flat_map(move |who| {
        What::ALL.iter().map(move |what| Line {
            who,
            what: *what,
            now: answer(rules, moment, now, who, *what),
            then: answer(rules, moment, then, who, *what),
        })
    })
}

fn answer(rules: &Snapshot, moment: Moment, setup: Setup, who: Role, what: What) -> Answer {
    let settings = &setup.settings;
    let door = door(moment, settings);
    let inside = inside(settings);
    let role = setup.kind.inside(who);
    match what {
        What::Enter => enter(rules, who, &door),
        What::EnterWithoutPassword => {
            let known = match settings.password() {
                PasswordRule::Required => Password::Missing,
                PasswordRule::None => Password::Proved,
            };
            enter(rules, who, &door.with(known))
        }
        What::EnterBeforeHost => {
            let hosting = hosting(false, settings);
            enter(rules, who, &door.with(hosting))
        }
        What::EnterLate => {
            let lock = match settings.lock_after_start() {
                LockAfterStart::Never => Lock::Open,
                _ => Lock::Locked,
            };
            enter(rules, who, &door.with(lock))
        }
        What::Return => {
            let barred = match settings.removed_may_return() {
                RemovedMayReturn::No => Barred::Yes,
                RemovedMayReturn::Yes => Barred::No,
            };
            enter(rules, who, &door.with(barred))
        }
        What::BeHeard => publish(rules, role, &inside, ActionKind::PublishMicrophone),
        What::BeSeen => publish(rules, role, &inside, ActionKind::PublishCamera),
        What::Share => publish(rules, role, &inside, ActionKind::PublishScreen),
        What::SeeRoster => roster(rules, role, &inside),
        What::SeeCount => yes(rules.allows(ActionKind::SeeCount, role, &inside)),
        What::WriteChat => yes(rules.allows(ActionKind::WriteChat, role, &inside)),
        What::ReadChat => yes(rules.allows(ActionKind::ReadChat, role, &inside)),
        What::ReadEarlierChat => yes(rules.allows(ActionKind::ReadEarlierChat, role, &inside)),
    }
}

fn door(moment: Moment, settings: &Settings) -> Facts {
    Facts::new()
        .with(Standing::Outside)
        .with(settings.waiting_room())
        .with(settings.sign_in())
        .with(Password::Proved)
        .with(hosting(moment.hosted, settings))
        .with(moment.lock)
        .with(moment.space)
        .with(Barred::No)
}

fn hosting(hosted: bool, settings: &Settings) -> Hosting {
    if hosted || settings.start() == Start::Anytime {
        Hosting::Present
    } else {
        Hosting::Absent
    }
}

fn inside(settings: &Settings) -> Facts {
    Facts::new()
        .with(Standing::Admitted)
        .with(Target::Own)
        .with(Right::Default)
        .with(Suspension::Running)
        .with(Mine::No)
        .with(OrgAdmin::No)
        .with(SecondFactor::Proved)
        .with(settings.microphone())
        .with(settings.camera())
        .with(settings.screen_share())
        .with(settings.guest_roster())
        .with(settings.participant_count())
        .with(settings.room_chat())
        .with(settings.chat_history())
        .with(settings.captions())
}

fn enter(rules: &Snapshot, who: Role, door: &Facts) -> Answer {
    if rules.allows(ActionKind::Enter, who, door) {
        Answer::Directly
    } else if rules.allows(ActionKind::Knock, who, door) {
        Answer::Waits
    } else {
        Answer::Refused
    }
}

fn publish(rules: &Snapshot, role: Role, inside: &Facts, kind: ActionKind) -> Answer {
    if rules.allows(kind, role, inside) {
        return Answer::Yes;
    }
    let granted = rules.allows(kind, role, &inside.with(Right::Granted));
    if granted && rules.allows(ActionKind::Ask, role, inside) {
        Answer::Asks
    } else {
        Answer::No
    }
}

fn roster(rules: &Snapshot, role: Role, inside: &Facts) -> Answer {
    let sees = |subject| {
        let other = inside.with(Target::Same).with(subject);
        rules.allows(ActionKind::SeeParticipant, role, &other)
    };
    if sees(Subject::Quiet) {
        Answer::Everyone
    } else if sees(Subject::Moderator) && sees(Subject::Speaking) {
        Answer::HostsAndSpeakers
    } else {
        Answer::No
    }
}

const fn yes(may: bool) -> Answer {
    if may { Answer::Yes } else { Answer::No }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::permit::PolicyVersion;
    use crate::settings::{Relax, SettingKey};

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

    fn setup(changes: &[(SettingKey, &str)]) -> Setup {
        let mut settings = Settings::strictest();
        for (key, value) in changes {
            settings.set(*key, value).unwrap();
        }
        Setup {
            settings,
            kind: RoomKind::Meeting,
        }
    }

    fn relaxed(key: SettingKey) -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
        let then = setup(&[(key, key.values().last().unwrap())]);
        words(preview(&RULES, Moment::ordinary(), setup(&[]), then))
    }

    fn words(lines: Vec<Line>) -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
        let words = |line: Line| {
            (
                line.who.as_str(),
                line.what.as_str(),
                line.now.as_str(),
                line.then.as_str(),
            )
        };
        lines.into_iter().map(words).collect()
    }

    #[test]
    fn at_the_strictest_only_the_owner_and_hosts_get_in_without_waiting() {
        let lines = entry(&RULES, Moment::ordinary(), setup(&[]));
        let enter: Vec<_> = lines
            .iter()
            .filter(|line| line.what == What::Enter)
            .map(|line| (line.who, line.now))
            .collect();
        assert_eq!(
            enter,
            [
                (Role::Owner, Answer::Directly),
                (Role::Host, Answer::Directly),
                (Role::Presenter, Answer::Waits),
                (Role::Attendee, Answer::Waits),
                (Role::Guest, Answer::Refused),
            ]
        );
        assert!(lines.iter().all(|line| line.now == line.then));
    }

    #[test]
    fn a_relaxation_shows_for_whom_it_makes_a_difference() {
        assert_eq!(
            relaxed(SettingKey::Microphone),
            [("guest", "be_heard", "asks", "yes")]
        );
        assert_eq!(
            relaxed(SettingKey::GuestRoster),
            [("guest", "see_roster", "hosts_and_speakers", "everyone")]
        );
        assert_eq!(
            relaxed(SettingKey::ScreenShare),
            [
                ("attendee", "share", "asks", "yes"),
                ("guest", "share", "asks", "yes"),
            ]
        );
        assert!(relaxed(SettingKey::SignIn).contains(&("guest", "enter", "refused", "waits")));
        let password = relaxed(SettingKey::Password);
        assert!(password.contains(&("attendee", "enter_without_password", "refused", "waits")));
        assert_eq!(
            relaxed(SettingKey::RoomChat),
            ["presenter", "attendee", "guest"].map(|who| (who, "write_chat", "no", "yes"))
        );
        assert!(relaxed(SettingKey::ChatHistory).contains(&(
            "guest",
            "read_earlier_chat",
            "no",
            "yes"
        )));
        assert_eq!(relaxed(SettingKey::CaptionEngine), []);
    }

    #[test]
    fn how_the_room_is_now_counts() {
        let open = setup(&[(SettingKey::WaitingRoom, "nobody")]);
        let attendee = |moment| {
            let lines = entry(&RULES, moment, open);
            let found = lines
                .into_iter()
                .find(|line| line.who == Role::Attendee && line.what == What::Enter);
            found.unwrap().now
        };
        let ordinary = Moment::ordinary();
        assert_eq!(attendee(ordinary), Answer::Directly);
        for moment in [
            Moment {
                lock: Lock::Locked,
                ..ordinary
            },
            Moment {
                hosted: false,
                ..ordinary
            },
            Moment {
                space: Space::Full,
                ..ordinary
            },
        ] {
            assert_eq!(attendee(moment), Answer::Waits, "{moment:?}");
        }
    }

    #[test]
    fn a_webinar_silences_and_hides_those_who_only_watch() {
        let now = setup(&[]);
        let then = Setup {
            kind: RoomKind::Webinar,
            ..now
        };
        let lines = words(preview(&RULES, Moment::ordinary(), now, then));
        assert!(lines.contains(&("attendee", "be_heard", "yes", "no")));
        assert!(lines.contains(&("guest", "be_heard", "asks", "no")));
        assert!(!lines.iter().any(|(who, ..)| *who == "presenter"));
    }

    /// What relaxes an answer: further right is laxer.
    fn laxity(answer: Answer) -> usize {
        [
            Answer::Refused,
            Answer::No,
            Answer::HostsAndSpeakers,
            Answer::Waits,
            Answer::Asks,
            Answer::Everyone,
            Answer::Directly,
            Answer::Yes,
        ]
        .iter()
        .position(|other| *other == answer)
        .unwrap()
    }

    /// The order of a setting's values is what "strictest first" promises: no step to the right takes anything from anyone.
    #[test]
    fn every_step_of_every_setting_relaxes_and_never_tightens() {
        for key in SettingKey::ALL {
            assert!(key.who_may_relax() != Relax::Fixed || key.values().len() == 1);
            for pair in key.values().windows(2) {
                let [now, then] = [setup(&[(*key, pair[0])]), setup(&[(*key, pair[1])])];
                for line in preview(&RULES, Moment::ordinary(), now, then) {
                    assert!(laxity(line.then) > laxity(line.now), "{key}: {line:?}");
                }
            }
        }
    }
}
