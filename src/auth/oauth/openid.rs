//! OpenID Connect: discovery, the way there with PKCE, state and nonce, and the way back with a code that is changed for an
//! ID token whose signature, issuer, audience, times and nonce are checked (OpenID Connect Core, section 3.1.3.7; RFC 9700).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenUrl,
};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreRevocationErrorResponse, CoreSubjectIdentifierType,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, AuthenticationFlow, ClaimsVerificationError,
    Client, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IdTokenVerifier, IssuerUrl, Nonce, ProviderMetadata, SignatureVerificationError,
    StandardErrorResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::auth::oauth::claims::Proven;
use crate::auth::oauth::discovered::{Discovered, Undiscovered};
use crate::auth::oauth::provider::{Back, Failure, There};
use crate::clock::Timestamp;
use crate::outbound::fetch::Fetcher;
use crate::secret::Secret;

/// How long what was discovered is used.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How soon keys are asked for again when a token is signed with one that is not known: the provider may have changed them.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a provider that did not answer is left alone.
const REST: Duration = Duration::from_secs(10);
/// How old a fresh ID token may be, and how far its clock ahead of ours.
const AGE: i64 = 10 * 60;
const AHEAD: i64 = 60;
/// OpenID Connect Core, section 2: a subject has at most 255 characters.
const MAX_SUBJECT: usize = 255;

/// Signatures that nobody but the provider can make: no shared secret, and never none.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 10] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EcdsaP521Sha512,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// One OpenID provider.
pub(super) struct OpenId {
    issuer: IssuerUrl,
    client_id: String,
    secret: Secret<String>,
    scopes: Vec<String>,
    fetcher: Fetcher,
    /// Held while it is asked, so that it is asked once.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Instant)>,
    failed: Option<Instant>,
    /// When it was asked before its time, for a key that was not known.
    again: Option<Instant>,
}

/// What discovery says beside what the library knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Extra {
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

/// Claims beside the standard ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Others {
    #[serde(flatten)]
    all: BTreeMap<String, Value>,
}

impl AdditionalClaims for Others {}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type TheirClient = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    StandardRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl OpenId {
    pub(super) fn new(
        issuer: &str,
        client_id: &str,
        secret: Secret<String>,
        scopes: &[String],
        fetcher: Fetcher,
    ) -> Option<Self> {
        Some(Self {
            issuer: IssuerUrl::new(issuer.to_owned()).ok()?,
            client_id: client_id.to_owned(),
            secret,
            scopes: scopes.to_vec(),
            fetcher,
            known: Mutex::default(),
        })
    }

    /// Where to send the browser.
    pub(super) async fn there(&self, there: &There<'_>, now: Instant) -> Result<Url, Failure> {
        let metadata = self.metadata(now).await?;
        let verifier = PkceCodeVerifier::new(there.verifier.expose().clone());
        let (state, nonce) = (there.state.to_owned(), there.nonce.to_owned());
        let client = self.client(&metadata, there.redirect)?;
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for scope in &self.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, _, _) = request.url();
        Ok(url)
    }

    /// Changes the code for an identity.
    pub(super) async fn back(
        &self,
        back: &Back<'_>,
        now: Instant,
        time: Timestamp,
    ) -> Result<Proven, Failure> {
        let metadata = self.metadata(now).await?;
        self.named(&metadata, back.iss)?;
        let client = self.client(&metadata, back.redirect)?;
        let verifier = PkceCodeVerifier::new(back.verifier.expose().clone());
        let tokens = client
            .exchange_code(AuthorizationCode::new(back.code.to_owned()))
            .map_err(|_| Failure::Provider("it has no token endpoint"))?
            .set_pkce_verifier(verifier)
            .request_async(&self.fetcher)
            .await
            .map_err(|_| Failure::Refused("the code was not taken"))?;
        let token = tokens
            .extra_fields()
            .id_token()
            .ok_or(Failure::Refused("there is no ID token"))?;
        let nonce = Nonce::new(back.nonce.to_owned());
        let claims = match self.check(token, &metadata, &nonce, time) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                // The provider may have new keys.
                let metadata = self.anew(now).await?;
                self.check(token, &metadata, &nonce, time)
            }
            other => other,
        };
        claims.map_err(|_| Failure::Refused("the ID token is not valid"))
    }

    /// RFC 9207: the answer names its issuer where the provider says that it does, and never another.
    fn named(&self, metadata: &Metadata, iss: Option<&str>) -> Result<(), Failure> {
        let needed = metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported;
        match iss {
            Some(iss) if iss == self.issuer.as_str() => Ok(()),
            None if !needed => Ok(()),
            _ => Err(Failure::Refused("the answer comes from another issuer")),
        }
    }

    fn check(
        &self,
        token: &openidconnect::IdToken<
            Others,
            CoreGenderClaim,
            CoreJweContentEncryptionAlgorithm,
            CoreJwsSigningAlgorithm,
        >,
        metadata: &Metadata,
        nonce: &Nonce,
        time: Timestamp,
    ) -> Result<Proven, ClaimsVerificationError> {
        let now = DateTime::from_timestamp_millis(time.as_millis()).unwrap_or_default();
        // A public client's verifier knows no shared secret, so that none can have signed.
        let verifier = IdTokenVerifier::new_public_client(
            ClientId::new(self.client_id.clone()),
            self.issuer.clone(),
            metadata.jwks().clone(),
        )
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now)
        .set_issue_time_verifier_fn(move |made| {
            let age = now.timestamp().saturating_sub(made.timestamp());
            if (-AHEAD..=AGE).contains(&age) {
                Ok(())
            } else {
                Err("not made just now".to_owned())
            }
        });
        let claims = token.claims(&verifier, nonce)?;
        if let Some(party) = claims.authorized_party()
            && party.as_str() != self.client_id
        {
            let why = "made for another client".to_owned();
            return Err(ClaimsVerificationError::InvalidAudience(why));
        }
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > MAX_SUBJECT {
            let why = "no subject".to_owned();
            return Err(ClaimsVerificationError::InvalidSubject(why));
        }
        let mut all: Map<String, Value> = claims
            .additional_claims()
            .all
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // Standard claims that rules may name, and a name to begin with.
        let text = |value: &str| Value::String(value.to_owned());
        if let Some(acr) = claims.auth_context_ref() {
            all.insert("acr".to_owned(), text(acr.as_str()));
        }
        if let Some(amr) = claims.auth_method_refs() {
            let amr = amr.iter().map(|method| text(method.as_str())).collect();
            all.insert("amr".to_owned(), Value::Array(amr));
        }
        if let Some(name) = claims.name().and_then(|name| name.get(None)) {
            all.insert("name".to_owned(), text(name.as_str()));
        }
        Ok(Proven {
            issuer: self.issuer.as_str().to_owned(),
            subject: subject.to_owned(),
            claims: all,
        })
    }

    fn client(&self, metadata: &Metadata, redirect: &str) -> Result<TheirClient, Failure> {
        let redirect = RedirectUrl::new(redirect.to_owned())
            .map_err(|_| Failure::Provider("there is no address to come back to"))?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        // Without a word on it the provider takes basic authentication (OpenID Connect Discovery, section 3).
        let in_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let client = TheirClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.client_id.clone()),
            Some(ClientSecret::new(self.secret.expose().clone())),
        );
        Ok(client.set_redirect_uri(redirect).set_auth_type(if in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        }))
    }

    /// What the provider says of itself, after it signed with a key that is not among those it had.
    async fn anew(&self, now: Instant) -> Result<Arc<Metadata>, Failure> {
        let mut known = self.known.lock().await;
        let due = known
            .again
            .is_none_or(|at| now.saturating_duration_since(at) >= AGAIN);
        if due {
            known.again = Some(now);
            known.metadata = None;
        }
        drop(known);
        self.metadata(now).await
    }

    /// What the provider says of itself.
    async fn metadata(&self, now: Instant) -> Result<Arc<Metadata>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((metadata, at)) = &known.metadata
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(metadata.clone());
        }
        if let Some(at) = known.failed
            && now.saturating_duration_since(at) < REST
        {
            return Err(Failure::Provider("it did not answer a moment ago"));
        }
        match self.metadata_now().await {
            Ok(found) => {
                let found = Arc::new(found);
                known.metadata = Some((found.clone(), now));
                known.failed = None;
                Ok(found)
            }
            Err(_) => {
                known.failed = Some(now);
                Err(Failure::Provider("it cannot be discovered"))
            }
        }
    }

    /// What it says of itself, for whoever sets it up.
    pub(super) async fn discover(&self) -> Result<Discovered, Undiscovered> {
        let metadata = self.metadata_now().await?;
        let token = metadata.token_endpoint().map(TokenUrl::url);
        let scopes = metadata.scopes_supported().into_iter().flatten();
        let claims = metadata.claims_supported().into_iter().flatten();
        Ok(Discovered {
            authorization: metadata.authorization_endpoint().url().to_string(),
            token: token.map(Url::to_string).unwrap_or_default(),
            scopes: Discovered::bounded(scopes.map(|scope| scope.as_str())),
            claims: Discovered::bounded(claims.map(|claim| claim.as_str())),
        })
    }

    async fn metadata_now(&self) -> Result<Metadata, Undiscovered> {
        // The library compares the issuer in the answer with the one that was asked, to the letter.
        let metadata = Metadata::discover_async(self.issuer.clone(), &self.fetcher)
            .await
            .map_err(|error| match error {
                DiscoveryError::Request(why) => {
                    tracing::warn!(%why, "a provider could not be asked");
                    Undiscovered::from(why)
                }
                other => {
                    tracing::warn!(error = %other, "a provider was not understood");
                    match other {
                        DiscoveryError::Validation(_) => Undiscovered::OtherIssuer,
                        _ => Undiscovered::NoDiscovery,
                    }
                }
            })?;
        if !is_plain(metadata.authorization_endpoint().url())
            || !metadata
                .token_endpoint()
                .map(TokenUrl::url)
                .is_some_and(is_plain)
        {
            tracing::warn!("a provider's addresses are not plain https");
            return Err(Undiscovered::BadEndpoints);
        }
        let methods = &metadata
            .additional_metadata()
            .code_challenge_methods_supported;
        // Some providers do S256 and do not say so; one that speaks of others only does not.
        let sound = methods
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|method| method == "S256"));
        if sound {
            Ok(metadata)
        } else {
            tracing::warn!("a provider does not take S256 challenges");
            Err(Undiscovered::NoChallenge)
        }
    }
}

/// Whether a browser or a secret may be sent to an address that a provider names.
fn is_plain(url: &Url) -> bool {
    url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}
