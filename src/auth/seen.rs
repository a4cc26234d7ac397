//! What the holder of a session sees of it: on what it runs and from where it was used last. Both are hints for a person who looks
//! for what is not theirs, are never decided by, and hold no more than that takes.

use std::net::IpAddr;
use std::time::Duration;

use conclave_policy::own::EndOwnSessions;
use conclave_policy::permit::Permit;
use serde::Deserialize;

use crate::auth::error::AuthError;
use crate::auth::principal::{Principal, Who};
use crate::auth::session::{Auth, AuthSettings, SignedIn};
use crate::auth::token::TokenId;
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::ownsessions::{OwnSession, SeenSession};

/// What is read of what a client says of itself.
const READ: usize = 512;
/// Letters of what a program calls itself.
const NAMED: usize = 32;

/// What the operator says of sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// How long a session lasts at most, however much it is used.
    pub seconds: u64,
    /// How long one lasts that is not used.
    pub unused_seconds: u64,
    /// How long a key makes tokens before another takes its place. It opens them for as long as a session lasts.
    pub key_seconds: u64,
    /// What is kept of the address that a session was used from last.
    pub place: PlaceKept,
}

/// What is kept of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKept {
    /// Nothing.
    None,
    /// The network: the first three numbers of an IPv4 address, the first 48 bits of an IPv6 address.
    #[default]
    Network,
    /// The whole address.
    Address,
}

/// What can be seen of whoever makes a request.
#[derive(Clone, Debug)]
pub struct Seen {
    device: String,
    address: IpAddr,
}

impl Default for SessionSettings {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            seconds: DAY,
            unused_seconds: DAY,
            key_seconds: DAY,
            place: PlaceKept::default(),
        }
    }
}

impl SessionSettings {
    /// Not shorter than signing in and joining take, not longer than a month.
    const SECONDS: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 60 * 60;
    /// Keys that open tokens at a time. All of them are tried by name only, and kept in memory.
    const KEYS: u64 = 32;

    /// What does not go together.
    pub fn check(&self, wrong: &mut Vec<String>) {
        if !Self::SECONDS.contains(&self.seconds) {
            wrong.push("`sessions.seconds`: from 60 to 2592000, which is 30 days".to_owned());
        }
        if !(*Self::SECONDS.start()..=self.seconds.max(*Self::SECONDS.start()))
            .contains(&self.unused_seconds)
        {
            wrong.push(
                "`sessions.unused_seconds`: from 60 to `sessions.seconds`; a session that lasts longer is never unused for so long"
                    .to_owned(),
            );
        }
        if self.key_seconds > *Self::SECONDS.end()
            || self.key_seconds.saturating_mul(Self::KEYS) < self.seconds
        {
            wrong.push(format!(
                "`sessions.key_seconds`: from a {}th of `sessions.seconds` to 2592000, which is 30 days",
                Self::KEYS
            ));
        }
    }

    /// As what sessions are made by takes them.
    pub fn lifetimes(&self) -> AuthSettings {
        AuthSettings {
            session: Duration::from_secs(self.seconds),
            unused: Duration::from_secs(self.unused_seconds),
            key: Duration::from_secs(self.key_seconds),
            place: self.place,
            ..AuthSettings::default()
        }
    }
}

impl PlaceKept {
    /// What is kept of this address; empty for nothing.
    fn of(self, address: IpAddr) -> String {
        let address = address.to_canonical();
        match (self, address) {
            (Self::None, _) => String::new(),
            (Self::Address, address) => address.to_string(),
            (Self::Network, IpAddr::V4(address)) => {
                let [one, two, three, _] = address.octets();
                format!("{one}.{two}.{three}.*")
            }
            (Self::Network, IpAddr::V6(address)) => {
                let [one, two, three, ..] = address.segments();
                format!("{one:x}:{two:x}:{three:x}:*")
            }
        }
    }
}

impl Seen {
    /// From what a client says of itself (RFC 9110, section 10.1.5), if it does, and the address that it comes from.
    pub fn new(user_agent: Option<&str>, address: IpAddr) -> Self {
        Self {
            device: device(user_agent.unwrap_or_default()),
            address,
        }
    }
}

impl Auth {
    /// Keeps what is seen of a session that begins or was renewed. Only accounts have sessions that anyone looks at.
    ///
    /// # Errors
    /// `Unavailable`; the session is not to be handed out then.
    pub async fn see(&self, signed_in: &SignedIn, seen: &Seen) -> Result<(), AuthError> {
        let principal = &signed_in.principal;
        let Who::Account { id, epoch, .. } = principal.who else {
            return Ok(());
        };
        let seen = SeenSession {
            account: id,
            token: *principal.token_id.as_bytes(),
            epoch,
            device: Secret::new(seen.device.clone()),
            place: Secret::new(self.settings.place.of(seen.address)),
            passkey: signed_in.passkey,
            instead_of: signed_in.instead_of.map(|token| *token.as_bytes()),
            began: principal.came.since,
            used: self.clock.now(),
            ends: principal.expires,
        };
        Ok(self.store.see_session(principal.org, seen).await?)
    }

    /// The sessions of whoever asks, the one used last first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn own_sessions(
        &self,
        principal: &Principal,
        account: AccountId,
    ) -> Result<Vec<OwnSession>, AuthError> {
        let now = self.clock.now();
        let unused = i64::try_from(self.settings.unused.as_millis()).unwrap_or(i64::MAX);
        let used_after = Timestamp::from_millis(now.as_millis().saturating_sub(unused));
        let own = self
            .store
            .own_sessions(principal.org, account, (now, used_after));
        Ok(own.await?)
    }

    /// Ends one of them, and whatever is open by it.
    ///
    /// # Errors
    /// `Missing` when it is none of theirs, or the database does not answer.
    pub async fn end_own_session(
        &self,
        permit: Permit<EndOwnSessions>,
        principal: &Principal,
        token: TokenId,
    ) -> Result<(), StoreError> {
        let account = principal.account().ok_or(StoreError::Missing)?;
        if permit.actor() != account.into() {
            return Err(StoreError::Missing);
        }
        let EndOwnSessions = permit.into_action();
        let (token, now) = (*token.as_bytes(), self.clock.now());
        self.store
            .end_own_session(principal.org, account, token, now)
            .await
    }
}

/// A few words for what a client says of itself. Of browsers and systems only names that stand here are ever used, of a program
/// what it calls itself first, in letters that are harmless anywhere.
fn device(user_agent: &str) -> String {
    // In this order: many call themselves by the names of others too.
    const BROWSERS: [(&str, &str); 8] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "Mac"),
        ("Macintosh", "Mac"),
        ("Linux", "Linux"),
    ];
    let mut end = user_agent.len().min(READ);
    while !user_agent.is_char_boundary(end) {
        end -= 1;
    }
    let text = user_agent.get(..end).unwrap_or_default();
    let named = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(mark, _)| text.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if text.starts_with("Mozilla/") => "A browser".to_owned(),
        (None, _) => {
            let harmless =
                |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
            let name: String = text.chars().take_while(harmless).take(NAMED).collect();
            if name.is_empty() {
                "A program".to_owned()
            } else {
                name
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_in_a_few_words() {
        for (text, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari on Mac",
            ),
            ("Mozilla/5.0 (compatible)", "A browser"),
            ("curl/8.14.1", "curl"),
            ("meeting-bot", "meeting-bot"),
            ("", "A program"),
            ("<script>alert(1)</script>", "A program"),
            ("é", "A program"),
        ] {
            assert_eq!(device(text), words, "{text}");
        }
    }

    #[test]
    fn whatever_a_client_says_of_itself_little_of_it_is_kept() {
        assert_eq!(device(&"x".repeat(1 << 20)), "x".repeat(NAMED));
        assert_eq!(device(&"é".repeat(1 << 20)), "A program");
        // What stands beyond what is read is not looked at.
        let late = format!("{} Firefox/1 Linux", "(".repeat(READ));
        assert_eq!(device(&late), "A program");
    }

    #[test]
    fn of_an_address_no_more_is_kept_than_is_said() {
        let four = "192.0.2.77".parse().unwrap();
        let mapped = "::ffff:192.0.2.77".parse().unwrap();
        let six = "2001:db8:5ca1:ab1e::77".parse().unwrap();
        for (kept, four_is, six_is) in [
            (PlaceKept::None, "", ""),
            (PlaceKept::Network, "192.0.2.*", "2001:db8:5ca1:*"),
            (PlaceKept::Address, "192.0.2.77", "2001:db8:5ca1:ab1e::77"),
        ] {
            assert_eq!(kept.of(four), four_is);
            assert_eq!(kept.of(mapped), four_is);
            assert_eq!(kept.of(six), six_is);
        }
    }

    #[test]
    fn lifetimes_go_together() {
        let wrong = |seconds, unused_seconds, key_seconds| {
            let settings = SessionSettings {
                seconds,
                unused_seconds,
                key_seconds,
                place: PlaceKept::None,
            };
            let mut wrong = Vec::new();
            settings.check(&mut wrong);
            wrong.len()
        };
        let mut none = Vec::new();
        SessionSettings::default().check(&mut none);
        assert!(none.is_empty());
        assert_eq!(wrong(60, 60, 2), 0);
        assert_eq!(wrong(59, 60, 2), 1);
        assert_eq!(wrong(60, 59, 2), 1);
        assert_eq!(wrong(3600, 3601, 3600), 1);
        assert_eq!(wrong(3600, 3600, 112), 1);
        assert_eq!(wrong(86_400, 3600, 31 * 86_400), 1);
        assert_eq!(wrong(31 * 86_400, 3600, 86_400), 1);
    }
}
