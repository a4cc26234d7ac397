//! Tells running rooms what the control plane changed about them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::api::running::{Controlled, RunningRooms};
use crate::auth::token::TokenId;
use crate::ids::{ActorId, RoomId, StreamTokenId};
use crate::rooms::actor::{Call, SettingsNews, ToRoom};
use crate::rooms::outbound::Done;
use crate::rooms::quality::QualityView;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::registry::Registry;
use crate::rooms::view::{Profile, SessionView};
use crate::secret::Secret;
use crate::speech::Speech;
use crate::store::settings::{StoredLevels, StoredOrg};

/// How long a program waits for the answer of a room: rows of many, on a busy database, take their time.
const PATIENCE: Duration = Duration::from_secs(30);

impl RunningRooms for Registry {
    fn settings_changed(&self, room: RoomId, stored: StoredLevels) -> BoxFuture<'_, ()> {
        let news = SettingsNews::Room(Box::new(stored));
        tell(self, room, ToRoom::SettingsChanged(news)).boxed()
    }

    fn organisation_changed(&self, stored: Arc<StoredOrg>) -> BoxFuture<'_, ()> {
        Registry::organisation_changed(self, stored).boxed()
    }

    fn factor_shown(&self, session: TokenId) -> BoxFuture<'_, ()> {
        Registry::factor_shown(self, session).boxed()
    }

    fn password_changed(
        &self,
        room: RoomId,
        revision: u64,
        password: Secret<String>,
    ) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::PasswordChanged { revision, password }).boxed()
    }

    fn speech_changed(&self, room: RoomId, speech: Speech) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::SpeechChanged(speech)).boxed()
    }

    fn profile_changed(&self, actor: ActorId, profile: Profile) -> BoxFuture<'_, ()> {
        let message = move || ToRoom::ProfileChanged {
            actor,
            profile: profile.clone(),
        };
        async move { self.mention(message).await }.boxed()
    }

    fn stream_token_revoked(&self, room: RoomId, token: StreamTokenId) -> BoxFuture<'_, ()> {
        async move {
            let (done, out) = oneshot::channel();
            let actor = token.into();
            tell(self, room, ToRoom::TokenRevoked { actor, done }).await;
            // In a session that does not run there is no stream.
            let _over = out.await;
        }
        .boxed()
    }

    fn control(
        &self,
        room: RoomId,
        call: Controlled,
    ) -> BoxFuture<'_, Option<Result<Done, ErrorCode>>> {
        async move {
            let running = self.find(room).await?;
            let (reply, outcome) = oneshot::channel();
            let Controlled {
                actor,
                name,
                scopes,
                request,
            } = call;
            let call = Call {
                actor,
                name,
                scopes,
                request,
                reply,
            };
            running.send(ToRoom::Program(call)).await.ok()?;
            match timeout(PATIENCE, outcome).await {
                Ok(Ok(outcome)) => Some(outcome),
                // It ended before it answered.
                Ok(Err(_)) => None,
                Err(_) => Some(Err(ErrorCode::Unavailable)),
            }
        }
        .boxed()
    }

    fn session(&self, room: RoomId) -> BoxFuture<'_, Option<SessionView>> {
        async move {
            let (reply, view) = oneshot::channel();
            tell(self, room, ToRoom::Session(reply)).await;
            view.await.ok()
        }
        .boxed()
    }

    fn ended(&self, room: RoomId) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::End(ErrorCode::Ended)).boxed()
    }

    fn quality(&self, room: RoomId) -> BoxFuture<'_, Option<Vec<QualityView>>> {
        async move {
            let (reply, lines) = oneshot::channel();
            tell(self, room, ToRoom::Quality(reply)).await;
            lines.await.ok()
        }
        .boxed()
    }

    fn names(&self, room: RoomId) -> BoxFuture<'_, BTreeMap<[u8; 16], String>> {
        async move {
            let (reply, names) = oneshot::channel();
            tell(self, room, ToRoom::Names(reply)).await;
            // A session that does not run knows nobody.
            names.await.unwrap_or_default()
        }
        .boxed()
    }
}

async fn tell(rooms: &Registry, room: RoomId, message: ToRoom) {
    if let Some(running) = rooms.find(room).await {
        // A session that has just ended needs no telling.
        let _ended = running.send(message).await;
    }
}
