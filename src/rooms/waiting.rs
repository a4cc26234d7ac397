//! How those who wait are shown to hosts: line by line, in pages, and in numbers, with whom a name may be taken for.

use crate::ids::{AccountId, KnockId, ParticipantId};
use crate::likeness::Likeness;
use crate::rooms::effect::Effect;
use crate::rooms::lobby::{Knock, PAGE};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::room::Room;
use crate::rooms::view::{Event, KnockView, LobbyCount};

impl Room {
    /// The first of those who wait, as hosts see them.
    pub fn knock_views(&self) -> Vec<KnockView> {
        self.lobby
            .in_order()
            .take(PAGE)
            .map(|knock| self.knock_view(knock))
            .collect()
    }

    /// The next of those who wait.
    pub fn knock_page(
        &self,
        after: Option<KnockId>,
        most: usize,
    ) -> Result<Vec<KnockView>, ErrorCode> {
        let page = self.lobby.page(after, most)?;
        Ok(page
            .into_iter()
            .map(|knock| self.knock_view(knock))
            .collect())
    }

    /// Someone who waits, as hosts see them: also whom they may be taken for, and who has agreed to let them in.
    pub(in crate::rooms) fn knock_view(&self, knock: &Knock) -> KnockView {
        let agreed_by = knock.agreed_by.map(|actor| self.name_of(actor));
        let likeness = Likeness::of(&knock.who.name);
        let similar_to = self
            .leaders()
            .filter(|(account, _)| knock.who.account != Some(*account))
            .map(|(_, name)| name)
            .find(|name| likeness.resembles(&Likeness::of(name)))
            .map(str::to_owned);
        self.lobby.view(knock, similar_to, agreed_by)
    }

    /// Who leads here, in the room or not, with their names.
    pub(in crate::rooms) fn leaders(&self) -> impl Iterator<Item = (AccountId, &str)> {
        let present = self
            .people
            .values()
            .filter(|person| person.role.is_moderator())
            .filter_map(|person| Some((person.who.account?, person.who.name.as_str())));
        let appointed = self.charter.leaders.iter();
        present.chain(appointed.map(|(account, name)| (*account, name.as_str())))
    }

    /// Tells the hosts of a line of the waiting room, while it is short enough to be shown whole.
    pub(in crate::rooms) fn tell_of_knock(&mut self, knock: KnockView) {
        if self.lobby.len() <= PAGE {
            self.effects.push_back(Effect::TellModerators {
                event: Event::Knocked { knock },
            });
        }
    }

    /// Shows the waiting room to someone who has just become a host, or takes it from their sight.
    pub(in crate::rooms) fn show_lobby(&mut self, to: ParticipantId) {
        let led = self
            .people
            .get(&to)
            .is_some_and(|person| self.leads(person));
        let knocks = led.then(|| self.knock_views());
        self.tell(to, Event::Lobby { knocks });
    }

    /// How many wait.
    pub fn lobby_count(&self) -> LobbyCount {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        LobbyCount {
            waiting: number(self.lobby.len()),
            suspected: number(self.lobby.suspected()),
        }
    }
}
