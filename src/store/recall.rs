//! Reading the chat of a room back, the latest first: by ranges of numbers, a bounded number of rows and bytes at a time,
//! and, for a search, only what has all the words.

use conclave_policy::actions::ReadChat;
use conclave_policy::permit::Permit;
use conclave_policy::roles::Role;

use crate::clock::Timestamp;
use crate::ids::{ActorId, OrgId, ParticipantId, RoomId};
use crate::secret::Secret;
use crate::store::chat::{NAME, TEXT, signed, unsigned};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::sql::{Row, query};

/// Times in the room that are looked at, the latest first: someone who comes and goes all day reads back that far.
const MAX_TIMES: i64 = 64;
/// Rows that are read with one statement.
const CHUNK: i64 = 100;
/// Text on one page: with more of it the page has fewer messages.
const MAX_PAGE_BYTES: usize = 128 * 1024;
/// Rows and bytes that one search opens.
const MAX_SEARCHED: usize = 2000;
const MAX_SEARCHED_BYTES: usize = 2 * 1024 * 1024;

/// A message as it is read back.
#[derive(Clone, Debug)]
pub struct ChatLine {
    /// Its number in the room.
    pub number: u64,
    /// When it was sent.
    pub at: Timestamp,
    /// From which place.
    pub participant: ParticipantId,
    /// What the sender was then.
    pub role: Role,
    /// How the sender was called then.
    pub name: Secret<String>,
    /// What was written; absent when it was deleted.
    pub text: Option<Secret<String>>,
}

/// Some of the messages that someone may read, the latest first.
#[derive(Clone, Debug, Default)]
pub struct ChatPage {
    /// Them.
    pub lines: Vec<ChatLine>,
    /// Where to go on reading: below this number. Absent when there is nothing more.
    pub next: Option<u64>,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Recall {
    /// Ranges of numbers that the reader may read, besides the times in the room that are stored as over.
    pub times: Vec<(u64, u64)>,
    /// Only messages below this number.
    pub before: u64,
    /// How many messages at most.
    pub limit: usize,
    /// Only messages for which this holds.
    pub wanted: Option<Words>,
    /// Now: what is kept no longer is not read.
    pub now: Timestamp,
}

/// What a search wants.
#[derive(Clone)]
pub struct Words {
    /// The words.
    pub words: Vec<String>,
    /// Whether a text has them.
    pub matches: fn(&str, &[String]) -> bool,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Store {
    /// Reads messages back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recall(
        &self,
        permit: &Permit<ReadChat>,
        org: OrgId,
        what: Recall,
    ) -> Result<ChatPage, StoreError> {
        let room = (org, permit.room());
        let mut page = ChatPage::default();
        let mut budget = Budget::of(&what);
        for (first, last) in self.readable(permit, org, &what).await? {
            let mut below = what.before.min(last.saturating_add(1));
            while first < below {
                let rows = self.chunk(room, first, below).await?;
                let chunk = i64::try_from(rows.len()).unwrap_or(CHUNK);
                for found in &rows {
                    let number = unsigned(found.try_get("number")?)?;
                    if page.lines.len() >= what.limit || budget.is_spent() {
                        page.next = Some(number.saturating_add(1));
                        return Ok(page);
                    }
                    below = number;
                    let line = self.line(room, number, found).await?;
                    budget.spend(&line);
                    if line.is_wanted(what.wanted.as_ref()) {
                        page.lines.push(line);
                    }
                }
                if chunk < CHUNK {
                    break;
                }
            }
        }
        Ok(page)
    }

    /// Who wrote the message just below `before`, if this reader may read it; nothing when there is no such message.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn chat_author(
        &self,
        permit: &Permit<ReadChat>,
        org: OrgId,
        what: Recall,
    ) -> Result<Option<ActorId>, StoreError> {
        let number = what.before.saturating_sub(1);
        let ranges = self.readable(permit, org, &what).await?;
        let may = ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number));
        if !may {
            return Ok(None);
        }
        let found = query(
            "SELECT actor_id FROM chat_messages WHERE org_id = $1 AND room_id = $2 AND number = $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(permit.room().as_bytes().as_slice())
        .bind(signed(number))
        .fetch_optional(self.reads())
        .await?;
        found.map(|found| row::id(&found, "actor_id")).transpose()
    }

    /// Every range of numbers that the reader may read: apart from each other, the latest first.
    async fn readable(
        &self,
        permit: &Permit<ReadChat>,
        org: OrgId,
        what: &Recall,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        // What is not stored as over ends when the room says so, and grants nothing here.
        let found = query(
            "SELECT a.first, a.last FROM chat_attendances a JOIN chat_sessions s ON s.org_id = a.org_id \
             AND s.room_id = a.room_id AND s.session_id = a.session_id \
             WHERE a.org_id = $1 AND a.room_id = $2 AND a.actor_id = $3 AND a.last IS NOT NULL \
             AND (s.until IS NULL OR s.until > $4) ORDER BY a.first DESC LIMIT $5",
        )
        .bind(org.as_bytes().as_slice())
        .bind(permit.room().as_bytes().as_slice())
        .bind(permit.actor().as_bytes().as_slice())
        .bind(what.now.as_millis())
        .bind(MAX_TIMES)
        .fetch_all(self.reads())
        .await?;
        let mut times = what.times.clone();
        for found in &found {
            times.push((
                unsigned(found.try_get("first")?)?,
                unsigned(found.try_get("last")?)?,
            ));
        }
        Ok(apart(times))
    }

    async fn chunk(
        &self,
        (org, room): (OrgId, RoomId),
        first: u64,
        below: u64,
    ) -> Result<Vec<Row>, StoreError> {
        let found = query(
            "SELECT number, participant_id, role, sent, name, text FROM chat_messages \
             WHERE org_id = $1 AND room_id = $2 AND number >= $3 AND number < $4 ORDER BY number DESC LIMIT $5",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(signed(first))
        .bind(signed(below))
        .bind(CHUNK)
        .fetch_all(self.reads())
        .await?;
        Ok(found)
    }

    async fn line(
        &self,
        (org, room): (OrgId, RoomId),
        number: u64,
        found: &Row,
    ) -> Result<ChatLine, StoreError> {
        let bytes = number.to_be_bytes();
        let place = [org.as_bytes().as_slice(), room.as_bytes(), bytes.as_slice()];
        let (on, keys) = (self.reads(), self.keys());
        let text = match found.try_get::<Option<&[u8]>, _>("text")? {
            Some(sealed) => Some(keys.open_text(on, TEXT, &place, sealed).await?),
            None => None,
        };
        let role: &str = found.try_get("role")?;
        Ok(ChatLine {
            number,
            at: row::time(found, "sent")?,
            participant: row::id(found, "participant_id")?,
            role: role.parse().map_err(|_| StoreError::Corrupt)?,
            name: row::sealed_text(on, found, keys, NAME, &place).await?,
            text,
        })
    }
}

impl ChatLine {
    fn is_wanted(&self, words: Option<&Words>) -> bool {
        match (words, &self.text) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(text)) => (wanted.matches)(text.expose(), &wanted.words),
        }
    }
}

/// How much work is left for one request.
struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    const fn of(what: &Recall) -> Self {
        let (rows, bytes) = match what.wanted {
            Some(_) => (MAX_SEARCHED, MAX_SEARCHED_BYTES),
            None => (usize::MAX, MAX_PAGE_BYTES),
        };
        Self { rows, bytes }
    }

    const fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    fn spend(&mut self, line: &ChatLine) {
        let text = line.text.as_ref().map_or(0, |text| text.expose().len());
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(text);
    }
}

/// The same numbers in ranges that are apart from each other, the latest first.
fn apart(mut times: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    times.retain(|(first, last)| first <= last);
    times.sort_unstable();
    let mut apart: Vec<(u64, u64)> = Vec::with_capacity(times.len());
    for (first, last) in times {
        match apart.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    apart.reverse();
    apart
}

#[cfg(test)]
mod tests {
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Facts, Standing};
    use conclave_policy::permit::PolicyVersion;

    use super::*;
    use crate::store::chat::NewChat;
    use crate::store::chat::tests::{NOW, attendance, message, session};
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    fn permit(who: u8, room: RoomId) -> Permit<ReadChat> {
        let facts = Facts::new().with(Standing::Admitted);
        Snapshot::built_in(PolicyVersion(1))
            .unwrap()
            .decide(
                ActorId::from_bytes([who; 16]),
                Role::Attendee,
                room,
                &facts,
                ReadChat,
            )
            .unwrap()
    }

    fn what(times: &[(u64, u64)]) -> Recall {
        Recall {
            times: times.to_vec(),
            before: u64::MAX,
            limit: 100,
            wanted: None,
            now: NOW,
        }
    }

    fn wanted(search: &str) -> Option<Words> {
        let has = |text: &str, words: &[String]| {
            let text = text.to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        Some(Words {
            words: search
                .to_lowercase()
                .split(' ')
                .map(str::to_owned)
                .collect(),
            matches: has,
        })
    }

    fn numbers(page: &ChatPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.number).collect()
    }

    /// A room in which the messages 1 to `count` were sent in one session.
    async fn filled(count: u64) -> (tempfile::TempDir, Store, RoomId) {
        let (folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let mut last = None;
        for number in 1..=count {
            let text = format!("message number {number}");
            last = Some(store.add_chat(message(session(&store, room, 1), number, &text)));
            if number % 1000 == 0 {
                last.take().unwrap().await.unwrap();
            }
        }
        if let Some(last) = last {
            last.await.unwrap();
        }
        (folder, store, room)
    }

    #[tokio::test]
    async fn c01_only_the_readers_own_times_are_read_whatever_is_asked_for() {
        let (_folder, store, room) = filled(0).await;
        let of = session(&store, room, 1);
        for number in 1..=20 {
            let attendances = match number {
                6 => vec![attendance(5, 3, Some(5)), attendance(6, 1, None)],
                11 => vec![attendance(5, 8, Some(10))],
                _ => vec![],
            };
            let message = NewChat {
                attendances,
                ..message(of, number, "hello")
            };
            store.add_chat(message).await.unwrap();
        }
        let read = async |who, times: &[(u64, u64)]| {
            let page = store
                .recall(&permit(who, room), store.org(), what(times))
                .await;
            numbers(&page.unwrap())
        };
        assert_eq!(read(5, &[]).await, [10, 9, 8, 5, 4, 3]);
        assert_eq!(
            read(5, &[(19, u64::MAX), (9, 12)]).await,
            [20, 19, 12, 11, 10, 9, 8, 5, 4, 3]
        );
        // A time that is not stored as over grants nothing: the room says what is open.
        assert!(read(6, &[]).await.is_empty());
        assert!(read(7, &[]).await.is_empty());
        assert!(read(7, &[(5, 4)]).await.is_empty());
        let elsewhere = permit(5, RoomId::from_bytes([9; 16]));
        let elsewhere = store.recall(&elsewhere, store.org(), what(&[(0, u64::MAX)]));
        assert!(elsewhere.await.unwrap().lines.is_empty());

        for (number, author) in [(3, true), (6, false), (7, false), (99, false)] {
            let what = Recall {
                before: number + 1,
                ..what(&[])
            };
            let found = store.chat_author(&permit(5, room), store.org(), what).await;
            assert_eq!(found.unwrap().is_some(), author, "{number}");
        }
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_gap_or_repetition() {
        let (_folder, store, room) = filled(250).await;
        let (mut read, mut before) = (Vec::new(), u64::MAX);
        for _ in 0..10 {
            let what = Recall {
                before,
                limit: 30,
                ..what(&[(1, 40), (60, 61), (101, u64::MAX)])
            };
            let page = store
                .recall(&permit(5, room), store.org(), what)
                .await
                .unwrap();
            assert!(page.lines.len() <= 30);
            read.extend(numbers(&page));
            let Some(next) = page.next else { break };
            before = next;
        }
        let expected: Vec<u64> = (1..=250)
            .rev()
            .filter(|n| *n <= 40 || *n >= 101 || (60..=61).contains(n))
            .collect();
        assert_eq!(read, expected);
    }

    #[tokio::test]
    async fn a_page_holds_a_bounded_amount_of_text() {
        let (_folder, store, room) = filled(0).await;
        let long = "ж".repeat(4000);
        for number in 1..=40 {
            store
                .add_chat(message(session(&store, room, 1), number, &long))
                .await
                .unwrap();
        }
        let page = store
            .recall(&permit(5, room), store.org(), what(&[(1, 40)]))
            .await
            .unwrap();
        assert_eq!(page.lines.len(), MAX_PAGE_BYTES.div_ceil(8000));
        assert_eq!(page.next, Some(40 - 17 + 1));
    }

    #[tokio::test]
    async fn a_search_looks_at_a_bounded_number_of_messages_and_says_where_it_stopped() {
        let (_folder, store, room) = filled(MAX_SEARCHED as u64 + 500).await;
        let search = async |words, before, times: &[(u64, u64)]| {
            let what = Recall {
                before,
                wanted: wanted(words),
                ..what(times)
            };
            store
                .recall(&permit(5, room), store.org(), what)
                .await
                .unwrap()
        };
        let all = [(1, u64::MAX)];
        let page = search("NUMBER 77", u64::MAX, &all).await;
        assert_eq!(page.next, Some(501));
        assert!(numbers(&page).contains(&1977) && !numbers(&page).contains(&77));
        let rest = search("number 77", page.next.unwrap(), &all).await;
        assert_eq!(
            (numbers(&rest), rest.next),
            (vec![477, 377, 277, 177, 77], None)
        );
        assert_eq!(
            numbers(&search("number 77", u64::MAX, &[(70, 80)]).await),
            [77]
        );
        assert!(search("%", u64::MAX, &all).await.lines.is_empty());
    }

    #[tokio::test]
    async fn what_was_deleted_is_read_as_that_and_found_by_no_search() {
        let (_folder, store, room) = filled(3).await;
        let by = ActorId::from_bytes([1; 16]);
        store.delete_chat(store.org(), room, 2, by).await.unwrap();
        let page = store
            .recall(&permit(5, room), store.org(), what(&[(1, 9)]))
            .await
            .unwrap();
        let shown: Vec<_> = page.lines.iter().map(|line| line.text.is_some()).collect();
        assert_eq!(shown, [true, false, true]);
        let found = Recall {
            wanted: wanted("message"),
            ..what(&[(1, 9)])
        };
        let found = store
            .recall(&permit(5, room), store.org(), found)
            .await
            .unwrap();
        assert_eq!(numbers(&found), [3, 1]);
    }

    #[tokio::test]
    async fn a_chat_whose_time_is_over_is_not_read_even_before_it_is_wiped() {
        let (_folder, store, room) = filled(0).await;
        let of = session(&store, room, 1);
        let kept = NewChat {
            attendances: vec![attendance(5, 1, Some(1))],
            ..message(of, 1, "hello")
        };
        store.add_chat(kept).await.unwrap();
        let keep = std::time::Duration::from_secs(60);
        store.end_chat(of, NOW, Some(keep), vec![]).await.unwrap();
        for (after, read) in [(59, 1), (60, 0)] {
            let now = NOW.after(std::time::Duration::from_secs(after));
            let what = Recall { now, ..what(&[]) };
            let page = store
                .recall(&permit(5, room), store.org(), what)
                .await
                .unwrap();
            assert_eq!(page.lines.len(), read, "{after} s");
        }
    }
}
