//! The body of the fuzz target of this part. Compiled with the library, so that it never rots; of no use to the server.

use super::{Entry, Period, TimestampMap, json, lay_out, read_vtt, segment, srt, txt, vtt};

/// Makes captions of arbitrary bytes, writes every kind of file, reads WebVTT back strictly and compares.
///
/// # Panics
/// Panics when a file is not what was put in, or speech had an effect in it.
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn fuzz_files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\u{1}');
    let mut entries = Vec::new();
    while let (Some(key), Some(speaker), Some(said)) = (parts.next(), parts.next(), parts.next()) {
        let start = said.len() as u64 * 997 % 50_000;
        let end = start + speaker.len() as u64 * 313 % 30_000;
        entries.extend(Entry::new(key, speaker, start, end, said));
    }
    let cues = lay_out(&entries);
    let written = vtt(&cues);
    let Ok((None, read)) = read_vtt(&written) else {
        panic!("not WebVTT: {written:?}");
    };
    let same = read.len() == cues.len()
        && read.iter().zip(&cues).all(|(read, cue)| {
            read.id == cue.id
                && read.speaker == cue.speaker
                && read.lines == cue.lines
                && (read.start_ms, read.end_ms) == (cue.start_ms, cue.end_ms)
                && (1_000..=7_000).contains(&(cue.end_ms - cue.start_ms))
                && (1..=2).contains(&cue.lines.len())
        });
    let mut in_segments = Vec::new();
    for n in 0..15 {
        let period = Period {
            from_ms: n * 6_000,
            to_ms: (n + 1) * 6_000,
        };
        let map = TimestampMap {
            local_ms: 0,
            mpegts: 900_000,
        };
        let Ok((Some(_), read)) = read_vtt(&segment(&cues, period, map)) else {
            panic!("not a segment: {written:?}");
        };
        in_segments.extend(read);
    }
    in_segments.sort_by_key(|cue| cue.start_ms);
    in_segments.dedup();
    let all_there = read.iter().all(|cue| in_segments.contains(cue));
    let lines = txt(&entries).lines().count();
    let srt = srt(&cues);
    let arrows = srt.matches("-->").count();
    let tags = srt.matches(['<', '{', '}', '\\']).count();
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(&json("en", &entries));
    let kept = parsed.map(|file| {
        file.get("cues")
            .and_then(|cues| cues.as_array().map(Vec::len))
    });
    if !same
        || !all_there
        || lines != entries.len()
        || arrows != cues.len()
        || tags != 0
        || kept.ok().flatten() != Some(entries.len())
    {
        panic!("speech had an effect in a file: {written:?}");
    }
}
