//! What a provider says of someone, and what follows from it by the operator's rules. Pure.

use serde_json::{Map, Value};

use crate::auth::oauth::settings::{ProviderSettings, Rule};

/// Entries of one claim that are looked at: nobody is in more groups than that and still read by a person.
const MOST_ENTRIES: usize = 1024;

/// Someone's identity elsewhere, proved just now.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    /// Who says so.
    pub(crate) issuer: String,
    /// Whom it means; never used again for anyone else.
    pub(crate) subject: String,
    /// All that it says.
    pub(crate) claims: Map<String, Value>,
}

/// What follows from someone's claims, until the next sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether they may come in by this provider at all.
    pub(crate) welcome: bool,
    /// Whether they administer the organisation.
    pub(crate) admin: bool,
    /// Whether they may create rooms.
    pub(crate) creator: bool,
    /// Whether a second factor was shown.
    pub(crate) second_factor: bool,
}

impl Proven {
    /// What follows by the rules of the provider that was asked.
    pub(crate) fn standing(&self, rules: &ProviderSettings) -> Standing {
        let any = |rules: &[Rule]| rules.iter().any(|rule| self.says(rule));
        let admin = any(&rules.admins);
        Standing {
            welcome: rules.required.iter().all(|rule| self.says(rule)),
            admin,
            creator: admin || any(&rules.creators),
            second_factor: any(&rules.second_factor),
        }
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    fn says(&self, rule: &Rule) -> bool {
        let is = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| rule.values.iter().any(|wanted| wanted == text))
        };
        match self.claims.get(&rule.claim) {
            Some(Value::Array(entries)) => entries.iter().take(MOST_ENTRIES).any(is),
            Some(value) => is(value),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn standing(claims: Value) -> Standing {
        let settings: ProviderSettings = toml::from_str(
            r#"
            id = "x"
            kind = "openid"
            name = "X"
            client_id = "c"
            required = [{ claim = "hd", values = ["example.org"] }]
            creators = [{ claim = "groups", values = ["staff"] }]
            admins = [{ claim = "groups", values = ["chiefs"] }]
            second_factor = [{ claim = "amr", values = ["mfa", "hwk"] }, { claim = "acr", values = ["high"] }]
            "#,
        )
        .unwrap();
        let Value::Object(claims) = claims else {
            unreachable!()
        };
        let proven = Proven {
            issuer: "https://id.example.org".to_owned(),
            subject: "1".to_owned(),
            claims,
        };
        proven.standing(&settings)
    }

    #[test]
    fn claims_give_what_the_rules_say_and_nothing_else() {
        let none = standing(json!({}));
        assert!(!none.welcome && !none.admin && !none.creator && !none.second_factor);
        let staff = standing(json!({"hd": "example.org", "groups": ["staff"], "amr": ["pwd"]}));
        assert!(staff.welcome && staff.creator && !staff.admin && !staff.second_factor);
        let chief = standing(json!({"hd": "example.org", "groups": "chiefs", "acr": "high"}));
        assert!(chief.admin && chief.creator && chief.second_factor);
    }

    #[test]
    fn a_value_counts_to_the_letter_and_in_its_claim_only() {
        for claims in [
            json!({"hd": "example.org.evil"}),
            json!({"hd": "EXAMPLE.org"}),
            json!({"hd": ["other", 7, null]}),
            json!({"hd": {"example.org": true}}),
            json!({"domain": "example.org"}),
        ] {
            assert!(!standing(claims.clone()).welcome, "{claims}");
        }
    }
}
