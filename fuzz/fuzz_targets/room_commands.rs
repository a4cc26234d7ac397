//! Bytes as the life of a room: who comes, asks, goes and is sent away.
#![no_main]

use conclave::rooms::fuzz::fuzz_room_commands;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_room_commands(bytes));
