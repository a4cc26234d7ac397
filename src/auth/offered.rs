//! The providers that people may come by: those of the operator's settings, and the organisation's own, which are read from the store and kept
//! until one of them changes. What a session by a provider's identity gives is asked of the store each time, so that a change is in force with
//! its commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_policy::control::ManageProviders;
use conclave_policy::permit::Permit;
use rustls::RootCertStore;
use tokio::sync::Semaphore;

use crate::auth::error::AuthError;
use crate::auth::oauth::discovered::{Discovered, Undiscovered};
use crate::auth::oauth::own::{OwnSettings, Said};
use crate::auth::oauth::provider::{Provider, ProviderError, Providers};
use crate::auth::oauth::settings::{Fault, MOST, ProviderSettings};
use crate::auth::session::Auth;
use crate::clock::Timestamp;
use crate::ids::{AccountId, IdentityId, OrgId, ProviderId};
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::identities::Rights;
use crate::store::providers::{NewProvider, OwnProvider, ProviderChange};

/// Providers that are tried out at the same time: an administrator presses a button.
const CHECKS: usize = 2;

/// All of them.
pub(super) struct Offered {
    operator: Providers,
    settings: OwnSettings,
    /// Whom the organisation's own providers are to be vouched for by; none where this machine trusts nobody.
    roots: Option<Arc<RootCertStore>>,
    own: Mutex<Own>,
    checks: Semaphore,
}

/// The organisation's own, as they were read last.
#[derive(Default)]
struct Own {
    /// How often they changed.
    turn: u64,
    /// Whether there was no change since they were read.
    current: bool,
    read: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    revision: u64,
    provider: Arc<Provider>,
}

/// A provider of the organisation's own, as its administrators see it.
#[derive(Debug)]
pub struct Owned {
    /// Which.
    pub id: ProviderId,
    /// What is said of it.
    pub said: Said,
    /// Whether people may come by it.
    pub on: bool,
    /// How often it was changed.
    pub revision: u64,
}

/// What is to be another about one.
#[derive(Debug)]
pub struct OwnedChange {
    /// What is said of it, all of it.
    pub said: Said,
    /// What it shares with the server; none: as before.
    pub secret: Option<Secret<String>>,
    /// Whether people may come by it.
    pub on: bool,
}

impl Default for Offered {
    fn default() -> Self {
        Self::new(Providers::default(), OwnSettings::default(), None)
    }
}

impl Offered {
    fn new(operator: Providers, settings: OwnSettings, roots: Option<Arc<RootCertStore>>) -> Self {
        Self {
            operator,
            settings,
            roots,
            own: Mutex::default(),
            checks: Semaphore::new(CHECKS),
        }
    }

    /// The operator's words on it, if it is one of theirs.
    fn of_operator(&self, id: &str) -> Option<Arc<Provider>> {
        self.operator.named(id).cloned()
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read is not current any more.
    fn changed(&self) {
        let mut own = self.own();
        own.turn = own.turn.wrapping_add(1);
        own.current = false;
    }

    /// Makes those ready that people may come by. One that is as it was keeps what was discovered of it.
    fn ready(&self, rows: Vec<OwnProvider>, turn: u64) -> Vec<Entry> {
        let mut own = self.own();
        let mut ready = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| row.on) {
            let name = row.id.to_string();
            let kept = own
                .read
                .iter()
                .find(|kept| kept.revision == row.revision && kept.provider.settings().id == name);
            let provider = match kept {
                Some(kept) => Some(kept.provider.clone()),
                None => self.make(&row).map(Arc::new),
            };
            match provider {
                Some(provider) => ready.push(Entry {
                    revision: row.revision,
                    provider,
                }),
                None => {
                    tracing::warn!(provider = %row.id, "a provider of the organisation cannot be used")
                }
            }
        }
        if own.turn == turn {
            own.current = true;
            own.read.clone_from(&ready);
        }
        ready
    }

    /// Whether the operator has that issuer, whose rules are not to be gone around by a provider with others.
    fn has_issuer(&self, said: &Said) -> bool {
        let mut theirs = self.operator.iter();
        theirs.any(|provider| provider.settings().issuer() == said.known_as())
    }

    fn make(&self, row: &OwnProvider) -> Option<Provider> {
        let said = Said::read(row.words.expose())?;
        if self.has_issuer(&said) {
            return None;
        }
        let settings = said.settings(row.id, row.secret.clone(), &self.settings);
        Provider::trusting(settings, self.roots.clone()?).ok()
    }
}

impl Auth {
    /// Lets people come by these providers.
    #[must_use]
    pub fn with_providers(mut self, providers: Providers) -> Self {
        let Offered {
            settings, roots, ..
        } = self.providers;
        self.providers = Offered::new(providers, settings, roots);
        self
    }

    /// Lets the organisation have providers of its own, as far as the operator allows.
    ///
    /// # Errors
    /// When a file of the operator's cannot be read.
    pub fn with_own_providers(mut self, settings: OwnSettings) -> Result<Self, ProviderError> {
        let roots = settings.roots()?.map(Arc::new);
        self.providers = Offered::new(self.providers.operator, settings, roots);
        Ok(self)
    }

    /// Those that people may come by, in the order of their buttons.
    ///
    /// # Errors
    /// When the organisation's own cannot be read.
    pub async fn providers(&self) -> Result<Vec<Arc<Provider>>, StoreError> {
        let own = self.own_ready().await?;
        let own = own.into_iter().map(|entry| entry.provider);
        Ok(self.providers.operator.iter().cloned().chain(own).collect())
    }

    /// Those of the operator's settings.
    pub fn operators_providers(&self) -> impl Iterator<Item = &ProviderSettings> {
        let all = self.providers.operator.iter();
        all.map(|provider| provider.settings())
    }

    /// The organisation's own, whether or not people may come by them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn own_providers(&self, org: OrgId) -> Result<Vec<Owned>, StoreError> {
        let rows = self.store.own_providers(org).await?;
        rows.into_iter()
            .map(|row| {
                Ok(Owned {
                    id: row.id,
                    said: Said::read(row.words.expose()).ok_or(StoreError::Corrupt)?,
                    on: row.on,
                    revision: row.revision,
                })
            })
            .collect()
    }

    /// What is wrong with what is said of a provider, if anything is.
    ///
    /// # Errors
    /// That.
    pub fn check_said(&self, said: &Said) -> Result<(), Fault> {
        said.check(&self.providers.settings)?;
        if self.providers.has_issuer(said) {
            return Err(Fault::Taken);
        }
        Ok(())
    }

    /// Whether the operator lets a provider of the organisation's be at an internal address.
    pub fn may_be_inside(&self, said: &Said) -> bool {
        said.is_inside(&self.providers.settings)
    }

    /// Keeps a provider of the organisation's own; it is offered from now on.
    ///
    /// # Errors
    /// `Full` when there are too many, `Conflict` when the identifier was another's, or the store does not answer.
    pub async fn add_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        wanted: OwnedChange,
    ) -> Result<(), StoreError> {
        let id = permit.action().provider.map(|id| id.to_string());
        if id.is_some_and(|id| self.providers.of_operator(&id).is_some()) {
            return Err(StoreError::Conflict);
        }
        let (now, operators) = (self.clock.now(), self.providers.operator.iter().count());
        let new = NewProvider {
            words: wanted.said.written(),
            secret: wanted.secret.ok_or(StoreError::Missing)?,
            on: wanted.on,
            made: now,
            most: u32::try_from(MOST.saturating_sub(operators)).unwrap_or(0),
        };
        let added = self.store.add_provider(permit, org, new).await;
        self.providers.changed();
        added
    }

    /// Changes one that was seen at a revision. A change of anything but its name and its secret ends the sessions that came by it.
    ///
    /// # Errors
    /// `Conflict` when it is another by now, `Missing` when there is none, or the store does not answer.
    pub async fn change_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        before: &Owned,
        wanted: OwnedChange,
    ) -> Result<(), StoreError> {
        let other = wanted.said.means_otherwise(&before.said);
        let change = ProviderChange {
            ends: other || wanted.on != before.on,
            words: Some(wanted.said.written()),
            secret: wanted.secret,
            on: Some(wanted.on),
            at: self.clock.now(),
        };
        let changed = self
            .store
            .change_provider(permit, org, before.revision, change)
            .await;
        self.providers.changed();
        changed
    }

    /// Takes one away that was seen at a revision, and with it every session that came by it.
    ///
    /// # Errors
    /// As above.
    pub async fn remove_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        seen: u64,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let removed = self.store.remove_provider(permit, org, seen, now).await;
        self.providers.changed();
        removed
    }

    /// Asks a provider what it says of itself, as a sign-in by it would.
    ///
    /// # Errors
    /// Why there is nothing that could be used.
    pub async fn discover(
        &self,
        _permit: &Permit<ManageProviders>,
        said: &Said,
    ) -> Result<Discovered, Undiscovered> {
        let _place = self
            .providers
            .checks
            .try_acquire()
            .map_err(|_| Undiscovered::Busy)?;
        let roots = self.providers.roots.clone();
        let roots = roots.ok_or(Undiscovered::Unreachable)?;
        let nobody = ProviderId::from_bytes([0; 16]);
        let secret = Secret::new(String::new());
        let settings = said.settings(nobody, secret, &self.providers.settings);
        let provider = Provider::trusting(settings, roots).map_err(|_| Undiscovered::Address)?;
        provider.discover().await
    }

    /// The provider of that name, if people may come by it now.
    pub(super) async fn provider(&self, id: &str) -> Result<Option<Arc<Provider>>, StoreError> {
        if let Some(provider) = self.providers.of_operator(id) {
            return Ok(Some(provider));
        }
        let own = self.own_ready().await?.into_iter();
        let mut own = own.map(|entry| entry.provider);
        Ok(own.find(|provider| provider.settings().id == id))
    }

    /// Refuses whoever is on their way by a provider that was changed since they were asked about.
    pub(super) async fn still_stands(&self, asked: &Arc<Provider>) -> Result<(), AuthError> {
        match self.provider(&asked.settings().id).await? {
            Some(now) if Arc::ptr_eq(&now, asked) => Ok(()),
            _ => Err(AuthError::Refused),
        }
    }

    /// What the identity that a session came by gives its account: nothing for a session without one, and `Refused` when the
    /// identity was taken back, or its provider is not one of ours any more, or another than when the session began.
    pub(super) async fn given_by(
        &self,
        org: OrgId,
        (by, since): (Option<IdentityId>, Timestamp),
        account: AccountId,
    ) -> Result<Rights, AuthError> {
        let Some(id) = by else {
            return Ok(Rights {
                admin: false,
                creator: false,
            });
        };
        let found = self.store.identity_rights(org, id, account).await?;
        let (provider, rights) = found.ok_or(AuthError::Refused)?;
        if self.providers.of_operator(&provider).is_some() {
            return Ok(rights);
        }
        let own: ProviderId = provider.parse().map_err(|_| AuthError::Refused)?;
        match self.store.provider_since(org, own).await? {
            // A session knows its second only: one that began in the very second of the change is over with the others.
            Some(from) if since >= from => Ok(rights),
            _ => Err(AuthError::Refused),
        }
    }

    async fn own_ready(&self) -> Result<Vec<Entry>, StoreError> {
        let turn = {
            let own = self.providers.own();
            if own.current {
                return Ok(own.read.clone());
            }
            own.turn
        };
        let rows = self.store.own_providers(self.store.org()).await?;
        Ok(self.providers.ready(rows, turn))
    }
}
