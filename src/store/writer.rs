//! Group commit: one task owns the one connection that writes. Whatever waits is put into one transaction, and each
//! caller is answered only after that transaction is on disk. A write that is refused undoes itself alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};

use crate::store::endings::{Ending, Endings};
use crate::store::error::StoreError;
use crate::store::location::Location;
use crate::store::seal::SealingKeys;
use crate::store::sql::{Connection, Owned};

/// Writes that may wait. A few seconds' worth for a slow disk; then callers hear "not available".
const QUEUE: usize = 4096;
/// Writes in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 256;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One change to the database, carried out inside a transaction together with others.
pub(crate) trait Change: Send + 'static {
    /// What the caller learns once it is durable.
    type Out: Send + 'static;

    /// Runs the statements. An error undoes this change; `Unavailable` undoes the whole group. A change that goes on after a
    /// statement was refused must have begun a savepoint for it: PostgreSQL does nothing more until that is undone.
    fn apply(
        self,
        on: &mut Connection<'_>,
    ) -> impl Future<Output = Result<Self::Out, StoreError>> + Send;

    /// What is over once this is committed. It is told before the caller is answered.
    fn ends(&self) -> Option<Ending> {
        None
    }
}

/// A write under way. It was queued when this was made, so the order of calls is the order of rows;
/// it resolves once the row is durable. Dropping it does not undo the write.
#[must_use = "a write is acknowledged only when this resolves"]
#[derive(Debug)]
pub struct Written<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
    Failed(StoreError),
}

impl<T> Written<T> {
    /// A write that was refused before it was queued.
    pub(crate) const fn refused(error: StoreError) -> Self {
        Self(State::Failed(error))
    }
}

impl<T> Future for Written<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Failed(error) => Poll::Ready(Err(*error)),
            State::Waiting(receiver) => Pin::new(receiver)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(StoreError::Unavailable))),
        }
    }
}

impl<T> Unpin for Written<T> {}

/// The way to the writing task.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    endings: Arc<Endings>,
}

enum Message {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the writing task on a connection that is already open.
    pub(super) fn start(connection: Owned, location: Location, keys: Arc<SealingKeys>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(receiver, Some(connection), location, keys));
        Self {
            queue: sender,
            endings: Arc::default(),
        }
    }

    /// What is told of changes that ended something.
    pub(super) const fn endings(&self) -> &Arc<Endings> {
        &self.endings
    }

    /// Queues a change.
    pub(crate) fn write<C: Change>(&self, change: C) -> Written<C::Out> {
        let (reply, answer) = oneshot::channel();
        let endings = self.endings.clone();
        let job = Box::new(Waiting {
            change,
            reply,
            endings,
        });
        match self.queue.try_send(Message::Change(job)) {
            Ok(()) => Written(State::Waiting(answer)),
            Err(_) => Written::refused(StoreError::Unavailable),
        }
    }

    /// Writes what is queued, closes the connection and accepts nothing more.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the task is gone already, which is what was asked for.
            let _gone = closed.await;
        }
    }
}

/// A change together with whoever waits for it.
trait Job: Send {
    fn run<'a>(self: Box<Self>, on: &'a mut Connection<'_>) -> Boxed<'a, Ran>;
    fn fail(self: Box<Self>);
}

/// A change that ran and is not yet committed.
struct Ran {
    /// The database itself failed: the group cannot be committed.
    broken: bool,
    /// Tells the caller, given whether the commit succeeded.
    answer: Box<dyn FnOnce(bool) + Send>,
}

struct Waiting<C: Change> {
    change: C,
    reply: oneshot::Sender<Result<C::Out, StoreError>>,
    endings: Arc<Endings>,
}

impl<C: Change> Job for Waiting<C> {
    fn run<'a>(self: Box<Self>, on: &'a mut Connection<'_>) -> Boxed<'a, Ran> {
        Box::pin(async move {
            let Self {
                change,
                reply,
                endings,
            } = *self;
            let ends = change.ends();
            let result = alone(change, on).await;
            let broken = matches!(result, Err(StoreError::Unavailable));
            let answer = Box::new(move |committed: bool| {
                let result = if committed {
                    result
                } else {
                    Err(StoreError::Unavailable)
                };
                if result.is_ok()
                    && let Some(ends) = ends
                {
                    endings.tell(ends);
                }
                // The caller may have stopped waiting; the row stands all the same.
                let _unheard = reply.send(result);
            });
            Ran { broken, answer }
        })
    }

    fn fail(self: Box<Self>) {
        let _unheard = self.reply.send(Err(StoreError::Unavailable));
    }
}

/// Runs one change inside a savepoint, so that its refusal leaves its neighbours alone.
async fn alone<C: Change>(change: C, on: &mut Connection<'_>) -> Result<C::Out, StoreError> {
    let mut savepoint = on.begin().await?;
    match change.apply(&mut savepoint.on()).await {
        Ok(out) => {
            savepoint.commit().await.map_err(|error| broken(&error))?;
            Ok(out)
        }
        Err(refusal) => {
            savepoint.rollback().await.map_err(|error| broken(&error))?;
            Err(refusal)
        }
    }
}

async fn run(
    mut queue: mpsc::Receiver<Message>,
    mut held: Option<Owned>,
    location: Location,
    keys: Arc<SealingKeys>,
) {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = queue.recv().await else {
            break;
        };
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Change(job) => batch.push(job),
                Message::Close(done) => closing = Some(done),
            }
            if batch.len() < BATCH && closing.is_none() {
                next = queue.try_recv().ok();
            }
        }
        held = write_group(batch, held, &location, &keys).await;
    }
    queue.close();
    if let Some(connection) = held
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the database did not close cleanly");
    }
    if let Some(done) = closing {
        let _unheard = done.send(());
    }
}

/// Writes one group. Gives the connection back unless it failed; then the next group opens a new one.
async fn write_group(
    batch: Vec<Box<dyn Job>>,
    held: Option<Owned>,
    location: &Location,
    keys: &SealingKeys,
) -> Option<Owned> {
    if batch.is_empty() {
        return held;
    }
    let opened = match held {
        Some(connection) => Ok(connection),
        None => location.writer().await,
    };
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(error) => {
            tracing::error!(%error, "the database cannot be opened");
            batch.into_iter().for_each(Job::fail);
            return None;
        }
    };
    let committing = commit(batch, &mut connection);
    let (answers, committed) = match location.group_patience() {
        None => committing.await,
        // Whoever waited for the group hears that it is not available, as their answers are dropped.
        Some(patience) => tokio::time::timeout(patience, committing)
            .await
            .unwrap_or_else(|_| {
                tracing::error!("the database does not answer");
                (Answers::new(), false)
            }),
    };
    // Before anyone hears of it: whoever asks then finds no key that is gone.
    keys.cache().settle();
    for answer in answers {
        answer(committed);
    }
    committed.then_some(connection)
}

type Answers = Vec<Box<dyn FnOnce(bool) + Send>>;

async fn commit(batch: Vec<Box<dyn Job>>, on: &mut Owned) -> (Answers, bool) {
    let mut answers: Answers = Vec::with_capacity(batch.len());
    let mut transaction = match on.begin_writing().await {
        Ok(transaction) => transaction,
        Err(error) => {
            broken(&error);
            batch.into_iter().for_each(Job::fail);
            return (answers, false);
        }
    };
    let mut jobs = batch.into_iter();
    for job in jobs.by_ref() {
        let ran = job.run(&mut transaction.on()).await;
        answers.push(ran.answer);
        if ran.broken {
            jobs.for_each(Job::fail);
            // The connection is dropped by the caller, and the transaction with it.
            return (answers, false);
        }
    }
    match transaction.commit().await {
        Ok(()) => (answers, true),
        Err(error) => {
            broken(&error);
            (answers, false)
        }
    }
}

/// Whatever happens to the frame of a transaction is the database's failure, never the caller's.
fn broken(error: &sqlx::Error) -> StoreError {
    tracing::error!(%error, "a transaction failed");
    StoreError::Unavailable
}
