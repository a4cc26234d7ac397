//! Stops a running pass of whisper.cpp from another thread. The one file with `unsafe`: the safe wrapper that whisper-rs
//! offers for this callback casts to the wrong type and never calls it.
#![expect(
    unsafe_code,
    reason = "whisper.cpp takes a callback and a pointer for it"
)]

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use whisper_rs::{FullParams, WhisperError, WhisperState};

/// Stops the passes that run with it. Clones stop the same ones.
#[derive(Clone, Default)]
pub struct Abort(Arc<AtomicBool>);

impl Abort {
    /// The pass that runs ends as soon as whisper.cpp asks, after the encoder or before the next token.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The next pass may run.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether passes are to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Runs a pass that this can stop.
    ///
    /// # Errors
    /// Those of whisper.cpp; one that was stopped fails too.
    pub fn run(
        &self,
        state: &mut WhisperState,
        mut params: FullParams<'_, '_>,
        sound: &[f32],
    ) -> Result<(), WhisperError> {
        let flag: *const AtomicBool = Arc::as_ptr(&self.0);
        // SAFETY: `stopped` reads its argument as the `AtomicBool` that it is. The flag lives in an `Arc`, so it does not
        // move, and `self` keeps it until `full` returns; `params`, which holds the pointer, ends with this call.
        unsafe {
            params.set_abort_callback(Some(stopped));
            params.set_abort_callback_user_data(flag.cast_mut().cast());
        }
        state.full(params, sound)
    }
}

/// Called by whisper.cpp on the thread that runs the pass.
unsafe extern "C" fn stopped(flag: *mut c_void) -> bool {
    // SAFETY: `Abort::run` hands whisper.cpp a pointer to an `AtomicBool` that outlives the pass, and nothing else is
    // registered with this function. An atomic may be read while another thread writes it.
    let flag = unsafe { &*flag.cast::<AtomicBool>() };
    flag.load(Ordering::Relaxed)
}
