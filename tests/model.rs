//! Many random lives of a room, each from a seed of its own, and what must hold after every step of them
//! (`src/rooms/fuzz/promises.rs`). A life that breaks a promise is told by its seed: `CONCLAVE_SEED=… cargo test --test model`.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says what it counted"
)]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use conclave::rooms::fuzz;
use conclave::rooms::refusal::ErrorCode;

/// Bytes of the longest life: some hundred steps.
const LONGEST: usize = 500;

/// The bytes that a seed spells (SplitMix64, Steele, Lea and Flood 2014).
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let length = usize::try_from(next()).unwrap_or(0) % LONGEST;
    std::iter::repeat_with(next)
        .flat_map(u64::to_le_bytes)
        .take(length)
        .collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds to be tried: one, or so many.
fn seeds() -> Vec<u64> {
    match number("CONCLAVE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("STORY_SEQUENCES").unwrap_or(2000)).collect(),
    }
}

/// Runs one life; if it breaks a promise, says of which seed it is.
fn of_seed<T>(seed: u64, life: impl FnOnce(&[u8]) -> T) -> T {
    let bytes = bytes(seed);
    match catch_unwind(AssertUnwindSafe(|| life(&bytes))) {
        Ok(outcome) => outcome,
        Err(_) => {
            panic!("the life of seed {seed} breaks a promise: CONCLAVE_SEED={seed} tells it again")
        }
    }
}

#[test]
fn no_life_breaks_a_promise() {
    let seeds = seeds();
    let mut states = HashSet::new();
    let mut steps = 0;
    for seed in &seeds {
        steps += of_seed(*seed, |bytes| {
            fuzz::live(bytes, |state| {
                states.insert(state);
            })
        });
    }
    println!("figure model.sequences {} lives", seeds.len());
    println!("figure model.steps {steps} steps");
    println!("figure model.states {} states", states.len());
    assert!(seeds.len() == 1 || states.len() > seeds.len());
}

#[test]
fn w02_what_a_waiting_guest_is_told_and_when_does_not_depend_on_the_room() {
    let seeds = seeds();
    let told = fuzz::told_while_waiting(&[]);
    // Nobody came: the knock lapses after two hours.
    assert_eq!(told, [(2 * 3600 * 1000, ErrorCode::Denied)]);
    for seed in &seeds {
        let here = of_seed(*seed, fuzz::told_while_waiting);
        assert_eq!(here, told, "seed {seed}");
    }
    println!("figure model.waiting {} lives", seeds.len());
}
