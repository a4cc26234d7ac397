//! Datagrams in a stream of bytes (RFC 4571): each behind its length of two bytes. It keeps one small buffer, and it may not
//! say what a datagram is.

/// Bytes of the length before each datagram.
const LENGTH: usize = 2;

/// A datagram announced as longer than any that is taken: what follows cannot be read either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is too long")]
pub struct TooLong;

/// The reading side of one connection.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// What was read and not taken yet.
    from: usize,
    to: usize,
    longest: usize,
}

impl Frames {
    /// Datagrams of at most so many bytes, and a buffer for one of them.
    pub fn new(longest: usize) -> Self {
        Self {
            buffer: vec![0; longest.saturating_add(LENGTH)],
            from: 0,
            to: 0,
            longest,
        }
    }

    /// Longer datagrams from now on, and a buffer that holds `several` of them.
    pub fn grow(&mut self, longest: usize, several: usize) {
        self.longest = self.longest.max(longest);
        let wanted = self.longest.saturating_add(LENGTH).saturating_mul(several);
        self.buffer.resize(wanted.max(self.buffer.len()), 0);
    }

    /// Where the next bytes are to be read to. Never empty once [`Frames::take`] has said that it has no more.
    pub fn space(&mut self) -> &mut [u8] {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        self.buffer.get_mut(self.to..).unwrap_or_default()
    }

    /// So many bytes were read to [`Frames::space`].
    pub fn filled(&mut self, bytes: usize) {
        self.to = self.to.saturating_add(bytes).min(self.buffer.len());
    }

    /// The next datagram that is there as a whole. Those without a byte are passed over.
    pub fn take(&mut self) -> Result<Option<&mut [u8]>, TooLong> {
        loop {
            let waiting = self.buffer.get(self.from..self.to).unwrap_or_default();
            let Some((length, rest)) = waiting.split_first_chunk::<LENGTH>() else {
                return Ok(None);
            };
            let length = usize::from(u16::from_be_bytes(*length));
            if length > self.longest {
                return Err(TooLong);
            }
            if rest.len() < length {
                return Ok(None);
            }
            let start = self.from + LENGTH;
            self.from = start + length;
            if length > 0 {
                return Ok(self.buffer.get_mut(start..start + length));
            }
        }
    }
}

/// Appends a datagram with its length before it; says whether it could.
pub fn append(out: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Ok(length) = u16::try_from(datagram.len()) else {
        return false;
    };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(datagram);
    true
}

/// Whether a connection that begins with this byte brings datagrams and not TLS: a first length below 1536 begins with 0 to 5, a
/// TLS record of a handshake with 22.
pub const fn begins_frame(first: u8) -> bool {
    first <= 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const LONGEST: usize = 64;

    fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for datagram in datagrams {
            assert!(append(&mut out, datagram));
        }
        out
    }

    /// Feeds the bytes in steps of the given sizes.
    fn read(bytes: &[u8], steps: &[usize]) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut frames, mut rest, mut got) = (Frames::new(LONGEST), bytes, Vec::new());
        let mut steps = steps.iter().cycle();
        while !rest.is_empty() {
            let space = frames.space();
            let count = (*steps.next().unwrap()).clamp(1, space.len().min(rest.len()));
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            frames.filled(count);
            while let Some(datagram) = frames.take()? {
                got.push(datagram.to_vec());
            }
        }
        Ok(got)
    }

    proptest! {
        #[test]
        fn datagrams_come_out_as_they_went_in_however_the_bytes_are_cut(
            datagrams in vec(vec(any::<u8>(), 1..LONGEST), 0..20), steps in vec(1_usize..200, 1..8),
        ) {
            prop_assert_eq!(read(&framed(&datagrams), &steps).unwrap(), datagrams);
        }
    }

    #[test]
    fn empty_datagrams_are_passed_over() {
        assert_eq!(read(&[0, 0, 0, 0, 0, 1, 7, 0, 0], &[1]).unwrap(), [[7]]);
    }

    #[test]
    fn a_longer_datagram_than_the_bound_ends_it_at_its_length() {
        let longest = vec![1; LONGEST];
        assert_eq!(
            read(&framed(std::slice::from_ref(&longest)), &[3]).unwrap(),
            [longest]
        );
        let mut frames = Frames::new(LONGEST);
        frames.space()[..2].copy_from_slice(&[0, LONGEST as u8 + 1]);
        frames.filled(2);
        assert_eq!(frames.take(), Err(TooLong));
    }

    #[test]
    fn a_grown_buffer_keeps_what_was_in_it() {
        let mut frames = Frames::new(4);
        frames.space()[..3].copy_from_slice(&[0, 4, 1]);
        frames.filled(3);
        assert_eq!(frames.take(), Ok(None));
        frames.grow(2048, 4);
        let space = frames.space();
        assert_eq!(space.len(), (2048 + LENGTH) * 4 - 3);
        space[..3].copy_from_slice(&[2, 3, 4]);
        frames.filled(3);
        assert_eq!(frames.take(), Ok(Some(&mut [1, 2, 3, 4][..])));
    }

    #[test]
    fn there_is_always_space_for_the_next_byte() {
        let mut frames = Frames::new(4);
        for _ in 0..100 {
            let space = frames.space();
            assert!(!space.is_empty());
            space[0] = 0;
            frames.filled(1);
            assert_eq!(frames.take(), Ok(None));
        }
    }

    #[test]
    fn tls_is_told_from_datagrams_by_the_first_byte() {
        assert!(!begins_frame(0x16), "a TLS handshake");
        assert!(begins_frame(0), "a check of about 100 bytes");
        assert!(!begins_frame(b'G'), "plain HTTP");
        assert!(!begins_frame(0x0d), "a PROXY header");
    }
}
