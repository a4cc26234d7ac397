//! The settings file and the environment. Only this file knows them; every part gets the small struct that it needs.
//! Unknown keys are errors, and every error names its key.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use crate::auth::oauth::own::OwnSettings;
use crate::auth::oauth::settings::ProviderSettings;
use crate::auth::passkeys::PasskeySettings;
use crate::auth::seen::SessionSettings;
use crate::mail::settings::MailSettings;
use crate::media::allowed::{self, AudioCodec, VideoCodec};
use crate::secret::Secret;
use crate::webhooks::settings::WebhookSettings;

/// Settings of the server as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything that lasts is kept.
    pub data: PathBuf,
    /// Another database than the one in the data folder.
    pub database: Database,
    /// What wraps the keys in the data folder.
    pub keys: Keys,
    /// Where HTTPS and the WebSocket listen.
    pub listen: SocketAddr,
    /// The origins from which pages may act, such as `https://meet.example.org`. Empty: `https://localhost:PORT`.
    pub origins: Vec<String>,
    /// Certificate and key in PEM. Both absent: a self-signed certificate is made at the first start.
    pub tls: Tls,
    /// Rules of the organisation beside those of the server.
    pub policy: Policy,
    /// Witnesses of the audit trail.
    pub audit: Audit,
    /// Media transports.
    pub media: Media,
    /// The operator's TURN server.
    pub turn: Turn,
    /// Captions.
    pub captions: Captions,
    /// Where Prometheus may ask; loopback by default.
    pub metrics: SocketAddr,
    /// Load balancers whose word on the client's address counts.
    pub proxies: Proxies,
    /// With what people have elsewhere they may sign in.
    pub providers: Vec<ProviderSettings>,
    /// Where providers of the organisation's own may be.
    pub sign_in: OwnSettings,
    /// Other programs that are told what happens.
    pub webhooks: WebhookSettings,
    /// The operator's mail server.
    pub mail: MailSettings,
    /// What passkeys are for.
    pub passkeys: PasskeySettings,
    /// How long sessions last, and what their holders see of them.
    pub sessions: SessionSettings,
    /// Limits against floods.
    pub limits: Limits,
    /// Log lines.
    pub log: Log,
}

/// A database of PostgreSQL. Without an address it is SQLite's file in the data folder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgresql://user:password@host:port/name`, or `postgresql:///name?host=/folder` for a socket of this machine.
    pub address: Option<Secret<String>>,
    /// A file that holds the address, in place of `address`.
    pub address_file: Option<PathBuf>,
    /// PEM file with the authority that the certificate of the database comes from, where it is not a public one.
    pub authority: Option<PathBuf>,
}

impl Database {
    /// The address, from the settings or from its file.
    pub fn address(&self) -> Result<Option<Secret<String>>, ConfigError> {
        match &self.address_file {
            None => Ok(self.address.clone()),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::Unreadable(path.clone(), error))?;
                Ok(Some(Secret::new(text.trim_end().to_owned())))
            }
        }
    }
}

/// A master key that wraps the keys in the data folder, so that the folder alone opens nothing. `conclave keys make` prints one.
/// At most one of these; none: the keys lie in the folder as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The key itself, best from the environment (`CONCLAVE_KEYS__MASTER`).
    pub master: Option<Secret<String>>,
    /// A file that holds it, on another disk.
    pub master_file: Option<PathBuf>,
    /// A program and its arguments that print it, such as the client of a key service.
    pub master_command: Vec<String>,
}

/// Certificate and key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
    /// Names in the self-signed certificate, beside `localhost` and the loopback addresses.
    pub names: Vec<String>,
}

/// Rules of the organisation beside those of the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A file of rules that deny what the server's rules would allow. It is read again when it changes, and on SIGHUP.
    pub rules: Option<PathBuf>,
}

/// Witnesses of the audit trail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// A file, best on another disk, to which each signed head is appended: it tells when the whole database was turned back.
    pub heads: Option<PathBuf>,
}

/// Media transports.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// UDP sockets, one port for everyone.
    pub listen: Vec<SocketAddr>,
    /// Addresses told to clients. Empty: those of all interfaces, loopback too.
    pub announce: Vec<IpAddr>,
    /// Hand the system several datagrams for one receiver at once (UDP segmentation offload). Where it cannot, the server notices
    /// by itself.
    pub segmentation: bool,
    /// Threads that share the packets, 64 at most. 0: as many as there are processors, four at most.
    pub shards: u8,
    /// Whether the port of HTTPS also takes media by TCP, for clients whose network lets no UDP out.
    pub share_https: bool,
    /// TCP sockets for media alone, beside that.
    pub tcp: Vec<SocketAddr>,
    /// Codecs for pictures, the preferred first. Empty: all that the server knows, in the order of each client.
    pub video_codecs: Vec<VideoCodec>,
    /// The same for sound.
    pub audio_codecs: Vec<AudioCodec>,
}

/// The operator's TURN server, for networks that let only TLS out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// Where clients find it, such as `turns:turn.example.org:5349?transport=tcp`. Empty: there is none.
    pub urls: Vec<String>,
    /// The secret that it shares with this server (coturn: `static-auth-secret`). Clients never see it.
    pub secret: Option<Secret<String>>,
    /// A file that holds the secret, in place of `secret`.
    pub secret_file: Option<PathBuf>,
    /// How long a participant's credentials hold.
    pub seconds: u32,
}

/// Captions: what recognises speech and what translates it, both on the operator's own machines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Captions {
    /// The program of the workers. Left out: `conclave-captioner` beside the server's own program.
    pub worker: Option<PathBuf>,
    /// The model file. Left out: there are no captions.
    pub model: Option<PathBuf>,
    /// The language that is spoken, or `auto`.
    pub language: String,
    /// Recognisers at the same time; each works with one core.
    pub workers: usize,
    /// What translates.
    pub translator: Translator,
    /// A folder of models, for `neural`.
    pub translator_models: Option<PathBuf>,
    /// The address of a server that speaks LibreTranslate's protocol, for `http`.
    pub translator_address: Option<String>,
    /// What that server asks for.
    pub translator_key: Option<Secret<String>>,
    /// Whether that address may be internal: this machine, or a private network. It then counts as a machine of the operator's own;
    /// without it rooms use it only where `caption_engine` is `remote`.
    pub translator_internal: bool,
    /// Where `conclave captions fetch` downloads models from. Left out: where their publisher keeps them.
    pub models_address: Option<String>,
    /// Where models are kept. Left out: `models` in the data folder.
    pub models_folder: Option<PathBuf>,
    /// Whether the recogniser is told the names of who is in, so that it writes them as they are written.
    pub hints: bool,
    /// Run the workers without a sandbox where the system has none.
    pub without_sandbox: bool,
}

/// What translates captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Translator {
    /// The programs of Apertium, where they are installed.
    Apertium,
    /// Nothing.
    None,
    /// Models in `translator_models`.
    Neural,
    /// The server at `translator_address`.
    Http,
}

impl Default for Captions {
    fn default() -> Self {
        Self {
            worker: None,
            model: None,
            language: "auto".to_owned(),
            workers: 1,
            translator: Translator::Apertium,
            translator_models: None,
            translator_address: None,
            translator_key: None,
            translator_internal: false,
            models_address: None,
            models_folder: None,
            hints: false,
            without_sandbox: false,
        }
    }
}

/// Load balancers in front of the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxies {
    /// Networks of trusted proxies; from them `X-Forwarded-For` counts.
    pub trusted: Vec<IpNet>,
    /// Whether trusted proxies begin each connection with a PROXY protocol header (v1 or v2).
    pub protocol: bool,
}

/// Limits against floods; each is a rate per second with a burst of `…_burst`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open TLS connections in all.
    pub connections: usize,
    /// Open TLS connections of one address.
    pub connections_per_address: usize,
    /// New WebSockets of one address, a second.
    pub arrivals_per_second: u32,
    /// New WebSockets of one address at once.
    pub arrivals_burst: u32,
    /// HTTP requests of one address, a second.
    pub requests_per_second: u32,
    /// HTTP requests of one address at once.
    pub requests_burst: u32,
    /// Requests of one caller of the control API, a second.
    pub control_per_second: u32,
    /// Requests of one caller of the control API at once.
    pub control_burst: u32,
    /// Messages of one connection, a second.
    pub messages_per_second: u32,
    /// Messages of one connection at once.
    pub messages_burst: u32,
}

/// How log lines look.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// What is logged, as `tracing` filters say it.
    pub filter: String,
}

/// The two forms of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            database: Database::default(),
            keys: Keys::default(),
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            origins: Vec::new(),
            tls: Tls::default(),
            policy: Policy::default(),
            audit: Audit::default(),
            media: Media::default(),
            turn: Turn::default(),
            captions: Captions::default(),
            metrics: SocketAddr::from(([127, 0, 0, 1], 9464)),
            proxies: Proxies::default(),
            providers: Vec::new(),
            sign_in: OwnSettings::default(),
            webhooks: WebhookSettings::default(),
            mail: MailSettings::default(),
            passkeys: PasskeySettings::default(),
            sessions: SessionSettings::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 8443))],
            announce: Vec::new(),
            segmentation: true,
            shards: 0,
            share_https: true,
            tcp: Vec::new(),
            video_codecs: Vec::new(),
            audio_codecs: Vec::new(),
        }
    }
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            secret: None,
            secret_file: None,
            seconds: 3600,
        }
    }
}

impl Turn {
    /// Addresses of relays at most: browsers slow down with more than a few.
    const MOST_URLS: usize = 8;
    /// Bytes of the shared secret at least: whoever guesses it has free relays.
    const SHORTEST_SECRET: usize = 24;
    /// How long credentials may hold: not shorter than a join takes, not longer than a day.
    const SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;

    /// The shared secret, from the settings or from its file; `None` where there is no relay.
    pub fn secret(&self) -> Result<Option<Secret<String>>, ConfigError> {
        if self.urls.is_empty() {
            return Ok(None);
        }
        let secret = match &self.secret_file {
            None => self.secret.clone(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::Unreadable(path.clone(), error))?;
                Some(Secret::new(text.trim_end().to_owned()))
            }
        };
        match secret {
            Some(secret) if secret.expose().len() >= Self::SHORTEST_SECRET => Ok(Some(secret)),
            _ => Err(ConfigError::Wrong(vec![format!(
                "`turn.secret`: at least {} bytes are needed, as `openssl rand -hex 32` prints them",
                Self::SHORTEST_SECRET
            )])),
        }
    }

    fn check(&self, wrong: &mut Vec<String>) {
        if self.urls.len() > Self::MOST_URLS {
            wrong.push(format!("`turn.urls`: at most {}", Self::MOST_URLS));
        }
        for url in &self.urls {
            let host = url.strip_prefix("turns:").or(url.strip_prefix("turn:"));
            if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.len() > 255)
            {
                wrong.push(format!(
                    "`turn.urls`: `{url}` is not of the form turns:host:port?transport=tcp"
                ));
            }
        }
        let named = usize::from(self.secret.is_some()) + usize::from(self.secret_file.is_some());
        if named != usize::from(!self.urls.is_empty()) {
            wrong.push(
                "`turn`: `urls` and one of `secret` and `secret_file` go together".to_owned(),
            );
        }
        if !Self::SECONDS.contains(&self.seconds) {
            wrong.push("`turn.seconds`: from 60 to 86400".to_owned());
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 500,
            arrivals_per_second: 5,
            arrivals_burst: 50,
            requests_per_second: 20,
            requests_burst: 200,
            control_per_second: 10,
            control_burst: 120,
            messages_per_second: 20,
            messages_burst: 100,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

/// What is wrong with the settings, each with its key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// The file or a variable is not as it should be.
    #[error("{0}")]
    Malformed(String),
    /// Values that do not go together.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// The prefix of environment variables: `CONCLAVE_LISTEN`, `CONCLAVE_MEDIA__ANNOUNCE`, …
const PREFIX: &str = "CONCLAVE_";

/// Variables that belong to tools, not to the settings. What is for tests alone begins with another word.
const NOT_SETTINGS: &[&str] = &["CONCLAVE_BIN", "CONCLAVE_CONFIG", "CONCLAVE_TEST_POSTGRES"];

impl Config {
    /// Reads the file, if one is named, and lays the environment over it.
    pub fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            None => toml::Table::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?
                .parse()
                .map_err(|error: toml::de::Error| {
                    ConfigError::Malformed(format!("`{}`: {error}", path.display()))
                })?,
        };
        let variables: BTreeMap<_, _> = environment
            .filter(|(name, _)| name.starts_with(PREFIX) && !NOT_SETTINGS.contains(&name.as_str()))
            .collect();
        for (name, value) in variables {
            overlay(&mut table, &name, &value)?;
        }
        let config: Self =
            serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
                ConfigError::Malformed(format!("`{}`: {}", error.path(), error.inner().message()))
            })?;
        config.check()?;
        Ok(config)
    }

    /// The origins from which pages may act.
    pub fn origins(&self) -> Vec<String> {
        if self.origins.is_empty() {
            vec![format!("https://localhost:{}", self.listen.port())]
        } else {
            self.origins.clone()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            wrong.push(
                "`tls`: `certificate` and `key` go together; name both or neither".to_owned(),
            );
        }
        for origin in &self.origins {
            let rest = origin.strip_prefix("https://");
            if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '?', '#', '@'])) {
                wrong.push(format!(
                    "`origins`: `{origin}` is not of the form https://host or https://host:port"
                ));
            }
        }
        if self.media.listen.is_empty() {
            wrong.push("`media.listen`: at least one address is needed".to_owned());
        }
        if let Some(fault) = allowed::fault(&self.media.video_codecs, &self.media.audio_codecs) {
            wrong.push(fault.to_owned());
        }
        if self.proxies.protocol && self.proxies.trusted.is_empty() {
            wrong.push(
                "`proxies.protocol`: needs `proxies.trusted`, or anyone could name any address"
                    .to_owned(),
            );
        }
        self.turn.check(&mut wrong);
        let masters = [
            self.keys.master.is_some(),
            self.keys.master_file.is_some(),
            !self.keys.master_command.is_empty(),
        ];
        if masters.iter().filter(|named| **named).count() > 1 {
            wrong.push(
                "`keys`: name one of `master`, `master_file` and `master_command`".to_owned(),
            );
        }
        if self.database.address.is_some() && self.database.address_file.is_some() {
            wrong.push("`database`: name one of `address` and `address_file`".to_owned());
        }
        ProviderSettings::check(&self.providers, &mut wrong);
        wrong.extend(self.webhooks.wrong());
        self.mail.check(&mut wrong);
        self.sessions.check(&mut wrong);
        let limits = &self.limits;
        let numbers = [
            ("connections", limits.connections),
            ("connections_per_address", limits.connections_per_address),
            ("arrivals_per_second", limits.arrivals_per_second as usize),
            ("arrivals_burst", limits.arrivals_burst as usize),
            ("requests_per_second", limits.requests_per_second as usize),
            ("requests_burst", limits.requests_burst as usize),
            ("control_per_second", limits.control_per_second as usize),
            ("control_burst", limits.control_burst as usize),
            ("messages_per_second", limits.messages_per_second as usize),
            ("messages_burst", limits.messages_burst as usize),
        ];
        for (name, number) in numbers {
            if number == 0 {
                wrong.push(format!("`limits.{name}`: 0 would let nobody in"));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Wrong(wrong))
        }
    }
}

/// Lays one environment variable over the table: `CONCLAVE_MEDIA__ANNOUNCE=["192.0.2.1"]` sets `media.announce`.
fn overlay(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let path = name.trim_start_matches(PREFIX).to_lowercase();
    let mut keys: Vec<_> = path.split("__").collect();
    let last = keys.pop().unwrap_or_default();
    let mut place = table;
    for key in keys {
        let next = place
            .entry(key)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = next.as_table_mut().ok_or_else(|| {
            ConfigError::Malformed(format!("`{name}`: `{key}` has no settings below it"))
        })?;
    }
    place.insert(last.to_owned(), scalar(value));
    Ok(())
}

/// A value of a variable: TOML where it reads as such (numbers, booleans, lists), plain text otherwise.
fn scalar(value: &str) -> toml::Value {
    match format!("value = {value}").parse::<toml::Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value"),
        _ => None,
    }
    .unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("conclave.toml");
        std::fs::write(&file, text).unwrap();
        Config::read(
            Some(&file),
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config = read("", &[]).unwrap();
        assert_eq!(config.listen.port(), 8443);
        assert!(config.metrics.ip().is_loopback());
        assert_eq!(config.origins(), ["https://localhost:8443"]);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = read("[media]\nanounce = []\n", &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("media") && error.contains("anounce"),
            "{error}"
        );
        let error = read("", &[("CONCLAVE_LISTN", "x")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("listn"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_an_error_that_names_its_key() {
        let error = read("[limits]\nconnections = \"many\"\n", &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("limits.connections"), "{error}");
    }

    #[test]
    fn an_unknown_codec_is_an_error_that_names_it_and_those_there_are() {
        let error = read("[media]\nvideo_codecs = [\"av1\", \"h265\"]\n", &[])
            .unwrap_err()
            .to_string();
        for word in ["media.video_codecs", "h265", "vp9"] {
            assert!(error.contains(word), "{error}");
        }
        let error = read("[media]\naudio_codecs = [\"red\"]\n", &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("media.audio_codecs"), "{error}");
        let config = read("[media]\nvideo_codecs = [\"h264\", \"vp8\"]\n", &[]).unwrap();
        assert_eq!(
            config.media.video_codecs,
            [VideoCodec::H264, VideoCodec::Vp8]
        );
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let config = read(
            "listen = \"127.0.0.1:1\"",
            &[
                ("CONCLAVE_LISTEN", "127.0.0.1:2"),
                ("CONCLAVE_MEDIA__ANNOUNCE", "[\"192.0.2.1\"]"),
                ("CONCLAVE_LIMITS__CONNECTIONS", "7"),
                ("CONCLAVE_BIN", "target/conclave"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(
            config.media.announce,
            ["192.0.2.1".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(config.limits.connections, 7);
    }

    #[test]
    fn settings_that_do_not_go_together_are_all_named() {
        let error = read(
            "origins = [\"http://a\"]\n[tls]\nkey = \"k\"\n[proxies]\nprotocol = true\n[limits]\nmessages_burst = 0\n[turn]\nurls = [\"https://x\"]\nseconds = 5\n",
            &[],
        )
        .unwrap_err()
        .to_string();
        for key in [
            "tls",
            "origins",
            "proxies.protocol",
            "limits.messages_burst",
            "turn.urls",
            "`turn`:",
            "turn.seconds",
        ] {
            assert!(error.contains(key), "{key} in {error}");
        }
    }

    #[test]
    fn the_secret_of_the_relay_does_not_show_and_is_no_short_one() {
        let text = "[turn]\nurls = [\"turns:turn.example.org\"]\nsecret = \"north-north-north-north-north\"\n";
        let config = read(text, &[]).unwrap();
        assert!(!format!("{config:?}").contains("north"));
        assert!(config.turn.secret().unwrap().is_some());
        let config = read(text, &[("CONCLAVE_TURN__SECRET", "short")]).unwrap();
        let error = config.turn.secret().unwrap_err().to_string();
        assert!(
            error.contains("turn.secret") && !error.contains("short"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "south-south-south-south-south\n").unwrap();
        let text = format!("[turn]\nurls = [\"turn:a\"]\nsecret_file = {file:?}\n");
        let secret = read(&text, &[]).unwrap().turn.secret().unwrap().unwrap();
        assert_eq!(secret.expose(), "south-south-south-south-south");
        assert!(read("", &[]).unwrap().turn.secret().unwrap().is_none());
    }
}
