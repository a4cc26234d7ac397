//! Where everything that lasts is: opened for the server, looked at by commands, and moved from one database to another.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::secret::{RandomSource, SystemRandom};
use crate::store::database::{DATABASE_FILE, Store};
use crate::store::location::Location;
use crate::store::moving;
use crate::store::seal::SealingKeys;

/// Held while a server runs on a data folder.
const LOCK_FILE: &str = "conclave.lock";
/// What the database in the data folder is called after its rows were moved.
const MOVED: &str = "conclave.db.moved";

/// The data folder belongs to this process; the system ends that with the process, however it ends.
pub(super) struct Alone {
    _file: File,
}

impl Alone {
    pub(super) fn on(folder: &Path) -> anyhow::Result<Self> {
        make(folder)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK_FILE))
            .with_context(|| format!("`data`: `{}` cannot be used", folder.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "`data`: another server runs with `{}`; only one may",
                folder.display()
            ),
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
    SealingKeys::load_or_create(&config.data, random).context("the sealing keys cannot be used")
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`data`: `{}` cannot be made", folder.display()))
}
