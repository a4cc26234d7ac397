//! How whatever is open with a session hears that it is over: at once from the store that wrote it, and by looking every few
//! seconds besides, for what another process wrote.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::auth::principal::{Principal, Who};
use crate::auth::session::Auth;
use crate::store::endings::{Ended, Life, Word};

/// How long until it looks by itself: so long, and until the next whole second of the clock, so that the process wakes once for all
/// who look then.
const LOOK: Duration = Duration::from_secs(4);

/// Comes to an end when the session of something open does, and listens from the moment of this call. What ended before is
/// noticed too.
pub fn over(
    auth: &Arc<Auth>,
    principal: &Arc<Principal>,
) -> impl Future<Output = ()> + Send + use<> {
    let mut life = auth.life(principal);
    let (auth, principal) = (auth.clone(), principal.clone());
    async move {
        while auth.holds(&principal).await {
            tokio::select! {
                word = life.word() => if word == Word::Over { return },
                () = sleep(auth.until_look()) => {}
            }
        }
    }
}

impl Auth {
    fn until_look(&self) -> Duration {
        let begun = self.clock.now().as_millis().rem_euclid(1000);
        LOOK + Duration::from_millis(1000_u64.saturating_sub(begun.unsigned_abs()))
    }

    fn life(&self, principal: &Principal) -> Life {
        let mut by = Vec::with_capacity(3);
        by.push(Ended::Session(*principal.token_id.as_bytes()));
        match &principal.who {
            Who::Account { id, .. } => by.push(Ended::Account(*id)),
            Who::Guest { link, .. } => by.extend(link.as_ref().map(|link| Ended::Link(link.id))),
            Who::Stream { token, .. } => by.push(Ended::Stream(*token)),
            // A key opens nothing that would have to be ended.
            Who::Program { .. } => {}
        }
        by.extend(principal.came.by.map(Ended::Identity));
        self.store.life(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::principal::Came;
    use crate::auth::session::GuestMarks;
    use crate::clock::{Clock, ManualClock};
    use crate::ids::{AccountId, IdentityId, RoomId, StreamTokenId};
    use crate::secret::{Secret, SystemRandom};
    use crate::store::accounts::tests::make;
    use crate::store::database::Store;
    use crate::store::database::tests::store;
    use crate::store::identities::{NewIdentity, Rights};
    use conclave_policy::source::StreamKind;
    use futures_util::FutureExt as _;

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        clock: Arc<ManualClock>,
        auth: Arc<Auth>,
        account: AccountId,
    }

    async fn world() -> World {
        let (folder, store) = store().await;
        let clock = Arc::new(ManualClock::new());
        let auth = Auth::start(store.clone(), clock.clone(), Arc::new(SystemRandom)).await;
        World {
            account: make(&store, 1, "member@example.org").await,
            _folder: folder,
            store,
            clock,
            auth: Arc::new(auth.unwrap()),
        }
    }

    impl World {
        async fn signed_in(&self, came: Came) -> Arc<Principal> {
            let begun = self.auth.new_session(self.account, 1, None, None, came);
            Arc::new(begun.await.unwrap().principal)
        }
    }

    /// Ends when what was open hears it; a look every few seconds would be too late.
    async fn hears(over: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(Duration::from_secs(2), over)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_session_is_over_at_once_and_others_of_the_account_go_on() {
        let world = world().await;
        let (one, other) = (
            world.signed_in(Came::default()).await,
            world.signed_in(Came::default()).await,
        );
        let (one_over, other_over) = (over(&world.auth, &one), over(&world.auth, &other));
        let other_over = tokio::spawn(other_over);
        world.auth.sign_out(&one).await.unwrap();
        assert!(hears(one_over).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!other_over.is_finished());
        world
            .store
            .end_sessions_of(world.store.org(), world.account)
            .await
            .unwrap();
        assert!(hears(other_over.map(|_| ())).await);
    }

    #[tokio::test]
    async fn what_was_over_before_anyone_listened_is_noticed() {
        let world = world().await;
        let one = world.signed_in(Came::default()).await;
        world.auth.sign_out(&one).await.unwrap();
        assert!(hears(over(&world.auth, &one)).await);
    }

    #[tokio::test]
    async fn an_ended_account_and_the_emergency_end_whatever_is_open() {
        let world = world().await;
        let one = world.signed_in(Came::default()).await;
        let ending = tokio::spawn(over(&world.auth, &one));
        tokio::task::yield_now().await;
        let org = world.store.org();
        world.auth.revoke_account(org, world.account).await.unwrap();
        assert!(hears(ending.map(|_| ())).await);
        let guest = world.auth.guest(
            RoomId::from_bytes([4; 16]),
            "Attendee",
            std::net::Ipv4Addr::LOCALHOST.into(),
            GuestMarks::default(),
        );
        let guest = Arc::new(guest.await.unwrap().principal);
        let ending = tokio::spawn(over(&world.auth, &guest));
        world.auth.revoke_everyone().await.unwrap();
        assert!(hears(ending.map(|_| ())).await);
        // Whoever was let in in that very moment, with a key that was just ended.
        assert!(hears(over(&world.auth, &guest)).await);
    }

    #[tokio::test]
    async fn an_identity_that_is_taken_back_or_gives_less_ends_what_came_by_it() {
        let world = world().await;
        let (org, id) = (world.store.org(), IdentityId::from_bytes([5; 16]));
        let rights = Rights {
            admin: true,
            creator: false,
        };
        let identity = NewIdentity {
            id,
            account: world.account,
            provider: "staff",
            index: [5; 32],
            rights,
            linked: world.clock.now(),
        };
        world.store.link_identity(org, identity).await.unwrap();
        let principal = Arc::new(Principal {
            org,
            who: Who::Account {
                id: world.account,
                name: crate::auth::name::DisplayName::parse("Member").unwrap(),
                admin: true,
                may_create_rooms: false,
                epoch: 1,
            },
            token_id: [9; 16].into(),
            expires: world.clock.now(),
            came: Came {
                by: Some(id),
                ..Came::default()
            },
        });
        let mut life = world.auth.life(&principal);
        let less = Rights {
            admin: false,
            creator: false,
        };
        let now = world.clock.now();
        let used = world.store.used_identity(org, id, "staff", less, now);
        used.await.unwrap();
        assert_eq!(life.word().now_or_never(), Some(Word::Look));
        // Its provider is none of ours here, so that it does not stand.
        assert!(!world.auth.holds(&principal).await);
        world
            .store
            .unlink_identity(org, world.account, id)
            .await
            .unwrap();
        assert_eq!(life.word().now_or_never(), Some(Word::Over));
    }

    #[tokio::test]
    async fn a_stream_hears_of_its_token() {
        let world = world().await;
        let (_, room) = crate::store::rooms::tests::room_of(&world.store, 2, 2).await;
        let (org, token) = (world.store.org(), StreamTokenId::from_bytes([6; 16]));
        let new = crate::store::streamtokens::NewStreamToken {
            id: token,
            secret_hash: [6; 32],
            kind: StreamKind::Source,
            screen: false,
            label: Secret::new("Stage camera".to_owned()),
            by: world.account.into(),
            made: world.clock.now(),
            expires: world.clock.now().after(Duration::from_secs(60)),
        };
        world
            .store
            .add_stream_tokens(org, room, vec![new])
            .await
            .unwrap();
        let principal = Arc::new(Principal {
            org,
            who: Who::Stream {
                token,
                room,
                name: crate::auth::name::DisplayName::parse("Stage camera").unwrap(),
                kind: StreamKind::Source,
                screen: false,
            },
            token_id: [9; 16].into(),
            expires: world.clock.now(),
            came: Came::default(),
        });
        let ending = tokio::spawn(over(&world.auth, &principal));
        tokio::task::yield_now().await;
        let now = world.clock.now();
        world
            .store
            .revoke_stream_token(org, room, token, now)
            .await
            .unwrap();
        assert!(hears(ending.map(|_| ())).await);
    }
}
