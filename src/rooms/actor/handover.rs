//! A room changes hands: permitted, audited, kept, and only then so in the meeting. Nobody owns a room of whom the database
//! does not say so, and the former owner stays owner until then.

use conclave_policy::actions::TransferOwnership;
use conclave_policy::permit::Permit;

use super::{RoomActor, Waited, durable};
use crate::ids::ParticipantId;
use crate::rooms::control::Handover;
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;
use crate::store::error::StoreError;

/// A handover on its way.
pub(super) enum Step {
    /// Permitted: the audit row is durable, or is not.
    Audited {
        by: ParticipantId,
        id: u32,
        permit: Permit<TransferOwnership>,
        durable: bool,
    },
    /// Kept, or refused by the store.
    Saved {
        by: ParticipantId,
        id: u32,
        handover: Handover,
        outcome: Result<(), StoreError>,
    },
}

impl RoomActor {
    pub(super) fn on_transfer(&mut self, by: ParticipantId, id: u32, participant: ParticipantId) {
        match self.ask(by, TransferOwnership { participant }) {
            Err(code) => self.answer(by, id, Err(code)),
            Ok((permit, audit)) => self.waits.push(Box::pin(async move {
                Waited::Handover(Step::Audited {
                    by,
                    id,
                    permit,
                    durable: durable(audit).await,
                })
            })),
        }
    }

    pub(super) async fn on_handover(&mut self, step: Step) {
        match step {
            Step::Audited {
                by,
                id,
                durable: false,
                ..
            } => self.answer(by, id, Err(ErrorCode::Unavailable)),
            Step::Audited { by, id, permit, .. } => {
                let now = self.means.clock.now();
                let asked = self
                    .stands(by, permit.action())
                    .and_then(|()| self.room.apply(permit, now));
                match asked {
                    Ok(()) => {
                        self.handing = Some((by, id));
                        self.follow_up().await;
                    }
                    Err(code) => self.answer(by, id, Err(code)),
                }
            }
            Step::Saved {
                by,
                id,
                handover,
                outcome,
            } => {
                if outcome.is_ok() {
                    self.room.owner_kept(handover, self.means.clock.now());
                    self.follow_up().await;
                    self.project();
                }
                let outcome = outcome
                    .map(|()| Done::Done {})
                    .map_err(|error| match error {
                        // Another handover came before.
                        StoreError::Missing => ErrorCode::NotAllowed,
                        _ => ErrorCode::Unavailable,
                    });
                self.answer(by, id, outcome);
            }
        }
    }

    /// Gives a permitted handover to the store; its answer comes back as a step.
    pub(super) fn save_owner(&mut self, handover: Handover) {
        let Some((by, id)) = self.handing.take() else {
            return;
        };
        let (charter, at) = (self.room.charter(), self.means.clock.now());
        let Handover {
            owner,
            former,
            by: giver,
        } = handover;
        let store = &self.means.store;
        let saved = store.transfer_room(charter.org, charter.room, owner, former, giver, at);
        self.waits.push(Box::pin(async move {
            let outcome = saved.await;
            Waited::Handover(Step::Saved {
                by,
                id,
                handover,
                outcome,
            })
        }));
    }
}
