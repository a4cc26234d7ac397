//! The body of the fuzz target of this part. Compiled with the library, so that it never rots; of no use to the server.

use super::{LONGEST_PACKET, decoder};
use crate::wire::Codec;

/// Decodes packets cut out of arbitrary bytes, some of them lost: a length, then so many bytes; 255 is a loss that the next
/// packet repairs, 254 one that is concealed.
///
/// # Panics
/// Panics when a decoder gives more than a packet can hold, or something that is no sound.
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn fuzz_packets(bytes: &[u8]) {
    let Some((which, mut rest)) = bytes.split_first() else {
        return;
    };
    let codec = match which % 8 {
        0 => Codec::G722,
        1 => Codec::Pcmu,
        2 => Codec::Pcma,
        _ => Codec::Opus,
    };
    let mut decoder = decoder(codec);
    let mut sound = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let take = usize::from(*length).min(after.len());
        sound.clear();
        match *length {
            255 => decoder.recover(after, 320, &mut sound),
            254 => decoder.conceal(960, &mut sound),
            _ => {
                let (packet, after) = after.split_at(take);
                let _ = decoder.decode(packet, &mut sound);
                rest = after;
            }
        }
        if *length >= 254 {
            rest = after;
        }
        // A G.711 byte is two samples here; Opus says at most 120 ms.
        if sound.len() > LONGEST_PACKET || !sound.iter().all(|sample| sample.is_finite()) {
            panic!("{} samples of a packet of {take} bytes", sound.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_packets_are_heard_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            super::fuzz_packets(&bytes);
        }
    }
}
