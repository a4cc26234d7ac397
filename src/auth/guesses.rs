//! Budgets for guessing passwords, shared by every way in. Right answers cost nothing, wrong ones are earned back with time.
//!
//! A flood of wrong guesses must not lock the right person out: whoever has signed in from a device before, and whoever
//! is signed in at a room's door, draws from a budget of their own that strangers cannot empty.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::limits::{Network, Rate, Rates};
use crate::ids::{AccountId, RoomId};

/// Keys that each budget remembers.
const MOST: usize = 16_384;

/// The budgets.
#[derive(Clone, Copy, Debug)]
pub struct GuessSettings {
    /// Sign-ins from one network, to whatever account.
    pub sign_in_network: Rate,
    /// Sign-ins to one account from one network.
    pub sign_in_account_network: Rate,
    /// Sign-ins to one account from everywhere, known devices apart.
    pub sign_in_account: Rate,
    /// Sign-ins from one known device.
    pub sign_in_device: Rate,
    /// Room passwords tried by one signed-in account at one room.
    pub room_account: Rate,
    /// Room passwords tried from one network, at whatever room.
    pub room_network: Rate,
    /// Room passwords tried from one network at one room.
    pub room_room_network: Rate,
    /// Room passwords tried at one room from everywhere, signed-in accounts apart.
    pub room: Rate,
    /// Guests and invitations from one network.
    pub newcomers: Rate,
}

impl Default for GuessSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            sign_in_network: Rate::new(20, seconds(15)),
            sign_in_account_network: Rate::new(5, seconds(60)),
            sign_in_account: Rate::new(30, seconds(60)),
            sign_in_device: Rate::new(10, seconds(30)),
            room_account: Rate::new(10, seconds(60)),
            room_network: Rate::new(30, seconds(20)),
            room_room_network: Rate::new(10, seconds(60)),
            room: Rate::new(60, seconds(10)),
            newcomers: Rate::new(30, seconds(10)),
        }
    }
}

/// A site of IPv6 networks may do as much as this many of them.
const NETWORKS_PER_SITE: u32 = 8;

/// Who tries a room's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guesser {
    /// A signed-in account.
    Account(AccountId),
    /// Anyone else, by address.
    Address(IpAddr),
}

/// All budgets of the server.
#[derive(Debug)]
pub(crate) struct Guesses {
    sign_in_network: NetworkBudget,
    sign_in_account_network: Budget<([u8; 32], Network)>,
    sign_in_account: Budget<[u8; 32]>,
    sign_in_device: Budget<([u8; 32], [u8; 16])>,
    room_account: Budget<(RoomId, AccountId)>,
    room_network: NetworkBudget,
    room_room_network: Budget<(RoomId, Network)>,
    room: Budget<RoomId>,
    newcomers: NetworkBudget,
}

/// How long to wait before the next attempt.
pub(crate) type RetryAfter = Duration;

/// An attempt that was let through, and what it cost.
#[must_use = "a right answer has to be told, or it counts as a wrong one"]
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    guesses: &'a Guesses,
    costs: Vec<Cost>,
}

#[derive(Clone, Copy, Debug)]
enum Cost {
    SignInNetwork(Network),
    SignInAccountNetwork([u8; 32], Network),
    SignInAccount([u8; 32]),
    SignInDevice([u8; 32], [u8; 16]),
    RoomAccount(RoomId, AccountId),
    RoomNetwork(Network),
    RoomRoomNetwork(RoomId, Network),
    Room(RoomId),
    Newcomers(Network),
}

impl Attempt<'_> {
    /// The answer was right: the attempt costs nothing.
    pub(crate) fn succeeded(self) {
        self.costs
            .iter()
            .for_each(|cost| self.guesses.give_back(cost));
    }
}

impl Guesses {
    pub(crate) fn new(settings: &GuessSettings) -> Self {
        Self {
            sign_in_network: NetworkBudget::new(settings.sign_in_network),
            sign_in_account_network: Budget::new(settings.sign_in_account_network),
            sign_in_account: Budget::new(settings.sign_in_account),
            sign_in_device: Budget::new(settings.sign_in_device),
            room_account: Budget::new(settings.room_account),
            room_network: NetworkBudget::new(settings.room_network),
            room_room_network: Budget::new(settings.room_room_network),
            room: Budget::new(settings.room),
            newcomers: NetworkBudget::new(settings.newcomers),
        }
    }

    /// A sign-in to the account with this index, existing or not. `device` is one that has signed in to it before.
    pub(crate) fn sign_in(
        &self,
        account: [u8; 32],
        device: Option<[u8; 16]>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Attempt<'_>, RetryAfter> {
        if let Some(device) = device {
            return self.attempt([Cost::SignInDevice(account, device)], now);
        }
        let network = Network::of(address);
        // The narrow budgets come first: who has used up theirs takes nothing from the wide ones.
        let costs = [
            Some(Cost::SignInAccountNetwork(account, network)),
            Some(Cost::SignInNetwork(network)),
            network.site().map(Cost::SignInNetwork),
            Some(Cost::SignInAccount(account)),
        ];
        self.attempt(costs.into_iter().flatten(), now)
    }

    /// A room's password, over whatever protocol.
    pub(crate) fn room(
        &self,
        room: RoomId,
        guesser: Guesser,
        now: Instant,
    ) -> Result<Attempt<'_>, RetryAfter> {
        match guesser {
            Guesser::Account(account) => self.attempt([Cost::RoomAccount(room, account)], now),
            Guesser::Address(address) => {
                let network = Network::of(address);
                let costs = [
                    Some(Cost::RoomRoomNetwork(room, network)),
                    Some(Cost::RoomNetwork(network)),
                    network.site().map(Cost::RoomNetwork),
                    Some(Cost::Room(room)),
                ];
                self.attempt(costs.into_iter().flatten(), now)
            }
        }
    }

    /// A new guest, or an invitation to be accepted. Right or wrong, it counts.
    pub(crate) fn newcomer(&self, address: IpAddr, now: Instant) -> Result<(), RetryAfter> {
        let network = Network::of(address);
        let costs = [
            Some(Cost::Newcomers(network)),
            network.site().map(Cost::Newcomers),
        ];
        self.attempt(costs.into_iter().flatten(), now)
            .map(|_counts| ())
    }

    fn attempt(
        &self,
        costs: impl IntoIterator<Item = Cost>,
        now: Instant,
    ) -> Result<Attempt<'_>, RetryAfter> {
        let mut attempt = Attempt {
            guesses: self,
            costs: Vec::new(),
        };
        for cost in costs {
            if let Err(wait) = self.take(&cost, now) {
                attempt.succeeded();
                return Err(wait);
            }
            attempt.costs.push(cost);
        }
        Ok(attempt)
    }

    fn take(&self, cost: &Cost, now: Instant) -> Result<(), RetryAfter> {
        match *cost {
            Cost::SignInNetwork(network) => self.sign_in_network.take(network, now),
            Cost::SignInAccountNetwork(account, network) => {
                self.sign_in_account_network.take((account, network), now)
            }
            Cost::SignInAccount(account) => self.sign_in_account.take(account, now),
            Cost::SignInDevice(account, device) => self.sign_in_device.take((account, device), now),
            Cost::RoomAccount(room, account) => self.room_account.take((room, account), now),
            Cost::RoomNetwork(network) => self.room_network.take(network, now),
            Cost::RoomRoomNetwork(room, network) => {
                self.room_room_network.take((room, network), now)
            }
            Cost::Room(room) => self.room.take(room, now),
            Cost::Newcomers(network) => self.newcomers.take(network, now),
        }
    }

    fn give_back(&self, cost: &Cost) {
        match *cost {
            Cost::SignInNetwork(network) => self.sign_in_network.give_back(&network),
            Cost::SignInAccountNetwork(account, network) => {
                self.sign_in_account_network.give_back(&(account, network));
            }
            Cost::SignInAccount(account) => self.sign_in_account.give_back(&account),
            Cost::SignInDevice(account, device) => {
                self.sign_in_device.give_back(&(account, device))
            }
            Cost::RoomAccount(room, account) => self.room_account.give_back(&(room, account)),
            Cost::RoomNetwork(network) => self.room_network.give_back(&network),
            Cost::RoomRoomNetwork(room, network) => {
                self.room_room_network.give_back(&(room, network))
            }
            Cost::Room(room) => self.room.give_back(&room),
            Cost::Newcomers(network) => self.newcomers.give_back(&network),
        }
    }
}

/// One rate per key, behind a lock that is held for a look-up only.
#[derive(Debug)]
struct Budget<K>(Mutex<Rates<K>>);

impl<K: Eq + Hash> Budget<K> {
    fn new(rate: Rate) -> Self {
        Self(Mutex::new(Rates::new(rate, MOST)))
    }

    fn take(&self, key: K, now: Instant) -> Result<(), RetryAfter> {
        self.rates().take(key, now)
    }

    fn give_back(&self, key: &K) {
        self.rates().give_back(key);
    }

    fn rates(&self) -> MutexGuard<'_, Rates<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One rate per network, and a wider one per site.
#[derive(Debug)]
struct NetworkBudget {
    networks: Budget<Network>,
    sites: Budget<Network>,
}

impl NetworkBudget {
    fn new(rate: Rate) -> Self {
        let every = rate
            .every
            .checked_div(NETWORKS_PER_SITE)
            .unwrap_or(rate.every);
        let site = Rate::new(rate.burst.saturating_mul(NETWORKS_PER_SITE), every);
        Self {
            networks: Budget::new(rate),
            sites: Budget::new(site),
        }
    }

    const fn of(&self, network: Network) -> &Budget<Network> {
        match network {
            Network::V4(_) | Network::V6(_) => &self.networks,
            Network::Site(_) => &self.sites,
        }
    }

    fn take(&self, network: Network, now: Instant) -> Result<(), RetryAfter> {
        self.of(network).take(network, now)
    }

    fn give_back(&self, network: &Network) {
        self.of(*network).give_back(network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use std::net::Ipv4Addr;

    const ACCOUNT: [u8; 32] = [1; 32];
    const ROOM: RoomId = RoomId::from_bytes([2; 16]);

    fn guesses() -> Guesses {
        Guesses::new(&GuessSettings::default())
    }

    fn address(network: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + (network << 8)))
    }

    /// Wrong guesses until one is refused.
    fn exhaust(mut guess: impl FnMut() -> Result<(), RetryAfter>) -> usize {
        (0..10_000).take_while(|_| guess().is_ok()).count()
    }

    #[test]
    fn guesses_from_one_network_at_one_account_run_out_and_come_back_slowly() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        let guess = || {
            guesses
                .sign_in(ACCOUNT, None, address(1), clock.instant())
                .map(drop)
        };
        assert_eq!(exhaust(guess), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(exhaust(guess), 1);
    }

    #[test]
    fn right_answers_cost_nothing() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        for _ in 0..1000 {
            guesses
                .sign_in(ACCOUNT, None, address(1), clock.instant())
                .unwrap()
                .succeeded();
            let at_the_door = Guesser::Address(address(1));
            guesses
                .room(ROOM, at_the_door, clock.instant())
                .unwrap()
                .succeeded();
        }
    }

    #[test]
    fn many_networks_share_the_budget_of_an_account_and_a_known_device_has_its_own() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        let mut networks = 0..;
        let tried = exhaust(|| {
            let from = address(networks.next().unwrap());
            guesses
                .sign_in(ACCOUNT, None, from, clock.instant())
                .map(drop)
        });
        assert_eq!(tried, 30);
        let known = guesses.sign_in(ACCOUNT, Some([7; 16]), address(1), clock.instant());
        assert!(known.is_ok());
        drop(known);
        let other_device = || {
            guesses
                .sign_in(ACCOUNT, Some([8; 16]), address(1), clock.instant())
                .map(drop)
        };
        assert_eq!(exhaust(other_device), 10);
        assert!(
            guesses
                .sign_in(ACCOUNT, Some([7; 16]), address(1), clock.instant())
                .is_ok()
        );
        assert!(
            guesses
                .sign_in([9; 32], None, address(9999), clock.instant())
                .is_ok()
        );
    }

    #[test]
    fn t10_strangers_at_a_room_share_one_budget_that_accounts_do_not_draw_from() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        let mut networks = 0..;
        let tried = exhaust(|| {
            let from = Guesser::Address(address(networks.next().unwrap()));
            guesses.room(ROOM, from, clock.instant()).map(drop)
        });
        assert_eq!(tried, 60);
        // A day of it: one guess in ten seconds, whatever the number of networks, against 72 bits.
        let mut day = 0;
        for _ in 0..24 * 360 {
            clock.advance(Duration::from_secs(10));
            day += exhaust(|| {
                let from = Guesser::Address(address(networks.next().unwrap()));
                guesses.room(ROOM, from, clock.instant()).map(drop)
            });
        }
        assert!(day <= 24 * 360, "{day}");
        let member = Guesser::Account(AccountId::from_bytes([5; 16]));
        assert!(guesses.room(ROOM, member, clock.instant()).is_ok());
    }

    #[test]
    fn one_network_cannot_empty_the_budget_of_a_room() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        let flood = Guesser::Address(address(1));
        assert_eq!(
            exhaust(|| guesses.room(ROOM, flood, clock.instant()).map(drop)),
            10
        );
        let other = Guesser::Address(address(2));
        assert!(guesses.room(ROOM, other, clock.instant()).is_ok());
    }

    #[test]
    fn a_refused_attempt_gives_back_what_it_took_from_the_other_budgets() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        exhaust(|| {
            guesses
                .sign_in(ACCOUNT, None, address(1), clock.instant())
                .map(drop)
        });
        for _ in 0..1000 {
            assert!(
                guesses
                    .sign_in(ACCOUNT, None, address(1), clock.instant())
                    .is_err()
            );
        }
        let mut networks = 2..;
        let left = exhaust(|| {
            let from = address(networks.next().unwrap());
            guesses
                .sign_in(ACCOUNT, None, from, clock.instant())
                .map(drop)
        });
        assert_eq!(left, 25);
    }

    #[test]
    fn a_site_cannot_draw_endless_networks() {
        let (guesses, clock) = (guesses(), ManualClock::new());
        let mut networks = 0_u16..;
        let tried = exhaust(|| {
            let from = format!("2001:db8:1:{:x}::1", networks.next().unwrap())
                .parse()
                .unwrap();
            guesses.newcomer(from, clock.instant())
        });
        assert_eq!(tried, 240);
    }
}
