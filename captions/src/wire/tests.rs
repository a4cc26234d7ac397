//! The wire's properties: what is written is read back, from pieces of any size; what is cut short, too long or junk is
//! an error and never a panic.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// A text of at most `most` bytes.
fn text(most: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=most / 4).prop_map(|chars| chars.into_iter().collect())
}

/// One that a person reads.
fn shown(most: usize) -> impl Strategy<Value = String> {
    text(most).prop_map(move |text| line(&text, most))
}

fn language() -> impl Strategy<Value = Option<String>> {
    option::of(text(MAX_LANGUAGE))
}

fn track() -> impl Strategy<Value = Track> {
    any::<u64>().prop_map(Track)
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::Opus),
        Just(Codec::G722),
        Just(Codec::Pcmu),
        Just(Codec::Pcma)
    ]
}

fn to_recogniser() -> impl Strategy<Value = ToRecogniser> {
    prop_oneof![
        (any::<u16>(), text(MAX_PATH), language(), any::<u16>()).prop_map(
            |(version, model, language, partial_step_ms)| ToRecogniser::Hello {
                version,
                model,
                language,
                partial_step_ms
            }
        ),
        (
            track(),
            codec(),
            language(),
            vec(text(MAX_HINT), 0..=MAX_HINTS)
        )
            .prop_map(|(track, codec, language, hints)| ToRecogniser::Open {
                track,
                codec,
                language,
                hints
            }),
        (
            track(),
            any::<u64>(),
            any::<u32>(),
            any::<i64>(),
            vec(any::<u8>(), 0..=MAX_PAYLOAD)
        )
            .prop_map(|(track, sequence, timestamp, at_ms, payload)| {
                ToRecogniser::Audio {
                    track,
                    sequence,
                    timestamp,
                    at_ms,
                    payload,
                }
            }),
        (
            track(),
            prop_oneof![Just(Closing::Ended), Just(Closing::Cut)]
        )
            .prop_map(|(track, why)| ToRecogniser::Close { track, why }),
        any::<u64>().prop_map(|nonce| ToRecogniser::Ping { nonce }),
        (track(), any::<bool>())
            .prop_map(|(track, wanted)| ToRecogniser::English { track, wanted }),
    ]
}

fn from_recogniser() -> impl Strategy<Value = FromRecogniser> {
    prop_oneof![
        (
            any::<u16>(),
            shown(MAX_REASON),
            vec(text(MAX_LANGUAGE), 0..=MAX_LANGUAGES),
            any::<bool>()
        )
            .prop_map(|(version, model, languages, multilingual)| {
                FromRecogniser::Ready {
                    version,
                    model,
                    languages,
                    multilingual,
                }
            }),
        shown(MAX_REASON).prop_map(|reason| FromRecogniser::Failed { reason }),
        (
            (track(), any::<u64>(), any::<u32>(), text(MAX_LANGUAGE)),
            (any::<i64>(), any::<i64>()),
            (text(MAX_CUE_TEXT), text(MAX_CUE_TEXT), any::<bool>())
        )
            .prop_map(|((track, cue, revision, language), (t0_ms, t1_ms), rest)| {
                let (committed, tentative, finished) = rest;
                FromRecogniser::Cue {
                    track,
                    cue,
                    revision,
                    language,
                    t0_ms,
                    t1_ms,
                    committed,
                    tentative,
                    finished,
                }
            }),
        track().prop_map(|track| FromRecogniser::Closed { track }),
        (any::<u32>(), any::<bool>(), any::<bool>()).prop_map(|(waiting, delayed, finals_only)| {
            FromRecogniser::Load {
                waiting,
                delayed,
                finals_only,
            }
        }),
        any::<u64>().prop_map(|nonce| FromRecogniser::Pong { nonce }),
        (track(), any::<u64>(), option::of(text(MAX_CUE_TEXT)))
            .prop_map(|(track, cue, text)| FromRecogniser::English { track, cue, text }),
        (track(), any::<bool>()).prop_map(|(track, late)| FromRecogniser::Late { track, late }),
    ]
}

fn to_translator() -> impl Strategy<Value = ToTranslator> {
    let engine = prop_oneof![
        Just(Engine::Apertium),
        text(MAX_PATH).prop_map(|models| Engine::Neural { models }),
        (text(MAX_PATH), text(MAX_PATH)).prop_map(|(address, key)| Engine::Http { address, key })
    ];
    prop_oneof![
        (any::<u16>(), engine)
            .prop_map(|(version, engine)| ToTranslator::Hello { version, engine }),
        (
            any::<u64>(),
            text(MAX_LANGUAGE),
            text(MAX_LANGUAGE),
            vec(text(MAX_TEXT), 0..=MAX_TEXTS)
        )
            .prop_map(|(id, source, target, texts)| ToTranslator::Translate {
                id,
                source,
                target,
                texts
            }),
        any::<u64>().prop_map(|nonce| ToTranslator::Ping { nonce }),
    ]
}

fn from_translator() -> impl Strategy<Value = FromTranslator> {
    prop_oneof![
        (
            any::<u16>(),
            shown(MAX_REASON),
            vec((text(8), text(8)), 0..=MAX_PAIRS)
        )
            .prop_map(|(version, engine, pairs)| FromTranslator::Ready {
                version,
                engine,
                pairs
            }),
        shown(MAX_REASON).prop_map(|reason| FromTranslator::Failed { reason }),
        (any::<u64>(), vec(option::of(text(MAX_TEXT)), 0..=MAX_TEXTS))
            .prop_map(|(id, texts)| FromTranslator::Translated { id, texts }),
        any::<u64>().prop_map(|nonce| FromTranslator::Pong { nonce }),
    ]
}

/// Written, read back whole and from pieces, and every shorter part of it refused.
fn holds<M: Message + PartialEq>(message: &M, piece: usize) {
    let frame = message.encode().unwrap();
    assert!(frame.len() <= MAX_FRAME + 4);
    assert_eq!(M::decode(frame.get(4..).unwrap()).as_ref(), Ok(message));
    let twice = [frame.clone(), frame.clone()].concat();
    let mut frames = Frames::default();
    let mut seen = 0;
    for part in twice.chunks(piece) {
        frames.push(part);
        while let Some(read) = frames.take::<M>().unwrap() {
            assert!(read == *message);
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
    let mut pipe = twice.as_slice();
    assert!(read::<M>(&mut pipe).unwrap().as_ref() == Some(message));
    assert!(read::<M>(&mut pipe).unwrap().as_ref() == Some(message));
    assert!(read::<M>(&mut pipe).unwrap().is_none());
    let step = (frame.len() / 50).max(1);
    for end in (4..frame.len()).step_by(step) {
        assert!(
            M::decode(frame.get(4..end).unwrap()).is_err(),
            "cut at {end}"
        );
        assert!(read::<M>(&mut frame.get(..end).unwrap()).is_err());
    }
    let longer = [frame.get(4..).unwrap(), &[0]].concat();
    assert_eq!(M::decode(&longer), Err(WireError::Trailing));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_to_a_recogniser_arrives(message in to_recogniser(), piece in 1..3000_usize) {
        holds(&message, piece);
    }

    #[test]
    fn what_a_recogniser_says_arrives(message in from_recogniser(), piece in 1..3000_usize) {
        holds(&message, piece);
    }

    #[test]
    fn what_goes_to_a_translator_arrives(message in to_translator(), piece in 1..9000_usize) {
        holds(&message, piece);
    }

    #[test]
    fn what_a_translator_says_arrives(message in from_translator(), piece in 1..9000_usize) {
        holds(&message, piece);
    }

    #[test]
    fn junk_is_an_error_and_never_a_panic(kind in 0..10_u8, mut junk in vec(any::<u8>(), 0..400)) {
        junk.insert(0, kind);
        let _ = reads_and_writes(&junk);
    }

    #[test]
    fn a_changed_byte_is_an_error_or_another_message(
        message in from_recogniser(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut frame = message.encode().unwrap().split_off(4);
        let at = at.index(frame.len());
        if let Some(place) = frame.get_mut(at) { *place = byte; }
        let _ = reads_and_writes(&frame);
    }
}

#[test]
fn what_is_too_long_is_refused_on_either_side() {
    let cue = |committed: String| FromRecogniser::Cue {
        track: Track(1),
        cue: 0,
        revision: 0,
        language: "en".into(),
        t0_ms: 0,
        t1_ms: 0,
        committed,
        tentative: String::new(),
        finished: false,
    };
    assert!(cue("a".repeat(MAX_CUE_TEXT)).encode().is_ok());
    assert_eq!(
        cue("a".repeat(MAX_CUE_TEXT + 1)).encode(),
        Err(WireError::TooLong("committed text"))
    );
    let hints = vec![String::new(); MAX_HINTS + 1];
    let open = ToRecogniser::Open {
        track: Track(1),
        codec: Codec::Opus,
        language: None,
        hints,
    };
    assert_eq!(open.encode(), Err(WireError::TooLong("hints")));
    // A text of 501 bytes, as an honest writer never sends it.
    let mut frame = cue("a".repeat(MAX_CUE_TEXT)).encode().unwrap().split_off(4);
    let length = 1 + 8 + 8 + 4 + 2 + 2 + 8 + 8;
    assert_eq!(frame.get(length..length + 2), Some(&[1, 244][..]));
    *frame.get_mut(length + 1).unwrap() = 245;
    assert_eq!(
        FromRecogniser::decode(&frame),
        Err(WireError::TooLong("committed text"))
    );
    let mut frames = Frames::default();
    frames.push(&u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes());
    assert!(frames.take::<FromRecogniser>().is_err());
}

#[test]
fn what_a_person_reads_is_one_line_and_a_worker_that_says_more_is_not_believed() {
    let raw = "bad\nmodel\u{202e}\u{0}\u{1b}[2J of é";
    let reason = line(raw, MAX_REASON);
    assert_eq!(reason, "bad model  [2J of é");
    assert_eq!(line("aé", 2), "a");
    let failed = FromTranslator::Failed { reason };
    assert!(failed.encode().is_ok());
    for c in ['\n', '\u{202e}', '\u{0}', '\u{7f}', '\u{e0041}'] {
        let reason = format!("x{c}");
        let failed = FromRecogniser::Failed {
            reason: reason.clone(),
        };
        assert_eq!(failed.encode(), Err(WireError::NotLine("reason")));
        // As a worker that was taken over writes it.
        let mut frame = vec![1];
        frame.extend(u16::try_from(reason.len()).unwrap().to_be_bytes());
        frame.extend(reason.bytes());
        assert_eq!(
            FromRecogniser::decode(&frame),
            Err(WireError::NotLine("reason"))
        );
        assert_eq!(
            FromTranslator::decode(&frame),
            Err(WireError::NotLine("reason"))
        );
    }
}

#[test]
fn the_largest_answers_fit_into_a_frame() {
    let texts = vec![Some("é".repeat(MAX_TEXT / 2)); MAX_TEXTS];
    assert!(FromTranslator::Translated { id: 1, texts }.encode().is_ok());
    let pairs = vec![("en".to_owned(), "zh-Hant-TW".to_owned()); MAX_PAIRS];
    let ready = FromTranslator::Ready {
        version: VERSION,
        engine: "neural".into(),
        pairs,
    };
    assert!(ready.encode().is_ok());
}

#[test]
fn nothing_said_and_no_key_is_printed() {
    let cue = FromRecogniser::Cue {
        track: Track(7),
        cue: 1,
        revision: 2,
        language: "en".into(),
        t0_ms: 0,
        t1_ms: 1,
        committed: "the secret".into(),
        tentative: "plan".into(),
        finished: false,
    };
    let engine = Engine::Http {
        address: "http://127.0.0.1".into(),
        key: "the secret plan".into(),
    };
    let hello = ToTranslator::Hello { version: 1, engine };
    for printed in [format!("{cue:?}"), format!("{hello:?}")] {
        assert!(
            !printed.contains("secret") && !printed.contains("plan"),
            "{printed}"
        );
    }
}
