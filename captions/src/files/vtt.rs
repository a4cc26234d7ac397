//! WebVTT (W3C), whole and in segments for HTTP Live Streaming (RFC 8216, section 3.5).

use std::fmt::Write as _;

use super::layout::Cue;
use super::stamp::stamp;

/// One whole file.
#[must_use]
pub fn vtt(cues: &[Cue]) -> String {
    let mut text = String::from("WEBVTT\n\n");
    for cue in cues {
        write(&mut text, cue);
    }
    text
}

/// The time that a segment covers: from its first moment up to, not with, its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first one after it.
    pub to_ms: u64,
}

/// Which moment of the captions is which one of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMap {
    /// A moment of the captions, in milliseconds.
    pub local_ms: u64,
    /// The same moment of the media, in ticks of 90 kHz; counted modulo 2³³ as MPEG-2 does.
    pub mpegts: u64,
}

/// One segment: every cue that is shown in the period. A cue that crosses into the next is in both with the same times
/// (cut in two it would be shown twice); a period without one gives a valid segment without cues.
#[must_use]
pub fn segment(cues: &[Cue], period: Period, map: TimestampMap) -> String {
    let mut text = format!(
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:{},MPEGTS:{}\n\n",
        stamp(map.local_ms, '.'),
        map.mpegts % (1 << 33)
    );
    for cue in cues {
        if cue.start_ms < period.to_ms && cue.end_ms > period.from_ms {
            write(&mut text, cue);
        }
    }
    text
}

fn write(text: &mut String, cue: &Cue) {
    let _ = writeln!(text, "{}", cue.id);
    let _ = writeln!(
        text,
        "{} --> {}",
        stamp(cue.start_ms, '.'),
        stamp(cue.end_ms, '.')
    );
    if !cue.speaker.is_empty() {
        let _ = write!(text, "<v {}>", escape(&cue.speaker));
    }
    for line in &cue.lines {
        let _ = writeln!(text, "{}", escape(line));
    }
    text.push('\n');
}

/// Nothing that is escaped can open a tag, end a name, or form an arrow.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
