//! The process `conclave-captioner translator`: hello, then closed, then texts in and translations out until the server
//! closes its pipe. Pings are answered at once, whatever the engine does; questions beyond a bound are answered "none".

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::apertium::Apertium;
use super::{Cached, LibreTranslate, Resolved, TranslateError, Translator};
use crate::clock::Clock;
use crate::sandbox::{self, Closed, Demand, Reach, SandboxError};
use crate::wire::{
    self, Engine, FromTranslator, MAX_PAIRS, MAX_REASON, MAX_TEXT, Message as _, ToTranslator,
};

/// Questions that wait for the engine. A room asks about once a second and language.
const WAITING: usize = 64;
/// How long one question may take, with the start of an engine in it.
const BUDGET: Duration = Duration::from_secs(10);
/// An engine that is at one question for so long hangs.
const STUCK: Duration = Duration::from_secs(15);

/// What the command line of the process may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether an internal address may be that of the translation server.
    pub internal: bool,
    /// Whether to work where the kernel cannot close the process wholly.
    pub demand: Demand,
}

/// Why the process ends other than by the end of its input.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The pipes failed or carried something else.
    #[error("the pipe to the server: {0}")]
    Pipe(#[from] io::Error),
    /// The server does not begin with a hello, or of another version.
    #[error("the server speaks another version: install both programs from one build")]
    Version,
    /// The engine cannot begin.
    #[error(transparent)]
    Engine(#[from] TranslateError),
    /// The process cannot be closed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// Serves one server until it closes `input`.
///
/// # Errors
/// See [`ServeError`]; the server has been told too, if it listens.
pub fn serve(
    mut input: impl Read,
    output: impl Write + Send + 'static,
    options: Options,
) -> Result<Closed, ServeError> {
    let output = Arc::new(Mutex::new(output));
    let (engine, closed) = match begin(&mut input, options) {
        Ok(begun) => begun,
        Err(error) => {
            let reason = wire::line(&error.to_string(), MAX_REASON);
            let _ = say(&output, &FromTranslator::Failed { reason });
            return Err(error);
        }
    };
    answer(engine, &mut input, &output, STUCK)?;
    Ok(closed)
}

/// Ready, then one answer for each question and each ping. While one question takes longer than `stuck` pings go unanswered:
/// the server then starts a new worker.
fn answer<W: Write + Send + 'static>(
    engine: Box<dyn Translator + Send>,
    input: &mut impl Read,
    output: &Arc<Mutex<W>>,
    stuck: Duration,
) -> Result<(), ServeError> {
    let mut pairs = engine.pairs();
    pairs.truncate(MAX_PAIRS);
    let ready = FromTranslator::Ready {
        version: wire::VERSION,
        engine: engine.name().to_owned(),
        pairs,
    };
    say(output, &ready)?;
    let (questions, waiting) = sync_channel(WAITING);
    let busy = Arc::new(Busy::new());
    let (answers, works) = (Arc::clone(output), Arc::clone(&busy));
    let (ended, end) = sync_channel::<()>(0);
    thread::Builder::new()
        .name("translate".into())
        .spawn(move || {
            // Dropped with the engine, however this ends.
            let _ended = ended;
            work(engine, &waiting, &answers, &works);
        })?;
    while let Some(message) = wire::read::<ToTranslator>(input)? {
        match message {
            ToTranslator::Hello { .. } => return Err(ServeError::Version),
            ToTranslator::Ping { .. } if busy.for_longer_than(stuck) => {}
            ToTranslator::Ping { nonce } => say(output, &FromTranslator::Pong { nonce })?,
            ToTranslator::Translate {
                id,
                source,
                target,
                texts,
            } => {
                let question = Question {
                    id,
                    source,
                    target,
                    texts,
                };
                match questions.try_send(question) {
                    Ok(()) => {}
                    Err(TrySendError::Full(question)) => {
                        let texts = vec![None; question.texts.len()];
                        say(output, &FromTranslator::Translated { id, texts })?;
                    }
                    // The worker ended: it could not write.
                    Err(TrySendError::Disconnected(_)) => break,
                }
            }
        }
    }
    drop(questions);
    // The engine ends its programs; one that hangs is not waited for, and its programs end with this process.
    let _ = end.recv_timeout(stuck);
    Ok(())
}

/// Since when the engine has been at one question, in milliseconds of its clock; less than none while it waits for one.
struct Busy {
    clock: Clock,
    since: AtomicI64,
}

impl Busy {
    fn new() -> Self {
        Self {
            clock: Clock::start(),
            since: AtomicI64::new(-1),
        }
    }

    fn begin(&self) {
        self.since.store(self.clock.now(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(-1, Ordering::Relaxed);
    }

    fn for_longer_than(&self, stuck: Duration) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let stuck = i64::try_from(stuck.as_millis()).unwrap_or(i64::MAX);
        since >= 0 && self.clock.now().saturating_sub(since) > stuck
    }
}

struct Question {
    id: u64,
    source: String,
    target: String,
    texts: Vec<String>,
}

fn begin(
    input: &mut impl Read,
    options: Options,
) -> Result<(Box<dyn Translator + Send>, Closed), ServeError> {
    let Some(ToTranslator::Hello { version, engine }) = wire::read(input)? else {
        return Err(ServeError::Version);
    };
    if version != wire::VERSION {
        return Err(ServeError::Version);
    }
    Ok(match engine {
        Engine::Apertium => {
            let apertium = Apertium::installed()?;
            let closed = sandbox::translator(&apertium.reach(), options.demand)?;
            (Box::new(Cached::new(apertium)), closed)
        }
        Engine::Http { address, key } => {
            let server = Resolved::new(&address, options.internal).map_err(TranslateError::from)?;
            let prepared = LibreTranslate::prepare(&server, &key)?;
            let closed = sandbox::translator(&Reach::Address(server.address), options.demand)?;
            (Box::new(Cached::new(prepared.connect()?)), closed)
        }
        Engine::Neural { models } => neural(Path::new(&models), options)?,
    })
}

#[cfg(feature = "neural")]
fn neural(
    models: &Path,
    options: Options,
) -> Result<(Box<dyn Translator + Send>, Closed), ServeError> {
    let closed = sandbox::translator(&Reach::Files(vec![models.into()]), options.demand)?;
    Ok((Box::new(Cached::new(super::Neural::load(models)?)), closed))
}

#[cfg(not(feature = "neural"))]
fn neural(_: &Path, _: Options) -> Result<(Box<dyn Translator + Send>, Closed), ServeError> {
    Err(TranslateError::NotBuilt.into())
}

fn work(
    mut engine: Box<dyn Translator + Send>,
    waiting: &Receiver<Question>,
    output: &Mutex<impl Write>,
    busy: &Busy,
) {
    while let Ok(question) = waiting.recv() {
        busy.begin();
        let batch: Vec<&str> = question.texts.iter().map(String::as_str).collect();
        let mut texts = engine.translate(&batch, &question.source, &question.target, BUDGET);
        busy.end();
        // One answer for each, whatever the engine did; what does not fit into a frame is shown in the original.
        texts.resize(batch.len(), None);
        for text in &mut texts {
            *text = text.take().filter(|text| text.len() <= MAX_TEXT);
        }
        let id = question.id;
        if say(output, &FromTranslator::Translated { id, texts }).is_err() {
            return;
        }
    }
}

fn say(output: &Mutex<impl Write>, message: &FromTranslator) -> io::Result<()> {
    let frame = message
        .encode()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(&frame)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::Pair;

    /// Takes its time for one text and none for others.
    struct Slow;

    impl Translator for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        fn pairs(&self) -> Vec<Pair> {
            Vec::new()
        }

        fn translate(
            &mut self,
            batch: &[&str],
            _: &str,
            _: &str,
            _: Duration,
        ) -> Vec<Option<String>> {
            if batch.contains(&"hang") {
                thread::sleep(Duration::from_millis(1500));
            }
            vec![None; batch.len()]
        }
    }

    fn next(output: &mut impl Read) -> FromTranslator {
        wire::read(output).unwrap().unwrap()
    }

    #[test]
    fn an_engine_that_hangs_answers_no_pings_until_it_is_done() {
        let (mut input, mut server) = io::pipe().unwrap();
        let (mut output, worker) = io::pipe().unwrap();
        let output_end = Arc::new(Mutex::new(worker));
        let stuck = Duration::from_millis(300);
        let process =
            thread::spawn(move || answer(Box::new(Slow), &mut input, &output_end, stuck).is_ok());
        let mut say =
            |message: &ToTranslator| server.write_all(&message.encode().unwrap()).unwrap();
        let ask = |text: &str| ToTranslator::Translate {
            id: 1,
            source: "en".into(),
            target: "es".into(),
            texts: vec![text.to_owned()],
        };
        assert!(matches!(next(&mut output), FromTranslator::Ready { .. }));
        say(&ask("hang"));
        say(&ToTranslator::Ping { nonce: 1 });
        assert!(next(&mut output) == FromTranslator::Pong { nonce: 1 });
        thread::sleep(Duration::from_millis(700));
        say(&ToTranslator::Ping { nonce: 2 });
        // The answer to the question comes first: the ping in between had none.
        assert!(matches!(
            next(&mut output),
            FromTranslator::Translated { id: 1, .. }
        ));
        say(&ToTranslator::Ping { nonce: 3 });
        assert!(next(&mut output) == FromTranslator::Pong { nonce: 3 });
        say(&ask("hang"));
        drop(server);
        assert!(process.join().unwrap());
    }
}
