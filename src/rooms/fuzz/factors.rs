//! Second factors in the life of a room: asked for and not, shown and not.

use conclave_policy::actions::OrgOption;

use super::Life;
use crate::rooms::levels::Names;
use crate::rooms::person::Person;

impl Life {
    /// The organisation asks for second factors, or no longer; or a session shows one, or is another that has shown none.
    pub(super) fn factors(&mut self, what: u8, who: Option<Person>) {
        match who {
            Some(person) if !what.is_multiple_of(4) => {
                let shown = what % 4 != 1;
                self.room.factor_known(person.id, shown, self.now);
            }
            _ => {
                let org = self.room.levels().org();
                let asked = !org.asks_factor();
                let org = org.with_option(OrgOption::RequireSecondFactor, asked);
                self.room.org_chosen(org, &Names::new(), self.now);
            }
        }
    }
}
