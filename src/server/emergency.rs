//! The emergency switch: every session of everyone ends at once, and its keys are replaced. A command asks the server that
//! runs with the data folder by a file in it, for whoever may write there may do more than that.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use crate::auth::session::Auth;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::guard::{Guard, NO_ROOM};
use crate::ids::OrgId;
use crate::secret::SystemRandom;
use crate::server::storage::{self, Alone};
use crate::server::watched::Watched;

/// There while a command waits for the server to end all sessions.
const WISH_FILE: &str = "conclave.end-sessions";
/// How often the command looks whether it was taken away.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the command waits for the server.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the audit trail calls it.
const SESSIONS_ENDED: &str = "sessions_ended";

/// Ends every session: here, or by the server that runs with this data folder.
pub async fn end_all(config: &Config) -> anyhow::Result<String> {
    if let Some(_alone) = Alone::try_on(&config.data)? {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = storage::open(config, clock.as_ref(), Arc::new(SystemRandom)).await?;
        let guard = Guard::new(store.clone(), clock.clone())?;
        let auth = Auth::start(store.clone(), clock, Arc::new(SystemRandom)).await?;
        carry_out(&auth, &guard, store.org()).await?;
        store.close().await;
        return Ok("every session is over; everyone signs in again".to_owned());
    }
    let wish = config.data.join(WISH_FILE);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&wish)?;
    let mut waited = Duration::ZERO;
    while wish.exists() {
        if waited >= PATIENCE {
            bail!(
                "the running server has not done it yet; its log says why, and it goes on trying"
            );
        }
        tokio::time::sleep(PAUSE).await;
        waited = waited.saturating_add(PAUSE);
    }
    Ok("the running server ended every session; everyone signs in again".to_owned())
}

/// Ends every session whenever a command asks for it.
pub(super) async fn keep(auth: Arc<Auth>, guard: Arc<Guard>, org: OrgId, folder: PathBuf) {
    let wish = folder.join(WISH_FILE);
    let mut watched = Watched::new(&folder);
    loop {
        if wish.exists() {
            match carry_out(&auth, &guard, org).await {
                Ok(()) => {
                    tracing::warn!("sessions.ended");
                    if let Err(error) = std::fs::remove_file(&wish)
                        && error.kind() != std::io::ErrorKind::NotFound
                    {
                        tracing::error!(%error, "the wish to end all sessions cannot be taken away");
                    }
                }
                Err(error) => tracing::error!(%error, "sessions.not_ended"),
            }
        }
        watched.changed().await;
    }
}

/// Acts first, as every cut does, and then writes it down.
async fn carry_out(auth: &Auth, guard: &Guard, org: OrgId) -> anyhow::Result<()> {
    auth.revoke_everyone().await?;
    guard
        .note(org, SESSIONS_ENDED, None, None, NO_ROOM, None)
        .await?;
    Ok(())
}
