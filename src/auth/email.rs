//! E-mail addresses, as far as a sign-in needs them: one spelling for each, and a bound.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// RFC 5321, section 4.5.3.1: 64 for the local part, 254 for the path without its brackets.
const MAX_LOCAL: usize = 64;
const MAX_BYTES: usize = 254;
const MAX_LABEL: usize = 63;

/// An address in lower case.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Email(String);

/// The text is not an address that can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("that is not an e-mail address")]
pub struct EmailError;

impl Email {
    /// Reads an address: ASCII, unquoted local part, a domain name.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim_matches(' ');
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return Err(EmailError);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError)?;
        if is_local(local) && domain.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(EmailError)
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// RFC 5322 dot-atom.
fn is_local(local: &str) -> bool {
    local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= MAX_LABEL
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        let email = Email::parse(" First.Member+Label@Example.ORG ").unwrap();
        assert_eq!(email.as_str(), "first.member+label@example.org");
        assert_eq!(format!("{email:?}"), "[redacted]");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "x".repeat(65));
        let longer = format!("x@{}", "a.".repeat(200));
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b..c",
            ".a@b",
            "a.@b",
            "a@-b",
            "a@b-",
            "a\n@b",
            "a@b\0",
            "ä@b",
            "\"a\"@b",
            "a@[1.2.3.4]",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad}");
        }
    }
}
