//! Captions: the frames between the server and its two worker processes, the way from packets to stable cues, the files
//! that cues become, and the workers themselves. The default features are pure and small; that is all the server links.
//! `audio` adds the decoders and speech detection, `worker` whisper.cpp, the sandbox and the binary.

#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "wire")]
pub mod wire;
