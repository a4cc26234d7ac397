//! `auth.token_check`: from the text of a session token to what it says, against a bare AES-256-GCM open of the same bytes.

use std::hint::black_box;

use conclave::auth::fuzz::TokenBench;
use conclave::clock::{Clock, SystemClock};

use crate::measure::{figure, median, note};

const ROUNDS: u32 = 20_000;
const BATCHES: usize = 41;

pub(crate) fn run() {
    let mut bench = TokenBench::new();
    let (mut checks, mut bare) = (Vec::new(), Vec::new());
    // One after the other in turn, so that whatever else the machine does hits both.
    for _ in 0..BATCHES {
        checks.push(time(|| black_box(&bench).check()));
        bare.push(time(|| black_box(&mut bench).open_bare()));
    }
    let (check, bare) = (median(&checks), median(&bare));
    note(&format!(
        "a token of {} letters; a bare open of its {} sealed bytes takes {bare:.0} ns",
        bench.letters(),
        bench.bytes()
    ));
    figure("auth.token_check", check, "ns", Some(check / bare));
}

fn time(mut act: impl FnMut() -> bool) -> f64 {
    let begun = SystemClock.instant();
    for _ in 0..ROUNDS {
        assert!(black_box(act()));
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}
