//! One worker process: started with nothing of the server's surroundings, spoken to in frames over pipes, ended when it is
//! dropped. What it writes to its log goes into the server's, a little at a time.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use conclave_captions::files::shown;
use conclave_captions::wire::{Frames, Message};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Bytes of a line of its log that are kept.
const MOST_LINE: u64 = 500;
/// The same in characters.
const MOST_CHARS: usize = 500;
/// Lines of its log that are kept of one process; whoever says more has said it.
const MOST_LINES: usize = 200;
/// How long a worker may take to read what it is sent.
const WRITE: Duration = Duration::from_secs(5);
/// How long the end of a process may take whose pipe has ended.
const FAREWELL: Duration = Duration::from_secs(1);
/// `SIGHUP`, `SIGINT`, `SIGKILL` and `SIGTERM`.
const FROM_OUTSIDE: [i32; 4] = [1, 2, 9, 15];
/// Where the worker finds the programs that it may run.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a worker ended, or was ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// It could not be started.
    #[error("the worker cannot be started")]
    Spawn(#[source] std::io::Error),
    /// It said why it ends.
    #[error("the worker says: {0}")]
    Said(String),
    /// It ended, or its pipe did.
    #[error("the worker ended")]
    Gone,
    /// Somebody else ended it.
    #[error("the worker was ended")]
    Killed,
    /// It speaks another version, or nonsense.
    #[error("the worker speaks otherwise than the server")]
    Nonsense,
    /// It does not answer.
    #[error("the worker does not answer")]
    Stalled,
    /// It says more than it can have to say.
    #[error("the worker says too much")]
    Flood,
    /// Nobody needs it any more.
    #[error("nobody needs the worker")]
    Idle,
}

/// A running worker; it ends when this is dropped.
pub(super) struct Process {
    /// Kept, for its end is the worker's.
    pub(super) child: Child,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

impl Ended {
    /// In the worker's own words, as far as they may stand in a log.
    pub(super) fn said(reason: &str) -> Self {
        Self::Said(plain(reason))
    }

    /// Whether the worker perished, or had to be ended, in what it was doing.
    pub(super) const fn is_crash(&self) -> bool {
        match self {
            Self::Said(_) | Self::Gone | Self::Nonsense | Self::Stalled | Self::Flood => true,
            Self::Spawn(_) | Self::Killed | Self::Idle => false,
        }
    }
}

/// A worker's words on one line, and not too many: whoever speaks to it may have chosen them.
pub(super) fn plain(text: &str) -> String {
    let kept = text.chars().filter_map(shown);
    kept.take(MOST_CHARS).collect()
}

impl Process {
    /// Starts the program as this kind of worker.
    pub(super) fn start(program: &Path, kind: &'static str, flags: &[&str]) -> Result<Self, Ended> {
        let mut command = Command::new(program);
        command.arg(kind).args(flags);
        let mut child = command
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Ended::Spawn)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(Ended::Gone);
        };
        if let Some(log) = child.stderr.take() {
            tokio::spawn(keep_log(log, kind));
        }
        Ok(Self {
            child,
            reader: Reader {
                pipe: stdout,
                frames: Frames::default(),
                piece: vec![0; 16 * 1024],
            },
            writer: Writer(stdin),
        })
    }
}

/// Whether the worker was ended by somebody else: by whoever runs the machine, or by the machine for want of memory. Not by
/// itself, nor by a fault of its own.
pub(super) async fn was_killed(child: &mut Child) -> bool {
    let status = tokio::time::timeout(FAREWELL, child.wait()).await;
    let signal = match status {
        Ok(Ok(status)) => status.signal(),
        Ok(Err(_)) | Err(_) => None,
    };
    signal.is_some_and(|signal| FROM_OUTSIDE.contains(&signal))
}

/// What comes from a worker.
pub(super) struct Reader {
    pipe: ChildStdout,
    frames: Frames,
    piece: Vec<u8>,
}

impl Reader {
    /// The next message. Nothing is lost when this is dropped before it is ready.
    pub(super) async fn next<M: Message>(&mut self) -> Result<M, Ended> {
        loop {
            if let Some(message) = self.frames.take().map_err(|_| Ended::Nonsense)? {
                return Ok(message);
            }
            let count = self.pipe.read(&mut self.piece).await;
            match count.ok().and_then(|count| self.piece.get(..count)) {
                Some([]) | None => return Err(Ended::Gone),
                Some(piece) => self.frames.push(piece),
            }
        }
    }
}

/// Where a worker is spoken to.
pub(super) struct Writer(ChildStdin);

impl Writer {
    /// Sends a message; one that does not fit a frame is left out.
    pub(super) async fn send<M: Message>(&mut self, message: &M) -> Result<(), Ended> {
        let Ok(frame) = message.encode() else {
            return Ok(());
        };
        match tokio::time::timeout(WRITE, self.0.write_all(&frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Gone),
            Err(_) => Err(Ended::Stalled),
        }
    }
}

/// Puts what a worker has to tell a person into the log of the server. All is read, so that it never waits for that; not all is kept.
async fn keep_log(log: ChildStderr, kind: &'static str) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    for number in 0_usize.. {
        line.clear();
        match (&mut log)
            .take(MOST_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) if number < MOST_LINES => {
                let text = plain(&String::from_utf8_lossy(&line));
                tracing::info!(worker = kind, "{text}");
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_worker_are_one_line_of_the_log_and_not_a_long_one() {
        let forged = "bad model\n2026-11-21 WARN conclave: forged\u{1b}[31m\u{202e}\u{0}";
        let ended = Ended::said(&format!("{forged}{}", "x".repeat(60_000)));
        let text = ended.to_string();
        assert!(
            !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{text}"
        );
        assert!(text.len() < 600, "{}", text.len());
    }

    #[tokio::test]
    async fn who_was_ended_from_outside_did_not_perish() {
        for (signal, killed) in [
            ("KILL", true),
            ("TERM", true),
            ("SEGV", false),
            ("ABRT", false),
        ] {
            let script = format!("ulimit -c 0; kill -{signal} $$");
            let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
            assert_eq!(was_killed(&mut child).await, killed, "{signal}");
        }
        let mut child = Command::new("sh").args(["-c", "exit 101"]).spawn().unwrap();
        assert!(!was_killed(&mut child).await);
    }
}
