//! Where everything that lasts is: opened for the server, looked at by commands, and moved from one database to another.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::secret::{RandomSource, Secret, SystemRandom};
use crate::server::watched::Watched;
use crate::store::database::{DATABASE_FILE, Store};
use crate::store::error::OpenError;
use crate::store::keyring::Master;
use crate::store::location::Location;
use crate::store::moving;
use crate::store::reseal::Rotated;
use crate::store::seal::SealingKeys;

/// Held while a server runs on a data folder.
const LOCK_FILE: &str = "conclave.lock";
/// There while a command waits for the server to rotate the keys.
const WISH_FILE: &str = "conclave.rotate";
/// What stands in it if every value is to be sealed anew.
const DEEP: &str = "deep\n";
const WISH_PAUSE: Duration = Duration::from_secs(1);
/// What the database in the data folder is called after its rows were moved.
const MOVED: &str = "conclave.db.moved";

/// The data folder belongs to this process; the system ends that with the process, however it ends.
pub(super) struct Alone {
    _file: File,
}

impl Alone {
    /// Takes the folder, or says that another server has it.
    pub(super) fn on(folder: &Path) -> anyhow::Result<Self> {
        match Self::try_on(folder)? {
            Some(alone) => Ok(alone),
            None => bail!(
                "`data`: another server runs with `{}`; only one may",
                folder.display()
            ),
        }
    }

    /// Takes the folder, or nothing when a server has it.
    pub(super) fn try_on(folder: &Path) -> anyhow::Result<Option<Self>> {
        make(folder)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK_FILE))
            .with_context(|| format!("`data`: `{}` cannot be used", folder.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("`data`: `{}` cannot be used", folder.display()))
            }
        }
    }
}

/// Opens the store for the server.
pub(super) async fn open(
    config: &Config,
    clock: &dyn Clock,
    random: Arc<dyn RandomSource>,
) -> anyhow::Result<Store> {
    let keys = keys(config, random)?;
    Store::open_at(location(config)?, keys, clock.now())
        .await
        .context("the database cannot be opened")
}

/// Opens the store for a command that only reads, also beside a running server.
pub(super) async fn look(config: &Config) -> anyhow::Result<Store> {
    let keys = keys(config, Arc::new(SystemRandom))?;
    Store::look_at(location(config)?, keys, SystemClock.now())
        .await
        .context("the database cannot be opened")
}

/// Moves everything from the database of some settings to that of others, and says what was done. The keys stay where they are.
pub async fn relocate(from: &Config, to: &Config) -> anyhow::Result<String> {
    let _alone = Alone::on(&from.data)?;
    make(&to.data)?;
    if from.data.canonicalize()? != to.data.canonicalize()? {
        bail!("`data` is another folder there; the keys stay in this one, so name the same");
    }
    let embedded = (
        from.database.address()?.is_none(),
        to.database.address()?.is_none(),
    );
    let (file, aside) = (from.data.join(DATABASE_FILE), from.data.join(MOVED));
    match embedded {
        (true, true) => bail!("both settings name the database in the data folder"),
        (true, false) if !file.exists() => bail!("there is no database in the data folder"),
        (true, false) if aside.exists() => {
            bail!(
                "`{}` is in the way: an earlier move set it aside",
                aside.display()
            )
        }
        _ => {}
    }
    let (source, target) = (location(from)?, location(to)?);
    let moved = moving::copy(&source, &target).await?;
    let former = if embedded.0 {
        std::fs::rename(&file, &aside).with_context(|| {
            format!(
                "everything is moved, but `{}` cannot be set aside",
                file.display()
            )
        })?;
        format!("the former database is `{}`", aside.display())
    } else {
        "the former database is as it was: drop it when the new one is in use".to_owned()
    };
    Ok(format!(
        "moved {} rows of {} tables and compared each; {former}",
        moved.rows, moved.tables
    ))
}

fn location(config: &Config) -> anyhow::Result<Location> {
    match config.database.address()? {
        None => Ok(Location::folder(&config.data)),
        Some(address) => Location::postgres(&address, config.database.authority.as_deref())
            .context("`database.address`"),
    }
}

fn keys(config: &Config, random: Arc<dyn RandomSource>) -> anyhow::Result<Arc<SealingKeys>> {
    make(&config.data)?;
    let master = master(config)?;
    SealingKeys::load_or_create_under(&config.data, random, master)
        .context("the sealing keys cannot be used")
}

/// The master key, from wherever the settings say.
fn master(config: &Config) -> anyhow::Result<Option<Master>> {
    let keys = &config.keys;
    let text = if let Some(master) = &keys.master {
        master.clone()
    } else if let Some(path) = &keys.master_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("`keys.master_file`: `{}` cannot be read", path.display()))?;
        Secret::new(text)
    } else if let Some((program, arguments)) = keys.master_command.split_first() {
        let said = std::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::inherit())
            .output()
            .with_context(|| format!("`keys.master_command`: `{program}` cannot be run"))?;
        if !said.status.success() {
            bail!("`keys.master_command`: `{program}` failed");
        }
        let text = Secret::new(said.stdout);
        Secret::new(String::from_utf8_lossy(text.expose()).into_owned())
    } else {
        return Ok(None);
    };
    let master = Master::parse(&text)
        .context("`keys`: the master key is not one; `conclave keys make` prints one")?;
    Ok(Some(master))
}

/// Wraps the key file by the master key of other settings, also while the server runs.
pub fn change_master(from: &Config, to: &Config) -> anyhow::Result<String> {
    if from.data.canonicalize()? != to.data.canonicalize()? {
        bail!("`data` is another folder there; the keys stay in this one, so name the same");
    }
    let new = master(to)?.context("`keys`: the other settings name no master key")?;
    SealingKeys::rewrap(&from.data, &SystemRandom, master(from)?.as_ref(), &new)
        .context("the sealing keys cannot be used")?;
    Ok(
        "the other master key wraps the key file from now on: start the server with those settings next; one that runs goes on, \
        but rotates no keys"
            .to_owned(),
    )
}

/// A new master key, as text.
pub fn make_master() -> Secret<String> {
    Master::generate(&SystemRandom)
}

/// Makes a new key and seals the others anew with it: here, or by the server that runs with this data folder, which goes on meanwhile.
pub async fn rotate(config: &Config, deep: bool) -> anyhow::Result<String> {
    if let Some(_alone) = Alone::try_on(&config.data)? {
        let store = open(config, &SystemClock, Arc::new(SystemRandom)).await?;
        let rotated = rotated(&store, deep).await?;
        store.scrub_log().await?;
        store.close().await;
        return Ok(format!(
            "key {} seals from now on; {} keys and values were sealed anew",
            rotated.key, rotated.values
        ));
    }
    let wish = config.data.join(WISH_FILE);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&wish)?;
    if deep {
        file.write_all(DEEP.as_bytes())?;
    }
    while wish.exists() {
        tokio::time::sleep(WISH_PAUSE).await;
    }
    Ok("the running server sealed every key anew; its log says how many".to_owned())
}

async fn rotated(store: &Store, deep: bool) -> Result<Rotated, OpenError> {
    match deep {
        true => store.rotate_all_keys().await,
        false => store.rotate_keys().await,
    }
}

/// Rotates the keys whenever a command asks for it, and first what an earlier run did not end.
pub(super) async fn keep_keys(store: Store, folder: PathBuf) {
    let wish = folder.join(WISH_FILE);
    let mut watched = Watched::new(&folder);
    // Where the database does not answer, it is asked again by the next start.
    let mut unfinished = store.wants_rotation().await.unwrap_or(false);
    loop {
        if unfinished || wish.exists() {
            let deep = std::fs::read_to_string(&wish).is_ok_and(|wish| wish.contains(DEEP));
            match rotated(&store, deep).await {
                Ok(rotated) => {
                    tracing::info!(key = rotated.key, values = rotated.values, "keys.rotated");
                    unfinished = false;
                    if let Err(error) = std::fs::remove_file(&wish)
                        && error.kind() != std::io::ErrorKind::NotFound
                    {
                        tracing::error!(%error, "the wish for new keys cannot be taken away");
                    }
                }
                Err(error) => tracing::error!(%error, "keys.not_rotated"),
            }
            // Not again at once, whatever became of it.
            tokio::time::sleep(WISH_PAUSE.saturating_mul(5)).await;
        }
        watched.changed().await;
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`data`: `{}` cannot be made", folder.display()))
}
