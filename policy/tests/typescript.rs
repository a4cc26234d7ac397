//! The types that clients see, as TypeScript. Only with the feature `ts`.
#![cfg(feature = "ts")]

use conclave_policy::ids::RoomId;
use conclave_policy::roles::Role;
use conclave_policy::settings::{Relax, SettingKey, Settings, WaitingRoom};
use conclave_policy::source::Source;
use ts_rs::{Config, TS};

fn union(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(" | ")
}

#[test]
fn names_are_those_of_the_wire() {
    let config = Config::default();
    assert_eq!(Role::inline(&config), union(&Role::ALL.map(Role::as_str)));
    assert_eq!(
        Source::inline(&config),
        union(&Source::ALL.map(Source::as_str))
    );
    assert_eq!(
        WaitingRoom::inline(&config),
        union(SettingKey::WaitingRoom.values())
    );
    assert_eq!(Relax::inline(&config), union(&["host", "admin", "fixed"]));
    let keys: Vec<&str> = SettingKey::ALL.iter().map(|key| key.as_str()).collect();
    assert_eq!(SettingKey::inline(&config), union(&keys));
    assert!(Settings::inline(&config).contains("waiting_room: WaitingRoom"));
    assert_eq!(RoomId::inline(&config), "string");
}
