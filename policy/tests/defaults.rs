//! The table of strictest defaults, as the design has it, against the settings as they are built.

use std::time::Duration;

use conclave_policy::settings::{
    LockAfterStart, MaxParticipants, Relax, ResumeWindow, SessionLength, SessionsPerIdentity,
    SettingError, SettingKey, Settings,
};

/// What the table says, the setting, its strictest value, who may relax it. One setting may take several rows of ours
/// where the table's row speaks of several things, and none where it speaks of what is not a choice.
const TABLE: &[(&str, &str, &str, Relax)] = &[
    (
        "waiting room: everyone but owner and hosts waits",
        "waiting_room",
        "everyone",
        Relax::Host,
    ),
    (
        "sign-in required (guests refused): yes",
        "sign_in",
        "required",
        Relax::Host,
    ),
    (
        "password: required, generated",
        "password",
        "required",
        Relax::Host,
    ),
    (
        "who may create rooms: accounts that have the right",
        "room_creation",
        "with_right",
        Relax::Admin,
    ),
    (
        "start before a host is present: no",
        "start",
        "host_present",
        Relax::Host,
    ),
    (
        "lock when the last host leaves: yes",
        "last_host_leaves",
        "lock",
        Relax::Host,
    ),
    (
        "lock the room some time after start: 10 min",
        "lock_after_start",
        "ten_minutes",
        Relax::Host,
    ),
    (
        "participants at most: 100",
        "max_participants",
        "hundred",
        Relax::Admin,
    ),
    (
        "removed may come back: no",
        "removed_may_return",
        "no",
        Relax::Host,
    ),
    (
        "sessions per identity and room: 1",
        "sessions_per_identity",
        "one",
        Relax::Admin,
    ),
    (
        "coming back after a lost connection: for 2 min",
        "resume_window",
        "two_minutes",
        Relax::Host,
    ),
    (
        "microphone: attendees may speak, guests ask first",
        "microphone",
        "attendees_speak_guests_ask",
        Relax::Host,
    ),
    (
        "camera: guests ask first",
        "camera",
        "attendees_may_guests_ask",
        Relax::Host,
    ),
    (
        "screen share: hosts and presenters only",
        "screen_share",
        "hosts_and_presenters",
        Relax::Host,
    ),
    (
        "host may switch on someone's microphone: never",
        "remote_unmute",
        "request_only",
        Relax::Fixed,
    ),
    (
        "change of name or picture: held for approval",
        "profile_change",
        "held_for_approval",
        Relax::Host,
    ),
    (
        "roster for guests: hosts and current speakers only",
        "guest_roster",
        "hosts_and_speakers",
        Relax::Host,
    ),
    (
        "room chat: hosts write, all admitted read",
        "room_chat",
        "hosts_write",
        Relax::Host,
    ),
    ("private chat: off", "private_chat", "off", Relax::Host),
    ("files: off", "files", "off", Relax::Host),
    ("live links: off", "live_links", "off", Relax::Host),
    (
        "chat history for late joiners: from their admission on",
        "chat_history",
        "from_admission",
        Relax::Host,
    ),
    (
        "chat kept after the session: no",
        "chat_retention",
        "none",
        Relax::Admin,
    ),
    (
        "reactions: on, counted together",
        "reactions",
        "counted",
        Relax::Host,
    ),
    (
        "captions: off until a host turns them on",
        "captions",
        "off",
        Relax::Host,
    ),
    ("transcript kept: no", "transcript", "off", Relax::Host),
    (
        "transcript kept after the session: no",
        "transcript_retention",
        "none",
        Relax::Admin,
    ),
    (
        "caption engine: own hardware only",
        "caption_engine",
        "own_hardware",
        Relax::Admin,
    ),
    ("live stream (HLS): off", "live_stream", "off", Relax::Host),
    ("recording: off", "recording", "off", Relax::Host),
    (
        "participant count shown: to hosts only",
        "participant_count",
        "hosts_only",
        Relax::Host,
    ),
    (
        "session limits: 8 h",
        "session_length",
        "eight_hours",
        Relax::Admin,
    ),
    ("audit log: on", "audit_log", "on", Relax::Fixed),
];

#[test]
fn every_setting_starts_at_the_default_of_the_table() {
    let strictest = Settings::strictest();
    let keys: Vec<&str> = SettingKey::ALL.iter().map(|key| key.as_str()).collect();
    let rows: Vec<&str> = TABLE.iter().map(|(_, key, ..)| *key).collect();
    assert_eq!(keys, rows);
    for (row, key, default, relax) in TABLE {
        let key: SettingKey = key.parse().unwrap();
        assert_eq!(key.values().first(), Some(default), "{row}");
        assert_eq!(strictest.value(key), *default, "{row}");
        assert_eq!(key.who_may_relax(), *relax, "{row}");
    }
}

#[test]
fn what_nobody_may_relax_has_one_value_and_the_rest_has_more() {
    for key in SettingKey::ALL {
        assert_eq!(
            key.values().len() == 1,
            key.who_may_relax() == Relax::Fixed,
            "{key}"
        );
    }
}

#[test]
fn limits_are_the_numbers_of_the_table_and_grow_from_there() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(LockAfterStart::ALL[0].duration(), Some(minutes(10)));
    assert_eq!(MaxParticipants::ALL[0].count(), 100);
    assert_eq!(SessionsPerIdentity::ALL[0].count(), 1);
    assert_eq!(ResumeWindow::ALL[0].duration(), minutes(2));
    assert_eq!(SessionLength::ALL[0].duration(), minutes(8 * 60));
    assert!(MaxParticipants::ALL.is_sorted_by(|a, b| a.count() < b.count()));
    assert!(SessionsPerIdentity::ALL.is_sorted_by(|a, b| a.count() < b.count()));
    assert!(ResumeWindow::ALL.is_sorted_by(|a, b| a.duration() < b.duration()));
    assert!(SessionLength::ALL.is_sorted_by(|a, b| a.duration() < b.duration()));
}

/// Every way to set the three door settings: refused exactly where none of them stands.
#[test]
fn one_of_sign_in_password_and_waiting_room_always_stands() {
    let doors = [
        SettingKey::SignIn,
        SettingKey::Password,
        SettingKey::WaitingRoom,
    ];
    for sign_in in doors[0].values() {
        for password in doors[1].values() {
            for waiting_room in doors[2].values() {
                let values = [*sign_in, *password, *waiting_room];
                let pairs = doors.iter().map(|key| key.as_str()).zip(values);
                let open = values == ["guests_may_knock", "none", "nobody"];
                assert_eq!(Settings::from_pairs(pairs).is_err(), open, "{values:?}");

                let mut settings = Settings::strictest();
                let changes: Vec<_> = doors
                    .iter()
                    .zip(values)
                    .map(|(key, value)| settings.set(*key, value))
                    .collect();
                assert_eq!(
                    changes.contains(&Err(SettingError::NothingStands)),
                    open,
                    "{values:?}"
                );
                assert_eq!(settings.check(), Ok(()));
                if open {
                    assert_eq!(
                        settings.value(doors[2]),
                        "everyone",
                        "a refused change changes nothing"
                    );
                }
            }
        }
    }
}
