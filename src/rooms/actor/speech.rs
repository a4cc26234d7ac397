//! What the hosts chose about the speech of a room, in a running session: into which languages it is translated, in which it is
//! recognised, and the words that may come up.

use super::RoomActor;
use super::taps::Tap;
use crate::captioner::Told;
use crate::speech::{MOST_WORDS, Speech};

/// Bytes of a name that helps a recogniser.
const MOST_NAME: usize = 64;

impl RoomActor {
    /// Reads what is stored; a room that cannot know it takes nothing for granted and translates nothing.
    pub(super) async fn read_speech(&mut self) {
        let charter = self.room.charter();
        let (org, room) = (charter.org, charter.room);
        match self.means.store.speech(org, room).await {
            Ok(speech) => self.take_speech(speech),
            Err(_) => {
                tracing::warn!("the languages of a room cannot be read: it is not translated");
                self.take_speech(Speech {
                    allowed: Some(std::collections::BTreeSet::new()),
                    ..Speech::default()
                });
            }
        }
    }

    /// The latest of all choices counts. What may not be translated any more is cut off at once; who is listened to is listened
    /// to anew, if that is done in another way now.
    pub(super) fn take_speech(&mut self, speech: Speech) {
        let before = &self.captions.speech;
        if speech.revision < before.revision {
            return;
        }
        let anew = speech.spoken != before.spoken || speech.words != before.words;
        let languages = speech.allowed != before.allowed;
        self.captions.speech = speech;
        if languages {
            // First what was promised to readers is ended in the languages that they read, then they read others.
            self.retarget();
            self.captions.count_languages();
            self.captions.drop_disallowed();
        }
        self.captions.anew |= anew;
    }

    /// Ends each track, so that it is opened in the way that was chosen last.
    pub(super) async fn listen_anew(&mut self) {
        if !std::mem::take(&mut self.captions.anew) {
            return;
        }
        let open: Vec<_> = self.captions.taps.iter().collect();
        let open: Vec<_> = open
            .into_iter()
            .filter_map(|(participant, tap)| match tap {
                Tap::Open { track } => Some((*participant, *track)),
                Tap::Asked | Tap::Rests { .. } => None,
            })
            .collect();
        let room = self.room.charter().room;
        for (participant, track) in open {
            self.captions.desk.close(track);
            self.means.media.unlisten(room, participant).await;
            self.end_cue(track);
            self.captions.taps.remove(&participant);
        }
    }

    /// What a recogniser is told of this room: the words of the hosts first, and the names of who is in as far as there is room
    /// for them and the operator lets that be.
    pub(super) fn told(&self) -> Told {
        let speech = &self.captions.speech;
        let mut words = speech.words.as_slice().to_vec();
        if self.captions.desk.tells_names() {
            let names = self.room.people().map(|person| person.who.name.clone());
            let names = names.filter(|name| (1..=MOST_NAME).contains(&name.len()));
            for name in names {
                if words.len() >= MOST_WORDS {
                    break;
                }
                if !words.contains(&name) {
                    words.push(name);
                }
            }
        }
        Told {
            language: speech
                .spoken
                .as_ref()
                .map(|spoken| spoken.as_str().to_owned()),
            words,
        }
    }
}
