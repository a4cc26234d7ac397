//! Signed-in sessions: the keys that make their tokens, and which of them are over before their time.

use std::sync::Arc;

use conclave_policy::actions::OrgOption;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId};
use crate::secret::Secret;
use crate::store::accounts::{self, Account};
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

const SECRET: Column = Column {
    table: "session_keys",
    name: "secret",
    scope: Scope::Organisation,
};
/// More keys than any sane rotation leaves open; older ones are not read.
const MAX_KEYS: i64 = 64;

/// A key that makes and opens session tokens.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// Its identifier, the `kid` of its tokens.
    pub id: [u8; 16],
    /// The key itself.
    pub secret: Secret<Vec<u8>>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it makes tokens.
    pub makes_until: Timestamp,
    /// Until when it opens them.
    pub opens_until: Timestamp,
}

/// The account behind a session, and how it stands with the second factor.
#[derive(Clone, Debug)]
pub struct SessionAccount {
    /// The account.
    pub account: Account,
    /// The session showed one after it began.
    pub shown: bool,
    /// The organisation asks for one, of those who lead.
    pub asked: bool,
}

impl Store {
    /// Keys that still open tokens, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_keys(
        &self,
        org: OrgId,
        now: Timestamp,
    ) -> Result<Vec<SessionKey>, StoreError> {
        let found = query(
            "SELECT key_id, secret, created, makes_until, opens_until FROM session_keys \
             WHERE org_id = $1 AND opens_until > $2 ORDER BY created DESC, key_id LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(now.as_millis())
        .bind(MAX_KEYS)
        .fetch_all(self.reads())
        .await?;
        let mut keys = Vec::with_capacity(found.len());
        for found in &found {
            let id = row::bytes::<16>(found, "key_id")?;
            let sealed: &[u8] = found.try_get("secret")?;
            let place = [org.as_bytes().as_slice(), &id];
            keys.push(SessionKey {
                id,
                secret: self
                    .keys()
                    .open(self.reads(), SECRET, &place, sealed)
                    .await?,
                created: row::time(found, "created")?,
                makes_until: row::time(found, "makes_until")?,
                opens_until: row::time(found, "opens_until")?,
            });
        }
        Ok(keys)
    }

    /// Keeps a new key and forgets those that open nothing any more.
    pub fn add_session_key(&self, org: OrgId, key: SessionKey) -> Written<()> {
        self.write(AddKey {
            org,
            key,
            keys: self.keys().clone(),
        })
    }

    /// Ends every key at once, and with them every session.
    pub fn end_session_keys(&self, org: OrgId, now: Timestamp) -> Written<()> {
        self.write(EndKeys { org, now })
    }

    /// Ends one session before its time.
    pub fn revoke_session(
        &self,
        org: OrgId,
        token: [u8; 16],
        expires: Timestamp,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Revoke {
            org,
            token,
            expires,
            now,
        })
    }

    /// Whether a session was ended before its time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_session_revoked(
        &self,
        org: OrgId,
        token: [u8; 16],
    ) -> Result<bool, StoreError> {
        let found = query("SELECT 1 FROM revoked_sessions WHERE org_id = $1 AND token_id = $2")
            .bind(org.as_bytes().as_slice())
            .bind(token.as_slice())
            .fetch_optional(self.reads())
            .await?;
        Ok(found.is_some())
    }

    /// Notes that a session showed a second factor after it began.
    pub fn show_factor(
        &self,
        org: OrgId,
        token: [u8; 16],
        expires: Timestamp,
        now: Timestamp,
    ) -> Written<()> {
        self.write(ShowFactor {
            org,
            token,
            expires,
            now,
        })
    }

    /// The account behind a session, unless the account or the session is over. One question, asked on every use.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_account(
        &self,
        org: OrgId,
        id: AccountId,
        token: [u8; 16],
    ) -> Result<Option<SessionAccount>, StoreError> {
        let found = query(
            "SELECT account_id, name, may_create_rooms, is_admin, epoch, \
             (SELECT count(*) FROM shown_factors WHERE shown_factors.org_id = $1 AND token_id = $3) AS shown, \
             (SELECT count(*) FROM organisation_options WHERE organisation_options.org_id = $1 AND option = $4 AND is_on = 1) AS asked \
             FROM accounts WHERE org_id = $1 AND account_id = $2 AND ended IS NULL AND NOT EXISTS \
             (SELECT 1 FROM revoked_sessions WHERE revoked_sessions.org_id = $1 AND token_id = $3)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(token.as_slice())
        .bind(OrgOption::RequireSecondFactor.as_str())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(SessionAccount {
            account: accounts::read(self.reads(), &found, self.keys(), org).await?,
            shown: found.try_get::<i64, _>("shown")? > 0,
            asked: found.try_get::<i64, _>("asked")? > 0,
        }))
    }
}

struct AddKey {
    org: OrgId,
    key: SessionKey,
    keys: Arc<SealingKeys>,
}

impl Change for AddKey {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self { org, key, keys } = self;
        let org = org.as_bytes().as_slice();
        query("DELETE FROM session_keys WHERE org_id = $1 AND opens_until <= $2")
            .bind(org)
            .bind(key.created.as_millis())
            .execute(&mut *on)
            .await?;
        query(
            "INSERT INTO session_keys (org_id, key_id, secret, created, makes_until, opens_until) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org)
        .bind(key.id.as_slice())
        .bind(
            keys.seal(&mut *on, SECRET, &[org, &key.id], key.secret.expose())
                .await?,
        )
        .bind(key.created.as_millis())
        .bind(key.makes_until.as_millis())
        .bind(key.opens_until.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct EndKeys {
    org: OrgId,
    now: Timestamp,
}

impl Change for EndKeys {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("UPDATE session_keys SET makes_until = $1, opens_until = $1 WHERE org_id = $2 AND opens_until > $1")
            .bind(self.now.as_millis())
            .bind(self.org.as_bytes().as_slice())
            .execute(&mut *on)
            .await?;
        query("DELETE FROM account_sessions WHERE org_id = $1")
            .bind(self.org.as_bytes().as_slice())
            .execute(on)
            .await?;
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Everyone))
    }
}

struct Revoke {
    org: OrgId,
    token: [u8; 16],
    expires: Timestamp,
    now: Timestamp,
}

impl Change for Revoke {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        revoke(on, self.org, self.token, (self.expires, self.now)).await?;
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Session(self.token)))
    }
}

struct ShowFactor {
    org: OrgId,
    token: [u8; 16],
    expires: Timestamp,
    now: Timestamp,
}

impl Change for ShowFactor {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let org = self.org.as_bytes().as_slice();
        query("DELETE FROM shown_factors WHERE org_id = $1 AND expires <= $2")
            .bind(org)
            .bind(self.now.as_millis())
            .execute(&mut *on)
            .await?;
        query(
            "INSERT INTO shown_factors (org_id, token_id, expires) VALUES ($1, $2, $3) \
             ON CONFLICT (org_id, token_id) DO NOTHING",
        )
        .bind(org)
        .bind(self.token.as_slice())
        .bind(self.expires.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

/// Notes that a token is over, until it would be by itself. Whether it was not before.
pub(super) async fn revoke(
    on: &mut Connection<'_>,
    org: OrgId,
    token: [u8; 16],
    (expires, now): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let org = org.as_bytes().as_slice();
    query("DELETE FROM revoked_sessions WHERE org_id = $1 AND expires <= $2")
        .bind(org)
        .bind(now.as_millis())
        .execute(&mut *on)
        .await?;
    let noted = query(
        "INSERT INTO revoked_sessions (org_id, token_id, expires) VALUES ($1, $2, $3) \
         ON CONFLICT (org_id, token_id) DO NOTHING",
    )
    .bind(org)
    .bind(token.as_slice())
    .bind(expires.as_millis())
    .execute(on)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Uses up a token that is good once. `Conflict` when it was.
pub(super) async fn spend(
    on: &mut Connection<'_>,
    org: OrgId,
    token: [u8; 16],
    times: (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    if revoke(on, org, token, times).await? {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;
    use crate::store::sql::query_scalar;

    const TOKEN: [u8; 16] = [3; 16];

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key(id: u8, created: i64) -> SessionKey {
        SessionKey {
            id: [id; 16],
            secret: Secret::new(vec![id; 32]),
            created: at(created),
            makes_until: at(created + 100),
            opens_until: at(created + 200),
        }
    }

    #[tokio::test]
    async fn keys_are_read_newest_first_until_they_open_nothing() {
        let (_folder, store) = store().await;
        let org = store.org();
        store.add_session_key(org, key(1, 0)).await.unwrap();
        store.add_session_key(org, key(2, 100)).await.unwrap();
        let ids = async |now| {
            let keys = store.session_keys(org, at(now)).await.unwrap();
            keys.iter()
                .map(|key| (key.id[0], key.secret.expose()[31]))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(150).await, [(2, 2), (1, 1)]);
        assert_eq!(ids(200).await, [(2, 2)]);
        store.end_session_keys(org, at(210)).await.unwrap();
        assert!(ids(210).await.is_empty());
        let rows: i64 = query_scalar("SELECT COUNT(*) FROM session_keys")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(rows, 2);
        store.add_session_key(org, key(3, 500)).await.unwrap();
        let rows: i64 = query_scalar("SELECT COUNT(*) FROM session_keys")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn a_revoked_session_has_no_account_behind_it() {
        let (_folder, store) = store().await;
        let org = store.org();
        let id = make(&store, 1, "member@example.org").await;
        assert!(
            store
                .session_account(org, id, TOKEN)
                .await
                .unwrap()
                .is_some()
        );
        store
            .revoke_session(org, TOKEN, at(1000), at(0))
            .await
            .unwrap();
        store
            .revoke_session(org, TOKEN, at(1000), at(0))
            .await
            .unwrap();
        assert!(
            store
                .session_account(org, id, TOKEN)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            store
                .session_account(org, id, [4; 16])
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(store.is_session_revoked(org, TOKEN).await, Ok(true));
    }

    #[tokio::test]
    async fn what_is_over_by_itself_is_forgotten() {
        let (_folder, store) = store().await;
        let org = store.org();
        for token in 0..50 {
            store
                .revoke_session(org, [token; 16], at(1000), at(0))
                .await
                .unwrap();
        }
        store
            .revoke_session(org, [99; 16], at(5000), at(1000))
            .await
            .unwrap();
        let rows: i64 = query_scalar("SELECT COUNT(*) FROM revoked_sessions")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn a_factor_is_shown_by_one_session_and_forgotten_when_it_would_have_ended() {
        let (_folder, store) = store().await;
        let org = store.org();
        let id = make(&store, 1, "member@example.org").await;
        let shown = async |token| {
            let found = store.session_account(org, id, token).await.unwrap();
            found.map(|found| (found.shown, found.asked))
        };
        assert_eq!(shown(TOKEN).await, Some((false, false)));
        for _ in 0..2 {
            store
                .show_factor(org, TOKEN, at(1000), at(0))
                .await
                .unwrap();
        }
        assert_eq!(shown(TOKEN).await, Some((true, false)));
        assert_eq!(shown([4; 16]).await, Some((false, false)));
        store
            .show_factor(org, [5; 16], at(9000), at(1000))
            .await
            .unwrap();
        assert_eq!(shown(TOKEN).await, Some((false, false)));
        let rows: i64 = query_scalar("SELECT COUNT(*) FROM shown_factors")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(rows, 1);
    }
}
