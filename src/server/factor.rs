//! The way back for an organisation that asks for second factors when every administrator has lost theirs: whoever may write in the
//! data folder stops asking, in the name of an administrator.

use std::sync::Arc;

use conclave_policy::actions::{ChangeOption, OrgOption};
use conclave_policy::facts::{Factor, Facts, OrgAdmin};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::secret::SystemRandom;
use crate::server::programs::{alone, permitted};
use crate::server::storage;

/// Stops asking for second factors. The server must not run.
pub async fn off(config: &Config, admin: &str) -> anyhow::Result<String> {
    let _alone = alone(config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = storage::open(config, clock.as_ref(), Arc::new(SystemRandom)).await?;
    let now = clock.now();
    // Who sits at the server may do more than this: that stands for the factor.
    let facts = Facts::new().with(OrgAdmin::Yes).with(Factor::Shown);
    let change = ChangeOption {
        option: OrgOption::RequireSecondFactor,
        on: false,
    };
    let (_, permit) = permitted(&store, clock, admin, &facts, change).await?;
    let changed = store.change_option(store.org(), permit, now).await;
    store.close().await;
    changed?;
    Ok("second factors are not asked for any more; start the server".to_owned())
}
