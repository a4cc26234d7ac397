//! Recovery codes of accounts: keyed hashes, each good for one use.

use crate::clock::Timestamp;
use crate::ids::{AccountId, OrgId};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::Purpose;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

/// How an account stands with its recovery codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many were not used yet.
    pub left: i64,
    /// When they were made.
    pub made: Option<Timestamp>,
    /// When one was used last.
    pub used: Option<Timestamp>,
}

impl Store {
    /// Stands for a code of an account.
    pub fn recovery_hash(&self, org: OrgId, account: AccountId, code: &[u8]) -> [u8; 32] {
        let parts = [org.as_bytes().as_slice(), account.as_bytes(), code];
        self.keys().keyed_hash(Purpose::RecoveryCode, &parts)
    }

    /// Keeps these codes in place of all earlier ones.
    pub fn keep_recovery_codes(
        &self,
        org: OrgId,
        account: AccountId,
        hashes: Vec<[u8; 32]>,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Keep {
            org,
            account,
            hashes,
            now,
        })
    }

    /// Uses a code up. `Missing` when there is none like it, or it was used.
    pub fn spend_recovery_code(
        &self,
        org: OrgId,
        account: AccountId,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Written<()> {
        self.write(Spend {
            org,
            account,
            hash,
            now,
        })
    }

    /// How many codes an account has left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recovery(&self, org: OrgId, account: AccountId) -> Result<Recovery, StoreError> {
        let found = query(
            "SELECT COUNT(*) - COUNT(used) AS left_over, MAX(made) AS made, MAX(used) AS used FROM recovery_codes \
             WHERE org_id = $1 AND account_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(account.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else {
            return Ok(Recovery::default());
        };
        Ok(Recovery {
            left: found.try_get("left_over")?,
            made: row::time_or_none(&found, "made")?,
            used: row::time_or_none(&found, "used")?,
        })
    }
}

struct Keep {
    org: OrgId,
    account: AccountId,
    hashes: Vec<[u8; 32]>,
    now: Timestamp,
}

impl Change for Keep {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, account) = (self.org.as_bytes(), self.account.as_bytes());
        query("DELETE FROM recovery_codes WHERE org_id = $1 AND account_id = $2")
            .bind(org.as_slice())
            .bind(account.as_slice())
            .execute(&mut *on)
            .await?;
        for hash in &self.hashes {
            query(
                "INSERT INTO recovery_codes (org_id, account_id, code_hash, made) VALUES ($1, $2, $3, $4)",
            )
            .bind(org.as_slice())
            .bind(account.as_slice())
            .bind(hash.as_slice())
            .bind(self.now.as_millis())
            .execute(&mut *on)
            .await?;
        }
        Ok(())
    }
}

struct Spend {
    org: OrgId,
    account: AccountId,
    hash: [u8; 32],
    now: Timestamp,
}

impl Change for Spend {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let spent = query(
            "UPDATE recovery_codes SET used = $1 WHERE org_id = $2 AND account_id = $3 AND code_hash = $4 AND used IS NULL",
        )
        .bind(self.now.as_millis())
        .bind(self.org.as_bytes().as_slice())
        .bind(self.account.as_bytes().as_slice())
        .bind(self.hash.as_slice())
        .execute(on)
        .await?;
        if spent.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;

    #[tokio::test]
    async fn a_code_is_good_for_one_use_by_its_account_until_new_ones_are_made() {
        let (_folder, store) = store().await;
        let org = store.org();
        let mine = make(&store, 1, "member@example.org").await;
        let other = make(&store, 2, "other@example.org").await;
        let (made, later) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(
            store.recovery(org, mine).await.unwrap(),
            Recovery::default()
        );
        let hashes =
            |account, codes: [&[u8]; 2]| codes.map(|code| store.recovery_hash(org, account, code));
        let [one, two] = hashes(mine, [b"one", b"two"]);
        store
            .keep_recovery_codes(org, mine, vec![one, two], made)
            .await
            .unwrap();
        assert_eq!(
            store.spend_recovery_code(org, other, one, later).await,
            Err(StoreError::Missing)
        );
        assert_ne!(hashes(other, [b"one", b"two"]), [one, two]);
        store
            .spend_recovery_code(org, mine, one, later)
            .await
            .unwrap();
        assert_eq!(
            store.spend_recovery_code(org, mine, one, later).await,
            Err(StoreError::Missing)
        );
        let stands = Recovery {
            left: 1,
            made: Some(made),
            used: Some(later),
        };
        assert_eq!(store.recovery(org, mine).await.unwrap(), stands);
        let [three, _] = hashes(mine, [b"three", b"four"]);
        store
            .keep_recovery_codes(org, mine, vec![three], later)
            .await
            .unwrap();
        assert_eq!(
            store.spend_recovery_code(org, mine, two, later).await,
            Err(StoreError::Missing)
        );
        store.end_account(org, mine, later).await.unwrap();
        assert_eq!(store.recovery(org, mine).await.unwrap().left, 0);
    }
}
