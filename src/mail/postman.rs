//! Takes mail to the operator's mail server, one at a time, and tries again later what did not go.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Tls, TlsParameters, TlsVersion,
};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use thiserror::Error;

use crate::clock::Clock;
use crate::mail::letter;
use crate::mail::settings::{MailSettings, MailTls};
use crate::store::database::Store;
use crate::store::error::StoreError;
use crate::store::mails::Mail;

/// How often it looks for mail.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a mail server may take for one mail.
const PATIENCE: Duration = Duration::from_secs(30);
/// Mail that is taken along at a time.
const BAG: u32 = 16;
/// The first wait after a mail did not go; it doubles each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// The mail server cannot be used as the settings say.
#[derive(Debug, Error)]
pub enum MailError {
    /// A file cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// What is in it is no certificate.
    #[error("`mail.authority`: no certificate in PEM")]
    Authority,
    /// The host is no name of a server.
    #[error("`mail.address`: TLS cannot be had for that name")]
    Name,
}

/// Carries the mail.
pub struct Postman {
    store: Store,
    clock: Arc<dyn Clock>,
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// How the mails call this server.
    host: String,
}

/// What became of a mail.
enum Fate {
    Sent,
    /// It will never go.
    Refused,
    Later,
}

impl Postman {
    /// None where the settings name no mail server. `host` is what the mails call this server.
    ///
    /// # Errors
    /// When the settings name files that cannot be used.
    pub fn new(
        settings: &MailSettings,
        store: Store,
        clock: Arc<dyn Clock>,
        host: String,
    ) -> Result<Option<Self>, MailError> {
        let (Some((name, port)), Some(from)) = (settings.place(), letter::sender(&settings.from))
        else {
            return Ok(None);
        };
        let tls = match settings.tls {
            MailTls::Starttls => Tls::Required(parameters(settings, name)?),
            MailTls::Implicit => Tls::Wrapper(parameters(settings, name)?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(name)
            .port(port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some(user) = &settings.user {
            let password = match (&settings.password, &settings.password_file) {
                (Some(password), _) => password.expose().clone(),
                (None, Some(file)) => std::fs::read_to_string(file)
                    .map_err(|error| MailError::Unreadable(file.display().to_string(), error))?
                    .trim_end()
                    .to_owned(),
                (None, None) => String::new(),
            };
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Some(Self {
            store,
            clock,
            server: builder.build(),
            from,
            host,
        }))
    }

    /// Carries mail until it is told to stop by being dropped.
    pub async fn work(self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "mail.unread");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let org = self.store.org();
        for mail in self.store.due_mails(org, self.clock.now(), BAG).await? {
            let now = self.clock.now();
            let fate = if mail.expires <= now {
                Fate::Refused
            } else {
                self.send(&mail).await
            };
            match fate {
                Fate::Sent | Fate::Refused => self.store.mail_done(org, mail.id).await?,
                Fate::Later => {
                    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(mail.tries));
                    let due = now.after(wait.min(LONGEST_WAIT));
                    self.store.mail_later(org, mail.id, due).await?;
                }
            }
        }
        Ok(())
    }

    /// Logs carry no address and no link.
    async fn send(&self, mail: &Mail) -> Fate {
        let kind = mail.kind.as_str();
        let Some(message) = letter::write(mail, &self.from, &self.host) else {
            tracing::error!(kind, "mail.unwritable");
            return Fate::Refused;
        };
        match tokio::time::timeout(PATIENCE, self.server.send(message)).await {
            Ok(Ok(_)) => {
                tracing::debug!(kind, "mail.sent");
                Fate::Sent
            }
            Ok(Err(error)) if error.is_permanent() => {
                let code = error.status().map(|code| code.to_string());
                tracing::warn!(kind, code, "mail.refused");
                Fate::Refused
            }
            Ok(Err(error)) => {
                let code = error.status().map(|code| code.to_string());
                // What the other side said may hold the address; what went wrong with the line does not.
                let line = code.is_none().then(|| error.to_string());
                tracing::warn!(kind, code, line, tries = mail.tries, "mail.later");
                Fate::Later
            }
            Err(_) => {
                tracing::warn!(kind, tries = mail.tries, "mail.slow");
                Fate::Later
            }
        }
    }
}

/// TLS of its own: the library takes the provider that its features name, whatever else this program has.
fn parameters(settings: &MailSettings, name: &str) -> Result<TlsParameters, MailError> {
    let mut builder =
        TlsParameters::builder(name.to_owned()).set_min_tls_version(TlsVersion::Tlsv12);
    if let Some(file) = &settings.authority {
        let pem = std::fs::read(file)
            .map_err(|error| MailError::Unreadable(file.display().to_string(), error))?;
        let authority = Certificate::from_pem(&pem).map_err(|_| MailError::Authority)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|_| MailError::Name)
}
