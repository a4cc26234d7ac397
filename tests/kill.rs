//! No acknowledged row is lost when the server is killed, none is left half sealed, and no room or account half ended. A child process of this very test writes rows and says which were
//! acknowledged; it is killed at a random moment, and every row that it named must be there.
//!
//! `STORY_KILLS` sets the number of rounds.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use conclave::clock::{Clock, SystemClock, Timestamp};
use conclave::guard::{Guard, NO_ROOM};
use conclave::ids::{AccountId, RoomId};
use conclave::secret::{RandomSource, Secret, SystemRandom};
use conclave::store::accounts::NewAccount;
use conclave::store::audit::{AuditEntry, Verdict};
use conclave::store::database::Store;
use conclave::store::invitations::{InvitationKind, NewInvitation};
use conclave::store::rooms::NewRoom;
use conclave::store::seal::SealingKeys;
use conclave_policy::actions::CreateRoom;
use conclave_policy::facts::{CreateRight, Facts, OrgAdmin, SecondFactor};
use conclave_policy::roles::Role;
use conclave_policy::settings::RoomCreation;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

const CHILD: &str = "CONCLAVE_KILL_CHILD";
const ROTATING_CHILD: &str = "CONCLAVE_ROTATING_CHILD";
const ENDING_CHILD: &str = "CONCLAVE_ENDING_CHILD";
const ROUNDS: &str = "STORY_KILLS";
/// Rounds on one database, so that later ones start from one that was killed before.
const ROUNDS_PER_FOLDER: usize = 10;
const WRITERS: u64 = 12;
/// Accounts and rooms that are ended in one round, and the file that says which.
const ENDED_AT_ONCE: usize = 12;
const TO_END: &str = "to-end";
const FAR: Timestamp = Timestamp::from_millis(i64::MAX);

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

async fn open(folder: &Path) -> Store {
    let keys = SealingKeys::load_or_create(folder, Arc::new(SystemRandom)).unwrap();
    Store::open(folder, keys, SystemClock.now()).await.unwrap()
}

fn entry(store: &Store) -> AuditEntry {
    AuditEntry {
        org: store.org(),
        at: SystemClock.now(),
        action: "lock",
        verdict: Verdict::Permitted,
        rule: Some(1),
        policy_version: 1,
        actor: None,
        subject: None,
        room: None,
        detail: None,
        count: 1,
    }
}

fn invitation(token_hash: [u8; 32]) -> NewInvitation {
    NewInvitation {
        token_hash,
        kind: InvitationKind::Member,
        name: None,
        may_create_rooms: false,
        invited_by: None,
        created: Timestamp::from_millis(0),
        expires: FAR,
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// Writes until it is killed, and says each row only after its acknowledgement.
async fn write_forever(store: Store, kind: u64) {
    loop {
        match kind % 3 {
            0 => {
                if let Ok(seq) = store.append_audit(entry(&store)).await {
                    say(&format!("audit {seq}"));
                }
            }
            1 => {
                let token_hash = random();
                let invitation = invitation(token_hash);
                if store.invite(store.org(), invitation).await.is_ok() {
                    say(&format!("invitation {}", hex(&token_hash)));
                }
            }
            _ => {
                let token = random();
                let now = Timestamp::from_millis(0);
                if store
                    .revoke_session(store.org(), token, FAR, now)
                    .await
                    .is_ok()
                {
                    say(&format!("revoked {}", hex(&token)));
                }
            }
        }
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn the_child_that_writes() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&folder)).await;
        let writers = (0..WRITERS).map(|kind| write_forever(store.clone(), kind));
        futures_util::future::join_all(writers).await;
    });
}

/// Not a test of its own: the process that is killed while it seals everything anew, again and again.
#[test]
fn the_child_that_rotates() {
    let Some(folder) = std::env::var_os(ROTATING_CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&folder)).await;
        say("rotating");
        loop {
            store.rotate_keys().await.unwrap();
            store.rotate_all_keys().await.unwrap();
        }
    });
}

/// Not a test of its own: the process that is killed while it ends rooms and accounts, in an order of its own.
#[test]
fn the_child_that_ends() {
    let Some(folder) = std::env::var_os(ENDING_CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = Path::new(&folder);
        let store = open(folder).await;
        let mut all: Vec<(String, [u8; 16])> = std::fs::read_to_string(folder.join(TO_END))
            .unwrap()
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(kind, id)| (kind.to_owned(), unhex(id)))
            .collect();
        all.sort_by_cached_key(|_| random::<8>());
        say("ending");
        for (kind, id) in all {
            let (org, now) = (store.org(), SystemClock.now());
            match kind.as_str() {
                "room" => store.end_room(org, RoomId::from_bytes(id), now).await,
                _ => store.end_account(org, AccountId::from_bytes(id), now).await,
            }
            .unwrap();
            say(&format!("ended {kind} {}", hex(&id)));
            if random::<1>()[0].is_multiple_of(4) {
                store.scrub_log().await.unwrap();
            }
        }
        // Whoever is done first waits for the kill.
        std::future::pending::<()>().await;
    });
}

/// A room or an account has its keys, or it has ended: never one without the other, and what was acknowledged as ended has.
#[test]
fn a_room_or_an_account_may_be_killed_while_it_ends() {
    let rounds: usize = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut whole, mut shredded) = (0, 0);
    for round in 0..rounds {
        let all = runtime.block_on(async {
            let store = open(folder.path()).await;
            let all = to_end(&store).await;
            store.close().await;
            all
        });
        let lines: Vec<String> = all
            .iter()
            .map(|(kind, id)| format!("{kind} {}", hex(id)))
            .collect();
        std::fs::write(folder.path().join(TO_END), lines.join("\n")).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_that_ends", "--nocapture"])
            .env(ENDING_CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().ends_with("ending") {}
        let reader = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
        thread::sleep(Duration::from_micros(u64::from(u16::from_be_bytes(
            random(),
        ))));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = reader.join().unwrap();
        runtime.block_on(async {
            let store = open(folder.path()).await;
            let keys = KeyRows::of(folder.path()).await;
            for (kind, id) in &all {
                let org = store.org();
                let opens = match *kind {
                    "room" => {
                        let room = store.room(org, RoomId::from_bytes(*id)).await.unwrap();
                        room.is_some_and(|room| room.title.expose() == "planted title")
                    }
                    _ => {
                        let id = AccountId::from_bytes(*id);
                        let account = store.account(org, id).await.unwrap();
                        account.is_some_and(|account| account.name.expose() == "Wilhelmina")
                    }
                };
                assert_eq!(keys.has(kind, id), opens, "round {round}: {kind}");
                let acknowledged = said.contains(&format!("ended {kind} {}", hex(id)));
                assert!(
                    !(acknowledged && opens),
                    "round {round}: an ended {kind} opens"
                );
                whole += u32::from(opens);
                shredded += u32::from(!opens);
            }
            store.close().await;
        });
    }
    say(&format!("figure ending.kills {rounds} kills"));
    say(&format!("figure ending.whole {whole} rows"));
    say(&format!("figure ending.shredded {shredded} rows"));
    assert!(
        whole > 0 && shredded > 0,
        "every kill came before or after all"
    );
}

/// Which rooms and accounts have keys, read from the file itself.
struct KeyRows(Vec<(String, Vec<u8>)>);

impl KeyRows {
    async fn of(folder: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(folder.join("conclave.db"));
        let mut file = options.connect().await.unwrap();
        let rows = sqlx::query_as("SELECT kind, scope FROM data_keys");
        let rows = rows.fetch_all(&mut file).await.unwrap();
        file.close().await.unwrap();
        Self(rows)
    }

    fn has(&self, kind: &str, id: &[u8; 16]) -> bool {
        self.0
            .iter()
            .any(|(known, scope)| known == kind && scope == id)
    }
}

/// Accounts, each with a room.
async fn to_end(store: &Store) -> Vec<(&'static str, [u8; 16])> {
    let org = store.org();
    let guard = Guard::new(store.clone(), Arc::new(SystemClock)).unwrap();
    let facts = Facts::new()
        .with(SecondFactor::Proved)
        .with(OrgAdmin::Yes)
        .with(CreateRight::Yes)
        .with(RoomCreation::WithRight);
    let mut all = Vec::new();
    for _ in 0..ENDED_AT_ONCE {
        let (token_hash, account, room) = (random(), random(), random());
        let invitation = invitation(token_hash);
        store.invite(org, invitation).await.unwrap();
        let member = NewAccount {
            id: AccountId::from_bytes(account),
            email: Secret::new(format!("{}@quasten.example", hex(&account))),
            name: Secret::new("Wilhelmina".to_owned()),
            password: Secret::new("$argon2id$planted".to_owned()),
            may_create_rooms: true,
            is_admin: false,
            created: Timestamp::from_millis(1),
        };
        store
            .accept_invitation(org, token_hash, member)
            .await
            .unwrap();
        let actor = AccountId::from_bytes(account).into();
        let (permit, audit) = guard.ask(org, actor, Role::Attendee, NO_ROOM, &facts, CreateRoom);
        audit.await.unwrap();
        let new = NewRoom {
            id: RoomId::from_bytes(room),
            owner: AccountId::from_bytes(account),
            title: Secret::new("planted title".to_owned()),
            password: Secret::new("bakozi-dulame".to_owned()),
            created: Timestamp::from_millis(1),
        };
        store.create_room(permit.unwrap(), org, new).await.unwrap();
        all.extend([("account", account), ("room", room)]);
    }
    all
}

/// Seals with the newest key only, is read whole after each kill, and holds nothing in clear.
#[test]
fn a_rotation_of_keys_may_be_killed_at_any_moment() {
    let rounds: usize = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Their keys fill more than one page.
    let emails: Vec<String> = (0..150)
        .map(|n| format!("planted{n}@quasten.example"))
        .collect();
    let account = |email: &str| NewAccount {
        id: AccountId::from_bytes(random()),
        email: Secret::new(email.to_owned()),
        name: Secret::new(format!("Wilhelmina {email}")),
        password: Secret::new("$argon2id$planted".to_owned()),
        may_create_rooms: false,
        is_admin: false,
        created: Timestamp::from_millis(1),
    };
    runtime.block_on(async {
        let store = open(folder.path()).await;
        for email in &emails {
            let token_hash = random();
            let invitation = invitation(token_hash);
            store.invite(store.org(), invitation).await.unwrap();
            let accepted = store.accept_invitation(store.org(), token_hash, account(email));
            accepted.await.unwrap();
        }
        store.close().await;
    });
    let mut interrupted = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_that_rotates", "--nocapture"])
            .env(ROTATING_CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.ends_with("rotating"))
        );
        thread::sleep(Duration::from_micros(u64::from(u16::from_be_bytes(
            random(),
        ))));
        child.kill().unwrap();
        child.wait().unwrap();
        runtime.block_on(async {
            let store = open(folder.path()).await;
            interrupted += u32::from(store.is_rotating());
            for email in &emails {
                let found = store
                    .credentials(store.org(), email)
                    .await
                    .unwrap()
                    .unwrap();
                let name = format!("Wilhelmina {email}");
                assert_eq!(found.account.name.expose(), &name, "round {round}");
                assert_eq!(found.password.expose(), "$argon2id$planted");
            }
            store.close().await;
        });
    }
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for needle in [b"planted".as_slice(), b"Wilhelmina"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
    say(&format!("figure rotation.kills {rounds} kills"));
    say(&format!("figure rotation.interrupted {interrupted} kills"));
    assert!(interrupted > 0, "no kill came in the middle of a rotation");
}

/// Runs the child until its time is over, and gives what it said.
fn killed(folder: &Path) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_child_that_writes",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    // The clock starts with the first acknowledgement.
    while said.is_empty() {
        let line = lines.next().unwrap().unwrap();
        if is_acknowledgement(&line) {
            said.push(line);
        }
    }
    let reader = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    thread::sleep(Duration::from_micros(u64::from(u16::from_be_bytes(
        random(),
    ))));
    child.kill().unwrap();
    child.wait().unwrap();
    said.extend(reader.join().unwrap());
    said
}

fn is_acknowledgement(line: &str) -> bool {
    ["audit ", "invitation ", "revoked "]
        .iter()
        .any(|kind| line.starts_with(kind))
}

async fn is_there(store: &Store, line: &str, rows: u64) -> bool {
    let (kind, row) = line.split_once(' ').unwrap();
    match kind {
        "audit" => row.parse::<u64>().unwrap() <= rows,
        // A line that was cut off by the kill named nothing.
        "invitation" if row.len() < 64 => true,
        "invitation" => store
            .invitation_stands(store.org(), &unhex(row), SystemClock.now())
            .await
            .unwrap(),
        "revoked" if row.len() < 32 => true,
        "revoked" => store
            .is_session_revoked(store.org(), unhex(row))
            .await
            .unwrap(),
        other => panic!("`{other}` was never said"),
    }
}

#[test]
fn no_acknowledged_row_is_lost_by_a_kill() {
    let rounds: usize = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut folder = tempfile::tempdir().unwrap();
    let (mut lost, mut named) = (0, 0);
    for round in 0..rounds {
        if round % ROUNDS_PER_FOLDER == 0 {
            folder = tempfile::tempdir().unwrap();
        }
        let said = killed(folder.path());
        runtime.block_on(async {
            let store = open(folder.path()).await;
            let trail = store
                .verify_audit(store.org(), &Default::default())
                .await
                .unwrap();
            assert_eq!(
                trail.first_bad(),
                None,
                "the audit chain broke in round {round}"
            );
            for line in said.iter().filter(|line| is_acknowledgement(line)) {
                named += 1;
                lost += u32::from(!is_there(&store, line, trail.rows).await);
            }
            store.close().await;
        });
    }
    say(&format!("figure kill.rounds {rounds} kills"));
    say(&format!("figure kill.acknowledged_rows {named} rows"));
    say(&format!("figure kill.lost_rows {lost} rows"));
    assert_eq!(lost, 0);
    assert!(named > rounds, "too little was written to mean anything");
}
