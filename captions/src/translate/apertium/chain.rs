//! The running programs of one pair. Each is started by its path with its arguments, without a shell and without this
//! process's environment; all end when the chain is dropped.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::escape::{escape, unescape};
use super::mode::Mode;
use crate::clock::Clock;
use crate::sandbox::LAUNCH;

/// The longest output for one text of 500 characters that is believed.
const MAX_OUTPUT: u64 = 64 * 1024;
/// Outputs that wait to be taken. More than one is noise: one text is asked at a time.
const WAITING: usize = 2;

pub(super) struct Chain {
    children: Vec<Child>,
    input: Option<ChildStdin>,
    outputs: Receiver<String>,
    warm: bool,
}

impl Chain {
    /// Starts the programs of a mode, each by way of `launcher`, so that it ends with this process.
    pub(super) fn start(mode: &Mode, launcher: &Path) -> io::Result<Self> {
        let mut chain = Self {
            children: Vec::new(),
            input: None,
            outputs: sync_channel(0).1,
            warm: false,
        };
        let mut last: Option<ChildStdout> = None;
        for stage in &mode.stages {
            let mut child = Command::new(launcher)
                .arg(LAUNCH)
                .arg(std::process::id().to_string())
                .arg(&stage.program)
                .args(&stage.arguments)
                .env_clear()
                .env("LC_ALL", "C.UTF-8")
                .stdin(last.take().map_or_else(Stdio::piped, Stdio::from))
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            last = child.stdout.take();
            if chain.input.is_none() {
                chain.input = child.stdin.take();
            }
            // Kept at once, so that a failure further on ends it too.
            chain.children.push(child);
        }
        let output = last.ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, receiver) = sync_channel(WAITING);
        chain.outputs = receiver;
        thread::Builder::new()
            .name("apertium".into())
            .spawn(move || read(output, &sender))?;
        Ok(chain)
    }

    /// Has translated before.
    pub(super) fn is_warm(&self) -> bool {
        self.warm
    }

    /// The translation and how long it took; without one the chain must not be used again.
    pub(super) fn translate(
        &mut self,
        text: &str,
        patience: Duration,
    ) -> (Option<String>, Duration) {
        let began = Clock::start();
        let answer = self.ask(text, patience);
        self.warm |= answer.is_some();
        (answer, began.elapsed())
    }

    fn ask(&mut self, text: &str, patience: Duration) -> Option<String> {
        // What nobody asked for (an extra NUL) is no answer to this one.
        while self.outputs.try_recv().is_ok() {}
        // At most 4 KB: it fits into the pipe even if the first program does not read.
        self.input
            .as_mut()?
            .write_all(escape(text).as_bytes())
            .ok()?;
        let began = Clock::start();
        loop {
            let left = patience.checked_sub(began.elapsed())?;
            let plain = unescape(&self.outputs.recv_timeout(left).ok()?);
            if !plain.is_empty() {
                return Some(plain);
            }
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.input = None;
        for child in &mut self.children {
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// Passes on what stands between NULs until the programs end or nobody listens.
fn read(output: ChildStdout, outputs: &SyncSender<String>) {
    let mut output = BufReader::new(output);
    loop {
        let mut bytes = Vec::new();
        match output.by_ref().take(MAX_OUTPUT).read_until(0, &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if bytes.pop() != Some(0) {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if outputs.send(text).is_err() {
            return;
        }
    }
}
