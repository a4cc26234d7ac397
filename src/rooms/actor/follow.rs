//! Does what a room wants done, in the order in which it said so, and then tells everyone what changed for them.

use std::time::Duration;

use conclave_policy::actions::{ActionKind, Publish};

use super::{Place, RoomActor};
use crate::ids::{KnockId, ParticipantId};
use crate::rooms::effect::Effect;
use crate::rooms::outbound::ServerMessage;
use crate::rooms::projection::Round;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::{Event, LeaveReason};
use crate::store::error::StoreError;
use crate::store::removals::Removal;

/// How long apart the hosts are told how many wait.
const LOBBY_STEP: Duration = Duration::from_millis(250);
/// How many knocks that went at once are told one by one. With more of them the hosts are shown the lobby anew: the answer
/// to one request must not be more than a client's outbox holds.
const GONE_ONE_BY_ONE: usize = 100;

impl RoomActor {
    /// Does everything that follows from the last change but telling what others see of it.
    pub(super) async fn follow_up(&mut self) {
        let mut gone = 0_usize;
        while let Some(effect) = self.room.next_effect() {
            // Who waits is told to the hosts apart from what everyone sees of the room.
            self.dirty |= !matches!(
                effect,
                Effect::TellModerators { .. }
                    | Effect::TellWaiting { .. }
                    | Effect::TurnedAway { .. }
            );
            self.lobby_dirty = true;
            self.outside.stirred = true;
            if let Effect::TellModerators {
                event: Event::KnockGone { .. },
            } = effect
            {
                gone = gone.saturating_add(1);
                if gone > GONE_ONE_BY_ONE {
                    continue;
                }
            }
            self.follow(effect).await;
        }
        if gone > GONE_ONE_BY_ONE {
            let knocks = Some(self.room.knock_views());
            self.tell_moderators(&Event::Lobby { knocks });
        }
        self.count_lobby();
        self.tend_captions().await;
    }

    /// Tells the hosts how many wait, a few times a second at most.
    fn count_lobby(&mut self) {
        let now = self.means.clock.now();
        if !self.lobby_dirty || now < self.lobby_at {
            return;
        }
        self.lobby_dirty = false;
        self.lobby_at = now.after(LOBBY_STEP);
        let rules = self.means.guard.snapshot();
        let mut slow = Vec::new();
        for (id, seat) in &mut self.seats {
            let changed = self
                .room
                .person(*id)
                .filter(|person| person.role.is_moderator())
                .and_then(|person| seat.projection.lobby_changed(&self.room, &rules, person));
            if let Some(event) = changed
                && !seat.tell(event)
            {
                slow.push(*id);
            }
        }
        slow.into_iter().for_each(|id| self.lose(id));
    }

    async fn follow(&mut self, effect: Effect) {
        let room = self.room.charter().room;
        match effect {
            Effect::Changed => {}
            Effect::Tell { to, event } => self.tell(to, event),
            Effect::TellAll { event } => {
                let everyone: Vec<_> = self.seats.keys().copied().collect();
                everyone
                    .into_iter()
                    .for_each(|to| self.tell(to, event.clone()));
            }
            Effect::TellModerators { event } => self.tell_moderators(&event),
            Effect::Publish(permit) => {
                let Publish {
                    participant,
                    source,
                } = *permit.action();
                if self.means.media.publish(permit).await.is_err() {
                    self.room.fell(participant, source);
                }
            }
            Effect::Cut {
                participant,
                source,
            } => {
                self.means.media.cut(room, participant, source).await;
            }
            Effect::Admitted { knock, participant } => match self.waiting.remove(&knock) {
                Some(connection) => self.sit_down(participant, connection),
                None => self.room.lost(participant, self.means.clock.now()),
            },
            Effect::TurnedAway { knock, code } => {
                if let Some(connection) = self.waiting.remove(&knock) {
                    self.places.remove(&connection.id);
                    connection.close(code);
                }
            }
            Effect::SentBack { participant, knock } => self.send_back(participant, knock).await,
            Effect::TellWaiting { to, word } => {
                for knock in to {
                    if let Some(connection) = self.waiting.get(&knock) {
                        // Whoever reads nothing is noticed by the pings.
                        let _told = connection.send(ServerMessage::Message(word.clone()));
                    }
                }
            }
            Effect::SaveBar { bar } => {
                let org = self.room.charter().org;
                let saved = self.means.store.record_bar(org, room, bar.into());
                self.saves
                    .push(Box::pin(async move { saved.await.is_ok() }));
            }
            Effect::ForgetBar { bar, actor } => {
                let org = self.room.charter().org;
                let bar = self.means.store.forget_bar(org, room, bar);
                let removal = self.means.store.forgive_removal(org, room, actor);
                self.saves.push(Box::pin(async move {
                    bar.await.is_ok() && removal.await.is_ok()
                }));
            }
            Effect::TakeRole { account, by } => {
                let (org, at) = (self.room.charter().org, self.means.clock.now());
                let taken = self.means.store.set_role(org, room, account, None, by, at);
                self.saves
                    .push(Box::pin(async move { taken.await.is_ok() }));
            }
            Effect::SaveOwner(handover) => self.save_owner(handover),
            Effect::Gone {
                participant,
                code,
                reason,
            } => self.send_off(participant, code, reason).await,
            Effect::SaveSettings { settings, kind } => self.save_settings(settings, kind),
            Effect::SettingChanged { key, by } => self.tell_setting(key, &by),
            Effect::SaveRemoval { actor, by } => {
                let (org, session) = (self.room.charter().org, self.room.charter().session);
                let at = self.means.clock.now();
                let until =
                    Some(at.after(self.room.charter().settings.session_length().duration()));
                let removal = Removal {
                    session,
                    actor,
                    by,
                    at,
                    until,
                };
                let saved = self.means.store.record_removal(org, room, removal);
                self.saves
                    .push(Box::pin(async move { saved.await.is_ok() }));
            }
            Effect::EndToken { token } => {
                let (org, now) = (self.room.charter().org, self.means.clock.now());
                let ended = self.means.store.revoke_stream_token(org, room, token, now);
                // One that a host took back at the same time is over as well.
                self.saves.push(Box::pin(async move {
                    matches!(ended.await, Ok(()) | Err(StoreError::Missing))
                }));
            }
            Effect::AskAgain => self.ask_again().await,
            Effect::Ended => self.means.media.end(room).await,
        }
    }

    /// Ends everything that someone had here: media first, then the connection; the resume secret goes with the seat.
    async fn send_off(&mut self, participant: ParticipantId, code: ErrorCode, reason: LeaveReason) {
        self.means
            .media
            .disconnect(self.room.charter().room, participant)
            .await;
        self.chat.log.went(participant);
        self.captions.went(participant);
        self.gone.insert(participant, reason);
        if let Some(seat) = self.seats.remove(&participant)
            && let Some(connection) = seat.connection
        {
            self.places.remove(&connection.id);
            match code {
                ErrorCode::Left | ErrorCode::Ended => connection.close(code),
                _ => connection.cut(code),
            }
        }
    }

    /// Ends everything that someone had here but the connection, which waits from now on.
    async fn send_back(&mut self, participant: ParticipantId, knock: KnockId) {
        let room = self.room.charter().room;
        self.means.media.disconnect(room, participant).await;
        self.chat.log.went(participant);
        self.captions.went(participant);
        self.gone.insert(participant, LeaveReason::SentBack);
        let connection = self
            .seats
            .remove(&participant)
            .and_then(|seat| seat.connection);
        match connection {
            Some(connection) if connection.outbox.send_back() => {
                self.places.insert(connection.id, Place::Waiting(knock));
                self.waiting.insert(knock, connection);
            }
            Some(connection) => {
                self.places.remove(&connection.id);
                self.room.stop_waiting(knock);
            }
            None => self.room.stop_waiting(knock),
        }
    }

    pub(super) fn tell(&mut self, to: ParticipantId, event: Event) {
        if let Some(seat) = self.seats.get_mut(&to)
            && !seat.tell(event)
        {
            self.lose(to);
        }
    }

    fn tell_moderators(&mut self, event: &Event) {
        let rules = self.means.guard.snapshot();
        let moderators: Vec<_> = self
            .room
            .people()
            .filter(|person| {
                rules.allows(
                    ActionKind::SeeLobby,
                    person.role,
                    &self.room.facts_present(person),
                )
            })
            .map(|person| person.id)
            .collect();
        moderators
            .into_iter()
            .for_each(|to| self.tell(to, event.clone()));
    }

    /// Tells everyone what changed in what they may see, if anything did.
    pub(super) fn project(&mut self) {
        self.tell_outside();
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        self.unlooked = true;
        let rules = self.means.guard.snapshot();
        self.lines.refresh(&self.room, &rules);
        let mut round = Round::new(&self.room, &rules, &self.lines);
        let mut slow = Vec::new();
        for (id, seat) in &mut self.seats {
            let Some(person) = self.room.person(*id) else {
                continue;
            };
            for event in seat.projection.changes(&mut round, person, &self.gone) {
                if !seat.tell(event) {
                    slow.push(*id);
                    break;
                }
            }
        }
        self.gone.clear();
        slow.into_iter().for_each(|id| self.lose(id));
    }
}
