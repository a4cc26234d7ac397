//! The one door to policy: it asks the rules, writes the audit row, and hands out the permit or the refusal.
//! It gathers no facts of its own and changes nothing.
//!
//! A permit comes with a row under way; whoever acts upon it decides what waits for the row. Refusals are counted together
//! for a minute, so that a flood of them cannot fill the trail.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use conclave_policy::actions::{Action, ActionKind};
use conclave_policy::engine::{Denied, PolicyError, Snapshot};
use conclave_policy::facts::Facts;
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;

use crate::auth::limits::Network;
use crate::clock::Clock;
use crate::ids::{ActorId, OrgId, RoomId};
use crate::store::audit::{AuditEntry, Verdict};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::writer::Written;

/// Stands for the room where an action concerns none.
pub const NO_ROOM: RoomId = RoomId::from_bytes([0; 16]);
/// How often counted refusals are looked through.
const FLUSH: Duration = Duration::from_secs(10);
/// Refusals are counted together for this long.
const MINUTE_MILLIS: i64 = 60_000;
/// Different refusals of a minute. Beyond that they are counted by action alone.
const MOST_DENIALS: usize = 8192;
/// Rows that the database did not take and that are tried again.
const MOST_LATE: usize = 4096;

/// The one door to policy.
pub struct Guard {
    rules: RwLock<Arc<Snapshot>>,
    store: Store,
    clock: Arc<dyn Clock>,
    counts: Arc<Mutex<Counts>>,
}

/// An audit row under way: resolves when it is durable. A refusal has none to wait for, and resolves at once.
#[must_use = "a permit is as good as its audit row"]
pub struct Audit {
    row: Row,
    counts: Arc<Mutex<Counts>>,
}

/// Where the row of a decision is.
enum Row {
    /// There is none, or it is done.
    None,
    /// To be queued when it is first waited for.
    Later(Box<(Store, AuditEntry)>),
    /// Queued.
    Queued(Written<u64>, AuditEntry),
}

impl Guard {
    /// With the rules that come with this build.
    ///
    /// # Errors
    /// When the rules do not stand; the server must then not start.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Result<Self, PolicyError> {
        let rules = Snapshot::built_in(PolicyVersion(1))?;
        Ok(Self::with(rules, store, clock))
    }

    /// With any rules.
    pub fn with(rules: Snapshot, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            rules: RwLock::new(Arc::new(rules)),
            store,
            clock,
            counts: Arc::default(),
        }
    }

    /// The rules that decide now: for what is shown, never for what is done.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts newer rules in place, as one row in the trail of the organisation, which says which they are. Older ones are
    /// refused and nothing changes.
    pub fn swap(&self, org: OrgId, rules: Snapshot, which: String) -> Option<Audit> {
        let version = rules.version();
        {
            let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
            if version <= current.version() {
                return None;
            }
            *current = Arc::new(rules);
        }
        Some(self.note(org, "rules_swapped", None, None, NO_ROOM, Some(which)))
    }

    /// A standing permit that was asked for again after a swap of the rules, and refused: a row of its own.
    pub fn fell(&self, org: OrgId, actor: ActorId, room: RoomId, denied: &Denied) -> Audit {
        self.append(AuditEntry {
            org,
            at: self.clock.now(),
            action: denied.kind.as_str(),
            verdict: Verdict::Denied,
            rule: denied.rule.map(|rule| rule.0),
            policy_version: denied.version.0,
            actor: Some(*actor.as_bytes()),
            subject: None,
            room: some(room),
            detail: Some("standing".to_owned()),
            count: 1,
        })
    }

    /// Asks for a permit. The row names the action's own target.
    pub fn ask<A: Action>(
        &self,
        org: OrgId,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
    ) -> (Result<Permit<A>, Denied>, Audit) {
        let subject = action.audit_target();
        self.decide(org, actor, role, room, facts, action, subject, false)
    }

    /// Asks for a permit upon someone: the row names their lasting identity instead of the participant.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that a decision needs"
    )]
    pub fn ask_about<A: Action>(
        &self,
        org: OrgId,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
        subject: ActorId,
    ) -> (Result<Permit<A>, Denied>, Audit) {
        self.decide(
            org,
            actor,
            role,
            room,
            facts,
            action,
            Some(*subject.as_bytes()),
            false,
        )
    }

    /// The same as one of many: its row is queued only when it is first waited for, so that the many can take turns in the
    /// one queue that all rooms share.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that a decision needs"
    )]
    pub fn ask_in_turn<A: Action>(
        &self,
        org: OrgId,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
        subject: Option<ActorId>,
    ) -> (Result<Permit<A>, Denied>, Audit) {
        let subject = subject.map(|subject| *subject.as_bytes());
        let subject = subject.or_else(|| action.audit_target());
        self.decide(org, actor, role, room, facts, action, subject, true)
    }

    /// Asks whether something may be seen: no row when it may, for it changes nothing and happens often. Refusals count.
    pub fn look<A: Action>(
        &self,
        org: OrgId,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
    ) -> Result<Permit<A>, Denied> {
        let kind = action.kind();
        let decision = self.snapshot().decide(actor, role, room, facts, action);
        decision.inspect_err(|denied| self.count_denied(org, actor, kind, room, denied))
    }

    /// Something that happened without a question: a permit that fell with a change of rules, a session that ended.
    pub fn note(
        &self,
        org: OrgId,
        action: &'static str,
        actor: Option<ActorId>,
        subject: Option<[u8; 16]>,
        room: RoomId,
        detail: Option<String>,
    ) -> Audit {
        self.append(AuditEntry {
            org,
            at: self.clock.now(),
            action,
            verdict: Verdict::Noted,
            rule: None,
            policy_version: self.snapshot().version().0,
            actor: actor.map(|actor| *actor.as_bytes()),
            subject,
            room: some(room),
            detail,
            count: 1,
        })
    }

    /// Counts a refusal that came before anyone was known, such as a wrong password: by network, never by address.
    pub fn turned_away(&self, org: OrgId, address: IpAddr, action: &'static str, room: RoomId) {
        let actor = self.store.address_id(org, Network::of(address).as_bytes());
        self.count(Denial {
            org,
            actor: Some(actor),
            action,
            room: some(room),
            rule: None,
            version: self.snapshot().version().0,
            minute: self.minute(),
        });
    }

    /// Writes the refusals of past minutes, and rows that the database did not take before, until the server stops.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(FLUSH).await;
            self.write_out(self.minute()).await;
        }
    }

    /// Writes every refusal that is still only counted: before the store is closed.
    pub async fn flush(&self) {
        self.write_out(i64::MAX).await;
    }
}

impl Guard {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that a decision needs"
    )]
    fn decide<A: Action>(
        &self,
        org: OrgId,
        actor: ActorId,
        role: Role,
        room: RoomId,
        facts: &Facts,
        action: A,
        subject: Option<[u8; 16]>,
        later: bool,
    ) -> (Result<Permit<A>, Denied>, Audit) {
        let kind = action.kind();
        let detail = action.audit_words();
        match self.snapshot().decide(actor, role, room, facts, action) {
            Ok(permit) => {
                let entry = AuditEntry {
                    org,
                    at: self.clock.now(),
                    action: kind.as_str(),
                    verdict: Verdict::Permitted,
                    rule: Some(permit.rule().0),
                    policy_version: permit.version().0,
                    actor: Some(*actor.as_bytes()),
                    subject,
                    room: some(room),
                    detail,
                    count: 1,
                };
                let audit = if later {
                    let row = Row::Later(Box::new((self.store.clone(), entry)));
                    self.audit(row)
                } else {
                    self.append(entry)
                };
                (Ok(permit), audit)
            }
            Err(denied) => {
                self.count_denied(org, actor, kind, room, &denied);
                (Err(denied), self.audit(Row::None))
            }
        }
    }

    fn append(&self, entry: AuditEntry) -> Audit {
        let written = self.store.append_audit(entry.clone());
        self.audit(Row::Queued(written, entry))
    }

    fn audit(&self, row: Row) -> Audit {
        Audit {
            row,
            counts: self.counts.clone(),
        }
    }

    fn count_denied(
        &self,
        org: OrgId,
        actor: ActorId,
        kind: ActionKind,
        room: RoomId,
        denied: &Denied,
    ) {
        self.count(Denial {
            org,
            actor: Some(*actor.as_bytes()),
            action: kind.as_str(),
            room: some(room),
            rule: denied.rule.map(|rule| rule.0),
            version: denied.version.0,
            minute: self.minute(),
        });
    }

    fn count(&self, denial: Denial) {
        let mut counts = locked(&self.counts);
        let full = counts.denials.len() >= MOST_DENIALS && !counts.denials.contains_key(&denial);
        let key = if full {
            Denial {
                actor: None,
                room: None,
                rule: None,
                ..denial
            }
        } else {
            denial
        };
        let count = counts.denials.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    fn minute(&self) -> i64 {
        self.clock.now().as_millis().div_euclid(MINUTE_MILLIS)
    }

    /// Writes late rows and the refusals of minutes before this one.
    async fn write_out(&self, before: i64) {
        let due: Vec<AuditEntry> = {
            let mut counts = locked(&self.counts);
            let mut due: Vec<_> = counts.late.drain(..).collect();
            let passed: Vec<Denial> = counts
                .denials
                .keys()
                .filter(|key| key.minute < before)
                .cloned()
                .collect();
            for key in passed {
                let count = counts.denials.remove(&key).unwrap_or_default();
                due.push(key.into_entry(count));
            }
            due
        };
        // Queued all at once, so that they share a commit; what fails is kept for the next time.
        let written: Vec<Audit> = due.into_iter().map(|entry| self.append(entry)).collect();
        for row in written {
            let _kept_if_late = row.await;
        }
    }
}

impl Future for Audit {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Row::Later(_) = &self.row
            && let Row::Later(later) = std::mem::replace(&mut self.row, Row::None)
        {
            let (store, entry) = *later;
            self.row = Row::Queued(store.append_audit(entry.clone()), entry);
        }
        let Row::Queued(written, _) = &mut self.row else {
            return Poll::Ready(Ok(()));
        };
        let Poll::Ready(outcome) = Pin::new(written).poll(context) else {
            return Poll::Pending;
        };
        if let (Row::Queued(_, entry), Err(_)) =
            (std::mem::replace(&mut self.row, Row::None), &outcome)
        {
            locked(&self.counts).keep_late(entry);
        }
        Poll::Ready(outcome.map(|_| ()))
    }
}

/// Refusals that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Denial {
    org: OrgId,
    actor: Option<[u8; 16]>,
    action: &'static str,
    room: Option<RoomId>,
    rule: Option<u32>,
    /// The rules that refused.
    version: u64,
    /// Since the epoch.
    minute: i64,
}

impl Denial {
    fn into_entry(self, count: u64) -> AuditEntry {
        AuditEntry {
            org: self.org,
            at: crate::clock::Timestamp::from_millis(self.minute.saturating_mul(MINUTE_MILLIS)),
            action: self.action,
            verdict: Verdict::Denied,
            rule: self.rule,
            policy_version: self.version,
            actor: self.actor,
            subject: None,
            room: self.room,
            detail: None,
            count,
        }
    }
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Counts {
    denials: HashMap<Denial, u64>,
    late: VecDeque<AuditEntry>,
}

impl Counts {
    fn keep_late(&mut self, entry: AuditEntry) {
        if self.late.len() >= MOST_LATE {
            tracing::error!(
                action = entry.action,
                "an audit row is lost: the database has been away for too long"
            );
            return;
        }
        self.late.push_back(entry);
    }
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn some(room: RoomId) -> Option<RoomId> {
    (room != NO_ROOM).then_some(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::store::database::tests::store;
    use conclave_policy::actions::{ChangeSetting, InviteAccount, Lock};
    use conclave_policy::facts::{Held, Mine, OrgAdmin, SecondFactor, Standing};
    use conclave_policy::settings::SettingKey;

    const ROOM: RoomId = RoomId::from_bytes([4; 16]);
    const HOST: ActorId = ActorId::from_bytes([5; 16]);

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
        guard: Guard,
    }

    async fn world() -> World {
        let (folder, store) = store().await;
        let clock = Arc::new(ManualClock::new());
        let guard = Guard::new(store.clone(), clock.clone()).unwrap();
        World {
            _folder: folder,
            store,
            clock,
            guard,
        }
    }

    impl World {
        fn lock(&self, role: Role) -> (Result<Permit<Lock>, Denied>, Audit) {
            let facts = Facts::new()
                .with(SecondFactor::Proved)
                .with(Standing::Admitted);
            self.guard
                .ask(self.store.org(), HOST, role, ROOM, &facts, Lock)
        }

        async fn trail(&self) -> Vec<AuditEntry> {
            self.store.audit_for_test().await
        }
    }

    #[tokio::test]
    async fn a_permit_comes_with_a_row_that_becomes_durable() {
        let world = world().await;
        let (permit, audit) = world.lock(Role::Host);
        assert_eq!(permit.unwrap().room(), ROOM);
        audit.await.unwrap();
        let trail = world.trail().await;
        assert_eq!(trail.len(), 1);
        assert_eq!(
            (trail[0].action, trail[0].verdict),
            ("lock", Verdict::Permitted)
        );
        assert_eq!((trail[0].actor, trail[0].room), (Some([5; 16]), Some(ROOM)));
        assert!(trail[0].rule.is_some());
    }

    #[tokio::test]
    async fn the_row_of_one_of_many_is_queued_when_its_turn_comes() {
        let world = world().await;
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted);
        let ask = || {
            let (guard, org) = (&world.guard, world.store.org());
            guard.ask_in_turn(org, HOST, Role::Host, ROOM, &facts, Lock, Some(HOST))
        };
        let (first, second) = (ask(), ask());
        world.lock(Role::Host).1.await.unwrap();
        assert_eq!(world.trail().await.len(), 1);
        second.1.await.unwrap();
        assert_eq!(world.trail().await[1].subject, Some(*HOST.as_bytes()));
        first.1.await.unwrap();
        assert_eq!(world.trail().await.len(), 3);
    }

    #[tokio::test]
    async fn a_relaxed_setting_is_named_with_its_value() {
        let world = world().await;
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Outside)
            .with(Mine::Yes)
            .with(OrgAdmin::No)
            .with(Held::Free);
        let action = ChangeSetting {
            key: SettingKey::WaitingRoom,
            value: "nobody",
        };
        let (permit, audit) =
            world
                .guard
                .ask(world.store.org(), HOST, Role::Owner, ROOM, &facts, action);
        assert!(permit.is_ok());
        audit.await.unwrap();
        assert_eq!(
            world.trail().await[0].detail.as_deref(),
            Some("waiting_room=nobody")
        );
    }

    #[tokio::test]
    async fn h04_missing_facts_are_refused() {
        let world = world().await;
        let (permit, _) = world.guard.ask(
            world.store.org(),
            HOST,
            Role::Owner,
            ROOM,
            &Facts::new(),
            Lock,
        );
        assert!(permit.is_err());
        let nothing = Facts::new();
        let (permit, _) = world.guard.ask(
            world.store.org(),
            HOST,
            Role::Owner,
            NO_ROOM,
            &nothing,
            InviteAccount,
        );
        assert!(permit.is_err());
    }

    #[tokio::test]
    async fn a01_refusals_of_a_minute_are_one_row_with_their_count() {
        let world = world().await;
        for _ in 0..10_000 {
            let (permit, audit) = world.lock(Role::Attendee);
            assert!(permit.is_err());
            audit.await.unwrap();
        }
        assert!(world.trail().await.is_empty());
        world.guard.write_out(world.guard.minute()).await;
        assert!(world.trail().await.is_empty());
        world.clock.advance(Duration::from_secs(60));
        let _denied = world.lock(Role::Attendee);
        world.guard.write_out(world.guard.minute()).await;
        let trail = world.trail().await;
        assert_eq!(trail.len(), 1);
        assert_eq!(
            (trail[0].verdict, trail[0].count),
            (Verdict::Denied, 10_000)
        );
        world.guard.flush().await;
        assert_eq!(world.trail().await.len(), 2);
        assert!(locked(&world.guard.counts).denials.is_empty());
    }

    #[tokio::test]
    async fn a_flood_of_different_refusals_stays_bounded_and_is_counted_all_the_same() {
        let world = world().await;
        let total = MOST_DENIALS as u64 + 500;
        for at in 0..total {
            let mut room = [0; 16];
            room[..8].copy_from_slice(&(at + 1).to_be_bytes());
            let facts = Facts::new()
                .with(SecondFactor::Proved)
                .with(Standing::Admitted);
            let room = RoomId::from_bytes(room);
            let _denied = world
                .guard
                .ask(world.store.org(), HOST, Role::Guest, room, &facts, Lock);
        }
        let counts = locked(&world.guard.counts).denials.clone();
        assert_eq!(counts.len(), MOST_DENIALS + 1);
        assert_eq!(counts.values().sum::<u64>(), total);
    }

    #[tokio::test]
    async fn who_is_turned_away_is_counted_by_network_and_no_address_is_kept() {
        let world = world().await;
        for host in 1..=9 {
            let address = format!("192.0.2.{host}").parse().unwrap();
            world
                .guard
                .turned_away(world.store.org(), address, "sign_in", NO_ROOM);
        }
        world.guard.flush().await;
        let trail = world.trail().await;
        assert_eq!((trail.len(), trail[0].count, trail[0].room), (1, 9, None));
        assert!(!trail[0].actor.unwrap().starts_with(&[192, 0, 2]));
    }

    #[tokio::test]
    async fn without_a_database_a_permit_stands_and_its_row_fails_and_is_kept_for_later() {
        let world = world().await;
        world.store.close().await;
        let (permit, audit) = world.lock(Role::Host);
        assert!(permit.is_ok());
        assert_eq!(audit.await, Err(StoreError::Unavailable));
        assert_eq!(locked(&world.guard.counts).late.len(), 1);
        for _ in 0..MOST_LATE + 10 {
            let _failed = world.lock(Role::Host).1.await;
        }
        assert_eq!(locked(&world.guard.counts).late.len(), MOST_LATE);
    }

    #[tokio::test]
    async fn only_newer_rules_take_the_place_of_the_rules() {
        let world = world().await;
        assert!(
            world
                .guard
                .swap(
                    world.store.org(),
                    Snapshot::built_in(PolicyVersion(1)).unwrap(),
                    String::new()
                )
                .is_none()
        );
        let swapped = world.guard.swap(
            world.store.org(),
            Snapshot::built_in(PolicyVersion(2)).unwrap(),
            "organisation=abc".to_owned(),
        );
        swapped.unwrap().await.unwrap();
        assert_eq!(world.guard.snapshot().version(), PolicyVersion(2));
        let trail = world.trail().await;
        assert_eq!(trail[0].action, "rules_swapped");
        assert_eq!(trail[0].detail.as_deref(), Some("organisation=abc"));
        assert_eq!(trail[0].policy_version, 2);
    }
}
