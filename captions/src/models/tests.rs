//! The real model of the tests passes; cut, stretched and changed ones do not.

use proptest::prelude::*;

use super::fuzz::{fuzz_model, smallest};
use super::{KNOWN, ModelFault, check};

/// Trained here; see its README.
const REAL: &[u8] = include_bytes!("../../testdata/meeting-tiny-q5_0.bin");
/// Where the vocabulary begins: magic, 11 numbers, 2 numbers, 80 × 201 filters.
const VOCABULARY: usize = 4 + 44 + 8 + 80 * 201 * 4;

/// The error after `new` was put at `at`.
fn changed(at: usize, new: &[u8]) -> ModelFault {
    let mut file = REAL.to_vec();
    file[at..at + new.len()].copy_from_slice(new);
    check(file.as_slice()).unwrap_err()
}

#[test]
fn a_sound_model_passes() {
    let found = check(REAL).unwrap();
    assert_eq!(found.size, REAL.len() as u64);
    assert!(found.multilingual || found.layers == 3, "{found:?}");
    let found = check(smallest().as_slice()).unwrap();
    assert_eq!(found.layers, 1);
}

#[test]
fn what_is_no_model_says_so() {
    assert_eq!(
        check(&b"<html>404 not found</html>"[..]),
        Err(ModelFault::Magic)
    );
    assert_eq!(check(&b""[..]), Err(ModelFault::Cut("head")));
    // The other format of the same family.
    assert_eq!(check(&b"GGUF\x03\0\0\0"[..]), Err(ModelFault::Magic));
}

#[test]
fn a_model_that_is_cut_short_says_where() {
    let cut = |length: usize| check(&REAL[..length]).unwrap_err();
    assert_eq!(cut(20), ModelFault::Cut("head"));
    assert_eq!(cut(5_000), ModelFault::Cut("mel filters"));
    assert_eq!(cut(VOCABULARY + 100), ModelFault::Cut("vocabulary"));
    assert_eq!(cut(REAL.len() - 1), ModelFault::Cut("tensors"));
    let small = smallest();
    for length in (0..small.len())
        .step_by(509)
        .chain(small.len() - 64..small.len())
    {
        assert!(check(&small[..length]).is_err(), "{length} bytes passed");
    }
    let mut longer = REAL.to_vec();
    longer.push(0);
    assert_eq!(check(longer.as_slice()), Err(ModelFault::Cut("tensors")));
}

#[test]
fn counts_that_whisper_cpp_would_believe_are_refused() {
    // Vocabulary, states, layers, bands, kind: huge, negative, zero, not fitting each other.
    for at in 0..11 {
        for number in [i32::MAX, i32::MIN, -1, 0, 0x4000_0001] {
            let fault = changed(4 + 4 * at, &number.to_le_bytes());
            let zero_is_a_kind = at == 10 && number == 0;
            assert!(
                matches!(fault, ModelFault::Number { .. }) || zero_is_a_kind,
                "number {at} as {number}: {fault}"
            );
        }
    }
    // 65 536 × 65 536 filters overflow to none.
    assert_eq!(changed(48, &[0, 0, 1, 0, 0, 0, 1, 0]), ModelFault::Filters);
    assert_eq!(changed(56, &f32::NAN.to_le_bytes()), ModelFault::Filters);
    assert_eq!(
        changed(VOCABULARY, &i32::MAX.to_le_bytes()),
        ModelFault::Vocabulary
    );
    assert_eq!(
        changed(VOCABULARY, &(-1_i32).to_le_bytes()),
        ModelFault::Vocabulary
    );
    assert_eq!(
        changed(VOCABULARY + 4, &u32::MAX.to_le_bytes()),
        ModelFault::Vocabulary
    );
}

#[test]
fn a_tensor_of_another_shape_name_or_kind_is_refused() {
    let sound = smallest();
    let at = VOCABULARY + 4 + 4 + 1;
    for (offset, number) in [
        (0, 4),
        (0, 0),
        (0, -1),
        (4, i32::MAX),
        (4, 0),
        (8, 39),
        (8, -1),
        (12, 0),
        (12, -5),
    ] {
        let mut file = sound.clone();
        file[at + offset..at + offset + 4].copy_from_slice(&i32::to_le_bytes(number));
        let fault = check(file.as_slice()).unwrap_err();
        assert_eq!(fault, ModelFault::Tensor(1), "{offset} as {number}");
    }
    // The first one twice, the last one not at all.
    let mut twice = sound.clone();
    let first = sound[at..at + 400].to_vec();
    twice.extend(first);
    assert!(matches!(
        check(twice.as_slice()),
        Err(ModelFault::Tensor(_))
    ));
    let last = sound.len() - (12 + 4 + "encoder.positional_embedding".len() + 4 + 32 * 64 * 4);
    assert_eq!(
        check(&sound[..last]),
        Err(ModelFault::Missing("encoder.positional_embedding".into()))
    );
}

#[test]
fn a_disk_that_fails_is_not_taken_for_a_short_file() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
    }
    let fault = check(Broken).unwrap_err();
    assert_eq!(
        fault,
        ModelFault::Unreadable(std::io::ErrorKind::PermissionDenied)
    );
}

#[test]
fn every_known_model_has_a_name_and_a_digest_of_its_own() {
    for (n, model) in KNOWN.iter().enumerate() {
        assert_eq!(model.sha256.len(), 64);
        assert!(
            model
                .sha256
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        let others = KNOWN.iter().skip(n + 1);
        assert!(others.clone().all(|other| other.name != model.name));
        assert!(
            others
                .clone()
                .all(|other| other.sha256 != model.sha256 && other.file != model.file)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_change_is_read_to_an_end(at in any::<u32>(), new in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = at.to_le_bytes().to_vec();
        bytes.extend(new);
        fuzz_model(&bytes);
    }
}
