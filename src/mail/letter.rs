//! What each mail says. Plain text and fixed words: nothing that anybody wrote goes into it but the link and the address, which
//! have the shapes that they can only have.

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};

use crate::store::mails::{Mail, MailKind};

/// Reads the sender of the settings.
pub(super) fn sender(text: &str) -> Option<Mailbox> {
    text.parse().ok()
}

/// Writes a mail; none if the recipient is nobody to whom mail can go.
pub(super) fn write(mail: &Mail, from: &Mailbox, host: &str) -> Option<Message> {
    let to = mail.recipient.expose().parse().ok()?;
    let link = mail.link.as_ref().map(|link| link.expose().as_str());
    let (subject, text) = words(mail.kind, host, link)?;
    let name = data_encoding::HEXLOWER.encode(&mail.id);
    let mut message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .message_id(Some(format!("<{name}@{}>", from.email.domain())))
        .header(ContentType::TEXT_PLAIN)
        .body(text)
        .ok()?;
    // RFC 3834, section 5: nobody's holiday answers this.
    message.headers_mut().insert_raw(HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    ));
    Some(message)
}

fn words(kind: MailKind, host: &str, link: Option<&str>) -> Option<(&'static str, String)> {
    const NOT_YOU: &str = "If it was not you, sign in, sign out all other sessions and change your password; an administrator can help.";
    let told = |what: &str| {
        format!(
            "{what} of your account on {host}.\n\nIf it was you, there is nothing to do. {NOT_YOU}\n"
        )
    };
    Some(match kind {
        MailKind::Reset => (
            "Choose a new password",
            format!(
                "Somebody asked for a new password of your account on {host}.\n\nIf it was you, open this link within 30 minutes. It works once.\n\n{}\n\nIf it was not you, do nothing: without the link nothing changes.\n",
                link?
            ),
        ),
        MailKind::Verify => (
            "Confirm your address",
            format!(
                "Somebody gave this address for an account on {host}.\n\nIf it was you, open this link within a day. It works once.\n\n{}\n\nIf it was not you, do nothing.\n",
                link?
            ),
        ),
        MailKind::PasswordChanged => (
            "Your password was changed",
            told("Somebody changed the password"),
        ),
        MailKind::EmailChanged => (
            "Your address was changed",
            told("Somebody changed the e-mail address"),
        ),
        MailKind::PasskeyAdded => (
            "A passkey was added",
            told("Somebody added a passkey to the ways in"),
        ),
        MailKind::PasskeyCopied => (
            "A passkey was copied",
            format!(
                "Something came with a copy of a passkey of your account on {host}. The passkey opens nothing any more.\n\nRemove it in your account and make a new one.\n"
            ),
        ),
        MailKind::CodeUsed => (
            "A recovery code was used",
            told("Somebody used a recovery code"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::secret::Secret;

    fn mail(kind: MailKind, to: &str) -> Mail {
        Mail {
            id: [7; 16],
            kind,
            recipient: Secret::new(to.to_owned()),
            link: Some(Secret::new("https://meet.example.org/reset#abc".to_owned())),
            tries: 0,
            expires: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_mail_carries_its_link_and_nothing_that_could_be_another_header() {
        let from = sender("Conclave <meet@example.org>").unwrap();
        let written = write(
            &mail(MailKind::Reset, "member@example.org"),
            &from,
            "meet.example.org",
        );
        let text = String::from_utf8(written.unwrap().formatted()).unwrap();
        assert!(text.contains("To: member@example.org\r\n"), "{text}");
        assert!(text.contains("https://meet.example.org/reset#abc"));
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"));
        for to in [
            "member@example.org\r\nBcc: other@example.org",
            "member@example.org, other@example.org",
            "a b@example.org",
            "",
        ] {
            assert!(
                write(&mail(MailKind::Reset, to), &from, "x").is_none(),
                "{to}"
            );
        }
    }
}
