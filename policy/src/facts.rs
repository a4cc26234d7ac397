//! The facts that a decision rests on: finite dimensions, each with a handful of values.
//! A fact that was not given is missing, and a missing fact denies. Facts are gathered elsewhere, never here.

use std::fmt;

use crate::roles::Role;
pub use crate::settings::Relax;
use crate::settings::{
    Camera, Captions, ChatHistory, GuestRoster, Microphone, ParticipantCount, PrivateChat,
    ProfileChange, RoomChat, RoomCreation, ScreenShare, SignIn, Transcript, WaitingRoom,
};

/// A value of one dimension. Sealed: the dimensions are these and no others.
pub trait Fact: sealed::Sealed + Copy {
    /// The dimension it belongs to.
    const DIMENSION: Dimension;

    /// Its place among the values of the dimension.
    fn index(self) -> u8;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! dimensions {
    ($($(#[$doc:meta])* $name:ident($key:literal): $fact:ty as $values:ty = [$($value:ident $text:literal),+];)*) => {
        /// One question that a rule may ask about a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Dimension {
            $($(#[$doc])* $name,)*
        }

        impl Dimension {
            /// Every dimension.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the rule text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// The names of its values, in the order of their indices.
            pub const fn values(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($text),+],)* }
            }
        }

        $(
            impl sealed::Sealed for $fact {}
            impl Fact for $fact {
                const DIMENSION: Dimension = Dimension::$name;

                fn index(self) -> u8 {
                    enum Place { $($value,)+ }
                    match <$values>::from(self) { $(<$values>::$value => Place::$value as u8,)+ }
                }
            }
        )*
    };
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident,)+ })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];
        }
    )*};
}

facts! {
    /// How the actor stands to the room.
    Standing {
        /// Neither inside nor at the door.
        Outside,
        /// Knocked, not admitted.
        Waiting,
        /// Inside.
        Admitted,
        /// Inside, but their connection is lost and may be resumed.
        Disconnected,
        /// Not there, but with an API key one of whose scopes covers what is asked.
        Scoped,
    }
    /// The target participant against the actor.
    Target {
        /// The actor's own participant.
        Own,
        /// Of strictly lower rank.
        Below,
        /// Of the same rank, and someone else.
        Same,
        /// Of higher rank.
        Above,
    }
    /// Whether the room is locked.
    Lock {
        /// It is not.
        Open,
        /// It is.
        Locked,
    }
    /// The room's password.
    Password {
        /// Given rightly, or the room needs none.
        Proved,
        /// Not given, or wrong.
        Missing,
    }
    /// Whether the actor was removed or denied for good. Takes the setting about coming back into account.
    Barred {
        /// They may come to the door.
        No,
        /// They may not.
        Yes,
    }
    /// Whether the room may run now.
    Hosting {
        /// A host is present, or the room may start without.
        Present,
        /// No host is there, and one is needed.
        Absent,
    }
    /// Room for one more.
    Space {
        /// There is.
        Free,
        /// There is not.
        Full,
    }
    /// This participant's right for the source asked about.
    Right {
        /// As the room's settings have it.
        Default,
        /// A host gave it.
        Granted,
        /// A host took it.
        Withdrawn,
    }
    /// Whether a host has stopped everything for the moment.
    Suspension {
        /// Nobody has.
        Running,
        /// A host has, and has not let it go on.
        Suspended,
    }
    /// The role to be given.
    NewRole {
        /// [`Role::Host`].
        Host,
        /// [`Role::Presenter`].
        Presenter,
        /// [`Role::Attendee`]; for someone without an account [`Role::Guest`].
        Attendee,
        /// [`Role::Observer`].
        Observer,
    }
    /// What the roster entry looked at is.
    Subject {
        /// The owner or a host.
        Moderator,
        /// Someone who is speaking now.
        Speaking,
        /// Anyone else.
        Quiet,
    }
    /// Whether the actor's account has the right to create rooms.
    CreateRight {
        /// It has.
        Yes,
        /// It has not.
        No,
    }
    /// Whether the actor administers the organisation; of an API key, whether one of its scopes covers what is asked.
    OrgAdmin {
        /// They do.
        Yes,
        /// They do not.
        No,
    }
    /// The second factor that the organisation asks for, of who leads a room or administers it.
    SecondFactor {
        /// Shown in this session, or not asked for.
        Proved,
        /// Asked for, and not shown in this session.
        Missing,
    }
    /// Whether a second factor was shown in this session, asked for or not.
    Factor {
        /// It was.
        Shown,
        /// It was not.
        None,
    }
    /// How long ago the actor proved who they are.
    SignInAge {
        /// Just now.
        Fresh,
        /// Longer ago.
        Old,
    }
    /// Whether the organisation lets its rooms choose the setting to be changed.
    Held {
        /// It does.
        Free,
        /// It has locked it.
        Locked,
    }
    /// Whether someone lets captions be made of what they say.
    Consent {
        /// They have not refused.
        Given,
        /// They have refused.
        Refused,
    }
    /// Whether someone's microphone is on, by a permit that stands.
    Voice {
        /// It is not.
        Off,
        /// It is.
        On,
    }
    /// Whose work it is to make captions of a microphone.
    Assignment {
        /// The actor's own.
        Own,
        /// Another's, or nobody's.
        Other,
    }
    /// Whether the knock, the resume secret, the message or the room is the actor's own.
    Mine {
        /// It is.
        Yes,
        /// It is not.
        No,
    }
}

/// The role of the participant that an action is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetRole(pub Role);

impl From<TargetRole> for Role {
    fn from(role: TargetRole) -> Self {
        role.0
    }
}

impl From<NewRole> for Role {
    fn from(role: NewRole) -> Self {
        match role {
            NewRole::Host => Self::Host,
            NewRole::Presenter => Self::Presenter,
            NewRole::Attendee => Self::Attendee,
            NewRole::Observer => Self::Observer,
        }
    }
}

/// The role is none that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this role cannot be given")]
pub struct NotGivable;

impl TryFrom<Role> for NewRole {
    type Error = NotGivable;

    fn try_from(role: Role) -> Result<Self, NotGivable> {
        match role {
            Role::Host => Ok(Self::Host),
            Role::Presenter => Ok(Self::Presenter),
            Role::Attendee => Ok(Self::Attendee),
            Role::Observer => Ok(Self::Observer),
            _ => Err(NotGivable),
        }
    }
}

impl SecondFactor {
    /// What is true of a session in which one was shown or not, where it is asked for or not.
    pub const fn of(asked_for: bool, shown: bool) -> Self {
        if asked_for && !shown {
            Self::Missing
        } else {
            Self::Proved
        }
    }
}

impl Factor {
    /// Whether it was shown.
    pub const fn of(shown: bool) -> Self {
        if shown { Self::Shown } else { Self::None }
    }
}

impl Target {
    /// What a participant of another role is to an actor; the actor's own participant is [`Target::Own`], whatever the roles.
    pub const fn between(actor: Role, target: Role) -> Self {
        let (actor, target) = (actor.rank(), target.rank());
        if target < actor {
            Self::Below
        } else if target == actor {
            Self::Same
        } else {
            Self::Above
        }
    }
}

/// What is known about one request. Every fact starts out missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts([Option<u8>; Dimension::ALL.len()]);

impl Default for Facts {
    fn default() -> Self {
        Self::new()
    }
}

impl Facts {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self([None; Dimension::ALL.len()])
    }

    /// The same with this fact given; a fact of the same dimension is replaced.
    #[must_use]
    pub fn with<F: Fact>(mut self, fact: F) -> Self {
        self.put(F::DIMENSION, Some(fact.index()));
        self
    }

    /// The name of the value given for the dimension.
    pub fn value(&self, dimension: Dimension) -> Option<&'static str> {
        dimension
            .values()
            .get(usize::from(self.get(dimension)?))
            .copied()
    }

    /// Every combination of values of these dimensions, nothing else given. The last dimension changes fastest.
    pub fn every(dimensions: &[Dimension]) -> impl Iterator<Item = Self> {
        (0..Self::combinations(dimensions)).map(|mut rest| {
            let mut facts = Self::new();
            for dimension in dimensions.iter().rev() {
                let values = dimension.values().len();
                facts.put(*dimension, u8::try_from(rest % values).ok());
                rest /= values;
            }
            facts
        })
    }

    /// How many [`Facts::every`] gives.
    pub(crate) fn combinations(dimensions: &[Dimension]) -> usize {
        dimensions
            .iter()
            .map(|dimension| dimension.values().len())
            .product()
    }

    /// Where [`Facts::every`] gives these facts, all others put aside; none if one of the dimensions is missing.
    pub(crate) fn place(&self, dimensions: &[Dimension]) -> Option<usize> {
        dimensions.iter().try_fold(0, |place, dimension| {
            let value = usize::from(self.get(*dimension)?);
            let values = dimension.values().len();
            (value < values).then_some(place * values + value)
        })
    }

    fn get(&self, dimension: Dimension) -> Option<u8> {
        self.0.get(dimension as usize).copied().flatten()
    }

    pub(crate) fn put(&mut self, dimension: Dimension, value: Option<u8>) {
        if let Some(place) = self.0.get_mut(dimension as usize) {
            *place = value;
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

dimensions! {
    /// [`Standing`].
    Standing("standing"): Standing as Standing = [Outside "outside", Waiting "waiting", Admitted "admitted", Disconnected "disconnected", Scoped "scoped"];
    /// [`Target`].
    Target("target"): Target as Target = [Own "own", Below "below", Same "same", Above "above"];
    /// [`Lock`].
    Lock("lock"): Lock as Lock = [Open "open", Locked "locked"];
    /// [`Password`].
    Password("password"): Password as Password = [Proved "proved", Missing "missing"];
    /// The setting [`SignIn`].
    SignIn("sign_in"): SignIn as SignIn = [Required "required", GuestsMayKnock "guests_may_knock"];
    /// The setting [`WaitingRoom`].
    WaitingRoom("waiting_room"): WaitingRoom as WaitingRoom = [Everyone "everyone", GuestsOnly "guests_only", Nobody "nobody"];
    /// [`Barred`].
    Barred("barred"): Barred as Barred = [No "no", Yes "yes"];
    /// [`Hosting`].
    Hosting("hosting"): Hosting as Hosting = [Present "present", Absent "absent"];
    /// [`Suspension`].
    Suspension("suspension"): Suspension as Suspension = [Running "running", Suspended "suspended"];
    /// [`Space`].
    Space("space"): Space as Space = [Free "free", Full "full"];
    /// [`Right`].
    Right("right"): Right as Right = [Default "default", Granted "granted", Withdrawn "withdrawn"];
    /// The setting [`Microphone`].
    MicrophoneRule("microphone"): Microphone as Microphone =
        [AttendeesSpeakGuestsAsk "attendees_speak_guests_ask", EveryoneSpeaks "everyone_speaks"];
    /// The setting [`Camera`].
    CameraRule("camera"): Camera as Camera =
        [AttendeesMayGuestsAsk "attendees_may_guests_ask", EveryoneMay "everyone_may"];
    /// The setting [`ScreenShare`].
    ScreenRule("screen_share"): ScreenShare as ScreenShare =
        [HostsAndPresenters "hosts_and_presenters", Attendees "attendees", Everyone "everyone"];
    /// [`NewRole`].
    NewRole("new_role"): NewRole as NewRole = [Host "host", Presenter "presenter", Attendee "attendee", Observer "observer"];
    /// [`TargetRole`].
    TargetRole("target_role"): TargetRole as Role = [
        Owner "owner",
        Host "host",
        Presenter "presenter",
        Attendee "attendee",
        Guest "guest",
        Observer "observer",
        Captioner "captioner",
        Recorder "recorder",
        Ingress "ingress",
        Relay "relay",
        Program "program"
    ];
    /// [`Relax`] of the setting to be changed.
    Relax("relax"): Relax as Relax = [Host "host", Admin "admin", Fixed "fixed"];
    /// [`Held`].
    Held("held"): Held as Held = [Free "free", Locked "locked"];
    /// The setting [`GuestRoster`].
    GuestRoster("guest_roster"): GuestRoster as GuestRoster = [HostsAndSpeakers "hosts_and_speakers", Everyone "everyone"];
    /// The setting [`ParticipantCount`].
    ParticipantCount("participant_count"): ParticipantCount as ParticipantCount = [HostsOnly "hosts_only", Everyone "everyone"];
    /// The setting [`ProfileChange`].
    ProfileChange("profile_change"): ProfileChange as ProfileChange = [HeldForApproval "held_for_approval", Free "free"];
    /// The setting [`RoomChat`].
    RoomChat("room_chat"): RoomChat as RoomChat = [HostsWrite "hosts_write", EveryoneWrites "everyone_writes"];
    /// The setting [`PrivateChat`].
    PrivateChat("private_chat"): PrivateChat as PrivateChat = [Off "off", On "on"];
    /// The setting [`ChatHistory`].
    ChatHistory("chat_history"): ChatHistory as ChatHistory = [FromAdmission "from_admission", FromStart "from_start"];
    /// [`Subject`].
    Subject("subject"): Subject as Subject = [Moderator "moderator", Speaking "speaking", Quiet "quiet"];
    /// The setting [`RoomCreation`].
    RoomCreation("room_creation"): RoomCreation as RoomCreation = [WithRight "with_right", AnyAccount "any_account"];
    /// [`CreateRight`].
    CreateRight("create_right"): CreateRight as CreateRight = [Yes "yes", No "no"];
    /// [`OrgAdmin`].
    OrgAdmin("org_admin"): OrgAdmin as OrgAdmin = [Yes "yes", No "no"];
    /// [`SecondFactor`].
    SecondFactor("second_factor"): SecondFactor as SecondFactor = [Proved "proved", Missing "missing"];
    /// [`Factor`].
    Factor("factor"): Factor as Factor = [Shown "shown", None "none"];
    /// [`SignInAge`].
    SignInAge("sign_in_age"): SignInAge as SignInAge = [Fresh "fresh", Old "old"];
    /// The setting [`Captions`].
    CaptionsRule("captions"): Captions as Captions = [Off "off", On "on"];
    /// The setting [`Transcript`].
    TranscriptRule("transcript"): Transcript as Transcript = [Off "off", On "on"];
    /// [`Consent`].
    Consent("consent"): Consent as Consent = [Given "given", Refused "refused"];
    /// [`Voice`].
    Voice("voice"): Voice as Voice = [Off "off", On "on"];
    /// [`Assignment`].
    Assignment("assignment"): Assignment as Assignment = [Own "own", Other "other"];
    /// [`Mine`].
    Mine("mine"): Mine as Mine = [Yes "yes", No "no"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::ActionKind;

    /// Each value, given as a fact, is read back under its own name.
    fn named<F: Fact>(values: &[F], name: impl Fn(F) -> String) {
        let names: Vec<String> = values.iter().map(|value| name(*value)).collect();
        assert_eq!(names, F::DIMENSION.values());
        for value in values {
            assert_eq!(
                Facts::new().with(*value).value(F::DIMENSION),
                Some(name(*value).as_str())
            );
        }
    }

    fn snake(word: &str) -> String {
        let mut text = String::new();
        for letter in word.chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.push(letter.to_ascii_lowercase());
        }
        text
    }

    #[test]
    fn every_fact_is_read_back_under_its_own_name() {
        macro_rules! all {
            ($($fact:ident),*) => { $(named::<$fact>($fact::ALL, |value| snake(&format!("{value:?}")));)* };
        }
        all!(
            Standing,
            Target,
            Lock,
            Password,
            Barred,
            Hosting,
            Space,
            Right,
            NewRole,
            Subject,
            CreateRight,
            OrgAdmin,
            SecondFactor,
            Factor,
            Held,
            Consent,
            Voice,
            Assignment,
            Mine
        );
        all!(
            SignIn,
            WaitingRoom,
            Microphone,
            Camera,
            ScreenShare,
            GuestRoster,
            ParticipantCount,
            RoomCreation,
            RoomChat,
            PrivateChat,
            ChatHistory,
            Captions,
            Transcript
        );
        named::<Relax>(&[Relax::Host, Relax::Admin, Relax::Fixed], |value| {
            snake(&format!("{value:?}"))
        });
        named::<TargetRole>(&Role::ALL.map(TargetRole), |value| value.0.to_string());
    }

    #[test]
    fn every_dimension_has_its_own_name_and_place() {
        for (place, dimension) in Dimension::ALL.iter().enumerate() {
            assert_eq!(*dimension as usize, place);
            assert_eq!(
                Dimension::ALL
                    .iter()
                    .filter(|other| other.as_str() == dimension.as_str())
                    .count(),
                1
            );
        }
    }

    #[test]
    fn a_fact_that_was_not_given_is_missing() {
        let facts = Facts::new().with(Standing::Admitted);
        assert_eq!(facts.value(Dimension::Target), None);
        assert_eq!(facts.place(&[Dimension::Standing]), Some(2));
        assert_eq!(facts.place(&[Dimension::Standing, Dimension::Target]), None);
    }

    #[test]
    fn every_combination_comes_once_and_at_its_place() {
        for kind in ActionKind::ALL {
            let places: Vec<_> = Facts::every(kind.dimensions())
                .map(|facts| facts.place(kind.dimensions()))
                .collect();
            assert_eq!(
                places,
                (0..Facts::combinations(kind.dimensions()))
                    .map(Some)
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn ranks_are_compared_strictly() {
        assert_eq!(Target::between(Role::Owner, Role::Host), Target::Below);
        assert_eq!(Target::between(Role::Host, Role::Host), Target::Same);
        assert_eq!(Target::between(Role::Host, Role::Owner), Target::Above);
        assert_eq!(
            Target::between(Role::Captioner, Role::Observer),
            Target::Same
        );
    }

    #[test]
    fn only_four_roles_can_be_given() {
        let givable: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|role| NewRole::try_from(*role).is_ok())
            .collect();
        assert_eq!(
            givable,
            [Role::Host, Role::Presenter, Role::Attendee, Role::Observer]
        );
        for role in NewRole::ALL {
            assert_eq!(NewRole::try_from(Role::from(*role)), Ok(*role));
        }
    }
}
