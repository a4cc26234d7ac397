//! Which pages of others may bring their users in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use conclave_policy::actions::ReadOrganisation;
use conclave_policy::control::ChangeEmbedders;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{By, Given, IfMatch, here};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::embedding::EmbeddingOrigin;
use crate::auth::principal::Principal;
use crate::bounded::{Few, Text};

/// The origins of the pages that may.
#[derive(Serialize, ToSchema)]
#[schema(as = EmbeddingOrigins)]
pub(super) struct OriginsView {
    /// Such as `https://app.example.org`.
    origins: Vec<String>,
}

/// The origins that are to be allowed from now on, instead of those before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrigins {
    /// Each `https://host` or `https://host:port`, exactly as browsers send it.
    #[schema(value_type = Vec<String>, max_items = 32)]
    origins: Few<Text<512>, 32>,
}

/// The origins whose pages may bring their users in by join tokens.
#[utoipa::path(get, path = "/v1/embedding/origins", operation_id = "getEmbeddingOrigins", tag = "embedding",
    responses((status = 200, description = "The origins.", body = OriginsView, headers(("ETag" = String)))))]
pub(super) async fn get_origins(
    State(api): State<Arc<Api>>,
    By(principal): By,
) -> Result<Tagged<OriginsView>, Refused> {
    let _seen = look(&api, &principal, ReadOrganisation)?;
    Ok(Tagged(allowed(&api, &principal).await?))
}

/// Says which origins may, instead of those before. One that is taken back opens no connection any more; those that are open go on.
#[utoipa::path(put, path = "/v1/embedding/origins", operation_id = "setEmbeddingOrigins", tag = "embedding", request_body = NewOrigins,
    params(("If-Match" = Option<String>, Header, description = "The state that is to be changed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a person adds one and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "The origins as they are now.", body = OriginsView, headers(("ETag" = String)))))]
pub(super) async fn set_origins(
    State(api): State<Arc<Api>>,
    By(principal): By,
    IfMatch(named): IfMatch,
    headers: HeaderMap,
    Given(body): Given<NewOrigins>,
) -> Result<Tagged<OriginsView>, Refused> {
    let local = api.state.origins.are_local();
    let parsed = body.origins.iter();
    let parsed = parsed.map(|origin| EmbeddingOrigin::parse(origin.as_str(), local));
    let parsed: Option<Vec<_>> = parsed.collect();
    let mut origins = parsed.ok_or(Problem::InvalidOrigin)?;
    origins.sort();
    origins.dedup();
    let origins: Vec<_> = origins
        .iter()
        .map(|origin| origin.as_str().to_owned())
        .collect();
    let _turn = api.v1.conditional.lock().await;
    let before = allowed(&api, &principal).await?;
    if origins.iter().any(|new| !before.origins.contains(new)) {
        here(&api, &principal, &headers)?;
    }
    let permit = ask(&api, &principal, ChangeEmbedders).await?;
    matches(named.as_deref(), &before)?;
    api.state
        .store
        .set_embedding_origins(permit, principal.org, origins)
        .await?;
    Ok(Tagged(allowed(&api, &principal).await?))
}

async fn allowed(api: &Api, principal: &Principal) -> Result<OriginsView, Refused> {
    let origins = api.state.store.embedding_origins(principal.org).await?;
    Ok(OriginsView { origins })
}
