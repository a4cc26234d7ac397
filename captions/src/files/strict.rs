//! Reads WebVTT as strictly as the files of this crate are written: what the standard forgives is a fault here. For tests
//! and fuzzing, and for whoever wants to check a file.

use super::vtt::TimestampMap;

/// A cue that was read; its text and its speaker are free of escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCue {
    /// The line before the times.
    pub id: String,
    /// When it appears, in milliseconds.
    pub start_ms: u64,
    /// When it goes.
    pub end_ms: u64,
    /// Of the voice tag; empty without one.
    pub speaker: String,
    /// What is shown.
    pub lines: Vec<String>,
}

/// Where a text is no strict WebVTT, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct VttFault {
    /// Counted from 1.
    pub line: usize,
    /// Why.
    pub what: &'static str,
}

/// The cues of a file and, of a segment, its timestamp map.
///
/// # Errors
/// Anything that is not the header, an empty line, and cues of id, times and lines, each ended by one empty line.
pub fn read_vtt(text: &str) -> Result<(Option<TimestampMap>, Vec<ReadCue>), VttFault> {
    let mut lines = Lines {
        rest: text,
        line: 0,
    };
    if lines.next()? != Some("WEBVTT") {
        return Err(lines.fault("does not begin with WEBVTT"));
    }
    let map = match lines.next()? {
        Some("") => None,
        Some(line) => {
            let map = timestamp_map(line).ok_or(lines.fault("is no timestamp map"))?;
            if lines.next()? != Some("") {
                return Err(lines.fault("no empty line follows the header"));
            }
            Some(map)
        }
        None => return Err(lines.fault("ends inside the header")),
    };
    let mut cues: Vec<ReadCue> = Vec::new();
    while let Some(id) = lines.next()? {
        let cue = cue(id, &mut lines)?;
        if cues.last().is_some_and(|last| last.start_ms > cue.start_ms) {
            return Err(lines.fault("a cue starts before the one above it"));
        }
        cues.push(cue);
    }
    Ok((map, cues))
}

struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line, which must be ended by a line feed and hold no character that a reader could take for another end.
    fn next(&mut self) -> Result<Option<&'a str>, VttFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or(self.fault("is not ended by a line feed"))?;
        if line.chars().any(|c| c.is_control()) {
            return Err(self.fault("holds a control character"));
        }
        self.rest = rest;
        Ok(Some(line))
    }

    fn fault(&self, what: &'static str) -> VttFault {
        VttFault {
            line: self.line,
            what,
        }
    }
}

fn cue(id: &str, lines: &mut Lines<'_>) -> Result<ReadCue, VttFault> {
    if id.is_empty() || id.contains("-->") || ["NOTE", "STYLE", "REGION"].contains(&id) {
        return Err(lines.fault("is no id of a cue"));
    }
    let times = lines.next()?.ok_or(lines.fault("no times follow"))?;
    let (start, end) = times
        .split_once(" --> ")
        .ok_or(lines.fault("has no arrow"))?;
    let start_ms = moment(start).ok_or(lines.fault("is no start"))?;
    let end_ms = moment(end).ok_or(lines.fault("is no end"))?;
    if end_ms <= start_ms {
        return Err(lines.fault("ends before it starts"));
    }
    let mut speaker = String::new();
    let mut shown = Vec::new();
    loop {
        let line = lines.next()?.ok_or(lines.fault("ends inside a cue"))?;
        if line.is_empty() {
            break;
        }
        let mut rest = line;
        if shown.is_empty()
            && let Some(named) = line.strip_prefix("<v ")
        {
            let (name, text) = named
                .split_once('>')
                .ok_or(lines.fault("does not end its voice tag"))?;
            speaker = plain(name).ok_or(lines.fault("has a bad name"))?;
            rest = text;
        }
        shown.push(plain(rest).ok_or(lines.fault("has a tag or a bad escape"))?);
    }
    if shown.is_empty() {
        return Err(lines.fault("a cue without text"));
    }
    Ok(ReadCue {
        id: id.to_owned(),
        start_ms,
        end_ms,
        speaker,
        lines: shown,
    })
}

/// The text without its escapes, if it holds nothing else of meaning.
fn plain(escaped: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = escaped;
    while let Some(c) = rest.chars().next() {
        let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
        let (meant, after) = match c {
            '<' | '>' => return None,
            '&' => known
                .iter()
                .find_map(|(escape, c)| Some((*c, rest.strip_prefix(escape)?)))?,
            c => (c, rest.get(c.len_utf8()..)?),
        };
        plain.push(meant);
        rest = after;
    }
    Some(plain)
}

fn timestamp_map(line: &str) -> Option<TimestampMap> {
    let (local, mpegts) = line
        .strip_prefix("X-TIMESTAMP-MAP=LOCAL:")?
        .split_once(",MPEGTS:")?;
    Some(TimestampMap {
        local_ms: moment(local)?,
        mpegts: number(mpegts, 1..=10).filter(|ticks| *ticks < 1 << 33)?,
    })
}

fn moment(text: &str) -> Option<u64> {
    let (clock, ms) = text.split_once('.')?;
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let minutes = number(minutes, 2..=2).filter(|minutes| *minutes < 60)?;
    let seconds = number(seconds, 2..=2).filter(|seconds| *seconds < 60)?;
    let hours = number(hours, 2..=4)?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + number(ms, 3..=3)?)
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let sound = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok())?
}
