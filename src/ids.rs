//! Every identifier of the server. The newtypes stand in the policy crate, because permits carry them;
//! here they are made, 128 random bits each, so that none can be guessed or counted.

pub use conclave_policy::ids::{
    AccountId, ActorId, ApiKeyId, BarId, DeviceId, GuestId, IdentityId, JoinTokenId, KnockId,
    LinkId, NetworkId, NewsId, OrgId, ParticipantId, PasskeyId, PictureId, ProviderId, RoomId,
    SessionId, StreamTokenId, WebhookId,
};

use crate::secret::RandomSource;

/// A new identifier of 128 random bits.
pub fn random<I: From<[u8; 16]>>(source: &dyn RandomSource) -> I {
    let mut bytes = [0; 16];
    source.fill(&mut bytes);
    I::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SystemRandom;

    #[test]
    fn two_identifiers_differ() {
        assert_ne!(
            random::<RoomId>(&SystemRandom),
            random::<RoomId>(&SystemRandom)
        );
    }
}
