//! The actions that are not like the others: by what facts of their own they are decided, and what the audit trail says of
//! them. Whether they are allowed stands in `rules.csv`, never here.

use crate::actions::{
    Action, ActionKind, ChangeKind, ChangeOption, ChangeOrgSetting, ChangeSetting, DecideProfile,
    DeleteChat, DeleteTranscript, ManageWebhooks, MessageWaiting, OrgOption, Publish,
    ReadTranscript, SetRole, Spotlight, Unbar,
};
use crate::facts::Facts;
use crate::roles::Role;

impl Action for ReadTranscript {
    fn kind(&self) -> ActionKind {
        ActionKind::ReadTranscript
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        self.session.map(|session| *session.as_bytes())
    }
}

impl Action for DeleteTranscript {
    fn kind(&self) -> ActionKind {
        ActionKind::DeleteTranscript
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.session.as_bytes())
    }
}

impl Action for Unbar {
    fn kind(&self) -> ActionKind {
        ActionKind::Unbar
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.bar.as_bytes())
    }
}

impl Action for Spotlight {
    fn kind(&self) -> ActionKind {
        ActionKind::Spotlight
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        self.participant.map(|participant| *participant.as_bytes())
    }
}

impl Action for MessageWaiting {
    fn kind(&self) -> ActionKind {
        ActionKind::MessageWaiting
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        self.knock.map(|knock| *knock.as_bytes())
    }
}

impl Action for Publish {
    fn kind(&self) -> ActionKind {
        ActionKind::publish(self.source)
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.participant.as_bytes())
    }
}

impl Action for DecideProfile {
    fn kind(&self) -> ActionKind {
        ActionKind::DecideProfile
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.participant.as_bytes())
    }

    fn audit_words(&self) -> Option<String> {
        Some(if self.approve { "approve" } else { "refuse" }.to_owned())
    }
}

impl Action for SetRole {
    fn kind(&self) -> ActionKind {
        ActionKind::SetRole
    }

    fn settle(&self, facts: Facts) -> Facts {
        facts.with(self.role)
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.participant.as_bytes())
    }

    fn audit_words(&self) -> Option<String> {
        Some(Role::from(self.role).as_str().to_owned())
    }
}

impl Action for DeleteChat {
    fn kind(&self) -> ActionKind {
        ActionKind::DeleteChat
    }

    fn audit_words(&self) -> Option<String> {
        Some(self.number.to_string())
    }
}

impl Action for ChangeSetting {
    fn kind(&self) -> ActionKind {
        ActionKind::ChangeSetting
    }

    fn settle(&self, facts: Facts) -> Facts {
        facts.with(self.key.who_may_relax())
    }

    fn audit_words(&self) -> Option<String> {
        Some(format!("{}={}", self.key, self.value))
    }
}

impl Action for ChangeKind {
    fn kind(&self) -> ActionKind {
        ActionKind::ChangeKind
    }

    fn audit_words(&self) -> Option<String> {
        Some(self.kind.as_str().to_owned())
    }
}

impl Action for ChangeOrgSetting {
    fn kind(&self) -> ActionKind {
        ActionKind::ChangeOrgSetting
    }

    fn settle(&self, facts: Facts) -> Facts {
        facts.with(self.key.who_may_relax())
    }

    fn audit_words(&self) -> Option<String> {
        let held = if self.locked { " locked" } else { "" };
        Some(format!("{}={}{held}", self.key, self.value))
    }
}

impl Action for ManageWebhooks {
    fn kind(&self) -> ActionKind {
        ActionKind::ManageWebhooks
    }

    fn audit_target(&self) -> Option<[u8; 16]> {
        Some(*self.webhook.as_bytes())
    }

    fn audit_words(&self) -> Option<String> {
        Some(self.deed.as_str().to_owned())
    }
}

impl Action for ChangeOption {
    fn kind(&self) -> ActionKind {
        match self.option {
            OrgOption::TwoPersonAdmission => ActionKind::ChangeOption,
            OrgOption::RequireSecondFactor => ActionKind::ChangeFactorOption,
        }
    }

    fn audit_words(&self) -> Option<String> {
        let value = if self.on { "on" } else { "off" };
        Some(format!("{}={value}", self.option.as_str()))
    }
}
