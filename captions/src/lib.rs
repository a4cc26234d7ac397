//! Captions: the frames between the server and its two worker processes, the way from packets to stable cues, the files
//! that cues become, and the workers themselves. The default features are pure and small; that is all the server links.
//! `audio` adds the decoders and speech detection, `worker` whisper.cpp, the sandbox and the binary.

#[cfg(feature = "audio")]
pub mod agree;
#[cfg(feature = "audio")]
pub mod budget;
#[cfg(feature = "translator")]
pub mod clock;
#[cfg(feature = "audio")]
pub mod cue;
#[cfg(feature = "audio")]
pub mod desk;
#[cfg(feature = "audio")]
pub mod detect;
#[cfg(feature = "audio")]
mod english;
#[cfg(feature = "fetch")]
pub mod fetch;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "audio")]
pub mod guards;
#[cfg(feature = "audio")]
pub mod listen;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "audio")]
mod pace;
#[cfg(feature = "translator")]
pub mod panics;
#[cfg(feature = "worker")]
pub mod recognise;
#[cfg(feature = "translator")]
pub mod sandbox;
#[cfg(any(feature = "files", feature = "wire"))]
pub mod shown;
#[cfg(feature = "audio")]
pub mod sound;
#[cfg(feature = "audio")]
mod steady;
#[cfg(feature = "audio")]
pub mod talker;
#[cfg(feature = "audio")]
pub mod tongue;
#[cfg(feature = "translator")]
pub mod translate;
#[cfg(feature = "trust")]
mod trust;
#[cfg(feature = "wire")]
pub mod wire;
