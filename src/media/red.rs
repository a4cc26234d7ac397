//! RED (RFC 2198): Opus with repetitions of what came before. The blocks are told apart, never changed but for their payload type,
//! which each client numbers for itself.

/// Blocks looked at in one packet; browsers send two or three.
const MOST_BLOCKS: usize = 16;
/// The bit of a block header that says that another header follows.
const FOLLOWS: u8 = 0x80;

/// The newest block alone; `None` if the packet is not RED.
pub fn primary(payload: &[u8]) -> Option<&[u8]> {
    let (headers, repeated) = headers(payload)?;
    payload.get(headers + repeated..)
}

/// Writes this payload type into every block header.
pub fn rename(payload: &mut [u8], payload_type: u8) {
    let mut at = 0;
    for _ in 0..MOST_BLOCKS {
        let Some(first) = payload.get_mut(at) else {
            return;
        };
        *first = *first & FOLLOWS | payload_type & 0x7f;
        if *first & FOLLOWS == 0 {
            return;
        }
        at += 4;
    }
}

/// The lengths of all headers, and of all blocks but the newest.
fn headers(payload: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut repeated) = (0, 0);
    for _ in 0..MOST_BLOCKS {
        if payload.get(at)? & FOLLOWS == 0 {
            let newest = payload.len().checked_sub(at + 1 + repeated)?;
            return (newest > 0).then_some((at + 1, repeated));
        }
        let &[_, _, high, low] = payload.get(at..)?.first_chunk::<4>()?;
        repeated += usize::from(u16::from_be_bytes([high & 0x03, low]));
        at += 4;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two blocks: three bytes from 960 ticks before, and four new ones.
    const TWO: [u8; 12] = [0xef, 0x0f, 0x00, 0x03, 0x6f, 1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn the_newest_block_is_found() {
        assert_eq!(primary(&TWO), Some(&[4, 5, 6, 7][..]));
        assert_eq!(primary(&[0x6f, 9]), Some(&[9][..]));
    }

    #[test]
    fn blocks_are_renamed_and_stay_what_they_are() {
        let mut copy = TWO;
        rename(&mut copy, 109);
        assert_eq!(copy[..5], [0xed, 0x0f, 0x00, 0x03, 0x6d]);
        assert_eq!(copy[5..], TWO[5..]);
        rename(&mut copy, 111);
        assert_eq!(copy, TWO);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for length in 0..9 {
            assert_eq!(primary(&TWO[..length]), None, "{length}");
        }
        assert_eq!(primary(&[0x80, 0, 0, 0].repeat(40)), None);
        rename(&mut [0x80; 3], 1);
    }
}
