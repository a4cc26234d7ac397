//! The captions of a room: what is shown, translated, cut and never said twice, one by one and at random.

use proptest::prelude::*;

use super::*;

const WHO: ParticipantId = ParticipantId::from_bytes([1; 16]);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn spoken(cue: u64, t: (i64, i64), committed: &str, finished: bool) -> Spoken {
    Spoken {
        of: (7, cue),
        speaker: WHO,
        name: "guest".into(),
        language: "en".into(),
        t0: t.0,
        t1: t.1,
        committed: committed.into(),
        tentative: if finished { "" } else { "maybe" }.into(),
        finished,
    }
}

fn targets(wanted: &[&str]) -> Targets {
    Targets {
        wanted: wanted.iter().map(|&code| code.to_owned()).collect(),
        pairs: vec![("en".into(), "es".into())],
        engine: "apertium".into(),
        english: Vec::new(),
    }
}

#[test]
fn numbers_go_on_over_tracks_and_a_lost_track_ends_its_cue_with_what_stays() {
    let (mut cues, none) = (Cues::default(), targets(&[]));
    let said = cues.take(spoken(1, (0, 900), "we begin", false), &none, at(0));
    assert_eq!((said[0].1.cue, said[0].1.revision), (1, 1));
    let said = cues.lost(7, &none);
    let view = &said[0].1;
    assert!(view.is_final && view.tentative.is_empty());
    assert_eq!((view.committed.as_str(), view.revision), ("we begin", 2));
    assert!(cues.lost(7, &none).is_empty());
    // Another worker says it once more, and then goes on.
    let mut again = spoken(1, (0, 900), "we begin", false);
    again.of = (8, 1);
    assert!(cues.take(again, &none, at(0)).is_empty());
    let mut more = spoken(2, (1000, 1500), "now", true);
    more.of = (8, 2);
    assert_eq!(cues.take(more, &none, at(0))[0].1.cue, 2);
    assert!(!cues.is_busy());
}

#[test]
fn what_was_committed_is_never_taken_back() {
    let (mut cues, none) = (Cues::default(), targets(&[]));
    cues.take(spoken(1, (0, 1), "we begin", false), &none, at(0));
    let other = spoken(1, (0, 1), "they begin", false);
    assert!(cues.take(other, &none, at(0)).is_empty());
    let after = spoken(1, (0, 1), "we begin now", true);
    assert_eq!(cues.take(after.clone(), &none, at(0)).len(), 1);
    assert!(cues.take(after, &none, at(0)).is_empty(), "nothing follows");
}

#[test]
fn sentences_are_translated_as_they_end_and_stay() {
    let (mut cues, es) = (Cues::default(), targets(&["es"]));
    cues.take(spoken(1, (0, 1), "We begin. And", false), &es, at(0));
    let jobs = cues.due(&es, at(0));
    assert_eq!(jobs[0].texts, ["We begin."]);
    assert!(cues.due(&es, at(0)).is_empty(), "one at a time");
    let said = cues.translated(jobs[0].id, &[Some("Empezamos.".into())], &es);
    assert_eq!(said[0].0, For::Translation);
    assert_eq!(said[0].1.committed, "Empezamos.");
    assert!(!said[0].1.is_final && !said[0].1.original);
    // The open clause: only after a while, and it may change.
    assert!(cues.due(&es, at(100)).is_empty());
    let jobs = cues.due(&es, at(3_100));
    assert_eq!(jobs[0].texts, ["And"]);
    let said = cues.translated(jobs[0].id, &[Some("Y".into())], &es);
    assert_eq!(said[0].1.tentative, "Y");
    cues.take(spoken(1, (0, 2), "We begin. And go", true), &es, at(3_200));
    let jobs = cues.due(&es, at(3_200));
    assert_eq!(jobs[0].texts, ["And go"]);
    let said = cues.translated(jobs[0].id, &[Some("Y vamos".into())], &es);
    assert_eq!(said[0].1.committed, "Empezamos. Y vamos");
    assert!(said[0].1.is_final && said[0].1.tentative.is_empty());
    assert!(!cues.is_busy());
}

fn in_french(cue: u64, committed: &str, finished: bool) -> Spoken {
    Spoken {
        language: "fr".into(),
        ..spoken(
            cue,
            (0, 900 * i64::try_from(cue).unwrap()),
            committed,
            finished,
        )
    }
}

#[test]
fn the_recogniser_is_asked_for_english_where_nothing_else_translates_into_it() {
    let of_recogniser = Targets {
        english: vec!["fr".into()],
        ..targets(&["en"])
    };
    let mut cues = Cues::default();
    cues.take(in_french(1, "On commence.", false), &of_recogniser, at(0));
    assert!(cues.due(&of_recogniser, at(0)).is_empty());
    assert!(of_recogniser.wants_english(Some("fr")) && of_recogniser.wants_english(None));
    assert!(!of_recogniser.wants_english(Some("de")) && !of_recogniser.wants_english(Some("en")));
    // Not of what may still grow.
    let early = cues.in_english((7, 1), Some("We begin."), &of_recogniser);
    assert_eq!(early, []);
    cues.take(in_french(1, "On commence.", true), &of_recogniser, at(1));
    let said = cues.in_english((7, 1), Some("We\u{202e} begin."), &of_recogniser);
    let (whom, view) = &said[0];
    assert_eq!(whom, &For::Translation);
    assert_eq!((view.cue, view.engine.as_deref()), (1, Some("whisper")));
    assert_eq!(
        (view.language.as_str(), view.committed.as_str()),
        ("en", "We begin.")
    );
    assert!(view.is_final && !view.original);
    let again = cues.in_english((7, 1), Some("They begin."), &of_recogniser);
    assert_eq!(again, [], "once");
    assert!(!cues.is_busy());
    // Another engine that has the pair is asked instead.
    let of_both = Targets {
        pairs: vec![("fr".into(), "en".into())],
        ..of_recogniser
    };
    assert!(!of_both.wants_english(Some("fr")));
    cues.take(in_french(2, "On termine.", true), &of_both, at(2));
    assert_eq!(cues.in_english((7, 2), Some("nonsense"), &of_both), []);
    let jobs = cues.due(&of_both, at(2));
    let said = cues.translated(jobs[0].id, &[Some("We end.".into())], &of_both);
    assert_eq!(said[0].1.engine.as_deref(), Some("apertium"));
}

#[test]
fn english_that_does_not_come_is_not_waited_for() {
    let targets = Targets {
        english: vec!["fr".into()],
        ..targets(&["en"])
    };
    let fallback = |said: &[Said]| {
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].0, For::Fallback("en".into()));
        said[0].1.committed.clone()
    };
    let mut cues = Cues::default();
    cues.take(in_french(1, "un", true), &targets, at(0));
    assert_eq!(cues.late(&targets, at(9_999)), []);
    assert_eq!(fallback(&cues.late(&targets, at(10_000))), "un");
    assert!(!cues.is_busy());
    cues.take(in_french(2, "deux", true), &targets, at(0));
    assert_eq!(fallback(&cues.in_english((7, 2), None, &targets)), "deux");
    cues.take(in_french(3, "trois", true), &targets, at(0));
    assert_eq!(fallback(&cues.lost(7, &targets)), "trois");
    // Of somebody who is cut off nothing follows.
    cues.take(in_french(4, "quatre", true), &targets, at(0));
    assert_eq!(cues.cut(WHO, &targets), []);
    assert_eq!(cues.in_english((7, 4), Some("four"), &targets), []);
    assert!(!cues.is_busy());
}

#[test]
fn nothing_is_added_in_any_language_once_a_speaker_is_not_listened_to() {
    let (mut cues, targets) = (Cues::default(), targets(&["es"]));
    cues.take(
        spoken(1, (0, 900), "one. two. three", false),
        &targets,
        at(0),
    );
    let first = cues.due(&targets, at(0)).remove(0);
    let shown = cues.translated(first.id, &[Some("uno. dos.".into())], &targets);
    assert_eq!(shown.len(), 1);
    cues.take(
        spoken(1, (0, 1200), "one. two. three.", true),
        &targets,
        at(1),
    );
    let second = cues.due(&targets, at(1)).remove(0);
    cues.take(
        spoken(2, (1300, 1900), "four. five", false),
        &targets,
        at(2),
    );
    let speaker = shown[0].1.speaker;
    let said = cues.cut(speaker, &targets);
    let ended: Vec<_> = said
        .iter()
        .map(|(_, view)| {
            (
                view.language.as_str(),
                view.committed.as_str(),
                view.is_final,
            )
        })
        .collect();
    assert_eq!(
        ended,
        [("es", "uno. dos.", true), ("en", "four. five", true)]
    );
    assert_eq!(cues.due(&targets, at(60_000)), []);
    assert_eq!(
        cues.translated(second.id, &[Some("tres.".into())], &targets),
        []
    );
    assert!(!cues.is_busy());
    assert!(cues.open.is_empty());
}

#[test]
fn what_cannot_be_translated_is_shown_as_it_is() {
    let (mut cues, both) = (Cues::default(), targets(&["es", "fr"]));
    let said = cues.take(spoken(1, (0, 1), "We begin.", true), &both, at(0));
    let fallback = |language: &str| For::Fallback(language.into());
    let whom: Vec<_> = said.into_iter().map(|(to, _)| to).collect();
    assert_eq!(whom, [For::Readers, fallback("fr")]);
    let jobs = cues.due(&both, at(0));
    let said = cues.translated(jobs[0].id, &[None], &both);
    assert_eq!(said[0].0, fallback("es"));
    assert!(said[0].1.original);
    assert!(!cues.is_busy());
}

#[test]
fn nothing_that_hides_or_reorders_is_shown() {
    let (mut cues, none) = (Cues::default(), targets(&[]));
    let text = "a\u{202e}b\u{7}\nc --> <b> \u{200b}می\u{200c}خواهم";
    let said = cues.take(spoken(1, (0, 1), text, true), &none, at(0));
    assert_eq!(said[0].1.committed, "ab c --> <b> می\u{200c}خواهم");
    assert!(clean(&"ü".repeat(1000)).len() <= MOST_TEXT);
}

#[test]
fn memory_is_bounded_whatever_is_said() {
    let (mut cues, es) = (Cues::default(), targets(&["es"]));
    for number in 0..10_000_u64 {
        let millis = i64::try_from(number).unwrap();
        let mut cue = spoken(number, (0, millis + 1), "a.", number % 3 == 0);
        // Tracks that end with a cue, tracks that go on, and ever new people.
        cue.of.0 = if number % 2 == 0 { number } else { 1 };
        cue.speaker = ParticipantId::from_bytes(u128::from(number / 4).to_be_bytes());
        cues.take(cue, &es, at(millis));
        cues.due(&es, at(millis));
    }
    assert!(cues.live.len() <= MOST_LIVE && cues.jobs.len() <= MOST_JOBS);
    assert!(cues.open.len() <= MOST_LIVE && cues.speakers.len() <= MOST_SPEAKERS);
}

#[test]
fn a_track_has_one_caption_at_a_time_and_not_more_of_them_than_anyone_speaks() {
    let (mut cues, none) = (Cues::default(), targets(&[]));
    let mut said = Vec::new();
    for number in 1..1_000 {
        said.extend(cues.take(spoken(number, (0, 1), "words", false), &none, at(0)));
    }
    let begun = u64::from(MOST_IN_A_ROW);
    assert_eq!(cues.last, begun, "the rest is left out");
    let ended = said.iter().filter(|(_, view)| view.is_final).count();
    assert_eq!(u64::try_from(ended).unwrap(), begun - 1);
    assert_eq!((cues.open.len(), cues.live.len()), (1, 1));
    // Those that were closed by a later one are over.
    assert!(
        cues.take(spoken(1, (0, 2), "words more", false), &none, at(0))
            .is_empty()
    );
    let later = cues.take(spoken(1_001, (0, 3), "words", true), &none, at(1_000));
    assert_eq!(later.last().unwrap().1.cue, begun + 1);
}

#[test]
fn a_caption_of_the_same_track_that_ends_when_the_last_did_is_shown() {
    let (mut cues, none) = (Cues::default(), targets(&[]));
    cues.take(spoken(1, (0, 900), "we begin", true), &none, at(0));
    let said = cues.take(spoken(2, (900, 900), "now", true), &none, at(0));
    assert_eq!(said[0].1.committed, "now");
}

#[test]
fn of_what_is_translated_by_half_the_original_is_shown() {
    let (mut cues, es) = (Cues::default(), targets(&["es"]));
    cues.take(spoken(1, (0, 1), "One. Two", false), &es, at(0));
    let job = cues.due(&es, at(0)).remove(0);
    cues.translated(job.id, &[Some("Uno.".into())], &es);
    cues.take(spoken(1, (0, 2), "One. Two.", true), &es, at(1));
    let job = cues.due(&es, at(1)).remove(0);
    let said = cues.translated(job.id, &[None], &es);
    let [(For::Translation, gone), (For::Fallback(to), whole)] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!((gone.language.as_str(), gone.revision), ("es", 2));
    assert!(gone.is_final && gone.committed.is_empty() && gone.tentative.is_empty());
    assert_eq!((to.as_str(), whole.committed.as_str()), ("es", "One. Two."));
    assert!(!cues.is_busy());
}

#[test]
fn what_nothing_translates_any_more_is_shown_as_it_was_spoken() {
    let (mut cues, es) = (Cues::default(), targets(&["es"]));
    cues.take(spoken(1, (0, 1), "One. Two", false), &es, at(0));
    let job = cues.due(&es, at(0)).remove(0);
    cues.translated(job.id, &[Some("Uno.".into())], &es);
    let mut other = spoken(1, (0, 1), "Not begun.", true);
    (other.of, other.speaker) = ((8, 1), ParticipantId::from_bytes([2; 16]));
    cues.take(other, &es, at(0));
    let gone = Targets {
        pairs: Vec::new(),
        ..es
    };
    let said = cues.retarget(&gone);
    let shown: Vec<_> = said
        .iter()
        .map(|(to, view)| (to.clone(), view.committed.as_str()))
        .collect();
    let fallback = For::Fallback("es".into());
    assert_eq!(
        shown,
        [
            (For::Translation, ""),
            (fallback.clone(), "One. Two"),
            (fallback, "Not begun.")
        ]
    );
}

/// What may happen to the captions of a room.
#[derive(Clone, Debug)]
enum Step {
    Say {
        track: u64,
        cue: u64,
        text: usize,
        finished: bool,
        passed: i64,
    },
    Lost(u64),
    Cut(u64),
    Due(i64),
    Translated {
        job: usize,
        fails: bool,
    },
    Pairs(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let say = (0..4_u64, 0..3_u64, 0..6_usize, any::<bool>(), 0..900_i64);
    let step = prop_oneof![
        8 => say.prop_map(|(track, cue, text, finished, passed)| Step::Say { track, cue, text, finished, passed }),
        1 => (0..4_u64).prop_map(Step::Lost),
        1 => (0..4_u64).prop_map(Step::Cut),
        4 => (0..4_000_i64).prop_map(Step::Due),
        4 => (0..3_usize, any::<bool>()).prop_map(|(job, fails)| Step::Translated { job, fails }),
        1 => any::<bool>().prop_map(Step::Pairs),
    ];
    prop::collection::vec(step, 1..120)
}

/// One reader, who holds the cues to their promises.
#[derive(Default)]
struct Reader {
    held: BTreeMap<(u64, String), CueView>,
    speakers: BTreeMap<u64, ParticipantId>,
    /// Cues up to which nothing more may come, by speaker.
    cut: BTreeMap<ParticipantId, u64>,
}

impl Reader {
    fn read(&mut self, view: &CueView) {
        let whose = *self.speakers.entry(view.cue).or_insert(view.speaker);
        assert_eq!(whose, view.speaker, "a cue is one person's");
        let cut = self.cut.get(&view.speaker).copied().unwrap_or_default();
        assert!(view.cue > cut, "nothing after a cut: {view:?}");
        assert!(!view.is_final || view.tentative.is_empty());
        let key = (view.cue, view.language.clone());
        if let Some(before) = self.held.get(&key)
            && before != view
        {
            assert!(view.revision > before.revision, "{before:?} {view:?}");
            assert!(!before.is_final, "nothing after the end: {view:?}");
            let goes_on = view.committed.starts_with(&before.committed);
            assert!(goes_on || !view.original, "{before:?} {view:?}");
        }
        self.held.insert(key, view.clone());
    }
}

proptest! {
    #[test]
    fn whatever_happens_text_only_grows_and_nothing_follows_an_end_or_a_cut(steps in steps()) {
        let texts = ["", "one", "one two.", "one two. three four five six", "other", "one two. three\u{202e}"];
        let (mut cues, mut targets, mut now) = (Cues::default(), targets(&["es"]), 0);
        let (mut original, mut spanish, mut jobs) = (Reader::default(), Reader::default(), Vec::new());
        let (mut spoken_by, mut begun) = (BTreeMap::new(), BTreeSet::new());
        for step in steps {
            let mut cut = None;
            let said = match step {
                Step::Say { track, cue, text, finished, passed } => {
                    now += passed;
                    let mut words = spoken(cue, (now - passed, now), texts[text], finished);
                    // Two tracks for each of two people.
                    words.of.0 = track;
                    words.speaker = ParticipantId::from_bytes([u8::try_from(track / 2).unwrap(); 16]);
                    spoken_by.insert(track, words.speaker);
                    let (of, last) = (words.of, cues.last);
                    let said = cues.take(words, &targets, at(now));
                    prop_assert!(cues.last == last || begun.insert(of), "{:?} came twice", of);
                    said
                }
                Step::Lost(track) => cues.lost(track, &targets),
                Step::Cut(track) => {
                    let Some(speaker) = spoken_by.get(&track).copied() else { continue };
                    cut = Some(speaker);
                    cues.cut(speaker, &targets)
                }
                Step::Due(passed) => {
                    now += passed;
                    jobs.extend(cues.due(&targets, at(now)));
                    Vec::new()
                }
                Step::Translated { job, fails } => {
                    if job >= jobs.len() { continue }
                    let job = jobs.swap_remove(job);
                    let texts = job.texts.iter().map(|text| (!fails).then(|| text.to_uppercase()));
                    cues.translated(job.id, &texts.collect::<Vec<_>>(), &targets)
                }
                Step::Pairs(has) => {
                    targets.pairs = if has { vec![("en".into(), "es".into())] } else { Vec::new() };
                    cues.retarget(&targets)
                }
            };
            for (whom, view) in &said {
                match whom {
                    For::Readers => original.read(view),
                    For::Fallback(_) | For::Translation => spanish.read(view),
                }
            }
            if let Some(speaker) = cut {
                original.cut.insert(speaker, cues.last);
                spanish.cut.insert(speaker, cues.last);
            }
            prop_assert!(cues.open.len() <= 4);
        }
        // In the end everything that stands is read by those who want it translated, in one language or the other.
        for track in 0..4 { for (whom, view) in cues.lost(track, &targets) { match whom { For::Readers => original.read(&view), _ => spanish.read(&view) } } }
        let none = Targets { pairs: Vec::new(), ..targets };
        for (_, view) in cues.retarget(&none) { spanish.read(&view); }
        for ((cue, _), whole) in &original.held {
            let cut = original.cut.get(&whole.speaker).copied().unwrap_or_default();
            prop_assert!(whole.is_final || whole.cue <= cut);
            if whole.cue <= cut || whole.committed.is_empty() { continue; }
            let translated = spanish.held.get(&(*cue, "es".into()));
            let as_spoken = spanish.held.get(&(*cue, "en".into()));
            let reads = translated.is_some_and(|view| view.is_final && !view.committed.is_empty())
                || as_spoken.is_some_and(|view| view.committed == whole.committed);
            prop_assert!(reads, "{whole:?} {translated:?} {as_spoken:?}");
        }
    }
}
