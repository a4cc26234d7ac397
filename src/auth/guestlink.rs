//! Links for one named guest, and the mark by which a guest's browser is known again. A mark is drawn by the server, kept
//! in a cookie, and proves nothing but that it is the same browser.

use std::time::Duration;

use conclave_policy::actions::ManageGuestLinks;
use conclave_policy::permit::Permit;
use data_encoding::BASE64URL_NOPAD;

use crate::auth::error::AuthError;
use crate::auth::invitation::{secret_hash, sha256};
use crate::auth::session::Auth;
use crate::clock::Timestamp;
use crate::ids::{DeviceId, LinkId, OrgId, RoomId};
use crate::secret::Secret;
use crate::store::guestlinks::NewGuestLink;

/// Bytes of a browser's mark.
const MARK_BYTES: usize = 16;

/// The link that a guest came by.
#[derive(Clone, Debug)]
pub struct CameBy {
    /// Which.
    pub id: LinkId,
    /// Whom it was made for, in the words of the host.
    pub label: Secret<String>,
}

/// A link that was just made.
#[derive(Debug)]
pub struct MadeLink {
    /// Which.
    pub id: LinkId,
    /// What opens it, shown once.
    pub secret: Secret<String>,
    /// Until when.
    pub expires: Timestamp,
}

impl Auth {
    /// Makes a link for one guest at the room of the permit.
    ///
    /// # Errors
    /// `Busy` when the room has too many, `Refused` when there is no such room, `Unavailable`.
    pub async fn create_guest_link(
        &self,
        permit: Permit<ManageGuestLinks>,
        org: OrgId,
        label: String,
        lasts: Duration,
    ) -> Result<MadeLink, AuthError> {
        let (secret, secret_hash) = self.new_secret();
        let made = self.clock.now();
        let link = NewGuestLink {
            id: self.random_id(),
            secret_hash,
            label: Secret::new(label),
            by: permit.actor(),
            made,
            expires: made.after(lasts),
        };
        let (id, expires) = (link.id, link.expires);
        self.store.add_guest_link(org, permit.room(), link).await?;
        Ok(MadeLink {
            id,
            secret,
            expires,
        })
    }

    /// Uses a link from a browser; the first that does so is the only one that ever can.
    pub(super) async fn use_guest_link(
        &self,
        room: RoomId,
        secret: &Secret<String>,
        device: DeviceId,
    ) -> Result<CameBy, AuthError> {
        let hash = secret_hash(secret).ok_or(AuthError::Refused)?;
        let now = self.clock.now();
        let (id, label) = self
            .store
            .use_guest_link(self.store.org(), room, hash, device, now)
            .await?;
        Ok(CameBy { id, label })
    }

    /// The browser that a mark belongs to; a new mark where there is none, or one that is not ours.
    pub(super) fn guest_device(
        &self,
        mark: Option<&Secret<String>>,
    ) -> (DeviceId, Option<Secret<String>>) {
        if let Some(known) = mark.and_then(known) {
            return (known, None);
        }
        let mut bytes = [0; MARK_BYTES];
        self.random.fill(&mut bytes);
        let mark = Secret::new(BASE64URL_NOPAD.encode(&bytes));
        (device(&bytes), Some(mark))
    }
}

fn known(mark: &Secret<String>) -> Option<DeviceId> {
    let text = mark.expose().as_bytes();
    let short = text.len() <= 2 * MARK_BYTES;
    let bytes = short.then(|| BASE64URL_NOPAD.decode(text).ok()).flatten()?;
    (bytes.len() == MARK_BYTES).then(|| device(&bytes))
}

/// The database never holds what the cookie holds.
fn device(bytes: &[u8]) -> DeviceId {
    let mut id = [0; 16];
    id.iter_mut()
        .zip(sha256(bytes))
        .for_each(|(to, from)| *to = from);
    DeviceId::from_bytes(id)
}
