//! What came of asking a provider what it says of itself. Pure.

use crate::outbound::fetch::FetchError;

/// Scopes and claims that are told of one provider, and bytes of each.
const MOST: usize = 64;
const LONGEST: usize = 64;

/// What a provider says of itself, as far as administrators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Where people sign in.
    pub authorization: String,
    /// Where the server asks.
    pub token: String,
    /// Scopes that it knows.
    pub scopes: Vec<String>,
    /// Claims that it knows.
    pub claims: Vec<String>,
}

/// Why there is nothing that could be used. What a connection failed of is one word, whatever it was: this is no way to look around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undiscovered {
    /// The address cannot be asked.
    Address,
    /// It leads to an internal network.
    Internal,
    /// No connection, no certificate that is trusted, no answer in time, or none that is HTTP.
    Unreachable,
    /// The answer is too large.
    TooLarge,
    /// The answer leads elsewhere.
    Redirect,
    /// The answer is no discovery document.
    NoDiscovery,
    /// It speaks for another issuer.
    OtherIssuer,
    /// Browsers or secrets would be sent to an address that is not plain HTTPS.
    BadEndpoints,
    /// It does not take S256 challenges.
    NoChallenge,
    /// Too much is asked already.
    Busy,
}

impl Discovered {
    /// The first of each, as far as they are short.
    pub(super) fn bounded<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
        let short = texts.filter(|text| text.len() <= LONGEST);
        short.take(MOST).map(str::to_owned).collect()
    }
}

impl Undiscovered {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Internal => "internal",
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too_large",
            Self::Redirect => "redirect",
            Self::NoDiscovery => "no_discovery",
            Self::OtherIssuer => "other_issuer",
            Self::BadEndpoints => "bad_endpoints",
            Self::NoChallenge => "no_challenge",
            Self::Busy => "busy",
        }
    }
}

impl From<FetchError> for Undiscovered {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Address => Self::Address,
            FetchError::Internal => Self::Internal,
            FetchError::TooLarge => Self::TooLarge,
            FetchError::Redirect => Self::Redirect,
            FetchError::Busy => Self::Busy,
            FetchError::TooSlow | FetchError::Unreachable | FetchError::Malformed => {
                Self::Unreachable
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_provider_is_bounded_and_a_failed_connection_is_one_word() {
        let long = "x".repeat(LONGEST + 1);
        let many = std::iter::repeat_n("scope", 1000).chain([long.as_str()]);
        assert_eq!(Discovered::bounded(many).len(), MOST);
        assert!(Discovered::bounded([long.as_str()].into_iter()).is_empty());
        let alike = [
            FetchError::TooSlow,
            FetchError::Unreachable,
            FetchError::Malformed,
        ];
        for error in alike {
            assert_eq!(Undiscovered::from(error).as_str(), "unreachable");
        }
    }
}
