//! Settings in a running room: permitted and audited, then stored, and only then in force and told. The store's answer is
//! what holds, whichever way a change came; older answers change nothing.

use std::sync::Arc;

use conclave_policy::actions::{ChangeKind, ChangeSetting};
use conclave_policy::kind::RoomKind;
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;
use futures_util::future::join_all;

use super::{RoomActor, Waited, durable};
use crate::ids::ParticipantId;
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::RoomAction;
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
    answer: Answer,
}

/// What is answered when all goes well.
pub(super) enum Answer {
    /// Nothing more.
    Done,
    /// What a preset changed and what a lock kept.
    Preset {
        changed: Vec<SettingKey>,
        kept: Vec<SettingKey>,
    },
}

/// A change of settings on its way.
pub(super) enum Step {
    /// Permitted: the audit rows are durable, or are not.
    Audited {
        asked: Asked,
        settings: Vec<Permit<ChangeSetting>>,
        kind: Option<Permit<ChangeKind>>,
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
            .and_then(|key| key.parse_choice(value).map(|value| (key, value)));
        match known {
            Ok(change) => self.change_settings(by, id, &[change], None, Answer::Done),
            Err(_) => self.answer(by, id, Err(ErrorCode::InvalidValue)),
        }
    }

    /// Has each change permitted, and then all of them made or none.
    pub(super) fn change_settings(
        &mut self,
        by: ParticipantId,
        id: u32,
        changes: &[(SettingKey, &'static str)],
        kind: Option<RoomKind>,
        answer: Answer,
    ) {
        let mut settings = Vec::with_capacity(changes.len());
        let mut audits = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            match self.ask(by, ChangeSetting { key: *key, value }) {
                Ok((permit, audit)) => {
                    settings.push(permit);
                    audits.push(durable(audit));
                }
                Err(code) => return self.answer(by, id, Err(code)),
            }
        }
        let kind = match kind.map(|kind| self.ask(by, ChangeKind { kind })) {
            Some(Ok((permit, audit))) => {
                audits.push(durable(audit));
                Some(permit)
            }
            Some(Err(code)) => return self.answer(by, id, Err(code)),
            None => None,
        };
        let asked = Asked { by, id, answer };
        self.waits.push(Box::pin(async move {
            let durable = join_all(audits).await.into_iter().all(|row| row);
            Waited::Settings(Step::Audited {
                asked,
                settings,
                kind,
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
            Step::Audited {
                asked,
                settings,
                kind,
                ..
            } => self.on_audited(asked, settings, kind).await,
            Step::Saved { asked, outcome } => {
                let outcome = outcome.map(|stored| self.take(stored)).map_err(refused);
                // Everyone is told before whoever asked is answered.
                self.follow_up().await;
                self.project();
                if let Some(asked) = asked {
                    let done = outcome.map(|()| self.done(&asked));
                    self.answer(asked.by, asked.id, done);
                }
            }
        }
    }

    /// The rows are durable: if the permits still stand, the changes go to the store.
    async fn on_audited(
        &mut self,
        asked: Asked,
        settings: Vec<Permit<ChangeSetting>>,
        kind: Option<Permit<ChangeKind>>,
    ) {
        let (by, id) = (asked.by, asked.id);
        if let Some(code) = self.fallen(by, &settings, kind.as_ref()) {
            return self.answer(by, id, Err(code));
        }
        if settings.is_empty() && kind.is_none() {
            let done = self.done(&asked);
            return self.answer(by, id, Ok(done));
        }
        match self.room.change_settings(settings, kind) {
            Ok(()) => {
                self.asked = Some(asked);
                self.follow_up().await;
            }
            Err(code) => self.answer(by, id, Err(code)),
        }
    }

    /// Why one of the permits does not stand any more.
    fn fallen(
        &self,
        by: ParticipantId,
        settings: &[Permit<ChangeSetting>],
        kind: Option<&Permit<ChangeKind>>,
    ) -> Option<ErrorCode> {
        let kind = kind.map(|permit| self.still_stands(by, permit.action()));
        settings
            .iter()
            .map(|permit| self.still_stands(by, permit.action()))
            .chain(kind)
            .find_map(Result::err)
    }

    /// Whether what was permitted would be permitted now.
    fn still_stands<A: RoomAction>(&self, by: ParticipantId, action: &A) -> Result<(), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let facts = action.settle(self.room.facts_inside(person, action)?);
        let rules = self.means.guard.snapshot();
        if rules.allows(action.kind(), person.role, &facts) {
            Ok(())
        } else {
            Err(ErrorCode::NotAllowed)
        }
    }

    /// The answer to whoever asked, now that it is done.
    fn done(&self, asked: &Asked) -> Done {
        let Answer::Preset { changed, kept } = &asked.answer else {
            return Done::Done {};
        };
        let Some(person) = self.room.person(asked.by) else {
            return Done::Done {};
        };
        let rules = self.means.guard.snapshot();
        let views = |keys: &[SettingKey]| self.room.setting_views(&rules, person, keys);
        Done::Preset {
            changed: views(changed),
            kept: views(kept),
        }
    }

    /// Gives permitted changes to the store; its answer comes back as a step.
    pub(super) fn save_settings(
        &mut self,
        settings: Vec<Permit<ChangeSetting>>,
        kind: Option<Permit<ChangeKind>>,
    ) {
        let asked = self.asked.take();
        let saved = self.means.store.change_settings(
            self.room.charter().org,
            settings,
            kind,
            self.means.clock.now(),
        );
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
        let (org, room) = (charter.org, charter.room);
        match self.means.store.room(org, room).await {
            Ok(Some(stored)) => self.take_password(stored.password_revision, stored.password),
            Ok(None) => self.room.end(ErrorCode::Ended),
            Err(_) => self.room.end(ErrorCode::Unavailable),
        }
        match self.means.store.levels(org, room).await {
            Ok(stored) => self.take(stored),
            // Nobody may come in on settings that may be older than what is stored.
            Err(_) => self.room.end(ErrorCode::Unavailable),
        }
        self.read_speech().await;
        self.follow_up().await;
        self.project();
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
            .map(|person| (person.id, self.room.setting_views(&rules, person, &[key])))
            .collect();
        for (to, settings) in told {
            for setting in settings {
                let by = by.to_owned();
                self.tell(to, Event::SettingChanged { setting, by });
            }
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
