//! Bytes as reports of arrival times, and the estimate that follows from them.
#![no_main]

use conclave::media::fuzz::fuzz_feedback;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_feedback(bytes));
