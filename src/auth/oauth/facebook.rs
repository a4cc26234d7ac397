//! Facebook: OAuth 2 and one question to Graph, which says who it was. Every question with someone's token carries a proof that
//! it comes from the server that has the app's secret (`appsecret_proof`).

use std::fmt::Write as _;

use axum::http::{HeaderValue, Method, StatusCode, header};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse, TokenUrl,
};
use openidconnect::url::Url;
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::oauth::claims::Proven;
use crate::auth::oauth::provider::{Back, Failure, There};
use crate::outbound::fetch::Fetcher;
use crate::secret::Secret;

/// The version of Graph that this was written for.
const VERSION: &str = "v23.0";
/// What Facebook is called in identities, wherever it is asked.
const ISSUER: &str = "https://www.facebook.com";
const GRAPH: &str = "https://graph.facebook.com";

/// Facebook, or what stands in for it.
pub(super) struct Facebook {
    /// Where people sign in.
    pages: String,
    /// Where the server asks.
    graph: String,
    client_id: String,
    secret: Secret<String>,
    scopes: Vec<String>,
    fetcher: Fetcher,
}

type TheirClient =
    BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// What Graph says of someone.
#[derive(Deserialize)]
struct Someone {
    id: String,
    #[serde(default)]
    name: Option<String>,
}

impl Facebook {
    /// `elsewhere` is one address for pages and Graph alike.
    pub(super) fn new(
        elsewhere: Option<&str>,
        client_id: &str,
        secret: Secret<String>,
        scopes: &[String],
        fetcher: Fetcher,
    ) -> Self {
        let plain = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            pages: plain(elsewhere.unwrap_or(ISSUER)),
            graph: plain(elsewhere.unwrap_or(GRAPH)),
            client_id: client_id.to_owned(),
            secret,
            scopes: scopes.to_vec(),
            fetcher,
        }
    }

    /// Where to send the browser.
    pub(super) fn there(&self, there: &There<'_>) -> Result<Url, Failure> {
        let verifier = PkceCodeVerifier::new(there.verifier.expose().clone());
        let state = there.state.to_owned();
        let client = self.client(there.redirect)?;
        let mut request = client
            .authorize_url(move || CsrfToken::new(state))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scope(Scope::new("public_profile".to_owned()));
        for scope in &self.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        Ok(request.url().0)
    }

    /// Changes the code for a token, and asks whose it is.
    pub(super) async fn back(&self, back: &Back<'_>) -> Result<Proven, Failure> {
        // Facebook does not name itself in its answers; whoever does so there is someone else.
        if back.iss.is_some_and(|iss| iss != ISSUER) {
            return Err(Failure::Refused("the answer comes from another issuer"));
        }
        let tokens = self
            .client(back.redirect)?
            .exchange_code(AuthorizationCode::new(back.code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(back.verifier.expose().clone()))
            .request_async(&self.fetcher)
            .await
            .map_err(|_| Failure::Refused("the code was not taken"))?;
        let someone = self.who(tokens.access_token().secret()).await?;
        let digits = (1..=32).contains(&someone.id.len())
            && someone.id.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(Failure::Refused("there is no subject"));
        }
        let mut claims = Map::new();
        if let Some(name) = someone.name {
            claims.insert("name".to_owned(), Value::String(name));
        }
        Ok(Proven {
            issuer: ISSUER.to_owned(),
            subject: someone.id,
            claims,
        })
    }

    async fn who(&self, token: &str) -> Result<Someone, Failure> {
        let proof = proof(&self.secret, token);
        let address = format!(
            "{}/{VERSION}/me?fields=id%2Cname&appsecret_proof={proof}",
            self.graph
        );
        // The token goes in the head, so that it stands in no log of addresses.
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::Refused("the token is none"))?;
        bearer.set_sensitive(true);
        let mut request = HttpRequest::new(Vec::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = address
            .parse()
            .map_err(|_| Failure::Provider("its address is none"))?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let answer = self
            .fetcher
            .fetch(request)
            .await
            .map_err(|_| Failure::Provider("Graph did not answer"))?;
        if answer.status() != StatusCode::OK {
            return Err(Failure::Refused("Graph does not say who it is"));
        }
        serde_json::from_slice(answer.body())
            .map_err(|_| Failure::Refused("Graph does not say who it is"))
    }

    fn client(&self, redirect: &str) -> Result<TheirClient, Failure> {
        let wrong = || Failure::Provider("its address is none");
        let pages = AuthUrl::new(format!("{}/{VERSION}/dialog/oauth", self.pages));
        let tokens = TokenUrl::new(format!("{}/{VERSION}/oauth/access_token", self.graph));
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| wrong())?;
        Ok(BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.secret.expose().clone()))
            .set_auth_uri(pages.map_err(|_| wrong())?)
            .set_token_uri(tokens.map_err(|_| wrong())?)
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody))
    }
}

/// HMAC-SHA256 of the token with the app's secret, in hexadecimal digits.
fn proof(secret: &Secret<String>, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut text = String::with_capacity(64);
    for byte in hmac::sign(&key, token.as_bytes()).as_ref() {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_digest_that_graph_computes() {
        // RFC 4231, test case 2.
        assert_eq!(
            proof(
                &Secret::new("Jefe".to_owned()),
                "what do ya want for nothing?"
            ),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
