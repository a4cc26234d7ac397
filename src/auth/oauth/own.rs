//! What an organisation says of a provider of its own, and what the operator lets it say. An internal network, other authorities and another
//! Facebook are the operator's alone to name.

use std::path::PathBuf;

use rustls::RootCertStore;
use serde::{Deserialize, Serialize};

use crate::auth::oauth::provider::ProviderError;
use crate::auth::oauth::settings::{Accounts, Fault, ProviderKind, ProviderSettings, Rule};
use crate::ids::ProviderId;
use crate::outbound::address::written_inside;
use crate::outbound::fetch::place;
use crate::outbound::trust;
use crate::secret::Secret;

/// What the operator says of the providers that organisations have of their own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnSettings {
    /// Hosts of issuers that may have an internal address. All others must be on the public internet.
    pub internal: Vec<String>,
    /// PEM file with authorities of the operator's own, trusted beside those of the system.
    pub authorities: Option<PathBuf>,
}

impl OwnSettings {
    /// Whom they are to be vouched for by; none when this system trusts nobody.
    ///
    /// # Errors
    /// When the operator's file cannot be read.
    pub(crate) fn roots(&self) -> Result<Option<RootCertStore>, ProviderError> {
        let mut roots = RootCertStore::empty();
        let system = trust::system().is_some_and(|path| trust::add(&mut roots, path));
        match &self.authorities {
            Some(path) if !trust::add(&mut roots, path) => {
                Err(ProviderError::Authorities(path.display().to_string()))
            }
            own => Ok((system || own.is_some()).then_some(roots)),
        }
    }

    fn lets_inside(&self, host: &str) -> bool {
        let mut inside = self.internal.iter();
        inside.any(|inside| inside.eq_ignore_ascii_case(host))
    }
}

/// All that is said of a provider but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// What stands on its button.
    pub name: String,
    /// Its issuer, to the letter; only for `openid`.
    pub issuer: Option<String>,
    /// What it calls this server.
    pub client_id: String,
    /// Scopes beside `openid`.
    pub scopes: Vec<String>,
    /// Who has an account.
    pub accounts: Accounts,
    /// All of these must hold, or nobody comes in by it.
    pub required: Vec<Rule>,
    /// Any of these lets someone create rooms.
    pub creators: Vec<Rule>,
    /// Any of these makes someone an administrator.
    pub admins: Vec<Rule>,
    /// Any of these says that a second factor was shown.
    pub second_factor: Vec<Rule>,
}

impl Said {
    /// The issuer that identities are kept under.
    pub(crate) fn known_as(&self) -> &str {
        let own = self
            .issuer
            .as_deref()
            .filter(|_| self.kind == ProviderKind::OpenId);
        own.unwrap_or(self.kind.issuer())
    }

    /// As it is stored; none when it is something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored.
    pub(crate) fn written(&self) -> Secret<String> {
        Secret::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn check(&self, operator: &OwnSettings) -> Result<(), Fault> {
        let any = ProviderId::from_bytes([0; 16]);
        let settings = self.settings(any, Secret::new(String::new()), operator);
        if self.kind != ProviderKind::OpenId && self.issuer.is_some() {
            return Err(Fault::OwnIssuer);
        }
        if let Some(fault) = settings.faults().into_iter().next() {
            return Err(fault);
        }
        let host = self.host().ok_or(Fault::Issuer)?;
        match written_inside(&host) {
            None => Err(Fault::Issuer),
            Some(true) if !operator.lets_inside(&host) => Err(Fault::Internal),
            Some(_) => Ok(()),
        }
    }

    /// Whether its issuer may be inside, by the operator's word.
    pub(crate) fn is_inside(&self, operator: &OwnSettings) -> bool {
        let host = self.host();
        self.kind == ProviderKind::OpenId && host.is_some_and(|host| operator.lets_inside(&host))
    }

    /// Whether other people, or people with other rights, come by it than by this.
    pub(crate) fn means_otherwise(&self, before: &Self) -> bool {
        let named_alike = Self {
            name: before.name.clone(),
            ..self.clone()
        };
        named_alike != *before
    }

    /// As the server works with it.
    pub(crate) fn settings(
        &self,
        id: ProviderId,
        secret: Secret<String>,
        operator: &OwnSettings,
    ) -> ProviderSettings {
        ProviderSettings {
            client_secret: Some(secret),
            ..self.without_secret(id, self.is_inside(operator))
        }
    }

    /// The same to look at.
    pub(crate) fn without_secret(&self, id: ProviderId, internal: bool) -> ProviderSettings {
        ProviderSettings {
            id: id.to_string(),
            kind: self.kind,
            name: self.name.clone(),
            issuer: self
                .issuer
                .clone()
                .filter(|_| self.kind == ProviderKind::OpenId),
            client_id: self.client_id.clone(),
            client_secret: None,
            client_secret_file: None,
            scopes: self.scopes.clone(),
            authorities: None,
            internal,
            accounts: self.accounts,
            required: self.required.clone(),
            creators: self.creators.clone(),
            admins: self.admins.clone(),
            second_factor: self.second_factor.clone(),
        }
    }

    /// The host of its issuer, as a question to it names it.
    fn host(&self) -> Option<String> {
        let Some(issuer) = &self.issuer else {
            return Some("accounts.google.com".to_owned());
        };
        let (host, _) = place(&issuer.parse().ok()?).ok()?;
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn said(issuer: &str) -> Said {
        Said {
            kind: ProviderKind::OpenId,
            name: "Company".to_owned(),
            issuer: Some(issuer.to_owned()),
            client_id: "conclave".to_owned(),
            scopes: vec![],
            accounts: Accounts::Linked,
            required: vec![],
            creators: vec![],
            admins: vec![],
            second_factor: vec![],
        }
    }

    fn operator(internal: &[&str]) -> OwnSettings {
        OwnSettings {
            internal: internal.iter().map(|host| (*host).to_owned()).collect(),
            authorities: None,
        }
    }

    #[test]
    fn nobody_but_the_operator_lets_a_provider_be_inside() {
        for inside in [
            "https://127.0.0.1/",
            "https://localhost:8443",
            "https://LOCALHOST",
            "https://id.localhost",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]",
            "https://[::ffff:10.0.0.1]/realm",
            "https://169.254.169.254/latest",
            "https://10.0.0.7",
        ] {
            let refused = said(inside).check(&operator(&["id.example.org"]));
            assert_eq!(refused, Err(Fault::Internal), "{inside}");
        }
        for odd in ["https://2130706433", "https://0x7f.1", "https://127.1"] {
            let refused = said(odd).check(&operator(&[]));
            assert!(
                matches!(refused, Err(Fault::Issuer | Fault::Internal)),
                "{odd}: {refused:?}"
            );
        }
        let here = operator(&["LocalHost"]);
        assert_eq!(said("https://localhost:8443").check(&here), Ok(()));
        assert_eq!(said("https://127.0.0.1").check(&here), Err(Fault::Internal));
        assert_eq!(said("https://id.example.org").check(&here), Ok(()));
        let settings = |issuer: &str| {
            let any = ProviderId::from_bytes([1; 16]);
            said(issuer).settings(any, Secret::new("s".to_owned()), &here)
        };
        assert!(settings("https://localhost:8443").internal);
        assert!(!settings("https://id.example.org").internal);
    }

    #[test]
    fn an_issuer_that_is_not_its_own_cannot_be_given_to_google_or_facebook() {
        for kind in [ProviderKind::Google, ProviderKind::Facebook] {
            let elsewhere = Said {
                kind,
                ..said("https://evil.example.org")
            };
            let refused = elsewhere.check(&operator(&[]));
            assert_eq!(refused, Err(Fault::OwnIssuer));
            // And were it stored, it would not be gone by.
            let any = ProviderId::from_bytes([1; 16]);
            let settings = elsewhere.settings(any, Secret::new("s".to_owned()), &operator(&[]));
            assert_eq!(settings.issuer, None);
            let own = Said {
                issuer: None,
                ..elsewhere
            };
            assert_eq!(own.check(&operator(&[])), Ok(()));
        }
    }

    #[test]
    fn what_is_too_open_is_refused_with_its_reason() {
        let good = said("https://id.example.org");
        let everyone = Said {
            accounts: Accounts::Made,
            ..good.clone()
        };
        assert_eq!(everyone.check(&operator(&[])), Err(Fault::Everyone));
        let rule = |claim: &str| Rule {
            claim: claim.to_owned(),
            values: vec!["x".to_owned()],
        };
        let by_mail = Said {
            admins: vec![rule("email")],
            ..good.clone()
        };
        assert_eq!(by_mail.check(&operator(&[])), Err(Fault::Mail));
        let unnamed = Said {
            name: String::new(),
            ..good
        };
        assert_eq!(unnamed.check(&operator(&[])), Err(Fault::Name));
    }

    #[test]
    fn a_name_changes_nobodys_way_and_anything_else_does() {
        let before = said("https://id.example.org");
        let named = Said {
            name: "Firm".to_owned(),
            ..before.clone()
        };
        assert!(!named.means_otherwise(&before));
        let narrower = Said {
            required: vec![Rule {
                claim: "hd".to_owned(),
                values: vec!["example.org".to_owned()],
            }],
            ..before.clone()
        };
        assert!(narrower.means_otherwise(&before) && before.means_otherwise(&narrower));
        assert_eq!(Said::read(narrower.written().expose()), Some(narrower));
    }
}
