//! Sessions of accounts as their holders see them: on what, from where, since when. What they are good for stands in their tokens,
//! and whether they are over in [`crate::store::sessions`].

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId, PasskeyId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sessions;
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const DEVICE: Column = Column {
    table: "account_sessions",
    name: "device",
    scope: Scope::Account,
};
const PLACE: Column = Column {
    table: "account_sessions",
    name: "place",
    scope: Scope::Account,
};
/// Sessions of one account at a time; with one more, the one that was renewed longest ago is over. A program that signs in anew
/// for each of its calls, rather than keep its session, ends its own in this way and not its holder's.
const MOST: i64 = 1000;
/// As many as anyone reads, the ones used last.
const SHOWN: i64 = 100;

/// A session that begins, or goes on.
#[derive(Clone, Debug)]
pub struct SeenSession {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub token: [u8; 16],
    /// The epoch of the account that it is good for.
    pub epoch: i64,
    /// On what.
    pub device: Secret<String>,
    /// From where; empty where that is not kept.
    pub place: Secret<String>,
    /// The passkey that opened it.
    pub passkey: Option<PasskeyId>,
    /// The session in whose place it begins, which says by which passkey if this does not.
    pub instead_of: Option<[u8; 16]>,
    /// When its holder signed in.
    pub began: Timestamp,
    /// Now.
    pub used: Timestamp,
    /// When it is over by itself.
    pub ends: Timestamp,
}

/// A session that is not over.
#[derive(Clone, Debug)]
pub struct OwnSession {
    /// Which.
    pub token: [u8; 16],
    /// On what.
    pub device: Secret<String>,
    /// From where it was used last; empty where that is not kept.
    pub place: Secret<String>,
    /// When its holder signed in.
    pub began: Timestamp,
    /// When it was renewed last.
    pub used: Timestamp,
}

impl Store {
    /// Keeps what is seen of a session when it begins and whenever it is renewed. Which passkey opened it stays as it was.
    pub fn see_session(&self, org: OrgId, seen: SeenSession) -> Written<()> {
        self.write(See {
            org,
            seen,
            keys: self.keys().clone(),
        })
    }

    /// The sessions of an account that are not over and were used after this moment, the one used last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_sessions(
        &self,
        org: OrgId,
        account: AccountId,
        (now, used_after): (Timestamp, Timestamp),
    ) -> Result<Vec<OwnSession>, StoreError> {
        let found = query(
            "SELECT token_id, device, place, began, used FROM account_sessions \
             WHERE org_id = $1 AND account_id = $2 AND ends > $3 AND used > $4 AND epoch = \
             (SELECT epoch FROM accounts WHERE accounts.org_id = $1 AND accounts.account_id = $2 AND ended IS NULL) \
             AND NOT EXISTS (SELECT 1 FROM revoked_sessions \
             WHERE revoked_sessions.org_id = $1 AND revoked_sessions.token_id = account_sessions.token_id) \
             ORDER BY used DESC, token_id LIMIT $5",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .bind(now.as_millis())
        .bind(used_after.as_millis())
        .bind(SHOWN)
        .fetch_all(self.reads())
        .await?;
        let mut own = Vec::with_capacity(found.len());
        for found in &found {
            let token = row::bytes::<16>(found, "token_id")?;
            let place = place(&org, &account, &token);
            let (keys, reads) = (self.keys(), self.reads());
            own.push(OwnSession {
                token,
                device: row::sealed_text(reads, found, keys, DEVICE, &place).await?,
                place: row::sealed_text(reads, found, keys, PLACE, &place).await?,
                began: row::time(found, "began")?,
                used: row::time(found, "used")?,
            });
        }
        Ok(own)
    }

    /// Ends one session of an account, and whatever is open by it. `Missing` when it is not the account's, or is over.
    pub fn end_own_session(
        &self,
        org: OrgId,
        account: AccountId,
        token: [u8; 16],
        now: Timestamp,
    ) -> Written<()> {
        self.write(End {
            org,
            account,
            token,
            now,
        })
    }
}

/// Ends the sessions that a passkey opened, but for the one of whoever takes it back.
pub(super) async fn end_by_passkey(
    on: &mut Connection<'_>,
    (org, account): (OrgId, AccountId),
    passkey: PasskeyId,
    (but, now): ([u8; 16], Timestamp),
) -> Result<(), StoreError> {
    query(
        "INSERT INTO revoked_sessions (org_id, token_id, expires) SELECT org_id, token_id, ends FROM account_sessions \
         WHERE org_id = $1 AND account_id = $2 AND passkey_id = $3 AND token_id <> $4 AND ends > $5 \
         ON CONFLICT (org_id, token_id) DO NOTHING",
    )
    .bind(org.as_bytes().as_slice())
    .bind(account.as_bytes().as_slice())
    .bind(passkey.as_bytes().as_slice())
    .bind(but.as_slice())
    .bind(now.as_millis())
    .execute(&mut *on)
    .await?;
    query(
        "DELETE FROM account_sessions WHERE org_id = $1 AND account_id = $2 AND passkey_id = $3 AND token_id <> $4",
    )
    .bind(org.as_bytes().as_slice())
    .bind(account.as_bytes().as_slice())
    .bind(passkey.as_bytes().as_slice())
    .bind(but.as_slice())
    .execute(on)
    .await?;
    Ok(())
}

/// Forgets the sessions of an account that ends.
pub(super) async fn forget(
    on: &mut Connection<'_>,
    org: OrgId,
    account: AccountId,
) -> Result<(), StoreError> {
    query("DELETE FROM account_sessions WHERE org_id = $1 AND account_id = $2")
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

fn place<'a>(org: &'a OrgId, account: &'a AccountId, token: &'a [u8; 16]) -> [&'a [u8]; 3] {
    [org.as_bytes(), account.as_bytes(), token]
}

struct See {
    org: OrgId,
    seen: SeenSession,
    keys: Arc<SealingKeys>,
}

impl Change for See {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self { org, seen, keys } = self;
        let place = place(&org, &seen.account, &seen.token);
        let device = seen.device.expose().as_bytes();
        let device = keys.seal(&mut *on, DEVICE, &place, device).await?;
        let from = seen.place.expose().as_bytes();
        let from = keys.seal(&mut *on, PLACE, &place, from).await?;
        let (org, account) = (org.as_bytes().as_slice(), seen.account);
        query("DELETE FROM account_sessions WHERE org_id = $1 AND ends <= $2")
            .bind(org)
            .bind(seen.used.as_millis())
            .execute(&mut *on)
            .await?;
        let passkey: Option<Vec<u8>> = match (seen.passkey, seen.instead_of) {
            (Some(passkey), _) => Some(passkey.as_bytes().to_vec()),
            (None, Some(former)) => query_scalar(
                "SELECT passkey_id FROM account_sessions WHERE org_id = $1 AND account_id = $2 AND token_id = $3",
            )
            .bind(org)
            .bind(account.as_bytes().as_slice())
            .bind(former.as_slice())
            .fetch_optional(&mut *on)
            .await?
            .flatten(),
            (None, None) => None,
        };
        query(
            "INSERT INTO account_sessions (org_id, account_id, token_id, epoch, device, place, passkey_id, began, used, ends) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (org_id, account_id, token_id) DO UPDATE SET device = $5, place = $6, used = $9",
        )
        .bind(org)
        .bind(account.as_bytes().as_slice())
        .bind(seen.token.as_slice())
        .bind(seen.epoch)
        .bind(device)
        .bind(from)
        .bind(passkey)
        .bind(seen.began.as_millis())
        .bind(seen.used.as_millis())
        .bind(seen.ends.as_millis())
        .execute(&mut *on)
        .await?;
        bound(on, org, account).await
    }
}

/// Ends the sessions of an account that are more than it may have. What is open by them notices by itself, within seconds.
async fn bound(on: &mut Connection<'_>, org: &[u8], account: AccountId) -> Result<(), StoreError> {
    let last: Option<i64> = query_scalar(
        "SELECT used FROM account_sessions WHERE org_id = $1 AND account_id = $2 ORDER BY used DESC LIMIT 1 OFFSET $3",
    )
    .bind(org)
    .bind(account.as_bytes().as_slice())
    .bind(MOST)
    .fetch_optional(&mut *on)
    .await?;
    let Some(last) = last else { return Ok(()) };
    query(
        "INSERT INTO revoked_sessions (org_id, token_id, expires) SELECT org_id, token_id, ends FROM account_sessions \
         WHERE org_id = $1 AND account_id = $2 AND used <= $3 ON CONFLICT (org_id, token_id) DO NOTHING",
    )
    .bind(org)
    .bind(account.as_bytes().as_slice())
    .bind(last)
    .execute(&mut *on)
    .await?;
    query("DELETE FROM account_sessions WHERE org_id = $1 AND account_id = $2 AND used <= $3")
        .bind(org)
        .bind(account.as_bytes().as_slice())
        .bind(last)
        .execute(on)
        .await?;
    Ok(())
}

struct End {
    org: OrgId,
    account: AccountId,
    token: [u8; 16],
    now: Timestamp,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let ends: Option<i64> = query_scalar(
            "SELECT ends FROM account_sessions \
             WHERE org_id = $1 AND account_id = $2 AND token_id = $3 AND ends > $4",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.token.as_slice())
        .bind(self.now.as_millis())
        .fetch_optional(&mut *on)
        .await?;
        let ends = Timestamp::from_millis(ends.ok_or(StoreError::Missing)?);
        sessions::revoke(&mut *on, self.org, self.token, (ends, self.now)).await?;
        query(
            "DELETE FROM account_sessions WHERE org_id = $1 AND account_id = $2 AND token_id = $3",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.token.as_slice())
        .execute(on)
        .await?;
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        Some(Ending::Over(Ended::Session(self.token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;

    const LONG: i64 = 1_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn seen(account: AccountId, token: [u8; 16], used: i64) -> SeenSession {
        SeenSession {
            account,
            token,
            epoch: 1,
            device: Secret::new("Firefox on Linux".to_owned()),
            place: Secret::new("192.0.2.*".to_owned()),
            passkey: None,
            instead_of: None,
            began: at(0),
            used: at(used),
            ends: at(LONG),
        }
    }

    async fn shown(store: &Store, account: AccountId, now: i64, after: i64) -> Vec<u8> {
        let own = store.own_sessions(store.org(), account, (at(now), at(after)));
        let own = own.await.unwrap();
        own.iter().map(|own| own.token[0]).collect()
    }

    #[tokio::test]
    async fn an_account_sees_its_own_sessions_until_they_are_over() {
        let (_folder, store) = store().await;
        let org = store.org();
        let mine = make(&store, 1, "member@example.org").await;
        let other = make(&store, 2, "visitor@example.org").await;
        for (account, token) in [(mine, 1), (mine, 2), (other, 3)] {
            let seen = seen(account, [token; 16], i64::from(token));
            store.see_session(org, seen).await.unwrap();
        }
        assert_eq!(shown(&store, mine, 10, 0).await, [2, 1]);
        // A renewal says where it is now, and keeps when it began.
        let renewed = SeenSession {
            place: Secret::new("198.51.100.*".to_owned()),
            began: at(7),
            ..seen(mine, [1; 16], 9)
        };
        store.see_session(org, renewed).await.unwrap();
        let own = store
            .own_sessions(org, mine, (at(10), at(0)))
            .await
            .unwrap();
        assert_eq!(own[0].place.expose(), "198.51.100.*");
        assert_eq!((own[0].began, own[0].used), (at(0), at(9)));
        // What was not used for too long, is another's, is over, or is of an earlier epoch is not there.
        assert_eq!(shown(&store, mine, 10, 5).await, [1]);
        for (account, token) in [(mine, 3), (other, 1), (mine, 9)] {
            let ended = store.end_own_session(org, account, [token; 16], at(10));
            assert_eq!(ended.await, Err(StoreError::Missing));
        }
        let ended = store.end_own_session(org, mine, [1; 16], at(10));
        ended.await.unwrap();
        assert_eq!(store.is_session_revoked(org, [1; 16]).await, Ok(true));
        assert_eq!(shown(&store, mine, 10, 0).await, [2]);
        assert!(shown(&store, mine, LONG, 0).await.is_empty());
        store.end_sessions_of(org, mine).await.unwrap();
        assert!(shown(&store, mine, 10, 0).await.is_empty());
        assert_eq!(shown(&store, other, 10, 0).await, [3]);
        store.end_session_keys(org, at(11)).await.unwrap();
        assert!(shown(&store, other, 12, 0).await.is_empty());
    }

    #[tokio::test]
    async fn an_account_has_so_many_sessions_and_the_longest_unused_goes() {
        let (_folder, store) = store().await;
        let org = store.org();
        let account = make(&store, 1, "member@example.org").await;
        let token = |number: i64| {
            let mut token = [0; 16];
            token[..8].copy_from_slice(&number.to_be_bytes());
            token
        };
        let begun: Vec<_> = (0..=MOST)
            .map(|number| store.see_session(org, seen(account, token(number), number + 1)))
            .collect();
        for begun in begun {
            begun.await.unwrap();
        }
        assert_eq!(store.is_session_revoked(org, token(0)).await, Ok(true));
        assert_eq!(store.is_session_revoked(org, token(1)).await, Ok(false));
        let kept: i64 = query_scalar("SELECT COUNT(*) FROM account_sessions")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(kept, MOST);
    }

    #[tokio::test]
    async fn what_a_passkey_opened_is_over_with_it_but_for_one() {
        let (_folder, store) = store().await;
        let org = store.org();
        let account = make(&store, 1, "member@example.org").await;
        let passkey = PasskeyId::from_bytes([7; 16]);
        let by = |token, by| SeenSession {
            passkey: by,
            ..seen(account, [token; 16], 1)
        };
        for seen in [
            by(1, Some(passkey)),
            by(2, Some(passkey)),
            by(3, None),
            by(4, Some(PasskeyId::from_bytes([8; 16]))),
            // After a change of password, which makes another session of the same sign-in.
            SeenSession {
                instead_of: Some([1; 16]),
                ..by(5, None)
            },
        ] {
            store.see_session(org, seen).await.unwrap();
        }
        // Renewed: it does not say again what opened it.
        store.see_session(org, by(2, None)).await.unwrap();
        let index = [7; 32];
        let new = crate::store::passkeys::NewPasskey {
            id: passkey,
            account,
            index,
            name: "The blue one",
            credential: b"public key",
            made: at(0),
        };
        store.add_passkey(org, new).await.unwrap();
        let removed = store.remove_passkey((org, account), passkey, ([1; 16], at(5)));
        removed.await.unwrap();
        for (token, over) in [(1, false), (2, true), (3, false), (4, false), (5, true)] {
            let revoked = store.is_session_revoked(org, [token; 16]).await;
            assert_eq!(revoked, Ok(over), "{token}");
        }
    }
}
