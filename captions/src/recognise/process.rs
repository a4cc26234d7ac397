//! The recogniser process: reads frames from stdin, writes frames to stdout, and recognises on a few threads in between.
//! One thread reads, one writes; the rest take passes from the desk. A cut empties what waits before its answer is
//! written. Stderr gets a line now and then, never speech.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::abort::Abort;
use super::held::Held;
use super::outbox::Outbox;
use super::whisper::{Model, Whisper};
use super::{Failure, Recogniser as _};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::models;
use crate::panics;
use crate::sandbox::{self, Demand, SandboxError};
use crate::wire::{self, Closing, FromRecogniser, Message as _, ToRecogniser, Track, VERSION};

/// How often a thread without work looks for some.
const LOOK: Duration = Duration::from_millis(40);
/// A pass that takes so long is stopped, and until it has ended pings go unanswered: the server then starts a new worker.
const STUCK_MS: i64 = 30_000;
/// Threads at most: a machine of many cores has other things to do.
const MOST_THREADS: usize = 16;
/// Memory beyond the model: the process, its stacks and the sound that waits; and what each thread needs for a large model.
const MEMORY: u64 = 1536 << 20;
const MEMORY_A_THREAD: u64 = 512 << 20;

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the server speaks version {0} and this worker speaks {VERSION}")]
    Version(u16),
    #[error("the server began with something else than a greeting")]
    Greeting,
    #[error("the pipe from the server failed: {0}")]
    Read(#[from] io::Error),
    #[error("the model `{path}` cannot be opened: {error}")]
    Open { path: String, error: io::Error },
    #[error("the model `{path}` is refused: {error}")]
    Model {
        path: String,
        error: models::ModelFault,
    },
    #[error("the model `{path}` was written to while it was read")]
    Changed { path: String },
    #[error("the model cannot be loaded: {0}")]
    Load(#[from] Failure),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// What the threads share.
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    work: Condvar,
    outbox: Mutex<Outbox>,
    written: Condvar,
}

struct State {
    desk: Desk,
    /// By thread: what it recognises and since when.
    running: Vec<Option<(Track, i64)>>,
    aborts: Vec<Abort>,
}

/// Runs until stdin ends. `threads` is how many passes may run at once; else as many as there are cores but one.
#[must_use]
pub fn run(threads: Option<usize>, demand: Demand) -> ExitCode {
    panics::tell_place("recogniser");
    match serve(threads, demand) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let reason = wire::line(&fault.to_string(), wire::MAX_REASON);
            log(&reason);
            if let Ok(frame) = (FromRecogniser::Failed { reason }).encode() {
                // The server may be gone; then nobody misses it.
                let _ = write(&frame);
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(threads: Option<usize>, demand: Demand) -> Result<(), Fault> {
    let mut stdin = BufReader::new(io::stdin().lock());
    let (path, language, step_ms) = match wire::read(&mut stdin)? {
        Some(ToRecogniser::Hello { version, .. }) if version != VERSION => {
            return Err(Fault::Version(version));
        }
        Some(ToRecogniser::Hello {
            model,
            language,
            partial_step_ms,
            ..
        }) => (model, language, partial_step_ms),
        Some(_) => return Err(Fault::Greeting),
        None => return Ok(()),
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads
        .unwrap_or_else(|| cores.saturating_sub(1))
        .clamp(1, MOST_THREADS);
    let held = Held::open(Path::new(&path)).map_err(|error| Fault::Open {
        path: path.clone(),
        error,
    })?;
    let size = check(&path, held.file())?;
    // From here on this process reads the model and nothing else.
    let closed = sandbox::recogniser(&held.path(), memory(size, threads), demand)?;
    if !closed.whole {
        log("works without Landlock: its files are not closed");
    }
    let model = Model::load(&held.path())?;
    if !held.is_unchanged() {
        return Err(Fault::Changed { path });
    }
    drop(held);
    let mut recognisers = Vec::new();
    let mut aborts = Vec::new();
    for _ in 0..threads {
        let abort = Abort::default();
        recognisers.push(model.recogniser(abort.clone())?);
        aborts.push(abort);
    }
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        state: Mutex::new(State {
            desk: Desk::new(model.limits(), language, step_ms, threads),
            running: vec![None; threads],
            aborts,
        }),
        work: Condvar::new(),
        outbox: Mutex::new(Outbox::default()),
        written: Condvar::new(),
    });
    let name = Path::new(&path).file_stem().unwrap_or_default();
    let name = wire::line(&name.to_string_lossy(), wire::MAX_REASON);
    shared.send(&[FromRecogniser::Ready {
        version: VERSION,
        model: name,
        languages: model.languages().to_vec(),
        multilingual: model.multilingual(),
    }]);
    for (at, recogniser) in recognisers.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        spawn("recogniser", move || shared.recognise(at, recogniser))?;
    }
    let writer = Arc::clone(&shared);
    spawn("writer", move || writer.write_out())?;
    while let Some(message) = wire::read(&mut stdin)? {
        shared.handle(message);
    }
    Ok(())
}

impl Shared {
    fn handle(&self, message: ToRecogniser) {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let cut = match &message {
            ToRecogniser::Close {
                track,
                why: Closing::Cut,
            } => Some(*track),
            _ => None,
        };
        if let Some(track) = cut {
            for (running, abort) in state.running.iter().zip(&state.aborts) {
                if running.is_some_and(|(of, _)| of == track) {
                    abort.stop();
                }
            }
            lock(&self.outbox).forget(track);
        }
        if matches!(message, ToRecogniser::Ping { .. }) && state.stuck(now) {
            return;
        }
        let closes = matches!(message, ToRecogniser::Close { .. });
        let mut out = Vec::new();
        state.desk.handle(message, now, &mut out);
        // Under the lock, so that nothing of a cut track can follow its answer.
        self.send(&out);
        drop(state);
        if closes {
            self.work.notify_one();
        }
    }

    /// A thread's work, for as long as the process lives.
    fn recognise(&self, at: usize, mut recogniser: Whisper) {
        let mut state = lock(&self.state);
        loop {
            let now = self.clock.now();
            let mut out = Vec::new();
            let pass = state.desk.next(now, &mut out);
            self.send(&out);
            let Some(pass) = pass else {
                let waited = self.work.wait_timeout(state, LOOK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            };
            if let Some(place) = state.running.get_mut(at) {
                *place = Some((pass.track, now));
            }
            if let Some(abort) = state.aborts.get(at) {
                abort.reset();
            }
            drop(state);
            let heard = recogniser.recognise(&pass);
            if let Err(Failure::Engine(error)) = &heard {
                log(&wire::line(
                    &format!("a pass failed: {error}"),
                    wire::MAX_REASON,
                ));
            }
            state = lock(&self.state);
            if let Some(place) = state.running.get_mut(at) {
                *place = None;
            }
            let mut out = Vec::new();
            state.desk.done(&pass, heard.ok().as_ref(), &mut out);
            self.send(&out);
        }
    }

    fn send(&self, messages: &[FromRecogniser]) {
        if messages.is_empty() {
            return;
        }
        let mut outbox = lock(&self.outbox);
        for message in messages {
            if let Err(error) = outbox.push(message) {
                log(&format!("a message does not fit: {error}"));
            }
        }
        if outbox.full() {
            log("the server reads nothing");
            std::process::exit(1);
        }
        drop(outbox);
        self.written.notify_one();
    }

    /// The writer's work: one frame at a time, so that what a cut takes back is at most not yet written.
    fn write_out(&self) {
        let mut outbox = lock(&self.outbox);
        loop {
            let Some(frame) = outbox.pop() else {
                let waited = self.written.wait(outbox);
                outbox = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(outbox);
            if write(&frame).is_err() {
                // The server is gone.
                std::process::exit(0);
            }
            outbox = lock(&self.outbox);
        }
    }
}

impl State {
    /// Whether a pass takes for ever. It is told to stop.
    fn stuck(&self, now: i64) -> bool {
        let mut stuck = false;
        for (running, abort) in self.running.iter().zip(&self.aborts) {
            if running.is_some_and(|(_, since)| now.saturating_sub(since) > STUCK_MS) {
                abort.stop();
                stuck = true;
            }
        }
        stuck
    }
}

/// Reads the model to its end before whisper.cpp sees it; returns its size.
fn check(path: &str, file: &File) -> Result<u64, Fault> {
    let found = models::check(BufReader::with_capacity(1 << 16, file.take(u64::MAX)));
    let found = found.map_err(|error| Fault::Model {
        path: path.to_owned(),
        error,
    })?;
    Ok(found.size)
}

/// Memory for the model and its work.
fn memory(model: u64, threads: usize) -> u64 {
    let threads = u64::try_from(threads).unwrap_or(1);
    model
        .saturating_mul(2)
        .saturating_add(MEMORY)
        .saturating_add(MEMORY_A_THREAD.saturating_mul(threads))
}

/// A thread without which the process is of no use: when it panics the process ends, and the server starts another.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                std::process::exit(1);
            }
        })
        .map(drop)
        .map_err(Fault::Thread)
}

fn write(frame: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(frame)?;
    stdout.flush()
}

fn log(line: &str) {
    // Where nobody listens to stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "recogniser: {line}");
}

/// A thread that panicked ends the process, so what it left behind is seen by nobody for long.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
