//! API keys from the command line, for whoever has the data folder in hand. They are listed at any time; made and taken back while no server
//! runs, in the name of an administrator, by the same rules and into the same trail as on the organisation's page.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use conclave_policy::actions::Action;
use conclave_policy::control::ManageApiKeys;
use conclave_policy::facts::{Facts, OrgAdmin, SecondFactor};
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;
use conclave_policy::scopes::{Scope, Scopes};

use crate::auth::apikey::WantedKey;
use crate::auth::email::Email;
use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::session::Auth;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::guard::{Guard, NO_ROOM};
use crate::ids::{AccountId, ApiKeyId};
use crate::secret::SystemRandom;
use crate::server::storage::{self, Alone};
use crate::store::database::Store;
use crate::store::error::StoreError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest life of a key, as in the control API.
const LONGEST_DAYS: u32 = 366;

/// A key to be made.
pub struct Wanted {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// How long it is taken.
    pub days: u32,
}

/// Every key that was not taken back: identifier, first letters, end, scopes, name.
pub async fn list(config: &Config) -> anyhow::Result<String> {
    let store = storage::look(config).await?;
    let found = store.api_keys(store.org()).await;
    store.close().await;
    let lines = found?.into_iter().map(|key| {
        let (id, prefix, name) = (key.id, key.prefix, key.name.expose().clone());
        format!(
            "{id} {prefix}… until {} ({}) {name}",
            key.expires, key.scopes
        )
    });
    let lines: Vec<_> = lines.collect();
    Ok(if lines.is_empty() {
        "there are no keys".to_owned()
    } else {
        lines.join("\n")
    })
}

/// Makes a key in the name of an administrator; it is shown this once.
pub async fn create(config: &Config, admin: &str, wanted: Wanted) -> anyhow::Result<String> {
    let scopes: Scopes = wanted.scopes.into_iter().collect();
    if scopes.is_empty() || !(1..=LONGEST_DAYS).contains(&wanted.days) {
        bail!("a key is for something, for 1 to {LONGEST_DAYS} days");
    }
    let name = DisplayName::parse(&wanted.name).context("that is no name for a key")?;
    let wanted = WantedKey {
        name,
        scopes,
        lasts: DAY.saturating_mul(wanted.days),
    };
    let _alone = alone(config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = storage::open(config, clock.as_ref(), Arc::new(SystemRandom)).await?;
    let auth = Auth::start(store.clone(), clock.clone(), Arc::new(SystemRandom)).await?;
    let (account, permit) =
        permitted(&store, clock, admin, &at_the_server(), ManageApiKeys).await?;
    let made = auth.create_api_key(&permit, store.org(), account, wanted);
    let made = made.await.map_err(|error| match error {
        AuthError::Busy => anyhow::anyhow!("there are too many keys already"),
        other => other.into(),
    });
    store.close().await;
    Ok(made?.secret.expose().clone())
}

/// Takes a key back, in the name of an administrator.
pub async fn revoke(config: &Config, admin: &str, key: ApiKeyId) -> anyhow::Result<String> {
    let _alone = alone(config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = storage::open(config, clock.as_ref(), Arc::new(SystemRandom)).await?;
    let now = clock.now();
    let (_, permit) = permitted(&store, clock, admin, &at_the_server(), ManageApiKeys).await?;
    let revoked = store.revoke_api_key(&permit, store.org(), key, now).await;
    store.close().await;
    match revoked {
        Ok(()) => Ok(format!("`{key}` is refused from now on")),
        Err(StoreError::Missing) => bail!("there is no key `{key}`"),
        Err(error) => Err(error.into()),
    }
}

/// The data folder, for as long as nobody else has it.
pub(super) fn alone(config: &Config) -> anyhow::Result<Alone> {
    Alone::try_on(&config.data)?.context(
        "a server runs with this data folder: stop it, or do it on the organisation's page",
    )
}

/// Who sits at the server may do more than the holder of any factor.
fn at_the_server() -> Facts {
    Facts::new().with(OrgAdmin::Yes).with(SecondFactor::Proved)
}

/// The rules decide as if the administrator asked in person; the row is in the trail before anything is done.
pub(super) async fn permitted<A: Action>(
    store: &Store,
    clock: Arc<dyn Clock>,
    admin: &str,
    facts: &Facts,
    action: A,
) -> anyhow::Result<(AccountId, Permit<A>)> {
    let email = Email::parse(admin)
        .ok()
        .context("that is no e-mail address")?;
    let found = store.credentials(store.org(), email.as_str()).await?;
    let account = found
        .map(|found| found.account)
        .filter(|account| account.is_admin)
        .with_context(|| format!("no account with `{admin}` administers the organisation"))?;
    let guard = Guard::new(store.clone(), clock)?;
    let (org, actor) = (store.org(), account.id.into());
    let (permit, audit) = guard.ask(org, actor, Role::Attendee, NO_ROOM, facts, action);
    let permit = permit.map_err(|_| anyhow::anyhow!("the rules do not allow it"))?;
    audit.await?;
    Ok((account.id, permit))
}
