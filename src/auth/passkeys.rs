//! Passkeys: how one is made, and what a use of one proves. The only file that names the library for them.
//!
//! A ceremony is begun by the server and ended by the browser that asked for it, once, within five minutes. What the server has
//! to remember of it goes along in a sealed token, so that nobody can fill the server with ceremonies that are never ended.

use std::net::IpAddr;
use std::time::Duration;

use conclave_policy::own::{AddPasskey, RemovePasskey, RenamePasskey};
use conclave_policy::permit::Permit;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Credential, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::principal::{Came, Principal};
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn};
use crate::auth::token::{Claims, TokenId};
use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId, PasskeyId};
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::mails::MailKind;
use crate::store::passkeys::{NewPasskey, Passkey};

/// How long someone may take to find their key: what the standard recommends.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// What the audit trail calls it when a passkey's counter went backwards.
const PASSKEY_COPIED: &str = "passkey_copied";

/// What the operator says of passkeys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasskeySettings {
    /// The domain that passkeys are for: that of the origins, or one above it. Passkeys of another domain are worth nothing, so
    /// it is not to be changed. Left out: the one name of all origins; with several, there are no passkeys.
    pub domain: Option<String>,
}

/// The settings do not go together.
#[derive(Debug, Error)]
pub enum PasskeySettingsError {
    /// No page is of this domain.
    #[error("`passkeys.domain`: none of the origins is `{0}` or below it")]
    Foreign(String),
    /// The library does not take it.
    #[error("`passkeys.domain`: `{0}` cannot be used")]
    Unusable(String),
}

/// What passkeys of this server are for. Nothing, where its pages have no one name.
#[derive(Debug, Default)]
pub struct Passkeys(Option<(String, Webauthn)>);

impl Passkeys {
    /// For the pages of these origins.
    ///
    /// # Errors
    /// When the settings name a domain that no page is of.
    pub fn new(
        settings: &PasskeySettings,
        origins: &[String],
    ) -> Result<Self, PasskeySettingsError> {
        let pages: Vec<Url> = origins
            .iter()
            .filter_map(|origin| Url::parse(origin).ok())
            // An address is no name: browsers make no passkeys for it.
            .filter(|page| page.domain().is_some())
            .collect();
        let domain = match &settings.domain {
            Some(domain) => domain.to_ascii_lowercase(),
            None => {
                let mut names = pages.iter().filter_map(Url::domain);
                let Some(first) = names.next() else {
                    return Ok(Self(None));
                };
                if names.any(|name| name != first) {
                    return Ok(Self(None));
                }
                first.to_owned()
            }
        };
        let below = format!(".{domain}");
        let mut pages = pages.iter().filter(|page| {
            page.domain()
                .is_some_and(|name| name == domain || name.ends_with(&below))
        });
        let first = pages
            .next()
            .ok_or_else(|| PasskeySettingsError::Foreign(domain.clone()))?;
        let unusable = |_: WebauthnError| PasskeySettingsError::Unusable(domain.clone());
        let builder = WebauthnBuilder::new(&domain, first).map_err(unusable)?;
        let builder = pages.fold(
            builder.rp_name("Conclave").timeout(PATIENCE),
            |all, page| all.append_allowed_origin(page),
        );
        let library = builder.build().map_err(unusable)?;
        Ok(Self(Some((domain, library))))
    }

    /// The domain that they are for.
    pub fn domain(&self) -> Option<&str> {
        self.0.as_ref().map(|(domain, _)| domain.as_str())
    }

    fn library(&self) -> Result<&Webauthn, AuthError> {
        let library = self.0.as_ref().map(|(_, library)| library);
        library.ok_or(AuthError::Refused)
    }
}

/// What a ceremony is for. One is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Making a passkey.
    Register,
    /// Signing in.
    SignIn,
    /// The second factor after a password.
    Factor,
    /// Proving once more, in a session, that one is its holder.
    Again,
    /// Showing, in a session, the second factor that it began without.
    StepUp,
}

/// A ceremony that begins.
#[derive(Debug)]
pub struct Ceremony {
    /// What the browser brings back.
    pub token: Secret<String>,
    /// What the browser asks the authenticator, in the standard's JSON form.
    pub options: Value,
}

/// A passkey as a browser made it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Attested(RegisterPublicKeyCredential);

/// A use of a passkey, as a browser shows it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Asserted(PublicKeyCredential);

/// A passkey that its holder's browser proved to have made just now. Made only here.
#[derive(Debug)]
pub struct Registered {
    id: PasskeyId,
    account: AccountId,
    index: [u8; 32],
    name: DisplayName,
    credential: Secret<Vec<u8>>,
}

impl Registered {
    /// What the passkey will be called.
    pub const fn passkey(&self) -> PasskeyId {
        self.id
    }
}

/// Whose ceremony it is: a session's, or a browser's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bound {
    pub(super) account: Option<(AccountId, i64)>,
    pub(super) session: Option<TokenId>,
    pub(super) key: Option<Thumbprint>,
}

impl Auth {
    /// Lets passkeys open accounts.
    #[must_use]
    pub fn with_passkeys(mut self, passkeys: Passkeys) -> Self {
        self.passkeys = passkeys;
        self
    }

    /// The domain that passkeys are for, where there are any.
    pub fn passkey_domain(&self) -> Option<&str> {
        self.passkeys.domain()
    }

    /// Begins to make a passkey for the holder of a session.
    ///
    /// # Errors
    /// `Refused` where there are no passkeys, or `Unavailable`.
    pub async fn start_passkey(&self, principal: &Principal) -> Result<Ceremony, AuthError> {
        let account = principal.account().ok_or(AuthError::Refused)?;
        let library = self.passkeys.library()?;
        let kept = self.store.passkeys(principal.org, account).await?;
        let contact = self.store.contact(principal.org, account).await?;
        let contact = contact.ok_or(AuthError::Refused)?;
        let name = principal.name().as_str();
        let shown = contact.reached().unwrap_or(name);
        let user = Uuid::from_bytes(*account.as_bytes());
        let (options, state) = library
            .start_passkey_registration(user, shown, name, None)
            .map_err(|_| AuthError::Unavailable)?;
        let mut options =
            serde_json::to_value(&options.public_key).map_err(|_| AuthError::Unavailable)?;
        // A passkey that the authenticator remembers by itself signs in without an e-mail address; one that it does not is still
        // a second factor.
        put(
            &mut options,
            "/authenticatorSelection/residentKey",
            json!("preferred"),
        );
        put(&mut options, "/excludeCredentials", named(&kept)?);
        let bound = Bound {
            session: Some(principal.token_id),
            ..Bound::default()
        };
        self.ceremony(Purpose::Register, bound, &state, options)
            .await
    }

    /// What came of it: a passkey that can be kept, if the policy permits.
    ///
    /// # Errors
    /// `Refused`, `Name` or `Unavailable`.
    pub async fn registered(
        &self,
        principal: &Principal,
        ceremony: &Secret<String>,
        attested: &Attested,
        name: &str,
    ) -> Result<Registered, AuthError> {
        let name = DisplayName::parse(name)?;
        let account = principal.account().ok_or(AuthError::Refused)?;
        let (bound, state) = self.end(ceremony, Purpose::Register).await?;
        if bound.session != Some(principal.token_id) {
            return Err(AuthError::Refused);
        }
        let state: PasskeyRegistration =
            serde_json::from_str(state.expose()).map_err(|_| AuthError::Refused)?;
        let credential = self
            .passkeys
            .library()?
            .finish_passkey_registration(&attested.0, &state)
            .map_err(unproven)?;
        Ok(Registered {
            id: self.random_id(),
            account,
            index: self
                .store
                .passkey_index(principal.org, credential.cred_id().as_slice()),
            name,
            credential: written(&credential)?,
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// `Refused` when the authenticator's credential is kept already, `Busy` when there are too many, `Unavailable`.
    pub async fn add_passkey(
        &self,
        permit: Permit<AddPasskey>,
        org: OrgId,
        registered: Registered,
    ) -> Result<(), AuthError> {
        if permit.actor() != registered.account.into()
            || permit.into_action().passkey != registered.id
        {
            return Err(AuthError::Refused);
        }
        let passkey = NewPasskey {
            id: registered.id,
            account: registered.account,
            index: registered.index,
            name: registered.name.as_str(),
            credential: registered.credential.expose(),
            made: self.clock.now(),
        };
        self.store.add_passkey(org, passkey).await?;
        self.tell(registered.account, MailKind::PasskeyAdded).await;
        Ok(())
    }

    /// Gives a passkey another name.
    ///
    /// # Errors
    /// `Missing` when it is not the account's, or the database does not answer.
    pub async fn rename_passkey(
        &self,
        permit: Permit<RenamePasskey>,
        org: OrgId,
        account: AccountId,
        name: &DisplayName,
    ) -> Result<(), StoreError> {
        if permit.actor() != account.into() {
            return Err(StoreError::Missing);
        }
        let id = permit.into_action().passkey;
        self.store
            .rename_passkey(org, account, id, name.as_str())
            .await
    }

    /// Takes a passkey back.
    ///
    /// # Errors
    /// `Missing` when it is not the account's, or the database does not answer.
    pub async fn remove_passkey(
        &self,
        permit: Permit<RemovePasskey>,
        principal: &Principal,
    ) -> Result<(), StoreError> {
        let account = principal.account().ok_or(StoreError::Missing)?;
        if permit.actor() != account.into() {
            return Err(StoreError::Missing);
        }
        let id = permit.into_action().passkey;
        let by = (*principal.token_id.as_bytes(), self.clock.now());
        self.store
            .remove_passkey((principal.org, account), id, by)
            .await
    }

    /// Begins a sign-in by whatever passkey the browser's holder has for this server. Says nothing about anyone.
    ///
    /// # Errors
    /// `Refused` where there are no passkeys or the browser shows no key of its own, `TooMany`, `Unavailable`.
    pub async fn start_passkey_sign_in(
        &self,
        address: IpAddr,
        key: Option<Thumbprint>,
    ) -> Result<Ceremony, AuthError> {
        self.newcomer(address)?;
        let bound = Bound {
            key: Some(key.ok_or(AuthError::Refused)?),
            ..Bound::default()
        };
        self.ask_for_passkey(Purpose::SignIn, bound, None).await
    }

    /// Ends it. A passkey that knows its holder by finger, face or PIN is both factors.
    ///
    /// # Errors
    /// `Refused`, `TooMany` or `Unavailable`.
    pub async fn sign_in_by_passkey(
        &self,
        ceremony: &Secret<String>,
        asserted: &Asserted,
        (address, key): (IpAddr, Option<Thumbprint>),
    ) -> Result<SignedIn, AuthError> {
        self.newcomer(address)?;
        let (bound, state) = self.end(ceremony, Purpose::SignIn).await?;
        if key.is_none() || bound.key != key {
            return Err(AuthError::Refused);
        }
        let passkey = self.proven(&state, asserted, None).await?;
        self.enter_with_both(passkey.account, passkey.epoch, key, Some(passkey.id))
            .await
    }

    /// A session of someone who showed two factors, one of them this passkey, or a code that stood in for it.
    pub(super) async fn enter_with_both(
        &self,
        account: AccountId,
        epoch: i64,
        key: Option<Thumbprint>,
        passkey: Option<PasskeyId>,
    ) -> Result<SignedIn, AuthError> {
        let org = self.store.org();
        let index = self.store.password_of(org, account).await?;
        let index = index.map(|(index, _)| index);
        let came = Came {
            second_factor: true,
            ..Came::default()
        };
        let signed_in = self
            .new_session(account, epoch, index.as_ref(), key, came)
            .await?;
        let by = passkey.map_or(*account.as_bytes(), |passkey| *passkey.as_bytes());
        self.note("sign_in", account.into(), Some(by));
        Ok(SignedIn {
            passkey,
            ..signed_in
        })
    }

    /// Asks for a use of any passkey, or of one of these.
    pub(super) async fn ask_for_passkey(
        &self,
        purpose: Purpose,
        bound: Bound,
        these: Option<&[Passkey]>,
    ) -> Result<Ceremony, AuthError> {
        let (options, state) = self
            .passkeys
            .library()?
            .start_discoverable_authentication()
            .map_err(|_| AuthError::Unavailable)?;
        let mut options =
            serde_json::to_value(&options.public_key).map_err(|_| AuthError::Unavailable)?;
        if let Some(these) = these {
            put(&mut options, "/allowCredentials", named(these)?);
        }
        self.ceremony(purpose, bound, &state, options).await
    }

    /// The passkey whose use this proves: of this account, if one is named, and otherwise of the one that it names itself.
    pub(super) async fn proven(
        &self,
        state: &Secret<String>,
        Asserted(asserted): &Asserted,
        only: Option<AccountId>,
    ) -> Result<Passkey, AuthError> {
        let state: DiscoverableAuthentication =
            serde_json::from_str(state.expose()).map_err(|_| AuthError::Refused)?;
        let (org, now) = (self.store.org(), self.clock.now());
        let index = self.store.passkey_index(org, asserted.get_credential_id());
        let kept = self.store.passkey(org, &index).await?;
        let kept = kept.ok_or(AuthError::Refused)?;
        // WebAuthn, section 7.2, step 6: whoever was named before is the owner, and whoever is named now is as well.
        let handle = asserted.get_user_unique_id();
        let named = match only {
            Some(account) => {
                kept.account == account && handle.is_none_or(|handle| handle == account.as_bytes())
            }
            None => handle == Some(kept.account.as_bytes().as_slice()),
        };
        if !named || kept.regressed.is_some() {
            return Err(AuthError::Refused);
        }
        let mut credential: Credential =
            serde_json::from_slice(kept.credential.expose()).map_err(|_| AuthError::Unavailable)?;
        let library = self.passkeys.library()?;
        let used = library.finish_discoverable_authentication_v2(asserted, state, &credential);
        let used = match used {
            Ok(used) => used,
            // Rightly signed, and counted less than before: somebody has a copy. Which of the two this is, nobody can tell.
            Err(WebauthnError::CredentialPossibleCompromise) => {
                self.store.regressed_passkey(org, kept.id, now).await?;
                self.note(
                    PASSKEY_COPIED,
                    kept.account.into(),
                    Some(*kept.id.as_bytes()),
                );
                self.tell(kept.account, MailKind::PasskeyCopied).await;
                return Err(AuthError::Refused);
            }
            Err(error) => return Err(unproven(error)),
        };
        if !used.user_verified() {
            return Err(AuthError::Refused);
        }
        credential.update_credential(&used);
        let credential = written(&credential)?;
        self.store.used_passkey(org, &kept, credential, now).await?;
        Ok(kept)
    }

    pub(super) async fn ceremony(
        &self,
        purpose: Purpose,
        bound: Bound,
        state: &impl Serialize,
        options: Value,
    ) -> Result<Ceremony, AuthError> {
        let state = serde_json::to_string(state).map_err(|_| AuthError::Unavailable)?;
        let now = self.clock.now();
        let claims = Claims::Ceremony {
            org: self.store.org(),
            purpose,
            account: bound.account,
            session: bound.session,
            jkt: bound.key,
            state,
            iat: now.as_secs(),
            exp: now.after(PATIENCE).as_secs(),
            jti: self.random_id(),
        };
        let ring = self.usable_ring().await?;
        let token = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        Ok(Ceremony { token, options })
    }

    /// A ceremony of this purpose that was not ended before. Whatever comes of it, it is over.
    pub(super) async fn end(
        &self,
        ceremony: &Secret<String>,
        purpose: Purpose,
    ) -> Result<(Bound, Secret<String>), AuthError> {
        let (bound, state, (token, expires)) = self.open_ceremony(ceremony, purpose)?;
        let (org, now) = (self.store.org(), self.clock.now());
        self.store
            .spend(org, *token.as_bytes(), expires, now)
            .await?;
        Ok((bound, state))
    }

    /// The same, and it goes on.
    #[expect(
        clippy::type_complexity,
        reason = "whose it is, what is to be proved, and by what it is spent"
    )]
    pub(super) fn open_ceremony(
        &self,
        ceremony: &Secret<String>,
        wanted: Purpose,
    ) -> Result<(Bound, Secret<String>, (TokenId, Timestamp)), AuthError> {
        let opened = self.ring().open(ceremony.expose(), self.clock.now());
        let Ok(Claims::Ceremony {
            purpose,
            account,
            session,
            jkt,
            state,
            exp,
            jti,
            ..
        }) = opened
        else {
            return Err(AuthError::Refused);
        };
        if purpose != wanted {
            return Err(AuthError::Refused);
        }
        let bound = Bound {
            account,
            session,
            key: jkt,
        };
        let expires = Timestamp::from_millis(exp.saturating_mul(1000));
        Ok((bound, Secret::new(state), (jti, expires)))
    }
}

fn unproven(error: WebauthnError) -> AuthError {
    // Says what was wrong with a peer's message, and nothing of whose it was.
    tracing::debug!(%error, "a passkey proved nothing");
    AuthError::Refused
}

fn written(credential: &Credential) -> Result<Secret<Vec<u8>>, AuthError> {
    let text = serde_json::to_vec(credential).map_err(|_| AuthError::Unavailable)?;
    Ok(Secret::new(text))
}

/// The credentials of passkeys, as options name them.
fn named(passkeys: &[Passkey]) -> Result<Value, AuthError> {
    passkeys
        .iter()
        .filter(|passkey| passkey.regressed.is_none())
        .map(|passkey| {
            let credential: Credential = serde_json::from_slice(passkey.credential.expose())
                .map_err(|_| AuthError::Unavailable)?;
            let id = BASE64URL_NOPAD.encode(credential.cred_id().as_slice());
            Ok(json!({"type": "public-key", "id": id}))
        })
        .collect()
}

fn put(options: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
    if let Some(Value::Object(parent)) = options.pointer_mut(parent) {
        parent.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(named: Option<&str>, origins: &[&str]) -> Result<Option<String>, String> {
        let settings = PasskeySettings {
            domain: named.map(str::to_owned),
        };
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Passkeys::new(&settings, &origins)
            .map(|passkeys| passkeys.domain().map(str::to_owned))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn passkeys_are_for_the_one_name_of_all_pages_or_for_the_domain_that_is_named() {
        let local = [
            "https://localhost:8443",
            "https://127.0.0.1:8443",
            "https://[::1]:8443",
        ];
        assert_eq!(domain(None, &local), Ok(Some("localhost".to_owned())));
        assert_eq!(domain(None, &["https://192.0.2.1"]), Ok(None));
        let two = ["https://meet.example.org", "https://meet.example.org:444"];
        assert_eq!(domain(None, &two), Ok(Some("meet.example.org".to_owned())));
        let several = ["https://meet.example.org", "https://talk.example.org"];
        assert_eq!(domain(None, &several), Ok(None));
        assert_eq!(
            domain(Some("Example.org"), &several),
            Ok(Some("example.org".to_owned()))
        );
        for foreign in ["example.com", "ample.org", "evil.meet.example.org"] {
            assert!(
                domain(Some(foreign), &several)
                    .unwrap_err()
                    .contains("passkeys.domain"),
                "{foreign}"
            );
        }
    }
}
