//! The settings of a room: each an ordered list of values, strictest first, and the first is the default.
//! A [`Settings`] that leaves no sign-in, no password and no waiting room cannot be made.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who may move a setting away from its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Relax {
    /// The owner and the hosts.
    Host,
    /// The owner, being an administrator of the organisation.
    Admin,
    /// Nobody.
    Fixed,
}

/// Why a change of settings is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting has this key.
    #[error("no such setting")]
    UnknownKey,
    /// The setting has no such value.
    #[error("the setting has no such value")]
    UnknownValue,
    /// The same key came twice.
    #[error("a setting is given twice")]
    Duplicate,
    /// The change would leave the door without any check.
    #[error("at least one of sign-in, password and waiting room stands")]
    NothingStands,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $name:ident, $relax:ident, $built:ident {
        $(#[$head_doc:meta])* $head:ident = $head_text:literal,
        $($(#[$value_doc:meta])* $value:ident = $text:literal,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
            pub enum $name {
                $(#[$head_doc])*
                #[serde(rename = $head_text)]
                $head,
                $($(#[$value_doc])* #[serde(rename = $text)] $value,)*
            }

            impl $name {
                /// Every value, strictest first.
                pub const ALL: &'static [Self] = &[Self::$head, $(Self::$value,)*];
                const TEXTS: &'static [&'static str] = &[$head_text, $($text,)*];

                /// Its name in storage, on the wire and in the rule text.
                pub const fn as_str(self) -> &'static str {
                    match self { Self::$head => $head_text, $(Self::$value => $text,)* }
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.as_str())
                }
            }

            impl FromStr for $name {
                type Err = SettingError;

                fn from_str(text: &str) -> Result<Self, SettingError> {
                    match text { $head_text => Ok(Self::$head), $($text => Ok(Self::$value),)* _ => Err(SettingError::UnknownValue) }
                }
            }
        )*

        /// The name of a setting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub enum SettingKey {
            $($(#[$doc])* $name,)*
        }

        impl SettingKey {
            /// Every key, in the order of the table of defaults.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in storage and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }

            /// Its values, strictest first; the first is the default.
            pub const fn values(self) -> &'static [&'static str] {
                match self { $(Self::$name => $name::TEXTS,)* }
            }

            /// Who may move it away from its default.
            pub const fn who_may_relax(self) -> Relax {
                match self { $(Self::$name => Relax::$relax,)* }
            }

            /// Whether something obeys it already. If not, it is kept and shown as coming later.
            pub const fn is_built(self) -> bool {
                match self { $(Self::$name => settings!(@ $built),)* }
            }
        }

        /// A value for every setting of a room.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub struct Settings {
            $($field: $name,)*
        }

        impl Settings {
            /// Every setting at its default, which is its strictest value.
            pub const fn strictest() -> Self {
                Self { $($field: $name::$head,)* }
            }

            /// The value of the setting, by name.
            pub const fn value(&self, key: SettingKey) -> &'static str {
                match key { $(SettingKey::$name => self.$field.as_str(),)* }
            }

            $($(#[$doc])*
            pub const fn $field(&self) -> $name {
                self.$field
            })*

            pub(crate) fn put(&mut self, key: SettingKey, value: &str) -> Result<(), SettingError> {
                match key { $(SettingKey::$name => self.$field = value.parse()?,)* }
                Ok(())
            }
        }
    };
    (@ built) => { true };
    (@ later) => { false };
}

settings! {
    /// Who waits at the door until a host admits them.
    waiting_room: WaitingRoom, Host, built {
        /// Everyone but the owner and the hosts.
        Everyone = "everyone",
        /// Guests.
        GuestsOnly = "guests_only",
        /// Nobody who has an account; guests wait all the same.
        Nobody = "nobody",
    }
    /// Whether people without an account may come to the door.
    sign_in: SignIn, Host, built {
        /// They are refused.
        Required = "required",
        /// They may knock, and always wait.
        GuestsMayKnock = "guests_may_knock",
    }
    /// Whether the room has a password.
    password: Password, Host, built {
        /// One was generated and is asked for.
        Required = "required",
        /// None is asked for.
        None = "none",
    }
    /// Who may create rooms.
    room_creation: RoomCreation, Admin, built {
        /// Accounts that were given the right.
        WithRight = "with_right",
        /// Every account.
        AnyAccount = "any_account",
    }
    /// Whether people may go in before a host is there.
    start: Start, Host, built {
        /// Only once a host is there.
        HostPresent = "host_present",
        /// At any time.
        Anytime = "anytime",
    }
    /// What happens when the last host leaves.
    last_host_leaves: LastHostLeaves, Host, built {
        /// The room locks, and nobody is promoted.
        Lock = "lock",
        /// The room stays as it is.
        StayOpen = "stay_open",
    }
    /// When the room locks itself after its start.
    lock_after_start: LockAfterStart, Host, built {
        /// After ten minutes.
        TenMinutes = "ten_minutes",
        /// After thirty minutes.
        ThirtyMinutes = "thirty_minutes",
        /// Not by itself.
        Never = "never",
    }
    /// How many participants fit.
    max_participants: MaxParticipants, Admin, built {
        /// 100.
        Hundred = "hundred",
        /// 300.
        ThreeHundred = "three_hundred",
        /// 1000.
        Thousand = "thousand",
    }
    /// Whether someone who was removed may come back.
    removed_may_return: RemovedMayReturn, Host, built {
        /// Not in this session.
        No = "no",
        /// Through the door, like anyone.
        Yes = "yes",
    }
    /// How many live sessions one identity may have in a room.
    sessions_per_identity: SessionsPerIdentity, Admin, built {
        /// One; a second is refused.
        One = "one",
        /// Two.
        Two = "two",
        /// Five.
        Five = "five",
    }
    /// How long a lost connection may be resumed.
    resume_window: ResumeWindow, Host, built {
        /// Two minutes.
        TwoMinutes = "two_minutes",
        /// Ten minutes.
        TenMinutes = "ten_minutes",
    }
    /// Who may speak.
    microphone: Microphone, Host, built {
        /// Admitted attendees; guests ask first.
        AttendeesSpeakGuestsAsk = "attendees_speak_guests_ask",
        /// Guests too.
        EveryoneSpeaks = "everyone_speaks",
    }
    /// Who may show a camera.
    camera: Camera, Host, built {
        /// Admitted attendees; guests ask first.
        AttendeesMayGuestsAsk = "attendees_may_guests_ask",
        /// Guests too.
        EveryoneMay = "everyone_may",
    }
    /// Who may share a screen.
    screen_share: ScreenShare, Host, built {
        /// Hosts and presenters; others ask first.
        HostsAndPresenters = "hosts_and_presenters",
        /// Attendees too.
        Attendees = "attendees",
        /// Guests too.
        Everyone = "everyone",
    }
    /// Whether a host may switch on someone else's microphone or camera.
    remote_unmute: RemoteUnmute, Fixed, built {
        /// Never; a host may only ask.
        RequestOnly = "request_only",
    }
    /// What happens to a new name or picture of someone inside.
    profile_change: ProfileChange, Host, built {
        /// The old one shows until a host approves.
        HeldForApproval = "held_for_approval",
        /// It shows at once.
        Free = "free",
    }
    /// Whom guests see in the roster.
    guest_roster: GuestRoster, Host, built {
        /// The owner, the hosts and who is speaking.
        HostsAndSpeakers = "hosts_and_speakers",
        /// Everyone.
        Everyone = "everyone",
    }
    /// Who writes in the room chat.
    room_chat: RoomChat, Host, built {
        /// The owner and the hosts; all admitted read.
        HostsWrite = "hosts_write",
        /// All admitted.
        EveryoneWrites = "everyone_writes",
    }
    /// Messages between two people.
    private_chat: PrivateChat, Host, later {
        /// None.
        Off = "off",
        /// Allowed.
        On = "on",
    }
    /// Files in the chat.
    files: Files, Host, later {
        /// None.
        Off = "off",
        /// Allowed.
        On = "on",
    }
    /// Links in the chat.
    live_links: LiveLinks, Host, later {
        /// Plain text.
        Off = "off",
        /// May be followed.
        On = "on",
    }
    /// What a late joiner reads of the chat.
    chat_history: ChatHistory, Host, built {
        /// From their own admission on.
        FromAdmission = "from_admission",
        /// From the start of the session.
        FromStart = "from_start",
    }
    /// How long the chat is kept after the session.
    chat_retention: ChatRetention, Admin, built {
        /// Not at all.
        None = "none",
        /// Thirty days.
        ThirtyDays = "thirty_days",
    }
    /// How reactions are shown.
    reactions: Reactions, Host, later {
        /// Counted together.
        Counted = "counted",
        /// With their sender.
        Named = "named",
    }
    /// Live captions.
    captions: Captions, Host, built {
        /// Off.
        Off = "off",
        /// On; each viewer chooses a language or none.
        On = "on",
    }
    /// Whether the captions are kept as a transcript.
    transcript: Transcript, Host, built {
        /// No.
        Off = "off",
        /// Yes.
        On = "on",
    }
    /// How long a transcript is kept after the session.
    transcript_retention: TranscriptRetention, Admin, built {
        /// Not at all.
        None = "none",
        /// Thirty days.
        ThirtyDays = "thirty_days",
    }
    /// Which machines captions are made on. Speech is recognised on the operator's own in any case.
    caption_engine: CaptionEngine, Admin, built {
        /// The operator's own alone.
        OwnHardware = "own_hardware",
        /// The text may also go to the service that the operator set up for translation.
        Remote = "remote",
    }
    /// Who may watch the live stream.
    live_stream: LiveStream, Host, later {
        /// There is none.
        Off = "off",
        /// Signed-in viewers.
        SignedIn = "signed_in",
        /// Anyone.
        Public = "public",
    }
    /// Recording.
    recording: Recording, Host, later {
        /// Off.
        Off = "off",
        /// On once every participant has agreed.
        WithConsent = "with_consent",
    }
    /// Who sees how many take part.
    participant_count: ParticipantCount, Host, built {
        /// The owner and the hosts.
        HostsOnly = "hosts_only",
        /// All admitted.
        Everyone = "everyone",
    }
    /// How long a session may last.
    session_length: SessionLength, Admin, built {
        /// Eight hours.
        EightHours = "eight_hours",
        /// Twenty-four hours.
        TwentyFourHours = "twenty_four_hours",
    }
    /// The audit log.
    audit_log: AuditLog, Fixed, built {
        /// Always on.
        On = "on",
    }
}

impl Settings {
    /// Changes one setting. A change that would leave the door without any check is refused and changes nothing.
    pub fn set(&mut self, key: SettingKey, value: &str) -> Result<(), SettingError> {
        let mut changed = *self;
        changed.put(key, value)?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// At least one of sign-in, password and waiting room stands.
    pub fn check(&self) -> Result<(), SettingError> {
        let stands = self.sign_in == SignIn::Required
            || self.password == Password::Required
            || self.waiting_room != WaitingRoom::Nobody;
        if stands {
            Ok(())
        } else {
            Err(SettingError::NothingStands)
        }
    }

    /// Every setting with its value.
    pub fn iter(&self) -> impl Iterator<Item = (SettingKey, &'static str)> + use<'_> {
        SettingKey::ALL.iter().map(|key| (*key, self.value(*key)))
    }

    /// What differs from the defaults, for storage.
    pub fn pairs(&self) -> impl Iterator<Item = (SettingKey, &'static str)> + use<'_> {
        let strictest = Self::strictest();
        self.iter()
            .filter(move |(key, value)| strictest.value(*key) != *value)
    }

    /// The defaults with these changes, taken together.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingError> {
        let mut settings = Self::strictest();
        let mut seen = Vec::new();
        for (key, value) in pairs {
            let key: SettingKey = key.parse()?;
            if seen.contains(&key) {
                return Err(SettingError::Duplicate);
            }
            seen.push(key);
            settings.put(key, value)?;
        }
        settings.check()?;
        Ok(settings)
    }
}

/// What is chosen for a room that has no word of its own in a setting any more: the room follows the organisation again.
pub const INHERIT: &str = "inherit";

impl SettingKey {
    /// What may be chosen for a room: a value, or to follow the organisation.
    pub fn parse_choice(self, text: &str) -> Result<&'static str, SettingError> {
        if text == INHERIT {
            Ok(INHERIT)
        } else {
            self.parse_value(text)
        }
    }

    /// The value of that name, as the one text that is stored and sent.
    pub fn parse_value(self, text: &str) -> Result<&'static str, SettingError> {
        self.values()
            .iter()
            .copied()
            .find(|value| *value == text)
            .ok_or(SettingError::UnknownValue)
    }
}

impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SettingKey {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        Self::ALL
            .iter()
            .copied()
            .find(|key| key.as_str() == text)
            .ok_or(SettingError::UnknownKey)
    }
}

impl LockAfterStart {
    /// How long after the start, if at all.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::TenMinutes => Some(Duration::from_secs(10 * 60)),
            Self::ThirtyMinutes => Some(Duration::from_secs(30 * 60)),
            Self::Never => None,
        }
    }
}

impl MaxParticipants {
    /// How many.
    pub const fn count(self) -> usize {
        match self {
            Self::Hundred => 100,
            Self::ThreeHundred => 300,
            Self::Thousand => 1000,
        }
    }
}

impl SessionsPerIdentity {
    /// How many.
    pub const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Five => 5,
        }
    }
}

impl ResumeWindow {
    /// How long after the connection was lost.
    pub const fn duration(self) -> Duration {
        match self {
            Self::TwoMinutes => Duration::from_secs(2 * 60),
            Self::TenMinutes => Duration::from_secs(10 * 60),
        }
    }
}

impl ChatRetention {
    /// How long after the session, if at all.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::ThirtyDays => Some(Duration::from_secs(30 * 24 * 60 * 60)),
        }
    }
}

impl TranscriptRetention {
    /// How long after the session, if at all.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::ThirtyDays => Some(Duration::from_secs(30 * 24 * 60 * 60)),
        }
    }
}

impl SessionLength {
    /// How long at most.
    pub const fn duration(self) -> Duration {
        match self {
            Self::EightHours => Duration::from_secs(8 * 60 * 60),
            Self::TwentyFourHours => Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Map)
    }
}

struct Map;

impl<'de> serde::de::Visitor<'de> for Map {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut pairs: Vec<(SettingKey, String)> = Vec::new();
        while let Some(pair) = map.next_entry()? {
            // More pairs than settings cannot all be known and different: refuse before they pile up.
            if pairs.len() == SettingKey::ALL.len() {
                return Err(serde::de::Error::custom(SettingError::Duplicate));
            }
            pairs.push(pair);
        }
        Settings::from_pairs(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        )
        .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_value_can_be_set_and_read_back() {
        for key in SettingKey::ALL {
            for value in key.values() {
                let mut settings = Settings::strictest();
                settings.set(*key, value).unwrap();
                assert_eq!(settings.value(*key), *value);
                assert_eq!(key.parse_value(value), Ok(*value));
                let changed: Vec<_> = settings.pairs().collect();
                let expected = if Some(value) == key.values().first() {
                    vec![]
                } else {
                    vec![(*key, *value)]
                };
                assert_eq!(changed, expected);
                assert_eq!(Settings::from_pairs([(key.as_str(), *value)]), Ok(settings));
                assert_eq!(
                    read(&serde_json::to_string(&settings).unwrap()),
                    Ok(settings)
                );
            }
        }
    }

    #[test]
    fn names_are_the_same_in_storage_and_on_the_wire() {
        for key in SettingKey::ALL {
            assert_eq!(serde_json::to_value(key).unwrap(), key.as_str());
            let settings = serde_json::to_value(Settings::strictest()).unwrap();
            assert_eq!(settings[key.as_str()], key.values()[0]);
        }
        assert_eq!(
            WaitingRoom::Nobody.to_string(),
            serde_json::to_value(WaitingRoom::Nobody).unwrap()
        );
    }

    #[test]
    fn what_is_not_known_is_refused_and_changes_nothing() {
        let mut settings = Settings::strictest();
        assert_eq!(
            settings.set(SettingKey::Start, "whenever"),
            Err(SettingError::UnknownValue)
        );
        assert_eq!(
            settings.set(SettingKey::Start, "Anytime"),
            Err(SettingError::UnknownValue)
        );
        assert_eq!(
            settings.set(SettingKey::AuditLog, "off"),
            Err(SettingError::UnknownValue)
        );
        assert_eq!(settings, Settings::strictest());
        assert_eq!(
            "colour".parse::<SettingKey>(),
            Err(SettingError::UnknownKey)
        );
        assert_eq!(
            SettingKey::Start.parse_value("none"),
            Err(SettingError::UnknownValue)
        );
        assert_eq!(
            Settings::from_pairs([("colour", "red")]),
            Err(SettingError::UnknownKey)
        );
        let twice = [("start", "anytime"), ("start", "host_present")];
        assert_eq!(Settings::from_pairs(twice), Err(SettingError::Duplicate));
    }

    #[test]
    fn a_map_with_anything_wrong_in_it_is_refused() {
        assert_eq!(read("{}"), Ok(Settings::strictest()));
        assert_eq!(
            read(r#"{"start":"anytime"}"#).unwrap().start(),
            Start::Anytime
        );
        assert!(read(r#"{"start":"whenever"}"#).is_err());
        assert!(read(r#"{"colour":"red"}"#).is_err());
        assert!(read(r#"{"start":"anytime","start":"anytime"}"#).is_err());
        assert!(read(r#"{"start":0}"#).is_err());
        assert!(
            read(r#"{"sign_in":"guests_may_knock","password":"none","waiting_room":"nobody"}"#)
                .is_err()
        );
        let many = format!("{{{}}}", vec![r#""start":"anytime""#; 10_000].join(","));
        assert!(read(&many).is_err());
    }

    #[test]
    fn strictness_is_the_order_of_the_values() {
        assert!(WaitingRoom::Everyone < WaitingRoom::GuestsOnly);
        assert!(WaitingRoom::GuestsOnly < WaitingRoom::Nobody);
        assert!(ScreenShare::ALL.is_sorted());
    }
}
