//! Sign-in, sessions and invitations: the one place that makes a [`Principal`].
//!
//! It answers who someone is and nothing else. Every use of a session is checked against the store, so that what was
//! revoked is over at once.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::auth::email::Email;
use crate::auth::error::AuthError;
use crate::auth::guesses::{GuessSettings, Guesser, Guesses};
use crate::auth::guestlink::CameBy;
use crate::auth::limits::{Rate, Rates};
use crate::auth::name::DisplayName;
use crate::auth::nonces::Nonces;
use crate::auth::offered::Offered;
use crate::auth::passkeys::Passkeys;
use crate::auth::password::{HashError, Hasher, Lane, Password};
use crate::auth::possession::{Copies, Shown};
use crate::auth::principal::{Came, Principal, Who};
use crate::auth::proof::Thumbprint;
use crate::auth::recovery::HalfWay;
use crate::auth::seen::PlaceKept;
use crate::auth::token::{Claims, KeyRing, TokenId};
use crate::clock::{Clock, Timestamp};
use crate::ids::{self, AccountId, ActorId, LinkId, OrgId, PasskeyId, RoomId};
use crate::secret::{RandomSource, Secret};
use crate::store::accounts::Account;
use crate::store::audit::{AuditEntry, Verdict};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::sessions::SessionAccount;

/// Mail that one address gets, however many ask for it.
const MAIL_PACE: Rate = Rate::new(3, Duration::from_secs(10 * 60));
/// Addresses whose pace is remembered.
const MAILED: usize = 16_384;

/// Lifetimes and limits.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// How long a session lasts. What is open by it when its time is up goes on.
    pub session: Duration,
    /// How long one lasts that is not renewed.
    pub unused: Duration,
    /// How long its token is good, until it has to be renewed.
    pub token: Duration,
    /// How long a key makes tokens; it opens them for one more session.
    pub key: Duration,
    /// How long an invitation can be used.
    pub invitation: Duration,
    /// How long the first owner's link can be used.
    pub owner_link: Duration,
    /// Passwords hashed at a time.
    pub hashes_at_once: usize,
    /// What is kept of the address that a session was used from.
    pub place: PlaceKept,
    /// Budgets for guessing.
    pub guesses: GuessSettings,
}

impl Default for AuthSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            session: DAY,
            unused: DAY,
            token: Duration::from_secs(15 * 60),
            key: DAY,
            invitation: DAY.saturating_mul(7),
            owner_link: DAY,
            // Half of the machine: the other half is for those who are in already.
            hashes_at_once: std::thread::available_parallelism()
                .map_or(1, |all| all.get() / 2)
                .max(1),
            place: PlaceKept::default(),
            guesses: GuessSettings::default(),
        }
    }
}

/// Someone who just proved who they are, and what they show next time.
#[derive(Debug)]
pub struct SignedIn {
    /// The session token.
    pub token: Secret<String>,
    /// What renews it, once.
    pub renewal: Secret<String>,
    /// Until when the token is good.
    pub renews: Timestamp,
    /// Who.
    pub principal: Principal,
    /// Makes the device known to the account, so that strangers' guesses cannot lock it out; or makes a guest's browser known
    /// again.
    pub device: Option<Secret<String>>,
    /// The passkey that opened it.
    pub passkey: Option<PasskeyId>,
    /// The session in whose place it begins.
    pub instead_of: Option<TokenId>,
}

/// By what a guest is known again.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuestMarks<'a> {
    /// The mark in the browser.
    pub device: Option<&'a Secret<String>>,
    /// The secret of the link that they came by.
    pub link: Option<&'a Secret<String>>,
    /// The key of the browser, which the session is bound to.
    pub key: Option<Thumbprint>,
}

/// What someone gives to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// The e-mail address, as typed.
    pub email: &'a str,
    /// The password, as typed.
    pub password: &'a Secret<String>,
    /// The mark that an earlier sign-in left on the device.
    pub device: Option<&'a Secret<String>>,
    /// Where it comes from.
    pub address: IpAddr,
    /// The key of the browser, which the session is bound to.
    pub key: Option<Thumbprint>,
}

/// Who someone is.
pub struct Auth {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn RandomSource>,
    pub(super) settings: AuthSettings,
    pub(super) hasher: Hasher,
    pub(super) guesses: Guesses,
    pub(super) ring: RwLock<Arc<KeyRing>>,
    /// Held while a key is made, so that one is made.
    pub(super) rotation: Mutex<()>,
    pub(super) nonces: Nonces,
    pub(super) copies: std::sync::Mutex<Copies>,
    /// How often everyone was sent away since the server started.
    pub(super) rounds: AtomicU64,
    pub(super) providers: Offered,
    pub(super) passkeys: Passkeys,
    /// The page that links in mails lead to, where mail is sent.
    pub(super) mail: Option<String>,
    pub(super) mails: std::sync::Mutex<Rates<[u8; 32]>>,
}

impl Auth {
    /// Starts with the default lifetimes and limits.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
    ) -> Result<Self, AuthError> {
        Self::start_with(store, clock, random, AuthSettings::default()).await
    }

    /// Starts.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn start_with(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
        settings: AuthSettings,
    ) -> Result<Self, AuthError> {
        let hasher = Hasher::new(settings.hashes_at_once, random.clone()).map_err(hash_failed)?;
        let guesses = Guesses::new(&settings.guesses);
        let ring = RwLock::new(Arc::new(
            KeyRing::new(store.org(), &[]).map_err(|_| AuthError::Unavailable)?,
        ));
        let nonces = Nonces::new(random.as_ref(), clock.instant());
        let auth = Self {
            nonces,
            copies: std::sync::Mutex::default(),
            rounds: AtomicU64::new(0),
            store,
            clock,
            random,
            settings,
            hasher,
            guesses,
            ring,
            rotation: Mutex::new(()),
            providers: Offered::default(),
            passkeys: Passkeys::default(),
            mail: None,
            mails: std::sync::Mutex::new(Rates::new(MAIL_PACE, MAILED)),
        };
        auth.read_keys().await?;
        auth.usable_ring().await?;
        Ok(auth)
    }

    /// Signs in to an account. Wrong password, unknown address, ended account: one answer, after the same work.
    ///
    /// # Errors
    /// `SecondFactor` when the password is right and the account asks for more; `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn sign_in(&self, attempted: Attempted<'_>) -> Result<SignedIn, AuthError> {
        let org = self.store.org();
        // What cannot be an address or a password has no account; to say so at once tells nothing.
        let email = Email::parse(attempted.email).map_err(|_| AuthError::Refused)?;
        let password =
            Password::parse(attempted.password.expose()).map_err(|_| AuthError::Refused)?;
        let index = self.store.email_index(org, email.as_str());
        let device = attempted
            .device
            .and_then(|device| self.known_device(&index, device));
        let lane = if device.is_some() {
            Lane::Known
        } else {
            Lane::Common
        };
        let attempt = self
            .guesses
            .sign_in(index, device, attempted.address, self.clock.instant())
            .map_err(|retry_after| AuthError::TooMany { retry_after })?;
        let account = match self.check(&email, password, lane).await {
            Ok(Some(account)) => account,
            // The attempt is dropped, and so it counts; also when the caller hangs up before the answer.
            Ok(None) => return Err(AuthError::Refused),
            Err(nothing_was_tried) => {
                attempt.succeeded();
                return Err(nothing_was_tried);
            }
        };
        attempt.succeeded();
        if self.store.has_passkeys(org, account.id).await? {
            return Err(AuthError::SecondFactor(HalfWay {
                account: account.id,
                epoch: account.epoch,
            }));
        }
        let signed_in = self
            .new_session(
                account.id,
                account.epoch,
                Some(&index),
                attempted.key,
                Came::default(),
            )
            .await?;
        self.note("sign_in", account.id.into(), None);
        Ok(signed_in)
    }

    /// A session for someone without an account, good for one room only. Whether there is such a room, and whether it lets
    /// guests in, is not looked at: the answer is always a session.
    ///
    /// # Errors
    /// `Name`, `TooMany` or `Unavailable`.
    pub async fn guest(
        &self,
        room: RoomId,
        name: &str,
        address: IpAddr,
        by: GuestMarks<'_>,
    ) -> Result<SignedIn, AuthError> {
        let name = DisplayName::parse(name)?;
        self.newcomer(address)?;
        let (device, mark) = self.guest_device(by.device);
        let link = match by.link {
            Some(secret) => Some(self.use_guest_link(room, secret, device).await?),
            None => None,
        };
        let who = Who::Guest {
            id: self.random_id(),
            room,
            name,
            device,
            link,
            brought: None,
        };
        let signed_in = self.guest_session(who, by.key).await?;
        Ok(SignedIn {
            device: mark,
            ..signed_in
        })
    }

    /// A session for this guest.
    pub(super) async fn guest_session(
        &self,
        who: Who,
        key: Option<Thumbprint>,
    ) -> Result<SignedIn, AuthError> {
        let Who::Guest {
            id,
            room,
            ref name,
            device,
            ref link,
            ref brought,
        } = who
        else {
            return Err(AuthError::Unavailable);
        };
        let ring = self.usable_ring().await?;
        let (org, now) = (self.store.org(), self.clock.now());
        let token_id: TokenId = self.random_id();
        let (end, renews) = (
            now.after(self.settings.session),
            now.after(self.settings.token.min(self.settings.session)),
        );
        let claims = Claims::Guest {
            org,
            sub: id,
            room,
            name: name.as_str().to_owned(),
            device,
            link: link
                .as_ref()
                .map(|link| (link.id, link.label.expose().clone())),
            brought: brought
                .as_ref()
                .map(|by| (by.by, by.product.expose().clone(), by.observes)),
            jkt: key,
            iat: now.as_secs(),
            exp: renews.as_secs(),
            end: end.as_secs(),
            turn: 0,
            jti: token_id,
        };
        let token = ring
            .make(&claims, now)
            .map_err(|_| AuthError::Unavailable)?;
        let principal = Principal {
            org,
            who,
            token_id,
            expires: whole(end),
            came: Came {
                since: whole(now),
                round: self.rounds.load(Ordering::Acquire),
                ..Came::default()
            },
        };
        Ok(SignedIn {
            renewal: self.renewal(&ring, claims, now)?,
            renews: whole(renews),
            token,
            principal,
            device: None,
            passkey: None,
            instead_of: None,
        })
    }

    /// What a session token stands for, if its session is not over.
    ///
    /// # Errors
    /// `Refused`, or `Unavailable` when that cannot be looked up.
    pub async fn shown(&self, token: &str) -> Result<Shown, AuthError> {
        // Before the keys are looked at: whoever is sent away meanwhile is of the round before.
        let round = self.rounds.load(Ordering::Acquire);
        let ring = self.ring();
        let claims = ring
            .open(token, self.clock.now())
            .map_err(|_| AuthError::Refused)?;
        match claims {
            Claims::Session {
                org,
                sub,
                epoch,
                jkt,
                iat,
                end,
                turn,
                jti,
                by,
                factor,
                ..
            } => {
                let found = self
                    .store
                    .session_account(org, sub, *jti.as_bytes())
                    .await?;
                let SessionAccount {
                    account,
                    shown,
                    asked,
                } = found
                    .filter(|found| found.account.epoch == epoch)
                    .ok_or_else(|| self.why_over(jti))?;
                let given = self.given_by(org, (by, from_secs(iat)), sub).await?;
                let name = DisplayName::parse(account.name.expose())
                    .map_err(|_| AuthError::Unavailable)?;
                let who = Who::Account {
                    id: sub,
                    name,
                    admin: account.is_admin || given.admin,
                    may_create_rooms: account.may_create_rooms || given.creator,
                    epoch,
                };
                let principal = Principal {
                    org,
                    who,
                    token_id: jti,
                    expires: from_secs(end),
                    came: Came {
                        by,
                        second_factor: factor || shown,
                        factor_asked: asked,
                        since: from_secs(iat),
                        round,
                    },
                };
                Ok(Shown {
                    principal,
                    key: jkt,
                    turn,
                })
            }
            Claims::Away { .. }
            | Claims::Join { .. }
            | Claims::Ceremony { .. }
            | Claims::Again { .. }
            | Claims::Renewal { .. }
            | Claims::Link { .. } => Err(AuthError::Refused),
            Claims::Guest {
                org,
                sub,
                room,
                name,
                device,
                link,
                brought,
                jkt,
                iat,
                end,
                turn,
                jti,
                ..
            } => {
                if let Some((link, _)) = &link
                    && !self.store.guest_link_stands(org, room, *link).await?
                {
                    return Err(AuthError::Refused);
                }
                if self.store.is_session_revoked(org, *jti.as_bytes()).await? {
                    return Err(self.why_over(jti));
                }
                let name = DisplayName::parse(&name).map_err(|_| AuthError::Refused)?;
                let principal = Principal {
                    org,
                    who: Who::Guest {
                        id: sub,
                        room,
                        name,
                        device,
                        link: link.map(|(id, label)| CameBy {
                            id,
                            label: Secret::new(label),
                        }),
                        brought: brought.map(|by| Box::new(by.into())),
                    },
                    token_id: jti,
                    expires: from_secs(end),
                    came: Came {
                        since: from_secs(iat),
                        round,
                        ..Came::default()
                    },
                };
                Ok(Shown {
                    principal,
                    key: jkt,
                    turn,
                })
            }
        }
    }

    /// Whether the session of an open connection still holds: not signed out, not revoked. A meeting in progress goes on
    /// past the natural end of a session, and while the database is away.
    pub async fn holds(&self, principal: &Principal) -> bool {
        let sent_away = principal.came.round != self.rounds.load(Ordering::Acquire);
        if sent_away && !matches!(principal.who, Who::Stream { .. }) {
            return false;
        }
        let token = *principal.token_id.as_bytes();
        let held = match principal.who {
            Who::Account { id, epoch, .. } => self.account_holds(principal, id, epoch).await,
            Who::Guest { room, ref link, .. } => {
                let link = link.as_ref().map(|link| link.id);
                self.guest_holds(principal.org, room, link, token).await
            }
            Who::Stream { token, room, .. } => {
                self.store
                    .stream_token_stands(principal.org, room, token)
                    .await
            }
            // A key opens no connection that could be held.
            Who::Program { .. } => Ok(false),
        };
        held.unwrap_or(true)
    }

    /// Ends one session.
    ///
    /// # Errors
    /// `Unavailable`; the session then goes on.
    pub async fn sign_out(&self, principal: &Principal) -> Result<(), AuthError> {
        let now = self.clock.now();
        let token = *principal.token_id.as_bytes();
        Ok(self
            .store
            .revoke_session(principal.org, token, principal.expires, now)
            .await?)
    }

    /// Ends an account and every session of it.
    ///
    /// # Errors
    /// `Refused` when there is none.
    pub async fn revoke_account(&self, org: OrgId, account: AccountId) -> Result<(), AuthError> {
        self.store
            .end_account(org, account, self.clock.now())
            .await?;
        self.note("account_ended", account.into(), Some(*account.as_bytes()));
        Ok(())
    }

    /// Whether a room's password was given rightly, within the budget that all ways in share. `right` is asked only if
    /// the budget allows; a right answer costs nothing.
    ///
    /// # Errors
    /// `TooMany`, whether the answer would have been right or wrong.
    pub fn guess_room_password(
        &self,
        room: RoomId,
        guesser: Guesser,
        right: impl FnOnce() -> bool,
    ) -> Result<bool, AuthError> {
        let attempt = self
            .guesses
            .room(room, guesser, self.clock.instant())
            .map_err(|retry_after| AuthError::TooMany { retry_after })?;
        let right = right();
        if right {
            attempt.succeeded();
        }
        Ok(right)
    }
}

impl Auth {
    async fn guest_holds(
        &self,
        org: OrgId,
        room: RoomId,
        link: Option<LinkId>,
        token: [u8; 16],
    ) -> Result<bool, StoreError> {
        if let Some(link) = link
            && !self.store.guest_link_stands(org, room, link).await?
        {
            return Ok(false);
        }
        let revoked = self.store.is_session_revoked(org, token).await?;
        Ok(!revoked)
    }

    /// Why a session is over, as far as it is told.
    fn why_over(&self, session: TokenId) -> AuthError {
        if self.is_reused(session) {
            AuthError::Reused
        } else {
            AuthError::Refused
        }
    }

    /// The account, if this is its password. The work is the same whether or not there is one.
    async fn check(
        &self,
        email: &Email,
        password: Password,
        lane: Lane,
    ) -> Result<Option<Account>, AuthError> {
        let found = self
            .store
            .credentials(self.store.org(), email.as_str())
            .await?;
        let (account, stored) = found.map(|found| (found.account, found.password)).unzip();
        let right = self
            .hasher
            .verify(password, stored, lane)
            .await
            .map_err(hash_failed)?;
        Ok(account.filter(|_| right))
    }

    pub(super) fn newcomer(&self, address: IpAddr) -> Result<(), AuthError> {
        self.guesses
            .newcomer(address, self.clock.instant())
            .map_err(|retry_after| AuthError::TooMany { retry_after })
    }

    /// Something that happened without a question to the policy. Nobody waits for the row.
    pub(super) fn note(&self, action: &'static str, actor: ActorId, subject: Option<[u8; 16]>) {
        let written = self.store.append_audit(AuditEntry {
            org: self.store.org(),
            at: self.clock.now(),
            action,
            verdict: Verdict::Noted,
            rule: None,
            policy_version: 0,
            actor: Some(*actor.as_bytes()),
            subject,
            room: None,
            detail: None,
            count: 1,
        });
        drop(written);
    }

    pub(super) fn random_id<I: From<[u8; 16]>>(&self) -> I {
        ids::random(self.random.as_ref())
    }
}

pub(super) fn hash_failed(error: HashError) -> AuthError {
    match error {
        HashError::Busy => AuthError::Busy,
        HashError::Broken => AuthError::Unavailable,
    }
}

/// Tokens carry whole seconds.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    from_secs(time.as_secs())
}

fn from_secs(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::secret::SystemRandom;
    use crate::store::accounts::{Make, NewAccount};
    use crate::store::database::tests::store;
    use data_encoding::BASE64URL_NOPAD;
    use std::time::Instant;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const PASSWORD: &str = "correct horse battery";
    const ROOM: RoomId = RoomId::from_bytes([4; 16]);

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
        auth: Auth,
    }

    async fn world() -> World {
        let (folder, store) = store().await;
        let clock = Arc::new(ManualClock::new());
        let auth = Auth::start(store.clone(), clock.clone(), Arc::new(SystemRandom))
            .await
            .unwrap();
        World {
            _folder: folder,
            store,
            clock,
            auth,
        }
    }

    impl World {
        async fn account(&self, email: &str) -> AccountId {
            let id: AccountId = ids::random(&SystemRandom);
            let password = self
                .auth
                .hasher
                .hash(Password::parse(PASSWORD).unwrap())
                .await
                .unwrap();
            let account = NewAccount {
                id,
                email: Secret::new(email.to_owned()),
                name: Secret::new("Member".to_owned()),
                password,
                may_create_rooms: true,
                is_admin: false,
                created: self.clock.now(),
            };
            self.store
                .write_for_test(Make(self.store.org(), account, self.store.keys().clone()))
                .await
                .unwrap();
            id
        }

        async fn sign_in_from(
            &self,
            email: &str,
            password: &str,
            address: IpAddr,
        ) -> Result<SignedIn, AuthError> {
            let password = Secret::new(password.to_owned());
            self.auth
                .sign_in(Attempted {
                    email,
                    password: &password,
                    device: None,
                    address,
                    key: None,
                })
                .await
        }

        async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, AuthError> {
            self.sign_in_from(email, password, HERE).await
        }
    }

    fn network(at: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0001 + (at << 8)))
    }

    #[tokio::test]
    async fn the_right_password_signs_in_and_nothing_else_does() {
        let world = world().await;
        let id = world.account("member@example.org").await;
        let signed_in = world.sign_in("Member@Example.org", PASSWORD).await.unwrap();
        assert_eq!(signed_in.principal.account(), Some(id));
        let principal = world
            .auth
            .principal(signed_in.token.expose())
            .await
            .unwrap();
        assert_eq!(
            (principal.actor(), principal.name().as_str()),
            (id.into(), "Member")
        );
        for (email, password) in [
            ("member@example.org", "wrong horse battery"),
            ("nobody@example.org", PASSWORD),
            ("not an address", PASSWORD),
            ("member@example.org", "short"),
            ("member@example.org", ""),
        ] {
            assert_eq!(
                world.sign_in(email, password).await.unwrap_err(),
                AuthError::Refused
            );
        }
    }

    #[tokio::test]
    async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
        let world = world().await;
        world.account("member@example.org").await;
        let time = async |email: &str, at: u32| {
            let before = wall();
            assert!(
                world
                    .sign_in_from(email, "wrong horse battery", network(at))
                    .await
                    .is_err()
            );
            wall().duration_since(before)
        };
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for at in 0..9 {
            known.push(time("member@example.org", at).await);
            unknown.push(time("nobody@example.org", at).await);
        }
        // The least of many is what the work takes; the rest is what else the machine was doing.
        let least = |times: Vec<Duration>| times.into_iter().min().unwrap().as_secs_f64();
        let (known, unknown) = (least(known), least(unknown));
        assert!(
            (0.5..2.0).contains(&(known / unknown)),
            "{known} against {unknown}"
        );
    }

    fn wall() -> Instant {
        crate::clock::SystemClock.instant()
    }

    #[tokio::test]
    async fn signing_out_ends_this_session_only() {
        let world = world().await;
        world.account("member@example.org").await;
        let one = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        let two = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        world.auth.sign_out(&one.principal).await.unwrap();
        assert_eq!(
            world.auth.principal(one.token.expose()).await.unwrap_err(),
            AuthError::Refused
        );
        assert!(!world.auth.holds(&one.principal).await);
        assert!(world.auth.principal(two.token.expose()).await.is_ok());
        assert!(world.auth.holds(&two.principal).await);
    }

    #[tokio::test]
    async fn t01_ending_an_account_ends_every_session_at_once() {
        let world = world().await;
        let id = world.account("member@example.org").await;
        let signed_in = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        world
            .auth
            .revoke_account(world.store.org(), id)
            .await
            .unwrap();
        assert_eq!(
            world
                .auth
                .principal(signed_in.token.expose())
                .await
                .unwrap_err(),
            AuthError::Refused
        );
        assert!(!world.auth.holds(&signed_in.principal).await);
        assert_eq!(
            world
                .sign_in("member@example.org", PASSWORD)
                .await
                .unwrap_err(),
            AuthError::Refused
        );
    }

    #[tokio::test]
    async fn a_later_epoch_ends_the_sessions_before_it() {
        let world = world().await;
        let id = world.account("member@example.org").await;
        let before = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        world
            .store
            .end_sessions_of(world.store.org(), id)
            .await
            .unwrap();
        assert!(world.auth.principal(before.token.expose()).await.is_err());
        assert!(!world.auth.holds(&before.principal).await);
        let after = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        assert!(world.auth.principal(after.token.expose()).await.is_ok());
    }

    #[tokio::test]
    async fn a_guest_session_is_good_for_one_room_and_is_no_account() {
        let world = world().await;
        let guest = world
            .auth
            .guest(ROOM, " Attendee  L. ", HERE, GuestMarks::default())
            .await
            .unwrap();
        let principal = world.auth.principal(guest.token.expose()).await.unwrap();
        assert_eq!(
            (principal.account(), principal.name().as_str()),
            (None, "Attendee L.")
        );
        assert!(principal.is_good_for(ROOM));
        assert!(!principal.is_good_for(RoomId::from_bytes([5; 16])));
        assert!(guest.device.is_some());
        world.auth.sign_out(&principal).await.unwrap();
        assert!(world.auth.principal(guest.token.expose()).await.is_err());
        assert!(!world.auth.holds(&principal).await);
    }

    #[tokio::test]
    async fn sessions_outlive_a_restart_and_a_rotation_but_not_their_time() {
        let world = world().await;
        world.account("member@example.org").await;
        let old = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        let restarted = Auth::start(
            world.store.clone(),
            world.clock.clone(),
            Arc::new(SystemRandom),
        )
        .await
        .unwrap();
        assert!(restarted.principal(old.token.expose()).await.is_ok());

        world.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
        let late = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        world.clock.advance(Duration::from_secs(2));
        let new = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        let header = |signed_in: &SignedIn| {
            signed_in
                .token
                .expose()
                .split('.')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(header(&old), header(&late));
        assert_ne!(header(&old), header(&new));
        assert_eq!(
            world.auth.principal(old.token.expose()).await.unwrap_err(),
            AuthError::Refused
        );
        assert!(world.auth.principal(late.token.expose()).await.is_ok());
    }

    #[tokio::test]
    async fn of_many_who_need_a_new_key_one_makes_it() {
        let world = world().await;
        world.clock.advance(Duration::from_secs(25 * 60 * 60));
        let rings = futures_util::future::join_all((0..20).map(|_| world.auth.usable_ring())).await;
        assert!(rings.iter().all(Result::is_ok));
        let keys = world
            .store
            .session_keys(world.store.org(), world.clock.now())
            .await
            .unwrap();
        assert_eq!(keys.len(), 2);
    }

    #[tokio::test]
    async fn everyone_can_be_signed_out_at_once() {
        let world = world().await;
        world.account("member@example.org").await;
        let before = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        let guest = world
            .auth
            .guest(ROOM, "Attendee", HERE, GuestMarks::default())
            .await
            .unwrap();
        world.auth.revoke_everyone().await.unwrap();
        assert!(world.auth.principal(before.token.expose()).await.is_err());
        assert!(world.auth.principal(guest.token.expose()).await.is_err());
        assert!(world.sign_in("member@example.org", PASSWORD).await.is_ok());
    }

    #[tokio::test]
    async fn t10_a_flood_of_wrong_passwords_does_not_lock_out_a_known_device() {
        let world = world().await;
        world.account("member@example.org").await;
        let mut signed_in = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        let mut limited = false;
        for at in 0..40 {
            let wrong = world
                .sign_in_from("member@example.org", "wrong horse battery", network(at))
                .await;
            limited |= matches!(wrong, Err(AuthError::TooMany { .. }));
        }
        assert!(limited);
        // A stranger with the right password waits too: that is the budget.
        let stranger = world
            .sign_in_from("member@example.org", PASSWORD, network(99))
            .await;
        assert!(matches!(stranger, Err(AuthError::TooMany { .. })));
        let password = Secret::new(PASSWORD.to_owned());
        for _ in 0..3 {
            let device = signed_in.device.take();
            let attempted = Attempted {
                email: "member@example.org",
                password: &password,
                device: device.as_ref(),
                address: HERE,
                key: None,
            };
            signed_in = world.auth.sign_in(attempted).await.unwrap();
        }
        // The mark of one account is worth nothing at another, nor is one that was made up.
        world.account("attendee@example.org").await;
        for _ in 0..40 {
            let _any = world
                .sign_in("attendee@example.org", "wrong horse battery")
                .await;
        }
        let made_up = Secret::new(BASE64URL_NOPAD.encode(&[7; 48]));
        for device in [
            signed_in.device.as_ref().unwrap(),
            &made_up,
            &Secret::new(String::new()),
        ] {
            let attempted = Attempted {
                email: "attendee@example.org",
                password: &password,
                device: Some(device),
                address: HERE,
                key: None,
            };
            assert!(matches!(
                world.auth.sign_in(attempted).await,
                Err(AuthError::TooMany { .. })
            ));
        }
    }

    #[tokio::test]
    async fn a_budget_does_not_tell_whether_an_account_exists() {
        let world = world().await;
        world.account("member@example.org").await;
        let mut answers = Vec::new();
        for email in ["member@example.org", "nobody@example.org"] {
            let mut of_one = Vec::new();
            for at in 0..35 {
                of_one.push(
                    world
                        .sign_in_from(email, "wrong horse battery", network(at))
                        .await
                        .unwrap_err(),
                );
            }
            answers.push(of_one);
            world.clock.advance(Duration::from_secs(3600));
        }
        assert_eq!(answers[0], answers[1]);
    }

    #[tokio::test]
    async fn the_first_owner_makes_the_only_use_of_the_newest_link() {
        let world = world().await;
        let old = world.auth.first_owner_link().await.unwrap().unwrap();
        let link = world.auth.first_owner_link().await.unwrap().unwrap();
        let password = Secret::new(PASSWORD.to_owned());
        let accept = |link: &Secret<String>, email: &'static str| {
            let link = link.clone();
            let (auth, password) = (&world.auth, &password);
            async move {
                auth.accept_invitation(&link, email, "Member", password, (HERE, None))
                    .await
            }
        };
        assert_eq!(
            accept(&old, "member@example.org").await.unwrap_err(),
            AuthError::Refused
        );
        let owner = accept(&link, "member@example.org").await.unwrap();
        assert!(matches!(
            owner.principal.who,
            Who::Account {
                admin: true,
                may_create_rooms: true,
                ..
            }
        ));
        assert_eq!(
            accept(&link, "visitor@example.org").await.unwrap_err(),
            AuthError::Refused
        );
        assert!(world.auth.first_owner_link().await.unwrap().is_none());
        assert!(world.sign_in("member@example.org", PASSWORD).await.is_ok());
    }

    #[tokio::test]
    async fn a_weak_password_or_a_bad_name_does_not_spend_the_link() {
        let world = world().await;
        let link = world.auth.first_owner_link().await.unwrap().unwrap();
        let accept = async |name: &str, email: &str, password: &str| {
            let password = Secret::new(password.to_owned());
            world
                .auth
                .accept_invitation(&link, email, name, &password, (HERE, None))
                .await
        };
        assert!(matches!(
            accept("", "a@b", PASSWORD).await,
            Err(AuthError::Name(_))
        ));
        assert!(matches!(
            accept("Member", "a", PASSWORD).await,
            Err(AuthError::Email(_))
        ));
        assert!(matches!(
            accept("Member", "a@b", "short").await,
            Err(AuthError::Password(_))
        ));
        assert!(accept("Member", "a@b", PASSWORD).await.is_ok());
    }

    #[tokio::test]
    async fn made_up_invitations_are_refused_within_a_budget() {
        let world = world().await;
        let password = Secret::new(PASSWORD.to_owned());
        let mut limited = false;
        for _ in 0..40 {
            let made_up = Secret::new(BASE64URL_NOPAD.encode(&[9; 32]));
            let answer = world
                .auth
                .accept_invitation(&made_up, "a@b", "Member", &password, (HERE, None))
                .await;
            limited |= matches!(answer, Err(AuthError::TooMany { .. }));
            assert!(answer.is_err());
        }
        assert!(limited);
    }

    #[tokio::test]
    async fn a_room_password_is_looked_at_only_within_the_budget() {
        let world = world().await;
        let stranger = Guesser::Address(HERE);
        let wrong = (0..50)
            .filter(|_| world.auth.guess_room_password(ROOM, stranger, || false) == Ok(false))
            .count();
        assert_eq!(wrong, 10);
        let answer = world
            .auth
            .guess_room_password(ROOM, stranger, || unreachable!());
        assert!(matches!(answer, Err(AuthError::TooMany { .. })));
        let member = Guesser::Account(AccountId::from_bytes([1; 16]));
        assert_eq!(
            world.auth.guess_room_password(ROOM, member, || true),
            Ok(true)
        );
    }

    #[tokio::test]
    async fn without_a_database_nobody_signs_in_and_meetings_go_on() {
        let world = world().await;
        world.account("member@example.org").await;
        let signed_in = world.sign_in("member@example.org", PASSWORD).await.unwrap();
        world.store.close().await;
        assert_eq!(
            world
                .sign_in("member@example.org", PASSWORD)
                .await
                .unwrap_err(),
            AuthError::Unavailable
        );
        assert_eq!(
            world
                .auth
                .principal(signed_in.token.expose())
                .await
                .unwrap_err(),
            AuthError::Unavailable
        );
        // What was never looked at is not counted as a wrong guess.
        for _ in 0..50 {
            let answer = world
                .sign_in("member@example.org", "wrong horse battery")
                .await;
            assert_eq!(answer.unwrap_err(), AuthError::Unavailable);
        }
        assert!(world.auth.holds(&signed_in.principal).await);
        assert_eq!(
            world.auth.sign_out(&signed_in.principal).await,
            Err(AuthError::Unavailable)
        );
    }
}
