//! Bytes as datagrams that reach a whole shard, from known and unknown addresses.
#![no_main]

use conclave::media::fuzz::fuzz_demux;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_demux(bytes));
