//! Whatever a recogniser says, and in whatever order: nothing settled is ever taken back or lost.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::agree::Agreement;
use crate::wire::Message as _;

fn word(text: &str, t0_ms: i64) -> Word {
    Word {
        text: text.into(),
        glued: false,
        t0_ms,
        t1_ms: t0_ms + 250,
        sure: 0.9,
        ends: text.ends_with('.'),
    }
}

/// What a viewer has on the screen, checked with every cue that comes.
#[derive(Default)]
struct Screen {
    cues: BTreeMap<u64, (u32, String, bool)>,
}

impl Screen {
    fn show(&mut self, messages: &[FromRecogniser]) {
        for message in messages {
            assert!(message.encode().is_ok());
            let FromRecogniser::Cue {
                cue,
                revision,
                t0_ms,
                t1_ms,
                committed,
                tentative,
                finished,
                ..
            } = message
            else {
                panic!("not a cue");
            };
            assert!(t1_ms >= t0_ms);
            assert!(!finished || tentative.is_empty());
            let newest = self.cues.last_key_value().map(|(id, _)| *id);
            assert!(newest.is_none_or(|newest| *cue == newest || *cue == newest + 1));
            if let Some((before, text, over)) = self.cues.get(cue) {
                assert!(!over && *revision > *before, "a finished cue is revised");
                assert!(
                    committed.starts_with(text.as_str()),
                    "`{text}` became `{committed}`"
                );
            } else {
                assert!(
                    self.cues.values().all(|(.., over)| *over),
                    "two cues are open"
                );
            }
            self.cues
                .insert(*cue, (*revision, committed.clone(), *finished));
        }
    }

    fn said(&self) -> String {
        let cues = self.cues.values().map(|(_, text, _)| text.as_str());
        cues.filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

const VOCABULARY: &[&str] = &[
    "the",
    "meeting",
    "starts",
    "now.",
    "no",
    "no.",
    "please",
    "é",
    "long-word-with-parts",
    "Now",
    "",
];

fn hypothesis() -> impl Strategy<Value = Vec<(usize, i64)>> {
    vec((0..VOCABULARY.len(), 0..15_000_i64), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(10_000), ..ProptestConfig::default() })]

    #[test]
    fn what_is_settled_is_never_erased(
        phrases in vec((vec((hypothesis(), any::<u8>()), 0..5), hypothesis()), 1..4)
    ) {
        let mut cues = Cues::new(Track(1));
        let mut screen = Screen::default();
        let mut settled: Vec<String> = Vec::new();
        let words = |spoken: &[(usize, i64)]| -> Vec<Word> {
            spoken.iter().map(|(at, t0)| word(VOCABULARY[*at], *t0)).filter(|word| !word.text.is_empty()).collect()
        };
        for (partials, last) in phrases {
            let mut agreement = Agreement::default();
            let mut out = Vec::new();
            for (spoken, choice) in partials {
                // A recogniser often says the same again and goes on; pure chance seldom would.
                let mut words = words(&spoken);
                if choice & 3 != 0 {
                    words.splice(0..0, agreement.open().to_vec());
                }
                // A recogniser that is led astray finds another language each time.
                let language = if choice & 192 == 192 { "es" } else { "en" };
                let new = agreement.hear(words);
                settled.extend(new.iter().map(|word| word.text.clone()));
                cues.update(&new, agreement.open(), language, &mut out);
                if choice & 16 != 0 && let Some(at) = agreement.cut_at(choice & 32 != 0) {
                    agreement.forget_before(at);
                }
            }
            let new = agreement.finish(words(&last));
            settled.extend(new.iter().map(|word| word.text.clone()));
            cues.update(&new, &[], "en", &mut out);
            cues.finish(&mut out);
            screen.show(&out);
        }
        prop_assert_eq!(screen.said(), settled.join(" "));
        prop_assert!(screen.cues.values().all(|(.., over)| *over));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn texts_of_any_length_keep_to_their_bound(
        texts in vec("[a-zé界 ]{0,700}", 1..4), open in vec("[a-z界]{0,600}", 0..2), glued in any::<bool>()
    ) {
        let make = |texts: &[String]| -> Vec<Word> {
            texts.iter().map(|text| Word { glued, ..word(text, 0) }).collect()
        };
        let mut cues = Cues::new(Track(1));
        let mut screen = Screen::default();
        let mut out = Vec::new();
        cues.update(&make(&texts), &make(&open), "ja", &mut out);
        cues.finish(&mut out);
        screen.show(&out);
    }
}

#[test]
fn a_cue_ends_with_its_sentence_or_when_it_is_long() {
    let mut cues = Cues::new(Track(1));
    let mut out = Vec::new();
    cues.update(&[word("no.", 0)], &[word("well", 300)], "en", &mut out);
    let shown: Vec<_> = out
        .iter()
        .map(|message| match message {
            FromRecogniser::Cue {
                cue,
                committed,
                tentative,
                finished,
                ..
            } => (*cue, committed.as_str(), tentative.as_str(), *finished),
            _ => panic!("not a cue"),
        })
        .collect();
    assert_eq!(shown, [(0, "no.", "", true), (1, "", "well", false)]);
    let mut out = Vec::new();
    let many: Vec<_> = (0..100).map(|at| word("words", at * 100)).collect();
    cues.update(&many, &[], "en", &mut out);
    let mut screen = Screen::default();
    screen.cues.insert(0, (0, String::new(), true));
    screen.show(&out);
    assert_eq!(screen.said().split(' ').count(), 100);
    assert!(
        screen
            .cues
            .values()
            .all(|(_, text, _)| text.chars().count() < LONG + 6)
    );
    assert!(screen.cues.len() >= 4);
}

#[test]
fn a_new_number_closes_the_last_one_however_often_the_language_changes() {
    let mut cues = Cues::new(Track(1));
    let mut screen = Screen::default();
    for (at, language) in ["en", "es", "fr"].iter().cycle().take(60).enumerate() {
        let mut out = Vec::new();
        let settled: &[Word] = if at % 7 == 0 { &[word("yes", 0)] } else { &[] };
        cues.update(settled, &[word("maybe", 300)], language, &mut out);
        screen.show(&out);
        let open = screen.cues.values().filter(|(.., over)| !over);
        assert_eq!(open.count(), 1);
    }
}

#[test]
fn a_cue_without_spaces_or_marks_ends_too() {
    let mut cues = Cues::new(Track(1));
    let mut out = Vec::new();
    let signs: Vec<_> = (0..400)
        .map(|at| Word {
            glued: true,
            ..word("界", at * 20)
        })
        .collect();
    cues.update(&signs, &[], "zh", &mut out);
    let mut screen = Screen::default();
    screen.show(&out);
    assert!(screen.cues.len() >= 5);
    assert!(
        screen
            .cues
            .values()
            .all(|(_, text, _)| text.chars().count() <= 70)
    );
}

#[test]
fn nothing_new_says_nothing() {
    let mut cues = Cues::new(Track(1));
    let mut out = Vec::new();
    cues.update(&[], &[], "en", &mut out);
    cues.finish(&mut out);
    assert!(out.is_empty());
    cues.update(&[word("yes", 0)], &[], "en", &mut out);
    cues.update(&[], &[], "en", &mut out);
    assert_eq!(out.len(), 1);
    cues.update(&[], &[word("maybe", 300)], "en", &mut out);
    cues.finish(&mut out);
    let last = out.last().unwrap();
    assert!(
        matches!(last, FromRecogniser::Cue { committed, tentative, finished: true, revision: 2, .. }
        if committed == "yes" && tentative.is_empty())
    );
}
