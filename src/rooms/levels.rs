//! The settings of a live session: what a permitted change asks to be kept, and what follows when something was kept.
//! Sans-IO like the room. Nothing is changed here before it is stored: the store alone says what stands, and numbers it,
//! so that of two changes at the same moment the later one holds in every room.

use std::collections::BTreeMap;

use conclave_policy::actions::{ActionKind, ChangeKind, ChangeSetting};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, Lock, Space};
use conclave_policy::levels::{LevelError, Levels, OrgChoices, RoomChoices};
use conclave_policy::permit::Permit;
use conclave_policy::preview::Moment;
use conclave_policy::roles::Role;
use conclave_policy::settings::{SettingKey, Settings};

use crate::clock::Timestamp;
use crate::ids::ActorId;
use crate::rooms::effect::Effect;
use crate::rooms::person::Person;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::timer::Timer;
use crate::rooms::view::{Event, SettingView};
use crate::secret::Secret;

/// The names of those who chose and may not be in the room.
pub type Names = BTreeMap<ActorId, Secret<String>>;

impl Room {
    /// The levels above the room, and what they amount to.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The levels as they were read for a session that nobody has entered yet.
    pub fn begin_with(&mut self, levels: Levels) {
        self.levels = levels;
        self.charter.settings = self.levels.settings();
        self.charter.two_hosts = self.levels.org().two_hosts();
        self.charter.asks_factor = self.levels.org().asks_factor();
    }

    /// Asks for permitted changes to be kept, all or none. They hold once they were: see [`Room::room_chosen`].
    pub fn change_settings(
        &mut self,
        settings: Vec<Permit<ChangeSetting>>,
        kind: Option<Permit<ChangeKind>>,
    ) -> Result<(), ErrorCode> {
        settings.iter().try_for_each(|permit| self.check(permit))?;
        kind.iter().try_for_each(|permit| self.check(permit))?;
        let mut actors = settings
            .iter()
            .map(Permit::actor)
            .chain(kind.iter().map(Permit::actor));
        let Some(by) = actors.next() else {
            return Ok(());
        };
        if actors.any(|other| other != by) {
            return Err(ErrorCode::Stale);
        }
        let changes: Vec<_> = settings
            .iter()
            .map(|permit| (permit.action().key, permit.action().value))
            .collect();
        self.levels.chosen(&changes, by).map_err(refused)?;
        self.effects
            .push_back(Effect::SaveSettings { settings, kind });
        Ok(())
    }

    /// This is what is kept for the room now. What is older than what holds already changes nothing.
    pub fn room_chosen(&mut self, room: RoomChoices, names: &Names, now: Timestamp) {
        let before = self.levels.clone();
        if self.levels.take_room(room) {
            let chosen = self.levels.room().iter().filter_map(|(key, choice)| {
                let new = before.room().get(key) != Some(choice);
                choice.by.filter(|_| new).map(|by| (key, by))
            });
            let chosen = chosen.collect();
            self.levels_changed(&before, &chosen, names, now);
        }
    }

    /// This is what the organisation says now. What is older than what holds already changes nothing.
    pub fn org_chosen(&mut self, org: OrgChoices, names: &Names, now: Timestamp) {
        let before = self.levels.clone();
        if self.levels.take_org(org) {
            let chosen = self.levels.org().iter().filter_map(|(key, choice)| {
                let new = before.org().get(key) != Some(choice);
                new.then_some((key, choice.by))
            });
            let chosen = chosen.collect();
            self.levels_changed(&before, &chosen, names, now);
        }
    }

    /// As if all of this had been chosen for the room at once, by nobody in particular.
    pub fn settings_changed(&mut self, settings: Settings, now: Timestamp) {
        let revision = self.levels.room().revision().saturating_add(1);
        let room = RoomChoices::of(&settings, revision).with_kind(self.levels.kind(), None);
        self.room_chosen(room, &Names::new(), now);
    }

    /// The settings that someone may change now of whom this is true.
    pub fn changeable(&self, rules: &Snapshot, role: Role, facts: Facts) -> Vec<SettingKey> {
        let may = |key: &SettingKey| self.may_change(rules, role, facts, *key);
        SettingKey::ALL.iter().copied().filter(may).collect()
    }

    /// These settings as a participant sees them.
    pub fn setting_views(
        &self,
        rules: &Snapshot,
        viewer: &Person,
        keys: &[SettingKey],
    ) -> Vec<SettingView> {
        let facts = self.facts_present(viewer);
        keys.iter()
            .map(|key| {
                let may = self.may_change(rules, viewer.role, facts, *key);
                SettingView::of(&self.levels, *key, may)
            })
            .collect()
    }

    fn may_change(&self, rules: &Snapshot, role: Role, facts: Facts, key: SettingKey) -> bool {
        let facts = self.facts_of_setting(facts, key).with(key.who_may_relax());
        rules.allows(ActionKind::ChangeSetting, role, &facts)
    }

    /// How the room is now, for what is shown before something is changed.
    pub fn moment(&self) -> Moment {
        let places = self.charter.settings.max_participants().count();
        Moment {
            lock: if self.locked {
                Lock::Locked
            } else {
                Lock::Open
            },
            hosted: self.hosted,
            space: if self.people.len() < places {
                Space::Free
            } else {
                Space::Full
            },
        }
    }

    fn facts_of_setting(&self, facts: Facts, key: SettingKey) -> Facts {
        facts.with(self.levels.held(key))
    }

    /// Tells what became another one and by whom, and has everything asked again that rests on it.
    fn levels_changed(
        &mut self,
        before: &Levels,
        chosen: &BTreeMap<SettingKey, ActorId>,
        names: &Names,
        now: Timestamp,
    ) {
        self.charter.settings = self.levels.settings();
        self.charter.two_hosts = self.levels.org().two_hosts();
        self.charter.asks_factor = self.levels.org().asks_factor();
        let changed = self.levels.changed_since(before);
        for key in changed.iter().copied() {
            // What was not chosen itself follows from one that was: a door that fell with another.
            let by = chosen.get(&key).or_else(|| chosen.values().next());
            let by = by.map(|by| self.name_among(*by, names)).unwrap_or_default();
            self.effects.push_back(Effect::SettingChanged { key, by });
        }
        let on = self.charter.two_hosts;
        if on != before.org().two_hosts() {
            let event = Event::TwoPersonAdmission { on };
            self.effects.push_back(Effect::TellAll { event });
        }
        if self.charter.asks_factor != before.org().asks_factor() {
            self.factor_asked_otherwise();
        }
        if self.levels.kind() != before.kind() {
            let by = self.levels.room().kind_by();
            let by = by.map(|by| self.name_among(by, names)).unwrap_or_default();
            self.kind_changed(&by);
        }
        // What was timed by the old values is timed anew, reckoned from the same start.
        if changed.contains(&SettingKey::LockAfterStart) {
            self.time_lock(now);
        }
        if changed.contains(&SettingKey::SessionLength) {
            self.time_end(now);
        }
        self.effects.push_back(Effect::AskAgain);
        self.settle(now);
    }

    /// Second factors are asked for now, or no longer: whoever led without one sees the waiting room no more, or again.
    fn factor_asked_otherwise(&mut self) {
        let without = |person: &&Person| person.role.is_moderator() && !person.who.second_factor;
        let without: Vec<_> = self.people.values().filter(without).collect();
        let without: Vec<_> = without.into_iter().map(|person| person.id).collect();
        for participant in without {
            self.show_lobby(participant);
        }
    }

    /// Locks the room some time after its start, as the settings have it now; at once if that has passed.
    pub(in crate::rooms) fn time_lock(&mut self, now: Timestamp) {
        let Some(started) = self.started else { return };
        match self.charter.settings.lock_after_start().duration() {
            Some(wait) if started.after(wait) <= now => {
                self.timers.stop(Timer::LockAfterStart);
                self.lock(None);
            }
            Some(wait) => self.timers.set(Timer::LockAfterStart, started.after(wait)),
            None => self.timers.stop(Timer::LockAfterStart),
        }
    }

    /// Ends the session when it has lasted as long as the settings let it; at once if it has lasted longer.
    pub(in crate::rooms) fn time_end(&mut self, now: Timestamp) {
        let Some(started) = self.started else { return };
        let until = started.after(self.charter.settings.session_length().duration());
        if until <= now {
            self.end(ErrorCode::Ended);
        } else {
            self.timers.set(Timer::SessionEnd, until);
        }
    }

    /// The name of someone as it shows in the room, or as it was kept.
    fn name_among(&self, actor: ActorId, names: &Names) -> String {
        let here = self.name_of(actor);
        if here.is_empty() {
            names
                .get(&actor)
                .map(|name| name.expose().clone())
                .unwrap_or_default()
        } else {
            here
        }
    }
}

impl RoomAction for ChangeSetting {
    fn facts(&self, room: &Room, facts: Facts) -> Result<Facts, ErrorCode> {
        Ok(room.facts_of_setting(facts, self.key))
    }

    fn act(permit: Permit<Self>, room: &mut Room, _now: Timestamp) -> Result<(), ErrorCode> {
        room.change_settings(vec![permit], None)
    }
}

/// A change of settings that cannot stand, as a refusal.
pub(in crate::rooms) fn refused(error: LevelError) -> ErrorCode {
    match error {
        LevelError::Locked | LevelError::Fixed => ErrorCode::NotAllowed,
        LevelError::Setting(_) => ErrorCode::InvalidValue,
    }
}
