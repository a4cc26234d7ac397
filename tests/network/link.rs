//! One direction of one participant's way: a bottleneck with a bounded queue, then loss, delay, jitter.

/// A way as it is now. Times are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Bits a second; `None` is as fast as can be.
    pub(crate) rate: Option<u64>,
    /// What waits longer is dropped at the tail.
    pub(crate) queue: u64,
    /// Of a thousand, lost at random.
    pub(crate) lost: u64,
    pub(crate) delay: u64,
    /// Each is later by up to so much; what follows waits for it unless `reorders`.
    pub(crate) jitter: u64,
    pub(crate) reorders: bool,
    pub(crate) free: f64,
    pub(crate) last: u64,
    pub(crate) random: u64,
    /// Datagrams and bytes that went in, and datagrams that the tail dropped.
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rate: None,
            queue: 300_000,
            lost: 0,
            delay: 20_000,
            jitter: 0,
            reorders: false,
            free: 0.0,
            last: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            datagrams: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below.max(1)
    }

    /// When a datagram that goes in now comes out, if it does.
    pub(crate) fn pass(&mut self, size: usize, now: u64) -> Option<u64> {
        // With the headers of IP and UDP.
        let size = size + 28;
        self.datagrams += 1;
        self.bytes += size as u64;
        let mut at = now as f64;
        if let Some(rate) = self.rate {
            if self.free - at > self.queue as f64 {
                self.dropped += 1;
                return None;
            }
            self.free = self.free.max(at) + size as f64 * 8e6 / rate as f64;
            at = self.free;
        }
        if self.draw(1000) < self.lost {
            return None;
        }
        let mut out = at as u64 + self.delay + self.draw(self.jitter + 1);
        if !self.reorders {
            out = out.max(self.last);
        }
        self.last = self.last.max(out);
        Some(out)
    }
}
