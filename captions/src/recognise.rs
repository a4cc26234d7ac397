//! What turns sound into words, and the process around it. Names whisper.cpp nowhere but in this folder.

pub mod abort;
mod held;
mod outbox;
pub mod process;
pub mod whisper;

use crate::guards::Heard;
use crate::talker::Pass;

/// Recognises one window at a time. One value belongs to one thread.
pub trait Recogniser: Send {
    /// The words of a window.
    ///
    /// # Errors
    /// The pass was aborted or could not be done.
    fn recognise(&mut self, pass: &Pass) -> Result<Heard, Failure>;
}

/// Why a pass brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Someone stopped it.
    #[error("stopped")]
    Aborted,
    /// The engine failed; what it said, which holds no speech.
    #[error("the recogniser failed: {0}")]
    Engine(String),
}
