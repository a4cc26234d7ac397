//! Finds the running session of a room, or starts one from what is stored. One session a room, however many come at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use conclave_policy::levels::Levels;
use futures_util::future::join_all;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::auth::token::TokenId;
use crate::ids::{self, OrgId, RoomId, SessionId};
use crate::rooms::actor::{INBOX, Means, RoomActor, SettingsNews, ToRoom};
use crate::rooms::control::Bar;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Charter, Room};
use crate::secret::Secret;
use crate::store::bars::KeptBar;
use crate::store::error::StoreError;
use crate::store::roles::GivenRole;
use crate::store::settings::StoredOrg;

/// How many sessions may run at a time.
const MAX_RUNNING: usize = 10_000;

/// How long sessions may take to end when the server stops.
const FAREWELL: Duration = Duration::from_secs(20);

/// How many hosts' names are kept to compare newcomers with.
const MAX_LEADERS: usize = 50;

/// Every running session.
pub struct Registry {
    means: Arc<Means>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    rooms: HashMap<RoomId, mpsc::Sender<ToRoom>>,
    tasks: JoinSet<()>,
    draining: bool,
}

impl Registry {
    /// No session runs yet.
    pub fn new(means: Arc<Means>) -> Self {
        Self {
            means,
            running: Mutex::default(),
        }
    }

    /// What rooms work with.
    pub fn means(&self) -> &Arc<Means> {
        &self.means
    }

    /// The running session of a room, started if need be. No such room in this organisation: `CannotJoin`.
    pub async fn open(&self, org: OrgId, room: RoomId) -> Result<mpsc::Sender<ToRoom>, ErrorCode> {
        if let Some(found) = self.find(room).await {
            return Ok(found);
        }
        // Read outside the lock; a second reader of the same room finds the session of the first.
        let (charter, levels, password, last_chat) = self
            .read(org, room)
            .await
            .map_err(|_| ErrorCode::Unavailable)?
            .ok_or(ErrorCode::CannotJoin)?;
        let mut running = self.running.lock().await;
        if running.draining {
            return Err(ErrorCode::Draining);
        }
        if let Some(found) = running.rooms.get(&room).filter(|room| !room.is_closed()) {
            return Ok(found.clone());
        }
        running.rooms.retain(|_, room| !room.is_closed());
        while running.tasks.try_join_next().is_some() {}
        if running.rooms.len() >= MAX_RUNNING {
            return Err(ErrorCode::Unavailable);
        }
        let version = self.means.guard.snapshot().version();
        let mut session = Room::new(charter, version, self.means.clock.now());
        session.begin_with(levels);
        let (sender, inbox) = mpsc::channel(INBOX);
        let actor = RoomActor::new(
            session,
            self.means.clone(),
            password,
            inbox,
            sender.downgrade(),
            last_chat,
        );
        running.tasks.spawn(actor.run());
        running.rooms.insert(room, sender.clone());
        Ok(sender)
    }

    /// What a session is made from, as stored.
    async fn read(
        &self,
        org: OrgId,
        room: RoomId,
    ) -> Result<Option<(Charter, Levels, Secret<String>, u64)>, StoreError> {
        let store = &self.means.store;
        let Some(stored) = store.room(org, room).await? else {
            return Ok(None);
        };
        let roles = store.roles(org, room).await?;
        let last_chat = store.last_chat_number(org, room).await?;
        let removals = store.removals(org, room, self.means.clock.now()).await?;
        let bars = store.bars(org, room).await?;
        let hosts = roles
            .iter()
            .filter(|(_, role)| matches!(role, GivenRole::Host))
            .map(|(account, _)| *account);
        let mut leaders = BTreeMap::new();
        for account in hosts.chain([stored.owner]).take(MAX_LEADERS) {
            if let Some(found) = store.account(org, account).await? {
                leaders.insert(account, found.name.expose().clone());
            }
        }
        let charter = Charter {
            org,
            room,
            session: ids::random::<SessionId>(self.means.random.as_ref()),
            title: stored.title.expose().clone(),
            owner: stored.owner,
            settings: stored.settings,
            appointed: roles
                .into_iter()
                .map(|(account, role)| (account, role.into()))
                .collect(),
            barred: removals.into_iter().map(|removal| removal.actor).collect(),
            bars: bars.into_iter().rev().map(Bar::from).collect(),
            leaders,
            two_hosts: stored.levels.org().two_hosts(),
            asks_factor: stored.levels.org().asks_factor(),
        };
        Ok(Some((charter, stored.levels, stored.password, last_chat)))
    }

    /// The running session of a room, if there is one.
    pub async fn find(&self, room: RoomId) -> Option<mpsc::Sender<ToRoom>> {
        self.running
            .lock()
            .await
            .rooms
            .get(&room)
            .filter(|room| !room.is_closed())
            .cloned()
    }

    /// How many sessions run.
    pub async fn count(&self) -> usize {
        self.running
            .lock()
            .await
            .rooms
            .values()
            .filter(|room| !room.is_closed())
            .count()
    }

    /// The rules were swapped: every room asks its standing permits again.
    pub async fn rules_changed(&self) {
        self.tell_all(|| ToRoom::RulesChanged).await;
    }

    /// An organisation chose something else: every room follows. Rooms that start now read it themselves.
    pub async fn organisation_changed(&self, org: Arc<StoredOrg>) {
        self.tell_all(|| ToRoom::SettingsChanged(SettingsNews::Organisation(org.clone())))
            .await;
    }

    /// A session showed its second factor: whoever is in a room by it leads there from now on.
    pub async fn factor_shown(&self, session: TokenId) {
        self.tell_all(|| ToRoom::FactorShown(session)).await;
    }

    /// Tells everyone that the server stops, and waits until every session has ended and its rows are kept, within bounds: where the
    /// database takes nothing more, what is left is done when the server starts again.
    pub async fn drain(&self) {
        let mut tasks = {
            let mut running = self.running.lock().await;
            running.draining = true;
            std::mem::take(&mut running.tasks)
        };
        let ended = timeout(FAREWELL, async {
            self.tell_all(|| ToRoom::End(ErrorCode::Draining)).await;
            self.running.lock().await.rooms.clear();
            while tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::error!(rooms = tasks.len(), "sessions have not ended in time");
        }
    }

    /// Mentions something to every running room that has ears for it now. One that is flooded misses it, and holds up nobody.
    pub async fn mention(&self, message: impl Fn() -> ToRoom) {
        for room in self.running.lock().await.rooms.values() {
            let _missed = room.try_send(message());
        }
    }

    async fn tell_all(&self, message: impl Fn() -> ToRoom) {
        let rooms: Vec<_> = self.running.lock().await.rooms.values().cloned().collect();
        // All at once: a room that is slow to listen keeps no other one waiting.
        let told = rooms.iter().map(|room| room.send(message()));
        // A room that has just ended needs no telling.
        let _ended = join_all(told).await;
    }
}

impl From<KeptBar> for Bar {
    fn from(kept: KeptBar) -> Self {
        Self {
            id: kept.id,
            name: kept.name.expose().clone(),
            actor: kept.actor,
            account: kept.account,
            link: kept.link,
            device: kept.device,
            by: kept.by,
            at: kept.at,
        }
    }
}

impl From<Bar> for KeptBar {
    fn from(bar: Bar) -> Self {
        Self {
            id: bar.id,
            name: Secret::new(bar.name),
            actor: bar.actor,
            account: bar.account,
            link: bar.link,
            device: bar.device,
            by: bar.by,
            at: bar.at,
        }
    }
}
