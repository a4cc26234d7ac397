//! The process `conclave-captioner translator`: hello, then closed, then texts in and translations out until the server
//! closes its pipe. Pings are answered at once, whatever the engine does; questions beyond a bound are answered "none".

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::apertium::Apertium;
use super::{Cached, LibreTranslate, Resolved, TranslateError, Translator};
use crate::sandbox::{self, Closed, Demand, Reach, SandboxError};
use crate::wire::{
    self, Engine, FromTranslator, MAX_PAIRS, MAX_REASON, MAX_TEXT, Message as _, ToTranslator,
};

/// Questions that wait for the engine. A room asks about once a second and language.
const WAITING: usize = 64;
/// How long one question may take, with the start of an engine in it.
const BUDGET: Duration = Duration::from_secs(10);

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
            let mut reason = error.to_string();
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            let _ = say(&output, &FromTranslator::Failed { reason });
            return Err(error);
        }
    };
    let mut pairs = engine.pairs();
    pairs.truncate(MAX_PAIRS);
    let ready = FromTranslator::Ready {
        version: wire::VERSION,
        engine: engine.name().to_owned(),
        pairs,
    };
    say(&output, &ready)?;
    let (questions, waiting) = sync_channel(WAITING);
    let answers = Arc::clone(&output);
    let worker = thread::Builder::new()
        .name("translate".into())
        .spawn(move || work(engine, &waiting, &*answers))?;
    while let Some(message) = wire::read::<ToTranslator>(&mut input)? {
        match message {
            ToTranslator::Hello { .. } => return Err(ServeError::Version),
            ToTranslator::Ping { nonce } => say(&output, &FromTranslator::Pong { nonce })?,
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
                        say(&output, &FromTranslator::Translated { id, texts })?;
                    }
                    // The worker ended: it could not write.
                    Err(TrySendError::Disconnected(_)) => break,
                }
            }
        }
    }
    drop(questions);
    // The engine ends its programs.
    let _ = worker.join();
    Ok(closed)
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
) {
    while let Ok(question) = waiting.recv() {
        let batch: Vec<&str> = question.texts.iter().map(String::as_str).collect();
        let mut texts = engine.translate(&batch, &question.source, &question.target, BUDGET);
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
