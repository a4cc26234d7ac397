//! What the operator says of their mail server.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

/// The operator's mail server. Without an address the server sends no mail, and links are made on the command line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// Where it takes mail, `host:port`, such as `smtp.example.org:587`.
    pub address: Option<String>,
    /// How the connection is kept private.
    pub tls: MailTls,
    /// PEM file with the authority that its certificate comes from, where it is not a public one.
    pub authority: Option<PathBuf>,
    /// With what name this server signs in there; none to send without.
    pub user: Option<String>,
    /// With what password, best from the environment (`CONCLAVE_MAIL__PASSWORD`).
    pub password: Option<Secret<String>>,
    /// A file that holds it, in place of `password`.
    pub password_file: Option<PathBuf>,
    /// From whom the mail is, such as `Conclave <meet@example.org>`.
    pub from: String,
}

/// How the connection to the mail server is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// It begins in the clear and goes on only under TLS (STARTTLS), as on port 587.
    #[default]
    Starttls,
    /// TLS from the first byte, as on port 465.
    Implicit,
    /// None: only for a mail server on this machine.
    None,
}

impl MailSettings {
    /// Host and port, if mail is sent at all.
    pub fn place(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.as_deref()?.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }

    /// What does not go together.
    pub fn check(&self, wrong: &mut Vec<String>) {
        let Some(address) = &self.address else {
            return;
        };
        match self.place() {
            Some((host, _)) if !host.is_empty() => {
                if self.tls == MailTls::None && !["127.0.0.1", "localhost"].contains(&host) {
                    wrong.push(
                        "`mail.tls`: without TLS only to a mail server on this machine".to_owned(),
                    );
                }
            }
            _ => wrong.push(format!(
                "`mail.address`: `{address}` is not of the form host:port"
            )),
        }
        if super::letter::sender(&self.from).is_none() {
            wrong.push("`mail.from`: an address such as Conclave <meet@example.org>".to_owned());
        }
        let named = [self.password.is_some(), self.password_file.is_some()];
        let named = named.iter().filter(|named| **named).count();
        if named != usize::from(self.user.is_some()) {
            wrong.push(
                "`mail`: `user` and one of `password` and `password_file` go together".to_owned(),
            );
        }
    }
}
