//! Passwords of accounts: argon2id, with bounded concurrency and a bounded queue, off the async threads and behind everything
//! else that the machine does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use unicode_normalization::UnicodeNormalization;

use crate::secret::{self, RandomSource, Secret};

const MIN_CHARS: usize = 12;
const MAX_CHARS: usize = 256;
/// Read before anything is normalised.
const MAX_BYTES: usize = MAX_CHARS * 4;
/// 19 MiB, two passes, one lane: 21 ms of one core.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Attempts that may wait for their turn: a second or two of work. More hear "busy" at once.
const QUEUE: usize = 64;
/// How nice the threads are that hash (0 is as everyone else, 19 the most): a meeting that has something to do goes first.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A password that can be one: 12 to 256 characters, no other rule. Spellings of the same characters are one.
#[derive(Clone, Debug)]
pub struct Password(Secret<String>);

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password has at least 12 characters")]
    TooShort,
    /// Too long.
    #[error("a password has at most 256 characters")]
    TooLong,
}

impl Password {
    /// Reads a password.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        // NIST SP 800-63B, section 5.1.1.2: the same password from two keyboards is one password.
        let normal: Secret<String> = Secret::new(text.nfkc().collect());
        match normal.expose().chars().count() {
            count if count < MIN_CHARS => Err(PasswordError::TooShort),
            count if count > MAX_CHARS => Err(PasswordError::TooLong),
            _ => Ok(Self(normal)),
        }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Anyone.
    Common,
    /// A device that has signed in to this account before: a flood in the common lane does not hold it up.
    Known,
}

/// Why a password was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashError {
    /// The queue is full.
    Busy,
    /// The hash could not be computed or read.
    Broken,
}

/// Hashes and checks passwords, a few at a time.
pub(crate) struct Hasher {
    random: Arc<dyn RandomSource>,
    common: Gate,
    known: Gate,
    workers: Workers,
    /// Checked in place of the hash of an account that does not exist.
    decoy: Secret<String>,
}

struct Gate {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Gate {
    fn new(turns: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            queue: Arc::new(Semaphore::new(turns.saturating_add(QUEUE))),
        }
    }

    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), HashError> {
        let place = self
            .queue
            .clone()
            .try_acquire_owned()
            .map_err(|_| HashError::Busy)?;
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| HashError::Broken)?;
        Ok((place, turn))
    }
}

/// The memory that a hash is computed in.
type Memory = Vec<Block>;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// As many threads as hashes are computed at a time, each with memory of its own: however many people sign in, and in whatever
/// order, no more is used than that. They give way to all other threads of the server.
struct Workers {
    jobs: Sender<Job>,
}

impl Workers {
    fn start(count: usize) -> Result<Self, HashError> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || work(&waiting))
                .map_err(|_| HashError::Broken)?;
        }
        Ok(Self { jobs })
    }

    /// Does this on one of the threads. The turns bound how much can be under way: what waits here waits for one hash.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (sender, done) = oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            // Nobody may be waiting for it any more.
            let _unwanted = sender.send(job(memory));
        });
        self.jobs.send(job).map_err(|_| HashError::Broken)?;
        done.await.map_err(|_| HashError::Broken)
    }
}

/// Works until the hasher is gone.
fn work(jobs: &Mutex<Receiver<Job>>) {
    give_way();
    let mut memory = Memory::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // One job that fails must not take a thread away from the others; who waits for it hears of it.
        let _failed = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
    }
}

/// Lets everything else go before this thread. Where the system will not have it, hashing goes on as before.
fn give_way() {
    // Linux keeps this for each thread (setpriority(2), "C library/kernel differences"); elsewhere it would be the whole server.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "password.priority");
    }
}

impl Hasher {
    /// At most `at_once` hashes are computed at a time. A known device waits for one of them, never for the queue.
    pub(crate) fn new(at_once: usize, random: Arc<dyn RandomSource>) -> Result<Self, HashError> {
        let mut unguessable = [0; SALT_BYTES];
        random.fill(&mut unguessable);
        let decoy = hash(&unguessable, random.as_ref(), &mut Memory::new())?;
        let at_once = at_once.max(1);
        Ok(Self {
            random,
            common: Gate::new(at_once),
            known: Gate::new(1),
            workers: Workers::start(at_once)?,
            decoy,
        })
    }

    /// The PHC string of a new password.
    pub(crate) async fn hash(&self, password: Password) -> Result<Secret<String>, HashError> {
        let turn = self.common.turn().await?;
        let random = self.random.clone();
        let work = move |memory: &mut Memory| {
            let hash = hash(password.0.expose().as_bytes(), random.as_ref(), memory);
            // Held to the end of the work even when nobody waits for it any more.
            drop(turn);
            hash
        };
        self.workers.run(work).await?
    }

    /// Whether the password is the one of this hash. Without a hash the same work is done, and the answer is no.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<Secret<String>>,
        lane: Lane,
    ) -> Result<bool, HashError> {
        let turn = match lane {
            Lane::Common => self.common.turn().await?,
            Lane::Known => self.known.turn().await?,
        };
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let work = move |memory: &mut Memory| {
            let right = verify(password.0.expose().as_bytes(), stored.expose(), memory);
            drop(turn);
            right
        };
        let right = self.workers.run(work).await??;
        Ok(right & exists)
    }
}

fn params() -> Result<Params, HashError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(|_| HashError::Broken)
}

fn hash(
    password: &[u8],
    random: &dyn RandomSource,
    memory: &mut Memory,
) -> Result<Secret<String>, HashError> {
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt);
    let params = params()?;
    let hash = compute(password, &salt, &params, memory)?;
    let text = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| HashError::Broken)?,
        salt: Some(Salt::new(&salt).map_err(|_| HashError::Broken)?),
        hash: Some(Output::new(&hash).map_err(|_| HashError::Broken)?),
    };
    Ok(Secret::new(text.to_string()))
}

fn verify(password: &[u8], stored: &str, memory: &mut Memory) -> Result<bool, HashError> {
    let stored = PasswordHash::new(stored).map_err(|_| HashError::Broken)?;
    // At the cost at which it was made, which is never more than what is agreed now.
    let params = Params::try_from(&stored).map_err(|_| HashError::Broken)?;
    let ours = stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && params.m_cost() <= MEMORY_KIB
        && params.t_cost() <= PASSES
        && params.p_cost() <= LANES;
    let (Some(salt), Some(expected), true) = (stored.salt, stored.hash, ours) else {
        return Err(HashError::Broken);
    };
    let hash = compute(password, salt.as_ref(), &params, memory)?;
    Ok(secret::equal(&hash, expected.as_bytes()))
}

fn compute(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    memory: &mut Memory,
) -> Result<[u8; HASH_BYTES], HashError> {
    memory.resize(params.block_count(), Block::default());
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password, salt, &mut hash, memory)
        .map_err(|_| HashError::Broken)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;

    fn hasher() -> Hasher {
        Hasher::new(1, Arc::new(SystemRandom)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[test]
    fn only_the_length_of_a_password_is_ruled() {
        assert_eq!(
            Password::parse("elevenchars").err(),
            Some(PasswordError::TooShort)
        );
        assert!(Password::parse("aaaaaaaaaaaa").is_ok());
        assert!(Password::parse(&"ä".repeat(256)).is_ok());
        assert_eq!(
            Password::parse(&"a".repeat(257)).err(),
            Some(PasswordError::TooLong)
        );
        assert_eq!(
            Password::parse(&"a".repeat(1 << 24)).err(),
            Some(PasswordError::TooLong)
        );
    }

    #[tokio::test]
    async fn the_hash_has_the_agreed_cost_and_its_own_salt() {
        let hasher = hasher();
        let one = hasher.hash(password("correct horse")).await.unwrap();
        let two = hasher.hash(password("correct horse")).await.unwrap();
        assert!(one.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(one.expose(), two.expose());
        assert!(
            hasher
                .decoy
                .expose()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
    }

    #[tokio::test]
    async fn the_right_password_passes_in_any_spelling_and_others_do_not() {
        let hasher = hasher();
        let stored = hasher.hash(password("na\u{ef}ve correct")).await.unwrap();
        let check = |text: &str| hasher.verify(password(text), Some(stored.clone()), Lane::Common);
        assert_eq!(check("nai\u{308}ve correct").await, Ok(true));
        assert_eq!(check("naive correct!").await, Ok(false));
        assert_eq!(
            hasher
                .verify(password("naive correct!"), None, Lane::Common)
                .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn hashes_of_others_and_at_another_cost_are_told_apart() {
        let hasher = hasher();
        let check = |stored: &str| {
            let stored = Some(Secret::new(stored.to_owned()));
            hasher.verify(password("correct horse"), stored, Lane::Common)
        };
        let salt = Salt::new(b"somesaltsomesalt").unwrap();
        let cheap = Params::new(64, 1, 1, Some(HASH_BYTES)).unwrap();
        let hash = compute(b"correct horse", salt.as_ref(), &cheap, &mut Memory::new()).unwrap();
        let stored = |algorithm: Algorithm, memory: u32| {
            let text = PasswordHash {
                algorithm: algorithm.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&Params::new(memory, 1, 1, None).unwrap()).unwrap(),
                salt: Some(salt),
                hash: Some(Output::new(&hash).unwrap()),
            };
            text.to_string()
        };
        assert_eq!(check(&stored(Algorithm::Argon2id, 64)).await, Ok(true));
        assert_eq!(check(&stored(Algorithm::Argon2id, 65)).await, Ok(false));
        let broken = Err(HashError::Broken);
        assert_eq!(check(&stored(Algorithm::Argon2i, 64)).await, broken);
        assert_eq!(check(&stored(Algorithm::Argon2id, 1 << 20)).await, broken);
        assert_eq!(check("$2b$12$abcdefghijklmnopqrstuv").await, broken);
        assert_eq!(check("").await, broken);
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_no_thread_with_it() {
        let workers = Workers::start(1).unwrap();
        let failed = workers.run(|_| -> u8 { std::panic::resume_unwind(Box::new(())) });
        assert_eq!(failed.await, Err(HashError::Broken));
        assert_eq!(workers.run(|_| 7).await, Ok(7));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_hashes_gives_way_and_nothing_else_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let workers = Workers::start(1).unwrap();
        let before = nice();
        assert_eq!(workers.run(move |_| nice()).await, Ok(NICE.max(before)));
        assert_eq!(nice(), before);
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_and_known_devices_have_their_own() {
        let hasher = hasher();
        let stored = hasher.hash(password("correct horse")).await.unwrap();
        let _turns = hasher.common.turn().await.unwrap();
        let mut places = Vec::new();
        while let Ok(place) = hasher.common.queue.clone().try_acquire_owned() {
            places.push(place);
        }
        assert_eq!(places.len(), QUEUE);
        let common = hasher
            .verify(
                password("correct horse"),
                Some(stored.clone()),
                Lane::Common,
            )
            .await;
        assert_eq!(common, Err(HashError::Busy));
        assert_eq!(
            hasher
                .verify(password("correct horse"), Some(stored), Lane::Known)
                .await,
            Ok(true)
        );
    }
}
