//! What is personal is not readable in the data folder: names, addresses, titles and secrets are planted through the server's
//! own parts, and then looked for in every byte of every file.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use conclave::auth::name::DisplayName;
use conclave::auth::session::{Attempted, Auth, GuestMarks};
use conclave::clock::{Clock, SystemClock};
use conclave::guard::{Guard, NO_ROOM};
use conclave::ids::{self, RoomId};
use conclave::secret::{Secret, SystemRandom};
use conclave::store::database::Store;
use conclave::store::error::{OpenError, StoreError};
use conclave::store::rooms::NewRoom;
use conclave::store::seal::{KEY_FILE, SealingKeys};
use conclave_policy::actions::{CreateRoom, InviteAccount};
use conclave_policy::facts::{CreateRight, Facts, OrgAdmin, SecondFactor};
use conclave_policy::roles::Role;
use conclave_policy::settings::RoomCreation;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

const NAME: &str = "Wilhelmina Quastenflosser";
const OTHER_NAME: &str = "Zacharias Plantedname";
const EMAIL: &str = "wilhelmina.planted@quasten.example";
const TITLE: &str = "Zebra acquisition talks";
const PASSWORD: &str = "marmalade-volcano-planted";
const ROOM_PASSWORD: &str = "bakozi-dulame-planted-xyz";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));

/// Every place where a needle occurs in a file of the folder, in UTF-8 or UTF-16, whatever the case.
fn found(folder: &Path, needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut bytes_read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap().to_ascii_lowercase();
        bytes_read += bytes.len();
        for needle in needles {
            let plain = needle.to_lowercase();
            let wide: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for spelling in [plain.as_bytes(), &wide] {
                if bytes
                    .windows(spelling.len())
                    .any(|window| window == spelling)
                {
                    found.push(format!("`{needle}` in {}", path.display()));
                }
            }
        }
    }
    assert!(bytes_read > 100_000, "nothing was written");
    found
}

#[tokio::test]
async fn planted_names_addresses_titles_and_secrets_are_not_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let keys = SealingKeys::load_or_create(folder.path(), random.clone()).unwrap();
    let store = Store::open(folder.path(), keys, clock.now()).await.unwrap();
    let auth = Auth::start(store.clone(), clock.clone(), random.clone())
        .await
        .unwrap();
    let guard = Guard::new(store.clone(), clock.clone()).unwrap();
    let org = store.org();

    let link = auth.first_owner_link().await.unwrap().unwrap();
    let password = Secret::new(PASSWORD.to_owned());
    let owner = auth
        .accept_invitation(&link, EMAIL, NAME, &password, (HERE, None))
        .await
        .unwrap();
    let actor = owner.principal.actor();

    let facts = Facts::new()
        .with(SecondFactor::Proved)
        .with(OrgAdmin::Yes)
        .with(CreateRight::Yes)
        .with(RoomCreation::WithRight);
    let (permit, audit) = guard.ask(org, actor, Role::Attendee, NO_ROOM, &facts, InviteAccount);
    audit.await.unwrap();
    let meant_for = Some(DisplayName::parse(OTHER_NAME).unwrap());
    let (invitation, _) = auth
        .create_invitation(permit.unwrap(), org, meant_for, true)
        .await
        .unwrap();

    let (permit, audit) = guard.ask(org, actor, Role::Attendee, NO_ROOM, &facts, CreateRoom);
    audit.await.unwrap();
    let id: RoomId = ids::random(random.as_ref());
    let room = NewRoom {
        id,
        owner: owner.principal.account().unwrap(),
        title: Secret::new(TITLE.to_owned()),
        password: Secret::new(ROOM_PASSWORD.to_owned()),
        created: clock.now(),
    };
    store.create_room(permit.unwrap(), org, room).await.unwrap();
    store
        .change_room_password(org, id, 0, Secret::new(format!("{ROOM_PASSWORD}-two")))
        .await
        .unwrap();
    let guest = auth
        .guest(id, OTHER_NAME, HERE, GuestMarks::default())
        .await
        .unwrap();
    let wrong = Secret::new("marmalade-volcano-planted-wrong".to_owned());
    let attempted = Attempted {
        email: EMAIL,
        password: &wrong,
        device: None,
        address: HERE,
        key: None,
    };
    assert!(auth.sign_in(attempted).await.is_err());
    guard.turned_away(org, HERE, "sign_in", NO_ROOM);
    auth.sign_out(&guest.principal).await.unwrap();
    guard.flush().await;

    let mut needles: Vec<String> = [
        "Wilhelmina",
        "Quastenflosser",
        "Zacharias",
        "Plantedname",
        EMAIL,
        "quasten.example",
        "Zebra",
        "acquisition",
        PASSWORD,
        "marmalade",
        ROOM_PASSWORD,
        "bakozi",
        "203.0.113",
        "$argon2id$",
    ]
    .map(str::to_owned)
    .to_vec();
    for secret in [
        &link,
        &invitation,
        &owner.token,
        &guest.token,
        owner.device.as_ref().unwrap(),
    ] {
        needles.push(secret.expose().clone());
    }
    let wal = std::fs::metadata(folder.path().join("conclave.db-wal"))
        .unwrap()
        .len();
    assert!(wal > 0, "the log is where fresh rows are");
    assert_eq!(found(folder.path(), &needles), Vec::<String>::new());
    store.close().await;
    assert_eq!(found(folder.path(), &needles), Vec::<String>::new());

    // The search itself finds what is there.
    std::fs::write(
        folder.path().join("planted"),
        NAME.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    assert_eq!(found(folder.path(), &needles).len(), 2);

    // With the key file the rows read as before.
    assert!(folder.path().join(KEY_FILE).exists());
    let keys = SealingKeys::load_or_create(folder.path(), random.clone()).unwrap();
    let store = Store::open(folder.path(), keys, clock.now()).await.unwrap();
    assert_eq!(
        store.room(org, id).await.unwrap().unwrap().title.expose(),
        TITLE
    );
    assert_eq!(
        store
            .credentials(org, EMAIL)
            .await
            .unwrap()
            .unwrap()
            .account
            .name
            .expose(),
        NAME
    );
}

/// A copy of the database as it is now, as a backup of the folder has it.
fn backed_up(folder: &Path) -> tempfile::TempDir {
    let backup = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), backup.path().join(entry.file_name())).unwrap();
    }
    backup
}

/// The keys of owners, as they lie wrapped in the file.
async fn wrapped(folder: &Path) -> Vec<(Vec<u8>, String, Vec<u8>, i64, Vec<u8>)> {
    let options = SqliteConnectOptions::new().filename(folder.join("conclave.db"));
    let mut file = options.connect().await.unwrap();
    let rows = sqlx::query_as("SELECT org_id, kind, scope, number, wrapped FROM data_keys");
    let rows = rows.fetch_all(&mut file).await.unwrap();
    file.close().await.unwrap();
    rows
}

#[tokio::test]
async fn a_room_that_ended_opens_no_more_neither_here_nor_in_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let open = async |folder: &Path| {
        let keys = SealingKeys::load_or_create(folder, random.clone()).unwrap();
        Store::open(folder, keys, clock.now()).await.unwrap()
    };
    let store = open(folder.path()).await;
    let auth = Auth::start(store.clone(), clock.clone(), random.clone());
    let auth = auth.await.unwrap();
    let guard = Guard::new(store.clone(), clock.clone()).unwrap();
    let org = store.org();
    let link = auth.first_owner_link().await.unwrap().unwrap();
    let password = Secret::new(PASSWORD.to_owned());
    let owner = auth.accept_invitation(&link, EMAIL, NAME, &password, (HERE, None));
    let principal = owner.await.unwrap().principal;
    let (actor, account) = (principal.actor(), principal.account().unwrap());
    let facts = Facts::new()
        .with(SecondFactor::Proved)
        .with(OrgAdmin::Yes)
        .with(CreateRight::Yes)
        .with(RoomCreation::WithRight);
    let mut rooms: [RoomId; 2] = [ids::random(random.as_ref()), ids::random(random.as_ref())];
    rooms.sort();
    let [ended, stands] = rooms;
    for id in rooms {
        let (permit, audit) = guard.ask(org, actor, Role::Attendee, NO_ROOM, &facts, CreateRoom);
        audit.await.unwrap();
        let room = NewRoom {
            id,
            owner: account,
            title: Secret::new(TITLE.to_owned()),
            password: Secret::new(ROOM_PASSWORD.to_owned()),
            created: clock.now(),
        };
        store.create_room(permit.unwrap(), org, room).await.unwrap();
    }
    let title = async |store: &Store, room| {
        let found = store.room(org, room).await;
        found.map(|room| room.map(|room| room.title.expose().clone()))
    };
    assert_eq!(title(&store, ended).await, Ok(Some(TITLE.to_owned())));
    let backup = backed_up(folder.path());
    let before = wrapped(folder.path()).await;
    store.end_room(org, ended, clock.now()).await.unwrap();
    // What an attacker with the process's memory would ask: it is not there either.
    assert!(store.room_title(org, ended).await.unwrap().is_none());
    while !store.scrub_log().await.unwrap() {}

    // Its wrapped key is in no page and no log of the live files, while that of the other room is.
    let key = |of: RoomId| {
        let row = before
            .iter()
            .find(|(_, _, scope, _, _)| scope == of.as_bytes());
        row.unwrap().4.clone()
    };
    let lies = |key: &[u8]| {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.any(|bytes| bytes.windows(key.len()).any(|window| window == key))
    };
    assert!(!lies(&key(ended)) && lies(&key(stands)));
    store.close().await;
    assert!(!lies(&key(ended)) && lies(&key(stands)));

    // The backup holds all of the room. With the keys as they are now it opens the other one, and nothing of this.
    let now = wrapped(folder.path()).await;
    assert_eq!(now.len() + 1, before.len());
    let options = SqliteConnectOptions::new().filename(backup.path().join("conclave.db"));
    let mut file = options.connect().await.unwrap();
    sqlx::query("DELETE FROM data_keys")
        .execute(&mut file)
        .await
        .unwrap();
    for (org, kind, scope, number, wrapped) in now {
        sqlx::query("INSERT INTO data_keys (org_id, kind, scope, number, wrapped) VALUES ($1, $2, $3, $4, $5)")
            .bind(org)
            .bind(kind)
            .bind(scope)
            .bind(number)
            .bind(wrapped)
            .execute(&mut file)
            .await
            .unwrap();
    }
    file.close().await.unwrap();
    let old = open(backup.path()).await;
    assert_eq!(title(&old, stands).await, Ok(Some(TITLE.to_owned())));
    assert_eq!(title(&old, ended).await, Err(StoreError::Missing));
    old.close().await;

    // A backup with its own keys opens, until the key that wraps them is replaced.
    let store = open(folder.path()).await;
    store.rotate_keys().await.unwrap();
    store.close().await;
    let untouched = backed_up(backup.path());
    std::fs::copy(
        folder.path().join(KEY_FILE),
        untouched.path().join(KEY_FILE),
    )
    .unwrap();
    let keys = SealingKeys::load_or_create(untouched.path(), random.clone()).unwrap();
    let refused = Store::open(untouched.path(), keys, clock.now()).await;
    assert!(matches!(refused, Err(OpenError::KeysForeign)));
}
