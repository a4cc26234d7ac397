//! What is sent next: of each webhook the first news of each room, in turns between webhooks, so that one that fails or is slow holds
//! up no other; and when what failed is tried again. Pure: time and chance come in as values.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::WebhookId;
use crate::store::outbox::Head;

/// Attempts under way, of all webhooks together.
pub(super) const AT_ONCE: usize = 64;
/// The same of one webhook.
const AT_ONCE_EACH: usize = 8;
/// After so many failures in a row a webhook is tried with one thing at a time.
const FAILING: u32 = 3;
/// Rooms of one webhook that are held in memory; the others come when these are told.
pub(super) const MOST_ROOMS: usize = 256;
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(8 * 60 * 60);
/// The longest wait that the other side may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// When something is tried again that has failed so often, or never. `chance` spreads the waits by a quarter to either side.
pub(super) fn again(
    failed: u32,
    most: u32,
    first: Duration,
    asked: Option<Duration>,
    now: Timestamp,
    chance: u8,
) -> Option<Timestamp> {
    if failed >= most {
        return None;
    }
    let tripled = 3_u32.saturating_pow(failed.saturating_sub(1).min(20));
    let wait = first.saturating_mul(tripled).min(LONGEST);
    let spread = wait.mul_f64(0.75 + f64::from(chance) / 512.0);
    let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
    Some(now.after(spread.max(asked)))
}

/// What is to be sent, as far as it is in memory.
#[derive(Debug, Default)]
pub(super) struct Plan {
    webhooks: BTreeMap<WebhookId, Line>,
    /// Who had the last turn.
    turn: Option<WebhookId>,
    under_way: usize,
}

/// What one webhook is to be told: the first of each room.
#[derive(Debug, Default)]
struct Line {
    waiting: BTreeMap<[u8; 16], Head>,
    under_way: BTreeMap<[u8; 16], i64>,
    failed: u32,
    /// There were more rooms than are held in memory.
    more: bool,
}

impl Line {
    fn may_begin(&self) -> bool {
        let most = if self.failed >= FAILING {
            1
        } else {
            AT_ONCE_EACH
        };
        self.under_way.len() < most
    }

    fn soonest(&self) -> Option<&Head> {
        self.waiting
            .values()
            .min_by_key(|head| (head.next, head.number))
    }
}

impl Plan {
    /// These webhooks are told and no others.
    pub(super) fn only(&mut self, webhooks: &[WebhookId]) {
        // What is under way ends by itself.
        self.webhooks
            .retain(|id, line| webhooks.contains(id) || !line.under_way.is_empty());
        for line in self
            .webhooks
            .iter_mut()
            .filter(|(id, _)| !webhooks.contains(id))
        {
            line.1.waiting.clear();
        }
    }

    /// What a webhook is to be told first, room by room, as it was just read.
    pub(super) fn read(&mut self, webhook: WebhookId, heads: Vec<Head>) {
        let line = self.webhooks.entry(webhook).or_default();
        line.more = heads.len() >= MOST_ROOMS;
        line.waiting = heads
            .into_iter()
            .filter(|head| !line.under_way.contains_key(&head.room))
            .take(MOST_ROOMS)
            .map(|head| (head.room, head))
            .collect();
    }

    /// What is to be sent now, and is under way from here on.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Head> {
        if self.under_way >= AT_ONCE {
            return None;
        }
        let after: Vec<WebhookId> = {
            let turn = self.turn;
            let (later, sooner): (Vec<_>, Vec<_>) = self
                .webhooks
                .keys()
                .copied()
                .partition(|id| turn.is_none_or(|turn| *id > turn));
            later.into_iter().chain(sooner).collect()
        };
        for id in after {
            let Some(line) = self.webhooks.get_mut(&id).filter(|line| line.may_begin()) else {
                continue;
            };
            let Some(head) = line.soonest().copied().filter(|head| head.next <= now) else {
                continue;
            };
            line.waiting.remove(&head.room);
            line.under_way.insert(head.room, head.number);
            self.under_way += 1;
            self.turn = Some(id);
            return Some(head);
        }
        None
    }

    /// An attempt ended; what the webhook is to be told next of that room, if there is anything.
    pub(super) fn came(&mut self, head: &Head, told: Option<bool>, next: Option<Head>) {
        let Some(line) = self.webhooks.get_mut(&head.webhook) else {
            return;
        };
        if line.under_way.remove(&head.room).is_some() {
            self.under_way = self.under_way.saturating_sub(1);
        }
        match told {
            Some(true) => line.failed = 0,
            Some(false) => line.failed = line.failed.saturating_add(1),
            None => {}
        }
        if let Some(next) = next {
            line.waiting.insert(next.room, next);
        }
    }

    /// When there is something to send without an attempt ending first.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.under_way >= AT_ONCE {
            return None;
        }
        let ready = self.webhooks.values().filter(|line| line.may_begin());
        ready.filter_map(Line::soonest).map(|head| head.next).min()
    }

    /// Whether a webhook has nothing more waiting in memory, and something elsewhere.
    pub(super) fn is_hungry(&self) -> bool {
        let mut lines = self.webhooks.values();
        lines.any(|line| line.more && line.waiting.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn head(webhook: u8, room: u8, number: i64, next: i64) -> Head {
        Head {
            webhook: WebhookId::from_bytes([webhook; 16]),
            room: [room; 16],
            number,
            attempts: 0,
            next: at(next),
        }
    }

    fn id(webhook: u8) -> WebhookId {
        WebhookId::from_bytes([webhook; 16])
    }

    fn all(plan: &mut Plan, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| plan.next(at(now)))
            .map(|head| head.number)
            .collect()
    }

    #[test]
    fn a_later_news_of_a_room_waits_for_the_earlier() {
        let mut plan = Plan::default();
        let first = head(1, 1, 1, 0);
        plan.read(id(1), vec![first, head(1, 2, 5, 0)]);
        assert_eq!(all(&mut plan, 0), [1, 5]);
        // Read again while the first is under way: it is not sent twice, and nothing overtakes it.
        plan.read(id(1), vec![first, head(1, 2, 5, 0)]);
        assert_eq!(all(&mut plan, 0), [0_i64; 0]);
        // It failed: the same comes again later, and the room waits for it.
        let later = Head {
            next: at(50),
            ..first
        };
        plan.came(&first, Some(false), Some(later));
        assert_eq!(
            (all(&mut plan, 49), plan.deadline()),
            (vec![], Some(at(50)))
        );
        assert_eq!(all(&mut plan, 50), [1]);
        plan.came(&later, Some(true), Some(head(1, 1, 2, 0)));
        assert_eq!(all(&mut plan, 50), [2]);
    }

    #[test]
    fn webhooks_take_turns_and_one_that_fails_is_tried_with_one_thing_at_a_time() {
        let mut plan = Plan::default();
        for webhook in [1, 2] {
            let heads = (0..100).map(|room| head(webhook, room, i64::from(room), 0));
            plan.read(id(webhook), heads.collect());
        }
        let turns: Vec<WebhookId> = std::iter::from_fn(|| plan.next(at(0)))
            .map(|head| head.webhook)
            .collect();
        assert_eq!(turns.len(), 2 * AT_ONCE_EACH);
        assert!(turns.windows(2).all(|two| two[0] != two[1]));
        for room in 0..8 {
            plan.came(&head(1, room, i64::from(room), 0), Some(false), None);
        }
        assert_eq!(all(&mut plan, 0).len(), 1);
        plan.came(&head(1, 8, 8, 0), Some(true), None);
        assert_eq!(all(&mut plan, 0).len(), AT_ONCE_EACH);
    }

    #[test]
    fn a_paused_webhook_is_sent_nothing_more_and_what_is_under_way_ends() {
        let mut plan = Plan::default();
        let first = head(1, 1, 1, 0);
        plan.read(id(1), vec![first, head(1, 2, 2, 9)]);
        assert_eq!(all(&mut plan, 0), [1]);
        plan.only(&[]);
        assert_eq!(all(&mut plan, 9), [0_i64; 0]);
        plan.came(&first, Some(true), None);
        plan.only(&[]);
        assert!(!plan.is_hungry() && plan.webhooks.is_empty() && plan.under_way == 0);
    }

    #[test]
    fn waits_triple_and_end() {
        let first = Duration::from_secs(5);
        let wait =
            |failed, chance| again(failed, 12, first, None, at(0), chance).map(|at| at.as_millis());
        assert_eq!(wait(1, 128), Some(5_000));
        assert_eq!(wait(2, 128), Some(15_000));
        assert_eq!(wait(4, 0), Some(101_250));
        assert!(wait(4, 255) > Some(168_000) && wait(4, 255) < Some(168_750));
        assert_eq!(wait(11, 128), Some(8 * 60 * 60 * 1000));
        assert_eq!(wait(12, 128), None);
        let asked = |seconds| again(1, 12, first, Some(Duration::from_secs(seconds)), at(0), 128);
        assert_eq!(asked(1), Some(at(5_000)));
        assert_eq!(asked(60), Some(at(60_000)));
        assert_eq!(asked(1_000_000), Some(at(3_600_000)));
    }
}
