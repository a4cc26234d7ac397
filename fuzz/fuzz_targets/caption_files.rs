//! Captions of any text, written as every kind of file and read back strictly.
#![no_main]

use conclave_captions::files::fuzz::fuzz_files;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_files(bytes));
