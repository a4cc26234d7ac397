//! Times of a file as text.

/// `hh:mm:ss` and milliseconds after `point`.
pub(super) fn stamp(ms: u64, point: char) -> String {
    format!(
        "{:02}:{:02}:{:02}{point}{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}
