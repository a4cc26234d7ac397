//! Bytes as a client's message, in each phase of a connection.
#![no_main]

use conclave::gateway::frame::fuzz_client_message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_client_message(bytes));
