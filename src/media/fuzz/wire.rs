//! Fuzz bodies of what stands between the network and RTP: frames of connections, DTLS before anyone is known, SRTP.

use std::time::Duration;

use crate::clock::{Clock, ManualClock};
use crate::media::dtls::{self, Step};
use crate::media::framing::{Frames, TooLong, append};
use crate::media::fuzz::IDENTITY;
use crate::media::rtp::Header;
use crate::media::srtp::{Keys, Profile};

/// The longest frame that the body below takes.
const LONGEST: usize = 300;

/// ICE-TCP framing: however the bytes are cut, the same datagrams come out as a reader of the whole would find, in a buffer that
/// does not grow. The first byte says how they are cut.
pub fn fuzz_framing(bytes: &[u8]) {
    let Some((&step, bytes)) = bytes.split_first() else {
        return;
    };
    let (mut expected, mut rest, mut ends_badly) = (Vec::new(), bytes, false);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        ends_badly = length > LONGEST;
        let Some((datagram, after)) = after.split_at_checked(length).filter(|_| !ends_badly) else {
            break;
        };
        rest = after;
        if !datagram.is_empty() {
            expected.push(datagram);
        }
    }
    let (mut frames, mut rest, mut got) = (Frames::new(LONGEST), bytes, Vec::new());
    let mut ended = Ok(());
    while !rest.is_empty() && ended.is_ok() {
        let space = frames.space();
        assert!(!space.is_empty() && space.len() <= LONGEST + 2);
        let count = usize::from(step).max(1).min(space.len()).min(rest.len());
        let (now, later) = rest.split_at(count);
        rest = later;
        for (to, from) in space.iter_mut().zip(now) {
            *to = *from;
        }
        frames.filled(count);
        ended = take_all(&mut frames, &mut got);
    }
    assert_eq!(got, expected, "other datagrams than were sent");
    assert_eq!(ended.is_err(), ends_badly);
    let mut again = Vec::new();
    assert!(got.iter().all(|datagram| append(&mut again, datagram)));
}

fn take_all(frames: &mut Frames, got: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
    while let Some(datagram) = frames.take()? {
        got.push(datagram.to_vec());
    }
    Ok(())
}

/// DTLS: any records, in any order and at any time, bring no keys, and every answer is small. Each datagram begins with its length
/// (two bytes) and a byte of tens of milliseconds.
pub fn fuzz_dtls(bytes: &[u8]) {
    let Some(identity) = IDENTITY.as_deref() else {
        return;
    };
    let clock = ManualClock::new();
    let mut session = dtls::accept(identity, [7; 32], clock.instant());
    let mut rest = bytes;
    while let Some((&[high, low, late], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high & 0x07, low])).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        session.receive(datagram, clock.instant());
        clock.advance(Duration::from_millis(10 * u64::from(late)));
        session.advance(clock.instant());
        let mut sent = 0;
        for _ in 0..64 {
            match session.poll() {
                Step::Send(record) => {
                    assert!(record.len() <= 2048, "a long record");
                    sent += record.len();
                }
                Step::Keys(_) => unreachable_keys(),
                Step::Closed | Step::Failed(_) => return,
                Step::Wait(_) => break,
            }
        }
        assert!(sent <= 16 * 1024, "{sent} bytes for one datagram");
    }
}

#[expect(clippy::panic, reason = "a fuzz body fails by panicking")]
fn unreachable_keys() {
    panic!("keys without a certificate");
}

/// SRTP and SRTCP: nothing opens that was not sealed with the keys; what is sealed opens to the same bytes, once.
pub fn fuzz_srtp(bytes: &[u8]) {
    for profile in [Profile::Aes128Gcm, Profile::Aes256Gcm] {
        let material: Vec<u8> = (0_u8..=255).take(2 * profile.key_length() + 24).collect();
        let Some(keys) = Keys::split(profile, &material) else {
            return;
        };
        let (Some((mut opener, _)), Some((_, mut sealer))) =
            (keys.server_side(), keys.client_side())
        else {
            return;
        };
        assert!(opener.open_rtp(&mut bytes.to_vec()).is_err());
        assert!(opener.open_rtcp(&mut bytes.to_vec()).is_err());
        if let Some(header) = Header::parse(bytes)
            && let Some(stream) = sealer.stream(header.ssrc)
        {
            let (mut packet, index) = (bytes.to_vec(), u64::from(header.sequence) + (1 << 16));
            assert!(sealer.seal_rtp(stream, index, &mut packet, 0).is_ok());
            // A first packet is taken to be of the first round of numbers.
            assert!(opener.open_rtp(&mut packet.clone()).is_err());
            let mut packet = bytes.to_vec();
            if sealer
                .seal_rtp(stream, u64::from(header.sequence), &mut packet, 0)
                .is_ok()
            {
                let again = packet.clone();
                let opened = opener.open_rtp(&mut packet);
                assert!(opened.is_ok_and(|opened| packet.get(..opened.payload.end) == Some(bytes)));
                assert!(opener.open_rtp(&mut again.clone()).is_err(), "opened twice");
            }
        }
        let mut report = bytes.to_vec();
        if sealer.seal_rtcp(&mut report, 0).is_ok() {
            let opened = opener.open_rtcp(&mut report);
            assert!(opened.is_err() || opened == Ok(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..600)) {
            fuzz_framing(&bytes);
            fuzz_dtls(&bytes);
            fuzz_srtp(&bytes);
        }

        #[test]
        fn frames_of_any_size_are_survived(sizes in vec(0_usize..320, 0..12), step in any::<u8>()) {
            let mut bytes = vec![step];
            for size in sizes {
                append(&mut bytes, &vec![9; size]);
            }
            fuzz_framing(&bytes);
        }

        #[test]
        fn rtp_of_any_kind_comes_back(
            first in 0x80_u8..0xc0, rest in vec(any::<u8>(), 11..300),
        ) {
            let mut bytes = vec![first];
            bytes.extend_from_slice(&rest);
            fuzz_srtp(&bytes);
        }

        #[test]
        fn records_that_look_like_dtls_bring_no_keys(
            kinds in vec((20_u8..26, 0_u8..3, 0_u8..24, vec(any::<u8>(), 0..200)), 1..6),
        ) {
            let mut input = Vec::new();
            for (kind, epoch, message, body) in kinds {
                let mut datagram = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1];
                let mut handshake = vec![message, 0, 0, body.len() as u8, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
                handshake.extend_from_slice(&body);
                datagram.extend_from_slice(&(handshake.len() as u16).to_be_bytes());
                datagram.extend_from_slice(&handshake);
                input.extend_from_slice(&[(datagram.len() >> 8) as u8, datagram.len() as u8, 1]);
                input.extend_from_slice(&datagram);
            }
            fuzz_dtls(&input);
        }
    }
}
