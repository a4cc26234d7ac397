//! What an administrator does for people from the command line: links that open a way back into an account, where no mail is sent
//! or none arrives. The server may run meanwhile; nothing in its data is changed.

use anyhow::{Context as _, bail};

use crate::auth::error::AuthError;
use crate::auth::reset::{self, ByHand};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::secret::SystemRandom;
use crate::server::storage;

/// A link for the account of this address, to be handed to its holder.
pub async fn link(config: &Config, email: &str, what: &ByHand) -> anyhow::Result<String> {
    let store = storage::look(config).await?;
    let made = reset::link_by_hand(&store, &SystemClock, &SystemRandom, email, what).await;
    store.close().await;
    let (page, token) = match made {
        Ok(made) => made,
        Err(AuthError::Refused) => bail!("there is no account with `{email}`"),
        Err(AuthError::Email(_)) => bail!("that is no e-mail address"),
        Err(error) => {
            return Err(error).context("no link can be made: start the server once, and ask again");
        }
    };
    let origins = config.origins();
    let origin = origins.first().context("`origins` names no page")?;
    Ok(reset::address(origin, page, &token).expose().clone())
}
