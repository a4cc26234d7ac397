//! Who vouches for the name of someone who waits, as hosts see it.

use serde::Serialize;

use crate::rooms::person::Applicant;

/// Who vouches for someone who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IdentityView {
    /// Signed in with this organisation.
    Account {
        /// Its name.
        organisation: String,
    },
    /// Came by a link that a host made under this name; the shown name is still the guest's own word.
    GuestLink {
        /// Whom the link was made for.
        label: String,
    },
    /// Brought by another product, which vouches for the shown name.
    Product {
        /// What its key is called.
        label: String,
    },
    /// A stream with a token that a host made under this name.
    StreamToken {
        /// What the host calls it.
        label: String,
    },
    /// Nobody.
    Unverified,
}

impl IdentityView {
    /// Who vouches for this one.
    pub fn of(who: &Applicant) -> Self {
        if let (false, Some(by)) = (who.signed_in(), &who.brought) {
            return Self::Product {
                label: by.product.clone(),
            };
        }
        match (who.signed_in(), &who.link, who.way.token()) {
            (true, ..) => Self::Account {
                organisation: who.organisation.clone().unwrap_or_default(),
            },
            (false, Some(link), _) => Self::GuestLink {
                label: link.label.clone(),
            },
            (false, None, Some(_)) => Self::StreamToken {
                label: who.name.clone(),
            },
            (false, None, None) => Self::Unverified,
        }
    }
}
