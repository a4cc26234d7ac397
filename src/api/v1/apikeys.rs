//! API keys: made, listed and taken back by administrators in person, never by a key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use conclave_policy::control::ManageApiKeys;
use conclave_policy::scopes::{Scope, Scopes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{At, By, Given, There};
use crate::api::v1::problem::Refused;
use crate::auth::apikey::WantedKey;
use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::bounded::{Few, Text};
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId};

/// The longest life of a key.
const LONGEST_DAYS: u32 = 366;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A key as administrators see it: what it is for, and by which letters it is known again.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct ApiKeyView {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: ApiKeyId,
    name: String,
    /// The first letters of the key.
    prefix: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// The administrator who made it; it is over when they administer no more.
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    made_by: AccountId,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    made: Timestamp,
    #[schema(value_type = i64)]
    expires: Timestamp,
    /// About when it was used last.
    #[schema(value_type = Option<i64>)]
    used: Option<Timestamp>,
}

/// Every key that was not taken back, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyList {
    keys: Vec<ApiKeyView>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKey {
    /// What it is called.
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    name: Text<1024>,
    /// What it is for.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 32)]
    scopes: Few<Scope, 32>,
    /// How long it is taken.
    #[schema(minimum = 1, maximum = 366)]
    expires_in_days: u32,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyMade {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: ApiKeyId,
    /// The key itself: it is not shown again.
    key: String,
    prefix: String,
    #[schema(value_type = i64)]
    expires: Timestamp,
}

/// The keys of the organisation.
#[utoipa::path(get, path = "/v1/api-keys", operation_id = "listApiKeys", tag = "api-keys",
    responses((status = 200, description = "Every key, the newest first.", body = ApiKeyList)))]
pub(super) async fn list_api_keys(
    State(api): State<Arc<Api>>,
    By(principal): By,
) -> Result<Json<ApiKeyList>, Refused> {
    let _seen = look(&api, &principal, ManageApiKeys)?;
    let found = api.state.store.api_keys(principal.org).await?;
    let keys = found.into_iter().map(|key| ApiKeyView {
        id: key.id,
        name: key.name.expose().clone(),
        prefix: key.prefix,
        scopes: key.scopes.iter().collect(),
        made_by: key.made_by,
        made: key.made,
        expires: key.expires,
        used: key.used,
    });
    Ok(Json(ApiKeyList {
        keys: keys.collect(),
    }))
}

/// Makes a key, which is shown once. Not with a key, and not by an administrator whom only a provider's claims make one.
#[utoipa::path(post, path = "/v1/api-keys", operation_id = "createApiKey", tag = "api-keys", request_body = NewApiKey,
    params(("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 201, description = "The key was made.", body = ApiKeyMade)))]
pub(super) async fn create_api_key(
    State(api): State<Arc<Api>>,
    There(principal): There,
    Given(body): Given<NewApiKey>,
) -> Result<(StatusCode, Json<ApiKeyMade>), Refused> {
    let name = DisplayName::parse(body.name.as_str()).map_err(Problem::InvalidName)?;
    let scopes: Scopes = body.scopes.iter().copied().collect();
    if scopes.is_empty() || !(1..=LONGEST_DAYS).contains(&body.expires_in_days) {
        return Err(Problem::InvalidValue.into());
    }
    let permit = ask(&api, &principal, ManageApiKeys).await?;
    let made_by = principal.account().ok_or(Problem::NotAllowed)?;
    let wanted = WantedKey {
        name,
        scopes,
        lasts: DAY.saturating_mul(body.expires_in_days),
    };
    let auth = &api.state.auth;
    let made = auth
        .create_api_key(&permit, principal.org, made_by, wanted)
        .await
        .map_err(|error| match error {
            AuthError::Refused => Problem::NotAllowed,
            AuthError::Busy => Problem::TooMany,
            other => other.into(),
        })?;
    let made = ApiKeyMade {
        id: made.id,
        key: made.secret.expose().clone(),
        prefix: made.prefix,
        expires: made.expires,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes a key back: from now on it is refused.
#[utoipa::path(delete, path = "/v1/api-keys/{key}", operation_id = "revokeApiKey", tag = "api-keys",
    params(("key" = String, Path, description = "The key's identifier.")),
    responses((status = 204, description = "It was taken back.")))]
pub(super) async fn revoke_api_key(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(key): At<String>,
) -> Result<StatusCode, Refused> {
    let permit = ask(&api, &principal, ManageApiKeys).await?;
    let key: ApiKeyId = key.parse().map_err(|_| Problem::NotFound)?;
    let now = api.state.clock.now();
    api.state
        .store
        .revoke_api_key(&permit, principal.org, key, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
