//! Mail that waits until it is sent. Recipient and link are sealed; nothing is kept of what was sent.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::OrgId;
use crate::secret::Secret;
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const RECIPIENT: Column = Column {
    table: "mails",
    name: "recipient",
    scope: Scope::Organisation,
};
const LINK: Column = Column {
    table: "mails",
    name: "link",
    scope: Scope::Organisation,
};
/// Mail that waits, at most: a mail server that is away for long fills nothing.
const MOST: i64 = 10_000;

/// What a mail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// With this link a new password can be chosen.
    Reset,
    /// With this link an address is proved.
    Verify,
    /// The password was changed.
    PasswordChanged,
    /// The account has another address now.
    EmailChanged,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey came with a counter that went backwards.
    PasskeyCopied,
    /// A recovery code was used.
    CodeUsed,
}

impl MailKind {
    const ALL: [Self; 7] = [
        Self::Reset,
        Self::Verify,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::PasskeyAdded,
        Self::PasskeyCopied,
        Self::CodeUsed,
    ];

    /// Its name in storage and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::PasskeyAdded => "passkey_added",
            Self::PasskeyCopied => "passkey_copied",
            Self::CodeUsed => "code_used",
        }
    }
}

/// A mail on its way.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Which.
    pub id: [u8; 16],
    /// What it says.
    pub kind: MailKind,
    /// To whom.
    pub recipient: Secret<String>,
    /// The link in it.
    pub link: Option<Secret<String>>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is worth nothing any more.
    pub expires: Timestamp,
}

impl Store {
    /// Puts a mail on its way. `Full` when too many wait.
    pub fn post(&self, org: OrgId, mail: Mail, now: Timestamp) -> Written<()> {
        self.write(Post {
            org,
            mail,
            now,
            keys: self.keys().clone(),
        })
    }

    /// Mail whose time has come, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_mails(
        &self,
        org: OrgId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Mail>, StoreError> {
        let found = query(
            "SELECT mail_id, kind, recipient, link, tries, expires FROM mails \
             WHERE org_id = $1 AND due <= $2 ORDER BY due, mail_id LIMIT $3",
        )
        .bind(org.as_bytes().as_slice())
        .bind(now.as_millis())
        .bind(i64::from(most))
        .fetch_all(self.reads())
        .await?;
        let mut mails = Vec::with_capacity(found.len());
        for found in &found {
            let id = row::bytes::<16>(found, "mail_id")?;
            let place = [org.as_bytes().as_slice(), &id];
            let kind: &str = found.try_get("kind")?;
            let kind = MailKind::ALL.into_iter().find(|one| one.as_str() == kind);
            let link = match found.try_get::<Option<&[u8]>, _>("link")? {
                None => None,
                Some(_) => {
                    Some(row::sealed_text(self.reads(), found, self.keys(), LINK, &place).await?)
                }
            };
            mails.push(Mail {
                id,
                kind: kind.ok_or(StoreError::Corrupt)?,
                recipient: row::sealed_text(self.reads(), found, self.keys(), RECIPIENT, &place)
                    .await?,
                link,
                tries: u32::try_from(found.try_get::<i64, _>("tries")?)
                    .map_err(|_| StoreError::Corrupt)?,
                expires: row::time(found, "expires")?,
            });
        }
        Ok(mails)
    }

    /// Forgets a mail: it was sent, or never will be.
    pub fn mail_done(&self, org: OrgId, id: [u8; 16]) -> Written<()> {
        self.write(Done { org, id })
    }

    /// Tries a mail again later.
    pub fn mail_later(&self, org: OrgId, id: [u8; 16], due: Timestamp) -> Written<()> {
        self.write(Later { org, id, due })
    }
}

struct Post {
    org: OrgId,
    mail: Mail,
    now: Timestamp,
    keys: Arc<SealingKeys>,
}

impl Change for Post {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            org,
            mail,
            now,
            keys,
        } = self;
        let org = org.as_bytes().as_slice();
        let waiting: i64 = query_scalar("SELECT COUNT(*) FROM mails WHERE org_id = $1")
            .bind(org)
            .fetch_one(&mut *on)
            .await?;
        if waiting >= MOST {
            return Err(StoreError::Full);
        }
        let place = [org, &mail.id];
        let recipient = mail.recipient.expose().as_bytes();
        let recipient = keys.seal(&mut *on, RECIPIENT, &place, recipient).await?;
        let link = match &mail.link {
            None => None,
            Some(link) => {
                let link = link.expose().as_bytes();
                Some(keys.seal(&mut *on, LINK, &place, link).await?)
            }
        };
        query(
            "INSERT INTO mails (org_id, mail_id, kind, recipient, link, tries, due, expires) \
             VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
        )
        .bind(org)
        .bind(mail.id.as_slice())
        .bind(mail.kind.as_str())
        .bind(recipient)
        .bind(link)
        .bind(now.as_millis())
        .bind(mail.expires.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Done {
    org: OrgId,
    id: [u8; 16],
}

impl Change for Done {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("DELETE FROM mails WHERE org_id = $1 AND mail_id = $2")
            .bind(self.org.as_bytes().as_slice())
            .bind(self.id.as_slice())
            .execute(on)
            .await?;
        Ok(())
    }
}

struct Later {
    org: OrgId,
    id: [u8; 16],
    due: Timestamp,
}

impl Change for Later {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("UPDATE mails SET tries = tries + 1, due = $1 WHERE org_id = $2 AND mail_id = $3")
            .bind(self.due.as_millis())
            .bind(self.org.as_bytes().as_slice())
            .bind(self.id.as_slice())
            .execute(on)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::tests::store;

    fn mail(id: u8, link: Option<&str>) -> Mail {
        Mail {
            id: [id; 16],
            kind: MailKind::Reset,
            recipient: Secret::new("member@example.org".to_owned()),
            link: link.map(|link| Secret::new(link.to_owned())),
            tries: 0,
            expires: Timestamp::from_millis(9000),
        }
    }

    #[tokio::test]
    async fn a_mail_waits_until_it_is_due_and_goes_when_it_is_done() {
        let (_folder, store) = store().await;
        let org = store.org();
        let at = Timestamp::from_millis;
        store
            .post(org, mail(1, Some("https://x/reset#1")), at(1000))
            .await
            .unwrap();
        store.post(org, mail(2, None), at(1000)).await.unwrap();
        assert!(store.due_mails(org, at(999), 9).await.unwrap().is_empty());
        let due = store.due_mails(org, at(1000), 9).await.unwrap();
        assert_eq!(due.len(), 2);
        assert_eq!(due[0].kind, MailKind::Reset);
        assert_eq!(due[0].recipient.expose(), "member@example.org");
        assert_eq!(due[0].link.as_ref().unwrap().expose(), "https://x/reset#1");
        assert!(due[1].link.is_none());
        store.mail_later(org, [1; 16], at(5000)).await.unwrap();
        store.mail_done(org, [2; 16]).await.unwrap();
        assert!(store.due_mails(org, at(4999), 9).await.unwrap().is_empty());
        let due = store.due_mails(org, at(5000), 9).await.unwrap();
        assert_eq!((due.len(), due[0].tries), (1, 1));
    }
}
