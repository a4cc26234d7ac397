//! Bytes as a frame of each direction between the server and its caption workers.
#![no_main]

use conclave_captions::wire::reads_and_writes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reads_and_writes(bytes);
});
