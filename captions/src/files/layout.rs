//! Captions as people can read them: at most two lines of about 37 characters (16 of Chinese, Japanese and Korean), shown
//! for one to seven seconds. What one caption becomes depends on that caption alone, so that a stream may be written
//! while captions still come and never takes one back.

use super::entry::{Entry, in_order};

/// The lines of a cue.
const LINES: usize = 2;
/// A narrow character takes this much of [`WIDTH`], a wide one [`WIDE`]: 37 of the one or 16 of the other fill a line.
const NARROW: usize = 16;
const WIDE: usize = 37;
const WIDTH: usize = NARROW * WIDE;
/// The shortest and the longest time that a cue is shown, and the least for each word.
const MIN_MS: u64 = 1_000;
const MAX_MS: u64 = 7_000;
const WORD_MS: u64 = 300;

/// What is shown at one time: one or two lines of one speaker. Times are milliseconds from the beginning of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    pub(super) id: String,
    pub(super) speaker: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) lines: Vec<String>,
}

/// Lays captions out as cues, in the order of their starts. A long caption becomes several cues; its time is shared by
/// their length.
#[must_use]
pub fn lay_out(entries: &[Entry]) -> Vec<Cue> {
    let mut cues: Vec<Cue> = in_order(entries).into_iter().flat_map(cues_of).collect();
    cues.sort_by_key(|cue| cue.start_ms);
    cues
}

fn cues_of(entry: &Entry) -> Vec<Cue> {
    let lines = wrap(&entry.text);
    let whole: u64 = lines.iter().map(|line| width(line)).sum::<u64>().max(1);
    let spoken = entry.end_ms - entry.start_ms;
    let mut before = 0;
    let mut cues = Vec::new();
    for (n, lines) in lines.chunks(LINES).enumerate() {
        let own: u64 = lines.iter().map(|line| width(line)).sum();
        let start_ms = entry.start_ms + spoken * before / whole;
        before += own;
        let ends = entry.start_ms + spoken * before / whole;
        let words: usize = lines.iter().map(|line| line.split(' ').count()).sum();
        let least = (words as u64 * WORD_MS).clamp(MIN_MS, MAX_MS);
        cues.push(Cue {
            id: if n == 0 {
                entry.id.clone()
            } else {
                format!("{}.{}", entry.id, n + 1)
            },
            speaker: entry.speaker.clone(),
            start_ms,
            end_ms: ends.clamp(start_ms + least, start_ms + MAX_MS),
            lines: lines.to_vec(),
        });
    }
    cues
}

/// Breaks a clean text (single spaces, none at its ends) into lines: at spaces, between wide characters, and inside a
/// word only where it alone is longer than a line.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for piece in pieces(text) {
        let spaced = piece.starts_with(' ');
        let wide = cost(piece.trim_start());
        let space = if spaced && !line.is_empty() {
            NARROW
        } else {
            0
        };
        if used + space + wide > WIDTH && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if spaced && !line.is_empty() {
            line.push(' ');
            used += NARROW;
        }
        for c in piece.trim_start().chars() {
            if used + of(c) > WIDTH && !line.is_empty() && !joins(c) {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += of(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The parts of a text between which a line may break; each keeps the space before it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut last: Option<char> = None;
    for (at, c) in text.char_indices() {
        let breaks = match last {
            None | Some(' ') => false,
            Some(last) => c == ' ' || (is_wide(last) || is_wide(c)) && !stays(c) && !opens(last),
        };
        if breaks && let Some(piece) = text.get(from..at) {
            pieces.push(piece);
            from = at;
        }
        last = Some(c);
    }
    pieces.extend(text.get(from..));
    pieces
}

fn cost(text: &str) -> usize {
    text.chars().map(of).sum()
}

fn width(line: &str) -> u64 {
    u64::try_from(cost(line)).unwrap_or(u64::MAX / 1_000_000)
}

fn of(c: char) -> usize {
    if is_wide(c) { WIDE } else { NARROW }
}

/// East Asian wide and full-width characters and pictographs.
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{303E}' | '\u{3041}'..='\u{A4CF}' | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}' | '\u{1F300}'..='\u{1FAFF}' | '\u{20000}'..='\u{3FFFD}')
}

/// Belongs to the character before it: marks, joiners, selectors, skin tones.
fn joins(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{200C}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{1F3FB}'..='\u{1F3FF}')
}

/// Does not begin a line: what joins, and what closes.
fn stays(c: char) -> bool {
    joins(c)
        || matches!(
            c,
            '、' | '。'
                | '，'
                | '．'
                | '！'
                | '？'
                | '：'
                | '；'
                | '」'
                | '』'
                | '）'
                | '】'
                | '》'
                | '〉'
                | 'ー'
                | '…'
                | ','
                | '.'
                | '!'
                | '?'
                | ':'
                | ';'
                | ')'
                | ']'
                | '”'
                | '’'
        )
}

/// Does not end a line.
fn opens(c: char) -> bool {
    matches!(
        c,
        '「' | '『' | '（' | '【' | '《' | '〈' | '(' | '[' | '“' | '‘' | '\u{200D}'
    )
}

#[cfg(test)]
mod tests {
    use super::{Entry, lay_out, wrap};

    fn entry(text: &str, start: u64, end: u64) -> Entry {
        Entry::new("p1-1", "host", start, end, text).unwrap()
    }

    #[test]
    fn a_line_has_37_characters_or_16_wide_ones() {
        let lines = wrap("the quick brown fox jumps over the lazy dog and then runs back again");
        assert_eq!(
            lines,
            [
                "the quick brown fox jumps over the",
                "lazy dog and then runs back again"
            ]
        );
        let lines = wrap("私たちは会議を始めます。資料を見てください。");
        assert!(
            lines.iter().all(|line| line.chars().count() <= 16),
            "{lines:?}"
        );
        assert_eq!(
            lines.concat(),
            "私たちは会議を始めます。資料を見てください。"
        );
        assert!(
            lines.iter().all(|line| !line.starts_with('。')),
            "{lines:?}"
        );
        let lines = wrap(&"x".repeat(100));
        assert_eq!(
            lines.iter().map(String::len).collect::<Vec<_>>(),
            [37, 37, 26]
        );
    }

    #[test]
    fn a_cue_is_shown_for_one_to_seven_seconds() {
        let shown = |text: &str, start, end| {
            let cues = lay_out(&[entry(text, start, end)]);
            cues.iter()
                .map(|cue| (cue.start_ms, cue.end_ms))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("yes", 5_000, 5_100), [(5_000, 6_000)]);
        assert_eq!(shown("one two three four five", 0, 200), [(0, 1_500)]);
        assert_eq!(shown("slow", 0, 60_000), [(0, 7_000)]);
    }

    #[test]
    fn a_long_caption_becomes_cues_that_share_its_time() {
        let text = "word ".repeat(40);
        let cues = lay_out(&[entry(&text, 10_000, 22_000)]);
        assert!(cues.len() >= 3, "{cues:?}");
        assert_eq!(cues[0].id, "p1-1");
        assert_eq!(cues[1].id, "p1-1.2");
        assert!(cues.iter().all(|cue| cue.lines.len() <= 2));
        assert!(
            cues.windows(2)
                .all(|pair| pair[0].start_ms < pair[1].start_ms)
        );
        let back: Vec<_> = cues.iter().flat_map(|cue| cue.lines.clone()).collect();
        assert_eq!(back.join(" "), text.trim_end());
    }
}
