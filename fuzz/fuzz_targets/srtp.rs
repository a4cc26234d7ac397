//! Bytes as packets before and after protection.
#![no_main]

use conclave::media::fuzz::fuzz_srtp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_srtp(bytes));
