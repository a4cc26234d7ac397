//! Bytes as a model file, and a sound model with those bytes in it.
#![no_main]

use conclave_captions::models::fuzz::fuzz_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_model(bytes));
