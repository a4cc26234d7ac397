//! Finds what was done to an audit trail behind the server's back, and names the row: edited, dropped, swapped, truncated.
//! Reads everything, changes nothing.
//!
//! Three things bear witness: each row's hash over the one before, the head with a hash that only the key file's holder can
//! make, and signed heads, of which some may be kept outside the database.

use std::fmt;

use crate::ids::OrgId;
use crate::store::audit::{GENESIS, HASH, Stored, head};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::heads::{PublicKey, SignedHead};
use crate::store::row;
use crate::store::sql::{Connection, Row, query};

/// Rows read at a time.
const PAGE: i64 = 1000;
/// Findings that are named. Whoever rewrote more than that rewrote the trail.
const MOST_FINDINGS: usize = 100;
/// Rows whose content does not match that are compared with each other.
const MOST_SUSPECTS: usize = 64;
/// How many rows in a row may have been cut out with the rest moved up, for that to be recognised.
const MOST_SHIFT: i64 = 64;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row is not what its hash says.
    Edited,
    /// The row is whole, but is not the one that the next was built upon, or that was signed.
    Rewritten,
    /// Rows are missing.
    Dropped {
        /// The last of them.
        through: u64,
    },
    /// Two rows stand in each other's place.
    Swapped {
        /// The other.
        with: u64,
    },
    /// The end of the trail is missing.
    Truncated {
        /// The last row that is known to have been there.
        through: u64,
    },
    /// Rows stand behind the end of the trail.
    Added {
        /// The last of them.
        through: u64,
    },
    /// The record of the end of the trail is missing, or someone else wrote it.
    HeadReplaced,
    /// A signed head is not signed with the server's key.
    HeadForged,
    /// A signed head that is kept outside is missing inside.
    HeadDropped,
}

/// What was done to which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row; of several the first.
    pub seq: u64,
    /// What was done.
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.fault {
            Fault::Edited => write!(f, "row {seq} was edited"),
            Fault::Rewritten => write!(f, "row {seq} was rewritten together with its hash"),
            Fault::Dropped { through } if through == seq => write!(f, "row {seq} was dropped"),
            Fault::Dropped { through } => write!(f, "rows {seq} to {through} were dropped"),
            Fault::Swapped { with } => write!(f, "rows {seq} and {with} were swapped"),
            Fault::Truncated { through } => write!(
                f,
                "the trail was truncated after row {}: rows {seq} to {through} are gone",
                seq.saturating_sub(1)
            ),
            Fault::Added { through } => {
                write!(f, "rows {seq} to {through} were added behind the end")
            }
            Fault::HeadReplaced => write!(f, "the record of the end of the trail was replaced"),
            Fault::HeadForged => write!(f, "the signed head of row {seq} is forged"),
            Fault::HeadDropped => write!(
                f,
                "the signed head of row {seq} was dropped from the database"
            ),
        }
    }
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows that were read.
    pub rows: u64,
    /// Signed heads that were checked, inside and outside.
    pub heads: u64,
    /// What was done, in the order of the rows; the first hundred.
    pub findings: Vec<Finding>,
}

impl AuditReport {
    /// The number of the first row that something was done to.
    pub fn first_bad(&self) -> Option<u64> {
        self.findings.iter().map(|finding| finding.seq).min()
    }
}

/// What is known of a trail beside the trail itself.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// With what heads are signed; without it signatures are not checked.
    pub key: Option<PublicKey>,
    /// Heads that were kept outside the database.
    pub outside: Vec<SignedHead>,
}

impl Store {
    /// Reads the whole trail of an organisation and names everything that was done to it.
    ///
    /// # Errors
    /// When the database does not answer. A broken trail is a result, not an error.
    pub async fn verify_audit(
        &self,
        org: OrgId,
        witnesses: &Witnesses,
    ) -> Result<AuditReport, StoreError> {
        // One transaction, so that rows and heads are of the same moment.
        let mut snapshot = self.reads().snapshot().await?;
        let mut outside: Vec<&SignedHead> = witnesses
            .outside
            .iter()
            .filter(|head| head.org == org)
            .collect();
        outside.sort_by_key(|head| head.seq);
        let mut search = Search::new(witnesses.key);
        loop {
            let page =
                query("SELECT * FROM audit WHERE org_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3")
                    .bind(org.as_bytes().as_slice())
                    .bind(search.next)
                    .bind(PAGE)
                    .fetch_all(&mut snapshot.on())
                    .await?;
            let Some(last) = page.last() else { break };
            let through: i64 = last.try_get("seq")?;
            let heads = signed(&mut snapshot.on(), org, search.next, through, &outside).await?;
            search.expect(heads);
            for row in &page {
                search.take(row);
            }
        }
        let beyond = signed(&mut snapshot.on(), org, search.next, i64::MAX, &outside).await?;
        search.expect(beyond);
        let newest = match head(&mut snapshot.on(), org, self.keys()).await {
            Ok(head) => Some((head.seq, head.hash)),
            Err(StoreError::Corrupt) => None,
            Err(error) => return Err(error),
        };
        Ok(search.finish(newest))
    }
}

/// A signed head, and where it was found.
struct Kept {
    head: SignedHead,
    inside: bool,
}

/// The signed heads of some rows, from the database and from outside.
async fn signed(
    on: &mut Connection<'_>,
    org: OrgId,
    from: i64,
    through: i64,
    outside: &[&SignedHead],
) -> Result<Vec<Kept>, StoreError> {
    let found = query(
        "SELECT org_id, seq, at, hash, signature FROM audit_signed_heads \
         WHERE org_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",
    )
    .bind(org.as_bytes().as_slice())
    .bind(from)
    .bind(through)
    .fetch_all(on)
    .await?;
    let mut kept = found
        .iter()
        .map(|found| SignedHead::read(found).map(|head| Kept { head, inside: true }))
        .collect::<Result<Vec<_>, _>>()?;
    let start = outside.partition_point(|head| signed_before(head, from));
    let others: Vec<Kept> = outside
        .iter()
        .skip(start)
        .take_while(|head| i64::try_from(head.seq).is_ok_and(|seq| seq <= through))
        .filter(|head| !kept.iter().any(|kept| kept.head == ***head))
        .map(|head| Kept {
            head: (**head).clone(),
            inside: false,
        })
        .collect();
    kept.extend(others);
    kept.sort_by_key(|kept| kept.head.seq);
    Ok(kept)
}

fn signed_before(head: &SignedHead, seq: i64) -> bool {
    i64::try_from(head.seq).is_ok_and(|own| own < seq)
}

/// A row whose content is not what its hash says, with all that it takes to find out whose content it is.
struct Suspect {
    seq: i64,
    prev: [u8; HASH],
    hash: [u8; HASH],
    content: Content,
}

/// A verification under way.
struct Search {
    key: Option<PublicKey>,
    /// Which row must come next.
    next: i64,
    rows: u64,
    heads: u64,
    /// The stored hash of the row before; none after a gap.
    prev: Option<[u8; HASH]>,
    /// Whether the row before was one to be suspected.
    doubted: bool,
    /// By how much rows were moved up after some were cut out.
    shift: i64,
    /// A row that may be the first that was moved up, and by how much.
    moved: Option<(i64, i64)>,
    expected: Vec<Kept>,
    suspects: Vec<Suspect>,
    findings: Vec<Finding>,
}

impl Search {
    fn new(key: Option<PublicKey>) -> Self {
        Self {
            key,
            next: 1,
            rows: 0,
            heads: 0,
            prev: Some(GENESIS),
            doubted: false,
            shift: 0,
            moved: None,
            expected: Vec::new(),
            suspects: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Signed heads of rows that come now.
    fn expect(&mut self, heads: Vec<Kept>) {
        for kept in &heads {
            self.heads = self.heads.saturating_add(1);
            if self.key.is_some_and(|key| !kept.head.holds(key)) {
                self.found_at(kept.head.seq, Fault::HeadForged);
            } else if !kept.inside {
                self.found_at(kept.head.seq, Fault::HeadDropped);
            }
        }
        let key = self.key;
        let real = heads
            .into_iter()
            .filter(|kept| key.is_none_or(|key| kept.head.holds(key)));
        self.expected.extend(real);
    }

    fn take(&mut self, found: &Row) {
        self.rows = self.rows.saturating_add(1);
        let seq: i64 = found.try_get("seq").unwrap_or(self.next);
        if seq > self.next {
            let through = number(seq.saturating_sub(1));
            self.found(self.next, Fault::Dropped { through });
            self.prev = None;
        }
        self.next = seq.saturating_add(1);
        let (Ok(stored), Ok(prev), Ok(hash)) = (
            Stored::read(found),
            row::bytes::<HASH>(found, "prev_hash"),
            row::bytes::<HASH>(found, "hash"),
        ) else {
            self.found(seq, Fault::Edited);
            (self.prev, self.doubted) = (None, true);
            return;
        };
        let content = Content::of(&stored);
        let whole = content.hash(seq.saturating_add(self.shift), &prev) == hash;
        self.follow_moved(seq, &content, &prev, &hash);
        let shifted = content.hash(seq.saturating_add(self.shift), &prev) == hash;
        if !whole && !shifted {
            self.suspect(seq, prev, hash, content);
        } else if self.prev.is_some_and(|before| before != prev) && !self.doubted {
            self.found(seq.saturating_sub(1), Fault::Rewritten);
        }
        self.doubted = !whole && !shifted;
        self.prev = if self.moved.is_some() {
            None
        } else {
            Some(hash)
        };
        self.compare(seq, &hash);
    }

    /// If this row is the second in succession that was moved up by as much as the one before, the rows between are gone.
    fn follow_moved(&mut self, seq: i64, content: &Content, prev: &[u8; HASH], hash: &[u8; HASH]) {
        let Some((first, by)) = self.moved.take() else {
            return;
        };
        if content.hash(seq.saturating_add(self.shift).saturating_add(by), prev) == *hash {
            self.moved_up(first, by);
        }
    }

    fn moved_up(&mut self, first: i64, by: i64) {
        let true_first = first.saturating_add(self.shift);
        self.suspects.retain(|suspect| suspect.seq != first);
        let through = number(true_first.saturating_add(by).saturating_sub(1));
        self.found(true_first, Fault::Dropped { through });
        self.shift = self.shift.saturating_add(by);
        self.doubted = false;
    }

    fn suspect(&mut self, seq: i64, prev: [u8; HASH], hash: [u8; HASH], content: Content) {
        let by = (1..=MOST_SHIFT).find(|by| {
            content.hash(seq.saturating_add(self.shift).saturating_add(*by), &prev) == hash
        });
        self.moved = by.map(|by| (seq, by));
        if self.suspects.len() < MOST_SUSPECTS {
            self.suspects.push(Suspect {
                seq,
                prev,
                hash,
                content,
            });
        } else {
            self.found(seq, Fault::Edited);
        }
    }

    /// Holds the row against the heads that were signed over it.
    fn compare(&mut self, seq: i64, hash: &[u8; HASH]) {
        let own = number(seq.saturating_add(self.shift));
        let differs = self
            .expected
            .iter()
            .any(|kept| kept.head.seq == own && kept.head.hash != *hash);
        self.expected.retain(|kept| kept.head.seq > own);
        if differs && !self.doubted {
            self.found(seq, Fault::Rewritten);
        }
    }

    fn finish(mut self, newest: Option<(i64, [u8; HASH])>) -> AuditReport {
        if let Some((first, by)) = self.moved.take() {
            // The last row was moved up, and none comes after it to bear that out.
            self.moved_up(first, by);
            self.prev = None;
        }
        self.sort_out_suspects();
        let last = self.next.saturating_sub(1).saturating_add(self.shift);
        let signed = self.expected.iter().map(|kept| kept.head.seq).max();
        let mut through = signed.filter(|seq| *seq > number(last));
        match newest {
            None => self.found(last.saturating_add(1), Fault::HeadReplaced),
            Some((seq, _)) if seq > last => through = through.max(Some(number(seq))),
            Some((seq, _)) if seq < last => {
                let through = number(last);
                self.found(seq.saturating_add(1), Fault::Added { through });
            }
            Some((_, hash)) => {
                let told = self
                    .findings
                    .iter()
                    .any(|finding| finding.seq == number(last));
                if self.prev.is_some_and(|prev| prev != hash) && !self.doubted && !told {
                    self.found(last, Fault::Rewritten);
                }
            }
        }
        if let Some(through) = through {
            self.found(last.saturating_add(1), Fault::Truncated { through });
        }
        self.findings.sort_by_key(|finding| finding.seq);
        self.findings.truncate(MOST_FINDINGS);
        AuditReport {
            rows: self.rows,
            heads: self.heads,
            findings: self.findings,
        }
    }

    /// Two rows of which each has the other's content were swapped; any other was edited.
    fn sort_out_suspects(&mut self) {
        let mut suspects = std::mem::take(&mut self.suspects);
        while !suspects.is_empty() {
            let one = suspects.remove(0);
            let fault = match suspects.iter().position(|other| one.is_swapped_with(other)) {
                Some(place) => Fault::Swapped {
                    with: number(suspects.remove(place).seq),
                },
                None => Fault::Edited,
            };
            // They are few, and may stand before all that was found: they always have a place.
            self.findings.push(Finding {
                seq: number(one.seq),
                fault,
            });
        }
    }

    fn found(&mut self, seq: i64, fault: Fault) {
        self.found_at(number(seq), fault);
    }

    fn found_at(&mut self, seq: u64, fault: Fault) {
        let finding = Finding { seq, fault };
        if self.findings.len() < MOST_FINDINGS && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

impl Suspect {
    /// Whether each holds what belongs in the other's place, wherever the hashes were left.
    fn is_swapped_with(&self, other: &Self) -> bool {
        self.belongs_at(other) && other.belongs_at(self)
    }

    fn belongs_at(&self, other: &Self) -> bool {
        [self.prev, other.prev].iter().any(|prev| {
            let hash = self.content.hash(other.seq, prev);
            hash == self.hash || hash == other.hash
        })
    }
}

/// Everything of a row but its place.
struct Content {
    org: Vec<u8>,
    at: i64,
    action: String,
    decision: String,
    rule: Option<i64>,
    policy_version: i64,
    actor: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
    room: Option<Vec<u8>>,
    detail: Option<String>,
    count: i64,
}

impl Content {
    fn of(stored: &Stored<'_>) -> Self {
        Self {
            org: stored.org.to_vec(),
            at: stored.at,
            action: stored.action.to_owned(),
            decision: stored.decision.to_owned(),
            rule: stored.rule,
            policy_version: stored.policy_version,
            actor: stored.actor.map(<[u8]>::to_vec),
            subject: stored.subject.map(<[u8]>::to_vec),
            room: stored.room.map(<[u8]>::to_vec),
            detail: stored.detail.map(str::to_owned),
            count: stored.count,
        }
    }

    /// The hash that the row would have in this place.
    fn hash(&self, seq: i64, prev: &[u8; HASH]) -> [u8; HASH] {
        let stored = Stored {
            org: &self.org,
            seq,
            at: self.at,
            action: &self.action,
            decision: &self.decision,
            rule: self.rule,
            policy_version: self.policy_version,
            actor: self.actor.as_deref(),
            subject: self.subject.as_deref(),
            room: self.room.as_deref(),
            detail: self.detail.as_deref(),
            count: self.count,
        };
        stored.hash(prev)
    }
}

fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::secret::SystemRandom;
    use crate::store::audit::tests::{entry, filled, tamper};
    use crate::store::database::tests::store;
    use crate::store::heads::HeadKey;

    async fn findings(store: &Store, witnesses: &Witnesses) -> Vec<Finding> {
        let report = store.verify_audit(store.org(), witnesses).await.unwrap();
        report.findings
    }

    fn at(seq: u64, fault: Fault) -> Finding {
        Finding { seq, fault }
    }

    #[tokio::test]
    async fn an_untouched_trail_verifies() {
        for rows in [0, 1, 2500] {
            let (_folder, store) = filled(rows).await;
            let report = store
                .verify_audit(store.org(), &Witnesses::default())
                .await
                .unwrap();
            assert_eq!(report.rows, rows as u64);
            assert!(report.findings.is_empty(), "{:?}", report.findings);
        }
    }

    #[tokio::test]
    async fn a01_every_way_of_tampering_is_found_and_named() {
        use Fault::*;
        let swap = "UPDATE audit SET seq = 99 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = 99";
        let far_swap = "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 8; UPDATE audit SET seq = 8 WHERE seq = 99";
        let cases: Vec<(&str, Vec<Finding>)> = vec![
            (
                "UPDATE audit SET action = 'lock' WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET rule = NULL WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET subject = actor, actor = NULL WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET count = 2 WHERE seq = 1",
                vec![at(1, Edited)],
            ),
            (
                "UPDATE audit SET at = at + 1 WHERE seq = 10",
                vec![at(10, Edited)],
            ),
            (
                "UPDATE audit SET decision = 'noted' WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET policy_version = 2 WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET actor = NULL WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET subject = actor WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET room = NULL WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET detail = '' WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "UPDATE audit SET count = 2 WHERE seq IN (3, 4, 8)",
                vec![at(3, Edited), at(4, Edited), at(8, Edited)],
            ),
            (
                "UPDATE audit SET org_id = zeroblob(16) WHERE seq = 4",
                vec![at(4, Dropped { through: 4 })],
            ),
            (
                "DELETE FROM audit WHERE seq = 6",
                vec![at(6, Dropped { through: 6 })],
            ),
            (
                "DELETE FROM audit WHERE seq BETWEEN 4 AND 6",
                vec![at(4, Dropped { through: 6 })],
            ),
            (
                "DELETE FROM audit WHERE seq = 1",
                vec![at(1, Dropped { through: 1 })],
            ),
            (
                "DELETE FROM audit WHERE seq = 6; UPDATE audit SET seq = seq - 1 WHERE seq > 6",
                vec![at(6, Dropped { through: 6 })],
            ),
            (
                "DELETE FROM audit WHERE seq IN (4, 5); UPDATE audit SET seq = seq - 2 WHERE seq > 5",
                vec![at(4, Dropped { through: 5 })],
            ),
            (
                "DELETE FROM audit WHERE seq = 9; UPDATE audit SET seq = 9 WHERE seq = 10",
                vec![at(9, Dropped { through: 9 })],
            ),
            (
                "DELETE FROM audit WHERE seq = 10",
                vec![at(10, Truncated { through: 10 })],
            ),
            (
                "DELETE FROM audit WHERE seq > 3",
                vec![at(4, Truncated { through: 10 })],
            ),
            (
                "DELETE FROM audit WHERE seq > 3; DELETE FROM audit_heads",
                vec![at(4, HeadReplaced)],
            ),
            (
                "DELETE FROM audit; DELETE FROM audit_heads",
                vec![at(1, HeadReplaced)],
            ),
            ("DELETE FROM audit", vec![at(1, Truncated { through: 10 })]),
            ("UPDATE audit_heads SET seq = 9", vec![at(11, HeadReplaced)]),
            (swap, vec![at(5, Swapped { with: 6 })]),
            (far_swap, vec![at(2, Swapped { with: 8 })]),
            (
                "UPDATE audit SET at = 11 - at WHERE seq IN (3, 8)",
                vec![at(3, Swapped { with: 8 })],
            ),
            (
                "UPDATE audit SET seq = 99 WHERE seq = 9; UPDATE audit SET seq = 9 WHERE seq = 10; UPDATE audit SET seq = 10 WHERE seq = 99",
                vec![at(9, Swapped { with: 10 })],
            ),
            (
                "UPDATE audit SET prev_hash = hash WHERE seq = 4",
                vec![at(4, Edited)],
            ),
            (
                "DELETE FROM audit WHERE seq = 10; UPDATE audit_heads SET seq = 9, hash = (SELECT hash FROM audit WHERE seq = 9)",
                vec![at(10, HeadReplaced)],
            ),
        ];
        for (sql, expected) in cases {
            let (folder, store) = filled(10).await;
            tamper(folder.path(), sql).await;
            let found = findings(&store, &Witnesses::default()).await;
            assert_eq!(found, expected, "{sql}");
            assert!(found.iter().all(|finding| {
                finding.to_string().contains(&finding.seq.to_string())
                    || matches!(finding.fault, HeadReplaced | Truncated { .. })
            }));
        }
    }

    /// A trail with a signed head at some rows; a copy of its database from before; and the heads.
    async fn signed(rows: i64, heads: &[i64]) -> (tempfile::TempDir, Store, Witnesses) {
        let (folder, store) = store().await;
        let key = Arc::new(HeadKey::load_or_create(folder.path(), &SystemRandom).unwrap());
        let mut outside = Vec::new();
        for seq in 1..=rows {
            store.append_audit(entry(&store, seq)).await.unwrap();
            if heads.contains(&seq) {
                let now = Timestamp::from_millis(seq);
                let head = store.sign_audit_head(store.org(), key.clone(), now).await;
                outside.push(head.unwrap().unwrap());
            }
        }
        let key = Some(key.public());
        (folder, store, Witnesses { key, outside })
    }

    fn inside_only(witnesses: &Witnesses) -> Witnesses {
        Witnesses {
            outside: Vec::new(),
            ..witnesses.clone()
        }
    }

    #[tokio::test]
    async fn signed_heads_bear_out_a_trail_and_are_checked() {
        let (_folder, store, witnesses) = signed(9, &[3, 6, 9]).await;
        let report = store.verify_audit(store.org(), &witnesses).await.unwrap();
        assert_eq!((report.rows, report.heads), (9, 3));
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }

    #[tokio::test]
    async fn a01_a_trail_shortened_with_its_head_is_found_by_what_was_signed() {
        let sql = "DELETE FROM audit WHERE seq > 4; UPDATE audit_heads SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)";
        let (folder, store, witnesses) = signed(9, &[3, 8]).await;
        tamper(folder.path(), sql).await;
        let truncated = at(5, Fault::Truncated { through: 8 });
        let found = findings(&store, &inside_only(&witnesses)).await;
        assert!(found.contains(&truncated), "{found:?}");
        tamper(
            folder.path(),
            "DELETE FROM audit_signed_heads WHERE seq > 4",
        )
        .await;
        let found = findings(&store, &inside_only(&witnesses)).await;
        assert!(!found.contains(&truncated));
        let found = findings(&store, &witnesses).await;
        assert!(
            found.contains(&truncated) && found.contains(&at(8, Fault::HeadDropped)),
            "{found:?}"
        );
    }

    #[tokio::test]
    async fn a01_a_database_that_was_turned_back_is_found_by_a_head_kept_outside() {
        let (_newer_folder, _newer, newer) = signed(9, &[3, 8]).await;
        let (_folder, store, older) = signed(5, &[3]).await;
        // The same trail, as far as its hashes go: only what was kept outside tells that there was more.
        let org = store.org();
        let mut head = newer.outside.last().unwrap().clone();
        head.org = org;
        let witnesses = Witnesses {
            key: None,
            outside: vec![head],
        };
        assert!(findings(&store, &older).await.is_empty());
        let found = findings(&store, &witnesses).await;
        assert!(
            found.contains(&at(6, Fault::Truncated { through: 8 })),
            "{found:?}"
        );
    }

    #[tokio::test]
    async fn a01_rows_rewritten_with_all_their_hashes_are_found_by_what_was_signed() {
        let (folder, store, witnesses) = signed(9, &[4, 8]).await;
        // Whoever has the key file can forge hashes and head, but not the signatures that others keep.
        tamper(
            folder.path(),
            "DELETE FROM audit_signed_heads WHERE seq = 8",
        )
        .await;
        let mut other = witnesses.clone();
        other.outside[1].hash = [9; HASH];
        other.key = None;
        let found = findings(&store, &other).await;
        assert_eq!(found, [at(8, Fault::HeadDropped), at(8, Fault::Rewritten)]);
        other.key = witnesses.key;
        let found = findings(&store, &other).await;
        assert_eq!(found, [at(8, Fault::HeadForged)]);
    }

    #[tokio::test]
    async fn a_row_rewritten_with_its_hash_is_found_by_its_neighbour() {
        let (folder, store, _) = signed(9, &[]).await;
        let mut forged = None;
        let rows = query("SELECT * FROM audit ORDER BY seq")
            .fetch_all(store.reads())
            .await
            .unwrap();
        for found in &rows {
            let mut stored = Stored::read(found).unwrap();
            if stored.seq == 4 {
                stored.count = 7;
                forged = Some(stored.hash(&row::bytes(found, "prev_hash").unwrap()));
            }
        }
        let hash = crate::store::heads::hash_text(&forged.unwrap());
        tamper(
            folder.path(),
            &format!("UPDATE audit SET count = 7, hash = x'{hash}' WHERE seq = 4"),
        )
        .await;
        let found = findings(&store, &Witnesses::default()).await;
        assert_eq!(found, [at(4, Fault::Rewritten)]);
    }

    #[tokio::test]
    async fn findings_stay_few_whatever_was_done() {
        let (folder, store) = filled(2000).await;
        tamper(folder.path(), "UPDATE audit SET count = 2").await;
        let report = store
            .verify_audit(store.org(), &Witnesses::default())
            .await
            .unwrap();
        assert_eq!((report.rows, report.first_bad()), (2000, Some(1)));
        assert_eq!(report.findings.len(), MOST_FINDINGS);
    }
}
