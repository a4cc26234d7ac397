//! What each participant sees of the room: roster lines and the count, asked of policy line by line, and told as the
//! difference to what was told before. Pure; it holds only what was already shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_policy::actions::ActionKind;
use conclave_policy::actions::{DecideProfile, Publish, SeeParticipant};
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Dimension, Facts, Standing, Subject, Target, TargetRole};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::settings::SettingKey;
use conclave_policy::source::Source;

use crate::ids::ParticipantId;
use crate::rooms::captions::{CaptionChoice, CaptionsView};
use crate::rooms::person::Person;
use crate::rooms::room::{Room, RoomAction};
use crate::rooms::view::{
    Event, LeaveReason, LobbyCount, ParticipantView, PendingProfile, RoomView, SessionView,
    SourceState, SourceStates,
};

/// The line of everyone in the room, made once for all who look, and anew only for those of whom something changed.
#[derive(Debug, Default)]
pub struct Lines {
    rules: Option<PolicyVersion>,
    of: BTreeMap<ParticipantId, Line>,
}

/// A line, and all that it was made from.
#[derive(Debug)]
struct Line {
    person: Person,
    facts: Facts,
    view: Arc<ParticipantView>,
}

impl Lines {
    /// As they are now.
    pub fn of(room: &Room, rules: &Snapshot) -> Self {
        let mut lines = Self::default();
        lines.refresh(room, rules);
        lines
    }

    /// Brings them up to date. A line that says the same as before stays the same value.
    pub fn refresh(&mut self, room: &Room, rules: &Snapshot) {
        self.of.retain(|id, _| room.person(*id).is_some());
        let version = Some(rules.version());
        let swapped = std::mem::replace(&mut self.rules, version) != version;
        for (person, facts) in room.facts_of_all() {
            let before = self.of.get(&person.id);
            let same = |line: &Line| !swapped && line.facts == facts && line.person == *person;
            if before.is_some_and(same) {
                continue;
            }
            let view = line(room, rules, person);
            let view = match before {
                Some(before) if *before.view == view => before.view.clone(),
                _ => Arc::new(view),
            };
            let person = person.clone();
            let line = Line {
                person,
                facts,
                view,
            };
            self.of.insert(line.person.id, line);
        }
    }

    /// One of them.
    pub fn get(&self, participant: ParticipantId) -> Option<&Arc<ParticipantView>> {
        self.of.get(&participant).map(|line| &line.view)
    }
}

/// What the rules look at in whoever looks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sight {
    role: Role,
    facts: Facts,
}

impl Sight {
    /// Whether whoever looks would lead here with the second factor that is asked for.
    fn lacks_factor(&self) -> bool {
        self.role.is_moderator() && self.facts.value(Dimension::SecondFactor) == Some("missing")
    }

    fn allows(&self, rules: &Snapshot, kind: ActionKind) -> bool {
        rules.allows(kind, self.role, &self.facts)
    }
}

/// What all see of the room of whom the rules see the same; each of them sees one thing otherwise, the own line.
#[derive(Debug, Default)]
struct Scene {
    shown: BTreeMap<ParticipantId, Arc<ParticipantView>>,
    count: Option<u32>,
    may_change: Vec<SettingKey>,
    may_chat: bool,
    lacks_factor: bool,
}

/// What became of one line between two scenes.
#[derive(Clone)]
enum Step {
    Left,
    Joined(Arc<ParticipantView>),
    Changed(Arc<ParticipantView>),
}

impl Step {
    fn between(
        before: Option<&Arc<ParticipantView>>,
        now: Option<&Arc<ParticipantView>>,
    ) -> Option<Self> {
        match (before, now) {
            (None, None) => None,
            (Some(_), None) => Some(Self::Left),
            (None, Some(now)) => Some(Self::Joined(now.clone())),
            (Some(before), Some(now)) if Arc::ptr_eq(before, now) || before == now => None,
            (Some(_), Some(now)) => Some(Self::Changed(now.clone())),
        }
    }
}

/// The way from one scene to another.
struct Way {
    from: Arc<Scene>,
    to: Arc<Scene>,
    steps: Arc<[(ParticipantId, Step)]>,
}

/// One look at the room for all who are in it. What is the same for several of them is found out once.
pub struct Round<'a> {
    room: &'a Room,
    rules: &'a Snapshot,
    lines: &'a Lines,
    pending: Vec<(&'a Person, PendingProfile)>,
    scenes: Vec<(Sight, Arc<Scene>)>,
    ways: Vec<Way>,
}

impl<'a> Round<'a> {
    /// A look at the room as it is now; `lines` are those of now.
    pub fn new(room: &'a Room, rules: &'a Snapshot, lines: &'a Lines) -> Self {
        let pending = |person: &'a Person| Some((person, person.pending_profile()?));
        Self {
            room,
            rules,
            lines,
            pending: room.people().filter_map(pending).collect(),
            scenes: Vec::new(),
            ways: Vec::new(),
        }
    }

    fn sight(&self, viewer: &Person) -> Sight {
        let known = self.lines.of.get(&viewer.id);
        Sight {
            role: viewer.role,
            facts: known.map_or_else(|| self.room.facts_present(viewer), |line| line.facts),
        }
    }

    fn scene(&mut self, sight: Sight) -> Arc<Scene> {
        if let Some((_, scene)) = self.scenes.iter().find(|(of, _)| *of == sight) {
            return scene.clone();
        }
        let (room, rules) = (self.room, self.rules);
        let sees_count = sight.allows(rules, ActionKind::SeeCount);
        let scene = Arc::new(Scene {
            shown: self.shown(sight),
            count: sees_count.then(|| u32::try_from(room.people().count()).unwrap_or(u32::MAX)),
            may_change: room.changeable(rules, sight.role, sight.facts),
            may_chat: sight.allows(rules, ActionKind::WriteChat),
            lacks_factor: sight.lacks_factor(),
        });
        self.scenes.push((sight, scene.clone()));
        scene
    }

    /// The lines of others that are seen so: asked once for all who are the same to whoever looks.
    fn shown(&self, sight: Sight) -> BTreeMap<ParticipantId, Arc<ParticipantView>> {
        let mut known: Vec<((Role, Subject), bool)> = Vec::new();
        let mut sees = |person: &Person| {
            let what = (person.role, self.room.subject(person));
            if let Some((_, sees)) = known.iter().find(|(known, _)| *known == what) {
                return *sees;
            }
            let sees = self.sees(sight, Target::between(sight.role, person.role), person);
            known.push((what, sees));
            sees
        };
        self.room
            .people()
            .filter(|person| sees(person))
            .filter_map(|person| Some((person.id, self.lines.get(person.id)?.clone())))
            .collect()
    }

    fn sees(&self, sight: Sight, target: Target, person: &Person) -> bool {
        let facts = sight
            .facts
            .with(target)
            .with(TargetRole(person.role))
            .with(self.room.subject(person));
        self.rules
            .allows(ActionKind::SeeParticipant, sight.role, &facts)
    }

    /// The line of the one who looks.
    fn own(&self, sight: Sight, viewer: &Person) -> Option<Arc<ParticipantView>> {
        let line = self.lines.get(viewer.id)?;
        let sees = self.sees(sight, Target::Own, viewer);
        sees.then(|| line.clone())
    }

    /// What changed in the lines from one scene to another.
    fn steps(&mut self, from: &Arc<Scene>, to: &Arc<Scene>) -> Arc<[(ParticipantId, Step)]> {
        let same = |way: &&Way| Arc::ptr_eq(&way.from, from) && Arc::ptr_eq(&way.to, to);
        if let Some(way) = self.ways.iter().find(same) {
            return way.steps.clone();
        }
        let left = from.shown.keys().filter(|id| !to.shown.contains_key(id));
        let left = left.map(|id| (*id, Step::Left));
        let there = to.shown.iter().filter_map(|(id, now)| {
            let step = Step::between(from.shown.get(id), Some(now));
            step.map(|step| (*id, step))
        });
        let steps: Arc<[_]> = left.chain(there).collect();
        let (from, to) = (from.clone(), to.clone());
        let way = Way {
            from,
            to,
            steps: steps.clone(),
        };
        self.ways.push(way);
        steps
    }

    /// Other names and pictures that wait for a decision which the viewer may make.
    fn pending(&self, viewer: &Person) -> BTreeMap<ParticipantId, PendingProfile> {
        let may = |person: &Person, version| {
            let decide = DecideProfile {
                participant: person.id,
                version,
                approve: true,
            };
            let facts = self.room.facts_inside(viewer, &decide);
            facts.is_ok_and(|facts| {
                self.rules
                    .allows(ActionKind::DecideProfile, viewer.role, &seated(facts))
            })
        };
        self.pending
            .iter()
            .filter(|(person, _)| person.who.actor != viewer.who.actor)
            .filter(|(person, view)| may(person, view.version))
            .map(|(person, view)| (person.id, view.clone()))
            .collect()
    }
}

/// What one participant has been shown.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    scene: Arc<Scene>,
    viewer: Option<ParticipantId>,
    own: Option<Arc<ParticipantView>>,
    pending: BTreeMap<ParticipantId, PendingProfile>,
    lobby: Option<LobbyCount>,
    spotlight: Option<ParticipantId>,
}

impl Projection {
    /// The whole room for someone who has just come in (or comes back), and remembers it as shown.
    pub fn whole(&mut self, round: &mut Round<'_>, viewer: &Person) -> RoomView {
        let (room, rules) = (round.room, round.rules);
        let sight = round.sight(viewer);
        self.scene = round.scene(sight);
        self.viewer = Some(viewer.id);
        self.own = round.own(sight, viewer);
        self.lobby = lobby(room, rules, sight);
        self.spotlight = room.spotlight().filter(|id| self.shows(*id));
        self.pending = round.pending(viewer);
        let mut shown: BTreeMap<_, _> = self.scene.shown.iter().collect();
        shown.remove(&viewer.id);
        shown.extend(self.own.iter().map(|own| (&viewer.id, own)));
        RoomView {
            room: room.charter().room,
            title: room.charter().title.clone(),
            locked: room.locked(),
            you: viewer.id,
            participants: shown.values().map(|line| (***line).clone()).collect(),
            knocks: sight
                .allows(rules, ActionKind::SeeLobby)
                .then(|| room.knock_views()),
            suspended: room.suspended(),
            spotlight: self.spotlight,
            lobby: self.lobby,
            count: self.scene.count,
            kind: room.levels().kind(),
            settings: room.setting_views(rules, viewer, SettingKey::ALL),
            may_chat: self.scene.may_chat,
            lacks_factor: self.scene.lacks_factor,
            pending_profiles: self.pending.values().cloned().collect(),
            captions: CaptionsView::default(),
            caption_choice: CaptionChoice::default(),
        }
    }

    /// What changed for this participant since the last call; `gone` says why those who left did.
    pub fn changes(
        &mut self,
        round: &mut Round<'_>,
        viewer: &Person,
        gone: &BTreeMap<ParticipantId, LeaveReason>,
    ) -> Vec<Event> {
        let sight = round.sight(viewer);
        let scene = round.scene(sight);
        let mut events = Vec::new();
        self.lines(
            round,
            &scene,
            round.own(sight, viewer),
            viewer,
            gone,
            &mut events,
        );
        let before = std::mem::replace(&mut self.scene, scene);
        let spotlight = round.room.spotlight().filter(|id| self.shows(*id));
        if spotlight != self.spotlight {
            self.spotlight = spotlight;
            events.push(Event::Spotlight {
                participant: spotlight,
            });
        }
        if !self.pending.is_empty() || !round.pending.is_empty() {
            self.decisions(round.pending(viewer), &mut events);
        }
        let now = &self.scene;
        if let (Some(count), true) = (now.count, now.count != before.count) {
            events.push(Event::Count { count });
        }
        if now.may_change != before.may_change {
            let (room, rules) = (round.room, round.rules);
            let settings = room.setting_views(rules, viewer, SettingKey::ALL);
            events.push(Event::Settings { settings });
        }
        if now.may_chat != before.may_chat {
            events.push(Event::MayChat { may: now.may_chat });
        }
        if now.lacks_factor != before.lacks_factor {
            let missing = now.lacks_factor;
            events.push(Event::SecondFactor { missing });
        }
        events
    }

    /// What became of the lines: first who is gone, then who is there, each in order.
    fn lines(
        &mut self,
        round: &mut Round<'_>,
        scene: &Arc<Scene>,
        own: Option<Arc<ParticipantView>>,
        viewer: &Person,
        gone: &BTreeMap<ParticipantId, LeaveReason>,
        events: &mut Vec<Event>,
    ) {
        let steps = round.steps(&self.scene, scene);
        let mine = Step::between(self.own.as_ref(), own.as_ref());
        self.own = own;
        let mut all: Vec<(ParticipantId, &Step)> = steps
            .iter()
            .filter(|(id, _)| *id != viewer.id)
            .map(|(id, step)| (*id, step))
            .chain(mine.iter().map(|step| (viewer.id, step)))
            .collect();
        all.sort_by_key(|(id, step)| (!matches!(step, Step::Left), *id));
        events.extend(all.into_iter().map(|(id, step)| match step {
            Step::Left => Event::ParticipantLeft {
                participant: id,
                reason: gone.get(&id).copied().unwrap_or(LeaveReason::Left),
            },
            Step::Joined(line) => Event::ParticipantJoined {
                participant: (**line).clone(),
            },
            Step::Changed(line) => Event::ParticipantChanged {
                participant: (**line).clone(),
            },
        }));
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
        let sight = Sight {
            role: viewer.role,
            facts: room.facts_present(viewer),
        };
        let now = lobby(room, rules, sight);
        let changed = now != self.lobby;
        self.lobby = now;
        now.filter(|_| changed)
            .map(|count| Event::LobbyCount { count })
    }

    /// Whether this participant was shown to the viewer.
    pub fn shows(&self, participant: ParticipantId) -> bool {
        if self.viewer == Some(participant) {
            self.own.is_some()
        } else {
            self.scene.shown.contains_key(&participant)
        }
    }
}

/// A participant whose connection is away for a moment keeps the view, so that nothing is missed on coming back.
fn seated(facts: Facts) -> Facts {
    facts.with(Standing::Admitted)
}

fn lobby(room: &Room, rules: &Snapshot, sight: Sight) -> Option<LobbyCount> {
    sight
        .allows(rules, ActionKind::SeeLobby)
        .then(|| room.lobby_count())
}

/// Everyone who is in, for a program that may look from outside.
pub fn session(room: &Room, rules: &Snapshot) -> SessionView {
    SessionView {
        session: room.charter().session,
        locked: room.locked(),
        suspended: room.suspended(),
        waiting: room.lobby_count().waiting,
        participants: room
            .people()
            .map(|person| line(room, rules, person))
            .collect(),
        pending: room.people().filter_map(Person::pending_profile).collect(),
    }
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
        stream: person.who.way.stream(),
        uncaptioned: person.uncaptioned,
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
