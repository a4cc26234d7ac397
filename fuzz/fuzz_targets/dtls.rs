//! Bytes as DTLS records of somebody unknown.
#![no_main]

use conclave::media::fuzz::fuzz_dtls;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_dtls(bytes));
