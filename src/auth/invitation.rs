//! Invitations to have an account: the first owner's link, those that administrators make, and their acceptance.

use std::net::IpAddr;

use conclave_policy::actions::InviteAccount;
use conclave_policy::permit::Permit;
use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};

use crate::auth::email::Email;
use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::password::Password;
use crate::auth::principal::Came;
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn, hash_failed};
use crate::clock::Timestamp;
use crate::ids::OrgId;
use crate::secret::Secret;
use crate::store::accounts::{FIRST_EPOCH, NewAccount};
use crate::store::error::StoreError;
use crate::store::invitations::{Accepted, InvitationKind, NewInvitation};

/// An invitation's secret: 256 bits.
const SECRET_BYTES: usize = 32;
/// Longer than any secret that is made here.
const MAX_TEXT: usize = 128;

impl Auth {
    /// The secret of the first owner's link, while there is no account yet. Each call ends the link before it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn first_owner_link(&self) -> Result<Option<Secret<String>>, AuthError> {
        let (secret, hash) = self.new_secret();
        let now = self.clock.now();
        let invitation = NewInvitation {
            token_hash: hash,
            kind: InvitationKind::Owner,
            name: None,
            may_create_rooms: true,
            invited_by: None,
            created: now,
            expires: now.after(self.settings.owner_link),
        };
        match self.store.invite_owner(self.store.org(), invitation).await {
            Ok(()) => Ok(Some(secret)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Invites someone to have an account; gives the secret of the link, and until when it can be used.
    ///
    /// # Errors
    /// `Busy` when too many invitations are open, or `Unavailable`.
    pub async fn create_invitation(
        &self,
        permit: Permit<InviteAccount>,
        org: OrgId,
        name: Option<DisplayName>,
        may_create_rooms: bool,
    ) -> Result<(Secret<String>, Timestamp), AuthError> {
        let (secret, hash) = self.new_secret();
        let now = self.clock.now();
        let invitation = NewInvitation {
            token_hash: hash,
            kind: InvitationKind::Member,
            name: name.map(|name| Secret::new(name.as_str().to_owned())),
            may_create_rooms,
            invited_by: Some(permit.actor()),
            created: now,
            expires: now.after(self.settings.invitation),
        };
        let expires = invitation.expires;
        self.store.invite(org, invitation).await?;
        Ok((secret, expires))
    }

    /// Makes the account that an invitation is for, and signs in to it. An address that is in use is refused like a spent
    /// invitation, and spends it.
    ///
    /// # Errors
    /// `Name`, `Email` or `Password` when one breaks its rule; else `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn accept_invitation(
        &self,
        invitation: &Secret<String>,
        email: &str,
        name: &str,
        password: &Secret<String>,
        (address, key): (IpAddr, Option<Thumbprint>),
    ) -> Result<SignedIn, AuthError> {
        let (name, email) = (DisplayName::parse(name)?, Email::parse(email)?);
        let password = Password::parse(password.expose())?;
        self.newcomer(address)?;
        let hash = secret_hash(invitation).ok_or(AuthError::Refused)?;
        let (org, now) = (self.store.org(), self.clock.now());
        // Guessing 256 bits gains nothing from the time of this answer, and costs no password hash.
        if !self.store.invitation_stands(org, &hash, now).await? {
            return Err(AuthError::Refused);
        }
        let account = NewAccount {
            id: self.random_id(),
            email: Secret::new(email.as_str().to_owned()),
            name: Secret::new(name.as_str().to_owned()),
            password: self.hasher.hash(password).await.map_err(hash_failed)?,
            may_create_rooms: false,
            is_admin: false,
            created: self.clock.now(),
        };
        let id = account.id;
        match self.store.accept_invitation(org, hash, account).await? {
            Accepted::Spent => Err(AuthError::Refused),
            Accepted::Made { .. } => {
                self.note("account_made", id.into(), Some(*id.as_bytes()));
                if self.sends_mail() {
                    // Without the mail there is an account all the same.
                    let _unsent = self.send_verify(id).await;
                }
                let index = self.store.email_index(org, email.as_str());
                self.new_session(id, FIRST_EPOCH, Some(&index), key, Came::default())
                    .await
            }
        }
    }

    pub(super) fn new_secret(&self) -> (Secret<String>, [u8; 32]) {
        let mut bytes = [0; SECRET_BYTES];
        self.random.fill(&mut bytes);
        (Secret::new(BASE64URL_NOPAD.encode(&bytes)), sha256(&bytes))
    }
}

pub(super) fn secret_hash(text: &Secret<String>) -> Option<[u8; 32]> {
    if text.expose().len() > MAX_TEXT {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(text.expose().as_bytes()).ok()?;
    (bytes.len() == SECRET_BYTES).then(|| sha256(&bytes))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut()
        .zip(digest(&SHA256, bytes).as_ref())
        .for_each(|(to, from)| *to = *from);
    out
}
