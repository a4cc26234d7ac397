//! Bytes as a session description, and what is answered to it.
#![no_main]

use conclave::media::fuzz::fuzz_sdp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_sdp(bytes));
