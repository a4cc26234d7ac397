//! Bytes as a session token, alone and worked into a good one.
#![no_main]

use conclave::auth::fuzz::fuzz_token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_token(bytes));
