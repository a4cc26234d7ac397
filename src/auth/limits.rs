//! Rates: how often something may happen per key. Bounded in memory, and pure: the caller brings the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How often: `burst` at once, then one more each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Allowed at once after a quiet time.
    pub burst: u32,
    /// How long until one more is allowed.
    pub every: Duration,
}

impl Rate {
    /// `burst` at once, then one more each `every`.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }

    fn window(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// One rate for one thing. It remembers a single instant: when all that was taken will have been earned back.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Rate,
    clear: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, clear: None }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait, if none is left.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let ahead = self
            .clear
            .map_or(Duration::ZERO, |clear| clear.saturating_duration_since(now));
        let after = ahead.saturating_add(self.rate.every);
        let window = self.rate.window();
        if after > window {
            return Err(after.saturating_sub(window));
        }
        self.clear = now.checked_add(after);
        Ok(())
    }

    /// How many are left now.
    pub fn left(&self, now: Instant) -> u32 {
        let ahead = self
            .clear
            .map_or(Duration::ZERO, |clear| clear.saturating_duration_since(now));
        let free = self.rate.window().saturating_sub(ahead).as_nanos();
        let left = free.checked_div(self.rate.every.as_nanos()).unwrap_or(0);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Gives one back that was taken and turned out not to count.
    pub fn give_back(&mut self) {
        self.clear = self
            .clear
            .and_then(|clear| clear.checked_sub(self.rate.every));
    }

    /// Whether it is full again, so that forgetting it changes nothing.
    pub fn is_full(&self, now: Instant) -> bool {
        self.clear.is_none_or(|clear| clear <= now)
    }
}

/// One rate for each of many keys. When there are too many busy keys, the rest share one bucket: a flood of
/// keys makes the limit stricter, never the map bigger.
#[derive(Debug)]
pub struct Rates<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
    shared: Bucket,
    most: usize,
    swept: Option<Instant>,
}

impl<K: Eq + Hash> Rates<K> {
    /// At most `most` keys are remembered.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            buckets: HashMap::new(),
            shared: Bucket::new(rate),
            most,
            swept: None,
        }
    }

    /// Takes one for this key.
    ///
    /// # Errors
    /// How long to wait, if none is left.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(now);
        }
        if self.buckets.len() >= self.most {
            self.sweep(now);
        }
        if self.buckets.len() >= self.most {
            return self.shared.take(now);
        }
        self.buckets
            .entry(key)
            .or_insert(Bucket::new(self.rate))
            .take(now)
    }

    /// How many are left for this key.
    pub fn left(&self, key: &K, now: Instant) -> u32 {
        match self.buckets.get(key) {
            Some(bucket) => bucket.left(now),
            None if self.buckets.len() < self.most => self.rate.burst,
            None => self.shared.left(now),
        }
    }

    /// The rate itself.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Gives one back that was taken for this key.
    pub fn give_back(&mut self, key: &K) {
        match self.buckets.get_mut(key) {
            Some(bucket) => bucket.give_back(),
            None => self.shared.give_back(),
        }
    }

    /// Forgets full buckets; at most once per step of the rate, so that a flood cannot make it the main work.
    fn sweep(&mut self, now: Instant) {
        let due = self
            .swept
            .is_none_or(|swept| now.saturating_duration_since(swept) >= self.rate.every);
        if due {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            self.swept = Some(now);
        }
    }
}

/// The network that an address stands for: whoever holds one address of it can usually use the others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 64 bits of an IPv6 address.
    V6([u8; 8]),
    /// The first 48 bits of an IPv6 address: what a site is given, and can draw networks from.
    Site([u8; 6]),
}

impl Network {
    /// The network of an address; an IPv4 address inside IPv6 counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// The wider network around it, where there is one.
    pub fn site(self) -> Option<Self> {
        match self {
            Self::V6([a, b, c, d, e, f, ..]) => Some(Self::Site([a, b, c, d, e, f])),
            Self::V4(_) | Self::Site(_) => None,
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
            Self::Site(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    const RATE: Rate = Rate::new(3, Duration::from_secs(10));

    #[test]
    fn a_burst_is_allowed_and_then_one_each_step() {
        let clock = ManualClock::new();
        let mut bucket = Bucket::new(RATE);
        for _ in 0..3 {
            assert_eq!(bucket.take(clock.instant()), Ok(()));
        }
        assert_eq!(bucket.take(clock.instant()), Err(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(4));
        assert_eq!(bucket.take(clock.instant()), Err(Duration::from_secs(6)));
        clock.advance(Duration::from_secs(6));
        assert_eq!(bucket.take(clock.instant()), Ok(()));
        assert!(bucket.take(clock.instant()).is_err());
    }

    #[test]
    fn a_refused_attempt_costs_nothing_and_a_returned_one_neither() {
        let clock = ManualClock::new();
        let mut bucket = Bucket::new(RATE);
        for _ in 0..100 {
            let _any = bucket.take(clock.instant());
        }
        clock.advance(Duration::from_secs(10));
        assert!(bucket.take(clock.instant()).is_ok());
        bucket.give_back();
        assert!(bucket.take(clock.instant()).is_ok());
        clock.advance(Duration::from_secs(30));
        assert!(bucket.is_full(clock.instant()));
    }

    #[test]
    fn keys_do_not_share_a_bucket_until_there_are_too_many() {
        let clock = ManualClock::new();
        let mut rates = Rates::new(RATE, 2);
        for key in [1, 2] {
            for _ in 0..3 {
                assert!(rates.take(key, clock.instant()).is_ok());
            }
            assert!(rates.take(key, clock.instant()).is_err());
        }
        for key in 3..6 {
            assert!(rates.take(key, clock.instant()).is_ok());
        }
        assert!(rates.take(6, clock.instant()).is_err());
        assert_eq!(rates.buckets.len(), 2);
        clock.advance(Duration::from_secs(60));
        assert!(rates.take(7, clock.instant()).is_ok());
        assert_eq!(rates.buckets.len(), 1);
    }

    #[test]
    fn an_address_counts_for_its_network() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("192.0.2.1"), network("192.0.2.200"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.9"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(
            network("2001:db8:1:2::1").site(),
            network("2001:db8:1:3::1").site()
        );
        assert_eq!(network("192.0.2.1").site(), None);
    }
}
