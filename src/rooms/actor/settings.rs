//! Settings in a running room: permitted and audited, then stored, and only then in force and told. The store's answer is
//! what holds, whichever way a change came; older answers change nothing.

use std::sync::Arc;

use conclave_policy::actions::{Action, ChangeSetting};
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;
use futures_util::future::join_all;

use super::{RoomActor, Waited, durable};
use crate::ids::ParticipantId;
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::Event;
use crate::store::error::StoreError;
use crate::store::settings::{StoredLevels, StoredOrg};

/// What was stored about settings, from wherever it came.
pub enum SettingsNews {
    /// The levels above this room.
    Room(Box<StoredLevels>),
    /// What an organisation says.
    Organisation(Arc<StoredOrg>),
}

/// Whose request waits for an answer, and what it will be when all goes well.
pub(super) struct Asked {
    by: ParticipantId,
    id: u32,
    done: Done,
}

/// A change of settings on its way.
pub(super) enum Step {
    /// Permitted: the audit rows are durable, or are not.
    Audited {
        asked: Asked,
        permits: Vec<Permit<ChangeSetting>>,
        durable: bool,
    },
    /// Stored, or refused by the store.
    Saved {
        asked: Option<Asked>,
        outcome: Result<StoredLevels, StoreError>,
    },
}

impl RoomActor {
    pub(super) fn on_setting(&mut self, by: ParticipantId, id: u32, key: &str, value: &str) {
        let known = key
            .parse::<SettingKey>()
            .and_then(|key| key.parse_value(value).map(|value| (key, value)));
        match known {
            Ok(change) => self.change_settings(by, id, &[change], Done::Done {}),
            Err(_) => self.answer(by, id, Err(ErrorCode::InvalidValue)),
        }
    }

    /// Has each change permitted, and then all of them made or none.
    pub(super) fn change_settings(
        &mut self,
        by: ParticipantId,
        id: u32,
        changes: &[(SettingKey, &'static str)],
        done: Done,
    ) {
        let mut permits = Vec::with_capacity(changes.len());
        let mut audits = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            match self.ask(by, ChangeSetting { key: *key, value }) {
                Ok((permit, audit)) => {
                    permits.push(permit);
                    audits.push(durable(audit));
                }
                Err(code) => return self.answer(by, id, Err(code)),
            }
        }
        let asked = Asked { by, id, done };
        self.waits.push(Box::pin(async move {
            let durable = join_all(audits).await.into_iter().all(|row| row);
            Waited::Settings(Step::Audited {
                asked,
                permits,
                durable,
            })
        }));
    }

    pub(super) async fn on_step(&mut self, step: Step) {
        match step {
            Step::Audited {
                asked,
                durable: false,
                ..
            } => self.answer(asked.by, asked.id, Err(ErrorCode::Unavailable)),
            Step::Audited { asked, permits, .. } => self.on_audited(asked, permits).await,
            Step::Saved { asked, outcome } => {
                let outcome = outcome.map(|stored| self.take(stored)).map_err(refused);
                // Everyone is told before whoever asked is answered.
                self.follow_up().await;
                if let Some(Asked { by, id, done }) = asked {
                    self.answer(by, id, outcome.map(|()| done));
                }
            }
        }
    }

    /// The rows are durable: if the permits still stand, the changes go to the store.
    async fn on_audited(&mut self, asked: Asked, permits: Vec<Permit<ChangeSetting>>) {
        let (by, id) = (asked.by, asked.id);
        let stands = |permit: &Permit<ChangeSetting>| {
            let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
            let facts = self.room.facts_inside(person, permit.action())?;
            let facts = permit.action().settle(facts);
            let rules = self.means.guard.snapshot();
            if rules.allows(permit.action().kind(), person.role, &facts) {
                Ok(())
            } else {
                Err(ErrorCode::NotAllowed)
            }
        };
        if let Err(code) = permits.iter().try_for_each(stands) {
            return self.answer(by, id, Err(code));
        }
        if permits.is_empty() {
            return self.answer(by, id, Ok(asked.done));
        }
        match self.room.change_settings(permits) {
            Ok(()) => {
                self.asked = Some(asked);
                self.follow_up().await;
            }
            Err(code) => self.answer(by, id, Err(code)),
        }
    }

    /// Gives permitted changes to the store; its answer comes back as a step.
    pub(super) fn save_settings(&mut self, permits: Vec<Permit<ChangeSetting>>) {
        let asked = self.asked.take();
        let saved = self
            .means
            .store
            .change_settings(self.room.charter().org, permits);
        self.waits.push(Box::pin(async move {
            let outcome = saved.await;
            Waited::Settings(Step::Saved { asked, outcome })
        }));
    }

    /// What was stored by someone else.
    pub(super) fn on_news(&mut self, news: SettingsNews) {
        match news {
            SettingsNews::Room(stored) => self.take(*stored),
            SettingsNews::Organisation(stored) => {
                let now = self.means.clock.now();
                self.room
                    .org_chosen(stored.choices.clone(), &stored.authors, now);
            }
        }
    }

    /// Reads what is stored: what changed between the reading of the room and its start was told to nobody.
    pub(super) async fn refresh(&mut self) {
        let charter = self.room.charter();
        match self.means.store.levels(charter.org, charter.room).await {
            Ok(stored) => self.take(stored),
            // Nobody may come in on settings that may be older than what is stored.
            Err(_) => self.room.end(ErrorCode::Unavailable),
        }
        self.follow_up().await;
    }

    fn take(&mut self, stored: StoredLevels) {
        let now = self.means.clock.now();
        let (levels, names) = (stored.levels, stored.authors);
        self.room.org_chosen(levels.org().clone(), &names, now);
        self.room.room_chosen(levels.room().clone(), &names, now);
    }

    /// Tells everyone that a setting is another one, to each with what they may do about it.
    pub(super) fn tell_setting(&mut self, key: SettingKey, by: &str) {
        let rules = self.means.guard.snapshot();
        let told: Vec<_> = self
            .room
            .people()
            .map(|person| (person.id, self.room.setting_view(&rules, person, key)))
            .collect();
        for (to, setting) in told {
            let by = by.to_owned();
            self.tell(to, Event::SettingChanged { setting, by });
        }
    }
}

fn refused(error: StoreError) -> ErrorCode {
    match error {
        StoreError::Settings => ErrorCode::InvalidValue,
        StoreError::Conflict => ErrorCode::NotAllowed,
        StoreError::Missing => ErrorCode::NotFound,
        StoreError::Unavailable | StoreError::Full | StoreError::Corrupt => ErrorCode::Unavailable,
    }
}
