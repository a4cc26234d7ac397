//! What the programs that act in a room from outside are called, for those inside who see what was done and by whom.

use std::collections::VecDeque;

use crate::ids::ActorId;

/// Calls of programs that one room has under way at a time, and so the most names that have to be known at once.
pub(super) const MOST: usize = 256;

/// The programs that acted last, by what their keys are called.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(VecDeque<(ActorId, String)>);

impl Callers {
    /// A program acts. The one that acted least recently is forgotten when there are too many.
    pub(super) fn note(&mut self, actor: ActorId, name: String) {
        self.0.retain(|(known, _)| *known != actor);
        self.0.push_front((actor, name));
        self.0.truncate(MOST);
    }

    /// What it is called.
    pub(super) fn name(&self, actor: ActorId) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == actor);
        found.map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(number: u16) -> ActorId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ActorId::from_bytes(bytes)
    }

    #[test]
    fn programs_that_act_at_once_keep_their_names() {
        let mut callers = Callers::default();
        for number in 0..256 {
            callers.note(actor(number), format!("Program {number}"));
        }
        assert_eq!(callers.name(actor(0)), Some("Program 0"));
        assert_eq!(callers.name(actor(255)), Some("Program 255"));
        callers.note(actor(0), "Renamed".into());
        callers.note(actor(256), "One more".into());
        assert_eq!(callers.name(actor(0)), Some("Renamed"));
        assert_eq!(callers.name(actor(1)), None, "it acted least recently");
        assert_eq!(callers.name(actor(2)), Some("Program 2"));
    }
}
