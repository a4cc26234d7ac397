//! Bytes as a STUN message from anyone.
#![no_main]

use conclave::media::fuzz::fuzz_stun;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_stun(bytes));
