//! Keeps the translator running, and gives it what rooms want translated. What it does not translate in time comes back
//! untranslated: then the original is shown.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use conclave_captions::wire::{Engine, FromTranslator, MAX_TEXTS, ToTranslator, VERSION};
use tokio::sync::mpsc;

use crate::captioner::desk::{Batch, Mailbox, Translated};
use crate::captioner::process::{Ended, Process, Reader, Writer, plain};
use crate::captioner::recogniser::is_language;
use crate::captioner::settings::Translation;
use crate::captioner::shared::{MOST_BATCHES, Shared, back_off};

const START: Duration = Duration::from_secs(60);
const PING: Duration = Duration::from_millis(500);
/// A single pass over a batch may take some seconds, in which pings wait.
const STALL: Duration = Duration::from_secs(15);
/// What is not translated by then is shown as it is.
const LATE: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_secs(60);
/// More pairs of languages than rooms are told of.
const MOST_PAIRS: usize = 1024;
/// Characters of what it calls itself, which readers are told.
const MOST_ENGINE: usize = 64;

/// What waits for the translator to come back.
struct Waiting {
    mailbox: Weak<Mailbox>,
    id: u64,
    count: usize,
    since: Instant,
}

/// Keeps the translator running for as long as there is a server.
pub(super) async fn keep(
    shared: Weak<Shared>,
    mut batches: mpsc::Receiver<(Weak<Mailbox>, Batch)>,
) {
    let mut failures = 0;
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        tokio::select! {
            () = strong.wanted() => {}
            () = tokio::time::sleep(IDLE) => continue,
        }
        let mut waiting = HashMap::new();
        let (ended, was_up) = run(&strong, &mut batches, &mut waiting).await;
        strong.tell(|health| {
            health.engine = None;
            health.pairs = Vec::new();
        });
        waiting.into_values().for_each(give_up);
        drop(strong);
        if matches!(ended, Ended::Idle) {
            continue;
        }
        let cause = std::error::Error::source(&ended).map(ToString::to_string);
        tracing::warn!(worker = "translator", %ended, cause, "starting it again");
        failures = if was_up { 0 } else { failures + 1 };
        let until = tokio::time::sleep(back_off(failures));
        tokio::pin!(until);
        // What is asked for in the meantime is not kept waiting.
        loop {
            tokio::select! {
                () = &mut until => break,
                Some((mailbox, batch)) = batches.recv() => answer(&mailbox, batch.id, batch.texts.len()),
            }
        }
    }
}

async fn run(
    shared: &Arc<Shared>,
    batches: &mut mpsc::Receiver<(Weak<Mailbox>, Batch)>,
    waiting: &mut HashMap<u64, Waiting>,
) -> (Ended, bool) {
    let settings = &shared.settings;
    let Some(program) = &settings.worker else {
        return (Ended::Idle, false);
    };
    let engine = match &settings.translation {
        Translation::None => return (Ended::Idle, false),
        Translation::Apertium => Engine::Apertium,
        Translation::Neural { models } => Engine::Neural {
            models: models.to_string_lossy().into_owned(),
        },
        Translation::Http { address, key, .. } => Engine::Http {
            address: address.clone(),
            key: key.expose().clone(),
        },
    };
    let process = match Process::start(program, "translator", &settings.flags()) {
        Ok(process) => process,
        Err(ended) => return (ended, false),
    };
    let Process {
        child: _child,
        mut reader,
        mut writer,
    } = process;
    let hello = ToTranslator::Hello {
        version: VERSION,
        engine,
    };
    match greet(&mut reader, &mut writer, &hello).await {
        Err(ended) => return (ended, false),
        Ok((engine, mut pairs)) => {
            pairs.truncate(MOST_PAIRS);
            pairs.retain(|(from, into)| is_language(from) && is_language(into));
            pairs.sort_unstable();
            let engine: String = plain(&engine).chars().take(MOST_ENGINE).collect();
            tracing::info!(worker = "translator", engine, pairs = pairs.len(), "up");
            shared.tell(|health| {
                health.engine = Some(engine);
                health.pairs = pairs;
            });
        }
    }
    let ended = serve(shared, reader, writer, batches, waiting).await;
    (ended, true)
}

async fn greet(
    reader: &mut Reader,
    writer: &mut Writer,
    hello: &ToTranslator,
) -> Result<(String, Vec<(String, String)>), Ended> {
    writer.send(hello).await?;
    let first = tokio::time::timeout(START, reader.next::<FromTranslator>());
    match first.await.map_err(|_| Ended::Stalled)?? {
        FromTranslator::Ready {
            version: VERSION,
            engine,
            pairs,
        } => Ok((engine, pairs)),
        FromTranslator::Failed { reason } => Err(Ended::said(&reason)),
        _ => Err(Ended::Nonsense),
    }
}

async fn serve(
    shared: &Arc<Shared>,
    mut reader: Reader,
    writer: Writer,
    batches: &mut mpsc::Receiver<(Weak<Mailbox>, Batch)>,
    waiting: &mut HashMap<u64, Waiting>,
) -> Ended {
    let mut ticks = tokio::time::interval(PING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let start = shared.clock.instant();
    let (mut answered, mut heard) = (start, start);
    let mut next = 0_u64;
    let (outgoing, queue) = mpsc::channel(MOST_BATCHES);
    let writing = write(writer, queue);
    tokio::pin!(writing);
    loop {
        tokio::select! {
            ended = &mut writing => return ended,
            message = reader.next::<FromTranslator>() => match message {
                Err(ended) => return ended,
                Ok(FromTranslator::Failed { reason }) => return Ended::said(&reason),
                Ok(FromTranslator::Ready { .. }) => return Ended::Nonsense,
                Ok(FromTranslator::Pong { .. }) => answered = shared.clock.instant(),
                Ok(FromTranslator::Translated { id, texts }) => {
                    answered = shared.clock.instant();
                    if let Some(of) = waiting.remove(&id) {
                        give(of, texts);
                    }
                }
            },
            Some((mailbox, batch)) = batches.recv(), if waiting.len() < MOST_BATCHES => {
                next += 1;
                let count = batch.texts.len();
                let message = ToTranslator::Translate {
                    id: next,
                    source: batch.source,
                    target: batch.target,
                    texts: batch.texts,
                };
                if count > MAX_TEXTS || outgoing.try_send(message).is_err() {
                    answer(&mailbox, batch.id, count);
                } else {
                    let since = shared.clock.instant();
                    waiting.insert(next, Waiting { mailbox, id: batch.id, count, since });
                }
            }
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
                let late = |of: &Waiting| now.saturating_duration_since(of.since) > LATE;
                let due: Vec<u64> = waiting.iter().filter(|(_, of)| late(of)).map(|(id, _)| *id).collect();
                for id in due {
                    if let Some(of) = waiting.remove(&id) {
                        give_up(of);
                    }
                }
                next += 1;
                let _full = outgoing.try_send(ToTranslator::Ping { nonce: next });
            }
        }
    }
}

async fn write(mut writer: Writer, mut queue: mpsc::Receiver<ToTranslator>) -> Ended {
    while let Some(message) = queue.recv().await {
        if let Err(ended) = writer.send(&message).await {
            return ended;
        }
    }
    Ended::Idle
}

/// What came back counts only if there is one for each.
fn give(of: Waiting, texts: Vec<Option<String>>) {
    if texts.len() != of.count {
        return give_up(of);
    }
    if let Some(mailbox) = of.mailbox.upgrade() {
        mailbox.translated(Translated { id: of.id, texts });
    }
}

fn give_up(of: Waiting) {
    answer(&of.mailbox, of.id, of.count);
}

/// Nothing could be translated.
fn answer(mailbox: &Weak<Mailbox>, id: u64, count: usize) {
    if let Some(mailbox) = mailbox.upgrade() {
        mailbox.translated(Translated {
            id,
            texts: vec![None; count],
        });
    }
}
