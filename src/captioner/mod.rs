//! Supervises the caption workers: two kinds of process outside the server's address space. It starts them, watches over them, gives
//! the recognisers what taps hear and the translator what is to be translated, and hands what comes back to the room whose it
//! is. It knows no roles and decides nothing: who is listened to, and whether a caption counts, is decided above, by permits.

mod desk;
mod process;
mod recogniser;
pub mod settings;
mod shared;
mod track;
mod translator;

pub use desk::{Batch, CueIn, Desk, EnglishIn, Loss, News, Opening, Told, Translated};
pub use shared::{Captioner, Health, Trouble};
