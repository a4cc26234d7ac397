//! What settings would mean, shown before they are changed, and presets: many permitted changes that are made together or
//! not at all.

use conclave_policy::actions::ReadRoom;
use conclave_policy::presets::Preset;
use conclave_policy::preview::{entry, preview};
use conclave_policy::settings::SettingKey;

use super::RoomActor;
use super::settings::Answer;
use crate::bounded::Text;
use crate::ids::ParticipantId;
use crate::rooms::levels::refused;
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;

impl RoomActor {
    pub(super) fn on_preview(
        &mut self,
        by: ParticipantId,
        id: u32,
        key: Option<&Text<64>>,
        value: Option<&Text<64>>,
    ) {
        let shown = self.preview(by, key, value);
        self.answer(by, id, shown);
    }

    fn preview(
        &self,
        by: ParticipantId,
        key: Option<&Text<64>>,
        value: Option<&Text<64>>,
    ) -> Result<Done, ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let charter = self.room.charter();
        let facts = self.room.facts_of(person);
        let looked = self.means.guard.look(
            charter.org,
            person.who.actor,
            person.role,
            charter.room,
            &facts,
            ReadRoom,
        );
        let _permit = looked.map_err(|denied| ErrorCode::of(&denied))?;
        let rules = self.means.guard.snapshot();
        let (moment, levels) = (self.room.moment(), self.room.levels());
        let lines = match (key, value) {
            (None, None) => entry(&rules, moment, levels.setup()),
            (Some(key), Some(value)) => {
                let key: SettingKey = known(key.as_str().parse())?;
                let value = known(key.parse_choice(value.as_str()))?;
                let then = levels.setup_with(key, value).map_err(refused)?;
                preview(&rules, moment, levels.setup(), then)
            }
            _ => return Err(ErrorCode::InvalidValue),
        };
        Ok(Done::Preview { lines })
    }

    /// Every change needs its permit; what a lock keeps is told, and not even asked for.
    pub(super) fn on_preset(&mut self, by: ParticipantId, id: u32, preset: Preset) {
        let application = preset.applied_to(self.room.levels());
        let changed = application.changes.iter().map(|(key, _)| *key).collect();
        let answer = Answer::Preset {
            changed,
            kept: application.kept,
        };
        self.change_settings(by, id, &application.changes, application.kind, answer);
    }
}

fn known<T, E>(parsed: Result<T, E>) -> Result<T, ErrorCode> {
    parsed.map_err(|_| ErrorCode::InvalidValue)
}
