//! LibreTranslate's protocol over HTTP(S): `GET /languages`, `POST /translate`. Connects to the address that was resolved
//! before the process was closed, follows no redirect, uses no proxy; answers are bounded in size and time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::{MAX_CHARACTERS, PATIENCE, Pair, Resolved, TranslateError, Translator};
use crate::trust;

/// The largest answers: 64 texts of 500 characters, and 100 languages with 100 targets each.
const MAX_ANSWER: u64 = 512 * 1024;
/// How long the list of languages may take: the server may just be loading its models.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// A LibreTranslate server. Two steps: [`Self::prepare`] reads what it needs from the disk, [`Self::connect`] works in a
/// closed process.
pub struct LibreTranslate {
    agent: Agent,
    base: String,
    key: String,
    /// By source.
    targets: BTreeMap<String, Vec<String>>,
}

impl LibreTranslate {
    /// Reads the system's certificates.
    ///
    /// # Errors
    /// There are none.
    pub fn prepare(server: &Resolved, key: &str) -> Result<Self, TranslateError> {
        let secure = server.base.starts_with("https://");
        let mut config = Agent::config_builder()
            .https_only(secure)
            .max_redirects(0)
            .proxy(None)
            .user_agent("conclave-captioner")
            .max_idle_connections(1)
            .max_response_header_size(16 * 1024)
            .timeout_global(Some(FIRST_PATIENCE));
        if secure {
            let trust = trust::tls().ok_or(TranslateError::Http(trust::NO_ROOTS.into()))?;
            config = config.tls_config(trust);
        }
        let only = Only(server.address);
        Ok(Self {
            agent: Agent::with_parts(config.build(), DefaultConnector::default(), only),
            base: server.base.clone(),
            key: key.to_owned(),
            targets: BTreeMap::new(),
        })
    }

    /// Asks which languages there are.
    ///
    /// # Errors
    /// It is no such server, or does not answer.
    pub fn connect(mut self) -> Result<Self, TranslateError> {
        let failed = |error: &dyn fmt::Display| TranslateError::Http(error.to_string());
        let mut answer = self
            .agent
            .get(format!("{}/languages", self.base))
            .call()
            .map_err(|error| failed(&error))?;
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .map_err(|error| failed(&error))?;
        let languages: Vec<Language> =
            serde_json::from_slice(&bytes).map_err(|_| failed(&"the answer is no such list"))?;
        for language in languages {
            let targets = language.targets.into_iter().filter(|to| is_tag(to));
            if is_tag(&language.code) {
                self.targets.insert(language.code, targets.collect());
            }
        }
        Ok(self)
    }

    fn ask(
        &self,
        batch: &[&str],
        source: &str,
        target: &str,
        within: Duration,
    ) -> Option<Vec<String>> {
        let question = Question {
            q: batch,
            source,
            target,
            format: "text",
            api_key: (!self.key.is_empty()).then_some(self.key.as_str()),
        };
        let body = serde_json::to_vec(&question).ok()?;
        let mut answer = self
            .agent
            .post(format!("{}/translate", self.base))
            .config()
            .timeout_global(Some(within))
            .build()
            .header("content-type", "application/json")
            .send(&body)
            .ok()?;
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .ok()?;
        let answer: Answer = serde_json::from_slice(&bytes).ok()?;
        (answer.translated_text.len() == batch.len()).then_some(answer.translated_text)
    }
}

impl Translator for LibreTranslate {
    fn name(&self) -> &'static str {
        "LibreTranslate"
    }

    fn pairs(&self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = self
            .targets
            .iter()
            .flat_map(|(from, into)| into.iter().map(|into| (from.clone(), into.clone())))
            .filter(|(from, into)| from != into)
            .collect();
        // Where not all can be named: those through English first.
        pairs.sort_by_key(|(from, into)| from != "en" && into != "en");
        pairs
    }

    fn translate(
        &mut self,
        batch: &[&str],
        source: &str,
        target: &str,
        budget: Duration,
    ) -> Vec<Option<String>> {
        let known = self
            .targets
            .get(source)
            .is_some_and(|targets| targets.iter().any(|known| known == target));
        let answer = known
            .then(|| self.ask(batch, source, target, PATIENCE.min(budget)))
            .flatten();
        match answer {
            Some(texts) => texts.into_iter().map(|text| plain(&text)).collect(),
            None => vec![None; batch.len()],
        }
    }
}

/// One line of a bounded length; what is longer is no translation of what was sent.
fn plain(text: &str) -> Option<String> {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = line.trim();
    (!line.is_empty() && line.chars().count() <= 4 * MAX_CHARACTERS).then(|| line.to_owned())
}

fn is_tag(code: &str) -> bool {
    (2..=35).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Knows one address, whatever is asked.
#[derive(Debug)]
struct Only(SocketAddr);

impl Resolver for Only {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        found.push(self.0);
        Ok(found)
    }
}

#[derive(Serialize)]
struct Question<'a> {
    q: &'a [&'a str],
    source: &'a str,
    target: &'a str,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "translatedText")]
    translated_text: Vec<String>,
}

#[derive(Deserialize)]
struct Language {
    code: String,
    #[serde(default)]
    targets: Vec<String>,
}
