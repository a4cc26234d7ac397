//! Another name or picture for someone in the room. Whatever way the wish comes (a request, the account, a new entry), it
//! goes through one door: at once where the rules say so, otherwise to those who may decide.

use std::time::Duration;

use conclave_policy::actions::{ActionKind, ChangeProfile, DecideProfile, ProposeProfile};

use super::{Act, RoomActor, Waited, durable};
use crate::auth::limits::Rate;
use crate::auth::name::DisplayName;
use crate::bounded::Text;
use crate::ids::{ActorId, ParticipantId, PictureId};
use crate::rooms::outbound::Done;
use crate::rooms::refusal::ErrorCode;
use crate::rooms::view::Profile;

/// How often one identity may ask: a person corrects themselves at once, and hosts are not to be kept busy.
pub(super) const PACE: Rate = Rate::new(3, Duration::from_secs(10));
/// Identities whose pace is remembered.
pub(super) const PACED: usize = 1024;

/// What someone wants to show; what is left out stays as it was shown or asked for last.
#[derive(Debug, Default)]
pub(super) struct Wish {
    name: Option<String>,
    /// Whether the name is not quite what was typed.
    normalised: bool,
    picture: Option<Option<PictureId>>,
}

impl Wish {
    /// Everything of a profile.
    pub(super) fn all(profile: Profile) -> Self {
        Self {
            name: Some(profile.name),
            normalised: false,
            picture: Some(profile.picture),
        }
    }

    fn onto(&self, mut profile: Profile) -> Profile {
        if let Some(name) = &self.name {
            profile.name.clone_from(name);
        }
        if let Some(picture) = self.picture {
            profile.picture = picture;
        }
        profile
    }
}

impl RoomActor {
    pub(super) fn on_change_profile(
        &mut self,
        by: ParticipantId,
        id: u32,
        name: Option<Text<1024>>,
        picture: Option<Option<PictureId>>,
    ) {
        let wish = match self.wish(by, name, picture) {
            Ok(wish) => wish,
            Err(code) => return self.answer(by, id, Err(code)),
        };
        let owner = self.room.person(by).map(|person| person.who.actor);
        let (Some(Some(picture)), Some(owner)) = (picture, owner) else {
            return self.change_profile(by, Some(id), wish);
        };
        // Looked up beside the room, which goes on meanwhile. Nobody shows a picture of somebody else's.
        let (store, org) = (self.means.store.clone(), self.room.charter().org);
        self.waits.push(Box::pin(async move {
            let own = store.holds_picture(org, owner, picture).await;
            let act: Act = Box::new(move |actor: &mut Self| {
                match own {
                    Ok(true) => actor.change_profile(by, Some(id), wish),
                    Ok(false) => actor.answer(by, id, Err(ErrorCode::NotFound)),
                    Err(_) => actor.answer(by, id, Err(ErrorCode::Unavailable)),
                }
                Ok(Done::Done {})
            });
            Waited::Grant {
                by: None,
                durable: true,
                act,
            }
        }));
    }

    /// Approving acts when its row is durable, refusing at once.
    pub(super) fn on_decide_profile(
        &mut self,
        by: ParticipantId,
        id: u32,
        participant: ParticipantId,
        version: u32,
        approve: bool,
    ) {
        let action = DecideProfile {
            participant,
            version,
            approve,
        };
        if approve {
            self.grant(by, id, action);
        } else {
            self.cut(by, id, action);
        }
    }

    /// The profile that an account comes with was changed from outside: wherever it is in the room, that is a wish.
    pub(super) fn on_profile_changed(&mut self, actor: ActorId, profile: &Profile) {
        let seats: Vec<_> = self
            .room
            .people()
            .filter(|person| person.who.actor == actor)
            .map(|person| person.id)
            .collect();
        for participant in seats {
            self.change_profile(participant, None, Wish::all(profile.clone()));
        }
    }

    /// Who came in by themselves shows what they showed before; what they came with now is a wish.
    pub(super) fn on_entered(&mut self, participant: ParticipantId, came_with: Profile) {
        let shown = self
            .room
            .person(participant)
            .map(|person| person.who.profile());
        if shown.is_some_and(|shown| shown != came_with) {
            self.change_profile(participant, None, Wish::all(came_with));
        }
    }

    fn wish(
        &mut self,
        by: ParticipantId,
        name: Option<Text<1024>>,
        picture: Option<Option<PictureId>>,
    ) -> Result<Wish, ErrorCode> {
        if name.is_none() && picture.is_none() {
            return Err(ErrorCode::InvalidValue);
        }
        let mut wish = Wish {
            picture,
            ..Wish::default()
        };
        if let Some(typed) = name {
            let name = DisplayName::parse(typed.as_str()).map_err(|_| ErrorCode::InvalidValue)?;
            wish.normalised = name.as_str() != typed.as_str().trim();
            wish.name = Some(name.as_str().to_owned());
        }
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        // Before the guard: a flood is no row in the trail either.
        self.profile_pace
            .take(person.who.actor, self.means.clock.instant())
            .map_err(|_| ErrorCode::RateLimited)?;
        Ok(wish)
    }

    fn change_profile(&mut self, by: ParticipantId, reply: Option<u32>, wish: Wish) {
        let Some(person) = self.room.person(by) else {
            return;
        };
        let at_once = self.means.guard.snapshot().allows(
            ActionKind::ChangeProfile,
            person.role,
            &self.room.facts_own(person),
        );
        let done = if at_once {
            self.show_at_once(by, reply, wish)
        } else {
            self.propose(by, reply, &wish)
        };
        if let (Err(code), Some(id)) = (done, reply) {
            self.answer(by, id, Err(code));
        }
    }

    fn show_at_once(
        &mut self,
        by: ParticipantId,
        reply: Option<u32>,
        wish: Wish,
    ) -> Result<(), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let charter = self.room.charter();
        let (permit, audit) = self.means.guard.ask_about(
            charter.org,
            person.who.actor,
            person.role,
            charter.room,
            &self.room.facts_own(person),
            ChangeProfile { participant: by },
            person.who.actor,
        );
        let permit = permit.map_err(|denied| ErrorCode::of(&denied))?;
        let act: Act = Box::new(move |actor: &mut Self| {
            let person = actor.room.person(by).ok_or(ErrorCode::NotFound)?;
            let facts = actor.room.facts_own(person);
            let rules = actor.means.guard.snapshot();
            // The setting may have been taken back while the row was written.
            if !rules.allows(ActionKind::ChangeProfile, person.role, &facts) {
                return Err(ErrorCode::NotAllowed);
            }
            let new = wish.onto(person.who.profile());
            let now = actor.means.clock.now();
            actor.room.change_profile(permit, new, now)?;
            Ok(Done::Done {})
        });
        self.hold(reply.map(|id| (by, id)), audit, act);
        Ok(())
    }

    fn propose(
        &mut self,
        by: ParticipantId,
        reply: Option<u32>,
        wish: &Wish,
    ) -> Result<(), ErrorCode> {
        let person = self.room.person(by).ok_or(ErrorCode::NotFound)?;
        let new = wish.onto(person.wished_profile());
        let charter = self.room.charter();
        let (permit, audit) = self.means.guard.ask_about(
            charter.org,
            person.who.actor,
            person.role,
            charter.room,
            &self.room.facts_own(person),
            ProposeProfile { participant: by },
            person.who.actor,
        );
        let permit = permit.map_err(|denied| ErrorCode::of(&denied))?;
        let now = self.means.clock.now();
        // It may be seen by those who decide before its row is durable: nothing that others see has changed.
        let proposed = self.room.propose_profile(permit, new, wish.normalised, now);
        let (Ok(version), Some(id)) = (proposed, reply) else {
            self.note(audit);
            return proposed.map(|_| ());
        };
        let done = version.map_or(Done::Done {}, |version| Done::Held { version });
        self.answer_when(by, id, vec![durable(audit)], done);
        Ok(())
    }
}
