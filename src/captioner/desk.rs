//! A room's end of the captioner: it opens and closes tracks, asks for translations, and collects what comes back. What is newer
//! takes the place of what is older and was not collected yet, so that a busy room costs no memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use conclave_captions::wire;
use tokio::sync::Notify;

use crate::captioner::settings::Translation;
use crate::captioner::shared::{Health, Shared, locked};
use crate::captioner::track::Line;
use crate::ids::ActorId;
use crate::media::tap::Ear;

/// In the place of a track: what came of a worker that it is not assigned to. No track has this number.
const FOREIGN: u64 = u64::MAX;
/// Captions that may wait for a room. Finished ones are never left out for unfinished ones.
const MOST_CUES: usize = 512;
/// Answers of the translator that may wait for a room.
const MOST_TRANSLATED: usize = 512;

/// A caption as a worker gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueIn {
    /// Of which track.
    pub track: u64,
    /// Who gave it.
    pub by: ActorId,
    /// Whether the track is assigned to that worker.
    pub own: bool,
    /// Its number in the track.
    pub cue: u64,
    /// The language of the text.
    pub language: String,
    /// When it begins, by the time of the meeting.
    pub t0: i64,
    /// When it ends.
    pub t1: i64,
    /// What stays.
    pub committed: String,
    /// What may change.
    pub tentative: String,
    /// Nothing follows.
    pub finished: bool,
}

/// What a finished caption is in English, as the recogniser heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnglishIn {
    /// Of which track.
    pub track: u64,
    /// Who gave it.
    pub by: ActorId,
    /// The number of the caption in the track.
    pub cue: u64,
    /// Nothing if it could not be done.
    pub text: Option<String>,
}

/// Texts to be translated together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Comes back.
    pub id: u64,
    /// Their language.
    pub source: String,
    /// The language wanted.
    pub target: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// What came of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Translated {
    /// Of which.
    pub id: u64,
    /// A text for each; nothing where it could not be translated.
    pub texts: Vec<Option<String>>,
}

/// What a room did not know yet.
#[derive(Debug, Default)]
pub struct News {
    /// Tracks that ended without the room's doing, or with it, and how.
    pub lost: Vec<(u64, Loss)>,
    /// Captions, in order.
    pub cues: Vec<CueIn>,
    /// Captions in English, which come after them.
    pub english: Vec<EnglishIn>,
    /// Translations.
    pub translated: Vec<Translated>,
}

/// How a track ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The media plane has no more sound of it, or sound of another kind.
    Sound,
    /// Its worker ended, which was not for anything that it had heard of late.
    Worker,
    /// Its worker perished soon after it heard of it.
    Crash,
}

/// What a recogniser is told of a new track.
#[derive(Clone, Default)]
pub struct Told {
    /// The language that is spoken, if somebody said so; else the operator's.
    pub language: Option<String>,
    /// Words and names that may come up; never printed.
    pub words: Vec<String>,
}

/// A new track, for the media plane.
#[derive(Debug)]
pub struct Opening {
    /// Its number.
    pub track: u64,
    /// What hears.
    pub ear: Box<dyn Ear>,
}

/// A room's end.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    wanted: bool,
    tracks: BTreeSet<u64>,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            mailbox: Arc::default(),
            wanted: false,
            tracks: BTreeSet::new(),
        }
    }

    pub(super) fn mailbox(&self) -> Weak<Mailbox> {
        Arc::downgrade(&self.mailbox)
    }

    /// Whether the room has captions on.
    pub fn want(&mut self, wanted: bool) {
        if std::mem::replace(&mut self.wanted, wanted) != wanted {
            self.shared.want(wanted);
        }
    }

    /// How the workers do.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Whether the captions of this room come late.
    pub fn is_delayed(&self) -> bool {
        self.shared.is_late(self.tracks.iter().copied())
    }

    /// The worker that a new track would be assigned to, and who that is; nothing while none is up.
    pub fn assign(&self) -> Option<(usize, ActorId)> {
        let worker = self.shared.least_busy()?;
        Some((worker, self.shared.workers.get(worker)?.actor))
    }

    /// Whether there are workers, and all of them have as many tracks as they can.
    pub fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// Whether what translates is a machine of somebody else.
    pub fn is_outside(&self) -> bool {
        matches!(
            self.shared.settings.translation,
            Translation::Http {
                internal: false,
                ..
            }
        )
    }

    /// Whether recognisers may be told the names of who is in.
    pub fn tells_names(&self) -> bool {
        self.shared.settings.hints
    }

    /// Somebody who speaks is not captioned, in a room in which everybody was.
    pub fn count_limited(&self) {
        self.shared.limited.inc();
    }

    /// Opens a track of that worker, if it is still the one that it was. It is closed with [`Desk::close`], by the media plane,
    /// or when the worker ends.
    pub fn open(&mut self, worker: usize, told: Told) -> Option<Opening> {
        let (track, audio) = self.shared.open(worker, self.mailbox(), told)?;
        let id = track.id.0;
        self.tracks.insert(id);
        let clock = &self.shared.clock;
        let ear = Line {
            track,
            shared: Arc::downgrade(&self.shared),
            audio,
            base: (clock.instant(), clock.now()),
            codec: None,
        };
        Some(Opening {
            track: id,
            ear: Box::new(ear),
        })
    }

    /// Ends a track. When this returns nothing of it comes any more.
    pub fn close(&mut self, track: u64) {
        self.shared.close(wire::Track(track));
        self.tracks.remove(&track);
        self.mailbox.forget(track);
    }

    /// Whether the recogniser is to say in English what is said in a track.
    pub fn want_english(&self, track: u64, wanted: bool) {
        self.shared.want_english(wire::Track(track), wanted);
    }

    /// Asks for a translation; `false` if there is nobody to ask.
    pub fn translate(&self, batch: Batch) -> bool {
        self.shared
            .translations
            .try_send((self.mailbox(), batch))
            .is_ok()
    }

    /// Waits until there is something to collect.
    pub async fn rung(&self) {
        self.mailbox.bell.notified().await;
    }

    /// What came since the last time.
    pub fn collect(&mut self) -> News {
        let post = std::mem::take(&mut *locked(&self.mailbox.post));
        for track in post.lost.keys() {
            self.tracks.remove(track);
        }
        News {
            lost: post.lost.into_iter().collect(),
            cues: post.cues.into_values().collect(),
            english: post.english.into(),
            translated: post.translated.into(),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.want(false);
        for track in std::mem::take(&mut self.tracks) {
            self.close(track);
        }
    }
}

/// Where what comes waits for a room.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    post: Mutex<Post>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Post {
    lost: BTreeMap<u64, Loss>,
    cues: BTreeMap<(u64, u64), CueIn>,
    english: VecDeque<EnglishIn>,
    translated: VecDeque<Translated>,
}

impl Mailbox {
    /// Something that is not in it is worth a look.
    pub(super) fn look(&self) {
        self.bell.notify_one();
    }

    /// A track ended. What it said before is still there, unless it is forgotten.
    pub(super) fn lost(&self, track: wire::Track, how: Loss) {
        locked(&self.post).lost.insert(track.0, how);
        self.bell.notify_one();
    }

    /// Takes a caption; a later revision takes the place of an earlier one. `false` if there is no room for it.
    pub(super) fn put(&self, cue: CueIn) -> bool {
        let mut post = locked(&self.post);
        // What somebody else says of a track takes nobody's place: one such waits, to be refused and written down.
        let key = if cue.own {
            (cue.track, cue.cue)
        } else {
            (FOREIGN, cue.track)
        };
        let full = post.cues.len() >= MOST_CUES && !post.cues.contains_key(&key);
        if full {
            let open = post.cues.iter().find(|(_, cue)| !cue.finished);
            let Some(open) = open.map(|(key, _)| *key) else {
                return false;
            };
            post.cues.remove(&open);
        }
        post.cues.insert(key, cue);
        drop(post);
        self.bell.notify_one();
        true
    }

    pub(super) fn english(&self, english: EnglishIn) {
        let mut post = locked(&self.post);
        if post.english.len() >= MOST_TRANSLATED {
            post.english.pop_front();
        }
        post.english.push_back(english);
        drop(post);
        self.bell.notify_one();
    }

    pub(super) fn translated(&self, translated: Translated) {
        let mut post = locked(&self.post);
        if post.translated.len() >= MOST_TRANSLATED {
            post.translated.pop_front();
        }
        post.translated.push_back(translated);
        drop(post);
        self.bell.notify_one();
    }

    fn forget(&self, track: u64) {
        let mut post = locked(&self.post);
        post.cues.retain(|(of, _), _| *of != track);
        post.english.retain(|english| english.track != track);
        post.lost.remove(&track);
    }
}
