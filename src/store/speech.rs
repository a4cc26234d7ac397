//! What hosts chose about the speech of a room. The words are sealed: they may be names of people and of what is secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use conclave_policy::actions::ChangeSpeech;
use conclave_policy::permit::Permit;

use crate::ids::{ActorId, OrgId, RoomId};
use crate::speech::{Language, Speech, Words};
use crate::store::chat::{signed, unsigned};
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::rooms::stands;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, Pool, Row, query};
use crate::store::writer::{Change, Written};

const WORDS: Column = Column {
    table: "room_speech",
    name: "words",
    scope: Scope::Room,
};

impl Store {
    /// What was chosen for a room; the default where nothing was, and where there is no such room.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn speech(&self, org: OrgId, room: RoomId) -> Result<Speech, StoreError> {
        let found = query(
            "SELECT languages, spoken, words, revision FROM room_speech WHERE org_id = $1 AND room_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        match found {
            Some(found) => speech(self.reads(), &found, self.keys(), org, room).await,
            None => Ok(Speech::default()),
        }
    }

    /// Puts this in the place of what was chosen in the revision that it carries, and gives what stands now. `Conflict` when
    /// that is not the latest, `Missing` when the room has ended.
    pub fn change_speech(
        &self,
        permit: Permit<ChangeSpeech>,
        org: OrgId,
        speech: Speech,
    ) -> Written<Speech> {
        self.write(ChangeTo {
            org,
            room: permit.room(),
            by: permit.actor(),
            speech,
            keys: self.keys().clone(),
        })
    }
}

/// A room has ended: what was chosen for it goes with it.
pub(super) async fn forget(
    on: &mut Connection<'_>,
    org: OrgId,
    room: RoomId,
) -> Result<(), StoreError> {
    query("DELETE FROM room_speech WHERE org_id = $1 AND room_id = $2")
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .execute(on)
        .await?;
    Ok(())
}

async fn speech(
    on: &Pool,
    found: &Row,
    keys: &SealingKeys,
    org: OrgId,
    room: RoomId,
) -> Result<Speech, StoreError> {
    let language = |code: &str| Language::new(code).ok_or(StoreError::Corrupt);
    let allowed: Option<&str> = found.try_get("languages")?;
    let allowed = allowed.map(|codes| codes.split_whitespace().map(language).collect());
    let spoken: Option<&str> = found.try_get("spoken")?;
    let place = [org.as_bytes().as_slice(), room.as_bytes()];
    let words = row::sealed_text(on, found, keys, WORDS, &place).await?;
    let words = words.expose().lines().map(str::to_owned);
    Ok(Speech {
        allowed: allowed.transpose()?,
        spoken: spoken.map(language).transpose()?,
        words: Words::new(words).ok_or(StoreError::Corrupt)?,
        revision: unsigned(found.try_get("revision")?)?,
    })
}

struct ChangeTo {
    org: OrgId,
    room: RoomId,
    by: ActorId,
    speech: Speech,
    keys: Arc<SealingKeys>,
}

impl Change for ChangeTo {
    type Out = Speech;

    async fn apply(self, on: &mut Connection<'_>) -> Result<Speech, StoreError> {
        let Self {
            org,
            room,
            by,
            mut speech,
            keys,
        } = self;
        stands(on, org, room).await?;
        let (org, room) = (org.as_bytes().as_slice(), room.as_bytes().as_slice());
        let found = query("SELECT revision FROM room_speech WHERE org_id = $1 AND room_id = $2")
            .bind(org)
            .bind(room)
            .fetch_optional(&mut *on)
            .await?;
        let before = match found {
            Some(found) => unsigned(found.try_get("revision")?)?,
            None => 0,
        };
        if before != speech.revision {
            return Err(StoreError::Conflict);
        }
        speech.revision = before.saturating_add(1);
        let codes = speech.allowed.as_ref().map(joined);
        let words = speech.words.as_slice().join("\n");
        query(
            "INSERT INTO room_speech (org_id, room_id, languages, spoken, words, set_by, revision) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (org_id, room_id) DO UPDATE SET languages = excluded.languages, spoken = excluded.spoken, \
             words = excluded.words, set_by = excluded.set_by, revision = excluded.revision",
        )
        .bind(org)
        .bind(room)
        .bind(codes.as_deref())
        .bind(speech.spoken.as_ref().map(Language::as_str))
        .bind(keys.seal(&mut *on, WORDS, &[org, room], words.as_bytes()).await?)
        .bind(by.as_bytes().as_slice())
        .bind(signed(speech.revision))
        .execute(on)
        .await?;
        Ok(speech)
    }
}

fn joined(codes: &BTreeSet<Language>) -> String {
    let codes: Vec<&str> = codes.iter().map(Language::as_str).collect();
    codes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::AccountId;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;
    use crate::store::sql::query_scalar;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, SecondFactor, Standing};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::roles::Role;
    use std::sync::LazyLock;

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());

    fn permit(by: AccountId, room: RoomId) -> Permit<ChangeSpeech> {
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Outside);
        RULES
            .decide(by.into(), Role::Host, room, &facts, ChangeSpeech)
            .unwrap()
    }

    fn chosen(revision: u64, words: &[&str]) -> Speech {
        Speech {
            allowed: Some(["es", "ca"].map(|code| Language::new(code).unwrap()).into()),
            spoken: Language::new("en"),
            words: Words::new(words.iter().map(|word| (*word).to_owned())).unwrap(),
            revision,
        }
    }

    #[tokio::test]
    async fn what_was_chosen_for_a_room_is_kept_sealed_and_goes_with_it() {
        let (_folder, store) = store().await;
        let (owner, room) = room_of(&store, 1, 2).await;
        let org = store.org();
        assert_eq!(store.speech(org, room).await, Ok(Speech::default()));
        let change = |speech| store.change_speech(permit(owner, room), org, speech);
        // Two at once, who have seen the same.
        let (first, second) = (
            change(chosen(0, &["Łukasz", "Project Heron"])),
            change(chosen(0, &[])),
        );
        assert_eq!(first.await.unwrap().revision, 1);
        assert_eq!(second.await, Err(StoreError::Conflict));
        assert_eq!(
            store.speech(org, room).await,
            Ok(chosen(1, &["Łukasz", "Project Heron"]))
        );
        let lies: Vec<u8> = query_scalar("SELECT words FROM room_speech WHERE room_id = $1")
            .bind(room.as_bytes().as_slice())
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert!(!String::from_utf8_lossy(&lies).contains("Heron"));
        let nothing = Speech {
            revision: 1,
            ..Speech::default()
        };
        assert_eq!(change(nothing).await.unwrap().revision, 2);
        let none = Speech {
            allowed: Some(BTreeSet::new()),
            revision: 2,
            ..Speech::default()
        };
        change(none).await.unwrap();
        assert_eq!(
            store.speech(org, room).await.unwrap().allowed,
            Some(BTreeSet::new())
        );
        let now = Timestamp::from_millis(9);
        store.end_room(org, room, now).await.unwrap();
        assert_eq!(store.speech(org, room).await, Ok(Speech::default()));
        assert_eq!(change(chosen(0, &[])).await, Err(StoreError::Missing));
    }
}
