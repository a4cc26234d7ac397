//! Keyed hashes that stand for personal values: they can be compared and counted, and say nothing without the key file.

use crate::ids::{GuestId, OrgId, RoomId};
use crate::store::database::Store;
use crate::store::seal::Purpose;

impl Store {
    /// Stands for an e-mail address in look-ups and limits.
    pub fn email_index(&self, org: OrgId, email: &str) -> [u8; 32] {
        self.keys()
            .keyed_hash(Purpose::Email, &[org.as_bytes(), email.as_bytes()])
    }

    /// Stands for a network in the audit trail.
    pub fn address_id(&self, org: OrgId, network: &[u8]) -> [u8; 16] {
        let hash = self
            .keys()
            .keyed_hash(Purpose::Address, &[org.as_bytes(), network]);
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        id
    }

    /// Stands for a user of another product in one room: the same each time they come.
    pub fn external_id(&self, org: OrgId, room: RoomId, external: &str) -> GuestId {
        let parts = [
            org.as_bytes().as_slice(),
            room.as_bytes(),
            external.as_bytes(),
        ];
        let hash = self.keys().keyed_hash(Purpose::External, &parts);
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        GuestId::from_bytes(id)
    }

    /// Proves that this server gave a device its mark after a sign-in to the account with this index.
    pub(crate) fn device_proof(
        &self,
        org: OrgId,
        account: &[u8; 32],
        device: &[u8; 16],
    ) -> [u8; 32] {
        self.keys()
            .keyed_hash(Purpose::Device, &[org.as_bytes(), account, device])
    }
}
