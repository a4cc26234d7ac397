//! What an admitted participant asks for: one line a request, each permitted by the guard before it acts.

use conclave_policy::actions as act;
use conclave_policy::facts::Facts;
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;

use super::{Act, RoomActor, durable};
use crate::guard::Audit;
use crate::ids::ParticipantId;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;
use crate::rooms::room::RoomAction;

impl RoomActor {
    pub(super) async fn on_request(&mut self, by: ParticipantId, id: u32, request: RoomRequest) {
        match request {
            RoomRequest::Leave {} => self.cut(by, id, act::Leave { participant: by }),
            RoomRequest::Offer { sdp, sources } => {
                self.on_offer(by, id, sdp, sources.into_vec()).await
            }
            RoomRequest::View { looks } => self.on_view(by, id, looks.into_vec()).await,
            RoomRequest::Publish { source, on: true } => self.grant(
                by,
                id,
                act::Publish {
                    participant: by,
                    source,
                },
            ),
            RoomRequest::Publish { source, on: false } => self.cut(
                by,
                id,
                act::Unpublish {
                    participant: by,
                    source,
                },
            ),
            RoomRequest::Ask { source } => self.cut(
                by,
                id,
                act::Ask {
                    participant: by,
                    source,
                },
            ),
            RoomRequest::RaiseHand { raised } => self.cut(
                by,
                id,
                act::RaiseHand {
                    participant: by,
                    raised,
                },
            ),
            RoomRequest::Admit { knock, version } => {
                self.grant(by, id, act::Admit { knock, version })
            }
            RoomRequest::Deny { knock } => self.cut(by, id, act::Deny { knock }),
            RoomRequest::Mute { participant } => self.cut(by, id, act::Mute { participant }),
            RoomRequest::PauseVideo { participant } => {
                self.cut(by, id, act::PauseVideo { participant })
            }
            RoomRequest::StopShare { participant } => {
                self.cut(by, id, act::StopShare { participant })
            }
            RoomRequest::Allow {
                participant,
                source,
                allowed: true,
            } => {
                self.grant(
                    by,
                    id,
                    act::Grant {
                        participant,
                        source,
                    },
                );
            }
            RoomRequest::Allow {
                participant,
                source,
                allowed: false,
            } => {
                self.cut(
                    by,
                    id,
                    act::Withdraw {
                        participant,
                        source,
                    },
                );
            }
            RoomRequest::Remove { participant } => self.cut(by, id, act::Remove { participant }),
            RoomRequest::SetRole { participant, role } => match role.try_into() {
                Ok(role) => self.grant(by, id, act::SetRole { participant, role }),
                Err(_) => self.answer(by, id, Err(ErrorCode::InvalidValue)),
            },
            RoomRequest::ChangeProfile { name, picture } => {
                self.on_change_profile(by, id, name, picture);
            }
            RoomRequest::DecideProfile {
                participant,
                version,
                approve,
            } => self.on_decide_profile(by, id, participant, version, approve),
            RoomRequest::Lock { locked: true } => self.cut(by, id, act::Lock {}),
            RoomRequest::Lock { locked: false } => self.grant(by, id, act::Unlock {}),
            RoomRequest::SetSetting { key, value } => {
                self.on_setting(by, id, key.as_str(), value.as_str())
            }
            RoomRequest::End {} => self.cut(by, id, act::EndSession {}),
            RoomRequest::Stats {} => self.on_stats(by, id).await,
        }
    }

    /// Asks the guard on behalf of a participant.
    pub(super) fn ask<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
    ) -> Result<(Permit<A>, Audit), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let charter = self.room.charter();
        let (guard, actor) = (&self.means.guard, person.who.actor);
        let facts = match self.room.facts_inside(person, &action) {
            Ok(facts) => facts,
            Err(code) => {
                // About someone who is not here, be it by an identifier of another room. Without facts every action is
                // denied: what counts is the audit row.
                let nothing = Facts::new();
                let _denied = guard.ask(
                    charter.org,
                    actor,
                    person.role,
                    charter.room,
                    &nothing,
                    action,
                );
                return Err(code);
            }
        };
        let (permit, audit) = match action.subject(&self.room) {
            Some(subject) => guard.ask_about(
                charter.org,
                actor,
                person.role,
                charter.room,
                &facts,
                action,
                subject,
            ),
            None => guard.ask(
                charter.org,
                actor,
                person.role,
                charter.room,
                &facts,
                action,
            ),
        };
        permit
            .map(|permit| (permit, audit))
            .map_err(|_| ErrorCode::NotAllowed)
    }

    /// Acts at once, and answers when the row is durable.
    pub(super) fn cut<A: RoomAction>(&mut self, by: ParticipantId, id: u32, action: A) {
        let now = self.means.clock.now();
        match self.ask(by, action) {
            Err(code) => self.answer(by, id, Err(code)),
            Ok((permit, audit)) => match self.room.apply(permit, now) {
                Err(code) => self.answer(by, id, Err(code)),
                Ok(()) => self.acted = Some((by, id, durable(audit))),
            },
        }
    }

    /// Acts only when the row is durable, if the permit still stands then.
    pub(super) fn grant<A: RoomAction + Copy + Send + Sync + 'static>(
        &mut self,
        by: ParticipantId,
        id: u32,
        action: A,
    ) {
        match self.ask(by, action) {
            Err(code) => self.answer(by, id, Err(code)),
            Ok((permit, audit)) => {
                let act: Act = Box::new(move |actor: &mut Self| {
                    let person = actor.room.person(by).ok_or(ErrorCode::NotFound)?;
                    let facts = permit
                        .action()
                        .settle(actor.room.facts_inside(person, permit.action())?);
                    if !actor.means.guard.snapshot().allows(
                        permit.action().kind(),
                        person.role,
                        &facts,
                    ) {
                        return Err(ErrorCode::NotAllowed);
                    }
                    let now = actor.means.clock.now();
                    actor.room.apply(permit, now)
                });
                self.hold(Some((by, id)), audit, act);
            }
        }
    }

    fn on_setting(&mut self, by: ParticipantId, id: u32, key: &str, value: &str) {
        let known = key
            .parse::<SettingKey>()
            .and_then(|key| key.parse_value(value).map(|value| (key, value)));
        match known {
            Ok((key, value)) => self.grant(by, id, act::ChangeSetting { key, value }),
            Err(_) => self.answer(by, id, Err(ErrorCode::InvalidValue)),
        }
    }
}
