//! Keeps one recogniser running: starts it when a room has captions on, gives it what is heard, checks what it says, and ends it
//! when it stalls, floods or speaks nonsense.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use conclave_captions::wire::{
    Closing, FromRecogniser, MAX_LANGUAGE, STEP_MS, ToRecogniser, Track, VERSION,
};
use tokio::sync::mpsc;

use crate::captioner::desk::{CueIn, EnglishIn};
use crate::captioner::process::{Ended, Process, Reader, Writer, plain, was_killed};
use crate::captioner::shared::{Down, Shared};
use crate::captioner::track::Packet;

/// How long a worker may take until it is ready: a large model on a slow disk.
const START: Duration = Duration::from_secs(60);
/// How often it is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_millis(500);
const STALL: Duration = Duration::from_secs(5);
/// How long it may be idle before it is ended.
const IDLE: Duration = Duration::from_secs(60);
/// Messages that a worker may send a second: some for each of its tracks.
const MOST_MESSAGES: u32 = 2000;
/// Revisions of the captions of one track a second, beyond which those that are not final are left out.
const MOST_REVISIONS: u32 = 10;

/// Keeps the worker running for as long as there is a server.
pub(super) async fn keep(shared: Weak<Shared>, worker: usize) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        // A server that stops lets go of all desks, and then of this.
        tokio::select! {
            () = strong.wanted() => {}
            () = tokio::time::sleep(IDLE) => continue,
        }
        let (ended, was_up) = run(&strong, worker).await;
        let how = match was_up {
            false => Down::Unstarted,
            true if ended.is_crash() => Down::Crashed,
            true => Down::Ended,
        };
        let wait = strong.down(worker, how);
        drop(strong);
        if matches!(ended, Ended::Idle) {
            continue;
        }
        let cause = std::error::Error::source(&ended).map(ToString::to_string);
        tracing::warn!(worker = "recogniser", place = worker, %ended, cause, "starting it again");
        tokio::time::sleep(wait).await;
    }
}

/// One life of the worker: why it ended, and whether it was up before.
async fn run(shared: &Arc<Shared>, worker: usize) -> (Ended, bool) {
    let settings = &shared.settings;
    let (Some(program), Some(model)) = (&settings.worker, &settings.model) else {
        return (Ended::Idle, false);
    };
    let process = match Process::start(program, "recogniser", &settings.flags()) {
        Ok(process) => process,
        Err(ended) => return (ended, false),
    };
    let Process {
        mut child,
        mut reader,
        mut writer,
    } = process;
    let hello = ToRecogniser::Hello {
        version: VERSION,
        model: model.to_string_lossy().into_owned(),
        language: settings.language.clone(),
        partial_step_ms: STEP_MS,
    };
    match greet(&mut reader, &mut writer, &hello).await {
        Err(ended) => return (ended, false),
        Ok(english) => shared.tell(|health| health.english = english),
    }
    let Some((packets, closes)) = shared.up(worker) else {
        return (Ended::Idle, true);
    };
    let (pings, pinged) = mpsc::channel(4);
    // Writing waits for the worker to read: apart from reading, so that neither waits for the other.
    let ended = tokio::select! {
        ended = write(shared, writer, packets, closes, pinged) => ended,
        ended = listen(shared, worker, reader, pings) => ended,
    };
    let ended = match ended {
        Ended::Gone if was_killed(&mut child).await => Ended::Killed,
        ended => ended,
    };
    (ended, true)
}

async fn greet(
    reader: &mut Reader,
    writer: &mut Writer,
    hello: &ToRecogniser,
) -> Result<Vec<String>, Ended> {
    writer.send(hello).await?;
    let first = tokio::time::timeout(START, reader.next::<FromRecogniser>());
    match first.await.map_err(|_| Ended::Stalled)?? {
        FromRecogniser::Ready {
            version: VERSION,
            model,
            languages,
            multilingual,
        } => {
            let (model, count) = (plain(&model), languages.len());
            tracing::info!(
                worker = "recogniser",
                model,
                languages = count,
                multilingual,
                "up"
            );
            Ok(match multilingual {
                true => sources_of_english(languages),
                false => Vec::new(),
            })
        }
        FromRecogniser::Failed { reason } => Err(Ended::said(&reason)),
        _ => Err(Ended::Nonsense),
    }
}

/// Writes what is heard, as long as its gate is open: a track is opened with its first packet and closed with a word.
async fn write(
    shared: &Shared,
    mut writer: Writer,
    mut packets: mpsc::Receiver<Packet>,
    mut closes: mpsc::Receiver<Track>,
    mut pings: mpsc::Receiver<u64>,
) -> Ended {
    // What is open, and whether it is wanted in English.
    let mut open: HashMap<Track, bool> = HashMap::new();
    loop {
        let sent = tokio::select! {
            biased;
            Some(track) = closes.recv() => match open.remove(&track) {
                Some(_) => {
                    let why = Closing::Cut;
                    writer.send(&ToRecogniser::Close { track, why }).await
                }
                None => Ok(()),
            },
            Some(nonce) = pings.recv() => writer.send(&ToRecogniser::Ping { nonce }).await,
            Some(packet) = packets.recv() => {
                packet.track.give(shared.clock.now());
                say(&mut writer, &mut open, packet).await
            }
            else => return Ended::Idle,
        };
        if let Err(ended) = sent {
            return ended;
        }
    }
}

async fn say(
    writer: &mut Writer,
    open: &mut HashMap<Track, bool>,
    packet: Packet,
) -> Result<(), Ended> {
    let Packet {
        track,
        codec,
        sequence,
        timestamp,
        at,
        payload,
    } = packet;
    if !track.is_open() {
        return Ok(());
    }
    if !open.contains_key(&track.id) {
        let opening = ToRecogniser::Open {
            track: track.id,
            codec,
            language: track.language.clone(),
            hints: track.hints.clone(),
        };
        writer.send(&opening).await?;
    }
    let wanted = track.wants_english();
    if open.insert(track.id, wanted).unwrap_or(false) != wanted {
        let track = track.id;
        writer
            .send(&ToRecogniser::English { track, wanted })
            .await?;
    }
    let audio = ToRecogniser::Audio {
        track: track.id,
        sequence,
        timestamp,
        at_ms: at,
        payload,
    };
    writer.send(&audio).await
}

/// Takes what the worker says, and asks it whether it is there.
async fn listen(
    shared: &Arc<Shared>,
    worker: usize,
    mut reader: Reader,
    pings: mpsc::Sender<u64>,
) -> Ended {
    let mut ticks = tokio::time::interval(PING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let start = shared.clock.instant();
    let (mut asked, mut answered, mut heard) = (0_u64, start, start);
    let mut flood = Pace::new(start);
    let mut said = HashMap::new();
    loop {
        let message = tokio::select! {
            message = reader.next::<FromRecogniser>() => message,
            _ = ticks.tick() => {
                let now = shared.clock.instant();
                if shared.is_wanted() {
                    heard = now;
                }
                if now.saturating_duration_since(answered) > STALL {
                    return Ended::Stalled;
                }
                if now.saturating_duration_since(heard) > IDLE {
                    return Ended::Idle;
                }
                asked += 1;
                // With some on their way already there is no need for another.
                let _under_way = pings.try_send(asked);
                continue;
            }
        };
        let now = shared.clock.instant();
        if !flood.allows(MOST_MESSAGES, now) {
            return Ended::Flood;
        }
        match message {
            Err(ended) => return ended,
            Ok(FromRecogniser::Failed { reason }) => return Ended::said(&reason),
            Ok(FromRecogniser::Ready { .. }) => return Ended::Nonsense,
            Ok(FromRecogniser::Pong { .. }) => answered = now,
            Ok(FromRecogniser::Closed { track }) => {
                said.remove(&track);
            }
            Ok(FromRecogniser::Load {
                waiting,
                delayed,
                finals_only,
            }) => {
                tracing::debug!(worker = "recogniser", waiting, delayed, finals_only, "load");
            }
            Ok(FromRecogniser::Late { track, late }) => shared.late(worker, track, late),
            Ok(FromRecogniser::English { track, cue, text }) => {
                take_english(shared, worker, (track, cue), text);
            }
            Ok(cue @ FromRecogniser::Cue { .. }) => take(shared, worker, &mut said, cue, now),
        }
    }
}

/// The languages of which a model that knows these makes English.
fn sources_of_english(mut languages: Vec<String>) -> Vec<String> {
    languages.retain(|code| is_language(code) && code != "en");
    languages.sort_unstable();
    languages.dedup();
    languages
}

/// Gives what a caption is in English to the room whose track it is. Nobody else's word counts.
fn take_english(shared: &Shared, worker: usize, (track, cue): (Track, u64), text: Option<String>) {
    let found = shared.find(track);
    let Some((_, mailbox)) = found.filter(|(assigned, _)| *assigned == worker) else {
        return;
    };
    let Some(place) = shared.workers.get(worker) else {
        return;
    };
    mailbox.english(EnglishIn {
        track: track.0,
        by: place.actor,
        cue,
        text,
    });
}

/// What a worker has said of one track.
struct Said {
    cue: u64,
    revision: u32,
    committed: String,
    finished: bool,
    pace: Pace,
}

/// Checks a caption and gives it to the room whose track it is. What is not as it must be is left out: a worker is not trusted.
fn take(
    shared: &Arc<Shared>,
    worker: usize,
    said: &mut HashMap<Track, Said>,
    cue: FromRecogniser,
    now: Instant,
) {
    let FromRecogniser::Cue {
        track,
        cue,
        revision,
        language,
        t0_ms,
        t1_ms,
        committed,
        tentative,
        finished,
    } = cue
    else {
        return;
    };
    // A track that is closed is nobody's: what was said of it after that is dropped here.
    let Some((assigned, mailbox)) = shared.find(track) else {
        said.remove(&track);
        return;
    };
    let Some(place) = shared.workers.get(worker) else {
        return;
    };
    let own = assigned == worker;
    if own {
        let goes_on = match said.get_mut(&track) {
            None => true,
            Some(before) if before.cue == cue => {
                !before.finished
                    && revision > before.revision
                    && committed.starts_with(&before.committed)
                    && (finished || before.pace.allows(MOST_REVISIONS, now))
            }
            Some(before) => cue > before.cue,
        };
        let sound = t1_ms >= t0_ms && is_language(&language) && (!finished || tentative.is_empty());
        if !goes_on || !sound {
            tracing::debug!(
                worker = "recogniser",
                track = track.0,
                "a caption is left out"
            );
            return;
        }
        let pace = match said.remove(&track) {
            Some(before) => before.pace,
            None => Pace::new(now),
        };
        let committed = committed.clone();
        let known = Said {
            cue,
            revision,
            committed,
            finished,
            pace,
        };
        said.insert(track, known);
    }
    let taken = mailbox.put(CueIn {
        track: track.0,
        by: place.actor,
        own,
        cue,
        language,
        t0: t0_ms,
        t1: t1_ms,
        committed,
        tentative,
        finished,
    });
    if !taken {
        tracing::warn!(
            worker = "recogniser",
            "a room does not keep up with its captions"
        );
    }
}

/// Whether it can be the code of a language.
pub(super) fn is_language(text: &str) -> bool {
    (2..=MAX_LANGUAGE.min(16)).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Counts what happens within a second.
#[derive(Debug)]
struct Pace {
    since: Instant,
    count: u32,
}

impl Pace {
    const fn new(now: Instant) -> Self {
        Self {
            since: now,
            count: 0,
        }
    }

    fn allows(&mut self, most: u32, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captioner::desk::{Desk, Told};
    use crate::captioner::shared::tests::of_two;

    fn cue(track: u64, numbers: (u64, u32), committed: &str) -> FromRecogniser {
        FromRecogniser::Cue {
            track: Track(track),
            cue: numbers.0,
            revision: numbers.1,
            language: "en".into(),
            t0_ms: 0,
            t1_ms: 1,
            committed: committed.into(),
            tentative: String::new(),
            finished: false,
        }
    }

    #[test]
    fn x01_a_worker_speaks_for_its_own_tracks_and_takes_nothing_back() {
        let shared = of_two();
        let mut desk = Desk::new(shared.clone());
        let _up = (shared.up(0).unwrap(), shared.up(1).unwrap());
        let opening = desk.open(0, Told::default()).unwrap();
        let (track, now) = (opening.track, shared.clock.instant());
        let (mut own, mut other) = (HashMap::new(), HashMap::new());
        let mut put = |worker: usize, message| {
            let said = if worker == 0 { &mut own } else { &mut other };
            take(&shared, worker, said, message, now);
            let cues = desk.collect().cues;
            cues.into_iter()
                .map(|cue| (cue.own, cue.committed))
                .collect::<Vec<_>>()
        };
        // Another worker's word about it comes to the room as such, where policy refuses it.
        assert_eq!(
            put(1, cue(track, (9, 9), "forged")),
            [(false, "forged".into())]
        );
        assert_eq!(
            put(0, cue(track, (1, 1), "we begin")),
            [(true, "we begin".into())]
        );
        assert!(
            put(0, cue(track, (1, 2), "they begin")).is_empty(),
            "taken back"
        );
        assert!(
            put(0, cue(track, (1, 1), "we begin now")).is_empty(),
            "an old revision"
        );
        assert!(put(0, cue(track + 1, (1, 1), "nobody's")).is_empty());
        assert_eq!(put(0, cue(track, (1, 3), "we begin now")).len(), 1);
        assert_eq!(put(0, cue(track, (2, 1), "next")).len(), 1);
        assert!(
            put(0, cue(track, (1, 4), "we begin now again")).is_empty(),
            "an old cue"
        );
        // What comes after the end is nobody's.
        drop(opening);
        assert!(put(0, cue(track, (2, 2), "next words")).is_empty());
    }

    #[test]
    fn x01_a_forged_caption_takes_no_honest_ones_place() {
        let shared = of_two();
        let mut desk = Desk::new(shared.clone());
        let _up = (shared.up(0).unwrap(), shared.up(1).unwrap());
        let opening = desk.open(0, Told::default()).unwrap();
        let (track, now) = (opening.track, shared.clock.instant());
        let (mut own, mut other) = (HashMap::new(), HashMap::new());
        take(&shared, 0, &mut own, cue(track, (1, 1), "we begin"), now);
        for number in 1..2_000 {
            take(
                &shared,
                1,
                &mut other,
                cue(track, (number, 9), "forged"),
                now,
            );
        }
        take(
            &shared,
            0,
            &mut own,
            cue(track, (1, 2), "we begin now"),
            now,
        );
        let cues = desk.collect().cues;
        let honest: Vec<_> = cues.iter().filter(|cue| cue.own).collect();
        assert_eq!(honest.len(), 1);
        assert_eq!(honest[0].committed, "we begin now");
        assert_eq!(cues.len(), 2, "one of the forged, to be refused");
    }

    #[test]
    fn what_waits_for_a_room_goes_with_the_track() {
        let shared = of_two();
        let mut desk = Desk::new(shared.clone());
        let _up = shared.up(0).unwrap();
        let opening = desk.open(0, Told::default()).unwrap();
        let track = opening.track;
        let now = shared.clock.instant();
        take(
            &shared,
            0,
            &mut HashMap::new(),
            cue(track, (1, 1), "we begin"),
            now,
        );
        desk.close(track);
        let news = desk.collect();
        assert!(news.cues.is_empty() && news.lost.is_empty());
    }
}
