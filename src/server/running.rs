//! Tells running rooms what the control plane changed about them.

use conclave_policy::settings::Settings;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::api::running::RunningRooms;
use crate::ids::{ActorId, RoomId};
use crate::rooms::actor::ToRoom;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::registry::Registry;
use crate::rooms::view::Profile;
use crate::secret::Secret;

impl RunningRooms for Registry {
    fn settings_changed(&self, room: RoomId, settings: Settings) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::SettingsChanged(settings)).boxed()
    }

    fn password_changed(&self, room: RoomId, password: Secret<String>) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::PasswordChanged(Some(password))).boxed()
    }

    fn profile_changed(&self, actor: ActorId, profile: Profile) -> BoxFuture<'_, ()> {
        let message = move || ToRoom::ProfileChanged {
            actor,
            profile: profile.clone(),
        };
        async move { self.mention(message).await }.boxed()
    }

    fn ended(&self, room: RoomId) -> BoxFuture<'_, ()> {
        tell(self, room, ToRoom::End(ErrorCode::Ended)).boxed()
    }
}

async fn tell(rooms: &Registry, room: RoomId, message: ToRoom) {
    if let Some(running) = rooms.find(room).await {
        // A session that has just ended needs no telling.
        let _ended = running.send(message).await;
    }
}
