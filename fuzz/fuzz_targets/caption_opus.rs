//! Packets of sound as strangers send them, some of them lost.
#![no_main]

use conclave_captions::listen::fuzz::fuzz_packets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_packets(bytes));
