//! Bytes as those of an ICE-TCP connection.
#![no_main]

use conclave::media::fuzz::fuzz_framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_framing(bytes));
