//! Links that open a way back into an account, and those that prove an address. A link is a sealed token: nothing is kept of it,
//! it works once, and it is over when the account's password or address has changed since.

use std::net::IpAddr;
use std::time::Duration;

use conclave_policy::own::{ChangeEmail, ChangeOwnPassword, EndOwnSessions};
use conclave_policy::permit::Permit;

use crate::auth::email::Email;
use crate::auth::error::AuthError;
use crate::auth::password::Password;
use crate::auth::principal::Principal;
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn, hash_failed};
use crate::auth::token::{Claims, KeyRing};
use crate::clock::{Clock, Timestamp};
use crate::ids::{self, AccountId};
use crate::secret::{RandomSource, Secret};
use crate::store::contacts::Contact;
use crate::store::database::Store;
use crate::store::mails::{Mail, MailKind};

/// How long a link to a new password works.
const RESET: Duration = Duration::from_secs(30 * 60);
/// How long a link works that proves an address, or that an administrator made by hand.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkKind {
    /// Choosing a password.
    Reset,
    /// The same, and the account has no passkeys and no recovery codes afterwards.
    ResetAll,
    /// Proving an address.
    Verify,
}

impl Auth {
    /// Sends mail, with links to this page of ours.
    #[must_use]
    pub fn with_mail(mut self, origin: String) -> Self {
        self.mail = Some(origin);
        self
    }

    /// Whether this server sends mail.
    pub const fn sends_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Whether somebody from this address may ask for mail now. It does not depend on whom they ask about.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn may_ask_for_mail(&self, address: IpAddr) -> Result<(), AuthError> {
        self.newcomer(address)
    }

    /// Sends the holder of an address a link to a new password, if there is one, and the address was proved. Whoever asked hears
    /// nothing of it.
    ///
    /// # Errors
    /// `Unavailable` and the like, for the log alone.
    pub async fn send_reset(&self, email: &str) -> Result<(), AuthError> {
        let email = Email::parse(email).map_err(|_| AuthError::Refused)?;
        let org = self.store.org();
        self.mail_to(self.store.email_index(org, email.as_str()))?;
        let contact = self.store.contact_of(org, email.as_str()).await?;
        let Some(contact) = contact.filter(|contact| contact.verified.is_some()) else {
            return Ok(());
        };
        let token = self
            .new_link(&contact, LinkKind::Reset, None, RESET)
            .await?;
        self.post(
            MailKind::Reset,
            contact.email,
            Some(("reset", token)),
            RESET,
        )
        .await
    }

    /// Sends a link that proves the address of the holder of a session.
    ///
    /// # Errors
    /// `Refused` where there is nothing to prove or no mail is sent, `TooMany`, `Unavailable`.
    pub async fn send_verify(&self, account: AccountId) -> Result<(), AuthError> {
        let org = self.store.org();
        let contact = self.store.contact(org, account).await?;
        let contact = contact.ok_or(AuthError::Refused)?;
        let email = contact.email.clone();
        if contact.verified.is_some() || contact.reached().is_none() {
            return Err(AuthError::Refused);
        }
        self.ask_to_prove(&contact, email).await
    }

    /// Sends a link to another address; the account has it once the link is opened. Whether another account has it already is
    /// told to nobody.
    ///
    /// # Errors
    /// `Email`, `Refused` where no mail is sent, `TooMany`, `Unavailable`.
    pub async fn change_email(
        &self,
        permit: Permit<ChangeEmail>,
        account: AccountId,
        email: &str,
    ) -> Result<(), AuthError> {
        let email = Email::parse(email)?;
        if permit.actor() != account.into() {
            return Err(AuthError::Refused);
        }
        let ChangeEmail = permit.into_action();
        let contact = self.store.contact(self.store.org(), account).await?;
        let contact = contact.ok_or(AuthError::Refused)?;
        self.ask_to_prove(&contact, Secret::new(email.as_str().to_owned()))
            .await
    }

    /// Ends what a link began that proves an address.
    ///
    /// # Errors
    /// `Refused`, `TooMany` or `Unavailable`.
    pub async fn prove_email(
        &self,
        token: &Secret<String>,
        address: IpAddr,
    ) -> Result<(), AuthError> {
        self.newcomer(address)?;
        let link = self.open_link(token).await?;
        let (LinkKind::Verify, Some(email)) = (link.kind, &link.email) else {
            return Err(AuthError::Refused);
        };
        let (org, now) = (self.store.org(), self.clock.now());
        let account = link.contact.account;
        self.store.spend(org, link.id, link.over, now).await?;
        self.store
            .set_email(org, account, email.expose(), now)
            .await?;
        let changed = email.expose() != link.contact.email.expose();
        let action = if changed {
            "email_changed"
        } else {
            "email_verified"
        };
        self.note(action, account.into(), Some(*account.as_bytes()));
        if changed && link.contact.verified.is_some() {
            // Told to the address that it was: whoever holds the account hears of it even if they did not do it.
            let _unsent = self
                .post(MailKind::EmailChanged, link.contact.email, None, DAY)
                .await;
        }
        Ok(())
    }

    /// Ends what a link began that leads to a new password. Every session of the account is over.
    ///
    /// # Errors
    /// `Password` when it breaks the rule; `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn reset(
        &self,
        token: &Secret<String>,
        password: &Secret<String>,
        address: IpAddr,
    ) -> Result<(), AuthError> {
        let password = Password::parse(password.expose())?;
        self.newcomer(address)?;
        let link = self.open_link(token).await?;
        if link.kind == LinkKind::Verify {
            return Err(AuthError::Refused);
        }
        let (org, account) = (self.store.org(), link.contact.account);
        let hash = self.hasher.hash(password).await.map_err(hash_failed)?;
        let now = self.clock.now();
        self.store.spend(org, link.id, link.over, now).await?;
        self.store.set_password(org, account, &hash).await?;
        if link.kind == LinkKind::ResetAll {
            self.store.remove_factors(org, account).await?;
            self.note("factors_removed", account.into(), Some(*account.as_bytes()));
        }
        self.note("password_reset", account.into(), Some(*account.as_bytes()));
        self.tell(account, MailKind::PasswordChanged).await;
        Ok(())
    }

    /// Gives the holder of a session another password. Every other session of the account is over.
    ///
    /// # Errors
    /// `Password` when it breaks the rule; `Refused`, `Busy` or `Unavailable`.
    pub async fn change_password(
        &self,
        permit: Permit<ChangeOwnPassword>,
        principal: &Principal,
        session: &str,
        password: &Secret<String>,
    ) -> Result<SignedIn, AuthError> {
        let password = Password::parse(password.expose())?;
        let account = principal.account().ok_or(AuthError::Refused)?;
        if permit.actor() != account.into() {
            return Err(AuthError::Refused);
        }
        let ChangeOwnPassword = permit.into_action();
        let key = self.key_of(session)?;
        let hash = self.hasher.hash(password).await.map_err(hash_failed)?;
        let org = principal.org;
        let epoch = self.store.set_password(org, account, &hash).await?;
        self.tell(account, MailKind::PasswordChanged).await;
        let begun = self.new_session(account, epoch, None, key, principal.came);
        Ok(SignedIn {
            instead_of: Some(principal.token_id),
            ..begun.await?
        })
    }

    /// Ends every session of an account but that of its holder who asks, which is another from then on.
    ///
    /// # Errors
    /// `Refused` or `Unavailable`.
    pub async fn end_others(
        &self,
        permit: Permit<EndOwnSessions>,
        principal: &Principal,
        session: &str,
    ) -> Result<SignedIn, AuthError> {
        let account = principal.account().ok_or(AuthError::Refused)?;
        if permit.actor() != account.into() {
            return Err(AuthError::Refused);
        }
        let EndOwnSessions = permit.into_action();
        let key = self.key_of(session)?;
        let epoch = self.store.next_epoch(principal.org, account).await?;
        // Nobody was asked who they are: it is no fresher than the one it takes the place of, and over when that would be.
        let (came, end) = (principal.came, principal.expires);
        let begun = self.session_of((account, epoch), None, key, came, end);
        Ok(SignedIn {
            instead_of: Some(principal.token_id),
            ..begun.await?
        })
    }

    /// The key that a session is bound to.
    fn key_of(&self, session: &str) -> Result<Option<Thumbprint>, AuthError> {
        match self.ring().open(session, self.clock.now()) {
            Ok(Claims::Session { jkt, .. }) => Ok(jkt),
            _ => Err(AuthError::Refused),
        }
    }

    /// Tells the holder of an account, if their address was proved. Nobody waits for the mail, and nothing fails with it.
    pub(super) async fn tell(&self, account: AccountId, kind: MailKind) {
        if self.mail.is_none() {
            return;
        }
        let contact = self.store.contact(self.store.org(), account).await;
        if let Ok(Some(contact)) = contact
            && contact.verified.is_some()
        {
            let _unsent = self.post(kind, contact.email, None, DAY).await;
        }
    }

    async fn ask_to_prove(
        &self,
        contact: &Contact,
        email: Secret<String>,
    ) -> Result<(), AuthError> {
        let org = self.store.org();
        let index = self.store.email_index(org, email.expose());
        self.mail_to(index)?;
        // One account asks for no more mail than one address gets, to whatever addresses.
        if index != contact.index {
            self.mail_to(contact.index)?;
        }
        let token = self
            .new_link(contact, LinkKind::Verify, Some(&email), DAY)
            .await?;
        self.post(MailKind::Verify, email, Some(("verify", token)), DAY)
            .await
    }

    /// The budget of mail to one address.
    fn mail_to(&self, index: [u8; 32]) -> Result<(), AuthError> {
        let mut mails = self
            .mails
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        mails
            .take(index, self.clock.instant())
            .map_err(|retry_after| AuthError::TooMany { retry_after })
    }

    async fn new_link(
        &self,
        contact: &Contact,
        kind: LinkKind,
        email: Option<&Secret<String>>,
        lifetime: Duration,
    ) -> Result<Secret<String>, AuthError> {
        let ring = self.usable_ring().await?;
        let id = self.random_id();
        let now = self.clock.now();
        let claims = claims(&self.store, contact, kind, email, (now, lifetime), id);
        ring.make(&claims, now).map_err(|_| AuthError::Unavailable)
    }

    async fn post(
        &self,
        kind: MailKind,
        recipient: Secret<String>,
        link: Option<(&str, Secret<String>)>,
        lifetime: Duration,
    ) -> Result<(), AuthError> {
        let origin = self.mail.as_deref().ok_or(AuthError::Refused)?;
        let now = self.clock.now();
        let mail = Mail {
            id: self.random_id(),
            kind,
            recipient,
            link: link.map(|(page, token)| address(origin, page, &token)),
            tries: 0,
            expires: now.after(lifetime),
        };
        Ok(self.store.post(self.store.org(), mail, now).await?)
    }

    async fn open_link(&self, token: &Secret<String>) -> Result<Opened, AuthError> {
        let opened = self.ring().open(token.expose(), self.clock.now());
        let Ok(Claims::Link {
            org,
            sub,
            epoch,
            reached,
            purpose,
            email,
            exp,
            jti,
            ..
        }) = opened
        else {
            return Err(AuthError::Refused);
        };
        let contact = self.store.contact(org, sub).await?;
        let contact = contact.ok_or(AuthError::Refused)?;
        // What proves the address that the account has may be opened also after a new password; what gives it another may not.
        let proves = purpose == LinkKind::Verify
            && (email.as_deref()).is_none_or(|email| email == contact.email.expose());
        if !(proves || contact.epoch == epoch)
            || data_encoding::BASE64URL_NOPAD.encode(&contact.index) != reached
        {
            return Err(AuthError::Refused);
        }
        Ok(Opened {
            kind: purpose,
            contact,
            email: email.map(Secret::new),
            id: *jti.as_bytes(),
            over: Timestamp::from_millis(exp.saturating_mul(1000)),
        })
    }
}

/// A link that still works.
struct Opened {
    kind: LinkKind,
    contact: Contact,
    email: Option<Secret<String>>,
    id: [u8; 16],
    over: Timestamp,
}

/// What an administrator asks for on the command line.
#[derive(Clone, Debug)]
pub enum ByHand {
    /// A new password.
    Reset {
        /// Whether passkeys and recovery codes go with the old one.
        all: bool,
    },
    /// The proof of an address: this one, or another that the account then has.
    Verify {
        /// The other.
        to: Option<String>,
    },
}

/// Makes a link by hand, from what a database holds; nothing in it is changed.
///
/// # Errors
/// `Refused` when there is no such account, `Email`, or `Unavailable` when the server has not run for so long that its keys are old.
pub async fn link_by_hand(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn RandomSource,
    email: &str,
    what: &ByHand,
) -> Result<(&'static str, Secret<String>), AuthError> {
    let email = Email::parse(email)?;
    let (org, now) = (store.org(), clock.now());
    let contact = store.contact_of(org, email.as_str()).await?;
    let contact = contact.ok_or(AuthError::Refused)?;
    let (page, kind, to) = match what {
        ByHand::Reset { all: false } => ("reset", LinkKind::Reset, None),
        ByHand::Reset { all: true } => ("reset", LinkKind::ResetAll, None),
        ByHand::Verify { to } => {
            let to = to.as_deref().map(Email::parse).transpose()?;
            let to = to.as_ref().unwrap_or(&email);
            let to = Secret::new(to.as_str().to_owned());
            ("verify", LinkKind::Verify, Some(to))
        }
    };
    let keys = store.session_keys(org, now).await?;
    let ring = KeyRing::new(org, &keys).map_err(|_| AuthError::Unavailable)?;
    let claims = claims(
        store,
        &contact,
        kind,
        to.as_ref(),
        (now, DAY),
        ids::random(random),
    );
    let token = ring
        .make(&claims, now)
        .map_err(|_| AuthError::Unavailable)?;
    Ok((page, token))
}

/// The address of a page of ours with a secret that no server on the way sees.
pub fn address(origin: &str, page: &str, token: &Secret<String>) -> Secret<String> {
    Secret::new(format!("{origin}/{page}#{}", token.expose()))
}

fn claims(
    store: &Store,
    contact: &Contact,
    purpose: LinkKind,
    email: Option<&Secret<String>>,
    (now, lifetime): (Timestamp, Duration),
    id: [u8; 16],
) -> Claims {
    Claims::Link {
        org: store.org(),
        sub: contact.account,
        epoch: contact.epoch,
        reached: data_encoding::BASE64URL_NOPAD.encode(&contact.index),
        purpose,
        email: email.map(|email| email.expose().clone()),
        iat: now.as_secs(),
        exp: now.after(lifetime).as_secs(),
        jti: id.into(),
    }
}
