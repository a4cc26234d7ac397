//! What running rooms have to be told when something about them changes from outside.

use conclave_policy::settings::Settings;
use futures_util::future::BoxFuture;

use crate::ids::{ActorId, RoomId};
use crate::rooms::view::Profile;
use crate::secret::Secret;

/// The rooms that run now. Telling one that does not run does nothing.
pub trait RunningRooms: Send + Sync + 'static {
    /// The stored settings are now these.
    fn settings_changed(&self, room: RoomId, settings: Settings) -> BoxFuture<'_, ()>;

    /// The stored password is now this one.
    fn password_changed(&self, room: RoomId, password: Secret<String>) -> BoxFuture<'_, ()>;

    /// What an account or guest comes with is now this.
    fn profile_changed(&self, actor: ActorId, profile: Profile) -> BoxFuture<'_, ()>;

    /// The room was ended for good.
    fn ended(&self, room: RoomId) -> BoxFuture<'_, ()>;
}
