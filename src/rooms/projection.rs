//! What each participant sees of the room: roster lines and the count, asked of policy line by line, and told as the
//! difference to what was told before. Pure; it holds only what was already shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_policy::actions::ActionKind;
use conclave_policy::actions::{DecideProfile, Publish, SeeParticipant};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, Standing};
use conclave_policy::settings::SettingKey;
use conclave_policy::source::Source;

use crate::ids::ParticipantId;
use crate::rooms::person::Person;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::view::{
    Event, LeaveReason, LobbyCount, ParticipantView, PendingProfile, RoomView, SourceState,
    SourceStates,
};

/// The line of everyone in the room, made once for all who look.
#[derive(Clone, Debug, Default)]
pub struct Lines(BTreeMap<ParticipantId, Arc<ParticipantView>>);

impl Lines {
    /// As they are now.
    pub fn of(room: &Room, rules: &Snapshot) -> Self {
        let line = |person: &Person| (person.id, Arc::new(line(room, rules, person)));
        Self(room.people().map(line).collect())
    }
}

/// What one participant has been shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    shown: BTreeMap<ParticipantId, Arc<ParticipantView>>,
    pending: BTreeMap<ParticipantId, PendingProfile>,
    count: Option<u32>,
    lobby: Option<LobbyCount>,
    spotlight: Option<ParticipantId>,
    may_change: Vec<SettingKey>,
    may_chat: bool,
}

impl Projection {
    /// The whole room for someone who has just come in (or comes back), and remembers it as shown.
    pub fn whole(&mut self, room: &Room, rules: &Snapshot, viewer: &Person) -> RoomView {
        self.shown = visible(room, rules, viewer, &Lines::of(room, rules));
        self.count = count(room, rules, viewer);
        self.lobby = lobby(room, rules, viewer);
        self.spotlight = room.spotlight().filter(|id| self.shows(*id));
        self.pending = pending(room, rules, viewer);
        self.may_change = room.changeable(rules, viewer);
        self.may_chat = allowed(room, rules, viewer, ActionKind::WriteChat);
        RoomView {
            room: room.charter().room,
            title: room.charter().title.clone(),
            locked: room.locked(),
            you: viewer.id,
            participants: self.shown.values().map(|line| (**line).clone()).collect(),
            knocks: allowed(room, rules, viewer, ActionKind::SeeLobby).then(|| room.knock_views()),
            suspended: room.suspended(),
            spotlight: self.spotlight,
            lobby: self.lobby,
            count: self.count,
            kind: room.levels().kind(),
            settings: room.setting_views(rules, viewer, SettingKey::ALL),
            may_chat: self.may_chat,
            pending_profiles: self.pending.values().cloned().collect(),
        }
    }

    /// What changed for this participant since the last call; `lines` are those of now, and `gone` says why those who left did.
    pub fn changes(
        &mut self,
        room: &Room,
        rules: &Snapshot,
        viewer: &Person,
        lines: &Lines,
        gone: &BTreeMap<ParticipantId, LeaveReason>,
    ) -> Vec<Event> {
        let now = visible(room, rules, viewer, lines);
        let mut events = Vec::new();
        for participant in self.shown.keys().filter(|shown| !now.contains_key(shown)) {
            let reason = gone.get(participant).copied().unwrap_or(LeaveReason::Left);
            events.push(Event::ParticipantLeft {
                participant: *participant,
                reason,
            });
        }
        for (id, view) in &now {
            match self.shown.get(id) {
                None => events.push(Event::ParticipantJoined {
                    participant: (**view).clone(),
                }),
                Some(shown) if shown != view => events.push(Event::ParticipantChanged {
                    participant: (**view).clone(),
                }),
                Some(_) => {}
            }
        }
        self.shown = now;
        let spotlight = room.spotlight().filter(|id| self.shows(*id));
        if spotlight != self.spotlight {
            self.spotlight = spotlight;
            events.push(Event::Spotlight {
                participant: spotlight,
            });
        }
        self.decisions(pending(room, rules, viewer), &mut events);
        let count = count(room, rules, viewer);
        if let (Some(count), true) = (count, count != self.count) {
            events.push(Event::Count { count });
        }
        self.count = count;
        let may = room.changeable(rules, viewer);
        if may != self.may_change {
            let settings = room.setting_views(rules, viewer, SettingKey::ALL);
            events.push(Event::Settings { settings });
        }
        self.may_change = may;
        let may_chat = allowed(room, rules, viewer, ActionKind::WriteChat);
        if std::mem::replace(&mut self.may_chat, may_chat) != may_chat {
            events.push(Event::MayChat { may: may_chat });
        }
        events
    }

    /// What is there to decide now, as the difference to what was.
    fn decisions(&mut self, now: BTreeMap<ParticipantId, PendingProfile>, events: &mut Vec<Event>) {
        for participant in self.pending.keys().filter(|old| !now.contains_key(old)) {
            events.push(Event::ProfileGone {
                participant: *participant,
            });
        }
        for (participant, view) in &now {
            if self.pending.get(participant) != Some(view) {
                events.push(Event::ProfilePending(view.clone()));
            }
        }
        self.pending = now;
    }

    /// How many wait, if that changed for this participant since the last call.
    pub fn lobby_changed(
        &mut self,
        room: &Room,
        rules: &Snapshot,
        viewer: &Person,
    ) -> Option<Event> {
        let now = lobby(room, rules, viewer);
        let changed = now != self.lobby;
        self.lobby = now;
        now.filter(|_| changed)
            .map(|count| Event::LobbyCount { count })
    }

    /// Whether this participant was shown to the viewer.
    pub fn shows(&self, participant: ParticipantId) -> bool {
        self.shown.contains_key(&participant)
    }
}

fn visible(
    room: &Room,
    rules: &Snapshot,
    viewer: &Person,
    lines: &Lines,
) -> BTreeMap<ParticipantId, Arc<ParticipantView>> {
    let own = room.facts_present(viewer);
    room.people()
        .filter(|person| {
            let facts = room.facts_about(own, viewer, person);
            rules.allows(ActionKind::SeeParticipant, viewer.role, &facts)
        })
        .filter_map(|person| Some((person.id, lines.0.get(&person.id)?.clone())))
        .collect()
}

/// Other names and pictures that wait for a decision which the viewer may make.
fn pending(
    room: &Room,
    rules: &Snapshot,
    viewer: &Person,
) -> BTreeMap<ParticipantId, PendingProfile> {
    room.people()
        .filter_map(|person| {
            let view = person.pending_profile()?;
            let decide = DecideProfile {
                participant: person.id,
                version: view.version,
                approve: true,
            };
            let facts = room.facts_inside(viewer, &decide).ok()?;
            let may = rules.allows(ActionKind::DecideProfile, viewer.role, &seated(facts));
            (may && person.who.actor != viewer.who.actor).then_some((person.id, view))
        })
        .collect()
}

/// A participant whose connection is away for a moment keeps the view, so that nothing is missed on coming back.
fn seated(facts: Facts) -> Facts {
    facts.with(Standing::Admitted)
}

fn allowed(room: &Room, rules: &Snapshot, viewer: &Person, kind: ActionKind) -> bool {
    rules.allows(kind, viewer.role, &room.facts_present(viewer))
}

fn count(room: &Room, rules: &Snapshot, viewer: &Person) -> Option<u32> {
    allowed(room, rules, viewer, ActionKind::SeeCount)
        .then(|| u32::try_from(room.people().count()).unwrap_or(u32::MAX))
}

fn lobby(room: &Room, rules: &Snapshot, viewer: &Person) -> Option<LobbyCount> {
    allowed(room, rules, viewer, ActionKind::SeeLobby).then(|| room.lobby_count())
}

fn line(room: &Room, rules: &Snapshot, person: &Person) -> ParticipantView {
    let state = |source| source_state(room, rules, person, source);
    ParticipantView {
        participant: person.id,
        name: person.who.name.clone(),
        picture: person.who.picture,
        signed_in: person.who.signed_in(),
        role: person.role,
        sources: SourceStates {
            microphone: state(Source::Microphone),
            camera: state(Source::Camera),
            screen: state(Source::Screen),
            screen_audio: state(Source::ScreenAudio),
        },
        hand: person.hand,
        connected: person.connected(),
    }
}

fn source_state(room: &Room, rules: &Snapshot, person: &Person, source: Source) -> SourceState {
    use conclave_policy::facts::Right;
    if person.floor.is_live(source) {
        return SourceState::On;
    }
    let publish = Publish {
        participant: person.id,
        source,
    };
    let may = room
        .facts_inside(person, &publish)
        .is_ok_and(|facts| rules.allows(ActionKind::publish(source), person.role, &seated(facts)));
    match (may, person.floor.right(source)) {
        (true, _) => SourceState::Off,
        (false, Right::Withdrawn) => SourceState::Withdrawn,
        (false, _) => SourceState::NotAllowed,
    }
}

impl RoomAction for SeeParticipant {
    fn target(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn act(
        _permit: conclave_policy::permit::Permit<Self>,
        _room: &mut Room,
        _now: crate::clock::Timestamp,
    ) -> Result<(), crate::rooms::refusal::ErrorCode> {
        Ok(())
    }
}
