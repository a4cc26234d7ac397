//! How often a session was renewed. Each renewal has one successor; that a session is renewed with an older one means that two
//! hold it, and it is over.

use crate::clock::Timestamp;
use crate::ids::OrgId;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::sql::{Connection, query};
use crate::store::writer::{Change, Written};

/// How long the renewal before the last is still good after the last one was taken into use: two tabs of one browser ask at
/// the same time.
const TABS_MILLIS: i64 = 60_000;

/// What came of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The next is this.
    To(u32),
    /// It had been used, and what came of it too: two hold this session.
    Reused,
}

impl Store {
    /// Renews a session whose renewal says that it is of this turn. The one before the last gives the last once more, as long as
    /// nothing that came of it was ever shown, and shortly after: an answer can be lost. `Missing` when the session was ended.
    pub fn turn_session(
        &self,
        org: OrgId,
        token: [u8; 16],
        turn: u32,
        ends: Timestamp,
        now: Timestamp,
    ) -> Written<Turned> {
        self.write(Turn {
            org,
            token,
            turn,
            ends,
            now,
        })
    }

    /// Notes that what came of the last renewal was taken into use.
    pub fn turn_seen(&self, org: OrgId, token: [u8; 16], turn: u32) -> Written<()> {
        self.write(Seen { org, token, turn })
    }
}

struct Turn {
    org: OrgId,
    token: [u8; 16],
    turn: u32,
    ends: Timestamp,
    now: Timestamp,
}

impl Change for Turn {
    type Out = Turned;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Turned, StoreError> {
        let (org, token) = (self.org.as_bytes().as_slice(), self.token.as_slice());
        query("DELETE FROM session_turns WHERE org_id = $1 AND ends <= $2")
            .bind(org)
            .bind(self.now.as_millis())
            .execute(&mut *on)
            .await?;
        let revoked = query("SELECT 1 FROM revoked_sessions WHERE org_id = $1 AND token_id = $2")
            .bind(org)
            .bind(token)
            .fetch_optional(&mut *on)
            .await?;
        if revoked.is_some() {
            return Err(StoreError::Missing);
        }
        let found = query(
            "SELECT turn, turned, seen FROM session_turns WHERE org_id = $1 AND token_id = $2",
        )
        .bind(org)
        .bind(token)
        .fetch_optional(&mut *on)
        .await?;
        let (last, turned, seen) = match found {
            Some(found) => (
                u32::try_from(found.try_get::<i64, _>("turn")?).map_err(|_| StoreError::Corrupt)?,
                row::time(&found, "turned")?,
                row::flag(&found, "seen")?,
            ),
            // Never renewed: what it began with is its first turn.
            None => (0, self.now, true),
        };
        if self.turn == last {
            let next = last.saturating_add(1);
            query(
                "INSERT INTO session_turns (org_id, token_id, turn, turned, seen, ends) VALUES ($1, $2, $3, $4, 0, $5) \
                 ON CONFLICT (org_id, token_id) DO UPDATE SET turn = $3, turned = $4, seen = 0",
            )
            .bind(org)
            .bind(token)
            .bind(i64::from(next))
            .bind(self.now.as_millis())
            .bind(self.ends.as_millis())
            .execute(on)
            .await?;
            return Ok(Turned::To(next));
        }
        let shortly = self.now.as_millis().saturating_sub(turned.as_millis()) <= TABS_MILLIS;
        if self.turn.checked_add(1) == Some(last) && (!seen || shortly) {
            return Ok(Turned::To(last));
        }
        Ok(Turned::Reused)
    }
}

struct Seen {
    org: OrgId,
    token: [u8; 16],
    turn: u32,
}

impl Change for Seen {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
            "UPDATE session_turns SET seen = 1 WHERE org_id = $1 AND token_id = $2 AND turn = $3",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.token.as_slice())
        .bind(i64::from(self.turn))
        .execute(on)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;

    const TOKEN: [u8; 16] = [3; 16];

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[tokio::test]
    async fn each_renewal_has_one_successor_and_an_older_one_is_a_second_holder() {
        let (_folder, store) = store().await;
        let org = store.org();
        let turn =
            |turn: u32, now: i64| store.turn_session(org, TOKEN, turn, at(1_000_000), at(now));
        assert_eq!(turn(0, 0).await, Ok(Turned::To(1)));
        // The answer was lost, and the machine slept for long.
        assert_eq!(turn(0, 900_000).await, Ok(Turned::To(1)));
        store.turn_seen(org, TOKEN, 1).await.unwrap();
        assert_eq!(turn(0, 900_000).await, Ok(Turned::Reused));
        assert_eq!(turn(1, 900_000).await, Ok(Turned::To(2)));
        store.turn_seen(org, TOKEN, 2).await.unwrap();
        // Another tab of the same browser, a moment later.
        assert_eq!(turn(1, 900_000 + TABS_MILLIS).await, Ok(Turned::To(2)));
        assert_eq!(turn(1, 900_001 + TABS_MILLIS).await, Ok(Turned::Reused));
        assert_eq!(turn(0, 900_000).await, Ok(Turned::Reused));
        // What has not been given yet is nobody's.
        assert_eq!(turn(3, 900_000).await, Ok(Turned::Reused));
    }

    #[tokio::test]
    async fn an_ended_session_is_not_renewed_and_what_is_over_is_forgotten() {
        let (_folder, store) = store().await;
        let org = store.org();
        let turned = store.turn_session(org, [9; 16], 0, at(10), at(0)).await;
        assert_eq!(turned, Ok(Turned::To(1)));
        store
            .revoke_session(org, TOKEN, at(1000), at(0))
            .await
            .unwrap();
        let turned = store.turn_session(org, TOKEN, 0, at(1000), at(20)).await;
        assert_eq!(turned, Err(StoreError::Missing));
        // That of the first is gone with its end, so that its turns begin anew; no token of it opens any more.
        let turned = store.turn_session(org, [9; 16], 0, at(1000), at(20)).await;
        assert_eq!(turned, Ok(Turned::To(1)));
    }
}
