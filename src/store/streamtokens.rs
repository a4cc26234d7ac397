//! Tokens by which one outside stream may come into a room, or one viewer watch it, without a page: made and taken back by
//! hosts, over at a time. Only the hash of the secret is kept.

use std::sync::Arc;

use conclave_policy::source::StreamKind;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, RoomId, StreamTokenId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::rooms;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Pool, Row, query, query_scalar};
use crate::store::writer::{Change, Written};

const LABEL: Column = Column {
    table: "stream_tokens",
    name: "label",
    scope: Scope::Room,
};
/// Tokens that a room may have at a time: for as many viewers as the largest room holds.
const MAX_PER_ROOM: i64 = 2000;

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct NewStreamToken {
    /// Which.
    pub id: StreamTokenId,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// Which way the stream goes.
    pub kind: StreamKind,
    /// Whether its picture is a screen's and not a camera's.
    pub screen: bool,
    /// What the stream is called, in the words of the host.
    pub label: Secret<String>,
    /// Who made it.
    pub by: ActorId,
    /// When.
    pub made: Timestamp,
    /// Until when a stream may begin with it.
    pub expires: Timestamp,
}

/// A token as it stands.
#[derive(Clone, Debug)]
pub struct StreamTokenRow {
    /// Which.
    pub id: StreamTokenId,
    /// Whose room.
    pub room: RoomId,
    /// Which way the stream goes.
    pub kind: StreamKind,
    /// Whether its picture is a screen's and not a camera's.
    pub screen: bool,
    /// What the stream is called, in the words of the host.
    pub label: Secret<String>,
    /// When it was made.
    pub made: Timestamp,
    /// Until when a stream may begin with it.
    pub expires: Timestamp,
    /// When a stream first began with it.
    pub used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Store {
    /// Keeps new tokens, all or none. `Full` when the room has too many, `Missing` when there is no such room.
    pub fn add_stream_tokens(
        &self,
        org: OrgId,
        room: RoomId,
        tokens: Vec<NewStreamToken>,
    ) -> Written<()> {
        let keys = self.keys().clone();
        self.write(Add {
            org,
            room,
            tokens,
            keys,
        })
    }

    /// The token with this secret, unless it was taken back. Whether it is over is for the caller to see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stream_token(
        &self,
        org: OrgId,
        secret_hash: [u8; 32],
    ) -> Result<Option<StreamTokenRow>, StoreError> {
        let found = query(
            "SELECT room_id, token_id, kind, screen, label, made, expires, used, revoked FROM stream_tokens \
             WHERE org_id = $1 AND secret_hash = $2 AND revoked IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(secret_hash.as_slice())
        .fetch_optional(self.reads())
        .await?;
        let Some(found) = found else { return Ok(None) };
        match read(self.reads(), &found, self.keys(), org).await {
            Ok(token) => Ok(Some(token)),
            // Its room has ended.
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a stream that began with this token may go on: it was not taken back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stream_token_stands(
        &self,
        org: OrgId,
        room: RoomId,
        token: StreamTokenId,
    ) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM stream_tokens WHERE org_id = $1 AND room_id = $2 AND token_id = $3 AND revoked IS NULL",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(token.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        Ok(found.is_some())
    }

    /// Notes that a stream began with a token.
    pub fn stream_token_used(
        &self,
        org: OrgId,
        room: RoomId,
        token: StreamTokenId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Mark {
            org,
            room,
            token,
            now,
            what: "UPDATE stream_tokens SET used = $1 WHERE org_id = $2 AND room_id = $3 AND token_id = $4 AND used IS NULL",
            ends: false,
        })
    }

    /// Takes a token back. `Missing` when there is none that stands.
    pub fn revoke_stream_token(
        &self,
        org: OrgId,
        room: RoomId,
        token: StreamTokenId,
        now: Timestamp,
    ) -> Written<()> {
        self.write(Mark {
            org,
            room,
            token,
            now,
            what: "UPDATE stream_tokens SET revoked = $1 WHERE org_id = $2 AND room_id = $3 AND token_id = $4 AND revoked IS NULL",
            ends: true,
        })
    }

    /// The tokens of a room, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stream_tokens(
        &self,
        org: OrgId,
        room: RoomId,
    ) -> Result<Vec<StreamTokenRow>, StoreError> {
        let found = query(
            "SELECT room_id, token_id, kind, screen, label, made, expires, used, revoked FROM stream_tokens \
             WHERE org_id = $1 AND room_id = $2 ORDER BY made DESC, token_id",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        let mut tokens = Vec::with_capacity(found.len());
        for found in &found {
            tokens.push(read(self.reads(), found, self.keys(), org).await?);
        }
        Ok(tokens)
    }
}

async fn read(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
) -> Result<StreamTokenRow, StoreError> {
    let (room, id): (RoomId, StreamTokenId) =
        (row::id(found, "room_id")?, row::id(found, "token_id")?);
    let place = [org.as_bytes().as_slice(), room.as_bytes(), id.as_bytes()];
    let kind = match found.try_get::<&str, _>("kind")? {
        "source" => StreamKind::Source,
        "viewer" => StreamKind::Viewer,
        _ => return Err(StoreError::Corrupt),
    };
    Ok(StreamTokenRow {
        id,
        room,
        kind,
        screen: row::flag(found, "screen")?,
        label: row::sealed_text(on, found, keys, LABEL, &place).await?,
        made: row::time(found, "made")?,
        expires: row::time(found, "expires")?,
        used: row::time_or_none(found, "used")?,
        revoked: row::time_or_none(found, "revoked")?,
    })
}

struct Add {
    org: OrgId,
    room: RoomId,
    tokens: Vec<NewStreamToken>,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            room,
            tokens,
            keys,
        } = self;
        rooms::stands(on, org, room).await?;
        let (org, room) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        let Some(now) = tokens.first().map(|token| token.made) else {
            return Ok(());
        };
        // What can no longer be used makes room; what was done with it is in the audit trail.
        query(
            "DELETE FROM stream_tokens WHERE org_id = $1 AND room_id = $2 AND (revoked IS NOT NULL OR (expires <= $3 AND used IS NULL))",
        )
        .bind(org)
        .bind(room)
        .bind(now.as_millis())
        .execute(&mut *on)
        .await?;
        let kept: i64 =
            query_scalar("SELECT COUNT(*) FROM stream_tokens WHERE org_id = $1 AND room_id = $2")
                .bind(org)
                .bind(room)
                .fetch_one(&mut *on)
                .await?;
        let more = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
        if kept.saturating_add(more) > MAX_PER_ROOM {
            return Err(StoreError::Full);
        }
        for token in tokens {
            let place = [org, room, token.id.as_bytes()];
            query(
                "INSERT INTO stream_tokens (org_id, room_id, token_id, secret_hash, kind, screen, label, made_by, made, expires) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(org)
            .bind(room)
            .bind(token.id.as_bytes().as_slice())
            .bind(token.secret_hash.as_slice())
            .bind(token.kind.as_str())
            .bind(i64::from(token.screen))
            .bind(keys.seal(&mut *on, LABEL, &place, token.label.expose().as_bytes()).await?)
            .bind(token.by.as_bytes().as_slice())
            .bind(token.made.as_millis())
            .bind(token.expires.as_millis())
            .execute(&mut *on)
            .await?;
        }
        Ok(())
    }
}

/// Notes a time with one token.
struct Mark {
    org: OrgId,
    room: RoomId,
    token: StreamTokenId,
    now: Timestamp,
    what: &'static str,
    /// Whether the token is over with it; then it is an error when there is none.
    ends: bool,
}

impl Change for Mark {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let changed = query(self.what)
            .bind(self.now.as_millis())
            .bind(self.org.as_bytes().as_slice())
            .bind(self.room.as_bytes().as_slice())
            .bind(self.token.as_bytes().as_slice())
            .execute(on)
            .await?;
        if changed.rows_affected() == 1 || !self.ends {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }

    fn ends(&self) -> Option<Ending> {
        self.ends.then_some(Ending::Over(Ended::Stream(self.token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    const HASH: [u8; 32] = [7; 32];

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn token(number: u16, made: i64) -> NewStreamToken {
        let mut secret_hash = HASH;
        secret_hash[..2].copy_from_slice(&number.to_be_bytes());
        let mut id = [3; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        NewStreamToken {
            id: StreamTokenId::from_bytes(id),
            secret_hash,
            kind: StreamKind::Source,
            screen: true,
            label: Secret::new("Stage camera".to_owned()),
            by: ActorId::from_bytes([9; 16]),
            made: at(made),
            expires: at(made + 1000),
        }
    }

    #[tokio::test]
    async fn a_token_is_found_by_its_secret_until_it_is_taken_back() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let org = store.org();
        let made = token(1, 0);
        let (id, hash) = (made.id, made.secret_hash);
        store
            .add_stream_tokens(org, room, vec![made])
            .await
            .unwrap();
        let found = store.stream_token(org, hash).await.unwrap().unwrap();
        assert_eq!((found.id, found.room, found.screen), (id, room, true));
        assert_eq!(found.label.expose(), "Stage camera");
        assert!(store.stream_token(org, HASH).await.unwrap().is_none());
        store.stream_token_used(org, room, id, at(5)).await.unwrap();
        store.stream_token_used(org, room, id, at(9)).await.unwrap();
        let listed = store.stream_tokens(org, room).await.unwrap();
        assert_eq!(listed[0].used, Some(at(5)));
        assert_eq!(store.stream_token_stands(org, room, id).await, Ok(true));
        let elsewhere = RoomId::from_bytes([77; 16]);
        let wrong = store.revoke_stream_token(org, elsewhere, id, at(6)).await;
        assert_eq!(wrong, Err(StoreError::Missing));
        store
            .revoke_stream_token(org, room, id, at(6))
            .await
            .unwrap();
        assert_eq!(store.stream_token_stands(org, room, id).await, Ok(false));
        assert!(store.stream_token(org, hash).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_room_has_so_many_tokens_and_those_that_are_over_make_room() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let org = store.org();
        let all = (0..2000).map(|number| token(number, 0)).collect();
        store.add_stream_tokens(org, room, all).await.unwrap();
        let more = store.add_stream_tokens(org, room, vec![token(2000, 1)]);
        assert_eq!(more.await, Err(StoreError::Full));
        let later = store.add_stream_tokens(org, room, vec![token(2000, 1000)]);
        assert_eq!(later.await, Ok(()));
        assert_eq!(store.stream_tokens(org, room).await.unwrap().len(), 1);
    }
}
