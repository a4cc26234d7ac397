//! Providers with which people sign in: the operator's, which are only shown, and the organisation's own. An administrator changes them in
//! person, never a key: whoever says which claims make an administrator could make one of themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use conclave_policy::actions::ReadOrganisation;
use conclave_policy::control::{ManageProviders, ProviderDeed};
use conclave_policy::permit::Permit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{At, By, Given, IfMatch, There};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::name::tidy;
use crate::auth::oauth::discovered::Undiscovered;
use crate::auth::oauth::own::Said;
use crate::auth::oauth::settings::{Accounts, MOST, ProviderKind, ProviderSettings, Rule};
use crate::auth::offered::{Owned, OwnedChange};
use crate::auth::principal::Principal;
use crate::bounded::{Few, Text};
use crate::ids::{self, ProviderId};
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::providers::Linked;

const MAX_NAME: usize = 64;
/// Longest secret that a provider gives.
const MAX_SECRET: usize = 1024;

/// Something that a provider may say of someone: a claim that is, or holds, one of these values.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderRule)]
pub(super) struct RuleView {
    claim: String,
    values: Vec<String>,
}

/// A provider with which people may sign in.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub(super) struct ProviderView {
    /// What it is called in addresses.
    id: String,
    /// Whether it is the organisation's own; else it stands in the operator's settings, and is not changed here.
    own: bool,
    /// Whether people may come by it.
    enabled: bool,
    #[schema(value_type = String, pattern = "^(openid|google|facebook)$")]
    kind: ProviderKind,
    /// What stands on its button.
    name: String,
    issuer: String,
    /// What it calls this server.
    client_id: String,
    /// Beside `openid`.
    scopes: Vec<String>,
    /// `linked`: whoever linked the identity before; `made`: whoever `required` lets in gets an account.
    #[schema(value_type = String, pattern = "^(linked|made)$")]
    accounts: Accounts,
    /// All of these must hold, or nobody comes in by it.
    required: Vec<RuleView>,
    /// Any of these gives the right to create rooms.
    creators: Vec<RuleView>,
    /// Any of these makes an administrator.
    admins: Vec<RuleView>,
    /// Any of these says that a second factor was shown.
    second_factor: Vec<RuleView>,
    /// Whether the operator lets its issuer be on an internal network.
    internal: bool,
    /// The addresses to register there, one for each address of this server.
    redirects: Vec<String>,
}

/// A provider in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderLine)]
pub(super) struct ProviderLine {
    #[serde(flatten)]
    provider: ProviderView,
    /// Identities that were linked by it.
    linked: u64,
    /// Those of them that are the only way into their account.
    only_way: u64,
}

/// The providers, those of the operator first.
#[derive(Serialize, ToSchema)]
pub(super) struct ProviderLines {
    providers: Vec<ProviderLine>,
    /// How many there may be together.
    most: usize,
    /// The addresses of this server; a provider sends people back to `/sign-in/` and its `id` there.
    origins: Vec<String>,
}

/// A rule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleBody {
    /// Such as `groups`, `hd`, `acr` or `amr`; never one that begins with `email`.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    claim: Text<256>,
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 32)]
    values: Few<Text<256>, 32>,
}

type Rules = Few<RuleBody, 32>;

/// A provider to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProviderBody {
    /// What it will be called in addresses, so that its redirect address can be registered there beforehand: 128 random bits, never used
    /// before. Left out: the server makes one.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    id: Option<ProviderId>,
    #[schema(value_type = String, pattern = "^(openid|google|facebook)$")]
    kind: ProviderKind,
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    name: Text<256>,
    /// Only, and always, for `openid`: to the letter.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    issuer: Option<Text<256>>,
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    client_id: Text<256>,
    /// It is sealed, and never shown.
    #[schema(value_type = String, min_length = 1, max_length = 1024)]
    client_secret: Secret<Text<MAX_SECRET>>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 32)]
    scopes: Few<Text<64>, 32>,
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(linked|made)$")]
    accounts: Accounts,
    #[serde(default)]
    #[schema(value_type = Vec<RuleBody>, max_items = 32)]
    required: Rules,
    #[serde(default)]
    #[schema(value_type = Vec<RuleBody>, max_items = 32)]
    creators: Rules,
    #[serde(default)]
    #[schema(value_type = Vec<RuleBody>, max_items = 32)]
    admins: Rules,
    #[serde(default)]
    #[schema(value_type = Vec<RuleBody>, max_items = 32)]
    second_factor: Rules,
    /// Whether people may come by it at once; left out: yes.
    #[serde(default)]
    enabled: Option<bool>,
}

/// What is to be different; what is left out stays. Kind and issuer stay: another issuer knows other people.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderChange {
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    name: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    client_id: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    client_secret: Option<Secret<Text<MAX_SECRET>>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 32)]
    scopes: Option<Few<Text<64>, 32>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(linked|made)$")]
    accounts: Option<Accounts>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<RuleBody>>, max_items = 32)]
    required: Option<Rules>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<RuleBody>>, max_items = 32)]
    creators: Option<Rules>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<RuleBody>>, max_items = 32)]
    admins: Option<Rules>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<RuleBody>>, max_items = 32)]
    second_factor: Option<Rules>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// An issuer to be tried out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerBody {
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    issuer: Text<256>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuerChecked {
    /// What the issuer says of itself; null when it cannot be used.
    found: Option<IssuerView>,
    /// Why not: `address`, `internal`, `unreachable`, `too_large`, `redirect`, `no_discovery`, `other_issuer`, `bad_endpoints` or
    /// `no_challenge`.
    failure: Option<&'static str>,
}

/// What an issuer says of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuerFound)]
pub(super) struct IssuerView {
    /// Where people sign in.
    authorization_endpoint: String,
    /// Where the server asks.
    token_endpoint: String,
    /// The first of the scopes that it knows.
    scopes: Vec<String>,
    /// The first of the claims that it knows.
    claims: Vec<String>,
}

/// With what people sign in.
#[utoipa::path(get, path = "/v1/providers", operation_id = "listProviders", tag = "providers",
    responses((status = 200, description = "Every provider, those of the operator first.", body = ProviderLines)))]
pub(super) async fn list_providers(
    State(api): State<Arc<Api>>,
    By(principal): By,
) -> Result<Json<ProviderLines>, Refused> {
    let _seen = look(&api, &principal, ReadOrganisation)?;
    let linked = api.state.store.linked_by_provider(principal.org).await?;
    let auth = &api.state.auth;
    let own = auth.own_providers(principal.org).await?;
    let theirs = auth.operators_providers();
    let views = theirs.map(|provider| theirs_view(&api, provider));
    let views = views.chain(own.iter().map(|own| view(&api, own)));
    let lines = views.map(|provider| {
        let Linked { all, only_way } = linked.get(&provider.id).copied().unwrap_or_default();
        ProviderLine {
            provider,
            linked: all,
            only_way,
        }
    });
    Ok(Json(ProviderLines {
        providers: lines.collect(),
        most: MOST,
        origins: api.state.origins.iter().map(str::to_owned).collect(),
    }))
}

/// Adds a provider of the organisation's own. Not with a key.
#[utoipa::path(post, path = "/v1/providers", operation_id = "createProvider", tag = "providers", request_body = NewProviderBody,
    params(("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 201, description = "The provider.", body = ProviderView, headers(("Location" = String), ("ETag" = String)))))]
pub(super) async fn create_provider(
    State(api): State<Arc<Api>>,
    There(principal): There,
    Given(body): Given<NewProviderBody>,
) -> Result<Response, Refused> {
    let secret = secret(&body.client_secret)?;
    let said = Said {
        kind: body.kind,
        name: name(&body.name)?,
        issuer: body.issuer.map(Text::into_string),
        client_id: body.client_id.into_string(),
        scopes: texts(body.scopes),
        accounts: body.accounts,
        required: rules(body.required),
        creators: rules(body.creators),
        admins: rules(body.admins),
        second_factor: rules(body.second_factor),
    };
    check(&api, &said)?;
    let id = body.id;
    let id = id.unwrap_or_else(|| ids::random(api.state.random.as_ref()));
    let permit = manage(&api, &principal, Some(id), ProviderDeed::Create).await?;
    let wanted = OwnedChange {
        said,
        secret: Some(secret),
        on: body.enabled.unwrap_or(true),
    };
    let auth = &api.state.auth;
    let added = auth.add_provider(&permit, principal.org, wanted).await;
    added.map_err(stale)?;
    let made = find(&api, &principal, id).await?;
    let mut response = (StatusCode::CREATED, Tagged(view(&api, &made))).into_response();
    // Letters and digits are always a header's value.
    if let Ok(location) = HeaderValue::try_from(format!("/v1/providers/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// One provider.
#[utoipa::path(get, path = "/v1/providers/{provider}", operation_id = "getProvider", tag = "providers",
    params(("provider" = String, Path, description = "The provider.")),
    responses((status = 200, description = "The provider.", body = ProviderView, headers(("ETag" = String)))))]
pub(super) async fn get_provider(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Tagged<ProviderView>, Refused> {
    let _seen = look(&api, &principal, ReadOrganisation)?;
    let mut theirs = api.state.auth.operators_providers();
    if let Some(provider) = theirs.find(|provider| provider.id == id) {
        return Ok(Tagged(theirs_view(&api, provider)));
    }
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let own = find(&api, &principal, id).await?;
    Ok(Tagged(view(&api, &own)))
}

/// Changes a provider of the organisation's own. Whoever is on their way by it does not come in, and a change of anything but its name and its secret
/// ends the sessions that came by it. Not with a key.
#[utoipa::path(patch, path = "/v1/providers/{provider}", operation_id = "changeProvider", tag = "providers", request_body = ProviderChange,
    params(("provider" = String, Path, description = "The provider."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "The provider as it is now.", body = ProviderView, headers(("ETag" = String)))))]
pub(super) async fn change_provider(
    State(api): State<Arc<Api>>,
    There(principal): There,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    Given(body): Given<ProviderChange>,
) -> Result<Tagged<ProviderView>, Refused> {
    let id: ProviderId = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, Some(id), ProviderDeed::Change).await?;
    let before = find(&api, &principal, id).await?;
    matches(named.as_deref(), &view(&api, &before))?;
    let was = before.said.clone();
    let said = Said {
        kind: was.kind,
        name: body
            .name
            .as_ref()
            .map(name)
            .transpose()?
            .unwrap_or(was.name),
        issuer: was.issuer,
        client_id: body.client_id.map_or(was.client_id, Text::into_string),
        scopes: body.scopes.map_or(was.scopes, texts),
        accounts: body.accounts.unwrap_or(was.accounts),
        required: body.required.map_or(was.required, rules),
        creators: body.creators.map_or(was.creators, rules),
        admins: body.admins.map_or(was.admins, rules),
        second_factor: body.second_factor.map_or(was.second_factor, rules),
    };
    check(&api, &said)?;
    let wanted = OwnedChange {
        said,
        secret: body.client_secret.as_ref().map(secret).transpose()?,
        on: body.enabled.unwrap_or(before.on),
    };
    let auth = &api.state.auth;
    let changed = auth.change_provider(&permit, principal.org, &before, wanted);
    changed.await.map_err(stale)?;
    let after = find(&api, &principal, id).await?;
    Ok(Tagged(view(&api, &after)))
}

/// Removes a provider of the organisation's own, and ends every session that came by it. What was linked with it opens nothing any more. Not
/// with a key.
#[utoipa::path(delete, path = "/v1/providers/{provider}", operation_id = "removeProvider", tag = "providers",
    params(("provider" = String, Path, description = "The provider."), ("If-Match" = Option<String>, Header, description = "The state that is to be removed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_provider(
    State(api): State<Arc<Api>>,
    There(principal): There,
    At(id): At<String>,
    IfMatch(named): IfMatch,
) -> Result<StatusCode, Refused> {
    let id: ProviderId = id.parse().map_err(|_| Problem::NotFound)?;
    let permit = manage(&api, &principal, Some(id), ProviderDeed::Remove).await?;
    let before = find(&api, &principal, id).await?;
    matches(named.as_deref(), &view(&api, &before))?;
    let auth = &api.state.auth;
    let removed = auth.remove_provider(&permit, principal.org, before.revision);
    removed.await.map_err(stale)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks an issuer what it says of itself, as a sign-in by it would: over HTTPS, on the public internet or where the operator allows. Not with a key.
#[utoipa::path(post, path = "/v1/providers/check", operation_id = "checkIssuer", tag = "providers", request_body = IssuerBody,
    params(("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "What it says, or why it cannot be used.", body = IssuerChecked)))]
pub(super) async fn check_issuer(
    State(api): State<Arc<Api>>,
    There(principal): There,
    Given(body): Given<IssuerBody>,
) -> Result<Json<IssuerChecked>, Refused> {
    let permit = manage(&api, &principal, None, ProviderDeed::Check).await?;
    let said = Said {
        kind: ProviderKind::OpenId,
        name: "Check".to_owned(),
        issuer: Some(body.issuer.into_string()),
        client_id: "check".to_owned(),
        scopes: Vec::new(),
        accounts: Accounts::Linked,
        required: Vec::new(),
        creators: Vec::new(),
        admins: Vec::new(),
        second_factor: Vec::new(),
    };
    check(&api, &said)?;
    let checked = match api.state.auth.discover(&permit, &said).await {
        Ok(found) => IssuerChecked {
            found: Some(IssuerView {
                authorization_endpoint: found.authorization,
                token_endpoint: found.token,
                scopes: found.scopes,
                claims: found.claims,
            }),
            failure: None,
        },
        Err(Undiscovered::Busy) => return Err(Problem::Busy.into()),
        Err(why) => IssuerChecked {
            found: None,
            failure: Some(why.as_str()),
        },
    };
    Ok(Json(checked))
}

async fn manage(
    api: &Api,
    principal: &Principal,
    provider: Option<ProviderId>,
    deed: ProviderDeed,
) -> Result<Permit<ManageProviders>, Refused> {
    Ok(ask(api, principal, ManageProviders { provider, deed }).await?)
}

async fn find(api: &Api, principal: &Principal, id: ProviderId) -> Result<Owned, Refused> {
    let all = api.state.auth.own_providers(principal.org).await?;
    let found = all.into_iter().find(|own| own.id == id);
    Ok(found.ok_or(Problem::NotFound)?)
}

fn check(api: &Api, said: &Said) -> Result<(), Problem> {
    let checked = api.state.auth.check_said(said);
    checked.map_err(Problem::InvalidProvider)
}

fn stale(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict => Problem::Stale,
        error => error.into(),
    }
}

fn name(text: &Text<256>) -> Result<String, Problem> {
    tidy(text.as_str(), MAX_NAME).map_err(Problem::InvalidName)
}

fn secret(given: &Secret<Text<MAX_SECRET>>) -> Result<Secret<String>, Problem> {
    let text = given.expose().as_str();
    // It goes into a header or a form; what cannot be printed was copied by mistake.
    let plain = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    plain
        .then(|| Secret::new(text.to_owned()))
        .ok_or(Problem::InvalidValue)
}

fn texts<const N: usize, const M: usize>(texts: Few<Text<N>, M>) -> Vec<String> {
    let texts = texts.into_vec().into_iter();
    texts.map(Text::into_string).collect()
}

fn rules(rules: Rules) -> Vec<Rule> {
    let rules = rules.into_vec().into_iter();
    rules
        .map(|rule| Rule {
            claim: rule.claim.into_string(),
            values: texts(rule.values),
        })
        .collect()
}

fn rule_views(rules: &[Rule]) -> Vec<RuleView> {
    let rules = rules.iter();
    rules
        .map(|rule| RuleView {
            claim: rule.claim.clone(),
            values: rule.values.clone(),
        })
        .collect()
}

/// One of the organisation's own.
fn view(api: &Api, own: &Owned) -> ProviderView {
    let said = &own.said;
    let internal = api.state.auth.may_be_inside(said);
    // The secret is not read for it.
    ProviderView {
        own: true,
        enabled: own.on,
        ..shown(api, &said.without_secret(own.id, internal))
    }
}

/// One of the operator's.
fn theirs_view(api: &Api, provider: &ProviderSettings) -> ProviderView {
    shown(api, provider)
}

fn shown(api: &Api, provider: &ProviderSettings) -> ProviderView {
    let redirects = api.state.origins.iter();
    let redirects = redirects.map(|origin| format!("{origin}/sign-in/{}", provider.id));
    ProviderView {
        id: provider.id.clone(),
        own: false,
        enabled: true,
        kind: provider.kind,
        name: provider.name.clone(),
        issuer: provider.issuer().to_owned(),
        client_id: provider.client_id.clone(),
        scopes: provider.scopes.clone(),
        accounts: provider.accounts,
        required: rule_views(&provider.required),
        creators: rule_views(&provider.creators),
        admins: rule_views(&provider.admins),
        second_factor: rule_views(&provider.second_factor),
        internal: provider.internal,
        redirects: redirects.collect(),
    }
}
