//! What an admitted participant asks for: one line a request, each permitted by the guard before it acts.

use conclave_policy::actions as act;
use conclave_policy::facts::Facts;
use conclave_policy::permit::Permit;

use super::{Act, RoomActor, durable};
use crate::clock::Timestamp;
use crate::guard::Audit;
use crate::ids::ParticipantId;
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;
use crate::rooms::room::{Room, RoomAction};

impl RoomActor {
    pub(super) async fn on_request(&mut self, by: ParticipantId, id: u32, request: RoomRequest) {
        match request {
            RoomRequest::Leave {} => self.cut(by, id, act::Leave { participant: by }),
            RoomRequest::Offer {
                sdp,
                sources,
                restart,
            } => {
                self.on_offer(by, id, sdp, sources.into_vec(), restart)
                    .await
            }
            RoomRequest::IceServers {} => self.on_ice_servers(by, id),
            RoomRequest::View { looks, receive } => {
                self.on_view(by, id, looks.into_vec(), receive.unwrap_or_default())
                    .await;
            }
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
            RoomRequest::Remove {
                participant,
                bar: false,
            } => self.cut(by, id, act::Remove { participant }),
            RoomRequest::Remove {
                participant,
                bar: true,
            } => self.on_bar(by, id, participant),
            many @ (RoomRequest::MuteAll { .. }
            | RoomRequest::StopAllShares {}
            | RoomRequest::AdmitMany { .. }
            | RoomRequest::DenyMany { .. }
            | RoomRequest::DenyAll {}) => self.on_many(by, id, many),
            RoomRequest::Spotlight { participant } => {
                self.cut(by, id, act::Spotlight { participant })
            }
            RoomRequest::SendBack { participant } => self.on_send_back(by, id, participant),
            RoomRequest::MessageWaiting {
                knock,
                phrase,
                text,
            } => self.on_message_waiting(by, id, knock, phrase, text.as_ref()),
            RoomRequest::Lobby { after, limit } => self.on_lobby(by, id, after, limit),
            RoomRequest::Suspend {} => self.cut(by, id, act::Suspend {}),
            RoomRequest::LiftSuspension {} => self.grant(by, id, act::LiftSuspension {}),
            RoomRequest::TransferOwnership { participant } => self.on_transfer(by, id, participant),
            RoomRequest::Bars {} => self.on_bars(by, id),
            RoomRequest::Unbar { bar } => self.grant(by, id, act::Unbar { bar }),
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
            RoomRequest::PreviewSetting { key, value } => {
                self.on_preview(by, id, key.as_ref(), value.as_ref())
            }
            RoomRequest::ApplyPreset { preset } => self.on_preset(by, id, preset),
            RoomRequest::Chat {
                text,
                reference,
                to: None,
            } => self.on_chat(by, id, text.as_str(), reference.into_string()),
            RoomRequest::Chat { to: Some(to), .. } => self.on_private_chat(by, id, to),
            RoomRequest::ChatHistory { before, limit } => {
                self.on_chat_history(by, id, before, limit);
            }
            RoomRequest::ChatSearch { words, before } => {
                self.on_chat_search(by, id, words.as_str(), before);
            }
            RoomRequest::DeleteChat { number } => self.on_delete_chat(by, id, number),
            RoomRequest::Captions { language, original } => {
                self.on_choose_captions(by, id, language, original);
            }
            RoomRequest::CaptionMe { allowed: false } => {
                self.cut(by, id, act::RefuseCaptions { participant: by });
            }
            RoomRequest::CaptionMe { allowed: true } => {
                self.grant(by, id, act::AllowCaptions { participant: by });
            }
            RoomRequest::End {} => self.cut(by, id, act::EndSession {}),
            RoomRequest::Stats {} => self.on_stats(by, id).await,
            RoomRequest::ReportQuality { report } => self.on_report(by, id, *report),
            RoomRequest::Quality {} => self.on_quality(by, id).await,
        }
    }

    /// Asks the guard on behalf of a participant.
    pub(super) fn ask<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
    ) -> Result<(Permit<A>, Audit), ErrorCode> {
        self.ask_with(by, action, false)
    }

    /// The same for one of many, whose rows are to be written by [`RoomActor::in_turn`].
    pub(super) fn ask_in_turn<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
    ) -> Result<(Permit<A>, Audit), ErrorCode> {
        self.ask_with(by, action, true)
    }

    fn ask_with<A: RoomAction>(
        &self,
        by: ParticipantId,
        action: A,
        in_turn: bool,
    ) -> Result<(Permit<A>, Audit), ErrorCode> {
        let asker = self.asker(by).ok_or(ErrorCode::NotFound)?;
        let charter = self.room.charter();
        let (guard, actor) = (&self.means.guard, asker.actor);
        let facts = self.facts_for(by, &action).and_then(|facts| {
            let may = guard
                .snapshot()
                .allows(action.kind(), asker.role, &action.settle(facts));
            // Whoever may not do it at all is told so first.
            if may {
                action.aim(&self.room).map(|()| facts)
            } else {
                Ok(facts)
            }
        });
        let facts = match facts {
            Ok(facts) => facts,
            Err(code) => {
                // About someone who is not here, be it by an identifier of another room. Without facts every action is
                // denied: what counts is the audit row.
                let nothing = Facts::new();
                let _denied = guard.ask(
                    charter.org,
                    actor,
                    asker.role,
                    charter.room,
                    &nothing,
                    action,
                );
                return Err(code);
            }
        };
        let (org, role, room) = (charter.org, asker.role, charter.room);
        let (permit, audit) = match action.subject(&self.room) {
            subject if in_turn => {
                guard.ask_in_turn(org, actor, role, room, &facts, action, subject)
            }
            Some(subject) => guard.ask_about(org, actor, role, room, &facts, action, subject),
            None => guard.ask(org, actor, role, room, &facts, action),
        };
        permit
            .map(|permit| (permit, audit))
            .map_err(|denied| ErrorCode::of(&denied))
    }

    /// Acts at once, and answers when the row is durable.
    pub(super) fn cut<A: RoomAction>(&mut self, by: ParticipantId, id: u32, action: A) {
        let asked = self.ask(by, action);
        self.cut_with(by, id, asked, Room::apply);
    }

    /// The same for what needs more than its permit.
    pub(super) fn cut_with<A: RoomAction>(
        &mut self,
        by: ParticipantId,
        id: u32,
        asked: Result<(Permit<A>, Audit), ErrorCode>,
        act: impl FnOnce(&mut Room, Permit<A>, Timestamp) -> Result<(), ErrorCode>,
    ) {
        let now = self.means.clock.now();
        match asked {
            Err(code) => self.answer(by, id, Err(code)),
            Ok((permit, audit)) => match act(&mut self.room, permit, now) {
                Err(code) => {
                    self.note(audit);
                    self.answer(by, id, Err(code));
                }
                Ok(()) => self.acted = Some((by, id, durable(audit), Done::Done {})),
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
                    actor.stands(by, permit.action())?;
                    let now = actor.means.clock.now();
                    actor.room.apply(permit, now).map(|()| Done::Done {})
                });
                self.hold(Some((by, id)), audit, act);
            }
        }
    }
}
