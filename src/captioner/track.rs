//! One tap on its way to a recogniser: the ear that the media plane calls, and the gate that ends it. Once the gate is shut
//! nothing that was heard goes any further, wherever it waits.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use conclave_captions::wire;
use tokio::sync::mpsc;

use crate::captioner::desk::Loss;
use crate::captioner::shared::Shared;
use crate::clock::Timestamp;
use crate::media::codec::Codec;
use crate::media::tap::{Ear, Sound};

/// A tap, as the worker it is assigned to is told of it.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: wire::Track,
    pub(super) language: Option<String>,
    pub(super) hints: Vec<String>,
    shut: AtomicBool,
    /// Whether its finished cues are wanted in English of the recogniser itself.
    english: AtomicBool,
    /// Whether its captions come late, by the word of its worker.
    late: AtomicBool,
    /// When its worker last got sound of it, in milliseconds; never: the least.
    given: AtomicI64,
}

impl Track {
    pub(super) const fn new(id: u64, language: Option<String>, hints: Vec<String>) -> Self {
        Self {
            id: wire::Track(id),
            language,
            hints,
            shut: AtomicBool::new(false),
            english: AtomicBool::new(false),
            late: AtomicBool::new(false),
            given: AtomicI64::new(i64::MIN),
        }
    }

    /// Its worker gets sound of it.
    pub(super) fn give(&self, now: Timestamp) {
        self.given.store(now.as_millis(), Ordering::Release);
    }

    /// Whether its worker got sound of it within this time.
    pub(super) fn was_given(&self, within: Duration, now: Timestamp) -> bool {
        let given = self.given.load(Ordering::Acquire);
        given != i64::MIN && now.since(Timestamp::from_millis(given)) <= within
    }

    pub(super) fn want_english(&self, wanted: bool) {
        self.english.store(wanted, Ordering::Release);
    }

    pub(super) fn wants_english(&self) -> bool {
        self.english.load(Ordering::Acquire)
    }

    /// Says whether that is news.
    pub(super) fn set_late(&self, late: bool) -> bool {
        self.late.swap(late, Ordering::AcqRel) != late
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    /// Whether what was heard may still go on.
    pub(super) fn is_open(&self) -> bool {
        !self.shut.load(Ordering::Acquire)
    }

    /// Ends it for good; says whether it was open.
    pub(super) fn shut(&self) -> bool {
        !self.shut.swap(true, Ordering::AcqRel)
    }
}

/// One packet on its way.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) track: Arc<Track>,
    pub(super) codec: wire::Codec,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) at: i64,
    pub(super) payload: Vec<u8>,
}

/// What the media plane calls.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) track: Arc<Track>,
    pub(super) shared: Weak<Shared>,
    pub(super) audio: mpsc::Sender<Packet>,
    /// The same moment on both clocks.
    pub(super) base: (Instant, Timestamp),
    pub(super) codec: Option<wire::Codec>,
}

impl Ear for Line {
    fn hear(&mut self, sound: &Sound<'_>) -> bool {
        let codec = match sound.codec {
            Codec::Opus => wire::Codec::Opus,
            Codec::G722 => wire::Codec::G722,
            Codec::Pcmu => wire::Codec::Pcmu,
            Codec::Pcma => wire::Codec::Pcma,
            _ => return false,
        };
        // A track is of one codec; with another it begins anew.
        if !self.track.is_open() || *self.codec.get_or_insert(codec) != codec {
            return false;
        }
        if sound.payload.len() > wire::MAX_PAYLOAD {
            return true;
        }
        let packet = Packet {
            track: self.track.clone(),
            codec,
            sequence: sound.sequence,
            timestamp: sound.timestamp,
            at: self.millis(sound.at),
            payload: sound.payload.to_vec(),
        };
        // A worker that does not keep up loses sound, as by a bad network. One that is gone hears no more.
        !matches!(
            self.audio.try_send(packet),
            Err(mpsc::error::TrySendError::Closed(_))
        )
    }
}

impl Line {
    fn millis(&self, at: Instant) -> i64 {
        let (instant, time) = self.base;
        let apart = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(0);
        time.as_millis()
            .saturating_add(apart(at.saturating_duration_since(instant)))
            .saturating_sub(apart(instant.saturating_duration_since(at)))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.track.shut()
            && let Some(shared) = self.shared.upgrade()
        {
            shared.closed(self.track.id, Loss::Sound);
        }
    }
}
