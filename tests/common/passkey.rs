//! A passkey of a story, in an authenticator as a device has one, and what is done with it in a session that goes on.

use reqwest::Method;
use serde_json::{Value, json};

use self::authenticator::Authenticator;
use crate::common::server::{Answer, Person, Server};

#[path = "../../src/api/tests/authenticator.rs"]
mod authenticator;

const ORIGIN: &str = "https://localhost";

/// A passkey of someone.
pub(crate) struct Passkey(Authenticator);

impl Passkey {
    /// Makes one, and lets it open this person's account.
    pub(crate) async fn of(server: &Server, person: &Person, number: u8) -> Self {
        let made = Self::try_of(server, person, number).await;
        made.unwrap_or_else(|code| panic!("no passkey was made: {code}"))
    }

    /// Tries to; the code of the refusal.
    pub(crate) async fn try_of(
        server: &Server,
        person: &Person,
        number: u8,
    ) -> Result<Self, String> {
        let mut device = Authenticator::new(number);
        device.origin = server.origin();
        device.domain = "localhost".to_owned();
        let token = Some(person.token.as_str());
        let path = "/api/passkeys/start";
        let begun = server.get(Method::POST, path, token, None).await;
        let made = device.make(&begun["options"]);
        let body = json!({"ceremony": begun["ceremony"], "credential": made, "name": "Device"});
        let added = server
            .call(Method::POST, "/api/passkeys", token, Some(body))
            .await;
        if added.status.is_success() {
            Ok(Self(device))
        } else {
            Err(added.code().to_owned())
        }
    }

    /// What comes of a ceremony.
    pub(crate) fn answer(&mut self, ceremony: &Value) -> Value {
        let credential = self.0.make_use(&ceremony["options"]);
        json!({"ceremony": ceremony["ceremony"], "credential": credential})
    }

    /// Shows it in this session.
    pub(crate) async fn show(&mut self, server: &Server, person: &Person) -> Answer {
        let begun = begin(server, person).await;
        let body = self.answer(&begun.body);
        finish(server, person, body).await
    }
}

/// Begins to show a passkey in a session.
pub(crate) async fn begin(server: &Server, person: &Person) -> Answer {
    let (path, token) = ("/api/session/step-up/start", Some(person.token.as_str()));
    server.call(Method::POST, path, token, None).await
}

/// Ends it.
pub(crate) async fn finish(server: &Server, person: &Person, body: Value) -> Answer {
    let (path, token) = ("/api/session/step-up", Some(person.token.as_str()));
    server.call(Method::POST, path, token, Some(body)).await
}

/// Turns on or off that second factors are asked for.
pub(crate) async fn ask_for_factors(server: &Server, person: &Person, on: bool) -> Answer {
    let (path, token) = ("/api/organisation/options", Some(person.token.as_str()));
    let body = json!({"require_second_factor": on});
    server.call(Method::PATCH, path, token, Some(body)).await
}
