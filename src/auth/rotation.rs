//! Keys of session tokens: one is made each day and is durable before its first token; the one before it opens tokens until
//! the last of its sessions is over.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use conclave_policy::actions::EndSessions;
use conclave_policy::facts::SignInAge;
use conclave_policy::permit::Permit;

use crate::auth::error::AuthError;
use crate::auth::principal::Principal;
use crate::auth::session::Auth;
use crate::auth::token::{KEY_BYTES, KeyRing};
use crate::secret::Secret;
use crate::store::sessions::SessionKey;

/// How long a sign-in counts as fresh.
const FRESH: Duration = Duration::from_secs(10 * 60);

impl Auth {
    /// Ends every session of everyone, at once, and replaces the keys: for when one may have been seen. Whatever is open ends
    /// with it, streams too; their tokens are no sessions, and are taken back one by one.
    ///
    /// # Errors
    /// `Unavailable`; nothing has ended then.
    pub async fn revoke_everyone(&self) -> Result<(), AuthError> {
        let now = self.clock.now();
        let turning = self.rotation.lock().await;
        // First the keys in use: nothing is opened with the old ones from here on, whatever the database takes its time for.
        let kept = self.ring();
        let none = KeyRing::new(self.store.org(), &[]).map_err(|_| AuthError::Unavailable)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(none);
        self.rounds.fetch_add(1, Ordering::AcqRel);
        let ended = self.store.end_session_keys(self.store.org(), now).await;
        if let Err(error) = ended {
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = kept;
            self.rounds.fetch_sub(1, Ordering::AcqRel);
            return Err(error.into());
        }
        drop(turning);
        self.usable_ring().await.map(|_| ())
    }

    /// The same at an administrator's word.
    ///
    /// # Errors
    /// `Unavailable`; nothing has ended then.
    pub async fn end_sessions(&self, permit: Permit<EndSessions>) -> Result<(), AuthError> {
        let EndSessions = permit.into_action();
        self.revoke_everyone().await
    }

    /// Whether someone proved who they are so lately that they may do what cannot be undone.
    pub fn sign_in_age(&self, principal: &Principal) -> SignInAge {
        if self.clock.now().since(principal.came.since) < FRESH {
            SignInAge::Fresh
        } else {
            SignInAge::Old
        }
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
