//! Reads the audit trail for people and programs: in order for export, newest first for pages. Ids only; whose they are is
//! looked up by whoever shows them.

use conclave_policy::permit::RuleId;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::{OrgId, RoomId};
use crate::store::audit::{HASH, Stored, Verdict};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::heads::{hash_text, id_text};
use crate::store::row;
use crate::store::sql::{Builder, Row};

/// Rows that one page looks through where no index leads to them; the answer says where to go on.
const WINDOW: i64 = 50_000;

/// A row as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number in the trail of its organisation.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The action, or what happened without a question.
    pub action: String,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Option<RuleId>,
    /// The version of the rules; counted from each start of a server, see `rules_loaded` and `rules_swapped`.
    pub policy_version: u64,
    /// Who asked.
    pub actor: Option<[u8; 16]>,
    /// Who or what it was about.
    pub subject: Option<[u8; 16]>,
    /// Where.
    pub room: Option<RoomId>,
    /// Values out of a fixed set.
    pub detail: Option<String>,
    /// How many times.
    pub count: u64,
    /// The hash of the row before.
    pub prev_hash: [u8; HASH],
    /// The hash of this row.
    pub hash: [u8; HASH],
}

/// Which rows are wanted; what is not named may be anything.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Where.
    pub room: Option<RoomId>,
    /// Who asked.
    pub actor: Option<[u8; 16]>,
    /// What for.
    pub action: Option<String>,
    /// What was decided.
    pub verdict: Option<Verdict>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Some rows, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The rows.
    pub rows: Vec<AuditRow>,
    /// Where to go on: rows before this number may be wanted too.
    pub next: Option<u64>,
}

#[derive(Serialize)]
struct Exported<'a> {
    seq: u64,
    at: Timestamp,
    action: &'a str,
    verdict: &'static str,
    rule: Option<RuleLine>,
    policy_version: u64,
    actor: Option<String>,
    subject: Option<String>,
    room: Option<RoomId>,
    detail: Option<&'a str>,
    count: u64,
    prev_hash: String,
    hash: String,
}

#[derive(Serialize)]
struct RuleLine {
    file: &'static str,
    line: u16,
}

impl AuditRow {
    /// The row as one line of JSON: ids and fixed words, nothing that a key would have to open.
    pub fn line(&self) -> String {
        let exported = Exported {
            seq: self.seq,
            at: self.at,
            action: &self.action,
            verdict: self.verdict.as_str(),
            rule: self.rule.map(|rule| RuleLine {
                file: file_of(rule),
                line: rule.line(),
            }),
            policy_version: self.policy_version,
            actor: self.actor.as_ref().map(|id| id_text(id)),
            subject: self.subject.as_ref().map(|id| id_text(id)),
            room: self.room,
            detail: self.detail.as_deref(),
            count: self.count,
            prev_hash: hash_text(&self.prev_hash),
            hash: hash_text(&self.hash),
        };
        // Of identifiers, numbers and words alone: there is nothing in it that JSON cannot say.
        serde_json::to_string(&exported).unwrap_or_default()
    }

    fn read(found: &Row) -> Result<Self, StoreError> {
        let stored = Stored::read(found)?;
        let id = |bytes: Option<&[u8]>| {
            bytes
                .map(|bytes| <[u8; 16]>::try_from(bytes).map_err(|_| StoreError::Corrupt))
                .transpose()
        };
        let number = |value: i64| u64::try_from(value).map_err(|_| StoreError::Corrupt);
        let verdict = Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == stored.decision);
        let rule = stored
            .rule
            .map(|rule| u32::try_from(rule).map_err(|_| StoreError::Corrupt));
        Ok(Self {
            seq: number(stored.seq)?,
            at: Timestamp::from_millis(stored.at),
            action: stored.action.to_owned(),
            verdict: verdict.ok_or(StoreError::Corrupt)?,
            rule: rule.transpose()?.map(RuleId),
            policy_version: number(stored.policy_version)?,
            actor: id(stored.actor)?,
            subject: id(stored.subject)?,
            room: id(stored.room)?.map(RoomId::from),
            detail: stored.detail.map(str::to_owned),
            count: number(stored.count)?,
            prev_hash: row::bytes(found, "prev_hash")?,
            hash: row::bytes(found, "hash")?,
        })
    }
}

/// In whose rules a rule stands, as the trail's readers are told.
pub const fn file_of(rule: RuleId) -> &'static str {
    if rule.is_organisation() {
        "organisation"
    } else {
        "server"
    }
}

impl Store {
    /// The rows after a number, oldest first: at most so many.
    ///
    /// # Errors
    /// When the database does not answer or a row does not read.
    pub async fn audit_after(
        &self,
        org: OrgId,
        filter: &AuditFilter,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut query = select(org, filter);
        query.push(" AND seq > ", signed(after));
        query.push(" ORDER BY seq LIMIT ", i64::from(limit));
        let found = query.build().fetch_all(self.reads()).await?;
        found.iter().map(AuditRow::read).collect()
    }

    /// The newest rows before a number: at most so many, and where to go on.
    ///
    /// # Errors
    /// When the database does not answer or a row does not read.
    pub async fn audit_before(
        &self,
        org: OrgId,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        let (newest, _) = self.audit_head(org).await?;
        let end = signed(before.unwrap_or(u64::MAX)).min(signed(newest).saturating_add(1));
        // With an index only rows that are wanted are looked at; without one the look stops somewhere.
        let indexed = filter.room.is_some() || filter.actor.is_some();
        let start = if indexed {
            1
        } else {
            end.saturating_sub(WINDOW).max(1)
        };
        let mut query = select(org, filter);
        query.push(" AND seq < ", end);
        query.push(" AND seq >= ", start);
        query.push(" ORDER BY seq DESC LIMIT ", i64::from(limit));
        let found = query.build().fetch_all(self.reads()).await?;
        let rows = found
            .iter()
            .map(AuditRow::read)
            .collect::<Result<Vec<_>, _>>()?;
        let next = match rows.last() {
            Some(last) if rows.len() >= limit as usize => Some(last.seq),
            _ => u64::try_from(start).ok(),
        };
        Ok(AuditPage {
            rows,
            next: next.filter(|next| *next > 1),
        })
    }
}

fn select<'q>(org: OrgId, filter: &'q AuditFilter) -> Builder<'q> {
    let mut query = Builder::new("SELECT * FROM audit");
    query.push(" WHERE org_id = ", org.as_bytes().to_vec());
    if let Some(room) = &filter.room {
        query.push(" AND room = ", room.as_bytes().as_slice());
    }
    if let Some(actor) = &filter.actor {
        query.push(" AND actor = ", actor.as_slice());
    }
    if let Some(action) = &filter.action {
        query.push(" AND action = ", action.as_str());
    }
    if let Some(verdict) = filter.verdict {
        query.push(" AND decision = ", verdict.as_str());
    }
    if let Some(from) = filter.from {
        query.push(" AND at >= ", from.as_millis());
    }
    if let Some(to) = filter.to {
        query.push(" AND at < ", to.as_millis());
    }
    query
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::AuditEntry;
    use crate::store::audit::tests::entry;
    use crate::store::database::tests::store;

    /// Rows of two rooms and three people, every third denied.
    async fn filled(rows: u8) -> (tempfile::TempDir, Store) {
        let (folder, store) = store().await;
        for at in 1..=rows {
            let entry = AuditEntry {
                action: if at % 2 == 0 { "mute" } else { "remove" },
                verdict: if at % 3 == 0 {
                    Verdict::Denied
                } else {
                    Verdict::Permitted
                },
                rule: Some(if at % 3 == 0 {
                    RuleId::organisation(at.into()).0
                } else {
                    at.into()
                }),
                actor: Some([at % 3; 16]),
                room: Some(RoomId::from_bytes([at % 2; 16])),
                ..entry(&store, at.into())
            };
            store.append_audit(entry).await.unwrap();
        }
        (folder, store)
    }

    fn seqs(rows: &[AuditRow]) -> Vec<u64> {
        rows.iter().map(|row| row.seq).collect()
    }

    #[tokio::test]
    async fn pages_go_back_to_the_first_row_and_end_there() {
        let (_folder, store) = filled(10).await;
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let filter = AuditFilter::default();
            let page = store
                .audit_before(store.org(), &filter, before, 4)
                .await
                .unwrap();
            seen.extend(seqs(&page.rows));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=10).rev().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn each_filter_leaves_only_what_was_asked_for() {
        let (_folder, store) = filled(12).await;
        let ask = async |filter: AuditFilter| {
            let page = store
                .audit_before(store.org(), &filter, None, 100)
                .await
                .unwrap();
            assert_eq!(page.next, None);
            let mut down = seqs(&page.rows);
            let up = seqs(
                &store
                    .audit_after(store.org(), &filter, 0, 100)
                    .await
                    .unwrap(),
            );
            down.reverse();
            assert_eq!(up, down);
            up
        };
        let all = AuditFilter::default();
        assert_eq!(
            ask(AuditFilter {
                room: Some(RoomId::from_bytes([0; 16])),
                ..all.clone()
            })
            .await,
            [2, 4, 6, 8, 10, 12]
        );
        assert_eq!(
            ask(AuditFilter {
                actor: Some([1; 16]),
                ..all.clone()
            })
            .await,
            [1, 4, 7, 10]
        );
        assert_eq!(
            ask(AuditFilter {
                verdict: Some(Verdict::Denied),
                action: Some("mute".into()),
                ..all.clone()
            })
            .await,
            [6, 12]
        );
        let (from, to) = (
            Some(Timestamp::from_millis(3)),
            Some(Timestamp::from_millis(5)),
        );
        assert_eq!(
            ask(AuditFilter {
                from,
                to,
                ..all.clone()
            })
            .await,
            [3, 4]
        );
        assert!(
            ask(AuditFilter {
                room: Some(RoomId::from_bytes([9; 16])),
                ..all
            })
            .await
            .is_empty()
        );
    }

    #[tokio::test]
    async fn a_line_says_in_which_file_the_rule_stands_and_holds_ids_only() {
        let (_folder, store) = filled(3).await;
        let rows = store
            .audit_after(store.org(), &AuditFilter::default(), 0, 10)
            .await
            .unwrap();
        let line: serde_json::Value = serde_json::from_str(&rows[2].line()).unwrap();
        assert_eq!(
            line["rule"],
            serde_json::json!({"file": "organisation", "line": 3})
        );
        assert_eq!(line["verdict"], "denied");
        assert_eq!(line["room"], RoomId::from_bytes([1; 16]).to_string());
        assert_eq!(line["actor"].as_str().unwrap().len(), 26);
        let next: serde_json::Value = serde_json::from_str(&rows[1].line()).unwrap();
        assert_eq!(next["rule"]["file"], "server");
        assert_eq!(next["hash"], line["prev_hash"]);
    }
}
