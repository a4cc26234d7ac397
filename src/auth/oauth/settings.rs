//! What the operator says of a provider, and whether it goes together.

use std::path::PathBuf;

use openidconnect::url::Url;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Providers of one organisation at most: they stand as buttons on one page.
pub const MOST: usize = 16;
/// Rules of one kind, and values of one rule.
const MOST_RULES: usize = 32;
/// Bytes of any one text.
const MAX_TEXT: usize = 256;

/// A provider that people may sign in with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// What it is called in addresses: lower-case letters, digits and `-`. It is part of the redirect address that is
    /// registered with the provider, so that no two share one.
    pub id: String,
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// What stands on its button.
    pub name: String,
    /// Its issuer, to the letter. Only for `openid`; the others have theirs.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What the provider calls this server.
    pub client_id: String,
    /// What it shares with this server.
    #[serde(default)]
    pub client_secret: Option<Secret<String>>,
    /// A file that holds the secret, in place of `client_secret`.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Scopes beside `openid`, such as `groups`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A PEM file of certificate authorities, for a provider that no public one vouches for.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
    /// Whether the issuer's own host may have an internal address. Other hosts that it names may not.
    #[serde(default)]
    pub internal: bool,
    /// Who has an account.
    #[serde(default)]
    pub accounts: Accounts,
    /// All of these must hold, or nobody comes in by it.
    #[serde(default)]
    pub required: Vec<Rule>,
    /// Any of these lets someone create rooms, for as long as it holds.
    #[serde(default)]
    pub creators: Vec<Rule>,
    /// Any of these makes someone an administrator of the organisation, for as long as it holds.
    #[serde(default)]
    pub admins: Vec<Rule>,
    /// Any of these says that a second factor was shown.
    #[serde(default)]
    pub second_factor: Vec<Rule>,
}

/// The protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// OpenID Connect with discovery.
    OpenId,
    /// Google, by OpenID Connect.
    Google,
    /// Facebook, by OAuth 2 and Graph.
    Facebook,
}

impl ProviderKind {
    /// Its name in settings and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Google => "google",
            Self::Facebook => "facebook",
        }
    }

    /// The issuer of those that have one of their own.
    pub(crate) const fn issuer(self) -> &'static str {
        match self {
            Self::Facebook => "https://www.facebook.com",
            Self::Google | Self::OpenId => "https://accounts.google.com",
        }
    }
}

/// Who has an account, among those who prove an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounts {
    /// Whoever linked the identity to theirs before.
    #[default]
    Linked,
    /// Everyone whom `required` lets in: they get a new account the first time.
    Made,
}

/// Something that a provider may say of someone: a claim that is, or holds, one of these values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The claim, such as `groups`, `hd`, `acr` or `amr`.
    pub claim: String,
    /// The values, to the letter.
    pub values: Vec<String>,
}

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its identifier is none.
    Id,
    /// Its name is missing or too long.
    Name,
    /// What it calls this server is missing or too long.
    Client,
    /// There is no secret, or there are two.
    Secret,
    /// There is no issuer.
    NoIssuer,
    /// Google and Facebook are their own issuers.
    OwnIssuer,
    /// The issuer cannot be one.
    Issuer,
    /// The operator has it already, with rules that are not to be gone around.
    Taken,
    /// It is on an internal network.
    Internal,
    /// Everyone in the world would have an account.
    Everyone,
    /// The scopes are none.
    Scopes,
    /// A rule is none.
    Rule,
    /// A rule goes by an e-mail address.
    Mail,
}

impl Fault {
    /// For whoever writes settings.
    const fn text(self) -> &'static str {
        match self {
            Self::Id => "`id` has 1 to 32 lower-case letters, digits and `-`",
            Self::Name => "`name` has 1 to 64 bytes",
            Self::Client => "`client_id` has 1 to 256 bytes",
            Self::Secret => "one of `client_secret` and `client_secret_file` is needed",
            Self::NoIssuer => "`issuer` is needed",
            Self::OwnIssuer => "`issuer` is Google's own",
            Self::Issuer => "`issuer` is an https address without user, query and fragment",
            Self::Taken => "`issuer` stands there twice",
            Self::Internal => "`issuer` is on an internal network",
            Self::Everyone => {
                "`accounts = \"made\"` without `required` would give everyone in the world an account"
            }
            Self::Scopes => "`scopes` are at most 32 words",
            Self::Rule => {
                "a rule has a `claim` and 1 to 32 `values`, and there are at most 32 rules"
            }
            Self::Mail => {
                "no rule goes by an e-mail address, which its provider may let anyone choose"
            }
        }
    }

    /// For whoever fills in a page.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Id => "That identifier cannot be used.",
            Self::Name => "The name is missing or longer than 64 letters.",
            Self::Client => "The client ID is missing or longer than 256 letters.",
            Self::Secret => "The client secret is missing.",
            Self::NoIssuer => "The issuer is missing.",
            Self::OwnIssuer => "Google and Facebook have an issuer of their own.",
            Self::Issuer => {
                "The issuer must be an address of the form https://host or https://host/path, and nothing behind it."
            }
            Self::Taken => {
                "The operator of this server has set up that issuer already, with rules of its own."
            }
            Self::Internal => {
                "The issuer is on an internal network. Only the operator of this server can allow it."
            }
            Self::Everyone => {
                "Say who may come in first: without such a rule everyone in the world would get an account."
            }
            Self::Scopes => "Scopes are at most 32 words without spaces in them.",
            Self::Rule => "Each rule needs a claim and 1 to 32 values.",
            Self::Mail => {
                "No rule can go by an e-mail address: a provider may let anyone choose theirs."
            }
        }
    }
}

impl ProviderSettings {
    /// The issuer that identities are kept under.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or(self.kind.issuer())
    }

    /// What is wrong with a list of them, each with its key.
    pub fn check(all: &[Self], wrong: &mut Vec<String>) {
        if all.len() > MOST {
            wrong.push(format!("`providers`: at most {MOST}"));
        }
        for (at, one) in all.iter().enumerate() {
            let twice = all.iter().take(at).any(|other| other.id == one.id);
            if twice {
                wrong.push(format!("`providers`: `{}` stands there twice", one.id));
            }
            for fault in one.faults() {
                wrong.push(format!("`providers`: `{}`: {}", one.id, fault.text()));
            }
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut unless = |good: bool, fault| {
            if !good {
                faults.push(fault);
            }
        };
        let plain = |text: &str| {
            (1..=32).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        unless(plain(&self.id), Fault::Id);
        unless((1..=64).contains(&self.name.len()), Fault::Name);
        unless(
            (1..=MAX_TEXT).contains(&self.client_id.len()),
            Fault::Client,
        );
        unless(
            self.client_secret.is_some() != self.client_secret_file.is_some(),
            Fault::Secret,
        );
        unless(
            self.kind != ProviderKind::OpenId || self.issuer.is_some(),
            Fault::NoIssuer,
        );
        unless(
            self.kind != ProviderKind::Google || self.issuer.is_none(),
            Fault::OwnIssuer,
        );
        unless(self.issuer.as_deref().is_none_or(is_issuer), Fault::Issuer);
        unless(
            self.accounts == Accounts::Linked || !self.required.is_empty(),
            Fault::Everyone,
        );
        let scopes = self.scopes.len() <= MOST_RULES
            && self.scopes.iter().all(|scope| {
                (1..=64).contains(&scope.len()) && scope.bytes().all(|byte| byte.is_ascii_graphic())
            });
        unless(scopes, Fault::Scopes);
        for rules in [
            &self.required,
            &self.creators,
            &self.admins,
            &self.second_factor,
        ] {
            let sound = rules.len() <= MOST_RULES
                && rules.iter().all(|rule| {
                    !rule.claim.is_empty()
                        && rule.claim.len() <= MAX_TEXT
                        && (1..=MOST_RULES).contains(&rule.values.len())
                });
            unless(sound, Fault::Rule);
            unless(
                rules.iter().all(|rule| !rule.claim.starts_with("email")),
                Fault::Mail,
            );
        }
        faults
    }
}

fn is_issuer(text: &str) -> bool {
    text.len() <= MAX_TEXT
        && Url::parse(text).is_ok_and(|url| {
            url.scheme() == "https"
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        let settings: ProviderSettings = toml::from_str(text).unwrap();
        let mut wrong = Vec::new();
        ProviderSettings::check(&[settings], &mut wrong);
        wrong.join("\n")
    }

    const GOOD: &str =
        "id = \"x\"\nkind = \"openid\"\nname = \"X\"\nclient_id = \"c\"\nclient_secret = \"s\"\n";

    #[test]
    fn a_provider_is_refused_for_what_is_missing_or_too_open() {
        let with = |more: &str| faults(&format!("{GOOD}{more}"));
        assert_eq!(with("issuer = \"https://id.example.org/realm\""), "");
        assert!(with("").contains("issuer"));
        for issuer in [
            "http://id.example.org",
            "https://user@id.example.org",
            "https://id.example.org?x=1",
            "https://id.example.org#x",
            "id.example.org",
        ] {
            assert!(
                with(&format!("issuer = \"{issuer}\"")).contains("issuer"),
                "{issuer}"
            );
        }
        let issuer = "issuer = \"https://id.example.org\"\n";
        assert!(with(&format!("{issuer}accounts = \"made\"")).contains("everyone in the world"));
        let by_mail = "required = [{ claim = \"email\", values = [\"a@example.org\"] }]";
        assert!(with(&format!("{issuer}{by_mail}")).contains("e-mail"));
    }

    #[test]
    fn two_providers_do_not_share_a_redirect_address() {
        let one: ProviderSettings =
            toml::from_str(&format!("{GOOD}issuer = \"https://id.example.org\"")).unwrap();
        let mut wrong = Vec::new();
        ProviderSettings::check(&[one.clone(), one], &mut wrong);
        assert!(wrong.iter().any(|fault| fault.contains("twice")));
    }
}
