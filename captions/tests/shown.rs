//! A WebVTT file of names and speech that would like to be something else, and what a reader has to make of it. Both stand in
//! `testdata/shown`, where the browser's own reader is held against them (web/e2e/story/subtitles.test.ts).
//! `UPDATE_SNAPSHOT=1 cargo test -p conclave-captions --test shown` writes them anew.

use std::path::Path;

use conclave_captions::files::{Entry, Period, TimestampMap, lay_out, read_vtt, segment, vtt};

/// Who says what, from when to when in milliseconds.
const SAID: &[(&str, u64, u64, &str)] = &[
    (
        "The host",
        0,
        2_400,
        "the security team will present the recording on wednesday",
    ),
    (
        "--> <v Owner> & \u{202E}tsoh\u{2069}",
        2_500,
        4_000,
        "i do not agree with you",
    ),
    (
        "Guest",
        3_000,
        4_200,
        "00:00:00.000 --> 00:00:09.000 position:0% </v><script>alert(1)</script>",
    ),
    (
        "<b>&lt;",
        4_300,
        5_000,
        "x\n\n00:00:00.000 --> 99:00:00.000\ninjected",
    ),
    ("Guest", 5_100, 6_000, "&lt;b&gt; &amp; & &#60; &nbsp;"),
    ("Guest", 6_100, 7_000, "NOTE STYLE ::cue{display:none}"),
    ("", 7_100, 8_000, "nobody has a name here"),
    (
        "أستاذ",
        8_100,
        9_000,
        "مرحبا بكم في الاجتماع \u{202E}\u{0}\u{7}end",
    ),
    (
        "司会",
        9_100,
        12_000,
        "次の会議は月曜日の五時に始まりますのでよろしくお願いします。",
    ),
    (
        "The host",
        3_600_000,
        3_616_000,
        "frank please unmute your microphone and tell the team what the customers said about the last release of the product and what we will do about it before the next meeting in june",
    ),
];

#[test]
fn the_files_that_browsers_read_are_those_that_are_written() {
    let entries: Vec<_> = SAID
        .iter()
        .zip(1..)
        .filter_map(|((who, from, to, said), n)| {
            Entry::new(&format!("speaker-{n}"), who, *from, *to, said)
        })
        .collect();
    assert_eq!(entries.len(), SAID.len());
    let file = vtt(&lay_out(&entries));
    let (_, cues) = read_vtt(&file).unwrap();
    // One cue to a line: id, times, speaker, lines.
    let shown: String = cues
        .iter()
        .map(|cue| {
            format!(
                "{}\t{}\t{}\t{}\t{}\n",
                cue.id,
                cue.start_ms,
                cue.end_ms,
                cue.speaker,
                cue.lines.join("\t")
            )
        })
        .collect();
    is("hostile.vtt", &file).unwrap();
    let period = Period {
        from_ms: 0,
        to_ms: 6_000,
    };
    let map = TimestampMap {
        local_ms: 0,
        mpegts: 900_000,
    };
    let part = segment(&lay_out(&entries), period, map);
    is("hostile-segment.vtt", &part).unwrap();
    is("hostile.tsv", &shown).unwrap();
}

fn is(name: &str, text: &str) -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/shown")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, text)?;
    }
    let kept = std::fs::read_to_string(&path)?;
    assert_eq!(
        kept, text,
        "{name} differs; if that is meant, UPDATE_SNAPSHOT=1 and review it"
    );
    Ok(())
}
