//! The second factor after a password: a passkey, or one of the recovery codes that were made for the day on which it is lost.

use std::net::IpAddr;

use conclave_policy::own::MakeRecoveryCodes;
use conclave_policy::permit::Permit;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::auth::error::AuthError;
use crate::auth::passkeys::{Asserted, Bound, Ceremony, Purpose};
use crate::auth::proof::Thumbprint;
use crate::auth::session::{Auth, SignedIn};
use crate::ids::{AccountId, OrgId};
use crate::secret::Secret;
use crate::store::mails::MailKind;

/// Codes that are made at a time.
const CODES: usize = 10;
/// 80 bits each: sixteen letters and digits. That is more than can be guessed, with or without the table of hashes.
const CODE_BYTES: usize = 10;
const GROUP: usize = 4;
/// More than a code takes with any spaces and dashes.
const MAX_TEXT: usize = 64;
/// What the audit trail calls the use of a code.
const RECOVERY_CODE_USED: &str = "recovery_code_used";

/// Someone gave the right password of an account that asks for more. Made only by a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfWay {
    pub(super) account: AccountId,
    pub(super) epoch: i64,
}

/// What is asked for after the password.
#[derive(Debug)]
pub struct SecondFactor {
    /// What the browser brings back, and what it asks a passkey. Without options only a code helps.
    pub ceremony: Secret<String>,
    /// The options.
    pub options: Option<serde_json::Value>,
    /// Whether there are codes left.
    pub codes: bool,
}

/// The second factor as it comes back.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// A passkey.
    Passkey(&'a Asserted),
    /// A recovery code, as typed.
    Code(&'a Secret<String>),
}

impl Auth {
    /// Asks someone who gave the right password for the second factor.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ask_second_factor(
        &self,
        half: HalfWay,
        key: Option<Thumbprint>,
    ) -> Result<SecondFactor, AuthError> {
        let org = self.store.org();
        let bound = Bound {
            account: Some((half.account, half.epoch)),
            session: None,
            key,
        };
        let codes = self.store.recovery(org, half.account).await?.left > 0;
        let these = self.store.passkeys(org, half.account).await?;
        if self.passkey_domain().is_some() {
            let Ceremony { token, options } = self
                .ask_for_passkey(Purpose::Factor, bound, Some(&these))
                .await?;
            return Ok(SecondFactor {
                ceremony: token,
                options: Some(options),
                codes,
            });
        }
        // Passkeys were made when the server had a name for them, and now it has none.
        let Ceremony { token, .. } = self
            .ceremony(Purpose::Factor, bound, &(), serde_json::Value::Null)
            .await?;
        Ok(SecondFactor {
            ceremony: token,
            options: None,
            codes,
        })
    }

    /// Ends a sign-in with the second factor. A passkey gets one try for each password; codes have the budget of passwords.
    ///
    /// # Errors
    /// `Refused`, `TooMany`, `Busy` or `Unavailable`.
    pub async fn show_second_factor(
        &self,
        ceremony: &Secret<String>,
        shown: Shown<'_>,
        (address, key): (IpAddr, Option<Thumbprint>),
        device: Option<&Secret<String>>,
    ) -> Result<SignedIn, AuthError> {
        let (bound, _, _) = self.open_ceremony(ceremony, Purpose::Factor)?;
        let (account, epoch) = bound.account.ok_or(AuthError::Refused)?;
        if bound.key != key {
            return Err(AuthError::Refused);
        }
        match shown {
            Shown::Passkey(asserted) => {
                self.newcomer(address)?;
                let (_, state) = self.end(ceremony, Purpose::Factor).await?;
                let passkey = self.proven(&state, asserted, Some(account)).await?;
                self.enter_with_both(account, epoch, key, Some(passkey.id))
                    .await
            }
            Shown::Code(code) => {
                let org = self.store.org();
                let found = self.store.password_of(org, account).await?;
                let (index, _) = found.ok_or(AuthError::Refused)?;
                let device = device.and_then(|device| self.known_device(&index, device));
                let attempt = self
                    .guesses
                    .sign_in(index, device, address, self.clock.instant())
                    .map_err(|retry_after| AuthError::TooMany { retry_after })?;
                let code = read(code).ok_or(AuthError::Refused)?;
                let hash = self.store.recovery_hash(org, account, &code);
                let now = self.clock.now();
                self.store
                    .spend_recovery_code(org, account, hash, now)
                    .await?;
                attempt.succeeded();
                self.end(ceremony, Purpose::Factor).await?;
                self.note(
                    RECOVERY_CODE_USED,
                    account.into(),
                    Some(*account.as_bytes()),
                );
                self.tell(account, MailKind::CodeUsed).await;
                self.enter_with_both(account, epoch, key, None).await
            }
        }
    }

    /// Makes codes anew, in place of all earlier ones. They are told here and nowhere else.
    ///
    /// # Errors
    /// `Refused` or `Unavailable`.
    pub async fn make_recovery_codes(
        &self,
        permit: Permit<MakeRecoveryCodes>,
        org: OrgId,
        account: AccountId,
    ) -> Result<Vec<Secret<String>>, AuthError> {
        if permit.actor() != account.into() {
            return Err(AuthError::Refused);
        }
        let mut codes = Vec::with_capacity(CODES);
        let mut hashes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let mut bytes = Zeroizing::new([0; CODE_BYTES]);
            self.random.fill(bytes.as_mut_slice());
            hashes.push(self.store.recovery_hash(org, account, bytes.as_slice()));
            codes.push(written(bytes.as_slice()));
        }
        let MakeRecoveryCodes = permit.into_action();
        self.store
            .keep_recovery_codes(org, account, hashes, self.clock.now())
            .await?;
        Ok(codes)
    }
}

/// Four groups of four: `abcd-efgh-ijkl-mnop`.
fn written(bytes: &[u8]) -> Secret<String> {
    let letters = Zeroizing::new(BASE32_NOPAD.encode(bytes).to_ascii_lowercase());
    let mut text = String::with_capacity(letters.len() + letters.len() / GROUP);
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    Secret::new(text)
}

/// What someone typed, however they grouped it.
fn read(text: &Secret<String>) -> Option<Zeroizing<Vec<u8>>> {
    if text.expose().len() > MAX_TEXT {
        return None;
    }
    let letters: Zeroizing<String> = Zeroizing::new(
        text.expose()
            .chars()
            .filter(|letter| !letter.is_whitespace() && *letter != '-')
            .map(|letter| letter.to_ascii_uppercase())
            .collect(),
    );
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(letters.as_bytes()).ok()?);
    (bytes.len() == CODE_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_grouped() {
        let code = written(&[7; CODE_BYTES]);
        assert_eq!(code.expose().len(), 19);
        let typed = [
            code.expose().clone(),
            code.expose().replace('-', ""),
            format!("  {} ", code.expose().replace('-', " ").to_uppercase()),
        ];
        for text in typed {
            assert_eq!(
                read(&Secret::new(text)).unwrap().as_slice(),
                [7; CODE_BYTES]
            );
        }
        for text in ["", "abcd", "abcd-efgh-ijkl-mno1", &"a".repeat(100), "é"] {
            assert!(read(&Secret::new((*text).to_owned())).is_none(), "{text}");
        }
    }
}
