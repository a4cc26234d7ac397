//! Closes a worker process before it sees speech: of files only what its work needs, of the network nothing or one port, of
//! system calls a short list, no new rights, little memory, last in line for the processor. What is closed stays closed,
//! for every thread and program that comes after. No `unsafe`: the calls are those of `landlock`, `seccompiler`, `rustix`.

mod calls;
mod files;
mod launch;
mod limits;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use calls::Calls;
pub use launch::{LAUNCH, launch, libraries};
pub use limits::close_inherited;

/// Memory of a translator that asks another machine.
const TRANSLATOR_MEMORY: u64 = 512 << 20;
/// Memory of a translator that runs programs, and of each of them: the largest of Apertium's takes 150 MB.
const PROGRAM_MEMORY: u64 = 256 << 20;
/// Memory of a translator that holds models of its own.
const NEURAL_MEMORY: u64 = 3 << 30;

/// What to do where the kernel cannot close all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Refuse to work: the default.
    Whole,
    /// Close what can be closed without Landlock (system calls, limits) and work: what an operator asks for with
    /// `without_sandbox = true`.
    WhatThereIs,
}

/// The one thing beside its own pipes that a translator may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// May run these programs, which may read these files and folders.
    Programs {
        /// The programs.
        run: Vec<PathBuf>,
        /// What they and their libraries are made of.
        read: Vec<PathBuf>,
    },
    /// May connect to the port of this address over TCP. The kernel's rule is of ports: that it is this machine's is
    /// held by the code that connects, which knows no other.
    Address(SocketAddr),
    /// May read these files or folders.
    Files(Vec<PathBuf>),
}

/// That this process is closed.
#[derive(Debug)]
#[must_use]
pub struct Closed {
    /// Whether files (and ports) are closed too, not system calls alone.
    pub whole: bool,
}

/// Why a process could not be closed. It must not work then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel has no Landlock, or it is switched off.
    #[error(
        "this kernel has no Landlock: captions need Linux 5.13 or later with `landlock` among its security modules"
    )]
    NoLandlock,
    /// The kernel's Landlock knows no rules for ports.
    #[error(
        "this kernel's Landlock has no rules for the network: this translator needs Linux 6.7 or later"
    )]
    NoPortRules,
    /// Landlock holds for threads that begin later only.
    #[error("the process has {0} threads and can be closed only while it has one")]
    Threads(usize),
    /// What the work needs cannot be opened.
    #[error("`{path}` cannot be opened for the sandbox")]
    Missing {
        /// Which file or folder.
        path: PathBuf,
    },
    /// A step failed.
    #[error("the process cannot be closed: {step}: {why}")]
    Step {
        /// Which.
        step: &'static str,
        /// What the kernel or the library said.
        why: String,
    },
}

impl SandboxError {
    fn step(step: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |why| Self::Step {
            step,
            why: why.to_string(),
        }
    }
}

/// Closes a recogniser: it may read the one model file and nothing else, reach nothing, run nothing and use `memory` bytes.
///
/// # Errors
/// It is not closed, or not wholly.
pub fn recogniser(model: &Path, memory: u64, demand: Demand) -> Result<Closed, SandboxError> {
    close(
        &Reach::Files(vec![model.into()]),
        Calls::Alone,
        memory,
        demand,
    )
}

/// Closes a translator but for what it reaches.
///
/// # Errors
/// It is not closed, or not wholly.
pub fn translator(reach: &Reach, demand: Demand) -> Result<Closed, SandboxError> {
    let (calls, memory) = match reach {
        Reach::Programs { .. } => (Calls::Programs, PROGRAM_MEMORY),
        Reach::Address(_) => (Calls::Connect, TRANSLATOR_MEMORY),
        Reach::Files(_) => (Calls::Alone, NEURAL_MEMORY),
    };
    close(reach, calls, memory, demand)
}

fn close(reach: &Reach, calls: Calls, memory: u64, demand: Demand) -> Result<Closed, SandboxError> {
    limits::one_thread()?;
    limits::set(memory)?;
    let whole = match (files::close(reach), demand) {
        (Ok(()), _) => true,
        (Err(SandboxError::NoLandlock | SandboxError::NoPortRules), Demand::WhatThereIs) => false,
        (Err(error), _) => return Err(error),
    };
    calls::close(calls)?;
    Ok(Closed { whole })
}
