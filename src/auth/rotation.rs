//! Keys of session tokens: one is made each day and is durable before its first token; the one before it opens tokens until
//! the last of its sessions is over.

use std::sync::{Arc, PoisonError};

use crate::auth::error::AuthError;
use crate::auth::session::Auth;
use crate::auth::token::{KEY_BYTES, KeyRing};
use crate::secret::Secret;
use crate::store::sessions::SessionKey;

impl Auth {
    /// Ends every session of everyone, at once: for when a key may have been seen.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn revoke_everyone(&self) -> Result<(), AuthError> {
        self.store
            .end_session_keys(self.store.org(), self.clock.now())
            .await?;
        self.read_keys().await?;
        self.usable_ring().await.map(|_| ())
    }

    pub(super) fn ring(&self) -> Arc<KeyRing> {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The ring, after a rotation if one is due. A key is durable before it makes its first token.
    pub(super) async fn usable_ring(&self) -> Result<Arc<KeyRing>, AuthError> {
        let ring = self.ring();
        if ring.can_make(self.clock.now()) {
            return Ok(ring);
        }
        let _one_at_a_time = self.rotation.lock().await;
        let ring = self.ring();
        let now = self.clock.now();
        if ring.can_make(now) {
            return Ok(ring);
        }
        let mut secret = vec![0; KEY_BYTES];
        self.random.fill(&mut secret);
        let makes_until = now.after(self.settings.key);
        let key = SessionKey {
            id: self.random_id(),
            secret: Secret::new(secret),
            created: now,
            makes_until,
            opens_until: makes_until.after(self.settings.session),
        };
        self.store.add_session_key(self.store.org(), key).await?;
        self.read_keys().await
    }

    pub(super) async fn read_keys(&self) -> Result<Arc<KeyRing>, AuthError> {
        let keys = self
            .store
            .session_keys(self.store.org(), self.clock.now())
            .await?;
        let ring =
            Arc::new(KeyRing::new(self.store.org(), &keys).map_err(|_| AuthError::Unavailable)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
        Ok(ring)
    }
}
