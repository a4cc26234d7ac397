//! The audit trail as it is written: append-only rows of ids, each hashed over the one before. It never holds a name, an
//! address or a text that someone wrote. Read in `trail.rs`, verified in `verify.rs`, its heads signed in `heads.rs`.

use crate::clock::Timestamp;
use crate::ids::{OrgId, RoomId};
use crate::secret;
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Purpose, SealingKeys};
use crate::store::sql::{Connection, Row, query};
use crate::store::writer::{Change, Written};

pub(super) const HASH: usize = 32;
/// What stands before the first row.
pub(super) const GENESIS: [u8; HASH] = [0; HASH];

/// What the row says about the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A permit was given.
    Permitted,
    /// It was refused.
    Denied,
    /// It happened without a question to the policy (a sign-in, a swap of rules).
    Noted,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Permitted, Self::Denied, Self::Noted];

    /// Its name in storage and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Denied => "denied",
            Self::Noted => "noted",
        }
    }
}

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose trail.
    pub org: OrgId,
    /// When it was decided.
    pub at: Timestamp,
    /// The action, as the policy names it.
    pub action: &'static str,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided; see [`conclave_policy::permit::RuleId`].
    pub rule: Option<u32>,
    /// The version of the rules that decided.
    pub policy_version: u64,
    /// Who asked: an account, a guest, or the keyed hash of an address.
    pub actor: Option<[u8; 16]>,
    /// Who or what it was about.
    pub subject: Option<[u8; 16]>,
    /// Where.
    pub room: Option<RoomId>,
    /// Values out of a fixed set, such as `waiting_room=nobody`; never a text that someone wrote.
    pub detail: Option<String>,
    /// How many times, for denials that were counted together.
    pub count: u64,
}

impl Store {
    /// Appends one row to the chain of its organisation and gives its number.
    pub fn append_audit(&self, entry: AuditEntry) -> Written<u64> {
        self.write(Append {
            entry,
            keys: self.keys().clone(),
        })
    }

    /// The newest row's number and hash, to be kept outside the database as a witness.
    ///
    /// # Errors
    /// When the database does not answer or the head was altered.
    pub async fn audit_head(&self, org: OrgId) -> Result<(u64, [u8; 32]), StoreError> {
        let mut connection = self.reads().acquire().await?;
        let head = head(&mut connection.on(), org, self.keys()).await?;
        Ok((
            u64::try_from(head.seq).map_err(|_| StoreError::Corrupt)?,
            head.hash,
        ))
    }
}

struct Append {
    entry: AuditEntry,
    keys: std::sync::Arc<SealingKeys>,
}

impl Change for Append {
    type Out = u64;

    async fn apply(self, on: &mut Connection<'_>) -> Result<u64, StoreError> {
        let Self { entry, keys } = self;
        let org = entry.org.as_bytes().as_slice();
        let head = head(on, entry.org, &keys).await?;
        let seq = head.seq.checked_add(1).ok_or(StoreError::Full)?;
        let stored = Stored {
            org,
            seq,
            at: entry.at.as_millis(),
            action: entry.action,
            decision: entry.verdict.as_str(),
            rule: entry.rule.map(i64::from),
            policy_version: i64::try_from(entry.policy_version).map_err(|_| StoreError::Corrupt)?,
            actor: entry.actor.as_ref().map(<[u8; 16]>::as_slice),
            subject: entry.subject.as_ref().map(<[u8; 16]>::as_slice),
            room: entry.room.as_ref().map(|room| room.as_bytes().as_slice()),
            detail: entry.detail.as_deref(),
            count: i64::try_from(entry.count).unwrap_or(i64::MAX),
        };
        let hash = stored.hash(&head.hash);
        query(
            "INSERT INTO audit (org_id, seq, at, action, decision, rule, policy_version, actor, subject, room, detail, \
             count, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(stored.org)
        .bind(stored.seq)
        .bind(stored.at)
        .bind(stored.action)
        .bind(stored.decision)
        .bind(stored.rule)
        .bind(stored.policy_version)
        .bind(stored.actor)
        .bind(stored.subject)
        .bind(stored.room)
        .bind(stored.detail)
        .bind(stored.count)
        .bind(head.hash.as_slice())
        .bind(hash.as_slice())
        .execute(&mut *on)
        .await?;
        query("UPDATE audit_heads SET seq = $1, hash = $2, mac = $3 WHERE org_id = $4")
            .bind(seq)
            .bind(hash.as_slice())
            .bind(mac(&keys, entry.org, seq, &hash).as_slice())
            .bind(org)
            .execute(&mut *on)
            .await?;
        u64::try_from(seq).map_err(|_| StoreError::Corrupt)
    }
}

/// The newest row of a chain.
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: [u8; HASH],
}

/// Begins the chain of a new organisation. From then on a chain without a head has lost it.
pub(super) async fn begin(
    on: &mut Connection<'_>,
    org: OrgId,
    keys: &SealingKeys,
) -> Result<(), StoreError> {
    query("INSERT INTO audit_heads (org_id, seq, hash, mac) VALUES ($1, 0, $2, $3)")
        .bind(org.as_bytes().as_slice())
        .bind(GENESIS.as_slice())
        .bind(mac(keys, org, 0, &GENESIS).as_slice())
        .execute(on)
        .await?;
    Ok(())
}

/// The head as stored. A missing one, or one that someone else wrote, is corruption.
pub(super) async fn head(
    on: &mut Connection<'_>,
    org: OrgId,
    keys: &SealingKeys,
) -> Result<Head, StoreError> {
    let found = query("SELECT seq, hash, mac FROM audit_heads WHERE org_id = $1")
        .bind(org.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    let found = found.ok_or(StoreError::Corrupt)?;
    let head = Head {
        seq: found.try_get("seq")?,
        hash: row::bytes(&found, "hash")?,
    };
    let written: [u8; HASH] = row::bytes(&found, "mac")?;
    if secret::equal(&written, &mac(keys, org, head.seq, &head.hash)) {
        Ok(head)
    } else {
        Err(StoreError::Corrupt)
    }
}

fn mac(keys: &SealingKeys, org: OrgId, seq: i64, hash: &[u8; HASH]) -> [u8; HASH] {
    keys.keyed_hash(
        Purpose::AuditHead,
        &[org.as_bytes(), &seq.to_be_bytes(), hash],
    )
}

/// A row exactly as the columns hold it.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) org: &'a [u8],
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) action: &'a str,
    pub(super) decision: &'a str,
    pub(super) rule: Option<i64>,
    pub(super) policy_version: i64,
    pub(super) actor: Option<&'a [u8]>,
    pub(super) subject: Option<&'a [u8]>,
    pub(super) room: Option<&'a [u8]>,
    pub(super) detail: Option<&'a str>,
    pub(super) count: i64,
}

impl<'a> Stored<'a> {
    pub(super) fn read(row: &'a Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            org: row.try_get("org_id")?,
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            action: row.try_get("action")?,
            decision: row.try_get("decision")?,
            rule: row.try_get("rule")?,
            policy_version: row.try_get("policy_version")?,
            actor: row.try_get("actor")?,
            subject: row.try_get("subject")?,
            room: row.try_get("room")?,
            detail: row.try_get("detail")?,
            count: row.try_get("count")?,
        })
    }

    /// SHA-256 over the previous hash and every column, each with its presence and length.
    pub(super) fn hash(&self, prev: &[u8; HASH]) -> [u8; HASH] {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(b"conclave audit 1");
        digest.update(prev);
        let mut column = |value: Option<&[u8]>| match value {
            None => digest.update(&[0]),
            Some(bytes) => {
                digest.update(&[1]);
                digest.update(&(bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            }
        };
        column(Some(self.org));
        column(Some(&self.seq.to_be_bytes()));
        column(Some(&self.at.to_be_bytes()));
        column(Some(self.action.as_bytes()));
        column(Some(self.decision.as_bytes()));
        column(
            self.rule
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        column(Some(&self.policy_version.to_be_bytes()));
        column(self.actor);
        column(self.subject);
        column(self.room);
        column(self.detail.map(str::as_bytes));
        column(Some(&self.count.to_be_bytes()));
        let mut out = [0; HASH];
        for (to, from) in out.iter_mut().zip(digest.finish().as_ref()) {
            *to = *from;
        }
        out
    }
}

#[cfg(test)]
impl Store {
    /// The first rows of the default organisation's trail.
    pub(crate) async fn audit_for_test(&self) -> Vec<AuditEntry> {
        let rows = query("SELECT * FROM audit ORDER BY seq LIMIT 1000")
            .fetch_all(self.reads())
            .await
            .unwrap();
        let fixed = |bytes: Option<&[u8]>| bytes.map(|bytes| <[u8; 16]>::try_from(bytes).unwrap());
        rows.iter()
            .map(|row| {
                let stored = Stored::read(row).unwrap();
                AuditEntry {
                    org: row::id(row, "org_id").unwrap(),
                    at: Timestamp::from_millis(stored.at),
                    action: stored.action.to_owned().leak(),
                    verdict: match stored.decision {
                        "permitted" => Verdict::Permitted,
                        "denied" => Verdict::Denied,
                        _ => Verdict::Noted,
                    },
                    rule: stored.rule.map(|rule| rule as u32),
                    policy_version: stored.policy_version as u64,
                    actor: fixed(stored.actor),
                    subject: fixed(stored.subject),
                    room: fixed(stored.room).map(RoomId::from),
                    detail: stored.detail.map(str::to_owned),
                    count: stored.count as u64,
                }
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::secret::SystemRandom;
    use crate::store::database::tests::store;
    use crate::store::heads::HeadKey;
    use crate::store::location::Location;
    use crate::store::sql::Owned;
    use crate::store::verify::Witnesses;
    use sqlx::AssertSqlSafe;
    use std::path::Path;

    pub(crate) fn entry(store: &Store, at: i64) -> AuditEntry {
        AuditEntry {
            org: store.org(),
            at: Timestamp::from_millis(at),
            action: "mute",
            verdict: Verdict::Permitted,
            rule: Some(7),
            policy_version: 1,
            actor: Some([1; 16]),
            subject: None,
            room: Some(RoomId::from_bytes([2; 16])),
            detail: None,
            count: 1,
        }
    }

    struct Begin(OrgId, std::sync::Arc<SealingKeys>);

    impl Change for Begin {
        type Out = ();

        async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
            begin(on, self.0, &self.1).await
        }
    }

    pub(crate) async fn filled(rows: i64) -> (tempfile::TempDir, Store) {
        let (folder, store) = store().await;
        let writes: Vec<_> = (1..=rows)
            .map(|at| store.append_audit(entry(&store, at)))
            .collect();
        for (write, expected) in writes.into_iter().zip(1_u64..) {
            assert_eq!(write.await, Ok(expected));
        }
        (folder, store)
    }

    /// Does what someone who can write the file would do; the guards of the schema are taken down first.
    pub(crate) async fn tamper(folder: &Path, sql: &str) {
        let mut outside = Location::for_test(folder).await.outside().await;
        for (name, table) in [
            ("audit_rows_are_never_changed", "audit"),
            ("audit_rows_are_never_deleted", "audit"),
            ("audit_heads_are_never_deleted", "audit_heads"),
            ("audit_signed_heads_are_never_changed", "audit_signed_heads"),
            ("audit_signed_heads_are_never_deleted", "audit_signed_heads"),
        ] {
            let on = match outside {
                Owned::Sqlite(_) => String::new(),
                Owned::Postgres(_) => format!("ON {table}"),
            };
            let guard = format!("DROP TRIGGER IF EXISTS {name} {on}");
            let dropped = query(AssertSqlSafe(guard)).execute(&mut outside.on()).await;
            dropped.unwrap();
        }
        let sql = match outside {
            Owned::Sqlite(_) => sql.to_owned(),
            Owned::Postgres(_) => sql
                .replace("zeroblob(16)", "decode(repeat('00', 16), 'hex')")
                .replace("= x'", "= '\\x"),
        };
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match &mut outside {
            Owned::Sqlite(on) => sql.execute(on).await.map(drop),
            Owned::Postgres(on) => sql.execute(on).await.map(drop),
        }
        .unwrap();
    }

    #[tokio::test]
    async fn the_database_itself_refuses_to_change_or_delete_a_row() {
        let (folder, store) = filled(3).await;
        let key = HeadKey::load_or_create(folder.path(), &SystemRandom).unwrap();
        let signed = store.sign_audit_head(store.org(), key.into(), Timestamp::from_millis(1));
        signed.await.unwrap().unwrap();
        let mut outside = Location::for_test(folder.path()).await.outside().await;
        for sql in [
            "UPDATE audit SET count = 2",
            "DELETE FROM audit",
            "DELETE FROM audit_heads",
            "UPDATE audit_signed_heads SET at = 0",
            "DELETE FROM audit_signed_heads",
        ] {
            assert!(
                query(sql).execute(&mut outside.on()).await.is_err(),
                "{sql}"
            );
        }
    }

    #[tokio::test]
    async fn nothing_is_appended_to_a_chain_whose_head_was_replaced() {
        let (folder, store) = filled(3).await;
        tamper(folder.path(), "UPDATE audit_heads SET seq = 1").await;
        assert_eq!(
            store.append_audit(entry(&store, 4)).await,
            Err(StoreError::Corrupt)
        );
    }

    #[tokio::test]
    async fn each_organisation_has_its_own_chain() {
        let (_folder, store) = filled(3).await;
        let other = OrgId::from_bytes([9; 16]);
        store
            .write(Begin(other, store.keys().clone()))
            .await
            .unwrap();
        let foreign = AuditEntry {
            org: other,
            ..entry(&store, 1)
        };
        assert_eq!(store.append_audit(foreign).await, Ok(1));
        for (org, rows) in [(other, 1), (store.org(), 3)] {
            let report = store
                .verify_audit(org, &Witnesses::default())
                .await
                .unwrap();
            assert_eq!((report.rows, report.first_bad()), (rows, None));
        }
    }
}
