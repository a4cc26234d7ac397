//! Providers of an organisation's own, beside those of the operator's settings. What administrators say of one and what it shares with the
//! server are sealed; what they mean is not known here. What is changed about one ends the sessions that came by it, with the commit.

use std::collections::HashMap;
use std::sync::Arc;

use conclave_policy::control::ManageProviders;
use conclave_policy::permit::Permit;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, ProviderId};
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::endings::{Ended, Ending};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const WORDS: Column = Column {
    table: "providers",
    name: "words",
    scope: Scope::Organisation,
};
const SECRET: Column = Column {
    table: "providers",
    name: "secret",
    scope: Scope::Organisation,
};
/// Providers that are read: more than an organisation can have.
const READ: i64 = 64;
/// Identifiers that were ever given: whoever takes a provider away and makes another all day comes to an end.
const EVER: i64 = 1_000;

/// A provider as it stands.
#[derive(Clone, Debug)]
pub struct OwnProvider {
    /// Which.
    pub id: ProviderId,
    /// What administrators say of it.
    pub words: Secret<String>,
    /// What it shares with the server.
    pub secret: Secret<String>,
    /// Whether people may come by it.
    pub on: bool,
    /// How often it was changed: whoever changes it says which one they saw.
    pub revision: u64,
    /// When it was made.
    pub made: Timestamp,
}

/// A provider to be kept; which one says the permit.
#[derive(Clone, Debug)]
pub struct NewProvider {
    /// What is said of it.
    pub words: Secret<String>,
    /// What it shares with the server.
    pub secret: Secret<String>,
    /// Whether people may come by it.
    pub on: bool,
    /// When.
    pub made: Timestamp,
    /// How many the organisation may have.
    pub most: u32,
}

/// What is to be another about a provider.
#[derive(Clone, Debug)]
pub struct ProviderChange {
    /// What is said of it.
    pub words: Option<Secret<String>>,
    /// What it shares with the server.
    pub secret: Option<Secret<String>>,
    /// Whether people may come by it.
    pub on: Option<bool>,
    /// Whether sessions that came by it are over.
    pub ends: bool,
    /// When.
    pub at: Timestamp,
}

/// How many accounts a provider's identities stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Identities.
    pub all: u64,
    /// Those that are the only way into their account.
    pub only_way: u64,
}

impl Store {
    /// The providers of an organisation, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_providers(&self, org: OrgId) -> Result<Vec<OwnProvider>, StoreError> {
        let found = query(
            "SELECT provider_id, words, secret, state, revision, made FROM providers \
             WHERE org_id = $1 AND state <> 'removed' ORDER BY made, provider_id LIMIT $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(READ)
        .fetch_all(self.reads())
        .await?;
        let mut all = Vec::with_capacity(found.len());
        for found in &found {
            let id: ProviderId = row::id(found, "provider_id")?;
            let place = [org.as_bytes().as_slice(), id.as_bytes()];
            let (on, keys) = (self.reads(), self.keys());
            all.push(OwnProvider {
                id,
                words: row::sealed_text(on, found, keys, WORDS, &place).await?,
                secret: row::sealed_text(on, found, keys, SECRET, &place).await?,
                on: found.try_get::<&str, _>("state")? == "on",
                revision: u64::try_from(found.try_get::<i64, _>("revision")?)
                    .map_err(|_| StoreError::Corrupt)?,
                made: row::time(found, "made")?,
            });
        }
        Ok(all)
    }

    /// Since when sessions that come by a provider count; none when nobody may come by it. Asked on every use of one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn provider_since(
        &self,
        org: OrgId,
        id: ProviderId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = query(
            "SELECT since FROM providers WHERE org_id = $1 AND provider_id = $2 AND state = 'on'",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(self.reads())
        .await?;
        found.map(|found| row::time(&found, "since")).transpose()
    }

    /// How many identities each provider has here, by its name in addresses.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn linked_by_provider(
        &self,
        org: OrgId,
    ) -> Result<HashMap<String, Linked>, StoreError> {
        let found = query(
            "SELECT provider, count(*) AS linked, CAST(sum(made_account) AS BIGINT) AS only_way FROM identities \
             WHERE org_id = $1 GROUP BY provider ORDER BY count(*) DESC LIMIT 1000",
        )
        .bind(org.as_bytes().as_slice())
        .fetch_all(self.reads())
        .await?;
        let count = |number: i64| u64::try_from(number).map_err(|_| StoreError::Corrupt);
        found
            .iter()
            .map(|found| {
                let linked = Linked {
                    all: count(found.try_get("linked")?)?,
                    only_way: count(found.try_get("only_way")?)?,
                };
                Ok((found.try_get("provider")?, linked))
            })
            .collect()
    }

    /// Keeps a new provider; there is no session that came by it before. `Full` when there are too many, `Conflict` when its identifier was ever another's.
    pub fn add_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        new: NewProvider,
    ) -> Written<()> {
        let (id, by) = (permit.action().provider, permit.actor());
        let keys = self.keys().clone();
        self.write(Add {
            org,
            id,
            by,
            new,
            keys,
        })
    }

    /// Changes a provider that was seen at this revision. `Conflict` when it is another by now, `Missing` when there is none.
    pub fn change_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        seen: u64,
        change: ProviderChange,
    ) -> Written<()> {
        let id = permit.action().provider;
        let keys = self.keys().clone();
        self.write(Alter {
            org,
            id,
            seen: i64::try_from(seen).unwrap_or(i64::MAX),
            change,
            keys,
        })
    }

    /// Takes a provider away that was seen at this revision. What was linked with it stays for its holders to see, and opens nothing.
    pub fn remove_provider(
        &self,
        permit: &Permit<ManageProviders>,
        org: OrgId,
        seen: u64,
        now: Timestamp,
    ) -> Written<()> {
        let id = permit.action().provider;
        let removed = self.write(Remove {
            org,
            id,
            seen: i64::try_from(seen).unwrap_or(i64::MAX),
            now,
        });
        self.was_taken_away();
        removed
    }
}

/// Whoever is here looks whether what they came by still stands: nobody else knows by which provider they came.
const LOOK: Ending = Ending::Doubtful(Ended::Everyone);

struct Add {
    org: OrgId,
    id: Option<ProviderId>,
    by: ActorId,
    new: NewProvider,
    keys: Arc<SealingKeys>,
}

impl Change for Add {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            id,
            by,
            new,
            keys,
        } = self;
        let id = id.ok_or(StoreError::Missing)?;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        let all: i64 =
            query_scalar("SELECT COUNT(*) FROM providers WHERE org_id = $1 AND state <> 'removed'")
                .bind(org.as_bytes().as_slice())
                .fetch_one(&mut *on)
                .await?;
        let ever: i64 = query_scalar("SELECT COUNT(*) FROM providers WHERE org_id = $1")
            .bind(org.as_bytes().as_slice())
            .fetch_one(&mut *on)
            .await?;
        if all >= i64::from(new.most) || ever >= EVER {
            return Err(StoreError::Full);
        }
        let words = new.words.expose().as_bytes();
        let words = keys.seal(&mut *on, WORDS, &place, words).await?;
        let secret = new.secret.expose().as_bytes();
        let secret = keys.seal(&mut *on, SECRET, &place, secret).await?;
        query(
            "INSERT INTO providers (org_id, provider_id, words, secret, state, since, revision, made_by, made) \
             VALUES ($1, $2, $3, $4, $5, 0, 1, $7, $6)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(words)
        .bind(secret)
        .bind(state(new.on))
        .bind(new.made.as_millis())
        .bind(by.as_bytes().as_slice())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Alter {
    org: OrgId,
    id: Option<ProviderId>,
    seen: i64,
    change: ProviderChange,
    keys: Arc<SealingKeys>,
}

impl Change for Alter {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            id,
            seen,
            change,
            keys,
        } = self;
        let id = id.ok_or(StoreError::Missing)?;
        let place = [org.as_bytes().as_slice(), id.as_bytes()];
        is_seen(&mut *on, org, id, seen).await?;
        let mut sealed =
            [(WORDS, &change.words), (SECRET, &change.secret)].map(|(column, text)| {
                let text = text.as_ref().map(|text| text.expose().as_bytes());
                (column, text, None)
            });
        for (column, text, sealed) in &mut sealed {
            if let Some(text) = text {
                *sealed = Some(keys.seal(&mut *on, *column, &place, text).await?);
            }
        }
        let [(.., words), (.., secret)] = sealed;
        query(
            "UPDATE providers SET words = COALESCE($3, words), secret = COALESCE($4, secret), state = COALESCE($5, state), \
             since = CASE WHEN $6 = 1 THEN $7 ELSE since END, revision = revision + 1 WHERE org_id = $1 AND provider_id = $2",
        )
        .bind(org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(words)
        .bind(secret)
        .bind(change.on.map(state))
        .bind(i64::from(change.ends))
        .bind(change.at.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        self.change.ends.then_some(LOOK)
    }
}

struct Remove {
    org: OrgId,
    id: Option<ProviderId>,
    seen: i64,
    now: Timestamp,
}

impl Change for Remove {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let id = self.id.ok_or(StoreError::Missing)?;
        is_seen(&mut *on, self.org, id, self.seen).await?;
        query(
            "UPDATE providers SET words = NULL, secret = NULL, state = 'removed', since = $3, revision = revision + 1 \
             WHERE org_id = $1 AND provider_id = $2",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(id.as_bytes().as_slice())
        .bind(self.now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }

    fn ends(&self) -> Option<Ending> {
        Some(LOOK)
    }
}

async fn is_seen(
    on: &mut Connection<'_>,
    org: OrgId,
    id: ProviderId,
    seen: i64,
) -> Result<(), StoreError> {
    let revision: Option<i64> = query_scalar(
        "SELECT revision FROM providers WHERE org_id = $1 AND provider_id = $2 AND state <> 'removed'",
    )
    .bind(org.as_bytes().as_slice())
    .bind(id.as_bytes().as_slice())
    .fetch_optional(on)
    .await?;
    match revision {
        None => Err(StoreError::Missing),
        Some(revision) if revision == seen => Ok(()),
        Some(_) => Err(StoreError::Conflict),
    }
}

const fn state(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use conclave_policy::control::ProviderDeed;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, OrgAdmin, SecondFactor};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::roles::Role;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::ids::RoomId;
    use crate::store::accounts::tests::make;
    use crate::store::database::tests::store;
    use crate::store::endings::Word;
    use crate::store::identities::{NewIdentity, Rights};

    static RULES: LazyLock<Snapshot> =
        LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).unwrap());
    const ID: ProviderId = ProviderId::from_bytes([7; 16]);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn permit(provider: ProviderId, deed: ProviderDeed) -> Permit<ManageProviders> {
        let provider = Some(provider);
        let action = ManageProviders { provider, deed };
        let facts = Facts::new().with(OrgAdmin::Yes).with(SecondFactor::Proved);
        let (actor, room) = (ActorId::from_bytes([9; 16]), RoomId::from_bytes([0; 16]));
        RULES
            .decide(actor, Role::Attendee, room, &facts, action)
            .unwrap()
    }

    fn new(words: &str) -> NewProvider {
        NewProvider {
            words: secret(words),
            secret: secret("shared"),
            on: true,
            made: at(10),
            most: 2,
        }
    }

    fn change(at_millis: i64) -> ProviderChange {
        ProviderChange {
            words: None,
            secret: None,
            on: None,
            ends: false,
            at: at(at_millis),
        }
    }

    #[tokio::test]
    async fn a_provider_is_kept_sealed_and_changed_by_whoever_saw_it() {
        let (_folder, store) = store().await;
        let org = store.org();
        let create = permit(ID, ProviderDeed::Create);
        store.add_provider(&create, org, new("said")).await.unwrap();
        let found = store.own_providers(org).await.unwrap();
        assert_eq!(found[0].words.expose(), "said");
        assert_eq!(found[0].secret.expose(), "shared");
        assert!(found[0].on && found[0].revision == 1);
        let raw: Vec<u8> = query_scalar("SELECT secret FROM providers")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert!(!raw.windows(6).any(|part| part == b"shared"));
        let alter = permit(ID, ProviderDeed::Change);
        let other = ProviderChange {
            words: Some(secret("said anew")),
            ..change(20)
        };
        let stale = store.change_provider(&alter, org, 2, other.clone()).await;
        assert_eq!(stale, Err(StoreError::Conflict));
        store.change_provider(&alter, org, 1, other).await.unwrap();
        let found = store.own_providers(org).await.unwrap();
        assert_eq!(found[0].words.expose(), "said anew");
        assert_eq!(found[0].secret.expose(), "shared");
        // What is said of it ends nothing by itself.
        assert_eq!(store.provider_since(org, ID).await, Ok(Some(at(0))));
    }

    #[tokio::test]
    async fn what_is_off_or_removed_counts_for_nobody_and_what_is_on_again_only_from_then_on() {
        let (_folder, store) = store().await;
        let org = store.org();
        let create = permit(ID, ProviderDeed::Create);
        store.add_provider(&create, org, new("said")).await.unwrap();
        let alter = permit(ID, ProviderDeed::Change);
        let mut life = store.life(Vec::new());
        for (seen, on, millis) in [(1, false, 20), (2, true, 30)] {
            let change = ProviderChange {
                on: Some(on),
                ends: true,
                ..change(millis)
            };
            let changed = store.change_provider(&alter, org, seen, change);
            changed.await.unwrap();
            assert_eq!(life.word().now_or_never(), Some(Word::Look));
            let since = on.then_some(at(millis));
            assert_eq!(store.provider_since(org, ID).await, Ok(since));
        }
        let remove = permit(ID, ProviderDeed::Remove);
        let stale = store.remove_provider(&remove, org, 2, at(40)).await;
        assert_eq!(stale, Err(StoreError::Conflict));
        store
            .remove_provider(&remove, org, 3, at(40))
            .await
            .unwrap();
        assert_eq!(life.word().now_or_never(), Some(Word::Look));
        assert_eq!(store.provider_since(org, ID).await, Ok(None));
        assert!(store.own_providers(org).await.unwrap().is_empty());
        let gone = store.remove_provider(&remove, org, 4, at(50)).await;
        assert_eq!(gone, Err(StoreError::Missing));
        // Nothing is left of what was said, and its identifier never stands for another.
        let left: i64 = query_scalar("SELECT COUNT(*) FROM providers WHERE words IS NOT NULL")
            .fetch_one(store.reads())
            .await
            .unwrap();
        assert_eq!(left, 0);
        let again = store.add_provider(&create, org, new("another")).await;
        assert_eq!(again, Err(StoreError::Conflict));
    }

    #[tokio::test]
    async fn there_are_as_many_as_there_may_be_and_identities_are_counted_by_provider() {
        let (_folder, store) = store().await;
        let org = store.org();
        for (number, good) in [(1, true), (2, true), (3, false)] {
            let create = permit(ProviderId::from_bytes([number; 16]), ProviderDeed::Create);
            let added = store.add_provider(&create, org, new("said")).await;
            assert_eq!(added.is_ok(), good, "{added:?}");
        }
        let account = make(&store, 1, "member@example.org").await;
        for number in [1, 2] {
            let identity = NewIdentity {
                id: [number; 16].into(),
                account,
                provider: "company",
                index: [number; 32],
                rights: Rights {
                    admin: false,
                    creator: false,
                },
                linked: at(1),
            };
            store.link_identity(org, identity).await.unwrap();
        }
        let linked = store.linked_by_provider(org).await.unwrap();
        let expected = Linked {
            all: 2,
            only_way: 0,
        };
        assert_eq!(linked.get("company"), Some(&expected));
    }
}
