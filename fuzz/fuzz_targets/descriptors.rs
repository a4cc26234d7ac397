//! Bytes as a dependency descriptor and a payload of each codec, as they are read after decryption.
#![no_main]

use conclave::media::fuzz::fuzz_descriptors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_descriptors(bytes));
