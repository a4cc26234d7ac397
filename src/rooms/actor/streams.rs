//! Streams that come and go over HTTP: one that waits asks again, and a viewer, which cannot say what it wants to see, is shown
//! what there is. Whether a stream may be here is decided at the door like for anyone.

use conclave_policy::actions::ActionKind;
use conclave_policy::source::{Source, StreamKind};

use super::{Place, RoomActor};
use crate::ids::ParticipantId;
use crate::media::event::{Receive, View};
use crate::rooms::seat::ConnectionId;

/// Pictures that a viewer is offered; it shows as many as its offer has places.
const MOST_SHOWN: usize = 120;
/// The size in which a viewer shows a picture, as far as anyone knows.
const SIZE: (u16, u16) = (1920, 1080);

impl RoomActor {
    /// A stream with a token comes in as soon as the door is open to it: there is a host now, or room. For any other the answer is
    /// the same as before, and only a host changes it.
    pub(super) fn on_knock_again(&mut self, connection: ConnectionId) {
        let Some(Place::Waiting(knock)) = self.places.get(&connection).copied() else {
            return;
        };
        let Some(waiting) = self.room.lobby().get(knock) else {
            return;
        };
        let (who, facts) = (waiting.who.clone(), self.room.facts_outside(&waiting.who));
        let rules = self.means.guard.snapshot();
        let role = self.room.role_of(&who);
        if who.way.token().is_none() || !rules.allows(ActionKind::Enter, role, &facts) {
            return;
        }
        self.places.remove(&connection);
        self.room.stop_waiting(knock);
        if let Some(connection) = self.waiting.remove(&knock) {
            self.on_enter(connection, who, &facts);
        }
    }

    /// Shows every viewer the pictures that there are now, in the order in which they began.
    pub(super) async fn look_for_viewers(&mut self) {
        let viewers: Vec<ParticipantId> = self
            .room
            .people()
            .filter(|person| person.who.way.stream() == Some(StreamKind::Viewer))
            .map(|person| person.id)
            .collect();
        if viewers.is_empty() {
            self.pictures.clear();
            return;
        }
        self.follow_pictures();
        for viewer in viewers {
            self.show_pictures(viewer).await;
        }
    }

    /// The same for one that has a new transport.
    pub(super) async fn look_anew(&mut self, viewer: ParticipantId) {
        let person = self.room.person(viewer);
        if person.is_some_and(|p| p.who.way.stream() == Some(StreamKind::Viewer)) {
            if let Some(seat) = self.seats.get_mut(&viewer) {
                seat.looks.clear();
            }
            self.follow_pictures();
            self.show_pictures(viewer).await;
        }
    }

    /// Keeps the pictures that are on in the order in which they began.
    fn follow_pictures(&mut self) {
        let mut on: Vec<(ParticipantId, Source)> = Vec::new();
        for person in self.room.people() {
            let pictures = [Source::Camera, Source::Screen];
            let live = pictures.into_iter().filter(|s| person.floor.is_live(*s));
            on.extend(live.map(|source| (person.id, source)));
        }
        self.pictures.retain(|picture| on.contains(picture));
        for picture in on {
            if !self.pictures.contains(&picture) {
                self.pictures.push(picture);
            }
        }
    }

    async fn show_pictures(&mut self, viewer: ParticipantId) {
        let spotlight = self.room.spotlight();
        let Some(seat) = self.seats.get_mut(&viewer) else {
            return;
        };
        let shown = self
            .pictures
            .iter()
            .filter(|(participant, _)| seat.projection.shows(*participant))
            .take(MOST_SHOWN);
        let looks: Vec<View> = shown
            .map(|(participant, source)| View {
                participant: *participant,
                source: *source,
                width: SIZE.0,
                height: SIZE.1,
                spotlight: spotlight == Some(*participant),
            })
            .collect();
        if looks == seat.looks {
            return;
        }
        seat.looks.clone_from(&looks);
        let room = self.room.charter().room;
        // Without a transport there is nothing to show it on yet.
        let most = Receive::default();
        let _not_yet = self.means.media.view(room, viewer, looks, most).await;
    }
}
