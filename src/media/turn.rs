//! Credentials for the operator's TURN server (the long-term secret stays here; a client gets a name with an end in it and the
//! keyed digest of that name): short-lived, one participant's, and made only from a permit to have a transport.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use conclave_policy::actions::Connect;
use conclave_policy::permit::Permit;
use data_encoding::BASE64;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// How the server knows the TURN server.
pub struct Turn {
    urls: Vec<String>,
    key: hmac::Key,
    lifetime: Duration,
}

/// What one participant reaches it with.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where it is.
    pub urls: Vec<String>,
    /// `END:PARTICIPANT`: the Unix second from which on it is worthless, and whose allocations count together.
    pub username: String,
    /// The keyed digest of that name.
    pub credential: Secret<String>,
    /// How long it holds from now on.
    pub lifetime: Duration,
}

impl Turn {
    /// With the secret that the TURN server has too (coturn: `static-auth-secret`).
    pub fn new(urls: Vec<String>, secret: &Secret<String>, lifetime: Duration) -> Self {
        let secret = secret.expose().as_bytes();
        Self {
            urls,
            // What the TURN REST convention and coturn compute with.
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
            lifetime,
        }
    }

    /// Credentials for whoever may have a transport, from now on.
    pub fn relay(&self, permit: &Permit<Connect>, now: Timestamp) -> Relay {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let end = now.as_secs().saturating_add(lifetime);
        let username = format!("{end}:{}", permit.action().participant);
        let digest = hmac::sign(&self.key, username.as_bytes());
        Relay {
            urls: self.urls.clone(),
            credential: Secret::new(BASE64.encode(digest.as_ref())),
            username,
            lifetime: self.lifetime,
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("urls", &self.urls)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, Standing, Target};
    use conclave_policy::ids::{AccountId, ParticipantId, RoomId};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::roles::Role;

    fn permit(who: u8) -> Permit<Connect> {
        let participant = ParticipantId::from_bytes([who; 16]);
        let facts = Facts::new().with(Standing::Admitted).with(Target::Own);
        Snapshot::built_in(PolicyVersion(1))
            .unwrap()
            .decide(
                AccountId::from_bytes([9; 16]).into(),
                Role::Host,
                RoomId::from_bytes([1; 16]),
                &facts,
                Connect { participant },
            )
            .unwrap()
    }

    fn turn() -> Turn {
        let secret = Secret::new("north north north".to_owned());
        Turn::new(
            vec!["turns:turn.example.org".to_owned()],
            &secret,
            Duration::from_secs(600),
        )
    }

    #[test]
    fn a_credential_is_the_digest_that_the_convention_asks_for() {
        let relay = turn().relay(&permit(1), Timestamp::from_millis(1_000_000_500));
        let name = format!("1000600:{}", ParticipantId::from_bytes([1; 16]));
        assert_eq!(relay.username, name);
        let key = ring::hmac::Key::new(
            ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            b"north north north",
        );
        let digest = ring::hmac::sign(&key, name.as_bytes());
        assert_eq!(*relay.credential.expose(), BASE64.encode(digest.as_ref()));
    }

    #[test]
    fn each_participant_has_a_name_of_their_own_and_no_secret_shows() {
        let now = Timestamp::from_millis(0);
        let (one, two) = (turn().relay(&permit(1), now), turn().relay(&permit(2), now));
        assert_ne!(one.username, two.username);
        assert_ne!(one.credential.expose(), two.credential.expose());
        let shown = format!("{:?} {:?} {}", turn(), one, one.credential.expose());
        assert!(!shown.contains("north"), "{shown}");
        assert!(!format!("{one:?}").contains(one.credential.expose().as_str()));
    }
}
