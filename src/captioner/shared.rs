//! What rooms, taps and workers share: which track is whose, how the workers do, and the rooms that want to know. Every lock is
//! held for a few steps and never across a wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use conclave_captions::wire;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, mpsc};

use crate::captioner::desk::{Batch, Desk, Loss, Mailbox, Told};
use crate::captioner::settings::{CaptionerSettings, Translation};
use crate::captioner::track::{Packet, Track};
use crate::captioner::{recogniser, translator};
use crate::clock::{Clock, Timestamp};
use crate::ids::{self, ActorId};
use crate::secret::RandomSource;

/// Tracks that one worker may have at a time.
pub(super) const MOST_TRACKS: usize = 64;
/// Packets that may wait for a worker: some ten seconds of several people.
const MOST_AUDIO: usize = 4096;
/// Closed tracks that a worker may not have been told of yet.
const MOST_CLOSED: usize = 4 * MOST_TRACKS;
/// Requests that may wait for the translator.
pub(super) const MOST_BATCHES: usize = 256;
/// After so many starts in a row that came to nothing there is no point in hoping.
pub(super) const HOPELESS: u32 = 3;
/// How long before a worker is started again, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// What a worker heard so long before it perished may be what it perished of: it may have been silent until it was ended for that.
const SUSPECT: Duration = Duration::from_secs(10);
/// A worker that perished sooner than this was up for nothing.
const STEADY: Duration = Duration::from_secs(30);
/// More recognisers than this no machine needs.
const MOST_WORKERS: usize = 64;

/// Why there are no captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No model is set up.
    NoModel,
    /// The worker is not there.
    NoWorker,
    /// No worker stays up.
    Failed,
}

/// How the workers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why there are no captions; none if there are, or if they are about to be.
    pub trouble: Option<Trouble>,
    /// What translates, while it is up.
    pub engine: Option<String>,
    /// From which language into which, sorted.
    pub pairs: Vec<(String, String)>,
    /// The languages of which the recogniser itself makes English, sorted.
    pub english: Vec<String>,
}

/// The supervisor of the workers, as rooms have it. Everything ends with the last of its clones and desks.
#[derive(Clone, Debug)]
pub struct Captioner(Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: CaptionerSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) workers: Vec<Worker>,
    tracks: Mutex<HashMap<wire::Track, Entry>>,
    next: AtomicU64,
    health: Mutex<Health>,
    rooms: Mutex<Vec<Weak<Mailbox>>>,
    /// Rooms that have captions on.
    wanted: AtomicUsize,
    pub(super) wake: Notify,
    pub(super) translations: mpsc::Sender<(Weak<Mailbox>, Batch)>,
    /// Rooms in which somebody who speaks came to be left out, and workers that perished.
    pub(super) limited: Counter,
    pub(super) crashes: Counter,
}

/// One place for a recogniser.
#[derive(Debug)]
pub(super) struct Worker {
    /// Who it is in permits and in the audit trail.
    pub(super) actor: ActorId,
    pub(super) state: Mutex<WorkerState>,
}

#[derive(Debug, Default)]
pub(super) struct WorkerState {
    /// Where what was heard goes, while it is up.
    audio: Option<mpsc::Sender<Packet>>,
    closed: Option<mpsc::Sender<wire::Track>>,
    tracks: usize,
    pub(super) failures: u32,
    up_since: Option<Timestamp>,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// It was never up.
    Unstarted,
    /// Somebody ended it, or nobody needs it.
    Ended,
    /// It perished, or had to be ended.
    Crashed,
}

/// Whose a track is.
#[derive(Clone, Debug)]
struct Entry {
    track: Arc<Track>,
    worker: usize,
    mailbox: Weak<Mailbox>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

impl Captioner {
    /// Makes the supervisor. No worker runs before a room has captions on.
    pub fn start(
        settings: CaptionerSettings,
        clock: Arc<dyn Clock>,
        random: &dyn RandomSource,
    ) -> Self {
        let missing = match (&settings.worker, &settings.model) {
            (Some(worker), _) if !worker.is_file() => Some(Trouble::NoWorker),
            (None, _) => Some(Trouble::NoWorker),
            (_, None) => Some(Trouble::NoModel),
            _ => None,
        };
        let count = match missing {
            Some(_) => 0,
            None => settings.workers.clamp(1, MOST_WORKERS),
        };
        let workers = (0..count).map(|_| Worker {
            actor: ids::random(random),
            state: Mutex::default(),
        });
        let (translations, batches) = mpsc::channel(MOST_BATCHES);
        let shared = Arc::new(Shared {
            workers: workers.collect(),
            clock,
            tracks: Mutex::default(),
            next: AtomicU64::new(1),
            health: Mutex::new(Health {
                trouble: missing,
                ..Health::default()
            }),
            rooms: Mutex::default(),
            wanted: AtomicUsize::new(0),
            wake: Notify::new(),
            translations,
            limited: Counter::default(),
            crashes: Counter::default(),
            settings,
        });
        for worker in 0..count {
            tokio::spawn(recogniser::keep(Arc::downgrade(&shared), worker));
        }
        if count > 0 && !matches!(shared.settings.translation, Translation::None) {
            tokio::spawn(translator::keep(Arc::downgrade(&shared), batches));
        }
        Self(shared)
    }

    /// Registers what is counted.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "captions_limited",
            "Times that somebody who speaks came to be left out of a room's captions",
            self.0.limited.clone(),
        );
        registry.register(
            "caption_workers_crashed",
            "Recognisers that perished, or had to be ended",
            self.0.crashes.clone(),
        );
    }

    /// A room's end of it.
    pub fn desk(&self) -> Desk {
        let desk = Desk::new(self.0.clone());
        let mut rooms = locked(&self.0.rooms);
        rooms.retain(|room| room.strong_count() > 0);
        rooms.push(desk.mailbox());
        desk
    }
}

impl Shared {
    pub(super) fn health(&self) -> Health {
        locked(&self.health).clone()
    }

    /// Says how the workers do, if that is news.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Health)) {
        let mut health = locked(&self.health);
        let before = health.clone();
        change(&mut health);
        if *health != before {
            drop(health);
            self.ring();
        }
    }

    /// Lets every room look again.
    pub(super) fn ring(&self) {
        for room in locked(&self.rooms).iter().filter_map(Weak::upgrade) {
            room.look();
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > 0
    }

    pub(super) fn want(&self, wanted: bool) {
        if wanted {
            self.wanted.fetch_add(1, Ordering::AcqRel);
            self.wake.notify_waiters();
        } else {
            self.wanted.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Waits until a room has captions on; not at all if one has.
    pub(super) async fn wanted(&self) {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.is_wanted() {
                return;
            }
            woken.await;
        }
    }

    /// The worker that has the least to do.
    pub(super) fn least_busy(&self) -> Option<usize> {
        let up = self
            .workers
            .iter()
            .enumerate()
            .filter_map(|(place, worker)| {
                let state = locked(&worker.state);
                (state.audio.is_some() && state.tracks < MOST_TRACKS)
                    .then_some((state.tracks, place))
            });
        up.min().map(|(_, place)| place)
    }

    /// Whether some worker is up, and none of those can take another track.
    pub(super) fn is_full(&self) -> bool {
        let is_up = |worker: &Worker| locked(&worker.state).audio.is_some();
        self.workers.iter().any(is_up) && self.least_busy().is_none()
    }

    /// Makes a track of that worker; nothing if it is not up any more.
    pub(super) fn open(
        &self,
        worker: usize,
        mailbox: Weak<Mailbox>,
        told: Told,
    ) -> Option<(Arc<Track>, mpsc::Sender<Packet>)> {
        let mut state = locked(&self.workers.get(worker)?.state);
        let audio = state.audio.clone()?;
        if state.tracks >= MOST_TRACKS {
            return None;
        }
        state.tracks += 1;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let language = told.language.or_else(|| self.settings.language.clone());
        let track = Arc::new(Track::new(id, language, told.words));
        let entry = Entry {
            track: track.clone(),
            worker,
            mailbox,
        };
        locked(&self.tracks).insert(track.id, entry);
        Some((track, audio))
    }

    /// Ends a track at once: whatever waits of it goes nowhere, and its worker is told to drop what it has.
    pub(super) fn close(&self, track: wire::Track) {
        let entry = locked(&self.tracks).get(&track).cloned();
        if entry.is_some_and(|entry| entry.track.shut()) {
            self.closed(track, Loss::Worker);
        }
    }

    /// A track whose gate was just shut.
    pub(super) fn closed(&self, track: wire::Track, how: Loss) {
        let Some(entry) = locked(&self.tracks).remove(&track) else {
            return;
        };
        if let Some(worker) = self.workers.get(entry.worker) {
            let mut state = locked(&worker.state);
            state.tracks = state.tracks.saturating_sub(1);
            if let Some(closed) = &state.closed {
                // A worker so far behind that it is not told is about to be ended.
                let _untold = closed.try_send(track);
            }
        }
        if let Some(mailbox) = entry.mailbox.upgrade() {
            mailbox.lost(track, how);
        }
    }

    /// Whose the track is, while it is open: the worker that has it, and the room.
    pub(super) fn find(&self, track: wire::Track) -> Option<(usize, Arc<Mailbox>)> {
        let tracks = locked(&self.tracks);
        let entry = tracks.get(&track).filter(|entry| entry.track.is_open())?;
        Some((entry.worker, entry.mailbox.upgrade()?))
    }

    /// A worker is up.
    pub(super) fn up(
        &self,
        worker: usize,
    ) -> Option<(mpsc::Receiver<Packet>, mpsc::Receiver<wire::Track>)> {
        let mut state = locked(&self.workers.get(worker)?.state);
        let (audio, packets) = mpsc::channel(MOST_AUDIO);
        let (closed, closes) = mpsc::channel(MOST_CLOSED);
        *state = WorkerState {
            audio: Some(audio),
            closed: Some(closed),
            failures: state.failures,
            up_since: Some(self.clock.now()),
            ..WorkerState::default()
        };
        drop(state);
        self.tell(|health| health.trouble = None);
        self.ring();
        Some((packets, closes))
    }

    /// A worker is down, and with it all of its tracks.
    pub(super) fn down(&self, worker: usize, how: Down) -> Duration {
        let Some(place) = self.workers.get(worker) else {
            return BACK_OFF.1;
        };
        let now = self.clock.now();
        if how == Down::Crashed {
            self.crashes.inc();
        }
        let failures = {
            let mut state = locked(&place.state);
            // Whoever perishes as soon as it is up is not started again all the time.
            let steady = state.up_since.is_some_and(|up| now.since(up) >= STEADY);
            let failures = match how {
                Down::Ended => 0,
                Down::Crashed if steady => 1,
                Down::Crashed | Down::Unstarted => state.failures.saturating_add(1),
            };
            *state = WorkerState {
                failures,
                ..WorkerState::default()
            };
            failures
        };
        let lost: Vec<_> = {
            let tracks = locked(&self.tracks);
            let own = tracks.iter().filter(|(_, entry)| entry.worker == worker);
            own.map(|(_, entry)| entry.track.clone()).collect()
        };
        for track in lost.into_iter().filter(|track| track.shut()) {
            let heard = how == Down::Crashed && track.was_given(SUSPECT, now);
            self.closed(track.id, if heard { Loss::Crash } else { Loss::Worker });
        }
        let hopeless = |worker: &Worker| {
            let state = locked(&worker.state);
            state.audio.is_none() && state.failures >= HOPELESS
        };
        if self.workers.iter().all(hopeless) {
            self.tell(|health| health.trouble = Some(Trouble::Failed));
        }
        back_off(failures)
    }

    /// Whether the captions of any of these tracks come late.
    pub(super) fn is_late(&self, own: impl IntoIterator<Item = u64>) -> bool {
        let tracks = locked(&self.tracks);
        own.into_iter()
            .filter_map(|track| tracks.get(&wire::Track(track)))
            .any(|entry| entry.track.is_late())
    }

    /// Whether the finished cues of a track are wanted in English too; its worker hears of that with the next sound of it.
    pub(super) fn want_english(&self, track: wire::Track, wanted: bool) {
        if let Some(entry) = locked(&self.tracks).get(&track) {
            entry.track.want_english(wanted);
        }
    }

    /// What a worker says of how late one of its tracks is.
    pub(super) fn late(&self, worker: usize, track: wire::Track, late: bool) {
        let entry = locked(&self.tracks).get(&track).cloned();
        if let Some(entry) = entry.filter(|entry| entry.worker == worker)
            && entry.track.set_late(late)
            && let Some(mailbox) = entry.mailbox.upgrade()
        {
            mailbox.look();
        }
    }
}

/// How long to wait after so many starts that came to nothing.
pub(super) fn back_off(failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(16));
    BACK_OFF.0.saturating_mul(factor).min(BACK_OFF.1)
}

pub(super) fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::secret::SystemRandom;

    /// Places for two workers, of which none runs.
    pub(in crate::captioner) fn of_two() -> Arc<Shared> {
        let worker = || Worker {
            actor: ids::random(&SystemRandom),
            state: Mutex::default(),
        };
        Arc::new(Shared {
            settings: CaptionerSettings::default(),
            clock: Arc::new(SystemClock),
            workers: vec![worker(), worker()],
            tracks: Mutex::default(),
            next: AtomicU64::new(1),
            health: Mutex::default(),
            rooms: Mutex::default(),
            wanted: AtomicUsize::new(0),
            wake: Notify::new(),
            translations: mpsc::channel(1).0,
            limited: Counter::default(),
            crashes: Counter::default(),
        })
    }

    #[test]
    fn a_worker_that_dies_is_back_soon_and_one_that_never_starts_is_not_tried_all_the_time() {
        assert!(back_off(0) + back_off(1) + back_off(2) < Duration::from_secs(1));
        assert_eq!(back_off(100), BACK_OFF.1);
    }

    #[test]
    fn tracks_go_to_the_worker_with_the_fewest_and_never_to_one_that_is_down() {
        let shared = of_two();
        let mut desk = Desk::new(shared.clone());
        assert_eq!(desk.assign(), None);
        let _first = shared.up(0).unwrap();
        assert_eq!(desk.assign().unwrap().0, 0);
        let (opening, _second) = (
            desk.open(0, Told::default()).unwrap(),
            shared.up(1).unwrap(),
        );
        assert_eq!(desk.assign().unwrap().0, 1);
        drop(opening);
        assert_eq!(desk.assign().unwrap().0, 0, "what is closed counts no more");
        for _ in 0..2 * MOST_TRACKS {
            if let Some((worker, _)) = desk.assign() {
                std::mem::forget(desk.open(worker, Told::default()));
            }
        }
        assert_eq!(desk.assign(), None, "all are full");
        assert!(desk.open(0, Told::default()).is_none());
        assert!(desk.is_full());
        shared.down(0, Down::Ended);
        assert_eq!(desk.collect().lost.len(), MOST_TRACKS + 1);
        assert_eq!(desk.assign(), None);
    }

    #[test]
    fn a_worker_that_perishes_in_what_it_hears_is_started_ever_later_and_it_is_known_whose_that_was()
     {
        let shared = of_two();
        let mut desk = Desk::new(shared.clone());
        let mut waits = Vec::new();
        for _ in 0..3 {
            let _up = shared.up(0).unwrap();
            let (spoke, silent) = (desk.open(0, Told::default()), desk.open(0, Told::default()));
            let (spoke, silent) = (spoke.unwrap(), silent.unwrap());
            let entry = locked(&shared.tracks)[&wire::Track(spoke.track)].clone();
            entry.track.give(shared.clock.now());
            waits.push(shared.down(0, Down::Crashed));
            let lost = desk.collect().lost;
            assert_eq!(
                lost,
                [(spoke.track, Loss::Crash), (silent.track, Loss::Worker)]
            );
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2]);
        let _up = shared.up(0).unwrap();
        assert_eq!(
            shared.down(0, Down::Ended),
            back_off(0),
            "ended by somebody"
        );
    }
}
