//! Bytes as a picture.
#![no_main]

use conclave::auth::fuzz::fuzz_picture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_picture(bytes));
