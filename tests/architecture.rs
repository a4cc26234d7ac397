//! Reads the source as tokens and fails on what the architecture forbids: an import that points up or sideways, a
//! library named outside its one place, a file without a heading or grown too long. Runs none of the code it reads.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

#[path = "architecture/tokens.rs"]
mod tokens;

use tokens::{definitions, names, silenced, unsafes, without_tests};

/// The parts of `src/`, the highest layer first. A part imports only from layers below its own.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["server", "config", "telemetry"],
    &["gateway", "api"],
    &["rooms"],
    &["guard"],
    &[
        "udp",
        "relay",
        "broadcast",
        "captioner",
        "auth",
        "mail",
        "cluster",
        "webhooks",
    ],
    &["media", "chat", "store"],
    &[
        "ids", "clock", "secret", "bounded", "likeness", "speech", "outbound",
    ],
];

/// Who may import whom within one layer. Everyone else is told what they need by the layer above.
const BESIDE: &[(&str, &str)] = &[
    ("server", "config"),
    ("server", "telemetry"),
    ("ids", "secret"),
];

/// Names that only some files may use.
const CONFINED: &[Confined] = &[
    Confined {
        name: "casbin",
        to: &["policy/src/engine.rs"],
        why: "the rule engine stays behind one file",
    },
    Confined {
        name: "sqlx",
        to: &["src/store/"],
        why: "all SQL stays in the store",
    },
    Confined {
        name: "josekit",
        to: &["src/auth/"],
        why: "tokens are opened behind their guard only",
    },
    Confined {
        name: "webauthn_rs",
        to: &["src/auth/passkeys.rs"],
        why: "what passkeys say is read and believed in one place",
    },
    Confined {
        name: "lettre",
        to: &["src/mail/"],
        why: "mail leaves through one door",
    },
    Confined {
        name: "image",
        to: &["src/auth/picture.rs"],
        why: "pictures are decoded under the limits of one place",
    },
    Confined {
        name: "whisper_rs",
        to: &["captions/src/recognise/"],
        why: "whisper.cpp stays behind one trait",
    },
    Confined {
        name: "rusty_opus",
        to: &["captions/src/listen/opus.rs"],
        why: "the decoder of what strangers send stays behind one file that catches its panics",
    },
    Confined {
        name: "dimpl",
        to: &["src/media/"],
        why: "DTLS stays behind one part",
    },
];

/// Files that must stay pure, and what they may not name.
const PURE: &[Pure] = &[
    Pure {
        of: &[
            "policy/src/",
            "captions/src/wire",
            "captions/src/listen",
            "captions/src/detect",
            "captions/src/agree",
            "captions/src/guards",
            "captions/src/cue",
            "captions/src/budget",
            "captions/src/pace",
            "captions/src/shown",
            "captions/src/talker",
            "captions/src/sound",
            "captions/src/steady",
            "captions/src/tongue",
            "captions/src/desk",
            "captions/src/files",
            "captions/src/models",
        ],
        never: &[
            "tokio",
            "std::net",
            "std::fs",
            "std::thread",
            "Instant",
            "SystemTime",
            "ring",
        ],
    },
    Pure {
        of: &["src/media/", "src/chat/"],
        never: &[
            "tokio",
            "UdpSocket",
            "TcpStream",
            "TcpListener",
            "std::thread",
            "SystemTime",
            "SystemClock",
            "SystemRandom",
        ],
    },
    Pure {
        of: &[
            "src/rooms/room.rs",
            "src/rooms/deeds.rs",
            "src/rooms/control.rs",
            "src/rooms/waiting.rs",
            "src/rooms/levels.rs",
            "src/rooms/stage.rs",
            "src/rooms/streams.rs",
            "src/rooms/lobby.rs",
            "src/rooms/floor.rs",
            "src/rooms/person.rs",
            "src/rooms/timer.rs",
            "src/rooms/effect.rs",
            "src/rooms/projection.rs",
            "src/rooms/profile.rs",
        ],
        never: SHELL,
    },
];

/// What belongs to the task around a room, not to the room.
const SHELL: &[&str] = &[
    "tokio",
    "std::net",
    "Instant",
    "SystemTime",
    "SystemClock",
    "SystemRandom",
    "crate::guard",
    "crate::store",
    "crate::auth",
    "crate::udp",
    "crate::media",
    "crate::rooms::actor",
    "crate::rooms::seat",
    "crate::rooms::registry",
];

/// The one file that may hold `unsafe`: whisper.cpp takes a callback there. Elsewhere the compiler forbids or denies it.
const UNSAFE: &str = "captions/src/recognise/abort.rs";

/// The most lines that a file has before its tests: generous, for a file has one subject.
const LONGEST: usize = 700;

/// The same for a file of nothing but tests, which may tell many stories of one subject.
const LONGEST_OF_TESTS: usize = 1000;

struct Confined {
    name: &'static str,
    to: &'static [&'static str],
    why: &'static str,
}

struct Pure {
    of: &'static [&'static str],
    never: &'static [&'static str],
}

/// A source file: its path from the top of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

#[test]
fn the_code_keeps_to_its_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "policy", "captions", "tests", "fuzz"] {
        read(root, &root.join(folder), &mut sources);
    }
    assert!(sources.len() > 50, "the sources were not found");
    let faults: Vec<_> = sources.iter().flat_map(faults).collect();
    let mut list = String::new();
    for fault in &faults {
        let _ = write!(list, "\n  {fault}");
    }
    assert!(faults.is_empty(), "{} faults:{list}", faults.len());
}

/// Everything that is wrong with one file.
fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault =
        |line: usize, what: String| faults.push(format!("{}:{line}: {what}", source.path));
    if !source.text.starts_with("//!") {
        fault(
            1,
            "does not open with `//!`: what the file is and what it may not do".into(),
        );
    }
    let length = before_tests(&source.text);
    let tests = source.path.contains("tests/") || source.path.ends_with("/tests.rs");
    let longest = if tests { LONGEST_OF_TESTS } else { LONGEST };
    if length > longest {
        fault(
            longest,
            format!(
                "has {length} lines before its tests, more than {longest}: find its second subject"
            ),
        );
    }
    let Ok(tokens) = source.text.parse::<TokenStream>() else {
        fault(1, "is not Rust".into());
        return faults;
    };
    for line in silenced(tokens.clone()) {
        fault(
            line,
            "silences a lint with `allow`: use `expect` with a reason".into(),
        );
    }
    if source.path.ends_with("src/lib.rs")
        || source.path.starts_with("src/") && source.path.ends_with("/mod.rs")
    {
        for line in definitions(tokens.clone()) {
            fault(
                line,
                "defines something: `mod.rs` and `lib.rs` hold docs, `mod` lines and re-exports"
                    .into(),
            );
        }
    }
    for line in unsafes(tokens.clone()) {
        if source.path != UNSAFE {
            fault(line, format!("holds `unsafe`: only `{UNSAFE}` may"));
        }
    }
    let everything = names(&source.path, tokens.clone());
    let production = names(&source.path, without_tests(tokens));
    let own = part(&source.path);
    for named in &everything {
        if let Some(own) = &own
            && let [root, used, ..] = named.path.as_slice()
            && root == "crate"
            && let Some(why) = forbidden(own, used)
        {
            fault(named.line, why);
        }
    }
    for confined in CONFINED {
        let inside = confined
            .to
            .iter()
            .any(|place| source.path.starts_with(place))
            || source.path.contains("tests/");
        for named in everything
            .iter()
            .filter(|named| !inside && named.mentions(confined.name))
        {
            fault(
                named.line,
                format!("names `{}`: {}", confined.name, confined.why),
            );
        }
    }
    let here = |place: &&str| source.path.starts_with(*place);
    for pure in PURE.iter().filter(|pure| pure.of.iter().any(here)) {
        for never in pure.never {
            for named in production.iter().filter(|named| named.mentions(never)) {
                fault(named.line, format!("is pure and must not name `{never}`"));
            }
        }
    }
    faults.dedup();
    faults
}

/// The part of the server that a file belongs to, if it belongs to the server's library or binary.
fn part(path: &str) -> Option<String> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    let part = first.strip_suffix(".rs").unwrap_or(first);
    (part != "lib").then(|| part.to_owned())
}

/// Why `part` may not import `used`, if it may not.
fn forbidden(part: &str, used: &str) -> Option<String> {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    if part == used {
        return None;
    }
    let Some(own) = layer(part) else {
        return Some(format!("`{part}` has no place in the layers"));
    };
    let Some(theirs) = layer(used) else {
        return Some(format!("`{used}` has no place in the layers"));
    };
    if theirs < own {
        Some(format!(
            "`{part}` must not import `{used}`, which stands above it"
        ))
    } else if theirs == own && !BESIDE.contains(&(part, used)) {
        Some(format!(
            "`{part}` must not import `{used}`, which stands beside it"
        ))
    } else {
        None
    }
}

/// How many lines stand before the tests at the foot of a file.
fn before_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].contains("mod "));
    tests.unwrap_or(lines.len())
}

fn read(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            read(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            sources.push(Source {
                path: name,
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// What is wrong with a made-up file.
fn wrong(path: &str, code: &str) -> Vec<String> {
    faults(&Source {
        path: path.into(),
        text: format!("//! Made up.\n{code}"),
    })
}

fn one_fault(path: &str, code: &str, says: &str) {
    let wrong = wrong(path, code);
    assert!(
        wrong.len() == 1 && wrong[0].contains(says),
        "{path} {code}: {wrong:?}"
    );
}

#[test]
fn an_import_from_below_is_right() {
    for (path, code) in [
        (
            "src/gateway/socket.rs",
            "use crate::rooms::registry::Registry;",
        ),
        (
            "src/server/compose.rs",
            "use crate::{api::routes, config::Config, telemetry};",
        ),
        ("src/udp/shard.rs", "use crate::media::sfu::Sfu;"),
        ("src/auth/accounts.rs", "use crate::store::database::Store;"),
        (
            "src/rooms/actor.rs",
            "use crate::guard::Guard; use tokio::sync::mpsc;",
        ),
        ("src/rooms/actor/door.rs", "use super::RoomActor;"),
        ("src/guard.rs", "mod tests { use super::*; }"),
    ] {
        assert!(
            wrong(path, code).is_empty(),
            "{path} {code}: {:?}",
            wrong(path, code)
        );
    }
}

#[test]
fn an_upward_import_is_a_fault_however_it_is_written() {
    for code in [
        "use crate::gateway::socket::Socket;",
        "use crate::{bounded::Text, gateway::{self, frame}};",
        "pub(crate) use crate::gateway as outside;",
        "fn f() { crate::gateway::frame::first(\"\"); }",
        "fn f() { loop { select! { _ = crate::gateway::run() => {} } } }",
        "use super::super::gateway::frame;",
        "use super::{floor, super::gateway};",
        "#[cfg(test)]\nmod tests { use crate::gateway::frame; }",
        "#[cfg(test)]\nmod tests { use super::super::super::gateway::frame; }",
        "#[derive(crate::gateway::Derive)] struct S;",
    ] {
        one_fault("src/rooms/lobby.rs", code, "above");
    }
    one_fault(
        "src/store/row.rs",
        "use super::super::auth::token;",
        "above",
    );
    one_fault("src/ids.rs", "use super::store;", "above");
}

#[test]
fn parts_of_one_layer_do_not_import_each_other() {
    one_fault("src/gateway/upgrade.rs", "use crate::api::rooms;", "beside");
    one_fault("src/api/rooms.rs", "use crate::gateway::frame;", "beside");
    one_fault("src/media/sfu.rs", "use crate::store::rooms;", "beside");
    one_fault("src/auth/limits.rs", "use crate::udp::plane;", "beside");
    one_fault("src/telemetry.rs", "use crate::config::Config;", "beside");
}

#[test]
fn only_the_server_and_main_know_the_settings_file() {
    for path in [
        "src/gateway/socket.rs",
        "src/rooms/room.rs",
        "src/auth/limits.rs",
        "src/store/database.rs",
        "src/api/rooms.rs",
    ] {
        one_fault(path, "use crate::config::Config;", "above");
    }
    assert!(wrong("src/server/compose.rs", "use crate::config::Config;").is_empty());
}

#[test]
fn a_part_without_a_layer_is_a_fault() {
    one_fault("src/shiny/new.rs", "use crate::ids::RoomId;", "no place");
    one_fault("src/rooms/room.rs", "use crate::shiny::New;", "no place");
}

#[test]
fn a_pure_file_names_neither_runtime_nor_clock() {
    one_fault("src/rooms/room.rs", "use tokio::sync::mpsc;", "pure");
    one_fault("src/rooms/room.rs", "use crate::guard::Guard;", "pure");
    one_fault("src/rooms/lobby.rs", "use super::actor::RoomActor;", "pure");
    one_fault("src/media/sfu.rs", "fn f() { tokio::spawn(g()); }", "pure");
    one_fault(
        "src/media/sfu.rs",
        "use std::net::{SocketAddr, UdpSocket};",
        "pure",
    );
    one_fault("policy/src/engine.rs", "use std::time::Instant;", "pure");
    one_fault(
        "policy/src/engine.rs",
        "use std::{fmt, net::IpAddr};",
        "pure",
    );
    assert!(
        wrong(
            "src/media/sfu.rs",
            "use std::time::Instant; use std::net::SocketAddr;"
        )
        .is_empty()
    );
    assert!(
        wrong(
            "src/media/sfu.rs",
            "#[cfg(test)]\nmod tests { use crate::clock::SystemClock; }"
        )
        .is_empty()
    );
}

#[test]
fn a_confined_library_is_named_in_its_place_only() {
    one_fault("src/rooms/actor.rs", "use sqlx::SqlitePool;", "SQL");
    one_fault(
        "src/guard.rs",
        "fn f() -> sqlx::Result<()> { Ok(()) }",
        "SQL",
    );
    one_fault("policy/src/rules.rs", "use casbin::CoreApi;", "rule engine");
    one_fault("src/gateway/upgrade.rs", "use josekit::jwe;", "tokens");
    assert!(wrong("src/store/rooms.rs", "use sqlx::Row;").is_empty());
    assert!(
        wrong(
            "policy/src/rules.rs",
            "/// Not casbin::Enforcer.\nconst WORD: &str = \"casbin\";"
        )
        .is_empty()
    );
}

#[test]
fn a_silenced_lint_is_a_fault() {
    for code in [
        "#[allow(dead_code)] fn f() {}",
        "#![allow(dead_code)]",
        "#[cfg_attr(test, allow(dead_code))] fn f() {}",
        "mod inner { #[allow(clippy::unwrap_used)] fn f() {} }",
    ] {
        one_fault("src/bounded.rs", code, "expect");
    }
    assert!(
        wrong(
            "src/bounded.rs",
            "#[expect(dead_code, reason = \"…\")] fn allow(_: ()) {}"
        )
        .is_empty()
    );
}

#[test]
fn a_file_opens_with_what_it_is_and_does_not_grow_forever() {
    let bare = Source {
        path: "src/bounded.rs".into(),
        text: "use std::fmt;\n//! Too late.\n".into(),
    };
    assert!(faults(&bare).iter().any(|fault| fault.contains("`//!`")));
    one_fault("src/bounded.rs", &"\n".repeat(LONGEST), "second subject");
    one_fault(
        "src/api/tests.rs",
        &"\n".repeat(LONGEST_OF_TESTS),
        "second subject",
    );
    let tested = format!("#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(LONGEST));
    assert!(wrong("src/bounded.rs", &tested).is_empty());
}

#[test]
fn a_mod_file_defines_nothing() {
    one_fault(
        "src/rooms/mod.rs",
        "pub mod room;\npub struct Room;",
        "defines",
    );
    one_fault("policy/src/lib.rs", "pub fn f() {}", "defines");
    assert!(wrong("src/rooms/mod.rs", "pub mod room;\npub use room::Room;").is_empty());
}

#[test]
fn one_file_holds_unsafe_and_no_other_may() {
    let code = "fn f() { g(unsafe { h() }) }";
    assert!(wrong(UNSAFE, code).is_empty());
    one_fault("captions/src/wire.rs", code, "holds `unsafe`");
    one_fault("src/media/slot.rs", "unsafe fn f() {}", "holds `unsafe`");
    assert!(wrong("src/media/slot.rs", "const WORD: &str = \"unsafe\";").is_empty());
}
