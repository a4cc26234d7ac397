//! Bytes as datagrams to a shard, from a peer and from strangers.
#![no_main]

use conclave::media::fuzz::fuzz_demux;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_demux(bytes));
