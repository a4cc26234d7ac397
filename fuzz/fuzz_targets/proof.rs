//! Bytes as a proof of possession.
#![no_main]

use conclave::auth::proof::fuzz_proof;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_proof(bytes));
