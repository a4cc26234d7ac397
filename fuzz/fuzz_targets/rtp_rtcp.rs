//! Bytes as RTP and RTCP, as they are read after decryption.
#![no_main]

use conclave::media::fuzz::fuzz_rtp_rtcp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_rtp_rtcp(bytes));
