//! Bytes as a client's offer.
#![no_main]

use conclave::media::fuzz::fuzz_sdp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_sdp(bytes));
