//! The providers of an organisation: one question to any of them, whatever it speaks.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use openidconnect::url::Url;
use rustls::RootCertStore;
use thiserror::Error;

use crate::auth::oauth::asking::LIMITS;
use crate::auth::oauth::claims::Proven;
use crate::auth::oauth::discovered::{Discovered, Undiscovered};
use crate::auth::oauth::facebook::Facebook;
use crate::auth::oauth::openid::OpenId;
use crate::auth::oauth::settings::{ProviderKind, ProviderSettings};
use crate::clock::Timestamp;
use crate::outbound::fetch::Fetcher;
use crate::outbound::trust;
use crate::secret::Secret;

/// Why the providers cannot be used as they are set.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// A file cannot be read, or has not in it what it should.
    #[error("`providers`: `{0}`: the file `{1}` cannot be used")]
    File(String, String),
    /// The system trusts nobody.
    #[error(
        "`providers`: this system has no certificates to trust (package `ca-certificates`); name `authorities`"
    )]
    NoRoots,
    /// The same of the authorities for organisations' own providers.
    #[error("`sign_in.authorities`: the file `{0}` cannot be used")]
    Authorities(String),
    /// The settings do not go together.
    #[error("`providers`: `{0}` cannot be used")]
    Settings(String),
}

/// Why there is no identity. Peers are told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// Whoever came did not prove anything.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The provider, or the way to it, is at fault.
    #[error("the provider failed: {0}")]
    Provider(&'static str),
}

/// What is needed to send a browser to a provider.
pub(crate) struct There<'a> {
    pub(crate) redirect: &'a str,
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) verifier: &'a Secret<String>,
}

/// What came back from it, with what was kept.
pub(crate) struct Back<'a> {
    pub(crate) redirect: &'a str,
    pub(crate) code: &'a str,
    /// The issuer that the answer names.
    pub(crate) iss: Option<&'a str>,
    pub(crate) nonce: &'a str,
    pub(crate) verifier: &'a Secret<String>,
}

/// The providers of an organisation, in the order of their buttons.
#[derive(Default)]
pub struct Providers(Vec<Arc<Provider>>);

/// One of them.
pub struct Provider {
    settings: ProviderSettings,
    client: Client,
}

enum Client {
    OpenId(Box<OpenId>),
    Facebook(Box<Facebook>),
}

impl Providers {
    /// Makes them ready; asks none of them anything yet.
    ///
    /// # Errors
    /// When a file cannot be read or a setting cannot be used.
    pub fn new(settings: &[ProviderSettings]) -> Result<Self, ProviderError> {
        let providers = settings.iter();
        let providers: Result<_, _> = providers
            .map(|settings| Provider::new(settings).map(Arc::new))
            .collect();
        providers.map(Self)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.iter()
    }

    /// The one of this name.
    pub fn named(&self, id: &str) -> Option<&Arc<Provider>> {
        self.iter().find(|provider| provider.settings.id == id)
    }
}

impl Provider {
    fn new(settings: &ProviderSettings) -> Result<Self, ProviderError> {
        Self::trusting(settings.clone(), Arc::new(roots(settings)?))
    }

    /// One that these authorities vouch for.
    pub(crate) fn trusting(
        settings: ProviderSettings,
        roots: Arc<RootCertStore>,
    ) -> Result<Self, ProviderError> {
        let unfit = || ProviderError::Settings(settings.id.clone());
        let host = Url::parse(settings.issuer())
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let internal = host.filter(|_| settings.internal).into_iter().collect();
        let fetcher = Fetcher::new(roots, internal, LIMITS).ok_or_else(unfit)?;
        let (id, secret, scopes) = (&settings.client_id, secret(&settings)?, &settings.scopes);
        let client = match settings.kind {
            ProviderKind::OpenId | ProviderKind::Google => {
                let client = OpenId::new(settings.issuer(), id, secret, scopes, fetcher);
                Client::OpenId(Box::new(client.ok_or_else(unfit)?))
            }
            ProviderKind::Facebook => Client::Facebook(Box::new(Facebook::new(
                settings.issuer.as_deref(),
                id,
                secret,
                scopes,
                fetcher,
            ))),
        };
        // From here on it stands with the client alone.
        let settings = ProviderSettings {
            client_secret: None,
            ..settings
        };
        Ok(Self { settings, client })
    }

    /// What it says of itself now.
    pub(crate) async fn discover(&self) -> Result<Discovered, Undiscovered> {
        match &self.client {
            Client::OpenId(client) => client.discover().await,
            Client::Facebook(_) => Err(Undiscovered::NoDiscovery),
        }
    }

    /// What the operator said of it.
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// Where to send the browser.
    pub(crate) async fn there(&self, there: &There<'_>, now: Instant) -> Result<Url, Failure> {
        match &self.client {
            Client::OpenId(client) => client.there(there, now).await,
            Client::Facebook(client) => client.there(there),
        }
    }

    /// Whose identity a code proves.
    pub(crate) async fn back(
        &self,
        back: &Back<'_>,
        now: Instant,
        time: Timestamp,
    ) -> Result<Proven, Failure> {
        match &self.client {
            Client::OpenId(client) => client.back(back, now, time).await,
            Client::Facebook(client) => client.back(back).await,
        }
    }
}

fn secret(settings: &ProviderSettings) -> Result<Secret<String>, ProviderError> {
    if let Some(secret) = &settings.client_secret {
        return Ok(secret.clone());
    }
    let unfit = || ProviderError::Settings(settings.id.clone());
    let path = settings.client_secret_file.as_deref().ok_or_else(unfit)?;
    let text = std::fs::read_to_string(path).map_err(|_| file(settings, path))?;
    match text.trim_end() {
        "" => Err(file(settings, path)),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

fn roots(settings: &ProviderSettings) -> Result<RootCertStore, ProviderError> {
    let own = settings.authorities.as_deref();
    let path = own.or_else(trust::system).ok_or(ProviderError::NoRoots)?;
    let mut roots = RootCertStore::empty();
    if trust::add(&mut roots, path) {
        Ok(roots)
    } else {
        Err(file(settings, path))
    }
}

fn file(settings: &ProviderSettings, path: &Path) -> ProviderError {
    ProviderError::File(settings.id.clone(), path.display().to_string())
}
